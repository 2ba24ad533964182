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
        let old = self.value_of(tree, key)?;
        let cell = Cell::new(&old);
        let mut value = Vec::new();
        let slots = slots_of(&cell);
        let end = offset + bytes.len() as u64;
        match cell.body() {
            Body::Inline(body) => {
                let len = end.max(body.len() as u64);
                if self.fits_inline(key, cell.head(), slots.len(), len) {
                    let mut body = body.to_vec();
                    body.resize(len as usize, 0);
                    body[offset as usize..end as usize].copy_from_slice(bytes);
                    cell::encode(&mut value, cell.head(), None, &slots, &body);
                } else {
                    self.need_savepoint();
                    let mut blob = self.make_blob(0, body)?;
                    self.write_blob(&mut blob, offset, bytes)?;
                    cell::encode(&mut value, cell.head(), Some(blob), &slots, &[]);
                }
            }
            Body::Blob { .. } => {
                self.need_savepoint();
                let mut blob = cell.blob().expect("the body is a blob");
                self.write_blob(&mut blob, offset, bytes)?;
                cell::encode(&mut value, cell.head(), Some(blob), &slots, &[]);
            }
        }
        self.replace_value(tree, key, &value)?;
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
        let old = self.value_of(tree, key)?;
        let cell = Cell::new(&old);
        assert!(
            offset + removed <= cell.body_len(),
            "the bytes to replace are in the body"
        );
        let slots = slots_of(&cell);
        let mut body = Vec::new();
        match cell.body() {
            Body::Inline(inline) => body.extend_from_slice(inline),
            Body::Blob { len } => {
                self.need_savepoint();
                let blob = cell.blob().expect("the body is a blob");
                blob::read(&mut self.pager, &blob, 0, len, &mut body)?;
            }
        }
        let (start, end) = (offset as usize, (offset + removed) as usize);
        body.splice(start..end, bytes.iter().copied());
        let mut value = Vec::new();
        if self.fits_inline(key, cell.head(), slots.len(), body.len() as u64) {
            cell::encode(&mut value, cell.head(), None, &slots, &body);
        } else {
            self.need_savepoint();
            let blob = self.make_blob(0, &body)?;
            cell::encode(&mut value, cell.head(), Some(blob), &slots, &[]);
        }
        self.replace_value(tree, key, &value)?;
        self.drop_all(cell.blob());
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
}

/// The trees that hang at a cell.
pub(super) fn slots_of(cell: &Cell<'_>) -> Vec<Desc> {
    (0..cell.slots()).map(|i| cell.slot(i)).collect()
}
