//! An append-only file and its commands, to be carried out one after the other: the parts, up to which moment, and what
//! was met on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::seed::{self, SeedError};
use crate::command::replay::{Player, ReplayError};
use crate::command::server::Server;
use crate::interchange::aof::note::{self, Note};
use crate::interchange::aof::{
    AofError, BadLine, Commands, Item, MANIFEST_BYTES_MAX, Manifest, Tail,
};
use crate::interchange::load::Summary;
use crate::interchange::rdb::Input;
use crate::interchange::rdb::file::{Reader, Record};
use crate::keyspace::Keyspace;
use crate::storage;
use crate::vfs::{OsVfs, Reader as FileReader, Vfs, refuse_special};

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;
/// Commands that the kernel gets together.
const COMMANDS_TOGETHER: u64 = 256;
/// How an RDB file begins, alone or before commands.
const RDB: &[u8] = b"REDIS";

/// Why an append-only file was not read.
#[derive(Debug, thiserror::Error)]
pub enum AppendOnlyError {
    #[error("{path} cannot be read: {source}")]
    Open { path: String, source: io::Error },
    #[error("{0} has no manifest: the folder of an append-only file has one")]
    NoManifest(String),
    #[error("{0} has more than one manifest: name the one that is meant")]
    Manifests(String),
    #[error("{path}: {source}")]
    Manifest { path: String, source: BadLine },
    #[error("{path}: {source}")]
    Append { path: String, source: AofError },
    #[error("{path}: at offset {at}: {source}")]
    Replay {
        path: String,
        at: u64,
        source: ReplayError,
    },
    #[error(transparent)]
    Base(Box<SeedError>),
    #[error(
        "no part of it has time stamps (lines #TS:, which `aof-timestamp-enabled yes` writes), so that it can be read \
         to its end only"
    )]
    NoTimes,
    #[error(
        "{path}: what stands from offset {at} on was done later, and nothing before it is known"
    )]
    TooEarly { path: String, at: u64 },
    #[error("{path}: the commands from offset {at} up to the first time stamp have no time")]
    Untimed { path: String, at: u64 },
}

/// Where commands are carried out.
pub trait Ground {
    fn with<R>(&mut self, work: impl FnOnce(&mut Keyspace) -> R) -> R;
    /// Gives the kernel what was done.
    fn settle(&mut self) -> Result<(), storage::Error>;
}

/// A keyspace that nobody else has.
pub struct Alone<'a>(pub &'a mut Keyspace);

impl Ground for Alone<'_> {
    fn with<R>(&mut self, work: impl FnOnce(&mut Keyspace) -> R) -> R {
        work(self.0)
    }

    fn settle(&mut self) -> Result<(), storage::Error> {
        let Some(log) = self.0.engine.log() else {
            return Ok(());
        };
        log.write_to(log.last_lsn())
            .map_err(|_| storage::Error::Poisoned)
    }
}

/// How it is read.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// What was done later than this wall time, in milliseconds since 1970, is left out.
    pub until_ms: Option<u64>,
    /// A command or transaction that is cut at the end of the last part is left out.
    pub takes_torn: bool,
}

/// What was left out at the end of the last part.
#[derive(Clone, Debug)]
pub struct Torn {
    pub path: PathBuf,
    pub at: u64,
    pub len: u64,
    pub tail: Tail,
}

/// The database of this program that wrote the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub identity: String,
    /// Up to which of its transactions it said so.
    pub lsn: u64,
    /// Commands that it did not announce: of another server.
    pub commands_behind: u64,
}

/// What became of the parts.
#[derive(Debug, Default)]
pub struct Played {
    /// Of the bases that are RDB files.
    pub summary: Summary,
    pub commands: u64,
    /// Commands that were answered with an error.
    pub refused: u64,
    pub torn: Option<Torn>,
    /// The latest time stamp of what was carried out, in milliseconds since 1970.
    pub last_ms: Option<u64>,
    pub origin: Option<Origin>,
}

/// An append-only file.
#[derive(Clone, Debug)]
pub struct AppendOnly {
    /// In the order in which they are read.
    pub parts: Vec<PathBuf>,
    /// What names them, and where that is; None: it is one file.
    pub manifest: Option<(PathBuf, Manifest)>,
}

impl AppendOnly {
    /// The append-only file at `path`: the folder, its manifest, or a file of the time when it was one. None: it is
    /// something else.
    pub fn find(path: &Path) -> Result<Option<Self>, AppendOnlyError> {
        let open = |source| AppendOnlyError::Open {
            path: shown(path),
            source,
        };
        if path.is_dir() {
            return Self::by_manifest(&manifest_in(path)?).map(Some);
        }
        // It is read from its beginning more than once.
        refuse_special(path).map_err(open)?;
        let mut source = BufReader::new(File::open(path).map_err(open)?);
        let begin = source.fill_buf().map_err(open)?;
        let is_manifest = path.extension().is_some_and(|ending| ending == "manifest");
        if is_manifest || begin.starts_with(b"file ") {
            return Self::by_manifest(path).map(Some);
        }
        let is_named = path.extension().is_some_and(|ending| ending == "aof");
        let is_rdb = begin.starts_with(RDB);
        let is_commands = begin.starts_with(b"*") || begin.starts_with(b"#");
        let is_kevy = begin.starts_with(b"KEVY");
        let is_found =
            is_named || is_commands || is_kevy || (is_rdb && head(&OsVfs, path)?.is_base);
        Ok(is_found.then(|| Self::single(path)))
    }

    fn by_manifest(path: &Path) -> Result<Self, AppendOnlyError> {
        let open = |source| AppendOnlyError::Open {
            path: shown(path),
            source,
        };
        let mut text = String::new();
        let file = File::open(path).map_err(open)?;
        let mut file = file.take(MANIFEST_BYTES_MAX);
        file.read_to_string(&mut text).map_err(open)?;
        let manifest = Manifest::parse(&text).map_err(|source| AppendOnlyError::Manifest {
            path: shown(path),
            source,
        })?;
        Ok(Self::of(path, manifest))
    }

    /// The parts that the manifest at `path` names.
    pub fn of(path: &Path, manifest: Manifest) -> Self {
        let part = |name: &str| path.with_file_name(name);
        Self {
            parts: manifest.parts().map(|it| part(&it.name)).collect(),
            manifest: Some((path.to_path_buf(), manifest)),
        }
    }

    /// A file of the time when it was one.
    pub fn single(path: &Path) -> Self {
        Self {
            parts: vec![path.to_path_buf()],
            manifest: None,
        }
    }

    /// Carries out everything. `on_progress` is called with the part and the offset in it.
    pub fn play(
        &self,
        vfs: &dyn Vfs,
        server: &Server,
        ground: &mut impl Ground,
        manner: Manner,
        on_progress: &mut dyn FnMut(&Path, u64),
    ) -> Result<Played, AppendOnlyError> {
        let mut playing = Playing {
            manner,
            played: Played::default(),
            untimed: None,
            has_times: false,
            has_base: false,
            announced_to: 0,
        };
        for (at, part) in self.parts.iter().enumerate() {
            let is_last = at + 1 == self.parts.len();
            let goes_on = playing.part(vfs, server, ground, part, is_last, on_progress)?;
            if !goes_on {
                break;
            }
        }
        playing.end()
    }
}

/// What the head of an RDB file says.
pub struct Head {
    /// It is the base of an append-only file, or begins one.
    pub is_base: bool,
    /// When it was written, in milliseconds since 1970.
    pub made_ms: Option<u64>,
}

/// Reads the head of an RDB file; one that is damaged says nothing.
pub fn head(vfs: &dyn Vfs, path: &Path) -> Result<Head, AppendOnlyError> {
    let open = |source| AppendOnlyError::Open {
        path: shown(path),
        source,
    };
    let mut head = Head {
        is_base: false,
        made_ms: None,
    };
    let file = FileReader::open(vfs, path).map_err(open)?;
    let len = file.len().map_err(open)?;
    let mut source = BufReader::new(file);
    let Ok(mut reader) = Reader::begin(Input::new(&mut source, len), false) else {
        return Ok(head);
    };
    while let Ok(Some(Record::Aux { name, value })) = reader.next_record() {
        match name.as_slice() {
            b"aof-base" | b"aof-preamble" => head.is_base = value == b"1",
            b"ctime" => {
                let seconds = std::str::from_utf8(&value).unwrap_or_default();
                head.made_ms = seconds.parse::<u64>().ok().map(|s| s.saturating_mul(1000));
            }
            _ => {}
        }
    }
    Ok(head)
}

fn manifest_in(dir: &Path) -> Result<PathBuf, AppendOnlyError> {
    let open = |source| AppendOnlyError::Open {
        path: shown(dir),
        source,
    };
    let mut found = Vec::new();
    for entry in dir.read_dir().map_err(open)? {
        let path = entry.map_err(open)?.path();
        if path.extension().is_some_and(|ending| ending == "manifest") {
            found.push(path);
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(AppendOnlyError::Manifests(shown(dir))),
        (None, _) => Err(AppendOnlyError::NoManifest(shown(dir))),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

struct Playing {
    manner: Manner,
    played: Played,
    /// Where the first command without a time stands.
    untimed: Option<(PathBuf, u64)>,
    has_times: bool,
    /// What was known at some moment precedes the commands.
    has_base: bool,
    /// Up to this offset of the part its database announced what it wrote.
    announced_to: u64,
}

impl Playing {
    /// False: what follows is later.
    fn part(
        &mut self,
        vfs: &dyn Vfs,
        server: &Server,
        ground: &mut impl Ground,
        path: &Path,
        is_last: bool,
        on_progress: &mut dyn FnMut(&Path, u64),
    ) -> Result<bool, AppendOnlyError> {
        let open = |source| AppendOnlyError::Open {
            path: shown(path),
            source,
        };
        let mut file = FileReader::open(vfs, path).map_err(open)?;
        let len = file.len().map_err(open)?;
        let mut source = BufReader::with_capacity(BUFFER_BYTES, file.clone());
        let mut at = 0;
        if source.fill_buf().map_err(open)?.starts_with(RDB) {
            self.see_base(vfs, path)?;
            // The commands behind it may still give a key that is due by now more time.
            let put = seed::put_all(server, ground, &shown(path), (&mut source, len), 0);
            let (summary, end) = put.map_err(|error| AppendOnlyError::Base(Box::new(error)))?;
            self.played.summary.add(summary);
            self.has_base = true;
            at = end;
            file.seek(SeekFrom::Start(at)).map_err(open)?;
            source = BufReader::with_capacity(BUFFER_BYTES, file);
        }
        self.announced_to = 0;
        let mut commands = Commands::new(&mut source, at);
        let goes_on = self.commands(server, ground, path, &mut commands, &mut |at| {
            on_progress(path, at);
        });
        match goes_on {
            Ok(goes_on) => Ok(goes_on),
            Err(AppendOnlyError::Append {
                source: AofError::Torn { at, tail },
                ..
            }) if is_last && self.manner.takes_torn => {
                self.played.torn = Some(Torn {
                    path: path.to_path_buf(),
                    at,
                    len: len - at,
                    tail,
                });
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn see_base(&mut self, vfs: &dyn Vfs, path: &Path) -> Result<(), AppendOnlyError> {
        let made_ms = head(vfs, path)?.made_ms;
        match (self.manner.until_ms, made_ms) {
            (Some(until_ms), Some(made_ms)) if made_ms > until_ms => {
                let (path, at) = (shown(path), 0);
                Err(AppendOnlyError::TooEarly { path, at })
            }
            _ => Ok(()),
        }
    }

    /// False: what follows is later.
    fn commands(
        &mut self,
        server: &Server,
        ground: &mut impl Ground,
        path: &Path,
        commands: &mut Commands<'_>,
        on_progress: &mut dyn FnMut(u64),
    ) -> Result<bool, AppendOnlyError> {
        let damaged = |source| AppendOnlyError::Append {
            path: shown(path),
            source,
        };
        let (mut whole, mut player) = (commands.at(), Player::new(server));
        loop {
            let begin = commands.at();
            let item = match commands.next_item() {
                Ok(None) if player.is_in_transaction() => Err(AofError::Torn {
                    at: whole,
                    tail: Tail::Cut,
                }),
                Err(AofError::Torn { tail, .. }) => Err(AofError::Torn { at: whole, tail }),
                item => item,
            };
            match item.map_err(damaged)? {
                None => break,
                Some(Item::Note(note)) => {
                    if let Note::Span { lsn, bytes, .. } = note::read(&note) {
                        self.see_span(lsn, commands.at().saturating_add(bytes));
                    }
                    if self.is_later(path, begin, &note)? {
                        self.played.refused += player.refused;
                        return Ok(false);
                    }
                }
                Some(Item::Command(words)) => {
                    self.see_command(path, begin, &words);
                    let replay = |source| AppendOnlyError::Replay {
                        path: shown(path),
                        at: begin,
                        source,
                    };
                    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                    let now_ms = server.clock.wall_ms();
                    ground
                        .with(|keyspace| player.play(keyspace, &words, now_ms))
                        .map_err(replay)?;
                    if self.played.commands.is_multiple_of(COMMANDS_TOGETHER) {
                        ground.settle().map_err(|error| replay(error.into()))?;
                        on_progress(commands.at());
                    }
                }
            }
            if !player.is_in_transaction() {
                whole = commands.at();
            }
        }
        self.played.refused += player.refused;
        Ok(true)
    }

    fn see_span(&mut self, lsn: u64, end: u64) {
        self.announced_to = end;
        if let Some(origin) = &mut self.played.origin {
            origin.lsn = lsn;
        }
    }

    fn see_command(&mut self, path: &Path, at: u64, words: &[Vec<u8>]) {
        let played = &mut self.played;
        played.commands += 1;
        if let Some(origin) = &mut played.origin
            && at >= self.announced_to
        {
            origin.commands_behind += 1;
        }
        let selects = words[0].eq_ignore_ascii_case(b"SELECT");
        if !self.has_times && !selects && self.untimed.is_none() {
            self.untimed = Some((path.to_path_buf(), at));
        }
    }

    /// Whether a note says that what follows is later than what is wanted.
    fn is_later(&mut self, path: &Path, at: u64, text: &[u8]) -> Result<bool, AppendOnlyError> {
        match note::read(text) {
            Note::Span { .. } | Note::End { .. } | Note::Other => {}
            Note::Place { identity, lsn, .. } => {
                // Behind the first line of a part it is another life that goes on.
                let before = self.played.origin.as_ref().filter(|_| at > 0);
                let commands_behind = before.map_or(0, |origin| origin.commands_behind);
                self.played.origin = Some(Origin {
                    identity: identity.to_owned(),
                    lsn,
                    commands_behind,
                });
            }
            Note::Time(ms) => {
                let is_first = !std::mem::replace(&mut self.has_times, true);
                if self.manner.until_ms.is_none_or(|until_ms| ms <= until_ms) {
                    self.played.last_ms = Some(ms);
                    return Ok(false);
                }
                if let Some((path, at)) = self.untimed.take().filter(|_| is_first) {
                    let path = shown(&path);
                    return Err(AppendOnlyError::Untimed { path, at });
                }
                if is_first && !self.has_base {
                    let path = shown(path);
                    return Err(AppendOnlyError::TooEarly { path, at });
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn end(self) -> Result<Played, AppendOnlyError> {
        if self.manner.until_ms.is_some() && !self.has_times {
            return Err(AppendOnlyError::NoTimes);
        }
        Ok(self.played)
    }
}
