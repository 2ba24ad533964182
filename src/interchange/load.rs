//! An RDB file into the trees, key by key.

use std::collections::BTreeMap;
use std::io::Read;

use super::import::{self, Limits};
use super::rdb::Value;
use super::rdb::decode::{Decoded, Skipped};
use super::rdb::file::{Key, Reader, Record};
use super::rdb::{Input, RdbError};
use crate::keyspace::Keyspace;
use crate::keyspace::bulk::Bulk;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::storage::{Error, OnMiss, Plan};

/// Keys between two calls of the function that is told of progress.
const TELL_EVERY: u64 = 4096;

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Of the format.
    pub version: u16,
    pub keys: u64,
    /// Keys that were due.
    pub expired: u64,
    /// Keys that were left out because this server has no such values: how many of each type.
    pub skipped: BTreeMap<String, u64>,
    /// Fields that modules added to the file, left out: how many of each type.
    pub module_fields: BTreeMap<String, u64>,
    /// Libraries of functions, in the order in which they stand.
    pub functions: Vec<Vec<u8>>,
}

impl Summary {
    /// Adds what became of another file.
    pub fn add(&mut self, other: Self) {
        self.version = self.version.max(other.version);
        self.keys += other.keys;
        self.expired += other.expired;
        for (what, count) in other.skipped {
            *self.skipped.entry(what).or_default() += count;
        }
        for (what, count) in other.module_fields {
            *self.module_fields.entry(what).or_default() += count;
        }
        self.functions.extend(other.functions);
    }
}

/// Why a file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Rdb(#[from] RdbError),
    #[error("at offset {at}: database {db} is not there; set 'databases' higher")]
    Database { at: u64, db: u64 },
    #[error(transparent)]
    Storage(#[from] Error),
    #[error("line {number}: {what}")]
    Line { number: u64, what: String },
    /// Whoever takes the keys does not take this one.
    #[error("{0}")]
    Refused(String),
}

/// Reads a file of `len` bytes to its end and hands every key that is kept to `put`. `on_progress` is called with
/// the bytes read.
pub fn read(
    source: &mut dyn Read,
    len: u64,
    now_ms: u64,
    put: &mut dyn FnMut(u64, &Key) -> Result<(), LoadError>,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Summary, LoadError> {
    let mut reader = Reader::begin(Input::new(source, len), true)?;
    let mut summary = Summary {
        version: reader.version(),
        ..Summary::default()
    };
    loop {
        let at = reader.at();
        match reader.next_record()? {
            None => return Ok(summary),
            Some(Record::Aux { .. } | Record::Sizes { .. }) => {}
            Some(Record::Function(source)) => summary.functions.push(source),
            Some(Record::ModuleAux(name)) => *summary.module_fields.entry(name).or_default() += 1,
            Some(Record::Key(key)) => match &key.value {
                Decoded::Skipped(skipped) => {
                    let name = match skipped {
                        Skipped::Module(name) => format!("module type {name}"),
                        Skipped::Array => "array".to_owned(),
                    };
                    *summary.skipped.entry(name).or_default() += 1;
                }
                Decoded::Value(_) if key.expires_ms.is_some_and(|ms| ms < now_ms) => {
                    summary.expired += 1;
                }
                Decoded::Value(_) => {
                    put(at, &key)?;
                    summary.keys += 1;
                    if summary.keys.is_multiple_of(TELL_EVERY) {
                        on_progress(reader.at());
                    }
                }
            },
        }
    }
}

/// Puts a key of a file into its database. `at` is its offset. With [`Plan::Simple`] a failure ends the whole database, as
/// it may where that is being filled anew; pages are then not copied to be put back.
pub fn put(
    keyspace: &mut Keyspace,
    at: u64,
    key: &Key,
    now_ms: u64,
    limits: &Limits,
    plan: Plan,
) -> Result<(), LoadError> {
    let db = database(keyspace, at, key)?;
    let Decoded::Value(value) = &key.value else {
        return Ok(());
    };
    keyspace.engine.begin_command(OnMiss::Read);
    keyspace.write(plan, |txn| {
        import::put(txn, db, &key.name, value, key.expires_ms, now_ms, limits)
    })?;
    let access = &mut keyspace.access;
    if let Some(idle_s) = key.idle_s {
        access.set_idle(db, &key.name, idle_s, now_ms);
    }
    if let Some(frequency) = key.frequency {
        access.set_frequency(db, &key.name, frequency, now_ms);
    }
    Ok(())
}

/// Puts a key of a file into a database that is being filled with all keys together. A failure ends the whole database.
pub fn put_in_bulk(
    bulk: &mut Bulk<'_>,
    keyspace: &mut Keyspace,
    at: u64,
    key: &Key,
    now_ms: u64,
    limits: &Limits,
) -> Result<(), LoadError> {
    let db = database(keyspace, at, key)?;
    let Decoded::Value(value) = &key.value else {
        return Ok(());
    };
    let expires_ms = key.expires_ms;
    let taken = if let Value::String(text) = value {
        let header = Header {
            expires_ms,
            ..Header::new(Kind::String, Encoding::Natural)
        };
        bulk.put(keyspace, db, &key.name, header, text)?
    } else {
        let mut body = std::mem::take(&mut bulk.body);
        body.clear();
        let header = import::small(value, limits, keyspace.packed_bytes_max(), &mut body);
        let header = header.map(|header| Header {
            expires_ms,
            ..header
        });
        let taken = header.map(|header| bulk.put(keyspace, db, &key.name, header, &body));
        bulk.body = body;
        taken.unwrap_or(Ok(false))?
    };
    if !taken {
        put(keyspace, at, key, now_ms, limits, Plan::Simple)?;
        bulk.lift(keyspace, db)?;
    }
    Ok(())
}

/// The database of a key.
fn database(keyspace: &Keyspace, at: u64, key: &Key) -> Result<u32, LoadError> {
    let db = u32::try_from(key.db).ok();
    let db = db.filter(|db| *db < keyspace.databases());
    db.ok_or(LoadError::Database { at, db: key.db })
}
