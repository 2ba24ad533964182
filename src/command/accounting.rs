//! What is kept of every command that was carried out: counters, the slow log, the latency monitor.

use std::sync::atomic::Ordering;

use super::client::Client;
use super::monitor;
use super::server::Server;
use super::slowlog::Entry;
use super::stats::add_locked;
use super::table::{Command, Flag};

/// Adds `calls` of a command that took `took_us` microseconds in all to its statistics. Under the engine lock.
pub fn count(server: &Server, command: &Command, calls: u64, took_us: u64) {
    add_locked(&server.stats.command(command.id).calls, calls);
    add_time(server, command, calls, took_us);
}

/// Adds the time of `calls` that are counted already.
pub fn add_time(server: &Server, command: &Command, calls: u64, took_us: u64) {
    let stat = server.stats.command(command.id);
    add_locked(&stat.micros, took_us);
    if server.tuning.latency_tracking.load(Ordering::Relaxed) {
        stat.durations.add(took_us * 1000 / calls, calls);
    }
}

/// Shows the latency monitor one run of a command. `now_us` is wall time.
pub fn sample_latency(server: &Server, command: &Command, took_us: u64, now_us: u64) {
    let event = if command.flags.has(Flag::Fast) {
        "fast-command"
    } else {
        "command"
    };
    sample_event(server, event, took_us, now_us);
}

/// Shows the latency monitor that `event` took so long. `now_us` is wall time.
pub fn sample_event(server: &Server, event: &'static str, took_us: u64, now_us: u64) {
    let latency_ms_min = server.tuning.latency_ms_min.load(Ordering::Relaxed);
    if latency_ms_min == 0 || took_us / 1000 < latency_ms_min {
        return;
    }
    server
        .latency
        .add(event, took_us / 1000, now_us / 1_000_000);
}

/// Enters a command into the slow log if it took long enough. `now_us` is wall time.
pub fn log_if_slow(
    server: &Server,
    client: &Client,
    command: &Command,
    words: &[&[u8]],
    took_us: u64,
    now_us: u64,
) {
    let entry = slow_entry(server, Some(client), command, words, took_us, now_us);
    keep_slow(server, entry);
}

/// Adds to the slow log what is to be kept of a command.
pub fn keep_slow(server: &Server, entry: Option<Entry>) {
    if let Some(entry) = entry {
        server.slowlog.add(entry, slowlog_len_max(server));
    }
}

/// How many entries the slow log keeps.
pub fn slowlog_len_max(server: &Server) -> usize {
    server.tuning.slowlog_len_max.load(Ordering::Relaxed) as usize
}

/// What the slow log is to keep of a command; None: it did not take long enough, or there is no log. `client` is None if
/// a script called it.
pub fn slow_entry(
    server: &Server,
    client: Option<&Client>,
    command: &Command,
    words: &[&[u8]],
    took_us: u64,
    now_us: u64,
) -> Option<Entry> {
    let slower_us = server.tuning.slowlog_us_min.load(Ordering::Relaxed);
    let is_slow = u64::try_from(slower_us).is_ok_and(|min| took_us >= min);
    if !is_slow || command.flags.has(Flag::SkipSlowlog) || slowlog_len_max(server) == 0 {
        return None;
    }
    let shown: Vec<&[u8]> = (0..words.len())
        .map(|at| match monitor::is_secret(words, at) {
            true => b"(redacted)",
            false => words[at],
        })
        .collect();
    Some(Entry::new(&shown, took_us, now_us / 1_000_000, client))
}
