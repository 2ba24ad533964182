//! The log beside the file: its end, its checkpoint, its transactions.

use super::{CheckError, Checker, Invariant, Severity};
use crate::storage::log::{self, LogError, Lsn, ReplayError, Scan, Verdict};
use crate::storage::meta::Meta;
use crate::storage::record::{Changes, RecordFault};
use crate::vfs::{VfsError, VfsErrorKind, VfsFile};

/// A transaction of the log that cannot be read.
struct BadRecord {
    lsn: Lsn,
    why: String,
}

impl Checker<'_> {
    /// I21 to I25.
    pub(super) fn log(&mut self, meta: &Meta, log: Option<&dyn VfsFile>) -> Result<(), CheckError> {
        let Some(log) = log else {
            if meta.log_required {
                let what = "the log is missing, and the data file is not whole without it";
                self.found_in_log(
                    Invariant::LogPresent,
                    Severity::Error,
                    None,
                    what.to_owned(),
                );
            }
            return Ok(());
        };
        let scan = match log::scan(log, &meta.uuid, meta.checkpoint, meta.durable_lsn) {
            Ok(scan) => scan,
            Err(LogError::Io(e)) => return self.log_unreadable(e),
            Err(e) => return Err(CheckError::Log(e)),
        };
        self.report.stats.log_bytes = scan.stats.bytes;
        if scan.newest_checkpoint.seq > meta.checkpoint.seq {
            let text = format!(
                "it names checkpoint {}, and the newest meta is of checkpoint {}: a newer meta is lost",
                scan.newest_checkpoint.seq, meta.checkpoint.seq
            );
            self.found_in_log(Invariant::LogCheckpoint, Severity::Error, None, text);
        }
        let has_end = self.verdict(meta, &scan);
        if !has_end {
            return Ok(());
        }
        self.report.stats.last_lsn = scan.end.lsn.0.max(meta.checkpoint.lsn.0);
        if !meta.log_required && scan.end.lsn > meta.checkpoint.lsn {
            let text = format!(
                "it goes on to transaction {}, and the data file says that it is whole at {}",
                scan.end.lsn, meta.checkpoint.lsn
            );
            self.found_in_log(Invariant::LogIdle, Severity::Error, None, text);
        }
        self.records(meta, log, &scan)
    }

    /// Whether the log has transactions that can be read.
    fn verdict(&mut self, meta: &Meta, scan: &Scan) -> bool {
        match &scan.verdict {
            Verdict::Clean => return true,
            Verdict::TornTail {
                offset,
                lsn,
                reason,
            } => {
                let text =
                    format!("an unfinished end, transaction {lsn}, which opening cuts: {reason}");
                self.found_in_log(Invariant::LogWhole, Severity::Note, Some(*offset), text);
                return true;
            }
            Verdict::Damaged { damage, lost_up_to } => {
                let text = format!(
                    "{damage}; transactions {} to {lost_up_to} are lost",
                    damage.lsn
                );
                self.found_in_log(
                    Invariant::LogWhole,
                    Severity::Error,
                    Some(damage.offset),
                    text,
                );
                return true;
            }
            Verdict::Missing { needed, .. } => {
                let text = format!("transaction {needed} is in no segment");
                self.found_in_log(Invariant::LogWhole, Severity::Error, None, text);
            }
            Verdict::Foreign { reason } => {
                self.found_in_log(Invariant::LogPresent, Severity::Error, None, reason.clone());
            }
            Verdict::Unstarted if meta.log_required => {
                let what = "the log was never started, and the data file is not whole without it";
                self.found_in_log(
                    Invariant::LogPresent,
                    Severity::Error,
                    None,
                    what.to_owned(),
                );
            }
            Verdict::Unstarted => {}
        }
        false
    }

    /// A bad sector is a finding; anything else is no fault of the log.
    fn log_unreadable(&mut self, e: VfsError) -> Result<(), CheckError> {
        if e.kind != VfsErrorKind::Io {
            return Err(e.into());
        }
        let text = format!("it cannot be read: {e}");
        self.found_in_log(Invariant::LogWhole, Severity::Error, e.offset, text);
        Ok(())
    }

    fn records(&mut self, meta: &Meta, log: &dyn VfsFile, scan: &Scan) -> Result<(), CheckError> {
        let mut last = meta.checkpoint.lsn;
        let mut records = 0;
        let mut bad = Vec::new();
        let done = log::replay(log, scan, meta.checkpoint.lsn, |lsn, _, record| {
            records += 1;
            if lsn <= last {
                let why = format!("it comes behind transaction {last}");
                bad.push(BadRecord { lsn, why });
            }
            last = lsn;
            if let Err(fault) = understood(record) {
                let why = fault.to_string();
                bad.push(BadRecord { lsn, why });
            }
            // One stops the replay that the next open would do: the others say no more.
            if bad.is_empty() { Ok(()) } else { Err(()) }
        });
        self.report.stats.records = records;
        for BadRecord { lsn, why } in bad {
            let text = format!("transaction {lsn}: {why}");
            self.found_in_log(Invariant::LogRecords, Severity::Error, None, text);
        }
        match done {
            Ok(()) | Err(ReplayError::Apply(())) => Ok(()),
            Err(ReplayError::Log(LogError::Io(e))) => self.log_unreadable(e),
            Err(ReplayError::Log(e)) => Err(CheckError::Log(e)),
        }
    }
}

fn understood(record: &[u8]) -> Result<(), RecordFault> {
    let mut changes = Changes::new(record);
    while changes.next_change()?.is_some() {}
    Ok(())
}
