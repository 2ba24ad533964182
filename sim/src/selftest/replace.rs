//! A store that replaces one file: write a temporary one, sync it, rename it, sync the directory.

use redkeep::vfs::{OpenMode, Vfs, VfsErrorKind, VfsResult, write_all_at};

use super::{NEXT_LIFE, VERSIONS, Versions, db, payload, read_whole, takes_another};
use crate::disk::SimVfs;
use crate::explore::{Broken, Fault, Scenario};

/// A step that a wrong store leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceStep {
    /// Writing beside the file instead of over it.
    Temporary,
    /// Syncing the temporary file before the rename.
    SyncFile,
    /// Syncing the directory after the rename.
    SyncDir,
    /// Waiting for all of that before the acknowledgement.
    Wait,
    /// Making durable what recovery shows.
    SyncRecovered,
}

impl ReplaceStep {
    /// Every step.
    pub const ALL: [ReplaceStep; 5] = [
        ReplaceStep::Temporary,
        ReplaceStep::SyncFile,
        ReplaceStep::SyncDir,
        ReplaceStep::Wait,
        ReplaceStep::SyncRecovered,
    ];
}

/// Bytes of a version: more than an atom of any size, and ending inside one.
const SIZE: usize = 5000;

/// The store, with at most one step left out.
#[derive(Debug)]
pub struct ReplaceStore {
    without: Option<ReplaceStep>,
    name: String,
}

impl ReplaceStore {
    /// All steps.
    pub fn right() -> Self {
        Self {
            without: None,
            name: "replace".to_owned(),
        }
    }

    /// All steps but one.
    pub fn without(step: ReplaceStep) -> Self {
        Self {
            without: Some(step),
            name: format!("replace-without-{step:?}"),
        }
    }

    fn does(&self, step: ReplaceStep) -> bool {
        self.without != Some(step)
    }

    fn put(&self, vfs: &SimVfs, version: u64) -> VfsResult<()> {
        let (target, temporary) = (db("value"), db("value.tmp"));
        let bytes = payload(version, SIZE);
        if !self.does(ReplaceStep::Temporary) {
            let file = vfs.open(&target, OpenMode::Create)?;
            write_all_at(&*file, &bytes, 0)?;
            file.sync_data()?;
            return vfs.sync_dir(&db(""));
        }
        match vfs.unlink(&temporary) {
            Err(e) if e.kind != VfsErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = vfs.open(&temporary, OpenMode::CreateNew)?;
        write_all_at(&*file, &bytes, 0)?;
        if self.does(ReplaceStep::SyncFile) {
            file.sync_data()?;
        }
        vfs.rename(&temporary, &target)?;
        if self.does(ReplaceStep::SyncDir) {
            vfs.sync_dir(&db(""))?;
        }
        Ok(())
    }

    fn show(&self, vfs: &SimVfs) -> Result<u64, Fault> {
        if self.does(ReplaceStep::SyncRecovered) {
            vfs.sync_dir(&db(""))?;
        }
        let file = match vfs.open(&db("value"), OpenMode::ReadWrite) {
            Err(e) if e.kind == VfsErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        let bytes = read_whole(&*file)?;
        let versions = (1..=VERSIONS).chain([NEXT_LIFE]);
        let found = versions.into_iter().find(|v| payload(*v, SIZE) == bytes);
        found.ok_or_else(|| Broken::new("O1", "the file holds no version whole").into())
    }
}

impl Scenario for ReplaceStore {
    type History = Versions;
    type Shown = u64;

    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, vfs: &SimVfs, history: &mut Versions) -> VfsResult<()> {
        for version in 1..=VERSIONS {
            history.issued = version;
            if !self.does(ReplaceStep::Wait) {
                history.acked = version;
            }
            self.put(vfs, version)?;
            history.acked = version;
        }
        Ok(())
    }

    fn recover(&self, vfs: &SimVfs) -> Result<u64, Fault> {
        self.show(vfs)
    }

    fn judge(&self, history: &Versions, shown: &u64) -> Result<(), Broken> {
        history.judge(*shown)
    }

    fn go_on(&self, vfs: &SimVfs) -> Result<(), Fault> {
        takes_another(vfs, |vfs| self.put(vfs, NEXT_LIFE), |vfs| self.show(vfs))
    }
}
