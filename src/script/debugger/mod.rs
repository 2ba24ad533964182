//! The debugger of scripts: where a script stops, and what its user says and hears meanwhile.
//!
//! The machine's hook calls [`stop`] before each line. The user's commands are requests of the protocol, the answers
//! arrays of status lines. While the script is stopped, code that the user evaluates runs above it on the same stack, and
//! may log: so nothing of the debugger is borrowed while Lua code runs.
//!
//! ```text
//! mod        the state, the log, lines and breakpoints
//! session    the commands
//! request    how commands arrive
//! text       values of Lua and replies as people read them
//! ```

mod request;
mod session;
mod text;

#[cfg(test)]
mod tests;

pub(super) use session::stop;

use super::stack::Stack;
use crate::resp::encode;

/// Most lines that are breakpoints at a time.
const BREAKPOINTS_MAX: usize = 64;
/// So many bytes of a value are shown unless the user asks for more.
const LEN_MAX_DEFAULT: usize = 256;
/// Fewer cannot be asked for.
const LEN_MAX_LEAST: i32 = 60;
/// Words of a command that are shown.
const WORDS_SHOWN_MAX: usize = 10;

/// Where the user of the debugger is.
pub trait Console: Send + std::fmt::Debug {
    /// Waits for bytes of the user; None: there is no user any more.
    fn read(&mut self) -> Option<Vec<u8>>;

    /// Bytes for the user.
    fn write(&mut self, bytes: Vec<u8>);

    /// Monotonic time, in milliseconds.
    fn mono_ms(&self) -> u64;
}

/// The debugger of one run.
pub struct Debugger {
    console: Box<dyn Console>,
    /// The script, line by line.
    lines: Vec<Vec<u8>>,
    breakpoints: Vec<i64>,
    /// It stops at the next line, and commands are logged until then.
    is_stepping: bool,
    /// The script has called `redis.breakpoint()`.
    is_called: bool,
    line: i64,
    log: Vec<Vec<u8>>,
    /// Bytes that came and are no whole command yet.
    input: Vec<u8>,
    /// None: whole values are shown.
    len_max: Option<usize>,
    /// The user knows that values are cut.
    knows_len_max: bool,
    /// When the script went on.
    since_ms: u64,
    /// A script that runs longer without a stop is stopped.
    patience_ms: u64,
}

impl std::fmt::Debug for Debugger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Debugger")
            .field("line", &self.line)
            .field("breakpoints", &self.breakpoints)
            .finish_non_exhaustive()
    }
}

impl Debugger {
    /// A debugger for a run of `code`, which stops at its first line.
    pub fn new(console: Box<dyn Console>, code: &[u8], patience_ms: u64) -> Self {
        let mut code = code;
        while let [rest @ .., b'\r' | b'\n'] = code {
            code = rest;
        }
        let lines = if code.is_empty() {
            Vec::new()
        } else {
            code.split(|&byte| byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect()
        };
        let since_ms = console.mono_ms();
        Self {
            console,
            lines,
            breakpoints: Vec::new(),
            is_stepping: true,
            is_called: false,
            line: 0,
            log: Vec::new(),
            input: Vec::new(),
            len_max: Some(LEN_MAX_DEFAULT),
            knows_len_max: false,
            since_ms,
            patience_ms,
        }
    }

    /// Says that the session is over.
    pub fn end(mut self) {
        self.say("<endsession>");
        self.send();
    }

    fn say(&mut self, line: impl Into<Vec<u8>>) {
        self.log.push(line.into());
    }

    /// A line that is cut where it is too long for the user's liking.
    fn say_value(&mut self, mut line: Vec<u8>) {
        const HINT: &str =
            "<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.";
        let is_cut = self.len_max.is_some_and(|max| line.len() > max);
        if is_cut {
            line.truncate(self.len_max.unwrap_or_default());
            line.extend_from_slice(b" ...");
        }
        self.say(line);
        if is_cut && !std::mem::replace(&mut self.knows_len_max, true) {
            self.say(HINT);
        }
    }

    /// Sends what was said.
    fn send(&mut self) {
        let mut out = Vec::new();
        encode::array(&mut out, self.log.len() as u64);
        for line in self.log.drain(..) {
            out.push(b'+');
            let one_line = |byte| {
                if matches!(byte, b'\r' | b'\n') {
                    b' '
                } else {
                    byte
                }
            };
            out.extend(line.into_iter().map(one_line));
            out.extend_from_slice(b"\r\n");
        }
        self.console.write(out);
    }

    fn is_breakpoint(&self, line: i64) -> bool {
        self.breakpoints.contains(&line)
    }

    fn say_line(&mut self, number: i64) {
        let prefix = match (number == self.line, self.is_breakpoint(number)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let mut line = format!("{prefix}{number:<3} ").into_bytes();
        let at = usize::try_from(number - 1).ok();
        line.extend_from_slice(match at.and_then(|at| self.lines.get(at)) {
            Some(source) => source,
            None => b"<out of range source code line>",
        });
        self.say(line);
    }

    /// Lines no further than `context` from a line; all for line 0.
    fn list(&mut self, around: i64, context: i64) {
        for line in 1..=self.lines.len() as i64 {
            if around == 0 || (around - line).abs() <= context {
                self.say_line(line);
            }
        }
    }

    /// Breakpoints as the words of a command say.
    fn set_breakpoints(&mut self, words: &[Vec<u8>]) {
        if words.is_empty() {
            if self.breakpoints.is_empty() {
                self.say("No breakpoints set. Use 'b <line>' to add one.");
                return;
            }
            self.say(format!("{} breakpoints set:", self.breakpoints.len()));
            for line in self.breakpoints.clone() {
                self.say_line(line);
            }
        }
        for word in words {
            match request::integer(word) {
                None => self.say([b"Invalid argument:'", &word[..], b"'"].concat()),
                Some(0) => {
                    self.breakpoints.clear();
                    self.say("All breakpoints removed.");
                }
                Some(line) if line > 0 => self.add_breakpoint(line),
                Some(line) => self.remove_breakpoint(line.saturating_neg()),
            }
        }
    }

    fn add_breakpoint(&mut self, line: i64) {
        if self.breakpoints.len() == BREAKPOINTS_MAX {
            self.say("Too many breakpoints set.");
        } else if line > self.lines.len() as i64 || self.is_breakpoint(line) {
            self.say("Wrong line number.");
        } else {
            self.breakpoints.push(line);
            self.list(line, 1);
        }
    }

    fn remove_breakpoint(&mut self, line: i64) {
        match self.breakpoints.iter().position(|&one| one == line) {
            Some(at) => {
                self.breakpoints.remove(at);
                self.say("Breakpoint removed.");
            }
            None => self.say("No breakpoint in the specified line."),
        }
    }

    /// Says how long values may be, and sets it if there is a word.
    fn set_len_max(&mut self, word: Option<&[u8]>) {
        if let Some(word) = word {
            self.knows_len_max = true;
            self.len_max = match request::leading_integer(word) {
                0 => None,
                len => usize::try_from(len.max(LEN_MAX_LEAST)).ok(),
            };
        }
        match self.len_max {
            Some(max) => self.say(format!("<value> replies are truncated at {max} bytes.")),
            None => self.say("<value> replies are unlimited."),
        }
    }

    /// Why the script stops before a line, or while it is in it; None: it goes on.
    fn reason(&mut self, is_line: bool) -> Option<&'static str> {
        let is_breakpoint = self.is_breakpoint(self.line) || self.is_called;
        let mut is_late = false;
        if !is_line && !self.is_stepping && !is_breakpoint {
            is_late = self.console.mono_ms().saturating_sub(self.since_ms) >= self.patience_ms;
            if !is_late {
                return None;
            }
        }
        let reason = match () {
            () if self.is_called => "redis.breakpoint() called",
            () if is_breakpoint => "break point",
            () if is_late => session::LATE,
            () if self.is_stepping => "step over",
            () => return None,
        };
        self.is_stepping = false;
        self.is_called = false;
        Some(reason)
    }
}

/// The debugger at work, if there is one.
fn with<R>(stack: &Stack<'_>, ask: impl FnOnce(&mut Debugger) -> R) -> Option<R> {
    stack.context().debugger.borrow_mut().as_mut().map(ask)
}

/// Whether what happens between stops is logged.
pub(super) fn is_logging(stack: &Stack<'_>) -> bool {
    with(stack, |debugger| debugger.is_stepping).unwrap_or(false)
}

/// An error that functions of ours give or raise.
pub(super) fn log_error(stack: &Stack<'_>, text: &[u8]) {
    with(stack, |debugger| {
        if debugger.is_stepping {
            debugger.say([b"<error> ", text].concat());
        }
    });
}

/// A command that the script calls: the words on the stack.
pub(super) fn log_command(stack: &Stack<'_>) {
    if !is_logging(stack) {
        return;
    }
    let mut line = b"<redis>".to_vec();
    let count = stack.top() as usize;
    for at in 1..=count.min(WORDS_SHOWN_MAX) {
        line.push(b' ');
        line.extend_from_slice(stack.bytes(at as i32).unwrap_or_default());
    }
    if count > WORDS_SHOWN_MAX {
        line.extend_from_slice(format!(" ... ({} more)", count - WORDS_SHOWN_MAX - 1).as_bytes());
    }
    with(stack, |debugger| debugger.say(line));
}

/// Its reply.
pub(super) fn log_reply(stack: &Stack<'_>, reply: &[u8]) {
    if is_logging(stack) {
        let mut line = b"<reply> ".to_vec();
        text::reply(&mut line, reply);
        with(stack, |debugger| debugger.say_value(line));
    }
}

/// `redis.debug(...)`: the values on the stack.
pub(super) fn log_values(stack: &mut Stack<'_>) {
    let Some(line) = with(stack, |debugger| debugger.line) else {
        return;
    };
    let mut entry = format!("<debug> line {line}: ").into_bytes();
    for index in 1..=stack.top() {
        if index > 1 {
            entry.extend_from_slice(b", ");
        }
        text::value(&mut entry, stack, index);
    }
    with(stack, |debugger| debugger.say(entry));
}

/// `redis.breakpoint()`: the script stops at the next line. Whether there is a debugger.
pub(super) fn call_for_stop(stack: &Stack<'_>) -> bool {
    with(stack, |debugger| debugger.is_called = true).is_some()
}
