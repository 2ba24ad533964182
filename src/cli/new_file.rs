//! A database file that is made of the keys of another file, for `redkeep import` and `server --load-rdb`: the keys are
//! decoded by several threads, sorted, and put into the trees in order.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::key_source::{Census, KeySource};
use super::seed::{compile, put_libraries};
use crate::command::settings;
use crate::db::{Db, DbError, Options, Sync};
use crate::interchange::import::Limits;
use crate::interchange::load::{self, LoadError};
use crate::interchange::rdb::file::Key;
use crate::keyspace::bulk::{self, Bulk, BulkError};
use crate::storage::Plan;
use crate::storage::open::{log_path, shm_path, with_suffix};
use crate::vfs::OsVfs;

/// Threads that decode keys for a new file.
const THREADS_MAX: usize = 4;
/// Bytes of keys and values that wait in memory to be put in order.
const WAITING_BYTES: usize = 192 << 20;
/// Memory for the pages of a new file: what is written is not needed again.
const FILLING_CACHE_BYTES: u64 = 64 << 20;
/// How often is looked whether pages are to be written, and how many are worth it.
const WRITE_EVERY: Duration = Duration::from_millis(2);
const WRITE_PAGES_MIN: u64 = 2048;

/// Databases that a file may have.
pub(super) const DATABASES_MAX: u64 = 1 << 20;

/// Why a file was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    #[error(
        "{0} is there, and the file whose log it is is not: put the file back, or move the log away"
    )]
    LogAlone(String),
    #[error("{0}. Nothing was changed")]
    Source(LoadError),
    #[error("it has keys of database {db}, and the highest is {highest}. Nothing was changed")]
    Database { db: u64, highest: u64 },
    #[error("its libraries of functions cannot be loaded: {0}. Nothing was imported")]
    Library(String),
    #[error("{0}. Nothing was imported")]
    Bulk(#[from] BulkError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] crate::storage::Error),
}

impl NewFileError {
    /// A key's database is none of so many.
    pub(super) fn database(db: u64, databases: u64) -> Self {
        Self::Database {
            db,
            highest: databases - 1,
        }
    }
}

/// How a file is made.
#[derive(Debug)]
pub(super) struct Filling {
    pub page_bytes: usize,
    /// How many databases there may be.
    pub databases: u64,
    /// What decides how Redis would name small collections; None: the directives' defaults.
    pub limits: Option<Limits>,
    /// Libraries of functions are taken along.
    pub with_libraries: bool,
}

/// Makes the file at `path`, which is not there, of the keys of `source`. Where that fails, it is not there afterwards
/// either.
pub(super) fn fill(
    path: &Path,
    source: &KeySource,
    filling: &Filling,
) -> Result<Census, NewFileError> {
    let log = log_path(path);
    if log.exists() {
        return Err(NewFileError::LogAlone(log.display().to_string()));
    }
    // Nothing is removed that somebody else has made meanwhile.
    let options = Options {
        sync: Sync::Manual,
        cache_bytes: FILLING_CACHE_BYTES,
        ..Options::default()
    };
    let db = Db::open_paged(path, options, filling.page_bytes)?;
    let filled = fill_open(db, path, source, filling);
    if filled.is_err() {
        for made in [path, &log, &shm_path(path)] {
            // What cannot be removed says by itself that it is not whole.
            let _ = std::fs::remove_file(made);
        }
    }
    filled
}

fn fill_open(
    db: Db,
    path: &Path,
    source: &KeySource,
    filling: &Filling,
) -> Result<Census, NewFileError> {
    // A life that ends before the end leaves a file that says so.
    db.keyspace().begin_seeding()?;
    db.settle()?;
    db.keyspace().engine.stop_logging();
    let mut census = put_all(&db, path, source, filling)?;
    db.checkpoint()?;
    db.keyspace().engine.resume_logging();
    if !filling.with_libraries {
        census.summary.functions.clear();
    }
    let compiled = compile(&census.summary.functions, db.server());
    let libraries = compiled.map_err(NewFileError::Library)?;
    put_libraries(&mut db.keyspace(), &libraries)?;
    db.keyspace().end_seeding()?;
    db.settle()?;
    db.close()?;
    Ok(census)
}

/// Puts all keys into the empty database: they are decoded by several threads, sorted, and put in order.
fn put_all(
    db: &Db,
    path: &Path,
    source: &KeySource,
    filling: &Filling,
) -> Result<Census, NewFileError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.clamp(1, THREADS_MAX);
    let limits = filling
        .limits
        .unwrap_or_else(|| settings::import_limits(db.server()));
    let mut bulks: Vec<Bulk<'_>> = (0..threads)
        .map(|n| {
            let waiting = waiting_path(path, n);
            Bulk::new(&db.keyspace(), &OsVfs, &waiting, WAITING_BYTES / threads)
        })
        .collect();
    let impossible = Mutex::new(None);
    let mut puts: Vec<_> = bulks
        .iter_mut()
        .map(|bulk| {
            |at, key: &Key| {
                if key.db >= filling.databases {
                    *impossible.lock() = Some(key.db);
                    return Err(LoadError::Refused("a database that cannot be".to_owned()));
                }
                put_one(db, bulk, at, key, source.now_ms, &limits)
            }
        })
        .collect();
    let read = source.read_apart("Importing", &mut puts);
    drop(puts);
    if let Some(db) = impossible.into_inner() {
        return Err(NewFileError::database(db, filling.databases));
    }
    let census = read.map_err(NewFileError::Source)?;
    thread::scope(|scope| {
        for bulk in &mut bulks {
            scope.spawn(|| bulk.sort());
        }
    });
    let is_over = AtomicBool::new(false);
    let (filled, written) = thread::scope(|scope| {
        let writer = scope.spawn(|| write_meanwhile(db, &is_over));
        let filled = bulk::fill(bulks, db.lock());
        is_over.store(true, Ordering::Relaxed);
        writer.thread().unpark();
        (filled, writer.join().expect("the writer does not panic"))
    });
    filled?;
    written?;
    Ok(census)
}

fn put_one(
    db: &Db,
    bulk: &mut Bulk<'_>,
    at: u64,
    key: &Key,
    now_ms: u64,
    limits: &Limits,
) -> Result<(), LoadError> {
    if load::put_in_bulk(bulk, key.db as u32, key, limits)? {
        return Ok(());
    }
    let mut keyspace = db.keyspace();
    keyspace.add_databases_up_to(key.db as u32 + 1);
    load::put(&mut keyspace, at, key, now_ms, limits, Plan::Simple)?;
    Ok(bulk.lift(&mut keyspace, key.db as u32)?)
}

/// Makes checkpoints as long as pages are made: the disk is not idle until the last.
fn write_meanwhile(db: &Db, is_over: &AtomicBool) -> Result<(), DbError> {
    let born = || db.keyspace().engine.pager_stats().births;
    let mut written = born();
    while !is_over.load(Ordering::Relaxed) {
        thread::park_timeout(WRITE_EVERY);
        if born() - written >= WRITE_PAGES_MIN {
            written = born();
            db.checkpoint()?;
        }
    }
    Ok(())
}

/// Where keys wait for which memory has no room.
fn waiting_path(target: &Path, n: usize) -> PathBuf {
    with_suffix(target, &format!("-waiting-{}-{n}", std::process::id()))
}
