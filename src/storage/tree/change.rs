//! Putting an entry into a tree.

use super::spread::{self, Insertion};
use super::{Child, Path, descend};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::{Cell, entry_bytes};
use crate::storage::node::{self, Node};
use crate::storage::page::{Desc, Kind};
use crate::storage::pager::{FrameNo, Pager};

/// An entry to be put: the key as it stands in the page, and the value.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The whole key.
    pub key: &'a [u8],
    /// The blob with what does not fit into the page, for a new long key: see [`make_key_overflow`].
    pub overflow: Option<Desc>,
    pub value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The part of the key that stands in the page.
    fn inline(&self, pager: &Pager) -> &'a [u8] {
        &self.key[..self.key.len().min(node::key_inline_max(pager.page_bytes()))]
    }
}

/// Makes the blob for the rest of a key that is longer than a page holds. The caller gives it to [`insert`]
/// only for a key that is not in the tree.
pub fn make_key_overflow(pager: &mut Pager, key: &[u8]) -> Result<Option<Desc>, Error> {
    let inline_max = node::key_inline_max(pager.page_bytes());
    if key.len() <= inline_max {
        return Ok(None);
    }
    let mut desc = Desc::EMPTY_BLOB;
    blob::write(pager, &mut desc, 0, &key[inline_max..])?;
    Ok(Some(desc))
}

/// Pages that an insertion may need: a copy of each page on the way and a new one beside it, and a new root.
pub fn pages_needed(height: u8) -> u64 {
    2 * (u64::from(height) + 1) + 2
}

/// Puts an entry, replacing the value if the key is there. True: the key is new.
pub fn insert(pager: &mut Pager, desc: &mut Desc, entry: &Entry<'_>) -> Result<bool, Error> {
    insert_over(pager, desc, entry, &mut |_| {})
}

/// As [`insert`]; an old value is handed to `replaced` before it goes.
pub fn insert_over(
    pager: &mut Pager,
    desc: &mut Desc,
    entry: &Entry<'_>,
    replaced: &mut dyn FnMut(&[u8]),
) -> Result<bool, Error> {
    let inline = entry.inline(pager);
    assert!(
        node::cell_bytes(
            inline.len(),
            inline.len() < entry.key.len(),
            entry.value.len()
        ) <= node::cell_bytes_max(pager.page_bytes()),
        "a value too large for a page is a blob"
    );
    pager.reserve(pages_needed(desc.height))?;
    let Some((mut path, found)) = descend(pager, desc, entry.key)? else {
        plant(pager, desc, inline, entry)?;
        return Ok(true);
    };
    insert_along(pager, desc, entry, &mut path, found, replaced)
}

/// As [`insert_over`], along the way to the key that a descent in this operation has found, with no change since. The way
/// leads to the entry afterwards, or is empty: other pages have its cells now, or it failed.
pub fn insert_along(
    pager: &mut Pager,
    desc: &mut Desc,
    entry: &Entry<'_>,
    path: &mut Path<FrameNo>,
    found: bool,
    replaced: &mut dyn FnMut(&[u8]),
) -> Result<bool, Error> {
    let done = put_along(pager, desc, entry, path, found, replaced);
    if done.is_err() {
        path.clear();
    }
    done
}

fn put_along(
    pager: &mut Pager,
    desc: &mut Desc,
    entry: &Entry<'_>,
    path: &mut Path<FrameNo>,
    found: bool,
    replaced: &mut dyn FnMut(&[u8]),
) -> Result<bool, Error> {
    let inline = entry.inline(pager);
    pager.reserve(pages_needed(desc.height))?;
    if found {
        own_leaf(pager, desc, path)?;
        let leaf = *path.last().expect("a path ends in a leaf");
        let old = Node::new(pager.bytes(leaf.slot)).value(leaf.index);
        let old_bytes = Cell::new(old).data_bytes();
        replaced(old);
        let page = pager.values_mut(leaf.slot);
        if !node::set_value(page, leaf.index, entry.value) {
            own_path(pager, desc, path)?;
            let what = Insertion::Replace {
                index: leaf.index,
                value: entry.value,
            };
            spread::change_leaf(pager, desc, path, what)?;
            path.clear();
        }
        let new_bytes = Cell::new(entry.value).data_bytes();
        desc.bytes = desc
            .bytes
            .saturating_add(new_bytes)
            .saturating_sub(old_bytes);
        return Ok(false);
    }
    own_path(pager, desc, path)?;
    let leaf = *path.last().expect("a path ends in a leaf");
    let page = pager.bytes_mut(leaf.slot);
    let fits = match inline.strip_prefix(Node::new(page).prefix()) {
        Some(suffix) => node::insert(page, leaf.index, suffix, entry.overflow, entry.value),
        None => false,
    };
    add_to_counts(pager, path, 1);
    desc.count += 1;
    desc.bytes = desc
        .bytes
        .saturating_add(entry_bytes(entry.key.len() as u64, entry.value));
    if !fits {
        let what = Insertion::New {
            index: leaf.index,
            key: inline,
            overflow: entry.overflow,
            value: entry.value,
        };
        spread::change_leaf(pager, desc, path, what)?;
        path.clear();
    }
    Ok(true)
}

/// The value at the end of the way that a descent in this operation has found, with no change since, to be changed
/// in place. The way stays good.
pub fn value_along<'a>(
    pager: &'a mut Pager,
    desc: &mut Desc,
    path: &mut Path<FrameNo>,
) -> Result<&'a mut [u8], Error> {
    pager.reserve(pages_needed(desc.height))?;
    own_leaf(pager, desc, path)?;
    let leaf = *path.last().expect("a path ends in a leaf");
    Ok(node::value_mut(pager.values_mut(leaf.slot), leaf.index))
}

/// The first entry of an empty tree.
fn plant(
    pager: &mut Pager,
    desc: &mut Desc,
    inline: &[u8],
    entry: &Entry<'_>,
) -> Result<(), Error> {
    let frame = pager.birth(Kind::Leaf, 0)?;
    let ptr = pager.ptr(frame);
    let page = pager.bytes_mut(frame);
    node::init(page, Kind::Leaf, 0, ptr, &[]);
    let fits = node::insert(page, 0, inline, entry.overflow, entry.value);
    assert!(fits, "an empty page takes any cell");
    *desc = Desc {
        root: ptr,
        height: 0,
        is_blob: false,
        count: 1,
        bytes: entry_bytes(entry.key.len() as u64, entry.value),
    };
    Ok(())
}

/// Makes every page of a path changeable, from the root down, and points parents at the copies.
pub(super) fn own_path(
    pager: &mut Pager,
    desc: &mut Desc,
    path: &mut Path<FrameNo>,
) -> Result<(), Error> {
    for level in 0..path.len() {
        let step = path[level];
        if pager.own_in_place(step.slot) {
            continue;
        }
        let frame = pager.own(step.slot)?;
        let ptr = pager.ptr(frame);
        match level.checked_sub(1) {
            None => desc.root = ptr,
            Some(above) => set_child_ptr(pager, path[above].slot, path[above].index, ptr),
        }
        path[level].slot = frame;
        path[level].ptr = ptr;
    }
    Ok(())
}

/// Makes the leaf at the end of a path changeable; those above it, only if it becomes another page.
fn own_leaf(pager: &mut Pager, desc: &mut Desc, path: &mut Path<FrameNo>) -> Result<(), Error> {
    let leaf = path.last().expect("a path ends in a leaf");
    match pager.own_in_place(leaf.slot) {
        true => Ok(()),
        false => own_path(pager, desc, path),
    }
}

pub(super) fn set_child_ptr(
    pager: &mut Pager,
    branch: FrameNo,
    index: usize,
    ptr: crate::storage::page::PagePtr,
) {
    let page = pager.bytes_mut(branch);
    let child = Child {
        ptr,
        ..Child::decode(Node::new(page).value(index))
    };
    node::value_mut(page, index).copy_from_slice(&child.encode());
}

/// Adds to the entry counts of the children that a path takes.
pub(super) fn add_to_counts(pager: &mut Pager, path: &Path<FrameNo>, delta: i64) {
    let (_, branches) = path.split_last().expect("a path ends in a leaf");
    for step in branches {
        let value = node::value_mut(pager.values_mut(step.slot), step.index);
        let count = Child::count_in(value)
            .checked_add_signed(delta)
            .expect("a count of entries");
        Child::set_count_in(value, count);
    }
}
