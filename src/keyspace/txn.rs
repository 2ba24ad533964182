//! Changes to keys. Each method keeps the expiry tree in step with the key tree, and locates every entry it is going
//! to change before it changes the first.

use super::access::Found;
use super::change::{Change, Class};
use super::expiry::index_key;
use super::header::{Encoding, Header, Kind};
use super::{Entry, Keyspace, Look, OWN_ROOT, Trees, root_ids};
use crate::storage::{Error, Read};

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

    /// When the key expires, if it is there and does.
    pub fn expires_ms(&self) -> Option<u64> {
        self.header().and_then(|header| header.expires_ms)
    }

    fn stored_expiry(&self) -> Option<u64> {
        self.stored.and_then(|header| header.expires_ms)
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
        let (mut stored, mut len, mut is_blob) = (None, 0, false);
        if let Some(cell) = self.keyspace.engine.get(trees.keys, key)? {
            let header = Header::parse(cell.head());
            stored = Some(header);
            if !header.is_due(now_ms) {
                let entry = Entry { header, cell };
                len = entry.len();
                is_blob = entry.inline().is_none();
                let seen = see(Some(&entry));
                self.count(db, key, now_ms, look, place, true);
                let slot = Slot {
                    db,
                    trees,
                    stored,
                    live: true,
                    len,
                    is_blob,
                };
                return Ok((slot, seen));
            }
        }
        self.count(db, key, now_ms, look, place, false);
        let slot = Slot {
            db,
            trees,
            stored,
            live: false,
            len,
            is_blob,
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
        // What is not there is about to be made.
        if let Some(place) = place {
            let rng = &mut keyspace.rng;
            keyspace.access.used(place, now_ms, || rng.f64());
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
            kind: Kind::String,
            encoding,
            expires_ms,
        };
        self.locate_expiry(slot, key, expires_ms)?;
        self.replaces(slot, key);
        let engine = &mut self.keyspace.engine;
        engine.put(slot.trees.keys, key, &header.to_bytes(&[]), value)?;
        self.move_expiry(slot, key, expires_ms)?;
        if !slot.live {
            let changes = &mut self.keyspace.changes;
            changes.event(slot.db, key, Class::New, "new");
        }
        Ok(())
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
        self.locate_expiry(slot, key, expires_ms)?;
        let engine = &mut self.keyspace.engine;
        let cell = engine.get(slot.trees.keys, key)?.expect("an existing key");
        let head = Header {
            expires_ms,
            ..header
        }
        .to_bytes(Header::added(cell.head()));
        self.keyspace.changed = true;
        engine.set_head(slot.trees.keys, key, &head)?;
        self.move_expiry(slot, key, expires_ms)
    }

    /// Removes the key and its expiry; false if it was not there or due (then it is gone nevertheless, as expired).
    pub fn delete(&mut self, slot: &Slot, key: &[u8]) -> Result<bool, Error> {
        if slot.stored.is_none() {
            return Ok(false);
        }
        self.locate_expiry(slot, key, None)?;
        self.replaces(slot, key);
        self.keyspace.engine.delete(slot.trees.keys, key)?;
        self.move_expiry(slot, key, None)?;
        Ok(slot.live)
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
        self.delete(to, to_key)?;
        let engine = &mut self.keyspace.engine;
        engine.move_cell(from.trees.keys, from_key, to.trees.keys, to_key)?;
        self.keyspace.changed = true;
        self.move_expiry(from, from_key, None)?;
        self.add_expiry(to, to_key, from.expires_ms())
    }

    /// Copies what is at `from` to `to`, with its expiry; what `to` had is gone. Needs a savepoint.
    pub fn copy(
        &mut self,
        from: &Slot,
        from_key: &[u8],
        to: &Slot,
        to_key: &[u8],
    ) -> Result<(), Error> {
        self.delete(to, to_key)?;
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
        self.add_expiry(to, to_key, from.expires_ms())
    }

    fn add_expiry(&mut self, to: &Slot, key: &[u8], expires_ms: Option<u64>) -> Result<(), Error> {
        let changes = &mut self.keyspace.changes;
        changes.event(to.db, key, Class::New, "new");
        if let Some(expires_ms) = expires_ms {
            let engine = &mut self.keyspace.engine;
            let entry = index_key(expires_ms, key);
            engine.put(to.trees.expiries, &entry, &[], &[])?;
        }
        Ok(())
    }

    /// Empties a database, in no time whatever it held. Needs a savepoint.
    pub fn flush(&mut self, db: u32) -> Result<(), Error> {
        let trees = self.keyspace.trees(db)?;
        let count = self.keyspace.engine.count(trees.keys);
        if count > 0 {
            let (keys, expiries) = root_ids(db);
            self.keyspace.changed = true;
            self.keyspace.engine.drop_root(keys)?;
            self.keyspace.engine.drop_root(expiries)?;
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
        let ((a_keys, a_expiries), (b_keys, b_expiries)) = (root_ids(a), root_ids(b));
        self.keyspace.changed = true;
        self.keyspace.engine.swap_roots(a_keys, b_keys)?;
        self.keyspace.engine.swap_roots(a_expiries, b_expiries)?;
        self.keyspace.forget_trees();
        self.keyspace.changes.whole(Change::Swapped { a, b });
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

    /// What is at the slot is about to go. If it was due, it expires now.
    fn replaces(&mut self, slot: &Slot, key: &[u8]) {
        self.keyspace.changed = true;
        if slot.stored.is_some() && !slot.live {
            self.keyspace.stats.expired_keys += 1;
            let changes = &mut self.keyspace.changes;
            changes.event(slot.db, key, Class::Expired, "expired");
            changes.touched(slot.db, key, true);
        }
    }

    fn locate_expiry(&mut self, slot: &Slot, key: &[u8], new: Option<u64>) -> Result<(), Error> {
        let old = slot.stored_expiry();
        if old != new {
            for expires_ms in [old, new].into_iter().flatten() {
                let entry = index_key(expires_ms, key);
                let engine = &mut self.keyspace.engine;
                engine.locate(slot.trees.expiries, &entry)?;
            }
        }
        Ok(())
    }

    fn move_expiry(&mut self, slot: &Slot, key: &[u8], new: Option<u64>) -> Result<(), Error> {
        let old = slot.stored_expiry();
        if old == new {
            return Ok(());
        }
        let engine = &mut self.keyspace.engine;
        if let Some(expires_ms) = old {
            let entry = index_key(expires_ms, key);
            let was_there = engine.delete(slot.trees.expiries, &entry)?;
            assert!(was_there, "every expiry is in the index");
        }
        if let Some(expires_ms) = new {
            let entry = index_key(expires_ms, key);
            engine.put(slot.trees.expiries, &entry, &[], &[])?;
        }
        Ok(())
    }
}
