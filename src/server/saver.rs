//! The thread that writes snapshots of all databases as RDB files.
//!
//! The file is written beside its place, synced, renamed, and its folder synced: after a crash the old one is there or
//! the new one, whole.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Shared;
use super::priority;
use crate::command::bell::Ring;
use crate::command::settings;
use crate::config::Key;
use crate::interchange::export::{self, Facts};
use crate::storage::planted::Planted;
use crate::storage::replace::{Unsynced, replace_file};
use crate::vfs::{Vfs, VfsFile, write_all_at};

/// How often the rules of `save` are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes that are written together.
const BUFFER_BYTES: usize = 1 << 20;
/// How long a save that failed is not tried again because of a rule, in seconds.
const REST_S: u64 = 5;

/// The running thread.
pub struct Saver {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Saver {
    pub fn start(shared: Arc<Shared>, vfs: Arc<dyn Vfs>) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("save".to_owned())
            .spawn(move || run(&of_thread, &*vfs))?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread after the save that is on.
    pub fn stop(self) {
        self.shared.server.saves.bell.stop();
        if self.thread.join().is_err() {
            tracing::error!("the save thread panicked");
        }
    }
}

fn run(shared: &Shared, vfs: &dyn Vfs) {
    priority::give_way();
    let bell = &shared.server.saves.bell;
    loop {
        match bell.wait(Some(LOOK)) {
            Ring::Stop => return,
            Ring::Asked(()) => serve(shared, vfs),
            Ring::Time => {
                if is_due(shared) {
                    bell.ask((), None);
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

fn serve(shared: &Shared, vfs: &dyn Vfs) {
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
    let config = &server.config;
    let path = PathBuf::from(OsStr::from_bytes(&config.text(Key::Dbfilename)));
    let facts = Facts {
        version: settings::rdb_version(server, keyspace_has_fields),
        compresses: settings::rdb_compresses(server),
        checksums: config.is_on(Key::Rdbchecksum),
        is_aof_base: false,
        databases: config.databases(),
        now_ms,
    };
    let saved = replace(vfs, &path, &mut |out| {
        export::write_file(&snapshot, &facts, out, &mut |done| {
            server.saves.advanced(done)
        })
    });
    let error = saved.err().map(|error| error.to_string());
    match &error {
        None => tracing::info!("{} is saved", path.display()),
        Some(error) => tracing::warn!("{} was not saved: {error}", path.display()),
    }
    server.saves.ended(server.clock.wall_ms(), dirty, error);
}

/// Replaces the file at `path` by the bytes that `fill` writes: after a crash the old one is there, or the new one.
pub fn replace(
    vfs: &dyn Vfs,
    path: &Path,
    fill: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    replace_planted(vfs, path, Planted::none(), fill)
}

/// [`replace`] in a build that may be told to forget a step.
pub fn replace_planted(
    vfs: &dyn Vfs,
    path: &Path,
    planted: Planted,
    fill: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut write = |file: &dyn VfsFile| {
        let mut out = FileWriter {
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            at: 0,
            unsynced: Unsynced::default(),
        };
        fill(&mut out).and_then(|()| out.flush())
    };
    replace_file(vfs, path, planted, io::Error::other, &mut write)
}

/// A file being written from its start, in large pieces.
struct FileWriter<'a> {
    file: &'a dyn VfsFile,
    buffer: Vec<u8>,
    at: u64,
    unsynced: Unsynced,
}

impl FileWriter<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all_at(self.file, bytes, self.at).map_err(io::Error::other)?;
        self.at += bytes.len() as u64;
        let counted = self.unsynced.add(bytes.len(), self.file);
        counted.map_err(io::Error::other)
    }
}

impl Write for FileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            self.put(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let put = self.put(&buffer);
        buffer.clear();
        self.buffer = buffer;
        put
    }
}
