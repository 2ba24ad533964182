//! Sorting of which only a part is wanted, with items that compare as equal where Redis leaves them.
//!
//! The quicksort of Bentley and McIlroy ("Engineering a Sort Function"): items equal to the pivot are gathered at both
//! ends and then moved to the middle. Parts without a wanted place are left as they are.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// Fewer items are sorted by insertion.
const INSERTED_MAX: usize = 6;
/// Of more than so many items the pivot is the middle one of nine, else of three.
const NINE_FROM: usize = 41;

/// Moves the items that belong to the places `wanted` there.
pub fn sort<T>(
    items: &mut [T],
    wanted: RangeInclusive<usize>,
    compare: &mut impl FnMut(&T, &T) -> Ordering,
) {
    let (mut from, mut to) = (0, items.len());
    while to - from > INSERTED_MAX {
        let (below, above) = split(&mut items[from..to], compare);
        let is_wanted = |part: &std::ops::Range<usize>| {
            part.len() > 1 && *wanted.start() < part.end && *wanted.end() >= part.start
        };
        let lower = from..from + below;
        let upper = to - above..to;
        if is_wanted(&lower) {
            let wanted = wanted.start().saturating_sub(from)..=wanted.end() - from;
            sort(&mut items[lower], wanted, compare);
        }
        if !is_wanted(&upper) {
            return;
        }
        (from, to) = (upper.start, upper.end);
    }
    insert_each(&mut items[from..to], compare);
}

fn insert_each<T>(items: &mut [T], compare: &mut impl FnMut(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && compare(&items[at - 1], &items[at]).is_gt() {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Splits the items by a pivot; gives how many stand in front because they are below it, and how many at the end.
fn split<T>(items: &mut [T], compare: &mut impl FnMut(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    items.swap(0, pivot(items, compare));
    // Equal ones stand before `equal` and behind `equal_end`, seen ones before `low` and behind `high`.
    let (mut equal, mut low) = (1, 1);
    let (mut equal_end, mut high) = (len, len);
    loop {
        while low < high {
            match compare(&items[low], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(equal, low);
                    equal += 1;
                }
                Ordering::Less => {}
            }
            low += 1;
        }
        while low < high {
            match compare(&items[high - 1], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    equal_end -= 1;
                    items.swap(high - 1, equal_end);
                }
                Ordering::Greater => {}
            }
            high -= 1;
        }
        if low >= high {
            break;
        }
        items.swap(low, high - 1);
        low += 1;
        high -= 1;
    }
    let (below, above) = (low - equal, equal_end - high);
    exchange(items, 0, low, equal.min(below));
    exchange(items, low, len, above.min(len - equal_end));
    (below, above)
}

/// Exchanges `count` items from `at` on with as many before `end`.
fn exchange<T>(items: &mut [T], at: usize, end: usize, count: usize) {
    for n in 0..count {
        items.swap(at + n, end - count + n);
    }
}

fn pivot<T>(items: &[T], compare: &mut impl FnMut(&T, &T) -> Ordering) -> usize {
    let len = items.len();
    let (mut first, mut middle, mut last) = (0, len / 2, len - 1);
    if len == INSERTED_MAX + 1 {
        return middle;
    }
    let mut median = |a: usize, b: usize, c: usize| {
        let mut order = |one: usize, other: usize| compare(&items[one], &items[other]);
        match (order(a, b).is_lt(), order(b, c)) {
            (true, Ordering::Less) | (false, Ordering::Greater) => b,
            (true, _) => [a, c][usize::from(order(a, c).is_lt())],
            (false, _) => [c, a][usize::from(order(a, c).is_lt())],
        }
    };
    if len >= NINE_FROM {
        let step = len / 8;
        first = median(first, first + step, first + 2 * step);
        middle = median(middle - step, middle, middle + step);
        last = median(last - 2 * step, last - step, last);
    }
    median(first, middle, last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn wanted_places_hold_what_a_sort_puts_there(
            mut items in prop::collection::vec(0u8..40, 1..200),
            places in any::<[prop::sample::Index; 2]>(),
        ) {
            let mut sorted = items.clone();
            sorted.sort_unstable();
            let [a, b] = places.map(|place| place.index(items.len()));
            let (from, to) = (a.min(b), a.max(b));
            sort(&mut items, from..=to, &mut Ord::cmp);
            prop_assert_eq!(&items[from..=to], &sorted[from..=to]);
            items.sort_unstable();
            prop_assert_eq!(items, sorted, "nothing is lost");
        }
    }

    #[test]
    fn items_that_compare_as_equal_stand_where_they_are_expected() {
        let check = |keys: &[u8], last: usize, expected: &[usize]| {
            let mut items: Vec<(u8, usize)> = keys.iter().copied().zip(0..).collect();
            sort(&mut items, 0..=last, &mut |a, b| a.0.cmp(&b.0));
            let places: Vec<usize> = items.iter().map(|item| item.1).collect();
            assert_eq!(places[..=last], *expected);
        };
        check(&[1, 1, 1], 1, &[0, 1]);
        check(&[1; 7], 2, &[3, 1, 2]);
    }
}
