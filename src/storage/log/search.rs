//! The search behind the first bad frame: whole frames of the log as it stands, wherever they lie. They are not
//! replayed; they are witnesses of what had been synced when they were written.

use std::ops::Range;

use super::CheckpointRef;
use super::frame::{self, FrameFault, TAG_OFFSET, tag_of};
use super::layout::{SegmentHeader, salt_of};

/// The salts under which frames may still be found, by their tags.
#[derive(Debug)]
pub(super) struct Salts {
    /// Sorted by tag.
    by_tag: Vec<(u32, u64)>,
    /// One bit for each low half of a tag, so that most places are dismissed by one look.
    low_halves: Box<[u64; 1 << 10]>,
}

impl Salts {
    /// The salts of `live` (the segments from the one with the bad frame on) and of segments whose headers may be
    /// lost: those between two that are not neighbours, and behind the last, no more than the file has slots.
    pub fn new(uuid: &[u8; 16], live: &[SegmentHeader], slots: u64) -> Self {
        let mut seqs: Vec<u64> = Vec::new();
        let mut lost_max = slots;
        for (i, header) in live.iter().enumerate() {
            seqs.push(header.seq);
            let lost = match live.get(i + 1) {
                Some(next) if next.pred.seq == header.seq => 0,
                Some(next) => lost_max.min(next.seq - header.seq - 1),
                None => slots,
            };
            lost_max -= lost.min(lost_max);
            seqs.extend((1..=lost).map(|n| header.seq.saturating_add(n)));
        }
        let mut by_tag: Vec<(u32, u64)> = seqs
            .into_iter()
            .map(|seq| salt_of(uuid, seq))
            .map(|salt| (tag_of(salt), salt))
            .collect();
        by_tag.sort_unstable();
        by_tag.dedup();
        let mut low_halves = Box::new([0u64; 1 << 10]);
        for (tag, _) in &by_tag {
            let low = *tag as u16 as usize;
            low_halves[low / 64] |= 1 << (low % 64);
        }
        Self { by_tag, low_halves }
    }

    /// The first place from `from` on where a known tag may stand.
    fn next_place(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let pairs = bytes.get(from..)?.array_windows::<2>();
        let is_known = |pair: &[u8; 2]| self.knows_half(u16::from_le_bytes(*pair));
        pairs.into_iter().position(is_known).map(|at| from + at)
    }

    fn knows_half(&self, low: u16) -> bool {
        self.low_halves[usize::from(low >> 6)] >> (low & 63) & 1 != 0
    }

    fn with_tag(&self, tag: u32) -> impl Iterator<Item = u64> {
        let first = self.by_tag.partition_point(|(t, _)| *t < tag);
        self.by_tag[first..]
            .iter()
            .take_while(move |(t, _)| *t == tag)
            .map(|(_, salt)| *salt)
    }
}

/// What the search has found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub frames: u64,
    /// Highest transaction that a found frame says is synced.
    pub durable_lsn: u64,
    /// Highest transaction that ended in a found frame.
    pub last_lsn: u64,
    pub checkpoint: CheckpointRef,
    /// How many bytes may still be checksummed in vain: it bounds the search over hostile bytes.
    pub budget: u64,
    /// The budget was used up: there are more half frames than any crash leaves.
    pub exhausted: bool,
}

/// Looks at every place of `range` in `image`.
pub(super) fn search(image: &[u8], range: Range<usize>, salts: &Salts, found: &mut Found) {
    let end = range.end.min(image.len());
    let mut at = range.start;
    while let Some(place) = salts.next_place(&image[..end], at + TAG_OFFSET) {
        at = place - TAG_OFFSET;
        let Some(tag) = image[place..end].first_chunk() else {
            return;
        };
        let mut step = 1;
        for salt in salts.with_tag(u32::from_le_bytes(*tag)) {
            match frame::decode(&image[at..end], salt) {
                Ok(frame) => {
                    found.frames += 1;
                    found.durable_lsn = found.durable_lsn.max(frame.head.durable_lsn);
                    found.last_lsn = found.last_lsn.max(frame.last_lsn());
                    found.checkpoint = found.checkpoint.max(frame.head.checkpoint);
                    step = frame.len;
                    break;
                }
                Err(FrameFault::Checksum) => {
                    let cost = (end - at).min(frame::PAYLOAD_BYTES_MAX) as u64;
                    found.exhausted |= found.budget < cost;
                    found.budget = found.budget.saturating_sub(cost);
                }
                Err(_) => {}
            }
        }
        if found.exhausted {
            return;
        }
        at += step;
    }
}
