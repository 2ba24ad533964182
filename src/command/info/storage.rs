//! The section `# Storage` of INFO: the file, the cache, the log, checkpoints, snapshots.

use super::Report;
use crate::command::Call;
use crate::command::server::Server;
use crate::keyspace::forms::{Forms, KINDS};
use crate::storage::{Engine, Error};

pub(super) fn storage(report: &mut Report, call: &mut Call<'_>) -> Result<(), Error> {
    report.section("Storage");
    if call.server.loading.is_on() {
        return Ok(());
    }
    let engine = &call.keyspace.engine;
    report.field("file", engine.source().file().path().display());
    forms(report, &call.keyspace.stats.forms);
    pages(report, engine);
    log(report, engine);
    archive(report, engine, call.server);
    checkpoints(report, engine, call.server);
    Ok(())
}

/// Collections that outgrew their body, and those that fit into one again, by kind.
fn forms(report: &mut Report, forms: &Forms) {
    for kind in KINDS {
        let name = kind.name();
        report.field(&format!("grown_{name}"), forms.grown(kind).unwrap_or(0));
        report.field(&format!("shrunk_{name}"), forms.shrunk(kind).unwrap_or(0));
    }
}

fn pages(report: &mut Report, engine: &Engine) {
    let pager = engine.pager();
    let page_bytes = pager.page_bytes() as u64;
    let space = pager.space();
    report.field("page_bytes", page_bytes);
    report.field("file_pages", space.pages());
    report.field("file_bytes", space.pages() * page_bytes);
    report.field("file_free_pages", space.free_pages());
    let data_pages = space.pages() - space.free_pages();
    report.field("data_bytes", data_pages * page_bytes);
    let (frames, frames_max) = pager.frames();
    report.field("cache_frames", frames);
    report.field("cache_frames_max", frames_max);
    report.field("cache_bytes", frames as u64 * page_bytes);
    report.field("cache_bytes_max", frames_max as u64 * page_bytes);
    report.field("cache_dirty_frames", pager.dirty_frames());
    let stats = pager.stats();
    report.field("cache_hits", stats.hits);
    report.field("cache_misses", stats.misses);
    report.field("cache_evictions", stats.evictions);
    report.field("cache_writes_by_eviction", stats.writes_by_eviction);
    report.field("pages_born", stats.births);
    report.field("pages_copied_on_write", stats.copies_on_write);
    report.field("dropped_trees_waiting", engine.dropped());
    report.flag("poisoned", is_poisoned(engine));
}

fn is_poisoned(engine: &Engine) -> bool {
    engine.pager().is_poisoned() || engine.log().is_some_and(|log| log.poison().is_some())
}

fn log(report: &mut Report, engine: &Engine) {
    report.field("log_last_lsn", engine.last_lsn());
    let Some(log) = engine.log() else {
        return;
    };
    report.field("log_written_lsn", log.written_lsn());
    report.field("log_synced_lsn", log.synced_lsn());
    report.field("log_unwritten_bytes", log.unwritten_bytes());
    report.field("log_written_bytes", log.total_bytes_written());
    report.field("log_bytes_since_checkpoint", log.bytes_since_checkpoint());
    report.field("log_live_bytes", log.live_bytes());
    report.field("log_file_bytes", log.file_len());
}

/// The folder of `wal-keep`.
fn archive(report: &mut Report, engine: &Engine, server: &Server) {
    let log = engine.log();
    let lsn = log.and_then(|log| log.archived_lsn());
    let state = server.archive.state();
    report.flag("wal_keep", lsn.is_some());
    report.field("wal_keep_segments", state.copied.files);
    report.field("wal_keep_bytes", state.copied.bytes);
    report.field("wal_keep_last_lsn", lsn.unwrap_or_default());
    let waiting = log.map_or(0, |log| log.waiting_bytes());
    report.field("wal_keep_waiting_bytes", waiting);
    report.field("wal_keep_failures", state.failures);
    let status = if state.error.is_none() { "ok" } else { "err" };
    report.field("wal_keep_last_status", status);
    // One line, whatever the operating system says.
    let error = state.error.unwrap_or_default().replace(['\r', '\n'], " ");
    report.field("wal_keep_last_error", error);
}

fn checkpoints(report: &mut Report, engine: &Engine, server: &Server) {
    let now_us = server.clock.mono_us();
    let state = engine.checkpoint_state();
    let age_ms = now_us.saturating_sub(state.finished_mono_us) / 1000;
    report.field("checkpoint_seq", state.meta.checkpoint.seq);
    report.field("checkpoint_lsn", state.meta.checkpoint.lsn);
    report.field("checkpoint_age_ms", age_ms);
    report.field("checkpoint_last_ms", state.duration_us / 1000);
    report.flag("checkpoint_running", state.is_running());
    report.field("checkpoints", state.completed);
    report.field("checkpoint_pages_written", state.pages_written);
    report.flag("log_required", state.meta.log_required);
    let backups = server.backups.state();
    report.flag(
        "checkpoints_held",
        backups.held_until_ms > server.clock.wall_ms(),
    );
    report.flag("backup_in_progress", server.backups.job.is_running());
    report.field("backup_pages", backups.copied.pages);
    report.field("backup_pages_total", backups.copied.pages_total);
    report.field("backups", backups.done);
    let status = if backups.error.is_none() { "ok" } else { "err" };
    report.field("backup_last_status", status);
    report.field("snapshots", engine.snapshots());
    let oldest_us = engine.oldest_snapshot_us().unwrap_or(now_us);
    let age_ms = now_us.saturating_sub(oldest_us) / 1000;
    report.field("oldest_snapshot_age_ms", age_ms);
    let readers = state.readers();
    report.field("live_readers", readers.count);
    let behind = |oldest| state.meta.checkpoint.seq.saturating_sub(oldest);
    let behind = readers.oldest_checkpoint.map_or(0, behind);
    report.field("live_oldest_checkpoints_behind", behind);
}
