//! Cells of the catalog: roots, and the list of dropped trees and blobs.

use std::rc::Rc;

use super::Invariant;
use super::walk::{Owner, TreeTask, Walk};
use crate::storage::blob;
use crate::storage::cell::{Body, Cell};
use crate::storage::engine::{DROPPED_KEY, ROOT_KEY};
use crate::storage::page::{DESC_BYTES, Desc};

/// Descriptors of a long list that are read at a time.
const LIST_PIECE: u64 = 1024;

impl Walk<'_, '_> {
    /// I19. The cell is sound.
    pub(super) fn catalog_cell(&mut self, task: &TreeTask, key: &[u8], cell: &Cell<'_>) {
        let spot = self.spot(task.ptr, key);
        if !cell.head().is_empty() || cell.slots() > 0 {
            let what = "a cell of it has a head or nested trees";
            self.fault(Invariant::Catalog, spot, &task.owner, what);
        }
        match (key, cell.body()) {
            (&[ROOT_KEY, a, b, c, d], Body::Inline(body)) if body.len() == DESC_BYTES => {
                let desc = Desc::decode(body);
                if desc.is_blob || desc.encode() != body {
                    let what = "a root is described as something else than a tree";
                    self.fault(Invariant::Catalog, spot, &task.owner, what);
                }
                let id = u32::from_be_bytes([a, b, c, d]);
                let owner = Rc::new(Owner {
                    name: format!("root {id}"),
                    is_catalog: false,
                    is_dropped: false,
                    depth: 0,
                });
                self.push_tree(&desc, b"", owner);
            }
            (key, Body::Inline(list)) if key == DROPPED_KEY => {
                if !list.len().is_multiple_of(DESC_BYTES) {
                    let what = "the list of dropped trees ends in the middle of one";
                    self.fault(Invariant::Catalog, spot, &task.owner, what);
                }
                self.dropped(task, list);
            }
            (key, Body::Blob { .. }) if key == DROPPED_KEY => self.long_list(task, cell),
            _ => {
                let what = "it has an entry that nobody knows";
                self.fault(Invariant::Catalog, spot, &task.owner, what);
                if let Some(desc) = cell.blob() {
                    self.push_blob(&desc, key, &task.owner);
                }
            }
        }
    }

    /// A list of dropped trees that is too long for its cell.
    fn long_list(&mut self, task: &TreeTask, cell: &Cell<'_>) {
        let Some(desc) = cell.blob() else { return };
        let spot = self.spot(task.ptr, DROPPED_KEY);
        self.push_blob(&desc, DROPPED_KEY, &task.owner);
        let bytes = DESC_BYTES as u64;
        // Each of them has a page of its own.
        if !desc.count.is_multiple_of(bytes) || desc.count / bytes > self.pages {
            let what = "the list of dropped trees has no possible length";
            self.fault(Invariant::Catalog, spot, &task.owner, what);
            self.is_blind = true;
            return;
        }
        if blob::shape_fault(&desc, self.page_bytes, false).is_some() {
            self.is_blind = true;
            return;
        }
        let mut list = Vec::new();
        let mut at = 0;
        while at < desc.count {
            list.clear();
            // A page that cannot be read is found where it is visited.
            if blob::read(&mut self.held, &desc, at, LIST_PIECE * bytes, &mut list).is_err() {
                self.is_blind = true;
                return;
            }
            self.dropped(task, &list);
            at += list.len() as u64;
        }
    }

    fn dropped(&mut self, task: &TreeTask, list: &[u8]) {
        let owner = Rc::new(Owner {
            name: "what was dropped".to_owned(),
            is_catalog: false,
            is_dropped: true,
            depth: 0,
        });
        for bytes in list.chunks_exact(DESC_BYTES) {
            let desc = Desc::decode(bytes);
            if desc.root.is_null() || desc.encode() != bytes {
                let spot = self.spot(task.ptr, DROPPED_KEY);
                let what = "an entry of the list of dropped trees is none";
                self.fault(Invariant::Catalog, spot, &task.owner, what);
            } else if desc.is_blob {
                self.push_blob(&desc, b"", &owner);
            } else {
                self.push_tree(&desc, b"", Rc::clone(&owner));
            }
        }
    }
}
