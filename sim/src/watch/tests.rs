//! Each assertion sees its mistake and lets the right order pass.

use std::path::Path;
use std::sync::Arc;

use redkeep::vfs::{OpenMode, Vfs, VfsFile};

use super::*;
use crate::disk::{DiskProfile, Fault, Files, Injection, Progress, Setup, SimVfs, Termination};
use crate::seed::Seed;

const DIR: &str = "/db";
const ACK: Note<'_> = Note::Ack {
    lsn: 1,
    policy: AckPolicy::Always,
};

fn watched(observers: Vec<Box<dyn Observer>>) -> SimVfs {
    let vfs = SimVfs::new(DiskProfile::default(), &[DIR], &Setup::new(Seed(1)));
    for observer in observers {
        vfs.observe(observer);
    }
    vfs
}

fn standard_watch() -> SimVfs {
    let scanned = vec![Files::ending("-wal")];
    watched(standard(vec![Files::ending("-shm")], scanned))
}

fn open(vfs: &SimVfs, path: &str) -> Arc<dyn VfsFile> {
    vfs.open(Path::new(path), OpenMode::Create)
        .expect("nothing is injected here")
}

fn sync_dir(vfs: &SimVfs) {
    vfs.sync_dir(Path::new(DIR))
        .expect("nothing is injected here");
}

fn rules(vfs: &SimVfs) -> Vec<&'static str> {
    vfs.violations().iter().map(|v| v.rule).collect()
}

#[test]
fn a9_an_acknowledgement_needs_the_names_it_rests_on() {
    for (path, synced, found) in [
        ("/db/data", false, vec!["A9"]),
        ("/db/data", true, vec![]),
        ("/db/data-shm", false, vec![]),
    ] {
        let vfs = standard_watch();
        open(&vfs, path);
        if synced {
            sync_dir(&vfs);
        }
        vfs.note(ACK);
        assert_eq!(rules(&vfs), found, "{path}");
    }
}

#[test]
fn a9_a_file_goes_only_after_its_successor_has_a_durable_name() {
    for synced in [false, true] {
        let vfs = standard_watch();
        open(&vfs, "/db/old");
        sync_dir(&vfs);
        open(&vfs, "/db/next");
        vfs.rename(Path::new("/db/next"), Path::new("/db/new"))
            .expect("it is there");
        if synced {
            sync_dir(&vfs);
        }
        vfs.unlink(Path::new("/db/old")).expect("it is there");
        assert_eq!(rules(&vfs).is_empty(), synced);
    }
}

#[test]
fn a9_a_failed_directory_sync_covers_nothing() {
    let vfs = watched(vec![Box::new(DirSyncs::new(Vec::new()))]);
    open(&vfs, "/db/data");
    vfs.inject(Injection::once(Fault::DirSyncFails, 0));
    vfs.sync_dir(Path::new(DIR)).expect_err("it was injected");
    vfs.note(ACK);
    assert_eq!(rules(&vfs), ["A9"]);
}

#[test]
fn a10_nothing_counts_after_a_failed_sync_until_the_next_life() {
    let uses: [fn(&SimVfs, &dyn VfsFile); 4] = [
        |vfs, _| vfs.note(ACK),
        |vfs, _| vfs.note(Note::Durable { lsn: 1 }),
        |vfs, _| {
            vfs.note(Note::MetaWritten {
                slot: 0,
                copy: 0,
                checkpoint_lsn: 1,
                pages: 1,
                root_stamp: 1,
            });
        },
        |_, file| file.sync_data().expect("the error is told once"),
    ];
    for action in uses {
        for fault in [Some(Fault::SyncLosesPages), Some(Fault::Interrupted), None] {
            let vfs = standard_watch();
            let file = open(&vfs, "/db/data");
            sync_dir(&vfs);
            if let Some(fault) = fault {
                vfs.inject(Injection::once(fault, 0));
            }
            assert_eq!(file.sync_data().is_err(), fault.is_some());
            action(&vfs, &*file);
            let lost = fault == Some(Fault::SyncLosesPages);
            assert_eq!(rules(&vfs).contains(&"A10"), lost, "{fault:?}");
        }
    }
    let vfs = standard_watch();
    let file = open(&vfs, "/db/data");
    sync_dir(&vfs);
    vfs.inject(Injection::once(Fault::SyncLosesPages, 0));
    file.sync_data().expect_err("it was injected");
    vfs.restart(Termination::ProcessKill(Progress::Nothing));
    vfs.note(ACK);
    assert!(rules(&vfs).is_empty());
}

#[test]
fn a12_calls_in_flight_on_the_same_bytes_clash_if_one_writes() {
    let cases: [(u64, bool, bool); 4] = [
        (4, true, true),
        (8, true, false),
        (4, false, true),
        (8, false, false),
    ];
    for (offset, writes, clash) in cases {
        let vfs = watched(vec![Box::new(NoOverlap::default())]);
        let file = open(&vfs, "/db/data");
        file.write_at(&[0; 32], 0).expect("nothing is in flight");
        let other = file.clone();
        vfs.set_window(Some(Box::new(move |_, _| {
            let result = match writes {
                true => other.write_at(b"12345678", offset),
                false => other.read_at(&mut [0; 8], offset),
            };
            assert_eq!(result.ok(), Some(8));
        })));
        file.write_at(b"abcdefgh", 0).expect("nothing is injected");
        vfs.set_window(None);
        let expected: &[&str] = if clash { &["A12"] } else { &[] };
        assert_eq!(rules(&vfs), expected, "@{offset} writes {writes}");
    }
}

#[test]
fn a13_what_nobody_wrote_is_not_read_or_where_files_are_scanned_not_used() {
    let vfs = standard_watch();
    let (data, wal) = (open(&vfs, "/db/data"), open(&vfs, "/db/data-wal"));
    for file in [&data, &wal] {
        file.allocate(0, 8192).expect("there is no limit");
        file.write_at(&[1; 512], 0).expect("it is open for writing");
        file.read_at(&mut [0; 512], 0).expect("it is there");
    }
    assert!(rules(&vfs).is_empty());
    wal.read_at(&mut [0; 1024], 0).expect("it is there");
    let used = |offset| {
        let path = Path::new("/db/data-wal");
        vfs.note(Note::Used {
            path,
            offset,
            len: 512,
        });
        rules(&vfs)
    };
    assert!(used(0).is_empty());
    assert_eq!(used(512), ["A13"]);
    wal.write_at(&[1; 512], 512)
        .expect("it is open for writing");
    assert_eq!(used(512).len(), 1, "it is written now");
    data.read_at(&mut [0; 1024], 0).expect("it is there");
    assert_eq!(rules(&vfs), ["A13", "A13"]);
}

#[test]
fn a14_reading_only_alters_nothing_but_shared_memory() {
    let vfs = watched(vec![Box::new(ReadOnly::new(vec![Files::ending("-shm")]))]);
    let shm = open(&vfs, "/db/data-shm");
    shm.write_at(b"pin", 0).expect("it is open for writing");
    assert!(rules(&vfs).is_empty());
    let data = open(&vfs, "/db/data");
    data.write_at(b"x", 0).expect("it is open for writing");
    data.set_len(0).expect("it is open for writing");
    vfs.unlink(Path::new("/db/data")).expect("it is there");
    assert_eq!(rules(&vfs), ["A14"; 4]);
}
