//! RDB, the format of Redis's snapshots: values ([`decode`], [`encode`]), files ([`file`]), payloads of DUMP
//! ([`payload`]).
//!
//! Read is every version from 1 to 15; written is a version between 10 and 12, chosen by who writes. Nothing that is
//! read allocates more than the bytes that are there justify.

pub mod decode;
pub mod decode_stream;
pub mod encode;
pub mod encode_stream;
pub mod file;
pub mod input;
pub mod library;
pub mod listpack;
pub mod lzf;
pub mod module;
pub mod old_packings;
pub mod payload;
pub mod value;

pub use input::Input;
pub use value::{Consumer, Field, Group, LastNode, List, Pending, Stream, StreamEntry, Value};

use crate::keyspace::stream::id::StreamId;

/// The newest version that is read.
pub const VERSION_READ_MAX: u16 = 15;
/// The oldest and the newest version that is written.
pub const VERSIONS_WRITTEN: std::ops::RangeInclusive<u16> = 10..=12;

/// Bytes that name the kind and packing of a value.
pub mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const SORTED_SET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const SORTED_SET_2: u8 = 5;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTEGERS: u8 = 11;
    pub const SORTED_SET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const SORTED_SET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    pub const HASH_EXPIRING_PRE_GA: u8 = 22;
    pub const HASH_LISTPACK_EXPIRING_PRE_GA: u8 = 23;
    pub const HASH_EXPIRING: u8 = 24;
    pub const HASH_LISTPACK_EXPIRING: u8 = 25;
    pub const STREAM_4: u8 = 26;
    pub const STREAM_5: u8 = 27;
    pub const ARRAY: u8 = 28;
    pub const HASH_TEMPLATE_LISTPACK: u8 = 29;
    pub const HASH_TEMPLATE_LISTPACK_REFERENCE: u8 = 30;
    pub const HASH_TEMPLATE_ARRAY: u8 = 31;
    pub const HASH_TEMPLATE_ARRAY_REFERENCE: u8 = 32;

    /// In front of each node of a [`LIST_QUICKLIST_2`].
    pub const NODE_PLAIN: u64 = 1;
    pub const NODE_PACKED: u64 = 2;
}

/// Why bytes are not understood.
#[derive(Debug, thiserror::Error)]
pub enum RdbError {
    #[error("cut off: it ends at offset {at}")]
    Truncated { at: u64 },
    #[error("damaged at offset {at}: {what}")]
    Damaged { at: u64, what: &'static str },
    #[error("of version {version}, newer than {VERSION_READ_MAX}, the newest that is understood")]
    TooNew { version: u16 },
    #[error("at offset {at} stands a value of type {kind}, which is not known")]
    UnknownKind { at: u64, kind: u8 },
    #[error(
        "the checksum does not fit: the file says {expected:016x}, its bytes give {found:016x}"
    )]
    Checksum { expected: u64, found: u64 },
    #[error("it is no RDB file: it does not begin with REDIS and a version")]
    NotRdb,
    #[error(
        "it was written by Valkey 9 or newer (format {version}), whose types have other meanings"
    )]
    Valkey { version: u16 },
    #[error("cannot be read at offset {at}: {source}")]
    Io { at: u64, source: std::io::Error },
}

impl RdbError {
    /// Where it is, in bytes from the start of the file; None: at its end, in the checksum.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Truncated { at }
            | Self::Damaged { at, .. }
            | Self::UnknownKind { at, .. }
            | Self::Io { at, .. } => Some(*at),
            Self::NotRdb => Some(0),
            // Behind REDIS and VALKEY.
            Self::TooNew { .. } => Some(5),
            Self::Valkey { .. } => Some(6),
            Self::Checksum { .. } => None,
        }
    }
}
