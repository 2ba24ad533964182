//! The catalog, and freezing it for a checkpoint.
//!
//! The catalog is a tree of its own, whose descriptor stands in the meta slot:
//!
//! ```text
//! key                       body
//! "r", root id (4, big-end) descriptor of the root tree
//! "d"                       descriptors of dropped trees and blobs whose pages are not freed yet
//! ```

use std::ops::ControlFlow;

use super::{Engine, Root};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::{self, Body, Cell};
use crate::storage::freemap;
use crate::storage::log::Lsn;
use crate::storage::node::{self, Node};
use crate::storage::page::{DESC_BYTES, Desc, PagePtr, Stamp};
use crate::storage::pager::{OnMiss, Space};
use crate::storage::read::RootId;
use crate::storage::tree::{self, Entry, Seek};

/// The first byte of the key of a root.
pub(in crate::storage) const ROOT_KEY: u8 = b'r';
/// The key of the list of what was dropped.
pub(in crate::storage) const DROPPED_KEY: &[u8] = b"d";

/// The roots of a moment, kept for a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct FrozenRoots {
    pub stamp: Stamp,
    pub lsn: Lsn,
    pub catalog: Desc,
    /// Pages in the file.
    pub pages: u64,
}

/// Everything that a checkpoint writes.
#[derive(Debug)]
pub struct Frozen {
    pub roots: FrozenRoots,
    /// The dirty pages of the moment.
    pub dirty: Vec<PagePtr>,
    /// What the frozen roots do not reach.
    pub unreached: Space,
    /// The pages of the stored free map, not written yet.
    pub map_pages: Vec<PagePtr>,
}

fn root_key(id: RootId) -> [u8; 5] {
    let mut key = [ROOT_KEY; 5];
    key[1..].copy_from_slice(&id.0.to_be_bytes());
    key
}

impl Engine {
    /// Reads roots and dropped trees from the catalog.
    pub(super) fn load_catalog(&mut self) -> Result<(), Error> {
        let catalog = self.catalog;
        let mut roots = Vec::new();
        tree::scan(&mut self.pager, &catalog, Seek::First, &mut |key, cell| {
            if let (&[ROOT_KEY, a, b, c, d], Body::Inline(body)) = (key, cell.body())
                && body.len() == DESC_BYTES
            {
                let id = RootId(u32::from_be_bytes([a, b, c, d]));
                roots.push(Root {
                    id,
                    desc: Desc::decode(body),
                    is_dirty: false,
                });
            }
            ControlFlow::Continue(())
        })?;
        self.roots = roots;
        let mut list = Vec::new();
        if let Some((slot, index)) = tree::lookup(&mut self.pager, &catalog, DROPPED_KEY)? {
            let cell = Cell::new(Node::new(self.pager.bytes(slot)).value(index));
            match (cell.blob(), cell.body()) {
                (Some(desc), _) => {
                    blob::read(&mut self.pager, &desc, 0, desc.count, &mut list)?;
                }
                (None, Body::Inline(bytes)) => list.extend_from_slice(bytes),
                (None, Body::Blob { .. }) => {}
            }
        }
        self.dropped = list.chunks_exact(DESC_BYTES).map(Desc::decode).collect();
        Ok(())
    }

    /// Makes the catalog say what the roots are.
    fn save_catalog(&mut self) -> Result<(), Error> {
        for i in 0..self.roots.len() {
            let Root { id, desc, is_dirty } = self.roots[i];
            if !is_dirty {
                continue;
            }
            let mut value = Vec::new();
            cell::encode(&mut value, &[], None, &[], &desc.encode());
            self.put_in_catalog(&root_key(id), &value)?;
            self.roots[i].is_dirty = false;
        }
        self.save_dropped()
    }

    fn put_in_catalog(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let mut catalog = self.catalog;
        let entry = Entry {
            key,
            overflow: None,
            value,
        };
        let mut gone = Vec::new();
        let done = tree::insert_over(&mut self.pager, &mut catalog, &entry, &mut |old| {
            Cell::new(old).attachments_to(&mut gone);
        });
        self.catalog = catalog;
        done?;
        for desc in gone {
            blob::drop_all(&mut self.pager, &desc)?;
        }
        Ok(())
    }

    fn save_dropped(&mut self) -> Result<(), Error> {
        let known = tree::lookup(&mut self.pager, &self.catalog, DROPPED_KEY)?.is_some();
        if self.dropped.is_empty() && !known {
            self.has_freed_dropped = false;
            return Ok(());
        }
        let list: Vec<u8> = self.dropped.iter().flat_map(Desc::encode).collect();
        let mut value = Vec::new();
        let room = node::cell_bytes_max(self.pager.page_bytes());
        let inline = cell::encoded_bytes(0, false, 0, list.len());
        if node::cell_bytes(DROPPED_KEY.len(), false, inline) <= room {
            cell::encode(&mut value, &[], None, &[], &list);
        } else {
            let mut desc = Desc::EMPTY_BLOB;
            blob::write(&mut self.pager, &mut desc, 0, &list)?;
            cell::encode(&mut value, &[], Some(desc), &[], &[]);
        }
        self.put_in_catalog(DROPPED_KEY, &value)?;
        self.has_freed_dropped = false;
        Ok(())
    }

    /// Freezes everything for a checkpoint: the only part of one that happens under the engine lock and is more
    /// than bookkeeping. `old_map` is the stored free map that the new one replaces.
    pub fn freeze(&mut self, old_map: &[PagePtr]) -> Result<Frozen, Error> {
        self.begin_command(OnMiss::Read);
        self.set_urgent(true);
        let done = self.freeze_urgently(old_map);
        self.set_urgent(false);
        done
    }

    fn freeze_urgently(&mut self, old_map: &[PagePtr]) -> Result<Frozen, Error> {
        self.save_catalog()?;
        let stamp = self.pager.freeze();
        match self.claim_map(old_map) {
            Ok((unreached, map_pages)) => {
                let roots = FrozenRoots {
                    stamp,
                    lsn: self.last_lsn(),
                    catalog: self.catalog,
                    pages: self.pager.space().pages(),
                };
                self.has_unlogged = false;
                Ok(Frozen {
                    roots,
                    dirty: self.pager.take_dirty(),
                    unreached,
                    map_pages,
                })
            }
            Err(e) => {
                self.pager.release(stamp);
                Err(e)
            }
        }
    }

    /// Takes pages for the free map and says what the map holds.
    fn claim_map(&mut self, old_map: &[PagePtr]) -> Result<(Space, Vec<PagePtr>), Error> {
        let page_bytes = self.pager.page_bytes();
        let with_old = |engine: &Self| {
            let mut unreached = engine.pager.unreached();
            old_map.iter().for_each(|ptr| unreached.release(ptr.page));
            unreached
        };
        // Taking the lowest free pages makes no more runs than there are; growth makes one more.
        let runs = with_old(self).extents().len() + 2;
        let count = freemap::pages_for(page_bytes, runs);
        self.pager.reserve(count as u64)?;
        let map_pages = self.pager.birth_outside(count)?;
        Ok((with_old(self), map_pages))
    }
}
