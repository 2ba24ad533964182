//! Trees and blobs that hang nowhere any more: their pages are freed a few at a time, across restarts.

use super::Engine;
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::Cell;
use crate::storage::node::Node;
use crate::storage::page::{Desc, Kind};
use crate::storage::pager::OnMiss;
use crate::storage::tree::Child;

/// Objects of the caller whose pages wait to be freed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burden {
    /// Their trees and blobs stand in the list from here on. What hangs below is put behind, and the list is taken from
    /// its end: once it is no longer than this they are free.
    from: usize,
    objects: u64,
}

impl Engine {
    /// Takes note of what is to be freed. A blob of one page is freed at once.
    pub(super) fn drop_all(&mut self, gone: impl IntoIterator<Item = Desc>) {
        for desc in gone {
            if desc.root.is_null() {
                continue;
            }
            if desc.is_blob && desc.height == 0 {
                self.pager.bury(desc.root);
            } else {
                self.dropped.push(desc);
            }
        }
    }

    /// Whether pages wait to be freed, or what was counted waits to be told free.
    pub fn has_dropped(&self) -> bool {
        !self.dropped.is_empty() || !self.burdens.is_empty()
    }

    /// What was dropped since [`Engine::dropped`] answered `from`, within this transaction, was so many objects of the
    /// caller.
    pub fn count_dropped(&mut self, from: usize, objects: u64) {
        if objects > 0 {
            self.burdens.push(Burden { from, objects });
        }
    }

    /// Counted objects that wait to be freed.
    pub fn dropped_objects(&self) -> u64 {
        self.burdens.iter().map(|burden| burden.objects).sum()
    }

    /// Counted objects that are free.
    pub fn freed_objects(&self) -> u64 {
        self.freed_objects
    }

    /// Begins to count them anew.
    pub fn forget_freed_objects(&mut self) {
        self.freed_objects = 0;
    }

    /// How many trees and blobs wait to be freed; what hangs below them is not counted yet.
    pub fn dropped(&self) -> usize {
        self.dropped.len()
    }

    /// Frees about `pages` pages of what was dropped. Runs between commands. A damaged page is left behind with
    /// everything below it: that space is lost until the file is rebuilt, and the error says so.
    pub fn free_dropped(&mut self, pages: usize) -> Result<(), Error> {
        self.begin_command(OnMiss::Read);
        self.has_freed_dropped |= !self.dropped.is_empty();
        let mut done = Ok(());
        for _ in 0..pages {
            let Some(desc) = self.dropped.pop() else {
                break;
            };
            done = self.free_node(&desc);
            if done.is_err() {
                break;
            }
        }
        while let Some(burden) = self.burdens.last()
            && burden.from >= self.dropped.len()
        {
            self.freed_objects += burden.objects;
            self.burdens.pop();
        }
        done
    }

    /// Frees one page and takes note of what hangs below it.
    fn free_node(&mut self, desc: &Desc) -> Result<(), Error> {
        // The bytes of a blob's leaf say nothing: the page need not be read.
        if desc.is_blob && desc.height == 0 {
            self.pager.bury(desc.root);
            return Ok(());
        }
        let frame = self.pager.fetch(desc.root)?;
        let page = self.pager.bytes(frame);
        let mut below = Vec::new();
        let child = |root| Desc {
            root,
            height: desc.height.saturating_sub(1),
            ..*desc
        };
        match Kind::of(page) {
            Some(Kind::BlobBranch) => below.extend(blob::children(page).map(child)),
            Some(Kind::Branch) => {
                let node = Node::new(page);
                for i in 0..node.len() {
                    below.push(child(Child::decode(node.value(i)).ptr));
                    below.extend(node.overflow(i));
                }
            }
            Some(Kind::Leaf) => {
                let node = Node::new(page);
                for i in 0..node.len() {
                    Cell::new(node.value(i)).attachments_to(&mut below);
                    below.extend(node.overflow(i));
                }
            }
            Some(Kind::BlobLeaf | Kind::FreeMap) | None => {}
        }
        self.pager.bury(desc.root);
        self.dropped
            .extend(below.into_iter().filter(|d| !d.root.is_null()));
        Ok(())
    }
}
