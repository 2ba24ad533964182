//! The data as it was, read while it changes.

use std::io::{self, Write};

use super::DbError;
use crate::interchange::export::{self, Facts};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file::Key;
use crate::storage;

/// All databases as they were when it was taken. Pages that it reaches stay in the file until it is dropped.
#[derive(Clone, Debug)]
pub struct Snapshot {
    taken: storage::Snapshot,
    databases: u32,
    now_ms: u64,
}

impl Snapshot {
    pub(super) fn new(taken: storage::Snapshot, databases: u32, now_ms: u64) -> Self {
        Self {
            taken,
            databases,
            now_ms,
        }
    }

    /// Visits every key that is not due with its value, by database and in the order of their bytes, until `visit` says
    /// false. A value is in memory as a whole.
    pub fn each_key(&self, visit: &mut dyn FnMut(&Key) -> bool) -> Result<(), DbError> {
        Ok(export::each_key(
            &self.taken,
            self.databases,
            self.now_ms,
            visit,
        )?)
    }

    /// The value at a key of a database; None if it is not there or due.
    pub fn get(&self, db: u32, key: &[u8]) -> Result<Option<Decoded>, DbError> {
        let found = export::key(&self.taken, db, key, self.now_ms)?;
        Ok(found.map(|found| found.value))
    }

    /// Writes all keys as an RDB file of this version (10 to 12). Long values pass through piece by piece.
    pub fn write_rdb(
        &self,
        version: u16,
        out: &mut dyn Write,
        on_progress: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        let facts = Facts {
            version,
            compresses: true,
            checksums: true,
            databases: self.databases,
            is_aof_base: false,
            now_ms: self.now_ms,
        };
        export::write_file(&self.taken, &facts, out, on_progress)
    }
}
