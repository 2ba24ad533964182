//! Frames: a header and pieces of records. `docs/FORMAT.md` has the table.

use super::CheckpointRef;
use super::Lsn;
use crate::storage::varint;

/// Most bytes of records in one frame.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Longest record.
pub(super) const RECORD_BYTES_MAX: u64 = 1 << 40;
/// Longest length prefix of a record: 2^40 in sevens.
pub(super) const LENGTH_BYTES_MAX: usize = 6;

const CRC_AT: usize = 0;
const TAG_AT: usize = 4;
const CHAIN_AT: usize = 8;
const KIND_AT: usize = 12;
const WALL_AT: usize = 13;
const FIXED_BYTES: usize = 19;
const VARINTS: usize = 6;

/// Longest frame header: the fixed part and six numbers.
pub(super) const HEADER_BYTES_MAX: usize = FIXED_BYTES + VARINTS * varint::BYTES_MAX;
/// A frame is begun only where this much room is left in the segment: a header, a length, and something behind it.
pub(super) const FRAME_ROOM_MIN: usize = HEADER_BYTES_MAX + LENGTH_BYTES_MAX + 11;
/// Where the salt's tag stands in a frame; the search looks for it.
pub(super) const TAG_OFFSET: usize = TAG_AT;

/// High half of the kind byte: the format of the frame.
const KIND: u8 = 0x50;
const FLAG_STARTS_INSIDE: u8 = 1;
const FLAG_ENDS_INSIDE: u8 = 2;
const FLAGS: u8 = FLAG_STARTS_INSIDE | FLAG_ENDS_INSIDE;

const _: () = assert!(WALL_AT + 6 == FIXED_BYTES && KIND & FLAGS == 0);
const _: () = assert!(RECORD_BYTES_MAX < 1 << (7 * LENGTH_BYTES_MAX));
const _: () = assert!(FRAME_ROOM_MIN == 96);

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Checksum of the frame before (of the segment header, for the first).
    pub chain: u32,
    /// Number of the transaction to which the first byte of the payload belongs, or of the next one (a marker).
    pub first_lsn: u64,
    /// How many records end in the frame.
    pub ended: u64,
    pub durable_lsn: u64,
    pub checkpoint: CheckpointRef,
    pub wall_ms: u64,
    pub starts_inside: bool,
    pub ends_inside: bool,
}

/// A frame whose checksum under a salt has been verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub head: FrameHead,
    pub payload: &'a [u8],
    pub crc: u32,
    /// Header and payload.
    pub len: usize,
}

impl Frame<'_> {
    /// The last transaction that ended in this frame or before it.
    pub fn last_lsn(&self) -> u64 {
        self.head.first_lsn + self.head.ended - 1
    }
}

/// Why there is no frame at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameFault {
    /// Zeroes, garbage, or frames of another use of the segment.
    Absent,
    /// The salt's tag, and numbers that cannot be.
    Header,
    /// The salt's tag, and a wrong checksum.
    Checksum,
    /// A whole frame that does not follow the one before.
    Chain,
    /// A whole frame with another transaction than the next.
    Order,
    /// A whole frame whose records do not add up.
    Records,
}

impl FrameFault {
    pub fn found(self) -> &'static str {
        match self {
            Self::Absent => "no frame of this segment",
            Self::Header => "a frame header with impossible numbers",
            Self::Checksum => "a frame with a wrong checksum",
            Self::Chain => "a frame that does not follow its predecessor",
            Self::Order => "a frame of another transaction",
            Self::Records => "a frame whose records do not add up",
        }
    }
}

/// The part of the salt that a frame shows.
pub(super) fn tag_of(salt: u64) -> u32 {
    salt as u32
}

/// The checksum of a frame: of the whole salt, then of every byte behind the checksum itself (L2).
fn checksum(salt: u64, behind_crc: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(behind_crc);
    hasher.finalize()
}

/// Appends a frame to `out`; returns its checksum.
pub(super) fn encode(out: &mut Vec<u8>, salt: u64, head: &FrameHead, payload: &[u8]) -> u32 {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    assert!(head.durable_lsn < head.first_lsn, "L6");
    assert!(head.checkpoint.lsn.0 <= head.durable_lsn, "L7");
    let start = out.len();
    let mut kind = KIND;
    if head.starts_inside {
        kind |= FLAG_STARTS_INSIDE;
    }
    if head.ends_inside {
        kind |= FLAG_ENDS_INSIDE;
    }
    out.extend_from_slice(&[0; TAG_AT]);
    out.extend_from_slice(&tag_of(salt).to_le_bytes());
    out.extend_from_slice(&head.chain.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&head.wall_ms.to_le_bytes()[..6]);
    assert_eq!(out.len() - start, FIXED_BYTES);
    varint::put(out, payload.len() as u64);
    varint::put(out, head.first_lsn);
    varint::put(out, head.ended);
    varint::put(out, head.first_lsn - 1 - head.durable_lsn);
    varint::put(out, head.checkpoint.seq);
    varint::put(out, head.durable_lsn - head.checkpoint.lsn.0);
    assert!(out.len() - start <= HEADER_BYTES_MAX);
    out.extend_from_slice(payload);
    let crc = checksum(salt, &out[start + TAG_AT..]);
    out[start + CRC_AT..start + CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    crc
}

fn get_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_le_bytes(*b))
}

/// Reads the numbers of a header: the head, the header's length and the payload's.
fn decode_head(bytes: &[u8]) -> Option<(FrameHead, usize, usize)> {
    let kind = *bytes.get(KIND_AT)?;
    if kind & !FLAGS != KIND {
        return None;
    }
    let mut wall = [0; 8];
    wall[..6].copy_from_slice(bytes.get(WALL_AT..FIXED_BYTES)?);
    let mut at = FIXED_BYTES;
    let mut number = || -> Option<u64> {
        let (n, len) = varint::get(bytes.get(at..)?).ok()?;
        at += len;
        Some(n)
    };
    let payload_len = number()?;
    let first_lsn = number()?;
    let ended = number()?;
    let durable_back = number()?;
    let checkpoint_seq = number()?;
    let checkpoint_back = number()?;
    if payload_len > PAYLOAD_BYTES_MAX as u64 || ended > payload_len {
        return None;
    }
    first_lsn.checked_add(ended)?;
    let durable_lsn = first_lsn.checked_sub(1)?.checked_sub(durable_back)?;
    let head = FrameHead {
        chain: get_u32(bytes, CHAIN_AT)?,
        first_lsn,
        ended,
        durable_lsn,
        checkpoint: CheckpointRef {
            seq: checkpoint_seq,
            lsn: Lsn(durable_lsn.checked_sub(checkpoint_back)?),
        },
        wall_ms: u64::from_le_bytes(wall),
        starts_inside: kind & FLAG_STARTS_INSIDE != 0,
        ends_inside: kind & FLAG_ENDS_INSIDE != 0,
    };
    Some((head, at, payload_len as usize))
}

/// Reads the frame at the start of `bytes` under `salt`. `bytes` ends where frames may not go on.
pub(super) fn decode(bytes: &[u8], salt: u64) -> Result<Frame<'_>, FrameFault> {
    if get_u32(bytes, TAG_AT) != Some(tag_of(salt)) {
        return Err(FrameFault::Absent);
    }
    let (head, header_len, payload_len) = decode_head(bytes).ok_or(FrameFault::Header)?;
    let len = header_len + payload_len;
    let whole = bytes.get(..len).ok_or(FrameFault::Header)?;
    let crc = get_u32(whole, CRC_AT).ok_or(FrameFault::Header)?;
    if checksum(salt, &whole[TAG_AT..]) != crc {
        return Err(FrameFault::Checksum);
    }
    Ok(Frame {
        head,
        payload: &whole[header_len..],
        crc,
        len,
    })
}

/// A piece of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub bytes: &'a [u8],
    /// The record begins with this piece.
    pub starts: bool,
    /// The record ends with this piece.
    pub ends: bool,
}

/// The pieces of records in a payload. `rest` is how much of a record is still to come, none between records.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    payload: &'a [u8],
    pub rest: Option<u64>,
}

impl<'a> Pieces<'a> {
    pub fn new(payload: &'a [u8], rest: Option<u64>) -> Self {
        Self { payload, rest }
    }

    /// The next piece; none at the end of the payload.
    pub fn next(&mut self) -> Result<Option<Piece<'a>>, FrameFault> {
        let (starts, rest) = match self.rest {
            Some(rest) => (false, rest),
            None if self.payload.is_empty() => return Ok(None),
            None => {
                let (len, at) = varint::get(self.payload).map_err(|_| FrameFault::Records)?;
                if len > RECORD_BYTES_MAX {
                    return Err(FrameFault::Records);
                }
                self.payload = &self.payload[at..];
                (true, len)
            }
        };
        if !starts && self.payload.is_empty() {
            return Ok(None);
        }
        let here = rest.min(self.payload.len() as u64);
        let (bytes, behind) = self.payload.split_at(here as usize);
        self.payload = behind;
        self.rest = (here < rest).then_some(rest - here);
        Ok(Some(Piece {
            bytes,
            starts,
            ends: self.rest.is_none(),
        }))
    }
}

/// Checks that the records of `frame` add up, given what is open before it; returns what is open behind it.
pub(super) fn check_records(
    frame: &Frame<'_>,
    rest: Option<u64>,
) -> Result<Option<u64>, FrameFault> {
    if frame.head.starts_inside != rest.is_some() {
        return Err(FrameFault::Records);
    }
    let mut pieces = Pieces::new(frame.payload, rest);
    let mut ended = 0;
    while let Some(piece) = pieces.next()? {
        ended += u64::from(piece.ends);
    }
    if ended != frame.head.ended || frame.head.ends_inside != pieces.rest.is_some() {
        return Err(FrameFault::Records);
    }
    Ok(pieces.rest)
}
