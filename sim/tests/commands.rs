//! Redis commands of every type under a crash at every change of every scripted scenario, and of their recoveries.

mod sweep;

use redkeep::storage::planted::Planted;
use redkeep_sim::commands::dump::Dumps;
use redkeep_sim::commands::life::{Act, History, TICK_US, command, run_script};
use redkeep_sim::commands::machine::configured;
use redkeep_sim::commands::{append, backup, dump, random, repeat, scripts};
use redkeep_sim::disk::{DiskProfile, Setup, SimVfs};
use redkeep_sim::engine::exhaust::Effort;
use redkeep_sim::engine::life::{self, Shape};
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

/// Carries acts out on a disk without faults; how many clients waited and were given something.
fn carry_out(directives: &[(&str, &str)], acts: &[Act]) -> u64 {
    let vfs = SimVfs::new(DiskProfile::default(), &[life::DIR], &Setup::new(Seed(1)));
    let shape = Shape::default();
    let mut served = 0;
    run_script(
        &vfs,
        (&shape, &configured(directives)),
        &life::watcher(&shape),
        acts,
        0,
        &mut History::default(),
        &mut served,
    )
    .unwrap_or_else(|stop| panic!("{stop}"));
    served
}

/// As in Redis: only what comes where nothing is, or takes the place of something that is removed first, is news.
#[test]
fn who_waits_does_not_hear_of_what_is_stored_over_a_value_of_another_type() {
    let call = |text| Act::Call(command(text));
    let mut acts = vec![
        call("ZADD from 1 a"),
        call("RPUSH list e"),
        Act::Block(0, command("BZPOPMIN to 0")),
        call("COPY list to"),
        call("ZINTERSTORE to 1 from"),
        call("SET other 1"),
        Act::Wait(10_000),
        call("ZADD to 2 b"),
    ];
    assert_eq!(carry_out(&[], &acts), 0);
    acts.extend([call("DEL to"), call("ZADD to 3 c")]);
    assert_eq!(carry_out(&[], &acts), 1);
    acts.truncate(5);
    acts.push(call("RENAME from to"));
    assert_eq!(carry_out(&[], &acts), 1);
}

#[test]
fn a_field_is_compared_in_the_last_millisecond_of_its_life_whatever_form_its_hash_has() {
    let large = [("hash-max-listpack-entries", "2")];
    let (from_ms, ticks) = (1_750_000_000_000, 12);
    for directives in [&large[..], &[]] {
        for ms in from_ms..from_ms + ticks * TICK_US / 1000 {
            let expire = format!("HPEXPIREAT hash {ms} FIELDS 1 a");
            let mut acts = vec![
                Act::Call(command("HSET hash a 1 b 2 c 3 d 4")),
                Act::Call(command(&expire)),
            ];
            acts.extend((2..ticks).map(|_| Act::Read));
            carry_out(directives, &acts);
        }
    }
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

/// In the first the copy is looked at twice, and keys in it are due between; in the others it had the name as well beside
/// which the next one was made.
#[test]
fn a_copy_that_is_there_from_an_earlier_life_is_as_it_was() {
    for n in [2148, 3965, 4403, 5262] {
        if let Err(failure) = backup::run(Seed(n), Planted::none()) {
            panic!("seed {n}: {failure}");
        }
    }
}

#[test]
fn the_append_only_file_reads_as_the_database_was() {
    sweep::scenarios(
        &append::all(Planted::none()),
        |_| true,
        Effort::beside(Seed(1)),
    );
}

/// Those of a backup, of the append-only file and of what they are made of, and of recoveries.
#[test]
fn calls_that_fail_in_one_life_after_the_other_cost_no_backup_and_no_append_only_file() {
    let effort = Effort::usual(Seed(1));
    sweep::failing_calls(&backup::all(Planted::none()), |_| true, &effort);
    sweep::failing_calls(&append::all(Planted::none()), |_| true, &effort);
}

#[test]
fn failures_that_a_later_call_tells_of_cost_no_backup_and_no_append_only_file() {
    let effort = Effort::usual(Seed(1));
    sweep::failures_told_later(&backup::all(Planted::none()), |_| true, &effort);
    sweep::failures_told_later(&append::all(Planted::none()), |_| true, &effort);
}
