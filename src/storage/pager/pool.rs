//! The part of the buffer pool that threads share: which frame holds a page, and the pages' bytes.
//!
//! The owner (whoever holds the engine lock) maps, changes and evicts; any other thread may copy a page out
//! ([`Pool::copy_page`]). Two rules make that safe:
//!
//! * A frame changes its page only while its `EVICTING` bit is set, which the owner gets only when nobody has it
//!   pinned. A reader pins first and then looks whether the frame holds the page and stamp it wants.
//! * The owner changes the bytes of a mapped page only if no snapshot or checkpoint reaches it, and readers ask
//!   only for pages that one they hold reaches. The stamp tells a page from its successor of the same number.

use std::alloc::{Layout, handle_alloc_error};
use std::sync::OnceLock;

use crate::storage::page::{PageNo, PagePtr};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// In `Frame::pins`: the owner is changing which page the frame holds.
const EVICTING: u32 = 1 << 31;

/// Cache lines that [`Pool::prefetch`] asks for: the page header and about forty slots.
#[cfg(target_arch = "x86_64")]
const PREFETCH_LINES: usize = 5;

/// Alignment of slabs in bytes: that of the processor's large pages, which spare most of a look-up's misses in the
/// address translation.
const SLAB_ALIGN_BYTES: usize = 2 << 20;

/// How large the chunks of the pool's arrays are, as powers of two.
#[derive(Clone, Copy, Debug)]
pub struct PoolShape {
    pub page_bytes: usize,
    /// log2 of the pages that one chunk of the directory covers.
    pub directory_chunk_bits: u32,
    /// Chunks of the directory at most.
    pub directory_chunks_max: usize,
    /// log2 of the frames in one slab.
    pub slab_bits: u32,
    /// Slabs at most.
    pub slabs_max: usize,
}

impl PoolShape {
    /// The shape of a real pool: up to 2^32 pages (16 TiB of 4 KiB pages), 2^24 frames.
    pub fn standard(page_bytes: usize) -> Self {
        Self {
            page_bytes,
            directory_chunk_bits: 18,
            directory_chunks_max: 1 << 14,
            slab_bits: 10,
            slabs_max: 1 << 14,
        }
    }

    /// The first page number that has no place in the directory.
    pub fn pages_max(&self) -> u64 {
        (self.directory_chunks_max as u64) << self.directory_chunk_bits
    }
}

/// The number of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameNo(pub u32);

#[derive(Debug)]
struct Frame {
    /// Readers that copy right now, and the EVICTING bit.
    pins: AtomicU32,
    /// Number of the page held, 0 for none. Changed only under EVICTING.
    page: AtomicU64,
    /// Stamp of the page held. Changed only under EVICTING.
    stamp: AtomicU64,
}

struct Slab {
    frames: Box<[Frame]>,
    /// The pages' bytes, aligned to the processor's large pages.
    bytes: *mut u8,
    /// What was mapped, and how much.
    mapping: *mut std::ffi::c_void,
    mapped_bytes: usize,
}

// SAFETY: the bytes are reached through `Pool` only, under the rules at the top of this file.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: mapped in `Slab::new` with this length, and nobody has a reference to a dropped slab.
        let unmapped = unsafe { rustix::mm::munmap(self.mapping, self.mapped_bytes) };
        debug_assert!(
            unmapped.is_ok(),
            "a mapping of this process is unmapped once"
        );
    }
}

impl Slab {
    fn new(frames: usize, page_bytes: usize) -> Self {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let slab_bytes = frames * page_bytes;
        let mapped_bytes = slab_bytes + SLAB_ALIGN_BYTES;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping, at an address that the kernel chooses, touches nothing that exists.
        let mapped = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                mapped_bytes,
                access,
                MapFlags::PRIVATE,
            )
        };
        let Ok(mapping) = mapped else {
            handle_alloc_error(
                Layout::from_size_align(mapped_bytes, 4096)
                    .expect("a slab is far below the address space"),
            )
        };
        let bytes: *mut u8 = mapping.cast();
        let bytes = bytes.wrapping_add(bytes.align_offset(SLAB_ALIGN_BYTES));
        // SAFETY: the range lies in the new mapping.
        unsafe { want_large_pages(bytes, slab_bytes) };
        let frame = || Frame {
            pins: AtomicU32::new(0),
            page: AtomicU64::new(0),
            stamp: AtomicU64::new(0),
        };
        Self {
            frames: (0..frames).map(|_| frame()).collect(),
            bytes,
            mapping,
            mapped_bytes,
        }
    }

    fn populate(&self) {
        #[cfg(target_os = "linux")]
        {
            use rustix::mm::{Advice, madvise};
            let slab_bytes = self.mapped_bytes - SLAB_ALIGN_BYTES;
            // SAFETY: the range lies in the mapping of this slab; the advice changes no byte. A kernel that does not know
            // it leaves the memory as it is.
            let _ = unsafe { madvise(self.bytes.cast(), slab_bytes, Advice::LinuxPopulateWrite) };
        }
    }
}

/// Asks the kernel for large pages for memory that will be used in no order. One that has none goes on with small ones.
///
/// # Safety
/// The memory is mapped, and `start` is at the beginning of a page.
unsafe fn want_large_pages(start: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        // SAFETY: the caller's; the advice changes no byte.
        let _ = unsafe { madvise(start.cast(), bytes, Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// Memory for `capacity` bytes that will be read in no order.
pub fn scattered_memory(capacity: usize) -> Vec<u8> {
    let mut memory: Vec<u8> = Vec::with_capacity(capacity);
    let start = memory.as_mut_ptr();
    let skipped = start.align_offset(SLAB_ALIGN_BYTES);
    if let Some(whole) = capacity.checked_sub(skipped) {
        // SAFETY: the range lies in the vector's memory.
        unsafe { want_large_pages(start.wrapping_add(skipped), whole) };
    }
    memory
}

/// Asks the processor for the cache line in which a value begins.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and cannot fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Directory, frames and page bytes.
pub struct Pool {
    shape: PoolShape,
    /// Page number to frame number + 1; 0: not in the pool.
    directory: Box<[OnceLock<Box<[AtomicU32]>>]>,
    slabs: Box<[OnceLock<Slab>]>,
    /// The first byte of each slab, for the hot path.
    bases: Box<[AtomicPtr<u8>]>,
    page_bits: u32,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub fn new(shape: PoolShape) -> Self {
        Self {
            shape,
            directory: (0..shape.directory_chunks_max)
                .map(|_| OnceLock::new())
                .collect(),
            slabs: (0..shape.slabs_max).map(|_| OnceLock::new()).collect(),
            bases: (0..shape.slabs_max)
                .map(|_| AtomicPtr::new(std::ptr::null_mut()))
                .collect(),
            page_bits: shape.page_bytes.trailing_zeros(),
        }
    }

    pub fn page_bytes(&self) -> usize {
        self.shape.page_bytes
    }

    pub fn shape(&self) -> PoolShape {
        self.shape
    }

    /// The frame that holds `page`, if one does.
    #[inline]
    pub fn lookup(&self, page: PageNo) -> Option<FrameNo> {
        let chunk = self
            .directory
            .get((page.0 >> self.shape.directory_chunk_bits) as usize)?;
        let entries = chunk.get()?;
        let entry = &entries[page.0 as usize & (entries.len() - 1)];
        // Acquire pairs with the Release in `set_entry`: who sees the frame sees its page and stamp.
        entry.load(Ordering::Acquire).checked_sub(1).map(FrameNo)
    }

    fn set_entry(&self, page: PageNo, value: u32) {
        let bits = self.shape.directory_chunk_bits;
        let chunk = &self.directory[(page.0 >> bits) as usize];
        let entries =
            chunk.get_or_init(|| (0..1_usize << bits).map(|_| AtomicU32::new(0)).collect());
        // Release pairs with the Acquire in `lookup`.
        entries[page.0 as usize & (entries.len() - 1)].store(value, Ordering::Release);
    }

    fn slab(&self, frame: FrameNo) -> &Slab {
        self.slabs[frame.0 as usize >> self.shape.slab_bits]
            .get()
            .expect("a frame number comes from a slab that was made")
    }

    fn frame(&self, frame: FrameNo) -> &Frame {
        let slab = self.slab(frame);
        &slab.frames[frame.0 as usize & (slab.frames.len() - 1)]
    }

    /// Owner: makes the slab with this number and returns its frames; None if there are no more slabs.
    pub fn make_slab(&self, slab: usize) -> Option<std::ops::Range<u32>> {
        let frames = 1_u32 << self.shape.slab_bits;
        let place = self.slabs.get(slab)?;
        let made = place.get_or_init(|| Slab::new(frames as usize, self.shape.page_bytes));
        // Release pairs with the Acquire that showed the reader the frame number (`lookup`).
        self.bases[slab].store(made.bytes, Ordering::Release);
        let first = slab as u32 * frames;
        Some(first..first + frames)
    }

    /// Bytes of pages in a slab.
    pub fn slab_bytes(&self) -> usize {
        self.shape.page_bytes << self.shape.slab_bits
    }

    /// Has the kernel clear the memory of a slab that the owner will make: its first uses, under the engine lock, do not
    /// wait for that then. Nothing beyond the last slab, and where the kernel cannot.
    pub fn populate(&self, slab: usize) {
        if let Some(place) = self.slabs.get(slab) {
            let frames = 1_usize << self.shape.slab_bits;
            place
                .get_or_init(|| Slab::new(frames, self.shape.page_bytes))
                .populate();
        }
    }

    #[inline]
    fn bytes_ptr(&self, frame: FrameNo) -> *mut u8 {
        let bits = self.shape.slab_bits;
        let base = self.bases[frame.0 as usize >> bits].load(Ordering::Relaxed);
        debug_assert!(
            !base.is_null(),
            "a frame number comes from a slab that was made"
        );
        let index = frame.0 as usize & ((1 << bits) - 1);
        // SAFETY: the index is below the number of frames the slab was allocated for.
        unsafe { base.add(index << self.page_bits) }
    }

    /// Asks the processor for the header, the first slots and the common prefix of a page, all at once instead of one after the other.
    #[inline]
    pub fn prefetch(&self, frame: FrameNo) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let at = self.bytes_ptr(frame);
            for line in 0..PREFETCH_LINES {
                // SAFETY: a prefetch reads nothing and cannot fault.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(line * 64).cast()) };
            }
            let end = at.wrapping_add(self.shape.page_bytes - 1);
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(end.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = frame;
    }

    /// Owner: the bytes of a frame.
    ///
    /// # Safety
    /// Only the owner calls this, and changes no byte of the frame while the slice lives.
    #[inline]
    pub unsafe fn bytes(&self, frame: FrameNo) -> &[u8] {
        // SAFETY: the range lies in the slab; only the owner changes bytes, and it is the caller.
        unsafe { std::slice::from_raw_parts(self.bytes_ptr(frame), self.shape.page_bytes) }
    }

    /// Owner: the bytes of a frame, to be changed.
    ///
    /// # Safety
    /// Only the owner calls this, with no other slice of the frame alive, for a frame that it holds under
    /// EVICTING or whose page no snapshot and no checkpoint reaches.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "the bytes are behind a raw pointer; the rules are above"
    )]
    pub unsafe fn bytes_mut(&self, frame: FrameNo) -> &mut [u8] {
        // SAFETY: the range lies in the slab; the caller keeps the rules of aliasing.
        unsafe { std::slice::from_raw_parts_mut(self.bytes_ptr(frame), self.shape.page_bytes) }
    }

    /// Owner: takes a frame away from readers, so that its page can change; false if one is copying from it.
    pub fn begin_change(&self, frame: FrameNo) -> bool {
        // Acquire pairs with the Release of a reader's unpin: its copy is done before the bytes change.
        self.frame(frame)
            .pins
            .compare_exchange(0, EVICTING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Owner: gives the frame back, holding `ptr` (or nothing, if null), and maps or unmaps the page.
    /// The frame is under [`Pool::begin_change`].
    pub fn end_change(&self, frame: FrameNo, ptr: PagePtr) {
        let state = self.frame(frame);
        let old = PageNo(state.page.load(Ordering::Relaxed));
        if old.0 != 0 && old != ptr.page && self.lookup(old) == Some(frame) {
            self.set_entry(old, 0);
        }
        state.page.store(ptr.page.0, Ordering::Relaxed);
        state.stamp.store(ptr.stamp.0, Ordering::Relaxed);
        // Release pairs with the Acquire in `pin`: who pins afterwards sees page, stamp and bytes.
        state.pins.fetch_sub(EVICTING, Ordering::Release);
        if !ptr.is_null() {
            self.set_entry(ptr.page, frame.0 + 1);
        }
    }

    /// Reader: pins the frame if it holds exactly this page.
    fn pin(&self, frame: FrameNo, ptr: PagePtr) -> bool {
        let state = self.frame(frame);
        // Acquire pairs with the Release in `end_change`.
        let before = state.pins.fetch_add(1, Ordering::Acquire);
        let holds = before & EVICTING == 0
            && state.page.load(Ordering::Relaxed) == ptr.page.0
            && state.stamp.load(Ordering::Relaxed) == ptr.stamp.0;
        if !holds {
            self.unpin(frame);
        }
        holds
    }

    fn unpin(&self, frame: FrameNo) {
        // Release pairs with the Acquire in `begin_change`.
        self.frame(frame).pins.fetch_sub(1, Ordering::Release);
    }

    /// Any thread: copies a page out if it is in the pool. The caller holds a snapshot or checkpoint that reaches it.
    pub fn copy_page(&self, ptr: PagePtr, out: &mut [u8]) -> bool {
        assert_eq!(out.len(), self.shape.page_bytes, "a buffer for one page");
        let Some(frame) = self.lookup(ptr.page) else {
            return false;
        };
        if !self.pin(frame, ptr) {
            return false;
        }
        // SAFETY: the frame is pinned, so it keeps its page, and the page is frozen, so nobody changes its bytes.
        out.copy_from_slice(unsafe { self.bytes(frame) });
        self.unpin(frame);
        true
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::storage::page::Stamp;
    use loom::sync::Arc;

    fn ptr(page: u64, stamp: u64) -> PagePtr {
        PagePtr {
            page: PageNo(page),
            stamp: Stamp(stamp),
        }
    }

    fn small_pool() -> Pool {
        let pool = Pool::new(PoolShape {
            page_bytes: 512,
            directory_chunk_bits: 2,
            directory_chunks_max: 1,
            slab_bits: 0,
            slabs_max: 1,
        });
        assert_eq!(pool.make_slab(0), Some(0..1));
        pool
    }

    fn fill(pool: &Pool, frame: FrameNo, ptr: PagePtr, byte: u8) -> bool {
        if !pool.begin_change(frame) {
            return false;
        }
        // SAFETY: this thread is the owner and holds the frame under EVICTING.
        unsafe { pool.bytes_mut(frame) }.fill(byte);
        pool.end_change(frame, ptr);
        true
    }

    /// A reader gets the whole page it asked for or nothing, whatever the owner evicts meanwhile.
    #[test]
    fn a_pinned_page_is_never_evicted() {
        loom::model(|| {
            let pool = Arc::new(small_pool());
            let frame = FrameNo(0);
            assert!(fill(&pool, frame, ptr(1, 10), 1));
            let reader = {
                let pool = pool.clone();
                loom::thread::spawn(move || {
                    let mut out = [0; 512];
                    if pool.copy_page(ptr(1, 10), &mut out) {
                        assert!(out.iter().all(|b| *b == 1), "the bytes of page 1");
                    }
                })
            };
            if fill(&pool, frame, ptr(2, 11), 2) {
                let mut out = [0; 512];
                assert!(!pool.copy_page(ptr(1, 10), &mut out), "page 1 is gone");
            }
            reader.join().expect("the reader does not panic");
        });
    }

    /// A page number that is used again is another page.
    #[test]
    fn a_reader_never_gets_the_successor_of_its_page() {
        loom::model(|| {
            let pool = Arc::new(small_pool());
            let frame = FrameNo(0);
            assert!(fill(&pool, frame, ptr(1, 10), 1));
            let reader = {
                let pool = pool.clone();
                loom::thread::spawn(move || {
                    let mut out = [0; 512];
                    if pool.copy_page(ptr(1, 10), &mut out) {
                        assert!(out.iter().all(|b| *b == 1));
                    }
                })
            };
            fill(&pool, frame, ptr(1, 12), 3);
            reader.join().expect("the reader does not panic");
        });
    }
}
