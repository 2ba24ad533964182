//! The sets that an operation reads: each in the engine or in a snapshot, its members in byte order.

use std::ops::{ControlFlow, Range};

use super::MEMBERS;
use crate::keyspace::Keyspace;
use crate::keyspace::elements::Place;
use crate::keyspace::header::{Encoding, Header};
use crate::keyspace::packed::Packed;
use crate::storage::tree::Pages;
use crate::storage::{Body, Error, Read, Seek};

/// Members read from a tree at a time, at most, and about how many bytes of them.
const CHUNK_MEMBERS: usize = 256;
const CHUNK_BYTES: usize = 64 << 10;

/// Members in byte order, one behind the other in memory.
#[derive(Clone, Debug, Default)]
struct Members {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Members {
    fn of(set: Packed<'_>) -> Self {
        let mut members = Self::default();
        for item in set.iter() {
            members.push(item.bytes);
        }
        let Self { bytes, places } = &mut members;
        places.sort_unstable_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
        members
    }

    fn push(&mut self, member: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(member);
        self.places.push(at..self.bytes.len());
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn get(&self, n: usize) -> &[u8] {
        &self.bytes[self.places[n].clone()]
    }

    fn has(&self, member: &[u8]) -> bool {
        let of = |place: &Range<usize>| self.bytes[place.clone()].cmp(member);
        self.places.binary_search_by(of).is_ok()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }
}

#[derive(Clone, Debug)]
enum Form {
    Small(Members),
    Large(Place),
}

/// A set to read from; one that is not there is empty.
#[derive(Clone, Debug)]
pub struct Source {
    form: Form,
    pub len: u64,
    pub encoding: Encoding,
}

impl Source {
    /// A set that is not there.
    pub fn missing() -> Self {
        Self {
            form: Form::Small(Members::default()),
            len: 0,
            encoding: Encoding::Integers,
        }
    }

    /// The set at `key`; the caller has seen that it is one, or that there is nothing.
    pub fn open(keyspace: &mut Keyspace, db: u32, key: &[u8]) -> Result<Self, Error> {
        let trees = keyspace.trees(db)?;
        let Some(cell) = keyspace.engine.current(trees.keys, key)? else {
            return Ok(Self::missing());
        };
        let encoding = Header::parse(cell.head()).encoding;
        if let Body::Inline(body) = cell.body()
            && cell.slots() == 0
        {
            let members = Members::of(Packed::new(body));
            return Ok(Self {
                len: members.len() as u64,
                form: Form::Small(members),
                encoding,
            });
        }
        let place = Place {
            db,
            key: key.into(),
            slot: MEMBERS,
        };
        Ok(Self {
            form: Form::Large(place),
            len: cell.slot_count(MEMBERS),
            encoding,
        })
    }

    /// Whether the set has the member.
    pub fn has<R: Read>(&self, reader: &mut R, member: &[u8]) -> Result<bool, Error> {
        match &self.form {
            Form::Small(members) => Ok(members.has(member)),
            Form::Large(place) => {
                let tree = place.open(reader)?;
                let found = reader.get(tree, member)?.is_some();
                reader.pages().progress();
                Ok(found)
            }
        }
    }
}

/// A walk over a source.
#[derive(Debug, Default)]
pub struct Cursor {
    chunk: Members,
    /// How many of the chunk are behind it, the one included where it stands.
    passed: usize,
    ended: bool,
}

impl Cursor {
    /// Goes to the next member; false if there is none.
    pub fn advance<R: Read>(&mut self, reader: &mut R, source: &Source) -> Result<bool, Error> {
        if self.passed == self.chunk.len() && !self.ended {
            self.refill(reader, source)?;
            self.passed = 0;
        }
        let is_there = self.passed < self.chunk.len();
        self.passed += usize::from(is_there);
        Ok(is_there)
    }

    /// The member where it stands; it has advanced to one.
    pub fn member(&self) -> &[u8] {
        self.chunk.get(self.passed - 1)
    }

    fn refill<R: Read>(&mut self, reader: &mut R, source: &Source) -> Result<(), Error> {
        let place = match &source.form {
            Form::Small(members) => {
                self.chunk.clone_from(members);
                self.ended = true;
                return Ok(());
            }
            Form::Large(place) => place,
        };
        let tree = place.open(reader)?;
        let last = self.chunk.len().checked_sub(1);
        let last = last.map(|n| self.chunk.get(n).to_vec());
        let from = last.as_deref().map_or(Seek::First, Seek::After);
        let chunk = &mut self.chunk;
        chunk.clear();
        let mut full = false;
        reader.scan(tree, from, &mut |member, _| {
            chunk.push(member);
            full = chunk.len() >= CHUNK_MEMBERS || chunk.bytes.len() >= CHUNK_BYTES;
            if full {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.ended = !full;
        Ok(())
    }
}
