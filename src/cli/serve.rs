//! Puts a server together: its file, the log's threads, the sockets, and what CONFIG SET changes of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::loading::{self, Loader};
use super::open_files;
use super::server::{Launch, ServeError};
use crate::command::acl;
use crate::command::server::{REDIS_VERSION, Server};
use crate::config::{AppendFsync, Config, Host, Key, Refusal};
use crate::keyspace::Keyspace;
use crate::server::clean_end::{CleanEnd, Left};
use crate::server::durability::{Durability, SyncPolicy};
use crate::server::housekeeping::Housekeeping;
use crate::server::late_log::LateLog;
use crate::server::machine::ThisMachine;
use crate::server::metrics::Metrics;
use crate::server::peers::TcpPeers;
use crate::server::{Listening, Options, Shared, TcpListeners};
use crate::session::OwnEngine;
use crate::storage::Engine;
use crate::vfs::{Clock, OsClock, OsVfs, random_bytes};

/// How long connections wait to be accepted while the file is being opened.
const PATIENCE: Duration = Duration::from_millis(300);

pub(super) fn policy_of(config: &Config) -> SyncPolicy {
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
    listeners: Arc<TcpListeners>,
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
                Key::WalKeep => self.server.archive.ask(),
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
        self.listeners.apply(config, changed)?;
        self.server.apply(config, changed)
    }

    fn reset_statistics(&self) {
        self.server.reset_statistics();
    }

    fn user_lines(&self) -> Vec<Vec<u8>> {
        self.server.user_lines()
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
    let launch = Arc::new(launch);
    let config = Arc::clone(&launch.config);
    tracing::info!(
        "Redkeep {} (answers like Redis {REDIS_VERSION}), process {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    open_files::make_room(&config)?;
    let seed = u64::from_le_bytes(random_bytes()?);
    let log = Arc::new(LateLog::default());
    let shared = share(&config, &log, seed)?;
    let housekeeping = Housekeeping::new(Arc::clone(&shared.server), launch.cache_bytes);
    let listening = Listening::open(Arc::clone(&shared), Options::from_config(&config))?;
    config.attach(Arc::new(ServerHost {
        server: Arc::clone(&shared.server),
        log: Arc::clone(&log),
        cache_bytes: housekeeping.cache_bytes(),
        listeners: listening.listeners(),
    }));
    for address in listening.addresses() {
        tracing::info!("Listening on {address}");
    }
    let metrics = start_metrics(&config, &shared)?;
    let loading = loading::start(Loader {
        launch: Arc::clone(&launch),
        shared: Arc::clone(&shared),
        log: Arc::clone(&log),
        seed,
    })?;
    let mut loaded = match loading.recv_timeout(PATIENCE) {
        Ok(loaded) => Some(loaded?),
        Err(_) => None,
    };
    let mut end = CleanEnd::new(shared, log);
    let served = listening.serve(housekeeping, &mut end);
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
    threads.stop();
    let closed = end.close();
    served?;
    tell_left(closed?, &config.dbfile());
    Ok(())
}

/// What all threads share, with no data yet.
fn share(config: &Arc<Config>, log: &Arc<LateLog>, seed: u64) -> Result<Arc<Shared>, ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let machine = ThisMachine::look(clock.wall_ms())?;
    let server = Server::new(Arc::clone(config), Arc::clone(&clock))
        .on(Arc::new(machine))
        .among(Arc::new(TcpPeers::new(Arc::clone(&clock))))
        .with_disk(Arc::new(OsVfs));
    server.collation.load(config, &*server.machine)?;
    acl::file::load_at_start(config, &server.users)?;
    server.loading.begin(clock.wall_ms());
    server
        .scripting
        .limit_memory(super::server::script_bytes_max());
    let absent = || {
        let engine = Engine::absent(Arc::clone(&clock));
        Keyspace::new(engine, config.databases(), seed, clock.wall_ms())
    };
    Ok(Arc::new(Shared {
        server: Arc::new(server),
        engine: Mutex::new(absent()?),
        nothing: Mutex::new(absent()?),
        store: Arc::new(OwnEngine),
        durability: Arc::clone(log) as Arc<dyn Durability>,
    }))
}

fn tell_left(left: Left, path: &Path) {
    let path = path.display();
    match left {
        Left::Whole => tracing::info!("Redkeep is done; {path} is whole without its log"),
        Left::NotKept => tracing::warn!(
            "Redkeep is done; {path} needs its log, for wal-keep does not have all of it"
        ),
        Left::Held => tracing::info!("Redkeep is done; {path} needs its log"),
    }
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
