//! SCAN cursors: numbers that stand for the last key a call returned.
//!
//! A cursor is a hash of the key, and this table finds the key again. It is bounded, and saved when the caller says
//! so. A cursor it cannot find starts again from the beginning, which may repeat keys and cannot miss one.

use std::collections::BTreeMap;

use super::hll::murmur;

/// Cursors kept; the oldest goes first.
const ENTRIES_MAX: usize = 16_384;
/// Bytes of keys kept. The newest key stays whatever its length.
const BYTES_MAX: usize = 8 << 20;
/// Cursors fit a double's mantissa, for clients that have no other numbers.
const CURSOR_BITS: u32 = 52;

/// The table of cursors.
#[derive(Debug, Default)]
pub struct CursorTable {
    keys: BTreeMap<u64, Entry>,
    /// Cursors by age.
    ages: BTreeMap<u64, u64>,
    next_age: u64,
    bytes: usize,
    unsaved: bool,
}

#[derive(Debug)]
struct Entry {
    key: Box<[u8]>,
    age: u64,
}

impl CursorTable {
    /// The cursor, never 0, from which a later call goes on behind `key`.
    pub fn issue(&mut self, key: &[u8]) -> u64 {
        let mask = (1 << CURSOR_BITS) - 1;
        let mut cursor = (murmur(key) & mask).max(1);
        while self
            .keys
            .get(&cursor)
            .is_some_and(|entry| *entry.key != *key)
        {
            cursor = ((cursor + 1) & mask).max(1);
        }
        self.insert(cursor, key);
        cursor
    }

    /// The key that `cursor` stands for.
    pub fn resolve(&self, cursor: u64) -> Option<&[u8]> {
        self.keys.get(&cursor).map(|entry| &*entry.key)
    }

    fn insert(&mut self, cursor: u64, key: &[u8]) {
        let age = self.next_age;
        self.next_age += 1;
        match self.keys.get_mut(&cursor) {
            Some(entry) => {
                self.ages.remove(&entry.age);
                entry.age = age;
            }
            None => {
                let key = key.into();
                self.keys.insert(cursor, Entry { key, age });
                self.bytes += self.keys[&cursor].key.len();
                self.unsaved = true;
            }
        }
        self.ages.insert(age, cursor);
        while self.ages.len() > ENTRIES_MAX || (self.bytes > BYTES_MAX && self.ages.len() > 1) {
            let Some((_, oldest)) = self.ages.pop_first() else {
                return;
            };
            if let Some(entry) = self.keys.remove(&oldest) {
                self.bytes -= entry.key.len();
            }
        }
    }

    /// Whether cursors were issued since the last [`CursorTable::saved`].
    pub fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// What [`CursorTable::to_bytes`] gave is stored.
    pub fn saved(&mut self) {
        self.unsaved = false;
    }

    /// The table as bytes, oldest cursor first: cursor, key length (both 8 bytes, little endian) and key of each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes + 16 * self.ages.len());
        for cursor in self.ages.values() {
            let key = &self.keys[cursor].key;
            bytes.extend_from_slice(&cursor.to_le_bytes());
            bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
            bytes.extend_from_slice(key);
        }
        bytes
    }

    /// The table from such bytes. What cannot be read is left out: its cursors start again.
    pub fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut table = Self::default();
        while let Some((fixed, rest)) = bytes.split_first_chunk::<16>() {
            let (cursor, len) = fixed.split_at(8);
            let number = |part: &[u8]| part.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
            let Some(key) = usize::try_from(number(len))
                .ok()
                .and_then(|len| rest.get(..len))
            else {
                break;
            };
            table.insert(number(cursor), key);
            bytes = &rest[key.len()..];
        }
        table.unsaved = false;
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_find_their_keys_also_after_a_restart() {
        let mut table = CursorTable::default();
        let issued: Vec<(u64, String)> = (0..1000)
            .map(|n| format!("key:{n}"))
            .map(|key| (table.issue(key.as_bytes()), key))
            .collect();
        assert!(table.is_unsaved());
        let reopened = CursorTable::from_bytes(&table.to_bytes());
        for (cursor, key) in &issued {
            assert_ne!(*cursor, 0);
            assert_eq!(table.resolve(*cursor), Some(key.as_bytes()));
            assert_eq!(reopened.resolve(*cursor), Some(key.as_bytes()));
            assert_eq!(table.issue(key.as_bytes()), *cursor);
        }
        assert!(!reopened.is_unsaved());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let mut table = CursorTable::default();
        let first = table.issue(b"first");
        for n in 0..ENTRIES_MAX {
            table.issue(format!("{n}").as_bytes());
        }
        assert_eq!(table.resolve(first), None);
        assert_eq!(table.keys.len(), ENTRIES_MAX);
        let long = vec![b'x'; BYTES_MAX + 1];
        let cursor = table.issue(&long);
        assert_eq!(table.resolve(cursor), Some(long.as_slice()));
        assert_eq!(table.keys.len(), 1);
    }

    #[test]
    fn bytes_cut_anywhere_are_read_as_far_as_they_go() {
        let mut table = CursorTable::default();
        let cursor = table.issue(b"abc");
        table.issue(b"def");
        let bytes = table.to_bytes();
        for len in 0..bytes.len() {
            let read = CursorTable::from_bytes(&bytes[..len]);
            assert!(read.keys.len() <= 1);
            assert!(read.resolve(cursor).is_none_or(|key| key == b"abc"));
        }
    }
}
