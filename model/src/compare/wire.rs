//! Replies on the wire: reading exactly one, and taking it apart.

use std::io::{self, BufRead};

/// The longest bulk string that is believed, in bytes.
const BULK_BYTES_MAX: usize = 1 << 30;

/// How deep replies may be nested.
const DEPTH_MAX: usize = 16;

/// A reply taken apart. The kind is its first byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Line(u8, Vec<u8>),
    Blob(u8, Vec<u8>),
    /// A bulk string or an array that is null.
    Null,
    /// The items; of a map, keys and values in turn.
    Items(u8, Vec<Node>),
}

impl Node {
    pub fn integer(&self) -> Option<i64> {
        match self {
            Node::Line(b':', digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Node::Blob(_, bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Node]> {
        match self {
            Node::Items(_, items) => Some(items),
            _ => None,
        }
    }
}

/// Reads the bytes of one reply.
///
/// # Errors
/// What the stream reports, or `InvalidData` for bytes that are no reply.
pub fn read_reply(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    read_node(stream, &mut raw, 0)?;
    Ok(raw)
}

/// Takes the bytes of one reply apart; nothing if they are not one whole reply.
pub fn parse(mut raw: &[u8]) -> Option<Node> {
    let node = read_node(&mut raw, &mut Vec::new(), 0).ok()?;
    raw.is_empty().then_some(node)
}

/// Takes the bytes of several replies and messages apart; nothing if the last is not whole.
pub fn parse_several(mut raw: &[u8]) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    while !raw.is_empty() {
        nodes.push(read_node(&mut raw, &mut Vec::new(), 0).ok()?);
    }
    Some(nodes)
}

/// The bytes of each item of an array, and what comes behind it.
pub fn elements(mut raw: &[u8]) -> Option<(Vec<Vec<u8>>, &[u8])> {
    let header = read_line(&mut raw, &mut Vec::new()).ok()?;
    let count = length(header.strip_prefix(b"*")?).ok()??;
    let items = (0..count).map(|_| read_reply(&mut raw).ok());
    let items = items.collect::<Option<_>>()?;
    Some((items, raw))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn read_node(stream: &mut impl BufRead, raw: &mut Vec<u8>, depth: usize) -> io::Result<Node> {
    if depth > DEPTH_MAX {
        return Err(invalid("a reply is nested too deep"));
    }
    let line = read_line(stream, raw)?;
    let (&kind, text) = line
        .split_first()
        .ok_or_else(|| invalid("an empty line where a reply starts"))?;
    match kind {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => Ok(Node::Line(kind, text.to_vec())),
        b'$' | b'=' | b'!' => match length(text)? {
            None => Ok(Node::Null),
            Some(length) => read_blob(stream, raw, kind, length),
        },
        b'*' | b'~' | b'>' | b'%' => {
            let Some(length) = length(text)? else {
                return Ok(Node::Null);
            };
            let items = if kind == b'%' { length * 2 } else { length };
            let items = (0..items).map(|_| read_node(stream, raw, depth + 1));
            Ok(Node::Items(kind, items.collect::<io::Result<_>>()?))
        }
        _ => Err(invalid("an unknown kind of reply")),
    }
}

fn read_blob(
    stream: &mut impl BufRead,
    raw: &mut Vec<u8>,
    kind: u8,
    length: usize,
) -> io::Result<Node> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes)?;
    raw.extend_from_slice(&bytes);
    if !bytes.ends_with(b"\r\n") {
        return Err(invalid("a bulk string without its line end"));
    }
    bytes.truncate(length);
    Ok(Node::Blob(kind, bytes))
}

fn read_line(stream: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    raw.extend_from_slice(&line);
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(text.to_vec()),
        None => Err(invalid("a line without its end")),
    }
}

fn length(text: &[u8]) -> io::Result<Option<usize>> {
    if text == b"-1" {
        return Ok(None);
    }
    let length = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    match length {
        Some(length) if length <= BULK_BYTES_MAX => Ok(Some(length)),
        _ => Err(invalid("a length that is no length")),
    }
}
