//! Requests inside a request: those of a transaction or of a script, one after the other.
//!
//! Who judges the reply to each needs the model as it was at that very moment. And what a server draws by chance in one of
//! them decides what the next one meets: it is told beforehand, once the server's reply has shown it.

use std::collections::BTreeMap;

use crate::state::{Call, Model};

/// A request that another one ran.
#[derive(Clone, Debug)]
pub struct Stage {
    pub request: Vec<Vec<u8>>,
    /// The database it ran in.
    pub database: usize,
    /// The model before it.
    pub before: Model,
}

/// What the server has drawn in its replies, by the place of the request among those that another one runs. A request that
/// runs none has place 0.
pub type Draws = BTreeMap<usize, Vec<Vec<u8>>>;

#[derive(Clone, Debug, Default)]
pub struct Stages {
    is_recorded: bool,
    begun: Vec<Stage>,
    /// How many requests are running inside each other, but for the outermost.
    depth: usize,
    draws: Draws,
}

impl Model {
    /// Keeps what the requests inside the next one meet.
    pub fn record_stages(&mut self) {
        self.stages.is_recorded = true;
    }

    /// What has been kept; no more is.
    pub fn take_stages(&mut self) -> Vec<Stage> {
        std::mem::take(&mut self.stages).begun
    }

    /// Tells what the server draws in the next request.
    pub fn foretell(&mut self, draws: Draws) {
        self.stages.draws = draws;
    }
}

impl Call<'_> {
    /// A request inside this one begins.
    pub(crate) fn begin_stage(&mut self, request: &[Vec<u8>]) {
        let database = self.connection().database;
        let mut stages = std::mem::take(&mut self.model.stages);
        if stages.is_recorded && stages.depth == 0 {
            stages.begun.push(Stage {
                request: request.to_vec(),
                database,
                before: self.model.clone(),
            });
        }
        stages.depth += 1;
        self.model.stages = stages;
    }

    /// The request that began last is over.
    pub(crate) fn end_stage(&mut self) {
        self.model.stages.depth -= 1;
    }

    /// What the server draws in the request that is running, if it is known.
    pub(crate) fn foretold(&self) -> Option<&Vec<Vec<u8>>> {
        let stages = &self.model.stages;
        stages.draws.get(&stages.begun.len().saturating_sub(1))
    }
}
