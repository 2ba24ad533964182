//! Looks out for what comes next a moment before a worker sleeps.
//!
//! Whoever wakes a thread that sleeps pays for it: on a machine whose idle processors have to be called, a client that
//! sends one request at a time spends a tenth of its time on that. A worker that would have slept only for a moment looks
//! again and again instead, for at most [`SPIN_US`], while another processor is there for everybody else. One that
//! has little to do does not: its last wait was longer.

use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Notify;

/// How long a worker looks out before it sleeps, in microseconds.
const SPIN_US: u64 = 50;
/// After a wait that took longer, in microseconds, the next one is not expected to be short.
const SHORT_WAIT_US: u64 = 2 * SPIN_US;

/// Decides from wait to wait.
#[derive(Debug)]
pub struct SpinWait {
    last_wait_us: Cell<u64>,
}

impl Default for SpinWait {
    fn default() -> Self {
        Self {
            last_wait_us: Cell::new(u64::MAX),
        }
    }
}

impl SpinWait {
    /// Waits until `wake` is notified, and looks out for it first if that `may` be worth it. `now_us` is a clock that does
    /// not go back, in microseconds.
    pub async fn wait(&self, wake: &Notify, may: bool, now_us: impl Fn() -> u64) {
        let since_us = now_us();
        let waited_us = || now_us().saturating_sub(since_us);
        let mut notified = pin!(wake.notified());
        let mut is_notified = false;
        if may && self.last_wait_us.get() <= SHORT_WAIT_US {
            while !is_notified && waited_us() < SPIN_US {
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

    /// What the clock, which goes on by a microsecond each time it is read, says behind a wait that is ended at
    /// `notify_after_us`: by whoever reads the clock then, or else while the other sleeps.
    fn reads(spin: &SpinWait, may: bool, notify_after_us: u64) -> u64 {
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
                for _ in 0..2 * SPIN_US {
                    tokio::task::yield_now().await;
                }
                if clock.get() < notify_after_us {
                    clock.set(notify_after_us);
                }
                wake.notify_one();
            };
            tokio::join!(spin.wait(&wake, may, read), waker);
        });
        clock.get()
    }

    #[test]
    fn a_short_wait_is_followed_by_one_that_looks_out() {
        let spin = SpinWait::default();
        let short_us = SHORT_WAIT_US / 2;
        // Nothing is known yet: the clock is read when the wait begins and when it ends.
        assert_eq!(reads(&spin, true, short_us), short_us + 1);
        assert_eq!(spin.last_wait_us.get(), short_us);
        // It looks until it is told.
        assert_eq!(reads(&spin, true, 5), 6);
        assert_eq!(spin.last_wait_us.get(), 5);
        // It does not look for longer than it may, and a long wait is not followed by looking.
        reads(&spin, true, 1000);
        assert_eq!(spin.last_wait_us.get(), 1000);
        assert_eq!(reads(&spin, true, 5), 6);
    }

    #[test]
    fn who_has_the_only_processor_sleeps() {
        let spin = SpinWait::default();
        spin.last_wait_us.set(0);
        assert_eq!(reads(&spin, false, SHORT_WAIT_US), SHORT_WAIT_US + 1);
    }
}
