//! Which key is asked for next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

/// Which keys are asked how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Distribution {
    /// All alike
    Uniform,
    /// Few keys often
    Zipf,
    /// One after another
    Sequential,
}

impl Distribution {
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
            Self::Sequential => "sequential",
        }
    }
}

/// A source of key numbers from 0 to the keyspace, without it.
#[derive(Clone, Debug)]
pub enum Keys {
    Uniform(u64),
    Zipf(Zipf),
    /// Shared by all connections, so that each key comes once a turn.
    Sequential(Arc<AtomicU64>, u64),
}

impl Keys {
    /// # Panics
    /// When there are no keys, or the exponent is not positive.
    pub fn new(distribution: Distribution, keyspace: u64, exponent: f64) -> Self {
        assert!(keyspace > 0, "there is a key");
        match distribution {
            Distribution::Uniform => Self::Uniform(keyspace),
            Distribution::Zipf => Self::Zipf(Zipf::new(keyspace, exponent)),
            Distribution::Sequential => Self::Sequential(Arc::default(), keyspace),
        }
    }

    pub fn next(&self, rng: &mut Rng) -> u64 {
        match self {
            Self::Uniform(keyspace) => rng.u64(..keyspace),
            Self::Zipf(zipf) => scatter(zipf.rank(rng) - 1, zipf.ranks),
            Self::Sequential(next, keyspace) => next.fetch_add(1, Ordering::Relaxed) % keyspace,
        }
    }
}

/// Spreads ranks over the keyspace, so that frequent keys are not neighbours. Two ranks may meet in one key; that
/// makes it as frequent as both.
fn scatter(rank: u64, keyspace: u64) -> u64 {
    let mut mixed = rank.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % keyspace
}

/// Zipf's law by rejection-inversion (Hörmann and Derflinger, 1996): constant time and memory for any number of ranks.
/// Rank `k` comes in proportion to `k` to the power of minus the exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    ranks: u64,
    exponent: f64,
    /// Integral of the hat up to 1.5, less the weight of rank 1.
    low: f64,
    /// Integral of the hat up to the last rank and a half.
    high: f64,
    /// Distances from the rank within which no rejection is possible.
    sure: f64,
}

impl Zipf {
    fn new(ranks: u64, exponent: f64) -> Self {
        assert!(exponent > 0.0, "frequent ranks come first");
        let mut zipf = Self {
            ranks,
            exponent,
            low: 0.0,
            high: 0.0,
            sure: 0.0,
        };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(ranks as f64 + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    fn weight(&self, x: f64) -> f64 {
        x.powf(-self.exponent)
    }

    /// The integral of the weight from 1 to `x`.
    fn integral(&self, x: f64) -> f64 {
        let power = 1.0 - self.exponent;
        if power.abs() < 1e-9 {
            x.ln()
        } else {
            (x.powf(power) - 1.0) / power
        }
    }

    fn inverse(&self, y: f64) -> f64 {
        let power = 1.0 - self.exponent;
        if power.abs() < 1e-9 {
            y.exp()
        } else {
            (1.0 + y * power).max(0.0).powf(1.0 / power)
        }
    }

    /// A rank from 1 on.
    fn rank(&self, rng: &mut Rng) -> u64 {
        loop {
            let y = self.high + rng.f64() * (self.low - self.high);
            let x = self.inverse(y);
            let rank = (x.round() as u64).clamp(1, self.ranks);
            let k = rank as f64;
            if k - x <= self.sure || y >= self.integral(k + 0.5) - self.weight(k) {
                return rank;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_come_in_the_proportions_of_zipf() {
        for exponent in [0.5, 0.99, 1.0, 1.5] {
            let zipf = Zipf::new(1000, exponent);
            let total: f64 = (1..=1000).map(|k| (k as f64).powf(-exponent)).sum();
            let mut rng = Rng::with_seed(7);
            let mut counts = [0u32; 1001];
            let draws = 200_000;
            for _ in 0..draws {
                counts[zipf.rank(&mut rng) as usize] += 1;
            }
            for rank in [1usize, 2, 3, 10] {
                let expect = f64::from(draws) * (rank as f64).powf(-exponent) / total;
                let got = f64::from(counts[rank]);
                let slack = 5.0 * expect.sqrt();
                assert!(
                    (got - expect).abs() < slack,
                    "{exponent} {rank}: {got} {expect}"
                );
            }
        }
    }

    #[test]
    fn every_distribution_stays_inside_and_sequential_takes_each_once() {
        let mut rng = Rng::with_seed(1);
        for distribution in [
            Distribution::Uniform,
            Distribution::Zipf,
            Distribution::Sequential,
        ] {
            for keyspace in [1, 2, 1000] {
                let keys = Keys::new(distribution, keyspace, 0.99);
                assert!((0..1000).all(|_| keys.next(&mut rng) < keyspace));
            }
        }
        let keys = Keys::new(Distribution::Sequential, 5, 1.0);
        let turn: Vec<u64> = (0..6).map(|_| keys.clone().next(&mut rng)).collect();
        assert_eq!(turn, [0, 1, 2, 3, 4, 0]);
    }
}
