//! A store with two sealed slots in one file of fixed size: each version overwrites the older slot.

use redkeep::vfs::{OpenMode, Vfs, VfsResult, write_all_at};

use super::{
    NEXT_LIFE, VERSIONS, Versions, db, payload, read_whole, sealed, takes_another, unseal,
};
use crate::disk::SimVfs;
use crate::explore::{Broken, Fault, Scenario};

/// A step that a wrong store leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverwriteStep {
    /// Taking the older slot, not always the first.
    OtherSlot,
    /// Syncing before the acknowledgement.
    Sync,
    /// Looking at the checksum.
    Checksum,
    /// Keeping the slots in atoms of their own.
    Apart,
    /// Syncing what recovery found.
    SyncRecovered,
}

impl OverwriteStep {
    /// Every step.
    pub const ALL: [OverwriteStep; 5] = [
        OverwriteStep::OtherSlot,
        OverwriteStep::Sync,
        OverwriteStep::Checksum,
        OverwriteStep::Apart,
        OverwriteStep::SyncRecovered,
    ];
}

/// The distance of slots that share no atom of any size, and of slots that do.
const APART: u64 = 8192;
const CLOSE: u64 = 5100;

/// Bytes of a version: with its seal less than the distance of close slots.
const SIZE: usize = 5000;

/// The store, with at most one step left out.
#[derive(Debug)]
pub struct OverwriteStore {
    without: Option<OverwriteStep>,
    name: String,
}

impl OverwriteStore {
    /// All steps.
    pub fn right() -> Self {
        Self {
            without: None,
            name: "overwrite".to_owned(),
        }
    }

    /// All steps but one.
    pub fn without(step: OverwriteStep) -> Self {
        Self {
            without: Some(step),
            name: format!("overwrite-without-{step:?}"),
        }
    }

    fn does(&self, step: OverwriteStep) -> bool {
        self.without != Some(step)
    }

    fn slot(&self, number: u64) -> u64 {
        match self.does(OverwriteStep::Apart) {
            true => number * APART,
            false => number * CLOSE,
        }
    }

    /// The version of each slot; 0 for one that holds none.
    fn slots(&self, bytes: &[u8]) -> Result<[u64; 2], Broken> {
        let mut out = [0; 2];
        for (number, version) in out.iter_mut().enumerate() {
            let start = self.slot(number as u64) as usize;
            let slot = bytes.get(start..).unwrap_or(&[]);
            let checked = self.does(OverwriteStep::Checksum);
            let Some((found, content)) = unseal(slot, checked) else {
                continue;
            };
            if found > 0 && content != payload(found, SIZE) {
                let detail = format!("slot {number} is damaged and was not noticed");
                return Err(Broken::new("O10", detail));
            }
            *version = found;
        }
        Ok(out)
    }

    fn put(&self, vfs: &SimVfs, version: u64) -> VfsResult<()> {
        let file = vfs.open(&db("slots"), OpenMode::Create)?;
        if file.is_empty()? {
            vfs.sync_dir(&db(""))?;
        }
        let slots = self.slots(&read_whole(&*file)?).unwrap_or_default();
        let older = u64::from(slots[1] < slots[0]);
        let number = match self.does(OverwriteStep::OtherSlot) {
            true => older,
            false => 0,
        };
        write_all_at(&*file, &sealed(version, SIZE), self.slot(number))?;
        if self.does(OverwriteStep::Sync) {
            file.sync_data()?;
        }
        Ok(())
    }

    fn show(&self, vfs: &SimVfs) -> Result<u64, Fault> {
        let file = vfs.open(&db("slots"), OpenMode::Create)?;
        if self.does(OverwriteStep::SyncRecovered) {
            file.sync_data()?;
            vfs.sync_dir(&db(""))?;
        }
        let slots = self.slots(&read_whole(&*file)?)?;
        Ok(slots[0].max(slots[1]))
    }
}

impl Scenario for OverwriteStore {
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
