//! Reading trees: the same calls for the live engine and for snapshots.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::Error;
use super::blob;
use super::cell::Cell;
use super::node::Node;
use super::page::Desc;
use super::tree::{self, Pages, Seek};

/// Names a root tree in the catalog. A root springs into being, empty, when it is first used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootId(pub u32);

/// A handle on an open tree: of a root for ever, of a nested tree until the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeId(pub(super) u32);

/// In a [`TreeId`]: a nested tree.
pub(super) const NESTED_BIT: u32 = 1 << 31;

impl TreeId {
    pub(super) fn is_nested(self) -> bool {
        self.0 & NESTED_BIT != 0
    }

    pub(super) fn index(self) -> usize {
        (self.0 & !NESTED_BIT) as usize
    }
}

/// Reading trees.
pub trait Read {
    type Pages: Pages;

    /// Where pages come from.
    fn pages(&mut self) -> &mut Self::Pages;

    /// What a handle stands for now.
    fn desc(&self, tree: TreeId) -> Desc;

    /// The handle of a root tree.
    fn root(&mut self, id: RootId) -> Result<TreeId, Error>;

    /// Opens nested tree `slot` of the cell at `key`; None if the key is not there. Opening it twice gives the same
    /// handle.
    fn nested(&mut self, parent: TreeId, key: &[u8], slot: usize) -> Result<Option<TreeId>, Error>;

    /// Entries in the tree.
    fn count(&self, tree: TreeId) -> u64 {
        self.desc(tree).count
    }

    /// From the root to the leaves.
    fn levels(&self, tree: TreeId) -> u8 {
        self.desc(tree).height + 1
    }

    /// The cell at `key`.
    #[inline]
    fn get(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Cell<'_>>, Error> {
        let desc = self.desc(tree);
        let Some((slot, index)) = tree::lookup(self.pages(), &desc, key)? else {
            return Ok(None);
        };
        Ok(Some(Cell::new(
            Node::new(self.pages().bytes(slot)).value(index),
        )))
    }

    /// Whether `key` is there: for who asks nothing else of it, and not again.
    #[inline]
    fn contains(&mut self, tree: TreeId, key: &[u8]) -> Result<bool, Error> {
        let desc = self.desc(tree);
        Ok(tree::lookup(self.pages(), &desc, key)?.is_some())
    }

    /// Appends body bytes `offset .. offset + len`, clipped to the body, to `out`. Nothing if the key is not there.
    fn read_body(
        &mut self,
        tree: TreeId,
        key: &[u8],
        offset: u64,
        len: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Some(cell) = self.get(tree, key)? else {
            return Ok(());
        };
        if let Some(desc) = cell.blob() {
            return blob::read(self.pages(), &desc, offset, len, out);
        }
        if let super::cell::Body::Inline(bytes) = cell.body() {
            let start = offset.min(bytes.len() as u64) as usize;
            let end = offset.saturating_add(len).min(bytes.len() as u64) as usize;
            out.extend_from_slice(&bytes[start..end.max(start)]);
        }
        Ok(())
    }

    /// The first entry from `from` in its direction; its key goes over `key_out`.
    fn seek(
        &mut self,
        tree: TreeId,
        from: Seek<'_>,
        key_out: &mut Vec<u8>,
    ) -> Result<Option<Cell<'_>>, Error> {
        let desc = self.desc(tree);
        let Some((slot, index)) = tree::seek(self.pages(), &desc, from, key_out)? else {
            return Ok(None);
        };
        Ok(Some(Cell::new(
            Node::new(self.pages().bytes(slot)).value(index),
        )))
    }

    /// Visits entries from `from` on in its direction until `visit` says stop.
    fn scan(
        &mut self,
        tree: TreeId,
        from: Seek<'_>,
        visit: &mut dyn FnMut(&[u8], Cell<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let desc = self.desc(tree);
        tree::scan(self.pages(), &desc, from, visit)
    }

    /// How many entries have a smaller key.
    fn rank(&mut self, tree: TreeId, key: &[u8]) -> Result<u64, Error> {
        let desc = self.desc(tree);
        tree::rank(self.pages(), &desc, key)
    }

    /// The n-th entry (from 0) in key order; its key goes over `key_out`.
    fn select(
        &mut self,
        tree: TreeId,
        n: u64,
        key_out: &mut Vec<u8>,
    ) -> Result<Option<Cell<'_>>, Error> {
        let desc = self.desc(tree);
        let Some((slot, index)) = tree::seek(self.pages(), &desc, Seek::Nth(n), key_out)? else {
            return Ok(None);
        };
        Ok(Some(Cell::new(
            Node::new(self.pages().bytes(slot)).value(index),
        )))
    }
}

/// Trees opened on the way to something, and where their descriptors stand.
#[derive(Clone, Debug)]
pub(super) struct Nested {
    pub(super) desc: Desc,
    pub(super) parent: TreeId,
    pub(super) key: SmallVec<[u8; 32]>,
    pub(super) slot: usize,
    /// The descriptor has changed and its owner's cell does not say so yet.
    pub(super) is_dirty: bool,
    /// The owner's cell is gone or has other trees now.
    pub(super) is_closed: bool,
}

impl Nested {
    pub(super) fn is(&self, parent: TreeId, key: &[u8], slot: usize) -> bool {
        !self.is_closed && self.parent == parent && self.slot == slot && self.key.as_slice() == key
    }
}

/// Opens a nested tree in a list of open ones.
pub(super) fn open_nested<R: Read>(
    reader: &mut R,
    list: fn(&mut R) -> &mut Vec<Nested>,
    parent: TreeId,
    key: &[u8],
    slot: usize,
) -> Result<Option<TreeId>, Error> {
    if let Some(tree) = opened(list(reader), parent, key, slot) {
        return Ok(Some(tree));
    }
    let Some(cell) = reader.get(parent, key)? else {
        return Ok(None);
    };
    let desc = cell.slot(slot);
    Ok(Some(open(list(reader), parent, key, slot, desc)))
}

/// The handle of a nested tree, if it is open.
pub(super) fn opened(list: &[Nested], parent: TreeId, key: &[u8], slot: usize) -> Option<TreeId> {
    let at = list.iter().position(|n| n.is(parent, key, slot))?;
    Some(TreeId(at as u32 | NESTED_BIT))
}

/// Opens a nested tree that is not open, whose descriptor stands in its owner's cell.
pub(super) fn open(
    list: &mut Vec<Nested>,
    parent: TreeId,
    key: &[u8],
    slot: usize,
    desc: Desc,
) -> TreeId {
    list.push(Nested {
        desc,
        parent,
        key: SmallVec::from_slice(key),
        slot,
        is_dirty: false,
        is_closed: false,
    });
    TreeId((list.len() - 1) as u32 | NESTED_BIT)
}
