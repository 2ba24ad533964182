//! The log over what was taken: as an opening replays it, without the changes whose place is missing.
//!
//! What can be read of the trees is as it was at the checkpoint, so a change to it gives what it gave then. A change to what
//! is missing is left out, unless it gives its key a whole new value: then nothing of that key is missing any more.

use super::report::LogFate;
use super::roots::Base;
use super::walk::Walk;
use super::{SalvageError, SalvageProgress};
use crate::storage::Error;
use crate::storage::engine::Plan;
use crate::storage::log::{self, LogError, Lsn, ReplayError, Scan, Verdict};
use crate::storage::open::apply_change;
use crate::storage::pager::OnMiss;
use crate::storage::read::{Read, RootId, TreeId};
use crate::storage::record::{Change, Changes, Place};
use crate::vfs::VfsFile;

/// Transactions between two reports of progress.
const PROGRESS_TRANSACTIONS: u64 = 1024;

const IN_LOG_ONLY: &str =
    "its value is on a damaged page, and the log has later changes to it only";

/// The tree that changes apply to.
#[derive(Debug)]
enum Context {
    Tree {
        tree: TreeId,
        root: u32,
        /// The key of the root tree at which it hangs, and which of the trees there.
        owner: Option<(Vec<u8>, usize)>,
    },
    /// The tree is missing: that of this key.
    Missing {
        root: u32,
        owner: Vec<u8>,
        slot: usize,
        is_nested_deep: bool,
    },
    /// The tree of a key that is in doubt.
    Doubtful { root: u32, owner: Vec<u8> },
    /// It follows from others.
    Derived,
}

/// Why the replay ended before its end.
enum Stop {
    Record(Lsn, String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Walk<'_, '_> {
    /// Replays what can be read of the log behind the checkpoint.
    pub fn replay(&mut self, base: &Base, log: Option<&dyn VfsFile>) -> Result<(), SalvageError> {
        let after = base.checkpoint.lsn;
        self.report.checkpoint_lsn = after;
        self.report.last_lsn = after.max(Lsn(1));
        self.report.log = fate(base, log.is_some());
        let (Some(log), Some(scan)) = (log, &base.log) else {
            return Ok(());
        };
        let has_records = matches!(
            scan.verdict,
            Verdict::Clean | Verdict::TornTail { .. } | Verdict::Damaged { .. }
        );
        if !has_records || base.log_required == Some(false) {
            return Ok(());
        }
        self.replay_scan(log, scan, after)?;
        let last = self.report.last_lsn.max(scan.resume_lsn);
        self.report.last_lsn = last;
        Ok(())
    }

    fn replay_scan(
        &mut self,
        log: &dyn VfsFile,
        scan: &Scan,
        after: Lsn,
    ) -> Result<(), SalvageError> {
        let total = scan.end.lsn.0.saturating_sub(after.0);
        let done = log::replay(log, scan, after, |lsn, _, record| {
            self.record(lsn, record)?;
            self.report.last_lsn = self.report.last_lsn.max(lsn);
            self.report.replayed += 1;
            let done = self.report.replayed;
            if done.is_multiple_of(PROGRESS_TRANSACTIONS) {
                (self.tell)(SalvageProgress::Replayed { done, total });
            }
            Ok::<_, Stop>(())
        });
        let why = match done {
            Ok(()) => return Ok(()),
            Err(ReplayError::Apply(Stop::Failed(error))) => return Err(error.into()),
            Err(ReplayError::Apply(Stop::Record(lsn, why))) => format!("transaction {lsn}: {why}"),
            Err(ReplayError::Log(error @ (LogError::Io(_) | LogError::Damage(_)))) => {
                error.to_string()
            }
            Err(ReplayError::Log(error)) => return Err(error.into()),
        };
        self.report.log = LogFate::Lost {
            from: Lsn(after.0 + self.report.replayed + 1),
            up_to: Some(scan.resume_lsn),
            why,
        };
        Ok(())
    }

    fn record(&mut self, lsn: Lsn, record: &[u8]) -> Result<(), Stop> {
        // One that is not understood is not begun with.
        let mut changes = Changes::new(record);
        loop {
            match changes.next_change() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(fault) => return Err(Stop::Record(lsn, fault.to_string())),
            }
        }
        let engine = &mut self.target.engine;
        engine.begin_command(OnMiss::Read);
        engine.set_urgent(true);
        engine.begin(Plan::Simple)?;
        let mut context = self.enter_tree(&Place::default())?;
        let mut changes = Changes::new(record);
        while let Ok(Some(change)) = changes.next_change() {
            match change {
                Change::In(place) => context = self.enter_tree(&place)?,
                change => self.change(&mut context, &change)?,
            }
        }
        self.target.engine.commit();
        Ok(())
    }

    fn enter_tree(&mut self, place: &Place<'_>) -> Result<Context, Error> {
        if self.rules.is_derived(RootId(place.root)) {
            return Ok(Context::Derived);
        }
        let root = place.root;
        let owner = place.steps.first().map(|(key, slot)| (key.to_vec(), *slot));
        if let Some((owner, _)) = &owner
            && self.doubt.has(root, owner)
        {
            let owner = owner.clone();
            return Ok(Context::Doubtful { root, owner });
        }
        if let Some(tree) = self.target.engine.tree_at(place)? {
            return Ok(Context::Tree { tree, root, owner });
        }
        let (owner, slot) = owner.expect("a root tree is always there");
        Ok(Context::Missing {
            root,
            owner,
            slot,
            is_nested_deep: place.steps.len() > 1,
        })
    }

    fn change(&mut self, context: &mut Context, change: &Change<'_>) -> Result<(), Error> {
        match *change {
            Change::DropRoot(root) if self.rules.is_derived(RootId(root)) => return Ok(()),
            Change::SwapRoots(a, _) if self.rules.is_derived(RootId(a)) => return Ok(()),
            Change::DropRoot(_) | Change::SwapRoots(..) => {
                let mut tree = self.target.engine.root(RootId(0))?;
                apply_change(&mut self.target.engine, &mut tree, change)?;
                match *change {
                    Change::DropRoot(root) => {
                        self.report.forget_root(root);
                        self.doubt.forget_root(root);
                    }
                    Change::SwapRoots(a, b) => {
                        self.report.swap_roots(a, b);
                        self.doubt.swap_roots(a, b);
                    }
                    _ => {}
                }
                return Ok(());
            }
            _ => {}
        }
        match context {
            Context::Derived => Ok(()),
            Context::Doubtful { root, owner } => {
                self.report.skipped += 1;
                self.report.gone_in_log(*root, owner, IN_LOG_ONLY);
                Ok(())
            }
            Context::Missing {
                root,
                owner,
                slot,
                is_nested_deep,
            } => {
                self.report.skipped += 1;
                if *is_nested_deep {
                    let loss = self.report.keys.entry((*root, owner.clone())).or_default();
                    if let Some(entries) = loss.entries.get_mut(*slot) {
                        *entries = (*entries).max(1);
                    }
                } else {
                    self.report.gone_in_log(*root, owner, IN_LOG_ONLY);
                }
                Ok(())
            }
            Context::Tree { tree, root, owner } => {
                let crosses = matches!(change, Change::Move { .. } | Change::Copy { .. });
                let is_doubtful = owner.is_none() && self.is_doubtful(*root, change);
                let is_left_out = is_doubtful || crosses && owner.is_some();
                let is_done =
                    !is_left_out && apply_change(&mut self.target.engine, tree, change)?.is_none();
                self.report.skipped += u64::from(!is_done);
                match owner {
                    None => self.note(*root, change, is_done),
                    Some((key, slot)) => self.note_nested(*root, key, *slot, change, is_done),
                }
                Ok(())
            }
        }
    }

    /// Whether a change to a root tree says only a part of what its key has then, and the rest may not be what it was.
    fn is_doubtful(&self, root: u32, change: &Change<'_>) -> bool {
        match *change {
            Change::SetHead { key, .. }
            | Change::WriteBody { key, .. }
            | Change::TruncateBody { key, .. }
            | Change::SpliceBody { key, .. }
            | Change::Move { key, .. }
            | Change::Copy { key, .. } => self.doubt.has(root, key),
            _ => false,
        }
    }

    /// What a change to a root tree says of what is missing.
    fn note(&mut self, root: u32, change: &Change<'_>, is_done: bool) {
        let (report, doubt) = (&mut self.report, &mut self.doubt);
        match *change {
            Change::Put { key, .. } | Change::PutNested { key, .. } => {
                report.forget(root, key);
                doubt.renew(root, key);
            }
            Change::Delete { key } => {
                if !is_done && !report.keys.contains_key(&(root, key.to_vec())) {
                    report.leave_gap(root, key);
                }
                report.forget(root, key);
                doubt.renew(root, key);
            }
            Change::DeleteRange { from, to } => report.forget_range(root, from, to),
            Change::SetHead { key, .. }
            | Change::WriteBody { key, .. }
            | Change::TruncateBody { key, .. }
            | Change::SpliceBody { key, .. }
                if !is_done =>
            {
                report.gone_in_log(root, key, IN_LOG_ONLY);
            }
            Change::Move {
                key,
                ref to,
                to_key,
            }
            | Change::Copy {
                key,
                ref to,
                to_key,
            } => {
                let mut loss = report.keys.get(&(root, key.to_vec())).cloned();
                if matches!(change, Change::Move { .. }) {
                    report.forget(root, key);
                }
                if !is_done && loss.is_none() {
                    if matches!(change, Change::Move { .. }) {
                        report.leave_gap(root, key);
                    }
                    loss = Some(super::KeyLoss {
                        gone: Some(IN_LOG_ONLY),
                        ..Default::default()
                    });
                }
                report.forget(to.root, to_key);
                if is_done {
                    doubt.renew(to.root, to_key);
                }
                if let Some(loss) = loss {
                    report.keys.insert((to.root, to_key.to_vec()), loss);
                }
            }
            _ => {}
        }
    }

    /// The same of a tree that hangs at a key.
    fn note_nested(
        &mut self,
        root: u32,
        owner: &[u8],
        slot: usize,
        change: &Change<'_>,
        is_done: bool,
    ) {
        if is_done {
            return;
        }
        let loss = self.report.keys.entry((root, owner.to_vec())).or_default();
        let Some(entries) = loss.entries.get_mut(slot) else {
            return;
        };
        // What is deleted later is not missing; the key stays noted, so that it is looked at.
        *entries = match change {
            Change::Delete { .. } => entries.saturating_sub(1),
            _ => (*entries).max(1),
        };
    }
}

fn fate(base: &Base, has_log: bool) -> LogFate {
    let after = base.checkpoint.lsn;
    let lost = |up_to, why: String| LogFate::Lost {
        from: after.next(),
        up_to,
        why,
    };
    if base.log_required == Some(false) {
        let goes_on = base.log.as_ref().filter(|_| base.log_goes_on());
        return goes_on.map_or(LogFate::Idle, |scan| {
            let why = "the file is whole without its log: this one belongs to another copy of it";
            lost(Some(scan.end.lsn), why.to_owned())
        });
    }
    if let Some(why) = &base.log_fault {
        return lost(None, why.clone());
    }
    let Some(scan) = &base.log else {
        return lost(
            None,
            match (has_log, base.log_required) {
                (true, _) => "the log has no header that can be read".to_owned(),
                (false, Some(_)) => "the log is missing".to_owned(),
                (false, None) => {
                    "the log is missing, and no meta says whether it was needed".to_owned()
                }
            },
        );
    };
    match &scan.verdict {
        Verdict::Clean => LogFate::Whole { cut: None },
        Verdict::TornTail { lsn, reason, .. } => LogFate::Whole {
            cut: Some(format!("an unfinished end, transaction {lsn}: {reason}")),
        },
        Verdict::Damaged { damage, lost_up_to } => LogFate::Lost {
            from: damage.lsn,
            up_to: Some(*lost_up_to),
            why: damage.to_string(),
        },
        Verdict::Missing { needed, .. } => {
            lost(None, format!("transaction {needed} is in no segment"))
        }
        Verdict::Foreign { reason } => lost(None, reason.clone()),
        Verdict::Unstarted => lost(None, "the log was never started".to_owned()),
    }
}
