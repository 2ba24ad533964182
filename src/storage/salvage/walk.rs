//! From the roots to every entry that can be read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::doubt::Doubt;
use super::orphans::Strainer;
use super::ranges::Ranges;
use super::report::{Gap, RANGES_NAMED, Report, TreeKind};
use super::roots::{Base, Roots};
use super::source::{Entered, Source};
use super::target::{Target, Way};
use super::{Rules, SalvageError, SalvageProgress, Tell};
use crate::storage::blob;
use crate::storage::cell::{self, Body, Cell};
use crate::storage::node::Node;
use crate::storage::page::{Desc, HEADER_BYTES, Kind, PagePtr};
use crate::storage::pager::OnMiss;
use crate::storage::read::{Read, RootId};
use crate::storage::record::DEPTH_MAX;
use crate::storage::tree::{CHILD_BYTES, Child, HEIGHT_MAX};

/// Progress is told after this many pages.
const PROGRESS_PAGES: u64 = 1024;

/// Bytes of a large value that are collected before they are written.
const PIECE_BYTES: usize = 1 << 20;

/// The longest key that is taken: what Redis takes, and room for what stands before it in trees of times and scores.
const KEY_BYTES_MAX: u64 = (512 << 20) + 64;

/// What was dropped hangs at no root; nothing of it is copied.
const DROPPED: RootId = RootId(u32::MAX);

const VALUE_DAMAGED: &str = "a page of its value is damaged";
const KEY_DAMAGED: &str = "a page of its name is damaged";
const NOT_UNDERSTOOD: &str = "its cell does not hold together";

/// Who gets bytes of a large value, with their offset in it.
type TakeBytes<'a> = &'a mut dyn FnMut(&mut Target, u64, &[u8]) -> Result<(), SalvageError>;

/// A tree that is copied.
#[derive(Debug)]
pub(super) struct Branch {
    pub way: Way,
    /// False: it is walked so that its pages are known, and not copied.
    pub copies: bool,
    /// Head of the root's cell that it hangs at.
    pub head: Vec<u8>,
    /// Keys of which pages that no page leads to have told: what older ones have of them is superseded.
    pub told: RefCell<Ranges>,
}

impl Branch {
    pub fn new(way: Way, copies: bool, head: Vec<u8>) -> Rc<Self> {
        let told = RefCell::default();
        Rc::new(Self {
            way,
            copies,
            head,
            told,
        })
    }
}

/// A page of a tree to visit, and what the one who points says of it.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub ptr: PagePtr,
    pub level: u8,
    pub count: u64,
    pub low: Option<Rc<[u8]>>,
    pub high: Option<Rc<[u8]>>,
    /// Of a bound only the first bytes are known.
    pub is_cut: bool,
    pub branch: Rc<Branch>,
    pub is_scanned: bool,
    /// Which tree it belongs to is a guess.
    pub is_guessed: bool,
}

impl Task {
    /// The root page of a tree, whatever its descriptor says.
    fn of_tree(desc: &Desc, branch: Rc<Branch>) -> Self {
        Self {
            ptr: desc.root,
            level: desc.height,
            count: desc.count,
            low: None,
            high: None,
            is_cut: false,
            branch,
            is_scanned: false,
            is_guessed: false,
        }
    }
}

/// Whether a descriptor is that of a tree.
fn is_tree(desc: &Desc) -> bool {
    !desc.is_blob && desc.height <= HEIGHT_MAX
}

/// A page that could not be read, and what hung below it.
#[derive(Debug)]
pub(super) struct Lost {
    pub task: Task,
    /// Entries found all the same.
    pub found: u64,
}

impl Lost {
    /// At how many cells below a root its tree hangs.
    pub fn depth(&self) -> usize {
        self.task.branch.way.steps.len()
    }

    /// Whether pages may have hung below it, in a tree at so many cells below a root.
    pub fn is_at(&self, depth: usize) -> bool {
        self.task.level > 0 && self.depth() == depth
    }
}

pub(super) struct Walk<'a, 'f> {
    pub source: Source<'f>,
    pub target: Target,
    pub rules: &'a dyn Rules,
    pub report: Report,
    pub lost: Vec<Lost>,
    pub tell: Tell<'a>,
    stack: Vec<Task>,
    /// What the checkpoint says is free; None: that is not known.
    pub free: Option<Vec<Range<u64>>>,
    /// Roots whose trees are not where any catalog says, and how many entries they had.
    pub missing_roots: Vec<(RootId, u64)>,
    pub is_catalog_whole: bool,
    /// Roots of which a catalog tells.
    pub known_roots: BTreeSet<RootId>,
    /// What is found next goes on with the last range of keys found by reading all pages.
    pub is_range_open: bool,
    /// What is taken of the pages to which no page leads, while they are walked.
    pub strainer: Option<Strainer>,
    /// Damaged pages of which not all that would do in their places belongs there.
    pub unsure: BTreeSet<usize>,
    /// What the log's changes may not have been made to.
    pub doubt: Doubt,
}

impl<'a, 'f> Walk<'a, 'f> {
    pub fn new(
        source: Source<'f>,
        target: Target,
        rules: &'a dyn Rules,
        report: Report,
        tell: Tell<'a>,
    ) -> Self {
        Self {
            source,
            target,
            rules,
            report,
            lost: Vec::new(),
            tell,
            stack: Vec::new(),
            free: None,
            missing_roots: Vec::new(),
            is_catalog_whole: true,
            known_roots: BTreeSet::new(),
            is_range_open: false,
            strainer: None,
            unsure: BTreeSet::new(),
            doubt: Doubt::default(),
        }
    }

    /// Copies every root tree that there is.
    pub fn roots(&mut self, base: &Base) -> Result<(), SalvageError> {
        let (source, report) = (&mut self.source, &mut self.report);
        report.pages = base.pages;
        self.free = base.free_runs(source, report)?;
        let roots = Roots::read(base, source, self.free.as_deref(), report, self.tell)?;
        self.missing_roots = roots.missing;
        self.is_catalog_whole = roots.is_whole;
        let missing = self.missing_roots.iter().map(|(root, _)| *root);
        self.known_roots = roots
            .found
            .iter()
            .map(|(root, _)| *root)
            .chain(missing)
            .collect();
        for root in roots.earlier {
            self.doubt.add(root.0, None, None);
        }
        for (root, desc) in roots.found {
            let branch = Branch::new(Way::of(root), !self.rules.is_derived(root), Vec::new());
            self.is_range_open = false;
            self.push_tree(&desc, branch, !roots.is_whole);
            self.run()?;
        }
        let dropped = Branch::new(Way::of(DROPPED), false, Vec::new());
        for desc in roots.dropped {
            self.push_tree(&desc, Rc::clone(&dropped), false);
            self.run()?;
        }
        Ok(())
    }

    pub fn end(self) -> (Target, Report) {
        (self.target, self.report)
    }

    /// Copies a tree, if its descriptor is one.
    fn push_tree(&mut self, desc: &Desc, branch: Rc<Branch>, is_scanned: bool) {
        if desc.root.is_null() {
            return;
        }
        let task = Task {
            is_scanned,
            ..Task::of_tree(desc, branch)
        };
        if is_tree(desc) {
            self.stack.push(task);
        } else {
            self.miss(task);
        }
    }

    pub fn push(&mut self, task: Task) {
        self.stack.push(task);
    }

    /// Visits what is on the stack.
    pub fn run(&mut self) -> Result<(), SalvageError> {
        let mut page = vec![0; self.source.page_bytes];
        while let Some(task) = self.stack.pop() {
            let kind = if task.level == 0 {
                Kind::Leaf
            } else {
                Kind::Branch
            };
            match self.source.enter(task.ptr, kind, task.level, &mut page)? {
                Entered::Read if task.level == 0 => self.leaf(&task, &page)?,
                Entered::Read => self.children(&task, &page),
                entered => self.not_entered(task, entered)?,
            }
            self.report.pages_read += 1;
            if self.report.pages_read.is_multiple_of(PROGRESS_PAGES) {
                (self.tell)(SalvageProgress::Walked {
                    pages: self.report.pages_read,
                    pages_total: self.source.pages,
                });
            }
        }
        Ok(())
    }

    fn not_entered(&mut self, mut task: Task, entered: Entered) -> Result<(), SalvageError> {
        let is_strained = self.is_strained(&task);
        if is_strained && self.free.is_none() {
            // An earlier page leads to it, and it was used again, or was taken already.
            return self.superseded(&task, entered);
        }
        if entered == Entered::Damaged {
            self.damaged_page(task.ptr.page.0);
        }
        if is_strained {
            self.counted_apart(&mut task);
        }
        self.miss(task);
        Ok(())
    }

    /// Takes note of a damaged page. One to which only an earlier page leads may have been used again.
    fn damaged_page(&mut self, page: u64) {
        if self.strainer.is_none() || self.free.is_some() {
            self.report.damaged_page(page);
        }
    }

    fn miss(&mut self, task: Task) {
        self.lost.push(Lost { task, found: 0 });
    }

    fn children(&mut self, task: &Task, page: &[u8]) {
        let node = Node::new(page);
        let mut high = task.high.clone();
        let is_cut = |i: usize| i < node.len() && node.has_overflow(i);
        for i in (0..node.len()).rev() {
            let mut bound = None;
            let low = match i {
                0 => task.low.clone(),
                _ => {
                    let mut low = Vec::new();
                    node.key_over(i, &mut low);
                    let above = node.has_overflow(i).then(|| behind(&low));
                    bound = above.unwrap_or_else(|| Some(low.as_slice().into()));
                    Some(low.into())
                }
            };
            if node.value(i).len() == CHILD_BYTES {
                let child = Child::decode(node.value(i));
                self.stack.push(Task {
                    ptr: child.ptr,
                    level: task.level - 1,
                    count: child.count,
                    low: low.clone(),
                    high,
                    is_cut: task.is_cut || is_cut(i) || is_cut(i + 1),
                    branch: Rc::clone(&task.branch),
                    is_scanned: task.is_scanned,
                    is_guessed: task.is_guessed,
                });
            }
            high = bound;
        }
    }

    /// Copies the entries of a leaf: those that stand in it as a whole together, then the others one by one.
    fn leaf(&mut self, task: &Task, page: &[u8]) -> Result<(), SalvageError> {
        let node = Node::new(page);
        if !task.branch.copies {
            self.enter_nested(task, &node);
            return Ok(());
        }
        let mut keys = Vec::with_capacity(node.len());
        for i in 0..node.len() {
            keys.push(self.key(task, &node, i)?);
        }
        if self.is_strained(task) {
            self.strain(task, &mut keys)?;
        }
        let is_whole = |cell: &Cell<'_>| cell.slots() == 0 && cell.blob().is_none();
        let entries = || {
            (0..node.len()).filter_map(|i| Some((keys[i].as_deref()?, Cell::new(node.value(i)))))
        };
        self.target.at(&task.branch.way, |engine, tree| {
            for (key, cell) in entries().filter(|(_, cell)| is_whole(cell)) {
                if let Body::Inline(body) = cell.body() {
                    engine.put(tree, key, cell.head(), body)?;
                }
            }
            Ok(())
        })?;
        let mut found = 0;
        let mut below = Vec::new();
        for (key, cell) in entries() {
            found += 1;
            if !is_whole(&cell) {
                self.large(task, key, &cell, &mut below)?;
            }
        }
        if task.is_scanned && task.branch.way.steps.is_empty() {
            self.scanned(task, &keys, found);
        }
        self.stack.extend(below.into_iter().rev());
        Ok(())
    }

    /// Visits what hangs at the entries of a tree that is not copied.
    fn enter_nested(&mut self, task: &Task, node: &Node<'_>) {
        for i in (0..node.len()).filter(|i| cell::is_sound(node.value(*i))) {
            let cell = Cell::new(node.value(i));
            for slot in 0..cell.slots() {
                self.push_tree(&cell.slot(slot), Rc::clone(&task.branch), false);
            }
        }
    }

    /// Takes note of entries of a root tree that were found by reading all pages.
    fn scanned(&mut self, task: &Task, keys: &[Option<Vec<u8>>], found: u64) {
        let root = task.branch.way.root;
        let kind = if task.is_guessed {
            TreeKind::Guessed(root)
        } else {
            TreeKind::Known(root)
        };
        *self.report.scanned.entry(kind).or_default() += found;
        let mut known = keys.iter().flatten();
        let Some(first) = known.next() else { return };
        let last = known.next_back().unwrap_or(first);
        let ranges = &mut self.report.scanned_ranges;
        if self.is_range_open
            && let Some((of, _, end)) = ranges.last_mut()
            && *of == kind
        {
            // Leaves of one tree follow each other.
            end.clone_from(last);
            return;
        }
        self.is_range_open = ranges.len() < RANGES_NAMED;
        if self.is_range_open {
            ranges.push((kind, first.clone(), last.clone()));
        }
    }

    /// The whole key of an entry whose value holds together; None: something is missing, which is noted.
    fn key(
        &mut self,
        task: &Task,
        node: &Node<'_>,
        i: usize,
    ) -> Result<Option<Vec<u8>>, SalvageError> {
        let mut key = Vec::new();
        node.key_over(i, &mut key);
        if !cell::is_sound(node.value(i)) {
            self.entry_lost(task, &key, NOT_UNDERSTOOD);
            return Ok(None);
        }
        let Some(rest) = node.overflow(i) else {
            return Ok(Some(key));
        };
        let longest = KEY_BYTES_MAX.min(self.source.bytes);
        let start = key.len() as u64;
        let is_whole = rest.count <= longest
            && self.blob(&rest, &mut |_, offset, bytes| {
                key.resize((start + offset) as usize, 0);
                key.extend_from_slice(bytes);
                Ok(())
            })?;
        if !is_whole {
            key.truncate(start as usize);
            self.entry_lost(task, &key, KEY_DAMAGED);
            let way = &task.branch.way;
            let loss = self.report.keys.get_mut(&(way.root.0, key));
            if let Some(loss) = loss.filter(|_| way.steps.is_empty()) {
                loss.is_cut = true;
            }
            return Ok(None);
        }
        key.resize((start + rest.count) as usize, 0);
        Ok(Some(key))
    }

    fn entry_lost(&mut self, task: &Task, key: &[u8], why: &'static str) {
        let way = &task.branch.way;
        match way.steps.first() {
            None => self.report.gone(way.root.0, key, why),
            Some((owner, slot)) => self.part_lost(way.root.0, owner, *slot, 1),
        }
    }

    fn part_lost(&mut self, root: u32, key: &[u8], slot: usize, count: u64) {
        let loss = self.report.keys.entry((root, key.to_vec())).or_default();
        if let Some(entries) = loss.entries.get_mut(slot) {
            *entries = entries.saturating_add(count.max(1));
        }
    }

    /// An entry with a body in pages of its own or trees at its cell. The trees go to `below`.
    fn large(
        &mut self,
        task: &Task,
        key: &[u8],
        cell: &Cell<'_>,
        below: &mut Vec<Task>,
    ) -> Result<(), SalvageError> {
        let (head, slots) = (cell.head(), cell.slots());
        let way = &task.branch.way;
        self.target.at(way, |engine, tree| match slots {
            0 => engine.put(tree, key, head, b""),
            _ => engine.put_nested(tree, key, head, slots),
        })?;
        let is_whole = match (cell.body(), cell.blob()) {
            (Body::Inline(body), _) => {
                if !body.is_empty() {
                    self.target
                        .at(way, |engine, tree| engine.write_body(tree, key, 0, body))?;
                }
                true
            }
            (Body::Blob { .. }, desc) => match desc {
                Some(desc) => self.body(way, key, &desc)?,
                None => false,
            },
        };
        if !is_whole {
            self.target
                .at(way, |engine, tree| engine.delete(tree, key))?;
            self.entry_lost(task, key, VALUE_DAMAGED);
            return Ok(());
        }
        if way.steps.len() >= DEPTH_MAX {
            return Ok(());
        }
        for slot in 0..slots {
            let desc = cell.slot(slot);
            let head = if way.steps.is_empty() {
                head.to_vec()
            } else {
                task.branch.head.clone()
            };
            let branch = Branch::new(way.below(key, slot), true, head);
            let task = Task {
                is_scanned: task.is_scanned,
                is_guessed: task.is_guessed,
                ..Task::of_tree(&desc, branch)
            };
            if !is_tree(&desc) {
                self.miss(task);
            } else if !desc.root.is_null() {
                below.push(task);
            }
        }
        Ok(())
    }

    /// Copies a large body, holes as holes. False: a page of it is missing.
    fn body(&mut self, way: &Way, key: &[u8], desc: &Desc) -> Result<bool, SalvageError> {
        let (mut piece, mut start) = (Vec::new(), 0);
        let is_whole = self.blob(desc, &mut |target, offset, bytes| {
            let end = start + piece.len() as u64;
            if offset != end || piece.len() >= PIECE_BYTES {
                target.at(way, |engine, tree| {
                    engine.write_body(tree, key, start, &piece)
                })?;
                piece.clear();
                start = offset;
            }
            piece.extend_from_slice(bytes);
            Ok(())
        })?;
        if is_whole {
            self.target.at(way, |engine, tree| {
                engine.write_body(tree, key, start, &piece)?;
                engine.write_body(tree, key, desc.count, b"")
            })?;
        }
        Ok(is_whole)
    }

    /// Hands the bytes of a blob to `take` with their offsets, in order, holes left out. False: a page of it is missing;
    /// what `take` has got is a part.
    fn blob(&mut self, desc: &Desc, take: TakeBytes<'_>) -> Result<bool, SalvageError> {
        let page_bytes = self.source.page_bytes;
        if blob::shape_fault(desc, page_bytes, false).is_some() {
            return Ok(false);
        }
        let mut page = vec![0; page_bytes];
        let mut stack = vec![(desc.root, desc.height, 0)];
        let mut is_whole = true;
        while let Some((ptr, height, offset)) = stack.pop() {
            if ptr.is_null() || offset >= desc.count {
                continue;
            }
            let kind = if height == 0 {
                Kind::BlobLeaf
            } else {
                Kind::BlobBranch
            };
            self.report.pages_read += 1;
            match self.source.enter(ptr, kind, height, &mut page)? {
                Entered::Read => {}
                entered => {
                    if entered == Entered::Damaged {
                        self.damaged_page(ptr.page.0);
                    }
                    // The others are entered all the same, so that all damaged pages are named.
                    is_whole = false;
                    continue;
                }
            }
            if height == 0 {
                let left = (desc.count - offset).min(blob::leaf_bytes(page_bytes)) as usize;
                if is_whole {
                    let bytes = &page[HEADER_BYTES..HEADER_BYTES + left];
                    take(&mut self.target, offset, bytes)?;
                }
                continue;
            }
            let below = blob::span(page_bytes, height - 1);
            for index in (0..blob::fanout(page_bytes)).rev() {
                let at = offset.saturating_add(index.saturating_mul(below));
                stack.push((blob::child_at(&page, index), height - 1, at));
            }
        }
        Ok(is_whole)
    }

    /// Says what is missing in the end.
    pub fn settle(&mut self) {
        for Lost { task, found } in std::mem::take(&mut self.lost) {
            if !task.branch.copies {
                continue;
            }
            let way = &task.branch.way;
            if self.free.is_none() && task.level > 0 && way.steps.is_empty() {
                let (low, high) = (task.low.clone(), task.high.clone());
                self.doubt.add(way.root.0, low, high);
            }
            // Where superseded pages are found too, what was found need not be what is missing.
            let found = if self.free.is_some() { found } else { 0 };
            let entries = task.count.saturating_sub(found);
            match way.steps.first() {
                _ if entries == 0 && found > 0 => {}
                None => self.report.gaps.push(Gap {
                    root: Some(way.root),
                    low: task.low.as_deref().map(<[u8]>::to_vec),
                    high: task.high.as_deref().map(<[u8]>::to_vec),
                    entries,
                    page: task.ptr.page.0,
                }),
                Some((key, slot)) => self.part_lost(way.root.0, key, *slot, entries),
            }
        }
    }

    /// A key whose last value is missing is not gone if one from before was found: by reading all pages, or where it would
    /// have been replaced.
    pub fn find_older(&mut self) -> Result<(), SalvageError> {
        let engine = &mut self.target.engine;
        for ((root, key), loss) in &mut self.report.keys {
            if loss.gone.is_none() || loss.is_cut {
                continue;
            }
            engine.begin_command(OnMiss::Read);
            let tree = engine.root(RootId(*root))?;
            if engine.get(tree, key)?.is_some() {
                loss.gone = None;
                loss.is_scanned = true;
            }
        }
        Ok(())
    }
}

/// What is above every key that begins with `start`. None: nothing is.
fn behind(start: &[u8]) -> Option<Rc<[u8]>> {
    let kept = start.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut above = start[..=kept].to_vec();
    above[kept] += 1;
    Some(above.into())
}
