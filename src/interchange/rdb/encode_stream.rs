//! Streams into bytes; the form is in [`super::decode_stream`].

use std::io;

use super::decode_stream::{FLAG_DELETED, FLAG_SAME_FIELDS};
use super::encode::Output;
use super::{Group, LastNode, Stream, StreamEntry, StreamId, kind, listpack};

/// Entries of a node, where it is not known which stand together.
const NODE_ENTRIES_MAX: usize = 100;
/// Bytes of a node after which another begins.
const NODE_BYTES_MAX: usize = 4096;
/// Elements of an entry beside its fields and values: flags and the two parts of the number.
const ELEMENTS_FIXED: usize = 3;

/// Writes a stream as a value of this kind.
pub fn stream(out: &mut Output<'_>, stream: &Stream, kind: u8) -> io::Result<()> {
    let nodes: Vec<_> = if stream.has_nodes() {
        let same_node = |_: &StreamEntry, next: &StreamEntry| !next.begins_node;
        stream.entries.chunk_by(same_node).collect()
    } else {
        filled_nodes(&stream.entries)
    };
    out.length(nodes.len() as u64)?;
    for (at, node) in nodes.iter().enumerate() {
        let last = stream.last_node.filter(|_| at + 1 == nodes.len());
        out.string(&node[0].id.to_bytes())?;
        out.string(&listpack(node, last))?;
    }
    out.length(stream.entries.len() as u64)?;
    id(out, stream.last_id)?;
    id(
        out,
        stream
            .entries
            .first()
            .map_or(StreamId::default(), |entry| entry.id),
    )?;
    id(out, stream.max_deleted_id)?;
    out.length(stream.entries_added)?;
    out.length(stream.groups.len() as u64)?;
    stream.groups.iter().try_for_each(|it| group(out, it, kind))
}

fn id(out: &mut Output<'_>, id: StreamId) -> io::Result<()> {
    out.length(id.ms)?;
    out.length(id.seq)
}

/// The entries in nodes that are filled anew.
fn filled_nodes(entries: &[StreamEntry]) -> Vec<&[StreamEntry]> {
    let mut nodes = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, entry) in entries.iter().enumerate() {
        if at > from && (at - from == NODE_ENTRIES_MAX || bytes >= NODE_BYTES_MAX) {
            nodes.push(&entries[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += entry.items.iter().map(Vec::len).sum::<usize>();
    }
    if from < entries.len() {
        nodes.push(&entries[from..]);
    }
    nodes
}

fn names(entry: &StreamEntry) -> impl Iterator<Item = &Vec<u8>> {
    entry.items.iter().step_by(2)
}

/// A node that once was as `had` says is that again: deleted entries stand for those that are gone.
fn listpack(node: &[StreamEntry], had: Option<LastNode>) -> Vec<u8> {
    let (first, mut list) = (&node[0], listpack::Writer::default());
    let gone = had.map_or(0, |had| had.entries.saturating_sub(node.len() as u64));
    list.push_integer(node.len() as i64);
    list.push_integer(gone as i64);
    list.push_integer((first.items.len() / 2) as i64);
    names(first).for_each(|name| list.push(name));
    list.push_integer(0);
    for entry in node {
        let is_same = names(entry).eq(names(first));
        list.push_integer(if is_same { FLAG_SAME_FIELDS as i64 } else { 0 });
        list.push_integer(entry.id.ms.wrapping_sub(first.id.ms).cast_signed());
        list.push_integer(entry.id.seq.wrapping_sub(first.id.seq).cast_signed());
        let elements = if is_same {
            entry
                .items
                .iter()
                .skip(1)
                .step_by(2)
                .for_each(|value| list.push(value));
            entry.items.len() / 2
        } else {
            list.push_integer((entry.items.len() / 2) as i64);
            entry.items.iter().for_each(|item| list.push(item));
            entry.items.len() + 1
        };
        list.push_integer((elements + ELEMENTS_FIXED) as i64);
    }
    if let Some(had) = had {
        let last = node[node.len() - 1].id;
        for left in (0..gone).rev() {
            let room = had.bytes.saturating_sub(list.at());
            deleted_entry(&mut list, first.id, last, if left == 0 { room } else { 0 });
        }
    }
    list.finish()
}

/// Appends a deleted entry with this number. It takes `room` bytes if that is more than it needs.
fn deleted_entry(list: &mut listpack::Writer, first: StreamId, id: StreamId, room: u64) {
    let from = list.at();
    list.push_integer(FLAG_DELETED as i64);
    list.push_integer(id.ms.wrapping_sub(first.ms).cast_signed());
    list.push_integer(id.seq.wrapping_sub(first.seq).cast_signed());
    // The number of fields, an empty name, the number of elements.
    let used = list.at() - from + 2 + 2 + 2;
    let filler = room.saturating_sub(used);
    let Some(len) = text_len(filler) else {
        list.push_integer(0);
        return list.push_integer((ELEMENTS_FIXED + 1) as i64);
    };
    list.push_integer(1);
    list.push(b"");
    list.push(&vec![0; len as usize]);
    list.push_integer((ELEMENTS_FIXED + 3) as i64);
}

/// The length of a text that takes so many bytes of a listpack, or up to three less where none does.
fn text_len(bytes: u64) -> Option<u64> {
    let around = match bytes {
        0..=65 => 2,
        66..=128 => 3,
        129..=4099 => 4,
        4100..=16_385 => 7,
        16_386..=2_097_154 => 8,
        _ => 9,
    };
    bytes.checked_sub(around)
}

fn group(out: &mut Output<'_>, group: &Group, kind: u8) -> io::Result<()> {
    out.string(&group.name)?;
    id(out, group.last_id)?;
    out.length(group.entries_read.unwrap_or(u64::MAX))?;
    out.length(group.pending.len() as u64)?;
    for pending in &group.pending {
        out.bytes(&pending.id.to_bytes())?;
        out.bytes(&pending.delivered_ms.to_le_bytes())?;
        out.length(pending.deliveries)?;
    }
    out.length(group.consumers.len() as u64)?;
    for consumer in &group.consumers {
        out.string(&consumer.name)?;
        out.bytes(&consumer.seen_ms.to_le_bytes())?;
        if kind != kind::STREAM_2 {
            out.bytes(&consumer.active_ms.unwrap_or(u64::MAX).to_le_bytes())?;
        }
        out.length(consumer.pending.len() as u64)?;
        for pending in &consumer.pending {
            out.bytes(&pending.to_bytes())?;
        }
    }
    Ok(())
}
