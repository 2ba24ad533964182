//! Opening the file of a server while connections are told to wait.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use super::own_aof;
use super::seed::{SeedError, seed};
use super::serve::policy_of;
use super::server::{Launch, ServeError};
use crate::command::shutdown::Request;
use crate::config::{Key, OnCorruption as OnCorruptionSetting};
use crate::keyspace::Keyspace;
use crate::server::Shared;
use crate::server::late_log::LateLog;
use crate::server::log_keeper::LogKeeper;
use crate::server::threads::Threads;
use crate::storage::{self, Engine, Lsn, OnCorruption, OpenOptions, OpenReport};
use crate::vfs::{OsVfs, Vfs, random_bytes};

/// How often the log of the server tells of a replay, in microseconds.
const TELL_EVERY_US: u64 = 1_000_000;

/// What the thread that opens the file needs.
pub struct Loader {
    pub launch: Arc<Launch>,
    pub shared: Arc<Shared>,
    pub log: Arc<LateLog>,
    /// Of the keyspace.
    pub seed: u64,
}

/// Opens the file in a thread of its own. If that fails after the server has begun to serve, the server ends.
pub fn start(loader: Loader) -> io::Result<Receiver<Result<Threads, ServeError>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("loader".to_owned())
        .spawn(move || {
            let loaded = loader.load();
            let has_failed = loaded.is_err();
            // Nobody receives where the server has ended meanwhile.
            let _ = sender.send(loaded);
            if has_failed {
                let request = Request {
                    now: true,
                    force: true,
                };
                loader.shared.server.shutdown.request(request);
            }
        })?;
    Ok(receiver)
}

impl Loader {
    /// Opens the file and puts its data where all threads find it.
    fn load(&self) -> Result<Threads, ServeError> {
        let config = &self.launch.config;
        let server = &self.shared.server;
        let clock = Arc::clone(&server.clock);
        let is_seeded = self.seed_new_file()?;
        let (engine, is_new) = self.open_storage()?;
        let log = Arc::clone(engine.log().ok_or("an open file has a log")?);
        let mut keyspace = Keyspace::new(engine, config.databases(), self.seed, clock.wall_ms())?;
        let path = || config.dbfile().display().to_string();
        if keyspace.is_half_seeded()? {
            return Err(SeedError::Unfinished(path()).into());
        }
        if !is_seeded && !config.text(Key::LoadRdb).is_empty() {
            return Err(SeedError::Exists(path()).into());
        }
        let fills = is_new && config.is_on(Key::Appendonly);
        let before = own_aof::take_up(&OsVfs, &mut keyspace, server, fills)?;
        let keeper = Arc::new(LogKeeper::new(log, clock, policy_of(config)));
        let sync = keeper.start()?;
        self.install(keyspace, &keeper);
        // A CONFIG SET between the two looks at the policy found no log.
        keeper.set_policy(policy_of(config));
        let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
        let threads = Threads::start(&self.shared, keeper, sync, &vfs, before)?;
        tracing::info!("Ready to accept connections");
        self.launch.ready();
        Ok(threads)
    }

    /// One hold of the engine lock: whoever finds the data finds the log, and is not told to wait any more.
    fn install(&self, keyspace: Keyspace, keeper: &Arc<LogKeeper>) {
        let server = &self.shared.server;
        let mut absent = self.shared.engine.lock();
        self.log.arrive(Arc::clone(keeper));
        *absent = keyspace;
        if let Err(e) = server.scripting.open(&mut absent, server) {
            tracing::warn!("libraries of functions cannot be read yet: {e}");
        }
        server.loading.end();
    }

    /// Makes the file of another one, if that is asked for and it is not there.
    fn seed_new_file(&self) -> Result<bool, ServeError> {
        let config = &self.launch.config;
        let (from, target) = (config.text(Key::LoadRdb), config.dbfile());
        if from.is_empty() || target.exists() {
            return Ok(false);
        }
        let from = Path::new(OsStr::from_bytes(&from));
        let page_bytes = config.page_size() as usize;
        let databases = config.databases();
        seed(&target, page_bytes, databases, &self.shared.server, from)?;
        Ok(true)
    }

    fn open_storage(&self) -> Result<(Engine, bool), ServeError> {
        let config = &self.launch.config;
        let server = &self.shared.server;
        let clock = &server.clock;
        let options = OpenOptions {
            page_bytes: config.page_size() as usize,
            cache_bytes: self.launch.cache_bytes,
            on_corruption: match config.on_corruption() {
                OnCorruptionSetting::Abort => OnCorruption::Abort,
                OnCorruptionSetting::Truncate => OnCorruption::Truncate,
            },
            keeps_log: !config.text(Key::WalKeep).is_empty(),
            ..OpenOptions::new(random_bytes()?)
        };
        let path: PathBuf = config.dbfile();
        let started_us = clock.mono_us();
        let (mut first, mut told_us) = (None, started_us);
        let mut on_replay = |at: Lsn, last: Lsn| {
            let first = *first.get_or_insert(at);
            server.loading.advance(at.0 - first.0, last.0 - first.0);
            if clock.mono_us() - told_us > TELL_EVERY_US {
                told_us = clock.mono_us();
                tracing::info!("Replaying the log: transaction {at} of {last}");
            }
        };
        let (engine, report) =
            storage::open(&OsVfs, Arc::clone(clock), &path, &options, &mut on_replay)?;
        if let Ok(path) = std::path::absolute(&path) {
            // A server opens one file.
            let _ = server.scripting.debugged_file.set(path);
        }
        tell_opened(&report, &path, clock.mono_us() - started_us);
        Ok((engine, report.is_new))
    }
}

fn tell_opened(report: &OpenReport, path: &Path, took_us: u64) {
    let took_ms = took_us as f64 / 1000.0;
    if let Some(cut) = &report.cut {
        tracing::warn!(
            "The log ended in the middle of a write, which was not promised to anyone: {cut}"
        );
    }
    let what = if report.is_new { "Created" } else { "Opened" };
    tracing::info!(
        "{what} {} in {took_ms:.1} ms: {} transactions replayed, the last is {}",
        path.display(),
        report.replayed,
        report.last_lsn
    );
}
