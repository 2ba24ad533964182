//! The script or function that is running, as other connections see it.
//!
//! A script runs under the engine lock. Nobody can ask about it before it is *late*: it has run for longer than
//! `busy-reply-threshold`, has said so here, and other connections are answered BUSY without the lock. They may ask it
//! to end.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::request::Request;
use crate::resp::ErrorReply;

/// What is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Script,
    Function,
}

impl Kind {
    /// The answer to commands that have to wait for it.
    pub fn busy(self) -> ErrorReply {
        ErrorReply::new(match self {
            Self::Script => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Self::Function => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
        })
    }
}

/// What is told of something that is late.
#[derive(Clone, Debug)]
pub struct Late {
    pub kind: Kind,
    /// The digest of the script, the name of the function.
    pub name: String,
    /// The command that runs it.
    pub request: Request,
    /// Monotonic time of its start, in microseconds.
    pub started_us: u64,
    /// It has run a command that writes.
    wrote: bool,
    /// It is to end with an error.
    killed: bool,
    /// It is to end, with everything it has done taken back: the server shuts down.
    stopped: bool,
}

/// The state that the thread of a script shares with other connections.
#[derive(Debug, Default)]
pub struct Running {
    /// A script is debugged with the engine: everybody waits for its user.
    is_held: AtomicBool,
    /// Whether there is something in `late`: looked at without its lock.
    is_late: AtomicBool,
    late: Mutex<Option<Late>>,
}

/// What a late script is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    GoOn,
    /// End with an error.
    End,
    /// End as if it had not begun.
    Vanish,
}

impl Running {
    /// Something is late; `wrote` if it has run a command that writes.
    pub fn announce(&self, kind: Kind, name: &str, words: &[&[u8]], started_us: u64, wrote: bool) {
        *self.late.lock() = Some(Late {
            kind,
            name: name.to_owned(),
            request: Request::new(words),
            started_us,
            wrote,
            killed: false,
            stopped: false,
        });
        // Pairs with the acquire in `is_late`.
        self.is_late.store(true, Ordering::Release);
    }

    /// What was late is over.
    pub fn end(&self) {
        self.is_late.store(false, Ordering::Release);
        *self.late.lock() = None;
    }

    /// A script that is debugged gets the engine, or gives it back.
    pub fn hold(&self, is_held: bool) {
        // Pairs with the acquire in `is_held`.
        self.is_held.store(is_held, Ordering::Release);
    }

    /// Whether other connections wait until a script that is debugged has ended.
    pub fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// Whether other connections are answered BUSY.
    pub fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Acquire)
    }

    /// What is late, if anything is.
    pub fn late(&self) -> Option<Late> {
        if !self.is_late() {
            return None;
        }
        self.late.lock().clone()
    }

    /// What the late script is asked to do.
    pub fn order(&self) -> Order {
        match &*self.late.lock() {
            Some(late) if late.stopped => Order::Vanish,
            Some(late) if late.killed => Order::End,
            _ => Order::GoOn,
        }
    }

    /// The late script is about to run a command that writes, and cannot be killed from now on; false if it was.
    pub fn write(&self) -> bool {
        match &mut *self.late.lock() {
            Some(late) if late.killed || late.stopped => false,
            Some(late) => {
                late.wrote = true;
                true
            }
            None => true,
        }
    }

    /// SCRIPT KILL, FUNCTION KILL.
    pub fn kill(&self, kind: Kind) -> Result<(), ErrorReply> {
        const NOT_BUSY: ErrorReply = ErrorReply::new("NOTBUSY No scripts in execution right now.");
        const UNKILLABLE: ErrorReply = ErrorReply::new(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
             script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        );
        match &mut *self.late.lock() {
            None => Err(NOT_BUSY),
            Some(late) if late.wrote => Err(UNKILLABLE),
            Some(late) if late.kind != kind => Err(late.kind.busy()),
            Some(late) => {
                late.killed = true;
                Ok(())
            }
        }
    }

    /// The server shuts down without waiting: what is late vanishes.
    pub fn stop(&self) {
        if let Some(late) = &mut *self.late.lock() {
            late.stopped = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> Running {
        let running = Running::default();
        running.announce(Kind::Script, "sha", &[b"EVAL"], 5, false);
        running
    }

    #[test]
    fn nothing_is_killed_that_does_not_run() {
        let running = Running::default();
        assert!(running.kill(Kind::Script).is_err() && running.late().is_none());
        let running = late();
        running.end();
        assert!(running.kill(Kind::Script).is_err() && !running.is_late());
    }

    #[test]
    fn a_script_is_killed_until_it_writes() {
        let running = late();
        assert_eq!(running.order(), Order::GoOn);
        assert!(running.kill(Kind::Function).is_err());
        assert_eq!(running.order(), Order::GoOn);
        assert!(running.kill(Kind::Script).is_ok());
        assert_eq!(running.order(), Order::End);
        assert!(!running.write(), "the killed do not write");
        let running = late();
        assert!(running.write());
        assert!(running.kill(Kind::Script).is_err());
        running.stop();
        assert_eq!(running.order(), Order::Vanish);
        assert!(!running.write());
    }
}
