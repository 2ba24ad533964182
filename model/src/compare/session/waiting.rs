//! Connections that wait for keys: that they do, and how their waits end.

use std::thread;
use std::time::{Duration, Instant};

use super::expiries::{EXPIRY_MARGIN_MS, sleep_beyond};
use super::{AWAIT_MS_MAX, Session, now_ms};
use crate::blocking::Ending;
use crate::compare::{Failure, wire};
use crate::generate::CONNECTIONS;

/// How long a server may take to block a client.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(10);

/// How long a request without a reply may take, if it is not refused.
const SILENCE_PATIENCE: Duration = Duration::from_secs(1);

impl Session {
    /// A request was sent that is not answered at once: if its connection waits for keys now, finds that the server has it
    /// wait, too. A short wait is given up here.
    pub(super) fn await_blocked(&mut self, connection: usize) -> Result<(), Failure> {
        if !self.model.is_waiting(connection) {
            return Ok(());
        }
        let end = self.model.gives_up_at(connection);
        if end.is_some_and(|end| end < now_ms() + AWAIT_MS_MAX) {
            return self.give_up(connection);
        }
        let begin = Instant::now();
        while !self.is_blocked(connection)? {
            if begin.elapsed() > BLOCKING_PATIENCE {
                let socket = &mut self.sockets[connection];
                let patience = socket.be_patient(Duration::from_millis(10));
                patience.map_err(|error| self.broken(error))?;
                let actual = self.sockets[connection].receive().unwrap_or_default();
                return Err(self.divergence(b"a client that is blocked", &actual));
            }
            thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Whether the server says that a connection is blocked.
    fn is_blocked(&mut self, connection: usize) -> Result<bool, Failure> {
        let number = self.model.number_of(connection).unwrap_or(0).to_string();
        let question = ["CLIENT", "LIST", "ID", &number].map(|word| word.as_bytes().to_vec());
        let answer = self.ask_aside(0, &question)?;
        let line = wire::parse(&answer);
        let line = line.as_ref().and_then(wire::Node::text).unwrap_or_default();
        let mut fields = line.split(|byte| *byte == b' ');
        let flags = fields.find_map(|field| field.strip_prefix(b"flags="));
        Ok(flags.is_some_and(|flags| flags.contains(&b'b')))
    }

    /// How many commands the server has carried out, those that ask included from the next time on.
    pub(super) fn processed(&mut self) -> Result<i64, Failure> {
        let question = ["INFO", "stats"].map(|word| word.as_bytes().to_vec());
        let answer = self.ask_aside(0, &question)?;
        let text = String::from_utf8_lossy(&answer);
        let mut lines = text.lines();
        let number = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
        Ok(number.and_then(|it| it.parse().ok()).unwrap_or(0))
    }

    /// A request was sent that is not answered: waits until the server has carried it out. What it refuses is not counted,
    /// and changes nothing either.
    pub(super) fn await_silent(&mut self, mut processed: i64) -> Result<(), Failure> {
        let begin = Instant::now();
        while begin.elapsed() < SILENCE_PATIENCE {
            let now = self.processed()?;
            // SELECT and INFO are the questioner's own.
            if now > processed + 2 {
                return Ok(());
            }
            processed = now;
        }
        Ok(())
    }

    /// Awaits the end of every wait that is given up within this time, in milliseconds.
    pub(super) fn let_give_up(&mut self, within_ms: i64) -> Result<(), Failure> {
        for connection in 0..CONNECTIONS {
            let end = self.model.gives_up_at(connection);
            if end.is_some_and(|end| end < now_ms() + within_ms) {
                self.give_up(connection)?;
            }
        }
        Ok(())
    }

    /// The time of a wait is over.
    fn give_up(&mut self, connection: usize) -> Result<(), Failure> {
        self.expire_until(self.model.gives_up_at(connection))?;
        self.transcript.note("a wait is given up");
        self.model.end_wait(connection, Ending::TimedOut);
        let expected = self.model.take_posted(connection);
        if expected.is_empty() {
            // Nothing is answered, so that only the server can tell.
            while self.is_blocked(connection)? {
                thread::sleep(Duration::from_millis(1));
            }
            return Ok(());
        }
        let received = self.sockets[connection].receive();
        let actual = received.map_err(|error| self.missing(&expected, error))?;
        if actual != expected {
            return Err(self.divergence(&expected, &actual));
        }
        Ok(())
    }

    /// Lets keys expire before the end of a wait of which somebody is told.
    fn expire_until(&mut self, end_ms: Option<i64>) -> Result<(), Failure> {
        let Some(end_ms) = end_ms.filter(|end| *end < now_ms() + AWAIT_MS_MAX) else {
            return Ok(());
        };
        loop {
            let now = now_ms();
            let expiries = self.model.expiries();
            let Some(at) = expiries.filter(|at| (now..=end_ms).contains(at)).min() else {
                return self.sweep();
            };
            if end_ms - at < EXPIRY_MARGIN_MS {
                return Err(Failure::Inconclusive);
            }
            sleep_beyond(at);
            self.sweep()?;
        }
    }

    /// Ends a wait from outside.
    pub(super) fn unblock(&mut self, connection: usize) -> Result<(), Failure> {
        self.transcript.note("CLIENT UNBLOCK from outside");
        let number = self.model.number_of(connection).unwrap_or(0).to_string();
        let request = ["CLIENT", "UNBLOCK", &number].map(|word| word.as_bytes().to_vec());
        let answer = self.ask_aside(0, &request)?;
        if answer != b":1\r\n" {
            return Err(self.divergence(b"a client that is unblocked", &answer));
        }
        self.give_up(connection)
    }
}
