//! The append-only file as its thread writes it: what was said goes behind what is there, and a rewrite begins it anew.
//!
//! A rewrite takes a snapshot and opens a new increment in one hold of the engine lock, and names it in the manifest
//! behind the parts before, if those have everything up to it; then it writes the snapshot as the new base, names it in
//! the place of everything before, and removes that. Every manifest names parts that together hold everything up to some
//! transaction, and that are durable, so it does not matter where a crash comes. Numbers of parts are not used twice: a
//! manifest that could not be written may still be there.

use std::ffi::OsString;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;

use parking_lot::Mutex;

use super::appender::{Before, LOOK, Place};
use super::dump_file::DumpFile;
use super::durability::Durability;
use super::priority;
use crate::command::append_only::Work;
use crate::command::feed::Pending;
use crate::command::server::Server;
use crate::command::settings;
use crate::config::{AppendFsync, Key};
use crate::interchange::aof::{Manifest, Part, leftover, note, span};
use crate::interchange::export::Facts;
use crate::keyspace::Keyspace;
use crate::storage::Snapshot;
use crate::storage::planted::{Bug, Planted};
use crate::storage::replace::replace_planted;
use crate::vfs::{OpenMode, Orphans, Vfs, VfsFile, VfsResult, folder_of, sync_twice, write_all_at};

/// Time between two syncs under `everysec`, in microseconds.
const SYNC_US: u64 = 1_000_000;
/// A sync that takes longer delays what is to be written, in microseconds. Redis waits as long with its writes.
const DELAY_US_MAX: u64 = 2_000_000;
/// How long a file that could not be begun is not tried again, in microseconds.
const REST_US: u64 = 5_000_000;

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

/// An increment that is open.
struct Increment {
    file: Arc<dyn VfsFile>,
    part: Part,
}

/// The writer of the file.
pub struct AppendFile<'a> {
    server: &'a Server,
    engine: &'a Mutex<Keyspace>,
    log: &'a dyn Durability,
    vfs: &'a dyn Vfs,
    place: Place,
    planted: Planted,
    /// As it was written last.
    manifest: Manifest,
    /// Numbers of the next parts.
    next_base: u64,
    next_increment: u64,
    /// Why what stands there is not written over.
    kept: Option<String>,
    /// The increment that is written.
    file: Option<Arc<dyn VfsFile>>,
    at: u64,
    /// The transaction to which it leads.
    lsn: u64,
    /// It says which life of the database goes on.
    names_life: bool,
    /// Bytes of the other parts.
    others_len: u64,
    synced_us: u64,
    is_unsynced: bool,
    rests_until_us: u64,
    /// Parts that were removed.
    orphans: Orphans,
    /// Bases are written by a thread of their own.
    has_helper: bool,
}

impl<'a> AppendFile<'a> {
    /// A file that is begun by the first turn in which it is wanted, if nothing is taken over.
    pub fn new(
        server: &'a Server,
        engine: &'a Mutex<Keyspace>,
        log: &'a dyn Durability,
        vfs: &'a dyn Vfs,
    ) -> Self {
        Self {
            server,
            engine,
            log,
            vfs,
            place: Place::of(&server.config),
            planted: engine.lock().engine.planted(),
            manifest: Manifest::default(),
            next_base: 1,
            next_increment: 1,
            kept: None,
            file: None,
            at: 0,
            lsn: 0,
            names_life: false,
            others_len: 0,
            synced_us: 0,
            is_unsynced: false,
            rests_until_us: 0,
            orphans: Orphans::default(),
            has_helper: false,
        }
    }

    /// From now on the bases are written by another thread, which gives way to those that answer.
    pub fn have_helped(&mut self) {
        self.has_helper = true;
    }

    /// Goes on with what stands there.
    pub fn take_over(&mut self, before: Before) {
        let (manifest, whole_to) = match before {
            Before::Stale(manifest) => (manifest, None),
            Before::Whole(manifest, lsn) => (manifest, Some(lsn)),
            Before::Kept(why) => {
                self.kept = Some(why);
                return;
            }
        };
        let all = || manifest.parts().chain(&manifest.history);
        let highest = 1 + all().map(|part| part.seq).max().unwrap_or(0);
        (self.next_base, self.next_increment) = (highest, highest);
        if let (Some(base), Some(last)) = (&manifest.base, manifest.increments.last())
            && manifest.history.is_empty()
        {
            (self.next_base, self.next_increment) = (base.seq + 1, last.seq + 1);
        }
        self.manifest = manifest;
        // Where it cannot go on, the file begins anew.
        if let Some(lsn) = whole_to
            && let Err(error) = self.go_on(lsn)
        {
            self.file = None;
            tracing::warn!("the append-only file does not go on where it ends: {error}");
        }
    }

    /// Goes on at the end of the last increment, which leads to this transaction.
    fn go_on(&mut self, lsn: u64) -> io::Result<()> {
        (self.lsn, self.names_life) = (lsn, false);
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
        // What an earlier process wrote last may be with the kernel only.
        self.is_unsynced = true;
        let size = self.others_len + self.at;
        let last = self.manifest.increments.last();
        let name = last.map_or("", |part| &part.name);
        tracing::info!("{name} goes on at offset {}", self.at);
        self.server.append_only.note(|state| {
            // Of how long it was when it was written anew, only the base is left.
            (state.size, state.base_size) = (size, base);
        });
        Ok(())
    }

    /// The transaction up to which everything is durable in the file; None: the file is not written, or not all is.
    pub fn synced_to(&self) -> Option<u64> {
        (self.file.is_some() && !self.is_unsynced).then_some(self.lsn)
    }

    /// Does what there is to do: what was asked for, and what was said since the last turn.
    pub fn turn(&mut self, work: Work) {
        let is_wanted = self.server.append_only.state().is_wanted;
        let rests = self.server.clock.mono_us() < self.rests_until_us && !work.rewrite;
        if !work.stop
            && !rests
            && (work.rewrite || is_wanted != self.file.is_some() || self.has_grown())
        {
            if is_wanted || work.rewrite {
                self.rewrite(is_wanted);
            } else {
                self.close();
            }
        }
        self.drain(work.stop);
    }

    fn has_grown(&self) -> bool {
        let config = &self.server.config;
        let (percent, min) = (
            config.aof_rewrite_percentage(),
            config.aof_rewrite_bytes_min(),
        );
        let size = self.others_len + self.at;
        let base = self.server.append_only.state().base_size.max(1);
        self.file.is_some()
            && percent > 0
            && size > min
            && u128::from(size - base.min(size)) * 100 / u128::from(base) >= u128::from(percent)
    }

    /// Writes what was said since the last call, and syncs as `appendfsync` has it.
    fn drain(&mut self, is_last: bool) {
        self.orphans.cut(&*self.server.clock);
        if self.file.is_none() {
            // The next one begins with a snapshot of everything: what is said meanwhile is for nobody.
            self.server.feed.open_file(false);
            return;
        }
        let pending = if is_last {
            // What says nothing to the file leads further, too.
            let keyspace = self.engine.lock();
            let mut pending = self.server.feed.take_file();
            pending.lsn = keyspace.last_lsn();
            pending
        } else {
            self.server.feed.take_file()
        };
        self.write_all(pending, is_last);
    }

    /// Writes these bytes and syncs. Where that fails something is missing in the file: it begins anew.
    fn write_all(&mut self, pending: Pending, is_last: bool) {
        let written = self.write(pending).and_then(|()| self.sync(is_last));
        let size = self.others_len + self.at;
        if let Err(error) = &written {
            self.file = None;
            tracing::warn!("the append-only file was not written: {error}");
        }
        self.server.append_only.note(|state| {
            state.size = size;
            state.write_error = written.err().map(|error| error.to_string());
        });
    }

    /// Writes these bytes between a note that announces them and one that ends them.
    fn write(&mut self, pending: Pending) -> io::Result<()> {
        let leads_on = !pending.bytes.is_empty() || pending.lsn > self.lsn;
        let Some(file) = self.file.as_ref().filter(|_| leads_on) else {
            return Ok(());
        };
        self.precede(pending.lsn)?;
        let mut bytes = match self.names_life {
            true => Vec::new(),
            false => self.life_line()?.into_bytes(),
        };
        self.names_life |= !bytes.is_empty();
        let at = self.at + bytes.len() as u64;
        bytes.extend(span::announced(pending.lsn, pending.bytes, at));
        write_all_at(&**file, &bytes, self.at).map_err(io::Error::other)?;
        self.at += bytes.len() as u64;
        self.lsn = pending.lsn;
        self.is_unsynced = true;
        Ok(())
    }

    /// Gives the log everything up to this transaction: what it does not get must not be in the file either.
    fn precede(&self, lsn: u64) -> io::Result<()> {
        let written = self.log.write_to(lsn);
        written.map_err(|_| io::Error::other("the log failed"))
    }

    /// The line with which this life goes on; empty as long as it has changed nothing.
    fn life_line(&self) -> io::Result<String> {
        let mut keyspace = self.engine.lock();
        let Some(life) = keyspace.life().map(str::to_owned) else {
            return Ok(String::new());
        };
        let identity = keyspace.identity().map_err(io::Error::other)?;
        Ok(note::place_line(&identity, self.lsn, &life))
    }

    fn sync(&mut self, is_last: bool) -> io::Result<()> {
        let server = self.server;
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
            let _held = self.engine.lock();
            self.server.feed.open_file(false)
        };
        self.write_all(pending, true);
        self.file = None;
    }

    fn rewrite(&mut self, stays_open: bool) {
        let server = self.server;
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
        self.make_folder().map_err(io::Error::other)?;
        let next = stays_open.then(|| self.open_increment()).transpose()?;
        let Beginning {
            snapshot,
            facts,
            pending,
            note,
            lsn,
        } = self.begin()?;
        self.precede(lsn)?;
        self.write_all(pending, !self.planted.has(Bug::M34EndNotSynced));
        // Nothing is missing between the parts that are there and the new one.
        let goes_on = self.file.take().is_some() || self.planted.has(Bug::M35GapNotSeen);
        let mut new = Vec::new();
        if let Some(Increment { file, part }) = next {
            self.begin_increment(&*file, &note)?;
            self.others_len += self.at;
            (self.at, self.lsn, self.names_life) = (note.len() as u64, lsn, true);
            new.push(part.clone());
            if goes_on && self.manifest.base.is_some() {
                // From now on what is said stands in the new part.
                let mut manifest = self.manifest.clone();
                manifest.increments.push(part);
                self.put_manifest(manifest)?;
            }
            self.file = Some(file);
        }
        let is_named = self.manifest.increments.ends_with(&new);
        let finished = self.replace_parts(&snapshot, &facts, new);
        if finished.is_err() && !is_named {
            // No manifest surely leads to it.
            self.file = None;
        }
        finished
    }

    /// Makes the folder, durably.
    fn make_folder(&self) -> VfsResult<()> {
        let dir = &self.place.dir;
        self.vfs.create_dir(dir)?;
        self.vfs.sync_dir(folder_of(dir))
    }

    fn open_increment(&mut self) -> io::Result<Increment> {
        let seq = self.next_increment;
        self.next_increment += 1;
        let name = format!("{}.{seq}.incr.aof", self.place.name);
        let file = self
            .vfs
            .open(&self.place.dir.join(&name), OpenMode::Create)
            .map_err(io::Error::other)?;
        file.set_len(0).map_err(io::Error::other)?;
        let part = Part { name, seq };
        Ok(Increment { file, part })
    }

    /// Writes the first line, durably: what the manifest named before is going to be removed.
    fn begin_increment(&mut self, file: &dyn VfsFile, note: &str) -> io::Result<()> {
        write_all_at(file, note.as_bytes(), 0).map_err(io::Error::other)?;
        self.is_unsynced = self.planted.has(Bug::M32PartNotSynced);
        if self.is_unsynced {
            return Ok(());
        }
        sync_twice(file).map_err(io::Error::other)
    }

    fn begin(&self) -> io::Result<Beginning> {
        let server = self.server;
        let config = &server.config;
        let mut keyspace = self.engine.lock();
        let identity = keyspace.identity().map_err(io::Error::other)?;
        let life = keyspace.named_life().map_err(io::Error::other)?;
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
            note: note::place_line(&identity, lsn, &life),
            lsn,
        })
    }

    /// Writes the base, and names it and the `new` increment in the place of everything else, which is removed.
    fn replace_parts(
        &mut self,
        snapshot: &Snapshot,
        facts: &Facts,
        new: Vec<Part>,
    ) -> io::Result<()> {
        let base = self.write_base(snapshot, facts)?;
        let old = self.manifest.clone();
        let manifest = Manifest {
            base: Some(base),
            increments: new,
            history: Vec::new(),
        };
        if self.planted.has(Bug::M33RemovedBeforeManifest) {
            self.remove(&old, &manifest);
        }
        self.put_manifest(manifest.clone())?;
        self.remove(&old, &manifest);
        Ok(())
    }

    fn write_base(&mut self, snapshot: &Snapshot, facts: &Facts) -> io::Result<Part> {
        let seq = self.next_base;
        self.next_base += 1;
        let is_rdb = self.server.config.is_on(Key::AofUseRdbPreamble);
        let kind = if is_rdb { "rdb" } else { "aof" };
        let name = format!("{}.{seq}.base.{kind}", self.place.name);
        let server = self.server;
        let base = DumpFile {
            path: &self.place.dir.join(&name),
            is_rdb,
            snapshot,
            facts,
            vfs: self.vfs,
            server,
            is_stopping: &|| server.append_only.is_stopping(),
            planted: self.planted,
        };
        self.others_len = if self.has_helper {
            self.while_draining(|| base.write(&mut |_| {}))?
        } else {
            base.write(&mut |_| self.drain(false))?
        };
        Ok(Part { name, seq })
    }

    /// Has long work done by a thread that gives way, and meanwhile writes what is said.
    fn while_draining<T: Send>(
        &mut self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let shared = &self.server.append_only;
        std::thread::scope(|scope| {
            let helper = std::thread::Builder::new().name("rewrite".to_owned());
            let helper = helper.spawn_scoped(scope, || {
                priority::give_way();
                let done = work();
                shared.wake();
                done
            })?;
            while !helper.is_finished() && !shared.is_stopping() {
                shared.wait_for_news(LOOK);
                self.drain(false);
            }
            helper.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn put_manifest(&mut self, manifest: Manifest) -> io::Result<()> {
        // The names of the parts are durable before the one that names them.
        if !self.planted.has(Bug::M32PartNotSynced) {
            self.vfs
                .sync_dir(&self.place.dir)
                .map_err(io::Error::other)?;
        }
        let text = manifest.to_text();
        let path = self.place.manifest();
        replace_planted(self.vfs, &path, self.planted, &mut |out| {
            out.write_all(text.as_bytes())
        })?;
        self.manifest = manifest;
        Ok(())
    }

    /// Removes the parts of a manifest that another does not name, and what rewrites left that came to no end. What stays
    /// is in nobody's way.
    fn remove(&mut self, old: &Manifest, kept: &Manifest) {
        let is_kept = |name: &str| kept.parts().any(|part| part.name == name);
        let old = old.parts().chain(&old.history);
        let mut names: Vec<OsString> = old.map(|part| OsString::from(&part.name)).collect();
        for path in self.vfs.list(&self.place.dir).unwrap_or_default() {
            let name = path.file_name().unwrap_or_default();
            if leftover::is_ours(&name.to_string_lossy(), &self.place.name) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        for name in names {
            if is_kept(&name.to_string_lossy()) {
                continue;
            }
            let path = self.place.dir.join(&name);
            let opened = self.vfs.open(&path, OpenMode::ReadWrite);
            if self.vfs.unlink(&path).is_ok()
                && let Ok(file) = opened
            {
                self.orphans.take(file);
            }
        }
    }
}

#[cfg(test)]
mod tests;
