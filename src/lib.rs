//! Redkeep: Redis is the API, one file is the database.
//!
//! The folders are the layers, and each imports only those below it (`tests/tidy/layers.rs` checks it). `resp`,
//! `vfs` and `sync` import no layer at all, `config` only `resp`, and `storage` only `vfs` and `sync`:
//!
//! ```text
//! cli         subcommands and flags
//! db          the database inside another program: no sockets, no threads
//! server      tokio: listeners, timers, signals, threads
//! session     one connection, sans-IO: RESP in, replies out
//! command     the command table and one file per group of commands
//! script      Lua: the machine, its sandbox and libraries
//! interchange RDB, append-only files, JSON lines: what other programs write and read
//! keyspace    Redis values on trees: headers, types, expiry
//! storage     engine: trees, pages, log, snapshots, checkpoint, recovery
//! config      the directives of redis.conf as a table
//! resp        the wire protocol: parser and reply writer
//! vfs         the seam to the operating system: files, clock
//! sync        locks and atomics, which loom can replace
//! ```

#[cfg(not(loom))]
pub mod cli;
pub mod command;
pub mod config;
#[cfg(not(loom))]
pub mod db;
pub mod interchange;
pub mod keyspace;
pub mod resp;
pub mod script;
#[cfg(not(loom))]
pub mod server;
pub mod session;
pub mod storage;
pub mod sync;
pub mod vfs;

#[cfg(not(loom))]
pub use db::Db;
