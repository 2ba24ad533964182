//! The storage engine under a crash at every change of every scripted scenario, and of their recoveries.

mod sweep;

use redkeep::storage::planted::Planted;
use redkeep_sim::engine::exhaust::Effort;
use redkeep_sim::engine::life::Shape;
use redkeep_sim::engine::{damage, random, scripts};
use redkeep_sim::seed::Seed;

/// What runs where nothing is said: the others take minutes each.
const USUAL: &[&str] = &["create", "group-commit"];

/// `SIM_ONLY` names one scenario, `SIM_ALL` runs every one, `SIM_THOROUGH` tries every tear.
#[test]
fn scripted_scenarios_survive_a_crash_at_every_change() {
    let runs_all = std::env::var("SIM_ALL").is_ok();
    let usual = |name: &str| runs_all || USUAL.contains(&name);
    sweep::scenarios(&scripts::all(), usual, Effort::usual(Seed(1)));
}

/// `SIM_ONLY` names one scenario. On a full disk what was not synced cannot be written again.
#[test]
fn calls_that_fail_in_one_life_after_the_other_cost_nothing_acknowledged() {
    let has_room = |name: &str| name != "full-disk";
    sweep::failing_calls(&scripts::all(), has_room, &Effort::usual(Seed(1)));
}

/// `SIM_ONLY` names one scenario.
#[test]
fn failures_that_a_later_call_tells_of_cost_at_most_what_no_call_has_told_of() {
    let has_room = |name: &str| name != "full-disk";
    sweep::failures_told_later(&scripts::all(), has_room, &Effort::usual(Seed(1)));
}

/// `SIM_SEEDS` is how many, `SIM_FIRST` the first one.
#[test]
fn random_runs_keep_what_was_acknowledged_and_repeat_exactly() {
    sweep::seeds(random::run);
}

#[test]
fn random_runs_that_keep_the_log_have_every_transaction_in_the_archive_or_the_log() {
    sweep::seeds(random::run_kept);
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

#[test]
fn whole_writes_in_each_others_place_give_right_data_or_an_error() {
    let outcomes = damage::whole_writes(Planted::none())
        .unwrap_or_else(|broken| panic!("{}: {}", broken.oracle, broken.detail));
    println!("{} damaged databases: {outcomes:?}", outcomes.total());
    assert!(outcomes.partly > 0 && outcomes.refused > 0);
}
