//! What a stream adds to the head of its key's cell.
//!
//! ```text
//! offset size meaning
//!      0   16 last ID, big endian: the largest that an entry ever had
//!     16   16 largest ID of an entry that XDEL deleted, in the same form
//!     32    8 how many entries were ever added, little endian
//!     40   14 the last node (`node`)
//! ```

use super::id::{ID_BYTES, StreamId};
use super::node::{NODE_STATE_BYTES, Node};
use crate::storage::cell::HEAD_BYTES_MAX;

/// Bytes of it.
pub const STREAM_HEAD_BYTES: usize = 2 * ID_BYTES + 8 + NODE_STATE_BYTES;

/// Kind, flags and the expiry stand before it.
const _: () = assert!(2 + 8 + STREAM_HEAD_BYTES <= HEAD_BYTES_MAX);

/// What is known of a stream besides its entries and groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamHead {
    pub last_id: StreamId,
    pub max_deleted_id: StreamId,
    pub entries_added: u64,
    pub node: Node,
}

impl StreamHead {
    pub fn to_bytes(self) -> [u8; STREAM_HEAD_BYTES] {
        let mut out = [0; STREAM_HEAD_BYTES];
        out[..16].copy_from_slice(&self.last_id.to_bytes());
        out[16..32].copy_from_slice(&self.max_deleted_id.to_bytes());
        out[32..40].copy_from_slice(&self.entries_added.to_le_bytes());
        out[40..].copy_from_slice(&self.node.to_bytes());
        out
    }

    /// Reads what [`StreamHead::to_bytes`] wrote; anything else is a programmer's error, for pages are checked below.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let bytes: &[u8; STREAM_HEAD_BYTES] = bytes.try_into().expect("the head of a stream");
        let (ids, rest) = bytes.split_at(2 * ID_BYTES);
        let (added, node) = rest.split_first_chunk().expect("a counter");
        Self {
            last_id: StreamId::from_bytes(ids),
            max_deleted_id: StreamId::from_bytes(&ids[ID_BYTES..]),
            entries_added: u64::from_le_bytes(*added),
            node: Node::from_bytes(node.first_chunk().expect("a node")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::NodeLimits;
    use super::*;

    #[test]
    fn heads_come_back_as_they_went() {
        let limits = NodeLimits {
            entries: 0,
            bytes: 0,
        };
        let mut head = StreamHead {
            last_id: StreamId::new(1, 2),
            max_deleted_id: StreamId::new(3, u64::MAX),
            entries_added: 1 << 60,
            node: Node::default(),
        };
        for pairs in [&[&b"a"[..], b"b"][..], &[b"c", b"d"]] {
            assert_eq!(StreamHead::from_bytes(&head.to_bytes()), head);
            head.node
                .add(head.last_id, StreamId::new(9, 9), pairs, limits);
        }
    }
}
