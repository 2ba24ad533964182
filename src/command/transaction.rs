//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! ```text
//!            MULTI                 request            EXEC
//! [no multi] ----> [open, empty] ---------> [queued] -----> everything runs -> [no multi]
//!                       |   \______ refused request ______> [aborted] -- EXEC: EXECABORT -> [no multi]
//!                       |__________ DISCARD, RESET, the end of the connection _____________> [no multi]
//! ```
//!
//! EXEC is one transaction of storage and has one time. A page that is not in memory takes everything back, and EXEC
//! runs again, from the check of the watched keys on. So that nothing happens twice that cannot be taken back, pages
//! are read under the lock from the first command on that does more than read and change keys. A command that answers
//! an error does not stop the others; one that storage fails takes back all of them.

use super::acl::{self, log::Context};
use super::client::{Client, ErrorInReply};
use super::dispatch::Handler;
use super::request::Request;
use super::server::Server;
use super::stats::{add, add_locked};
use super::table::{self, Command, CommandId, Flag, Flags, Group};
use super::tally::Tally;
use super::{
    Call, Failure, Outcome, accounting, attempt, client_tracking, errors, eval, monitor, slowlog,
};
use crate::keyspace::change::Listener;
use crate::keyspace::expiry::Presence;
use crate::resp::ErrorReply;
use crate::storage::planted::Bug;
use crate::storage::{Error, OnMiss, Plan};

/// A command that waits for EXEC.
#[derive(Clone, Debug)]
struct Queued {
    command: &'static Command,
    handler: Handler,
    /// What its command, or the script that it runs, says of itself.
    flags: Flags,
    request: Request,
}

/// An open transaction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Multi {
    queue: Vec<Queued>,
    /// A request was refused: EXEC will fail.
    aborted: bool,
    memory: usize,
}

impl Multi {
    /// How many commands are queued.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of what is queued.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Whether EXEC would run a command with this flag.
    pub fn has(&self, flag: Flag) -> bool {
        self.queue.iter().any(|q| q.flags.has(flag))
    }

    /// Whether EXEC would run only commands with this flag.
    pub fn has_only(&self, flag: Flag) -> bool {
        self.queue.iter().all(|q| q.flags.has(flag))
    }

    /// EXEC will fail.
    pub fn abort(&mut self) {
        self.aborted = true;
    }

    fn push(&mut self, command: &'static Command, handler: Handler, flags: Flags, words: &[&[u8]]) {
        let request = Request::new(words);
        self.memory += request.memory();
        self.queue.push(Queued {
            command,
            handler,
            flags,
            request,
        });
    }
}

/// EXEC, whose refusal ends the transaction.
pub const EXEC: CommandId = table::id("exec");

/// Commands that an open transaction does not queue.
const AT_ONCE: &[CommandId] = &[
    EXEC,
    table::id("discard"),
    table::id("multi"),
    table::id("quit"),
    table::id("reset"),
    table::id("watch"),
];

/// Whether an open transaction queues what has this name, be it a command or not.
pub fn holds(name: &[u8]) -> bool {
    table::lookup(name).is_none_or(|command| !AT_ONCE.contains(&command.id))
}

/// Queues a command that nothing was said against; false if it is to run at once.
pub fn queues(
    client: &mut Client,
    server: &Server,
    command: &'static Command,
    handler: Handler,
    words: &[&[u8]],
) -> bool {
    let Some(multi) = &mut client.multi else {
        return false;
    };
    if AT_ONCE.contains(&command.id) {
        return false;
    }
    // What is going to fail needs no queue.
    if !multi.aborted && !client.entry.watch.is_changed() {
        let flags = eval::flags(server, command, words);
        multi.push(command, handler, flags, words);
    }
    true
}

/// Whether EXEC would run scripts on a thread where they keep other connections waiting.
pub fn runs_scripts(client: &Client) -> bool {
    let runs = |queued: &Queued| {
        queued.command.group == Group::Scripting && queued.command.parent.is_none()
    };
    let multi = client.multi.as_ref();
    !client.patient && multi.is_some_and(|multi| !multi.aborted && multi.queue.iter().any(runs))
}

/// Ends a transaction and all watches.
pub fn forget(client: &mut Client, server: &Server) {
    client.multi = None;
    server.watched.forget(&client.entry);
}

/// What EXEC answers that is refused for this reason, an error line; its transaction is over.
pub fn refused(client: &mut Client, server: &Server, line: &[u8]) -> Vec<u8> {
    forget(client, server);
    let reason = line.strip_prefix(b"ERR ").unwrap_or(line);
    [b"EXECABORT Transaction discarded because of: ", reason].concat()
}

/// MULTI
pub fn multi(call: &mut Call<'_>) -> Outcome {
    const NESTED: ErrorReply = ErrorReply::new("ERR MULTI calls can not be nested");
    if call.client.multi.is_some() {
        return Err(NESTED.into());
    }
    call.client.multi = Some(Box::default());
    call.out.ok();
    Ok(())
}

/// DISCARD
pub fn discard(call: &mut Call<'_>) -> Outcome {
    const NO_MULTI: ErrorReply = ErrorReply::new("ERR DISCARD without MULTI");
    if call.client.multi.is_none() {
        return Err(NO_MULTI.into());
    }
    forget(call.client, call.server);
    call.out.ok();
    Ok(())
}

/// WATCH key ...
pub fn watch(call: &mut Call<'_>) -> Outcome {
    const IN_MULTI: ErrorReply = ErrorReply::new("ERR WATCH inside MULTI is not allowed");
    if call.client.multi.is_some() {
        return Err(IN_MULTI.into());
    }
    // Who is going to fail anyway needs no watch.
    if !call.client.entry.watch.is_changed() {
        let (db, keys) = (call.client.db, &call.args[1..]);
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(if call.client.sees_nothing {
                // Nobody sees the data before the script is over, so that this counts as later than it. What the script
                // changes from when it is late on counts nevertheless, as in Redis.
                Presence::Live
            } else {
                call.keyspace.presence(db, key, call.now_ms)?
            });
        }
        for (key, found) in keys.iter().zip(found) {
            let entry = &call.client.entry;
            call.server.watched.watch(entry, db, key, found);
        }
        call.keyspace.changes.listen(Listener::Watch, true);
    }
    call.out.ok();
    Ok(())
}

/// UNWATCH
pub fn unwatch(call: &mut Call<'_>) -> Outcome {
    call.server.watched.forget(&call.client.entry);
    call.out.ok();
    Ok(())
}

/// EXEC
pub fn exec(call: &mut Call<'_>) -> Outcome {
    const NO_MULTI: ErrorReply = ErrorReply::new("ERR EXEC without MULTI");
    const ABORTED: ErrorReply =
        ErrorReply::new("EXECABORT Transaction discarded because of previous errors.");
    let entry = &call.client.entry;
    let Some(multi) = &call.client.multi else {
        return Err(NO_MULTI.into());
    };
    if multi.aborted {
        forget(call.client, call.server);
        return Err(ABORTED.into());
    }
    let watched = &call.server.watched;
    if entry.watch.is_changed() || watched.has_expired(call.keyspace, entry, call.now_ms)? {
        forget(call.client, call.server);
        call.out.null_array();
        return Ok(());
    }
    let multi = call.client.multi.take().unwrap_or_default();
    let lifted = call.server.watched.lift(entry);
    let result = run(call, &multi);
    if let Err(Failure::Storage(Error::Miss) | Failure::Slow) = result {
        // It runs again.
        call.client.multi = Some(multi);
        call.server.watched.lay(&call.client.entry, &lifted);
    } else {
        forget(call.client, call.server);
    }
    result
}

/// A command of a transaction, to be counted once the whole of it is kept.
struct Done<'a> {
    queued: &'a Queued,
    took_us: u64,
    failed: bool,
    /// The error it answered, as a line.
    error: Option<Vec<u8>>,
    /// For the slow log.
    slow: Option<slowlog::Entry>,
    /// Of the script it ran, or the wait it ended.
    scripted: Option<Box<Tally>>,
}

/// Runs everything that is queued, or nothing.
fn run(call: &mut Call<'_>, multi: &Multi) -> Outcome {
    let mark = call.keyspace.mark();
    let writes = multi.queue.iter().any(|queued| !only_reads(queued.command));
    if writes {
        call.keyspace.begin(Plan::Savepoint)?;
    }
    let (db, fed) = (call.client.db, call.client.feed.len());
    let said = call.client.outgoing.mark();
    let deny_blocking = std::mem::replace(&mut call.client.deny_blocking, true);
    call.client.moment_us = None;
    call.client.executing = Some((multi.len(), multi.memory()));
    let result = run_all(call, multi).and_then(|done| {
        call.keyspace.complete()?;
        Ok(done)
    });
    call.client.executing = None;
    call.client.deny_blocking = deny_blocking;
    match result {
        Ok(done) => {
            if writes {
                call.keyspace.commit();
            }
            count(call, done);
            Ok(())
        }
        Err(failure) => {
            if writes {
                call.keyspace.rollback();
            }
            call.keyspace.undo(mark);
            call.client.db = db;
            call.client.feed.cut(fed);
            call.client.take_back(said, call.server);
            Err(failure)
        }
    }
}

fn run_all<'a>(call: &mut Call<'_>, multi: &'a Multi) -> Result<Vec<Done<'a>>, Failure> {
    let clock = &call.server.clock;
    call.out.array(multi.queue.len());
    let mut done = Vec::with_capacity(multi.queue.len());
    let mut since_us = clock.mono_us();
    let on_miss = call.keyspace.engine.pager_mut().set_on_miss(OnMiss::Read);
    let mut is_final = on_miss == OnMiss::Read;
    for queued in &multi.queue {
        is_final |= !only_touches_keys(queued.command);
        // A change makes the engine read what it misses; the next command can be taken back again.
        let pager = call.keyspace.engine.pager_mut();
        pager.set_on_miss(if is_final { OnMiss::Read } else { on_miss });
        let (failed, error) = match run_one(call, queued, &mut is_final) {
            Err(Error::Miss) if is_final => {
                return Err(errors::of_storage(&Error::Miss).into());
            }
            outcome => outcome?,
        };
        let now_us = clock.mono_us();
        let took_us = now_us.saturating_sub(since_us);
        done.push(Done {
            queued,
            took_us,
            failed,
            error,
            slow: slow_entry(call, queued, took_us),
            scripted: call.client.scripted.take(),
        });
        if call.keyspace.engine.planted().has(Bug::M25ExecInTwo)
            && call.keyspace.in_transaction()
            && done.len() == 1
        {
            call.keyspace.commit();
            call.keyspace.begin(Plan::Savepoint)?;
        }
        since_us = now_us;
    }
    Ok(done)
}

/// Runs one command; returns whether it failed, and the error it answered. If it is refused, that is counted and logged at
/// once, so that the transaction is to be final.
fn run_one(
    call: &mut Call<'_>,
    queued: &Queued,
    is_final: &mut bool,
) -> Result<(bool, Option<Vec<u8>>), Error> {
    let words = queued.request.words();
    let mark = call.out.mark();
    let mut inner = Call {
        args: &words,
        keyspace: call.keyspace,
        client: call.client,
        server: call.server,
        out: call.out,
        now_ms: call.now_ms,
    };
    let admitted = inner.client.account.is_almighty()
        || acl::admit(
            inner.server,
            inner.client,
            queued.command,
            &words,
            Context::Transaction,
        )
        .map_err(|denial| inner.out.error(&denial.late_error()))
        .is_ok();
    let outcome = if admitted {
        attempt::carry_out(&mut inner, queued.handler)
    } else {
        *is_final = true;
        Ok(())
    };
    let failed = match outcome {
        Ok(()) => false,
        Err(Failure::Reply(error)) => {
            call.out.error(&error);
            true
        }
        Err(Failure::Storage(error)) => return Err(error),
        Err(Failure::Slow) => unreachable!("nothing is moved out of a transaction"),
    };
    assert!(call.client.block.is_none(), "nothing blocks in EXEC");
    if call.client.tracking.on {
        let changes = call.keyspace.changes.len();
        client_tracking::remember(call.client, changes, queued.command, &words);
    }
    let error = call.out.bytes_since(mark).strip_prefix(b"-");
    let meaning = std::mem::take(&mut call.client.error_in_reply);
    let failed = failed || error.is_some() && meaning != ErrorInReply::IsNone;
    let error = error
        .filter(|_| meaning == ErrorInReply::Counts)
        .map(<[u8]>::to_vec);
    let registry = &call.server.registry;
    if registry.has_monitors() {
        monitor::feed(call.client, queued.command, &words, call.now_ms * 1000);
    }
    Ok((failed, error))
}

/// What the slow log is to keep of a command that has just run.
fn slow_entry(call: &Call<'_>, queued: &Queued, took_us: u64) -> Option<slowlog::Entry> {
    let words = queued.request.words();
    let client = Some(&*call.client);
    let now_us = call.now_ms * 1000;
    accounting::slow_entry(call.server, client, queued.command, &words, took_us, now_us)
}

/// Counts the commands of a transaction that is kept.
fn count(call: &Call<'_>, done: Vec<Done<'_>>) {
    let (server, now_us) = (call.server, call.now_ms * 1000);
    add(&server.stats.commands_processed, done.len() as u64);
    for one in done {
        if let Some(tally) = one.scripted {
            tally.count(server, now_us);
        }
        let command = one.queued.command;
        accounting::count(server, command, 1, one.took_us);
        let failures = &server.stats.command(command.id).failed;
        add_locked(failures, u64::from(one.failed));
        accounting::sample_latency(server, command, one.took_us, now_us);
        accounting::keep_slow(server, one.slow);
        if let Some(line) = &one.error {
            server.stats.count_error(line);
        }
    }
}

/// Whether a command can be taken back with the data: it reads and changes nothing but keys.
pub(super) fn only_touches_keys(command: &Command) -> bool {
    (command.flags.has(Flag::ReadOnly) || command.flags.has(Flag::Write))
        && command.group != Group::Scripting
}

/// Whether a command needs no transaction.
pub(super) fn only_reads(command: &Command) -> bool {
    match command.group {
        Group::Connection => true,
        Group::Scripting => false,
        _ => command.flags.has(Flag::ReadOnly),
    }
}
