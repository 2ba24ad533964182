//! One entry as it is stored.
//!
//! ```text
//! offset size meaning
//!      0    2 number of its node (`node`), little endian
//!      2    . fields and values in turn, a sequence (`packed`)
//! ```
//!
//! A large stream has a tree of them by ID; in a small one each item of the body is an ID and a record.

use super::id::{ID_BYTES, StreamId};
use crate::keyspace::packed::{self, Packed};

const NODE_BYTES: usize = 2;

/// An entry, viewed where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub id: StreamId,
    /// The number of its node.
    pub node: u16,
    /// Fields and values in turn.
    pub pairs: Packed<'a>,
}

impl<'a> Record<'a> {
    /// Views the bytes that stand at an ID.
    pub fn new(id: StreamId, bytes: &'a [u8]) -> Self {
        let (node, pairs) = bytes.split_first_chunk().expect("the record of an entry");
        Self {
            id,
            node: u16::from_le_bytes(*node),
            pairs: Packed::new(pairs),
        }
    }

    /// Views an item of a small stream.
    pub fn of_item(item: &'a [u8]) -> Self {
        Self::new(StreamId::from_bytes(item), &item[ID_BYTES..])
    }
}

/// The number of the node, of which the record's first bytes are enough.
pub fn node_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes(*bytes.first_chunk().expect("the record of an entry"))
}

/// Bytes of a record.
pub fn record_bytes(pairs: &[&[u8]]) -> usize {
    let texts: usize = pairs
        .iter()
        .map(|text| packed::item_bytes(text.len()))
        .sum();
    NODE_BYTES + texts
}

/// Appends a record.
pub fn write(out: &mut Vec<u8>, node: u16, pairs: &[&[u8]]) {
    out.extend_from_slice(&node.to_le_bytes());
    for text in pairs {
        packed::push(out, text);
    }
}
