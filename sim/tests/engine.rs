//! The storage engine under a crash at every change of every scripted scenario, and of their recoveries.

use std::time::Instant;

use redkeep::storage::planted::Planted;
use redkeep_sim::engine::exhaust::{Effort, explore};
use redkeep_sim::engine::life::Shape;
use redkeep_sim::engine::{damage, random, scripts};
use redkeep_sim::explore::Coverage;
use redkeep_sim::seed::Seed;

/// What runs where nothing is said: the others take minutes each.
const USUAL: &[&str] = &["create", "group-commit"];

/// `SIM_ONLY` names one scenario, `SIM_ALL` runs every one, `SIM_THOROUGH` tries every tear.
#[test]
fn scripted_scenarios_survive_a_crash_at_every_change() {
    let only = std::env::var("SIM_ONLY").ok();
    let effort = match std::env::var("SIM_THOROUGH") {
        Ok(_) => Effort::thorough(Seed(1)),
        Err(_) => Effort::usual(Seed(1)),
    };
    let mut total = Coverage::default();
    let mut failures = Vec::new();
    for scenario in scripts::all() {
        let chosen = match &only {
            Some(name) => name == scenario.name,
            None => std::env::var("SIM_ALL").is_ok() || USUAL.contains(&scenario.name),
        };
        if !chosen {
            continue;
        }
        let start = Instant::now();
        match explore(&scenario, &effort) {
            Ok(coverage) => {
                println!(
                    "{:28} {:6.1}s {coverage:?}",
                    scenario.name,
                    start.elapsed().as_secs_f64()
                );
                assert!(
                    coverage.points > 0 && coverage.images > 0,
                    "{}",
                    scenario.name
                );
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
    assert!(total.points > 0, "a scenario ran");
    println!("total {total:?}");
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
    println!(
        "{count} seeds in {:.1}s: {total:?}",
        start.elapsed().as_secs_f64()
    );
    assert!(failures.is_empty(), "seeds {failures:?} failed");
}

#[test]
fn damage_at_every_place_gives_right_data_or_an_error() {
    for page_bytes in [512, 4096] {
        let shape = Shape {
            page_bytes,
            ..Shape::default()
        };
        let outcomes = damage::every_place(shape, 1).unwrap_or_else(|broken| {
            panic!("page {page_bytes}: {}: {}", broken.oracle, broken.detail)
        });
        println!(
            "page {page_bytes}: {} damaged databases: {outcomes:?}",
            outcomes.total()
        );
        assert!(outcomes.survived > 0 && outcomes.partly > 0 && outcomes.refused > 0);
        assert_eq!(damage::mixed_up(shape).ok(), Some(2));
    }
}
