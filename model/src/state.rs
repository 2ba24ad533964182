//! The state: databases, values, connections, and the frame in which a request is executed.

use std::collections::{BTreeMap, BTreeSet};

use crate::blocking::{Lines, Wait};
use crate::commands;
use crate::configuration::Configuration;
use crate::databases;
use crate::dumps::Dumps;
use crate::errors::{self, Failure};
use crate::hashes::{Field, Hash};
use crate::numbers;
use crate::pubsub::{self, Subscriptions};
use crate::quicklist::List;
use crate::reply::{Protocol, Reply};
use crate::scripts::Cache;
use crate::scripts::functions::Loaded;
use crate::sets::Set;
use crate::sorted_sets::SortedSet;
use crate::stages::Stages;
use crate::streams::Stream;
use crate::tracking::Tracking;
use crate::tracking::invalidation::Remembered;
use crate::transactions::{Transaction, Watches};
use crate::users::log::Log;
use crate::users::{self, Users};

/// The number of databases, as Redis starts with by default.
pub const DATABASES: usize = 16;

/// The longest string Redis stores: the default of `proto-max-bulk-len`, in bytes.
pub const STRING_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The longest text that Redis keeps in one allocation with its header, in bytes.
const EMBEDDED_BYTES_MAX: usize = 44;

/// Integers below this one are shared objects in Redis.
const SHARED_INTEGERS: i64 = 10_000;

/// How Redis would hold a string; only OBJECT shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Integer,
    Embedded,
    Raw,
}

/// A string value with what OBJECT can tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub bytes: Vec<u8>,
    pub encoding: Encoding,
    /// One of the preallocated small integers.
    pub shared: bool,
}

impl Text {
    /// A value that came in as a whole: an integer if it reads as one, embedded if short.
    pub fn encoded(bytes: Vec<u8>) -> Text {
        match numbers::canonical(&bytes) {
            Some(number) => Text {
                bytes,
                encoding: Encoding::Integer,
                shared: (0..SHARED_INTEGERS).contains(&number),
            },
            None => Text::unencoded(bytes),
        }
    }

    /// A value that is never taken for an integer.
    pub fn unencoded(bytes: Vec<u8>) -> Text {
        let short = bytes.len() <= EMBEDDED_BYTES_MAX;
        Text {
            bytes,
            encoding: if short {
                Encoding::Embedded
            } else {
                Encoding::Raw
            },
            shared: false,
        }
    }

    /// A value that was changed in place.
    pub fn raw(bytes: Vec<u8>) -> Text {
        Text {
            bytes,
            encoding: Encoding::Raw,
            shared: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(Text),
    Hash(Hash),
    Stream(Stream),
    List(List),
    SortedSet(SortedSet),
    Set(Set),
}

/// A key's value and the moment it expires.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub(crate) value: Value,
    /// Milliseconds since 1970; the key is gone when the clock shows more than this.
    pub expires_at_ms: Option<i64>,
    /// The expiry was computed from the current time, so a server with another clock reading has
    /// another one.
    pub relative: bool,
}

impl Entry {
    /// The fields, if it is a hash.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        let hash = match &self.value {
            Value::Hash(hash) => Some(hash),
            _ => None,
        };
        hash.into_iter().flat_map(|hash| &hash.fields)
    }
}

/// A key that expires, or a field of the hash under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiring {
    pub database: usize,
    pub key: Vec<u8>,
    pub field: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub struct Database {
    pub(crate) entries: BTreeMap<Vec<u8>, Entry>,
    /// Keys that expired and have not been written since: Redis counts them until it removes them.
    pub(crate) ghosts: BTreeSet<Vec<u8>>,
}

/// Names a connection of the model; the caller chooses the numbers.
pub type ConnectionId = usize;

/// What the server remembers of a connection.
#[derive(Clone, Debug)]
pub struct Connection {
    pub database: usize,
    pub protocol: Protocol,
    pub name: Vec<u8>,
    pub user: Vec<u8>,
    /// CLIENT REPLY OFF: nothing is answered until ON.
    pub silenced: bool,
    /// CLIENT REPLY SKIP came just before: the current request is not answered.
    pub skipped: bool,
    /// CLIENT REPLY SKIP: the next request is not answered.
    pub skip_next: bool,
    pub subscriptions: Subscriptions,
    pub tracking: Tracking,
    /// MULTI: requests are queued.
    pub transaction: Option<Transaction>,
    pub watches: Watches,
    /// EXEC runs its requests, which do not wait: how many there are.
    pub executing: Option<usize>,
    /// The last command that it sent.
    pub last_command: &'static str,
    /// The name and the version of the library behind it.
    pub library: [Vec<u8>; 2],
    /// Its command waits for keys.
    pub wait: Option<Wait>,
}

impl Default for Connection {
    fn default() -> Connection {
        Connection {
            database: 0,
            protocol: Protocol::Resp2,
            name: Vec::new(),
            user: b"default".to_vec(),
            silenced: false,
            skipped: false,
            skip_next: false,
            subscriptions: Subscriptions::default(),
            tracking: Tracking::default(),
            transaction: None,
            watches: Watches::default(),
            executing: None,
            last_command: "",
            library: Default::default(),
            wait: None,
        }
    }
}

/// A plain in-memory Redis.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) databases: Vec<Database>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// Messages for connections that were not taken yet, in their protocol.
    posted: BTreeMap<ConnectionId, Vec<u8>>,
    /// The keys that the current request touched, with their databases.
    pub(crate) touched: BTreeSet<(usize, Vec<u8>)>,
    pub(crate) configuration: Configuration,
    pub(crate) scripts: Cache,
    pub(crate) libraries: Loaded,
    pub(crate) dumps: Dumps,
    pub(crate) users: Users,
    pub(crate) remembered: Remembered,
    pub(crate) refusals: Log,
    pub(crate) lines: Lines,
    /// Connections that the server closes.
    pub(crate) closing: BTreeSet<ConnectionId>,
    /// What the requests of a transaction or a script meet.
    pub(crate) stages: Stages,
    /// How many messages about keyspace events were sent.
    pub(crate) heard_events: usize,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            databases: vec![Database::default(); DATABASES],
            connections: BTreeMap::new(),
            posted: BTreeMap::new(),
            touched: BTreeSet::new(),
            configuration: Configuration::new(),
            scripts: Cache::new(),
            libraries: Loaded::new(),
            dumps: Dumps::new(),
            users: users::first(),
            remembered: Remembered::default(),
            refusals: Log::default(),
            lines: Lines::default(),
            closing: BTreeSet::new(),
            stages: Stages::default(),
            heard_events: 0,
        }
    }
}

impl Model {
    /// Executes one request and returns the bytes of its reply, or none if the connection has
    /// switched replies off; then the messages that the request sends to its own connection. `now_ms` is the wall time in milliseconds since 1970.
    pub fn execute(
        &mut self,
        connection: ConnectionId,
        request: &[Vec<u8>],
        now_ms: i64,
    ) -> Vec<u8> {
        self.lines.is_unordered = false;
        let watched = self.watched();
        self.remove_expired(now_ms);
        self.compare_watched(watched);
        let watched = self.watched();
        let mut call = Call {
            model: self,
            connection,
            args: request,
            name: "",
            now_ms,
        };
        let reply = commands::dispatch(&mut call).unwrap_or_else(Reply::from);
        let is_client = call.name.starts_with("client|");
        let waits = databases::waits(&call) && reply == Reply::ok();
        self.compare_watched(watched);
        let own = self.connection_mut(connection);
        let silent = own.silenced || own.skipped;
        // What is about one request is not over before it is answered.
        if own.wait.is_none() {
            own.skipped = std::mem::take(&mut own.skip_next);
            own.tracking.caching &= is_client || own.transaction.is_some();
        }
        // Confirmations of subscriptions are messages, and are never silenced.
        let silent = silent && !matches!(reply, Reply::Several(_));
        let mut bytes = if silent {
            Vec::new()
        } else {
            reply.encode(own.protocol)
        };
        self.tell_own(connection);
        self.serve(now_ms);
        self.announce();
        let messages = self.take_posted(connection);
        if self.closing.contains(&connection) {
            self.disconnect(connection);
            self.closing.insert(connection);
            return bytes;
        }
        if waits {
            // The reply comes once the memory is free, the messages at once.
            return [messages, bytes].concat();
        }
        bytes.extend(messages);
        bytes
    }

    /// What a request would be answered if it were not queued.
    pub fn answer_alone(&mut self, connection: ConnectionId, request: &[Vec<u8>]) -> Vec<u8> {
        let mut call = Call {
            model: self,
            connection,
            args: request,
            name: "",
            now_ms: 0,
        };
        let reply = commands::run(&mut call).unwrap_or_else(Reply::from);
        reply.encode(Protocol::Resp2)
    }

    /// Sends a message to a connection.
    pub(crate) fn post(&mut self, connection: ConnectionId, message: &Reply) {
        let protocol = self.connection_mut(connection).protocol;
        self.post_bytes(connection, &message.encode(protocol));
    }

    pub(crate) fn post_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let posted = self.posted.entry(connection).or_default();
        posted.extend(bytes);
    }

    /// The messages to a connection since the last call.
    pub fn take_posted(&mut self, connection: ConnectionId) -> Vec<u8> {
        self.posted.remove(&connection).unwrap_or_default()
    }

    /// Whether a connection may only send commands about its subscriptions.
    pub fn is_confined(&self, connection: ConnectionId) -> bool {
        self.connections
            .get(&connection)
            .is_some_and(|it| pubsub::is_confined(&it.subscriptions, it.protocol))
    }

    /// Whether a connection listens to anything.
    pub fn is_subscribed(&self, connection: ConnectionId) -> bool {
        let it = self.connections.get(&connection);
        it.is_some_and(|it| it.subscriptions.any())
    }

    /// Whether nothing is answered to the next request of a connection.
    pub fn is_silenced(&self, connection: ConnectionId) -> bool {
        let it = self.connections.get(&connection);
        it.is_some_and(|it| it.silenced || it.skipped || it.skip_next)
    }

    /// Whether a connection tracks keys.
    pub fn is_tracking(&self, connection: ConnectionId) -> bool {
        let it = self.connections.get(&connection);
        it.is_some_and(|it| it.tracking.on)
    }

    /// Drops the messages that no connection has taken.
    pub fn drop_posted(&mut self) {
        self.posted.clear();
    }

    /// Forgets a connection, as the server does when it closes.
    pub fn disconnect(&mut self, connection: ConnectionId) {
        self.closing.remove(&connection);
        self.connections.remove(&connection);
        self.posted.remove(&connection);
        self.forget_reader(connection);
    }

    /// The connections that the server closes because of the last request.
    pub fn take_closing(&mut self) -> BTreeSet<ConnectionId> {
        std::mem::take(&mut self.closing)
    }

    /// Forgets what a server does not keep when it is killed.
    pub fn restart(&mut self) {
        self.connections.clear();
        self.posted.clear();
        self.lines = Lines::default();
        self.configuration.clear();
        self.scripts.clear();
        self.users = users::first();
        self.refusals = Log::default();
        self.remembered = Remembered::default();
    }

    /// Tells the number that the next entry of ACL LOG gets, and what INFO says of the earlier ones.
    pub fn count_refusals_from(&mut self, next: i64, information: &str) {
        self.refusals.begin_at(next);
        self.refusals.count_from(information);
    }

    /// The database that a connection has selected, and its protocol.
    pub fn selected(&self, connection: ConnectionId) -> (usize, Protocol) {
        self.connections
            .get(&connection)
            .map_or((0, Protocol::Resp2), |it| (it.database, it.protocol))
    }

    /// The live keys of a database. Expired keys are gone only after the next request.
    pub fn keys(&self, database: usize) -> impl Iterator<Item = &[u8]> {
        self.databases[database].entries.keys().map(Vec::as_slice)
    }

    /// How many expired keys Redis may still count in a database.
    pub fn ghosts(&self, database: usize) -> usize {
        self.databases[database].ghosts.len()
    }

    /// The keys of a database that have expired, and that Redis may not have removed.
    pub fn expired_keys(&self, database: usize, now_ms: i64) -> Vec<Vec<u8>> {
        let Database { entries, ghosts } = &self.databases[database];
        let is_due = |entry: &Entry| entry.expires_at_ms.is_some_and(|at| at < now_ms);
        let due = entries.iter().filter(|(_, entry)| is_due(entry));
        due.map(|(key, _)| key).chain(ghosts).cloned().collect()
    }

    /// The server has removed a key that had expired.
    pub fn lay_ghost(&mut self, database: usize, key: &[u8]) {
        self.databases[database].ghosts.remove(key);
    }

    /// Whether a key has expired and Redis may not have removed it.
    pub fn is_ghost(&self, database: usize, key: &[u8]) -> bool {
        self.databases[database].ghosts.contains(key)
    }

    /// What is stored under a key.
    pub fn entry(&self, database: usize, key: &[u8]) -> Option<&Entry> {
        self.databases[database].entries.get(key)
    }

    /// Whether ranges of members of a sorted set depend on chance in Redis: its scores differ.
    pub fn is_unpredictable(&self, database: usize, key: &[u8]) -> bool {
        match self.entry(database, key).map(|entry| &entry.value) {
            Some(Value::SortedSet(set)) => set.is_unpredictable(),
            _ => false,
        }
    }

    /// The expiries that were computed from the current time, and that the server was not asked for yet.
    pub fn relative_expiries(&self) -> Vec<(Expiring, i64)> {
        let mut found = Vec::new();
        for (database, entries) in self.databases.iter().map(|it| &it.entries).enumerate() {
            for (key, entry) in entries {
                let of = |field| Expiring {
                    database,
                    key: key.clone(),
                    field,
                };
                if entry.relative {
                    found.push((of(None), entry.expires_at_ms.unwrap_or(-1)));
                }
                let fields = entry.fields().filter(|field| field.relative);
                found.extend(fields.filter_map(|field| {
                    Some((of(Some(field.name.clone())), field.expires_at_ms?))
                }));
            }
        }
        found
    }

    /// The server has the same expiries.
    pub fn confirm_expiries(&mut self) {
        for database in &mut self.databases {
            for entry in database.entries.values_mut() {
                entry.relative = false;
                if let Value::Hash(hash) = &mut entry.value {
                    hash.fields.iter_mut().for_each(|it| it.relative = false);
                }
            }
        }
    }

    /// Every moment at which some key or field of a hash expires, in milliseconds since 1970, unsorted.
    pub fn expiries(&self) -> impl Iterator<Item = i64> {
        self.databases
            .iter()
            .flat_map(|database| database.entries.values())
            .flat_map(|entry| {
                let of_fields = entry.fields().filter_map(|field| field.expires_at_ms);
                of_fields.chain(entry.expires_at_ms)
            })
    }

    /// The fields of hashes that have expired: database, key, and their names.
    pub fn expired_fields(&self, now_ms: i64) -> Vec<(usize, Vec<u8>, Vec<Vec<u8>>)> {
        let mut expired = Vec::new();
        for (index, database) in self.databases.iter().enumerate() {
            let live = |entry: &Entry| entry.expires_at_ms.is_none_or(|at| at >= now_ms);
            for (key, entry) in database.entries.iter().filter(|(_, entry)| live(entry)) {
                let due = entry.fields().filter(|field| field.is_due(now_ms));
                let names: Vec<Vec<u8>> = due.map(|field| field.name.clone()).collect();
                if !names.is_empty() {
                    expired.push((index, key.clone(), names));
                }
            }
        }
        expired
    }

    /// Whether a field of a hash expires before a moment, in milliseconds since 1970, and somebody may be notified of it.
    pub fn notifies_of_fields_before(&self, at_ms: i64) -> bool {
        let notifies = ['h', 'g'].iter().any(|class| self.notifies(*class));
        let entries = self.databases.iter().flat_map(|it| it.entries.values());
        notifies
            && entries
                .flat_map(Entry::fields)
                .any(|field| field.is_due(at_ms))
    }

    /// Whether fields of any hash are to expire.
    pub fn expiring_fields(&self) -> bool {
        let entries = self.databases.iter().flat_map(|it| it.entries.values());
        let mut fields = entries.flat_map(Entry::fields);
        fields.any(|field| field.expires_at_ms.is_some())
    }

    /// The elements of the collection under a key, without their values.
    pub fn elements(&self, database: usize, key: &[u8]) -> Vec<Vec<u8>> {
        match self.entry(database, key).map(|entry| &entry.value) {
            Some(Value::Hash(hash)) => {
                let names = hash.fields.iter().map(|field| field.name.clone());
                names.collect()
            }
            Some(Value::SortedSet(set)) => {
                let members = set.members.iter().map(|(member, _)| member.clone());
                members.collect()
            }
            Some(Value::Set(set)) => set.members.clone(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn remove_expired(&mut self, now_ms: i64) {
        self.remembered.unsettled |= !self.due(now_ms).is_empty();
        for database in &mut self.databases {
            let due: Vec<Vec<u8>> = database
                .entries
                .iter()
                .filter(|(_, entry)| entry.expires_at_ms.is_some_and(|at| at < now_ms))
                .map(|(key, _)| key.clone())
                .collect();
            for key in due {
                database.entries.remove(&key);
                database.ghosts.insert(key);
            }
            database.entries.retain(|_, entry| match &mut entry.value {
                Value::Hash(hash) => {
                    hash.fields.retain(|field| !field.is_due(now_ms));
                    !hash.fields.is_empty()
                }
                _ => true,
            });
        }
    }

    /// Whether a key expired of which somebody was to be told.
    pub fn is_unsettled(&self) -> bool {
        self.remembered.unsettled
    }

    pub(crate) fn connection_mut(&mut self, id: ConnectionId) -> &mut Connection {
        self.connections.entry(id).or_default()
    }
}

/// One request being executed.
pub struct Call<'a> {
    pub model: &'a mut Model,
    pub connection: ConnectionId,
    pub args: &'a [Vec<u8>],
    /// The full name of the command, as error texts show it: `set`, `client|setname`.
    pub name: &'static str,
    pub now_ms: i64,
}

/// What a command does: a reply, or an error reply.
pub type Outcome = Result<Reply, Failure>;

impl<'a> Call<'a> {
    pub fn arg(&self, index: usize) -> &'a [u8] {
        &self.args[index]
    }

    /// The first argument, which is the key of most commands.
    pub fn key(&self) -> &'a [u8] {
        self.arg(1)
    }

    pub fn connection(&mut self) -> &mut Connection {
        self.model.connection_mut(self.connection)
    }

    pub fn database(&mut self) -> &mut Database {
        let index = self.connection().database;
        &mut self.model.databases[index]
    }

    pub fn entry(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.database().entries.get_mut(key)
    }

    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    /// The string stored under a key, nothing if there is no key, an error for another type.
    pub fn text(&mut self, key: &[u8]) -> Result<Option<&mut Text>, Failure> {
        match self.entry(key).map(|entry| &mut entry.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(errors::wrong_type()),
        }
    }

    /// A copy of the string stored under a key; the empty string if there is none.
    pub fn bytes(&mut self, key: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(self
            .text(key)?
            .map(|text| text.bytes.clone())
            .unwrap_or_default())
    }

    /// Stores a value under a key, which loses its expiry.
    pub fn put(&mut self, key: &[u8], text: Text) {
        self.touch(key);
        self.insert(
            key,
            Entry {
                value: Value::Text(text),
                expires_at_ms: None,
                relative: false,
            },
        );
    }

    /// Stores an entry under a key of the selected database, which may be a new one.
    pub fn insert(&mut self, key: &[u8], entry: Entry) {
        let database = self.connection().database;
        self.insert_into(database, key, entry);
    }

    pub fn insert_into(&mut self, database: usize, key: &[u8], entry: Entry) {
        let is_new = !self.model.databases[database].entries.contains_key(key);
        self.model.databases[database].insert(key, entry);
        if is_new {
            self.model.note(database, 'n', "new", key);
        }
    }

    /// Stores a value under a key, which keeps its expiry.
    pub fn replace(&mut self, key: &[u8], text: Text) {
        match self.entry(key) {
            Some(entry) => entry.value = Value::Text(text),
            None => self.put(key, text),
        }
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.database().entries.remove(key)
    }

    /// Removes a key, and says so if it was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let was_there = self.remove(key).is_some();
        if was_there {
            self.note('g', "del", key);
        }
        was_there
    }

    /// An expiry `delta_ms` from now wraps like a 64-bit integer does in Redis.
    pub fn after_now(&self, delta_ms: i64) -> i64 {
        self.now_ms.wrapping_add(delta_ms)
    }

    /// The protocol in which a reply takes shape: scripts hear RESP2.
    pub fn protocol(&mut self) -> Protocol {
        if self.model.remembered.in_script {
            Protocol::Resp2
        } else {
            self.connection().protocol
        }
    }

    /// Whether argument `index` is this word, in any case.
    pub fn says(&self, index: usize, word: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(word.as_bytes())
    }
}

impl Database {
    pub fn insert(&mut self, key: &[u8], entry: Entry) {
        self.ghosts.remove(key);
        self.entries.insert(key.to_vec(), entry);
    }
}
