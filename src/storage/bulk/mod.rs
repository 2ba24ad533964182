//! Filling empty trees with cells that come in any order: they are sorted first, and each page of a tree is made once.
//!
//! Nothing of it is logged, so what is filled is not there until a checkpoint has been made. Whoever fills a database in
//! this way says so in it beforehand, in a transaction that is logged.

mod sorter;

use std::path::Path;

use self::sorter::Sorter;
use super::cell::{self, Cell};
use super::engine::{Engine, Filling};
use super::page::Desc;
use super::read::{Read, RootId};
use super::{Error, OnMiss};
use crate::vfs::Vfs;

/// Bytes of cells that wait in memory; what is more waits in a file.
const MEMORY_BYTES: usize = 192 << 20;

/// Cells on their way into root trees that are empty.
#[derive(Debug)]
pub struct BulkLoad<'v> {
    sorter: Sorter<'v>,
    value: Vec<u8>,
    key: Vec<u8>,
}

impl<'v> BulkLoad<'v> {
    /// Begins: what the engine changes from now on is not logged. Cells that memory has no room for wait in a file of no
    /// name in the folder of `path`, where no file may be.
    pub fn begin(engine: &mut Engine, vfs: &'v dyn Vfs, path: &Path) -> Self {
        engine.stop_logging();
        Self {
            sorter: Sorter::new(vfs, path, MEMORY_BYTES),
            value: Vec::new(),
            key: Vec::new(),
        }
    }

    /// Takes a cell for the tree `root`; one that comes later has the place of an earlier one with the same key. False:
    /// it is too large to stand in a page whole, and was not taken.
    pub fn put(
        &mut self,
        engine: &Engine,
        root: RootId,
        key: &[u8],
        head: &[u8],
        body: &[u8],
    ) -> Result<bool, Error> {
        if !engine.fits_inline(key, head, 0, body.len() as u64) {
            return Ok(false);
        }
        cell::encode(&mut self.value, head, None, &[], body);
        self.sorter.add(root, key, &self.value)?;
        Ok(true)
    }

    /// Takes every cell out of the tree `root`, with all that hangs there, to be put in again with the others.
    pub fn lift(&mut self, engine: &mut Engine, root: RootId) -> Result<(), Error> {
        loop {
            engine.begin_command(OnMiss::Read);
            let tree = engine.root(root)?;
            if engine.count(tree) == 0 {
                return Ok(());
            }
            engine.lift_first(tree, &mut self.key, &mut self.value)?;
            self.sorter.add(root, &self.key, &self.value)?;
        }
    }

    /// Makes the trees. Their cells are in the file after the next checkpoint, which must be made before
    /// [`Engine::resume_logging`]. After an error the database is of no use.
    pub fn finish(self, engine: &mut Engine) -> Result<(), Error> {
        let mut trees = Trees {
            engine,
            filling: None,
            last: None,
        };
        let done = self
            .sorter
            .drain(&mut |root, key, value| trees.take(root, key, value));
        done.and_then(|()| trees.end())
    }
}

/// A cell that is put when the next one is known to have another key.
#[derive(Debug, Default)]
struct Last {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Root trees that are filled one after the other.
struct Trees<'e> {
    engine: &'e mut Engine,
    filling: Option<(RootId, Filling)>,
    /// The last cell of the tree that is being filled.
    last: Option<Last>,
}

impl Trees<'_> {
    fn take(&mut self, root: RootId, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if self.filling.as_ref().is_none_or(|(id, _)| *id != root) {
            self.end()?;
            self.engine.begin_command(OnMiss::Read);
            self.filling = Some((root, self.engine.begin_filling(root)?));
        } else if self.last.as_ref().is_some_and(|last| last.key == key) {
            let last = self.last.take().unwrap_or_default();
            let gone: Vec<Desc> = Cell::new(&last.value).attachments().collect();
            self.engine.drop_all(gone);
            self.last = Some(last);
        } else {
            self.put_last()?;
        }
        let last = self.last.get_or_insert_default();
        last.key.clear();
        last.key.extend_from_slice(key);
        last.value.clear();
        last.value.extend_from_slice(value);
        Ok(())
    }

    fn put_last(&mut self) -> Result<(), Error> {
        if let (Some((_, filling)), Some(last)) = (&mut self.filling, &self.last) {
            self.engine.fill(filling, &last.key, &last.value)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        self.put_last()?;
        self.last = None;
        match self.filling.take() {
            Some((_, filling)) => self.engine.end_filling(filling),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
