//! The driver: sends generated steps to a server and to the model, and compares the replies.

pub mod messages;
mod process;
mod session;
mod socket;
mod transcript;
mod trial;
mod wire;

use std::io;

use thiserror::Error;

pub use process::{ArgumentsOf, Process};
pub use session::{Options, Session};
pub use transcript::quoted;
pub use trial::{Counterexample, Trial};
pub use wire::{Node, elements, parse, read_reply};

/// Why a sequence did not pass.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("{transcript}\n# model:  {expected}\n# server: {actual}")]
    Divergence {
        transcript: String,
        expected: String,
        actual: String,
    },
    /// A key expired while the server worked on a request, so that either answer may be right.
    #[error("a key expired during a request")]
    Inconclusive,
    #[error("{transcript}\n# {error}")]
    Connection {
        transcript: String,
        error: io::Error,
    },
}
