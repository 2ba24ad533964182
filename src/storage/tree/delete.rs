//! Taking entries out of a tree.
//!
//! A page that becomes empty is unlinked. A page that becomes small is joined with a neighbour if the two fit into
//! one and the neighbour is in memory: a delete never waits for a page only to tidy up.

use super::change::{add_to_counts, own_path, pages_needed, set_child_ptr};
use super::spread::{self, Fences, joined, measure, prefix_of};
use super::{Child, Path, are_at_edge, descend, fetch_node, key_over};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::entry_bytes;
use crate::storage::node::{self, CellRef, Node};
use crate::storage::page::{Desc, Kind};
use crate::storage::pager::{FrameNo, Pager};

/// A page that uses less than this share of its room looks for a neighbour to join: one in this many.
const SMALL_SHARE: usize = 4;

/// Takes out the entry at the end of the way that a descent in this operation has found, with no change since. The way
/// leads to where it was afterwards, or is empty: other pages have the cells beside it now, or it failed.
pub fn delete_along(
    pager: &mut Pager,
    desc: &mut Desc,
    path: &mut Path<FrameNo>,
    removed: &mut dyn FnMut(&[u8]),
) -> Result<(), Error> {
    let index = path.last().expect("a path ends in a leaf").index;
    let stays = pager
        .reserve(pages_needed(desc.height))
        .and_then(|()| own_path(pager, desc, path))
        .and_then(|()| remove_cells(pager, desc, path, index..index + 1, removed));
    if !matches!(stays, Ok(true)) {
        path.clear();
    }
    stays.map(|_| ())
}

/// Takes out every key from `from` up to `to` (exclusive; None: to the end), handing the values to `removed`.
/// Returns how many.
pub fn delete_range(
    pager: &mut Pager,
    desc: &mut Desc,
    from: &[u8],
    to: Option<&[u8]>,
    removed: &mut dyn FnMut(&[u8]),
) -> Result<u64, Error> {
    let mut gone = 0;
    let mut key = Vec::new();
    loop {
        pager.reserve(pages_needed(desc.height))?;
        // The leaf of the first key that is left in the range: `from` itself may lie between two leaves.
        let first = super::seek(pager, desc, super::Seek::AtLeast(from), &mut key)?;
        if first.is_none() || to.is_some_and(|to| key.as_slice() >= to) {
            return Ok(gone);
        }
        let (mut path, _) = descend(pager, desc, &key)?.expect("the key has just been seen");
        let leaf = *path.last().expect("a path ends in a leaf");
        let len = Node::new(pager.bytes(leaf.slot)).len();
        let mut end = leaf.index + 1;
        while end < len {
            key_over(pager, leaf.slot, end, &mut key)?;
            if to.is_some_and(|to| key.as_slice() >= to) {
                break;
            }
            end += 1;
        }
        own_path(pager, desc, &mut path)?;
        remove_cells(pager, desc, &path, leaf.index..end, removed)?;
        gone += (end - leaf.index) as u64;
    }
}

/// Takes cells out of the leaf of an owned path. False: other pages have the cells beside them now.
fn remove_cells(
    pager: &mut Pager,
    desc: &mut Desc,
    path: &Path<FrameNo>,
    cells: std::ops::Range<usize>,
    removed: &mut dyn FnMut(&[u8]),
) -> Result<bool, Error> {
    let leaf = *path.last().expect("a path ends in a leaf");
    let count = cells.len() as u64;
    let is_at_edge = is_at_edge(pager, path, &cells);
    let mut gone_bytes = 0_u64;
    for i in cells.clone() {
        let node = Node::new(pager.bytes(leaf.slot));
        removed(node.value(i));
        gone_bytes = gone_bytes.saturating_add(entry_bytes(node.key_bytes(i), node.value(i)));
        if let Some(rest) = node.overflow(i) {
            blob::drop_all(pager, &rest)?;
        }
    }
    let page = pager.bytes_mut(leaf.slot);
    for i in cells.rev() {
        node::remove(page, i);
    }
    add_to_counts(pager, path, -(count as i64));
    desc.count -= count;
    desc.bytes = desc.bytes.saturating_sub(gone_bytes);
    if is_at_edge && !Node::new(pager.bytes(leaf.slot)).is_empty() {
        return Ok(true);
    }
    tidy(pager, desc, path)
}

/// Whether these cells are the first or the last of the whole tree. A leaf that is emptied from there soon goes, and nothing
/// is won by joining it.
fn is_at_edge(pager: &Pager, path: &Path<FrameNo>, cells: &std::ops::Range<usize>) -> bool {
    let (leaf, branches) = path.split_last().expect("a path ends in a leaf");
    let len = Node::new(pager.bytes(leaf.slot)).len();
    (cells.start == 0 && are_at_edge(pager, branches, true))
        || (cells.end == len && are_at_edge(pager, branches, false))
}

/// Unlinks empty pages and joins small ones along an owned path, from the leaf up. True: there were none.
fn tidy(pager: &mut Pager, desc: &mut Desc, path: &Path<FrameNo>) -> Result<bool, Error> {
    let mut is_tidy = true;
    for level in (1..path.len()).rev() {
        let frame = path[level].slot;
        let node = Node::new(pager.bytes(frame));
        if node.is_empty() {
            let ptr = pager.ptr(frame);
            unlink(pager, path[level - 1].slot, path[level - 1].index)?;
            pager.bury(ptr);
            is_tidy = false;
            continue;
        }
        let small = node.used_bytes() < (pager.page_bytes() / SMALL_SHARE);
        if !small || !join(pager, path, level)? {
            break;
        }
        is_tidy = false;
    }
    let is_empty = desc.count == 0;
    if !is_tidy || is_empty {
        shrink_root(pager, desc)?;
    }
    Ok(is_tidy && !is_empty)
}

/// Takes a child out of a branch, with its separator.
fn unlink(pager: &mut Pager, branch: FrameNo, index: usize) -> Result<(), Error> {
    let node = Node::new(pager.bytes(branch));
    // The first key of a branch is never looked at: when the first child goes, the second one's key goes with it.
    let dropped = if index == 0 { 1 } else { index };
    if dropped < node.len()
        && let Some(rest) = node.overflow(dropped)
    {
        blob::drop_all(pager, &rest)?;
    }
    let page = pager.bytes_mut(branch);
    node::remove(page, index);
    if index == 0 && !Node::new(page).is_empty() {
        clear_first_key(page);
    }
    Ok(())
}

/// Stores the first child of a branch without a key.
fn clear_first_key(page: &mut [u8]) {
    let mut value = [0; super::CHILD_BYTES];
    value.copy_from_slice(Node::new(page).value(0));
    node::remove(page, 0);
    let fits = node::insert(page, 0, &[], None, &value);
    assert!(fits, "a shorter cell fits where a longer one was");
}

/// Joins the page at `path[level]` with a neighbour that is in memory; false if there is none that fits.
fn join(pager: &mut Pager, path: &Path<FrameNo>, level: usize) -> Result<bool, Error> {
    let above = path[level - 1];
    let height = (path.len() - 1 - level) as u8;
    let kind = if height == 0 {
        Kind::Leaf
    } else {
        Kind::Branch
    };
    let len = Node::new(pager.bytes(above.slot)).len();
    for left in [above.index.checked_sub(1), Some(above.index)]
        .into_iter()
        .flatten()
    {
        if left + 1 >= len {
            continue;
        }
        let node = Node::new(pager.bytes(above.slot));
        let (a, b) = (
            Child::decode(node.value(left)),
            Child::decode(node.value(left + 1)),
        );
        if !pager.is_cached(a.ptr) || !pager.is_cached(b.ptr) {
            continue;
        }
        let a_frame = fetch_node(pager, a.ptr, height)?;
        let b_frame = fetch_node(pager, b.ptr, height)?;
        let used = |frame| Node::new(pager.bytes(frame)).used_bytes();
        // Joined pages share a shorter prefix, if any: the cells take at least what they take now.
        if used(a_frame) + used(b_frame) > spread::room(pager) {
            continue;
        }
        let (a_page, b_page) = (pager.bytes(a_frame).to_vec(), pager.bytes(b_frame).to_vec());
        let branch = pager.bytes(above.slot).to_vec();
        let separator: CellRef<'_> = Node::new(&branch).cell(left + 1);
        let cells = joined(&a_page, &b_page, separator, kind);
        let fences = fences_of_pair(pager, path, level, left);
        let prefix = prefix_of(&cells, &fences, kind, 0);
        if measure(&cells, prefix.len(), kind) > spread::room(pager) {
            continue;
        }
        let into = pager.own(a_frame)?;
        let ptr = pager.ptr(into);
        set_child_ptr(pager, above.slot, left, ptr);
        node::build(pager.bytes_mut(into), kind, height, ptr, &prefix, &cells);
        let page = pager.bytes_mut(above.slot);
        let merged = Child {
            ptr,
            count: a.count + b.count,
        };
        node::value_mut(page, left).copy_from_slice(&merged.encode());
        // A branch takes the separator over as a key; a leaf has no use for it.
        if kind == Kind::Branch {
            node::remove(page, left + 1);
        } else {
            unlink(pager, above.slot, left + 1)?;
        }
        pager.bury(b.ptr);
        return Ok(true);
    }
    Ok(false)
}

/// The bounds of two neighbours taken together.
fn fences_of_pair(pager: &Pager, path: &Path<FrameNo>, level: usize, left: usize) -> Fences {
    let mut pair = path.clone();
    pair[level - 1].index = left;
    let mut fences = Fences::of(pager, &pair, level);
    pair[level - 1].index = left + 1;
    fences.high = Fences::of(pager, &pair, level).high;
    fences
}

/// A branch with one child is no root; a leaf without cells is no tree.
fn shrink_root(pager: &mut Pager, desc: &mut Desc) -> Result<(), Error> {
    while !desc.root.is_null() {
        let frame = fetch_node(pager, desc.root, desc.height)?;
        let node = Node::new(pager.bytes(frame));
        let old = desc.root;
        if node.is_empty() {
            desc.root = Desc::EMPTY_TREE.root;
            desc.height = 0;
        } else if desc.height > 0 && node.len() == 1 {
            desc.root = Child::decode(node.value(0)).ptr;
            desc.height -= 1;
        } else {
            return Ok(());
        }
        pager.bury(old);
    }
    Ok(())
}
