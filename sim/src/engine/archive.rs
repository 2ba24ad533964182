//! The archive of the log: whatever happened, it and the log beside it are one history without a gap.

use std::path::Path;

use redkeep::storage::Lsn;
use redkeep::storage::log::{History, HistoryError, HistoryStop};

use super::life::{KEPT, LOG, Stop, UUID};
use crate::disk::SimVfs;
use crate::explore::Broken;

/// Reads every transaction up to `last`, from the first on.
pub fn check(vfs: &SimVfs, last: Lsn) -> Result<(), Stop> {
    let read = || -> Result<(), HistoryStop<Lsn>> {
        let mut history = History::open(vfs, Path::new(KEPT), Some(UUID))?;
        history.go_on_with_log(vfs, Path::new(LOG), Lsn(0))?;
        let mut before = Lsn(0);
        history.replay(vfs, Lsn(0), |lsn, _, _| {
            if lsn != before.next() {
                return Err(lsn);
            }
            before = lsn;
            Ok(())
        })?;
        if before < last {
            return Err(HistoryStop::Apply(before.next()));
        }
        Ok(())
    };
    let broken = |detail: String| Err(Broken::new("O12", detail).into());
    match read() {
        Ok(()) => Ok(()),
        Err(HistoryStop::Apply(lsn)) => broken(format!("transaction {lsn} is not in the archive")),
        Err(HistoryStop::History(HistoryError::Vfs(error))) => {
            Err(Stop::Open(redkeep::storage::OpenError::Vfs(error)))
        }
        Err(HistoryStop::History(error)) => broken(format!("the archive: {error}")),
    }
}
