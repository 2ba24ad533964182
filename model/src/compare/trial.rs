//! Many generated sequences against one server, and the smallest that fails.

use std::cell::{Cell, RefCell};
use std::env;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use thiserror::Error;

use super::{Failure, Options, Session};
use crate::generate::{self, Features, Step};

/// A sequence that a key expired in is run again this often.
const ATTEMPTS: usize = 5;

/// How many simpler sequences are tried after a failure.
const SHRINKS_MAX: u32 = 4_000;

/// A number of sequences to run.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    pub cases: u32,
    /// The most steps in a sequence.
    pub length: usize,
    /// The same seed gives the same sequences.
    pub seed: u64,
    pub features: Features,
    pub options: Options,
}

/// The smallest failing sequence that was found.
#[derive(Debug, Error)]
#[error("seed {seed}, sequence {number} fails; in its smallest form:\n{report}")]
pub struct Counterexample {
    pub seed: u64,
    /// Which sequence of the seed fails, the first being 1.
    pub number: u32,
    pub report: String,
}

impl Trial {
    /// As many sequences as `REDKEEP_CASES` says, of the seed `REDKEEP_SEED`; without those, some of a seed of its own.
    pub fn of_environment(length: usize, features: Features, options: Options) -> Self {
        Self {
            cases: number("REDKEEP_CASES").unwrap_or(60) as u32,
            length,
            seed: number("REDKEEP_SEED").unwrap_or_else(fresh_seed),
            features,
            options,
        }
    }

    /// Runs the sequences against a server that is there for nothing else.
    ///
    /// # Errors
    /// The smallest sequence that the server answers otherwise than the model.
    pub fn run(&self, address: SocketAddr) -> Result<(), Counterexample> {
        self.run_with(|steps| {
            let mut session = Session::begin(address, self.options)?;
            session.run(steps)?;
            session.compare_contents()
        })
    }

    /// Runs the sequences through a check of the caller's.
    ///
    /// # Errors
    /// The smallest sequence that the check refuses.
    pub fn run_with(
        &self,
        check: impl FnMut(&[Step]) -> Result<(), Failure>,
    ) -> Result<(), Counterexample> {
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: SHRINKS_MAX,
            ..Config::default()
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let check = RefCell::new(check);
        let passed = Cell::new(0);
        let has_failed = Cell::new(false);
        // Where a server has ended, simpler forms of the sequence show nothing: they find it gone.
        let is_gone = Cell::new(false);
        let steps = generate::steps(self.length, self.features);
        let outcome = TestRunner::new_with_rng(config, rng).run(&steps, |steps| {
            if is_gone.get() {
                return Ok(());
            }
            let outcome = conclusive(&steps, &mut *check.borrow_mut());
            // Those behind a failure are simpler forms of it.
            has_failed.set(has_failed.get() || outcome.is_err());
            passed.set(passed.get() + u32::from(!has_failed.get()));
            is_gone.set(matches!(outcome, Err(Failure::Connection { .. })));
            outcome.map_err(|failure| TestCaseError::fail(failure.to_string()))
        });
        outcome.map_err(|error| Counterexample {
            seed: self.seed,
            number: passed.get() + 1,
            report: match error {
                TestError::Fail(reason, _) | TestError::Abort(reason) => reason.to_string(),
            },
        })
    }
}

/// Runs a check again if its timing was unlucky. One that always is, is let through.
fn conclusive(
    steps: &[Step],
    check: &mut impl FnMut(&[Step]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        match check(steps) {
            Err(Failure::Inconclusive) => {}
            conclusive => return conclusive,
        }
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn fresh_seed() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    since.as_nanos() as u64
}
