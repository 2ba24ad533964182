//! Failing writes and syncs, full disks, short reads and writes.

use super::*;
use Action::{Append, Checkpoint, Sync, Write};

fn is_poisoned<T: std::fmt::Debug>(outcome: Result<T, LogError>) -> bool {
    matches!(outcome, Err(LogError::Poisoned { first }) if first.contains("injected"))
}

/// `bg_sync_error_is_sticky`: the sync after a failed one would succeed and prove nothing.
#[test]
fn a_failed_sync_poisons_for_ever() {
    let disk = Disk::default();
    let log = create(&disk);
    put(&log, b"kept");
    log.sync_to(Lsn(1)).expect("nothing fails yet");
    let lost = put(&log, b"lost");
    disk.fail_next_sync();
    assert!(is_poisoned(log.sync_to(lost)));
    let syncs = disk.syncs();
    for _ in 0..3 {
        assert!(is_poisoned(log.sync_to(lost)));
        assert!(is_poisoned(log.sync_written()));
        assert!(is_poisoned(log.reserve(1, true)));
    }
    let later = log.append(&[b"later"]);
    assert!(is_poisoned(log.write_to(later)));
    assert!(is_poisoned(
        log.write_marker().and_then(|()| log.write_to(later))
    ));
    assert!(is_poisoned(log.recycle(Lsn(0))));
    assert_eq!(disk.syncs(), syncs, "no sync is tried again");
    assert_eq!(log.synced_lsn(), Lsn(1));
    log.sync_to(Lsn(1)).expect("what was synced stays synced");
    log.write_to(lost).expect("the kernel has it");
    let cut = disk.after_power_cut(Loss::KeepAll);
    assert_eq!(replayed(&cut, &scan_all(&cut)).len(), 1);
}

#[test]
fn a_failed_write_poisons_and_leaves_no_duplicate() {
    for taken in [0, 1, 30, 100, 4000, 9000, 50_000] {
        let disk = Disk::default();
        let log = create(&disk);
        put(&log, b"kept");
        log.sync_to(Lsn(1)).expect("nothing fails yet");
        let lsn = put(&log, &record(2, 1, 20_000));
        disk.fail_next_write(taken);
        assert!(is_poisoned(log.write_to(lsn)));
        let writes = disk.writes();
        assert!(is_poisoned(log.sync_to(lsn)));
        assert_eq!(disk.writes(), writes, "no write is tried again");
        drop(log);
        let disk = disk.after_kill();
        let scan = scan_all(&disk);
        assert!(!matches!(scan.verdict, Verdict::Damaged { .. }));
        assert_eq!(replayed(&disk, &scan), [(1, b"kept".to_vec())]);
        let log = open(&disk, &scan).expect("the disk works again");
        put(&log, b"second");
        log.sync_to(Lsn(2)).expect("the disk works again");
        let disk = disk.after_power_cut(Loss::DropAll);
        let all = replayed(&disk, &scan_all(&disk));
        assert_eq!(all, [(1, b"kept".to_vec()), (2, b"second".to_vec())]);
    }
}

#[test]
fn a_full_disk_refuses_reservations_keeps_a_reserve_and_heals() {
    let disk = Disk::default();
    let log = create(&disk);
    disk.set_capacity(Some(log.file_len()));
    let mut lsn = Lsn(0);
    let refusal = loop {
        match log.reserve(100, false) {
            Ok(()) => lsn = log.append(&[&[7; 100]]),
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(refusal, LogError::NoSpace(_)), "{refusal}");
    log.sync_to(lsn).expect("what was reserved fits");
    let before = lsn;
    while log.reserve(100, true).is_ok() {
        lsn = log.append(&[&[8; 100]]);
        log.sync_to(lsn).expect("what was reserved fits");
    }
    assert!(lsn > before, "critical work has the reserve");
    assert!(log.poison().is_none());
    disk.set_capacity(None);
    lsn = put(&log, &[9; 50_000]);
    log.sync_to(lsn).expect("there is space again");
    let disk = disk.after_power_cut(Loss::DropAll);
    assert_eq!(replayed(&disk, &scan_all(&disk)).len() as u64, lsn.0);
}

#[test]
fn a_full_disk_can_be_checkpointed_free() {
    let disk = Disk::default();
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    disk.set_capacity(Some(log.file_len() + 2 * SEGMENT));
    for _ in 0..5 {
        let mut steps = 0;
        while world.step(&log, Append(500)).is_ok() {
            world.step(&log, Write).expect("what was reserved fits");
            steps += 1;
        }
        assert!(steps > 0);
        world.step(&log, Checkpoint).expect("the reserve is enough");
    }
    world.check(&disk.after_power_cut(Loss::DropAll), world.synced);
}

#[test]
fn short_reads_and_writes_are_gone_on_with() {
    let disk = Disk::default();
    disk.set_piece(999);
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    world
        .run(&log, &[Append(10), Sync, Append(20_000), Append(0), Sync])
        .expect("nothing fails");
    let disk = disk.after_power_cut(Loss::DropAll);
    disk.set_piece(777);
    world.check(&disk, 3);
}

#[test]
fn a_file_that_ends_inside_a_segment_is_not_read_as_zeroes() {
    let disk = Disk::default();
    let log = create(&disk);
    put(&log, &record(1, 1, 30_000));
    log.sync_to(Lsn(1)).expect("nothing fails");
    let whole = disk.bytes();
    for cut in [1, 4096, SEGMENT as usize, 2 * SEGMENT as usize] {
        let disk = Disk::with_bytes(whole[..whole.len() - cut].to_vec());
        let scan = scan(&disk, &UUID, CheckpointRef::default(), Lsn(1)).expect("no read fails");
        let complete = replayed(&disk, &scan).len() == 1;
        assert!(complete || matches!(scan.verdict, Verdict::Damaged { .. }));
    }
}

/// `ack_only_after_own_sync`, `wal_sync_flag_survives_log_reset`: a record counts as synced only once a sync began
/// after its write, also directly after the log was recycled.
#[test]
fn every_record_gets_its_own_sync() {
    let disk = Disk::default();
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    for round in 0..20 {
        if round % 4 == 0 {
            world.step(&log, Checkpoint).expect("nothing fails");
        }
        let before = log.synced_lsn();
        world
            .step(&log, Append(round * 100))
            .expect("there is room");
        world.step(&log, Write).expect("nothing fails");
        assert_eq!(log.synced_lsn(), before, "a write is no sync");
        let lost = disk.after_power_cut(Loss::DropAll);
        let seen = scan(&lost, &UUID, world.checkpoint, Lsn(0)).expect("no read fails");
        assert_eq!(seen.resume_lsn, before);
        world.step(&log, Sync).expect("nothing fails");
        world
            .clone()
            .check(&disk.after_power_cut(Loss::DropAll), world.synced);
    }
}
