//! Append-only files: the manifest that names the parts, and commands read back from a part.
//!
//! ```text
//! NAME.manifest              file NAME.1.base.rdb seq 1 type b
//!                            file NAME.1.incr.aof seq 1 type i
//! NAME.1.base.rdb            everything at some moment, as an RDB file, or (NAME.1.base.aof) as commands
//! NAME.1.incr.aof            what was done since, as commands; lines that begin with # are notes
//! ```
//!
//! Before Redis 7 it was one file of commands, from Redis 4 on perhaps with an RDB file before them.

mod commands;
pub mod leftover;
mod manifest;
pub mod note;
pub mod ownership;
mod resume;
pub mod span;
pub mod survey;

pub use commands::{AofError, Commands, Item, Source, Tail};
pub use manifest::{BadLine, MANIFEST_BYTES_MAX, Manifest, Part};
