//! Pages of a file that is being checked: reading them, and remembering which were reached.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use crate::storage::Error;
use crate::storage::page::{self, PageFault, PageNo, PagePtr};
use crate::storage::pager::{Corruption, check_inside};
use crate::storage::tree::Pages;
use crate::vfs::{VfsFile, VfsResult, read_up_to};

/// How often a page is read before its damage is believed.
const READ_ATTEMPTS: usize = 3;

/// Pages of one chunk of a [`PageSet`].
const CHUNK_PAGES: u64 = 1 << 15;

/// A set of page numbers. Takes memory for the neighbourhoods that have members, whatever the numbers are.
#[derive(Debug, Default)]
pub(in crate::storage) struct PageSet {
    chunks: BTreeMap<u64, Box<[u64]>>,
}

impl PageSet {
    /// False: it was there already.
    pub(in crate::storage) fn insert(&mut self, page: u64) -> bool {
        let chunk = self
            .chunks
            .entry(page / CHUNK_PAGES)
            .or_insert_with(|| vec![0; (CHUNK_PAGES / 64) as usize].into_boxed_slice());
        let at = page % CHUNK_PAGES;
        let word = &mut chunk[(at / 64) as usize];
        let bit = 1 << (at % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether it is a member.
    pub(in crate::storage) fn has(&self, page: u64) -> bool {
        let at = page % CHUNK_PAGES;
        self.chunks
            .get(&(page / CHUNK_PAGES))
            .is_some_and(|chunk| chunk[(at / 64) as usize] & (1 << (at % 64)) != 0)
    }

    /// The pages of `range` that are not members, as runs.
    pub(in crate::storage) fn gaps(&self, range: Range<u64>, found: &mut dyn FnMut(Range<u64>)) {
        let mut gap = range.start;
        let first = range.start / CHUNK_PAGES;
        for (number, chunk) in self.chunks.range(first..) {
            if number * CHUNK_PAGES >= range.end {
                break;
            }
            for (i, word) in chunk.iter().enumerate() {
                let start = number * CHUNK_PAGES + i as u64 * 64;
                let mut rest = *word;
                while rest != 0 {
                    let page = start + u64::from(rest.trailing_zeros());
                    rest &= rest - 1;
                    if page < gap {
                        continue;
                    }
                    if page >= range.end {
                        break;
                    }
                    if page > gap {
                        found(gap..page);
                    }
                    gap = page + 1;
                }
            }
        }
        if gap < range.end {
            found(gap..range.end);
        }
    }
}

/// Reads a page and says whether it is the one that `ptr` names. Damage is read again: a flip on the way heals.
pub(in crate::storage) fn read_page(
    file: &dyn VfsFile,
    ptr: PagePtr,
    out: &mut [u8],
) -> VfsResult<Result<(), PageFault>> {
    let mut fault = PageFault::BehindEnd;
    for _ in 0..READ_ATTEMPTS {
        let Some(offset) = ptr.page.0.checked_mul(out.len() as u64) else {
            return Ok(Err(PageFault::BehindEnd));
        };
        if read_up_to(file, out, offset)? < out.len() {
            fault = PageFault::BehindEnd;
            continue;
        }
        match page::verify(out, ptr) {
            Ok(()) => return Ok(Ok(())),
            Err(found) => fault = found,
        }
    }
    Ok(Err(fault))
}

/// Pages held at a time for comparing long keys: two paths and more.
const HELD_PAGES: usize = 64;

/// Verified pages for the code that reads trees and blobs, a few in memory at a time.
pub(in crate::storage) struct HeldPages<'f> {
    file: &'f dyn VfsFile,
    page_bytes: usize,
    held: Vec<(PagePtr, Box<[u8]>)>,
    next: usize,
}

impl<'f> HeldPages<'f> {
    pub(in crate::storage) fn new(file: &'f dyn VfsFile, page_bytes: usize) -> Self {
        Self {
            file,
            page_bytes,
            held: Vec::new(),
            next: 0,
        }
    }
}

impl Pages for HeldPages<'_> {
    type Slot = usize;

    fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    fn fetch(&mut self, ptr: PagePtr) -> Result<usize, Error> {
        if let Some(i) = self.held.iter().position(|(held, _)| *held == ptr) {
            return Ok(i);
        }
        let i = self.next;
        self.next = (i + 1) % HELD_PAGES;
        if i == self.held.len() {
            let buffer = vec![0; self.page_bytes].into_boxed_slice();
            self.held.push((PagePtr::default(), buffer));
        }
        let (held, buffer) = &mut self.held[i];
        *held = PagePtr::default();
        let read = read_page(self.file, ptr, buffer).map_err(Error::Io)?;
        if let Err(fault) = read.and_then(|()| check_inside(buffer)) {
            return Err(self.corruption(ptr, fault));
        }
        self.held[i].0 = ptr;
        Ok(i)
    }

    fn bytes(&self, slot: usize) -> &[u8] {
        &self.held[slot].1
    }

    fn corruption(&self, ptr: PagePtr, fault: PageFault) -> Error {
        let path = PathBuf::from(self.file.path());
        let offset = ptr.page.0.saturating_mul(self.page_bytes as u64);
        let page = PageNo(ptr.page.0);
        Error::from(Corruption {
            path,
            offset,
            page,
            fault,
        })
    }

    fn progress(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn gaps_are_what_is_not_in_the_set(
            pages in prop::collection::btree_set(0u64..100_000, 0..60),
            from in 0u64..100_000,
            len in 0u64..80_000,
        ) {
            let mut set = PageSet::default();
            for page in &pages {
                prop_assert!(set.insert(*page));
                prop_assert!(!set.insert(*page));
            }
            let mut missing = BTreeSet::new();
            set.gaps(from..from + len, &mut |run| missing.extend(run));
            let expected: BTreeSet<u64> = (from..from + len).filter(|p| !pages.contains(p)).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}
