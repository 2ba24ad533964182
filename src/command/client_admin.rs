//! CLIENT: what a connection says of itself, and what it may ask of others.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::acl::{Account, Users};
use super::argument::{self, is_word};
use super::client::{Entry, ReplyMode, View, signal};
use super::client_eviction::held_bytes;
use super::client_tracking::shown_redirect;
use super::connection::{check_name, is_attribute};
use super::effects;
use super::serving::{Ending, withdraw};
use super::stats::add_locked;
use super::table::{self, CommandId};
use super::tally::Tally;
use super::{Call, Outcome, accounting, errors, help};
use crate::resp::{ErrorReply, Proto, text};

const UNBLOCK: CommandId = table::id("client|unblock");

/// CLIENT ID
pub fn id(call: &mut Call<'_>) -> Outcome {
    call.out.int(call.client.id as i64);
    Ok(())
}

/// CLIENT GETNAME
pub fn getname(call: &mut Call<'_>) -> Outcome {
    match &call.client.name {
        Some(name) => call.out.bulk(name),
        None => call.out.null(),
    }
    Ok(())
}

/// CLIENT SETNAME name
pub fn setname(call: &mut Call<'_>) -> Outcome {
    check_name(call.args[2])?;
    call.client.set_name(call.args[2]);
    call.out.ok();
    Ok(())
}

/// CLIENT SETINFO LIB-NAME|LIB-VER value
pub fn setinfo(call: &mut Call<'_>) -> Outcome {
    let (option, value) = (call.args[2], call.args[3]);
    let is_name = is_word(option, "lib-name");
    let shown = errors::shown(option, usize::MAX);
    if !is_name && !is_word(option, "lib-ver") {
        return Err(ErrorReply::formatted(format!("ERR Unrecognized option '{shown}'")).into());
    }
    if !is_attribute(value) {
        return Err(ErrorReply::formatted(format!(
            "ERR {shown} cannot contain spaces, newlines or special characters."
        ))
        .into());
    }
    if is_name {
        call.client.set_lib_name(value);
    } else {
        call.client.set_lib_ver(value);
    }
    call.out.ok();
    Ok(())
}

fn text(value: Option<&Arc<[u8]>>) -> String {
    errors::shown(value.map(|v| &**v).unwrap_or_default(), usize::MAX)
}

fn flags(entry: &Entry, view: &View) -> String {
    let mut flags = String::new();
    for (is_set, letter) in [
        (view.monitor, 'O'),
        (entry.is_replica(), 'S'),
        (view.subscriptions.any(), 'P'),
        (view.multi.is_some(), 'x'),
        (view.blocked || view.paused, 'b'),
        (view.tracking.on, 't'),
        (entry.is_redirect_broken(), 'R'),
        (view.tracking.bcast, 'B'),
        (entry.watch.is_changed(), 'd'),
        (view.closing, 'c'),
        (entry.unix, 'U'),
        (view.no_evict, 'e'),
        (view.no_touch, 'T'),
    ] {
        if is_set {
            flags.push(letter);
        }
    }
    if flags.is_empty() {
        flags.push('N');
    }
    flags
}

/// The line of one connection, without its end.
pub fn line(entry: &Entry, now_ms: u64) -> String {
    let mut line = String::new();
    write_line(&mut line, entry, now_ms);
    line.truncate(line.trim_end().len());
    line
}

/// Appends the line of one connection.
fn write_line(out: &mut String, entry: &Entry, now_ms: u64) {
    let view = entry.view.lock();
    let waiting = entry.waiting_bytes();
    let buffers = view.buffers;
    let seconds_since = |ms: u64| now_ms.saturating_sub(ms) / 1000;
    let total = held_bytes(entry, &view);
    writeln!(
        out,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} watch={} \
         qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll={} omem={} tot-mem={} events=r cmd={} \
         user={} redir={} resp={} lib-name={} lib-ver={}",
        entry.id,
        entry.addr,
        entry.laddr,
        entry.fd,
        text(view.name.as_ref()),
        seconds_since(entry.created_ms),
        seconds_since(entry.active_ms.load(Ordering::Relaxed)),
        flags(entry, &view),
        view.db,
        view.subscriptions.channels,
        view.subscriptions.patterns,
        view.subscriptions.shards,
        view.multi.map_or(-1, |queued| queued as i64),
        entry.watch.keys(),
        buffers.input,
        buffers.input_free,
        buffers.words,
        view.multi_bytes,
        buffers.output_capacity,
        buffers.output_capacity,
        buffers.output,
        usize::from(waiting > 0),
        waiting,
        total,
        view.command,
        errors::shown(&view.account.name, usize::MAX),
        shown_redirect(view.tracking),
        if view.proto == Proto::Resp3 { 3 } else { 2 },
        text(view.lib_name.as_ref()),
        text(view.lib_ver.as_ref()),
    )
    .expect("memory takes all");
}

/// CLIENT INFO
pub fn info(call: &mut Call<'_>) -> Outcome {
    call.client.publish(call.out.proto());
    let mut lines = String::new();
    write_line(&mut lines, &call.client.entry, call.now_ms);
    call.out.verbatim("txt", &text::to_bytes(&lines));
    Ok(())
}

/// The kinds of connections that CLIENT LIST and KILL tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Pubsub,
    Replica,
    Master,
}

impl Kind {
    fn has(self, entry: &Entry) -> bool {
        match self {
            Self::Normal => !entry.is_subscriber() && !entry.is_replica(),
            Self::Pubsub => entry.is_subscriber(),
            Self::Replica => entry.is_replica(),
            Self::Master => false,
        }
    }
}

fn kind(word: &[u8]) -> Result<Kind, ErrorReply> {
    match word {
        w if is_word(w, "normal") => Ok(Kind::Normal),
        w if is_word(w, "pubsub") => Ok(Kind::Pubsub),
        w if is_word(w, "slave") || is_word(w, "replica") => Ok(Kind::Replica),
        w if is_word(w, "master") => Ok(Kind::Master),
        w => Err(ErrorReply::formatted(format!(
            "ERR Unknown client type '{}'",
            errors::shown(w, usize::MAX)
        ))),
    }
}

/// CLIENT LIST [TYPE type | ID id ...]
pub fn list(call: &mut Call<'_>) -> Outcome {
    const NOT_AN_ID: ErrorReply = ErrorReply::new("ERR Invalid client ID");
    let registry = &call.server.registry;
    let entries = match &call.args[2..] {
        [] => registry.all(),
        [option, name] if is_word(option, "type") => {
            let kind = kind(name)?;
            let mut entries = registry.all();
            entries.retain(|entry| kind.has(entry));
            entries
        }
        [option, ids @ ..] if is_word(option, "id") && !ids.is_empty() => {
            let mut entries = Vec::new();
            for id in ids {
                let id = argument::integer_or(id, NOT_AN_ID)?;
                entries.extend(u64::try_from(id).ok().and_then(|id| registry.get(id)));
            }
            entries
        }
        _ => return Err(errors::SYNTAX.into()),
    };
    call.client.publish(call.out.proto());
    let mut lines = String::new();
    for entry in entries {
        write_line(&mut lines, &entry, call.now_ms);
    }
    call.out.verbatim("txt", &text::to_bytes(&lines));
    Ok(())
}

/// Which connections CLIENT KILL closes.
struct Filter<'a> {
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    kind: Option<Kind>,
    user: Option<Arc<Account>>,
    id: Option<u64>,
    age_s_min: u64,
    skip_me: bool,
}

impl Filter<'_> {
    fn takes(&self, entry: &Entry, my_id: u64, now_ms: u64) -> bool {
        self.addr.is_none_or(|addr| addr == entry.addr.as_bytes())
            && self.laddr.is_none_or(|addr| addr == entry.laddr.as_bytes())
            && self.kind.is_none_or(|kind| kind.has(entry))
            && self
                .user
                .as_ref()
                .is_none_or(|user| Arc::ptr_eq(user, &entry.view.lock().account))
            && self.id.is_none_or(|id| id == entry.id)
            && !(self.skip_me && entry.id == my_id)
            && now_ms.saturating_sub(entry.created_ms) / 1000 >= self.age_s_min
    }
}

fn kill_filter<'a>(words: &[&'a [u8]], users: &Users) -> Result<Filter<'a>, ErrorReply> {
    const NOT_AN_ID: ErrorReply = ErrorReply::new("ERR client-id should be greater than 0");
    const NOT_AN_AGE: ErrorReply = ErrorReply::new("ERR maxage is not an integer or out of range");
    const AGE_TOO_SMALL: ErrorReply = ErrorReply::new("ERR maxage should be greater than 0");
    let mut filter = Filter {
        addr: None,
        laddr: None,
        kind: None,
        user: None,
        id: None,
        age_s_min: 0,
        skip_me: true,
    };
    for pair in words.chunks(2) {
        let [option, value] = *pair else {
            return Err(errors::SYNTAX);
        };
        match option {
            w if is_word(w, "id") => {
                filter.id = Some(argument::positive(value, NOT_AN_ID)?);
            }
            w if is_word(w, "maxage") => match argument::integer_or(value, NOT_AN_AGE)? {
                ..=0 => return Err(AGE_TOO_SMALL),
                age => filter.age_s_min = age as u64,
            },
            w if is_word(w, "type") => filter.kind = Some(kind(value)?),
            w if is_word(w, "addr") => filter.addr = Some(value),
            w if is_word(w, "laddr") => filter.laddr = Some(value),
            w if is_word(w, "user") => {
                let shown = || errors::shown(value, usize::MAX);
                let user = users.get(value);
                filter.user = Some(user.ok_or_else(|| {
                    ErrorReply::formatted(format!("ERR No such user '{}'", shown()))
                })?);
            }
            w if is_word(w, "skipme") && is_word(value, "yes") => filter.skip_me = true,
            w if is_word(w, "skipme") && is_word(value, "no") => filter.skip_me = false,
            _ => return Err(errors::SYNTAX),
        }
    }
    Ok(filter)
}

/// CLIENT KILL address, or CLIENT KILL option value ...
pub fn kill(call: &mut Call<'_>) -> Outcome {
    const NO_SUCH_CLIENT: ErrorReply = ErrorReply::new("ERR No such client");
    let old_form = call.args.len() == 3;
    let filter = if old_form {
        Filter {
            addr: Some(call.args[2]),
            laddr: None,
            kind: None,
            user: None,
            id: None,
            age_s_min: 0,
            skip_me: false,
        }
    } else {
        kill_filter(&call.args[2..], &call.server.users)?
    };
    let mut killed = 0;
    for entry in call.server.registry.all() {
        if !filter.takes(&entry, call.client.id, call.now_ms) {
            continue;
        }
        killed += 1;
        if entry.id == call.client.id {
            call.client.close = true;
        } else {
            // It is gone at once for whoever lists or kills next; its task closes the socket when it is woken.
            call.server.disconnect(&entry);
            entry.signal(signal::KILL);
        }
    }
    match (old_form, killed) {
        (true, 0) => return Err(NO_SUCH_CLIENT.into()),
        (true, _) => call.out.ok(),
        (false, killed) => call.out.int(killed),
    }
    Ok(())
}

/// The value of an on-or-off option.
fn on_or_off(word: &[u8]) -> Result<bool, ErrorReply> {
    if is_word(word, "on") {
        return Ok(true);
    }
    if is_word(word, "off") {
        return Ok(false);
    }
    Err(errors::SYNTAX)
}

/// CLIENT NO-EVICT ON|OFF
pub fn no_evict(call: &mut Call<'_>) -> Outcome {
    call.client.no_evict = on_or_off(call.args[2])?;
    call.out.ok();
    Ok(())
}

/// CLIENT NO-TOUCH ON|OFF
pub fn no_touch(call: &mut Call<'_>) -> Outcome {
    call.client.no_touch = on_or_off(call.args[2])?;
    call.out.ok();
    Ok(())
}

/// CLIENT REPLY ON|OFF|SKIP
pub fn reply(call: &mut Call<'_>) -> Outcome {
    match call.args[2] {
        w if is_word(w, "on") => {
            call.client.set_reply_mode(ReplyMode::On);
            call.out.ok();
        }
        w if is_word(w, "off") => call.client.set_reply_mode(ReplyMode::Off),
        w if is_word(w, "skip") => {
            if call.client.reply_mode != ReplyMode::Off {
                call.client.set_reply_mode(ReplyMode::SkipNext);
            }
        }
        _ => return Err(errors::SYNTAX.into()),
    }
    Ok(())
}

/// CLIENT PAUSE milliseconds [WRITE|ALL]
pub fn pause(call: &mut Call<'_>) -> Outcome {
    const NOT_A_MODE: ErrorReply = ErrorReply::new("ERR CLIENT PAUSE mode must be WRITE or ALL");
    let all = match &call.args[3..] {
        [] => true,
        [mode] if is_word(mode, "all") => true,
        [mode] if is_word(mode, "write") => false,
        [_] => return Err(NOT_A_MODE.into()),
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let end_ms = argument::deadline_of_millis(call.args[2], call.now_ms)?;
    call.server
        .pause
        .begin(end_ms.unwrap_or(0), all, call.now_ms);
    effects::listen(call.keyspace, call.server, call.now_ms);
    call.out.ok();
    Ok(())
}

/// CLIENT UNPAUSE
pub fn unpause(call: &mut Call<'_>) -> Outcome {
    call.server.pause.end();
    call.server.registry.signal_all(signal::UNPAUSE);
    effects::listen(call.keyspace, call.server, call.now_ms);
    call.out.ok();
    Ok(())
}

/// CLIENT UNBLOCK id [TIMEOUT|ERROR]
pub fn unblock(call: &mut Call<'_>) -> Outcome {
    const NOT_A_REASON: ErrorReply =
        ErrorReply::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    let (bits, ending) = match &call.args[3..] {
        [] => (signal::UNBLOCK_TIMEOUT, Ending::TimedOut),
        [reason] if is_word(reason, "timeout") => (signal::UNBLOCK_TIMEOUT, Ending::TimedOut),
        [reason] if is_word(reason, "error") => (signal::UNBLOCK_ERROR, Ending::Refused),
        [_] => return Err(NOT_A_REASON.into()),
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let id = argument::integer(call.args[2])?;
    let id = u64::try_from(id).unwrap_or(0);
    if let Some(ended) = withdraw(call.server, id, ending, call.now_ms * 1000) {
        match ended.slow {
            Some(entry) if call.client.executing.is_some() => {
                let mut tally = Tally::default();
                tally.slow(entry, accounting::slowlog_len_max(call.server));
                call.client.scripted = Some(Box::new(tally));
            }
            entry => accounting::keep_slow(call.server, entry),
        }
        // Behind what the commands before it, in the same transaction, have to say.
        let outgoing = &mut call.client.outgoing;
        outgoing.place(call.keyspace.changes.len());
        outgoing.add_wait_end(&ended.entry, ended.reply.bytes());
        return unblocked(call, bits);
    }
    let entry = call.server.registry.get(id);
    // Whoever takes the mark away is the one who unblocks: a second UNBLOCK finds nothing. The signal is sent under
    // the same lock, so that a client that ends its wait by itself sees it and can forget it.
    let is_ended = entry.is_some_and(|entry| {
        let mut view = entry.view.lock();
        let may_unblock = std::mem::take(&mut view.may_unblock);
        if may_unblock {
            view.blocked = false;
            entry.signal(bits);
        }
        may_unblock
    });
    if is_ended {
        return unblocked(call, bits);
    }
    call.out.int(0);
    Ok(())
}

/// CLIENT UNBLOCK has ended a wait, as `bits` say. In Redis it has failed if what it makes the other client answer is an
/// error.
fn unblocked(call: &mut Call<'_>, bits: u32) -> Outcome {
    let stats = call.server.stats.command(UNBLOCK);
    add_locked(&stats.failed, u64::from(bits == signal::UNBLOCK_ERROR));
    call.out.int(1);
    Ok(())
}

/// CLIENT HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::CLIENT)
}
