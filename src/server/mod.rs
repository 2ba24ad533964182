//! The shell: tokio, listeners, timers, signals, threads.
//!
//! ```text
//! main thread   accepts, signals, the idle sweep               (run, tcp_listeners, listener, pacing, tls)
//! worker 0..n   a runtime each: connections, batches, flush    (worker, connection, batch, flush)
//! metrics       HTTP for Prometheus                            (metrics)
//! background    housekeeping under the lock, hz times a second     (background, housekeeping)
//!
//! once the file is open:                                       (threads)
//! log-sync      fdatasync of the log                           (log_keeper)
//! checkpoint    checkpoints, room in both files                (checkpointer, ahead)
//! save          RDB files                                      (saver, dump_file)
//! backup        copies of the file                             (backups)
//! archive       copies of the log's segments                   (archiver)
//! append        the append-only file                           (appender, append_file)
//! rewrite       the base of the append-only file, when it is written anew
//! ```
//!
//! What blocks or takes long for one connection leaves its worker for the pool of its runtime (`connection`, `debugging`).
//!
//! A connection's round: read, parse, execute what is complete (one hold of the engine lock and one write to the log
//! for all connections of the worker that are ready), wait for the log if it is to be synced, write the replies.

mod ahead;
pub mod append_file;
pub mod appender;
pub mod archiver;
pub mod background;
pub mod backups;
mod batch;
pub mod checkpointer;
pub mod clean_end;
mod connection;
mod debugging;
mod dump_file;
pub mod durability;
mod flush;
pub mod housekeeping;
pub mod late_log;
pub mod listener;
pub mod locale;
pub mod log_keeper;
pub mod machine;
pub mod metrics;
mod pacing;
pub mod peers;
mod priority;
mod run;
pub mod saver;
mod socket;
mod spin;
mod tcp_listeners;
mod thread;
pub mod threads;
pub mod tls;
mod worker;

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

pub use listener::ListenOptions;
pub use run::{Lifecycle, Listening, Options};
pub use tcp_listeners::TcpListeners;

use crate::command::server::Server;
use crate::keyspace::Keyspace;
use crate::session::Store;
use durability::Durability;

/// What all threads of the server share.
pub struct Shared {
    pub server: Arc<Server>,
    /// The engine lock: whoever holds it executes.
    pub engine: Mutex<Keyspace>,
    /// An empty keyspace, for commands that need none while a script has the engine.
    pub nothing: Mutex<Keyspace>,
    pub store: Arc<dyn Store>,
    pub durability: Arc<dyn Durability>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error("none of the addresses to listen on exists here")]
    NoAddress,
    #[error("Failed to configure TLS: {0}")]
    Tls(#[from] tls::TlsError),
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}
