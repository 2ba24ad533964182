//! The server against the model: generated sequences through a real socket, raw reply for raw reply.
//!
//! `REDKEEP_CASES` is the number of sequences, `REDKEEP_SEED` repeats those of an earlier run.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use redkeep_model::compare::{
    Failure, Options, Process, Session, Socket, Trial, commands, information,
};
use redkeep_model::exemptions::{idle, uncovered};
use redkeep_model::generate::{Features, covered};

/// The most steps in a sequence.
const STEPS_MAX: usize = 60;

/// Fewer sequences may leave out a change of form.
const CASES_TO_COUNT: u32 = 40;

fn start(extra: &'static [&'static str]) -> Process {
    let arguments = move |port: u16, folder: &Path| {
        let mut arguments: Vec<OsString> =
            vec!["server".into(), "--port".into(), port.to_string().into()];
        arguments.extend(["--dbfile".into(), folder.join("data.keep").into_os_string()]);
        arguments.extend(["--enable-debug-command".into(), "yes".into()]);
        arguments.extend(extra.iter().map(OsString::from));
        arguments
    };
    let program = Path::new(env!("CARGO_BIN_EXE_redkeep"));
    Process::start(program, Box::new(arguments)).expect("the server starts")
}

fn trial(options: Options) -> Trial {
    Trial::of_environment(STEPS_MAX, Features { checkpoint: true }, options)
}

/// Runs sequences, and finds that in their course collections of every kind have changed their form both ways and have
/// had trees of several levels.
fn run_and_count_forms(server: &Process, options: Options) {
    let trial = trial(Options {
        measures: true,
        ..options
    });
    let mut levels: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut served, mut run_inside, mut heard_events) = (0, 0, 0);
    let outcome = trial.run_with(|steps| {
        let mut session = Session::begin(server.address(), trial.options)?;
        session.run(steps)?;
        served += session.waits().served;
        run_inside += session.run_inside();
        heard_events += session.heard_events();
        for (kind, most) in session.levels() {
            let known = levels.entry(kind).or_default();
            *known = (*known).max(*most);
        }
        session.compare_contents()
    });
    if let Err(counterexample) = outcome {
        panic!("{counterexample}");
    }
    if trial.cases < CASES_TO_COUNT {
        return;
    }
    assert!(served > 0, "no command that waited was served");
    assert!(
        run_inside > 0,
        "nothing was run inside a transaction or a script"
    );
    println!("{run_inside} commands were run inside transactions and scripts");
    assert!(heard_events > 0, "nobody heard of a keyspace event");
    println!("{heard_events} messages about keyspace events were compared");
    let fields = information(server.address(), "storage").expect("the server answers");
    for kind in ["list", "set", "zset", "hash", "stream"] {
        for change in ["grown", "shrunk"] {
            let times: u64 = fields[&format!("{change}_{kind}")]
                .parse()
                .expect("a number");
            assert!(times > 0, "no {kind} has {change}");
        }
        let most = levels.get(kind).copied().unwrap_or(0);
        assert!(most > 1, "no {kind} had a tree of several levels");
    }
}

#[test]
fn the_server_answers_as_the_model_does() {
    run_and_count_forms(&start(&[]), Options::default());
}

#[test]
fn every_command_of_the_table_is_generated_or_has_a_reason_not_to_be() {
    let server = start(&[]);
    let table = commands(server.address()).expect("the server lists its commands");
    let generated = covered();
    assert!(table.len() > 300, "{} commands", table.len());
    assert_eq!(uncovered(&table, generated), Vec::<&str>::new());
    assert_eq!(idle(&table, generated), Vec::<&str>::new());
    // Each generator is missed once it is gone.
    for name in table
        .iter()
        .filter(|name| generated.contains(&name.as_str()))
    {
        let others: Vec<&str> = generated.iter().copied().filter(|it| it != name).collect();
        assert_eq!(uncovered(&table, &others), [name.as_str()]);
    }
}

#[test]
fn a_small_cache_and_frequent_checkpoints_change_no_reply() {
    let server = start(&["--cache-size", "1mb"]);
    let options = Options {
        checkpoint_every: Some(100),
        ..Options::default()
    };
    run_and_count_forms(&server, options);
}

/// The database of a server, which need not run, is whole, and its counts are right.
fn check(server: &Process) -> Result<(), Failure> {
    let checked = Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .arg("check")
        .arg(server.folder().join("data.keep"))
        .output()
        .expect("the program runs");
    match checked.status.code() {
        Some(0) => Ok(()),
        _ => Err(Failure::Database(
            String::from_utf8_lossy(&checked.stdout).into_owned(),
        )),
    }
}

#[test]
fn a_kill_in_the_middle_of_a_sequence_loses_no_acknowledged_change() {
    let mut server = start(&[]);
    let kills = Cell::new(0_usize);
    let outcome = trial(Options::default()).run_with(|steps| {
        // Where the kill comes depends on the length alone, so that it moves as a failure is shrunk.
        let (before, after) = steps.split_at(steps.len() * 2 / 3);
        let mut session = Session::begin(server.address(), Options::default())?;
        session.run(before)?;
        server.kill().expect("the server is running");
        check(&server)?;
        server
            .start_again()
            .expect("the server starts on what the kill left");
        kills.set(kills.get() + 1);
        session.reconnect()?;
        session.compare_contents()?;
        session.run(after)?;
        session.compare_contents()?;
        // Behind a checkpoint the data file has what the commands have done, and not the log.
        let done = Socket::connect(server.address()).and_then(|mut it| it.ask(&["CHECKPOINT"]));
        assert_eq!(done.expect("the server answers"), b"+OK\r\n");
        check(&server)
    });
    if let Err(counterexample) = outcome {
        panic!("{counterexample}");
    }
    assert!(kills.get() > 0, "no sequence was run");
}
