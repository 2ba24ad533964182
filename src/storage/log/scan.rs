//! The scan: reads a whole log file, writes nothing, and says where the log ends and what that end is.

use super::frame::FrameFault;
use super::layout::{
    ATOM_BYTES, Copy, FILE_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, decode_file_header,
    decode_segment_copies, slot_offset, uuid_in,
};
use super::search::{Found, Salts, search};
use super::walk::Walk;
use super::{CheckpointRef, LogDamage, LogError, Lsn};
use crate::storage::planted::{Bug, Planted};
use crate::vfs::{VfsFile, read_exact_at, read_up_to};

/// What a scan concludes. `docs/FORMAT.md` has the decision table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log ends where its writer stopped, as far as can be told.
    Clean,
    /// Behind the end lies something that was never known to be synced; opening cuts it.
    TornTail {
        /// Offset in the file of the first byte behind the end.
        offset: u64,
        /// The first transaction that is not there.
        lsn: Lsn,
        reason: &'static str,
    },
    /// Something that was synced, and may have been acknowledged, is unreadable.
    Damaged {
        damage: LogDamage,
        /// The last transaction known to be lost.
        lost_up_to: Lsn,
    },
    /// The transaction after the checkpoint is in no segment, and it should be.
    Missing { needed: Lsn, found: Option<Lsn> },
    /// A log of another database or another version of the format.
    Foreign { reason: String },
    /// A file whose creation never ended: nothing was written into it. If the database requires a log, refuse.
    Unstarted,
}

/// A place in the log between two frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Sequence number of the segment.
    pub segment: u64,
    /// From the start of the segment, in bytes.
    pub offset: u64,
    /// The last transaction that ended before it.
    pub lsn: Lsn,
    /// Checksum of the frame before it.
    pub chain: u32,
}

/// What a scan met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Segments that fit into the file.
    pub slots: u64,
    /// Segments of the log that were followed.
    pub segments: u64,
    pub frames: u64,
    /// Bytes of accepted frames.
    pub bytes: u64,
    /// Whole frames behind the end.
    pub frames_behind: u64,
}

/// A segment of the log, and where its last accepted frame ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub header: SegmentHeader,
    pub end: u64,
    /// The last transaction of which the span holds a byte.
    pub holds: u64,
}

/// The result of a scan.
#[derive(Clone, Debug)]
pub struct Scan {
    pub verdict: Verdict,
    /// The checkpoint from which the log was asked for.
    pub from: CheckpointRef,
    /// The newest checkpoint that any segment or frame names; `seq` 0 if none does.
    pub newest_checkpoint: CheckpointRef,
    /// Where the accepted part ends.
    pub end: Position,
    /// The number of the last transaction, lost ones counted: the next one is `resume_lsn.next()`.
    pub resume_lsn: Lsn,
    /// Highest transaction known to be synced.
    pub durable_lsn: Lsn,
    /// Highest generation of any segment.
    pub generation_max: u32,
    /// Size of a segment; 0 if the file has no header.
    pub segment_bytes: u64,
    pub stats: ScanStats,
    pub(super) spans: Vec<Span>,
    /// The newest opening header, if nothing but itself says that the transactions are synced which were written again
    /// before it: they are, and the header itself may not be (L15).
    pub(super) unproved_opening: Option<SegmentHeader>,
    /// Segments before those, each with its successor in the file: the archive may not have them yet.
    pub(super) older: Vec<Span>,
    /// For each slot the sequence number in its header, unless a later opening cut it off.
    pub(super) live_seqs: Vec<Option<u64>>,
    pub(super) planted: Planted,
}

impl Scan {
    /// A scan that met nothing.
    pub(in crate::storage) fn nothing(
        verdict: Verdict,
        from: CheckpointRef,
        durable_lsn: Lsn,
    ) -> Self {
        Self {
            verdict,
            from,
            newest_checkpoint: CheckpointRef::default(),
            end: Position::default(),
            resume_lsn: from.lsn,
            durable_lsn: durable_lsn.max(from.lsn),
            generation_max: 0,
            segment_bytes: 0,
            stats: ScanStats::default(),
            spans: Vec::new(),
            unproved_opening: None,
            older: Vec::new(),
            live_seqs: Vec::new(),
            planted: Planted::none(),
        }
    }
}

/// Reads the segment in `slot`, all of it. A file that ends inside it is an error, never zeroes.
pub(super) fn read_segment(
    file: &dyn VfsFile,
    slot: u64,
    segment_bytes: u64,
    image: &mut Vec<u8>,
) -> Result<(), LogError> {
    image.resize(segment_bytes as usize, 0);
    read_exact_at(file, image, slot_offset(slot, segment_bytes)).map_err(LogError::Io)
}

/// Reads the log of database `uuid` in `file` from checkpoint `from` on. `meta_durable_lsn` is the highest
/// transaction that the meta slot knows to be synced.
pub fn scan(
    file: &dyn VfsFile,
    uuid: &[u8; 16],
    from: CheckpointRef,
    meta_durable_lsn: Lsn,
) -> Result<Scan, LogError> {
    scan_planted(file, uuid, from, meta_durable_lsn, Planted::none())
}

/// [`scan`] in a build that may be told to forget a check.
pub(in crate::storage) fn scan_planted(
    file: &dyn VfsFile,
    uuid: &[u8; 16],
    from: CheckpointRef,
    meta_durable_lsn: Lsn,
    planted: Planted,
) -> Result<Scan, LogError> {
    let segment_bytes = match read_file_header(file, uuid)? {
        Copy::Valid(bytes) => bytes,
        other => {
            let verdict = without_file_header(&other, from, meta_durable_lsn);
            return Ok(Scan::nothing(verdict, from, meta_durable_lsn));
        }
    };
    let len = file.len().map_err(LogError::Io)?;
    let slots = len.saturating_sub(FILE_HEADER_BYTES) / segment_bytes;
    let headers = read_segment_headers(file, uuid, slots, segment_bytes)?;
    let mut scan = Scan {
        segment_bytes,
        planted,
        generation_max: headers.last().map_or(0, SegmentHeader::generation),
        live_seqs: vec![None; slots as usize],
        newest_checkpoint: headers.iter().map(checkpoint_of).max().unwrap_or_default(),
        ..Scan::nothing(Verdict::Clean, from, meta_durable_lsn)
    };
    scan.stats.slots = slots;
    let live = without_cut_ones(headers);
    for header in &live {
        scan.live_seqs[header.slot as usize] = Some(header.seq);
    }
    let Some(start) = live.iter().rposition(|h| begins_by(h, from.lsn)) else {
        scan.verdict = without_start(&live, from, meta_durable_lsn);
        return Ok(scan);
    };
    scan.older = older_ones(&live[..=start]);
    let mut image = Vec::new();
    let stop = follow(file, &live[start..], &mut image, &mut scan)?;
    let found = look_behind(file, uuid, &live[start..], &stop, &mut image, &scan)?;
    conclude(&mut scan, &live[start + stop.index..], &stop, &found);
    Ok(scan)
}

fn checkpoint_of(header: &SegmentHeader) -> CheckpointRef {
    CheckpointRef {
        seq: header.checkpoint_seq,
        lsn: Lsn(header.checkpoint_lsn),
    }
}

/// Either copy will do: they are written once and never change.
pub(super) fn read_file_header(file: &dyn VfsFile, uuid: &[u8; 16]) -> Result<Copy<u64>, LogError> {
    let mut copies = vec![0; FILE_HEADER_BYTES as usize];
    // A file shorter than its header was never created completely; the missing part counts as zeroes.
    read_up_to(file, &mut copies, 0).map_err(LogError::Io)?;
    let (first, second) = copies.split_at(ATOM_BYTES as usize);
    Ok(match decode_file_header(first, uuid) {
        Copy::Invalid => decode_file_header(second, uuid),
        copy => copy,
    })
}

/// The database that a log belongs to, by itself; None: it has no header.
pub fn identity(file: &dyn VfsFile) -> Result<Option<[u8; 16]>, LogError> {
    let mut copies = vec![0; FILE_HEADER_BYTES as usize];
    read_up_to(file, &mut copies, 0).map_err(LogError::Io)?;
    let (first, second) = copies.split_at(ATOM_BYTES as usize);
    Ok(uuid_in(first).or_else(|| uuid_in(second)))
}

fn without_file_header(copy: &Copy<u64>, from: CheckpointRef, meta_durable_lsn: Lsn) -> Verdict {
    match copy {
        Copy::OtherDatabase => Verdict::Foreign {
            reason: "the log belongs to another database".to_owned(),
        },
        Copy::OtherVersion(version) => Verdict::Foreign {
            reason: format!("the log has format version {version}"),
        },
        Copy::Valid(_) | Copy::Invalid if meta_durable_lsn > from.lsn => Verdict::Missing {
            needed: from.lsn.next(),
            found: None,
        },
        Copy::Valid(_) | Copy::Invalid => Verdict::Unstarted,
    }
}

/// The valid headers, by sequence number.
pub(super) fn read_segment_headers(
    file: &dyn VfsFile,
    uuid: &[u8; 16],
    slots: u64,
    segment_bytes: u64,
) -> Result<Vec<SegmentHeader>, LogError> {
    let mut headers = Vec::new();
    let mut copies = vec![0; SEGMENT_HEADER_BYTES as usize];
    for slot in 0..slots {
        read_exact_at(file, &mut copies, slot_offset(slot, segment_bytes)).map_err(LogError::Io)?;
        headers.extend(decode_segment_copies(&copies, uuid, slot));
    }
    headers.sort_by_key(|h| h.seq);
    headers.dedup_by_key(|h| h.seq);
    Ok(headers)
}

/// Leaves out the segments that a later opening cut off: those between it and the predecessor it names (L4).
pub(super) fn without_cut_ones(mut headers: Vec<SegmentHeader>) -> Vec<SegmentHeader> {
    let mut cut_behind = u64::MAX;
    headers.reverse();
    headers.retain(|h| {
        let stays = h.seq <= cut_behind;
        cut_behind = cut_behind.min(h.pred.seq);
        stays
    });
    headers.reverse();
    headers
}

/// Whether reading may begin in this segment when everything up to `lsn` is in the checkpoint.
pub(super) fn begins_by(header: &SegmentHeader, lsn: Lsn) -> bool {
    header.first_lsn <= lsn.0 || (header.first_lsn == lsn.0 + 1 && header.rest == 0)
}

fn without_start(live: &[SegmentHeader], from: CheckpointRef, meta_durable_lsn: Lsn) -> Verdict {
    match live.first() {
        None if meta_durable_lsn <= from.lsn => Verdict::Unstarted,
        first => Verdict::Missing {
            needed: from.lsn.next(),
            found: first.map(|h| Lsn(h.first_lsn)),
        },
    }
}

/// The segments that lead to the last one of `live`, as far as they are there. Their ends are what their successors say,
/// and nothing in them has been read.
fn older_ones(live: &[SegmentHeader]) -> Vec<Span> {
    let mut spans = Vec::new();
    for pair in live.windows(2).rev() {
        let [header, next] = pair else { break };
        if next.pred.seq != header.seq {
            break;
        }
        spans.push(Span {
            header: *header,
            end: next.pred.offset,
            holds: next.pred.lsn + u64::from(next.rest > 0),
        });
    }
    spans.reverse();
    spans
}

/// Where following the log came to its end.
struct Stop {
    /// Which of the segments that were to be followed.
    index: usize,
    /// From the start of the segment, in bytes.
    offset: u64,
    /// Where a successor says that the segment ends.
    limit: u64,
    fault: FrameFault,
    /// The end lies inside a record.
    inside: bool,
    /// The newest opening header.
    opening: Option<SegmentHeader>,
    /// Up to where anything else says so.
    proved: Lsn,
}

/// Follows the log through `live`, its first segment being the start, until no frame follows.
fn follow(
    file: &dyn VfsFile,
    live: &[SegmentHeader],
    image: &mut Vec<u8>,
    scan: &mut Scan,
) -> Result<Stop, LogError> {
    let mut index = 0;
    let mut opening: Option<SegmentHeader> = None;
    let mut proved = scan.durable_lsn;
    loop {
        let header = &live[index];
        let claim = Lsn(header.durable_lsn);
        if header.is_opening() {
            proved = proved.max(opening.map_or(Lsn(0), |before| Lsn(before.durable_lsn)));
            opening = Some(*header);
        } else {
            proved = proved.max(claim);
        }
        let next = live.get(index + 1).filter(|n| n.pred.seq == header.seq);
        let limit = next.map_or(scan.segment_bytes, |n| n.pred.offset);
        let limit = limit.clamp(SEGMENT_HEADER_BYTES, scan.segment_bytes);
        if scan.planted.has(Bug::M15ShortReadZeroFilled) {
            image.clear();
            image.resize(scan.segment_bytes as usize, 0);
            let offset = slot_offset(header.slot, scan.segment_bytes);
            file.read_at(image, offset).map_err(LogError::Io)?;
        } else {
            read_segment(file, header.slot, scan.segment_bytes, image)?;
        }
        let mut walk = Walk::new(&image[..limit as usize], header).planted(scan.planted);
        scan.durable_lsn = scan.durable_lsn.max(claim);
        let fault = loop {
            match walk.next() {
                Ok(frame) => {
                    scan.stats.frames += 1;
                    scan.stats.bytes += frame.len as u64;
                    scan.newest_checkpoint = scan.newest_checkpoint.max(frame.head.checkpoint);
                    proved = proved.max(Lsn(frame.head.durable_lsn));
                    scan.durable_lsn = scan.durable_lsn.max(proved);
                }
                Err(fault) => break fault,
            }
        };
        scan.spans.push(Span {
            header: *header,
            end: walk.at as u64,
            holds: walk.lsn + u64::from(walk.rest.is_some()),
        });
        scan.stats.segments += 1;
        scan.end = Position {
            segment: header.seq,
            offset: walk.at as u64,
            lsn: Lsn(walk.lsn),
            chain: walk.chain,
        };
        match next {
            Some(next) if leads_to(&walk, next) => index += 1,
            _ => {
                return Ok(Stop {
                    index,
                    offset: walk.at as u64,
                    limit,
                    fault,
                    inside: walk.rest.is_some(),
                    opening,
                    proved,
                });
            }
        }
    }
}

/// Whether the successor names exactly the place that was reached.
pub(super) fn leads_to(walk: &Walk<'_>, next: &SegmentHeader) -> bool {
    let end_matches = walk.at as u64 == next.pred.offset
        && walk.lsn == next.pred.lsn
        && walk.chain == next.pred.chain;
    end_matches && (next.is_opening() || walk.rest.unwrap_or(0) == next.rest)
}

/// How often the search may checksum the file in vain.
const SEARCH_FACTOR: u64 = 8;

/// Searches everything that may hold frames behind the stop. `image` is the segment of the stop.
fn look_behind(
    file: &dyn VfsFile,
    uuid: &[u8; 16],
    live: &[SegmentHeader],
    stop: &Stop,
    image: &mut Vec<u8>,
    scan: &Scan,
) -> Result<Found, LogError> {
    let salts = Salts::new(uuid, &live[stop.index..], scan.stats.slots);
    let mut found = Found {
        budget: SEARCH_FACTOR * scan.stats.slots * scan.segment_bytes,
        ..Found::default()
    };
    search(
        image,
        stop.offset as usize..stop.limit as usize,
        &salts,
        &mut found,
    );
    for slot in 0..scan.stats.slots {
        if live[..=stop.index].iter().any(|h| h.slot == slot) {
            continue;
        }
        read_segment(file, slot, scan.segment_bytes, image)?;
        let range = SEGMENT_HEADER_BYTES as usize..image.len();
        search(image, range, &salts, &mut found);
    }
    Ok(found)
}

/// The rule that tells a torn tail from damage. `live` begins with the segment of the stop.
fn conclude(scan: &mut Scan, live: &[SegmentHeader], stop: &Stop, found: &Found) {
    let behind = &live[1..];
    let told = behind.iter().map(|h| h.durable_lsn);
    let told = told.fold(found.durable_lsn, u64::max);
    let durable = told.max(scan.durable_lsn.0);
    let proved = told.max(stop.proved.0);
    scan.unproved_opening = stop.opening.filter(|opening| opening.durable_lsn > proved);
    let seen = behind
        .iter()
        .map(|h| h.first_lsn - 1)
        .chain([durable, found.last_lsn])
        .max()
        .unwrap_or(0);
    scan.newest_checkpoint = scan.newest_checkpoint.max(found.checkpoint);
    scan.durable_lsn = Lsn(durable);
    scan.stats.frames_behind = found.frames;
    let expected = scan.end.lsn.0 + 1;
    let from = scan.from.lsn.0;
    // What the checkpoint holds was synced before the checkpoint was: if the log does not reach it, that is damage,
    // and it matters if anything behind the checkpoint was there.
    let synced_is_lost = durable >= expected.max(from + 1);
    let unknown_is_lost = expected <= from && seen > from;
    let offset = slot_offset(live[0].slot, scan.segment_bytes) + stop.offset;
    scan.resume_lsn = Lsn(scan.end.lsn.0.max(from));
    scan.verdict = if synced_is_lost || unknown_is_lost || found.exhausted {
        scan.resume_lsn = scan.resume_lsn.max(Lsn(seen));
        Verdict::Damaged {
            damage: LogDamage {
                offset,
                lsn: Lsn(expected),
                expected: "the next frame of the log",
                found: stop.fault.found(),
            },
            lost_up_to: Lsn(seen),
        }
    } else if found.frames > 0
        || !behind.is_empty()
        || stop.inside
        || stop.fault != FrameFault::Absent
    {
        let reason = match stop.fault {
            FrameFault::Absent if stop.inside => "the last record is incomplete",
            fault => fault.found(),
        };
        Verdict::TornTail {
            offset,
            lsn: Lsn(expected),
            reason,
        }
    } else {
        Verdict::Clean
    };
}
