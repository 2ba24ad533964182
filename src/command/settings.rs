//! The configuration that data commands depend on, each directive at one place.

use std::sync::atomic::Ordering;

use super::Call;
use super::server::Server;
use crate::config::Key;
use crate::interchange::import;
use crate::keyspace::access::Fading;
use crate::keyspace::eviction::{Merit, Rule};
use crate::keyspace::list;
use crate::keyspace::set;
use crate::keyspace::stream::node::NodeLimits;
use crate::keyspace::{hash, sorted_set};
use crate::storage::BODY_BYTES_MAX;

/// The longest a string may become, in bytes: `proto-max-bulk-len`, as far as the file can hold it.
pub fn string_bytes_max(call: &Call<'_>) -> u64 {
    let wanted = call.server.config.proto_max_bulk_bytes();
    wanted.min(BODY_BYTES_MAX)
}

/// `hll-sparse-max-bytes`: the longest a sparse HyperLogLog may become.
pub fn hll_sparse_max_bytes(call: &Call<'_>) -> usize {
    usize::try_from(call.server.config.hll_sparse_max_bytes()).unwrap_or(usize::MAX)
}

/// `hash-max-listpack-entries` and `hash-max-listpack-value`.
pub fn hash_limits(server: &Server) -> hash::Limits {
    hash::Limits {
        entries_max: server.config.hash_max_listpack_entries(),
        value_bytes_max: server.config.hash_max_listpack_value(),
    }
}

/// `list-max-listpack-size`, and what DEBUG QUICKLIST-PACKED-THRESHOLD has set: what decides how lists are named.
pub fn list_limits(server: &Server) -> list::Limits {
    let plain_bytes_min = server.switches.packed_bytes.load(Ordering::Relaxed);
    list::Limits {
        fill: server.config.list_max_listpack_size(),
        plain_bytes_min: (plain_bytes_min > 0).then_some(plain_bytes_min),
    }
}

/// `set-max-intset-entries`, `set-max-listpack-entries` and `set-max-listpack-value`.
pub fn set_limits(server: &Server) -> set::Limits {
    let config = &server.config;
    set::Limits {
        integers_max: config.set_max_intset_entries(),
        entries_max: config.set_max_listpack_entries(),
        value_bytes_max: config.set_max_listpack_value(),
    }
}

/// `maxmemory-policy`: what keys that are given up are chosen by; None: none are given up.
pub fn eviction_merit(server: &Server) -> Option<Merit> {
    match server.config.number(Key::MaxmemoryPolicy) {
        0 | 4 => Some(Merit::Recency),
        1 | 5 => Some(Merit::Frequency),
        2 | 6 => Some(Merit::Chance),
        3 => Some(Merit::TimeToLive),
        _ => None,
    }
}

/// `maxmemory-policy` and `maxmemory-samples`: which keys are given up to make room; None: none are.
pub fn eviction_rule(server: &Server) -> Option<Rule> {
    let merit = eviction_merit(server)?;
    let samples = server.config.number(Key::MaxmemorySamples);
    Some(Rule {
        merit,
        only_volatile: server.config.number(Key::MaxmemoryPolicy) < 4,
        samples: u64::try_from(samples).unwrap_or(1),
    })
}

/// `maxmemory-eviction-tenacity`: how long a command may be kept by keys that are given up before it, in
/// microseconds; None: until there is room.
pub fn eviction_us_max(server: &Server) -> Option<u64> {
    const STEP_US: u64 = 50;
    const LINEAR_MAX: u64 = 10;
    const GROWTH: f64 = 1.15;
    let tenacity = server.config.number(Key::MaxmemoryEvictionTenacity);
    match u64::try_from(tenacity).unwrap_or_default() {
        tenacity @ 0..=LINEAR_MAX => Some(tenacity * STEP_US),
        tenacity @ ..100 => {
            let steps = (tenacity - LINEAR_MAX) as i32;
            Some(((LINEAR_MAX * STEP_US) as f64 * GROWTH.powi(steps)) as u64)
        }
        _ => None,
    }
}

/// `lfu-log-factor` and `lfu-decay-time`.
pub fn fading(server: &Server) -> Fading {
    let number = |key| u32::try_from(server.config.number(key)).unwrap_or_default();
    Fading {
        log_factor: number(Key::LfuLogFactor),
        decay_minutes: number(Key::LfuDecayTime),
    }
}

/// Whether keys share small integers: not where each needs a use of its own for eviction.
pub fn shares_integers(call: &Call<'_>) -> bool {
    let follows_use = matches!(
        eviction_merit(call.server),
        Some(Merit::Recency | Merit::Frequency)
    );
    !has_maxmemory(call) || !follows_use
}

/// Whether `maxmemory` is set.
pub fn has_maxmemory(call: &Call<'_>) -> bool {
    call.server.config.maxmemory() > 0
}

/// `stream-node-max-entries` and `stream-node-max-bytes`.
pub fn stream_node_limits(server: &Server) -> NodeLimits {
    let number = |key| u64::try_from(server.config.number(key)).unwrap_or_default();
    NodeLimits {
        entries: number(Key::StreamNodeMaxEntries),
        bytes: number(Key::StreamNodeMaxBytes),
    }
}

/// `rdb-version`, or the one that fields with an expiry need.
pub fn rdb_version(server: &Server, has_expiring_fields: bool) -> u16 {
    const WITH_EXPIRING_FIELDS: u16 = 12;
    let version = u16::try_from(server.config.number(Key::RdbVersion)).unwrap_or(u16::MAX);
    if has_expiring_fields {
        version.max(WITH_EXPIRING_FIELDS)
    } else {
        version
    }
}

/// `rdbcompression`.
pub fn rdb_compresses(server: &Server) -> bool {
    server.config.is_on(Key::Rdbcompression)
}

/// `zset-max-listpack-entries` and `zset-max-listpack-value`.
pub fn sorted_set_limits(server: &Server) -> sorted_set::Limits {
    sorted_set::Limits {
        entries_max: server.config.zset_max_listpack_entries(),
        value_bytes_max: server.config.zset_max_listpack_value(),
    }
}

/// What decides the encodings of collections that come in whole.
pub fn import_limits(server: &Server) -> import::Limits {
    import::Limits {
        list: list_limits(server),
        hash: hash_limits(server),
        set: set_limits(server),
        sorted_set: sorted_set_limits(server),
        stream: stream_node_limits(server),
    }
}
