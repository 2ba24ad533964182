//! A store that appends sealed records to a log, each in atoms of its own.

use redkeep::vfs::{OpenMode, Vfs, VfsResult, write_all_at};

use super::{
    NEXT_LIFE, SEAL, VERSIONS, Versions, db, payload, read_whole, sealed, takes_another, unseal,
};
use crate::disk::SimVfs;
use crate::explore::{Broken, Fault, Scenario};

/// A step that a wrong store leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendStep {
    /// Syncing the directory when the log is made.
    SyncDir,
    /// Syncing the log before the acknowledgement.
    SyncLog,
    /// Looking at the checksum.
    Checksum,
    /// Giving each record atoms of its own.
    Padding,
    /// Cutting what follows the last whole record, in recovery.
    CutTail,
    /// Syncing what recovery found.
    SyncRecovered,
}

impl AppendStep {
    /// Every step.
    pub const ALL: [AppendStep; 6] = [
        AppendStep::SyncDir,
        AppendStep::SyncLog,
        AppendStep::Checksum,
        AppendStep::Padding,
        AppendStep::CutTail,
        AppendStep::SyncRecovered,
    ];
}

/// Records start at multiples of this: the largest atom.
const ALIGNMENT: usize = 4096;

/// Bytes of a record's payload: more than one atom of any size with its seal, and ending inside one.
const SIZE: usize = 4200;

/// The store, with at most one step left out.
#[derive(Debug)]
pub struct AppendStore {
    without: Option<AppendStep>,
    name: String,
}

impl AppendStore {
    /// All steps.
    pub fn right() -> Self {
        Self {
            without: None,
            name: "append".to_owned(),
        }
    }

    /// All steps but one.
    pub fn without(step: AppendStep) -> Self {
        Self {
            without: Some(step),
            name: format!("append-without-{step:?}"),
        }
    }

    fn does(&self, step: AppendStep) -> bool {
        self.without != Some(step)
    }

    /// The bytes that a record of `len` bytes takes up.
    fn stride(&self, len: usize) -> usize {
        match self.does(AppendStep::Padding) {
            true => len.next_multiple_of(ALIGNMENT),
            false => len,
        }
    }

    fn put(&self, vfs: &SimVfs, version: u64) -> VfsResult<()> {
        let file = vfs.open(&db("log"), OpenMode::Create)?;
        let end = file.len()?;
        if end == 0 && self.does(AppendStep::SyncDir) {
            vfs.sync_dir(&db(""))?;
        }
        let mut record = sealed(version, SIZE);
        record.resize(self.stride(record.len()), 0);
        write_all_at(&*file, &record, end)?;
        if self.does(AppendStep::SyncLog) {
            file.sync_data()?;
        }
        Ok(())
    }

    /// The last version of the log. Versions must follow each other, but for the one of the next life.
    fn show(&self, vfs: &SimVfs) -> Result<u64, Fault> {
        let file = vfs.open(&db("log"), OpenMode::Create)?;
        let bytes = read_whole(&*file)?;
        let (mut at, mut last) = (0, 0);
        let checked = self.does(AppendStep::Checksum);
        while let Some((version, found)) = unseal(bytes.get(at..).unwrap_or(&[]), checked) {
            if found != payload(version, SIZE) {
                let detail = format!("record {version} is damaged and was not noticed");
                return Err(Broken::new("O10", detail).into());
            }
            if version != last + 1 && version != NEXT_LIFE {
                let detail = format!("record {version} follows {last}");
                return Err(Broken::new("O1", detail).into());
            }
            last = version;
            at += self.stride(SEAL + found.len());
        }
        if at < bytes.len() && self.does(AppendStep::CutTail) {
            file.set_len(at as u64)?;
        }
        if at > bytes.len() {
            // The padding of the last record is lost, and a length that stops inside it must not misplace the next.
            file.set_len(at as u64)?;
        }
        if self.does(AppendStep::SyncRecovered) {
            file.sync_data()?;
            vfs.sync_dir(&db(""))?;
        }
        Ok(last)
    }
}

impl Scenario for AppendStore {
    type History = Versions;
    type Shown = u64;

    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, vfs: &SimVfs, history: &mut Versions) -> VfsResult<()> {
        for version in 1..=VERSIONS {
            history.issued = version;
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
