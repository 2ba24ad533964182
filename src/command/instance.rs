//! TIME, LOLWUT, MODULE LIST and CLUSTER: small questions about the instance.

use super::argument::{self, is_word};
use super::server::REDIS_VERSION;
use super::{Call, Outcome, help};
use crate::resp::ErrorReply;

/// TIME: in a transaction or script the time stands still, as for everything else there, until the script is late: one
/// that waits for a moment to come does not wait for ever.
pub fn time(call: &mut Call<'_>) -> Outcome {
    let mut now_us = call.server.clock.wall_us();
    let client = &mut *call.client;
    if client.in_script || client.executing.is_some() {
        let goes_on = call.server.scripting.running.is_late();
        now_us = client.moment_us.filter(|_| !goes_on).unwrap_or(now_us);
        client.moment_us = Some(now_us);
    }
    let now_us = now_us as i64;
    call.out.array(2);
    call.out.bulk_int(now_us / 1_000_000);
    call.out.bulk_int(now_us % 1_000_000);
    Ok(())
}

/// LOLWUT [VERSION version]
pub fn lolwut(call: &mut Call<'_>) -> Outcome {
    if let [_, option, version, rest @ ..] = call.args
        && is_word(option, "version")
    {
        let version = argument::integer(version)?;
        // Pictures of older versions are measured in these.
        let measures = match version {
            5 => 3,
            6 => 2,
            _ => 0,
        };
        for measure in rest.iter().take(measures) {
            argument::integer(measure)?;
        }
    }
    call.out
        .verbatim("txt", format!("Redis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(())
}

/// MODULE LIST
pub fn module_list(call: &mut Call<'_>) -> Outcome {
    call.out.array(0);
    Ok(())
}

/// MODULE LOAD path [arg ...], MODULE LOADEX path ...: no file is an extension of this server.
pub fn module_load(_: &mut Call<'_>) -> Outcome {
    const FAILED: ErrorReply =
        ErrorReply::new("ERR Error loading the extension. Please check the server logs.");
    tracing::warn!("modules cannot be loaded: this server takes no extensions");
    Err(FAILED.into())
}

/// MODULE UNLOAD name
pub fn module_unload(_: &mut Call<'_>) -> Outcome {
    const NONE: ErrorReply =
        ErrorReply::new("ERR Error unloading module: no such module with that name");
    Err(NONE.into())
}

/// MODULE HELP
pub fn module_help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::MODULE)
}

/// CLUSTER and the commands of cluster clients: there is no cluster.
pub fn cluster(_: &mut Call<'_>) -> Outcome {
    Err(ErrorReply::new("ERR This instance has cluster support disabled").into())
}
