//! Serving clients that are blocked on keys: running their commands again, and ending their waits.

use std::sync::Arc;

use super::acl::{self, log::Context};
use super::blocking::{Table, Waiter};
use super::client::{Client, Entry, ReplyMode, signal};
use super::effects::{self, Maker};
use super::eviction::{self, OUT_OF_MEMORY, Room};
use super::server::Server;
use super::stats::{add, add_locked};
use super::table::Flag;
use super::{Call, Failure, accounting, attempt, client_tracking, errors, slowlog};
use crate::keyspace::{Keyspace, Look};
use crate::resp::{ErrorReply, Reply};
use crate::storage::OnMiss;
use crate::storage::planted::Bug;

/// Serves the keys that are ready until none is, with what that makes ready. Under the engine lock.
pub(super) fn serve(keyspace: &mut Keyspace, server: &Server, table: &mut Table, now_ms: u64) {
    // During a pause the keys stay ready.
    while server.pause.holds(true, now_ms).is_none() {
        let Some(mut ready) = table.take_ready() else {
            return;
        };
        let planted = keyspace.engine.planted();
        if planted.has(Bug::M36LastComeFirstServed) {
            ready.clients.reverse();
        }
        if planted.has(Bug::M37OnlyFirstIsWoken) {
            ready.clients.truncate(1);
        }
        for id in ready.clients {
            // Every command that is run again has a time of its own.
            let now_ms = now_ms.max(server.clock.wall_ms());
            keyspace.engine.begin_command(OnMiss::Read);
            let found = keyspace.lookup(ready.db, &ready.key, now_ms, Look::ASIDE);
            let kind = found.map(|entry| entry.map(|entry| entry.header.kind));
            let waiter = table.take_waiter(id, |awaits| match kind {
                Ok(kind) => awaits.is_met_by(kind, ready.news),
                // A key that cannot be read is the command's to complain about.
                Err(_) => awaits.may_be_met(ready.news),
            });
            if let Some(waiter) = waiter {
                run(keyspace, server, table, waiter, now_ms);
            }
        }
    }
}

/// Runs the command of a waiter, which is served unless it blocks again.
fn run(
    keyspace: &mut Keyspace,
    server: &Server,
    table: &mut Table,
    mut waiter: Waiter,
    now_ms: u64,
) {
    let mut out = Reply::new(waiter.proto);
    let started_us = server.clock.mono_us();
    let admitted = admit(server, &waiter);
    let is_rejected = admitted.is_err();
    let outcome = admitted
        .map_err(Failure::from)
        .and_then(|()| carry_out(keyspace, server, &mut waiter, &mut out, now_ms));
    let failed = outcome.is_err();
    if let Err(failure) = outcome {
        waiter.client.block = None;
        waiter.client.wait = None;
        out.error(&match failure {
            Failure::Reply(error) => error,
            Failure::Storage(error) => errors::of_storage(&error),
            Failure::Slow => unreachable!("scripts do not block"),
        });
    }
    let took_us = server.clock.mono_us().saturating_sub(started_us);
    accounting::sample_latency(server, waiter.command, took_us, now_ms * 1000);
    waiter.took_us += took_us;
    let is_served = waiter.client.block.is_none();
    table.leave(&waiter);
    if is_served {
        if is_rejected {
            add_locked(&server.stats.command(waiter.command.id).rejected, 1);
        } else {
            account(server, &waiter, failed);
            accounting::keep_slow(server, slow_entry(server, &waiter, now_ms * 1000));
        }
        silence(server, &mut out, &waiter.client);
    }
    let maker = Maker {
        client: &mut waiter.client,
        reply_at: Reply::default().mark(),
        out: &mut out,
    };
    let changes = effects::tell(keyspace, server, Some(maker), now_ms);
    table.note(&changes);
    if is_served {
        let bytes = flat(out);
        let entry = &waiter.client.entry;
        leave_view(entry);
        resume(entry, &bytes, keyspace.last_lsn());
    } else {
        // It has no reply yet: these are push messages.
        let messages = flat(out);
        if !messages.is_empty() {
            server.post(&waiter.client.entry, &[&messages], keyspace.last_lsn());
        }
        table.put_back(waiter);
    }
}

fn carry_out(
    keyspace: &mut Keyspace,
    server: &Server,
    waiter: &mut Waiter,
    out: &mut Reply,
    now_ms: u64,
) -> Result<(), Failure> {
    if eviction::make_room(keyspace, server, now_ms)? == Room::None
        && waiter.command.flags.has(Flag::DenyOom)
    {
        return Err(OUT_OF_MEMORY.into());
    }
    keyspace.engine.begin_command(OnMiss::Read);
    let request = waiter.retried();
    let words = request.words();
    keyspace.no_touch = waiter.client.no_touch;
    effects::listen(keyspace, server, now_ms);
    let mut call = Call {
        args: &words,
        keyspace,
        client: &mut waiter.client,
        server,
        out,
        now_ms,
    };
    let outcome = attempt::carry_out(&mut call, waiter.handler);
    // It has read its keys, also if it complains of one.
    client_tracking::remember(
        &mut waiter.client,
        keyspace.changes.len(),
        waiter.command,
        &words,
    );
    outcome
}

/// What its user may do may have changed while it waited.
fn admit(server: &Server, waiter: &Waiter) -> Result<(), ErrorReply> {
    let account = &waiter.client.account;
    if account.is_almighty() {
        return Ok(());
    }
    let (command, words) = (waiter.command, waiter.request.words());
    let admitted = acl::admit(server, &waiter.client, command, &words, Context::TopLevel);
    admitted.map_err(|denial| {
        let text = denial.text(account, command, &words, false);
        ErrorReply::formatted(format!("NOPERM {text}"))
    })
}

/// Counts a command that is over.
fn account(server: &Server, waiter: &Waiter, failed: bool) {
    let command = waiter.command;
    accounting::count(server, command, 1, waiter.took_us);
    let failures = &server.stats.command(command.id).failed;
    add_locked(failures, u64::from(failed));
    add(&server.stats.commands_processed, 1);
}

/// What the slow log is to keep of a command that is over.
fn slow_entry(server: &Server, waiter: &Waiter, now_us: u64) -> Option<slowlog::Entry> {
    let (command, words) = (waiter.command, waiter.request.words());
    let client = Some(&waiter.client);
    accounting::slow_entry(server, client, command, &words, waiter.took_us, now_us)
}

/// Counts an error, and takes the reply back if the client does not want it.
fn silence(server: &Server, out: &mut Reply, client: &Client) {
    if let [b'-', line @ ..] = out.bytes() {
        server.stats.count_error(line);
    }
    if client.reply_mode != ReplyMode::On {
        out.clear();
    }
}

/// The whole reply in memory; an error in its place, if a part of it cannot be read.
pub(super) fn flat(mut out: Reply) -> Vec<u8> {
    let proto = out.proto();
    out.take_whole().unwrap_or_else(|broken| {
        let mut error = Reply::new(proto);
        error.error(&errors::of_stream(&broken));
        error.take().0
    })
}

/// Shows that a client waits no more.
fn leave_view(entry: &Entry) {
    let mut view = entry.view.lock();
    view.blocked = false;
    view.may_unblock = false;
    view.has_timeout = false;
}

/// Lets the task of a client that waits no more go on, behind its reply, which leaves once the log is written up to
/// `lsn`.
pub(super) fn resume(entry: &Entry, reply: &[u8], lsn: u64) {
    if !reply.is_empty() {
        entry.post(&[reply], lsn);
    }
    entry.signal(signal::RESUME);
}

/// How a wait ends that was in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its time is over, or CLIENT UNBLOCK says so.
    TimedOut,
    /// CLIENT UNBLOCK with ERROR.
    Refused,
}

pub const UNBLOCKED: ErrorReply = ErrorReply::new("UNBLOCKED client unblocked via CLIENT UNBLOCK");

/// A client whose wait was ended.
pub(super) struct Withdrawn {
    pub entry: Arc<Entry>,
    /// With which it is to be [resumed](resume).
    pub reply: Reply,
    /// For the slow log.
    pub slow: Option<slowlog::Entry>,
}

/// Ends the wait of a client that is blocked on keys. None if it is not blocked, because it was served. Under the engine
/// lock. `now_us` is wall time.
pub(super) fn withdraw(server: &Server, id: u64, ending: Ending, now_us: u64) -> Option<Withdrawn> {
    let waiter = server.blocked.withdraw(id)?;
    let mut out = Reply::new(waiter.proto);
    match ending {
        Ending::TimedOut => out.null_array(),
        Ending::Refused => out.error(&UNBLOCKED),
    }
    account(server, &waiter, ending == Ending::Refused);
    let slow = slow_entry(server, &waiter, now_us);
    silence(server, &mut out, &waiter.client);
    let entry = waiter.client.entry;
    leave_view(&entry);
    Some(Withdrawn {
        entry,
        reply: out,
        slow,
    })
}

/// Ends the wait of a client whose time is over; false if it is not blocked on keys, because it was served. Under the
/// engine lock. `now_us` is wall time.
pub fn time_out(server: &Server, id: u64, now_us: u64) -> bool {
    let ended = withdraw(server, id, Ending::TimedOut, now_us);
    ended.is_some_and(|ended| {
        accounting::keep_slow(server, ended.slow);
        // It tells nothing of the data.
        resume(&ended.entry, ended.reply.bytes(), 0);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Proto, Stream, StreamError};

    /// A stream of a few pieces, the last of which cannot be read.
    struct Breaking(usize);

    impl Stream for Breaking {
        fn fill(&mut self, out: &mut Vec<u8>, _: usize) -> Result<bool, StreamError> {
            self.0 = (self.0.checked_sub(1)).ok_or_else(|| StreamError("a page".to_owned()))?;
            out.extend_from_slice(b":1\r\n");
            Ok(true)
        }
    }

    #[test]
    fn a_reply_that_cannot_be_read_is_an_error_and_no_short_reply() {
        let mut out = Reply::new(Proto::Resp2);
        out.array(3);
        out.stream(Box::new(Breaking(2)));
        let expected = b"-ERR a streamed reply broke off: a page\r\n";
        assert_eq!(flat(out), expected);
    }
}
