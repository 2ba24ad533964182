//! Group commit: who writes, who syncs, who waits, and what a failure means for all of them.
//!
//! ```text
//! append          write                    sync
//! pending ------> written (in the kernel) ------> synced (on the medium)
//!         a leader takes all              a leader syncs all that was
//!         that is pending                 written when it started
//! ```
//!
//! At most one thread writes and at most one syncs; both may go on at once, but a sync never starts while a write is
//! under way, and the first write after the start of a sync begins at a new atom (L5). Who finds a leader at work
//! waits for it and looks again. A failed write or sync poisons: whatever was not covered then is never covered in
//! this life.

use std::sync::Arc as StdArc;

use super::{LogError, Lsn};
use crate::storage::planted::{Bug, Planted};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, Ordering, wait};
use crate::vfs::VfsError;

/// What one write takes: records with their length prefixes, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub stream: Vec<u8>,
    /// Where each record ends in `stream`.
    pub ends: Vec<u64>,
}

/// Memory of a written batch that is kept for the next one, in bytes of records.
const BATCH_BYTES_KEPT_MAX: usize = 4 << 20;

impl Batch {
    /// The batch emptied, with its memory unless that is large.
    fn emptied(mut self) -> Self {
        if self.stream.capacity() > BATCH_BYTES_KEPT_MAX {
            return Self::default();
        }
        self.stream.clear();
        self.ends.clear();
        self
    }
}

/// What the leader of a write tells the medium.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteOrder {
    /// Last transaction before the batch.
    pub after: Lsn,
    /// Highest transaction known to be synced.
    pub durable: Lsn,
    /// Begin at a new atom: a sync has started since the last write.
    pub aligned: bool,
}

/// Where batches go.
pub(super) trait Medium: Send + Sync {
    /// Gives the kernel the batch, or a frame without transactions if it is empty. Called by one thread at a time.
    fn write(&self, batch: &Batch, order: WriteOrder) -> Result<(), VfsError>;

    /// The bug that is switched on, if any.
    fn planted(&self) -> Planted {
        Planted::none()
    }

    /// Makes durable every write that returned before this call. Called by one thread at a time.
    fn sync(&self) -> Result<(), VfsError>;
}

#[derive(Debug)]
struct Pending {
    batch: Batch,
    /// An empty batch: the memory of the one written last.
    spare: Batch,
    last: u64,
}

/// Who is at work, and how far they are. Counts of writes tell a frame without transactions from none.
#[derive(Debug, Default)]
struct Turn {
    writing: bool,
    syncing: bool,
    /// A thread waits to start a sync; no write starts before it has.
    sync_wanted: bool,
    aligned: bool,
    written: u64,
    writes: u64,
    synced: u64,
    synced_writes: u64,
    poison: Option<StdArc<str>>,
}

impl Turn {
    fn refusal(&self) -> Option<LogError> {
        let first = self.poison.clone()?;
        Some(LogError::Poisoned { first })
    }
}

/// The queue of a log, and its medium.
#[derive(Debug)]
pub(super) struct GroupCommit<M> {
    medium: M,
    turn: Mutex<Turn>,
    /// Everything that changes in `turn` is told here.
    turned: Condvar,
    pending: Mutex<Pending>,
    /// Copies for readers without the lock. Stored with Release after the fact they tell, loaded with Acquire.
    last: AtomicU64,
    written: AtomicU64,
    synced: AtomicU64,
    poisoned: AtomicBool,
    /// Bytes appended and not yet written. Relaxed: a count.
    unwritten_bytes: AtomicU64,
}

impl<M: Medium> GroupCommit<M> {
    /// A queue whose last transaction, already durable, is `last`.
    pub fn new(medium: M, last: Lsn) -> Self {
        Self {
            medium,
            turn: Mutex::new(Turn {
                written: last.0,
                synced: last.0,
                aligned: true,
                ..Turn::default()
            }),
            turned: Condvar::new(),
            pending: Mutex::new(Pending {
                batch: Batch::default(),
                spare: Batch::default(),
                last: last.0,
            }),
            last: AtomicU64::new(last.0),
            written: AtomicU64::new(last.0),
            synced: AtomicU64::new(last.0),
            poisoned: AtomicBool::new(false),
            unwritten_bytes: AtomicU64::new(0),
        }
    }

    pub fn medium(&self) -> &M {
        &self.medium
    }

    pub fn last(&self) -> Lsn {
        Lsn(self.last.load(Ordering::Acquire))
    }

    pub fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    pub fn synced(&self) -> Lsn {
        Lsn(self.synced.load(Ordering::Acquire))
    }

    pub fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes.load(Ordering::Relaxed)
    }

    /// Whether a write or sync has failed.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// The refusal that a poisoned log answers.
    pub fn refusal(&self) -> Option<LogError> {
        if !self.poisoned.load(Ordering::Acquire) {
            return None;
        }
        self.turn.lock().refusal()
    }

    /// Queues a record of `len` bytes that `put` appends; returns its number. In a poisoned log the number is given
    /// and the bytes are dropped: nothing will ever write them.
    pub fn append(&self, put: impl FnOnce(&mut Vec<u8>)) -> Lsn {
        let mut pending = self.pending.lock();
        pending.last += 1;
        if !self.poisoned.load(Ordering::Acquire) {
            let before = pending.batch.stream.len();
            put(&mut pending.batch.stream);
            let end = pending.batch.stream.len() as u64;
            pending.batch.ends.push(end);
            self.unwritten_bytes
                .fetch_add(end - before as u64, Ordering::Relaxed);
        }
        let lsn = pending.last;
        self.last.store(lsn, Ordering::Release);
        Lsn(lsn)
    }

    /// Returns once the kernel has everything up to `lsn`.
    pub fn write_to(&self, lsn: Lsn) -> Result<(), LogError> {
        if self.written() >= lsn {
            return Ok(());
        }
        assert!(lsn <= self.last(), "{lsn} was never appended");
        let mut turn = self.turn.lock();
        loop {
            if turn.written >= lsn.0 {
                return Ok(());
            }
            if let Some(refusal) = turn.refusal() {
                return Err(refusal);
            }
            if turn.writing || turn.sync_wanted {
                wait(&self.turned, &mut turn);
            } else {
                turn = self.lead_write(turn);
            }
        }
    }

    /// Writes whatever is pending, or a frame without transactions if nothing is.
    pub fn write_marker(&self) -> Result<(), LogError> {
        let mut turn = self.turn.lock();
        loop {
            if let Some(refusal) = turn.refusal() {
                return Err(refusal);
            }
            if turn.writing || turn.sync_wanted {
                wait(&self.turned, &mut turn);
                continue;
            }
            let before = turn.writes;
            turn = self.lead_write(turn);
            if turn.writes > before {
                return Ok(());
            }
        }
    }

    /// Returns once a sync that started after `lsn` was written has succeeded.
    pub fn sync_to(&self, lsn: Lsn) -> Result<(), LogError> {
        if self.synced() >= lsn {
            return Ok(());
        }
        self.write_to(lsn)?;
        if self.medium.planted().has(Bug::M01AckBeforeSync) {
            return Ok(());
        }
        self.sync_until(|turn| turn.synced >= lsn.0)
    }

    /// Returns once everything that has been written so far, markers included, is synced.
    pub fn sync_written(&self) -> Result<(), LogError> {
        let writes = self.turn.lock().writes;
        self.sync_until(|turn| turn.synced_writes >= writes)
    }

    fn sync_until(&self, done: impl Fn(&Turn) -> bool) -> Result<(), LogError> {
        let mut turn = self.turn.lock();
        loop {
            if done(&turn) {
                return Ok(());
            }
            if let Some(refusal) = turn.refusal() {
                return Err(refusal);
            }
            if turn.syncing {
                wait(&self.turned, &mut turn);
            } else if turn.writing {
                turn.sync_wanted = true;
                wait(&self.turned, &mut turn);
            } else {
                turn = self.lead_sync(turn);
            }
        }
    }

    /// Takes everything pending and writes it, without holding `turn` meanwhile.
    fn lead_write<'a>(&'a self, mut turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        assert!(!turn.writing && !turn.sync_wanted && turn.poison.is_none());
        turn.writing = true;
        let order = WriteOrder {
            after: Lsn(turn.written),
            durable: Lsn(turn.synced),
            aligned: std::mem::take(&mut turn.aligned),
        };
        drop(turn);
        let batch = {
            let mut pending = self.pending.lock();
            let spare = std::mem::take(&mut pending.spare);
            std::mem::replace(&mut pending.batch, spare)
        };
        let last = order.after.0 + batch.ends.len() as u64;
        let bytes = batch.stream.len() as u64;
        let outcome = self.medium.write(&batch, order);
        self.pending.lock().spare = batch.emptied();
        let mut turn = self.turn.lock();
        turn.writing = false;
        match outcome {
            Ok(()) => {
                assert!(turn.written == order.after.0 && turn.synced <= last);
                self.unwritten_bytes.fetch_sub(bytes, Ordering::Relaxed);
                turn.written = last;
                turn.writes += 1;
                self.written.store(last, Ordering::Release);
            }
            Err(error) => self.poison(&mut turn, &error),
        }
        self.turned.notify_all();
        turn
    }

    /// Syncs everything that has been written, without holding `turn` meanwhile.
    fn lead_sync<'a>(&'a self, mut turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        assert!(!turn.writing && !turn.syncing && turn.poison.is_none());
        turn.syncing = true;
        turn.sync_wanted = false;
        turn.aligned = true;
        let (mut target, target_writes) = (turn.written, turn.writes);
        // Writers that stood back for this sync may go on beside it.
        self.turned.notify_all();
        drop(turn);
        let mut outcome = self.medium.sync();
        if outcome.is_err() && self.medium.planted().has(Bug::M12SyncRetried) {
            outcome = self.medium.sync();
        }
        let mut turn = self.turn.lock();
        if self.medium.planted().has(Bug::M02AckByEarlierSync) {
            target = turn.written;
        }
        turn.syncing = false;
        match outcome {
            Ok(()) if turn.poison.is_none() => {
                assert!(turn.synced <= target && target <= turn.written);
                turn.synced = target;
                turn.synced_writes = target_writes;
                self.synced.store(target, Ordering::Release);
            }
            // A write beside the sync failed: what became of the file is unknown, so the sync proves nothing.
            Ok(()) => {}
            Err(error) => self.poison(&mut turn, &error),
        }
        self.turned.notify_all();
        turn
    }

    /// The first error stands for ever.
    fn poison(&self, turn: &mut Turn, error: &VfsError) {
        if turn.poison.is_none() {
            turn.poison = Some(error.to_string().into());
        }
        turn.sync_wanted = false;
        self.poisoned.store(true, Ordering::Release);
    }
}
