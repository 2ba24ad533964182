//! Errors and silent faults injected into single calls.

use std::path::{Path, PathBuf};

use super::profile::Files;
use crate::seed::Stream;
use crate::trace::IoKind;

/// How much of a failed write happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Nothing,
    /// A drawn number of bytes, at least one and not all.
    Prefix,
    All,
}

/// How many bytes a short read or write transfers. A read transfers at least one, so that only the end gives 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    Zero,
    One,
    Half,
    AllButOne,
    /// Up to the first boundary of an atom.
    AtAtom,
}

/// What goes wrong in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// F15: the sync fails once for each open description; some pages are marked clean and never written.
    SyncLosesPages,
    /// F16: this sync succeeds and the next one fails; what is lost belongs to this one.
    SyncFailsLate,
    /// F17: the sync fails, and content and length go back to the durable ones at once.
    SyncReverts,
    /// F18: writeback fails in the background of a write; whoever syncs next, or opens if nobody has it open, is told.
    WritebackFails,
    /// F19: as F15, and the lost pages are read as new once more, then as old.
    SyncEvicts,
    /// F20 and F60: the call takes so many microseconds of virtual time.
    Slow(u64),
    /// F21: the directory sync fails; its pending names are never written.
    DirSyncFails,
    /// F21: the file system knows no directory sync; the names stay pending.
    DirSyncUnsupported,
    /// F22, F24: no space. A write did so much of it; other calls did nothing.
    NoSpace(Done),
    /// F23: no space, noticed by the sync; bytes are lost as in F15.
    SyncNoSpace,
    /// F26.
    ShortWrite(Short),
    /// F27.
    ShortRead(Short),
    /// F28, F20: the call is interrupted before it did anything.
    Interrupted,
    /// F29: the read fails.
    ReadFails,
    /// F30: the range cannot be read until it is overwritten.
    BadSector,
    /// F31: the write fails.
    WriteFails(Done),
    /// F35: too many open files.
    TooManyFiles,
    /// F35: the file or file system is read-only or forbidden.
    Denied,
    /// F37: one bit of what is read flips, in the buffer only.
    FlipOnRead,
    /// F37: one bit of what is written flips, for ever.
    FlipOnWrite,
    /// F39: the write lands at another atom of the file. `cached`: the cache shows it right until it is lost.
    MisdirectedWrite { cached: bool },
    /// F40: the write succeeds and never happens. `cached`: the cache shows it until it is lost.
    LostWrite { cached: bool },
    /// F41: the bytes of another atom of the file.
    MisdirectedRead,
    /// F42: an older durable content of the same place; needs a profile that keeps versions.
    StaleRead,
}

impl Fault {
    /// Whether a call of this kind can suffer it.
    pub fn applies_to(self, kind: IoKind) -> bool {
        match self {
            Fault::SyncLosesPages
            | Fault::SyncFailsLate
            | Fault::SyncReverts
            | Fault::SyncEvicts
            | Fault::SyncNoSpace => kind == IoKind::Sync,
            Fault::DirSyncFails | Fault::DirSyncUnsupported => kind == IoKind::SyncDir,
            Fault::Slow(_) => kind != IoKind::ReadNow,
            Fault::Interrupted => !matches!(kind, IoKind::Len | IoKind::List),
            Fault::NoSpace(_) => kind.alters() || kind == IoKind::SyncDir,
            Fault::WritebackFails
            | Fault::ShortWrite(_)
            | Fault::WriteFails(_)
            | Fault::FlipOnWrite
            | Fault::MisdirectedWrite { .. }
            | Fault::LostWrite { .. } => kind == IoKind::Write,
            Fault::ShortRead(_)
            | Fault::ReadFails
            | Fault::BadSector
            | Fault::FlipOnRead
            | Fault::MisdirectedRead
            | Fault::StaleRead => matches!(kind, IoKind::Read | IoKind::ReadNow),
            Fault::TooManyFiles => matches!(kind, IoKind::Open | IoKind::Create),
            Fault::Denied => kind.alters() || kind == IoKind::Open,
        }
    }
}

/// Which calls, among those that the fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From the n-th on, counted from 0.
    From(u64),
    /// Each with this chance in a million.
    Chance(u32),
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// So many times, at least 1; with [`When::From`] in a row.
    Times(u64),
    Forever,
}

/// A fault that waits for its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    pub fault: Fault,
    pub when: When,
    pub repeat: Repeat,
    pub files: Files,
}

impl Injection {
    /// A fault at the n-th call that it applies to, counted from 0, once.
    pub fn once(fault: Fault, n: u64) -> Self {
        Self {
            fault,
            when: When::From(n),
            repeat: Repeat::Times(1),
            files: Files::all(),
        }
    }

    /// A fault at the n-th call that it applies to, and at all that follow.
    pub fn from_then_on(fault: Fault, n: u64) -> Self {
        Self {
            repeat: Repeat::Forever,
            ..Self::once(fault, n)
        }
    }

    /// The same, for some files only.
    pub fn on(self, files: Files) -> Self {
        Self { files, ..self }
    }
}

/// The injections of a life, with how far each has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Injector {
    waiting: Vec<(Injection, u64, u64)>,
    /// The file of the call that was struck last.
    struck: Option<PathBuf>,
}

impl Injector {
    pub(super) fn add(&mut self, injection: Injection) {
        self.waiting.push((injection, 0, 0));
    }

    /// How often any fault struck.
    pub(super) fn fired(&self) -> u64 {
        self.waiting.iter().map(|(_, _, fired)| fired).sum()
    }

    /// The file of the call that was struck last.
    pub(super) fn struck(&self) -> Option<&Path> {
        self.struck.as_deref()
    }

    /// The fault of a call: that of the first injection that wants it.
    pub(super) fn strike(
        &mut self,
        kind: IoKind,
        path: &Path,
        stream: &mut Stream,
    ) -> Option<Fault> {
        let mut struck = None;
        for (injection, seen, fired) in &mut self.waiting {
            if !injection.fault.applies_to(kind) || !injection.files.matches(path) {
                continue;
            }
            let number = *seen;
            *seen += 1;
            let due = match injection.when {
                When::From(n) => number >= n,
                When::Chance(per_million) => stream.chance(per_million),
            };
            let left = match injection.repeat {
                Repeat::Times(times) => *fired < times,
                Repeat::Forever => true,
            };
            if due && left && struck.is_none() {
                *fired += 1;
                struck = Some(injection.fault);
            }
        }
        if struck.is_some() {
            self.struck = Some(path.to_path_buf());
        }
        struck
    }
}
