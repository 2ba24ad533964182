//! Files in memory, for tests and fuzz targets. They forget nothing: crashes are the simulator's business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult, folder_of};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A file system in memory. Clones are the same one.
///
/// There are no directories to make, a sync has nothing to do, and nobody is locked out by another.
#[derive(Clone, Debug, Default)]
pub struct MemVfs {
    files: Arc<Mutex<BTreeMap<PathBuf, Bytes>>>,
    failing: Arc<Mutex<BTreeSet<PathBuf>>>,
    reads_now: Arc<AtomicBool>,
}

impl MemVfs {
    /// The bytes of a file.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        self.files.lock()[path].lock().clone()
    }

    /// Puts a new file in the place of what has that name.
    pub fn set(&self, path: &Path, bytes: Vec<u8>) {
        let bytes = Arc::new(Mutex::new(bytes));
        self.files.lock().insert(path.to_path_buf(), bytes);
    }

    /// Whether every write to this file fails from now on, and does nothing.
    pub fn fail_writes(&self, path: &Path, fail: bool) {
        let mut failing = self.failing.lock();
        if fail {
            failing.insert(path.to_path_buf());
        } else {
            failing.remove(path);
        }
    }

    /// Whether files say from now on that they are read without a wait. At first they do not say.
    pub fn read_now(&self, says: bool) {
        self.reads_now.store(says, Ordering::Relaxed);
    }

    /// Writes over what a file has, for those that have it open, too.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn overwrite(&self, path: &Path, bytes: &[u8]) {
        *self.files.lock()[path].lock() = bytes.to_vec();
    }

    /// Files that share nothing with these.
    pub fn copy(&self) -> Self {
        let out = Self::default();
        for (path, bytes) in self.files.lock().iter() {
            out.set(path, bytes.lock().clone());
        }
        out
    }
}

fn error(kind: VfsErrorKind, op: &'static str, path: &Path, message: &str) -> VfsError {
    VfsError {
        kind,
        op,
        path: path.to_path_buf(),
        offset: None,
        effect_unknown: false,
        message: message.to_owned(),
    }
}

fn not_found(op: &'static str, path: &Path) -> VfsError {
    error(VfsErrorKind::NotFound, op, path, "no such file")
}

impl Vfs for MemVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        let mut files = self.files.lock();
        let bytes = match (files.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => {
                let kind = VfsErrorKind::AlreadyExists;
                return Err(error(kind, "open", path, "the file exists"));
            }
            (Some(bytes), _) => Arc::clone(bytes),
            (None, OpenMode::Read | OpenMode::ReadWrite) => return Err(not_found("open", path)),
            (None, _) => Arc::clone(files.entry(path.to_path_buf()).or_default()),
        };
        Ok(Arc::new(MemFile {
            bytes,
            path: path.to_path_buf(),
            is_for_reading: mode == OpenMode::Read,
            capacity: None,
            failing: Arc::clone(&self.failing),
            reads_now: Arc::clone(&self.reads_now),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        let mut files = self.files.lock();
        let bytes = files
            .remove(from)
            .ok_or_else(|| not_found("rename", from))?;
        files.insert(to.to_path_buf(), bytes);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        let gone = self.files.lock().remove(path);
        gone.map(|_| ()).ok_or_else(|| not_found("unlink", path))
    }

    fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>> {
        let files = self.files.lock();
        let inside = files.keys().filter(|path| folder_of(path) == dir);
        Ok(inside.cloned().collect())
    }

    fn sync_dir(&self, _dir: &Path) -> VfsResult<()> {
        Ok(())
    }
}

/// An open file of a [`MemVfs`], or one without a name. It panics where it was opened for reading and is written or synced.
#[derive(Debug, Default)]
pub struct MemFile {
    bytes: Bytes,
    path: PathBuf,
    is_for_reading: bool,
    /// Bytes that `allocate` refuses to go beyond.
    capacity: Option<u64>,
    /// The files of which every write fails.
    failing: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// Relaxed: it is a switch of a test.
    reads_now: Arc<AtomicBool>,
}

impl MemFile {
    /// A file without a name, on a disk that has room for so many bytes of it.
    pub fn with_capacity(bytes: u64) -> Self {
        Self {
            capacity: Some(bytes),
            ..Self::default()
        }
    }

    fn may_write(&self) {
        assert!(!self.is_for_reading, "a reader writes and syncs nothing");
    }
}

impl VfsFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let bytes = self.bytes.lock();
        let start = (offset as usize).min(bytes.len());
        let n = buf.len().min(bytes.len() - start);
        buf[..n].copy_from_slice(&bytes[start..start + n]);
        Ok(n)
    }

    fn read_now_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<Option<usize>> {
        if !self.reads_now.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.read_at(buf, offset).map(Some)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        self.may_write();
        if self.failing.lock().contains(&self.path) {
            return Err(VfsError {
                offset: Some(offset),
                ..error(VfsErrorKind::Io, "write", &self.path, "the test says so")
            });
        }
        let mut bytes = self.bytes.lock();
        let end = offset as usize + buf.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(buf);
        Ok(buf.len())
    }

    fn len(&self) -> VfsResult<u64> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        self.may_write();
        self.bytes.lock().resize(len as usize, 0);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        self.may_write();
        if self.capacity.is_some_and(|c| offset + len > c) {
            return Err(VfsError {
                offset: Some(offset),
                ..error(VfsErrorKind::NoSpace, "allocate", &self.path, "no space")
            });
        }
        let mut bytes = self.bytes.lock();
        let end = (offset + len) as usize;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> VfsResult<()> {
        self.may_write();
        Ok(())
    }

    fn sync_all(&self) -> VfsResult<()> {
        self.sync_data()
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
