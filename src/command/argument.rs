//! The words of a request as options and numbers, and the errors when they are none.

use std::ops::RangeInclusive;

use super::errors;
use crate::keyspace::long_double::LongDouble;
use crate::resp::ErrorReply;
use crate::resp::integer::parse_i64;

/// Whether a word is this option, in any case, up to its first zero byte. `option` is in lower case.
pub fn is_word(word: &[u8], option: &str) -> bool {
    let option = option.as_bytes();
    // No more of the word is looked at than the option is long.
    word.split_at_checked(option.len())
        .is_some_and(|(name, rest)| {
            matches!(rest.first(), None | Some(0)) && name.eq_ignore_ascii_case(option)
        })
}

/// A 64-bit integer.
pub fn integer(word: &[u8]) -> Result<i64, ErrorReply> {
    integer_or(word, errors::NOT_AN_INTEGER)
}

/// A 64-bit integer, or `error`.
pub fn integer_or(word: &[u8], error: ErrorReply) -> Result<i64, ErrorReply> {
    parse_i64(word).ok_or(error)
}

/// A 64-bit integer within `range`, or `error`.
pub fn integer_in(
    word: &[u8],
    range: RangeInclusive<i64>,
    error: ErrorReply,
) -> Result<i64, ErrorReply> {
    parse_i64(word)
        .filter(|number| range.contains(number))
        .ok_or(error)
}

/// A 64-bit integer above 0, or `error`.
pub fn positive(word: &[u8], error: ErrorReply) -> Result<u64, ErrorReply> {
    integer_in(word, 1..=i64::MAX, error).map(i64::cast_unsigned)
}

/// A 64-bit integer that is not below 0, or `error`.
pub fn not_negative(word: &[u8], error: ErrorReply) -> Result<u64, ErrorReply> {
    integer_in(word, 0..=i64::MAX, error).map(i64::cast_unsigned)
}

/// A 64-bit integer within `range`; the error names the range.
pub fn integer_within(word: &[u8], range: RangeInclusive<i64>) -> Result<i64, ErrorReply> {
    let number = integer(word)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(errors::out_of_range_between(*range.start(), *range.end()))
}

/// A 32-bit integer.
pub fn integer_32(word: &[u8]) -> Result<i32, ErrorReply> {
    integer_within(word, i64::from(i32::MIN)..=i64::from(i32::MAX)).map(|number| number as i32)
}

/// The number of one of `databases` databases. `not_an_integer` is the error for words that are no 32-bit integer.
pub fn database(
    word: &[u8],
    databases: u32,
    not_an_integer: Option<&ErrorReply>,
) -> Result<u32, ErrorReply> {
    let number = integer_32(word).map_err(|error| not_an_integer.cloned().unwrap_or(error))?;
    u32::try_from(number)
        .ok()
        .filter(|number| *number < databases)
        .ok_or(errors::DATABASE_RANGE)
}

/// What LMPOP and ZMPOP are asked for, of which `E` is an end.
pub struct PopOfKeys<'a, E> {
    pub keys: &'a [&'a [u8]],
    pub end: E,
    pub count: u64,
}

impl<'a, E> PopOfKeys<'a, E> {
    /// Reads `numkeys key [key ...] end [COUNT count]`; `end` reads its word.
    pub fn parse(
        words: &'a [&'a [u8]],
        end: impl FnOnce(&[u8]) -> Result<E, ErrorReply>,
    ) -> Result<Self, ErrorReply> {
        let (numkeys, words) = words.split_first().ok_or(errors::SYNTAX)?;
        let numkeys = positive(numkeys, errors::NUMKEYS_NOT_POSITIVE)?;
        let numkeys = usize::try_from(numkeys)
            .ok()
            .filter(|numkeys| *numkeys < words.len())
            .ok_or(errors::SYNTAX)?;
        let (keys, words) = words.split_at(numkeys);
        let (word, options) = words.split_first().ok_or(errors::SYNTAX)?;
        let end = end(word)?;
        let count = match options {
            [] => 1,
            [option, number, rest @ ..] if is_word(option, "COUNT") => {
                let count = positive(number, errors::COUNT_NOT_POSITIVE)?;
                if !rest.is_empty() {
                    return Err(errors::SYNTAX);
                }
                count
            }
            _ => return Err(errors::SYNTAX),
        };
        Ok(Self { keys, end, count })
    }
}

/// A timeout in milliseconds as the wall time in milliseconds at which it ends; None: never.
pub fn deadline_of_millis(word: &[u8], now_ms: u64) -> Result<Option<u64>, ErrorReply> {
    deadline_ms(integer_or(word, errors::TIMEOUT_NOT_AN_INTEGER)?, now_ms)
}

/// A timeout in seconds, with fractions, as the wall time in milliseconds at which it ends; None: never.
pub fn deadline_of_seconds(word: &[u8], now_ms: u64) -> Result<Option<u64>, ErrorReply> {
    let seconds = LongDouble::parse(word).ok_or(errors::TIMEOUT_NOT_A_FLOAT)?;
    let timeout_ms = seconds.thousandfold().ok_or(errors::TIMEOUT_RANGE)?;
    deadline_ms(timeout_ms, now_ms)
}

fn deadline_ms(timeout_ms: i64, now_ms: u64) -> Result<Option<u64>, ErrorReply> {
    match timeout_ms {
        ..0 => Err(errors::TIMEOUT_NEGATIVE),
        0 => Ok(None),
        _ => {
            let end_ms = timeout_ms.checked_add_unsigned(now_ms);
            Ok(Some(end_ms.ok_or(errors::TIMEOUT_RANGE)? as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_seconds_with_fractions() {
        let at =
            |word: &str| deadline_of_seconds(word.as_bytes(), 1000).map_err(|e| e.0.into_owned());
        let float = Err("ERR timeout is not a float or out of range".to_owned());
        assert_eq!(at("0"), Ok(None));
        assert_eq!(at("0.0"), Ok(None));
        assert_eq!(at("1"), Ok(Some(2000)));
        assert_eq!(at("0.001"), Ok(Some(1001)));
        assert_eq!(at("0.0001"), Ok(Some(1001)));
        assert_eq!(at("1.5e1"), Ok(Some(16_000)));
        assert_eq!(at("0x10"), Ok(Some(17_000)));
        assert_eq!(at("-0.0001"), Ok(None));
        assert_eq!(at("-1"), Err("ERR timeout is negative".to_owned()));
        assert_eq!(at("-inf"), Err("ERR timeout is negative".to_owned()));
        assert_eq!(at("inf"), Err("ERR timeout is out of range".to_owned()));
        assert_eq!(
            at("9223372036854775"),
            Err("ERR timeout is out of range".to_owned())
        );
        assert_eq!(
            at("9223372036854774.5"),
            Ok(Some(9_223_372_036_854_775_500))
        );
        assert_eq!(at(""), float);
        assert_eq!(at("abc"), float);
        assert_eq!(at(" 1"), float);
    }
}
