//! What was committed and acknowledged, whatever the states are kept as.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::model::{self, Model};
use crate::explore::Broken;

/// Every state that was committed, and how far clients were told.
#[derive(Clone, Debug)]
pub struct History<S = Model> {
    /// The state after each transaction; the first one is the empty database.
    states: Vec<Arc<S>>,
    /// A kill of the process must not lose this.
    pub acked_kill: u64,
    /// A power loss must not lose this.
    pub acked_durable: u64,
    /// A sync of the log has lost something and said nothing: a power loss may take what follows this transaction, or have
    /// the files refused.
    pub hole: Option<u64>,
    /// There ever was one: a log that is kept may have a gap.
    pub had_hole: bool,
}

impl<S: Default> Default for History<S> {
    fn default() -> Self {
        Self {
            states: vec![Arc::default()],
            acked_kill: 0,
            acked_durable: 0,
            hole: None,
            had_hole: false,
        }
    }
}

impl<S> History<S> {
    /// What a power loss must leave.
    pub fn durable(&self) -> u64 {
        self.hole.unwrap_or(self.acked_durable)
    }

    /// A sync of the log has just lost something and said nothing.
    pub fn note_hole(&mut self) {
        self.hole = Some(self.durable());
        self.had_hole = true;
    }

    /// The last transaction that was committed.
    pub fn issued(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    /// The state after a transaction.
    pub fn state(&self, lsn: u64) -> Option<&Arc<S>> {
        self.states.get(lsn as usize)
    }

    /// The states after each transaction.
    pub fn states(&self) -> &[Arc<S>] {
        &self.states
    }

    /// The state now.
    pub fn last(&self) -> &Arc<S> {
        self.states.last().expect("there is the empty database")
    }

    /// One more transaction was committed.
    pub fn push(&mut self, state: S) {
        self.states.push(Arc::new(state));
    }

    /// The state now is kept as this, which holds the same data.
    pub fn replace_last(&mut self, state: S) {
        self.states.pop();
        self.push(state);
    }

    /// A recovery shows transaction `lsn`: what follows never happened, and this is durable.
    pub fn cut(&mut self, lsn: u64) {
        self.states.truncate(lsn as usize + 1);
        self.acked_kill = lsn;
        self.acked_durable = lsn;
    }
}

impl History {
    /// O1, O2, O6: which transaction `shown` is; the engine says `lsn`.
    pub fn find(&self, shown: &Model, lsn: u64) -> Result<u64, Broken> {
        if self.state(lsn).is_some_and(|s| **s == *shown) {
            return Ok(lsn);
        }
        let hash = model::state_hash(shown);
        let found = self
            .states
            .iter()
            .rposition(|s| model::state_hash(s) == hash && **s == *shown);
        match (found, self.state(lsn)) {
            (Some(k), _) => Err(Broken::new(
                "O2",
                format!("the content is that after {k} and the engine says {lsn}"),
            )),
            (None, Some(expected)) => Err(Broken::new(
                "O6",
                format!(
                    "no prefix has this content; against {lsn}: {}",
                    model::difference(expected, shown)
                ),
            )),
            (None, None) => Err(Broken::new(
                "O1",
                format!(
                    "the engine says {lsn}, only {} were issued; against the last: {}",
                    self.issued(),
                    model::difference(self.last(), shown)
                ),
            )),
        }
    }
}

/// What the window of a sync and the script share.
pub type Shown<S = Model> = Arc<Mutex<History<S>>>;

/// The history, for as long as the guard lives.
pub fn peek<S>(history: &Shown<S>) -> MutexGuard<'_, History<S>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
