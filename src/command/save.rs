//! SAVE, BGSAVE, LASTSAVE: a snapshot of all databases as an RDB file, written by a thread of its own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::argument::is_word;
use super::client::{Block, BlockKind};
use super::job::Job;
use super::server::Server;
use super::{Call, Outcome, errors, settings};
use crate::config::Key;
use crate::interchange::export::Facts;
use crate::resp::ErrorReply;

/// What has become of saves so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveState {
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

/// Saves: where they are asked for, and what has become of them.
#[derive(Debug, Default)]
pub struct Saves {
    pub job: Job<()>,
    state: Mutex<SaveState>,
}

impl Saves {
    /// The server starts.
    pub fn begin(&self, now_ms: u64) {
        self.state.lock().last_s = now_ms / 1000;
    }

    /// A save begins that has so many keys to write.
    pub fn started(&self, now_ms: u64, keys: u64) {
        let state = &mut self.state.lock();
        state.started_ms = now_ms;
        (state.keys_done, state.keys_total) = (0, keys);
    }

    /// So many keys are written.
    pub fn advanced(&self, keys: u64) {
        self.state.lock().keys_done = keys;
    }

    /// The save has ended; `dirty` is how many changes had been made when it began.
    pub fn ended(&self, now_ms: u64, dirty: u64, error: Option<String>) {
        let mut state = self.state.lock();
        state.took_s = Some(now_ms.saturating_sub(state.started_ms) / 1000);
        if error.is_none() {
            state.last_s = now_ms / 1000;
            state.saves += 1;
            state.dirty = dirty;
        }
        state.error.clone_from(&error);
        drop(state);
        self.job.ended(error);
    }

    /// A save that nobody asked this thread for has succeeded.
    pub fn ended_beside(&self, now_ms: u64, dirty: u64) {
        let mut state = self.state.lock();
        (state.last_s, state.dirty) = (now_ms / 1000, dirty);
    }

    /// What has become of saves so far.
    pub fn state(&self) -> SaveState {
        self.state.lock().clone()
    }
}

/// Where snapshots go: `dbfilename`, in the directory of the process.
pub fn path(server: &Server) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&server.config.text(Key::Dbfilename)))
}

/// What is said of a snapshot of all databases, and how it is written.
pub fn facts(server: &Server, has_expiring_fields: bool, now_ms: u64) -> Facts {
    Facts {
        version: settings::rdb_version(server, has_expiring_fields),
        compresses: settings::rdb_compresses(server),
        checksums: server.config.is_on(Key::Rdbchecksum),
        is_aof_base: false,
        databases: server.config.databases(),
        now_ms,
    }
}

const RUNNING: ErrorReply = ErrorReply::new("ERR Background save already in progress");

/// SAVE
pub fn save(call: &mut Call<'_>) -> Outcome {
    let entry = Arc::clone(&call.client.entry);
    if !call.server.saves.job.ask((), Some(entry)) {
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
        [schedule] if is_word(schedule, "schedule") => {}
        _ => return Err(errors::SYNTAX.into()),
    }
    if !call.server.saves.job.ask((), None) {
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
