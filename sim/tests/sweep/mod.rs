//! Scenarios and seeds, run one after the other and told of.

use std::time::Instant;

use redkeep::storage::planted::Planted;
use redkeep_sim::engine::exhaust::{Effort, Subject, explore, fail_calls, fail_unnoticed};
use redkeep_sim::explore::{Coverage, Failure};
use redkeep_sim::seed::Seed;

/// Crashes at every change of the scenarios that `SIM_ONLY` names, or without it of those that are `usual`.
/// `SIM_THOROUGH` tries every tear.
pub fn scenarios<X: Subject>(all: &[X], usual: impl Fn(&str) -> bool, usual_effort: Effort) {
    let effort = match std::env::var("SIM_THOROUGH") {
        Ok(_) => Effort::thorough(Seed(1)),
        Err(_) => usual_effort,
    };
    each(all, usual, |scenario| explore(scenario, &effort));
}

/// Fails every sync and write of the scenarios that `SIM_ONLY` names, or without it of those that are `usual`, and of their
/// recoveries.
pub fn failing_calls<X: Subject>(all: &[X], usual: impl Fn(&str) -> bool, effort: &Effort) {
    each(all, usual, |scenario| fail_calls(scenario, effort));
}

/// The same with failures that a later call tells of.
pub fn failures_told_later<X: Subject>(all: &[X], usual: impl Fn(&str) -> bool, effort: &Effort) {
    each(all, usual, |scenario| fail_unnoticed(scenario, effort));
}

fn each<X: Subject>(
    all: &[X],
    usual: impl Fn(&str) -> bool,
    run: impl Fn(&X) -> Result<Coverage, Box<Failure>>,
) {
    let only = std::env::var("SIM_ONLY").ok();
    let mut total = Coverage::default();
    let mut failures = Vec::new();
    for scenario in all {
        let name = scenario.name();
        let is_chosen = match &only {
            Some(only) => only == name,
            None => usual(name),
        };
        if !is_chosen {
            continue;
        }
        let start = Instant::now();
        match run(scenario) {
            Ok(coverage) => {
                let s = start.elapsed().as_secs_f64();
                println!("{name:28} {s:6.1}s {coverage:?}");
                assert!(coverage.points > 0 && coverage.images > 0, "{name}");
                total.add(&coverage);
            }
            Err(failure) => {
                println!("FAIL {failure}");
                if only.is_some() {
                    println!("{}", failure.artefact());
                }
                failures.push(failure.to_string());
            }
        }
    }
    println!("total {total:?}");
    assert!(total.points > 0, "a scenario ran");
    assert!(failures.is_empty(), "{} scenarios failed", failures.len());
}

/// Random runs: `SIM_SEEDS` is how many, 2,000 without it, `SIM_FIRST` the first one.
pub fn seeds(run: fn(Seed, Planted) -> Result<Coverage, Box<Failure>>) {
    let number = |name: &str, usual: u64| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(usual)
    };
    let (first, count) = (number("SIM_FIRST", 0), number("SIM_SEEDS", 2000));
    let start = Instant::now();
    let mut total = Coverage::default();
    let mut failures = Vec::new();
    for n in first..first + count {
        match run(Seed(n), Planted::none()) {
            Ok(coverage) => {
                if n % 50 == 0 {
                    let again = run(Seed(n), Planted::none()).map(|c| c.hash);
                    assert_eq!(again.ok(), Some(coverage.hash), "seed {n} gave two traces");
                }
                total.add(&coverage);
            }
            Err(failure) => {
                println!("FAIL seed={n} {failure}");
                if count == 1 {
                    println!("{}", failure.artefact());
                }
                failures.push(n);
            }
        }
    }
    let s = start.elapsed().as_secs_f64();
    println!("{count} seeds in {s:.1}s: {total:?}");
    assert!(failures.is_empty(), "seeds {failures:?} failed");
}
