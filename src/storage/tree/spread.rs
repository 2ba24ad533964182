//! Laying the cells of a page out anew: over one page with another common prefix, or over several.

use std::ops::Range;

use super::{Child, Pages, Path};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::node::{self, CellRef, Node};
use crate::storage::page::{Desc, HEADER_BYTES, Kind, PagePtr};
use crate::storage::pager::{FrameNo, Pager};

/// A change to the cells of a leaf that does not fit into the page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Insertion<'a> {
    New {
        index: usize,
        key: &'a [u8],
        overflow: Option<Desc>,
        value: &'a [u8],
    },
    Replace {
        index: usize,
        value: &'a [u8],
    },
}

/// At which end of its page the cell stands that made it too full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    First,
    Last,
    Neither,
}

/// A page that has come into being right of another.
#[derive(Clone, Debug)]
struct Sibling {
    /// The separator: the inline part and, if need be, the rest.
    key: Vec<u8>,
    overflow: Option<Desc>,
    child: Child,
}

/// The inline bounds of a page: every key in it is at least `low` and below `high`. None: no bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences {
    pub(super) low: Option<Vec<u8>>,
    pub(super) high: Option<Vec<u8>>,
}

impl Fences {
    /// The bounds of the page at `level` steps below the root of a path.
    pub(super) fn of(pager: &Pager, path: &Path<FrameNo>, level: usize) -> Self {
        let mut fences = Self::default();
        for step in path[..level].iter().rev() {
            let node = Node::new(pager.bytes(step.slot));
            let mut key = Vec::new();
            if fences.low.is_none() && step.index > 0 {
                node.cell(step.index).key_to(&mut key);
                fences.low = Some(std::mem::take(&mut key));
            }
            if fences.high.is_none() && step.index + 1 < node.len() {
                node.cell(step.index + 1).key_to(&mut key);
                fences.high = Some(key);
            }
        }
        fences
    }

    /// What every key between the bounds begins with; None: one of them is missing.
    fn common(&self) -> Option<&[u8]> {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) => Some(&low[..common_bytes(low, high)]),
            _ => None,
        }
    }
}

pub(super) fn common_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Carries out a change to the leaf of an owned path that its page has no room for.
pub(super) fn change_leaf(
    pager: &mut Pager,
    desc: &mut Desc,
    path: &Path<FrameNo>,
    what: Insertion<'_>,
) -> Result<(), Error> {
    let level = path.len() - 1;
    let frame = path[level].slot;
    let old = pager.bytes(frame).to_vec();
    let node = Node::new(&old);
    let mut cells: Vec<CellRef<'_>> = (0..node.len()).map(|i| node.cell(i)).collect();
    let end = match what {
        Insertion::New {
            index,
            key,
            overflow,
            value,
        } => {
            cells.insert(
                index,
                CellRef {
                    prefix: &[],
                    suffix: key,
                    overflow,
                    value,
                },
            );
            if index + 1 == cells.len() {
                End::Last
            } else if index == 0 {
                End::First
            } else {
                End::Neither
            }
        }
        Insertion::Replace { index, value } => {
            cells[index].value = value;
            End::Neither
        }
    };
    let siblings = lay_out(pager, path, level, &cells, end)?;
    insert_siblings(pager, desc, path, level, siblings)
}

/// Lays `cells` out over the page at `path[level]` and, if they need more, new pages right of it.
fn lay_out(
    pager: &mut Pager,
    path: &Path<FrameNo>,
    level: usize,
    cells: &[CellRef<'_>],
    end: End,
) -> Result<Vec<Sibling>, Error> {
    let fences = Fences::of(pager, path, level);
    let height = (path.len() - 1 - level) as u8;
    let kind = if height == 0 {
        Kind::Leaf
    } else {
        Kind::Branch
    };
    let groups = partition(pager.page_bytes(), cells, &fences, kind, end);
    let mut siblings = Vec::with_capacity(groups.len() - 1);
    let mut starts = Vec::new();
    for group in &groups[1..] {
        let (left, right) = (&cells[group.start - 1], &cells[group.start]);
        let (key, overflow) = if kind == Kind::Leaf {
            separator(pager, left, right)?
        } else {
            let mut key = Vec::new();
            right.key_to(&mut key);
            (key, right.overflow)
        };
        starts.push(key.clone());
        siblings.push(Sibling {
            key,
            overflow,
            child: Child {
                ptr: PagePtr::default(),
                count: 0,
            },
        });
    }
    for (i, group) in groups.iter().enumerate() {
        let bounds = Fences {
            low: if i == 0 {
                fences.low.clone()
            } else {
                Some(starts[i - 1].clone())
            },
            high: starts.get(i).cloned().or_else(|| fences.high.clone()),
        };
        let part = &cells[group.clone()];
        let prefix = prefix_of(part, &bounds, kind);
        let frame = if i == 0 {
            path[level].slot
        } else {
            pager.birth(kind, height)?
        };
        let ptr = pager.ptr(frame);
        node::build(pager.bytes_mut(frame), kind, height, ptr, &prefix, part);
        if i > 0 {
            siblings[i - 1].child = Child {
                ptr,
                count: entries(part, kind),
            };
        }
    }
    Ok(siblings)
}

/// Entries below the cells of a page.
pub(super) fn entries(cells: &[CellRef<'_>], kind: Kind) -> u64 {
    match kind {
        Kind::Leaf => cells.len() as u64,
        _ => cells.iter().map(|c| Child::decode(c.value).count).sum(),
    }
}

/// The keys of `cells` that are looked at: all of a leaf, all but the first of a branch.
fn real<'a, 'b>(cells: &'b [CellRef<'a>], kind: Kind) -> &'b [CellRef<'a>] {
    if kind == Kind::Leaf {
        cells
    } else {
        &cells[1..]
    }
}

/// The common prefix for a page of these cells: what its bounds have in common, which stays right for every key
/// that may come. A branch at the edge of the tree, which lacks a bound, takes what its keys have in common, and is laid
/// out again should another come: every look-up passes it.
pub(super) fn prefix_of(cells: &[CellRef<'_>], fences: &Fences, kind: Kind) -> Vec<u8> {
    let mut shared = shared_by(cells, kind);
    match fences.common() {
        Some(common) => shared.truncate(common_bytes(&shared, common)),
        None if kind == Kind::Branch => {}
        None => shared.clear(),
    }
    shared
}

/// What the inline keys of these cells begin with.
fn shared_by(cells: &[CellRef<'_>], kind: Kind) -> Vec<u8> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    let keys = real(cells, kind);
    if let (Some(a), Some(b)) = (keys.first(), keys.last()) {
        a.key_to(&mut first);
        b.key_to(&mut last);
    }
    first.truncate(common_bytes(&first, &last));
    first
}

/// Bytes that cells take in a page with a common prefix of this length, the prefix included.
pub(super) fn measure(cells: &[CellRef<'_>], prefix_bytes: usize, kind: Kind) -> usize {
    let keys: usize = real(cells, kind)
        .iter()
        .map(|c| c.bytes(prefix_bytes))
        .sum();
    let first = match kind {
        Kind::Leaf => 0,
        _ => cells
            .first()
            .map_or(0, |c| node::cell_bytes(0, false, c.value.len())),
    };
    prefix_bytes + keys + first
}

/// Cuts a row of cells into groups that each fit into a page.
fn partition(
    page_bytes: usize,
    cells: &[CellRef<'_>],
    fences: &Fences,
    kind: Kind,
    end: End,
) -> Vec<std::ops::Range<usize>> {
    let room = page_bytes - HEADER_BYTES;
    let whole = prefix_of(cells, fences, kind).len();
    if measure(cells, whole, kind) <= room {
        return Vec::from([Range {
            start: 0,
            end: cells.len(),
        }]);
    }
    // A part of the page has narrower bounds, so that it has this much in common at least.
    let whole = match fences.common() {
        Some(_) => whole,
        None => 0,
    };
    let fits = |part: &[CellRef<'_>]| measure(part, whole, kind) <= room;
    // Keys that arrive in order, or in the opposite order, fill page after page.
    let last = cells.len() - 1;
    if end == End::Last && fences.high.is_none() && fits(&cells[..last]) {
        return vec![0..last, last..cells.len()];
    }
    if end == End::First && fences.low.is_none() && fits(&cells[1..]) {
        return vec![0..1, 1..cells.len()];
    }
    let sizes: Vec<usize> = cells
        .iter()
        .map(|c| c.bytes(whole.min(c.key_bytes())))
        .collect();
    let total: usize = sizes.iter().sum();
    let mut left = 0;
    let mut cut = 0;
    while cut + 1 < cells.len() && (cut == 0 || left + sizes[cut] / 2 < total / 2) {
        left += sizes[cut];
        cut += 1;
    }
    if fits(&cells[..cut]) && fits(&cells[cut..]) {
        return vec![0..cut, cut..cells.len()];
    }
    // Keys that lose their common prefix may need more than two pages: fill one after the other.
    let mut groups = Vec::new();
    let mut start = 0;
    let mut used = whole;
    for (i, size) in sizes.iter().enumerate() {
        if used + size > room {
            groups.push(start..i);
            (start, used) = (i, whole);
        }
        used += size;
    }
    groups.push(start..cells.len());
    groups
}

/// The shortest key above the left cell's and not above the right cell's.
pub(super) fn separator(
    pager: &mut Pager,
    left: &CellRef<'_>,
    right: &CellRef<'_>,
) -> Result<(Vec<u8>, Option<Desc>), Error> {
    let (mut low, mut high) = (Vec::new(), Vec::new());
    left.key_to(&mut low);
    right.key_to(&mut high);
    let common = common_bytes(&low, &high);
    if common < high.len() {
        high.truncate(common + 1);
        return Ok((high, None));
    }
    // The inline parts are the same: the difference is in the blobs.
    let rest = right
        .overflow
        .expect("two keys with the same inline part: the greater one is long");
    let differ = match &left.overflow {
        None => 0,
        Some(left_rest) => blob::common_bytes(pager, left_rest, &rest)?,
    };
    let mut bytes = Vec::new();
    blob::read(pager, &rest, 0, differ + 1, &mut bytes)?;
    let mut desc = Desc::EMPTY_BLOB;
    blob::write(pager, &mut desc, 0, &bytes)?;
    Ok((high, Some(desc)))
}

/// Puts new pages into the branch above, splitting it and those above it if need be.
fn insert_siblings(
    pager: &mut Pager,
    desc: &mut Desc,
    path: &Path<FrameNo>,
    level: usize,
    siblings: Vec<Sibling>,
) -> Result<(), Error> {
    let mut siblings = siblings;
    let mut level = level;
    while !siblings.is_empty() {
        let Some(above) = level.checked_sub(1) else {
            return grow_root(pager, desc, siblings);
        };
        let branch = path[above].slot;
        let index = path[above].index;
        let moved: u64 = siblings.iter().map(|s| s.child.count).sum();
        let page = pager.bytes_mut(branch);
        let mut child = Child::decode(Node::new(page).value(index));
        child.count -= moved;
        node::value_mut(page, index).copy_from_slice(&child.encode());
        siblings = insert_children(pager, path, above, siblings)?;
        level = above;
    }
    Ok(())
}

/// Puts children behind the one that the path takes at `level`; what does not fit becomes new pages.
fn insert_children(
    pager: &mut Pager,
    path: &Path<FrameNo>,
    level: usize,
    siblings: Vec<Sibling>,
) -> Result<Vec<Sibling>, Error> {
    let branch = path[level].slot;
    let index = path[level].index;
    let page = Node::new(pager.bytes(branch));
    // The keys of a branch that was begun with few may have come to share a beginning.
    let may_share = page.prefix().is_empty() && page.len().is_power_of_two();
    if let [one] = &siblings[..]
        && !may_share
    {
        let page = pager.bytes_mut(branch);
        if let Some(suffix) = one.key.strip_prefix(Node::new(page).prefix())
            && node::insert(page, index + 1, suffix, one.overflow, &one.child.encode())
        {
            return Ok(Vec::new());
        }
    }
    let old = pager.bytes(branch).to_vec();
    let node = Node::new(&old);
    let values: Vec<_> = siblings.iter().map(|s| s.child.encode()).collect();
    let mut cells: Vec<CellRef<'_>> = (0..node.len()).map(|i| node.cell(i)).collect();
    let new = siblings.iter().zip(&values).map(|(s, value)| CellRef {
        prefix: &[],
        suffix: &s.key,
        overflow: s.overflow,
        value,
    });
    let end = match index + 1 == cells.len() {
        true => End::Last,
        false => End::Neither,
    };
    cells.splice(index + 1..index + 1, new);
    lay_out(pager, path, level, &cells, end)
}

/// The root has split: a new root above it.
fn grow_root(pager: &mut Pager, desc: &mut Desc, siblings: Vec<Sibling>) -> Result<(), Error> {
    let moved: u64 = siblings.iter().map(|s| s.child.count).sum();
    let first = Child {
        ptr: desc.root,
        count: desc.count - moved,
    };
    let level = desc.height + 1;
    assert!(level <= super::HEIGHT_MAX, "no file holds so many entries");
    let frame = pager.birth(Kind::Branch, level)?;
    let ptr = pager.ptr(frame);
    let page = pager.bytes_mut(frame);
    node::init(page, Kind::Branch, level, ptr, &[]);
    let mut fits = node::insert(page, 0, &[], None, &first.encode());
    for (i, sibling) in siblings.iter().enumerate() {
        fits &= node::insert(
            page,
            i + 1,
            &sibling.key,
            sibling.overflow,
            &sibling.child.encode(),
        );
    }
    assert!(fits, "a new root has room for the pages of one split");
    desc.root = ptr;
    desc.height = level;
    Ok(())
}

/// Reads the cells of two neighbours as one row, the second one's first key restored from the separator.
pub(super) fn joined<'a>(
    left: &'a [u8],
    right: &'a [u8],
    separator: CellRef<'a>,
    kind: Kind,
) -> Vec<CellRef<'a>> {
    let (a, b) = (Node::new(left), Node::new(right));
    let mut cells: Vec<CellRef<'a>> = (0..a.len()).map(|i| a.cell(i)).collect();
    for i in 0..b.len() {
        let cell = b.cell(i);
        if kind == Kind::Branch && i == 0 {
            cells.push(CellRef {
                value: cell.value,
                ..separator
            });
        } else {
            cells.push(cell);
        }
    }
    cells
}

/// The size of a page, for callers generic over where pages come from.
pub(super) fn room<P: Pages>(pages: &P) -> usize {
    pages.page_bytes() - HEADER_BYTES
}
