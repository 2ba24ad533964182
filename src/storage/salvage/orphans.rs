//! Pages below a damaged one: no pointer that can be read leads there, so all pages are read.
//!
//! A page that is neither reached nor free is in use by the checkpoint (I7). So where the stored free map can be read, what
//! is found is of the checkpoint exactly; where it cannot, pages that were superseded are found too. A page does not say
//! which tree it is of. It goes to the damaged page that is higher, whose bounds have its keys, that counts as many
//! entries at least, and whose entries look like its own; if pages of several trees do, nothing says to which. Pages of root
//! trees come first, so that damage to the trees at their cells is known before pages of those are looked at. Where superseded
//! pages are found or cells are missing, a page may be of a collection that is not there: then it goes to one only if
//! exactly what is missing there was found, or to none.
//!
//! Whatever a page says, of its entries those are taken that lie within the bounds of a damaged page of the tree and are not there
//! yet ([`Strainer`]): what was read from the root on stays. The page that was born last is the first. An earlier one
//! was superseded by what was born later, and by nothing born before; so what a page says of a range of keys, all
//! of them between its separators, hides what earlier ones say of the same range, also that a key is not there.
//! (Births say nothing of two pages between which entries were moved while the older one could still be changed in place. That an
//! entry is older is told of all that is found where superseded pages are.)

use std::collections::BTreeSet;
use std::rc::Rc;

use super::roots::{Base, each_page, is_catalog, is_in};
use super::source::{Entered, is_laid_out};
use super::target::Way;
use super::walk::{Branch, Lost, Task, Walk};
use super::{SalvageError, Spot};
use crate::storage::cell::{self, Cell};
use crate::storage::check::pages::PageSet;
use crate::storage::node::Node;
use crate::storage::page::{self, HEADER_BYTES, Kind, PageNo, PagePtr, Stamp};
use crate::storage::pager::OnMiss;
use crate::storage::read::{Read, RootId};
use crate::storage::record::DEPTH_MAX;
use crate::storage::tree::{CHILD_BYTES, Child, HEIGHT_MAX};
use crate::vfs::{VfsFile, read_up_to};

const FREE_MAP_LOST: &str = "which pages are free cannot be read: pages that others have replaced were found too. What was \
     found by scanning may be of an earlier state, and elements of collections were left out";

/// Tops of trees that are remembered at a time.
const TOPS_MAX: usize = 1 << 16;

/// Pages below a top that are read in search of a leaf that can be read.
const LOOKS_MAX: usize = 1 << 10;

/// A page to which no page leads.
type Top = (Stamp, PageNo);

/// What was found by reading all pages.
struct Orphans {
    /// Tree pages that are in use and were not reached, as far as is known.
    pages: PageSet,
    /// Those of them to which one of them leads.
    below: PageSet,
    /// The others, if they are not too many.
    tops: Option<BTreeSet<Top>>,
}

/// What may be taken of pages that are placed in a tree.
pub(super) struct Strainer {
    branch: Rc<Branch>,
    windows: Vec<Window>,
    /// Where entries are counted that are missing by themselves.
    home: Option<usize>,
}

/// The keys of a damaged page.
struct Window {
    low: Option<Rc<[u8]>>,
    high: Option<Rc<[u8]>>,
    /// Which of the damaged pages.
    lost: Option<usize>,
}

impl Window {
    fn has(&self, key: &[u8]) -> bool {
        self.low.as_deref().is_none_or(|low| key >= low)
            && self.high.as_deref().is_none_or(|high| key < high)
    }
}

/// What is seen of a tree whose top it is.
struct Sight {
    level: u8,
    count: u64,
    /// The first leaf that can be read.
    leaf: Vec<u8>,
    /// The first key of that leaf, as far as it stands there.
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
    /// Several trees would do.
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
        if self.free.is_none() && !base.is_scanned {
            self.report.notes.push(FREE_MAP_LOST.to_owned());
        }
        let mut orphans = self.find(base)?;
        for depth in 0..=DEPTH_MAX {
            let has_lost = self.lost.iter().any(|lost| lost.is_at(depth));
            if !has_lost && (depth > 0 || self.is_catalog_whole) {
                continue;
            }
            self.unsure.clear();
            if self.lacks_owners(depth) {
                self.find_unsure(base, &mut orphans, depth)?;
            }
            let mut strays = Vec::new();
            self.each_top(base, &mut orphans, &mut |walk, ptr| {
                walk.place(ptr, depth, &mut strays)
            })?;
            self.take_strays(strays)?;
        }
        self.each_top(base, &mut orphans, &mut |walk, ptr| walk.leave(ptr))
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

    /// Whether cells are missing at which trees so deep may hang: their pages would fit elsewhere, too.
    fn lacks_owners(&self, depth: usize) -> bool {
        let mut above = self.lost.iter().filter(|lost| lost.depth() < depth);
        above.any(|lost| lost.found < lost.task.count)
    }

    /// Finds the damaged pages in whose place not exactly as many entries were found as are missing.
    fn find_unsure(
        &mut self,
        base: &Base,
        orphans: &mut Orphans,
        depth: usize,
    ) -> Result<(), SalvageError> {
        let mut fitting = vec![0_u64; self.lost.len()];
        self.each_top(base, orphans, &mut |walk, ptr| {
            if let Some(sight) = walk.look(ptr)?
                && let Home::Lost(index) = walk.home(&sight)
            {
                fitting[index] = fitting[index].saturating_add(sight.count);
            }
            Ok(())
        })?;
        let lost = self.lost.iter().zip(fitting).enumerate();
        let unsure = lost.filter(|(_, (lost, fitting))| {
            lost.is_at(depth) && *fitting != lost.task.count.saturating_sub(lost.found)
        });
        self.unsure = unsure.map(|(index, _)| index).collect();
        Ok(())
    }

    fn find(&mut self, base: &Base) -> Result<Orphans, SalvageError> {
        let (mut pages, mut below) = (PageSet::default(), PageSet::default());
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
            pages.insert(ptr.page.0);
            for child in pointers(&Node::new(page)) {
                if child.page.0 < source.pages && is_at(source.file, source.page_bytes, child)? {
                    below.insert(child.page.0);
                }
            }
            Ok(())
        };
        let all = source.first_page..source.pages;
        each_page(source.file, source.page_bytes, all, self.tell, &mut see)?;
        Ok(Orphans {
            pages,
            below,
            tops: None,
        })
    }

    /// Hands every page to which no page leads to `work`, the one born last first.
    fn each_top(
        &mut self,
        base: &Base,
        orphans: &mut Orphans,
        work: &mut dyn FnMut(&mut Self, PagePtr) -> Result<(), SalvageError>,
    ) -> Result<(), SalvageError> {
        let mut before = None;
        loop {
            let tops = match &orphans.tops {
                Some(tops) => tops.clone(),
                None => self.tops(base, orphans, before)?,
            };
            for (stamp, page) in tops.iter().rev() {
                let ptr = PagePtr {
                    page: *page,
                    stamp: *stamp,
                };
                if !self.source.reached.has(page.0) {
                    work(self, ptr)?;
                }
            }
            if tops.len() < TOPS_MAX {
                if before.is_none() {
                    orphans.tops = Some(tops);
                }
                return Ok(());
            }
            before = tops.first().copied();
        }
    }

    /// The newest tops before one.
    fn tops(
        &mut self,
        base: &Base,
        orphans: &Orphans,
        before: Option<Top>,
    ) -> Result<BTreeSet<Top>, SalvageError> {
        let mut tops = BTreeSet::new();
        let source = &self.source;
        let mut see = |ptr: PagePtr, _: &[u8]| {
            let top = (ptr.stamp, ptr.page);
            let is_top = orphans.pages.has(ptr.page.0) && !orphans.below.has(ptr.page.0);
            if is_top && ptr.stamp <= base.stamp_max && before.is_none_or(|before| top < before) {
                tops.insert(top);
                if tops.len() > TOPS_MAX {
                    tops.pop_first();
                }
            }
            Ok(())
        };
        let pages = source.first_page..source.pages;
        each_page(source.file, source.page_bytes, pages, self.tell, &mut see)?;
        Ok(tops)
    }

    /// Takes a tree, if it goes into one at so many cells below a root, or is a root tree.
    fn place(
        &mut self,
        ptr: PagePtr,
        depth: usize,
        strays: &mut Vec<Stray>,
    ) -> Result<(), SalvageError> {
        let Some(sight) = self.look(ptr)? else {
            return Ok(());
        };
        match self.home(&sight) {
            Home::Lost(index) if self.lost[index].is_at(depth) => {
                self.take_lost(ptr, &sight, index)?;
            }
            Home::Root(root) if depth == 0 => self.take_root(ptr, &sight, root)?,
            Home::Stray if depth == 0 => strays.push(Stray {
                ptr,
                count: sight.count,
            }),
            _ => {}
        }
        Ok(())
    }

    /// Counts what was not taken.
    fn leave(&mut self, ptr: PagePtr) -> Result<(), SalvageError> {
        let Some(sight) = self.look(ptr)? else {
            return Ok(());
        };
        // Where superseded pages are found too, one that fits nowhere is probably one of them.
        if self.free.is_some() || matches!(self.home(&sight), Home::Several) {
            self.report.unplaced = self.report.unplaced.saturating_add(sight.count);
        }
        Ok(())
    }

    fn take_lost(&mut self, ptr: PagePtr, sight: &Sight, index: usize) -> Result<(), SalvageError> {
        let task = &self.lost[index].task;
        let branch = Rc::clone(&task.branch);
        let way = &branch.way;
        if let (Some((key, _)), true) = (way.steps.first(), branch.copies) {
            let loss = self.report.keys.entry((way.root.0, key.clone()));
            loss.or_default().is_scanned = true;
        }
        let mut others = self.known_roots.iter().filter(|root| **root != way.root);
        let is_guessed = task.is_guessed
            || (self.free.is_none()
                && way.steps.is_empty()
                && others.any(|root| self.all_fit(Spot::of_root(*root), sight)));
        let same = |lost: &Lost| Rc::ptr_eq(&lost.task.branch, &branch) && lost.task.level > 0;
        let lost = self.lost.iter().enumerate();
        let windows = lost.filter(|(_, lost)| same(lost)).map(|(i, lost)| Window {
            low: lost.task.low.clone(),
            high: lost.task.high.clone(),
            lost: Some(i),
        });
        let windows = windows.collect();
        let strainer = Strainer {
            branch,
            windows,
            home: Some(index),
        };
        self.take_into(ptr, sight, strainer, is_guessed)
    }

    fn take_root(&mut self, ptr: PagePtr, sight: &Sight, root: RootId) -> Result<(), SalvageError> {
        let strainer = Strainer {
            branch: Branch::new(Way::of(root), !self.rules.is_derived(root), Vec::new()),
            windows: vec![Window {
                low: None,
                high: None,
                lost: None,
            }],
            home: None,
        };
        self.take_into(ptr, sight, strainer, true)
    }

    fn take_into(
        &mut self,
        ptr: PagePtr,
        sight: &Sight,
        strainer: Strainer,
        is_guessed: bool,
    ) -> Result<(), SalvageError> {
        self.is_range_open = false;
        self.push(Task {
            ptr,
            level: sight.level,
            count: sight.count,
            low: None,
            high: None,
            is_cut: false,
            branch: Rc::clone(&strainer.branch),
            is_scanned: true,
            is_guessed,
        });
        self.strainer = Some(strainer);
        self.run()?;
        self.strainer = None;
        Ok(())
    }

    /// Whether the page goes to the tree that pages without a pointer are being placed in.
    pub fn is_strained(&self, task: &Task) -> bool {
        let strainer = self.strainer.as_ref();
        strainer.is_some_and(|strainer| Rc::ptr_eq(&strainer.branch, &task.branch))
    }

    /// Leaves out the keys of a leaf that are not to be taken.
    pub fn strain(
        &mut self,
        task: &Task,
        keys: &mut [Option<Vec<u8>>],
    ) -> Result<(), SalvageError> {
        let Some(strainer) = &self.strainer else {
            return Ok(());
        };
        let mut told = strainer.branch.told.borrow_mut();
        let mut known = keys.iter().flatten();
        let first = known.next().cloned();
        let last = known.next_back().cloned().or_else(|| first.clone());
        let engine = &mut self.target.engine;
        engine.begin_command(OnMiss::Read);
        let tree = engine.tree_at(&strainer.branch.way.place())?;
        for place in keys.iter_mut() {
            let Some(key) = place else { continue };
            // The one that became known last is the smallest.
            let mut windows = strainer.windows.iter().rev();
            let window = windows.find(|window| window.has(key) && !told.has(key));
            let is_there = match tree {
                Some(tree) => engine.get(tree, key)?.is_some(),
                None => false,
            };
            match window {
                Some(window) if !is_there => {
                    if let Some(lost) = window.lost {
                        self.lost[lost].found += 1;
                    }
                }
                _ => {
                    *place = None;
                    self.is_range_open = false;
                }
            }
        }
        // Of what lies beyond its keys a page by itself says nothing.
        if let (Some(first), Some(mut last)) = (first, last) {
            last.push(0);
            let low = task.low.as_deref().filter(|_| !task.is_cut);
            let high = task.high.as_deref().filter(|_| !task.is_cut);
            let (low, high) = (low.unwrap_or(&first), high.unwrap_or(&last));
            told.add(low, Some(high));
        }
        Ok(())
    }

    /// A damaged page below one to which no page leads: what is missing is counted there, and not where that one goes.
    pub fn counted_apart(&mut self, task: &mut Task) {
        let Some(home) = self.strainer.as_ref().and_then(|strainer| strainer.home) else {
            return;
        };
        let lost = &mut self.lost[home];
        lost.found = lost.found.saturating_add(task.count);
        // Beyond its first and last separator a page does not say where it ends.
        task.low = task.low.take().or_else(|| lost.task.low.clone());
        task.high = task.high.take().or_else(|| lost.task.high.clone());
    }

    /// An earlier page leads to one that was used again, or that a later one led to as well: then it tells of all keys
    /// between its bounds.
    pub fn superseded(&mut self, task: &Task, entered: Entered) -> Result<(), SalvageError> {
        let source = &self.source;
        if entered == Entered::Astray
            && !task.is_cut
            && let (Some(low), Some(high)) = (&task.low, &task.high)
            && task.ptr.page.0 < source.pages
            && is_at(source.file, source.page_bytes, task.ptr)?
        {
            task.branch.told.borrow_mut().add(low, Some(high));
        }
        Ok(())
    }

    /// Looks at a tree without entering it. None: no leaf of it can be read, or it is a catalog.
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
        let mut stack = Vec::new();
        let mut looks = 0;
        while page::level_of(&page) > 0 {
            let below = page::level_of(&page) - 1;
            let from = stack.len();
            stack.extend(pointers(&Node::new(&page)).map(|child| (child, below)));
            stack[from..].reverse();
            loop {
                let Some((child, level)) = stack.pop().filter(|_| looks < LOOKS_MAX) else {
                    return Ok(None);
                };
                looks += 1;
                let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
                if self.source.is(child, kind, level, &mut page)? {
                    break;
                }
            }
        }
        let (mut first, node) = (Vec::new(), Node::new(&page));
        if is_catalog(&node) {
            return Ok(None);
        }
        node.key_over(0, &mut first);
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
            let tree = |index: usize| &self.lost[index].task.branch;
            let is_one = homes.all(|other| Rc::ptr_eq(tree(first), tree(other)));
            // A page of a collection that is not there any more would do as well.
            let is_sure = !self.unsure.contains(&first)
                && (self.free.is_some() || tree(first).way.steps.is_empty());
            return if is_one && is_sure {
                Home::Lost(first)
            } else {
                Home::Several
            };
        }
        let may_be_root = self.free.is_some() || self.known_roots.is_empty();
        if self.is_catalog_whole || !may_be_root {
            return Home::Nowhere;
        }
        // Of several roots the one that last had about as many entries.
        let missing = self.missing_roots.iter();
        let missing = missing.filter(|(root, _)| self.all_fit(Spot::of_root(*root), sight));
        missing
            .min_by_key(|(_, count)| count.abs_diff(sight.count))
            .map(|(root, _)| Home::Root(*root))
            .or_else(|| self.stray_root(sight).map(|_| Home::Stray))
            .unwrap_or(Home::Nowhere)
    }

    fn is_home(&self, index: usize, sight: &Sight) -> bool {
        let lost = &self.lost[index];
        let task = &lost.task;
        let above = |key: &[u8]| task.low.as_deref().is_none_or(|low| *key >= *low);
        let below = |key: &[u8]| task.high.as_deref().is_none_or(|high| *key < *high);
        let fits = if self.free.is_some() {
            let has_room = sight.count <= task.count.saturating_sub(lost.found);
            task.level > sight.level && above(&sight.first) && below(&sight.last) && has_room
        } else {
            // A superseded page may count more than there are, have keys beyond the bounds, or be what the damaged one replaced.
            let reaches = sight.level > 0 || above(&sight.last);
            task.level > 0 && task.level >= sight.level && below(&sight.first) && reaches
        };
        let way = &task.branch.way;
        let slots: Vec<usize> = way.steps.iter().map(|(_, slot)| *slot).collect();
        let spot = Spot {
            root: Some(way.root),
            slots: &slots,
            head: &task.branch.head,
        };
        fits && self.all_fit(spot, sight)
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
        if !self.all_fit(Spot::of_root(first), sight) {
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
