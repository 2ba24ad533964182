//! The thread that answers HTTP at `metrics-addr`: `/metrics` for Prometheus and `/healthz` for whoever looks whether the
//! server can be used.
//!
//! It holds the engine lock for as long as an INFO does, one answer at a time, and reads pages that are missing off the
//! lock. A connection is one request, small and soon.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::MutexGuard;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use super::thread::Thread;
use super::{Shared, StartError};
use crate::command::metrics;
use crate::keyspace::Keyspace;
use crate::storage::Error;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// How long a request may take to come and its answer to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that the head of a request may have: hyper's least.
const HEAD_BYTES_MAX: usize = 8192;
/// How long the engine lock is waited for. A command or script that has it for longer is told of.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// How long accepting pauses when it fails.
const ACCEPT_REST: Duration = Duration::from_millis(50);

const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("the file is being opened: {done} of {total} transactions are replayed")]
    Loading { done: u64, total: u64 },
    #[error("a command or script is taking long")]
    Busy,
    #[error(transparent)]
    Storage(#[from] Error),
}

/// The running thread.
pub struct Metrics {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: Thread,
}

impl Metrics {
    /// Listens at `place`, `HOST:PORT`, and answers.
    pub fn start(shared: Arc<Shared>, place: &str) -> Result<Self, StartError> {
        let listener = listen(place).map_err(|source| StartError::Listen {
            address: place.to_owned(),
            source,
        })?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = Thread::start("metrics", move || {
            runtime.block_on(async {
                tokio::select! {
                    // Either way it ends.
                    _ = stopped => {}
                    result = accept(shared, listener) => {
                        if let Err(error) = result {
                            tracing::error!(%error, "metrics are not answered");
                        }
                    }
                }
            });
        })?;
        Ok(Self {
            address,
            stop,
            thread,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the thread; connections are cut.
    pub fn stop(self) {
        // Nobody receives where the thread has ended by itself.
        let _ = self.stop.send(());
        self.thread.join();
    }
}

fn listen(place: &str) -> io::Result<TcpListener> {
    let mut addresses = place.to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return Ok(());
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve(shared, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection for metrics failed");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let response = answer(&shared, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for metrics failed"),
        Err(_) => tracing::debug!("a request for metrics took too long"),
    }
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let page = match request.uri().path() {
        "/metrics" => page,
        "/healthz" => health,
        _ => return response(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned()),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut refusal = response(status, TEXT, "only GET and HEAD\n".to_owned());
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    match page(shared) {
        Ok((kind, text)) => response(StatusCode::OK, kind, text),
        Err(error) => {
            let text = format!("{error}\n");
            response(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
        }
    }
}

type Page = Result<(&'static str, String), Unready>;

fn lock(shared: &Shared) -> Result<MutexGuard<'_, Keyspace>, Unready> {
    let locked = shared.engine.try_lock_for(LOCK_PATIENCE);
    locked.ok_or(Unready::Busy)
}

/// `/metrics`
fn page(shared: &Shared) -> Page {
    let mut is_waiting = false;
    loop {
        let mut keyspace = lock(shared)?;
        shared.store.begin_command(&mut keyspace, is_waiting);
        let now_ms = shared.server.clock.wall_ms();
        match metrics::text(&mut keyspace, &shared.server, now_ms) {
            // The second time it reads under the lock, so that it ends.
            Err(Error::Miss) if !is_waiting => {
                is_waiting = true;
                let fetch = shared.store.take_misses(&mut keyspace);
                drop(keyspace);
                if let Some(mut fetch) = fetch {
                    fetch.fetch();
                    fetch.land(&mut shared.engine.lock());
                }
            }
            text => return Ok((FORMAT, text?)),
        }
    }
}

/// `/healthz`: whether commands are carried out, those that write as well.
fn health(shared: &Shared) -> Page {
    if let Some(progress) = shared.server.loading.progress() {
        let (done, total) = (progress.done, progress.total);
        return Err(Unready::Loading { done, total });
    }
    let mut keyspace = lock(shared)?;
    shared.store.begin_command(&mut keyspace, true);
    keyspace.engine.expect_change()?;
    Ok((TEXT, "ok\n".to_owned()))
}
