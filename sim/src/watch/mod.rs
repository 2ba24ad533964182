//! Observers of the stream of I/Os and of what the engine says about itself: the ordering assertions.
//!
//! They fail without any crash, which makes them the cheapest detector. Those here need no knowledge of the file
//! formats; those that do read the engine's [`Note`]s.

mod rules;

use std::fmt;
use std::path::Path;

use redkeep::vfs::VfsErrorKind;

pub use rules::{DirSyncs, NoOverlap, NoUnwrittenRead, ReadOnly, SyncFailures, standard};

use crate::trace::IoKind;

/// A call at its start.
#[derive(Clone, Copy, Debug)]
pub struct Io<'a> {
    /// Which I/O of its life, from 0.
    pub index: u64,
    pub kind: IoKind,
    pub path: &'a Path,
    /// The destination of a rename.
    pub to: Option<&'a Path>,
    /// The file, for calls on an open one.
    pub inode: Option<u64>,
    /// In bytes; 0 for calls that name no place.
    pub offset: u64,
    /// Bytes asked for.
    pub len: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The count that came back, or the error.
    pub result: Result<u64, VfsErrorKind>,
    /// For a read: the first part of what it returned that was never written (start, end).
    pub unwritten: Option<(u64, u64)>,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckPolicy {
    /// After a sync covers it.
    Always,
    /// After the kernel has it; synced about every second.
    EverySec,
    /// After the kernel has it.
    No,
}

/// What the engine says about itself. Numbers are the engine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note<'a> {
    /// A reply that shows everything up to `lsn` leaves.
    Ack {
        lsn: u64,
        policy: AckPolicy,
    },
    /// The engine counts everything up to `lsn` as synced.
    Durable {
        lsn: u64,
    },
    /// A log frame was handed to the file system.
    FrameWritten {
        path: &'a Path,
        offset: u64,
        len: u64,
        first_lsn: u64,
        last_lsn: u64,
        salt: u64,
    },
    /// A page came to be, with its stamp.
    PageBorn {
        page: u64,
        stamp: u64,
    },
    /// A page was written out.
    PageWritten {
        page: u64,
        stamp: u64,
    },
    /// The running tree does not reach a page any more.
    PageFreed {
        page: u64,
        stamp: u64,
    },
    /// A meta slot was handed to the file system.
    MetaWritten {
        slot: u8,
        copy: u8,
        checkpoint_lsn: u64,
        pages: u64,
        root_stamp: u64,
    },
    /// A log segment may be written again.
    SegmentRecycled {
        segment: u64,
        last_lsn: u64,
    },
    /// The log goes on with a new salt.
    LogSalt {
        salt: u64,
    },
    /// Recovery cut the log.
    LogCut {
        path: &'a Path,
        offset: u64,
        lsn: u64,
    },
    SnapshotOpened {
        id: u64,
        stamp: u64,
    },
    SnapshotClosed {
        id: u64,
    },
    /// Recovery ended: this is what it shows.
    Recovered {
        lsn: u64,
    },
    /// The engine relies on bytes that it read.
    Used {
        path: &'a Path,
        offset: u64,
        len: u64,
    },
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A call begins.
    Start(Io<'a>),
    /// A call ends.
    Done(Io<'a>, Outcome),
    /// The engine says something.
    Note(Note<'a>),
    /// The process died and a new one begins; nothing is in flight.
    Restart,
}

/// A broken assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The assertion: "A9".
    pub rule: &'static str,
    /// Which I/O of its life it was, or that came last before it.
    pub io: u64,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at I/O {}: {}", self.rule, self.io, self.detail)
    }
}

/// A check of an order.
pub trait Observer: Send {
    /// Takes note of an event.
    fn event(&mut self, event: &Event<'_>) -> Result<(), Violation>;
}

/// The observers of a run and what they found.
#[derive(Default)]
pub struct Watch {
    observers: Vec<Box<dyn Observer>>,
    violations: Vec<Violation>,
    /// How many events were looked at.
    events: u64,
}

/// How many violations are remembered.
const VIOLATIONS_MAX: usize = 100;

impl Watch {
    /// Adds an observer.
    pub fn add(&mut self, observer: Box<dyn Observer>) {
        self.observers.push(observer);
    }

    /// Shows an event to every observer.
    pub fn event(&mut self, event: &Event<'_>) {
        self.events += 1;
        for observer in &mut self.observers {
            if let Err(violation) = observer.event(event)
                && self.violations.len() < VIOLATIONS_MAX
            {
                self.violations.push(violation);
            }
        }
    }

    /// What was found, oldest first; at most 100.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many events were looked at.
    pub fn events(&self) -> u64 {
        self.events
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("observers", &self.observers.len())
            .field("violations", &self.violations)
            .finish()
    }
}

#[cfg(test)]
mod tests;
