//! Going through the elements of a large collection: whole, for a reply that may be larger than memory, or page by page
//! with cursors (HSCAN, SSCAN).
//!
//! The elements are the keys of one of the collection's trees, in byte order; the head of an element's cell may begin
//! with the time at which it expires, and the body is its value.

use std::ops::ControlFlow;

use super::hash::is_due;
use super::{Keyspace, root_ids};
use crate::resp::glob::{self, Case};
use crate::resp::{Stream, StreamError, encode};
use crate::storage::{Body, Cell, Error, Read, Seek, Snapshot, TreeId};

/// One page has about this many bytes of elements at most.
const PAGE_BYTES_MAX: usize = 64 << 20;
/// One page visits at most this many elements, whatever COUNT says.
const PAGE_VISITS_MAX: u64 = 1_000_000;
/// Values are read this many bytes at a time.
const CHUNK_BYTES: u64 = 64 << 10;

/// The tree that holds the elements of a collection.
#[derive(Clone, Debug)]
pub struct Place {
    pub db: u32,
    pub key: Box<[u8]>,
    /// The number of the nested tree.
    pub slot: usize,
}

impl Place {
    /// The tree, in the engine or in a snapshot.
    pub fn open<R: Read>(&self, reader: &mut R) -> Result<TreeId, Error> {
        let keys = reader.root(root_ids(self.db)[0])?;
        let tree = reader.nested(keys, &self.key, self.slot)?;
        Ok(tree.expect("a large collection is there"))
    }
}

/// What is told of each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    Keys,
    Values,
    Both,
}

impl Parts {
    fn has_keys(self) -> bool {
        self != Self::Values
    }

    fn has_values(self) -> bool {
        self != Self::Keys
    }
}

/// The expiry of an element; None if it has none.
pub(super) fn expiry(cell: &Cell<'_>) -> Option<u64> {
    cell.head()
        .first_chunk()
        .map(|time| u64::from_be_bytes(*time))
}

/// Where a walk stands.
#[derive(Debug)]
enum At {
    Start,
    Behind(Vec<u8>),
    /// In the value of an element, which is in pages of its own.
    Inside {
        element: Vec<u8>,
        offset: u64,
        len: u64,
    },
}

/// A walk over all elements of a large collection that are not due.
#[derive(Debug)]
pub struct Elements {
    place: Place,
    parts: Parts,
    now_ms: u64,
    at: At,
}

impl Elements {
    pub fn new(place: Place, parts: Parts, now_ms: u64) -> Self {
        Self {
            place,
            parts,
            now_ms,
            at: At::Start,
        }
    }

    /// Appends about `bytes_wanted` more bytes of bulk strings to `out`; false when there are no more.
    pub fn fill<R: Read>(
        &mut self,
        reader: &mut R,
        out: &mut Vec<u8>,
        bytes_wanted: usize,
    ) -> Result<bool, Error> {
        let tree = self.place.open(reader)?;
        let end = out.len().saturating_add(bytes_wanted.max(1));
        loop {
            if let At::Inside { .. } = self.at {
                self.fill_value(reader, tree, out)?;
            } else if !self.fill_elements(reader, tree, out, end)? {
                return Ok(false);
            }
            if out.len() >= end {
                return Ok(true);
            }
        }
    }

    /// Appends the next piece of the value that the walk stands in.
    fn fill_value<R: Read>(
        &mut self,
        reader: &mut R,
        tree: TreeId,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let At::Inside {
            element,
            offset,
            len,
        } = &mut self.at
        else {
            unreachable!("the caller has seen where it stands");
        };
        let piece = CHUNK_BYTES.min(*len - *offset);
        reader.read_body(tree, element, *offset, piece, out)?;
        *offset += piece;
        if *offset == *len {
            out.extend_from_slice(encode::LINE_END);
            self.at = At::Behind(std::mem::take(element));
        }
        Ok(())
    }

    /// Appends elements up to `end` bytes, or up to a value in pages of its own. False: that was the last.
    fn fill_elements<R: Read>(
        &mut self,
        reader: &mut R,
        tree: TreeId,
        out: &mut Vec<u8>,
        end: usize,
    ) -> Result<bool, Error> {
        let (parts, now_ms) = (self.parts, self.now_ms);
        let from = match &self.at {
            At::Behind(element) => Seek::After(element),
            _ => Seek::First,
        };
        let mut next = None;
        reader.scan(tree, from, &mut |element, cell| {
            if is_due(expiry(&cell), now_ms) {
                return ControlFlow::Continue(());
            }
            if parts.has_keys() {
                encode::bulk(out, element);
            }
            if parts.has_values() {
                match cell.body() {
                    Body::Inline(value) => encode::bulk(out, value),
                    Body::Blob { len } => {
                        encode::bulk_header(out, len);
                        next = Some(At::Inside {
                            element: element.to_vec(),
                            offset: 0,
                            len,
                        });
                        return ControlFlow::Break(());
                    }
                }
            }
            if out.len() >= end {
                next = Some(At::Behind(element.to_vec()));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        let more = next.is_some();
        if let Some(at) = next {
            self.at = at;
        }
        Ok(more)
    }
}

/// The value of one element, which is in pages of its own, on its way to a client.
pub struct ElementValueStream {
    pub snapshot: Snapshot,
    pub place: Place,
    pub element: Box<[u8]>,
    pub offset: u64,
    pub end: u64,
}

impl ElementValueStream {
    fn next(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, Error> {
        let mut reader = self.snapshot.reader();
        let tree = self.place.open(&mut reader)?;
        let piece = (bytes_wanted as u64).max(1).min(self.end - self.offset);
        reader.read_body(tree, &self.element, self.offset, piece, out)?;
        self.offset += piece;
        Ok(self.offset < self.end)
    }
}

impl Stream for ElementValueStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        self.next(out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))
    }
}

/// A walk over a snapshot, on its way to a client.
pub struct ElementsStream {
    pub snapshot: Snapshot,
    pub elements: Elements,
}

impl Stream for ElementsStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let mut reader = self.snapshot.reader();
        self.elements
            .fill(&mut reader, out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))
    }
}

impl Keyspace {
    /// Visits about `count` elements of a tree from where `cursor` stands (0: the beginning); those that match
    /// `pattern` (None: all) are handed to `take`, which tells how many bytes it took. Returns where to go on; 0: the
    /// walk is over.
    pub fn scan_elements(
        &mut self,
        tree: TreeId,
        cursor: u64,
        count: u64,
        pattern: Option<&[u8]>,
        take: &mut dyn FnMut(&[u8], &Cell<'_>) -> usize,
    ) -> Result<u64, Error> {
        let prefix = pattern.map_or(&[][..], glob::literal_prefix);
        let from = match self.cursors.resolve(cursor) {
            Some(element) if cursor != 0 && element >= prefix => Seek::After(element),
            _ => Seek::AtLeast(prefix),
        };
        let limit = count.min(PAGE_VISITS_MAX);
        let (mut visits, mut bytes, mut more) = (0, 0, false);
        let mut last = Vec::new();
        self.engine.scan(tree, from, &mut |element, cell| {
            if !glob::begins_with(element, prefix) {
                return ControlFlow::Break(());
            }
            if visits == limit || bytes >= PAGE_BYTES_MAX {
                more = true;
                return ControlFlow::Break(());
            }
            visits += 1;
            if pattern.is_none_or(|pattern| glob::matches(pattern, element, Case::Sensitive)) {
                bytes += take(element, &cell);
            }
            last.clear();
            last.extend_from_slice(element);
            ControlFlow::Continue(())
        })?;
        Ok(if more { self.cursors.issue(&last) } else { 0 })
    }
}
