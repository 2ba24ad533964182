//! Looks for a planted bug with the ordinary scenarios, seeds and damage, none of which was made for it.

use redkeep::storage::planted::Planted;

use super::damage;
use super::exhaust::{Effort, explore};
use super::life::Shape;
use super::{random, scripts};
use crate::explore::HARNESS;
use crate::seed::Seed;

/// What found a bug, and how much was looked at before.
#[derive(Clone, Debug)]
pub struct Found {
    /// The scenario, seed or damage.
    pub by: String,
    pub oracle: &'static str,
    /// Seeds tried before, crash points not counted.
    pub seeds: u64,
}

/// Looks for the bug: first random seeds below `seeds`, then the damage of a small database, then the scenarios.
pub fn hunt(planted: Planted, seeds: u64) -> Option<Found> {
    for n in 0..seeds {
        if let Err(failure) = random::run(Seed(n), planted)
            && failure.broken.oracle != HARNESS
        {
            return Some(Found {
                by: format!("seed {n}: {}", failure.broken.detail),
                oracle: failure.broken.oracle,
                seeds: n,
            });
        }
    }
    let shape = Shape {
        planted,
        ..Shape::default()
    };
    if let Err(broken) = damage::every_place(shape, 1) {
        return Some(Found {
            by: format!("damage: {}", broken.detail),
            oracle: broken.oracle,
            seeds,
        });
    }
    for mut scenario in scripts::all() {
        scenario.shape.planted = planted;
        if let Err(failure) = explore(&scenario, &Effort::usual(Seed(1)))
            && failure.broken.oracle != HARNESS
        {
            return Some(Found {
                by: format!("{}: {}", failure.scenario, failure.broken.detail),
                oracle: failure.broken.oracle,
                seeds,
            });
        }
    }
    None
}
