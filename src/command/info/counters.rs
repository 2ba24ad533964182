//! The sections of INFO that count: `# Stats`, `# Commandstats`, `# Errorstats`, `# Latencystats`.

use std::sync::atomic::Ordering;

use super::Report;
use crate::command::Call;
use crate::command::stats::CommandStat;
use crate::command::table::{ACTIVE, Command};
use crate::storage::Error;

/// Bytes in the kilobyte of `instantaneous_input_kbps`.
const KILOBYTE: f64 = 1024.0;

pub(super) fn stats(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    let stats = &call.server.stats;
    let keyspace = call.keyspace.stats;
    let rate = stats.rates.now();
    report.section("Stats");
    for (name, counter) in [
        ("total_connections_received", &stats.connections_received),
        ("total_commands_processed", &stats.commands_processed),
    ] {
        report.field(name, counter.load(Ordering::Relaxed));
    }
    report.field("instantaneous_ops_per_sec", rate.commands);
    for (name, counter) in [
        ("total_net_input_bytes", &stats.input_bytes),
        ("total_net_output_bytes", &stats.output_bytes),
    ] {
        report.field(name, counter.load(Ordering::Relaxed));
    }
    for (name, bytes) in [
        ("instantaneous_input_kbps", rate.input_bytes),
        ("instantaneous_output_kbps", rate.output_bytes),
    ] {
        report.field(name, format_args!("{:.2}", bytes as f64 / KILOBYTE));
    }
    let rejected = stats.connections_rejected.load(Ordering::Relaxed);
    report.field("rejected_connections", rejected);
    report.field("sync_full", 0);
    report.field("sync_partial_ok", 0);
    report.field("sync_partial_err", 0);
    report.field("expired_subkeys", keyspace.expired_fields);
    report.field("expired_keys", keyspace.expired_keys);
    report.field("evicted_keys", keyspace.evicted_keys);
    let clients_evicted = stats.evicted_clients.load(Ordering::Relaxed);
    report.field("evicted_clients", clients_evicted);
    let scripts_evicted = &call.server.scripting.figures.scripts_evicted;
    report.field("evicted_scripts", scripts_evicted.load(Ordering::Relaxed));
    let now_us = call.server.clock.mono_us();
    let (exceeded_ms, exceeding_ms) = call.server.eviction.exceeded_ms(now_us);
    report.field("total_eviction_exceeded_time", exceeded_ms);
    report.field("current_eviction_exceeded_time", exceeding_ms);
    report.field("keyspace_hits", keyspace.hits);
    report.field("keyspace_misses", keyspace.misses);
    let subscribed = call.server.subscriptions.sizes();
    report.field("pubsub_channels", subscribed.channels);
    report.field("pubsub_patterns", subscribed.patterns);
    report.field("pubsubshard_channels", subscribed.shards);
    report.field("latest_fork_usec", 0);
    report.field("total_forks", 0);
    report.field("migrate_cached_sockets", call.server.peers.kept());
    let tracked = call.server.tracking.sizes();
    report.field("tracking_total_keys", tracked.keys);
    report.field("tracking_total_items", tracked.items);
    report.field("tracking_total_prefixes", tracked.prefixes);
    for (name, counter) in [
        ("unexpected_error_replies", &stats.unexpected_errors),
        ("total_error_replies", &stats.error_replies),
        ("total_reads_processed", &stats.reads),
        ("total_writes_processed", &stats.writes),
        (
            "client_query_buffer_limit_disconnections",
            &stats.query_buffer_disconnections,
        ),
        (
            "client_output_buffer_limit_disconnections",
            &stats.output_buffer_disconnections,
        ),
        ("acl_access_denied_auth", &stats.acl_denied_auth),
        ("acl_access_denied_cmd", &stats.acl_denied_command),
        ("acl_access_denied_key", &stats.acl_denied_key),
        ("acl_access_denied_channel", &stats.acl_denied_channel),
    ] {
        report.field(name, counter.load(Ordering::Relaxed));
    }
    Ok(())
}

fn each(call: &Call<'_>, mut see: impl FnMut(&Command, &CommandStat)) {
    for command in &ACTIVE {
        see(command, call.server.stats.command(command.id));
    }
}

pub(super) fn commands(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    report.section("Commandstats");
    each(call, |command, stat| {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (calls, micros) = (load(&stat.calls), load(&stat.micros));
        let (rejected, failed) = (load(&stat.rejected), load(&stat.failed));
        if calls + rejected + failed == 0 {
            return;
        }
        let micros_per_call = micros as f64 / calls.max(1) as f64;
        report.field(
            &format!("cmdstat_{}", command.name()),
            format_args!(
                "calls={calls},usec={micros},usec_per_call={micros_per_call:.2},\
                 rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    });
    Ok(())
}

pub(super) fn errors(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    report.section("Errorstats");
    for (code, count) in call.server.stats.errors() {
        let code: String = String::from_utf8_lossy(&code)
            .chars()
            .map(|c| {
                if matches!(c, ':' | ',' | '=' | '#') {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        report.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
    Ok(())
}

pub(super) fn latencies(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    report.section("Latencystats");
    let percentiles = call.server.config.latency_percentiles();
    each(call, |command, stat| {
        let points: Vec<String> = percentiles
            .iter()
            .filter_map(|&percentile| {
                let nanos = stat.durations.percentile_nanos(percentile)?;
                let micros = nanos as f64 / 1000.0;
                Some(format!("p{}={micros:.3}", trimmed(percentile)))
            })
            .collect();
        if stat.durations.calls().is_some() {
            let name = format!("latency_percentiles_usec_{}", command.name());
            report.field(&name, points.join(","));
        }
    });
    Ok(())
}

/// A percentile with six digits behind the point, without zeroes at the end.
fn trimmed(percentile: f64) -> String {
    let printed = format!("{percentile:.6}");
    let printed = printed.trim_end_matches('0');
    printed.trim_end_matches('.').to_owned()
}
