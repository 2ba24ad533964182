//! The stream of effects: what commands did, in Redis's words, for replicas and the append-only file.
//!
//! While anybody wants it, the keyspace keeps an effect of every command that changes something
//! ([`Change::Effect`]): its own words, unless the command said other ones ([`Call::does`]). [`consume`] puts a MULTI
//! and an EXEC around the effects of one command, and SELECT before the first in another database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Call;
use super::client::{Entry, signal};
use super::effects::{Effects, Maker};
use super::server::Server;
use crate::config::Key;
use crate::interchange::aof::note;
use crate::keyspace::change::{Change, Listener};
use crate::resp::encode;
use crate::storage::planted::Bug;

/// Commands that may meet keys of which nobody asked: what expires on the way is no part of one whole.
const WANDERING: &[&str] = &["scan", "randomkey", "keys"];

impl Call<'_> {
    /// Whether anybody repeats what commands do.
    pub fn is_repeated(&self) -> bool {
        self.keyspace.changes.hears(Listener::Repeat)
    }

    /// The command does the same as these words, which are repeated in the place of its own.
    pub fn does(&mut self, words: &[&[u8]]) {
        let db = self.client.db;
        self.keyspace.changes.effect(db, words);
    }

    /// The command does the same as deleting the key.
    pub fn deletes(&mut self, key: &[u8]) {
        let name = deletion(self.server, Key::LazyfreeLazyServerDel);
        self.does(&[name, key]);
    }

    /// The command does the same as giving the key this expiry.
    pub fn expires_at(&mut self, key: &[u8], expires_ms: u64) {
        if self
            .keyspace
            .engine
            .planted()
            .has(Bug::M24TtlRepeatedRelative)
        {
            return;
        }
        let moment = expires_ms.to_string();
        self.does(&[b"PEXPIREAT", key, moment.as_bytes()]);
    }
}

fn deletion(server: &Server, lazily: Key) -> &'static [u8] {
    if server.config.is_on(lazily) {
        b"UNLINK"
    } else {
        b"DEL"
    }
}

/// A replica that is fed.
#[derive(Clone, Debug)]
pub struct Replica {
    pub entry: Arc<Entry>,
    /// Where it listens, as it says.
    pub port: i32,
    pub address: Option<Box<[u8]>>,
    /// Its snapshot was sent.
    pub is_online: Arc<AtomicBool>,
    /// Up to which offset it has said that it got the stream.
    pub acknowledged: u64,
    /// Wall time of that in milliseconds; of its arrival before.
    pub acknowledged_ms: u64,
}

impl Replica {
    /// Where it is: as it says, or as its connection shows.
    pub fn host(&self) -> Vec<u8> {
        match &self.address {
            Some(address) => address.to_vec(),
            None => {
                let addr = &self.entry.addr;
                let host = addr
                    .rsplit_once(':')
                    .map_or(addr.as_str(), |(host, _)| host);
                host.trim_matches(['[', ']']).as_bytes().to_vec()
            }
        }
    }
}

/// A connection in WAIT.
#[derive(Clone, Debug)]
struct Waiter {
    entry: Arc<Entry>,
    offset: u64,
    replicas: u64,
}

/// One reader of the stream, which begins with a SELECT.
#[derive(Debug, Default)]
struct Channel {
    db: Option<u32>,
    bytes: Vec<u8>,
}

impl Channel {
    fn say(&mut self, words: &[&[u8]]) {
        encode::bulks(&mut self.bytes, words.iter().copied());
    }

    fn say_in(&mut self, db: u32, words: &[&[u8]]) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.say(&[b"SELECT", db.to_string().as_bytes()]);
        }
        self.say(words);
    }
}

/// What the append-only file is to be given.
#[derive(Debug, Default)]
pub struct Pending {
    pub bytes: Vec<u8>,
    /// The log is to be written up to here before them.
    pub lsn: u64,
}

#[derive(Debug, Default)]
struct Inner {
    replicas: Vec<Replica>,
    stream: Channel,
    file: Channel,
    file_lsn: u64,
    has_file: bool,
    /// Unix time in seconds of the latest time stamp in the file.
    stamped_s: u64,
    waiters: Vec<Waiter>,
    pinged_ms: u64,
}

/// Who is fed, and what is on its way to them.
#[derive(Debug, Default)]
pub struct Feed {
    is_wanted: AtomicBool,
    /// Bytes of the stream so far.
    offset: AtomicU64,
    inner: Mutex<Inner>,
}

impl Feed {
    /// Whether anybody repeats what commands do.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// Bytes of the stream so far.
    pub fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    fn see_who(&self, inner: &Inner) {
        let is_wanted = inner.has_file || !inner.replicas.is_empty();
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// Feeds a replica from now on. Under the engine lock.
    pub fn attach(&self, replica: Replica) {
        let mut inner = self.inner.lock();
        let id = replica.entry.id;
        inner.replicas.retain(|other| other.entry.id != id);
        if inner.replicas.is_empty() {
            inner.pinged_ms = replica.acknowledged_ms;
        }
        inner.replicas.push(replica);
        // It knows of no database yet.
        inner.stream.db = None;
        self.see_who(&inner);
    }

    /// The connection is over.
    pub fn leave(&self, id: u64) {
        if !self.is_wanted() {
            return;
        }
        let mut inner = self.inner.lock();
        inner.replicas.retain(|replica| replica.entry.id != id);
        inner.waiters.retain(|waiter| waiter.entry.id != id);
        self.see_who(&inner);
    }

    /// The file is to hear of everything from now on, or of nothing more. What it was not given yet is returned.
    /// Under the engine lock.
    pub fn open_file(&self, has_file: bool) -> Pending {
        let mut inner = self.inner.lock();
        inner.has_file = has_file;
        inner.file.db = None;
        inner.stamped_s = 0;
        self.see_who(&inner);
        let bytes = std::mem::take(&mut inner.file.bytes);
        let lsn = inner.file_lsn;
        Pending { bytes, lsn }
    }

    /// What the file is to be given now.
    pub fn take_file(&self) -> Pending {
        let mut inner = self.inner.lock();
        let bytes = std::mem::take(&mut inner.file.bytes);
        let lsn = inner.file_lsn;
        Pending { bytes, lsn }
    }

    /// Bytes that the file was not given yet.
    pub fn file_bytes(&self) -> u64 {
        self.inner.lock().file.bytes.len() as u64
    }

    /// The replicas now.
    pub fn replicas(&self) -> Vec<Replica> {
        self.inner.lock().replicas.clone()
    }

    /// Replicas that have their snapshot and said so much within `lag_ms`; 0: whenever.
    pub fn good(&self, now_ms: u64, lag_ms: u64) -> usize {
        let is_good = |replica: &&Replica| {
            let lag = now_ms.saturating_sub(replica.acknowledged_ms);
            replica.is_online.load(Ordering::Relaxed) && (lag_ms == 0 || lag <= lag_ms)
        };
        self.inner.lock().replicas.iter().filter(is_good).count()
    }

    /// How many replicas have got the stream up to here.
    pub fn acknowledged(&self, offset: u64) -> usize {
        let inner = self.inner.lock();
        count(&inner, offset)
    }

    /// A replica says how far it got.
    pub fn acknowledge(&self, id: u64, offset: u64, now_ms: u64) {
        let mut inner = self.inner.lock();
        for replica in inner.replicas.iter_mut().filter(|r| r.entry.id == id) {
            replica.acknowledged = replica.acknowledged.max(offset);
            replica.acknowledged_ms = now_ms;
        }
        let waiters = std::mem::take(&mut inner.waiters);
        for waiter in waiters {
            if count(&inner, waiter.offset) as u64 >= waiter.replicas {
                waiter.entry.signal(signal::ACKNOWLEDGED);
            } else {
                inner.waiters.push(waiter);
            }
        }
    }

    /// The connection waits until so many replicas have got everything so far; they are asked. Under the engine lock.
    pub fn wait(&self, server: &Server, entry: &Arc<Entry>, replicas: u64, lsn: u64) {
        let offset = self.offset();
        let mut inner = self.inner.lock();
        inner.waiters.retain(|waiter| waiter.entry.id != entry.id);
        inner.waiters.push(Waiter {
            entry: Arc::clone(entry),
            offset,
            replicas,
        });
        if !inner.replicas.is_empty() {
            inner.stream.say(&[b"REPLCONF", b"GETACK", b"*"]);
            self.send(server, &mut inner, lsn);
        }
    }

    /// Lets replicas know that the server is there. Under the engine lock.
    pub fn ping(&self, server: &Server, now_ms: u64, lsn: u64) {
        if !self.is_wanted() {
            return;
        }
        let period_ms = server.config.repl_ping_period_s() * 1000;
        let mut inner = self.inner.lock();
        if inner.replicas.is_empty() || now_ms < inner.pinged_ms.saturating_add(period_ms) {
            return;
        }
        inner.pinged_ms = now_ms;
        inner.stream.say(&[b"PING"]);
        self.send(server, &mut inner, lsn);
    }

    fn send(&self, server: &Server, inner: &mut Inner, lsn: u64) {
        let bytes = std::mem::take(&mut inner.stream.bytes);
        self.offset.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        for replica in &inner.replicas {
            server.post(&replica.entry, &[&bytes], lsn);
        }
    }
}

fn count(inner: &Inner, offset: u64) -> usize {
    let replicas = inner.replicas.iter();
    replicas
        .filter(|replica| replica.is_online.load(Ordering::Relaxed))
        .filter(|replica| replica.acknowledged >= offset)
        .count()
}

/// One effect: the database, the words, and whether it changes no data.
type Said<'a> = (u32, Vec<&'a [u8]>, bool);

fn said<'a>(change: &'a Change, expired: &'static [u8]) -> Option<Said<'a>> {
    match change {
        Change::Touched {
            db,
            key,
            expired: true,
        } => Some((*db, vec![expired, key], false)),
        Change::FieldExpired { db, key, field } => Some((*db, vec![b"HDEL", key, field], false)),
        Change::Effect {
            db,
            words,
            is_message,
        } => Some((*db, words.iter().map(|word| &**word).collect(), *is_message)),
        _ => None,
    }
}

/// Feeds everyone with what a command, an EXEC, a script or a job did.
pub fn consume(effects: &Effects<'_>, maker: Option<&mut Maker<'_>>) {
    let server = effects.server;
    if !server.feed.is_wanted() {
        return;
    }
    let expired = deletion(server, Key::LazyfreeLazyExpire);
    let all: Vec<Said<'_>> = effects
        .changes
        .iter()
        .filter_map(|change| said(change, expired))
        .collect();
    if all.is_empty() {
        return;
    }
    let is_one = maker.is_some_and(|maker| !WANDERING.contains(&maker.client.last_command));
    let mut inner = server.feed.inner.lock();
    if !inner.replicas.is_empty() {
        say_all(&mut inner.stream, all.iter(), is_one);
        server.feed.send(server, &mut inner, effects.lsn);
    }
    if inner.has_file {
        let now_s = effects.now_ms / 1000;
        if server.config.is_on(Key::AofTimestampEnabled) && now_s > inner.stamped_s {
            inner.stamped_s = now_s;
            let line = note::time_line(now_s);
            inner.file.bytes.extend_from_slice(line.as_bytes());
        }
        let data = all.iter().filter(|(_, _, is_message)| !is_message);
        say_all(&mut inner.file, data, is_one);
        inner.file_lsn = effects.lsn;
        drop(inner);
        server.append_only.wake();
    }
}

fn say_all<'a>(
    channel: &mut Channel,
    all: impl Iterator<Item = &'a Said<'a>> + Clone,
    is_one: bool,
) {
    let is_whole = is_one && all.clone().nth(1).is_some();
    if is_whole {
        channel.say(&[b"MULTI"]);
    }
    for (db, words, _) in all {
        channel.say_in(*db, words);
    }
    if is_whole {
        channel.say(&[b"EXEC"]);
    }
}
