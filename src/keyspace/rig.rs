//! A keyspace on a file of its own, for tests of the types.

use std::sync::Arc;

use super::{Keyspace, Txn};
use crate::storage::{Engine, Error, OnMiss, OpenOptions, Plan, open};
use crate::vfs::{OsClock, OsVfs};

/// The wall time of the tests, in milliseconds.
pub const NOW_MS: u64 = 1_000_000;

fn engine(dir: &std::path::Path, page_bytes: usize) -> Engine {
    let options = OpenOptions {
        page_bytes,
        cache_bytes: 1 << 20,
        segment_bytes: 64 << 10,
        ..OpenOptions::new([7; 16])
    };
    let clock = Arc::new(OsClock::default());
    let path = dir.join("data.keep");
    let opened = open(&OsVfs, clock, &path, &options, &mut |_, _| {});
    opened.expect("a database").0
}

/// The keyspace.
pub struct Rig {
    pub keyspace: Keyspace,
    dir: tempfile::TempDir,
    page_bytes: usize,
}

impl Rig {
    pub fn new(page_bytes: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let engine = engine(dir.path(), page_bytes);
        Self {
            keyspace: Keyspace::new(engine, 16, 1, NOW_MS).expect("a keyspace"),
            dir,
            page_bytes,
        }
    }

    /// As a kill does it: what the log has written is there, memory is gone.
    pub fn restart(self) -> Self {
        let Self {
            keyspace,
            dir,
            page_bytes,
        } = self;
        if let Some(log) = keyspace.engine.log() {
            log.write_to(keyspace.engine.last_lsn()).expect("a log");
        }
        drop(keyspace);
        let engine = engine(dir.path(), page_bytes);
        Self {
            keyspace: Keyspace::new(engine, 16, 1, NOW_MS).expect("a keyspace"),
            dir,
            page_bytes,
        }
    }

    /// Begins a command that reads.
    pub fn begin(&mut self) {
        self.keyspace.engine.begin_command(OnMiss::Read);
    }

    /// Runs a command that writes.
    pub fn write<R>(
        &mut self,
        plan: Plan,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.begin();
        self.keyspace.write(plan, work)
    }
}
