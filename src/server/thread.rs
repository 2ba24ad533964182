//! A thread of the server, by name.

use std::io;
use std::thread::JoinHandle;

/// A thread that runs until its work is over; whoever has it asks for that.
pub struct Thread {
    name: String,
    handle: JoinHandle<()>,
}

impl Thread {
    /// Starts a thread that tools show by this name.
    pub fn start(
        name: impl Into<String>,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let name = name.into();
        let handle = std::thread::Builder::new().name(name.clone()).spawn(work)?;
        Ok(Self { name, handle })
    }

    /// Waits for its end.
    pub fn join(self) {
        if self.handle.join().is_err() {
            tracing::error!("the {} thread panicked", self.name);
        }
    }
}
