//! The meta slots: where a checkpoint begins.
//!
//! The first 16 KiB of the file hold two slots of two copies each, 4096 bytes a copy, in the order A1 A2 B1 B2. A
//! slot is valid if either copy is. A checkpoint writes the slot that is not the newest: the first copy, a sync, the
//! second copy, a sync. So a torn copy never costs a slot, and a torn slot never costs a checkpoint.
//!
//! ```text
//! offset size  meaning
//!      0    8  "REDKEEP\0"
//!      8    4  version of the format: 1
//!     12    4  page size in bytes
//!     16   16  identity of the database, random
//!     32    8  number of this meta, counting every one written
//!     40    8  number of the checkpoint
//!     48    8  LSN of the checkpoint: the last transaction in it
//!     56    8  highest LSN known to be synced when it was written
//!     64    4  generation: number of opens of the file when it was written
//!     68    4  flags: bit 0: the log is required
//!     72    8  pages in the file
//!     80   32  descriptor of the catalog tree
//!    112   14  pointer to the first page of the stored free map, null if nothing is free
//!    126    2  zero
//!    128    8  wall time it was written, ms since 1970
//!   4092    4  CRC-32 of bytes 0 to 4091
//! ```

use super::log::{CheckpointRef, Lsn};
use super::page::{Desc, PagePtr, u32_at, u64_at};
use crate::vfs::{VfsFile, VfsResult, read_up_to, write_all_at};

/// Bytes of one copy.
pub const META_BYTES: usize = 4096;

/// The version of the format that this program reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"REDKEEP\0";
const CRC_OFFSET: usize = META_BYTES - 4;
const LOG_REQUIRED: u32 = 1;

const _: () = assert!(super::pager::META_REGION_BYTES == 4 * META_BYTES as u64);

/// What a checkpoint leaves for the next open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    pub page_bytes: u32,
    pub uuid: [u8; 16],
    /// Number of this meta.
    pub seq: u64,
    pub checkpoint: CheckpointRef,
    pub durable_lsn: Lsn,
    pub generation: u32,
    /// Without the log the file is not whole.
    pub log_required: bool,
    pub pages: u64,
    pub catalog: Desc,
    pub free_map: PagePtr,
    pub wall_ms: u64,
}

impl Meta {
    /// That of a file in which there is nothing yet.
    pub fn of_new(page_bytes: usize, uuid: [u8; 16], wall_ms: u64) -> Self {
        Self {
            page_bytes: page_bytes as u32,
            uuid,
            seq: 1,
            checkpoint: CheckpointRef {
                seq: 1,
                lsn: Lsn(0),
            },
            durable_lsn: Lsn(0),
            generation: 0,
            log_required: false,
            pages: super::pager::META_REGION_BYTES.div_ceil(page_bytes as u64),
            catalog: Desc::EMPTY_TREE,
            free_map: PagePtr::default(),
            wall_ms,
        }
    }
}

/// Why bytes are no meta copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaFault {
    #[error("it is blank")]
    Blank,
    #[error("it does not begin as one")]
    Magic,
    #[error("its checksum is wrong")]
    Checksum,
    #[error("its format is version {0} and this program reads version {FORMAT_VERSION}")]
    Version(u32),
    #[error("its page size {0} is not one")]
    PageSize(u32),
}

/// Which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Where copy 0 or 1 lies in the file.
    pub fn offset(self, copy: usize) -> u64 {
        let slot = match self {
            Self::A => 0,
            Self::B => 2,
        };
        ((slot + copy) * META_BYTES) as u64
    }
}

impl Meta {
    pub fn encode(&self) -> [u8; META_BYTES] {
        let mut out = [0; META_BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.page_bytes.to_le_bytes());
        out[16..32].copy_from_slice(&self.uuid);
        out[32..40].copy_from_slice(&self.seq.to_le_bytes());
        out[40..48].copy_from_slice(&self.checkpoint.seq.to_le_bytes());
        out[48..56].copy_from_slice(&self.checkpoint.lsn.0.to_le_bytes());
        out[56..64].copy_from_slice(&self.durable_lsn.0.to_le_bytes());
        out[64..68].copy_from_slice(&self.generation.to_le_bytes());
        let flags = if self.log_required { LOG_REQUIRED } else { 0 };
        out[68..72].copy_from_slice(&flags.to_le_bytes());
        out[72..80].copy_from_slice(&self.pages.to_le_bytes());
        out[80..112].copy_from_slice(&self.catalog.encode());
        out[112..126].copy_from_slice(&self.free_map.encode());
        out[128..136].copy_from_slice(&self.wall_ms.to_le_bytes());
        let crc = crc32fast::hash(&out[..CRC_OFFSET]);
        out[CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8; META_BYTES]) -> Result<Self, MetaFault> {
        if bytes.iter().all(|b| *b == 0) {
            return Err(MetaFault::Blank);
        }
        if &bytes[..8] != MAGIC {
            return Err(MetaFault::Magic);
        }
        if u32_at(bytes, CRC_OFFSET) != crc32fast::hash(&bytes[..CRC_OFFSET]) {
            return Err(MetaFault::Checksum);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(MetaFault::Version(version));
        }
        let page_bytes = u32_at(bytes, 12);
        let sizes = super::page::PAGE_BYTES_MIN..=super::page::PAGE_BYTES_MAX;
        if !page_bytes.is_power_of_two() || !sizes.contains(&(page_bytes as usize)) {
            return Err(MetaFault::PageSize(page_bytes));
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            page_bytes,
            uuid,
            seq: u64_at(bytes, 32),
            checkpoint: CheckpointRef {
                seq: u64_at(bytes, 40),
                lsn: Lsn(u64_at(bytes, 48)),
            },
            durable_lsn: Lsn(u64_at(bytes, 56)),
            generation: u32_at(bytes, 64),
            log_required: u32_at(bytes, 68) & LOG_REQUIRED != 0,
            pages: u64_at(bytes, 72),
            catalog: Desc::decode(&bytes[80..112]),
            free_map: PagePtr::decode(&bytes[112..126]),
            wall_ms: u64_at(bytes, 128),
        })
    }

    /// Writes one copy of a slot. The caller syncs before it writes the other.
    pub fn write_copy(&self, file: &dyn VfsFile, slot: Slot, copy: usize) -> VfsResult<()> {
        write_all_at(file, &self.encode(), slot.offset(copy))
    }
}

/// The four copies as they were found, in file order.
#[derive(Clone, Debug)]
pub struct MetaCopies(pub [Result<Meta, MetaFault>; 4]);

impl MetaCopies {
    pub fn read(file: &dyn VfsFile) -> VfsResult<Self> {
        let mut copies = [Err(MetaFault::Blank); 4];
        for (i, copy) in copies.iter_mut().enumerate() {
            let mut bytes = [0; META_BYTES];
            read_up_to(file, &mut bytes, (i * META_BYTES) as u64)?;
            *copy = Meta::decode(&bytes);
        }
        Ok(Self(copies))
    }

    /// The newer valid copy of a slot.
    pub fn slot(&self, slot: Slot) -> Option<Meta> {
        let first = slot.offset(0) as usize / META_BYTES;
        self.0[first..first + 2]
            .iter()
            .flatten()
            .max_by_key(|meta| meta.seq)
            .copied()
    }

    /// The newest valid meta and its slot.
    pub fn newest(&self) -> Option<(Meta, Slot)> {
        [Slot::A, Slot::B]
            .into_iter()
            .filter_map(|slot| self.slot(slot).map(|meta| (meta, slot)))
            .max_by_key(|(meta, _)| meta.seq)
    }

    /// A version of the format that this program does not read, if a copy has one.
    pub fn foreign_version(&self) -> Option<u32> {
        self.0.iter().find_map(|copy| match copy {
            Err(MetaFault::Version(version)) => Some(*version),
            _ => None,
        })
    }

    /// Whether nothing was ever written here.
    pub fn are_blank(&self) -> bool {
        self.0.iter().all(|copy| *copy == Err(MetaFault::Blank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(seq: u64) -> Meta {
        Meta {
            page_bytes: 4096,
            uuid: *b"0123456789abcdef",
            seq,
            checkpoint: CheckpointRef {
                seq: 5,
                lsn: Lsn(77),
            },
            durable_lsn: Lsn(78),
            generation: 3,
            log_required: true,
            pages: 99,
            catalog: Desc {
                count: 4,
                ..Desc::EMPTY_TREE
            },
            free_map: PagePtr::default(),
            wall_ms: 1 << 40,
        }
    }

    #[test]
    fn a_meta_reads_back_and_no_flipped_bit_passes() {
        let bytes = meta(9).encode();
        assert_eq!(Meta::decode(&bytes), Ok(meta(9)));
        for bit in 0..META_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_newest_slot_wins_and_a_torn_copy_costs_nothing() {
        let mut copies = MetaCopies([Ok(meta(6)), Ok(meta(6)), Ok(meta(7)), Ok(meta(5))]);
        assert_eq!(copies.newest(), Some((meta(7), Slot::B)));
        copies.0[2] = Err(MetaFault::Checksum);
        assert_eq!(copies.newest(), Some((meta(6), Slot::A)));
    }
}
