//! Makes the file of the log longer before its free segments are used up.
//!
//! Whoever finds no free segment waits for the file system, with the engine lock. A thread that has time does it
//! beforehand, without a lock. Where each commit waits for a sync it also writes zeroes to what is new: a file system
//! notes the first write to a block that was only allocated, and a sync waits for that note too, which takes as long
//! again as the write.

use super::LogError;
use super::disk::Disk;
use super::layout::slot_offset;
use super::open::no_space;
use crate::sync::Ordering;
use crate::vfs::{CUT_BYTES_MAX, write_all_at};

/// Zeroes in one write, in bytes: a sync of commits that comes in between waits for so much more.
const FILL_BYTES: usize = 128 << 10;

/// What becomes of new segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// They have their place on the disk.
    Allocated,
    /// They are written over with zeroes, too.
    Zeroes,
}

impl Disk {
    /// Adds segments until there is room for `bytes`, or [`CUT_BYTES_MAX`] are added. Called by one thread at a time;
    /// `pause` is called after each write. An error leaves the log as it was.
    pub fn grow_ahead(
        &self,
        bytes: u64,
        fill: Fill,
        pause: &mut dyn FnMut(),
    ) -> Result<(), LogError> {
        let setting = &self.setting;
        let missing = bytes.saturating_sub(self.room()).div_ceil(setting.usable());
        let count = missing.min(CUT_BYTES_MAX.div_ceil(setting.segment_bytes));
        if count == 0 {
            return Ok(());
        }
        let slots = self.pool.lock().slots();
        let offset = |slot| slot_offset(slot, setting.segment_bytes);
        let (start, end) = (offset(slots), offset(slots + count));
        setting
            .file
            .allocate(start, end - start)
            .map_err(no_space)?;
        {
            let mut pool = self.pool.lock();
            let is_there = setting.file.len().is_ok_and(|len| len >= end);
            if pool.slots() != slots || !is_there {
                // A commit has made the file longer by itself meanwhile, or a checkpoint has cut it.
                return Ok(());
            }
            pool.grow_filling(count);
        }
        let filled = match fill {
            Fill::Allocated => Ok(()),
            Fill::Zeroes => self.write_zeroes(start, end, pause),
        };
        // What could not be filled is as good as any segment that was only allocated.
        let mut pool = self.pool.lock();
        pool.filled();
        self.free_slots.store(pool.free_slots(), Ordering::Relaxed);
        filled
    }

    fn write_zeroes(&self, start: u64, end: u64, pause: &mut dyn FnMut()) -> Result<(), LogError> {
        let zeroes = vec![0; FILL_BYTES];
        let mut at = start;
        while at < end {
            let count = (end - at).min(FILL_BYTES as u64);
            write_all_at(&*self.setting.file, &zeroes[..count as usize], at).map_err(no_space)?;
            at += count;
            pause();
        }
        Ok(())
    }
}
