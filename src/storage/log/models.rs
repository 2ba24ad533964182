//! loom models of group commit, on the production type with a medium in memory.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --lib storage::log::models` runs them.

use std::path::PathBuf;
use std::sync::Mutex as Plain;

use loom::thread;

use super::group::{Batch, GroupCommit, Medium, WriteOrder};
use super::{LogError, Lsn};
use crate::sync::Arc;
use crate::vfs::{VfsError, VfsErrorKind};

#[derive(Debug, Default)]
struct Facts {
    writing: bool,
    syncing: bool,
    written: u64,
    durable: u64,
    /// A sync has started since the last write began.
    sync_started: bool,
    fail_sync: bool,
    fail_write: bool,
    failures: u32,
    calls_after_failed_sync: u32,
}

/// A medium that checks what it is asked. Its lock is not loom's: it is no part of the model.
#[derive(Debug, Default)]
struct Ledger(Plain<Facts>);

fn injected() -> VfsError {
    VfsError {
        kind: VfsErrorKind::Io,
        op: "sync",
        path: PathBuf::from("log"),
        offset: None,
        effect_unknown: true,
        message: "injected".to_owned(),
    }
}

impl Ledger {
    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.0.lock().expect("no thread of a model panics here")
    }
}

impl Medium for Ledger {
    fn write(&self, batch: &Batch, order: WriteOrder) -> Result<(), VfsError> {
        {
            let mut facts = self.facts();
            assert!(!facts.writing, "one write at a time");
            assert_eq!(facts.written, order.after.0);
            assert!(
                order.durable.0 <= facts.durable,
                "only what is synced is called so"
            );
            assert!(order.aligned || !facts.sync_started, "L5");
            facts.sync_started = false;
            facts.writing = true;
        }
        thread::yield_now();
        let mut facts = self.facts();
        facts.writing = false;
        if facts.fail_write {
            facts.failures += 1;
            return Err(injected());
        }
        facts.written += batch.ends.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<(), VfsError> {
        let covered = {
            let mut facts = self.facts();
            assert!(!facts.writing, "no sync starts during a write");
            assert!(!facts.syncing, "one sync at a time");
            facts.calls_after_failed_sync += u32::from(facts.failures > 0);
            facts.syncing = true;
            facts.sync_started = true;
            facts.written
        };
        thread::yield_now();
        let mut facts = self.facts();
        facts.syncing = false;
        if facts.fail_sync {
            facts.failures += 1;
            return Err(injected());
        }
        facts.durable = covered;
        Ok(())
    }
}

type Group = GroupCommit<Ledger>;

fn model(facts: fn() -> Facts, run: impl Fn(Arc<Group>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let ledger = Ledger(Plain::new(facts()));
        run(Arc::new(GroupCommit::new(ledger, Lsn(0))));
    });
}

fn append(group: &Group) -> Lsn {
    group.append(|out| out.push(0))
}

fn durable(group: &Group) -> u64 {
    group.medium().facts().durable
}

fn spawn(group: &Arc<Group>, run: impl FnOnce(&Group) + 'static) -> thread::JoinHandle<()> {
    let group = Arc::clone(group);
    thread::spawn(move || run(&group))
}

#[test]
fn nothing_is_called_synced_before_a_sync_that_started_after_its_write() {
    model(Facts::default, |group| {
        let other = spawn(&group, |group| {
            let lsn = append(group);
            group.sync_to(lsn).expect("nothing fails");
            assert!(durable(group) >= lsn.0);
        });
        let lsn = append(&group);
        group.sync_to(lsn).expect("nothing fails");
        assert!(durable(&group) >= lsn.0);
        assert!(durable(&group) >= group.synced().0);
        other.join().expect("the model's thread ends");
        assert_eq!(group.written(), Lsn(2));
    });
}

#[test]
fn writers_and_syncers_do_not_lose_each_others_wake_ups() {
    model(Facts::default, |group| {
        let writer = spawn(&group, |group| {
            let lsn = append(group);
            group.write_to(lsn).expect("nothing fails");
            assert!(group.written() >= lsn);
            let lsn = append(group);
            group.write_to(lsn).expect("nothing fails");
        });
        let syncer = spawn(&group, |group| {
            let lsn = append(group);
            group.sync_to(lsn).expect("nothing fails");
            assert!(durable(group) >= lsn.0);
        });
        let seen = group.synced();
        assert!(durable(&group) >= seen.0 && group.written() >= seen);
        writer.join().expect("the model's thread ends");
        syncer.join().expect("the model's thread ends");
    });
}

#[test]
fn a_marker_is_synced_by_a_sync_that_started_after_it() {
    model(Facts::default, |group| {
        let other = spawn(&group, |group| {
            let lsn = append(group);
            group.sync_to(lsn).expect("nothing fails");
        });
        group.write_marker().expect("nothing fails");
        group.sync_written().expect("nothing fails");
        other.join().expect("the model's thread ends");
        assert_eq!(durable(&group), 1);
    });
}

fn is_poisoned(outcome: &Result<(), LogError>) -> bool {
    matches!(outcome, Err(LogError::Poisoned { .. }))
}

#[test]
fn a_failed_sync_reaches_everyone_who_waits_and_is_not_tried_again() {
    let facts = || Facts {
        fail_sync: true,
        ..Facts::default()
    };
    model(facts, |group| {
        let other = spawn(&group, |group| {
            let lsn = append(group);
            assert!(is_poisoned(&group.sync_to(lsn)));
        });
        let lsn = append(&group);
        assert!(is_poisoned(&group.sync_to(lsn)));
        other.join().expect("the model's thread ends");
        assert!(is_poisoned(&group.sync_to(lsn)));
        assert_eq!(group.synced(), Lsn(0));
        assert_eq!(group.medium().facts().calls_after_failed_sync, 0);
    });
}

#[test]
fn a_failed_write_reaches_everyone_who_waits() {
    let facts = || Facts {
        fail_write: true,
        ..Facts::default()
    };
    model(facts, |group| {
        let other = spawn(&group, |group| {
            let lsn = append(group);
            assert!(is_poisoned(&group.write_to(lsn)));
        });
        let lsn = append(&group);
        assert!(is_poisoned(&group.sync_to(lsn)));
        other.join().expect("the model's thread ends");
        assert!(group.refusal().is_some());
        assert_eq!(group.written(), Lsn(0));
        assert_eq!(group.medium().facts().failures, 1);
    });
}
