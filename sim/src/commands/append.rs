//! The append-only file beside a database that is in use: after a crash at any change its folder reads as the database
//! was at some transaction, and that is not older than what was durable in it. No rewrite leaves anything. A start takes up
//! what is the database's own, and keeps what another copy of it did.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use redkeep::cli::append_only::{Alone, AppendOnly, Manner};
use redkeep::cli::own_aof::{self, State as Found};
use redkeep::command::append_only::Work;
use redkeep::command::server::Server;
use redkeep::interchange::aof::Manifest;
use redkeep::server::append_file::AppendFile;
use redkeep::server::appender::{Before, Place, read_manifest};
use redkeep::server::durability::SyncPolicy;
use redkeep::server::log_keeper::LogKeeper;
use redkeep::storage::planted::Planted;
use redkeep::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, read_exact_at, write_all_at};

use super::beside::{Busy, Known};
use super::life::{Act, History, Life, command};
use super::machine::{Held, Machine, configured, empty_disk};
use super::oracle::{Shown, State};
use crate::clock::SimClock;
use crate::disk::{DiskProfile, Progress, Setup, SimVfs, Termination};
use crate::engine::exhaust::{BaseEnd, Subject};
use crate::engine::life::{self, Shape, Stop};
use crate::engine::tap::Watcher;
use crate::explore::Broken;
use crate::seed::Seed;

/// Where the parts are.
pub const FOLDER: &str = "appendonlydir";

/// Where a server puts them that are newer than its database, another copy's, or doubtful. Lives of one run need no more.
const ASIDE: [&str; 4] = [
    "appendonlydir.aside-1",
    "appendonlydir.aside-2",
    "appendonlydir.aside-3",
    "appendonlydir.aside-4",
];

/// The key under which a client keeps up to which transaction the file was durable.
const PROMISED: &str = "promised";

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Do(Vec<Act>),
    /// A turn of the thread that writes the file, with these commands meanwhile.
    Turn(Vec<Vec<Act>>),
    /// The same, and the file is written anew.
    Rewrite(Vec<Vec<Act>>),
    /// `appendonly` is this now.
    Want(bool),
    /// A client sees up to where the file is durable, and writes it down, durably.
    Promise,
    /// A copy of the database, which another process opens, goes its own way, and its folder comes into the place of this
    /// one's.
    Fork(Vec<Step>),
}

/// A database beside which an append-only file is written.
#[derive(Clone, Debug)]
pub struct Appends {
    name: &'static str,
    shape: Shape,
    profile: DiskProfile,
    directives: Vec<(&'static str, &'static str)>,
    base: Vec<Step>,
    script: Vec<Step>,
    oracle: Oracle,
}

/// A process that has opened both.
pub struct Open {
    life: Life,
    /// What it does with the file.
    before: Option<Before>,
    oracle: Oracle,
}

fn call(text: &str) -> Act {
    Act::Call(command(text))
}

fn calls(texts: &[&str]) -> Vec<Act> {
    texts.iter().map(|text| call(text)).collect()
}

/// One act at each I/O.
fn each(acts: Vec<Act>) -> Vec<Vec<Act>> {
    acts.into_iter().map(|act| vec![act]).collect()
}

fn broken(oracle: &'static str, detail: impl Into<String>) -> Stop {
    Stop::Broken(Broken::new(oracle, detail))
}

/// Every scenario: a file that goes on and is written anew; one that is not synced; one that begins, ends, and begins
/// again with a gap.
pub fn all(planted: Planted) -> Vec<Appends> {
    let scenario = |name, directives, base, script| Appends {
        name,
        shape: Shape {
            planted,
            ..Shape::default()
        },
        // What is appended shares an atom with what is synced, as in Redis's file.
        profile: DiskProfile {
            psow: true,
            ..DiskProfile::default()
        },
        directives,
        base,
        script,
        oracle: Oracle::default(),
    };
    let long = "x".repeat(900);
    let goes_on = scenario(
        "append-only",
        vec![("appendonly", "yes"), ("appendfsync", "always")],
        vec![
            Step::Do(calls(&["RPUSH list a b c", "SET n 5"])),
            Step::Turn(Vec::new()),
            Step::Do(calls(&["INCR n", "SADD set a b"])),
            Step::Turn(Vec::new()),
            Step::Do(vec![Act::Sync]),
        ],
        vec![
            Step::Promise,
            Step::Do(calls(&[
                "INCR n",
                "MULTI",
                "RPUSH list d",
                "APPEND s x",
                "EXEC",
            ])),
            Step::Turn(each(vec![call("INCR n"), Act::Ack])),
            Step::Promise,
            Step::Do(calls(&[
                "SELECT 1",
                "RPUSH other a",
                "SELECT 0",
                "LPOP list",
            ])),
            Step::Rewrite(each(vec![
                call("INCR n"),
                call("RPUSH list e"),
                Act::Ack,
                call(&format!("APPEND s {long}")),
                call("INCR n"),
                Act::Checkpoint,
                call("SPOP set 9"),
                call("INCR n"),
            ])),
            Step::Promise,
        ],
    );
    // Longer than sectors, so that a hole in what is written may be in a value alone.
    let longer = "y".repeat(2000);
    let torn = scenario(
        "append-only-torn-inside",
        vec![("appendonly", "yes"), ("appendfsync", "everysec")],
        vec![
            Step::Do(calls(&["RPUSH list a b c", "SET n 5"])),
            Step::Turn(Vec::new()),
            Step::Do(vec![Act::Sync, Act::Wait(1_100_000)]),
            Step::Turn(Vec::new()),
        ],
        vec![
            Step::Promise,
            Step::Turn(Vec::new()),
            Step::Do(calls(&["INCR n", &format!("SET s {longer}"), "LPOP list"])),
            Step::Turn(Vec::new()),
            Step::Do(calls(&["INCR n", &format!("APPEND s {long}"), "INCR n"])),
            Step::Turn(each(vec![call("INCR n")])),
            Step::Do(vec![Act::Sync]),
        ],
    );
    let begins = scenario(
        "append-only-with-a-gap",
        vec![("appendonly", "yes"), ("appendfsync", "everysec")],
        vec![Step::Do(vec![call("RPUSH list a b c"), Act::Sync])],
        vec![
            Step::Turn(each(vec![call("INCR n")])),
            Step::Do(vec![call("INCR n"), Act::Wait(1_100_000)]),
            Step::Turn(Vec::new()),
            Step::Promise,
            Step::Do(calls(&["RPUSH list d"])),
            Step::Rewrite(each(calls(&["INCR n", "RPUSH list e", "INCR n"]))),
            Step::Want(false),
            Step::Turn(Vec::new()),
            Step::Do(calls(&["INCR n", "LPOP list"])),
            Step::Want(true),
            Step::Turn(each(calls(&["INCR n", "RPUSH list f", "INCR n"]))),
            Step::Promise,
        ],
    );
    // Of another copy, with as many transactions as the database and with fewer.
    let of_another = |name, acts| {
        scenario(
            name,
            vec![("appendonly", "yes"), ("appendfsync", "always")],
            vec![
                Step::Do(calls(&["RPUSH list a b c", "SET n 5"])),
                Step::Turn(Vec::new()),
                Step::Want(false),
                Step::Turn(Vec::new()),
                Step::Do(vec![Act::Sync]),
                Step::Fork(vec![
                    Step::Do(vec![call("INCR n"), Act::Sync]),
                    Step::Turn(Vec::new()),
                ]),
                Step::Do(acts),
                Step::Do(vec![Act::Sync]),
            ],
            vec![
                Step::Turn(Vec::new()),
                Step::Do(calls(&["INCR n"])),
                Step::Turn(Vec::new()),
                Step::Promise,
            ],
        )
    };
    let same = of_another("append-only-of-another-copy", calls(&["DECR n", "DECR n"]));
    let fewer = of_another(
        "append-only-of-another-copy-with-less",
        calls(&["DECR n", "DECR n", "DECR n"]),
    );
    vec![goes_on, torn, begins, same, fewer]
}

/// The thread that writes the file, and what it works with.
struct Writing {
    server: Arc<Server>,
    keyspace: Held,
    log: LogKeeper,
    /// Nothing was lost by a sync that said nothing.
    is_sure: Cell<bool>,
}

impl Writing {
    fn beside(life: &Life) -> Self {
        let keyspace = life.keyspace().clone();
        let log = keyspace.lock().engine.log().cloned();
        let log = log.expect("an open file has a log");
        let clock: Arc<dyn Clock> = Arc::new(life.vfs().clock());
        Self {
            server: Arc::clone(life.server()),
            // Nobody syncs beside it, so that nobody may wait for a sync.
            log: LogKeeper::new(log, clock, SyncPolicy::Kernel),
            keyspace,
            is_sure: Cell::new(true),
        }
    }

    /// Whether what the file is durable up to may be relied on: what one sync has covered may be lost, if only the next one
    /// says so.
    fn is_sure(&self, vfs: &SimVfs) -> bool {
        if vfs.take_silent_losses(|path| path.starts_with(FOLDER)) {
            self.is_sure.set(false);
        }
        self.is_sure.get()
    }

    fn file<'a>(&'a self, vfs: &'a SimVfs, before: Before) -> AppendFile<'a> {
        let mut file = AppendFile::new(&self.server, self.keyspace.mutex(), &self.log, vfs);
        file.take_over(before);
        file
    }

    /// The log has what the file has.
    fn has_no_more_than_the_log(&self, vfs: &SimVfs) -> Result<(), Stop> {
        let place = Place::of(&self.server.config);
        let failed = |error: io::Error| Stop::Refused(error.to_string());
        let Some(manifest) = read_manifest(vfs, &place).map_err(failed)? else {
            return Ok(());
        };
        let (identity, written) = {
            let mut keyspace = self.keyspace.lock();
            let identity = keyspace.identity()?;
            let log = keyspace.engine.log().expect("an open file has a log");
            (identity, log.written_lsn().0)
        };
        match own_aof::state(vfs, &place.dir, &manifest, &identity).map_err(failed)? {
            Found::Whole { lsn, .. } if lsn > written => {
                let detail = format!("the file has transaction {lsn}, and the log {written}");
                Err(broken("O1", detail))
            }
            _ => Ok(()),
        }
    }

    /// What the thread says of its last turn.
    fn has_failed(&self) -> Result<(), Stop> {
        let state = self.server.append_only.state();
        match state.rewrite_error.or(state.write_error) {
            Some(error) => Err(Stop::Refused(error)),
            None => Ok(()),
        }
    }
}

fn work(rewrite: bool) -> Work {
    Work {
        rewrite,
        stop: false,
    }
}

impl Appends {
    fn life(&self, vfs: &SimVfs, watcher: &Watcher, history: History) -> Result<Life, Stop> {
        let config = configured(&self.directives);
        Life::open(vfs, &self.shape, &config, watcher, history)
    }

    fn run_steps(
        &self,
        vfs: &SimVfs,
        watcher: &Watcher,
        steps: &[Step],
        history: &mut History,
    ) -> Result<(), Stop> {
        let mut life = self.life(vfs, watcher, history.clone())?;
        life.identify()?;
        let before = take_up(vfs, &life);
        let named = life.name_life();
        *history = life.history();
        named?;
        let writing = Writing::beside(&life);
        writing.server.append_only.want(true);
        let mut file = writing.file(vfs, before?);
        let busy = Busy::new(life);
        for step in steps {
            let done = self.step(vfs, &busy, &writing, &mut file, step);
            *history = busy.lock().history();
            done?;
        }
        busy.lock().read()
    }

    fn step(
        &self,
        vfs: &SimVfs,
        busy: &Busy,
        writing: &Writing,
        file: &mut AppendFile<'_>,
        step: &Step,
    ) -> Result<(), Stop> {
        let mut turn = |rewrite: bool, meanwhile: &[Vec<Act>]| {
            busy.beside(vfs, FOLDER, meanwhile, || {
                file.turn(work(rewrite));
                writing.has_failed()
            })?;
            writing.has_no_more_than_the_log(vfs)
        };
        match step {
            Step::Do(acts) => busy.act(vfs, acts),
            Step::Turn(meanwhile) => turn(false, meanwhile),
            Step::Rewrite(meanwhile) => turn(true, meanwhile),
            Step::Want(is_wanted) => {
                writing.server.append_only.want(*is_wanted);
                Ok(())
            }
            Step::Fork(steps) => {
                let history = busy.lock().history();
                self.fork(vfs, steps, history)
            }
            Step::Promise if !writing.is_sure(vfs) => Ok(()),
            Step::Promise => {
                let lsn = file.synced_to().unwrap_or(0);
                busy.act(vfs, &[call(&format!("SET {PROMISED} {lsn}")), Act::Sync])
            }
        }
    }
}

/// What the disk of another copy differs in.
const OTHER: Seed = Seed(2);

impl Appends {
    /// Another process does something with a copy of the disk, whose folder then takes the place of this one's.
    fn fork(&self, vfs: &SimVfs, steps: &[Step], mut history: History) -> Result<(), Stop> {
        let setup = Setup {
            clock: vfs.clock(),
            ..Setup::new(OTHER)
        };
        let now = Termination::ProcessKill(Progress::Nothing);
        let other = SimVfs::boot(vfs.crash_state().image(now), &setup);
        self.run_steps(&other, &self.watcher(), steps, &mut history)?;
        let moved = || -> Result<(), VfsError> {
            let folder = Path::new(FOLDER);
            vfs.list(folder)?
                .iter()
                .try_for_each(|path| vfs.unlink(path))?;
            for path in other.list(folder)? {
                let file = vfs.open(&path, OpenMode::Create)?;
                write_all_at(&*file, &whole(&other, &path)?, 0)?;
                file.sync_all()?;
            }
            vfs.sync_dir(folder)
        };
        moved().map_err(|error| Stop::Refused(error.to_string()))?;
        let bytes = folder_bytes(vfs, FOLDER)?;
        self.oracle
            .of_other
            .set(bytes)
            .expect("there is one other copy");
        Ok(())
    }
}

/// The bytes of a file.
fn whole(vfs: &SimVfs, path: &Path) -> Result<Vec<u8>, VfsError> {
    let file = vfs.open(path, OpenMode::Read)?;
    let mut bytes = vec![0; file.len()? as usize];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(bytes)
}

/// How many folders were put aside.
fn count_aside(vfs: &SimVfs) -> usize {
    let is_there = |folder: &&&str| vfs.list(Path::new(folder)).is_ok();
    ASIDE.iter().filter(is_there).count()
}

/// The names and bytes of all files in a folder; none if there is no folder.
fn folder_bytes(vfs: &SimVfs, folder: &str) -> Result<Vec<u8>, Stop> {
    let mut all = Vec::new();
    for path in vfs.list(Path::new(folder)).unwrap_or_default() {
        let bytes = whole(vfs, &path).map_err(|error| unread(vfs, error))?;
        let name = path.file_name().unwrap_or_default();
        all.extend_from_slice(name.as_encoded_bytes());
        all.extend_from_slice(&bytes.len().to_le_bytes());
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// What a start does with the file.
fn take_up(vfs: &SimVfs, life: &Life) -> Result<Before, Stop> {
    let mut keyspace = life.keyspace().lock();
    own_aof::take_up(vfs, &mut keyspace, life.server(), false).map_err(|error| {
        if vfs.crashed() || is_of_call(&*error) {
            Stop::Refused(error.to_string())
        } else {
            broken("O1", format!("the start is refused: {error}"))
        }
    })
}

/// Whether it is that of a call that failed, and not a verdict on what is there.
fn is_of_call(error: &(dyn Error + 'static)) -> bool {
    let inner = match error.downcast_ref::<io::Error>() {
        Some(error) => error
            .get_ref()
            .map(|inner| -> &(dyn Error + 'static) { inner }),
        None => error.source(),
    };
    let is_io = |error: &VfsError| error.kind == VfsErrorKind::Io;
    error.downcast_ref().is_some_and(is_io) || inner.is_some_and(is_of_call)
}

/// What the folder reads as.
#[derive(Clone, Debug)]
struct Reading {
    shown: Shown,
    /// The transactions of which it may be the last: a write that a crash cut may have been of several.
    first: u64,
    last: u64,
    /// Nobody can tell whose its end is.
    is_doubtful: bool,
}

/// An error of a call, or of what stands there.
fn unread(vfs: &SimVfs, error: impl std::fmt::Display) -> Stop {
    if vfs.crashed() {
        Stop::Refused(error.to_string())
    } else {
        broken("O6", format!("the append-only file: {error}"))
    }
}

/// Reads the folder; None: there is no manifest.
fn read(vfs: &SimVfs, life: &Life, known: &Known<Reading>) -> Result<Option<Reading>, Stop> {
    let place = Place::of(&life.server().config);
    let found = read_manifest(vfs, &place).map_err(|error| unread(vfs, error))?;
    let Some(manifest) = found else {
        return Ok(None);
    };
    let bytes = bytes_of(vfs, &manifest).map_err(|error| unread(vfs, error))?;
    let identity = life.keyspace().lock().identity()?;
    let look = || read_parts(vfs, &place, &manifest, &identity);
    known.find(&bytes, look).map(Some)
}

/// The bytes of all parts and of the manifest.
fn bytes_of(vfs: &SimVfs, manifest: &Manifest) -> Result<Vec<u8>, VfsError> {
    let mut all = manifest.to_text().into_bytes();
    for part in manifest.parts() {
        let bytes = match whole(vfs, &Path::new(FOLDER).join(&part.name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind == VfsErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        all.extend_from_slice(&bytes.len().to_le_bytes());
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

fn read_parts(
    vfs: &SimVfs,
    place: &Place,
    manifest: &Manifest,
    identity: &str,
) -> Result<Reading, Stop> {
    let state = |vfs: &SimVfs| {
        let state = own_aof::state(vfs, &place.dir, manifest, identity);
        state.map_err(|error| unread(vfs, error))
    };
    let clock = vfs.clock();
    let file = AppendOnly::of(&place.manifest(), manifest.clone());
    let found = state(vfs)?;
    let is_doubtful = matches!(found, Found::Doubtful { .. });
    let reading = |(shown, origin): (Shown, Option<u64>), first: u64| Reading {
        shown,
        first,
        last: origin.map_or(first, |lsn| lsn.max(first)),
        is_doubtful,
    };
    let (cut_file, at) = match found {
        Found::Whole { lsn, .. } => {
            let played = play(vfs, &clock, &file).map_err(|error| unread(vfs, error))?;
            return Ok(reading(played, lsn));
        }
        Found::Torn { file, at, .. } | Found::Doubtful { file, at } => (file, at),
        state => return Err(unread(vfs, format!("{state:?}"))),
    };
    // As a start cuts it, and whoever repairs it.
    let alone = empty_disk(&clock, &[life::DIR, FOLDER]);
    let copied = cut_copy(vfs, &alone, manifest, (&cut_file, at));
    copied.map_err(|error| unread(vfs, error))?;
    let first = match state(&alone)? {
        Found::Whole { lsn, .. } => lsn,
        state => return Err(unread(vfs, format!("after the cut it is {state:?}"))),
    };
    // Uncut it is refused, or read up to a command in what is cut off, or with holes in values.
    let played = play(&alone, &clock, &file).map_err(|error| unread(vfs, error))?;
    Ok(reading(played, first))
}

/// What the file says, read into a database of its own, and up to which transaction it says that that is.
fn play(
    source: &SimVfs,
    clock: &SimClock,
    file: &AppendOnly,
) -> Result<(Shown, Option<u64>), String> {
    let alone = empty_disk(clock, &[life::DIR, FOLDER]);
    let shape = Shape {
        cache_pages: 200,
        ..Shape::default()
    };
    let mut machine = Machine::alone(&alone, &shape)?;
    let manner = Manner {
        until_ms: None,
        takes_torn: true,
    };
    let (server, held) = (Arc::clone(&machine.server), machine.keyspace.clone());
    let mut ground = held.lock();
    let played = file.play(
        source,
        &server,
        &mut Alone(&mut ground),
        manner,
        &mut |_, _| {},
    );
    drop(ground);
    let played = played.map_err(|error| error.to_string())?;
    let shown = Shown::by_machine(&mut machine, clock.wall_us()).map_err(|error| error.0)?;
    Ok((shown, played.origin.map(|origin| origin.lsn)))
}

/// Copies the parts, of which one ends at an offset.
fn cut_copy(
    from: &SimVfs,
    to: &SimVfs,
    manifest: &Manifest,
    (cut, at): (&Path, u64),
) -> Result<(), VfsError> {
    for part in manifest.parts() {
        let path = Path::new(FOLDER).join(&part.name);
        let mut bytes = whole(from, &path)?;
        if path == cut {
            bytes.truncate(at as usize);
        }
        write_all_at(&*to.open(&path, OpenMode::Create)?, &bytes, 0)?;
    }
    Ok(())
}

/// What stands in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Nothing,
    /// What the database wrote, and did.
    Own,
    /// What the database wrote, and lost; or with an end of which nobody can tell whose it is.
    Lost,
    /// What another copy wrote.
    Others,
}

/// What is known of the file beside what a crash leaves of it.
#[derive(Clone, Debug, Default)]
struct Oracle {
    known: Known<Reading>,
    /// The bytes in the folder that came from another copy, which are never lost.
    of_other: Arc<OnceLock<Vec<u8>>>,
}

impl Oracle {
    /// Whether another copy's file is in this folder.
    fn others_is_in(&self, vfs: &SimVfs, folder: &str) -> Result<bool, Stop> {
        match self.of_other.get() {
            Some(bytes) => Ok(folder_bytes(vfs, folder)? == *bytes),
            None => Ok(false),
        }
    }

    /// What a start does with the file: its own it takes, and what another copy did it keeps elsewhere.
    fn take_up(&self, vfs: &SimVfs, life: &Life, stands: Stands) -> Result<Before, Stop> {
        let aside_before = count_aside(vfs);
        let before = take_up(vfs, life)?;
        if stands == Stands::Own && count_aside(vfs) != aside_before {
            return Err(broken("O1", "the database's own file is not taken up"));
        }
        if self.others_is_in(vfs, FOLDER)? {
            return Err(broken("O1", "the file of another copy is taken up"));
        }
        Ok(before)
    }

    /// Whether the folder reads as the database was, not before what was promised, and what another copy did is somewhere.
    fn judge(&self, vfs: &SimVfs, life: &Life, history: &History) -> Result<Stands, Stop> {
        let is_others = self.others_is_in(vfs, FOLDER)?;
        let mut is_kept = is_others || self.of_other.get().is_none();
        for aside in ASIDE {
            is_kept = is_kept || self.others_is_in(vfs, aside)?;
        }
        if !is_kept {
            return Err(broken("O1", "what another copy did is not there any more"));
        }
        let now_ms = vfs.clock().wall_ms();
        let now = life.history();
        let promised = now.last().content().string(PROMISED.as_bytes(), now_ms);
        let promised = promised.map_or(0, |text| {
            String::from_utf8_lossy(&text).parse().unwrap_or(0)
        });
        let found = if is_others {
            None
        } else {
            read(vfs, life, &self.known)?
        };
        let Some(reading) = found else {
            let is_aside = count_aside(vfs) > 0 && !is_others;
            if promised > 0 && !is_aside && !vfs.crashed() {
                let detail = format!("the file was durable up to {promised}, and it is not there");
                return Err(broken("O1", detail));
            }
            return Ok(if is_others {
                Stands::Others
            } else {
                Stands::Nothing
            });
        };
        judge_reading(&reading, promised, (history, &now), now_ms)
    }
}

/// The same of what is the database's; `now` is what it shows.
fn judge_reading(
    reading: &Reading,
    promised: u64,
    (history, now): (&History, &History),
    now_ms: u64,
) -> Result<Stands, Stop> {
    let Reading {
        shown, first, last, ..
    } = reading;
    if *last < promised {
        let detail = format!("the file was durable up to {promised}, and reads up to {last}");
        return Err(broken("O1", detail));
    }
    let range = promised.max(*first)..=*last;
    let is_like = |lsn| {
        let state: Option<&Arc<State>> = history.state(lsn);
        state.is_some_and(|state| state.like(shown, now_ms).is_some())
    };
    // It is newer than the database, and what that was then is not known any more: it was judged before.
    let is_unknown = *last > now.issued() && history.issued() == now.issued();
    if is_unknown || range.clone().any(is_like) {
        let is_own = *first <= now.issued() && !reading.is_doubtful;
        return Ok(if is_own { Stands::Own } else { Stands::Lost });
    }
    let expected = history
        .state(*last)
        .map(|state| Shown::by_model(state.content(), now_ms));
    let difference = expected.map(|expected| Shown::difference(&expected, shown));
    let detail = format!("the file reads as no state of {range:?}: {difference:?}");
    Err(broken("O6", detail))
}

impl Subject for Appends {
    type State = State;
    type Life = Open;

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
        self.run_steps(vfs, watcher, &self.base, history)
    }

    fn run(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        self.run_steps(vfs, watcher, &self.script, history)
    }

    fn open(&self, vfs: &SimVfs, watcher: &Watcher, history: History) -> Result<Open, Stop> {
        let life = self.life(vfs, watcher, history.clone())?;
        let oracle = self.oracle.clone();
        let stands = oracle.judge(vfs, &life, &history)?;
        let before = Some(oracle.take_up(vfs, &life, stands)?);
        Ok(Open {
            life,
            before,
            oracle,
        })
    }

    fn history(open: &Open) -> History {
        open.life.history()
    }

    fn account(open: &Open) -> Result<(), Stop> {
        open.life.account()
    }

    /// The file goes on or begins anew, and a rewrite leaves the parts that it names.
    fn goes_on(open: &mut Open) -> Result<(), Stop> {
        let before = open.before.take().expect("a life goes on once");
        let vfs = open.life.vfs().clone();
        open.life.identify()?;
        open.life.name_life()?;
        let writing = Writing::beside(&open.life);
        writing.server.append_only.want(true);
        let mut file = writing.file(&vfs, before);
        file.turn(work(false));
        open.life.goes_on()?;
        file.turn(work(false));
        writing.has_failed()?;
        open.oracle.judge(&vfs, &open.life, &open.life.history())?;
        open.life.act(&call("INCR n"))?;
        file.turn(work(true));
        open.life.act(&call("INCR n"))?;
        file.turn(work(false));
        writing.has_failed()?;
        open.life.act(&Act::Sync)?;
        let history = open.life.history();
        open.oracle.judge(&vfs, &open.life, &history)?;
        has_only_named(&vfs, &writing.server)
    }

    fn empties(open: &mut Open) -> Result<(), Stop> {
        open.life.empties()
    }
}

/// Nothing is in the folder but the manifest and the parts that it names.
fn has_only_named(vfs: &SimVfs, server: &Server) -> Result<(), Stop> {
    let place = Place::of(&server.config);
    let failed = |error: io::Error| Stop::Refused(error.to_string());
    let manifest = read_manifest(vfs, &place).map_err(failed)?;
    let manifest = manifest.ok_or_else(|| broken("O8", "a rewrite left no manifest"))?;
    let parts = manifest.parts().map(|part| place.dir.join(&part.name));
    let named: BTreeSet<_> = parts.chain([place.manifest()]).collect();
    let there = vfs
        .list(Path::new(FOLDER))
        .map_err(|error| Stop::Refused(error.to_string()))?;
    match there.iter().find(|path| !named.contains(*path)) {
        Some(path) => Err(broken("O8", format!("{} is left", path.display()))),
        None => Ok(()),
    }
}
