//! A single damaged byte anywhere: either the check or the open and a read of everything say so, or the data is
//! what it was. Never other data, never a panic.

use super::rig::{Contents, Image, MemVfs, PAGE, Rig, checked, in_use, path, wal};
use crate::storage::OpenError;

/// Bytes that nobody refers to are tried only now and then: every so many.
const FREE_STRIDE: usize = 211;

fn small() -> Rig {
    let rig = Rig::new();
    for n in 0..12_u32 {
        rig.put(0, format!("key{n:02}").as_bytes(), &[n as u8; 20]);
    }
    rig.put(5, b"large", &[9; 1200]);
    rig.put(5, &[b'k'; 50], b"long key");
    rig.checkpoint();
    rig.checkpoint();
    for n in 0..6_u32 {
        rig.put(0, format!("log{n}").as_bytes(), b"replayed");
        rig.with(|engine| {
            let log = engine.log().expect("open").clone();
            log.sync_to(log.last_lsn()).expect("a sync");
        });
    }
    rig
}

/// What a reader gets from damaged files, if they open and every read succeeds.
fn read(vfs: &MemVfs) -> Option<Contents> {
    let rig: Result<Rig, OpenError> = Rig::over(vfs.copy());
    rig.ok()?.contents().ok()
}

/// The states that a file may show: all of it, and less of what came last when the end of the log is unproved.
fn assert_told_or_right(vfs: &MemVfs, right: &[Contents], what: &str) {
    let report = checked(vfs);
    let Some(seen) = read(vfs) else {
        return;
    };
    assert!(
        right.contains(&seen),
        "{what}: other data, and the check says {:?}",
        report.findings
    );
}

#[test]
fn one_damaged_byte_never_gives_other_data() {
    let mut rig = small();
    let whole = rig.contents().expect("readable");
    rig.kill();
    let mut last_lost = whole.clone();
    last_lost.remove(&(0, b"log5".to_vec()));
    let used = in_use(&rig.vfs);
    let trial = rig.vfs.copy();
    let image = Image::of(&rig.vfs).bytes;
    let mut tried = 0;
    for at in 0..image.len() {
        let page = (at / PAGE) as u64;
        let matters = at < 128 || used.iter().any(|(no, _)| *no == page);
        let meta_field = at < 16384 && at % 4096 < 160;
        if !matters && !meta_field && at % FREE_STRIDE != 0 {
            continue;
        }
        let mut bytes = image.clone();
        bytes[at] ^= 1 << (at % 8);
        trial.set(&path(), bytes);
        assert_told_or_right(
            &trial,
            std::slice::from_ref(&whole),
            &format!("data byte {at}"),
        );
        tried += 1;
    }
    assert!(tried > 4000, "{tried} bytes were tried");
    trial.set(&path(), image);
    let log = rig.vfs.bytes(&wal());
    for at in 0..log.len() {
        if log[at] == 0 && at % 61 != 0 {
            continue;
        }
        let mut bytes = log.clone();
        bytes[at] ^= 1 << (at % 8);
        trial.set(&wal(), bytes);
        // Rot in the last group looks like a torn end: that transaction may be gone.
        let right = [whole.clone(), last_lost.clone()];
        assert_told_or_right(&trial, &right, &format!("log byte {at}"));
    }
}
