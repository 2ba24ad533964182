//! One process over the simulated disk: opens the engine, does what a script says, keeps the model beside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use redkeep::storage::checkpoint::EngineLock;
use redkeep::storage::log::{Fill, LogError};
use redkeep::storage::page::PagePtr;
use redkeep::storage::pager::PoolShape;
use redkeep::storage::planted::Planted;
use redkeep::storage::{
    Engine, Error, OnCorruption, OnMiss, OpenError, OpenOptions, OpenReport, Plan, Reader, open,
};
use redkeep::vfs::{Clock, VfsError, VfsErrorKind};

use super::archive;
pub use super::history::History;
use super::history::{Shown, peek};
use super::model::{self, Model, Step};
use super::monitor::Monitor;
use super::process::Process;
use super::tap::{Tap, Watcher};
use super::walk;
use crate::disk::SimVfs;
use crate::explore::Broken;
use crate::trace::IoKind;

/// The directory of the database.
pub const DIR: &str = "/db";

/// The data file.
pub const DATA: &str = "/db/data.keep";

/// The log.
pub const LOG: &str = "/db/data.keep-wal";

/// The archive of the log.
pub const KEPT: &str = "/kept";

/// The identity of every simulated database.
pub const UUID: [u8; 16] = *b"simulated db 01!";

/// Sizes of a database, and its planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub page_bytes: usize,
    /// Bound of the cache, in pages.
    pub cache_pages: u64,
    pub segment_bytes: u64,
    /// The log is copied to the archive before its segments are used again.
    pub keeps: bool,
    pub on_corruption: OnCorruption,
    pub planted: Planted,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            page_bytes: 512,
            cache_pages: 4,
            segment_bytes: 16 << 10,
            keeps: false,
            on_corruption: OnCorruption::Abort,
            planted: Planted::none(),
        }
    }
}

impl Shape {
    fn options(&self) -> OpenOptions {
        OpenOptions {
            page_bytes: self.page_bytes,
            cache_bytes: self.cache_pages * self.page_bytes as u64,
            segment_bytes: self.segment_bytes,
            keeps_log: self.keeps,
            on_corruption: self.on_corruption,
            planted: self.planted,
            pool_shape: Some(PoolShape {
                page_bytes: self.page_bytes,
                directory_chunk_bits: 10,
                directory_chunks_max: 1 << 8,
                slab_bits: 4,
                slabs_max: 1 << 10,
            }),
            ..OpenOptions::new(UUID)
        }
    }
}

/// Why a life did not come to the end of its script.
#[derive(Debug)]
pub enum Stop {
    Storage(Error),
    Log(LogError),
    Open(OpenError),
    /// A command was answered with an error of the disk.
    Refused(String),
    Broken(Broken),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

impl From<LogError> for Stop {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Storage(e) => write!(f, "storage: {e}"),
            Self::Log(e) => write!(f, "log: {e}"),
            Self::Open(e) => write!(f, "open: {e}"),
            Self::Refused(text) => write!(f, "refused: {text}"),
            Self::Broken(b) => write!(f, "{}: {}", b.oracle, b.detail),
        }
    }
}

/// What a life does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// One transaction.
    Txn(Plan, Vec<Step>),
    /// A transaction that is undone.
    Rollback(Vec<Step>),
    /// The log is handed to the kernel, and everything is acknowledged.
    Ack,
    /// The log is synced, and everything is acknowledged.
    Sync,
    /// As `Sync`; meanwhile these transactions are committed and written.
    SyncBeside(Vec<Vec<Step>>),
    /// The log gets room for so many bytes; a transaction is committed and written between two writes of that.
    GrowAhead(Fill, u64, Vec<Step>),
    /// Takes so many steps of the checkpoint, beginning one if none runs.
    CheckpointSteps(u32),
    /// A whole checkpoint, or the rest of the one that runs.
    Checkpoint,
    /// The log is copied to the archive, and what is there is given back.
    Archive,
    /// Takes a snapshot.
    Snapshot,
    /// Reads every snapshot that is held.
    ReadSnapshots,
    /// Lets go of the oldest snapshot.
    DropSnapshot,
    /// Frees so many pages of dropped trees.
    FreeDropped(usize),
    /// Reads everything and compares.
    Read,
    /// A clean shutdown.
    Shutdown,
    /// The process ends without one, and another opens the files.
    Reopen,
    /// Bounds the disk, or lifts the bound: bytes beyond what is used now.
    Capacity(Option<u64>),
    /// Time passes, in microseconds.
    Wait(u64),
}

/// The engine behind its lock.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Engine>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineLock for Shared {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.lock())
    }
}

/// A held snapshot, its name, and what it must show.
struct Held {
    id: u64,
    reader: Reader,
    state: Arc<Model>,
}

/// A running process.
pub struct Life {
    process: Process<Shared, Model>,
    snapshots: Vec<Held>,
    next_snapshot: u64,
    /// Whether a full disk is part of the script.
    tolerates_full: bool,
    /// How often the disk was full.
    pub full: u64,
    pub report: OpenReport,
}

/// The monitor of a database of this shape.
pub fn watcher(shape: &Shape) -> Watcher {
    Watcher::new(Monitor::new(UUID, shape.segment_bytes))
}

/// Whether an open was refused because of what is in the files.
pub fn is_refusal(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::InUse(_)
            | OpenError::Version { .. }
            | OpenError::NoMeta { .. }
            | OpenError::Cut { .. }
            | OpenError::Log { .. }
    )
}

/// Opens the files of a database of this shape.
pub fn open_engine(
    vfs: &SimVfs,
    shape: &Shape,
    watcher: &Watcher,
) -> Result<(Engine, OpenReport), OpenError> {
    let clock: Arc<dyn Clock> = Arc::new(vfs.clock());
    watcher.lock().opening(vfs, Path::new(DATA), Path::new(LOG));
    let tap = Tap::new(vfs.clone(), watcher.clone());
    let opened = open(
        &tap,
        clock,
        &PathBuf::from(DATA),
        &shape.options(),
        &mut |_, _| {},
    );
    let shown = opened.as_ref().ok().map(|(engine, _)| engine.last_lsn().0);
    let refused = opened.as_ref().err().is_some_and(is_refusal);
    watcher.lock().opened(shown, refused);
    opened
}

impl Life {
    /// Opens the files. The history is cut to what the open shows, which must be one of its states.
    pub fn open(
        vfs: &SimVfs,
        shape: Shape,
        watcher: &Watcher,
        history: History,
    ) -> Result<Self, Stop> {
        let (mut engine, report) = open_engine(vfs, &shape, watcher)?;
        engine.begin_command(OnMiss::Read);
        let shown = model::contents(&mut engine)?;
        let lsn = history.find(&shown, engine.last_lsn().0)?;
        Ok(Self::over(vfs, watcher, history, engine, report, lsn))
    }

    /// Opens files that may be damaged: what they show is not read.
    pub fn open_unread(
        vfs: &SimVfs,
        shape: Shape,
        watcher: &Watcher,
        history: History,
    ) -> Result<Self, Stop> {
        let (engine, report) = open_engine(vfs, &shape, watcher)?;
        let lsn = engine.last_lsn().0;
        if lsn > history.issued() {
            let detail = format!(
                "the engine says {lsn}, only {} were issued",
                history.issued()
            );
            return Err(Broken::new("O10", detail).into());
        }
        Ok(Self::over(vfs, watcher, history, engine, report, lsn))
    }

    fn over(
        vfs: &SimVfs,
        watcher: &Watcher,
        history: History,
        engine: Engine,
        report: OpenReport,
        lsn: u64,
    ) -> Self {
        let engine = Shared(Arc::new(Mutex::new(engine)));
        Self {
            process: Process::new(vfs, watcher, history, engine, lsn),
            snapshots: Vec::new(),
            next_snapshot: 1,
            tolerates_full: false,
            full: 0,
            report,
        }
    }

    /// What was issued and acknowledged so far.
    pub fn history(&self) -> History {
        self.process.history()
    }

    /// Whether the engine refuses writes for good.
    pub fn is_poisoned(&self) -> bool {
        self.process.engine.with(|e| e.pager().is_poisoned()) || self.process.log.poison().is_some()
    }

    /// A full disk is an outcome that the script expects.
    pub fn tolerate_full_disk(&mut self) {
        self.tolerates_full = true;
        self.process.watcher.lock().expect_full_disk();
    }

    /// Does one thing.
    pub fn act(&mut self, act: &Act) -> Result<(), Stop> {
        match self.attempt(act) {
            Err(Stop::Storage(Error::DiskFull) | Stop::Log(LogError::NoSpace(_)))
                if self.tolerates_full =>
            {
                self.full += 1;
                Ok(())
            }
            done => done,
        }
    }

    fn attempt(&mut self, act: &Act) -> Result<(), Stop> {
        match act {
            Act::Txn(plan, steps) => Ok(transact(
                &self.process.engine,
                &self.process.history,
                *plan,
                steps,
            )?),
            Act::Rollback(steps) => Ok(self.roll_back(steps)?),
            Act::Ack => self.process.acknowledge_kill(),
            Act::Sync => self.process.sync(),
            Act::SyncBeside(batches) => self.sync_beside(batches),
            Act::GrowAhead(fill, bytes, beside) => self.grow_ahead(*fill, *bytes, beside),
            Act::CheckpointSteps(steps) => self.process.checkpoint_steps(*steps),
            Act::Checkpoint => self.process.checkpoint_steps(u32::MAX),
            Act::Archive => self.process.archive(),
            Act::Snapshot => self.snapshot(),
            Act::ReadSnapshots => self.read_snapshots(),
            Act::DropSnapshot => {
                self.drop_snapshots(1);
                Ok(())
            }
            Act::FreeDropped(pages) => Ok(self.process.engine.with(|e| e.free_dropped(*pages))?),
            Act::Read => self.read(),
            Act::Shutdown => self.shut_down(),
            Act::Reopen => unreachable!("whoever owns the process ends it"),
            Act::Capacity(room) => {
                let used = self.process.vfs.disk().used();
                self.process.vfs.set_capacity(room.map(|r| used + r));
                Ok(())
            }
            Act::Wait(us) => {
                self.process.vfs.clock().advance_us(*us);
                Ok(())
            }
        }
    }

    fn roll_back(&self, steps: &[Step]) -> Result<(), Error> {
        self.process.engine.with(|engine| {
            engine.begin_command(OnMiss::Read);
            engine.set_urgent(false);
            engine.begin(Plan::Savepoint)?;
            let done = steps
                .iter()
                .try_for_each(|step| model::apply_to_engine(engine, step));
            engine.rollback();
            done
        })
    }

    fn grow_ahead(&self, fill: Fill, bytes: u64, beside: &[Step]) -> Result<(), Stop> {
        let process = &self.process;
        let mut committed = Ok(());
        let mut commit = || {
            if committed.is_ok() {
                committed = transact(&process.engine, &process.history, Plan::Savepoint, beside)
                    .map_err(Stop::from)
                    .and_then(|_| process.acknowledge_kill());
            }
        };
        process.log.grow_ahead(bytes, fill, &mut commit)?;
        committed
    }

    /// Commits and writes while the log is being synced: the sync does not cover them.
    fn sync_beside(&self, batches: &[Vec<Step>]) -> Result<(), Stop> {
        let (engine, history, log) = (
            self.process.engine.clone(),
            self.process.history.clone(),
            self.process.log.clone(),
        );
        let mut waiting: Vec<Vec<Step>> = batches.iter().rev().cloned().collect();
        let window = move |kind: IoKind, path: &Path| {
            if kind != IoKind::Sync || path != Path::new(LOG) {
                return;
            }
            let Some(steps) = waiting.pop() else { return };
            if matches!(engine.0.try_lock(), Err(TryLockError::WouldBlock)) {
                return;
            }
            let lsn = log.last_lsn();
            if transact(&engine, &history, Plan::Savepoint, &steps).is_ok()
                && log.last_lsn() > lsn
                && log.write_to(log.last_lsn()).is_ok()
            {
                peek(&history).acked_kill = log.last_lsn().0;
            }
        };
        self.process.vfs.set_window(Some(Box::new(window)));
        let done = self.process.sync();
        self.process.vfs.set_window(None);
        done?;
        // What came beside it waits for a sync of its own.
        self.process.sync()
    }

    /// O8 and O9 on the durable checkpoint.
    pub fn account(&self) -> Result<(), Stop> {
        self.process.account()
    }

    /// O12: the archive, and the log beside it, have everything.
    pub fn is_kept(&self) -> Result<(), Stop> {
        archive::check(&self.process.vfs, self.process.log.last_lsn())
    }

    fn snapshot(&mut self) -> Result<(), Stop> {
        let state = peek(&self.process.history).last().clone();
        let (snapshot, reached) = self.process.engine.with(|engine| {
            engine.begin_command(OnMiss::Read);
            let snapshot = engine.snapshot();
            let source = engine.source().clone();
            let roots: Vec<_> = snapshot.roots().iter().map(|(_, desc)| *desc).collect();
            let mut buffer = vec![0; source.page_bytes()];
            let pages = |ptr: PagePtr| {
                source.copy(ptr, &mut buffer)?;
                Ok(buffer.clone())
            };
            walk::of_open(pages, |pages| walk::reach(pages, &roots))
                .map(|reached| (snapshot, reached))
        })?;
        let id = self.next_snapshot;
        self.next_snapshot += 1;
        self.process.watcher.lock().snapshot_opened(id, reached);
        self.snapshots.push(Held {
            id,
            reader: snapshot.reader(),
            state,
        });
        Ok(())
    }

    /// Lets go of the oldest snapshots.
    fn drop_snapshots(&mut self, count: usize) {
        let count = count.min(self.snapshots.len());
        for gone in self.snapshots.drain(..count) {
            self.process.watcher.lock().snapshot_closed(gone.id);
        }
    }

    fn read_snapshots(&mut self) -> Result<(), Stop> {
        for held in &mut self.snapshots {
            let found = model::contents(&mut held.reader)?;
            if found != *held.state {
                let detail = format!(
                    "snapshot {}: {}",
                    held.id,
                    model::difference(&held.state, &found)
                );
                return Err(Broken::new("O11", detail).into());
            }
        }
        Ok(())
    }

    /// Reads everything and compares it with the model.
    pub fn read(&self) -> Result<(), Stop> {
        let expected = peek(&self.process.history).last().clone();
        let found = self.process.engine.with(|engine| {
            engine.begin_command(OnMiss::Read);
            model::contents(engine)
        })?;
        if found != *expected {
            return Err(Broken::new("O11", model::difference(&expected, &found)).into());
        }
        Ok(())
    }

    /// O13: a call has failed, and what is read, whenever that is, is right or refused.
    fn reads_on(&self) -> Result<(), Stop> {
        for _ in 0..2 {
            if let Err(Stop::Broken(broken)) = self.read() {
                return Err(broken.into());
            }
        }
        Ok(())
    }

    /// Reads what can be read: how many reads failed, and whether all others were right (O10).
    pub fn read_around_damage(&self) -> Result<u64, Broken> {
        let expected = peek(&self.process.history).last().clone();
        let (failed, found) = self.process.engine.with(|engine| {
            engine.begin_command(OnMiss::Read);
            model::readable(engine, &expected)
        });
        for (place, held) in &found {
            if expected.get(place) != Some(held) {
                return Err(Broken::new("O10", model::difference(&expected, &found)));
            }
        }
        let silent = expected.len() as u64 - found.len() as u64;
        if silent > failed {
            let detail = format!("{} cells are missing without an error", silent - failed);
            return Err(Broken::new("O10", detail));
        }
        Ok(failed)
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.drop_snapshots(usize::MAX);
        self.process.shut_down()
    }

    /// O8 in the end: after dropping everything, what is in use is the base line.
    pub fn empties(&mut self) -> Result<(), Stop> {
        self.drop_snapshots(usize::MAX);
        let steps: Vec<Step> = model::ROOTS.into_iter().map(Step::DropRoot).collect();
        self.act(&Act::Txn(Plan::Savepoint, steps))?;
        while self.process.engine.with(|e| e.has_dropped()) {
            self.act(&Act::FreeDropped(100))?;
        }
        for _ in 0..3 {
            self.act(&Act::Checkpoint)?;
            self.act(&Act::Txn(Plan::Simple, vec![Step::DropRoot(0)]))?;
        }
        // The catalog's leaf, twice while the older one waits, and the free maps of both.
        self.process.is_empty_but_for(8)
    }
}

fn transact(engine: &Shared, history: &Shown, plan: Plan, steps: &[Step]) -> Result<(), Error> {
    engine.with(|engine| {
        let urgent = steps.iter().all(model::is_deletion);
        engine.begin_command(OnMiss::Read);
        engine.set_urgent(urgent);
        let done = attempt(engine, history, plan, steps);
        engine.set_urgent(false);
        done
    })
}

fn attempt(engine: &mut Engine, history: &Shown, plan: Plan, steps: &[Step]) -> Result<(), Error> {
    engine.begin(plan)?;
    for step in steps {
        if let Err(e) = model::apply_to_engine(engine, step) {
            engine.rollback();
            return Err(e);
        }
    }
    let before = engine.last_lsn();
    let after = engine.commit();
    if after > before {
        let mut history = peek(history);
        let mut state = (**history.last()).clone();
        steps
            .iter()
            .for_each(|step| model::apply_to_model(&mut state, step));
        history.push(state);
    }
    Ok(())
}

/// Runs a script from the opening of the files on. `history` is what was committed and acknowledged when it ends,
/// however it ends; the open must show `low` at least.
pub fn run_script(
    vfs: &SimVfs,
    shape: Shape,
    watcher: &Watcher,
    script: &Script,
    low: u64,
    history: &mut History,
) -> Result<(), Stop> {
    let mut life = Life::open(vfs, shape, watcher, history.clone())?;
    let k = life.history().issued();
    if k < low {
        let detail = format!("{low} was acknowledged, and {k} is there");
        return Err(Broken::new("O1", detail).into());
    }
    if script.tolerates_full_disk {
        life.tolerate_full_disk();
    }
    for act in &script.acts {
        vfs.clock().advance_us(TICK_US);
        let done = match act {
            Act::Reopen => {
                let low = life.history().acked_kill;
                *history = life.history();
                drop(life);
                vfs.next_process();
                life = Life::open(vfs, shape, watcher, history.clone())?;
                let k = life.history().issued();
                if k < low {
                    let detail =
                        format!("{low} was acknowledged, the process ended, and {k} is there");
                    return Err(Broken::new("O1", detail).into());
                }
                if script.tolerates_full_disk {
                    life.tolerate_full_disk();
                }
                Ok(())
            }
            act => life.act(act),
        };
        *history = life.history();
        if let Err(stop) = done {
            if vfs.faults_fired() > 0 && !vfs.crashed() {
                life.reads_on()?;
            }
            return Err(stop);
        }
    }
    life.read()?;
    Ok(())
}

/// Time between two acts, in microseconds: frames of two acts have different wall times.
const TICK_US: u64 = 1500;

/// What a process does, in order.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub acts: Vec<Act>,
    /// Whether errors of a full disk are expected.
    pub tolerates_full_disk: bool,
}

/// Whether an error is what a dead disk answers.
pub fn is_io(stop: &Stop) -> bool {
    let io = |e: &VfsError| e.kind == VfsErrorKind::Io;
    match stop {
        Stop::Storage(Error::Io(e))
        | Stop::Log(LogError::Io(e))
        | Stop::Open(OpenError::Vfs(e)) => io(e),
        _ => false,
    }
}
