//! Damage: what was synced and does not read back, told apart from a torn tail; and hostile bytes.

use proptest::prelude::*;

use super::*;
use Action::{Append, Sync, Write};

/// A log of three segments; in `groups` the last transaction of each synced group.
fn small_log() -> (Disk, World, Vec<u64>) {
    let disk = Disk::default();
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    let mut groups = Vec::new();
    for group in [
        &[Append(9)][..],
        &[Append(20), Write, Append(30)],
        &[Append(100), Append(3)],
        &[Append(200)],
        &[Append(12)],
    ] {
        world.run(&log, group).expect("nothing fails");
        world.step(&log, Sync).expect("nothing fails");
        groups.push(world.synced);
    }
    (disk, world, groups)
}

/// Whatever the scan accepts must be a prefix of the history; its length.
fn accepted(disk: &Disk, scan: &Scan, world: &World) -> u64 {
    let all = replayed(disk, scan);
    for (i, (lsn, bytes)) in all.iter().enumerate() {
        assert_eq!(*lsn, i as u64 + 1);
        assert!(world.history[i] == *bytes, "wrong data");
    }
    all.len() as u64
}

/// `middle_corruption_is_not_tail` and `power_loss_tail_opens_unattended`, for every bit.
#[test]
fn every_flipped_bit_gives_right_data_or_the_right_verdict() {
    let (disk, world, groups) = small_log();
    let bytes = disk.bytes();
    let last = *groups.last().expect("there are groups");
    let before_last = groups[groups.len() - 2];
    let (mut damaged, mut torn, mut harmless) = (0, 0, 0);
    let mut flipped = bytes.clone();
    for at in 0..bytes.len() {
        // Where nothing was written one bit of a byte is as good as eight.
        let bits = if bytes[at] == 0 && at % 61 != 0 {
            0..1
        } else {
            0..8
        };
        if bytes[at] == 0 && at % 7 != 0 {
            continue;
        }
        for bit in bits {
            flipped[at] ^= 1 << bit;
            let disk = Disk::with_bytes(flipped.clone());
            let scan = scan_all(&disk);
            let kept = accepted(&disk, &scan, &world);
            match &scan.verdict {
                Verdict::Damaged { damage, lost_up_to } => {
                    assert!(damage.lsn.0 <= before_last && damage.lsn.0 == kept + 1);
                    assert!(lost_up_to.0 >= before_last && lost_up_to.0 <= last);
                    damaged += 1;
                }
                _ if kept == last => harmless += 1,
                Verdict::Clean | Verdict::TornTail { .. } => {
                    assert!(
                        kept >= before_last,
                        "byte {at}: {kept} of {last}, {:?}",
                        scan.verdict
                    );
                    torn += 1;
                }
                other => panic!("byte {at}: {other:?}"),
            }
            flipped[at] = bytes[at];
        }
    }
    assert!(
        damaged > 1000 && torn > 100 && harmless > 500,
        "{damaged} {torn} {harmless}"
    );
}

#[test]
fn a_lost_copy_of_any_header_costs_nothing() {
    let (disk, world, groups) = small_log();
    let bytes = disk.bytes();
    let slots = scan_all(&disk).stats.slots;
    let mut atoms = vec![0, 4096];
    for slot in 0..slots {
        let at = (8192 + slot * SEGMENT) as usize;
        atoms.extend([at, at + 4096]);
    }
    for atom in atoms {
        let mut bytes = bytes.clone();
        bytes[atom..atom + 4096].fill(0xEE);
        let disk = Disk::with_bytes(bytes);
        let scan = scan_all(&disk);
        assert_eq!(scan.verdict, Verdict::Clean);
        assert_eq!(Some(&accepted(&disk, &scan, &world)), groups.last());
    }
}

/// A frame without transactions is missed by nothing but the chain.
#[test]
fn a_lost_marker_is_damage() {
    let disk = Disk::default();
    let roomy = LogParams {
        segment_bytes: 65536,
        ..params(1)
    };
    let none = CheckpointRef::default();
    let log = Log::create(&disk, Path::new("log"), Arc::new(StoppedClock), roomy, none)
        .expect("nothing fails");
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    world
        .run(&log, &[Append(9), Action::Checkpoint, Append(9), Sync])
        .expect("nothing fails");
    assert_eq!(scan_all(&disk).stats.frames, 3);
    let mut bytes = disk.bytes();
    let marker = 8192 + 8192 + 4096;
    assert!(bytes[marker..marker + 40].iter().any(|b| *b != 0));
    bytes[marker..marker + 4096].fill(0);
    let scan = scan_all(&Disk::with_bytes(bytes));
    assert!(
        !matches!(scan.verdict, Verdict::Clean),
        "{:?}",
        scan.verdict
    );
    assert_eq!(scan.end.lsn, Lsn(1));
    assert_eq!(scan.newest_checkpoint, world.checkpoint);
}

#[test]
fn a_lost_segment_is_damage_or_missing() {
    let (disk, world, _) = small_log();
    let segments = scan_all(&disk).stats.segments;
    assert!(segments >= 3);
    for slot in 0..segments {
        let mut bytes = disk.bytes();
        let at = (8192 + slot * SEGMENT) as usize;
        bytes[at..at + SEGMENT as usize].fill(0);
        let disk = Disk::with_bytes(bytes);
        let scan = scan_all(&disk);
        accepted(&disk, &scan, &world);
        let verdict = &scan.verdict;
        if slot == 0 {
            assert!(matches!(
                verdict,
                Verdict::Missing {
                    needed: Lsn(1),
                    found: Some(_)
                }
            ));
        } else if slot + 1 < segments {
            assert!(
                matches!(verdict, Verdict::Damaged { .. }),
                "slot {slot}: {verdict:?}"
            );
        }
    }
}

#[test]
fn the_meta_slot_is_a_witness_too() {
    let (disk, _, groups) = small_log();
    let last = *groups.last().expect("there are groups");
    let mut bytes = disk.bytes();
    let scan_before = scan_all(&disk);
    let segment = scan_before.spans.last().expect("there are segments");
    let end = 8192 + segment.header.slot * SEGMENT + scan_before.end.offset;
    bytes[end as usize - 1] ^= 1;
    let disk = Disk::with_bytes(bytes);
    assert!(matches!(scan_all(&disk).verdict, Verdict::TornTail { .. }));
    let none = CheckpointRef::default();
    let scan = scan(&disk, &UUID, none, Lsn(last)).expect("no read fails");
    assert!(matches!(scan.verdict, Verdict::Damaged { lost_up_to, .. } if lost_up_to == Lsn(last)));
}

/// `on_corruption = truncate`: the caller opens a damaged log. Numbers of lost transactions are not used again.
#[test]
fn accepted_damage_is_cut_once_and_for_all() {
    let (disk, world, groups) = small_log();
    let mut bytes = disk.bytes();
    bytes[8192 + 8192 + 4096 + 30] ^= 4;
    let disk = Disk::with_bytes(bytes);
    let scan = scan_all(&disk);
    let Verdict::Damaged { lost_up_to, .. } = scan.verdict else {
        panic!("{:?}", scan.verdict);
    };
    let kept = accepted(&disk, &scan, &world);
    assert_eq!(kept, groups[0]);
    let log = open(&disk, &scan).expect("the disk works");
    assert_eq!(log.last_lsn(), lost_up_to);
    let new = put(&log, b"after the loss");
    assert_eq!(new, lost_up_to.next());
    log.sync_to(new).expect("the disk works");
    for meta_durable in [Lsn(0), lost_up_to] {
        let disk = disk.after_power_cut(Loss::DropAll);
        let scan = super::scan(&disk, &UUID, CheckpointRef::default(), meta_durable)
            .expect("no read fails");
        assert_eq!(scan.verdict, Verdict::Clean);
        let all = replayed(&disk, &scan);
        assert_eq!(all.len() as u64, kept + 1);
        assert_eq!(all.last(), Some(&(new.0, b"after the loss".to_vec())));
    }
}

#[test]
fn a_log_of_another_database_or_version_is_refused() {
    let (disk, ..) = small_log();
    let none = CheckpointRef::default();
    let foreign = scan(&disk, &[7; 16], none, Lsn(0)).expect("no read fails");
    assert!(matches!(foreign.verdict, Verdict::Foreign { .. }));
    assert!(matches!(open(&disk, &foreign), Err(LogError::NotUsable(_))));
}

#[test]
fn an_empty_or_half_made_file_is_unstarted_unless_something_was_promised() {
    let (disk, ..) = small_log();
    let whole = disk.bytes();
    let none = CheckpointRef::default();
    for len in [0, 1, 4095, 8191, 8192, 8192 + 4096] {
        for filler in [0, 0xA5] {
            let disk = Disk::with_bytes(vec![filler; len]);
            assert_eq!(scan_all(&disk).verdict, Verdict::Unstarted);
            let promised = scan(&disk, &UUID, none, Lsn(3)).expect("no read fails");
            assert!(matches!(promised.verdict, Verdict::Missing { .. }));
        }
    }
    let mut headless = whole;
    headless[8192..].fill(0);
    assert_eq!(
        scan_all(&Disk::with_bytes(headless)).verdict,
        Verdict::Unstarted
    );
}

/// A checkpoint that the log no longer reaches, and nothing behind it: the damage is of no consequence.
#[test]
fn damage_before_the_checkpoint_matters_only_if_something_came_after() {
    let (disk, world, groups) = small_log();
    let last = *groups.last().expect("there are groups");
    let mut bytes = disk.bytes();
    bytes[8192 + 8192 + 4096 + 30] ^= 4;
    let disk = Disk::with_bytes(bytes);
    let all = CheckpointRef {
        seq: 9,
        lsn: Lsn(last),
    };
    let scan = scan(&disk, &UUID, all, Lsn(0)).expect("no read fails");
    assert!(
        !matches!(scan.verdict, Verdict::Damaged { .. }),
        "{:?}",
        scan.verdict
    );
    assert_eq!(scan.resume_lsn, Lsn(last));
    let some = CheckpointRef {
        seq: 9,
        lsn: Lsn(3),
    };
    let scan = super::scan(&disk, &UUID, some, Lsn(0)).expect("no read fails");
    if replayed(&disk, &scan).len() as u64 + 3 < world.synced {
        assert!(
            matches!(scan.verdict, Verdict::Damaged { .. }),
            "{:?}",
            scan.verdict
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..crate::storage::generated(400) })]

    /// Arbitrary overwrites of a real log: no panic, no wrong data.
    #[test]
    fn overwritten_places_never_give_wrong_data(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..40)), 1..12),
    ) {
        let (disk, world, _) = small_log();
        let mut bytes = disk.bytes();
        for (place, edit) in &edits {
            let at = place.index(bytes.len() - edit.len());
            bytes[at..at + edit.len()].copy_from_slice(edit);
        }
        let disk = Disk::with_bytes(bytes);
        let scan = scan_all(&disk);
        accepted(&disk, &scan, &world);
    }

    /// Atoms of a real log moved onto each other: checksums are right, places are not.
    #[test]
    fn misdirected_atoms_never_give_wrong_data(
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let (disk, world, _) = small_log();
        let mut bytes = disk.bytes();
        for (from, to) in &moves {
            let atoms = bytes.len() / 4096;
            let (from, to) = (from.index(atoms) * 4096, to.index(atoms) * 4096);
            bytes.copy_within(from..from + 4096, to);
        }
        let disk = Disk::with_bytes(bytes);
        let scan = scan_all(&disk);
        accepted(&disk, &scan, &world);
    }

    /// Frames with right checksums and arbitrary insides, as a hostile file has them.
    #[test]
    fn sealed_nonsense_does_not_panic(
        payload in prop::collection::vec(any::<u8>(), 0..3000),
        ended in 0u64..5, inside in any::<bool>(), first_lsn in 1u64..4,
    ) {
        use super::frame::{self, FrameHead};
        use super::layout::{salt_of, segment_seq};
        let disk = Disk::default();
        drop(create(&disk));
        let mut bytes = disk.bytes();
        let seed = scan_all(&disk).end.chain;
        let head = FrameHead {
            chain: seed, first_lsn, ended, durable_lsn: 0, checkpoint: CheckpointRef::default(),
            wall_ms: StoppedClock.wall_ms(), starts_inside: inside, ends_inside: !inside,
        };
        let mut sealed = Vec::new();
        frame::encode(&mut sealed, salt_of(&UUID, segment_seq(1, 1)), &head, &payload);
        bytes[16384..16384 + sealed.len()].copy_from_slice(&sealed);
        let disk = Disk::with_bytes(bytes);
        let scan = scan_all(&disk);
        replayed(&disk, &scan);
    }
}
