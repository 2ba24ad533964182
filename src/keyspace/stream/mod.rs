//! Streams: entries by ID, and groups of consumers that share them.
//!
//! A small stream is a body: its entries are the items of a sequence, in order ([`record`]). It has no groups. A large
//! one has two trees at its cell: the entries by ID, and the groups by name ([`group`]), each of which has trees of its
//! own. In both forms the cell's head tells what is known of the stream as a whole ([`head`]).
//!
//! *Invariant:* a stream with a group is large.

pub mod edit;
pub mod entries;
pub mod group;
pub mod head;
pub mod id;
pub mod node;
pub mod progress;
pub mod record;
pub mod trim;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use entries::{Direction, Entries};
use head::StreamHead;
use id::StreamId;
use progress::Totals;

use super::digest::Digest;
use super::header::Header;
use super::{Keyspace, Slot};
use crate::storage::{Body, Cell, Error, Read, TreeId};

/// Nested trees of a large stream.
const TREES: usize = 2;
/// The tree of entries.
pub const ENTRIES_TREE: usize = 0;
/// The tree of groups.
pub const GROUPS_TREE: usize = 1;

/// A stream, open for reading.
#[derive(Clone, Debug)]
pub struct Stream {
    pub head: StreamHead,
    pub entries: Entries,
    /// The tree of its groups; None if it has none.
    pub groups: Option<TreeId>,
}

impl Stream {
    /// Opens the stream at `key`, which is one, in the tree of keys.
    pub fn open<R: Read>(reader: &mut R, keys: TreeId, key: &[u8]) -> Result<Self, Error> {
        let cell = reader.get(keys, key)?.expect("a key that is there");
        let head = StreamHead::from_bytes(Header::added(cell.head()));
        if cell.slots() == 0 {
            let body = inline(&cell).to_vec();
            return Ok(Self {
                head,
                entries: Entries::Small(body),
                groups: None,
            });
        }
        let mut tree = |n| -> Result<TreeId, Error> {
            Ok(reader.nested(keys, key, n)?.expect("a large stream"))
        };
        let (entries, groups) = (tree(ENTRIES_TREE)?, tree(GROUPS_TREE)?);
        Ok(Self {
            head,
            entries: Entries::Large(entries),
            groups: Some(groups),
        })
    }

    /// What is known of it as a whole.
    pub fn totals<R: Read>(&self, reader: &mut R) -> Result<Totals, Error> {
        let first = self.entries.first(reader)?;
        Ok(Totals {
            head: self.head,
            len: self.entries.len(reader),
            first_id: first.map_or(StreamId::MIN, |place| place.id),
        })
    }
}

fn inline<'a>(cell: &Cell<'a>) -> &'a [u8] {
    match cell.body() {
        Body::Inline(bytes) => bytes,
        Body::Blob { .. } => unreachable!("a small stream stands in its cell"),
    }
}

impl Keyspace {
    /// Opens the stream at `key`, which is one.
    pub fn stream(&mut self, db: u32, key: &[u8]) -> Result<Stream, Error> {
        let trees = self.trees(db)?;
        Stream::open(&mut self.engine, trees.keys, key)
    }

    /// Mixes the entries of the stream at `key` into a digest.
    pub(super) fn mix_stream(
        &mut self,
        db: u32,
        key: &[u8],
        digest: &mut Digest,
    ) -> Result<(), Error> {
        let stream = self.stream(db, key)?;
        let all = StreamId::MIN..=StreamId::MAX;
        stream
            .entries
            .scan(&mut self.engine, all, Direction::Forward, &mut |record| {
                digest.mix(format!("{}.{}", record.id.ms, record.id.seq).as_bytes());
                for text in record.pairs.iter() {
                    digest.mix(text.bytes);
                }
                ControlFlow::Continue(())
            })
    }
}

impl Slot {
    /// Whether a stream is there, as far as its kind was checked.
    fn is_stream(&self) -> bool {
        self.header()
            .is_some_and(|header| header.kind == super::header::Kind::Stream)
    }
}
