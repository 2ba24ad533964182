//! DEBUG: what tests of Redis, of its clients and of this server ask for beyond the API.
//!
//! Subcommands that look into Redis's own memory do not exist here.

mod protocol;
mod reload;
mod switches;

use std::time::Duration;

pub use switches::Switches;

use super::argument::{is_word, not_negative};
use super::client::ErrorInReply;
use super::{Call, Failure, Outcome, errors, help, loading, object, settings};
use crate::config::Key;
use crate::keyspace::Look;
use crate::keyspace::header::Encoding;
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;
use crate::storage::Plan;

/// Bytes of a key's name that POPULATE makes.
const POPULATED_NAME_BYTES_MAX: usize = 127;
/// Keys that POPULATE makes in one transaction.
const POPULATED_AT_ONCE: u64 = 256;
/// The longest SLEEP, in seconds.
const SLEEP_S_MAX: f64 = 1e6;
/// `lru_clock` has so many bits.
const LRU_CLOCK_BITS: u32 = 24;

/// DEBUG subcommand ...
pub fn debug(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let is = |name: &str| is_word(args[1], name);
    if call.server.loading.is_on() && NEED_DATA.iter().any(|name| is(name)) {
        return Err(loading::REFUSAL.into());
    }
    match args.len() {
        2 if is("help") => help::write(call, HELP),
        2 if is("digest") => digest(call),
        _ if is("digest-value") => digest_value(call),
        3 if is("object") => object(call),
        3..=5 if is("populate") => populate(call),
        3 if is("protocol") => protocol::reply(call),
        3 if is("sleep") => sleep(call),
        3 if is("log") => log(call),
        3 if is("error") => {
            call.out.error_bytes(args[2]);
            call.client.error_in_reply = ErrorInReply::IsNone;
            Ok(())
        }
        2 if is("panic") => panic!("DEBUG PANIC asked for it"),
        _ if is("reload") => reload::reload(call),
        _ if is("loadaof") => reload::start_over(call),
        2 if is("config-rewrite-force-all") => rewrite_config(call),
        3 | 4 => switches::set(call),
        _ => Err(errors::subcommand_syntax(args).into()),
    }
}

/// What is refused while the data is not there.
const NEED_DATA: &[&str] = &[
    "digest",
    "digest-value",
    "loadaof",
    "object",
    "populate",
    "reload",
];

const HELP: &[&str] = &[
    "CONFIG-REWRITE-FORCE-ALL",
    "    Write every directive to the configuration file, defaults included.",
    "DIGEST",
    "    Return a signature of all keys and values.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Return the signature of each key's value.",
    "ERROR <string>",
    "    Return an error with this text.",
    "LOADAOF",
    "    Make a checkpoint and forget all cached pages, so that they are read from the file again.",
    "LOG <message>",
    "    Write a line to the log of the server.",
    "OBJECT <key>",
    "    Show how a value is kept.",
    "PANIC",
    "    End the process as a broken invariant does: at once.",
    "PAUSE-CRON <0|1>",
    "    Stop or resume the periodic jobs.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Make keys named prefix:0, prefix:1 and so on, unless they are there.",
    "PROTOCOL <type>",
    "    Reply with a value of the type: string, integer, double, bignum, null, array, set, map,",
    "    attrib, push, verbatim, true, false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Set from which size elements of a list would have a node of their own in Redis.",
    "RELOAD [option ...]",
    "    Save an RDB file, make a checkpoint, and forget all cached pages, so that they are read again. Options are:",
    "    NOSAVE: Load the RDB file that is there in the place of all keys and libraries of functions.",
    "    NOFLUSH: Keep keys and libraries. Without MERGE, the file may have none that are there.",
    "    MERGE: Those of the file go before those that are there.",
    "REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
    "    Set how long a reply buffer keeps its size, in milliseconds.",
    "REPLYBUFFER RESIZING <0|1>",
    "    Allow or forbid that idle reply buffers shrink.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Stop or resume the removal of due keys in the background.",
    "SLEEP <seconds>",
    "    Stop the server for this long. Decimals are allowed.",
];

fn digest(call: &mut Call<'_>) -> Outcome {
    let digest = call.keyspace.digest(call.now_ms)?;
    call.out.simple(&digest.to_hex());
    Ok(())
}

fn digest_value(call: &mut Call<'_>) -> Outcome {
    let keys = &call.args[2..];
    call.out.array(keys.len());
    for key in keys {
        let digest = call
            .keyspace
            .value_digest(call.client.db, key, call.now_ms)?;
        call.out.simple(&digest.to_hex());
    }
    Ok(())
}

/// Keys that are due are shown too, as long as they are there. The length is that of Redis's dump format without
/// compression. There is no address: the value is in a page.
fn object(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.client.db, call.args[2]);
    let shares = settings::shares_integers(call);
    const NOTHING_IS_DUE: u64 = 0;
    let entry = call
        .keyspace
        .lookup(db, key, NOTHING_IS_DUE, Look::UNSEEN)?;
    let Some(seen) = entry.map(|entry| object::Seen::of(&entry)) else {
        return Err(errors::NO_SUCH_KEY.into());
    };
    let nodes = if seen.encoding() == "quicklist" {
        quicklist(call, key)?
    } else {
        String::new()
    };
    let levels = call.keyspace.levels(db, key)?;
    let levels = levels.map_or(String::new(), |levels| format!(" tree_levels:{levels}"));
    let idle_s = call.keyspace.access.idle_seconds(db, key, call.now_ms);
    let used_s = (call.now_ms / 1000).saturating_sub(idle_s);
    call.out.simple(&format!(
        "Value at:0x0 refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle_s}{nodes}{levels}",
        seen.references(shares),
        seen.encoding(),
        seen.dump_bytes(),
        used_s & ((1 << LRU_CLOCK_BITS) - 1),
    ));
    Ok(())
}

/// How Redis would keep a list that it has in nodes.
fn quicklist(call: &mut Call<'_>, key: &[u8]) -> Result<String, Failure> {
    const FRAME_BYTES: u64 = 7;
    let survey = call.keyspace.survey_list(call.client.db, key)?;
    let compressed = call.server.config.number(Key::ListCompressDepth) != 0;
    Ok(format!(
        " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
        survey.nodes,
        survey.len as f64 / survey.nodes as f64,
        survey.fill.unwrap_or_default(),
        u8::from(compressed),
        survey.entry_bytes + FRAME_BYTES * survey.nodes,
    ))
}

fn populate(call: &mut Call<'_>) -> Outcome {
    let keys = not_negative(call.args[2], errors::NOT_POSITIVE)?;
    let prefix = call.args.get(3).map_or(&b"key"[..], |word| until_nul(word));
    let bytes = match call.args.get(4) {
        Some(word) => not_negative(word, errors::NOT_POSITIVE)?,
        None => 0,
    };
    if bytes > settings::string_bytes_max(call) {
        return Err(errors::STRING_TOO_LONG.into());
    }
    // A part that is done is found and left alone if the command has to begin again.
    let mut first = 0;
    while first < keys {
        let end = keys.min(first + POPULATED_AT_ONCE);
        populate_some(call, first..end, prefix, bytes as usize)?;
        first = end;
    }
    call.out.ok();
    Ok(())
}

fn populate_some(
    call: &mut Call<'_>,
    numbers: std::ops::Range<u64>,
    prefix: &[u8],
    bytes: usize,
) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    call.keyspace.write(Plan::Savepoint, |txn| {
        for number in numbers {
            let mut key = prefix.to_vec();
            key.extend_from_slice(format!(":{number}").as_bytes());
            key.truncate(POPULATED_NAME_BYTES_MAX);
            let slot = txn.slot(db, &key, now_ms)?;
            if slot.exists() {
                continue;
            }
            let mut value = format!("value:{number}").into_bytes();
            if bytes > 0 {
                value.resize(bytes, 0);
            }
            txn.put_string(&slot, &key, &value, Encoding::Natural, None)?;
            txn.touched(db, &key, 0, None);
        }
        Ok::<_, Failure>(())
    })
}

fn sleep(call: &mut Call<'_>) -> Outcome {
    let word = String::from_utf8_lossy(until_nul(call.args[2]));
    let seconds: f64 = word.trim().parse().unwrap_or(0.0);
    if seconds > 0.0 {
        let time = Duration::from_secs_f64(seconds.min(SLEEP_S_MAX));
        call.server.machine.sleep(time);
    }
    call.out.ok();
    Ok(())
}

fn log(call: &mut Call<'_>) -> Outcome {
    let text = String::from_utf8_lossy(until_nul(call.args[2]));
    tracing::warn!("DEBUG LOG: {text}");
    call.out.ok();
    Ok(())
}

fn rewrite_config(call: &mut Call<'_>) -> Outcome {
    let rewritten = call.server.config.rewrite(true);
    rewritten
        .map_err(|e| ErrorReply::formatted(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {e}")))?;
    call.out.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
