//! Going through a tree in order, forward and backward.

use std::ops::ControlFlow;

use super::{Child, Pages, Path, Step, descend, descend_to, fetch_node, key_over};
use crate::storage::Error;
use crate::storage::cell::Cell;
use crate::storage::node::Node;
use crate::storage::page::Desc;

/// Where to begin, and which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek<'a> {
    /// The smallest key, forward.
    First,
    /// The largest key, backward.
    Last,
    /// The smallest key not below this one, forward.
    AtLeast(&'a [u8]),
    /// The smallest key above this one, forward.
    After(&'a [u8]),
    /// The largest key not above this one, backward.
    AtMost(&'a [u8]),
    /// The largest key below this one, backward.
    Before(&'a [u8]),
    /// The n-th entry in the order of keys, from 0, forward.
    Nth(u64),
    /// The same entry, backward.
    NthBack(u64),
}

impl Seek<'_> {
    /// Whether it goes to larger keys.
    pub fn is_forward(self) -> bool {
        matches!(
            self,
            Self::First | Self::AtLeast(_) | Self::After(_) | Self::Nth(_)
        )
    }
}

/// A place between cells, as the number of cells of the leaf before it.
struct Place<S> {
    path: Path<S>,
    /// The next cell forward is this one; the next backward is the one before.
    at: usize,
}

fn begin<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    seek: Seek<'_>,
) -> Result<Option<Place<P::Slot>>, Error> {
    if desc.root.is_null() {
        return Ok(None);
    }
    let (key, past_equal) = match seek {
        Seek::First => return edge(pages, desc, true).map(Some),
        Seek::Last => return edge(pages, desc, false).map(Some),
        Seek::AtLeast(key) | Seek::Before(key) => (key, false),
        Seek::After(key) | Seek::AtMost(key) => (key, true),
        Seek::Nth(n) => return nth(pages, desc, n, false),
        Seek::NthBack(n) => return nth(pages, desc, n, true),
    };
    let Some((path, found)) = descend(pages, desc, key)? else {
        return Ok(None);
    };
    let index = path.last().expect("a path ends in a leaf").index;
    Ok(Some(Place {
        path,
        at: index + usize::from(found && past_equal),
    }))
}

/// The place before the n-th cell, or behind it; None: there are not so many.
fn nth<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    n: u64,
    behind: bool,
) -> Result<Option<Place<P::Slot>>, Error> {
    Ok(descend_to(pages, desc, n)?.map(|path| {
        let index = path.last().expect("a path ends in a leaf").index;
        let at = index + usize::from(behind);
        Place { path, at }
    }))
}

/// The place before the first cell or behind the last.
fn edge<P: Pages>(pages: &mut P, desc: &Desc, first: bool) -> Result<Place<P::Slot>, Error> {
    let mut path = Path::new();
    let at = go_down(pages, &mut path, desc.root, desc.height, first)?;
    Ok(Place { path, at })
}

/// Extends `path` from `ptr` down to the first or last leaf below it; returns the place at that leaf's near end.
fn go_down<P: Pages>(
    pages: &mut P,
    path: &mut Path<P::Slot>,
    from: crate::storage::page::PagePtr,
    height: u8,
    first: bool,
) -> Result<usize, Error> {
    let mut ptr = from;
    for level in (0..=height).rev() {
        let slot = fetch_node(pages, ptr, level)?;
        let node = Node::new(pages.bytes(slot));
        let len = node.len();
        if level == 0 {
            path.push(Step {
                ptr,
                slot,
                index: 0,
            });
            return Ok(if first { 0 } else { len });
        }
        let index = if first { 0 } else { len - 1 };
        path.push(Step { ptr, slot, index });
        ptr = Child::decode(node.value(index)).ptr;
    }
    unreachable!("the loop ends at level 0")
}

/// Moves to the next leaf in the direction; false at the end of the tree.
fn next_leaf<P: Pages>(
    pages: &mut P,
    place: &mut Place<P::Slot>,
    forward: bool,
) -> Result<bool, Error> {
    let mut level = 0_u8;
    place.path.pop();
    pages.progress();
    while let Some(step) = place.path.last_mut() {
        level += 1;
        // What was fetched before `progress` may be gone: fetched again by its pointer.
        step.slot = fetch_node(pages, step.ptr, level)?;
        let node = Node::new(pages.bytes(step.slot));
        let next = if forward {
            Some(step.index + 1).filter(|i| *i < node.len())
        } else {
            step.index.checked_sub(1)
        };
        if let Some(index) = next {
            step.index = index;
            let ptr = Child::decode(node.value(index)).ptr;
            place.at = go_down(pages, &mut place.path, ptr, level - 1, forward)?;
            return Ok(true);
        }
        place.path.pop();
    }
    Ok(false)
}

/// Moves to the next cell; None at the end.
fn advance<P: Pages>(
    pages: &mut P,
    place: &mut Place<P::Slot>,
    forward: bool,
) -> Result<Option<(P::Slot, usize)>, Error> {
    loop {
        let slot = place.path.last().expect("a place is in a leaf").slot;
        let len = Node::new(pages.bytes(slot)).len();
        if forward && place.at < len {
            place.at += 1;
            return Ok(Some((slot, place.at - 1)));
        }
        if !forward && place.at > 0 {
            place.at -= 1;
            return Ok(Some((slot, place.at)));
        }
        if !next_leaf(pages, place, forward)? {
            return Ok(None);
        }
    }
}

/// As [`seek`], over a path that the caller keeps and that ends at the entry; false: there is none.
pub fn seek_into<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    from: Seek<'_>,
    key_out: &mut Vec<u8>,
    path: &mut Path<P::Slot>,
) -> Result<bool, Error> {
    let Some(mut place) = begin(pages, desc, from)? else {
        return Ok(false);
    };
    let Some((slot, index)) = advance(pages, &mut place, from.is_forward())? else {
        return Ok(false);
    };
    key_over(pages, slot, index, key_out)?;
    *path = place.path;
    path.last_mut().expect("a place is in a leaf").index = index;
    Ok(true)
}

/// The first entry from `from` in its direction; its key goes over `key_out`.
pub fn seek<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    from: Seek<'_>,
    key_out: &mut Vec<u8>,
) -> Result<Option<(P::Slot, usize)>, Error> {
    let mut path = Path::new();
    if !seek_into(pages, desc, from, key_out, &mut path)? {
        return Ok(None);
    }
    Ok(path.last().map(|leaf| (leaf.slot, leaf.index)))
}

/// Why the visit of a leaf's cells ended.
enum LeafEnd {
    /// There are no more on this way.
    Edge,
    /// The visitor said stop.
    Stop,
    /// The key of the next cell goes on in a blob.
    LongKey,
}

/// Visits entries from `from` on in its direction until `visit` says stop.
pub fn scan<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    from: Seek<'_>,
    visit: &mut dyn FnMut(&[u8], Cell<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let Some(mut place) = begin(pages, desc, from)? else {
        return Ok(());
    };
    let forward = from.is_forward();
    let mut key = Vec::new();
    loop {
        let slot = place.path.last().expect("a place is in a leaf").slot;
        let node = Node::new(pages.bytes(slot));
        match visit_leaf(node, &mut place.at, forward, &mut key, visit) {
            LeafEnd::Stop => return Ok(()),
            LeafEnd::Edge => {
                if !next_leaf(pages, &mut place, forward)? {
                    return Ok(());
                }
            }
            LeafEnd::LongKey => {
                let (slot, index) = advance(pages, &mut place, forward)?
                    .expect("the cell with the long key is there");
                key_over(pages, slot, index, &mut key)?;
                let cell = Cell::new(Node::new(pages.bytes(slot)).value(index));
                if visit(&key, cell).is_break() {
                    return Ok(());
                }
            }
        }
    }
}

/// Visits the cells of a leaf from the place `at` on, which moves along. What is the same for all cells is done once.
fn visit_leaf(
    node: Node<'_>,
    at: &mut usize,
    forward: bool,
    key: &mut Vec<u8>,
    visit: &mut dyn FnMut(&[u8], Cell<'_>) -> ControlFlow<()>,
) -> LeafEnd {
    let (len, prefix) = (node.len(), node.prefix());
    key.clear();
    key.extend_from_slice(prefix);
    loop {
        let (index, after) = if forward {
            (*at, *at + 1)
        } else {
            (at.wrapping_sub(1), at.wrapping_sub(1))
        };
        if index >= len {
            return LeafEnd::Edge;
        }
        let (suffix, has_more, value) = node.entry(index);
        if has_more {
            return LeafEnd::LongKey;
        }
        *at = after;
        key.truncate(prefix.len());
        key.extend_from_slice(suffix);
        if visit(key, Cell::new(value)).is_break() {
            return LeafEnd::Stop;
        }
    }
}
