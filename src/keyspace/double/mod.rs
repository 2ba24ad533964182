//! Double-precision numbers as Redis reads and prints them: scores, weights, coordinates.

mod powers;
mod print;

pub use print::{Printed, print, print_17_digits, print_digits};

pub use crate::resp::strtod::parse;

use crate::resp::strtod::front;
use crate::resp::text::until_nul;

/// The end of a range as a number: blanks in front are skipped, nothing at all is zero, and what overflows is infinite.
pub fn parse_bound(text: &[u8]) -> Option<f64> {
    let text = until_nul(text);
    let front = front(text);
    (front.len == text.len() && !front.value.is_nan()).then_some(front.value)
}

/// What SORT sorts by as a number: blanks in front are skipped, nothing at all is zero. None for what is none, and for
/// what a double cannot hold with its full precision.
pub fn parse_weight(text: &[u8]) -> Option<f64> {
    let text = until_nul(text);
    let front = front(text);
    let is_number = front.len == text.len() && !front.value.is_nan();
    (is_number && !front.is_out_of_range && !front.value.is_subnormal()).then_some(front.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_taken_more_kindly() {
        assert_eq!(parse_bound(b""), Some(0.0));
        assert_eq!(parse_bound(b"  2"), Some(2.0));
        assert_eq!(parse_bound(b"3\0x"), Some(3.0));
        assert_eq!(parse_bound(b"1e400"), Some(f64::INFINITY));
        assert_eq!(parse_bound(b"1e-400"), Some(0.0));
        assert_eq!(parse_bound(b"+inf"), Some(f64::INFINITY));
        for text in ["nan", "1x", "(1", "2 ", " "] {
            assert_eq!(parse_bound(text.as_bytes()), None, "{text:?}");
        }
    }
}
