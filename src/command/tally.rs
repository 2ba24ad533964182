//! What a script's run adds to the counters of the server once it is kept, however long the run.

use std::collections::VecDeque;

use super::accounting;
use super::server::Server;
use super::slowlog::Entry;
use super::stats::{ErrorCodes, add, add_locked};
use super::table::{Command, CommandId};

/// So many different entries are kept before like ones are put together.
const ENTRIES_MIN: usize = 1024;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Answered,
    /// It answered an error.
    Failed,
    /// It was refused before it ran.
    Rejected,
}

/// Calls that differ in nothing that is counted.
#[derive(Debug)]
struct Calls {
    command: &'static Command,
    fate: Fate,
    /// What each of them took.
    took_us: u64,
    count: u64,
}

impl Calls {
    fn key(&self) -> (CommandId, Fate, u64) {
        (self.command.id, self.fate, self.took_us)
    }
}

/// The commands and errors of a run.
#[derive(Debug, Default)]
pub struct Tally {
    calls: Vec<Calls>,
    /// How many entries there were when like ones were last put together.
    distinct: usize,
    /// The newest for the slow log, oldest first, and how many came before them.
    slow: VecDeque<Entry>,
    slow_passed: u64,
    errors: ErrorCodes,
}

impl Tally {
    /// A command ran for `took_us` microseconds.
    pub fn ran(&mut self, command: &'static Command, took_us: u64, failed: bool) {
        let fate = if failed { Fate::Failed } else { Fate::Answered };
        self.add(command, fate, took_us);
    }

    /// A command was refused before it ran.
    pub fn rejected(&mut self, command: &'static Command) {
        self.add(command, Fate::Rejected, 0);
    }

    /// An error was answered; `line` begins with its code, without the dash.
    pub fn error(&mut self, line: &[u8]) {
        self.errors.count(line);
    }

    /// Something for the slow log, which keeps `len_max` entries.
    pub fn slow(&mut self, entry: Entry, len_max: usize) {
        self.slow.push_back(entry);
        while self.slow.len() > len_max {
            self.slow.pop_front();
            self.slow_passed += 1;
        }
    }

    fn add(&mut self, command: &'static Command, fate: Fate, took_us: u64) {
        let calls = Calls {
            command,
            fate,
            took_us,
            count: 1,
        };
        match self.calls.last_mut() {
            Some(last) if last.key() == calls.key() => last.count += 1,
            _ => self.calls.push(calls),
        }
        if self.calls.len() >= ENTRIES_MIN.max(2 * self.distinct) {
            self.fold();
        }
    }

    /// Puts like entries together. There are as many different ones as there are durations, which grow with the root of
    /// the time that a run takes.
    fn fold(&mut self) {
        self.calls.sort_unstable_by_key(Calls::key);
        self.calls.dedup_by(|later, kept| {
            let is_like = later.key() == kept.key();
            kept.count += if is_like { later.count } else { 0 };
            is_like
        });
        self.distinct = self.calls.len();
    }

    /// Counts everything. Under the engine lock; `now_us` is wall time.
    pub fn count(self, server: &Server, now_us: u64) {
        let mut ran = 0;
        for calls in &self.calls {
            let (command, count) = (calls.command, calls.count);
            let stat = server.stats.command(command.id);
            if calls.fate == Fate::Rejected {
                add_locked(&stat.rejected, count);
                continue;
            }
            ran += count;
            accounting::count(server, command, count, calls.took_us * count);
            if calls.fate == Fate::Failed {
                add_locked(&stat.failed, count);
            }
            accounting::sample_latency(server, command, calls.took_us, now_us);
        }
        add(&server.stats.commands_processed, ran);
        if !self.errors.is_empty() {
            server.stats.count_errors(&self.errors);
        }
        if !self.slow.is_empty() {
            let len_max = accounting::slowlog_len_max(server);
            server.slowlog.pass(self.slow_passed);
            for entry in self.slow {
                server.slowlog.add(entry, len_max);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::command::table;
    use crate::command::testing::Bench;

    #[test]
    fn a_long_run_is_counted_in_little_memory() {
        let bench = Bench::new();
        let (get, set) = (table::id("get").command(), table::id("set").command());
        let mut tally = Tally::default();
        for n in 0..300_000 {
            tally.ran(get, n % 7, n % 3 == 0);
            tally.ran(set, n % 5, false);
            if n % 10 == 0 {
                tally.rejected(set);
                tally.error(b"NOPERM x");
            }
        }
        assert!(tally.calls.len() < ENTRIES_MIN);
        assert!(tally.calls.capacity() <= 2 * ENTRIES_MIN);
        tally.count(&bench.server, 0);
        let stats = &bench.server.stats;
        let counted = |command: &Command| {
            let stat = stats.command(command.id);
            let counters = [&stat.calls, &stat.micros, &stat.failed, &stat.rejected];
            counters.map(|counter| counter.load(Ordering::Relaxed))
        };
        let get_us = (0..300_000).map(|n| n % 7).sum();
        assert_eq!(counted(get), [300_000, get_us, 100_000, 0]);
        assert_eq!(counted(set), [300_000, 600_000, 0, 30_000]);
        let durations = &stats.command(set.id).durations;
        assert_eq!(durations.calls(), Some(300_000));
        assert_eq!(stats.commands_processed.load(Ordering::Relaxed), 600_000);
        assert_eq!(stats.errors(), [(b"NOPERM".to_vec(), 30_000)]);
    }

    #[test]
    fn many_durations_are_kept_apart() {
        let bench = Bench::new();
        let get = table::id("get").command();
        let mut tally = Tally::default();
        for n in 0..10_000 {
            tally.ran(get, n % 3000, false);
        }
        assert!(tally.calls.len() < 3 * 3000);
        tally.count(&bench.server, 0);
        let stat = bench.server.stats.command(get.id);
        let sum = (0..10_000).map(|n| n % 3000).sum::<u64>();
        assert_eq!(stat.micros.load(Ordering::Relaxed), sum);
    }
}
