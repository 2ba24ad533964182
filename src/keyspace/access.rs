//! When keys were last used, for OBJECT IDLETIME and FREQ: a table of fixed size in memory.
//!
//! Each key has one place, shared with others. A key whose place another one took counts as last used when the
//! server started.

use super::hll::murmur;

const PLACES: usize = 1 << 16;
/// The second at which the server started: a key may be given a use long before.
const OPENED_S: u32 = 1 << 31;
/// The frequency of a key nobody knows of, as Redis gives new keys.
const FREQUENCY_NEW: u8 = 5;

/// How the frequency of use grows and fades: `lfu-log-factor` and `lfu-decay-time` (minutes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fading {
    pub log_factor: u32,
    pub decay_minutes: u32,
}

impl Default for Fading {
    fn default() -> Self {
        Self {
            log_factor: 10,
            decay_minutes: 1,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    tag: u32,
    /// In seconds, of which [`OPENED_S`] is that of `opened_ms`; zero is "never".
    used_s: u32,
    frequency: u8,
}

/// Where the table keeps a key.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    at: usize,
    tag: u32,
}

/// The table.
pub struct AccessTable {
    places: Box<[Place]>,
    opened_ms: u64,
    pub fading: Fading,
}

impl std::fmt::Debug for AccessTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTable")
            .field("opened_ms", &self.opened_ms)
            .finish_non_exhaustive()
    }
}

impl AccessTable {
    /// A table in which no key was used after `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self {
            places: vec![Place::default(); PLACES].into(),
            opened_ms: now_ms,
            fading: Fading::default(),
        }
    }

    fn place(&self, db: u32, key: &[u8]) -> (usize, u32) {
        let hash = murmur(key) ^ u64::from(db).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash as usize % PLACES, (hash >> 32) as u32)
    }

    fn seconds(&self, now_ms: u64) -> u32 {
        let since = now_ms.saturating_sub(self.opened_ms) / 1000;
        let since = u32::try_from(since).unwrap_or(u32::MAX);
        OPENED_S.saturating_add(since)
    }

    /// The key's place, whose memory is on its way when this returns.
    pub fn find(&self, db: u32, key: &[u8]) -> Found {
        let (at, tag) = self.place(db, key);
        crate::storage::prefetch(&self.places[at]);
        Found { at, tag }
    }

    /// The key came into being now.
    pub fn made(&mut self, key: Found, now_ms: u64) {
        let Found { at, tag } = key;
        self.places[at] = Place {
            tag,
            used_s: self.seconds(now_ms),
            frequency: FREQUENCY_NEW,
        };
    }

    /// The key is used now. `draw` is random, 0 to 1.
    pub(super) fn used(&mut self, key: Found, now_ms: u64, draw: impl FnOnce() -> f64) {
        let Found { at, tag } = key;
        let used_s = self.seconds(now_ms);
        let frequency = self.faded(at, tag, used_s);
        let chance = 1.0
            / (f64::from(frequency.saturating_sub(FREQUENCY_NEW))
                * f64::from(self.fading.log_factor)
                + 1.0);
        let grows = frequency < u8::MAX && (chance >= 1.0 || draw() < chance);
        self.places[at] = Place {
            tag,
            used_s,
            frequency: frequency + u8::from(grows),
        };
    }

    /// The key was last used so many seconds ago, perhaps before the server started.
    pub fn set_idle(&mut self, db: u32, key: &[u8], idle_s: u64, now_ms: u64) {
        let (at, tag) = self.place(db, key);
        let idle_s = u32::try_from(idle_s).unwrap_or(u32::MAX);
        let used_s = self.seconds(now_ms).saturating_sub(idle_s).max(1);
        let frequency = FREQUENCY_NEW;
        self.places[at] = Place {
            tag,
            used_s,
            frequency,
        };
    }

    /// The key is used this often.
    pub fn set_frequency(&mut self, db: u32, key: &[u8], frequency: u8, now_ms: u64) {
        let (at, tag) = self.place(db, key);
        let used_s = self.seconds(now_ms);
        self.places[at] = Place {
            tag,
            used_s,
            frequency,
        };
    }

    /// Seconds since the key was used.
    pub fn idle_seconds(&self, db: u32, key: &[u8], now_ms: u64) -> u64 {
        let (at, tag) = self.place(db, key);
        let place = self.places[at];
        let used_s = if place.used_s > 0 && place.tag == tag {
            place.used_s
        } else {
            OPENED_S
        };
        u64::from(self.seconds(now_ms).saturating_sub(used_s))
    }

    /// How often the key is used, on Redis's logarithmic scale of 0 to 255.
    pub fn frequency(&self, db: u32, key: &[u8], now_ms: u64) -> u8 {
        let (at, tag) = self.place(db, key);
        self.faded(at, tag, self.seconds(now_ms))
    }

    fn faded(&self, at: usize, tag: u32, now_s: u32) -> u8 {
        let place = self.places[at];
        if place.used_s == 0 || place.tag != tag {
            return FREQUENCY_NEW;
        }
        let minutes = now_s.saturating_sub(place.used_s) / 60;
        let steps = minutes.checked_div(self.fading.decay_minutes).unwrap_or(0);
        place
            .frequency
            .saturating_sub(u8::try_from(steps).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_counts_from_the_last_use() {
        let mut table = AccessTable::new(1_000_000);
        assert_eq!(table.idle_seconds(0, b"k", 1_005_000), 5);
        table.used(table.find(0, b"k"), 1_007_000, || 0.5);
        assert_eq!(table.idle_seconds(0, b"k", 1_007_900), 0);
        assert_eq!(table.idle_seconds(0, b"k", 1_010_000), 3);
        assert_eq!(table.idle_seconds(1, b"k", 1_010_000), 10);
    }

    #[test]
    fn a_key_may_be_idle_for_longer_than_the_server_runs() {
        let mut table = AccessTable::new(1_000_000);
        table.set_idle(0, b"k", 1000, 1_005_000);
        assert_eq!(table.idle_seconds(0, b"k", 1_007_000), 1002);
        table.set_idle(0, b"k", u64::MAX, 1_005_000);
        let longest = u64::from(OPENED_S) + 4;
        assert_eq!(table.idle_seconds(0, b"k", 1_005_000), longest);
    }

    #[test]
    fn a_key_made_anew_forgets_how_often_its_name_was_used() {
        let mut table = AccessTable::new(0);
        table.used(table.find(0, b"k"), 1000, || 0.0);
        assert_eq!(table.frequency(0, b"k", 1000), FREQUENCY_NEW + 1);
        table.made(table.find(0, b"k"), 2000);
        assert_eq!(table.frequency(0, b"k", 2000), FREQUENCY_NEW);
        assert_eq!(table.idle_seconds(0, b"k", 5000), 3);
    }

    #[test]
    fn frequency_grows_and_fades() {
        let mut table = AccessTable::new(0);
        assert_eq!(table.frequency(0, b"k", 0), FREQUENCY_NEW);
        for _ in 0..10 {
            table.used(table.find(0, b"k"), 1000, || 0.0);
        }
        let high = table.frequency(0, b"k", 1000);
        assert_eq!(high, FREQUENCY_NEW + 10);
        assert_eq!(table.frequency(0, b"k", 1000 + 3 * 60_000), high - 3);
    }
}
