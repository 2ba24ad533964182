//! The 80-bit floating point numbers (64-bit mantissa) that INCRBYFLOAT calculates with.
//!
//! Reading, adding and printing round once, to nearest, ties to even, so that every printed digit is the one that an
//! x86 Redis prints.

use super::big_natural::BigNatural;

/// Exponent of the lowest mantissa bit of the smallest numbers.
const EXPONENT_MIN: i32 = -16_445;
/// Exponent of the lowest mantissa bit of the largest numbers.
const EXPONENT_MAX: i32 = 16_320;
/// Texts of this many bytes and more are not numbers.
const TEXT_MAX: usize = 5 * 1024;
/// Decimal digits behind the point that are printed.
const FRACTION_DIGITS: usize = 17;
const FRACTION: u128 = 10u128.pow(FRACTION_DIGITS as u32);

/// A number or an infinity; never "not a number".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

/// Finite values are `mantissa * 2^exponent`: the top mantissa bit is set unless the exponent is the least there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
}

const ZERO: Magnitude = Magnitude::Finite {
    mantissa: 0,
    exponent: EXPONENT_MIN,
};

impl LongDouble {
    /// Reads a number as C's `strtold` does, to the last byte: decimal or hexadecimal with optional exponent, or
    /// `inf`. None for anything else, for what overflows, and for what is not zero and rounds to zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() >= TEXT_MAX {
            return None;
        }
        let (negative, rest) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        let lower = rest.to_ascii_lowercase();
        let magnitude = match lower.as_slice() {
            b"inf" | b"infinity" => Magnitude::Infinite,
            [b'0', b'x', hex @ ..] if hex.iter().any(u8::is_ascii_hexdigit) => parse_hex(hex)?,
            decimal => parse_decimal(decimal)?,
        };
        Some(Self {
            negative,
            magnitude,
        })
    }

    pub fn is_finite(self) -> bool {
        self.magnitude != Magnitude::Infinite
    }

    /// A thousand times the number, rounded up to a whole one; None above the largest there is of 64 bits, and the
    /// smallest for what is below that.
    pub fn thousandfold(self) -> Option<i64> {
        let above = if self.negative { Some(i64::MIN) } else { None };
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            return above;
        };
        let Some(Magnitude::Finite { mantissa, exponent }) =
            normal(u128::from(mantissa) * 1000, exponent, false)
        else {
            return above;
        };
        if mantissa == 0 {
            return Some(0);
        }
        if exponent >= 0 {
            // The top bit of the mantissa is set.
            return above;
        }
        let shift = exponent.unsigned_abs();
        let whole = mantissa.checked_shr(shift).unwrap_or(0);
        let is_whole = whole.checked_shl(shift) == Some(mantissa);
        let Ok(whole) = i64::try_from(whole) else {
            return above;
        };
        match (self.negative, is_whole) {
            (true, _) => Some(-whole),
            (false, true) => Some(whole),
            (false, false) => whole.checked_add(1),
        }
    }

    /// The sum; None if it is not a number (infinities of both signs).
    pub fn plus(self, other: Self) -> Option<Self> {
        let (a, b) = match (self.magnitude, other.magnitude) {
            (Magnitude::Infinite, Magnitude::Infinite) => {
                return (self.negative == other.negative).then_some(self);
            }
            (Magnitude::Infinite, _) => return Some(self),
            (_, Magnitude::Infinite) => return Some(other),
            (
                Magnitude::Finite { mantissa, exponent },
                Magnitude::Finite {
                    mantissa: other_mantissa,
                    exponent: other_exponent,
                },
            ) => ((mantissa, exponent), (other_mantissa, other_exponent)),
        };
        // The larger exponent first; its mantissa moves up so that 60 bits of the smaller one stay exact, and what is
        // below them is remembered as one sticky bit.
        let ((high, low), (high_negative, low_negative)) = if a.1 >= b.1 {
            ((a, b), (self.negative, other.negative))
        } else {
            ((b, a), (other.negative, self.negative))
        };
        let distance = (high.1 - low.1) as u32;
        let shift = distance.min(60);
        let high_bits = u128::from(high.0) << shift;
        let below = distance - shift;
        let (low_bits, sticky) = if below >= 64 {
            (0, low.0 != 0)
        } else {
            (u128::from(low.0 >> below), low.0 & ((1 << below) - 1) != 0)
        };
        let exponent = high.1 - shift as i32;
        Some(add_aligned(
            (high_bits << 1, high_negative),
            (low_bits << 1 | u128::from(sticky), low_negative),
            exponent - 1,
        ))
    }

    /// The number with up to 17 digits behind the point, no trailing zeroes, no exponent.
    pub fn to_human(self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            return format!("{sign}inf");
        };
        let (whole, fraction) = if exponent >= 0 {
            let mut whole = BigNatural::from(mantissa);
            whole.shift_left(exponent as u32);
            (whole.to_decimal(), 0)
        } else {
            let scaled = round_shift(u128::from(mantissa) * FRACTION, exponent.unsigned_abs());
            ((scaled / FRACTION).to_string(), scaled % FRACTION)
        };
        let fraction = format!("{fraction:0FRACTION_DIGITS$}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            let sign = if whole == "0" { "" } else { sign };
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        let magnitude = normal(u128::from(value.unsigned_abs()), 0, false);
        Self {
            negative: value < 0,
            magnitude: magnitude.unwrap_or(Magnitude::Infinite),
        }
    }
}

/// The sum of two magnitudes `bits * 2^exponent`; the lowest bit of each is sticky.
fn add_aligned(a: (u128, bool), b: (u128, bool), exponent: i32) -> LongDouble {
    let (bits, negative) = if a.1 == b.1 {
        (a.0 + b.0, a.1)
    } else if a.0 >= b.0 {
        // Equal numbers of opposite sign make plus zero.
        (a.0 - b.0, a.0 != b.0 && a.1)
    } else {
        (b.0 - a.0, b.1)
    };
    let magnitude = normal(bits, exponent, false).unwrap_or(Magnitude::Infinite);
    LongDouble {
        negative,
        magnitude,
    }
}

/// Rounds `bits * 2^exponent` (plus a little, if `sticky`) to a magnitude; None if it is too large.
fn normal(bits: u128, exponent: i32, sticky: bool) -> Option<Magnitude> {
    if bits == 0 {
        return Some(ZERO);
    }
    let length = 128 - bits.leading_zeros() as i32;
    let target = (exponent + length - 64).max(EXPONENT_MIN);
    let (mut mantissa, mut exponent) = if target <= exponent {
        (bits << (exponent - target), target)
    } else {
        let shift = (target - exponent) as u32;
        let sticky_bits = bits << 1 | u128::from(sticky);
        (round_shift(sticky_bits, shift + 1), target)
    };
    if mantissa == 1 << 64 {
        mantissa >>= 1;
        exponent += 1;
    }
    (exponent <= EXPONENT_MAX).then_some(Magnitude::Finite {
        mantissa: mantissa as u64,
        exponent,
    })
}

/// `bits / 2^shift`, to nearest, ties to even.
fn round_shift(bits: u128, shift: u32) -> u128 {
    if shift == 0 {
        return bits;
    }
    if shift > 127 {
        // Half is 2^127 or more, above everything that is shifted so far.
        assert!(bits < 1 << 127, "room for the rounding bit");
        return 0;
    }
    let (quotient, rest, half) = (
        bits >> shift,
        bits & ((1 << shift) - 1),
        1u128 << (shift - 1),
    );
    quotient + u128::from(rest > half || (rest == half && quotient & 1 == 1))
}

/// Digits with an optional point; returns the digits, how many stood behind the point, and the rest of the text.
fn split_number(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(Vec<u8>, i64, &[u8])> {
    let whole = text.iter().take_while(|byte| is_digit(byte)).count();
    let mut digits = text[..whole].to_vec();
    let mut rest = &text[whole..];
    let mut behind = 0;
    if let Some((b'.', fraction)) = rest.split_first() {
        let count = fraction.iter().take_while(|byte| is_digit(byte)).count();
        digits.extend_from_slice(&fraction[..count]);
        behind = count as i64;
        rest = &fraction[count..];
    }
    (!digits.is_empty()).then_some((digits, behind, rest))
}

/// An exponent, `mark` and a number, or nothing. Larger ones than any text can need are cut to a million.
fn parse_exponent(text: &[u8], mark: u8) -> Option<i64> {
    let Some((&first, rest)) = text.split_first() else {
        return Some(0);
    };
    if first != mark {
        return None;
    }
    let (negative, digits) = match rest.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, &digit| {
        (value * 10 + i64::from(digit - b'0')).min(1_000_000)
    });
    Some(if negative { -value } else { value })
}

fn parse_hex(text: &[u8]) -> Option<Magnitude> {
    let (digits, behind, rest) = split_number(text, u8::is_ascii_hexdigit)?;
    let exponent = parse_exponent(rest, b'p')? - 4 * behind;
    let (mut bits, mut shift, mut sticky) = (0u128, 0i64, false);
    for digit in digits {
        let value = char::from(digit).to_digit(16)?;
        if bits >> 120 == 0 {
            bits = bits << 4 | u128::from(value);
        } else {
            shift += 4;
            sticky |= value != 0;
        }
    }
    let exponent = i32::try_from(exponent + shift).ok()?;
    nonzero_unless(bits == 0, normal(bits, exponent, sticky)?)
}

fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let (digits, behind, rest) = split_number(text, u8::is_ascii_digit)?;
    let exponent = parse_exponent(rest, b'e')? - behind;
    let first = digits.iter().position(|&digit| digit != b'0');
    let Some(first) = first else {
        return Some(ZERO);
    };
    let digits = &digits[first..];
    // The value lies in 10^(places-1) .. 10^places.
    let places = exponent + digits.len() as i64;
    if !(-4_960..=4_940).contains(&places) {
        return None;
    }
    let mut numerator = BigNatural::default();
    for &digit in digits {
        numerator.mul_add(10, u32::from(digit - b'0'));
    }
    let mut denominator = BigNatural::from(1);
    if exponent >= 0 {
        numerator.mul_pow10(exponent as u32);
    } else {
        denominator.mul_pow10(exponent.unsigned_abs() as u32);
    }
    let (quotient, exponent, rest) = quotient_of_66_bits(numerator, denominator);
    nonzero_unless(false, normal(quotient, exponent, rest)?)
}

/// `numerator / denominator` as 66 or 67 bits times a power of two, and whether anything is left.
fn quotient_of_66_bits(
    mut numerator: BigNatural,
    mut denominator: BigNatural,
) -> (u128, i32, bool) {
    let shift = 66 + denominator.bits() as i64 - numerator.bits() as i64;
    if shift >= 0 {
        numerator.shift_left(shift as u32);
    } else {
        denominator.shift_left(shift.unsigned_abs() as u32);
    }
    // Long division, one bit a step: the dividend's remaining value is always below twice the divisor.
    denominator.shift_left(67);
    let mut quotient = 0u128;
    for _ in 0..=67 {
        quotient <<= 1;
        if numerator >= denominator {
            numerator.subtract(&denominator);
            quotient |= 1;
        }
        numerator.shift_left(1);
    }
    (quotient, -(shift as i32), !numerator.is_zero())
}

fn nonzero_unless(zero_allowed: bool, magnitude: Magnitude) -> Option<Magnitude> {
    (zero_allowed || magnitude != ZERO).then_some(magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, expect: &str) {
        let sum = LongDouble::parse(a.as_bytes())
            .expect(a)
            .plus(LongDouble::parse(b.as_bytes()).expect(b))
            .expect("a number");
        assert_eq!(sum.to_human(), expect, "{a} + {b}");
    }

    /// The sums were printed by a C program with `long double` on x86-64.
    #[test]
    fn sums_are_exact_to_the_printed_digit() {
        for (a, b, expect) in [
            ("3.0e3", "200", "3200"),
            ("10.50", "0.1", "10.6"),
            ("0.1", "0.2", "0.3"),
            ("5.0e3", "2.0e2", "5200"),
            ("17179869184", "1.5", "17179869185.5"),
            ("1e-20", "0", "0"),
            ("-1e-20", "0", "0"),
            ("0", "5e-18", "0"),
            ("0x1p4", "0x.8", "16.5"),
            ("-28636.675", "7041795614029497201", "7041795614029468564.5"),
            (
                "14546003305709394545e-1654",
                "-0.7994251739200048084",
                "-0.79942517392000481",
            ),
            ("153.38", "-52.18338024", "101.19661976"),
            (
                "-31324407785.59599641",
                "1289887893528155755",
                "1289887862203747969.375",
            ),
            (
                "7.9865704165e+27",
                "-0.8563722936774269650",
                "7986570416500000000126746624",
            ),
            (
                "-0xa.ef4413957054028p+19",
                "928337227748.8360051",
                "928331494852.22401303052902222",
            ),
            (
                "3549716847922622959e-4847",
                "-825827939.418548002517031",
                "-825827939.41854800248984247",
            ),
            (
                "-382.286",
                "-0xc.ef9004bab4842p+53",
                "-116515249734455810.2890625",
            ),
            (
                "-484.227",
                "0.17618391465310113265",
                "-484.05081608534689888",
            ),
            (
                "-0xf.01aa416a5e72edp+63",
                "20921800.47532",
                "-138410570685393549496",
            ),
            (
                "-0x8.c3aacc04909ad7p+107",
                "9.164377812372e-30",
                "-1422093020908709549864388187389952",
            ),
            (
                "-6.396078646838e+40",
                "-6318099085414617920",
                "-63960786468379999997821091064097380761600",
            ),
            ("-60.24", "1.064652766e-25", "-60.24"),
            (
                "-7464038647394377642",
                "5362828834772462824",
                "-2101209812621914818",
            ),
            (
                "-187.874",
                "-22701423.1413046504724124",
                "-22701611.01530465047289908",
            ),
            (
                "10129126617818339892e-1602",
                "-2317034486860150978",
                "-2317034486860150978",
            ),
            (
                "-0xc.04167a8c77ee23p+44",
                "-267.338",
                "-211387144521866.2215423583984375",
            ),
            (
                "-275.630",
                "-5e+42",
                "-4999999999999999999870592396962214726074368",
            ),
            (
                "0xc.f3ea226d980c104p+28",
                "-44.580",
                "3476988410.26962087955325842",
            ),
            (
                "-6258573855.118733114",
                "14918739207257380.1205807938",
                "14918732948683525.0009765625",
            ),
            (
                "-380.815",
                "0xb.c6dcdf1bc09aeccp+9",
                "5648.91055872826146667",
            ),
            (
                "410.507",
                "-0xd.64dd448048e8f8p+80",
                "-16192353969742790631882752",
            ),
            (
                "-138266407940812888.1791773770255",
                "-41498243867121.18883",
                "-138307906184680009.3671875",
            ),
            (
                "1629642755660751499.643",
                "-0xf.4f163f423e5afc2p+96",
                "-1212898648587319913879707844608",
            ),
        ] {
            check(a, b, expect);
        }
    }

    #[test]
    fn only_numbers_are_numbers() {
        for text in [
            "", " 1", "1 ", "abc", "1e", "1e+", "nan", ".", "0x", "1..2", "--1", "1e5000",
            "1e-5000",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; TEXT_MAX]), None);
        assert!(LongDouble::parse(b"-INF").is_some_and(|value| !value.is_finite()));
        assert!(LongDouble::parse(b"1e4932").is_some_and(LongDouble::is_finite));
        assert!(LongDouble::parse(b"3.6e-4951").is_some());
    }

    #[test]
    fn infinities_of_both_signs_have_no_sum() {
        let plus = LongDouble::parse(b"inf").expect("infinity");
        let minus = LongDouble::parse(b"-inf").expect("infinity");
        assert_eq!(plus.plus(minus), None);
        assert_eq!(plus.plus(LongDouble::from(1)), Some(plus));
        assert_eq!(plus.to_human(), "inf");
        assert_eq!(minus.to_human(), "-inf");
    }
}
