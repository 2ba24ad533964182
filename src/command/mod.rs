//! Commands: the table that describes them and one file per group that carries them out.
//!
//! A command is a function from a [`Call`] to reply bytes in [`Call::out`]. It runs under the engine lock, knows
//! nothing of sockets, and leaves everything as it was when it returns a [`Failure`].

pub mod accounting;
pub mod acl;
pub mod append_only;
pub mod archive;
pub mod argument;
pub mod attempt;
pub mod backup;
pub mod bitfield;
pub mod bitmap;
pub mod bitmap_operation;
pub mod blocking;
pub mod checkpoint;
pub mod client;
pub mod client_admin;
pub mod client_eviction;
pub mod client_tracking;
pub mod collation;
pub mod config;
pub mod connection;
pub mod debug;
pub mod dispatch;
pub mod draws;
pub mod dump;
pub mod durations;
pub mod effects;
pub mod errors;
pub mod eval;
pub mod eviction;
pub mod expire;
pub mod feed;
pub mod function;
pub mod geo;
pub mod hash;
pub mod hash_expire;
pub mod hash_number;
pub mod hash_value;
pub mod hash_walk;
pub mod help;
pub mod hyperloglog;
pub mod hyperloglog_debug;
pub mod info;
pub mod instance;
pub mod introspect;
pub mod job;
pub mod keys;
pub mod keys_database;
pub mod kind;
pub mod latency;
pub mod latency_report;
pub mod libraries;
pub mod list;
pub mod list_move;
pub mod list_search;
pub mod list_value;
pub mod loading;
pub mod machine;
pub mod memory;
pub mod metrics;
pub mod migrate;
pub mod monitor;
pub mod notification;
pub mod object;
pub mod outgoing;
pub mod output_limit;
pub mod pause;
pub mod pubsub;
pub mod push;
pub mod rates;
pub mod registry;
pub mod replay;
pub mod replica_link;
pub mod replication;
pub mod request;
pub mod running;
pub mod save;
pub mod scan;
pub mod script;
pub mod script_cache;
pub mod script_debug;
pub mod script_run;
pub mod scripting;
pub mod server;
pub mod serving;
pub mod set;
pub mod set_algebra;
pub mod set_random;
pub mod set_walk;
pub mod settings;
pub mod shutdown;
pub mod slowlog;
pub mod sort;
pub mod sorted_set;
pub mod stats;
pub mod stream;
pub mod string;
pub mod string_lcs;
pub mod string_number;
pub mod string_part;
pub mod string_value;
pub mod subscriptions;
pub mod table;
pub mod tally;
pub mod tracking;
pub mod transaction;
pub mod tuning;
pub mod watch;

#[cfg(test)]
mod scripts;
#[cfg(test)]
mod testing;

use crate::keyspace::Keyspace;
use crate::resp::{ErrorReply, Reply};
use crate::storage;

/// One command being carried out.
pub struct Call<'a> {
    /// The words of the request; the first is the command's name as it was sent.
    pub args: &'a [&'a [u8]],
    pub keyspace: &'a mut Keyspace,
    /// The connection that asks.
    pub client: &'a mut client::Client,
    /// What all connections share.
    pub server: &'a server::Server,
    pub out: &'a mut Reply,
    /// Wall time of the command in milliseconds since 1970: one for the whole command, or the whole EXEC.
    pub now_ms: u64,
}

/// Why a command did not happen. Nothing of it did.
#[derive(Debug)]
pub enum Failure {
    /// The client is told.
    Reply(ErrorReply),
    /// Storage could not: a page is not in the cache (the command is parked and runs again), the disk is full,
    /// a page is damaged, the log is poisoned.
    Storage(storage::Error),
    /// It takes long, and is to run again on a thread that serves nobody else.
    Slow,
}

/// What a command returns.
pub type Outcome = Result<(), Failure>;

impl From<ErrorReply> for Failure {
    fn from(error: ErrorReply) -> Self {
        Self::Reply(error)
    }
}

impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}
