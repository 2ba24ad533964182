//! Files of keys, RDB or lines of JSON, told apart by how they begin.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::progress::Progress;
use crate::interchange::jsonl;
use crate::interchange::load::{self, LoadError, Summary};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file::Key;

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that keys are read from.
pub(super) struct KeySource {
    path: PathBuf,
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
    pub(super) fn new(path: &Path, db: Option<u64>) -> Self {
        Self {
            path: path.to_path_buf(),
            now_ms: wall_ms(),
            db,
        }
    }

    /// Hands every key to `put`, with its place in the file, and shows `title` and how far it is.
    pub(super) fn read(
        &self,
        title: &str,
        put: &mut dyn FnMut(u64, &Key) -> Result<(), LoadError>,
    ) -> Result<Census, LoadError> {
        let failed = |error: io::Error| LoadError::Refused(error.to_string());
        let file = File::open(&self.path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut source = BufReader::with_capacity(BUFFER_BYTES, file);
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
        let mut progress = Progress::new(title, len);
        let mut tell = |at| progress.show(at);
        let first = source.fill_buf().map_err(failed)?.first().copied();
        let read = if first.is_none_or(|byte| byte == b'{') {
            jsonl::read(&mut source, self.now_ms, &mut sift, &mut tell)
        } else {
            load::read(&mut source, len, self.now_ms, &mut sift, &mut tell)
        };
        progress.clear();
        census.summary = read?;
        census.summary.keys -= outside;
        Ok(census)
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
