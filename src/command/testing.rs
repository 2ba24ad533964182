//! Running handlers in tests: words in, reply bytes out.

use std::sync::Arc;

use super::attempt::carry_out;
use super::client::Client;
use super::dispatch::{BOUND, Handler};
use super::server::Server;
use super::serving::flat;
use super::table::{self, Resolved};
use super::{Call, Failure};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::resp::{Proto, Reply};
use crate::storage::{Engine, OnMiss, OpenOptions, open};
use crate::vfs::{OsClock, OsVfs};

/// A server without a network.
pub struct Bench {
    pub keyspace: Keyspace,
    pub client: Client,
    pub proto: Proto,
    pub now_ms: u64,
    pub server: Server,
    dir: tempfile::TempDir,
}

/// Opens the database in `dir`.
fn engine(dir: &std::path::Path) -> Engine {
    let opened = open(
        &OsVfs,
        Arc::new(OsClock::default()),
        &dir.join("data.keep"),
        &OpenOptions::new([7; 16]),
        &mut |_, _| {},
    );
    opened.expect("a database").0
}

impl Bench {
    /// Empty, with 16 databases, at a fixed time.
    pub fn new() -> Self {
        let now_ms = 1_700_000_000_000;
        let dir = tempfile::tempdir().expect("a directory for the test");
        Self {
            keyspace: Keyspace::new(engine(dir.path()), 16, 1, now_ms).expect("a new database"),
            dir,
            client: Client::default(),
            proto: Proto::Resp2,
            now_ms,
            server: Server::new(Arc::new(Config::default()), Arc::new(OsClock::default())),
        }
    }

    /// Runs a command and returns its reply, or what storage had against it.
    pub fn try_run(&mut self, words: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        if !self.keyspace.in_transaction() {
            self.keyspace.engine.begin_command(OnMiss::Read);
        }
        let mut reply = Reply::new(self.proto);
        let outcome = carry_out(
            &mut Call {
                args: words,
                keyspace: &mut self.keyspace,
                client: &mut self.client,
                server: &self.server,
                out: &mut reply,
                now_ms: self.now_ms,
            },
            handler(words),
        );
        match outcome {
            Err(Failure::Reply(error)) => {
                assert!(reply.is_empty(), "an error is the whole reply");
                reply.error(&error);
            }
            other => other?,
        }
        Ok(flat(reply))
    }

    /// Runs a command that storage has nothing against.
    pub fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.try_run(words).expect("storage that works")
    }

    /// Closes and opens the database, without a checkpoint.
    pub fn restart(self) -> Self {
        let Self {
            keyspace,
            client,
            proto,
            now_ms,
            server,
            dir,
        } = self;
        if let Some(log) = keyspace.engine.log() {
            log.write_to(keyspace.engine.last_lsn()).expect("a log");
        }
        drop(keyspace);
        Self {
            keyspace: Keyspace::new(engine(dir.path()), 16, 1, now_ms).expect("the database"),
            client,
            proto,
            now_ms,
            server,
            dir,
        }
    }
}

fn handler(words: &[&[u8]]) -> Handler {
    let Resolved::Command(command) = table::resolve(words) else {
        panic!("{words:?} name no command");
    };
    BOUND
        .of(command.id)
        .handler
        .expect("a command with a function")
}
