//! The append-only file beside a database that is there: whether it is that database's, how far it came, and whether
//! another server went on with it.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::append_only::AppendOnly;
use super::seed::SeedError;
use super::seed_aof;
use super::server::ServeError;
use crate::command::server::Server;
use crate::config::Key;
use crate::interchange::aof::Manifest;
use crate::interchange::aof::ownership::{Rest, ownership};
use crate::keyspace::Keyspace;
use crate::server::appender::{self, Before, Place};
use crate::storage::open::with_suffix;
use crate::storage::planted::Bug;
use crate::vfs::{OpenMode, Reader, Vfs, VfsErrorKind, VfsResult, folder_of};

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;

/// What it is to the database.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// Everything up to this transaction of a life.
    Whole { lsn: u64, life: Option<String> },
    /// The same, and behind it what a crash has left of writes.
    Torn {
        lsn: u64,
        life: Option<String>,
        file: PathBuf,
        at: u64,
    },
    /// What is not the database's may hold nothing, and nobody can tell.
    Doubtful { file: PathBuf, at: u64 },
    /// Of another server.
    Foreign {
        file: PathBuf,
        at: u64,
        commands: u64,
    },
    /// A part is not there.
    Incomplete { file: PathBuf },
}

/// Reads the append-only file into a new database that it stands beside (`fills`), and makes sure that an older one's is its
/// own. What the server does with it.
pub fn take_up(
    vfs: &dyn Vfs,
    keyspace: &mut Keyspace,
    server: &Server,
    fills: bool,
) -> Result<Before, ServeError> {
    let place = Place::of(&server.config);
    let unreadable = |source| SeedError::Manifest {
        path: place.manifest().display().to_string(),
        source,
    };
    let found = match appender::read_manifest(vfs, &place).map_err(unreadable) {
        Err(error) if !server.config.is_on(Key::Appendonly) => {
            // It is in nobody's way as long as nobody wants to write there.
            return Ok(Before::Kept(error.to_string()));
        }
        found => found?,
    };
    let Some(manifest) = found else {
        let single = PathBuf::from(&place.name);
        if fills && is_there(vfs, &single)? {
            seed_aof::seed(vfs, keyspace, server, &AppendOnly::single(&single))?;
        }
        return Ok(Before::Stale(Manifest::default()));
    };
    if fills {
        let file = AppendOnly::of(&place.manifest(), manifest.clone());
        seed_aof::seed(vfs, keyspace, server, &file)?;
        return Ok(Before::Stale(manifest));
    }
    let before = before(vfs, keyspace, server, &place, manifest)?;
    if let Before::Whole(..) = before {
        // Whatever is done from now on is heard.
        server.feed.open_file(true);
    }
    Ok(before)
}

/// What the server does with the file, whose parts the manifest names.
fn before(
    vfs: &dyn Vfs,
    keyspace: &mut Keyspace,
    server: &Server,
    place: &Place,
    manifest: Manifest,
) -> Result<Before, ServeError> {
    let config = &server.config;
    let is_on = config.is_on(Key::Appendonly);
    let (dir, lsn) = (place.dir.display().to_string(), keyspace.last_lsn());
    let mut found = state(vfs, &place.dir, &manifest, &keyspace.identity()?)?;
    if let (
        State::Torn {
            lsn,
            life,
            file,
            at,
        },
        true,
    ) = (&found, is_on)
    {
        let (file, at, shown) = (file, *at, file.display().to_string());
        if !config.is_on(Key::AofLoadTruncated) {
            return Err(SeedError::Torn { file: shown, at }.into());
        }
        cut(vfs, file, at)?;
        tracing::warn!(
            "{shown} is cut at offset {at}: what the database wrote from there on is not there whole"
        );
        found = State::Whole {
            lsn: *lsn,
            life: life.clone(),
        };
    }
    let (lives, planted) = (keyspace.lives()?, keyspace.engine.planted());
    match found {
        State::Whole { lsn: of_file, .. } if of_file > lsn => {
            let what = format!("is of transaction {of_file}, and the database of {lsn}");
            set_aside(vfs, place, &what, is_on)
        }
        State::Whole {
            lsn: of_file,
            life: Some(life),
        } if !lives.have(&life, of_file) && !planted.has(Bug::M39LifeNotAsked) => {
            let what = format!("is of transaction {of_file} of another copy of the database");
            set_aside(vfs, place, &what, is_on)
        }
        State::Whole { lsn: of_file, .. } if of_file == lsn && is_on => {
            Ok(Before::Whole(manifest, lsn))
        }
        State::Whole { .. } | State::Torn { .. } => Ok(Before::Stale(manifest)),
        State::Incomplete { file } => {
            tracing::warn!(
                "{} is not there, and the append-only file begins anew",
                file.display()
            );
            Ok(Before::Stale(manifest))
        }
        State::Doubtful { file, at } => {
            let file = file.display();
            let what = format!("is not as the database wrote it from offset {at} of {file} on");
            set_aside(vfs, place, &what, is_on)
        }
        State::Foreign { file, at, commands } => {
            let error = SeedError::Foreign {
                file: file.display().to_string(),
                at,
                commands,
                dir,
            };
            if is_on {
                return Err(error.into());
            }
            tracing::warn!("{error}");
            Ok(Before::Kept(error.to_string()))
        }
    }
}

/// Keeps what cannot be gone on with under another name.
fn set_aside(vfs: &dyn Vfs, place: &Place, what: &str, is_on: bool) -> Result<Before, ServeError> {
    let dir = place.dir.display();
    if !is_on {
        let why = format!("{dir} {what}: start with appendonly yes, or move it away");
        return Ok(Before::Kept(why));
    }
    let mut count = 1;
    let aside = loop {
        let name = with_suffix(&place.dir, &format!(".aside-{count}"));
        if !is_there(vfs, &name)? {
            break name;
        }
        count += 1;
    };
    vfs.rename(&place.dir, &aside)?;
    vfs.sync_dir(folder_of(&aside))?;
    tracing::warn!(
        "{dir} {what}. It is kept as {}, and the append-only file begins anew",
        aside.display()
    );
    Ok(Before::Stale(Manifest::default()))
}

/// Looks at what a manifest in `dir` names, for the database of this name.
pub fn state(vfs: &dyn Vfs, dir: &Path, manifest: &Manifest, identity: &str) -> io::Result<State> {
    let base = manifest.base.as_ref();
    let parts = base.iter().copied().chain(&manifest.increments);
    for part in parts {
        let file = dir.join(&part.name);
        if !is_there(vfs, &file).map_err(io::Error::other)? {
            return Ok(State::Incomplete { file });
        }
    }
    let mut state = State::Incomplete {
        file: dir.to_path_buf(),
    };
    for (at, part) in manifest.increments.iter().enumerate() {
        let is_last = at + 1 == manifest.increments.len();
        state = match state_of_part(vfs, &dir.join(&part.name), identity)? {
            State::Torn { file, at, .. } if !is_last => State::Doubtful { file, at },
            state => state,
        };
        if !matches!(state, State::Whole { .. }) {
            break;
        }
    }
    Ok(state)
}

fn state_of_part(vfs: &dyn Vfs, path: &Path, identity: &str) -> io::Result<State> {
    let file = Reader::open(vfs, path)?;
    let mut source = BufReader::with_capacity(BUFFER_BYTES, file);
    let (own, rest) = ownership(&mut source, Some(identity))?;
    let file = path.to_path_buf();
    Ok(match rest {
        Rest::Nothing => State::Whole {
            lsn: own.lsn,
            life: own.life,
        },
        Rest::Left => State::Torn {
            lsn: own.lsn,
            life: own.life,
            file,
            at: own.end,
        },
        Rest::Doubtful => State::Doubtful { file, at: own.end },
        Rest::Foreign { at, commands } => State::Foreign { file, at, commands },
    })
}

/// Cuts off what a crash has left, durably.
fn cut(vfs: &dyn Vfs, file: &Path, at: u64) -> VfsResult<()> {
    let file = vfs.open(file, OpenMode::ReadWrite)?;
    file.set_len(at)?;
    file.sync_all()
}

/// Whether the name is taken. A folder may be one that cannot be opened as a file.
fn is_there(vfs: &dyn Vfs, path: &Path) -> VfsResult<bool> {
    match vfs.open(path, OpenMode::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.kind == VfsErrorKind::NotFound => Ok(vfs.list(path).is_ok()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::aof::{Part, note};
    use crate::vfs::OsVfs;

    const SET: &[u8] = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

    fn span(bytes: &[u8]) -> Vec<u8> {
        [note::span_line(8, bytes).as_bytes(), bytes].concat()
    }

    /// The state of an increment that begins as ours and goes on with this.
    fn of(rest: &[u8]) -> (State, u64) {
        let dir = tempfile::tempdir().expect("a folder");
        let head = note::place_line("abc", 7, "def");
        let name = "a.1.incr.aof".to_owned();
        let path = dir.path().join(&name);
        std::fs::write(&path, [head.as_bytes(), rest].concat()).expect("a file");
        let manifest = Manifest {
            increments: vec![Part { name, seq: 1 }],
            ..Manifest::default()
        };
        let found = state(&OsVfs, dir.path(), &manifest, "abc").expect("it is read");
        let other = state(&OsVfs, dir.path(), &manifest, "abcd").expect("it is read");
        assert!(matches!(other, State::Foreign { at: 0, .. }), "{other:?}");
        (found, head.len() as u64)
    }

    #[test]
    fn every_end_is_told_by_what_is_announced() {
        let whole = |lsn| State::Whole {
            lsn,
            life: Some("def".to_owned()),
        };
        assert_eq!(of(b"").0, whole(7));
        let two = [SET, SET].concat();
        let announced = span(&two);
        assert_eq!(of(&announced).0, whole(8));
        // Cuts are a crash's, unless nothing shows one.
        let whole_at = announced.len() - SET.len();
        for len in 1..announced.len() {
            let (state, head) = of(&announced[..len]);
            let is_torn = matches!(state, State::Torn { lsn: 7, at, .. } if at == head);
            let is_doubtful = matches!(state, State::Doubtful { at, .. } if at == head);
            assert_eq!(
                (is_torn, is_doubtful),
                (len != whole_at, len == whole_at),
                "{len}"
            );
        }
        let zeroes = |from: usize| {
            let mut bytes = announced.clone();
            bytes[from..].fill(0);
            bytes
        };
        for from in announced.len() - two.len()..announced.len() {
            assert!(matches!(of(&zeroes(from)).0, State::Torn { .. }), "{from}");
        }
        assert!(matches!(of(&[0; 99]).0, State::Torn { .. }));
        assert!(matches!(of(&SET[..9]).0, State::Torn { .. }));
    }

    #[test]
    fn commands_that_nobody_announced_are_another_servers() {
        let foreign = |bytes: &[u8], expect: u64| match of(bytes) {
            (State::Foreign { commands, .. }, _) => assert_eq!(commands, expect),
            other => panic!("{other:?}"),
        };
        foreign(SET, 1);
        foreign(&[SET, &SET[..7]].concat(), 1);
        foreign(&[&span(SET), SET, SET].concat(), 2);
        foreign(&[SET, b"junk\r\n", SET].concat(), 1);
        foreign(&[MULTI, SET].concat(), 2);
        // Cut by the other one at its reading, which then went on.
        let cut = span(&[SET, SET].concat());
        foreign(
            &[&cut[..cut.len() - SET.len()], MULTI, SET, SET].concat(),
            4,
        );
        assert!(matches!(of(b"junk").0, State::Doubtful { .. }));
        assert!(matches!(of(b"#TS:1\r\n").0, State::Doubtful { .. }));
    }
}
