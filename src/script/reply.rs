//! Replies to values of Lua, and values of Lua to replies.

use super::number;
use super::raise::push_error_table;
use super::stack::{Kind, Stack};
use crate::resp::double::printed;
use crate::resp::text::until_nul;
use crate::resp::{Proto, Reply};

/// Pushes the value that a reply of the server, which is complete, becomes.
pub fn push(stack: &mut Stack<'_>, reply: &[u8]) {
    let mut rest = reply;
    push_next(stack, &mut rest);
}

/// The line that `rest` begins with, its first byte apart.
fn line<'a>(rest: &mut &'a [u8]) -> (u8, &'a [u8]) {
    let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
    let (line, behind) = rest.split_at(end);
    *rest = behind.get(2..).unwrap_or_default();
    match line.split_first() {
        Some((kind, line)) => (*kind, line),
        None => (b'_', line),
    }
}

fn integer(digits: &[u8]) -> i64 {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// As many bytes and the end of their line.
fn blob<'a>(rest: &mut &'a [u8], len: i64) -> &'a [u8] {
    let (blob, behind) = rest.split_at((len as usize).min(rest.len()));
    *rest = behind.get(2..).unwrap_or_default();
    blob
}

/// Replies of commands are nested a few levels deep, so that recursion ends soon.
fn push_next(stack: &mut Stack<'_>, rest: &mut &[u8]) {
    let (kind, line) = line(rest);
    match kind {
        b':' => stack.push_number(integer(line) as f64),
        b'+' => push_field(stack, "ok", |stack| stack.push_bytes(line)),
        b'-' => {
            push_error_table(stack, &[b"-", line].concat());
            stack.push_boolean(true);
            stack.set_field(-2, "ignore_error_stats_update");
        }
        b'$' | b'*' if integer(line) < 0 => stack.push_boolean(false),
        b'$' => {
            let bytes = blob(rest, integer(line));
            stack.push_bytes(bytes);
        }
        b'=' => {
            let bytes = blob(rest, integer(line));
            let (format, text) = bytes.split_at(bytes.len().min(4));
            push_field(stack, "verbatim_string", |stack| {
                push_field(stack, "string", |stack| stack.push_bytes(text));
                stack.push_bytes(&format[..format.len().min(3)]);
                stack.set_field(-2, "format");
            });
        }
        b'(' => push_field(stack, "big_number", |stack| stack.push_bytes(line)),
        b',' => push_field(stack, "double", |stack| {
            let number = number::read(line).map_or(0.0, |(number, _)| number);
            stack.push_number(number);
        }),
        b'#' => stack.push_boolean(line == b"t"),
        b'_' => stack.push_nil(),
        b'%' => push_field(stack, "map", |stack| push_pairs(stack, rest, integer(line))),
        b'~' => push_field(stack, "set", |stack| {
            push_members(stack, rest, integer(line))
        }),
        b'|' => {
            // Scripts do not see attributes.
            for _ in 0..2 * integer(line) {
                push_next(stack, rest);
                stack.pop(1);
            }
            push_next(stack, rest);
        }
        _ => push_items(stack, rest, integer(line)),
    }
}

/// Pushes a table with one field.
fn push_field(stack: &mut Stack<'_>, name: &str, push_value: impl FnOnce(&mut Stack<'_>)) {
    stack.push_table();
    push_value(stack);
    stack.set_field(-2, name);
}

fn push_items(stack: &mut Stack<'_>, rest: &mut &[u8], count: i64) {
    stack.push_table();
    for position in 1..=count {
        push_next(stack, rest);
        stack.raw_set_at(-2, position as i32);
    }
}

/// Puts key and value on top into the table below them, unless the key cannot be one.
fn set_pair(stack: &mut Stack<'_>) {
    if stack.kind(-2) == Kind::Nil {
        stack.pop(2);
    } else {
        stack.raw_set(-3);
    }
}

fn push_pairs(stack: &mut Stack<'_>, rest: &mut &[u8], count: i64) {
    stack.push_table();
    for _ in 0..count {
        push_next(stack, rest);
        push_next(stack, rest);
        set_pair(stack);
    }
}

fn push_members(stack: &mut Stack<'_>, rest: &mut &[u8], count: i64) {
    stack.push_table();
    for _ in 0..count {
        push_next(stack, rest);
        stack.push_boolean(true);
        set_pair(stack);
    }
}

/// What is left to write of a table.
enum Open {
    /// The table is on top; the next of its items.
    Array { next: i32 },
    /// On top are the table, the one in its `map`, and the latest key; `value`: and its value, which is next.
    Map { value: bool },
    /// On top are the table, the one in its `set`, and the latest member.
    Set,
}

/// Writes values of Lua as replies.
pub struct Writer<'a> {
    pub out: &'a mut Reply,
    /// The protocol that the script has chosen.
    pub script_proto: Proto,
    /// Told of every error that no command was counted for.
    pub on_error: &'a mut dyn FnMut(&[u8]),
}

impl Writer<'_> {
    /// Pops a value and writes it. Tables may be nested as deeply as Lua's stack is high.
    pub fn write(&mut self, stack: &mut Stack<'_>) {
        let mut open = Vec::new();
        open.extend(self.begin(stack));
        while let Some(table) = open.last_mut() {
            let has_more = match table {
                Open::Array { next } => {
                    stack.raw_get_at(-1, *next);
                    *next += 1;
                    finish_unless(stack, |stack| stack.kind(-1) != Kind::Nil, 2)
                }
                Open::Map { value } if *value => {
                    *value = false;
                    true
                }
                Open::Map { value } => {
                    *value = true;
                    let has_more = stack.next(-2);
                    if has_more {
                        stack.push_value(-2);
                    } else {
                        stack.pop(2);
                    }
                    has_more
                }
                Open::Set => {
                    let has_more = stack.next(-2);
                    if has_more {
                        stack.pop(1);
                        stack.push_value(-1);
                    } else {
                        stack.pop(2);
                    }
                    has_more
                }
            };
            if has_more {
                open.extend(self.begin(stack));
            } else {
                open.pop();
            }
        }
    }

    /// Pops a value and writes it, or writes the header of a table whose contents are still to be written.
    fn begin(&mut self, stack: &mut Stack<'_>) -> Option<Open> {
        if !stack.reserve(4) {
            self.error(b"ERR reached lua stack limit", true);
            stack.pop(1);
            return None;
        }
        match stack.kind(-1) {
            Kind::String => self.out.bulk(stack.bytes(-1).unwrap_or_default()),
            Kind::Number => {
                let number = stack.number(-1).unwrap_or_default();
                self.out.int(number::to_i64(number));
            }
            Kind::Boolean => match (self.script_proto, stack.truth(-1)) {
                (Proto::Resp2, true) => self.out.int(1),
                (Proto::Resp2, false) => self.out.null(),
                (Proto::Resp3, value) => self.out.boolean(value),
            },
            Kind::Table => return self.begin_table(stack),
            _ => self.out.null(),
        }
        stack.pop(1);
        None
    }

    fn begin_table(&mut self, stack: &mut Stack<'_>) -> Option<Open> {
        if self.write_marked(stack) {
            stack.pop(1);
            return None;
        }
        for (name, is_map) in [("map", true), ("set", false)] {
            stack.field(-1, name);
            if stack.kind(-1) == Kind::Table {
                let count = count_entries(stack);
                stack.push_nil();
                if is_map {
                    self.out.map(count);
                    return Some(Open::Map { value: false });
                }
                self.out.set(count);
                return Some(Open::Set);
            }
            stack.pop(1);
        }
        let mut count = 0;
        loop {
            stack.raw_get_at(-1, count + 1);
            let is_there = stack.kind(-1) != Kind::Nil;
            stack.pop(1);
            if !is_there {
                break;
            }
            count += 1;
        }
        self.out.array(count as usize);
        Some(Open::Array { next: 1 })
    }

    /// Writes the table on top, which stays, if a field of it says what it is: an error, a status, a number, a text with
    /// a format.
    fn write_marked(&mut self, stack: &mut Stack<'_>) -> bool {
        let field = |stack: &mut Stack<'_>, name: &str| {
            stack.field(-1, name);
            let bytes = stack.bytes(-1).map(<[u8]>::to_vec);
            stack.pop(1);
            bytes
        };
        if let Some(line) = field(stack, "err") {
            stack.field(-1, "ignore_error_stats_update");
            let is_counted = stack.kind(-1) == Kind::Boolean && stack.truth(-1);
            stack.pop(1);
            self.error(until_nul(&line), !is_counted);
            return true;
        }
        if let Some(line) = field(stack, "ok") {
            self.line(b'+', until_nul(&line));
            return true;
        }
        stack.field(-1, "double");
        let double = (stack.kind(-1) == Kind::Number).then(|| stack.number(-1));
        stack.pop(1);
        if let Some(double) = double.flatten() {
            self.out.double(&printed(double));
            return true;
        }
        if let Some(digits) = field(stack, "big_number") {
            if self.out.is_resp3() {
                self.line(b'(', &digits);
            } else {
                self.out.bulk(&one_line(&digits));
            }
            return true;
        }
        stack.field(-1, "verbatim_string");
        let mut verbatim = None;
        if stack.kind(-1) == Kind::Table {
            verbatim = field(stack, "format").zip(field(stack, "string"));
        }
        stack.pop(1);
        if let Some((format, text)) = &verbatim {
            self.verbatim(format, text);
        }
        verbatim.is_some()
    }

    fn error(&mut self, line: &[u8], counts: bool) {
        let mut line = line;
        while let [rest @ .., b'\r' | b'\n'] = line {
            line = rest;
        }
        self.out.error_bytes(line);
        if counts {
            (self.on_error)(line);
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.raw(&[kind]);
        self.out.raw(&one_line(text));
        self.out.raw(b"\r\n");
    }

    fn verbatim(&mut self, format: &[u8], text: &[u8]) {
        if !self.out.is_resp3() {
            self.out.bulk(text);
            return;
        }
        let format = until_nul(format);
        let header = format!("={}\r\n", text.len() + 4);
        self.out.raw(header.as_bytes());
        for at in 0..3 {
            self.out.raw(&[format.get(at).copied().unwrap_or(b' ')]);
        }
        self.out.raw(b":");
        self.out.raw(text);
        self.out.raw(b"\r\n");
    }
}

/// Whether `has_more`; otherwise so many values are popped.
fn finish_unless(
    stack: &mut Stack<'_>,
    has_more: impl FnOnce(&mut Stack<'_>) -> bool,
    pops: i32,
) -> bool {
    let has_more = has_more(stack);
    if !has_more {
        stack.pop(pops);
    }
    has_more
}

/// How many entries the table on top has.
fn count_entries(stack: &mut Stack<'_>) -> usize {
    let mut count = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        count += 1;
    }
    count
}

fn one_line(text: &[u8]) -> Vec<u8> {
    let blank = |&b: &u8| if b == b'\r' || b == b'\n' { b' ' } else { b };
    text.iter().map(blank).collect()
}
