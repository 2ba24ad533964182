//! An open loop: batches are due at a steady rate, whether the server keeps up or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::load::Until;

/// Requests that a connection is to send.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// When; the time that they wait because the connection is late counts as latency.
    pub at: Instant,
    pub requests: u64,
}

/// The longest sleep, so that a round that broke off ends soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// When which connection sends how much.
#[derive(Debug)]
pub struct Pace {
    /// Requests of all connections in a second.
    pub rate: f64,
    pub pipeline: u64,
    pub until: Until,
}

/// The receiving ends of a running pace, one for each connection, and its stop.
#[derive(Debug)]
pub struct Paced {
    pub connections: Vec<UnboundedReceiver<Due>>,
    pub stop: Arc<AtomicBool>,
}

impl Pace {
    /// Starts a thread that hands out batches to connections in turn, until the round's end or `stop`. What is due by
    /// then is sent, however late.
    pub fn start(self, clients: usize) -> Paced {
        let (senders, connections): (Vec<_>, Vec<_>) =
            (0..clients).map(|_| unbounded_channel()).unzip();
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        std::thread::spawn(move || self.run(&senders, &is_stopped));
        Paced { connections, stop }
    }

    fn run(&self, senders: &[UnboundedSender<Due>], is_stopped: &AtomicBool) {
        let start = Instant::now();
        for (batch, sender) in (0..).zip(senders.iter().cycle()) {
            let Some((after, requests)) = self.batch(batch) else {
                return;
            };
            let at = start + after;
            loop {
                let wait = at.saturating_duration_since(Instant::now());
                if wait.is_zero() {
                    break;
                }
                std::thread::sleep(wait.min(SLEEP_MAX));
                if is_stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
            // A connection that is gone has told its error.
            if sender.send(Due { at, requests }).is_err() {
                return;
            }
        }
    }

    /// How long after the start a batch is due, and its requests; None behind the end of the round.
    fn batch(&self, batch: u64) -> Option<(Duration, u64)> {
        let before = batch * self.pipeline;
        let after = Duration::from_secs_f64(before as f64 / self.rate);
        let requests = match self.until {
            Until::Requests(requests) => requests.saturating_sub(before).min(self.pipeline),
            Until::Elapsed(duration) if after >= duration => 0,
            Until::Elapsed(_) => self.pipeline,
        };
        (requests > 0).then_some((after, requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_due_at_the_rate_and_end_with_the_round() {
        let pace = |until| Pace {
            rate: 1000.0,
            pipeline: 4,
            until,
        };
        let ms = Duration::from_millis;
        let all = |pace: Pace| -> Vec<_> { (0..).map_while(|n| pace.batch(n)).collect() };
        assert_eq!(
            all(pace(Until::Requests(10))),
            [(ms(0), 4), (ms(4), 4), (ms(8), 2)]
        );
        assert_eq!(all(pace(Until::Elapsed(ms(8)))), [(ms(0), 4), (ms(4), 4)]);
    }
}
