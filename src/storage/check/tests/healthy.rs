use super::rig::{MemVfs, Rig, busy, path, wal};
use crate::storage::check::{CheckError, CheckOptions, Invariant, Severity, check};
use crate::storage::open::{OpenOptions, open};
use crate::storage::read::{Read, RootId};
use crate::vfs::{OsClock, OsVfs, Vfs};

/// Where in the log the last transaction of [`busy`] is.
fn last_record(bytes: &[u8]) -> usize {
    let mark = b"l\x13\x01h\x0ain the log";
    let at = bytes.windows(mark.len()).rposition(|w| w == mark);
    at.expect("it was logged")
}

fn assert_clean(rig: &Rig) {
    let report = rig.check();
    assert_eq!(report.findings, [], "{:?}", report.stats);
    assert_eq!(report.worst, None);
}

#[test]
fn a_healthy_file_and_a_killed_one_have_no_findings() {
    let mut rig = Rig::new();
    rig.kill();
    assert_clean(&rig);
    let mut rig = busy();
    rig.kill();
    assert_clean(&rig);
    let stats = rig.check().stats;
    assert!(
        stats.trees >= 5 && stats.blobs > 20 && stats.entries > 100,
        "{stats:?}"
    );
    assert_eq!((stats.records, stats.pages_lost), (20, 0));
    rig.reopen();
    rig.kill();
    assert_clean(&rig);
    rig.reopen();
    rig.close();
    assert_clean(&rig);
    rig.vfs.unlink(&wal()).expect("it is there");
    assert_clean(&rig);
}

#[test]
fn freeing_what_was_dropped_loses_no_page() {
    let rig = busy();
    for _ in 0..12 {
        rig.with(|engine| engine.free_dropped(7)).expect("readable");
        rig.checkpoint();
        assert_clean(&rig);
    }
    rig.change(|engine| engine.drop_root(RootId(0)));
    rig.checkpoint();
    assert_clean(&rig);
    while rig.with(|engine| engine.has_dropped()) {
        rig.with(|engine| engine.free_dropped(5)).expect("readable");
        rig.checkpoint();
        assert_clean(&rig);
    }
}

#[test]
fn many_dropped_trees_make_a_long_list_that_is_read() {
    let rig = Rig::new();
    for n in 0..60_u8 {
        rig.change(|engine| {
            let tree = engine.root(RootId(0))?;
            engine.put_nested(tree, &[n], b"", 1)?;
            let nested = engine.nested(tree, &[n], 0)?.expect("it was put");
            engine.put(nested, b"k", b"", b"v")
        });
    }
    rig.checkpoint();
    rig.change(|engine| {
        let tree = engine.root(RootId(0))?;
        engine.delete_range(tree, b"", None)
    });
    rig.checkpoint();
    assert_clean(&rig);
    assert!(rig.check().stats.trees >= 60);
}

/// A value was cut twice inside a hole, so that it was all hole and lower than its length needs; a write at its
/// start then made one page of it, which reads found at every place.
#[test]
fn a_value_cut_down_to_a_hole_takes_writes_where_they_belong() {
    let rig = Rig::new();
    rig.put(0, b"hole", b"");
    let write = |at: u64| {
        rig.change(|engine| {
            let tree = engine.root(RootId(0))?;
            engine.write_body(tree, b"hole", at, b"abc")
        });
    };
    write(60_000);
    for len in [15_000, 14_000] {
        rig.change(|engine| {
            let tree = engine.root(RootId(0))?;
            engine.truncate_body(tree, b"hole", len)
        });
    }
    write(0);
    let mut expected = vec![0; 14_000];
    expected[..3].copy_from_slice(b"abc");
    let contents = rig.contents().expect("readable");
    assert!(contents[&(0, b"hole".to_vec())].body == expected);
    rig.checkpoint();
    assert_clean(&rig);
}

#[test]
fn a_torn_end_of_the_log_is_only_noted() {
    let mut rig = busy();
    rig.kill();
    let mut bytes = rig.vfs.bytes(&wal());
    let last = last_record(&bytes);
    bytes[last] ^= 1;
    rig.vfs.set(&wal(), bytes);
    let report = rig.check();
    assert!(report.is_healthy(), "{:?}", report.findings);
    assert_eq!(report.worst, Some(Severity::Note));
    assert!(report.names(Invariant::LogWhole));
}

#[test]
fn findings_beyond_the_bound_are_counted() {
    let mut rig = busy();
    rig.kill();
    let mut bytes = rig.vfs.bytes(&path());
    let behind_meta = 16 << 10;
    bytes[behind_meta..].fill(0xAA);
    rig.vfs.set(&path(), bytes);
    let options = CheckOptions { findings_max: 1 };
    let report = check(&rig.vfs, &path(), &options, &mut |_| {}).expect("checked");
    assert_eq!(report.findings.len(), 1);
    assert!(report.suppressed >= 1);
    assert_eq!(report.worst, Some(Severity::Error));
}

#[test]
fn what_is_no_database_is_refused() {
    let vfs = MemVfs::default();
    let refused = |vfs: &MemVfs| check(vfs, &path(), &CheckOptions::default(), &mut |_| {});
    assert!(matches!(refused(&vfs), Err(CheckError::Vfs(_))));
    // Also one that is not longer than what a creation may have left.
    for len in [1, 200, 20_000] {
        vfs.set(&path(), b"a letter".repeat(len));
        assert!(matches!(
            refused(&vfs),
            Err(CheckError::NotADatabase { .. })
        ));
    }
    vfs.set(&path(), Vec::new());
    let report = refused(&vfs).expect("an unfinished creation");
    assert!(report.is_healthy() && report.names(Invariant::MetaCopies));
}

#[test]
fn a_file_in_use_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let clock = std::sync::Arc::new(OsClock::default());
    let options = OpenOptions::new([1; 16]);
    let opened = open(&OsVfs, clock, &path, &options, &mut |_, _| {}).expect("a new file");
    let refused = check(&OsVfs, &path, &CheckOptions::default(), &mut |_| {});
    assert!(matches!(refused, Err(CheckError::InUse(_))));
    drop(opened);
    let report = check(&OsVfs, &path, &CheckOptions::default(), &mut |_| {}).expect("free now");
    assert_eq!(report.findings, []);
}
