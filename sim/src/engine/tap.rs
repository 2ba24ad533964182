//! A file system that shows every call, with its bytes, to a [`Monitor`] on its way to the simulated disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redkeep::vfs::{OpenMode, Vfs, VfsFile, VfsResult};

use super::monitor::{FileRole, Monitor};
use crate::disk::SimVfs;

/// The monitor of a run, shared by every file and by the driver.
#[derive(Clone, Debug)]
pub struct Watcher(Arc<Mutex<Monitor>>);

impl Watcher {
    /// Shares a monitor.
    pub fn new(monitor: Monitor) -> Self {
        Self(Arc::new(Mutex::new(monitor)))
    }

    /// The monitor. Never held across a call to the disk.
    pub fn lock(&self) -> MutexGuard<'_, Monitor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulated disk behind a monitor.
#[derive(Clone, Debug)]
pub struct Tap {
    vfs: SimVfs,
    watcher: Watcher,
}

impl Tap {
    /// Puts `watcher` before the disk.
    pub fn new(vfs: SimVfs, watcher: Watcher) -> Self {
        Self { vfs, watcher }
    }
}

fn role(path: &Path) -> FileRole {
    if path.as_os_str().as_encoded_bytes().ends_with(b"-wal") {
        FileRole::Log
    } else {
        FileRole::Data
    }
}

impl Vfs for Tap {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        let file = self.vfs.open(path, mode)?;
        Ok(Arc::new(TapFile {
            file,
            role: role(path),
            vfs: self.vfs.clone(),
            watcher: self.watcher.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        self.vfs.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        self.vfs.unlink(path)
    }

    fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>> {
        self.vfs.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> VfsResult<()> {
        self.vfs.sync_dir(dir)
    }
}

#[derive(Debug)]
struct TapFile {
    file: Arc<dyn VfsFile>,
    role: FileRole,
    vfs: SimVfs,
    watcher: Watcher,
}

impl TapFile {
    /// Runs a check before a call, unless nothing is alive that could make it.
    fn before(&self, look: impl FnOnce(&mut Monitor)) {
        if !self.vfs.crashed() {
            look(&mut self.watcher.lock());
        }
    }
}

impl VfsFile for TapFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let read = self.file.read_at(buf, offset)?;
        self.watcher.lock().read(self.role, offset, &buf[..read]);
        Ok(read)
    }

    fn read_now_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<Option<usize>> {
        self.file.read_now_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        self.before(|m| m.write_begins(self.role, offset, buf));
        let done = self.file.write_at(buf, offset);
        if let Ok(n) = done {
            self.watcher.lock().written(self.role, offset, &buf[..n]);
        }
        done
    }

    fn len(&self) -> VfsResult<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        self.before(|m| m.set_len_begins(self.role, len));
        let done = self.file.set_len(len);
        if done.is_ok() {
            self.watcher.lock().resized(self.role, len);
        }
        done
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        let done = self.file.allocate(offset, len);
        if done.is_ok() {
            self.watcher.lock().allocated(self.role, offset + len);
        }
        done
    }

    fn sync_data(&self) -> VfsResult<()> {
        let covered = self.watcher.lock().sync_begins(self.role);
        let done = self.file.sync_data();
        if done.is_ok() {
            self.watcher.lock().synced(self.role, covered);
        }
        done
    }

    fn sync_all(&self) -> VfsResult<()> {
        let covered = self.watcher.lock().sync_begins(self.role);
        let done = self.file.sync_all();
        if done.is_ok() {
            self.watcher.lock().synced(self.role, covered);
        }
        done
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        self.file.lock_exclusive()
    }

    fn path(&self) -> &Path {
        self.file.path()
    }
}
