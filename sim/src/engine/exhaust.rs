//! Crash a script at every change it makes to the disk, try every set of survivors, and every crash of the recovery.
//!
//! What a recovery shows depends on the image alone, so each image is recovered once however many crashes lead to
//! it; whether it may be shown depends on the history, and that is asked for each.

mod failing;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::life::{self, Act, History, Life, Script, Shape, Stop, run_script};
use super::model::{Model, Step as Change};
use super::tap::Watcher;
use crate::commands::{append, backup};
use crate::disk::{
    CrashPoint, CrashState, Disk, DiskProfile, Files, Phase, Policy, Resolution, Setup, SimVfs,
    Tear, Termination,
};
use crate::explore::{Broken, Coverage, Failure, HARNESS, LIVENESS, Step};
use crate::seed::Seed;
use crate::trace::Digest;
use crate::watch::{self, standard};
use redkeep::storage::Plan as TxnPlan;

pub use failing::{FAILED_OPENINGS_MAX, fail_calls, fail_unnoticed};

/// What is explored: work on the disk, and the processes that open what a crash leaves of it.
pub trait Subject {
    /// A state that a database went through.
    type State: Clone + Default;
    /// A process that has opened the files.
    type Life;

    /// For people and for the replay.
    fn name(&self) -> &str;

    /// The disk.
    fn profile(&self) -> &DiskProfile;

    /// The monitor of a life.
    fn watcher(&self) -> Watcher;

    /// What is done before, without a crash, and how that life ends; None: nothing is.
    fn base(&self) -> Option<BaseEnd>;

    /// Does what comes before.
    fn run_base(
        &self,
        vfs: &SimVfs,
        watcher: &Watcher,
        history: &mut History<Self::State>,
    ) -> Result<(), Stop>;

    /// Does the work from the opening of the files on.
    fn run(
        &self,
        vfs: &SimVfs,
        watcher: &Watcher,
        history: &mut History<Self::State>,
    ) -> Result<(), Stop>;

    /// Opens the files and finds what they show in the history, which is cut there.
    fn open(
        &self,
        vfs: &SimVfs,
        watcher: &Watcher,
        history: History<Self::State>,
    ) -> Result<Self::Life, Stop>;

    /// What was issued and acknowledged so far.
    fn history(life: &Self::Life) -> History<Self::State>;

    /// O8 and O9 on the durable checkpoint.
    fn account(life: &Self::Life) -> Result<(), Stop>;

    /// Faults have ended: it works.
    fn goes_on(life: &mut Self::Life) -> Result<(), Stop>;

    /// O8 in the end: after deleting everything, what is in use is the base line.
    fn empties(life: &mut Self::Life) -> Result<(), Stop>;
}

/// A scripted scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub shape: Shape,
    pub profile: DiskProfile,
    /// Done before, without a crash.
    pub base: Script,
    /// How the life of `base` ends.
    pub base_end: BaseEnd,
    pub script: Script,
}

impl Subject for Scenario {
    type State = Model;
    type Life = Life;

    fn name(&self) -> &str {
        self.name
    }

    fn profile(&self) -> &DiskProfile {
        &self.profile
    }

    fn watcher(&self) -> Watcher {
        life::watcher(&self.shape)
    }

    fn base(&self) -> Option<BaseEnd> {
        (!self.base.acts.is_empty()).then_some(self.base_end)
    }

    fn run_base(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        run_script(vfs, self.shape, watcher, &self.base, 0, history)
    }

    fn run(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        run_script(vfs, self.shape, watcher, &self.script, 0, history)
    }

    fn open(&self, vfs: &SimVfs, watcher: &Watcher, history: History) -> Result<Life, Stop> {
        Life::open(vfs, self.shape, watcher, history)
    }

    fn history(life: &Life) -> History {
        life.history()
    }

    fn account(life: &Life) -> Result<(), Stop> {
        life.account()
    }

    fn goes_on(life: &mut Life) -> Result<(), Stop> {
        goes_on(life)
    }

    fn empties(life: &mut Life) -> Result<(), Stop> {
        life.empties()
    }
}

/// How the life before a scenario ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseEnd {
    Kill,
    PowerLoss,
}

/// How thorough an exploration is.
#[derive(Clone, Debug)]
pub struct Effort {
    pub seed: Seed,
    /// How survivors of the first crash are torn.
    pub tears: Vec<Tear>,
    /// Draws of the sampled policies a crash point.
    pub samples: usize,
    /// The same for crashes in the recovery; no tears: recoveries are not crashed.
    pub recovery_tears: Vec<Tear>,
    pub recovery_samples: usize,
    /// Recoveries that write the same are crashed for so many images and no more: they differ in what was read and
    /// thrown away.
    pub recoveries_alike: usize,
    /// One image in so many goes on working; 0: none.
    pub goes_on_every: u128,
    /// One image in so many is emptied and accounted for; 0: none.
    pub empties_every: u128,
}

impl Effort {
    /// What runs at every commit.
    pub fn usual(seed: Seed) -> Self {
        Self {
            seed,
            tears: vec![Tear::Whole, Tear::Head, Tear::Drawn],
            samples: 4,
            recovery_tears: vec![Tear::Whole, Tear::Drawn],
            recovery_samples: 1,
            recoveries_alike: 2,
            goes_on_every: 4,
            empties_every: 64,
        }
    }

    /// What runs at every commit for files beside the database, whose own recovery other scenarios look at.
    pub fn beside(seed: Seed) -> Self {
        Self {
            tears: vec![Tear::Whole, Tear::Drawn],
            recovery_tears: vec![Tear::Whole],
            samples: 1,
            recoveries_alike: 1,
            goes_on_every: 24,
            empties_every: 0,
            ..Self::usual(seed)
        }
    }

    /// Every tear.
    pub fn thorough(seed: Seed) -> Self {
        Self {
            tears: Tear::ALL.to_vec(),
            samples: 16,
            recovery_tears: Tear::ALL.to_vec(),
            recovery_samples: 8,
            recoveries_alike: usize::MAX,
            goes_on_every: 1,
            empties_every: 8,
            ..Self::usual(seed)
        }
    }
}

/// What recovering an image shows.
#[derive(Clone, Copy, Debug)]
struct Shown {
    lsn: u64,
    /// What recoveries show after a crash of this recovery: the least after a kill, the least after a power loss,
    /// the most.
    again_kill_min: u64,
    again_loss_min: u64,
    again_max: u64,
}

/// Observers of a life that need no knowledge of the formats.
pub fn observe(vfs: &SimVfs) {
    let files = vec![
        Files::ending("-wal"),
        Files::ending("data.keep"),
        Files::within(append::FOLDER),
    ];
    // No acknowledgement of a command rests on these. What reuses segments of the log rests on the archive, and O12 looks at
    // that; whoever was told that a copy is there is asked in its scenario.
    let beside = [life::KEPT, backup::FOLDER, append::FOLDER]
        .map(Files::within)
        .to_vec();
    for observer in standard(beside, files) {
        vfs.observe(observer);
    }
}

/// What the observers of a life found.
pub fn violation(vfs: &SimVfs, watcher: &Watcher) -> Option<Broken> {
    let found = vfs.violations();
    let found = found
        .first()
        .map(|v: &watch::Violation| Broken::new(v.rule, v.detail.clone()));
    found.or_else(|| watcher.lock().violations().first().cloned())
}

/// Runs something that must not panic.
pub fn unpanicked<R>(work: impl FnOnce() -> R) -> Result<R, Broken> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "a panic".to_owned());
        Broken::new("panic", text)
    })
}

/// A power loss that spares nothing.
pub fn drop_all() -> Termination {
    Termination::PowerLoss(Resolution {
        policy: Policy::DropAll,
        tear: Tear::Whole,
        seed: 0,
    })
}

struct Search<'a, X> {
    scenario: &'a X,
    effort: &'a Effort,
    coverage: Coverage,
    memo: BTreeMap<u128, Shown>,
    memo_again: BTreeMap<u128, u64>,
    /// How many images of each kind of recovery had theirs crashed, by what the recovery changed.
    crashed: BTreeMap<u128, usize>,
    steps: Vec<Step>,
}

/// Explores a scenario. Ends with the first finding.
pub fn explore<X: Subject>(scenario: &X, effort: &Effort) -> Result<Coverage, Box<Failure>> {
    let mut search = Search::new(scenario, effort);
    let (disk, history) = search.base()?;
    for change in 0.. {
        if !search.life(&disk, &history, change)? {
            break;
        }
    }
    Ok(search.coverage)
}

/// What a run of a script leaves: the machine, what was issued and acknowledged, and how it ended.
struct Run<S> {
    vfs: SimVfs,
    watcher: Watcher,
    history: History<S>,
    done: Result<Result<(), Stop>, Broken>,
}

impl<'a, X: Subject> Search<'a, X> {
    fn new(scenario: &'a X, effort: &'a Effort) -> Self {
        Self {
            scenario,
            effort,
            coverage: Coverage::default(),
            memo: BTreeMap::new(),
            memo_again: BTreeMap::new(),
            crashed: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    fn failure(&self, broken: Broken, vfs: &SimVfs) -> Box<Failure> {
        Failure::new(self.scenario.name(), broken, &self.steps, vfs)
    }

    fn boot(&self, disk: Disk, life: u64) -> (SimVfs, Watcher) {
        let setup = Setup::new(self.effort.seed.fork(life));
        setup.clock.advance_us(life * 3_600_000_000);
        let vfs = SimVfs::boot(disk, &setup);
        observe(&vfs);
        (vfs, self.scenario.watcher())
    }

    /// The disk and the history that the script begins with.
    fn base(&mut self) -> Result<(Disk, History<X::State>), Box<Failure>> {
        let dirs = [life::DIR, backup::FOLDER, append::FOLDER, "."];
        let disk = Disk::new(self.scenario.profile().clone(), &dirs);
        let mut history = History::default();
        let Some(end) = self.scenario.base() else {
            return Ok((disk, history));
        };
        let (vfs, watcher) = self.boot(disk, 0);
        let done = unpanicked(|| self.scenario.run_base(&vfs, &watcher, &mut history));
        self.finished(done, &vfs, &watcher)?;
        let end = match end {
            BaseEnd::Kill => Termination::ProcessKill(crate::disk::Progress::Nothing),
            BaseEnd::PowerLoss => drop_all(),
        };
        let disk = vfs.crash_state().image(end);
        Ok((disk, history))
    }

    /// A life that was to come to its end did.
    fn finished(
        &self,
        done: Result<Result<(), Stop>, Broken>,
        vfs: &SimVfs,
        watcher: &Watcher,
    ) -> Result<(), Box<Failure>> {
        let broken = match done {
            Err(panic) => Some(panic),
            Ok(Err(Stop::Broken(broken))) => Some(broken),
            Ok(Err(stop)) => Some(Broken::new(
                HARNESS,
                format!("failed with no fault: {stop}"),
            )),
            Ok(Ok(())) => violation(vfs, watcher),
        };
        match broken {
            Some(broken) => Err(self.failure(broken, vfs)),
            None => Ok(()),
        }
    }

    /// Runs the script on a machine that is made ready by `prepare` for what is to befall it.
    fn run(
        &self,
        disk: &Disk,
        base: &History<X::State>,
        prepare: impl FnOnce(&SimVfs),
    ) -> Run<X::State> {
        let (vfs, watcher) = self.boot(disk.clone(), 1);
        prepare(&vfs);
        let mut history = base.clone();
        let done = unpanicked(|| self.scenario.run(&vfs, &watcher, &mut history));
        Run {
            vfs,
            watcher,
            history,
            done,
        }
    }

    /// Runs the script up to the crash in the middle of a change and judges all that it can leave.
    /// False if the script ended before.
    fn life(
        &mut self,
        disk: &Disk,
        base: &History<X::State>,
        change: u64,
    ) -> Result<bool, Box<Failure>> {
        let point = CrashPoint {
            change,
            phase: Phase::Middle,
        };
        let Run {
            vfs,
            watcher,
            history,
            done,
        } = self.run(disk, base, |vfs| vfs.crash_at(point));
        self.coverage.points += 1;
        self.mark(&vfs);
        let crashed = vfs.crashed();
        if let Err(broken) = done {
            return Err(self.failure(broken, &vfs));
        }
        match done {
            Ok(Err(Stop::Broken(_))) | Ok(Ok(())) => self.finished(done, &vfs, &watcher)?,
            _ if crashed => {
                if let Some(broken) = violation(&vfs, &watcher) {
                    return Err(self.failure(broken, &vfs));
                }
            }
            _ => self.finished(done, &vfs, &watcher)?,
        }
        let point = crashed.then_some(point);
        self.ends(&vfs.crash_state(), point, &history)?;
        Ok(crashed)
    }

    fn mark(&mut self, vfs: &SimVfs) {
        let mut digest = Digest::default();
        for value in [self.coverage.hash, vfs.trace_hash()] {
            digest.number(value as u64);
            digest.number((value >> 64) as u64);
        }
        self.coverage.hash = digest.value();
    }

    fn terminations(
        &self,
        state: &CrashState,
        tears: &[Tear],
        samples: usize,
        salt: u64,
    ) -> Vec<Termination> {
        let seed = self.effort.seed.fork(salt).0;
        let losses = state.resolutions(tears, samples, seed);
        let losses = losses.into_iter().map(Termination::PowerLoss);
        state.kills().into_iter().chain(losses).collect()
    }

    fn push_step(
        &mut self,
        state: &CrashState,
        point: Option<CrashPoint>,
        termination: Termination,
    ) {
        let survivors = match termination {
            Termination::PowerLoss(resolution) => state.describe(resolution),
            Termination::ProcessKill(_) => String::new(),
        };
        self.steps.push(Step {
            point,
            termination,
            survivors,
        });
    }

    /// Judges everything that the crash of the script can leave.
    fn ends(
        &mut self,
        state: &CrashState,
        point: Option<CrashPoint>,
        history: &History<X::State>,
    ) -> Result<(), Box<Failure>> {
        self.coverage.undecided_max = self.coverage.undecided_max.max(state.undecided() as u64);
        let salt = point.map_or(u64::MAX, |p| p.change);
        let mut seen = BTreeSet::new();
        for termination in self.terminations(state, &self.effort.tears, self.effort.samples, salt) {
            self.coverage.ends += 1;
            let image = state.image(termination);
            let is_kill = matches!(termination, Termination::ProcessKill(_));
            let digest = image.digest();
            if !seen.insert((digest, is_kill)) {
                continue;
            }
            self.push_step(state, point, termination);
            let shown = match self.memo.get(&digest) {
                Some(shown) => *shown,
                None => {
                    self.coverage.images += 1;
                    let shown = self.recover(&image, digest, history)?;
                    self.memo.insert(digest, shown);
                    shown
                }
            };
            self.judge(&shown, is_kill, history, &image)?;
            self.steps.pop();
        }
        Ok(())
    }

    /// O1: what is shown lies between what was acknowledged and what was issued.
    fn judge(
        &self,
        shown: &Shown,
        is_kill: bool,
        history: &History<X::State>,
        image: &Disk,
    ) -> Result<(), Box<Failure>> {
        let durable = history.acked_durable;
        let kill = if is_kill {
            history.acked_kill.max(durable)
        } else {
            durable
        };
        let issued = history.issued();
        let bounds = [
            ("recovery shows", shown.lsn, kill),
            (
                "recovery after a killed recovery shows",
                shown.again_kill_min,
                kill,
            ),
            (
                "recovery after a powerless recovery shows",
                shown.again_loss_min,
                durable,
            ),
            ("recovery after recovery shows", shown.again_max, durable),
        ];
        for (what, lsn, low) in bounds {
            if lsn < low || lsn > issued {
                let detail = format!("{what} {lsn}; acknowledged {low}, issued {issued}");
                let (vfs, watcher) = self.boot(image.clone(), 2);
                let again = unpanicked(|| {
                    self.scenario
                        .open(&vfs, &watcher, history.clone())
                        .map(|_| ())
                });
                let detail = format!(
                    "{detail} (opened again: {:?})",
                    again.map(|r| r.map_err(|e| e.to_string()))
                );
                return Err(self.failure(Broken::new("O1", detail), &vfs));
            }
        }
        Ok(())
    }

    /// Opens an image, which must work. The life, or what is wrong.
    fn opened(
        &self,
        vfs: &SimVfs,
        watcher: &Watcher,
        history: &History<X::State>,
    ) -> Result<X::Life, Box<Failure>> {
        let opened = unpanicked(|| self.scenario.open(vfs, watcher, history.clone()));
        self.opened_by(opened, vfs, watcher)
    }

    /// The life of an opening that must have worked, or what is wrong.
    fn opened_by(
        &self,
        opened: Result<Result<X::Life, Stop>, Broken>,
        vfs: &SimVfs,
        watcher: &Watcher,
    ) -> Result<X::Life, Box<Failure>> {
        let broken = match opened {
            Err(panic) => panic,
            Ok(Err(Stop::Broken(broken))) => broken,
            Ok(Err(stop)) => Broken::new("O1", format!("does not open: {stop}")),
            Ok(Ok(life)) => match violation(vfs, watcher) {
                Some(broken) => broken,
                None => return Ok(life),
            },
        };
        Err(self.failure(broken, vfs))
    }

    fn check(
        &self,
        vfs: &SimVfs,
        watcher: &Watcher,
        what: &'static str,
        work: impl FnOnce() -> Result<(), Stop>,
    ) -> Result<(), Box<Failure>> {
        let broken = match unpanicked(work) {
            Err(panic) => panic,
            Ok(Err(Stop::Broken(broken))) => broken,
            Ok(Err(stop)) => Broken::new(what, format!("does not go on: {stop}")),
            Ok(Ok(())) => match violation(vfs, watcher) {
                Some(broken) => broken,
                None => return Ok(()),
            },
        };
        Err(self.failure(broken, vfs))
    }

    /// Recovers an image: what it shows, after all its oracles.
    fn recover(
        &mut self,
        image: &Disk,
        digest: u128,
        history: &History<X::State>,
    ) -> Result<Shown, Box<Failure>> {
        let (vfs, watcher) = self.boot(image.clone(), 2);
        let mut life = self.opened(&vfs, &watcher, history)?;
        let lsn = X::history(&life).issued();
        let kind = vfs.changes_hash() ^ u128::from(lsn);
        self.check(&vfs, &watcher, "O8", || X::account(&life))?;
        self.still_shown(&vfs.crash_state(), lsn, &X::history(&life))?;
        let is_due = |every: u128| every > 0 && (digest >> 7).is_multiple_of(every);
        if is_due(self.effort.goes_on_every) {
            self.check(&vfs, &watcher, LIVENESS, || X::goes_on(&mut life))?;
            self.still_shown(
                &vfs.crash_state(),
                X::history(&life).issued(),
                &X::history(&life),
            )?;
        }
        if is_due(self.effort.empties_every) {
            self.check(&vfs, &watcher, LIVENESS, || X::empties(&mut life))?;
        }
        drop(life);
        self.mark(&vfs);
        let mut shown = Shown {
            lsn,
            again_kill_min: lsn,
            again_loss_min: lsn,
            again_max: lsn,
        };
        let alike = self.crashed.entry(kind).or_insert(0);
        if !self.effort.recovery_tears.is_empty() && *alike < self.effort.recoveries_alike {
            *alike += 1;
            self.crash_recovery(image, history, &mut shown)?;
        }
        Ok(shown)
    }

    /// O3 and O4: after a power loss that spares nothing, and after another recovery, the same is shown.
    fn still_shown(
        &self,
        state: &CrashState,
        lsn: u64,
        history: &History<X::State>,
    ) -> Result<(), Box<Failure>> {
        let (vfs, watcher) = self.boot(state.image(drop_all()), 4);
        let life = match self.opened(&vfs, &watcher, history) {
            Ok(life) => life,
            Err(mut failure) => {
                failure.broken = Broken::new(
                    "O3",
                    format!(
                        "showed {lsn}; after a power loss: {} {}",
                        failure.broken.oracle, failure.broken.detail
                    ),
                );
                return Err(failure);
            }
        };
        let again = X::history(&life).issued();
        if again != lsn {
            let detail = format!("showed {lsn}, and after a power loss {again}");
            return Err(self.failure(Broken::new("O3", detail), &vfs));
        }
        Ok(())
    }

    /// F45: crashes the recovery in the middle of each of its changes.
    fn crash_recovery(
        &mut self,
        image: &Disk,
        history: &History<X::State>,
        shown: &mut Shown,
    ) -> Result<(), Box<Failure>> {
        for change in 0.. {
            let (vfs, watcher) = self.boot(image.clone(), 2);
            let point = CrashPoint {
                change,
                phase: Phase::Middle,
            };
            vfs.crash_at(point);
            let opened = unpanicked(|| {
                self.scenario
                    .open(&vfs, &watcher, history.clone())
                    .map(|_| ())
            });
            if !vfs.crashed() {
                break;
            }
            if let Err(panic) = opened {
                return Err(self.failure(panic, &vfs));
            }
            let state = vfs.crash_state();
            let mut seen = BTreeSet::new();
            for termination in self.terminations(
                &state,
                &self.effort.recovery_tears,
                self.effort.recovery_samples,
                change,
            ) {
                self.coverage.ends += 1;
                let image = state.image(termination);
                let digest = image.digest();
                let is_kill = matches!(termination, Termination::ProcessKill(_));
                if !seen.insert((digest, is_kill)) {
                    continue;
                }
                let again = match self.memo_again.get(&digest) {
                    Some(lsn) => *lsn,
                    None => {
                        self.push_step(&state, Some(point), termination);
                        self.coverage.images += 1;
                        self.coverage.in_recovery += 1;
                        let lsn = self.recover_again(&image, history)?;
                        self.memo_again.insert(digest, lsn);
                        self.steps.pop();
                        lsn
                    }
                };
                shown.again_max = shown.again_max.max(again);
                shown.again_loss_min = shown.again_loss_min.min(again);
                if is_kill {
                    shown.again_kill_min = shown.again_kill_min.min(again);
                }
            }
        }
        Ok(())
    }

    /// Recovers what a crashed recovery left.
    fn recover_again(
        &mut self,
        image: &Disk,
        history: &History<X::State>,
    ) -> Result<u64, Box<Failure>> {
        let (vfs, watcher) = self.boot(image.clone(), 3);
        let life = self.opened(&vfs, &watcher, history)?;
        let lsn = X::history(&life).issued();
        self.still_shown(&vfs.crash_state(), lsn, &X::history(&life))?;
        Ok(lsn)
    }
}

/// Faults have ended: commits, a sync, a checkpoint and reads must work.
pub fn goes_on(life: &mut Life) -> Result<(), Stop> {
    let put = |n: u64| Change::Put(0, format!("after{n}").into_bytes(), 100, 1_000_000 + n);
    // A disk that was full has room again.
    life.act(&Act::Capacity(None))?;
    for n in 0..3 {
        life.act(&Act::Txn(TxnPlan::Simple, vec![put(n)]))?;
        life.act(&Act::Ack)?;
    }
    life.act(&Act::Sync)?;
    life.act(&Act::Checkpoint)?;
    life.act(&Act::Txn(TxnPlan::Simple, vec![put(3)]))?;
    life.act(&Act::Sync)?;
    life.act(&Act::Read)
}
