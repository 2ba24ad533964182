//! A file in memory, for unit tests of the layers above. It forgets nothing: crashes are the simulator's business.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::{VfsError, VfsErrorKind, VfsFile, VfsResult};

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
