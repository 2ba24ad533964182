//! The medium of the log: packs batches into frames, writes them into segments, syncs the file.

use std::sync::{Arc, OnceLock};

use super::frame::{self, FRAME_ROOM_MIN, FrameHead, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX};
use super::group::{Batch, Medium, WriteOrder};
use super::layout::{
    ATOM_BYTES, SEGMENT_HEADER_BYTES, SegmentEnd, SegmentHeader, encode_segment_header, salt_of,
    segment_seq, slot_offset,
};
use super::open::no_space;
use super::pool::Pool;
use super::scan::Scan;
use super::{CheckpointRef, LogError, Lsn};
use crate::storage::live::Announcer;
use crate::storage::planted::{Bug, Planted};
use crate::storage::varint;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::vfs::{CUT_BYTES_MAX, Clock, VfsError, VfsFile, write_all_at};

/// A write goes out when this much of it has been put together.
const WRITE_BYTES: usize = 2 << 20;
/// Segments that are counted as needed, but not taken: reservations are for the worst case.
const SPARE_SEGMENTS: u64 = 2;

/// What does not change in one life of the log.
#[derive(Debug)]
pub(super) struct Setting {
    pub file: Arc<dyn VfsFile>,
    pub clock: Arc<dyn Clock>,
    pub uuid: [u8; 16],
    pub generation: u32,
    pub segment_bytes: u64,
    pub idle_segments: u64,
    /// Segments are given back only when they are in the archive.
    pub keeps: bool,
    pub planted: Planted,
}

/// Where the next frame goes.
#[derive(Debug)]
pub(super) struct Cursor {
    /// How many segments this life has started.
    started: u32,
    seq: u64,
    slot: u64,
    salt: u64,
    /// Behind the last frame, from the start of the segment.
    end: u64,
    /// Where the next frame begins: `end`, or the atom behind it.
    at: u64,
    chain: u32,
    /// The last transaction that ended.
    lsn: u64,
    /// What is to come of an open record.
    rest: u64,
    /// Put together and not yet written; it goes to `out_offset` in the file.
    out: Vec<u8>,
    out_offset: u64,
    /// Stands for the clock while records of an earlier life are written again.
    pub wall_ms: Option<u64>,
}

/// Which checkpoint frames name, and how much of that is written and synced.
#[derive(Clone, Copy, Debug, Default)]
struct Naming {
    noted: CheckpointRef,
    written: CheckpointRef,
    synced: CheckpointRef,
    written_seq: u64,
    synced_seq: u64,
    /// Where that segment's last frame ends.
    written_end: u64,
    synced_end: u64,
    /// `total_bytes` when the checkpoint was noted.
    noted_at_bytes: u64,
}

/// Which segments are in the archive.
#[derive(Clone, Copy, Debug, Default)]
struct Keeping {
    /// Segments are given back only when they are in it.
    is_on: bool,
    /// Those up to this one are in it, whole.
    seq: u64,
    /// The segment behind it that is in it in part, and up to where.
    part: (u64, u64),
    /// The last transaction in it.
    lsn: Lsn,
}

/// A part of the log that the archive is to have: a segment, up to the last frame that begins in the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Portion {
    pub seq: u64,
    pub slot: u64,
    /// Everything up to here is synced.
    pub end: u64,
    /// Nothing will be written behind it.
    pub is_closed: bool,
    /// The last transaction of the checkpoint.
    pub checkpoint: Lsn,
}

/// The file of a log that is being written.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) setting: Setting,
    pub(super) cursor: Mutex<Cursor>,
    pub(super) pool: Mutex<Pool>,
    naming: Mutex<Naming>,
    keeping: Mutex<Keeping>,
    /// Room in the segment being written, and number of free slots. Relaxed: the order in which they change makes
    /// their sum too small at worst.
    cursor_room: AtomicU64,
    pub(super) free_slots: AtomicU64,
    total_bytes: AtomicU64,
    /// The next sync is forgotten: only ever set by a planted bug. Relaxed: one thread at a time writes or syncs it.
    forgets_sync: AtomicU64,
    /// Who tells other processes how far the log is.
    announcer: OnceLock<Arc<Announcer>>,
}

/// A segment header's numbers that the caller of [`Disk::new`] decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub pred: SegmentEnd,
    pub first_lsn: u64,
    pub durable_lsn: u64,
    pub checkpoint: CheckpointRef,
}

impl Setting {
    pub(super) fn usable(&self) -> u64 {
        self.segment_bytes - SEGMENT_HEADER_BYTES
    }
}

impl Disk {
    /// A log that goes on in `slot` of `pool`. Returns the header of that segment, which is not yet written.
    pub fn new(setting: Setting, mut pool: Pool, slot: u64, opening: Opening) -> (Self, Vec<u8>) {
        let seq = segment_seq(setting.generation, 1);
        let header = SegmentHeader {
            flags: super::layout::FLAG_OPENING,
            seq,
            salt: salt_of(&setting.uuid, seq),
            first_lsn: opening.first_lsn,
            durable_lsn: opening.durable_lsn,
            checkpoint_seq: opening.checkpoint.seq,
            checkpoint_lsn: opening.checkpoint.lsn.0,
            pred: opening.pred,
            slot,
            rest: 0,
            chain_seed: 0,
        };
        let (bytes, header) = encode_segment_header(header, &setting.uuid);
        pool.start(seq, slot, header.first_lsn);
        let disk = Self {
            cursor: Mutex::new(Cursor {
                started: 1,
                seq,
                slot,
                salt: header.salt,
                end: SEGMENT_HEADER_BYTES,
                at: SEGMENT_HEADER_BYTES,
                chain: header.chain_seed,
                lsn: header.first_lsn - 1,
                rest: 0,
                out: Vec::new(),
                out_offset: 0,
                wall_ms: None,
            }),
            naming: Mutex::new(Naming {
                noted: opening.checkpoint,
                written: opening.checkpoint,
                synced: opening.checkpoint,
                written_seq: seq,
                written_end: SEGMENT_HEADER_BYTES,
                ..Naming::default()
            }),
            keeping: Mutex::new(Keeping {
                is_on: setting.keeps,
                ..Keeping::default()
            }),
            cursor_room: AtomicU64::new(setting.usable()),
            free_slots: AtomicU64::new(pool.free_slots()),
            total_bytes: AtomicU64::new(0),
            forgets_sync: AtomicU64::new(0),
            announcer: OnceLock::new(),
            pool: Mutex::new(pool),
            setting,
        };
        (disk, bytes)
    }

    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    pub fn bytes_since_checkpoint(&self) -> u64 {
        let noted_at = self.naming.lock().noted_at_bytes;
        self.total_bytes() - noted_at
    }

    pub fn live_bytes(&self) -> u64 {
        self.pool.lock().needed_segments() * self.setting.segment_bytes
    }

    pub fn waiting_bytes(&self) -> u64 {
        self.pool.lock().waiting_segments() * self.setting.segment_bytes
    }

    pub fn file_len(&self) -> u64 {
        slot_offset(self.pool.lock().slots(), self.setting.segment_bytes)
    }

    pub fn note_checkpoint(&self, checkpoint: CheckpointRef) {
        let mut naming = self.naming.lock();
        assert!(checkpoint.seq >= naming.noted.seq && checkpoint.lsn >= naming.noted.lsn);
        naming.noted = checkpoint;
        naming.noted_at_bytes = self.total_bytes();
    }

    pub fn is_noted_checkpoint_written(&self) -> bool {
        let naming = self.naming.lock();
        naming.written == naming.noted
    }

    pub fn synced_checkpoint(&self) -> CheckpointRef {
        self.naming.lock().synced
    }

    /// Makes sure of room for `bytes` more of records and of `reserve` beside them.
    pub fn ensure_room(&self, bytes: u64, reserve: u64) -> Result<(), LogError> {
        let need = self.worst_case(bytes).saturating_add(reserve);
        if self.room() >= need {
            return Ok(());
        }
        let mut pool = self.pool.lock();
        let room = self.room();
        if room >= need {
            return Ok(());
        }
        let slots = (need - room).div_ceil(self.setting.usable());
        self.grow(&mut pool, slots).map_err(no_space)
    }

    /// Room that only critical work may use: one segment.
    pub fn reserve_bytes(&self) -> u64 {
        self.setting.usable()
    }

    pub(super) fn room(&self) -> u64 {
        let free = self.free_slots.load(Ordering::Relaxed);
        self.cursor_room.load(Ordering::Relaxed) + free * self.setting.usable()
    }

    /// What `bytes` of records take in the file at most. They go out in three batches at most: what is
    /// being written, what waits and what is appended now. Each begins at a new atom, and each frame and each end of a segment costs a header's length.
    fn worst_case(&self, bytes: u64) -> u64 {
        let usable = self.setting.usable();
        let per_frame = (HEADER_BYTES_MAX + FRAME_ROOM_MIN) as u64;
        let payload = (PAYLOAD_BYTES_MAX as u64).min(usable - per_frame);
        let frames = bytes / payload + bytes / (usable - per_frame) + 4;
        bytes
            .saturating_add(frames * per_frame)
            .saturating_add(3 * ATOM_BYTES)
    }

    /// Adds slots at the end of the file.
    fn grow(&self, pool: &mut Pool, slots: u64) -> Result<(), VfsError> {
        let end = slot_offset(pool.slots(), self.setting.segment_bytes);
        let allocated = self
            .setting
            .file
            .allocate(end, slots * self.setting.segment_bytes);
        if let Err(error) = allocated {
            // A part may have been allocated. No slot reaches there, so giving it back is a courtesy to the disk; if
            // that fails too, the file is merely longer than its slots.
            if self.setting.file.set_len(end).is_err() {
                tracing::debug!("the log keeps a part of a failed allocation");
            }
            return Err(error);
        }
        pool.grow(slots);
        self.free_slots.store(pool.free_slots(), Ordering::Relaxed);
        Ok(())
    }

    /// Frees segments that hold nothing behind `up_to` and that no other process reads, and cuts a piece off the end of the
    /// file if it is not awaited.
    pub fn recycle(&self, up_to: Lsn) -> Result<(), LogError> {
        let naming = *self.naming.lock();
        let early = self.setting.planted.has(Bug::M05LogCutBeforeMetaSync);
        assert!(
            early || naming.synced.lsn >= up_to,
            "L8: no synced frame names a checkpoint of {up_to}"
        );
        let keeping = *self.keeping.lock();
        let forgets = self.setting.planted.has(Bug::M27ReusedBeforeArchived);
        let kept_seq = if keeping.is_on && !forgets {
            keeping.seq
        } else {
            u64::MAX
        };
        let mut pool = self.pool.lock();
        // Looked at under the lock of the pool: who takes a pin later finds every segment that is started by now.
        let readers = self.announcer.get().map(|announcer| announcer.held());
        let read_from = readers.and_then(|readers| readers.log_from());
        if read_from.is_none() {
            pool.free_all_but_live();
        }
        // The segment with the last transaction before what is read is where reading begins.
        let up_to = read_from.map_or(up_to.0, |from| up_to.0.min(from.0.saturating_sub(1)));
        let synced_seq = if early { u64::MAX } else { naming.synced_seq };
        pool.recycle(up_to, synced_seq, kept_seq);
        let awaited = pool.awaited_slots();
        drop(pool);
        // One piece at a time: who writes waits for it.
        self.cut(awaited + SPARE_SEGMENTS + self.setting.idle_segments)
            .map(|_| ())
    }

    /// Gives up free segments at the end of the file beyond that many.
    pub fn shorten(&self, idle: u64) -> Result<(), LogError> {
        while self.cut(idle)? {}
        Ok(())
    }

    /// The next marker moves the log towards the front of its file.
    fn is_high(&self, cursor: &Cursor) -> bool {
        cursor.slot > self.setting.idle_segments
            && self
                .pool
                .lock()
                .lowest_free()
                .is_some_and(|slot| slot < cursor.slot)
    }

    /// Gives up free segments at the end of the file beyond the idle bound: one piece of them. False: there were none.
    pub fn settle(&self) -> Result<bool, LogError> {
        self.cut(self.setting.idle_segments)
    }

    fn cut(&self, idle: u64) -> Result<bool, LogError> {
        let count_max = (CUT_BYTES_MAX / self.setting.segment_bytes).max(1);
        let mut pool = self.pool.lock();
        let count = pool.trim(idle, count_max);
        self.free_slots.store(pool.free_slots(), Ordering::Relaxed);
        if count == 0 {
            return Ok(false);
        }
        // The slots are given up first: whether or not the file is cut, nothing counts on them any more. The cut need
        // not be durable: what would come back are segments that precede the checkpoint.
        let end = slot_offset(pool.slots(), self.setting.segment_bytes);
        self.setting.file.set_len(end).map_err(LogError::Io)?;
        Ok(true)
    }

    /// From now on segments are given back when they are in the archive, or as soon as they are not needed.
    pub fn keep(&self, is_on: bool) {
        let mut keeping = self.keeping.lock();
        if keeping.is_on != is_on {
            *keeping = Keeping {
                is_on,
                ..Keeping::default()
            };
        }
    }

    /// Another archive begins, which has nothing yet.
    pub fn forget_kept(&self) {
        let mut keeping = self.keeping.lock();
        *keeping = Keeping {
            is_on: keeping.is_on,
            ..Keeping::default()
        };
    }

    /// The last transaction in the archive, and whether segments are kept for it at all.
    pub fn kept(&self) -> (bool, Lsn) {
        let keeping = self.keeping.lock();
        (keeping.is_on, keeping.lsn)
    }

    /// What the archive lacks of what the newest checkpoint holds, in order. All of it is synced, and the checkpoint proves
    /// that to every later scan, so no recovery writes a transaction of it again (L14).
    pub fn not_kept(&self) -> Vec<Portion> {
        let keeping = *self.keeping.lock();
        let naming = *self.naming.lock();
        let mut wanted = Vec::new();
        for segment in self.pool.lock().live() {
            let checkpoint = naming.synced.lsn;
            // What is behind the checkpoint may be lost and written again with other frames.
            if segment.first > checkpoint.0 || segment.seq > naming.synced_seq {
                break;
            }
            // The one in which the last sync ended may go on behind it.
            let is_closed = segment.seq < naming.synced_seq;
            let end = if is_closed {
                segment.end
            } else {
                naming.synced_end
            };
            let ends_there = is_closed && keeping.part == (segment.seq, end);
            if segment.seq > keeping.seq && (keeping.lsn < checkpoint || ends_there) {
                wanted.push(Portion {
                    seq: segment.seq,
                    slot: segment.slot,
                    end,
                    is_closed,
                    checkpoint,
                });
            }
        }
        wanted
    }

    /// The archive has `portion` up to `end`, where transaction `lsn` is the last one that has ended.
    pub fn note_kept(&self, portion: &Portion, end: u64, lsn: Lsn) {
        let mut keeping = self.keeping.lock();
        assert!(portion.seq > keeping.seq && end <= portion.end);
        if portion.is_closed && end == portion.end {
            keeping.seq = portion.seq;
        } else {
            keeping.part = (portion.seq, end);
        }
        keeping.lsn = keeping.lsn.max(lsn);
    }

    /// The bytes of a live segment.
    pub fn read(&self, slot: u64, image: &mut Vec<u8>) -> Result<(), LogError> {
        super::scan::read_segment(&*self.setting.file, slot, self.setting.segment_bytes, image)
    }

    /// Bytes of a segment.
    pub fn segment_bytes(&self) -> u64 {
        self.setting.segment_bytes
    }

    /// The bug that is switched on, if any.
    pub fn planted_bug(&self) -> Planted {
        self.setting.planted
    }

    /// Whose log it is.
    pub fn uuid(&self) -> &[u8; 16] {
        &self.setting.uuid
    }

    /// A planted bug: frames go on in the last segment of an earlier life, under its salt.
    pub fn go_on_in(&self, scan: &Scan) {
        let span = scan
            .spans
            .last()
            .expect("a scan that may be opened has a start");
        let mut pool = self.pool.lock();
        *pool = Pool::new(pool.slots(), &scan.spans);
        pool.reopen_last();
        let mut cursor = self.cursor.lock();
        cursor.seq = span.header.seq;
        cursor.slot = span.header.slot;
        cursor.salt = span.header.salt;
        cursor.end = scan.end.offset;
        cursor.at = scan.end.offset;
        cursor.chain = scan.end.chain;
        cursor.lsn = scan.end.lsn.0;
        self.cursor_room
            .store(self.setting.segment_bytes - cursor.at, Ordering::Relaxed);
    }

    /// The log as opened is durable: what is not part of it may be written over.
    pub fn free_unused(&self) {
        let mut pool = self.pool.lock();
        pool.free_all_but_live();
        self.free_slots.store(pool.free_slots(), Ordering::Relaxed);
    }

    /// From now on the announcer hears of every write.
    pub fn announce_by(&self, announcer: Arc<Announcer>) {
        let is_first = self.announcer.set(announcer).is_ok();
        assert!(is_first, "a log is announced by one");
    }

    /// Writes out what has been put together.
    fn flush(&self, cursor: &mut Cursor) -> Result<(), VfsError> {
        self.flush_padded(cursor, 0)
    }

    /// Writes out what ends a batch, and zeroes to the end of the atom: nobody waits for the rest of an atom to be read
    /// that a former segment left there.
    fn flush_atoms(&self, cursor: &mut Cursor) -> Result<(), VfsError> {
        let end = cursor.out_offset + cursor.out.len() as u64;
        self.flush_padded(cursor, end.next_multiple_of(ATOM_BYTES) - end)
    }

    /// Writes out what has been put together and zeroes, which do not count.
    fn flush_padded(&self, cursor: &mut Cursor, zeroes: u64) -> Result<(), VfsError> {
        let written = cursor.out.len();
        if written == 0 {
            return Ok(());
        }
        cursor.out.resize(written + zeroes as usize, 0);
        if self.setting.planted.has(Bug::M14ShortWriteTakenAsWhole) {
            self.setting.file.write_at(&cursor.out, cursor.out_offset)?;
        } else {
            write_all_at(&*self.setting.file, &cursor.out, cursor.out_offset)?;
        }
        self.total_bytes
            .fetch_add(written as u64, Ordering::Relaxed);
        cursor.out.clear();
        Ok(())
    }

    /// Ends the segment and goes on in the lowest free slot.
    fn switch(&self, cursor: &mut Cursor, order: WriteOrder) -> Result<(), VfsError> {
        self.flush(cursor)?;
        if self
            .setting
            .planted
            .has(Bug::M22DirtyFlagLostAtSegmentSwitch)
        {
            self.forgets_sync.store(1, Ordering::Relaxed);
        }
        let checkpoint = self.naming.lock().noted;
        let mut pool = self.pool.lock();
        if pool.lowest_free().is_none() {
            self.grow(&mut pool, 1)?;
        }
        let slot = pool.lowest_free().expect("the pool has just grown");
        cursor.started += 1;
        let seq = segment_seq(self.setting.generation, cursor.started);
        let header = SegmentHeader {
            flags: 0,
            seq,
            salt: salt_of(&self.setting.uuid, seq),
            first_lsn: cursor.lsn + 1,
            durable_lsn: order.durable.0,
            checkpoint_seq: checkpoint.seq,
            checkpoint_lsn: checkpoint.lsn.0,
            pred: SegmentEnd {
                seq: cursor.seq,
                offset: cursor.end,
                lsn: cursor.lsn,
                chain: cursor.chain,
            },
            slot,
            rest: cursor.rest,
            chain_seed: 0,
        };
        let (bytes, header) = encode_segment_header(header, &self.setting.uuid);
        let holds = cursor.lsn + u64::from(cursor.rest > 0);
        pool.close(holds, cursor.end);
        pool.start(seq, slot, header.first_lsn);
        self.free_slots.store(pool.free_slots(), Ordering::Relaxed);
        drop(pool);
        cursor.out = bytes;
        cursor.out_offset = slot_offset(slot, self.setting.segment_bytes);
        cursor.seq = seq;
        cursor.slot = slot;
        cursor.salt = header.salt;
        cursor.chain = header.chain_seed;
        cursor.end = SEGMENT_HEADER_BYTES;
        cursor.at = SEGMENT_HEADER_BYTES;
        Ok(())
    }

    /// Puts one frame with `payload` behind the cursor.
    fn put_frame(&self, cursor: &mut Cursor, payload: &[u8], ended: u64, rest: u64, head: Context) {
        if cursor.out.is_empty() {
            cursor.out_offset = slot_offset(cursor.slot, self.setting.segment_bytes) + cursor.at;
        }
        let before = cursor.out.len();
        let head = FrameHead {
            chain: cursor.chain,
            first_lsn: cursor.lsn + 1,
            ended,
            durable_lsn: head.durable.0,
            checkpoint: head.checkpoint,
            wall_ms: head.wall_ms,
            starts_inside: cursor.rest > 0,
            ends_inside: rest > 0,
        };
        cursor.chain = frame::encode(&mut cursor.out, cursor.salt, &head, payload);
        cursor.at += (cursor.out.len() - before) as u64;
        cursor.end = cursor.at;
        cursor.lsn += ended;
        cursor.rest = rest;
        assert!(cursor.at <= self.setting.segment_bytes);
    }

    fn pack(
        &self,
        cursor: &mut Cursor,
        batch: &Batch,
        order: WriteOrder,
        head: Context,
    ) -> Result<(), VfsError> {
        let mut records = Records::new(batch);
        loop {
            let room = self.setting.segment_bytes - cursor.at;
            if room < FRAME_ROOM_MIN as u64 {
                self.switch(cursor, order)?;
                continue;
            }
            let payload_max = (room as usize - HEADER_BYTES_MAX).min(PAYLOAD_BYTES_MAX);
            let (payload, ended, rest) = records.take(payload_max);
            self.put_frame(cursor, payload, ended, rest, head);
            if cursor.out.len() >= WRITE_BYTES {
                self.flush(cursor)?;
            }
            if records.is_done() {
                break;
            }
        }
        self.flush_atoms(cursor)
    }
}

/// What the frames of one batch say alike.
#[derive(Clone, Copy, Debug)]
struct Context {
    durable: Lsn,
    checkpoint: CheckpointRef,
    wall_ms: u64,
}

/// Cuts a batch into payloads.
struct Records<'a> {
    batch: &'a Batch,
    at: usize,
    /// How many records end at or before `at`.
    ended: usize,
}

impl<'a> Records<'a> {
    fn new(batch: &'a Batch) -> Self {
        assert_eq!(
            batch.ends.last().copied().unwrap_or(0),
            batch.stream.len() as u64
        );
        Self {
            batch,
            at: 0,
            ended: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.at == self.batch.stream.len()
    }

    /// At most `max` bytes: them, how many records end in them, and how much of the last one is still to come. The
    /// length of a record is never cut in two.
    fn take(&mut self, max: usize) -> (&'a [u8], u64, u64) {
        let ends = &self.batch.ends;
        let stream = &self.batch.stream;
        let mut end = stream.len().min(self.at + max);
        let ended = self.ended + ends[self.ended..].partition_point(|e| *e <= end as u64);
        let mut rest = 0;
        if end < stream.len() {
            let start = ended.checked_sub(1).map_or(0, |i| ends[i] as usize);
            let length_bytes = varint::get(&stream[start..]).map_or(0, |(_, len)| len);
            if end < start + length_bytes {
                end = start;
            } else if end > start {
                rest = ends[ended] - end as u64;
            }
        }
        assert!(end > self.at || stream.is_empty());
        let payload = &stream[self.at..end];
        let newly = (ended - self.ended) as u64;
        self.at = end;
        self.ended = ended;
        (payload, newly, rest)
    }
}

impl Medium for Disk {
    fn planted(&self) -> Planted {
        self.setting.planted
    }

    fn write(&self, batch: &Batch, order: WriteOrder) -> Result<(), VfsError> {
        let mut guard = self.cursor.lock();
        let cursor = &mut *guard;
        assert_eq!(cursor.lsn, order.after.0);
        assert!(cursor.rest == 0 && cursor.out.is_empty());
        if order.aligned {
            cursor.at = cursor.at.next_multiple_of(ATOM_BYTES);
        }
        let checkpoint = self.naming.lock().noted;
        let head = Context {
            durable: order.durable,
            checkpoint,
            wall_ms: cursor
                .wall_ms
                .unwrap_or_else(|| self.setting.clock.wall_ms()),
        };
        if batch.stream.is_empty() && self.is_high(cursor) {
            // An idle log moves to the front of its file, so that the rest can be cut off.
            self.switch(cursor, order)?;
        }
        self.pack(cursor, batch, order, head)?;
        self.cursor_room
            .store(self.setting.segment_bytes - cursor.at, Ordering::Relaxed);
        let mut naming = self.naming.lock();
        naming.written = checkpoint;
        naming.written_seq = cursor.seq;
        naming.written_end = cursor.end;
        if let Some(announcer) = self.announcer.get() {
            announcer.publish(Lsn(cursor.lsn));
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), VfsError> {
        let before = *self.naming.lock();
        if self.forgets_sync.swap(0, Ordering::Relaxed) == 0 {
            self.setting.file.sync_data()?;
        }
        let mut naming = self.naming.lock();
        naming.synced = before.written;
        naming.synced_seq = before.written_seq;
        naming.synced_end = before.written_end;
        Ok(())
    }
}
