//! What all connections share: configuration, the registry of connections, statistics.

use super::machine::{Machine, Nowhere};
use super::migrate::{Alone, Peers};
use std::sync::Arc;

use super::acl::{AclLog, Users};
use super::append_only::AppendOnly;
use super::archive::Archive;
use super::backup::Backups;
use super::blocking::BlockTable;
use super::checkpoint::Checkpoints;
use super::client::{Entry, signal};
use super::collation::Collation;
use super::debug::Switches;
use super::eviction::EvictionFigures;
use super::feed::Feed;
use super::latency::Latency;
use super::loading::Loading;
use super::pause::Pause;
use super::registry::Registry;
use super::save::Saves;
use super::scripting::Scripting;
use super::shutdown::Shutdown;
use super::slowlog::Slowlog;
use super::stats::{Stats, add};
use super::subscriptions::Subscriptions;
use super::table::renames::Renames;
use super::tracking::Tracking;
use super::tuning::Tuning;
use super::watch::WatchTable;
use crate::config::{Config, Host, Key, Refusal};
use crate::vfs::{Clock, Vfs};

/// The version of Redis whose replies are given.
pub const REDIS_VERSION: &str = "7.4.0";

/// Bytes of replies that Redis keeps within a client; a byte more takes a buffer of the same size, which counts.
const FIRST_BUFFER_BYTES: usize = 16 * 1024;

/// The server as commands see it.
#[derive(Debug)]
pub struct Server {
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub machine: Arc<dyn Machine>,
    pub peers: Arc<dyn Peers>,
    pub tuning: Tuning,
    pub collation: Collation,
    pub registry: Registry,
    pub blocked: BlockTable,
    pub watched: WatchTable,
    pub stats: Stats,
    pub eviction: EvictionFigures,
    pub slowlog: Slowlog,
    pub latency: Latency,
    pub pause: Pause,
    pub shutdown: Shutdown,
    pub checkpoints: Checkpoints,
    pub saves: Saves,
    pub backups: Backups,
    /// Where the log is copied to.
    pub archive: Archive,
    pub users: Users,
    /// What commands are called here.
    pub renames: Renames,
    pub acl_log: AclLog,
    pub switches: Switches,
    pub subscriptions: Subscriptions,
    pub tracking: Tracking,
    pub scripting: Scripting,
    /// Replicas and the append-only file.
    pub feed: Feed,
    pub append_only: AppendOnly,
    /// Where files beside the database are written, if any can be.
    pub disk: Option<Arc<dyn Vfs>>,
    /// While the log is being replayed most commands answer LOADING.
    pub loading: Loading,
}

impl Server {
    /// A server with this configuration. CONFIG SET acts on it once it is attached to the configuration as its
    /// host, alone or as a part of one.
    pub fn new(config: Arc<Config>, clock: Arc<dyn Clock>) -> Self {
        let (tuning, users) = (Tuning::default(), Users::default());
        tuning.load(&config);
        users.configure(&config);
        // One that cannot be is refused where the server is put together.
        let renames = Renames::new(&config.startup().renames).unwrap_or_default();
        Self {
            config,
            clock,
            machine: Arc::new(Nowhere::default()),
            peers: Arc::new(Alone),
            tuning,
            collation: Collation::default(),
            registry: Registry::default(),
            blocked: BlockTable::default(),
            watched: WatchTable::default(),
            stats: Stats::default(),
            eviction: EvictionFigures::default(),
            slowlog: Slowlog::default(),
            latency: Latency::default(),
            pause: Pause::default(),
            shutdown: Shutdown::default(),
            checkpoints: Checkpoints::default(),
            saves: Saves::default(),
            backups: Backups::default(),
            archive: Archive::default(),
            users,
            renames,
            acl_log: AclLog::default(),
            switches: Switches::default(),
            subscriptions: Subscriptions::default(),
            tracking: Tracking::default(),
            scripting: Scripting::default(),
            feed: Feed::default(),
            append_only: AppendOnly::default(),
            disk: None,
            loading: Loading::default(),
        }
    }
}

impl Server {
    /// A connection is over, or as good as over from now on.
    pub fn disconnect(&self, entry: &Arc<Entry>) {
        self.registry.remove(entry);
        self.blocked.forget(entry.id);
        self.watched.forget(entry);
        self.subscriptions.leave(entry.id);
        self.tracking.end(entry.id);
        self.feed.leave(entry.id);
    }

    /// The same on a machine that can be asked.
    pub fn on(self, machine: Arc<dyn Machine>) -> Self {
        Self { machine, ..self }
    }

    /// The same that reaches other servers.
    pub fn among(self, peers: Arc<dyn Peers>) -> Self {
        Self { peers, ..self }
    }

    /// The same with files beside its database.
    pub fn with_disk(self, disk: Arc<dyn Vfs>) -> Self {
        Self {
            disk: Some(disk),
            ..self
        }
    }

    /// Queues bytes for a connection, which leave once the log is written up to `lsn`. One that lets too much pile up
    /// is closed.
    pub fn post(&self, to: &Entry, parts: &[&[u8]], lsn: u64) {
        if to.post(parts, lsn) > 0 {
            self.check_output(to, to.waiting_bytes());
        }
    }

    /// Closes the connection if `bytes` that wait for its client are too many; whether it is to be closed. What a first
    /// buffer takes does not count, so that under the smallest limit a client still gets short replies.
    pub fn check_output(&self, entry: &Entry, bytes: usize) -> bool {
        let limit = self.tuning.output_limit(entry);
        let bytes = if bytes > FIRST_BUFFER_BYTES { bytes } else { 0 };
        if !entry.is_over(limit, bytes, &*self.clock) {
            return false;
        }
        if !entry.has_signal(signal::KILL) {
            add(&self.stats.output_buffer_disconnections, 1);
            tracing::warn!(
                client = entry.id,
                addr = entry.addr,
                "closing a client that reached the output buffer limit"
            );
            entry.signal(signal::KILL);
        }
        true
    }

    /// Closes the connections that have left too much unread for too long.
    pub fn check_outputs(&self) {
        for entry in self.registry.all() {
            self.check_output(&entry, entry.waiting_bytes());
        }
    }
}

impl Host for Server {
    fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        self.collation.apply(config, &*self.machine, changed)?;
        self.tuning.load(config);
        self.users.configure(config);
        Ok(())
    }

    fn reset_statistics(&self) {
        self.stats.reset();
        self.eviction.reset();
        self.scripting.reset_statistics();
        self.append_only.note(|state| state.delayed_syncs = 0);
    }

    fn user_lines(&self) -> Vec<Vec<u8>> {
        if self.config.text(Key::Aclfile).is_empty() {
            self.users.to_lines()
        } else {
            Vec::new()
        }
    }
}
