//! The storage engine: copy-on-write B+trees in pages, a logical write-ahead log, snapshots, checkpoints and
//! recovery. It knows bytes, trees and transactions and not one word of Redis.

pub mod log;

use crate::vfs::VfsError;

/// Why storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a page is not in the cache")]
    Miss,
    #[error("the disk is full")]
    DiskFull,
    #[error("an earlier write to the log failed; writes are refused until a restart")]
    Poisoned,
    #[error(transparent)]
    Io(#[from] VfsError),
}

/// The exclusive handle on an open file.
#[derive(Debug)]
pub struct Engine {}
