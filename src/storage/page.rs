//! The unit of the file: a page, its header, and the pointer that names it.
//!
//! Every page carries a checksum, its own number and a birth stamp from a counter that never repeats. Every
//! pointer carries the number and the stamp it expects, so that a torn, misdirected, stale, lost or rotten page is
//! told from the right one ([`verify`]).
//!
//! ```text
//! offset size  meaning
//!      0    4  CRC-32 (IEEE) of bytes 4 to the end of the page
//!      4    1  kind (see Kind)
//!      5    1  level: 0 for leaves, distance to the leaves for branches
//!      6    2  number of cells (trees), 0 otherwise
//!      8    8  page number
//!     16    8  birth stamp
//!     24    4  start of the cell heap (trees), number of payload bytes (free map), 0 otherwise
//!     28    4  bytes of removed cells inside the heap (trees), 0 otherwise
//!     32    2  length of the common key prefix, which ends the page (trees), 0 otherwise
//!     34    6  zero
//! ```
//!
//! All numbers are little-endian.

use std::fmt;

/// Bytes of the header that every page begins with.
pub const HEADER_BYTES: usize = 40;

/// Bytes of an encoded [`PagePtr`].
pub const PTR_BYTES: usize = 14;

/// Bytes of an encoded [`Desc`].
pub const DESC_BYTES: usize = 32;

/// The smallest page, which only the simulator uses, in bytes.
pub const PAGE_BYTES_MIN: usize = 512;

/// The largest page, in bytes: offsets inside a page are 16 bits wide.
pub const PAGE_BYTES_MAX: usize = 65536;

const _: () = assert!(HEADER_BYTES == 34 + 6);
const _: () = assert!(PTR_BYTES == 6 + 8);
const _: () = assert!(DESC_BYTES == PTR_BYTES + 1 + 1 + 8 + 8);
const _: () = assert!(PAGE_BYTES_MAX - 1 <= u16::MAX as usize);

/// The number of a page: its offset in the file divided by the page size. 0 is never a page of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNo(pub u64);

/// When a page was born: a counter that grows with every page and never repeats in the life of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub u64);

/// A page and the stamp that the one who points expects there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PagePtr {
    pub page: PageNo,
    pub stamp: Stamp,
}

impl fmt::Display for PageNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PagePtr {
    /// Whether it points nowhere: an empty tree, a hole in a blob.
    pub fn is_null(self) -> bool {
        self.page.0 == 0
    }

    pub fn encode(self) -> [u8; PTR_BYTES] {
        assert!(self.page.0 < 1 << 48, "a page number has 48 bits");
        let mut out = [0; PTR_BYTES];
        out[..6].copy_from_slice(&self.page.0.to_le_bytes()[..6]);
        out[6..].copy_from_slice(&self.stamp.0.to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Self {
        Self {
            page: PageNo(u48_at(bytes, 0)),
            stamp: Stamp(u64_at(bytes, 6)),
        }
    }
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Leaf = 1,
    Branch = 2,
    /// Raw bytes of a large value.
    BlobLeaf = 3,
    /// Pointers to the pages of a large value.
    BlobBranch = 4,
    /// A part of the stored free map.
    FreeMap = 5,
}

impl Kind {
    pub fn of(page: &[u8]) -> Option<Self> {
        match page[4] {
            1 => Some(Self::Leaf),
            2 => Some(Self::Branch),
            3 => Some(Self::BlobLeaf),
            4 => Some(Self::BlobBranch),
            5 => Some(Self::FreeMap),
            _ => None,
        }
    }
}

/// What hangs at a place: a tree or a blob, where its root page is, how high it is and how much it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desc {
    pub root: PagePtr,
    /// 0: the root is a leaf.
    pub height: u8,
    pub is_blob: bool,
    /// Entries of a tree, bytes of a blob.
    pub count: u64,
    /// Bytes of a tree's entries and of all that hangs at them ([`crate::storage::cell::entry_bytes`]); 0 for a blob.
    pub bytes: u64,
}

impl Desc {
    pub const EMPTY_TREE: Self = Self {
        root: PagePtr {
            page: PageNo(0),
            stamp: Stamp(0),
        },
        height: 0,
        is_blob: false,
        count: 0,
        bytes: 0,
    };

    pub const EMPTY_BLOB: Self = Self {
        is_blob: true,
        ..Self::EMPTY_TREE
    };

    pub fn encode(&self) -> [u8; DESC_BYTES] {
        let mut out = [0; DESC_BYTES];
        out[..PTR_BYTES].copy_from_slice(&self.root.encode());
        out[14] = self.height;
        out[15] = u8::from(self.is_blob);
        out[16..24].copy_from_slice(&self.count.to_le_bytes());
        out[24..].copy_from_slice(&self.bytes.to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Self {
        Self {
            root: PagePtr::decode(bytes),
            height: bytes[14],
            is_blob: bytes[15] != 0,
            count: u64_at(bytes, 16),
            bytes: u64_at(bytes, 24),
        }
    }

    /// Bytes of data in it, however deep.
    pub fn data_bytes(&self) -> u64 {
        if self.is_blob { self.count } else { self.bytes }
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u48_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u16_at(bytes, at + 4)) << 32
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Makes a page that is zero but for a fresh header.
pub fn init(page: &mut [u8], kind: Kind, level: u8, ptr: PagePtr) {
    page[HEADER_BYTES..].fill(0);
    begin(page, kind, level, ptr);
}

/// Writes a fresh header over a page. What is behind it stays.
pub fn begin(page: &mut [u8], kind: Kind, level: u8, ptr: PagePtr) {
    page[..HEADER_BYTES].fill(0);
    page[4] = kind as u8;
    page[5] = level;
    set_ptr(page, ptr);
}

/// Gives a page another number and stamp: a copy that is about to be changed.
pub fn set_ptr(page: &mut [u8], ptr: PagePtr) {
    page[8..16].copy_from_slice(&ptr.page.0.to_le_bytes());
    page[16..24].copy_from_slice(&ptr.stamp.0.to_le_bytes());
}

/// The number and stamp that a page says it has.
pub fn ptr_of(page: &[u8]) -> PagePtr {
    PagePtr {
        page: PageNo(u64_at(page, 8)),
        stamp: Stamp(u64_at(page, 16)),
    }
}

pub fn level_of(page: &[u8]) -> u8 {
    page[5]
}

/// Puts the checksum in: the last thing before a page is written.
pub fn seal(page: &mut [u8]) {
    let crc = crc32fast::hash(&page[4..]);
    page[..4].copy_from_slice(&crc.to_le_bytes());
}

/// What is wrong with a page that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    #[error("the checksum is {stored:08x} and the bytes give {computed:08x}")]
    Checksum { stored: u32, computed: u32 },
    #[error("it says it is page {0}")]
    Number(PageNo),
    #[error("it was born at {found:#x} and {expected:#x} was expected")]
    Stamp { expected: u64, found: u64 },
    #[error("its kind {0} or level does not belong here")]
    Kind(u8),
    #[error("it lies behind the end of the file")]
    BehindEnd,
    #[error("its cells do not hold together: {0}")]
    Layout(&'static str),
}

/// Whether the bytes read are the page that `ptr` names.
pub fn verify(page: &[u8], ptr: PagePtr) -> Result<(), PageFault> {
    verify_planted(page, ptr, super::planted::Planted::none())
}

/// [`verify`] in a build that may be told to forget a check.
pub(crate) fn verify_planted(
    page: &[u8],
    ptr: PagePtr,
    planted: super::planted::Planted,
) -> Result<(), PageFault> {
    use super::planted::Bug;
    let stored = u32_at(page, 0);
    let computed = crc32fast::hash(&page[4..]);
    if stored != computed {
        return Err(PageFault::Checksum { stored, computed });
    }
    let found = ptr_of(page);
    if found.page != ptr.page && !planted.has(Bug::M20PageNumberNotChecked) {
        return Err(PageFault::Number(found.page));
    }
    if found.stamp != ptr.stamp && !planted.has(Bug::M21PointerStampNotChecked) {
        return Err(PageFault::Stamp {
            expected: ptr.stamp.0,
            found: found.stamp.0,
        });
    }
    Ok(())
}
