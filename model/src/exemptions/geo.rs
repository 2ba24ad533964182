//! Searches for positions: which members may stand for which.

use super::Observation;
use crate::compare::Node;
use crate::geo::searches::{self, Answer, Order};

/// As many members in range as the model has, each shown as it shows them, in the order of their distances if one was
/// asked for.
pub fn are_found(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let (Some(own), Some(theirs)) = (expected.items(), actual.items()) else {
        return false;
    };
    let Some(answer) = searches::answer(
        observation.before,
        observation.request,
        observation.database,
    ) else {
        return false;
    };
    let Answer {
        order,
        any,
        members,
    } = answer;
    let distance = |node: &Node| {
        let found = members.iter().find(|(shown, _)| shown == node);
        found.map(|(_, meters)| *meters)
    };
    let (distances, wanted): (Vec<_>, Vec<_>) = (
        theirs.iter().map(distance).collect(),
        own.iter().map(distance).collect(),
    );
    let mut distinct = theirs.to_vec();
    distinct.sort();
    distinct.dedup();
    distinct.len() == own.len()
        && theirs.len() == own.len()
        && distances.iter().all(Option::is_some)
        && match order {
            Order::Any => true,
            Order::Ascending if any => distances.is_sorted(),
            Order::Descending if any => distances.iter().rev().is_sorted(),
            Order::Ascending | Order::Descending => distances == wanted,
        }
}
