//! A log for tests of who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{Durability, LogFailed, SyncPolicy};
use crate::server::flush::SYNC_HERE_US_MAX;

/// A log whose every call is counted.
pub struct FakeLog {
    pub policy: SyncPolicy,
    pub written: AtomicU64,
    pub synced: AtomicU64,
    pub writes: AtomicU64,
    pub asked: AtomicU64,
    /// As long as a worker waits for a sync itself at most, unless a test says otherwise.
    pub sync_us: u64,
    /// Nothing is written or synced from now on.
    pub broken: AtomicBool,
    pub wake: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl FakeLog {
    pub fn new(policy: SyncPolicy, broken: bool) -> Arc<Self> {
        Arc::new(Self {
            policy,
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            sync_us: SYNC_HERE_US_MAX,
            broken: AtomicBool::new(broken),
            wake: Mutex::new(None),
        })
    }
}

impl Durability for FakeLog {
    fn policy(&self) -> SyncPolicy {
        self.policy
    }
    fn written_lsn(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
    fn write_to(&self, lsn: u64) -> Result<(), LogFailed> {
        if self.is_failed() {
            return Err(LogFailed);
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.written.store(lsn, Ordering::SeqCst);
        Ok(())
    }
    fn synced_lsn(&self) -> u64 {
        self.synced.load(Ordering::SeqCst)
    }
    fn sync_us(&self) -> u64 {
        self.sync_us
    }
    fn sync_to(&self, lsn: u64) -> Result<(), LogFailed> {
        if self.is_failed() {
            return Err(LogFailed);
        }
        self.synced.store(lsn, Ordering::SeqCst);
        Ok(())
    }
    fn request_sync(&self, lsn: u64) {
        self.asked.store(lsn, Ordering::SeqCst);
    }
    fn served_checkpoint(&self) -> u64 {
        0
    }
    fn is_failed(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
    fn on_progress(&self, wake: Box<dyn Fn() + Send + Sync>) {
        *self.wake.lock() = Some(wake);
    }
}
