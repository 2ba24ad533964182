//! Which page leaves the pool: two queues, so that a scan does not push out what is used again and again.
//!
//! A page enters the *young* queue. When its turn comes and it has been used since, it moves to the *old* queue,
//! otherwise it leaves. In the old queue a used page goes round once more. The young queue gives way while it is
//! longer than a tenth of the pool.

use std::collections::VecDeque;

use super::pool::FrameNo;
use super::{Meta, Pager};
use crate::storage::Error;
use crate::storage::page::PagePtr;

/// The share of the pool that pages seen once may take: one in this many.
const YOUNG_SHARE: usize = 10;

/// How many frames are looked at before the pool is allowed to be larger than its bound.
const LOOKS_MAX: usize = 128;

/// Which queue a frame is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Queue {
    #[default]
    None,
    Young,
    Old,
}

/// The two queues. An entry whose frame says that it is in the other queue, or in none, is stale and skipped.
#[derive(Debug, Default)]
pub(super) struct Queues {
    young: VecDeque<FrameNo>,
    old: VecDeque<FrameNo>,
    young_frames: usize,
    old_frames: usize,
}

impl Queues {
    /// A page has come into this frame.
    pub(super) fn push_new(&mut self, metas: &mut [Meta], frame: FrameNo) {
        metas[frame.0 as usize].queue = Queue::Young;
        self.young.push_back(frame);
        self.young_frames += 1;
        self.drop_stale(metas);
    }

    fn push_old(&mut self, metas: &mut [Meta], frame: FrameNo) {
        metas[frame.0 as usize].queue = Queue::Old;
        self.old.push_back(frame);
        self.old_frames += 1;
    }

    /// The frame's page has gone.
    pub(super) fn remove(&mut self, metas: &mut [Meta], frame: FrameNo) {
        let meta = &mut metas[frame.0 as usize];
        match std::mem::take(&mut meta.queue) {
            Queue::None => {}
            Queue::Young => self.young_frames -= 1,
            Queue::Old => self.old_frames -= 1,
        }
    }

    /// Takes the next frame to be looked at.
    fn pop(&mut self, metas: &mut [Meta], frames_max: usize) -> Option<(FrameNo, Queue)> {
        let prefer_young = self.young_frames * YOUNG_SHARE > frames_max || self.old_frames == 0;
        let order = if prefer_young {
            [Queue::Young, Queue::Old]
        } else {
            [Queue::Old, Queue::Young]
        };
        for which in order {
            loop {
                let list = if which == Queue::Young {
                    &mut self.young
                } else {
                    &mut self.old
                };
                let Some(frame) = list.pop_front() else { break };
                if metas[frame.0 as usize].queue == which {
                    self.remove(metas, frame);
                    return Some((frame, which));
                }
            }
        }
        None
    }

    /// Stale entries must not pile up: a queue is swept when most of it is stale.
    fn drop_stale(&mut self, metas: &[Meta]) {
        let lists = [
            (&mut self.young, self.young_frames, Queue::Young),
            (&mut self.old, self.old_frames, Queue::Old),
        ];
        for (list, frames, which) in lists {
            if list.len() <= 2 * frames + 64 {
                continue;
            }
            // A frame may be listed twice after it left and came back: only the last entry counts.
            let mut seen = vec![false; metas.len()];
            let mut kept: VecDeque<FrameNo> = VecDeque::with_capacity(frames);
            for frame in list.iter().rev() {
                let i = frame.0 as usize;
                if metas[i].queue == which && !std::mem::replace(&mut seen[i], true) {
                    kept.push_front(*frame);
                }
            }
            *list = kept;
        }
    }
}

impl Pager {
    /// A frame under EVICTING that holds nothing.
    pub(super) fn take_frame(&mut self) -> Result<FrameNo, Error> {
        if self.metas.len() - self.idle.len() < self.frames_max {
            return Ok(self.take_idle());
        }
        for _ in 0..LOOKS_MAX {
            let Some((frame, queue)) = self.queues.pop(&mut self.metas, self.frames_max) else {
                break;
            };
            if self.try_evict(frame, queue)? {
                return Ok(frame);
            }
        }
        // Everything is in use by this operation or being read: the pool is larger for a while.
        Ok(self.take_idle())
    }

    /// A frame under EVICTING that was idle, from a new slab if need be. A reader that has found an idle frame in the
    /// directory before its page left may have it pinned, for as long as it takes to see that: another one serves.
    fn take_idle(&mut self) -> FrameNo {
        loop {
            let pool = self.source.pool();
            let free = |frame: &FrameNo| pool.begin_change(*frame);
            if let Some(at) = self.idle.iter().rposition(free) {
                return self.idle.swap_remove(at);
            }
            self.add_frames();
        }
    }

    fn add_frames(&mut self) {
        let range = self
            .source
            .pool()
            .make_slab(self.slabs)
            .expect("the cache is bounded below the largest pool");
        self.slabs += 1;
        self.metas.resize(range.end as usize, Meta::default());
        self.uses.resize(range.end as usize, 0);
        self.idle.extend(range.rev().map(FrameNo));
    }

    /// Looks at a frame that was taken from its queue: evicts its page, or puts it back.
    fn try_evict(&mut self, frame: FrameNo, queue: Queue) -> Result<bool, Error> {
        let has_image = self.has_image(frame);
        let meta = &mut self.metas[frame.0 as usize];
        let used = self.uses[frame.0 as usize];
        let in_use = has_image || used == self.operation as u32 && !meta.ptr.is_null();
        if in_use || std::mem::replace(&mut meta.seen_use, used) != used {
            self.queues.push_old(&mut self.metas, frame);
            return Ok(false);
        }
        if meta.is_dirty
            && let Err(e) = self.write_out(frame)
        {
            self.put_back(frame, queue);
            return Err(e);
        }
        if !self.source.pool().begin_change(frame) {
            self.put_back(frame, queue);
            return Ok(false);
        }
        self.moves += 1;
        let held = self.metas[frame.0 as usize].ptr;
        if !held.is_null() {
            self.stats.evictions += 1;
        }
        self.source.pool().end_change(frame, PagePtr::default());
        let taken = self.source.pool().begin_change(frame);
        self.metas[frame.0 as usize] = Meta::default();
        if !taken {
            // A reader looks at the frame for a moment; it holds nothing and becomes idle.
            self.queues.push_new(&mut self.metas, frame);
        }
        Ok(taken)
    }

    fn put_back(&mut self, frame: FrameNo, queue: Queue) {
        match queue {
            Queue::Old => self.queues.push_old(&mut self.metas, frame),
            Queue::Young | Queue::None => self.queues.push_new(&mut self.metas, frame),
        }
    }

    /// Brings the pool back to its bound after an operation that needed more.
    pub(super) fn trim(&mut self) {
        let mut looks = 0;
        while self.metas.len() - self.idle.len() > self.frames_max && looks < LOOKS_MAX {
            looks += 1;
            let Some((frame, queue)) = self.queues.pop(&mut self.metas, self.frames_max) else {
                return;
            };
            match self.try_evict(frame, queue) {
                Ok(true) => {
                    self.source.pool().end_change(frame, PagePtr::default());
                    self.idle.push(frame);
                }
                Ok(false) => {}
                Err(_) => return,
            }
        }
    }
}
