//! `maxmemory-clients`: connections that hold much memory are closed while all of them together hold too much.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client::{Entry, View, signal};
use super::server::Server;
use super::stats::add;
use crate::config::{Config, Key};

/// Bytes that a connection takes beside its buffers.
const FIXED_BYTES: usize =
    size_of::<super::client::Client>() + size_of::<Entry>() + size_of::<View>();

/// About what the tables have for a key that is watched, for a subscription, or for a prefix that is tracked.
pub(super) const TABLE_ENTRY_BYTES: usize = 96;

/// A lower limit is raised to this many bytes, so that somebody can still connect and change it.
const LIMIT_BYTES_MIN: u64 = 128 << 10;

/// A connection that holds one part in this many of the limit is looked at after each of its turns; others in the
/// background.
const LARGE_SHARE: u64 = 8;

/// `maxmemory-clients` in bytes, as it is or as a share of `maxmemory`; 0: no limit.
pub fn bytes_max(config: &Config) -> u64 {
    let number = config.number(Key::MaxmemoryClients);
    let bytes = if number < 0 {
        let share = u128::from(config.maxmemory()) * u128::from(number.unsigned_abs()) / 100;
        u64::try_from(share).unwrap_or(u64::MAX)
    } else {
        number.unsigned_abs()
    };
    if bytes == 0 {
        0
    } else {
        bytes.max(LIMIT_BYTES_MIN)
    }
}

/// Bytes that a connection holds: buffers, words, what its transaction has queued, what it watches, tracks and listens
/// to.
pub fn held_bytes(entry: &Entry, view: &View) -> usize {
    let buffers = view.buffers;
    let listed = entry.watch.keys()
        + view.subscriptions.channels
        + view.subscriptions.patterns
        + view.subscriptions.shards;
    FIXED_BYTES
        + buffers.input
        + buffers.input_free
        + buffers.words
        + view.multi_bytes
        + buffers.output_capacity
        + entry.waiting_bytes()
        + listed * TABLE_ENTRY_BYTES
        + entry.prefix_bytes.load(Ordering::Relaxed)
}

/// After a hold of the engine lock by a connection: if it holds much, there may be too much now.
pub fn after_hold(server: &Server, entry: &Entry) {
    let bytes_max = server.tuning.clients_bytes_max.load(Ordering::Relaxed);
    if bytes_max == 0 {
        return;
    }
    let held = held_bytes(entry, &entry.view.lock()) as u64;
    if held.saturating_mul(LARGE_SHARE) >= bytes_max {
        make_room(server);
    }
}

/// Closes connections, those that hold most first, until all hold no more than they may. CLIENT NO-EVICT protects one.
pub fn make_room(server: &Server) {
    let bytes_max = server.tuning.clients_bytes_max.load(Ordering::Relaxed);
    if bytes_max == 0 {
        return;
    }
    let mut total = 0_u64;
    let mut holders: Vec<(u64, Arc<Entry>)> = Vec::new();
    for entry in server.registry.all() {
        if entry.has_signal(signal::KILL) {
            continue;
        }
        let (bytes, is_safe) = {
            let view = entry.view.lock();
            (held_bytes(&entry, &view) as u64, view.no_evict)
        };
        total += bytes;
        if !is_safe {
            holders.push((bytes, entry));
        }
    }
    if total <= bytes_max {
        return;
    }
    holders.sort_unstable_by_key(|(bytes, entry)| (*bytes, entry.id));
    while total > bytes_max
        && let Some((bytes, entry)) = holders.pop()
    {
        total -= bytes;
        add(&server.stats.evicted_clients, 1);
        tracing::info!(
            client = entry.id,
            addr = entry.addr,
            bytes,
            "closing a client to make room for others"
        );
        server.disconnect(&entry);
        entry.signal(signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::client::Origin;
    use crate::vfs::OsClock;

    fn server(limit: u64, held: &[(usize, bool)]) -> (Server, Vec<Arc<Entry>>) {
        let server = Server::new(Arc::new(Config::default()), Arc::new(OsClock::default()));
        let limit_of = &server.tuning.clients_bytes_max;
        limit_of.store(limit, Ordering::Relaxed);
        let entries = held.iter().map(|(bytes, no_evict)| {
            let id = server.registry.next_id();
            let entry = Arc::new(Entry::new(id, Origin::default(), 0));
            {
                let mut view = entry.view.lock();
                view.buffers.input = *bytes;
                view.no_evict = *no_evict;
            }
            server.registry.insert(Arc::clone(&entry));
            entry
        });
        let entries = entries.collect();
        (server, entries)
    }

    #[test]
    fn those_that_hold_most_go_first_and_protected_ones_stay() {
        const MB: usize = 1 << 20;
        let (server, entries) = server(
            5 << 20,
            &[
                (MB, false),
                (4 * MB, true),
                (3 * MB, false),
                (2 * MB, false),
                (0, false),
            ],
        );
        make_room(&server);
        let gone: Vec<bool> = entries
            .iter()
            .map(|entry| entry.has_signal(signal::KILL))
            .collect();
        // What every connection takes anyway makes the last megabyte too much.
        assert_eq!(gone, [true, false, true, true, false]);
        assert_eq!(server.stats.evicted_clients.load(Ordering::Relaxed), 3);
        assert_eq!(server.registry.len(), 2);
    }

    #[test]
    fn only_a_connection_that_holds_much_is_looked_at_after_its_hold() {
        let (server, entries) = server(1 << 20, &[(1000, false), (2 << 20, false)]);
        after_hold(&server, &entries[0]);
        assert!(!entries[1].has_signal(signal::KILL));
        after_hold(&server, &entries[1]);
        assert!(entries[1].has_signal(signal::KILL));
        assert!(!entries[0].has_signal(signal::KILL));
    }

    #[test]
    fn the_limit_is_bytes_or_a_share_of_maxmemory() {
        let config = Config::default();
        let caller = crate::config::Caller {
            is_local: true,
            is_loading: false,
        };
        let set = |name: &str, value: &str| {
            let pairs = [(name.as_bytes(), value.as_bytes())];
            config.set(&pairs, caller).expect("a directive");
        };
        assert_eq!(bytes_max(&config), 0);
        set("maxmemory-clients", "7%");
        assert_eq!(bytes_max(&config), 0);
        set("maxmemory", "100mb");
        assert_eq!(bytes_max(&config), 7 << 20);
        set("maxmemory-clients", "1");
        assert_eq!(bytes_max(&config), LIMIT_BYTES_MIN);
    }
}
