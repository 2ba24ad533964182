//! The driver: sends generated steps to a server and to the model, and compares the replies.

pub mod messages;
mod process;
mod session;
mod socket;
mod transcript;
mod trial;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use thiserror::Error;

pub use process::{ArgumentsOf, Process};
pub use session::{Options, Session, Waits};
pub use socket::Socket;
pub use transcript::quoted;
pub use trial::{Counterexample, Trial};
pub use wire::{Node, elements, parse, read_reply};

/// The fields of a section of INFO.
///
/// # Errors
/// If the server cannot be reached.
pub fn information(address: SocketAddr, section: &str) -> io::Result<BTreeMap<String, String>> {
    let reply = Socket::connect(address)?.ask(&["INFO", section])?;
    let text = String::from_utf8_lossy(&reply).into_owned();
    let fields = text.lines().filter_map(|line| line.trim().split_once(':'));
    Ok(fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The names of all commands and subcommands that a server lists.
///
/// # Errors
/// If the server cannot be reached, or answers no list.
pub fn commands(address: SocketAddr) -> io::Result<Vec<String>> {
    let reply = Socket::connect(address)?.ask(&["COMMAND", "LIST"])?;
    let names = parse(&reply).and_then(|node| {
        let names = node.items()?.iter().map(Node::text);
        let names = names.map(|name| Some(String::from_utf8_lossy(name?).into_owned()));
        names.collect()
    });
    names.ok_or_else(|| io::Error::other("COMMAND LIST answers no list"))
}

/// Why a sequence did not pass.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("{transcript}\n# model:  {expected}\n# server: {actual}")]
    Divergence {
        transcript: String,
        expected: String,
        actual: String,
    },
    /// What `redkeep check` says of the database behind the sequence.
    #[error("the database is not as it should be:\n{0}")]
    Database(String),
    /// A key expired while the server worked on a request, so that either answer may be right.
    #[error("a key expired during a request")]
    Inconclusive,
    #[error("{transcript}\n# {error}")]
    Connection {
        transcript: String,
        error: io::Error,
    },
}
