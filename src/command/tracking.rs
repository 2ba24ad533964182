//! Client tracking: which connections have read which keys, and are told when these change.
//!
//! A connection that tracks with BCAST hears of every key that begins with one of its prefixes, read or not. All
//! tables change under the engine lock, but for the end of a connection, which finds the lock of the tables. A key that
//! a closed connection has read stays in the table until it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::client::Entry;
use super::client_eviction::TABLE_ENTRY_BYTES;

/// What CLIENT TRACKING says beside REDIRECT and PREFIX, and CLIENT CACHING.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    pub on: bool,
    pub bcast: bool,
    pub optin: bool,
    pub optout: bool,
    pub noloop: bool,
    /// CLIENT CACHING was said for the next command or transaction.
    pub caching: bool,
    /// The connection that receives the messages; 0: this one.
    pub redirect: u64,
}

impl Mode {
    /// Whether the keys of a command that only reads are to be remembered.
    pub fn remembers(self) -> bool {
        self.on && !self.bcast && (!self.optin || self.caching) && !(self.optout && self.caching)
    }
}

/// Who is to be told.
#[derive(Clone, Debug)]
pub struct Target {
    pub entry: Arc<Entry>,
    /// Who gets the message in its stead; 0: nobody.
    pub redirect: u64,
}

/// Those who are to be told of one change.
pub type Targets = SmallVec<[Target; 4]>;

/// A message with the same keys to some connections.
#[derive(Debug)]
pub struct Broadcast {
    pub keys: Vec<Box<[u8]>>,
    pub targets: Targets,
}

/// A connection that tracks.
#[derive(Debug)]
struct Tracker {
    target: Target,
    bcast: bool,
    noloop: bool,
    prefixes: BTreeSet<Box<[u8]>>,
}

/// What is to be broadcast under one prefix.
#[derive(Debug, Default)]
struct Prefix {
    trackers: BTreeSet<u64>,
    /// Keys that changed since the last broadcast, and who changed each last (0: nobody's command did).
    changed: BTreeMap<Box<[u8]>, u64>,
}

#[derive(Debug, Default)]
struct Tables {
    trackers: BTreeMap<u64, Tracker>,
    /// The numbers of the connections that have read a key.
    readers: BTreeMap<Box<[u8]>, SmallVec<[u64; 2]>>,
    /// The numbers in `readers`, in all.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Where in `readers` keys were forgotten last to make room.
    hand: Box<[u8]>,
    /// Times in a row that there was not enough room made.
    crowded: usize,
}

/// Sizes for INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub trackers: usize,
    pub keys: usize,
    pub items: usize,
    pub prefixes: usize,
}

/// What all connections track.
#[derive(Debug, Default)]
pub struct Tracking {
    tables: Mutex<Tables>,
    /// How many connections track, and how many keys are in the table. Whoever must not miss a change of them holds
    /// the engine lock.
    trackers: AtomicUsize,
    keys: AtomicUsize,
}

impl Tracking {
    /// Whether changes of keys matter here: somebody tracks, or did and what was read is remembered.
    pub fn any(&self) -> bool {
        self.trackers.load(Ordering::Relaxed) > 0 || self.keys.load(Ordering::Relaxed) > 0
    }

    fn count(&self, tables: &Tables) {
        self.trackers
            .store(tables.trackers.len(), Ordering::Relaxed);
        self.keys.store(tables.readers.len(), Ordering::Relaxed);
    }

    /// The connection tracks in this mode from now on; the prefixes come to those it has.
    pub fn begin(&self, entry: &Arc<Entry>, mode: Mode, prefixes: &[&[u8]]) {
        let mut tables = self.tables.lock();
        let target = Target {
            entry: Arc::clone(entry),
            redirect: mode.redirect,
        };
        let tracker = tables.trackers.entry(entry.id).or_insert_with(|| Tracker {
            target: target.clone(),
            bcast: false,
            noloop: false,
            prefixes: BTreeSet::new(),
        });
        tracker.target = target;
        tracker.bcast = mode.bcast;
        tracker.noloop = mode.noloop;
        if mode.bcast {
            for &prefix in prefixes {
                if tracker.prefixes.insert(prefix.into()) {
                    let bytes = prefix.len() + TABLE_ENTRY_BYTES;
                    entry.prefix_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
            }
            for &prefix in prefixes {
                let prefix = tables.prefixes.entry(prefix.into()).or_default();
                prefix.trackers.insert(entry.id);
            }
        }
        self.count(&tables);
    }

    /// The connection tracks no longer.
    pub fn end(&self, id: u64) {
        if self.trackers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut tables = self.tables.lock();
        let Some(tracker) = tables.trackers.remove(&id) else {
            return;
        };
        let entry = &tracker.target.entry;
        entry.prefix_bytes.store(0, Ordering::Relaxed);
        for name in &tracker.prefixes {
            let prefix = tables.prefixes.get_mut(name).expect("a known prefix");
            prefix.trackers.remove(&id);
            if prefix.trackers.is_empty() {
                tables.prefixes.remove(name);
            }
        }
        self.count(&tables);
    }

    /// The prefixes of a connection, in order.
    pub fn prefixes(&self, id: u64) -> Vec<Box<[u8]>> {
        let tables = self.tables.lock();
        let tracker = tables.trackers.get(&id);
        tracker
            .into_iter()
            .flat_map(|tracker| &tracker.prefixes)
            .cloned()
            .collect()
    }

    /// The connection has read the key.
    pub fn remember(&self, id: u64, key: &[u8]) {
        let mut tables = self.tables.lock();
        let tables = &mut *tables;
        let added = match tables.readers.get_mut(key) {
            Some(ids) if ids.contains(&id) => false,
            Some(ids) => {
                ids.push(id);
                true
            }
            None => {
                tables.readers.insert(key.into(), smallvec::smallvec![id]);
                true
            }
        };
        tables.items += usize::from(added);
        self.count(tables);
    }

    /// The key has changed: who is told at once. `maker` is the connection whose command is carried out, 0 if none;
    /// `is_own`: the command itself made the change, and no script or time.
    pub fn changed(&self, key: &[u8], maker: u64, is_own: bool) -> Targets {
        let mut tables = self.tables.lock();
        for (prefix, state) in &mut tables.prefixes {
            if key.starts_with(prefix) {
                let author = if is_own { maker } else { 0 };
                state.changed.insert(key.into(), author);
            }
        }
        let targets = tables.forget(key, maker);
        self.count(&tables);
        targets
    }

    /// All keys are gone: who is told. Nothing is remembered any more.
    pub fn flushed(&self) -> Targets {
        let mut tables = self.tables.lock();
        tables.readers.clear();
        tables.items = 0;
        self.count(&tables);
        let trackers = tables.trackers.values();
        trackers.map(|tracker| tracker.target.clone()).collect()
    }

    /// Whether more than `keys_max` keys are remembered (0: there is no limit).
    pub fn is_over(&self, keys_max: u64) -> bool {
        keys_max != 0 && self.keys.load(Ordering::Relaxed) as u64 > keys_max
    }

    /// Forgets keys above `keys_max`, some at a time, and more the longer there are too many: each with those who are
    /// told as if it had changed.
    pub fn make_room(&self, keys_max: u64) -> Vec<(Box<[u8]>, Targets)> {
        const KEYS_AT_ONCE: usize = 100;
        let mut tables = self.tables.lock();
        let mut forgotten = Vec::new();
        for _ in 0..KEYS_AT_ONCE * (tables.crowded + 1) {
            if tables.readers.len() as u64 <= keys_max {
                break;
            }
            let Some(key) = tables.next() else { break };
            let targets = tables.forget(&key, 0);
            forgotten.push((key, targets));
        }
        if tables.readers.len() as u64 <= keys_max {
            tables.crowded = 0;
        } else {
            tables.crowded += 1;
        }
        self.count(&tables);
        forgotten
    }

    /// What changed under every prefix since the last call, and for whom it is.
    pub fn broadcasts(&self) -> Vec<Broadcast> {
        let mut tables = self.tables.lock();
        let tables = &mut *tables;
        let mut broadcasts = Vec::new();
        for prefix in tables.prefixes.values_mut() {
            if prefix.changed.is_empty() {
                continue;
            }
            let changed = std::mem::take(&mut prefix.changed);
            let mut to_all = Targets::new();
            for id in &prefix.trackers {
                let tracker = &tables.trackers[id];
                if !tracker.noloop {
                    to_all.push(tracker.target.clone());
                    continue;
                }
                let of_others = changed.iter().filter(|(_, maker)| *maker != id);
                let keys: Vec<Box<[u8]>> = of_others.map(|(key, _)| key.clone()).collect();
                if !keys.is_empty() {
                    broadcasts.push(Broadcast {
                        keys,
                        targets: smallvec::smallvec![tracker.target.clone()],
                    });
                }
            }
            if !to_all.is_empty() {
                broadcasts.push(Broadcast {
                    keys: changed.into_keys().collect(),
                    targets: to_all,
                });
            }
        }
        broadcasts
    }

    pub fn sizes(&self) -> Sizes {
        let tables = self.tables.lock();
        Sizes {
            trackers: tables.trackers.len(),
            keys: tables.readers.len(),
            items: tables.items,
            prefixes: tables.prefixes.len(),
        }
    }
}

impl Tables {
    /// Forgets who has read the key; those of them that still track are told.
    fn forget(&mut self, key: &[u8], maker: u64) -> Targets {
        let Some(ids) = self.readers.remove(key) else {
            return Targets::new();
        };
        self.items -= ids.len();
        let trackers = ids.iter().filter_map(|id| self.trackers.get(id));
        trackers
            .filter(|tracker| !tracker.bcast)
            .filter(|tracker| !(tracker.noloop && tracker.target.entry.id == maker))
            .map(|tracker| tracker.target.clone())
            .collect()
    }

    /// The key behind the hand, which moves there; around the end.
    fn next(&mut self) -> Option<Box<[u8]>> {
        let behind = (Bound::Excluded(&*self.hand), Bound::Unbounded);
        let next = self.readers.range::<[u8], _>(behind).next();
        let (key, _) = next.or_else(|| self.readers.iter().next())?;
        self.hand = key.clone();
        Some(self.hand.clone())
    }
}
