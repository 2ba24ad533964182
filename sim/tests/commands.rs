//! Redis commands of every type under a crash at every change of every scripted scenario, and of their recoveries.

mod sweep;

use redkeep::storage::planted::Planted;
use redkeep_sim::commands::dump::Dumps;
use redkeep_sim::commands::{append, backup, dump, random, repeat, scripts};
use redkeep_sim::engine::exhaust::Effort;
use redkeep_sim::seed::Seed;

/// `SIM_ONLY` names one scenario, `SIM_THOROUGH` tries every tear.
#[test]
fn scripted_scenarios_survive_a_crash_at_every_change() {
    let effort = Effort {
        recoveries_alike: 1,
        ..Effort::usual(Seed(1))
    };
    sweep::scenarios(&scripts::all(), |_| true, effort);
}

/// `SIM_SEEDS` is how many, `SIM_FIRST` the first one.
#[test]
fn random_runs_keep_what_was_acknowledged_and_repeat_exactly() {
    sweep::seeds(random::run);
}

#[test]
fn many_random_runs_serve_clients_that_waited() {
    let served = (0..40).filter(|n| {
        let run = random::run(Seed(*n), Planted::none());
        run.is_ok_and(|coverage| coverage.served > 0)
    });
    let served = served.count();
    println!("{served} of 40 seeds served a client that had to wait");
    assert!(served > 13, "{served} of 40");
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
fn a_dump_that_a_power_loss_left_with_two_names_is_not_lost_to_the_next() {
    let ends = dump::over_two_names().unwrap_or_else(|broken| panic!("{broken:?}"));
    println!("{ends} ends with two names");
    assert!(ends > 3, "{ends}");
}

#[test]
fn what_is_said_to_the_append_only_file_gives_the_same_data_later() {
    for n in 0..500 {
        if let Err(failure) = repeat::run(Seed(n), Planted::none()) {
            panic!("seed {n}: {failure}");
        }
    }
}

#[test]
fn a_backup_is_whole_or_not_there() {
    sweep::scenarios(
        &backup::all(Planted::none()),
        |_| true,
        Effort::beside(Seed(1)),
    );
}

#[test]
fn backups_have_what_the_database_had_while_commands_and_checkpoints_went_on() {
    sweep::seeds(backup::run);
}

#[test]
fn the_append_only_file_reads_as_the_database_was() {
    sweep::scenarios(
        &append::all(Planted::none()),
        |_| true,
        Effort::beside(Seed(1)),
    );
}
