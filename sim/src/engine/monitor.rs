//! The ordering assertions that know the file formats: A1 to A8, A10, A11, A14 to A17, on the stream of calls.
//!
//! The monitor keeps its own copy of both files and of what of them is synced. It parses what is written with the
//! engine's public functions, and the driver tells it what leaves: acknowledgements, snapshots, the end of an open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redkeep::storage::log::inspect::{self, SegmentView};
use redkeep::storage::meta::{META_BYTES, Meta};
use redkeep::storage::page::{self, PageNo};
use redkeep::storage::pager::META_REGION_BYTES;

use super::walk::{self, Image, Reached};
use crate::disk::SimVfs;
use crate::explore::Broken;

/// Which of the two files a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    Data,
    Log,
}

/// How far a sync under way reaches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Covered {
    writes: u64,
    len: u64,
    lsn: u64,
    checkpoint_seq: u64,
}

/// A segment of the log as it was written last.
#[derive(Clone, Debug)]
struct Segment {
    view: SegmentView,
    last_lsn: u64,
    /// Its header was written in this life.
    is_ours: bool,
    /// Frames before this place in it were looked at.
    seen_to: u64,
}

/// What is known of one file.
#[derive(Clone, Debug, Default)]
struct Mirror {
    bytes: Vec<u8>,
    /// Writes since the last sync that covered them: number, start, end.
    unsynced: Vec<(u64, u64, u64)>,
    writes: u64,
    synced_len: u64,
}

impl Mirror {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(bytes);
        self.writes += 1;
        self.unsynced.push((self.writes, offset, end as u64));
    }

    fn is_unsynced(&self, start: u64, end: u64) -> bool {
        self.unsynced.iter().any(|(_, s, e)| *s < end && start < *e)
    }
}

/// Checks the order of a life's calls, and remembers across lives what must grow.
#[derive(Clone, Debug)]
pub struct Monitor {
    uuid: [u8; 16],
    segment_bytes: u64,
    data: Mirror,
    log: Mirror,
    /// An open is under way; the file was there before; bytes were altered.
    is_opening: bool,
    is_new: bool,
    alterations: u64,
    /// Up to where the opening has read the metas.
    metas_read: u64,
    /// The durable meta of each slot, and the one written and not yet synced: meta, copies written, number of the write.
    durable: [Option<Meta>; 2],
    dirty: [Option<(Meta, u64)>; 2],
    first_copy_synced: [u64; 2],
    meta_seq_max: u64,
    generation_max: u32,
    current: Reached,
    /// What only the previous checkpoint reaches; and the checkpoint whose marker ends its protection.
    previous: Option<(Reached, u64)>,
    snapshots: BTreeMap<u64, Reached>,
    segments: BTreeMap<u64, Segment>,
    salts: BTreeSet<u64>,
    /// The page that each stamp was written for, in all lives.
    stamps: BTreeMap<u64, PageNo>,
    seq_max: u64,
    /// The highest sequence number before this life.
    seq_floor: u64,
    written_lsn: u64,
    synced_lsn: u64,
    written_checkpoint: u64,
    failed: [bool; 2],
    violations: Vec<Broken>,
    /// A full disk may use what lies behind a torn tail at once.
    is_full_disk: bool,
    /// Damage was done on purpose: what the monitor knows of the bytes is void.
    is_off: bool,
    checked: u64,
}

impl Monitor {
    /// A monitor of a database with this identity.
    pub fn new(uuid: [u8; 16], segment_bytes: u64) -> Self {
        Self {
            uuid,
            segment_bytes,
            data: Mirror::default(),
            log: Mirror::default(),
            is_opening: false,
            is_new: false,
            alterations: 0,
            metas_read: 0,
            durable: [None; 2],
            dirty: [None; 2],
            first_copy_synced: [0; 2],
            meta_seq_max: 0,
            generation_max: 0,
            current: Reached::new(),
            previous: None,
            snapshots: BTreeMap::new(),
            segments: BTreeMap::new(),
            salts: BTreeSet::new(),
            stamps: BTreeMap::new(),
            seq_max: 0,
            seq_floor: 0,
            written_lsn: 0,
            synced_lsn: 0,
            written_checkpoint: 0,
            failed: [false; 2],
            violations: Vec::new(),
            is_full_disk: false,
            is_off: false,
            checked: 0,
        }
    }

    /// Switches the checks off: the run damages files or lies about them.
    pub fn switch_off(&mut self) {
        self.is_off = true;
    }

    /// The disk may be full in this run.
    pub fn expect_full_disk(&mut self) {
        self.is_full_disk = true;
    }

    /// What was found, oldest first.
    pub fn violations(&self) -> &[Broken] {
        &self.violations
    }

    /// How many calls and notes were checked.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    fn fail(&mut self, rule: &'static str, detail: String) {
        if !self.is_off && self.violations.len() < 20 {
            self.violations.push(Broken::new(rule, detail));
        }
    }

    /// A life begins to open the files as they are on the disk now.
    pub fn opening(&mut self, vfs: &SimVfs, data: &Path, log: &Path) {
        let disk = vfs.disk();
        let fresh = |path| Mirror {
            bytes: disk.contents(path).unwrap_or_default(),
            ..Mirror::default()
        };
        self.data = fresh(data);
        self.log = fresh(log);
        self.is_opening = true;
        self.alterations = 0;
        self.metas_read = 0;
        self.dirty = [None; 2];
        self.first_copy_synced = [0; 2];
        self.previous = None;
        self.snapshots.clear();
        self.failed = [false; 2];
        self.segments.clear();
        // What no crash left was never there: numbers grow over what is.
        self.seq_max = 0;
        self.salts.clear();
        self.read_metas();
        let slots = (self.log.bytes.len() as u64).saturating_sub(inspect::SEGMENTS_START)
            / self.segment_bytes;
        for slot in 0..slots {
            self.read_segment(slot, false);
        }
        self.seq_floor = self.seq_max;
        (self.written_lsn, self.synced_lsn, self.written_checkpoint) = (0, 0, 0);
    }

    /// An opening goes by the metas as it read them first, and the kernel may show that once only (F19).
    pub(super) fn read(&mut self, role: FileRole, offset: u64, bytes: &[u8]) {
        let is_next = role == FileRole::Data && offset == self.metas_read;
        if !self.is_opening || !is_next || offset >= META_REGION_BYTES {
            return;
        }
        self.metas_read += bytes.len() as u64;
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if let Some(seen) = self.data.bytes.get_mut(start..end)
            && seen != bytes
        {
            seen.copy_from_slice(bytes);
            self.read_metas();
        }
    }

    fn read_metas(&mut self) {
        (self.meta_seq_max, self.generation_max) = (0, 0);
        for slot in 0..2 {
            let copies = (0..2).filter_map(|copy| {
                let start = (slot * 2 + copy) * META_BYTES;
                let bytes = self.data.bytes.get(start..start + META_BYTES)?;
                Meta::decode(bytes.try_into().ok()?).ok()
            });
            self.durable[slot] = copies.max_by_key(|m| m.seq);
        }
        for meta in self.durable.into_iter().flatten() {
            self.meta_seq_max = self.meta_seq_max.max(meta.seq);
            self.generation_max = self.generation_max.max(meta.generation);
        }
        let newest = self.newest();
        self.is_new = newest.is_none();
        self.data.synced_len = newest.map_or(0, |m| m.pages * u64::from(m.page_bytes));
        self.current = self.reached_by(newest);
    }

    fn newest(&self) -> Option<Meta> {
        self.durable.into_iter().flatten().max_by_key(|m| m.seq)
    }

    fn reached_by(&self, meta: Option<Meta>) -> Reached {
        let Some(meta) = meta else {
            return Reached::new();
        };
        let mut image = Image {
            bytes: &self.data.bytes,
            page_bytes: meta.page_bytes as usize,
        };
        // What does not hold together is found by the oracles that read it.
        walk::checkpoint(&mut image, &meta).map_or_else(|_| Reached::new(), |(reached, _)| reached)
    }

    fn read_segment(&mut self, slot: u64, is_ours: bool) {
        let start = inspect::offset_of(slot, self.segment_bytes) as usize;
        let end = start + self.segment_bytes as usize;
        let Some(image) = self.log.bytes.get(start..end) else {
            return;
        };
        let Some((view, frames)) = inspect::segment(image, &self.uuid, slot) else {
            self.segments.remove(&slot);
            return;
        };
        // A salt is used up when a frame has it: a log that was made and never written to is made again.
        if is_ours || !frames.is_empty() {
            self.seq_max = self.seq_max.max(view.seq);
            self.salts.insert(view.salt);
        }
        let last_lsn = frames.iter().map(|f| f.last_lsn.0).max().unwrap_or(0);
        self.segments.insert(
            slot,
            Segment {
                view,
                last_lsn,
                is_ours,
                seen_to: 0,
            },
        );
    }

    /// An open ended. `recovered`: what it shows; None: it was refused or failed.
    pub fn opened(&mut self, recovered: Option<u64>, refused: bool) {
        self.checked += 1;
        self.is_opening = false;
        if refused && self.alterations > 0 {
            self.fail(
                "A14",
                format!(
                    "a refused open altered the files {} times",
                    self.alterations
                ),
            );
        }
        let Some(lsn) = recovered else { return };
        if let Some((_, start, end)) = self.log.unsynced.first() {
            self.fail(
                "A1",
                format!("an open ended with log bytes {start}..{end} unsynced"),
            );
        }
        let slots: Vec<u64> = (0..self.log.bytes.len() as u64 / self.segment_bytes).collect();
        let newest = self.segments.values().map(|s| s.view.seq).max();
        for slot in slots {
            let ours = self.segments.get(&slot).is_some_and(|s| s.is_ours);
            self.read_segment(slot, ours);
            // Frames of the opening itself are no news any more.
            let start = inspect::offset_of(slot, self.segment_bytes) as usize;
            let image = self
                .log
                .bytes
                .get(start..start + self.segment_bytes as usize);
            let frames = image.and_then(|i| inspect::segment(i, &self.uuid, slot));
            if let Some(segment) = self.segments.get_mut(&slot) {
                let last = frames.and_then(|(_, f)| f.last().map(|f| f.offset + f.len));
                segment.seen_to = last.unwrap_or(0);
            }
        }
        if !self
            .segments
            .values()
            .any(|s| s.is_ours && Some(s.view.seq) == newest)
        {
            self.fail("A11", "an open began no segment of its own".to_owned());
        }
        self.written_lsn = lsn;
        self.synced_lsn = lsn;
    }

    /// Everything up to `lsn` was acknowledged as written or, if `durable`, as synced.
    pub fn acknowledged(&mut self, lsn: u64, durable: bool) {
        self.checked += 1;
        let reached = if durable {
            self.synced_lsn
        } else {
            self.written_lsn
        };
        if lsn > reached {
            let what = if durable { "synced" } else { "written" };
            self.fail(
                "A1",
                format!("transaction {lsn} is acknowledged and {reached} is {what}"),
            );
        }
        if durable && self.failed[1] {
            self.fail(
                "A10",
                format!("transaction {lsn} is acknowledged after a failed sync"),
            );
        }
    }

    /// A snapshot reaches these pages from now on.
    pub fn snapshot_opened(&mut self, id: u64, reached: Reached) {
        self.snapshots.insert(id, reached);
    }

    pub fn snapshot_closed(&mut self, id: u64) {
        self.snapshots.remove(&id);
    }

    pub(super) fn write_begins(&mut self, role: FileRole, offset: u64, bytes: &[u8]) {
        self.checked += 1;
        self.alterations += 1;
        match role {
            FileRole::Data if offset < META_REGION_BYTES => self.meta_begins(offset, bytes),
            FileRole::Data => self.pages_begin(offset, bytes),
            FileRole::Log => self.log_begins(offset, bytes),
        }
    }

    fn meta_begins(&mut self, offset: u64, bytes: &[u8]) {
        let copy = (offset as usize / META_BYTES) % 2;
        let slot = offset as usize / META_BYTES / 2;
        let whole = <&[u8; META_BYTES]>::try_from(bytes).ok();
        let Some(meta) = whole.and_then(|b| Meta::decode(b).ok()) else {
            // The rest of a short write.
            return;
        };
        if self.is_opening && !self.is_new {
            // A recovery may write a verified copy again, and nothing else.
            if self.durable[slot] != Some(meta) {
                self.fail(
                    "A16",
                    format!(
                        "opening an existing file writes meta {} to slot {slot}",
                        meta.seq
                    ),
                );
            }
            return;
        }
        let newest = self.newest();
        let is_second = copy == 1 && self.first_copy_synced[slot] == meta.seq;
        if newest.is_some_and(|n| self.durable[slot] == Some(n)) && !self.is_new && !is_second {
            self.fail(
                "A4",
                format!("meta {} goes over the newest one in slot {slot}", meta.seq),
            );
        }
        if self.dirty[1 - slot].is_some() {
            self.fail("A4", "both meta slots are dirty".to_owned());
        }
        if copy == 1 && self.first_copy_synced[slot] != meta.seq {
            self.fail(
                "A4",
                format!(
                    "the second copy of meta {} precedes the sync of the first",
                    meta.seq
                ),
            );
        }
        let grows = meta.seq > self.meta_seq_max || (copy == 1 && meta.seq == self.meta_seq_max);
        if !grows || meta.generation < self.generation_max {
            let detail = format!(
                "meta {} generation {} does not grow",
                meta.seq, meta.generation
            );
            self.fail("A15", detail);
        }
        if copy == 0 {
            self.check_checkpoint(&meta);
        }
    }

    /// A3, A6, A8: what a meta names is durable before it is written.
    fn check_checkpoint(&mut self, meta: &Meta) {
        let page_bytes = u64::from(meta.page_bytes);
        if meta.pages * page_bytes > self.data.synced_len && !self.is_new {
            let detail = format!(
                "meta {} mentions {} bytes and {} are durable",
                meta.seq,
                meta.pages * page_bytes,
                self.data.synced_len
            );
            self.fail("A8", detail);
        }
        if !self.is_new && meta.checkpoint.lsn.0 > self.synced_lsn {
            let detail = format!(
                "checkpoint of {} and {} is synced",
                meta.checkpoint.lsn, self.synced_lsn
            );
            self.fail("A6", detail);
        }
        let mut image = Image {
            bytes: &self.data.bytes,
            page_bytes: meta.page_bytes as usize,
        };
        match walk::checkpoint(&mut image, meta) {
            Err(found) => self.fail(
                "A3",
                format!("meta {} is written and {}", meta.seq, found.detail),
            ),
            Ok((reached, _)) => {
                let unsynced = reached.keys().find(|p| {
                    let start = p.0 * page_bytes;
                    self.data.is_unsynced(start, start + page_bytes)
                });
                if let Some(page) = unsynced {
                    self.fail(
                        "A3",
                        format!("meta {} names page {page}, which is not synced", meta.seq),
                    );
                }
            }
        }
    }

    fn page_bytes(&self) -> u64 {
        self.newest().map_or(0, |m| u64::from(m.page_bytes))
    }

    fn pages_begin(&mut self, offset: u64, bytes: &[u8]) {
        let page_bytes = self.page_bytes();
        if page_bytes == 0 || !offset.is_multiple_of(page_bytes) {
            return;
        }
        if self.is_opening && !self.is_new && self.segments.values().all(|s| !s.is_ours) {
            self.fail(
                "A16",
                format!("a page at {offset} is written before the log is recovered"),
            );
        }
        for (i, bytes) in bytes.chunks_exact(page_bytes as usize).enumerate() {
            let number = PageNo(offset / page_bytes + i as u64);
            let ptr = page::ptr_of(bytes);
            if ptr.page != number || page::verify(bytes, ptr).is_err() {
                self.fail(
                    "A16",
                    format!("page {number} is written as page {} or unsealed", ptr.page),
                );
                continue;
            }
            let owner = *self.stamps.entry(ptr.stamp.0).or_insert(number);
            if owner != number {
                let stamp = ptr.stamp.0;
                self.fail(
                    "A17",
                    format!("stamp {stamp:#x} is of page {owner} and of page {number}"),
                );
            }
            let holders = [Some(&self.current), self.previous.as_ref().map(|(r, _)| r)];
            let is_held = holders
                .into_iter()
                .flatten()
                .any(|reached| reached.contains_key(&number));
            let start = (number.0 * page_bytes) as usize;
            let old = self.data.bytes.get(start..start + page_bytes as usize);
            if is_held && old != Some(bytes) {
                self.fail(
                    "A2",
                    format!("page {number} is overwritten and a durable root reaches it"),
                );
            }
            let other = |reached: &Reached| reached.get(&number).is_some_and(|s| *s != ptr.stamp);
            if self.snapshots.values().any(other) {
                self.fail(
                    "A7",
                    format!("page {number} is written anew and a snapshot reaches it"),
                );
            }
        }
    }

    /// Zeroes may go into a segment before it is begun: their rest, after a short write, begins anywhere.
    fn log_begins(&mut self, offset: u64, bytes: &[u8]) {
        let Some((slot, inside)) = inspect::slot_at(offset, self.segment_bytes) else {
            return;
        };
        if self.is_opening && self.is_copy_of_header(slot, inside, bytes) {
            return;
        }
        let is_ours = self.segments.get(&slot).is_some_and(|s| s.is_ours);
        let fills = bytes.iter().all(|byte| *byte == 0);
        if inside >= inspect::FRAMES_START && !is_ours && !self.is_opening && !fills {
            self.fail(
                "A11",
                format!("frames go into slot {slot}, a segment of an earlier life"),
            );
        }
        if !is_ours {
            self.check_reuse(slot, "written over");
        } else if inside == 0 {
            // The rest of a short write of a header begins behind its start.
            self.check_reuse(slot, "begun anew");
        }
    }

    /// A recovery may write a verified copy of a header again, for it may not be durable.
    fn is_copy_of_header(&self, slot: u64, inside: u64, bytes: &[u8]) -> bool {
        let start = inspect::offset_of(slot, self.segment_bytes) as usize;
        let header = self
            .log
            .bytes
            .get(start..start + inspect::FRAMES_START as usize);
        let Some(header) = header.filter(|_| self.segments.contains_key(&slot)) else {
            return false;
        };
        let (first, second) = header.split_at(header.len() / 2);
        // The rest of a short write begins behind the start of a copy.
        let skipped = inside as usize % first.len();
        let end = skipped + bytes.len();
        [first, second]
            .iter()
            .any(|copy| copy.get(skipped..end) == Some(bytes))
    }

    /// A5: a segment goes only when a durable checkpoint covers what it holds.
    fn check_reuse(&mut self, slot: u64, what: &str) {
        let Some(segment) = self.segments.get(&slot) else {
            return;
        };
        let covered = self.newest().map_or(0, |m| m.checkpoint.lsn.0);
        let known = if self.is_opening {
            segment.last_lsn
        } else {
            self.synced_lsn
        };
        let holds = segment.last_lsn.min(known);
        let Some(limit) = self.chain().get(&segment.view.seq).copied() else {
            return;
        };
        let holds = holds.min(limit);
        if holds > covered && !(self.is_full_disk && self.is_opening) && !self.is_new {
            let detail = format!(
                "slot {slot} is {what}: it holds transactions up to {holds}, the durable checkpoint has {covered}"
            );
            self.fail("A5", detail);
        }
    }

    /// The segments that lead to the newest one, and the last transaction that each is read for: what lies behind
    /// it was cut by the next one.
    fn chain(&self) -> BTreeMap<u64, u64> {
        let mut out = BTreeMap::new();
        let mut limit = u64::MAX;
        let mut next = self.segments.values().map(|s| s.view.seq).max();
        while let Some(seq) = next {
            out.insert(seq, limit);
            let segment = self.segments.values().find(|s| s.view.seq == seq);
            limit = segment.map_or(0, |s| s.view.first_lsn.0 - 1);
            next = segment
                .map(|s| s.view.pred_seq)
                .filter(|p| *p < seq && *p > 0);
        }
        out
    }

    pub(super) fn written(&mut self, role: FileRole, offset: u64, bytes: &[u8]) {
        match role {
            FileRole::Data => {
                self.data.write(offset, bytes);
                if offset < META_REGION_BYTES {
                    self.meta_written(offset);
                }
            }
            FileRole::Log => {
                self.log.write(offset, bytes);
                self.log_written(offset, bytes.len() as u64);
            }
        }
    }

    fn meta_written(&mut self, offset: u64) {
        let start = offset as usize / META_BYTES * META_BYTES;
        let slot = start / META_BYTES / 2;
        let bytes = self.data.bytes.get(start..start + META_BYTES);
        let meta = bytes.and_then(|b| Meta::decode(b.try_into().ok()?).ok());
        if let Some(meta) = meta {
            self.dirty[slot] = Some((meta, self.data.writes));
            self.meta_seq_max = self.meta_seq_max.max(meta.seq);
            self.generation_max = self.generation_max.max(meta.generation);
        }
    }

    fn log_written(&mut self, offset: u64, len: u64) {
        let first = inspect::slot_at(offset, self.segment_bytes);
        let last = inspect::slot_at((offset + len).saturating_sub(1), self.segment_bytes);
        let (Some((slot, inside)), true) = (first, first.map(|f| f.0) == last.map(|l| l.0)) else {
            return;
        };
        if inside < inspect::FRAMES_START {
            self.header_written(slot);
        }
        self.frames_written(slot);
    }

    fn has_equal_copies(&self, slot: u64) -> bool {
        let start = inspect::offset_of(slot, self.segment_bytes) as usize;
        let header = self
            .log
            .bytes
            .get(start..start + inspect::FRAMES_START as usize);
        header.is_some_and(|header| {
            let (first, second) = header.split_at(header.len() / 2);
            first == second
        })
    }

    /// A11: a header, maybe only a part of it so far, was written.
    fn header_written(&mut self, slot: u64) {
        let old = self.segments.get(&slot).cloned();
        let floor = self.seq_floor;
        let salts = self.salts.clone();
        self.read_segment(slot, true);
        let Some(view) = self.segments.get(&slot).map(|s| s.view) else {
            return;
        };
        // The other copy of the header is not complete yet, or was there: the frames are those that were seen.
        let is_seen = old.as_ref().is_some_and(|old| old.view.seq == view.seq);
        // Half of the new first copy is there, and a power loss had left the second one of an older header.
        let is_half = view.seq <= floor && !self.has_equal_copies(slot);
        if is_seen || is_half {
            match old {
                Some(old) => self.segments.insert(slot, old),
                None => self.segments.remove(&slot),
            };
            return;
        }
        if view.seq <= floor || salts.contains(&view.salt) {
            let detail = format!(
                "segment {:#x} begins in slot {slot} and {floor:#x} was there",
                view.seq
            );
            self.fail("A11", detail);
        }
    }

    /// A1, A15: frames that are whole now.
    fn frames_written(&mut self, slot: u64) {
        let Some(segment) = self.segments.get_mut(&slot).filter(|s| s.is_ours) else {
            return;
        };
        let start = inspect::offset_of(slot, self.segment_bytes) as usize;
        let end = (start + self.segment_bytes as usize).min(self.log.bytes.len());
        let Some((_, frames)) = inspect::segment(&self.log.bytes[start..end], &self.uuid, slot)
        else {
            return;
        };
        let seen_to = segment.seen_to;
        let new: Vec<_> = frames.into_iter().filter(|f| f.offset >= seen_to).collect();
        for frame in &new {
            segment.last_lsn = segment.last_lsn.max(frame.last_lsn.0);
            segment.seen_to = frame.offset + frame.len;
        }
        for frame in new {
            if !self.is_opening && frame.first_lsn.0 != self.written_lsn + 1 {
                let detail = format!(
                    "a frame begins with {} after {}",
                    frame.first_lsn, self.written_lsn
                );
                self.fail("A15", detail);
            }
            if frame.durable_lsn.0 > self.synced_lsn && !self.is_opening {
                let detail = format!(
                    "a frame says {} is synced and {} is",
                    frame.durable_lsn, self.synced_lsn
                );
                self.fail("A1", detail);
            }
            self.written_lsn = self.written_lsn.max(frame.last_lsn.0);
            self.written_checkpoint = self.written_checkpoint.max(frame.checkpoint.seq);
        }
    }

    pub(super) fn set_len_begins(&mut self, role: FileRole, len: u64) {
        self.checked += 1;
        self.alterations += 1;
        match role {
            FileRole::Data => {
                let page_bytes = self.page_bytes();
                let held = |reached: &Reached| {
                    reached
                        .keys()
                        .next_back()
                        .is_some_and(|p| (p.0 + 1) * page_bytes > len)
                };
                let previous = self.previous.as_ref().is_some_and(|(r, _)| held(r));
                let mentioned = self.newest().is_some_and(|m| m.pages * page_bytes > len);
                if !self.is_new && (held(&self.current) || previous || mentioned) {
                    self.fail(
                        "A2",
                        format!("the file is cut to {len} bytes and a durable root needs more"),
                    );
                }
            }
            FileRole::Log => {
                let cut: Vec<u64> = self
                    .segments
                    .keys()
                    .copied()
                    .filter(|s| inspect::offset_of(*s, self.segment_bytes) >= len)
                    .collect();
                if !self.is_new {
                    cut.into_iter()
                        .for_each(|slot| self.check_reuse(slot, "cut off"));
                }
            }
        }
    }

    pub(super) fn resized(&mut self, role: FileRole, len: u64) {
        let mirror = match role {
            FileRole::Data => &mut self.data,
            FileRole::Log => &mut self.log,
        };
        mirror.bytes.resize(len as usize, 0);
        mirror.synced_len = mirror.synced_len.min(len);
        if role == FileRole::Log {
            let segment_bytes = self.segment_bytes;
            self.segments
                .retain(|slot, _| inspect::offset_of(slot + 1, segment_bytes) <= len);
        }
    }

    pub(super) fn allocated(&mut self, role: FileRole, end: u64) {
        self.alterations += 1;
        let mirror = match role {
            FileRole::Data => &mut self.data,
            FileRole::Log => &mut self.log,
        };
        if mirror.bytes.len() < end as usize {
            mirror.bytes.resize(end as usize, 0);
        }
    }

    pub(super) fn sync_begins(&mut self, role: FileRole) -> Covered {
        self.checked += 1;
        let mirror = match role {
            FileRole::Data => &self.data,
            FileRole::Log => &self.log,
        };
        Covered {
            writes: mirror.writes,
            len: mirror.bytes.len() as u64,
            lsn: self.written_lsn,
            checkpoint_seq: self.written_checkpoint,
        }
    }

    /// A sync of a file failed: nothing is acknowledged from here on.
    pub fn sync_failed(&mut self, role: FileRole) {
        self.failed[usize::from(role == FileRole::Log)] = true;
    }

    pub(super) fn synced(&mut self, role: FileRole, covered: Covered) {
        match role {
            FileRole::Log => {
                self.log.unsynced.retain(|(n, _, _)| *n > covered.writes);
                self.synced_lsn = self.synced_lsn.max(covered.lsn);
                let is_over = |(_, seq): &(Reached, u64)| covered.checkpoint_seq >= *seq;
                if self.previous.as_ref().is_some_and(is_over) {
                    self.previous = None;
                }
            }
            FileRole::Data => {
                self.data.unsynced.retain(|(n, _, _)| *n > covered.writes);
                self.data.synced_len = covered.len.min(self.data.bytes.len() as u64);
                for slot in 0..2 {
                    self.meta_synced(slot, covered);
                }
            }
        }
    }

    fn meta_synced(&mut self, slot: usize, covered: Covered) {
        let Some((meta, write)) = self.dirty[slot] else {
            return;
        };
        if write > covered.writes {
            return;
        }
        self.dirty[slot] = None;
        self.first_copy_synced[slot] = meta.seq;
        let old = self.newest();
        self.durable[slot] = Some(meta);
        if self.newest() == Some(meta) && old != Some(meta) {
            let reached = self.reached_by(Some(meta));
            let before = std::mem::replace(&mut self.current, reached);
            let is_checkpoint = old.is_some_and(|o| o.checkpoint.seq < meta.checkpoint.seq);
            if is_checkpoint {
                self.previous = Some((before, meta.checkpoint.seq));
            }
        }
    }
}
