//! Replies and messages that stand one behind the other on the wire.

use super::wire::{Node, parse_several, read_reply};
use crate::pubsub::INVALIDATIONS;

/// Whether they are the same. Those of one message to several patterns come in any order: Redis goes by its hash
/// table. Where keyspace events are among them, they and what is told of keys to those who track are compared each by
/// themselves: the model does not know which of both each command tells first.
pub fn are_same(expected: &[u8], actual: &[u8]) -> bool {
    expected == actual || sorted(expected).is_some() && sorted(expected) == sorted(actual)
}

fn sorted(raw: &[u8]) -> Option<Vec<Node>> {
    let mut nodes = parse_several(raw)?;
    for run in nodes.chunk_by_mut(is_same_message) {
        run.sort();
    }
    if nodes.iter().any(is_event) {
        nodes.sort_by_key(is_invalidation);
    }
    Some(nodes)
}

/// Whether these are one message to two patterns.
fn is_same_message(one: &Node, other: &Node) -> bool {
    match (one.items(), other.items()) {
        (Some([word, _, message @ ..]), Some([other_word, _, other @ ..])) => {
            let is_of_pattern = word.text() == Some(b"pmessage") && word == other_word;
            is_of_pattern && message == other
        }
        _ => false,
    }
}

/// Whether this is a keyspace event.
fn is_event(node: &Node) -> bool {
    let channel = match node.items() {
        Some([word, channel, _]) if word.text() == Some(b"message") => channel.text(),
        Some([word, _, channel, _]) if word.text() == Some(b"pmessage") => channel.text(),
        _ => None,
    };
    channel.is_some_and(|channel| channel.starts_with(b"__key"))
}

/// Whether this tells of keys to who tracks, or for them.
fn is_invalidation(node: &Node) -> bool {
    match node.items() {
        Some([word, _]) => word.text() == Some(b"invalidate"),
        Some([_, channel, _]) => channel.text() == Some(INVALIDATIONS),
        _ => false,
    }
}

/// Messages with one key each, sorted; nothing of bytes that are no messages.
pub fn flattened(raw: &[u8]) -> Vec<Node> {
    let mut flat = Vec::new();
    for node in parse_several(raw).unwrap_or_default() {
        match node.items().and_then(<[Node]>::split_last) {
            Some((Node::Items(_, keys), head)) => flat.extend(
                keys.iter()
                    .map(|key| Node::Items(b'>', [head, std::slice::from_ref(key)].concat())),
            ),
            _ => flat.push(node),
        }
    }
    flat.sort();
    flat
}

/// The first reply, and the messages behind it, if there are any.
pub fn with_messages(mut raw: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let first = read_reply(&mut raw).ok()?;
    (!raw.is_empty()).then_some((first, raw))
}

/// Whether they confirm the same subscriptions and ends of subscriptions, in any order of names.
pub fn confirm_the_same(expected: &[u8], actual: &[u8]) -> bool {
    confirmations(expected).is_some() && confirmations(expected) == confirmations(actual)
}

/// Names, and the word and the count beside each of them.
type Confirmations = (Vec<Vec<u8>>, Vec<[Node; 2]>);

/// The names in order, and the rest.
fn confirmations(raw: &[u8]) -> Option<Confirmations> {
    let (mut names, mut rests) = (Vec::new(), Vec::new());
    for node in parse_several(raw)? {
        let [word, name, count] = node.items()? else {
            return None;
        };
        names.push(name.text()?.to_vec());
        rests.push([word.clone(), count.clone()]);
    }
    names.sort();
    Some((names, rests))
}
