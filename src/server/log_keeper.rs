//! The log behind the replies: the policy of `appendfsync`, and the thread that syncs.
//!
//! ```text
//! always   replies wait for a sync; one sync serves all who asked before it began. Where there is one worker and syncs are
//!          short it syncs by itself: to wake a thread, and to be woken by it, takes as long
//! everysec a sync begins one second after the first write that it covers; where syncs are slow and what is not
//!          synced is two seconds old, writers wait for the sync instead of going on
//! no       the kernel decides; only checkpoints and shutdown sync
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::durability::{Durability, LogFailed, SyncPolicy};
use super::thread::Thread;
use crate::storage::Lsn;
use crate::storage::log::Log;
use crate::vfs::Clock;

/// Under `everysec`, how long after a write its sync begins, in microseconds.
const SYNC_AFTER_US: u64 = 1_000_000;

/// Under `everysec`, how old what is not synced may be before writers wait, in microseconds.
const HOLD_AFTER_US: u64 = 2_000_000;

/// How long syncs are thought to take before any was measured, in microseconds: long.
const SYNC_US_AT_FIRST: u64 = 20_000;

/// How many syncs the mean of their time looks back to.
const SYNCS_IN_MEAN: u64 = 8;

/// What the syncing thread is asked for.
#[derive(Debug, Default)]
struct Wanted {
    /// Sync at least up to here, now.
    lsn: u64,
    stop: bool,
}

/// The log as the server's threads share it.
pub struct LogKeeper {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    policy: AtomicU8,
    wanted: Mutex<Wanted>,
    changed: Condvar,
    /// When the oldest write was made that no sync has begun to cover, on the monotonic clock; 0: there is none.
    unsynced_since_us: AtomicU64,
    /// The same for the sync that is running; 0: none is running.
    syncing_since_us: AtomicU64,
    /// How long a sync takes, in microseconds: a mean in which the last ones count most. Relaxed: an estimate.
    sync_us: AtomicU64,
    failed: AtomicBool,
    wakers: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
    /// Syncs that ended well.
    pub syncs: AtomicU64,
    served_checkpoint: AtomicU64,
}

impl std::fmt::Debug for LogKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogKeeper")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

fn encode(policy: SyncPolicy) -> u8 {
    match policy {
        SyncPolicy::Always => 0,
        SyncPolicy::EverySecond => 1,
        SyncPolicy::Kernel => 2,
    }
}

impl LogKeeper {
    pub fn new(log: Arc<Log>, clock: Arc<dyn Clock>, policy: SyncPolicy) -> Self {
        Self {
            log,
            clock,
            policy: AtomicU8::new(encode(policy)),
            wanted: Mutex::default(),
            changed: Condvar::new(),
            unsynced_since_us: AtomicU64::new(0),
            syncing_since_us: AtomicU64::new(0),
            sync_us: AtomicU64::new(SYNC_US_AT_FIRST),
            failed: AtomicBool::new(false),
            wakers: Mutex::default(),
            syncs: AtomicU64::new(0),
            served_checkpoint: AtomicU64::new(0),
        }
    }

    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Changes the policy. What is written and not synced is synced first where the new policy promises more.
    pub fn set_policy(&self, policy: SyncPolicy) {
        let old = self.policy.swap(encode(policy), Ordering::AcqRel);
        if encode(policy) < old {
            self.request_sync(self.log.written_lsn().0);
        }
        // The lock orders this with the thread's look at the policy, so that it does not sleep through it.
        drop(self.wanted.lock());
        self.changed.notify_one();
        self.wake_all();
    }

    /// Calls everyone who waits for progress.
    pub fn wake_all(&self) {
        for wake in self.wakers.lock().iter() {
            wake();
        }
    }

    /// The log failed, here or in a checkpoint: replies that wait are never sent.
    pub fn fail(&self, what: &dyn std::fmt::Display) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "the log failed, and writes are refused until a restart, which starts from what is on disk: {what}"
            );
        }
        self.wake_all();
    }

    /// The checkpoint with this ticket has ended.
    pub fn serve_checkpoint(&self, ticket: u64) {
        self.served_checkpoint.store(ticket, Ordering::Release);
        self.wake_all();
    }

    /// How long the oldest write has been waiting for a sync, in microseconds.
    fn unsynced_age_us(&self) -> u64 {
        let oldest = [&self.syncing_since_us, &self.unsynced_since_us]
            .map(|since| since.load(Ordering::Acquire))
            .into_iter()
            .filter(|since| *since != 0)
            .min();
        oldest.map_or(0, |since| self.clock.mono_us().saturating_sub(since))
    }

    /// Starts the thread that syncs.
    pub fn start(self: &Arc<Self>) -> io::Result<SyncThread> {
        let keeper = Arc::clone(self);
        let thread = Thread::start("log-sync", move || keeper.run())?;
        Ok(SyncThread {
            keeper: Arc::clone(self),
            thread,
        })
    }

    fn run(&self) {
        while let Some(lsn) = self.next_goal() {
            let since = self.unsynced_since_us.swap(0, Ordering::AcqRel);
            self.syncing_since_us.store(since, Ordering::Release);
            let goal = Lsn(lsn).max(self.log.written_lsn());
            if self.sync(goal).is_err() {
                return;
            }
            self.syncing_since_us.store(0, Ordering::Release);
            self.wake_all();
        }
    }

    /// Syncs up to `goal`, and measures it.
    fn sync(&self, goal: Lsn) -> Result<(), LogFailed> {
        let start_us = self.clock.mono_us();
        if let Err(e) = self.log.sync_to(goal) {
            self.fail(&e);
            return Err(LogFailed);
        }
        let took_us = self.clock.mono_us().saturating_sub(start_us);
        let mean_us = self.sync_us.load(Ordering::Relaxed);
        let mean_us = (mean_us * (SYNCS_IN_MEAN - 1) + took_us) / SYNCS_IN_MEAN;
        self.sync_us.store(mean_us, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until there is something to sync; None: the thread is to end.
    fn next_goal(&self) -> Option<u64> {
        let mut wanted = self.wanted.lock();
        loop {
            if wanted.stop {
                return None;
            }
            if wanted.lsn > self.log.synced_lsn().0 {
                return Some(wanted.lsn);
            }
            let since = self.unsynced_since_us.load(Ordering::Acquire);
            if self.policy() != SyncPolicy::EverySecond || since == 0 {
                self.changed.wait(&mut wanted);
                continue;
            }
            let age = self.clock.mono_us().saturating_sub(since);
            if age >= SYNC_AFTER_US {
                return Some(0);
            }
            self.changed
                .wait_for(&mut wanted, Duration::from_micros(SYNC_AFTER_US - age));
        }
    }

    /// A write has been made that no sync covers yet.
    fn note_write(&self) {
        if self.unsynced_since_us.load(Ordering::Relaxed) != 0 {
            return;
        }
        let now = self.clock.mono_us().max(1);
        let first =
            self.unsynced_since_us
                .compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed);
        if first.is_ok() && self.policy() == SyncPolicy::EverySecond {
            // The lock orders this with the thread's look at the time, so that it does not sleep through it.
            drop(self.wanted.lock());
            self.changed.notify_one();
        }
    }
}

impl Durability for LogKeeper {
    fn policy(&self) -> SyncPolicy {
        match self.policy.load(Ordering::Acquire) {
            0 => SyncPolicy::Always,
            1 => SyncPolicy::EverySecond,
            _ => SyncPolicy::Kernel,
        }
    }

    fn written_lsn(&self) -> u64 {
        self.log.written_lsn().0
    }

    fn write_to(&self, lsn: u64) -> Result<(), LogFailed> {
        if let Err(e) = self.log.write_to(Lsn(lsn)) {
            self.fail(&e);
            return Err(LogFailed);
        }
        self.note_write();
        if self.policy() == SyncPolicy::EverySecond && self.unsynced_age_us() > HOLD_AFTER_US {
            // The disk does not keep up: this worker waits with everyone on it.
            self.sync(Lsn(lsn))?;
        }
        Ok(())
    }

    fn synced_lsn(&self) -> u64 {
        self.log.synced_lsn().0
    }

    fn sync_us(&self) -> u64 {
        self.sync_us.load(Ordering::Relaxed)
    }

    fn sync_to(&self, lsn: u64) -> Result<(), LogFailed> {
        self.sync(Lsn(lsn))
    }

    fn request_sync(&self, lsn: u64) {
        let mut wanted = self.wanted.lock();
        if lsn > wanted.lsn {
            wanted.lsn = lsn;
            self.changed.notify_one();
        }
    }

    fn served_checkpoint(&self) -> u64 {
        self.served_checkpoint.load(Ordering::Acquire)
    }

    fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn on_progress(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.wakers.lock().push(wake);
    }
}

/// The running thread.
pub struct SyncThread {
    keeper: Arc<LogKeeper>,
    thread: Thread,
}

impl SyncThread {
    /// Ends the thread after the sync that is on.
    pub fn stop(self) {
        self.keeper.wanted.lock().stop = true;
        self.keeper.changed.notify_one();
        self.thread.join();
    }
}
