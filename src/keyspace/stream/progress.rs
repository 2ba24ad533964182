//! How far a group has read: counters that hold as long as no deleted entry makes them doubtful.

use super::head::StreamHead;
use super::id::StreamId;

/// What is known of a stream's entries as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub head: StreamHead,
    /// Entries there are.
    pub len: u64,
    /// The first of them; zeroes if there is none.
    pub first_id: StreamId,
}

impl Totals {
    /// Whether an entry from `start` on may have been deleted.
    fn has_deleted_from(&self, start: StreamId) -> bool {
        let deleted = self.head.max_deleted_id;
        self.len > 0 && deleted != StreamId::MIN && self.first_id <= deleted && start <= deleted
    }

    /// How many entries were ever added up to and with this ID, if that can be told.
    pub fn entries_read(&self, id: StreamId) -> Option<i64> {
        let head = &self.head;
        let added = head.entries_added as i64;
        if head.entries_added == 0 {
            return Some(0);
        }
        if id == head.last_id || (self.len == 0 && id < head.last_id) {
            return Some(added);
        }
        let deleted = head.max_deleted_id;
        if id > head.last_id || (deleted != StreamId::MIN && deleted >= self.first_id) {
            return None;
        }
        let before = added.wrapping_sub(self.len as i64);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries a group has not read that has read `entries_read`, the last of them `last_id`.
    pub fn lag(&self, entries_read: Option<i64>, last_id: StreamId) -> Option<i64> {
        let added = self.head.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        let read = match entries_read {
            Some(read) if !self.has_deleted_from(last_id) => Some(read),
            _ => self.entries_read(last_id),
        };
        read.map(|read| added.wrapping_sub(read))
    }

    /// The counter of a group after it has read the entry `id` behind those it had read.
    pub fn read_one(&self, entries_read: Option<i64>, id: StreamId) -> Option<i64> {
        match entries_read {
            Some(read) if !self.has_deleted_from(id) => Some(read.wrapping_add(1)),
            _ if self.head.entries_added > 0 => self.entries_read(id),
            unknown => unknown,
        }
    }
}
