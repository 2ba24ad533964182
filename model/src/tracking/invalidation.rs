//! Who has read which keys, and what is sent when these change.
//!
//! A change is told at once to those who have read the key, and to the connection whose command is carried out behind its
//! reply. What BCAST announces comes once a request is over, in the order of prefixes.

use std::collections::{BTreeMap, BTreeSet};

use crate::named_keys;
use crate::pubsub;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, ConnectionId, Database, Entry, Model, Value};
use crate::table;
use crate::transactions;

/// What is remembered of all connections.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// The numbers that the server gave the connections.
    numbers: BTreeMap<ConnectionId, i64>,
    /// The connections that have read a key, in whatever database: also those that are gone, by their numbers.
    readers: BTreeMap<Vec<u8>, BTreeSet<Reader>>,
    /// Keys that have changed in this request, and whose command changed each last.
    changed: BTreeMap<Vec<u8>, Option<ConnectionId>>,
    /// What the connection is told behind its reply: keys, or that all are gone.
    own: Vec<Option<Vec<u8>>>,
    /// A script is running, whose changes are announced to the connection that runs it even with NOLOOP.
    pub in_script: bool,
    /// A key expired that somebody hears of, and nobody has looked at it since.
    pub unsettled: bool,
}

/// A connection and the number that it had.
type Reader = (ConnectionId, Option<i64>);

/// Commands that run others, which are looked at instead.
const RUNNERS: &[&str] = &[
    "exec",
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
];

/// Commands that announce their second key first.
const SECOND_FIRST: &[&str] = &["lmove", "blmove", "rpoplpush", "brpoplpush"];

/// The databases before a command, and what was touched until then.
pub struct Before {
    databases: Vec<Database>,
    touched: BTreeSet<(usize, Vec<u8>)>,
}

impl Call<'_> {
    /// What has to be known of the time before a command, if changes of keys matter to anyone.
    pub fn before(&mut self) -> Option<Before> {
        if RUNNERS.contains(&self.name) || !self.model.changes_matter() {
            return None;
        }
        Some(Before {
            databases: self.model.databases.clone(),
            touched: std::mem::take(&mut self.model.touched),
        })
    }

    /// The command was carried out: its changes are told, and what it read is remembered.
    pub fn behind(&mut self, before: Before, is_done: bool) {
        let own = std::mem::take(&mut self.model.touched);
        if self.model.anybody_waits() {
            let touched: Vec<(usize, Vec<u8>)> = own.iter().cloned().collect();
            self.signal(&before.databases, &touched);
        }
        self.model.touched = before.touched;
        let mut keys: BTreeSet<(usize, Vec<u8>)> = own.clone();
        self.model.touched.extend(own);
        match self.name {
            "swapdb" => keys.clear(),
            "flushdb" | "flushall" => {
                keys.clear();
                if is_done {
                    self.model.flushed(self.connection);
                }
            }
            _ => {
                let changed = changed(&before.databases, &self.model.databases);
                self.model.touched.extend(changed.clone());
                keys.extend(changed);
            }
        }
        let mut keys: Vec<Vec<u8>> = keys.into_iter().map(|(_, key)| key).collect();
        let place = |key: &Vec<u8>| self.args.iter().position(|word| word == key);
        keys.sort_by_key(place);
        if SECOND_FIRST.contains(&self.name) {
            keys.reverse();
        }
        for key in keys {
            self.model.invalidate(&key, Some(self.connection));
        }
        self.remember();
    }

    fn remember(&mut self) {
        let connection = self.connection;
        let Some(declared) = table::find(self.name).filter(|it| it.has_flag("readonly")) else {
            return;
        };
        if !self.connection().tracking.remembers() {
            return;
        }
        let places = match self.name {
            "xread" => named_keys::streams_read(self.args),
            _ => named_keys::places(declared, self.args).unwrap_or_default(),
        };
        let number = self.model.number_of(connection);
        for place in places {
            let key = self.args[place].clone();
            let readers = self.model.remembered.readers.entry(key).or_default();
            readers.insert((connection, number));
        }
    }
}

/// The keys with another entry than before. What a stream's commands change is told by them.
fn changed(before: &[Database], now: &[Database]) -> BTreeSet<(usize, Vec<u8>)> {
    let is_stream =
        |entry: Option<&Entry>| entry.is_some_and(|entry| matches!(entry.value, Value::Stream(_)));
    let mut changed = BTreeSet::new();
    for (number, (before, now)) in before.iter().zip(now).enumerate() {
        for key in before.entries.keys().chain(now.entries.keys()) {
            let (old, new) = (before.entries.get(key), now.entries.get(key));
            let are_streams = is_stream(old) && is_stream(new);
            if !are_streams && !transactions::is_same(old, new) {
                changed.insert((number, key.clone()));
            }
        }
    }
    changed
}

impl Model {
    /// Tells which number the server gave to a connection.
    pub fn number(&mut self, connection: ConnectionId, number: i64) {
        self.remembered.numbers.insert(connection, number);
    }

    /// The number of a connection, as the server's other commands know it.
    pub fn number_of(&self, connection: ConnectionId) -> Option<i64> {
        self.remembered.numbers.get(&connection).copied()
    }

    pub(crate) fn numbered(&self, number: i64) -> Option<ConnectionId> {
        let mut numbers = self.remembered.numbers.iter();
        numbers.find(|it| *it.1 == number).map(|it| *it.0)
    }

    /// Whether anybody hears of changes, or would not run a transaction because of them.
    pub fn changes_matter(&self) -> bool {
        let mut connections = self.connections.values();
        let counts = |it: &crate::state::Connection| {
            it.tracking.on || !it.watches.keys.is_empty() || it.wait.is_some()
        };
        connections.any(counts) || !self.remembered.readers.is_empty()
    }

    /// Whether anyone is told when this key changes.
    pub fn is_heard(&self, key: &[u8]) -> bool {
        self.hears_all_of(key) || !self.listeners(key).is_empty()
    }

    /// Whether anyone has it announced whoever read it.
    pub fn hears_all_of(&self, key: &[u8]) -> bool {
        let mut connections = self.connections.values();
        connections.any(|it| {
            it.tracking
                .prefixes
                .iter()
                .any(|prefix| key.starts_with(prefix))
        })
    }

    /// Whether any connection has changes announced by prefixes.
    pub fn has_broadcasts(&self) -> bool {
        let mut connections = self.connections.values();
        connections.any(|it| it.tracking.bcast)
    }

    /// Whether a connection has changes announced to itself by prefixes.
    pub fn broadcasts_to(&self, number: i64) -> bool {
        let it = self
            .numbered(number)
            .and_then(|id| self.connections.get(&id));
        it.is_some_and(|it| it.tracking.bcast)
    }

    /// Whether a connection is told what others track.
    pub fn is_redirected_to(&self, number: i64) -> bool {
        let mut connections = self.connections.values();
        connections.any(|it| it.tracking.on && it.tracking.redirect == number)
    }

    fn listeners(&self, key: &[u8]) -> Vec<ConnectionId> {
        let readers = self.remembered.readers.get(key).into_iter().flatten();
        let listens = |(id, number): &&Reader| {
            let tracking = self.connections.get(id).map(|it| &it.tracking);
            let is_same = self.number_of(*id) == *number;
            is_same && tracking.is_some_and(|it| it.on && !it.bcast)
        };
        let mut listeners: Vec<ConnectionId> = readers.filter(listens).map(|(id, _)| *id).collect();
        listeners.sort_by_key(|id| self.number_of(*id));
        listeners
    }

    /// How many keys must be forgotten before the next request, which the server chooses.
    pub fn crowded_keys(&self) -> usize {
        let most = self.directive("tracking-table-max-keys");
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let tracked = self.connections.values().any(|it| it.tracking.on);
        if most == 0 || !tracked {
            return 0;
        }
        self.remembered.readers.len().saturating_sub(most)
    }

    /// The one connection that is told of every key that may be forgotten, if there is one.
    pub fn told_of_all(&self) -> Option<ConnectionId> {
        let mut listeners = self
            .remembered
            .readers
            .keys()
            .map(|key| self.listeners(key));
        let first = listeners.next()?;
        let [listener] = first[..] else {
            return None;
        };
        let is_only = listeners.all(|it| it == [listener]);
        let own = &self.connections[&listener];
        let receiver = match own.tracking.redirect {
            0 => Some(listener),
            redirect => self.numbered(redirect),
        };
        let hears = |id: &ConnectionId| {
            self.connections.get(id).is_some_and(|it| {
                it.protocol == Protocol::Resp3 || *id != listener && it.subscriptions.any()
            })
        };
        receiver.filter(hears).filter(|_| is_only)
    }

    /// The server has forgotten a key to make room. Nothing happens if nobody had read it.
    pub fn forget_key(&mut self, key: &[u8]) {
        for listener in self.listeners(key) {
            self.tell(listener, Some(vec![key.to_vec()]));
        }
        self.remembered.readers.remove(key);
    }

    /// What INFO tells of tracking: the connections, the keys, their readers in all, and the prefixes.
    pub fn tracking_sizes(&self) -> [usize; 4] {
        let connections = self.connections.values();
        let connections = connections.filter(|it| it.tracking.on);
        let readers = &self.remembered.readers;
        let prefixes = connections.clone().flat_map(|it| &it.tracking.prefixes);
        [
            connections.count(),
            readers.len(),
            readers.values().map(BTreeSet::len).sum(),
            prefixes.collect::<BTreeSet<_>>().len(),
        ]
    }

    /// A key has changed; `maker` is the connection whose command is carried out.
    pub(crate) fn invalidate(&mut self, key: &[u8], maker: Option<ConnectionId>) {
        if self.hears_all_of(key) {
            let author = maker.filter(|_| !self.remembered.in_script);
            self.remembered.changed.insert(key.to_vec(), author);
        }
        for listener in self.listeners(key) {
            let is_own = maker == Some(listener);
            if is_own && self.connections[&listener].tracking.noloop {
                continue;
            }
            if is_own {
                self.remembered.own.push(Some(key.to_vec()));
            } else {
                self.tell(listener, Some(vec![key.to_vec()]));
            }
        }
        self.remembered.readers.remove(key);
    }

    /// All keys are gone, as far as those who track are told.
    fn flushed(&mut self, maker: ConnectionId) {
        let tracking = self.connections.iter().filter(|(_, it)| it.tracking.on);
        let mut all: Vec<ConnectionId> = tracking.map(|(id, _)| *id).collect();
        // The eldest is told first.
        all.sort_by_key(|id| self.number_of(*id));
        for connection in all {
            if connection == maker {
                self.remembered.own.push(None);
            } else {
                self.tell(connection, None);
            }
        }
        self.remembered.readers.clear();
    }

    /// Sends the keys, or that all are gone, to a connection or to whom it redirects.
    fn tell(&mut self, connection: ConnectionId, keys: Option<Vec<Vec<u8>>>) {
        let (own, tracking) = {
            let it = &self.connections[&connection];
            (it.protocol, it.tracking.clone())
        };
        // That all are gone is said in the protocol of the connection that tracks, whoever hears it.
        let list = keys.map(|keys| Reply::Array(keys.into_iter().map(Reply::Bulk).collect()));
        let what = Reply::Encoded(list.unwrap_or(Reply::Null).encode(own));
        let mut receiver = connection;
        if tracking.redirect != 0 {
            let Some(target) = self.numbered(tracking.redirect) else {
                self.connection_mut(connection).tracking.is_broken = true;
                if own == Protocol::Resp3 {
                    let word = Reply::bulk(b"tracking-redir-broken");
                    let number = Reply::Integer(tracking.redirect);
                    self.post(connection, &Reply::Push(vec![word, number]));
                }
                return;
            };
            receiver = target;
        }
        let (protocol, listens) = {
            let it = self.connection_mut(receiver);
            (it.protocol, it.subscriptions.any())
        };
        if protocol == Protocol::Resp3 {
            let word = Reply::bulk(b"invalidate");
            self.post(receiver, &Reply::Push(vec![word, what]));
        } else if tracking.redirect != 0 && listens {
            let [word, channel] = [&b"message"[..], pubsub::INVALIDATIONS].map(Reply::bulk);
            self.post(receiver, &Reply::Push(vec![word, channel, what]));
        }
    }

    /// A command is over: its connection is told what it changed itself.
    pub(crate) fn tell_own(&mut self, connection: ConnectionId) {
        for key in std::mem::take(&mut self.remembered.own) {
            self.tell(connection, key.map(|key| vec![key]));
        }
    }

    /// A request is over, and all that it has set off: what has changed is announced.
    pub(crate) fn announce(&mut self) {
        let changed = std::mem::take(&mut self.remembered.changed);
        let mut prefixes: Vec<(Vec<u8>, ConnectionId, bool)> = Vec::new();
        for (id, it) in &self.connections {
            let own = it.tracking.prefixes.iter().cloned();
            prefixes.extend(own.map(|prefix| (prefix, *id, it.tracking.noloop)));
        }
        prefixes.sort();
        for (prefix, id, noloop) in prefixes {
            let of_prefix = changed.iter().filter(|(key, _)| key.starts_with(&prefix));
            let heard = of_prefix.filter(|(_, maker)| !(noloop && **maker == Some(id)));
            let keys: Vec<Vec<u8>> = heard.map(|(key, _)| key.clone()).collect();
            if !keys.is_empty() {
                self.tell(id, Some(keys));
            }
        }
    }

    /// The keys that have expired and that somebody hears of, with their databases.
    pub fn due(&self, now_ms: i64) -> Vec<(usize, Vec<u8>)> {
        let mut due = Vec::new();
        for (number, database) in self.databases.iter().enumerate() {
            let expired = database.entries.iter();
            let expired = expired.filter(|(_, it)| it.expires_at_ms.is_some_and(|at| at < now_ms));
            let heard =
                expired.filter(|(key, _)| self.is_heard(key) || self.is_mourned(number, key));
            due.extend(heard.map(|(key, _)| (number, key.clone())));
        }
        due
    }

    /// The server has removed a key that had expired.
    pub fn expire(&mut self, database: usize, key: &[u8], now_ms: i64) {
        let watched = self.watched();
        let it = &mut self.databases[database];
        it.entries.remove(key);
        it.ghosts.insert(key.to_vec());
        self.compare_watched(watched);
        self.ended(database, key);
        self.removed_by_time(database, key, now_ms);
    }

    /// The server has removed a key that had expired, or fields of it.
    pub fn removed_by_time(&mut self, database: usize, key: &[u8], now_ms: i64) {
        self.invalidate(key, None);
        self.changed_by_others(database, key);
        self.serve(now_ms);
        self.announce();
    }

    pub(crate) fn forget_reader(&mut self, connection: ConnectionId) {
        for readers in self.remembered.readers.values_mut() {
            readers.remove(&(connection, None));
        }
        self.remembered.numbers.remove(&connection);
    }
}
