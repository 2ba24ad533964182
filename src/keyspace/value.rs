//! The bytes of string values, read in parts.

use super::Keyspace;
use super::root_ids;
use crate::resp::{Stream, StreamError};
use crate::storage::{Body, Error, Plan, Read, Snapshot};

/// Long values are read this many bytes at a time.
pub const CHUNK_BYTES: u64 = 64 << 10;
/// Values of up to this many bytes are kept beside their heads whatever the page size.
const SMALL_LEN: u64 = 256;

impl Keyspace {
    /// Appends up to `len` bytes of the value at `key`, from `offset` on, to `out`.
    pub fn read_value(
        &mut self,
        db: u32,
        key: &[u8],
        offset: u64,
        len: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let trees = self.trees(db)?;
        self.engine.read_body(trees.keys, key, offset, len, out)
    }

    /// A stream of `len` bytes of the value at `key` as it is now, from `offset` on.
    pub fn stream_value(&mut self, db: u32, key: &[u8], offset: u64, len: u64) -> ValueStream {
        ValueStream {
            snapshot: self.engine.snapshot(),
            db,
            key: key.into(),
            offset,
            end: offset + len,
        }
    }

    /// The plan for changing a part of the value at `key`, a value that is kept in
    /// pages of its own, or will be, changes in several steps and needs a savepoint.
    pub fn plan_for_part(&mut self, db: u32, key: &[u8], part: Part) -> Result<Plan, Error> {
        let trees = self.trees(db)?;
        let (len, is_blob) = match self.engine.get(trees.keys, key)? {
            Some(cell) => (cell.body_len(), matches!(cell.body(), Body::Blob { .. })),
            None => (0, false),
        };
        let end = match part {
            Part::Until(end) => end,
            Part::Added(added) => len.saturating_add(added),
        };
        Ok(if is_blob || end > SMALL_LEN {
            Plan::Savepoint
        } else {
            Plan::Simple
        })
    }
}

/// A part of a value that is going to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What ends before this byte.
    Until(u64),
    /// This many bytes behind the end.
    Added(u64),
}

/// A part of a value on its way to a client, read from a snapshot.
pub struct ValueStream {
    snapshot: Snapshot,
    db: u32,
    key: Box<[u8]>,
    offset: u64,
    end: u64,
}

impl Stream for ValueStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let wanted = (bytes_wanted as u64).max(1).min(self.end - self.offset);
        let before = out.len();
        let mut reader = self.snapshot.reader();
        reader
            .root(root_ids(self.db)[0])
            .and_then(|tree| reader.read_body(tree, &self.key, self.offset, wanted, out))
            .map_err(|error| StreamError(error.to_string()))?;
        let got = (out.len() - before) as u64;
        if got != wanted {
            return Err(StreamError(format!("{got} bytes of {wanted} were there")));
        }
        self.offset += got;
        Ok(self.offset < self.end)
    }
}
