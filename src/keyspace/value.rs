//! The bytes of string values, read in parts.

use super::root_ids;
use super::{Keyspace, Slot, Txn};
use crate::resp::{Stream, StreamError};
use crate::storage::{Error, Read, Snapshot};

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
}

impl Txn<'_> {
    /// To be called before the first change to the part of a value that ends before byte `end`: a value that is kept in
    /// pages of its own, or will be, changes in several steps and needs a savepoint.
    pub fn before_part(&mut self, slot: &Slot, end: u64) {
        if slot.is_blob || end > SMALL_LEN {
            self.keyspace().engine.need_savepoint();
        }
    }
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
