//! Checkpoints: making the file whole up to a transaction, while commands go on.
//!
//! The steps, each with its reason:
//!
//! 1. *Freeze* (engine lock): the catalog gets the roots, every page is frozen, the dirty ones are listed. Commands
//!    copy what they change from now on.
//! 2. *Sync the log* up to the freeze: a checkpoint never has what the log could still lose.
//! 3. *Write the dirty pages*, in file order, many at a time, and the free map. Nothing durable refers to them yet. Every few
//!    MiB are synced, so that the log's own syncs do not wait for all of them.
//! 4. *Sync the data file*, twice ([`crate::vfs::sync_twice`]): every page, and the file's length, before a meta slot names
//!    them.
//! 5. *Write the first copy* of the older slot, *sync*, *write the second copy*, *sync*: the newest slot stays as it
//!    is until the other one is whole.
//! 6. *Adopt* (engine lock): the new checkpoint is the durable one; frames of the log name it from now on.
//! 7. *Write a marker frame* and *sync the log*: now a reader of the log knows of the new checkpoint even if both
//!    copies of its slot are lost, and refuses instead of taking the older tree, whose pages are about to go.
//! 8. *Retire* (engine lock): pages that only previous checkpoints reached are free, unless one of them is being
//!    copied; the file is cut if its end is free.
//! 9. *Recycle* the log's segments up to the checkpoint.
//!
//! An error in steps 3 to 5 poisons the pages, one in steps 2 and 7 the log; both refuse writes from then on.

use std::sync::Arc;

use super::Error;
use super::engine::{Engine, Frozen};
use super::freemap;
use super::live::{Announcer, Held, Readers};
use super::log::{CheckpointRef, Log, Lsn};
use super::meta::{Meta, Slot};
use super::page::{self, PagePtr, Stamp};
use super::pager::PageSource;
use super::planted::{Bug, Planted};
use super::replace::Unsynced;
use crate::sync::Mutex;
use crate::vfs::{CUT_BYTES_MAX, Clock, VfsResult, write_all_at};

/// Bytes of pages written by one step.
const STEP_BYTES: usize = 1 << 20;

/// The file is cut when more than this share of it is free at its end: one in this many.
const CUT_SHARE: u64 = 8;

/// Free pages at the end that are not worth a cut.
const CUT_PAGES_MIN: u64 = 256;

/// Access to the engine for work that mostly does without it.
pub trait EngineLock {
    /// Runs `work` under the engine lock.
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R;
}

impl EngineLock for Mutex<Engine> {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.lock())
    }
}

/// Checkpoints that a newer one has replaced.
#[derive(Debug)]
struct Retiring {
    /// Their numbers: while one of them is held, nothing is given back.
    seqs: Vec<u64>,
    /// The freeze that holds their pages.
    pin: Stamp,
    map_pages: Vec<PagePtr>,
}

/// The durable checkpoint, and those whose pages are still held.
#[derive(Debug)]
pub struct CheckpointState {
    /// The meta in force.
    pub meta: Meta,
    pub slot: Slot,
    /// The freeze that holds the pages of `meta`.
    pin: Stamp,
    /// Pages of the stored free map of `meta`.
    map_pages: Vec<PagePtr>,
    /// Freezes and map pages of checkpoints that newer ones have replaced and that no synced frame has replaced yet.
    retiring: Vec<Retiring>,
    /// The numbers of the checkpoints of which copies are being made.
    holds: Vec<u64>,
    /// Who sees what other processes read.
    announcer: Option<Arc<Announcer>>,
    is_running: bool,
    /// When the last one ended, on the monotonic clock.
    pub finished_mono_us: u64,
    pub duration_us: u64,
    pub completed: u64,
    pub pages_written: u64,
}

impl CheckpointState {
    pub fn new(meta: Meta, slot: Slot, pin: Stamp, map_pages: Vec<PagePtr>, now_us: u64) -> Self {
        Self {
            meta,
            slot,
            pin,
            map_pages,
            retiring: Vec::new(),
            holds: Vec::new(),
            announcer: None,
            is_running: false,
            finished_mono_us: now_us,
            duration_us: 0,
            completed: 0,
            pages_written: 0,
        }
    }

    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Nothing that the checkpoint in force reaches is given back before [`CheckpointState::release`].
    pub(super) fn hold(&mut self) {
        self.holds.push(self.meta.checkpoint.seq);
    }

    /// A hold of checkpoint `seq` is over.
    pub(super) fn release(&mut self, seq: u64) {
        let at = self.holds.iter().position(|held| *held == seq);
        self.holds.swap_remove(at.expect("it was held"));
    }

    /// `pin` holds what checkpoints of earlier lives reach, which other processes read.
    pub(super) fn inherit(&mut self, seqs: Vec<u64>, pin: Stamp) {
        self.retiring.push(Retiring {
            seqs,
            pin,
            map_pages: Vec::new(),
        });
    }

    /// What other processes hold is seen through `announcer`.
    pub(super) fn announce_by(&mut self, announcer: Arc<Announcer>) {
        self.announcer = Some(announcer);
    }

    /// The processes that read the file beside this one.
    pub fn readers(&self) -> Readers {
        self.announcer
            .as_ref()
            .map_or(Readers::default(), |announcer| announcer.readers())
    }

    /// Takes out what nobody holds any more.
    fn take_retired(&mut self, readers: &Held) -> Vec<Retiring> {
        let holds = &self.holds;
        let is_held = |seq: &u64| holds.contains(seq) || readers.has_checkpoint(*seq);
        let retiring = std::mem::take(&mut self.retiring).into_iter();
        let (kept, gone) = retiring.partition(|old| old.seqs.iter().any(is_held));
        self.retiring = kept;
        gone
    }

    /// A meta that differs from the one in force: it goes to the other slot under the next number.
    fn next(&self, wall_ms: u64) -> Meta {
        Meta {
            seq: self.meta.seq + 1,
            wall_ms,
            ..self.meta
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    SyncLog,
    WritePages,
    WriteMap,
    SyncData,
    SyncDataAgain,
    WriteMeta(usize),
    SyncMeta(usize),
    Adopt,
    WriteMarker,
    SyncMarker,
    Retire,
    Recycle,
    Done,
}

/// A checkpoint on its way.
#[derive(Debug)]
pub struct Checkpoint {
    step: Step,
    frozen: Frozen,
    written: usize,
    unsynced: Unsynced,
    /// What one step writes.
    buffer: Vec<u8>,
    meta: Meta,
    slot: Slot,
    source: PageSource,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    planted: Planted,
    started_us: u64,
    /// The file may be cut to this many pages once the meta is durable.
    cut_to: Option<u64>,
    announcer: Option<Arc<Announcer>>,
}

impl Checkpoint {
    /// Step 1. None: nothing has changed since the last checkpoint, one is running, or writes are refused.
    pub fn begin(engine: &mut Engine, clock: Arc<dyn Clock>) -> Result<Option<Self>, Error> {
        let Some(log) = engine.log().cloned() else {
            return Ok(None);
        };
        if engine.pager().is_poisoned() || log.poison().is_some() {
            return Err(Error::Poisoned);
        }
        let state = engine.checkpoint_state();
        let is_current = state.meta.checkpoint.lsn == engine.last_lsn();
        if state.is_running || (is_current && !engine.has_unsaved()) {
            return Ok(None);
        }
        engine.require_log(&*clock)?;
        let cut_to = engine.cut_free_end();
        let state = engine.checkpoint_state();
        // A checkpoint whose marker did not find room has left older maps behind: they are free in this one.
        let older = state.retiring.iter().flat_map(|old| &old.map_pages);
        let old_map: Vec<PagePtr> = state.map_pages.iter().chain(older).copied().collect();
        let mut frozen = engine.freeze(&old_map)?;
        frozen.dirty.sort_unstable();
        let planted = engine.planted();
        let source = engine.source().clone();
        let state = engine.checkpoint_state_mut();
        state.is_running = true;
        let announcer = state.announcer.clone();
        let seq = state.meta.checkpoint.seq + 1;
        let meta = Meta {
            checkpoint: CheckpointRef {
                seq,
                lsn: frozen.roots.lsn,
            },
            pages: frozen.roots.pages,
            catalog: frozen.roots.catalog,
            free_map: frozen.map_pages.first().copied().unwrap_or_default(),
            log_required: true,
            ..state.next(clock.wall_ms())
        };
        let slot = if planted.has(Bug::M04SameMetaSlot) {
            state.slot
        } else {
            state.slot.other()
        };
        let started_us = clock.mono_us();
        let step = if planted.has(Bug::M03MetaBeforeDataSync) {
            Step::WritePages
        } else {
            Step::SyncLog
        };
        let written = 0;
        Ok(Some(Self {
            step,
            frozen,
            written,
            unsynced: Unsynced::default(),
            buffer: Vec::new(),
            meta,
            slot,
            source,
            log,
            clock,
            planted,
            started_us,
            cut_to,
            announcer,
        }))
    }

    /// The transaction up to which this checkpoint makes the file whole.
    pub fn lsn(&self) -> Lsn {
        self.meta.checkpoint.lsn
    }

    /// Runs to the end. `pause` is called after each step that wrote pages.
    pub fn run(mut self, lock: &impl EngineLock, mut pause: impl FnMut()) -> Result<(), Error> {
        while self.step(lock)? {
            if self.step == Step::WritePages {
                pause();
            }
        }
        Ok(())
    }

    /// Takes one step, at most one write or sync. False: it is done. After an error it is over.
    pub fn step(&mut self, lock: &impl EngineLock) -> Result<bool, Error> {
        let done = self.step_inside(lock);
        if let Err(e) = &done {
            if matches!(e, Error::DiskFull) {
                self.make_room();
            }
            let refuse = matches!(e, Error::Io(_) | Error::Poisoned)
                && !matches!(
                    self.step,
                    Step::WriteMarker | Step::SyncMarker | Step::Recycle
                );
            lock.with(|engine| {
                engine.checkpoint_state_mut().is_running = false;
                if refuse {
                    engine.pager_mut().poison();
                }
            });
        }
        done
    }

    /// What the log has to spare is room for the next attempt.
    fn make_room(&self) {
        while let Ok(true) = self.log.settle() {}
    }

    fn step_inside(&mut self, lock: &impl EngineLock) -> Result<bool, Error> {
        self.step = match self.step {
            Step::SyncLog => {
                self.log.sync_to(self.lsn())?;
                if self.planted.has(Bug::M05LogCutBeforeMetaSync) {
                    self.log.recycle(self.lsn())?;
                }
                Step::WritePages
            }
            Step::WritePages => {
                self.write_some(lock)?;
                let all = self.written == self.frozen.dirty.len();
                if all {
                    Step::WriteMap
                } else {
                    Step::WritePages
                }
            }
            Step::WriteMap => {
                self.write_map()?;
                match () {
                    () if self.planted.has(Bug::M03MetaBeforeDataSync) => Step::WriteMeta(0),
                    () if self.planted.has(Bug::M16GrowthNotSynced) => Step::WriteMeta(0),
                    () => Step::SyncData,
                }
            }
            Step::SyncData => {
                self.sync_data()?;
                match self.planted.has(Bug::M41PagesSyncedOnce) {
                    true => Step::WriteMeta(0),
                    false => Step::SyncDataAgain,
                }
            }
            Step::SyncDataAgain => {
                self.sync_data()?;
                Step::WriteMeta(0)
            }
            Step::WriteMeta(copy) => {
                let mut meta = self.meta;
                meta.durable_lsn = self.log.synced_lsn();
                meta.write_copy(self.source.file(), self.slot, copy)?;
                Step::SyncMeta(copy)
            }
            Step::SyncMeta(0) => {
                self.sync_data()?;
                Step::WriteMeta(1)
            }
            Step::SyncMeta(_) => {
                self.sync_data()?;
                Step::Adopt
            }
            Step::Adopt => {
                self.adopt(lock);
                Step::WriteMarker
            }
            Step::WriteMarker => {
                self.log.write_marker()?;
                Step::SyncMarker
            }
            Step::SyncMarker => {
                self.log.sync_written()?;
                Step::Retire
            }
            Step::Retire => {
                self.retire(lock)?;
                Step::Recycle
            }
            Step::Recycle => {
                self.log.recycle(self.lsn())?;
                Step::Done
            }
            Step::Done => Step::Done,
        };
        Ok(self.step != Step::Done)
    }

    /// Writes the next dirty pages, neighbours with one call.
    fn write_some(&mut self, lock: &impl EngineLock) -> Result<(), Error> {
        let page_bytes = self.source.page_bytes();
        let pages = (STEP_BYTES / page_bytes).max(1);
        let end = (self.written + pages).min(self.frozen.dirty.len());
        let batch = &self.frozen.dirty[self.written..end];
        let buffer = &mut self.buffer;
        buffer.resize(batch.len() * page_bytes, 0);
        let mut filled = 0;
        let mut run_start = 0;
        let mut written = Vec::with_capacity(batch.len());
        for ptr in batch {
            let follows = filled > 0 && ptr.page.0 == run_start + (filled / page_bytes) as u64;
            if !follows && filled > 0 {
                let offset = run_start * page_bytes as u64;
                write_all_at(self.source.file(), &buffer[..filled], offset)?;
                filled = 0;
            }
            let place = &mut buffer[filled..filled + page_bytes];
            // A page that has left the pool was written before it left.
            if !self.source.pool().copy_page(*ptr, place) {
                if filled > 0 {
                    let offset = run_start * page_bytes as u64;
                    write_all_at(self.source.file(), &buffer[..filled], offset)?;
                    filled = 0;
                }
                continue;
            }
            page::seal(place);
            if filled == 0 {
                run_start = ptr.page.0;
            }
            filled += page_bytes;
            written.push(*ptr);
        }
        if filled > 0 {
            let offset = run_start * page_bytes as u64;
            write_all_at(self.source.file(), &buffer[..filled], offset)?;
        }
        self.written = end;
        if !self.planted.has(Bug::M03MetaBeforeDataSync) {
            let bytes = written.len() * page_bytes;
            self.unsynced.add(bytes, self.source.file())?;
        }
        lock.with(|engine| {
            engine.pager_mut().mark_written(&written);
            engine.checkpoint_state_mut().pages_written += written.len() as u64;
        });
        Ok(())
    }

    fn write_map(&self) -> Result<(), Error> {
        let page_bytes = self.source.page_bytes();
        let runs = self.frozen.unreached.extents();
        for bytes in freemap::build(page_bytes, &self.frozen.map_pages, &runs) {
            let offset = page::ptr_of(&bytes).page.0 * page_bytes as u64;
            write_all_at(self.source.file(), &bytes, offset)?;
        }
        Ok(())
    }

    fn sync_data(&self) -> VfsResult<()> {
        self.source.file().sync_data()
    }

    fn adopt(&self, lock: &impl EngineLock) {
        let now_us = self.clock.mono_us();
        lock.with(|engine| {
            let state = engine.checkpoint_state_mut();
            let old = Retiring {
                seqs: vec![state.meta.checkpoint.seq],
                pin: state.pin,
                map_pages: std::mem::take(&mut state.map_pages),
            };
            state.retiring.push(old);
            state.pin = self.frozen.roots.stamp;
            state.map_pages = self.frozen.map_pages.clone();
            state.meta = self.meta;
            state.slot = self.slot;
            state.completed += 1;
            state.duration_us = now_us - self.started_us;
            state.finished_mono_us = now_us;
        });
        self.log.note_checkpoint(self.meta.checkpoint);
    }

    /// What other processes read now.
    fn readers(&self) -> Held {
        self.announcer
            .as_ref()
            .map_or(Held::default(), |announcer| announcer.held())
    }

    fn retire(&self, lock: &impl EngineLock) -> Result<(), Error> {
        // The meta of this checkpoint is written: who takes a pin from now on takes it.
        let readers = self.readers();
        lock.with(|engine| {
            for old in engine.checkpoint_state_mut().take_retired(&readers) {
                engine.pager_mut().release(old.pin);
                for ptr in old.map_pages {
                    engine.pager_mut().bury(ptr);
                }
            }
        });
        self.give_back(lock)?;
        lock.with(|engine| engine.checkpoint_state_mut().is_running = false);
        Ok(())
    }

    /// Cuts the end of the file off that the checkpoint does not need, as long as nothing is born there.
    fn give_back(&self, lock: &impl EngineLock) -> Result<(), Error> {
        let Some(cut) = self.cut_to else {
            return Ok(());
        };
        let file = self.source.file();
        let goal = cut * self.source.page_bytes() as u64;
        let mut end = file.len().map_err(Error::Io)?;
        while end > goal {
            end = goal.max(end.saturating_sub(CUT_BYTES_MAX));
            let is_cut = lock.with(|engine| {
                if engine.pager().space().pages() != cut {
                    return Ok::<_, Error>(false);
                }
                file.set_len(end).map_err(Error::Io)?;
                Ok(true)
            })?;
            if !is_cut {
                break;
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Writes a meta that says that the log is needed, before the first commit after one that said it is not.
    pub fn require_log(&mut self, clock: &dyn Clock) -> Result<(), Error> {
        if self.checkpoint_state().meta.log_required {
            return Ok(());
        }
        self.write_meta(clock, true)
    }

    /// Writes a meta that says that the file alone is whole. Only when the log holds nothing behind the checkpoint.
    /// False: it does.
    pub fn clear_log_required(&mut self, clock: &dyn Clock) -> Result<bool, Error> {
        let state = self.checkpoint_state();
        let idle = !state.is_running && state.meta.checkpoint.lsn == self.last_lsn();
        if !idle || self.pager().is_poisoned() {
            return Ok(false);
        }
        if state.meta.log_required {
            // The next start would make the log anew, and what the archive lacks is nowhere else.
            let checkpoint = state.meta.checkpoint.lsn;
            let is_archived = |log: &Arc<Log>| {
                !log.keeps_segments()
                    || (log.is_archived() && log.synced_checkpoint().lsn >= checkpoint)
            };
            if !self.log().is_none_or(is_archived) {
                return Ok(false);
            }
            self.write_meta(clock, false)?;
            if let Some(log) = self.log() {
                log.shorten()?;
            }
        }
        Ok(true)
    }

    /// Writes the meta in force anew, under the next number and to the other slot, saying whether the log is needed.
    pub(super) fn write_meta(
        &mut self,
        clock: &dyn Clock,
        log_required: bool,
    ) -> Result<(), Error> {
        let state = self.checkpoint_state();
        let meta = Meta {
            log_required,
            ..state.next(clock.wall_ms())
        };
        let slot = state.slot.other();
        let source = self.source().clone();
        let write = || -> VfsResult<()> {
            for copy in 0..2 {
                meta.write_copy(source.file(), slot, copy)?;
                source.file().sync_data()?;
            }
            Ok(())
        };
        if let Err(e) = write() {
            self.pager_mut().poison();
            return Err(Error::Io(e));
        }
        let state = self.checkpoint_state_mut();
        state.meta = meta;
        state.slot = slot;
        Ok(())
    }

    /// Gives up the free pages at the end of the file if they are many. The file itself is cut when the checkpoint
    /// that says so is durable.
    fn cut_free_end(&mut self) -> Option<u64> {
        let pages = self.pager().space().pages();
        let end = self.pager().pages_in_use_end();
        let keep = end + (end / CUT_SHARE).max(CUT_PAGES_MIN);
        if pages < keep + (pages / CUT_SHARE).max(CUT_PAGES_MIN) {
            return None;
        }
        self.pager_mut().cut(keep);
        Some(keep)
    }
}
