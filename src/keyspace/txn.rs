//! Changes to keys. Each method keeps the trees of times in step with the key tree, and locates every entry it is
//! going to change before it changes the first.
//!
//! A collection is either a body ([`super::packed`]) or has nested trees at its cell ([`Slot::is_large`]). The types
//! change bodies by [`Txn::splice`] and trees by [`Txn::tree`] and [`Txn::engine`]; [`Txn::put_value`] and
//! [`Txn::put_trees`] make either of them anew, and [`Txn::set_header`] changes what is said of them.
//!
//! Under [`Plan::Simple`](crate::storage::Plan) a command of one step locates what it changes
//! ([`Engine::locate`]) before its first change; one that finds it needs several steps calls
//! [`Engine::need_savepoint`] first.

use super::access::Found;
use super::change::{Change, Class};
use super::expiry::index_key;
use super::header::{Encoding, Header, Kind};
use super::{Entry, Keyspace, Look, OWN_ROOT, Trees, root_ids};
use crate::storage::{Engine, Error, Read, TreeId};

/// What stands at a key before it is changed.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    db: u32,
    trees: Trees,
    /// The head of the cell, also of one that is due.
    stored: Option<Header>,
    live: bool,
    /// Bytes of the value; 0 if there is none.
    pub len: u64,
    /// The value is not beside its head, so that changing it takes several steps.
    pub is_blob: bool,
    /// Nested trees at the cell.
    tree_count: usize,
}

impl Slot {
    /// The header, if the key is there and not due.
    pub fn header(&self) -> Option<Header> {
        self.stored.filter(|_| self.live)
    }

    /// Whether the key is there and not due.
    pub fn exists(&self) -> bool {
        self.live
    }

    /// Whether something is stored at the key, due or not.
    pub fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    /// When the key expires, if it is there and does.
    pub fn expires_ms(&self) -> Option<u64> {
        self.header().and_then(|header| header.expires_ms)
    }

    /// Whether the value is a collection in trees of its own.
    pub fn is_large(&self) -> bool {
        self.tree_count > 0
    }

    fn stored_times(&self) -> Times {
        self.stored
            .map_or(Times::default(), |header| Times::of(&header))
    }

    /// How it is after the key got this header and so many nested trees.
    fn becomes(&mut self, header: Header, len: usize, tree_count: usize) {
        self.stored = Some(header);
        self.live = true;
        self.len = len as u64;
        self.is_blob = false;
        self.tree_count = tree_count;
    }
}

/// The times at which a key stands in the indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    expires_ms: Option<u64>,
    fields_expire_ms: Option<u64>,
}

impl Times {
    fn of(header: &Header) -> Self {
        Self {
            expires_ms: header.expires_ms,
            fields_expire_ms: header.fields_expire_ms,
        }
    }
}

/// An open transaction. Made by [`Keyspace::write`].
#[derive(Debug)]
pub struct Txn<'a> {
    keyspace: &'a mut Keyspace,
}

impl<'a> Txn<'a> {
    pub(super) fn new(keyspace: &'a mut Keyspace) -> Self {
        Self { keyspace }
    }

    /// The keyspace, for reading.
    pub fn keyspace(&mut self) -> &mut Keyspace {
        self.keyspace
    }

    /// Looks at a key that is going to be changed. `see` gets the entry if it is there and not due.
    pub fn inspect<R>(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        look: Look,
        see: impl FnOnce(Option<&Entry<'_>>) -> R,
    ) -> Result<(Slot, R), Error> {
        let trees = self.keyspace.trees(db)?;
        let place =
            (look.uses && !self.keyspace.no_touch).then(|| self.keyspace.access.find(db, key));
        let (mut stored, mut len, mut is_blob, mut tree_count) = (None, 0, false, 0);
        if let Some(cell) = self.keyspace.engine.get(trees.keys, key)? {
            let header = Header::parse(cell.head());
            stored = Some(header);
            if !header.is_due(now_ms) {
                let entry = Entry { header, cell };
                len = entry.len();
                is_blob = entry.inline().is_none();
                tree_count = entry.cell.slots();
                let seen = see(Some(&entry));
                self.count(db, key, now_ms, look, place, true);
                let slot = Slot {
                    db,
                    trees,
                    stored,
                    live: true,
                    len,
                    is_blob,
                    tree_count,
                };
                return Ok((slot, seen));
            }
        }
        if stored.is_some() && look.expires {
            self.keyspace.changes.met_due(db, key);
        }
        self.count(db, key, now_ms, look, place, false);
        let slot = Slot {
            db,
            trees,
            stored,
            live: false,
            len,
            is_blob,
            tree_count,
        };
        Ok((slot, see(None)))
    }

    /// Looks at a key that is going to be changed whatever its value.
    pub fn slot(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<Slot, Error> {
        Ok(self.inspect(db, key, now_ms, Look::WRITE, |_| ())?.0)
    }

    fn count(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        look: Look,
        place: Option<Found>,
        found: bool,
    ) {
        let keyspace = &mut *self.keyspace;
        if let Some(place) = place {
            if found {
                let rng = &mut keyspace.rng;
                keyspace.access.used(place, now_ms, || rng.f64());
            } else {
                // What is not there is about to be made.
                keyspace.access.made(place, now_ms);
            }
        }
        keyspace.stats.hits += u64::from(look.counts && found);
        keyspace.stats.misses += u64::from(look.counts && !found);
        if look.notifies && !found {
            keyspace.changes.event(db, key, Class::Miss, "keymiss");
        }
    }

    /// Gives the key a string value, whatever it had, and the expiry given (None: it does not expire).
    pub fn put_string(
        &mut self,
        slot: &Slot,
        key: &[u8],
        value: &[u8],
        encoding: Encoding,
        expires_ms: Option<u64>,
    ) -> Result<(), Error> {
        let header = Header {
            expires_ms,
            ..Header::new(Kind::String, encoding)
        };
        let mut slot = *slot;
        self.put_value(&mut slot, key, header, &[], value)
    }

    /// Makes room for giving each of a few keys a string. False: that may still fail between two of them, so that it
    /// needs a savepoint.
    pub fn can_put_all(
        &mut self,
        db: u32,
        pairs: &[[&[u8]; 2]],
        now_ms: u64,
    ) -> Result<bool, Error> {
        let bytes_max = self.keyspace().packed_bytes_max();
        let mut bytes = 0;
        for [key, value] in pairs {
            let (slot, ()) = self.inspect(db, key, now_ms, Look::ASIDE, |_| ())?;
            let is_plain = !slot.is_blob
                && slot.tree_count == 0
                && slot.stored_times() == Times::default()
                && key.len() + value.len() <= bytes_max;
            if !is_plain {
                return Ok(false);
            }
            bytes += (key.len() + value.len()) as u64;
        }
        let trees = self.keyspace.trees(db)?;
        let engine = &mut self.keyspace.engine;
        engine.reserve_changes(trees.keys, pairs.len() as u64, bytes)?;
        Ok(true)
    }

    /// Gives the key this header, what its kind of value adds to it, and this body, whatever it had.
    pub fn put_value(
        &mut self,
        slot: &mut Slot,
        key: &[u8],
        header: Header,
        added: &[u8],
        body: &[u8],
    ) -> Result<(), Error> {
        let times = Times::of(&header);
        self.locate_times(slot, key, times)?;
        self.replaces(slot, key);
        let engine = &mut self.keyspace.engine;
        engine.put(slot.trees.keys, key, &header.to_bytes(added), body)?;
        self.replaced(slot, key, times)?;
        self.count_form(slot, header, false);
        slot.becomes(header, body.len(), 0);
        Ok(())
    }

    /// Gives the key this header, what its kind of value adds to it, and so many empty nested trees, whatever it had.
    pub fn put_trees(
        &mut self,
        slot: &mut Slot,
        key: &[u8],
        header: Header,
        added: &[u8],
        tree_count: usize,
    ) -> Result<(), Error> {
        let times = Times::of(&header);
        self.locate_times(slot, key, times)?;
        self.replaces(slot, key);
        let engine = &mut self.keyspace.engine;
        let head = header.to_bytes(added);
        engine.put_nested(slot.trees.keys, key, &head, tree_count)?;
        self.replaced(slot, key, times)?;
        self.count_form(slot, header, true);
        slot.becomes(header, 0, tree_count);
        Ok(())
    }

    /// The value at the slot is replaced by one of this header.
    fn count_form(&mut self, slot: &Slot, header: Header, is_large: bool) {
        if slot.header().is_some_and(|old| old.kind == header.kind) {
            let forms = &mut self.keyspace.stats.forms;
            forms.changed(header.kind, slot.is_large(), is_large);
        }
    }

    /// What was at the slot is gone and something else is there.
    fn replaced(&mut self, slot: &Slot, key: &[u8], times: Times) -> Result<(), Error> {
        self.move_times(slot, key, times)?;
        if !slot.live {
            let changes = &mut self.keyspace.changes;
            changes.made(slot.db, key);
        }
        Ok(())
    }

    /// Replaces `removed` bytes of the body at `at` by `bytes`. The key exists.
    pub fn splice(
        &mut self,
        slot: &mut Slot,
        key: &[u8],
        at: usize,
        removed: usize,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.keyspace.changed = true;
        let engine = &mut self.keyspace.engine;
        engine.splice_body(slot.trees.keys, key, at as u64, removed as u64, bytes)?;
        slot.len = slot.len + bytes.len() as u64 - removed as u64;
        Ok(())
    }

    /// Replaces the header of the key, which exists, and what its kind of value adds to it.
    pub fn set_header(
        &mut self,
        slot: &mut Slot,
        key: &[u8],
        header: Header,
        added: &[u8],
    ) -> Result<(), Error> {
        let times = Times::of(&header);
        self.locate_times(slot, key, times)?;
        self.keyspace.changed = true;
        let engine = &mut self.keyspace.engine;
        engine.set_head(slot.trees.keys, key, &header.to_bytes(added))?;
        self.move_times(slot, key, times)?;
        slot.stored = Some(header);
        Ok(())
    }

    /// Nested tree `n` of the large collection at the key. The handle is good until the key is replaced, moved or
    /// deleted.
    pub fn tree(&mut self, slot: &Slot, key: &[u8], n: usize) -> Result<TreeId, Error> {
        let engine = &mut self.keyspace.engine;
        let tree = engine.nested(slot.trees.keys, key, n)?;
        Ok(tree.expect("a large collection is there"))
    }

    /// The engine, to change the trees of a large collection.
    pub fn engine(&mut self) -> &mut Engine {
        self.keyspace.changed = true;
        &mut self.keyspace.engine
    }

    /// Writes into the string at the key, which exists, from `offset` on, filling a gap with zeroes.
    pub fn write_into(
        &mut self,
        slot: &Slot,
        key: &[u8],
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.keyspace.changed = true;
        let engine = &mut self.keyspace.engine;
        engine.write_body(slot.trees.keys, key, offset, bytes)
    }

    /// Cuts the string at the key, which exists, to `len` bytes.
    pub fn truncate(&mut self, slot: &Slot, key: &[u8], len: u64) -> Result<(), Error> {
        self.keyspace.changed = true;
        let engine = &mut self.keyspace.engine;
        engine.truncate_body(slot.trees.keys, key, len)
    }

    /// Says how the string at the key, which exists, came to be.
    pub fn set_encoding(
        &mut self,
        slot: &Slot,
        key: &[u8],
        encoding: Encoding,
    ) -> Result<(), Error> {
        let Some(header) = slot.stored.filter(|header| header.encoding != encoding) else {
            return Ok(());
        };
        self.keyspace.changed = true;
        let head = Header { encoding, ..header }.to_bytes(&[]);
        self.keyspace.engine.set_head(slot.trees.keys, key, &head)
    }

    /// Changes when the key, which exists, expires.
    pub fn set_expiry(
        &mut self,
        slot: &Slot,
        key: &[u8],
        expires_ms: Option<u64>,
    ) -> Result<(), Error> {
        let header = slot.header().expect("an existing key");
        if header.expires_ms == expires_ms {
            return Ok(());
        }
        let header = Header {
            expires_ms,
            ..header
        };
        let times = Times::of(&header);
        self.locate_times(slot, key, times)?;
        let engine = &mut self.keyspace.engine;
        let cell = engine.get(slot.trees.keys, key)?.expect("an existing key");
        let head = header.to_bytes(Header::added(cell.head()));
        self.keyspace.changed = true;
        engine.set_head(slot.trees.keys, key, &head)?;
        self.move_times(slot, key, times)
    }

    /// Removes the key and its expiry; false if it was not there or due (then it is gone nevertheless, as expired).
    pub fn delete(&mut self, slot: &Slot, key: &[u8]) -> Result<bool, Error> {
        if slot.stored.is_none() {
            return Ok(false);
        }
        self.locate_times(slot, key, Times::default())?;
        self.replaces(slot, key);
        self.keyspace.engine.delete(slot.trees.keys, key)?;
        self.move_times(slot, key, Times::default())?;
        Ok(slot.live)
    }

    /// What is at the slot, if anything is, is going to be replaced as it is, and stands in no index any more. Needs a savepoint.
    fn give_way(&mut self, slot: &Slot, key: &[u8]) -> Result<(), Error> {
        if slot.stored.is_some() {
            self.replaces(slot, key);
            self.move_times(slot, key, Times::default())?;
        }
        Ok(())
    }

    /// Removes what is at a key that nobody looks at; what is due and was not met goes as if it were not due. False if
    /// nothing was there.
    pub fn discard(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<bool, Error> {
        let (mut slot, ()) = self.inspect(db, key, now_ms, Look::ASIDE, |_| ())?;
        slot.live |= slot.stored.is_some() && !self.keyspace.changes.has_met(db, key);
        self.delete(&slot, key)
    }

    /// Stores a result without elements: whatever was at the key is gone. False if nothing was.
    pub fn put_nothing(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<bool, Error> {
        let was_there = self.discard(db, key, now_ms)?;
        if was_there {
            self.touched(db, key, 1, Some((Class::Generic, "del")));
        }
        Ok(was_there)
    }

    /// Does as [`Txn::delete`], and counts the key as an object that is freed later.
    pub fn unlink(&mut self, slot: &Slot, key: &[u8]) -> Result<bool, Error> {
        let from = self.keyspace.engine.dropped();
        let was_there = self.delete(slot, key)?;
        if was_there {
            self.keyspace.engine.count_dropped(from, 1);
        }
        Ok(was_there)
    }

    /// Moves what is at `from` to `to`, which may be in another database, with its expiry; what `to` had is gone.
    /// Needs a savepoint.
    pub fn rename(
        &mut self,
        from: &Slot,
        from_key: &[u8],
        to: &Slot,
        to_key: &[u8],
    ) -> Result<(), Error> {
        self.give_way(to, to_key)?;
        let engine = &mut self.keyspace.engine;
        engine.move_cell(from.trees.keys, from_key, to.trees.keys, to_key)?;
        self.keyspace.changed = true;
        self.move_times(from, from_key, Times::default())?;
        self.arrives(to, to_key, from.stored_times())
    }

    /// Copies what is at `from` to `to`, with its expiry; what `to` had is gone. Needs a savepoint.
    pub fn copy(
        &mut self,
        from: &Slot,
        from_key: &[u8],
        to: &Slot,
        to_key: &[u8],
    ) -> Result<(), Error> {
        self.give_way(to, to_key)?;
        let engine = &mut self.keyspace.engine;
        engine.copy_cell(from.trees.keys, from_key, to.trees.keys, to_key)?;
        self.keyspace.changed = true;
        if let Some(header) = from.header()
            && header.kind == Kind::String
            && header.encoding == Encoding::Natural
        {
            let encoding = Encoding::Copied;
            let head = Header { encoding, ..header }.to_bytes(&[]);
            let engine = &mut self.keyspace.engine;
            engine.set_head(to.trees.keys, to_key, &head)?;
        }
        self.arrives(to, to_key, from.stored_times())
    }

    /// Moves a cell that was put together elsewhere to `to`; what that had is gone, with its expiry. Needs a savepoint.
    pub(super) fn install(
        &mut self,
        (from, from_key): (TreeId, &[u8]),
        to: &Slot,
        to_key: &[u8],
    ) -> Result<(), Error> {
        self.give_way(to, to_key)?;
        let engine = &mut self.keyspace.engine;
        engine.move_cell(from, from_key, to.trees.keys, to_key)?;
        self.keyspace.changed = true;
        if !to.live {
            let changes = &mut self.keyspace.changes;
            changes.made(to.db, to_key);
        }
        Ok(())
    }

    fn arrives(&mut self, to: &Slot, key: &[u8], times: Times) -> Result<(), Error> {
        let changes = &mut self.keyspace.changes;
        changes.made(to.db, key);
        let engine = &mut self.keyspace.engine;
        move_time(engine, to.trees.expiries, key, None, times.expires_ms)?;
        move_time(engine, to.trees.fields, key, None, times.fields_expire_ms)
    }

    /// Empties a database, in no time whatever it held. Its keys count as objects that are freed later, if
    /// `is_counted`. Needs a savepoint.
    pub fn flush(&mut self, db: u32, is_counted: bool) -> Result<(), Error> {
        let trees = self.keyspace.trees(db)?;
        let count = self.keyspace.engine.count(trees.keys);
        if count > 0 {
            let from = self.keyspace.engine.dropped();
            self.keyspace.changed = true;
            for root in root_ids(db) {
                self.keyspace.engine.drop_root(root)?;
            }
            if is_counted {
                self.keyspace.engine.count_dropped(from, count);
            }
            self.keyspace.forget_trees();
            self.keyspace.stats.dirty += count;
        }
        self.keyspace.changes.whole(Change::Flushed { db });
        Ok(())
    }

    /// Swaps two databases. Needs a savepoint.
    pub fn swap(&mut self, a: u32, b: u32) -> Result<(), Error> {
        if a == b {
            return Ok(());
        }
        self.keyspace.changed = true;
        for (one, other) in root_ids(a).into_iter().zip(root_ids(b)) {
            self.keyspace.engine.swap_roots(one, other)?;
        }
        self.keyspace.forget_trees();
        self.keyspace.changes.whole(Change::Swapped { a, b });
        self.keyspace.changes.swap_due(a, b);
        Ok(())
    }

    /// Every change to a key is told here, after it is made: who watches or caches the key hears of it, and
    /// `event`, if there is one, goes to who asked for notifications of its class. Counts `dirty` changes.
    pub fn touched(
        &mut self,
        db: u32,
        key: &[u8],
        dirty: u64,
        event: Option<(Class, &'static str)>,
    ) {
        self.keyspace.stats.dirty += dirty;
        self.keyspace.changes.touched(db, key, false);
        if let Some((class, name)) = event {
            self.keyspace.changes.event(db, key, class, name);
        }
    }

    /// A change that who watches or caches the key does not hear of, as Redis has it for consumer groups.
    pub fn counted(
        &mut self,
        db: u32,
        key: &[u8],
        dirty: u64,
        event: Option<(Class, &'static str)>,
    ) {
        self.keyspace.stats.dirty += dirty;
        if let Some((class, name)) = event {
            self.keyspace.changes.event(db, key, class, name);
        }
    }

    /// Who is blocked on the key looks at it again.
    pub fn ready(&mut self, db: u32, key: &[u8]) {
        self.keyspace.changes.ready(db, key);
    }

    /// A further event of a change that was told already.
    pub fn event(&mut self, db: u32, key: &[u8], class: Class, name: &'static str) {
        self.keyspace.changes.event(db, key, class, name);
    }

    pub(super) fn put_own(&mut self, key: &[u8], body: &[u8]) -> Result<(), Error> {
        let engine = &mut self.keyspace.engine;
        let own = engine.root(OWN_ROOT)?;
        engine.locate(own, key)?;
        self.keyspace.changed = true;
        engine.put(own, key, &[], body)
    }

    pub(super) fn delete_own(&mut self, key: &[u8]) -> Result<(), Error> {
        let engine = &mut self.keyspace.engine;
        let own = engine.root(OWN_ROOT)?;
        engine.locate(own, key)?;
        self.keyspace.changed = true;
        engine.delete(own, key).map(|_| ())
    }

    /// What is at the slot is about to go. If it was due, it expires now.
    fn replaces(&mut self, slot: &Slot, key: &[u8]) {
        self.keyspace.changed = true;
        if slot.stored.is_some() && !slot.live {
            self.keyspace.stats.expired_keys += 1;
            let changes = &mut self.keyspace.changes;
            if !changes.has_met(slot.db, key) {
                changes.expired(slot.db, key);
            }
        }
    }

    fn locate_times(&mut self, slot: &Slot, key: &[u8], new: Times) -> Result<(), Error> {
        let old = slot.stored_times();
        let engine = &mut self.keyspace.engine;
        let trees = &slot.trees;
        locate_time(engine, trees.expiries, key, old.expires_ms, new.expires_ms)?;
        let (old, new) = (old.fields_expire_ms, new.fields_expire_ms);
        locate_time(engine, trees.fields, key, old, new)
    }

    fn move_times(&mut self, slot: &Slot, key: &[u8], new: Times) -> Result<(), Error> {
        let old = slot.stored_times();
        let engine = &mut self.keyspace.engine;
        let trees = &slot.trees;
        move_time(engine, trees.expiries, key, old.expires_ms, new.expires_ms)?;
        let (old, new) = (old.fields_expire_ms, new.fields_expire_ms);
        move_time(engine, trees.fields, key, old, new)
    }
}

/// Finds the entries of a key in an index that are going to change.
fn locate_time(
    engine: &mut Engine,
    index: TreeId,
    key: &[u8],
    old_ms: Option<u64>,
    new_ms: Option<u64>,
) -> Result<(), Error> {
    if old_ms == new_ms {
        return Ok(());
    }
    // What goes first is found last: the way there is not gone again.
    for time_ms in [new_ms, old_ms].into_iter().flatten() {
        engine.locate(index, &index_key(time_ms, key))?;
    }
    Ok(())
}

/// Moves a key in an index from one time to another; None: it does not stand there.
fn move_time(
    engine: &mut Engine,
    index: TreeId,
    key: &[u8],
    old_ms: Option<u64>,
    new_ms: Option<u64>,
) -> Result<(), Error> {
    if old_ms == new_ms {
        return Ok(());
    }
    if let Some(old_ms) = old_ms {
        let was_there = engine.delete(index, &index_key(old_ms, key))?;
        assert!(was_there, "every time is in its index");
    }
    if let Some(new_ms) = new_ms {
        engine.put(index, &index_key(new_ms, key), &[], &[])?;
    }
    Ok(())
}
