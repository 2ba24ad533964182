//! Looks out for what comes next a moment before a worker sleeps.
//!
//! Whoever wakes a thread that sleeps pays for it: on a machine whose idle processors have to be called, a client that
//! sends one request at a time spends a tenth of its time on that. A worker that would have slept only for a moment looks
//! again and again instead, for at most [`LINGER_US`], while another processor is there for everybody else. One that
//! has little to do does not: its last wait was longer.

use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Notify;

/// How long a worker looks out before it sleeps, in microseconds.
const LINGER_US: u64 = 20;
/// After a wait that took longer, in microseconds, the next one is not expected to be short.
const SHORT_WAIT_US: u64 = 2 * LINGER_US;

/// Decides from wait to wait.
#[derive(Debug)]
pub struct Linger {
    /// There is a processor for others.
    is_wanted: bool,
    last_wait_us: Cell<u64>,
}

impl Linger {
    /// One that sleeps at once unless it `is_wanted`.
    pub fn new(is_wanted: bool) -> Self {
        Self {
            is_wanted,
            last_wait_us: Cell::new(u64::MAX),
        }
    }

    /// Waits until `wake` is notified, and looks out for it first if that `may` be worth it. `now_us` is a clock that does
    /// not go back, in microseconds.
    pub async fn wait(&self, wake: &Notify, may: bool, now_us: impl Fn() -> u64) {
        let since_us = now_us();
        let waited_us = || now_us().saturating_sub(since_us);
        let mut notified = pin!(wake.notified());
        let mut is_notified = false;
        if may && self.is_wanted && self.last_wait_us.get() <= SHORT_WAIT_US {
            while !is_notified && waited_us() < LINGER_US {
                // The runtime asks the kernel for events, but does not wait for them, before it goes on here.
                tokio::task::yield_now().await;
                is_notified =
                    std::future::poll_fn(|cx| Poll::Ready(notified.as_mut().poll(cx).is_ready()))
                        .await;
            }
        }
        if !is_notified {
            notified.await;
        }
        self.last_wait_us.set(waited_us());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the clock, which a look moves by a microsecond, was read in a wait that `wake` ends after `looks`.
    fn reads(linger: &Linger, notify_after_us: u64) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let (wake, clock) = (Notify::new(), Cell::new(0));
        let read = || {
            clock.set(clock.get() + 1);
            if clock.get() == notify_after_us {
                wake.notify_one();
            }
            clock.get()
        };
        runtime.block_on(async {
            let waker = async {
                // It comes while the other sleeps.
                for _ in 0..2 * LINGER_US {
                    tokio::task::yield_now().await;
                }
                if clock.get() < notify_after_us {
                    clock.set(notify_after_us);
                }
                wake.notify_one();
            };
            tokio::join!(linger.wait(&wake, true, read), waker);
        });
        clock.get()
    }

    #[test]
    fn a_short_wait_is_followed_by_one_that_looks_out() {
        let linger = Linger::new(true);
        let short_us = SHORT_WAIT_US / 2;
        // Nothing is known yet: the clock is read when the wait begins and when it ends.
        assert_eq!(reads(&linger, short_us), short_us + 1);
        assert_eq!(linger.last_wait_us.get(), short_us);
        // It looks until it is told.
        assert_eq!(reads(&linger, 5), 6);
        assert_eq!(linger.last_wait_us.get(), 5);
        // It does not look for longer than it may, and a long wait is not followed by looking.
        reads(&linger, 1000);
        assert_eq!(linger.last_wait_us.get(), 1000);
        assert_eq!(reads(&linger, 5), 6);
    }

    #[test]
    fn who_has_the_only_processor_sleeps() {
        let linger = Linger::new(false);
        linger.last_wait_us.set(0);
        assert_eq!(reads(&linger, SHORT_WAIT_US), SHORT_WAIT_US + 1);
    }
}
