//! Small collections made whole, of all their elements at once: what stands in the cell is what the editors of the types
//! would have made of them one by one.
//!
//! Each function appends the body to `body` and gives the header without expiry; None: the collection is large, or
//! named as only a large one is, and `body` has anything. There is at least one element.

use super::hash::{self, small};
use super::header::{Encoding, Header, Kind};
use super::list::{self, nodes};
use super::packed::{item_bytes, push};
use super::set::{self, naming};
use super::sorted_set::{self, score};
use crate::resp::integer::parse_i64;

/// A list of these elements in their order, which come in these nodes.
pub fn list(
    elements: &[Vec<u8>],
    nodes: &[list::Division],
    limits: list::Limits,
    bytes_max: usize,
    body: &mut Vec<u8>,
) -> Option<Header> {
    if bytes_of(elements) > bytes_max || !nodes::loads_as_listpack(elements, nodes, limits) {
        return None;
    }
    elements.iter().for_each(|element| push(body, element));
    Some(Header::new(Kind::List, Encoding::Packed))
}

/// A set of these members, none of which is there twice.
pub fn set(
    members: &[Vec<u8>],
    limits: set::Limits,
    bytes_max: usize,
    body: &mut Vec<u8>,
) -> Option<Header> {
    if bytes_of(members) > bytes_max {
        return None;
    }
    let mut encoding = naming::of_new(limits, members.first()?, members.len() as u64);
    // Integers in front of the first member that is none stand in numeric order.
    let (mut integers, mut longest) = (0, 0);
    for (len, member) in (0..).zip(members) {
        let longest_so_far = || Ok::<_, std::convert::Infallible>(longest);
        let Ok(named) = naming::with_member(limits, encoding, member, len, longest_so_far);
        encoding = named;
        longest = longest.max(member.len() as u64);
        integers += usize::from(encoding == Encoding::Integers);
    }
    let (front, behind) = members.split_at(integers);
    let mut sorted: Vec<&[u8]> = front.iter().map(Vec::as_slice).collect();
    sorted.sort_by_key(|member| parse_i64(member));
    let behind = behind.iter().map(Vec::as_slice);
    for member in sorted.into_iter().chain(behind) {
        push(body, member);
    }
    Some(Header::new(Kind::Set, encoding))
}

/// A hash of these fields and values, none of which expires; no field is there twice.
pub fn hash<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    limits: hash::Limits,
    bytes_max: usize,
    body: &mut Vec<u8>,
) -> Option<Header> {
    let (mut len, mut longest) = (0, 0);
    for (field, value) in fields {
        len += 1;
        longest = longest.max(field.len().max(value.len()) as u64);
        if body.len() + small::three_bytes(field.len(), value.len(), None) > bytes_max {
            return None;
        }
        small::push_three(body, field, value, None);
    }
    let encoding = if len > limits.entries_max || longest > limits.value_bytes_max {
        Encoding::Table
    } else {
        Encoding::Packed
    };
    Some(Header::new(Kind::Hash, encoding))
}

/// A sorted set of these members and scores; no member is there twice, and no score is NaN.
pub fn sorted_set(
    members: &[(Vec<u8>, f64)],
    limits: sorted_set::Limits,
    bytes_max: usize,
    body: &mut Vec<u8>,
) -> Option<Header> {
    let longest = members.iter().map(|(member, _)| member.len()).max()?;
    let encoding = limits.encoding(members.len() as u64, longest as u64);
    let entry_bytes = |member: &[u8]| item_bytes(score::SCORE_BYTES) + item_bytes(member.len());
    let bytes: usize = members.iter().map(|(member, _)| entry_bytes(member)).sum();
    if bytes > bytes_max {
        return None;
    }
    let is_packed = encoding == Encoding::Packed;
    // Redis's small encoding has no minus zero.
    let kept = |score: f64| if is_packed { score + 0.0 } else { score };
    let mut sorted: Vec<(f64, &[u8])> = members
        .iter()
        .map(|(member, score)| (kept(*score), member.as_slice()))
        .collect();
    sorted.sort_unstable_by(|(score, member), (other, other_member)| {
        let order = score.partial_cmp(other).expect("no score is NaN");
        order.then_with(|| member.cmp(other_member))
    });
    for (score, member) in sorted {
        push(body, &score::to_bytes(score));
        push(body, member);
    }
    Some(Header::new(Kind::SortedSet, encoding))
}

/// Bytes that a body of these items takes.
fn bytes_of(items: &[Vec<u8>]) -> usize {
    items.iter().map(|item| item_bytes(item.len())).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::keyspace::hash::editor::Expiry;
    use crate::keyspace::list::List;
    use crate::keyspace::rig::{NOW_MS, Rig};
    use crate::keyspace::sorted_set::Draft;
    use crate::keyspace::{Look, Txn};
    use crate::storage::{Error, Plan};

    const KEY: &[u8] = b"key";

    /// What is small in the cell that `make` fills: the header and the body.
    fn edited(
        rig: &mut Rig,
        make: impl FnOnce(&mut Txn<'_>) -> Result<(), Error>,
    ) -> Option<(Header, Vec<u8>)> {
        rig.write(Plan::Savepoint, |txn| {
            let slot = txn.slot(0, KEY, NOW_MS)?;
            txn.delete(&slot, KEY)?;
            make(txn)
        })
        .expect("storage that works");
        let entry = rig.keyspace.lookup(0, KEY, NOW_MS, Look::UNSEEN);
        let entry = entry.expect("storage that works").expect("it was made");
        let body = entry.inline().filter(|_| !entry.is_large())?;
        Some((entry.header, body.to_vec()))
    }

    fn made(
        rig: &Rig,
        make: impl FnOnce(usize, &mut Vec<u8>) -> Option<Header>,
    ) -> Option<(Header, Vec<u8>)> {
        let mut body = Vec::new();
        let header = make(rig.keyspace.packed_bytes_max(), &mut body)?;
        Some((header, body))
    }

    /// Texts, integers among them, as many as a small collection holds and more.
    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let integer = (-300i64..300).prop_map(|n| n.to_string().into_bytes());
        let text = prop::collection::vec(any::<u8>(), 0..40);
        let any_text = prop_oneof![integer.clone(), text];
        prop_oneof![
            prop::collection::vec(integer, 1..40),
            prop::collection::vec(any_text.clone(), 1..40),
            prop::collection::vec(any_text, 1..4),
        ]
    }

    fn distinct(texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut seen = std::collections::BTreeSet::new();
        texts
            .into_iter()
            .filter(|text| seen.insert(text.clone()))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_list_is_what_is_loaded_element_by_element(
            elements in texts(),
            fill in prop_oneof![Just(-2), Just(-1), Just(10)],
            node_len in prop::option::of(1..60usize),
        ) {
            let mut rig = Rig::new(1024);
            let limits = list::Limits { fill, plain_bytes_min: None };
            let division = |node: &[Vec<u8>]| list::Division { len: node.len(), plain: false };
            let nodes: Vec<_> = match node_len {
                Some(len) => elements.chunks(len).map(division).collect(),
                None => Vec::new(),
            };
            let wanted = edited(&mut rig, |txn| {
                let mut list = List::open(txn, 0, KEY, NOW_MS, limits)?.expect("nothing is there");
                list.load(txn, &elements, &nodes)?;
                list.close(txn);
                Ok(())
            });
            prop_assert_eq!(made(&rig, |max, body| super::list(&elements, &nodes, limits, max, body)), wanted);
        }

        #[test]
        fn a_set_is_what_additions_make(members in texts(), entries_max in 0u64..30, value_bytes_max in 0u64..30) {
            let members = distinct(members);
            let mut rig = Rig::new(1024);
            let limits = set::Limits { integers_max: 20, entries_max, value_bytes_max };
            let wanted = edited(&mut rig, |txn| {
                let mut set = txn.set(0, KEY, NOW_MS, limits, members.len().max(2))?.expect("nothing is there");
                set.expect(&members[0], members.len() as u64);
                for member in &members {
                    set.add(member)?;
                }
                set.finish().map(|_| ())
            });
            prop_assert_eq!(made(&rig, |max, body| super::set(&members, limits, max, body)), wanted);
        }

        #[test]
        fn a_hash_is_what_settings_make(names in texts(), entries_max in 0u64..30, value_bytes_max in 0u64..60) {
            let names = distinct(names);
            let mut rig = Rig::new(1024);
            let limits = hash::Limits { entries_max, value_bytes_max };
            let fields = || names.iter().zip(names.iter().rev()).map(|(name, value)| (&**name, &**value));
            let wanted = edited(&mut rig, |txn| {
                let mut hash = txn.hash(0, KEY, NOW_MS, limits, names.len().max(2))?.expect("nothing is there");
                for (name, value) in fields() {
                    hash.set(name, value, Expiry::Drop)?;
                }
                hash.finish().map(|_| ())
            });
            prop_assert_eq!(made(&rig, |max, body| super::hash(fields(), limits, max, body)), wanted);
        }

        #[test]
        fn a_sorted_set_is_what_scores_make(
            names in texts(),
            scores in prop::collection::vec(prop_oneof![Just(-0.0), Just(0.0), -3.0..3.0], 40),
            entries_max in 0u64..30,
        ) {
            let members: BTreeMap<Vec<u8>, f64> = names.into_iter().zip(scores).collect();
            let members: Vec<(Vec<u8>, f64)> = members.into_iter().collect();
            let mut rig = Rig::new(1024);
            let limits = sorted_set::Limits { entries_max, value_bytes_max: 30 };
            let longest = members.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
            let wanted = edited(&mut rig, |txn| {
                let slot = txn.slot(0, KEY, NOW_MS)?;
                let encoding = limits.encoding(members.len() as u64, longest as u64);
                let mut draft = Draft::new(slot, KEY, encoding, limits);
                for (member, score) in &members {
                    draft.set(txn, member, None, *score)?;
                }
                draft.finish(txn).map(|_| ())
            });
            prop_assert_eq!(made(&rig, |max, body| super::sorted_set(&members, limits, max, body)), wanted);
        }
    }
}
