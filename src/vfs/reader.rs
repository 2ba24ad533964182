//! A file of a [`Vfs`] as a source of bytes.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, read_up_to};

/// Reads a file from a place on.
#[derive(Clone, Debug)]
pub struct Reader {
    file: Arc<dyn VfsFile>,
    at: u64,
}

impl Reader {
    /// Opens the file at `path`, at its start.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> io::Result<Self> {
        let file = vfs.open(path, OpenMode::Read).map_err(of_system)?;
        Ok(Self { file, at: 0 })
    }

    /// Length in bytes.
    pub fn len(&self) -> io::Result<u64> {
        self.file.len().map_err(of_system)
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The error without the path, which whoever opened the file says.
fn of_system(error: VfsError) -> io::Error {
    let kind = match error.kind {
        VfsErrorKind::NotFound => io::ErrorKind::NotFound,
        VfsErrorKind::Denied => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.message)
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = read_up_to(&*self.file, out, self.at).map_err(of_system)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len()?.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::{MemFile, write_all_at};

    #[test]
    fn it_reads_from_where_it_stands() {
        let file = Arc::new(MemFile::default());
        write_all_at(&*file, b"0123456789", 0).unwrap();
        let mut reader = Reader { file, at: 0 };
        let mut two = [0; 2];
        reader.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"01");
        assert_eq!(reader.seek(SeekFrom::Current(3)).unwrap(), 5);
        reader.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"56");
        assert_eq!(reader.seek(SeekFrom::End(-1)).unwrap(), 9);
        assert_eq!(reader.read(&mut two).unwrap(), 1);
        assert_eq!(reader.read(&mut two).unwrap(), 0);
        assert!(reader.seek(SeekFrom::Current(-11)).is_err());
    }
}
