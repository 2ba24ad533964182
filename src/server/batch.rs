//! Carries out the requests of all connections of a worker that are ready, in one hold of the engine lock.
//!
//! Each worker thread has one [`Batcher`]. A connection that has read complete requests queues there and gives its
//! session away. The first in the queue wakes the batcher's task, which the runtime puts behind all connections that
//! are ready now: when it runs, they have all read. It takes the engine lock once, executes them one after the
//! other, gives the lock back, writes to the log what they all did, and wakes them to send their replies. So
//! threads meet at the lock, and at the log, once for many connections. What a pause held back comes first, in the
//! order in which it was held.
//!
//! Where the thread also syncs (`flush.rs`), those who have become ready meanwhile are carried out first: a sync takes as long
//! for few as for many.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::MutexGuard;
use tokio::sync::Notify;

use super::Shared;
use super::durability::SyncPolicy;
use super::flush::Flush;
use super::spin::SpinWait;
use crate::keyspace::Keyspace;
use crate::session::{Session, Step, look_ahead_together};

/// How long a thread waits for the engine before it looks whether a script is late.
pub(super) const ENGINE_WAIT: Duration = Duration::from_millis(10);
/// A hold of the engine lock ends after the session that is under way at this time, in microseconds.
const HOLD_US: u64 = 250;
/// A batch ends after the session that brings its replies to so many bytes: what is sent should still be in the
/// processor's cache, and be sent from memory that the next batch uses again.
const REPLY_BYTES_PER_BATCH: usize = 256 << 10;

/// A session that is executed by one at a time: it is away while others have it.
pub struct SessionSlot(Option<Box<Session>>);

const AWAY: &str = "nobody asks for a session that is away";

impl SessionSlot {
    pub fn new(session: Session) -> Self {
        Self(Some(Box::new(session)))
    }

    /// Gives the session away.
    pub fn take(&mut self) -> Box<Session> {
        self.0.take().expect(AWAY)
    }

    /// Takes it back.
    pub fn put_back(&mut self, session: Box<Session>) {
        self.0 = Some(session);
    }
}

impl Deref for SessionSlot {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.as_deref().expect(AWAY)
    }
}

impl DerefMut for SessionSlot {
    fn deref_mut(&mut self) -> &mut Session {
        self.0.as_deref_mut().expect(AWAY)
    }
}

/// A session that was executed, and what it needs next.
type Outcome = (Box<Session>, Step);

/// Where a connection finds its session again.
#[derive(Default)]
pub struct OutcomeSlot(Cell<Option<Outcome>>);

/// A session that waits to be executed.
struct Queued {
    session: Option<Box<Session>>,
    /// Its place among the commands that a pause held back.
    held: Option<u64>,
    outcome: Rc<OutcomeSlot>,
    waker: Waker,
}

/// The connections of one worker thread that wait for the engine.
pub struct Batcher {
    queue: RefCell<Vec<Queued>>,
    /// Memory of the queue that is not in use.
    spare: RefCell<Vec<Queued>>,
    wake: Notify,
    spin: SpinWait,
    /// The thread looks out for a moment before it sleeps: there is a processor for others.
    may_spin: bool,
}

impl Batcher {
    /// Nobody waits. With `may_spin` the thread looks out for a moment before it sleeps ([`SpinWait`]).
    pub fn new(may_spin: bool) -> Self {
        Self {
            queue: RefCell::default(),
            spare: RefCell::default(),
            wake: Notify::new(),
            spin: SpinWait::default(),
            may_spin,
        }
    }

    /// Carries out what a session has complete, together with all others that are ready.
    pub async fn execute(&self, session: &mut SessionSlot, outcome: &Rc<OutcomeSlot>) -> Step {
        let mut taken = Some(session.take());
        let (executed, step) = std::future::poll_fn(|cx| {
            if let Some(session) = taken.take() {
                self.enqueue(session, Rc::clone(outcome), cx.waker().clone());
                return Poll::Pending;
            }
            // Signals wake a connection too; its session may not be back then.
            outcome.0.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        session.put_back(executed);
        step
    }

    fn enqueue(&self, session: Box<Session>, outcome: Rc<OutcomeSlot>, waker: Waker) {
        let mut queue = self.queue.borrow_mut();
        queue.push(Queued {
            held: session.client.held,
            session: Some(session),
            outcome,
            waker,
        });
        if queue.len() == 1 {
            self.wake.notify_one();
        }
    }

    /// Carries out the sessions that are ready, until their replies are enough for one batch: the LSN that they wait for.
    fn turn(&self, shared: &Shared, executed: &mut Vec<Waker>) -> u64 {
        let mut batch = self.queue.replace(self.spare.take());
        if batch.iter().any(|queued| queued.held.is_some()) {
            batch.sort_by_key(|queued| queued.held.unwrap_or(u64::MAX));
        }
        let (count, lsn) = execute(shared, &mut batch);
        executed.extend(batch.drain(..count).map(|queued| queued.waker));
        // Sessions that were not executed stay before those that came meanwhile.
        let mut queue = self.queue.borrow_mut();
        batch.append(&mut queue);
        self.spare.replace(std::mem::replace(&mut *queue, batch));
        lsn
    }

    fn is_idle(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// The task that executes batches: runs until it is dropped.
    pub async fn run(&self, shared: &Shared, flush: &Flush) {
        let clock = &shared.server.clock;
        let mut executed = Vec::new();
        loop {
            // A batch that ends with a sync is better begun late, by many.
            let may = self.may_spin && shared.durability.policy() != SyncPolicy::Always;
            let now_us = || clock.mono_us();
            self.spin.wait(&self.wake, may, now_us).await;
            if self.is_idle() {
                // Those it was woken for have joined a batch.
                continue;
            }
            let mut lsn = self.turn(shared, &mut executed);
            while self.is_idle() && flush.gathers(lsn) {
                // Who has become ready reads now.
                tokio::task::yield_now().await;
                if self.is_idle() {
                    break;
                }
                lsn = lsn.max(self.turn(shared, &mut executed));
            }
            flush.complete(lsn);
            for waker in executed.drain(..) {
                waker.wake();
            }
            if !self.is_idle() {
                // Those that have replies send them first.
                tokio::task::yield_now().await;
                self.wake.notify_one();
            }
        }
    }
}

/// The engine, or what stands in for it.
pub enum Engine<'a> {
    Whole(MutexGuard<'a, Keyspace>),
    /// A script that is late, or is debugged, has the engine.
    Busy(MutexGuard<'a, Keyspace>),
}

impl<'a> Engine<'a> {
    /// Waits for the engine lock, but not for a script that is late.
    pub fn of(shared: &'a Shared) -> Self {
        loop {
            if let Some(keyspace) = shared.engine.try_lock_for(ENGINE_WAIT) {
                return Self::Whole(keyspace);
            }
            let running = &shared.server.scripting.running;
            if running.is_late() || running.is_held() {
                return Self::Busy(shared.nothing.lock());
            }
        }
    }

    /// Carries out what is complete.
    pub fn execute(&mut self, session: &mut Session, shared: &Shared) -> Step {
        let (server, store) = (&shared.server, &*shared.store);
        let now_us = server.clock.wall_us();
        match self {
            Self::Whole(keyspace) => session.execute(keyspace, server, store, now_us),
            Self::Busy(nothing) => session.execute_busy(nothing, server, store, now_us),
        }
    }

    /// Looks up together what the next sessions ask for, where they are several. Returns for how many.
    fn look_ahead(&mut self, batch: &[Queued]) -> usize {
        match (self, batch) {
            (Self::Whole(keyspace), [_, _, ..]) => {
                let sessions = batch.iter().filter_map(|queued| queued.session.as_deref());
                look_ahead_together(keyspace, sessions)
            }
            _ => batch.len(),
        }
    }

    /// Gives the lock to a thread that waits for it, if there is one.
    fn give_way(self) {
        let (Self::Whole(guard) | Self::Busy(guard)) = self;
        MutexGuard::unlock_fair(guard);
    }
}

impl Queued {
    /// Carries out what the session has complete and puts it where its connection finds it: the LSN that its replies wait for, and the
    /// bytes that they have.
    fn execute(&mut self, engine: &mut Engine<'_>, shared: &Shared) -> (u64, usize) {
        let mut session = self
            .session
            .take()
            .expect("a session is executed once a batch");
        let step = engine.execute(&mut session, shared);
        let seen = (session.lsn_seen(), session.reply.bytes().len());
        self.outcome.0.set(Some((session, step)));
        seen
    }
}

/// Executes sessions in order until their replies are enough for one batch: how many were executed, and the LSN that their
/// replies wait for.
fn execute(shared: &Shared, batch: &mut [Queued]) -> (usize, u64) {
    let clock = &shared.server.clock;
    let (mut lsn, mut reply_bytes, mut executed) = (0, 0, 0);
    let mut engine = Engine::of(shared);
    let mut since_us = clock.mono_us();
    let mut looked = 0;
    for at in 0..batch.len() {
        if reply_bytes >= REPLY_BYTES_PER_BATCH {
            break;
        }
        let now_us = clock.mono_us();
        if now_us.saturating_sub(since_us) >= HOLD_US {
            engine.give_way();
            engine = Engine::of(shared);
            since_us = clock.mono_us();
        }
        if at == looked {
            looked += engine.look_ahead(&batch[at..]);
        }
        let (seen_lsn, bytes) = batch[at].execute(&mut engine, shared);
        lsn = lsn.max(seen_lsn);
        reply_bytes += bytes;
        executed += 1;
    }
    (executed, lsn)
}
