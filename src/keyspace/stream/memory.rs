//! Bytes that Redis would take for a stream, estimated from a few entries.

use std::ops::ControlFlow;

use super::Stream;
use super::entries::Direction;
use super::group::Group;
use super::id::StreamId;
use crate::storage::{Error, Read};

/// Entries whose length is looked at.
const SAMPLED_ENTRIES: u64 = 64;
/// The object, and what stands for the stream as a whole.
const STREAM_BYTES: u64 = 16 + 88;
const GROUP_BYTES: u64 = 40;
const CONSUMER_BYTES: u64 = 32;
const PENDING_BYTES: u64 = 24;
/// Bytes of an entry besides its fields and values: flags, ID, counts.
const ENTRY_BYTES: u64 = 10;
/// The last node has room for more.
const LAST_NODE_BYTES_MIN: u64 = 4096;

/// Bytes of a radix tree over IDs.
fn radix_bytes(keys: u64, nodes: u64) -> u64 {
    const NODE_BYTES: u64 = 4 + 30 * 8;
    keys * 16 + nodes * NODE_BYTES
}

impl Stream {
    /// Bytes that Redis would take for the value.
    pub fn memory<R: Read>(&self, reader: &mut R) -> Result<u64, Error> {
        let (mut sampled, mut bytes) = (0, 0);
        let all = StreamId::MIN..=StreamId::MAX;
        self.entries
            .scan(reader, all, Direction::Forward, &mut |record| {
                let texts: usize = record.pairs.iter().map(|text| text.bytes.len() + 2).sum();
                bytes += texts as u64 + ENTRY_BYTES;
                sampled += 1;
                if sampled == SAMPLED_ENTRIES {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        let len = self.entries.len(reader);
        let entries = match sampled {
            0 => 0,
            _ => (bytes / sampled)
                .saturating_mul(len)
                .max(LAST_NODE_BYTES_MIN),
        };
        let nodes = self.entries.nodes(reader)?;
        let mut sum = STREAM_BYTES + radix_bytes(nodes.count, nodes.radix_nodes) + entries;
        if let Some(groups) = self.groups {
            for name in Group::names(reader, groups)? {
                let group = Group::open(reader, groups, &name)?;
                sum += group.expect("a group of the list").memory(reader)?;
            }
        }
        Ok(sum)
    }
}

impl Group {
    /// A radix tree over IDs that are near each other has about this many nodes for each.
    fn memory<R: Read>(&self, reader: &mut R) -> Result<u64, Error> {
        const NODES_PER_ID: u64 = 2;
        let pending = self.pending_len(reader);
        // Each entry is in the group's tree and in its consumer's.
        let trees = 2 * radix_bytes(pending, pending * NODES_PER_ID);
        let consumers = self.consumers(reader, None, usize::MAX)?;
        let names: u64 = consumers
            .iter()
            .map(|(name, _)| CONSUMER_BYTES + name.len() as u64)
            .sum();
        Ok(GROUP_BYTES + trees + pending * PENDING_BYTES + names)
    }
}
