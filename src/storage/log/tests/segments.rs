//! Segments: switching, recycling, the length of the file, records longer than a segment.

use super::super::pool::REMEMBERED;
use super::*;
use crate::vfs::CUT_BYTES_MAX;
use Action::{Append, Checkpoint, Sync, Write};

fn new_world() -> World {
    World {
        generation: 1,
        ..World::default()
    }
}

/// `wal_cut_only_after_data_synced`, as far as the log can see to it.
#[test]
#[should_panic(expected = "L8")]
fn recycling_waits_for_a_synced_frame_that_names_the_checkpoint() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    world
        .run(&log, &[Append(9000), Append(9000), Sync])
        .expect("nothing fails");
    log.note_checkpoint(CheckpointRef {
        seq: 1,
        lsn: log.synced_lsn(),
    });
    log.write_marker().expect("nothing fails");
    // Not synced: the marker may be lost, and a scan would not know of the checkpoint.
    drop(log.recycle(log.synced_lsn()));
}

#[test]
#[should_panic(expected = "L7")]
fn a_checkpoint_of_unsynced_transactions_is_refused() {
    let disk = Disk::default();
    let log = create(&disk);
    let lsn = put(&log, b"unsynced");
    log.write_to(lsn).expect("nothing fails");
    log.note_checkpoint(CheckpointRef { seq: 1, lsn });
}

#[test]
fn a_checkpoint_is_named_by_the_log_from_then_on() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    world
        .run(&log, &[Append(100), Checkpoint, Append(9000), Checkpoint])
        .expect("nothing fails");
    let disk = disk.after_power_cut(Loss::DropAll);
    let old = CheckpointRef {
        seq: 1,
        lsn: Lsn(1),
    };
    let scan = scan(&disk, &UUID, old, Lsn(0)).expect("no read fails");
    assert_eq!(scan.newest_checkpoint, world.checkpoint);
    let log = open(&disk, &scan).expect("nothing fails");
    drop(log);
    let again = super::scan(&disk, &UUID, old, Lsn(0)).expect("no read fails");
    assert_eq!(again.newest_checkpoint, world.checkpoint);
}

#[test]
fn recycled_segments_show_nothing_of_their_past() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    for round in 0..30 {
        world
            .run(
                &log,
                &[
                    Append(3000),
                    Append(3000),
                    Write,
                    Append(round * 50),
                    Checkpoint,
                ],
            )
            .expect("nothing fails");
        world.run(&log, &[Append(10), Sync]).expect("nothing fails");
        for loss in [Loss::DropAll, Loss::KeepAll] {
            world
                .clone()
                .check(&disk.after_power_cut(loss), world.synced);
        }
    }
    assert!(log.file_len() <= 8192 + 5 * SEGMENT, "{}", log.file_len());
}

#[test]
fn a_sync_changes_no_file_length_once_segments_are_there() {
    let disk = Disk::default();
    let mut world = new_world();
    let roomy = LogParams {
        idle_segments: 5,
        ..params(1)
    };
    let log = Log::create(
        &disk,
        Path::new("log"),
        Arc::new(StoppedClock),
        roomy,
        CheckpointRef::default(),
    )
    .expect("nothing fails");
    world
        .run(&log, &[Append(100), Sync, Append(5000), Sync, Checkpoint])
        .expect("nothing fails");
    let before = disk.lengths_changed();
    for _ in 0..50 {
        world
            .run(&log, &[Append(2000), Sync, Checkpoint])
            .expect("nothing fails");
    }
    assert_eq!(disk.lengths_changed(), before);
}

#[test]
fn an_idle_log_gives_its_space_back() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    world
        .run(&log, &[Append(500_000), Sync])
        .expect("nothing fails");
    let long = log.file_len();
    assert!(long > 500_000);
    // What was needed before one of the last checkpoints may be needed again.
    world.step(&log, Checkpoint).expect("nothing fails");
    for _ in 1..REMEMBERED {
        world
            .run(&log, &[Append(1), Checkpoint])
            .expect("nothing fails");
        // Freeing again, as the archive does, is no checkpoint.
        log.recycle(world.checkpoint.lsn).expect("nothing fails");
    }
    assert_eq!(log.file_len(), long);
    world
        .run(&log, &[Append(1), Checkpoint])
        .expect("nothing fails");
    assert!(log.file_len() <= 8192 + 6 * SEGMENT, "{}", log.file_len());
    assert_eq!(disk.bytes().len() as u64, log.file_len());
    assert_eq!(log.live_bytes(), SEGMENT);
    log.shorten().expect("nothing fails");
    assert_eq!(log.file_len(), 8192 + 2 * SEGMENT);
    assert_eq!(disk.bytes().len() as u64, log.file_len());
    world
        .run(&log, &[Append(50_000), Sync])
        .expect("nothing fails");
    for loss in [Loss::DropAll, Loss::KeepAll, Loss::Only(0)] {
        world
            .clone()
            .check(&disk.after_power_cut(loss), world.synced);
    }
}

/// Under an even load no segment is cut off and made anew.
#[test]
fn a_log_keeps_the_length_that_its_load_needs() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    let round = [Append(500_000), Sync, Checkpoint];
    world.run(&log, &round).expect("nothing fails");
    world.run(&log, &round).expect("nothing fails");
    let (length, before) = (log.file_len(), disk.lengths_changed());
    for _ in 0..5 {
        world.run(&log, &round).expect("nothing fails");
    }
    assert_eq!(log.file_len(), length);
    assert_eq!(disk.lengths_changed(), before);

    // It goes when nobody writes: the next marker moves the log to the front.
    world
        .run(&log, &[Append(1), Checkpoint])
        .expect("nothing fails");
    assert_eq!(log.file_len(), length);
    while log.settle().expect("nothing fails") {}
    assert!(log.file_len() <= 8192 + 4 * SEGMENT, "{}", log.file_len());
    world
        .clone()
        .check(&disk.after_power_cut(Loss::KeepAll), world.synced);
}

/// Who writes to the log waits for a cut.
#[test]
fn a_long_log_is_cut_in_pieces() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    const RECORD: usize = 1 << 20;
    let records = 2 * CUT_BYTES_MAX as usize / RECORD + 4;
    let mut steps = vec![Append(RECORD); records];
    steps.extend([Sync, Checkpoint]);
    for _ in 0..REMEMBERED + 4 {
        steps.extend([Append(1), Checkpoint]);
    }
    world.run(&log, &steps).expect("nothing fails");
    assert!(log.file_len() <= 8192 + 6 * SEGMENT, "{}", log.file_len());
    let longest_cut = disk.longest_cut() as u64;
    assert!(
        longest_cut <= CUT_BYTES_MAX && longest_cut + SEGMENT > CUT_BYTES_MAX,
        "{longest_cut}"
    );
}

#[test]
fn a_record_longer_than_many_segments_comes_back_whole_or_not_at_all() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    world
        .run(&log, &[Append(5), Append(3_000_000), Append(5), Write])
        .expect("nothing fails");
    world.clone().check(&disk.after_power_cut(Loss::KeepAll), 3);
    let torn = disk.after_power_cut(Loss::AllBut(0));
    let scan = world.clone().check(&torn, 0);
    assert!(scan.resume_lsn < Lsn(3));
    world.step(&log, Sync).expect("nothing fails");
    let disk = disk.after_power_cut(Loss::DropAll);
    let scan = world.check(&disk, 3);
    let log = world.open(&disk, &scan).expect("nothing fails");
    world.run(&log, &[Append(5), Sync]).expect("nothing fails");
    world.check(&disk.after_power_cut(Loss::DropAll), 4);
}

/// A record may end in a segment of which everything before is in the checkpoint.
#[test]
fn reading_may_begin_in_the_middle_of_a_record_of_the_checkpoint() {
    let disk = Disk::default();
    let mut world = new_world();
    let log = create(&disk);
    world
        .run(&log, &[Append(40_000), Append(100), Write])
        .expect("nothing fails");
    world
        .run(&log, &[Checkpoint, Append(100), Sync])
        .expect("nothing fails");
    assert!(log.live_bytes() <= 2 * SEGMENT);
    let disk = disk.after_power_cut(Loss::DropAll);
    let scan = world.check(&disk, 3);
    assert_eq!(replayed(&disk, &scan).len(), 1);
    world.open(&disk, &scan).expect("nothing fails");
    world.check(&disk, 3);
}

#[test]
fn the_name_is_synced_when_a_log_is_created() {
    let disk = Disk::default();
    drop(create(&disk));
    assert_eq!(disk.dir_syncs(), 1);
    let scan = scan_all(&disk.after_power_cut(Loss::DropAll));
    assert_eq!(scan.verdict, Verdict::Clean);
}

/// `wal_restart_new_salt`.
#[test]
fn no_two_segments_ever_have_the_same_salt() {
    use super::layout::{salt_of, segment_seq};
    let mut salts = std::collections::BTreeSet::new();
    for generation in 1..100 {
        for n in 1..100 {
            assert!(salts.insert(salt_of(&UUID, segment_seq(generation, n))));
        }
    }
}

#[test]
fn segments_made_beforehand_are_free_once_they_are_filled() {
    for fill in [Fill::Allocated, Fill::Zeroes] {
        let disk = Disk::default();
        let mut world = new_world();
        let log = create(&disk);
        world
            .run(&log, &[Append(100), Sync])
            .expect("nothing fails");
        let mut writes = 0;
        // While zeroes are written the log is used up, grows by itself, is recycled and goes on.
        let mut beside = || {
            writes += 1;
            world
                .run(
                    &log,
                    &[
                        Append(2000),
                        Sync,
                        Append(1000),
                        Checkpoint,
                        Append(1000),
                        Write,
                    ],
                )
                .expect("nothing fails");
        };
        log.grow_ahead(20 * SEGMENT, fill, &mut beside)
            .expect("nothing fails");
        assert_eq!(writes > 0, fill == Fill::Zeroes);
        let before = disk.lengths_changed();
        for _ in 0..20 {
            world
                .run(&log, &[Append(2000), Sync])
                .expect("nothing fails");
        }
        assert_eq!(disk.lengths_changed(), before, "{fill:?}");
        for loss in [Loss::DropAll, Loss::KeepAll] {
            world
                .clone()
                .check(&disk.after_power_cut(loss), world.synced);
        }
    }
}

#[test]
fn room_that_is_there_is_not_made_again() {
    let disk = Disk::default();
    let log = create(&disk);
    log.grow_ahead(20 * SEGMENT, Fill::Zeroes, &mut || {})
        .expect("nothing fails");
    let (before, len) = (disk.lengths_changed(), log.file_len());
    log.grow_ahead(20 * SEGMENT, Fill::Zeroes, &mut || {
        panic!("nothing is written")
    })
    .expect("nothing fails");
    assert_eq!((disk.lengths_changed(), log.file_len()), (before, len));
}
