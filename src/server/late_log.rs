//! The log as connections see it from the start, when the file is still being opened.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::durability::{Durability, LogFailed, SyncPolicy};
use super::log_keeper::LogKeeper;

/// Calls whoever waits for progress.
type Wake = Box<dyn Fn() + Send + Sync>;

/// Until there is a log nothing is committed: the only LSN that any reply has seen is 0, and it may leave.
#[derive(Default)]
pub struct LateLog {
    keeper: OnceLock<Arc<LogKeeper>>,
    /// Whoever wants to be woken by the log that is to come.
    wakers: Mutex<Vec<Wake>>,
}

impl LateLog {
    /// The log is there.
    ///
    /// # Panics
    /// When there is one already.
    pub fn arrive(&self, keeper: Arc<LogKeeper>) {
        let mut wakers = self.wakers.lock();
        for wake in wakers.drain(..) {
            keeper.on_progress(wake);
        }
        assert!(self.keeper.set(keeper).is_ok(), "a server has one log");
    }

    /// The log, once it is there.
    pub fn keeper(&self) -> Option<&Arc<LogKeeper>> {
        self.keeper.get()
    }
}

impl Durability for LateLog {
    fn policy(&self) -> SyncPolicy {
        self.keeper().map_or(SyncPolicy::Kernel, |log| log.policy())
    }

    fn written_lsn(&self) -> u64 {
        self.keeper().map_or(0, |log| log.written_lsn())
    }

    fn write_to(&self, lsn: u64) -> Result<(), LogFailed> {
        match self.keeper() {
            Some(log) => log.write_to(lsn),
            None if lsn == 0 => Ok(()),
            None => Err(LogFailed),
        }
    }

    fn synced_lsn(&self) -> u64 {
        self.keeper().map_or(0, |log| log.synced_lsn())
    }

    fn sync_us(&self) -> u64 {
        self.keeper().map_or(u64::MAX, |log| log.sync_us())
    }

    fn sync_to(&self, lsn: u64) -> Result<(), LogFailed> {
        match self.keeper() {
            Some(log) => log.sync_to(lsn),
            None if lsn == 0 => Ok(()),
            None => Err(LogFailed),
        }
    }

    fn request_sync(&self, lsn: u64) {
        if let Some(log) = self.keeper() {
            log.request_sync(lsn);
        }
    }

    fn served_checkpoint(&self) -> u64 {
        self.keeper().map_or(0, |log| log.served_checkpoint())
    }

    fn is_failed(&self) -> bool {
        self.keeper().is_some_and(|log| log.is_failed())
    }

    fn on_progress(&self, wake: Wake) {
        let mut wakers = self.wakers.lock();
        match self.keeper() {
            Some(log) => log.on_progress(wake),
            None => wakers.push(wake),
        }
    }
}
