//! Random runs of commands: one seed decides sizes, commands of all types, faults, and how each of several lives ends.

use std::sync::Arc;

use redkeep::config::Config;
use redkeep::storage::planted::Planted;

use super::life::{Act, History, Life, run_script};
use super::machine::configured;
use super::workload::{Limits, Workload};
use crate::disk::{CrashPoint, Disk, Phase, Setup, SimVfs};
use crate::engine::exhaust::{observe, unpanicked, violation};
use crate::engine::life::{self, Shape, Stop};
use crate::engine::random::{Knobs, ending, inject};
use crate::engine::tap::Watcher;
use crate::explore::{Broken, Coverage, Failure, HARNESS, LIVENESS, Step as Crash};
use crate::seed::{Purpose, Seed, Stream};

/// One run.
struct Run {
    knobs: Knobs,
    config: Arc<Config>,
    vfs: SimVfs,
    watcher: Watcher,
    history: History,
    /// What the next open must show at least.
    low: u64,
    crash: Stream,
    faults: Stream,
    steps: Vec<Crash>,
    coverage: Coverage,
    seed: Seed,
}

/// The directives of a seed: what large and small are called, and how much there may be.
fn directives(stream: &mut Stream) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if stream.chance(500_000) {
        found.extend([
            ("hash-max-listpack-entries", "4"),
            ("set-max-intset-entries", "4"),
            ("set-max-listpack-entries", "4"),
            ("zset-max-listpack-entries", "4"),
            ("list-max-listpack-size", "3"),
            ("stream-node-max-entries", "3"),
        ]);
    }
    if stream.chance(200_000) {
        let policy = *stream.pick(&["allkeys-random", "allkeys-lru", "volatile-ttl"]);
        found.extend([
            ("maxmemory", *stream.pick(&["20000", "30000"])),
            ("maxmemory-policy", policy),
            ("notify-keyspace-events", "Ee"),
        ]);
    }
    found
}

/// What a life does.
fn acts(work: &mut Workload, most: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..work.stream_mut().between(1, most) {
        let stream = work.stream_mut();
        match stream.below(24) {
            0..=3 => acts.push(Act::Ack),
            4 | 5 => acts.push(Act::Sync),
            6 => acts.push(Act::CheckpointSteps(stream.between(1, 5) as u32)),
            7 if stream.chance(500_000) => acts.push(Act::Checkpoint),
            8 => acts.push(Act::FreeDropped(stream.between(1, 30) as usize)),
            9 => acts.push(Act::Expire),
            10 => acts.push(Act::Read),
            11 if stream.chance(200_000) => acts.push(Act::Shutdown),
            11 if stream.chance(300_000) => acts.push(Act::Reopen),
            12 => acts.push(Act::Wait(stream.between(1, 200_000))),
            _ => acts.extend(work.calls()),
        }
    }
    acts
}

impl Run {
    fn failure(&self, broken: Broken) -> Box<Failure> {
        let Shape {
            page_bytes,
            cache_pages,
            ..
        } = self.knobs.shape;
        let atom = self.knobs.profile.atom;
        Box::new(Failure {
            scenario: format!("commands page={page_bytes} cache={cache_pages} atom={atom}"),
            broken,
            steps: self.steps.clone(),
            io: self.vfs.ios(),
            tick_us: redkeep::vfs::Clock::mono_us(&self.vfs.clock()),
            trace: self.vfs.trace_text(),
        })
    }

    fn life(&mut self, work: &mut Workload) -> Result<(), Box<Failure>> {
        let acts = acts(work, self.knobs.acts * 2);
        inject(&self.vfs, &self.knobs, &mut self.faults);
        let point = CrashPoint {
            change: self.crash.below(80),
            phase: *self
                .crash
                .pick(&[Phase::Before, Phase::Middle, Phase::After]),
        };
        if self.crash.chance(800_000) {
            self.vfs.crash_at(point);
        }
        let mut history = self.history.clone();
        let over = (&self.knobs.shape, &self.config);
        let (vfs, watcher, low) = (&self.vfs, &self.watcher, self.low);
        let done = unpanicked(|| run_script(vfs, over, watcher, &acts, low, &mut history));
        self.coverage.points += 1;
        self.history = history;
        let broken = match done {
            Err(panic) => Some(panic),
            Ok(Err(Stop::Broken(broken))) => Some(broken),
            Ok(Err(stop)) if !self.vfs.crashed() && self.vfs.faults_fired() == 0 => Some(
                Broken::new(HARNESS, format!("failed with no fault: {stop}")),
            ),
            Ok(_) => violation(&self.vfs, &self.watcher),
        };
        if let Some(broken) = broken {
            return Err(self.failure(broken));
        }
        let point = self.vfs.crashed().then_some(point);
        let (acked_kill, acked_durable) = (self.history.acked_kill, self.history.acked_durable);
        let (crash, low) = ending(&self.vfs, &mut self.crash, point, acked_kill, acked_durable);
        self.low = low;
        // A life that does not even open leaves this as it is.
        self.history.acked_kill = low;
        self.vfs.restart(crash.termination);
        self.steps.push(crash);
        self.coverage.ends += 1;
        Ok(())
    }

    /// No faults any more: it opens, goes on, empties, and shows the same after a power loss.
    fn finish(&mut self) -> Result<(), Box<Failure>> {
        let low = self.low;
        let done = unpanicked(|| {
            let history = self.history.clone();
            let mut life = Life::open(
                &self.vfs,
                &self.knobs.shape,
                &self.config,
                &self.watcher,
                history,
            )?;
            let k = life.history().issued();
            if k < low {
                let detail = format!("{low} was acknowledged and {k} is there");
                return Err(Broken::new("O1", detail).into());
            }
            life.goes_on()?;
            if self.seed.0.is_multiple_of(4) {
                life.empties()?;
            }
            Ok(())
        });
        self.coverage.images += 1;
        let broken = match done {
            Err(panic) => Some(panic),
            Ok(Err(Stop::Broken(broken))) => Some(broken),
            Ok(Err(stop)) => Some(Broken::new(LIVENESS, format!("does not go on: {stop}"))),
            Ok(Ok(())) => violation(&self.vfs, &self.watcher),
        };
        match broken {
            Some(broken) => Err(self.failure(broken)),
            None => Ok(()),
        }
    }
}

/// One random run. The same seed gives the same trace.
pub fn run(seed: Seed, planted: Planted) -> Result<Coverage, Box<Failure>> {
    // The trees have other draws of the same seed.
    let seed = seed.fork(u64::from(u32::from_le_bytes(*b"type")));
    let knobs = Knobs::draw(seed, planted);
    let setup = Setup {
        latency: knobs.latency,
        ..Setup::new(seed)
    };
    let vfs = SimVfs::boot(Disk::new(knobs.profile.clone(), &[life::DIR]), &setup);
    observe(&vfs);
    let mut stream = seed.fork(1).stream(Purpose::Knobs);
    let limits = Limits::draw(&mut stream);
    let mut run = Run {
        config: configured(&directives(&mut stream)),
        watcher: life::watcher(&knobs.shape),
        vfs,
        history: History::default(),
        low: 0,
        crash: seed.stream(Purpose::Crash),
        faults: seed.stream(Purpose::Schedule),
        steps: Vec::new(),
        coverage: Coverage::default(),
        seed,
        knobs,
    };
    let mut work = Workload::new(seed, limits);
    for _ in 0..run.knobs.lives {
        run.life(&mut work)?;
    }
    run.finish()?;
    run.coverage.hash = run.vfs.trace_hash();
    Ok(run.coverage)
}
