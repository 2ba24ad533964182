//! Redis commands of every type under a crash at every change of every scripted scenario, and of their recoveries.

use std::time::Instant;

use redkeep::storage::planted::Planted;
use redkeep_sim::commands::dump::Dumps;
use redkeep_sim::commands::{random, repeat, scripts};
use redkeep_sim::engine::exhaust::{Effort, explore};
use redkeep_sim::explore::Coverage;
use redkeep_sim::seed::Seed;

/// `SIM_ONLY` names one scenario, `SIM_THOROUGH` tries every tear.
#[test]
fn scripted_scenarios_survive_a_crash_at_every_change() {
    let only = std::env::var("SIM_ONLY").ok();
    let effort = match std::env::var("SIM_THOROUGH") {
        Ok(_) => Effort::thorough(Seed(1)),
        Err(_) => Effort {
            recoveries_alike: 1,
            ..Effort::usual(Seed(1))
        },
    };
    let mut total = Coverage::default();
    let mut failures = Vec::new();
    for scenario in scripts::all() {
        if only.as_ref().is_some_and(|name| name != scenario.name) {
            continue;
        }
        let start = Instant::now();
        match explore(&scenario, &effort) {
            Ok(coverage) => {
                let s = start.elapsed().as_secs_f64();
                println!("{:28} {s:6.1}s {coverage:?}", scenario.name);
                assert!(coverage.points > 0 && coverage.images > 0);
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

/// `SIM_SEEDS` is how many, `SIM_FIRST` the first one.
#[test]
fn random_runs_keep_what_was_acknowledged_and_repeat_exactly() {
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
        match random::run(Seed(n), Planted::none()) {
            Ok(coverage) => {
                if n % 50 == 0 {
                    let again = random::run(Seed(n), Planted::none()).map(|c| c.hash);
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

#[test]
fn a_dump_is_the_old_one_or_the_new_one() {
    let plan = Dumps::plan(Seed(1));
    let dumps = Dumps::default();
    match redkeep_sim::explore::explore(&dumps, &plan) {
        Ok(coverage) => {
            println!("dumps {coverage:?}");
            assert!(coverage.points > 9 && coverage.images > 100);
        }
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn what_is_said_to_the_append_only_file_gives_the_same_data_later() {
    for n in 0..500 {
        if let Err(failure) = repeat::run(Seed(n), Planted::none()) {
            panic!("seed {n}: {failure}");
        }
    }
}
