//! The archive of the log (`wal-keep`): where the thread that copies segments waits, and what has become of them.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::storage::log::Archived;
use crate::sync::{Inbox, Wake};

/// What has become of the archive so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveState {
    /// Copied since the server began.
    pub copied: Archived,
    /// How often something could not be copied.
    pub failures: u64,
    /// Why the latest attempt failed, if it did.
    pub error: Option<String>,
}

/// The folder that is the archive now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveFolder {
    /// As the directive says, for seeing that it changes.
    pub setting: Vec<u8>,
    /// In full; none before it is known to be there.
    pub dir: Option<PathBuf>,
}

/// The archive as threads share it.
#[derive(Debug, Default)]
pub struct Archive {
    folder: Mutex<ArchiveFolder>,
    state: Mutex<ArchiveState>,
    /// There may be something to copy.
    inbox: Inbox<bool>,
}

impl Archive {
    /// One thread at a time copies: whoever has this.
    pub fn folder(&self) -> MutexGuard<'_, ArchiveFolder> {
        self.folder.lock()
    }

    /// There may be something to copy.
    pub fn ask(&self) {
        self.inbox.ask(|asked| *asked = true);
    }

    /// The thread that copies is to end.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// Waits until there may be something to copy, or for `time`. False: the thread is to end.
    pub fn wait(&self, time: Duration) -> bool {
        let take = |asked: &mut bool| std::mem::take(asked).then_some(());
        self.inbox.wait(Some(time), take) != Wake::Stop
    }

    /// An attempt has ended. Returns whether it is the first that failed behind one that did not, or the other way round.
    pub fn ended(&self, copied: Archived, error: Option<String>) -> bool {
        let mut state = self.state.lock();
        state.copied.files += copied.files;
        state.copied.bytes += copied.bytes;
        state.failures += u64::from(error.is_some());
        let turns = state.error != error;
        state.error = error;
        turns
    }

    /// What has become of the archive so far.
    pub fn state(&self) -> ArchiveState {
        self.state.lock().clone()
    }
}
