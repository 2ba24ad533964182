//! The directives that sessions and the shell read often, in the form they need them.
//!
//! CONFIG SET stores the new value here; every reader sees it from its next batch of commands on. No reader
//! concludes from one setting to another, so every access is relaxed.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use super::client::Entry;
use super::client_eviction;
use super::output_limit::OutputLimit;
use crate::config::{Config, Key, Permission};

/// Current values.
#[derive(Debug)]
pub struct Tuning {
    pub databases: AtomicU64,
    /// `min-replicas-to-write`.
    pub replicas_to_write_min: AtomicU64,
    /// `proto-max-bulk-len`, bytes.
    pub bulk_bytes_max: AtomicU64,
    /// `client-query-buffer-limit`, bytes.
    pub query_buffer_bytes_max: AtomicU64,
    pub maxclients: AtomicU64,
    /// `timeout`, seconds; 0: never.
    pub timeout_s: AtomicU64,
    /// `tcp-keepalive`, seconds; 0: off.
    pub keepalive_s: AtomicU64,
    pub protected_mode: AtomicBool,
    /// `slowlog-log-slower-than`, microseconds; negative: off.
    pub slowlog_us_min: AtomicI64,
    pub slowlog_len_max: AtomicU64,
    /// `latency-monitor-threshold`, milliseconds; 0: off.
    pub latency_ms_min: AtomicU64,
    /// `latency-tracking`: the durations of commands are kept as distributions.
    pub latency_tracking: AtomicBool,
    /// `client-output-buffer-limit normal` and `pubsub`.
    output_normal: OutputLimit,
    output_pubsub: OutputLimit,
    output_replica: OutputLimit,
    /// `notify-keyspace-events`, as bits of [`crate::config::events`].
    pub events: AtomicI64,
    /// `tracking-table-max-keys`; 0: no limit.
    pub tracked_keys_max: AtomicU64,
    /// `busy-reply-threshold`, milliseconds; 0: never.
    pub busy_reply_ms: AtomicU64,
    /// `maxmemory`, bytes of data; 0: no limit.
    pub maxmemory: AtomicU64,
    /// `maxmemory-clients`, bytes that all connections may hold; 0: no limit.
    pub clients_bytes_max: AtomicU64,
    /// How often in a second the periodic jobs run.
    pub hz: AtomicU64,
    /// From where DEBUG may come.
    pub debug_allowed: Allowed,
    /// From where MODULE may come.
    pub module_allowed: Allowed,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            replicas_to_write_min: AtomicU64::default(),
            databases: AtomicU64::new(16),
            bulk_bytes_max: AtomicU64::new(512 << 20),
            query_buffer_bytes_max: AtomicU64::new(1 << 30),
            maxclients: AtomicU64::new(10_000),
            timeout_s: AtomicU64::new(0),
            keepalive_s: AtomicU64::new(300),
            protected_mode: AtomicBool::new(true),
            slowlog_us_min: AtomicI64::new(10_000),
            slowlog_len_max: AtomicU64::new(128),
            latency_ms_min: AtomicU64::new(0),
            latency_tracking: AtomicBool::new(true),
            output_normal: OutputLimit::default(),
            output_pubsub: OutputLimit::default(),
            output_replica: OutputLimit::default(),
            events: AtomicI64::new(0),
            tracked_keys_max: AtomicU64::new(1_000_000),
            busy_reply_ms: AtomicU64::new(5000),
            maxmemory: AtomicU64::new(0),
            clients_bytes_max: AtomicU64::new(0),
            hz: AtomicU64::new(10),
            debug_allowed: Allowed::default(),
            module_allowed: Allowed::default(),
        }
    }
}

/// Who may run a protected command.
#[derive(Debug, Default)]
pub struct Allowed {
    everybody: AtomicBool,
    local: AtomicBool,
}

impl Allowed {
    fn set(&self, permission: Permission) {
        self.everybody
            .store(permission == Permission::Yes, Ordering::Relaxed);
        self.local
            .store(permission == Permission::Local, Ordering::Relaxed);
    }

    /// Whether a connection may; `is_local` if it comes from this machine.
    pub fn to(&self, is_local: bool) -> bool {
        self.everybody.load(Ordering::Relaxed) || (is_local && self.local.load(Ordering::Relaxed))
    }
}

impl Tuning {
    /// The values of `config`.
    pub fn load(&self, config: &Config) {
        let set = |setting: &AtomicU64, value: u64| setting.store(value, Ordering::Relaxed);
        set(&self.databases, u64::from(config.databases()));
        set(&self.bulk_bytes_max, config.proto_max_bulk_bytes());
        set(
            &self.query_buffer_bytes_max,
            config.query_buffer_limit_bytes(),
        );
        set(&self.maxclients, config.maxclients());
        set(&self.timeout_s, config.timeout_s());
        set(&self.keepalive_s, u64::from(config.tcp_keepalive_s()));
        set(&self.slowlog_len_max, config.slowlog_entries_max());
        set(&self.latency_ms_min, config.latency_threshold_ms());
        set(&self.busy_reply_ms, config.busy_reply_threshold_ms());
        set(&self.maxmemory, config.maxmemory());
        set(&self.clients_bytes_max, client_eviction::bytes_max(config));
        set(&self.hz, u64::from(config.hz()));
        let output = config.output_limits();
        self.output_normal.set(&output.normal);
        self.output_pubsub.set(&output.pubsub);
        self.output_replica.set(&output.replica);
        set(&self.replicas_to_write_min, config.replicas_to_write_min());
        self.events
            .store(config.keyspace_events(), Ordering::Relaxed);
        set(&self.tracked_keys_max, config.tracked_keys_max());
        self.latency_tracking
            .store(config.is_on(Key::LatencyTracking), Ordering::Relaxed);
        self.slowlog_us_min
            .store(config.slowlog_slower_than_us(), Ordering::Relaxed);
        self.protected_mode
            .store(config.protected_mode(), Ordering::Relaxed);
        self.debug_allowed.set(config.enable_debug_command());
        self.module_allowed.set(config.enable_module_command());
    }

    /// How much a connection may leave unread.
    pub fn output_limit(&self, entry: &Entry) -> &OutputLimit {
        if entry.is_replica() {
            &self.output_replica
        } else if entry.is_subscriber() {
            &self.output_pubsub
        } else {
            &self.output_normal
        }
    }
}
