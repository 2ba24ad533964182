//! The operating system's files and clock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::shared::{MappedFile, SharedWords};
use super::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult};

/// How often a lock that another has is tried again, and how long after each time.
const LOCK_TRIES: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The operating system's file system.
#[derive(Debug, Default)]
pub struct OsVfs;

/// An open file of the operating system.
#[derive(Debug)]
struct OsFile {
    file: File,
    path: PathBuf,
    /// The file system has refused to say whether a read waits. Relaxed: each thread may find out by itself.
    always_waits: AtomicBool,
}

fn kind_of(error: &io::Error) -> VfsErrorKind {
    use rustix::io::Errno;
    match error.kind() {
        io::ErrorKind::NotFound => return VfsErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => return VfsErrorKind::AlreadyExists,
        io::ErrorKind::Interrupted => return VfsErrorKind::Interrupted,
        io::ErrorKind::Unsupported => return VfsErrorKind::Unsupported,
        _ => {}
    }
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => VfsErrorKind::NoSpace,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => VfsErrorKind::Denied,
        Some(Errno::MFILE | Errno::NFILE) => VfsErrorKind::TooManyFiles,
        Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => VfsErrorKind::Unsupported,
        _ => VfsErrorKind::Io,
    }
}

pub(super) fn error(
    op: &'static str,
    path: &Path,
    offset: Option<u64>,
    effect_unknown: bool,
    source: &io::Error,
) -> VfsError {
    let kind = kind_of(source);
    VfsError {
        kind,
        op,
        path: path.to_path_buf(),
        offset,
        effect_unknown: effect_unknown && kind != VfsErrorKind::Interrupted,
        message: source.to_string(),
    }
}

/// An error if something is at `path` that is neither file nor folder.
pub fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => Err(special()),
        _ => Ok(()),
    }
}

/// The same, and if it is the kernel's link to what a process has open (`/dev/stdout`): a file that is put in the place of such
/// a thing takes it away from everybody.
pub fn refuse_to_replace(path: &Path) -> io::Result<()> {
    refuse_special(path)?;
    match std::fs::read_link(path) {
        Ok(target) if target.starts_with("/proc") => Err(special()),
        _ => Ok(()),
    }
}

fn special() -> io::Error {
    io::Error::other("it is a device, a pipe or a socket, and no file")
}

impl Vfs for OsVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true).truncate(false);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        let file = options
            .open(path)
            .map_err(|e| error("open", path, None, false, &e))?;
        if mode != OpenMode::Read && !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(error("open", path, None, false, &special()));
        }
        Ok(Arc::new(OsFile {
            file,
            path: path.to_path_buf(),
            always_waits: AtomicBool::new(false),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        refuse_to_replace(to).map_err(|e| error("rename to", to, None, false, &e))?;
        std::fs::rename(from, to).map_err(|e| error("rename", from, None, true, &e))
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        std::fs::remove_file(path).map_err(|e| error("unlink", path, None, true, &e))
    }

    fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>> {
        let failed = |e: io::Error| error("list", dir, None, false, &e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            names.push(entry.map_err(failed)?.path());
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> VfsResult<()> {
        std::fs::create_dir_all(dir).map_err(|e| error("make directory", dir, None, true, &e))
    }

    fn open_shared(
        &self,
        path: &Path,
        words: usize,
        like: &Path,
    ) -> VfsResult<Option<Arc<dyn SharedWords>>> {
        let file = MappedFile::open(path, words, like)?;
        Ok(Some(Arc::new(file)))
    }

    fn sync_dir(&self, dir: &Path) -> VfsResult<()> {
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        let handle = File::open(dir).map_err(|e| error("open directory", dir, None, false, &e))?;
        handle
            .sync_all()
            .map_err(|e| error("sync directory", dir, None, true, &e))
    }
}

impl VfsFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        self.file
            .read_at(buf, offset)
            .map_err(|e| error("read", &self.path, Some(offset), false, &e))
    }

    #[cfg(target_os = "linux")]
    fn read_now_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<Option<usize>> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        if self.always_waits.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let bufs = &mut [IoSliceMut::new(buf)];
        match preadv2(&self.file, bufs, offset, ReadWriteFlags::NOWAIT) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.always_waits.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(e) => Err(error("read", &self.path, Some(offset), false, &e.into())),
        }
    }

    #[cfg(target_os = "linux")]
    fn will_need(&self, offset: u64, len: u64) {
        // A system that takes no advice reads when it is asked to.
        let _ = rustix::fs::fadvise(
            &self.file,
            offset,
            NonZeroU64::new(len),
            rustix::fs::Advice::WillNeed,
        );
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        self.file
            .write_at(buf, offset)
            .map_err(|e| error("write", &self.path, Some(offset), true, &e))
    }

    fn len(&self) -> VfsResult<u64> {
        let meta = self
            .file
            .metadata()
            .map_err(|e| error("stat", &self.path, None, false, &e))?;
        Ok(meta.len())
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        self.file
            .set_len(len)
            .map_err(|e| error("set length", &self.path, Some(len), true, &e))
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(self.file.as_fd(), FallocateFlags::empty(), offset, len) {
            Ok(()) => Ok(()),
            Err(e) => {
                let source = io::Error::from(e);
                let failure = error("allocate", &self.path, Some(offset), true, &source);
                if failure.kind != VfsErrorKind::Unsupported {
                    return Err(failure);
                }
                // A file system without fallocate: writing zeroes gives the range its space.
                self.fill_with_zeroes(offset, len)
            }
        }
    }

    fn sync_data(&self) -> VfsResult<()> {
        // On Apple's systems the standard library's sync_data is F_FULLFSYNC, on Linux fdatasync, which covers the length.
        self.file
            .sync_data()
            .map_err(|e| error("sync", &self.path, None, true, &e))
    }

    fn sync_all(&self) -> VfsResult<()> {
        self.file
            .sync_all()
            .map_err(|e| error("sync", &self.path, None, true, &e))
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        let mut locked = self.file.try_lock();
        for _ in 0..LOCK_TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            // A process that this one is starting has its files, and so the locks of those that were closed meanwhile,
            // until its program begins.
            std::thread::sleep(LOCK_PAUSE);
            locked = self.file.try_lock();
        }
        match locked {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(VfsError {
                kind: VfsErrorKind::Locked,
                op: "lock",
                path: self.path.clone(),
                offset: None,
                effect_unknown: false,
                message: "it is open already".to_owned(),
            }),
            Err(TryLockError::Error(e)) => Err(error("lock", &self.path, None, false, &e)),
        }
    }

    fn is_orphan(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() == 0) && self.is_only_handle()
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl OsFile {
    /// Whether nobody else has the file open. Linux grants a lease for writing only then.
    #[cfg(target_os = "linux")]
    fn is_only_handle(&self) -> bool {
        let lease = |kind: libc::c_int| {
            // SAFETY: the descriptor is open, and the call takes numbers alone.
            let done = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETLEASE, kind) };
            done != -1
        };
        lease(libc::F_WRLCK) && lease(libc::F_UNLCK)
    }

    #[cfg(not(target_os = "linux"))]
    fn is_only_handle(&self) -> bool {
        false
    }

    fn fill_with_zeroes(&self, offset: u64, len: u64) -> VfsResult<()> {
        const CHUNK_BYTES: usize = 1 << 20;
        let start = offset.max(self.len()?);
        let end = offset + len;
        let zeroes = vec![0; CHUNK_BYTES];
        let mut at = start;
        while at < end {
            let n = (end - at).min(CHUNK_BYTES as u64) as usize;
            super::write_all_at(self, &zeroes[..n], at)?;
            at += n as u64;
        }
        Ok(())
    }
}

/// The system's clock.
#[derive(Debug)]
pub struct OsClock {
    start: Instant,
}

impl Default for OsClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for OsClock {
    fn wall_ms(&self) -> u64 {
        self.wall_us() / 1000
    }

    fn wall_us(&self) -> u64 {
        // A clock set before 1970 reads as 1970.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_micros() as u64)
    }

    fn mono_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_neither_written_nor_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        std::os::unix::fs::symlink("/dev/zero", at("device")).expect("a link");
        std::os::unix::fs::symlink("/proc/self/stat", at("open")).expect("a link");
        std::fs::write(at("file"), "new").expect("a file");
        for name in ["socket", "device", "open"] {
            let refused = OsVfs.rename(&at("file"), &at(name));
            let error = refused.expect_err("it is no file");
            assert!(!error.effect_unknown, "{error}");
            assert!(std::fs::symlink_metadata(at(name)).is_ok_and(|found| !found.is_file()));
        }
        for mode in [OpenMode::ReadWrite, OpenMode::Create] {
            assert!(OsVfs.open(&at("device"), mode).is_err(), "{mode:?}");
        }
        assert!(OsVfs.open(&at("device"), OpenMode::Read).is_ok());
        // A link to a file is replaced, as every rename does.
        std::fs::write(at("old"), "old").expect("a file");
        std::os::unix::fs::symlink(at("old"), at("link")).expect("a link");
        OsVfs
            .rename(&at("file"), &at("link"))
            .expect("a link to a file");
        assert_eq!(std::fs::read(at("link")).expect("a file"), b"new");
        assert_eq!(std::fs::read(at("old")).expect("a file"), b"old");
    }
}
