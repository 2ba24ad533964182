//! Changing a hash: one field or many, in either form, and the way from one form to the other.
//!
//! A small hash is changed in memory and written when the editor is done: one change as a splice, several as a whole.
//! A large one is changed field by field, and what follows from the changes (its first expiry, its form, its end) is
//! done when the editor is. Each is one step under [`Plan::Simple`](crate::storage::Plan) where one suffices; what
//! takes more asks for a savepoint before its first change.

use super::small::{Small, expiry_bytes, push_three, read_expiry, three_bytes};
use super::{FIELDS, Found, Limits, TIMES, TREES, is_due};
use crate::keyspace::draft::{Draft, Opened};
use crate::keyspace::expiry::index_key;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::txn::{Slot, Txn};
use crate::storage::{Body, Error, Read, Seek, TreeId};
use std::ops::ControlFlow;

/// A large hash of at most this many fields becomes small if they fit half of what a small one may have.
const SMALL_AGAIN_FIELDS: u64 = 16;

/// What happens to the expiry of a field that gets a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Keep,
    Drop,
}

#[derive(Debug)]
enum Form {
    Small(Draft),
    Large { fields: TreeId, times: TreeId },
}

/// A hash that is being changed; one that is not there counts as empty.
#[derive(Debug)]
pub struct HashEditor<'t, 'k, 'w> {
    txn: &'t mut Txn<'k>,
    slot: Slot,
    key: &'w [u8],
    limits: Limits,
    header: Header,
    form: Form,
    /// An expiry came or went.
    times_changed: bool,
    /// Fields went.
    removed: bool,
}

impl<'k> Txn<'k> {
    /// Opens the hash at `key` for changes; None if the key holds something else. `steps` is how many fields will
    /// be changed, at most.
    pub fn hash<'t, 'w>(
        &'t mut self,
        db: u32,
        key: &'w [u8],
        now_ms: u64,
        limits: Limits,
        steps: usize,
    ) -> Result<Option<HashEditor<'t, 'k, 'w>>, Error> {
        let Some((slot, opened)) = self.open_collection(db, key, now_ms, Kind::Hash)? else {
            return Ok(None);
        };
        let header = slot
            .header()
            .unwrap_or(Header::new(Kind::Hash, Encoding::Packed));
        let form = match opened {
            Opened::Small(draft) => Form::Small(draft),
            Opened::Large([fields, times]) => {
                if steps > 1 {
                    self.engine().need_savepoint();
                }
                Form::Large { fields, times }
            }
        };
        Ok(Some(HashEditor {
            txn: self,
            slot,
            key,
            limits,
            header,
            form,
            times_changed: false,
            removed: false,
        }))
    }
}

impl<'t, 'k> HashEditor<'t, 'k, '_> {
    /// Closes a hash that was only looked at.
    pub fn close(self) -> &'t mut Txn<'k> {
        self.txn
    }

    /// Whether the hash was there when it was opened.
    pub fn exists(&self) -> bool {
        self.slot.exists()
    }

    /// How many fields there are, due ones included.
    pub fn len(&mut self) -> u64 {
        match &self.form {
            Form::Small(draft) => draft.fields().len() as u64,
            Form::Large { fields, .. } => self.txn.keyspace().engine.count(*fields),
        }
    }

    /// Whether there are no fields.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// The field; due ones included.
    pub fn find(&mut self, field: &[u8]) -> Result<Option<Found<'_>>, Error> {
        match &self.form {
            Form::Small(draft) => {
                let three = draft.fields().find(field);
                Ok(three.map(|three| Found::of_three(&three)))
            }
            Form::Large { fields, .. } => {
                let cell = self.txn.keyspace().engine.get(*fields, field)?;
                Ok(cell.map(|cell| Found::of_cell(&cell)))
            }
        }
    }

    /// Appends the whole value of a field of a large hash to `out`.
    pub fn read(&mut self, field: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if let Form::Large { fields, .. } = self.form {
            let engine = &mut self.txn.keyspace().engine;
            engine.read_body(fields, field, 0, u64::MAX, out)?;
        }
        Ok(())
    }

    /// What follows takes several steps.
    pub fn need_savepoint(&mut self) {
        self.txn.engine().need_savepoint();
    }

    /// Calls it a hash table from now on.
    pub fn become_table(&mut self) {
        self.header.encoding = Encoding::Table;
    }

    /// Calls it one with fields that expire from now on, if it is small enough to be called so.
    pub fn become_expiring(&mut self) {
        if self.header.encoding == Encoding::Packed {
            self.header.encoding = Encoding::PackedExpiring;
        }
    }

    /// Gives a field a value. True: the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], expiry: Expiry) -> Result<bool, Error> {
        let bytes_max = self.limits.value_bytes_max;
        if field.len() as u64 > bytes_max || value.len() as u64 > bytes_max {
            self.become_table();
        }
        let new = match &self.form {
            Form::Small(_) => self.set_small(field, value, expiry)?,
            Form::Large { fields, times } => {
                let trees = (*fields, *times);
                self.set_large(trees, field, value, expiry)?
            }
        };
        if self.header.encoding != Encoding::Table && self.len() > self.limits.entries_max {
            self.become_table();
        }
        Ok(new)
    }

    fn set_small(&mut self, field: &[u8], value: &[u8], expiry: Expiry) -> Result<bool, Error> {
        let Form::Small(draft) = &mut self.form else {
            unreachable!("the caller has seen that it is small");
        };
        let old = draft.fields().find(field).map(|three| {
            (
                three.at(),
                three.value.at,
                three.value.end,
                three.end,
                three.expires_ms,
            )
        });
        let gone = old.map_or(0, |(at, _, _, end, _)| end - at);
        let kept = old
            .and_then(|(.., expires_ms)| expires_ms)
            .filter(|_| expiry == Expiry::Keep);
        let bytes =
            (draft.body.len() - gone).saturating_add(three_bytes(field.len(), value.len(), kept));
        if bytes > self.txn.keyspace().packed_bytes_max() {
            let trees = self.grow()?;
            return self.set_large(trees, field, value, expiry);
        }
        let Form::Small(draft) = &mut self.form else {
            unreachable!("it has not grown");
        };
        match old {
            None => draft.insert_field(field, value, None),
            Some((_, at, end, _, expires_ms)) if expires_ms == kept => {
                draft.set_value(at, end, value);
            }
            Some((at, _, _, end, _)) => {
                draft.remove_fields(at, end);
                draft.insert_field(field, value, None);
                self.times_changed = true;
            }
        }
        Ok(old.is_none())
    }

    fn set_large(
        &mut self,
        (fields, times): (TreeId, TreeId),
        field: &[u8],
        value: &[u8],
        expiry: Expiry,
    ) -> Result<bool, Error> {
        let engine = self.txn.engine();
        let old = engine
            .get(fields, field)?
            .map(|cell| read_expiry(cell.head()));
        let expires_ms = old.flatten();
        let kept = expires_ms.filter(|_| expiry == Expiry::Keep);
        if expires_ms != kept {
            engine.need_savepoint();
        }
        engine.put(fields, field, &expiry_bytes(kept), value)?;
        if let Some(ms) = expires_ms.filter(|_| kept.is_none()) {
            engine.delete(times, &index_key(ms, field))?;
            self.times_changed = true;
        }
        Ok(old.is_none())
    }

    /// Takes a field out. False: it was not there.
    pub fn remove(&mut self, field: &[u8]) -> Result<bool, Error> {
        let found = match &mut self.form {
            Form::Small(draft) => {
                let three = draft.fields().find(field);
                let place = three.map(|three| (three.at(), three.end, three.expires_ms));
                if let Some((at, end, _)) = place {
                    draft.remove_fields(at, end);
                }
                place.map(|(.., expires_ms)| expires_ms)
            }
            Form::Large { fields, times } => {
                let (fields, times) = (*fields, *times);
                self.remove_large(fields, times, field)?
            }
        };
        self.times_changed |= found.flatten().is_some();
        self.removed |= found.is_some();
        Ok(found.is_some())
    }

    fn remove_large(
        &mut self,
        fields: TreeId,
        times: TreeId,
        field: &[u8],
    ) -> Result<Option<Option<u64>>, Error> {
        let engine = self.txn.engine();
        let Some(cell) = engine.get(fields, field)? else {
            return Ok(None);
        };
        let expires_ms = read_expiry(cell.head());
        if expires_ms.is_some() || engine.count(fields) <= SMALL_AGAIN_FIELDS + 1 {
            engine.need_savepoint();
        }
        engine.delete(fields, field)?;
        if let Some(ms) = expires_ms {
            engine.delete(times, &index_key(ms, field))?;
        }
        Ok(Some(expires_ms))
    }

    /// Changes when a field, which is there, expires; None: never.
    pub fn expire_at(&mut self, field: &[u8], expires_ms: Option<u64>) -> Result<(), Error> {
        self.times_changed = true;
        match &mut self.form {
            Form::Small(draft) => {
                let three = draft.fields().find(field).expect("a field that is there");
                let (at, end, value) = (three.at(), three.end, three.value.bytes.to_vec());
                draft.remove_fields(at, end);
                draft.insert_field(field, &value, expires_ms);
                if draft.body.len() > self.txn.keyspace().packed_bytes_max() {
                    self.grow()?;
                }
            }
            Form::Large { fields, times } => {
                let (fields, times) = (*fields, *times);
                let engine = self.txn.engine();
                let cell = engine.get(fields, field)?.expect("a field that is there");
                let old_ms = read_expiry(cell.head());
                engine.need_savepoint();
                engine.set_head(fields, field, &expiry_bytes(expires_ms))?;
                if let Some(ms) = old_ms {
                    engine.delete(times, &index_key(ms, field))?;
                }
                if let Some(ms) = expires_ms {
                    engine.put(times, &index_key(ms, field), &[], &[])?;
                }
            }
        }
        Ok(())
    }

    /// Takes out up to `max` fields that are due, those that have been for longest first. Needs a savepoint.
    pub fn remove_due(&mut self, now_ms: u64, max: usize) -> Result<Vec<Vec<u8>>, Error> {
        let removed = match &mut self.form {
            Form::Small(draft) => {
                let due = draft.fields().iter().take(max);
                let due = due.take_while(|three| is_due(three.expires_ms, now_ms));
                let (mut names, mut end) = (Vec::new(), 0);
                for three in due {
                    names.push(three.field.bytes.to_vec());
                    end = three.end;
                }
                if !names.is_empty() {
                    draft.remove_fields(0, end);
                }
                names
            }
            Form::Large { fields, times } => {
                let (fields, times) = (*fields, *times);
                self.remove_due_large(fields, times, now_ms, max)?
            }
        };
        self.times_changed |= !removed.is_empty();
        self.removed |= !removed.is_empty();
        Ok(removed)
    }

    fn remove_due_large(
        &mut self,
        fields: TreeId,
        times: TreeId,
        now_ms: u64,
        max: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let engine = self.txn.engine();
        let mut due: Vec<Vec<u8>> = Vec::new();
        engine.scan(times, Seek::First, &mut |entry, _| {
            if due.len() == max || !is_due(read_expiry(entry), now_ms) {
                return ControlFlow::Break(());
            }
            due.push(entry.to_vec());
            ControlFlow::Continue(())
        })?;
        for entry in &due {
            engine.delete(fields, &entry[8..])?;
            engine.delete(times, entry)?;
        }
        for entry in &mut due {
            entry.drain(..8);
        }
        Ok(due)
    }

    /// Moves the fields to trees of their own.
    fn grow(&mut self) -> Result<(TreeId, TreeId), Error> {
        let Form::Small(draft) = &mut self.form else {
            unreachable!("only a small hash grows");
        };
        let body = std::mem::take(&mut draft.body);
        self.txn.engine().need_savepoint();
        let (slot, key) = (&mut self.slot, self.key);
        self.txn.put_trees(slot, key, self.header, &[], TREES)?;
        let fields = self.txn.tree(slot, key, FIELDS)?;
        let times = self.txn.tree(slot, key, TIMES)?;
        let engine = self.txn.engine();
        for three in Small::new(&body).iter() {
            let (field, expires_ms) = (three.field.bytes, three.expires_ms);
            engine.put(fields, field, &expiry_bytes(expires_ms), three.value.bytes)?;
            if let Some(ms) = expires_ms {
                engine.put(times, &index_key(ms, field), &[], &[])?;
            }
        }
        self.form = Form::Large { fields, times };
        Ok((fields, times))
    }

    /// The body of a large hash that has become small; None if it has not.
    fn shrunk(&mut self, fields: TreeId) -> Result<Option<Draft>, Error> {
        let bytes_max = self.txn.keyspace().packed_bytes_max() / 2;
        let engine = &mut self.txn.keyspace().engine;
        if engine.count(fields) > SMALL_AGAIN_FIELDS {
            return Ok(None);
        }
        let mut found: Vec<(Option<u64>, Vec<u8>)> = Vec::new();
        let mut bytes = 0usize;
        engine.scan(fields, Seek::First, &mut |field, cell| {
            let expires_ms = read_expiry(cell.head());
            let len = usize::try_from(cell.body_len()).unwrap_or(usize::MAX);
            bytes = bytes.saturating_add(three_bytes(field.len(), len, expires_ms));
            let Body::Inline(value) = cell.body() else {
                bytes = usize::MAX;
                return ControlFlow::Break(());
            };
            if bytes > bytes_max {
                return ControlFlow::Break(());
            }
            let mut three = Vec::new();
            push_three(&mut three, field, value, expires_ms);
            found.push((expires_ms, three));
            ControlFlow::Continue(())
        })?;
        if bytes > bytes_max {
            return Ok(None);
        }
        found.sort_by_key(|(expires_ms, _)| expires_ms.unwrap_or(u64::MAX));
        let body = found.into_iter().flat_map(|(_, three)| three).collect();
        Ok(Some(Draft::whole(body)))
    }

    /// Deletes the whole hash, which is there.
    pub(super) fn delete(self) -> Result<(), Error> {
        self.txn.delete(&self.slot, self.key).map(|_| ())
    }

    /// Writes what was changed and what follows from it. False: no field is left, and the key is gone.
    pub fn finish(mut self) -> Result<bool, Error> {
        if self.is_empty() {
            if self.exists() {
                self.delete()?;
            }
            return Ok(false);
        }
        if let Form::Large { fields, .. } = self.form
            && self.removed
            && let Some(draft) = self.shrunk(fields)?
        {
            self.form = Form::Small(draft);
            self.times_changed = true;
        }
        match self.form {
            Form::Small(draft) => {
                if self.times_changed {
                    self.header.fields_expire_ms = draft.fields().first_expiry_ms();
                }
                let (slot, key, header) = (&mut self.slot, self.key, self.header);
                self.txn.write_draft(slot, key, header, draft)?;
            }
            Form::Large { times, .. } => self.finish_large(times)?,
        }
        Ok(true)
    }

    fn finish_large(&mut self, times: TreeId) -> Result<(), Error> {
        if self.times_changed {
            let engine = &mut self.txn.keyspace().engine;
            let mut first = Vec::new();
            let found = engine.seek(times, Seek::First, &mut first)?.is_some();
            self.header.fields_expire_ms = read_expiry(&first).filter(|_| found);
        }
        if self.slot.header() != Some(self.header) {
            let (header, key) = (self.header, self.key);
            self.txn.set_header(&mut self.slot, key, header, &[])?;
        }
        Ok(())
    }
}
