//! The thread that does [`Housekeeping`], `hz` times a second, under the engine lock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::housekeeping::Housekeeping;
use super::thread::Thread;
use crate::sync::{Inbox, Wake};

/// The running thread.
pub struct Background {
    inbox: Arc<Inbox<()>>,
    thread: Thread,
}

impl Background {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>, housekeeping: Housekeeping) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let of_thread = Arc::clone(&inbox);
        let thread = Thread::start("background", move || run(&shared, &of_thread, housekeeping))?;
        Ok(Self { inbox, thread })
    }

    /// Ends the thread after the turn that is on.
    pub fn stop(self) {
        self.inbox.stop();
        self.thread.join();
    }
}

fn run(shared: &Shared, inbox: &Inbox<()>, mut housekeeping: Housekeeping) {
    loop {
        let hz = shared.server.tuning.hz.load(Ordering::Relaxed).max(1);
        let period = Duration::from_micros(1_000_000 / hz);
        if inbox.wait(Some(period), |()| None::<()>) == Wake::Stop {
            return;
        }
        let server = &shared.server;
        server.stats.sample_rates(server.clock.mono_us());
        server.peers.close_idle(server.clock.mono_us());
        if server.switches.cron_paused.load(Ordering::Relaxed) {
            continue;
        }
        let mut keyspace = shared.engine.lock();
        housekeeping.run(&mut keyspace, server.clock.wall_ms());
    }
}
