//! Properties of the log on a disk that forgets, tears, fails and fills up.

mod archive;
mod crash;
mod disk;
mod failure;
mod rot;
mod segments;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::vfs::{Clock, VfsFile};
use disk::{Disk, Loss};

const UUID: [u8; 16] = *b"0123456789abcdef";
const SEGMENT: u64 = SEGMENT_BYTES_MIN;

#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn wall_ms(&self) -> u64 {
        1_700_000_000_123
    }

    fn wall_us(&self) -> u64 {
        self.wall_ms() * 1000
    }

    fn mono_us(&self) -> u64 {
        0
    }
}

fn params(generation: u32) -> LogParams {
    LogParams {
        segment_bytes: SEGMENT,
        idle_segments: 2,
        ..LogParams::new(UUID, generation)
    }
}

fn create(disk: &Disk) -> Log {
    try_create(disk).expect("no fault is injected")
}

fn try_create(disk: &Disk) -> Result<Log, LogError> {
    let none = CheckpointRef::default();
    Log::create(
        disk,
        Path::new("log"),
        Arc::new(StoppedClock),
        params(1),
        none,
    )
}

fn scan_all(disk: &Disk) -> Scan {
    scan(disk, &UUID, CheckpointRef::default(), Lsn(0)).expect("no fault is injected")
}

fn open(disk: &Disk, scan: &Scan) -> Result<Log, LogError> {
    let generation = scan.generation_max + 1;
    let file: Arc<dyn VfsFile> = Arc::new(disk.clone());
    Log::open_after(file, Arc::new(StoppedClock), params(generation), scan)
}

/// The numbers and bytes of the transactions that a scan accepted.
fn replayed(disk: &Disk, scan: &Scan) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    let outcome = replay(disk, scan, scan.from.lsn, |lsn, wall_ms, record| {
        assert_eq!(wall_ms, StoppedClock.wall_ms());
        all.push((lsn.0, record.to_vec()));
        Ok::<(), Infallible>(())
    });
    outcome.expect("what a scan accepted can be read");
    all
}

fn put(log: &Log, record: &[u8]) -> Lsn {
    log.reserve(record.len() as u64, false)
        .expect("the disk has room");
    log.append(&[record])
}

/// A record that no other transaction has.
fn record(lsn: u64, generation: u32, len: usize) -> Vec<u8> {
    let mut bytes = format!("{lsn}/{generation}:").into_bytes();
    let mut rng = fastrand::Rng::with_seed(lsn << 32 | u64::from(generation));
    bytes.resize_with(bytes.len() + len, || rng.u8(..));
    bytes
}

/// What a run of the log has promised, over all lives.
#[derive(Clone, Debug, Default)]
struct World {
    /// Transactions in order; the first has number 1.
    history: Vec<Vec<u8>>,
    /// Up to here nothing may be lost in a power cut.
    synced: u64,
    /// Up to here nothing may be lost when the process is killed.
    written: u64,
    checkpoint: CheckpointRef,
    generation: u32,
    /// Segments are given back when the archive has them.
    keeps: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Append(usize),
    Write,
    Sync,
    Checkpoint,
}

impl World {
    fn run(&mut self, log: &Log, actions: &[Action]) -> Result<(), LogError> {
        for action in actions {
            self.step(log, *action)?;
        }
        Ok(())
    }

    fn step(&mut self, log: &Log, action: Action) -> Result<(), LogError> {
        match action {
            Action::Append(len) => {
                let lsn = self.history.len() as u64 + 1;
                let record = record(lsn, self.generation, len);
                log.reserve(record.len() as u64, false)?;
                let (head, tail) = record.split_at(record.len() / 3);
                assert_eq!(log.append(&[head, tail]), Lsn(lsn));
                self.history.push(record);
            }
            Action::Write => {
                log.write_to(log.last_lsn())?;
                self.written = log.written_lsn().0;
            }
            Action::Sync => {
                log.sync_to(log.last_lsn())?;
                self.written = log.written_lsn().0;
                self.synced = log.synced_lsn().0;
            }
            Action::Checkpoint => {
                self.step(log, Action::Sync)?;
                self.checkpoint = CheckpointRef {
                    seq: self.checkpoint.seq + 1,
                    lsn: Lsn(self.synced),
                };
                log.note_checkpoint(self.checkpoint);
                log.write_marker()?;
                log.sync_written()?;
                assert_eq!(log.synced_checkpoint(), self.checkpoint);
                log.recycle(self.checkpoint.lsn)?;
            }
        }
        Ok(())
    }

    /// Scans, checks that what is there is a prefix that keeps the promise, and forgets what is not there.
    fn check(&mut self, disk: &Disk, at_least: u64) -> Scan {
        let scan = scan(disk, &UUID, self.checkpoint, Lsn(0)).expect("no read fails");
        if matches!(scan.verdict, Verdict::Unstarted) {
            assert_eq!(at_least, 0, "the creation had ended");
            self.history.clear();
            return scan;
        }
        assert!(
            matches!(scan.verdict, Verdict::Clean | Verdict::TornTail { .. }),
            "a crash is not damage: {:?}",
            scan.verdict
        );
        let all = replayed(disk, &scan);
        for (i, (lsn, bytes)) in all.iter().enumerate() {
            assert_eq!(*lsn, self.checkpoint.lsn.0 + 1 + i as u64);
            assert!(
                self.history[*lsn as usize - 1] == *bytes,
                "transaction {lsn}"
            );
        }
        let last = self.checkpoint.lsn.0 + all.len() as u64;
        assert_eq!(scan.resume_lsn, Lsn(last));
        assert!(
            last >= at_least,
            "{at_least} were promised, {last} are there"
        );
        assert!(scan.newest_checkpoint <= self.checkpoint);
        self.history.truncate(last as usize);
        scan
    }

    /// Opens the log after `check`; what it showed is promised from now on.
    fn open(&mut self, disk: &Disk, scan: &Scan) -> Result<Log, LogError> {
        self.generation = self.generation.max(scan.generation_max) + 1;
        let params = LogParams {
            keeps: self.keeps,
            ..params(self.generation)
        };
        let log = if matches!(scan.verdict, Verdict::Unstarted) {
            Log::create(
                disk,
                Path::new("log"),
                Arc::new(StoppedClock),
                params,
                self.checkpoint,
            )?
        } else {
            let file: Arc<dyn VfsFile> = Arc::new(disk.clone());
            Log::open_after(file, Arc::new(StoppedClock), params, scan)?
        };
        self.synced = self.history.len() as u64;
        self.written = self.synced;
        assert_eq!(log.last_lsn(), Lsn(self.synced));
        assert_eq!(log.synced_lsn(), Lsn(self.synced));
        Ok(log)
    }
}
