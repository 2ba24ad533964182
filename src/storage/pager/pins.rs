//! Who still needs a page that the live trees have let go: checkpoints and snapshots.
//!
//! Each of them is a *pin* at a stamp: it reaches only pages born before it. A page that dies is kept by the
//! newest pin that reaches it; when that pin goes, the page passes to the next older pin that reaches it, or is free.
//!
//! **I-pins**: a dead page waits at the newest pin whose stamp is above the page's birth, and nowhere else.

use std::collections::BTreeMap;

use crate::storage::page::{PagePtr, Stamp};

/// The pins of a file. Every pin has a stamp of its own, given to no page.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// The dead pages that wait for each pin.
    waiting: BTreeMap<Stamp, Vec<PagePtr>>,
}

impl Pins {
    /// Someone holds everything born before `stamp`, which is the newest of all stamps.
    pub fn hold(&mut self, stamp: Stamp) {
        assert!(
            self.newest().is_none_or(|n| n < stamp),
            "the trees are frozen as they are now"
        );
        self.waiting.insert(stamp, Vec::new());
    }

    /// The holder of `stamp` lets go. Pages that nobody reaches any more are handed to `free`.
    pub fn release(&mut self, stamp: Stamp, mut free: impl FnMut(PagePtr)) {
        let waiting = self
            .waiting
            .remove(&stamp)
            .expect("a pin is released by its holder");
        let Some((older, list)) = self.waiting.range_mut(..stamp).next_back() else {
            waiting.into_iter().for_each(free);
            return;
        };
        for page in waiting {
            if page.stamp < *older {
                list.push(page);
            } else {
                free(page);
            }
        }
    }

    /// A page has died. False: no pin reaches it, and it is free at once.
    pub fn bury(&mut self, page: PagePtr) -> bool {
        match self.waiting.last_entry() {
            Some(mut newest) if page.stamp < *newest.key() => {
                newest.get_mut().push(page);
                true
            }
            _ => false,
        }
    }

    /// Pages born before this stamp are frozen.
    pub fn newest(&self) -> Option<Stamp> {
        self.waiting.last_key_value().map(|(stamp, _)| *stamp)
    }

    /// Dead pages that wait, for whomever.
    pub fn waiting(&self) -> impl Iterator<Item = PagePtr> + '_ {
        self.waiting.values().flatten().copied()
    }

    /// How many pins there are.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::page::PageNo;
    use proptest::prelude::*;

    proptest! {
        /// A dead page is free exactly when no pin that reaches it is left.
        #[test]
        fn a_page_is_free_when_nobody_reaches_it(steps in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..120)) {
            let mut pins = Pins::default();
            let mut clock = 0;
            let mut held: Vec<Stamp> = Vec::new();
            let mut alive: Vec<PagePtr> = Vec::new();
            let mut dead: Vec<(PagePtr, Vec<Stamp>)> = Vec::new();
            for (what, pick) in steps {
                match what {
                    0 => {
                        clock += 1;
                        alive.push(PagePtr { page: PageNo(clock), stamp: Stamp(clock) });
                    }
                    1 => {
                        clock += 1;
                        pins.hold(Stamp(clock));
                        held.push(Stamp(clock));
                    }
                    2 if !alive.is_empty() => {
                        let page = alive.swap_remove(pick.index(alive.len()));
                        let reached: Vec<Stamp> = held.iter().copied().filter(|s| page.stamp < *s).collect();
                        prop_assert_eq!(pins.bury(page), !reached.is_empty());
                        if !reached.is_empty() {
                            dead.push((page, reached));
                        }
                    }
                    3 if !held.is_empty() => {
                        let stamp = held.swap_remove(pick.index(held.len()));
                        let mut freed = Vec::new();
                        pins.release(stamp, |p| freed.push(p));
                        let mut expected = Vec::new();
                        dead.retain_mut(|(page, reached)| {
                            if let Some(i) = reached.iter().position(|s| *s == stamp) {
                                reached.swap_remove(i);
                            }
                            if reached.is_empty() {
                                expected.push(*page);
                            }
                            !reached.is_empty()
                        });
                        freed.sort();
                        expected.sort();
                        prop_assert_eq!(freed, expected);
                    }
                    _ => {}
                }
                prop_assert_eq!(pins.waiting().count(), dead.len());
            }
        }
    }
}
