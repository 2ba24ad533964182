//! The server against the model: generated sequences through a real socket, raw reply for raw reply.
//!
//! `REDKEEP_CASES` is the number of sequences, `REDKEEP_SEED` repeats those of an earlier run.

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use redkeep_model::compare::{Options, Process, Session, Trial};
use redkeep_model::generate::Features;

/// The most steps in a sequence.
const STEPS_MAX: usize = 60;

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

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
    )
}

fn fresh_seed() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    since.as_nanos() as u64
}

fn trial(options: Options) -> Trial {
    Trial {
        cases: number("REDKEEP_CASES").unwrap_or(60) as u32,
        length: STEPS_MAX,
        seed: number("REDKEEP_SEED").unwrap_or_else(fresh_seed),
        features: Features { checkpoint: true },
        options,
    }
}

#[test]
fn the_server_answers_as_the_model_does() {
    let server = start(&[]);
    if let Err(counterexample) = trial(Options::default()).run(server.address()) {
        panic!("{counterexample}");
    }
}

#[test]
fn a_small_cache_and_frequent_checkpoints_change_no_reply() {
    let server = start(&["--cache-size", "1mb"]);
    let options = Options {
        checkpoint_every: Some(100),
    };
    if let Err(counterexample) = trial(options).run(server.address()) {
        panic!("{counterexample}");
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
        server
            .start_again()
            .expect("the server starts on what the kill left");
        kills.set(kills.get() + 1);
        session.reconnect()?;
        session.compare_contents()?;
        session.run(after)?;
        session.compare_contents()
    });
    if let Err(counterexample) = outcome {
        panic!("{counterexample}");
    }
    assert!(kills.get() > 0, "no sequence was run");
}
