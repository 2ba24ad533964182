//! Keys and fields that expire while a sequence runs: each server removes them in its own time.

use std::thread;
use std::time::Duration;

use super::{Session, now_ms};
use crate::compare::{Failure, messages};
use crate::generate::{Argument, CONNECTIONS, Request};
use crate::state::DATABASES;

/// A request is not sent if a key expires within this time, in milliseconds: the sequence waits until
/// the key is gone on both sides.
pub(super) const EXPIRY_MARGIN_MS: i64 = 20;

impl Session {
    /// Waits where the answer would depend on the very millisecond.
    pub(super) fn let_expire(&self, request: &Request) {
        let compares_expiries = request.iter().any(|argument| match argument {
            Argument::Bytes(bytes) => {
                bytes.eq_ignore_ascii_case(b"GT") || bytes.eq_ignore_ascii_case(b"LT")
            }
            _ => false,
        });
        if compares_expiries {
            thread::sleep(Duration::from_millis(2));
        }
        loop {
            let now = now_ms();
            match self
                .model
                .expiries()
                .find(|at| (now..now + EXPIRY_MARGIN_MS).contains(at))
            {
                Some(at) => sleep_beyond(at),
                None => return,
            }
        }
    }

    /// Removes the fields of hashes that have expired from the server, and the keys of which somebody is told.
    pub(super) fn sweep(&mut self) -> Result<(), Failure> {
        let now = now_ms();
        let due = self.model.due(now);
        let fields = self.model.expired_fields(now);
        if due.is_empty() && fields.is_empty() {
            return Ok(());
        }
        if !fields.is_empty() && self.model.notifies_of_fields_before(now) {
            return Err(Failure::Inconclusive);
        }
        for (database, key) in due {
            self.model.expire(database, &key, now);
            self.meet(database, key)?;
        }
        for (database, key, names) in fields {
            self.model.removed_by_time(database, &key, now);
            let remove = [vec![b"HDEL".to_vec(), key], names].concat();
            self.ask_aside(database, &remove)?;
        }
        self.receive_by_time()
    }

    /// Removes what has expired unheard before its end is announced to who asks for all, or to who has read a key of the same
    /// name in another database.
    pub(super) fn lay_ghosts(&mut self, request: &[Vec<u8>]) -> Result<(), Failure> {
        let asks_for_all = |word: &Vec<u8>| word.eq_ignore_ascii_case(b"BCAST");
        let tracks = |connection| self.model.is_tracking(connection);
        if !request.iter().any(asks_for_all) && !(0..CONNECTIONS).any(tracks) {
            return Ok(());
        }
        let now = now_ms();
        for database in 0..DATABASES {
            for key in self.model.expired_keys(database, now) {
                self.meet(database, key.clone())?;
                self.model.lay_ghost(database, &key);
            }
        }
        Ok(())
    }

    /// Lets the server look for a key, and remove it if it has expired, but miss it unsaid.
    fn meet(&mut self, database: usize, key: Vec<u8>) -> Result<(), Failure> {
        let look = ["OBJECT", "REFCOUNT"].map(|word| word.as_bytes().to_vec());
        let request = [look.to_vec(), vec![key]].concat();
        self.ask_aside(database, &request).map(drop)
    }

    /// Compares what is sent as keys expire: each server removes them in its own time and order, and announces several
    /// together or not.
    fn receive_by_time(&mut self) -> Result<(), Failure> {
        for connection in 0..CONNECTIONS {
            let expected = self.model.take_posted(connection);
            let wanted = messages::flattened(&expected);
            let mut actual = Vec::new();
            while messages::flattened(&actual).len() < wanted.len() {
                let received = self.sockets[connection].receive();
                actual.extend(received.map_err(|error| self.missing(&expected, error))?);
            }
            if messages::flattened(&actual) != wanted {
                return Err(self.divergence(&expected, &actual));
            }
        }
        Ok(())
    }
}

/// Sleeps until the clock shows more than a moment.
pub(super) fn sleep_beyond(at_ms: i64) {
    let wait = at_ms + 2 - now_ms();
    thread::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
}
