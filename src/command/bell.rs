//! Asking a thread for one piece of work at a time, and hearing what became of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::client::{Entry, signal};

/// Outcomes that are kept for clients that have not been answered yet.
const OUTCOMES_MAX: usize = 64;

#[derive(Debug)]
struct Inner<W> {
    wish: Option<W>,
    is_running: bool,
    /// The connection that waits for the end.
    waiter: Option<Arc<Entry>>,
    /// What clients are to hear: their ids and errors.
    outcomes: Vec<(u64, Option<String>)>,
    stop: bool,
}

/// Where work `W` is asked for, and where the thread that does it waits.
#[derive(Debug)]
pub struct Bell<W> {
    inner: Mutex<Inner<W>>,
    changed: Condvar,
}

/// Why the thread goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ring<W> {
    Asked(W),
    /// Time has passed.
    Time,
    /// The server ends.
    Stop,
}

impl<W> Default for Bell<W> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                wish: None,
                is_running: false,
                waiter: None,
                outcomes: Vec::new(),
                stop: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<W> Bell<W> {
    /// Asks; false if something is asked for or under way. A client to be woken at the end may be given.
    pub fn ask(&self, wish: W, waiter: Option<Arc<Entry>>) -> bool {
        let mut inner = self.inner.lock();
        if inner.is_running {
            return false;
        }
        inner.is_running = true;
        inner.wish = Some(wish);
        inner.waiter = waiter;
        self.changed.notify_one();
        true
    }

    /// Whether something is asked for or under way.
    pub fn is_running(&self) -> bool {
        self.inner.lock().is_running
    }

    /// The thread that waits is to end.
    pub fn stop(&self) {
        self.inner.lock().stop = true;
        self.changed.notify_one();
    }

    /// Whether it is to end.
    pub fn is_stopping(&self) -> bool {
        self.inner.lock().stop
    }

    /// Waits until someone asks, at most for `time` if that is given.
    pub fn wait(&self, time: Option<Duration>) -> Ring<W> {
        let mut inner = self.inner.lock();
        while inner.wish.is_none() && !inner.stop {
            match time {
                None => self.changed.wait(&mut inner),
                Some(time) => {
                    self.changed.wait_for(&mut inner, time);
                    break;
                }
            }
        }
        if inner.stop {
            return Ring::Stop;
        }
        inner.wish.take().map_or(Ring::Time, Ring::Asked)
    }

    /// What was asked for is done, or failed.
    pub fn ended(&self, error: Option<String>) {
        let mut inner = self.inner.lock();
        inner.is_running = false;
        if let Some(waiter) = inner.waiter.take() {
            if inner.outcomes.len() == OUTCOMES_MAX {
                // Of a client that is gone.
                inner.outcomes.remove(0);
            }
            inner.outcomes.push((waiter.id, error));
            waiter.signal(signal::DONE);
        }
    }

    /// Why what this client asked for failed, if it did.
    pub fn take_error(&self, client: u64) -> Option<String> {
        let outcomes = &mut self.inner.lock().outcomes;
        let at = outcomes.iter().position(|(id, _)| *id == client)?;
        outcomes.remove(at).1
    }
}
