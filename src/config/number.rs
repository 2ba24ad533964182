//! Numbers: digits, memory with units, percentages, octal.

use super::kind::Unit;
use super::value::Invalid;
use crate::resp::line::is_space;

/// Reads a number and checks its range.
pub fn parse(word: &[u8], min: i128, max: i128, unit: Unit) -> Result<i64, Invalid> {
    let number: i128 = match unit {
        Unit::Plain | Unit::Hertz => integer(word).ok_or(Invalid::NotInteger)?.into(),
        Unit::Bytes | Unit::PowerOfTwo => bytes(word).ok_or(Invalid::NotMemory)?.into(),
        Unit::BytesOrPercent => match bytes(word) {
            Some(bytes) => bytes.into(),
            None => return percent(word, min),
        },
        Unit::Octal => octal(word).ok_or(Invalid::NotOctal)?.into(),
    };
    // A negative number here is a percentage, which was read above.
    let min = if unit == Unit::BytesOrPercent { 0 } else { min };
    if number < min || number > max {
        return Err(out_of_range(min, max, unit));
    }
    if unit == Unit::PowerOfTwo && number.count_ones() != 1 {
        return Err(Invalid::NotPowerOfTwo);
    }
    if unit == Unit::Hertz {
        return Ok(number.clamp(1, 500) as i64);
    }
    Ok(number as i64)
}

fn percent(word: &[u8], min: i128) -> Result<i64, Invalid> {
    let percent = word
        .strip_suffix(b"%")
        .and_then(integer)
        .filter(|percent| *percent >= 0)
        .ok_or(Invalid::NotMemoryOrPercent)?;
    if i128::from(percent) > -min {
        return Err(Invalid::PercentTooLarge { max: -min });
    }
    Ok(-percent)
}

fn out_of_range(min: i128, max: i128, unit: Unit) -> Invalid {
    let print = |number: i128| match unit {
        Unit::Octal => format!("{number:o}"),
        _ => number.to_string(),
    };
    Invalid::OutOfRange {
        min: print(min),
        max: print(max),
    }
}

/// An integer as Redis reads one where it is strict: no blanks, no plus, no leading zeros, no minus zero.
pub fn integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_zero = text == "0";
    if !is_zero && !digits.starts_with(|c: char| ('1'..='9').contains(&c)) {
        return None;
    }
    text.parse().ok()
}

/// An integer as C's `strtoll` reads a whole word: blanks and a sign before it, an empty word is 0, too large is
/// cut to the limits.
pub fn lenient_integer(word: &[u8]) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    let start = word.iter().position(|b| !is_space(*b))?;
    let (negative, digits) = match &word[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let number = number.saturating_mul(10);
        if negative {
            number.saturating_sub(digit)
        } else {
            number.saturating_add(digit)
        }
    }))
}

/// More digits than these are no number of bytes.
const DIGITS_MAX: usize = 127;

/// Bytes with a unit. As Redis has it: a unit without digits is 0, digits for more than 64 bits are the largest number, and of
/// what the unit makes of it 64 bits are kept.
pub fn bytes(word: &[u8]) -> Option<u64> {
    let end = word
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(word.len());
    let unit: u64 = match word[end..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if end > DIGITS_MAX {
        return None;
    }
    let number = word[..end].iter().fold(0u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(number.wrapping_mul(unit))
}

fn octal(word: &[u8]) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    if !word.iter().all(|b| (b'0'..=b'7').contains(b)) {
        return None;
    }
    i64::from_str_radix(std::str::from_utf8(word).ok()?, 8).ok()
}

/// Prints a number as CONFIG GET shows it.
pub fn print(number: i64, max: i128, unit: Unit) -> String {
    match unit {
        Unit::BytesOrPercent if number < 0 => format!("{}%", -i128::from(number)),
        Unit::Octal => format!("{number:o}"),
        _ if max > i128::from(i64::MAX) => (number as u64).to_string(),
        _ => number.to_string(),
    }
}

/// Prints a number as a configuration file has it: memory with the largest unit that divides it.
pub fn print_short(number: i64, max: i128, unit: Unit) -> String {
    let is_memory = matches!(unit, Unit::Bytes | Unit::PowerOfTwo | Unit::BytesOrPercent);
    if is_memory && !(unit == Unit::BytesOrPercent && number < 0) {
        return print_bytes(number as u64);
    }
    print(number, max, unit)
}

/// Bytes with the largest unit that divides them.
pub fn print_bytes(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units_of_two_sizes() {
        for (word, expect) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("12B", Some(12)),
            ("1k", Some(1000)),
            ("1KB", Some(1024)),
            ("3m", Some(3_000_000)),
            ("3mb", Some(3 << 20)),
            ("2g", Some(2_000_000_000)),
            ("2Gb", Some(2 << 30)),
            ("", Some(0)),
            ("gb", Some(0)),
            ("-1", None),
            ("1 kb", None),
            ("1tb", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("18446744073709551615kb", Some(u64::MAX - 1023)),
            ("17179869185gb", Some(1 << 30)),
            (&"0".repeat(127), Some(0)),
            (&"0".repeat(128), None),
        ] {
            assert_eq!(bytes(word.as_bytes()), expect, "{word}");
        }
    }

    #[test]
    fn strict_integers_have_one_spelling() {
        for (word, expect) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("+1", None),
            ("01", None),
            ("-0", None),
            ("", None),
            ("-", None),
            (" 1", None),
            ("1 ", None),
        ] {
            assert_eq!(integer(word.as_bytes()), expect, "{word}");
        }
    }

    #[test]
    fn lenient_integers_are_those_of_strtoll() {
        for (word, expect) in [
            ("", Some(0)),
            (" +7", Some(7)),
            ("-007", Some(-7)),
            ("7x", None),
            ("-", None),
            (" ", None),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
        ] {
            assert_eq!(lenient_integer(word.as_bytes()), expect, "{word}");
        }
    }

    #[test]
    fn ranges_are_worded_as_redis_words_them() {
        let refusal = |word: &str, min, max, unit| {
            parse(word.as_bytes(), min, max, unit)
                .expect_err("out of range")
                .to_string()
        };
        assert_eq!(
            refusal("1000", 0, 0o777, Unit::Octal),
            "argument must be between 0 and 777 inclusive".to_string()
        );
        assert_eq!(
            refusal("200%", -100, 1 << 62, Unit::BytesOrPercent),
            "percentage argument must be less or equal to 100"
        );
        assert_eq!(
            refusal("65536", 0, 65535, Unit::Plain),
            "argument must be between 0 and 65535 inclusive"
        );
    }
}
