//! SCRIPT DEBUG, and EVAL for a client that has switched the debugger on.
//!
//! A session works on data of its own, from which nothing comes back (YES), or has the engine while it lasts (SYNC). It has a
//! machine of its own in both, so that other connections' scripts go on. It ends with the connection.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::argument::integer;
use super::argument::is_word;
use super::client::Client;
use super::eval::{EVAL, EVAL_RO, Way, run_in, show, split_arguments};
use super::running::Kind;
use super::script_cache::{Found, Origin, ScriptCache};
use super::script_run::Subject;
use super::scripting::Figures;
use super::table::{Command, CommandId};
use super::{Call, Failure, Outcome, errors};
use crate::resp::ErrorReply;
pub use crate::script::debugger::Console;
use crate::script::debugger::Debugger;

/// A script that runs so long without a stop is stopped, where nothing else is said of late scripts, in milliseconds.
const PATIENCE_MS: u64 = 5000;

pub(super) const BY_CODE_ONLY: ErrorReply =
    ErrorReply::new("ERR Please use EVAL instead of EVALSHA for debugging");
pub(super) const ALONE_ONLY: ErrorReply =
    ErrorReply::new("ERR scripts are not debugged inside a transaction");

/// How scripts of a client are debugged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On a view of the data, which goes when the session ends; other clients go on.
    Aside,
    /// On the data itself; nobody else is served meanwhile.
    Sync,
}

/// The file that views for the debugger are taken of. Empty: there is no debugger.
pub type DebuggedFile = OnceLock<PathBuf>;

/// SCRIPT DEBUG (YES | SYNC | NO)
pub fn debug(call: &mut Call<'_>) -> Outcome {
    const IN_PIPELINE: ErrorReply =
        ErrorReply::new("ERR SCRIPT DEBUG must be called outside a pipeline");
    const WRONG_WORD: ErrorReply = ErrorReply::new("ERR Use SCRIPT DEBUG YES/SYNC/NO");
    const NO_DEBUGGER: ErrorReply = ErrorReply::new("ERR this server has no debugger for scripts");
    if !call.out.is_empty() {
        return Err(IN_PIPELINE.into());
    }
    let how = call.args[2];
    let mode = if is_word(how, "no") {
        None
    } else if is_word(how, "yes") {
        // SYNC stays until NO.
        call.client.debugging.mode.or(Some(Mode::Aside))
    } else if is_word(how, "sync") {
        Some(Mode::Sync)
    } else {
        return Err(WRONG_WORD.into());
    };
    if mode.is_some() && call.server.scripting.debugged_file.get().is_none() {
        return Err(NO_DEBUGGER.into());
    }
    call.client.debugging.mode = mode;
    call.out.ok();
    Ok(())
}

/// What a client has to do with the debugger.
#[derive(Debug, Default)]
pub struct Debugging {
    /// None: its scripts just run.
    pub mode: Option<Mode>,
    /// Where its user is, for the script that runs next.
    pub console: Option<Box<dyn Console>>,
}

/// Whether a request begins a session, which takes a thread and a console.
pub fn begins_session(client: &Client, command: &Command) -> bool {
    const BY_CODE: [CommandId; 2] = [EVAL, EVAL_RO];
    let Debugging { mode, console } = &client.debugging;
    mode.is_some() && console.is_none() && BY_CODE.contains(&command.id)
}

/// Carries out EVAL on data that goes when this is over: nobody hears of what the script does.
pub fn carry_out_aside(call: &mut Call<'_>, console: Box<dyn Console>) {
    let read_only = is_word(call.args[0], "eval_ro");
    let outcome = session(call, read_only, console, false);
    match outcome {
        Ok(()) | Err(Failure::Slow) => {}
        Err(Failure::Reply(error)) => call.out.error(&error),
        Err(Failure::Storage(error)) => call.out.error(&errors::of_storage(&error)),
    }
}

/// Carries out EVAL in a session; what the script does is kept if it `keeps`.
pub(super) fn session(
    call: &mut Call<'_>,
    read_only: bool,
    console: Box<dyn Console>,
    keeps: bool,
) -> Outcome {
    let late_ms = call.server.tuning.busy_reply_ms.load(Ordering::Relaxed);
    let patience_ms = if late_ms == 0 { PATIENCE_MS } else { late_ms };
    let mut debugger = Some(Debugger::new(console, call.args[1], patience_ms));
    let outcome = run(call, read_only, keeps, &mut debugger);
    if let Some(debugger) = debugger {
        debugger.end();
    }
    call.client.close = true;
    outcome
}

/// Runs the script, which takes the debugger if it begins.
fn run(
    call: &mut Call<'_>,
    read_only: bool,
    keeps: bool,
    debugger: &mut Option<Debugger>,
) -> Outcome {
    show(call);
    let keys = integer(call.args[2])?;
    split_arguments(call.args, keys)?;
    let (mut scripts, figures) = (ScriptCache::default(), Figures::default());
    let scripting = &call.server.scripting;
    let learnt = scripts.learn(call.args[1], Origin::Eval, &figures);
    let digest = match learnt {
        Ok(digest) => digest,
        Err(line) => {
            call.out.error_bytes(&line);
            return Ok(());
        }
    };
    if keeps {
        // The message of a compiler is that of the other machine.
        let _ = scripting
            .scripts
            .lock()
            .learn(call.args[1], Origin::Eval, &scripting.figures);
    }
    let Some(Found {
        vm,
        function,
        flags,
    }) = scripts.find(&digest)
    else {
        return Ok(());
    };
    let subject = Subject {
        kind: Kind::Script,
        name: &digest,
        flags,
        read_only,
    };
    let way = Way::Debugged { debugger, keeps };
    run_in(call, vm, function, subject, keys, way)
}
