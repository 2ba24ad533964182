//! The words of a request as numbers and options.

use super::errors;
use crate::keyspace::integer::parse_i64;
use crate::resp::ErrorReply;

pub use super::word::is as is_word;

/// A 64-bit integer.
pub fn integer(word: &[u8]) -> Result<i64, ErrorReply> {
    parse_i64(word).ok_or(errors::NOT_AN_INTEGER)
}

/// The number of one of `databases` databases. `not_an_integer` is the error for words that are no 32-bit integer.
pub fn database(
    word: &[u8],
    databases: u32,
    not_an_integer: Option<&ErrorReply>,
) -> Result<u32, ErrorReply> {
    let number = number_32(word).map_err(|error| not_an_integer.cloned().unwrap_or(error))?;
    u32::try_from(number)
        .ok()
        .filter(|number| *number < databases)
        .ok_or(errors::DATABASE_RANGE)
}

/// A 32-bit integer.
pub fn number_32(word: &[u8]) -> Result<i32, ErrorReply> {
    i32::try_from(integer(word)?).map_err(|_| {
        ErrorReply(
            format!(
                "{}, value must between {} and {}",
                errors::OUT_OF_RANGE.0,
                i32::MIN,
                i32::MAX
            )
            .into(),
        )
    })
}

/// A 64-bit integer from `min` to `max`.
pub fn range(word: &[u8], min: i64, max: i64) -> Result<i64, ErrorReply> {
    let number = integer(word)?;
    if number < min || number > max {
        return Err(errors::out_of_range_between(min, max));
    }
    Ok(number)
}
