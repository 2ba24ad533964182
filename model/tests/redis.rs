//! The model against a real Redis, so that the oracle itself is tested.
//!
//! The server is the one of `REDKEEP_TEST_REDIS`, or `redis-server` from the PATH; without either
//! there is nothing to compare with, and the test says so. `REDKEEP_CASES` is the number of
//! sequences, `REDKEEP_SEED` repeats those of an earlier run.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use redkeep_model::compare::{Options, Process, Trial};
use redkeep_model::generate::Features;
use redkeep_model::skipped;

fn redis_program() -> Option<PathBuf> {
    if let Some(program) = env::var_os("REDKEEP_TEST_REDIS") {
        return Some(PathBuf::from(program));
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|program| program.is_file())
}

fn redis_arguments(port: u16, folder: &Path) -> Vec<OsString> {
    let fixed = [
        "--save",
        "",
        "--appendonly",
        "no",
        "--enable-debug-command",
        "yes",
    ];
    let mut arguments: Vec<OsString> = vec!["--port".into(), port.to_string().into()];
    arguments.extend(["--dir".into(), folder.into()]);
    arguments.extend(fixed.map(OsString::from));
    arguments
}

#[test]
fn a_real_redis_answers_as_the_model_does() {
    let Some(program) = redis_program() else {
        skipped("no redis-server is on the PATH and none in REDKEEP_TEST_REDIS");
        return;
    };
    let server = Process::start(&program, Box::new(redis_arguments)).expect("the server starts");
    let features = Features { checkpoint: false };
    let trial = Trial::of_environment(60, features, Options::default());
    if let Err(counterexample) = trial.run(server.address()) {
        panic!("{counterexample}");
    }
    println!("{} sequences, seed {}", trial.cases, trial.seed);
}
