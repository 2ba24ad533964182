//! The lives of one random run, whatever is done in them: faults, the moment of a crash, how each life ends, and what
//! the last one must show.

use super::exhaust::{FAILED_OPENINGS_MAX, observe, unpanicked, violation};
use super::history::History;
use super::life::{self, Shape, Stop};
use super::random::{Knobs, ending, inject, inject_later, later};
use super::tap::Watcher;
use crate::commands::backup;
use crate::disk::{CrashPoint, Disk, Phase, Progress, Setup, SimVfs, Termination};
use crate::explore::{Broken, Coverage, Failure, HARNESS, LIVENESS, Step as Crash};
use crate::seed::{Purpose, Seed, Stream};
use redkeep::storage::OnCorruption;

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
    /// The power went where the log had a hole: the next open may be refused.
    may_be_refused: bool,
    crash: Stream,
    faults: Stream,
    late_faults: Stream,
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
            may_be_refused: false,
            crash: seed.stream(Purpose::Crash),
            faults: seed.stream(Purpose::Schedule),
            late_faults: later(seed).stream(Purpose::Schedule),
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
        inject_later(&self.vfs, &self.knobs, &mut self.late_faults);
        let may_fail = self.vfs.disk().has_failures_to_come();
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
        let has_opened = !matches!(done, Ok(Err(Stop::Open(_))));
        let is_refused = matches!(&done, Ok(Err(Stop::Open(e))) if life::is_refusal(e));
        let may_fail = may_fail || self.vfs.crashed() || self.vfs.faults_fired() > 0;
        let is_expected = may_fail || (is_refused && self.may_be_refused);
        let broken = match done {
            Err(panic) => Some(panic),
            Ok(Err(Stop::Broken(broken))) => Some(broken),
            Ok(Err(stop)) if !is_expected => Some(Broken::new(
                HARNESS,
                format!("failed with no fault: {stop}"),
            )),
            Ok(_) => violation(&self.vfs, &self.watcher),
        };
        if let Some(broken) = broken {
            return Err(self.failure(broken));
        }
        self.may_be_refused &= !has_opened;
        self.end(self.vfs.crashed().then_some(point));
        Ok(())
    }

    /// Ends the life and begins the next one on what is left.
    fn end(&mut self, point: Option<CrashPoint>) {
        let crash = ending(&self.vfs, &mut self.crash, point);
        let history = &mut self.history;
        let all = history.acked_kill.max(history.acked_durable);
        self.low = match crash.termination {
            // What is acknowledged as durable was not lost by a sync that said so.
            Termination::ProcessKill(_) if self.vfs.evicts() => history.acked_durable,
            Termination::ProcessKill(_) => all,
            Termination::PowerLoss(_) => {
                self.may_be_refused |= history.hole.is_some();
                let durable = history.durable();
                history.hole = None;
                durable
            }
        };
        // A life that does not even open leaves this as it is.
        history.acked_kill = self.low;
        history.acked_durable = history.acked_durable.min(self.low);
        self.vfs.restart(crash.termination);
        self.steps.push(crash);
        self.coverage.ends += 1;
    }

    /// What precedes the damage of refused files is what was acknowledged.
    fn is_cut_behind_low(&self) -> Option<Broken> {
        let shape = Shape {
            on_corruption: OnCorruption::Truncate,
            ..self.knobs.shape
        };
        match life::open_engine(&self.vfs, &shape, &self.watcher) {
            Ok((engine, _)) if engine.last_lsn().0 < self.low => {
                let (low, cut) = (self.low, engine.last_lsn());
                let detail = format!("{low} was acknowledged, and the log is cut behind {cut}");
                Some(Broken::new("O1", detail))
            }
            Ok(_) => violation(&self.vfs, &self.watcher),
            Err(error) => Some(Broken::new("O1", format!("the log cannot be cut: {error}"))),
        }
    }

    /// No faults any more: `last` opens it, and it goes on. Openings fail as long as there is something to be told of.
    pub fn finish(
        mut self,
        last: impl Fn(&Ground<'_>, History<S>) -> Result<(), Stop>,
    ) -> Result<Coverage, Box<Failure>> {
        for attempt in 0.. {
            let may_fail = attempt < FAILED_OPENINGS_MAX && self.vfs.disk().has_failures_to_come();
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
                Ok(Err(Stop::Open(e))) if self.may_be_refused && life::is_refusal(&e) => {
                    self.is_cut_behind_low()
                }
                Ok(Err(_)) if may_fail => {
                    self.vfs
                        .restart(Termination::ProcessKill(Progress::Nothing));
                    continue;
                }
                Ok(Err(stop)) => Some(Broken::new(LIVENESS, format!("does not go on: {stop}"))),
                Ok(Ok(())) => violation(&self.vfs, &self.watcher),
            };
            if let Some(broken) = broken {
                return Err(self.failure(broken));
            }
            break;
        }
        self.coverage.hash = self.vfs.trace_hash();
        Ok(self.coverage)
    }
}
