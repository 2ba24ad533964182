//! What the server counts, for INFO.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::durations::Durations;
use super::rates::Rates;
use super::table::{COUNT, CommandId};

/// Distinct error codes counted. With one more all are forgotten and none is counted until CONFIG RESETSTAT, so that a
/// client cannot fill memory with them.
const ERROR_CODES_MAX: usize = 128;
/// A code ends in the first so many bytes of its line, the dash counted.
const ERROR_CODE_BYTES_MAX: usize = 32;
/// Counted in the place of all codes when there are too many.
const TOO_MANY_CODES: &[u8] = b"ERRORSTATS_DISABLED";

/// Counters since the start or the latest CONFIG RESETSTAT. They are read apart from each other: no reader may
/// conclude from one to another, so every access is relaxed.
#[derive(Debug, Default)]
pub struct Stats {
    pub connections_received: AtomicU64,
    pub connections_rejected: AtomicU64,
    pub commands_processed: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    pub error_replies: AtomicU64,
    pub query_buffer_disconnections: AtomicU64,
    pub output_buffer_disconnections: AtomicU64,
    /// Connections closed to make room.
    pub evicted_clients: AtomicU64,
    pub acl_denied_auth: AtomicU64,
    pub acl_denied_command: AtomicU64,
    pub acl_denied_key: AtomicU64,
    pub acl_denied_channel: AtomicU64,
    pub unexpected_errors: AtomicU64,
    /// Reads from and writes to sockets that moved bytes.
    pub reads: AtomicU64,
    pub writes: AtomicU64,
    pub rates: Rates,
    errors: Mutex<ErrorCodes>,
    commands: CommandStats,
}

/// The counters of one command.
#[derive(Debug, Default)]
pub struct CommandStat {
    pub calls: AtomicU64,
    pub micros: AtomicU64,
    /// Refused before it ran.
    pub rejected: AtomicU64,
    /// Answered an error.
    pub failed: AtomicU64,
    pub durations: Durations,
}

/// How often each code of an error was answered.
#[derive(Debug, Default)]
pub struct ErrorCodes {
    /// Error replies in all.
    replies: u64,
    counts: BTreeMap<Vec<u8>, u64>,
    /// There were more than [`ERROR_CODES_MAX`].
    too_many: bool,
}

impl ErrorCodes {
    /// Counts an error reply: `line` begins with its code, without the dash.
    pub fn count(&mut self, line: &[u8]) {
        self.replies += 1;
        let start = &line[..line.len().min(ERROR_CODE_BYTES_MAX - 1)];
        let code = match start.iter().position(|&b| b == b' ') {
            Some(end) => &line[..end],
            None => b"ERR",
        };
        self.add(code, 1);
    }

    pub fn is_empty(&self) -> bool {
        self.replies == 0
    }

    fn add_all(&mut self, more: &Self) {
        self.replies += more.replies;
        for (code, count) in &more.counts {
            self.add(code, *count);
        }
        if more.too_many {
            self.give_up();
        }
    }

    fn add(&mut self, code: &[u8], count: u64) {
        if self.too_many {
            return;
        }
        if let Some(counted) = self.counts.get_mut(code) {
            *counted += count;
        } else if self.counts.len() < ERROR_CODES_MAX {
            self.counts.insert(code.to_vec(), count);
        } else {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.too_many = true;
        self.counts.clear();
    }
}

#[derive(Debug)]
struct CommandStats([CommandStat; COUNT]);

impl Default for CommandStats {
    fn default() -> Self {
        Self(std::array::from_fn(|_| CommandStat::default()))
    }
}

/// Adds to a counter that only holders of the engine lock change: no locked instruction is needed.
pub fn add_locked(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Stats {
    /// The counters of a command. They change under the engine lock only.
    pub fn command(&self, id: CommandId) -> &CommandStat {
        &self.commands.0[id.index()]
    }

    /// Counts an error reply by its code: `line` begins with it, without the dash.
    pub fn count_error(&self, line: &[u8]) {
        add(&self.error_replies, 1);
        self.change_errors(|errors| errors.count(line));
    }

    /// Counts the error replies of a run.
    pub fn count_errors(&self, errors: &ErrorCodes) {
        add(&self.error_replies, errors.replies);
        self.change_errors(|all| all.add_all(errors));
    }

    fn change_errors(&self, change: impl FnOnce(&mut ErrorCodes)) {
        let mut errors = self.errors.lock();
        let had_too_many = errors.too_many;
        change(&mut errors);
        if errors.too_many && !had_too_many {
            tracing::warn!(
                "There are too many codes of errors: none is counted until CONFIG RESETSTAT"
            );
        }
    }

    /// Error codes and how often each was answered, in order of code.
    pub fn errors(&self) -> Vec<(Vec<u8>, u64)> {
        let errors = self.errors.lock();
        if errors.too_many {
            return vec![(TOO_MANY_CODES.to_vec(), 1)];
        }
        let counts = errors.counts.iter();
        counts.map(|(code, n)| (code.clone(), *n)).collect()
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for counter in [
            &self.connections_received,
            &self.connections_rejected,
            &self.commands_processed,
            &self.input_bytes,
            &self.output_bytes,
            &self.error_replies,
            &self.query_buffer_disconnections,
            &self.output_buffer_disconnections,
            &self.evicted_clients,
            &self.unexpected_errors,
            &self.reads,
            &self.writes,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.rates.clear();
        *self.errors.lock() = ErrorCodes::default();
        for command in &self.commands.0 {
            for counter in [
                &command.calls,
                &command.micros,
                &command.rejected,
                &command.failed,
            ] {
                counter.store(0, Ordering::Relaxed);
            }
            command.durations.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_errors_are_counted_until_there_are_too_many() {
        let stats = Stats::default();
        let counted = |stats: &Stats| -> Vec<(String, u64)> {
            let errors = stats.errors().into_iter();
            errors
                .map(|(code, n)| (String::from_utf8(code).expect("text"), n))
                .collect()
        };
        stats.count_error(b"WRONGTYPE Operation against");
        stats.count_error(b"WRONGTYPE Operation against");
        stats.count_error(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ1234 x");
        stats.count_error(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ12345 x");
        stats.count_error(b"NOSPACE\r\n");
        let expect = [
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234", 1),
            ("ERR", 2),
            ("WRONGTYPE", 2),
        ];
        assert_eq!(
            counted(&stats),
            expect.map(|(code, n)| (code.to_owned(), n))
        );
        let mut run = ErrorCodes::default();
        run.count(b"WRONGTYPE again");
        run.count(b"NEW x");
        stats.count_errors(&run);
        let expect = [
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234", 1),
            ("ERR", 2),
            ("NEW", 1),
            ("WRONGTYPE", 3),
        ];
        assert_eq!(
            counted(&stats),
            expect.map(|(code, n)| (code.to_owned(), n))
        );
        for n in 0..ERROR_CODES_MAX {
            stats.count_error(format!("E{n} x").as_bytes());
        }
        let disabled = [("ERRORSTATS_DISABLED".to_owned(), 1)];
        assert_eq!(counted(&stats), disabled);
        stats.count_error(b"WRONGTYPE x");
        assert_eq!(counted(&stats), disabled);
        let all = 8 + ERROR_CODES_MAX as u64;
        assert_eq!(stats.error_replies.load(Ordering::Relaxed), all);
        stats.reset();
        for n in 0..=ERROR_CODES_MAX {
            run.count(format!("E{n} x").as_bytes());
        }
        stats.count_errors(&run);
        assert_eq!(counted(&stats), disabled);
        stats.reset();
        stats.count_error(b"WRONGTYPE x");
        assert_eq!(counted(&stats), [("WRONGTYPE".to_owned(), 1)]);
    }
}
