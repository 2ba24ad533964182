//! The table `redis`.

use sha1::{Digest, Sha1};
use smallvec::SmallVec;

use super::debugger;
use super::host::{Called, LogLevel};
use super::number::to_i32;
use super::raise::{Raise, push_error_table};
use super::registration::register_function;
use super::reply;
use super::stack::{Kind, Stack};
use super::state::{Doom, Native, Next};
use crate::resp::Proto;
use crate::resp::double::{shortest, whole};
use crate::resp::text::until_nul;

const NUMBERS: &[(&str, i32)] = &[
    ("REPL_NONE", 0),
    ("REPL_AOF", 1),
    ("REPL_SLAVE", 2),
    ("REPL_REPLICA", 2),
    ("REPL_ALL", 3),
];

/// The flags of `redis.set_repl` that there are.
const REPL_ALL: i32 = 3;

const LOG_LEVELS: &[(&str, LogLevel)] = &[
    ("LOG_DEBUG", LogLevel::Debug),
    ("LOG_VERBOSE", LogLevel::Verbose),
    ("LOG_NOTICE", LogLevel::Notice),
    ("LOG_WARNING", LogLevel::Warning),
];

const FUNCTIONS: &[(&str, Native)] = &[
    ("call", call),
    ("pcall", pcall),
    ("setresp", setresp),
    ("sha1hex", sha1hex),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("set_repl", set_repl),
    ("acl_check_cmd", acl_check_cmd),
];

/// Only scripts have these, functions do not.
const FUNCTIONS_OF_SCRIPTS: &[(&str, Native)] = &[
    ("breakpoint", breakpoint),
    ("debug", debug),
    ("replicate_commands", replicate_commands),
];

/// A version of Redis, `major.minor.patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub &'static str);

impl Version {
    /// A byte for each part.
    fn number(self) -> f64 {
        let parts = self.0.split('.').map(|part| part.parse().unwrap_or(0_u32));
        f64::from(parts.fold(0, |number, part| number << 8 | part))
    }
}

/// Pushes the table as scripts and functions have it.
pub fn push(stack: &mut Stack<'_>, version: Version, for_scripts: bool) {
    stack.push_table();
    add_functions(stack, FUNCTIONS);
    if for_scripts {
        add_functions(stack, FUNCTIONS_OF_SCRIPTS);
    }
    for &(name, number) in NUMBERS {
        stack.push_number(f64::from(number));
        stack.set_field(-2, name);
    }
    add_log_and_version(stack, version);
}

/// Pushes the table as libraries have it while they are loaded.
pub fn push_for_loading(stack: &mut Stack<'_>, version: Version) {
    stack.push_table();
    add_functions(stack, &[("register_function", register_function)]);
    add_log_and_version(stack, version);
}

fn add_functions(stack: &mut Stack<'_>, functions: &[(&str, Native)]) {
    for &(name, native) in functions {
        stack.push_native(native, 0);
        stack.set_field(-2, name);
    }
}

fn add_log_and_version(stack: &mut Stack<'_>, version: Version) {
    add_functions(stack, &[("log", log)]);
    for &(name, level) in LOG_LEVELS {
        stack.push_number(f64::from(level as u8));
        stack.set_field(-2, name);
    }
    stack.push_bytes(version.0.as_bytes());
    stack.set_field(-2, "REDIS_VERSION");
    stack.push_number(version.number());
    stack.set_field(-2, "REDIS_VERSION_NUM");
}

const NO_SCRIPT: &str = "This function is only for running scripts";

/// redis.call(command, ...)
pub(super) fn call(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if carry_out(stack)? {
        Err(Raise::Top)
    } else {
        Ok(Next::Return(1))
    }
}

/// redis.pcall(command, ...)
fn pcall(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    match carry_out(stack) {
        Err(Raise::Reply(text)) => {
            stack.set_top(0);
            push_error_table(stack, &text);
        }
        other => {
            other?;
        }
    }
    Ok(Next::Return(1))
}

/// Runs a command and replaces it by its reply; whether that is an error.
fn carry_out(stack: &mut Stack<'_>) -> Result<bool, Raise> {
    print_arguments(stack)?;
    if stack.doomed().is_some() {
        return Err(Raise::Top);
    }
    debugger::log_command(stack);
    let context = stack.context();
    let mut out = context.reply.take();
    out.set_proto(context.protocol.get());
    let called = with_words(stack, |host, words| host.call(words, &mut out));
    let is_error = match called {
        None => {
            context.reply.replace(out);
            return Err(Raise::reply(NO_SCRIPT));
        }
        Some(Called::Aborted) => {
            stack.doom(Doom::Aborted);
            stack.set_top(0);
            stack.push_nil();
            true
        }
        Some(Called::Refused(text)) => {
            stack.set_top(0);
            push_error_table(stack, text.as_bytes());
            stack.push_boolean(true);
            stack.set_field(-2, "ignore_error_stats_update");
            true
        }
        Some(Called::Answered) => {
            stack.set_top(0);
            reply::push(stack, out.bytes());
            debugger::log_reply(stack, out.bytes());
            out.bytes().first() == Some(&b'-')
        }
    };
    out.clear();
    context.reply.replace(out);
    Ok(is_error)
}

/// Makes texts of all arguments, which are the words of a command.
fn print_arguments(stack: &mut Stack<'_>) -> Result<(), Raise> {
    if stack.top() == 0 {
        return Err(Raise::reply(
            "Please specify at least one argument for this redis lib call",
        ));
    }
    for index in 1..=stack.top() {
        match stack.kind(index) {
            Kind::String => {}
            Kind::Number => {
                let number = stack.number(index).unwrap_or_default();
                let printed = print_number(number);
                stack.push_bytes(printed.as_bytes());
                stack.replace(index);
            }
            _ => {
                return Err(Raise::reply(
                    "Lua redis lib command arguments must be strings or integers",
                ));
            }
        }
    }
    Ok(())
}

/// Whole numbers as such, others as shortly as they can be told apart.
fn print_number(number: f64) -> String {
    match whole(number) {
        Some(integer) => itoa::Buffer::new().format(integer).to_owned(),
        None => shortest(number),
    }
}

/// Asks the host about the words on the stack; None if there is no host.
fn with_words<R>(
    stack: &mut Stack<'_>,
    ask: impl FnOnce(&mut dyn super::host::Host, &[&[u8]]) -> R,
) -> Option<R> {
    stack.with_host(|host, stack| {
        let words: SmallVec<[&[u8]; 16]> = (1..=stack.top())
            .map(|index| stack.bytes(index).unwrap_or_default())
            .collect();
        ask(host, &words)
    })
}

/// redis.acl_check_cmd(command, ...)
fn acl_check_cmd(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    print_arguments(stack)?;
    let may = with_words(stack, |host, words| host.may_call(words));
    let may = may.ok_or_else(|| Raise::reply(NO_SCRIPT))?;
    let may = may.ok_or_else(|| Raise::reply("Invalid command passed to redis.acl_check_cmd()"))?;
    stack.push_boolean(may);
    Ok(Next::Return(1))
}

/// redis.sha1hex(text)
fn sha1hex(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.top() != 1 {
        return Err(Raise::reply("wrong number of arguments"));
    }
    let digest = sha1_hex(stack.text(1).unwrap_or_default());
    stack.push_bytes(digest.as_bytes());
    Ok(Next::Return(1))
}

/// The SHA-1 of a text, in hexadecimal digits: the name of a script.
pub fn sha1_hex(text: &[u8]) -> String {
    use std::fmt::Write;
    let mut digits = String::with_capacity(40);
    for byte in Sha1::digest(text) {
        write!(digits, "{byte:02x}").expect("memory takes all");
    }
    digits
}

fn single_string(stack: &Stack<'_>) -> Option<Vec<u8>> {
    (stack.top() == 1).then_some(())?;
    stack.bytes(1).map(<[u8]>::to_vec)
}

/// redis.error_reply(text)
fn error_reply(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    match single_string(stack) {
        None => push_error_table(stack, b"wrong number or type of arguments"),
        Some(text) => {
            let text = until_nul(&text);
            let dash: &[u8] = if text.starts_with(b"-") { b"" } else { b"-" };
            push_error_table(stack, &[dash, text].concat());
        }
    }
    Ok(Next::Return(1))
}

/// redis.status_reply(text)
fn status_reply(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if single_string(stack).is_none() {
        push_error_table(stack, b"wrong number or type of arguments");
        return Ok(Next::Return(1));
    }
    stack.push_table();
    stack.push_value(1);
    stack.set_field(-2, "ok");
    Ok(Next::Return(1))
}

/// redis.set_repl(flags): there is nothing that would replicate otherwise.
fn set_repl(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.top() != 1 {
        return Err(Raise::reply("redis.set_repl() requires one argument."));
    }
    let flags = to_i32(stack.number(1).unwrap_or_default());
    if flags & !REPL_ALL != 0 {
        return Err(Raise::reply(
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    Ok(Next::Return(0))
}

/// redis.setresp(version)
fn setresp(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.top() != 1 {
        return Err(Raise::reply("redis.setresp() requires one argument."));
    }
    let protocol = match to_i32(stack.number(1).unwrap_or_default()) {
        2 => Proto::Resp2,
        3 => Proto::Resp3,
        _ => return Err(Raise::reply("RESP version must be 2 or 3.")),
    };
    stack.context().protocol.set(protocol);
    Ok(Next::Return(0))
}

/// redis.log(level, text, ...)
fn log(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.top() < 2 {
        return Err(Raise::reply("redis.log() requires two arguments or more."));
    }
    let Some(level) = stack.number(1) else {
        return Err(Raise::reply("First argument must be a number (log level)."));
    };
    let level = to_i32(level);
    let known = LOG_LEVELS.iter().find(|(_, known)| *known as i32 == level);
    let Some(&(_, level)) = known else {
        return Err(Raise::reply("Invalid log level."));
    };
    let mut text = Vec::new();
    for index in 2..=stack.top() {
        if let Some(part) = stack.text(index) {
            if index > 2 {
                text.push(b' ');
            }
            text.extend_from_slice(part);
        }
    }
    stack.with_supervisor(|supervisor| supervisor.log(level, text));
    Ok(Next::Return(0))
}

/// redis.breakpoint(): whether there is a debugger, which then stops at the next line.
fn breakpoint(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let is_debugged = debugger::call_for_stop(stack);
    stack.push_boolean(is_debugged);
    Ok(Next::Return(1))
}

/// redis.debug(...): values for the user of the debugger, if there is one.
fn debug(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    debugger::log_values(stack);
    Ok(Next::Return(0))
}

/// redis.replicate_commands(): they always are.
fn replicate_commands(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    stack.push_boolean(true);
    Ok(Next::Return(1))
}
