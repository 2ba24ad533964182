//! The TCP sockets that the server listens on. CONFIG SET of `port` and `bind` changes them while it runs.
//!
//! The old sockets are closed before the new ones are opened, because both may want the same port: a client that
//! connects in between is refused. Connections that were accepted stay.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::StartError;
use super::listener::{ListenOptions, listen_tcp};
use super::run::Options;
use crate::config::{Config, Key, Refusal};

/// Where TCP connections come in.
#[derive(Debug)]
pub struct Doors {
    /// Held for moments: nobody waits for a connection under it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sockets that listen, and that no runtime looks after yet.
    listening: Vec<std::net::TcpListener>,
    /// Sockets that connections are accepted from.
    accepting: Vec<TcpListener>,
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
            self.accepting.push(TcpListener::from_std(listener)?);
        }
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
        Ok(())
    }

    fn close(&mut self) {
        self.listening.clear();
        self.accepting.clear();
    }
}

impl Doors {
    /// Listens.
    pub(super) fn open(options: &ListenOptions) -> Result<Self, StartError> {
        let state = State {
            listening: listen_tcp(options)?,
            ..State::default()
        };
        Ok(Self {
            state: Mutex::new(state),
        })
    }

    /// The addresses listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let state = self.state.lock();
        let waiting = state.listening.iter().map(|l| l.local_addr());
        let accepting = state.accepting.iter().map(|l| l.local_addr());
        waiting.chain(accepting).filter_map(Result::ok).collect()
    }

    /// Connections are accepted in this runtime from now on.
    pub(super) fn accept_in(&self, runtime: &Handle) -> io::Result<()> {
        let mut state = self.state.lock();
        state.runtime = Some(runtime.clone());
        state.hand_over()
    }

    /// The next connection.
    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(std::net::TcpStream, SocketAddr)>> {
        let mut state = self.state.lock();
        state.waker = Some(cx.waker().clone());
        for listener in &state.accepting {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(
                    accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))),
                );
            }
        }
        Poll::Pending
    }

    /// Nobody comes in any more, for good.
    pub(super) fn close(&self) {
        *self.state.lock() = State::default();
    }

    /// Makes `port` and `bind` act where one of them has changed. After a refusal nothing is listened on.
    pub fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        let moved = |key: &&Key| matches!(key, Key::Port | Key::Bind);
        let Some(key) = changed.iter().find(moved) else {
            return Ok(());
        };
        self.reopen(&Options::from_config(config).listen)
            .map_err(|error| {
                tracing::warn!("Could not create server TCP listening socket: {error}");
                let text = match key {
                    Key::Port => "Unable to listen on this port. Check server logs.",
                    _ => "Failed to bind to specified addresses.",
                };
                Refusal {
                    key: *key,
                    text: text.to_owned(),
                }
            })
    }

    fn reopen(&self, options: &ListenOptions) -> Result<(), StartError> {
        let mut state = self.state.lock();
        state.close();
        state.listening = match listen_tcp(options) {
            // Every address may be missing, and all are: that is what was asked for.
            Err(StartError::NoAddress) => Vec::new(),
            opened => opened?,
        };
        state.hand_over().inspect_err(|_| state.close())?;
        Ok(())
    }
}
