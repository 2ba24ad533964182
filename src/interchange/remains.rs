//! What is left of a collection of which something is missing, as a value that can be put in its place.
//!
//! The trees of a collection hold together by themselves, and no longer with each other. Of those that say the same,
//! either is enough. Nothing is taken for granted of what stands in them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::rdb::{Consumer, Field, Group, List, Pending, Stream, StreamEntry, Value};
use crate::keyspace::hash;
use crate::keyspace::header::{Header, Kind};
use crate::keyspace::list::label::LABEL_BYTES_MAX;
use crate::keyspace::packed::Packed;
use crate::keyspace::set;
use crate::keyspace::sorted_set::{BY_MEMBER, BY_SCORE, score};
use crate::keyspace::stream::group::{self as stored_group, GroupHead};
use crate::keyspace::stream::head::{STREAM_HEAD_BYTES, StreamHead};
use crate::keyspace::stream::id::{ID_BYTES, StreamId};
use crate::keyspace::stream::{ENTRIES_TREE, GROUPS_TREE, record};
use crate::storage::{Cell, Engine, Error, Read, Seek, TreeId};

/// Bytes of a node's number in front of an entry of a stream.
const NODE_BYTES: usize = 2;

/// Reads what is left of the large collection at `key`, which is there; `bytes_max` bounds the bytes of its elements,
/// which no file exceeds. None: nothing is left.
pub fn read(
    engine: &mut Engine,
    keys: TreeId,
    key: &[u8],
    bytes_max: u64,
) -> Result<Option<Value>, Error> {
    let Some(cell) = engine.get(keys, key)? else {
        return Ok(None);
    };
    let (head, slots) = (cell.head().to_vec(), cell.slots());
    let Some(header) = Header::read(&head) else {
        return Ok(None);
    };
    let mut trees = Vec::new();
    for slot in 0..slots {
        trees.extend(engine.nested(keys, key, slot)?);
    }
    let mut left = Left { engine, bytes_max };
    let value = match (header.kind, trees.as_slice()) {
        (Kind::List, [tree]) => Value::List(List::of(left.list(*tree)?)),
        (Kind::Set, trees) if trees.len() == 1 => Value::Set(left.set(trees[set::MEMBERS])?),
        (Kind::Hash, trees) if trees.len() == 2 => Value::Hash(left.hash(trees[hash::FIELDS])?),
        (Kind::SortedSet, trees) if trees.len() == 2 => {
            Value::SortedSet(left.sorted_set(trees[BY_MEMBER], trees[BY_SCORE])?)
        }
        (Kind::Stream, trees) if trees.len() == 2 => {
            let added = Header::added(&head);
            if added.len() != STREAM_HEAD_BYTES {
                return Ok(None);
            }
            let head = StreamHead::from_bytes(added);
            let stream = left.stream(head, trees[ENTRIES_TREE], trees[GROUPS_TREE])?;
            Value::Stream(Box::new(stream))
        }
        _ => return Ok(None),
    };
    Ok((!is_nothing(&value)).then_some(value))
}

/// How many elements a value has: entries of a stream.
pub fn len(value: &Value) -> u64 {
    let len = match value {
        Value::String(_) => 1,
        Value::List(List { elements, .. }) | Value::Set(elements) => elements.len(),
        Value::SortedSet(members) => members.len(),
        Value::Hash(fields) => fields.len(),
        Value::Stream(stream) => stream.entries.len(),
    };
    len as u64
}

/// A stream without entries is one all the same.
fn is_nothing(value: &Value) -> bool {
    len(value) == 0 && !matches!(value, Value::Stream(_))
}

/// One entry of a tree.
struct Element {
    key: Vec<u8>,
    head: Vec<u8>,
    body: Vec<u8>,
}

struct Left<'e> {
    engine: &'e mut Engine,
    /// Bytes that may still be read.
    bytes_max: u64,
}

impl Left<'_> {
    /// The entries of a tree with their bodies, in order.
    fn elements(&mut self, tree: TreeId) -> Result<Vec<Element>, Error> {
        let mut names = Vec::new();
        self.engine
            .scan(tree, Seek::First, &mut |key, cell: Cell<'_>| {
                names.push((key.to_vec(), cell.head().to_vec(), cell.body_len()));
                ControlFlow::Continue(())
            })?;
        let mut elements = Vec::with_capacity(names.len());
        for (key, head, len) in names {
            // Holes make a body longer than the file, and no element has any.
            let Some(left) = self.bytes_max.checked_sub(len) else {
                continue;
            };
            self.bytes_max = left;
            let mut body = Vec::new();
            self.engine.read_body(tree, &key, 0, len, &mut body)?;
            elements.push(Element { key, head, body });
        }
        Ok(elements)
    }

    fn list(&mut self, tree: TreeId) -> Result<Vec<Vec<u8>>, Error> {
        let elements = self.elements(tree)?.into_iter();
        let is_label = |key: &[u8]| key.len() <= LABEL_BYTES_MAX;
        Ok(elements
            .filter(|element| is_label(&element.key))
            .map(|element| element.body)
            .collect())
    }

    fn set(&mut self, tree: TreeId) -> Result<Vec<Vec<u8>>, Error> {
        let elements = self.elements(tree)?.into_iter();
        Ok(elements.map(|element| element.key).collect())
    }

    fn hash(&mut self, tree: TreeId) -> Result<Vec<Field>, Error> {
        let elements = self.elements(tree)?.into_iter();
        let field = |element: Element| Field {
            expires_ms: hash::small::read_expiry(&element.head),
            name: element.key,
            value: element.body,
        };
        Ok(elements.map(field).collect())
    }

    /// Either tree has members and scores.
    fn sorted_set(
        &mut self,
        by_member: TreeId,
        by_score: TreeId,
    ) -> Result<Vec<(Vec<u8>, f64)>, Error> {
        let mut members = BTreeMap::new();
        for element in self.elements(by_score)? {
            if element.key.len() >= score::SCORE_BYTES {
                let (score, member) = score::from_order_key(&element.key, &element.body);
                members.insert(member.to_vec(), score);
            }
        }
        for element in self.elements(by_member)? {
            if element.body.len() == score::SCORE_BYTES {
                members.insert(element.key, score::from_bytes(&element.body));
            }
        }
        let mut members: Vec<(Vec<u8>, f64)> = members
            .into_iter()
            .filter(|(_, score)| !score.is_nan())
            .collect();
        members.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        Ok(members)
    }

    fn stream(
        &mut self,
        head: StreamHead,
        entries: TreeId,
        groups: TreeId,
    ) -> Result<Stream, Error> {
        let mut stream = Stream {
            last_id: head.last_id,
            max_deleted_id: head.max_deleted_id,
            entries_added: head.entries_added,
            ..Stream::default()
        };
        let mut node = None;
        for element in self.elements(entries)? {
            if element.key.len() != ID_BYTES || StreamId::from_bytes(&element.key) == StreamId::MIN
            {
                continue;
            }
            let pairs = element.body.get(NODE_BYTES..).and_then(Packed::checked);
            if let Some(pairs) = pairs.filter(|pairs| pairs.len().is_multiple_of(2)) {
                let number = record::node_of(&element.body);
                stream.entries.push(StreamEntry {
                    id: StreamId::from_bytes(&element.key),
                    items: pairs.iter().map(|item| item.bytes.to_vec()).collect(),
                    begins_node: node.replace(number) != Some(number),
                });
            }
        }
        // No entry is behind the last one.
        if let Some(last) = stream.entries.last() {
            stream.last_id = stream.last_id.max(last.id);
        }
        for group in self.elements(groups)? {
            if group.head.len() == stored_group::HEAD_BYTES {
                stream.groups.push(self.group(groups, group)?);
            }
        }
        Ok(stream)
    }

    fn group(&mut self, groups: TreeId, stored: Element) -> Result<Group, Error> {
        let head = GroupHead::from_bytes(&stored.head);
        let mut group = Group {
            name: stored.key,
            last_id: head.last_id,
            entries_read: head.entries_read.map(i64::cast_unsigned),
            ..Group::default()
        };
        let mut tree = |slot| self.engine.nested(groups, &group.name, slot);
        let is_whole = tree(stored_group::TREES - 1)?.is_some();
        let (Some(pending), Some(consumers), true) = (
            tree(stored_group::PENDING_TREE)?,
            tree(stored_group::CONSUMERS_TREE)?,
            is_whole,
        ) else {
            return Ok(group);
        };
        // A pending entry has the number of its consumer, so who owns what is known without the third tree.
        let mut owned: BTreeMap<u64, Vec<(StreamId, stored_group::Pending)>> = BTreeMap::new();
        for element in self.elements(pending)? {
            if element.key.len() == ID_BYTES && element.body.len() == stored_group::RECORD_BYTES {
                let id = StreamId::from_bytes(&element.key);
                let pending = stored_group::Pending::from_bytes(&element.body);
                owned
                    .entry(pending.consumer)
                    .or_default()
                    .push((id, pending));
            }
        }
        for element in self.elements(consumers)? {
            if element.body.len() != stored_group::RECORD_BYTES {
                continue;
            }
            let consumer = stored_group::Consumer::from_bytes(&element.body);
            let own = owned.remove(&consumer.number).unwrap_or_default();
            group.consumers.push(Consumer {
                name: element.key,
                seen_ms: consumer.seen_ms.cast_unsigned(),
                active_ms: u64::try_from(consumer.active_ms).ok(),
                pending: own.iter().map(|(id, _)| *id).collect(),
            });
            for (id, pending) in own {
                group.pending.push(Pending {
                    id,
                    delivered_ms: pending.delivered_ms.cast_unsigned(),
                    deliveries: pending.deliveries,
                });
            }
        }
        group.pending.sort_by_key(|pending| pending.id);
        Ok(group)
    }
}
