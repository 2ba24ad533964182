use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::keyspace::change::{Change, Listener};
use crate::keyspace::header::Encoding;
use crate::storage::{OnMiss, OpenOptions, open};
use crate::vfs::{MemVfs, OsClock};

const NOW_MS: u64 = 1_000_000;

struct Rig {
    keyspace: Keyspace,
}

impl Rig {
    fn new(seed: u64) -> Self {
        let options = OpenOptions::new([7; 16]);
        let (clock, path) = (Arc::new(OsClock::default()), Path::new("data.keep"));
        let opened = open(&MemVfs::default(), clock, path, &options, &mut |_, _| {});
        let (engine, _) = opened.expect("a database");
        Self {
            keyspace: Keyspace::new(engine, 16, seed, 0).expect("a keyspace"),
        }
    }

    fn set(&mut self, db: u32, key: &str, expires_ms: Option<u64>, now_ms: u64) {
        self.keyspace.engine.begin_command(OnMiss::Read);
        self.keyspace
            .write(Plan::Simple, |txn| {
                let slot = txn.slot(db, key.as_bytes(), now_ms)?;
                txn.put_string(
                    &slot,
                    key.as_bytes(),
                    b"value",
                    Encoding::Natural,
                    expires_ms,
                )
            })
            .expect("a key");
    }

    fn evict(&mut self, rule: &Rule) -> bool {
        self.keyspace.engine.begin_command(OnMiss::Read);
        self.keyspace.evict_one(rule, NOW_MS).expect("readable")
    }

    /// Gives up one key after the other; the keys, in the order in which they went.
    fn drain(&mut self, rule: &Rule) -> Vec<String> {
        self.keyspace.changes.listen(Listener::Track, true);
        let mut gone = Vec::new();
        while self.evict(rule) {
            for change in self.keyspace.changes.take() {
                if let Change::Touched { key, .. } = change {
                    gone.push(String::from_utf8_lossy(&key).into_owned());
                }
            }
        }
        gone
    }
}

fn rule(merit: Merit, only_volatile: bool) -> Rule {
    Rule {
        merit,
        only_volatile,
        samples: 64,
    }
}

#[test]
fn the_key_not_used_for_longest_goes_first_in_whatever_database() {
    let mut rig = Rig::new(1);
    for (at, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
        rig.set(at as u32 % 2, key, None, 100_000 * (4 - at as u64));
    }
    let gone = rig.drain(&rule(Merit::Recency, false));
    assert_eq!(gone, ["d", "c", "b", "a"]);
    assert_eq!(rig.keyspace.stats.evicted_keys, 4);
    assert_eq!(rig.keyspace.used_bytes(), META_REGION_BYTES);
}

#[test]
fn the_key_used_least_often_goes_first() {
    let mut rig = Rig::new(2);
    for (key, frequency) in [("a", 9), ("b", 2), ("c", 200), ("d", 6)] {
        rig.set(0, key, None, NOW_MS);
        let access = &mut rig.keyspace.access;
        access.set_frequency(0, key.as_bytes(), frequency, NOW_MS);
    }
    let gone = rig.drain(&rule(Merit::Frequency, false));
    assert_eq!(gone, ["b", "d", "a", "c"]);
}

#[test]
fn the_key_that_expires_first_goes_first_and_those_that_do_not_stay() {
    let mut rig = Rig::new(3);
    rig.set(0, "late", Some(NOW_MS + 500), NOW_MS);
    rig.set(1, "soon", Some(NOW_MS + 100), NOW_MS);
    rig.set(0, "never", None, NOW_MS);
    rig.set(3, "later", Some(NOW_MS + 900), NOW_MS);
    let gone = rig.drain(&rule(Merit::TimeToLive, true));
    assert_eq!(gone, ["soon", "late", "later"]);
    assert_eq!(rig.keyspace.len_of_all(), 1);
}

#[test]
fn keys_that_do_not_expire_stay_under_every_volatile_policy() {
    for merit in [Merit::Recency, Merit::Frequency, Merit::Chance] {
        let mut rig = Rig::new(4);
        for n in 0..40 {
            let expires_ms = (n % 2 == 0).then_some(NOW_MS + 10_000);
            rig.set(0, &n.to_string(), expires_ms, NOW_MS);
        }
        let gone = rig.drain(&rule(merit, true));
        assert_eq!(gone.len(), 20, "{merit:?}");
        assert!(
            gone.iter()
                .all(|key| key.parse::<u64>().expect("a number") % 2 == 0)
        );
        assert_eq!(rig.keyspace.len_of_all(), 20, "{merit:?}");
    }
}

#[test]
fn by_chance_every_key_is_as_likely() {
    let mut first = BTreeMap::new();
    let mut rig = Rig::new(5);
    const ROUNDS: usize = 600;
    for _ in 0..ROUNDS {
        for (db, key) in [(0, "a"), (0, "b"), (5, "c")] {
            rig.set(db, key, None, NOW_MS);
        }
        let gone = rig.drain(&rule(Merit::Chance, false));
        assert_eq!(gone.len(), 3);
        *first.entry(gone[0].clone()).or_insert(0) += 1;
    }
    for (key, times) in &first {
        assert!((150..250).contains(times), "{key} went first {times} times");
    }
}

#[test]
fn a_key_that_is_due_makes_room_as_expired() {
    let mut rig = Rig::new(6);
    rig.set(0, "due", Some(NOW_MS - 1), NOW_MS - 100);
    let any = rule(Merit::Chance, false);
    assert!(rig.evict(&any));
    assert!(!rig.evict(&any));
    let stats = rig.keyspace.stats;
    assert_eq!((stats.evicted_keys, stats.expired_keys), (0, 1));
}

#[test]
fn pages_that_are_not_in_memory_are_passed_over_or_missed_without_a_trace() {
    let mut rig = Rig::new(7);
    for n in 0..5000 {
        rig.set(0, &format!("key:{n}"), None, NOW_MS);
    }
    let used = rig.keyspace.used_bytes();
    let log = rig.keyspace.engine.log().expect("a log").clone();
    log.write_to(log.last_lsn()).expect("written");
    rig.keyspace.engine.forget_cache();
    rig.keyspace.engine.begin_command(OnMiss::Note);
    let any = rule(Merit::Recency, false);
    let missed = rig.keyspace.evict_one(&any, NOW_MS);
    assert!(matches!(missed, Err(Error::Miss)), "{missed:?}");
    assert_eq!(rig.keyspace.used_bytes(), used);
    // With one page of keys in memory, keys of that page go.
    rig.keyspace.engine.begin_command(OnMiss::Read);
    assert!(rig.keyspace.presence(0, b"key:77", NOW_MS).is_ok());
    let mut gone = 0;
    for _ in 0..50 {
        rig.keyspace.engine.begin_command(OnMiss::Note);
        match rig.keyspace.evict_one(&any, NOW_MS) {
            Ok(true) => gone += 1,
            Ok(false) => panic!("there are keys"),
            Err(Error::Miss) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(gone > 0, "keys in memory are found");
    assert_eq!(rig.keyspace.stats.evicted_keys, gone);
}
