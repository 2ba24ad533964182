//! Where the log from a checkpoint up to a transaction lies, while its writer goes on behind it.

use std::ops::Range;

use super::layout::{Copy, FILE_HEADER_BYTES, SEGMENT_HEADER_BYTES, slot_offset};
use super::scan::{
    begins_by, leads_to, read_file_header, read_segment, read_segment_headers, without_cut_ones,
};
use super::walk::Walk;
use super::{CheckpointRef, LogDamage, LogError, Lsn};
use crate::vfs::VfsFile;

/// Where a part of the log lies.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The file's header, and of each segment its header and frames. With everything else taken for zeroes they are a
    /// log that ends there.
    pub ranges: Vec<Range<u64>>,
    /// The file up to here has the slots in which they lie.
    pub len: u64,
}

/// The parts of the file that make up the log of database `uuid` from checkpoint `from` up to and including `up_to`,
/// where a write ended.
pub fn extent(
    file: &dyn VfsFile,
    uuid: &[u8; 16],
    from: CheckpointRef,
    up_to: Lsn,
) -> Result<Extent, LogError> {
    assert!(up_to >= from.lsn);
    let Copy::Valid(segment_bytes) = read_file_header(file, uuid)? else {
        return Err(LogError::NotUsable("its header is damaged, or another's"));
    };
    let len = file.len().map_err(LogError::Io)?;
    let slots = len.saturating_sub(FILE_HEADER_BYTES) / segment_bytes;
    let headers = read_segment_headers(file, uuid, slots, segment_bytes)?;
    let live = without_cut_ones(headers);
    let Some(start) = live.iter().rposition(|h| begins_by(h, from.lsn)) else {
        return Err(LogError::NotUsable("transactions are missing"));
    };
    let mut ranges = Vec::new();
    ranges.push(0..FILE_HEADER_BYTES);
    let mut image = Vec::new();
    for (i, header) in live.iter().enumerate().skip(start) {
        let next = live.get(i + 1).filter(|n| n.pred.seq == header.seq);
        let limit = next.map_or(segment_bytes, |n| n.pred.offset);
        let limit = limit.clamp(SEGMENT_HEADER_BYTES, segment_bytes);
        read_segment(file, header.slot, segment_bytes, &mut image)?;
        let mut walk = Walk::new(&image[..limit as usize], header);
        let is_whole = |walk: &Walk<'_>| walk.lsn >= up_to.0 && walk.rest.is_none();
        let mut fault = None;
        while !is_whole(&walk) && fault.is_none() {
            fault = walk.next().err();
        }
        let offset = slot_offset(header.slot, segment_bytes);
        ranges.push(offset..offset + walk.at as u64);
        if is_whole(&walk) {
            let slots = ranges[1..].iter().map(|range| range.start).max();
            let len = slots.map_or(0, |last| last + segment_bytes);
            return Ok(Extent { ranges, len });
        }
        if !next.is_some_and(|next| leads_to(&walk, next)) {
            return Err(LogError::Damage(LogDamage {
                offset: offset + walk.at as u64,
                lsn: Lsn(walk.lsn + 1),
                expected: "the next frame of the log",
                found: fault.map_or("nothing", |fault| fault.found()),
            }));
        }
    }
    unreachable!("the last segment has no successor")
}
