//! Pages in memory and on disk: the buffer pool, births, copies on write, deaths, eviction.
//!
//! A page is in one of these states:
//!
//! ```text
//!            birth                 written out                    evicted
//!  (none) ---------> private dirty -----------> frozen clean <---------------> on disk only
//!                       |    pin taken (freeze)     ^      read from the file
//!                       +------> frozen dirty ------+
//!                                        written out
//! ```
//!
//! * *private dirty*: born after the newest pin and never written. The only state in which bytes change. Behind a savepoint
//!   an image of them is kept first (`undo.rs`).
//! * *frozen*: some pin reaches it, or it has been written. A change makes a copy under a new number and stamp.
//!
//! Only the holder of the engine lock has the [`Pager`]. Other threads copy frozen pages through [`PageSource`].

mod eviction;
mod pins;
mod pool;
mod source;
mod space;
mod undo;

use std::collections::BTreeMap;

use self::eviction::Queues;
use self::pins::Pins;
pub use self::pool::{FrameNo, Pool, PoolShape, prefetch, scattered_memory};
pub use self::source::{Corruption, PageSource, check_inside};
pub use self::space::Space;
use self::undo::Undo;
use super::Error;
use super::page::{self, Kind, PageNo, PagePtr, Stamp};
use super::planted::{Bug, Planted};
use crate::vfs::{VfsErrorKind, write_all_at};

/// Bytes at the start of the file that hold the meta copies; pages begin behind them.
pub const META_REGION_BYTES: u64 = 4 * 4096;

/// The file grows by at least this many bytes at a time.
const GROWTH_BYTES_MIN: u64 = 256 << 10;

/// The file grows by at most this many bytes at a time.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// Free pages that only urgent work (deletes, checkpoints, shutdown) may use.
pub const RESERVE_PAGES: u64 = 64;

/// How the owner of the engine lock treats a page that is not in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMiss {
    /// Read it now, under the lock.
    Read,
    /// Read it now if that needs no wait for the disk; otherwise note it and fail with [`Error::Miss`].
    Note,
}

/// What the owner knows of a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Meta {
    ptr: PagePtr,
    is_dirty: bool,
    /// Written out since birth: frozen whatever the pins say.
    was_written: bool,
    /// The page's birth, or the savepoint since which it has an image.
    private_since: Stamp,
    /// The entry of `Pager::uses` when the frame was last looked at for eviction.
    seen_use: u32,
    queue: eviction::Queue,
}

/// Counters of the pager since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PagerStats {
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    /// Pages written because their frame was needed.
    pub writes_by_eviction: u64,
    pub copies_on_write: u64,
    pub births: u64,
}

/// How the file may be made longer before it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Its length, and how much longer it is to be, in bytes.
    pub from_bytes: u64,
    pub more_bytes: u64,
}

/// The pages of an open file, for the holder of the engine lock.
#[derive(Debug)]
pub struct Pager {
    source: PageSource,
    metas: Vec<Meta>,
    /// For each frame the operation that used it last (its low bits), apart from the rest because every look-up
    /// writes it. Frames of the running operation are not evicted.
    uses: Vec<u32>,
    /// Frames that hold nothing.
    idle: Vec<FrameNo>,
    queues: Queues,
    frames_max: usize,
    slabs: usize,
    dirty_frames: usize,
    /// Every dirty page is in here (and some that are no longer).
    dirty: Vec<(PagePtr, FrameNo)>,
    space: Space,
    pins: Pins,
    /// The stamp of the next birth.
    next_stamp: Stamp,
    /// Pages born before this are reached by a pin.
    pinned_before: Stamp,
    /// Pages that are private since before this are frozen: by a pin, or by the savepoint.
    frozen_before: Stamp,
    undo: Undo,
    /// The number of the running operation.
    operation: u64,
    /// Changes whenever a frame gets another page: see [`Pager::moves`].
    moves: u64,
    /// Changes whenever a branch gets other cells: see [`Pager::ways`].
    branch_changes: u64,
    /// Changes whenever a leaf does, or a blob.
    leaf_changes: u64,
    on_miss: OnMiss,
    missed: Vec<PagePtr>,
    /// Pages that someone reads off the lock now, with how many readers.
    loading: BTreeMap<PagePtr, usize>,
    read_buffer: Vec<u8>,
    write_buffer: Vec<u8>,
    /// A page write failed: nothing is written any more in this life.
    is_poisoned: bool,
    is_urgent: bool,
    planted: Planted,
    stats: PagerStats,
}

impl Pager {
    /// A pager over the pages of `source`'s file.
    ///
    /// `space` says which pages are free, `next_stamp` is above every stamp in the file, `cache_bytes` bounds the pool.
    pub fn new(
        source: PageSource,
        space: Space,
        next_stamp: Stamp,
        cache_bytes: u64,
        planted: Planted,
    ) -> Self {
        let page_bytes = source.page_bytes();
        let mut pager = Self {
            source,
            metas: Vec::new(),
            uses: Vec::new(),
            idle: Vec::new(),
            queues: Queues::default(),
            frames_max: 0,
            slabs: 0,
            dirty_frames: 0,
            dirty: Vec::new(),
            space,
            pins: Pins::default(),
            next_stamp,
            pinned_before: Stamp(0),
            frozen_before: Stamp(0),
            undo: Undo::default(),
            operation: 1,
            moves: 0,
            branch_changes: 0,
            leaf_changes: 0,
            on_miss: OnMiss::Read,
            missed: Vec::new(),
            loading: BTreeMap::new(),
            read_buffer: vec![0; page_bytes],
            write_buffer: vec![0; page_bytes],
            is_poisoned: false,
            is_urgent: false,
            planted,
            stats: PagerStats::default(),
        };
        pager.set_cache_bytes(cache_bytes);
        pager
    }

    /// The part that other threads may use.
    pub fn source(&self) -> &PageSource {
        &self.source
    }

    pub fn page_bytes(&self) -> usize {
        self.source.page_bytes()
    }

    pub fn stats(&self) -> PagerStats {
        self.stats
    }

    pub fn space(&self) -> &Space {
        &self.space
    }

    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Frames in use and at most.
    pub fn frames(&self) -> (usize, usize) {
        (self.metas.len() - self.idle.len(), self.frames_max)
    }

    pub fn dirty_frames(&self) -> usize {
        self.dirty_frames
    }

    /// Bounds the pool; what is over the bound goes as operations end.
    pub fn set_cache_bytes(&mut self, bytes: u64) {
        self.frames_max = ((bytes / self.page_bytes() as u64) as usize).max(2);
    }

    /// Whether a page write failed in this life.
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// A page write or data sync failed: nothing is written any more.
    pub fn poison(&mut self) {
        self.is_poisoned = true;
    }

    /// Urgent work may use the reserve of free pages.
    pub fn set_urgent(&mut self, urgent: bool) {
        self.is_urgent = urgent;
    }

    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Begins an operation: its frames stay until the next one begins, and `on_miss` says what a missing page does.
    pub fn begin_operation(&mut self, on_miss: OnMiss) {
        self.operation += 1;
        self.on_miss = on_miss;
        self.missed.clear();
        self.trim();
    }

    /// A long read goes on with new pages; those it has used may leave.
    pub fn pass_on(&mut self) {
        self.operation += 1;
        self.trim();
    }

    pub fn set_on_miss(&mut self, on_miss: OnMiss) -> OnMiss {
        std::mem::replace(&mut self.on_miss, on_miss)
    }

    /// The number of the running operation.
    pub fn operation(&self) -> u64 {
        self.operation
    }

    /// While this stays the same, every page in the pool stays in its frame, and every cell of a branch at its place: the
    /// way to a key leads to the same leaf.
    pub fn ways(&self) -> u64 {
        // Both only grow.
        self.moves + self.branch_changes
    }

    /// While this stays the same, every cell of a leaf stays at its place in its page; only values may be replaced.
    pub fn leaf_changes(&self) -> u64 {
        self.leaf_changes
    }

    /// While this stays the same, every page in the pool stays in its frame.
    #[inline]
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// The frame of a page, if it is in the pool, without using it; its memory is on its way when this returns.
    /// Whether the frame holds the life of the page that `ptr` means is for the caller to look at.
    #[inline]
    pub fn peek(&self, ptr: PagePtr) -> Option<FrameNo> {
        let frame = self.source.pool().lookup(ptr.page)?;
        self.source.pool().prefetch(frame);
        Some(frame)
    }

    /// Asks the processor for a part of a page and for what is kept of its frame.
    #[inline]
    pub fn prefetch_cell(&self, frame: FrameNo, place: &std::ops::Range<usize>) {
        let bytes = self.bytes(frame);
        for at in place.clone().step_by(64) {
            prefetch(&bytes[at]);
        }
        prefetch(&bytes[place.end - 1]);
        prefetch(&self.metas[frame.0 as usize]);
        prefetch(&self.uses[frame.0 as usize]);
    }

    /// The running operation uses a page that it has found without [`Pager::fetch`].
    #[inline]
    pub fn touch(&mut self, frame: FrameNo) {
        self.uses[frame.0 as usize] = self.operation as u32;
        self.stats.hits += 1;
    }

    /// A page that is not in the pool and that a command will ask for is read together with those that the running operation
    /// missed.
    pub fn note_missed(&mut self, ptr: PagePtr) {
        if self.source.pool().lookup(ptr.page).is_none() && !self.missed.contains(&ptr) {
            self.missed.push(ptr);
        }
    }

    /// The pages that the running operation missed.
    pub fn missed(&self) -> &[PagePtr] {
        &self.missed
    }

    /// Brings a page into the pool.
    #[inline]
    pub fn fetch(&mut self, ptr: PagePtr) -> Result<FrameNo, Error> {
        if let Some(frame) = self.source.pool().lookup(ptr.page) {
            // The page's own header says which life it is: it is looked at anyway, and the frame's entry is not.
            self.source.pool().prefetch(frame);
            self.uses[frame.0 as usize] = self.operation as u32;
            if page::ptr_of(self.bytes(frame)).stamp == ptr.stamp {
                self.stats.hits += 1;
                return Ok(frame);
            }
        }
        self.fetch_missing(ptr)
    }

    /// Whether a page is in the pool.
    pub fn is_cached(&self, ptr: PagePtr) -> bool {
        self.source
            .pool()
            .lookup(ptr.page)
            .is_some_and(|frame| self.metas[frame.0 as usize].ptr == ptr)
    }

    #[cold]
    fn fetch_missing(&mut self, ptr: PagePtr) -> Result<FrameNo, Error> {
        if let Some(frame) = self.source.pool().lookup(ptr.page) {
            // The pool knows the page's newest life; a pointer to another one is damage.
            let found = self.metas[frame.0 as usize].ptr.stamp;
            let fault = page::PageFault::Stamp {
                expected: ptr.stamp.0,
                found: found.0,
            };
            if !self.planted.has(Bug::M21PointerStampNotChecked) {
                return Err(self.source.corruption(ptr, fault).into());
            }
            return Ok(frame);
        }
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let result = match self.on_miss {
            OnMiss::Read => self.read_into_pool(ptr, &mut buffer),
            OnMiss::Note => self.read_now_into_pool(ptr, &mut buffer),
        };
        self.read_buffer = buffer;
        result
    }

    fn read_into_pool(&mut self, ptr: PagePtr, buffer: &mut [u8]) -> Result<FrameNo, Error> {
        self.stats.misses += 1;
        self.source.read(ptr, buffer)?;
        self.place(ptr, buffer)
    }

    /// Most pages that are not in the pool are in the kernel's memory: to read them takes less time than to hand them over.
    fn read_now_into_pool(&mut self, ptr: PagePtr, buffer: &mut [u8]) -> Result<FrameNo, Error> {
        if self.source.read_now(ptr, buffer)
            && let Ok(frame) = self.place(ptr, buffer)
        {
            self.stats.misses += 1;
            return Ok(frame);
        }
        self.missed.push(ptr);
        Err(Error::Miss)
    }

    /// Puts a page that was read and verified into a frame.
    fn place(&mut self, ptr: PagePtr, bytes: &[u8]) -> Result<FrameNo, Error> {
        let frame = self.take_frame()?;
        // SAFETY: `take_frame` gives a frame under EVICTING.
        unsafe { self.source.pool().bytes_mut(frame) }.copy_from_slice(bytes);
        self.source.pool().end_change(frame, ptr);
        self.moves += 1;
        self.metas[frame.0 as usize] = Meta {
            ptr,
            was_written: true,
            // Not yet used a second time.
            seen_use: self.operation as u32,
            ..Meta::default()
        };
        self.uses[frame.0 as usize] = self.operation as u32;
        self.queues.push_new(&mut self.metas, frame);
        Ok(frame)
    }

    /// Announces that `ptrs` are being read off the lock. Each must be installed or abandoned.
    pub fn begin_load(&mut self, ptrs: &[PagePtr]) {
        for ptr in ptrs {
            *self.loading.entry(*ptr).or_insert(0) += 1;
        }
    }

    /// Takes a page that was read off the lock, unless it has died meanwhile or is there already.
    pub fn end_load(&mut self, ptr: PagePtr, bytes: Option<&[u8]>) -> Result<(), Error> {
        let Some(readers) = self.loading.get_mut(&ptr) else {
            return Ok(());
        };
        *readers -= 1;
        if *readers == 0 {
            self.loading.remove(&ptr);
        }
        let Some(bytes) = bytes else { return Ok(()) };
        self.stats.misses += 1;
        if self.source.pool().lookup(ptr.page).is_none() {
            self.place(ptr, bytes)?;
        }
        Ok(())
    }

    /// The bytes of a frame.
    #[inline]
    pub fn bytes(&self, frame: FrameNo) -> &[u8] {
        // SAFETY: this is the owner, and changes need `&mut self`.
        unsafe { self.source.pool().bytes(frame) }
    }

    /// The bytes of a private dirty page, to be changed.
    #[inline]
    pub fn bytes_mut(&mut self, frame: FrameNo) -> &mut [u8] {
        if page::level_of(self.bytes(frame)) == 0 {
            self.leaf_changes += 1;
        } else {
            self.branch_changes += 1;
        }
        self.values_mut(frame)
    }

    /// As [`Pager::bytes_mut`], to replace values only: every cell stays at its place among the others.
    #[inline]
    pub fn values_mut(&mut self, frame: FrameNo) -> &mut [u8] {
        assert!(
            self.is_private(frame),
            "only a page that nobody else reaches is changed in place"
        );
        // SAFETY: this is the owner, `&mut self` is the only borrow, and no pin reaches a private page.
        unsafe { self.source.pool().bytes_mut(frame) }
    }

    pub fn ptr(&self, frame: FrameNo) -> PagePtr {
        self.metas[frame.0 as usize].ptr
    }

    /// Whether the page in this frame may be changed in place.
    #[inline]
    pub fn is_private(&self, frame: FrameNo) -> bool {
        let meta = &self.metas[frame.0 as usize];
        !meta.was_written && meta.private_since >= self.frozen_before
    }

    /// Makes sure that `pages` pages can be born without asking the file system, now.
    /// Work that is not urgent leaves the reserve alone.
    pub fn reserve(&mut self, pages: u64) -> Result<(), Error> {
        let wanted = pages + if self.is_urgent { 0 } else { RESERVE_PAGES };
        if self.space.free_pages() >= wanted {
            return Ok(());
        }
        self.grow(wanted - self.space.free_pages())
    }

    fn grow(&mut self, pages_min: u64) -> Result<(), Error> {
        if self.is_poisoned {
            return Err(Error::Poisoned);
        }
        let page_bytes = self.page_bytes() as u64;
        let step = self.growth_pages();
        let old = self.space.pages();
        for extra in [pages_min.max(step), pages_min] {
            if old + extra > self.source.pool().shape().pages_max() {
                continue;
            }
            match self
                .source
                .file()
                .allocate(old * page_bytes, extra * page_bytes)
            {
                Ok(()) => {
                    self.space.grow(old + extra);
                    return Ok(());
                }
                Err(e) if e.kind == VfsErrorKind::NoSpace => {}
                Err(e) if e.kind == VfsErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Io(e)),
            }
        }
        Err(Error::DiskFull)
    }

    /// Pages by which the file grows, if there is room.
    fn growth_pages(&self) -> u64 {
        let page_bytes = self.page_bytes() as u64;
        let file_bytes = self.space.pages() * page_bytes;
        (file_bytes / 16).clamp(GROWTH_BYTES_MIN, GROWTH_BYTES_MAX) / page_bytes
    }

    /// What would keep the next births from waiting for the file system; None while many pages are free or none is changed.
    /// Whoever makes the file longer, off the lock, says so to [`Pager::grown`].
    pub fn growth_ahead(&self) -> Option<Growth> {
        let step = self.growth_pages();
        let (pages, page_bytes) = (self.space.pages(), self.page_bytes() as u64);
        let has_many = self.space.free_pages() >= RESERVE_PAGES + step / 2;
        let is_idle = self.dirty_frames == 0;
        if has_many
            || is_idle
            || self.is_poisoned
            || pages + step > self.source.pool().shape().pages_max()
        {
            return None;
        }
        Some(Growth {
            from_bytes: pages * page_bytes,
            more_bytes: step * page_bytes,
        })
    }

    /// The file has been made longer. Nothing, if it has grown by itself meanwhile, or has been cut by a checkpoint.
    pub fn grown(&mut self, growth: &Growth) {
        let page_bytes = self.page_bytes() as u64;
        let end_bytes = growth.from_bytes + growth.more_bytes;
        let is_there = self.source.file().len().is_ok_and(|len| len >= end_bytes);
        if is_there && growth.from_bytes == self.space.pages() * page_bytes {
            self.space.grow(end_bytes / page_bytes);
        }
    }

    /// The slabs of the pool that are in use, and as many as hold what the pool may.
    pub fn slabs(&self) -> (usize, usize) {
        let slab_bytes = self.source.pool().slab_bytes();
        let frames_in_slab = slab_bytes / self.page_bytes();
        (self.slabs, self.frames_max.div_ceil(frames_in_slab))
    }

    /// A new page: private, dirty, zero but for its header.
    pub fn birth(&mut self, kind: Kind, level: u8) -> Result<FrameNo, Error> {
        let (ptr, frame) = self.birth_frame()?;
        // SAFETY: the frame is under EVICTING.
        page::init(
            unsafe { self.source.pool().bytes_mut(frame) },
            kind,
            level,
            ptr,
        );
        self.finish_birth(frame, ptr);
        Ok(frame)
    }

    fn birth_frame(&mut self) -> Result<(PagePtr, FrameNo), Error> {
        let frame = self.take_frame()?;
        match self.birth_number() {
            Ok(ptr) => Ok((ptr, frame)),
            Err(e) => {
                self.source.pool().end_change(frame, PagePtr::default());
                self.idle.push(frame);
                Err(e)
            }
        }
    }

    fn birth_number(&mut self) -> Result<PagePtr, Error> {
        if self.space.free_pages() == 0 {
            self.grow(1)?;
        }
        let page = self.space.take().expect("a page is free");
        let ptr = PagePtr {
            page,
            stamp: self.next_stamp,
        };
        self.next_stamp.0 += 1;
        self.stats.births += 1;
        self.undo.note_birth(ptr);
        Ok(ptr)
    }

    fn finish_birth(&mut self, frame: FrameNo, ptr: PagePtr) {
        self.source.pool().end_change(frame, ptr);
        self.moves += 1;
        self.metas[frame.0 as usize] = Meta {
            ptr,
            is_dirty: true,
            private_since: ptr.stamp,
            seen_use: (self.operation as u32).wrapping_sub(1),
            ..Meta::default()
        };
        self.uses[frame.0 as usize] = self.operation as u32;
        self.dirty_frames += 1;
        self.dirty.push((ptr, frame));
        self.queues.push_new(&mut self.metas, frame);
        if self.dirty.len() > 2 * self.dirty_frames + 1024 {
            self.forget_clean();
        }
    }

    fn forget_clean(&mut self) {
        let metas = &self.metas;
        self.dirty.retain(|(ptr, frame)| {
            let meta = &metas[frame.0 as usize];
            meta.ptr == *ptr && meta.is_dirty
        });
    }

    /// Makes the page in `frame` changeable where it is. False, and nothing is changed: it must become another page.
    #[inline]
    pub fn own_in_place(&mut self, frame: FrameNo) -> bool {
        self.is_private(frame) || self.keep_image(frame)
    }

    /// Makes the page in `frame` changeable: itself if it is private, otherwise a copy under a new number.
    /// The caller puts the new pointer where the old one stood. The old page dies.
    pub fn own(&mut self, frame: FrameNo) -> Result<FrameNo, Error> {
        if self.own_in_place(frame) {
            return Ok(frame);
        }
        self.stats.copies_on_write += 1;
        let old = self.ptr(frame);
        let new = if self.can_rename(frame) {
            let ptr = self.birth_number()?;
            let taken = self.source.pool().begin_change(frame);
            if taken {
                self.rename(frame, ptr);
                frame
            } else {
                self.copy(frame, ptr)?
            }
        } else {
            let ptr = self.birth_number()?;
            self.copy(frame, ptr)?
        };
        self.bury(old);
        Ok(new)
    }

    /// A clean page is on disk: its frame can become the copy at once.
    fn can_rename(&self, frame: FrameNo) -> bool {
        !self.metas[frame.0 as usize].is_dirty
    }

    fn rename(&mut self, frame: FrameNo, ptr: PagePtr) {
        // SAFETY: the frame is under EVICTING.
        page::set_ptr(unsafe { self.source.pool().bytes_mut(frame) }, ptr);
        self.queues.remove(&mut self.metas, frame);
        self.finish_birth(frame, ptr);
    }

    fn copy(&mut self, from: FrameNo, ptr: PagePtr) -> Result<FrameNo, Error> {
        let to = match self.take_frame() {
            Ok(to) => to,
            Err(e) => {
                self.unbear(ptr);
                return Err(e);
            }
        };
        // SAFETY: `to` is under EVICTING and `from` is another frame, which nobody changes here.
        let bytes = unsafe { self.source.pool().bytes_mut(to) };
        // SAFETY: only the owner changes frames, and it changes `to` alone.
        bytes.copy_from_slice(unsafe { self.source.pool().bytes(from) });
        page::set_ptr(bytes, ptr);
        self.finish_birth(to, ptr);
        Ok(to)
    }

    /// A new page with what the one in this frame has. Who copies a pointer gives the copy one of its own.
    pub fn duplicate(&mut self, frame: FrameNo) -> Result<FrameNo, Error> {
        let ptr = self.birth_number()?;
        self.copy(frame, ptr)
    }

    fn unbear(&mut self, ptr: PagePtr) {
        self.space.release(ptr.page);
        self.undo.forget_birth(ptr);
    }

    /// A page that no live tree reaches any more.
    pub fn bury(&mut self, ptr: PagePtr) {
        if self.undo.keep_dead(ptr) {
            return;
        }
        let early = self.planted.has(Bug::M10ReuseTooEarly);
        if early || !self.pins.bury(ptr) {
            self.free(ptr);
        }
    }

    /// Nobody reaches the page: its number can be used again, and what is in memory is forgotten.
    fn free(&mut self, ptr: PagePtr) {
        self.loading.remove(&ptr);
        if let Some(frame) = self.source.pool().lookup(ptr.page)
            && self.metas[frame.0 as usize].ptr == ptr
        {
            self.forget_frame(frame);
        }
        self.space.release(ptr.page);
    }

    fn forget_frame(&mut self, frame: FrameNo) {
        self.moves += 1;
        let meta = self.metas[frame.0 as usize];
        if meta.is_dirty {
            self.dirty_frames -= 1;
        }
        self.queues.remove(&mut self.metas, frame);
        self.metas[frame.0 as usize] = Meta::default();
        if self.source.pool().begin_change(frame) {
            self.source.pool().end_change(frame, PagePtr::default());
            self.idle.push(frame);
        } else {
            // A reader copies from it right now; the frame comes back through the queue.
            self.queues.push_new(&mut self.metas, frame);
        }
    }

    /// Freezes every page: the trees as they are now stay readable until [`Pager::release`].
    pub fn freeze(&mut self) -> Stamp {
        assert!(
            self.undo.since().is_none(),
            "what can still be undone is not frozen"
        );
        let stamp = self.next_stamp;
        self.next_stamp.0 += 1;
        self.pins.hold(stamp);
        self.set_pinned_before(stamp);
        stamp
    }

    fn set_pinned_before(&mut self, stamp: Stamp) {
        self.pinned_before = stamp;
        self.frozen_before = self.undo.since().unwrap_or(stamp);
    }

    /// A planted bug: [`Pager::freeze`] that lets what is not frozen yet be changed in place.
    pub fn pin_unfrozen(&mut self) -> Stamp {
        let before = self.pinned_before;
        let stamp = self.freeze();
        self.set_pinned_before(before);
        stamp
    }

    /// Takes free pages out of use, which somebody reads, until the pin that this returns is released.
    pub fn withhold(&mut self, pages: &[PageNo]) -> Stamp {
        let stamp = self.freeze();
        for page in pages {
            self.space.claim(*page);
            // Of whatever life, it was born before.
            let ptr = PagePtr {
                page: *page,
                stamp: Stamp(0),
            };
            assert!(self.pins.bury(ptr), "the pin was made a moment ago");
        }
        stamp
    }

    /// Lets go of a freeze.
    pub fn release(&mut self, stamp: Stamp) {
        let mut freed = Vec::new();
        self.pins.release(stamp, |ptr| freed.push(ptr));
        for ptr in freed {
            self.free(ptr);
        }
        self.set_pinned_before(self.pins.newest().unwrap_or_default());
    }

    /// Takes the list of dirty pages for a checkpoint that has just frozen them.
    pub fn take_dirty(&mut self) -> Vec<PagePtr> {
        self.forget_clean();
        self.dirty.iter().map(|(ptr, _)| *ptr).collect()
    }

    /// These pages have been written by someone else.
    pub fn mark_written(&mut self, ptrs: &[PagePtr]) {
        for ptr in ptrs {
            if let Some(frame) = self.source.pool().lookup(ptr.page) {
                let meta = &mut self.metas[frame.0 as usize];
                if meta.ptr == *ptr && meta.is_dirty {
                    meta.is_dirty = false;
                    meta.was_written = true;
                    self.dirty_frames -= 1;
                }
            }
        }
    }

    /// The file can be cut to this many pages.
    pub fn pages_in_use_end(&self) -> u64 {
        self.space.pages_in_use_end()
    }

    /// Takes the pages from `pages` on out of use; the caller cuts the file.
    pub fn cut(&mut self, pages: u64) {
        self.space.cut(pages);
    }

    /// Takes free pages for the stored free map, all or none. They have no frames.
    pub fn birth_outside(&mut self, count: usize) -> Result<Vec<PagePtr>, Error> {
        self.reserve(count as u64)?;
        (0..count).map(|_| self.birth_number()).collect()
    }

    /// The pages that the roots frozen just now do not reach: free ones and those that wait for older pins.
    pub fn unreached(&self) -> Space {
        let mut space = self.space.clone();
        for ptr in self.pins.waiting() {
            space.release(ptr.page);
        }
        space
    }

    /// Writes a dirty page out from its frame.
    fn write_out(&mut self, frame: FrameNo) -> Result<(), Error> {
        if self.is_poisoned {
            return Err(Error::Poisoned);
        }
        let ptr = self.ptr(frame);
        let mut buffer = std::mem::take(&mut self.write_buffer);
        buffer.copy_from_slice(self.bytes(frame));
        page::seal(&mut buffer);
        let offset = ptr.page.0 * self.page_bytes() as u64;
        let written = write_all_at(self.source.file(), &buffer, offset);
        self.write_buffer = buffer;
        if let Err(e) = written {
            self.is_poisoned = true;
            return Err(Error::Io(e));
        }
        let meta = &mut self.metas[frame.0 as usize];
        meta.is_dirty = false;
        meta.was_written = true;
        self.dirty_frames -= 1;
        self.stats.writes_by_eviction += 1;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
