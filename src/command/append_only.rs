//! BGREWRITEAOF, and where the thread that writes the append-only file is told of what to do.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Call, Outcome};
use crate::resp::ErrorReply;

/// What has become of the append-only file so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileState {
    /// `appendonly`: it is to be written.
    pub is_wanted: bool,
    /// It is being written anew.
    pub is_rewriting: bool,
    /// Wall time in milliseconds since 1970 at which that began.
    pub started_ms: u64,
    /// Seconds that the latest took; None: there was none.
    pub took_s: Option<u64>,
    pub rewrites: u64,
    /// Why the latest failed, if it did.
    pub rewrite_error: Option<String>,
    /// Why the latest write failed, if it did.
    pub write_error: Option<String>,
    /// Bytes of all parts, and of all when it was written anew.
    pub size: u64,
    pub base_size: u64,
    /// A sync runs.
    pub is_syncing: bool,
    /// Syncs that kept what was said since from being written for too long.
    pub delayed_syncs: u64,
}

#[derive(Debug, Default)]
struct Inner {
    state: FileState,
    is_asked: bool,
    has_news: bool,
    stop: bool,
}

/// Why the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// The file is to be written anew.
    pub rewrite: bool,
    /// The server ends.
    pub stop: bool,
}

/// Where the thread that writes the file waits.
#[derive(Debug, Default)]
pub struct FileBell {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl FileBell {
    /// Asks for the file to be written anew; false if it is being so.
    pub fn ask(&self) -> bool {
        let mut inner = self.inner.lock();
        if inner.state.is_rewriting || inner.is_asked {
            return false;
        }
        inner.is_asked = true;
        inner.state.is_rewriting = true;
        self.changed.notify_one();
        true
    }

    /// `appendonly` is this now.
    pub fn want(&self, is_wanted: bool) {
        let mut inner = self.inner.lock();
        inner.state.is_wanted = is_wanted;
        inner.has_news = true;
        self.changed.notify_one();
    }

    /// There is something to write.
    pub fn ring(&self) {
        self.inner.lock().has_news = true;
        self.changed.notify_one();
    }

    pub fn stop(&self) {
        self.inner.lock().stop = true;
        self.changed.notify_one();
    }

    /// Waits until there is something to do, at most for `time`.
    pub fn wait(&self, time: Duration) -> Ring {
        let mut inner = self.inner.lock();
        if !inner.is_asked && !inner.stop && !inner.has_news {
            self.changed.wait_for(&mut inner, time);
        }
        inner.has_news = false;
        Ring {
            rewrite: std::mem::take(&mut inner.is_asked),
            stop: inner.stop,
        }
    }

    /// Changes what is known of the file.
    pub fn note(&self, change: impl FnOnce(&mut FileState)) {
        change(&mut self.inner.lock().state);
    }

    /// What has become of the file so far.
    pub fn state(&self) -> FileState {
        self.inner.lock().state.clone()
    }
}

/// BGREWRITEAOF
pub fn bgrewriteaof(call: &mut Call<'_>) -> Outcome {
    const RUNNING: ErrorReply =
        ErrorReply::new("ERR Background append only file rewriting already in progress");
    if !call.server.append_only.ask() {
        return Err(RUNNING.into());
    }
    call.out
        .simple("Background append only file rewriting started");
    Ok(())
}
