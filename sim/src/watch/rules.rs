//! The assertions that need no knowledge of the file formats: A9, A10, A12, A13, A14.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use redkeep::vfs::VfsErrorKind;

use super::{Event, Io, Note, Observer, Outcome, Violation};
use crate::disk::Files;
use crate::trace::IoKind;

/// The observers that hold for every engine: `not_relied_on` are files that may be lost (shared memory,
/// temporary files), `scanned` are files that are read beyond what was written (a log's free segments).
pub fn standard(not_relied_on: Vec<Files>, scanned: Vec<Files>) -> Vec<Box<dyn Observer>> {
    vec![
        Box::new(DirSyncs::new(not_relied_on.clone())),
        Box::new(SyncFailures::new(not_relied_on)),
        Box::new(NoOverlap::default()),
        Box::new(NoUnwrittenRead::new(scanned)),
    ]
}

/// The folder of a name: the working directory has none of its own.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn among(files: &[Files], path: &Path) -> bool {
    files.iter().any(|f| f.matches(path))
}

/// A9: a created or renamed file's directory is synced before the next acknowledgement and before the next unlink there.
#[derive(Debug)]
pub struct DirSyncs {
    not_relied_on: Vec<Files>,
    unsynced: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// What each directory sync in flight covers, by the I/O's number.
    covered: BTreeMap<u64, BTreeSet<PathBuf>>,
    io: u64,
}

impl DirSyncs {
    /// Names of `not_relied_on` may be lost.
    pub fn new(not_relied_on: Vec<Files>) -> Self {
        Self {
            not_relied_on,
            unsynced: BTreeMap::new(),
            covered: BTreeMap::new(),
            io: 0,
        }
    }

    fn name(&mut self, path: &Path) {
        if !among(&self.not_relied_on, path) {
            let dir = folder_of(path).to_path_buf();
            self.unsynced
                .entry(dir)
                .or_default()
                .insert(path.to_path_buf());
        }
    }

    fn violation(&self, before: &str, path: &Path) -> Violation {
        Violation {
            rule: "A9",
            io: self.io,
            detail: format!("{before} before the name {} was synced", path.display()),
        }
    }
}

impl Observer for DirSyncs {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Start(io) => {
                self.io = io.index;
                let dir = match io.kind {
                    IoKind::SyncDir => {
                        let names = self.unsynced.get(io.path).cloned().unwrap_or_default();
                        self.covered.insert(io.index, names);
                        return Ok(());
                    }
                    IoKind::Unlink if !among(&self.not_relied_on, io.path) => {
                        Some(folder_of(io.path))
                    }
                    _ => return Ok(()),
                };
                let names = dir.and_then(|d| self.unsynced.get(d));
                // A file that goes is not one that anything rests on: its own name does not count.
                match names.and_then(|n| n.iter().find(|p| *p != io.path)) {
                    Some(path) => Err(self.violation("unlink", path)),
                    None => Ok(()),
                }
            }
            Event::Done(io, outcome) => {
                self.done(io, outcome);
                Ok(())
            }
            Event::Note(Note::Ack { .. }) => match self.unsynced.values().flatten().next() {
                Some(path) => Err(self.violation("acknowledgement", path)),
                None => Ok(()),
            },
            Event::Note(_) => Ok(()),
            Event::Restart => {
                self.covered.clear();
                Ok(())
            }
        }
    }
}

impl DirSyncs {
    fn done(&mut self, io: &Io<'_>, outcome: &Outcome) {
        let ok = outcome.result.is_ok();
        match io.kind {
            IoKind::Create if ok => self.name(io.path),
            IoKind::Rename if ok => {
                self.forget(io.path);
                if let Some(to) = io.to {
                    self.name(to);
                }
            }
            IoKind::Unlink if ok => self.forget(io.path),
            // A power loss took it.
            IoKind::Open if outcome.result == Err(VfsErrorKind::NotFound) => self.forget(io.path),
            IoKind::SyncDir => {
                let covered = self.covered.remove(&io.index).unwrap_or_default();
                if ok && let Some(names) = self.unsynced.get_mut(io.path) {
                    names.retain(|n| !covered.contains(n));
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, path: &Path) {
        if let Some(names) = self.unsynced.get_mut(folder_of(path)) {
            names.remove(path);
        }
    }
}

/// A10: after a failed sync of a file nothing is acknowledged, counted as durable or written to meta in this life,
/// and no later sync of that file counts as success.
#[derive(Debug)]
pub struct SyncFailures {
    not_relied_on: Vec<Files>,
    failed: BTreeMap<u64, PathBuf>,
    failed_dir: Option<PathBuf>,
    io: u64,
}

impl Observer for SyncFailures {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Start(io) => {
                self.io = io.index;
                Ok(())
            }
            Event::Done(io, outcome) => self.done(io, outcome),
            Event::Note(Note::Ack { .. }) => self.refuse("acknowledgement"),
            Event::Note(Note::Durable { .. }) => self.refuse("a log position counted as durable"),
            Event::Note(Note::MetaWritten { .. }) => self.refuse("a meta write"),
            Event::Note(_) => Ok(()),
            Event::Restart => {
                self.failed.clear();
                self.failed_dir = None;
                Ok(())
            }
        }
    }
}

impl SyncFailures {
    /// Acknowledgements go on when `not_relied_on` cannot be synced.
    pub fn new(not_relied_on: Vec<Files>) -> Self {
        Self {
            not_relied_on,
            failed: BTreeMap::new(),
            failed_dir: None,
            io: 0,
        }
    }

    fn done(&mut self, io: &Io<'_>, outcome: &Outcome) -> Result<(), Violation> {
        match (io.kind, outcome.result) {
            // An interrupted sync did nothing, and a file system without directory syncs has none that fail.
            (_, Err(VfsErrorKind::Interrupted)) => Ok(()),
            (IoKind::SyncDir, Err(VfsErrorKind::Unsupported)) => Ok(()),
            (IoKind::SyncDir, Err(_)) => {
                // With the slash it is among what is in it.
                self.failed_dir = Some(io.path.join(""));
                Ok(())
            }
            (IoKind::Sync, Err(_)) => {
                let inode = io.inode.expect("a sync is on an open file");
                self.failed.insert(inode, io.path.to_path_buf());
                Ok(())
            }
            (IoKind::Sync, Ok(_)) if io.inode.is_some_and(|i| self.failed.contains_key(&i)) => {
                Err(self.violation("a second sync", io.path))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, what: &str) -> Result<(), Violation> {
        let mut failed = self.failed.values().chain(&self.failed_dir);
        match failed.find(|path| !among(&self.not_relied_on, path)) {
            Some(path) => Err(self.violation(what, path)),
            None => Ok(()),
        }
    }

    fn violation(&self, what: &str, path: &Path) -> Violation {
        Violation {
            rule: "A10",
            io: self.io,
            detail: format!("{what} after the failed sync of {}", path.display()),
        }
    }
}

/// A12: no two calls in flight touch the same bytes of a file if one of them writes.
#[derive(Debug, Default)]
pub struct NoOverlap {
    in_flight: BTreeMap<u64, (u64, u64, u64, bool)>,
}

/// The bytes that a call touches: inode, start, end, whether it writes.
fn touched(io: &Io<'_>) -> Option<(u64, u64, u64, bool)> {
    let inode = io.inode?;
    match io.kind {
        IoKind::Read | IoKind::ReadNow => Some((inode, io.offset, io.offset + io.len, false)),
        IoKind::Write => Some((inode, io.offset, io.offset + io.len, true)),
        // A cut or a growth touches everything behind the new end; an allocation alters no byte that is there.
        IoKind::SetLen => Some((inode, io.offset, u64::MAX, true)),
        _ => None,
    }
}

impl Observer for NoOverlap {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Start(io) => {
                let Some(mine) = touched(io) else {
                    return Ok(());
                };
                let clash = self.in_flight.iter().find(|(_, other)| {
                    mine.0 == other.0 && mine.1 < other.2 && other.1 < mine.2 && (mine.3 || other.3)
                });
                let found = clash.map(|(index, _)| *index);
                self.in_flight.insert(io.index, mine);
                match found {
                    Some(other) => Err(Violation {
                        rule: "A12",
                        io: io.index,
                        detail: format!(
                            "{:?} of {} @{}+{} overlaps I/O {other} in flight",
                            io.kind,
                            io.path.display(),
                            io.offset,
                            io.len
                        ),
                    }),
                    None => Ok(()),
                }
            }
            Event::Done(io, _) => {
                self.in_flight.remove(&io.index);
                Ok(())
            }
            Event::Note(_) => Ok(()),
            Event::Restart => {
                self.in_flight.clear();
                Ok(())
            }
        }
    }
}

/// A13: bytes that nobody ever wrote are not used: in files that are scanned only a use that the engine notes
/// counts, in others every read.
#[derive(Debug)]
pub struct NoUnwrittenRead {
    scanned: Vec<Files>,
    /// What reads of scanned files returned without its having been written, since the last write there.
    seen: BTreeMap<PathBuf, BTreeSet<(u64, u64)>>,
    io: u64,
}

impl NoUnwrittenRead {
    /// Reading what was never written is part of the protocol in `scanned`.
    pub fn new(scanned: Vec<Files>) -> Self {
        Self {
            scanned,
            seen: BTreeMap::new(),
            io: 0,
        }
    }

    fn violation(&self, what: &str, path: &Path, range: (u64, u64)) -> Violation {
        Violation {
            rule: "A13",
            io: self.io,
            detail: format!(
                "{what} of {} bytes {}..{}, which nobody wrote",
                path.display(),
                range.0,
                range.1
            ),
        }
    }
}

impl Observer for NoUnwrittenRead {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Done(io, outcome) => {
                self.io = io.index;
                if io.kind == IoKind::Write
                    && let Some(ranges) = self.seen.get_mut(io.path)
                {
                    ranges.retain(|(s, e)| *e <= io.offset || *s >= io.offset + io.len);
                }
                match outcome.unwritten {
                    Some(range) if among(&self.scanned, io.path) => {
                        let ranges = self.seen.entry(io.path.to_path_buf()).or_default();
                        ranges.insert(range);
                        Ok(())
                    }
                    Some(range) => Err(self.violation("read", io.path, range)),
                    None => Ok(()),
                }
            }
            Event::Note(Note::Used { path, offset, len }) => {
                let overlaps = |r: &&(u64, u64)| r.0 < offset + len && *offset < r.1;
                match self.seen.get(*path).and_then(|s| s.iter().find(overlaps)) {
                    Some(range) => Err(self.violation("use", path, *range)),
                    None => Ok(()),
                }
            }
            Event::Start(_) | Event::Note(_) => Ok(()),
            Event::Restart => {
                self.seen.clear();
                Ok(())
            }
        }
    }
}

/// A14: nothing is altered, but in files that are excepted.
#[derive(Debug)]
pub struct ReadOnly {
    except: Vec<Files>,
}

impl ReadOnly {
    /// `except` may be altered (shared memory).
    pub fn new(except: Vec<Files>) -> Self {
        Self { except }
    }
}

impl Observer for ReadOnly {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Start(io) if io.kind.alters() && !among(&self.except, io.path) => {
                Err(Violation {
                    rule: "A14",
                    io: io.index,
                    detail: format!("{:?} of {} while reading only", io.kind, io.path.display()),
                })
            }
            _ => Ok(()),
        }
    }
}
