//! Replies about sorted sets that depend on chance, or on the order of a hash table.

use super::{Observation, tuples};
use crate::compare::Node;
use crate::doubles;
use crate::sorted_sets::SortedSet;
use crate::state::Value;

fn set<'a>(observation: &'a Observation) -> Option<&'a SortedSet> {
    let key = observation.request.get(1)?;
    match &observation.model.entry(observation.database, key)?.value {
        Value::SortedSet(set) => Some(set),
        _ => None,
    }
}

/// A page of ZSCAN of what is called a skiplist: members and scores out of those the model has.
pub fn is_page(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let pairs = |node: &Node| -> Option<Vec<Vec<Vec<u8>>>> {
        let [_, page] = node.items()? else {
            return None;
        };
        let pairs = tuples(page.items()?, 2)?;
        let owned = pairs
            .into_iter()
            .map(|pair| pair.into_iter().map(<[u8]>::to_vec).collect());
        Some(owned.collect())
    };
    match (set(observation), pairs(expected), pairs(actual)) {
        (Some(set), Some(all), Some(page)) => {
            !set.small
                && page
                    .iter()
                    .all(|pair| pair.len() == 2 && all.contains(pair))
        }
        _ => false,
    }
}

/// As many members as the model answers with, each with its score, none twice unless that is asked for.
pub fn are_random(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let Some(set) = set(observation) else {
        return false;
    };
    let (Node::Items(kind, own), Node::Items(other, items)) = (expected, actual) else {
        let member = actual.text();
        return expected.text().is_some() && member.is_some_and(|it| set.score(it).is_some());
    };
    if kind != other || own.len() != items.len() {
        return false;
    }
    let with_scores = observation.request.len() == 4;
    let flat = items.iter().flat_map(|item| match item {
        Node::Items(_, pair) => pair.iter().collect(),
        single => vec![single],
    });
    let flat: Vec<&Node> = flat.collect();
    let mut members = Vec::new();
    for told in flat.chunks(if with_scores { 2 } else { 1 }) {
        let Some((member, score)) = told[0].text().and_then(|it| Some((it, set.score(it)?))) else {
            return false;
        };
        if told.get(1).is_some_and(|it| !shows(it, score)) {
            return false;
        }
        members.push(member);
    }
    let drawn = members.len();
    members.sort_unstable();
    members.dedup();
    let repeats = observation.request[2].starts_with(b"-");
    // The whole set comes in an order that is known.
    repeats || members.len() == drawn && drawn < set.members.len()
}

fn shows(node: &Node, score: f64) -> bool {
    let shown = doubles::show(score);
    match node {
        Node::Blob(_, text) | Node::Line(b',', text) => text == shown.as_bytes(),
        _ => false,
    }
}
