//! BACKUP: a copy of the file that is whole on its own, made by a thread of its own; and holding checkpoints, so that the
//! files can be copied from outside.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::argument::is_word;
use super::client::{Block, BlockKind};
use super::job::Job;
use super::{Call, Outcome, argument, errors};
use crate::config::Permission;
use crate::resp::ErrorReply;
use crate::storage::backup::Copied;

/// Seconds of a hold that says nothing else, and at most.
const HOLD_S: u64 = 300;
const HOLD_S_MAX: i64 = 86_400;

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
    pub copied: Copied,
    /// Why the latest failed, if it did.
    pub error: Option<String>,
    /// Backups that succeeded.
    pub done: u64,
    /// Wall time in milliseconds until which there are no checkpoints; 0: there are.
    pub held_until_ms: u64,
}

/// Backups: where they are asked for, and what has become of them.
#[derive(Debug, Default)]
pub struct Backups {
    pub job: Job<Wish>,
    state: Mutex<BackupState>,
}

impl Backups {
    /// A copy begins.
    pub fn started(&self) {
        self.state.lock().copied = Copied::default();
    }

    /// A copy is so far.
    pub fn advanced(&self, copied: Copied) {
        self.state.lock().copied = copied;
    }

    /// What was asked for is done, or failed.
    pub fn ended(&self, wish: &Wish, error: Option<String>) {
        let mut state = self.state.lock();
        if error.is_none() && matches!(wish, Wish::Copy(_)) {
            state.done += 1;
        }
        state.error.clone_from(&error);
        drop(state);
        self.job.ended(error);
    }

    /// There are no checkpoints until this time; 0: there are.
    pub fn hold(&self, until_ms: u64) {
        self.state.lock().held_until_ms = until_ms;
    }

    /// Whether checkpoints are held.
    pub fn is_held(&self, now_ms: u64) -> bool {
        now_ms < self.state.lock().held_until_ms
    }

    /// What has become of backups so far.
    pub fn state(&self) -> BackupState {
        self.state.lock().clone()
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
        [hold] if is_word(hold, "hold") => begin_hold(call, HOLD_S),
        [hold, seconds] if is_word(hold, "hold") => {
            let seconds = argument::integer_within(seconds, 1..=HOLD_S_MAX)?;
            begin_hold(call, seconds as u64)
        }
        [release] if is_word(release, "release") => {
            let was_held = call.server.backups.is_held(call.now_ms);
            call.server.backups.hold(0);
            call.out.int(i64::from(was_held));
            Ok(())
        }
        [name] => copy(call, Path::new(OsStr::from_bytes(name))),
        _ => Err(errors::SYNTAX.into()),
    }
}

fn begin_hold(call: &mut Call<'_>, seconds: u64) -> Outcome {
    let until_ms = call.now_ms + seconds * 1000;
    ask(call, Wish::Hold { until_ms })
}

fn copy(call: &mut Call<'_>, path: &Path) -> Outcome {
    if path.file_name().is_none() {
        return Err(errors::SYNTAX.into());
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
    if !call.server.backups.job.ask(wish, Some(entry)) {
        return Err(RUNNING.into());
    }
    call.client.block = Some(Block {
        kind: BlockKind::Backup,
        until_ms: None,
    });
    Ok(())
}
