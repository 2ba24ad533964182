//! `server --load-rdb FILE`: a new database that begins with the keys and the libraries of functions of an RDB file.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::append_only::{AppendOnlyError, Ground};
use super::key_source::KeySource;
use super::new_file::{self, Filling, NewFileError};
use crate::command::libraries::{Libraries, Library, Policy};
use crate::command::server::Server;
use crate::command::settings;
use crate::interchange::load::{self, LoadError, Summary};
use crate::keyspace::Keyspace;
use crate::storage::{Error, OnMiss, Plan};

/// Keys that the kernel gets together.
const KEYS_TOGETHER: u64 = 256;

/// Why a database could not be seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("{path}: {source}")]
    NewFile {
        path: String,
        source: Box<NewFileError>,
    },
    #[error("{path}: {source}")]
    Load { path: String, source: LoadError },
    #[error("{path} has libraries of functions that cannot be loaded: {text}")]
    Library { path: String, text: String },
    #[error("{0}. Nothing of it is served: delete the new database file and its log")]
    AppendOnly(#[from] AppendOnlyError),
    #[error(transparent)]
    Storage(Error),
    #[error("{path}: {source}")]
    Manifest {
        path: String,
        source: std::io::Error,
    },
    #[error(
        "{file}: from offset {at} on stand {commands} commands that this database did not write: another server has gone on \
         with the append-only file. To take over what it did, start with a new dbfile, which begins with everything in \
         {dir}, or put its keys into this one (redkeep import {dir} --target DBFILE --replace) and move {dir} away. To go \
         on without it, move {dir} away"
    )]
    Foreign {
        file: String,
        at: u64,
        commands: u64,
        dir: String,
    },
    #[error(
        "{file} ends at offset {at} in the middle of a write, and aof-load-truncated is no: redkeep check --fix cuts it off"
    )]
    Torn { file: String, at: u64 },
    #[error(
        "load-rdb seeds a new database, and {0} exists: start without load-rdb, or name another dbfile"
    )]
    Exists(String),
    #[error(
        "{0} was being filled from an RDB file when its server ended, and is not whole: delete it and its log, and \
         load the file again"
    )]
    Unfinished(String),
}

/// Makes the file at `target` of the keys and libraries of the RDB file at `path`. A damaged one leaves nothing.
pub(super) fn seed(
    target: &Path,
    page_bytes: usize,
    databases: u32,
    server: &Arc<Server>,
    path: &Path,
) -> Result<(), SeedError> {
    let shown = path.display().to_string();
    let (watcher, of_watcher) = (Arc::clone(server), shown.clone());
    let told = AtomicU64::new(0);
    let source = KeySource::file(path, None).watched(move |at, total| {
        watcher.loading.advance(at, total);
        let percent = at * 100 / total.max(1);
        if percent >= told.load(Ordering::Relaxed) + 10 {
            told.store(percent, Ordering::Relaxed);
            tracing::info!("Loading {of_watcher}: {percent} %");
        }
    });
    let filling = Filling {
        page_bytes,
        databases: u64::from(databases),
        limits: Some(settings::import_limits(server)),
        with_libraries: true,
    };
    let filled = new_file::fill(target, &source, &filling);
    let census = filled.map_err(|source| SeedError::NewFile {
        path: shown.clone(),
        source: Box::new(source),
    })?;
    report(&shown, &census.summary);
    Ok(())
}

/// Puts everything of an RDB file into data that is being filled, but for keys that were due before `due_ms`; returns what
/// that was, and where it ends in `source`. After an error the data is of no use.
pub(super) fn put_all(
    server: &Server,
    ground: &mut impl Ground,
    shown: &str,
    (source, len): (&mut dyn Read, u64),
    due_ms: u64,
) -> Result<(Summary, u64), SeedError> {
    let failed = |source| SeedError::Load {
        path: shown.to_owned(),
        source,
    };
    let now_ms = server.clock.wall_ms();
    let limits = settings::import_limits(server);
    let mut source = Counted { source, at: 0 };
    let mut done = 0_u64;
    let mut put = |at, key: &_| {
        ground.with(|keyspace| load::put(keyspace, at, key, now_ms, &limits, Plan::Simple))?;
        done += 1;
        if done.is_multiple_of(KEYS_TOGETHER) {
            ground.settle()?;
        }
        Ok(())
    };
    let mut told = 0;
    let mut tell = |at: u64| {
        let percent = at * 100 / len.max(1);
        if percent >= told + 10 {
            told = percent;
            tracing::info!("Loading {shown}: {percent} %");
        }
    };
    let summary = load::read(&mut source, len, due_ms, &mut put, &mut tell).map_err(failed)?;
    let compiled = compile(&summary.functions, server);
    let libraries = compiled.map_err(|text| SeedError::Library {
        path: shown.to_owned(),
        text,
    })?;
    ground
        .with(|keyspace| put_libraries(keyspace, &libraries))
        .map_err(|error| failed(error.into()))?;
    Ok((summary, source.at))
}

/// Counts what is read.
struct Counted<'a> {
    source: &'a mut dyn Read,
    at: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(out)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Compiles libraries by themselves, which shows that it can be done: the server compiles what the file has.
pub(super) fn compile(codes: &[Vec<u8>], server: &Server) -> Result<Vec<Library>, String> {
    let compiled = Libraries::default().compile_all(codes.iter().map(Ok), Policy::Append, server);
    compiled.map_err(|text| String::from_utf8_lossy(&text).into_owned())
}

/// Keeps libraries, whatever was there under their names.
pub(super) fn put_libraries(keyspace: &mut Keyspace, libraries: &[Library]) -> Result<(), Error> {
    keyspace.engine.begin_command(OnMiss::Read);
    keyspace.write(Plan::Savepoint, |txn| {
        libraries
            .iter()
            .try_for_each(|library| txn.put_library(&library.name, &library.code))
    })
}

pub(super) fn report(path: &str, summary: &Summary) {
    tracing::info!(
        "Loaded {path} (version {}): {} keys, {} were due and left out",
        summary.version,
        summary.keys,
        summary.expired
    );
    for (what, count) in &summary.skipped {
        tracing::warn!("{count} keys were left out: values of {what} are not kept here");
    }
    for (what, count) in &summary.module_fields {
        tracing::warn!("{count} fields of the module type {what} were left out");
    }
    if !summary.functions.is_empty() {
        let count = summary.functions.len();
        tracing::info!("{count} libraries of functions were loaded");
    }
}
