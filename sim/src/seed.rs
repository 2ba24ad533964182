//! One seed decides everything: it is split into independent streams, one a purpose.
//!
//! A draw in one stream never moves another, so that changing how many faults are drawn leaves the workload of
//! the same seed as it was. The generator is SplitMix64: the state walks by a fixed odd step, the output is a mix
//! of the state, and every 64-bit value comes once in a period.

use std::fmt;
use std::str::FromStr;

/// The step of SplitMix64: the odd number nearest to 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64: a bijection in which each input bit moves about half of the output bits.
pub fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What the draws of a stream decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// What clients ask for.
    Workload,
    /// Who runs next.
    Schedule,
    /// How long an I/O takes.
    Latency,
    /// Which I/O fails, and how.
    Faults,
    /// When the power goes, and what survives.
    Crash,
    /// Steps of the wall clock.
    Clock,
    /// Sizes and switches of a run: page size, cache size, features.
    Knobs,
}

impl Purpose {
    /// Every purpose, in the order of their numbers.
    pub const ALL: [Purpose; 7] = [
        Purpose::Workload,
        Purpose::Schedule,
        Purpose::Latency,
        Purpose::Faults,
        Purpose::Crash,
        Purpose::Clock,
        Purpose::Knobs,
    ];
}

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of a purpose. Asking twice gives the same stream from its start.
    pub fn stream(self, purpose: Purpose) -> Stream {
        Stream {
            state: self.fork(purpose as u64 + 1).0,
        }
    }

    /// Another seed, fixed by this one and `label`: for a part of a run that is to be repeated alone.
    pub fn fork(self, label: u64) -> Seed {
        Seed(mix(
            mix(self.0.wrapping_add(STEP)) ^ mix(label.wrapping_mul(STEP))
        ))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A text that is no seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError {
    /// What was given.
    pub text: String,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither a 64-bit number nor a commit hash of 40 digits",
            self.text
        )
    }
}

impl std::error::Error for SeedError {}

/// The length of a commit hash in hexadecimal digits.
const COMMIT_DIGITS: usize = 40;

impl FromStr for Seed {
    type Err = SeedError;

    /// Reads a decimal number, a hexadecimal one after `0x`, or a commit hash of 40 digits, which is folded.
    fn from_str(text: &str) -> Result<Self, SeedError> {
        let failed = || SeedError {
            text: text.to_owned(),
        };
        if text.len() == COMMIT_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let mut folded = 0;
            for start in (0..COMMIT_DIGITS).step_by(8) {
                let part =
                    u64::from_str_radix(&text[start..start + 8], 16).map_err(|_| failed())?;
                folded = mix(folded ^ part).wrapping_add(STEP);
            }
            return Ok(Seed(folded));
        }
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        }
        .map(Seed)
        .map_err(|_| failed())
    }
}

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// A stream from a number of its own, for draws tied to one thing (the tear of one write).
    pub fn from_state(state: u64) -> Self {
        Self { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number in `0..bound`; `bound` must not be 0. The bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a draw needs at least one outcome");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range of draws has its ends in order");
        match (high - low).checked_add(1) {
            Some(count) => low + self.below(count),
            None => self.next_u64(),
        }
    }

    /// True `per_million` times in a million.
    pub fn chance(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < u64::from(per_million)
    }

    /// One of the items; there must be one.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, purpose: Purpose, count: usize) -> Vec<u64> {
        let mut stream = Seed(seed).stream(purpose);
        (0..count).map(|_| stream.next_u64()).collect()
    }

    #[test]
    fn a_draw_in_one_stream_moves_no_other() {
        let untouched: Vec<_> = Purpose::ALL.iter().map(|p| first(7, *p, 4)).collect();
        let mut used = Seed(7).stream(Purpose::Faults);
        for _ in 0..1000 {
            used.below(10);
        }
        let after: Vec<_> = Purpose::ALL.iter().map(|p| first(7, *p, 4)).collect();
        assert_eq!(untouched, after);
    }

    #[test]
    fn streams_differ_from_each_other_and_between_neighbouring_seeds() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            for purpose in Purpose::ALL {
                assert!(seen.insert(first(seed, purpose, 2)));
            }
        }
    }

    #[test]
    fn mix_gives_the_published_first_values_of_splitmix64() {
        // The reference values for the state 1234567, as other implementations publish them.
        let mut stream = Stream::from_state(1_234_567);
        let values: Vec<_> = (0..5).map(|_| stream.next_u64()).collect();
        assert_eq!(
            values,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn a_commit_hash_is_a_seed() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let other = "0123456789abcdef0123456789abcdef01234568";
        let seed: Seed = hash.parse().expect("40 digits are a seed");
        assert_ne!(seed, other.parse().expect("40 digits are a seed"));
        assert_eq!("17".parse(), Ok(Seed(17)));
        assert_eq!("0xff".parse(), Ok(Seed(255)));
        for bad in ["", "x", "-1", "0x", "18446744073709551616", &hash[1..]] {
            assert!(bad.parse::<Seed>().is_err(), "{bad:?} was taken as a seed");
        }
    }

    #[test]
    fn draws_stay_in_their_ranges_and_reach_every_outcome() {
        let mut stream = Seed(3).stream(Purpose::Knobs);
        let mut hit = [0_u32; 6];
        for _ in 0..600 {
            hit[stream.below(6) as usize] += 1;
        }
        assert!(hit.iter().all(|n| *n > 50), "{hit:?}");
        assert_eq!(stream.between(9, 9), 9);
        assert!(!stream.chance(0) && stream.chance(1_000_000));
    }
}
