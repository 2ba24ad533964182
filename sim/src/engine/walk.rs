//! Follows every pointer of a checkpoint: which pages it reaches, and whether the trees hold together (O8, O9).

use std::collections::BTreeMap;

use redkeep::storage::Error;
use redkeep::storage::blob;
use redkeep::storage::cell::{self, Body, Cell};
use redkeep::storage::meta::Meta;
use redkeep::storage::node::Node;
use redkeep::storage::page::{self, DESC_BYTES, Desc, HEADER_BYTES, Kind, PageNo, PagePtr, Stamp};
use redkeep::storage::pager::{META_REGION_BYTES, check_inside};
use redkeep::storage::tree::Child;
use redkeep::vfs::VfsError;

use super::life::Stop;
use crate::explore::Broken;

/// What is called with the key and the value of each cell.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Broken> + 'a;

/// Where pages come from.
pub trait Pages {
    /// The bytes of a page, verified against its pointer.
    fn page(&mut self, ptr: PagePtr) -> Result<Vec<u8>, String>;
}

/// Pages of an open engine.
pub struct OpenPages<F> {
    read: F,
    /// The disk did not give a page, which says nothing about the page.
    failed: Option<VfsError>,
}

impl<F: FnMut(PagePtr) -> Result<Vec<u8>, Error>> Pages for OpenPages<F> {
    fn page(&mut self, ptr: PagePtr) -> Result<Vec<u8>, String> {
        (self.read)(ptr).map_err(|error| {
            let text = error.to_string();
            if let Error::Io(error) = error {
                self.failed = Some(error);
            }
            text
        })
    }
}

/// Walks over pages that `read` gives.
pub fn of_open<F, T>(
    read: F,
    walk: impl FnOnce(&mut OpenPages<F>) -> Result<T, Broken>,
) -> Result<T, Stop> {
    let mut pages = OpenPages { read, failed: None };
    let found = walk(&mut pages);
    match pages.failed {
        Some(error) => Err(Stop::Storage(Error::Io(error))),
        None => Ok(found?),
    }
}

/// Pages in an image of the file.
#[derive(Debug)]
pub struct Image<'a> {
    pub bytes: &'a [u8],
    pub page_bytes: usize,
}

impl Pages for Image<'_> {
    fn page(&mut self, ptr: PagePtr) -> Result<Vec<u8>, String> {
        let start = (ptr.page.0 as usize).saturating_mul(self.page_bytes);
        let page = self
            .bytes
            .get(start..start.saturating_add(self.page_bytes))
            .ok_or("it lies behind the end of the file")?;
        page::verify(page, ptr).map_err(|e| e.to_string())?;
        check_inside(page).map_err(|e| e.to_string())?;
        Ok(page.to_vec())
    }
}

/// The pages that something reaches.
pub type Reached = BTreeMap<PageNo, Stamp>;

/// A walk over trees and blobs.
struct Walk<'a, P> {
    pages: &'a mut P,
    reached: Reached,
}

/// Keys below a child lie in here: from the first, and before the second.
type Fences = (Option<Vec<u8>>, Option<Vec<u8>>);

fn broken(oracle: &'static str, detail: String) -> Broken {
    Broken::new(oracle, detail)
}

impl<P: Pages> Walk<'_, P> {
    fn reach(&mut self, ptr: PagePtr) -> Result<Vec<u8>, Broken> {
        if let Some(old) = self.reached.insert(ptr.page, ptr.stamp) {
            let detail = format!(
                "page {} is reached twice (stamps {} and {})",
                ptr.page, old.0, ptr.stamp.0
            );
            return Err(broken("O8", detail));
        }
        self.pages
            .page(ptr)
            .map_err(|e| broken("O8", format!("page {}: {e}", ptr.page)))
    }

    /// A blob's pages; its bytes if they are wanted.
    fn blob(&mut self, desc: &Desc, out: Option<&mut Vec<u8>>) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        if desc.root.is_null() {
            bytes.resize(desc.count as usize, 0);
        } else {
            let page = self.reach(desc.root)?;
            self.blob_node(&page, desc.height, desc.root, &mut bytes)?;
        }
        if let Some(out) = out {
            bytes.truncate(desc.count as usize);
            out.extend_from_slice(&bytes);
        }
        Ok(())
    }

    fn blob_node(
        &mut self,
        bytes: &[u8],
        height: u8,
        ptr: PagePtr,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let kind = if height == 0 {
            Kind::BlobLeaf
        } else {
            Kind::BlobBranch
        };
        if Kind::of(bytes) != Some(kind) {
            return Err(broken(
                "O9",
                format!("page {} of a blob has kind {}", ptr.page, bytes[4]),
            ));
        }
        if height == 0 {
            out.extend_from_slice(&bytes[HEADER_BYTES..]);
            return Ok(());
        }
        for child in blob::children(bytes) {
            let page = self.reach(child)?;
            self.blob_node(&page, height - 1, child, out)?;
        }
        Ok(())
    }

    /// What hangs somewhere: a tree or a blob.
    fn hanging(&mut self, desc: &Desc) -> Result<(), Broken> {
        if desc.is_blob {
            return self.blob(desc, None);
        }
        self.tree(desc, &mut |_, _| Ok(())).map(|_| ())
    }

    /// A tree; `visit` sees its cells.
    fn tree(&mut self, desc: &Desc, visit: &mut Visit<'_>) -> Result<(), Broken> {
        let mut bytes = 0;
        let mut weigh = |key: &[u8], value: &[u8]| {
            bytes += cell::entry_bytes(key.len() as u64, value);
            visit(key, value)
        };
        let count = if desc.root.is_null() {
            0
        } else {
            self.node(desc.root, desc.height, &(None, None), &mut weigh)?
        };
        if bytes != desc.bytes {
            let detail = format!(
                "a tree at page {} says {} bytes and has {bytes}",
                desc.root.page, desc.bytes
            );
            return Err(broken("O9", detail));
        }
        if count != desc.count {
            let detail = format!(
                "a tree at page {} says {} entries and has {count}",
                desc.root.page, desc.count
            );
            return Err(broken("O9", detail));
        }
        Ok(())
    }

    fn key(&mut self, node: &Node<'_>, i: usize) -> Result<Vec<u8>, Broken> {
        let mut key = Vec::new();
        node.key_over(i, &mut key);
        if let Some(desc) = node.overflow(i) {
            self.blob(&desc, Some(&mut key))?;
        }
        Ok(key)
    }

    fn node(
        &mut self,
        ptr: PagePtr,
        level: u8,
        fences: &Fences,
        visit: &mut Visit<'_>,
    ) -> Result<u64, Broken> {
        let bytes = self.reach(ptr)?;
        let at = |what: &str| broken("O9", format!("page {}: {what}", ptr.page));
        let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
        if Kind::of(&bytes) != Some(kind) || page::level_of(&bytes) != level {
            return Err(at("its kind or level is not what its parent says"));
        }
        let node = Node::new(&bytes);
        if node.is_empty() {
            return Err(at("it is empty"));
        }
        let mut keys = Vec::new();
        for i in 0..node.len() {
            keys.push(self.key(&node, i)?);
        }
        // The first key of a branch is never looked at.
        let looked_at = &keys[usize::from(level > 0)..];
        if !looked_at.is_sorted_by(|a, b| a < b) {
            return Err(at("its keys are out of order"));
        }
        let inside = |key: &Vec<u8>| {
            fences.0.as_ref().is_none_or(|low| low <= key)
                && fences.1.as_ref().is_none_or(|high| key < high)
        };
        if !looked_at.iter().all(inside) {
            return Err(at("a key lies outside what its parent says"));
        }
        if level == 0 {
            for (i, key) in keys.iter().enumerate() {
                let value = node.value(i);
                if !cell::is_sound(value) {
                    return Err(at("a value does not hold together"));
                }
                for desc in Cell::new(value).attachments() {
                    self.hanging(&desc)?;
                }
                visit(key, value)?;
            }
            return Ok(node.len() as u64);
        }
        let mut total = 0;
        for i in 0..node.len() {
            let child = Child::decode(node.value(i));
            let low = if i == 0 {
                fences.0.clone()
            } else {
                Some(keys[i].clone())
            };
            let high = keys.get(i + 1).cloned().or_else(|| fences.1.clone());
            let count = self.node(child.ptr, level - 1, &(low, high), visit)?;
            if count != child.count {
                return Err(at(&format!(
                    "child {i} has {count} entries, not {}",
                    child.count
                )));
            }
            total += count;
        }
        Ok(total)
    }

    /// The catalog, the roots in it, and what was dropped and still has pages.
    fn catalog(&mut self, catalog: &Desc) -> Result<(), Broken> {
        let mut roots = Vec::new();
        let mut dropped = Vec::new();
        let mut list_blob = None;
        self.tree(catalog, &mut |key, value| {
            let cell = Cell::new(value);
            match (key, cell.blob(), cell.body()) {
                (b"d", Some(desc), _) => list_blob = Some(desc),
                (b"d", None, Body::Inline(bytes)) => dropped.extend_from_slice(bytes),
                (_, None, Body::Inline(bytes)) if bytes.len() == DESC_BYTES => {
                    roots.push(Desc::decode(bytes));
                }
                _ => return Err(broken("O9", format!("the catalog has an odd cell {key:?}"))),
            }
            Ok(())
        })?;
        if let Some(desc) = list_blob {
            // Its pages were reached as an attachment of the cell.
            let mut again = Walk {
                pages: &mut *self.pages,
                reached: Reached::new(),
            };
            again.blob(&desc, Some(&mut dropped))?;
        }
        for desc in &roots {
            self.hanging(desc)?;
        }
        for bytes in dropped.chunks_exact(DESC_BYTES) {
            self.dropped(&Desc::decode(bytes))?;
        }
        Ok(())
    }

    /// A dropped tree: a node of one may be the root of what is left, so its count says nothing.
    fn dropped(&mut self, desc: &Desc) -> Result<(), Broken> {
        if desc.is_blob {
            return self.blob(desc, None);
        }
        if desc.root.is_null() {
            return Ok(());
        }
        self.node(desc.root, desc.height, &(None, None), &mut |_, _| Ok(()))
            .map(|_| ())
    }
}

/// The pages that these descriptors reach; the trees must hold together.
pub fn reach(pages: &mut impl Pages, roots: &[Desc]) -> Result<Reached, Broken> {
    let mut walk = Walk {
        pages,
        reached: Reached::new(),
    };
    for desc in roots {
        walk.hanging(desc)?;
    }
    Ok(walk.reached)
}

/// The pages that a checkpoint reaches, and its free pages.
pub fn checkpoint(pages: &mut impl Pages, meta: &Meta) -> Result<(Reached, u64), Broken> {
    let mut walk = Walk {
        pages,
        reached: Reached::new(),
    };
    walk.catalog(&meta.catalog)?;
    let mut free = BTreeMap::new();
    let mut next = meta.free_map;
    while !next.is_null() {
        let bytes = walk.reach(next)?;
        if Kind::of(&bytes) != Some(Kind::FreeMap) {
            return Err(broken("O8", format!("page {} is no free map", next.page)));
        }
        let used = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]) as usize;
        let start = HEADER_BYTES + page::PTR_BYTES;
        for run in bytes[start..start + used].chunks_exact(12) {
            let number = |at: usize| {
                let mut word = [0; 8];
                word[..6].copy_from_slice(&run[at..at + 6]);
                u64::from_le_bytes(word)
            };
            free.extend((number(0)..number(0) + number(6)).map(|page| (PageNo(page), ())));
        }
        next = PagePtr::decode(&bytes[HEADER_BYTES..]);
    }
    let fixed = META_REGION_BYTES.div_ceil(u64::from(meta.page_bytes));
    for page in 0..meta.pages {
        let uses = u32::from(page < fixed)
            + u32::from(walk.reached.contains_key(&PageNo(page)))
            + u32::from(free.contains_key(&PageNo(page)));
        if uses != 1 {
            let detail = format!(
                "page {page} of {} is used {uses} times (reached, free, fixed)",
                meta.pages
            );
            return Err(broken("O8", detail));
        }
    }
    let behind = walk
        .reached
        .keys()
        .chain(free.keys())
        .find(|p| p.0 >= meta.pages);
    if let Some(page) = behind {
        return Err(broken(
            "O8",
            format!("page {page} lies behind the {} pages", meta.pages),
        ));
    }
    Ok((walk.reached, free.len() as u64))
}
