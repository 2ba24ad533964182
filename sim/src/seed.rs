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
    /// What the random draws of a process depend on.
    Draws,
    /// What the kernel has in its memory.
    Residence,
}

impl Purpose {
    /// Every purpose, in the order of their numbers.
    pub const ALL: [Purpose; 9] = [
        Purpose::Workload,
        Purpose::Schedule,
        Purpose::Latency,
        Purpose::Faults,
        Purpose::Crash,
        Purpose::Clock,
        Purpose::Knobs,
        Purpose::Draws,
        Purpose::Residence,
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

    /// The first 16 draws of each stream of seed 42, computed apart from this code.
    #[rustfmt::skip]
    const FIRST: [[u64; 16]; 7] = [
        [
            0x6c76b6838274a727, 0x616684f05d73137b, 0x5d5931140304e8d5, 0x922fa7a171c7efe5,
            0x2334417a664485a5, 0xd65bf3046f9609ab, 0x54eb838272463643, 0xa1cf2950219f6e99,
            0xc98fe49fe518457a, 0x7d5c29cb7ccb5c4d, 0x97b5965e2f6b2ee0, 0xb7f719d6d8339084,
            0x80751a481f1cbb5f, 0xdb107aa42607361a, 0x64da2ce9c87ebb9b, 0x1bda6abcb068d0e1,
        ],
        [
            0x3feca75e4b88c064, 0x9c70c5fbd690ccf1, 0x4d659d0146a5a09b, 0x2d8524c59105a5cf,
            0xcc2469fa4b056768, 0xa968e995ed498457, 0xc3b41c525be34ed4, 0xb5b9fb986ef2bec8,
            0x4ed673cdd15ed43c, 0x0d56cd2cda4a491d, 0x56a85dd4bd9c5bdf, 0x2b5f7f03b4112cd9,
            0x5231cb7fefc37d88, 0x8b1962951b6ef47c, 0xebc4d441a9a91d9c, 0x323f9fca9665ecec,
        ],
        [
            0x59536b27e21d0292, 0xfdd0d8b7f25ccf46, 0x77b232c2340ee4f5, 0x9b91a67889c131fb,
            0x303d249c8d8e65cb, 0x2174dbf4a858c61c, 0x1692c5ef5168c158, 0x8b96cdaae434d57f,
            0x092fb9ccf98c544c, 0x4dc84a9a7abd1a4f, 0x49244034ee329a00, 0x7c3d9bf67c13f606,
            0xa292785e6ee3dc4e, 0x7555fb7a2e07dcc4, 0xa65aae2610d9c2aa, 0x2a82f0fb21233444,
        ],
        [
            0x0bf1a6b74ff19f83, 0x5f4bda3fd089556f, 0x7b6cc6a71cc0f7fe, 0x74915433b2589b60,
            0xc5333c002ca406d5, 0x74aa4d9fd5da7864, 0x288755e17cd15ed5, 0x12024a03f56c992a,
            0x0878245814a7f1f0, 0x3997b0a5fddb8798, 0x4399c9f09357c692, 0x6b885dfb0f8caf9a,
            0x7cedb22895e54cfd, 0x88832f0a397e27b9, 0xe5496f0cc6b960af, 0x7c788ad4897a25e6,
        ],
        [
            0xeb465aa935f210ea, 0x908f2103cf4d4802, 0xb871927f57a085cb, 0x4f2c71f4f8d71e4d,
            0xcc974dc3cc78b31f, 0xbd7d8c4a4ae96048, 0xe264a1f87e7e788c, 0x5c3c9515cf196b3f,
            0x22a2089dc5afc1ff, 0x474fb58287df840c, 0xa2337ebf280dac61, 0xdc847c38abe4f666,
            0x5b47ecfc275567fb, 0x8952f6967e1130ff, 0x57eb0a76425634a4, 0x1ed425212435644b,
        ],
        [
            0xed2022bf7cdf63e8, 0x0bcb2995f20282e0, 0xb90e0f29445753eb, 0x8d79bec004ef7645,
            0xdc585a3584b50d73, 0xbd58ee2fcb808781, 0xa788fbd07c8ba2e4, 0x814eca1f1b1cf9fc,
            0xe0569ab73ad90da2, 0x61e74060e36b97ea, 0x8be2e2fb0191d4da, 0xefefce6880a1567b,
            0x8a4ca8d9d8771e8a, 0x32211a2d2cab4f32, 0x80d53ed472cf7082, 0x9fd2230dd5d61fd8,
        ],
        [
            0x5900f5d664c3fe94, 0xe2012c00e6c3ee53, 0x80c837e71e37d296, 0x2c5005bf71ab6356,
            0x40e4ab9c986ccdfc, 0x4f1a12697911b63d, 0x118ae5b47fe9028b, 0x5395fb1ac79a1749,
            0x32224a065741cfe6, 0x30322f68adb7a0e6, 0x087e212ffa8348ac, 0x3c9af46d56b63b4f,
            0xb4a0f84936b2aa63, 0xd8e45840bacbe147, 0xf000609fe705e460, 0x1663a40d7e35277e,
        ],
    ];

    #[test]
    fn the_first_draws_of_each_stream_never_change() {
        for (purpose, expected) in Purpose::ALL.into_iter().zip(FIRST) {
            assert_eq!(first(42, purpose, 16), expected, "{purpose:?}");
        }
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
