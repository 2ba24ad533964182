//! A dump beside the database: after a crash at any change the old one is there or the new one, whole; and the new one
//! once its SAVE was answered.

use std::collections::BTreeSet;
use std::path::Path;

use redkeep::interchange::export::{self, Facts};
use redkeep::interchange::load;
use redkeep::interchange::rdb::Value;
use redkeep::interchange::rdb::decode::Decoded;
use redkeep::storage::planted::Planted;
use redkeep::storage::replace::replace_planted;
use redkeep::vfs::{OpenMode, Vfs, VfsError, VfsErrorKind, read_exact_at};

use super::life::{Act, History, Life, command};
use super::machine::{DATABASES, configured};
use crate::disk::{CrashPoint, Disk, DiskProfile, Files, Phase, Setup, SimVfs, Tear, Termination};
use crate::engine::life::{self, Shape, Stop};
use crate::explore::{Broken, Fault, Plan, Scenario};
use crate::seed::Seed;
use crate::watch::{AckPolicy, Note, Observer, standard};

/// The dump.
const DUMP: &str = "/db/dump.rdb";

/// Where it is made.
const BESIDE: &str = "/db/dump.rdb.tmp";

/// Dumps that are made, one over the other.
const VERSIONS: u64 = 3;

/// Keys of each version beside the one that says which it is.
const KEYS: u64 = 5;

/// Dumps one over the other, of a database that no crash hits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dumps {
    pub planted: Planted,
}

/// Which dumps were begun and answered, from 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Saves {
    issued: u64,
    acked: u64,
}

fn broken(detail: impl Into<String>) -> Broken {
    Broken::new("O6", detail)
}

fn failed(text: String) -> VfsError {
    VfsError {
        kind: VfsErrorKind::Io,
        op: "save",
        path: DUMP.into(),
        offset: None,
        effect_unknown: true,
        message: text,
    }
}

/// What the head of a dump says that is made now.
pub(super) fn facts(now_ms: u64) -> Facts {
    Facts {
        version: 12,
        compresses: false,
        checksums: true,
        databases: DATABASES,
        is_aof_base: false,
        now_ms,
    }
}

/// The database: a life on a disk of its own.
fn database() -> Result<Life, Stop> {
    let vfs = SimVfs::new(DiskProfile::default(), &[life::DIR], &Setup::new(Seed(1)));
    let shape = Shape {
        cache_pages: 200,
        ..Shape::default()
    };
    let watcher = life::watcher(&shape);
    Life::open(&vfs, &shape, &configured(&[]), &watcher, History::default())
}

impl Dumps {
    /// How thoroughly dumps are explored. What a crash leaves of one that was not answered is not read by anyone before
    /// the next dump, so it may still be lost.
    pub fn plan(seed: Seed) -> Plan {
        Plan {
            recovered_is_durable: false,
            ..Plan::thorough(DiskProfile::default(), seed)
        }
    }

    fn save(self, vfs: &SimVfs, life: &mut Life, version: u64) -> Result<(), VfsError> {
        let mut set = format!("MSET version {version}");
        for n in 0..KEYS {
            set += &format!(" key{n} {}", "value".repeat((version * 20 + n) as usize));
        }
        let done = life.act(&Act::Call(command(&set)));
        done.map_err(|stop| failed(stop.to_string()))?;
        let snapshot = life.keyspace().lock().engine.snapshot();
        let facts = facts(redkeep::vfs::Clock::wall_ms(&vfs.clock()));
        let saved = replace_planted(vfs, Path::new(DUMP), self.planted, &mut |out| {
            export::write_file(&snapshot, &facts, out, &mut |_| {})
        });
        saved.map_err(|error| failed(error.to_string()))
    }
}

/// Which dump is there, once nothing fails.
fn left(dumps: Dumps, image: Disk) -> Result<u64, Broken> {
    let vfs = SimVfs::boot(image, &Setup::new(Seed(1)));
    dumps.recover(&vfs).map_err(|fault| match fault {
        Fault::Broken(broken) => broken,
        Fault::Call(error) => broken(error.to_string()),
    })
}

/// Everything that a power loss leaves, once for each that is different.
fn images(vfs: &SimVfs) -> Vec<Disk> {
    let state = vfs.crash_state();
    let mut seen = BTreeSet::new();
    let resolutions = state.resolutions(&[Tear::Whole], 0, 1).into_iter();
    resolutions
        .map(|resolution| state.image(Termination::PowerLoss(resolution)))
        .filter(|image| seen.insert(image.digest()))
        .collect()
}

/// A power loss can leave a dump with both names that its rename was about. The next one is made over each such end, with a
/// crash at every change: the dump that was there is there, or the next. How many ends there were.
pub fn over_two_names() -> Result<u64, Broken> {
    let (dumps, mut ends) = (Dumps::default(), 0);
    for change in 0.. {
        let vfs = SimVfs::new(DiskProfile::default(), dumps.dirs(), &Setup::new(Seed(1)));
        vfs.crash_at(CrashPoint {
            change,
            phase: Phase::Middle,
        });
        // What is wrong with it others find.
        let _ = dumps.run(&vfs, &mut Saves::default());
        for image in images(&vfs) {
            let beside = image.lookup(Path::new(BESIDE));
            if beside.is_some() && beside == image.lookup(Path::new(DUMP)) {
                ends += 1;
                made_over(dumps, &image)?;
            }
        }
        if !vfs.crashed() {
            break;
        }
    }
    Ok(ends)
}

/// The next dump over one that is there, with a crash at every change.
fn made_over(dumps: Dumps, image: &Disk) -> Result<(), Broken> {
    let old = left(dumps, image.clone())?;
    let next = VERSIONS + 1;
    for change in 0.. {
        let vfs = SimVfs::boot(image.clone(), &Setup::new(Seed(1)));
        vfs.crash_at(CrashPoint {
            change,
            phase: Phase::Middle,
        });
        let mut life = database().map_err(|stop| broken(stop.to_string()))?;
        let saved = dumps.save(&vfs, &mut life, next);
        for image in images(&vfs) {
            let found = left(dumps, image)?;
            if found != next && (found != old || saved.is_ok()) {
                let detail = format!("dump {found} is there; {old} was, {next} was made over it");
                return Err(Broken::new("O1", detail));
            }
        }
        if !vfs.crashed() {
            break;
        }
    }
    Ok(())
}

impl Scenario for Dumps {
    type History = Saves;
    type Shown = u64;

    fn name(&self) -> &str {
        "dumps"
    }

    fn observers(&self) -> Vec<Box<dyn Observer>> {
        // The file beside it may be lost.
        standard(vec![Files::ending(".tmp")], Vec::new())
    }

    fn run(&self, vfs: &SimVfs, history: &mut Saves) -> Result<(), VfsError> {
        let mut life = database().map_err(|stop| failed(stop.to_string()))?;
        for version in 1..=VERSIONS {
            history.issued = version;
            self.save(vfs, &mut life, version)?;
            history.acked = version;
            vfs.note(Note::Ack {
                lsn: version,
                policy: AckPolicy::Always,
            });
        }
        Ok(())
    }

    /// Which dump is there; 0: none.
    fn recover(&self, vfs: &SimVfs) -> Result<u64, Fault> {
        let file = match vfs.open(Path::new(DUMP), OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind == VfsErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = vec![0; file.len()? as usize];
        read_exact_at(&*file, &mut bytes, 0)?;
        let (mut version, mut keys) = (0, 0);
        let len = bytes.len() as u64;
        let mut put = |_: u64, key: &redkeep::interchange::rdb::file::Key| {
            keys += 1;
            if key.name == b"version"
                && let Decoded::Value(Value::String(text)) = &key.value
            {
                let text = std::str::from_utf8(text).unwrap_or_default();
                version = text.parse().unwrap_or_default();
            }
            Ok(())
        };
        let read = load::read(&mut &bytes[..], len, 0, &mut put, &mut |_| {});
        match read {
            Ok(_) if keys == KEYS + 1 && version > 0 => Ok(version),
            Ok(_) => Err(broken(format!("a dump with {keys} keys, version {version}")).into()),
            Err(error) => Err(broken(format!("a dump that is not whole: {error}")).into()),
        }
    }

    fn judge(&self, history: &Saves, shown: &u64) -> Result<(), Broken> {
        if (history.acked..=history.issued).contains(shown) {
            return Ok(());
        }
        let Saves { acked, issued } = history;
        let detail = format!("dump {shown} is there; {acked} was answered, {issued} begun");
        Err(Broken::new("O1", detail))
    }

    fn go_on(&self, vfs: &SimVfs) -> Result<(), Fault> {
        let mut life = database().map_err(|stop| failed(stop.to_string()))?;
        Ok(self.save(vfs, &mut life, VERSIONS + 1)?)
    }
}
