//! Numbers in words as C's `strtod` reads them: decimal, hexadecimal, `inf` and `nan`.

/// What C's `strtod` makes of the front of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Front {
    pub value: f64,
    /// Bytes read; 0: there is no number.
    pub len: usize,
    /// The number is too large, or not zero and too small to be told from zero.
    pub is_out_of_range: bool,
}

const NOTHING: Front = Front {
    value: 0.0,
    len: 0,
    is_out_of_range: false,
};

/// A whole word as a number: decimal, hexadecimal or `inf`, without blanks in front. None for anything else, for what
/// overflows, and for what is not zero and rounds to zero.
pub fn parse(text: &[u8]) -> Option<f64> {
    if text.first().is_none_or(|byte| is_blank(*byte)) {
        return None;
    }
    let front = front(text);
    (front.len == text.len() && !front.is_out_of_range && !front.value.is_nan())
        .then_some(front.value)
}

/// Reads the front of a text: blanks, a sign, and a number as C writes them.
pub fn front(text: &[u8]) -> Front {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    let rest = &text[blanks..];
    let (negative, digits) = match rest.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, rest),
    };
    let mut front = magnitude(digits);
    if front.len == 0 {
        return NOTHING;
    }
    front.len += text.len() - digits.len();
    if negative {
        front.value = -front.value;
    }
    front
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

fn magnitude(text: &[u8]) -> Front {
    let starts_with = |word: &[u8]| {
        text.get(..word.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(word))
    };
    let special = |value, len| Front {
        value,
        len,
        is_out_of_range: false,
    };
    if starts_with(b"infinity") {
        return special(f64::INFINITY, 8);
    }
    if starts_with(b"inf") {
        return special(f64::INFINITY, 3);
    }
    if starts_with(b"nan") {
        return special(f64::NAN, 3 + nan_payload(&text[3..]));
    }
    if starts_with(b"0x") {
        let front = hexadecimal(&text[2..]);
        if front.len > 0 {
            return Front {
                len: front.len + 2,
                ..front
            };
        }
    }
    decimal(text)
}

/// Bytes of the letters in parentheses that may follow `nan`.
fn nan_payload(text: &[u8]) -> usize {
    let Some((b'(', rest)) = text.split_first() else {
        return 0;
    };
    let letters = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    if rest.get(letters) == Some(&b')') {
        letters + 2
    } else {
        0
    }
}

/// Digits with at most one point among them, and how many stand behind it.
fn digits(text: &[u8], is_digit: fn(&u8) -> bool) -> (usize, i64) {
    let whole = text.iter().take_while(|byte| is_digit(byte)).count();
    if text.get(whole) != Some(&b'.') {
        return (whole, 0);
    }
    let behind = text[whole + 1..]
        .iter()
        .take_while(|byte| is_digit(byte))
        .count();
    if whole + behind == 0 {
        return (0, 0);
    }
    (whole + 1 + behind, behind as i64)
}

/// Bytes of an exponent behind `mark`, and its value cut to a million; nothing if no digit is there.
fn exponent(text: &[u8], mark: u8) -> (usize, i64) {
    let Some((first, rest)) = text.split_first() else {
        return (0, 0);
    };
    if !first.eq_ignore_ascii_case(&mark) {
        return (0, 0);
    }
    let (negative, digits) = match rest.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, rest),
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return (0, 0);
    }
    let value = digits[..count].iter().fold(0i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(1_000_000)
    });
    let len = text.len() - digits.len() + count;
    (len, if negative { -value } else { value })
}

fn decimal(text: &[u8]) -> Front {
    let (mantissa, _) = digits(text, u8::is_ascii_digit);
    if mantissa == 0 {
        return NOTHING;
    }
    let len = mantissa + exponent(&text[mantissa..], b'e').0;
    let number = std::str::from_utf8(&text[..len]).ok();
    let Some(value) = number.and_then(|number| number.parse::<f64>().ok()) else {
        return NOTHING;
    };
    let is_zero = text[..mantissa]
        .iter()
        .all(|byte| matches!(byte, b'0' | b'.'));
    Front {
        value,
        len,
        is_out_of_range: value.is_infinite() || (value == 0.0 && !is_zero),
    }
}

/// What follows `0x`.
fn hexadecimal(text: &[u8]) -> Front {
    let (mantissa, behind) = digits(text, u8::is_ascii_hexdigit);
    if mantissa == 0 {
        return NOTHING;
    }
    let (exponent_len, exponent) = exponent(&text[mantissa..], b'p');
    let (mut bits, mut dropped, mut sticky) = (0u64, 0i64, false);
    for digit in &text[..mantissa] {
        let Some(digit) = char::from(*digit).to_digit(16) else {
            continue;
        };
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
        } else {
            dropped += 4;
            sticky |= digit != 0;
        }
    }
    let value = scaled(bits, sticky, exponent + dropped - 4 * behind);
    Front {
        value,
        len: mantissa + exponent_len,
        is_out_of_range: value.is_infinite() || (value == 0.0 && bits != 0),
    }
}

/// `bits * 2^exponent`, a little more if `sticky`, rounded to nearest, ties to even.
fn scaled(bits: u64, sticky: bool, exponent: i64) -> f64 {
    /// Bits of a mantissa.
    const MANTISSA_BITS: i64 = 53;
    /// Exponent of the lowest bit of the smallest numbers.
    const EXPONENT_MIN: i64 = -1074;
    const INFINITE: u64 = 0x7ff << 52;
    if bits == 0 {
        return 0.0;
    }
    let len = 64 - i64::from(bits.leading_zeros());
    let unit = (exponent + len - MANTISSA_BITS).max(EXPONENT_MIN);
    let shift = unit - exponent;
    let mantissa = if shift <= 0 {
        // At most 53 bits, and as many zeroes behind them as they leave.
        bits << shift.unsigned_abs()
    } else if shift > 64 {
        0
    } else {
        let wide = u128::from(bits) << 1 | u128::from(sticky);
        let (quotient, rest) = (wide >> (shift + 1), wide & ((1 << (shift + 1)) - 1));
        let half = 1 << shift;
        let up = rest > half || (rest == half && quotient & 1 == 1);
        quotient as u64 + u64::from(up)
    };
    if unit - EXPONENT_MIN >= 0x7ff {
        return f64::INFINITY;
    }
    // A mantissa of 53 bits adds one to the exponent's field, one of 54 bits (rounded up) two.
    let raw = ((unit - EXPONENT_MIN) as u64) << 52;
    f64::from_bits(raw.saturating_add(mantissa).min(INFINITE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbers_as_strtod_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("-1.5e3", -1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+7", 7.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("+INF", f64::INFINITY),
            ("0x10", 16.0),
            ("-0x1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1p1023", f64::from_bits(0x7fe0_0000_0000_0000)),
            ("0x1.fffffffffffff8p0", 2.0),
            (
                "0x1.fffffffffffff7p0",
                f64::from_bits(0x3fff_ffff_ffff_ffff),
            ),
            ("0x123456789abcdef012345", 1.375_488_932_539_311_4e24),
            ("1e308", 1e308),
            ("4.9e-324", 5e-324),
            ("0e99999999999999999999", 0.0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse(b"-0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
    }

    #[test]
    fn other_words_are_no_numbers() {
        for text in [
            "",
            " 1",
            "1 ",
            "abc",
            "1e",
            "1e+",
            ".",
            "nan",
            "-nan",
            "nan(1)",
            "0x",
            "0xg",
            "1e309",
            "-1e309",
            "1e-400",
            "0x1p-1080",
            "0x1p2000",
            "1..2",
            "--1",
            "1\0",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
