//! What the user says while the script is stopped.

use super::request::{Arrived, leading_integer, parse};
use super::{Debugger, text, with};
use crate::script::api;
use crate::script::raise::Raise;
use crate::script::stack::{GLOBALS, Stack};

/// Bytes of a command that does not end.
const INPUT_BYTES_MAX: usize = 1 << 20;
/// Lines before and behind the one that is listed.
const CONTEXT: i64 = 5;
/// More lines than any script has.
const WHOLE: i64 = 1_000_000;
/// What the code of the debugged script is named.
const SCRIPT: &[u8] = b"user_script";

pub(super) const LATE: &str = "timeout reached, infinite loop?";

const HELP: &[&str] = &[
    "Redis Lua debugger help:",
    "[h]elp               Show this help.",
    "[s]tep               Run current line and stop again.",
    "[n]ext               Alias for step.",
    "[c]ontinue           Run till next breakpoint.",
    "[l]ist               List source code around current line.",
    "[l]ist [line]        List source code around [line].",
    "                     line = 0 means: current position.",
    "[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
    "                     to show before/after [line].",
    "[w]hole              List all source code. Alias for 'list 1 1000000'.",
    "[p]rint              Show all the local variables.",
    "[p]rint <var>        Show the value of the specified variable.",
    "                     Can also show global vars KEYS and ARGV.",
    "[b]reak              Show all breakpoints.",
    "[b]reak <line>       Add a breakpoint to the specified line.",
    "[b]reak -<line>      Remove breakpoint from the specified line.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show a backtrace.",
    "[e]val <code>        Execute some Lua code (in a different callframe).",
    "[r]edis <cmd>        Execute a Redis command.",
    "[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.",
    "                     Specifying zero as <len> means unlimited.",
    "[a]bort              Stop the execution of the script. In sync",
    "                     mode dataset changes will be retained.",
    "",
    "Debugger functions you can call from Lua scripts:",
    "redis.debug()        Produce logs in the debugger console.",
    "redis.breakpoint()   Stop execution like if there was a breakpoint in the",
    "                     next line of code.",
];

/// How a stop ends.
enum End {
    /// The script goes on.
    GoOn,
    /// Nobody listens any more.
    Alone,
    /// The script ends with this error, unless it catches it.
    Raise(&'static str),
    /// The code that the user ran has doomed the script.
    Doomed,
}

/// Called by the hook before a line of the script, and now and then while it runs. Whether an error is to be raised: then
/// it is on the stack.
pub(in crate::script) fn stop(stack: &mut Stack<'_>, is_line: bool) -> bool {
    let Some(place) = stack.place(0) else {
        return false;
    };
    let is_script = memchr::memmem::find(&place.short_source, SCRIPT).is_some();
    let reason = with(stack, |debugger| {
        debugger.line = i64::from(place.line);
        let reason = if is_script {
            debugger.reason(is_line)
        } else {
            None
        }?;
        debugger.say(format!(
            "* Stopped at {}, stop reason = {reason}",
            debugger.line
        ));
        debugger.say_line(debugger.line);
        debugger.send();
        Some(reason)
    });
    let Some(reason) = reason.flatten() else {
        return false;
    };
    let end = listen(stack);
    with(stack, |debugger| {
        debugger.since_ms = debugger.console.mono_ms()
    });
    let error = match end {
        End::GoOn => return false,
        // Otherwise it would run for ever.
        End::Alone if reason == LATE => {
            "timeout during Lua debugging with client closing connection"
        }
        End::Alone => return false,
        End::Raise(error) => error,
        End::Doomed => {
            stack.push_nil();
            return true;
        }
    };
    Raise::reply(error).push(stack);
    true
}

/// Carries out commands until the script goes on.
fn listen(stack: &mut Stack<'_>) -> End {
    loop {
        let words = match with(stack, Debugger::next_words) {
            Some(Ok(words)) => words,
            Some(Err(end)) => return end,
            None => return End::Alone,
        };
        let is = |long: &str| {
            let word = &words[0];
            word.eq_ignore_ascii_case(long.as_bytes())
                || word.eq_ignore_ascii_case(&long.as_bytes()[..1])
        };
        if is("step") || is("next") {
            with(stack, |debugger| debugger.is_stepping = true);
            return End::GoOn;
        }
        if is("continue") {
            return End::GoOn;
        }
        if is("abort") {
            return End::Raise("script aborted for user request");
        }
        if is("eval") {
            evaluate(stack, &words[1..].join(&b' '));
        } else if is("redis") && words.len() > 1 {
            call(stack, &words[1..]);
        } else if is("print") {
            match &words[1..] {
                [name] => print(stack, name),
                _ => print_all(stack),
            }
        } else if is("trace") {
            trace(stack);
        } else {
            with(stack, |debugger| debugger.look_up(&words, is));
        }
        if stack.doomed().is_some() {
            return End::Doomed;
        }
        with(stack, Debugger::send);
    }
}

impl Debugger {
    /// Waits for a command. Whatever has come behind it is dropped.
    fn next_words(&mut self) -> Result<Vec<Vec<u8>>, End> {
        loop {
            match parse(&self.input) {
                Arrived::Words(words) => {
                    self.input.clear();
                    return Ok(words);
                }
                Arrived::Nonsense => return Err(End::Raise("protocol error")),
                Arrived::Part => {}
            }
            let Some(bytes) = self.console.read() else {
                // The script runs to its end.
                self.is_stepping = false;
                self.breakpoints.clear();
                return Err(End::Alone);
            };
            self.input.extend(bytes);
            if self.input.len() > INPUT_BYTES_MAX {
                self.input.clear();
                return Err(End::Raise("max client buffer reached"));
            }
        }
    }

    /// The commands that need no look at the script's values.
    fn look_up(&mut self, words: &[Vec<u8>], is: impl Fn(&str) -> bool) {
        const UNKNOWN: &str =
            "<error> Unknown Redis Lua debugger command or wrong number of arguments.";
        let number = |at: usize| words.get(at).map(|word| leading_integer(word));
        if is("help") {
            for line in HELP {
                self.say(*line);
            }
        } else if is("maxlen") {
            let word = words.get(1).filter(|_| words.len() == 2);
            self.set_len_max(word.map(Vec::as_slice));
        } else if is("break") {
            self.set_breakpoints(&words[1..]);
        } else if is("list") {
            let around = number(1).filter(|&line| line > 0);
            let context = number(2).map_or(CONTEXT, i64::from);
            self.list(around.map_or(self.line, i64::from), context);
        } else if is("whole") {
            self.list(1, WHOLE);
        } else {
            self.say(UNKNOWN);
        }
    }
}

/// Says what the value on top is, which is popped.
fn say_top(stack: &mut Stack<'_>, prefix: &[u8]) {
    let mut line = prefix.to_vec();
    text::value(&mut line, stack, -1);
    stack.pop(1);
    with(stack, |debugger| debugger.say_value(line));
}

/// Says the error on top, which is popped.
fn say_error(stack: &mut Stack<'_>) {
    let mut line = b"<error> ".to_vec();
    line.extend_from_slice(stack.text(-1).unwrap_or(b"(null)"));
    stack.pop(1);
    with(stack, |debugger| debugger.say(line));
}

/// The local variable of this name that is nearest, or what the script was called with.
fn print(stack: &mut Stack<'_>, name: &[u8]) {
    for level in 0.. {
        if stack.place(level).is_none() {
            break;
        }
        for number in 1.. {
            match stack.push_local(level, number) {
                None => break,
                Some(local) if local == name => return say_top(stack, b"<value> "),
                Some(_) => stack.pop(1),
            }
        }
    }
    match std::str::from_utf8(name) {
        Ok(name @ ("KEYS" | "ARGV")) => {
            stack.push_value(GLOBALS);
            stack.push_real(-1);
            stack.push_bytes(name.as_bytes());
            stack.raw_get(-2);
            let before = stack.absolute(-1);
            let mut line = b"<value> ".to_vec();
            text::value(&mut line, stack, before);
            stack.pop(3);
            with(stack, |debugger| debugger.say_value(line));
        }
        _ => {
            with(stack, |debugger| debugger.say("No such variable."));
        }
    }
}

/// All local variables of the running function that have names.
fn print_all(stack: &mut Stack<'_>) {
    let mut has_any = false;
    for number in 1.. {
        let Some(name) = stack.push_local(0, number) else {
            break;
        };
        if memchr::memmem::find(&name, b"(*temporary)").is_some() {
            stack.pop(1);
            continue;
        }
        has_any = true;
        say_top(stack, &[b"<value> ", &name[..], b" = "].concat());
    }
    if !has_any {
        with(stack, |debugger| {
            debugger.say("No local variables in the current context.");
        });
    }
}

/// Who has called whom.
fn trace(stack: &mut Stack<'_>) {
    let mut level = 0;
    while let Some(place) = stack.place(level) {
        if memchr::memmem::find(&place.short_source, SCRIPT).is_some() {
            let how = if level == 0 { "In " } else { "From " };
            let name = place.name.as_deref().unwrap_or(b"top level");
            with(stack, |debugger| {
                debugger.say([how.as_bytes(), name, b":"].concat());
                debugger.say_line(i64::from(place.line));
            });
        }
        level += 1;
    }
}

/// Runs code, as an expression if it is one.
fn evaluate(stack: &mut Stack<'_>, code: &[u8]) {
    const NAME: &std::ffi::CStr = c"@ldb_eval";
    if stack.load(&[b"return ", code].concat(), NAME).is_err() {
        stack.pop(1);
        if stack.load(code, NAME).is_err() {
            return say_error(stack);
        }
    }
    match stack.call(0, Some(1), None) {
        Ok(()) => say_top(stack, b"<retval> "),
        Err(_) => say_error(stack),
    }
}

/// Calls a command, which is logged as one that a step has called.
fn call(stack: &mut Stack<'_>, words: &[Vec<u8>]) {
    if !stack.reserve(words.len() as i32 + 1) {
        with(stack, |debugger| debugger.say("<reply> "));
        return;
    }
    stack.push_native(api::call, 0);
    for word in words {
        stack.push_bytes(word);
    }
    with(stack, |debugger| debugger.is_stepping = true);
    // The error is logged.
    let _ = stack.call(words.len() as i32, Some(1), None);
    with(stack, |debugger| debugger.is_stepping = false);
    stack.pop(1);
}
