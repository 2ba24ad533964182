//! The thread that makes checkpoints and frees what was dropped.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::ahead::Ahead;
use super::archiver;
use super::log_keeper::LogKeeper;
use super::thread::Thread;
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::{Engine, Error};
use crate::sync::Wake;
use crate::vfs::OsVfs;

/// How often the triggers are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Pages of dropped trees freed in one hold of the engine lock.
const FREE_PAGES: usize = 64;

/// The pause between two writes of a checkpoint that is in no hurry.
const PACE: Duration = Duration::from_millis(2);

/// The pause between two writes of zeroes to the log.
const FILL_PACE: Duration = Duration::from_millis(1);

/// Segments of so many bytes are few, however little is in each.
const LIVE_BYTES_MIN: u64 = 32 << 20;

/// How long the thread keeps away from a disk that was full.
const REST: Duration = Duration::from_secs(1);

/// Why there was no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("checkpoints are held: BACKUP RELEASE ends that")]
    Held,
    #[error(transparent)]
    Storage(#[from] Error),
}

/// The running thread.
pub struct Checkpointer {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Checkpointer {
    pub fn start(shared: Arc<Shared>, keeper: Arc<LogKeeper>) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = Thread::start("checkpoint", move || run(&of_thread, &keeper))?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread after the checkpoint that is on.
    pub fn stop(self) {
        self.shared.server.checkpoints.stop();
        self.thread.join();
    }
}

fn run(shared: &Shared, keeper: &LogKeeper) {
    let checkpoints = &shared.server.checkpoints;
    let mut ahead = Ahead::default();
    loop {
        let asked = match checkpoints.wait(LOOK) {
            Wake::Stop => return,
            Wake::Asked(asked) => Some(asked),
            Wake::Time => None,
        };
        free_dropped(shared);
        ahead.look(shared, &mut pause_fill);
        if asked.is_some() || is_due(shared, keeper) {
            let made = make(shared, asked.is_some(), &mut || {
                ahead.look(shared, &mut pause_fill);
                if asked.is_none() {
                    std::thread::sleep(PACE);
                }
            });
            if asked.is_some_and(|(_, wish)| wish.forgets_cache) {
                shared.engine.with(Engine::forget_cache);
            }
            if let Err(e) = &made {
                tracing::warn!("a checkpoint failed: {e}");
                if let MakeError::Storage(e @ (Error::Poisoned | Error::Io(_))) = e {
                    keeper.fail(e);
                }
            }
            if let Some((ticket, _)) = asked {
                checkpoints.serve(ticket, made.as_ref().err().map(ToString::to_string));
                keeper.serve_checkpoint(ticket);
            }
            if made.is_err() {
                std::thread::sleep(REST);
            }
        } else if keeper.log().bytes_since_checkpoint() == 0
            && !shared.server.backups.is_held(shared.server.clock.wall_ms())
            && let Err(e) = keeper.log().settle()
        {
            tracing::debug!("the log is longer than it need be: {e}");
        }
    }
}

/// Whether the log is long enough, or the last checkpoint old enough.
fn is_due(shared: &Shared, keeper: &LogKeeper) -> bool {
    if super::durability::Durability::is_failed(keeper)
        || shared.server.backups.is_held(shared.server.clock.wall_ms())
    {
        return false;
    }
    let config = &shared.server.config;
    let (written, limit) = (
        keeper.log().bytes_since_checkpoint(),
        config.wal_autocheckpoint_bytes(),
    );
    // Each life begins a segment: what counts after many short ones is not what this one has written.
    let is_long = keeper.log().live_bytes() >= limit.max(LIVE_BYTES_MIN);
    if written >= limit || (written > 0 && is_long) {
        return true;
    }
    let interval_us = config.checkpoint_interval_s() * 1_000_000;
    if interval_us == 0 || written == 0 {
        return false;
    }
    let last_us = shared
        .engine
        .with(|engine| engine.checkpoint_state().finished_mono_us);
    shared.server.clock.mono_us().saturating_sub(last_us) >= interval_us
}

/// Lets syncs go between two writes of zeroes.
fn pause_fill() {
    std::thread::sleep(FILL_PACE);
}

/// Makes a checkpoint, and calls `meanwhile` after each of its writes. One that somebody waits for, if nothing was
/// committed in the meantime, leaves a file that is whole without its log.
pub fn make(
    shared: &Shared,
    is_awaited: bool,
    meanwhile: &mut dyn FnMut(),
) -> Result<(), MakeError> {
    let clock = Arc::clone(&shared.server.clock);
    let begun = {
        let mut keyspace = shared.engine.lock();
        if shared.server.backups.is_held(clock.wall_ms()) {
            return Err(MakeError::Held);
        }
        if let Err(e) = keyspace.save_cursors() {
            tracing::debug!("the cursors of SCAN were not saved: {e}");
        }
        Checkpoint::begin(&mut keyspace.engine, Arc::clone(&clock))?
    };
    if let Some(checkpoint) = begun {
        checkpoint.run(&shared.engine, meanwhile)?;
    }
    let log = shared.engine.with(|engine| engine.log().cloned());
    if let Some(log) = log {
        if is_awaited {
            archiver::copy(shared, &log, &OsVfs);
        } else {
            shared.server.archive.ask();
        }
    }
    if is_awaited {
        shared
            .engine
            .with(|engine| engine.clear_log_required(&*clock))?;
    }
    Ok(())
}

fn free_dropped(shared: &Shared) {
    loop {
        let more = shared.engine.with(|engine| {
            if let Err(e) = engine.free_dropped(FREE_PAGES) {
                tracing::warn!(
                    "the space of something that was deleted is lost until a rebuild: {e}"
                );
            }
            engine.has_dropped()
        });
        if !more {
            return;
        }
        std::thread::yield_now();
    }
}
