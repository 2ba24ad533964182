//! Calls that fail in one life after the other, with nothing but a kill between them: one of the scenario's, then one
//! of each recovery. The kernel goes on showing what it will never write, or takes it back at once or later, and only a power
//! loss tells; nothing that was acknowledged may rest on it. Whom the kernel tells differs, too: the sync that failed, the next
//! one, or one of a later process.

use std::path::Path;

use super::*;
use crate::disk::{Done, Fault, Injection, Progress};

/// A way in which a call fails.
#[derive(Clone, Copy, Debug)]
struct Way {
    fault: Fault,
    /// How many recoveries behind the scenario fail like that.
    recoveries: usize,
    /// The kernel goes on showing what it has lost.
    stays_shown: bool,
}

impl Way {
    const fn new(fault: Fault, recoveries: usize) -> Self {
        Self {
            fault,
            recoveries,
            stays_shown: !matches!(fault, Fault::SyncReverts | Fault::SyncEvicts),
        }
    }
}

/// Calls that fail and say so (F15, F17, F31).
const SAYING_SO: &[Way] = &[
    Way::new(Fault::SyncLosesPages, 2),
    Way::new(Fault::SyncReverts, 2),
    Way::new(Fault::WriteFails(Done::Nothing), 1),
];

/// Calls of which only a later one says that they failed, or shows what they lost (F16, F18, F19).
const LATER: &[Way] = &[
    Way::new(Fault::SyncFailsLate, 1),
    Way::new(Fault::WritebackFails, 1),
    Way::new(Fault::SyncEvicts, 1),
];

/// What a recovery must show.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Up to this transaction at least.
    low: u64,
    /// Log and later acknowledgements rest on a sync that lost something and said nothing: what it covered may be missing, or
    /// the opening be refused because of that.
    has_hole: bool,
}

/// The process is gone, the machine is not.
const KILL: Termination = Termination::ProcessKill(Progress::Nothing);

/// Openings that may fail, one after the other, for what has happened before: one for each file, and one for each copy that
/// the cache gives up.
pub const FAILED_OPENINGS_MAX: usize = 8;

/// Fails every sync and every write of a scenario and of the recoveries behind it, in every combination, so that the call says
/// so. Ends with the first finding.
pub fn fail_calls<X: Subject>(scenario: &X, effort: &Effort) -> Result<Coverage, Box<Failure>> {
    let mut search = Search::new(scenario, effort);
    let base = search.base()?;
    fail_in_ways(search, &base, SAYING_SO)
}

/// The same for failures that later calls tell of, those of files that nobody has open among them.
pub fn fail_unnoticed<X: Subject>(scenario: &X, effort: &Effort) -> Result<Coverage, Box<Failure>> {
    let mut search = Search::new(scenario, effort);
    let base = search.base()?;
    for change in 0.. {
        if !search.fail_after_kill(&base.0, &base.1, change)? {
            break;
        }
    }
    for change in 0.. {
        if !search.fail_in_recovery_after_kill(&base.0, &base.1, change)? {
            break;
        }
    }
    fail_in_ways(search, &base, LATER)
}

fn fail_in_ways<X: Subject>(
    mut search: Search<'_, X>,
    (disk, history): &(Disk, History<X::State>),
    ways: &[Way],
) -> Result<Coverage, Box<Failure>> {
    for way in ways {
        for n in 0.. {
            if !search.fail_in_script(disk, history, way, n)? {
                break;
            }
        }
    }
    Ok(search.coverage)
}

impl<X: Subject> Search<'_, X> {
    /// Runs the script with the n-th of these faults. False if the script ended before.
    fn fail_in_script(
        &mut self,
        disk: &Disk,
        base: &History<X::State>,
        way: &Way,
        n: u64,
    ) -> Result<bool, Box<Failure>> {
        let Run {
            vfs,
            watcher,
            history,
            done,
        } = self.run(disk, base, |vfs| vfs.inject(Injection::once(way.fault, n)));
        if vfs.faults_fired() == 0 {
            self.finished(done, &vfs, &watcher)?;
            return Ok(false);
        }
        self.told(done, &vfs, &watcher)?;
        let due = Due {
            low: history.durable(),
            has_hole: history.hole.is_some(),
        };
        self.after_failure(&vfs, (way, n), &history, due, way.recoveries)?;
        Ok(true)
    }

    /// F18: the process is killed before this change, and then writeback of each file of the database fails. False if the
    /// script ended before.
    fn fail_after_kill(
        &mut self,
        disk: &Disk,
        base: &History<X::State>,
        change: u64,
    ) -> Result<bool, Box<Failure>> {
        let (mut has_crashed, mut point) = (false, None);
        for path in [life::DATA, life::LOG] {
            let at = CrashPoint {
                change,
                phase: Phase::Before,
            };
            let Run {
                vfs,
                watcher,
                history,
                done,
            } = self.run(disk, base, |vfs| vfs.crash_at(at));
            has_crashed = vfs.crashed();
            if has_crashed {
                self.told(done, &vfs, &watcher)?;
                point = Some(at);
            } else {
                self.finished(done, &vfs, &watcher)?;
            }
            if !vfs.fail_writeback(Path::new(path)) {
                continue;
            }
            self.coverage.ends += 1;
            self.steps.push(Step {
                point,
                termination: KILL,
                survivors: format!("  writeback of {path} fails\n"),
            });
            let due = Due {
                low: history.acked_kill.max(history.acked_durable),
                has_hole: false,
            };
            self.recover_for_good(&vfs.crash_state().image(KILL), &history, due)?;
            self.steps.pop();
        }
        Ok(has_crashed)
    }

    /// F16: the process is killed before this change, and syncs of the recovery lose something and say nothing. False if the
    /// script ended before.
    fn fail_in_recovery_after_kill(
        &mut self,
        disk: &Disk,
        base: &History<X::State>,
        change: u64,
    ) -> Result<bool, Box<Failure>> {
        let at = CrashPoint {
            change,
            phase: Phase::Before,
        };
        let Run {
            vfs,
            watcher,
            history,
            done,
        } = self.run(disk, base, |vfs| vfs.crash_at(at));
        if !vfs.crashed() {
            return Ok(false);
        }
        self.told(done, &vfs, &watcher)?;
        self.coverage.ends += 1;
        self.steps.push(Step {
            point: Some(at),
            termination: KILL,
            survivors: String::new(),
        });
        let due = Due {
            low: history.acked_durable,
            has_hole: false,
        };
        let image = vfs.crash_state().image(KILL);
        let way = Way::new(Fault::SyncFailsLate, 1);
        let mut n = 0;
        while self.fail_in_recovery(&image, &history, (&way, n), due, 1)? {
            n += 1;
        }
        self.steps.pop();
        Ok(true)
    }

    /// A life in which a call failed ended with an error that says so, or in order.
    fn told(
        &mut self,
        done: Result<Result<(), Stop>, Broken>,
        vfs: &SimVfs,
        watcher: &Watcher,
    ) -> Result<(), Box<Failure>> {
        self.coverage.points += 1;
        self.mark(vfs);
        let broken = match done {
            Err(panic) => Some(panic),
            Ok(Err(Stop::Broken(broken))) => Some(broken),
            Ok(_) => violation(vfs, watcher),
        };
        match broken {
            Some(broken) => Err(self.failure(broken, vfs)),
            None => Ok(()),
        }
    }

    /// What a life leaves in which a call failed: recovered after a power loss, and after a kill by recoveries of
    /// which every such call fails in turn.
    fn after_failure(
        &mut self,
        vfs: &SimVfs,
        (way, n): (&Way, u64),
        history: &History<X::State>,
        due: Due,
        recoveries: usize,
    ) -> Result<(), Box<Failure>> {
        let state = vfs.crash_state();
        for termination in [KILL, drop_all()] {
            self.coverage.ends += 1;
            let file = vfs.struck().unwrap_or_default();
            self.steps.push(Step {
                point: None,
                termination,
                survivors: format!("  {:?}, call {n}, of {}\n", way.fault, file.display()),
            });
            let image = state.image(termination);
            let mut due = due;
            if termination == KILL {
                for n in 0.. {
                    if recoveries == 0
                        || !self.fail_in_recovery(&image, history, (way, n), due, recoveries)?
                    {
                        break;
                    }
                }
                if way.stays_shown {
                    due.low = due.low.max(history.acked_kill);
                }
            }
            self.recover_for_good(&image, history, due)?;
            self.steps.pop();
        }
        Ok(())
    }

    /// Recovers with the n-th of these faults. False if the recovery came to its end before.
    fn fail_in_recovery(
        &mut self,
        image: &Disk,
        history: &History<X::State>,
        (way, n): (&Way, u64),
        due: Due,
        recoveries: usize,
    ) -> Result<bool, Box<Failure>> {
        let (vfs, watcher) = self.boot(image.clone(), 1 + self.steps.len() as u64);
        vfs.inject(Injection::once(way.fault, n));
        let opened = unpanicked(|| self.scenario.open(&vfs, &watcher, history.clone()));
        if vfs.faults_fired() == 0 {
            return Ok(false);
        }
        self.told(opened.map(|life| life.map(|_| ())), &vfs, &watcher)?;
        self.coverage.in_recovery += 1;
        self.after_failure(&vfs, (way, n), history, due, recoveries - 1)?;
        Ok(true)
    }

    /// Recovers with no fault any more: what is due is there, and what is shown stays.
    fn recover_for_good(
        &mut self,
        image: &Disk,
        history: &History<X::State>,
        due: Due,
    ) -> Result<(), Box<Failure>> {
        let mut image = image.clone();
        for _ in 0..FAILED_OPENINGS_MAX {
            let (vfs, watcher) = self.boot(image.clone(), 1 + self.steps.len() as u64);
            let opened = unpanicked(|| self.scenario.open(&vfs, &watcher, history.clone()));
            let is_refused = matches!(&opened, Ok(Err(Stop::Open(e))) if life::is_refusal(e));
            if is_refused && due.has_hole {
                return self.told(Ok(Ok(())), &vfs, &watcher);
            }
            let stopped = matches!(&opened, Ok(Err(stop)) if !matches!(stop, Stop::Broken(_)));
            if stopped && image.has_failures_to_come() {
                // The kernel has told this one; the next begins with a file of which nobody says anything any more.
                self.told(Ok(Ok(())), &vfs, &watcher)?;
                image = vfs.crash_state().image(KILL);
                continue;
            }
            let life = self.opened_by(opened, &vfs, &watcher)?;
            return self.stays(life, &vfs, &watcher, due);
        }
        let (vfs, _) = self.boot(image, 1);
        let detail = "it does not open again and again";
        Err(self.failure(Broken::new(LIVENESS, detail), &vfs))
    }

    /// What a life that has opened the files shows is what is due, and stays; it goes on.
    fn stays(
        &mut self,
        mut life: X::Life,
        vfs: &SimVfs,
        watcher: &Watcher,
        due: Due,
    ) -> Result<(), Box<Failure>> {
        self.coverage.images += 1;
        let shown = X::history(&life).issued();
        if shown < due.low {
            let detail = format!("{} was acknowledged, {shown} is there", due.low);
            return Err(self.failure(Broken::new("O1", detail), vfs));
        }
        if !due.has_hole {
            self.still_shown(&vfs.crash_state(), shown, &X::history(&life))?;
        }
        self.check(vfs, watcher, LIVENESS, || X::goes_on(&mut life))?;
        // It has made a checkpoint, on which no hole of the log before is of any account.
        let after = X::history(&life);
        self.still_shown(&vfs.crash_state(), after.issued(), &after)
    }
}
