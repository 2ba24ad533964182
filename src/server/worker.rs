//! A worker thread: its own runtime, its own connections, its own flush.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::Shared;
use super::batch::Batcher;
use super::connection::Connection;
use super::flush::Flush;
use super::socket::Accepted;
use super::thread::Thread;
use crate::command::client::Entry;

/// Buffers kept for connections that wake up, and the largest that is kept.
const BUFFERS_MAX: usize = 256;
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Larger buffers kept for large replies, and the largest of them.
const LARGE_BUFFERS_MAX: usize = 8;
const LARGE_BUFFER_BYTES_MAX: usize = 1 << 20;

/// What the connections of one worker thread share.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub batcher: Batcher,
    pub flush: Flush,
    buffers: RefCell<Vec<Vec<u8>>>,
    large_buffers: RefCell<Vec<Vec<u8>>>,
}

impl Worker {
    /// An empty buffer.
    pub fn take_buffer(&self) -> Vec<u8> {
        self.buffers
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(crate::session::READ_BYTES))
    }

    /// An empty buffer, larger than others if there is one.
    pub fn take_large_buffer(&self) -> Vec<u8> {
        let large = self.large_buffers.borrow_mut().pop();
        large.unwrap_or_else(|| self.take_buffer())
    }

    /// Takes a buffer back.
    pub fn give_buffer(&self, buffer: Vec<u8>) {
        let buffer = self.keep(buffer);
        let mut buffers = self.buffers.borrow_mut();
        if buffer.capacity() >= crate::session::READ_BYTES && buffers.len() < BUFFERS_MAX {
            buffers.push(buffer);
        }
    }

    /// Empties a buffer. A large one is not for the connection to hold on to: it gets one without memory.
    pub fn keep(&self, mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.clear();
        if buffer.capacity() <= BUFFER_BYTES_MAX {
            return buffer;
        }
        let mut large = self.large_buffers.borrow_mut();
        if buffer.capacity() <= LARGE_BUFFER_BYTES_MAX && large.len() < LARGE_BUFFERS_MAX {
            large.push(buffer);
        }
        Vec::new()
    }
}

/// A connection on its way to its worker.
pub struct NewConnection {
    pub socket: Accepted,
    pub entry: Arc<Entry>,
}

/// A worker thread as the accepting thread sees it.
pub struct WorkerHandle {
    sender: mpsc::UnboundedSender<NewConnection>,
    /// Connections it serves.
    load: Arc<AtomicUsize>,
    thread: Thread,
}

impl WorkerHandle {
    /// Starts worker number `index` of `count`.
    pub fn start(index: usize, count: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&load);
        let thread = Thread::start(format!("worker-{index}"), move || {
            LocalSet::new().block_on(
                &runtime,
                work(shared, count == 1, count < cores, receiver, counted),
            );
        })?;
        Ok(Self {
            sender,
            load,
            thread,
        })
    }

    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Gives it a connection to serve.
    pub fn serve(&self, connection: NewConnection) {
        self.load.fetch_add(1, Ordering::Relaxed);
        // A worker that is gone has panicked; the connection is dropped and so closed.
        let _ = self.sender.send(connection);
    }

    /// Lets it end once its connections are over.
    pub fn stop(self) {
        drop(self.sender);
        self.thread.join();
    }
}

async fn work(
    shared: Arc<Shared>,
    is_alone: bool,
    may_spin: bool,
    mut connections: mpsc::UnboundedReceiver<NewConnection>,
    load: Arc<AtomicUsize>,
) {
    let flush = Flush::new(Arc::clone(&shared.durability), is_alone);
    let worker = Rc::new(Worker {
        shared,
        batcher: Batcher::new(may_spin),
        flush,
        buffers: RefCell::default(),
        large_buffers: RefCell::default(),
    });
    let taker = Rc::clone(&worker);
    let batch_task =
        tokio::task::spawn_local(
            async move { taker.batcher.run(&taker.shared, &taker.flush).await },
        );
    let flusher = Rc::clone(&worker);
    let flush_task = tokio::task::spawn_local(async move { flusher.flush.run().await });
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(NewConnection { socket, entry }) = connections.recv().await {
        let worker = Rc::clone(&worker);
        let load = Arc::clone(&load);
        // Reaps tasks that are over, so that the set stays as large as the number of connections.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(async move {
            match socket.open(&entry).await {
                Ok(socket) => Connection::new(worker, socket, entry).serve().await,
                Err(error) => {
                    let (addr, laddr) = (&entry.addr, &entry.laddr);
                    tracing::warn!(
                        "Error accepting a client connection: {error} (addr={addr} laddr={laddr})"
                    );
                    worker.shared.server.disconnect(&entry);
                }
            }
            load.fetch_sub(1, Ordering::Relaxed);
        });
    }
    while tasks.join_next().await.is_some() {}
    batch_task.abort();
    flush_task.abort();
}
