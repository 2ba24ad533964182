//! Which segments of the file are live and which are free.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use super::scan::Span;

/// How many checkpoints the log remembers what was needed before.
pub(super) const REMEMBERED: usize = 8;

/// A segment that the log needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveSegment {
    pub seq: u64,
    pub slot: u64,
    /// The last transaction of which it holds a byte; none while it is being written.
    pub holds: Option<u64>,
    /// The transaction that ends first in it or behind it.
    pub first: u64,
    /// Behind its last frame, from its start; 0 while it is being written.
    pub end: u64,
}

/// The slots of the file. The newest live segment is the one being written.
#[derive(Debug, Default)]
pub(super) struct Pool {
    live: VecDeque<LiveSegment>,
    free: BTreeSet<u64>,
    slots: u64,
    /// Slots at what was the end of the file that are being filled: neither live nor free.
    filling: Range<u64>,
    /// The last transaction that a checkpoint has made the log's own copy of superfluous.
    covered: u64,
    /// Some slots are neither live nor free.
    withholds: bool,
    /// Slots that were taken when checkpoints freed some, the newest first.
    taken: [u64; REMEMBERED],
}

impl Pool {
    /// A pool of `slots` slots of which `live` are taken.
    pub fn new(slots: u64, live: &[Span]) -> Self {
        let mut free: BTreeSet<u64> = (0..slots).collect();
        let live = live
            .iter()
            .map(|span| {
                assert!(free.remove(&span.header.slot), "one segment a slot");
                LiveSegment {
                    seq: span.header.seq,
                    slot: span.header.slot,
                    holds: Some(span.holds),
                    first: span.header.first_lsn,
                    end: span.end,
                }
            })
            .collect();
        Self {
            live,
            free,
            slots,
            filling: 0..0,
            covered: 0,
            withholds: false,
            taken: [0; REMEMBERED],
        }
    }

    /// Keeps slots from being taken, until [`Pool::free_all_but_live`].
    pub fn withhold(&mut self, slots: &[u64]) {
        self.withholds |= !slots.is_empty();
        for slot in slots {
            self.free.remove(slot);
        }
    }

    /// Frees the slots that were withheld and are not live.
    pub fn free_all_but_live(&mut self) {
        if !std::mem::take(&mut self.withholds) {
            return;
        }
        let filling = &self.filling;
        self.free = (0..self.slots)
            .filter(|slot| !filling.contains(slot))
            .collect();
        for segment in &self.live {
            assert!(self.free.remove(&segment.slot), "one segment a slot");
        }
    }

    pub fn slots(&self) -> u64 {
        self.slots
    }

    pub fn free_slots(&self) -> u64 {
        self.free.len() as u64
    }

    /// Segments that the log needs, those not counted that only wait for the archive.
    pub fn needed_segments(&self) -> u64 {
        let needed = |s: &&LiveSegment| s.holds.is_none_or(|holds| holds > self.covered);
        self.live.iter().filter(needed).count() as u64
    }

    /// Segments that nothing but the archive needs.
    pub fn waiting_segments(&self) -> u64 {
        self.live.len() as u64 - self.needed_segments()
    }

    /// The live segments, the oldest first.
    pub fn live(&self) -> impl Iterator<Item = LiveSegment> {
        self.live.iter().copied()
    }

    pub fn lowest_free(&self) -> Option<u64> {
        self.free.first().copied()
    }

    /// Makes a free slot the one being written. The segment written before must have been closed.
    pub fn start(&mut self, seq: u64, slot: u64, first: u64) {
        assert!(self.free.remove(&slot), "slot {slot} is free");
        assert!(
            self.live
                .back()
                .is_none_or(|s| s.seq < seq && s.holds.is_some())
        );
        self.live.push_back(LiveSegment {
            seq,
            slot,
            holds: None,
            first,
            end: 0,
        });
    }

    /// The newest live segment is written to again: only a planted bug does that.
    pub fn reopen_last(&mut self) {
        if let Some(last) = self.live.back_mut() {
            last.holds = None;
        }
    }

    /// Ends the segment being written.
    pub fn close(&mut self, holds: u64, end: u64) {
        let current = self.live.back_mut().expect("one segment is being written");
        assert!(current.holds.is_none());
        current.holds = Some(holds);
        current.end = end;
    }

    /// Adds `count` free slots at the end.
    pub fn grow(&mut self, count: u64) {
        self.free.extend(self.slots..self.slots + count);
        self.slots += count;
    }

    /// Adds `count` slots at the end that are not free before [`Pool::filled`].
    pub fn grow_filling(&mut self, count: u64) {
        assert!(self.filling.is_empty(), "one thread fills slots");
        self.filling = self.slots..self.slots + count;
        self.slots += count;
    }

    /// The slots that were being filled are free.
    pub fn filled(&mut self) {
        self.free.extend(std::mem::take(&mut self.filling));
    }

    /// Frees the segments that hold nothing behind `up_to`, whose successor's header is synced (L9), and that are not
    /// newer than `kept_seq`, the last one in the archive (L13).
    pub fn recycle(&mut self, up_to: u64, synced_seq: u64, kept_seq: u64) -> u64 {
        let mut freed = 0;
        if up_to > self.covered {
            self.taken.rotate_right(1);
            self.taken[0] = self.live.len() as u64;
            self.covered = up_to;
        }
        while let [first, second, ..] = self.live.make_contiguous() {
            let unneeded = first.holds.is_some_and(|holds| holds <= up_to);
            if !unneeded || second.seq > synced_seq || first.seq > kept_seq {
                break;
            }
            assert!(self.free.insert(first.slot));
            self.live.pop_front();
            freed += 1;
        }
        freed
    }

    /// Free slots that will be taken before the next checkpoint, if as much is written as before one of the last.
    pub fn awaited_slots(&self) -> u64 {
        let most = self.taken.iter().max().copied().unwrap_or_default();
        most.saturating_sub(self.live.len() as u64)
    }

    /// Gives up free slots at the end of the file while more than `idle` are free, `count_max` at most. Returns how many.
    pub fn trim(&mut self, idle: u64, count_max: u64) -> u64 {
        let mut count = 0;
        while count < count_max
            && self.free_slots() > idle
            && self.free.last() == Some(&(self.slots - 1))
        {
            self.free.pop_last();
            self.slots -= 1;
            count += 1;
        }
        count
    }
}
