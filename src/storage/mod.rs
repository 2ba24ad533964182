//! The storage engine: copy-on-write B+trees in pages, a logical write-ahead log, snapshots, checkpoints and
//! recovery. It knows bytes, trees and transactions and not one word of Redis.

pub mod blob;
pub mod cell;
pub mod node;
pub mod page;
pub mod pager;
pub mod planted;
pub mod tree;

use crate::vfs::VfsError;
pub use pager::Corruption;

/// Why storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a page is not in the cache")]
    Miss,
    #[error("the disk is full: writes are refused, reads go on; free some space or delete keys")]
    DiskFull,
    #[error("an earlier write or sync failed: writes are refused until a restart, reads go on")]
    Poisoned,
    #[error(transparent)]
    Corrupt(Box<Corruption>),
    #[error(transparent)]
    Io(#[from] VfsError),
}

impl From<Corruption> for Error {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(Box::new(corruption))
    }
}

/// The exclusive handle on an open file.
#[derive(Debug)]
pub struct Engine {}
