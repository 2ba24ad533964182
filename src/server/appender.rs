//! The thread that writes the append-only file.
//!
//! A rewrite takes a snapshot and opens a new increment in one hold of the engine lock, and names it in the manifest;
//! then it writes the snapshot as the new base, names it in the place of everything before, and removes that. Every
//! manifest names parts that together hold everything, so it does not matter where a crash comes.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Shared;
use super::saver;
use crate::command::feed::Pending;
use crate::command::settings;
use crate::config::{AppendFsync, Config, Key};
use crate::interchange::aof::{Manifest, Part, note};
use crate::interchange::export::{self, Facts};
use crate::storage::Snapshot;
use crate::vfs::{OpenMode, Vfs, VfsFile, write_all_at};

/// How often the thread looks at what it was not called for.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two syncs under `everysec`, in microseconds.
const SYNC_US: u64 = 1_000_000;
/// A sync that takes longer delays what is to be written, in microseconds. Redis waits as long with its writes.
const DELAY_US_MAX: u64 = 2_000_000;
/// How long a file that could not be begun is not tried again, in microseconds.
const REST_US: u64 = 5_000_000;

/// Where the parts of the append-only file are.
pub struct Place {
    pub dir: PathBuf,
    pub name: String,
}

impl Place {
    pub fn of(config: &Config) -> Self {
        let name = config.text(Key::Appendfilename);
        Self {
            dir: PathBuf::from(OsStr::from_bytes(&config.text(Key::Appenddirname))),
            name: String::from_utf8_lossy(&name).into_owned(),
        }
    }

    pub fn manifest(&self) -> PathBuf {
        self.dir.join(format!("{}.manifest", self.name))
    }
}

/// What stands there when the server begins.
pub enum Before {
    /// Parts that are replaced by the first rewrite.
    Stale(Manifest),
    /// Everything up to the last transaction: it goes on where it ends.
    Whole(Manifest),
    /// What nobody may write over: why.
    Kept(String),
}

/// The running thread.
pub struct Appender {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Appender {
    pub fn start(shared: Arc<Shared>, vfs: Arc<dyn Vfs>, before: Before) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("append".to_owned())
            .spawn(move || {
                let place = Place::of(&of_thread.server.config);
                let mut writer = Writer {
                    shared: &of_thread,
                    vfs: &*vfs,
                    place,
                    manifest: Manifest::default(),
                    kept: None,
                    file: None,
                    at: 0,
                    lsn: 0,
                    others_len: 0,
                    synced_us: 0,
                    is_unsynced: false,
                    rests_until_us: 0,
                };
                writer.take_over(before);
                writer.run();
            })?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread when everything is written.
    pub fn stop(self) {
        self.shared.server.append_only.stop();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the append-only file panicked");
        }
    }
}

/// What a rewrite begins with.
struct Beginning {
    /// Of the base.
    snapshot: Snapshot,
    facts: Facts,
    /// What belongs before it.
    pending: Pending,
    /// The first line of what comes behind, and the transaction that it names.
    note: String,
    lsn: u64,
}

struct Writer<'a> {
    shared: &'a Shared,
    vfs: &'a dyn Vfs,
    place: Place,
    manifest: Manifest,
    /// Why what stands there is not written over.
    kept: Option<String>,
    /// The increment that is written.
    file: Option<Arc<dyn VfsFile>>,
    at: u64,
    /// The transaction to which it leads.
    lsn: u64,
    /// Bytes of the other parts.
    others_len: u64,
    synced_us: u64,
    is_unsynced: bool,
    rests_until_us: u64,
}

impl Writer<'_> {
    fn take_over(&mut self, before: Before) {
        match before {
            Before::Stale(manifest) => self.manifest = manifest,
            Before::Kept(why) => self.kept = Some(why),
            Before::Whole(manifest) => {
                self.manifest = manifest;
                // Where it cannot go on, the file begins anew.
                if let Err(error) = self.go_on() {
                    self.file = None;
                    tracing::warn!("the append-only file does not go on where it ends: {error}");
                }
            }
        }
    }

    /// Goes on at the end of the last increment.
    fn go_on(&mut self) -> io::Result<()> {
        let mut lens = Vec::new();
        for part in self.manifest.parts() {
            let path = self.place.dir.join(&part.name);
            let file = self.vfs.open(&path, OpenMode::ReadWrite);
            let file = file.map_err(io::Error::other)?;
            lens.push(file.len().map_err(io::Error::other)?);
            self.file = Some(file);
        }
        let base = lens.first().copied().unwrap_or(0);
        self.at = lens.pop().unwrap_or(0);
        self.others_len = lens.iter().sum();
        let size = self.others_len + self.at;
        let last = self.manifest.increments.last();
        let name = last.map_or("", |part| &part.name);
        tracing::info!("{name} goes on at offset {}", self.at);
        self.shared.server.append_only.note(|state| {
            // Of how long it was when it was written anew, only the base is left.
            (state.size, state.base_size) = (size, base);
        });
        Ok(())
    }

    fn run(&mut self) {
        let server = &self.shared.server;
        loop {
            let ring = server.append_only.wait(LOOK);
            let is_wanted = server.append_only.state().is_wanted;
            let rests = server.clock.mono_us() < self.rests_until_us && !ring.rewrite;
            if !ring.stop
                && !rests
                && (ring.rewrite || is_wanted != self.file.is_some() || self.has_grown())
            {
                if is_wanted || ring.rewrite {
                    self.rewrite(is_wanted);
                } else {
                    self.close();
                }
            }
            self.drain(ring.stop);
            if ring.stop {
                return;
            }
        }
    }

    fn has_grown(&self) -> bool {
        let config = &self.shared.server.config;
        let (percent, min) = (
            config.aof_rewrite_percentage(),
            config.aof_rewrite_bytes_min(),
        );
        let size = self.others_len + self.at;
        let base = self.shared.server.append_only.state().base_size.max(1);
        self.file.is_some()
            && percent > 0
            && size > min
            && u128::from(size - base.min(size)) * 100 / u128::from(base) >= u128::from(percent)
    }

    /// Writes what was said since the last call, and syncs as `appendfsync` has it.
    fn drain(&mut self, is_last: bool) {
        if self.file.is_none() {
            return;
        }
        let pending = if is_last {
            // What says nothing to the file leads further, too.
            let keyspace = self.shared.engine.lock();
            let mut pending = self.shared.server.feed.take_file();
            pending.lsn = keyspace.last_lsn();
            pending
        } else {
            self.shared.server.feed.take_file()
        };
        let written = self.write(pending).and_then(|()| self.sync(is_last));
        self.tell_written(written);
    }

    fn tell_written(&mut self, written: io::Result<()>) {
        let size = self.others_len + self.at;
        if let Err(error) = &written {
            // Something is missing in it: it begins anew.
            self.file = None;
            tracing::warn!("the append-only file was not written: {error}");
        }
        self.shared.server.append_only.note(|state| {
            state.size = size;
            state.write_error = written.err().map(|error| error.to_string());
        });
    }

    /// Writes these bytes behind a note that announces them.
    fn write(&mut self, mut pending: Pending) -> io::Result<()> {
        let leads_on = !pending.bytes.is_empty() || pending.lsn > self.lsn;
        let Some(file) = self.file.as_ref().filter(|_| leads_on) else {
            return Ok(());
        };
        // What the log does not get must not be here either.
        let log = &self.shared.durability;
        log.write_to(pending.lsn)
            .map_err(|_| io::Error::other("the log failed"))?;
        let announcement = note::span_line(pending.lsn, &pending.bytes);
        pending.bytes.splice(0..0, announcement.into_bytes());
        write_all_at(&**file, &pending.bytes, self.at).map_err(io::Error::other)?;
        self.at += pending.bytes.len() as u64;
        self.lsn = pending.lsn;
        self.is_unsynced = true;
        Ok(())
    }

    fn sync(&mut self, is_last: bool) -> io::Result<()> {
        let server = &self.shared.server;
        let now_us = server.clock.mono_us();
        let is_due = match server.config.appendfsync() {
            AppendFsync::Always => true,
            AppendFsync::EverySecond => now_us.saturating_sub(self.synced_us) >= SYNC_US,
            AppendFsync::No => false,
        };
        let waits = server.append_only.state().is_rewriting
            && server.config.is_on(Key::NoAppendfsyncOnRewrite);
        if let Some(file) = &self.file
            && self.is_unsynced
            && (is_last || (is_due && !waits))
        {
            server.append_only.note(|state| state.is_syncing = true);
            let synced = file.sync_data();
            let took_us = server.clock.mono_us().saturating_sub(now_us);
            server.append_only.note(|state| {
                state.is_syncing = false;
                state.delayed_syncs += u64::from(took_us > DELAY_US_MAX);
            });
            synced.map_err(io::Error::other)?;
            self.synced_us = now_us;
            self.is_unsynced = false;
        }
        Ok(())
    }

    /// `appendonly` is off: the file ends here.
    fn close(&mut self) {
        let pending = {
            let _held = self.shared.engine.lock();
            self.shared.server.feed.open_file(false)
        };
        let written = self.write(pending).and_then(|()| self.sync(true));
        self.tell_written(written);
        self.file = None;
    }

    fn rewrite(&mut self, stays_open: bool) {
        let server = &self.shared.server;
        let now_ms = server.clock.wall_ms();
        server.append_only.note(|state| {
            state.is_rewriting = true;
            state.started_ms = now_ms;
        });
        let result = self.rewrite_parts(stays_open);
        match &result {
            Ok(()) => tracing::info!("{} is written anew", self.place.manifest().display()),
            Err(error) => {
                tracing::warn!("the append-only file was not written anew: {error}");
                self.rests_until_us = server.clock.mono_us() + REST_US;
            }
        }
        let (size, now_ms) = (self.others_len + self.at, server.clock.wall_ms());
        server.append_only.note(|state| {
            state.is_rewriting = false;
            state.took_s = Some(now_ms.saturating_sub(state.started_ms) / 1000);
            if result.is_ok() {
                state.rewrites += 1;
                (state.size, state.base_size) = (size, size);
            }
            state.rewrite_error = result.err().map(|error| error.to_string());
        });
    }

    fn rewrite_parts(&mut self, stays_open: bool) -> io::Result<()> {
        if let Some(why) = &self.kept {
            return Err(io::Error::other(why.clone()));
        }
        self.vfs
            .create_dir(&self.place.dir)
            .map_err(io::Error::other)?;
        let increments = &self.manifest.increments;
        let last = increments.iter().chain(&self.manifest.history);
        let seq = 1 + last.map(|part| part.seq).max().unwrap_or(0);
        let next = self.open_increment(seq, stays_open)?;
        let Beginning {
            snapshot,
            facts,
            pending,
            note,
            lsn,
        } = self.begin()?;
        self.write(pending)?;
        let before: Vec<Part> = self.manifest.increments.clone();
        if let Some((file, part)) = next {
            self.sync(true)?;
            write_all_at(&*file, note.as_bytes(), 0).map_err(io::Error::other)?;
            self.file = Some(file);
            self.others_len += self.at;
            self.at = note.len() as u64;
            self.lsn = lsn;
            self.is_unsynced = true;
            self.manifest.increments.push(part);
            if self.manifest.base.is_some() {
                // From now on what is said stands in the new part.
                self.put_manifest()?;
            }
        }
        let base = self.write_base(&snapshot, &facts)?;
        let old = self.manifest.base.replace(base);
        self.manifest
            .increments
            .retain(|part| !before.contains(part));
        self.put_manifest()?;
        for part in before.iter().chain(&old) {
            // One that stays is in nobody's way.
            let _ = self.vfs.unlink(&self.place.dir.join(&part.name));
        }
        Ok(())
    }

    fn open_increment(
        &self,
        seq: u64,
        stays_open: bool,
    ) -> io::Result<Option<(Arc<dyn VfsFile>, Part)>> {
        if !stays_open {
            return Ok(None);
        }
        let name = format!("{}.{seq}.incr.aof", self.place.name);
        let file = self
            .vfs
            .open(&self.place.dir.join(&name), OpenMode::Create)
            .map_err(io::Error::other)?;
        file.set_len(0).map_err(io::Error::other)?;
        Ok(Some((file, Part { name, seq })))
    }

    fn begin(&self) -> io::Result<Beginning> {
        let server = &self.shared.server;
        let config = &server.config;
        let mut keyspace = self.shared.engine.lock();
        let identity = keyspace.identity().map_err(io::Error::other)?;
        let facts = Facts {
            version: settings::rdb_version(server, keyspace.has_expiring_fields()),
            compresses: settings::rdb_compresses(server),
            checksums: config.is_on(Key::Rdbchecksum),
            is_aof_base: true,
            databases: config.databases(),
            now_ms: server.clock.wall_ms(),
        };
        let lsn = keyspace.last_lsn();
        let snapshot = keyspace.engine.snapshot();
        let is_wanted = server.append_only.state().is_wanted;
        let pending = server.feed.open_file(is_wanted);
        Ok(Beginning {
            snapshot,
            facts,
            pending,
            note: note::place_line(&identity, lsn),
            lsn,
        })
    }

    fn write_base(&mut self, snapshot: &Snapshot, facts: &Facts) -> io::Result<Part> {
        let seq = 1 + self.manifest.base.as_ref().map_or(0, |part| part.seq);
        let is_rdb = self.shared.server.config.is_on(Key::AofUseRdbPreamble);
        let kind = if is_rdb { "rdb" } else { "aof" };
        let name = format!("{}.{seq}.base.{kind}", self.place.name);
        let path = self.place.dir.join(&name);
        let vfs = self.vfs;
        let mut len = 0;
        saver::replace(vfs, &path, &mut |out| {
            let mut counted = Counted { out, len: 0 };
            if is_rdb {
                export::write_file(snapshot, facts, &mut counted, &mut |_| self.drain(false))?;
            } else {
                export::write_commands(snapshot, facts, &mut counted, &mut |_| self.drain(false))?;
            }
            len = counted.len;
            Ok(())
        })?;
        self.others_len = len;
        Ok(Part { name, seq })
    }

    fn put_manifest(&self) -> io::Result<()> {
        // The names of the parts are durable before the one that names them.
        self.vfs
            .sync_dir(&self.place.dir)
            .map_err(io::Error::other)?;
        let text = self.manifest.to_text();
        saver::replace(self.vfs, &self.place.manifest(), &mut |out| {
            out.write_all(text.as_bytes())
        })
    }
}

/// Counts what goes through.
struct Counted<'a> {
    out: &'a mut dyn Write,
    len: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads the manifest at `place`; None if there is none.
pub fn read_manifest(vfs: &dyn Vfs, place: &Place) -> io::Result<Option<Manifest>> {
    let path: &Path = &place.manifest();
    let names = vfs.list(&place.dir).unwrap_or_default();
    if !names
        .iter()
        .any(|name| name.file_name() == path.file_name())
    {
        return Ok(None);
    }
    let file = vfs.open(path, OpenMode::Read).map_err(io::Error::other)?;
    let mut bytes = vec![0; file.len().map_err(io::Error::other)? as usize];
    crate::vfs::read_exact_at(&*file, &mut bytes, 0).map_err(io::Error::other)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Manifest::parse(&text).map(Some).map_err(io::Error::other)
}
