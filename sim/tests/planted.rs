//! Every planted bug is found by the ordinary seeds, damage and scenarios. The clean build passes the same ones
//! (`tests/engine.rs`).
#![cfg(feature = "planted")]

use std::time::Instant;

use redkeep::storage::planted::{Bug, Planted};
use redkeep_sim::engine::planted::{Beside, hunt, hunt_beside};

const BUGS: [Bug; 39] = [
    Bug::M01AckBeforeSync,
    Bug::M02AckByEarlierSync,
    Bug::M03MetaBeforeDataSync,
    Bug::M04SameMetaSlot,
    Bug::M05LogCutBeforeMetaSync,
    Bug::M06NoDirSyncAtCreate,
    Bug::M07NoDirSyncAtRename,
    Bug::M08SaltUnchanged,
    Bug::M09ChainNotChecked,
    Bug::M10ReuseTooEarly,
    Bug::M11ReuseUnderSnapshot,
    Bug::M12SyncRetried,
    Bug::M14ShortWriteTakenAsWhole,
    Bug::M15ShortReadZeroFilled,
    Bug::M16GrowthNotSynced,
    Bug::M17RecoveryDoesNotSync,
    Bug::M18TornSlotLaundered,
    Bug::M19TailNotErased,
    Bug::M21PointerStampNotChecked,
    Bug::M22DirtyFlagLostAtSegmentSwitch,
    Bug::M24TtlRepeatedRelative,
    Bug::M25ExecInTwo,
    Bug::M26NotSyncedBeforeRename,
    Bug::M27ReusedBeforeArchived,
    Bug::M31BackupHoldsNothing,
    Bug::M32PartNotSynced,
    Bug::M33RemovedBeforeManifest,
    Bug::M34EndNotSynced,
    Bug::M35GapNotSeen,
    Bug::M36LastComeFirstServed,
    Bug::M37OnlyFirstIsWoken,
    Bug::M38SnapshotDoesNotFreeze,
    Bug::M39LifeNotAsked,
    Bug::M40CellPutIntoTreeOfBefore,
    Bug::M41PagesSyncedOnce,
    Bug::M42CopiesSyncedOnce,
    Bug::M43OpeningSyncedOnce,
    Bug::M44SyncedOnceBeforeRename,
    Bug::M45ImageNotPutBack,
];

/// `SIM_BUG` names one.
#[test]
fn every_planted_bug_is_found() {
    let only = std::env::var("SIM_BUG").ok();
    let mut missed = Vec::new();
    for bug in BUGS {
        let name = format!("{bug:?}");
        if only.as_ref().is_some_and(|o| !name.starts_with(o.as_str())) {
            continue;
        }
        let start = Instant::now();
        match hunt(Planted::with(bug), 2000) {
            Some(found) => println!(
                "{name}: {} after {} seeds and {:.1} s, by {}",
                found.oracle,
                found.seeds,
                start.elapsed().as_secs_f64(),
                found.by
            ),
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// What every file needs that takes the place of another, or appears whole.
#[test]
fn every_kind_of_file_is_seen_to_be_synced() {
    for bug in [Bug::M07NoDirSyncAtRename, Bug::M26NotSyncedBeforeRename] {
        for place in Beside::ALL {
            let start = Instant::now();
            let found = hunt_beside(place, Planted::with(bug));
            let found = found.unwrap_or_else(|| panic!("{bug:?} is not found in {place:?}"));
            let (oracle, by, s) = (found.oracle, found.by, start.elapsed().as_secs_f64());
            println!("{bug:?} in {place:?}: {oracle} after {s:.1} s, by {by}");
        }
    }
}
