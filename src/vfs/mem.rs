//! Files in memory, for unit tests of the layers above. They forget nothing: crashes are the simulator's business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult};

#[derive(Debug, Default)]
pub struct MemFile {
    bytes: Mutex<Vec<u8>>,
    /// Bytes that `allocate` refuses to go beyond.
    capacity: Option<u64>,
    path: PathBuf,
}

impl MemFile {
    pub fn with_capacity(bytes: u64) -> Self {
        Self {
            capacity: Some(bytes),
            ..Self::default()
        }
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

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
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
        self.bytes.lock().resize(len as usize, 0);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        if self.capacity.is_some_and(|c| offset + len > c) {
            return Err(VfsError {
                kind: VfsErrorKind::NoSpace,
                op: "allocate",
                path: self.path.clone(),
                offset: Some(offset),
                effect_unknown: false,
                message: "no space".to_owned(),
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
        Ok(())
    }

    fn sync_all(&self) -> VfsResult<()> {
        Ok(())
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Files in memory by name. Through a handle that was opened for reading nothing is written.
#[derive(Clone, Debug, Default)]
pub struct MemVfs {
    files: Arc<Mutex<BTreeMap<PathBuf, Arc<MemFile>>>>,
    /// Files of which every write fails, and does nothing.
    failing: Arc<Mutex<BTreeSet<PathBuf>>>,
}

#[derive(Debug)]
struct Handle {
    file: Arc<MemFile>,
    path: PathBuf,
    may_write: bool,
    failing: Arc<Mutex<BTreeSet<PathBuf>>>,
}

fn not_found(path: &Path) -> VfsError {
    VfsError {
        kind: VfsErrorKind::NotFound,
        op: "open",
        path: path.to_path_buf(),
        offset: None,
        effect_unknown: false,
        message: "no such file".to_owned(),
    }
}

impl MemVfs {
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        self.files.lock()[path].bytes.lock().clone()
    }

    pub fn set(&self, path: &Path, bytes: Vec<u8>) {
        let file = MemFile {
            bytes: Mutex::new(bytes),
            ..MemFile::default()
        };
        self.files.lock().insert(path.to_path_buf(), Arc::new(file));
    }

    pub fn remove(&self, path: &Path) {
        self.files.lock().remove(path);
    }

    /// Whether every write to this file fails from now on.
    pub fn fail_writes(&self, path: &Path, fail: bool) {
        let mut failing = self.failing.lock();
        if fail {
            failing.insert(path.to_path_buf());
        } else {
            failing.remove(path);
        }
    }

    /// Files that share nothing with these.
    pub fn copy(&self) -> Self {
        let out = Self::default();
        for (path, file) in self.files.lock().iter() {
            out.set(path, file.bytes.lock().clone());
        }
        out
    }
}

impl Vfs for MemVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        let mut files = self.files.lock();
        if !files.contains_key(path) {
            if matches!(mode, OpenMode::Read | OpenMode::ReadWrite) {
                return Err(not_found(path));
            }
            files.insert(path.to_path_buf(), Arc::default());
        }
        Ok(Arc::new(Handle {
            file: Arc::clone(&files[path]),
            path: path.to_path_buf(),
            may_write: mode != OpenMode::Read,
            failing: Arc::clone(&self.failing),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or_else(|| not_found(from))?;
        files.insert(to.to_path_buf(), file);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        self.remove(path);
        Ok(())
    }

    fn list(&self, _dir: &Path) -> VfsResult<Vec<PathBuf>> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn sync_dir(&self, _dir: &Path) -> VfsResult<()> {
        Ok(())
    }
}

impl VfsFile for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        assert!(self.may_write, "a reader writes nothing");
        if self.failing.lock().contains(&self.path) {
            return Err(VfsError {
                kind: VfsErrorKind::Io,
                op: "write",
                path: self.path.clone(),
                offset: Some(offset),
                effect_unknown: false,
                message: "the test says so".to_owned(),
            });
        }
        self.file.write_at(buf, offset)
    }

    fn len(&self) -> VfsResult<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        assert!(self.may_write, "a reader writes nothing");
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        assert!(self.may_write, "a reader writes nothing");
        self.file.allocate(offset, len)
    }

    fn sync_data(&self) -> VfsResult<()> {
        assert!(self.may_write, "a reader syncs nothing");
        self.file.sync_data()
    }

    fn sync_all(&self) -> VfsResult<()> {
        self.sync_data()
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        self.file.lock_exclusive()
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
