//! A file that is not there: it has no bytes and takes none.

use std::path::Path;

use super::{VfsError, VfsErrorKind, VfsFile, VfsResult};

/// Stands where a file will be once it is open.
#[derive(Debug, Default)]
pub struct AbsentFile;

impl AbsentFile {
    fn refuse<T>(&self, op: &'static str) -> VfsResult<T> {
        Err(VfsError {
            kind: VfsErrorKind::Denied,
            op,
            path: self.path().to_path_buf(),
            offset: None,
            effect_unknown: false,
            message: "the file is not open yet".to_owned(),
        })
    }
}

impl VfsFile for AbsentFile {
    fn read_at(&self, _: &mut [u8], _: u64) -> VfsResult<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> VfsResult<usize> {
        self.refuse("write")
    }

    fn len(&self) -> VfsResult<u64> {
        Ok(0)
    }

    fn set_len(&self, _: u64) -> VfsResult<()> {
        self.refuse("truncate")
    }

    fn allocate(&self, _: u64, _: u64) -> VfsResult<()> {
        self.refuse("allocate")
    }

    fn sync_data(&self) -> VfsResult<()> {
        self.refuse("sync")
    }

    fn sync_all(&self) -> VfsResult<()> {
        self.refuse("sync")
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        self.refuse("lock")
    }

    fn path(&self) -> &Path {
        Path::new("")
    }
}
