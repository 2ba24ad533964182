//! A connection without a socket: words in, a reply out.

use std::sync::Arc;
use std::time::Duration;

use super::{Db, DbError, Value};
use crate::command::argument::is_word;
use crate::command::client::{Entry, Origin};
use crate::resp::value;
use crate::session::{OwnEngine, Session, Step};
use crate::storage::Lsn;

/// The longest sleep in a pause of all clients before it is looked at again.
const NAP: Duration = Duration::from_millis(1);

/// Commands that act on a server or on its other connections.
const NEED_SERVER: [&str; 21] = [
    "backup",
    "bgrewriteaof",
    "bgsave",
    "checkpoint",
    "failover",
    "monitor",
    "psubscribe",
    "psync",
    "punsubscribe",
    "quit",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "unsubscribe",
    "wait",
    "waitaof",
];

/// A database, a transaction and watched keys of its own; see [`super`] for the rules.
#[derive(Debug)]
pub struct Connection {
    db: Db,
    session: Session,
    entry: Arc<Entry>,
}

impl Connection {
    pub(super) fn new(db: Db) -> Self {
        let server = &db.inner.server;
        let id = server.registry.next_id();
        let origin = Origin {
            addr: "embedded:0".to_owned(),
            local: true,
            ..Origin::default()
        };
        let entry = Arc::new(Entry::new(id, origin, server.clock.wall_ms()));
        server.registry.insert(Arc::clone(&entry));
        let mut session = Session::new(Arc::clone(&entry), server);
        session.client.deny_blocking = true;
        Self { db, session, entry }
    }

    /// Carries out one command, given as its words. An error of the command is [`DbError::Reply`].
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value, DbError> {
        let Some(name) = words.first() else {
            return Err(DbError::NoWords);
        };
        if NEED_SERVER.iter().any(|word| is_word(name.as_ref(), word)) {
            return Err(DbError::NeedsServer);
        }
        value::put_request(self.session.input.room(), words);
        let needs_server = self.run();
        let reply = self.take_reply()?;
        self.db.promise(Lsn(self.session.lsn_seen()))?;
        if needs_server {
            return Err(DbError::NeedsServer);
        }
        match reply {
            Value::Error(text) => Err(DbError::Reply(text)),
            reply => Ok(reply),
        }
    }

    /// Executes until the request is done; whether it wants to wait for what is not there.
    fn run(&mut self) -> bool {
        let inner = &*self.db.inner;
        loop {
            let now_us = inner.server.clock.wall_us();
            let step = {
                let mut keyspace = inner.keyspace.lock();
                self.session
                    .execute(&mut keyspace, &inner.server, &OwnEngine, now_us)
            };
            self.session.client.patient = false;
            match step {
                Step::Read | Step::Close | Step::Abort => return false,
                Step::Again if self.session.reply.has_streams() => return false,
                Step::Again | Step::Park(None) => {}
                Step::Park(Some(mut fetch)) => {
                    fetch.fetch();
                    fetch.land(&mut inner.keyspace.lock());
                }
                Step::Move => self.session.client.patient = true,
                Step::Debug => unreachable!("there is no debugger to switch on"),
                Step::Paused(_) => std::thread::sleep(NAP),
                Step::Blocked(_) => {
                    self.session.client.block = None;
                    return true;
                }
            }
        }
    }

    fn take_reply(&mut self) -> Result<Value, DbError> {
        let whole = self.session.reply.take_whole();
        let whole = whole.map_err(|error| DbError::Reply(error.to_string()))?;
        match value::read(&whole) {
            Ok(Some((value, _))) => Ok(value),
            // CLIENT REPLY OFF.
            _ => Ok(Value::Nil),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.db.inner.server.disconnect(&self.entry);
    }
}
