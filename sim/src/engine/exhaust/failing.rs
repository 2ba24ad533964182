//! Syncs that fail in one life after the other, with nothing but a kill between them: one of the scenario's, then one
//! of each recovery. The kernel goes on showing what it will never write, or takes it back, and only a power loss
//! tells; nothing that was acknowledged may rest on it. Writes that fail likewise.

use super::*;
use crate::disk::{Done, Fault, Injection, Progress};

/// Ways in which a call fails and says so, and how many recoveries behind the scenario fail like that.
const FAULTS: [(Fault, usize); 3] = [
    (Fault::SyncLosesPages, 2),
    (Fault::SyncReverts, 2),
    (Fault::WriteFails(Done::Nothing), 1),
];

/// The process is gone, the machine is not.
const KILL: Termination = Termination::ProcessKill(Progress::Nothing);

/// Fails every sync and every write of a scenario and of the recoveries behind it, in every combination. Ends with the
/// first finding.
pub fn fail_calls<X: Subject>(scenario: &X, effort: &Effort) -> Result<Coverage, Box<Failure>> {
    let mut search = Search::new(scenario, effort);
    let (disk, history) = search.base()?;
    for (fault, recoveries) in FAULTS {
        for n in 0.. {
            let fault = Injection::once(fault, n);
            if !search.fail_in_script(&disk, &history, fault, recoveries)? {
                break;
            }
        }
    }
    Ok(search.coverage)
}

impl<X: Subject> Search<'_, X> {
    /// Runs the script with this fault. False if the script ended before.
    fn fail_in_script(
        &mut self,
        disk: &Disk,
        base: &History<X::State>,
        fault: Injection,
        recoveries: usize,
    ) -> Result<bool, Box<Failure>> {
        let (vfs, watcher) = self.boot(disk.clone(), 1);
        vfs.inject(fault.clone());
        let mut history = base.clone();
        let done = unpanicked(|| self.scenario.run(&vfs, &watcher, &mut history));
        if vfs.faults_fired() == 0 {
            self.finished(done, &vfs, &watcher)?;
            return Ok(false);
        }
        self.told(done, &vfs, &watcher)?;
        self.after_failure(&vfs, &fault, &history, recoveries)?;
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
        fault: &Injection,
        history: &History<X::State>,
        recoveries: usize,
    ) -> Result<(), Box<Failure>> {
        let state = vfs.crash_state();
        for termination in [KILL, drop_all()] {
            self.coverage.ends += 1;
            self.steps.push(Step {
                point: None,
                termination,
                survivors: format!("  {fault:?}\n"),
            });
            let image = state.image(termination);
            if termination == KILL && recoveries > 0 {
                for n in 0.. {
                    let next = Injection::once(fault.fault, n);
                    if !self.fail_in_recovery(&image, history, next, recoveries)? {
                        break;
                    }
                }
            }
            self.recover_for_good(&image, history)?;
            self.steps.pop();
        }
        Ok(())
    }

    /// Recovers with this fault. False if the recovery came to its end before.
    fn fail_in_recovery(
        &mut self,
        image: &Disk,
        history: &History<X::State>,
        fault: Injection,
        recoveries: usize,
    ) -> Result<bool, Box<Failure>> {
        let (vfs, watcher) = self.boot(image.clone(), 1 + self.steps.len() as u64);
        vfs.inject(fault.clone());
        let opened = unpanicked(|| self.scenario.open(&vfs, &watcher, history.clone()));
        if vfs.faults_fired() == 0 {
            return Ok(false);
        }
        self.told(opened.map(|life| life.map(|_| ())), &vfs, &watcher)?;
        self.coverage.in_recovery += 1;
        self.after_failure(&vfs, &fault, history, recoveries - 1)?;
        Ok(true)
    }

    /// Recovers with no fault any more: what was acknowledged is there, and what is shown stays.
    fn recover_for_good(
        &mut self,
        image: &Disk,
        history: &History<X::State>,
    ) -> Result<(), Box<Failure>> {
        let (vfs, watcher) = self.boot(image.clone(), 1 + self.steps.len() as u64);
        self.coverage.images += 1;
        let mut life = self.opened(&vfs, &watcher, history)?;
        let shown = X::history(&life).issued();
        if shown < history.acked_durable {
            let detail = format!(
                "{} was acknowledged, {shown} is there",
                history.acked_durable
            );
            return Err(self.failure(Broken::new("O1", detail), &vfs));
        }
        self.still_shown(&vfs.crash_state(), shown, &X::history(&life))?;
        self.check(&vfs, &watcher, LIVENESS, || X::goes_on(&mut life))?;
        let after = X::history(&life);
        self.still_shown(&vfs.crash_state(), after.issued(), &after)
    }
}
