//! What the fuzz targets share: files in memory, a clock that stands still, and edits read from fuzz input.

pub mod database;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use redkeep::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// Files in memory, which forget nothing and never fail.
#[derive(Clone, Debug, Default)]
pub struct MemVfs {
    files: Arc<Mutex<BTreeMap<PathBuf, Bytes>>>,
}

#[derive(Debug)]
struct MemFile {
    bytes: Bytes,
    path: PathBuf,
    may_write: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no target panics and goes on")
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
    /// The bytes of a file that is there.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        locked(&locked(&self.files)[path]).clone()
    }

    pub fn set(&self, path: &Path, bytes: Vec<u8>) {
        locked(&self.files).insert(path.to_path_buf(), Arc::new(Mutex::new(bytes)));
    }
}

impl Vfs for MemVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        let mut files = locked(&self.files);
        if !files.contains_key(path) {
            if matches!(mode, OpenMode::Read | OpenMode::ReadWrite) {
                return Err(not_found(path));
            }
            files.insert(path.to_path_buf(), Bytes::default());
        }
        Ok(Arc::new(MemFile {
            bytes: Arc::clone(&files[path]),
            path: path.to_path_buf(),
            may_write: mode != OpenMode::Read,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        let mut files = locked(&self.files);
        let bytes = files.remove(from).ok_or_else(|| not_found(from))?;
        files.insert(to.to_path_buf(), bytes);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        let gone = locked(&self.files).remove(path);
        gone.map(|_| ()).ok_or_else(|| not_found(path))
    }

    fn list(&self, _dir: &Path) -> VfsResult<Vec<PathBuf>> {
        Ok(locked(&self.files).keys().cloned().collect())
    }

    fn sync_dir(&self, _dir: &Path) -> VfsResult<()> {
        Ok(())
    }
}

impl MemFile {
    fn for_writing(&self) -> MutexGuard<'_, Vec<u8>> {
        assert!(self.may_write, "it was opened for reading");
        locked(&self.bytes)
    }
}

impl VfsFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let bytes = locked(&self.bytes);
        let start = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        let n = buf.len().min(bytes.len() - start);
        buf[..n].copy_from_slice(&bytes[start..start + n]);
        Ok(n)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        let mut bytes = self.for_writing();
        let end = offset as usize + buf.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(buf);
        Ok(buf.len())
    }

    fn len(&self) -> VfsResult<u64> {
        Ok(locked(&self.bytes).len() as u64)
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        self.for_writing().resize(len as usize, 0);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        let mut bytes = self.for_writing();
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

/// A clock that stands still.
#[derive(Debug)]
pub struct Standstill;

impl Clock for Standstill {
    fn wall_ms(&self) -> u64 {
        1
    }

    fn wall_us(&self) -> u64 {
        1000
    }

    fn mono_us(&self) -> u64 {
        0
    }
}

/// Bytes to be put at places of a file.
#[derive(Debug)]
pub struct Edits<'a> {
    input: &'a [u8],
}

impl<'a> Edits<'a> {
    /// Reads edits from `input`: a place (3 bytes), a length (1 byte, up to 16), the bytes.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input }
    }
}

impl<'a> Iterator for Edits<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, len], rest) = self.input.split_first_chunk::<4>()?;
        let place = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let (bytes, rest) = rest.split_at_checked(usize::from(len % 16) + 1)?;
        self.input = rest;
        Some((place, bytes))
    }
}
