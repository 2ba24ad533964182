//! Groups of consumers: what each consumer got and has not acknowledged.
//!
//! A group is a cell in the stream's tree of groups, at its name. Its head:
//!
//! ```text
//! offset size meaning
//!      0   16 last delivered ID, big endian
//!     16    8 how many entries it has read, little endian; all ones: unknown
//!     24    8 how many consumers it ever had, little endian
//! ```
//!
//! It has three trees. *Pending* has the entries that were delivered and not acknowledged, by ID:
//!
//! ```text
//!      0    8 number of the consumer, little endian
//!      8    8 when it was delivered, wall time in milliseconds, little endian
//!     16    8 how often it was delivered, little endian
//! ```
//!
//! *Consumers* has them by name:
//!
//! ```text
//!      0    8 number, little endian: unique in the group for ever
//!      8    8 when it was last seen, wall time in milliseconds, little endian
//!     16    8 when it last got an entry, in the same form; all ones: never
//! ```
//!
//! *Owned* finds what belongs to a consumer: at the number of each (eight bytes, big endian) its name, and behind it
//! the number and the ID of each of its pending entries, with nothing there. So what a consumer has is counted by ranks.

use std::ops::{ControlFlow, RangeInclusive};

use super::id::{ID_BYTES, StreamId};
use crate::storage::{Body, Cell, Engine, Error, Read, Seek, TreeId};

/// Trees of a group.
pub const TREES: usize = 3;
/// The tree of entries that were not acknowledged.
pub const PENDING_TREE: usize = 0;
/// The tree of consumers.
pub const CONSUMERS_TREE: usize = 1;
const OWNED_TREE: usize = 2;

/// Bytes of the head of a group's cell.
pub const HEAD_BYTES: usize = ID_BYTES + 16;
const UNKNOWN: i64 = -1;
const NUMBER_BYTES: usize = 8;
/// Bytes of what stands at a pending entry, and at a consumer.
pub const RECORD_BYTES: usize = 24;
const OWNED_BYTES: usize = NUMBER_BYTES + ID_BYTES;

/// What is known of a group besides its consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHead {
    pub last_id: StreamId,
    /// None: unknown.
    pub entries_read: Option<i64>,
    consumers_made: u64,
}

impl GroupHead {
    /// A group without consumers.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Self {
            last_id,
            entries_read,
            consumers_made: 0,
        }
    }

    fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut out = [0; HEAD_BYTES];
        out[..16].copy_from_slice(&self.last_id.to_bytes());
        out[16..24].copy_from_slice(&self.entries_read.unwrap_or(UNKNOWN).to_le_bytes());
        out[24..].copy_from_slice(&self.consumers_made.to_le_bytes());
        out
    }

    /// Reads the head of a group's cell.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let words = words::<2>(&bytes[ID_BYTES..]);
        let entries_read = words[0] as i64;
        Self {
            last_id: StreamId::from_bytes(bytes),
            entries_read: (entries_read != UNKNOWN).then_some(entries_read),
            consumers_made: words[1],
        }
    }
}

/// Whether an entry may stand in this tree of a group.
pub fn may_have(slot: usize, key: &[u8], cell: &Cell<'_>) -> bool {
    let is_plain = cell.head().is_empty() && cell.slots() == 0;
    let has_record = matches!(cell.body(), Body::Inline(body) if body.len() == RECORD_BYTES);
    is_plain
        && match slot {
            PENDING_TREE => key.len() == ID_BYTES && has_record,
            CONSUMERS_TREE => has_record,
            OWNED_TREE => key.len() == NUMBER_BYTES || key.len() == OWNED_BYTES,
            _ => false,
        }
}

/// So many numbers of eight bytes, little endian.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let (words, rest) = bytes.as_chunks::<8>();
    assert!(words.len() == N && rest.is_empty(), "a record of a group");
    std::array::from_fn(|n| u64::from_le_bytes(words[n]))
}

fn record<const N: usize>(words: [u64; N]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn inline<'a>(cell: &Cell<'a>) -> &'a [u8] {
    match cell.body() {
        Body::Inline(bytes) => bytes,
        Body::Blob { .. } => unreachable!("records of a group are short"),
    }
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The number of the consumer.
    pub consumer: u64,
    /// Wall time in milliseconds.
    pub delivered_ms: i64,
    pub deliveries: u64,
}

impl Pending {
    /// Reads what stands in an entry that [`may_have`] takes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let [consumer, delivered_ms, deliveries] = words(bytes);
        Self {
            consumer,
            delivered_ms: delivered_ms as i64,
            deliveries,
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        record([self.consumer, self.delivered_ms as u64, self.deliveries])
    }
}

/// A consumer without its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub number: u64,
    /// Wall time in milliseconds.
    pub seen_ms: i64,
    /// The same; -1: never.
    pub active_ms: i64,
}

impl Consumer {
    /// Reads what stands in an entry that [`may_have`] takes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let [number, seen_ms, active_ms] = words(bytes);
        Self {
            number,
            seen_ms: seen_ms as i64,
            active_ms: active_ms as i64,
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        record([self.number, self.seen_ms as u64, self.active_ms as u64])
    }
}

fn owned_key(consumer: u64, id: StreamId) -> [u8; OWNED_BYTES] {
    let mut key = [0; OWNED_BYTES];
    key[..NUMBER_BYTES].copy_from_slice(&consumer.to_be_bytes());
    key[NUMBER_BYTES..].copy_from_slice(&id.to_bytes());
    key
}

/// An open group.
#[derive(Clone, Debug)]
pub struct Group {
    tree: TreeId,
    name: Vec<u8>,
    /// What is written by [`Group::save`].
    pub head: GroupHead,
    stored: GroupHead,
    pending: TreeId,
    consumers: TreeId,
    owned: TreeId,
}

impl Group {
    /// Opens a group in a stream's tree of them.
    pub fn open<R: Read>(
        reader: &mut R,
        groups: TreeId,
        name: &[u8],
    ) -> Result<Option<Self>, Error> {
        let Some(cell) = reader.get(groups, name)? else {
            return Ok(None);
        };
        let head = GroupHead::from_bytes(cell.head());
        let mut tree = |n| -> Result<TreeId, Error> {
            Ok(reader.nested(groups, name, n)?.expect("a group's trees"))
        };
        Ok(Some(Self {
            tree: groups,
            name: name.to_vec(),
            head,
            stored: head,
            pending: tree(PENDING_TREE)?,
            consumers: tree(CONSUMERS_TREE)?,
            owned: tree(OWNED_TREE)?,
        }))
    }

    /// Creates a group, which is not there. Needs a savepoint, or nothing changed before.
    pub fn create(
        engine: &mut Engine,
        groups: TreeId,
        name: &[u8],
        head: GroupHead,
    ) -> Result<(), Error> {
        engine.put_nested(groups, name, &head.to_bytes(), TREES)
    }

    /// Destroys a group, in no time whatever it has; false if it is not there.
    pub fn destroy(engine: &mut Engine, groups: TreeId, name: &[u8]) -> Result<bool, Error> {
        engine.delete(groups, name)
    }

    /// The names of a stream's groups, in order.
    pub fn names<R: Read>(reader: &mut R, groups: TreeId) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = Vec::new();
        reader.scan(groups, Seek::First, &mut |name, _| {
            names.push(name.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(names)
    }

    /// Writes the head if it has changed.
    pub fn save(&mut self, engine: &mut Engine) -> Result<(), Error> {
        if self.head != self.stored {
            engine.set_head(self.tree, &self.name, &self.head.to_bytes())?;
            self.stored = self.head;
        }
        Ok(())
    }

    /// Entries that are pending.
    pub fn pending_len<R: Read>(&self, reader: &R) -> u64 {
        reader.count(self.pending)
    }

    /// The pending entry with this ID.
    pub fn pending<R: Read>(&self, reader: &mut R, id: StreamId) -> Result<Option<Pending>, Error> {
        let cell = reader.get(self.pending, &id.to_bytes())?;
        Ok(cell.map(|cell| Pending::from_bytes(inline(&cell))))
    }

    /// The first or the last pending ID.
    pub fn pending_edge<R: Read>(
        &self,
        reader: &mut R,
        edge: Seek<'_>,
    ) -> Result<Option<StreamId>, Error> {
        let mut key = Vec::new();
        let found = reader.seek(self.pending, edge, &mut key)?.is_some();
        Ok(found.then(|| StreamId::from_bytes(&key)))
    }

    /// Visits pending entries of the range, in order, until `visit` says stop.
    pub fn scan_pending<R: Read>(
        &self,
        reader: &mut R,
        range: RangeInclusive<StreamId>,
        visit: &mut dyn FnMut(StreamId, Pending) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let from = range.start().to_bytes();
        reader.scan(self.pending, Seek::AtLeast(&from), &mut |key, cell| {
            let id = StreamId::from_bytes(key);
            if id > *range.end() {
                return ControlFlow::Break(());
            }
            visit(id, Pending::from_bytes(inline(&cell)))
        })
    }

    /// Visits the IDs of a consumer's pending entries in the range, in order, until `visit` says stop.
    pub fn scan_owned<R: Read>(
        &self,
        reader: &mut R,
        consumer: u64,
        range: RangeInclusive<StreamId>,
        visit: &mut dyn FnMut(StreamId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let from = owned_key(consumer, *range.start());
        let end = owned_key(consumer, *range.end());
        reader.scan(self.owned, Seek::AtLeast(&from), &mut |key, _| {
            if key > end.as_slice() {
                return ControlFlow::Break(());
            }
            visit(StreamId::from_bytes(&key[NUMBER_BYTES..]))
        })
    }

    /// Puts an entry among the pending ones, or changes what is said of it. `old`: what was said before.
    pub fn put_pending(
        &self,
        engine: &mut Engine,
        id: StreamId,
        old: Option<Pending>,
        new: Pending,
    ) -> Result<(), Error> {
        if old == Some(new) {
            return Ok(());
        }
        engine.put(self.pending, &id.to_bytes(), &[], &new.to_bytes())?;
        if old.is_some_and(|old| old.consumer == new.consumer) {
            return Ok(());
        }
        if let Some(old) = old {
            engine.delete(self.owned, &owned_key(old.consumer, id))?;
        }
        engine.put(self.owned, &owned_key(new.consumer, id), &[], &[])
    }

    /// Takes an entry out of the pending ones.
    pub fn remove_pending(
        &self,
        engine: &mut Engine,
        id: StreamId,
        old: Pending,
    ) -> Result<(), Error> {
        let owned = owned_key(old.consumer, id);
        // Both ways are read before anything changes.
        engine.locate(self.owned, &owned)?;
        engine.delete(self.pending, &id.to_bytes())?;
        let was_owned = engine.delete(self.owned, &owned)?;
        assert!(was_owned, "a pending entry belongs to somebody");
        Ok(())
    }

    /// How many consumers there are.
    pub fn consumers_len<R: Read>(&self, reader: &R) -> u64 {
        reader.count(self.consumers)
    }

    /// The consumer with this name.
    pub fn consumer<R: Read>(
        &self,
        reader: &mut R,
        name: &[u8],
    ) -> Result<Option<Consumer>, Error> {
        let cell = reader.get(self.consumers, name)?;
        Ok(cell.map(|cell| Consumer::from_bytes(inline(&cell))))
    }

    /// The name of a consumer.
    pub fn consumer_name<R: Read>(&self, reader: &mut R, number: u64) -> Result<Vec<u8>, Error> {
        let mut name = Vec::new();
        reader.read_body(self.owned, &number.to_be_bytes(), 0, u64::MAX, &mut name)?;
        Ok(name)
    }

    /// How many pending entries a consumer has.
    pub fn owned_len<R: Read>(&self, reader: &mut R, consumer: u64) -> Result<u64, Error> {
        let from = reader.rank(self.owned, &consumer.to_be_bytes())?;
        let to = match consumer.checked_add(1) {
            Some(next) => reader.rank(self.owned, &next.to_be_bytes())?,
            None => reader.count(self.owned),
        };
        // The consumer's name stands before its entries.
        Ok(to - from - 1)
    }

    /// The consumers behind the one named `after`, in the order of their names, at most `count_max`.
    pub fn consumers<R: Read>(
        &self,
        reader: &mut R,
        after: Option<&[u8]>,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, Consumer)>, Error> {
        let mut found = Vec::new();
        let from = after.map_or(Seek::First, Seek::After);
        reader.scan(self.consumers, from, &mut |name, cell| {
            found.push((name.to_vec(), Consumer::from_bytes(inline(&cell))));
            if found.len() == count_max {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(found)
    }

    /// Creates a consumer, which is not there. Its number is saved with the head. Needs a savepoint.
    pub fn add_consumer(
        &mut self,
        engine: &mut Engine,
        name: &[u8],
        now_ms: i64,
    ) -> Result<Consumer, Error> {
        self.head.consumers_made += 1;
        let consumer = Consumer {
            number: self.head.consumers_made,
            seen_ms: now_ms,
            active_ms: -1,
        };
        self.put_consumer(engine, name, consumer)?;
        engine.put(self.owned, &consumer.number.to_be_bytes(), &[], name)?;
        self.save(engine)?;
        Ok(consumer)
    }

    /// Writes what is known of a consumer.
    pub fn put_consumer(
        &self,
        engine: &mut Engine,
        name: &[u8],
        consumer: Consumer,
    ) -> Result<(), Error> {
        engine.put(self.consumers, name, &[], &consumer.to_bytes())
    }

    /// Removes a consumer and its pending entries. Needs a savepoint.
    pub fn remove_consumer(
        &self,
        engine: &mut Engine,
        name: &[u8],
        consumer: Consumer,
    ) -> Result<(), Error> {
        /// IDs that are held in memory at a time.
        const IDS_AT_ONCE: usize = 1024;
        let mut from = StreamId::MIN;
        loop {
            let mut ids = Vec::new();
            self.scan_owned(engine, consumer.number, from..=StreamId::MAX, &mut |id| {
                ids.push(id);
                if ids.len() == IDS_AT_ONCE {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            for id in &ids {
                engine.delete(self.pending, &id.to_bytes())?;
            }
            match ids.last().and_then(|last| last.next()) {
                Some(next) if ids.len() == IDS_AT_ONCE => from = next,
                _ => break,
            }
        }
        let number = consumer.number;
        let end = number.checked_add(1).map(u64::to_be_bytes);
        let end = end.as_ref().map(<[u8; NUMBER_BYTES]>::as_slice);
        engine.delete_range(self.owned, &number.to_be_bytes(), end)?;
        engine.delete(self.consumers, name)?;
        Ok(())
    }
}
