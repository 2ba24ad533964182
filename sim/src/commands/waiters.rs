//! Clients beside the one that works, which block until another one's command gives them something.

use redkeep::command::server::Server;
use redkeep::command::serving::time_out;
use redkeep::session::Session;

use super::machine::Words;

/// How many there are.
pub const WAITERS: usize = 3;

/// The consumers that clients beside read for.
pub const WAITING_CONSUMERS: [&str; 2] = ["one", "two"];

/// What they are answered when their time is over.
pub const TIMED_OUT: &[u8] = b"*-1\r\n";

/// A wait that is not over.
#[derive(Clone, Debug)]
pub struct Wait {
    pub waiter: usize,
    pub words: Words,
    /// Its place in the order of arrival.
    pub ticket: u64,
    /// Wall time in milliseconds.
    until_ms: Option<u64>,
}

impl Wait {
    /// It waits for the same, and came first.
    pub fn precedes(&self, other: &Self) -> bool {
        self.words == other.words && self.ticket < other.ticket
    }
}

/// A reply that came from outside a client's own commands.
#[derive(Clone, Debug)]
pub struct Posted {
    pub wait: Wait,
    pub reply: Vec<u8>,
    /// It leaves when the log is written up to this transaction.
    pub lsn: u64,
}

impl Posted {
    /// It says what was given, rather than an error or nothing.
    pub fn is_served(&self) -> bool {
        self.reply != TIMED_OUT && !self.reply.starts_with(b"-")
    }
}

/// The clients, and who waits, first come first.
pub struct Waiters {
    sessions: Vec<Option<Session>>,
    waiting: Vec<Wait>,
    tickets: u64,
    /// Replies that nobody has looked at, in the order in which they were made.
    posted: Vec<Posted>,
}

impl Waiters {
    /// Clients that wait for nothing.
    pub fn new(sessions: Vec<Session>) -> Self {
        Self {
            sessions: sessions.into_iter().map(Some).collect(),
            waiting: Vec::new(),
            tickets: 0,
            posted: Vec::new(),
        }
    }

    /// The last transaction of a command itself, which together with what clients were given by it made those behind
    /// `before` up to `after`. To give something is one transaction, and an error is none.
    pub fn own_end(&mut self, before: u64, after: u64) -> u64 {
        self.collect();
        match self.posted.iter().find(|posted| posted.is_served()) {
            Some(first) => before.max(first.lsn.saturating_sub(1)),
            None => after,
        }
    }

    /// Who waits, first come first.
    pub fn waiting(&self) -> &[Wait] {
        &self.waiting
    }

    /// Whether a client can send a command.
    pub fn is_free(&self, waiter: usize) -> bool {
        self.waiting.iter().all(|wait| wait.waiter != waiter)
    }

    /// A client's session, to carry out a command.
    pub fn take(&mut self, waiter: usize) -> Session {
        assert!(self.is_free(waiter), "a blocked client sends nothing");
        let session = self.sessions[waiter].take();
        session.expect("one command at a time")
    }

    /// The session is back from a command; whether it is blocked in it.
    pub fn put_back(&mut self, waiter: usize, session: Session, words: &Words) -> bool {
        let block = session.client.block;
        self.sessions[waiter] = Some(session);
        let Some(block) = block else {
            return false;
        };
        self.tickets += 1;
        self.waiting.push(Wait {
            waiter,
            words: words.clone(),
            ticket: self.tickets,
            until_ms: block.until_ms,
        });
        true
    }

    /// Ends the waits whose time is over.
    pub fn pass(&self, server: &Server, now_us: u64) {
        for wait in &self.waiting {
            if wait.until_ms.is_some_and(|until| until <= now_us / 1000) {
                let session = self.sessions[wait.waiter].as_ref();
                let session = session.expect("no command runs");
                time_out(server, session.client.id, now_us);
            }
        }
    }

    /// The replies that clients got whose wait is over, in the order in which they were made: that of the transactions, and
    /// where one has none, behind the one that has.
    pub fn take_posted(&mut self) -> Vec<Posted> {
        self.collect();
        std::mem::take(&mut self.posted)
    }

    fn collect(&mut self) {
        for wait in std::mem::take(&mut self.waiting) {
            let session = self.sessions[wait.waiter].as_mut();
            let session = session.expect("no command runs");
            let mut reply = Vec::new();
            let lsn = session.client.entry.take_posted(&mut reply);
            if reply.is_empty() {
                self.waiting.push(wait);
            } else {
                session.resume();
                self.posted.push(Posted { wait, reply, lsn });
            }
        }
        self.posted
            .sort_by_key(|posted| (posted.lsn, !posted.is_served()));
    }

    /// What clients that wait for nothing were told nevertheless.
    pub fn take_unasked(&mut self) -> Option<Vec<u8>> {
        let waiting: Vec<usize> = self.waiting.iter().map(|wait| wait.waiter).collect();
        let mut told = Vec::new();
        for (waiter, session) in self.sessions.iter().enumerate() {
            if let Some(session) = session.as_ref().filter(|_| !waiting.contains(&waiter)) {
                session.client.entry.take_posted(&mut told);
            }
        }
        (!told.is_empty()).then_some(told)
    }
}
