//! Makes the files longer before their free space is used up, and has memory of the pool cleared before pages need it: a
//! command that needs either would wait for the file system or the kernel, with the engine lock.

use std::ops::Range;

use super::Shared;
use super::durability::SyncPolicy;
use crate::storage::checkpoint::EngineLock;
use crate::storage::log::{Fill, Log};
use crate::storage::pager::Pool;

/// The log has room for what is written in so many microseconds.
const LOG_AHEAD_US: u64 = 500_000;

/// The shortest time in which the rate of writes to the log is measured, in microseconds.
const RATE_US_MIN: u64 = 50_000;

/// The most room that the log is to have, in bytes.
const LOG_AHEAD_BYTES_MAX: u64 = 64 << 20;

/// How often the pool grows by as much as was seen between two looks until memory is made ready again.
const POOL_AHEAD_LOOKS: usize = 3;

/// The most memory of the pool that is made ready, in bytes.
const POOL_AHEAD_BYTES_MAX: usize = 64 << 20;

/// What was last seen of the log and the pool, which says how fast they grow.
#[derive(Debug, Default)]
pub struct Ahead {
    looked_us: u64,
    log_bytes: u64,
    slabs: SlabsSeen,
}

impl Ahead {
    /// Looks at both files, and makes longer what may soon be too short. `pause` is called between writes of zeroes.
    pub fn look(&mut self, shared: &Shared, pause: &mut dyn FnMut()) {
        grow_data_file(shared);
        let now_us = shared.server.clock.mono_us();
        let elapsed_us = now_us.saturating_sub(self.looked_us);
        if elapsed_us < RATE_US_MIN {
            return;
        }
        self.looked_us = now_us;
        let (source, slabs, log) = shared.engine.with(|engine| {
            let slabs = engine.pager().slabs();
            (engine.source().clone(), slabs, engine.log().cloned())
        });
        self.populate(source.pool(), slabs);
        if let Some(log) = log {
            let bytes = self.log_bytes_ahead(&log, elapsed_us);
            if bytes > 0 {
                grow_log(shared, &log, bytes, pause);
            }
        }
    }

    fn populate(&mut self, pool: &Pool, (in_use, most): (usize, usize)) {
        let limit = POOL_AHEAD_BYTES_MAX / pool.slab_bytes();
        for slab in self.slabs.wanted(in_use, most, limit) {
            pool.populate(slab);
        }
    }

    /// How much room the log is to have, in bytes; none while nothing is written.
    fn log_bytes_ahead(&mut self, log: &Log, elapsed_us: u64) -> u64 {
        let total = log.total_bytes_written();
        let written = total - std::mem::replace(&mut self.log_bytes, total);
        let ahead = u128::from(written) * u128::from(LOG_AHEAD_US) / u128::from(elapsed_us);
        u64::try_from(ahead).map_or(LOG_AHEAD_BYTES_MAX, |bytes| bytes.min(LOG_AHEAD_BYTES_MAX))
    }
}

/// Slabs of the pool in use, and those that are ready beyond them.
#[derive(Debug, Default)]
struct SlabsSeen {
    in_use: usize,
    ready: usize,
}

impl SlabsSeen {
    /// The slabs to be made ready now that `in_use` are in use and there may be `most`: as many as a few looks like this
    /// one will need, but no more than `limit`. None while the pool does not grow.
    fn wanted(&mut self, in_use: usize, most: usize, limit: usize) -> Range<usize> {
        let seen = std::mem::replace(&mut self.in_use, in_use);
        // At the first look nobody knows how fast it grows.
        let grown = if seen == 0 {
            0
        } else {
            in_use.saturating_sub(seen)
        };
        let ahead = (grown * POOL_AHEAD_LOOKS).min(limit);
        let begin = self.ready.max(in_use);
        let end = (in_use + ahead).min(most).max(begin);
        self.ready = end;
        begin..end
    }
}

fn grow_log(shared: &Shared, log: &Log, bytes: u64, pause: &mut dyn FnMut()) {
    let fill = match shared.durability.policy() {
        SyncPolicy::Always => Fill::Zeroes,
        SyncPolicy::EverySecond | SyncPolicy::Kernel => Fill::Allocated,
    };
    if let Err(e) = log.grow_ahead(bytes, fill, pause) {
        // Whoever needs the room says so.
        tracing::debug!("the log was not made longer beforehand: {e}");
    }
}

fn grow_data_file(shared: &Shared) {
    let wanted = shared.engine.with(|engine| {
        let growth = engine.pager().growth_ahead()?;
        Some((growth, engine.source().clone()))
    });
    let Some((growth, source)) = wanted else {
        return;
    };
    match source.file().allocate(growth.from_bytes, growth.more_bytes) {
        Ok(()) => shared
            .engine
            .with(|engine| engine.pager_mut().grown(&growth)),
        // Whoever needs the page says so.
        Err(e) => tracing::debug!("the file was not made longer beforehand: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_made_ready_as_fast_as_the_pool_grows_and_once() {
        let mut seen = SlabsSeen::default();
        assert!(
            seen.wanted(5, 100, 16).is_empty(),
            "the pool as it was opened"
        );
        assert!(
            seen.wanted(5, 100, 16).is_empty(),
            "a pool that does not grow"
        );
        assert_eq!(seen.wanted(7, 100, 16), 7..13);
        assert_eq!(seen.wanted(8, 100, 16), 13..13, "what is ready lasts");
        assert_eq!(seen.wanted(18, 100, 16), 18..34, "no more than the limit");
        assert_eq!(
            seen.wanted(90, 100, 16),
            90..100,
            "no more than the pool may hold"
        );
        assert_eq!(
            seen.wanted(101, 100, 16),
            101..101,
            "an operation that needs more for a while"
        );
    }
}
