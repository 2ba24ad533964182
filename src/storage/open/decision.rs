//! What is done about a file that has a valid meta: the rows R6 to R13 of the decision table, decided from what was read.
//!
//! Nothing is read or written here, so every row is tested by itself; the rows above these need files.

use super::OnCorruption;
use crate::storage::log::{Lsn, Scan, Verdict};
use crate::storage::meta::Meta;

/// What is done. Where it is to refuse, nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// R6: the log is required, and not there.
    LogMissing,
    /// R6: the log is required, and nothing was ever written into it.
    NeverStarted,
    /// R7, and R11 and R12 where the log is not required: the log is made anew. Nothing in it is needed, and its header is only
    /// known to be durable in the life that synced it: a sync that failed may have left it in the kernel's memory alone.
    NewLog { cut: Option<String> },
    /// R8: a log of another database or version.
    Foreign { reason: String },
    /// R9: it names a checkpoint behind the newest of the file.
    NewerCheckpoint { named: u64, newest: u64 },
    /// R10: the file is whole alone, and its log goes on behind it.
    GoesOn { last: Lsn },
    /// R11, and R12 where the operator accepts the loss: it is replayed up to its end. What lay behind, for people.
    Replay { cut: Option<String> },
    /// R12: something that was synced is lost.
    Damaged { what: String },
    /// R13: a transaction behind the checkpoint is in no segment.
    Missing { needed: Lsn },
}

/// The row that applies. No scan: there is no log.
pub(super) fn decide(meta: &Meta, scan: Option<&Scan>, on_corruption: OnCorruption) -> Row {
    let Some(scan) = scan else {
        return if meta.log_required {
            Row::LogMissing
        } else {
            Row::NewLog { cut: None }
        };
    };
    let named = scan.newest_checkpoint.seq;
    if named > meta.checkpoint.seq {
        let newest = meta.checkpoint.seq;
        return Row::NewerCheckpoint { named, newest };
    }
    let is_started = scan.verdict != Verdict::Unstarted;
    if is_started && !meta.log_required && scan.end.lsn > meta.checkpoint.lsn {
        return Row::GoesOn { last: scan.end.lsn };
    }
    let cut = match &scan.verdict {
        Verdict::Clean => None,
        Verdict::TornTail {
            offset,
            lsn,
            reason,
        } => Some(format!(
            "an unfinished end at offset {offset}, transaction {lsn}: {reason}"
        )),
        Verdict::Damaged { damage, lost_up_to } => {
            let what = format!(
                "{damage}; transactions {} to {lost_up_to} are lost",
                damage.lsn
            );
            match on_corruption {
                OnCorruption::Abort => return Row::Damaged { what },
                OnCorruption::Truncate => Some(what),
            }
        }
        Verdict::Unstarted if meta.log_required => return Row::NeverStarted,
        Verdict::Unstarted => None,
        Verdict::Missing { needed, .. } => return Row::Missing { needed: *needed },
        Verdict::Foreign { reason } => {
            let reason = reason.clone();
            return Row::Foreign { reason };
        }
    };
    if meta.log_required {
        Row::Replay { cut }
    } else {
        Row::NewLog { cut }
    }
}

/// Why a file is refused, and what can be done about it: for people.
pub(super) type Refusal = (String, &'static str);

impl Row {
    /// Some: the file is refused.
    pub fn refusal(&self) -> Option<Refusal> {
        let refusal = match self {
            Self::NewLog { .. } | Self::Replay { .. } => return None,
            Self::LogMissing => (
                "the log is missing, and the data file is not whole without it".to_owned(),
                "Put the log back, or restore both from a backup.",
            ),
            Self::NeverStarted => (
                "the log was never started, and the data file is not whole without it".to_owned(),
                "Put the right log back, or restore both from a backup.",
            ),
            Self::Foreign { reason } => (
                reason.clone(),
                "Put the right log back, or move this one away if the data file was closed cleanly.",
            ),
            Self::NewerCheckpoint { named, newest } => (
                format!(
                    "it names checkpoint {named}, and the newest meta of the data file is of checkpoint {newest}"
                ),
                "The newer meta slot is damaged, or the data file is older than the log: restore both.",
            ),
            Self::GoesOn { last } => (
                format!("it goes on to transaction {last} behind a file that is whole"),
                "If `redkeep check` finds meta copies damaged, the log is needed: `redkeep salvage` takes both. Otherwise it \
                 belongs to another copy of the file: move it away.",
            ),
            Self::Damaged { what } => (
                what.clone(),
                "Restore from a backup, or open with `on-corruption truncate` to keep what precedes it.",
            ),
            Self::Missing { needed } => (
                format!("transaction {needed} is in no segment"),
                "The log and the data file do not belong together: restore both from a backup.",
            ),
        };
        Some(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::log::{CheckpointRef, LogDamage};

    const CHECKPOINT: CheckpointRef = CheckpointRef {
        seq: 5,
        lsn: Lsn(20),
    };

    fn meta(log_required: bool) -> Meta {
        Meta {
            checkpoint: CHECKPOINT,
            log_required,
            ..Meta::of_new(4096, [7; 16], 0)
        }
    }

    /// A log that ends behind this transaction.
    fn log(verdict: Verdict, end: u64) -> Scan {
        let mut scan = Scan::nothing(verdict, CHECKPOINT, CHECKPOINT.lsn);
        scan.newest_checkpoint = CHECKPOINT;
        scan.end.lsn = Lsn(end);
        scan
    }

    fn torn() -> Verdict {
        Verdict::TornTail {
            offset: 8192,
            lsn: Lsn(24),
            reason: "half a frame",
        }
    }

    fn damaged() -> Verdict {
        Verdict::Damaged {
            damage: LogDamage {
                offset: 8192,
                lsn: Lsn(24),
                expected: "a frame",
                found: "zeroes",
            },
            lost_up_to: Lsn(30),
        }
    }

    /// With a log that is required and one that is not: what is decided.
    #[track_caller]
    fn check(scan: Option<&Scan>, on_corruption: OnCorruption, required: Row, not_required: Row) {
        assert_eq!(decide(&meta(true), scan, on_corruption), required);
        assert_eq!(decide(&meta(false), scan, on_corruption), not_required);
    }

    const ABORT: OnCorruption = OnCorruption::Abort;

    #[test]
    fn r6_and_r7_a_log_that_is_missing_or_was_never_started() {
        let anew = Row::NewLog { cut: None };
        check(None, ABORT, Row::LogMissing, anew.clone());
        let unstarted = Scan::nothing(Verdict::Unstarted, CHECKPOINT, CHECKPOINT.lsn);
        check(Some(&unstarted), ABORT, Row::NeverStarted, anew);
    }

    #[test]
    fn r8_a_log_of_another_database() {
        let foreign = Verdict::Foreign {
            reason: "another".to_owned(),
        };
        let scan = Scan::nothing(foreign, CHECKPOINT, CHECKPOINT.lsn);
        let row = Row::Foreign {
            reason: "another".to_owned(),
        };
        check(Some(&scan), ABORT, row.clone(), row);
    }

    /// Whatever else is wrong with it, and whatever the operator accepts.
    #[test]
    fn r9_a_log_that_names_a_newer_checkpoint() {
        let row = Row::NewerCheckpoint {
            named: 6,
            newest: 5,
        };
        for verdict in [Verdict::Clean, torn(), damaged()] {
            for on_corruption in [ABORT, OnCorruption::Truncate] {
                let mut scan = log(verdict.clone(), 23);
                scan.newest_checkpoint.seq = 6;
                check(Some(&scan), on_corruption, row.clone(), row.clone());
            }
        }
    }

    #[test]
    fn r10_a_log_that_goes_on_behind_a_file_that_is_whole() {
        for verdict in [Verdict::Clean, torn(), damaged()] {
            let scan = log(verdict, 21);
            let row = decide(&meta(false), Some(&scan), OnCorruption::Truncate);
            assert_eq!(row, Row::GoesOn { last: Lsn(21) });
        }
    }

    /// Not required: it ends at the checkpoint, and nothing in it is needed.
    #[test]
    fn r11_a_clean_end_or_a_torn_tail() {
        let scan = log(Verdict::Clean, 23);
        let row = decide(&meta(true), Some(&scan), ABORT);
        assert_eq!(row, Row::Replay { cut: None });
        let scan = log(torn(), 20);
        let what = "an unfinished end at offset 8192, transaction 24: half a frame";
        let cut = Some(what.to_owned());
        let required = Row::Replay { cut: cut.clone() };
        check(Some(&scan), ABORT, required, Row::NewLog { cut });
        let scan = log(Verdict::Clean, 20);
        let (required, not) = (Row::Replay { cut: None }, Row::NewLog { cut: None });
        check(Some(&scan), ABORT, required, not);
    }

    #[test]
    fn r12_damage_inside_what_was_synced() {
        let scan = log(damaged(), 20);
        let what = "log damaged at offset 8192, transaction 24: expected a frame, found zeroes; \
                    transactions 24 to 30 are lost"
            .to_owned();
        let refused = Row::Damaged { what: what.clone() };
        check(Some(&scan), ABORT, refused.clone(), refused);
        let cut = Some(what);
        let required = Row::Replay { cut: cut.clone() };
        let not_required = Row::NewLog { cut };
        check(Some(&scan), OnCorruption::Truncate, required, not_required);
    }

    #[test]
    fn r13_transactions_that_are_in_no_segment() {
        let missing = Verdict::Missing {
            needed: Lsn(21),
            found: Some(Lsn(40)),
        };
        let scan = log(missing, 20);
        let row = Row::Missing { needed: Lsn(21) };
        for on_corruption in [ABORT, OnCorruption::Truncate] {
            check(Some(&scan), on_corruption, row.clone(), row.clone());
        }
    }

    #[test]
    fn what_is_carried_out_is_not_refused_and_all_else_is() {
        let cut = None;
        assert_eq!(Row::NewLog { cut: cut.clone() }.refusal(), None);
        assert_eq!(Row::Replay { cut }.refusal(), None);
        let newest = 5;
        for row in [
            Row::LogMissing,
            Row::NeverStarted,
            Row::NewerCheckpoint { named: 6, newest },
            Row::GoesOn { last: Lsn(21) },
            Row::Missing { needed: Lsn(21) },
        ] {
            let (why, what_to_do) = row.refusal().expect("a refusal");
            assert!(!why.is_empty() && what_to_do.ends_with('.'), "{row:?}");
        }
    }
}
