//! The thread of periodic jobs: `hz` times a second it takes the engine lock and gives each job its turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Shared;
use crate::keyspace::Keyspace;

/// Something to do regularly under the engine lock: expiry, triggers of checkpoints. A turn is short.
pub trait Job: Send {
    /// One turn; `now_ms` is the wall time in milliseconds.
    fn run(&mut self, keyspace: &mut Keyspace, now_ms: u64);
}

/// The running thread.
pub struct Background {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

/// Whether the thread is to end, and how it hears of it.
#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Background {
    /// Starts the thread with these jobs.
    pub fn start(shared: Arc<Shared>, jobs: Vec<Box<dyn Job>>) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("background".to_owned())
            .spawn(move || run(&shared, &stopped, jobs))?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread after the turn that is on.
    pub fn stop(self) {
        *self.stop.asked.lock() = true;
        self.stop.changed.notify_one();
        if self.thread.join().is_err() {
            tracing::error!("the background thread panicked");
        }
    }
}

fn run(shared: &Shared, stop: &Stop, mut jobs: Vec<Box<dyn Job>>) {
    loop {
        let hz = shared.server.tuning.hz.load(Ordering::Relaxed).max(1);
        let mut asked = stop.asked.lock();
        if !*asked {
            stop.changed
                .wait_for(&mut asked, Duration::from_micros(1_000_000 / hz));
        }
        if *asked {
            return;
        }
        drop(asked);
        let server = &shared.server;
        server.stats.sample_rates(server.clock.mono_us());
        server.peers.close_idle(server.clock.mono_us());
        if server.switches.cron_paused.load(Ordering::Relaxed) {
            continue;
        }
        for job in &mut jobs {
            // Each job has a hold of its own, so that commands get in between.
            let mut keyspace = shared.engine.lock();
            job.run(&mut keyspace, shared.server.clock.wall_ms());
        }
    }
}
