//! The stored free map: the pages that a checkpoint's roots do not reach, as runs, in a chain of pages.
//!
//! ```text
//! offset size  meaning
//!      0   40  page header; the number of payload bytes is at 24
//!     40   14  pointer to the next page of the map, null in the last
//!     54  12*n runs: first page (6 bytes), pages (6 bytes), ascending, not touching each other
//! ```

use std::ops::Range;

use super::Error;
use super::page::{self, HEADER_BYTES, Kind, PTR_BYTES, PageFault, PagePtr, u32_at, u48_at};
use super::pager::{PageSource, Space};

pub(super) const RUN_BYTES: usize = 12;
pub(super) const RUNS_START: usize = HEADER_BYTES + PTR_BYTES;

fn runs_per_page(page_bytes: usize) -> usize {
    (page_bytes - RUNS_START) / RUN_BYTES
}

/// Pages that a map of `runs` runs takes.
pub fn pages_for(page_bytes: usize, runs: usize) -> usize {
    runs.div_ceil(runs_per_page(page_bytes))
}

/// Builds the pages of a map, sealed, in the order of `ptrs`. Pages that are not needed hold no runs.
pub fn build(page_bytes: usize, ptrs: &[PagePtr], runs: &[Range<u64>]) -> Vec<Vec<u8>> {
    let per_page = runs_per_page(page_bytes);
    assert!(
        runs.len() <= ptrs.len() * per_page,
        "the map's pages were counted"
    );
    let mut out = Vec::with_capacity(ptrs.len());
    for (i, ptr) in ptrs.iter().enumerate() {
        let mut bytes = vec![0; page_bytes];
        page::init(&mut bytes, Kind::FreeMap, 0, *ptr);
        let next = ptrs.get(i + 1).copied().unwrap_or_default();
        bytes[HEADER_BYTES..RUNS_START].copy_from_slice(&next.encode());
        let from = (i * per_page).min(runs.len());
        let part = &runs[from..(from + per_page).min(runs.len())];
        for (j, run) in part.iter().enumerate() {
            let at = RUNS_START + j * RUN_BYTES;
            bytes[at..at + 6].copy_from_slice(&run.start.to_le_bytes()[..6]);
            let pages = run.end - run.start;
            bytes[at + 6..at + 12].copy_from_slice(&pages.to_le_bytes()[..6]);
        }
        let used = (part.len() * RUN_BYTES) as u32;
        bytes[24..28].copy_from_slice(&used.to_le_bytes());
        page::seal(&mut bytes);
        out.push(bytes);
    }
    out
}

/// Reads a stored map: which pages are free in a file of `pages` pages, and the pages of the map itself.
pub fn read(
    source: &PageSource,
    first: PagePtr,
    pages: u64,
) -> Result<(Space, Vec<PagePtr>), Error> {
    let mut space = Space::full(pages);
    let mut chain = Vec::new();
    let mut bytes = vec![0; source.page_bytes()];
    let mut next = first;
    let mut end = 0;
    while !next.is_null() {
        let fail = |what| Err(source.corruption(next, PageFault::Layout(what)).into());
        // Runs ascend over the whole chain, so an endless chain is one of empty pages.
        if chain.len() as u64 > pages {
            return fail("the free map does not end");
        }
        source.read(next, &mut bytes)?;
        if Kind::of(&bytes) != Some(Kind::FreeMap) {
            return Err(source.corruption(next, PageFault::Kind(bytes[4])).into());
        }
        let used = u32_at(&bytes, 24) as usize;
        if !used.is_multiple_of(RUN_BYTES) || RUNS_START + used > bytes.len() {
            return fail("the free map has half a run");
        }
        for at in (RUNS_START..RUNS_START + used).step_by(RUN_BYTES) {
            let (start, len) = (u48_at(&bytes, at), u48_at(&bytes, at + 6));
            if start < end || len == 0 || start + len > pages {
                return fail("the runs of the free map are out of order");
            }
            end = start + len;
            space.release_run(start..end);
        }
        chain.push(next);
        next = PagePtr::decode(&bytes[HEADER_BYTES..]);
    }
    Ok((space, chain))
}
