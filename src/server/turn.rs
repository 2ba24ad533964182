//! Carries out the requests of all connections of a worker that are ready, in one hold of the engine lock.
//!
//! Each worker thread has one [`Turn`]. A connection that has read complete requests takes a seat and gives its
//! session away. The first to sit down wakes the turn's task, which the runtime puts behind all connections that
//! are ready now: when it runs, they have all read. It takes the engine lock once, executes them one after the
//! other, gives the lock back, writes to the log what they all did, and wakes them to send their replies. So
//! threads meet at the lock, and at the log, once for many connections. What a pause held back comes first, in the
//! order in which it was held.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::MutexGuard;
use tokio::sync::Notify;

use super::Shared;
use super::durability::SyncPolicy;
use super::linger::Linger;
use crate::keyspace::Keyspace;
use crate::session::{Session, Step};

/// How long a thread waits for the engine before it looks whether a script is late.
pub(super) const ENGINE_WAIT: Duration = Duration::from_millis(10);
/// A hold of the engine lock ends after the session that is under way at this time, in microseconds.
const HOLD_US: u64 = 250;
/// A turn ends after the session that brings its replies to so many bytes: what is sent should still be in the
/// processor's cache, and be sent from memory that the next turn uses again.
const REPLY_BYTES_PER_TURN: usize = 256 << 10;

/// A session that is executed by one at a time: it is away while others have it.
pub struct Lent(Option<Box<Session>>);

const AWAY: &str = "nobody asks for a session that is away";

impl Lent {
    pub fn new(session: Session) -> Self {
        Self(Some(Box::new(session)))
    }

    /// Gives the session away.
    pub fn lend(&mut self) -> Box<Session> {
        self.0.take().expect(AWAY)
    }

    /// Takes it back.
    pub fn take_back(&mut self, session: Box<Session>) {
        self.0 = Some(session);
    }
}

impl Deref for Lent {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.as_deref().expect(AWAY)
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Session {
        self.0.as_deref_mut().expect(AWAY)
    }
}

/// A session that was executed, and what it needs next.
type Outcome = (Box<Session>, Step);

/// Where a connection finds its session again.
#[derive(Default)]
pub struct Place(Cell<Option<Outcome>>);

/// A session that waits to be executed.
struct Seat {
    session: Option<Box<Session>>,
    /// Its place among the commands that a pause held back.
    held: Option<u64>,
    place: Rc<Place>,
    waker: Waker,
}

/// The connections of one worker thread that wait for the engine.
pub struct Turn {
    seats: RefCell<Vec<Seat>>,
    /// Memory of the list of seats that is not in use.
    spare: RefCell<Vec<Seat>>,
    wake: Notify,
    linger: Linger,
    /// The thread looks out for a moment before it sleeps: there is a processor for others.
    lingers: bool,
}

impl Turn {
    /// Nobody waits. With `lingers` the thread looks out for a moment before it sleeps ([`Linger`]).
    pub fn new(lingers: bool) -> Self {
        Self {
            seats: RefCell::default(),
            spare: RefCell::default(),
            wake: Notify::new(),
            linger: Linger::default(),
            lingers,
        }
    }

    /// Carries out what a session has complete, together with all others that are ready.
    pub async fn execute(&self, session: &mut Lent, place: &Rc<Place>) -> Step {
        let mut lent = Some(session.lend());
        let (executed, step) = std::future::poll_fn(|cx| {
            if let Some(session) = lent.take() {
                self.sit(session, Rc::clone(place), cx.waker().clone());
                return Poll::Pending;
            }
            // Signals wake a connection too; its session may not be back then.
            place.0.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        session.take_back(executed);
        step
    }

    fn sit(&self, session: Box<Session>, place: Rc<Place>, waker: Waker) {
        let mut seats = self.seats.borrow_mut();
        seats.push(Seat {
            held: session.client.held,
            session: Some(session),
            place,
            waker,
        });
        if seats.len() == 1 {
            self.wake.notify_one();
        }
    }

    /// Seats that were not executed stay before those that were taken meanwhile.
    fn put_back(&self, mut seats: Vec<Seat>) {
        let mut sitting = self.seats.borrow_mut();
        seats.append(&mut sitting);
        self.spare.replace(std::mem::replace(&mut *sitting, seats));
    }

    /// The task of the turns: runs until it is dropped.
    pub async fn run(&self, shared: &Arc<Shared>) {
        let clock = &shared.server.clock;
        loop {
            // A turn that ends with a sync is better begun late, by many.
            let may = self.lingers && shared.durability.policy() != SyncPolicy::Always;
            let now_us = || clock.mono_us();
            self.linger.wait(&self.wake, may, now_us).await;
            let mut seats = self.seats.replace(self.spare.take());
            if seats.iter().any(|seat| seat.held.is_some()) {
                seats.sort_by_key(|seat| seat.held.unwrap_or(u64::MAX));
            }
            let executed = execute(shared, &mut seats);
            for seat in seats.drain(..executed) {
                seat.waker.wake();
            }
            let left = seats.len();
            self.put_back(seats);
            if left > 0 {
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

    /// Gives the lock to a thread that waits for it, if there is one.
    fn give_way(self) {
        let (Self::Whole(guard) | Self::Busy(guard)) = self;
        MutexGuard::unlock_fair(guard);
    }
}

impl Seat {
    /// Carries out what the session has complete and puts it into its place: the LSN that its replies wait for, and the
    /// bytes that they have.
    fn execute(&mut self, engine: &mut Engine<'_>, shared: &Shared) -> (u64, usize) {
        let mut session = self.session.take().expect("a seat is executed once");
        let step = engine.execute(&mut session, shared);
        let seen = (session.lsn_seen(), session.reply.bytes().len());
        self.place.0.set(Some((session, step)));
        seen
    }
}

/// Executes seats in order until their replies are enough for one turn, and writes to the log what they did: how many
/// were executed.
fn execute(shared: &Shared, seats: &mut [Seat]) -> usize {
    let clock = &shared.server.clock;
    let (mut lsn, mut reply_bytes, mut executed) = (0, 0, 0);
    let mut engine = Engine::of(shared);
    let mut since_us = clock.mono_us();
    for seat in &mut *seats {
        if reply_bytes >= REPLY_BYTES_PER_TURN {
            break;
        }
        let now_us = clock.mono_us();
        if now_us.saturating_sub(since_us) >= HOLD_US {
            engine.give_way();
            engine = Engine::of(shared);
            since_us = clock.mono_us();
        }
        let (seen_lsn, bytes) = seat.execute(&mut engine, shared);
        lsn = lsn.max(seen_lsn);
        reply_bytes += bytes;
        executed += 1;
    }
    drop(engine);
    if lsn > shared.durability.written_lsn() {
        // A log that fails says so to whoever waits for it.
        let _ = shared.durability.write_to(lsn);
    }
    executed
}
