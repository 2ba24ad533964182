//! Damage to the medium of a closed database: bit rot, zeroes, garbage, misdirected, swapped and lost writes at
//! every place of both files (F36 to F42, F58). What is read is right, or an error says that it cannot be.

use std::path::Path;

use redkeep::storage::Plan;
use redkeep::storage::log::inspect;

use super::exhaust::{drop_all, unpanicked};
use super::life::{self, Act, DATA, History, LOG, Life, Script, Shape, Stop, run_script};
use super::model::Step;
use crate::disk::{Damage, Disk, DiskProfile, Setup, SimVfs};
use crate::explore::Broken;
use crate::seed::Seed;

/// Bytes that are damaged together.
const ATOM: u64 = 512;

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
    /// How many databases were damaged.
    pub fn total(&self) -> u64 {
        self.survived + self.partly + self.refused + self.last_group_lost
    }
}

/// A database with a checkpoint, a second one over it, and transactions in the log.
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
    for n in 0..4 {
        acts.push(Act::Txn(Plan::Simple, vec![put(n, 50, 300 + n)]));
        acts.push(Act::Sync);
    }
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
        Damage::Older {
            offset: at,
            len: size,
            versions: 1,
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
            for damage in damages(at, len, n as u64) {
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
                total.survived += outcome.survived;
                total.partly += outcome.partly;
                total.refused += outcome.refused;
                total.last_group_lost += outcome.last_group_lost;
            }
        }
    }
    Ok(total)
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
