//! WATCH: which connections watch which keys, and whose EXEC therefore fails.
//!
//! A watch remembers whether its key was there. While nobody is told of a change that stays true, so a flushed or
//! swapped database concerns exactly the keys that it makes come or go. A connection one of whose keys changed is
//! marked ([`WatchMark`]) and, unless a whole database changed, watches nothing any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::client::Entry;
use crate::keyspace::Keyspace;
use crate::keyspace::change::Change;
use crate::keyspace::expiry::Presence;
use crate::storage::{Error, OnMiss};

/// What a connection's entry says of its watches. Written under the table's lock.
#[derive(Debug, Default)]
pub struct WatchMark {
    keys: AtomicUsize,
    changed: AtomicBool,
}

impl WatchMark {
    /// How many keys it watches.
    pub fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Whether one of its keys changed, so that its EXEC is going to fail.
    pub fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }
}

/// All watches. Its lock is taken under the engine lock, or alone.
#[derive(Debug, Default)]
pub struct WatchTable {
    table: Mutex<Table>,
    watchers: AtomicUsize,
}

type Key = Box<[u8]>;

#[derive(Debug, Default)]
struct Table {
    watchers: BTreeMap<u64, Watcher>,
    /// By database and key: the numbers of the watchers, and what was at the key.
    watches: BTreeMap<u32, BTreeMap<Key, BTreeMap<u64, Presence>>>,
}

/// The keys that a connection watched, and what was found at each.
#[derive(Debug, Default)]
pub(super) struct Lifted(Vec<(u32, Key, Presence)>);

#[derive(Debug)]
struct Watcher {
    entry: Arc<Entry>,
    keys: Vec<(u32, Key)>,
}

impl WatchTable {
    /// How many connections watch keys.
    pub fn watchers(&self) -> usize {
        // Pairs with the release in `watch`: whoever heard that a watch began changes nothing behind its back.
        self.watchers.load(Ordering::Acquire)
    }

    /// How many keys are watched.
    pub fn keys(&self) -> usize {
        self.table.lock().watches.values().map(BTreeMap::len).sum()
    }

    /// A connection watches a key at which this was found. If it does already, nothing changes.
    pub fn watch(&self, entry: &Arc<Entry>, db: u32, key: &[u8], found: Presence) {
        let mut table = self.table.lock();
        let of_key = table.watches.entry(db).or_default().entry(key.into());
        let watches = of_key.or_default();
        if watches.contains_key(&entry.id) {
            return;
        }
        watches.insert(entry.id, found);
        let watcher = table.watchers.entry(entry.id).or_insert_with(|| Watcher {
            entry: Arc::clone(entry),
            keys: Vec::new(),
        });
        watcher.keys.push((db, key.into()));
        entry
            .watch
            .keys
            .store(watcher.keys.len(), Ordering::Relaxed);
        self.watchers.store(table.watchers.len(), Ordering::Release);
    }

    /// A connection watches nothing any more, and no change counts.
    pub fn forget(&self, entry: &Entry) {
        if entry.watch.keys() > 0 {
            let mut table = self.table.lock();
            table.remove(entry.id);
            self.watchers.store(table.watchers.len(), Ordering::Relaxed);
        }
        entry.watch.changed.store(false, Ordering::Relaxed);
    }

    /// Takes away what a connection watches, while its transaction runs.
    pub(super) fn lift(&self, entry: &Entry) -> Lifted {
        if entry.watch.keys() == 0 {
            return Lifted::default();
        }
        let mut table = self.table.lock();
        let presence = |table: &Table, db: u32, key: &Key| table.watches[&db][key][&entry.id];
        let keys = table.watchers[&entry.id].keys.iter();
        let keys = keys.map(|(db, key)| (*db, key.clone(), presence(&table, *db, key)));
        let lifted = Lifted(keys.collect());
        table.remove(entry.id);
        self.watchers.store(table.watchers.len(), Ordering::Relaxed);
        lifted
    }

    /// Gives a connection back what it watched: its transaction did not happen. The engine lock was held since.
    pub(super) fn lay(&self, entry: &Arc<Entry>, lifted: &Lifted) {
        for (db, key, found) in &lifted.0 {
            self.watch(entry, *db, key, *found);
        }
    }

    /// Whether a key that a connection watches is due, and was not when the watch began.
    pub fn has_expired(
        &self,
        keyspace: &mut Keyspace,
        entry: &Entry,
        now_ms: u64,
    ) -> Result<bool, Error> {
        if entry.watch.keys() == 0 {
            return Ok(false);
        }
        let table = self.table.lock();
        let Some(watcher) = table.watchers.get(&entry.id) else {
            return Ok(false);
        };
        for (db, key) in &watcher.keys {
            if table.watches[db][key][&entry.id] != Presence::Due
                && keyspace.presence(*db, key, now_ms)? == Presence::Due
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Marks the connections that watch what was changed.
    pub(super) fn see(&self, changes: &[Change], keyspace: &mut Keyspace, now_ms: u64) {
        let mut table = self.table.lock();
        for change in changes {
            match change {
                Change::Touched { db, key, expired } => table.touched(*db, key, || {
                    *expired || presence(keyspace, *db, key, now_ms) == Presence::Absent
                }),
                Change::Flushed { db } => table.replaced(*db, |_| Presence::Absent),
                Change::Swapped { a, b } => {
                    for db in [*a, *b] {
                        table.replaced(db, |key| presence(keyspace, db, key, now_ms));
                    }
                }
                Change::Event { .. }
                | Change::Ready { .. }
                | Change::FieldExpired { .. }
                | Change::Effect { .. } => {}
            }
        }
        self.watchers.store(table.watchers.len(), Ordering::Relaxed);
    }
}

/// What is at a key now. What cannot be read counts as changed.
fn presence(keyspace: &mut Keyspace, db: u32, key: &[u8], now_ms: u64) -> Presence {
    let before = keyspace.engine.pager_mut().set_on_miss(OnMiss::Read);
    let found = keyspace.presence(db, key, now_ms);
    keyspace.engine.pager_mut().set_on_miss(before);
    found.unwrap_or(Presence::Live)
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Watcher> {
        let watcher = self.watchers.remove(&id)?;
        for (db, key) in &watcher.keys {
            let Some(keys) = self.watches.get_mut(db) else {
                continue;
            };
            if let Some(watches) = keys.get_mut(key) {
                watches.remove(&id);
                if watches.is_empty() {
                    keys.remove(key);
                }
            }
            if keys.is_empty() {
                self.watches.remove(db);
            }
        }
        watcher.entry.watch.keys.store(0, Ordering::Relaxed);
        Some(watcher)
    }

    fn changed(&mut self, id: u64) {
        if let Some(watcher) = self.remove(id) {
            watcher.entry.watch.changed.store(true, Ordering::Relaxed);
        }
    }

    /// A key changed. That it `is_gone` is no change to who found it due.
    fn touched(&mut self, db: u32, key: &[u8], is_gone: impl FnOnce() -> bool) {
        let watches = self.watches.get_mut(&db).and_then(|keys| keys.get_mut(key));
        let Some(watches) = watches else {
            return;
        };
        let mut changed = Vec::new();
        let is_gone = watches.values().any(|found| *found == Presence::Due) && is_gone();
        for (&id, found) in watches {
            if is_gone && *found == Presence::Due {
                *found = Presence::Absent;
            } else {
                changed.push(id);
            }
        }
        for id in changed {
            self.changed(id);
        }
    }

    /// A whole database has other content: `found` says what is at a key now.
    fn replaced(&mut self, db: u32, mut found: impl FnMut(&[u8]) -> Presence) {
        for (key, watches) in self.watches.get_mut(&db).into_iter().flatten() {
            let now = found(key);
            for (id, before) in watches {
                if *before == Presence::Live || now == Presence::Live {
                    let mark = &self.watchers[id].entry.watch;
                    mark.changed.store(true, Ordering::Relaxed);
                } else {
                    *before = now;
                }
            }
        }
    }
}
