//! The thread that copies the log to the folder of `wal-keep` before its segments are used again.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::log_keeper::LogKeeper;
use super::thread::Thread;
use crate::command::archive::ArchiveFolder;
use crate::config::Key;
use crate::storage::log::{ArchiveError, Archived, Log};
use crate::vfs::{Vfs, VfsError, VfsErrorKind};

/// How long after a failure it tries again.
const REST: Duration = Duration::from_secs(1);

/// The running thread.
pub struct Archiver {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Archiver {
    pub fn start(
        shared: Arc<Shared>,
        keeper: Arc<LogKeeper>,
        vfs: Arc<dyn Vfs>,
    ) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = Thread::start("archive", move || {
            of_thread.server.archive.ask();
            while of_thread.server.archive.wait(REST) {
                copy(&of_thread, keeper.log(), &*vfs);
            }
        })?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread after the segment that is being copied.
    pub fn stop(self) {
        self.shared.server.archive.stop();
        self.thread.join();
    }
}

/// Copies what the archive lacks, and gives the log back what it has. Whether the archive has everything up to the newest
/// checkpoint, or there is none.
pub fn copy(shared: &Shared, log: &Log, vfs: &dyn Vfs) -> bool {
    let archive = &shared.server.archive;
    let mut folder = archive.folder();
    let setting = shared.server.config.text(Key::WalKeep);
    log.keep_segments(!setting.is_empty());
    let outcome = settle(&mut folder, &setting, log, vfs)
        .map_err(ArchiveError::from)
        .and_then(|dir| match dir {
            Some(dir) => log.archive(vfs, dir),
            None => Ok(Archived::default()),
        });
    let (copied, error) = match outcome {
        Ok(copied) => (copied, None),
        Err(error) => (Archived::default(), Some(error.to_string())),
    };
    let has_failed = error.is_some();
    if archive.ended(copied, error.clone()) {
        match error {
            Some(error) => tracing::warn!(
                "the log cannot be copied to wal-keep, so it grows until that works: {error}"
            ),
            None => tracing::info!("the log is copied to wal-keep again"),
        }
    }
    if copied.files > 0 || !log.keeps_segments() {
        give_back(log);
    }
    !has_failed && log.is_archived()
}

/// Segments that are copied are not needed any more, as far as a checkpoint has what is in them.
fn give_back(log: &Log) {
    if let Err(error) = log.recycle(log.synced_checkpoint().lsn) {
        tracing::debug!("the log stays longer than it need be: {error}");
    }
}

/// The folder that `setting` names, made if it is named for the first time and is not there.
fn settle<'f>(
    folder: &'f mut ArchiveFolder,
    setting: &[u8],
    log: &Log,
    vfs: &dyn Vfs,
) -> Result<Option<&'f Path>, VfsError> {
    if folder.setting != setting || (folder.dir.is_none() && !setting.is_empty()) {
        folder.dir = None;
        folder.setting = setting.to_vec();
        log.begin_archive();
        if !setting.is_empty() {
            let named = PathBuf::from(OsStr::from_bytes(setting));
            let dir = std::path::absolute(&named).unwrap_or(named);
            make(&dir, vfs)?;
            folder.dir = Some(dir);
        }
    }
    Ok(folder.dir.as_deref())
}

/// Makes the folder and those it lies in, durably: segments of the log are used again once it has them. Folders that are there
/// may be of an earlier try that failed before their names were durable.
fn make(dir: &Path, vfs: &dyn Vfs) -> Result<(), VfsError> {
    vfs.create_dir(dir)?;
    for above in dir.ancestors().skip(1) {
        match vfs.sync_dir(above) {
            // One that this process may not read is none that it made.
            Err(error) if error.kind == VfsErrorKind::Denied => {}
            synced => synced?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use parking_lot::Mutex;

    use super::*;
    use crate::vfs::{OpenMode, OsVfs, VfsFile, VfsResult};

    /// The first sync of a folder fails; which were synced afterwards.
    #[derive(Debug, Default)]
    struct FailsOnce {
        has_failed: Mutex<bool>,
        synced: Mutex<Vec<PathBuf>>,
    }

    impl Vfs for FailsOnce {
        fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
            OsVfs.open(path, mode)
        }
        fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
            OsVfs.rename(from, to)
        }
        fn unlink(&self, path: &Path) -> VfsResult<()> {
            OsVfs.unlink(path)
        }
        fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>> {
            OsVfs.list(dir)
        }
        fn create_dir(&self, dir: &Path) -> VfsResult<()> {
            OsVfs.create_dir(dir)
        }
        fn sync_dir(&self, dir: &Path) -> VfsResult<()> {
            if !std::mem::replace(&mut *self.has_failed.lock(), true) {
                // A folder that is not there cannot be synced.
                return OsVfs.sync_dir(&dir.join("none"));
            }
            self.synced.lock().push(dir.to_path_buf());
            OsVfs.sync_dir(dir)
        }
    }

    #[test]
    fn the_names_of_all_folders_are_durable_before_the_archive_is_used() {
        let above = tempfile::tempdir().expect("a folder");
        let vfs = FailsOnce::default();
        let dir = above.path().join("deep").join("kept");
        make(&dir, &vfs).expect_err("the first sync fails");
        make(&dir, &vfs).expect("the second does not");
        let synced = vfs.synced.lock();
        assert!(synced.contains(&above.path().join("deep")), "{synced:?}");
        assert!(synced.contains(&above.path().to_path_buf()), "{synced:?}");
    }
}
