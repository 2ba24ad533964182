//! The headers of the log file and of its segments, byte by byte. `docs/FORMAT.md` has them as tables.

/// The unit that a disk may destroy as a whole when it loses power while writing any byte of it. Bytes that were
/// synced never share an atom with bytes written later (L5).
pub const ATOM_BYTES: u64 = 4096;

/// Both copies of the file header.
pub(super) const FILE_HEADER_BYTES: u64 = 2 * ATOM_BYTES;
/// Both copies of a segment header; frames begin behind them.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 2 * ATOM_BYTES;
/// Smallest segment: its header and two atoms of frames.
pub const SEGMENT_BYTES_MIN: u64 = SEGMENT_HEADER_BYTES + 2 * ATOM_BYTES;
/// Largest segment. A reader holds one segment in memory.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;

pub(super) const VERSION: u32 = 1;

const FILE_MAGIC: [u8; 8] = *b"RKLOGFIL";
const SEGMENT_MAGIC: [u8; 8] = *b"RKLOGSEG";

/// Where the checksum of a header atom stands: its last four bytes.
const CRC_AT: usize = ATOM_BYTES as usize - 4;

mod at {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 8;
    pub const FLAGS: usize = 12;
    pub const UUID: usize = 16;
    pub const FILE_SEGMENT_BYTES: usize = 32;
    pub const FILE_END: usize = 40;
    pub const SEQ: usize = 32;
    pub const SALT: usize = 40;
    pub const FIRST_LSN: usize = 48;
    pub const DURABLE_LSN: usize = 56;
    pub const CHECKPOINT_SEQ: usize = 64;
    pub const CHECKPOINT_LSN: usize = 72;
    pub const PRED_SEQ: usize = 80;
    pub const PRED_OFFSET: usize = 88;
    pub const PRED_LSN: usize = 96;
    pub const PRED_CHAIN: usize = 104;
    pub const GENERATION: usize = 108;
    pub const SLOT: usize = 112;
    pub const REST: usize = 120;
    pub const SEGMENT_END: usize = 128;
}

const _: () = assert!(at::UUID + 16 == at::FILE_SEGMENT_BYTES && at::UUID + 16 == at::SEQ);
const _: () = assert!(at::FILE_SEGMENT_BYTES + 8 == at::FILE_END);
const _: () = assert!(at::PRED_CHAIN + 4 == at::GENERATION && at::GENERATION + 4 == at::SLOT);
const _: () = assert!(
    at::SLOT + 8 == at::REST && at::REST + 8 == at::SEGMENT_END && at::SEGMENT_END <= CRC_AT
);
const _: () = assert!(at::FILE_END <= CRC_AT && CRC_AT + 4 == ATOM_BYTES as usize);
const _: () = assert!(SEGMENT_BYTES_MIN.is_multiple_of(ATOM_BYTES));
const _: () = assert!(SEGMENT_BYTES_MAX.is_multiple_of(ATOM_BYTES));

/// The segment begins a life of the database: what its predecessor holds behind the named end is cut.
pub(super) const FLAG_OPENING: u32 = 1;

/// The exact end of a segment: what its successor's header says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentEnd {
    /// 0: there is no predecessor, the log was created here.
    pub seq: u64,
    /// Behind the last frame, from the start of the segment.
    pub offset: u64,
    /// Last transaction that ended.
    pub lsn: u64,
    /// Checksum of the last frame (of the header, where there is none).
    pub chain: u32,
}

/// A segment header whose checksum, place and database have been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub flags: u32,
    pub seq: u64,
    pub salt: u64,
    /// Number of the transaction that ends first in this segment or behind it.
    pub first_lsn: u64,
    /// Highest transaction known to be synced when the header was made.
    pub durable_lsn: u64,
    pub checkpoint_seq: u64,
    pub checkpoint_lsn: u64,
    pub pred: SegmentEnd,
    pub slot: u64,
    /// How many bytes are to come of a record that began in the predecessor; 0 between records.
    pub rest: u64,
    /// The header's own checksum: the chain value before the first frame.
    pub chain_seed: u32,
}

impl SegmentHeader {
    pub fn is_opening(&self) -> bool {
        self.flags & FLAG_OPENING != 0
    }

    pub fn generation(&self) -> u32 {
        (self.seq >> 32) as u32
    }
}

/// Sequence number of the `n`-th segment that a life of the database starts: it grows over all lives (L3).
pub(super) fn segment_seq(generation: u32, n: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(n)
}

/// The salt of a segment's frames. A bijection of `seq` for one database, so it repeats only if `seq` does (L3).
pub(super) fn salt_of(uuid: &[u8; 16], seq: u64) -> u64 {
    let low = u64::from_le_bytes(first_chunk(&uuid[..8]));
    let high = u64::from_le_bytes(first_chunk(&uuid[8..]));
    mix(mix(seq ^ low).wrapping_add(high))
}

/// An invertible mix: shifts and odd multipliers only.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x = (x ^ (x >> 29)).wrapping_mul(0xA076_1D64_78BD_642F);
    x ^ (x >> 32)
}

fn first_chunk<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes
        .first_chunk()
        .expect("a field lies inside its header, which has a fixed size")
}

fn get_u32(atom: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(first_chunk(&atom[at..]))
}

fn get_u64(atom: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(first_chunk(&atom[at..]))
}

fn put(atom: &mut [u8], at: usize, field: &[u8]) {
    atom[at..at + field.len()].copy_from_slice(field);
}

/// Seals an atom with its checksum and doubles it.
fn seal_twice(mut atom: Vec<u8>) -> (Vec<u8>, u32) {
    assert_eq!(atom.len() as u64, ATOM_BYTES);
    let crc = crc32fast::hash(&atom[..CRC_AT]);
    put(&mut atom, CRC_AT, &crc.to_le_bytes());
    atom.extend_from_within(..);
    assert_eq!(atom.len() as u64, SEGMENT_HEADER_BYTES);
    (atom, crc)
}

/// What one copy of a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy<T> {
    Valid(T),
    /// Valid, of another database.
    OtherDatabase,
    /// Valid, of another version of the format.
    OtherVersion(u32),
    /// Zeroes, garbage, torn.
    Invalid,
}

fn check_atom(atom: &[u8], magic: [u8; 8]) -> bool {
    atom[at::MAGIC..at::MAGIC + 8] == magic
        && crc32fast::hash(&atom[..CRC_AT]) == get_u32(atom, CRC_AT)
}

/// Both copies of the file header, and the size of segments it fixes.
pub(super) fn encode_file_header(uuid: &[u8; 16], segment_bytes: u64) -> Vec<u8> {
    assert!(is_segment_size(segment_bytes), "{segment_bytes}");
    let mut atom = vec![0; ATOM_BYTES as usize];
    put(&mut atom, at::MAGIC, &FILE_MAGIC);
    put(&mut atom, at::VERSION, &VERSION.to_le_bytes());
    put(&mut atom, at::UUID, uuid);
    put(
        &mut atom,
        at::FILE_SEGMENT_BYTES,
        &segment_bytes.to_le_bytes(),
    );
    seal_twice(atom).0
}

/// Reads one copy of the file header: the size of segments.
pub(super) fn decode_file_header(atom: &[u8], uuid: &[u8; 16]) -> Copy<u64> {
    assert_eq!(atom.len() as u64, ATOM_BYTES);
    if !check_atom(atom, FILE_MAGIC) {
        return Copy::Invalid;
    }
    let version = get_u32(atom, at::VERSION);
    if version != VERSION {
        return Copy::OtherVersion(version);
    }
    if atom[at::UUID..at::UUID + 16] != *uuid {
        return Copy::OtherDatabase;
    }
    let segment_bytes = get_u64(atom, at::FILE_SEGMENT_BYTES);
    if !is_segment_size(segment_bytes) {
        return Copy::Invalid;
    }
    Copy::Valid(segment_bytes)
}

/// The identity of the database that one copy of the file header says it belongs to.
pub(super) fn uuid_in(atom: &[u8]) -> Option<[u8; 16]> {
    let uuid = *atom[at::UUID..].first_chunk()?;
    matches!(decode_file_header(atom, &uuid), Copy::Valid(_)).then_some(uuid)
}

/// Whether a segment may have this size.
pub(super) fn is_segment_size(bytes: u64) -> bool {
    (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(ATOM_BYTES)
}

/// Where the segment in `slot` begins in the file.
pub(super) fn slot_offset(slot: u64, segment_bytes: u64) -> u64 {
    FILE_HEADER_BYTES + slot * segment_bytes
}

/// Both copies of a segment header. `header.chain_seed` is computed here and set in the returned header.
pub(super) fn encode_segment_header(
    header: SegmentHeader,
    uuid: &[u8; 16],
) -> (Vec<u8>, SegmentHeader) {
    assert_eq!(header.salt, salt_of(uuid, header.seq), "L3");
    assert!(header.first_lsn > header.pred.lsn, "L4");
    assert!(header.pred.seq < header.seq, "L3");
    let mut atom = vec![0; ATOM_BYTES as usize];
    put(&mut atom, at::MAGIC, &SEGMENT_MAGIC);
    put(&mut atom, at::VERSION, &VERSION.to_le_bytes());
    put(&mut atom, at::FLAGS, &header.flags.to_le_bytes());
    put(&mut atom, at::UUID, uuid);
    let words = [
        (at::SEQ, header.seq),
        (at::SALT, header.salt),
        (at::FIRST_LSN, header.first_lsn),
        (at::DURABLE_LSN, header.durable_lsn),
        (at::CHECKPOINT_SEQ, header.checkpoint_seq),
        (at::CHECKPOINT_LSN, header.checkpoint_lsn),
        (at::PRED_SEQ, header.pred.seq),
        (at::PRED_OFFSET, header.pred.offset),
        (at::PRED_LSN, header.pred.lsn),
        (at::SLOT, header.slot),
        (at::REST, header.rest),
    ];
    for (place, word) in words {
        put(&mut atom, place, &word.to_le_bytes());
    }
    put(&mut atom, at::PRED_CHAIN, &header.pred.chain.to_le_bytes());
    put(
        &mut atom,
        at::GENERATION,
        &header.generation().to_le_bytes(),
    );
    let (bytes, crc) = seal_twice(atom);
    let sealed = SegmentHeader {
        chain_seed: crc,
        ..header
    };
    (bytes, sealed)
}

/// Reads one copy of the header of the segment in `slot`.
pub(super) fn decode_segment_header(
    atom: &[u8],
    uuid: &[u8; 16],
    slot: u64,
) -> Option<SegmentHeader> {
    assert_eq!(atom.len() as u64, ATOM_BYTES);
    let ours = check_atom(atom, SEGMENT_MAGIC)
        && get_u32(atom, at::VERSION) == VERSION
        && atom[at::UUID..at::UUID + 16] == *uuid
        && get_u64(atom, at::SLOT) == slot;
    if !ours {
        return None;
    }
    let header = SegmentHeader {
        flags: get_u32(atom, at::FLAGS),
        seq: get_u64(atom, at::SEQ),
        salt: get_u64(atom, at::SALT),
        first_lsn: get_u64(atom, at::FIRST_LSN),
        durable_lsn: get_u64(atom, at::DURABLE_LSN),
        checkpoint_seq: get_u64(atom, at::CHECKPOINT_SEQ),
        checkpoint_lsn: get_u64(atom, at::CHECKPOINT_LSN),
        pred: SegmentEnd {
            seq: get_u64(atom, at::PRED_SEQ),
            offset: get_u64(atom, at::PRED_OFFSET),
            lsn: get_u64(atom, at::PRED_LSN),
            chain: get_u32(atom, at::PRED_CHAIN),
        },
        slot,
        rest: get_u64(atom, at::REST),
        chain_seed: get_u32(atom, CRC_AT),
    };
    let sound = header.salt == salt_of(uuid, header.seq)
        && header.pred.seq < header.seq
        && header.first_lsn > header.pred.lsn
        && header.generation() == get_u32(atom, at::GENERATION)
        && header.checkpoint_lsn <= header.durable_lsn
        && if header.is_opening() {
            header.rest == 0
        } else {
            header.durable_lsn < header.first_lsn && header.first_lsn == header.pred.lsn + 1
        };
    sound.then_some(header)
}

/// The slot that one copy of a segment header names, valid or not.
pub(super) fn slot_of(atom: &[u8]) -> u64 {
    get_u64(atom, at::SLOT)
}

/// Whose a segment header is, by one copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Database([u8; 16]),
    Unreadable,
}

/// The database whose segment header this copy is.
pub(super) fn identity_of(atom: &[u8]) -> Identity {
    if !check_atom(atom, SEGMENT_MAGIC) {
        return Identity::Unreadable;
    }
    Identity::Database(first_chunk(&atom[at::UUID..]))
}

/// The two copies of a segment header; the newer one if both are valid and differ (a torn switch of segments).
pub(super) fn decode_segment_copies(
    copies: &[u8],
    uuid: &[u8; 16],
    slot: u64,
) -> Option<SegmentHeader> {
    let (first, second) = copies.split_at(ATOM_BYTES as usize);
    let first = decode_segment_header(first, uuid, slot);
    let second = decode_segment_header(second, uuid, slot);
    match (first, second) {
        (Some(a), Some(b)) if b.seq > a.seq => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}
