//! The thread that writes snapshots of all databases as RDB files.
//!
//! The file is written beside its place, synced, renamed, and its folder synced: after a crash the old one is there or
//! the new one, whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::dump_file::DumpFile;
use super::priority;
use super::thread::Thread;
use crate::command::save;
use crate::storage::planted::Planted;
use crate::sync::Wake;
use crate::vfs::{OpenMode, Orphans, Vfs};

/// How often the rules of `save` are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a save that failed is not tried again because of a rule, in seconds.
const REST_S: u64 = 5;

/// The running thread.
pub struct Saver {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Saver {
    pub fn start(shared: Arc<Shared>, vfs: Arc<dyn Vfs>) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = Thread::start("save", move || run(&of_thread, &*vfs))?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread, and gives up the save that is on.
    pub fn stop(self) {
        self.shared.server.saves.job.stop();
        self.thread.join();
    }
}

fn run(shared: &Shared, vfs: &dyn Vfs) {
    priority::give_way();
    let job = &shared.server.saves.job;
    // Dumps that newer ones replaced.
    let mut orphans = Orphans::default();
    loop {
        match job.wait(Some(LOOK)) {
            Wake::Stop => return,
            Wake::Asked(()) => serve(shared, vfs, &mut orphans),
            Wake::Time => {
                orphans.cut(&*shared.server.clock);
                if is_due(shared) {
                    job.ask((), None);
                }
            }
        }
    }
}

/// Whether enough has changed for long enough, as a rule of `save` says.
fn is_due(shared: &Shared) -> bool {
    let server = &shared.server;
    let rules = server.config.save_rules();
    if rules.is_empty() || server.loading.is_on() {
        return false;
    }
    let state = server.saves.state();
    let now_s = server.clock.wall_ms() / 1000;
    if state.error.is_some() && now_s.saturating_sub(state.started_ms / 1000) < REST_S {
        return false;
    }
    let dirty = shared.engine.lock().stats.dirty.saturating_sub(state.dirty);
    let since_s = now_s.saturating_sub(state.last_s);
    rules
        .iter()
        .any(|rule| dirty.cast_signed() >= rule.changes && since_s.cast_signed() > rule.seconds)
}

fn serve(shared: &Shared, vfs: &dyn Vfs, orphans: &mut Orphans) {
    let server = &shared.server;
    let (snapshot, dirty, keys, keyspace_has_fields) = {
        let mut keyspace = shared.engine.lock();
        let keys = keyspace.len_of_all();
        let has_fields = keyspace.has_expiring_fields();
        let dirty = keyspace.stats.dirty;
        (keyspace.engine.snapshot(), dirty, keys, has_fields)
    };
    let now_ms = server.clock.wall_ms();
    server.saves.started(now_ms, keys);
    let path = save::path(server);
    let facts = save::facts(server, keyspace_has_fields, now_ms);
    let before = vfs.open(&path, OpenMode::ReadWrite);
    let file = DumpFile {
        path: &path,
        is_rdb: true,
        snapshot: &snapshot,
        facts: &facts,
        vfs,
        server,
        is_stopping: &|| server.saves.job.is_stopping(),
        planted: Planted::none(),
    };
    let saved = file.write(&mut |done| {
        orphans.cut(&*server.clock);
        server.saves.advanced(done);
    });
    let error = saved.err().map(|error| error.to_string());
    if let (Ok(before), None) = (before, &error) {
        orphans.take(before);
    }
    match &error {
        None => tracing::info!("{} is saved", path.display()),
        Some(error) => tracing::warn!("{} was not saved: {error}", path.display()),
    }
    server.saves.ended(server.clock.wall_ms(), dirty, error);
}
