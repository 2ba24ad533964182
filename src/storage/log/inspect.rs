//! Looking at the bytes of a log from outside: for the simulator and for `redkeep check`.

use super::CheckpointRef;
use super::Lsn;
use super::frame;
use super::layout::{
    FILE_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, decode_segment_copies, slot_offset,
};
use super::walk::Walk;

/// Bytes before the first segment.
pub const SEGMENTS_START: u64 = FILE_HEADER_BYTES;

/// Bytes before the first frame of a segment.
pub const FRAMES_START: u64 = SEGMENT_HEADER_BYTES;

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentView {
    pub seq: u64,
    pub salt: u64,
    pub first_lsn: Lsn,
    pub durable_lsn: Lsn,
    pub checkpoint: CheckpointRef,
    /// Sequence number of the segment before; 0: none.
    pub pred_seq: u64,
    /// It begins a life of the database.
    pub is_opening: bool,
    pub generation: u32,
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView {
    /// From the start of the bytes that were looked at.
    pub offset: u64,
    /// Header and payload, in bytes.
    pub len: u64,
    pub first_lsn: Lsn,
    /// The last transaction that ended in this frame or before it.
    pub last_lsn: Lsn,
    pub durable_lsn: Lsn,
    pub checkpoint: CheckpointRef,
}

impl From<&SegmentHeader> for SegmentView {
    fn from(header: &SegmentHeader) -> Self {
        Self {
            seq: header.seq,
            salt: header.salt,
            first_lsn: Lsn(header.first_lsn),
            durable_lsn: Lsn(header.durable_lsn),
            checkpoint: CheckpointRef {
                seq: header.checkpoint_seq,
                lsn: Lsn(header.checkpoint_lsn),
            },
            pred_seq: header.pred.seq,
            is_opening: header.is_opening(),
            generation: header.generation(),
        }
    }
}

fn view(offset: u64, frame: &frame::Frame<'_>) -> FrameView {
    FrameView {
        offset,
        len: frame.len as u64,
        first_lsn: Lsn(frame.head.first_lsn),
        last_lsn: Lsn(frame.last_lsn()),
        durable_lsn: Lsn(frame.head.durable_lsn),
        checkpoint: frame.head.checkpoint,
    }
}

/// The segment in `slot`, whose bytes are `image`: its header and the frames that follow each other from its start.
/// None: there is no valid header of database `uuid`.
pub fn segment(image: &[u8], uuid: &[u8; 16], slot: u64) -> Option<(SegmentView, Vec<FrameView>)> {
    let copies = image.get(..SEGMENT_HEADER_BYTES as usize)?;
    let header = decode_segment_copies(copies, uuid, slot)?;
    let mut walk = Walk::new(image, &header);
    let mut frames = Vec::new();
    while let Ok(frame) = walk.next() {
        frames.push(view((walk.at - frame.len) as u64, &frame));
    }
    Some((SegmentView::from(&header), frames))
}

/// The frames under `salt` that lie one behind the other from the start of `bytes`.
pub fn frames(bytes: &[u8], salt: u64) -> Vec<FrameView> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Ok(frame) = frame::decode(&bytes[at..], salt) {
        out.push(view(at as u64, &frame));
        at += frame.len;
    }
    out
}

/// The slot that an offset in the file lies in, and the place in it. None: it lies before the first.
pub fn slot_at(offset: u64, segment_bytes: u64) -> Option<(u64, u64)> {
    let behind = offset.checked_sub(FILE_HEADER_BYTES)?;
    Some((behind / segment_bytes, behind % segment_bytes))
}

/// Where the segment in `slot` begins in the file.
pub fn offset_of(slot: u64, segment_bytes: u64) -> u64 {
    slot_offset(slot, segment_bytes)
}
