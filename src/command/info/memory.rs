//! The sections `# Memory` and `# Persistence` of INFO.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Report, eviction_policy, human};
use crate::command::Call;
use crate::storage::Error;
use crate::storage::pager::META_REGION_BYTES;

/// The allocator that the program is linked with.
pub(in crate::command) const ALLOCATOR: &str = "libc";

/// Bytes that were copied for a process beside: there is none.
const NOT_FORKED: u64 = 0;

pub(super) fn memory(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    let machine = &call.server.machine;
    let memory = machine.memory();
    let used = call.keyspace.used_bytes();
    let peak = call.server.eviction.peak(used);
    let percent = 100.0 * used as f64 / peak.max(1) as f64;
    report.section("Memory");
    report.bytes("used_memory", used);
    report.bytes("used_memory_rss", memory.resident);
    report.bytes("used_memory_peak", peak);
    report.field("used_memory_peak_perc", format_args!("{percent:.2}%"));
    report.field("used_memory_startup", META_REGION_BYTES);
    report.field("used_memory_dataset", used - META_REGION_BYTES);
    report.field("used_memory_anonymous", memory.anonymous);
    report.bytes("total_system_memory", machine.identity().memory_bytes);
    scripts(report, call);
    report.bytes("maxmemory", call.server.config.maxmemory());
    report.field("maxmemory_policy", eviction_policy(call));
    report.field("mem_not_counted_for_evict", 0);
    report.field("mem_replication_backlog", 0);
    report.field("mem_total_replication_buffers", 0);
    report.field("mem_clients_slaves", 0);
    report.field("mem_clients_normal", clients_bytes(call));
    report.field("mem_cluster_links", 0);
    let unwritten = call
        .keyspace
        .engine
        .log()
        .map_or(0, |log| log.unwritten_bytes());
    let unwritten = unwritten + call.server.feed.file_bytes();
    report.field("mem_aof_buffer", unwritten);
    report.field("mem_allocator", ALLOCATOR);
    report.field("active_defrag_running", 0);
    let engine = &call.keyspace.engine;
    report.field("lazyfree_pending_objects", engine.dropped_objects());
    report.field("lazyfreed_objects", engine.freed_objects());
    Ok(())
}

fn scripts(report: &mut Report, call: &Call<'_>) {
    let figures = &call.server.scripting.figures;
    let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    let script_machine = read(&figures.script_machine_bytes);
    let function_machine = read(&figures.function_machine_bytes);
    let (scripts, libraries) = (read(&figures.script_bytes), read(&figures.library_bytes));
    report.field("used_memory_lua", script_machine);
    report.field("used_memory_vm_eval", script_machine);
    report.field("used_memory_lua_human", human(script_machine));
    report.field("used_memory_scripts_eval", scripts);
    report.field("number_of_cached_scripts", read(&figures.scripts));
    report.field("number_of_functions", read(&figures.functions));
    report.field("number_of_libraries", read(&figures.libraries));
    report.field("used_memory_vm_functions", function_machine);
    report.bytes("used_memory_vm_total", script_machine + function_machine);
    report.field("used_memory_functions", libraries);
    report.bytes("used_memory_scripts", scripts + libraries);
}

/// Bytes that the buffers of all connections hold.
pub(in crate::command) fn clients_bytes(call: &Call<'_>) -> u64 {
    let entries = call.server.registry.all();
    let bytes = entries.iter().map(|entry| {
        let buffers = entry.view.lock().buffers;
        let held = buffers.input + buffers.input_free + buffers.words + buffers.output_capacity;
        (held + entry.waiting_bytes()) as u64
    });
    bytes.sum()
}

fn append_only(report: &mut Report, call: &Call<'_>, is_log_well: bool) {
    let state = call.server.append_only.state();
    report.flag("aof_enabled", state.is_wanted);
    report.flag("aof_rewrite_in_progress", state.is_rewriting);
    report.field("aof_rewrite_scheduled", 0);
    let took_s = state.took_s.map_or(-1, u64::cast_signed);
    report.field("aof_last_rewrite_time_sec", took_s);
    let running_s = call.now_ms.saturating_sub(state.started_ms) / 1000;
    let running_s = if state.is_rewriting {
        running_s.cast_signed()
    } else {
        -1
    };
    report.field("aof_current_rewrite_time_sec", running_s);
    let status = |is_well| if is_well { "ok" } else { "err" };
    report.field(
        "aof_last_bgrewrite_status",
        status(state.rewrite_error.is_none()),
    );
    report.field("aof_rewrites", state.rewrites);
    report.field(
        "aof_last_write_status",
        status(is_log_well && state.write_error.is_none()),
    );
    report.field("aof_last_cow_size", NOT_FORKED);
    report.field("module_fork_in_progress", 0);
    report.field("module_fork_last_cow_size", NOT_FORKED);
    if state.is_wanted {
        report.field("aof_current_size", state.size);
        report.field("aof_base_size", state.base_size);
        // A rewrite never waits for a save.
        report.field("aof_pending_rewrite", 0);
        report.field("aof_buffer_length", call.server.feed.file_bytes());
        report.flag("aof_pending_bio_fsync", state.is_syncing);
        report.field("aof_delayed_fsync", state.delayed_syncs);
    }
}

pub(super) fn persistence(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    let server = call.server;
    let is_log_well = call
        .keyspace
        .engine
        .log()
        .is_none_or(|log| log.poison().is_none());
    report.section("Persistence");
    let progress = server.loading.progress();
    report.flag("loading", progress.is_some());
    report.field("async_loading", 0);
    let saves = server.saves.state();
    let is_running = server.saves.job.is_running();
    let dirty = call.keyspace.stats.dirty.saturating_sub(saves.dirty);
    report.field("rdb_changes_since_last_save", dirty);
    report.flag("rdb_bgsave_in_progress", is_running);
    report.field("rdb_last_save_time", saves.last_s);
    let status = if saves.error.is_none() { "ok" } else { "err" };
    report.field("rdb_last_bgsave_status", status);
    let took_s = saves.took_s.map_or(-1, u64::cast_signed);
    report.field("rdb_last_bgsave_time_sec", took_s);
    let now_s = call.now_ms.saturating_sub(saves.started_ms) / 1000;
    let running_s = if is_running { now_s.cast_signed() } else { -1 };
    report.field("rdb_current_bgsave_time_sec", running_s);
    report.field("rdb_saves", saves.saves);
    report.field("rdb_last_cow_size", NOT_FORKED);
    append_only(report, call, is_log_well);
    if let Some(progress) = progress {
        let remaining_s = progress.remaining_s(call.now_ms);
        report.field("loading_start_time", progress.started_ms / 1000);
        report.field("loading_total_transactions", progress.total);
        report.field("loading_loaded_transactions", progress.done);
        report.field(
            "loading_loaded_perc",
            format_args!("{:.2}", progress.percent()),
        );
        report.field("loading_eta_seconds", remaining_s);
    }
    Ok(())
}
