//! What all connections share: configuration, the registry of connections, statistics.

use std::sync::Arc;

use crate::config::Config;

/// The server as commands see it.
#[derive(Debug)]
pub struct Server {
    pub config: Arc<Config>,
}
