//! Changing the entries of a stream, in both of its forms.

use std::ops::ControlFlow;

use super::entries::{Direction, Entries};
use super::head::StreamHead;
use super::id::{ID_BYTES, StreamId};
use super::node::{Node, NodeLimits};
use super::record::{self, Record};
use super::trim::Trim;
use super::{ENTRIES_TREE, GROUPS_TREE, Stream, TREES};
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::packed::{self, Packed};
use crate::keyspace::{Look, Slot, Txn};
use crate::storage::{Error, Read, TreeId};

/// A large stream of so many entries may become small again.
const SMALL_ENTRIES_MAX: u64 = 16;
/// Entries of a node that are read to find out how full it is.
const REOPENED_ENTRIES_MAX: usize = 1024;

/// A stream while it is changed. What was changed is complete only after [`Edit::finish`].
///
/// Under [`Plan::Simple`](crate::storage::Plan) one entry is added, or one removed; everything else takes a savepoint
/// before its first change.
#[derive(Debug)]
pub struct Edit<'k> {
    key: &'k [u8],
    slot: Slot,
    pub stream: Stream,
    /// As they are stored; None: there is no key yet.
    stored: Option<(StreamHead, Vec<u8>)>,
    /// The stream may have become small.
    has_lost: bool,
}

impl<'k> Edit<'k> {
    /// Looks at the key and opens the stream that is there; where nothing is, an empty one begins. None: there is a
    /// value of another kind.
    pub fn begin(
        txn: &mut Txn<'_>,
        db: u32,
        key: &'k [u8],
        now_ms: u64,
    ) -> Result<Option<Self>, Error> {
        let (slot, found) = txn.inspect(db, key, now_ms, Look::WRITE, |entry| {
            let entry = entry.filter(|entry| entry.header.kind == Kind::Stream)?;
            let head = StreamHead::from_bytes(Header::added(entry.cell.head()));
            Some((head, entry.inline().unwrap_or_default().to_vec()))
        })?;
        if slot.exists() && found.is_none() {
            return Ok(None);
        }
        Self::with(txn, key, slot, found).map(Some)
    }

    /// Opens the stream at a slot; where none is, an empty one begins.
    pub fn open(txn: &mut Txn<'_>, db: u32, key: &'k [u8], slot: Slot) -> Result<Self, Error> {
        let stored = if slot.is_stream() {
            let stream = txn.keyspace().stream(db, key)?;
            let body = match stream.entries {
                Entries::Small(body) => body,
                Entries::Large(_) => Vec::new(),
            };
            Some((stream.head, body))
        } else {
            None
        };
        Self::with(txn, key, slot, stored)
    }

    fn with(
        txn: &mut Txn<'_>,
        key: &'k [u8],
        slot: Slot,
        stored: Option<(StreamHead, Vec<u8>)>,
    ) -> Result<Self, Error> {
        let (head, body) = stored.clone().unwrap_or_default();
        let entries = if slot.is_large() && stored.is_some() {
            Entries::Large(txn.tree(&slot, key, ENTRIES_TREE)?)
        } else {
            Entries::Small(body)
        };
        let stream = Stream {
            head,
            entries,
            groups: None,
        };
        Ok(Self {
            key,
            slot,
            stream,
            stored,
            has_lost: false,
        })
    }

    /// Whether the key is there.
    pub fn exists(&self) -> bool {
        self.stored.is_some()
    }

    /// How many entries there are.
    pub fn len(&self, txn: &mut Txn<'_>) -> u64 {
        self.stream.entries.len(&txn.keyspace().engine)
    }

    /// Adds an entry with an ID above the last one.
    pub fn append(
        &mut self,
        txn: &mut Txn<'_>,
        id: StreamId,
        pairs: &[&[u8]],
        limits: NodeLimits,
    ) -> Result<(), Error> {
        let head = &mut self.stream.head;
        assert!(id > head.last_id, "IDs only go up");
        head.node.add(head.last_id, id, pairs, limits);
        head.last_id = id;
        head.entries_added = head.entries_added.wrapping_add(1);
        let node = head.node.number;
        let item_bytes = packed::item_bytes(ID_BYTES + record::record_bytes(pairs));
        let packed_max = txn.keyspace().packed_bytes_max();
        if let Entries::Small(body) = &mut self.stream.entries {
            if body.len() + item_bytes <= packed_max {
                push_item(body, id, node, pairs);
                return Ok(());
            }
            txn.engine().need_savepoint();
            self.enlarge(txn)?;
        }
        let mut bytes = Vec::with_capacity(record::record_bytes(pairs));
        record::write(&mut bytes, node, pairs);
        let tree = self.tree();
        let engine = txn.engine();
        // The way to the new entry's place is read before anything changes.
        let old = engine.get(tree, &id.to_bytes())?;
        assert!(old.is_none(), "an ID above all others is new");
        engine.put(tree, &id.to_bytes(), &[], &bytes)
    }

    /// Removes the entry with this ID; false if there is none.
    pub fn remove(&mut self, txn: &mut Txn<'_>, id: StreamId) -> Result<bool, Error> {
        let engine = &mut txn.keyspace().engine;
        if !self.stream.entries.contains(engine, id)? {
            return Ok(false);
        }
        match &mut self.stream.entries {
            Entries::Small(body) => cut_items(body, |record| record.id == id),
            Entries::Large(tree) => {
                let tree = *tree;
                self.before_removal(txn, 1);
                txn.engine().delete(tree, &id.to_bytes())?;
            }
        }
        self.lost(txn)?;
        Ok(true)
    }

    /// Removes the first `n` entries.
    pub fn remove_first(&mut self, txn: &mut Txn<'_>, n: u64) -> Result<(), Error> {
        if n == 0 {
            return Ok(());
        }
        let engine = &mut txn.keyspace().engine;
        let end = self.stream.entries.nth(engine, n)?.map(|place| place.id);
        match &mut self.stream.entries {
            Entries::Small(body) => {
                cut_items(body, |record| end.is_none_or(|end| record.id < end));
            }
            Entries::Large(tree) => {
                let tree = *tree;
                self.before_removal(txn, n);
                let engine = txn.engine();
                if n == 1 {
                    let mut first = Vec::new();
                    let found = engine.select(tree, 0, &mut first)?;
                    assert!(found.is_some(), "there is an entry to remove");
                    engine.delete(tree, &first)?;
                } else {
                    let end = end.map(StreamId::to_bytes);
                    engine.delete_range(tree, &[], end.as_ref().map(<[u8; ID_BYTES]>::as_slice))?;
                }
            }
        }
        self.lost(txn)
    }

    /// Trims the front; returns how many entries went.
    pub fn trim(&mut self, txn: &mut Txn<'_>, trim: &Trim) -> Result<u64, Error> {
        let engine = &mut txn.keyspace().engine;
        let n = trim.excess(&self.stream.entries, engine)?;
        self.remove_first(txn, n)?;
        Ok(n)
    }

    /// To be called before an entry with this ID is added and the front trimmed, if nothing has changed yet.
    pub fn before_trim(
        &mut self,
        txn: &mut Txn<'_>,
        trim: &Trim,
        added: StreamId,
    ) -> Result<(), Error> {
        if matches!(self.stream.entries, Entries::Small(_)) {
            return Ok(());
        }
        let engine = &mut txn.keyspace().engine;
        let n = trim.excess_with(&self.stream.entries, engine, Some(added))?;
        if n > 0 {
            // Reads the way to an entry that goes alone.
            self.stream.entries.first(engine)?;
            self.before_removal(txn, n);
        }
        Ok(())
    }

    /// To be called before `n` entries are removed, if nothing has changed yet: several steps need a savepoint, and
    /// so does becoming small.
    pub fn before_removal(&mut self, txn: &mut Txn<'_>, n: u64) {
        let left = self.len(txn).saturating_sub(n);
        if n > 1 || left <= SMALL_ENTRIES_MAX {
            txn.engine().need_savepoint();
        }
    }

    /// Entries are gone. If the last node lost all of its own, the one before is the last.
    fn lost(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        self.has_lost = true;
        let engine = &mut txn.keyspace().engine;
        let last = self.stream.entries.last(engine)?;
        let number = self.stream.head.node.number;
        let Some(last) = last.filter(|last| last.node != number) else {
            if last.is_none() {
                self.stream.head.node.close();
            }
            return Ok(());
        };
        let mut records = Vec::new();
        let all = StreamId::MIN..=last.id;
        let entries = &self.stream.entries;
        entries.scan(engine, all, Direction::Backward, &mut |record| {
            if record.node != last.node || records.len() == REOPENED_ENTRIES_MAX {
                return ControlFlow::Break(());
            }
            let texts = record.pairs.iter().map(|text| text.bytes.to_vec());
            records.push((record.id, texts.collect::<Vec<_>>()));
            ControlFlow::Continue(())
        })?;
        records.reverse();
        let head = &mut self.stream.head;
        head.node = Node::of_entries(last.node, &records);
        head.node.passes(last.id, head.last_id);
        Ok(())
    }

    /// The tree of the groups; a small stream has none.
    pub fn groups_if_any(&mut self, txn: &mut Txn<'_>) -> Result<Option<TreeId>, Error> {
        if self.stream.groups.is_none() && matches!(self.stream.entries, Entries::Large(_)) {
            self.stream.groups = Some(txn.tree(&self.slot, self.key, GROUPS_TREE)?);
        }
        Ok(self.stream.groups)
    }

    /// The tree of the groups; a small stream becomes large, for which it takes a savepoint.
    pub fn groups(&mut self, txn: &mut Txn<'_>) -> Result<TreeId, Error> {
        if matches!(self.stream.entries, Entries::Small(_)) {
            txn.engine().need_savepoint();
            self.enlarge(txn)?;
        }
        let groups = self.groups_if_any(txn)?;
        Ok(groups.expect("a large stream"))
    }

    /// A group was destroyed.
    pub fn lost_group(&mut self) {
        self.has_lost = true;
    }

    fn tree(&self) -> TreeId {
        match self.stream.entries {
            Entries::Large(tree) => tree,
            Entries::Small(_) => unreachable!("the stream is large"),
        }
    }

    fn header(&self) -> Header {
        self.slot
            .header()
            .unwrap_or(Header::new(Kind::Stream, Encoding::Natural))
    }

    /// Moves the entries of a small stream to trees.
    fn enlarge(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        let Entries::Small(body) =
            std::mem::replace(&mut self.stream.entries, Entries::Small(Vec::new()))
        else {
            unreachable!("the stream is small");
        };
        let head = self.stream.head;
        let header = self.header();
        txn.put_trees(&mut self.slot, self.key, header, &head.to_bytes(), TREES)?;
        let tree = txn.tree(&self.slot, self.key, ENTRIES_TREE)?;
        for item in Packed::new(&body).iter() {
            let (id, record) = item.bytes.split_at(ID_BYTES);
            txn.engine().put(tree, id, &[], record)?;
        }
        self.stream.entries = Entries::Large(tree);
        self.stored = Some((head, Vec::new()));
        Ok(())
    }

    /// The body of the stream if it were small; None if it has groups, or is too large for that.
    fn small_body(&mut self, txn: &mut Txn<'_>) -> Result<Option<Vec<u8>>, Error> {
        let half = txn.keyspace().packed_bytes_max() / 2;
        let groups = self.groups_if_any(txn)?;
        let engine = &mut txn.keyspace().engine;
        let has_groups = groups.is_some_and(|tree| engine.count(tree) > 0);
        if has_groups || self.stream.entries.len(engine) > SMALL_ENTRIES_MAX {
            return Ok(None);
        }
        let mut body = Vec::new();
        let all = StreamId::MIN..=StreamId::MAX;
        self.stream
            .entries
            .scan(engine, all, Direction::Forward, &mut |record| {
                let texts: Vec<&[u8]> = record.pairs.iter().map(|item| item.bytes).collect();
                push_item(&mut body, record.id, record.node, &texts);
                if body.len() > half {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        Ok((body.len() <= half).then_some(body))
    }

    /// Completes the change.
    pub fn finish(mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        if self.has_lost
            && matches!(self.stream.entries, Entries::Large(_))
            && let Some(body) = self.small_body(txn)?
        {
            self.stream.entries = Entries::Small(body);
            self.stream.groups = None;
            return self.replace(txn);
        }
        let Some((head, old)) = &self.stored else {
            return self.replace(txn);
        };
        if let Entries::Small(body) = &self.stream.entries
            && body != old
        {
            let (at, removed, added) = difference(old, body);
            if removed + added.len() > body.len() / 2 {
                return self.replace(txn);
            }
            txn.splice(&mut self.slot, self.key, at, removed, added)?;
        }
        if self.stream.head != *head {
            let header = self.header();
            let added = self.stream.head.to_bytes();
            txn.set_header(&mut self.slot, self.key, header, &added)?;
        }
        Ok(())
    }

    /// Writes a small stream as a whole.
    fn replace(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        let Entries::Small(body) = &self.stream.entries else {
            unreachable!("the stream is small");
        };
        let header = self.header();
        let added = self.stream.head.to_bytes();
        txn.put_value(&mut self.slot, self.key, header, &added, body)
    }
}

fn push_item(body: &mut Vec<u8>, id: StreamId, node: u16, pairs: &[&[u8]]) {
    let mut item = Vec::with_capacity(ID_BYTES + record::record_bytes(pairs));
    item.extend_from_slice(&id.to_bytes());
    record::write(&mut item, node, pairs);
    packed::push(body, &item);
}

/// Takes out the entries that `goes` names, which stand side by side.
fn cut_items(body: &mut Vec<u8>, goes: impl Fn(&Record<'_>) -> bool) {
    let gone = Packed::new(body)
        .iter()
        .filter(|item| goes(&Record::of_item(item.bytes)))
        .map(|item| (item.at, item.end))
        .reduce(|(at, _), (_, end)| (at, end));
    if let Some((at, end)) = gone {
        body.drain(at..end);
    }
}

/// Where two bodies begin to differ, how many bytes of the old one differ, and what the new one has there.
fn difference<'b>(old: &[u8], new: &'b [u8]) -> (usize, usize, &'b [u8]) {
    let same =
        |pairs: &mut dyn Iterator<Item = (&u8, &u8)>| pairs.take_while(|(a, b)| a == b).count();
    let front = same(&mut old.iter().zip(new));
    let (old, new) = (&old[front..], &new[front..]);
    let back = same(&mut old.iter().rev().zip(new.iter().rev()));
    (front, old.len() - back, &new[..new.len() - back])
}
