//! The entries of a stream, for reading: in the live engine or in a snapshot.

use std::ops::{ControlFlow, RangeInclusive};

use super::id::{ID_BYTES, StreamId};
use super::node::radix_nodes;
use super::record::{Record, node_of};
use crate::keyspace::packed::Packed;
use crate::storage::{Body, Error, Read, Seek, TreeId};

/// Where the entries are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entries {
    /// The body of the key's cell: its items, in order.
    Small(Vec<u8>),
    /// A tree of records by ID.
    Large(TreeId),
}

/// Which way to go through entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// An entry without its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub id: StreamId,
    /// The number of its node.
    pub node: u16,
}

impl Entries {
    /// The entries of a small stream, in order.
    fn items(body: &[u8]) -> impl Iterator<Item = Record<'_>> {
        Packed::new(body)
            .iter()
            .map(|item| Record::of_item(item.bytes))
    }

    /// How many there are.
    pub fn len<R: Read>(&self, reader: &R) -> u64 {
        match self {
            Self::Small(body) => Packed::new(body).len() as u64,
            Self::Large(tree) => reader.count(*tree),
        }
    }

    /// How many have a smaller ID.
    pub fn rank<R: Read>(&self, reader: &mut R, id: StreamId) -> Result<u64, Error> {
        match self {
            Self::Small(body) => {
                let below = Self::items(body).take_while(|record| record.id < id);
                Ok(below.count() as u64)
            }
            Self::Large(tree) => reader.rank(*tree, &id.to_bytes()),
        }
    }

    /// How many have an ID in the range.
    pub fn count<R: Read>(
        &self,
        reader: &mut R,
        range: &RangeInclusive<StreamId>,
    ) -> Result<u64, Error> {
        let from = self.rank(reader, *range.start())?;
        let to = match range.end().next() {
            Some(end) => self.rank(reader, end)?,
            None => self.len(reader),
        };
        Ok(to.saturating_sub(from))
    }

    /// The n-th, from 0.
    pub fn nth<R: Read>(&self, reader: &mut R, n: u64) -> Result<Option<Place>, Error> {
        match self {
            Self::Small(body) => {
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                Ok(Self::items(body).nth(n).map(|record| place(&record)))
            }
            Self::Large(tree) => {
                let mut key = Vec::with_capacity(ID_BYTES);
                let Some(cell) = reader.select(*tree, n, &mut key)? else {
                    return Ok(None);
                };
                let inline = match cell.body() {
                    Body::Inline(bytes) => Some(node_of(bytes)),
                    Body::Blob { .. } => None,
                };
                let node = match inline {
                    Some(node) => node,
                    None => self.node_of_blob(reader, &key)?,
                };
                let id = StreamId::from_bytes(&key);
                Ok(Some(Place { id, node }))
            }
        }
    }

    fn node_of_blob<R: Read>(&self, reader: &mut R, key: &[u8]) -> Result<u16, Error> {
        let Self::Large(tree) = self else {
            unreachable!("small streams have no blobs");
        };
        let mut start = Vec::new();
        reader.read_body(*tree, key, 0, 2, &mut start)?;
        Ok(node_of(&start))
    }

    pub fn first<R: Read>(&self, reader: &mut R) -> Result<Option<Place>, Error> {
        self.nth(reader, 0)
    }

    pub fn last<R: Read>(&self, reader: &mut R) -> Result<Option<Place>, Error> {
        match self.len(reader) {
            0 => Ok(None),
            len => self.nth(reader, len - 1),
        }
    }

    /// Whether there is an entry with this ID.
    pub fn contains<R: Read>(&self, reader: &mut R, id: StreamId) -> Result<bool, Error> {
        match self {
            Self::Small(body) => Ok(Self::items(body).any(|record| record.id == id)),
            Self::Large(tree) => Ok(reader.get(*tree, &id.to_bytes())?.is_some()),
        }
    }

    /// Visits the entries of the range until `visit` says stop.
    pub fn scan<R: Read>(
        &self,
        reader: &mut R,
        range: RangeInclusive<StreamId>,
        direction: Direction,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self {
            Self::Small(body) => {
                scan_small(body, &range, direction, visit);
                Ok(())
            }
            Self::Large(tree) => scan_large(reader, *tree, &range, direction, visit),
        }
    }
}

/// Nodes of streams with at most so many entries are counted.
pub(super) const COUNTED_ENTRIES_MAX: u64 = 4096;
/// Entries of longer streams that are looked at.
const SAMPLED_ENTRIES: u64 = 1024;
/// Entries of a full node, unless it is configured or they are long.
const USUAL_NODE_ENTRIES: u64 = 100;

/// How Redis would keep the entries: see [`super::node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nodes {
    pub count: u64,
    /// Nodes of the radix tree over them.
    pub radix_nodes: u64,
}

impl Entries {
    /// Counts nodes: exactly in short streams; in long ones from the front, for as many as there are entries.
    pub fn nodes<R: Read>(&self, reader: &mut R) -> Result<Nodes, Error> {
        let len = self.len(reader);
        let sampled = if len <= COUNTED_ENTRIES_MAX {
            len
        } else {
            SAMPLED_ENTRIES
        };
        let mut firsts = Vec::new();
        let (mut at, mut step) = (0, USUAL_NODE_ENTRIES);
        let mut next = self.first(reader)?;
        while let Some(first) = next {
            firsts.push(first.id.to_bytes());
            let (end, behind) = self.node_end(reader, first.node, at, at + step, sampled)?;
            (at, step) = (end, end - at);
            next = behind;
        }
        let (count, radix_nodes) = (firsts.len() as u64, radix_nodes(&firsts));
        if len <= sampled {
            return Ok(Nodes { count, radix_nodes });
        }
        let scaled = |n: u64| u64::try_from(u128::from(n) * u128::from(len) / u128::from(sampled));
        Ok(Nodes {
            count: scaled(count).unwrap_or(u64::MAX),
            radix_nodes: scaled(radix_nodes).unwrap_or(u64::MAX),
        })
    }

    /// The number behind that of the last entry of a node, and the entry with it; or `len` if that is not more. The entry
    /// numbered `at` is of the node, which ends at `guess` if it is as long as the one before.
    fn node_end<R: Read>(
        &self,
        reader: &mut R,
        node: u16,
        at: u64,
        guess: u64,
        len: u64,
    ) -> Result<(u64, Option<Place>), Error> {
        // What is before `from` is of the node, and what is at `to` is not.
        let (mut from, mut to, mut behind) = (at + 1, len, None);
        let mut guesses = [guess - 1, guess].into_iter();
        while from < to {
            let guessed = guesses.next().filter(|n| (from..to).contains(n));
            let n = guessed.unwrap_or(from + (to - from) / 2);
            let place = self.nth(reader, n)?.expect("an entry of so many");
            if place.node == node {
                from = n + 1;
            } else {
                (to, behind) = (n, Some(place));
            }
        }
        Ok((from, behind))
    }
}

fn place(record: &Record<'_>) -> Place {
    Place {
        id: record.id,
        node: record.node,
    }
}

fn scan_small(
    body: &[u8],
    range: &RangeInclusive<StreamId>,
    direction: Direction,
    visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) {
    let within = Entries::items(body).filter(|record| range.contains(&record.id));
    // Whether all were visited makes no difference to anybody.
    let _stopped = match direction {
        Direction::Forward => within.into_iter().try_for_each(visit),
        Direction::Backward => {
            let within: Vec<_> = within.collect();
            within.into_iter().rev().try_for_each(visit)
        }
    };
}

/// An entry whose record is in pages of its own ends a scan of the tree: it is read, and another scan begins behind it.
fn scan_large<R: Read>(
    reader: &mut R,
    tree: TreeId,
    range: &RangeInclusive<StreamId>,
    direction: Direction,
    visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let start = match direction {
        Direction::Forward => range.start(),
        Direction::Backward => range.end(),
    };
    let mut from = start.to_bytes();
    let mut is_behind = false;
    let mut long = Vec::new();
    loop {
        let seek = match (direction, is_behind) {
            (Direction::Forward, false) => Seek::AtLeast(&from),
            (Direction::Forward, true) => Seek::After(&from),
            (Direction::Backward, false) => Seek::AtMost(&from),
            (Direction::Backward, true) => Seek::Before(&from),
        };
        let mut blob = None;
        reader.scan(tree, seek, &mut |key, cell| {
            let id = StreamId::from_bytes(key);
            if !range.contains(&id) {
                return ControlFlow::Break(());
            }
            match cell.body() {
                Body::Inline(bytes) => visit(Record::new(id, bytes)),
                Body::Blob { .. } => {
                    blob = Some(id);
                    ControlFlow::Break(())
                }
            }
        })?;
        let Some(id) = blob else {
            return Ok(());
        };
        from = id.to_bytes();
        is_behind = true;
        long.clear();
        reader.read_body(tree, &from, 0, u64::MAX, &mut long)?;
        if visit(Record::new(id, &long)).is_break() {
            return Ok(());
        }
    }
}
