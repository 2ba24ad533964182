//! INFO: facts and counters in sections of `name:value` lines.
//!
//! A field stands here where it has a meaning for this server, and then says what is true. The names and the order
//! are Redis's; `redkeep_version` and the section `# Storage` are ours.

pub(super) use memory::{ALLOCATOR, clients_bytes};

mod counters;
mod memory;
mod storage;

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use super::argument::is_word;
use super::server::REDIS_VERSION;
use super::{Call, Outcome};
use crate::config::{Key, Supervised};
use crate::storage::Error;

/// Keys of a database whose times to live are looked at for their mean.
const TTL_SAMPLES: u64 = 16;

/// The text of a reply.
#[derive(Debug, Default)]
pub(super) struct Report(String);

impl Report {
    fn section(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        write!(self.0, "# {name}\r\n").expect("memory takes all");
    }

    pub(super) fn field(&mut self, name: &str, value: impl Display) {
        write!(self.0, "{name}:{value}\r\n").expect("memory takes all");
    }

    /// A number of bytes, and again for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        write!(self.0, "{name}_human:{}\r\n", human(bytes)).expect("memory takes all");
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        self.field(name, u8::from(is_set));
    }
}

/// Bytes with a unit, as Redis prints them.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    let mut size = bytes as f64;
    let mut unit = None;
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = Some(next);
    }
    match unit {
        None => format!("{bytes}B"),
        Some(_) if size >= 1024.0 => format!("{bytes}B"),
        Some(unit) => format!("{size:.2}{unit}"),
    }
}

/// What writes a section.
type Writer = fn(&mut Report, &mut Call<'_>) -> Result<(), Error>;

/// A section of the reply.
struct Section {
    /// The words that ask for it, in lower case.
    names: &'static [&'static str],
    /// It is part of the reply to INFO without words.
    is_default: bool,
    writer: Writer,
}

const fn section(names: &'static [&'static str], is_default: bool, writer: Writer) -> Section {
    Section {
        names,
        is_default,
        writer,
    }
}

/// The sections in the order of the reply.
const SECTIONS: &[Section] = &[
    section(&["server"], true, server),
    section(&["clients"], true, clients),
    section(&["memory"], true, memory::memory),
    section(&["persistence"], true, memory::persistence),
    section(&["storage"], true, storage::storage),
    section(&["stats"], true, counters::stats),
    section(&["replication"], true, replication),
    section(&["cpu"], true, processor),
    section(&["modules", "module_list"], true, modules),
    section(&["commandstats"], false, counters::commands),
    section(&["errorstats"], true, counters::errors),
    section(&["latencystats"], false, counters::latencies),
    section(&["cluster"], true, cluster),
    section(&["keyspace"], true, keyspace),
];

impl Section {
    fn is_asked_for(&self, words: &[&[u8]]) -> bool {
        if words.is_empty() {
            return self.is_default;
        }
        words.iter().any(|w| {
            is_word(w, "all")
                || is_word(w, "everything")
                || (self.is_default && is_word(w, "default"))
                || self
                    .names
                    .iter()
                    .any(|name| w.eq_ignore_ascii_case(name.as_bytes()))
        })
    }
}

/// Every section.
pub(super) fn everything(call: &mut Call<'_>) -> Result<String, Error> {
    let mut report = Report::default();
    for section in SECTIONS {
        (section.writer)(&mut report, call)?;
    }
    Ok(report.0)
}

/// INFO [section ...]
pub fn info(call: &mut Call<'_>) -> Outcome {
    let mut report = Report::default();
    for section in SECTIONS {
        if section.is_asked_for(&call.args[1..]) {
            (section.writer)(&mut report, call)?;
        }
    }
    call.out.verbatim("txt", report.0.as_bytes());
    Ok(())
}

fn server(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    let server = call.server;
    let config = &server.config;
    let machine = server.machine.identity();
    let uptime_s = call.now_ms.saturating_sub(machine.started_ms) / 1000;
    report.section("Server");
    report.field("redis_version", REDIS_VERSION);
    report.field("redkeep_version", env!("CARGO_PKG_VERSION"));
    report.field("redis_mode", "standalone");
    report.field("os", &machine.system);
    report.field("arch_bits", usize::BITS);
    report.field("monotonic_clock", "POSIX clock_gettime");
    report.field("multiplexing_api", "epoll");
    report.field("process_id", machine.process_id);
    let supervised = match config.supervised() {
        Supervised::No | Supervised::Auto => "no",
        Supervised::Upstart => "upstart",
        Supervised::Systemd => "systemd",
    };
    report.field("process_supervised", supervised);
    report.field("run_id", &machine.run_id);
    report.field("tcp_port", config.main_port());
    report.field("server_time_usec", server.clock.wall_us());
    report.field("uptime_in_seconds", uptime_s);
    report.field("uptime_in_days", uptime_s / (24 * 3600));
    report.field("hz", config.hz());
    report.field("configured_hz", config.hz());
    // Seconds in 24 bits, as OBJECT and eviction count them.
    report.field("lru_clock", (call.now_ms / 1000) & 0xff_ffff);
    report.field("executable", &machine.executable);
    let file = config.startup().file.as_ref();
    let file = file.map_or(String::new(), |path| path.display().to_string());
    report.field("config_file", file);
    listeners(report, call);
    Ok(())
}

/// One line a kind of socket that is listened on; a kind has the same number whatever the others are.
fn listeners(report: &mut Report, call: &Call<'_>) {
    let config = &call.server.config;
    let bind: String = config
        .bind()
        .iter()
        .map(|address| format!("bind={},", String::from_utf8_lossy(address)))
        .collect();
    let over_ip =
        |name: &str, port: u16| (port != 0).then(|| format!("name={name},{bind}port={port}"));
    let unix = config.unixsocket();
    let lines = [
        over_ip("tcp", config.port()),
        unix.map(|path| format!("name=unix,bind={}", path.display())),
        over_ip("tls", config.tls_port()),
    ];
    for (at, line) in lines.iter().enumerate() {
        if let Some(line) = line {
            report.field(&format!("listener{at}"), line);
        }
    }
}

fn clients(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    let registry = &call.server.registry;
    let (mut blocked, mut timeouts, mut input, mut output) = (0, 0, 0, 0);
    for entry in registry.all() {
        let view = entry.view.lock();
        blocked += u64::from(view.blocked || view.paused);
        timeouts += u64::from(view.has_timeout);
        input = input.max(view.buffers.input + view.buffers.input_free);
        output = output.max(view.buffers.output_capacity + entry.waiting_bytes());
    }
    report.section("Clients");
    report.field("connected_clients", registry.len());
    report.field("cluster_connections", 0);
    let maxclients = &call.server.tuning.maxclients;
    report.field("maxclients", maxclients.load(Ordering::Relaxed));
    report.field("client_recent_max_input_buffer", input);
    report.field("client_recent_max_output_buffer", output);
    report.field("blocked_clients", blocked);
    report.field("tracking_clients", call.server.tracking.sizes().trackers);
    report.field("pubsub_clients", call.server.subscriptions.clients());
    report.field("watching_clients", call.server.watched.watchers());
    report.field("clients_in_timeout_table", timeouts);
    report.field("total_watched_keys", call.server.watched.keys());
    let (keys, on_nokey) = call.server.blocked.keys();
    report.field("total_blocking_keys", keys);
    report.field("total_blocking_keys_on_nokey", on_nokey);
    Ok(())
}

fn replication(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    report.section("Replication");
    report.field("role", "master");
    let feed = &call.server.feed;
    let replicas = feed.replicas();
    report.field("connected_slaves", replicas.len());
    for (number, replica) in replicas.iter().enumerate() {
        let state = if replica.is_online.load(Ordering::Relaxed) {
            "online"
        } else {
            "send_bulk"
        };
        report.field(
            &format!("slave{number}"),
            format_args!(
                "ip={},port={},state={state},offset={},lag={}",
                String::from_utf8_lossy(&replica.host()),
                replica.port,
                replica.acknowledged,
                call.now_ms.saturating_sub(replica.acknowledged_ms) / 1000
            ),
        );
    }
    report.field("master_failover_state", "no-failover");
    let machine = call.server.machine.identity();
    report.field("master_replid", &machine.replication_id);
    report.field("master_replid2", "0".repeat(40));
    report.field("master_repl_offset", feed.offset());
    report.field("second_repl_offset", -1);
    report.field("repl_backlog_active", 0);
    report.field("repl_backlog_first_byte_offset", 0);
    report.field("repl_backlog_histlen", 0);
    Ok(())
}

fn processor(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    let time = call.server.machine.processor_time();
    report.section("CPU");
    for (name, micros) in [
        ("used_cpu_sys", time.system_us),
        ("used_cpu_user", time.user_us),
        ("used_cpu_sys_children", time.children_system_us),
        ("used_cpu_user_children", time.children_user_us),
    ] {
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        report.field(name, format_args!("{seconds}.{rest:06}"));
    }
    Ok(())
}

fn modules(report: &mut Report, _: &mut Call<'_>) -> Result<(), Error> {
    report.section("Modules");
    Ok(())
}

fn cluster(report: &mut Report, _: &mut Call<'_>) -> Result<(), Error> {
    report.section("Cluster");
    report.field("cluster_enabled", 0);
    Ok(())
}

fn keyspace(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    report.section("Keyspace");
    let keyspace = &mut *call.keyspace;
    for db in keyspace.databases_with_keys() {
        let keys = keyspace.len(db)?;
        if keys == 0 {
            continue;
        }
        let expires = keyspace.expiring(db)?;
        let ttl_ms = keyspace.mean_ttl_ms(db, call.now_ms, TTL_SAMPLES)?;
        let hashes = keyspace.hashes_expiring(db)?;
        report.field(
            &format!("db{db}"),
            format_args!("keys={keys},expires={expires},avg_ttl={ttl_ms},subexpiry={hashes}"),
        );
    }
    Ok(())
}

/// `maxmemory-policy` as it is written.
pub(super) fn eviction_policy(call: &Call<'_>) -> String {
    let printed = call.server.config.print(Key::MaxmemoryPolicy);
    String::from_utf8_lossy(&printed).into_owned()
}

#[cfg(test)]
mod tests;
