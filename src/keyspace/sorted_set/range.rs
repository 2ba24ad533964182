//! Ranges of scores, of members and of ranks.

use std::cmp::Ordering;

/// Scores from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: f64,
    pub max: f64,
    /// `min` itself is not in it.
    pub without_min: bool,
    /// `max` itself is not in it.
    pub without_max: bool,
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member.
    Lowest,
    /// Behind every member.
    Highest,
    /// The member is in the range.
    With(&'a [u8]),
    /// The member is not in the range.
    Without(&'a [u8]),
}

/// Members between two ends, as bytes compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl<'a> LexBound<'a> {
    fn member(self) -> Option<&'a [u8]> {
        match self {
            Self::With(member) | Self::Without(member) => Some(member),
            Self::Lowest | Self::Highest => None,
        }
    }

    fn is_with(self) -> bool {
        matches!(self, Self::With(_))
    }

    fn compare(self, other: LexBound<'_>) -> Ordering {
        let place = |bound: LexBound<'_>| match bound {
            LexBound::Lowest => 0,
            LexBound::With(_) | LexBound::Without(_) => 1,
            LexBound::Highest => 2,
        };
        place(self)
            .cmp(&place(other))
            .then_with(|| self.member().cmp(&other.member()))
    }
}

impl LexRange<'_> {
    /// Whether no member can be in it.
    pub fn is_empty(&self) -> bool {
        match self.min.compare(self.max) {
            Ordering::Less => false,
            Ordering::Equal => !(self.min.is_with() && self.max.is_with()),
            Ordering::Greater => true,
        }
    }

    /// Whether the member is not below the range.
    pub fn reaches_down_to(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::With(min) => member >= min,
            LexBound::Without(min) => member > min,
        }
    }

    /// Whether the member is not above the range.
    pub fn reaches_up_to(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::With(max) => member <= max,
            LexBound::Without(max) => member < max,
        }
    }
}

impl LexRange<'_> {
    /// Whether a walk over these members, in the order of their scores, would not even begin.
    fn misses(&self, all: &[(Vec<u8>, f64)]) -> bool {
        let (Some((first, _)), Some((last, _))) = (all.first(), all.last()) else {
            return true;
        };
        self.is_empty() || !self.reaches_down_to(last) || !self.reaches_up_to(first)
    }

    /// Where a walk upwards over these members begins.
    pub fn first_of(&self, all: &[(Vec<u8>, f64)]) -> Option<usize> {
        if self.misses(all) {
            return None;
        }
        let first = all
            .iter()
            .position(|(member, _)| self.reaches_down_to(member));
        first.filter(|at| self.reaches_up_to(&all[*at].0))
    }

    /// Where a walk downwards over these members begins.
    pub fn last_of(&self, all: &[(Vec<u8>, f64)]) -> Option<usize> {
        if self.misses(all) {
            return None;
        }
        let last = all
            .iter()
            .rposition(|(member, _)| self.reaches_up_to(member));
        last.filter(|at| self.reaches_down_to(&all[*at].0))
    }
}

/// Ranks from `start` up to `end`, which is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    /// No rank at all if the ends are in the wrong order.
    pub fn new(start: u64, end: u64) -> Self {
        if start < end {
            Self { start, end }
        } else {
            Self::default()
        }
    }

    /// The ranks from `start` to `stop`, which is in it, of `len`; negative ones count from the end.
    pub fn of_indexes(start: i64, stop: i64, len: u64) -> Self {
        let from_front = |index: i64| {
            if index < 0 {
                len.checked_add_signed(index)
            } else {
                Some(index.unsigned_abs())
            }
        };
        let Some(stop) = from_front(stop) else {
            return Self::default();
        };
        let start = from_front(start).unwrap_or(0);
        Self::new(start, stop.saturating_add(1).min(len))
    }

    pub fn len(self) -> u64 {
        self.end - self.start
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_count_from_both_ends() {
        let span = |start, stop| Span::of_indexes(start, stop, 5);
        assert_eq!(span(0, -1), Span { start: 0, end: 5 });
        assert_eq!(span(-2, 100), Span { start: 3, end: 5 });
        assert_eq!(span(-100, 1), Span { start: 0, end: 2 });
        for (start, stop) in [(3, 2), (5, 9), (0, -6), (i64::MAX, i64::MAX), (0, i64::MIN)] {
            assert!(span(start, stop).is_empty(), "{start} {stop}");
        }
        assert_eq!(span(i64::MIN, i64::MAX), Span { start: 0, end: 5 });
    }

    #[test]
    fn ranges_of_members_are_empty_when_their_ends_cross() {
        use LexBound::{Highest, Lowest, With, Without};
        let empty = |min, max| LexRange { min, max }.is_empty();
        assert!(!empty(With(b"a"), With(b"a")));
        assert!(empty(With(b"a"), Without(b"a")));
        assert!(empty(Without(b"a"), With(b"a")));
        assert!(empty(With(b"b"), With(b"a")));
        assert!(empty(Lowest, Lowest));
        assert!(empty(Highest, With(b"a")));
        assert!(!empty(Lowest, Highest));
        assert!(!empty(Without(b"a"), Highest));
    }
}
