//! A script or function while it runs: the commands it calls, and what becomes of them.
//!
//! A run is one transaction of storage, begun by the first command that does more than read; inside EXEC it is part
//! of that. What cannot be taken back with the data (counters, lines of the log, lines for monitors) is kept until the run is
//! over. So a run can vanish: when a page is not in memory, when storage fails, when the server shuts down, and when it
//! takes long on a thread that serves other connections; it runs again from its beginning where that helps.
//!
//! From the first command on that does more than read and change keys, pages are read under the lock and the run
//! stays where it is, as in EXEC: nothing happens twice that cannot be taken back.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::acl::{self, log::Context};
use super::client::Client;
use super::dispatch::BOUND;
use super::eviction::OUT_OF_MEMORY;
use super::outgoing::OutgoingMark;
use super::running::{Kind, Order};
use super::server::Server;
use super::serving::flat;
use super::table::{self, Command, CommandId, Flag, Resolved};
use super::tally::Tally;
use super::transaction::{only_reads, only_touches_keys};
use super::{Call, Failure, accounting, attempt, client_tracking, errors, monitor, replication};
use crate::keyspace::change::Listener;
use crate::keyspace::{Keyspace, Mark};
use crate::resp::{ErrorReply, Reply, text};
use crate::script::host::{Called, Host, Interrupt, LogLevel, Supervisor};
use crate::script::shebang::{Flag as Declared, Flags};
use crate::storage::{self, OnMiss, Plan};

/// For how long a run may keep a thread from its other connections, in microseconds. Then it begins again on a thread
/// of its own.
const INLINE_US: u64 = 5000;

/// So many bytes of lines for the log wait for the end of a run. With more it does not vanish any more, and says them at once.
const LINES_BYTES_MAX: usize = 64 << 10;

/// Commands whose messages leave when the run is over.
const PUBLISHING: &[CommandId] = &[table::id("publish"), table::id("spublish")];

/// Commands that change nothing, or only what a run puts back, though they are not about keys.
const TELLING: &[CommandId] = &[
    table::id("acl|whoami"),
    table::id("command"),
    table::id("command|count"),
    table::id("command|docs"),
    table::id("command|getkeys"),
    table::id("command|info"),
    table::id("command|list"),
    table::id("config|get"),
    table::id("echo"),
    table::id("info"),
    table::id("lolwut"),
    table::id("ping"),
    table::id("role"),
    table::id("select"),
    table::id("time"),
];

/// Whether a run may vanish and run again after this command.
fn is_repeatable(command: &Command) -> bool {
    only_touches_keys(command) || PUBLISHING.contains(&command.id) || TELLING.contains(&command.id)
}

const KILLED: &str = "Script killed by user with SCRIPT KILL...";

/// What is run, and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub kind: Kind,
    /// The digest of the script, the name of the function.
    pub name: &'a str,
    /// None: a script of the time before they could declare anything.
    pub flags: Option<Flags>,
    /// EVAL_RO and its kin.
    pub read_only: bool,
}

impl Subject<'_> {
    /// Refuses what cannot run as it is asked to.
    pub fn check(&self) -> Result<(), ErrorReply> {
        const WRITES: ErrorReply =
            ErrorReply::new("ERR Can not execute a script with write flag using *_ro command.");
        match self.flags {
            Some(flags) if self.read_only && !flags.has(Declared::NoWrites) => Err(WRITES),
            _ => Ok(()),
        }
    }

    /// Refuses what could write where there is no room for it, or too few replicas. Scripts that declare nothing are
    /// refused when they write.
    pub fn check_means(
        &self,
        server: &Server,
        client: &Client,
        now_ms: u64,
    ) -> Result<(), ErrorReply> {
        const NO_ROOM: ErrorReply = ErrorReply::new(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
        );
        let writes = |flags: Flags| !flags.has(Declared::NoWrites);
        if self.flags.is_some_and(writes) && replication::lacks_replicas(server, now_ms) {
            return Err(replication::NO_REPLICAS);
        }
        let adds = |flags: Flags| !flags.has(Declared::AllowOom) && writes(flags);
        let is_full = client.out_of_memory && server.tuning.maxmemory.load(Ordering::Relaxed) > 0;
        if is_full && self.flags.is_some_and(adds) {
            return Err(NO_ROOM);
        }
        Ok(())
    }

    fn may_write(&self) -> bool {
        !self.read_only
            && self
                .flags
                .is_none_or(|flags| !flags.has(Declared::NoWrites))
    }
}

/// What a run changes of its client and puts back.
struct Before {
    db: u32,
    deny_blocking: bool,
    /// Bytes for monitors.
    fed: usize,
    said: OutgoingMark,
    /// How many changes of keys there were.
    changes: usize,
}

/// A run.
pub struct ScriptRun<'a> {
    subject: Subject<'a>,
    /// The words of the command that runs it.
    words: &'a [&'a [u8]],
    keyspace: &'a mut Keyspace,
    server: &'a Server,
    /// The client that asked; it is in a script meanwhile.
    client: &'a mut Client,
    /// What the client was before.
    before: Before,
    now_ms: u64,
    started_us: u64,
    mark: Mark,
    on_miss: OnMiss,
    /// A transaction was begun for it.
    has_begun: bool,
    /// It may vanish and run again.
    is_revocable: bool,
    /// It may be moved to a thread of its own.
    is_movable: bool,
    wrote: bool,
    is_late: bool,
    failure: Option<Failure>,
    tally: Tally,
    /// Lines that are logged if it does not vanish, and their bytes.
    lines: Vec<(LogLevel, Vec<u8>)>,
    lines_bytes: usize,
}

impl<'a> ScriptRun<'a> {
    /// A run that is asked for by `client` with `words`.
    pub fn new(
        subject: Subject<'a>,
        words: &'a [&'a [u8]],
        keyspace: &'a mut Keyspace,
        server: &'a Server,
        client: &'a mut Client,
        now_ms: u64,
    ) -> Self {
        let before = Before {
            db: client.db,
            deny_blocking: std::mem::replace(&mut client.deny_blocking, true),
            fed: client.feed.len(),
            said: client.outgoing.mark(),
            changes: keyspace.changes.len(),
        };
        client.in_script = true;
        if client.executing.is_none() {
            client.moment_us = None;
        }
        let is_patient = client.patient;
        let mark = keyspace.mark();
        let pager = keyspace.engine.pager_mut();
        let on_miss = pager.set_on_miss(OnMiss::Note);
        pager.set_on_miss(on_miss);
        let is_alone = !keyspace.in_transaction();
        Self {
            subject,
            words,
            keyspace,
            server,
            client,
            before,
            now_ms,
            started_us: server.clock.mono_us(),
            mark,
            on_miss,
            has_begun: false,
            is_revocable: is_alone,
            is_movable: is_alone && !is_patient,
            wrote: false,
            is_late: false,
            failure: None,
            tally: Tally::default(),
            lines: Vec::new(),
            lines_bytes: 0,
        }
    }

    /// From now on it neither vanishes nor moves, and pages are read under the lock.
    pub fn stay(&mut self) {
        self.is_revocable = false;
        self.is_movable = false;
        self.keyspace.engine.pager_mut().set_on_miss(OnMiss::Read);
    }

    /// Ends it as if it had not begun.
    pub fn forget(self) -> Result<(), Failure> {
        self.take_back().map_or(Ok(()), Err)
    }

    /// The client and storage are again as they were, but for what was done.
    fn put_back(&mut self) {
        if self.is_late {
            self.server.scripting.running.end();
        }
        self.client.in_script = false;
        self.client.deny_blocking = self.before.deny_blocking;
        self.client.db = self.before.db;
        self.keyspace.engine.pager_mut().set_on_miss(self.on_miss);
    }

    /// Takes back everything it did; why it was aborted, if it was.
    fn take_back(mut self) -> Option<Failure> {
        self.put_back();
        if self.has_begun {
            self.keyspace.rollback();
        }
        self.keyspace.undo(self.mark);
        self.client.feed.cut(self.before.fed);
        self.client.take_back(self.before.said, self.server);
        self.failure
    }

    /// Ends it: everything it did is kept, and counted; or, if it was aborted, nothing is.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.has_begun && self.failure.is_none() {
            self.failure = self.keyspace.complete().err().map(Failure::from);
        }
        if self.failure.is_some() {
            return self.take_back().map_or(Ok(()), Err);
        }
        self.put_back();
        let client = self.client;
        if self.has_begun {
            self.keyspace.commit();
        }
        let changes = self.before.changes..self.keyspace.changes.len();
        client.outgoing.add_scripted(changes);
        if client.executing.is_some() {
            client.scripted = Some(Box::new(self.tally));
        } else {
            self.tally.count(self.server, self.now_ms * 1000);
        }
        self.lines
            .iter()
            .for_each(|(level, text)| log(*level, text));
        Ok(())
    }

    /// Refuses a command: it is counted, if there is one.
    fn refuse(
        &mut self,
        command: Option<&'static Command>,
        text: impl Into<Cow<'static, str>>,
    ) -> Called {
        if let Some(command) = command {
            self.tally.rejected(command);
        }
        self.tally.error(b"ERR");
        Called::Refused(text.into())
    }

    /// The run vanishes.
    fn abort(&mut self, failure: Failure) -> Called {
        self.failure = Some(failure);
        Called::Aborted
    }

    /// Whether the client's user may not send this command.
    fn is_denied(&self, command: &Command, words: &[&[u8]]) -> bool {
        let account = &self.client.account;
        !account.is_almighty() && account.user().check(command, words).is_err()
    }

    /// What is said against a command, in Redis's order.
    fn objection(&self, command: &Command, words: &[&[u8]]) -> Option<Cow<'static, str>> {
        let writes = command.flags.has(Flag::Write);
        if command.flags.has(Flag::NoScript)
            && !self.server.switches.scripts_unbound.load(Ordering::Relaxed)
        {
            return Some("This Redis command is not allowed from script".into());
        }
        let account = &self.client.account;
        if !account.is_almighty()
            && let Err(denial) =
                acl::admit(self.server, self.client, command, words, Context::Script)
        {
            let text = denial.text(account, command, words, false);
            return Some(format!("ACL failure in script: {text}").into());
        }
        if !self.subject.may_write() && (writes || command.flags.has(Flag::MayReplicate)) {
            return Some("Write commands are not allowed from read-only scripts.".into());
        }
        if writes && self.is_late && !self.server.scripting.running.write() {
            return Some(KILLED.into());
        }
        None
    }

    /// What there is too little of for a command to write. Once the run has changed something it goes on to its end.
    fn shortage(&self, command: &Command) -> Option<ErrorReply> {
        if self.wrote {
            return None;
        }
        if command.flags.has(Flag::Write) && replication::lacks_replicas(self.server, self.now_ms) {
            return Some(replication::NO_REPLICAS);
        }
        let is_allowed = |flags: Flags| flags.has(Declared::AllowOom);
        let is_out_of_memory = command.flags.has(Flag::DenyOom)
            && self.client.out_of_memory
            && !self.subject.flags.is_some_and(is_allowed)
            && self.server.tuning.maxmemory.load(Ordering::Relaxed) > 0;
        is_out_of_memory.then_some(OUT_OF_MEMORY)
    }

    /// Prepares storage for a command; an error if that is impossible.
    fn prepare(&mut self, command: &Command) -> Result<(), storage::Error> {
        if !is_repeatable(command) {
            self.is_revocable = false;
            let pager = self.keyspace.engine.pager_mut();
            pager.set_on_miss(OnMiss::Read);
        }
        if !only_reads(command) && !self.keyspace.in_transaction() {
            self.keyspace.begin(Plan::Savepoint)?;
            self.has_begun = true;
        }
        Ok(())
    }

    fn carry_out(&mut self, command: &'static Command, words: &[&[u8]], out: &mut Reply) -> Called {
        let Some(handler) = BOUND.of(command.id).handler else {
            return self.refuse(None, "Unknown Redis command called from script");
        };
        self.wrote |= command.flags.has(Flag::Write);
        if self.server.registry.has_monitors() {
            monitor::feed(self.client, command, words, self.now_ms * 1000);
        }
        let started_us = self.server.clock.mono_us();
        let mut call = Call {
            args: words,
            keyspace: self.keyspace,
            client: self.client,
            server: self.server,
            out,
            now_ms: self.now_ms,
        };
        let failed = match attempt::carry_out(&mut call, handler) {
            Ok(()) => false,
            Err(Failure::Reply(error)) => {
                out.error(&error);
                true
            }
            Err(Failure::Storage(storage::Error::Miss)) if !self.is_revocable => {
                return self.abort(errors::of_storage(&storage::Error::Miss).into());
            }
            Err(failure) => return self.abort(failure),
        };
        assert!(self.client.block.is_none(), "nothing blocks in a script");
        if self.client.tracking.on {
            let changes = self.keyspace.changes.len();
            client_tracking::remember(self.client, changes, command, words);
        }
        if out.has_streams() {
            let proto = out.proto();
            let whole = flat(std::mem::take(out));
            out.set_proto(proto);
            out.raw(&whole);
        }
        let took_us = self.server.clock.mono_us().saturating_sub(started_us);
        if let Some(line) = out.bytes().strip_prefix(b"-") {
            self.tally.error(line);
        }
        self.tally.ran(command, took_us, failed);
        let (server, now_us) = (self.server, self.now_ms * 1000);
        if let Some(entry) = accounting::slow_entry(server, None, command, words, took_us, now_us) {
            self.tally.slow(entry, accounting::slowlog_len_max(server));
        }
        Called::Answered
    }

    fn look_at_time(&mut self) {
        let running_us = self.server.clock.mono_us().saturating_sub(self.started_us);
        let threshold_ms = self.server.tuning.busy_reply_ms.load(Ordering::Relaxed);
        if threshold_ms == 0 || running_us / 1000 < threshold_ms {
            if self.is_movable && running_us > INLINE_US {
                self.failure = Some(Failure::Slow);
            }
            return;
        }
        if self.is_movable {
            // Where it is, nobody would hear of it.
            self.failure = Some(Failure::Slow);
            return;
        }
        let Subject { kind, name, .. } = self.subject;
        let running = &self.server.scripting.running;
        // Connections may begin to watch keys from now on.
        self.keyspace.changes.listen(Listener::Watch, true);
        running.announce(kind, name, self.words, self.started_us, self.wrote);
        self.is_late = true;
        let command = match kind {
            Kind::Script => "SCRIPT KILL",
            Kind::Function => "FUNCTION KILL",
        };
        tracing::warn!(
            "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the \
             {command} command. Script name is: {name}.",
            running_us / 1000
        );
    }
}

impl Supervisor for ScriptRun<'_> {
    fn interrupt(&mut self) -> Interrupt {
        if !self.is_late {
            self.look_at_time();
        }
        if self.failure.is_some() {
            return Interrupt::Abort;
        }
        if !self.is_late {
            return Interrupt::Continue;
        }
        match self.server.scripting.running.order() {
            Order::GoOn => Interrupt::Continue,
            Order::End => Interrupt::Kill(KILLED),
            Order::Vanish => {
                const STOPPED: ErrorReply = ErrorReply::new("ERR the server is shutting down");
                self.failure = Some(STOPPED.into());
                Interrupt::Abort
            }
        }
    }

    fn log(&mut self, level: LogLevel, text: Vec<u8>) {
        self.lines_bytes += text.len();
        self.lines.push((level, text));
        if self.lines_bytes > LINES_BYTES_MAX && self.is_movable {
            self.failure = Some(Failure::Slow);
            return;
        }
        if self.lines_bytes > LINES_BYTES_MAX {
            self.stay();
        }
        if !self.is_revocable {
            self.lines
                .drain(..)
                .for_each(|(level, text)| log(level, &text));
        }
    }
}

#[cfg(test)]
impl ScriptRun<'_> {
    /// What the script is answered that calls a command.
    pub fn answer(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut reply = Reply::default();
        let called = self.call(words, &mut reply);
        assert!(matches!(called, Called::Answered));
        reply.bytes().to_vec()
    }
}

impl Host for ScriptRun<'_> {
    fn call(&mut self, words: &[&[u8]], out: &mut Reply) -> Called {
        let Resolved::Command(command) = self.server.renames.resolve(words) else {
            return self.refuse(None, "Unknown Redis command called from script");
        };
        if !command.accepts(words.len()) {
            return self.refuse(
                Some(command),
                "Wrong number of args calling Redis command from script",
            );
        }
        if self.is_revocable && self.is_denied(command, words) {
            // That is counted and logged at once, and only once.
            if self.is_movable {
                return self.abort(Failure::Slow);
            }
            self.stay();
        }
        if let Some(text) = self.objection(command, words) {
            return self.refuse(Some(command), text);
        }
        if let Some(error) = self.shortage(command) {
            self.tally.rejected(command);
            out.error(&error);
            self.tally.error(&text::to_bytes(&error.0));
            return Called::Answered;
        }
        if self.is_movable && !is_repeatable(command) {
            // Afterwards it could not be moved any more, and there might be nobody left to hear SCRIPT KILL.
            return self.abort(Failure::Slow);
        }
        match self.prepare(command) {
            Ok(()) => self.carry_out(command, words, out),
            // Nothing was changed so far, and the script may do something else.
            Err(error) => {
                let error = errors::of_storage(&error);
                out.error(&error);
                self.tally.error(&text::to_bytes(&error.0));
                Called::Answered
            }
        }
    }

    fn may_call(&mut self, words: &[&[u8]]) -> Option<bool> {
        let Resolved::Command(command) = self.server.renames.resolve(words) else {
            return None;
        };
        Some(!self.is_denied(command, words))
    }

    fn count_error(&mut self, line: &[u8]) {
        self.tally.error(line);
    }
}

/// A line of redis.log.
pub(super) fn log(level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match level {
        LogLevel::Debug => tracing::trace!("{text}"),
        LogLevel::Verbose => tracing::debug!("{text}"),
        LogLevel::Notice => tracing::info!("{text}"),
        LogLevel::Warning => tracing::warn!("{text}"),
    }
}
