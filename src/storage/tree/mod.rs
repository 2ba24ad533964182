//! B+trees with subtree counts: finding keys, ranks and ranges.
//!
//! Every child pointer in a branch carries the number of entries below it, so that a rank, or the n-th entry, takes
//! one descent. A tree is named by its [`Desc`]; an empty tree has no page.

mod ahead;
mod build;
mod change;
mod copy;
mod delete;
mod scan;
mod spread;

use std::cmp::Ordering;
use std::ops::Range;

use smallvec::SmallVec;

pub use self::ahead::{Ahead, TOGETHER_MAX, descend_together, visit_end};
pub use self::build::Builder;
pub use self::change::{
    Entry, insert, insert_along, insert_over, make_key_overflow, pages_needed, value_along,
};
pub use self::copy::{copy, copy_value};
pub use self::delete::{delete_along, delete_range};
pub use self::scan::{Seek, scan, seek, seek_into};
use super::Error;
use super::blob;
use super::node::{self, Node, Search};
use super::page::{self, Desc, Kind, PTR_BYTES, PageFault, PagePtr};
use super::pager::{FrameNo, Pager};

/// Bytes of a child in a branch: pointer and number of entries below.
pub const CHILD_BYTES: usize = PTR_BYTES + 6;

/// What a branch has whose counts are wrong.
const COUNTS_FAULT: PageFault = PageFault::Layout("the counts do not add up");

/// The highest tree: with two children a branch it would hold more entries than a file can.
pub const HEIGHT_MAX: u8 = 40;

/// Where pages come from: the pool under the engine lock, or a snapshot's reader.
pub trait Pages {
    /// Names a fetched page. Good until [`Pages::progress`].
    type Slot: Copy + std::fmt::Debug;

    fn page_bytes(&self) -> usize;
    fn fetch(&mut self, ptr: PagePtr) -> Result<Self::Slot, Error>;
    fn bytes(&self, slot: Self::Slot) -> &[u8];

    /// The error for a page that is not what it should be.
    fn corruption(&self, ptr: PagePtr, fault: PageFault) -> Error;

    /// A long read is done with what it has fetched so far.
    fn progress(&mut self);
}

impl Pages for Pager {
    type Slot = FrameNo;

    fn page_bytes(&self) -> usize {
        Pager::page_bytes(self)
    }

    #[inline]
    fn fetch(&mut self, ptr: PagePtr) -> Result<FrameNo, Error> {
        Pager::fetch(self, ptr)
    }

    #[inline]
    fn bytes(&self, slot: FrameNo) -> &[u8] {
        Pager::bytes(self, slot)
    }

    fn corruption(&self, ptr: PagePtr, fault: PageFault) -> Error {
        self.source().corruption(ptr, fault).into()
    }

    fn progress(&mut self) {
        self.pass_on();
    }
}

/// A child of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    pub ptr: PagePtr,
    /// Entries below.
    pub count: u64,
}

impl Child {
    pub fn decode(value: &[u8]) -> Self {
        Self {
            ptr: PagePtr::decode(value),
            count: Self::count_in(value),
        }
    }

    /// Entries below the child whose bytes these are.
    #[inline]
    fn count_in(value: &[u8]) -> u64 {
        page::u48_at(value, PTR_BYTES)
    }

    #[inline]
    fn set_count_in(value: &mut [u8], count: u64) {
        value[PTR_BYTES..CHILD_BYTES].copy_from_slice(&count.to_le_bytes()[..6]);
    }

    pub fn encode(&self) -> [u8; CHILD_BYTES] {
        let mut out = [0; CHILD_BYTES];
        out[..PTR_BYTES].copy_from_slice(&self.ptr.encode());
        out[PTR_BYTES..].copy_from_slice(&self.count.to_le_bytes()[..6]);
        out
    }
}

/// One level of a descent: the page, and the child taken or the cell found.
#[derive(Clone, Copy, Debug)]
pub struct Step<S> {
    pub ptr: PagePtr,
    pub slot: S,
    pub index: usize,
}

/// A descent from the root to a leaf.
pub type Path<S> = SmallVec<[Step<S>; 8]>;

/// Whether these steps all take the first child of their branch, or all the last: what lies below is an edge of the tree.
#[inline]
pub fn are_at_edge(pager: &Pager, branches: &[Step<FrameNo>], is_first: bool) -> bool {
    let mut branches = branches.iter();
    match is_first {
        true => branches.all(|step| step.index == 0),
        false => branches.all(|step| step.index + 1 == Node::new(pager.bytes(step.slot)).len()),
    }
}

/// Fetches a tree page and makes sure that it is of the level its parent says.
#[inline]
pub fn fetch_node<P: Pages>(pages: &mut P, ptr: PagePtr, level: u8) -> Result<P::Slot, Error> {
    let slot = pages.fetch(ptr)?;
    let bytes = pages.bytes(slot);
    let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
    if bytes[4] != kind as u8 || page::level_of(bytes) != level {
        let found = bytes[4];
        return Err(pages.corruption(ptr, PageFault::Kind(found)));
    }
    Ok(slot)
}

/// Finds `key` among the cells of a page from `first` on; never ambiguous.
pub(super) fn search<P: Pages>(
    pages: &mut P,
    slot: P::Slot,
    key: &[u8],
    first: usize,
) -> Result<Search, Error> {
    let inline_max = node::key_inline_max(pages.page_bytes());
    let found = Node::new(pages.bytes(slot)).search(key, inline_max, first);
    let Search::Ambiguous { from, to } = found else {
        return Ok(found);
    };
    let rest = &key[inline_max..];
    let (mut low, mut high) = (from, to);
    while low < high {
        let mid = low + (high - low) / 2;
        let desc = Node::new(pages.bytes(slot))
            .overflow(mid)
            .expect("a cell with a long key");
        match blob::compare(pages, &desc, rest)? {
            Ordering::Less => low = mid + 1,
            Ordering::Greater => high = mid,
            Ordering::Equal => return Ok(Search::Found(mid)),
        }
    }
    Ok(Search::Missing(low))
}

/// The child of a branch in whose range `key` falls.
#[inline]
fn child_index<P: Pages>(pages: &mut P, slot: P::Slot, key: &[u8]) -> Result<usize, Error> {
    Ok(match search(pages, slot, key, 1)? {
        Search::Found(i) => i,
        Search::Missing(i) => i - 1,
        Search::Ambiguous { .. } => unreachable!("search resolves ambiguity"),
    })
}

/// The leaf where `key` is or would be. None: the tree is empty.
#[inline]
pub fn find_leaf<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    key: &[u8],
) -> Result<Option<P::Slot>, Error> {
    if desc.root.is_null() {
        return Ok(None);
    }
    let mut ptr = desc.root;
    for level in (1..=desc.height).rev() {
        let slot = fetch_node(pages, ptr, level)?;
        let index = child_index(pages, slot, key)?;
        ptr = Child::decode(Node::new(pages.bytes(slot)).value(index)).ptr;
    }
    fetch_node(pages, ptr, 0).map(Some)
}

/// Where `key` is: a leaf and a cell of it.
#[inline]
pub fn lookup<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    key: &[u8],
) -> Result<Option<(P::Slot, usize)>, Error> {
    let Some(slot) = find_leaf(pages, desc, key)? else {
        return Ok(None);
    };
    match search(pages, slot, key, 0)? {
        Search::Found(i) => Ok(Some((slot, i))),
        _ => Ok(None),
    }
}

/// A way down, and whether the key is at its end.
pub type Descent<S> = (Path<S>, bool);

/// The whole way to where `key` is or would be. None: the tree is empty. The last step's index is the cell's.
pub fn descend<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    key: &[u8],
) -> Result<Option<Descent<P::Slot>>, Error> {
    let mut path = Path::new();
    let found = descend_into(pages, desc, key, &mut path)?;
    Ok(found.map(|found| (path, found)))
}

/// As [`descend`], over a path that the caller keeps; says whether the key is there.
#[inline]
pub fn descend_into<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    key: &[u8],
    path: &mut Path<P::Slot>,
) -> Result<Option<bool>, Error> {
    path.clear();
    if desc.root.is_null() {
        return Ok(None);
    }
    let mut ptr = desc.root;
    for level in (1..=desc.height).rev() {
        let slot = fetch_node(pages, ptr, level)?;
        let index = child_index(pages, slot, key)?;
        path.push(Step { ptr, slot, index });
        ptr = Child::decode(Node::new(pages.bytes(slot)).value(index)).ptr;
    }
    let slot = fetch_node(pages, ptr, 0)?;
    let (index, found) = place_in(pages, slot, key)?;
    path.push(Step { ptr, slot, index });
    Ok(Some(found))
}

/// The cell of a leaf where `key` is or would be, and whether it is there.
#[inline]
pub fn place_in<P: Pages>(
    pages: &mut P,
    leaf: P::Slot,
    key: &[u8],
) -> Result<(usize, bool), Error> {
    Ok(match search(pages, leaf, key, 0)? {
        Search::Found(i) => (i, true),
        Search::Missing(i) => (i, false),
        Search::Ambiguous { .. } => unreachable!("search resolves ambiguity"),
    })
}

/// How many entries have a smaller key.
pub fn rank<P: Pages>(pages: &mut P, desc: &Desc, key: &[u8]) -> Result<u64, Error> {
    let Some((path, _)) = descend(pages, desc, key)? else {
        return Ok(0);
    };
    let (leaf, branches) = path.split_last().expect("a path ends in a leaf");
    let (mut rank, mut count) = (leaf.index as u64, desc.count);
    for step in branches {
        let node = Node::new(pages.bytes(step.slot));
        let Some(before) = count_before(node, step.index, count) else {
            return Err(pages.corruption(step.ptr, COUNTS_FAULT));
        };
        rank += before;
        count = Child::count_in(node.value(step.index));
    }
    Ok(rank)
}

/// How many of the `count` entries below a branch are before its child `index`; counted from the nearer end. None: the
/// counts of the children do not add up.
fn count_before(branch: Node<'_>, index: usize, count: u64) -> Option<u64> {
    let sum = |children: Range<usize>| {
        children
            .map(|index| Child::count_in(branch.value(index)))
            .sum::<u64>()
    };
    if index <= branch.len() / 2 {
        return Some(sum(0..index));
    }
    count.checked_sub(sum(index..branch.len()))
}

/// The whole way to the n-th entry (from 0). None: there are not so many.
pub fn descend_to<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    n: u64,
) -> Result<Option<Path<P::Slot>>, Error> {
    if n >= desc.count || desc.root.is_null() {
        return Ok(None);
    }
    let mut path = Path::new();
    let (mut rest, mut count) = (n, desc.count);
    let mut ptr = desc.root;
    for level in (1..=desc.height).rev() {
        let slot = fetch_node(pages, ptr, level)?;
        let node = Node::new(pages.bytes(slot));
        let Some((index, before)) = child_with(node, rest, count) else {
            return Err(pages.corruption(ptr, COUNTS_FAULT));
        };
        let child = Child::decode(node.value(index));
        path.push(Step { ptr, slot, index });
        (rest, count, ptr) = (rest - before, child.count, child.ptr);
    }
    let slot = fetch_node(pages, ptr, 0)?;
    if rest >= Node::new(pages.bytes(slot)).len() as u64 {
        return Err(pages.corruption(ptr, COUNTS_FAULT));
    }
    let index = rest as usize;
    path.push(Step { ptr, slot, index });
    Ok(Some(path))
}

/// Below which child of a branch its n-th entry (from 0) of `count` is, and how many are before that child; counted from
/// the nearer end. None: the counts of the children do not add up.
fn child_with(branch: Node<'_>, n: u64, count: u64) -> Option<(usize, u64)> {
    let count_at = |index| Child::count_in(branch.value(index));
    if n < count / 2 {
        let mut before = 0;
        for index in 0..branch.len() {
            let through = before + count_at(index);
            if n < through {
                return Some((index, before));
            }
            before = through;
        }
        return None;
    }
    let mut before = count;
    for index in (0..branch.len()).rev() {
        before = before.checked_sub(count_at(index))?;
        if n >= before {
            return Some((index, before));
        }
    }
    None
}

/// Writes the whole key of a cell over `out`, its overflow included.
pub fn key_over<P: Pages>(
    pages: &mut P,
    slot: P::Slot,
    index: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let node = Node::new(pages.bytes(slot));
    node.key_over(index, out);
    if let Some(desc) = node.overflow(index) {
        blob::read(pages, &desc, 0, desc.count, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
