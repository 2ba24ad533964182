//! One job at a time that a thread does for clients, who hear what became of it.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Entry, signal};
use crate::sync::{Inbox, Wake};

/// Outcomes that are kept for clients that have not been answered yet.
const OUTCOMES_MAX: usize = 64;

#[derive(Debug)]
struct State<W> {
    /// What is asked for and was not begun.
    work: Option<W>,
    is_running: bool,
    /// The connection that waits for the end.
    waiter: Option<Arc<Entry>>,
    /// What clients are to hear: their ids and errors.
    outcomes: Vec<(u64, Option<String>)>,
}

impl<W> Default for State<W> {
    fn default() -> Self {
        Self {
            work: None,
            is_running: false,
            waiter: None,
            outcomes: Vec::new(),
        }
    }
}

/// Where a job, work `W`, is asked for, and where the thread that does it waits.
#[derive(Debug)]
pub struct Job<W>(Inbox<State<W>>);

impl<W> Default for Job<W> {
    fn default() -> Self {
        Self(Inbox::default())
    }
}

impl<W> Job<W> {
    /// Asks; false if something is asked for or under way. A client to be woken at the end may be given.
    pub fn ask(&self, work: W, waiter: Option<Arc<Entry>>) -> bool {
        self.0.ask(|state| {
            if state.is_running {
                return false;
            }
            state.is_running = true;
            state.work = Some(work);
            state.waiter = waiter;
            true
        })
    }

    /// Whether something is asked for or under way.
    pub fn is_running(&self) -> bool {
        self.0.with(|state| state.is_running)
    }

    /// The thread that waits is to end.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Whether it is to end.
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    /// Waits until someone asks, at most for `time` if that is given.
    pub fn wait(&self, time: Option<Duration>) -> Wake<W> {
        self.0.wait(time, |state| state.work.take())
    }

    /// What was asked for is done, or failed.
    pub fn ended(&self, error: Option<String>) {
        self.0.with(|state| {
            state.is_running = false;
            if let Some(waiter) = state.waiter.take() {
                if state.outcomes.len() == OUTCOMES_MAX {
                    // Of a client that is gone.
                    state.outcomes.remove(0);
                }
                state.outcomes.push((waiter.id, error));
                waiter.signal(signal::DONE);
            }
        });
    }

    /// Why what this client asked for failed, if it did.
    pub fn take_error(&self, client: u64) -> Option<String> {
        self.0.with(|state| {
            let at = state.outcomes.iter().position(|(id, _)| *id == client)?;
            state.outcomes.remove(at).1
        })
    }
}
