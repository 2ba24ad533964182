//! Who listens to which channels and patterns.
//!
//! Subscriptions change and messages are published under the engine lock, so that all connections see one order.
//! Only the end of a connection comes without it, and finds the lock of this table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::client::Entry;
use super::outgoing::Outgoing;
use crate::resp::glob::{Case, matches};

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Channel,
    Pattern,
    /// A channel of SSUBSCRIBE and SPUBLISH.
    Shard,
}

const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

/// Numbers of subscriptions, of one connection or of different names in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub channels: usize,
    pub patterns: usize,
    pub shards: usize,
}

impl Counts {
    /// Whether there is any subscription.
    pub fn any(self) -> bool {
        self.channels + self.patterns + self.shards > 0
    }

    /// The number that confirmations of this kind show.
    pub fn shown(self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels + self.patterns,
            Kind::Shard => self.shards,
        }
    }
}

type Name = Arc<[u8]>;
type Listeners = BTreeMap<u64, Arc<Entry>>;

/// What one connection listens to.
#[derive(Debug, Default)]
struct Own([BTreeSet<Name>; 3]);

impl Own {
    fn counts(&self) -> Counts {
        let [channels, patterns, shards] = self.0.each_ref().map(BTreeSet::len);
        Counts {
            channels,
            patterns,
            shards,
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    /// By kind: every name and its listeners, of which there is at least one.
    listeners: [BTreeMap<Name, Listeners>; 3],
    /// By connection; those that listen to nothing are not here.
    own: BTreeMap<u64, Own>,
}

impl Table {
    fn subscribe(&mut self, entry: &Arc<Entry>, kind: Kind, name: &[u8]) -> bool {
        let own = &mut self.own.entry(entry.id).or_default().0[kind as usize];
        if own.contains(name) {
            return false;
        }
        let names = &mut self.listeners[kind as usize];
        let name = match names.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Name::from(name),
        };
        own.insert(Arc::clone(&name));
        let listeners = names.entry(name).or_default();
        listeners.insert(entry.id, Arc::clone(entry));
        true
    }

    fn unsubscribe(&mut self, id: u64, kind: Kind, name: &[u8]) -> bool {
        let Some(own) = self.own.get_mut(&id) else {
            return false;
        };
        if !own.0[kind as usize].remove(name) {
            return false;
        }
        if !own.counts().any() {
            self.own.remove(&id);
        }
        self.stop(id, kind, name);
        true
    }

    /// The name has one listener less.
    fn stop(&mut self, id: u64, kind: Kind, name: &[u8]) {
        let names = &mut self.listeners[kind as usize];
        let listeners = names.get_mut(name).expect("a name that is listened to");
        let listener = listeners.remove(&id);
        assert!(listener.is_some(), "both sides know of a subscription");
        if listeners.is_empty() {
            names.remove(name);
        }
    }

    fn counts(&self, id: u64) -> Counts {
        self.own.get(&id).map(Own::counts).unwrap_or_default()
    }
}

/// A change of a connection's subscriptions that a failed command takes back.
#[derive(Clone, Debug)]
pub struct Step {
    kind: Kind,
    name: Name,
    subscribed: bool,
}

/// All subscriptions of all connections.
#[derive(Debug, Default)]
pub struct Subscriptions {
    table: Mutex<Table>,
    /// Different channels and patterns. Changes with the table; readers who hold no lock learn only whether a look
    /// into the table is worth it, and those who must not miss anything hold the engine lock.
    heard: AtomicUsize,
}

impl Subscriptions {
    /// Whether anybody listens to channels or patterns, those of shards not counted.
    pub fn any(&self) -> bool {
        self.heard.load(Ordering::Relaxed) > 0
    }

    fn count(&self, table: &Table) {
        let [channels, patterns, _] = &table.listeners;
        self.heard
            .store(channels.len() + patterns.len(), Ordering::Relaxed);
    }

    /// Subscribes the connection; the second answer is what can take it back, if it was not subscribed yet.
    pub fn subscribe(&self, entry: &Arc<Entry>, kind: Kind, name: &[u8]) -> (Counts, Option<Step>) {
        let mut table = self.table.lock();
        let changed = table.subscribe(entry, kind, name);
        self.count(&table);
        let step = changed.then(|| Step {
            kind,
            name: name.into(),
            subscribed: true,
        });
        (table.counts(entry.id), step)
    }

    /// Ends a subscription, if there is one.
    pub fn unsubscribe(&self, id: u64, kind: Kind, name: &[u8]) -> (Counts, Option<Step>) {
        let mut table = self.table.lock();
        let changed = table.unsubscribe(id, kind, name);
        self.count(&table);
        let step = changed.then(|| Step {
            kind,
            name: name.into(),
            subscribed: false,
        });
        (table.counts(id), step)
    }

    /// Takes back a change of this connection.
    pub fn undo(&self, entry: &Arc<Entry>, step: &Step) -> Counts {
        let mut table = self.table.lock();
        if step.subscribed {
            table.unsubscribe(entry.id, step.kind, &step.name);
        } else {
            table.subscribe(entry, step.kind, &step.name);
        }
        self.count(&table);
        table.counts(entry.id)
    }

    /// Ends all subscriptions of a connection.
    pub fn leave(&self, id: u64) {
        let mut table = self.table.lock();
        let Some(own) = table.own.remove(&id) else {
            return;
        };
        for kind in KINDS {
            for name in &own.0[kind as usize] {
                table.stop(id, kind, name);
            }
        }
        self.count(&table);
    }

    /// What the connection listens to, in order.
    pub fn names(&self, id: u64, kind: Kind) -> Vec<Arc<[u8]>> {
        let table = self.table.lock();
        let own = table.own.get(&id).map(|own| &own.0[kind as usize]);
        own.into_iter().flatten().cloned().collect()
    }

    /// Puts a message of a channel (or of a shard's channel) into `outgoing` for everyone who listens; returns how
    /// many messages these are.
    pub fn publish(
        &self,
        kind: Kind,
        channel: &[u8],
        message: &[u8],
        outgoing: &mut Outgoing,
    ) -> usize {
        let table = self.table.lock();
        let mut receivers = 0;
        if let Some(listeners) = table.listeners[kind as usize].get(channel) {
            let word: &[u8] = match kind {
                Kind::Shard => b"smessage",
                Kind::Channel | Kind::Pattern => b"message",
            };
            receivers += listeners.len();
            outgoing.add(&[word, channel, message], listeners.values());
        }
        if kind == Kind::Channel {
            for (pattern, listeners) in &table.listeners[Kind::Pattern as usize] {
                if matches(pattern, channel, Case::Sensitive) {
                    receivers += listeners.len();
                    outgoing.add(
                        &[b"pmessage", pattern, channel, message],
                        listeners.values(),
                    );
                }
            }
        }
        receivers
    }

    /// The names that are listened to and match `pattern`, in order.
    pub fn matching(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let table = self.table.lock();
        table.listeners[kind as usize]
            .keys()
            .filter(|name| pattern.is_none_or(|pattern| matches(pattern, name, Case::Sensitive)))
            .cloned()
            .collect()
    }

    /// How many connections listen to a name.
    pub fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        let table = self.table.lock();
        table.listeners[kind as usize]
            .get(name)
            .map_or(0, Listeners::len)
    }

    /// How many different names are listened to.
    pub fn sizes(&self) -> Counts {
        let table = self.table.lock();
        let [channels, patterns, shards] = table.listeners.each_ref().map(BTreeMap::len);
        Counts {
            channels,
            patterns,
            shards,
        }
    }

    /// How many connections listen to anything.
    pub fn clients(&self) -> usize {
        self.table.lock().own.len()
    }
}
