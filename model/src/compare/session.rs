//! One sequence against one server.

mod agreement;
mod connections;
mod expiries;
mod settlement;
mod waiting;
mod walks;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::socket::Socket;
use super::transcript::{Transcript, quoted};
use super::{Failure, wire};
use crate::Model;
use crate::configuration;
use crate::exemptions::{self, Pending, Version};
use crate::generate::{Argument, CONNECTIONS, Request, Step};
use crate::scripts;
use crate::stages::Draws;
use crate::state::DATABASES;
use expiries::sleep_beyond;
use settlement::{Run, Sent};

/// A step that awaits an expiry does not wait longer than this, in milliseconds.
const AWAIT_MS_MAX: i64 = 150;

/// What is asked about each key when contents are compared.
const CONTENTS: &[&str] = &[
    "TYPE KEY",
    "GET KEY",
    "HGETALL KEY",
    "XINFO STREAM KEY FULL COUNT 0",
    "LRANGE KEY 0 -1",
    "ZRANGE KEY 0 -1 WITHSCORES",
    "SMEMBERS KEY",
    "PEXPIRETIME KEY",
    "OBJECT ENCODING KEY",
];

/// A subscriber of RESP2 is let go after this many requests, most of which it may not send.
const REFUSED_MAX: usize = 4;

/// A request is not sent if a wait is given up within this time, in milliseconds.
const GIVING_UP_MARGIN_MS: i64 = 50;

/// How a sequence is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Sends CHECKPOINT after this many requests.
    pub checkpoint_every: Option<usize>,
    /// Asks for the levels of the trees of large collections.
    pub measures: bool,
}

/// A sequence in progress: the sockets and the model in step.
pub struct Session {
    address: SocketAddr,
    version: Version,
    options: Options,
    model: Model,
    sockets: Vec<Socket>,
    /// Removes fields of hashes that have expired, which each server does in its own time.
    sweeper: Option<Socket>,
    transcript: Transcript,
    requests_sent: usize,
    /// The most levels that a tree of a collection had, by type.
    levels: BTreeMap<&'static str, u64>,
    /// How many requests each connection has sent that may send nothing but commands about its subscriptions.
    refused: [usize; CONNECTIONS],
    waits: Waits,
    /// How many requests have been run inside others.
    run_inside: usize,
}

/// How many commands have waited for keys, and how many of them others have served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    pub begun: usize,
    pub served: usize,
}

impl Session {
    /// Connects, empties the server, and lets the odd connections speak RESP3.
    ///
    /// # Errors
    /// If the server cannot be reached or answers what it should not.
    pub fn begin(address: SocketAddr, options: Options) -> Result<Session, Failure> {
        let mut session = Session {
            address,
            version: Version::default(),
            options,
            model: Model::default(),
            sockets: Vec::new(),
            sweeper: None,
            transcript: Transcript::default(),
            requests_sent: 0,
            levels: BTreeMap::new(),
            refused: [0; CONNECTIONS],
            waits: Waits::default(),
            run_inside: 0,
        };
        session.connect_all()?;
        session.send_words(0, &["FLUSHALL"])?;
        session.bare(0, &["ACL", "DELUSER", "alice", "bob"])?;
        session.send_words(0, &["SCRIPT", "FLUSH"])?;
        session.send_words(0, &["FUNCTION", "FLUSH"])?;
        for (name, value) in configuration::defaults() {
            session.send_words(0, &["CONFIG", "SET", name, value])?;
        }
        session.align_refusals()?;
        for connection in (0..CONNECTIONS).filter(|connection| connection % 2 == 1) {
            session.send_words(connection, &["HELLO", "3"])?;
        }
        Ok(session)
    }

    /// Runs the steps.
    ///
    /// # Errors
    /// At the first reply that is not the model's.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), Failure> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    /// Drops all connections, as a crash of the server does, and comes back. The server may listen
    /// again on the same address only.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn reconnect(&mut self) -> Result<(), Failure> {
        self.transcript
            .note("the server was killed and started again");
        self.sockets.clear();
        self.model.restart();
        self.connect_all()
    }

    /// Compares all the model knows: the keys of every database, their values and expiries.
    ///
    /// # Errors
    /// At the first reply that is not the model's.
    pub fn compare_contents(&mut self) -> Result<(), Failure> {
        self.let_go(0)?;
        self.sweep()?;
        for database in 0..DATABASES {
            self.send_words(0, &["SELECT", &database.to_string()])?;
            self.send_words(0, &["KEYS", "*"])?;
            let keys: Vec<Vec<u8>> = self.model.keys(database).map(<[u8]>::to_vec).collect();
            for key in keys {
                for question in CONTENTS {
                    let words = question.split(' ').map(|word| match word {
                        "KEY" => key.clone(),
                        word => word.as_bytes().to_vec(),
                    });
                    self.exchange(0, &words.collect::<Vec<_>>())?;
                }
            }
        }
        self.send_words(0, &["SELECT", "0"])
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Requests {
                connection,
                requests,
            } => requests
                .iter()
                .try_for_each(|request| self.request(*connection, request)),
            Step::Script {
                connection,
                requests,
            } => self.script(*connection, requests),
            Step::Scan {
                connection,
                options,
                between,
            } => {
                self.let_go(*connection)?;
                self.scan(*connection, options, between)
            }
            Step::ScanElements {
                connection,
                fill,
                command,
                key,
                options,
                between,
            } => {
                self.let_go(*connection)?;
                for request in fill {
                    self.request(*connection, request)?;
                }
                self.scan_elements(*connection, (command, key), options, between)
            }
            Step::Measure { connection, key } => self.measure(*connection, key),
            Step::AwaitExpiry => {
                self.let_give_up(AWAIT_MS_MAX)?;
                let now = now_ms();
                let soon = self
                    .model
                    .expiries()
                    .filter(|at| (now..now + AWAIT_MS_MAX).contains(at))
                    .min();
                if let Some(at) = soon {
                    self.transcript.note("sleep until a key has expired");
                    sleep_beyond(at);
                }
                Ok(())
            }
        }
    }

    /// The most levels that a tree of a collection of each type had.
    pub fn levels(&self) -> &BTreeMap<&'static str, u64> {
        &self.levels
    }

    /// How many requests transactions and scripts have run, each of which was compared.
    pub fn run_inside(&self) -> usize {
        self.run_inside
    }

    /// How many messages about keyspace events were compared.
    pub fn heard_events(&self) -> usize {
        self.model.heard_events()
    }

    /// How many commands have waited so far.
    pub fn waits(&self) -> Waits {
        self.waits
    }

    fn measure(&mut self, connection: usize, key: &'static str) -> Result<(), Failure> {
        let is_free = self.model.queued(connection).is_none()
            && !self.model.is_confined(connection)
            && !self.model.is_tracking(connection)
            && !self.model.is_waiting(connection)
            && self.model.user(connection) == b"default";
        if !self.options.measures || !is_free || self.model.is_silenced(connection) {
            return Ok(());
        }
        let reply = self.bare(connection, &["DEBUG", "OBJECT", key])?;
        let (database, _) = self.model.selected(connection);
        let reply = String::from_utf8_lossy(&reply);
        let words = reply.split_whitespace();
        let levels: Option<u64> = words
            .filter_map(|word| word.strip_prefix("tree_levels:"))
            .find_map(|levels| levels.parse().ok());
        if let (Some(levels), Some(entry)) = (levels, self.model.entry(database, key.as_bytes())) {
            let most = self.levels.entry(entry.value.type_name()).or_default();
            *most = levels.max(*most);
        }
        Ok(())
    }

    /// Resets a subscriber that may send nothing but commands about its subscriptions, who is inside MULTI, and who tracks:
    /// the model does not see all that is sent next.
    fn let_go(&mut self, connection: usize) -> Result<(), Failure> {
        self.refused[connection] = 0;
        if self.model.is_waiting(connection) {
            self.unblock(connection)?;
        }
        let is_free = self.model.user(connection) == b"default"
            && !self.model.is_confined(connection)
            && !self.model.is_tracking(connection);
        if !is_free || self.model.queued(connection).is_some() {
            self.send_words(connection, &["RESET"])?;
        }
        Ok(())
    }

    fn request(&mut self, connection: usize, request: &Request) -> Result<(), Failure> {
        let is_waiting = self.model.is_waiting(connection);
        let is_refused = is_waiting || self.model.is_confined(connection);
        self.refused[connection] += usize::from(is_refused);
        if self.refused[connection] > REFUSED_MAX {
            self.let_go(connection)?;
        } else if is_waiting {
            return Ok(());
        }
        self.let_give_up(GIVING_UP_MARGIN_MS)?;
        self.let_expire(request);
        let words = self.resolved(request);
        self.exchange(connection, &words)?;
        self.make_room()?;
        self.checkpoint_if_due()
    }

    /// One script of the requests, but for those that are not to be sent behind those before them.
    fn script(&mut self, connection: usize, requests: &[Request]) -> Result<(), Failure> {
        self.let_go(connection)?;
        self.let_give_up(GIVING_UP_MARGIN_MS)?;
        self.let_expire(&requests.concat());
        let mut sent: Vec<Vec<Vec<u8>>> = Vec::new();
        for request in requests {
            let words = self.resolved(request);
            if exemptions::is_never_scripted(self.version, &words) {
                continue;
            }
            sent.push(words);
            if self.runs_withheld(&self.model, connection, &scripts::of_several(&sent)) {
                sent.pop();
            }
        }
        self.exchange(connection, &scripts::of_several(&sent))?;
        self.make_room()?;
        self.checkpoint_if_due()
    }

    /// The words of a request as they are sent now.
    fn resolved(&self, request: &Request) -> Vec<Vec<u8>> {
        let now = now_ms();
        let words = request.iter().map(|argument| match argument {
            Argument::Number(of) => {
                let number = self.model.number_of(*of).unwrap_or(0);
                number.to_string().into_bytes()
            }
            argument => argument.resolve(now, self.model.dumps()),
        });
        words.collect()
    }

    fn checkpoint_if_due(&mut self) -> Result<(), Failure> {
        let due = self
            .options
            .checkpoint_every
            .is_some_and(|every| self.requests_sent.is_multiple_of(every));
        // A subscriber may not ask for it, and its complaint is as good as any reply. Inside MULTI it would count, and
        // behind CLIENT CACHING and CLIENT REPLY SKIP; that it is refused to a user would be written down.
        let is_free = |it: &usize| {
            self.model.queued(*it).is_none()
                && !self.model.is_waiting(*it)
                && !self.model.is_silenced(*it)
                && !self.model.is_tracking(*it)
                && self.model.user(*it) == b"default"
        };
        let connection = (0..CONNECTIONS).find(is_free);
        match connection.filter(|_| due) {
            Some(connection) => self.bare(connection, &["CHECKPOINT"]).map(drop),
            None => Ok(()),
        }
    }

    /// Sends one request to both, and compares.
    fn exchange(&mut self, connection: usize, request: &[Vec<u8>]) -> Result<(), Failure> {
        self.sweep()?;
        self.lay_ghosts(request)?;
        let discard = [b"DISCARD".to_vec()];
        let request = match self.runs_withheld(&self.model, connection, request) {
            true if exemptions::is_exec(request) => &discard,
            true => return Ok(()),
            false => request,
        };
        let before_ms = now_ms();
        let (database, _) = self.model.selected(connection);
        let queued = self.model.queued(connection).map(<[_]>::to_vec);
        let is_queued = queued.is_some() && !exemptions::is_exec(request);
        if is_queued && self.is_not_queued(connection, request) {
            return Ok(());
        }
        let run = Run::new(
            &self.model,
            (connection, request),
            before_ms,
            Draws::default(),
        );
        let (next_model, expected, stages) = (run.model, run.reply, run.stages);
        let pending = Pending {
            request,
            expected: &expected,
            model: &self.model,
            connection,
            database,
        };
        if exemptions::is_withheld(self.version, &pending)
            || exemptions::is_announced_twice(&next_model, before_ms)
            || exemptions::is_notified_in_time(&next_model, before_ms)
        {
            return Ok(());
        }
        if next_model.is_unsettled() {
            return Err(Failure::Inconclusive);
        }
        let is_crowded = next_model.crowded_keys() > 0 && next_model.told_of_all().is_none();
        if is_crowded || next_model.served_in_doubt() {
            return Ok(());
        }
        self.transcript.request(connection, request);
        self.requests_sent += 1;
        let before = std::mem::replace(&mut self.model, next_model);
        self.waits.begun += usize::from(self.model.is_waiting(connection));
        let is_served = |it: &usize| before.is_waiting(*it) && !self.model.is_waiting(*it);
        self.waits.served += (0..CONNECTIONS).filter(is_served).count();
        let is_silent = expected.is_empty() && !self.model.is_waiting(connection);
        let processed = match is_silent {
            true => Some(self.processed()?),
            false => None,
        };
        let sent = self.sockets[connection].send(request);
        sent.map_err(|error| self.broken(error))?;
        if let Some(processed) = processed {
            self.await_silent(processed)?;
        }
        let frames = match expected.is_empty() {
            true => 0,
            false => wire::parse_several(&expected).map_or(1, |frames| frames.len()),
        };
        let received = self.sockets[connection].receive_several(frames);
        let actual = received.map_err(|error| self.missing(&expected, error))?;
        let after_ms = now_ms();
        let is_unclear = |at| (before_ms..=after_ms).contains(&at);
        let mut ends = (0..CONNECTIONS).filter_map(|it| before.gives_up_at(it));
        let mut inner = stages.iter().map(|stage| &*stage.request);
        if self.model.expiries().any(is_unclear)
            || ends.any(is_unclear)
            || inner.any(|request| moments(request).any(is_unclear))
        {
            return Err(Failure::Inconclusive);
        }
        let sent = Sent {
            connection,
            request,
            before: &before,
            before_ms,
            after_ms,
        };
        self.run_inside += stages.len();
        self.settle(&sent, (expected, stages), &actual)?;
        self.await_blocked(connection)?;
        self.receive_messages(connection)?;
        if request[0].eq_ignore_ascii_case(b"QUIT") && actual == b"+OK\r\n" {
            self.end_connection(connection)?;
        }
        self.end_closed()
    }

    /// Whether an open transaction of the connection is not to have the request: also if it changes what comes before it.
    fn is_not_queued(&self, connection: usize, request: &[Vec<u8>]) -> bool {
        if exemptions::is_never_queued(request) {
            return true;
        }
        let mut model = self.model.clone();
        model.execute(connection, request, now_ms());
        self.runs_withheld(&model, connection, &[b"EXEC".to_vec()])
    }

    /// Whether the model, as it is, would run something in this EXEC or script of several that the server would not be sent by
    /// itself, or that cannot be judged without a reply.
    fn runs_withheld(&self, model: &Model, connection: usize, request: &[Vec<u8>]) -> bool {
        if !exemptions::answers_each(request) {
            return false;
        }
        let now = now_ms();
        let run = Run::new(model, (connection, request), now, Draws::default());
        if exemptions::is_notified_in_time(&run.model, now) {
            return true;
        }
        let replies = wire::elements(&run.reply).map(|(replies, _)| replies);
        run.stages.iter().enumerate().any(|(at, stage)| {
            let expected = replies.as_ref().and_then(|replies| replies.get(at));
            let pending = Pending {
                connection,
                request: &stage.request,
                expected: expected.map(Vec::as_slice).unwrap_or_default(),
                model: &stage.before,
                database: stage.database,
            };
            exemptions::is_withheld(self.version, &pending)
        })
    }

    /// Something that was to come did not, or not whole.
    fn missing(&self, expected: &[u8], error: io::Error) -> Failure {
        let error = io::Error::new(
            error.kind(),
            format!("{error}, and {} was to come", quoted(expected)),
        );
        self.broken(error)
    }

    fn broken(&self, error: io::Error) -> Failure {
        Failure::Connection {
            transcript: self.transcript.text(),
            error,
        }
    }

    fn divergence(&self, expected: &[u8], actual: &[u8]) -> Failure {
        Failure::Divergence {
            transcript: self.transcript.text(),
            expected: quoted(expected),
            actual: quoted(actual),
        }
    }
}

/// The numbers among the words of a request, some of which are moments.
fn moments(request: &[Vec<u8>]) -> impl Iterator<Item = i64> {
    let words = request.iter();
    words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}

/// The wall time in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("the clock shows a time after 1970");
    i64::try_from(since.as_millis()).expect("the year is before 292 million")
}
