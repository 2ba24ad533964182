//! The life of a server: listen, accept, and end in order.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal as on_signal};

use super::background::Background;
use super::housekeeping::Housekeeping;
use super::listener::{ListenOptions, listen_unix, prepare_tcp};
use super::socket::Accepted;
use super::tcp_listeners::{AcceptedTcp, TcpListeners};
use super::tls::Tls;
use super::worker::{NewConnection, WorkerHandle};
use super::{Shared, StartError};
use crate::command::client::{Entry, Origin, signal};
use crate::command::shutdown::Request;
use crate::command::stats::add;
use crate::config::Config;

/// How often connections are looked at for `timeout`.
const SWEEP: Duration = Duration::from_secs(1);
/// How long accepting pauses when the process has no more file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// How long connections may take at the end to send what is ready.
const LAST_WORDS: Duration = Duration::from_secs(1);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
    password is set for the default user. In this mode connections are only accepted from the loopback interface. \
    If you want to connect from external computers to Redis you may adopt one of the following solutions: \
    1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface \
    by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly \
    accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. \
    2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting \
    the protected mode option to 'no', and then restarting the server. \
    3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. \
    4) Set up an authentication password for the default user. \
    NOTE: You only need to do one of the above things in order for the server to start accepting connections from \
    the outside.\r\n";

/// How the server listens and how many threads it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub listen: ListenOptions,
    /// Worker threads; 0: one for every two processors, rounded up.
    pub workers: usize,
    /// SIGTERM and SIGINT end the server.
    pub signals: bool,
}

impl Options {
    /// What the configuration says.
    pub fn from_config(config: &Config) -> Self {
        let mode = config.unixsocket_mode();
        Self {
            listen: ListenOptions {
                bind: config
                    .bind()
                    .iter()
                    .map(|address| String::from_utf8_lossy(address).into_owned())
                    .collect(),
                port: config.port(),
                tls_port: config.tls_port(),
                any_port: false,
                backlog: config.tcp_backlog(),
                unixsocket: config.unixsocket(),
                unixsocketperm: (mode != 0).then_some(mode),
            },
            workers: config.workers(),
            signals: true,
        }
    }
}

/// What happens to the data when the server ends.
pub trait Lifecycle {
    /// Syncs the log and makes a checkpoint while connections are still served. False: it failed, and the server
    /// goes on unless the request forces it to end.
    fn prepare_shutdown(&mut self, request: Request) -> bool;
}

/// A server that listens and does not serve yet.
pub struct Listening {
    shared: Arc<Shared>,
    listeners: Arc<TcpListeners>,
    unix: Option<(PathBuf, std::os::unix::net::UnixListener)>,
    options: Options,
}

impl Listening {
    /// Opens the sockets.
    pub fn open(shared: Arc<Shared>, options: Options) -> Result<Self, StartError> {
        let tls = Arc::new(Tls::default());
        if options.listen.tls_port != 0 {
            tls.load(&shared.server.config)?;
        }
        let listeners = Arc::new(TcpListeners::open(&options.listen, tls)?);
        let unix = match &options.listen.unixsocket {
            Some(path) => Some((path.clone(), listen_unix(path, &options.listen)?)),
            None => None,
        };
        Ok(Self {
            shared,
            listeners,
            unix,
            options,
        })
    }

    /// The TCP sockets, which can be changed while the server runs.
    pub fn listeners(&self) -> Arc<TcpListeners> {
        Arc::clone(&self.listeners)
    }

    /// The TCP addresses listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// Serves until SHUTDOWN, SIGTERM or SIGINT, then returns with every thread ended.
    pub fn serve(
        self,
        housekeeping: Housekeeping,
        lifecycle: &mut dyn Lifecycle,
    ) -> Result<(), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let count = match self.options.workers {
            // They meet at the engine lock; the threads around the log and the checkpoints need the other cores.
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
            n => n,
        };
        let workers: Vec<_> = (0..count)
            .map(|index| WorkerHandle::start(index, count, Arc::clone(&self.shared)))
            .collect::<io::Result<_>>()?;
        let background = Background::start(Arc::clone(&self.shared), housekeeping)?;
        let acceptor = Acceptor {
            shared: Arc::clone(&self.shared),
            workers,
            unix_path: self.unix.as_ref().map(|(path, _)| path.clone()),
        };
        let signals = self.options.signals;
        self.listeners.accept_in(runtime.handle())?;
        let listeners = Arc::clone(&self.listeners);
        let mut sources =
            runtime.block_on(async { Sources::open(listeners, self.unix, signals) })?;
        runtime.block_on(acceptor.accept_until_shutdown(&mut sources, lifecycle));
        self.listeners.close();
        drop(sources);
        runtime.block_on(acceptor.say_goodbye());
        if let Some(path) = &acceptor.unix_path {
            // The name is of no use any more; a leftover would be replaced at the next start.
            let _ = std::fs::remove_file(path);
        }
        for worker in acceptor.workers {
            worker.stop();
        }
        background.stop();
        Ok(())
    }
}

/// Where events of the main thread come from.
struct Sources {
    listeners: Arc<TcpListeners>,
    unix: Option<UnixListener>,
    signals: Vec<Signal>,
    sweep: tokio::time::Interval,
}

enum Event {
    Tcp(AcceptedTcp),
    Unix(std::os::unix::net::UnixStream),
    AcceptFailed(io::Error),
    Signal,
    Shutdown(Request),
    Sweep,
}

impl Sources {
    fn open(
        listeners: Arc<TcpListeners>,
        unix: Option<(PathBuf, std::os::unix::net::UnixListener)>,
        signals: bool,
    ) -> io::Result<Self> {
        let kinds: &[SignalKind] = if signals {
            &[SignalKind::terminate(), SignalKind::interrupt()]
        } else {
            &[]
        };
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Ok(Self {
            listeners,
            unix: unix
                .map(|(_, listener)| UnixListener::from_std(listener))
                .transpose()?,
            signals: kinds
                .iter()
                .map(|&kind| on_signal(kind))
                .collect::<io::Result<_>>()?,
            sweep,
        })
    }

    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Event> {
        shared.server.shutdown.set_waker(cx.waker().clone());
        if let Some(request) = shared.server.shutdown.requested() {
            return Poll::Ready(Event::Shutdown(request));
        }
        for signal in &mut self.signals {
            if signal.poll_recv(cx).is_ready() {
                return Poll::Ready(Event::Signal);
            }
        }
        if let Poll::Ready(accepted) = self.listeners.poll_accept(cx) {
            return Poll::Ready(match accepted {
                Ok(accepted) => Event::Tcp(accepted),
                Err(error) => Event::AcceptFailed(error),
            });
        }
        if let Some(listener) = &self.unix
            && let Poll::Ready(accepted) = listener.poll_accept(cx)
        {
            return Poll::Ready(match accepted.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => Event::Unix(stream),
                Err(error) => Event::AcceptFailed(error),
            });
        }
        Pin::new(&mut self.sweep)
            .poll_tick(cx)
            .map(|_| Event::Sweep)
    }
}

/// Hands accepted connections to the workers.
struct Acceptor {
    shared: Arc<Shared>,
    workers: Vec<WorkerHandle>,
    unix_path: Option<PathBuf>,
}

impl Acceptor {
    async fn accept_until_shutdown(&self, sources: &mut Sources, lifecycle: &mut dyn Lifecycle) {
        loop {
            match poll_fn(|cx| sources.poll(&self.shared, cx)).await {
                Event::Tcp(accepted) => self.accept_tcp(accepted),
                Event::Unix(stream) => self.accept_unix(stream),
                Event::AcceptFailed(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
                Event::Sweep => self.sweep(),
                Event::Signal => {
                    let request = Request {
                        now: false,
                        force: false,
                    };
                    if self.may_end(request, lifecycle) {
                        return;
                    }
                }
                Event::Shutdown(request) => {
                    if self.may_end(request, lifecycle) {
                        return;
                    }
                }
            }
        }
    }

    fn may_end(&self, request: Request, lifecycle: &mut dyn Lifecycle) -> bool {
        tracing::info!("the server was asked to end");
        if lifecycle.prepare_shutdown(request) || request.force {
            return true;
        }
        tracing::error!("the data could not be made safe; the server goes on");
        let server = &self.shared.server;
        server.shutdown.abort();
        server.registry.signal_all(signal::SHUTDOWN_FAILED);
        false
    }

    fn sweep(&self) {
        let server = &self.shared.server;
        server.check_outputs();
        let timeout_s = server.tuning.timeout_s.load(Ordering::Relaxed);
        if timeout_s > 0 {
            let now_ms = server.clock.wall_ms();
            server.registry.close_idle(now_ms, timeout_s * 1000);
        }
    }

    /// Lets connections send what is ready, for a while, and then closes them.
    async fn say_goodbye(&self) {
        let registry = &self.shared.server.registry;
        registry.signal_all(signal::STOP);
        let end = tokio::time::Instant::now() + LAST_WORDS;
        while !registry.is_empty() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        registry.signal_all(signal::KILL);
    }

    fn accept_tcp(&self, accepted: AcceptedTcp) {
        let (stream, peer) = (accepted.stream, accepted.peer);
        let keepalive_s = self
            .shared
            .server
            .tuning
            .keepalive_s
            .load(Ordering::Relaxed);
        if let Err(error) = prepare_tcp(&stream, peer.ip(), keepalive_s) {
            tracing::debug!(%error, %peer, "a connection was gone before it was served");
            return;
        }
        let laddr = stream
            .local_addr()
            .map_or_else(|_| "?:0".to_owned(), |at| at.to_string());
        let local = peer.ip().to_canonical().is_loopback();
        let socket = match accepted.handshake {
            Some(handshake) => Accepted::Tls(stream, handshake),
            None => Accepted::Tcp(stream),
        };
        self.admit(socket, peer.to_string(), laddr, local);
    }

    fn accept_unix(&self, stream: std::os::unix::net::UnixStream) {
        if let Err(error) = stream.set_nonblocking(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let path = self.unix_path.as_deref().unwrap_or_else(|| "".as_ref());
        let addr = format!("{}:0", path.display());
        self.admit(Accepted::Unix(stream), addr.clone(), addr, true);
    }

    /// Gives a connection to the worker with the fewest, unless it is refused.
    fn admit(&self, mut socket: Accepted, addr: String, laddr: String, local: bool) {
        let server = &self.shared.server;
        let tuning = &server.tuning;
        let origin = Origin {
            addr,
            laddr,
            fd: socket.fd(),
            unix: matches!(socket, Accepted::Unix(_)),
            local,
        };
        let id = server.registry.next_id();
        let entry = Arc::new(Entry::new(id, origin, server.clock.wall_ms()));
        let protected =
            tuning.protected_mode.load(Ordering::Relaxed) && !server.users.must_log_in();
        let refusal = if server.registry.len() as u64 >= tuning.maxclients.load(Ordering::Relaxed) {
            Some(TOO_MANY)
        } else if protected && !local {
            Some(PROTECTED)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            socket.send_at_once(refusal);
            add(&server.stats.connections_rejected, 1);
            return;
        }
        add(&server.stats.connections_received, 1);
        server.registry.insert(Arc::clone(&entry));
        let worker = self
            .workers
            .iter()
            .min_by_key(|worker| worker.load())
            .expect("there is at least one worker");
        worker.serve(NewConnection { socket, entry });
    }
}
