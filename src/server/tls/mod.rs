//! TLS: its configuration of now, and handshakes.
//!
//! A connection keeps the configuration that it was accepted with; CONFIG SET acts on those that come after it.

mod certificates;
mod settings;
mod suites;

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem;
use tokio_rustls::rustls::server::VerifierBuilderError;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::command::client::{Entry, signal};
use crate::config::{Config, Key, Refusal};

/// How long a client may take to agree on keys.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Handshakes under way at a time. Further connections wait in the kernel until one of these is over.
const HANDSHAKES_MAX: usize = 1024;

/// Why there is no TLS with the directives as they are.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0} is not set")]
    Unset(&'static str),
    #[error("tls-auth-clients needs tls-ca-cert-file or tls-ca-cert-dir")]
    NoAuthority,
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("{}: no certificate is in it", .0.display())]
    NoCertificate(PathBuf),
    #[error("{}: no private key is in it", .0.display())]
    NoKey(PathBuf),
    #[error("{}: the private key is encrypted, and tls-key-file-pass cannot open it: decrypt the file", .0.display())]
    EncryptedKey(PathBuf),
    #[error("{directive}: '{word}' is not one of: {known}")]
    Word {
        directive: &'static str,
        word: String,
        known: String,
    },
    #[error("{0} leaves nothing")]
    Nothing(&'static str),
    #[error("{}: {source}", path.display())]
    Certificate {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("tls-ca-cert-file, tls-ca-cert-dir: {0}")]
    Authorities(#[from] VerifierBuilderError),
    #[error("{0}")]
    Rules(rustls::Error),
}

/// What new TLS connections are served with.
#[derive(Debug, Default)]
pub struct Tls {
    /// None while `tls-port` is 0.
    current: Mutex<Option<Arc<ServerConfig>>>,
    /// Handshakes under way.
    under_way: AtomicUsize,
    /// Wakes the task that accepts.
    waker: Mutex<Option<Waker>>,
}

impl Tls {
    /// Reads the files that `config` names, where it has a `tls-port`. After an error nothing has changed.
    pub fn load(&self, config: &Config) -> Result<(), TlsError> {
        let next = match config.tls_port() {
            0 => None,
            _ => Some(Arc::new(settings::from_config(config)?)),
        };
        *self.current.lock() = next;
        Ok(())
    }

    /// Makes new values of directives act on connections to come.
    pub fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        let Some(key) = changed.iter().find(|key| settings::READS.contains(key)) else {
            return Ok(());
        };
        self.load(config).map_err(|error| {
            tracing::warn!("TLS stays as it was: {error}");
            Refusal {
                key: *key,
                text: "Unable to update TLS configuration. Check server logs.".to_owned(),
            }
        })
    }

    /// Whether another handshake may begin; if not, the caller is woken when one may.
    pub fn poll_room(&self, cx: &Context<'_>) -> bool {
        *self.waker.lock() = Some(cx.waker().clone());
        self.under_way.load(Ordering::Acquire) < HANDSHAKES_MAX
    }

    /// Counts a handshake. An error where there is no TLS any more.
    pub fn begin(self: &Arc<Self>) -> io::Result<Handshake> {
        let config = self.current.lock().clone();
        let config = config.ok_or(io::ErrorKind::NotConnected)?;
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Ok(Handshake {
            tls: Arc::clone(self),
            config,
            until: Instant::now() + HANDSHAKE_TIME,
        })
    }
}

/// A handshake that is to come or under way. It counts as long as it lives.
#[derive(Debug)]
pub struct Handshake {
    tls: Arc<Tls>,
    config: Arc<ServerConfig>,
    until: Instant,
}

impl Handshake {
    /// Agrees with the client on keys, unless that takes too long or the connection is killed meanwhile.
    pub async fn run(self, stream: TcpStream, entry: &Entry) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let mut accepting = std::pin::pin!(acceptor.accept(stream));
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.until));
        poll_fn(|cx| {
            entry.set_waker(cx.waker().clone());
            if entry.has_signal(signal::KILL | signal::STOP) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            accepting.as_mut().poll(cx)
        })
        .await
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if self.tls.under_way.fetch_sub(1, Ordering::AcqRel) == HANDSHAKES_MAX
            && let Some(waker) = &*self.tls.waker.lock()
        {
            waker.wake_by_ref();
        }
    }
}
