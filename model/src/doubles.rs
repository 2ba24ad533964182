//! Double-precision numbers: reading them as C's `strtod` does, and printing them as Redis 7.4 does.

use crate::extended::big::Big;

/// A whole argument: no blanks, in range, and a number.
pub fn strict(text: &[u8]) -> Option<f64> {
    if text.first().is_none_or(|byte| byte.is_ascii_whitespace()) {
        return None;
    }
    let value = lenient(text)?;
    let infinite = value.is_infinite() && !is_word(text, &["inf", "infinity"]);
    let vanished = value == 0.0 && has_significant_digit(text);
    (!infinite && !vanished && !text.contains(&0)).then_some(value)
}

/// The end of a range: up to the first zero byte, with blanks in front, or nothing at all.
pub fn lenient(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0);
    let text = &text[..end.unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = &text[text.iter().take_while(|byte| blank(byte)).count()..];
    if is_word(text, &["nan"]) || text.is_empty() {
        return None;
    }
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        rest => (1.0, rest),
    };
    let word = digits.to_ascii_lowercase();
    if word.starts_with(b"+") || word.starts_with(b"-") {
        return None;
    }
    match word.as_slice() {
        [b'0', b'x', rest @ ..] => hexadecimal(rest),
        rest => std::str::from_utf8(rest).ok()?.parse().ok(),
    }
    .map(|value: f64| sign * value)
}

/// Whether a text is one of these words behind its sign.
fn is_word(text: &[u8], words: &[&str]) -> bool {
    let text = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b"+"))
        .unwrap_or(text);
    words
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

fn has_significant_digit(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let digits: Vec<u8> = lower
        .into_iter()
        .take_while(|byte| !matches!(byte, b'e' | b'p'))
        .collect();
    digits.iter().any(|byte| (b'1'..=b'9').contains(byte))
}

/// Few hexadecimal digits, which a double holds exactly.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (digits, exponent) = match text.iter().position(|&byte| byte == b'p') {
        Some(at) => (
            &text[..at],
            std::str::from_utf8(&text[at + 1..]).ok()?.parse().ok()?,
        ),
        None => (text, 0),
    };
    let (mut value, mut behind, mut any) = (0.0, None, false);
    for &byte in digits {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                value = value * 16.0 + f64::from(digit);
                behind = behind.map(|count: i32| count + 1);
                any = true;
            }
            None if byte == b'.' && behind.is_none() => behind = Some(0),
            None => return None,
        }
    }
    assert!(value < 2_f64.powi(53), "the generators make short ones");
    any.then(|| value * 2_f64.powi(exponent - 4 * behind.unwrap_or(0)))
}

/// A number as replies show it.
pub fn show(value: f64) -> String {
    assert!(!value.is_nan(), "no reply has a number that is none");
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if value.fract() == 0.0 && value.abs() <= 2_f64.powi(62) {
        return format!("{value:.0}");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let (digits, power) = digits(value.abs());
    format!("{sign}{}", lay_out(&digits, power))
}

/// A number with seventeen significant digits, as ZSCAN shows it: C's `%.17g`.
pub fn show_17_digits(value: f64) -> String {
    if value == 0.0 || value.is_infinite() {
        return show(value);
    }
    let scientific = format!("{value:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let cut = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    match exponent {
        -4..17 => {
            let digits = (16 - exponent) as usize;
            let plain = format!("{value:.digits$}");
            if digits == 0 { plain } else { cut(&plain) }
        }
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", cut(mantissa), exponent.abs())
        }
    }
}

/// `digits * 10^power` as text.
fn lay_out(digits: &str, power: i32) -> String {
    let count = digits.len() as i32;
    let exponent = power + count - 1;
    if power >= 0 && exponent < count + 7 {
        return format!("{digits}{}", "0".repeat(power as usize));
    }
    if power < 0 && (power > -7 || exponent.abs() < 4) {
        let padded = format!("{digits:0>width$}", width = (1 - power) as usize);
        let (whole, fraction) = padded.split_at(padded.len() - power.unsigned_abs() as usize);
        return format!("{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{}", exponent.abs())
}

/// The digits that the Grisu algorithm finds: mostly the fewest that read back, and seldom one more.
///
/// It calculates with 64 bits, `number * 2^exponent`, and rounds at two places: the power of ten and the products with
/// it. Everything else is exact.
fn digits(value: f64) -> (String, i32) {
    let bits = value.to_bits();
    let (fraction, field) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (mantissa, exponent) = match field {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, field - 1075),
    };
    // Four times as fine, so that a quarter of a step is whole: the halfway points to both neighbours.
    let high = mantissa * 4 + 2;
    let low = mantissa * 4 - if mantissa == 1 << 52 { 1 } else { 2 };
    let shift = high.leading_zeros();
    let exponent = exponent - 2 - shift as i32;
    let [high, middle, low] = [high, mantissa * 4, low].map(|number| number << shift);
    let (ten, ten_exponent, ten_power) = power_of_ten(exponent);
    let scale = |number: u64| ((u128::from(number) * u128::from(ten) + (1 << 63)) >> 64) as u64;
    let middle = scale(middle);
    let (high, low) = (scale(high) - 1, scale(low) + 1);
    let unit = -(exponent + ten_exponent + 64);
    generate(high, middle, low, unit as u32, -ten_power)
}

/// Digits of `high` until what is left fits between the ends, then the last one lowered towards the middle.
fn generate(high: u64, middle: u64, low: u64, unit: u32, mut power: i32) -> (String, i32) {
    let one = 1_u64 << unit;
    let (mut width, mut target) = (high - low, high - middle);
    let whole = (high >> unit).to_string();
    let mut digits: Vec<u8> = Vec::new();
    for (index, digit) in whole.bytes().enumerate() {
        digits.push(digit);
        let left = whole.len() - index - 1;
        let place = 10_u64.pow(left as u32);
        let rest = (((high >> unit) % place) << unit) + high % one;
        if rest <= width {
            power += left as i32;
            lower(&mut digits, rest, width, target, place << unit);
            return (text(digits), power);
        }
    }
    let mut rest = high % one;
    loop {
        rest *= 10;
        width *= 10;
        target = target.wrapping_mul(10);
        power -= 1;
        digits.push(b'0' + (rest >> unit) as u8);
        rest %= one;
        if rest < width {
            lower(&mut digits, rest, width, target, one);
            return (text(digits), power);
        }
    }
}

fn lower(digits: &mut [u8], mut rest: u64, width: u64, target: u64, step: u64) {
    let last = digits.last_mut().expect("a digit");
    while rest < target && width - rest >= step {
        let next = rest + step;
        if next >= target && target - rest <= next - target {
            return;
        }
        *last -= 1;
        rest = next;
    }
}

/// The digits without leading zeroes.
fn text(digits: Vec<u8>) -> String {
    let text = String::from_utf8(digits).expect("digits");
    text.trim_start_matches('0').to_owned()
}

/// The power of ten, every eighth from -348 on, that the algorithm takes for numbers with this exponent: 64 bits, their
/// exponent, and the power.
fn power_of_ten(exponent: i32) -> (u64, i32, i32) {
    let guess = (-f64::from(exponent + 87) * 0.301_029_995_663_981_14) as i32;
    let mut index = (guess + 348) / 8;
    loop {
        let power = index * 8 - 348;
        let (mantissa, own) = rounded_power(power);
        match exponent + own + 64 {
            ..-60 => index += 1,
            -60..=-32 => return (mantissa, own, power),
            _ => index -= 1,
        }
    }
}

/// `10^power` rounded to 64 bits, and the exponent of the lowest of them.
fn rounded_power(power: i32) -> (u64, i32) {
    let mut ten = Big::from(1);
    for _ in 0..power.abs() {
        ten = ten.times(10);
    }
    let (number, more, exponent) = if power >= 0 {
        (ten.shifted_left(64), false, -64)
    } else {
        let shift = ten.bits() + 70;
        let (quotient, exact) = Big::from(1).shifted_left(shift).divided(&ten);
        (quotient, !exact, -(shift as i32))
    };
    let excess = number.bits() - 64;
    let rounded = number.shifted_right_to_even(excess, more);
    (rounded.to_u64(), exponent + excess as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_redis_shows_them() {
        for (value, text) in [
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (3e-5, "0.00003"),
            (1.5e-7, "1.5e-7"),
            (1.234e-5, "1.234e-5"),
            (123_456_789.012_345_67, "1.2345678901234567e+8"),
            (4e18, "4000000000000000000"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (1e19, "1e+19"),
            (1e100, "1e+100"),
            (-1.797_693_134_862_315_7e308, "-1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0"),
        ] {
            assert_eq!(show(value), text);
        }
    }

    #[test]
    fn seventeen_digits_are_those_of_printf() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (-0.00001, "-1.0000000000000001e-05"),
            (1.5e300, "1.5000000000000001e+300"),
        ] {
            assert_eq!(show_17_digits(value), text);
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..2000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let value = f64::from_bits(bits);
            if value.is_finite() {
                assert_eq!(strict(show(value).as_bytes()), Some(value));
            }
        }
    }

    #[test]
    fn only_whole_words_in_range_are_numbers() {
        for text in [
            "", " 1", "1 ", "abc", "nan", "1e400", "1e-400", "0x", "1\0", "--1", "+-1",
        ] {
            assert_eq!(strict(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(strict(b"0x1.8p1"), Some(3.0));
        assert_eq!(strict(b"-INF"), Some(f64::NEG_INFINITY));
        assert_eq!(lenient(b""), Some(0.0));
        assert_eq!(lenient(b" 1e400"), Some(f64::INFINITY));
        assert_eq!(lenient(b"2\0x"), Some(2.0));
        assert_eq!(lenient(b"2x"), None);
    }
}
