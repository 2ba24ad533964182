//! SAVE, BGSAVE, LASTSAVE: a snapshot of all databases as an RDB file, written by a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::client::{Block, BlockKind, Entry, signal};
use super::{Call, Outcome, word};
use crate::resp::ErrorReply;

/// What has become of saves so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveState {
    /// A save is asked for or being written.
    pub is_running: bool,
    /// Wall time in milliseconds since 1970 at which the one that runs began.
    pub started_ms: u64,
    /// Keys written by the one that runs, and how many there were when it began.
    pub keys_done: u64,
    pub keys_total: u64,
    /// Wall time in seconds since 1970 of the latest that succeeded, or of the start of the server.
    pub last_s: u64,
    /// Why the latest failed, if it did.
    pub error: Option<String>,
    /// Seconds that the latest took; None: there was none.
    pub took_s: Option<u64>,
    /// Saves that succeeded.
    pub saves: u64,
    /// Changes that had been made when the latest that succeeded began.
    pub dirty: u64,
}

#[derive(Debug, Default)]
struct Inner {
    state: SaveState,
    /// A save is asked for.
    is_asked: bool,
    stop: bool,
    /// Connections that wait for the end of the save.
    waiters: Vec<Arc<Entry>>,
}

/// Where saves are asked for, and where the thread that writes them waits.
#[derive(Debug, Default)]
pub struct SaveBell {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// Why the thread that saves goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    Asked,
    /// Time has passed.
    Time,
    /// The server ends.
    Stop,
}

impl SaveBell {
    /// The server starts.
    pub fn begin(&self, now_ms: u64) {
        self.inner.lock().state.last_s = now_ms / 1000;
    }

    /// Asks for a save; false if one is running. A client to be woken at its end may be given.
    pub fn ask(&self, waiter: Option<Arc<Entry>>) -> bool {
        let mut inner = self.inner.lock();
        if inner.state.is_running {
            return false;
        }
        inner.state.is_running = true;
        inner.is_asked = true;
        inner.waiters.extend(waiter);
        self.changed.notify_one();
        true
    }

    /// The thread that waits is to end.
    pub fn stop(&self) {
        self.inner.lock().stop = true;
        self.changed.notify_one();
    }

    /// Waits until someone asks, at most for `time`.
    pub fn wait(&self, time: Duration) -> Ring {
        let mut inner = self.inner.lock();
        if !inner.is_asked && !inner.stop {
            self.changed.wait_for(&mut inner, time);
        }
        if inner.stop {
            return Ring::Stop;
        }
        if std::mem::take(&mut inner.is_asked) {
            Ring::Asked
        } else {
            Ring::Time
        }
    }

    /// A save begins that has so many keys to write.
    pub fn started(&self, now_ms: u64, keys: u64) {
        let state = &mut self.inner.lock().state;
        state.started_ms = now_ms;
        (state.keys_done, state.keys_total) = (0, keys);
    }

    /// So many keys are written.
    pub fn advanced(&self, keys: u64) {
        self.inner.lock().state.keys_done = keys;
    }

    /// The save has ended; `dirty` is how many changes had been made when it began.
    pub fn ended(&self, now_ms: u64, dirty: u64, error: Option<String>) {
        let mut inner = self.inner.lock();
        let state = &mut inner.state;
        state.is_running = false;
        state.took_s = Some(now_ms.saturating_sub(state.started_ms) / 1000);
        if error.is_none() {
            state.last_s = now_ms / 1000;
            state.saves += 1;
            state.dirty = dirty;
        }
        state.error = error;
        for waiter in std::mem::take(&mut inner.waiters) {
            waiter.signal(signal::SAVED);
        }
    }

    /// What has become of saves so far.
    pub fn state(&self) -> SaveState {
        self.inner.lock().state.clone()
    }
}

const RUNNING: ErrorReply = ErrorReply::new("ERR Background save already in progress");

/// SAVE
pub fn save(call: &mut Call<'_>) -> Outcome {
    let entry = Arc::clone(&call.client.entry);
    if !call.server.saves.ask(Some(entry)) {
        return Err(RUNNING.into());
    }
    call.client.block = Some(Block {
        kind: BlockKind::Save,
        until_ms: None,
    });
    Ok(())
}

/// BGSAVE [SCHEDULE]
pub fn bgsave(call: &mut Call<'_>) -> Outcome {
    match &call.args[1..] {
        [] => {}
        [schedule] if word::is(schedule, "schedule") => {}
        _ => return Err(word::SYNTAX.into()),
    }
    if !call.server.saves.ask(None) {
        return Err(RUNNING.into());
    }
    call.out.simple("Background saving started");
    Ok(())
}

/// LASTSAVE
pub fn lastsave(call: &mut Call<'_>) -> Outcome {
    call.out.int(call.server.saves.state().last_s as i64);
    Ok(())
}
