//! The TCP sockets that the server listens on. CONFIG SET of `port`, `tls-port` and `bind` changes them
//! while it runs.
//!
//! The old sockets are closed before the new ones are opened, because both may want the same port: a client that
//! connects in between is refused. Connections that were accepted stay.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::StartError;
use super::listener::{ListenOptions, listen_tcp};
use super::run::Options;
use super::tls::{Handshake, Tls};
use crate::config::{Config, Key, Refusal};

/// A socket that listens.
#[derive(Debug)]
struct Listener<S> {
    socket: S,
    over_tls: bool,
}

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct AcceptedTcp {
    pub stream: std::net::TcpStream,
    pub peer: SocketAddr,
    /// What is to be done first, for TLS.
    pub handshake: Option<Handshake>,
}

/// The TCP sockets that the server listens on.
#[derive(Debug)]
pub struct TcpListeners {
    tls: Arc<Tls>,
    /// Held for moments: nobody waits for a connection under it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sockets that listen, and that no runtime looks after yet.
    listening: Vec<Listener<std::net::TcpListener>>,
    /// Sockets that connections are accepted from.
    accepting: Vec<Listener<TcpListener>>,
    /// The runtime of the thread that accepts, once it does.
    runtime: Option<Handle>,
    /// Wakes the task that accepts.
    waker: Option<Waker>,
}

impl State {
    /// Gives sockets that listen to the runtime, if there is one.
    fn hand_over(&mut self) -> io::Result<()> {
        let Some(runtime) = &self.runtime else {
            return Ok(());
        };
        let _inside = runtime.enter();
        for listener in std::mem::take(&mut self.listening) {
            self.accepting.push(Listener {
                socket: TcpListener::from_std(listener.socket)?,
                over_tls: listener.over_tls,
            });
        }
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
        Ok(())
    }

    fn close(&mut self, over_tls: bool) {
        self.listening
            .retain(|listener| listener.over_tls != over_tls);
        self.accepting
            .retain(|listener| listener.over_tls != over_tls);
    }
}

/// Opens the sockets of `port`, or those of `tls-port`.
fn listen(
    options: &ListenOptions,
    over_tls: bool,
) -> Result<Vec<Listener<std::net::TcpListener>>, StartError> {
    let sockets = if over_tls {
        listen_tcp(&options.over_tls())?
    } else {
        listen_tcp(options)?
    };
    let listener = |socket| Listener { socket, over_tls };
    Ok(sockets.into_iter().map(listener).collect())
}

impl TcpListeners {
    /// Listens. `tls` is loaded where there is a port for it.
    pub(super) fn open(options: &ListenOptions, tls: Arc<Tls>) -> Result<Self, StartError> {
        let mut listening = listen(options, false)?;
        listening.extend(listen(options, true)?);
        let state = State {
            listening,
            ..State::default()
        };
        Ok(Self {
            tls,
            state: Mutex::new(state),
        })
    }

    /// The addresses listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let state = self.state.lock();
        let waiting = state.listening.iter().map(|it| it.socket.local_addr());
        let accepting = state.accepting.iter().map(|it| it.socket.local_addr());
        waiting.chain(accepting).filter_map(Result::ok).collect()
    }

    /// Connections are accepted in this runtime from now on.
    pub(super) fn accept_in(&self, runtime: &Handle) -> io::Result<()> {
        let mut state = self.state.lock();
        state.runtime = Some(runtime.clone());
        state.hand_over()
    }

    /// The next connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedTcp>> {
        let mut state = self.state.lock();
        state.waker = Some(cx.waker().clone());
        for listener in &state.accepting {
            if listener.over_tls && !self.tls.poll_room(cx) {
                continue;
            }
            if let Poll::Ready(accepted) = listener.socket.poll_accept(cx) {
                return Poll::Ready(accepted.and_then(|(stream, peer)| {
                    Ok(AcceptedTcp {
                        stream: stream.into_std()?,
                        peer,
                        handshake: listener.over_tls.then(|| self.tls.begin()).transpose()?,
                    })
                }));
            }
        }
        Poll::Pending
    }

    /// Nobody comes in any more, for good.
    pub(super) fn close(&self) {
        *self.state.lock() = State::default();
    }

    /// Makes `port`, `bind` and the directives of TLS act where one of them has changed. Where an address is refused,
    /// the port that was to be there is not listened on.
    pub fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        // Before the sockets: nobody comes in over TLS that there is no configuration for.
        self.tls.apply(config, changed)?;
        for over_tls in [false, true] {
            let port = if over_tls { Key::TlsPort } else { Key::Port };
            let moved = |key: &&Key| **key == port || **key == Key::Bind;
            let Some(key) = changed.iter().find(moved) else {
                continue;
            };
            let options = Options::from_config(config).listen;
            self.reopen(&options, over_tls).map_err(|error| {
                tracing::warn!("Could not create server TCP listening socket: {error}");
                let text = match key {
                    Key::Bind => "Failed to bind to specified addresses.",
                    _ => "Unable to listen on this port. Check server logs.",
                };
                Refusal {
                    key: *key,
                    text: text.to_owned(),
                }
            })?;
        }
        Ok(())
    }

    fn reopen(&self, options: &ListenOptions, over_tls: bool) -> Result<(), StartError> {
        let mut state = self.state.lock();
        state.close(over_tls);
        let opened = match listen(options, over_tls) {
            // Every address may be missing, and all are: that is what was asked for.
            Err(StartError::NoAddress) => Vec::new(),
            opened => opened?,
        };
        state.listening.extend(opened);
        state.hand_over().inspect_err(|_| state.close(over_tls))?;
        Ok(())
    }
}
