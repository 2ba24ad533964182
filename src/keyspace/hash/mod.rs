//! Hashes: fields, their values, and when fields expire.
//!
//! A small hash is a sequence of threes in the body of its key's cell ([`small`]): field, value, and expiry (eight bytes
//! of wall time in milliseconds, big endian; nothing if the field does not expire). Fields that expire stand in front
//! in the order of their times, the others behind them in the order in which they came, as Redis lists them.
//!
//! A large hash has two trees:
//!
//! ```text
//! tree     key                   head of the cell      body of the cell
//! FIELDS   field                 expiry, or nothing    value
//! TIMES    expiry, then field    -                     -
//! ```
//!
//! The smallest expiry of a hash stands in [`Header::fields_expire_ms`](super::header::Header::fields_expire_ms), and so
//! in the database's index. A field lives through the millisecond of its expiry; one that is due stays until somebody
//! asks for it or the background finds it ([`due`]), and until then counts in the length and in what is replaced and
//! deleted, as in Redis.

mod digest;
pub mod due;
pub mod editor;
pub mod small;

#[cfg(test)]
mod tests;

use super::{Entry, Keyspace};
use crate::storage::{Body, Cell, Error, Read};
pub use editor::HashEditor;
use small::{Small, Three};

/// The nested tree of fields and values.
pub const FIELDS: usize = 0;
/// The nested tree of expiries.
pub const TIMES: usize = 1;
/// Nested trees of a large hash.
const TREES: usize = 2;

/// Up to where Redis calls a hash a `listpack`: `hash-max-listpack-entries` and `hash-max-listpack-value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub entries_max: u64,
    pub value_bytes_max: u64,
}

/// What stands at a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub value: Body<'a>,
    pub expires_ms: Option<u64>,
}

impl<'a> Found<'a> {
    fn of_three(three: &Three<'a>) -> Self {
        Self {
            value: Body::Inline(three.value.bytes),
            expires_ms: three.expires_ms,
        }
    }

    /// What stands at a field of a large hash.
    pub fn of_cell(cell: &Cell<'a>) -> Self {
        Self {
            value: cell.body(),
            expires_ms: small::read_expiry(cell.head()),
        }
    }

    /// Bytes of the value.
    pub fn len(&self) -> u64 {
        match self.value {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Blob { len } => len,
        }
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the field is gone at `now_ms`.
    pub fn is_due(&self, now_ms: u64) -> bool {
        is_due(self.expires_ms, now_ms)
    }
}

/// Whether a field with this expiry is gone at `now_ms`.
pub(crate) fn is_due(expires_ms: Option<u64>, now_ms: u64) -> bool {
    expires_ms.is_some_and(|expires_ms| now_ms > expires_ms)
}

/// How many fields the hash has, due ones included.
pub fn len(entry: &Entry<'_>) -> u64 {
    match entry.inline() {
        Some(body) if !entry.is_large() => Small::new(body).len() as u64,
        _ => entry.cell.slot_count(FIELDS),
    }
}

/// The field of a hash that is small; None if the hash is large.
pub fn find_small<'a>(entry: &Entry<'a>, field: &[u8]) -> Option<Option<Found<'a>>> {
    let body = entry.inline().filter(|_| !entry.is_large())?;
    let three = Small::new(body).find(field);
    Some(three.map(|three| Found::of_three(&three)))
}

impl Keyspace {
    /// The field of the hash at `key`, which is there; due fields included.
    pub fn hash_field(
        &mut self,
        db: u32,
        key: &[u8],
        field: &[u8],
        is_large: bool,
    ) -> Result<Option<Found<'_>>, Error> {
        if is_large {
            let tree = self.tree(db, key, FIELDS)?;
            let cell = self.engine.get(tree, field)?;
            return Ok(cell.map(|cell| Found::of_cell(&cell)));
        }
        let trees = self.trees(db)?;
        let cell = self.engine.get(trees.keys, key)?;
        let Some(Body::Inline(body)) = cell.map(|cell| cell.body()) else {
            return Ok(None);
        };
        let three = Small::new(body).find(field);
        Ok(three.map(|three| Found::of_three(&three)))
    }

    /// Appends up to `len` bytes of the value of a field, from `offset` on, to `out`. The hash at `key` is large.
    pub fn read_field(
        &mut self,
        db: u32,
        key: &[u8],
        field: &[u8],
        offset: u64,
        len: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let tree = self.tree(db, key, FIELDS)?;
        self.engine.read_body(tree, field, offset, len, out)
    }

    /// How many fields of the hash at `key`, which is there, are due.
    pub fn due_fields(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<u64, Error> {
        let trees = self.trees(db)?;
        let Some(cell) = self.engine.get(trees.keys, key)? else {
            return Ok(0);
        };
        let first_ms = super::header::Header::parse(cell.head()).fields_expire_ms;
        if !is_due(first_ms, now_ms) {
            return Ok(0);
        }
        if cell.slots() == 0 {
            let Body::Inline(body) = cell.body() else {
                return Ok(0);
            };
            return Ok(Small::new(body).due(now_ms) as u64);
        }
        self.due_in_large(db, key, now_ms)
    }
}
