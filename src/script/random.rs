//! The generator behind math.random: drand48's, so that every machine draws the same.

/// The state: 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random(u64);

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const BITS: u32 = 48;
/// What a fresh state and a seed have in their low 16 bits.
const SEED_LOW: u64 = 0x330E;

impl Default for Random {
    /// What a server begins with.
    fn default() -> Self {
        Self(0x1234_ABCD_330E)
    }
}

impl Random {
    /// Begins again from a seed.
    pub fn with_seed(seed: i32) -> Self {
        Self(u64::from(seed as u32) << 16 | SEED_LOW)
    }

    /// The 48 bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// A state with these 48 bits.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits & ((1 << BITS) - 1))
    }

    /// The next 31 bits.
    pub fn draw(&mut self) -> i32 {
        *self = Self::from_bits(self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT));
        (self.0 >> 17) as i32
    }

    /// The next number from 0 up to 1, which is not drawn.
    pub fn fraction(&mut self) -> f64 {
        f64::from(self.draw() % i32::MAX) / f64::from(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_lrand48() {
        // What `srand48(0)`, `srand48(1)` and `srand48(-1)` of a C library are followed by.
        for (seed, draws) in [
            (0, [366_850_414, 1_610_402_240, 206_956_554]),
            (1, [89_400_484, 976_015_093, 1_792_756_325]),
            (-1, [644_300_343, 97_305_740, 768_640_432]),
        ] {
            let mut random = Random::with_seed(seed);
            assert_eq!([(); 3].map(|()| random.draw()), draws, "seed {seed}");
        }
    }
}
