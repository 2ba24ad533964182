//! Changing a set: one member or many, in either form, and the way from one form to the other.
//!
//! As with hashes ([`HashEditor`](crate::keyspace::hash::HashEditor)): a small set is changed in memory and written when
//! the editor is done, a large one member by member.

use std::ops::ControlFlow;

use super::{Limits, MEMBERS, TREES, naming, sort_integers};
use crate::keyspace::draft::{Draft, Opened};
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::packed::{self, Packed};
use crate::keyspace::txn::{Slot, Txn};
use crate::resp::integer::parse_i64;
use crate::storage::{Error, Read, Seek, TreeId};

/// A large set of at most this many members becomes small if they fit half of what a small one may have.
const SMALL_AGAIN_MEMBERS: u64 = 16;

#[derive(Debug)]
enum Form {
    Small(Draft),
    Large(TreeId),
}

/// A set that is being changed; one that is not there counts as empty.
#[derive(Debug)]
pub struct SetEditor<'t, 'k, 'w> {
    txn: &'t mut Txn<'k>,
    slot: Slot,
    key: &'w [u8],
    limits: Limits,
    header: Header,
    form: Form,
    /// Members went.
    removed: bool,
}

impl<'k> Txn<'k> {
    /// Opens the set at `key` for changes; None if the key holds something else. `steps` is how many members will
    /// be changed, at most.
    pub fn set<'t, 'w>(
        &'t mut self,
        db: u32,
        key: &'w [u8],
        now_ms: u64,
        limits: Limits,
        steps: usize,
    ) -> Result<Option<SetEditor<'t, 'k, 'w>>, Error> {
        let Some((slot, opened)) = self.open_collection(db, key, now_ms, Kind::Set)? else {
            return Ok(None);
        };
        let header = slot
            .header()
            .unwrap_or(Header::new(Kind::Set, Encoding::Integers));
        let form = match opened {
            Opened::Small(draft) => Form::Small(draft),
            Opened::Large([members]) => {
                if steps > 1 {
                    self.engine().need_savepoint();
                }
                Form::Large(members)
            }
        };
        Ok(Some(SetEditor {
            txn: self,
            slot,
            key,
            limits,
            header,
            form,
            removed: false,
        }))
    }
}

impl SetEditor<'_, '_, '_> {
    /// Whether the set was there when it was opened.
    pub fn exists(&self) -> bool {
        self.slot.exists()
    }

    /// What Redis would call it now.
    pub fn encoding(&self) -> Encoding {
        self.header.encoding
    }

    /// Calls it so from now on.
    pub fn set_encoding(&mut self, encoding: Encoding) {
        self.header.encoding = encoding;
    }

    /// How many members there are.
    pub fn len(&mut self) -> u64 {
        match &self.form {
            Form::Small(draft) => Packed::new(&draft.body).len() as u64,
            Form::Large(members) => self.txn.keyspace().engine.count(*members),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&mut self) -> bool {
        match &self.form {
            Form::Small(draft) => draft.body.is_empty(),
            Form::Large(_) => self.len() == 0,
        }
    }

    /// So many members, the first of them `first`, are about to be added.
    pub fn expect(&mut self, first: &[u8], hint: u64) {
        self.header.encoding = if self.exists() {
            naming::with_hint(self.limits, self.header.encoding, hint)
        } else {
            naming::of_new(self.limits, first, hint)
        };
    }

    /// Whether the set has the member.
    pub fn has(&mut self, member: &[u8]) -> Result<bool, Error> {
        match &self.form {
            Form::Small(draft) => Ok(Packed::new(&draft.body).find(member, 1).is_some()),
            Form::Large(members) => {
                let engine = &mut self.txn.keyspace().engine;
                Ok(engine.get(*members, member)?.is_some())
            }
        }
    }

    /// Adds a member. False: it was there.
    pub fn add(&mut self, member: &[u8]) -> Result<bool, Error> {
        if self.has(member)? {
            return Ok(false);
        }
        self.rename_with(member)?;
        let bytes_max = self.txn.keyspace().packed_bytes_max();
        let members = match &mut self.form {
            Form::Small(draft)
                if draft
                    .body
                    .len()
                    .saturating_add(packed::item_bytes(member.len()))
                    <= bytes_max =>
            {
                let at = place(&draft.body, self.header.encoding, member);
                if at == draft.body.len() {
                    draft.append(|body| packed::push(body, member));
                } else {
                    let mut bytes = Vec::with_capacity(member.len() + 4);
                    packed::push(&mut bytes, member);
                    draft.replace(at, at, &bytes);
                }
                return Ok(true);
            }
            Form::Small(_) => self.grow()?,
            Form::Large(members) => *members,
        };
        self.txn.engine().put(members, member, &[], &[])?;
        Ok(true)
    }

    /// Notes what Redis calls the set with one more member.
    fn rename_with(&mut self, member: &[u8]) -> Result<(), Error> {
        let encoding = self.header.encoding;
        if encoding == Encoding::Table {
            return Ok(());
        }
        let len = self.len();
        let limits = self.limits;
        let renamed = naming::with_member(limits, encoding, member, len, || self.longest())?;
        self.header.encoding = renamed;
        Ok(())
    }

    /// Bytes of the longest member.
    fn longest(&mut self) -> Result<u64, Error> {
        let mut longest = 0;
        self.visit(&mut |member| longest = longest.max(member.len() as u64))?;
        Ok(longest)
    }

    /// Visits all members.
    pub fn visit(&mut self, see: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        match &self.form {
            Form::Small(draft) => {
                for item in Packed::new(&draft.body).iter() {
                    see(item.bytes);
                }
                Ok(())
            }
            Form::Large(members) => {
                let engine = &mut self.txn.keyspace().engine;
                engine.scan(*members, Seek::First, &mut |member, _| {
                    see(member);
                    ControlFlow::Continue(())
                })
            }
        }
    }

    /// Takes a member out. False: it was not there.
    pub fn remove(&mut self, member: &[u8]) -> Result<bool, Error> {
        let removed = match &mut self.form {
            Form::Small(draft) => {
                let found = Packed::new(&draft.body).find(member, 1);
                let place = found.map(|(_, item)| (item.at, item.end));
                if let Some((at, end)) = place {
                    draft.replace(at, end, &[]);
                }
                place.is_some()
            }
            Form::Large(members) => {
                let members = *members;
                remove_large(self.txn, members, member)?
            }
        };
        self.removed |= removed;
        Ok(removed)
    }

    /// Takes out the member with this number, from 0, in the order of the form, and hands it to `take`.
    pub fn pop(&mut self, number: u64, take: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        self.removed = true;
        match &mut self.form {
            Form::Small(draft) => {
                let item = Packed::new(&draft.body).nth(number as usize);
                let item = item.expect("a member that is there");
                take(item.bytes);
                let (at, end) = (item.at, item.end);
                draft.replace(at, end, &[]);
            }
            Form::Large(members) => {
                let members = *members;
                let mut member = Vec::new();
                let engine = &mut self.txn.keyspace().engine;
                let found = engine.select(members, number, &mut member)?;
                assert!(found.is_some(), "a member that is there");
                take(&member);
                drop_large(self.txn, members, &member)?;
            }
        }
        Ok(())
    }

    /// Moves the members to a tree of their own.
    fn grow(&mut self) -> Result<TreeId, Error> {
        let Form::Small(draft) = &mut self.form else {
            unreachable!("only a small set grows");
        };
        let body = std::mem::take(&mut draft.body);
        self.txn.engine().need_savepoint();
        let (slot, key) = (&mut self.slot, self.key);
        self.txn.put_trees(slot, key, self.header, &[], TREES)?;
        let members = self.txn.tree(slot, key, MEMBERS)?;
        let engine = self.txn.engine();
        for item in Packed::new(&body).iter() {
            engine.put(members, item.bytes, &[], &[])?;
        }
        self.form = Form::Large(members);
        Ok(members)
    }

    /// The body of a large set that has become small; None if it has not.
    fn shrunk(&mut self, members: TreeId) -> Result<Option<Draft>, Error> {
        let bytes_max = self.txn.keyspace().packed_bytes_max() / 2;
        let engine = &mut self.txn.keyspace().engine;
        if engine.count(members) > SMALL_AGAIN_MEMBERS {
            return Ok(None);
        }
        let (mut found, mut bytes) = (Vec::new(), 0usize);
        engine.scan(members, Seek::First, &mut |member, _| {
            bytes = bytes.saturating_add(packed::item_bytes(member.len()));
            if bytes > bytes_max {
                return ControlFlow::Break(());
            }
            found.push(member.to_vec());
            ControlFlow::Continue(())
        })?;
        if bytes > bytes_max {
            return Ok(None);
        }
        if self.header.encoding == Encoding::Integers {
            sort_integers(&mut found);
        }
        let mut body = Vec::with_capacity(bytes);
        for member in &found {
            packed::push(&mut body, member);
        }
        Ok(Some(Draft::whole(body)))
    }

    /// Deletes the whole set, which is there.
    pub fn delete(self) -> Result<(), Error> {
        self.txn.delete(&self.slot, self.key).map(|_| ())
    }

    /// Writes what was changed and what follows from it. False: no member is left, and the key is gone.
    pub fn finish(mut self) -> Result<bool, Error> {
        if self.is_empty() {
            if self.exists() {
                self.delete()?;
            }
            return Ok(false);
        }
        if let Form::Large(members) = self.form
            && self.removed
            && let Some(draft) = self.shrunk(members)?
        {
            self.form = Form::Small(draft);
        }
        let (slot, key, header) = (&mut self.slot, self.key, self.header);
        match self.form {
            Form::Small(draft) => self.txn.write_draft(slot, key, header, draft)?,
            Form::Large(_) if slot.header() != Some(header) => {
                self.txn.set_header(slot, key, header, &[])?;
            }
            Form::Large(_) => {}
        }
        Ok(true)
    }
}

/// Takes a member out of a large set; the last ones in a way that lets the set become small.
fn remove_large(txn: &mut Txn<'_>, members: TreeId, member: &[u8]) -> Result<bool, Error> {
    if txn.engine().get(members, member)?.is_none() {
        return Ok(false);
    }
    drop_large(txn, members, member)
}

/// As [`remove_large`]; the member is there.
fn drop_large(txn: &mut Txn<'_>, members: TreeId, member: &[u8]) -> Result<bool, Error> {
    let engine = txn.engine();
    if engine.count(members) <= SMALL_AGAIN_MEMBERS + 1 {
        engine.need_savepoint();
    }
    engine.delete(members, member)
}

/// Where in the body a new member goes.
fn place(body: &[u8], encoding: Encoding, member: &[u8]) -> usize {
    let Some(number) = parse_i64(member).filter(|_| encoding == Encoding::Integers) else {
        return body.len();
    };
    let mut later = Packed::new(body).iter();
    let found = later.find(|item| parse_i64(item.bytes).is_some_and(|other| other > number));
    found.map_or(body.len(), |item| item.at)
}
