//! The end of a server: a file that is whole without its log.

use std::sync::Arc;

use super::late_log::LateLog;
use super::{Lifecycle, Shared, checkpointer};
use crate::command::shutdown::Request;
use crate::storage::Error;
use crate::storage::log::LogError;

/// What becomes of the data when a server ends.
pub struct CleanEnd {
    shared: Arc<Shared>,
    log: Arc<LateLog>,
}

/// How the file was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It is whole without its log.
    Whole,
    /// It needs its log, for `wal-keep` does not have all of it.
    NotKept,
    /// It needs its log, for it is being copied and there are no checkpoints.
    Held,
}

/// Why it was left as a crash would leave it. The log has everything that was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error(transparent)]
    Checkpoint(#[from] Error),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl CleanEnd {
    pub fn new(shared: Arc<Shared>, log: Arc<LateLog>) -> Self {
        Self { shared, log }
    }

    /// Puts into the file whatever connections that have ended committed last. No other thread works on it any more.
    pub fn close(&self) -> Result<Left, CloseError> {
        match checkpointer::make(&self.shared, true, &mut || {}) {
            Ok(()) if self.needs_log() => Ok(Left::NotKept),
            Ok(()) => Ok(Left::Whole),
            Err(checkpointer::MakeError::Held) => {
                self.sync()?;
                Ok(Left::Held)
            }
            Err(checkpointer::MakeError::Storage(error)) => Err(error.into()),
        }
    }

    fn needs_log(&self) -> bool {
        let keyspace = self.shared.engine.lock();
        keyspace.engine.checkpoint_state().meta.log_required
    }

    /// Syncs all of the log, if it is there.
    fn sync(&self) -> Result<(), LogError> {
        let Some(keeper) = self.log.keeper() else {
            return Ok(());
        };
        let log = keeper.log();
        log.sync_to(log.last_lsn())
    }
}

impl Lifecycle for CleanEnd {
    fn prepare_shutdown(&mut self, _request: Request) -> bool {
        if self.log.keeper().is_none() {
            // The file is still being opened, and nothing was committed.
            return true;
        }
        match checkpointer::make(&self.shared, true, &mut || {}) {
            Ok(()) => true,
            Err(e) => {
                tracing::warn!("the last checkpoint failed: {e}. The log has everything up to it.");
                self.sync().is_ok()
            }
        }
    }
}
