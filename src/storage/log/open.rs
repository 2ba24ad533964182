//! The log as threads share it: creating one, opening one after a scan, and what can be done with it.

use std::path::Path;
use std::sync::Arc;

use super::ahead::Fill;
use super::archive::{self, ArchiveError, Archived};
use super::disk::{Disk, Opening, Setting};
use super::frame::{LENGTH_BYTES_MAX, RECORD_BYTES_MAX};
use super::group::GroupCommit;
use super::layout::{
    ATOM_BYTES, FILE_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentEnd, encode_file_header,
    encode_segment_header, slot_offset,
};
use super::pool::Pool;
use super::replay::{ReplayError, older_part, replay, synced_part};
use super::scan::{Position, Scan, Span, Verdict};
use super::{CheckpointRef, LogError, LogParams, Lsn};
use crate::storage::live::Announcer;
use crate::storage::planted::Bug;
use crate::storage::replace::settle_copies;
use crate::storage::varint;
use crate::vfs::{Clock, OpenMode, Vfs, VfsFile, folder_of, write_all_at};

/// A new log has this many segments: one to write and one in reserve.
const SEGMENTS_AT_FIRST: u64 = 2;
/// Records of an earlier life are written again in batches of about this size.
const COPY_BYTES: u64 = 1 << 20;

/// A log that takes transactions. All threads share it.
#[derive(Debug)]
pub struct Log {
    group: GroupCommit<Disk>,
}

impl Log {
    /// Creates the log file at `path` for a database whose checkpoint is `checkpoint`, replacing whatever is there;
    /// file and name are durable when this returns. The next transaction is the one after `checkpoint.lsn`.
    pub fn create(
        vfs: &dyn Vfs,
        path: &Path,
        clock: Arc<dyn Clock>,
        params: LogParams,
        checkpoint: CheckpointRef,
    ) -> Result<Self, LogError> {
        check_params(&params);
        let file = vfs.open(path, OpenMode::Create).map_err(LogError::Io)?;
        file.set_len(0).map_err(LogError::Io)?;
        let len = slot_offset(SEGMENTS_AT_FIRST, params.segment_bytes);
        file.allocate(0, len).map_err(no_space)?;
        let header = encode_file_header(&params.uuid, params.segment_bytes);
        write_all_at(&*file, &header, 0).map_err(LogError::Io)?;
        let setting = setting(Arc::clone(&file), clock, &params, params.segment_bytes);
        let opening = Opening {
            pred: SegmentEnd {
                lsn: checkpoint.lsn.0,
                ..SegmentEnd::default()
            },
            first_lsn: checkpoint.lsn.0 + 1,
            durable_lsn: checkpoint.lsn.0,
            checkpoint,
        };
        let pool = Pool::new(SEGMENTS_AT_FIRST, &[]);
        let (disk, header) = Disk::new(setting, pool, 0, opening);
        write_all_at(&*file, &header, FILE_HEADER_BYTES).map_err(LogError::Io)?;
        let log = Self {
            group: GroupCommit::new(disk, checkpoint.lsn),
        };
        log.sync_opening()?;
        if !params.planted.has(Bug::M06NoDirSyncAtCreate) {
            let dir = folder_of(path);
            vfs.sync_dir(dir).map_err(LogError::Io)?;
        }
        Ok(log)
    }

    /// Opens the log that `scan` has read, to go on behind its end. What the scan accepted is durable when this
    /// returns, and what it did not accept will not come back. Calling it on a damaged log accepts the loss.
    ///
    /// The steps, each with its reason:
    /// 1. Sync: what was read may so far be in the kernel's memory only.
    /// 2. The newest opening header, if nothing but itself proves it, is written again where it stands: where an
    ///    earlier sync failed, the kernel may show bytes that it will never write, and no later sync says so.
    /// 3. For the same reason transactions that nothing proves to be synced are written again, into new segments.
    /// 4. Sync, twice ([`crate::vfs::sync_twice`]), so that they are durable before anything leads to them.
    /// 5. The header of the first new segment, which names the end of its predecessor, and two syncs. From here on, and
    ///    not before, the new segments are the log. A crash before this leaves the old log as it was.
    ///
    /// # Panics
    /// If `params.generation` is not greater than every generation in the file.
    pub fn open_after(
        file: Arc<dyn VfsFile>,
        clock: Arc<dyn Clock>,
        params: LogParams,
        scan: &Scan,
    ) -> Result<Self, LogError> {
        check_params(&params);
        match scan.verdict {
            Verdict::Clean | Verdict::TornTail { .. } | Verdict::Damaged { .. } => {}
            Verdict::Missing { .. } => return Err(LogError::NotUsable("transactions are missing")),
            Verdict::Foreign { .. } => {
                return Err(LogError::NotUsable("it belongs to something else"));
            }
            Verdict::Unstarted => return Err(LogError::NotUsable("it was never created")),
        }
        let has = |bug| params.planted.has(bug);
        assert!(
            params.generation > scan.generation_max || has(Bug::M08SaltUnchanged),
            "L3"
        );
        if !has(Bug::M17RecoveryDoesNotSync) {
            file.sync_data().map_err(LogError::Io)?;
            if let Some(opening) = scan.unproved_opening {
                // While it is not durable no life has built on it, and the log before it is whole.
                let (copies, _) = encode_segment_header(opening, &params.uuid);
                let start = slot_offset(opening.slot, scan.segment_bytes);
                settle_copies(&*file, &copies[..ATOM_BYTES as usize], start)
                    .map_err(LogError::Io)?;
            }
        }
        let (mut spans, mut end) = synced_part(&*file, scan)?;
        if has(Bug::M17RecoveryDoesNotSync) || has(Bug::M19TailNotErased) {
            (spans, end) = (scan.spans.clone(), scan.end);
        }
        let copies = end.lsn < scan.end.lsn;
        let before = if copies {
            end.lsn.max(scan.from.lsn)
        } else {
            scan.resume_lsn
        };
        let first_lsn = before.0 + 1;
        let opening = Opening {
            pred: predecessor(&mut spans, end),
            first_lsn,
            durable_lsn: (first_lsn - 1).max(scan.end.lsn.0),
            checkpoint: scan.newest_checkpoint.max(scan.from),
        };
        let setting = setting(Arc::clone(&file), clock, &params, scan.segment_bytes);
        if params.keeps {
            spans.splice(..0, older_part(&*file, scan)?);
        }
        let (pool, slot) = choose_slots(&setting, scan, &spans, params.keeps_slots)?;
        let header_offset = slot_offset(slot, scan.segment_bytes);
        let (disk, header) = Disk::new(setting, pool, slot, opening);
        let log = Self {
            group: GroupCommit::new(disk, Lsn(first_lsn - 1)),
        };
        if has(Bug::M19TailNotErased) {
            log.group.medium().go_on_in(scan);
            log.group.medium().free_unused();
            return Ok(log);
        }
        if copies {
            log.copy_unproved(&*file, scan, end.lsn)?;
            if !has(Bug::M42CopiesSyncedOnce) {
                log.sync_medium()?;
            }
        }
        write_all_at(&*file, &header, header_offset).map_err(LogError::Io)?;
        if has(Bug::M43OpeningSyncedOnce) {
            log.sync_medium()?;
        } else if !has(Bug::M17RecoveryDoesNotSync) {
            log.sync_opening()?;
        }
        if !params.keeps_slots {
            log.group.medium().free_unused();
        }
        Ok(log)
    }

    /// From now on others hear how far the log is.
    pub fn announce_by(&self, announcer: Arc<Announcer>) {
        self.group.medium().announce_by(announcer);
    }

    /// Writes the transactions after `after` again, with the wall times they had, and syncs them.
    fn copy_unproved(&self, file: &dyn VfsFile, scan: &Scan, after: Lsn) -> Result<(), LogError> {
        let disk = self.group.medium();
        let mut wall = None;
        let copied = replay(
            file,
            scan,
            after.max(scan.from.lsn),
            |lsn, wall_ms, record| {
                let is_full = self.group.unwritten_bytes() >= COPY_BYTES;
                if is_full || wall.is_some_and(|w| w != wall_ms) {
                    self.group.write_to(self.group.last())?;
                }
                wall = Some(wall_ms);
                disk.cursor.lock().wall_ms = wall;
                self.reserve(record.len() as u64, true)?;
                let copy = self.append(&[record]);
                assert_eq!(copy, lsn, "a copy keeps its number");
                Ok(())
            },
        );
        match copied {
            Ok(()) => {}
            Err(ReplayError::Log(error) | ReplayError::Apply(error)) => return Err(error),
        }
        self.group.sync_to(self.group.last())?;
        disk.cursor.lock().wall_ms = None;
        assert_eq!(self.group.synced(), scan.end.lsn);
        Ok(())
    }

    /// Syncs the header with which this life begins.
    fn sync_opening(&self) -> Result<(), LogError> {
        self.sync_medium()?;
        self.sync_medium()
    }

    /// Syncs what has been written, and hears of what the sync before has lost without saying so.
    fn sync_medium(&self) -> Result<(), LogError> {
        use super::group::Medium;
        self.group.medium().sync().map_err(LogError::Io)
    }

    /// Makes sure that what is pending and a record of `bytes` fit into preallocated segments. A segment is kept for
    /// `critical` work (deletes, checkpoints, shutdown), which alone may use it up. No lock of the writer is taken and
    /// normally no system call made. `NoSpace` leaves everything as it was.
    pub fn reserve(&self, bytes: u64, critical: bool) -> Result<(), LogError> {
        if let Some(refusal) = self.group.refusal() {
            return Err(refusal);
        }
        let disk = self.group.medium();
        let reserve = if critical { 0 } else { disk.reserve_bytes() };
        let pending = self.group.unwritten_bytes();
        let bytes = bytes.saturating_add(pending + LENGTH_BYTES_MAX as u64);
        disk.ensure_room(bytes, reserve)
    }

    /// Queues a transaction, given in pieces; returns its number. Room must have been reserved. Makes no system call.
    ///
    /// # Panics
    /// If the record is longer than 2^40 bytes.
    pub fn append(&self, record: &[&[u8]]) -> Lsn {
        let len: u64 = record.iter().map(|piece| piece.len() as u64).sum();
        assert!(len <= RECORD_BYTES_MAX);
        self.group.append(|out| {
            out.reserve(len as usize + LENGTH_BYTES_MAX);
            varint::put(out, len);
            for piece in record {
                out.extend_from_slice(piece);
            }
        })
    }

    /// The last transaction appended.
    pub fn last_lsn(&self) -> Lsn {
        self.group.last()
    }

    /// The last transaction that the kernel has: a kill of the process does not lose it.
    pub fn written_lsn(&self) -> Lsn {
        self.group.written()
    }

    /// The last transaction on the medium: a power cut does not lose it.
    pub fn synced_lsn(&self) -> Lsn {
        self.group.synced()
    }

    /// Returns once the kernel has every transaction up to `lsn`. Those who call while another writes wait for it.
    /// Succeeds for what was written before a poisoning, for it still is.
    pub fn write_to(&self, lsn: Lsn) -> Result<(), LogError> {
        self.group.write_to(lsn)
    }

    /// Returns once a sync that started after `lsn` was written has succeeded. All who wait share one sync, and
    /// appending and writing go on beside it.
    pub fn sync_to(&self, lsn: Lsn) -> Result<(), LogError> {
        self.group.sync_to(lsn)
    }

    /// From now on frames name this checkpoint, whose meta slot is synced.
    pub fn note_checkpoint(&self, checkpoint: CheckpointRef) {
        assert!(checkpoint.lsn <= self.synced_lsn(), "L7");
        self.group.medium().note_checkpoint(checkpoint);
    }

    /// Writes a frame that names the noted checkpoint, unless one has been written. It may use the reserve.
    pub fn write_marker(&self) -> Result<(), LogError> {
        if self.group.medium().is_noted_checkpoint_written() {
            return Ok(());
        }
        self.reserve(0, true)?;
        self.group.write_marker()
    }

    /// Syncs everything written so far, markers included.
    pub fn sync_written(&self) -> Result<(), LogError> {
        self.group.sync_written()
    }

    /// The newest checkpoint that a synced frame or header names.
    pub fn synced_checkpoint(&self) -> CheckpointRef {
        self.group.medium().synced_checkpoint()
    }

    /// Frees the segments that hold nothing behind `up_to`, and shortens the file by a piece if more is free than the idle
    /// bound and than was needed before one of the last eight checkpoints: who writes waits for a cut, and then for the file to
    /// grow.
    /// An error leaves the log usable: the file is longer than it need be.
    ///
    /// # Panics
    /// If no synced frame names a checkpoint that holds everything up to `up_to`.
    pub fn recycle(&self, up_to: Lsn) -> Result<(), LogError> {
        if let Some(refusal) = self.group.refusal() {
            return Err(refusal);
        }
        self.group.medium().recycle(up_to)
    }

    /// Shortens the file to what [`Log::recycle`] leaves at least, whatever was needed before: nobody writes, or the disk is
    /// full. Only free segments behind all others go. Cuts one piece of [`crate::vfs::CUT_BYTES_MAX`] at most; false: there was
    /// nothing to cut. An error leaves the log usable.
    pub fn settle(&self) -> Result<bool, LogError> {
        if let Some(refusal) = self.group.refusal() {
            return Err(refusal);
        }
        self.group.medium().settle()
    }

    /// Sees to it that `bytes` can be reserved beside what is kept for critical work, so that nobody who commits waits
    /// for the file to grow; adds [`crate::vfs::CUT_BYTES_MAX`] at most. `pause` is called after each write of zeroes. One
    /// thread at a time calls this. An error leaves the log as it was.
    pub fn grow_ahead(
        &self,
        bytes: u64,
        fill: Fill,
        pause: &mut dyn FnMut(),
    ) -> Result<(), LogError> {
        if let Some(refusal) = self.group.refusal() {
            return Err(refusal);
        }
        let disk = self.group.medium();
        disk.grow_ahead(bytes.saturating_add(disk.reserve_bytes()), fill, pause)
    }

    /// Gives back the free segments at the end of the file but one, when nothing in the log is needed: whoever opens it
    /// next reads all of it. An error leaves the log usable: the file is longer than it need be.
    pub fn shorten(&self) -> Result<(), LogError> {
        self.group.medium().shorten(SEGMENTS_AT_FIRST - 1)
    }

    /// From now on [`Log::recycle`] gives back only what [`Log::archive`] has copied, or everything that is not needed.
    pub fn keep_segments(&self, is_on: bool) {
        self.group.medium().keep(is_on);
    }

    /// Another folder becomes the archive: what was copied counts for nothing.
    pub fn begin_archive(&self) {
        self.group.medium().forget_kept();
    }

    /// Whether segments are kept for an archive.
    pub fn keeps_segments(&self) -> bool {
        self.group.medium().kept().0
    }

    /// The last transaction that has been seen in the archive. None: nothing is kept for one.
    pub fn archived_lsn(&self) -> Option<Lsn> {
        let (is_on, lsn) = self.group.medium().kept();
        is_on.then_some(lsn)
    }

    /// Whether the archive has everything that the newest synced checkpoint holds, or there is none.
    pub fn is_archived(&self) -> bool {
        let disk = self.group.medium();
        !disk.kept().0 || disk.not_kept().is_empty()
    }

    /// Copies to the folder `dir` what it lacks of what the newest synced checkpoint holds, in order, each segment whole or
    /// not at all; all of it is durable when this returns. Called by one thread at a time. After an error what was copied
    /// before it counts.
    pub fn archive(&self, vfs: &dyn Vfs, dir: &Path) -> Result<Archived, ArchiveError> {
        archive::copy(self.group.medium(), vfs, dir)
    }

    /// Whether a write or sync has failed in this life.
    pub fn is_poisoned(&self) -> bool {
        self.group.is_poisoned()
    }

    /// The error that poisoned the log, if one did.
    pub fn poison(&self) -> Option<LogError> {
        self.group.refusal()
    }

    /// Bytes of records that are committed and not written yet.
    pub fn unwritten_bytes(&self) -> u64 {
        self.group.unwritten_bytes()
    }

    /// Bytes written in this life, headers of segments included.
    pub fn total_bytes_written(&self) -> u64 {
        self.group.medium().total_bytes()
    }

    /// Bytes written since the last checkpoint was noted.
    pub fn bytes_since_checkpoint(&self) -> u64 {
        self.group.medium().bytes_since_checkpoint()
    }

    /// Bytes of the segments that the log needs, whole segments counted. What a checkpoint would free, and therefore
    /// what should trigger one.
    pub fn live_bytes(&self) -> u64 {
        self.group.medium().live_bytes()
    }

    /// Bytes of the segments that nothing but the archive needs.
    pub fn waiting_bytes(&self) -> u64 {
        self.group.medium().waiting_bytes()
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.group.medium().file_len()
    }
}

fn check_params(params: &LogParams) {
    assert!(super::layout::is_segment_size(params.segment_bytes));
    assert!(params.generation >= 1 && params.idle_segments >= 1);
}

/// A full disk is told from other errors.
pub(super) fn no_space(error: crate::vfs::VfsError) -> LogError {
    match error.kind {
        crate::vfs::VfsErrorKind::NoSpace => LogError::NoSpace(error),
        _ => LogError::Io(error),
    }
}

fn setting(
    file: Arc<dyn VfsFile>,
    clock: Arc<dyn Clock>,
    params: &LogParams,
    segment_bytes: u64,
) -> Setting {
    Setting {
        file,
        clock,
        uuid: params.uuid,
        generation: params.generation,
        segment_bytes,
        idle_segments: u64::from(params.idle_segments),
        keeps: params.keeps,
        planted: params.planted,
    }
}

/// What the new segment names as its predecessor's end. A last segment without frames is left out and its own
/// predecessor named, so that opening again and again does not lengthen the log.
fn predecessor(spans: &mut Vec<Span>, end: Position) -> SegmentEnd {
    let last = spans.last().expect("a scan that may be opened has a start");
    if last.end == SEGMENT_HEADER_BYTES {
        let pred = last.header.pred;
        spans.pop();
        return pred;
    }
    SegmentEnd {
        seq: end.segment,
        offset: end.offset,
        lsn: end.lsn.0,
        chain: end.chain,
    }
}

/// The slot for the new segment, and the pool with what may be written to before the new header is durable: slots
/// whose content is of no use to a second scan. A full disk may use what lies behind a torn tail, too.
fn choose_slots(
    setting: &Setting,
    scan: &Scan,
    spans: &[Span],
    keeps_all: bool,
) -> Result<(Pool, u64), LogError> {
    let slots = scan.stats.slots;
    // Reading began in the first span because its header was there: if that is lost, it begins in the one before.
    let read = || scan.older.last().into_iter().chain(&scan.spans);
    let in_use = |slot: u64| read().any(|s| s.header.slot == slot);
    let first_seq = scan.spans.first().map_or(0, |s| s.header.seq);
    let is_behind = |slot: u64| scan.live_seqs[slot as usize].is_some_and(|seq| seq > first_seq);
    let mut withheld: Vec<u64> = (0..slots)
        .filter(|s| keeps_all || in_use(*s) || is_behind(*s))
        .collect();
    let mut pool = Pool::new(slots, spans);
    pool.withhold(&withheld);
    if pool.lowest_free().is_none() {
        let end = slot_offset(slots, setting.segment_bytes);
        match setting.file.allocate(end, setting.segment_bytes) {
            Ok(()) => pool.grow(1),
            Err(error) if matches!(scan.verdict, Verdict::Damaged { .. }) => {
                return Err(no_space(error));
            }
            Err(error) => {
                withheld.retain(|slot| in_use(*slot));
                pool = Pool::new(slots, spans);
                pool.withhold(&withheld);
                if pool.lowest_free().is_none() {
                    return Err(no_space(error));
                }
            }
        }
    }
    let slot = pool.lowest_free().expect("one was found or made");
    Ok((pool, slot))
}
