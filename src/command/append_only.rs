//! BGREWRITEAOF, and where the thread that writes the append-only file is told of what to do.

use std::time::Duration;

use super::{Call, Outcome};
use crate::resp::ErrorReply;
use crate::sync::{Inbox, Wake};

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
struct Asked {
    state: FileState,
    /// The file is to be written anew.
    rewrite: bool,
    has_news: bool,
}

/// What the thread is to do beside writing what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// The file is to be written anew.
    pub rewrite: bool,
    /// The server ends.
    pub stop: bool,
}

/// The append-only file as threads share it: what has become of it, and where the thread that writes it waits.
#[derive(Debug, Default)]
pub struct AppendOnly {
    inbox: Inbox<Asked>,
}

impl AppendOnly {
    /// Asks for the file to be written anew; false if it is being so.
    pub fn ask(&self) -> bool {
        self.inbox.ask(|asked| {
            if asked.state.is_rewriting || asked.rewrite {
                return false;
            }
            asked.rewrite = true;
            asked.state.is_rewriting = true;
            true
        })
    }

    /// `appendonly` is this now.
    pub fn want(&self, is_wanted: bool) {
        self.inbox.ask(|asked| {
            asked.state.is_wanted = is_wanted;
            asked.has_news = true;
        });
    }

    /// There is something to write.
    pub fn wake(&self) {
        self.inbox.ask(|asked| asked.has_news = true);
    }

    /// The thread is to end, in one turn more.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// Waits until there is something to do, at most for `time`.
    pub fn wait(&self, time: Duration) -> Work {
        let woken = self.inbox.wait(Some(time), |asked| {
            let has_news = std::mem::take(&mut asked.has_news);
            let rewrite = std::mem::take(&mut asked.rewrite);
            (has_news || rewrite).then_some(rewrite)
        });
        Work {
            rewrite: woken == Wake::Asked(true),
            stop: woken == Wake::Stop,
        }
    }

    /// Waits until there is something to write, at most for `time`. What is asked for besides stays so.
    pub fn wait_for_news(&self, time: Duration) {
        self.inbox.wait(Some(time), |asked| {
            std::mem::take(&mut asked.has_news).then_some(())
        });
    }

    /// Whether the thread is to end.
    pub fn is_stopping(&self) -> bool {
        self.inbox.is_stopping()
    }

    /// Changes what is known of the file.
    pub fn note(&self, change: impl FnOnce(&mut FileState)) {
        self.inbox.with(|asked| change(&mut asked.state));
    }

    /// What has become of the file so far.
    pub fn state(&self) -> FileState {
        self.inbox.with(|asked| asked.state.clone())
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
