//! Whole numbers of any size, as simple as they can be written.

use std::cmp::Ordering;

/// A number that is not negative: 32-bit digits, least significant first, no leading zero digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(number: u64) -> Big {
        Big(vec![number as u32, (number >> 32) as u32]).trimmed()
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Big) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Big {
    fn cmp(&self, other: &Big) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl Big {
    fn trimmed(mut self) -> Big {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of bits up to the highest one that is set.
    pub fn bits(&self) -> usize {
        match self.0.last() {
            None => 0,
            Some(top) => self.0.len() * 32 - top.leading_zeros() as usize,
        }
    }

    fn bit(&self, index: usize) -> bool {
        self.0
            .get(index / 32)
            .is_some_and(|digit| digit >> (index % 32) & 1 == 1)
    }

    /// The value, which must fit.
    pub fn to_u64(&self) -> u64 {
        assert!(self.bits() <= 64, "the number has more than 64 bits");
        let digit = |index: usize| u64::from(self.0.get(index).copied().unwrap_or(0));
        digit(0) | digit(1) << 32
    }

    pub fn plus(&self, other: &Big) -> Big {
        let mut carry = 0;
        let mut digits = Vec::new();
        for index in 0..self.0.len().max(other.0.len()) + 1 {
            let digit = |big: &Big| u64::from(big.0.get(index).copied().unwrap_or(0));
            let sum = digit(self) + digit(other) + carry;
            digits.push(sum as u32);
            carry = sum >> 32;
        }
        Big(digits).trimmed()
    }

    /// The difference to a number that is not larger.
    pub fn minus(&self, other: &Big) -> Big {
        assert!(self >= other, "the difference would be negative");
        let mut borrow = 0;
        let mut digits = Vec::new();
        for (index, &digit) in self.0.iter().enumerate() {
            let taken = i64::from(other.0.get(index).copied().unwrap_or(0)) + borrow;
            let difference = i64::from(digit) - taken;
            borrow = i64::from(difference < 0);
            digits.push(difference.rem_euclid(1 << 32) as u32);
        }
        Big(digits).trimmed()
    }

    pub fn times(&self, factor: u32) -> Big {
        let mut carry = 0;
        let mut digits = Vec::new();
        for &digit in &self.0 {
            let product = u64::from(digit) * u64::from(factor) + carry;
            digits.push(product as u32);
            carry = product >> 32;
        }
        digits.push(carry as u32);
        Big(digits).trimmed()
    }

    pub fn product(&self, other: &Big) -> Big {
        let mut sum = Big::from(0);
        for (index, &digit) in other.0.iter().enumerate() {
            sum = sum.plus(&self.times(digit).shifted_left(index * 32));
        }
        sum
    }

    pub fn shifted_left(&self, bits: usize) -> Big {
        let mut digits = vec![0; bits / 32];
        digits.extend_from_slice(&self.0);
        Big(digits).times(1 << (bits % 32))
    }

    fn shifted_right(&self, bits: usize) -> Big {
        let kept = self.bits().saturating_sub(bits);
        let mut digits = vec![0_u32; kept.div_ceil(32)];
        for index in 0..kept {
            if self.bit(index + bits) {
                digits[index / 32] |= 1 << (index % 32);
            }
        }
        Big(digits).trimmed()
    }

    /// Divides by a power of two and rounds to the nearest, ties to even. `more` says that the number
    /// is a little larger than it shows.
    pub fn shifted_right_to_even(&self, bits: usize, more: bool) -> Big {
        let quotient = self.shifted_right(bits);
        if bits == 0 {
            return quotient;
        }
        let half = self.bit(bits - 1);
        let beyond_half = more || (0..bits - 1).any(|index| self.bit(index));
        if half && (beyond_half || quotient.bit(0)) {
            quotient.plus(&Big::from(1))
        } else {
            quotient
        }
    }

    /// The quotient, and whether nothing remains. Bit by bit; the quotient is short here.
    pub fn divided(&self, divisor: &Big) -> (Big, bool) {
        assert!(!divisor.is_zero(), "division by zero");
        let mut rest = self.clone();
        let mut quotient = Big::from(0);
        let steps = (self.bits() + 1).saturating_sub(divisor.bits());
        for shift in (0..steps).rev() {
            let part = divisor.shifted_left(shift);
            quotient = quotient.times(2);
            if part <= rest {
                rest = rest.minus(&part);
                quotient = quotient.plus(&Big::from(1));
            }
        }
        (quotient, rest.is_zero())
    }

    pub fn to_decimal(&self) -> String {
        let mut digits = self.0.clone();
        let mut groups = Vec::new();
        while digits.iter().any(|&digit| digit != 0) {
            let mut rest = 0;
            for digit in digits.iter_mut().rev() {
                let part = rest << 32 | u64::from(*digit);
                *digit = (part / 1_000_000_000) as u32;
                rest = part % 1_000_000_000;
            }
            groups.push(format!("{rest:09}"));
        }
        let text: String = groups.into_iter().rev().collect();
        let text = text.trim_start_matches('0');
        if text.is_empty() {
            "0".to_owned()
        } else {
            text.to_owned()
        }
    }
}
