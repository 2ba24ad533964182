//! Putting a file in the place of another, whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use super::open::with_suffix;
use super::planted::{Bug, Planted};
use crate::vfs::{OpenMode, Vfs, VfsError, VfsFile, VfsResult, folder_of, write_all_at};

/// Bytes of a file that is being filled which may not be on the disk yet. Were all synced at its end, the log's own syncs and
/// writes would wait for them.
const UNSYNCED_BYTES_MAX: u64 = 4 << 20;
/// Bytes that are written together.
const BUFFER_BYTES: usize = 1 << 20;

/// Counts what was written to a file since it was synced.
#[derive(Debug, Default)]
pub struct Unsynced {
    bytes: u64,
}

impl Unsynced {
    /// So many more bytes were written: the file is synced if that is enough.
    pub fn add(&mut self, bytes: usize, file: &dyn VfsFile) -> VfsResult<()> {
        self.bytes += bytes as u64;
        if self.bytes >= UNSYNCED_BYTES_MAX {
            file.sync_data()?;
            self.bytes = 0;
        }
        Ok(())
    }
}

/// Replaces the file at `path` by one that `fill` writes: beside its place, synced, renamed, its directory synced. After a
/// crash the old one is there, or the new one, whole. `failed` is what becomes of an error here.
pub fn replace_file<E>(
    vfs: &dyn Vfs,
    path: &Path,
    planted: Planted,
    failed: fn(VfsError) -> E,
    fill: &mut dyn FnMut(&dyn VfsFile) -> Result<(), E>,
) -> Result<(), E> {
    let beside = with_suffix(path, ".tmp");
    let file = vfs.open(&beside, OpenMode::Create).map_err(failed)?;
    // Nobody else writes it, and no server has it open.
    file.lock_exclusive().map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let name = || {
        if !planted.has(Bug::M26NotSyncedBeforeRename) {
            file.sync_data()?;
        }
        vfs.rename(&beside, path)?;
        if planted.has(Bug::M07NoDirSyncAtRename) {
            return Ok(());
        }
        vfs.sync_dir(folder_of(path))
    };
    let done = fill(&*file).and_then(|()| name().map_err(failed));
    if done.is_err() {
        // What is left of it is of no use; where even that fails, the next one is written over it.
        let _ = vfs.unlink(&beside);
    }
    done
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
