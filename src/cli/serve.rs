//! Puts a server together: the file, the keyspace, the log's threads, the sockets.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use parking_lot::Mutex;

use super::open_files;
use super::own_aof;
use super::seed::{SeedError, seed};
use super::server::{Launch, ServeError};
use crate::command::accounting;
use crate::command::acl;
use crate::command::client_eviction;
use crate::command::effects;
use crate::command::eviction;
use crate::command::push::Sender;
use crate::command::server::{REDIS_VERSION, Server};
use crate::command::settings;
use crate::command::shutdown::Request;
use crate::config::{AppendFsync, Config, Host, Key, OnCorruption as OnCorruptionSetting, Refusal};
use crate::keyspace::Keyspace;
use crate::server::appender::Appender;
use crate::server::archiver::Archiver;
use crate::server::background::Job;
use crate::server::backups::Backups;
use crate::server::checkpointer::{self, Checkpointer, MakeError};
use crate::server::durability::{Durability, SyncPolicy};
use crate::server::late_log::LateLog;
use crate::server::log_keeper::{LogKeeper, SyncThread};
use crate::server::machine::ThisMachine;
use crate::server::metrics::Metrics;
use crate::server::peers::TcpPeers;
use crate::server::saver::Saver;
use crate::server::{Doors, Lifecycle, Listening, Options, Shared};
use crate::session::OwnEngine;
use crate::storage::{self, Engine, Lsn, OnCorruption, OpenOptions};
use crate::vfs::{Clock, OsClock, OsVfs, random_bytes};

/// How long connections wait to be accepted while the file is being opened.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often the log of the server tells of a replay, in microseconds.
const TELL_EVERY_US: u64 = 1_000_000;

/// Due keys removed in one turn of the periodic job.
const EXPIRED_A_TURN: usize = 200;

fn policy_of(config: &Config) -> SyncPolicy {
    match config.appendfsync() {
        AppendFsync::Always => SyncPolicy::Always,
        AppendFsync::EverySecond => SyncPolicy::EverySecond,
        AppendFsync::No => SyncPolicy::Kernel,
    }
}

/// Makes CONFIG SET act on everything that is put together here.
struct ServerHost {
    server: Arc<Server>,
    log: Arc<LateLog>,
    /// What `cache-size` is to be, in bytes; the periodic job carries it out.
    cache_bytes: Arc<AtomicU64>,
    doors: Arc<Doors>,
}

impl Host for ServerHost {
    fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        for key in changed {
            match key {
                Key::Appendfsync => {
                    if let Some(keeper) = self.log.keeper() {
                        keeper.set_policy(policy_of(config));
                    }
                }
                Key::WalKeep => self.server.archive.ring(),
                Key::Appendonly => {
                    self.server.append_only.want(config.is_on(Key::Appendonly));
                }
                Key::CacheSize => {
                    let bytes = super::server::cache_bytes(config);
                    self.cache_bytes.store(bytes, Ordering::Relaxed);
                }
                _ => {}
            }
        }
        open_files::apply(config, changed)?;
        self.doors.apply(config, changed)?;
        self.server.apply(config, changed)
    }

    fn reset_statistics(&self) {
        self.server.reset_statistics();
    }

    fn user_lines(&self) -> Vec<Vec<u8>> {
        self.server.user_lines()
    }
}

/// Removes due keys and those that are given up to make room, and changes the size of the cache.
struct Housekeeping {
    server: Arc<Server>,
    cache_bytes: Arc<AtomicU64>,
    cache_bytes_now: u64,
}

impl Job for Housekeeping {
    fn run(&mut self, keyspace: &mut Keyspace, now_ms: u64) {
        if self.server.loading.is_on() {
            return;
        }
        let wanted = self.cache_bytes.load(Ordering::Relaxed);
        if wanted != self.cache_bytes_now {
            keyspace.engine.pager_mut().set_cache_bytes(wanted);
            self.cache_bytes_now = wanted;
        }
        client_eviction::make_room(&self.server);
        keyspace.access.fading = settings::fading(&self.server);
        self.server.eviction.peak(keyspace.used_bytes());
        if self.server.pause.holds(true, now_ms).is_some() {
            return;
        }
        eviction::make_room_in_background(keyspace, &self.server, now_ms);
        effects::listen(keyspace, &self.server, now_ms);
        if self.server.switches.active_expire.load(Ordering::Relaxed) {
            let begun_us = self.server.clock.mono_us();
            keyspace.engine.begin_command(storage::OnMiss::Read);
            keyspace.engine.set_urgent(true);
            if let Err(e) = keyspace.expire_due(now_ms, EXPIRED_A_TURN) {
                tracing::debug!("due keys were not removed: {e}");
            }
            keyspace.engine.set_urgent(false);
            let took_us = self.server.clock.mono_us().saturating_sub(begun_us);
            accounting::sample_event(&self.server, "expire-cycle", took_us, now_ms * 1000);
        }
        effects::distribute(keyspace, &self.server, None, now_ms);
        self.server
            .feed
            .ping(&self.server, now_ms, keyspace.last_lsn());
        let mut sender = Sender::new(&self.server, keyspace.last_lsn(), None);
        sender.make_room();
        sender.broadcast();
    }
}

/// The end of a server: a file that is whole without its log.
struct CleanEnd {
    shared: Arc<Shared>,
    log: Arc<LateLog>,
}

impl Lifecycle for CleanEnd {
    fn prepare_shutdown(&mut self, _request: Request) -> bool {
        let Some(keeper) = self.log.keeper() else {
            // The file is still being opened, and nothing was committed.
            return true;
        };
        match checkpointer::make(&self.shared, true, &mut || {}) {
            Ok(()) => true,
            Err(e) => {
                tracing::warn!("the last checkpoint failed: {e}. The log has everything up to it.");
                let log = keeper.log();
                log.sync_to(log.last_lsn()).is_ok()
            }
        }
    }
}

/// The threads that a server has once its file is open.
struct Threads {
    sync: SyncThread,
    checkpoints: Checkpointer,
    saves: Saver,
    backups: Backups,
    archive: Archiver,
    appends: Appender,
}

/// Opens the file while connections are told to wait.
struct Loader {
    launch: Arc<Launch>,
    shared: Arc<Shared>,
    log: Arc<LateLog>,
    seed: u64,
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
        {
            // One hold: whoever finds the data finds the log, and is not told to wait any more.
            let mut absent = self.shared.engine.lock();
            self.log.arrive(Arc::clone(&keeper));
            *absent = keyspace;
            if let Err(e) = server.scripting.open(&mut absent, server) {
                tracing::warn!("libraries of functions cannot be read yet: {e}");
            }
            server.loading.end();
        }
        // A CONFIG SET between the two looks at the policy found no log.
        keeper.set_policy(policy_of(config));
        let checkpoints = Checkpointer::start(Arc::clone(&self.shared), Arc::clone(&keeper))?;
        let archive = Archiver::start(Arc::clone(&self.shared), keeper, Arc::new(OsVfs))?;
        server.saves.begin(server.clock.wall_ms());
        let saves = Saver::start(Arc::clone(&self.shared), Arc::new(OsVfs))?;
        let backups = Backups::start(Arc::clone(&self.shared), Arc::new(OsVfs))?;
        server.append_only.want(config.is_on(Key::Appendonly));
        let appends = Appender::start(Arc::clone(&self.shared), Arc::new(OsVfs), before)?;
        tracing::info!("Ready to accept connections");
        self.launch.ready();
        Ok(Threads {
            sync,
            checkpoints,
            saves,
            backups,
            archive,
            appends,
        })
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
        let elapsed_ms = (clock.mono_us() - started_us) as f64 / 1000.0;
        if let Some(cut) = &report.cut {
            tracing::warn!(
                "The log ended in the middle of a write, which was not promised to anyone: {cut}"
            );
        }
        let what = if report.is_new { "Created" } else { "Opened" };
        tracing::info!(
            "{what} {} in {elapsed_ms:.1} ms: {} transactions replayed, the last is {}",
            path.display(),
            report.replayed,
            report.last_lsn
        );
        Ok((engine, report.is_new))
    }
}

/// A panic ends the process. What it left half done is in this process alone: the log has everything that was acknowledged,
/// and whoever watches the process starts another one. A thread that ended by itself would leave a server that only looks
/// alive.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        tracing::error!(
            "{panic}. The log has everything that was acknowledged: start the server again."
        );
        std::process::abort();
    }));
}

/// Runs a server until it is told to stop.
///
/// It listens before it opens its file. Where that takes longer than [`PATIENCE`], connections are accepted and
/// told that the data is not there yet.
pub fn serve(launch: Launch) -> Result<(), ServeError> {
    abort_on_panic();
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let launch = Arc::new(launch);
    let config = Arc::clone(&launch.config);
    tracing::info!(
        "Redkeep {} (answers like Redis {REDIS_VERSION}), process {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    open_files::make_room(&config)?;
    let seed = u64::from_le_bytes(random_bytes()?);
    let machine = ThisMachine::look(clock.wall_ms())?;
    let server = Server::new(Arc::clone(&config), Arc::clone(&clock))
        .on(Arc::new(machine))
        .among(Arc::new(TcpPeers::new(Arc::clone(&clock))))
        .with_disk(Arc::new(OsVfs));
    server.collation.load(&config, &*server.machine)?;
    acl::file::load_at_start(&config, &server.users)?;
    server.loading.begin(clock.wall_ms());
    server
        .scripting
        .limit_memory(super::server::script_bytes_max());
    let server = Arc::new(server);
    let log = Arc::new(LateLog::default());
    let cache_bytes = Arc::new(AtomicU64::new(launch.cache_bytes));
    let absent = || {
        let engine = Engine::absent(Arc::clone(&clock));
        Keyspace::new(engine, config.databases(), seed, clock.wall_ms())
    };
    let shared = Arc::new(Shared {
        server: Arc::clone(&server),
        engine: Mutex::new(absent()?),
        nothing: Mutex::new(absent()?),
        store: Arc::new(OwnEngine),
        durability: Arc::clone(&log) as Arc<dyn Durability>,
    });
    let listening = Listening::open(Arc::clone(&shared), Options::from_config(&config))?;
    config.attach(Arc::new(ServerHost {
        server: Arc::clone(&server),
        log: Arc::clone(&log),
        cache_bytes: Arc::clone(&cache_bytes),
        doors: listening.doors(),
    }));
    for address in listening.addresses() {
        tracing::info!("Listening on {address}");
    }
    let metrics = start_metrics(&config, &shared)?;
    let loading = start_loading(Loader {
        launch: Arc::clone(&launch),
        shared: Arc::clone(&shared),
        log: Arc::clone(&log),
        seed,
    })?;
    let mut loaded = match loading.recv_timeout(PATIENCE) {
        Ok(loaded) => Some(loaded?),
        Err(_) => None,
    };
    let housekeeping = Housekeeping {
        server,
        cache_bytes,
        cache_bytes_now: launch.cache_bytes,
    };
    let mut end = CleanEnd {
        shared: Arc::clone(&shared),
        log,
    };
    let served = listening.serve(vec![Box::new(housekeeping)], &mut end);
    launch.stopping();
    if let Some(metrics) = metrics {
        metrics.stop();
    }
    if loaded.is_none() {
        loaded = loading.try_recv().ok().transpose()?;
    }
    let Some(threads) = loaded else {
        served?;
        tracing::info!(
            "Redkeep is done before its file was open; the log has what was to be replayed"
        );
        return Ok(());
    };
    threads.saves.stop();
    threads.backups.stop();
    threads.appends.stop();
    threads.checkpoints.stop();
    threads.archive.stop();
    threads.sync.stop();
    // Connections have ended: whatever they committed last is put into the file as well.
    let closed = checkpointer::make(&shared, true, &mut || {});
    served?;
    let path = config.dbfile();
    match closed {
        Ok(()) if needs_log(&shared) => tracing::warn!(
            "Redkeep is done; {} needs its log, for wal-keep does not have all of it",
            path.display()
        ),
        Ok(()) => tracing::info!(
            "Redkeep is done; {} is whole without its log",
            path.display()
        ),
        // The file is being copied.
        Err(MakeError::Held) => {
            if let Some(keeper) = end.log.keeper() {
                let log = keeper.log();
                log.sync_to(log.last_lsn())?;
            }
            tracing::info!("Redkeep is done; {} needs its log", path.display());
        }
        Err(MakeError::Storage(error)) => return Err(error.into()),
    }
    Ok(())
}

/// Whether the file is not whole alone.
fn needs_log(shared: &Shared) -> bool {
    let keyspace = shared.engine.lock();
    keyspace.engine.checkpoint_state().meta.log_required
}

/// Answers HTTP where that is asked for, from before the file is open.
fn start_metrics(config: &Config, shared: &Arc<Shared>) -> Result<Option<Metrics>, ServeError> {
    let place = config.text(Key::MetricsAddr);
    if place.is_empty() {
        return Ok(None);
    }
    let place = String::from_utf8_lossy(&place);
    let metrics = Metrics::start(Arc::clone(shared), &place)?;
    tracing::info!("Metrics are at http://{}/metrics", metrics.address());
    Ok(Some(metrics))
}

/// Opens the file in a thread of its own. If that fails after the server has begun to serve, the server ends.
fn start_loading(loader: Loader) -> io::Result<Receiver<Result<Threads, ServeError>>> {
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
