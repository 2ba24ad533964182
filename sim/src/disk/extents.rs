//! A set of byte ranges.

use std::collections::BTreeMap;

/// Disjoint ranges that do not touch: start to end, end excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    ranges: BTreeMap<u64, u64>,
    total: u64,
}

impl Extents {
    /// Bytes in the set.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether a range shares a byte with the set.
    pub fn intersects(&self, start: u64, end: u64) -> bool {
        start < end
            && self
                .ranges
                .range(..end)
                .next_back()
                .is_some_and(|(_, e)| *e > start)
    }

    /// Takes a range out.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        while let Some((s, e)) = self.ranges.range(..end).next_back().map(|(s, e)| (*s, *e)) {
            if e <= start {
                break;
            }
            self.ranges.remove(&s);
            self.total -= e - s;
            if e > end {
                self.put(end, e);
            }
            if s < start {
                self.put(s, start);
            }
        }
    }

    /// Adds a range.
    pub fn insert(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        self.remove(start, end);
        let (mut from, mut to) = (start, end);
        if let Some((s, e)) = self
            .ranges
            .range(..start)
            .next_back()
            .map(|(s, e)| (*s, *e))
            && e == start
        {
            self.take(s);
            from = s;
        }
        if let Some(e) = self.ranges.get(&end).copied() {
            self.take(end);
            to = e;
        }
        self.put(from, to);
    }

    /// How many bytes of a range are not in the set.
    pub fn missing(&self, start: u64, end: u64) -> u64 {
        let mut with = self.clone();
        with.insert(start, end);
        with.total - self.total
    }

    fn put(&mut self, start: u64, end: u64) {
        self.total += end - start;
        self.ranges.insert(start, end);
    }

    fn take(&mut self, start: u64) {
        if let Some(end) = self.ranges.remove(&start) {
            self.total -= end - start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, Seed};

    #[test]
    fn behaves_as_a_set_of_bytes() {
        let mut stream = Seed(11).stream(Purpose::Workload);
        for _ in 0..200 {
            let mut extents = Extents::default();
            let mut plain = [false; 64];
            for _ in 0..30 {
                let start = stream.below(64);
                let end = stream.between(start, 64);
                let range = start as usize..end as usize;
                let absent = plain[range.clone()].iter().filter(|b| !**b).count();
                assert_eq!(extents.missing(start, end), absent as u64);
                let touched = plain[range.clone()].iter().any(|b| *b);
                assert_eq!(extents.intersects(start, end), touched);
                let add = stream.below(2) == 0;
                plain[range].fill(add);
                if add {
                    extents.insert(start, end);
                } else {
                    extents.remove(start, end);
                }
                let total = plain.iter().filter(|b| **b).count();
                assert_eq!(extents.total(), total as u64);
            }
        }
    }
}
