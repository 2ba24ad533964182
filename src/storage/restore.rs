//! Point in time: a backup, and what the archive of the log has behind it, up to a transaction or a moment.
//!
//! The steps: the backup is copied beside the place of the new file; what follows in the archive is replayed into the copy;
//! a checkpoint makes it whole; it gets its name. Until the last of them nothing is there under that name, and what an
//! interrupted one leaves behind is written over by the next.
//!
//! The new file is a database of its own: it has another identity than the one it comes from, because from here on the two
//! have different histories with the same numbers. So neither's log or archive can be taken for the other's. Its numbers
//! go on where the replay ended.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::{BackupError, Held, refuse_existing};
use super::checkpoint::{Checkpoint, EngineLock};
use super::engine::Engine;
use super::log::{CheckpointRef, History, HistoryError, HistoryStop, Log, LogError, Lsn};
use super::meta::{Meta, MetaCopies, Slot};
use super::open::{OpenError, OpenOptions, Opener, apply, log_path, with_suffix};
use super::pager::{PageSource, Pool, PoolShape};
use super::planted::Planted;
use super::{Error, meta};
use crate::sync::Mutex;
use crate::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, folder_of};

/// Transactions between two reports of progress.
const TELL_EVERY: u64 = 1024;

/// How far a restore goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// As far as there are transactions.
    End,
    /// Up to this transaction.
    Lsn(Lsn),
    /// Up to the last one before the first that was written later than this wall time, in milliseconds since 1970.
    WallMs(u64),
}

/// What is to be restored.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// A file that is whole without its log.
    pub backup: &'a Path,
    /// The archive of its log.
    pub archive: &'a Path,
    /// The log of the machine that the archive is from, if it is there.
    pub log: Option<&'a Path>,
    pub until: Until,
    /// The new file.
    pub out: &'a Path,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreProgress {
    /// Pages of the backup.
    Copied { pages: u64, pages_total: u64 },
    /// Transactions behind it, of those there are.
    Replayed { done: u64, total: u64 },
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last transaction of the backup.
    pub backup_lsn: Lsn,
    /// The last transaction of the new file.
    pub last_lsn: Lsn,
    /// When that was written, in milliseconds since 1970, if the log tells.
    pub wall_ms: Option<u64>,
    pub replayed: u64,
    /// There are later transactions, which were not wanted.
    pub has_later: bool,
}

/// Why nothing was restored. Nothing is there under the name of the new file.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    #[error("{} is no database, or its meta is damaged", .0.display())]
    NotADatabase(PathBuf),
    #[error(
        "{} is not whole without its log: take a backup, or a file that was closed cleanly",
        .0.display()
    )]
    NotWhole(PathBuf),
    #[error(
        "the backup ends with transaction {backup}, behind the one asked for, {asked}: take an older one"
    )]
    TooLate { backup: Lsn, asked: Lsn },
    #[error("the backup is of a later moment than the one asked for: take an older one")]
    TooLateInTime,
    #[error("what there is ends with transaction {last}, before the one asked for, {asked}")]
    NotThere { last: Lsn, asked: Lsn },
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Vfs(#[from] VfsError),
}

impl Restore<'_> {
    /// Makes the new file. `options` bound the memory and bring the identity of the new file.
    pub fn run(
        &self,
        vfs: &dyn Vfs,
        clock: &Arc<dyn Clock>,
        options: &OpenOptions,
        tell: &mut dyn FnMut(RestoreProgress),
    ) -> Result<Restored, RestoreError> {
        refuse_existing(vfs, self.out)?;
        let (meta, source) = self.backup_of(vfs, options)?;
        let after = meta.checkpoint.lsn;
        let mut history = History::open(vfs, self.archive, Some(meta.uuid))?;
        if let Some(log) = self.log {
            history.go_on_with_log(vfs, log, after)?;
        } else if history.last_lsn().is_none() {
            return Err(HistoryError::Empty(self.archive.to_path_buf()).into());
        }
        self.refuse_late(vfs, &meta, &history)?;
        // Where the new file is made.
        let beside = with_suffix(self.out, ".restoring");
        let work = || {
            Held::of_file(meta, source).overwrite(vfs, &beside, &mut |copied| {
                tell(RestoreProgress::Copied {
                    pages: copied.pages,
                    pages_total: copied.pages_total,
                });
                ControlFlow::Continue(())
            })?;
            let opener = Opener::new(vfs, Arc::clone(clock), &beside, options);
            let restored = self.replay(&opener, &history, meta, tell)?;
            vfs.rename(&beside, self.out)?;
            let dir = folder_of(self.out);
            vfs.sync_dir(dir)?;
            Ok(restored)
        };
        let done = work();
        for path in [beside.clone(), log_path(&beside)] {
            // What is left is of no use; where it stays, the next restore writes over it.
            let _ = vfs.unlink(&path);
        }
        done
    }

    /// The newest meta of the backup, and its pages.
    fn backup_of(
        &self,
        vfs: &dyn Vfs,
        options: &OpenOptions,
    ) -> Result<(Meta, PageSource), RestoreError> {
        let path = || self.backup.to_path_buf();
        let file = vfs.open(self.backup, OpenMode::Read)?;
        match file.lock_exclusive() {
            Err(e) if e.kind == VfsErrorKind::Locked => return Err(RestoreError::InUse(path())),
            // A file that is only read need not be locked.
            Ok(()) | Err(_) => {}
        }
        let copies = MetaCopies::read(&*file)?;
        if let Some(found) = copies.foreign_version() {
            return Err(RestoreError::Open(OpenError::Version {
                path: path(),
                found,
                expected: meta::FORMAT_VERSION,
            }));
        }
        let (meta, _) = copies
            .newest()
            .ok_or_else(|| RestoreError::NotADatabase(path()))?;
        if meta.log_required {
            return Err(RestoreError::NotWhole(path()));
        }
        let page_bytes = meta.page_bytes as usize;
        let shape = PoolShape {
            page_bytes,
            ..options
                .pool_shape
                .unwrap_or(PoolShape::standard(page_bytes))
        };
        let pool = Arc::new(Pool::new(shape));
        Ok((meta, PageSource::new(pool, file, Planted::none())))
    }

    /// Refuses a backup that already holds what is not wanted.
    fn refuse_late(
        &self,
        vfs: &dyn Vfs,
        meta: &Meta,
        history: &History,
    ) -> Result<(), RestoreError> {
        let backup = meta.checkpoint.lsn;
        match self.until {
            Until::Lsn(asked) if asked < backup => Err(RestoreError::TooLate { backup, asked }),
            Until::WallMs(wall_ms) if wall_ms < meta.wall_ms => {
                // The meta is younger than the last transaction before it, of which the log tells when it was.
                let wrote = history.wall_ms_of(vfs, backup)?;
                if wrote.is_some_and(|wrote| wrote <= wall_ms) || backup == Lsn(0) {
                    return Ok(());
                }
                Err(RestoreError::TooLateInTime)
            }
            Until::End | Until::Lsn(_) | Until::WallMs(_) => Ok(()),
        }
    }

    fn replay(
        &self,
        opener: &Opener<'_>,
        history: &History,
        meta: Meta,
        tell: &mut dyn FnMut(RestoreProgress),
    ) -> Result<Restored, RestoreError> {
        let after = meta.checkpoint.lsn;
        let file = opener.vfs.open(opener.path, OpenMode::ReadWrite)?;
        opener.lock(&*file)?;
        let copies = MetaCopies::read(&*file)?;
        let (meta, slot) = copies
            .newest()
            .ok_or_else(|| RestoreError::NotADatabase(opener.path.to_path_buf()))?;
        let generation = meta.generation + 1;
        let mut engine = opener.load(file, meta, slot, generation)?;
        engine.set_replayed(after);
        let mut restored = Restored {
            backup_lsn: after,
            last_lsn: after,
            wall_ms: None,
            replayed: 0,
            has_later: false,
        };
        self.replay_into(&mut engine, opener.vfs, history, &mut restored, tell)?;
        finish(opener, engine, slot, restored.last_lsn)?;
        Ok(restored)
    }

    fn replay_into(
        &self,
        engine: &mut Engine,
        vfs: &dyn Vfs,
        history: &History,
        restored: &mut Restored,
        tell: &mut dyn FnMut(RestoreProgress),
    ) -> Result<(), RestoreError> {
        let after = restored.backup_lsn;
        let last = match self.until {
            Until::Lsn(asked) => Some(asked),
            Until::End | Until::WallMs(_) => history.last_lsn(),
        };
        let total = last.map_or(0, |last| last.0.saturating_sub(after.0));
        tell(RestoreProgress::Replayed { done: 0, total });
        let replayed = history.replay(vfs, after, |lsn, wall_ms, record| {
            let is_wanted = match self.until {
                Until::End => true,
                Until::Lsn(asked) => lsn <= asked,
                Until::WallMs(asked) => wall_ms <= asked,
            };
            if !is_wanted {
                return Err(Stop::Enough);
            }
            apply(engine, lsn, record).map_err(|error| Stop::Failed(Box::new(error)))?;
            engine.set_replayed(lsn);
            restored.replayed += 1;
            (restored.last_lsn, restored.wall_ms) = (lsn, Some(wall_ms));
            let done = restored.replayed;
            if done.is_multiple_of(TELL_EVERY) {
                tell(RestoreProgress::Replayed { done, total });
            }
            Ok(())
        });
        match replayed {
            Ok(_) => {}
            Err(HistoryStop::Apply(Stop::Enough)) => restored.has_later = true,
            Err(HistoryStop::Apply(Stop::Failed(error))) => return Err((*error).into()),
            // What is behind the transaction asked for is not needed.
            Err(HistoryStop::History(_)) if self.until == Until::Lsn(restored.last_lsn) => {
                restored.has_later = true;
            }
            Err(HistoryStop::History(error)) => return Err(error.into()),
        }
        match self.until {
            Until::Lsn(asked) if restored.last_lsn < asked => Err(RestoreError::NotThere {
                last: restored.last_lsn,
                asked,
            }),
            Until::Lsn(_) | Until::End | Until::WallMs(_) => Ok(()),
        }
    }
}

/// Why the replay is over.
enum Stop {
    Enough,
    Failed(Box<OpenError>),
}

/// Makes a file whole that `engine` has without a log: a checkpoint that ends with `last_lsn`, under a new identity, and
/// no log.
pub(super) fn finish(
    opener: &Opener<'_>,
    mut engine: Engine,
    slot: Slot,
    last_lsn: Lsn,
) -> Result<(), RestoreError> {
    let state = engine.checkpoint_state_mut();
    let meta = Meta {
        uuid: opener.options.new_uuid,
        durable_lsn: last_lsn,
        ..state.meta
    };
    state.meta = meta;
    let checkpoint = CheckpointRef {
        lsn: last_lsn,
        ..meta.checkpoint
    };
    // What it has been given is in its pages, and nobody else has seen them: its log begins behind that.
    let log = Log::create(
        opener.vfs,
        &log_path(opener.path),
        Arc::clone(&opener.clock),
        opener.log_params(&meta, meta.generation),
        checkpoint,
    )?;
    engine.attach_log(Arc::new(log));
    let engine = Mutex::new(engine);
    let clock = Arc::clone(&opener.clock);
    let begun = engine.with(|engine| Checkpoint::begin(engine, clock))?;
    if let Some(checkpoint) = begun {
        checkpoint.run(&engine, || {})?;
    }
    engine.with(|engine| {
        // Both slots are of the new database before it has its name.
        engine.write_meta(&*opener.clock, true)?;
        engine.clear_log_required(&*opener.clock)?;
        let state = engine.checkpoint_state();
        assert!(!state.meta.log_required && state.meta.checkpoint.lsn == last_lsn);
        assert!(state.slot == slot || state.slot == slot.other());
        Ok(())
    })
}
