//! Floating point with a 64-bit mantissa, the x87 format that INCRBYFLOAT calculates in: every number
//! is read, added and printed with exact whole-number arithmetic and then rounded once, to even.

use crate::extended::big::Big;

pub mod big;

/// Bits of the mantissa, the leading one included.
const MANTISSA_BITS: i64 = 64;

/// The exponent of the lowest mantissa bit of a subnormal number.
const EXPONENT_MIN: i64 = -16445;

/// The exponent of the lowest mantissa bit of the largest number.
const EXPONENT_MAX: i64 = 16320;

/// The longest text that is read as a number, in bytes.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// Decimal digits behind the point when a number is printed.
const FRACTION_DIGITS: usize = 17;

/// `mantissa * 2^exponent`, or infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i64,
    infinite: bool,
}

impl Extended {
    pub const ZERO: Extended = Extended {
        negative: false,
        mantissa: 0,
        exponent: 0,
        infinite: false,
    };

    const INFINITY: Extended = Extended {
        infinite: true,
        ..Extended::ZERO
    };

    fn signed(self, negative: bool) -> Extended {
        Extended { negative, ..self }
    }

    pub fn is_infinite(self) -> bool {
        self.infinite
    }

    /// Reads what C's `strtold` reads, if it reads all of it, starts without a blank, and is a number
    /// in range: decimal, hexadecimal, or infinity.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let word = digits.to_ascii_lowercase();
        let magnitude = match word.as_slice() {
            b"inf" | b"infinity" => Extended::INFINITY,
            [b'0', b'x', rest @ ..] => parse_digits(rest, 16, b'p')?,
            rest => parse_digits(rest, 10, b'e')?,
        };
        Some(magnitude.signed(negative))
    }

    /// The sum, or nothing if it is infinite or not a number.
    pub fn add(self, other: Extended) -> Option<Extended> {
        if self.infinite || other.infinite {
            return None;
        }
        let exponent = self.exponent.min(other.exponent);
        let scaled =
            |it: Extended| Big::from(it.mantissa).shifted_left((it.exponent - exponent) as usize);
        let (left, right) = (scaled(self), scaled(other));
        let (negative, sum) = if self.negative == other.negative {
            (self.negative, left.plus(&right))
        } else if left >= right {
            (self.negative, left.minus(&right))
        } else {
            (other.negative, right.minus(&left))
        };
        let rounded = round(sum, exponent, false);
        (!rounded.infinite).then(|| rounded.signed(negative))
    }

    /// Prints without exponent, at most 17 digits behind the point, no trailing zeroes, no `-0`.
    pub fn to_plain(self) -> String {
        assert!(!self.infinite, "only finite numbers are printed");
        let mut scaled = Big::from(self.mantissa);
        for _ in 0..FRACTION_DIGITS {
            scaled = scaled.times(10).plus(&Big::from(0));
        }
        let scaled = if self.exponent >= 0 {
            scaled.shifted_left(self.exponent as usize)
        } else {
            scaled.shifted_right_to_even(-self.exponent as usize, false)
        };
        let digits = format!("{:0>1$}", scaled.to_decimal(), FRACTION_DIGITS + 1);
        let (whole, fraction) = digits.split_at(digits.len() - FRACTION_DIGITS);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let shown = format!("{whole}{point}{fraction}");
        if self.negative && shown != "0" {
            format!("-{shown}")
        } else {
            shown
        }
    }
}

/// Reads digits with at most one point and an exponent; the letter before the exponent depends on the
/// base. A hexadecimal exponent counts powers of two.
fn parse_digits(text: &[u8], base: u32, exponent_letter: u8) -> Option<Extended> {
    let (mut digits, mut fraction, mut any, mut pointed) = (Big::from(0), 0_i64, false, false);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match char::from(*byte).to_digit(base) {
            Some(digit) => {
                digits = digits.times(base).plus(&Big::from(u64::from(digit)));
                fraction += i64::from(pointed);
                any = true;
            }
            None if *byte == b'.' && !pointed => pointed = true,
            None => break,
        }
        rest = tail;
    }
    let exponent = match rest {
        _ if !any => return None,
        [] => 0,
        [letter, tail @ ..] if *letter == exponent_letter => parse_exponent(tail)?,
        _ => return None,
    };
    let number = if digits.is_zero() {
        Extended::ZERO
    } else if base == 16 {
        round(digits, exponent - 4 * fraction, false)
    } else {
        scale_decimal(digits, exponent - fraction)
    };
    let vanished = number.mantissa == 0 && !number.infinite;
    let out_of_range = number.infinite || (vanished && any_nonzero(text, base));
    (!out_of_range).then_some(number)
}

/// Whether a digit other than zero stands before the exponent.
fn any_nonzero(text: &[u8], base: u32) -> bool {
    text.iter()
        .take_while(|byte| **byte == b'.' || char::from(**byte).is_digit(base))
        .any(|byte| *byte != b'0' && *byte != b'.')
}

/// A decimal exponent; one too long to matter is cut to a million.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i64, |sum, digit| {
        (sum * 10 + i64::from(digit - b'0')).min(1_000_000)
    });
    Some(if negative { -size } else { size })
}

/// `digits * 10^exponent`, rounded. The digits are not zero.
fn scale_decimal(digits: Big, exponent: i64) -> Extended {
    let magnitude = exponent + digits.bits() as i64 / 3;
    if magnitude > 12_000 {
        return Extended::INFINITY;
    }
    if exponent + (digits.bits() as i64) < -6_000 {
        return Extended::ZERO;
    }
    let mut power = Big::from(1);
    for _ in 0..exponent.unsigned_abs() {
        power = power.times(10);
    }
    if exponent >= 0 {
        return round(digits.product(&power), 0, false);
    }
    // Enough bits for the mantissa, a bit to round by, and a remainder that says whether it is a tie.
    let shift = (power.bits() + MANTISSA_BITS as usize + 2).saturating_sub(digits.bits());
    let (quotient, exact) = digits.shifted_left(shift).divided(&power);
    round(quotient, -(shift as i64), !exact)
}

/// Rounds `number * 2^exponent` to the nearest value of the format, ties to even. `more` says that a
/// little, less than the lowest bit, was cut off before.
fn round(number: Big, exponent: i64, more: bool) -> Extended {
    if number.is_zero() {
        return Extended::ZERO;
    }
    let excess = (number.bits() as i64 - MANTISSA_BITS)
        .max(EXPONENT_MIN - exponent)
        .max(0);
    let (mut mantissa, mut exponent) = (
        number.shifted_right_to_even(excess as usize, more),
        exponent + excess,
    );
    if mantissa.bits() as i64 > MANTISSA_BITS {
        mantissa = mantissa.shifted_right_to_even(1, false);
        exponent += 1;
    }
    if exponent + mantissa.bits() as i64 > EXPONENT_MAX + MANTISSA_BITS {
        return Extended::INFINITY;
    }
    Extended {
        negative: false,
        mantissa: mantissa.to_u64(),
        exponent: if mantissa.is_zero() { 0 } else { exponent },
        infinite: false,
    }
}

#[cfg(test)]
mod tests {
    use super::Extended;

    fn sum(left: &str, right: &str) -> String {
        let read = |text: &str| Extended::parse(text.as_bytes()).expect("a number");
        read(left)
            .add(read(right))
            .map_or("infinite".to_owned(), Extended::to_plain)
    }

    #[test]
    fn sums_are_rounded_to_64_bits_and_printed_with_17_digits() {
        assert_eq!(sum("3.0", "1.1"), "4.1");
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("5.0e3", "2.0e2"), "5200");
        assert_eq!(sum("1", "-1"), "0");
        assert_eq!(sum("-1e-20", "0"), "0");
        assert_eq!(sum("9223372036854775807", "0"), "9223372036854775807");
        assert_eq!(sum("18446744073709551615", "1"), "18446744073709551616");
        assert_eq!(sum("18446744073709551616", "1"), "18446744073709551616");
        assert_eq!(sum("0x1p3", "0x.8"), "8.5");
    }

    #[test]
    fn what_is_not_a_number_in_range_is_refused() {
        for text in [
            "", " 1", "1 ", "abc", "1e", ".", "0x", "nan", "1e5000", "1e-5000", "1_0", "--1",
        ] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(sum("1e4932", "1.1e4932"), "infinite");
        assert_eq!(sum("inf", "1"), "infinite");
        assert_eq!(sum("0e99999", "5"), "5");
    }
}
