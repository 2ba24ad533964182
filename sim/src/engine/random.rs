//! Random runs: one seed decides sizes, work, faults, and how each of several lives ends.
//!
//! A run never damages what was durable; [`super::damage`] does. So every run must come through: what was
//! acknowledged is there, errors are typed, and once faults have ended the engine goes on.

use redkeep::storage::Plan;
use redkeep::storage::log::Fill;
use redkeep::storage::planted::Planted;

use super::exhaust::{drop_all, goes_on};
use super::life::{Act, Life, Script, Shape, run_script};
use super::lives::Lives;
use super::model::{ROOTS, Step};
use crate::clock::Latency;
use crate::disk::{
    CrashPoint, DiskProfile, Done, Fault, Files, Injection, Progress, Repeat, Short, SimVfs, Tear,
    Termination, When,
};
use crate::explore::{Coverage, Failure, Step as Crash};
use crate::seed::{Purpose, Seed, Stream};

/// What a seed decides before anything happens.
#[derive(Clone, Debug)]
pub struct Knobs {
    pub shape: Shape,
    pub profile: DiskProfile,
    pub latency: Latency,
    pub lives: u64,
    /// Acts a life at most.
    pub acts: u64,
    /// Keys that are used.
    pub keys: u64,
    /// Which kinds of acts and steps are in: each with an even chance.
    features: u64,
    /// Which classes of faults are in: each with one chance in three, none in one run of ten; those of which only a later call
    /// tells each in one run of eight.
    pub faults: u64,
    /// Bodies are below this.
    body_max: u64,
}

/// The bits of the features.
mod feature {
    pub const NESTED: u64 = 1;
    pub const PARTS: u64 = 2;
    pub const RANGES: u64 = 4;
    pub const MOVES: u64 = 8;
    pub const ROOTS: u64 = 16;
    pub const SNAPSHOTS: u64 = 32;
    pub const CHECKPOINTS: u64 = 64;
    pub const SHUTDOWN: u64 = 128;
    pub const ROLLBACK: u64 = 256;
    pub const BESIDE: u64 = 512;
    pub const LONG_KEYS: u64 = 1024;
    pub const REOPEN: u64 = 2048;
}

/// The bits of the classes of faults.
mod class {
    /// F26, F27: short counts.
    pub const SHORT: u64 = 1;
    /// F28: interruptions.
    pub const INTERRUPTED: u64 = 2;
    /// F15: failed syncs.
    pub const SYNC: u64 = 4;
    /// F31: failed writes.
    pub const WRITE: u64 = 8;
    /// F22, F24: no space.
    pub const SPACE: u64 = 16;
    /// F29: reads that fail for a while.
    pub const READ: u64 = 32;
    /// F16: syncs that lose something, of which the next one tells.
    pub const SYNC_LATE: u64 = 64;
    /// F18: writes that are lost in the background.
    pub const WRITEBACK: u64 = 128;
    /// F19: syncs that fail, and what they lost is read as new once more.
    pub const EVICTION: u64 = 256;
    /// Those of which only a later call tells.
    pub const LATER: [u64; 3] = [SYNC_LATE, WRITEBACK, EVICTION];
}

/// The draws of failures of which only a later call tells: seeds that have none run as if there were no such failures.
pub fn later(seed: Seed) -> Seed {
    seed.fork(u64::from(u32::from_le_bytes(*b"late")))
}

impl Knobs {
    /// The knobs of a seed.
    pub fn draw(seed: Seed, planted: Planted) -> Self {
        let mut stream = seed.stream(Purpose::Knobs);
        let page_bytes = *stream.pick(&[512, 512, 1024, 4096]);
        let shape = Shape {
            page_bytes,
            cache_pages: *stream.pick(&[2, 4, 16, 200]),
            segment_bytes: *stream.pick(&[16 << 10, 16 << 10, 32 << 10, 64 << 10]),
            keeps: false,
            planted,
            ..Shape::default()
        };
        let profile = DiskProfile {
            atom: (*stream.pick(&[1, 512, 512, 4096])).min(page_bytes as u64),
            atoms_atomic: stream.chance(500_000),
            garbage_atoms: stream.chance(500_000),
            psow: stream.chance(500_000),
            garbage_growth: stream.chance(500_000),
            ..DiskProfile::default()
        };
        let features = stream.next_u64();
        let mut faults = 0;
        if !stream.chance(100_000) {
            for bit in 0..6 {
                if stream.chance(333_333) {
                    faults |= 1 << bit;
                }
            }
        }
        let mut late = later(seed).stream(Purpose::Knobs);
        for class in class::LATER {
            if late.chance(120_000) {
                faults |= class;
            }
        }
        Self {
            shape,
            profile,
            latency: if stream.chance(500_000) {
                Latency::SSD
            } else {
                Latency::NONE
            },
            lives: stream.between(2, 6),
            acts: stream.between(4, 30),
            keys: *stream.pick(&[4, 16, 64]),
            features,
            faults,
            body_max: *stream.pick(&[40, 300, 3000, 12_000]),
        }
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }
}

/// Draws the work of lives.
struct Workload {
    knobs: Knobs,
    stream: Stream,
    next_id: u64,
}

impl Workload {
    fn key(&mut self) -> Vec<u8> {
        let n = self.stream.below(self.knobs.keys);
        let mut key = format!("k{n:02}").into_bytes();
        if self.knobs.has(feature::LONG_KEYS) && n.is_multiple_of(5) {
            key.extend(std::iter::repeat_n(b'l', 50 + 200 * (n as usize % 4)));
        }
        key
    }

    fn root(&mut self) -> u32 {
        if self.stream.chance(600_000) {
            return ROOTS[0];
        }
        *self.stream.pick(&ROOTS)
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn len(&mut self) -> usize {
        let max = if self.stream.chance(700_000) {
            60
        } else {
            self.knobs.body_max
        };
        self.stream.below(max + 1) as usize
    }

    fn step(&mut self) -> Step {
        let (root, key) = (self.root(), self.key());
        let draw = self.stream.below(20);
        let (len, id) = (self.len(), self.id());
        match draw {
            0 | 1 if self.knobs.has(feature::NESTED) => Step::PutNested(root, key),
            2..=4 if self.knobs.has(feature::NESTED) => {
                Step::PutInner(root, key, self.key(), len, id)
            }
            5 if self.knobs.has(feature::NESTED) => Step::DeleteInner(root, key, self.key()),
            6 if self.knobs.has(feature::PARTS) => Step::SetHead(root, key, id),
            7 if self.knobs.has(feature::PARTS) => {
                Step::Write(root, key, self.stream.below(4000) as usize, len, id)
            }
            8 if self.knobs.has(feature::PARTS) => Step::Truncate(root, key, len),
            9 if self.knobs.has(feature::RANGES) => Step::DeleteRange(root, key, None),
            10 if self.knobs.has(feature::RANGES) => {
                let to = self.key();
                Step::DeleteRange(root, key, Some(to))
            }
            11 if self.knobs.has(feature::MOVES) => Step::Move(root, key, self.root(), self.key()),
            12 if self.knobs.has(feature::MOVES) => Step::Copy(root, key, self.root(), self.key()),
            13 if self.knobs.has(feature::ROOTS) => match self.stream.below(3) {
                0 => Step::DropRoot(root),
                _ => Step::SwapRoots(root, self.root()),
            },
            14..=16 => Step::Delete(root, key),
            _ => Step::Put(root, key, len, id),
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        if self.knobs.has(feature::NESTED) && self.stream.chance(300_000) {
            return self.steps_below_one_cell();
        }
        let count = if self.stream.chance(200_000) { 12 } else { 3 };
        (0..self.stream.between(1, count))
            .map(|_| self.step())
            .collect()
    }

    /// Changes of several trees below one cell, in the cells that they hang at, and now and then elsewhere.
    fn steps_below_one_cell(&mut self) -> Vec<Step> {
        let (root, key) = (self.root(), self.key());
        let mut steps = Vec::new();
        if self.stream.chance(300_000) {
            steps.push(Step::PutNested(root, key.clone()));
        }
        for _ in 0..self.stream.between(2, 16) {
            let step = if self.stream.chance(100_000) {
                self.step()
            } else {
                self.step_below(root, key.clone())
            };
            steps.push(step);
        }
        steps
    }

    fn step_below(&mut self, root: u32, key: Vec<u8>) -> Step {
        // Few cells have trees, so that these are met again.
        let inner = format!("n{}", self.stream.below(3)).into_bytes();
        let name = self.key();
        let (len, id) = (self.len(), self.id());
        match self.stream.below(12) {
            0 => Step::PutInnerNested(root, key, inner),
            1 => Step::DeleteInner(root, key, inner),
            2 => Step::SetInnerHead(root, key, inner, id),
            3 => Step::PutInner(root, key, name, len, id),
            4 => Step::DeleteInner(root, key, name),
            5 | 6 => Step::DeleteDeep(root, key, inner, name),
            _ => Step::PutDeep(root, key, inner, name, len, id),
        }
    }

    fn txn(&mut self) -> Act {
        if self.stream.chance(400_000) {
            return Act::Txn(Plan::Simple, vec![self.step()]);
        }
        Act::Txn(Plan::Savepoint, self.steps())
    }

    fn act(&mut self) -> Act {
        let knobs = self.knobs.clone();
        match self.stream.below(30) {
            0..=3 => Act::Ack,
            4..=6 => Act::Sync,
            7 if knobs.has(feature::BESIDE) => Act::SyncBeside(vec![self.steps(), self.steps()]),
            8..=10 if knobs.has(feature::CHECKPOINTS) => {
                Act::CheckpointSteps(self.stream.between(1, 5) as u32)
            }
            11 if knobs.has(feature::CHECKPOINTS) => Act::Checkpoint,
            12 if knobs.has(feature::SNAPSHOTS) => Act::Snapshot,
            13 if knobs.has(feature::SNAPSHOTS) => Act::ReadSnapshots,
            14 if knobs.has(feature::SNAPSHOTS) => Act::DropSnapshot,
            15 => Act::FreeDropped(self.stream.between(1, 30) as usize),
            16 => Act::Read,
            17 if knobs.has(feature::SHUTDOWN) => Act::Shutdown,
            18 if knobs.has(feature::ROLLBACK) => Act::Rollback(self.steps()),
            19 if knobs.has(feature::REOPEN) => Act::Reopen,
            20 if knobs.has(feature::CHECKPOINTS) => {
                let fill = *self.stream.pick(&[Fill::Allocated, Fill::Zeroes]);
                let segments = self.stream.between(1, 4);
                Act::GrowAhead(fill, segments * knobs.shape.segment_bytes, self.steps())
            }
            _ => self.txn(),
        }
    }
}

/// The faults of a life.
pub fn inject(vfs: &SimVfs, knobs: &Knobs, stream: &mut Stream) {
    let chance = |fault, per_million| Injection {
        fault,
        when: When::Chance(per_million),
        repeat: Repeat::Forever,
        files: Files::all(),
    };
    let has = |class: u64| knobs.faults & class != 0;
    if has(class::SHORT) {
        let short = *stream.pick(&[Short::One, Short::Half, Short::AllButOne, Short::AtAtom]);
        vfs.inject(chance(Fault::ShortWrite(short), 100_000));
        vfs.inject(chance(Fault::ShortRead(short), 100_000));
    }
    if has(class::INTERRUPTED) {
        vfs.inject(chance(Fault::Interrupted, 20_000));
    }
    let n = stream.below(40);
    if has(class::SYNC) {
        vfs.inject(Injection::once(Fault::SyncLosesPages, n / 2));
    }
    if has(class::WRITE) {
        let done = *stream.pick(&[Done::Nothing, Done::Prefix, Done::All]);
        vfs.inject(Injection::once(Fault::WriteFails(done), n));
    }
    if has(class::SPACE) {
        let done = *stream.pick(&[Done::Nothing, Done::Prefix]);
        vfs.inject(Injection {
            repeat: Repeat::Times(stream.between(1, 5)),
            ..Injection::once(Fault::NoSpace(done), n)
        });
    }
    if has(class::READ) {
        vfs.inject(Injection::once(Fault::ReadFails, n));
    }
}

/// The faults of a life of which only a later call tells.
pub fn inject_later(vfs: &SimVfs, knobs: &Knobs, stream: &mut Stream) {
    let has = |class: u64| knobs.faults & class != 0;
    if has(class::SYNC_LATE) {
        vfs.inject(Injection::once(Fault::SyncFailsLate, stream.below(30)));
    }
    if has(class::WRITEBACK) {
        vfs.inject(Injection::once(Fault::WritebackFails, stream.below(60)));
    }
    if has(class::EVICTION) {
        vfs.inject(Injection::once(Fault::SyncEvicts, stream.below(30)));
    }
}

/// How a life ends.
pub fn ending(vfs: &SimVfs, stream: &mut Stream, point: Option<CrashPoint>) -> Crash {
    let state = vfs.crash_state();
    let termination = match stream.below(4) {
        0 => {
            let part = stream.next_u64() as u16;
            let all = [Progress::Nothing, Progress::Part(part), Progress::Whole];
            Termination::ProcessKill(*stream.pick(&all))
        }
        1 => drop_all(),
        _ => {
            let seed = stream.next_u64();
            let all = state.resolutions(&Tear::ALL, 6, seed);
            Termination::PowerLoss(*stream.pick(&all))
        }
    };
    let survivors = match termination {
        Termination::PowerLoss(resolution) => state.describe(resolution),
        Termination::ProcessKill(_) => String::new(),
    };
    Crash {
        point,
        termination,
        survivors,
    }
}

/// One random run. The same seed gives the same trace.
pub fn run(seed: Seed, planted: Planted) -> Result<Coverage, Box<Failure>> {
    run_with(seed, Knobs::draw(seed, planted))
}

/// The same run of a database whose log is kept: each checkpoint, and each step towards one, is followed by a copy.
pub fn run_kept(seed: Seed, planted: Planted) -> Result<Coverage, Box<Failure>> {
    let mut knobs = Knobs::draw(seed, planted);
    knobs.shape.keeps = true;
    knobs.features |= feature::CHECKPOINTS | feature::SHUTDOWN;
    run_with(seed, knobs)
}

/// The acts, with a copy of the log behind each that makes something of it superfluous.
fn kept(acts: Vec<Act>) -> Vec<Act> {
    let with_copy = |act| match act {
        Act::Checkpoint | Act::CheckpointSteps(_) => vec![act, Act::Archive],
        act => vec![act],
    };
    acts.into_iter().flat_map(with_copy).collect()
}

fn run_with(seed: Seed, knobs: Knobs) -> Result<Coverage, Box<Failure>> {
    let shape = knobs.shape;
    let scenario = format!(
        "engine{} page={} cache={} segment={} atom={} faults={:#x}",
        if shape.keeps { " kept" } else { "" },
        shape.page_bytes,
        shape.cache_pages,
        shape.segment_bytes,
        knobs.profile.atom,
        knobs.faults
    );
    let mut lives = Lives::boot(seed, knobs.clone(), scenario);
    let mut work = Workload {
        stream: seed.stream(Purpose::Workload),
        knobs: knobs.clone(),
        next_id: 0,
    };
    for _ in 0..knobs.lives {
        let count = work.stream.between(1, knobs.acts);
        let acts = (0..count).map(|_| work.act()).collect();
        let script = Script {
            acts: if shape.keeps { kept(acts) } else { acts },
            tolerates_full_disk: knobs.faults & class::SPACE != 0,
        };
        lives.live(|ground, history| {
            run_script(
                ground.vfs,
                shape,
                ground.watcher,
                &script,
                ground.low,
                history,
            )
        })?;
    }
    lives.finish(|ground, history| {
        let may_have_gap = history.had_hole;
        let mut life = Life::open(ground.vfs, shape, ground.watcher, history)?;
        ground.expect(life.history().issued())?;
        life.account()?;
        goes_on(&mut life)?;
        if shape.keeps && !may_have_gap {
            life.is_kept()?;
        }
        if seed.0.is_multiple_of(4) {
            life.empties()?;
        }
        Ok(())
    })
}
