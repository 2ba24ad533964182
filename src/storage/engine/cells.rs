//! Changes to whole cells: put, delete, move, copy, and roots.

use super::bodies::slots_of;
use super::{Engine, Read, RootId, TreeId, finger_of};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::{self, Body, Cell};
use crate::storage::node;
use crate::storage::page::{DESC_BYTES, Desc};
use crate::storage::planted::Bug;
use crate::storage::read::Nested;
use crate::storage::record::{Change, Place};
use crate::storage::tree::{self, Entry};

/// Bytes written to a blob before what was written may leave memory.
pub(super) const BLOB_PIECE_BYTES: usize = 1 << 20;

/// What hung at cells that went.
type Gone = smallvec::SmallVec<[Desc; 4]>;

/// Whether a cell with these parts stands in a page of this size whole.
pub(in crate::storage) fn fits_inline(
    page_bytes: usize,
    key: &[u8],
    head: &[u8],
    slots: usize,
    body: u64,
) -> bool {
    let inline_max = node::key_inline_max(page_bytes);
    let room = node::cell_bytes_max(page_bytes) as u64;
    let fixed = cell::encoded_bytes(head.len(), false, slots, 0);
    let cell = node::cell_bytes(key.len().min(inline_max), key.len() > inline_max, fixed) as u64;
    cell.saturating_add(body) <= room
}

impl Engine {
    /// Puts a cell, replacing what was there with everything that hung at it. A body too large for the page goes
    /// to pages of its own.
    pub fn put(&mut self, tree: TreeId, key: &[u8], head: &[u8], body: &[u8]) -> Result<(), Error> {
        self.before_change(tree, (key.len() + body.len()) as u64)?;
        let mut value = std::mem::take(&mut self.value);
        let done = if self.fits_inline(key, head, 0, body.len() as u64) {
            cell::encode(&mut value, head, None, &[], body);
            self.put_value(tree, key, &value)
        } else {
            self.need_savepoint();
            self.make_blob(body).and_then(|blob| {
                cell::encode(&mut value, head, Some(blob), &[], &[]);
                self.put_value(tree, key, &value)
            })
        };
        self.value = value;
        done?;
        self.note(tree, &Change::Put { key, head, body });
        Ok(())
    }

    /// Puts a cell with an empty body and `slots` empty nested trees.
    pub fn put_nested(
        &mut self,
        tree: TreeId,
        key: &[u8],
        head: &[u8],
        slots: usize,
    ) -> Result<(), Error> {
        self.before_change(tree, key.len() as u64)?;
        let mut value = Vec::new();
        let empty = [Desc::EMPTY_TREE; cell::SLOTS_MAX];
        cell::encode(&mut value, head, None, &empty[..slots], &[]);
        self.put_value(tree, key, &value)?;
        self.note(tree, &Change::PutNested { key, head, slots });
        Ok(())
    }

    /// Replaces the head of a cell and keeps its body and nested trees.
    ///
    /// # Panics
    /// If the key is not there.
    pub fn set_head(&mut self, tree: TreeId, key: &[u8], head: &[u8]) -> Result<(), Error> {
        self.before_change(tree, key.len() as u64)?;
        self.write_nested_of(tree)?;
        let found = self.find(tree, key)?;
        assert!(found, "the caller has seen the key");
        if Cell::new(self.value_at_finger(tree)).head().len() == head.len() {
            self.change_value(tree, |value, _| {
                value[cell::HEAD_OFFSET..][..head.len()].copy_from_slice(head);
            })?;
            self.note(tree, &Change::SetHead { key, head });
            return Ok(());
        }
        let old = self.value_of(tree, key)?;
        let cell = Cell::new(&old);
        let slots = slots_of(&cell);
        let mut value = Vec::new();
        match cell.body() {
            Body::Inline(body) if self.fits_inline(key, head, slots.len(), body.len() as u64) => {
                cell::encode(&mut value, head, None, &slots, body);
            }
            Body::Inline(body) => {
                // A longer head pushes the body out of the page.
                self.need_savepoint();
                let blob = self.make_blob(body)?;
                cell::encode(&mut value, head, Some(blob), &slots, &[]);
            }
            Body::Blob { .. } => cell::encode(&mut value, head, cell.blob(), &slots, &[]),
        }
        self.replace_value(tree, key, &value)?;
        self.note(tree, &Change::SetHead { key, head });
        Ok(())
    }

    /// Takes a cell out, with everything that hangs at it. False: it was not there.
    pub fn delete(&mut self, tree: TreeId, key: &[u8]) -> Result<bool, Error> {
        self.before_change(tree, key.len() as u64)?;
        self.write_nested_of(tree)?;
        if !self.find(tree, key)? {
            return Ok(false);
        }
        let mut gone = Gone::new();
        self.take_found(tree, key, &mut |value| {
            Cell::new(value).attachments_to(&mut gone);
        })?;
        if !gone.is_empty() {
            self.drop_all(gone);
        }
        self.note(tree, &Change::Delete { key });
        Ok(true)
    }

    /// Takes out the cell at `key`, where the finger is, and hands its value to `removed`.
    pub(super) fn take_found(
        &mut self,
        tree: TreeId,
        key: &[u8],
        removed: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        self.mark_changed();
        let mut desc = self.desc(tree);
        let finger = self
            .fingers
            .at_mut(finger_of(&self.roots, &self.nested, tree));
        finger.found = false;
        tree::delete_along(&mut self.pager, &mut desc, &mut finger.path, removed)?;
        finger.rest(&self.pager);
        self.set_desc(tree, desc);
        self.close_nested(tree, Some(key));
        Ok(())
    }

    /// Takes out every key from `from` up to `to` (exclusive; None: to the end). Returns how many.
    pub fn delete_range(
        &mut self,
        tree: TreeId,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<u64, Error> {
        self.before_change(tree, (from.len() + to.map_or(0, <[u8]>::len)) as u64)?;
        self.write_nested_of(tree)?;
        self.need_savepoint();
        self.mark_changed();
        self.close_nested(tree, None);
        let mut desc = self.desc(tree);
        self.fingers
            .at_mut(finger_of(&self.roots, &self.nested, tree))
            .forget(desc.root);
        let mut gone = Vec::new();
        let count = tree::delete_range(&mut self.pager, &mut desc, from, to, &mut |value| {
            Cell::new(value).attachments_to(&mut gone);
        })?;
        self.set_desc(tree, desc);
        self.drop_all(gone);
        self.note(tree, &Change::DeleteRange { from, to });
        Ok(count)
    }

    /// Moves a cell, with everything that hangs at it, to another place, replacing what is there. False: no cell.
    pub fn move_cell(
        &mut self,
        tree: TreeId,
        key: &[u8],
        to: TreeId,
        to_key: &[u8],
    ) -> Result<bool, Error> {
        self.before_change(tree, (key.len() + to_key.len()) as u64)?;
        self.write_nested_back()?;
        self.need_savepoint();
        let Some(value) = self.find_value(tree, key)? else {
            return Ok(false);
        };
        if tree == to && key == to_key {
            return Ok(true);
        }
        self.note_two(tree, to, |place| Change::Move {
            key,
            to: place,
            to_key,
        });
        self.take_found(tree, key, &mut |_| {})?;
        self.put_moved(to, to_key, value)?;
        Ok(true)
    }

    /// A value whose inline size was right for one key may be too large beside a longer one.
    fn put_moved(&mut self, to: TreeId, to_key: &[u8], value: Vec<u8>) -> Result<(), Error> {
        let cell = Cell::new(&value);
        if let Body::Inline(body) = cell.body()
            && !self.fits_inline(to_key, cell.head(), cell.slots(), body.len() as u64)
        {
            let slots = slots_of(&cell);
            let blob = self.make_blob(body)?;
            let mut moved = Vec::new();
            cell::encode(&mut moved, cell.head(), Some(blob), &slots, &[]);
            return self.put_value(to, to_key, &moved);
        }
        self.put_value(to, to_key, &value)
    }

    /// Copies a cell, with everything that hangs at it, to another place, replacing what is there. False: no cell.
    pub fn copy_cell(
        &mut self,
        tree: TreeId,
        key: &[u8],
        to: TreeId,
        to_key: &[u8],
    ) -> Result<bool, Error> {
        self.before_change(tree, (key.len() + to_key.len()) as u64)?;
        self.write_nested_back()?;
        self.need_savepoint();
        let Some(value) = self.find_value(tree, key)? else {
            return Ok(false);
        };
        if tree == to && key == to_key {
            return Ok(true);
        }
        self.note_two(tree, to, |place| Change::Copy {
            key,
            to: place,
            to_key,
        });
        self.mark_changed();
        let copy = tree::copy_value(&mut self.pager, value)?;
        self.put_moved(to, to_key, copy)?;
        Ok(true)
    }

    /// Empties a root: O(1); its pages are freed in the background.
    pub fn drop_root(&mut self, id: RootId) -> Result<(), Error> {
        let tree = self.root(id)?;
        self.before_change(tree, 16)?;
        self.write_nested_back()?;
        self.mark_changed();
        self.fingers.forget();
        self.close_nested(tree, None);
        let old = self.desc(tree);
        self.set_desc(tree, Desc::EMPTY_TREE);
        self.drop_all([old]);
        self.note(tree, &Change::DropRoot(id.0));
        Ok(())
    }

    /// Exchanges two roots: O(1).
    pub fn swap_roots(&mut self, a: RootId, b: RootId) -> Result<(), Error> {
        let (first, second) = (self.root(a)?, self.root(b)?);
        self.before_change(first, 16)?;
        self.write_nested_back()?;
        self.mark_changed();
        self.fingers.forget();
        self.close_nested(first, None);
        self.close_nested(second, None);
        let (x, y) = (self.desc(first), self.desc(second));
        self.set_desc(first, y);
        self.set_desc(second, x);
        self.note(first, &Change::SwapRoots(a.0, b.0));
        Ok(())
    }

    /// Whether a cell with these parts stands in a page whole.
    pub(super) fn fits_inline(&self, key: &[u8], head: &[u8], slots: usize, body: u64) -> bool {
        fits_inline(self.pager.page_bytes(), key, head, slots, body)
    }

    /// A new blob of `bytes`.
    pub(super) fn make_blob(&mut self, bytes: &[u8]) -> Result<Desc, Error> {
        let mut desc = Desc::EMPTY_BLOB;
        self.write_blob(&mut desc, 0, bytes)?;
        Ok(desc)
    }

    /// Writes into a blob piece by piece, so that it may be larger than memory.
    pub(super) fn write_blob(
        &mut self,
        desc: &mut Desc,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let pages = blob::pages_for(self.pager.page_bytes(), bytes.len() as u64);
        self.pager.reserve(pages)?;
        self.mark_changed();
        let (mut at, mut rest) = (offset, bytes);
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(BLOB_PIECE_BYTES));
            blob::write(&mut self.pager, desc, at, piece)?;
            if behind.is_empty() {
                return Ok(());
            }
            self.pager.pass_on();
            at += piece.len() as u64;
            rest = behind;
        }
    }

    /// A copy of the value at `key`.
    pub(super) fn find_value(
        &mut self,
        tree: TreeId,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        if !self.find(tree, key)? {
            return Ok(None);
        }
        Ok(Some(self.value_at_finger(tree).to_vec()))
    }

    pub(super) fn value_of(&mut self, tree: TreeId, key: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self
            .find_value(tree, key)?
            .expect("the caller has seen the key"))
    }

    /// Puts a value at `key`; what hung at an old one is dropped.
    fn put_value(&mut self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let mut desc = self.desc(tree);
        if !self.nested.is_empty() {
            self.write_nested_of(tree)?;
            // What was written back may have moved the root, and has changed what the tree counts.
            if !self.planted.has(Bug::M40CellPutIntoTreeOfBefore) {
                desc = self.desc(tree);
            }
        }
        let is_long = key.len() > node::key_inline_max(self.pager.page_bytes());
        let mut overflow = None;
        if is_long {
            self.need_savepoint();
            if tree::lookup(&mut self.pager, &desc, key)?.is_none() {
                self.mark_changed();
                overflow = tree::make_key_overflow(&mut self.pager, key)?;
            }
        }
        // An insertion reads its whole way before it changes anything, and reads nothing after that: a page that
        // is missed leaves the start as it was.
        let mut gone = Gone::new();
        let entry = Entry {
            key,
            overflow,
            value,
        };
        let mut replaced = |old: &[u8]| Cell::new(old).attachments_to(&mut gone);
        let pager = &mut self.pager;
        let kind = finger_of(&self.roots, &self.nested, tree);
        let is_at = self.fingers.are_at(kind, pager, desc.root, key);
        let finger = self.fingers.at_mut(kind);
        let is_there = is_at || finger.is_in(pager, desc.root) && finger.reach_beyond(pager, key);
        let done = if is_there {
            let found = finger.found;
            let path = &mut finger.path;
            let done = tree::insert_along(pager, &mut desc, &entry, path, found, &mut replaced);
            finger.stand_at(pager, key, true);
            done
        } else {
            finger.forget(desc.root);
            tree::insert_over(pager, &mut desc, &entry, &mut replaced)
        };
        if done.is_ok() || self.pager.is_poisoned() {
            self.mark_changed();
        }
        let is_new = done?;
        self.set_desc(tree, desc);
        if !is_new {
            self.close_nested(tree, Some(key));
        }
        if !gone.is_empty() {
            self.drop_all(gone);
        }
        Ok(())
    }

    /// Replaces the value at `key` by one that has taken over what hangs there.
    pub(super) fn replace_value(
        &mut self,
        tree: TreeId,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let found = self.find(tree, key)?;
        assert!(found, "the caller has seen the key");
        self.mark_changed();
        let mut desc = self.desc(tree);
        let entry = Entry {
            key,
            overflow: None,
            value,
        };
        let finger = self
            .fingers
            .at_mut(finger_of(&self.roots, &self.nested, tree));
        let path = &mut finger.path;
        tree::insert_along(&mut self.pager, &mut desc, &entry, path, true, &mut |_| {})?;
        finger.rest(&self.pager);
        self.set_desc(tree, desc);
        Ok(())
    }

    /// Puts a nested tree's descriptor into its owner's cell.
    pub(super) fn patch_slot(
        &mut self,
        parent: TreeId,
        key: &[u8],
        slot: usize,
        nested: Desc,
    ) -> Result<(), Error> {
        let found = self.find(parent, key)?;
        assert!(found, "the caller has seen the key");
        self.change_value(parent, |value, desc| {
            let at = Cell::new(value).slot_offset(slot);
            let old = &mut value[at..at + DESC_BYTES];
            desc.bytes = desc
                .bytes
                .saturating_add(nested.bytes)
                .saturating_sub(Desc::decode(old).bytes);
            old.copy_from_slice(&nested.encode());
        })
    }

    /// Changes the value under the finger, which has found it, but not its length, and what is known of its tree.
    fn change_value(
        &mut self,
        tree: TreeId,
        change: impl FnOnce(&mut [u8], &mut Desc),
    ) -> Result<(), Error> {
        self.mark_changed();
        let mut desc = self.desc(tree);
        let finger = self
            .fingers
            .at_mut(finger_of(&self.roots, &self.nested, tree));
        let value = tree::value_along(&mut self.pager, &mut desc, &mut finger.path)?;
        change(value, &mut desc);
        finger.rest(&self.pager);
        self.set_desc(tree, desc);
        Ok(())
    }

    /// Descriptors of changed trees that hang in `tree` are put into their cells.
    pub(super) fn write_nested_of(&mut self, tree: TreeId) -> Result<(), Error> {
        let hangs = |n: &Nested| n.is_dirty && !n.is_closed && n.parent == tree;
        if self.has_dirty_nested && self.nested.iter().any(hangs) {
            self.write_nested_back()?;
        }
        Ok(())
    }

    fn note_two<'a>(
        &mut self,
        from: TreeId,
        to: TreeId,
        change: impl FnOnce(Place<'a>) -> Change<'a>,
    ) where
        Self: 'a,
    {
        // The steps of a nested target are copied: the change outlives the borrow of the open trees.
        assert!(!to.is_nested(), "cells move between root trees");
        let root = self.roots[to.index()].id.0;
        let change = change(Place {
            root,
            ..Place::default()
        });
        self.note(from, &change);
    }
}
