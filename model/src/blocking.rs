//! Connections that wait for keys: what for, and who is served when.
//!
//! A command that finds nothing says what it waits for ([`Call::wait_for`]) and is run again, words and all, once a key is
//! ready: it came into being, or its stream has grown, or the group that somebody reads from has ended with it. Who
//! finds nothing again goes to the end of the line.

use std::collections::VecDeque;

use crate::commands;
use crate::errors::{self, Failure};
use crate::reply::Reply;
use crate::state::{Call, ConnectionId, Database, Entry, Model, Value};
use crate::transactions;

/// What a key must have to be worth another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    List,
    SortedSet,
    Stream,
    /// Its group, and also its end.
    Group,
}

impl Awaits {
    fn is_met_by(self, entry: Option<&Entry>) -> bool {
        match entry.map(|entry| &entry.value) {
            Some(Value::List(_)) => matches!(self, Awaits::List | Awaits::Group),
            Some(Value::SortedSet(_)) => matches!(self, Awaits::SortedSet | Awaits::Group),
            Some(Value::Stream(_)) => matches!(self, Awaits::Stream | Awaits::Group),
            _ => self == Awaits::Group,
        }
    }
}

/// A connection's wait.
#[derive(Clone, Debug)]
pub struct Wait {
    request: Vec<Vec<u8>>,
    awaits: Awaits,
    keys: Vec<Vec<u8>>,
    /// When it is given up, in milliseconds since 1970.
    until_ms: Option<i64>,
    /// Its place in the line of every key.
    place: u64,
}

/// The keys to serve, and the next place in line.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    ready: VecDeque<(usize, Vec<u8>)>,
    places: u64,
    /// One request made several keys ready in an order that is the server's own.
    pub is_unordered: bool,
}

/// How a wait ends in vain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    TimedOut,
    Refused,
}

/// A timeout in seconds, in whole milliseconds. None: for ever.
pub fn seconds(text: &[u8]) -> Result<Option<i64>, Failure> {
    let seconds = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|seconds| seconds.is_finite() || text.ends_with(b"inf"))
        .ok_or_else(|| errors::err("timeout is not a float or out of range"))?;
    if (seconds * 1000.0).ceil() < 0.0 {
        return Err(errors::err("timeout is negative"));
    }
    if seconds * 1000.0 > i64::MAX as f64 {
        return Err(errors::err("timeout is out of range"));
    }
    let timeout_ms = (seconds * 1000.0).ceil() as i64;
    Ok((timeout_ms != 0).then_some(timeout_ms))
}

impl Call<'_> {
    /// Waits for one of the keys; answers `otherwise` at once where nobody waits, in EXEC and in scripts.
    pub fn wait_for(
        &mut self,
        keys: &[Vec<u8>],
        awaits: Awaits,
        timeout_ms: Option<i64>,
        otherwise: Reply,
    ) -> Reply {
        if self.model.remembered.in_script || self.connection().executing.is_some() {
            return otherwise;
        }
        let until_ms = timeout_ms.map(|timeout| self.now_ms.saturating_add(timeout));
        let wait = Wait {
            request: self.args.to_vec(),
            awaits,
            keys: keys.to_vec(),
            until_ms,
            place: self.model.lines.next_place(),
        };
        self.connection().wait = Some(wait);
        Reply::Silence
    }

    /// The request, which waits now, has another word when it runs again.
    pub fn wait_with(&mut self, at: usize, word: Vec<u8>) {
        if let Some(wait) = &mut self.connection().wait {
            wait.request[at] = word;
        }
    }

    /// Marks the keys that are ready after a command.
    pub(crate) fn signal(&mut self, before: &[Database], own: &[(usize, Vec<u8>)]) {
        let mut ready = Vec::new();
        for (database, key) in self.model.awaited() {
            let old = before[database].entries.get(&key);
            let new = self.model.databases[database].entries.get(&key);
            let touched = own.contains(&(database, key.clone()));
            let ended = is_stream(old) && !is_stream(new);
            let ended = ended && self.model.is_mourned(database, &key);
            if ended || new.is_some() && self.is_fresh(old, new, touched) {
                ready.push((database, key));
            }
        }
        let place = |(_, key): &(usize, Vec<u8>)| self.args.iter().position(|word| word == key);
        ready.sort_by_key(place);
        let lines = &mut self.model.lines;
        lines.is_unordered |= ready.len() > 1 && self.name.starts_with("swap");
        for key in ready {
            if !lines.ready.contains(&key) {
                lines.ready.push_back(key);
            }
        }
    }

    /// Whether what is at a key now counts as new.
    fn is_fresh(&self, old: Option<&Entry>, new: Option<&Entry>, is_touched: bool) -> bool {
        match self.name {
            _ if old.is_none() => true,
            "swapdb" => true,
            // The old value is removed first.
            "rename" | "renamenx" | "copy" | "restore" | "restore-asking" | "move" => {
                is_touched || !transactions::is_same(old, new)
            }
            "xadd" => is_touched,
            "xgroup|destroy" => groups(old) > groups(new),
            _ => false,
        }
    }
}

fn is_stream(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| matches!(entry.value, Value::Stream(_)))
}

fn groups(entry: Option<&Entry>) -> usize {
    match entry.map(|entry| &entry.value) {
        Some(Value::Stream(stream)) => stream.groups.len(),
        _ => 0,
    }
}

impl Lines {
    fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }
}

impl Model {
    /// Whether a connection waits for keys.
    pub fn is_waiting(&self, connection: ConnectionId) -> bool {
        let it = self.connections.get(&connection);
        it.is_some_and(|it| it.wait.is_some())
    }

    /// What a connection waits for; it waits no more.
    pub fn take_wait(&mut self, connection: ConnectionId) -> Option<Wait> {
        self.connections.get_mut(&connection)?.wait.take()
    }

    /// A connection waits as it did before, whatever is at its keys now, behind everybody else.
    pub fn wait_on(&mut self, connection: ConnectionId, wait: Wait) {
        let place = self.lines.next_place();
        self.connection_mut(connection).wait = Some(Wait { place, ..wait });
    }

    /// When the wait of a connection is given up.
    pub fn gives_up_at(&self, connection: ConnectionId) -> Option<i64> {
        self.connections.get(&connection)?.wait.as_ref()?.until_ms
    }

    /// Whether any connection waits for keys.
    pub(crate) fn anybody_waits(&self) -> bool {
        self.connections.values().any(|it| it.wait.is_some())
    }

    /// Whether somebody waits to hear of the key's end.
    pub(crate) fn is_mourned(&self, database: usize, key: &[u8]) -> bool {
        let mut waits = self.waits();
        waits.any(|(of, wait)| {
            let is_key = of == database && wait.keys.iter().any(|it| it == key);
            is_key && wait.awaits == Awaits::Group
        })
    }

    /// Whether the last request served keys in an order that is the server's own.
    pub fn served_in_doubt(&self) -> bool {
        self.lines.is_unordered
    }

    fn waits(&self) -> impl Iterator<Item = (usize, &Wait)> {
        let connections = self.connections.values();
        connections.filter_map(|it| Some((it.database, it.wait.as_ref()?)))
    }

    fn awaited(&self) -> Vec<(usize, Vec<u8>)> {
        let keys = self
            .waits()
            .flat_map(|(database, wait)| wait.keys.iter().map(move |key| (database, key.clone())));
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// A key is gone of which only those hear who read from a group of its stream.
    pub(crate) fn ended(&mut self, database: usize, key: &[u8]) {
        if self.is_mourned(database, key) {
            self.lines.ready.push_back((database, key.to_vec()));
        }
    }

    /// Runs the commands of those who wait for keys that are ready, first come first.
    pub(crate) fn serve(&mut self, now_ms: i64) {
        while let Some((database, key)) = self.lines.ready.pop_front() {
            let connections = self.connections.iter();
            let waiting = connections.filter_map(|(id, it)| {
                let wait = it.wait.as_ref()?;
                let is_in_line = it.database == database && wait.keys.contains(&key);
                is_in_line.then_some((wait.place, *id))
            });
            let mut line: Vec<(u64, ConnectionId)> = waiting.collect();
            line.sort_unstable();
            for (_, connection) in line {
                let entry = self.databases[database].entries.get(&key);
                let wait = self.connections[&connection].wait.as_ref();
                if wait.is_some_and(|wait| wait.awaits.is_met_by(entry)) {
                    self.run_again(connection, now_ms);
                }
            }
        }
    }

    fn run_again(&mut self, connection: ConnectionId, now_ms: i64) {
        let watched = self.watched();
        let wait = self.connection_mut(connection).wait.take();
        let wait = wait.expect("it waits");
        // What serves it may be gone by now.
        self.remove_expired(now_ms);
        let earlier = self.take_posted(connection);
        let mut call = Call {
            model: self,
            connection,
            args: &wait.request,
            name: "",
            now_ms,
        };
        let reply = commands::run_permitted(&mut call).unwrap_or_else(Reply::from);
        self.compare_watched(watched);
        // What the command publishes to its own connection comes behind its reply.
        let own = self.take_posted(connection);
        self.post_bytes(connection, &earlier);
        match &mut self.connection_mut(connection).wait {
            Some(again) => again.until_ms = wait.until_ms,
            None => self.answer_wait(connection, &reply),
        }
        self.post_bytes(connection, &own);
        self.tell_own(connection);
    }

    fn answer_wait(&mut self, connection: ConnectionId, reply: &Reply) {
        let own = self.connection_mut(connection);
        own.tracking.caching = false;
        let is_silent = std::mem::take(&mut own.skipped) || own.silenced;
        if !is_silent {
            self.post(connection, reply);
        }
    }

    /// Ends a wait in vain; whether there was one.
    pub fn end_wait(&mut self, connection: ConnectionId, ending: Ending) -> bool {
        let wait = self.connections.get_mut(&connection);
        if wait.and_then(|it| it.wait.take()).is_none() {
            return false;
        }
        let reply = match ending {
            Ending::TimedOut => Reply::NullArray,
            Ending::Refused => {
                let text = b"UNBLOCKED client unblocked via CLIENT UNBLOCK";
                Reply::Error(text.to_vec())
            }
        };
        self.answer_wait(connection, &reply);
        true
    }
}
