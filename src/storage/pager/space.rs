//! Which pages of the file are free: one bit a page, with a summary above, so that the lowest free page is found
//! in a few steps. Low pages first keeps the file short.

use std::ops::Range;

use crate::storage::page::PageNo;

const WORD_BITS: u64 = 64;

/// The free pages below the end of the file.
#[derive(Clone, Debug, Default)]
pub struct Space {
    /// Bit set: the page is free. Pages from `pages` on have no bit.
    free: Vec<u64>,
    /// Bit set: the word of `free` has a bit set.
    summary: Vec<u64>,
    /// Words of `summary` below this one are zero.
    first_summary: usize,
    /// Pages in the file.
    pages: u64,
    free_pages: u64,
}

impl Space {
    /// A file of `pages` pages, none of them free.
    pub fn full(pages: u64) -> Self {
        let mut space = Self::default();
        space.extend(pages, false);
        space
    }

    /// Pages in the file.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    pub fn free_pages(&self) -> u64 {
        self.free_pages
    }

    pub fn is_free(&self, page: PageNo) -> bool {
        page.0 < self.pages
            && self.free[(page.0 / WORD_BITS) as usize] >> (page.0 % WORD_BITS) & 1 == 1
    }

    /// The file has grown to `pages` pages; the new ones are free.
    pub fn grow(&mut self, pages: u64) {
        self.extend(pages, true);
    }

    fn extend(&mut self, pages: u64, free: bool) {
        assert!(
            pages >= self.pages,
            "a file grows here and shrinks in `cut`"
        );
        let words = pages.div_ceil(WORD_BITS) as usize;
        self.free.resize(words, 0);
        self.summary.resize(words.div_ceil(WORD_BITS as usize), 0);
        let new = self.pages..pages;
        self.pages = pages;
        if free {
            for page in new {
                self.release(PageNo(page));
            }
        }
    }

    /// Takes the lowest free page.
    pub fn take(&mut self) -> Option<PageNo> {
        let at = self.summary[self.first_summary.min(self.summary.len())..]
            .iter()
            .position(|w| *w != 0);
        let Some(at) = at else {
            self.first_summary = self.summary.len();
            return None;
        };
        self.first_summary += at;
        let word =
            self.first_summary * 64 + self.summary[self.first_summary].trailing_zeros() as usize;
        let page = PageNo(word as u64 * WORD_BITS + u64::from(self.free[word].trailing_zeros()));
        self.claim(page);
        Some(page)
    }

    /// Takes this free page.
    pub fn claim(&mut self, page: PageNo) {
        assert!(self.is_free(page), "page {page} is free");
        let word = (page.0 / WORD_BITS) as usize;
        self.free[word] &= !(1 << (page.0 % WORD_BITS));
        if self.free[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
        self.free_pages -= 1;
    }

    /// Gives a page back.
    pub fn release(&mut self, page: PageNo) {
        assert!(
            page.0 < self.pages,
            "page {page} lies in the file of {} pages",
            self.pages
        );
        assert!(!self.is_free(page), "page {page} is in use");
        let word = (page.0 / WORD_BITS) as usize;
        self.free[word] |= 1 << (page.0 % WORD_BITS);
        self.summary[word / 64] |= 1 << (word % 64);
        self.first_summary = self.first_summary.min(word / 64);
        self.free_pages += 1;
    }

    /// Gives a run of pages back.
    pub fn release_run(&mut self, run: Range<u64>) {
        for page in run {
            self.release(PageNo(page));
        }
    }

    /// How long the file must be to hold every page in use, in pages.
    pub fn pages_in_use_end(&self) -> u64 {
        let mut end = self.pages;
        while end > 0 && self.is_free(PageNo(end - 1)) {
            // Whole free words are skipped at once.
            let word = ((end - 1) / WORD_BITS) as usize;
            if end.is_multiple_of(WORD_BITS) && self.free[word] == u64::MAX {
                end -= WORD_BITS;
            } else {
                end -= 1;
            }
        }
        end
    }

    /// Cuts the file to `pages` pages; those behind are free.
    pub fn cut(&mut self, pages: u64) {
        assert!(
            pages >= self.pages_in_use_end(),
            "only free pages are cut off"
        );
        for page in pages..self.pages {
            self.claim(PageNo(page));
        }
        self.pages = pages;
        self.free.truncate(pages.div_ceil(WORD_BITS) as usize);
        self.summary.truncate(self.free.len().div_ceil(64));
        self.first_summary = 0;
    }

    /// The free pages as ranges, in order.
    pub fn extents(&self) -> Vec<Range<u64>> {
        let mut out: Vec<Range<u64>> = Vec::new();
        for (i, word) in self.free.iter().enumerate() {
            let mut rest = *word;
            let mut at = i as u64 * WORD_BITS;
            while rest != 0 {
                let skip = u64::from(rest.trailing_zeros());
                rest >>= skip;
                at += skip;
                let run = u64::from(rest.trailing_ones());
                match out.last_mut() {
                    Some(last) if last.end == at => last.end += run,
                    _ => out.push(at..at + run),
                }
                rest = rest.checked_shr(run as u32).unwrap_or(0);
                at += run;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn space_is_a_set_of_pages(steps in prop::collection::vec((0u8..5, 0u64..300), 1..300)) {
            let mut space = Space::full(16);
            let mut free: BTreeSet<u64> = BTreeSet::new();
            for (what, n) in steps {
                match what {
                    0 | 1 => prop_assert_eq!(space.take().map(|p| p.0), free.pop_first()),
                    2 => {
                        if n < space.pages() && !free.contains(&n) {
                            space.release(PageNo(n));
                            free.insert(n);
                        }
                    }
                    3 => {
                        let (from, to) = (space.pages(), space.pages() + n % 90);
                        space.grow(to);
                        free.extend(from..to);
                    }
                    _ => {
                        let end = (0..space.pages()).rev().find(|p| !free.contains(p)).map_or(0, |p| p + 1);
                        prop_assert_eq!(space.pages_in_use_end(), end);
                        space.cut(end);
                        free.retain(|p| *p < end);
                    }
                }
                prop_assert_eq!(space.free_pages(), free.len() as u64);
                let listed: Vec<u64> = space.extents().into_iter().flatten().collect();
                prop_assert_eq!(listed, free.iter().copied().collect::<Vec<_>>());
                let runs = space.extents();
                prop_assert!(runs.windows(2).all(|w| w[0].end < w[1].start), "runs are as long as they can be");
            }
        }
    }
}
