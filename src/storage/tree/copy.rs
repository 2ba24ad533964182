//! Copying trees page by page, with everything that hangs in them.

use super::{Child, fetch_node};
use crate::storage::Error;
use crate::storage::blob;
use crate::storage::cell::{self, Body, Cell};
use crate::storage::node::{self, Node};
use crate::storage::page::{Desc, PagePtr};
use crate::storage::pager::Pager;

/// A copy of a tree. Pages may leave memory on the way, so that both may be larger than it.
pub fn copy(pager: &mut Pager, desc: &Desc) -> Result<Desc, Error> {
    if desc.root.is_null() {
        return Ok(*desc);
    }
    let root = copy_page(pager, desc.root, desc.height)?;
    Ok(Desc { root, ..*desc })
}

/// A value with copies of everything that hangs at it, as long as it was.
pub fn copy_value(pager: &mut Pager, value: Vec<u8>) -> Result<Vec<u8>, Error> {
    let cell = Cell::new(&value);
    if cell.stands_alone() {
        return Ok(value);
    }
    let blob = cell.blob().map(|desc| blob::copy(pager, &desc));
    let blob = blob.transpose()?;
    let slots = (0..cell.slots())
        .map(|slot| copy(pager, &cell.slot(slot)))
        .collect::<Result<Vec<_>, _>>()?;
    let inline = match cell.body() {
        Body::Inline(bytes) => bytes,
        Body::Blob { .. } => &[],
    };
    let mut out = Vec::new();
    cell::encode(&mut out, cell.head(), blob, &slots, inline);
    Ok(out)
}

/// Copies a page and what is below it.
fn copy_page(pager: &mut Pager, ptr: PagePtr, level: u8) -> Result<PagePtr, Error> {
    let slot = fetch_node(pager, ptr, level)?;
    let node = Node::new(pager.bytes(slot));
    let is_changed =
        |i: &usize| level > 0 || node.has_overflow(*i) || !Cell::new(node.value(*i)).stands_alone();
    let changed: Vec<usize> = (0..node.len()).filter(is_changed).collect();
    let mut cells = Vec::with_capacity(changed.len());
    for i in changed {
        // The copies before may have driven the page from memory.
        let slot = fetch_node(pager, ptr, level)?;
        let node = Node::new(pager.bytes(slot));
        let (value, rest) = (node.value(i).to_vec(), node.overflow(i));
        let rest = rest.map(|rest| blob::copy(pager, &rest)).transpose()?;
        let value = if level == 0 {
            copy_value(pager, value)?
        } else {
            let child = Child::decode(&value);
            let ptr = copy_page(pager, child.ptr, level - 1)?;
            Child { ptr, ..child }.encode().to_vec()
        };
        cells.push((i, value, rest));
    }
    pager.reserve(1)?;
    let slot = fetch_node(pager, ptr, level)?;
    let copy = pager.duplicate(slot)?;
    let page = pager.values_mut(copy);
    for (i, value, rest) in cells {
        node::value_mut(page, i).copy_from_slice(&value);
        if let Some(rest) = rest {
            node::set_overflow(page, i, &rest);
        }
    }
    let ptr = pager.ptr(copy);
    pager.pass_on();
    Ok(ptr)
}
