//! The errors that native functions raise.

use super::debugger;
use super::stack::{Kind, Stack};
use crate::resp::text::until_nul;

/// What is raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raise {
    /// The value on top of the stack.
    Top,
    /// A text, behind the place in the code that called.
    Text(Vec<u8>),
    /// A text without a place.
    Plain(&'static str),
    /// An argument is wrong, and what is wrong with it.
    Argument(i32, Vec<u8>),
    /// A table whose `err` is an error reply.
    Reply(Vec<u8>),
}

impl Raise {
    /// A text, behind the place in the code that called.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }

    /// An argument is wrong.
    pub fn argument(number: i32, what: impl Into<Vec<u8>>) -> Self {
        Self::Argument(number, what.into())
    }

    /// A table whose `err` is an error reply: with a dash it begins with its code, without it has the code ERR.
    pub fn reply(text: impl Into<Vec<u8>>) -> Self {
        Self::Reply(text.into())
    }

    /// An argument is of the wrong type.
    pub fn wrong_type(stack: &Stack<'_>, number: i32, expected: &str) -> Self {
        let found = stack.kind(number).name();
        Self::argument(number, format!("{expected} expected, got {found}"))
    }

    /// Pushes the value to be raised.
    pub fn push(self, stack: &mut Stack<'_>) {
        match self {
            Self::Top => {}
            Self::Text(text) => push_text(stack, &text),
            Self::Plain(text) => stack.push_bytes(text.as_bytes()),
            Self::Argument(number, what) => {
                let text = argument_text(stack, number, &what);
                push_text(stack, &text);
            }
            Self::Reply(text) => push_error_table(stack, &text),
        }
    }
}

fn push_text(stack: &mut Stack<'_>, text: &[u8]) {
    let mut whole = position(stack, 1);
    whole.extend_from_slice(text);
    stack.push_bytes(&whole);
}

/// `chunk:line: ` of the function at a level of the call stack, if that is Lua code.
pub fn position(stack: &Stack<'_>, level: i32) -> Vec<u8> {
    let Some(place) = stack.place(level).filter(|place| place.line > 0) else {
        return Vec::new();
    };
    let mut position = place.short_source;
    position.extend_from_slice(format!(":{}: ", place.line).as_bytes());
    position
}

fn argument_text(stack: &Stack<'_>, mut number: i32, what: &[u8]) -> Vec<u8> {
    let place = stack.place(0);
    let (mut name, mut is_method) = (b"?".to_vec(), false);
    if let Some(place) = place {
        is_method = place.is_method;
        name = place.name.unwrap_or(name);
    }
    let mut text = Vec::new();
    if is_method {
        number -= 1;
    }
    if is_method && number == 0 {
        text.extend_from_slice(b"calling '");
        text.extend_from_slice(&name);
        text.extend_from_slice(b"' on bad self (");
    } else {
        text.extend_from_slice(format!("bad argument #{number} to '").as_bytes());
        text.extend_from_slice(&name);
        text.extend_from_slice(b"' (");
    }
    text.extend_from_slice(what);
    text.push(b')');
    text
}

/// Without line ends at either end.
fn trim_ends(mut text: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

/// Pushes a table whose `err` is an error reply with its code.
pub fn push_error_table(stack: &mut Stack<'_>, text: &[u8]) {
    debugger::log_error(stack, text);
    let (code, message) = match text.strip_prefix(b"-") {
        None => (&b"ERR"[..], text),
        Some(rest) => match rest.iter().position(|&b| b == b' ') {
            None => (&b"ERR"[..], rest),
            Some(space) => (&rest[..space], &rest[space + 1..]),
        },
    };
    let mut line = code.to_vec();
    line.push(b' ');
    line.extend_from_slice(until_nul(trim_ends(message)));
    stack.push_table();
    stack.push_bytes(&line);
    stack.set_field(-2, "err");
}

/// The arguments of a native function, checked as Lua's own libraries do.
impl Stack<'_> {
    /// A number, or a string that says one.
    pub fn check_number(&self, number: i32) -> Result<f64, Raise> {
        self.number(number)
            .ok_or_else(|| Raise::wrong_type(self, number, "number"))
    }

    /// A number without its fraction.
    pub fn check_integer(&self, number: i32) -> Result<i64, Raise> {
        self.check_number(number).map(super::number::to_i64)
    }

    /// The same, or `default` where there is none.
    pub fn optional_integer(&self, number: i32, default: i64) -> Result<i64, Raise> {
        if self.is_nothing(number) {
            Ok(default)
        } else {
            self.check_integer(number)
        }
    }

    /// A string, or a number that becomes one in place.
    pub fn check_bytes(&mut self, number: i32) -> Result<&[u8], Raise> {
        if !matches!(self.kind(number), Kind::String | Kind::Number) {
            return Err(Raise::wrong_type(self, number, "string"));
        }
        Ok(self.text(number).unwrap_or_default())
    }

    /// A table.
    pub fn check_table(&self, number: i32) -> Result<(), Raise> {
        if self.kind(number) == Kind::Table {
            Ok(())
        } else {
            Err(Raise::wrong_type(self, number, "table"))
        }
    }
}
