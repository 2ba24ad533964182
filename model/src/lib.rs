//! The oracle of Redkeep's tests: a plain in-memory Redis, a generator of requests, and a driver that
//! compares a server with the model, raw reply for raw reply.
//!
//! Nothing here is shared with the server: no encoding, no comparison, no table. Where the server is
//! clever, the model is slow and obvious: ordered maps, whole values, bit by bit loops.
//!
//! - [`Model`] executes a request at a given wall time and answers the bytes Redis 7.4 would send.
//! - [`generate`] makes requests: one row a command, every option and documented error of each.
//! - [`compare`] runs generated steps through a socket and compares; [`exemptions`] is the one place
//!   that says which replies are not compared raw, by which rule they are compared instead, and why.
//! - [`skipped`] is what a test says that finds no Redis, or no other program that it needs.

pub mod compare;
pub mod exemptions;
pub mod generate;

mod administration;
mod bitfields;
mod bitmaps;
pub mod blocking;
mod clients;
mod commands;
mod configuration;
mod connection;
mod counters;
mod databases;
mod doubles;
mod dumps;
mod errors;
mod expiry;
mod extended;
mod geo;
mod glob;
mod hash_expiry;
mod hashes;
mod hyperloglog;
mod introspection;
mod keys;
mod lists;
mod named_keys;
mod needs;
mod notifications;
mod numbers;
mod object;
mod pubsub;
mod quicklist;
mod reply;
mod scan;
mod scripts;
mod server;
mod sets;
mod sha1;
mod sha256;
mod sort;
mod sorted_sets;
mod stages;
mod state;
mod streams;
mod strings;
mod subsequence;
mod table;
mod tracking;
mod transactions;
mod users;

pub use glob::matches as glob_matches;
pub use needs::skipped;
pub use reply::{Protocol, Reply};
pub use state::{ConnectionId, Entry, Model};
