//! BACKUP: a copy of the file that is whole on its own, made by a thread of its own; and holding checkpoints, so that the
//! files can be copied from outside.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::client::{Block, BlockKind, Entry, signal};
use super::{Call, Outcome, argument, word};
use crate::config::Permission;
use crate::resp::ErrorReply;
use crate::storage::backup::Copied;

/// Seconds of a hold that says nothing else, and at most.
const HOLD_S: u64 = 300;
const HOLD_S_MAX: i64 = 86_400;

/// Outcomes that are kept for clients.
const OUTCOMES_MAX: usize = 64;

/// What is asked of the thread that makes backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A copy at this path.
    Copy(PathBuf),
    /// No checkpoint until this wall time in milliseconds.
    Hold { until_ms: u64 },
}

/// What has become of backups so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupState {
    pub is_running: bool,
    pub copied: Copied,
    /// Why the latest failed, if it did.
    pub error: Option<String>,
    /// Backups that succeeded.
    pub done: u64,
    /// Wall time in milliseconds until which there are no checkpoints; 0: there are.
    pub held_until_ms: u64,
}

#[derive(Debug, Default)]
struct Inner {
    state: BackupState,
    wish: Option<Wish>,
    waiter: Option<Arc<Entry>>,
    /// What clients that have not been answered yet are to hear: their ids and errors.
    outcomes: Vec<(u64, Option<String>)>,
    stop: bool,
}

/// Where backups are asked for, and where the thread that makes them waits.
#[derive(Debug, Default)]
pub struct BackupBell {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// Why the thread goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ring {
    Asked(Wish),
    /// Time has passed.
    Time,
    /// The server ends.
    Stop,
}

impl BackupBell {
    /// Asks, and names the client to be woken at the end; false if something is under way.
    pub fn ask(&self, wish: Wish, waiter: Arc<Entry>) -> bool {
        let mut inner = self.inner.lock();
        if inner.state.is_running {
            return false;
        }
        inner.state.is_running = true;
        inner.state.copied = Copied::default();
        inner.wish = Some(wish);
        inner.waiter = Some(waiter);
        self.changed.notify_one();
        true
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

    /// Waits until someone asks, at most for `time`.
    pub fn wait(&self, time: Duration) -> Ring {
        let mut inner = self.inner.lock();
        if inner.wish.is_none() && !inner.stop {
            self.changed.wait_for(&mut inner, time);
        }
        if inner.stop {
            return Ring::Stop;
        }
        inner.wish.take().map_or(Ring::Time, Ring::Asked)
    }

    /// A copy is so far.
    pub fn advanced(&self, copied: Copied) {
        self.inner.lock().state.copied = copied;
    }

    /// What was asked for is done, or failed.
    pub fn ended(&self, wish: &Wish, error: Option<String>) {
        let mut inner = self.inner.lock();
        let state = &mut inner.state;
        state.is_running = false;
        if error.is_none() && matches!(wish, Wish::Copy(_)) {
            state.done += 1;
        }
        state.error.clone_from(&error);
        if let Some(waiter) = inner.waiter.take() {
            if inner.outcomes.len() == OUTCOMES_MAX {
                // Of a client that is gone.
                inner.outcomes.remove(0);
            }
            inner.outcomes.push((waiter.id, error));
            waiter.signal(signal::SAVED);
        }
    }

    /// Why what this client asked for failed, if it did.
    pub fn take_error(&self, client: u64) -> Option<String> {
        let outcomes = &mut self.inner.lock().outcomes;
        let at = outcomes.iter().position(|(id, _)| *id == client)?;
        outcomes.remove(at).1
    }

    /// There are no checkpoints until this time; 0: there are.
    pub fn hold(&self, until_ms: u64) {
        self.inner.lock().state.held_until_ms = until_ms;
    }

    /// Whether checkpoints are held.
    pub fn is_held(&self, now_ms: u64) -> bool {
        now_ms < self.inner.lock().state.held_until_ms
    }

    pub fn state(&self) -> BackupState {
        self.inner.lock().state.clone()
    }
}

const RUNNING: ErrorReply = ErrorReply::new("ERR Background backup already in progress");
const ELSEWHERE: ErrorReply = ErrorReply::new(
    "ERR BACKUP writes into the working directory: give a name without a path, or set enable-protected-configs",
);
const HELD: ErrorReply =
    ErrorReply::new("ERR checkpoints are held: a backup needs one. BACKUP RELEASE ends the hold");

/// BACKUP name | HOLD [seconds] | RELEASE
pub fn backup(call: &mut Call<'_>) -> Outcome {
    match &call.args[1..] {
        [hold] if word::is(hold, "hold") => begin_hold(call, HOLD_S),
        [hold, seconds] if word::is(hold, "hold") => {
            let seconds = argument::range(seconds, 1, HOLD_S_MAX)?;
            begin_hold(call, seconds as u64)
        }
        [release] if word::is(release, "release") => {
            let was_held = call.server.backups.is_held(call.now_ms);
            call.server.backups.hold(0);
            call.out.int(i64::from(was_held));
            Ok(())
        }
        [name] => copy(call, Path::new(OsStr::from_bytes(name))),
        _ => Err(word::SYNTAX.into()),
    }
}

fn begin_hold(call: &mut Call<'_>, seconds: u64) -> Outcome {
    let until_ms = call.now_ms + seconds * 1000;
    ask(call, Wish::Hold { until_ms })
}

fn copy(call: &mut Call<'_>, path: &Path) -> Outcome {
    if path.file_name().is_none() {
        return Err(word::SYNTAX.into());
    }
    let may_go_elsewhere = match call.server.config.enable_protected_configs() {
        Permission::Yes => true,
        Permission::Local => call.client.entry.local,
        Permission::No => false,
    };
    if path.components().count() > 1 && !may_go_elsewhere {
        return Err(ELSEWHERE.into());
    }
    if call.server.backups.is_held(call.now_ms) {
        return Err(HELD.into());
    }
    ask(call, Wish::Copy(path.to_path_buf()))
}

fn ask(call: &mut Call<'_>, wish: Wish) -> Outcome {
    let entry = Arc::clone(&call.client.entry);
    if !call.server.backups.ask(wish, entry) {
        return Err(RUNNING.into());
    }
    call.client.block = Some(Block {
        kind: BlockKind::Backup,
        until_ms: None,
    });
    Ok(())
}
