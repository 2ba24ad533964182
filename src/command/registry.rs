//! The connections of the server, by number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::client::{Entry, signal};

/// Every open connection. Its lock is taken when one opens or closes, and by commands that look at all.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
    /// The number of entries.
    len: AtomicUsize,
    last_id: AtomicU64,
    monitors: Mutex<Vec<Arc<Entry>>>,
    monitors_len: AtomicUsize,
}

impl Registry {
    /// A number that no connection had before.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a connection.
    pub fn insert(&self, entry: Arc<Entry>) {
        let mut entries = self.entries.lock();
        let old = entries.insert(entry.id, entry);
        assert!(old.is_none(), "connection numbers are never reused");
        self.len.store(entries.len(), Ordering::Relaxed);
    }

    /// Forgets a connection.
    pub fn remove(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries.lock();
        entries.remove(&entry.id);
        self.len.store(entries.len(), Ordering::Relaxed);
        drop(entries);
        self.remove_monitor(entry);
    }

    pub fn get(&self, id: u64) -> Option<Arc<Entry>> {
        self.entries.lock().get(&id).cloned()
    }

    /// All connections, oldest first.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.lock().values().cloned().collect()
    }

    /// Asks the same of every connection.
    pub fn signal_all(&self, bits: u32) {
        for entry in self.entries.lock().values() {
            entry.signal(bits);
        }
    }

    /// Closes the connections that have been silent for longer than `timeout_ms`, except blocked ones, monitors and
    /// subscribers.
    pub fn close_idle(&self, now_ms: u64, timeout_ms: u64) {
        for entry in self.entries.lock().values() {
            let idle_ms = now_ms.saturating_sub(entry.active_ms.load(Ordering::Relaxed));
            if idle_ms <= timeout_ms {
                continue;
            }
            let exempt = {
                let view = entry.view.lock();
                view.blocked || view.monitor || view.subscriptions.any()
            };
            if !exempt {
                entry.signal(signal::KILL);
            }
        }
    }

    /// Whether any connection watches the commands of all.
    pub fn has_monitors(&self) -> bool {
        self.monitors_len.load(Ordering::Relaxed) > 0
    }

    pub fn add_monitor(&self, entry: Arc<Entry>) {
        let mut monitors = self.monitors.lock();
        monitors.push(entry);
        self.monitors_len.store(monitors.len(), Ordering::Relaxed);
    }

    pub fn remove_monitor(&self, entry: &Arc<Entry>) {
        if !self.has_monitors() {
            return;
        }
        let mut monitors = self.monitors.lock();
        monitors.retain(|monitor| !Arc::ptr_eq(monitor, entry));
        self.monitors_len.store(monitors.len(), Ordering::Relaxed);
    }

    /// Sees every monitor.
    pub fn each_monitor(&self, see: impl FnMut(&Arc<Entry>)) {
        self.monitors.lock().iter().for_each(see);
    }
}
