//! Words as numbers, and the errors when they are none.

use std::ops::RangeInclusive;

use crate::resp::{ErrorReply, parser, text};

pub const SYNTAX: ErrorReply = ErrorReply::new("ERR syntax error");
pub const NOT_AN_INTEGER: ErrorReply =
    ErrorReply::new("ERR value is not an integer or out of range");

/// Whether a word is this option, in any case, up to its first zero byte. `option` is in lower case.
pub fn is(word: &[u8], option: &str) -> bool {
    let option = option.as_bytes();
    // No more of the word is looked at than the option is long.
    word.split_at_checked(option.len())
        .is_some_and(|(name, rest)| {
            matches!(rest.first(), None | Some(0)) && name.eq_ignore_ascii_case(option)
        })
}

/// A signed 64-bit number, or `error`.
pub fn integer(word: &[u8], error: ErrorReply) -> Result<i64, ErrorReply> {
    parser::integer(word).ok_or(error)
}

/// A number within `range`, or `error`.
pub fn integer_in(
    word: &[u8],
    range: RangeInclusive<i64>,
    error: ErrorReply,
) -> Result<i64, ErrorReply> {
    parser::integer(word)
        .filter(|n| range.contains(n))
        .ok_or(error)
}

/// A number within `range`; the error names the range.
pub fn integer_within(word: &[u8], range: RangeInclusive<i64>) -> Result<i64, ErrorReply> {
    let value = integer(word, NOT_AN_INTEGER)?;
    if range.contains(&value) {
        return Ok(value);
    }
    Err(error(format!(
        "ERR value is out of range, value must between {} and {}",
        range.start(),
        range.end()
    )))
}

/// A timeout in milliseconds as the wall time at which it ends; None: never.
pub fn deadline_ms(word: &[u8], now_ms: u64) -> Result<Option<u64>, ErrorReply> {
    const NOT_A_TIMEOUT: ErrorReply =
        ErrorReply::new("ERR timeout is not an integer or out of range");
    const NEGATIVE: ErrorReply = ErrorReply::new("ERR timeout is negative");
    const TOO_LONG: ErrorReply = ErrorReply::new("ERR timeout is out of range");
    match integer(word, NOT_A_TIMEOUT)? {
        ..0 => Err(NEGATIVE),
        0 => Ok(None),
        timeout => {
            let end = timeout.checked_add_unsigned(now_ms).ok_or(TOO_LONG)?;
            Ok(Some(end as u64))
        }
    }
}

/// An error whose text is known only now.
pub fn error(text: String) -> ErrorReply {
    ErrorReply(text.into())
}

/// The text of a word up to its first zero byte, cut to `bytes_max`, for an error line.
pub fn shown(word: &[u8], bytes_max: usize) -> String {
    let end = memchr::memchr(0, word).unwrap_or(word.len());
    text::of_bytes(&word[..end.min(bytes_max)])
}

/// The answer of a container command to a subcommand it has with words it does not take.
pub fn subcommand_syntax(args: &[&[u8]]) -> ErrorReply {
    error(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        shown(args.get(1).copied().unwrap_or_default(), 128),
        shown(args[0], usize::MAX).to_uppercase()
    ))
}
