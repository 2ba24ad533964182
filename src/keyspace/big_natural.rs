//! Natural numbers of any size, as far as exact decimal conversion needs them.

use std::cmp::Ordering;

/// A natural number; digits to the base 2^32, least significant first, no leading zeroes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BigNatural(Vec<u32>);

impl BigNatural {
    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Position of the highest bit that is set plus one; 0 for zero.
    pub fn bits(&self) -> u64 {
        match self.0.last() {
            Some(top) => self.0.len() as u64 * 32 - u64::from(top.leading_zeros()),
            None => 0,
        }
    }

    /// `self = self * factor + add`.
    pub fn mul_add(&mut self, factor: u32, add: u32) {
        let mut carry = u64::from(add);
        for digit in &mut self.0 {
            let product = u64::from(*digit) * u64::from(factor) + carry;
            *digit = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
        self.trim();
    }

    /// `self = self * 10^exponent`.
    pub fn mul_pow10(&mut self, mut exponent: u32) {
        while exponent >= 9 {
            self.mul_add(1_000_000_000, 0);
            exponent -= 9;
        }
        self.mul_add(10u32.pow(exponent), 0);
    }

    /// `self = self * 2^bits`.
    pub fn shift_left(&mut self, bits: u32) {
        if self.is_zero() {
            return;
        }
        let (words, rest) = ((bits / 32) as usize, bits % 32);
        if rest > 0 {
            self.mul_add(1 << rest, 0);
        }
        self.0.splice(0..0, std::iter::repeat_n(0, words));
    }

    /// `self = self - other`, which must not be larger.
    pub fn subtract(&mut self, other: &Self) {
        let mut borrow = 0i64;
        for (at, digit) in self.0.iter_mut().enumerate() {
            let mut difference =
                i64::from(*digit) - i64::from(other.0.get(at).copied().unwrap_or(0)) - borrow;
            borrow = i64::from(difference < 0);
            if difference < 0 {
                difference += 1 << 32;
            }
            *digit = difference as u32;
        }
        assert!(borrow == 0, "a larger number was subtracted");
        self.trim();
    }

    /// `self = self / divisor`; returns the remainder.
    pub fn divide(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for digit in self.0.iter_mut().rev() {
            let value = rest << 32 | u64::from(*digit);
            *digit = (value / u64::from(divisor)) as u32;
            rest = value % u64::from(divisor);
        }
        self.trim();
        rest as u32
    }

    /// The decimal digits.
    pub fn to_decimal(mut self) -> String {
        let mut groups = Vec::new();
        while !self.is_zero() {
            groups.push(self.divide(1_000_000_000));
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

impl From<u64> for BigNatural {
    fn from(value: u64) -> Self {
        let mut number = Self(vec![value as u32, (value >> 32) as u32]);
        number.trim();
        number
    }
}

impl PartialOrd for BigNatural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BigNatural {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn big(value: u128) -> BigNatural {
        let mut number = BigNatural::from((value >> 64) as u64);
        number.shift_left(64);
        let mut low = BigNatural::from(value as u64);
        if number.is_zero() {
            return low;
        }
        low.0.resize(2, 0);
        number.0[0] = low.0[0];
        number.0[1] = low.0[1];
        number
    }

    proptest! {
        #[test]
        fn agrees_with_u128(a in 0u128..1 << 90, b in 0u128..1 << 90, shift in 0u32..30, factor: u32) {
            prop_assert_eq!(big(a).to_decimal(), a.to_string());
            prop_assert_eq!(big(a).cmp(&big(b)), a.cmp(&b));
            prop_assert_eq!(big(a).bits(), u64::from(128 - a.leading_zeros()));
            let mut shifted = big(a);
            shifted.shift_left(shift);
            prop_assert_eq!(shifted, big(a << shift));
            let mut product = big(a);
            product.mul_add(factor, 7);
            prop_assert_eq!(product, big(a * u128::from(factor) + 7));
            let mut difference = big(a.max(b));
            difference.subtract(&big(a.min(b)));
            prop_assert_eq!(difference, big(a.abs_diff(b)));
        }
    }
}
