//! Values of Lua and replies of commands as people read them.

use crate::config::words::quote;
use crate::script::number::general;
use crate::script::shield::Shielding;
use crate::script::stack::{Kind, Stack};

/// So deep a table is shown.
const DEPTH_MAX: u32 = 10;
/// Significant digits of numbers.
const DIGITS: usize = 6;
/// Replies are nested no deeper than values that they are made of.
const REPLY_DEPTH_MAX: u32 = 128;

/// Appends the value at an index.
pub fn value(out: &mut Vec<u8>, stack: &mut Stack<'_>, index: i32) {
    let index = stack.absolute(index);
    value_at(out, stack, index, 0);
}

fn value_at(out: &mut Vec<u8>, stack: &mut Stack<'_>, index: i32, depth: u32) {
    if depth == DEPTH_MAX {
        out.extend_from_slice(b"<max recursion level reached! Nested table?>");
        return;
    }
    let kind = match stack.kind(index) {
        Kind::String => {
            out.extend(quote(stack.bytes(index).unwrap_or_default()));
            return;
        }
        Kind::Boolean => {
            let text = if stack.truth(index) { "true" } else { "false" };
            out.extend_from_slice(text.as_bytes());
            return;
        }
        Kind::Number => {
            general(out, stack.number(index).unwrap_or_default(), DIGITS);
            return;
        }
        Kind::Nil | Kind::None => {
            out.extend_from_slice(b"nil");
            return;
        }
        Kind::Table => {
            table(out, stack, index, depth);
            return;
        }
        Kind::Function => "function",
        Kind::Userdata => "userdata",
        Kind::Thread => "thread",
        Kind::LightUserdata => "light-userdata",
    };
    let address = match stack.address(index) {
        0 => "(nil)".to_owned(),
        address => format!("{address:#x}"),
    };
    out.extend_from_slice(format!("\"{kind}@{address}\"").as_bytes());
}

/// A table whose keys are 1, 2, 3 and so on is shown as an array.
fn table(out: &mut Vec<u8>, stack: &mut Stack<'_>, index: i32, depth: u32) {
    if stack.push_real(index) == Shielding::None {
        stack.push_value(index);
    }
    let table = stack.absolute(-1);
    let (mut as_array, mut whole) = (Vec::new(), Vec::new());
    let mut expected = Some(1.0);
    stack.push_nil();
    while stack.next(table) {
        let key = stack.absolute(-2);
        let is_next = stack.kind(key) == Kind::Number && stack.number(key) == expected;
        expected = expected.filter(|_| is_next).map(|number| number + 1.0);
        for (text, has_key) in [(&mut as_array, false), (&mut whole, true)] {
            if !text.is_empty() {
                text.extend_from_slice(b"; ");
            }
            if has_key {
                text.push(b'[');
                value_at(text, stack, key, depth + 1);
                text.extend_from_slice(b"]=");
            }
            value_at(text, stack, key + 1, depth + 1);
        }
        stack.pop(1);
    }
    stack.pop(1);
    out.push(b'{');
    out.extend(if expected.is_some() { as_array } else { whole });
    out.push(b'}');
}

/// Appends a reply.
pub fn reply(out: &mut Vec<u8>, reply: &[u8]) {
    one(out, reply, 0);
}

/// The first line of a reply without its kind, and what stands behind it.
fn head(reply: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\r', reply).unwrap_or(reply.len());
    (
        &reply[1.min(end)..end],
        reply.get(end + 2..).unwrap_or_default(),
    )
}

fn length(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Appends one reply; what stands behind it. Kinds that nobody shows end it all.
fn one<'a>(out: &mut Vec<u8>, reply: &'a [u8], depth: u32) -> &'a [u8] {
    let (line, rest) = head(reply);
    let Some(kind) = reply.first().filter(|_| depth < REPLY_DEPTH_MAX) else {
        return &[];
    };
    match kind {
        b':' => out.extend_from_slice(line),
        b'+' | b'-' => out.extend(quote(&reply[..=line.len()])),
        b'_' => out.extend_from_slice(b"(null)"),
        b'#' if line == b"t" => out.extend_from_slice(b"#true"),
        b'#' => out.extend_from_slice(b"#false"),
        b',' => {
            out.extend_from_slice(b"(double) ");
            out.extend_from_slice(line);
        }
        b'$' | b'*' if line == b"-1" => out.extend_from_slice(b"NULL"),
        b'$' => {
            let len = length(line).unwrap_or_default().min(rest.len());
            out.extend(quote(&rest[..len]));
            return rest.get(len + 2..).unwrap_or_default();
        }
        b'*' => return many(out, line, rest, depth, ["[", "", "]"]),
        b'~' => return many(out, line, rest, depth, ["~(", "", ")"]),
        b'%' => return many(out, line, rest, depth, ["{", " => ", "}"]),
        _ => return &[],
    }
    rest
}

/// Elements, or pairs where something stands between a key and its value.
fn many<'a>(
    out: &mut Vec<u8>,
    count: &[u8],
    mut rest: &'a [u8],
    depth: u32,
    [open, between, close]: [&str; 3],
) -> &'a [u8] {
    out.extend_from_slice(open.as_bytes());
    for at in 0..length(count).unwrap_or_default() {
        if at > 0 {
            out.push(b',');
        }
        rest = one(out, rest, depth + 1);
        if !between.is_empty() {
            out.extend_from_slice(between.as_bytes());
            rest = one(out, rest, depth + 1);
        }
    }
    out.extend_from_slice(close.as_bytes());
    rest
}
