//! Putting a file in the place of another, whole or not at all.

use std::path::Path;

use super::open::with_suffix;
use super::planted::{Bug, Planted};
use crate::vfs::{OpenMode, Vfs, VfsError, VfsFile, VfsResult, folder_of};

/// Bytes of a file that is being filled which may not be on the disk yet. Were all synced at its end, the log's own syncs and
/// writes would wait for them.
const UNSYNCED_BYTES_MAX: u64 = 4 << 20;

/// Counts what was written to a file since it was synced.
#[derive(Debug, Default)]
pub struct Unsynced {
    bytes: u64,
}

impl Unsynced {
    /// So many more bytes were written: the file is synced if that is enough.
    pub fn add(&mut self, bytes: usize, file: &dyn VfsFile) -> VfsResult<()> {
        self.bytes += bytes as u64;
        if self.bytes >= UNSYNCED_BYTES_MAX {
            file.sync_data()?;
            self.bytes = 0;
        }
        Ok(())
    }
}

/// Replaces the file at `path` by one that `fill` writes: beside its place, synced, renamed, its directory synced. After a
/// crash the old one is there, or the new one, whole. `failed` is what becomes of an error here.
pub fn replace_file<E>(
    vfs: &dyn Vfs,
    path: &Path,
    planted: Planted,
    failed: fn(VfsError) -> E,
    fill: &mut dyn FnMut(&dyn VfsFile) -> Result<(), E>,
) -> Result<(), E> {
    let beside = with_suffix(path, ".tmp");
    let file = vfs.open(&beside, OpenMode::Create).map_err(failed)?;
    // Nobody else writes it, and no server has it open.
    file.lock_exclusive().map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let name = || {
        if !planted.has(Bug::M26NotSyncedBeforeRename) {
            file.sync_data()?;
        }
        vfs.rename(&beside, path)?;
        if planted.has(Bug::M07NoDirSyncAtRename) {
            return Ok(());
        }
        vfs.sync_dir(folder_of(path))
    };
    let done = fill(&*file).and_then(|()| name().map_err(failed));
    if done.is_err() {
        // What is left of it is of no use; where even that fails, the next one is written over it.
        let _ = vfs.unlink(&beside);
    }
    done
}
