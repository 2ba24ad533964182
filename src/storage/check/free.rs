//! The stored free map, and the pages that nobody has.

use super::walk::{Owner, Walk};
use super::{CheckError, Invariant, Severity, Spot};
use crate::storage::freemap::{RUN_BYTES, RUNS_START};
use crate::storage::page::{HEADER_BYTES, Kind, PagePtr, u32_at, u48_at};

/// Runs of lost pages that are named; the others are counted.
const LOST_RUNS_NAMED: u64 = 8;

impl Walk<'_, '_> {
    /// I20, and the pages of the map itself. Runs that are out of order count as free all the same, as far as
    /// they do not overlap.
    pub(super) fn free_map(&mut self, first: PagePtr) -> Result<(), CheckError> {
        let owner = Owner {
            name: "the free map".to_owned(),
            is_catalog: false,
            is_dropped: false,
            depth: 0,
        };
        let mut page = vec![0; self.page_bytes];
        let mut next = first;
        let mut end = 0;
        let mut chain = Vec::new();
        while !next.is_null() {
            // A chain that bites its tail reaches a page twice.
            if !self.reach(next, Spot::default(), &owner) {
                break;
            }
            chain.push(next);
            if !self.read(next, Kind::FreeMap, 0, b"", &owner, &mut page)? {
                break;
            }
            self.free_runs(next, &page, &mut end, &owner);
            next = PagePtr::decode(&page[HEADER_BYTES..]);
        }
        for ptr in chain {
            if self.is_free(ptr.page.0) {
                let spot = self.spot(ptr, b"");
                let what = "a page of it is in it";
                self.fault(Invariant::UsedOrFree, spot, &owner, what);
            }
        }
        self.checker.report.stats.pages_free = self.free.iter().map(|r| r.end - r.start).sum();
        Ok(())
    }

    fn free_runs(&mut self, ptr: PagePtr, page: &[u8], end: &mut u64, owner: &Owner) {
        let used = u32_at(page, 24) as usize;
        let room = page.len() - RUNS_START;
        if !used.is_multiple_of(RUN_BYTES) || used > room {
            let spot = self.spot(ptr, b"");
            let what = format!("{used} bytes are no whole runs, or more than fit");
            self.fault(Invariant::FreeMap, spot, owner, &what);
        }
        let whole = used.min(room) / RUN_BYTES * RUN_BYTES;
        for at in (RUNS_START..RUNS_START + whole).step_by(RUN_BYTES) {
            let (start, len) = (u48_at(page, at), u48_at(page, at + 6));
            // Both have 48 bits.
            let run = start..start + len;
            let follows = start > *end || (*end == 0 && start > 0);
            if !follows || len == 0 || run.end > self.pages {
                let spot = self.spot(ptr, b"");
                let what = format!(
                    "the run of pages {start} to {} is empty, touches or precedes the one before, or leaves the file",
                    (run.end).saturating_sub(1)
                );
                self.fault(Invariant::FreeMap, spot, owner, &what);
            }
            if start >= *end && len > 0 && run.end <= self.pages {
                *end = run.end;
                self.free.push(run);
            }
        }
    }

    /// I7.
    pub(super) fn lost_pages(&mut self) {
        let mut lost = Vec::new();
        let mut count = 0;
        let mut runs = 0_u64;
        let mut start = self.first_page;
        let end = std::iter::once(self.pages..self.pages);
        let ends = self.free.iter().cloned().chain(end);
        for free in ends {
            if start < free.start {
                self.reached.gaps(start..free.start, &mut |run| {
                    count += run.end - run.start;
                    runs += 1;
                    if runs <= LOST_RUNS_NAMED {
                        lost.push(run);
                    }
                });
            }
            start = start.max(free.end);
        }
        self.checker.report.stats.pages_lost = count;
        // Pages below a damaged one are not lost: they are not seen.
        if self.is_blind {
            return;
        }
        for run in lost {
            let spot = self.spot(
                PagePtr {
                    page: crate::storage::page::PageNo(run.start),
                    ..PagePtr::default()
                },
                b"",
            );
            let text = format!(
                "pages {} to {} are neither in use nor free: their space is lost ({count} pages in {runs} runs in all)",
                run.start,
                run.end - 1
            );
            self.checker
                .found(Invariant::NoLeak, Severity::Warning, spot, text);
        }
    }
}
