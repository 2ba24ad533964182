//! The sets that an operation reads: each in the engine or in a snapshot, its members in byte order.

use std::ops::ControlFlow;

use super::MEMBERS;
use crate::keyspace::Keyspace;
use crate::keyspace::elements::Place;
use crate::keyspace::packed::{ByteStrings, Packed};
use crate::storage::tree::Pages;
use crate::storage::{Body, Error, Read, Seek, TreeId};

/// Members read from a tree at a time, at most, and about how many bytes of them.
const CHUNK_MEMBERS: usize = 256;
const CHUNK_BYTES: usize = 64 << 10;

#[derive(Clone, Debug)]
enum Form {
    /// The members in byte order.
    Small(ByteStrings),
    Large(Place),
}

/// A set to read from; one that is not there is empty.
#[derive(Clone, Debug)]
pub struct Source {
    form: Form,
    pub len: u64,
}

impl Source {
    /// A set that is not there.
    pub fn missing() -> Self {
        Self {
            form: Form::Small(ByteStrings::default()),
            len: 0,
        }
    }

    /// The set at `key`; the caller has seen that it is one, or that there is nothing.
    pub fn open(keyspace: &mut Keyspace, db: u32, key: &[u8]) -> Result<Self, Error> {
        let trees = keyspace.trees(db)?;
        let Some(cell) = keyspace.engine.current(trees.keys, key)? else {
            return Ok(Self::missing());
        };
        if let Body::Inline(body) = cell.body()
            && cell.slots() == 0
        {
            let mut members = ByteStrings::of(Packed::new(body));
            members.sort();
            return Ok(Self {
                len: members.len() as u64,
                form: Form::Small(members),
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
        })
    }

    /// The tree of a large set, good as long as the reader is; None: the members are in memory.
    pub fn tree<R: Read>(&self, reader: &mut R) -> Result<Option<TreeId>, Error> {
        match &self.form {
            Form::Small(_) => Ok(None),
            Form::Large(place) => place.open(reader).map(Some),
        }
    }

    /// Whether the set, whose tree the reader has opened, has the member.
    pub fn has<R: Read>(
        &self,
        reader: &mut R,
        tree: Option<TreeId>,
        member: &[u8],
    ) -> Result<bool, Error> {
        match (&self.form, tree) {
            (Form::Small(members), _) => Ok(members.has(member)),
            (Form::Large(_), None) => unreachable!("large sets have trees"),
            (Form::Large(_), Some(tree)) => {
                let found = reader.contains(tree, member)?;
                reader.pages().progress();
                Ok(found)
            }
        }
    }
}

/// A walk over a source.
#[derive(Debug, Default)]
pub struct Cursor {
    chunk: ByteStrings,
    /// How many of the chunk are behind it, the one included where it stands.
    passed: usize,
    ended: bool,
}

impl Cursor {
    /// Goes to the next member of a source, whose tree the reader has opened; false if there is none.
    pub fn advance<R: Read>(
        &mut self,
        reader: &mut R,
        source: &Source,
        tree: Option<TreeId>,
    ) -> Result<bool, Error> {
        if self.passed == self.chunk.len() && !self.ended {
            self.refill(reader, source, tree)?;
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

    fn refill<R: Read>(
        &mut self,
        reader: &mut R,
        source: &Source,
        tree: Option<TreeId>,
    ) -> Result<(), Error> {
        let tree = match (&source.form, tree) {
            (Form::Small(members), _) => {
                self.chunk.clone_from(members);
                self.ended = true;
                return Ok(());
            }
            (Form::Large(_), tree) => tree.expect("large sets have trees"),
        };
        let last = self.chunk.len().checked_sub(1);
        let last = last.map(|n| self.chunk.get(n).to_vec());
        let from = last.as_deref().map_or(Seek::First, Seek::After);
        let chunk = &mut self.chunk;
        chunk.clear();
        let mut full = false;
        reader.scan(tree, from, &mut |member, _| {
            chunk.push(member);
            full = chunk.len() >= CHUNK_MEMBERS || chunk.bytes_len() >= CHUNK_BYTES;
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
