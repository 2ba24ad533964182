//! Memory that processes share through a small file, and locks on its bytes that end with their holder.
//!
//! The file is mapped and never cut, so that no access to it can fail. Its words are read and written whole, as atomics in
//! one order that all processes agree on. A lock belongs to the open file and not to the process: the kernel drops it when
//! the last handle is closed, however the process ends, and two handles of one process exclude each other too.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::VfsResult;
use super::os::error;

/// Bytes of a word.
const WORD_BYTES: usize = size_of::<u64>();

/// A few words that processes share, and locks on the bytes of their file.
pub trait SharedWords: Send + Sync + fmt::Debug {
    /// The word at a place. Loads and stores of all processes are in one order (`SeqCst`).
    fn load(&self, at: usize) -> u64;

    /// Stores a word.
    fn store(&self, at: usize, value: u64);

    /// Takes the lock on a byte for the life of this handle; false: another handle has it.
    fn try_lock(&self, byte: u64) -> VfsResult<bool>;

    /// The first byte of a range on which another handle has a lock. Takes no lock and waits for none.
    fn first_locked(&self, bytes: Range<u64>) -> VfsResult<Option<u64>>;
}

/// The words of a file of the operating system.
pub(super) struct MappedFile {
    file: File,
    path: PathBuf,
    words: NonNull<u64>,
    len: usize,
}

// SAFETY: the mapping is reached through atomics only, and lives as long as the value.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl MappedFile {
    /// Opens the file at `path`, which is made, with zero words, if it is not there; then it belongs to whom `like` belongs
    /// to, so that whoever may write the one may write the other.
    pub fn open(path: &Path, len: usize, like: &Path) -> VfsResult<Self> {
        let failed = |op, e: &io::Error| error(op, path, None, false, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).truncate(false).open(path);
                let file = file.map_err(|e| failed("create", &e))?;
                give_away(&file, like).map_err(|e| failed("create", &e))?;
                file
            }
            opened => opened.map_err(|e| failed("open", &e))?,
        };
        let bytes = len * WORD_BYTES;
        let found = file.metadata().map_err(|e| failed("stat", &e))?.len();
        if found < bytes as u64 {
            // Space is taken now: a store into a hole of a full disk would end the process.
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&file, flags, 0, bytes as u64)
                .map_err(|e| failed("allocate", &e.into()))?;
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice, of a range that the file has.
        let mapped = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                MapFlags::SHARED,
                &file,
                0,
            )
        };
        let mapped = mapped.map_err(|e| failed("map", &e.into()))?;
        let words = NonNull::new(mapped.cast()).expect("a mapping has an address");
        Ok(Self {
            file,
            path: path.to_path_buf(),
            words,
            len,
        })
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < self.len, "word {at} is one of {}", self.len);
        // SAFETY: the word lies in the mapping, which is aligned to a page and lives as long as `self`; every access to
        // it, by whatever process, is an atomic one.
        unsafe { AtomicU64::from_ptr(self.words.add(at).as_ptr()) }
    }

    fn lock_call(
        &self,
        command: libc::c_int,
        bytes: Range<u64>,
        op: &'static str,
    ) -> VfsResult<Option<libc::flock>> {
        // SAFETY: all zeroes are a value of this structure of numbers.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = bytes.start as libc::off_t;
        lock.l_len = (bytes.end - bytes.start) as libc::off_t;
        loop {
            // SAFETY: the descriptor is open, and the structure lives through the call, which keeps no pointer to it.
            let done = unsafe { libc::fcntl(self.file.as_raw_fd(), command, &raw mut lock) };
            if done != -1 {
                return Ok(Some(lock));
            }
            let e = io::Error::last_os_error();
            match e.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::EACCES) if command == libc::F_OFD_SETLK => {
                    return Ok(None);
                }
                _ => return Err(error(op, &self.path, Some(bytes.start), false, &e)),
            }
        }
    }
}

/// Gives a new file the permissions of another, and its owner where this process may.
fn give_away(file: &File, like: &Path) -> io::Result<()> {
    let like = std::fs::metadata(like)?;
    let mode = like.permissions().mode() & 0o666;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        // Only a privileged process gives files away; any other one's file is its own.
        let _ = fchown(file, Some(like.uid()), Some(like.gid()));
    }
    Ok(())
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nothing refers to it any more.
        let unmapped = unsafe { munmap(self.words.as_ptr().cast(), self.len * WORD_BYTES) };
        unmapped.expect("a mapping of this process can be taken away");
    }
}

impl SharedWords for MappedFile {
    fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::SeqCst)
    }

    fn store(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::SeqCst);
    }

    fn try_lock(&self, byte: u64) -> VfsResult<bool> {
        let taken = self.lock_call(libc::F_OFD_SETLK, byte..byte + 1, "lock")?;
        Ok(taken.is_some())
    }

    fn first_locked(&self, bytes: Range<u64>) -> VfsResult<Option<u64>> {
        let mut first = None;
        let mut bytes = bytes;
        // The kernel names any of the locks: there may be others before it.
        while !bytes.is_empty() {
            let found = self.lock_call(libc::F_OFD_GETLK, bytes.clone(), "look at locks")?;
            let Some(lock) = found.filter(|lock| lock.l_type != libc::F_UNLCK as libc::c_short)
            else {
                break;
            };
            let at = (lock.l_start as u64).max(bytes.start);
            first = Some(at);
            bytes.end = at;
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir) -> MappedFile {
        let path = dir.path().join("x-shm");
        MappedFile::open(&path, 16, dir.path()).expect("a small file")
    }

    #[test]
    fn words_are_shared_and_a_lock_ends_with_its_handle() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (open(&dir), open(&dir));
        a.store(3, u64::MAX - 5);
        assert_eq!((b.load(3), b.load(4)), (u64::MAX - 5, 0));
        assert_eq!(b.first_locked(0..128).unwrap(), None);
        assert!(a.try_lock(64).unwrap() && a.try_lock(70).unwrap());
        assert_eq!(
            a.first_locked(0..128).unwrap(),
            None,
            "one's own are no others'"
        );
        assert!(!b.try_lock(64).unwrap());
        assert_eq!(b.first_locked(0..128).unwrap(), Some(64));
        assert_eq!(b.first_locked(65..128).unwrap(), Some(70));
        assert_eq!(b.first_locked(71..128).unwrap(), None);
        drop(a);
        assert_eq!(b.first_locked(0..128).unwrap(), None);
        assert!(b.try_lock(64).unwrap());
    }
}
