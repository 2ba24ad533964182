//! The configuration file: lines of a directive and its words, comments, and includes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directive::{SEVERAL, find};
use super::store::Config;
use super::table::{Key, TABLE};
use super::value::{Invalid, Value};
use super::words;

/// Files, as the loader needs them.
pub trait Files {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// Paths that match a pattern, in order.
    fn expand(&mut self, pattern: &Path) -> Vec<PathBuf>;

    /// Changes the working directory, for what follows as well, and returns its absolute path.
    fn enter_directory(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// The working directory, absolute; empty when it cannot be told.
    fn directory(&mut self) -> Vec<u8>;

    /// Whether a log could be appended to that file.
    fn check_log(&mut self, path: &Path) -> io::Result<()>;
}

/// What a configuration says beside values of directives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    /// The file it was read from, absolute.
    pub file: Option<PathBuf>,
    /// Directives that were given a value, in the order of their first mention.
    pub named: Vec<Key>,
    /// `rename-command`: a command and its new name; empty removes it.
    pub renames: Vec<(Vec<u8>, Vec<u8>)>,
    /// `user`: a name and its rules.
    pub users: Vec<Vec<Vec<u8>>>,
    /// `loadmodule`: a path and its arguments.
    pub modules: Vec<Vec<Vec<u8>>>,
    /// Settings of modules: a name with a point in it, and words.
    pub module_settings: Vec<Vec<Vec<u8>>>,
}

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("Unbalanced quotes in configuration line")]
    Quotes,
    #[error("Bad directive or wrong number of arguments")]
    Directive,
    #[error(
        "Error in user declaration '{0}': Duplicate user found. A user can only be defined once in config files"
    )]
    DuplicateUser(String),
    #[error("Module config specified without value")]
    ModuleSetting,
    #[error("sentinel directive while not in sentinel mode")]
    Sentinel,
    #[error("{0}")]
    Value(#[from] Invalid),
    #[error("{0}")]
    Directory(String),
    #[error("Too many included files")]
    Includes,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "\n*** FATAL CONFIG FILE ERROR (Redkeep {version}) ***\nReading the configuration file, at line {number}\n>>> '{line}'\n{reason}",
        version = env!("CARGO_PKG_VERSION")
    )]
    Line {
        /// Counted from 1; lines of the command line follow those of the file.
        number: usize,
        line: String,
        reason: LineError,
    },
    #[error(
        "\n*** FATAL CONFIG FILE ERROR (Redkeep {version}) ***\nCan't open the log file: {}",
        os_text(.0), version = env!("CARGO_PKG_VERSION")
    )]
    LogFile(io::Error),
    #[error("Fatal error, can't open config file '{}': {}", path.display(), os_text(error))]
    Unreadable { path: PathBuf, error: io::Error },
}

/// The system's own text of an error, without the number that Rust adds.
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// Names of older versions that are read over.
const FORGOTTEN: [&str; 3] = [
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
];

/// How deep includes may nest, and how many there may be: a file that includes itself must end.
const INCLUDE_DEPTH_MAX: usize = 16;
const INCLUDES_MAX: usize = 1000;

/// Reads a configuration: the text of a file with what the command line adds.
pub fn load(
    text: &[u8],
    file: Option<PathBuf>,
    files: &mut dyn Files,
) -> Result<Config, LoadError> {
    let mut loader = Loader {
        values: TABLE.iter().map(|row| row.default_value()).collect(),
        startup: Startup {
            file,
            ..Startup::default()
        },
        files,
        includes: 0,
    };
    loader.text(text, 0)?;
    let directory = loader.files.directory();
    loader.values[Key::Dir as usize] = Value::Text(directory);
    Ok(Config::new(loader.values, loader.startup))
}

struct Loader<'a> {
    values: Vec<Value>,
    startup: Startup,
    files: &'a mut dyn Files,
    includes: usize,
}

impl Loader<'_> {
    fn text(&mut self, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (at, line) in text.split(|b| *b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            self.line(line, depth).map_err(|error| match error {
                Stop::Line(reason) => LoadError::Line {
                    number: at + 1,
                    line: String::from_utf8_lossy(line).into_owned(),
                    reason,
                },
                Stop::Load(error) => error,
            })?;
        }
        self.check_log()
    }

    fn check_log(&mut self) -> Result<(), LoadError> {
        match &self.values[Key::Logfile as usize] {
            Value::Text(path) if !path.is_empty() => self
                .files
                .check_log(Path::new(OsStr::from_bytes(path)))
                .map_err(LoadError::LogFile),
            _ => Ok(()),
        }
    }

    fn line(&mut self, line: &[u8], depth: usize) -> Result<(), Stop> {
        let words = words::split(line).ok_or(LineError::Quotes)?;
        let Some((name, rest)) = words.split_first() else {
            return Ok(());
        };
        let name = name.to_ascii_lowercase();
        if let Some(entry) = find(&name) {
            return Ok(self.directive(entry.key, rest)?);
        }
        let is_forgotten = FORGOTTEN.iter().any(|of| of.as_bytes() == name);
        match (name.as_slice(), rest) {
            (_, [_]) if is_forgotten => {}
            (b"include", [path]) => {
                return self.include(Path::new(OsStr::from_bytes(path)), depth);
            }
            (b"rename-command", [from, to]) => {
                self.startup.renames.push((from.clone(), to.clone()));
            }
            (b"user", [user, ..]) => self.user(user, rest)?,
            (b"loadmodule", [_, ..]) => self.startup.modules.push(rest.to_vec()),
            (b"sentinel", [_, ..]) => return Err(LineError::Sentinel.into()),
            (_, []) if name.contains(&b'.') => return Err(LineError::ModuleSetting.into()),
            _ if name.contains(&b'.') => self.startup.module_settings.push(words),
            _ => return Err(LineError::Directive.into()),
        }
        Ok(())
    }

    /// The rules are read where users are made; here it counts that each is said once.
    fn user(&mut self, name: &[u8], words: &[Vec<u8>]) -> Result<(), LineError> {
        if self.startup.users.iter().any(|other| other[0] == name) {
            return Err(LineError::DuplicateUser(
                String::from_utf8_lossy(name).into_owned(),
            ));
        }
        self.startup.users.push(words.to_vec());
        Ok(())
    }

    fn directive(&mut self, key: Key, words: &[Vec<u8>]) -> Result<(), LineError> {
        let row = key.directive();
        let split;
        let words = match words {
            // One word with blanks in it stands for several: `--save "60 1"`.
            [only] if row.is(SEVERAL) && !only.is_empty() => {
                split = words::split(only).ok_or(LineError::Quotes)?;
                &split
            }
            [_] => words,
            _ if row.is(SEVERAL) => words,
            _ => return Err(Invalid::WrongNumberOfArguments.into()),
        };
        let mut value = row.kind.parse(words, &self.values[key as usize])?;
        match (&mut value, &self.values[key as usize]) {
            // Lines of `save` add up, once the first has replaced the default; an empty one starts again.
            (Value::Save(points), Value::Save(before))
                if self.startup.named.contains(&key) && !points.is_empty() =>
            {
                points.splice(0..0, before.iter().copied());
            }
            (Value::Text(path), _) if key == Key::Dir => {
                *path = self
                    .files
                    .enter_directory(Path::new(OsStr::from_bytes(path)))
                    .map_err(|error| LineError::Directory(os_text(&error)))?;
            }
            _ => {}
        }
        self.values[key as usize] = value;
        if !self.startup.named.contains(&key) {
            self.startup.named.push(key);
        }
        Ok(())
    }

    /// A pattern that matches nothing includes nothing; a plain path must be readable.
    fn include(&mut self, path: &Path, depth: usize) -> Result<(), Stop> {
        self.includes += 1;
        if depth >= INCLUDE_DEPTH_MAX || self.includes > INCLUDES_MAX {
            return Err(LineError::Includes.into());
        }
        let paths = if words::is_pattern(path.as_os_str().as_bytes()) {
            self.files.expand(path)
        } else {
            vec![path.to_path_buf()]
        };
        // Files of one pattern are read as one text, as Redis does.
        let mut text = Vec::new();
        for path in paths {
            let read = self.files.read(&path);
            text.extend(read.map_err(|error| LoadError::Unreadable { path, error })?);
        }
        Ok(self.text(&text, depth + 1)?)
    }
}

/// A line's own error, or one of a file it includes.
enum Stop {
    Line(LineError),
    Load(LoadError),
}

impl From<LineError> for Stop {
    fn from(error: LineError) -> Self {
        Self::Line(error)
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}
