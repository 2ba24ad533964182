//! Labels: the keys of a large list's elements in its tree. Their order is the order of the list.
//!
//! ```text
//! label     = component+        at most LABEL_BYTES_MAX bytes
//! component = 8 bytes, big endian; the last one of a label is not zero
//! ```
//!
//! An element that is pushed gets one component, one less than the first of the head's label or one more than that of
//! the tail's. One that is put between two others gets a label between theirs, which has further components if there
//! is no number left between. Since no label ends in zero, there is always one between two others.

use smallvec::SmallVec;

/// A label with this many bytes or fewer may stand in a tree.
pub const LABEL_BYTES_MAX: usize = 64;
const COMPONENT_BYTES: usize = 8;
/// The component of a label that has no neighbours.
const MIDDLE: u64 = 1 << 63;
/// How far from its neighbour a label is put if there is room, so that others fit between.
const STEP: u64 = 1 << 20;

/// The bytes of a label.
pub type Label = SmallVec<[u8; 16]>;
type Components = SmallVec<[u64; 8]>;

/// The label of an element that is alone.
pub fn first() -> Label {
    encode_one(MIDDLE)
}

/// A label before that of the head.
pub fn before(head: &[u8]) -> Label {
    let number = first_component(head).checked_sub(1);
    encode_one(number.expect("fewer pushes than 2^63"))
}

/// A label behind that of the tail.
pub fn behind(tail: &[u8]) -> Label {
    let number = first_component(tail).checked_add(1);
    encode_one(number.expect("fewer pushes than 2^63"))
}

/// A label between two. It may be longer than [`LABEL_BYTES_MAX`].
pub fn between(left: &[u8], right: &[u8]) -> Label {
    assert!(left < right, "labels are in order");
    let (l, r) = (components(left), components(right));
    let differ = l.iter().zip(&r).take_while(|(a, b)| a == b).count();
    let mut label = l.clone();
    if differ == l.len() {
        extend_below(&mut label, &r[differ..]);
        return encode(&label);
    }
    let last = l.len() - 1;
    let room = if differ < last {
        // Whatever the last component becomes, the label stays below the right one.
        (u64::MAX - l[last]) / 2
    } else {
        (r[differ] - l[differ]) / 2
    };
    match room.min(STEP) {
        0 if differ == last && r.len() > differ + 1 => label[last] = r[differ],
        0 => label.push(MIDDLE),
        step => label[last] += step,
    }
    encode(&label)
}

/// Extends a label so that it stays below its old self with `rest` behind it.
fn extend_below(label: &mut Components, rest: &[u64]) {
    let (&end, head) = rest.split_last().expect("the right label is longer");
    if let Some(&number) = head.first()
        && number > 0
    {
        label.push(number);
        return;
    }
    label.extend_from_slice(head);
    match (end / 2).min(STEP) {
        0 => label.extend([end - 1, MIDDLE]),
        step => label.push(end - step),
    }
}

/// `count` labels between two, with room between each other, of at most half of [`LABEL_BYTES_MAX`] bytes; None if
/// the two are too close for that. None as a neighbour: the list begins or ends there.
pub fn spread(left: Option<&[u8]>, right: Option<&[u8]>, count: u64) -> Option<Vec<Label>> {
    match (left, right) {
        (None, None) => Some(row(MIDDLE, count)),
        (Some(left), None) => Some(row(components(left)[0] + 1, count)),
        (None, Some(right)) => Some(row(components(right)[0] - count, count)),
        (Some(left), Some(right)) => spread_between(&components(left), &components(right), count),
    }
}

/// `count` labels of one component.
fn row(first: u64, count: u64) -> Vec<Label> {
    (first..first + count)
        .map(|number| encode(&[number]))
        .collect()
}

fn spread_between(low: &[u64], high: &[u64], count: u64) -> Option<Vec<Label>> {
    let mut prefix = Components::new();
    // What is put behind the prefix is below the right label whatever it is.
    let mut is_below = false;
    let (from, to) = loop {
        let from = low.get(prefix.len()).copied().unwrap_or(0);
        let to = if is_below {
            u64::MAX
        } else {
            high[prefix.len()]
        };
        if (to - from) / (count + 1) >= 2 {
            break (from, to);
        }
        prefix.push(from);
        is_below |= from < to;
        if (prefix.len() + 1) * COMPONENT_BYTES > LABEL_BYTES_MAX / 2 {
            return None;
        }
    };
    let step = ((to - from) / (count + 1)).min(STEP);
    let labels = (1..=count).map(|n| {
        prefix.push(from + n * step);
        let label = encode(&prefix);
        prefix.pop();
        label
    });
    Some(labels.collect())
}

fn first_component(label: &[u8]) -> u64 {
    u64::from_be_bytes(*label.first_chunk().expect("a label"))
}

/// A label of one component.
fn encode_one(number: u64) -> Label {
    assert!(number != 0, "no label ends in zero");
    Label::from_slice(&number.to_be_bytes())
}

fn components(label: &[u8]) -> Components {
    let (components, rest) = label.as_chunks::<COMPONENT_BYTES>();
    assert!(rest.is_empty() && !components.is_empty(), "a label");
    components.iter().map(|c| u64::from_be_bytes(*c)).collect()
}

fn encode(components: &[u64]) -> Label {
    assert!(components.last() != Some(&0), "no label ends in zero");
    components.iter().flat_map(|c| c.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pushes_have_labels_of_one_component() {
        let mut labels = vec![first()];
        for _ in 0..100 {
            labels.insert(0, before(&labels[0]));
            labels.push(behind(&labels[labels.len() - 1]));
        }
        assert!(labels.is_sorted_by(|a, b| a < b));
        assert!(labels.iter().all(|label| label.len() == COMPONENT_BYTES));
    }

    #[test]
    fn insertions_at_one_place_stay_short() {
        for before_pivot in [true, false] {
            let (mut left, mut right) = (first(), behind(&first()));
            for _ in 0..100_000 {
                let label = between(&left, &right);
                assert!(left < label && label < right && label.len() <= 3 * COMPONENT_BYTES);
                if before_pivot {
                    left = label;
                } else {
                    right = label;
                }
            }
        }
    }

    #[test]
    fn there_is_a_label_between_close_ones() {
        let labels = [
            vec![5],
            vec![5, 0, 0, 1],
            vec![5, 0, 0, 2],
            vec![5, 0, 1],
            vec![5, 1],
            vec![5, u64::MAX],
            vec![6],
            vec![6, 1],
        ];
        for (i, left) in labels.iter().enumerate() {
            for right in &labels[i + 1..] {
                let (left, right) = (encode(left), encode(right));
                let label = between(&left, &right);
                assert!(
                    left < label && label < right,
                    "{left:?} {label:?} {right:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn labels_keep_the_order_of_insertions(places in prop::collection::vec(any::<prop::sample::Index>(), 1..300)) {
            let mut labels = vec![first()];
            for place in places {
                let at = place.index(labels.len() + 1);
                let label = match at {
                    0 => before(&labels[0]),
                    _ if at == labels.len() => behind(&labels[at - 1]),
                    _ => between(&labels[at - 1], &labels[at]),
                };
                labels.insert(at, label);
                prop_assert!(labels.is_sorted_by(|a, b| a < b));
            }
        }

        #[test]
        fn spread_labels_are_short_and_between(halvings in prop::collection::vec(any::<bool>(), 0..40), count in 1u64..500) {
            let (mut left, mut right) = (first(), behind(&first()));
            for goes_left in halvings {
                let label = between(&left, &right);
                if goes_left { right = label } else { left = label }
            }
            if let Some(labels) = spread(Some(&left), Some(&right), count) {
                prop_assert_eq!(labels.len() as u64, count);
                prop_assert!(labels.is_sorted_by(|a, b| a < b));
                prop_assert!(left < labels[0] && labels[labels.len() - 1] < right);
                prop_assert!(labels.iter().all(|label| label.len() <= LABEL_BYTES_MAX / 2));
            }
            let whole = spread(None, None, count).expect("a list of its own has room");
            prop_assert!(whole.is_sorted_by(|a, b| a < b));
        }
    }
}
