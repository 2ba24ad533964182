//! The simulated disk and file system: [`SimVfs`] stands in the place of the operating system's.
//!
//! One life of a process is: I/Os through the [`Vfs`] trait until a crash, planned or asked for; then
//! [`SimVfs::crash_state`] says what was durable and what was not, and [`SimVfs::restart`] (or, to try many ends
//! of one life, [`SimVfs::boot`] on each image) begins the next.

mod content;
mod damage;
mod extents;
mod fault;
mod file;
mod profile;
mod resolve;
mod state;
mod sync;
mod tear;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redkeep::vfs::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult};

pub use content::{CHUNK, Content};
pub use damage::{Damage, DamageError};
pub use extents::Extents;
pub use fault::{Done, Fault, Injection, Repeat, Short, When};
pub use profile::{DiskProfile, Files, Lie, LieKind};
pub use resolve::{COINS, CrashState, Policy, Progress, Resolution, Termination};
pub use state::{Call, Directory, Disk, Inode, InodeId, Op, Pending, RenameStep, Writeback};
pub use tear::{Tear, garbage};

use crate::clock::{Latency, SimClock};
use crate::seed::{Purpose, Seed, Stream};
use crate::trace::{Entry, IoKind, Trace};
use crate::watch::{Event, Io, Note, Observer, Outcome, Violation, Watch};
use fault::Injector;
use file::SimFile;

/// How often in a million the kernel has what is read in its memory.
const RESIDENT_PER_MILLION: u32 = 500_000;

/// How many I/Os a trace keeps for people.
const TRACE_KEPT: usize = 2000;

/// Where in a call the crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before anything of it happened.
    Before,
    /// While it is under way: any part of it may have happened.
    Middle,
    /// When it is done, before its caller hears of it.
    After,
}

/// The call that is the last one of a life.
///
/// Calls are counted from 0 among those that can change what the next life finds ([`IoKind::changes`]): a crash at
/// a read leaves what a crash at the change before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrashPoint {
    pub change: u64,
    pub phase: Phase,
}

/// Called between the start and the end of each I/O, with nothing locked: whatever it does runs concurrently with
/// that I/O, and a sync under way does not cover it.
pub type Window = Box<dyn FnMut(IoKind, &Path) + Send>;

/// How the simulated disk is set up, beside what is on it.
#[derive(Clone, Debug)]
pub struct Setup {
    pub seed: Seed,
    pub latency: Latency,
    pub clock: SimClock,
}

impl Setup {
    /// No latency, and a clock of its own.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            latency: Latency::NONE,
            clock: SimClock::default(),
        }
    }
}

struct World {
    disk: Disk,
    life: u32,
    /// The process or the machine is gone; the call that was under way.
    dead: Option<Option<Call>>,
    plan: Option<CrashPoint>,
    ios: u64,
    changes: u64,
    unwritten_reads: u64,
    injector: Injector,
    losses: Losses,
    faults: Stream,
    latencies: Stream,
    draws: Stream,
    residence: Stream,
    latency: Latency,
    clock: SimClock,
    trace: Trace,
    watch: Watch,
    window: Option<Window>,
    /// Open descriptions by handle: their inode.
    handles: BTreeMap<u64, InodeId>,
    next_handle: u64,
    /// Locked inodes, and the handle that holds the lock.
    locks: BTreeMap<InodeId, u64>,
}

/// What syncs have lost in this life, beside what they said.
#[derive(Clone, Debug, Default)]
struct Losses {
    /// Files of which a sync lost something and said nothing (F16), since somebody asked.
    silent: BTreeSet<PathBuf>,
    /// The cache gives up what a sync has lost (F19).
    evicts: bool,
}

/// The simulated file system. Clones are the same one.
#[derive(Clone)]
pub struct SimVfs {
    world: Arc<Mutex<World>>,
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.lock();
        f.debug_struct("SimVfs")
            .field("life", &world.life)
            .field("ios", &world.ios)
            .field("crashed", &world.dead.is_some())
            .finish_non_exhaustive()
    }
}

/// One call, for the trace, the observers and the faults.
struct Request<'a> {
    kind: IoKind,
    op: &'static str,
    path: &'a Arc<Path>,
    to: Option<&'a Path>,
    inode: Option<InodeId>,
    offset: Option<u64>,
    len: u64,
    content: u64,
    /// The call to repeat or to leave half-done, for those that alter.
    call: Option<Call>,
}

impl<'a> Request<'a> {
    fn new(kind: IoKind, op: &'static str, path: &'a Arc<Path>) -> Self {
        Self {
            kind,
            op,
            path,
            to: None,
            inode: None,
            offset: None,
            len: 0,
            content: 0,
            call: None,
        }
    }

    fn error(&self, kind: VfsErrorKind, effect_unknown: bool, message: &str) -> VfsError {
        VfsError {
            kind,
            op: self.op,
            path: self.path.to_path_buf(),
            offset: self.offset,
            effect_unknown,
            message: message.to_owned(),
        }
    }

    fn io(&self, index: u64) -> Io<'_> {
        Io {
            index,
            kind: self.kind,
            path: self.path,
            to: self.to,
            inode: self.inode,
            offset: self.offset.unwrap_or(0),
            len: self.len,
        }
    }
}

/// What a call gave: its value, the count for the trace, and for reads what they saw.
struct Answer<T> {
    value: T,
    count: u64,
    content: Option<u64>,
    unwritten: Option<(u64, u64)>,
}

impl<T> Answer<T> {
    fn new(value: T, count: u64) -> Self {
        Self {
            value,
            count,
            content: None,
            unwritten: None,
        }
    }
}

/// What the body of a call works under.
struct Conditions {
    fault: Option<Fault>,
    /// The order number of the last operation issued before the call began: what a sync covers.
    cutoff: u64,
}

impl SimVfs {
    /// A file system on an empty disk with these directories.
    pub fn new(profile: DiskProfile, dirs: &[&str], setup: &Setup) -> Self {
        Self::boot(Disk::new(profile, dirs), setup)
    }

    /// A file system on a disk that is there.
    pub fn boot(disk: Disk, setup: &Setup) -> Self {
        let world = World {
            disk,
            life: 0,
            dead: None,
            plan: None,
            ios: 0,
            changes: 0,
            unwritten_reads: 0,
            injector: Injector::default(),
            losses: Losses::default(),
            faults: setup.seed.stream(Purpose::Faults),
            latencies: setup.seed.stream(Purpose::Latency),
            draws: setup.seed.stream(Purpose::Draws),
            residence: setup.seed.stream(Purpose::Residence),
            latency: setup.latency,
            clock: setup.clock.clone(),
            trace: Trace::keeping(TRACE_KEPT),
            watch: Watch::default(),
            window: None,
            handles: BTreeMap::new(),
            next_handle: 1,
            locks: BTreeMap::new(),
        };
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trait object that an engine takes.
    pub fn as_vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.clone())
    }

    /// Plans the crash of this life.
    pub fn crash_at(&self, point: CrashPoint) {
        self.lock().plan = Some(point);
    }

    /// Ends this life now, between two calls.
    pub fn kill(&self) {
        let mut world = self.lock();
        if world.dead.is_none() {
            world.dead = Some(None);
        }
    }

    /// Whether this life has ended.
    pub fn crashed(&self) -> bool {
        self.lock().dead.is_some()
    }

    /// I/Os of this life so far.
    pub fn ios(&self) -> u64 {
        self.lock().ios
    }

    /// I/Os of this life so far that a [`CrashPoint`] can name.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Reads, over all lives, that returned bytes that nobody ever wrote (F43).
    pub fn unwritten_reads(&self) -> u64 {
        self.lock().unwritten_reads
    }

    /// Adds a fault to this life.
    pub fn inject(&self, injection: Injection) {
        self.lock().injector.add(injection);
    }

    /// How often an injected fault struck in this life.
    pub fn faults_fired(&self) -> u64 {
        self.lock().injector.fired()
    }

    /// The file of the call that a fault struck last in this life.
    pub fn struck(&self) -> Option<PathBuf> {
        self.lock().injector.struck().map(Path::to_path_buf)
    }

    /// Whether a sync of one of these has lost something and said nothing (F16), in this life and since this was asked last.
    pub fn take_silent_losses(&self, is_among: impl Fn(&Path) -> bool) -> bool {
        let silent = &mut self.lock().losses.silent;
        let before = silent.len();
        silent.retain(|path| !is_among(path));
        silent.len() < before
    }

    /// Whether the cache has given up in this life, or will, what it still showed behind a failed sync (F19).
    pub fn evicts(&self) -> bool {
        self.lock().losses.evicts
    }

    /// F18: writeback of a file fails outside any call. Whoever syncs the file next is told, or whoever opens it next if nobody
    /// has it open. False: there is no such file.
    pub fn fail_writeback(&self, path: &Path) -> bool {
        let mut world = self.lock();
        let inode = world.disk.lookup(path);
        if let Some(inode) = inode {
            world.writeback_fails(inode, VfsErrorKind::Io);
        }
        inode.is_some()
    }

    /// Adds an observer.
    pub fn observe(&self, observer: Box<dyn Observer>) {
        self.lock().watch.add(observer);
    }

    /// Hands a note of the engine to the observers.
    pub fn note(&self, note: Note<'_>) {
        self.lock().watch.event(&Event::Note(note));
    }

    /// What the observers found.
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().watch.violations().to_vec()
    }

    /// Sets what runs while an I/O is under way.
    pub fn set_window(&self, window: Option<Window>) {
        // The old one may own a file, whose end takes the lock: it goes when the lock is free.
        let old = std::mem::replace(&mut self.lock().window, window);
        drop(old);
    }

    /// The hash of every I/O so far, over all lives.
    pub fn trace_hash(&self) -> u128 {
        self.lock().trace.hash()
    }

    /// The hash of every I/O so far that changes something.
    pub fn changes_hash(&self) -> u128 {
        self.lock().trace.changes_hash()
    }

    /// The trace as text: the last I/Os, one a line.
    pub fn trace_text(&self) -> String {
        self.lock().trace.to_string()
    }

    /// The clock that latencies move.
    pub fn clock(&self) -> SimClock {
        self.lock().clock.clone()
    }

    /// What the random draws of a process depend on that begins now: of no two the same.
    pub fn next_draws(&self) -> u64 {
        self.lock().draws.next_u64()
    }

    /// Limits the disk to so many bytes, or lifts the limit.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.lock().disk.profile.capacity = capacity;
    }

    /// Makes the disk lie about syncs from now on, or tell the truth again (F14).
    pub fn lie(&self, lie: Option<Lie>) {
        self.lock().disk.profile.lie = lie;
    }

    /// The disk as it is now, with what is pending.
    pub fn disk(&self) -> Disk {
        self.lock().disk.clone()
    }

    /// What a crash finds: that of the crash that came, or of one between two calls now.
    pub fn crash_state(&self) -> CrashState {
        let world = self.lock();
        CrashState {
            disk: world.disk.clone(),
            call: world.dead.clone().flatten(),
        }
    }

    /// Ends this life, if it has not ended, and begins the next on what the termination leaves. Handles of the old
    /// life fail for ever, its locks are released; plans, faults and counters start anew.
    pub fn restart(&self, termination: Termination) {
        let image = self.crash_state().image(termination);
        self.set_window(None);
        let mut world = self.lock();
        world.disk = image;
        world.life += 1;
        world.dead = None;
        world.plan = None;
        world.ios = 0;
        world.changes = 0;
        world.injector = Injector::default();
        world.losses = Losses::default();
        world.handles.clear();
        world.locks.clear();
        let life = u64::from(world.life);
        world.trace.mark(life);
        world.watch.event(&Event::Restart);
    }

    /// The process has ended, and all its handles are closed; another one goes on with this disk, its plans and faults.
    pub fn next_process(&self) {
        self.lock().watch.event(&Event::Restart);
    }

    /// Damages the medium under a file (F36 to F42).
    pub fn damage(&self, path: &Path, damage: &Damage) -> Result<(), DamageError> {
        self.lock().disk.damage(path, damage)
    }

    /// Runs one call through crash plan, latency, faults, observers and trace.
    fn io<T>(
        &self,
        life: Option<u32>,
        mut request: Request<'_>,
        body: impl FnOnce(&mut World, &Request<'_>, &Conditions) -> VfsResult<Answer<T>>,
    ) -> VfsResult<T> {
        let mut world = self.lock();
        let gone = life.is_some_and(|l| l != world.life);
        if gone || world.dead.is_some() {
            return Err(dead(&request));
        }
        let index = world.ios;
        world.ios += 1;
        let phase = world.crash_due(request.kind);
        match phase {
            Some(Phase::Before) => world.dead = Some(None),
            Some(Phase::Middle) => world.dead = Some(request.call.take()),
            Some(Phase::After) | None => {}
        }
        if world.dead.is_some() {
            return Err(dead(&request));
        }
        let fault = world.begin(&request, index);
        let cutoff = world.disk.seq;
        if let Some(mut window) = world.window.take() {
            drop(world);
            window(request.kind, request.path);
            world = self.lock();
            world.window = Some(window);
            if world.dead.is_some() {
                return Err(dead(&request));
            }
        }
        let conditions = Conditions { fault, cutoff };
        let answer = match fault.and_then(|f| refusal(f, &request)) {
            Some(error) => Err(error),
            None => body(&mut world, &request, &conditions),
        };
        world.end(&request, index, &answer);
        if phase == Some(Phase::After) {
            world.dead = Some(None);
            return Err(dead(&request));
        }
        answer.map(|a| a.value)
    }
}

fn dead(request: &Request<'_>) -> VfsError {
    request.error(VfsErrorKind::Io, true, "the simulated process is dead")
}

/// The error of faults that keep a call from doing anything, whatever the call.
fn refusal(fault: Fault, request: &Request<'_>) -> Option<VfsError> {
    let (kind, message) = match fault {
        Fault::Interrupted => (VfsErrorKind::Interrupted, "interrupted"),
        Fault::TooManyFiles => (VfsErrorKind::TooManyFiles, "too many open files"),
        Fault::Denied => (VfsErrorKind::Denied, "read-only file system"),
        Fault::NoSpace(_) if request.kind != IoKind::Write => (VfsErrorKind::NoSpace, "no space"),
        _ => return None,
    };
    Some(request.error(kind, false, message))
}

impl World {
    /// Counts a call that the crash plan can name; its phase if the plan names it.
    fn crash_due(&mut self, kind: IoKind) -> Option<Phase> {
        if !kind.changes() {
            return None;
        }
        let number = self.changes;
        self.changes += 1;
        let plan = self.plan?;
        (plan.change == number).then_some(plan.phase)
    }

    fn begin(&mut self, request: &Request<'_>, index: u64) -> Option<Fault> {
        let mut us = self.latency.draw_us(request.kind, &mut self.latencies);
        let fault = self
            .injector
            .strike(request.kind, request.path, &mut self.faults);
        if let Some(Fault::Slow(extra)) = fault {
            us += extra;
        }
        self.clock.wait_us(request.kind, us);
        self.watch.event(&Event::Start(request.io(index)));
        fault
    }

    fn end<T>(&mut self, request: &Request<'_>, index: u64, answer: &VfsResult<Answer<T>>) {
        let (result, content, unwritten) = match answer {
            Ok(a) => (Ok(a.count), a.content, a.unwritten),
            Err(e) => (Err(e.kind), None, None),
        };
        self.unwritten_reads += u64::from(unwritten.is_some());
        let outcome = Outcome { result, unwritten };
        self.watch.event(&Event::Done(request.io(index), outcome));
        self.trace.push(Entry {
            index,
            life: self.life,
            kind: request.kind,
            path: request.path.clone(),
            offset: request.offset.unwrap_or(0),
            len: request.len,
            content: content.unwrap_or(request.content),
            result,
        });
    }

    fn open_handle(&mut self, inode: InodeId) -> (u64, u64) {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(handle, inode);
        // A new description is told of a failure only if nobody was told of it.
        let writeback = &self.disk.inode(inode).expect("it was looked up").writeback;
        let told = writeback.failures - u64::from(writeback.is_untold());
        (handle, told)
    }

    fn close_handle(&mut self, handle: u64, life: u32) {
        if life != self.life {
            return;
        }
        let Some(inode) = self.handles.remove(&handle) else {
            return;
        };
        if self.locks.get(&inode) == Some(&handle) {
            self.locks.remove(&inode);
        }
        if !self.handles.values().any(|i| *i == inode) {
            self.disk.release(inode);
        }
    }
}

fn shared(path: &Path) -> Arc<Path> {
    Arc::from(path)
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        let name = shared(path);
        let exists = self.lock().disk.lookup(path).is_some();
        let makes = matches!(mode, OpenMode::Create | OpenMode::CreateNew) && !exists;
        let has_dir = self.lock().disk.has_dir_of(path);
        let kind = if makes && has_dir {
            IoKind::Create
        } else {
            IoKind::Open
        };
        let mut request = Request::new(kind, "open", &name);
        if kind == IoKind::Create {
            request.call = Some(Call::Create {
                path: path.to_path_buf(),
            });
        }
        let file = self.io(None, request, |world, request, _| {
            let inode = match (world.disk.lookup(path), mode) {
                (Some(_), OpenMode::CreateNew) => {
                    return Err(request.error(VfsErrorKind::AlreadyExists, false, "it exists"));
                }
                (Some(inode), _) => inode,
                (None, _) if request.kind == IoKind::Create => world.disk.create(path),
                (None, _) => {
                    return Err(request.error(VfsErrorKind::NotFound, false, "no such file"));
                }
            };
            let (handle, told) = world.open_handle(inode);
            let writable = mode != OpenMode::Read;
            Ok(Answer::new(
                (inode, handle, told, world.life, writable),
                inode,
            ))
        })?;
        let (inode, handle, told, life, writable) = file;
        Ok(Arc::new(SimFile::new(
            self.clone(),
            name,
            inode,
            handle,
            told,
            life,
            writable,
        )))
    }

    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        let name = shared(from);
        let mut request = Request::new(IoKind::Rename, "rename", &name);
        request.to = Some(to);
        let (is_dir, sound) = {
            let world = self.lock();
            let disk = &world.disk;
            let sound = disk.lookup(from).is_some() && disk.has_dir_of(to);
            (disk.names(from).is_some(), sound)
        };
        if is_dir {
            return self.io(None, request, |world, request, _| {
                if world
                    .disk
                    .names(to)
                    .is_some_and(|mut names| names.next().is_some())
                {
                    let there = "the directory has files";
                    return Err(request.error(VfsErrorKind::AlreadyExists, false, there));
                }
                world.disk.rename_dir(from, to);
                Ok(Answer::new((), 0))
            });
        }
        let call = Call::Rename {
            from: from.to_path_buf(),
            to: to.to_path_buf(),
        };
        request.call = sound.then(|| call.clone());
        self.io(None, request, |world, request, _| {
            if !sound {
                return Err(request.error(
                    VfsErrorKind::NotFound,
                    false,
                    "no such file or directory",
                ));
            }
            let replaced = world.disk.lookup(to);
            world.disk.perform(&call);
            world.release_unheld(replaced);
            Ok(Answer::new((), 0))
        })
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        let name = shared(path);
        let mut request = Request::new(IoKind::Unlink, "unlink", &name);
        let call = Call::Unlink {
            path: path.to_path_buf(),
        };
        let exists = self.lock().disk.lookup(path).is_some();
        request.call = exists.then(|| call.clone());
        self.io(None, request, |world, request, _| {
            let Some(inode) = world.disk.lookup(path) else {
                return Err(request.error(VfsErrorKind::NotFound, false, "no such file"));
            };
            world.disk.perform(&call);
            world.release_unheld(Some(inode));
            Ok(Answer::new((), 0))
        })
    }

    fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>> {
        let name = shared(dir);
        let request = Request::new(IoKind::List, "list", &name);
        self.io(None, request, |world, request, _| {
            let Some(names) = world.disk.names(dir) else {
                return Err(request.error(VfsErrorKind::NotFound, false, "no such directory"));
            };
            let paths: Vec<PathBuf> = names.map(|n| dir.join(n)).collect();
            let count = paths.len() as u64;
            Ok(Answer::new(paths, count))
        })
    }

    fn create_dir(&self, dir: &Path) -> VfsResult<()> {
        if self.lock().disk.names(dir).is_some() {
            return Ok(());
        }
        let name = shared(dir);
        let request = Request::new(IoKind::Create, "create directory", &name);
        self.io(None, request, |world, _, _| {
            world.disk.create_dir(dir);
            Ok(Answer::new((), 0))
        })
    }

    fn sync_dir(&self, dir: &Path) -> VfsResult<()> {
        let name = shared(dir);
        let request = Request::new(IoKind::SyncDir, "sync directory", &name);
        self.io(None, request, |world, request, conditions| {
            if world.disk.names(dir).is_none() {
                return Err(request.error(VfsErrorKind::NotFound, false, "no such directory"));
            }
            world.sync_dir(dir, request, conditions)?;
            Ok(Answer::new((), 0))
        })
    }
}

impl World {
    /// Gives back the space of a file that lost a name, if no handle holds it.
    fn release_unheld(&mut self, inode: Option<InodeId>) {
        if let Some(inode) = inode
            && !self.handles.values().any(|i| *i == inode)
        {
            self.disk.release(inode);
        }
    }
}

#[cfg(test)]
mod tests;
