//! The exhaustive loop: crash at every I/O that can matter, try every set of survivors, recover, judge.
//!
//! A crash in the middle of the n-th change, with the call under way among what is undecided, covers what a crash
//! before it leaves (the call is lost) and what a crash after it leaves (the call is kept), and no reply left
//! meanwhile. So the loop crashes in the middle of every change and once behind the last.

use std::collections::BTreeSet;
use std::fmt;

use redkeep::vfs::{Clock, VfsError};

use crate::disk::{
    CrashPoint, CrashState, Disk, DiskProfile, Phase, Policy, Resolution, Setup, SimVfs, Tear,
    Termination,
};
use crate::seed::Seed;
use crate::trace::Digest;
use crate::watch::Observer;

/// What a check found broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The oracle or assertion: "O1", "A9"; "live" where something does not go on after faults have ended.
    pub oracle: &'static str,
    pub detail: String,
}

impl Broken {
    /// An oracle's finding.
    pub fn new(oracle: &'static str, detail: impl Into<String>) -> Self {
        Self {
            oracle,
            detail: detail.into(),
        }
    }
}

/// The oracle id of what does not go on once faults have ended.
pub const LIVENESS: &str = "live";

/// The oracle id of a scenario that fails with no fault at all: a mistake in the harness.
pub const HARNESS: &str = "harness";

/// A script and how to judge what a crash leaves of it.
pub trait Scenario {
    /// What a run did so far: what was issued, what was acknowledged.
    type History: Default;
    /// What a recovery shows.
    type Shown: PartialEq + fmt::Debug;

    /// For people and for the replay.
    fn name(&self) -> &str;

    /// Directories that are there from the start.
    fn dirs(&self) -> &[&str] {
        &["/db"]
    }

    /// Observers of a run.
    fn observers(&self) -> Vec<Box<dyn Observer>> {
        Vec::new()
    }

    /// Does the script. It stops at the first error, which after the crash is every call.
    fn run(&self, vfs: &SimVfs, history: &mut Self::History) -> Result<(), VfsError>;

    /// Opens what is on the disk and says what it shows. `Err(Ok(error))` where a call failed.
    fn recover(&self, vfs: &SimVfs) -> Result<Self::Shown, Fault>;

    /// Whether this may be shown after that history.
    fn judge(&self, history: &Self::History, shown: &Self::Shown) -> Result<(), Broken>;

    /// Goes on working after a recovery: faults have ended, so it must succeed.
    fn go_on(&self, _vfs: &SimVfs) -> Result<(), Fault> {
        Ok(())
    }
}

/// Why a step of a scenario did not come to its end.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A call failed: expected if the simulated process is dead, otherwise a finding.
    Call(VfsError),
    /// Something is wrong.
    Broken(Broken),
}

impl From<VfsError> for Fault {
    fn from(error: VfsError) -> Self {
        Fault::Call(error)
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Fault::Broken(broken)
    }
}

/// How thorough an exploration is.
#[derive(Clone, Debug)]
pub struct Plan {
    pub profile: DiskProfile,
    pub seed: Seed,
    /// How survivors are torn; each policy is tried with each.
    pub tears: Vec<Tear>,
    /// Draws of the sampled policies a crash point.
    pub samples: usize,
    /// How many crashes in recoveries follow the first crash (F45).
    pub recovery_depth: u32,
    /// Whether what a recovery shows must survive a power loss right after it (O3, F51).
    pub recovered_is_durable: bool,
    /// Whether each recovered life must go on working ([`Scenario::go_on`]).
    pub goes_on: bool,
}

impl Plan {
    /// Every policy and every tear, one crash in recovery.
    pub fn thorough(profile: DiskProfile, seed: Seed) -> Self {
        Self {
            profile,
            seed,
            tears: Tear::ALL.to_vec(),
            samples: 8,
            recovery_depth: 1,
            recovered_is_durable: true,
            goes_on: true,
        }
    }
}

/// What an exploration looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Crash points of the script itself.
    pub points: u64,
    /// Ends of a life that were tried: a crash point with a set of survivors.
    pub ends: u64,
    /// Ends that left another image than the ones before at that point, and so were judged.
    pub images: u64,
    /// Ends of a recovery's life among them.
    pub in_recovery: u64,
    /// The most operations that one power loss decided about.
    pub undecided_max: u64,
    /// Clients that had to wait, and were given something.
    pub served: u64,
    /// The hash of every run's trace.
    pub hash: u128,
}

impl Coverage {
    /// Adds what another exploration looked at.
    pub fn add(&mut self, other: &Coverage) {
        self.points += other.points;
        self.ends += other.ends;
        self.images += other.images;
        self.in_recovery += other.in_recovery;
        self.served += other.served;
        self.undecided_max = self.undecided_max.max(other.undecided_max);
        self.mark(other.hash);
    }

    fn mark(&mut self, hash: u128) {
        let mut digest = Digest::default();
        for value in [self.hash, hash] {
            digest.number(value as u64);
            digest.number((value >> 64) as u64);
        }
        self.hash = digest.value();
    }
}

/// One crash on the way to a failure.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where the life ended; None behind its last call.
    pub point: Option<CrashPoint>,
    pub termination: Termination,
    /// Each undecided operation, kept or lost.
    pub survivors: String,
}

/// A finding, with all that it takes to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    pub scenario: String,
    pub broken: Broken,
    /// The crashes that led there, first one first.
    pub steps: Vec<Step>,
    /// I/Os of the life in which it was found.
    pub io: u64,
    /// Virtual time in microseconds.
    pub tick_us: u64,
    /// The I/Os of that life.
    pub trace: String,
}

impl Failure {
    /// A finding of the life that `vfs` is of.
    pub fn new(scenario: &str, broken: Broken, steps: &[Step], vfs: &SimVfs) -> Box<Self> {
        Box::new(Self {
            scenario: scenario.to_owned(),
            broken,
            steps: steps.to_vec(),
            io: vfs.ios(),
            tick_us: vfs.clock().mono_us(),
            trace: vfs.trace_text(),
        })
    }
}

impl fmt::Display for Failure {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scenario={} oracle={} tick={}us io={} faults=[",
            self.scenario, self.broken.oracle, self.tick_us, self.io
        )?;
        for (i, step) in self.steps.iter().enumerate() {
            let between = if i > 0 { "; " } else { "" };
            match step.point {
                Some(point) => write!(f, "{between}change {} {:?}, ", point.change, point.phase)?,
                None => write!(f, "{between}at the end, ")?,
            }
            write!(f, "{}", step.termination)?;
        }
        write!(f, "] {}", self.broken.detail)
    }
}

impl Failure {
    /// Everything else: survivors of each crash and the I/Os of the last life.
    pub fn artefact(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            out += &format!("{}\n{}", step.termination, step.survivors);
        }
        out + &self.trace
    }
}

/// Explores a scenario. Ends with the first finding.
pub fn explore<S: Scenario>(scenario: &S, plan: &Plan) -> Result<Coverage, Box<Failure>> {
    let mut search = Search {
        scenario,
        plan,
        coverage: Coverage::default(),
        steps: Vec::new(),
    };
    for change in 0.. {
        let setup = Setup::new(plan.seed);
        let vfs = SimVfs::new(plan.profile.clone(), scenario.dirs(), &setup);
        if !search.life(&vfs, change)? {
            break;
        }
    }
    Ok(search.coverage)
}

struct Search<'a, S> {
    scenario: &'a S,
    plan: &'a Plan,
    coverage: Coverage,
    steps: Vec<Step>,
}

impl<S: Scenario> Search<'_, S> {
    fn failure(&self, broken: Broken, vfs: &SimVfs) -> Box<Failure> {
        Failure::new(self.scenario.name(), broken, &self.steps, vfs)
    }

    /// Runs the script up to the crash in the middle of a change and judges all that it can leave.
    /// False if the script ended before.
    fn life(&mut self, vfs: &SimVfs, change: u64) -> Result<bool, Box<Failure>> {
        let point = CrashPoint {
            change,
            phase: Phase::Middle,
        };
        vfs.crash_at(point);
        for observer in self.scenario.observers() {
            vfs.observe(observer);
        }
        let mut history = S::History::default();
        let result = self.scenario.run(vfs, &mut history);
        self.coverage.points += 1;
        self.coverage.mark(vfs.trace_hash());
        if let Some(violation) = vfs.violations().first() {
            let broken = Broken::new(violation.rule, violation.detail.clone());
            return Err(self.failure(broken, vfs));
        }
        let crashed = vfs.crashed();
        if let (Err(error), false) = (result, crashed) {
            let detail = format!("failed with no fault: {error}");
            return Err(self.failure(Broken::new(HARNESS, detail), vfs));
        }
        let point = crashed.then_some(point);
        let depth = self.plan.recovery_depth;
        self.ends(&vfs.crash_state(), point, &history, depth)?;
        Ok(crashed)
    }

    /// Judges everything that a crash can leave.
    fn ends(
        &mut self,
        state: &CrashState,
        point: Option<CrashPoint>,
        history: &S::History,
        depth: u32,
    ) -> Result<(), Box<Failure>> {
        let undecided = state.undecided() as u64;
        self.coverage.undecided_max = self.coverage.undecided_max.max(undecided);
        let at = point.map_or(u64::MAX, |p| p.change);
        let seed = self.plan.seed.fork(at).fork(self.steps.len() as u64).0;
        let tears = &self.plan.tears;
        let losses = state.resolutions(tears, self.plan.samples, seed);
        let losses = losses.into_iter().map(Termination::PowerLoss);
        let mut seen = BTreeSet::new();
        for termination in state.kills().into_iter().chain(losses) {
            self.coverage.ends += 1;
            let image = state.image(termination);
            if !seen.insert(image.digest()) {
                continue;
            }
            self.coverage.images += 1;
            let survivors = match termination {
                Termination::PowerLoss(resolution) => state.describe(resolution),
                Termination::ProcessKill(_) => String::new(),
            };
            self.steps.push(Step {
                point,
                termination,
                survivors,
            });
            self.next_life(&image, history, depth)?;
            self.steps.pop();
        }
        Ok(())
    }

    fn next_life(
        &mut self,
        image: &Disk,
        history: &S::History,
        depth: u32,
    ) -> Result<(), Box<Failure>> {
        let setup = Setup::new(self.plan.seed);
        let vfs = SimVfs::boot(image.clone(), &setup);
        let shown = self.shown(&vfs)?;
        let judged = self.scenario.judge(history, &shown);
        judged.map_err(|broken| self.failure(broken, &vfs))?;
        if self.plan.recovered_is_durable {
            self.still_shown(&vfs.crash_state(), &shown)?;
        }
        if self.plan.goes_on
            && let Err(fault) = self.scenario.go_on(&vfs)
        {
            let broken = match fault {
                Fault::Call(error) => Broken::new(LIVENESS, format!("does not go on: {error}")),
                Fault::Broken(broken) => broken,
            };
            return Err(self.failure(broken, &vfs));
        }
        self.coverage.mark(vfs.trace_hash());
        if depth > 0 {
            self.crash_recovery(image, history, depth)?;
        }
        Ok(())
    }

    fn shown(&self, vfs: &SimVfs) -> Result<S::Shown, Box<Failure>> {
        self.scenario.recover(vfs).map_err(|fault| {
            let broken = match fault {
                Fault::Call(error) => Broken::new("O1", format!("does not open: {error}")),
                Fault::Broken(broken) => broken,
            };
            self.failure(broken, vfs)
        })
    }

    /// What was shown is shown again after a power loss that spares nothing.
    fn still_shown(&mut self, state: &CrashState, shown: &S::Shown) -> Result<(), Box<Failure>> {
        let termination = Termination::PowerLoss(Resolution {
            policy: Policy::DropAll,
            tear: Tear::Whole,
            seed: 0,
        });
        let vfs = SimVfs::boot(state.image(termination), &Setup::new(self.plan.seed));
        let detail = match self.scenario.recover(&vfs) {
            Ok(again) if again == *shown => return Ok(()),
            Ok(again) => format!("showed {shown:?}, and after a power loss {again:?}"),
            Err(fault) => format!("showed {shown:?}, and after a power loss {fault:?}"),
        };
        Err(self.failure(Broken::new("O3", detail), &vfs))
    }

    /// Crashes the recovery in the middle of each of its changes.
    fn crash_recovery(
        &mut self,
        image: &Disk,
        history: &S::History,
        depth: u32,
    ) -> Result<(), Box<Failure>> {
        for change in 0.. {
            let vfs = SimVfs::boot(image.clone(), &Setup::new(self.plan.seed));
            let point = CrashPoint {
                change,
                phase: Phase::Middle,
            };
            vfs.crash_at(point);
            let result = self.scenario.recover(&vfs);
            if !vfs.crashed() {
                break;
            }
            if result.is_ok() {
                let detail = "recovery says it succeeded although its process died";
                return Err(self.failure(Broken::new("O1", detail), &vfs));
            }
            let before = self.coverage.images;
            self.ends(&vfs.crash_state(), Some(point), history, depth - 1)?;
            self.coverage.in_recovery += self.coverage.images - before;
        }
        Ok(())
    }
}
