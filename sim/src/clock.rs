//! Virtual time. It moves only when an I/O takes time or the driver says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redkeep::vfs::Clock;

use crate::seed::Stream;
use crate::trace::IoKind;

/// Microseconds since the Unix epoch at which a clock starts, unless told otherwise: in the year 2025.
const WALL_START_US: i128 = 1_750_000_000_000_000;

/// How many waits are remembered.
const WAITS_MAX: usize = 4096;

/// Who waited for an I/O, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The number that the driver gave with [`SimClock::set_task`].
    pub task: u32,
    pub kind: IoKind,
    /// Microseconds of virtual time.
    pub us: u64,
    /// Monotonic time at the end of the wait, in microseconds.
    pub at_us: u64,
}

#[derive(Debug)]
struct Time {
    /// True elapsed time.
    mono_us: u64,
    /// What the monotonic clock showed when it stalled, if it does.
    stalled_at: Option<u64>,
    /// The monotonic clock shows multiples of this.
    grain_us: u64,
    /// Wall time less elapsed time.
    wall_offset_us: i128,
    task: u32,
    waits: VecDeque<Wait>,
}

/// A clock that the simulation moves. Clones share the time.
#[derive(Clone, Debug)]
pub struct SimClock {
    time: Arc<Mutex<Time>>,
}

impl Default for SimClock {
    fn default() -> Self {
        Self {
            time: Arc::new(Mutex::new(Time {
                mono_us: 0,
                stalled_at: None,
                grain_us: 1,
                wall_offset_us: WALL_START_US,
                task: 0,
                waits: VecDeque::new(),
            })),
        }
    }
}

impl SimClock {
    fn time(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass, in microseconds.
    pub fn advance_us(&self, us: u64) {
        let mut time = self.time();
        time.mono_us = time.mono_us.saturating_add(us);
    }

    /// Steps the wall clock by microseconds, forward or back, with no time passing (F54).
    pub fn step_wall_us(&self, us: i64) {
        self.time().wall_offset_us += i128::from(us);
    }

    /// Sets the wall clock, in milliseconds since the Unix epoch (F54: to 0, past 2^31, past 2^63).
    pub fn set_wall_ms(&self, ms: u64) {
        let mut time = self.time();
        time.wall_offset_us = i128::from(ms) * 1000 - i128::from(time.mono_us);
    }

    /// Stops the monotonic clock until [`SimClock::resume_mono`], which makes it leap (F55).
    pub fn stall_mono(&self) {
        let mut time = self.time();
        time.stalled_at = Some(time.shown_us());
    }

    /// Ends a stall: every timer that came due meanwhile is due at once.
    pub fn resume_mono(&self) {
        self.time().stalled_at = None;
    }

    /// Makes the monotonic clock show multiples of `us`, at least 1 (F55).
    pub fn set_grain_us(&self, us: u64) {
        assert!(us > 0, "a clock shows multiples of something");
        self.time().grain_us = us;
    }

    /// Says who runs now, for the log of waits.
    pub fn set_task(&self, task: u32) {
        self.time().task = task;
    }

    /// Lets an I/O of the current task take `us` microseconds.
    pub fn wait_us(&self, kind: IoKind, us: u64) {
        if us == 0 {
            return;
        }
        self.advance_us(us);
        let mut time = self.time();
        let wait = Wait {
            task: time.task,
            kind,
            us,
            at_us: time.mono_us,
        };
        if time.waits.len() == WAITS_MAX {
            time.waits.pop_front();
        }
        time.waits.push_back(wait);
    }

    /// The last waits, oldest first; at most 4096.
    pub fn waits(&self) -> Vec<Wait> {
        self.time().waits.iter().cloned().collect()
    }
}

impl Time {
    fn shown_us(&self) -> u64 {
        let us = self.stalled_at.unwrap_or(self.mono_us);
        us - us % self.grain_us
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> u64 {
        let time = self.time();
        let us = (i128::from(time.mono_us) + time.wall_offset_us).max(0);
        u64::try_from(us / 1000).unwrap_or(u64::MAX)
    }

    fn wall_us(&self) -> u64 {
        let time = self.time();
        let us = (i128::from(time.mono_us) + time.wall_offset_us).max(0);
        u64::try_from(us).unwrap_or(u64::MAX)
    }

    fn mono_us(&self) -> u64 {
        self.time().shown_us()
    }
}

/// How long I/Os take, in microseconds of virtual time: each a draw between two ends, and now and then a slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub read_us: (u64, u64),
    pub write_us: (u64, u64),
    pub sync_us: (u64, u64),
    /// Opens, renames and the like.
    pub name_us: (u64, u64),
    /// How often in a million an I/O is slow (F60).
    pub slow_per_million: u32,
    /// How long a slow one takes.
    pub slow_us: (u64, u64),
}

impl Latency {
    /// Every I/O takes no time.
    pub const NONE: Latency = Latency {
        read_us: (0, 0),
        write_us: (0, 0),
        sync_us: (0, 0),
        name_us: (0, 0),
        slow_per_million: 0,
        slow_us: (0, 0),
    };

    /// About a solid-state disk, with one I/O in a thousand taking up to ten seconds.
    pub const SSD: Latency = Latency {
        read_us: (50, 200),
        write_us: (5, 50),
        sync_us: (200, 4000),
        name_us: (5, 100),
        slow_per_million: 1000,
        slow_us: (10_000, 10_000_000),
    };

    /// How long one I/O takes.
    pub fn draw_us(&self, kind: IoKind, stream: &mut Stream) -> u64 {
        let (low, high) = match kind {
            IoKind::ReadNow => return 0,
            IoKind::Read => self.read_us,
            IoKind::Write | IoKind::SetLen | IoKind::Allocate => self.write_us,
            IoKind::Sync | IoKind::SyncDir => self.sync_us,
            _ => self.name_us,
        };
        if self.slow_per_million > 0 && stream.chance(self.slow_per_million) {
            return stream.between(self.slow_us.0, self.slow_us.1);
        }
        if high == 0 {
            return 0;
        }
        stream.between(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, Seed};

    #[test]
    fn wall_steps_leave_the_monotonic_clock_alone() {
        let clock = SimClock::default();
        clock.advance_us(5_000);
        let wall = clock.wall_ms();
        clock.step_wall_us(-3_600_000_000);
        assert_eq!(clock.wall_ms(), wall - 3_600_000);
        assert_eq!(clock.mono_us(), 5_000);
        clock.set_wall_ms(0);
        clock.step_wall_us(-1);
        assert_eq!(clock.wall_ms(), 0);
        clock.set_wall_ms(u64::MAX);
        assert_eq!(clock.wall_ms(), u64::MAX);
        assert_eq!(clock.wall_us(), u64::MAX);
        clock.advance_us(5_000);
        assert_eq!(clock.mono_us(), 10_000);
    }

    #[test]
    fn the_monotonic_clock_stalls_leaps_and_never_goes_back() {
        let clock = SimClock::default();
        clock.advance_us(1234);
        clock.set_grain_us(100);
        assert_eq!(clock.mono_us(), 1200);
        clock.stall_mono();
        clock.advance_us(1_000_000);
        assert_eq!(clock.mono_us(), 1200);
        clock.resume_mono();
        assert_eq!(clock.mono_us(), 1_001_200);
    }

    #[test]
    fn waits_say_who_waited_for_what() {
        let clock = SimClock::default();
        let mut stream = Seed(1).stream(Purpose::Latency);
        clock.set_task(3);
        for _ in 0..50 {
            let us = Latency::SSD.draw_us(IoKind::Sync, &mut stream);
            clock.wait_us(IoKind::Sync, us);
        }
        let waits = clock.waits();
        assert!(waits.iter().all(|w| w.task == 3 && w.us >= 200));
        assert_eq!(waits.last().map(|w| w.at_us), Some(clock.mono_us()));
        assert_eq!(Latency::NONE.draw_us(IoKind::Sync, &mut stream), 0);
    }
}
