//! loom models of snapshots against reclamation, on the production types: a pager, its pool, the registry, snapshots.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --lib storage::snapshot::models` runs them.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering as PlainOrdering};

use loom::thread;

use super::*;
use crate::storage::page::{HEADER_BYTES, Kind};
use crate::storage::pager::{FrameNo, META_REGION_BYTES, OnMiss, Pager, Pool, PoolShape, Space};
use crate::storage::planted::Planted;
use crate::vfs::MemFile;

const PAGE_BYTES: usize = 4096;

/// Explores every order of a model in which threads are interrupted up to four times.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(run);
}

/// What the holder of the engine lock has.
struct Owner {
    pager: Pager,
    registry: Arc<Registry>,
}

impl Owner {
    /// A file of at most four pages behind the meta slots, and a pool of `frames` frames that may grow to four.
    fn new(frames: u64) -> Self {
        let pool = Pool::new(PoolShape {
            page_bytes: PAGE_BYTES,
            directory_chunk_bits: 3,
            directory_chunks_max: 1,
            slab_bits: 0,
            slabs_max: 4,
        });
        let planted = Planted::none();
        let source = PageSource::new(StdArc::new(pool), StdArc::new(MemFile::default()), planted);
        let space = Space::full(META_REGION_BYTES / PAGE_BYTES as u64);
        let cache_bytes = frames * PAGE_BYTES as u64;
        let mut pager = Pager::new(source, space, Stamp(1), cache_bytes, planted);
        pager.set_urgent(true);
        Self {
            pager,
            registry: Arc::new(Registry::new()),
        }
    }

    fn birth(&mut self, byte: u8) -> FrameNo {
        let frame = self.pager.birth(Kind::BlobLeaf, 0).expect("a page is free");
        self.pager.bytes_mut(frame)[HEADER_BYTES..].fill(byte);
        frame
    }

    fn snapshot(&mut self) -> Snapshot {
        let stamp = self.pager.freeze();
        let source = self.pager.source().clone();
        Snapshot::new(Vec::new(), stamp, source, self.registry.clone())
    }

    /// Gives back what the snapshots that are gone held. Returns how many there were.
    fn collect(&mut self) -> usize {
        let pager = &mut self.pager;
        let gone = Cell::new(0);
        self.registry.collect(|stamp| {
            gone.set(gone.get() + 1);
            pager.release(stamp);
        });
        gone.get()
    }
}

fn read(reader: &mut Reader, ptr: PagePtr) -> u8 {
    let slot = reader.pages.fetch(ptr).expect("a snapshot reads its pages");
    let body = &reader.pages.bytes(slot)[HEADER_BYTES..];
    assert!(body.iter().all(|b| *b == body[0]), "a page is whole");
    body[0]
}

/// The page is changed, dies, and its number is wanted again, while a reader of the snapshot is at it.
#[test]
fn a_page_is_not_used_again_before_the_last_reader_of_a_snapshot_is_gone() {
    model(|| {
        let mut owner = Owner::new(4);
        let frame = owner.birth(1);
        let old = owner.pager.ptr(frame);
        let mut reader = owner.snapshot().reader();
        // Not loom's: it is what the model checks, and no part of it.
        let reading = StdArc::new(PlainUsize::new(1));
        let thread = {
            let reading = reading.clone();
            thread::spawn(move || {
                assert_eq!(read(&mut reader, old), 1);
                reading.store(0, PlainOrdering::SeqCst);
                drop(reader);
            })
        };
        let copy = owner.pager.own(frame).expect("a page is free");
        owner.pager.bytes_mut(copy)[HEADER_BYTES..].fill(2);
        let early = owner.collect();
        let next = owner.birth(3);
        let is_reused = owner.pager.ptr(next).page == old.page;
        assert_eq!(is_reused, early == 1, "a free page is used again");
        assert!(!is_reused || reading.load(PlainOrdering::SeqCst) == 0);
        thread.join().expect("the reader does not panic");
        assert_eq!(early + owner.collect(), 1, "a snapshot is given back once");
        assert!(owner.pager.pins().is_empty());
    });
}

/// The page leaves the pool, and its frame gets another one, while a reader of the snapshot is at it: the frame is
/// taken from the queues, or lies idle for a while and is taken then. A reader between finding the frame and seeing
/// that the page has left once ended the process of an owner who took the idle frame.
#[test]
fn a_snapshot_reads_pages_that_leave_the_pool() {
    for is_pool_larger in [false, true] {
        model(move || {
            let mut owner = Owner::new(2);
            let mut others = Vec::new();
            if is_pool_larger {
                for byte in 2..4 {
                    let frame = owner.birth(byte);
                    others.push(owner.pager.ptr(frame));
                }
            }
            // The page born last is the first to leave.
            let frame = owner.birth(1);
            let ptr = owner.pager.ptr(frame);
            let mut reader = owner.snapshot().reader();
            let thread = thread::spawn(move || assert_eq!(read(&mut reader, ptr), 1));
            owner.pager.begin_operation(OnMiss::Read);
            for ptr in others {
                owner.pager.fetch(ptr).expect("readable");
            }
            owner.birth(4);
            if !is_pool_larger {
                owner.pager.begin_operation(OnMiss::Read);
                owner.birth(5);
            }
            assert!(owner.pager.stats().evictions > 0, "a page has left");
            thread.join().expect("the reader does not panic");
            let frame = owner.pager.fetch(ptr).expect("it is in the file");
            assert_eq!(owner.pager.bytes(frame)[HEADER_BYTES], 1);
        });
    }
}

/// Two readers of one snapshot, and another snapshot, end while the owner collects.
#[test]
fn every_snapshot_is_given_back_once_and_none_is_forgotten() {
    model(|| {
        let mut owner = Owner::new(4);
        owner.birth(1);
        let first = owner.snapshot();
        let second = owner.snapshot();
        let one = first.reader();
        let reader = thread::spawn(move || drop(one));
        let other = thread::spawn(move || {
            drop(second);
            drop(first);
        });
        let early = owner.collect();
        reader.join().expect("no thread of a model panics");
        other.join().expect("no thread of a model panics");
        assert_eq!(early + owner.collect(), 2);
        assert_eq!(owner.collect(), 0);
        assert!(owner.pager.pins().is_empty());
    });
}
