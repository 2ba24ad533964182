//! Taking what is readable out of a damaged file, into a new one.
//!
//! ```text
//! source   pages of the damaged file: each is read once, and verified
//! walk     from the roots to every entry that can be read
//! orphans  pages below a damaged one, found by reading all pages
//! roots    where the walk begins: the newest meta, or catalogs found by reading all pages
//! target   the new file: entries, large values
//! replay   the log over what was taken
//! report   what is missing
//! ```
//!
//! Entries are copied tree by tree into a new file, so that its trees hold together whatever is missing; then the log is
//! replayed over them as an opening does it, leaving out the changes whose place is not there. The bytes of entries mean
//! nothing here: whoever calls says by [`Rules`] which trees follow from others, and puts right what does not hold
//! together any more before the new file gets its name.
//!
//! The damaged file is opened for reading only. Everything in it is untrusted: a page is entered once, so that no
//! arrangement of pointers goes on for ever; lengths are bounded before memory is taken for them; what is to be
//! visited stands on a stack. Memory is bounded by the cache of the new file, a bit for each page, what the catalog
//! holds, and what is missing.

mod doubt;
mod orphans;
mod ranges;
mod replay;
mod report;
mod roots;
mod source;
mod target;
mod walk;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::report::{Gap, KeyLoss, LogFate, Report, TreeKind};
use self::roots::Base;
use self::source::Source;
use self::target::Target;
use self::walk::Walk;
use super::backup::{BackupError, refuse_existing};
use super::cell::Cell;
use super::engine::Engine;
use super::log::LogError;
use super::open::{OpenError, OpenOptions, log_path, with_suffix};
use super::read::RootId;
use super::restore::RestoreError;
use super::{Error, meta};
use crate::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, folder_of};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SalvageProgress {
    /// Pages read, of those of the file.
    Walked { pages: u64, pages_total: u64 },
    /// Pages looked at in search of what no pointer leads to.
    Scanned { pages: u64, pages_total: u64 },
    /// Transactions of the log.
    Replayed { done: u64, total: u64 },
}

/// Who is told.
pub type Tell<'a> = &'a mut dyn FnMut(SalvageProgress);

/// Where an entry stands, for [`Rules::fits`].
#[derive(Clone, Copy, Debug)]
pub struct Spot<'a> {
    /// None: it is not known.
    pub root: Option<RootId>,
    /// Slots of the trees on the way, the root's first; none in a root tree.
    pub slots: &'a [usize],
    /// Head of the root's cell that the tree hangs at; empty in a root tree.
    pub head: &'a [u8],
}

impl Spot<'static> {
    /// In this root tree.
    fn of_root(root: RootId) -> Self {
        Self {
            root: Some(root),
            slots: &[],
            head: &[],
        }
    }
}

/// What the trees mean, as far as salvaging depends on it.
pub trait Rules {
    /// Whether the tree follows from others, so that it need not be copied: whoever calls makes it anew.
    fn is_derived(&self, root: RootId) -> bool;

    /// Whether an entry may stand there. Decides to which tree a page belongs that no pointer leads to.
    fn fits(&self, spot: Spot<'_>, key: &[u8], cell: &Cell<'_>) -> bool;

    /// Where the pages of a root tree with this entry go if nothing says which tree it was: of those that would do the one
    /// with this number. None: there is no such tree.
    fn stray_root(&self, key: &[u8], cell: &Cell<'_>, nth: u32) -> Option<RootId>;
}

/// Why there is no new file.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    #[error("{} is in use, by this process or another: stop the server first", .0.display())]
    InUse(PathBuf),
    #[error("{} is no database, or nothing of it can be read", .0.display())]
    Nothing(PathBuf),
    #[error("{} has format version {found}, and this program reads version {expected}", path.display())]
    Version {
        path: PathBuf,
        found: u32,
        expected: u32,
    },
    #[error(transparent)]
    Out(#[from] BackupError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Finish(#[from] RestoreError),
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Vfs(#[from] VfsError),
}

/// What is to be salvaged, and where to.
#[derive(Clone, Copy)]
pub struct Salvage<'a> {
    pub vfs: &'a dyn Vfs,
    pub clock: &'a Arc<dyn Clock>,
    /// The damaged file. Its log stands beside it.
    pub broken: &'a Path,
    /// The new file; nothing may be there.
    pub out: &'a Path,
    /// They bound the memory and bring the identity of the new file.
    pub options: &'a OpenOptions,
    pub rules: &'a dyn Rules,
}

impl Salvage<'_> {
    /// Makes the new file. `mend` gets everything that was taken and makes it hold together.
    pub fn run<E: From<SalvageError>>(
        &self,
        tell: Tell<'_>,
        mend: impl FnOnce(Engine, &mut Report) -> Result<Engine, E>,
    ) -> Result<Report, E> {
        let begin = || {
            refuse_existing(self.vfs, self.out)?;
            let file = self.locked()?;
            let log = self.log()?;
            Ok((file, log))
        };
        let (file, log) = begin().map_err(|error: SalvageError| error)?;
        // Where the new file is made.
        let beside = with_suffix(self.out, ".salvaging");
        let done = self.make(&*file, log.as_deref(), &beside, tell, mend);
        for path in [beside.clone(), log_path(&beside)] {
            // What is left is of no use; where it stays, the next one writes over it.
            let _ = self.vfs.unlink(&path);
        }
        done
    }

    fn make<E: From<SalvageError>>(
        &self,
        file: &dyn VfsFile,
        log: Option<&dyn VfsFile>,
        beside: &Path,
        tell: Tell<'_>,
        mend: impl FnOnce(Engine, &mut Report) -> Result<Engine, E>,
    ) -> Result<Report, E> {
        let (target, mut report) = self.take(file, log, beside, tell)?;
        let last_lsn = report.last_lsn;
        let Target { engine, finisher } = target;
        let engine = mend(engine, &mut report)?;
        let name = || -> Result<(), SalvageError> {
            finisher.finish(self, beside, engine, last_lsn)?;
            refuse_existing(self.vfs, self.out)?;
            self.vfs.rename(beside, self.out)?;
            let dir = folder_of(self.out);
            Ok(self.vfs.sync_dir(dir)?)
        };
        name()?;
        Ok(report)
    }

    /// Everything that can be read, in a new file without a name.
    fn take(
        &self,
        file: &dyn VfsFile,
        log: Option<&dyn VfsFile>,
        beside: &Path,
        tell: Tell<'_>,
    ) -> Result<(Target, Report), SalvageError> {
        let mut report = Report::default();
        let base = Base::find(self, file, log, &mut report, tell)?;
        let target = Target::create(self, beside, base.page_bytes)?;
        let source = Source::new(file, &base)?;
        let mut walk = Walk::new(source, target, self.rules, report, tell);
        walk.roots(&base)?;
        walk.orphans(&base)?;
        walk.settle();
        walk.replay(&base, log)?;
        walk.find_older()?;
        Ok(walk.end())
    }

    fn locked(&self) -> Result<Arc<dyn VfsFile>, SalvageError> {
        let file = self.vfs.open(self.broken, OpenMode::Read)?;
        match file.lock_exclusive() {
            Ok(()) => Ok(file),
            Err(e) if e.kind == VfsErrorKind::Locked => {
                Err(SalvageError::InUse(self.broken.to_path_buf()))
            }
            // Where a file that is only read cannot be locked, nobody can have it open for writing through the lock.
            Err(e) if matches!(e.kind, VfsErrorKind::Unsupported | VfsErrorKind::Denied) => {
                Ok(file)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn log(&self) -> Result<Option<Arc<dyn VfsFile>>, SalvageError> {
        match self.vfs.open(&log_path(self.broken), OpenMode::Read) {
            Ok(log) => Ok(Some(log)),
            Err(e) if e.kind == VfsErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn refuse_version(&self, found: Option<u32>) -> Result<(), SalvageError> {
        match found {
            None => Ok(()),
            Some(found) => Err(SalvageError::Version {
                path: self.broken.to_path_buf(),
                found,
                expected: meta::FORMAT_VERSION,
            }),
        }
    }
}
