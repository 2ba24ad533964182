//! What takes the pages back to a savepoint.
//!
//! A page that nobody but the live trees reaches goes on being changed in place behind a savepoint: what it was is kept
//! beside it, as an *image*, until the savepoint is kept or rolled back. It keeps its number, its place in memory and the
//! pointers to it, so what is known about the way to it stays true. Only so many pages have images, whose frames stay in
//! memory; those beyond are copied under new numbers, as frozen ones are.

use super::pool::FrameNo;
use super::{PagePtr, Pager, Stamp};
use crate::storage::planted::Bug;

/// Pages with an image, at most: what a command of several steps changes, and most scripts.
const IMAGES_MAX: usize = 256;

/// The share of the pool whose pages may have images: one frame in this many.
const IMAGES_SHARE: usize = 4;

/// Memory for images that is kept for the next savepoint, in bytes.
const IMAGE_BYTES_KEPT_MAX: usize = 256 << 10;

/// What has happened since the savepoint of the running transaction.
#[derive(Debug, Default)]
pub(super) struct Undo {
    /// The stamp of the savepoint, given to no page. None: there is none.
    since: Option<Stamp>,
    births: Vec<PagePtr>,
    /// Pages born before it that the live trees have let go since.
    deaths: Vec<PagePtr>,
    /// The frames whose pages have an image, and the images, one behind the other.
    changed: Vec<FrameNo>,
    images: Vec<u8>,
}

impl Undo {
    #[inline]
    pub(super) fn since(&self) -> Option<Stamp> {
        self.since
    }

    #[inline]
    pub(super) fn note_birth(&mut self, ptr: PagePtr) {
        if self.since.is_some() {
            self.births.push(ptr);
        }
    }

    /// The last birth did not happen.
    pub(super) fn forget_birth(&mut self, ptr: PagePtr) {
        if self.since.is_some() {
            assert_eq!(self.births.pop(), Some(ptr), "the last birth is taken back");
        }
    }

    /// Keeps a page that has died for the savepoint. False: it does not reach it.
    pub(super) fn keep_dead(&mut self, ptr: PagePtr) -> bool {
        let is_reached = self.since.is_some_and(|since| ptr.stamp < since);
        if is_reached {
            self.deaths.push(ptr);
        }
        is_reached
    }

    fn end(&mut self) {
        self.since = None;
        self.births.clear();
        self.changed.clear();
        self.images.clear();
        self.images.shrink_to(IMAGE_BYTES_KEPT_MAX);
    }
}

impl Pager {
    /// From here on [`Pager::roll_back`] can undo everything.
    pub fn begin_savepoint(&mut self) {
        assert!(self.undo.since.is_none(), "savepoints do not nest");
        let since = self.next_stamp;
        self.next_stamp.0 += 1;
        self.undo.since = Some(since);
        self.frozen_before = since;
    }

    /// Makes a page that is frozen by nothing but the savepoint changeable in place. False: it must be copied.
    pub(super) fn keep_image(&mut self, frame: FrameNo) -> bool {
        let Some(since) = self.undo.since else {
            return false;
        };
        let images_max = IMAGES_MAX.min(self.frames_max / IMAGES_SHARE);
        let meta = &mut self.metas[frame.0 as usize];
        let is_pinned = meta.was_written || meta.ptr.stamp < self.pinned_before;
        if is_pinned || self.undo.changed.len() >= images_max {
            return false;
        }
        meta.private_since = since;
        // SAFETY: this is the owner, and no byte of the frame changes meanwhile.
        let bytes = unsafe { self.source.pool().bytes(frame) };
        self.undo.images.extend_from_slice(bytes);
        self.undo.changed.push(frame);
        true
    }

    /// Whether the frame's page has an image: it stays where it is.
    pub(super) fn has_image(&self, frame: FrameNo) -> bool {
        let meta = &self.metas[frame.0 as usize];
        self.undo.since == Some(meta.private_since) && meta.ptr.stamp < meta.private_since
    }

    /// Keeps what happened since the savepoint.
    pub fn keep_savepoint(&mut self) {
        let mut deaths = std::mem::take(&mut self.undo.deaths);
        self.undo.end();
        self.frozen_before = self.pinned_before;
        for ptr in deaths.drain(..) {
            self.bury(ptr);
        }
        self.undo.deaths = deaths;
    }

    /// Undoes every birth, change and death since the savepoint. The caller puts the old roots back.
    pub fn roll_back(&mut self) {
        assert!(self.undo.since.is_some(), "there is a savepoint");
        let page_bytes = self.page_bytes();
        for (frame, image) in self
            .undo
            .changed
            .iter()
            .zip(self.undo.images.chunks(page_bytes))
        {
            let meta = &mut self.metas[frame.0 as usize];
            meta.private_since = meta.ptr.stamp;
            if self.planted.has(Bug::M45ImageNotPutBack) {
                continue;
            }
            // SAFETY: this is the owner, nothing borrows the frame, and no pin reaches a page that has an image.
            unsafe { self.source.pool().bytes_mut(*frame) }.copy_from_slice(image);
        }
        if !self.undo.changed.is_empty() {
            // What is known of the ways through these pages is not true any more.
            self.moves += 1;
        }
        let mut births = std::mem::take(&mut self.undo.births);
        self.undo.deaths.clear();
        self.undo.end();
        self.frozen_before = self.pinned_before;
        births.sort_unstable();
        // A page number may have been born, freed and born again: only its last life counts.
        births.reverse();
        births.dedup_by_key(|ptr| ptr.page);
        for ptr in births {
            if !self.space.is_free(ptr.page) {
                self.free(ptr);
            }
        }
    }
}
