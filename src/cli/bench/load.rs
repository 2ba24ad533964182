//! The load: connections that send requests and wait for replies, on one thread or several.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use hdrhistogram::Histogram;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::keys::{Distribution, Keys};
use super::pace::{Due, Pace};
use super::replies::{Malformed, Replies};
use super::template::Mix;
use crate::resp::encode;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for Target {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.contains('/') {
            Self::Unix(PathBuf::from(text))
        } else {
            Self::Tcp(text.to_string())
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// When a round ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Requests(u64),
    Elapsed(Duration),
}

/// What every connection does.
#[derive(Clone, Debug)]
pub struct Load {
    pub mix: Mix,
    pub clients: u32,
    pub pipeline: u32,
    /// Requests a second that are due, replies or not; without it a connection sends as soon as it has its replies.
    pub rate: Option<f64>,
    pub threads: u32,
    pub until: Until,
    pub keyspace: u64,
    pub distribution: Distribution,
    pub exponent: f64,
    pub value_size: usize,
    pub seed: u64,
    pub password: Option<String>,
}

/// Why a round broke off.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("every reply was an error: {0}")]
    OnlyErrors(String),
    #[error("AUTH failed: {0}")]
    Auth(String),
}

/// What a round gave.
#[derive(Clone, Debug)]
pub struct Round {
    pub requests: u64,
    pub seconds: f64,
    /// Error replies.
    pub errors: u64,
    pub first_error: Option<String>,
    /// Microseconds to each reply from the sending of its batch, or from when that was due.
    pub latency_us: Histogram<u64>,
}

impl Round {
    fn new() -> Self {
        Self {
            requests: 0,
            seconds: 0.0,
            errors: 0,
            first_error: None,
            latency_us: new_histogram(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error.clone());
        self.latency_us += &other.latency_us;
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// From a microsecond to ten minutes with three digits.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid")
}

/// What connections share in a round.
#[derive(Debug)]
struct Shared {
    load: Load,
    target: Target,
    keys: Keys,
    /// Random bytes, of which values are parts.
    noise: Vec<u8>,
    /// Requests that connections have taken on.
    taken: AtomicU64,
    done: AtomicU64,
    start: Instant,
}

impl Load {
    /// Runs one round. `title` stands before its progress.
    pub fn run(&self, target: &Target, title: &str) -> Result<Round, LoadError> {
        let mut rng = Rng::with_seed(self.seed);
        let shared = Arc::new(Shared {
            load: self.clone(),
            target: target.clone(),
            keys: Keys::new(self.distribution, self.keyspace, self.exponent),
            noise: (0..self.value_size + NOISE_SPREAD)
                .map(|_| rng.u8(..))
                .collect(),
            taken: AtomicU64::new(0),
            done: AtomicU64::new(0),
            start: Instant::now(),
        });
        let threads = self.threads.min(self.clients) as usize;
        let (orders, stop) = self.orders();
        let mut of_threads: Vec<Vec<(u32, Orders)>> = (0..threads).map(|_| Vec::new()).collect();
        for (client, order) in (0..).zip(orders) {
            of_threads[client as usize % threads].push((client, order));
        }
        let rounds: Vec<Result<Round, LoadError>> = std::thread::scope(|scope| {
            let handles: Vec<_> = of_threads
                .into_iter()
                .enumerate()
                .map(|(thread, clients)| {
                    let (shared, title) = (Arc::clone(&shared), (thread == 0).then_some(title));
                    let stop = &stop;
                    scope.spawn(move || {
                        let round = run_thread(&shared, clients, title);
                        if round.is_err() {
                            stop.store(true, Ordering::Relaxed);
                        }
                        round
                    })
                })
                .collect();
            let joined = handles.into_iter().map(|handle| handle.join());
            joined
                .map(|round| round.expect("a thread of the load panicked"))
                .collect()
        });
        let mut total = Round::new();
        for round in rounds {
            total.add(&round?);
        }
        total.seconds = shared.start.elapsed().as_secs_f64();
        if total.errors == total.requests {
            let text = total.first_error.unwrap_or_default();
            return Err(LoadError::OnlyErrors(text));
        }
        Ok(total)
    }

    /// What tells each connection to send, and what ends that.
    fn orders(&self) -> (Vec<Orders>, Arc<AtomicBool>) {
        let Some(rate) = self.rate else {
            let orders = (0..self.clients).map(|_| Orders::WhenAnswered).collect();
            return (orders, Arc::default());
        };
        let pace = Pace {
            rate,
            pipeline: u64::from(self.pipeline),
            until: self.until,
        };
        let paced = pace.start(self.clients as usize);
        let orders = paced.connections.into_iter().map(Orders::WhenDue);
        (orders.collect(), paced.stop)
    }
}

/// When a connection sends its next batch.
#[derive(Debug)]
enum Orders {
    WhenAnswered,
    WhenDue(UnboundedReceiver<Due>),
}

/// How far apart in the noise two values may start.
const NOISE_SPREAD: usize = 4096;

fn run_thread(
    shared: &Arc<Shared>,
    connections: Vec<(u32, Orders)>,
    title: Option<&str>,
) -> Result<Round, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for (client, orders) in connections {
            clients.spawn(run_client(Arc::clone(shared), client, orders));
        }
        let progress = title
            .filter(|_| io::stderr().is_terminal())
            .map(|title| tokio::spawn(show_progress(Arc::clone(shared), title.to_string())));
        let mut total = Round::new();
        let mut failure = None;
        while let Some(joined) = clients.join_next().await {
            match joined.expect("a connection of the load panicked") {
                Ok(round) => total.add(&round),
                Err(error) => {
                    failure = Some(error);
                    // The others would otherwise go on until the round's end.
                    shared.taken.store(u64::MAX / 2, Ordering::Relaxed);
                    break;
                }
            }
        }
        if let Some(progress) = progress {
            progress.abort();
            eprint!("\r\x1b[K");
        }
        failure.map_or(Ok(total), Err)
    })
}

async fn show_progress(shared: Arc<Shared>, title: String) {
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let done = shared.done.load(Ordering::Relaxed);
        let seconds = shared.start.elapsed().as_secs_f64();
        let share = match shared.load.until {
            Until::Requests(requests) => done as f64 / requests as f64,
            Until::Elapsed(duration) => seconds / duration.as_secs_f64(),
        };
        let per_second = done as f64 / seconds;
        let percent = (share * 100.0).min(100.0);
        eprint!(
            "\r\x1b[K{} {title}: {percent:.0} %, {per_second:.0} requests/s",
            shared.target
        );
        // Progress that cannot be shown is no reason to stop.
        io::stderr().flush().unwrap_or_default();
    }
}

async fn run_client(shared: Arc<Shared>, client: u32, orders: Orders) -> Result<Round, LoadError> {
    match &shared.target {
        Target::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Connection::new(stream, &shared, client).run(orders).await
        }
        Target::Unix(path) => {
            let stream = UnixStream::connect(path).await?;
            Connection::new(stream, &shared, client).run(orders).await
        }
    }
}

struct Connection<'a, S> {
    stream: S,
    shared: &'a Shared,
    rng: Rng,
    out: Vec<u8>,
    input: Vec<u8>,
    replies: Replies,
    round: Round,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Connection<'a, S> {
    fn new(stream: S, shared: &'a Shared, client: u32) -> Self {
        let seed = shared.load.seed.wrapping_mul(0x1_0000_0001) ^ (u64::from(client) + 1);
        Self {
            stream,
            shared,
            rng: Rng::with_seed(seed),
            out: Vec::new(),
            input: Vec::with_capacity(16 << 10),
            replies: Replies::default(),
            round: Round::new(),
        }
    }

    async fn run(mut self, mut orders: Orders) -> Result<Round, LoadError> {
        self.authenticate().await?;
        loop {
            let (batch, due) = match &mut orders {
                Orders::WhenAnswered => (self.take_batch(), None),
                Orders::WhenDue(orders) => match orders.recv().await {
                    Some(due) => (due.requests, Some(due.at)),
                    None => break,
                },
            };
            if batch == 0 {
                break;
            }
            self.out.clear();
            for _ in 0..batch {
                self.write_request();
            }
            let start = due.unwrap_or_else(Instant::now);
            self.stream.write_all(&self.out).await?;
            self.read_replies(batch, start).await?;
            self.round.requests += batch;
            self.shared.done.fetch_add(batch, Ordering::Relaxed);
        }
        let first = self.replies.take_first_error();
        self.round.first_error = first.map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok(self.round)
    }

    async fn authenticate(&mut self) -> Result<(), LoadError> {
        let Some(password) = &self.shared.load.password else {
            return Ok(());
        };
        let mut request = Vec::new();
        encode::bulks(&mut request, [b"AUTH", password.as_bytes()].into_iter());
        self.stream.write_all(&request).await?;
        self.read_replies(1, Instant::now()).await?;
        let refusal = self.replies.take_first_error();
        self.round = Round::new();
        match refusal {
            None => Ok(()),
            Some(text) => Err(LoadError::Auth(String::from_utf8_lossy(&text).into_owned())),
        }
    }

    /// How many requests to send now; 0 at the end of the round.
    fn take_batch(&self) -> u64 {
        let pipeline = u64::from(self.shared.load.pipeline);
        let before = self.shared.taken.fetch_add(pipeline, Ordering::Relaxed);
        match self.shared.load.until {
            Until::Requests(requests) => requests.saturating_sub(before).min(pipeline),
            Until::Elapsed(duration) => {
                let stopped = before >= u64::MAX / 2;
                if stopped || self.shared.start.elapsed() >= duration {
                    0
                } else {
                    pipeline
                }
            }
        }
    }

    fn write_request(&mut self) {
        let key = self.shared.keys.next(&mut self.rng);
        let from = self.rng.usize(..NOISE_SPREAD);
        let data = &self.shared.noise[from..from + self.shared.load.value_size];
        let template = self.shared.load.mix.pick(self.rng.u32(..100));
        template.write(key, data, &mut self.out);
    }

    async fn read_replies(&mut self, mut wanted: u64, start: Instant) -> Result<(), LoadError> {
        while wanted > 0 {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(LoadError::Closed);
            }
            let elapsed_us = start.elapsed().as_micros() as u64;
            let mut at = 0;
            let mut count = 0;
            while count < wanted {
                let Some((length, is_error)) = self.replies.next(&self.input[at..])? else {
                    break;
                };
                at += length;
                count += 1;
                self.round.errors += u64::from(is_error);
            }
            wanted -= count;
            self.input.drain(..at);
            self.round
                .latency_us
                .saturating_record_n(elapsed_us.max(1), count);
        }
        Ok(())
    }
}
