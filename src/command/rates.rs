//! How much happens in a second: the mean of the latest samples.

use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::stats::Stats;

/// Samples that a rate is the mean of.
const SAMPLES: usize = 16;
/// A sample covers at least this long, in microseconds.
const SAMPLE_US_MIN: u64 = 100_000;
/// The counters that are followed: commands, bytes read, bytes written.
const COUNTERS: usize = 3;

/// What happened a second, lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub commands: u64,
    pub input_bytes: u64,
    pub output_bytes: u64,
}

#[derive(Debug, Default)]
struct Samples {
    /// Monotonic time of the latest look, in microseconds; 0: there was none.
    looked_us: u64,
    counts: [u64; COUNTERS],
    /// Each counter's rises, as so much a second.
    rates: [[u64; SAMPLES]; COUNTERS],
    /// The sample that is replaced next.
    next: usize,
}

/// The latest samples.
#[derive(Debug, Default)]
pub struct Rates(Mutex<Samples>);

impl Rates {
    /// Forgets the samples.
    pub fn clear(&self) {
        *self.0.lock() = Samples::default();
    }

    /// The means.
    pub fn now(&self) -> Rate {
        let samples = self.0.lock();
        let mean = |counter: usize| samples.rates[counter].iter().sum::<u64>() / SAMPLES as u64;
        Rate {
            commands: mean(0),
            input_bytes: mean(1),
            output_bytes: mean(2),
        }
    }

    fn look(&self, counts: [u64; COUNTERS], now_us: u64) {
        let mut samples = self.0.lock();
        let samples = &mut *samples;
        let took_us = now_us.saturating_sub(samples.looked_us);
        if samples.looked_us != 0 && took_us < SAMPLE_US_MIN {
            return;
        }
        if samples.looked_us != 0 {
            for (counter, count) in counts.into_iter().enumerate() {
                let rise = u128::from(count.saturating_sub(samples.counts[counter]));
                let a_second = rise * 1_000_000 / u128::from(took_us);
                samples.rates[counter][samples.next] = a_second as u64;
            }
            samples.next = (samples.next + 1) % SAMPLES;
        }
        samples.looked_us = now_us;
        samples.counts = counts;
    }
}

impl Stats {
    /// Takes a sample for the rates if the latest is old enough. `now_us` is monotonic time in microseconds.
    pub fn sample_rates(&self, now_us: u64) {
        let counters = [
            &self.commands_processed,
            &self.input_bytes,
            &self.output_bytes,
        ];
        let counts = counters.map(|counter| counter.load(Ordering::Relaxed));
        self.rates.look(counts, now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_mean_of_the_samples() {
        let rates = Rates::default();
        for second in 1..=20 {
            rates.look([second * 1000, 0, second], second * 1_000_000);
            // Too early: it changes nothing.
            rates.look([second * 2000, 0, 0], second * 1_000_000 + 50_000);
        }
        let expect = Rate {
            commands: 1000,
            input_bytes: 0,
            output_bytes: 1,
        };
        assert_eq!(rates.now(), expect);
        rates.clear();
        assert_eq!(rates.now(), Rate::default());
    }
}
