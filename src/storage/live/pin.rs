//! A reader's side: a place on the board, and the checkpoint that it holds.

use super::board::Board;
use super::{BesideError, READERS_MAX};
use crate::storage::log::Lsn;
use crate::storage::meta::{META_BYTES, Meta, MetaCopies, MetaFault};
use crate::storage::pager::META_REGION_BYTES;
use crate::sync::{Ordering, fence};
use crate::vfs::{VfsFile, VfsResult, read_up_to};

/// How often a reader begins again because the file has moved on. Each attempt is two short reads, a checkpoint
/// is several syncs.
const ATTEMPTS_MAX: usize = 10_000;

/// The bytes of the four meta copies.
pub(super) type Region = [u8; META_REGION_BYTES as usize];

/// Reads the four meta copies. What is behind the end of the file is zero.
pub(super) fn read_region(file: &dyn VfsFile) -> VfsResult<Box<Region>> {
    let mut region = Box::new([0; META_REGION_BYTES as usize]);
    read_up_to(file, &mut region[..], 0)?;
    Ok(region)
}

/// The copies in a region.
pub(super) fn copies_in(region: &Region) -> MetaCopies {
    let mut copies = [Err(MetaFault::Blank); 4];
    let (pieces, _) = region.as_chunks::<META_BYTES>();
    for (copy, bytes) in copies.iter_mut().zip(pieces) {
        *copy = Meta::decode(bytes);
    }
    MetaCopies(copies)
}

/// What was in force at a moment.
#[derive(Debug)]
pub(super) struct Moment {
    pub region: Box<Region>,
    pub meta: Meta,
    /// How far the log was; None: nobody writes, and the log is as it lies there.
    pub lsn: Option<Lsn>,
}

/// A place on the board. What it holds stays until it is dropped, or its process dies.
#[derive(Debug)]
pub(super) struct Pin {
    board: Board,
    place: usize,
}

impl Pin {
    /// Takes a place for a reader of the database `uuid`.
    pub fn take(board: Board, uuid: &[u8; 16]) -> Result<Self, BesideError> {
        match board.take_place(uuid)? {
            Some(place) => Ok(Self { board, place }),
            None => Err(BesideError::Full(READERS_MAX)),
        }
    }

    /// Holds what is in force now. The letters are those of the module's text.
    pub fn hold(&self, file: &dyn VfsFile) -> Result<Moment, BesideError> {
        for _ in 0..ATTEMPTS_MAX {
            let instance = self.board.instance();
            let region = read_region(file)?; // r2
            let Some((meta, _)) = copies_in(&region).newest() else {
                continue;
            };
            self.board.pin(self.place, &meta); // r3
            // r4: pairs with the fence in `Announcer::held`.
            fence(Ordering::SeqCst);
            let has_writer = self.board.has_writer()?;
            if has_writer && !self.board.is_open(&meta.uuid) {
                return Err(BesideError::Opening);
            }
            let lsn = has_writer.then(|| self.board.published()); // r5
            let again = read_region(file)?; // r6
            let is_same = again == region
                && self.board.instance() == instance
                && self.board.has_writer()? == has_writer;
            if is_same {
                return Ok(Moment { region, meta, lsn });
            }
        }
        Err(BesideError::Restless)
    }

    /// The log has been read: its segments may go.
    pub fn pass_log(&self) {
        self.board.pass_log(self.place);
    }
}
