//! Verifying the files of a database that nobody has open: reads everything, writes nothing.
//!
//! ```text
//! invariant  the numbered invariants
//! report     findings, severities, figures
//! metas      the four meta copies and the length of the file
//! pages      reading pages, and which of them were reached
//! walk       from the roots to every page, by a stack
//! trees      tree pages: layout, order, counts, cells
//! blobs      pages of large values and long keys
//! catalog    roots and dropped trees
//! free       the stored free map, and pages that are lost
//! logs       the log beside the file
//! ```
//!
//! Everything read is untrusted. Memory is bounded by the pages that are really there: a bit for each one reached,
//! a stack entry for each one pointed to, a range for each run of free pages. A page is entered once, so that no
//! arrangement of pointers goes on for ever.

mod blobs;
mod catalog;
mod free;
mod invariant;
mod logs;
mod metas;
pub(super) mod pages;
mod report;
mod trees;
mod walk;

#[cfg(test)]
pub(super) mod tests;

use std::path::{Path, PathBuf};

pub use self::invariant::Invariant;
pub use self::report::{CheckStats, Finding, Report, Severity};
use super::log::LogError;
use super::meta::Meta;
use super::open::log_path;
use crate::vfs::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile};

/// Bytes of a key that a finding shows.
const KEY_BYTES_SHOWN: usize = 64;

/// How a check is done.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// Findings that are kept; the others are counted.
    pub findings_max: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { findings_max: 1000 }
    }
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckProgress {
    /// Pages read so far.
    pub pages: u64,
    /// Pages of the file, free ones included.
    pub pages_total: u64,
}

/// Why a file could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("{} is in use by another process: stop the server, or check a backup", .0.display())]
    InUse(PathBuf),
    #[error("{} is not a database: {why}", path.display())]
    NotADatabase { path: PathBuf, why: &'static str },
    #[error("{} has format version {found}, and this program reads version {expected}", path.display())]
    Version {
        path: PathBuf,
        found: u32,
        expected: u32,
    },
    #[error(transparent)]
    Vfs(#[from] VfsError),
    #[error(transparent)]
    Log(LogError),
}

/// What the parts of a check share.
struct Checker<'a> {
    file: &'a dyn VfsFile,
    path: &'a Path,
    options: CheckOptions,
    report: Report,
    on_progress: &'a mut dyn FnMut(CheckProgress),
}

/// Where a finding is in the data file.
#[derive(Clone, Copy, Debug, Default)]
struct Spot<'k> {
    offset: Option<u64>,
    page: Option<u64>,
    key: Option<&'k [u8]>,
}

impl Checker<'_> {
    fn found(&mut self, invariant: Invariant, severity: Severity, spot: Spot<'_>, text: String) {
        let finding = Finding {
            invariant,
            severity,
            file: self.path.to_path_buf(),
            offset: spot.offset,
            page: spot.page,
            key: spot.key.map(lossy),
            text,
        };
        self.report.add(self.options.findings_max, finding);
    }

    fn found_in_log(
        &mut self,
        invariant: Invariant,
        severity: Severity,
        offset: Option<u64>,
        text: String,
    ) {
        let finding = Finding {
            invariant,
            severity,
            file: log_path(self.path),
            offset,
            page: None,
            key: None,
            text,
        };
        self.report.add(self.options.findings_max, finding);
    }
}

/// The start of a key, for people.
fn lossy(key: &[u8]) -> String {
    let shown = &key[..key.len().min(KEY_BYTES_SHOWN)];
    let mut text = String::from_utf8_lossy(shown).into_owned();
    if shown.len() < key.len() {
        text.push_str("...");
    }
    text
}

/// Checks the database at `path`: its data file and its log. Both are opened for reading only. `on_progress` is
/// called now and then.
pub fn check(
    vfs: &dyn Vfs,
    path: &Path,
    options: &CheckOptions,
    on_progress: &mut dyn FnMut(CheckProgress),
) -> Result<Report, CheckError> {
    let file = vfs.open(path, OpenMode::Read)?;
    match file.lock_exclusive() {
        Ok(()) => {}
        Err(e) if e.kind == VfsErrorKind::Locked => {
            return Err(CheckError::InUse(path.to_path_buf()));
        }
        // Where a file that is only read cannot be locked, nobody can have it open for writing through the lock.
        Err(e) if matches!(e.kind, VfsErrorKind::Unsupported | VfsErrorKind::Denied) => {}
        Err(e) => return Err(e.into()),
    }
    let log = match vfs.open(&log_path(path), OpenMode::Read) {
        Ok(log) => Some(log),
        Err(e) if e.kind == VfsErrorKind::NotFound => None,
        Err(e) => return Err(e.into()),
    };
    let mut checker = Checker {
        file: &*file,
        path,
        options: *options,
        report: Report::default(),
        on_progress,
    };
    let Some(meta) = checker.metas(log.is_some())? else {
        return Ok(checker.report);
    };
    checker.note_meta(&meta);
    checker.pages(&meta)?;
    checker.log(&meta, log.as_deref())?;
    Ok(checker.report)
}

impl Checker<'_> {
    fn note_meta(&mut self, meta: &Meta) {
        let stats = &mut self.report.stats;
        stats.page_bytes = u64::from(meta.page_bytes);
        stats.pages = meta.pages;
        stats.checkpoint_lsn = meta.checkpoint.lsn.0;
        stats.last_lsn = meta.checkpoint.lsn.0;
    }
}
