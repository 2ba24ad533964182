//! The body of a small collection while it is being changed: in memory, to be written when all changes are made.

use super::Look;
use super::header::{Header, Kind};
use super::txn::{Slot, Txn};
use crate::storage::{Error, TreeId};

/// A replaced part of a body: what the log gets if it is the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Splice {
    at: usize,
    removed: usize,
    added: usize,
}

/// What was changed of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edits {
    None,
    One(Splice),
    Many,
}

/// A collection that is opened for changes; one that is not there is small.
pub(super) enum Opened<const N: usize> {
    Small(Draft),
    Large([TreeId; N]),
}

/// A body that is being changed.
#[derive(Debug)]
pub struct Draft {
    pub body: Vec<u8>,
    edits: Edits,
}

impl Draft {
    /// Begins with what stands in the body.
    pub fn new(body: Vec<u8>) -> Self {
        Self {
            body,
            edits: Edits::None,
        }
    }

    /// A body that is to be written whole.
    pub fn whole(body: Vec<u8>) -> Self {
        Self {
            body,
            edits: Edits::Many,
        }
    }

    fn edited(&mut self, splice: Splice) {
        self.edits = match self.edits {
            Edits::None => Edits::One(splice),
            Edits::One(_) | Edits::Many => Edits::Many,
        };
    }

    /// Replaces the bytes from `at` to `end`.
    pub fn replace(&mut self, at: usize, end: usize, bytes: &[u8]) {
        self.body.splice(at..end, bytes.iter().copied());
        self.edited(Splice {
            at,
            removed: end - at,
            added: bytes.len(),
        });
    }

    /// Lets `push` append to the body.
    pub fn append(&mut self, push: impl FnOnce(&mut Vec<u8>)) {
        let at = self.body.len();
        push(&mut self.body);
        self.edited(Splice {
            at,
            removed: 0,
            added: self.body.len() - at,
        });
    }
}

impl Txn<'_> {
    /// Looks at the key for changes; None if the key holds another kind of value. The body of a small collection comes
    /// in memory that [`Txn::write_draft`] takes back; `N` is how many trees a large one has.
    pub(super) fn open_collection<const N: usize>(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        kind: Kind,
    ) -> Result<Option<(Slot, Opened<N>)>, Error> {
        let mut body = self.keyspace().take_scratch();
        let (slot, seen) = self.inspect(db, key, now_ms, Look::WRITE, |entry| {
            let entry = entry.filter(|entry| entry.header.kind == kind)?;
            let seen = entry.trees();
            if let (None, Some(bytes)) = (seen, entry.inline()) {
                body.extend_from_slice(bytes);
            }
            seen
        })?;
        if slot.header().is_some_and(|header| header.kind != kind) {
            return Ok(None);
        }
        let opened = match seen {
            Some(seen) => {
                let keyspace = self.keyspace();
                keyspace.give_scratch(body);
                Opened::Large(keyspace.trees_seen(db, key, seen)?)
            }
            None => Opened::Small(Draft::new(body)),
        };
        Ok(Some((slot, opened)))
    }

    /// Writes what was changed of the collection at the key, which has elements, and its header: one change as a
    /// splice, several as a whole.
    pub(super) fn write_draft(
        &mut self,
        slot: &mut Slot,
        key: &[u8],
        header: Header,
        draft: Draft,
    ) -> Result<(), Error> {
        let stays = slot.header() == Some(header);
        match draft.edits {
            Edits::None if stays => {}
            Edits::None if slot.exists() => self.set_header(slot, key, header, &[])?,
            Edits::One(splice) if stays && !slot.is_large() => {
                let added = &draft.body[splice.at..splice.at + splice.added];
                self.splice(slot, key, splice.at, splice.removed, added)?;
            }
            _ => self.put_value(slot, key, header, &[], &draft.body)?,
        }
        self.keyspace().give_scratch(draft.body);
        Ok(())
    }
}
