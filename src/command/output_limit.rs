//! How much a connection may leave unread: `client-output-buffer-limit` of one class of connections.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::composite;
use crate::vfs::Clock;

/// The limit of a class. CONFIG SET changes it; no reader concludes from one figure to another.
#[derive(Debug, Default)]
pub struct OutputLimit {
    /// So many bytes close the connection; 0: none do.
    hard_bytes: AtomicU64,
    /// So many bytes close it if they wait for longer than `soft_s` seconds; 0: none do.
    soft_bytes: AtomicU64,
    soft_s: AtomicU64,
}

impl OutputLimit {
    /// Takes over the configured limit.
    pub fn set(&self, limit: &composite::OutputLimit) {
        self.hard_bytes.store(limit.hard_bytes, Ordering::Relaxed);
        self.soft_bytes.store(limit.soft_bytes, Ordering::Relaxed);
        let seconds = u64::try_from(limit.soft_seconds).unwrap_or(0);
        self.soft_s.store(seconds, Ordering::Relaxed);
    }

    /// Whether `bytes` that wait are too many. `soft_since_ms` is the wall time in milliseconds since when the soft
    /// limit is exceeded, or 0.
    pub fn is_exceeded(&self, bytes: u64, soft_since_ms: &AtomicU64, clock: &dyn Clock) -> bool {
        let exceeds = |limit: &AtomicU64| {
            let limit = limit.load(Ordering::Relaxed);
            limit != 0 && bytes >= limit
        };
        if exceeds(&self.hard_bytes) {
            return true;
        }
        if !exceeds(&self.soft_bytes) {
            if soft_since_ms.load(Ordering::Relaxed) != 0 {
                soft_since_ms.store(0, Ordering::Relaxed);
            }
            return false;
        }
        let now_ms = clock.wall_ms();
        let since_ms = soft_since_ms.load(Ordering::Relaxed);
        if since_ms == 0 {
            soft_since_ms.store(now_ms, Ordering::Relaxed);
            return false;
        }
        now_ms.saturating_sub(since_ms) / 1000 > self.soft_s.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that a test moves.
    #[derive(Debug, Default)]
    struct HandClock(AtomicU64);

    impl Clock for HandClock {
        fn wall_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
        fn wall_us(&self) -> u64 {
            self.wall_ms() * 1000
        }
        fn mono_us(&self) -> u64 {
            self.wall_us()
        }
    }

    #[test]
    fn the_hard_limit_holds_at_once_and_the_soft_one_after_its_time() {
        let (limit, since, clock) = (
            OutputLimit::default(),
            AtomicU64::new(0),
            HandClock(AtomicU64::new(50_000)),
        );
        let exceeded = |bytes| limit.is_exceeded(bytes, &since, &clock);
        assert!(!exceeded(u64::MAX), "no limit");
        limit.set(&composite::OutputLimit {
            hard_bytes: 100,
            soft_bytes: 10,
            soft_seconds: 2,
        });
        assert!(exceeded(100));
        assert!(!exceeded(99));
        clock.0.store(52_999, Ordering::Relaxed);
        assert!(!exceeded(10));
        clock.0.store(53_000, Ordering::Relaxed);
        assert!(exceeded(10));
        assert!(!exceeded(9), "below the soft limit time begins anew");
        assert!(!exceeded(10));
    }
}
