//! Streams out of their bytes: nodes of entries, then the stream's numbers, then its groups.
//!
//! A node is a listpack whose entries are differences to its first one, the master:
//!
//! ```text
//! master: count, deleted, fields, field*, 0
//! entry:  flags, milliseconds, sequence (both added to the node's id),
//!         (values | fields, (field, value)*), number of elements before this one
//! ```

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{
    Consumer, Group, Input, LastNode, Pending, RdbError, Stream, StreamEntry, StreamId, kind,
    listpack,
};

pub(super) const FLAG_DELETED: u64 = 1;
pub(super) const FLAG_SAME_FIELDS: u64 = 2;

/// Reads a stream of this kind.
pub fn stream(input: &mut Input<'_>, kind: u8) -> Result<Stream, RdbError> {
    let mut stream = Stream::default();
    for _ in 0..input.count(2)? {
        node(input, &mut stream)?;
    }
    let length = input.length()?;
    if length != stream.entries.len() as u64 {
        return input.damage("a stream has another number of entries than it says");
    }
    if !stream.entries.is_sorted_by(|a, b| a.id < b.id) {
        return input.damage("a stream's entries are not in order");
    }
    stream.last_id = id(input)?;
    if kind == kind::STREAM {
        stream.entries_added = length;
    } else {
        id(input)?;
        stream.max_deleted_id = id(input)?;
        stream.entries_added = input.length()?;
    }
    for _ in 0..input.count(5)? {
        let group = group(input, kind, &stream)?;
        stream.groups.push(group);
    }
    if kind == kind::STREAM_4 || kind == kind::STREAM_5 {
        skip_idempotence(input)?;
    }
    Ok(stream)
}

fn id(input: &mut Input<'_>) -> Result<StreamId, RdbError> {
    Ok(StreamId {
        ms: input.length()?,
        seq: input.length()?,
    })
}

/// Elements of a node's listpack, one after the other.
struct Elements {
    list: std::vec::IntoIter<Vec<u8>>,
    at: u64,
}

impl Elements {
    fn damage(&self) -> RdbError {
        RdbError::Damaged {
            at: self.at,
            what: "a stream's node is damaged",
        }
    }

    fn text(&mut self) -> Result<Vec<u8>, RdbError> {
        self.list.next().ok_or(self.damage())
    }

    fn number(&mut self) -> Result<i64, RdbError> {
        let text = self.text()?;
        let number = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse().ok());
        number.ok_or(self.damage())
    }

    /// A number of elements that follow.
    fn count(&mut self) -> Result<usize, RdbError> {
        let count = usize::try_from(self.number()?).map_err(|_| self.damage())?;
        if count > self.list.len() {
            return Err(self.damage());
        }
        Ok(count)
    }
}

fn node(input: &mut Input<'_>, stream: &mut Stream) -> Result<(), RdbError> {
    let at = input.at();
    let key = input.string()?;
    let Ok(key) = <[u8; 16]>::try_from(key.as_slice()) else {
        return input.damage("a stream's node has no id");
    };
    let first = StreamId::from_bytes(&key);
    let packed = input.string()?;
    let list = listpack::read(&packed, at)?.into_iter();
    let mut elements = Elements { list, at };
    let (count, deleted) = (elements.count()?, elements.count()?);
    let mut master = Vec::new();
    for _ in 0..elements.count()? {
        master.push(elements.text()?);
    }
    elements.number()?;
    let before = stream.entries.len();
    for _ in 0..count + deleted {
        if let Some(entry) = entry(&mut elements, first, &master)? {
            stream.entries.push(entry);
        }
    }
    if elements.list.len() > 0 || stream.entries.len() - before != count {
        return Err(elements.damage());
    }
    if let Some(first) = stream.entries.get_mut(before) {
        first.begins_node = true;
        stream.last_node = (deleted > 0).then_some(LastNode {
            entries: (count + deleted) as u64,
            bytes: packed.len() as u64,
        });
    }
    Ok(())
}

fn entry(
    elements: &mut Elements,
    first: StreamId,
    master: &[Vec<u8>],
) -> Result<Option<StreamEntry>, RdbError> {
    let flags = elements.number()?.cast_unsigned();
    let (ms, sequence) = (elements.number()?, elements.number()?);
    let id = StreamId {
        ms: first.ms.wrapping_add_signed(ms),
        seq: first.seq.wrapping_add_signed(sequence),
    };
    let mut items = Vec::new();
    if flags & FLAG_SAME_FIELDS != 0 {
        for name in master {
            items.push(name.clone());
            items.push(elements.text()?);
        }
    } else {
        for _ in 0..elements.count()? {
            items.push(elements.text()?);
            items.push(elements.text()?);
        }
    }
    elements.number()?;
    Ok((flags & FLAG_DELETED == 0).then_some(StreamEntry {
        id,
        items,
        begins_node: false,
    }))
}

fn group(input: &mut Input<'_>, kind: u8, stream: &Stream) -> Result<Group, RdbError> {
    let name = input.string()?;
    if stream.groups.iter().any(|group| group.name == name) {
        return input.damage("a stream has a group twice");
    }
    let mut group = Group {
        name,
        last_id: id(input)?,
        ..Group::default()
    };
    group.entries_read = if kind == kind::STREAM {
        read_so_far(stream, group.last_id)
    } else {
        // All ones stand for what is not known.
        Some(input.length()?).filter(|read| *read != u64::MAX)
    };
    let mut unowned = BTreeMap::new();
    for _ in 0..input.count(25)? {
        let pending = Pending {
            id: StreamId::from_bytes(&input.array::<16>()?),
            delivered_ms: input.u64_le()?,
            deliveries: input.length()?,
        };
        if unowned.insert(pending.id, pending).is_some() {
            return input.damage("a pending entry stands twice");
        }
    }
    group.pending = unowned.values().copied().collect();
    for _ in 0..input.count(10)? {
        let consumer = consumer(input, kind, &mut unowned)?;
        if group
            .consumers
            .iter()
            .any(|other| other.name == consumer.name)
        {
            return input.damage("a group has a consumer twice");
        }
        group.consumers.push(consumer);
    }
    if kind == kind::STREAM_5 {
        // Entries that were given back have no owner: here they are not pending any more.
        for _ in 0..input.count(16)? {
            let id = StreamId::from_bytes(&input.array::<16>()?);
            if unowned.remove(&id).is_none() {
                return input
                    .damage("an entry was given back that is not pending, or has an owner");
            }
            group.pending.retain(|pending| pending.id != id);
        }
    }
    if !unowned.is_empty() {
        return input.damage("a pending entry has no owner");
    }
    Ok(group)
}

/// How many entries a group whose last id is `last_id` has read, as far as it can be told.
fn read_so_far(stream: &Stream, last_id: StreamId) -> Option<u64> {
    let Some(first) = stream.entries.first() else {
        return Some(stream.entries_added);
    };
    let before = stream
        .entries_added
        .saturating_sub(stream.entries.len() as u64);
    match (last_id.cmp(&stream.last_id), last_id.cmp(&first.id)) {
        (Ordering::Equal, _) => Some(stream.entries_added),
        (Ordering::Greater, _) => None,
        (Ordering::Less, Ordering::Less) => Some(before),
        (Ordering::Less, Ordering::Equal) => Some(before + 1),
        (Ordering::Less, Ordering::Greater) => None,
    }
}

fn consumer(
    input: &mut Input<'_>,
    kind: u8,
    unowned: &mut BTreeMap<StreamId, Pending>,
) -> Result<Consumer, RdbError> {
    let name = input.string()?;
    let seen_ms = input.u64_le()?;
    let active_ms = match kind {
        kind::STREAM | kind::STREAM_2 => Some(seen_ms),
        _ => Some(input.u64_le()?).filter(|active_ms| *active_ms != u64::MAX),
    };
    let mut pending = Vec::new();
    for _ in 0..input.count(16)? {
        let id = StreamId::from_bytes(&input.array::<16>()?);
        if unowned.remove(&id).is_none() {
            return input.damage("a consumer has an entry that is not pending, or another's");
        }
        pending.push(id);
    }
    Ok(Consumer {
        name,
        seen_ms,
        active_ms,
        pending,
    })
}

/// What newer versions remember to recognise entries that are added twice.
fn skip_idempotence(input: &mut Input<'_>) -> Result<(), RdbError> {
    input.length()?;
    input.length()?;
    for _ in 0..input.count(2)? {
        input.string()?;
        for _ in 0..input.count(3)? {
            input.string()?;
            id(input)?;
        }
    }
    input.length()?;
    input.length()?;
    Ok(())
}
