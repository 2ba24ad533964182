//! An RDB file into the trees, key by key.

use std::collections::BTreeMap;
use std::io::Read;

use super::import::{self, Limits};
use super::rdb::Value;
use super::rdb::decode::{Decoded, Skipped, Undecoded};
use super::rdb::file::{Key, Reader, Record};
use super::rdb::{Input, RdbError};
use crate::keyspace::Keyspace;
use crate::keyspace::bulk::Bulk;
use crate::keyspace::header::Header;
use crate::storage::{Error, OnMiss, Plan};

/// Keys between two calls of the function that is told of progress.
const TELL_EVERY: u64 = 4096;
/// Bytes of values, and keys, that are decoded together.
const BATCH_BYTES: usize = 256 << 10;
const BATCH_KEYS: usize = 4096;

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
    fn of(reader: &Reader<'_>) -> Self {
        Self {
            version: reader.version(),
            ..Self::default()
        }
    }

    /// Takes note of a record; a key is for the caller.
    fn sift<V>(&mut self, record: Record<V>) -> Option<Key<V>> {
        match record {
            Record::Aux { .. } | Record::Sizes { .. } => None,
            Record::Function(source) => {
                self.functions.push(source);
                None
            }
            Record::ModuleAux(name) => {
                *self.module_fields.entry(name).or_default() += 1;
                None
            }
            Record::Key(key) => Some(key),
        }
    }

    /// Hands a key to `put`, unless it is not kept.
    fn take(
        &mut self,
        at: u64,
        key: &Key,
        now_ms: u64,
        put: &mut Put<'_>,
    ) -> Result<(), LoadError> {
        match &key.value {
            Decoded::Skipped(skipped) => {
                let name = match skipped {
                    Skipped::Module(name) => format!("module type {name}"),
                    Skipped::Array => "array".to_owned(),
                };
                *self.skipped.entry(name).or_default() += 1;
            }
            Decoded::Value(_) if key.expires_ms.is_some_and(|ms| ms < now_ms) => self.expired += 1,
            Decoded::Value(_) => {
                put(at, key)?;
                self.keys += 1;
            }
        }
        Ok(())
    }

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

impl LoadError {
    /// Where in the file it is, in bytes from its start, if that is known.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Rdb(error) => error.offset(),
            Self::Database { at, .. } => Some(*at),
            Self::Storage(_) | Self::Line { .. } | Self::Refused(_) => None,
        }
    }
}

/// Takes a key that is kept, and its offset.
pub type Put<'p> = dyn FnMut(u64, &Key) -> Result<(), LoadError> + 'p;

/// Reads a file of `len` bytes to its end and hands every key that is kept to `put`. `on_progress` is called with
/// the bytes read.
pub fn read(
    source: &mut dyn Read,
    len: u64,
    now_ms: u64,
    put: &mut Put<'_>,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Summary, LoadError> {
    let mut reader = Reader::begin(Input::new(source, len), true)?;
    let mut summary = Summary::of(&reader);
    let mut seen = 0_u64;
    loop {
        let at = reader.at();
        let Some(record) = reader.next_record()? else {
            return Ok(summary);
        };
        if let Some(key) = summary.sift(record) {
            summary.take(at, &key, now_ms, put)?;
            seen += 1;
            if seen.is_multiple_of(TELL_EVERY) {
                on_progress(reader.at());
            }
        }
    }
}

/// Keys that are not decoded yet.
#[derive(Debug, Default)]
pub struct Batch {
    keys: Vec<(u64, Key<Undecoded>)>,
    /// The bytes of names and values.
    bytes: Vec<u8>,
    /// Those of values that are decoded nevertheless.
    decoded_bytes: usize,
}

impl Batch {
    /// Decodes the keys and hands each that is kept to `put`; the others are counted in `summary`. The batch is empty then.
    pub fn read(
        &mut self,
        now_ms: u64,
        summary: &mut Summary,
        put: &mut Put<'_>,
    ) -> Result<(), LoadError> {
        for (at, key) in self.keys.drain(..) {
            let (name, value) = key.value.decode(&self.bytes)?;
            let key = Key {
                db: key.db,
                name,
                value,
                expires_ms: key.expires_ms,
                idle_s: key.idle_s,
                frequency: key.frequency,
            };
            summary.take(at, &key, now_ms, put)?;
        }
        self.bytes.clear();
        self.decoded_bytes = 0;
        Ok(())
    }
}

/// Reads a file of `len` bytes to its end and hands its keys to `send`, many together, to be decoded elsewhere; it gives
/// an empty batch for the next ones, or None: no more are wanted. Before an error `send` has got every key in front of it.
/// What this returns has all but keys.
pub fn read_batches(
    source: &mut dyn Read,
    len: u64,
    send: &mut dyn FnMut(Batch) -> Option<Batch>,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Summary, LoadError> {
    let mut reader = Reader::begin(Input::new(source, len), true)?;
    let mut summary = Summary::of(&reader);
    let mut batch = Batch::default();
    loop {
        let at = reader.at();
        let record = match reader.next_undecoded(&mut batch.bytes) {
            Ok(Some(record)) => record,
            end => {
                send(batch);
                return end.map(|_| summary).map_err(LoadError::Rdb);
            }
        };
        if let Some(key) = summary.sift(record) {
            batch.decoded_bytes += key.value.decoded_bytes();
            batch.keys.push((at, key));
        }
        if batch.bytes.len() + batch.decoded_bytes >= BATCH_BYTES || batch.keys.len() >= BATCH_KEYS
        {
            on_progress(reader.at());
            match send(batch) {
                Some(empty) => batch = empty,
                None => return Ok(summary),
            }
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
    note_use(keyspace, db, key, now_ms);
    Ok(())
}

/// Takes over what the file says of a key's use.
pub fn note_use(keyspace: &mut Keyspace, db: u32, key: &Key, now_ms: u64) {
    let access = &mut keyspace.access;
    if let Some(idle_s) = key.idle_s {
        access.set_idle(db, &key.name, idle_s, now_ms);
    }
    if let Some(frequency) = key.frequency {
        access.set_frequency(db, &key.name, frequency, now_ms);
    }
}

/// Takes a key of a file into `bulk`. False: its value is too large, and has to be put into the database by itself and
/// [lifted](Bulk::lift).
pub fn put_in_bulk(
    bulk: &mut Bulk<'_>,
    db: u32,
    key: &Key,
    limits: &Limits,
) -> Result<bool, Error> {
    let Decoded::Value(value) = &key.value else {
        return Ok(true);
    };
    let expires_ms = key.expires_ms;
    if let Value::String(text) = value {
        let header = Header {
            expires_ms,
            ..Header::STRING
        };
        return bulk.put(db, &key.name, header, text);
    }
    let mut body = std::mem::take(&mut bulk.body);
    body.clear();
    let taken = match import::small(value, limits, bulk.packed_bytes_max(), &mut body) {
        Some(header) => bulk.put(
            db,
            &key.name,
            Header {
                expires_ms,
                ..header
            },
            &body,
        ),
        None => Ok(false),
    };
    bulk.body = body;
    taken
}

/// The database of a key, which is at `at` in its file.
pub fn database(keyspace: &Keyspace, at: u64, key: &Key) -> Result<u32, LoadError> {
    let db = u32::try_from(key.db).ok();
    let db = db.filter(|db| *db < keyspace.databases());
    db.ok_or(LoadError::Database { at, db: key.db })
}
