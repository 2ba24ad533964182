//! CONFIG: GET, SET, REWRITE, RESETSTAT, HELP.

use super::{Call, Outcome, client_eviction, errors, help, loading, settings};
use crate::config::directive::{SENSITIVE, find};
use crate::config::{Caller, SetError};
use crate::keyspace;
use crate::resp::ErrorReply;

const HELP: &[&str] = &[
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

/// CONFIG GET name-or-pattern ...
pub fn get(call: &mut Call<'_>) -> Outcome {
    let found = call.server.config.get(&call.args[2..]);
    call.out.map(found.len());
    for (name, value) in found {
        call.out.bulk(&name);
        call.out.bulk(&value);
    }
    Ok(())
}

/// CONFIG SET name value [name value ...]
pub fn set(call: &mut Call<'_>) -> Outcome {
    let (pairs, rest) = call.args[2..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(errors::SYNTAX.into());
    }
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    let caller = Caller {
        is_local: call.client.entry.local,
        is_loading: call.server.loading.is_on(),
    };
    call.server
        .config
        .set(&pairs, caller)
        .map_err(|error| match error {
            SetError::Loading => loading::REFUSAL,
            error => ErrorReply::formatted(format!("ERR {error}")),
        })?;
    client_eviction::make_room(call.server);
    call.keyspace.access.fading = settings::fading(call.server);
    call.out.ok();
    Ok(())
}

/// CONFIG REWRITE
pub fn rewrite(call: &mut Call<'_>) -> Outcome {
    call.server
        .config
        .rewrite(false)
        .map_err(|error| ErrorReply::formatted(format!("ERR {error}")))?;
    tracing::info!("CONFIG REWRITE executed with success.");
    call.out.ok();
    Ok(())
}

/// CONFIG RESETSTAT
pub fn resetstat(call: &mut Call<'_>) -> Outcome {
    call.server.config.reset_statistics();
    call.keyspace.engine.forget_freed_objects();
    call.keyspace.stats = keyspace::Stats {
        dirty: call.keyspace.stats.dirty,
        forms: call.keyspace.stats.forms,
        ..keyspace::Stats::default()
    };
    call.out.ok();
    Ok(())
}

/// CONFIG HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, HELP)
}

/// Whether a word of a CONFIG SET request is the value of a directive that SLOWLOG, MONITOR and logs must not show.
pub fn is_secret(args: &[&[u8]], at: usize) -> bool {
    at >= 3
        && at % 2 == 1
        && find(args[at - 1]).is_some_and(|entry| entry.directive().is(SENSITIVE))
}
