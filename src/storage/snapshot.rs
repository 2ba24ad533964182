//! Snapshots: the roots as they were, readable from any thread without the engine lock.
//!
//! Taking one copies the roots and freezes the pages; dropping one tells the registry, and whoever next holds the
//! engine lock gives the pages back.

use std::sync::Arc as StdArc;

use super::Error;
use super::page::{Desc, PageFault, PagePtr, Stamp};
use super::pager::PageSource;
use super::read::{NESTED_BIT, Nested, Read, RootId, TreeId, open_nested};
use super::tree::Pages;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering};

/// Which snapshots have been dropped and not yet given back.
#[derive(Debug, Default)]
pub struct Registry {
    dropped: Mutex<Vec<Stamp>>,
    /// Length of `dropped`, to look at without the lock.
    pending: AtomicUsize,
}

impl Registry {
    pub fn new() -> Self {
        Self {
            dropped: Mutex::new(Vec::new()),
            pending: AtomicUsize::new(0),
        }
    }

    /// A snapshot is gone: its reader will touch no page any more.
    fn announce(&self, stamp: Stamp) {
        let mut dropped = self.dropped.lock();
        dropped.push(stamp);
        // Release pairs with the Acquire in `collect`.
        self.pending.store(dropped.len(), Ordering::Release);
    }

    /// Owner: hands out the snapshots that were dropped since the last call.
    pub fn collect(&self, mut release: impl FnMut(Stamp)) {
        // Acquire pairs with the Release in `announce`; a count seen late is collected next time.
        if self.pending.load(Ordering::Acquire) == 0 {
            return;
        }
        let gone = {
            let mut dropped = self.dropped.lock();
            self.pending.store(0, Ordering::Release);
            std::mem::take(&mut *dropped)
        };
        gone.into_iter().for_each(&mut release);
    }
}

/// Tells the registry when the last reader of a snapshot is gone.
#[derive(Debug)]
struct Hold {
    stamp: Stamp,
    registry: Arc<Registry>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.registry.announce(self.stamp);
    }
}

/// The trees as they were when it was taken.
#[derive(Clone, Debug)]
pub struct Snapshot {
    roots: StdArc<Vec<(RootId, Desc)>>,
    source: PageSource,
    hold: Arc<Hold>,
    is_refused: bool,
}

impl Snapshot {
    pub(super) fn new(
        roots: Vec<(RootId, Desc)>,
        stamp: Stamp,
        source: PageSource,
        registry: Arc<Registry>,
    ) -> Self {
        let hold = Arc::new(Hold { stamp, registry });
        Self {
            roots: StdArc::new(roots),
            source,
            hold,
            is_refused: false,
        }
    }

    /// One that no tree is read from.
    pub(super) fn refused(self) -> Self {
        Self {
            is_refused: true,
            ..self
        }
    }

    /// A reader with buffers of its own.
    pub fn reader(&self) -> Reader {
        Reader {
            roots: self.roots.clone(),
            root_ids: self.roots.iter().map(|(id, _)| *id).collect(),
            nested: Vec::new(),
            pages: Buffers::new(self.source.clone()),
            _hold: self.hold.clone(),
            is_refused: self.is_refused,
        }
    }

    /// The roots it holds.
    pub fn roots(&self) -> &[(RootId, Desc)] {
        &self.roots
    }
}

/// Reads one snapshot. Holds it as long as it lives.
#[derive(Debug)]
pub struct Reader {
    roots: StdArc<Vec<(RootId, Desc)>>,
    /// The root that each handle stands for; those behind the snapshot's own are empty.
    root_ids: Vec<RootId>,
    nested: Vec<Nested>,
    pages: Buffers,
    _hold: Arc<Hold>,
    is_refused: bool,
}

impl Read for Reader {
    type Pages = Buffers;

    fn pages(&mut self) -> &mut Buffers {
        &mut self.pages
    }

    fn desc(&self, tree: TreeId) -> Desc {
        if tree.is_nested() {
            return self.nested[tree.index()].desc;
        }
        self.roots
            .get(tree.index())
            .map_or(Desc::EMPTY_TREE, |(_, desc)| *desc)
    }

    fn root(&mut self, id: RootId) -> Result<TreeId, Error> {
        if self.is_refused {
            return Err(Error::Poisoned);
        }
        let at = self
            .root_ids
            .iter()
            .position(|known| *known == id)
            .unwrap_or_else(|| {
                self.root_ids.push(id);
                self.root_ids.len() - 1
            });
        assert!((at as u32) < NESTED_BIT, "few roots");
        Ok(TreeId(at as u32))
    }

    fn nested(&mut self, parent: TreeId, key: &[u8], slot: usize) -> Result<Option<TreeId>, Error> {
        open_nested(self, |r| &mut r.nested, parent, key, slot)
    }
}

/// Buffers kept after [`Pages::progress`], for the branches that a scan comes back to.
const KEPT_BUFFERS: usize = 32;

/// Pages copied out of the pool or the file, for one reader.
#[derive(Debug)]
pub struct Buffers {
    source: PageSource,
    pages: Vec<(PagePtr, Box<[u8]>)>,
    /// Those from here on may be used again for other pages.
    in_use: usize,
}

impl Buffers {
    pub fn new(source: PageSource) -> Self {
        Self {
            source,
            pages: Vec::new(),
            in_use: 0,
        }
    }
}

impl Pages for Buffers {
    type Slot = usize;

    fn page_bytes(&self) -> usize {
        self.source.page_bytes()
    }

    fn fetch(&mut self, ptr: PagePtr) -> Result<usize, Error> {
        if let Some(i) = self.pages.iter().position(|(held, _)| *held == ptr) {
            if i >= self.in_use {
                self.pages.swap(i, self.in_use);
                self.in_use += 1;
                return Ok(self.in_use - 1);
            }
            return Ok(i);
        }
        if self.in_use == self.pages.len() || self.pages.len() < KEPT_BUFFERS {
            let buffer = vec![0; self.source.page_bytes()].into_boxed_slice();
            self.pages.push((PagePtr::default(), buffer));
        }
        let last = self.pages.len() - 1;
        self.pages.swap(self.in_use, last);
        let (held, buffer) = &mut self.pages[self.in_use];
        *held = PagePtr::default();
        self.source.copy(ptr, buffer)?;
        *held = ptr;
        self.in_use += 1;
        Ok(self.in_use - 1)
    }

    fn bytes(&self, slot: usize) -> &[u8] {
        &self.pages[slot].1
    }

    fn corruption(&self, ptr: PagePtr, fault: PageFault) -> Error {
        self.source.corruption(ptr, fault).into()
    }

    fn progress(&mut self) {
        self.pages.truncate(KEPT_BUFFERS);
        self.in_use = 0;
    }
}

#[cfg(all(test, loom))]
mod models;
