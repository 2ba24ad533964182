//! A database for the time of a command, which vanishes with it or takes the place of one that is not there.

use std::path::{Path, PathBuf};

use super::append_only::{AppendOnly, AppendOnlyError, Ground, Manner, Played};
use super::progress::Progress;
use crate::config::Config;
use crate::db::{Db, DbError, Options, Sync};
use crate::keyspace::Keyspace;
use crate::storage;
use crate::storage::open::{log_path, shm_path, with_suffix};
use crate::vfs::{OsVfs, Vfs, VfsError, folder_of};

/// Databases that it has.
const DATABASES: u32 = 1 << 14;

/// Files that vanish with it.
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        for path in [self.0.clone(), log_path(&self.0), shm_path(&self.0)] {
            // One that was never made is not there.
            let _ = OsVfs.unlink(&path);
        }
    }
}

/// The database. Its files vanish after it is closed.
pub(super) struct Scratch {
    pub db: Db,
    files: Files,
}

impl Scratch {
    /// A new one beside `target`, whose place it can take.
    pub fn beside(target: &Path) -> Result<Self, DbError> {
        let suffix = format!("-import-{}", std::process::id());
        Self::at(with_suffix(target, &suffix))
    }

    /// A new one where temporary files are.
    pub fn temporary() -> Result<Self, DbError> {
        let name = format!("redkeep-import-{}.keep", std::process::id());
        Self::at(std::env::temp_dir().join(name))
    }

    fn at(path: PathBuf) -> Result<Self, DbError> {
        // An earlier process of this number may have left one.
        let files = Files(path.clone());
        drop(files);
        let options = Options {
            sync: Sync::Manual,
            cache_bytes: super::server::cache_bytes(&Config::default()),
            databases: DATABASES,
            ..Options::default()
        };
        let db = Db::open(&path, options)?;
        let files = Files(path);
        Ok(Self { db, files })
    }

    /// Carries out an append-only file.
    pub fn play(&self, file: &AppendOnly, manner: Manner) -> Result<Played, AppendOnlyError> {
        let len = |path: &Path| path.metadata().map_or(0, |file| file.len());
        let total = file.parts.iter().map(|part| len(part)).sum();
        let mut progress = Progress::new("Reading", total);
        let mut tell = |path: &Path, at| {
            let before = file.parts.iter().take_while(|part| *part != path);
            progress.show(before.map(|part| len(part)).sum::<u64>() + at);
        };
        let mut ground = Own(&self.db);
        let played = file.play(&OsVfs, self.db.server(), &mut ground, manner, &mut tell);
        progress.clear();
        played
    }

    /// Closes it and gives it the name `target`, which is not taken.
    pub fn become_target(self, target: &Path) -> Result<(), DbError> {
        let Self { db, files } = self;
        db.maintain()?;
        db.close()?;
        let moved = || -> Result<(), VfsError> {
            OsVfs.rename(&files.0, target)?;
            OsVfs.sync_dir(folder_of(target))
        };
        moved().map_err(|error| DbError::Storage(storage::Error::Io(error)))
    }
}

/// A database that is used as a library.
pub(super) struct Own<'a>(pub &'a Db);

impl Ground for Own<'_> {
    fn with<R>(&mut self, work: impl FnOnce(&mut Keyspace) -> R) -> R {
        work(&mut self.0.keyspace())
    }

    fn settle(&mut self) -> Result<(), storage::Error> {
        self.0.settle().map_err(|error| match error {
            DbError::Storage(error) => error,
            _ => storage::Error::Poisoned,
        })
    }
}
