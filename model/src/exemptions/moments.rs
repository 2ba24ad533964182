//! Times in the replies of streams: when entries were delivered and consumers were seen.

use crate::compare::Node;

/// Model and server may run a request this far apart, in milliseconds.
const APART_MS_MAX: i64 = 20_000;

/// Names in front of times.
const TIMES: &[&[u8]] = &[b"idle", b"inactive", b"seen-time", b"active-time"];

/// Whether two replies are the same but for times, which are near each other.
pub fn are_near(expected: &Node, actual: &Node) -> bool {
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    let same = without_times(expected, &mut own) == without_times(actual, &mut theirs);
    let near = |(own, theirs): (&i64, &i64)| is_near(*own, *theirs);
    same && own.len() == theirs.len() && own.iter().zip(&theirs).all(near)
}

/// Whether two times, in milliseconds, may be those of one request.
pub fn is_near(own: i64, theirs: i64) -> bool {
    own == theirs || own >= 0 && theirs >= 0 && (own - theirs).abs() <= APART_MS_MAX
}

/// The reply with its times taken out.
fn without_times(node: &Node, times: &mut Vec<i64>) -> Node {
    let Node::Items(kind, items) = node else {
        return node.clone();
    };
    let nodes = several_nodes(items);
    let mut kept: Vec<Node> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let name = at.checked_sub(1).and_then(|before| items[before].text());
        let is_time = name.is_some_and(|name| TIMES.contains(&name)) || is_delivery(items, at);
        match item.integer() {
            Some(time) if is_time => times.push(time),
            Some(_) if nodes && name == Some(b"radix-tree-nodes") => {}
            _ => kept.push(without_times(item, times)),
        }
    }
    Node::Items(*kind, kept)
}

/// A pending entry: its ID, perhaps a consumer, when or how long ago it was delivered, and how often.
fn is_delivery(items: &[Node], at: usize) -> bool {
    let numbers = |from: usize| items[from..].iter().all(|item| item.integer().is_some());
    let texts = |to: usize| items[..to].iter().all(|item| item.text().is_some());
    match items.len() {
        4 => at == 2 && texts(2) && numbers(2),
        3 => at == 1 && texts(1) && numbers(1),
        _ => false,
    }
}

/// Whether these are the fields of a stream with more than one node.
fn several_nodes(items: &[Node]) -> bool {
    let at = items
        .iter()
        .position(|item| item.text() == Some(b"radix-tree-keys"));
    at.and_then(|at| items.get(at + 1)?.integer())
        .is_some_and(|keys| keys > 1)
}
