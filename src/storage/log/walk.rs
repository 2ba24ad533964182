//! Following the frames of one segment.

use super::frame::{self, Frame, FrameFault};
use super::layout::{ATOM_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::storage::planted::{Bug, Planted};

/// A place in a segment between two frames, and what must follow there.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    image: &'a [u8],
    salt: u64,
    /// Behind the last accepted frame, from the start of the segment.
    pub at: usize,
    /// Checksum of the last accepted frame.
    pub chain: u32,
    /// The last transaction that ended.
    pub lsn: u64,
    /// What is to come of an open record.
    pub rest: Option<u64>,
    planted: Planted,
}

impl<'a> Walk<'a> {
    /// Begins behind the header. `image` is the segment from its first byte to where frames may not go on.
    pub fn new(image: &'a [u8], header: &SegmentHeader) -> Self {
        assert!(image.len() as u64 >= SEGMENT_HEADER_BYTES);
        Self {
            image,
            salt: header.salt,
            at: SEGMENT_HEADER_BYTES as usize,
            chain: header.chain_seed,
            lsn: header.first_lsn - 1,
            rest: (header.rest > 0).then_some(header.rest),
            planted: Planted::none(),
        }
    }

    /// The same in a build that may be told to forget a check.
    pub fn planted(self, planted: Planted) -> Self {
        Self { planted, ..self }
    }

    /// Accepts the next frame: directly behind the last one, or at the next atom (L5).
    pub fn next(&mut self) -> Result<Frame<'a>, FrameFault> {
        let aligned = self.at.next_multiple_of(ATOM_BYTES as usize);
        let direct = match self.accept(self.at) {
            Err(fault) if aligned > self.at => fault,
            outcome => return outcome,
        };
        match self.accept(aligned) {
            Err(FrameFault::Absent) => Err(direct),
            outcome => outcome,
        }
    }

    fn accept(&mut self, at: usize) -> Result<Frame<'a>, FrameFault> {
        let bytes = self.image.get(at..).unwrap_or_default();
        let frame = frame::decode(bytes, self.salt)?;
        if frame.head.chain != self.chain && !self.planted.has(Bug::M09ChainNotChecked) {
            return Err(FrameFault::Chain);
        }
        if frame.head.first_lsn != self.lsn + 1 {
            return Err(FrameFault::Order);
        }
        self.rest = frame::check_records(&frame, self.rest)?;
        self.at = at + frame.len;
        self.chain = frame.crc;
        self.lsn = frame.last_lsn();
        assert!(self.at <= self.image.len());
        Ok(frame)
    }
}
