//! The directives of redis.conf and of Redkeep, as a table.

/// The configuration of a running server.
#[derive(Debug, Default)]
pub struct Config {}
