//! Makes the files longer before their free space is used up: a command that needs space would wait for the file system,
//! with the engine lock.

use super::Shared;
use super::durability::SyncPolicy;
use crate::storage::checkpoint::EngineLock;
use crate::storage::log::{Fill, Log};

/// The log has room for what is written in so many microseconds.
const LOG_AHEAD_US: u64 = 500_000;

/// The shortest time in which the rate of writes to the log is measured, in microseconds.
const RATE_US_MIN: u64 = 50_000;

/// The most room that the log is to have, in bytes.
const LOG_AHEAD_BYTES_MAX: u64 = 64 << 20;

/// What was last seen of the log, which says how fast it is written.
#[derive(Debug, Default)]
pub struct Ahead {
    looked_us: u64,
    log_bytes: u64,
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
        let log = shared.engine.with(|engine| engine.log().cloned());
        if let Some(log) = log {
            let bytes = self.log_bytes_ahead(&log, elapsed_us);
            self.looked_us = now_us;
            if bytes > 0 {
                grow_log(shared, &log, bytes, pause);
            }
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
