//! How many elements a histogram of registers stands for: Ertl's improved estimator, in doubles.

use super::registers::{Histogram, REGISTERS};

/// The largest rank but one: 64 hash bits less the 14 that choose the register.
const RANK_BITS: usize = 50;

/// `1 / (2 ln 2)`.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The estimate, rounded to a whole number.
pub fn cardinality(histogram: &Histogram) -> u64 {
    let registers = REGISTERS as f64;
    let mut sum = registers * tau((registers - f64::from(histogram[RANK_BITS + 1])) / registers);
    for rank in (1..=RANK_BITS).rev() {
        sum = (sum + f64::from(histogram[rank])) * 0.5;
    }
    sum += registers * sigma(f64::from(histogram[0]) / registers);
    (ALPHA * registers * registers / sum).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if before == sum {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if before == sum {
            return sum / 3.0;
        }
    }
}
