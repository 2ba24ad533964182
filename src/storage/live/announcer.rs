//! The writer's side: says how far the log is, and sees what readers hold.

use std::path::Path;

use super::board::{Board, Pinned};
use crate::storage::freemap;
use crate::storage::log::Lsn;
use crate::storage::meta::Meta;
use crate::storage::page::PageNo;
use crate::storage::pager::{PageSource, Space};
use crate::sync::{Ordering, fence};
use crate::vfs::{Vfs, VfsError, VfsErrorKind, VfsResult};

/// The readers of other processes, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    pub count: u64,
    /// The oldest checkpoint that one of them holds.
    pub oldest_checkpoint: Option<u64>,
}

/// What readers hold at a moment.
#[derive(Clone, Debug, Default)]
pub struct Held {
    pins: Vec<Pinned>,
    /// It could not be seen what they hold, so they hold everything.
    is_unknown: bool,
}

impl Held {
    /// Whether the pages of this checkpoint must stay.
    pub fn has_checkpoint(&self, seq: u64) -> bool {
        self.is_unknown || self.pins.iter().any(|pin| pin.checkpoint == seq)
    }

    /// The log from this transaction on must stay; None: nobody reads it.
    pub fn log_from(&self) -> Option<Lsn> {
        if self.is_unknown {
            return Some(Lsn(0));
        }
        self.pins.iter().filter_map(|pin| pin.log_from).min()
    }

    /// The checkpoints that are held, other than `except`.
    pub fn checkpoints(&self, except: u64) -> Vec<u64> {
        let held = self.pins.iter().map(|pin| pin.checkpoint);
        let mut held: Vec<u64> = held.filter(|seq| *seq != except).collect();
        held.sort_unstable();
        held.dedup();
        held
    }

    /// The pages that are free in `space`, the map of `meta`, and that older checkpoints still reach. A checkpoint whose
    /// map cannot be read reaches every one of them.
    pub fn reached(&self, source: &PageSource, meta: &Meta, space: &Space) -> Vec<PageNo> {
        let mut reached = Vec::new();
        let older = |pin: &&Pinned| pin.checkpoint != meta.checkpoint.seq;
        for pin in self.pins.iter().filter(older) {
            let map = if pin.pages <= meta.pages {
                freemap::read(source, pin.free_map, pin.pages).ok()
            } else {
                None
            };
            if map.is_none() {
                tracing::warn!(
                    "a reader holds checkpoint {}, and its free map cannot be read: no free page is used while it is there",
                    pin.checkpoint
                );
            }
            let is_reached = |page: PageNo| match &map {
                Some((free, _)) => page.0 < free.pages() && !free.is_free(page),
                None => true,
            };
            let free = space.extents().into_iter().flatten().map(PageNo);
            reached.extend(free.filter(|page| is_reached(*page)));
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }
}

/// The board in the hands of the process that writes the file.
#[derive(Debug)]
pub struct Announcer {
    board: Board,
    uuid: [u8; 16],
}

impl Announcer {
    /// Begins: from now on readers wait for [`Announcer::open`]. None: there can be no readers.
    ///
    /// # Errors
    /// The file cannot be opened for writing, or another process announces.
    pub fn begin(vfs: &dyn Vfs, path: &Path, uuid: [u8; 16]) -> VfsResult<Option<Self>> {
        let board = match Board::open(vfs, path) {
            Ok(Some(board)) => board,
            Ok(None) => return Ok(None),
            Err(e) if e.kind == VfsErrorKind::Unsupported => {
                tracing::warn!("other processes cannot read the file while it is open: {e}");
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        let locked = || VfsError {
            kind: VfsErrorKind::Locked,
            op: "lock",
            path: path.to_path_buf(),
            offset: None,
            effect_unknown: false,
            message: "somebody else announces what it writes".to_owned(),
        };
        Ok(Some(Self::over(board, uuid)?.ok_or_else(locked)?))
    }

    /// The same on an open board. None: another process announces.
    pub(super) fn over(board: Board, uuid: [u8; 16]) -> VfsResult<Option<Self>> {
        if !board.lock_as_writer()? {
            return Ok(None);
        }
        board.begin(&uuid);
        Ok(Some(Self { board, uuid }))
    }

    /// The file is open, and its log ends with `lsn`.
    pub fn open(&self, lsn: Lsn) {
        self.board.publish(lsn);
        self.board.set_open();
    }

    /// The kernel has the log up to `lsn`, where a write ended.
    pub fn publish(&self, lsn: Lsn) {
        self.board.publish(lsn);
    }

    /// What readers hold. Whoever takes a pin after this sees what was written before it.
    pub fn look(&self) -> VfsResult<Held> {
        // Pairs with the fence of a reader between storing its pin and reading the metas again.
        fence(Ordering::SeqCst);
        Ok(Held {
            pins: self.board.pinned(&self.uuid)?,
            is_unknown: false,
        })
    }

    /// The same; everything, where it cannot be seen.
    pub fn held(&self) -> Held {
        self.look().unwrap_or_else(|e| {
            tracing::warn!("it cannot be seen what other processes read: {e}");
            Held {
                pins: Vec::new(),
                is_unknown: true,
            }
        })
    }

    /// How many readers there are.
    pub fn readers(&self) -> Readers {
        let held = self.held();
        Readers {
            count: held.pins.len() as u64,
            oldest_checkpoint: held.pins.iter().map(|pin| pin.checkpoint).min(),
        }
    }
}
