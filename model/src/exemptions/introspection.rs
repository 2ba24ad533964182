//! What servers say of themselves: lists of commands, sections of INFO, background work; and SORT.

use super::Observation;
use crate::compare::Node;
use crate::sort;
use crate::table;

/// A reply that background work begins, or that some is going on.
pub fn is_in_background(actual: &[u8]) -> bool {
    let complaints: [&[u8]; 4] = [
        b"-ERR Background save already in progress",
        b"-ERR Background append only file rewriting already in progress",
        b"-ERR Another child process is active",
        b"-ERR Another child",
    ];
    actual.starts_with(b"+") || complaints.iter().any(|it| actual.starts_with(it))
}

/// Whether a text has the lines of another, in the same order.
pub fn has_titles(expected: &Node, actual: &Node) -> bool {
    let (Node::Blob(kind, own), Node::Blob(other, theirs)) = (expected, actual) else {
        return false;
    };
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        let text = text.strip_prefix(b"txt:").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    };
    let theirs = lines(theirs);
    let mut rest = theirs.iter();
    kind == other && lines(own).iter().all(|line| rest.any(|it| it == line))
}

/// Whether all names are there, and no other that the model knows.
pub fn includes(expected: &Node, actual: &Node) -> bool {
    let (Some(own), Some(theirs)) = (expected.items(), actual.items()) else {
        return false;
    };
    let is_known = |node: &Node| {
        let name = node.text().map(String::from_utf8_lossy);
        name.is_none_or(|name| table::find(&name).is_some())
    };
    own.iter().all(|name| theirs.contains(name))
        && theirs
            .iter()
            .all(|name| own.contains(name) || !is_known(name))
}

/// The name, the arity, the flags, the places of keys and the categories of each command.
pub fn is_declared_so(expected: &Node, actual: &Node) -> bool {
    let (Some(own), Some(theirs)) = (expected.items(), actual.items()) else {
        return false;
    };
    let sorted = |node: &Node| -> Vec<Node> {
        let mut items = node.items().unwrap_or_default().to_vec();
        items.sort();
        items
    };
    let same = |own: &Node, it: &Node| match (own.items(), it.items()) {
        (Some(own), Some(it)) => {
            own.len() == 7
                && it.len() == 10
                && (0..7).all(|at| own[at] == it[at] || sorted(&own[at]) == sorted(&it[at]))
        }
        _ => own == it,
    };
    if own.len() == theirs.len() && own.iter().zip(theirs).all(|(own, it)| same(own, it)) {
        return true;
    }
    own.len() > 20 && own.iter().all(|own| theirs.iter().any(|it| same(own, it)))
}

/// Maps, flat in RESP2, of the same names.
pub fn has_same_keys(expected: &Node, actual: &Node, or_more: bool) -> bool {
    let names = |node: &Node| -> Option<Vec<Node>> {
        let mut names: Vec<Node> = node.items()?.iter().step_by(2).cloned().collect();
        names.sort();
        Some(names)
    };
    match (names(expected), names(actual)) {
        (Some(own), Some(theirs)) if or_more || own.len() > 20 => {
            own.iter().all(|it| theirs.contains(it))
        }
        (own, theirs) => own.is_some() && own == theirs,
    }
}

/// A list of keys, and one of the same keys with flags.
pub fn are_flagged(expected: &Node, actual: &Node) -> bool {
    let (Some(own), Some(theirs)) = (expected.items(), actual.items()) else {
        return false;
    };
    let key = |node: &Node| node.items().and_then(|it| it.first().cloned());
    own.len() == theirs.len()
        && own
            .iter()
            .zip(theirs)
            .all(|(own, it)| key(it).as_ref() == Some(own))
}

/// Replies of SORT with the same items.
pub fn are_ties(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let sorted = |node: &Node| -> Option<Vec<Node>> {
        let mut items = node.items()?.to_vec();
        items.sort();
        Some(items)
    };
    sort::leaves_order_open(observation.request)
        && sorted(expected).is_some()
        && sorted(expected) == sorted(actual)
}

/// The same reply with all items sorted.
pub fn in_order(node: &Node) -> Node {
    let Node::Items(kind, items) = node else {
        return node.clone();
    };
    let mut items: Vec<Node> = items.iter().map(in_order).collect();
    items.sort();
    Node::Items(*kind, items)
}
