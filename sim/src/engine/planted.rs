//! Looks for a planted bug with the ordinary scenarios, seeds and damage, none of which was made for it.

use redkeep::storage::planted::{Bug, Planted};

use super::damage;
use super::exhaust::{Effort, Subject, explore, fail_unnoticed};
use super::life::Shape;
use super::{random, scripts};
use crate::commands;
use crate::commands::dump::Dumps;
use crate::commands::{append, backup};
use crate::explore::{Coverage, Failure, HARNESS};
use crate::seed::Seed;

/// What found a bug, and how much was looked at before.
#[derive(Clone, Debug)]
pub struct Found {
    /// The scenario, seed or damage.
    pub by: String,
    pub oracle: &'static str,
    /// Seeds tried before, crash points not counted.
    pub seeds: u64,
}

/// Looks for the bug in the layer where it lies: files beside the database, what is repeated, commands, or the engine.
pub fn hunt(planted: Planted, seeds: u64) -> Option<Found> {
    const APPEND_ONLY: [Bug; 5] = [
        Bug::M32PartNotSynced,
        Bug::M33RemovedBeforeManifest,
        Bug::M34EndNotSynced,
        Bug::M35GapNotSeen,
        Bug::M39LifeNotAsked,
    ];
    if planted.has(Bug::M07NoDirSyncAtRename) {
        return hunt_beside(Beside::Dump, planted);
    }
    if planted.has(Bug::M31BackupHoldsNothing) {
        return by_seeds(seeds, |seed| backup::run(seed, planted));
    }
    if APPEND_ONLY.into_iter().any(|bug| planted.has(bug)) {
        return hunt_beside(Beside::AppendOnly, planted);
    }
    if planted.has(Bug::M24TtlRepeatedRelative) {
        return by_seeds(seeds, |seed| commands::repeat::run(seed, planted));
    }
    const COMMANDS: [Bug; 5] = [
        Bug::M25ExecInTwo,
        Bug::M36LastComeFirstServed,
        Bug::M37OnlyFirstIsWoken,
        Bug::M38SnapshotDoesNotFreeze,
        Bug::M40CellPutIntoTreeOfBefore,
    ];
    if COMMANDS.into_iter().any(|bug| planted.has(bug)) {
        return by_seeds(seeds, |seed| commands::random::run(seed, planted));
    }
    if let Some(found) = hunt_later(planted) {
        return Some(found);
    }
    if planted.has(Bug::M26NotSyncedBeforeRename) || planted.has(Bug::M27ReusedBeforeArchived) {
        return by_seeds(seeds, |seed| random::run_kept(seed, planted));
    }
    hunt_in_engine(planted, seeds)
}

/// What a server writes beside its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Dump,
    Backup,
    AppendOnly,
}

impl Beside {
    pub const ALL: [Self; 3] = [Self::Dump, Self::Backup, Self::AppendOnly];
}

/// Looks for a bug in the scenarios of one kind of file.
pub fn hunt_beside(place: Beside, planted: Planted) -> Option<Found> {
    fn by_scenarios<X: Subject>(all: &[X]) -> Option<Found> {
        let effort = Effort::beside(Seed(1));
        all.iter()
            .find_map(|scenario| found(scenario.name(), 0, explore(scenario, &effort)))
    }
    match place {
        Beside::Dump => {
            let plan = Dumps::plan(Seed(1));
            let dumps = Dumps { planted };
            found("dumps", 0, crate::explore::explore(&dumps, &plan))
        }
        Beside::Backup => by_scenarios(&backup::all(planted)),
        Beside::AppendOnly => by_scenarios(&append::all(planted)),
    }
}

/// Looks for what relies on one sync in the scenarios in which only the next one tells of what it has lost.
fn hunt_later(planted: Planted) -> Option<Found> {
    let effort = Effort::usual(Seed(1));
    if planted.has(Bug::M44SyncedOnceBeforeRename) {
        let all = backup::all(planted);
        return all
            .iter()
            .find_map(|scenario| found(scenario.name, 0, fail_unnoticed(scenario, &effort)));
    }
    const IN_ENGINE: [Bug; 3] = [
        Bug::M41PagesSyncedOnce,
        Bug::M42CopiesSyncedOnce,
        Bug::M43OpeningSyncedOnce,
    ];
    let mut in_engine = IN_ENGINE.into_iter();
    if !in_engine.any(|bug| planted.has(bug)) {
        return None;
    }
    scripts::all().into_iter().find_map(|mut scenario| {
        scenario.shape.planted = planted;
        found(scenario.name, 0, fail_unnoticed(&scenario, &effort))
    })
}

/// What a run found, if anything but a mistake of the harness.
fn found(by: &str, seeds: u64, run: Result<Coverage, Box<Failure>>) -> Option<Found> {
    let failure = run.err().filter(|f| f.broken.oracle != HARNESS)?;
    Some(Found {
        by: format!("{by}: {}", failure.broken.detail),
        oracle: failure.broken.oracle,
        seeds,
    })
}

fn by_seeds(seeds: u64, run: impl Fn(Seed) -> Result<Coverage, Box<Failure>>) -> Option<Found> {
    (0..seeds).find_map(|n| found(&format!("seed {n}"), n, run(Seed(n))))
}

/// Checks of what is read: damage meets them first.
const CHECKS: [Bug; 2] = [Bug::M09ChainNotChecked, Bug::M21PointerStampNotChecked];

/// Looks for a bug of the engine with random seeds below `seeds`, damage to small databases, and the scenarios.
fn hunt_in_engine(planted: Planted, seeds: u64) -> Option<Found> {
    let is_check = CHECKS.into_iter().any(|bug| planted.has(bug));
    let by_damage = || {
        let shape = Shape {
            planted,
            ..Shape::default()
        };
        let whole = || damage::whole_writes(planted);
        let broken = damage::every_place(shape, 1).and_then(|_| whole()).err()?;
        Some(Found {
            by: format!("damage: {}", broken.detail),
            oracle: broken.oracle,
            seeds: if is_check { 0 } else { seeds },
        })
    };
    let by_seed = || by_seeds(seeds, |seed| random::run(seed, planted));
    let found_by = if is_check {
        by_damage().or_else(by_seed)
    } else {
        by_seed().or_else(by_damage)
    };
    if found_by.is_some() {
        return found_by;
    }
    for mut scenario in scripts::all() {
        scenario.shape.planted = planted;
        let run = explore(&scenario, &Effort::usual(Seed(1)));
        let by_scenario = found(scenario.name, seeds, run);
        if by_scenario.is_some() {
            return by_scenario;
        }
    }
    None
}
