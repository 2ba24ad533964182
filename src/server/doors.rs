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
struct Door<Listener> {
    listener: Listener,
    over_tls: bool,
}

/// Somebody who came in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub stream: std::net::TcpStream,
    pub peer: SocketAddr,
    /// What is to be done first, for TLS.
    pub handshake: Option<Handshake>,
}

/// Where TCP connections come in.
#[derive(Debug)]
pub struct Doors {
    tls: Arc<Tls>,
    /// Held for moments: nobody waits for a connection under it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sockets that listen, and that no runtime looks after yet.
    listening: Vec<Door<std::net::TcpListener>>,
    /// Sockets that connections are accepted from.
    accepting: Vec<Door<TcpListener>>,
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
        for door in std::mem::take(&mut self.listening) {
            self.accepting.push(Door {
                listener: TcpListener::from_std(door.listener)?,
                over_tls: door.over_tls,
            });
        }
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
        Ok(())
    }

    fn close(&mut self, over_tls: bool) {
        self.listening.retain(|door| door.over_tls != over_tls);
        self.accepting.retain(|door| door.over_tls != over_tls);
    }
}

/// Opens the sockets of `port`, or those of `tls-port`.
fn listen(
    options: &ListenOptions,
    over_tls: bool,
) -> Result<Vec<Door<std::net::TcpListener>>, StartError> {
    let listeners = if over_tls {
        listen_tcp(&options.over_tls())?
    } else {
        listen_tcp(options)?
    };
    let door = |listener| Door { listener, over_tls };
    Ok(listeners.into_iter().map(door).collect())
}

impl Doors {
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
        let waiting = state.listening.iter().map(|d| d.listener.local_addr());
        let accepting = state.accepting.iter().map(|d| d.listener.local_addr());
        waiting.chain(accepting).filter_map(Result::ok).collect()
    }

    /// Connections are accepted in this runtime from now on.
    pub(super) fn accept_in(&self, runtime: &Handle) -> io::Result<()> {
        let mut state = self.state.lock();
        state.runtime = Some(runtime.clone());
        state.hand_over()
    }

    /// The next connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Visitor>> {
        let mut state = self.state.lock();
        state.waker = Some(cx.waker().clone());
        for door in &state.accepting {
            if door.over_tls && !self.tls.poll_room(cx) {
                continue;
            }
            if let Poll::Ready(accepted) = door.listener.poll_accept(cx) {
                return Poll::Ready(accepted.and_then(|(stream, peer)| {
                    Ok(Visitor {
                        stream: stream.into_std()?,
                        peer,
                        handshake: door.over_tls.then(|| self.tls.begin()).transpose()?,
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
