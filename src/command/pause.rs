//! CLIENT PAUSE: until when which commands wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A pause. It is changed and read under the engine lock, which orders the two fields.
#[derive(Debug, Default)]
pub struct Pause {
    /// Wall time in milliseconds; 0: none.
    end_ms: AtomicU64,
    /// All commands, not only those that write.
    all: AtomicBool,
    /// How many commands were held back, ever.
    held: AtomicU64,
}

impl Pause {
    /// Begins or extends: the later end and the stricter kind win over what is on.
    pub fn begin(&self, end_ms: u64, all: bool, now_ms: u64) {
        let active = self.end_ms.load(Ordering::Relaxed) > now_ms;
        let all = all || (active && self.all.load(Ordering::Relaxed));
        let end_ms = if active {
            end_ms.max(self.end_ms.load(Ordering::Relaxed))
        } else {
            end_ms
        };
        self.end_ms.store(end_ms, Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.end_ms.store(0, Ordering::Relaxed);
    }

    /// Whether the caller is the first who sees that the pause ended at this time, which has come. Without the engine
    /// lock: it holds nothing back before and after.
    pub fn is_seen_to_end(&self, end_ms: u64, now_ms: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        let seen = || self.end_ms.compare_exchange(end_ms, 0, relaxed, relaxed);
        end_ms <= now_ms && seen().is_ok()
    }

    /// The place of a command that is held back among all of them.
    pub fn line_up(&self) -> u64 {
        self.held.fetch_add(1, Ordering::Relaxed)
    }

    /// Until when a command has to wait, if it has to.
    pub fn holds(&self, writes: bool, now_ms: u64) -> Option<u64> {
        let end_ms = self.end_ms.load(Ordering::Relaxed);
        (end_ms > now_ms && (writes || self.all.load(Ordering::Relaxed))).then_some(end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_end_and_the_stricter_kind_win() {
        let pause = Pause::default();
        assert_eq!(pause.holds(true, 0), None);
        pause.begin(100, false, 0);
        assert_eq!(pause.holds(false, 50), None);
        assert_eq!(pause.holds(true, 50), Some(100));
        pause.begin(80, true, 50);
        assert_eq!(pause.holds(false, 50), Some(100));
        pause.begin(90, false, 60);
        assert_eq!(pause.holds(false, 60), Some(100));
        assert_eq!(pause.holds(true, 100), None);
        pause.begin(200, false, 150);
        assert_eq!(pause.holds(false, 160), None);
        pause.end();
        assert_eq!(pause.holds(true, 160), None);
    }

    #[test]
    fn one_sees_the_end_and_places_follow_each_other() {
        let pause = Pause::default();
        pause.begin(100, true, 0);
        assert!(!pause.is_seen_to_end(100, 99));
        pause.begin(120, true, 50);
        assert!(!pause.is_seen_to_end(100, 110));
        assert_eq!(pause.holds(true, 110), Some(120));
        assert!(pause.is_seen_to_end(120, 120));
        assert!(!pause.is_seen_to_end(120, 121));
        let (first, second) = (pause.line_up(), pause.line_up());
        assert!(first < second);
    }
}
