//! The seam to the world below: files, time and chance.
//!
//! Everything that storage asks of the operating system goes through [`Vfs`], [`VfsFile`] and [`Clock`], so that
//! the simulator can stand in their place and inject crashes, torn writes, errors and slow disks. The calls are
//! the system's own and no more: short reads and writes are visible to the caller, a sync is never retried here,
//! and loops such as [`read_exact_at`] live outside the trait, so that a simulator sees each piece.

mod absent;
mod mem;
mod orphan;
mod os;
mod random;
mod reader;
mod shared;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use absent::AbsentFile;
pub use mem::{MemFile, MemVfs};
pub use orphan::Orphans;
pub use os::{OsClock, OsVfs, refuse_special, refuse_to_replace};
pub use random::{fill_random, random_bytes};
pub use reader::Reader;
pub use shared::SharedWords;

/// A file that others write to is cut by so many bytes at a time: the file system makes them wait for each cut.
pub const CUT_BYTES_MAX: u64 = 16 << 20;

/// What kind of thing went wrong in a file operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VfsErrorKind {
    /// No such file or directory.
    NotFound,
    /// The file was to be created and exists.
    AlreadyExists,
    /// Another process holds the lock.
    Locked,
    /// No space, quota used up, or the file is as large as it can be.
    NoSpace,
    /// The call was interrupted by a signal before it did anything.
    Interrupted,
    /// The file, file system or permissions do not allow it.
    Denied,
    /// Too many open files in the process or the system.
    TooManyFiles,
    /// The operation does not exist on this file system.
    Unsupported,
    /// The device or file system failed (EIO and everything not named above).
    Io,
}

/// An error of one file operation.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{op} {}{}: {message}", path.display(), At(*offset))]
pub struct VfsError {
    pub kind: VfsErrorKind,
    /// The call, for people: "write", "sync", "rename" ...
    pub op: &'static str,
    pub path: PathBuf,
    /// Where in the file, in bytes, if the call names a place.
    pub offset: Option<u64>,
    /// True where a part or all of the effect may have happened (a failed write, truncate, rename or sync);
    /// false where it certainly has not (a failed open or read).
    pub effect_unknown: bool,
    pub message: String,
}

struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(offset) => write!(f, " at offset {offset}"),
            None => Ok(()),
        }
    }
}

pub type VfsResult<T> = Result<T, VfsError>;

/// How [`Vfs::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, no writes.
    Read,
    /// Existing file, reads and writes.
    ReadWrite,
    /// Reads and writes; created, empty, if it does not exist.
    Create,
    /// Reads and writes; created, and an error if it exists.
    CreateNew,
}

/// A file system.
pub trait Vfs: Send + Sync + fmt::Debug {
    /// Opens a file. A name made by this call is durable only after [`Vfs::sync_dir`] of its directory.
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>>;

    /// Renames a file over whatever has the name. Durable only after [`Vfs::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()>;

    /// Removes a name. Durable only after [`Vfs::sync_dir`].
    fn unlink(&self, path: &Path) -> VfsResult<()>;

    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>>;

    /// Makes a directory, if it is not there. A file system without directories has nothing to do.
    fn create_dir(&self, _dir: &Path) -> VfsResult<()> {
        Ok(())
    }

    /// Opens the small file at `path` as `words` words that processes share; it is made if it is not there, for those who
    /// may write the file `like`. None: this file system belongs to one process.
    fn open_shared(
        &self,
        _path: &Path,
        _words: usize,
        _like: &Path,
    ) -> VfsResult<Option<Arc<dyn SharedWords>>> {
        Ok(None)
    }

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> VfsResult<()>;
}

/// An open file. Handles are tied to one inode: a sync covers exactly the file it was opened on.
pub trait VfsFile: Send + Sync + fmt::Debug {
    /// Reads into `buf` from `offset`; returns how many bytes, 0 only at the end of the file (or for an empty `buf`).
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize>;

    /// As [`VfsFile::read_at`], if that needs no wait for the disk. None: it does, or the system does not say; whether bytes
    /// are on their way then is for the system to decide.
    fn read_now_at(&self, _buf: &mut [u8], _offset: u64) -> VfsResult<Option<usize>> {
        Ok(None)
    }

    /// The range will be read soon: what is not in memory may be brought there meanwhile.
    fn will_need(&self, _offset: u64, _len: u64) {}

    /// Writes from `buf` at `offset`; returns how many bytes were taken, which may be fewer than given.
    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize>;

    /// Length in bytes.
    fn len(&self) -> VfsResult<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> VfsResult<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends (with zeroes) the file.
    fn set_len(&self, len: u64) -> VfsResult<()>;

    /// Gives the range disk space, extending the file if it ends before; new bytes read as zeroes.
    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()>;

    /// Makes every write that returned before this call durable, with the file's length. Says nothing about its name.
    fn sync_data(&self) -> VfsResult<()>;

    /// As [`VfsFile::sync_data`], with every attribute of the file.
    fn sync_all(&self) -> VfsResult<()>;

    /// Takes the exclusive lock of the file for the life of this handle; [`VfsErrorKind::Locked`] if another has it.
    fn lock_exclusive(&self) -> VfsResult<()>;

    /// Whether the file has no name any more and only this handle is left of it, so that nobody sees what becomes of it.
    /// False where the system does not say.
    fn is_orphan(&self) -> bool {
        false
    }

    /// The path it was opened by, for messages.
    fn path(&self) -> &Path;
}

/// Time. Wall time says when; only monotonic time measures how long.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds since the Unix epoch.
    fn wall_ms(&self) -> u64;

    /// Microseconds since the Unix epoch.
    fn wall_us(&self) -> u64;

    /// Microseconds since an arbitrary start; never goes back.
    fn mono_us(&self) -> u64;
}

/// Reads exactly `buf.len()` bytes, going on after short reads and interruptions.
/// An end of file before that is an error of kind [`VfsErrorKind::Io`] that says so.
pub fn read_exact_at(file: &dyn VfsFile, buf: &mut [u8], offset: u64) -> VfsResult<()> {
    let wanted = buf.len();
    let done = read_up_to(file, buf, offset)?;
    if done == wanted {
        return Ok(());
    }
    Err(VfsError {
        kind: VfsErrorKind::Io,
        op: "read",
        path: file.path().to_path_buf(),
        offset: Some(offset),
        effect_unknown: false,
        message: format!("the file ends after {done} of {wanted} bytes"),
    })
}

/// Reads until `buf` is full or the file ends; returns how many bytes.
pub fn read_up_to(file: &dyn VfsFile, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind == VfsErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Syncs a file of which something is about to be relied on instead of what was there before. It does so twice: where data
/// goes through the file system's journal (ext4 with `data=journal`), what a sync has covered can be lost after it returned,
/// and the next sync says so. The second has nothing to write.
pub fn sync_twice(file: &dyn VfsFile) -> VfsResult<()> {
    file.sync_data()?;
    file.sync_data()
}

/// How often in a row [`write_all_at`] accepts that the system takes no byte at all.
const WRITE_STALLS_MAX: u32 = 16;

/// The directory in which a path is.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Writes all of `buf`, going on after short writes and interruptions; an error if the file stops taking bytes.
pub fn write_all_at(file: &dyn VfsFile, buf: &[u8], offset: u64) -> VfsResult<()> {
    let mut done = 0;
    let mut stalls = 0;
    while done < buf.len() {
        match file.write_at(&buf[done..], offset + done as u64) {
            Ok(0) if stalls < WRITE_STALLS_MAX => stalls += 1,
            Ok(0) => {
                return Err(VfsError {
                    kind: VfsErrorKind::Io,
                    op: "write",
                    path: file.path().to_path_buf(),
                    offset: Some(offset + done as u64),
                    effect_unknown: true,
                    message: format!(
                        "the system takes no more bytes after {done} of {}",
                        buf.len()
                    ),
                });
            }
            Ok(n) => {
                done += n;
                stalls = 0;
            }
            Err(e) if e.kind == VfsErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
