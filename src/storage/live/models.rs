//! loom models of a reader's pin against the process that writes, on the production types: the board, a pin, the announcer.
//! The two threads stand for two processes. The words of `-shm` are loom's atomics, which in loom promise less than `SeqCst`;
//! locks and what the kernel has of the data file are relaxed ones, so that nothing is ordered but what the protocol orders.
//!
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --lib storage::live::models` runs them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicU64 as PlainU64, Ordering as PlainOrdering};

use loom::thread;

use super::announcer::Announcer;
use super::board::Board;
use super::pin::{Moment, Pin};
use super::{BesideError, board};
use crate::storage::log::{CheckpointRef, Lsn};
use crate::storage::meta::Meta;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::vfs::{SharedWords, VfsFile, VfsResult};

const UUID: [u8; 16] = *b"modelled db 001!";

/// Places that readers of a model take, from the first on.
const PLACES: usize = 1;

/// Transactions up to each checkpoint: the log goes on between two of them.
const LSNS_A_CHECKPOINT: u64 = 10;

/// What both processes see: `-shm`, its locks, and the data file.
#[derive(Debug)]
struct Ground {
    words: BTreeMap<usize, AtomicU64>,
    locks: BTreeMap<u64, AtomicBool>,
    /// Number of the newest checkpoint in the file.
    newest: AtomicU64,
    /// What the model checks, and no part of it: the checkpoint that a reader relies on, 0: none; a bit for each of which what
    /// only it reaches was given back; whether the log was written over.
    relied_on: PlainU64,
    given_back: PlainU64,
    written: PlainU64,
}

impl Ground {
    fn new() -> StdArc<Self> {
        let words = board::words_of(PLACES).map(|at| (at, AtomicU64::new(0)));
        let locks = board::locks_of(PLACES).map(|byte| (byte, AtomicBool::new(false)));
        StdArc::new(Self {
            words: words.collect(),
            locks: locks.collect(),
            newest: AtomicU64::new(1),
            relied_on: PlainU64::new(0),
            given_back: PlainU64::new(0),
            written: PlainU64::new(0),
        })
    }

    /// A handle of a process.
    fn handle(self: &StdArc<Self>) -> Handle {
        Handle {
            ground: StdArc::clone(self),
            held: PlainU64::new(u64::MAX),
        }
    }

    fn meta(seq: u64) -> Meta {
        let lsn = Lsn(seq * LSNS_A_CHECKPOINT);
        Meta {
            seq,
            checkpoint: CheckpointRef { seq, lsn },
            ..Meta::of_new(4096, UUID, 0)
        }
    }

    fn count(ghost: &PlainU64) -> u64 {
        ghost.load(PlainOrdering::SeqCst)
    }
}

/// `-shm` and the data file as one process has them open.
#[derive(Debug)]
struct Handle {
    ground: StdArc<Ground>,
    /// The byte that it has locked.
    held: PlainU64,
}

impl SharedWords for Handle {
    fn load(&self, at: usize) -> u64 {
        self.ground.words[&at].load(Ordering::SeqCst)
    }

    fn store(&self, at: usize, value: u64) {
        self.ground.words[&at].store(value, Ordering::SeqCst);
    }

    fn try_lock(&self, byte: u64) -> VfsResult<bool> {
        let relaxed = Ordering::Relaxed;
        let taken = self.ground.locks[&byte].compare_exchange(false, true, relaxed, relaxed);
        if taken.is_ok() {
            self.held.store(byte, PlainOrdering::SeqCst);
        }
        Ok(taken.is_ok())
    }

    fn first_locked(&self, bytes: Range<u64>) -> VfsResult<Option<u64>> {
        let mut others = self.ground.locks.range(bytes);
        let found = others.find(|(_, is_locked)| is_locked.load(Ordering::Relaxed));
        Ok(found.map(|(byte, _)| *byte))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let byte = Ground::count(&self.held);
        if let Some(lock) = self.ground.locks.get(&byte) {
            lock.store(false, Ordering::Relaxed);
        }
    }
}

impl VfsFile for Handle {
    /// The metas, of which the newest is one.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        assert_eq!(offset, 0, "all are read at once");
        let meta = Ground::meta(self.ground.newest.load(Ordering::Relaxed)).encode();
        buf.fill(0);
        buf[..meta.len()].copy_from_slice(&meta);
        Ok(buf.len())
    }

    fn write_at(&self, _: &[u8], _: u64) -> VfsResult<usize> {
        unreachable!("a reader writes nothing")
    }

    fn len(&self) -> VfsResult<u64> {
        unreachable!("a pin asks for the metas alone")
    }

    fn set_len(&self, _: u64) -> VfsResult<()> {
        unreachable!("a reader writes nothing")
    }

    fn allocate(&self, _: u64, _: u64) -> VfsResult<()> {
        unreachable!("a reader writes nothing")
    }

    fn sync_data(&self) -> VfsResult<()> {
        unreachable!("a reader writes nothing")
    }

    fn sync_all(&self) -> VfsResult<()> {
        unreachable!("a reader writes nothing")
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        unreachable!("a pin takes no lock on the file")
    }

    fn path(&self) -> &Path {
        Path::new("data.keep")
    }
}

/// The process that writes.
struct Writer {
    ground: StdArc<Ground>,
    announcer: Announcer,
}

impl Writer {
    /// Begins, and opens the file: what readers hold then it knows. It writes to the log where nobody reads it.
    fn begin(ground: &StdArc<Ground>) -> Self {
        let board = Board::over(StdArc::new(ground.handle()));
        let announcer = Announcer::over(board, UUID).expect("no lock fails");
        let announcer = announcer.expect("nobody else writes");
        let held = announcer.look().expect("no lock fails");
        if held.log_from().is_none() {
            ground.written.store(1, PlainOrdering::SeqCst);
            let relied_on = Ground::count(&ground.relied_on);
            assert_eq!(relied_on, 0, "the log of a reader is written over");
        }
        announcer.open(Ground::meta(1).checkpoint.lsn);
        Self {
            ground: StdArc::clone(ground),
            announcer,
        }
    }

    /// Writes a checkpoint, the log before and behind it, and gives back what the one before reaches, unless it is held.
    fn checkpoint(&self, seq: u64) {
        let lsn = Ground::meta(seq).checkpoint.lsn;
        self.announcer.publish(lsn);
        self.ground.newest.store(seq, Ordering::Relaxed);
        // A frame that names this checkpoint.
        self.announcer.publish(Lsn(lsn.0 + 1));
        if !self.announcer.held().has_checkpoint(seq - 1) {
            let relied_on = Ground::count(&self.ground.relied_on);
            assert_ne!(relied_on, seq - 1, "what a reader holds is given back");
            let bit = 1 << (seq - 1);
            self.ground.given_back.fetch_or(bit, PlainOrdering::SeqCst);
        }
    }
}

/// The other process takes a pin, and reads what it holds.
fn read(ground: &StdArc<Ground>) {
    let handle = StdArc::new(ground.handle());
    let pin = Pin::take(Board::over(handle.clone()), &UUID).expect("a place is free");
    let Moment { meta, lsn, .. } = match pin.hold(&*handle) {
        Ok(moment) => moment,
        Err(BesideError::Opening) => return,
        Err(error) => panic!("{error}"),
    };
    let seq = meta.checkpoint.seq;
    match lsn {
        Some(lsn) => {
            assert!(
                lsn >= meta.checkpoint.lsn,
                "the log of its checkpoint is there"
            );
            let next = Ground::meta(seq + 1).checkpoint.lsn;
            assert!(lsn <= next, "no frame names a newer checkpoint: {lsn:?}");
        }
        None => assert_eq!(Ground::count(&ground.written), 0, "nobody writes"),
    }
    let given_back = Ground::count(&ground.given_back);
    assert_eq!(given_back & (1 << seq), 0, "{seq} was given back");
    ground.relied_on.store(seq, PlainOrdering::SeqCst);
    // It reads, while the writer goes on.
    thread::yield_now();
    ground.relied_on.store(0, PlainOrdering::SeqCst);
}

/// The writer has begun, and makes checkpoints while a reader comes and goes.
#[test]
fn what_a_reader_of_another_process_holds_is_not_given_back() {
    loom::model(|| {
        let ground = Ground::new();
        let writer = Writer::begin(&ground);
        let reader = {
            let ground = ground.clone();
            thread::spawn(move || read(&ground))
        };
        writer.checkpoint(2);
        writer.checkpoint(3);
        reader.join().expect("no thread of a model panics");
        assert_eq!(writer.announcer.readers().count, 0, "it is gone");
    });
}

/// A writer begins while a reader takes a pin without one.
#[test]
fn a_writer_that_begins_sees_who_reads_or_is_seen() {
    loom::model(|| {
        let ground = Ground::new();
        let reader = {
            let ground = ground.clone();
            thread::spawn(move || read(&ground))
        };
        let writer = Writer::begin(&ground);
        writer.checkpoint(2);
        reader.join().expect("no thread of a model panics");
    });
}
