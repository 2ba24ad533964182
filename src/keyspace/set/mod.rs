//! Sets.
//!
//! A small set is a sequence of its members in the body of its key's cell: in numeric order as long as Redis calls it an
//! `intset`, else in the order in which they came. A large one has a tree with the members as keys.

pub mod algebra;
pub mod editor;
pub mod naming;
pub mod sources;
pub mod store;

#[cfg(test)]
mod tests;

use super::digest::Digest;
use super::header::{Encoding, Header};
use super::packed::{ByteStrings, Packed};
use super::{Entry, Keyspace};
use crate::resp::integer::parse_i64;
use crate::storage::{Body, Error, Read, Seek};
pub use editor::SetEditor;
use std::ops::ControlFlow;

/// The nested tree of members.
pub const MEMBERS: usize = 0;
/// Nested trees of a large set.
const TREES: usize = 1;

/// Up to where Redis calls a set an `intset` or a `listpack`: `set-max-intset-entries`, `set-max-listpack-entries`,
/// `set-max-listpack-value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub integers_max: u64,
    pub entries_max: u64,
    pub value_bytes_max: u64,
}

/// How many members the set has.
pub fn len(entry: &Entry<'_>) -> u64 {
    match small(entry) {
        Some(members) => members.len() as u64,
        None => entry.cell.slot_count(MEMBERS),
    }
}

/// The members of a set that is small.
pub fn small<'a>(entry: &Entry<'a>) -> Option<Packed<'a>> {
    let body = entry.inline().filter(|_| !entry.is_large())?;
    Some(Packed::new(body))
}

/// Puts members in numeric order, if all of them are integers.
pub fn sort_integers<M: AsRef<[u8]>>(members: &mut [M]) {
    members.sort_by_cached_key(|member| parse_i64(member.as_ref()));
}

impl Keyspace {
    /// The members of the set at `key`, in the order in which Redis lists them where that is known; None if there are
    /// more than `count_max` or they have more than `bytes_max` bytes. Nothing if the key is not there.
    pub fn members(
        &mut self,
        db: u32,
        key: &[u8],
        count_max: u64,
        bytes_max: usize,
    ) -> Result<Option<ByteStrings>, Error> {
        let trees = self.trees(db)?;
        let Some(cell) = self.engine.current(trees.keys, key)? else {
            return Ok(Some(ByteStrings::default()));
        };
        let encoding = Header::parse(cell.head()).encoding;
        if cell.slots() == 0 {
            let Body::Inline(body) = cell.body() else {
                return Ok(None);
            };
            return Ok(Some(ByteStrings::of(Packed::new(body))));
        }
        if cell.slot_count(MEMBERS) > count_max {
            return Ok(None);
        }
        let tree = self.tree(db, key, MEMBERS)?;
        let (mut members, mut bytes) = (ByteStrings::default(), 0usize);
        self.engine.scan(tree, Seek::First, &mut |member, _| {
            bytes = bytes.saturating_add(member.len());
            if bytes > bytes_max {
                return ControlFlow::Break(());
            }
            members.push(member);
            ControlFlow::Continue(())
        })?;
        if bytes > bytes_max {
            return Ok(None);
        }
        if encoding == Encoding::Integers {
            members.sort_by_cached_key(parse_i64);
        }
        Ok(Some(members))
    }

    /// Adds the members of the set at `key`, which is there.
    pub(in crate::keyspace) fn add_set_digest(
        &mut self,
        db: u32,
        key: &[u8],
        digest: &mut Digest,
    ) -> Result<(), Error> {
        let trees = self.trees(db)?;
        let cell = self.engine.get(trees.keys, key)?;
        if let Some(cell) = cell.filter(|cell| cell.slots() == 0) {
            if let Body::Inline(body) = cell.body() {
                Packed::new(body)
                    .iter()
                    .for_each(|item| digest.add(item.bytes));
            }
            return Ok(());
        }
        let tree = self.tree(db, key, MEMBERS)?;
        self.engine.scan(tree, Seek::First, &mut |member, _| {
            digest.add(member);
            ControlFlow::Continue(())
        })
    }
}
