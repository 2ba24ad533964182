//! Pages below a damaged one: no pointer that can be read leads there, so all pages are read.
//!
//! A page that is neither reached nor free is in use by the checkpoint (I7). So where the stored free map can be read, what
//! is found is of the checkpoint exactly; where it cannot, pages that were superseded are found too, and of two entries
//! with one key the one on the page born later wins. A page does not say which tree it is of. It goes to the damaged
//! page that is higher, whose bounds have its keys, that counts as many entries at least, and whose entries look like its
//! own; if several do, nothing says to which.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::roots::{Base, each_page, is_in};
use super::source::is_laid_out;
use super::target::Way;
use super::walk::{Branch, Task, Walk};
use super::{SalvageError, Spot};
use crate::storage::cell::{self, Cell};
use crate::storage::check::pages::PageSet;
use crate::storage::node::Node;
use crate::storage::page::{self, HEADER_BYTES, Kind, PageNo, PagePtr, Stamp};
use crate::storage::read::RootId;
use crate::storage::tree::{CHILD_BYTES, Child, HEIGHT_MAX};
use crate::vfs::{VfsFile, read_up_to};

/// Tops of trees that are remembered at a time.
const TOPS_MAX: usize = 1 << 16;

/// A page to which no page leads.
type Top = (Stamp, PageNo);

/// What is seen of a tree whose top it is.
struct Sight {
    level: u8,
    count: u64,
    /// The first leaf.
    leaf: Vec<u8>,
    /// The first key of the first leaf, as far as it stands there.
    first: Vec<u8>,
    /// The last key of the top page.
    last: Vec<u8>,
}

/// A root tree of which nothing says which one it is.
struct Stray {
    ptr: PagePtr,
    count: u64,
}

/// Where it goes.
enum Home {
    /// In the place of a page that is missing.
    Lost(usize),
    /// It is this root tree.
    Root(RootId),
    /// It is a root tree, and nothing says which one.
    Stray,
    /// Several places would do.
    Several,
    Nowhere,
}

impl Walk<'_, '_> {
    /// Takes what hangs below pages that could not be read.
    pub fn orphans(&mut self, base: &Base) -> Result<(), SalvageError> {
        let has_hidden = self.lost.iter().any(|lost| lost.task.level > 0);
        if !has_hidden && self.is_catalog_whole {
            return Ok(());
        }
        let (orphans, below) = self.find(base)?;
        let (mut after, mut strays) = (None, Vec::new());
        loop {
            let tops = self.tops(base, &orphans, &below, after)?;
            for (stamp, page) in &tops {
                let ptr = PagePtr {
                    page: *page,
                    stamp: *stamp,
                };
                self.take(ptr, &mut strays)?;
            }
            after = tops.last().copied();
            if tops.len() < TOPS_MAX {
                break;
            }
        }
        self.take_strays(strays)
    }

    /// Gives each of these trees a root of its own, so that none takes the place of another's keys; the largest comes
    /// first. Where superseded trees are among them, all go to one.
    fn take_strays(&mut self, mut strays: Vec<Stray>) -> Result<(), SalvageError> {
        if self.free.is_some() {
            strays.sort_by_key(|stray| std::cmp::Reverse(stray.count));
        }
        for stray in strays {
            let Some(sight) = self.look(stray.ptr)? else {
                continue;
            };
            let Some(root) = self.stray_root(&sight) else {
                continue;
            };
            if self.free.is_some() {
                self.known_roots.insert(root);
            }
            self.take_root(stray.ptr, &sight, root)?;
        }
        Ok(())
    }

    /// The tree pages that are in use and were not reached, as far as is known, and those of them to which one of
    /// them leads.
    fn find(&mut self, base: &Base) -> Result<(PageSet, PageSet), SalvageError> {
        let (mut orphans, mut below) = (PageSet::default(), PageSet::default());
        let source = &self.source;
        let free = self.free.as_deref().unwrap_or_default();
        let mut see = |ptr: PagePtr, page: &[u8]| {
            if ptr.stamp > base.stamp_max
                || source.reached.has(ptr.page.0)
                || is_in(free, ptr.page.0)
                || !is_tree_page(page)
            {
                return Ok(());
            }
            orphans.insert(ptr.page.0);
            for child in pointers(&Node::new(page)) {
                if child.page.0 < source.pages && is_at(source.file, source.page_bytes, child)? {
                    below.insert(child.page.0);
                }
            }
            Ok(())
        };
        let pages = source.first_page..source.pages;
        each_page(source.file, source.page_bytes, pages, self.tell, &mut see)?;
        Ok((orphans, below))
    }

    /// The oldest tops behind one.
    fn tops(
        &mut self,
        base: &Base,
        orphans: &PageSet,
        below: &PageSet,
        after: Option<Top>,
    ) -> Result<BTreeSet<Top>, SalvageError> {
        let mut tops = BTreeSet::new();
        let source = &self.source;
        let mut see = |ptr: PagePtr, _: &[u8]| {
            let top = (ptr.stamp, ptr.page);
            let is_top = orphans.has(ptr.page.0) && !below.has(ptr.page.0);
            if is_top && ptr.stamp <= base.stamp_max && after.is_none_or(|after| top > after) {
                tops.insert(top);
                if tops.len() > TOPS_MAX {
                    tops.pop_last();
                }
            }
            Ok(())
        };
        let pages = source.first_page..source.pages;
        each_page(source.file, source.page_bytes, pages, self.tell, &mut see)?;
        Ok(tops)
    }

    fn take(&mut self, ptr: PagePtr, strays: &mut Vec<Stray>) -> Result<(), SalvageError> {
        if self.source.reached.has(ptr.page.0) {
            return Ok(());
        }
        let Some(sight) = self.look(ptr)? else {
            return Ok(());
        };
        match self.home(&sight) {
            Home::Lost(index) => self.take_lost(ptr, &sight, index)?,
            Home::Root(root) => self.take_root(ptr, &sight, root)?,
            Home::Stray => strays.push(Stray {
                ptr,
                count: sight.count,
            }),
            // Where superseded pages are found too, one that fits nowhere is probably one of them.
            Home::Nowhere if self.free.is_none() => {}
            Home::Several | Home::Nowhere => {
                self.report.unplaced = self.report.unplaced.saturating_add(sight.count);
            }
        }
        Ok(())
    }

    fn take_lost(&mut self, ptr: PagePtr, sight: &Sight, index: usize) -> Result<(), SalvageError> {
        let lost = &mut self.lost[index];
        lost.found = lost.found.saturating_add(sight.count);
        let task = &lost.task;
        let way = &task.branch.way;
        if let (Some((key, _)), true) = (way.steps.first(), task.branch.copies) {
            let loss = self.report.keys.entry((way.root.0, key.clone()));
            loss.or_default().is_scanned = true;
        }
        let (branch, is_guessed) = (Rc::clone(&task.branch), task.is_guessed);
        self.take_into(ptr, sight, branch, is_guessed)
    }

    fn take_root(&mut self, ptr: PagePtr, sight: &Sight, root: RootId) -> Result<(), SalvageError> {
        let branch = Branch {
            way: Way::of(root),
            copies: !self.rules.is_derived(root),
            head: Vec::new(),
        };
        self.take_into(ptr, sight, Rc::new(branch), true)
    }

    fn take_into(
        &mut self,
        ptr: PagePtr,
        sight: &Sight,
        branch: Rc<Branch>,
        is_guessed: bool,
    ) -> Result<(), SalvageError> {
        self.is_range_open = false;
        self.push(Task {
            ptr,
            level: sight.level,
            count: sight.count,
            low: None,
            high: None,
            branch,
            is_scanned: true,
            is_guessed,
        });
        self.run()
    }

    /// Looks at a tree without entering it. None: its first leaf cannot be read.
    fn look(&self, ptr: PagePtr) -> Result<Option<Sight>, SalvageError> {
        let mut page = vec![0; self.source.page_bytes];
        let offset = ptr.page.0 * self.source.page_bytes as u64;
        if read_up_to(self.source.file, &mut page, offset)? < page.len() || !is_tree_page(&page) {
            return Ok(None);
        }
        let node = Node::new(&page);
        let mut last = Vec::new();
        node.key_over(node.len() - 1, &mut last);
        let (level, count) = (page::level_of(&page), entries(&node));
        for level in (0..level).rev() {
            let Some(first) = pointers(&Node::new(&page)).next() else {
                return Ok(None);
            };
            let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
            if !self.source.is(first, kind, level, &mut page)? {
                return Ok(None);
            }
        }
        let mut first = Vec::new();
        Node::new(&page).key_over(0, &mut first);
        Ok(Some(Sight {
            level,
            count,
            leaf: page,
            first,
            last,
        }))
    }

    fn home(&self, sight: &Sight) -> Home {
        let mut homes = (0..self.lost.len()).filter(|index| self.is_home(*index, sight));
        if let Some(first) = homes.next() {
            return match homes.next() {
                None => Home::Lost(first),
                Some(_) => Home::Several,
            };
        }
        let may_be_root = self.free.is_some() || self.known_roots.is_empty();
        if self.is_catalog_whole || !may_be_root {
            return Home::Nowhere;
        }
        let fits = |root: RootId| {
            let spot = Spot {
                root: Some(root),
                slots: &[],
                head: &[],
            };
            self.all_fit(spot, sight)
        };
        // Of several roots the one that last had about as many entries.
        let missing = self.missing_roots.iter().filter(|(root, _)| fits(*root));
        missing
            .min_by_key(|(_, count)| count.abs_diff(sight.count))
            .map(|(root, _)| Home::Root(*root))
            .or_else(|| self.stray_root(sight).map(|_| Home::Stray))
            .unwrap_or(Home::Nowhere)
    }

    fn is_home(&self, index: usize, sight: &Sight) -> bool {
        let lost = &self.lost[index];
        let task = &lost.task;
        let in_bounds = task.low.as_deref().is_none_or(|low| *sight.first >= *low)
            && task.high.as_deref().is_none_or(|high| *sight.last < *high);
        // Superseded pages may count more than there are.
        let has_room = self.free.is_none() || sight.count <= task.count.saturating_sub(lost.found);
        if task.level <= sight.level || !in_bounds || !has_room {
            return false;
        }
        let way = &task.branch.way;
        let slots: Vec<usize> = way.steps.iter().map(|(_, slot)| *slot).collect();
        let spot = Spot {
            root: Some(way.root),
            slots: &slots,
            head: &task.branch.head,
        };
        self.all_fit(spot, sight)
    }

    fn all_fit(&self, spot: Spot<'_>, sight: &Sight) -> bool {
        let node = Node::new(&sight.leaf);
        let mut key = Vec::new();
        (0..node.len()).all(|i| {
            node.key_over(i, &mut key);
            cell::is_sound(node.value(i)) && self.rules.fits(spot, &key, &Cell::new(node.value(i)))
        })
    }

    /// A root that such a tree may be, and that no other is.
    fn stray_root(&self, sight: &Sight) -> Option<RootId> {
        let node = Node::new(&sight.leaf);
        if !cell::is_sound(node.value(0)) {
            return None;
        }
        let cell = Cell::new(node.value(0));
        let root = |nth| self.rules.stray_root(&sight.first, &cell, nth);
        let first = root(0)?;
        let spot = Spot {
            root: Some(first),
            slots: &[],
            head: &[],
        };
        if !self.all_fit(spot, sight) {
            return None;
        }
        // Each root that is known takes one number at most.
        let mut others = (0..=self.known_roots.len() as u32).map_while(root);
        Some(
            others
                .find(|root| !self.known_roots.contains(root))
                .unwrap_or(first),
        )
    }
}

fn is_tree_page(page: &[u8]) -> bool {
    let is_level = match (Kind::of(page), page::level_of(page)) {
        (Some(Kind::Leaf), level) => level == 0,
        (Some(Kind::Branch), level) => (1..=HEIGHT_MAX).contains(&level),
        _ => false,
    };
    is_level && is_laid_out(page)
}

/// The pages of trees that a tree page leads to.
fn pointers<'n>(node: &'n Node<'_>) -> impl Iterator<Item = PagePtr> + 'n {
    (0..node.len()).flat_map(move |i| {
        let value = node.value(i);
        let mut found = smallvec::SmallVec::<[PagePtr; 4]>::new();
        if !node.is_leaf() {
            if value.len() == CHILD_BYTES {
                found.push(Child::decode(value).ptr);
            }
        } else if cell::is_sound(value) {
            let trees = Cell::new(value).attachments().filter(|desc| !desc.is_blob);
            found.extend(trees.map(|desc| desc.root).filter(|ptr| !ptr.is_null()));
        }
        found
    })
}

/// Entries below a page, as it says.
fn entries(node: &Node<'_>) -> u64 {
    if node.is_leaf() {
        return node.len() as u64;
    }
    (0..node.len())
        .filter(|i| node.value(*i).len() == CHILD_BYTES)
        .map(|i| Child::decode(node.value(i)).count)
        .fold(0, u64::saturating_add)
}

/// Whether the header at a place is that of the page.
fn is_at(file: &dyn VfsFile, page_bytes: usize, ptr: PagePtr) -> Result<bool, SalvageError> {
    let mut header = [0; HEADER_BYTES];
    let Some(offset) = ptr.page.0.checked_mul(page_bytes as u64) else {
        return Ok(false);
    };
    match read_up_to(file, &mut header, offset) {
        Ok(read) => Ok(read == HEADER_BYTES && page::ptr_of(&header) == ptr),
        Err(e) if e.kind == crate::vfs::VfsErrorKind::Io => Ok(false),
        Err(e) => Err(e.into()),
    }
}
