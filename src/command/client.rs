//! What a command may know and change of the connection that sent it.

/// The state of one connection.
#[derive(Debug, Default)]
pub struct Client {
    /// The number that CLIENT ID answers.
    pub id: u64,
    /// The selected database.
    pub db: u32,
}
