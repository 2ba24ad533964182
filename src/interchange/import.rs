//! Values out of RDB into the trees.

use super::rdb::{self, Group, Stream, Value};
use crate::keyspace::hash::{self, editor::Expiry};
use crate::keyspace::header::{Encoding, Header};
use crate::keyspace::list::{self, List};
use crate::keyspace::sorted_set::{self, Draft};
use crate::keyspace::stream::edit::Edit;
use crate::keyspace::stream::group::{self as stored_group, GroupHead};
use crate::keyspace::stream::node::NodeLimits;
use crate::keyspace::{Slot, Txn, set, whole};
use crate::storage::Error;

/// Up to where Redis calls collections small: the directives.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub list: list::Limits,
    pub hash: hash::Limits,
    pub set: set::Limits,
    pub sorted_set: sorted_set::Limits,
    pub stream: NodeLimits,
}

/// Makes the body of a value that is a small collection, appended to `body`; its header, without expiry. None: it is
/// something else.
pub(super) fn small(
    value: &Value,
    limits: &Limits,
    bytes_max: usize,
    body: &mut Vec<u8>,
) -> Option<Header> {
    match value {
        Value::List(list) => whole::list(&list.elements, &list.nodes, limits.list, bytes_max, body),
        Value::Set(members) => whole::set(members, limits.set, bytes_max, body),
        Value::SortedSet(members) => whole::sorted_set(members, limits.sorted_set, bytes_max, body),
        Value::Hash(fields) if fields.iter().all(|field| field.expires_ms.is_none()) => {
            let fields = fields.iter().map(|field| (&*field.name, &*field.value));
            whole::hash(fields, limits.hash, bytes_max, body)
        }
        Value::String(_) | Value::Hash(_) | Value::Stream(_) => None,
    }
}

/// Puts a value at a key, whatever was there, and the expiry given. Needs a savepoint.
pub fn put(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    value: &Value,
    expires_ms: Option<u64>,
    now_ms: u64,
    limits: &Limits,
) -> Result<(), Error> {
    let slot = txn.slot(db, key, now_ms)?;
    if let Value::String(text) = value {
        return txn.put_string(&slot, key, text, Encoding::Natural, expires_ms);
    }
    txn.delete(&slot, key)?;
    let bytes_max = txn.keyspace().packed_bytes_max();
    let mut body = Vec::new();
    if let Some(header) = small(value, limits, bytes_max, &mut body) {
        let header = Header {
            expires_ms,
            ..header
        };
        let mut slot = txn.slot(db, key, now_ms)?;
        return txn.put_value(&mut slot, key, header, &[], &body);
    }
    let target = Target { db, key, now_ms };
    match value {
        Value::String(_) => unreachable!("strings are put as they are"),
        Value::List(list) => target.put_list(txn, list, limits.list)?,
        Value::Set(members) => target.put_set(txn, members, limits.set)?,
        Value::SortedSet(members) => target.put_sorted_set(txn, members, limits.sorted_set)?,
        Value::Hash(fields) => {
            let mut hash = txn
                .hash(db, key, now_ms, limits.hash, fields.len().max(2))?
                .expect("nothing is there");
            let mut fields: Vec<_> = fields.iter().collect();
            if fields.iter().all(|field| field.expires_ms.is_none()) {
                // It is large: its tree is filled from end to end.
                fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            }
            for field in fields {
                hash.set(&field.name, &field.value, Expiry::Drop)?;
                if field.expires_ms.is_some() {
                    hash.become_expiring();
                    hash.expire_at(&field.name, field.expires_ms)?;
                }
            }
            hash.finish()?;
        }
        Value::Stream(stream) => target.put_stream(txn, stream, limits.stream)?,
    }
    if expires_ms.is_some() {
        let slot = txn.slot(db, key, now_ms)?;
        txn.set_expiry(&slot, key, expires_ms)?;
    }
    Ok(())
}

/// Where a value goes; nothing is there.
#[derive(Clone, Copy)]
struct Target<'a> {
    db: u32,
    key: &'a [u8],
    now_ms: u64,
}

impl Target<'_> {
    fn slot(self, txn: &mut Txn<'_>) -> Result<Slot, Error> {
        txn.slot(self.db, self.key, self.now_ms)
    }

    fn put_list(
        self,
        txn: &mut Txn<'_>,
        from: &rdb::List,
        limits: list::Limits,
    ) -> Result<(), Error> {
        let mut list =
            List::open(txn, self.db, self.key, self.now_ms, limits)?.expect("nothing is there");
        list.load(txn, &from.elements, &from.nodes)?;
        list.close(txn);
        Ok(())
    }

    fn put_set(
        self,
        txn: &mut Txn<'_>,
        members: &[Vec<u8>],
        limits: set::Limits,
    ) -> Result<(), Error> {
        let steps = members.len().max(2);
        let mut set = txn
            .set(self.db, self.key, self.now_ms, limits, steps)?
            .expect("nothing is there");
        if let Some(first) = members.first() {
            set.expect(first, members.len() as u64);
        }
        // It is large: its tree is filled from end to end.
        let mut members: Vec<_> = members.iter().collect();
        members.sort_unstable();
        for member in members {
            set.add(member)?;
        }
        set.finish()?;
        Ok(())
    }

    fn put_sorted_set(
        self,
        txn: &mut Txn<'_>,
        members: &[(Vec<u8>, f64)],
        limits: sorted_set::Limits,
    ) -> Result<(), Error> {
        let slot = self.slot(txn)?;
        let longest = members.iter().map(|(member, _)| member.len()).max();
        let encoding = limits.encoding(members.len() as u64, longest.unwrap_or(0) as u64);
        let mut draft = Draft::new(slot, self.key, encoding, limits);
        for (member, score) in members {
            draft.set(txn, member, None, *score)?;
        }
        draft.finish(txn)?;
        Ok(())
    }

    fn put_stream(
        self,
        txn: &mut Txn<'_>,
        stream: &Stream,
        limits: NodeLimits,
    ) -> Result<(), Error> {
        let slot = self.slot(txn)?;
        let mut edit = Edit::open(txn, self.db, self.key, slot)?;
        let limits = if stream.has_nodes() {
            NodeLimits::NONE
        } else {
            limits
        };
        for entry in &stream.entries {
            if entry.begins_node {
                edit.stream.head.node.close();
            }
            let items: Vec<&[u8]> = entry.items.iter().map(Vec::as_slice).collect();
            edit.append(txn, entry.id, &items, limits)?;
        }
        let head = &mut edit.stream.head;
        if let Some(last) = stream.last_node {
            head.node.had(last.entries, last.bytes);
        }
        // A payload may say less than its entries do.
        let last_id = stream.last_id.max(head.last_id);
        head.node.passes(head.last_id, last_id);
        head.last_id = last_id;
        head.max_deleted_id = stream.max_deleted_id;
        head.entries_added = stream.entries_added;
        for group in &stream.groups {
            put_group(txn, &mut edit, group)?;
        }
        edit.finish(txn)
    }
}

fn put_group(txn: &mut Txn<'_>, edit: &mut Edit<'_>, group: &Group) -> Result<(), Error> {
    let groups = edit.groups(txn)?;
    let engine = txn.engine();
    let entries_read = group.entries_read.map(u64::cast_signed);
    let head = GroupHead::new(group.last_id, entries_read);
    stored_group::Group::create(engine, groups, &group.name, head)?;
    let mut stored = stored_group::Group::open(engine, groups, &group.name)?
        .expect("a group that was made just now");
    for consumer in &group.consumers {
        let seen_ms = consumer.seen_ms.cast_signed();
        let made = stored.add_consumer(engine, &consumer.name, seen_ms)?;
        let active_ms = consumer.active_ms.map_or(-1, u64::cast_signed);
        let known = stored_group::Consumer { active_ms, ..made };
        stored.put_consumer(engine, &consumer.name, known)?;
        for id in &consumer.pending {
            let at = group.pending.binary_search_by_key(id, |pending| pending.id);
            let pending = group.pending[at.expect("what is owned is pending")];
            let pending = stored_group::Pending {
                consumer: made.number,
                delivered_ms: pending.delivered_ms.cast_signed(),
                deliveries: pending.deliveries,
            };
            stored.put_pending(engine, *id, None, pending)?;
        }
    }
    stored.save(engine)
}
