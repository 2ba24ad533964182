//! From the roots to every page. What is still to be visited stands on a stack, so that depth costs no recursion;
//! a page is put there once, by the first pointer to it.

use std::cell::Cell;
use std::rc::Rc;

use super::pages::{HeldPages, PageSet, read_page};
use super::{CheckError, CheckProgress, Checker, Invariant, Severity, Spot, metas};
use crate::storage::blob;
use crate::storage::meta::Meta;
use crate::storage::open::STAMP_COUNTER_BITS;
use crate::storage::page::{self, Desc, Kind, PageFault, PagePtr, Stamp};
use crate::storage::tree::HEIGHT_MAX;
use crate::vfs::VfsErrorKind;

/// Progress is told after this many pages.
const PROGRESS_PAGES: u64 = 1024;

/// What a tree is, for findings and for how it is read.
#[derive(Debug)]
pub(super) struct Owner {
    /// For people.
    pub(super) name: String,
    pub(super) is_catalog: bool,
    /// Its pages are on their way to be freed: its counts and lengths are those of the whole it was a part of.
    pub(super) is_dropped: bool,
    /// How deep it is nested; roots are at 0.
    pub(super) depth: usize,
}

/// The inline part of a separator, and the blob with the rest of it.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) inline: Vec<u8>,
    pub(super) overflow: Option<Desc>,
}

/// The bytes of a tree, for all of its pages that are still to be visited.
#[derive(Debug)]
pub(super) struct Tally {
    /// As its descriptor says.
    expected: u64,
    pub(super) found: Cell<u64>,
    /// A page could not be looked at.
    pub(super) is_blind: Cell<bool>,
}

/// A tree page to visit.
#[derive(Clone, Debug)]
pub(super) struct TreeTask {
    pub(super) ptr: PagePtr,
    pub(super) level: u8,
    /// Entries below, as the one who points says.
    pub(super) count: u64,
    /// Every key below is at least this.
    pub(super) low: Option<Rc<Bound>>,
    /// Every key below is less than this.
    pub(super) high: Option<Rc<Bound>>,
    pub(super) is_root: bool,
    pub(super) owner: Rc<Owner>,
    pub(super) tally: Rc<Tally>,
}

/// A page of a blob to visit.
#[derive(Clone, Debug)]
pub(super) struct BlobTask {
    pub(super) ptr: PagePtr,
    pub(super) height: u8,
    /// Bytes of the blob from the first byte of this page on.
    pub(super) left: u64,
    pub(super) key: Rc<[u8]>,
    pub(super) owner: Rc<Owner>,
}

pub(super) enum Task {
    Tree(TreeTask),
    Blob(BlobTask),
}

/// The walk over the pages of one checkpoint.
pub(super) struct Walk<'c, 'a> {
    pub(super) checker: &'c mut Checker<'a>,
    pub(super) page_bytes: usize,
    pub(super) pages: u64,
    pub(super) first_page: u64,
    /// Stamps of lives that have been are below this one.
    stamp_end: Stamp,
    pub(super) reached: PageSet,
    /// The free runs, in order.
    pub(super) free: Vec<std::ops::Range<u64>>,
    stack: Vec<Task>,
    /// Damage hides what hangs below it.
    pub(super) is_blind: bool,
    pub(super) held: HeldPages<'a>,
}

impl Checker<'_> {
    /// I5 to I20, I26.
    pub(super) fn pages(&mut self, meta: &Meta) -> Result<(), CheckError> {
        let page_bytes = meta.page_bytes as usize;
        let held = HeldPages::new(self.file, page_bytes);
        let next_life = (u64::from(meta.generation) + 1).min(u64::MAX >> STAMP_COUNTER_BITS);
        let mut walk = Walk {
            checker: self,
            page_bytes,
            pages: meta.pages,
            first_page: metas::first_page(meta.page_bytes),
            stamp_end: Stamp(next_life << STAMP_COUNTER_BITS),
            reached: PageSet::default(),
            free: Vec::new(),
            stack: Vec::new(),
            is_blind: false,
            held,
        };
        walk.free_map(meta.free_map)?;
        let catalog = Rc::new(Owner {
            name: "the catalog".to_owned(),
            is_catalog: true,
            is_dropped: false,
            depth: 0,
        });
        walk.push_tree(&meta.catalog, b"", catalog);
        walk.run()?;
        walk.lost_pages();
        Ok(())
    }
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Result<(), CheckError> {
        let mut page = vec![0; self.page_bytes];
        while let Some(task) = self.stack.pop() {
            match task {
                Task::Tree(task) => {
                    let kind = if task.level == 0 {
                        Kind::Leaf
                    } else {
                        Kind::Branch
                    };
                    let low = task.low.as_deref().map_or(&[][..], |b| &b.inline);
                    let sound =
                        self.read(task.ptr, kind, task.level, low, &task.owner, &mut page)?;
                    if sound {
                        self.tree_page(&task, &page);
                    } else {
                        task.tally.is_blind.set(true);
                    }
                    self.tally(&task);
                }
                Task::Blob(task) => {
                    let kind = if task.height == 0 {
                        Kind::BlobLeaf
                    } else {
                        Kind::BlobBranch
                    };
                    let sound = self.read(
                        task.ptr,
                        kind,
                        task.height,
                        &task.key,
                        &task.owner,
                        &mut page,
                    )?;
                    if sound {
                        self.blob_page(&task, &page);
                    }
                }
            }
            let read = self.checker.report.stats.pages_read;
            if read.is_multiple_of(PROGRESS_PAGES) {
                (self.checker.on_progress)(CheckProgress {
                    pages: read,
                    pages_total: self.pages,
                });
            }
        }
        Ok(())
    }

    /// I26, if this was the last page of its tree.
    fn tally(&mut self, task: &TreeTask) {
        let Tally {
            expected,
            found,
            is_blind,
        } = &*task.tally;
        let is_last = Rc::strong_count(&task.tally) == 1;
        if !is_last || is_blind.get() || task.owner.is_dropped || found.get() == *expected {
            return;
        }
        let what = format!(
            "{expected} bytes are counted in the tree, and there are {}",
            found.get()
        );
        let spot = self.spot(task.ptr, b"");
        self.fault(Invariant::Bytes, spot, &task.owner, &what);
    }

    /// Takes note of a pointer; whether the page is to be visited: it lies in the file and no pointer led there
    /// before (I5, I6, I8).
    pub(super) fn reach(&mut self, ptr: PagePtr, from: Spot<'_>, owner: &Owner) -> bool {
        let page = ptr.page.0;
        if page < self.first_page || page >= self.pages {
            let text = format!(
                "{}: a pointer leads to page {page}, and pages are {} to {}",
                owner.name,
                self.first_page,
                self.pages.saturating_sub(1)
            );
            self.checker
                .found(Invariant::PointerInFile, Severity::Error, from, text);
            self.is_blind = true;
            return false;
        }
        if !self.reached.insert(page) {
            let spot = self.spot(ptr, from.key.unwrap_or_default());
            let text = format!("{}: another pointer leads to the same page", owner.name);
            self.checker
                .found(Invariant::ReachedOnce, Severity::Error, spot, text);
            self.is_blind = true;
            return false;
        }
        if self.is_free(page) {
            let spot = self.spot(ptr, from.key.unwrap_or_default());
            let text = format!(
                "{}: the page is in use, and the free map has it",
                owner.name
            );
            self.checker
                .found(Invariant::UsedOrFree, Severity::Error, spot, text);
        }
        true
    }

    pub(super) fn is_free(&self, page: u64) -> bool {
        let behind = self.free.partition_point(|run| run.start <= page);
        behind > 0 && page < self.free[behind - 1].end
    }

    pub(super) fn spot<'k>(&self, ptr: PagePtr, key: &'k [u8]) -> Spot<'k> {
        Spot {
            offset: ptr.page.0.checked_mul(self.page_bytes as u64),
            page: Some(ptr.page.0),
            key: (!key.is_empty()).then_some(key),
        }
    }

    pub(super) fn fault(
        &mut self,
        invariant: Invariant,
        spot: Spot<'_>,
        owner: &Owner,
        what: &str,
    ) {
        let text = format!("{}: {what}", owner.name);
        self.checker.found(invariant, Severity::Error, spot, text);
    }

    /// Reads a page that has been reached (I9 to I12). False: its bytes are not to be looked at.
    pub(super) fn read(
        &mut self,
        ptr: PagePtr,
        kind: Kind,
        level: u8,
        key: &[u8],
        owner: &Owner,
        page: &mut [u8],
    ) -> Result<bool, CheckError> {
        self.checker.report.stats.pages_read += 1;
        let spot = self.spot(ptr, key);
        let found = match read_page(self.checker.file, ptr, page) {
            Ok(found) => found,
            Err(e) if e.kind == VfsErrorKind::Io => {
                let what = format!("it cannot be read: {e}");
                self.fault(Invariant::PageChecksum, spot, owner, &what);
                self.is_blind = true;
                return Ok(false);
            }
            Err(e) => return Err(e.into()),
        };
        if let Err(fault) = found {
            let invariant = match fault {
                PageFault::Number(_) => Invariant::PageNumber,
                PageFault::Stamp { .. } => Invariant::PageStamp,
                PageFault::BehindEnd => Invariant::FileLength,
                PageFault::Checksum { .. } | PageFault::Kind(_) | PageFault::Layout(_) => {
                    Invariant::PageChecksum
                }
            };
            self.fault(invariant, spot, owner, &fault.to_string());
            self.is_blind = true;
            return Ok(false);
        }
        if ptr.stamp >= self.stamp_end || ptr.stamp == Stamp::default() {
            let what = format!(
                "the page was born at {:#x}, and the lives so far end at {:#x}",
                ptr.stamp.0, self.stamp_end.0
            );
            self.fault(Invariant::PageStamp, spot, owner, &what);
        }
        let (found, found_level) = (Kind::of(page), page::level_of(page));
        if found != Some(kind) || found_level != level {
            let what = format!(
                "it is of kind {} and level {found_level}, and {} and {level} belong here",
                page[4], kind as u8
            );
            self.fault(Invariant::PageKind, spot, owner, &what);
            self.is_blind = true;
            return Ok(false);
        }
        if unused_header(kind, page).any(|byte| byte != 0) {
            let what = "bytes of its header that mean nothing are not zero";
            self.fault(Invariant::PageKind, spot, owner, what);
        }
        Ok(true)
    }

    /// Puts a tree on the stack, if its descriptor is one.
    pub(super) fn push_tree(&mut self, desc: &Desc, key: &[u8], owner: Rc<Owner>) {
        self.checker.report.stats.trees += 1;
        let spot = Spot {
            key: Some(key),
            ..Spot::default()
        };
        if desc.root.is_null() {
            if *desc != Desc::EMPTY_TREE && !owner.is_dropped {
                let what = "a tree without a page has a height, a count or a stamp";
                self.fault(Invariant::Cells, spot, &owner, what);
            }
            return;
        }
        if desc.height > HEIGHT_MAX {
            let what = format!("a tree of height {} cannot be", desc.height);
            self.fault(Invariant::Cells, spot, &owner, &what);
            self.is_blind = true;
            return;
        }
        if self.reach(desc.root, spot, &owner) {
            self.stack.push(Task::Tree(TreeTask {
                ptr: desc.root,
                level: desc.height,
                count: desc.count,
                low: None,
                high: None,
                is_root: true,
                owner,
                tally: Rc::new(Tally {
                    expected: desc.bytes,
                    found: Cell::new(0),
                    is_blind: Cell::new(false),
                }),
            }));
        }
    }

    /// Puts a blob on the stack (I17).
    pub(super) fn push_blob(&mut self, desc: &Desc, key: &[u8], owner: &Rc<Owner>) {
        self.checker.report.stats.blobs += 1;
        let spot = Spot {
            key: Some(key),
            ..Spot::default()
        };
        if let Some(what) = blob::shape_fault(desc, self.page_bytes, owner.is_dropped) {
            self.fault(Invariant::BlobGeometry, spot, owner, what);
            if desc.height > blob::height_max(self.page_bytes) {
                self.is_blind = true;
                return;
            }
        }
        if desc.root.is_null() {
            return;
        }
        if self.reach(desc.root, spot, owner) {
            self.stack.push(Task::Blob(BlobTask {
                ptr: desc.root,
                height: desc.height,
                left: desc.count,
                key: key.into(),
                owner: Rc::clone(owner),
            }));
        }
    }

    pub(super) fn push(&mut self, task: Task) {
        self.stack.push(task);
    }
}

/// The bytes of a page's header that its kind gives no meaning.
fn unused_header(kind: Kind, page: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let ranges = match kind {
        Kind::Leaf | Kind::Branch => [34..40, 0..0],
        Kind::BlobLeaf | Kind::BlobBranch => [6..8, 24..40],
        Kind::FreeMap => [6..8, 28..40],
    };
    ranges.into_iter().flat_map(|r| page[r].iter().copied())
}
