//! One process over the simulated disk that carries out commands: opens the files, does what a script says, keeps the
//! oracle beside it.

mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;

use redkeep::command::server::Server;
use redkeep::config::Config;
use redkeep::keyspace::Keyspace;
use redkeep::resp::value::Value;
use redkeep::storage::Error;
use redkeep::storage::checkpoint::EngineLock;
use redkeep::storage::log::LogError;
use redkeep::vfs::Clock;

use self::waits::{Waited, still_waits};
use super::held::HeldSnapshot;
use super::machine::{Held, Machine, Words, configured};
use super::oracle::{Content, FIRST_WAITER, Shown, State, WORKER};
use super::waiters::{WAITERS, Wait};
use crate::disk::{DiskProfile, SimVfs};
use crate::engine::exhaust::{BaseEnd, Subject};
use crate::engine::history::peek;
use crate::engine::life::{self, Shape, Stop};
use crate::engine::process::Process;
use crate::engine::tap::Watcher;
use crate::explore::{Broken, HARNESS};

/// Every state of the data, and how far clients were told.
pub type History = crate::engine::history::History<State>;

/// Time between two acts, in microseconds.
pub const TICK_US: u64 = 1500;

/// A command of the workload, and what it means to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub words: Words,
    pub meaning: Meaning,
}

/// What a command means to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The model knows the command.
    Itself,
    /// It does the same as these commands together.
    These(Vec<Words>),
    /// It does the same as these commands one after the other, of which any may fail. Its reply says 0 for each that
    /// had no room.
    Tried(Vec<Words>),
    /// A library is there with this code, or is not there any more.
    Library(Vec<u8>, Option<Vec<u8>>),
}

/// What a life does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// One command.
    Call(Work),
    /// The client asks for the dump of a key, and keeps it.
    Dump(Vec<u8>),
    /// It puts what it kept at a key, in place of what is there; nothing if it has none.
    Restore(Vec<u8>),
    /// One of the clients beside sends a command that may block, unless it is blocked.
    Block(usize, Work),
    /// Takes a snapshot, and holds it.
    Snapshot,
    /// Reads all snapshots that are held, and compares.
    ReadSnapshots,
    /// Lets go of the oldest snapshot.
    DropSnapshot,
    /// The log is handed to the kernel, and everything is acknowledged.
    Ack,
    /// The log is synced, and everything is acknowledged.
    Sync,
    /// Takes so many steps of the checkpoint, beginning one if none runs.
    CheckpointSteps(u32),
    /// A whole checkpoint, or the rest of the one that runs.
    Checkpoint,
    /// Frees so many pages of dropped trees.
    FreeDropped(usize),
    /// Removes what is due.
    Expire,
    /// Reads everything and compares.
    Read,
    /// The collection at a key is large, or small: the scenario is what its name says.
    Form(Vec<u8>, bool),
    /// So many keys at least were given up in this life.
    Evicted(u64),
    /// A clean shutdown.
    Shutdown,
    /// The process ends without one, and another opens the files.
    Reopen,
    /// Time passes, in microseconds.
    Wait(u64),
}

/// A scripted scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub shape: Shape,
    pub profile: DiskProfile,
    pub directives: Vec<(&'static str, &'static str)>,
    /// Done before, without a crash.
    pub base: Vec<Act>,
    pub script: Vec<Act>,
}

/// A running process.
pub struct Life {
    process: Process<Held, State>,
    machine: Machine,
    /// Keys that were given up.
    evicted: u64,
    /// Clients that waited and were given something.
    served: u64,
    /// The oldest first.
    snapshots: Vec<HeldSnapshot>,
    /// The dump that the client keeps.
    dump: Option<Vec<u8>>,
    /// The waits of the model for those that are not over, by ticket.
    waits: BTreeMap<u64, Waited>,
    /// A command was refused for want of memory or of the disk, perhaps one of the transaction that is being queued.
    has_refused: bool,
}

fn of_refusal(refused: super::oracle::Refused) -> Stop {
    Stop::Refused(refused.0)
}

/// How a command is refused when the disk is full.
const FULL: &str = "MISCONF The disk is full";

/// Whether an error is the disk's and not the command's.
fn is_of_storage(text: &str) -> bool {
    const OF_STORAGE: [&str; 5] = [
        "MISCONF ",
        "ERR the disk could not",
        "ERR a page could not",
        "ERR a damaged page",
        "OOM ",
    ];
    OF_STORAGE.iter().any(|start| text.starts_with(start))
}

impl Life {
    /// Opens the files. The history is cut to what the open shows, which must be one of its states.
    pub fn open(
        vfs: &SimVfs,
        shape: &Shape,
        config: &Arc<Config>,
        watcher: &Watcher,
        mut history: History,
    ) -> Result<Self, Stop> {
        let (engine, _) = life::open_engine(vfs, shape, watcher)?;
        let lsn = engine.last_lsn().0;
        let mut machine = Machine::new(engine, Arc::clone(config), vfs)?;
        let now_us = vfs.clock().wall_us();
        let shown = Shown::by_machine(&mut machine, now_us).map_err(of_refusal)?;
        let mut content = find(&history, &shown, lsn, now_us / 1000)?;
        // Connections of an earlier life are gone.
        content.model.disconnect(WORKER);
        (0..WAITERS).for_each(|waiter| content.model.disconnect(FIRST_WAITER + waiter));
        let mut life = Self {
            process: Process::new(
                vfs,
                watcher,
                History::default(),
                machine.keyspace.clone(),
                0,
            ),
            machine,
            evicted: 0,
            served: 0,
            snapshots: Vec::new(),
            dump: None,
            waits: BTreeMap::new(),
            has_refused: false,
        };
        history.cut(lsn);
        history.replace_last(State::of(content));
        *peek(&life.process.history) = history;
        // The connection that asked may have another database.
        life.machine
            .unbounded(|machine| machine.call(&select(0), now_us));
        Ok(life)
    }

    /// What was issued and acknowledged so far.
    pub fn history(&self) -> History {
        self.process.history()
    }

    /// The server that carries the commands out.
    pub fn server(&self) -> &Arc<Server> {
        &self.machine.server
    }

    /// O8 and O9 on the durable checkpoint.
    pub fn account(&self) -> Result<(), Stop> {
        self.process.account()
    }

    /// The disk.
    pub fn vfs(&self) -> &SimVfs {
        &self.process.vfs
    }

    /// The data.
    pub fn keyspace(&self) -> &Held {
        &self.machine.keyspace
    }

    /// Does one thing.
    pub fn act(&mut self, act: &Act) -> Result<(), Stop> {
        match act {
            Act::Call(work) => self.call(work),
            Act::Dump(key) => self.dump(key),
            Act::Restore(key) => self.restore(key),
            Act::Block(..) if self.machine.evicts() => Ok(()),
            Act::Block(waiter, work) => self.block(*waiter, &work.words),
            Act::Snapshot => {
                let state = Arc::clone(peek(&self.process.history).last());
                let snapshot = self.machine.keyspace.lock().engine.snapshot();
                self.snapshots.push(HeldSnapshot::new(snapshot, state));
                Ok(())
            }
            Act::ReadSnapshots => self.read_snapshots(),
            Act::DropSnapshot => {
                self.snapshots.drain(..self.snapshots.len().min(1));
                Ok(())
            }
            Act::Ack | Act::Sync if self.process.engine.with(|e| e.pager().is_poisoned()) => {
                // A script may have gone on after the error.
                Err(Error::Poisoned.into())
            }
            Act::Ack => self.process.acknowledge_kill(),
            Act::Sync => self.process.sync(),
            Act::CheckpointSteps(steps) => self.process.checkpoint_steps(*steps),
            Act::Checkpoint => self.process.checkpoint_steps(u32::MAX),
            Act::FreeDropped(pages) => Ok(self.process.engine.with(|e| e.free_dropped(*pages))?),
            Act::Expire => self.expire(),
            Act::Read => self.read(),
            Act::Form(key, is_large) => self.form(key, *is_large),
            Act::Evicted(least) if self.evicted >= *least => Ok(()),
            Act::Evicted(least) => {
                let detail = format!("{} keys were given up, not {least}", self.evicted);
                Err(Broken::new(HARNESS, detail).into())
            }
            Act::Shutdown => self.process.shut_down(),
            Act::Reopen => unreachable!("whoever owns the process ends it"),
            Act::Wait(us) => {
                self.process.vfs.clock().advance_us(*us);
                let now_us = self.process.clock.wall_us();
                self.machine.waiters.pass(&self.machine.server, now_us);
                let lsn = self.machine.keyspace.lock().last_lsn();
                let old = peek(&self.process.history).last().content().clone();
                let waited = self.waited();
                let waits_on =
                    |wait: &Wait| still_waits(&old, &waited, wait, now_us / 1000, |_| {});
                Ok(self.tell((lsn, lsn), now_us / 1000, &waits_on)?)
            }
        }
    }

    fn read_snapshots(&self) -> Result<(), Stop> {
        let clock = self.process.vfs.clock();
        for held in &self.snapshots {
            let judged = held.judge(&clock)?;
            if judged.is_none() && self.process.vfs.faults_fired() == 0 {
                return Err(Stop::Refused("a snapshot cannot be read".to_owned()));
            }
        }
        Ok(())
    }

    /// The dump of a key of the client's database; the model learns what it is one of.
    fn dump(&mut self, key: &[u8]) -> Result<(), Stop> {
        self.dump = None;
        let asked = self.answered(&Work {
            words: vec![b"DUMP".to_vec(), key.to_vec()],
            meaning: Meaning::Itself,
        })?;
        let Value::Bulk(bytes) = asked else {
            return Ok(());
        };
        let mut history = peek(&self.process.history);
        let old = history.last().content().clone();
        let mut content = Content::clone(&old);
        let (db, _) = content.model.selected(WORKER);
        content.model.learn_dump(&old.model, db, key, &bytes);
        // Fields may be due until it is restored.
        if !content.model.is_dump_of_expiring(&bytes) {
            self.dump = Some(bytes);
            history.replace_last(State::of(content));
        }
        Ok(())
    }

    fn restore(&mut self, key: &[u8]) -> Result<(), Stop> {
        let Some(dump) = self.dump.clone() else {
            return Ok(());
        };
        let words: Vec<&[u8]> = vec![b"RESTORE", key, b"0", &dump, b"REPLACE"];
        self.call(&Work {
            words: words.into_iter().map(<[u8]>::to_vec).collect(),
            meaning: Meaning::Itself,
        })
    }

    fn call(&mut self, work: &Work) -> Result<(), Stop> {
        self.answered(work).map(|_| ())
    }

    /// Carries out a command here and in the model. What it is answered, unless it is refused by the memory or the disk.
    fn answered(&mut self, work: &Work) -> Result<Value, Stop> {
        let now_us = self.process.clock.wall_us();
        self.remove_due_fields(now_us / 1000)?;
        let waited = self.waited();
        let before = self.machine.keyspace.lock().last_lsn();
        let reply = self.machine.call(&work.words, now_us);
        let after = self.machine.keyspace.lock().last_lsn();
        let own = self.machine.waiters.own_end(before, after);
        let evicted = self.machine.take_evicted();
        self.evicted += evicted.len() as u64;
        if self.process.vfs.crashed() {
            return Err(Stop::Refused("the process is dead".to_owned()));
        }
        let error = match &reply {
            Value::Error(text) => Some(text.as_str()),
            _ => None,
        };
        let mut history = peek(&self.process.history);
        let mut content = Content::clone(history.last().content());
        let mut between = vec![Arc::new(content.clone())];
        for (db, key) in evicted {
            evict(&mut content, db, key, now_us / 1000);
            between.push(Arc::new(content.clone()));
        }
        let old = between.last().expect("what was before").clone();
        // A command that was refused for want of memory or of the disk is not in the transaction, which so is none.
        let is_aborted =
            error.is_some_and(|text| text.starts_with("EXECABORT ")) && self.has_refused;
        self.has_refused = match error {
            Some(text) if is_of_storage(text) => true,
            _ => self.has_refused && !ends_transaction(&work.words),
        };
        if is_aborted || error.is_some_and(is_of_storage) {
            forget_transaction(&mut content, &work.words, now_us / 1000);
        } else {
            let is_error = apply(&mut content, work, &reply, now_us / 1000);
            if is_error != error.is_some() {
                let detail = format!(
                    "{:?} is answered {reply:?}; by the model with an error: {is_error}",
                    shown(&work.words)
                );
                return Err(Broken::new("O11", detail).into());
            }
        }
        note(&mut history, before, own, between, content);
        drop(history);
        let waits_on = |wait: &Wait| {
            let now_ms = now_us / 1000;
            still_waits(&old, &waited, wait, now_ms, |content| {
                apply(content, work, &reply, now_ms);
            })
        };
        self.tell((own, after), now_us / 1000, &waits_on)?;
        match reply {
            Value::Error(text) if is_of_storage(&text) => Err(Stop::Refused(text)),
            reply => Ok(reply),
        }
    }

    /// A hash of which all fields are due is there until they are removed, and the model has none.
    fn remove_due_fields(&mut self, now_ms: u64) -> Result<(), Stop> {
        let state = peek(&self.process.history).last().clone();
        let due = state.content().model.expired_fields(now_ms.cast_signed());
        if due.is_empty() {
            Ok(())
        } else {
            self.expire()
        }
    }

    fn expire(&mut self) -> Result<(), Stop> {
        let now_ms = self.process.clock.wall_ms();
        let waited = self.waited();
        let before = self.machine.keyspace.lock().last_lsn();
        let done = self.machine.expire(now_ms);
        let after = self.machine.keyspace.lock().last_lsn();
        let own = self.machine.waiters.own_end(before, after);
        let old = peek(&self.process.history).last().content().clone();
        // What is due is not shown, be it there or not.
        note(
            &mut peek(&self.process.history),
            before,
            own,
            Vec::new(),
            Content::clone(&old),
        );
        done?;
        // Whoever waits for news of a stream that was due is told of its end.
        let waits_on = |wait: &Wait| still_waits(&old, &waited, wait, now_ms, |_| {});
        Ok(self.tell((own, after), now_ms, &waits_on)?)
    }

    /// Sees to it that the database has a name, which is a transaction of its own.
    pub fn identify(&mut self) -> Result<(), Stop> {
        self.name(|keyspace| keyspace.identity().map(|_| ()))
    }

    /// The same for this life of it.
    pub fn name_life(&mut self) -> Result<(), Stop> {
        self.name(|keyspace| keyspace.named_life().map(|_| ()))
    }

    fn name(&mut self, name: impl FnOnce(&mut Keyspace) -> Result<(), Error>) -> Result<(), Stop> {
        let mut keyspace = self.machine.keyspace.lock();
        let before = keyspace.last_lsn();
        name(&mut keyspace)?;
        let after = keyspace.last_lsn();
        let mut history = peek(&self.process.history);
        let content = Content::clone(history.last().content());
        note(&mut history, before, after, Vec::new(), content);
        Ok(())
    }

    fn form(&self, key: &[u8], is_large: bool) -> Result<(), Stop> {
        let found = self.machine.is_large(key, self.process.clock.wall_ms())?;
        if found == Some(is_large) {
            return Ok(());
        }
        let detail = format!(
            "{:?} is to be large: {is_large}, and is: {found:?}",
            String::from_utf8_lossy(key)
        );
        Err(Broken::new(HARNESS, detail).into())
    }

    /// Reads everything and compares it with the model.
    pub fn read(&mut self) -> Result<(), Stop> {
        let now_us = self.process.clock.wall_us();
        let state = peek(&self.process.history).last().clone();
        let asked = state.content().model.selected(WORKER).0;
        let found = Shown::by_machine(&mut self.machine, now_us).map_err(of_refusal)?;
        self.machine
            .unbounded(|machine| machine.call(&select(asked), now_us));
        if state.like(&found, now_us / 1000).is_none() {
            let expected = Shown::by_model(state.content(), now_us / 1000);
            return Err(Broken::new("O11", Shown::difference(&expected, &found)).into());
        }
        Ok(())
    }

    /// Faults have ended: commands, a sync, a checkpoint and reads work.
    pub fn goes_on(&mut self) -> Result<(), Stop> {
        self.machine.unbound();
        let call = |text: &str| Act::Call(command(text));
        self.act(&call("SET after 1"))?;
        self.act(&Act::Ack)?;
        self.act(&call("RPUSH afters a b c"))?;
        self.act(&Act::Sync)?;
        self.act(&Act::Checkpoint)?;
        self.act(&call("DEL after"))?;
        self.act(&Act::Sync)?;
        self.act(&Act::Read)
    }

    /// O8 in the end: after FLUSHALL, what is in use is the base line.
    pub fn empties(&mut self) -> Result<(), Stop> {
        self.act(&Act::Call(command("FLUSHALL")))?;
        while self.process.engine.with(|e| e.has_dropped()) {
            self.act(&Act::FreeDropped(100))?;
        }
        for _ in 0..3 {
            self.act(&Act::Checkpoint)?;
            self.act(&Act::Call(command("SET last 1")))?;
            self.act(&Act::Call(command("DEL last")))?;
        }
        // The catalog's leaf, twice while the older one waits, the free maps of both, and the keyspace's own tree with
        // its libraries.
        self.process.is_empty_but_for(16)
    }
}

fn shown(words: &Words) -> String {
    let words: Vec<_> = words
        .iter()
        .map(|word| String::from_utf8_lossy(word))
        .collect();
    words.join(" ")
}

fn select(db: usize) -> Words {
    vec![b"SELECT".to_vec(), db.to_string().into_bytes()]
}

/// A command whose words have no spaces.
pub fn command(text: &str) -> Work {
    Work {
        words: text
            .split_ascii_whitespace()
            .map(|word| word.as_bytes().to_vec())
            .collect(),
        meaning: Meaning::Itself,
    }
}

/// O1, O2, O6: the content that is shown, which must be that after `lsn`.
fn find(history: &History, shown: &Shown, lsn: u64, now_ms: u64) -> Result<Content, Broken> {
    let Some(state) = history.state(lsn) else {
        let detail = format!(
            "the engine says {lsn}, only {} were issued",
            history.issued()
        );
        return Err(Broken::new("O1", detail));
    };
    if let Some(content) = state.like(shown, now_ms) {
        return Ok(Content::clone(content));
    }
    let states = history.states().iter();
    match states.rev().position(|s| s.like(shown, now_ms).is_some()) {
        Some(back) => {
            let k = history.issued() - back as u64;
            let expected = Shown::by_model(state.content(), now_ms);
            let difference = Shown::difference(&expected, shown);
            let detail = format!(
                "the content is that after {k} and the engine says {lsn}; against that: {difference}"
            );
            Err(Broken::new("O2", detail))
        }
        None => {
            let expected = Shown::by_model(state.content(), now_ms);
            let detail = format!(
                "no prefix has this content; against {lsn}: {}",
                Shown::difference(&expected, shown)
            );
            Err(Broken::new("O6", detail))
        }
    }
}

/// Writes down what was committed: `content` in the end, and between the first and the last transaction nothing but
/// what was before, with keys given up one by one, or all of it.
fn note(
    history: &mut History,
    before: u64,
    after: u64,
    between: Vec<Arc<Content>>,
    content: Content,
) {
    if after == before {
        history.replace_last(State::of(content));
        return;
    }
    let content = Arc::new(content);
    for _ in before + 1..after {
        let mut choices = between.clone();
        choices.push(Arc::clone(&content));
        history.push(State::one_of(choices));
    }
    history.push(State::one_of(vec![content]));
}

/// Carries a command out in the model; whether it answers an error.
fn apply(content: &mut Content, work: &Work, reply: &Value, now_ms: u64) -> bool {
    let now = now_ms.cast_signed();
    let is_error = |reply: Vec<u8>| reply.first() == Some(&b'-');
    match &work.meaning {
        Meaning::Itself => is_error(content.model.execute(WORKER, &work.words, now)),
        Meaning::These(commands) => commands.iter().any(|words| {
            let reply = content.model.execute(WORKER, words, now);
            is_error(reply)
        }),
        Meaning::Tried(commands) => {
            let db = content.model.selected(WORKER).0;
            let had_room = |n: usize| match reply {
                Value::Array(all) => all.get(n) != Some(&Value::Int(0)),
                _ => true,
            };
            for (n, words) in commands.iter().enumerate() {
                if had_room(n) {
                    content.model.execute(WORKER, words, now);
                }
            }
            // A script leaves the connection's database as it was.
            content.model.execute(WORKER, &select(db), now);
            false
        }
        Meaning::Library(name, code) => {
            match code {
                Some(code) => content.libraries.insert(name.clone(), code.clone()),
                None => content.libraries.remove(name),
            };
            false
        }
    }
}

fn evict(content: &mut Content, db: u32, key: Vec<u8>, now_ms: u64) {
    let now = now_ms.cast_signed();
    // A connection of its own: the worker's may be in a transaction.
    const EVICTOR: usize = 2;
    content.model.execute(EVICTOR, &select(db as usize), now);
    content.model.execute(EVICTOR, &[b"DEL".to_vec(), key], now);
    content.model.disconnect(EVICTOR);
}

fn ends_transaction(words: &Words) -> bool {
    let ends = [&b"EXEC"[..], b"DISCARD", b"MULTI"];
    ends.iter().any(|end| words[0].eq_ignore_ascii_case(end))
}

/// A transaction whose EXEC failed is over.
fn forget_transaction(content: &mut Content, words: &Words, now_ms: u64) {
    if words[0].eq_ignore_ascii_case(b"EXEC") {
        let discard = [b"DISCARD".to_vec()];
        content
            .model
            .execute(WORKER, &discard, now_ms.cast_signed());
    }
}

/// Runs a script from the opening of the files on. `history` is what was committed and acknowledged when it ends,
/// however it ends; the open must show `low` at least. `served` counts the clients that waited and were given something.
pub fn run_script(
    vfs: &SimVfs,
    (shape, config): (&Shape, &Arc<Config>),
    watcher: &Watcher,
    acts: &[Act],
    low: u64,
    history: &mut History,
    served: &mut u64,
) -> Result<(), Stop> {
    let open = |history: &History, low: u64| {
        let life = Life::open(vfs, shape, config, watcher, history.clone())?;
        let k = life.history().issued();
        if k < low {
            let detail = format!("{low} was acknowledged, and {k} is there");
            return Err(Stop::Broken(Broken::new("O1", detail)));
        }
        Ok(life)
    };
    let mut life = open(history, low)?;
    for act in acts {
        vfs.clock().advance_us(TICK_US);
        let done = match act {
            Act::Reopen => {
                *history = life.history();
                let low = history.acked_kill;
                drop(life);
                vfs.next_process();
                life = open(history, low)?;
                Ok(())
            }
            act => life.act(act),
        };
        *history = life.history();
        *served += std::mem::take(&mut life.served);
        match done {
            // A command that has no room has changed nothing; the script goes on.
            Err(Stop::Refused(text)) if text.starts_with("OOM ") => {}
            Err(Stop::Refused(text)) if text.starts_with(FULL) && vfs.faults_fired() > 0 => {}
            Err(Stop::Storage(Error::DiskFull) | Stop::Log(LogError::NoSpace(_)))
                if vfs.faults_fired() > 0 => {}
            done => done?,
        }
    }
    life.read()
}

impl Scenario {
    fn config(&self) -> Arc<Config> {
        configured(&self.directives)
    }
}

impl Subject for Scenario {
    type State = State;
    type Life = Life;

    fn name(&self) -> &str {
        self.name
    }

    fn profile(&self) -> &DiskProfile {
        &self.profile
    }

    fn watcher(&self) -> Watcher {
        life::watcher(&self.shape)
    }

    fn base(&self) -> Option<BaseEnd> {
        (!self.base.is_empty()).then_some(BaseEnd::Kill)
    }

    fn run_base(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        let over = (&self.shape, &self.config());
        run_script(vfs, over, watcher, &self.base, 0, history, &mut 0)
    }

    fn run(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        let over = (&self.shape, &self.config());
        run_script(vfs, over, watcher, &self.script, 0, history, &mut 0)
    }

    fn open(&self, vfs: &SimVfs, watcher: &Watcher, history: History) -> Result<Life, Stop> {
        Life::open(vfs, &self.shape, &self.config(), watcher, history)
    }

    fn history(life: &Life) -> History {
        life.history()
    }

    fn account(life: &Life) -> Result<(), Stop> {
        life.account()
    }

    fn goes_on(life: &mut Life) -> Result<(), Stop> {
        life.goes_on()
    }

    fn empties(life: &mut Life) -> Result<(), Stop> {
        life.empties()
    }
}
