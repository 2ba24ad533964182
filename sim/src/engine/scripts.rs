//! The scripted scenarios.

use redkeep::storage::Plan;

use super::exhaust::{BaseEnd, Scenario};
use super::life::{Act, Script, Shape};
use super::model::Step;
use crate::disk::DiskProfile;

fn key(n: u64) -> Vec<u8> {
    format!("key{n:03}").into_bytes()
}

fn put(n: u64, len: usize, id: u64) -> Step {
    Step::Put(0, key(n), len, id)
}

fn one(step: Step) -> Act {
    Act::Txn(Plan::Simple, vec![step])
}

fn many(steps: impl IntoIterator<Item = Step>) -> Act {
    Act::Txn(Plan::Savepoint, steps.into_iter().collect())
}

fn script(acts: Vec<Act>) -> Script {
    Script {
        acts,
        tolerates_full_disk: false,
    }
}

fn scenario(name: &'static str, base: Vec<Act>, acts: Vec<Act>) -> Scenario {
    Scenario {
        name,
        shape: Shape::default(),
        profile: DiskProfile::default(),
        base: script(base),
        base_end: BaseEnd::Kill,
        script: script(acts),
    }
}

/// A database with so many keys, checkpointed and closed cleanly.
fn filled(keys: u64, len: usize) -> Vec<Act> {
    vec![
        many((0..keys).map(|n| put(n, len, n))),
        Act::Sync,
        Act::Shutdown,
    ]
}

/// F47: a new database and its first commit.
fn create() -> Scenario {
    scenario(
        "create",
        Vec::new(),
        vec![one(put(1, 20, 1)), Act::Sync, one(put(2, 20, 2)), Act::Ack],
    )
}

/// Several commits a write and a sync, commits beside a sync.
fn group_commit() -> Scenario {
    scenario(
        "group-commit",
        filled(4, 30),
        vec![
            one(put(1, 20, 101)),
            one(put(2, 20, 102)),
            Act::Sync,
            one(put(3, 40, 103)),
            Act::Ack,
            one(put(1, 50, 104)),
            Act::SyncBeside(vec![vec![put(2, 30, 105)], vec![put(4, 30, 106)]]),
            one(put(1, 10, 107)),
            Act::Ack,
            one(put(1, 11, 108)),
            Act::Sync,
        ],
    )
}

/// Bodies of several pages, written to and cut in parts. What is undecided at one crash grows with the pages, and the
/// ends of it with their square: a body has as many pages as it takes to have a branch.
fn large_values() -> Scenario {
    let base = vec![one(put(1, 1400, 1)), Act::Sync, Act::Checkpoint];
    scenario(
        "large-values",
        base,
        vec![
            one(put(2, 1900, 11)),
            Act::Sync,
            one(Step::Write(0, key(1), 700, 600, 12)),
            Act::Ack,
            one(Step::Truncate(0, key(1), 600)),
            Act::Sync,
            Act::Checkpoint,
            one(Step::Write(0, key(1), 2600, 100, 13)),
            Act::Sync,
        ],
    )
}

/// Deletes until nothing is left.
fn delete_to_empty() -> Scenario {
    let mut acts: Vec<Act> = (0..4)
        .flat_map(|n| [one(Step::Delete(0, key(n))), Act::Ack])
        .collect();
    acts.extend([
        Act::Sync,
        one(Step::DeleteRange(0, key(4), None)),
        Act::Sync,
        Act::FreeDropped(10),
        Act::Checkpoint,
        one(put(1, 10, 50)),
        Act::Sync,
    ]);
    scenario("delete-to-empty", filled(12, 60), acts)
}

/// Pages that split and merge, with a cache of two pages.
fn splits_and_merges() -> Scenario {
    let mut acts = vec![
        many((0..20).map(|n| put(n * 2 + 1, 40, 200 + n))),
        Act::Ack,
        Act::CheckpointSteps(3),
        many((5..35).map(|n| Step::Delete(0, key(n)))),
        Act::Sync,
        Act::Checkpoint,
    ];
    acts.push(many((0..6).map(|n| put(n, 90, 300 + n))));
    acts.push(Act::Sync);
    let mut found = scenario("splits-and-merges", filled(40, 40), acts);
    found.shape.cache_pages = 2;
    found
}

/// Commits between the steps of a checkpoint, and a second checkpoint after it.
fn checkpoint_during_commits() -> Scenario {
    let mut acts = vec![one(put(1, 60, 101)), Act::Ack];
    for n in 0..9 {
        acts.push(Act::CheckpointSteps(1));
        acts.push(one(put(n % 5, 50, 110 + n)));
        if n % 2 == 0 {
            acts.push(Act::Ack);
        }
    }
    acts.extend([
        Act::Checkpoint,
        Act::Read,
        one(put(2, 70, 130)),
        Act::Checkpoint,
        Act::Sync,
    ]);
    scenario("checkpoint-during-commits", filled(8, 50), acts)
}

/// Records that fill segments; checkpoints that recycle them; segments that are used again. Each record holds a body
/// that its own transaction replaces by a short one, so that the log grows and the trees do not.
fn log_segments() -> Scenario {
    let mut acts = Vec::new();
    for n in 0..5 {
        acts.push(many([put(n % 3, 4500, 100 + n), put(n % 3, 30, 200 + n)]));
        acts.push(if n % 2 == 0 { Act::Sync } else { Act::Ack });
        if n == 2 {
            acts.push(Act::Checkpoint);
        }
    }
    let last = many([put(1, 6000, 150), put(1, 30, 151)]);
    acts.extend([Act::Checkpoint, last, Act::Sync]);
    scenario("log-segments", Vec::new(), acts)
}

/// The file grows, is emptied, and is cut.
fn growth_and_shrink() -> Scenario {
    let base = vec![
        many((0..4).map(|n| put(n, 90_000, n))),
        Act::Sync,
        Act::Checkpoint,
        one(Step::DropRoot(0)),
        Act::Sync,
        Act::FreeDropped(2000),
    ];
    let mut found = scenario(
        "growth-and-shrink",
        base,
        vec![
            one(put(1, 20, 50)),
            Act::Sync,
            Act::FreeDropped(2000),
            Act::Checkpoint,
            Act::Checkpoint,
            one(put(2, 20, 51)),
            Act::Checkpoint,
            one(put(3, 5000, 52)),
            Act::Sync,
        ],
    );
    found.shape.page_bytes = 1024;
    found.shape.segment_bytes = 64 << 10;
    found
}

/// Snapshots held across checkpoints.
fn snapshots() -> Scenario {
    scenario(
        "snapshots",
        filled(10, 50),
        vec![
            Act::Snapshot,
            many((0..5).map(|n| put(n, 60, 100 + n))),
            Act::Sync,
            Act::Checkpoint,
            Act::ReadSnapshots,
            Act::Snapshot,
            many((3..9).map(|n| Step::Delete(0, key(n)))),
            Act::Checkpoint,
            many((0..6).map(|n| put(n + 20, 80, 120 + n))),
            Act::ReadSnapshots,
            Act::DropSnapshot,
            Act::Checkpoint,
            many((0..6).map(|n| put(n + 30, 80, 130 + n))),
            Act::ReadSnapshots,
            Act::DropSnapshot,
            Act::Sync,
        ],
    )
}

/// F48: a clean shutdown, an open, and work after it.
fn shutdown() -> Scenario {
    scenario(
        "shutdown",
        vec![one(put(1, 40, 1)), Act::Sync],
        vec![
            one(put(2, 40, 2)),
            Act::Shutdown,
            Act::Reopen,
            Act::Read,
            one(put(3, 40, 3)),
            Act::Sync,
            Act::Shutdown,
        ],
    )
}

/// F45: everything is in the log; one tail was never synced.
fn recovery() -> Scenario {
    let mut base = Vec::new();
    for n in 0..6 {
        base.push(many([put(n, 300, n), Step::PutNested(1, key(n))]));
        base.push(if n == 2 { Act::Sync } else { Act::Ack });
    }
    scenario(
        "recovery",
        base,
        vec![Act::Read, one(put(9, 30, 60)), Act::Sync],
    )
}

/// Several lives on one image, each with work that the next one finds in the log.
fn lives() -> Scenario {
    let mut base = Vec::new();
    for n in 0..3 {
        base.extend([
            one(put(n, 200, n)),
            Act::Ack,
            Act::Reopen,
            one(put(n + 3, 100, n + 10)),
            Act::Sync,
            one(put(n, 20, n + 20)),
        ]);
    }
    let mut found = scenario(
        "lives",
        base,
        vec![
            one(put(1, 30, 60)),
            Act::Ack,
            Act::Reopen,
            one(put(2, 30, 61)),
            Act::Sync,
            one(put(2, 30, 62)),
            Act::Ack,
        ],
    );
    found.base_end = BaseEnd::PowerLoss;
    found
}

/// F22: the disk is full for a while.
fn full_disk() -> Scenario {
    let mut acts = vec![
        one(put(1, 100, 10)),
        Act::Sync,
        Act::Capacity(Some(8 << 10)),
    ];
    acts.extend((0..5).flat_map(|n| [one(put(n + 10, 20_000, 20 + n)), Act::Ack]));
    acts.extend([
        Act::Read,
        one(Step::Delete(0, key(1))),
        Act::Ack,
        Act::Checkpoint,
        Act::Capacity(None),
        one(put(2, 100, 40)),
        Act::Sync,
    ]);
    let mut found = scenario("full-disk", filled(6, 40), acts);
    found.script.tolerates_full_disk = true;
    found
}

/// Nested trees, moves, copies, drops and swaps of roots, rollbacks.
fn all_changes() -> Scenario {
    scenario(
        "all-changes",
        filled(5, 40),
        vec![
            many([
                Step::PutNested(1, key(1)),
                Step::PutInner(1, key(1), b"a".to_vec(), 700, 11),
                Step::PutInner(1, key(1), b"b".to_vec(), 10, 12),
            ]),
            Act::Ack,
            Act::Rollback(vec![
                Step::Delete(1, key(1)),
                put(2, 900, 13),
                Step::DropRoot(0),
            ]),
            many([
                Step::Copy(1, key(1), 7, key(2)),
                Step::Move(0, key(3), 1, key(3)),
                Step::SetHead(0, key(1), 14),
            ]),
            Act::Sync,
            Act::CheckpointSteps(2),
            one(Step::SwapRoots(0, 1)),
            many([
                Step::DeleteInner(0, key(1), b"a".to_vec()),
                Step::PutInner(7, key(2), b"c".to_vec(), 300, 15),
            ]),
            Act::Ack,
            one(Step::DropRoot(1)),
            Act::FreeDropped(3),
            Act::Checkpoint,
            Act::Sync,
        ],
    )
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    vec![
        create(),
        group_commit(),
        large_values(),
        delete_to_empty(),
        splits_and_merges(),
        checkpoint_during_commits(),
        log_segments(),
        growth_and_shrink(),
        snapshots(),
        shutdown(),
        recovery(),
        lives(),
        full_disk(),
        all_changes(),
    ]
}
