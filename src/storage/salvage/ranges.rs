//! Ranges of keys of which something is known.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A set of keys that is made of ranges.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// First keys, and what the range ends before; None: nothing. No two touch each other.
    ranges: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Ranges {
    pub fn has(&self, key: &[u8]) -> bool {
        let before = self.not_behind(key);
        before.is_some_and(|(_, end)| end.as_deref().is_none_or(|end| key < end))
    }

    /// The last range that does not begin behind the key.
    fn not_behind(&self, key: &[u8]) -> Option<(&Vec<u8>, &Option<Vec<u8>>)> {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        self.ranges.range::<[u8], _>(up_to).next_back()
    }

    /// Adds the keys from `low` on that are below `high`; None: all of them.
    pub fn add(&mut self, low: &[u8], high: Option<&[u8]>) {
        if high.is_some_and(|high| high <= low) {
            return;
        }
        let (mut start, mut end) = (low.to_vec(), high.map(<[u8]>::to_vec));
        loop {
            let last = match &end {
                Some(end) => self.not_behind(end),
                None => self.ranges.last_key_value(),
            };
            let Some((first, last)) = last.map(|(first, last)| (first.clone(), last.clone()))
            else {
                break;
            };
            if last.as_ref().is_some_and(|last| *last < start) {
                break;
            }
            self.ranges.remove(&first);
            start = start.min(first);
            end = end.zip(last).map(|(end, last)| end.max(last));
        }
        self.ranges.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Ranges;

    proptest! {
        #![proptest_config(crate::storage::generated(256))]
        #[test]
        fn a_key_is_in_it_if_it_is_in_one_that_was_added(
            added in prop::collection::vec((0..40_u8, prop::option::of(0..40_u8)), 0..12),
        ) {
            let mut ranges = Ranges::default();
            for (low, high) in &added {
                ranges.add(&[*low], high.as_ref().map(std::slice::from_ref));
            }
            for key in 0..40_u8 {
                let expected = added.iter().any(|(low, high)| {
                    *low <= key && high.is_none_or(|high| key < high)
                });
                prop_assert_eq!(ranges.has(&[key]), expected);
            }
            let bounds: Vec<_> = ranges.ranges.iter().collect();
            for pair in bounds.windows(2) {
                prop_assert!(pair[0].1.as_ref().is_some_and(|end| end < pair[1].0));
            }
        }
    }
}
