//! Blocking on keys: BLPOP, BZPOPMIN, XREAD BLOCK and their like.
//!
//! A handler reads its words, tries to do its work, and says what it waits for if it finds nothing:
//!
//! ```text
//! let until_ms = deadline_of_seconds(call.args[2], call.now_ms)?;    // before anything else
//! if !pop_one(call)? && !call.block_on_keys(&[key], Awaits::List, until_ms) {
//!     call.out.null_array();                                         // in EXEC and in scripts nobody waits
//! }
//! Ok(())
//! ```
//!
//! When a command, an EXEC, a script or a job has given one of the keys a value of the awaited kind, [`super::effects`]
//! runs the *same handler with the same words* again on behalf of the blocked connection, under the lock that is held
//! anyway, and posts the reply. A handler that finds nothing then calls `block_on_keys` again, goes to the end of every
//! line, and keeps its first deadline. Clients are served in the order in which they blocked on a key, keys in the
//! order in which they became ready; what serving makes ready is served too. A client that is served is in no line any
//! more. On its second run the handler reads pages under the lock and must not depend on the rest of the [`Client`].
//!
//! A key becomes ready when it comes into being, and a stream also when something is added to it. A list that takes the
//! place of another value is not new: as in Redis, who waits for one goes on waiting.
//!
//! Words that mean something else later (`$` of XREAD) are replaced with [`Call::retry_word`] after blocking. The reply
//! at the deadline is a null array for every command.
//!
//! The end of a wait by time, CLIENT UNBLOCK or KILL, or a lost connection takes the client out of the table under its
//! lock, so that exactly one of them happens, and none after it was served.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::Call;
use super::client::{Block, BlockKind, Client};
use super::dispatch::Handler;
use super::request::Request;
use super::table::Command;
use crate::keyspace::change::Change;
use crate::keyspace::header::Kind;
use crate::resp::Proto;

/// What a blocked command needs at one of its keys to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    List,
    SortedSet,
    /// XREAD.
    Stream,
    /// XREADGROUP: a change of the stream, and also its end, which ends the group.
    StreamGroup,
}

impl Awaits {
    /// Whether a key that cannot be read is worth a run, which then says why.
    pub fn may_be_met(self, news: News) -> bool {
        news != News::Touched || self == Self::StreamGroup
    }

    /// Whether a key is worth a run. `kind` is that of its value, if it has one.
    pub fn is_met_by(self, kind: Option<Kind>, news: News) -> bool {
        match (self, news) {
            (Self::StreamGroup, News::Touched) => kind != Some(Kind::Stream),
            (Self::Stream, News::Touched) => false,
            // Touched: the stream of a group that is read from has ended, and this took its place.
            (Self::List, _) => kind == Some(Kind::List),
            (Self::SortedSet, _) => kind == Some(Kind::SortedSet),
            (Self::Stream, _) => kind == Some(Kind::Stream),
            (Self::StreamGroup, _) => true,
        }
    }
}

/// What happened to a key that somebody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    #[default]
    None,
    /// It changed, and is perhaps gone.
    Touched,
    /// It is new, or its stream has grown.
    Ready,
}

/// What a command that blocks waits for, until it is in the table.
#[derive(Clone, Debug)]
pub struct Wait {
    keys: Vec<Box<[u8]>>,
    awaits: Awaits,
    retry_words: Vec<(usize, Vec<u8>)>,
}

impl Call<'_> {
    /// Blocks the client until one of `keys`, in its database, has what it awaits, or until the wall time given in
    /// milliseconds. False where nothing may block: the command answers what it answers when its time is over.
    pub fn block_on_keys(&mut self, keys: &[&[u8]], awaits: Awaits, until_ms: Option<u64>) -> bool {
        if self.client.deny_blocking {
            return false;
        }
        self.client.block = Some(Block {
            kind: BlockKind::Keys,
            until_ms,
        });
        self.client.wait = Some(Box::new(Wait {
            keys: keys.iter().map(|&key| key.into()).collect(),
            awaits,
            retry_words: Vec::new(),
        }));
        true
    }

    /// The command, which has just blocked, runs again with `word` as its word number `at`.
    pub fn retry_word(&mut self, at: usize, word: &[u8]) {
        let wait = self.client.wait.as_mut().expect("a call that blocked");
        wait.retry_words.push((at, word.to_vec()));
    }
}

/// A blocked client as whoever serves it needs it.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Stands in for the state that the blocked session owns.
    pub client: Client,
    pub proto: Proto,
    pub command: &'static Command,
    pub handler: Handler,
    pub request: Request,
    /// What it runs again with instead of words of the request, by their numbers.
    retry_words: Vec<(usize, Vec<u8>)>,
    /// What its runs took so far, in microseconds.
    pub took_us: u64,
    awaits: Awaits,
    keys: Vec<Box<[u8]>>,
    /// Its place in every line.
    ticket: u64,
}

impl Waiter {
    /// What runs again.
    pub fn retried(&self) -> Request {
        let words = self.retry_words.iter();
        words.fold(self.request.clone(), |request, (at, word)| {
            request.with_word(*at, word)
        })
    }
}

/// The command that blocked.
#[derive(Clone, Copy)]
pub struct Blocked<'a> {
    pub command: &'static Command,
    pub handler: Handler,
    pub words: &'a [&'a [u8]],
    pub proto: Proto,
    /// What its first run took, in microseconds, if that was measured.
    pub took_us: u64,
}

/// A key to serve.
#[derive(Debug)]
pub struct Ready {
    pub db: u32,
    pub key: Box<[u8]>,
    /// What happened to it.
    pub news: News,
    /// Who waits for it, first come first.
    pub clients: Vec<u64>,
}

/// The clients that wait for one key.
#[derive(Debug, Default)]
struct Line {
    /// Client numbers by ticket.
    clients: BTreeMap<u64, u64>,
    /// How many of them want to hear of the key's end.
    on_nokey: usize,
    /// Unless there are none, it is in the queue of keys to serve.
    news: News,
}

impl Line {
    /// Keeps the news if they matter to anybody; whether the key is to be served only now.
    fn hears(&mut self, news: News) -> bool {
        if news == News::Touched && self.on_nokey == 0 {
            return false;
        }
        let is_first = self.news == News::None;
        self.news = self.news.max(news);
        is_first
    }
}

/// All clients that are blocked on keys. Its lock is taken under the engine lock, or alone.
#[derive(Debug, Default)]
pub struct BlockTable {
    table: Mutex<Table>,
    waiters: AtomicUsize,
    /// Keys that wait for the end of a pause to be served.
    ready: AtomicUsize,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    waiters: BTreeMap<u64, Waiter>,
    lines: BTreeMap<u32, BTreeMap<Box<[u8]>, Line>>,
    ready: VecDeque<(u32, Box<[u8]>)>,
    tickets: u64,
}

impl BlockTable {
    /// How many clients are blocked on keys.
    pub fn len(&self) -> usize {
        self.waiters.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether keys are ready that could not be served when they became it.
    pub fn has_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) > 0
    }

    /// Keys that somebody waits for, and those whose end somebody waits for.
    pub fn keys(&self) -> (usize, usize) {
        let table = self.table.lock();
        let lines = || table.lines.values().flat_map(BTreeMap::values);
        (
            lines().count(),
            lines().filter(|line| line.on_nokey > 0).count(),
        )
    }

    /// Takes in a client whose command has just blocked. Its wait goes to the end of every line.
    pub fn add(&self, client: &mut Client, blocked: Blocked<'_>) {
        let wait = client.wait.take().expect("a client that blocked");
        let waiter = Waiter {
            client: client.stand_in(),
            proto: blocked.proto,
            command: blocked.command,
            handler: blocked.handler,
            request: Request::new(blocked.words),
            retry_words: wait.retry_words,
            took_us: blocked.took_us,
            awaits: wait.awaits,
            keys: wait.keys,
            ticket: 0,
        };
        let mut table = self.lock();
        table.take_in(waiter);
        self.count(&table);
    }

    /// Takes a client out, whose wait ends without being served. None: it was served, or never in.
    pub(super) fn withdraw(&self, id: u64) -> Option<Waiter> {
        if self.is_empty() {
            return None;
        }
        let mut table = self.lock();
        let waiter = table.waiters.remove(&id)?;
        table.leave(&waiter);
        self.count(&table);
        Some(waiter)
    }

    /// Forgets a client whose connection is over.
    pub fn forget(&self, id: u64) {
        // Nobody is left to hear of it.
        drop(self.withdraw(id));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    /// To be called with the lock after waiters came or went, or were served.
    pub(super) fn count(&self, table: &Table) {
        self.ready.store(table.ready.len(), Ordering::Relaxed);
        self.waiters.store(table.waiters.len(), Ordering::Relaxed);
    }
}

impl Table {
    /// Which keys that somebody waits for are worth a look after these changes.
    pub fn note(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Touched { db, key, .. } => self.hear(*db, key, News::Touched),
                Change::Ready { db, key } => self.hear(*db, key, News::Ready),
                Change::Flushed { db } => self.hear_of_all(*db, News::Touched),
                Change::Swapped { a, b } => {
                    self.hear_of_all(*a, News::Ready);
                    self.hear_of_all(*b, News::Ready);
                }
                Change::Event { .. } | Change::FieldExpired { .. } | Change::Effect { .. } => {}
            }
        }
    }

    fn hear(&mut self, db: u32, key: &[u8], news: News) {
        let line = self.lines.get_mut(&db).and_then(|keys| keys.get_mut(key));
        if line.is_some_and(|line| line.hears(news)) {
            self.ready.push_back((db, key.into()));
        }
    }

    fn hear_of_all(&mut self, db: u32, news: News) {
        for (key, line) in self.lines.get_mut(&db).into_iter().flatten() {
            if line.hears(news) {
                self.ready.push_back((db, key.clone()));
            }
        }
    }

    /// The next key to serve.
    pub fn take_ready(&mut self) -> Option<Ready> {
        loop {
            let (db, key) = self.ready.pop_front()?;
            let line = self.lines.get_mut(&db).and_then(|keys| keys.get_mut(&key));
            if let Some(line) = line {
                let news = std::mem::take(&mut line.news);
                let clients = line.clients.values().copied().collect();
                return Some(Ready {
                    db,
                    key,
                    news,
                    clients,
                });
            }
        }
    }

    /// Takes a waiter out to run its command, if that is worth it for what it awaits. Its places in line stay until it
    /// leaves them.
    pub fn take_waiter(
        &mut self,
        id: u64,
        is_worth: impl FnOnce(Awaits) -> bool,
    ) -> Option<Waiter> {
        let waiter = self.waiters.get(&id)?;
        if !is_worth(waiter.awaits) {
            return None;
        }
        self.waiters.remove(&id)
    }

    /// The command of a waiter, which has left every line, found nothing again.
    pub fn put_back(&mut self, mut waiter: Waiter) {
        let wait = waiter.client.wait.take().expect("a client that blocked");
        waiter.retry_words.extend(wait.retry_words);
        waiter.client.block = None;
        self.take_in(waiter);
    }

    /// Puts a waiter at the end of every line of its keys.
    fn take_in(&mut self, mut waiter: Waiter) {
        self.tickets += 1;
        waiter.ticket = self.tickets;
        let lines = self.lines.entry(waiter.client.db).or_default();
        for key in &waiter.keys {
            let line = lines.entry(key.clone()).or_default();
            let is_new = line
                .clients
                .insert(waiter.ticket, waiter.client.id)
                .is_none();
            line.on_nokey += usize::from(is_new && waiter.awaits == Awaits::StreamGroup);
        }
        let old = self.waiters.insert(waiter.client.id, waiter);
        assert!(old.is_none(), "a blocked client runs no command");
    }

    /// Takes a waiter out of every line.
    pub fn leave(&mut self, waiter: &Waiter) {
        let db = waiter.client.db;
        let Some(lines) = self.lines.get_mut(&db) else {
            return;
        };
        for key in &waiter.keys {
            let Some(line) = lines.get_mut(key) else {
                continue;
            };
            if line.clients.remove(&waiter.ticket).is_some() {
                line.on_nokey -= usize::from(waiter.awaits == Awaits::StreamGroup);
            }
            if line.clients.is_empty() {
                lines.remove(key);
            }
        }
        if lines.is_empty() {
            self.lines.remove(&db);
        }
    }
}
