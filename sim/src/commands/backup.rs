//! Backups of a database that is in use: after a crash at any change the copy is not there, or whole: it has what the
//! database had at the transaction that it names, and that is not older than the wish for it. The database is unharmed.

use std::ops::ControlFlow;
use std::path::Path;

use redkeep::storage::OpenError;
use redkeep::storage::backup::{BackupError, back_up, refuse_existing};
use redkeep::storage::check::{CheckOptions, check};
use redkeep::storage::planted::Planted;
use redkeep::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, read_exact_at, write_all_at};

use super::beside::{Busy, Known};
use super::life::{Act, History, Life, command};
use super::machine::{Held, Machine, configured, empty_disk};
use super::oracle::{Shown, State};
use super::random;
use super::workload::{Limits, Workload};
use crate::disk::{DiskProfile, SimVfs};
use crate::engine::exhaust::{BaseEnd, Subject};
use crate::engine::life::{self, Shape, Stop};
use crate::engine::lives::Lives;
use crate::engine::random::Knobs;
use crate::engine::tap::Watcher;
use crate::explore::{Broken, Coverage, Failure};
use crate::seed::{Purpose, Seed};

/// Where copies are made.
pub const FOLDER: &str = "/copies";

/// The copy.
const COPY: &str = "/copies/data.keep";

/// Bytes of a copy that are read and written together: few, so that much happens while it is made.
const PIECE_BYTES: usize = 1024;

/// Keys that a client writes before it asks for a backup, and after it was answered.
const ASKED: &str = "asked";
const ANSWERED: &str = "answered";

/// What a copy shows, by which clock, in milliseconds since 1970, and the transaction that it names.
#[derive(Clone, Debug)]
struct Copy {
    shown: Shown,
    at_ms: u64,
    lsn: u64,
}

/// A database of which a backup is made.
#[derive(Clone, Debug)]
pub struct Backups {
    pub name: &'static str,
    pub shape: Shape,
    profile: DiskProfile,
    /// What is done while it is made.
    meanwhile: Vec<Vec<Act>>,
    known: Known<Copy>,
}

/// A process with the database, which can be copied.
pub struct Copied {
    life: Life,
    shape: Shape,
    known: Known<Copy>,
}

fn call(text: &str) -> Act {
    Act::Call(command(text))
}

fn of_vfs(error: VfsError) -> Stop {
    Stop::Open(OpenError::Vfs(error))
}

fn broken(oracle: &'static str, detail: impl Into<String>) -> Stop {
    Stop::Broken(Broken::new(oracle, detail))
}

/// Every scenario: nobody writes meanwhile, or there are changes and checkpoints that would use pages again.
pub fn all(planted: Planted) -> Vec<Backups> {
    let backups = |name, meanwhile| Backups {
        name,
        shape: Shape {
            planted,
            ..Shape::default()
        },
        profile: DiskProfile::default(),
        meanwhile,
        known: Known::default(),
    };
    let long = "x".repeat(900);
    let busy = vec![
        vec![call("DEL first large"), Act::Checkpoint],
        vec![
            call(&format!("SET third {long}")),
            Act::Checkpoint,
            call(&format!("SET fourth {long}")),
            Act::Checkpoint,
        ],
        vec![call("RPUSH second d e f"), Act::Ack],
        vec![call("DEL third"), Act::Checkpoint],
        vec![call(&format!("APPEND first {long}")), Act::Sync],
    ];
    vec![
        backups("backup", Vec::new()),
        backups("backup-of-busy", busy),
    ]
}

impl Backups {
    fn before(&self) -> Vec<Act> {
        let elements: Vec<String> = (0..30).map(|n| format!("element-of-the-set-{n}")).collect();
        vec![
            call(&format!("SET first {}", "y".repeat(700))),
            call("RPUSH second a b c"),
            call(&format!("SADD large {}", elements.join(" "))),
            call(&format!("SET gone {}", "z".repeat(900))),
            Act::Checkpoint,
            call("DEL gone"),
            Act::Sync,
            Act::Shutdown,
        ]
    }

    fn open(&self, vfs: &SimVfs, watcher: &Watcher, history: History) -> Result<Life, Stop> {
        Life::open(vfs, &self.shape, &configured(&[]), watcher, history)
    }

    fn script(&self, vfs: &SimVfs, busy: &Busy) -> Result<(), Stop> {
        busy.act(vfs, &[call(&format!("SET {ASKED} 1")), Act::Ack])?;
        busy.act(vfs, &[Act::Checkpoint])?;
        let held = busy.lock().keyspace().clone();
        refuse_existing(vfs, Path::new(COPY)).map_err(of_backup)?;
        busy.beside(vfs, FOLDER, &self.meanwhile, || make(&held, vfs))?;
        // Whoever sees this key was told that the copy is there.
        busy.act(vfs, &[call(&format!("SET {ANSWERED} 1")), Act::Sync])
    }
}

/// Copies the checkpoint in force.
fn make(held: &Held, vfs: &SimVfs) -> Result<(), Stop> {
    let mut tell = |_| ControlFlow::Continue(());
    let made = back_up(held, vfs, Path::new(COPY), PIECE_BYTES, &mut tell);
    made.map_err(|error| match error {
        BackupError::Storage(error) if !vfs.crashed() && vfs.faults_fired() == 0 => broken(
            "O10",
            format!("nothing is damaged, and the copy ends: {error}"),
        ),
        error => of_backup(error),
    })
}

fn of_backup(error: BackupError) -> Stop {
    match error {
        BackupError::Vfs(error) => of_vfs(error),
        BackupError::Storage(error) => Stop::Storage(error),
        error => Stop::Refused(error.to_string()),
    }
}

/// The bytes of the copy; None: there is none.
fn copy(vfs: &SimVfs) -> Result<Option<Vec<u8>>, VfsError> {
    let file = match vfs.open(Path::new(COPY), OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind == VfsErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; file.len()? as usize];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(Some(bytes))
}

/// What the copy shows, opened by itself on a disk of its own.
fn shown(bytes: &[u8], shape: &Shape, vfs: &SimVfs) -> Result<Copy, Broken> {
    let broken = |detail: String| Broken::new("O6", detail);
    let alone = empty_disk(&vfs.clock(), &[life::DIR]);
    let path = Path::new(life::DATA);
    let put = || write_all_at(&*alone.open(path, OpenMode::Create)?, bytes, 0);
    put().map_err(|error| broken(error.to_string()))?;
    let report = check(&alone, path, &CheckOptions::default(), &mut |_| {})
        .map_err(|error| broken(format!("the copy cannot be checked: {error}")))?;
    if let Some(finding) = report.findings.first() {
        return Err(broken(format!("the copy: {finding}")));
    }
    let shape = Shape {
        planted: Planted::none(),
        ..*shape
    };
    let mut machine = Machine::alone(&alone, &shape)
        .map_err(|error| broken(format!("the copy does not open: {error}")))?;
    let lsn = machine.keyspace.lock().last_lsn();
    let now_us = alone.clock().wall_us();
    let shown = Shown::by_machine(&mut machine, now_us)
        .map_err(|refused| broken(format!("the copy cannot be read: {}", refused.0)))?;
    Ok(Copy {
        shown,
        at_ms: now_us / 1000,
        lsn,
    })
}

/// Whether the copy, if there is one, is what the database had at the transaction that it names, as `history` has it; which
/// that is. The database shows what it had at `shown_lsn`, and has everything that is in the copy.
fn judge_copy(
    vfs: &SimVfs,
    (shape, known): (&Shape, &Known<Copy>),
    history: &History,
    shown_lsn: u64,
) -> Result<Option<u64>, Stop> {
    let Some(bytes) = copy(vfs).map_err(of_vfs)? else {
        return Ok(None);
    };
    let mut copy = known.find(&bytes, || shown(&bytes, shape, vfs))?;
    if copy.at_ms != vfs.clock().wall_ms() && !copy.shown.is_lasting() {
        // The model's state of then has lost what was due since.
        copy = shown(&bytes, shape, vfs)?;
    }
    let Copy { shown, at_ms, lsn } = copy;
    let state = history.state(lsn).filter(|_| lsn <= shown_lsn);
    let Some(state) = state else {
        let detail = format!("the copy is of {lsn}, and the database of {shown_lsn}");
        return Err(broken("O1", detail));
    };
    if state.like(&shown, at_ms).is_none() {
        let expected = Shown::by_model(state.content(), at_ms);
        let difference = Shown::difference(&expected, &shown);
        return Err(broken("O6", format!("the copy of {lsn}: {difference}")));
    }
    Ok(Some(lsn))
}

/// The same, and what the client was told who asked for the copy; `now` is what the database shows.
fn judge(
    vfs: &SimVfs,
    of: (&Shape, &Known<Copy>),
    history: &History,
    now: &History,
) -> Result<(), Stop> {
    let now_ms = vfs.clock().wall_ms();
    let has = |key: &str, lsn: u64| {
        history
            .state(lsn)
            .is_some_and(|state| state.content().has(key.as_bytes(), now_ms))
    };
    let shown_lsn = now.issued();
    match judge_copy(vfs, of, history, shown_lsn)? {
        None if has(ANSWERED, shown_lsn) => {
            Err(broken("O1", "BACKUP was answered, and there is no copy"))
        }
        Some(lsn) if !has(ASKED, lsn) => {
            Err(broken("O1", format!("the copy is of {lsn}, before BACKUP")))
        }
        _ => Ok(()),
    }
}

/// One random run: in each life, between commands of every type, a copy is made, and commands, checkpoints and the reuse of
/// pages go on at each change that its maker makes. The same seed gives the same trace.
pub fn run(seed: Seed, planted: Planted) -> Result<Coverage, Box<Failure>> {
    // Other runs have other draws of the same seed.
    let seed = seed.fork(u64::from(u32::from_le_bytes(*b"copy")));
    let knobs = Knobs::draw(seed, planted);
    let shape = knobs.shape;
    let scenario = format!(
        "backups page={} cache={}",
        shape.page_bytes, shape.cache_pages
    );
    let mut lives = Lives::boot(seed, knobs.clone(), scenario);
    let limits = Limits::draw(&mut seed.fork(1).stream(Purpose::Knobs));
    let mut work = Workload::new(seed, limits);
    let (config, known) = (configured(&[]), Known::default());
    for _ in 0..knobs.lives {
        let acts = |work: &mut Workload| {
            let mut acts = random::acts(work, knobs.acts);
            // The life is ended elsewhere.
            acts.retain(|act| !matches!(act, Act::Shutdown | Act::Reopen));
            acts
        };
        let before = acts(&mut work);
        let meanwhile: Vec<_> = (0..work.stream_mut().below(12))
            .map(|_| acts(&mut work))
            .collect();
        lives.live(|ground, history| {
            let vfs = ground.vfs;
            let life = Life::open(vfs, &shape, &config, ground.watcher, history.clone())?;
            ground.expect(life.history().issued())?;
            let shown_lsn = life.history().issued();
            if judge_copy(vfs, (&shape, &known), history, shown_lsn)?.is_some() {
                vfs.unlink(Path::new(COPY)).map_err(of_vfs)?;
            }
            let busy = Busy::new(life);
            let done = copied(vfs, &busy, (&shape, &known), &before, &meanwhile);
            *history = busy.lock().history();
            done
        })?;
    }
    lives.finish(|ground, history| {
        let mut life = Life::open(ground.vfs, &shape, &config, ground.watcher, history.clone())?;
        let shown_lsn = life.history().issued();
        ground.expect(shown_lsn)?;
        judge_copy(ground.vfs, (&shape, &known), &history, shown_lsn)?;
        life.goes_on()
    })
}

/// Acts, a copy with others meanwhile, and what is in it.
fn copied(
    vfs: &SimVfs,
    busy: &Busy,
    of: (&Shape, &Known<Copy>),
    before: &[Act],
    meanwhile: &[Vec<Act>],
) -> Result<(), Stop> {
    busy.act(vfs, before)?;
    // The first may be the rest of one that was on.
    busy.act(vfs, &[Act::Checkpoint, Act::Checkpoint])?;
    let held = busy.lock().keyspace().clone();
    let asked_lsn = busy.lock().history().issued();
    busy.beside(vfs, FOLDER, meanwhile, || make(&held, vfs))?;
    let history = busy.lock().history();
    match judge_copy(vfs, of, &history, history.issued())? {
        Some(lsn) if lsn < asked_lsn => {
            let detail = format!("the copy is of {lsn}, and was asked for at {asked_lsn}");
            Err(broken("O1", detail))
        }
        Some(_) => busy.lock().read(),
        None => Err(broken("O1", "the copy was made and is not there")),
    }
}

impl Subject for Backups {
    type State = State;
    type Life = Copied;

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
        Some(BaseEnd::Kill)
    }

    fn run_base(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        let busy = Busy::new(self.open(vfs, watcher, history.clone())?);
        let done = busy.act(vfs, &self.before());
        *history = busy.lock().history();
        done
    }

    fn run(&self, vfs: &SimVfs, watcher: &Watcher, history: &mut History) -> Result<(), Stop> {
        let busy = Busy::new(self.open(vfs, watcher, history.clone())?);
        let done = self.script(vfs, &busy);
        *history = busy.lock().history();
        done?;
        busy.lock().read()
    }

    fn open(&self, vfs: &SimVfs, watcher: &Watcher, history: History) -> Result<Copied, Stop> {
        let life = self.open(vfs, watcher, history.clone())?;
        let (shape, known) = (self.shape, self.known.clone());
        judge(vfs, (&shape, &known), &history, &life.history())?;
        Ok(Copied { life, shape, known })
    }

    fn history(copied: &Copied) -> History {
        copied.life.history()
    }

    fn account(copied: &Copied) -> Result<(), Stop> {
        copied.life.account()
    }

    /// The next backup is not hindered by what a crash left of this one.
    fn goes_on(copied: &mut Copied) -> Result<(), Stop> {
        let life = &mut copied.life;
        life.goes_on()?;
        let vfs = life.vfs().clone();
        let is_there = copy(&vfs).map_err(of_vfs)?.is_some();
        if refuse_existing(&vfs, Path::new(COPY)).is_err() != is_there {
            return Err(Stop::Refused("a copy over another one".to_owned()));
        }
        if !is_there {
            life.act(&call(&format!("SET {ASKED} 1")))?;
            life.act(&Act::Checkpoint)?;
            let held = life.keyspace().clone();
            make(&held, &vfs)?;
        }
        let history = life.history();
        judge(&vfs, (&copied.shape, &copied.known), &history, &history)
    }

    fn empties(copied: &mut Copied) -> Result<(), Stop> {
        copied.life.empties()
    }
}
