//! Numbers as Lua and its libraries read, print and convert them.

/// A number without its fraction, as a cast of C makes it: out of range it is the smallest integer.
pub fn to_i64(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// The same with 32 bits.
pub fn to_i32(number: f64) -> i32 {
    const BELOW: f64 = -2_147_483_649.0;
    const LIMIT: f64 = 2_147_483_648.0;
    if number > BELOW && number < LIMIT {
        number as i32
    } else {
        i32::MIN
    }
}

/// The same without a sign, with 64 bits.
pub fn to_u64(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number >= HALF {
        (to_i64(number - HALF) as u64) ^ (1 << 63)
    } else {
        to_i64(number) as u64
    }
}

/// Appends a number with so many significant digits, as `%g` prints it.
pub fn general(out: &mut Vec<u8>, number: f64, digits: usize) {
    debug_assert!(digits > 0, "there is a first digit");
    if number.is_nan() {
        out.extend_from_slice(if number.is_sign_negative() {
            b"-nan"
        } else {
            b"nan"
        });
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let number = number.abs();
    if number.is_infinite() {
        out.extend_from_slice(b"inf");
        return;
    }
    let printed = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let significant: Vec<u8> = mantissa.bytes().filter(|&b| b != b'.').collect();
    let kept = significant
        .iter()
        .rposition(|&b| b != b'0')
        .map_or(1, |at| at + 1);
    let significant = &significant[..kept];
    if exponent < -4 || exponent >= digits as i32 {
        out.push(significant[0]);
        if kept > 1 {
            out.push(b'.');
            out.extend_from_slice(&significant[1..]);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.extend_from_slice(significant);
    } else {
        let whole = exponent as usize + 1;
        let (before, after) = significant.split_at(kept.min(whole));
        out.extend_from_slice(before);
        out.resize(out.len() + whole - before.len(), b'0');
        if !after.is_empty() {
            out.push(b'.');
            out.extend_from_slice(after);
        }
    }
}

/// Reads the number that a text begins with, as `strtod` does, and how many bytes it has; None if there is none.
pub fn read(text: &[u8]) -> Option<(f64, usize)> {
    let sign_len = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let is_negative = text.first() == Some(&b'-');
    let rest = &text[sign_len..];
    let (number, len) = named(rest)
        .or_else(|| hexadecimal(rest))
        .or_else(|| decimal(rest))?;
    Some((if is_negative { -number } else { number }, sign_len + len))
}

fn begins(text: &[u8], word: &str) -> bool {
    text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word.as_bytes())
}

fn named(text: &[u8]) -> Option<(f64, usize)> {
    if begins(text, "infinity") {
        return Some((f64::INFINITY, 8));
    }
    if begins(text, "inf") {
        return Some((f64::INFINITY, 3));
    }
    if !begins(text, "nan") {
        return None;
    }
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let payload = match &text[3..] {
        [b'(', inner @ ..] => {
            let len = inner.iter().take_while(|b| is_word(b)).count();
            (inner.get(len) == Some(&b')')).then_some(len + 2)
        }
        _ => None,
    };
    Some((f64::NAN, 3 + payload.unwrap_or(0)))
}

fn digits_of(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The length of an exponent: the letter, a sign, digits.
fn exponent_len(text: &[u8], letter: u8) -> usize {
    if text.first().map(u8::to_ascii_lowercase) != Some(letter) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    match digits_of(&text[1 + sign..]) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits_of(text);
    let mut len = whole;
    let mut fraction = 0;
    if text.get(len) == Some(&b'.') {
        fraction = digits_of(&text[len + 1..]);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return None;
    }
    len += exponent_len(&text[len..], b'e');
    let printed = std::str::from_utf8(&text[..len]).ok()?;
    Some((printed.parse().ok()?, len))
}

/// `0x`, hexadecimal digits with a point, and a power of two.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    /// Digits beyond these only say whether there is a rest.
    const DIGITS_MAX: u32 = 15;
    if !begins(text, "0x") {
        return None;
    }
    let (mut mantissa, mut exponent) = (0_u64, 0_i64);
    let (mut seen, mut kept, mut behind_point) = (0_u32, 0_u32, false);
    let mut len = 2;
    for &byte in &text[2..] {
        match (byte as char).to_digit(16) {
            Some(digit) => {
                seen += 1;
                if kept < DIGITS_MAX {
                    mantissa = mantissa << 4 | u64::from(digit);
                    kept += u32::from(mantissa != 0);
                    exponent -= if behind_point { 4 } else { 0 };
                } else {
                    mantissa |= u64::from(digit != 0);
                    exponent += if behind_point { 0 } else { 4 };
                }
            }
            None if byte == b'.' && !behind_point => behind_point = true,
            None => break,
        }
        len += 1;
    }
    if seen == 0 {
        // What was read is the zero alone.
        return Some((0.0, 1));
    }
    let power = exponent_len(&text[len..], b'p');
    if power > 0 {
        let printed = std::str::from_utf8(&text[len + 1..len + power]).ok()?;
        let too_far = if printed.starts_with('-') {
            -100_000
        } else {
            100_000
        };
        exponent += printed
            .parse::<i64>()
            .unwrap_or(too_far)
            .clamp(-100_000, 100_000);
        len += power;
    }
    Some((scaled(mantissa, exponent), len))
}

/// `mantissa` times a power of two, rounded once, to nearest, ties to even.
fn scaled(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = 63 - i64::from(mantissa.leading_zeros());
    if exponent + top > 1023 {
        return f64::INFINITY;
    }
    // The weight of the last bit that a double of this size has.
    let last = (exponent + top - 52).max(-1074);
    let shift = last - exponent;
    let rounded = if shift <= 0 {
        mantissa << (-shift).min(63)
    } else if shift > 63 {
        0
    } else {
        let (kept, rest) = (mantissa >> shift, mantissa & ((1 << shift) - 1));
        let half = 1 << (shift - 1);
        kept + u64::from(rest > half || (rest == half && kept & 1 == 1))
    };
    // Both factors and the product are exact: the product has at most 53 bits.
    let by = |power: i64| f64::from_bits(((power + 1023) as u64) << 52);
    if last >= -1022 {
        rounded as f64 * by(last)
    } else {
        rounded as f64 * by(last + 52) * by(-52)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(number: f64, digits: usize) -> String {
        let mut out = Vec::new();
        general(&mut out, number, digits);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn numbers_are_printed_as_printf_prints_them() {
        for (number, digits, expect) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (-1.5, 14, "-1.5"),
            (0.1, 14, "0.1"),
            (100.0, 14, "100"),
            (1e14, 14, "1e+14"),
            (1e13, 14, "10000000000000"),
            (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
            (0.0001, 14, "0.0001"),
            (0.000_01, 14, "1e-05"),
            (1.0 / 3.0, 14, "0.33333333333333"),
            (1.0 / 3.0, 3, "0.333"),
            (999.9, 3, "1e+03"),
            (1e300, 14, "1e+300"),
            (2.5, 1, "2"),
            (f64::INFINITY, 14, "inf"),
            (f64::NEG_INFINITY, 14, "-inf"),
        ] {
            assert_eq!(printed(number, digits), expect);
        }
    }

    #[test]
    fn the_longest_number_in_front_is_read() {
        for (text, number, len) in [
            ("0", 0.0, 1),
            ("-12.5e3,", -12_500.0, 7),
            ("1e", 1.0, 1),
            ("1e+", 1.0, 1),
            ("1.", 1.0, 2),
            (".5]", 0.5, 2),
            ("00012", 12.0, 5),
            ("infinit", f64::INFINITY, 3),
            ("-Infinity", f64::NEG_INFINITY, 9),
            ("0x", 0.0, 1),
            ("0x1F", 31.0, 4),
            ("0x.8p1", 1.0, 6),
            ("0x1p-1074", 5e-324, 9),
            ("0x1.fffffffffffff8p0", 2.0, 20),
            ("0x1p99999999999999999999", f64::INFINITY, 24),
            ("1e400", f64::INFINITY, 5),
        ] {
            assert_eq!(read(text.as_bytes()), Some((number, len)), "{text}");
        }
        for text in ["", "-", ".", "x", "e5", "-.e1"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        let (nan, len) = read(b"nan(abc)x").expect("a number");
        assert!(nan.is_nan() && len == 8);
    }

    #[test]
    fn casts_are_those_of_the_processor() {
        assert_eq!(to_i64(1e19), i64::MIN);
        assert_eq!(to_i64(f64::NAN), i64::MIN);
        assert_eq!(to_i64(-3.9), -3);
        assert_eq!(to_i32(2_147_483_648.0), i32::MIN);
        assert_eq!(to_i32(-2_147_483_648.5), i32::MIN);
        assert_eq!(
            to_u64(18_446_744_073_709_549_568.0),
            18_446_744_073_709_549_568
        );
    }
}
