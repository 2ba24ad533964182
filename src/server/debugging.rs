//! Sessions of the debugger of scripts: each on a thread of its own, which waits there for its user.
//!
//! A session of YES gets a keyspace of its own: a view of the data file, as another process would take it. The view holds the
//! file as it is now; what the script changes goes to a file without a name. A session of SYNC has the engine lock, and
//! other connections try again until it is over, so that no worker thread waits for the user of the session that it
//! serves.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};

use super::Shared;
use super::connection::Gone;
use super::socket::Socket;
use crate::command::client::{Entry, signal};
use crate::command::running::Running;
use crate::command::script_debug::{Console, Mode};
use crate::keyspace::Keyspace;
use crate::session::{Session, Step};
use crate::storage::live::{Beside, BesideError, BesideOptions};
use crate::storage::{Error, OpenError};
use crate::vfs::{Clock, OsVfs, Vfs};

/// Memory for pages of a view, in bytes.
const CACHE_BYTES: u64 = 16 << 20;
/// Pieces of input that wait for the debugger.
const PIECES_MAX: usize = 4;
const PIECE_BYTES: usize = 4096;

/// The debugger's end of the line to its user.
#[derive(Debug)]
pub struct Desk {
    input: Receiver<Vec<u8>>,
    output: UnboundedSender<Vec<u8>>,
    clock: Arc<dyn Clock>,
}

/// The connection's end.
pub struct Line {
    pub input: Sender<Vec<u8>>,
    pub output: UnboundedReceiver<Vec<u8>>,
}

pub fn desk(shared: &Shared) -> (Desk, Line) {
    let (to_desk, input) = channel(PIECES_MAX);
    let (output, from_desk) = unbounded_channel();
    let desk = Desk {
        input,
        output,
        clock: Arc::clone(&shared.server.clock),
    };
    let line = Line {
        input: to_desk,
        output: from_desk,
    };
    (desk, line)
}

impl Console for Desk {
    fn read(&mut self) -> Option<Vec<u8>> {
        self.input.blocking_recv()
    }

    fn write(&mut self, bytes: Vec<u8>) {
        // If nobody listens any more, the next read says so.
        let _ = self.output.send(bytes);
    }

    fn mono_ms(&self) -> u64 {
        self.clock.mono_us() / 1000
    }
}

/// Hands what the client sends to the debugger, until the client is gone or cut off.
pub async fn forward(socket: &mut Socket, entry: &Entry, input: &Sender<Vec<u8>>) -> Gone {
    loop {
        let Ok(place) = input.reserve().await else {
            return std::future::pending().await;
        };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = poll_fn(|cx| {
            if entry.has_signal(signal::KILL | signal::STOP) {
                return Poll::Ready(Ok(0));
            }
            socket.poll_read(&mut piece, cx)
        });
        match read.await {
            Err(_) | Ok(0) => return Gone,
            Ok(_) => place.send(piece),
        }
    }
}

/// Carries out the pending EVAL of a session, which ends the connection.
pub fn carry_out(shared: &Shared, session: &mut Session, desk: Desk) -> Step {
    if session.client.debugging.mode == Some(Mode::Sync) {
        return with_engine(shared, session, desk);
    }
    let server = &shared.server;
    let now_us = server.clock.wall_us();
    match View::take(shared, session.client.id) {
        Ok(mut view) => {
            tracing::info!("Lua debugging session started");
            session.debug_aside(&mut view.keyspace, server, Box::new(desk), now_us);
            tracing::info!("Lua debugging session ended");
            Step::Close
        }
        Err(error) => {
            session.refuse_to_debug(&error.to_string());
            Step::Again
        }
    }
}

/// The engine is given back, whatever happens.
struct Held<'a>(&'a Running);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.hold(false);
    }
}

fn with_engine(shared: &Shared, session: &mut Session, desk: Desk) -> Step {
    let server = &shared.server;
    let mut keyspace = shared.engine.lock();
    server.scripting.running.hold(true);
    let _held = Held(&server.scripting.running);
    tracing::info!("Redis synchronous debugging eval session started");
    session.client.patient = true;
    session.client.debugging.console = Some(Box::new(desk));
    let step = session.execute(
        &mut keyspace,
        server,
        &*shared.store,
        server.clock.wall_us(),
    );
    session.client.debugging.console = None;
    session.client.patient = false;
    tracing::info!("Redis synchronous debugging eval session ended");
    step
}

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
enum ViewError {
    #[error(transparent)]
    Held(#[from] BesideError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Storage(#[from] Error),
    #[error("there is no file")]
    NoFile,
}

/// The data as it was when the session began.
struct View {
    keyspace: Keyspace,
    // Behind the keyspace, which reads what it holds.
    _beside: Beside,
}

impl View {
    fn take(shared: &Shared, client: u64) -> Result<Self, ViewError> {
        let server = &shared.server;
        let path = server
            .scripting
            .debugged_file
            .get()
            .ok_or(ViewError::NoFile)?;
        let name = format!("redkeep-debug-{}-{client}", std::process::id());
        let options = BesideOptions {
            cache_bytes: CACHE_BYTES,
            scratch: path.with_file_name(name),
        };
        let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
        let beside = Beside::take(&vfs, path, options)?;
        let (engine, _) = beside.open(Arc::clone(&server.clock))?;
        let databases = server.config.databases();
        let seed = server.clock.mono_us();
        let keyspace = Keyspace::new(engine, databases, seed, server.clock.wall_ms())?;
        Ok(Self {
            keyspace,
            _beside: beside,
        })
    }
}
