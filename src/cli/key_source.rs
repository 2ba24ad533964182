//! Where keys are read from: RDB files and lines of JSON, told apart by how they begin, or a database.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::progress::Progress;
use crate::db::Db;
use crate::interchange::jsonl;
use crate::interchange::load::{self, Batch, LoadError, Summary};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file::Key;
use crate::vfs::refuse_special;

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;

enum Origin {
    File(PathBuf),
    Database(Db),
}

/// Hears how many bytes, or keys, are read, and how many there are.
type Watch = Box<dyn Fn(u64, u64) + Send + Sync>;

/// What keys are read from.
pub(super) struct KeySource {
    origin: Origin,
    /// Who is told how far it is, instead of whoever reads standard error.
    watch: Option<Watch>,
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
            watch: None,
            now_ms: wall_ms(),
            db,
        }
    }

    pub(super) fn database(from: &Db, db: Option<u64>) -> Self {
        Self {
            origin: Origin::Database(from.clone()),
            watch: None,
            now_ms: wall_ms(),
            db,
        }
    }

    /// The same; `watch` hears how many bytes are read, and of how many, instead of whoever reads standard error.
    pub(super) fn watched(
        self,
        watch: impl Fn(u64, u64) + Send + std::marker::Sync + 'static,
    ) -> Self {
        Self {
            watch: Some(Box::new(watch)),
            ..self
        }
    }

    /// Hands every key to `put`, with its place in the file, and shows `title` and how far it is.
    pub(super) fn read(&self, title: &str, put: &mut load::Put<'_>) -> Result<Census, LoadError> {
        let mut sieve = Sieve::new(self.db);
        let mut sift = |at: u64, key: &Key| sieve.sift(at, key, put);
        let summary = match &self.origin {
            Origin::File(path) => read_file(path, title, self.now_ms, &mut sift),
            Origin::Database(db) => read_database(db, title, &mut sift),
        }?;
        Ok(sieve.census(summary))
    }

    /// The same, with a thread for each of `puts` that decodes keys and hands them to it; which key comes to which is not
    /// said. What is no RDB file is handed to the first.
    pub(super) fn read_apart<P>(&self, title: &str, puts: &mut [P]) -> Result<Census, LoadError>
    where
        P: FnMut(u64, &Key) -> Result<(), LoadError> + Send,
    {
        if let Origin::File(path) = &self.origin {
            let (mut source, len) = open(path)?;
            if !begins_like_jsonl(&mut source)? {
                return self.read_batches((&mut source, len), title, puts);
            }
        }
        self.read(title, &mut puts[0])
    }

    fn read_batches<P>(
        &self,
        (source, len): (&mut dyn Read, u64),
        title: &str,
        puts: &mut [P],
    ) -> Result<Census, LoadError>
    where
        P: FnMut(u64, &Key) -> Result<(), LoadError> + Send,
    {
        let mut progress = self.progress(title, len);
        let (sender, batches) = mpsc::sync_channel::<Batch>(2 * puts.len());
        let batches = Mutex::new(batches);
        // Memory of batches that are decoded: it stays with the thread that fills it.
        let spares = Mutex::new(Vec::new());
        let has_failed = AtomicBool::new(false);
        let (read, decoded) = thread::scope(|scope| {
            let decoders: Vec<_> = puts
                .iter_mut()
                .map(|put| {
                    scope.spawn(|| {
                        let decoded = self.decode(&batches, &spares, put);
                        if decoded.is_err() {
                            has_failed.store(true, Ordering::Relaxed);
                            // Whoever reads the file does not wait for a place.
                            while batches.lock().recv().is_ok() {}
                        }
                        decoded
                    })
                })
                .collect();
            let mut send = |batch| {
                // A decoder that is gone has panicked, which is told below.
                sender.send(batch).ok()?;
                let goes_on = !has_failed.load(Ordering::Relaxed);
                goes_on.then(|| spares.lock().pop().unwrap_or_default())
            };
            let mut tell = |at| progress.show(at);
            let read = load::read_batches(source, len, &mut send, &mut tell);
            drop(sender);
            let decoded: Vec<_> = decoders
                .into_iter()
                .map(|decoder| decoder.join().expect("a decoder does not panic"))
                .collect();
            (read, decoded)
        });
        progress.clear();
        let (censuses, errors): (Vec<_>, Vec<_>) = decoded.into_iter().partition(Result::is_ok);
        // The first of the file is told; what stops the reading is behind all that was decoded.
        let errors = errors.into_iter().filter_map(Result::err);
        if let Some(error) = errors.min_by_key(|error| error.offset().unwrap_or(u64::MAX)) {
            return Err(error);
        }
        let mut census = Census {
            summary: read?,
            ..Census::default()
        };
        censuses
            .into_iter()
            .flatten()
            .for_each(|other| census.add(other));
        Ok(census)
    }

    fn progress<'a>(&'a self, title: &'a str, total: u64) -> Progress<'a> {
        let progress = Progress::new(title, total);
        match &self.watch {
            Some(watch) => progress.told_to(watch),
            None => progress,
        }
    }

    /// Decodes batches as long as there are any.
    fn decode(
        &self,
        batches: &Mutex<mpsc::Receiver<Batch>>,
        spares: &Mutex<Vec<Batch>>,
        put: &mut load::Put<'_>,
    ) -> Result<Census, LoadError> {
        let mut sieve = Sieve::new(self.db);
        let mut summary = Summary::default();
        loop {
            let Ok(mut batch) = ({ batches.lock().recv() }) else {
                return Ok(sieve.census(summary));
            };
            let mut sift = |at: u64, key: &Key| sieve.sift(at, key, put);
            batch.read(self.now_ms, &mut summary, &mut sift)?;
            spares.lock().push(batch);
        }
    }
}

impl Census {
    fn add(&mut self, other: Self) {
        self.summary.add(other.summary);
        for (kind, count) in other.types {
            *self.types.entry(kind).or_default() += count;
        }
        self.db_max = self.db_max.max(other.db_max);
    }
}

/// Lets keys of the database that is wanted through, and counts them.
struct Sieve {
    db: Option<u64>,
    census: Census,
    outside: u64,
}

impl Sieve {
    fn new(db: Option<u64>) -> Self {
        Self {
            db,
            census: Census::default(),
            outside: 0,
        }
    }

    fn sift(&mut self, at: u64, key: &Key, put: &mut load::Put<'_>) -> Result<(), LoadError> {
        if self.db.is_some_and(|db| db != key.db) {
            self.outside += 1;
            return Ok(());
        }
        if let Decoded::Value(value) = &key.value {
            *self.census.types.entry(jsonl::kind(value)).or_default() += 1;
        }
        self.census.db_max = self.census.db_max.max(key.db);
        put(at, key)
    }

    fn census(self, summary: Summary) -> Census {
        let mut census = self.census;
        census.summary = summary;
        census.summary.keys -= self.outside;
        census
    }
}

fn failed(error: io::Error) -> LoadError {
    LoadError::Refused(error.to_string())
}

/// The file and its length in bytes.
fn open(path: &Path) -> Result<(BufReader<File>, u64), LoadError> {
    // It is read from its beginning more than once.
    refuse_special(path).map_err(failed)?;
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    Ok((BufReader::with_capacity(BUFFER_BYTES, file), len))
}

/// Whether it has lines of JSON, or nothing.
fn begins_like_jsonl(source: &mut impl BufRead) -> Result<bool, LoadError> {
    let first = source.fill_buf().map_err(failed)?.first().copied();
    Ok(first.is_none_or(|byte| byte == b'{'))
}

fn read_file(
    path: &Path,
    title: &str,
    now_ms: u64,
    put: &mut load::Put<'_>,
) -> Result<Summary, LoadError> {
    let (mut source, len) = open(path)?;
    let mut progress = Progress::new(title, len);
    let mut tell = |at| progress.show(at);
    let read = if begins_like_jsonl(&mut source)? {
        jsonl::read(&mut source, now_ms, put, &mut tell)
    } else {
        load::read(&mut source, len, now_ms, put, &mut tell)
    };
    progress.clear();
    read
}

fn read_database(db: &Db, title: &str, put: &mut load::Put<'_>) -> Result<Summary, LoadError> {
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
