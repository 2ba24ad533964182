//! Lines about connections, and what users were refused on them.

use super::moments;
use crate::compare::Node;

/// Letters of flags that the model does not know, and that of none.
const OTHER_FLAGS: &[u8] = b"NeT";

/// The fields of a line, by name.
fn fields(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = line.split(|byte| *byte == b' ');
    fields.filter_map(|field| {
        let at = field.iter().position(|byte| *byte == b'=')?;
        Some((&field[..at], &field[at + 1..]))
    })
}

/// Whether a line has all the fields of the model's, with the same values.
pub fn is_line(own: &[u8], theirs: &[u8]) -> bool {
    let known = |value: &[u8]| -> Vec<u8> {
        let letters = value.iter().filter(|it| !OTHER_FLAGS.contains(it));
        letters.copied().collect()
    };
    fields(own).all(|(name, value)| {
        let mut same_name = fields(theirs).filter(|(other, _)| *other == name);
        same_name.next().is_some_and(|(_, other)| match name {
            b"flags" => value == known(other),
            _ => value == other,
        })
    })
}

/// Whether each line of the model stands in the server's text.
pub fn has_lines(expected: &Node, actual: &Node) -> bool {
    let (Node::Blob(kind, own), Node::Blob(other, theirs)) = (expected, actual) else {
        return false;
    };
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        let text = text.strip_prefix(b"txt:").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    };
    let theirs = lines(theirs);
    let has = |own: &Vec<u8>| theirs.iter().any(|it| is_line(own, it));
    kind == other && lines(own).iter().all(has)
}

/// Whether two entries of ACL LOG, or lists of them, are the same but for times, which are near each other, and for
/// what is not known of connections.
pub fn are_refusals(expected: &Node, actual: &Node) -> bool {
    let (Node::Items(kind, own), Node::Items(other, theirs)) = (expected, actual) else {
        return false;
    };
    let of_entries = || own.iter().zip(theirs).all(|(own, it)| is_refusal(own, it));
    kind == other && own.len() == theirs.len() && of_entries()
}

fn is_refusal(expected: &Node, actual: &Node) -> bool {
    let (Node::Items(kind, own), Node::Items(other, theirs)) = (expected, actual) else {
        return false;
    };
    let is_field = |at: usize| match own[at - at % 2].text() {
        _ if at.is_multiple_of(2) => own[at] == theirs[at],
        Some(b"age-seconds") => match (age_ms(&own[at]), age_ms(&theirs[at])) {
            (Some(own), Some(it)) => it >= 0.0 && moments::is_near(own as i64, it as i64),
            _ => false,
        },
        Some(b"timestamp-created" | b"timestamp-last-updated") => {
            let times = own[at].integer().zip(theirs[at].integer());
            times.is_some_and(|(own, it)| moments::is_near(own, it))
        }
        Some(b"client-info") => {
            let lines = own[at].text().zip(theirs[at].text());
            lines.is_some_and(|(own, it)| is_line(own, it))
        }
        _ => own[at] == theirs[at],
    };
    kind == other && own.len() == theirs.len() && (0..own.len()).all(is_field)
}

/// An age in seconds, with digits behind the point, in milliseconds.
fn age_ms(node: &Node) -> Option<f64> {
    let (Node::Blob(b'$', text) | Node::Line(b',', text)) = node else {
        return None;
    };
    let seconds: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(seconds * 1000.0)
}
