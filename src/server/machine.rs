//! The process as the kernel shows it under `/proc`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::locale;
use crate::command::collation::{Locale, UnknownLocale};
use crate::command::machine::{Identity, Machine, Memory, ProcessorTime};
use crate::vfs::{fill_random, random_bytes};

/// Random bytes of an identity: twice as many hexadecimal digits.
const ID_BYTES: usize = 20;

/// This process on this machine.
#[derive(Debug)]
pub struct ThisMachine {
    identity: Identity,
    /// Ticks in a second of the times in `/proc/self/stat`.
    ticks_a_second: u64,
}

impl ThisMachine {
    /// Looks around. `started_ms` is the wall time in milliseconds.
    pub fn look(started_ms: u64) -> io::Result<Self> {
        let kernel = rustix::system::uname();
        let system = format!(
            "{} {} {}",
            kernel.sysname().to_string_lossy(),
            kernel.release().to_string_lossy(),
            kernel.machine().to_string_lossy()
        );
        let info = rustix::system::sysinfo();
        let executable = std::env::current_exe().unwrap_or_default();
        Ok(Self {
            identity: Identity {
                process_id: std::process::id(),
                run_id: new_id()?,
                replication_id: new_id()?,
                executable: executable.display().to_string(),
                system,
                memory_bytes: info.totalram as u64 * u64::from(info.mem_unit),
                started_ms,
            },
            ticks_a_second: rustix::param::clock_ticks_per_second().max(1),
        })
    }
}

fn new_id() -> io::Result<String> {
    let bytes: [u8; ID_BYTES] = random_bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Machine for ThisMachine {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn fill_random(&self, out: &mut [u8]) {
        // The kernel's source was ready when the process got its own number from it.
        fill_random(out).expect("the kernel's random numbers");
    }

    fn memory(&self) -> Memory {
        // Without /proc nothing is known; zero says so.
        memory_of(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn processor_time(&self) -> ProcessorTime {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        processor_time_of(&stat, self.ticks_a_second)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn locale(&self, name: &[u8]) -> Result<Option<Arc<dyn Locale>>, UnknownLocale> {
        locale::find(name)
    }

    #[cfg(target_env = "gnu")]
    fn give_memory_back(&self) -> bool {
        // SAFETY: the call takes a number and only touches memory that the allocator has free.
        unsafe { libc::malloc_trim(0) };
        true
    }

    #[cfg(not(target_env = "gnu"))]
    fn give_memory_back(&self) -> bool {
        false
    }
}

/// The lines of `/proc/self/status` that count memory, which are in kB.
fn memory_of(status: &str) -> Memory {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    };
    Memory {
        resident: bytes("VmRSS:"),
        resident_max: bytes("VmHWM:"),
        anonymous: bytes("RssAnon:"),
    }
}

/// The times in `/proc/self/stat`, whose second field is a name in parentheses that may hold anything.
fn processor_time_of(stat: &str, ticks_a_second: u64) -> ProcessorTime {
    /// The fields behind the name: the user time is the fourteenth of the whole line.
    const USER_TIME: usize = 11;
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times = behind_name
        .split_whitespace()
        .skip(USER_TIME)
        .map(|ticks| ticks.parse::<u64>().unwrap_or(0))
        .map(|ticks| Duration::from_secs(ticks).as_micros() as u64 / ticks_a_second);
    let mut next = || times.next().unwrap_or(0);
    ProcessorTime {
        user_us: next(),
        system_us: next(),
        children_user_us: next(),
        children_system_us: next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t       4 kB\n";
        let memory = memory_of(status);
        assert_eq!(memory.resident, 1 << 20);
        assert_eq!(memory.resident_max, 2 << 20);
        assert_eq!(memory.anonymous, 4096);
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 3 1 20 0";
        let time = processor_time_of(stat, 100);
        assert_eq!((time.user_us, time.system_us), (2_500_000, 500_000));
        assert_eq!(time.children_user_us, 30_000);
        assert_eq!(time.children_system_us, 10_000);
    }

    #[test]
    fn this_process_takes_memory_and_has_a_name_of_its_own() {
        let machine = ThisMachine::look(1).expect("a machine");
        let memory = machine.memory();
        assert!(memory.resident > 0 && memory.resident_max >= memory.resident / 2);
        let other = ThisMachine::look(1).expect("a machine");
        assert_eq!(machine.identity().run_id.len(), 40);
        assert_ne!(machine.identity().run_id, other.identity().run_id);
        assert!(machine.identity().memory_bytes > memory.resident);
    }
}
