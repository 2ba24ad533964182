//! Every planted bug is found by the ordinary seeds, damage and scenarios. The clean build passes the same ones
//! (`tests/engine.rs`).
#![cfg(feature = "planted")]

use redkeep::storage::planted::{Bug, Planted};
use redkeep_sim::engine::planted::hunt;

const BUGS: [Bug; 18] = [
    Bug::M01AckBeforeSync,
    Bug::M02AckByEarlierSync,
    Bug::M03MetaBeforeDataSync,
    Bug::M04SameMetaSlot,
    Bug::M05LogCutBeforeMetaSync,
    Bug::M06NoDirSyncAtCreate,
    Bug::M08SaltUnchanged,
    Bug::M09ChainNotChecked,
    Bug::M10ReuseTooEarly,
    Bug::M11ReuseUnderSnapshot,
    Bug::M12SyncRetried,
    Bug::M16GrowthNotSynced,
    Bug::M17RecoveryDoesNotSync,
    Bug::M18TornSlotLaundered,
    Bug::M19TailNotErased,
    Bug::M20PageNumberNotChecked,
    Bug::M21PointerStampNotChecked,
    Bug::M22DirtyFlagLostAtSegmentSwitch,
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
        match hunt(Planted::with(bug), 2000) {
            Some(found) => println!(
                "{name}: {} after {} seeds, by {}",
                found.oracle, found.seeds, found.by
            ),
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
