//! The directives of redis.conf and of Redkeep, as a table, and the configuration of a running server.
//!
//! - [`table`]: one row a directive; [`directive`], [`kind`], [`choices`]: what rows are made of.
//! - [`value`], [`number`], [`composite`], [`events`]: reading and printing of values.
//! - [`file`], [`overrides`]: the configuration file and the command line, which turn into one text.
//! - [`store`]: [`Config`], which threads share and CONFIG GET and CONFIG SET work on; [`reads`]: its typed reads.
//! - [`rewrite`]: CONFIG REWRITE.
//! - [`memory`]: how much memory there is to take a share of.
//!
//! Architecture invariant: nothing here touches a file, a clock or a socket. Files come through [`file::Files`], the
//! effect of a change goes through [`store::Host`] and
//! [`store::Disk`].

pub mod choices;
pub mod composite;
pub mod directive;
pub mod events;
pub mod file;
pub mod kind;
pub mod memory;
pub mod number;
pub mod overrides;
pub mod reads;
pub mod rewrite;
pub mod store;
pub mod table;
pub mod value;
pub mod words;

pub use directive::{Directive, Effect};
pub use file::os_text;
pub use reads::{AppendFsync, LogLevel, OnCorruption, Permission, Supervised, TlsClients};
pub use store::{Caller, Config, Disk, Host, Refusal, RewriteError, SetError};
pub use table::{Key, TABLE};
