//! Doubles as Redis prints them: the fewest digits that tell a number apart.

/// The integer that a number is, if it is one and not too large to be sure.
pub fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 4_611_686_018_427_387_904.0;
    let integer = number as i64;
    ((-LIMIT..=LIMIT).contains(&number) && integer as f64 == number).then_some(integer)
}

/// Prints a number as a reply shows it: integers as such.
pub fn printed(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    match whole(number) {
        Some(0) if number.is_sign_negative() => "-0".to_owned(),
        Some(integer) => itoa::Buffer::new().format(integer).to_owned(),
        None => shortest(number),
    }
}

/// Prints a number: whole ones up to seven more digits than they need without an exponent, small fractions without
/// one, others with.
pub fn shortest(number: f64) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_nan() {
        return format!("{sign}nan");
    }
    if number.is_infinite() {
        return format!("{sign}inf");
    }
    if number == 0.0 {
        return format!("{sign}0");
    }
    let printed = format!("{:e}", number.abs());
    let (mantissa, power) = printed.split_once('e').unwrap_or((&printed, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let count = digits.len() as i32;
    // The weight of the first digit, and of the last.
    let first: i32 = power.parse().unwrap_or(0);
    let last = first + 1 - count;
    let body = if last >= 0 && first < count + 7 {
        digits + &"0".repeat(last as usize)
    } else if last < 0 && (last > -7 || first.abs() < 4) {
        match count + last {
            whole if whole > 0 => format!(
                "{}.{}",
                &digits[..whole as usize],
                &digits[whole as usize..]
            ),
            missing => format!("0.{}{digits}", "0".repeat(-missing as usize)),
        }
    } else {
        let rest = &digits[1..];
        let point = if rest.is_empty() { "" } else { "." };
        let power_sign = if first < 0 { '-' } else { '+' };
        format!("{}{point}{rest}e{power_sign}{}", &digits[..1], first.abs())
    };
    format!("{sign}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_recorded() {
        for (number, expect) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (0.1, "0.1"),
            (-1.5e-9, "-1.5e-9"),
            (1e20, "1e+20"),
            (1e7, "10000000"),
            (1e8, "1e+8"),
            (12e7, "120000000"),
            (1e300, "1e+300"),
            (2.345_678_901_234_567, "2.345678901234567"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.234_567_89e-4, "1.23456789e-4"),
            (123_456.789, "123456.789"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(shortest(number), expect);
        }
        for (number, expect) in [
            (-0.0, "-0"),
            (1e8, "100000000"),
            (-f64::NAN, "nan"),
            (5e18, "5e+18"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
            (0.5, "0.5"),
        ] {
            assert_eq!(printed(number), expect);
        }
    }
}
