//! JSON to values.

use super::{Setting, check_single, get};
use crate::script::number;
use crate::script::raise::Raise;
use crate::script::stack::Stack;
use crate::script::state::Next;

/// Members of an object beyond which Lua itself would raise an error.
const MEMBERS_MAX: usize = 1 << 26;

/// A piece of the text. The texts of strings go to a buffer of the parser.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

impl Token {
    /// How messages call it.
    fn name(self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Text => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Wrong(what) => what,
        }
    }
}

/// A container being read: its table is on the stack, and behind that a key that waits for its value.
enum Open {
    Array { next: i32 },
    Object { members: usize },
}

/// cjson.decode(text)
pub fn decode(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    check_single(stack)?;
    let text = stack.check_bytes(1)?.to_vec();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(Raise::text("JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut parser = Parser {
        text: &text,
        at: 0,
        token_at: 0,
        string: Vec::new(),
        depth_max: get(stack, Setting::DecodeMaxDepth),
        lenient: get(stack, Setting::DecodeInvalidNumbers) != 0,
    };
    parser.value(stack)?;
    match parser.next() {
        Token::End => Ok(Next::Return(1)),
        token => Err(parser.expected("the end", token)),
    }
}

/// Reads a text. A zero byte is its end, wherever it stands.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the latest token begins, or where it went wrong.
    token_at: usize,
    /// The latest string.
    string: Vec<u8>,
    depth_max: i32,
    /// Numbers that are not JSON's are read.
    lenient: bool,
}

impl Parser<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn expected(&self, what: &str, found: Token) -> Raise {
        Raise::text(format!(
            "Expected {what} but found {} at character {}",
            found.name(),
            self.token_at + 1
        ))
    }

    /// Pushes the next value.
    fn value(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        let mut open: Vec<Open> = Vec::new();
        let mut token = self.next();
        loop {
            // A value begins.
            let container = match token {
                Token::ObjectBegin => Some(Open::Object { members: 0 }),
                Token::ArrayBegin => Some(Open::Array { next: 1 }),
                _ => {
                    self.push_plain(stack, token)?;
                    None
                }
            };
            let mut is_complete = container.is_none();
            if let Some(container) = container {
                self.descend(stack, open.len() as i32 + 1)?;
                stack.push_table();
                token = self.next();
                let end = match container {
                    Open::Object { .. } => Token::ObjectEnd,
                    Open::Array { .. } => Token::ArrayEnd,
                };
                if token == end {
                    is_complete = true;
                } else {
                    if end == Token::ObjectEnd {
                        token = self.key(stack, token)?;
                    }
                    open.push(container);
                }
            }
            // A value that is complete goes into its container, which may be complete with it.
            while is_complete {
                let Some(container) = open.last_mut() else {
                    return Ok(());
                };
                let (end, what) = store(stack, container)?;
                token = self.next();
                if token == end {
                    open.pop();
                    continue;
                }
                is_complete = false;
                if token != Token::Comma {
                    return Err(self.expected(what, token));
                }
                token = self.next();
                if end == Token::ObjectEnd {
                    token = self.key(stack, token)?;
                }
            }
        }
    }

    fn descend(&self, stack: &mut Stack<'_>, depth: i32) -> Result<(), Raise> {
        if depth <= self.depth_max && stack.reserve(4) {
            return Ok(());
        }
        Err(Raise::text(format!(
            "Found too many nested data structures ({depth}) at character {}",
            self.at
        )))
    }

    fn push_plain(&self, stack: &mut Stack<'_>, token: Token) -> Result<(), Raise> {
        match token {
            Token::Text => stack.push_bytes(&self.string),
            Token::Number(number) => stack.push_number(number),
            Token::Boolean(value) => stack.push_boolean(value),
            Token::Null => stack.push_null_pointer(),
            _ => return Err(self.expected("value", token)),
        }
        Ok(())
    }

    /// Pushes the key that `token` is; the token that its value begins with.
    fn key(&mut self, stack: &mut Stack<'_>, token: Token) -> Result<Token, Raise> {
        if token != Token::Text {
            return Err(self.expected("object key string", token));
        }
        stack.push_bytes(&self.string);
        match self.next() {
            Token::Colon => Ok(self.next()),
            other => Err(self.expected("colon", other)),
        }
    }

    fn next(&mut self) -> Token {
        while matches!(self.byte(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let single = match self.byte(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return Token::End,
            b'"' => return self.next_string(),
            b'-' | b'0'..=b'9' => {
                if !self.lenient && self.is_odd_number() {
                    return self.wrong("invalid number");
                }
                return self.next_number();
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.next_word(),
            _ => return self.wrong("invalid token"),
        };
        self.at += 1;
        single
    }

    fn wrong(&mut self, what: &'static str) -> Token {
        self.token_at = self.at;
        Token::Wrong(what)
    }

    fn next_word(&mut self) -> Token {
        for (word, token) in [
            ("true", Token::Boolean(true)),
            ("false", Token::Boolean(false)),
            ("null", Token::Null),
        ] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        if self.lenient && self.is_odd_number() {
            return self.next_number();
        }
        self.wrong("invalid token")
    }

    /// Whether what begins here is a number for C, and none for JSON.
    fn is_odd_number(&self) -> bool {
        if self.byte(0) == b'+' {
            return true;
        }
        let skip = usize::from(self.byte(0) == b'-');
        let rest = &self.text[(self.at + skip).min(self.text.len())..];
        let begins = |word: &[u8]| {
            rest.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        match rest {
            [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
            [first, ..] if *first <= b'9' => false,
            _ => begins(b"inf") || begins(b"nan"),
        }
    }

    fn next_number(&mut self) -> Token {
        match number::read(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => self.wrong("invalid number"),
        }
    }

    fn next_string(&mut self) -> Token {
        self.at += 1;
        self.string.clear();
        loop {
            match self.byte(0) {
                b'"' => {
                    self.at += 1;
                    return Token::Text;
                }
                0 => return self.wrong("unexpected end of string"),
                b'\\' => {
                    let plain = match self.byte(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            if self.unicode_escape().is_none() {
                                return self.wrong("invalid unicode escape code");
                            }
                            continue;
                        }
                        _ => return self.wrong("invalid escape code"),
                    };
                    self.string.push(plain);
                    self.at += 2;
                }
                byte => {
                    self.string.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// Four hexadecimal digits.
    fn unit(&self, ahead: usize) -> Option<u32> {
        (ahead..ahead + 4).try_fold(0, |unit, at| {
            Some(unit << 4 | (self.byte(at) as char).to_digit(16)?)
        })
    }

    /// `\uXXXX`, or two of them that are one character.
    fn unicode_escape(&mut self) -> Option<()> {
        const ESCAPE_LEN: usize = 6;
        let unit = self.unit(2)?;
        let (code, len) = match unit {
            0xd800..=0xdbff => {
                if (self.byte(ESCAPE_LEN), self.byte(ESCAPE_LEN + 1)) != (b'\\', b'u') {
                    return None;
                }
                let low = self.unit(ESCAPE_LEN + 2)?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return None;
                }
                (
                    0x1_0000 + ((unit & 0x3ff) << 10 | (low & 0x3ff)),
                    2 * ESCAPE_LEN,
                )
            }
            0xdc00..=0xdfff => return None,
            _ => (unit, ESCAPE_LEN),
        };
        let mut utf8 = [0; 4];
        let character = char::from_u32(code)?;
        self.string
            .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        self.at += len;
        Some(())
    }
}

/// Puts the value on top into its container. What ends the container, and what a message says may follow.
fn store(stack: &mut Stack<'_>, container: &mut Open) -> Result<(Token, &'static str), Raise> {
    match container {
        Open::Array { next } => {
            stack.raw_set_at(-2, *next);
            *next += 1;
            Ok((Token::ArrayEnd, "comma or array end"))
        }
        Open::Object { members } => {
            *members += 1;
            if *members > MEMBERS_MAX {
                return Err(Raise::Plain("table overflow"));
            }
            stack.raw_set(-3);
            Ok((Token::ObjectEnd, "comma or object end"))
        }
    }
}
