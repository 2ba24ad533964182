//! Building a tree from entries that arrive in order: every page is filled once and never split.
//!
//! Each level has one page in the making, whose cells wait in memory until the next one would not fit. Then the page
//! is born, and its first key and place become a cell of the level above.

use super::spread::{Fences, common_bytes, entries, measure, prefix_of, separator};
use super::{Child, Entry, HEIGHT_MAX};
use crate::storage::Error;
use crate::storage::cell::entry_bytes;
use crate::storage::node::{self, CellRef};
use crate::storage::page::{DESC_BYTES, Desc, HEADER_BYTES, Kind, PagePtr};
use crate::storage::pager::Pager;

/// The share of a page that is left free, so that the first change to it does not split it: one in so many.
const FREE_SHARE: usize = 16;

/// Children that the last page of a level of branches has at least.
const CHILDREN_MIN: usize = 2;

/// A cell that waits for its page: where its parts stand in the level's memory.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    key_start: usize,
    key_end: usize,
    value_end: usize,
    overflow: Option<Desc>,
}

/// The page in the making of one level.
#[derive(Debug)]
struct Level {
    kind: Kind,
    height: u8,
    /// The key from which on everything in the page is; None: the page is the first of its level.
    low: Option<(Vec<u8>, Option<Desc>)>,
    bytes: Vec<u8>,
    cells: Vec<Waiting>,
    /// Cells whose key goes on in a blob.
    overflows: usize,
    /// Pages of the level that were born.
    pages: u64,
}

impl Level {
    fn new(height: u8) -> Self {
        Self {
            kind: if height == 0 {
                Kind::Leaf
            } else {
                Kind::Branch
            },
            height,
            low: None,
            bytes: Vec::new(),
            cells: Vec::new(),
            overflows: 0,
            pages: 0,
        }
    }

    fn add(&mut self, cell: &CellRef<'_>) {
        let key_start = self.bytes.len();
        self.bytes.extend_from_slice(cell.suffix);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(cell.value);
        self.overflows += usize::from(cell.overflow.is_some());
        self.cells.push(Waiting {
            key_start,
            key_end,
            value_end: self.bytes.len(),
            overflow: cell.overflow,
        });
    }

    /// Bytes that the waiting cells and `next` take in a page if what `next` has in common with the page's lower bound is
    /// what all of them have.
    fn bytes_with(&self, next: &CellRef<'_>) -> usize {
        let prefix = self
            .low
            .as_ref()
            .map_or(0, |(low, _)| common_bytes(low, next.suffix));
        let count = self.cells.len() + 1;
        let overflows = self.overflows + usize::from(next.overflow.is_some());
        let fixed = count * node::cell_bytes(0, false, 0) + overflows * DESC_BYTES;
        let keys_and_values = self.bytes.len() + next.suffix.len() + next.value.len();
        prefix + fixed + keys_and_values - (count * prefix).min(keys_and_values)
    }

    fn waiting(&self) -> Vec<CellRef<'_>> {
        let cell = |c: &Waiting| CellRef {
            prefix: &[],
            suffix: &self.bytes[c.key_start..c.key_end],
            overflow: c.overflow,
            value: &self.bytes[c.key_end..c.value_end],
        };
        self.cells.iter().map(cell).collect()
    }

    /// A new page of these cells, whose keys all begin with `prefix`.
    fn bear(
        &self,
        pager: &mut Pager,
        prefix: &[u8],
        cells: &[CellRef<'_>],
    ) -> Result<PagePtr, Error> {
        let frame = pager.birth(self.kind, self.height)?;
        let ptr = pager.ptr(frame);
        let page = pager.bytes_mut(frame);
        node::build(page, self.kind, self.height, ptr, prefix, cells);
        Ok(ptr)
    }

    /// The first `count` cells have their page.
    fn forget(&mut self, count: usize) {
        let end = self.cells[count - 1].value_end;
        self.bytes.drain(..end);
        let gone = self.cells.drain(..count);
        self.overflows -= gone.filter(|cell| cell.overflow.is_some()).count();
        for cell in &mut self.cells {
            cell.key_start -= end;
            cell.key_end -= end;
            cell.value_end -= end;
        }
    }

    fn fences(&self, high: Option<Vec<u8>>) -> Fences {
        Fences {
            low: self.low.as_ref().map(|(low, _)| low.clone()),
            high,
        }
    }
}

/// The bound between two cells as far as it stands in a page.
fn bound(kind: Kind, left: &CellRef<'_>, right: &CellRef<'_>) -> Vec<u8> {
    match kind {
        Kind::Leaf => {
            let end = common_bytes(left.suffix, right.suffix) + 1;
            right.suffix[..end.min(right.suffix.len())].to_vec()
        }
        _ => right.suffix.to_vec(),
    }
}

/// A tree that is being built.
#[derive(Debug, Default)]
pub struct Builder {
    levels: Vec<Level>,
    count: u64,
    bytes: u64,
}

impl Builder {
    /// Puts an entry behind all others. True: pages were born.
    ///
    /// The key must be greater than those before it.
    pub fn append(&mut self, pager: &mut Pager, entry: &Entry<'_>) -> Result<bool, Error> {
        let inline_max = node::key_inline_max(pager.page_bytes());
        let cell = CellRef {
            prefix: &[],
            suffix: &entry.key[..entry.key.len().min(inline_max)],
            overflow: entry.overflow,
            value: entry.value,
        };
        self.count += 1;
        self.bytes = self
            .bytes
            .saturating_add(entry_bytes(entry.key.len() as u64, entry.value));
        self.push(pager, 0, &cell)
    }

    fn push(&mut self, pager: &mut Pager, level: usize, cell: &CellRef<'_>) -> Result<bool, Error> {
        if self.levels.len() == level {
            let height = level as u8;
            assert!(height <= HEIGHT_MAX, "no file holds so many entries");
            self.levels.push(Level::new(height));
        }
        let room = pager.page_bytes() - HEADER_BYTES;
        let at = &self.levels[level];
        // Any two cells fit.
        let is_full =
            at.cells.len() >= CHILDREN_MIN && at.bytes_with(cell) > room - room / FREE_SHARE;
        if is_full {
            self.emit(pager, level, Some(cell))?;
        }
        self.levels[level].add(cell);
        Ok(is_full)
    }

    /// Makes a page of as many waiting cells as fit and stay below `next`; None: nothing follows, and what does not fit
    /// stays.
    fn emit(
        &mut self,
        pager: &mut Pager,
        level: usize,
        next: Option<&CellRef<'_>>,
    ) -> Result<(), Error> {
        let room = pager.page_bytes() - HEADER_BYTES;
        let at = &self.levels[level];
        let kind = at.kind;
        let waiting = at.waiting();
        let len = waiting.len();
        let right_of = |count: usize| waiting.get(count).or(next);
        let fits = |count: usize| {
            let high = right_of(count).map(|right| bound(kind, &waiting[count - 1], right));
            let prefix = prefix_of(&waiting[..count], &at.fences(high), kind, 0).len();
            measure(&waiting[..count], prefix, kind) <= room
        };
        // A branch does not stay alone with one child.
        let left_min = match (kind, next) {
            (Kind::Leaf, _) => 0,
            (_, Some(_)) => CHILDREN_MIN - 1,
            (_, None) => CHILDREN_MIN,
        };
        let mut count = len;
        if next.is_some() || !fits(len) {
            count = len - left_min;
            while count > 1 && !fits(count) {
                count -= 1;
            }
        }
        pager.reserve(super::change::pages_needed(level as u8))?;
        let high = match right_of(count) {
            None => None,
            Some(right) if kind == Kind::Leaf => {
                Some(separator(pager, &waiting[count - 1], right)?)
            }
            Some(right) => Some((right.suffix.to_vec(), right.overflow)),
        };
        let part = &waiting[..count];
        let fences = at.fences(high.as_ref().map(|(key, _)| key.clone()));
        let prefix = prefix_of(part, &fences, kind, 0);
        let child = Child {
            ptr: at.bear(pager, &prefix, part)?,
            count: entries(part, kind),
        };
        let at = &mut self.levels[level];
        at.forget(count);
        at.pages += 1;
        let low = std::mem::replace(&mut at.low, high);
        let (key, overflow) = low.unwrap_or_default();
        let above = CellRef {
            prefix: &[],
            suffix: &key,
            overflow,
            value: &child.encode(),
        };
        self.push(pager, level + 1, &above)?;
        Ok(())
    }

    /// The tree of all entries.
    pub fn finish(mut self, pager: &mut Pager) -> Result<Desc, Error> {
        let mut level = 0;
        while level < self.levels.len() {
            let is_top = level + 1 == self.levels.len();
            if is_top && let Some(root) = self.root(pager, level)? {
                return Ok(Desc {
                    root,
                    height: level as u8,
                    is_blob: false,
                    count: self.count,
                    bytes: self.bytes,
                });
            }
            while !self.levels[level].cells.is_empty() {
                self.emit(pager, level, None)?;
            }
            level += 1;
        }
        Ok(Desc::EMPTY_TREE)
    }

    /// The only page of a level, if its cells fit into one.
    fn root(&mut self, pager: &mut Pager, level: usize) -> Result<Option<PagePtr>, Error> {
        let room = pager.page_bytes() - HEADER_BYTES;
        let at = &self.levels[level];
        let waiting = at.waiting();
        if at.pages > 0 || measure(&waiting, 0, at.kind) > room {
            return Ok(None);
        }
        pager.reserve(1)?;
        at.bear(pager, &[], &waiting).map(Some)
    }
}
