//! One connection, sans-IO: bytes in, reply bytes out.
//!
//! The shell appends what it reads to [`Session::input`], takes the engine lock, and calls [`Session::execute`],
//! which carries out the complete requests and says with a [`Step`] what it needs next. Replies gather in
//! [`Session::reply`]; they may leave once the log is written, or synced, up to [`Session::lsn_seen`].
//!
//! Architecture invariant: nothing here reads a clock, a socket or a file, or waits.

mod ahead;
mod execution;
mod input;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use ahead::look_ahead_together;
pub use input::{Input, READ_BYTES};
pub use store::{Fetch, OwnEngine, Store};

use crate::command::client::{Block, BlockKind, Buffers, Client, Entry, ReplyMode};
use crate::command::dispatch::{BOUND, Bindings};
use crate::command::server::Server;
use crate::command::serving::UNBLOCKED;
use crate::resp::parser::{Guess, Limits, Parser, Progress, ProtocolError, guess};
use crate::resp::{ErrorReply, Proto, Reply};

/// What a session needs before it goes on.
pub enum Step {
    /// More bytes: every complete request is carried out.
    Read,
    /// Another hold of the engine lock: there may be more complete requests.
    Again,
    /// Pages read off the lock, then another call; None: just another call.
    Park(Option<Box<dyn Fetch>>),
    /// Another call on a thread that serves no other connection: it takes long. [`Client::patient`] says so.
    Move,
    /// A session of the debugger, on a thread that serves no other connection: [`Session::debug_aside`], or another call
    /// with a console.
    Debug,
    /// The end of a pause, at this wall time in milliseconds or earlier, then another call.
    Paused(u64),
    /// [`Session::unblock`], when what the client waits for is there or its time is over.
    Blocked(Block),
    /// The replies sent, then the connection closed.
    Close,
    /// The connection closed at once.
    Abort,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("Read"),
            Self::Again => f.write_str("Again"),
            Self::Park(_) => f.write_str("Park"),
            Self::Move => f.write_str("Move"),
            Self::Debug => f.write_str("Debug"),
            Self::Paused(until_ms) => write!(f, "Paused({until_ms})"),
            Self::Blocked(block) => write!(f, "Blocked({block:?})"),
            Self::Close => f.write_str("Close"),
            Self::Abort => f.write_str("Abort"),
        }
    }
}

/// Why a blocked client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblocked {
    /// What it waited for is there, or its time is over: the reply says how much of it is true.
    Answer { log_synced: bool },
    /// CLIENT UNBLOCK with ERROR.
    Error,
    /// The server could not shut down.
    ShutdownFailed,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    pub input: Input,
    pub reply: Reply,
    pub client: Client,
    parser: Parser,
    /// The parser holds a complete request that is not carried out.
    pending: bool,
    /// How often the pending request was parked.
    parks: u8,
    lsn_seen: u64,
    /// The words of the current request; kept for its memory.
    words: Vec<&'static [u8]>,
    /// What the next requests probably ask for: of the next hold's, one a request.
    ahead: Vec<Guess>,
    bindings: &'static Bindings,
}

impl Session {
    /// A connection that has just been accepted.
    pub fn new(entry: Arc<Entry>, server: &Server) -> Self {
        Self {
            input: Input::default(),
            reply: Reply::new(Proto::Resp2),
            client: Client::new(entry, &server.users),
            parser: Parser::default(),
            pending: false,
            parks: 0,
            lsn_seen: 0,
            words: Vec::new(),
            ahead: Vec::new(),
            bindings: &BOUND,
        }
    }

    /// A connection whose commands are carried out by other functions.
    #[cfg(test)]
    fn with_bindings(entry: Arc<Entry>, server: &Server, bindings: &'static Bindings) -> Self {
        Self {
            bindings,
            ..Self::new(entry, server)
        }
    }

    /// The LSN that every reply so far waits for.
    pub fn lsn_seen(&self) -> u64 {
        self.lsn_seen
    }

    /// Replies that come from elsewhere wait for this LSN too.
    pub fn see_lsn(&mut self, lsn: u64) {
        self.lsn_seen = self.lsn_seen.max(lsn);
    }

    /// Whether more unfinished input has piled up than a client may send. Words that are complete do not count.
    pub fn is_over_input_limit(&self, server: &Server) -> bool {
        const UNAUTHENTICATED_BYTES_MAX: usize = 1 << 20;
        let understood = if self.parser.in_request() {
            self.parser.consumed()
        } else {
            0
        };
        // What a transaction has queued counts as if it were not understood yet.
        let queued = self.client.multi.as_ref().map_or(0, |multi| multi.memory());
        let bytes = self.input.len() - understood + queued;
        let limit = server.tuning.query_buffer_bytes_max.load(Ordering::Relaxed);
        bytes as u64 > limit
            || (bytes > UNAUTHENTICATED_BYTES_MAX && !self.client.may_speak(&server.users))
    }

    /// Understands the next request without the engine lock, so that little is left to do under it; false if it is
    /// not complete. An error shows when the session is executed.
    pub fn prepare(&mut self, server: &Server) -> bool {
        let is_ready = !matches!(self.next_request(server), Ok(false));
        self.ahead.clear();
        if !is_ready && !self.input.is_empty() {
            // What is there of a request may be large, and counts.
            self.client.entry.view.lock().buffers = self.buffers(0);
        }
        if is_ready && self.input.len() > self.parser.consumed() {
            let (input, start) = self.input.whole();
            guess(input, start, execution::COMMANDS_PER_HOLD, &mut self.ahead);
        }
        is_ready
    }

    /// Parses up to the next complete request; false if there is none.
    fn next_request(&mut self, server: &Server) -> Result<bool, ProtocolError> {
        if self.pending {
            return Ok(true);
        }
        let limits = Limits {
            bulk_bytes_max: server.tuning.bulk_bytes_max.load(Ordering::Relaxed),
            authenticated: self.client.may_speak(&server.users),
        };
        loop {
            match self.parser.parse(self.input.bytes(), &limits)? {
                Progress::Request => {
                    self.pending = true;
                    return Ok(true);
                }
                Progress::Nothing => {
                    self.input.consume(self.parser.consumed());
                    // It is the next request, whose reply CLIENT REPLY SKIP takes away, though it has none.
                    if self.client.reply_mode == ReplyMode::SkipNext {
                        self.client.set_reply_mode(ReplyMode::On);
                    }
                }
                Progress::Incomplete(missing) => {
                    self.input.expect(missing);
                    return Ok(false);
                }
            }
        }
    }

    /// The pending request is carried out.
    fn finish_request(&mut self) {
        self.input.consume(self.parser.consumed());
        self.pending = false;
        self.parks = 0;
    }

    /// Answers a client that was blocked; the next call is [`Session::execute`].
    pub fn unblock(&mut self, server: &Server, why: Unblocked) {
        const NO_SHUTDOWN: ErrorReply =
            ErrorReply::new("ERR Errors trying to SHUTDOWN. Check logs.");
        let Some(block) = self.client.block.take() else {
            return;
        };
        let mark = self.reply.mark();
        match (why, block.kind) {
            (Unblocked::Error, _) => self.reply.error(&UNBLOCKED),
            (Unblocked::ShutdownFailed, _) => self.reply.error(&NO_SHUTDOWN),
            (Unblocked::Answer { .. }, BlockKind::Replicas { offset }) => {
                self.reply.int(server.feed.acknowledged(offset) as i64);
            }
            (Unblocked::Answer { log_synced }, BlockKind::Log { .. }) => {
                self.reply.array(2);
                self.reply.int(i64::from(log_synced));
                self.reply.int(0);
            }
            (Unblocked::Answer { .. }, BlockKind::Shutdown | BlockKind::Keys) => {}
            (Unblocked::Answer { .. }, BlockKind::Save) => {
                self.tell("save", server.saves.job.take_error(self.client.id));
            }
            (Unblocked::Answer { .. }, BlockKind::Backup) => {
                self.tell("backup", server.backups.job.take_error(self.client.id));
            }
            (Unblocked::Answer { .. }, BlockKind::Checkpoint { .. }) => {
                self.tell("checkpoint", server.checkpoints.error());
            }
        }
        if let Some(b'-') = self.reply.bytes_since(mark).first() {
            server.stats.count_error(&self.reply.bytes_since(mark)[1..]);
        }
        if self.client.reply_mode.is_mute() {
            self.reply.cut(mark);
        }
        self.is_skipped();
        self.publish();
    }

    /// Answers how what the client waited for has ended.
    fn tell(&mut self, what: &str, error: Option<String>) {
        match error {
            None => self.reply.ok(),
            Some(why) => {
                let text = format!("ERR the {what} failed: {why}");
                self.reply.error(&ErrorReply::formatted(text));
            }
        }
    }

    /// The command that blocked on keys is over and its reply was sent; the next call is [`Session::execute`].
    pub fn resume(&mut self) {
        self.client.block = None;
        self.is_skipped();
        // It may have written, at the latest what its reply waited for.
        self.client.write_lsn = self.lsn_seen;
        self.publish();
    }

    /// A command that waited is over: if its reply was to be skipped, it was.
    fn is_skipped(&mut self) {
        if self.client.reply_mode == ReplyMode::Skip {
            self.client.set_reply_mode(ReplyMode::On);
        }
    }

    /// Shows the connection's state to CLIENT LIST.
    fn publish(&mut self) {
        self.client.buffers = self.buffers(0);
        self.client.publish(self.reply.proto());
    }

    fn buffers(&self, words: usize) -> Buffers {
        Buffers {
            input: self.input.len(),
            input_free: self.input.free(),
            words,
            output_capacity: self.reply.capacity(),
            output: self.reply.bytes().len(),
        }
    }
}
