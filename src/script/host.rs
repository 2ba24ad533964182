//! What scripts ask of the server they run in.

use std::borrow::Cow;

use crate::resp::Reply;

/// How important a line of redis.log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// What becomes of a script that has run for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    Continue,
    /// It ends with this error, which it cannot outlive.
    Kill(&'static str),
    /// It ends, and as if it had never begun: nothing of what it did or says is of use.
    Abort,
}

/// How a command of a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// Its reply is written, be it an error.
    Answered,
    /// It was not run; the error is counted.
    Refused(Cow<'static, str>),
    /// The script ends as with [`Interrupt::Abort`].
    Aborted,
}

/// What all Lua code may ask for, also that of a library while it is loaded.
pub trait Supervisor {
    /// Asked every few thousand instructions.
    fn interrupt(&mut self) -> Interrupt;

    /// A line for the log of the server.
    fn log(&mut self, level: LogLevel, text: Vec<u8>);
}

/// The server, as a running script sees it.
pub trait Host: Supervisor {
    /// Runs a command. The reply goes to `out`, whose protocol is the one that the script has chosen.
    fn call(&mut self, words: &[&[u8]], out: &mut Reply) -> Called;

    /// Whether the user may run a command; None if there is no such command.
    fn may_call(&mut self, words: &[&[u8]]) -> Option<bool>;

    /// The reply of the script has an error, without its dash, that no command was counted for.
    fn count_error(&mut self, line: &[u8]);
}
