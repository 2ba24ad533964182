//! The sets that an operation reads: each in the engine or in a snapshot, its members in byte order.

use std::collections::VecDeque;
use std::ops::ControlFlow;

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

#[derive(Clone, Debug)]
enum Form {
    /// The members, sorted.
    Small(Vec<Vec<u8>>),
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
            form: Form::Small(Vec::new()),
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
            let mut members: Vec<Vec<u8>> = Packed::new(body)
                .iter()
                .map(|item| item.bytes.to_vec())
                .collect();
            members.sort_unstable();
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
            Form::Small(members) => {
                let found = members.binary_search_by(|other| other.as_slice().cmp(member));
                Ok(found.is_ok())
            }
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
    chunk: VecDeque<Vec<u8>>,
    /// The last member that was read from the source.
    last: Option<Vec<u8>>,
    ended: bool,
}

impl Cursor {
    /// The next member.
    pub fn next<R: Read>(
        &mut self,
        reader: &mut R,
        source: &Source,
    ) -> Result<Option<Vec<u8>>, Error> {
        if self.chunk.is_empty() && !self.ended {
            self.refill(reader, source)?;
        }
        Ok(self.chunk.pop_front())
    }

    fn refill<R: Read>(&mut self, reader: &mut R, source: &Source) -> Result<(), Error> {
        let place = match &source.form {
            Form::Small(members) => {
                self.chunk.extend(members.iter().cloned());
                self.ended = true;
                return Ok(());
            }
            Form::Large(place) => place,
        };
        let tree = place.open(reader)?;
        let from = self.last.as_deref().map_or(Seek::First, Seek::After);
        let (chunk, mut bytes) = (&mut self.chunk, 0);
        let mut full = false;
        reader.scan(tree, from, &mut |member, _| {
            bytes += member.len();
            chunk.push_back(member.to_vec());
            full = chunk.len() >= CHUNK_MEMBERS || bytes >= CHUNK_BYTES;
            if full {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.ended = !full;
        self.last = self.chunk.back().cloned();
        Ok(())
    }
}
