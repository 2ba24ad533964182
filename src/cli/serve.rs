//! Puts a server together: the file, the keyspace, the log's threads, the sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::server::{Launch, ServeError};
use crate::command::server::{REDIS_VERSION, Server};
use crate::command::shutdown::Request;
use crate::config::{AppendFsync, Config, Host, Key, OnCorruption as OnCorruptionSetting, Refusal};
use crate::keyspace::Keyspace;
use crate::server::background::Job;
use crate::server::checkpointer::{self, Checkpointer};
use crate::server::durability::{Durability, SyncPolicy};
use crate::server::log_keeper::LogKeeper;
use crate::server::machine::ThisMachine;
use crate::server::{Lifecycle, Listening, Options, Shared};
use crate::session::OwnEngine;
use crate::storage::{self, Engine, Lsn, OnCorruption, OpenOptions, OpenReport};
use crate::vfs::{Clock, OsClock, OsVfs};

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
    keeper: Arc<LogKeeper>,
    /// What `cache-size` is to be, in bytes; the periodic job carries it out.
    cache_bytes: Arc<AtomicU64>,
}

impl Host for ServerHost {
    fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        for key in changed {
            match key {
                Key::Appendfsync => self.keeper.set_policy(policy_of(config)),
                Key::CacheSize => {
                    let bytes = super::server::cache_bytes(config);
                    self.cache_bytes.store(bytes, Ordering::Relaxed);
                }
                _ => {}
            }
        }
        self.server.apply(config, changed)
    }

    fn reset_statistics(&self) {
        self.server.reset_statistics();
    }
}

/// Removes due keys, and changes the size of the cache.
struct Housekeeping {
    cache_bytes: Arc<AtomicU64>,
    cache_bytes_now: u64,
}

impl Job for Housekeeping {
    fn name(&self) -> &'static str {
        "housekeeping"
    }

    fn run(&mut self, keyspace: &mut Keyspace, now_ms: u64) {
        let wanted = self.cache_bytes.load(Ordering::Relaxed);
        if wanted != self.cache_bytes_now {
            keyspace.engine.pager_mut().set_cache_bytes(wanted);
            self.cache_bytes_now = wanted;
        }
        keyspace.engine.begin_command(storage::OnMiss::Read);
        keyspace.engine.set_urgent(true);
        if let Err(e) = keyspace.expire_due(now_ms, EXPIRED_A_TURN) {
            tracing::debug!("due keys were not removed: {e}");
        }
        keyspace.engine.set_urgent(false);
    }
}

/// The end of a server: a file that is whole without its log.
struct CleanEnd {
    shared: Arc<Shared>,
    keeper: Arc<LogKeeper>,
}

impl Lifecycle for CleanEnd {
    fn prepare_shutdown(&mut self, _request: Request) -> bool {
        match checkpointer::make(&self.shared, true) {
            Ok(()) => true,
            Err(e) => {
                tracing::warn!("the last checkpoint failed: {e}. The log has everything up to it.");
                self.keeper
                    .log()
                    .sync_to(self.keeper.log().last_lsn())
                    .is_ok()
            }
        }
    }
}

fn open_storage(
    launch: &Launch,
    clock: Arc<dyn Clock>,
) -> Result<(Engine, OpenReport), ServeError> {
    let config = &launch.config;
    let mut new_uuid = [0; 16];
    fill_with_random(&mut new_uuid)?;
    let options = OpenOptions {
        page_bytes: config.page_size() as usize,
        cache_bytes: launch.cache_bytes,
        on_corruption: match config.on_corruption() {
            OnCorruptionSetting::Abort => OnCorruption::Abort,
            OnCorruptionSetting::Truncate => OnCorruption::Truncate,
        },
        ..OpenOptions::new(new_uuid)
    };
    let path: PathBuf = config.dbfile();
    let started_us = clock.mono_us();
    let mut on_replay = |at: Lsn, last: Lsn| {
        if at.0.is_multiple_of(1 << 18) {
            tracing::info!("Replaying the log: transaction {at} of {last}");
        }
    };
    let (engine, report) =
        storage::open(&OsVfs, Arc::clone(&clock), &path, &options, &mut on_replay)?;
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
    Ok((engine, report))
}

fn fill_with_random(out: &mut [u8]) -> Result<(), ServeError> {
    use rustix::rand::{GetRandomFlags, getrandom};
    let mut filled = 0;
    while filled < out.len() {
        filled += getrandom(&mut out[filled..], GetRandomFlags::empty())?;
    }
    Ok(())
}

/// Runs a server until it is told to stop.
pub fn serve(launch: Launch) -> Result<(), ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let config = Arc::clone(&launch.config);
    tracing::info!(
        "Redkeep {} (answers like Redis {REDIS_VERSION}), process {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    let (engine, _) = open_storage(&launch, Arc::clone(&clock))?;
    let log = Arc::clone(engine.log().ok_or("an open file has a log")?);
    let mut seed = [0; 8];
    fill_with_random(&mut seed)?;
    let seed = u64::from_le_bytes(seed);
    let keyspace = Keyspace::new(engine, config.databases(), seed, clock.wall_ms())?;
    let machine = ThisMachine::look(clock.wall_ms())?;
    let server = Server::new(Arc::clone(&config), Arc::clone(&clock)).on(Arc::new(machine));
    let server = Arc::new(server);
    let keeper = Arc::new(LogKeeper::new(log, Arc::clone(&clock), policy_of(&config)));
    let cache_bytes = Arc::new(AtomicU64::new(launch.cache_bytes));
    config.attach(Arc::new(ServerHost {
        server: Arc::clone(&server),
        keeper: Arc::clone(&keeper),
        cache_bytes: Arc::clone(&cache_bytes),
    }));
    let shared = Arc::new(Shared {
        server,
        engine: Mutex::new(keyspace),
        store: Arc::new(OwnEngine),
        durability: Arc::clone(&keeper) as Arc<dyn Durability>,
    });
    let listening = Listening::open(Arc::clone(&shared), Options::from_config(&config))?;
    for address in listening.addresses() {
        tracing::info!("Ready to accept connections on {address}");
    }
    let sync_thread = keeper.start()?;
    let checkpoints = Checkpointer::start(Arc::clone(&shared), Arc::clone(&keeper))?;
    let housekeeping = Housekeeping {
        cache_bytes,
        cache_bytes_now: launch.cache_bytes,
    };
    let mut end = CleanEnd {
        shared: Arc::clone(&shared),
        keeper: Arc::clone(&keeper),
    };
    launch.ready();
    let served = listening.serve(vec![Box::new(housekeeping)], &mut end);
    launch.stopping();
    checkpoints.stop();
    sync_thread.stop();
    // Connections have ended: whatever they committed last is put into the file as well.
    let closed = checkpointer::make(&shared, true);
    served?;
    closed?;
    tracing::info!(
        "Redkeep is done; {} is whole without its log",
        config.dbfile().display()
    );
    Ok(())
}
