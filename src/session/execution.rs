//! Carrying out requests: the checks in Redis's order, the command, what is counted and logged of it.

use std::sync::atomic::Ordering;

use super::{Session, Step, Store};
use crate::command::acl::{self, log::Context};
use crate::command::argument::is_word;
use crate::command::blocking::Blocked;
use crate::command::client::{Client, ErrorInReply, ReplyMode, signal};
use crate::command::dispatch::{Bindings, Handler};
use crate::command::effects::{self, Maker};
use crate::command::eviction::{self, Room};
use crate::command::push::Sender;
use crate::command::server::Server;
use crate::command::stats::{add, add_locked};
use crate::command::table::{Command, CommandId, Flag, Resolved};
use crate::command::{
    Call, Failure, accounting, attempt, client_eviction, client_tracking, errors, eval, loading,
    monitor, pubsub, replication, script_debug, transaction,
};
use crate::keyspace::Keyspace;
use crate::keyspace::change::Listener;
use crate::resp::{ErrorReply, Proto, Reply, ReplyMark, text};
use crate::storage;

/// Most commands in one hold of the engine lock, so that other connections get their turn.
pub const COMMANDS_PER_HOLD: usize = 64;
/// Bytes of replies after which a hold ends.
const REPLY_BYTES_PER_HOLD: usize = 1 << 20;
/// After so many parks a command reads its pages under the lock, so that it ends.
const PARKS_MAX: u8 = 2;
/// A slow log that wants to know of commands this fast gets every command measured, in microseconds.
const MEASURE_ALL_BELOW_US: i64 = 1000;

/// What all commands of one hold share.
struct Hold<'a> {
    server: &'a Server,
    store: &'a dyn Store,
    now_us: u64,
    /// A script has the engine, and the keyspace is an empty one: only commands that need none run.
    is_busy: bool,
    /// Every command is measured.
    measure_all: bool,
    commands: u64,
    /// The latest look at the clock, in monotonic microseconds.
    looked_us: u64,
    /// Calls of one command since then whose times are measured together.
    run: Option<(CommandId, u64)>,
}

impl Hold<'_> {
    /// Looks at the clock. What has passed since the latest look is the time of the run, if there is one.
    fn look(&mut self) -> u64 {
        let now_us = self.server.clock.mono_us();
        if let Some((id, calls)) = self.run.take() {
            let took_us = now_us.saturating_sub(self.looked_us);
            accounting::add_time(self.server, id.command(), calls, took_us);
        }
        self.looked_us = now_us;
        now_us
    }

    /// A call of this command begins that is not measured on its own.
    fn run_on(&mut self, id: CommandId) {
        if self.run.is_some_and(|(of, _)| of != id) {
            self.look();
        }
    }
}

/// How one request ended.
enum Verdict {
    Done,
    /// Not carried out; the request stays pending.
    Miss,
    /// Not carried out; it takes long, and stays pending.
    Slow,
    /// Not carried out; its script is to be debugged.
    Debugged,
    Paused(u64),
    /// Not carried out before the engine is free.
    Held,
    /// It is no request of this protocol but of a web browser's.
    Foreign,
}

impl Session {
    /// Carries out complete requests until there are none, the hold has been long enough, or something has to be
    /// waited for. `now_us` is the wall time of all of them, in microseconds since 1970.
    pub fn execute(
        &mut self,
        keyspace: &mut Keyspace,
        server: &Server,
        store: &dyn Store,
        now_us: u64,
    ) -> Step {
        self.hold(keyspace, server, store, now_us, false)
    }

    /// The same while a script that is late has the engine: requests are answered BUSY, but for those that end the
    /// script and those that need no data. `nothing` is a keyspace that stands in.
    pub fn execute_busy(
        &mut self,
        nothing: &mut Keyspace,
        server: &Server,
        store: &dyn Store,
        now_us: u64,
    ) -> Step {
        self.hold(nothing, server, store, now_us, true)
    }

    fn hold(
        &mut self,
        keyspace: &mut Keyspace,
        server: &Server,
        store: &dyn Store,
        now_us: u64,
        is_busy: bool,
    ) -> Step {
        let lsn_before = store.last_lsn(keyspace);
        self.take_posted();
        let mut hold = Hold {
            server,
            store,
            now_us,
            is_busy,
            measure_all: measures_all(server),
            commands: 0,
            looked_us: server.clock.mono_us(),
            run: None,
        };
        self.client.held = None;
        self.client.sees_nothing = is_busy;
        let step = self.run(keyspace, &mut hold);
        self.ahead.clear();
        self.client.held = matches!(step, Step::Paused(_)).then(|| server.pause.line_up());
        if hold.run.is_some() {
            hold.look();
        }
        add(&server.stats.commands_processed, hold.commands);
        let lsn = store.last_lsn(keyspace);
        if lsn > lsn_before {
            self.client.write_lsn = lsn;
        }
        self.see_lsn(lsn);
        Sender::new(server, lsn, Some((self.client.id, &mut self.reply))).broadcast();
        self.feed_monitors(server, lsn);
        self.publish();
        if !is_busy {
            client_eviction::after_hold(server, &self.client.entry);
        }
        step
    }

    /// What others said before this hold comes before what it answers.
    fn take_posted(&mut self) {
        if self.client.entry.has_signal(signal::OUTBOX) {
            let lsn = self.client.entry.take_posted(self.reply.buffer_mut());
            self.see_lsn(lsn);
        }
    }

    fn feed_monitors(&mut self, server: &Server, lsn: u64) {
        let feed = &mut self.client.feed;
        if feed.is_empty() {
            return;
        }
        let id = self.client.id;
        server.registry.each_monitor(|monitor| {
            if monitor.id == id {
                server.post(monitor, &feed.heard(), lsn);
            } else if monitor.hears() {
                server.post(monitor, &[feed.all()], lsn);
            }
        });
        feed.clear();
    }

    fn run(&mut self, keyspace: &mut Keyspace, hold: &mut Hold<'_>) -> Step {
        let mut looked = 0;
        for number in 0..COMMANDS_PER_HOLD {
            if number == looked {
                looked += self.look_ahead(keyspace, number);
            }
            match self.next_request(hold.server) {
                Ok(true) => {}
                Ok(false) => return Step::Read,
                Err(error) => {
                    let line = error.reply();
                    hold.server.stats.count_error(&line);
                    if self.client.reply_mode == ReplyMode::On {
                        self.reply.error_bytes(&line);
                    }
                    self.client.close = true;
                    return Step::Close;
                }
            }
            match self.carry_out(keyspace, hold) {
                Verdict::Done => self.finish_request(),
                Verdict::Miss => {
                    self.parks += 1;
                    self.miss_ahead(keyspace, number);
                    return Step::Park(hold.store.take_misses(keyspace));
                }
                Verdict::Slow => return Step::Move,
                Verdict::Debugged => return Step::Debug,
                Verdict::Held => return Step::Again,
                Verdict::Paused(until_ms) => return Step::Paused(until_ms),
                Verdict::Foreign => return Step::Abort,
            }
            if self.client.close {
                return Step::Close;
            }
            if let Some(block) = self.client.block {
                return Step::Blocked(block);
            }
            if self.reply.bytes().len() >= REPLY_BYTES_PER_HOLD || self.reply.has_streams() {
                return Step::Again;
            }
        }
        Step::Again
    }

    fn carry_out(&mut self, keyspace: &mut Keyspace, hold: &mut Hold<'_>) -> Verdict {
        let waiting = self.parks >= PARKS_MAX;
        hold.store.begin_command(keyspace, waiting);
        let mut words = shorter(std::mem::take(&mut self.words));
        self.parser.words(self.input.bytes(), &mut words);
        let shows_buffers = words[0].eq_ignore_ascii_case(b"client");
        if shows_buffers {
            self.client.buffers = self.buffers(self.parser.words_bytes());
        }
        let mut execution = Execution {
            words: &words,
            client: &mut self.client,
            reply: &mut self.reply,
            bindings: self.bindings,
            waiting,
        };
        let verdict = execution.execute(keyspace, hold);
        self.words = shorter(words);
        verdict
    }
}

/// The debugger's side.
impl Session {
    /// Carries out the pending EVAL, which was found to begin a session, on data of its own.
    pub fn debug_aside(
        &mut self,
        keyspace: &mut Keyspace,
        server: &Server,
        console: Box<dyn script_debug::Console>,
        now_us: u64,
    ) {
        let mut words = Vec::new();
        self.parser.words(self.input.bytes(), &mut words);
        let mut call = Call {
            args: &words,
            keyspace,
            client: &mut self.client,
            server,
            out: &mut self.reply,
            now_ms: now_us / 1000,
        };
        script_debug::carry_out_aside(&mut call, console);
        self.finish_request();
    }

    /// Answers the pending EVAL that its session cannot begin, and switches the debugger off.
    pub fn refuse_to_debug(&mut self, why: &str) {
        let text = format!("ERR Fork() failed: can't run EVAL in debugging mode: {why}");
        self.reply.error(&ErrorReply::formatted(text));
        self.client.debugging.mode = None;
        self.finish_request();
    }
}

/// The same list, emptied, for words of another life; it keeps its memory.
fn shorter<'a>(mut words: Vec<&[u8]>) -> Vec<&'a [u8]> {
    words.clear();
    words.into_iter().map(|_| -> &'a [u8] { &[] }).collect()
}

fn measures_all(server: &Server) -> bool {
    let slower_us = server.tuning.slowlog_us_min.load(Ordering::Relaxed);
    (0..MEASURE_ALL_BELOW_US).contains(&slower_us)
        || server.tuning.latency_ms_min.load(Ordering::Relaxed) > 0
}

/// A command and the function that carries it out, if it has one.
type Bound = (&'static Command, Option<Handler>);

/// The execution of one request.
struct Execution<'a> {
    words: &'a [&'a [u8]],
    client: &'a mut Client,
    reply: &'a mut Reply,
    bindings: &'a Bindings,
    /// Pages are read under the lock: it may take long.
    waiting: bool,
}

impl Execution<'_> {
    fn execute(&mut self, keyspace: &mut Keyspace, hold: &mut Hold<'_>) -> Verdict {
        if is_foreign(self.words[0]) {
            return Verdict::Foreign;
        }
        if hold.is_busy && hold.server.scripting.running.is_held() {
            return Verdict::Held;
        }
        if self.client.reply_mode == ReplyMode::SkipNext {
            self.client.set_reply_mode(ReplyMode::Skip);
        }
        let checked = match self.check_request(hold) {
            Ok(bound) => match self.make_room(keyspace, hold) {
                Ok(room) => self.check_state(bound, room, hold),
                Err(verdict) => return verdict,
            },
            Err(line) => Err(line),
        };
        if checked.is_ok() && hold.server.tracking.any() {
            let own = Some((self.client.id, &mut *self.reply));
            Sender::new(hold.server, keyspace.last_lsn(), own).make_room();
        }
        let (mark, fed) = (self.reply.mark(), self.client.feed.len());
        let command = checked.as_ref().ok().map(|(command, _)| *command);
        let verdict = match checked {
            Ok((command, handler)) => {
                if hold.is_busy && !command.flags.has(Flag::AllowBusy) {
                    return Verdict::Held;
                }
                if let Some(until_ms) = self.paused_until(command, hold) {
                    return Verdict::Paused(until_ms);
                }
                if command.id == transaction::EXEC && transaction::runs_scripts(self.client) {
                    // Once it has begun it stays where it is.
                    return Verdict::Slow;
                }
                if self.client.multi.is_none() && script_debug::begins_session(self.client, command)
                {
                    return Verdict::Debugged;
                }
                if transaction::queues(self.client, hold.server, command, handler, self.words) {
                    self.reply.simple("QUEUED");
                    Verdict::Done
                } else {
                    self.run(command, handler, keyspace, hold)
                }
            }
            Err(line) => {
                let line = self.refuse(line, hold);
                self.reply.error_bytes(&line);
                Verdict::Done
            }
        };
        if let Verdict::Miss | Verdict::Slow = verdict {
            self.reply.cut(mark);
            self.client.feed.cut(fed);
            return verdict;
        }
        let error = std::mem::take(&mut self.client.error_in_reply);
        if error == ErrorInReply::Counts
            && let Some(b'-') = self.reply.bytes_since(mark).first()
        {
            let line = &self.reply.bytes_since(mark)[1..];
            hold.server.stats.count_error(line);
        }
        self.hush(command, mark);
        client_tracking::forget_caching(self.client);
        if hold.is_busy {
            return verdict;
        }
        let maker = Maker {
            client: self.client,
            out: self.reply,
            reply_at: mark,
        };
        effects::distribute(keyspace, hold.server, Some(maker), hold.now_us / 1000);
        verdict
    }

    /// Takes back the reply since `mark` if CLIENT REPLY says so. Push messages, and replies that are some, stay.
    fn hush(&mut self, command: Option<&Command>, mark: ReplyMark) {
        let is_aggregate = matches!(self.reply.bytes_since(mark).first(), Some(b'>' | b'*'));
        let is_push = is_aggregate && command.is_some_and(pubsub::answers_with_pushes);
        match self.client.reply_mode {
            ReplyMode::On | ReplyMode::SkipNext => return,
            ReplyMode::Off => {}
            // What it waits for is answered later, and that is skipped.
            ReplyMode::Skip if self.client.block.is_some() => {}
            ReplyMode::Skip => self.client.set_reply_mode(ReplyMode::On),
        }
        if !is_push {
            self.reply.cut(mark);
        }
    }

    /// What can be said against a request for what it is and for who makes it, in Redis's order. The error is a line.
    fn check_request(&mut self, hold: &Hold<'_>) -> Result<Bound, Vec<u8>> {
        let server = hold.server;
        let (command, handler) = self.resolve(server)?;
        let reject = |text: &str| Err(rejection(server, command, text));
        if !command.accepts(self.words.len()) {
            let name = command.name();
            return reject(&format!(
                "ERR wrong number of arguments for '{name}' command"
            ));
        }
        if command.flags.has(Flag::Protected)
            && let Some(text) = self.forbidden(command, server)
        {
            return reject(&text);
        }
        if !command.flags.has(Flag::NoAuth) && !self.client.may_speak(&server.users) {
            return reject("NOAUTH Authentication required.");
        }
        if self.client.multi.is_some() && command.flags.has(Flag::NoMulti) {
            return reject("ERR Command not allowed inside a transaction");
        }
        if !self.client.account.is_almighty() {
            let context = if self.client.multi.is_some() {
                Context::Transaction
            } else {
                Context::TopLevel
            };
            if let Err(denial) = acl::admit(server, self.client, command, self.words, context) {
                let text = denial.text(&self.client.account, command, self.words, false);
                return reject(&format!("NOPERM {text}"));
            }
        }
        Ok((command, handler))
    }

    /// Gives up keys if the data takes more than it may. Who reads them hears of it before the request is answered.
    fn make_room(&mut self, keyspace: &mut Keyspace, hold: &Hold<'_>) -> Result<Room, Verdict> {
        let server = hold.server;
        self.client.out_of_memory = false;
        if server.tuning.maxmemory.load(Ordering::Relaxed) == 0 || hold.is_busy {
            return Ok(Room::Enough);
        }
        let now_ms = hold.now_us / 1000;
        let lsn = keyspace.last_lsn();
        let room = eviction::make_room(keyspace, server, now_ms);
        if keyspace.last_lsn() > lsn {
            effects::distribute(keyspace, server, None, now_ms);
            self.client.entry.take_posted(self.reply.buffer_mut());
            hold.store.begin_command(keyspace, self.waiting);
        }
        match room {
            Ok(room) => {
                self.client.out_of_memory = room == Room::None;
                Ok(room)
            }
            Err(_) => Err(Verdict::Miss),
        }
    }

    /// What can be said against a request for how things stand, in Redis's order. The error is a line.
    fn check_state(
        &self,
        (command, handler): Bound,
        room: Room,
        hold: &Hold<'_>,
    ) -> Result<(&'static Command, Handler), Vec<u8>> {
        let server = hold.server;
        let reject = |text: &str| Err(rejection(server, command, text));
        if room == Room::None && self.has(command, Flag::DenyOom, server) {
            return reject(&eviction::OUT_OF_MEMORY.0);
        }
        if self.client.subscriptions.any()
            && self.reply.proto() == Proto::Resp2
            && !pubsub::is_for_subscribers(command)
        {
            let name = command.name();
            return reject(&format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context"
            ));
        }
        if replication::lacks_replicas(server, hold.now_us / 1000)
            && self.has(command, Flag::Write, server)
        {
            return reject(&replication::NO_REPLICAS.0);
        }
        if server.loading.is_on() && !self.has_only(command, Flag::Loading) {
            return reject(&loading::REFUSAL.0);
        }
        if hold.is_busy
            && !command.flags.has(Flag::AllowBusy)
            && let Some(late) = server.scripting.running.late()
        {
            return reject(&late.kind.busy().0);
        }
        if self.is_onlooker() && self.touches_keys(command, server) {
            return reject("ERR Replica can't interact with the keyspace");
        }
        match handler {
            Some(handler) => Ok((command, handler)),
            // Only a container without a subcommand has no function, and none accepts that.
            None => Err(unknown_command(self.words)),
        }
    }

    /// A request is refused with this error: what it means to an open transaction, and what is answered.
    fn refuse(&mut self, line: Vec<u8>, hold: &Hold<'_>) -> Vec<u8> {
        if self.client.last_command == transaction::EXEC.command().name() {
            if hold.server.registry.has_monitors() {
                let exec = transaction::EXEC.command();
                monitor::feed(self.client, exec, self.words, hold.now_us);
            }
            return transaction::refused(self.client, hold.server, &line);
        }
        if let Some(multi) = &mut self.client.multi {
            multi.abort();
        }
        line
    }

    fn resolve(&mut self, server: &Server) -> Result<(&'static Command, Option<Handler>), Vec<u8>> {
        self.client.last_command = "NULL";
        match server.renames.resolve(self.words) {
            Resolved::Command(command) => {
                let handler = self.bindings.of(command.id).handler;
                if handler.is_some() || command.has_subcommands() {
                    self.client.last_command = command.name();
                    return Ok((command, handler));
                }
                Err(match command.parent {
                    Some(_) => unknown_subcommand(self.words),
                    None => unknown_command(self.words),
                })
            }
            Resolved::UnknownSubcommand => Err(unknown_subcommand(self.words)),
            Resolved::Unknown => Err(unknown_command(self.words)),
        }
    }

    /// What to answer to DEBUG or MODULE from where it is not allowed.
    fn forbidden(&self, command: &Command, server: &Server) -> Option<String> {
        let is_debug = command.name().starts_with("debug");
        let (allowed, name, option) = if is_debug {
            (
                &server.tuning.debug_allowed,
                "DEBUG",
                "enable-debug-command",
            )
        } else {
            (
                &server.tuning.module_allowed,
                "MODULE",
                "enable-module-command",
            )
        };
        if allowed.to(self.client.entry.local) {
            return None;
        }
        Some(format!(
            "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run it from a local \
             connection, otherwise you need to set this option in the configuration file, and then restart the server."
        ))
    }

    /// Whether a command, or the script that it runs, has a flag, or EXEC a command that has it.
    fn has(&self, command: &Command, flag: Flag, server: &Server) -> bool {
        let multi = self.client.multi.as_ref();
        eval::flags(server, command, self.words).has(flag)
            || (command.id == transaction::EXEC && multi.is_some_and(|multi| multi.has(flag)))
    }

    /// Whether a command has a flag, and all that EXEC runs have it too.
    fn has_only(&self, command: &Command, flag: Flag) -> bool {
        let multi = self.client.multi.as_ref();
        command.flags.has(flag)
            && (command.id != transaction::EXEC || multi.is_none_or(|multi| multi.has_only(flag)))
    }

    /// Whether the connection is a replica or a monitor: it sees what others write, is never paused, and may not
    /// use the keys itself.
    fn is_onlooker(&self) -> bool {
        self.client.monitor || self.client.entry.is_replica()
    }

    fn touches_keys(&self, command: &Command, server: &Server) -> bool {
        [Flag::Write, Flag::ReadOnly, Flag::MayReplicate]
            .into_iter()
            .any(|flag| self.has(command, flag, server))
    }

    fn paused_until(&self, command: &Command, hold: &Hold<'_>) -> Option<u64> {
        if self.is_onlooker() {
            return None;
        }
        let (server, now_ms) = (hold.server, hold.now_us / 1000);
        // Nothing is asked of the command while there is no pause.
        server.pause.holds(true, now_ms)?;
        let has = |flag| self.has(command, flag, server);
        let writes = has(Flag::Write) || has(Flag::MayReplicate);
        server.pause.holds(writes, now_ms)
    }

    fn run(
        &mut self,
        command: &'static Command,
        handler: Handler,
        keyspace: &mut Keyspace,
        hold: &mut Hold<'_>,
    ) -> Verdict {
        let measured = hold.measure_all || self.waiting || self.bindings.of(command.id).timed;
        let started_us = if measured {
            hold.look()
        } else {
            hold.run_on(command.id);
            0
        };
        let mark = self.reply.mark();
        keyspace.no_touch = self.client.no_touch;
        effects::listen(keyspace, hold.server, hold.now_us / 1000);
        let mut call = Call {
            args: self.words,
            keyspace,
            client: self.client,
            server: hold.server,
            out: self.reply,
            now_ms: hold.now_us / 1000,
        };
        let outcome = attempt::carry_out(&mut call, handler);
        if outcome.is_err() && keyspace.engine.in_transaction() {
            keyspace.engine.rollback();
        }
        let failed = match outcome {
            Ok(()) => {
                self.reply.bytes_since(mark).first() == Some(&b'-')
                    && self.client.error_in_reply != ErrorInReply::IsNone
            }
            Err(Failure::Storage(storage::Error::Miss)) if !self.waiting => return Verdict::Miss,
            Err(Failure::Slow) => return Verdict::Slow,
            Err(failure) => {
                self.reply.cut(mark);
                match failure {
                    Failure::Reply(error) => self.reply.error(&error),
                    Failure::Storage(error) => {
                        self.reply.error(&errors::of_storage(&error));
                        if command.id == transaction::EXEC {
                            transaction::forget(self.client, hold.server);
                        }
                    }
                    Failure::Slow => unreachable!("it was returned"),
                }
                true
            }
        };
        if self.client.tracking.on {
            client_tracking::remember(self.client, keyspace.changes.len(), command, self.words);
        }
        let took_us = measured.then(|| hold.look().saturating_sub(started_us));
        if let Some(took_us) = took_us {
            accounting::sample_latency(hold.server, command, took_us, hold.now_us);
        }
        if self.client.wait.is_some() {
            // It is counted when its wait is over.
            let blocked = Blocked {
                command,
                handler,
                words: self.words,
                proto: self.reply.proto(),
                took_us: took_us.unwrap_or(0),
            };
            keyspace.changes.listen(Listener::Block, true);
            hold.server.blocked.add(self.client, blocked);
        } else {
            self.count(command, took_us, failed, hold);
        }
        if hold.server.registry.has_monitors() {
            monitor::feed(self.client, command, self.words, hold.now_us);
        }
        Verdict::Done
    }

    /// Counts a command that is over.
    fn count(
        &self,
        command: &'static Command,
        took_us: Option<u64>,
        failed: bool,
        hold: &mut Hold<'_>,
    ) {
        let stat = hold.server.stats.command(command.id);
        add_locked(&stat.failed, u64::from(failed));
        add_locked(&stat.calls, 1);
        hold.commands += 1;
        if let Some(took_us) = took_us {
            let server = hold.server;
            accounting::add_time(server, command, 1, took_us);
            accounting::log_if_slow(
                server,
                self.client,
                command,
                self.words,
                took_us,
                hold.now_us,
            );
        } else {
            let calls = hold.run.map_or(0, |(_, calls)| calls);
            hold.run = Some((command.id, calls + 1));
        }
    }
}

/// The error line of a command that is refused, which is counted.
fn rejection(server: &Server, command: &Command, text: &str) -> Vec<u8> {
    add_locked(&server.stats.command(command.id).rejected, 1);
    text::to_bytes(text)
}

/// The first words of web requests: whoever sends them was tricked into talking to this port.
fn is_foreign(word: &[u8]) -> bool {
    match word.len() {
        4 => is_word(word, "post"),
        5 => is_word(word, "host:"),
        _ => false,
    }
}

/// Bytes of a name, and of the words after it, that an error shows.
const SHOWN_BYTES_MAX: usize = 128;

/// Appends a word as far as it is shown: to its first zero byte, at most `bytes_max`, on one line.
fn show(line: &mut Vec<u8>, word: &[u8], bytes_max: usize) {
    let word = text::until_nul(word);
    line.extend_from_slice(&word[..word.len().min(bytes_max)]);
}

fn unknown_command(words: &[&[u8]]) -> Vec<u8> {
    let mut line = b"ERR unknown command '".to_vec();
    show(&mut line, words[0], SHOWN_BYTES_MAX);
    line.extend_from_slice(b"', with args beginning with: ");
    let args_from = line.len();
    for word in &words[1..] {
        let shown = line.len() - args_from;
        if shown >= SHOWN_BYTES_MAX {
            break;
        }
        line.push(b'\'');
        show(&mut line, word, SHOWN_BYTES_MAX - shown);
        line.extend_from_slice(b"' ");
    }
    line
}

fn unknown_subcommand(words: &[&[u8]]) -> Vec<u8> {
    let mut line = b"ERR unknown subcommand '".to_vec();
    show(&mut line, words[1], SHOWN_BYTES_MAX);
    line.extend_from_slice(b"'. Try ");
    let name = line.len();
    show(&mut line, words[0], usize::MAX);
    line[name..].make_ascii_uppercase();
    line.extend_from_slice(b" HELP.");
    line
}
