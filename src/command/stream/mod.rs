//! Streams: entries with IDs that go up, and groups of consumers that share them.

pub mod claim;
pub mod groups;
pub mod info;
pub mod pending;
pub mod range;
pub mod read;
pub mod read_group;

mod ask;
mod id_word;
mod record_reply;
mod told;
mod trim_words;
mod write;

pub use range::{xlen, xrange, xrevrange};
pub use write::{xadd, xdel, xsetid, xtrim};
