//! The thread that copies the file while it is in use, and holds checkpoints.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::priority;
use super::thread::Thread;
use crate::command::backup::Wish;
use crate::storage::checkpoint::EngineLock;
use crate::storage::{self, backup};
use crate::sync::Wake;
use crate::vfs::Vfs;

/// How often it looks whether a checkpoint has ended.
const WAIT: Duration = Duration::from_millis(5);

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("the checkpoint before it failed: {0}")]
    Checkpoint(String),
    #[error("the server ends")]
    Stopping,
    #[error(transparent)]
    Copy(#[from] backup::BackupError),
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// The running thread.
pub struct Backups {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Backups {
    pub fn start(shared: Arc<Shared>, vfs: Arc<dyn Vfs>) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = Thread::start("backup", move || run(&of_thread, &*vfs))?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread, and gives up the copy that is on.
    pub fn stop(self) {
        self.shared.server.backups.job.stop();
        self.thread.join();
    }
}

fn run(shared: &Shared, vfs: &dyn Vfs) {
    priority::give_way();
    let backups = &shared.server.backups;
    while let Wake::Asked(wish) = backups.job.wait(None) {
        let done = match &wish {
            Wish::Copy(path) => copy(shared, vfs, path),
            Wish::Hold { until_ms } => hold(shared, *until_ms),
        };
        match (&wish, &done) {
            (Wish::Copy(path), Ok(())) => tracing::info!("{} is a backup", path.display()),
            (Wish::Hold { .. }, Ok(())) => tracing::info!("Checkpoints are held"),
            (_, Err(error)) => tracing::warn!("a backup failed: {error}"),
        }
        backups.ended(&wish, done.err().map(|error| error.to_string()));
    }
}

fn copy(shared: &Shared, vfs: &dyn Vfs, path: &Path) -> Result<(), BackupError> {
    let server = &shared.server;
    server.backups.started();
    backup::refuse_existing(vfs, path)?;
    let ticket = server.checkpoints.ask();
    while server.checkpoints.served() < ticket {
        if server.backups.job.is_stopping() {
            return Err(BackupError::Stopping);
        }
        std::thread::sleep(WAIT);
    }
    if let Some(why) = server.checkpoints.error() {
        return Err(BackupError::Checkpoint(why));
    }
    backup::back_up(
        &shared.engine,
        vfs,
        path,
        backup::PIECE_BYTES,
        &mut |copied| {
            server.backups.advanced(copied);
            if server.backups.job.is_stopping() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    )?;
    Ok(())
}

/// Lets no checkpoint begin until this time, and waits for the end of the one that is on.
fn hold(shared: &Shared, until_ms: u64) -> Result<(), BackupError> {
    let server = &shared.server;
    // Under the lock, where checkpoints begin.
    shared.engine.with(|_| server.backups.hold(until_ms));
    loop {
        let ended = shared.engine.with(|engine| {
            let ended = !engine.checkpoint_state().is_running();
            if ended {
                // The next change does not write a meta.
                engine.require_log(&*server.clock)?;
            }
            Ok::<_, storage::Error>(ended)
        });
        match ended {
            Ok(true) => return Ok(()),
            Ok(false) if !server.backups.job.is_stopping() => std::thread::sleep(WAIT),
            Ok(false) => return Err(BackupError::Stopping),
            Err(error) => {
                server.backups.hold(0);
                return Err(error.into());
            }
        }
    }
}
