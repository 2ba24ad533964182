//! Putting a file in the place of another, or a copy in its own place again, whole or not at all.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::open::with_suffix;
use super::planted::{Bug, Planted};
use crate::vfs::{
    OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult, folder_of, read_exact_at,
    sync_twice, write_all_at,
};

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

/// A new file that this process alone writes.
#[derive(Debug)]
pub struct NewFile {
    pub file: Arc<dyn VfsFile>,
    /// What had the name before. As long as this holds its lock, nobody who met it there goes on.
    pub left: Option<Arc<dyn VfsFile>>,
}

impl NewFile {
    /// An empty file at `path`, where an attempt that did not end may have left another. That one loses the name and is not
    /// written: after a power loss the file that was renamed from here can have both names, and what has been whole under
    /// the other one, or under a third that somebody gave it since, must stay as it is.
    ///
    /// # Errors
    /// Somebody else is writing what is there, or it is a file that is in use.
    pub fn create(vfs: &dyn Vfs, path: &Path) -> VfsResult<Self> {
        let left = match vfs.open(path, OpenMode::ReadWrite) {
            Ok(left) => Some(left),
            Err(error) if error.kind == VfsErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(left) = &left {
            left.lock_exclusive()?;
            match vfs.unlink(path) {
                // Whoever wrote it has just given it its name.
                Err(error) if error.kind == VfsErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        let file = vfs.open(path, OpenMode::CreateNew)?;
        file.lock_exclusive()?;
        Ok(Self { file, left })
    }
}

/// Writes both copies of something again that stands twice, one copy behind the other from `start`, because they may be
/// shown and not durable: where a sync failed, the kernel may show bytes that it will never write, and no later sync says so.
/// A torn copy comes first, and a sync behind each, so that while one is written the other is whole. The caller has synced
/// before: what an earlier process was writing when it was killed may be on its way.
pub(super) fn settle_copies(file: &dyn VfsFile, copy: &[u8], start: u64) -> VfsResult<()> {
    let second = start + copy.len() as u64;
    let mut found = vec![0; copy.len()];
    read_exact_at(file, &mut found, second)?;
    let order = if found == copy {
        [start, second]
    } else {
        [second, start]
    };
    for at in order {
        write_all_at(file, copy, at)?;
        file.sync_data()?;
    }
    Ok(())
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
    let new = NewFile::create(vfs, &beside).map_err(failed)?;
    let file = &new.file;
    let name = || {
        if planted.has(Bug::M44SyncedOnceBeforeRename) {
            file.sync_data()?;
        } else if !planted.has(Bug::M26NotSyncedBeforeRename) {
            sync_twice(&**file)?;
        }
        vfs.rename(&beside, path)?;
        if planted.has(Bug::M07NoDirSyncAtRename) {
            return Ok(());
        }
        vfs.sync_dir(folder_of(path))
    };
    let done = fill(&**file).and_then(|()| name().map_err(failed));
    if done.is_err() {
        // What is left of it is of no use; where even that fails, the next one takes its name.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::vfs::OsVfs;

    fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
        replace(&OsVfs, path, &mut |out| out.write_all(bytes))
    }

    /// A power loss between a rename and the sync of the directory can leave both names.
    #[test]
    fn a_file_that_has_the_name_beside_it_too_is_whole_until_it_is_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("dump.rdb");
        let beside = with_suffix(&path, ".tmp");
        put(&path, b"first").expect("written");
        fs::hard_link(&path, &beside).expect("both names");
        let kept = dir.path().join("kept.rdb");
        fs::hard_link(&path, &kept).expect("a third one");
        let done = replace(&OsVfs, &path, &mut |out| {
            out.write_all(b"second")?;
            out.flush()?;
            assert_eq!(fs::read(&path)?, b"first");
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(done.is_err() && !beside.exists());
        assert_eq!(fs::read(&path).expect("the old one"), b"first");
        fs::hard_link(&path, &beside).expect("both names");
        put(&path, b"third").expect("written");
        assert_eq!(fs::read(&path).expect("the new one"), b"third");
        assert_eq!(fs::read(&kept).expect("the old one"), b"first");
        assert!(!beside.exists());
    }

    #[test]
    fn what_somebody_writes_beside_a_file_is_left_to_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("dump.rdb");
        let beside = with_suffix(&path, ".tmp");
        let theirs = NewFile::create(&OsVfs, &beside).expect("made");
        let refused = NewFile::create(&OsVfs, &beside).expect_err("it is locked");
        assert_eq!(refused.kind, VfsErrorKind::Locked);
        write_all_at(&*theirs.file, b"theirs", 0).expect("written");
        assert!(put(&path, b"ours").is_err());
        assert_eq!(fs::read(&beside).expect("it is there"), b"theirs");
        drop(theirs);
        put(&path, b"ours").expect("written");
        assert_eq!(fs::read(&path).expect("it is there"), b"ours");
    }
}
