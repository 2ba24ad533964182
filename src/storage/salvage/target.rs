//! The new file while it is being filled. There is no log: nothing of it counts before it has its name.

use std::path::Path;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Salvage, SalvageError};
use crate::storage::Error;
use crate::storage::engine::{Engine, Plan};
use crate::storage::log::Lsn;
use crate::storage::meta::{Meta, Slot};
use crate::storage::open::{OpenOptions, Opener};
use crate::storage::pager::OnMiss;
use crate::storage::read::{RootId, TreeId};
use crate::storage::record::Place;
use crate::storage::replace::NewFile;
use crate::storage::restore;
use crate::vfs::VfsFile;

/// The way to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub root: RootId,
    /// Keys, and which of the trees at their cells.
    pub steps: Vec<(Vec<u8>, usize)>,
}

impl Way {
    pub fn of(root: RootId) -> Self {
        Self {
            root,
            steps: Vec::new(),
        }
    }

    pub fn below(&self, key: &[u8], slot: usize) -> Self {
        let mut below = self.clone();
        below.steps.push((key.to_vec(), slot));
        below
    }

    pub fn place(&self) -> Place<'_> {
        let steps: SmallVec<[(&[u8], usize); 2]> = self
            .steps
            .iter()
            .map(|(key, slot)| (key.as_slice(), *slot))
            .collect();
        Place {
            root: self.root.0,
            steps,
        }
    }
}

/// What finishes the new file, when its engine has everything.
#[derive(Clone, Debug)]
pub(super) struct Finisher {
    options: OpenOptions,
    slot: Slot,
    /// What was at its place before, locked.
    _left: Option<Arc<dyn VfsFile>>,
}

pub(super) struct Target {
    pub engine: Engine,
    pub finisher: Finisher,
}

impl Target {
    /// An empty file at `path`, whatever is there.
    pub fn create(
        salvage: &Salvage<'_>,
        path: &Path,
        page_bytes: usize,
    ) -> Result<Self, SalvageError> {
        let options = OpenOptions {
            page_bytes,
            ..salvage.options.clone()
        };
        let NewFile { file, left } = NewFile::create(salvage.vfs, path)?;
        let opener = Opener::new(salvage.vfs, Arc::clone(salvage.clock), path, &options);
        let meta = Meta::of_new(page_bytes, options.new_uuid, salvage.clock.wall_ms());
        file.set_len(meta.pages * page_bytes as u64)?;
        let slot = Slot::A;
        for copy in 0..2 {
            meta.write_copy(&*file, slot, copy)?;
        }
        let engine = opener.load(file, meta, slot, 1)?;
        let finisher = Finisher {
            options,
            slot,
            _left: left,
        };
        Ok(Self { engine, finisher })
    }

    /// Changes the tree at the end of a way, in a transaction of its own. None: it is not there.
    pub fn at<R>(
        &mut self,
        way: &Way,
        work: impl FnOnce(&mut Engine, TreeId) -> Result<R, Error>,
    ) -> Result<Option<R>, Error> {
        let engine = &mut self.engine;
        engine.begin_command(OnMiss::Read);
        engine.set_urgent(true);
        engine.begin(Plan::Simple)?;
        let done = match engine.tree_at(&way.place())? {
            Some(tree) => Some(work(engine, tree)?),
            None => None,
        };
        engine.commit();
        Ok(done)
    }
}

impl Finisher {
    /// Makes the file whole: a checkpoint that ends with `last_lsn`, and no log.
    pub fn finish(
        &self,
        salvage: &Salvage<'_>,
        path: &Path,
        mut engine: Engine,
        last_lsn: Lsn,
    ) -> Result<(), SalvageError> {
        engine.set_replayed(last_lsn);
        let opener = Opener::new(salvage.vfs, Arc::clone(salvage.clock), path, &self.options);
        Ok(restore::finish(&opener, engine, self.slot, last_lsn)?)
    }
}
