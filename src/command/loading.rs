//! How far the server is with opening its file.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::resp::ErrorReply;

/// The answer to commands that need the data.
pub const REFUSAL: ErrorReply = ErrorReply::new("LOADING Redis is loading the dataset in memory");

/// The progress of a replay. The figures are independent of each other; `is_on` is stored after what it says.
#[derive(Debug, Default)]
pub struct Loading {
    is_on: AtomicBool,
    /// Wall time of the start, in milliseconds.
    started_ms: AtomicU64,
    /// Transactions replayed, and how many there are to replay.
    done: AtomicU64,
    total: AtomicU64,
}

/// What INFO tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub started_ms: u64,
    /// In transactions.
    pub done: u64,
    pub total: u64,
}

impl Progress {
    /// How much is done, of 100.
    pub fn percent(&self) -> f64 {
        100.0 * self.done as f64 / self.total.max(1) as f64
    }

    /// How long the rest will take if it goes on like this, in seconds; at least 1 while there is a rest, or where
    /// it is not known yet.
    pub fn remaining_s(&self, now_ms: u64) -> u64 {
        let elapsed_ms = u128::from(now_ms.saturating_sub(self.started_ms));
        let rest = u128::from(self.total.saturating_sub(self.done));
        let remaining_ms = elapsed_ms * rest / u128::from(self.done + 1);
        (remaining_ms / 1000).max(u128::from(rest > 0 || self.total == 0)) as u64
    }
}

impl Loading {
    pub fn is_on(&self) -> bool {
        // Pairs with the release in `begin` and `end`.
        self.is_on.load(Ordering::Acquire)
    }

    /// From now on commands are refused.
    pub fn begin(&self, now_ms: u64) {
        self.started_ms.store(now_ms, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Release);
    }

    /// So much is done.
    pub fn advance(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// The data is there.
    pub fn end(&self) {
        self.is_on.store(false, Ordering::Release);
    }

    /// How far it is; None: it is done.
    pub fn progress(&self) -> Option<Progress> {
        self.is_on().then(|| Progress {
            started_ms: self.started_ms.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let loading = Loading::default();
        assert_eq!(loading.progress(), None);
        loading.begin(10_000);
        loading.advance(2_499, 10_000);
        let progress = loading.progress().expect("it is on");
        assert_eq!(progress.remaining_s(20_000), 30);
        assert!((progress.percent() - 24.99).abs() < 1e-9);
        loading.end();
        assert!(!loading.is_on());
    }
}
