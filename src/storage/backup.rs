//! A copy of the file while it is in use.
//!
//! A checkpoint leaves a file that is whole by its meta: every page that the meta reaches lies on the disk and is not
//! written again, because changes go to copies. While a checkpoint is *held*, newer ones go on, and the pages and the
//! free map that it reaches are not given back. So they are copied without the engine lock, in the order of the file,
//! each verified on the way; what is free is left out. The copy gets the same meta, saying that no log belongs to it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Error;
use super::checkpoint::EngineLock;
use super::engine::Engine;
use super::freemap;
use super::log::Lsn;
use super::meta::{Meta, Slot};
use super::open::log_path;
use super::page::PageNo;
use super::pager::{META_REGION_BYTES, PageSource, Space};
use super::planted::{Bug, Planted};
use super::replace::{Unsynced, replace_file};
use crate::vfs::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, read_up_to, write_all_at};

/// Bytes that are read and written together, usually.
pub const PIECE_BYTES: usize = 1 << 20;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    #[error("it was told to stop")]
    Stopped,
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(transparent)]
    Vfs(#[from] VfsError),
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub pages: u64,
    /// Pages to be copied in all.
    pub pages_total: u64,
}

/// A checkpoint whose pages stay as they are until [`Engine::release_checkpoint`].
#[derive(Debug)]
pub struct Held {
    meta: Meta,
    source: PageSource,
    piece_bytes: usize,
    planted: Planted,
}

/// Copies the checkpoint in force to `path`, where nothing may be, and holds it meanwhile. So many bytes are read and
/// written together, a page at least. `tell` hears how far the copy is, and may stop it.
pub fn back_up<L: EngineLock>(
    engine: &L,
    vfs: &dyn Vfs,
    path: &Path,
    piece_bytes: usize,
    tell: &mut dyn FnMut(Copied) -> ControlFlow<()>,
) -> Result<(), BackupError> {
    let mut held = engine.with(Engine::hold_checkpoint);
    held.piece_bytes = piece_bytes;
    let holding = Holding {
        engine,
        held: Some(held),
    };
    let held = holding.held.as_ref();
    held.expect("it is held").write(vfs, path, tell)
}

/// Releases a checkpoint when it is dropped: also if whoever hears how far the copy is panics.
struct Holding<'a, L: EngineLock> {
    engine: &'a L,
    held: Option<Held>,
}

impl<L: EngineLock> Drop for Holding<'_, L> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.engine.with(|engine| engine.release_checkpoint(held));
        }
    }
}

impl Engine {
    /// Holds the checkpoint in force.
    pub fn hold_checkpoint(&mut self) -> Held {
        let (source, planted) = (self.source().clone(), self.planted());
        let state = self.checkpoint_state_mut();
        if !planted.has(Bug::M31BackupHoldsNothing) {
            state.hold();
        }
        Held {
            meta: state.meta,
            source,
            piece_bytes: PIECE_BYTES,
            planted,
        }
    }

    /// The checkpoint is held no longer: the next one gives its pages back.
    pub fn release_checkpoint(&mut self, held: Held) {
        let seq = held.meta.checkpoint.seq;
        if !held.planted.has(Bug::M31BackupHoldsNothing) {
            self.checkpoint_state_mut().release(seq);
        }
    }
}

impl Held {
    /// The checkpoint of a file that nobody has open.
    pub(super) fn of_file(meta: Meta, source: PageSource) -> Self {
        Self {
            meta,
            source,
            piece_bytes: PIECE_BYTES,
            planted: Planted::none(),
        }
    }

    /// The last transaction that is in the copy.
    pub fn lsn(&self) -> Lsn {
        self.meta.checkpoint.lsn
    }

    /// Writes the copy to `path`, where nothing may be: after a crash it is there whole, or not at all. `tell` hears how
    /// far it is, and may stop it.
    pub fn write(
        &self,
        vfs: &dyn Vfs,
        path: &Path,
        tell: &mut dyn FnMut(Copied) -> ControlFlow<()>,
    ) -> Result<(), BackupError> {
        refuse_existing(vfs, path)?;
        self.overwrite(vfs, path, tell)
    }

    /// The same in the place of whatever is there.
    pub(super) fn overwrite(
        &self,
        vfs: &dyn Vfs,
        path: &Path,
        tell: &mut dyn FnMut(Copied) -> ControlFlow<()>,
    ) -> Result<(), BackupError> {
        replace_file(vfs, path, self.planted, BackupError::from, &mut |file| {
            self.copy(file, tell)
        })
    }

    /// Writes the copy into an empty file.
    ///
    /// # Errors
    /// A page that is damaged ends the copy; so does a disk that fails or is full.
    fn copy(
        &self,
        file: &dyn VfsFile,
        tell: &mut dyn FnMut(Copied) -> ControlFlow<()>,
    ) -> Result<(), BackupError> {
        let (space, _) = freemap::read(&self.source, self.meta.free_map, self.meta.pages)?;
        let page_bytes = self.source.page_bytes() as u64;
        let mut copied = Copied {
            pages: 0,
            pages_total: used_runs(&space, page_bytes)
                .map(|run| run.end - run.start)
                .sum(),
        };
        let mut piece = vec![0; self.piece_bytes.max(page_bytes as usize)];
        let pages_a_piece = piece.len() as u64 / page_bytes;
        let mut unsynced = Unsynced::default();
        for run in used_runs(&space, page_bytes) {
            let mut at = run.start;
            while at < run.end {
                let pages = (run.end - at).min(pages_a_piece);
                let bytes = &mut piece[..(pages * page_bytes) as usize];
                let offset = at * page_bytes;
                let read = read_up_to(self.source.file(), bytes, offset)?;
                bytes[read..].fill(0);
                self.verify(at, bytes)?;
                write_all_at(file, bytes, offset)?;
                unsynced.add(bytes.len(), file)?;
                at += pages;
                copied.pages += pages;
                if tell(copied).is_break() {
                    return Err(BackupError::Stopped);
                }
            }
        }
        file.set_len(self.meta.pages * page_bytes)?;
        file.sync_data()?;
        let meta = Meta {
            log_required: false,
            durable_lsn: self.lsn(),
            ..self.meta
        };
        // A file without a meta is refused, so the pages come first. Either slot leads to them.
        let newer = Meta {
            seq: meta.seq + 1,
            ..meta
        };
        for (slot, meta) in [(Slot::A, newer), (Slot::B, meta)] {
            for copy in 0..2 {
                meta.write_copy(file, slot, copy)?;
            }
        }
        Ok(())
    }

    /// Looks at pages that were read together, of which the first is number `first`. One that is damaged is read again by
    /// itself: a flip on the way heals.
    fn verify(&self, first: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let pages = bytes.chunks_exact_mut(self.source.page_bytes());
        for (number, page) in (first..).map(PageNo).zip(pages) {
            if self.source.verify_numbered(page, number).is_err() {
                self.source.read_numbered(number, page)?;
            }
        }
        Ok(())
    }
}

/// Refuses to replace a file, or to lay one beside a log that is not its own.
pub fn refuse_existing(vfs: &dyn Vfs, path: &Path) -> Result<(), BackupError> {
    for path in [path.to_path_buf(), log_path(path)] {
        match vfs.open(&path, OpenMode::Read) {
            Ok(_) => return Err(BackupError::Exists(path)),
            Err(error) if error.kind == VfsErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What is not free behind the metas, as runs of pages.
fn used_runs(space: &Space, page_bytes: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    let first = META_REGION_BYTES.div_ceil(page_bytes);
    let free = space.extents();
    let starts = std::iter::once(first).chain(free.iter().map(|run| run.end).collect::<Vec<_>>());
    let ends = free.into_iter().map(|run| run.start).chain([space.pages()]);
    starts
        .zip(ends)
        .map(move |(start, end)| start.max(first)..end)
        .filter(|run| run.start < run.end)
}
