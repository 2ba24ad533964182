//! A disk in memory that holds one file.

use std::io;
use std::path::Path;

use parking_lot::Mutex;
use redkeep::config::Disk;

/// The file, if it is there.
pub struct FakeDisk {
    pub content: Mutex<Option<Vec<u8>>>,
}

impl Disk for FakeDisk {
    fn enter_directory(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        if path == b"none" {
            return Err(io::Error::from_raw_os_error(2));
        }
        Ok([b"/abs/", path].concat())
    }

    fn read_file(&self, _: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.content.lock().clone())
    }

    fn replace_file(&self, _: &Path, content: &[u8]) -> io::Result<()> {
        *self.content.lock() = Some(content.to_vec());
        Ok(())
    }
}
