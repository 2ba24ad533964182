//! A keyspace on a file of its own, for tests of the types.

use std::path::Path;
use std::sync::Arc;

use super::{Keyspace, Txn};
use crate::storage::{Engine, Error, OnMiss, OpenOptions, Plan, open};
use crate::vfs::{MemVfs, OsClock};

/// The wall time of the tests, in milliseconds.
pub const NOW_MS: u64 = 1_000_000;

const CACHE_BYTES: u64 = 1 << 20;

fn file() -> &'static Path {
    Path::new("data.keep")
}

fn engine(vfs: &MemVfs, page_bytes: usize, cache_bytes: u64) -> Engine {
    let options = OpenOptions {
        page_bytes,
        cache_bytes,
        segment_bytes: 64 << 10,
        ..OpenOptions::new([7; 16])
    };
    let clock = Arc::new(OsClock::default());
    let opened = open(vfs, clock, file(), &options, &mut |_, _| {});
    opened.expect("a database").0
}

/// The keyspace.
pub struct Rig {
    pub keyspace: Keyspace,
    vfs: MemVfs,
    page_bytes: usize,
    cache_bytes: u64,
}

impl Rig {
    pub fn new(page_bytes: usize) -> Self {
        Self::with_cache(page_bytes, CACHE_BYTES)
    }

    /// One whose pool holds so many bytes.
    pub fn with_cache(page_bytes: usize, cache_bytes: u64) -> Self {
        Self::over(MemVfs::default(), page_bytes, cache_bytes)
    }

    fn over(vfs: MemVfs, page_bytes: usize, cache_bytes: u64) -> Self {
        let engine = engine(&vfs, page_bytes, cache_bytes);
        Self {
            keyspace: Keyspace::new(engine, 16, 1, NOW_MS).expect("a keyspace"),
            vfs,
            page_bytes,
            cache_bytes,
        }
    }

    /// As a kill does it: what the log has written is there, memory is gone.
    pub fn restart(self) -> Self {
        if let Some(log) = self.keyspace.engine.log() {
            log.write_to(self.keyspace.engine.last_lsn())
                .expect("a log");
        }
        drop(self.keyspace);
        Self::over(self.vfs, self.page_bytes, self.cache_bytes)
    }

    /// What fails every write of a page from when it is called with true until it is called with false.
    pub fn fail_page_writes(&self) -> impl Fn(bool) + use<> {
        let vfs = self.vfs.clone();
        move |fail| vfs.fail_writes(file(), fail)
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
