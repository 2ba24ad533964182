//! Where keys are read from: RDB files and lines of JSON, told apart by how they begin, or a database.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::progress::Progress;
use crate::db::Db;
use crate::interchange::jsonl;
use crate::interchange::load::{self, LoadError, Summary};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file::Key;

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;

enum Origin {
    File(PathBuf),
    Database(Db),
}

/// What keys are read from.
pub(super) struct KeySource {
    origin: Origin,
    /// Keys that are due now are not read.
    pub now_ms: u64,
    /// Only keys of this database are read.
    pub db: Option<u64>,
}

/// What became of the keys.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub summary: Summary,
    /// How many keys there are of each type.
    pub types: BTreeMap<&'static str, u64>,
    /// Of the highest database that has keys.
    pub db_max: u64,
}

impl KeySource {
    pub(super) fn file(path: &Path, db: Option<u64>) -> Self {
        Self {
            origin: Origin::File(path.to_path_buf()),
            now_ms: wall_ms(),
            db,
        }
    }

    pub(super) fn database(from: &Db, db: Option<u64>) -> Self {
        Self {
            origin: Origin::Database(from.clone()),
            now_ms: wall_ms(),
            db,
        }
    }

    /// Hands every key to `put`, with its place in the file, and shows `title` and how far it is.
    pub(super) fn read(&self, title: &str, put: &mut Put<'_>) -> Result<Census, LoadError> {
        let mut census = Census::default();
        let mut outside = 0;
        let mut sift = |at: u64, key: &Key| {
            if self.db.is_some_and(|db| db != key.db) {
                outside += 1;
                return Ok(());
            }
            if let Decoded::Value(value) = &key.value {
                *census.types.entry(jsonl::kind(value)).or_default() += 1;
            }
            census.db_max = census.db_max.max(key.db);
            put(at, key)
        };
        let read = match &self.origin {
            Origin::File(path) => read_file(path, title, self.now_ms, &mut sift),
            Origin::Database(db) => read_database(db, title, &mut sift),
        };
        census.summary = read?;
        census.summary.keys -= outside;
        Ok(census)
    }
}

type Put<'a> = dyn FnMut(u64, &Key) -> Result<(), LoadError> + 'a;

fn read_file(
    path: &Path,
    title: &str,
    now_ms: u64,
    put: &mut Put<'_>,
) -> Result<Summary, LoadError> {
    let failed = |error: io::Error| LoadError::Refused(error.to_string());
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut source = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut progress = Progress::new(title, len);
    let mut tell = |at| progress.show(at);
    let first = source.fill_buf().map_err(failed)?.first().copied();
    let read = if first.is_none_or(|byte| byte == b'{') {
        jsonl::read(&mut source, now_ms, put, &mut tell)
    } else {
        load::read(&mut source, len, now_ms, put, &mut tell)
    };
    progress.clear();
    read
}

fn read_database(db: &Db, title: &str, put: &mut Put<'_>) -> Result<Summary, LoadError> {
    let snapshot = db.snapshot();
    let (total, libraries) = {
        let mut keyspace = db.keyspace();
        (keyspace.len_of_all(), keyspace.libraries()?)
    };
    let mut summary = Summary {
        functions: libraries.into_iter().map(|(_, code)| code).collect(),
        ..Summary::default()
    };
    let mut progress = Progress::new(title, total);
    let mut outcome = Ok(());
    let visited = snapshot.each_key(&mut |key| {
        summary.keys += 1;
        progress.show(summary.keys);
        outcome = put(summary.keys, key);
        outcome.is_ok()
    });
    progress.clear();
    outcome?;
    visited.map_err(|error| LoadError::Refused(error.to_string()))?;
    summary.expired = total.saturating_sub(summary.keys);
    Ok(summary)
}

/// Now, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
