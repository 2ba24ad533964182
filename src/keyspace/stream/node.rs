//! Which entries stand together in Redis.
//!
//! Redis keeps the entries of a stream in nodes of up to `stream-node-max-entries` entries and `stream-node-max-bytes`
//! bytes. Nothing is kept that way here, but approximate trimming removes whole nodes only, and XINFO STREAM counts
//! them. So every entry has the number of the node that Redis would put it in. What decides whether the next entry
//! still goes to the last node stands in the stream's head: how many entries were added to it, and how many bytes
//! Redis takes for them.
//!
//! The bytes are exact while times within a node are less than 25 days apart, and numbers within it less than 32768.
//! Where the last node loses its last entry and the one before is the last again, entries that were deleted from that
//! do not count.

use super::id::StreamId;

/// When the last node is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// `stream-node-max-entries`; 0: none.
    pub entries: u64,
    /// `stream-node-max-bytes`; 0: none.
    pub bytes: u64,
}

impl NodeLimits {
    pub const NONE: Self = Self {
        entries: 0,
        bytes: 0,
    };
}

/// The most bytes of a node, whatever the limits say, and of an entry.
pub const NODE_BYTES_MAX: u64 = 1 << 30;
/// Bytes of an empty node: its length in bytes, its length in items, its end.
const EMPTY_BYTES: u64 = 7;
/// The largest number that has a place for three bytes.
const THREE_BYTES_MAX: u64 = (1 << 24) - 1;

/// Bytes of a node's state in a stream's head.
pub const NODE_STATE_BYTES: usize = 14;

/// The last node of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its entries have this number.
    pub number: u16,
    /// Entries added to it, also those deleted since; 0: it is gone and the next entry begins another.
    entries: u16,
    bytes: u32,
    /// A hash of the fields of its first entry: entries with the same fields take less.
    fields: u16,
    /// From its first entry to the stream's last ID.
    ms_since_first: u32,
    seq_since_first: i16,
}

impl Node {
    /// ```text
    /// offset size meaning
    ///      0    2 number
    ///      2    2 entries
    ///      4    3 bytes
    ///      7    2 hash of the fields
    ///      9    3 milliseconds from the first entry to the stream's last ID
    ///     12    2 the same for the numbers
    /// ```
    /// Little endian. What is too large for its place is as large as that.
    pub fn to_bytes(self) -> [u8; NODE_STATE_BYTES] {
        let mut out = [0; NODE_STATE_BYTES];
        out[..2].copy_from_slice(&self.number.to_le_bytes());
        out[2..4].copy_from_slice(&self.entries.to_le_bytes());
        out[4..7].copy_from_slice(&self.bytes.to_le_bytes()[..3]);
        out[7..9].copy_from_slice(&self.fields.to_le_bytes());
        out[9..12].copy_from_slice(&self.ms_since_first.to_le_bytes()[..3]);
        out[12..].copy_from_slice(&self.seq_since_first.to_le_bytes());
        out
    }

    /// Reads what [`Node::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; NODE_STATE_BYTES]) -> Self {
        let two = |at: usize| [bytes[at], bytes[at + 1]];
        let three = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]);
        Self {
            number: u16::from_le_bytes(two(0)),
            entries: u16::from_le_bytes(two(2)),
            bytes: three(4),
            fields: u16::from_le_bytes(two(7)),
            ms_since_first: three(9),
            seq_since_first: i16::from_le_bytes(two(12)),
        }
    }

    /// An entry with these fields and values follows the stream's `last_id`: puts it into this node or begins another.
    pub fn add(&mut self, last_id: StreamId, id: StreamId, pairs: &[&[u8]], limits: NodeLimits) {
        let fields = fields_hash(pairs);
        if self.is_full(pairs, limits) {
            *self = Self::begin(self.number.wrapping_add(1), fields, pairs);
        } else {
            self.passes(last_id, id);
            self.entries = self.entries.saturating_add(1);
            let counted = u64::from(self.entries);
            let longer = integer_bytes(counted as i64) - integer_bytes(counted as i64 - 1);
            self.grow(longer);
        }
        self.grow(self.entry_bytes(pairs, fields == self.fields));
    }

    /// A node with this number and these entries, of which there is at least one.
    pub fn of_entries(number: u16, entries: &[(StreamId, Vec<Vec<u8>>)]) -> Self {
        let mut node = Self {
            number: number.wrapping_sub(1),
            ..Self::default()
        };
        let mut last_id = StreamId::MIN;
        for (id, pairs) in entries {
            let pairs: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
            node.add(last_id, *id, &pairs, NodeLimits::NONE);
            last_id = *id;
        }
        // Entries that are large for a node of more than one fill it all the same.
        node.number = number;
        node
    }

    fn begin(number: u16, fields: u16, pairs: &[&[u8]]) -> Self {
        let names: u64 = pairs.iter().step_by(2).map(|name| item_bytes(name)).sum();
        let count = pairs.len() as i64 / 2;
        let counts = integer_bytes(1) + integer_bytes(0) + integer_bytes(count);
        let mut node = Self {
            number,
            entries: 1,
            fields,
            ..Self::default()
        };
        node.grow(EMPTY_BYTES + counts + names + integer_bytes(0));
        node
    }

    fn is_full(&self, pairs: &[&[u8]], limits: NodeLimits) -> bool {
        let len: u64 = pairs.iter().map(|item| item.len() as u64).sum();
        let bytes_max = match limits.bytes {
            0 => NODE_BYTES_MAX,
            bytes => bytes.min(NODE_BYTES_MAX),
        };
        self.entries == 0
            || u64::from(self.bytes) + len >= bytes_max
            || (limits.entries > 0 && u64::from(self.entries) >= limits.entries)
    }

    fn grow(&mut self, bytes: u64) {
        self.bytes = (u64::from(self.bytes) + bytes).min(THREE_BYTES_MAX) as u32;
    }

    fn entry_bytes(&self, pairs: &[&[u8]], same_fields: bool) -> u64 {
        let fields = pairs.len() as i64 / 2;
        let (items, count) = if same_fields {
            (fields + 3, 0)
        } else {
            (2 * fields + 4, integer_bytes(fields))
        };
        let shown = pairs.iter().enumerate();
        let texts: u64 = shown
            .filter(|(at, _)| !same_fields || at % 2 == 1)
            .map(|(_, text)| item_bytes(text))
            .sum();
        let flags = integer_bytes(0);
        let id = integer_bytes(i64::from(self.ms_since_first))
            + integer_bytes(i64::from(self.seq_since_first));
        flags + id + count + texts + integer_bytes(items)
    }

    /// So many entries were added, those included that are gone, and Redis takes so many bytes for them.
    pub fn had(&mut self, entries: u64, bytes: u64) {
        self.entries = entries.min(u64::from(u16::MAX)) as u16;
        self.bytes = bytes.min(THREE_BYTES_MAX) as u32;
    }

    /// How many entries were added, those included that are gone, and how many bytes Redis takes for them.
    pub fn ever(self) -> (u64, u64) {
        (u64::from(self.entries), u64::from(self.bytes))
    }

    /// The next entry goes to another node.
    pub fn close(&mut self) {
        self.entries = 0;
    }

    /// The stream's last ID goes from one to another.
    pub fn passes(&mut self, from: StreamId, to: StreamId) {
        let moved = i128::from(to.ms) - i128::from(from.ms);
        let ms = i128::from(self.ms_since_first) + moved;
        self.ms_since_first = ms.clamp(0, i128::from(THREE_BYTES_MAX)) as u32;
        let moved = i128::from(to.seq) - i128::from(from.seq);
        let seq = i128::from(self.seq_since_first) + moved;
        self.seq_since_first = seq.clamp(i128::from(i16::MIN), i128::from(i16::MAX)) as i16;
    }
}

fn fields_hash(pairs: &[&[u8]]) -> u16 {
    let mut hasher = crc32fast::Hasher::new();
    for name in pairs.iter().step_by(2) {
        hasher.update(&(name.len() as u32).to_le_bytes());
        hasher.update(name);
    }
    hasher.finalize() as u16
}

/// Bytes that Redis takes for a text in a node: one that is an integer is kept as that.
fn item_bytes(text: &[u8]) -> u64 {
    if let Some(number) = crate::resp::integer::parse_i64(text) {
        return integer_bytes(number);
    }
    let len = text.len() as u64;
    let header = match len {
        0..64 => 1,
        64..4096 => 2,
        _ => 5,
    };
    with_length(header + len)
}

/// Bytes that Redis takes for an integer in a node.
fn integer_bytes(number: i64) -> u64 {
    with_length(match number {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    })
}

/// Every item ends with its length.
fn with_length(bytes: u64) -> u64 {
    bytes
        + match bytes {
            0..=127 => 1,
            128..16_383 => 2,
            16_383..2_097_151 => 3,
            2_097_151..268_435_455 => 4,
            _ => 5,
        }
}

/// How many nodes a radix tree over these keys, sorted, has in Redis.
///
/// A run of bytes without a fork is one node, a fork is one, and the end of a key is one.
pub fn radix_nodes(keys: &[[u8; super::id::ID_BYTES]]) -> u64 {
    /// `from` bytes are above this node already.
    fn below(keys: &[[u8; 16]], from: usize) -> u64 {
        let (first, last) = (&keys[0], &keys[keys.len() - 1]);
        let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let run = u64::from(common > from);
        if common == first.len() {
            return run + 1;
        }
        let forks = keys.chunk_by(|a, b| a[common] == b[common]);
        run + 1 + forks.map(|keys| below(keys, common + 1)).sum::<u64>()
    }
    // The recursion is as deep as a key has bytes.
    if keys.is_empty() { 1 } else { below(keys, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: NodeLimits = NodeLimits {
        entries: 100,
        bytes: 4096,
    };

    #[test]
    fn a_state_comes_back_as_it_went() {
        let mut node = Node::default();
        let mut last_id = StreamId::MIN;
        for i in 1..200u64 {
            let id = StreamId::new(i * i * i, i % 7);
            node.add(last_id, id, &[b"field", b"value"], LIMITS);
            last_id = id;
            assert_eq!(Node::from_bytes(&node.to_bytes()), node);
        }
        assert_eq!(node.number, 2);
    }

    /// Counts the entries of the first node.
    fn first_node(limits: NodeLimits, pairs: impl Fn(u64) -> Vec<Vec<u8>>) -> u64 {
        let mut node = Node::default();
        for i in 1.. {
            let pairs = pairs(i);
            let words: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
            node.add(StreamId::new(i - 1, 0), StreamId::new(i, 0), &words, limits);
            if node.number == 2 {
                return i - 1;
            }
        }
        unreachable!("a node is full at some time")
    }

    #[test]
    fn a_node_is_full_by_entries_or_by_bytes() {
        let small = |_| vec![b"f".to_vec(), b"v".to_vec()];
        assert_eq!(first_node(LIMITS, small), 100);
        let none = NodeLimits {
            entries: 0,
            bytes: 4096,
        };
        // So many as Redis 7.4 puts into the first node.
        assert_eq!(first_node(none, small), 351);
        let long = |_| vec![b"f".to_vec(), vec![b'x'; 1000]];
        assert_eq!(first_node(LIMITS, long), 4);
    }

    #[test]
    fn a_lost_node_is_followed_by_another() {
        let mut node = Node::default();
        node.add(StreamId::MIN, StreamId::new(1, 0), &[b"f", b"v"], LIMITS);
        assert_eq!(node.number, 1);
        node.close();
        node.add(
            StreamId::new(1, 0),
            StreamId::new(2, 0),
            &[b"f", b"v"],
            LIMITS,
        );
        assert_eq!((node.number, node.entries), (2, 1));
    }

    #[test]
    fn nodes_of_radix_trees_are_counted() {
        let key = |ms: u64, seq: u64| StreamId::new(ms, seq).to_bytes();
        assert_eq!(radix_nodes(&[]), 1);
        assert_eq!(radix_nodes(&[key(1, 0)]), 2);
        // A run, a fork, two ends.
        assert_eq!(radix_nodes(&[key(1, 0), key(1, 1)]), 4);
        // A run, a fork, two runs, two ends.
        assert_eq!(radix_nodes(&[key(1, 0), key(2, 0)]), 6);
    }
}
