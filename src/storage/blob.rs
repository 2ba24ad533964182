//! Large values: trees of raw pages, read, written, extended and cut by ranges.
//!
//! A leaf is a page of raw bytes behind the page header. A branch is an array of pointers to its children; a null
//! pointer is a hole that reads as zeroes. A blob of height `h` has room for `leaf * fanout^h` bytes, and byte `n`
//! lies where arithmetic says: there are no keys. Bytes behind the end of the blob are zero.

use std::cmp::Ordering;

use super::Error;
use super::page::{self, Desc, HEADER_BYTES, Kind, PTR_BYTES, PageFault, PagePtr};
use super::pager::{FrameNo, Pager};
use super::tree::Pages;

/// The longest blob in bytes: far above Redis's 512 MB, and far below what 64-bit arithmetic could overflow on.
pub const BLOB_BYTES_MAX: u64 = 1 << 40;

/// The longest value that commands may make, in bytes: a record of the log that puts bytes further out is refused when it
/// is replayed.
pub const BODY_BYTES_MAX: u64 = BLOB_BYTES_MAX / 2;

/// Bytes compared or copied at a time.
const CHUNK_BYTES: u64 = 4096;

/// Bytes in one leaf.
pub fn leaf_bytes(page_bytes: usize) -> u64 {
    (page_bytes - HEADER_BYTES) as u64
}

/// Children of one branch.
pub fn fanout(page_bytes: usize) -> u64 {
    ((page_bytes - HEADER_BYTES) / PTR_BYTES) as u64
}

/// Bytes below a node of this height.
pub(super) fn span(page_bytes: usize, height: u8) -> u64 {
    let mut span = leaf_bytes(page_bytes);
    for _ in 0..height {
        span = span.saturating_mul(fanout(page_bytes));
    }
    span
}

/// The height of the longest blob.
pub fn height_max(page_bytes: usize) -> u8 {
    (0..u8::MAX)
        .find(|height| span(page_bytes, *height) >= BLOB_BYTES_MAX)
        .unwrap_or(u8::MAX)
}

/// What is wrong with a descriptor that was read as one of a blob. One `is_part` of a blob that is being freed has the
/// length of the whole.
pub fn shape_fault(desc: &Desc, page_bytes: usize, is_part: bool) -> Option<&'static str> {
    if !desc.is_blob {
        return Some("a blob is described as something else");
    }
    if desc.height > height_max(page_bytes) {
        return Some("a blob is higher than the longest one");
    }
    if desc.bytes != 0 {
        return Some("a blob counts bytes as a tree does");
    }
    if desc.root.is_null() && desc.root != PagePtr::default() {
        return Some("a blob without a page has a stamp");
    }
    if desc.count > BLOB_BYTES_MAX {
        return Some("a blob is longer than the longest one");
    }
    if is_part || desc.root.is_null() {
        return None;
    }
    if desc.count > span(page_bytes, desc.height) {
        return Some("a blob is longer than its height allows");
    }
    let is_too_high = match desc.height {
        0 => desc.count == 0,
        height => desc.count <= span(page_bytes, height - 1),
    };
    is_too_high.then_some("a blob is higher than its length needs")
}

/// The pages that a blob of `len` bytes takes, branches included, at most.
pub fn pages_for(page_bytes: usize, len: u64) -> u64 {
    let mut nodes = len.div_ceil(leaf_bytes(page_bytes));
    let mut total = nodes;
    while nodes > 1 {
        nodes = nodes.div_ceil(fanout(page_bytes));
        total += nodes;
    }
    total + 8
}

/// Child `index` of a blob branch; null: a hole.
pub(super) fn child_at(bytes: &[u8], index: u64) -> PagePtr {
    PagePtr::decode(&bytes[HEADER_BYTES + index as usize * PTR_BYTES..])
}

/// The children of a blob branch, holes left out.
pub fn children(bytes: &[u8]) -> impl Iterator<Item = PagePtr> + '_ {
    (0..fanout(bytes.len()))
        .map(|i| child_at(bytes, i))
        .filter(|ptr| !ptr.is_null())
}

fn fetch<P: Pages>(pages: &mut P, ptr: PagePtr, height: u8) -> Result<P::Slot, Error> {
    let slot = pages.fetch(ptr)?;
    let bytes = pages.bytes(slot);
    let kind = if height == 0 {
        Kind::BlobLeaf
    } else {
        Kind::BlobBranch
    };
    if bytes[4] != kind as u8 || page::level_of(bytes) != height {
        let found = bytes[4];
        return Err(pages.corruption(ptr, PageFault::Kind(found)));
    }
    Ok(slot)
}

/// A copy of a blob, holes included. Pages may leave memory on the way.
pub fn copy(pager: &mut Pager, desc: &Desc) -> Result<Desc, Error> {
    if desc.root.is_null() {
        return Ok(*desc);
    }
    let root = copy_page(pager, desc.root, desc.height)?;
    Ok(Desc { root, ..*desc })
}

fn copy_page(pager: &mut Pager, ptr: PagePtr, height: u8) -> Result<PagePtr, Error> {
    let mut copies = Vec::new();
    if height > 0 {
        let slot = fetch(pager, ptr, height)?;
        let bytes = pager.bytes(slot);
        copies.extend((0..fanout(bytes.len())).map(|index| child_at(bytes, index)));
        for child in copies.iter_mut().filter(|child| !child.is_null()) {
            *child = copy_page(pager, *child, height - 1)?;
        }
    }
    pager.reserve(1)?;
    let slot = fetch(pager, ptr, height)?;
    let copy = pager.duplicate(slot)?;
    for (index, child) in (0..).zip(copies) {
        set_child(pager, copy, index, child);
    }
    let ptr = pager.ptr(copy);
    pager.pass_on();
    Ok(ptr)
}

/// Appends up to `len` bytes from `offset` on, clipped to the blob, to `out`.
pub fn read<P: Pages>(
    pages: &mut P,
    desc: &Desc,
    offset: u64,
    len: u64,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let end = offset.saturating_add(len).min(desc.count);
    let leaf = leaf_bytes(pages.page_bytes());
    let mut at = offset;
    while at < end {
        let within = at % leaf;
        let take = (leaf - within).min(end - at) as usize;
        match find_leaf(pages, desc, at)? {
            Some(slot) => {
                let start = HEADER_BYTES + within as usize;
                out.extend_from_slice(&pages.bytes(slot)[start..start + take]);
            }
            None => out.resize(out.len() + take, 0),
        }
        at += take as u64;
    }
    Ok(())
}

/// The leaf with byte `offset`; None: a hole.
fn find_leaf<P: Pages>(pages: &mut P, desc: &Desc, offset: u64) -> Result<Option<P::Slot>, Error> {
    let mut ptr = desc.root;
    let mut rest = offset;
    for height in (1..=desc.height).rev() {
        if ptr.is_null() {
            return Ok(None);
        }
        let slot = fetch(pages, ptr, height)?;
        let below = span(pages.page_bytes(), height - 1);
        ptr = child_at(pages.bytes(slot), rest / below);
        rest %= below;
    }
    if ptr.is_null() {
        return Ok(None);
    }
    fetch(pages, ptr, 0).map(Some)
}

/// Orders the bytes of a blob against `other`.
pub fn compare<P: Pages>(pages: &mut P, desc: &Desc, other: &[u8]) -> Result<Ordering, Error> {
    let mut chunk = Vec::new();
    let mut at = 0;
    while at < desc.count {
        chunk.clear();
        read(pages, desc, at, CHUNK_BYTES, &mut chunk)?;
        let rest = &other[(at as usize).min(other.len())..];
        match chunk.as_slice().cmp(&rest[..rest.len().min(chunk.len())]) {
            Ordering::Equal => at += chunk.len() as u64,
            unequal => return Ok(unequal),
        }
    }
    Ok(desc.count.cmp(&(other.len() as u64)))
}

/// How many bytes two blobs have in common at their start.
pub fn common_bytes<P: Pages>(pages: &mut P, a: &Desc, b: &Desc) -> Result<u64, Error> {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < a.count.min(b.count) {
        x.clear();
        y.clear();
        read(pages, a, at, CHUNK_BYTES, &mut x)?;
        read(pages, b, at, CHUNK_BYTES, &mut y)?;
        let same = x.iter().zip(&y).take_while(|(p, q)| p == q).count();
        at += same as u64;
        if same < x.len().min(y.len()) {
            break;
        }
    }
    Ok(at.min(a.count).min(b.count))
}

/// Writes `bytes` at `offset`, extending the blob with zeroes up to there if need be, also where `bytes` is empty.
pub fn write(pager: &mut Pager, desc: &mut Desc, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    let end = offset + bytes.len() as u64;
    assert!(end <= BLOB_BYTES_MAX, "the keyspace bounds values");
    pager
        .reserve(pages_for(pager.page_bytes(), bytes.len() as u64) + u64::from(desc.height) + 8)?;
    // A blob that was cut down to nothing but holes may be lower than its length needs.
    while end.max(desc.count) > span(pager.page_bytes(), desc.height) {
        raise(pager, desc)?;
    }
    desc.is_blob = true;
    if !bytes.is_empty() {
        desc.root = write_below(pager, desc.root, desc.height, offset, bytes)?;
    }
    desc.count = desc.count.max(end);
    Ok(())
}

/// Puts a branch above the root.
fn raise(pager: &mut Pager, desc: &mut Desc) -> Result<(), Error> {
    if desc.root.is_null() {
        desc.height += 1;
        return Ok(());
    }
    let height = desc.height + 1;
    let frame = pager.birth(Kind::BlobBranch, height)?;
    set_child(pager, frame, 0, desc.root);
    desc.root = pager.ptr(frame);
    desc.height = height;
    Ok(())
}

fn set_child(pager: &mut Pager, frame: FrameNo, index: u64, ptr: PagePtr) {
    let at = HEADER_BYTES + index as usize * PTR_BYTES;
    pager.bytes_mut(frame)[at..at + PTR_BYTES].copy_from_slice(&ptr.encode());
}

/// Writes into the node at `ptr` (null: a new one), whose first byte is byte 0 here. Returns the node's pointer.
/// The depth of the recursion is the height of the blob, at most 6 with the smallest pages.
fn write_below(
    pager: &mut Pager,
    ptr: PagePtr,
    height: u8,
    offset: u64,
    bytes: &[u8],
) -> Result<PagePtr, Error> {
    if height == 0 {
        return write_leaf(pager, ptr, offset, bytes);
    }
    let mut own = ptr;
    if own.is_null() {
        let frame = pager.birth(Kind::BlobBranch, height)?;
        own = pager.ptr(frame);
    }
    let below = span(pager.page_bytes(), height - 1);
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let index = at / below;
        let within = at % below;
        let take = (below - within).min(rest.len() as u64) as usize;
        let frame = fetch(pager, own, height)?;
        let child = child_at(pager.bytes(frame), index);
        let written = write_below(pager, child, height - 1, within, &rest[..take])?;
        if written != child {
            let found = fetch(pager, own, height)?;
            let frame = pager.own(found)?;
            own = pager.ptr(frame);
            set_child(pager, frame, index, written);
        }
        rest = &rest[take..];
        at += take as u64;
    }
    Ok(own)
}

/// The private page `ptr`, still in memory because this operation has used it.
fn own_again(pager: &mut Pager, ptr: PagePtr, height: u8) -> Result<FrameNo, Error> {
    let frame = fetch(pager, ptr, height)?;
    assert!(
        pager.is_private(frame),
        "a page of the running operation is not written out"
    );
    Ok(frame)
}

fn write_leaf(
    pager: &mut Pager,
    ptr: PagePtr,
    offset: u64,
    bytes: &[u8],
) -> Result<PagePtr, Error> {
    let whole = bytes.len() as u64 == leaf_bytes(pager.page_bytes());
    let frame = if ptr.is_null() {
        pager.birth(Kind::BlobLeaf, 0)?
    } else if whole {
        // Nothing of the old page is kept: it need not be read.
        let frame = pager.birth(Kind::BlobLeaf, 0)?;
        pager.bury(ptr);
        frame
    } else {
        let found = fetch(pager, ptr, 0)?;
        pager.own(found)?
    };
    let at = HEADER_BYTES + offset as usize;
    pager.bytes_mut(frame)[at..at + bytes.len()].copy_from_slice(bytes);
    Ok(pager.ptr(frame))
}

/// Cuts a blob to `len` bytes. Pages behind the cut die.
pub fn truncate(pager: &mut Pager, desc: &mut Desc, len: u64) -> Result<(), Error> {
    assert!(
        len <= desc.count,
        "a blob is cut here and extended by a write"
    );
    pager.reserve(u64::from(desc.height) + 2)?;
    desc.root = cut_below(pager, desc.root, desc.height, len)?;
    desc.count = len;
    if desc.root.is_null() {
        desc.height = 0;
    }
    while desc.height > 0 && len <= span(pager.page_bytes(), desc.height - 1) {
        if !desc.root.is_null() {
            let frame = fetch(pager, desc.root, desc.height)?;
            let first = child_at(pager.bytes(frame), 0);
            pager.bury(desc.root);
            desc.root = first;
        }
        desc.height -= 1;
    }
    Ok(())
}

/// Cuts the node at `ptr` to its first `len` bytes; null if nothing is left.
fn cut_below(pager: &mut Pager, ptr: PagePtr, height: u8, len: u64) -> Result<PagePtr, Error> {
    if ptr.is_null() {
        return Ok(ptr);
    }
    if len == 0 {
        drop_below(pager, ptr, height)?;
        return Ok(PagePtr::default());
    }
    let found = fetch(pager, ptr, height)?;
    if height == 0 {
        if len < leaf_bytes(pager.page_bytes()) {
            let frame = pager.own(found)?;
            pager.bytes_mut(frame)[HEADER_BYTES + len as usize..].fill(0);
            return Ok(pager.ptr(frame));
        }
        return Ok(ptr);
    }
    let frame = pager.own(found)?;
    let own = pager.ptr(frame);
    let below = span(pager.page_bytes(), height - 1);
    let kept = len.div_ceil(below);
    for index in kept - 1..fanout(pager.page_bytes()) {
        let frame = fetch(pager, own, height)?;
        let child = child_at(pager.bytes(frame), index);
        if child.is_null() {
            continue;
        }
        let left = if index < kept { len - index * below } else { 0 };
        if left == below {
            continue;
        }
        let child = cut_below(pager, child, height - 1, left)?;
        let frame = own_again(pager, own, height)?;
        set_child(pager, frame, index, child);
    }
    Ok(own)
}

/// Frees every page of a blob now. For large ones the engine frees in the background instead.
pub fn drop_all(pager: &mut Pager, desc: &Desc) -> Result<(), Error> {
    if desc.root.is_null() {
        return Ok(());
    }
    drop_below(pager, desc.root, desc.height)
}

fn drop_below(pager: &mut Pager, ptr: PagePtr, height: u8) -> Result<(), Error> {
    if height > 0 {
        let frame = fetch(pager, ptr, height)?;
        let below: Vec<PagePtr> = children(pager.bytes(frame)).collect();
        for child in below {
            drop_below(pager, child, height - 1)?;
        }
    }
    pager.bury(ptr);
    Ok(())
}
