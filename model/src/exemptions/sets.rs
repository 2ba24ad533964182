//! Replies about sets that depend on chance, or on the order of a hash table.

use super::{Observation, Version, tuples};
use crate::compare::Node;
use crate::sets::{Set, SetEncoding};
use crate::state::Value;

/// A set of more bytes or members than this may be listed in any order.
const UNORDERED_BYTES: usize = 400;
const UNORDERED_MEMBERS: usize = 120;

/// Whether a server may list the members of the set in its own order: before 7.2 all sets but those of integers were
/// hash tables.
pub fn is_loose(observation: &Observation, set: &Set) -> bool {
    set.is_disordered()
        || (observation.version < Version(7, 2, 0) && set.encoding != SetEncoding::Intset)
}

/// The same members, in any order where that of one of the sets is not known.
pub fn is_same(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let (Node::Items(kind, own), Node::Items(other_kind, other)) = (expected, actual) else {
        return false;
    };
    let loose = observation.request[1..].iter().any(|key| {
        let entry = observation.model.entry(observation.database, key);
        matches!(entry.map(|entry| &entry.value), Some(Value::Set(set)) if is_loose(observation, set))
    });
    let bytes: usize = own.iter().filter_map(Node::text).map(<[u8]>::len).sum();
    let loose = loose || bytes > UNORDERED_BYTES || own.len() > UNORDERED_MEMBERS;
    loose && kind == other_kind && tuples(own, 1) == tuples(other, 1)
}

/// Members of the set that the server had before, as many as the model answers with, none twice.
pub fn are_popped(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let key = observation.request.get(1);
    let entry = key.and_then(|key| observation.before.entry(observation.database, key));
    let Some(Value::Set(set)) = entry.map(|entry| &entry.value) else {
        return false;
    };
    match (expected, actual) {
        (Node::Blob(..), Node::Blob(_, member)) => set.has(member),
        (Node::Items(kind, own), Node::Items(other_kind, other)) => {
            let Some(mut popped) = tuples(other, 1) else {
                return false;
            };
            let whole = other.len() == set.members.len();
            let ordered = whole && !is_loose(observation, set) && other.len() <= UNORDERED_MEMBERS;
            popped.dedup();
            !ordered
                && kind == other_kind
                && own.len() == other.len()
                && popped.len() == other.len()
                && popped.iter().all(|member| set.has(member[0]))
        }
        _ => false,
    }
}

/// As many members as the model answers with, none twice unless that is asked for.
pub fn are_drawn(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let key = observation.request.get(1);
    let entry = key.and_then(|key| observation.model.entry(observation.database, key));
    let Some(Value::Set(set)) = entry.map(|entry| &entry.value) else {
        return false;
    };
    let members = match (expected, actual) {
        (Node::Items(kind, own), Node::Items(other, items))
            if kind == other && own.len() == items.len() =>
        {
            items.clone()
        }
        (Node::Blob(..), Node::Blob(..)) => vec![actual.clone()],
        _ => return false,
    };
    let Some(mut drawn) = tuples(&members, 1) else {
        return false;
    };
    let count = drawn.len();
    drawn.dedup();
    let repeats = observation
        .request
        .get(2)
        .is_some_and(|count| count.starts_with(b"-"));
    drawn.iter().all(|member| set.has(member[0])) && (repeats || drawn.len() == count)
}
