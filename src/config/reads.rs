//! Typed reads of the directives that act. Those kept as numbers cost one relaxed load.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::composite::{OutputLimits, SavePoint};
use super::store::Config;
use super::table::Key;
use super::value::Value;

/// When the log is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    EverySecond,
    Always,
    No,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
    Nothing,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    No,
    Yes,
    /// Connections from this machine.
    Local,
}

/// What recovery does about damage in what was known to be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCorruption {
    Abort,
    Truncate,
}

/// Who watches the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervised {
    Upstart,
    Systemd,
    /// Whichever the environment names.
    Auto,
    No,
}

/// What clients that come over TLS must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsClients {
    /// No certificate is asked for.
    Any,
    /// A certificate.
    MustProve,
    /// A certificate, if they have one.
    MayProve,
}

macro_rules! reads {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $key:ident;)*) => {
        impl Config {
            $($(#[$doc])*
            pub fn $name(&self) -> $type {
                self.number(Key::$key) as $type
            })*
        }
    };
}

reads! {
    /// TCP port; 0 for none.
    port: u16 = Port;
    /// TCP port for TLS; 0 for none.
    tls_port: u16 = TlsPort;
    /// TLS sessions that are remembered; 0 for no limit.
    tls_session_cache_size: usize = TlsSessionCacheSize;
    databases: u32 = Databases;
    maxclients: u64 = Maxclients;
    /// Seconds of silence after which a connection is closed; 0 for never.
    timeout_s: u64 = Timeout;
    /// Seconds between keep-alive probes; 0 for none.
    tcp_keepalive_s: u32 = TcpKeepalive;
    tcp_backlog: i32 = TcpBacklog;
    /// Permission bits of the unix socket; 0 for what the process creates files with.
    unixsocket_mode: u32 = Unixsocketperm;
    hz: u32 = Hz;
    proto_max_bulk_bytes: u64 = ProtoMaxBulkLen;
    query_buffer_limit_bytes: u64 = ClientQueryBufferLimit;
    /// Microseconds from which a command is logged as slow; negative for none.
    slowlog_slower_than_us: i64 = SlowlogLogSlowerThan;
    slowlog_entries_max: u64 = SlowlogMaxLen;
    /// Milliseconds from which an event counts as a latency spike; 0 for none.
    latency_threshold_ms: u64 = LatencyMonitorThreshold;
    /// Milliseconds a script runs before other connections are answered; 0 for ever.
    busy_reply_threshold_ms: u64 = BusyReplyThreshold;
    /// Bits of [`super::events`].
    keyspace_events: i64 = NotifyKeyspaceEvents;
    /// Bytes; 0 for a quarter of the memory there is.
    cache_size: u64 = CacheSize;
    page_size: u32 = PageSize;
    /// Bytes of log at which a checkpoint starts.
    wal_autocheckpoint_bytes: u64 = WalAutocheckpoint;
    /// Seconds; 0 for none by time.
    checkpoint_interval_s: u64 = CheckpointInterval;
    /// Threads; 0 for one for every two cores.
    workers: usize = Workers;
    maxmemory: u64 = Maxmemory;
    hash_max_listpack_entries: u64 = HashMaxListpackEntries;
    hash_max_listpack_value: u64 = HashMaxListpackValue;
    set_max_intset_entries: u64 = SetMaxIntsetEntries;
    set_max_listpack_entries: u64 = SetMaxListpackEntries;
    set_max_listpack_value: u64 = SetMaxListpackValue;
    zset_max_listpack_entries: u64 = ZsetMaxListpackEntries;
    zset_max_listpack_value: u64 = ZsetMaxListpackValue;
    /// Entries when positive; -1 to -5 for 4 to 64 KiB.
    list_max_listpack_size: i32 = ListMaxListpackSize;
    /// Keys that clients are remembered to have read; 0 for no limit.
    tracked_keys_max: u64 = TrackingTableMaxKeys;
    /// Seconds between two PINGs to replicas.
    repl_ping_period_s: u64 = ReplPingReplicaPeriod;
    /// Replicas without which nothing is written; 0 for none.
    replicas_to_write_min: u64 = MinReplicasToWrite;
    /// Seconds since which a replica has said nothing and does not count any more; 0 for never.
    replicas_lag_s_max: u64 = MinReplicasMaxLag;
    /// Percent by which the append-only file grows before it is rewritten; 0 for never.
    aof_rewrite_percentage: u64 = AutoAofRewritePercentage;
    /// Bytes below which the append-only file is not rewritten because it has grown.
    aof_rewrite_bytes_min: u64 = AutoAofRewriteMinSize;
    hll_sparse_max_bytes: u64 = HllSparseMaxBytes;
}

impl Config {
    pub fn protected_mode(&self) -> bool {
        self.is_on(Key::ProtectedMode)
    }

    pub fn daemonize(&self) -> bool {
        self.is_on(Key::Daemonize)
    }

    pub fn appendfsync(&self) -> AppendFsync {
        match self.number(Key::Appendfsync) {
            0 => AppendFsync::EverySecond,
            1 => AppendFsync::Always,
            _ => AppendFsync::No,
        }
    }

    pub fn loglevel(&self) -> LogLevel {
        match self.number(Key::Loglevel) {
            0 => LogLevel::Debug,
            1 => LogLevel::Verbose,
            2 => LogLevel::Notice,
            3 => LogLevel::Warning,
            _ => LogLevel::Nothing,
        }
    }

    pub fn supervised(&self) -> Supervised {
        match self.number(Key::Supervised) {
            0 => Supervised::Upstart,
            1 => Supervised::Systemd,
            2 => Supervised::Auto,
            _ => Supervised::No,
        }
    }

    pub fn on_corruption(&self) -> OnCorruption {
        match self.number(Key::OnCorruption) {
            0 => OnCorruption::Abort,
            _ => OnCorruption::Truncate,
        }
    }

    pub fn tls_auth_clients(&self) -> TlsClients {
        match self.number(Key::TlsAuthClients) {
            0 => TlsClients::Any,
            1 => TlsClients::MustProve,
            _ => TlsClients::MayProve,
        }
    }

    /// The port that stands for the server: that of TLS where there is no other.
    pub fn main_port(&self) -> u16 {
        match self.port() {
            0 => self.tls_port(),
            port => port,
        }
    }

    fn permission(&self, key: Key) -> Permission {
        match self.number(key) {
            0 => Permission::No,
            1 => Permission::Yes,
            _ => Permission::Local,
        }
    }

    /// Who may send DEBUG.
    pub fn enable_debug_command(&self) -> Permission {
        self.permission(Key::EnableDebugCommand)
    }

    /// Who may send MODULE.
    pub fn enable_module_command(&self) -> Permission {
        self.permission(Key::EnableModuleCommand)
    }

    /// Who may set protected directives.
    pub fn enable_protected_configs(&self) -> Permission {
        self.permission(Key::EnableProtectedConfigs)
    }

    /// The password of the default user; empty for none.
    pub fn requirepass(&self) -> Vec<u8> {
        self.text(Key::Requirepass)
    }

    /// Addresses to listen on. A leading `-` means that the address may be missing; `*` and `::*` mean all.
    pub fn bind(&self) -> Vec<Vec<u8>> {
        match &*self.value(Key::Bind) {
            Value::Bind(addresses) => addresses.clone(),
            _ => panic!("bind has addresses"),
        }
    }

    pub fn save_rules(&self) -> Vec<SavePoint> {
        match &*self.value(Key::Save) {
            Value::Save(rules) => rules.clone(),
            _ => panic!("rules of save are rules"),
        }
    }

    /// How much output a client may leave unread.
    pub fn output_limits(&self) -> OutputLimits {
        match &*self.value(Key::ClientOutputBufferLimit) {
            Value::OutputLimits(limits) => *limits,
            _ => panic!("output limits are limits"),
        }
    }

    /// Percentiles of the durations of commands that INFO shows.
    pub fn latency_percentiles(&self) -> Vec<f64> {
        match &*self.value(Key::LatencyTrackingInfoPercentiles) {
            Value::Percentiles(points) => points.0.clone(),
            _ => panic!("percentiles are percentiles"),
        }
    }

    /// A text as a path; None when empty.
    pub fn path(&self, key: Key) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.is_empty()).then(|| PathBuf::from(OsString::from_vec(text)))
    }

    /// The database file, relative to the working directory.
    pub fn dbfile(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.text(Key::Dbfile)))
    }

    pub fn unixsocket(&self) -> Option<PathBuf> {
        self.path(Key::Unixsocket)
    }

    pub fn pidfile(&self) -> Option<PathBuf> {
        self.path(Key::Pidfile)
    }

    /// None for standard output.
    pub fn logfile(&self) -> Option<PathBuf> {
        self.path(Key::Logfile)
    }
}
