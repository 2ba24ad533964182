//! Printing: the short form that replies have (Grisu 2), and seventeen significant digits.
//!
//! Grisu 2 prints digits that read back as the same number, nearly always the fewest. Clients see which ones, so the
//! arithmetic, its rounding included, is exactly that of the paper ("Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", Loitsch, 2010), with the powers of `powers.rs`.

use super::powers::{FIRST_POWER, POWERS, STEP, Scaled};

/// The longest text: a sign, 17 digits with a point, and an exponent of three digits with its sign.
const LEN_MAX: usize = 32;
/// Whole numbers up to here in either direction are printed as integers.
const WHOLE_MAX: f64 = (1u64 << 62) as f64;
const HIDDEN_BIT: u64 = 1 << 52;
const EXPONENT_BIAS: i32 = 1023 + 52;

/// A printed number.
#[derive(Clone, Copy)]
pub struct Printed {
    bytes: [u8; LEN_MAX],
    len: u8,
}

impl std::fmt::Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Printed {
    fn new() -> Self {
        Self {
            bytes: [0; LEN_MAX],
            len: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let at = usize::from(self.len);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    fn push_zeroes(&mut self, count: usize) {
        for _ in 0..count {
            self.push(b"0");
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits and signs")
    }
}

/// The number as replies have it: an integer if it is whole and not huge, otherwise few digits.
pub fn print(value: f64) -> Printed {
    let mut out = Printed::new();
    if value.is_nan() {
        out.push(b"nan");
    } else if value.is_infinite() {
        out.push(if value < 0.0 { b"-inf" } else { b"inf" });
    } else if value == 0.0 {
        out.push(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if value.abs() <= WHOLE_MAX && value.trunc() == value {
        out.push(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        return print_digits(value);
    }
    out
}

/// The number in few digits, also if it is whole: the form that digests have.
pub fn print_digits(value: f64) -> Printed {
    if value == 0.0 || !value.is_finite() {
        return print(value);
    }
    let mut out = Printed::new();
    if value < 0.0 {
        out.push(b"-");
    }
    Digits::of(value.abs()).layout(&mut out);
    out
}

/// The number with seventeen significant digits, trailing zeroes left out: C's `%.17g`.
pub fn print_17_digits(value: f64) -> Printed {
    if !value.is_finite() {
        return print(value);
    }
    let text = format!("{:.16e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let digits: Vec<u8> = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    let kept = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(1, |at| at + 1);
    let digits = &digits[..kept];
    let mut out = Printed::new();
    if value.is_sign_negative() {
        out.push(b"-");
    }
    if !(-4..17).contains(&exponent) {
        push_point(&mut out, digits, 1);
        push_exponent(&mut out, exponent, 2);
    } else if exponent < 0 {
        out.push(b"0.");
        out.push_zeroes(exponent.unsigned_abs() as usize - 1);
        out.push(digits);
    } else {
        push_point(&mut out, digits, exponent as usize + 1);
    }
    out
}

/// Digits with `whole` of them before the point; zeroes stand for those that are missing.
fn push_point(out: &mut Printed, digits: &[u8], whole: usize) {
    if digits.len() <= whole {
        out.push(digits);
        out.push_zeroes(whole - digits.len());
        return;
    }
    out.push(&digits[..whole]);
    out.push(b".");
    out.push(&digits[whole..]);
}

/// An exponent with its sign and at least so many digits.
fn push_exponent(out: &mut Printed, exponent: i32, digits_min: usize) {
    out.push(if exponent < 0 { b"e-" } else { b"e+" });
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(exponent.unsigned_abs());
    out.push_zeroes(digits_min.saturating_sub(text.len()));
    out.push(text.as_bytes());
}

/// Decimal digits and the power of ten of the last one.
struct Digits {
    bytes: [u8; 18],
    len: usize,
    power: i32,
}

impl Digits {
    /// The digits of a positive number.
    fn of(value: f64) -> Self {
        let (number, lower, upper) = boundaries(value);
        let (ten, power) = cached_power(upper.exponent);
        let number = times(number, ten);
        let mut upper = times(upper, ten);
        let mut lower = times(lower, ten);
        // The products are off by less than one unit: the narrower interval is safe.
        lower.mantissa += 1;
        upper.mantissa -= 1;
        let mut digits = Self {
            bytes: [0; 18],
            len: 0,
            power: -power,
        };
        digits.generate(number, lower, upper);
        digits
    }

    fn push(&mut self, digit: u64) {
        if digit != 0 || self.len > 0 {
            self.bytes[self.len] = b'0' + digit as u8;
            self.len += 1;
        }
    }

    /// Digits of the upper boundary until what is left is below the width of the interval, the last then lowered
    /// towards the number.
    fn generate(&mut self, number: Scaled, lower: Scaled, upper: Scaled) {
        let shift = upper.exponent.unsigned_abs();
        let one = 1u64 << shift;
        let below = upper.mantissa - number.mantissa;
        let mut width = upper.mantissa - lower.mantissa;
        let mut whole = upper.mantissa >> shift;
        let mut fraction = upper.mantissa & (one - 1);
        for kappa in (0..10).rev() {
            let unit = 10u64.pow(kappa);
            self.push(whole / unit);
            whole %= unit;
            let rest = (whole << shift) + fraction;
            if rest <= width {
                self.power += kappa as i32;
                self.lower_last(width, rest, unit << shift, below);
                return;
            }
        }
        let mut scale = 1u64;
        let mut kappa = 0;
        loop {
            fraction = fraction.wrapping_mul(10);
            width = width.wrapping_mul(10);
            scale = scale.wrapping_mul(10);
            kappa -= 1;
            self.push(fraction >> shift);
            fraction &= one - 1;
            if fraction < width {
                self.power += kappa;
                self.lower_last(width, fraction, one, below.wrapping_mul(scale));
                return;
            }
        }
    }

    /// Lowers the last digit as long as that comes closer to the number, `target` below the upper boundary, and stays
    /// in the interval.
    fn lower_last(&mut self, width: u64, mut rest: u64, unit: u64, target: u64) {
        while rest < target
            && width - rest >= unit
            && (rest + unit < target || target - rest > rest + unit - target)
        {
            self.bytes[self.len - 1] -= 1;
            rest += unit;
        }
    }

    /// Writes the digits plainly if the number is neither huge nor tiny, else with an exponent.
    fn layout(&self, out: &mut Printed) {
        let digits = &self.bytes[..self.len];
        let exponent = self.power + self.len as i32 - 1;
        let size = exponent.unsigned_abs() as usize;
        if self.power >= 0 && size < self.len + 7 {
            out.push(digits);
            out.push_zeroes(self.power as usize);
        } else if self.power < 0 && (self.power > -7 || size < 4) {
            let behind = self.power.unsigned_abs() as usize;
            if behind >= self.len {
                out.push(b"0.");
                out.push_zeroes(behind - self.len);
                out.push(digits);
            } else {
                push_point(out, digits, self.len - behind);
            }
        } else {
            push_point(out, digits, 1);
            push_exponent(out, exponent, 1);
        }
    }
}

/// A positive number with the top bit of its mantissa set, and the halfway points to its neighbours with the
/// exponent of the upper one.
fn boundaries(value: f64) -> (Scaled, Scaled, Scaled) {
    let bits = value.to_bits();
    let field = (bits >> 52) as i32;
    let fraction = bits & (HIDDEN_BIT - 1);
    let (mantissa, exponent) = if field == 0 {
        (fraction, 1 - EXPONENT_BIAS)
    } else {
        (fraction | HIDDEN_BIT, field - EXPONENT_BIAS)
    };
    let upper = normal(mantissa * 2 + 1, exponent - 1);
    // Below a power of two the neighbour is half as far away.
    let steps = if mantissa == HIDDEN_BIT { 2 } else { 1 };
    let lower = Scaled {
        mantissa: ((mantissa << steps) - 1) << (exponent - steps - upper.exponent),
        exponent: upper.exponent,
    };
    (normal(mantissa, exponent), lower, upper)
}

fn normal(mantissa: u64, exponent: i32) -> Scaled {
    let shift = mantissa.leading_zeros();
    Scaled {
        mantissa: mantissa << shift,
        exponent: exponent - shift as i32,
    }
}

/// The product, rounded to nearest.
fn times(a: Scaled, b: Scaled) -> Scaled {
    let product = u128::from(a.mantissa) * u128::from(b.mantissa);
    Scaled {
        mantissa: ((product + (1 << 63)) >> 64) as u64,
        exponent: a.exponent + b.exponent + 64,
    }
}

/// A power of ten that brings a number with this exponent to one between -60 and -32, and its exponent. More than one
/// may do: the search begins at an estimate.
fn cached_power(exponent: i32) -> (Scaled, i32) {
    const LOG10_2: f64 = 0.301_029_995_663_981_14;
    const RANGE: std::ops::RangeInclusive<i32> = -60..=-32;
    let estimate = (-f64::from(exponent + POWERS.len() as i32) * LOG10_2) as i32;
    let mut at = (estimate - FIRST_POWER) / STEP;
    loop {
        let power = POWERS[at as usize];
        let sum = exponent + power.exponent + 64;
        if sum < *RANGE.start() {
            at += 1;
        } else if sum > *RANGE.end() {
            at -= 1;
        } else {
            return (power, FIRST_POWER + at * STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_printed_as_redis_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (3.0e-5, "0.00003"),
            (1.5e-7, "1.5e-7"),
            (123_456_789.012_345_67, "1.2345678901234567e+8"),
            (0.000_012_34, "1.234e-5"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (1e19, "1e+19"),
            (1e100, "1e+100"),
            (-1.7976931348623157e308, "-1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(print(value).as_str(), text);
        }
    }

    #[test]
    fn seventeen_digits_are_those_of_printf() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1.5e300, "1.5000000000000001e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(print_17_digits(value).as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(super::super::parse(print(value).as_bytes()).map(f64::to_bits), Some(bits));
            prop_assert_eq!(super::super::parse(print_17_digits(value).as_bytes()).map(f64::to_bits), Some(bits));
        }
    }
}
