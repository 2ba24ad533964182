//! `maxmemory`: how many bytes the data may take, and keys that are given up so that it takes no more.
//!
//! Keys go before a command runs, each in a commit of its own, and in the background. A command that would add data
//! is refused only when no key can be given up. What one command has to wait for is bounded by
//! `maxmemory-eviction-tenacity`; the background goes on with the rest.

use std::sync::atomic::{AtomicU64, Ordering};

use super::effects;
use super::server::Server;
use super::settings;
use super::stats::add_locked;
use crate::keyspace::Keyspace;
use crate::resp::ErrorReply;
use crate::storage::{Error, OnMiss};

/// What a command that adds data is answered when no key can be given up.
pub const OUT_OF_MEMORY: ErrorReply =
    ErrorReply::new("OOM command not allowed when used memory > 'maxmemory'.");

/// Keys that are given up between two looks at the clock.
const KEYS_A_LOOK: u64 = 16;

/// For how long a turn in the background gives up keys, in microseconds.
const BACKGROUND_US: u64 = 20_000;

/// For how long the data took too much, and how much it ever took. Changed and read under the engine lock.
#[derive(Debug, Default)]
pub struct EvictionFigures {
    /// Since when it takes too much, in monotonic microseconds; 0: it does not.
    exceeded_since_us: AtomicU64,
    /// Microseconds in which it took too much, up to the latest end of such a time.
    exceeded_us: AtomicU64,
    /// The most bytes seen.
    peak_bytes: AtomicU64,
}

impl EvictionFigures {
    /// Notes whether there is too much data now.
    fn note(&self, is_exceeded: bool, now_us: u64) {
        let since_us = self.exceeded_since_us.load(Ordering::Relaxed);
        if is_exceeded && since_us == 0 {
            self.exceeded_since_us
                .store(now_us.max(1), Ordering::Relaxed);
        } else if !is_exceeded && since_us != 0 {
            add_locked(&self.exceeded_us, now_us.saturating_sub(since_us));
            self.exceeded_since_us.store(0, Ordering::Relaxed);
        }
    }

    /// Milliseconds in which the data took too much: over all, and since the latest time it began to.
    pub fn exceeded_ms(&self, now_us: u64) -> (u64, u64) {
        let since_us = self.exceeded_since_us.load(Ordering::Relaxed);
        let current_us = if since_us == 0 {
            0
        } else {
            now_us.saturating_sub(since_us)
        };
        let total_us = self.exceeded_us.load(Ordering::Relaxed) + current_us;
        (total_us / 1000, current_us / 1000)
    }

    /// The most bytes that were ever seen, `bytes` included.
    pub fn peak(&self, bytes: u64) -> u64 {
        let peak = self.peak_bytes.load(Ordering::Relaxed).max(bytes);
        self.peak_bytes.store(peak, Ordering::Relaxed);
        peak
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for figure in [&self.exceeded_us, &self.exceeded_since_us] {
            figure.store(0, Ordering::Relaxed);
        }
    }
}

/// Whether there is room for more data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// The data takes more than it may, and no key can be given up.
    None,
}

/// Gives up keys while the data takes more than it may. Changes are left in the keyspace, for [`effects`] to tell.
/// An error other than a miss counts as a key that cannot be given up.
pub fn make_room(keyspace: &mut Keyspace, server: &Server, now_ms: u64) -> Result<Room, Error> {
    let bytes_max = server.tuning.maxmemory.load(Ordering::Relaxed);
    if bytes_max == 0 || server.loading.is_on() || server.pause.holds(true, now_ms).is_some() {
        return Ok(Room::Enough);
    }
    if keyspace.used_bytes() <= bytes_max {
        server.eviction.note(false, server.clock.mono_us());
        return Ok(Room::Enough);
    }
    effects::listen(keyspace, server, now_ms);
    let urgent = keyspace.engine.pager().is_urgent();
    keyspace.engine.set_urgent(true);
    let room = give_up(keyspace, server, bytes_max, now_ms);
    keyspace.engine.set_urgent(urgent);
    let is_exceeded = keyspace.used_bytes() > bytes_max;
    server.eviction.note(is_exceeded, server.clock.mono_us());
    room
}

/// Goes on in the background with what commands did not wait for.
pub fn make_room_in_background(keyspace: &mut Keyspace, server: &Server, now_ms: u64) {
    let end_us = server.clock.mono_us().saturating_add(BACKGROUND_US);
    loop {
        let used = keyspace.used_bytes();
        keyspace.engine.begin_command(OnMiss::Read);
        match make_room(keyspace, server, now_ms) {
            Ok(Room::Enough) => {}
            Ok(Room::None) => return,
            Err(error) => return tracing::debug!("no room was made: {error}"),
        }
        if keyspace.used_bytes() >= used || server.clock.mono_us() > end_us {
            return;
        }
    }
}

fn give_up(
    keyspace: &mut Keyspace,
    server: &Server,
    bytes_max: u64,
    now_ms: u64,
) -> Result<Room, Error> {
    let Some(rule) = settings::eviction_rule(server) else {
        return Ok(Room::None);
    };
    let end_us = settings::eviction_us_max(server)
        .map(|us_max| server.clock.mono_us().saturating_add(us_max));
    let mut gone = 0_u64;
    while keyspace.used_bytes() > bytes_max {
        match keyspace.evict_one(&rule, now_ms) {
            Ok(true) => {
                gone += 1;
                // Its pages may leave the cache.
                keyspace.engine.pager_mut().pass_on();
            }
            Ok(false) => return Ok(Room::None),
            Err(Error::Miss) => return Err(Error::Miss),
            Err(error) => {
                tracing::debug!("no key was given up: {error}");
                return Ok(Room::None);
            }
        }
        let is_looking = gone.is_multiple_of(KEYS_A_LOOK);
        if is_looking && end_us.is_some_and(|end_us| server.clock.mono_us() > end_us) {
            break;
        }
    }
    Ok(Room::Enough)
}
