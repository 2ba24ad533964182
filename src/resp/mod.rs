//! The wire protocol, RESP2 and RESP3: bytes to requests ([`parser`]), replies to bytes ([`reply`],
//! [`encode`]) and back ([`value`]). No I/O.

pub mod double;
pub mod encode;
pub mod glob;
pub mod integer;
pub mod line;
pub mod parser;
pub mod reply;
pub mod strtod;
pub mod text;
pub mod value;

pub use reply::{ErrorReply, Proto, Reply, ReplyMark, Stream, StreamError};
