//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO: how a connection hears of changes of what it has read.

use super::argument::{self, is_word};
use super::client::Client;
use super::table::{self, Command, Flag};
use super::tracking::Mode;
use super::{Call, Outcome, effects, errors};
use crate::resp::ErrorReply;

const ONE_REDIRECT: ErrorReply =
    ErrorReply::new("ERR A client can only redirect to a single other client");
const NO_REDIRECT: ErrorReply =
    ErrorReply::new("ERR The client ID you want redirect to does not exist");
const PREFIX_WITHOUT_BCAST: ErrorReply =
    ErrorReply::new("ERR PREFIX option requires BCAST mode to be enabled");
const OTHER_BCAST: ErrorReply = ErrorReply::new(
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with \
     a different mode.",
);
const BCAST_WITH_OPT: ErrorReply =
    ErrorReply::new("ERR OPTIN and OPTOUT are not compatible with BCAST");
const BOTH_OPTS: ErrorReply =
    ErrorReply::new("ERR You can't specify both OPTIN mode and OPTOUT mode");
const OTHER_OPT: ErrorReply = ErrorReply::new(
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with \
     a different mode.",
);

/// The words of CLIENT TRACKING behind ON or OFF.
struct Options<'a> {
    mode: Mode,
    prefixes: Vec<&'a [u8]>,
}

fn options<'a>(call: &Call<'a>) -> Result<Options<'a>, ErrorReply> {
    let mut mode = Mode::default();
    let mut prefixes = Vec::new();
    let mut rest = &call.args[3..];
    loop {
        rest = match rest {
            [] => return Ok(Options { mode, prefixes }),
            [option, id, tail @ ..] if is_word(option, "redirect") => {
                if mode.redirect != 0 {
                    return Err(ONE_REDIRECT);
                }
                mode.redirect = redirect(call, id)?;
                tail
            }
            [option, prefix, tail @ ..] if is_word(option, "prefix") => {
                prefixes.push(*prefix);
                tail
            }
            [option, tail @ ..] => {
                match option {
                    w if is_word(w, "bcast") => mode.bcast = true,
                    w if is_word(w, "optin") => mode.optin = true,
                    w if is_word(w, "optout") => mode.optout = true,
                    w if is_word(w, "noloop") => mode.noloop = true,
                    _ => return Err(errors::SYNTAX),
                }
                tail
            }
        };
    }
}

/// The number of a connection that is there.
fn redirect(call: &Call<'_>, id: &[u8]) -> Result<u64, ErrorReply> {
    let id = argument::integer(id)?;
    u64::try_from(id)
        .ok()
        .filter(|&id| call.server.registry.get(id).is_some())
        .ok_or(NO_REDIRECT)
}

/// Whether the mode fits itself and the one before.
fn check_mode(now: Mode, new: Mode, has_prefixes: bool) -> Result<(), ErrorReply> {
    if has_prefixes && !new.bcast {
        return Err(PREFIX_WITHOUT_BCAST);
    }
    if now.on && now.bcast != new.bcast {
        return Err(OTHER_BCAST);
    }
    if new.bcast && (new.optin || new.optout) {
        return Err(BCAST_WITH_OPT);
    }
    if new.optin && new.optout {
        return Err(BOTH_OPTS);
    }
    if (new.optin && now.optout) || (new.optout && now.optin) {
        return Err(OTHER_OPT);
    }
    Ok(())
}

/// No key may begin with two prefixes of a connection.
fn check_prefixes(existing: &[Box<[u8]>], new: &[&[u8]]) -> Result<(), ErrorReply> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let error = |prefix: &[u8], whose: &str, other: &[u8]| {
        let (prefix, other) = (
            errors::shown(prefix, usize::MAX),
            errors::shown(other, usize::MAX),
        );
        Err(ErrorReply::formatted(format!(
            "ERR Prefix '{prefix}' overlaps with {whose} prefix '{other}'. \
             Prefixes for a single client must not overlap."
        )))
    };
    for (at, prefix) in new.iter().enumerate() {
        if let Some(other) = existing.iter().find(|other| overlap(other, prefix)) {
            return error(prefix, "an existing", other);
        }
        if let Some(other) = new[at + 1..].iter().find(|other| overlap(other, prefix)) {
            return error(prefix, "another provided", other);
        }
    }
    Ok(())
}

/// CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
pub fn tracking(call: &mut Call<'_>) -> Outcome {
    let Options { mut mode, prefixes } = options(call)?;
    match call.args[2] {
        w if is_word(w, "on") => {
            let now = call.client.tracking;
            check_mode(now, mode, !prefixes.is_empty())?;
            if mode.bcast {
                check_prefixes(&call.server.tracking.prefixes(call.client.id), &prefixes)?;
            }
            mode.on = true;
            mode.caching = now.caching;
            begin(call, mode, &prefixes);
        }
        w if is_word(w, "off") => end(call),
        _ => return Err(errors::SYNTAX.into()),
    }
    effects::listen(call.keyspace, call.server, call.now_ms);
    call.out.ok();
    Ok(())
}

fn begin(call: &mut Call<'_>, mode: Mode, prefixes: &[&[u8]]) {
    let client = &mut *call.client;
    let everything: &[&[u8]] = &[b""];
    let prefixes = if prefixes.is_empty() {
        everything
    } else {
        prefixes
    };
    client.tracking = mode;
    client.entry.set_redirect_broken(false);
    call.server.tracking.begin(&client.entry, mode, prefixes);
}

/// The connection tracks no longer.
pub fn end(call: &mut Call<'_>) {
    let client = &mut *call.client;
    if client.tracking.on {
        client.tracking = Mode::default();
        client.entry.set_redirect_broken(false);
        call.server.tracking.end(client.id);
    }
}

/// A command was carried out, behind `changes` changes of keys: the keys that it has read are remembered if the
/// connection tracks. Of scripts and transactions these are the commands inside.
pub fn remember(client: &mut Client, changes: usize, command: &Command, words: &[&[u8]]) {
    let reads = command.flags.has(Flag::ReadOnly)
        && !matches!(command.name(), "eval_ro" | "evalsha_ro" | "fcall_ro");
    if !client.tracking.remembers() || !reads {
        return;
    }
    client.outgoing.place(changes);
    for key in table::keys_as_read(command, words) {
        client.outgoing.add_read(words[key.position]);
    }
}

/// A command is over: CLIENT CACHING, said before it, is over with it, unless a transaction is open or it was CLIENT.
pub fn forget_caching(client: &mut Client) {
    if client.tracking.caching && client.multi.is_none() {
        client.tracking.caching = client.last_command.starts_with("client");
    }
}

/// CLIENT CACHING YES|NO
pub fn caching(call: &mut Call<'_>) -> Outcome {
    const NOT_TRACKING: ErrorReply = ErrorReply::new(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    );
    const NOT_OPTIN: ErrorReply = ErrorReply::new(
        "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
    );
    const NOT_OPTOUT: ErrorReply = ErrorReply::new(
        "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
    );
    let mode = &mut call.client.tracking;
    if !mode.on {
        return Err(NOT_TRACKING.into());
    }
    match call.args[2] {
        w if is_word(w, "yes") && !mode.optin => return Err(NOT_OPTIN.into()),
        w if is_word(w, "no") && !mode.optout => return Err(NOT_OPTOUT.into()),
        w if is_word(w, "yes") || is_word(w, "no") => mode.caching = true,
        _ => return Err(errors::SYNTAX.into()),
    }
    call.out.ok();
    Ok(())
}

/// What GETREDIR and CLIENT LIST show: the connection that gets the invalidations, 0 for itself, -1 for none.
pub fn shown_redirect(mode: Mode) -> i64 {
    if mode.on { mode.redirect as i64 } else { -1 }
}

/// CLIENT GETREDIR
pub fn getredir(call: &mut Call<'_>) -> Outcome {
    call.out.int(shown_redirect(call.client.tracking));
    Ok(())
}

/// CLIENT TRACKINGINFO
pub fn trackinginfo(call: &mut Call<'_>) -> Outcome {
    let mode = call.client.tracking;
    let broken = call.client.entry.is_redirect_broken();
    let flags: Vec<&str> = [
        (mode.on, "on"),
        (!mode.on, "off"),
        (mode.bcast, "bcast"),
        (mode.optin, "optin"),
        (mode.optin && mode.caching, "caching-yes"),
        (mode.optout, "optout"),
        (mode.optout && mode.caching, "caching-no"),
        (mode.noloop, "noloop"),
        (broken, "broken_redirect"),
    ]
    .into_iter()
    .filter_map(|(is_set, flag)| is_set.then_some(flag))
    .collect();
    let prefixes = call.server.tracking.prefixes(call.client.id);
    let out = &mut *call.out;
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.len());
    for flag in flags {
        out.bulk(flag.as_bytes());
    }
    out.bulk(b"redirect");
    out.int(shown_redirect(mode));
    out.bulk(b"prefixes");
    out.array(prefixes.len());
    for prefix in prefixes {
        out.bulk(&prefix);
    }
    Ok(())
}
