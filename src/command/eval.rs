//! EVAL, EVALSHA and their read-only kin.

use super::argument::integer;
use super::client::ErrorInReply;
use super::running::Kind;
use super::script_cache::{DIGEST_LEN, Found, Origin, ScriptCache};
use super::script_run::{ScriptRun, Subject};
use super::server::Server;
use super::table::{self, Command, CommandId, Flag, Flags as CommandFlags};
use super::{Call, Failure, Outcome, errors, monitor, script_debug};
use crate::resp::ErrorReply;
use crate::script::Reference;
use crate::script::api::sha1_hex;
use crate::script::debugger::Debugger;
use crate::script::shebang::{Flag as Declared, Flags, parse_script};
use crate::script::vm::{Run, Vm};

const NO_SCRIPT: ErrorReply = ErrorReply::new("NOSCRIPT No matching script. Please use EVAL.");
/// A script has called the command that runs scripts.
pub(super) const NESTED: ErrorReply =
    ErrorReply::new("ERR scripts and functions cannot be run by a script");

/// EVAL script numkeys [key ...] [arg ...]
pub fn eval(call: &mut Call<'_>) -> Outcome {
    by_code(call, false)
}

/// EVAL_RO script numkeys [key ...] [arg ...]
pub fn eval_ro(call: &mut Call<'_>) -> Outcome {
    by_code(call, true)
}

/// EVALSHA sha1 numkeys [key ...] [arg ...]
pub fn evalsha(call: &mut Call<'_>) -> Outcome {
    by_digest(call, false)
}

/// EVALSHA_RO sha1 numkeys [key ...] [arg ...]
pub fn evalsha_ro(call: &mut Call<'_>) -> Outcome {
    by_digest(call, true)
}

type Words<'a> = &'a [&'a [u8]];

/// The keys and the other arguments of a request that begins `command name numkeys`.
pub(super) fn split_arguments<'a>(
    words: &'a [&'a [u8]],
    keys: i64,
) -> Result<(Words<'a>, Words<'a>), ErrorReply> {
    const NEGATIVE: ErrorReply = ErrorReply::new("ERR Number of keys can't be negative");
    let rest = &words[3..];
    match usize::try_from(keys) {
        Ok(keys) => rest.split_at_checked(keys).ok_or(errors::NUMKEYS_TOO_LARGE),
        Err(_) => Err(NEGATIVE),
    }
}

/// The digest that a word is, in lower case; None if it is none.
pub(super) fn digest(word: &[u8]) -> Option<String> {
    (word.len() == DIGEST_LEN && word.is_ascii())
        .then(|| String::from_utf8_lossy(&word.to_ascii_lowercase()).into_owned())
}

fn by_code(call: &mut Call<'_>, read_only: bool) -> Outcome {
    if call.client.debugging.mode.is_some() {
        let console = call.client.debugging.console.take();
        let console = console.ok_or(script_debug::ALONE_ONLY)?;
        return script_debug::session(call, read_only, console, true);
    }
    show(call);
    let keys = integer(call.args[2])?;
    split_arguments(call.args, keys)?;
    let server = call.server;
    let Some(mut scripts) = server.scripting.scripts.try_lock() else {
        return Err(NESTED.into());
    };
    let learnt = scripts.learn(call.args[1], Origin::Eval, &server.scripting.figures);
    match learnt {
        Ok(digest) => run(call, &mut scripts, &digest, keys, read_only),
        Err(line) => {
            call.out.error_bytes(&line);
            Ok(())
        }
    }
}

fn by_digest(call: &mut Call<'_>, read_only: bool) -> Outcome {
    show(call);
    let digest = digest(call.args[1]).ok_or(NO_SCRIPT)?;
    if call.client.debugging.mode.is_some() {
        return Err(script_debug::BY_CODE_ONLY.into());
    }
    let keys = integer(call.args[2])?;
    split_arguments(call.args, keys)?;
    let Some(mut scripts) = call.server.scripting.scripts.try_lock() else {
        return Err(NESTED.into());
    };
    run(call, &mut scripts, &digest, keys, read_only)
}

/// Monitors see the command before those of its script.
pub(super) fn show(call: &mut Call<'_>) {
    if call.server.registry.has_monitors() {
        let words = call.args;
        monitor::show(call.client, words, call.now_ms * 1000);
    }
}

fn run(
    call: &mut Call<'_>,
    scripts: &mut ScriptCache,
    digest: &str,
    keys: i64,
    read_only: bool,
) -> Outcome {
    let Found {
        vm,
        function,
        flags,
    } = scripts.find(digest).ok_or(NO_SCRIPT)?;
    let subject = Subject {
        kind: Kind::Script,
        name: digest,
        flags,
        read_only,
    };
    run_in(call, vm, function, subject, keys, Way::Straight)?;
    scripts.tell(&call.server.scripting.figures);
    Ok(())
}

/// How a script or function runs.
pub(super) enum Way<'a> {
    Straight,
    /// In a session of the debugger, which is taken when the script begins. What it does is kept if it `keeps`.
    Debugged {
        debugger: &'a mut Option<Debugger>,
        keeps: bool,
    },
}

/// Runs a script or function in its machine.
pub(super) fn run_in(
    call: &mut Call<'_>,
    vm: &mut Vm,
    function: &Reference,
    subject: Subject<'_>,
    keys: i64,
    way: Way<'_>,
) -> Result<(), Failure> {
    subject.check()?;
    subject.check_means(call.server, call.client, call.now_ms)?;
    let (keys, arguments) = split_arguments(call.args, keys)?;
    let scripting = &call.server.scripting;
    vm.set_random(scripting.random());
    vm.limit_memory(scripting.memory_bytes_max());
    let mut host = ScriptRun::new(
        subject,
        call.args,
        call.keyspace,
        call.server,
        call.client,
        call.now_ms,
    );
    let run = Run {
        name: subject.name,
        keys,
        arguments,
    };
    match way {
        Way::Straight => {
            vm.run(function, run, &mut host, call.out);
        }
        Way::Debugged { debugger, keeps } => {
            host.stay();
            let debugger = debugger.take().expect("a session has a debugger");
            vm.debug(function, run, &mut host, call.out, debugger);
            if !keeps {
                return host.forget();
            }
        }
    }
    host.finish()?;
    scripting.set_random(vm.random());
    call.client.error_in_reply = ErrorInReply::IsCounted;
    Ok(())
}

pub(super) const EVAL: CommandId = table::id("eval");
pub(super) const EVAL_RO: CommandId = table::id("eval_ro");
const FCALL: CommandId = table::id("fcall");
const FCALL_RO: CommandId = table::id("fcall_ro");
const EVALSHA: CommandId = table::id("evalsha");
const EVALSHA_RO: CommandId = table::id("evalsha_ro");

/// The flags of a request: those of its command, or what the script that it runs declares instead.
pub fn flags(server: &Server, command: &Command, words: &[&[u8]]) -> CommandFlags {
    match declared(server, command.id, words) {
        None => command.flags,
        Some(declared) => {
            let writes = !declared.has(Declared::NoWrites);
            let adds = writes && !declared.has(Declared::AllowOom);
            command
                .flags
                .without(Flag::MayReplicate)
                .set(Flag::Stale, declared.has(Declared::AllowStale))
                .set(Flag::Write, writes)
                .set(Flag::DenyOom, adds)
        }
    }
}

/// What the script or function that a request runs declares, if it does.
fn declared(server: &Server, command: CommandId, words: &[&[u8]]) -> Option<Flags> {
    if command == FCALL || command == FCALL_RO {
        let libraries = server.scripting.libraries.try_lock()?;
        return libraries.flags(words[1]);
    }
    let is_eval = command == EVAL || command == EVAL_RO;
    if !is_eval && command != EVALSHA && command != EVALSHA_RO {
        return None;
    }
    let digest = match words.get(1) {
        Some(code) if is_eval => Some(sha1_hex(code)),
        Some(word) => digest(word),
        None => None,
    };
    let scripts = &server.scripting.scripts;
    let known = scripts
        .try_lock()
        .and_then(|scripts| scripts.flags(&digest?));
    match known {
        Some(declared) => declared,
        None if is_eval => parse_script(words[1]).ok()?.flags,
        None => None,
    }
}
