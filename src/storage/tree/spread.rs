//! Laying the cells of a page out anew: over one page with another common prefix, or over several.

use std::ops::Range;

use super::{Child, Pages, Path};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::node::{self, CellRef, Node};
use crate::storage::page::{self, Desc, HEADER_BYTES, Kind, PagePtr};
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

/// At which end of its page a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// What a page that is begun with one cell takes as the common prefix of all that are to come, in bytes at most.
const PREFIX_GUESS_BYTES_MAX: usize = 64;

/// Hints tell as long as the cells of a page have less in common behind its prefix.
const HINT_SLACK_BYTES: usize = 2;

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
    if let Insertion::New {
        index,
        key,
        overflow,
        value,
    } = what
    {
        let cell = CellRef {
            prefix: &[],
            suffix: key,
            overflow,
            value,
        };
        if let Some(end) = end_to_go_on(pager, path, index, &cell) {
            let sibling = go_on(pager, path, end, &cell)?;
            return insert_siblings(pager, desc, path, level, vec![sibling]);
        }
    }
    let frame = path[level].slot;
    let old = pager.bytes(frame).to_vec();
    let node = Node::new(&old);
    let mut cells: Vec<CellRef<'_>> = (0..node.len()).map(|i| node.cell(i)).collect();
    let mut kept = node.prefix().len();
    match what {
        Insertion::New {
            index,
            key,
            overflow,
            value,
        } => {
            kept = common_bytes(node.prefix(), key);
            cells.insert(
                index,
                CellRef {
                    prefix: &[],
                    suffix: key,
                    overflow,
                    value,
                },
            );
        }
        Insertion::Replace { index, value } => cells[index].value = value,
    }
    let siblings = lay_out(pager, path, level, &cells, kept, false)?;
    insert_siblings(pager, desc, path, level, siblings)
}

/// At which end of its leaf a new cell stands for which a new page is begun, while the others stay as they are. Keys that
/// arrive in order, or in the opposite order, so fill page after page; and a key that does not begin as all others in a
/// page do does not cost them their prefix if they need it to have room.
fn end_to_go_on(
    pager: &Pager,
    path: &Path<FrameNo>,
    index: usize,
    cell: &CellRef<'_>,
) -> Option<End> {
    let (leaf, above) = path.split_last()?;
    let node = Node::new(pager.bytes(leaf.slot));
    let end = match index {
        _ if node.is_empty() => return None,
        0 => End::First,
        _ if index == node.len() => End::Last,
        _ => return None,
    };
    let common = common_bytes(node.prefix(), cell.suffix);
    let lost = node.prefix().len() - common;
    if lost > 0 {
        let bytes = common + node.used_bytes() + node.len() * lost + cell.bytes(common);
        return (bytes > room(pager)).then_some(end);
    }
    let mut above = above.iter();
    let is_edge = match end {
        End::First => above.all(|step| step.index == 0),
        End::Last => above.all(|step| step.index + 1 == Node::new(pager.bytes(step.slot)).len()),
    };
    is_edge.then_some(end)
}

/// Begins a page with a cell that comes before all others of the leaf of an owned path, or behind them. The new page on the
/// right is returned; the leaf stays the left one.
fn go_on(
    pager: &mut Pager,
    path: &Path<FrameNo>,
    end: End,
    cell: &CellRef<'_>,
) -> Result<Sibling, Error> {
    let leaf = path[path.len() - 1].slot;
    let old = pager.bytes(leaf).to_vec();
    let node = Node::new(&old);
    let neighbour = match end {
        End::First => node.cell(0),
        End::Last => node.cell(node.len() - 1),
    };
    let mut next_key = Vec::new();
    neighbour.key_to(&mut next_key);
    // Keys that arrive in order have most in common with those that came last.
    let common = common_bytes(&next_key, cell.suffix).min(PREFIX_GUESS_BYTES_MAX);
    let (key, overflow) = match end {
        End::First => separator(pager, cell, &neighbour)?,
        End::Last => separator(pager, &neighbour, cell)?,
    };
    let right = pager.birth(Kind::Leaf, 0)?;
    let (begun, filled) = match end {
        End::First => (leaf, right),
        End::Last => (right, leaf),
    };
    fill(pager, filled, &node);
    let ptr = pager.ptr(begun);
    let page = pager.bytes_mut(begun);
    node::init(page, Kind::Leaf, 0, ptr, &cell.suffix[..common]);
    let fits = node::insert(page, 0, &cell.suffix[common..], cell.overflow, cell.value);
    assert!(fits, "an empty page takes any cell");
    let count = match end {
        End::First => node.len() as u64,
        End::Last => 1,
    };
    Ok(Sibling {
        key,
        overflow,
        child: Child {
            ptr: pager.ptr(right),
            count,
        },
    })
}

/// Makes a page what another was, with a longer prefix if that makes hints tell again.
fn fill(pager: &mut Pager, frame: FrameNo, node: &Node<'_>) {
    let cells = [node.cell(0), node.cell(node.len() - 1)];
    let shared = shared_by(&cells, Kind::Leaf);
    let ptr = pager.ptr(frame);
    let page = pager.bytes_mut(frame);
    if shared.len() > node.prefix().len() + HINT_SLACK_BYTES {
        let cells: Vec<CellRef<'_>> = (0..node.len()).map(|i| node.cell(i)).collect();
        node::build(page, Kind::Leaf, 0, ptr, &shared, &cells);
    } else if page::ptr_of(node.page()) != ptr {
        page.copy_from_slice(node.page());
        page::set_ptr(page, ptr);
    }
}

/// Lays `cells`, which all begin with the same `kept` bytes, out over the page at `path[level]` and, if they need more,
/// new pages right of it. `is_last`: the last one is new.
fn lay_out(
    pager: &mut Pager,
    path: &Path<FrameNo>,
    level: usize,
    cells: &[CellRef<'_>],
    kept: usize,
    is_last: bool,
) -> Result<Vec<Sibling>, Error> {
    let fences = Fences::of(pager, path, level);
    let height = (path.len() - 1 - level) as u8;
    let kind = if height == 0 {
        Kind::Leaf
    } else {
        Kind::Branch
    };
    let whole = prefix_of(cells, &fences, kind, kept).len();
    let groups = if measure(cells, whole, kind) <= room(pager) {
        Vec::from([Range {
            start: 0,
            end: cells.len(),
        }])
    } else {
        // A part of the page has narrower bounds: with two bounds it has as much in common at least.
        let least = fences.common().map_or(kept, |_| whole);
        let fills = is_last && fences.high.is_none();
        partition(room(pager), cells, least, kind, fills)
    };
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
        let prefix = prefix_of(part, &bounds, kind, kept);
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
/// that may come, and no less than the `kept` bytes that they have in common by now. A branch at the edge of the tree,
/// which lacks a bound, takes what its keys have in common, and is laid out again should another come: every look-up
/// passes it.
pub(super) fn prefix_of(
    cells: &[CellRef<'_>],
    fences: &Fences,
    kind: Kind,
    kept: usize,
) -> Vec<u8> {
    let mut shared = shared_by(cells, kind);
    let len = match fences.common() {
        Some(common) => common_bytes(&shared, common),
        None if kind == Kind::Branch => shared.len(),
        None => 0,
    };
    shared.truncate(len.max(kept));
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

/// Cuts a row of cells, which have `whole` bytes in common and are too many for a page of `room` bytes, into groups that
/// each fit. `fills`: keys come in order, so that a page is left as full as it is.
fn partition(
    room: usize,
    cells: &[CellRef<'_>],
    whole: usize,
    kind: Kind,
    fills: bool,
) -> Vec<Range<usize>> {
    let fits = |part: &[CellRef<'_>]| measure(part, whole, kind) <= room;
    let last = cells.len() - 1;
    if fills && fits(&cells[..last]) {
        return vec![0..last, last..cells.len()];
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
    let is_last = index + 1 == cells.len();
    cells.splice(index + 1..index + 1, new);
    let common = |s: &Sibling| common_bytes(node.prefix(), &s.key);
    let kept = siblings.iter().map(common).min().unwrap_or_default();
    lay_out(pager, path, level, &cells, kept, is_last)
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
