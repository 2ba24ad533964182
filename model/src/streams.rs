//! Streams: nodes of entries as Redis keeps them, deleted ones included, and groups of consumers.

pub mod claims;
pub mod groups;
pub mod information;
pub mod nodes;
pub mod pending;
pub mod reading;
mod trimming;
mod words;

use std::collections::BTreeMap;

use crate::errors::{self, Failure};
use crate::reply::Reply;
use crate::state::{Call, Entry, Outcome, Value};
use nodes::{Item, Node};
use trimming::AddWords;

/// Milliseconds, and a number within them.
pub type Id = (u64, u64);

pub const FIRST_ID: Id = (0, 0);
pub const LAST_ID: Id = (u64::MAX, u64::MAX);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub nodes: Vec<Node>,
    pub last: Id,
    pub max_deleted: Id,
    pub added: i64,
    pub groups: BTreeMap<Vec<u8>, Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub last: Id,
    pub read: Option<i64>,
    pub pending: BTreeMap<Id, Pending>,
    pub consumers: BTreeMap<Vec<u8>, Consumer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub consumer: Vec<u8>,
    /// When it was delivered, in milliseconds since 1970.
    pub delivered_ms: i64,
    pub deliveries: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Milliseconds since 1970.
    pub seen_ms: i64,
    /// The same, or -1.
    pub active_ms: i64,
}

impl Stream {
    /// Whether its last node has deleted entries.
    pub fn last_node_has_gaps(&self) -> bool {
        let last = self.nodes.last();
        last.is_some_and(|node| node.live() < node.items.len())
    }

    /// The entries that are there.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = &Item> {
        let all = self.nodes.iter().flat_map(|node| &node.items);
        all.filter(|item| !item.deleted)
    }

    pub fn len(&self) -> usize {
        self.items().count()
    }

    pub fn first_id(&self) -> Id {
        self.items().next().map_or(FIRST_ID, |item| item.id)
    }

    pub fn top_id(&self) -> Option<Id> {
        self.items().next_back().map(|item| item.id)
    }

    pub fn item(&self, id: Id) -> Option<&Item> {
        self.items().find(|item| item.id == id)
    }

    /// Entries from one ID to another.
    pub fn range(&self, from: Id, to: Id) -> Vec<&Item> {
        let within = self.items().filter(|item| from <= item.id && item.id <= to);
        within.collect()
    }

    /// Whether an entry from `start` on may be missing.
    fn has_gap_from(&self, start: Id) -> bool {
        self.len() > 0
            && self.max_deleted != FIRST_ID
            && self.first_id() <= self.max_deleted
            && start <= self.max_deleted
    }

    /// How many entries were ever added up to this one, if that can be known.
    pub fn rank_ever(&self, id: Id) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        if id == self.last || self.len() == 0 && id < self.last {
            return Some(self.added);
        }
        if id > self.last {
            return None;
        }
        let whole = self.max_deleted == FIRST_ID || self.max_deleted < self.first_id();
        let gone = self.added - self.len() as i64;
        match id.cmp(&self.first_id()) {
            std::cmp::Ordering::Less if whole => Some(gone),
            std::cmp::Ordering::Equal if whole => Some(gone + 1),
            _ => None,
        }
    }

    /// How far behind the end a group is.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        let read = match group.read {
            Some(read) if !self.has_gap_from(group.last) => Some(read),
            _ => self.rank_ever(group.last),
        };
        read.map(|read| self.added - read)
    }

    /// The counter of a group that reads one more entry.
    pub fn read_one(&self, read: Option<i64>, id: Id) -> Option<i64> {
        match read {
            Some(read) if !self.has_gap_from(id) => Some(read + 1),
            _ if self.added > 0 => self.rank_ever(id),
            read => read,
        }
    }
}

impl Group {
    /// The IDs of what a consumer has pending.
    pub fn owned(&self, consumer: &[u8]) -> Vec<Id> {
        let owned = self
            .pending
            .iter()
            .filter(|(_, it)| it.consumer == consumer);
        owned.map(|(id, _)| *id).collect()
    }
}

pub fn id_reply(id: Id) -> Reply {
    Reply::bulk(format!("{}-{}", id.0, id.1).as_bytes())
}

pub fn item_reply(item: &Item) -> Reply {
    let pairs = item.pairs.iter().map(|text| Reply::bulk(text));
    Reply::Array(vec![id_reply(item.id), Reply::Array(pairs.collect())])
}

impl Call<'_> {
    /// The stream stored under a key, nothing if there is no key, an error for another type.
    pub fn stream(&mut self, key: &[u8]) -> Result<Option<&mut Stream>, Failure> {
        match self.entry(key).map(|entry| &mut entry.value) {
            None => Ok(None),
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(errors::wrong_type()),
        }
    }

    fn stream_or_new(&mut self, key: &[u8]) -> Result<&mut Stream, Failure> {
        if self.stream(key)?.is_none() {
            let entry = Entry {
                value: Value::Stream(Stream::default()),
                expires_at_ms: None,
                relative: false,
            };
            self.insert(key, entry);
        }
        Ok(self.stream(key)?.expect("it was made"))
    }
}

pub fn xadd(call: &mut Call) -> Outcome {
    let words = AddWords::parse(call.args, true)?;
    let pairs = call.args.get(words.end..).unwrap_or_default().to_vec();
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(errors::wrong_arity("xadd"));
    }
    if words.id == Some((0, Some(0))) {
        return Err(errors::err(
            "The ID specified in XADD must be greater than 0-0",
        ));
    }
    let (key, now_ms) = (call.key(), call.now_ms);
    if call.stream(key)?.is_none() && words.only_existing {
        return Ok(Reply::Null);
    }
    let stream = call.stream_or_new(key)?;
    let id = next_id(stream, words.id, now_ms as u64)?;
    nodes::append(&mut stream.nodes, id, pairs);
    stream.last = id;
    stream.added += 1;
    let trimmed = words.trim(stream);
    call.touch(key);
    call.note('t', "xadd", key);
    if trimmed > 0 {
        call.note('t', "xtrim", key);
    }
    Ok(id_reply(id))
}

/// `asked`: the milliseconds and, unless it is to be made, the number.
fn next_id(stream: &Stream, asked: Option<(u64, Option<u64>)>, now_ms: u64) -> Result<Id, Failure> {
    let small = || {
        errors::err("The ID specified in XADD is equal or smaller than the target stream top item")
    };
    let last = stream.last;
    if last == LAST_ID {
        return Err(errors::err(
            "The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = match asked {
        Some((ms, Some(seq))) => (ms, seq),
        Some((ms, None)) if ms == last.0 => (ms, last.1.checked_add(1).ok_or_else(small)?),
        Some((ms, None)) => (ms, 0),
        None if now_ms > last.0 => (now_ms, 0),
        None => words::next(last).expect("it is not the last ID"),
    };
    if id <= last { Err(small()) } else { Ok(id) }
}

pub fn xlen(call: &mut Call) -> Outcome {
    call.look_for(call.key());
    let stream = call.stream(call.key())?;
    Ok(Reply::count(stream.map_or(0, |stream| stream.len())))
}

pub fn xdel(call: &mut Call) -> Outcome {
    let args = call.args;
    let Some(stream) = call.stream(&args[1])? else {
        return Ok(Reply::Integer(0));
    };
    let ids = words::ids(&args[2..])?;
    let mut deleted = 0;
    for id in ids {
        if nodes::delete(&mut stream.nodes, id) {
            stream.max_deleted = stream.max_deleted.max(id);
            deleted += 1;
        }
    }
    if deleted > 0 {
        call.touch(call.key());
        call.note('t', "xdel", call.key());
    }
    Ok(Reply::count(deleted))
}

pub fn xtrim(call: &mut Call) -> Outcome {
    let words = AddWords::parse(call.args, false)?;
    let stream = call.stream(call.key())?;
    let trimmed = stream.map_or(0, |stream| words.trim(stream));
    if trimmed > 0 {
        call.touch(call.key());
        call.note('t', "xtrim", call.key());
    }
    Ok(Reply::count(trimmed))
}

pub fn xsetid(call: &mut Call) -> Outcome {
    let id = words::id(call.arg(2), 0)?;
    let (mut added, mut max_deleted) = (None, FIRST_ID);
    let mut index = 3;
    while index < call.args.len() {
        let more = index + 1 < call.args.len();
        if call.says(index, "ENTRIESADDED") && more {
            let number = crate::numbers::integer(call.arg(index + 1))?;
            if number < 0 {
                return Err(errors::err("entries_added must be positive"));
            }
            added = Some(number);
        } else if call.says(index, "MAXDELETEDID") && more {
            max_deleted = words::id(call.arg(index + 1), 0)?;
            if id < max_deleted {
                return Err(errors::err(
                    "The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(errors::syntax());
        }
        index += 2;
    }
    let stream = call.stream(call.key())?.ok_or_else(errors::no_such_key)?;
    if id < stream.max_deleted {
        return Err(errors::err(
            "The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if stream.top_id().is_some_and(|top| id < top) {
        return Err(errors::err(
            "The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if stream.len() > 0 && added.is_some_and(|added| added < stream.len() as i64) {
        return Err(errors::err(
            "The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    stream.last = id;
    stream.added = added.unwrap_or(stream.added);
    if max_deleted != FIRST_ID {
        stream.max_deleted = max_deleted;
    }
    call.note('t', "xsetid", call.key());
    Ok(Reply::ok())
}
