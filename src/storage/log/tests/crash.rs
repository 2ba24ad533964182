//! Power cuts and kills, at every operation and in recovery.

use proptest::prelude::*;

use super::*;
use Action::{Append, Checkpoint, Sync, Write};

const SCRIPT: &[Action] = &[
    Append(40),
    Sync,
    Append(10),
    Append(700),
    Write,
    Append(3),
    Write,
    Sync,
    Append(2500),
    Sync,
    Append(5000),
    Write,
    Append(1),
    Sync,
    Append(300),
    Append(9000),
    Sync,
    Append(20),
    Checkpoint,
    Append(64),
    Sync,
    Append(4000),
    Write,
    Append(4000),
    Sync,
    Append(0),
    Append(15000),
    Sync,
    Append(100),
    Write,
    Checkpoint,
    Append(50),
    Sync,
    Append(7000),
    Write,
    Append(7),
    Sync,
    Checkpoint,
    Append(8),
    Checkpoint,
    Append(1),
    Checkpoint,
    Append(1),
    Checkpoint,
    Append(1),
    Checkpoint,
    Append(1),
    Checkpoint,
    Append(1),
    Checkpoint,
    Append(9),
    Checkpoint,
    Append(30000),
    Sync,
];

fn losses() -> Vec<Loss> {
    let mut all = vec![Loss::KeepAll, Loss::DropAll];
    for back in 0..3 {
        all.push(Loss::AllBut(back));
        all.push(Loss::Only(back));
    }
    for seed in 0..6 {
        all.push(Loss::Torn { seed, atom: 512 });
        all.push(Loss::Torn { seed, atom: 4096 });
    }
    all
}

/// Runs the script until the disk stops; what was promised until then.
fn run_until(stop: u64) -> (World, Disk, bool) {
    let disk = Disk::default();
    disk.stop_at(stop);
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    if let Ok(log) = try_create(&disk) {
        let outcome = world.run(&log, SCRIPT);
        assert!(outcome.is_ok() || disk.has_stopped(), "{outcome:?}");
    }
    let stopped = disk.has_stopped();
    (world, disk, stopped)
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_prefix_that_goes_on() {
    let mut cuts = 0;
    for stop in 0.. {
        let (world, disk, stopped) = run_until(stop);
        for loss in losses() {
            let mut world = world.clone();
            let disk = disk.after_power_cut(loss);
            let scan = world.check(&disk, world.synced);
            let log = world.open(&disk, &scan).expect("the disk works again");
            let more = [Append(10), Write, Append(5000), Sync, Append(1)];
            world.run(&log, &more).expect("the disk works again");
            let disk = disk.after_power_cut(Loss::DropAll);
            world.check(&disk, world.synced);
            cuts += 1;
        }
        if !stopped {
            break;
        }
    }
    assert!(cuts > 1000, "{cuts}");
}

#[test]
fn a_kill_at_any_operation_loses_nothing_that_was_written() {
    for stop in 0.. {
        let (mut world, disk, stopped) = run_until(stop);
        world.check(&disk.after_kill(), world.written);
        if !stopped {
            break;
        }
    }
}

#[test]
fn recovery_may_be_cut_anywhere_and_shows_what_it_showed() {
    for stop in (0..).step_by(3) {
        let (world, disk, stopped) = run_until(stop);
        for loss in [
            Loss::KeepAll,
            Loss::Torn {
                seed: stop,
                atom: 512,
            },
        ] {
            let image = disk.after_power_cut(loss);
            for inner in 0.. {
                let mut world = world.clone();
                // A copy, for the same image is recovered many times.
                let disk = Disk::with_bytes(image.bytes());
                let scan = world.check(&disk, world.synced);
                disk.stop_at(inner);
                let outcome = world.open(&disk, &scan);
                let served = outcome.is_ok();
                drop(outcome);
                for loss in [
                    Loss::DropAll,
                    Loss::KeepAll,
                    Loss::Torn {
                        seed: inner,
                        atom: 4096,
                    },
                ] {
                    let mut world = world.clone();
                    let disk = disk.after_power_cut(loss);
                    let scan = world.check(&disk, world.synced);
                    world.open(&disk, &scan).expect("the disk works again");
                    world.check(&disk.after_power_cut(Loss::DropAll), world.synced);
                }
                if served {
                    break;
                }
            }
        }
        if !stopped {
            break;
        }
    }
}

/// A recovery that was killed leaves in the kernel's memory what the next one reads and a power cut then takes.
#[test]
fn a_recovery_after_a_killed_one_relies_on_nothing_that_was_not_synced() {
    let disk = Disk::default();
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    let script = [
        Append(100),
        Sync,
        Append(9000),
        Write,
        Append(50),
        Write,
        Append(20),
        Write,
    ];
    world.run(&log, &script).expect("nothing fails");
    drop(log);
    let mut cuts = 0;
    for first in 0.. {
        let mut world = world.clone();
        let killed = disk.after_kill();
        let scan = world.check(&killed, world.written);
        killed.stop_at(first);
        let ended = world.open(&killed, &scan).is_ok();
        for second in 0.. {
            let mut world = world.clone();
            let disk = killed.after_kill();
            let scan = world.check(&disk, world.written);
            disk.stop_at(second);
            let served = world.open(&disk, &scan).is_ok();
            for loss in losses() {
                let mut world = world.clone();
                let disk = disk.after_power_cut(loss);
                world.check(&disk, world.synced);
                cuts += 1;
            }
            if served {
                break;
            }
        }
        if ended {
            break;
        }
    }
    assert!(cuts > 300, "{cuts}");
}

/// `recovered_implies_durable`: also where an earlier sync failed and the kernel shows what it will never write.
#[test]
fn what_recovery_shows_survives_a_power_cut_even_after_a_failed_sync() {
    let disk = Disk::default();
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    world
        .run(
            &log,
            &[Append(30), Sync, Append(6000), Write, Append(9000), Write],
        )
        .expect("nothing fails yet");
    disk.fail_next_sync();
    world.step(&log, Sync).expect_err("the sync fails");
    drop(log);
    let disk = disk.after_kill();
    let scan = world.check(&disk, world.written);
    world.open(&disk, &scan).expect("the disk works again");
    assert_eq!(world.synced, 3);
    world.check(&disk.after_power_cut(Loss::DropAll), 3);
}

/// A recovery of which a sync failed leaves copies, or a header, that the kernel shows and will never write.
#[test]
fn a_recovery_after_one_whose_sync_failed_relies_on_nothing_that_was_not_synced() {
    for syncs in 0.. {
        let disk = Disk::default();
        let mut world = World {
            generation: 1,
            ..World::default()
        };
        let log = create(&disk);
        let script = [Append(30), Sync, Append(600), Write, Append(900), Write];
        world.run(&log, &script).expect("nothing fails yet");
        drop(log);
        let disk = disk.after_kill();
        let scan = world.check(&disk, world.written);
        disk.fail_sync_after(syncs);
        if world.clone().open(&disk, &scan).is_ok() {
            assert_eq!(syncs, 5, "syncs of a recovery");
            return;
        }
        let disk = disk.after_kill();
        let scan = world.check(&disk, world.written);
        let log = world.open(&disk, &scan).expect("the disk works again");
        let more = [Append(50), Sync];
        world.run(&log, &more).expect("the disk works again");
        world.check(&disk.after_power_cut(Loss::DropAll), 4);
    }
}

/// Recoveries that fail one after the other, each at any of its syncs: what was synced before them stays, whatever
/// slots they wrote to.
#[test]
fn recoveries_whose_syncs_fail_one_after_the_other_lose_nothing_that_was_synced() {
    // Nothing written later says that the last one was synced.
    let scripts: [&[Action]; 3] = [
        &[Append(30), Write, Append(5), Sync],
        &[Append(30), Sync, Append(5), Sync, Append(600), Write],
        &[Append(20000), Write, Append(5), Sync],
    ];
    for script in scripts {
        let disk = Disk::default();
        let mut world = World {
            generation: 1,
            ..World::default()
        };
        let log = create(&disk);
        world.run(&log, script).expect("nothing fails yet");
        drop(log);
        fail_one_after_the_other(&disk, &world);
    }
}

fn fail_one_after_the_other(original: &Disk, before: &World) {
    const SYNCS: u64 = 3;
    for failing in 0..SYNCS.pow(4) {
        let (mut world, mut disk) = (before.clone(), original.after_kill());
        for round in 0..4 {
            let scan = world.check(&disk, world.written);
            disk.fail_sync_after(failing / SYNCS.pow(round) % SYNCS);
            world.open(&disk, &scan).expect_err("a sync fails");
            for loss in losses() {
                let mut world = world.clone();
                let disk = disk.after_power_cut(loss);
                let scan = world.check(&disk, world.synced);
                world.open(&disk, &scan).expect("the disk works again");
            }
            disk = disk.after_kill();
        }
        let scan = world.check(&disk, world.written);
        world.open(&disk, &scan).expect("the disk works again");
        world.check(&disk.after_power_cut(Loss::DropAll), world.written);
    }
}

#[test]
fn opening_again_and_again_does_not_lengthen_the_log() {
    let mut disk = Disk::default();
    let mut world = World {
        generation: 1,
        ..World::default()
    };
    let log = create(&disk);
    world
        .run(
            &log,
            &[Append(3000), Append(100), Sync, Append(3000), Write],
        )
        .expect("nothing fails");
    drop(log);
    for round in 0..100 {
        disk = if round % 3 == 0 {
            disk.after_kill()
        } else {
            disk.after_power_cut(Loss::KeepAll)
        };
        let scan = world.check(&disk, world.synced);
        world.open(&disk, &scan).expect("nothing fails");
    }
    let scan = world.check(&disk, 3);
    assert!(scan.stats.segments <= 3, "{:?}", scan.stats);
    assert!(scan.stats.slots <= 5, "{:?}", scan.stats);
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        5 => (0usize..200).prop_map(Append),
        2 => (0usize..6000).prop_map(Append),
        1 => (0usize..30_000).prop_map(Append),
        3 => Just(Write),
        3 => Just(Sync),
        1 => Just(Checkpoint),
    ];
    prop::collection::vec(action, 0..40)
}

fn any_loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        1 => Just(Loss::KeepAll),
        1 => Just(Loss::DropAll),
        6 => (any::<u64>(), prop_oneof![Just(512usize), Just(4096)])
            .prop_map(|(seed, atom)| Loss::Torn { seed, atom }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..crate::storage::generated(300) })]

    /// Lives end in power cuts or kills; each life begins with a prefix of what was issued and no less than what was
    /// promised, and nothing that was cut off comes back.
    #[test]
    fn every_life_begins_with_a_prefix(
        lives in prop::collection::vec((actions(), any_loss(), any::<bool>(), 0u64..60, 1usize..5000), 1..6),
    ) {
        let mut disk = Disk::default();
        let mut world = World { generation: 0, ..World::default() };
        for (actions, loss, kill, stop, piece) in lives {
            let promised = if kill { world.written } else { world.synced };
            let scan = world.check(&disk, promised);
            disk.set_piece(piece.max(600));
            disk.stop_at(stop * 8);
            if let Ok(log) = world.open(&disk, &scan) {
                let outcome = world.run(&log, &actions);
                prop_assert!(outcome.is_ok() || disk.has_stopped());
            }
            disk = if kill { disk.after_kill() } else { disk.after_power_cut(loss) };
            if !kill {
                world.written = world.synced;
            }
            world.check(&disk, if kill { world.written } else { world.synced });
        }
    }
}
