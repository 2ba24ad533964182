//! The write-ahead log: every transaction since the last checkpoint, in order, in one file of fixed-size segments.
//!
//! ```text
//! data.keep-wal
//! +-------------+-----------+-----------+-----------+
//! | file header | segment 0 | segment 1 | segment 2 | ...      a pool: any segment may hold any part of the log
//! +-------------+-----------+-----------+-----------+
//!                    |
//!                    +-- header (two copies) | frame | frame | .. gap .. | frame | unused
//! ```
//!
//! A *record* is one transaction, opaque here. A *frame* is what one batch of writes puts into the file: a header
//! and pieces of records. Records may span frames and segments. A *segment* names its predecessor's exact end, so
//! the log is a chain of segments, and what lies behind a cut is in no chain. `docs/FORMAT.md` has every byte,
//! the invariants L1 to L13 that the comments of this module cite, and the decision table of recovery.
//!
//! ```text
//! layout   headers of the file and of segments: bytes, constants
//! frame    frames: bytes, and the pieces of records inside
//! walk     follows the frames of one segment
//! scan     reads a whole file and gives a verdict; writes nothing
//! search   looks for frames behind the first bad one
//! extent   where the log up to a transaction lies, for who reads beside the writer
//! replay   streams the transactions that a scan accepted
//! pool     which segments are live, which are free
//! disk     packs batches into frames, writes and syncs them
//! group    group commit: who writes, who syncs, who waits; poison
//! ahead    makes the file longer before that is needed
//! open     creating a log and opening one after a scan
//! archive  copies segments to a folder before their slots are used again
//! history  reads such a folder, and the log that goes on behind it
//! ```
//!
//! Locks, in the order in which they may be taken: the engine's, `group::turn`, `group::pending`, `disk::cursor`,
//! `disk::pool`, `disk::naming`. No lock but `cursor` is held across a write, and none across a sync.

mod ahead;
mod archive;
mod disk;
mod extent;
mod frame;
mod group;
mod history;
pub mod inspect;
mod layout;
mod open;
mod pool;
mod replay;
mod scan;
mod search;
mod walk;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use ahead::Fill;
pub use archive::{ArchiveError, ArchiveName, Archived};
pub use extent::{Extent, extent};
pub use history::{History, HistoryError, HistoryStop, Stretch};
pub use layout::{ATOM_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use open::Log;
pub use replay::{ReplayError, replay};
pub(super) use scan::scan_planted;
pub use scan::{Position, Scan, ScanStats, Verdict, identity, scan};

use super::planted::Planted;
use crate::vfs::VfsError;

/// The number of a transaction: 1, 2, 3 ... since the database was created; 0 stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The number of the transaction after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A checkpoint: its number (1, 2, 3 ...; 0 stands for none) and the last transaction in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointRef {
    pub seq: u64,
    pub lsn: Lsn,
}

/// What a log is opened with.
#[derive(Clone, Copy, Debug)]
pub struct LogParams {
    /// Size of a segment, a multiple of 4096 between [`SEGMENT_BYTES_MIN`] and [`SEGMENT_BYTES_MAX`]. Used when the
    /// file is created; an existing file keeps its own.
    pub segment_bytes: u64,
    /// Identity of the database; a log of another one is refused. Salts derive from it, so it is not for publishing.
    pub uuid: [u8; 16],
    /// Number of this open of the database, at least 1: greater than that of every open before, whatever became of it.
    pub generation: u32,
    /// How many free segments are kept, however little was written lately; at least 1.
    pub idle_segments: u32,
    /// Segments are given back only when they are in the archive; those that are in the file already count.
    pub keeps: bool,
    pub planted: Planted,
    /// The slots that the file has are read by someone: they are not written to before [`Log::recycle`] finds it gone.
    pub keeps_slots: bool,
}

impl LogParams {
    /// 4 MiB segments, 16 kept free.
    pub fn new(uuid: [u8; 16], generation: u32) -> Self {
        Self {
            segment_bytes: 4 << 20,
            uuid,
            generation,
            idle_segments: 16,
            keeps: false,
            planted: Planted::none(),
            keeps_slots: false,
        }
    }
}

/// Damage in a log file that was accepted a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log damaged at offset {offset}, transaction {lsn}: expected {expected}, found {found}")]
pub struct LogDamage {
    /// Offset in the log file, in bytes.
    pub offset: u64,
    /// The transaction that was expected there.
    pub lsn: Lsn,
    pub expected: &'static str,
    pub found: &'static str,
}

/// Why the log could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// No disk space for what was to be reserved; nothing has changed, and a later attempt may succeed.
    #[error("no space for the log: {0}")]
    NoSpace(VfsError),
    /// An operation failed that leaves the log as it was.
    #[error(transparent)]
    Io(VfsError),
    /// A write or a sync failed in this life of the log; nothing more is written. The text is the first error's.
    #[error("the log failed and takes no more writes until a restart: {first}")]
    Poisoned { first: Arc<str> },
    /// What a scan accepted reads differently now.
    #[error(transparent)]
    Damage(LogDamage),
    /// The verdict of the scan does not allow this log to be opened.
    #[error("the log cannot be opened for writing: {0}")]
    NotUsable(&'static str),
}
