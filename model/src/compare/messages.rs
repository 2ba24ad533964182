//! Replies and messages that stand one behind the other on the wire.

use super::wire::{Node, parse_several, read_reply};

/// Whether they are the same. Those of one message to several patterns come in any order: Redis goes by its hash
/// table.
pub fn are_same(expected: &[u8], actual: &[u8]) -> bool {
    expected == actual || sorted(expected).is_some() && sorted(expected) == sorted(actual)
}

fn sorted(raw: &[u8]) -> Option<Vec<Node>> {
    let is_of_pattern = |node: &Node| {
        let first = node.items().and_then(<[Node]>::first);
        first.and_then(Node::text) == Some(b"pmessage")
    };
    let mut nodes = parse_several(raw)?;
    for run in nodes.chunk_by_mut(|a, b| is_of_pattern(a) && is_of_pattern(b)) {
        run.sort();
    }
    Some(nodes)
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
