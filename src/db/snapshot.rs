//! The data as it was, read while it changes.

use std::io::{self, Write};

use super::DbError;
use crate::interchange::export::{self, Facts};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file::Key;
use crate::keyspace::header::Kind;
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

    /// Visits the names and kinds of the keys of a database that begin with `prefix` and are not due, in the order of their
    /// bytes, until `visit` says false.
    pub fn each_name(
        &self,
        db: u32,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], Kind) -> bool,
    ) -> Result<(), DbError> {
        Ok(export::each_name(
            &self.taken,
            db,
            prefix,
            self.now_ms,
            visit,
        )?)
    }

    /// The value at a key of a database; None if it is not there or due.
    pub fn get(&self, db: u32, key: &[u8]) -> Result<Option<Decoded>, DbError> {
        Ok(self.key(db, key)?.map(|found| found.value))
    }

    /// The same with what is known of the key.
    pub fn key(&self, db: u32, name: &[u8]) -> Result<Option<Key>, DbError> {
        Ok(export::key(&self.taken, db, name, self.now_ms)?)
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
