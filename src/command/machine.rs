//! What commands may know of the process and of the machine it runs on.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::collation::{Locale, UnknownLocale};

/// What does not change while the process lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub process_id: u32,
    /// 40 hexadecimal digits, made up at the start: another run has others.
    pub run_id: String,
    /// 40 hexadecimal digits that name the history of the data to replicas.
    pub replication_id: String,
    /// The program's path.
    pub executable: String,
    /// The kernel's name and release, and the processor: `Linux 6.1.0 x86_64`.
    pub system: String,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// Wall time of the start, in milliseconds since 1970.
    pub started_ms: u64,
}

/// Memory of the process, in bytes, as the system counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In memory now: what the process keeps there, programs and files included.
    pub resident: u64,
    /// The most that was ever in memory.
    pub resident_max: u64,
    /// The part of `resident` that belongs to the process alone.
    pub anonymous: u64,
}

/// Processor time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorTime {
    pub user_us: u64,
    pub system_us: u64,
    /// The same of child processes that have ended.
    pub children_user_us: u64,
    pub children_system_us: u64,
}

/// The process and its machine.
pub trait Machine: Send + Sync + Debug {
    fn identity(&self) -> &Identity;
    fn memory(&self) -> Memory;
    fn processor_time(&self) -> ProcessorTime;

    /// Fills `out` with bytes that nobody can guess.
    fn fill_random(&self, out: &mut [u8]);

    /// Stops the thread that asks.
    fn sleep(&self, time: Duration);

    /// Asks the allocator to give free memory back to the system. False: this one cannot be asked.
    fn give_memory_back(&self) -> bool;

    /// How texts are ordered where this locale is spoken; an empty name means the one that the environment names. None: as
    /// bytes.
    fn locale(&self, name: &[u8]) -> Result<Option<Arc<dyn Locale>>, UnknownLocale>;
}

/// No machine: every figure is zero, and no language is spoken. For tests and simulations, which must not depend on where they run.
#[derive(Debug, Default)]
pub struct Nowhere(Identity);

impl Machine for Nowhere {
    fn identity(&self) -> &Identity {
        &self.0
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn processor_time(&self) -> ProcessorTime {
        ProcessorTime::default()
    }

    fn fill_random(&self, out: &mut [u8]) {
        out.fill(0);
    }

    fn sleep(&self, _: Duration) {}

    fn give_memory_back(&self) -> bool {
        false
    }

    fn locale(&self, name: &[u8]) -> Result<Option<Arc<dyn Locale>>, UnknownLocale> {
        match name {
            b"" | b"C" | b"POSIX" => Ok(None),
            _ => Err(UnknownLocale),
        }
    }
}
