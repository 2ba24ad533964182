//! How long the calls of each command took, as a distribution, for INFO and LATENCY HISTOGRAM.

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Longer calls count as this long, in nanoseconds.
const NANOS_MAX: u64 = 1_000_000_000;
/// Decimal digits that are kept of a duration.
const DIGITS: u8 = 2;
/// The first boundary of LATENCY HISTOGRAM, in nanoseconds; each that follows is twice as large.
const FIRST_BOUNDARY_NANOS: u64 = 1024;

/// The durations of one command. It takes memory from the first call on.
#[derive(Debug, Default)]
pub struct Durations(Mutex<Option<Box<Histogram<u64>>>>);

impl Durations {
    /// Adds `calls` calls that took `nanos` nanoseconds each.
    pub fn add(&self, nanos: u64, calls: u64) {
        let mut histogram = self.0.lock();
        let histogram = histogram.get_or_insert_with(|| {
            let histogram = Histogram::new_with_bounds(1, NANOS_MAX, DIGITS);
            Box::new(histogram.expect("bounds that a histogram can have"))
        });
        histogram.saturating_record_n(nanos.clamp(1, NANOS_MAX), calls);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.0.lock() = None;
    }

    /// How many calls there were; None: never any.
    pub fn calls(&self) -> Option<u64> {
        self.0.lock().as_ref().map(|histogram| histogram.len())
    }

    /// The duration in nanoseconds that `percentile` percent of the calls did not exceed; None: there were no calls.
    pub fn percentile_nanos(&self, percentile: f64) -> Option<u64> {
        let histogram = self.0.lock();
        let histogram = histogram.as_ref()?;
        Some(histogram.value_at_percentile(percentile))
    }

    /// Durations in microseconds, doubling, and how many calls took no longer. Only those where the count rises.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let histogram = self.0.lock();
        let Some(histogram) = histogram.as_ref() else {
            return Vec::new();
        };
        let (mut counts, mut calls, mut in_step) = (Vec::new(), 0, 0);
        let mut boundary = FIRST_BOUNDARY_NANOS;
        let end_of = |boundary| histogram.highest_equivalent(boundary);
        for step in histogram.iter_recorded() {
            while step.value_iterated_to() > end_of(boundary) {
                if in_step > 0 {
                    counts.push((end_of(boundary) / 1000, calls));
                }
                in_step = 0;
                boundary *= 2;
            }
            in_step += step.count_since_last_iteration();
            calls += step.count_since_last_iteration();
        }
        counts.push((end_of(boundary) / 1000, calls));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_boundaries_are_those_of_the_calls() {
        let durations = Durations::default();
        assert_eq!(durations.calls(), None);
        assert_eq!(durations.percentile_nanos(50.0), None);
        durations.add(9_000, 1);
        durations.add(10_000, 1);
        // Two digits of precision: 9,000 and 10,000 share their cells with a little more.
        assert_eq!(durations.percentile_nanos(50.0), Some(9_023));
        assert_eq!(durations.percentile_nanos(99.9), Some(10_047));
        durations.add(500, 3);
        assert_eq!(durations.cumulative(), [(1, 3), (16, 5)]);
        durations.add(u64::MAX, 1);
        assert_eq!(durations.calls(), Some(6));
        durations.clear();
        assert!(durations.cumulative().is_empty());
    }
}
