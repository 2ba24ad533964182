//! The words that directives of fixed choice accept, in the order error messages list them. Where two words share
//! a number they mean the same, and the first is the one shown.

/// Words and the numbers they are kept as.
pub type Words = &'static [(&'static str, i64)];

pub const SUPERVISED: Words = &[("upstart", 0), ("systemd", 1), ("auto", 2), ("no", 3)];
pub const LOG_LEVELS: Words = &[
    ("debug", 0),
    ("verbose", 1),
    ("notice", 2),
    ("warning", 3),
    ("nothing", 4),
];
pub const FSYNC_POLICIES: Words = &[("everysec", 0), ("always", 1), ("no", 2)];
pub const PERMISSIONS: Words = &[("no", 0), ("yes", 1), ("local", 2)];
pub const CORRUPTION_ANSWERS: Words = &[("abort", 0), ("truncate", 1)];
pub const EVICTION_POLICIES: Words = &[
    ("volatile-lru", 0),
    ("volatile-lfu", 1),
    ("volatile-random", 2),
    ("volatile-ttl", 3),
    ("allkeys-lru", 4),
    ("allkeys-lfu", 5),
    ("allkeys-random", 6),
    ("noeviction", 7),
];
pub const SYSLOG_FACILITIES: Words = &[
    ("user", 0),
    ("local0", 1),
    ("local1", 2),
    ("local2", 3),
    ("local3", 4),
    ("local4", 5),
    ("local5", 6),
    ("local6", 7),
    ("local7", 8),
];
/// Bits: several may be given at once.
pub const SHUTDOWN_OPTIONS: Words = &[
    ("default", 0),
    ("save", SHUTDOWN_SAVE),
    ("nosave", SHUTDOWN_NOSAVE),
    ("now", 4),
    ("force", 8),
];
pub const SHUTDOWN_SAVE: i64 = 1;
pub const SHUTDOWN_NOSAVE: i64 = 2;
pub const DISKLESS_LOADS: Words = &[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2)];
pub const TLS_CLIENT_CHECKS: Words = &[("no", 0), ("yes", 1), ("optional", 2)];
pub const OOM_SCORE_MODES: Words = &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)];
pub const PUBSUB_DEFAULTS: Words = &[("allchannels", 0), ("resetchannels", 1)];
pub const SANITIZE_MODES: Words = &[("no", 0), ("yes", 1), ("clients", 2)];
pub const ENDPOINT_TYPES: Words = &[("ip", 0), ("hostname", 1), ("unknown-endpoint", 2)];
pub const PROPAGATION_ERRORS: Words = &[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)];
