//! What every process does to the engine, whatever it keeps in it: acknowledge, sync, checkpoint, shut down.

use std::path::Path;
use std::sync::{Arc, Mutex};

use redkeep::storage::checkpoint::{Checkpoint, EngineLock};
use redkeep::storage::log::{ArchiveError, Log};
use redkeep::storage::meta::Meta;
use redkeep::storage::page::PagePtr;
use redkeep::storage::pager::META_REGION_BYTES;
use redkeep::storage::{OnMiss, OpenError};
use redkeep::vfs::Clock;

use super::history::{History, Shown, peek};
use super::life::{KEPT, LOG, Stop};
use super::tap::Watcher;
use super::walk;
use crate::disk::SimVfs;
use crate::explore::Broken;
use crate::watch::{AckPolicy, Note};

/// A running process: the engine behind the lock `L`, and the states `S` that it went through.
pub struct Process<L, S> {
    pub vfs: SimVfs,
    pub watcher: Watcher,
    pub engine: L,
    pub log: Arc<Log>,
    pub clock: Arc<dyn Clock>,
    pub history: Shown<S>,
    checkpoint: Option<Checkpoint>,
    /// The log of an earlier process has a hole.
    found_hole: bool,
}

/// Whether a sync of the log has lost something and said nothing since this was asked last.
fn take_silent_losses(vfs: &SimVfs) -> bool {
    vfs.take_silent_losses(|path| path == Path::new(LOG))
}

impl<L: EngineLock, S: Clone> Process<L, S> {
    /// A process that has opened the files, which show transaction `lsn`.
    pub fn new(
        vfs: &SimVfs,
        watcher: &Watcher,
        mut history: History<S>,
        engine: L,
        lsn: u64,
    ) -> Self {
        history.cut(lsn);
        // What it has opened rests on no sync of its own that was the last one.
        take_silent_losses(vfs);
        let log = engine.with(|e| e.log().expect("an open file has a log").clone());
        Self {
            vfs: vfs.clone(),
            watcher: watcher.clone(),
            engine,
            log,
            clock: Arc::new(vfs.clock()),
            found_hole: history.hole.is_some(),
            history: Arc::new(Mutex::new(history)),
            checkpoint: None,
        }
    }

    /// What was issued and acknowledged so far.
    pub fn history(&self) -> History<S> {
        self.note_losses();
        peek(&self.history).clone()
    }

    /// What is acknowledged from now on may rest on a sync that has lost something.
    fn note_losses(&self) {
        if take_silent_losses(&self.vfs) {
            peek(&self.history).note_hole();
        }
    }

    /// O8: at most so many pages are in use, now that everything is gone.
    pub fn is_empty_but_for(&self, pages_max: u64) -> Result<(), Stop> {
        self.engine.with(|engine| {
            engine.begin_command(OnMiss::Read);
            let space = engine.pager().space();
            let fixed = META_REGION_BYTES.div_ceil(engine.pager().page_bytes() as u64);
            let used = space.pages() - space.free_pages() - fixed;
            if used > pages_max {
                let detail = format!("{used} pages are in use in an empty database");
                return Err(Broken::new("O8", detail).into());
            }
            Ok(())
        })
    }

    /// The kernel has the log, and everything is acknowledged.
    pub fn acknowledge_kill(&self) -> Result<(), Stop> {
        let lsn = self.log.last_lsn();
        self.log.write_to(lsn)?;
        let mut history = peek(&self.history);
        let is_news = lsn.0 > history.acked_kill;
        history.acked_kill = history.acked_kill.max(lsn.0);
        self.watcher.lock().acknowledged(lsn.0, false);
        self.tell(lsn.0, AckPolicy::EverySec, is_news);
        Ok(())
    }

    /// The disk has the log, and everything is acknowledged.
    pub fn sync(&self) -> Result<(), Stop> {
        let lsn = self.log.last_lsn();
        self.log.sync_to(lsn)?;
        self.note_losses();
        let mut history = peek(&self.history);
        let is_news = lsn.0 > history.acked_durable;
        history.acked_kill = history.acked_kill.max(lsn.0);
        history.acked_durable = history.acked_durable.max(lsn.0);
        let mut monitor = self.watcher.lock();
        monitor.acknowledged(lsn.0, true);
        monitor.acknowledged(self.log.synced_lsn().0, true);
        self.tell(lsn.0, AckPolicy::Always, is_news);
        Ok(())
    }

    /// Tells the observers of an acknowledgement. Where all commands were refused there is none.
    fn tell(&self, lsn: u64, policy: AckPolicy, is_news: bool) {
        if is_news {
            self.vfs.note(Note::Ack { lsn, policy });
        }
    }

    /// Takes so many steps of the checkpoint, beginning one if none runs.
    pub fn checkpoint_steps(&mut self, steps: u32) -> Result<(), Stop> {
        if self.checkpoint.is_none() {
            let begun = self
                .engine
                .with(|e| Checkpoint::begin(e, self.clock.clone()));
            self.checkpoint = begun?;
        }
        for _ in 0..steps {
            let Some(checkpoint) = &mut self.checkpoint else {
                return Ok(());
            };
            match checkpoint.step(&self.engine) {
                Ok(true) => {}
                Ok(false) => {
                    self.checkpoint = None;
                    if std::mem::take(&mut self.found_hole) {
                        // No start reads the log before this process any more.
                        peek(&self.history).hole = None;
                    }
                    self.account()?;
                }
                Err(e) => {
                    self.checkpoint = None;
                    return Err(e.into());
                }
            }
        }
        Ok(())
    }

    /// Copies the log to the archive, and gives back what it has.
    pub fn archive(&self) -> Result<(), Stop> {
        if !self.log.keeps_segments() {
            return Ok(());
        }
        match self.log.archive(&self.vfs, Path::new(KEPT)) {
            Ok(_) => Ok(self.log.recycle(self.log.synced_checkpoint().lsn)?),
            Err(ArchiveError::Vfs(error)) => Err(Stop::Open(OpenError::Vfs(error))),
            Err(ArchiveError::Log(error)) => Err(error.into()),
            Err(error @ (ArchiveError::Foreign(_) | ArchiveError::OtherHistory { .. })) => {
                Err(Broken::new("O12", error.to_string()).into())
            }
        }
    }

    /// O8 and O9 on the durable checkpoint.
    pub fn account(&self) -> Result<(), Stop> {
        self.engine.with(|engine| {
            let meta: Meta = engine.checkpoint_state().meta;
            let source = engine.source().clone();
            let mut buffer = vec![0; source.page_bytes()];
            let pages = |ptr: PagePtr| {
                source.read(ptr, &mut buffer)?;
                Ok(buffer.clone())
            };
            walk::of_open(pages, |pages| walk::checkpoint(pages, &meta))?;
            Ok(())
        })
    }

    /// A clean shutdown.
    pub fn shut_down(&mut self) -> Result<(), Stop> {
        self.sync()?;
        for _ in 0..3 {
            self.checkpoint_steps(u32::MAX)?;
        }
        self.archive()?;
        let cleared = self.engine.with(|e| e.clear_log_required(&*self.clock))?;
        if !cleared {
            return Err(Broken::new("O1", "a clean shutdown still requires the log").into());
        }
        Ok(())
    }
}
