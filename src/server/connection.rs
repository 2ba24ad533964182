//! The task of one connection: read, execute under the engine lock, wait for the log, write.
//!
//! The steps follow each other, so a client that does not read its replies is not read either. Whatever the task
//! waits for, a signal from another connection (CLIENT KILL, the end of a pause, bytes for a monitor) wakes it.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{ENGINE_WAIT, Engine, OutcomeSlot, SessionSlot};
use super::debugging;
use super::flush::Goal;
use super::socket::Socket;
use super::worker::Worker;
use crate::command::client::{Block, BlockKind, Entry, signal};
use crate::command::serving::time_out;
use crate::command::stats::add;
use crate::resp::Stream;
use crate::session::{Fetch, Session, Step, Unblocked};

/// Bytes of a streamed reply that are in memory at a time.
const STREAM_BYTES: usize = 512 * 1024;

/// The connection is over: there is nobody to answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// What woke a task that waits for input.
enum Event {
    Bytes,
    /// Others have bytes for this connection.
    Posted,
    /// A pause ended, or CLIENT UNBLOCK: the bits of [`signal`].
    Signal(u32),
    /// The given time came.
    Time,
    /// The log or the checkpoint that was waited for.
    Reached,
}

/// One connection and its socket.
pub struct Connection {
    worker: Rc<Worker>,
    socket: Socket,
    entry: Arc<Entry>,
    session: SessionSlot,
    /// Where the session is found after a batch.
    outcome: Rc<OutcomeSlot>,
    /// The last reply outgrew what a connection keeps.
    reply_was_large: bool,
}

impl Connection {
    pub fn new(worker: Rc<Worker>, socket: Socket, entry: Arc<Entry>) -> Self {
        let session = Session::new(Arc::clone(&entry), &worker.shared.server);
        Self {
            worker,
            socket,
            entry,
            session: SessionSlot::new(session),
            outcome: Rc::default(),
            reply_was_large: false,
        }
    }

    /// Serves the connection to its end.
    pub async fn serve(mut self) {
        poll_fn(|cx| {
            self.entry.set_waker(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        // The only way out is that the connection is over.
        let Err(Gone) = self.run().await;
        poll_fn(|cx| {
            self.socket.say_end(cx);
            Poll::Ready(())
        })
        .await;
        self.worker.shared.server.disconnect(&self.entry);
    }

    async fn run(&mut self) -> Result<std::convert::Infallible, Gone> {
        loop {
            if self.entry.has_signal(signal::KILL | signal::STOP) {
                return Err(Gone);
            }
            let mut step = if self.session.prepare(&self.worker.shared.server) {
                self.execute().await
            } else {
                Step::Read
            };
            if let Step::Move = step {
                self.send().await?;
                step = self.execute_apart().await?;
            }
            if let Step::Debug = step {
                self.send().await?;
                step = self.debug().await?;
            }
            if let Step::Abort = step {
                return Err(Gone);
            }
            match step {
                Step::Park(fetch) => self.park(fetch).await?,
                step => {
                    self.send().await?;
                    self.follow(step).await?;
                }
            }
        }
    }

    /// Carries out what is complete, in one hold of the engine lock with all connections that are ready.
    async fn execute(&mut self) -> Step {
        if self.session.reply.capacity() == 0 {
            let buffer = if self.reply_was_large {
                self.worker.take_large_buffer()
            } else {
                self.worker.take_buffer()
            };
            self.session.reply.give_buffer(buffer);
        }
        let batcher = &self.worker.batcher;
        batcher.execute(&mut self.session, &self.outcome).await
    }

    /// The same on a thread that serves no other connection, because it takes long.
    async fn execute_apart(&mut self) -> Result<Step, Gone> {
        let shared = Arc::clone(&self.worker.shared);
        let mut session = self.session.take();
        let executing = tokio::task::spawn_blocking(move || {
            session.client.patient = true;
            let step = Engine::of(&shared).execute(&mut session, &shared);
            session.client.patient = false;
            (session, step)
        });
        let (session, step) = executing.await.map_err(|_| Gone)?;
        self.session.put_back(session);
        Ok(step)
    }

    /// Lets the client debug its script on a thread of its own. Bytes go to and fro between it and the socket.
    async fn debug(&mut self) -> Result<Step, Gone> {
        let shared = Arc::clone(&self.worker.shared);
        let (desk, mut line) = debugging::desk(&shared);
        let mut session = self.session.take();
        let executing = tokio::task::spawn_blocking(move || {
            let step = debugging::carry_out(&shared, &mut session, desk);
            (session, step)
        });
        let mut input = Some(line.input);
        loop {
            let heard = async {
                match &input {
                    Some(input) => debugging::forward(&mut self.socket, &self.entry, input).await,
                    None => std::future::pending().await,
                }
            };
            let said = tokio::select! {
                said = line.output.recv() => said,
                Gone = heard => {
                    // The script goes on without its user.
                    input = None;
                    continue;
                }
            };
            let Some(bytes) = said else {
                break;
            };
            if input.is_some() && self.write(&bytes).await.is_err() {
                input = None;
            }
        }
        let (session, step) = executing.await.map_err(|_| Gone)?;
        self.session.put_back(session);
        input.map(|_| step).ok_or(Gone)
    }

    /// Waits for what the session said it needs.
    async fn follow(&mut self, step: Step) -> Result<(), Gone> {
        match step {
            Step::Read => self.read().await,
            Step::Again => {
                tokio::task::yield_now().await;
                Ok(())
            }
            Step::Paused(until_ms) => self.pause(until_ms).await,
            Step::Blocked(block) if block.kind == BlockKind::Keys => self.wait(block).await,
            Step::Blocked(block) => self.block(block).await,
            Step::Close | Step::Abort => Err(Gone),
            Step::Park(_) | Step::Move | Step::Debug => {
                unreachable!("these are not followed but run again")
            }
        }
    }

    /// Reads the pages of a parked command off the lock; what is ready to leave leaves meanwhile.
    async fn park(&mut self, fetch: Option<Box<dyn Fetch>>) -> Result<(), Gone> {
        let fetching = fetch.map(|mut fetch| {
            let shared = Arc::clone(&self.worker.shared);
            // It lands on its own, so that it does even where this connection ends meanwhile.
            tokio::task::spawn_blocking(move || {
                fetch.fetch();
                fetch.land(&mut shared.engine.lock());
            })
        });
        self.send().await?;
        if let Some(fetching) = fetching {
            // A fetch that panicked brought no page; the command finds out when it runs again.
            let _ = fetching.await;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Gone> {
        loop {
            self.rest();
            match self.event(None, None).await? {
                Event::Bytes => return self.check_input(),
                Event::Posted => self.send().await?,
                Event::Signal(_) | Event::Time | Event::Reached => {}
            }
        }
    }

    fn check_input(&mut self) -> Result<(), Gone> {
        let server = &self.worker.shared.server;
        if self.session.is_over_input_limit(server) {
            add(&server.stats.query_buffer_disconnections, 1);
            tracing::warn!(
                client = self.entry.id,
                addr = self.entry.addr,
                "closing a client that reached the query buffer limit"
            );
            return Err(Gone);
        }
        Ok(())
    }

    /// Gives buffers back while there is nothing to do.
    fn rest(&mut self) {
        if self.session.input.is_idle() {
            self.worker.give_buffer(self.session.input.take_buffer());
        }
        if self.session.reply.is_empty() && self.session.reply.capacity() > 0 {
            let (buffer, _) = self.session.reply.take();
            self.worker.give_buffer(buffer);
        }
    }

    async fn pause(&mut self, until_ms: u64) -> Result<(), Gone> {
        let until = self.instant(until_ms);
        loop {
            match self.event(Some(until), None).await? {
                Event::Time => {
                    // Those that are held go on together, so that they do so in their order.
                    let server = &self.worker.shared.server;
                    let now_ms = server.clock.wall_us() / 1000;
                    if server.pause.is_seen_to_end(until_ms, now_ms) {
                        server.registry.signal_all(signal::UNPAUSE);
                    }
                    return Ok(());
                }
                Event::Reached => return Ok(()),
                Event::Signal(bits) if bits & signal::UNPAUSE != 0 => return Ok(()),
                Event::Signal(_) => {}
                Event::Bytes => self.check_input()?,
                Event::Posted => self.send().await?,
            }
        }
    }

    /// Waits until the command that is blocked on keys is over: whoever serves it, or ends its wait, posts its reply.
    async fn wait(&mut self, block: Block) -> Result<(), Gone> {
        let mut until = block.until_ms.map(|until_ms| self.instant(until_ms));
        loop {
            match self.event(until, None).await? {
                Event::Signal(bits) if bits & signal::RESUME != 0 => break,
                Event::Time => {
                    let shared = &self.worker.shared;
                    // Whoever has it for long may need this thread to go on.
                    let Some(_held) = shared.engine.try_lock_for(ENGINE_WAIT) else {
                        until = Some(Instant::now() + ENGINE_WAIT);
                        continue;
                    };
                    let now_us = shared.server.clock.wall_us();
                    // If the wait is over already, its end is on its way too.
                    time_out(&shared.server, self.entry.id, now_us);
                    until = None;
                }
                Event::Signal(_) | Event::Reached => {}
                Event::Bytes => self.check_input()?,
                Event::Posted => self.send().await?,
            }
        }
        self.session.resume();
        Ok(())
    }

    async fn block(&mut self, block: Block) -> Result<(), Gone> {
        let until = block.until_ms.map(|until_ms| self.instant(until_ms));
        let log = &self.worker.shared.durability;
        let (goal, lsn) = match block.kind {
            BlockKind::Log {
                lsn,
                local,
                replicas,
            } => {
                let synced = log.synced_lsn() >= lsn;
                if replicas == 0 && (local == 0 || synced) {
                    self.session.unblock(
                        &self.worker.shared.server,
                        Unblocked::Answer { log_synced: synced },
                    );
                    return Ok(());
                }
                ((replicas == 0).then_some(Goal::Sync(lsn)), lsn)
            }
            BlockKind::Keys
            | BlockKind::Replicas { .. }
            | BlockKind::Shutdown
            | BlockKind::Save
            | BlockKind::Backup => (None, 0),
            BlockKind::Checkpoint { ticket } => (Some(Goal::Checkpoint(ticket)), 0),
        };
        let why = loop {
            match self.event(until, goal).await? {
                Event::Reached => break Unblocked::Answer { log_synced: true },
                Event::Signal(bits) if bits & signal::UNBLOCK_ERROR != 0 => break Unblocked::Error,
                Event::Signal(bits)
                    if bits & signal::SHUTDOWN_FAILED != 0 && block.kind == BlockKind::Shutdown =>
                {
                    break Unblocked::ShutdownFailed;
                }
                Event::Signal(bits)
                    if bits & signal::ACKNOWLEDGED != 0
                        && matches!(block.kind, BlockKind::Replicas { .. }) =>
                {
                    break Unblocked::Answer { log_synced: true };
                }
                Event::Signal(bits)
                    if bits & signal::DONE != 0
                        && matches!(block.kind, BlockKind::Save | BlockKind::Backup) =>
                {
                    break Unblocked::Answer { log_synced: true };
                }
                Event::Signal(bits) if bits & signal::UNBLOCK_TIMEOUT == 0 => {}
                Event::Signal(_) | Event::Time => {
                    let log_synced = self.worker.shared.durability.synced_lsn() >= lsn;
                    break Unblocked::Answer { log_synced };
                }
                Event::Bytes => self.check_input()?,
                Event::Posted => self.send().await?,
            }
        };
        self.session.unblock(&self.worker.shared.server, why);
        // An UNBLOCK that came when the wait was over anyway is not for the next one.
        self.entry
            .forget_signals(signal::UNBLOCK_TIMEOUT | signal::UNBLOCK_ERROR);
        Ok(())
    }

    /// When a wall time in milliseconds comes, as far as is known now.
    fn instant(&self, at_ms: u64) -> Instant {
        let now_us = self.worker.shared.server.clock.wall_us();
        let wait_us = (at_ms.saturating_mul(1000)).saturating_sub(now_us);
        // Far enough away to be never, near enough to be a time.
        const WAIT_US_MAX: u64 = 1 << 55;
        Instant::now() + Duration::from_micros(wait_us.min(WAIT_US_MAX))
    }

    /// Waits for bytes, a signal, a time, or a synced log, whichever comes first.
    async fn event(&mut self, until: Option<Instant>, goal: Option<Goal>) -> Result<Event, Gone> {
        let mut timer = until.map(|until| Box::pin(tokio::time::sleep_until(until)));
        let mut registered = false;
        poll_fn(|cx| {
            if let Some(event) = self.poll_signals()? {
                return Poll::Ready(Ok(event));
            }
            if let Some(goal) = goal
                && let Poll::Ready(result) = self.worker.flush.poll(goal, &mut registered, cx)
            {
                return Poll::Ready(result.map(|()| Event::Reached).map_err(|_| Gone));
            }
            if let Some(timer) = &mut timer
                && timer.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Ok(Event::Time));
            }
            self.poll_input(cx)
        })
        .await
    }

    /// What others asked of this connection.
    fn poll_signals(&mut self) -> Result<Option<Event>, Gone> {
        let bits = self.entry.take_signals();
        if bits == 0 {
            return Ok(None);
        }
        if bits & (signal::KILL | signal::STOP) != 0 {
            return Err(Gone);
        }
        if bits & signal::OUTBOX != 0 {
            // Other bits are asked again, so that none is lost.
            if bits != signal::OUTBOX {
                self.entry.signal(bits & !signal::OUTBOX);
            }
            return Ok(Some(Event::Posted));
        }
        Ok(Some(Event::Signal(bits)))
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Gone>> {
        if !self.session.input.has_buffer() {
            match self.socket.poll_read_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Gone)),
                Poll::Ready(Ok(())) => self.session.input.give_buffer(self.worker.take_buffer()),
            }
        }
        match self.socket.poll_read(self.session.input.room(), cx) {
            Poll::Pending => {
                if self.session.input.is_idle() {
                    self.worker.give_buffer(self.session.input.take_buffer());
                }
                Poll::Pending
            }
            Poll::Ready(Err(_) | Ok(0)) => Poll::Ready(Err(Gone)),
            Poll::Ready(Ok(n)) => {
                let server = &self.worker.shared.server;
                add(&server.stats.input_bytes, n as u64);
                add(&server.stats.reads, 1);
                let now_ms = server.clock.wall_ms();
                self.entry.active_ms.store(now_ms, Ordering::Relaxed);
                Poll::Ready(Ok(Event::Bytes))
            }
        }
    }

    /// Sends the replies and what others have for this connection, once the log allows.
    async fn send(&mut self) -> Result<(), Gone> {
        let posted_lsn = self.entry.take_posted(self.session.reply.buffer_mut());
        self.session.see_lsn(posted_lsn);
        if self.session.reply.is_empty() {
            return Ok(());
        }
        self.check_output()?;
        self.released().await?;
        if self.session.reply.has_streams() {
            return self.send_streams().await;
        }
        let (bytes, _) = self.session.reply.take();
        self.write(&bytes).await?;
        let buffer = self.worker.keep(bytes);
        self.reply_was_large = buffer.capacity() == 0;
        self.session.reply.give_buffer(buffer);
        Ok(())
    }

    /// Whether more output has piled up than a client may leave unread.
    fn check_output(&mut self) -> Result<(), Gone> {
        let bytes = self.session.reply.bytes().len();
        self.entry.set_unsent(bytes);
        if self.worker.shared.server.check_output(&self.entry, bytes) {
            return Err(Gone);
        }
        Ok(())
    }

    /// Waits until the log is as far as the replies need. A failed log: they are discarded with the connection.
    async fn released(&mut self) -> Result<(), Gone> {
        let goal = Goal::Release(self.session.lsn_seen());
        let mut registered = false;
        poll_fn(|cx| {
            if self.is_killed() {
                return Poll::Ready(Err(Gone));
            }
            self.worker
                .flush
                .poll(goal, &mut registered, cx)
                .map_err(|_| Gone)
        })
        .await
    }

    /// Looks for a kill and leaves every other signal for later.
    fn is_killed(&self) -> bool {
        self.entry.has_signal(signal::KILL)
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
        let stats = &self.worker.shared.server.stats;
        add(&stats.output_bytes, bytes.len() as u64);
        add(&stats.writes, 1);
        while !bytes.is_empty() {
            let n = poll_fn(|cx| {
                if self.is_killed() {
                    return Poll::Ready(Err(Gone));
                }
                self.socket.poll_write(bytes, cx).map_err(|_| Gone)
            })
            .await?;
            if n == 0 {
                return Err(Gone);
            }
            bytes = &bytes[n..];
            self.entry.set_unsent(bytes.len());
        }
        poll_fn(|cx| {
            if self.is_killed() {
                return Poll::Ready(Err(Gone));
            }
            self.socket.poll_flush(cx).map_err(|_| Gone)
        })
        .await
    }

    /// Sends a reply with parts that are produced while they are sent, a bounded piece at a time.
    async fn send_streams(&mut self) -> Result<(), Gone> {
        let (bytes, streams) = self.session.reply.take();
        let mut sent = 0;
        for (at, stream) in streams {
            self.write(&bytes[sent..at]).await?;
            sent = at;
            self.send_stream(stream).await?;
        }
        self.write(&bytes[sent..]).await
    }

    async fn send_stream(&mut self, mut stream: Box<dyn Stream>) -> Result<(), Gone> {
        let mut piece = Vec::new();
        loop {
            // The stream may read from the disk: not on this thread, which serves others.
            let filling = tokio::task::spawn_blocking(move || {
                let more = stream.fill(&mut piece, STREAM_BYTES);
                (stream, piece, more)
            });
            let (returned, filled, more) = filling.await.map_err(|_| Gone)?;
            (stream, piece) = (returned, filled);
            let more = more.map_err(|error| {
                tracing::warn!(client = self.entry.id, %error, "closing a client");
                Gone
            })?;
            self.write(&piece).await?;
            piece.clear();
            if !more {
                return Ok(());
            }
        }
    }
}
