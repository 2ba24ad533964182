//! Holds replies back until the log is as far as they need, with one write for everyone who is ready.
//!
//! Each worker thread has one [`Flush`]. A connection waits for the LSN that its replies saw. What the requests of a
//! batch did is written at its end (`batch.rs`), so that most find it there; others saw what another thread did. The
//! first of these to wait wakes the flush task, which the runtime puts behind all connections that are ready now: one
//! write to the log releases them together. Under `appendfsync always` the sync is asked for as well, and the thread
//! that syncs wakes the flush task when it is done; a worker that is the only one makes a sync itself while syncs are
//! short and little waits for them, at the end of the batch and before it wakes anybody.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::durability::{Durability, LogFailed, SyncPolicy};

/// Syncs that take longer, in microseconds, are for the thread that syncs: connections that only read go on meanwhile.
pub(super) const SYNC_HERE_US_MAX: u64 = 400;

/// So many transactions, whose clients all wait, are no load to go on with during a sync. More are: they come in pipelines
/// or from many clients.
const SYNC_HERE_TXNS_MAX: u64 = 64;

/// So many transactions are enough for a sync of their own: while there are fewer, those who have become ready join them. With
/// fifty clients, 32 to 40 are best: the rest keep the client's side busy during the sync.
const SYNC_TOGETHER_TXNS: u64 = 38;

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The log as far as the policy demands of a reply that saw this LSN.
    Release(u64),
    /// The log synced up to this LSN, whatever the policy.
    Sync(u64),
    /// A checkpoint that was asked for has ended.
    Checkpoint(u64),
}

impl Goal {
    fn lsn(self) -> u64 {
        match self {
            Self::Release(lsn) | Self::Sync(lsn) => lsn,
            Self::Checkpoint(_) => 0,
        }
    }

    fn needs_sync(self, policy: SyncPolicy) -> bool {
        match self {
            Self::Sync(_) => true,
            Self::Release(_) => policy == SyncPolicy::Always,
            Self::Checkpoint(_) => false,
        }
    }

    fn is_reached(self, log: &dyn Durability) -> bool {
        if let Self::Checkpoint(ticket) = self {
            return ticket <= log.served_checkpoint();
        }
        if self.needs_sync(log.policy()) {
            self.lsn() <= log.synced_lsn()
        } else {
            self.lsn() <= log.written_lsn()
        }
    }
}

/// The replies of one worker thread that wait for the log.
pub struct Flush {
    log: Arc<dyn Durability>,
    waiters: RefCell<Vec<(Goal, Waker)>>,
    /// Memory of the list of waiters that is not in use.
    spare: RefCell<Vec<(Goal, Waker)>>,
    wake: Arc<Notify>,
    /// There is no other worker.
    is_alone: bool,
    failed: Cell<bool>,
}

impl Flush {
    pub fn new(log: Arc<dyn Durability>, is_alone: bool) -> Self {
        let wake = Arc::new(Notify::new());
        let on_progress = Arc::clone(&wake);
        log.on_progress(Box::new(move || on_progress.notify_one()));
        Self {
            log,
            waiters: RefCell::default(),
            spare: RefCell::default(),
            wake,
            is_alone,
            failed: Cell::new(false),
        }
    }

    /// Whether the log is there. Ready at once if it is; otherwise the task is woken, if it is not `registered`
    /// already, when it may be. An error: it will never be.
    pub fn poll(
        &self,
        goal: Goal,
        registered: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), LogFailed>> {
        if goal.is_reached(&*self.log) {
            return Poll::Ready(Ok(()));
        }
        if self.failed.get() {
            return Poll::Ready(Err(LogFailed));
        }
        if !*registered {
            *registered = true;
            let mut waiters = self.waiters.borrow_mut();
            waiters.push((goal, cx.waker().clone()));
            if waiters.len() == 1 {
                self.wake.notify_one();
            }
        }
        Poll::Pending
    }

    /// The flush task: runs until it is dropped.
    pub async fn run(&self) {
        loop {
            self.wake.notified().await;
            self.step();
        }
    }

    /// Writes for all who wait, asks for the sync they need, and wakes those whose goal is reached.
    fn step(&self) {
        let policy = self.log.policy();
        let (mut write_lsn, mut sync_lsn) = (0, 0);
        for (goal, _) in self.waiters.borrow().iter() {
            write_lsn = write_lsn.max(goal.lsn());
            if goal.needs_sync(policy) {
                sync_lsn = sync_lsn.max(goal.lsn());
            }
        }
        if write_lsn > self.log.written_lsn() && self.log.write_to(write_lsn).is_err() {
            self.failed.set(true);
        }
        if self.log.is_failed() {
            self.failed.set(true);
        } else if sync_lsn > self.log.synced_lsn() {
            self.sync(sync_lsn);
        }
        self.wake_reached();
    }

    /// Whether this thread will sync up to `lsn` by itself at the end of the batch, and others had better join.
    pub fn gathers(&self, lsn: u64) -> bool {
        self.ends_with_sync(lsn) && self.unsynced_txns(lsn) < SYNC_TOGETHER_TXNS
    }

    /// Writes what a batch did, up to `lsn`, and syncs it where its replies wait for that and this thread does it by itself. A log
    /// that fails says so to whoever waits for it.
    pub fn complete(&self, lsn: u64) {
        if lsn > self.log.written_lsn() && self.log.write_to(lsn).is_err() {
            return;
        }
        if self.ends_with_sync(lsn) {
            // An error shows as a log that has failed.
            let _ = self.log.sync_to(lsn);
        }
    }

    fn ends_with_sync(&self, lsn: u64) -> bool {
        self.log.policy() == SyncPolicy::Always
            && self.unsynced_txns(lsn) > 0
            && self.syncs_here(lsn)
    }

    fn unsynced_txns(&self, lsn: u64) -> u64 {
        lsn.saturating_sub(self.log.synced_lsn())
    }

    /// Whether this thread syncs up to `lsn` by itself.
    fn syncs_here(&self, lsn: u64) -> bool {
        let is_light = self.unsynced_txns(lsn) <= SYNC_HERE_TXNS_MAX;
        self.is_alone && is_light && self.log.sync_us() <= SYNC_HERE_US_MAX
    }

    /// Syncs up to `lsn`, or asks for it.
    fn sync(&self, lsn: u64) {
        if !self.syncs_here(lsn) {
            self.log.request_sync(lsn);
        } else if self.log.sync_to(lsn).is_err() {
            self.failed.set(true);
        }
    }

    fn wake_reached(&self) {
        let failed = self.failed.get();
        let mut waiters = self.waiters.replace(self.spare.take());
        for (goal, waker) in waiters.drain(..) {
            if failed || goal.is_reached(&*self.log) {
                waker.wake();
            } else {
                self.waiters.borrow_mut().push((goal, waker));
            }
        }
        self.spare.replace(waiters);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::server::durability::fake::FakeLog;

    async fn wait(flush: &Flush, goal: Goal) -> Result<(), LogFailed> {
        let mut registered = false;
        std::future::poll_fn(|cx| flush.poll(goal, &mut registered, cx)).await
    }

    fn on_runtime<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, work)
    }

    #[test]
    fn one_write_releases_all_who_are_ready() {
        let log = FakeLog::new(SyncPolicy::EverySecond, false);
        let flush = std::rc::Rc::new(Flush::new(log.clone(), false));
        on_runtime(async {
            let task = std::rc::Rc::clone(&flush);
            let runner = tokio::task::spawn_local(async move { task.run().await });
            let waits: Vec<_> = (1..=20)
                .map(|lsn| {
                    let flush = std::rc::Rc::clone(&flush);
                    tokio::task::spawn_local(async move { wait(&flush, Goal::Release(lsn)).await })
                })
                .collect();
            for w in waits {
                assert_eq!(w.await.unwrap(), Ok(()));
            }
            runner.abort();
        });
        assert_eq!(log.writes.load(Ordering::SeqCst), 1);
        assert_eq!(log.written_lsn(), 20);
        assert_eq!(log.asked.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn always_waits_for_the_sync() {
        let log = FakeLog::new(SyncPolicy::Always, false);
        let flush = std::rc::Rc::new(Flush::new(log.clone(), false));
        on_runtime(async {
            let task = std::rc::Rc::clone(&flush);
            let runner = tokio::task::spawn_local(async move { task.run().await });
            let waiter = {
                let flush = std::rc::Rc::clone(&flush);
                tokio::task::spawn_local(async move { wait(&flush, Goal::Release(7)).await })
            };
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(log.asked.load(Ordering::SeqCst), 7);
            assert!(!waiter.is_finished());
            log.synced.store(7, Ordering::SeqCst);
            log.wake.lock().as_ref().unwrap()();
            assert_eq!(waiter.await.unwrap(), Ok(()));
            runner.abort();
        });
    }

    #[test]
    fn the_only_worker_syncs_by_itself_while_that_is_quick() {
        let quick = FakeLog::new(SyncPolicy::Always, false);
        let flush = Flush::new(quick.clone(), true);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            flush
                .poll(Goal::Release(7), &mut false, &mut cx)
                .is_pending()
        );
        flush.step();
        assert_eq!(quick.asked.load(Ordering::SeqCst), 0);
        assert_eq!(
            flush.poll(Goal::Release(7), &mut true, &mut cx),
            Poll::Ready(Ok(()))
        );

        // Much that waits, and syncs that take long, are for the thread.
        let lsn = 7 + SYNC_HERE_TXNS_MAX;
        assert!(
            flush
                .poll(Goal::Release(lsn + 1), &mut false, &mut cx)
                .is_pending()
        );
        flush.step();
        assert_eq!(quick.asked.load(Ordering::SeqCst), lsn + 1);

        let mut slow = FakeLog::new(SyncPolicy::Always, false);
        Arc::get_mut(&mut slow).expect("nobody else has it").sync_us = SYNC_HERE_US_MAX + 1;
        let flush = Flush::new(slow.clone(), true);
        assert!(
            flush
                .poll(Goal::Release(7), &mut false, &mut cx)
                .is_pending()
        );
        flush.step();
        assert_eq!(slow.asked.load(Ordering::SeqCst), 7);
        assert!(
            flush
                .poll(Goal::Release(7), &mut true, &mut cx)
                .is_pending()
        );
    }

    #[test]
    fn a_batch_is_synced_at_its_end_where_the_thread_does_it_by_itself() {
        let log = FakeLog::new(SyncPolicy::Always, false);
        let flush = Flush::new(log.clone(), true);
        assert!(!flush.gathers(0), "nothing is to be synced");
        assert!(flush.gathers(SYNC_TOGETHER_TXNS - 1));
        assert!(!flush.gathers(SYNC_TOGETHER_TXNS), "it is enough");
        flush.complete(SYNC_HERE_TXNS_MAX);
        assert_eq!(log.written_lsn(), SYNC_HERE_TXNS_MAX);
        assert_eq!(log.synced_lsn(), SYNC_HERE_TXNS_MAX);
        flush.complete(SYNC_HERE_TXNS_MAX);
        assert_eq!(log.writes.load(Ordering::SeqCst), 1);

        // The rest is for the thread that syncs, and for those who wait to ask it.
        flush.complete(2 * SYNC_HERE_TXNS_MAX + 1);
        assert_eq!(log.written_lsn(), 2 * SYNC_HERE_TXNS_MAX + 1);
        assert_eq!(log.synced_lsn(), SYNC_HERE_TXNS_MAX);
        for (policy, is_alone) in [(SyncPolicy::EverySecond, true), (SyncPolicy::Always, false)] {
            let log = FakeLog::new(policy, false);
            let flush = Flush::new(log.clone(), is_alone);
            assert!(!flush.gathers(1));
            flush.complete(1);
            assert_eq!((log.written_lsn(), log.synced_lsn()), (1, 0));
        }
    }

    #[test]
    fn a_failed_log_releases_nobody() {
        let log = FakeLog::new(SyncPolicy::Kernel, true);
        let flush = std::rc::Rc::new(Flush::new(log, true));
        on_runtime(async {
            let task = std::rc::Rc::clone(&flush);
            let runner = tokio::task::spawn_local(async move { task.run().await });
            assert_eq!(wait(&flush, Goal::Release(1)).await, Err(LogFailed));
            assert_eq!(wait(&flush, Goal::Release(0)).await, Ok(()));
            runner.abort();
        });
    }
}
