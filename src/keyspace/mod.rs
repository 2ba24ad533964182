//! Redis values on trees: key headers, the types, expiry.

pub mod glob;

use crate::storage::Engine;

/// Every database of the server.
#[derive(Debug)]
pub struct Keyspace {
    pub engine: Engine,
}
