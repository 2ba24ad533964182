//! Filling empty root trees with cells that come in any order: they are sorted first, and each page of a tree is made once.
//!
//! Nothing of it is logged, so what is filled is not there until a checkpoint has been made. Whoever fills a database in
//! this way says so in it beforehand, in a transaction that is logged, and calls [`Engine::stop_logging`] behind it and
//! [`Engine::resume_logging`] after the checkpoint.

mod sorter;

use std::path::Path;

use self::sorter::{Sorter, merge};
use super::cell;
use super::checkpoint::EngineLock;
use super::engine::{Engine, Filling, fits_inline};
use super::read::{Read, RootId};
use super::{Error, OnMiss};
use crate::vfs::Vfs;

/// Why trees could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error(transparent)]
    Storage(#[from] Error),
    /// A tree was given a key twice.
    #[error("a key stands twice in root tree {}", root.0)]
    Twice { root: RootId, key: Vec<u8> },
}

/// Cells on their way into root trees that are empty.
#[derive(Debug)]
pub struct BulkLoad<'v> {
    sorter: Sorter<'v>,
    page_bytes: usize,
    value: Vec<u8>,
    key: Vec<u8>,
}

impl<'v> BulkLoad<'v> {
    /// Begins. About `memory_bytes` bytes of cells wait in memory, and what is more in a file without a name in the folder
    /// of `path`, where no file may be.
    pub fn new(engine: &Engine, vfs: &'v dyn Vfs, path: &Path, memory_bytes: usize) -> Self {
        Self {
            sorter: Sorter::new(vfs, path, memory_bytes),
            page_bytes: engine.pager().page_bytes(),
            value: Vec::new(),
            key: Vec::new(),
        }
    }

    /// The size of pages in bytes.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Takes a cell for the tree `root`. False: it is too large to stand in a page whole, and was not taken.
    pub fn put(
        &mut self,
        root: RootId,
        key: &[u8],
        head: &[u8],
        body: &[u8],
    ) -> Result<bool, Error> {
        if !fits_inline(self.page_bytes, key, head, 0, body.len() as u64) {
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

    /// Puts what waits in memory in order, which [`fill`] does otherwise.
    pub fn sort(&mut self) {
        self.sorter.sort();
    }
}

/// Makes the trees of everything that was taken. The lock is free between two cells, so that a checkpoint can write what is
/// made. After an error the database is of no use.
pub fn fill(loads: Vec<BulkLoad<'_>>, lock: &impl EngineLock) -> Result<(), BulkError> {
    let mut filling: Option<(RootId, Filling)> = None;
    let mut last = Vec::new();
    let sorters = loads.into_iter().map(|load| load.sorter).collect();
    merge(sorters, &mut |root, key, value| {
        match &filling {
            Some((id, _)) if *id == root => {
                if last == key {
                    let key = key.to_vec();
                    return Err(BulkError::Twice { root, key });
                }
            }
            _ => {
                end(&mut filling, lock)?;
                filling = Some((root, lock.with(|engine| engine.begin_filling(root))?));
            }
        }
        last.clear();
        last.extend_from_slice(key);
        let (_, filling) = filling.as_mut().expect("it was begun");
        Ok(lock.with(|engine| engine.fill(filling, key, value))?)
    })?;
    Ok(end(&mut filling, lock)?)
}

fn end(filling: &mut Option<(RootId, Filling)>, lock: &impl EngineLock) -> Result<(), Error> {
    match filling.take() {
        Some((_, filling)) => lock.with(|engine| engine.end_filling(filling)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
