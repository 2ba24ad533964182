//! Streaming the transactions that a scan accepted.

use super::frame::{FrameFault, Pieces};
use super::layout::{SEGMENT_HEADER_BYTES, slot_offset};
use super::scan::{Scan, Span, leads_to, read_segment};
use super::walk::Walk;
use super::{LogDamage, LogError, Lsn};
use crate::vfs::VfsFile;

/// Why a replay stopped.
#[derive(Debug)]
pub enum ReplayError<E> {
    /// The file could not be read, or reads otherwise than it did in the scan.
    Log(LogError),
    /// What the caller's function answered.
    Apply(E),
}

/// Calls `apply` with the number, the wall time in milliseconds and the bytes of every transaction after `after`, in
/// order, up to the end that the scan found. Memory: one segment, and one record where it spans frames.
///
/// # Panics
/// If `after` is before the checkpoint of the scan.
pub fn replay<E>(
    file: &dyn VfsFile,
    scan: &Scan,
    after: Lsn,
    mut apply: impl FnMut(Lsn, u64, &[u8]) -> Result<(), E>,
) -> Result<(), ReplayError<E>> {
    assert!(after >= scan.from.lsn);
    let mut image = Vec::new();
    let mut open = Vec::new();
    for span in &scan.spans {
        if span.header.is_opening() {
            open.clear();
        }
        read_segment(file, span.header.slot, scan.segment_bytes, &mut image)
            .map_err(ReplayError::Log)?;
        let mut walk = Walk::new(&image[..span.end as usize], &span.header).planted(scan.planted);
        let replayed = replay_frames(&mut walk, span.end, after, &mut open, &mut apply);
        replayed.map_err(|stop| match stop {
            FramesStop::Fault(fault) => changed(span, scan, &walk, fault),
            FramesStop::Apply(error) => ReplayError::Apply(error),
        })?;
    }
    Ok(())
}

/// Why the frames of a segment were not followed to their end.
pub(super) enum FramesStop<E> {
    Fault(FrameFault),
    Apply(E),
}

/// Follows the frames of a segment up to `end` and calls `apply` for every transaction after `after` that ends in it.
/// `open` is what is there of a record that has not ended.
pub(super) fn replay_frames<E>(
    walk: &mut Walk<'_>,
    end: u64,
    after: Lsn,
    open: &mut Vec<u8>,
    apply: &mut impl FnMut(Lsn, u64, &[u8]) -> Result<(), E>,
) -> Result<(), FramesStop<E>> {
    while (walk.at as u64) < end {
        let rest = walk.rest;
        let frame = walk.next().map_err(FramesStop::Fault)?;
        let mut pieces = Pieces::new(frame.payload, rest);
        let mut lsn = Lsn(frame.head.first_lsn);
        while let Some(piece) = pieces.next().map_err(FramesStop::Fault)? {
            let wanted = lsn > after;
            if wanted && piece.starts && piece.ends {
                apply(lsn, frame.head.wall_ms, piece.bytes).map_err(FramesStop::Apply)?;
            } else if wanted {
                if piece.starts {
                    open.clear();
                }
                open.extend_from_slice(piece.bytes);
                if piece.ends {
                    apply(lsn, frame.head.wall_ms, open).map_err(FramesStop::Apply)?;
                    *open = Vec::new();
                }
            }
            if piece.ends {
                lsn = lsn.next();
            }
        }
        assert_eq!(lsn.0, walk.lsn + 1);
    }
    Ok(())
}

fn changed<E>(span: &Span, scan: &Scan, walk: &Walk<'_>, fault: FrameFault) -> ReplayError<E> {
    ReplayError::Log(LogError::Damage(LogDamage {
        offset: slot_offset(span.header.slot, scan.segment_bytes) + walk.at as u64,
        lsn: Lsn(walk.lsn + 1),
        expected: "the frame that the scan accepted",
        found: fault.found(),
    }))
}

/// Of the segments before the first of the scan those that lead to it without a gap. Behind others a slot may be in half of
/// another use.
pub(super) fn older_part(file: &dyn VfsFile, scan: &Scan) -> Result<Vec<Span>, LogError> {
    let mut sound = Vec::new();
    let mut image = Vec::new();
    let nexts = scan.older.iter().skip(1).chain(scan.spans.first());
    for (span, next) in scan.older.iter().zip(nexts) {
        read_segment(file, span.header.slot, scan.segment_bytes, &mut image)?;
        let limit = span.end.clamp(SEGMENT_HEADER_BYTES, scan.segment_bytes);
        let mut walk = Walk::new(&image[..limit as usize], &span.header).planted(scan.planted);
        while (walk.at as u64) < limit && walk.next().is_ok() {}
        if leads_to(&walk, &next.header) {
            sound.push(*span);
        } else {
            sound.clear();
        }
    }
    Ok(sound)
}

/// The last place between two frames up to which everything is known to be synced, and the spans up to there.
pub(super) fn synced_part(
    file: &dyn VfsFile,
    scan: &Scan,
) -> Result<(Vec<Span>, super::Position), LogError> {
    let mut spans = Vec::new();
    let mut end = super::Position::default();
    let mut image = Vec::new();
    for span in &scan.spans {
        read_segment(file, span.header.slot, scan.segment_bytes, &mut image)?;
        let mut walk = Walk::new(&image[..span.end as usize], &span.header).planted(scan.planted);
        let mut synced = *span;
        let mut complete = true;
        loop {
            end = super::Position {
                segment: span.header.seq,
                offset: walk.at as u64,
                lsn: Lsn(walk.lsn),
                chain: walk.chain,
            };
            synced.end = walk.at as u64;
            synced.holds = walk.lsn + u64::from(walk.rest.is_some());
            if !complete || synced.end == span.end {
                break;
            }
            let frame = walk.next().map_err(|fault| {
                LogError::Damage(LogDamage {
                    offset: slot_offset(span.header.slot, scan.segment_bytes) + end.offset,
                    lsn: end.lsn.next(),
                    expected: "the frame that the scan accepted",
                    found: fault.found(),
                })
            })?;
            // The sync that is known of came after the write of the frame in which its last transaction ended, whatever
            // else is in that frame. A marker begins with the next transaction.
            if frame.head.first_lsn > scan.durable_lsn.0 {
                complete = false;
                break;
            }
        }
        assert!(synced.end >= SEGMENT_HEADER_BYTES);
        spans.push(synced);
        if !complete {
            break;
        }
    }
    Ok((spans, end))
}
