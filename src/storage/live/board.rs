//! The words and locks of `-shm`. `docs/FORMAT.md` has them as a table.

use std::path::Path;
use std::sync::Arc;

use crate::storage::log::Lsn;
use crate::storage::meta::Meta;
use crate::storage::open::shm_path;
use crate::storage::page::{PageNo, PagePtr, Stamp};
use crate::vfs::{SharedWords, Vfs, VfsResult};

/// How many readers may be at a file at once.
pub const READERS_MAX: usize = 64;

const MAGIC: u64 = u64::from_le_bytes(*b"RKSHARED");
const VERSION: u64 = 1;

/// Words of the header.
mod word {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    pub const UUID: usize = 2;
    pub const INSTANCE: usize = 4;
    pub const IS_OPEN: usize = 5;
    /// In a line of the processor's cache of its own, for it is stored with every write of the log.
    pub const LSN: usize = 8;
}

/// Words of a place, from its first on.
mod place {
    pub const CHECKPOINT: usize = 0;
    pub const LOG_FROM: usize = 1;
    pub const PAGES: usize = 2;
    pub const MAP_PAGE: usize = 3;
    pub const MAP_STAMP: usize = 4;
    pub const UUID: usize = 5;
}

const HEADER_WORDS: usize = 64;
const PLACE_WORDS: usize = 8;
const WORDS: usize = HEADER_WORDS + READERS_MAX * PLACE_WORDS;

/// The byte that the writer locks; a reader locks the first byte of its place.
const WRITER_BYTE: u64 = 0;

/// Stands for a log that the reader has read.
const NO_LOG: u64 = u64::MAX;

const _: () = assert!(place::UUID + 2 <= PLACE_WORDS && word::LSN < HEADER_WORDS);

fn place_word(place: usize) -> usize {
    HEADER_WORDS + place * PLACE_WORDS
}

fn place_byte(place: usize) -> u64 {
    8 * place_word(place) as u64
}

fn halves(uuid: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*uuid);
    [number as u64, (number >> 64) as u64]
}

/// The words that are used where only the first few places are.
#[cfg(all(test, loom))]
pub(super) fn words_of(places: usize) -> impl Iterator<Item = usize> {
    (0..=word::LSN).chain(place_word(0)..place_word(places))
}

/// The bytes that are locked where only the first few places are taken.
#[cfg(all(test, loom))]
pub(super) fn locks_of(places: usize) -> impl Iterator<Item = u64> {
    std::iter::once(WRITER_BYTE).chain((0..places).map(place_byte))
}

/// What a reader holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// Number of the checkpoint.
    pub checkpoint: u64,
    /// The log from this transaction on is needed, the last one of the checkpoint; None: no more.
    pub log_from: Option<Lsn>,
    /// Pages of the file, and the free map, of the checkpoint.
    pub pages: u64,
    pub free_map: PagePtr,
}

/// `-shm` as both sides use it.
#[derive(Clone, Debug)]
pub(super) struct Board {
    words: Arc<dyn SharedWords>,
}

impl Board {
    /// Opens the board of the database at `path`. None: the file system belongs to one process.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> VfsResult<Option<Self>> {
        let words = vfs.open_shared(&shm_path(path), WORDS, path)?;
        Ok(words.map(Self::over))
    }

    /// A board of these words.
    pub fn over(words: Arc<dyn SharedWords>) -> Self {
        Self { words }
    }

    /// Takes the writer's lock; false: another has it.
    pub fn lock_as_writer(&self) -> VfsResult<bool> {
        self.words.try_lock(WRITER_BYTE)
    }

    /// Whether another handle has the writer's lock.
    pub fn has_writer(&self) -> VfsResult<bool> {
        let byte = WRITER_BYTE..WRITER_BYTE + 1;
        Ok(self.words.first_locked(byte)?.is_some())
    }

    /// A new writer is there and does not say anything yet.
    pub fn begin(&self, uuid: &[u8; 16]) {
        self.words.store(word::IS_OPEN, 0);
        self.words.store(word::MAGIC, MAGIC);
        self.words.store(word::VERSION, VERSION);
        for (i, half) in halves(uuid).into_iter().enumerate() {
            self.words.store(word::UUID + i, half);
        }
        self.words.store(word::INSTANCE, self.instance() + 1);
    }

    /// The writer has opened the file: from now on what is published counts.
    pub fn set_open(&self) {
        self.words.store(word::IS_OPEN, 1);
    }

    /// Whether the writer has opened the file of this database.
    pub fn is_open(&self, uuid: &[u8; 16]) -> bool {
        let load = |at| self.words.load(at);
        let is_known = load(word::MAGIC) == MAGIC && load(word::VERSION) == VERSION;
        is_known
            && halves(uuid) == [load(word::UUID), load(word::UUID + 1)]
            && load(word::IS_OPEN) == 1
    }

    /// Changes whenever a writer begins.
    pub fn instance(&self) -> u64 {
        self.words.load(word::INSTANCE)
    }

    /// The kernel has the log up to here, and it ends here.
    pub fn publish(&self, lsn: Lsn) {
        self.words.store(word::LSN, lsn.0);
    }

    pub fn published(&self) -> Lsn {
        Lsn(self.words.load(word::LSN))
    }

    /// Takes a place that nobody has; None: all are taken.
    pub fn take_place(&self, uuid: &[u8; 16]) -> VfsResult<Option<usize>> {
        for place in 0..READERS_MAX {
            if self.words.try_lock(place_byte(place))? {
                let at = place_word(place);
                self.words.store(at + place::CHECKPOINT, 0);
                for (i, half) in halves(uuid).into_iter().enumerate() {
                    self.words.store(at + place::UUID + i, half);
                }
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Says what the reader at a place holds from now on.
    pub fn pin(&self, place: usize, meta: &Meta) {
        let at = place_word(place);
        let lsn = meta.checkpoint.lsn.0;
        self.words.store(at + place::LOG_FROM, lsn);
        self.words.store(at + place::PAGES, meta.pages);
        self.words.store(at + place::MAP_PAGE, meta.free_map.page.0);
        self.words
            .store(at + place::MAP_STAMP, meta.free_map.stamp.0);
        self.words
            .store(at + place::CHECKPOINT, meta.checkpoint.seq);
    }

    /// The reader at a place has read the log.
    pub fn pass_log(&self, place: usize) {
        self.words
            .store(place_word(place) + place::LOG_FROM, NO_LOG);
    }

    /// What the readers of this database hold. A place whose holder is gone holds nothing, whatever is in it.
    pub fn pinned(&self, uuid: &[u8; 16]) -> VfsResult<Vec<Pinned>> {
        let end = place_byte(READERS_MAX);
        let mut from = place_byte(0);
        let mut found = Vec::new();
        while let Some(byte) = self.words.first_locked(from..end)? {
            let place = (byte - place_byte(0)) as usize / (8 * PLACE_WORDS);
            from = place_byte(place + 1);
            found.extend(self.at_place(place, uuid));
            if from >= end {
                break;
            }
        }
        Ok(found)
    }

    fn at_place(&self, place: usize, uuid: &[u8; 16]) -> Option<Pinned> {
        let load = |at| self.words.load(place_word(place) + at);
        let checkpoint = load(place::CHECKPOINT);
        let is_ours = halves(uuid) == [load(place::UUID), load(place::UUID + 1)];
        let log_from = load(place::LOG_FROM);
        (is_ours && checkpoint != 0).then(|| Pinned {
            checkpoint,
            log_from: (log_from != NO_LOG).then_some(Lsn(log_from)),
            pages: load(place::PAGES),
            free_map: PagePtr {
                page: PageNo(load(place::MAP_PAGE)),
                stamp: Stamp(load(place::MAP_STAMP)),
            },
        })
    }
}
