//! Integers as Redis reads them from arguments and from stored strings.

use crate::errors::{self, Failure};

/// Reads a signed 64-bit integer in its one canonical form: no sign but `-`, no leading zero, no
/// blanks, and `0` but not `-0`.
pub fn canonical(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// The 32-bit integer that C reads at the beginning of a text: blanks and a sign may stand before it, anything behind it,
/// and there need not be one.
pub fn leading(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let mut number = 0_i64;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        let digit = if is_negative { -digit } else { digit };
        number = number.saturating_mul(10).saturating_add(digit);
    }
    number as i32
}

/// An argument that must be an integer.
pub fn integer(text: &[u8]) -> Result<i64, Failure> {
    canonical(text).ok_or_else(errors::not_an_integer)
}

/// How many elements are asked for at random; below zero, one may come again.
pub fn random_count(text: &[u8]) -> Result<i64, Failure> {
    match integer(text)? {
        i64::MIN => Err(errors::err(&format!(
            "value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        ))),
        count => Ok(count),
    }
}

/// An argument that must be an integer, with the command's own complaint.
pub fn integer_or(text: &[u8], complaint: &str) -> Result<i64, Failure> {
    canonical(text).ok_or_else(|| errors::err(complaint))
}

/// An argument that must fit a C `int`. Beyond it, but within 64 bits, the text of the range differs.
pub fn small_integer(text: &[u8], complaint: Option<&str>) -> Result<i32, Failure> {
    let number = match complaint {
        Some(complaint) => integer_or(text, complaint)?,
        None => integer(text)?,
    };
    i32::try_from(number).map_err(|_| match complaint {
        Some(complaint) => errors::err(complaint),
        None => errors::err(&format!(
            "value is out of range, value must between {} and {}",
            i32::MIN,
            i32::MAX
        )),
    })
}

/// A SCAN cursor: an unsigned 64-bit integer.
pub fn cursor(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
