//! Carrying out commands that come from a file and not from a client.

use super::argument::is_word;
use super::client::Client;
use super::dispatch::BOUND;
use super::server::Server;
use super::table::{Command, Flag, Group, Resolved};
use super::{Call, Failure, attempt, transaction};
use crate::keyspace::Keyspace;
use crate::resp::Reply;
use crate::storage::{self, OnMiss};

/// Why a command of a file was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the command {0} is not known here")]
    Unknown(String),
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Carries out the commands of a file.
pub struct Player<'a> {
    server: &'a Server,
    client: Client,
    out: Reply,
    /// Commands that were answered with an error.
    pub refused: u64,
}

impl<'a> Player<'a> {
    pub fn new(server: &'a Server) -> Self {
        let client = Client {
            deny_blocking: true,
            patient: true,
            ..Client::default()
        };
        Self {
            server,
            client,
            out: Reply::default(),
            refused: 0,
        }
    }

    /// Whether a transaction is open.
    pub fn is_in_transaction(&self) -> bool {
        self.client.multi.is_some()
    }

    /// Carries out a command, at a wall time in milliseconds; one between MULTI and EXEC waits for that.
    pub fn play(
        &mut self,
        keyspace: &mut Keyspace,
        words: &[&[u8]],
        now_ms: u64,
    ) -> Result<(), ReplayError> {
        let words = &without_limit(words);
        let unknown = || ReplayError::Unknown(String::from_utf8_lossy(words[0]).into_owned());
        let Resolved::Command(command) = self.server.renames.resolve(words) else {
            return Err(unknown());
        };
        let Some(handler) = BOUND.of(command.id).handler else {
            return Err(unknown());
        };
        if !command.accepts(words.len()) || command.flags.has(Flag::Admin) {
            self.refused += 1;
            return Ok(());
        }
        if transaction::queues(&mut self.client, self.server, command, handler, words) {
            return Ok(());
        }
        keyspace.engine.begin_command(OnMiss::Read);
        let mut call = Call {
            args: words,
            keyspace,
            client: &mut self.client,
            server: self.server,
            out: &mut self.out,
            now_ms: moment_of(command, words, now_ms),
        };
        let outcome = attempt::carry_out(&mut call, handler);
        if outcome.is_err() && keyspace.engine.in_transaction() {
            keyspace.engine.rollback();
        }
        keyspace.changes.take();
        self.client.outgoing.clear();
        self.client.block = None;
        let has_error = self.out.bytes().first() == Some(&b'-');
        let _ = self.out.take();
        match outcome {
            Ok(()) => self.refused += u64::from(has_error),
            Err(Failure::Reply(_) | Failure::Slow) => self.refused += 1,
            Err(Failure::Storage(error)) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The time at which a command of a file happens. What was not due when it was written is not due while the file is
/// read, so that is the beginning of time; but for commands that need to know how late it is.
fn moment_of(command: &Command, words: &[&[u8]], now_ms: u64) -> u64 {
    const RELATIVE: &[&str] = &[
        "expire", "pexpire", "setex", "psetex", "hexpire", "hpexpire",
    ];
    let has = |wanted: &str| words.iter().skip(2).any(|word| is_word(word, wanted));
    let is_relative = match command.name() {
        "set" | "getex" => words.len() > 4 && (has("EX") || has("PX")),
        "restore" => !has("ABSTTL"),
        name => RELATIVE.contains(&name),
    };
    if is_relative || matches!(command.group, Group::Stream | Group::Scripting) {
        now_ms
    } else {
        0
    }
}

/// Redis repeats a trim to what was left as an exact one, and leaves a LIMIT that exact ones do not take.
fn without_limit<'w>(words: &[&'w [u8]]) -> Vec<&'w [u8]> {
    let mut words = words.to_vec();
    let trims = is_word(words[0], "XADD") || is_word(words[0], "XTRIM");
    let is_limit = |pair: &[&[u8]]| pair[0] == b"=" && is_word(pair[1], "LIMIT");
    if trims && let Some(at) = words.windows(3).position(|w| is_limit(&[w[0], w[2]])) {
        words.drain(at + 2..(at + 4).min(words.len()));
    }
    words
}
