//! A server without sockets and threads: words in, a reply out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redkeep::command::client::{Entry, Origin};
use redkeep::command::effects;
use redkeep::command::server::Server;
use redkeep::config::{Caller, Config};
use redkeep::keyspace::{Keyspace, Look};
use redkeep::resp::value::{self, Value};
use redkeep::session::{OwnEngine, Session, Step};
use redkeep::storage::checkpoint::EngineLock;
use redkeep::storage::{Engine, Error, OnMiss};
use redkeep::sync::{Mutex, MutexGuard};
use redkeep::vfs::Clock;

use super::waiters::{WAITERS, Waiters};
use crate::clock::SimClock;
use crate::disk::{DiskProfile, Setup, SimVfs};
use crate::engine::life::{self, Shape};
use crate::seed::Seed;

/// Words of a command.
pub type Words = Vec<Vec<u8>>;

/// How many databases there are.
pub const DATABASES: u32 = 16;

/// Due keys and fields that are removed in one turn in the background.
const EXPIRED_A_TURN: usize = 1000;

/// Bytes of a streamed reply that are asked for at a time.
const STREAM_BYTES: usize = 1 << 20;

/// The keyspace behind its lock.
#[derive(Clone)]
pub struct Held(Arc<Mutex<Keyspace>>);

impl Held {
    /// The keyspace, for as long as the guard lives.
    pub fn lock(&self) -> MutexGuard<'_, Keyspace> {
        self.0.lock()
    }

    /// The lock itself.
    pub fn mutex(&self) -> &Mutex<Keyspace> {
        &self.0
    }
}

impl EngineLock for Held {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.lock().engine)
    }
}

/// A configuration in which these directives are not the usual ones.
pub fn configured(directives: &[(&str, &str)]) -> Arc<Config> {
    let config = Config::default();
    let caller = Caller {
        is_local: true,
        is_loading: false,
    };
    for (name, value) in directives {
        config
            .set(&[(name.as_bytes(), value.as_bytes())], caller)
            .expect("a directive of a scenario");
    }
    Arc::new(config)
}

/// Keyspace, server and one connection.
pub struct Machine {
    pub keyspace: Held,
    pub server: Arc<Server>,
    command_clock: Arc<CommandClock>,
    session: Option<Session>,
    /// Connections that may block.
    pub waiters: Waiters,
    /// Hears which keys are given up.
    listener: Option<Session>,
}

/// A disk of its own with nothing but folders on it, beside the one that is explored; it has the same clock.
pub fn empty_disk(clock: &SimClock, folders: &[&str]) -> SimVfs {
    let setup = Setup {
        clock: clock.clone(),
        ..Setup::new(Seed(1))
    };
    SimVfs::new(DiskProfile::default(), folders, &setup)
}

/// The clock of a server whose wall stands still during a command, so that whoever is served by it is served at its time,
/// which the model is told.
#[derive(Debug)]
struct CommandClock {
    clock: Arc<dyn Clock>,
    /// Wall time in microseconds while a command runs; otherwise 0.
    command_us: AtomicU64,
}

impl Clock for CommandClock {
    fn wall_ms(&self) -> u64 {
        self.wall_us() / 1000
    }

    fn wall_us(&self) -> u64 {
        match self.command_us.load(Ordering::Relaxed) {
            0 => self.clock.wall_us(),
            us => us,
        }
    }

    fn mono_us(&self) -> u64 {
        self.clock.mono_us()
    }
}

impl Machine {
    /// A server over the database on a disk of its own, made if it is not there.
    pub fn alone(vfs: &SimVfs, shape: &Shape) -> Result<Self, String> {
        let opened = life::open_engine(vfs, shape, &life::watcher(shape));
        let (engine, _) = opened.map_err(|error| error.to_string())?;
        Self::new(engine, configured(&[]), vfs).map_err(|error| error.to_string())
    }

    /// A server over an engine that is open on this disk.
    pub fn new(engine: Engine, config: Arc<Config>, vfs: &SimVfs) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(vfs.clock());
        let keyspace = Keyspace::new(engine, DATABASES, vfs.next_draws(), clock.wall_ms())?;
        let evicts = config.maxmemory() > 0;
        let command_clock = Arc::new(CommandClock {
            clock: Arc::clone(&clock),
            command_us: AtomicU64::new(0),
        });
        let of_server: Arc<dyn Clock> = command_clock.clone();
        let server = Arc::new(Server::new(config, of_server));
        let session = Some(connect(&server, false));
        let waiters = (0..WAITERS).map(|_| connect(&server, true)).collect();
        let mut machine = Self {
            keyspace: Held(Arc::new(Mutex::new(keyspace))),
            server,
            command_clock,
            session,
            waiters: Waiters::new(waiters),
            listener: None,
        };
        if evicts {
            let mut listener = connect(&machine.server, false);
            let words: Words = ["PSUBSCRIBE", "__keyevent@*__:evicted"]
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .collect();
            machine.unbounded(|machine| machine.carry_out(&mut listener, &words, clock.wall_us()));
            machine.listener = Some(listener);
        }
        Ok(machine)
    }

    /// Whoever runs the server takes the bound of memory away: no command is refused for it any more.
    pub fn unbound(&self) {
        self.server.tuning.maxmemory.store(0, Ordering::Relaxed);
    }

    /// Does something for which no key is given up.
    pub fn unbounded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let maxmemory = |bytes| self.server.tuning.maxmemory.swap(bytes, Ordering::Relaxed);
        let before = maxmemory(0);
        let done = work(self);
        self.server
            .tuning
            .maxmemory
            .store(before, Ordering::Relaxed);
        done
    }

    /// Carries out one command at a wall time in microseconds; its reply.
    pub fn call(&mut self, words: &Words, now_us: u64) -> Value {
        let mut session = self.session.take().expect("one call at a time");
        let reply = self.carry_out(&mut session, words, now_us);
        self.session = Some(session);
        reply
    }

    /// A client sends a command that may block: what it is answered; None: it waits.
    pub fn block(&mut self, waiter: usize, words: &Words, now_us: u64) -> Option<Vec<u8>> {
        let mut session = self.waiters.take(waiter);
        let reply = self.answer(&mut session, words, now_us);
        let waits = self.waiters.put_back(waiter, session, words);
        (!waits).then_some(reply)
    }

    /// Whether keys are given up for room.
    pub fn evicts(&self) -> bool {
        self.listener.is_some()
    }

    fn carry_out(&self, session: &mut Session, words: &Words, now_us: u64) -> Value {
        match value::read(&self.answer(session, words, now_us)) {
            Ok(Some((value, _))) => value,
            _ => Value::Error("harness: the reply is not whole".to_owned()),
        }
    }

    fn answer(&self, session: &mut Session, words: &Words, now_us: u64) -> Vec<u8> {
        value::put_request(session.input.room(), words);
        let during = &self.command_clock.command_us;
        during.store(now_us, Ordering::Relaxed);
        let reply = self.reply_to(session, now_us);
        during.store(0, Ordering::Relaxed);
        reply
    }

    /// What the request in a session's buffer is answered.
    fn reply_to(&self, session: &mut Session, now_us: u64) -> Vec<u8> {
        loop {
            let step = {
                let mut keyspace = self.keyspace.lock();
                session.execute(&mut keyspace, &self.server, &OwnEngine, now_us)
            };
            session.client.patient = false;
            match step {
                Step::Again if session.reply.has_streams() => break,
                Step::Again | Step::Park(None) => {}
                Step::Park(Some(mut fetch)) => {
                    fetch.fetch();
                    fetch.land(&mut self.keyspace.lock());
                }
                Step::Move => session.client.patient = true,
                _ => break,
            }
        }
        bytes_of(session)
    }

    /// The keys that were given up since the last call, the first one first: database and name.
    pub fn take_evicted(&mut self) -> Vec<(u32, Vec<u8>)> {
        let Some(listener) = &mut self.listener else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        listener.client.entry.take_posted(&mut bytes);
        let mut evicted = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Some((message, len))) = value::read(rest) {
            rest = &rest[len..];
            evicted.extend(evicted_by(&message));
        }
        evicted
    }

    /// Removes some of what is due, as the background does.
    pub fn expire(&self, now_ms: u64) -> Result<(), Error> {
        let mut keyspace = self.keyspace.lock();
        keyspace.engine.begin_command(OnMiss::Read);
        keyspace.engine.set_urgent(true);
        let done = keyspace.expire_due(now_ms, EXPIRED_A_TURN);
        keyspace.engine.set_urgent(false);
        effects::distribute(&mut keyspace, &self.server, None, now_ms);
        done.map(|_| ())
    }

    /// Whether the collection at a key of database 0 is large, and so has trees of its own; None: there is none.
    pub fn is_large(&self, key: &[u8], now_ms: u64) -> Result<Option<bool>, Error> {
        let mut keyspace = self.keyspace.lock();
        keyspace.engine.begin_command(OnMiss::Read);
        let entry = keyspace.lookup(0, key, now_ms, Look::UNSEEN)?;
        Ok(entry.map(|entry| entry.is_large()))
    }
}

fn connect(server: &Server, may_block: bool) -> Session {
    let origin = Origin {
        addr: "simulated:0".to_owned(),
        local: true,
        ..Origin::default()
    };
    let entry = Entry::new(server.registry.next_id(), origin, server.clock.wall_ms());
    let entry = Arc::new(entry);
    server.registry.insert(Arc::clone(&entry));
    let mut session = Session::new(entry, server);
    session.client.deny_blocking = !may_block;
    session
}

/// The whole reply.
fn bytes_of(session: &mut Session) -> Vec<u8> {
    let (bytes, streams) = session.reply.take();
    let mut whole = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (place, mut stream) in streams {
        whole.extend_from_slice(&bytes[at..place]);
        at = place;
        while let Ok(true) = stream.fill(&mut whole, STREAM_BYTES) {}
    }
    whole.extend_from_slice(&bytes[at..]);
    whole
}

/// What a message says of a key that was given up.
fn evicted_by(message: &Value) -> Option<(u32, Vec<u8>)> {
    let Value::Array(parts) = message else {
        return None;
    };
    let [_, _, Value::Bulk(channel), Value::Bulk(key)] = &parts[..] else {
        return None;
    };
    let channel = std::str::from_utf8(channel).ok()?;
    let db = channel.strip_prefix("__keyevent@")?.split('_').next()?;
    Some((db.parse().ok()?, key.clone()))
}
