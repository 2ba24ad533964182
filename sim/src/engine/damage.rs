//! Damage to the medium of a closed database: bit rot, zeroes, garbage, misdirected, swapped and lost writes at
//! every place of both files (F36 to F42, F58). What is read is right, or an error says that it cannot be.

use std::path::Path;

use redkeep::storage::Plan;
use redkeep::storage::log::inspect;
use redkeep::storage::pager::META_REGION_BYTES;
use redkeep::storage::planted::Planted;

use super::exhaust::{drop_all, unpanicked};
use super::life::{self, Act, DATA, History, LOG, Life, Script, Shape, Stop, run_script};
use super::model::Step;
use crate::disk::{Damage, Disk, DiskProfile, Setup, SimVfs};
use crate::explore::Broken;
use crate::seed::Seed;

/// Bytes that are damaged together.
const ATOM: u64 = 512;
/// Bytes of a value whose record is several frames of the greatest length.
const LONG_BYTES: usize = 4 << 20;

/// What became of the damaged databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Opened and read whole: the damage was repaired, or hit nothing that is used.
    pub survived: u64,
    /// Opened, and reads of what is damaged failed with an error that says so.
    pub partly: u64,
    /// Refused with an error that says why.
    pub refused: u64,
    /// The last synced group of the log was hit: it is gone without a word, as the durability table says.
    pub last_group_lost: u64,
}

impl Outcomes {
    fn add(&mut self, other: &Self) {
        self.survived += other.survived;
        self.partly += other.partly;
        self.refused += other.refused;
        self.last_group_lost += other.last_group_lost;
    }

    /// How many databases were damaged.
    pub fn total(&self) -> u64 {
        self.survived + self.partly + self.refused + self.last_group_lost
    }
}

/// A database with checkpoints, each over the ones before, so that pages are used again, and transactions in the log.
fn database(shape: Shape) -> Result<(Disk, History), Stop> {
    let key = |n: u64| format!("key{n:02}").into_bytes();
    let put = |n: u64, len: usize, id: u64| Step::Put(0, key(n), len, id);
    let fill = (0..12).map(|n| put(n, 60, n)).collect();
    let mut acts = vec![
        Act::Txn(Plan::Savepoint, fill),
        Act::Txn(Plan::Simple, vec![put(20, 2000, 100)]),
        Act::Sync,
        Act::Checkpoint,
        Act::Txn(
            Plan::Savepoint,
            (0..6).map(|n| put(n, 70, 200 + n)).collect(),
        ),
        Act::Txn(Plan::Simple, vec![put(20, 2100, 101)]),
        Act::Sync,
        Act::Checkpoint,
    ];
    for round in 0..3 {
        let again = (0..4).map(|n| put(n, 60, 210 + 10 * round + n)).collect();
        acts.extend([Act::Txn(Plan::Savepoint, again), Act::Sync, Act::Checkpoint]);
    }
    for n in 0..4 {
        acts.push(Act::Txn(Plan::Simple, vec![put(n, 50, 300 + n)]));
        acts.push(Act::Sync);
    }
    made(shape, acts)
}

/// A database with a record of many frames at the end of its log. Every value is still there in the end.
fn database_with_long_record(shape: Shape) -> Result<(Disk, History), Stop> {
    let mut acts = Vec::new();
    for (key, len, id) in [("first", 60, 1), ("long", LONG_BYTES, 2), ("last", 70, 3)] {
        let put = Step::Put(0, key.into(), len, id);
        acts.extend([Act::Txn(Plan::Simple, vec![put]), Act::Sync]);
    }
    made(shape, acts)
}

/// What is on the disk of a database after these acts.
fn made(shape: Shape, acts: Vec<Act>) -> Result<(Disk, History), Stop> {
    let script = Script {
        acts,
        tolerates_full_disk: false,
    };
    let profile = DiskProfile {
        keep_versions: true,
        ..DiskProfile::default()
    };
    let vfs = SimVfs::boot(Disk::new(profile, &[life::DIR]), &Setup::new(Seed(1)));
    let mut history = History::default();
    run_script(
        &vfs,
        shape,
        &life::watcher(&shape),
        &script,
        0,
        &mut history,
    )?;
    Ok((vfs.crash_state().image(drop_all()), history))
}

/// What is done at one place.
fn damages(at: u64, len: u64, n: u64) -> Vec<Damage> {
    let size = ATOM.min(len - at);
    let other = (at + ATOM * (1 + n % 7)) % (len / ATOM * ATOM);
    let mut out = vec![
        Damage::Flip {
            offset: at + n * 37 % size,
            bit: (n % 8) as u8,
        },
        Damage::Zero {
            offset: at,
            len: size,
        },
        Damage::Garbage {
            offset: at,
            len: size,
        },
        Damage::Unreadable {
            offset: at,
            len: size,
        },
    ];
    if size == ATOM && other != at && other + ATOM <= len {
        out.push(Damage::Copy {
            from: other,
            to: at,
            len: ATOM,
        });
        out.push(Damage::Swap {
            a: at,
            b: other,
            len: ATOM,
        });
    }
    out
}

/// Everything that the range `(offset, len)` of a file held before and may show again, had the writes since been lost (F40).
fn lost_writes(disk: &Disk, path: &Path, (offset, len): (u64, u64)) -> Vec<Damage> {
    let older = disk.older(path, offset, len);
    let as_damage = |versions| Damage::Older {
        offset,
        len,
        versions,
    };
    older.into_iter().map(as_damage).collect()
}

/// Where the last synced group of the log begins, in the file.
fn last_group(disk: &Disk, shape: &Shape) -> u64 {
    let log = disk.contents(Path::new(LOG)).unwrap_or_default();
    let slots = (log.len() as u64).saturating_sub(inspect::SEGMENTS_START) / shape.segment_bytes;
    let last = (0..slots).filter_map(|slot| {
        let start = inspect::offset_of(slot, shape.segment_bytes) as usize;
        let image = log.get(start..start + shape.segment_bytes as usize)?;
        let (view, frames) = inspect::segment(image, &life::UUID, slot)?;
        let frame = frames.last()?;
        Some((view.seq, start as u64 + frame.offset))
    });
    last.max().map_or(u64::MAX, |(_, offset)| offset)
}

/// Opens a damaged database and reads it.
fn look(image: Disk, shape: Shape, history: &History) -> Result<(Outcomes, u64), Broken> {
    let vfs = SimVfs::boot(image, &Setup::new(Seed(2)));
    let watcher = life::watcher(&shape);
    watcher.lock().switch_off();
    let mut outcome = Outcomes::default();
    let opened = unpanicked(|| Life::open_unread(&vfs, shape, &watcher, history.clone()))?;
    let life = match opened {
        Ok(life) => life,
        Err(Stop::Broken(broken)) => return Err(broken),
        Err(_) => {
            outcome.refused = 1;
            return Ok((outcome, history.issued()));
        }
    };
    let k = life.history().issued();
    let failed = unpanicked(|| life.read_around_damage())??;
    if failed > 0 {
        outcome.partly = 1;
    } else {
        outcome.survived = 1;
    }
    Ok((outcome, k))
}

/// Damages one place in `stride` of both files in every way, one at a time.
pub fn every_place(shape: Shape, stride: u64) -> Result<Outcomes, Broken> {
    let (disk, history) = database(shape)
        .map_err(|stop| Broken::new("O10", format!("the database could not be made: {stop}")))?;
    let last_group = last_group(&disk, &shape);
    let mut total = Outcomes::default();
    for path in [DATA, LOG].map(Path::new) {
        let len = disk.contents(path).map_or(0, |b| b.len() as u64);
        for (n, at) in (0..len).step_by(ATOM as usize).enumerate() {
            if !(n as u64).is_multiple_of(stride) {
                continue;
            }
            let size = ATOM.min(len - at);
            let lost = lost_writes(&disk, path, (at, size));
            for damage in damages(at, len, n as u64).into_iter().chain(lost) {
                let mut image = disk.clone();
                if image.damage(path, &damage).is_err() {
                    continue;
                }
                let named = |broken: Broken| {
                    Broken::new(
                        broken.oracle,
                        format!("{damage:?} of {}: {}", path.display(), broken.detail),
                    )
                };
                let (mut outcome, k) = look(image, shape, &history).map_err(named)?;
                if k < history.acked_durable {
                    let is_last = path == Path::new(LOG) && k + 1 == history.acked_durable;
                    let hits = touches(&damage, last_group);
                    if !is_last || !hits {
                        let detail = format!(
                            "{} was acknowledged and {k} is there, without an error",
                            history.acked_durable
                        );
                        return Err(named(Broken::new("O10", detail)));
                    }
                    outcome = Outcomes {
                        last_group_lost: 1,
                        ..Outcomes::default()
                    };
                }
                total.add(&outcome);
            }
        }
    }
    Ok(total)
}

/// What was written as one, of equal length, is exchanged, each pair for itself (F39): pages, and frames of the log. Each page
/// shows what was in its place before (F40).
pub fn whole_writes(planted: Planted) -> Result<Outcomes, Broken> {
    let of_pages = Shape {
        page_bytes: 4096,
        planted,
        ..Shape::default()
    };
    let of_frames = Shape {
        segment_bytes: 2 * LONG_BYTES as u64,
        ..of_pages
    };
    let both = |disk: &Disk| {
        vec![
            (DATA, pages(disk, &of_pages)),
            (LOG, frames(disk, &of_pages)),
        ]
    };
    let of_log = |disk: &Disk| vec![(LOG, frames(disk, &of_frames))];
    let mut total = of_each_write(of_pages, database(of_pages), both)?;
    total.add(&of_each_write(
        of_frames,
        database_with_long_record(of_frames),
        of_log,
    )?);
    Ok(total)
}

/// Damages each of what was written as one, as `written` finds it in the files of a database.
fn of_each_write(
    shape: Shape,
    made: Result<(Disk, History), Stop>,
    written: impl Fn(&Disk) -> Vec<(&'static str, Vec<(u64, u64)>)>,
) -> Result<Outcomes, Broken> {
    let (disk, history) =
        made.map_err(|stop| Broken::new("O10", format!("the database could not be made: {stop}")))?;
    let mut total = Outcomes::default();
    for (path, units) in written(&disk) {
        let swaps = units.iter().enumerate().flat_map(|(n, &(a, len))| {
            let alike = units[n + 1..]
                .iter()
                .filter(move |(_, other)| *other == len);
            alike.map(move |&(b, _)| Damage::Swap { a, b, len })
        });
        // A frame is written once, where nothing was.
        let pages = units.iter().filter(|_| path == DATA);
        let lost = pages.flat_map(|unit| lost_writes(&disk, Path::new(path), *unit));
        for damage in swaps.chain(lost) {
            let mut image = disk.clone();
            if image.damage(Path::new(path), &damage).is_err() {
                continue;
            }
            let named = |broken: Broken| {
                Broken::new(
                    broken.oracle,
                    format!("{damage:?} of {path}: {}", broken.detail),
                )
            };
            let (outcome, k) = look(image, shape, &history).map_err(named)?;
            if k < history.acked_durable {
                let detail = format!("{k} of {} is there", history.acked_durable);
                return Err(named(Broken::new("O10", detail)));
            }
            total.add(&outcome);
        }
    }
    Ok(total)
}

/// Where pages are, and how long they are.
fn pages(disk: &Disk, shape: &Shape) -> Vec<(u64, u64)> {
    let len = disk.contents(Path::new(DATA)).map_or(0, |b| b.len()) as u64;
    let page = shape.page_bytes as u64;
    let all = (META_REGION_BYTES..len).step_by(shape.page_bytes);
    all.map(|at| (at, page)).collect()
}

/// Where frames of the log are, and how long they are.
fn frames(disk: &Disk, shape: &Shape) -> Vec<(u64, u64)> {
    let log = disk.contents(Path::new(LOG)).unwrap_or_default();
    let slots = (log.len() as u64).saturating_sub(inspect::SEGMENTS_START) / shape.segment_bytes;
    let of_slot = |slot: u64| {
        let start = inspect::offset_of(slot, shape.segment_bytes);
        let end = start + shape.segment_bytes;
        let image = log.get(start as usize..end as usize)?;
        let (_, frames) = inspect::segment(image, &life::UUID, slot)?;
        let frames = frames.into_iter().map(move |f| (start + f.offset, f.len));
        Some(frames.collect::<Vec<_>>())
    };
    (0..slots).filter_map(of_slot).flatten().collect()
}

/// Whether damage touches what lies at `place` or behind it.
fn touches(damage: &Damage, place: u64) -> bool {
    match *damage {
        Damage::Flip { offset, .. } => offset >= place,
        Damage::Zero { offset, len }
        | Damage::Garbage { offset, len }
        | Damage::Older { offset, len, .. }
        | Damage::Unreadable { offset, len } => offset + len > place,
        Damage::Copy { to, len, .. } => to + len > place,
        Damage::Swap { a, b, len } => a.max(b) + len > place,
    }
}

/// F58: a data file without its log, a log without its data file, and a log of another database are refused.
pub fn mixed_up(shape: Shape) -> Result<u64, Broken> {
    let made = |shape| {
        database(shape)
            .map_err(|stop| Broken::new("O10", format!("the database could not be made: {stop}")))
    };
    let (disk, history) = made(shape)?;
    let mut looked = 0;
    for gone in [DATA, LOG].map(Path::new) {
        let mut image = disk.clone();
        image.unlink(gone);
        looked += 1;
        let (outcome, _) = look(image, shape, &history)?;
        if outcome.refused != 1 {
            let detail = format!("a database without {} was opened", gone.display());
            return Err(Broken::new("O10", detail));
        }
    }
    Ok(looked)
}
