//! `simulate --profile P --seed S [--count N]`: runs of the simulator, each from its seed alone, each done twice.
//!
//! Exit codes: 0 passed, 1 an oracle found something, 2 something does not go on after faults have ended, 3 the same
//! seed gave two traces, 4 the harness itself is wrong (or was called wrongly).

use std::fmt;
use std::process::{Command, ExitCode};

use redkeep::storage::planted::Planted;
use redkeep_sim::commands;
use redkeep_sim::engine::exhaust::{Effort, Subject, explore};
use redkeep_sim::engine::{random, scripts};
use redkeep_sim::explore::{Coverage, HARNESS, LIVENESS};
use redkeep_sim::seed::Seed;
use redkeep_sim::selftest::{self, Outcome};

const PASSED: u8 = 0;
const ORACLE: u8 = 1;
const NOT_LIVE: u8 = 2;
const NOT_DETERMINISTIC: u8 = 3;
const HARNESS_ERROR: u8 = 4;

const USAGE: &str = "usage: simulate --profile self-test|planted|engine|engine-kept|engine-scripts|types|types-scripts|backups --seed NUMBER|COMMIT [--count N] [--trace]";

/// What a run exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    /// The small stores: right ones must pass, wrong ones must be found.
    SelfTest,
    /// A store with a planted bug: must fail, and shows that failures arrive.
    Planted,
    /// A random run of the storage engine.
    Engine,
    /// The same with an archive of the log.
    EngineKept,
    /// The storage engine in every scripted scenario, a crash at every change.
    EngineScripts,
    /// A random run of commands of all types.
    Types,
    /// Commands of all types in every scripted scenario, a crash at every change.
    TypesScripts,
    /// A random run of commands with a backup in each life.
    Backups,
}

impl Profile {
    const ALL: [Profile; 8] = [
        Profile::SelfTest,
        Profile::Planted,
        Profile::Engine,
        Profile::EngineKept,
        Profile::EngineScripts,
        Profile::Types,
        Profile::TypesScripts,
        Profile::Backups,
    ];

    fn name(self) -> &'static str {
        match self {
            Profile::SelfTest => "self-test",
            Profile::Planted => "planted",
            Profile::Engine => "engine",
            Profile::EngineKept => "engine-kept",
            Profile::EngineScripts => "engine-scripts",
            Profile::Types => "types",
            Profile::TypesScripts => "types-scripts",
            Profile::Backups => "backups",
        }
    }

    fn run(self, seed: Seed) -> Outcome {
        match self {
            Profile::SelfTest => selftest::run(seed),
            Profile::Planted => selftest::planted(seed),
            Profile::Engine => random::run(seed, Planted::none()),
            Profile::EngineKept => random::run_kept(seed, Planted::none()),
            Profile::EngineScripts => explore_all(&scripts::all(), seed),
            Profile::Types => commands::random::run(seed, Planted::none()),
            Profile::TypesScripts => explore_all(&commands::scripts::all(), seed),
            Profile::Backups => commands::backup::run(seed, Planted::none()),
        }
    }
}

fn explore_all<X: Subject>(scenarios: &[X], seed: Seed) -> Outcome {
    let effort = Effort::usual(seed);
    let mut total = Coverage::default();
    for scenario in scenarios {
        total.add(&explore(scenario, &effort)?);
    }
    Ok(total)
}

/// The arguments of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arguments {
    profile: Profile,
    seed: Seed,
    /// How many seeds, this one and those after it.
    count: u64,
    /// Whether a failure prints its survivors and I/Os after its line.
    trace: bool,
}

/// Arguments that make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ArgumentError {
    Unknown(String),
    NoValue(&'static str),
    Missing(&'static str),
    Profile(String),
    Seed(redkeep_sim::seed::SeedError),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgumentError::Unknown(argument) => write!(f, "unknown argument {argument:?}"),
            ArgumentError::NoValue(flag) => write!(f, "{flag} needs a value"),
            ArgumentError::Missing(flag) => write!(f, "{flag} is missing"),
            ArgumentError::Profile(name) => write!(f, "no profile {name:?}"),
            ArgumentError::Seed(error) => write!(f, "{error}"),
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Arguments, ArgumentError> {
    let mut arguments = arguments.into_iter();
    let (mut profile, mut seed, mut count, mut trace) = (None, None, 1, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--profile" => {
                let name = arguments
                    .next()
                    .ok_or(ArgumentError::NoValue("--profile"))?;
                let found = Profile::ALL.into_iter().find(|p| p.name() == name);
                profile = Some(found.ok_or(ArgumentError::Profile(name))?);
            }
            "--seed" => {
                let text = arguments.next().ok_or(ArgumentError::NoValue("--seed"))?;
                seed = Some(text.parse().map_err(ArgumentError::Seed)?);
            }
            "--count" => {
                let text = arguments.next().ok_or(ArgumentError::NoValue("--count"))?;
                count = text.parse().map_err(|_| ArgumentError::Unknown(text))?;
            }
            "--trace" => trace = true,
            _ => return Err(ArgumentError::Unknown(argument)),
        }
    }
    Ok(Arguments {
        profile: profile.ok_or(ArgumentError::Missing("--profile"))?,
        seed: seed.ok_or(ArgumentError::Missing("--seed"))?,
        count,
        trace,
    })
}

/// The commit that is checked out, with a mark if files differ from it; "unknown" outside a checkout.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain"]) {
        Some(changes) if changes.is_empty() => hash,
        _ => hash + "-dirty",
    }
}

fn passed(arguments: &Arguments, coverage: &Coverage) {
    let Coverage {
        points,
        ends,
        images,
        in_recovery,
        undecided_max,
        served,
        hash,
    } = coverage;
    println!(
        "PASS profile={} seed={} crash-points={points} ends={ends} images={images} \
         in-recovery={in_recovery} undecided-max={undecided_max} served={served} trace={hash:032x}",
        arguments.profile.name(),
        arguments.seed,
    );
}

fn simulate(arguments: &Arguments) -> u8 {
    let (first, second) = (
        arguments.profile.run(arguments.seed),
        arguments.profile.run(arguments.seed),
    );
    let name = arguments.profile.name();
    let seed = arguments.seed;
    let line = |what: &str| {
        println!(
            "FAIL commit={} profile={name} seed={seed} {what} \
             replay: cargo run -p redkeep-sim --release -- --profile {name} --seed {seed} --trace",
            commit(),
        );
    };
    let same = match (&first, &second) {
        (Ok(a), Ok(b)) => a == b,
        (Err(a), Err(b)) => a.to_string() == b.to_string() && a.trace == b.trace,
        _ => false,
    };
    if !same {
        line("oracle=O18 the same seed gave two different runs");
        return NOT_DETERMINISTIC;
    }
    match first {
        Ok(coverage) if coverage.points == 0 => {
            line("oracle=harness no crash point was looked at");
            HARNESS_ERROR
        }
        Ok(coverage) => {
            passed(arguments, &coverage);
            PASSED
        }
        Err(failure) => {
            line(&failure.to_string());
            if arguments.trace {
                print!("{}", failure.artefact());
            }
            match failure.broken.oracle {
                HARNESS => HARNESS_ERROR,
                LIVENESS => NOT_LIVE,
                _ => ORACLE,
            }
        }
    }
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) => {
            let seeds = (0..arguments.count).map(|n| arguments.seed.0.wrapping_add(n));
            let codes = seeds.map(|n| {
                simulate(&Arguments {
                    seed: Seed(n),
                    ..arguments
                })
            });
            // Every seed runs; the first failure decides.
            ExitCode::from(codes.fold(PASSED, |a, b| if a == PASSED { b } else { a }))
        }
        Err(error) => {
            eprintln!("simulate: {error}\n{USAGE}");
            ExitCode::from(HARNESS_ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Arguments, ArgumentError> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_name_a_profile_and_a_seed() {
        let arguments = parsed("--seed 7 --profile self-test").expect("both are there");
        assert_eq!(
            (arguments.profile, arguments.seed),
            (Profile::SelfTest, Seed(7))
        );
        assert!(
            parsed("--seed 7 --profile planted --trace")
                .expect("it is known")
                .trace
        );
        assert_eq!(parsed("--seed 7"), Err(ArgumentError::Missing("--profile")));
        assert_eq!(
            parsed("--profile self-test --seed"),
            Err(ArgumentError::NoValue("--seed"))
        );
        assert!(matches!(
            parsed("--profile x --seed 7"),
            Err(ArgumentError::Profile(_))
        ));
        assert!(matches!(
            parsed("--profile self-test --seed x"),
            Err(ArgumentError::Seed(_))
        ));
        assert!(matches!(parsed("run"), Err(ArgumentError::Unknown(_))));
    }

    #[test]
    fn a_planted_bug_ends_with_the_code_of_an_oracle() {
        let arguments = parsed("--profile planted --seed 1").expect("both are there");
        assert_eq!(simulate(&arguments), ORACLE);
    }
}
