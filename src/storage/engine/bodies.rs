//! Changes to parts of bodies.

use super::{Engine, TreeId};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::{self, Body, Cell};
use crate::storage::page::Desc;
use crate::storage::record::Change;

impl Engine {
    /// Writes `bytes` into the body at `offset`, extending it with zeroes up to there if need be. Touches only the
    /// pages that it names.
    ///
    /// # Panics
    /// If the key is not there.
    pub fn write_body(
        &mut self,
        tree: TreeId,
        key: &[u8],
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.before_change(tree, (key.len() + bytes.len()) as u64)?;
        self.write_nested_of(tree)?;
        let end = offset + bytes.len() as u64;
        let is_inline = self.change_inline(tree, key, |body_len| Splice {
            at: offset.min(body_len),
            removed: end.min(body_len).saturating_sub(offset),
            zeroes: offset.saturating_sub(body_len),
            bytes,
        })?;
        if !is_inline {
            let old = self.value_of(tree, key)?;
            let cell = Cell::new(&old);
            self.need_savepoint();
            let mut blob = match cell.body() {
                Body::Inline(body) => self.make_blob(body)?,
                Body::Blob { .. } => cell.blob().expect("the body is a blob"),
            };
            self.write_blob(&mut blob, offset, bytes)?;
            let mut value = Vec::new();
            cell::encode(&mut value, cell.head(), Some(blob), &slots_of(&cell), &[]);
            self.replace_value(tree, key, &value)?;
        }
        self.note(tree, &Change::WriteBody { key, offset, bytes });
        Ok(())
    }

    /// Cuts the body to `len` bytes; a body that is shorter stays as it is.
    ///
    /// # Panics
    /// If the key is not there.
    pub fn truncate_body(&mut self, tree: TreeId, key: &[u8], len: u64) -> Result<(), Error> {
        self.before_change(tree, key.len() as u64)?;
        self.write_nested_of(tree)?;
        let old = self.value_of(tree, key)?;
        let cell = Cell::new(&old);
        if len >= cell.body_len() {
            return Ok(());
        }
        let slots = slots_of(&cell);
        let mut value = Vec::new();
        let mut gone = None;
        match cell.body() {
            Body::Inline(body) => {
                cell::encode(&mut value, cell.head(), None, &slots, &body[..len as usize]);
            }
            Body::Blob { .. } => {
                self.need_savepoint();
                let mut blob = cell.blob().expect("the body is a blob");
                if self.fits_inline(key, cell.head(), slots.len(), len) {
                    let mut body = Vec::new();
                    blob::read(&mut self.pager, &blob, 0, len, &mut body)?;
                    cell::encode(&mut value, cell.head(), None, &slots, &body);
                    gone = Some(blob);
                } else {
                    self.mark_changed();
                    blob::truncate(&mut self.pager, &mut blob, len)?;
                    cell::encode(&mut value, cell.head(), Some(blob), &slots, &[]);
                }
            }
        }
        self.replace_value(tree, key, &value)?;
        self.drop_all(gone);
        self.note(tree, &Change::TruncateBody { key, len });
        Ok(())
    }

    /// Replaces `removed` bytes of the body at `offset` by `bytes`. The log gets the change alone. For bodies that
    /// stand in the page: a longer one is read and written whole.
    ///
    /// # Panics
    /// If the key is not there, or the bytes to remove are not.
    pub fn splice_body(
        &mut self,
        tree: TreeId,
        key: &[u8],
        offset: u64,
        removed: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.before_change(tree, (key.len() + bytes.len()) as u64)?;
        self.write_nested_of(tree)?;
        let is_inline = self.change_inline(tree, key, |_| Splice {
            at: offset,
            removed,
            zeroes: 0,
            bytes,
        })?;
        if !is_inline {
            let old = self.value_of(tree, key)?;
            let cell = Cell::new(&old);
            let slots = slots_of(&cell);
            self.need_savepoint();
            let mut body = Vec::new();
            match cell.blob() {
                None => body.extend_from_slice(&old[cell.body_offset()..]),
                Some(blob) => blob::read(&mut self.pager, &blob, 0, blob.count, &mut body)?,
            }
            let (start, end) = (offset as usize, (offset + removed) as usize);
            body.splice(start..end, bytes.iter().copied());
            let mut value = Vec::new();
            if self.fits_inline(key, cell.head(), slots.len(), body.len() as u64) {
                cell::encode(&mut value, cell.head(), None, &slots, &body);
            } else {
                let blob = self.make_blob(&body)?;
                cell::encode(&mut value, cell.head(), Some(blob), &slots, &[]);
            }
            self.replace_value(tree, key, &value)?;
            self.drop_all(cell.blob());
        }
        self.note(
            tree,
            &Change::SpliceBody {
                key,
                offset,
                removed,
                bytes,
            },
        );
        Ok(())
    }

    /// Changes a body that stands in the page and still does so then; `splice` is told its length. False: nothing has
    /// changed.
    ///
    /// # Panics
    /// If the key is not there, or the bytes to remove are not.
    fn change_inline<'b>(
        &mut self,
        tree: TreeId,
        key: &[u8],
        splice: impl FnOnce(u64) -> Splice<'b>,
    ) -> Result<bool, Error> {
        let found = self.find(tree, key)?;
        assert!(found, "the caller has seen the key");
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        let old = self.value_at_finger(tree);
        let cell = Cell::new(old);
        let is_inline = match cell.body() {
            Body::Blob { .. } => false,
            Body::Inline(body) => {
                let len = body.len() as u64;
                let (slots, splice) = (cell.slots(), splice(len));
                assert!(
                    splice.at + splice.removed <= len,
                    "the bytes to replace are in the body"
                );
                let len = len - splice.removed + splice.zeroes + splice.bytes.len() as u64;
                let fits = self.fits_inline(key, cell.head(), slots, len);
                if fits {
                    let start = cell.body_offset() + splice.at as usize;
                    value.extend_from_slice(&old[..start]);
                    value.resize(start + splice.zeroes as usize, 0);
                    value.extend_from_slice(splice.bytes);
                    value.extend_from_slice(&old[start + splice.removed as usize..]);
                }
                fits
            }
        };
        let done = match is_inline {
            true => self.replace_value(tree, key, &value),
            false => Ok(()),
        };
        self.value = value;
        done.map(|()| is_inline)
    }
}

/// What becomes of a body: `removed` bytes at `at` give way to `zeroes` zero bytes and `bytes`.
struct Splice<'a> {
    at: u64,
    removed: u64,
    zeroes: u64,
    bytes: &'a [u8],
}

/// The trees that hang at a cell.
pub(super) fn slots_of(cell: &Cell<'_>) -> Vec<Desc> {
    (0..cell.slots()).map(|i| cell.slot(i)).collect()
}
