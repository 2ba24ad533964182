//! The lives of one random run, whatever is done in them: faults, the moment of a crash, how each life ends, and what
//! the last one must show.

use super::exhaust::{observe, unpanicked, violation};
use super::history::History;
use super::life::{self, Stop};
use super::random::{Knobs, ending, inject};
use super::tap::Watcher;
use crate::commands::backup;
use crate::disk::{CrashPoint, Disk, Phase, Setup, SimVfs};
use crate::explore::{Broken, Coverage, Failure, HARNESS, LIVENESS, Step as Crash};
use crate::seed::{Purpose, Seed, Stream};

/// One run over states `S`.
pub struct Lives<S> {
    /// What it is called in a report.
    scenario: String,
    knobs: Knobs,
    vfs: SimVfs,
    watcher: Watcher,
    history: History<S>,
    /// What the next open must show at least.
    low: u64,
    crash: Stream,
    faults: Stream,
    steps: Vec<Crash>,
    coverage: Coverage,
}

/// The machine on which a life happens, and what the next open must show at least.
pub struct Ground<'a> {
    pub vfs: &'a SimVfs,
    pub watcher: &'a Watcher,
    pub low: u64,
}

impl Ground<'_> {
    /// Whether what an open shows, up to transaction `shown`, has what was acknowledged.
    pub fn expect(&self, shown: u64) -> Result<(), Stop> {
        if shown < self.low {
            let detail = format!("{} was acknowledged and {shown} is there", self.low);
            return Err(Broken::new("O1", detail).into());
        }
        Ok(())
    }
}

impl<S: Clone + Default> Lives<S> {
    /// An empty disk, and nothing done.
    pub fn boot(seed: Seed, knobs: Knobs, scenario: String) -> Self {
        let setup = Setup {
            latency: knobs.latency,
            ..Setup::new(seed)
        };
        let vfs = SimVfs::boot(
            Disk::new(
                knobs.profile.clone(),
                &[life::DIR, life::KEPT, backup::FOLDER],
            ),
            &setup,
        );
        observe(&vfs);
        Self {
            scenario,
            watcher: life::watcher(&knobs.shape),
            vfs,
            history: History::default(),
            low: 0,
            crash: seed.stream(Purpose::Crash),
            faults: seed.stream(Purpose::Schedule),
            steps: Vec::new(),
            coverage: Coverage::default(),
            knobs,
        }
    }

    fn failure(&self, broken: Broken) -> Box<Failure> {
        Failure::new(&self.scenario, broken, &self.steps, &self.vfs)
    }

    /// One life, in which `act` happens, and its end.
    pub fn live(
        &mut self,
        act: impl FnOnce(&Ground<'_>, &mut History<S>) -> Result<(), Stop>,
    ) -> Result<(), Box<Failure>> {
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
        let ground = Ground {
            vfs: &self.vfs,
            watcher: &self.watcher,
            low: self.low,
        };
        let mut history = self.history.clone();
        let done = unpanicked(|| act(&ground, &mut history));
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
        self.end(self.vfs.crashed().then_some(point));
        Ok(())
    }

    /// Ends the life and begins the next one on what is left.
    fn end(&mut self, point: Option<CrashPoint>) {
        let (acked_kill, acked_durable) = (self.history.acked_kill, self.history.acked_durable);
        let (crash, low) = ending(&self.vfs, &mut self.crash, point, acked_kill, acked_durable);
        self.low = low;
        // A life that does not even open leaves this as it is.
        self.history.acked_kill = low;
        self.vfs.restart(crash.termination);
        self.steps.push(crash);
        self.coverage.ends += 1;
    }

    /// No faults any more: `last` opens it, and it goes on.
    pub fn finish(
        mut self,
        last: impl FnOnce(&Ground<'_>, History<S>) -> Result<(), Stop>,
    ) -> Result<Coverage, Box<Failure>> {
        let ground = Ground {
            vfs: &self.vfs,
            watcher: &self.watcher,
            low: self.low,
        };
        let done = unpanicked(|| last(&ground, self.history.clone()));
        self.coverage.images += 1;
        let broken = match done {
            Err(panic) => Some(panic),
            Ok(Err(Stop::Broken(broken))) => Some(broken),
            Ok(Err(stop)) => Some(Broken::new(LIVENESS, format!("does not go on: {stop}"))),
            Ok(Ok(())) => violation(&self.vfs, &self.watcher),
        };
        if let Some(broken) = broken {
            return Err(self.failure(broken));
        }
        self.coverage.hash = self.vfs.trace_hash();
        Ok(self.coverage)
    }
}
