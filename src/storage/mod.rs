//! The storage engine: copy-on-write B+trees in pages, a logical write-ahead log, snapshots, checkpoints and
//! recovery. It knows bytes, trees and transactions and not one word of Redis.

pub mod backup;
pub mod blob;
pub mod bulk;
pub mod cell;
pub mod check;
pub mod checkpoint;
pub mod engine;
pub mod freemap;
pub mod live;
pub mod log;
pub mod meta;
pub mod node;
pub mod open;
pub mod page;
pub mod pager;
pub mod planted;
pub mod read;
pub mod record;
pub mod replace;
pub mod restore;
pub mod salvage;
pub mod snapshot;
pub mod tree;
mod varint;

#[cfg(test)]
mod format_snapshot;

/// How generated tests run: with so many cases, unless `PROPTEST_CASES` says how many, after those that have failed before,
/// which are in `tests/regressions`.
#[cfg(test)]
fn generated(cases: u32) -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let given = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel(
            "tests/regressions",
        ))),
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return given;
    }
    Config { cases, ..given }
}

use crate::vfs::VfsError;
pub use blob::BODY_BYTES_MAX;
pub use cell::{Body, Cell};
pub use engine::{Engine, Plan};
pub use log::Lsn;
pub use open::{OnCorruption, OpenError, OpenOptions, OpenReport, open};
pub use pager::{Corruption, OnMiss, prefetch, scattered_memory};
pub use read::{Read, RootId, TreeId};
pub use snapshot::{Reader, Snapshot};
pub use tree::{Seek, TOGETHER_MAX};

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

impl From<log::LogError> for Error {
    fn from(error: log::LogError) -> Self {
        match error {
            log::LogError::NoSpace(_) => Self::DiskFull,
            log::LogError::Io(error) => Self::Io(error),
            _ => Self::Poisoned,
        }
    }
}
