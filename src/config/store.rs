//! The configuration of a running server: shared by all threads, read on hot paths, changed by CONFIG SET.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::directive::{
    DENY_LOADING, Entry, HIDDEN, IMMUTABLE, PROTECTED, SEVERAL, VOLATILE, entries, find,
};
use super::file::{Startup, os_text};
use super::reads::Permission;
use super::rewrite;
use super::table::{Key, TABLE};
use super::value::{Invalid, Value};
use super::words;
use crate::resp::glob::{self, Case};

/// The server around a configuration: makes changes act.
pub trait Host: Send + Sync {
    /// Makes the new values of `changed` act; `config` has them already. After an error the values are put back and
    /// this is called once more for the same directives.
    fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal>;

    /// CONFIG RESETSTAT.
    fn reset_statistics(&self);

    /// The lines that make the users of now, for CONFIG REWRITE; none where they are in a file of their own.
    fn user_lines(&self) -> Vec<Vec<u8>>;
}

/// Directives that Redis does not have and that are fixed or protected while the server runs. Programs for Redis that set again what
/// they were shown do not know them: setting them to what they are is no change and is accepted.
const WRITTEN_BACK: [Key; 7] = [
    Key::Dbfile,
    Key::PageSize,
    Key::OnCorruption,
    Key::LoadRdb,
    Key::WalKeep,
    Key::MetricsAddr,
    Key::Workers,
];

/// Bytes of the smallest backlog.
const BACKLOG_MIN: i64 = 16 * 1024;

/// The value that a change makes. A smaller backlog is kept only where a configuration file says it.
fn raised(key: Key, value: Value) -> Value {
    match value {
        Value::Number(bytes) if key == Key::ReplBacklogSize => {
            Value::Number(bytes.max(BACKLOG_MIN))
        }
        value => value,
    }
}

/// The disk, as CONFIG SET dir and CONFIG REWRITE need it.
pub trait Disk: Send + Sync {
    /// Changes the working directory and returns its absolute path.
    fn enter_directory(&self, path: &[u8]) -> io::Result<Vec<u8>>;

    /// The configuration file's content; None when there is no such file.
    fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a file: after a crash it is the old one or the new one.
    fn replace_file(&self, path: &Path, content: &[u8]) -> io::Result<()>;
}

/// A change that could not be made to act, worded for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub key: Key,
    pub text: String,
}

/// Who asks for a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The connection comes from this machine.
    pub is_local: bool,
    /// The file is being recovered.
    pub is_loading: bool,
}

/// Why CONFIG SET changed nothing. The texts are those of Redis, without `ERR`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    #[error("CONFIG SET failed (possibly related to argument '{0}') - can't set immutable config")]
    Immutable(String),
    #[error("CONFIG SET failed (possibly related to argument '{0}') - can't set protected config")]
    Protected(String),
    #[error("CONFIG SET failed (possibly related to argument '{0}') - duplicate parameter")]
    Duplicate(String),
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Invalid { name: &'static str, reason: Invalid },
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {text}")]
    Refused { name: &'static str, text: String },
    /// The reply is that of commands that cannot run while the file is being recovered.
    #[error("the file is being recovered")]
    Loading,
}

/// Why CONFIG REWRITE wrote nothing. The texts are those of Redis, without `ERR`.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error("The server is running without a config file")]
    NoFile,
    #[error("Rewriting config file: {}", os_text(.0))]
    File(io::Error),
}

/// The values of all directives.
pub struct Config {
    /// Values of directives that are kept as numbers, by key. Relaxed: each is independent of the others and of
    /// all other memory.
    numbers: Box<[AtomicI64]>,
    /// The other values, by key.
    others: RwLock<Vec<Arc<Value>>>,
    /// Held while values change, so that changes are all-or-nothing towards each other.
    updates: Mutex<()>,
    startup: Startup,
    host: OnceLock<Arc<dyn Host>>,
    disk: OnceLock<Arc<dyn Disk>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("startup", &self.startup)
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        let values = TABLE.iter().map(|row| row.default_value()).collect();
        Self::new(values, Startup::default())
    }
}

impl Config {
    /// A configuration with one value a row of the table.
    pub(super) fn new(values: Vec<Value>, startup: Startup) -> Self {
        assert_eq!(values.len(), TABLE.len(), "one value a directive");
        let number = |value: &Value| match value {
            Value::Number(number) => *number,
            _ => 0,
        };
        Self {
            numbers: values
                .iter()
                .map(|value| AtomicI64::new(number(value)))
                .collect(),
            others: RwLock::new(values.into_iter().map(Arc::new).collect()),
            updates: Mutex::new(()),
            startup,
            host: OnceLock::new(),
            disk: OnceLock::new(),
        }
    }

    /// Says who makes changes act. Without a host they are kept and nothing else happens.
    ///
    /// # Panics
    /// When there is a host already.
    pub fn attach(&self, host: Arc<dyn Host>) {
        assert!(self.host.set(host).is_ok(), "a configuration has one host");
    }

    /// Gives the disk. Without it CONFIG REWRITE says that there is no file, and `dir` is only kept.
    ///
    /// # Panics
    /// When there is one already.
    pub fn attach_disk(&self, disk: Arc<dyn Disk>) {
        assert!(self.disk.set(disk).is_ok(), "a configuration has one disk");
    }

    /// The content of a file beside the configuration; None when there is none.
    pub fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.disk()?.read_file(path)
    }

    /// Replaces a file beside the configuration.
    pub fn replace_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.disk()?.replace_file(path, content)
    }

    fn disk(&self) -> io::Result<&dyn Disk> {
        let disk = self.disk.get().map(|disk| &**disk);
        disk.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// What the configuration file and the command line said that is no value of a directive.
    pub fn startup(&self) -> &Startup {
        &self.startup
    }

    /// A number, a yes or no (1 or 0), a word's number, bits.
    ///
    /// # Panics
    /// When the directive is of another kind.
    pub fn number(&self, key: Key) -> i64 {
        debug_assert!(key.directive().kind.is_number(), "{key:?} is no number");
        self.numbers[key as usize].load(Ordering::Relaxed)
    }

    /// A yes-or-no directive.
    pub fn is_on(&self, key: Key) -> bool {
        self.number(key) != 0
    }

    /// The value of any directive.
    pub fn value(&self, key: Key) -> Arc<Value> {
        if key.directive().kind.is_number() {
            return Arc::new(Value::Number(self.number(key)));
        }
        Arc::clone(&self.others.read()[key as usize])
    }

    /// The text of a directive, empty for none.
    ///
    /// # Panics
    /// When the directive is of another kind.
    pub fn text(&self, key: Key) -> Vec<u8> {
        match &*self.value(key) {
            Value::Text(text) => text.clone(),
            _ => panic!("{key:?} is no text"),
        }
    }

    /// A directive's value as CONFIG GET shows it.
    pub fn print(&self, key: Key) -> Vec<u8> {
        key.directive().kind.print(&self.value(key))
    }

    /// CONFIG GET: names and values for names and patterns, each entry once. A name that is no pattern is answered
    /// as it was written.
    pub fn get(&self, wanted: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let all: Vec<Entry> = entries().collect();
        let mut taken = vec![false; all.len()];
        let mut found = Vec::new();
        for wanted in wanted {
            let is_pattern = words::is_pattern(wanted);
            for (entry, taken) in all.iter().zip(&mut taken) {
                let name = entry.name.as_bytes();
                let matches = if is_pattern {
                    !entry.directive().is(HIDDEN) && glob::matches(wanted, name, Case::Insensitive)
                } else {
                    name.eq_ignore_ascii_case(wanted)
                };
                if matches && !*taken {
                    *taken = true;
                    let shown = if is_pattern { name } else { wanted };
                    found.push((shown.to_vec(), self.print(entry.key)));
                }
            }
        }
        found
    }

    /// CONFIG SET: all pairs of name and value, or none.
    pub fn set(&self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<(), SetError> {
        let _update = self.updates.lock();
        let entries = self.admit(pairs, caller)?;
        let mut new: Vec<(Key, Value)> = Vec::with_capacity(pairs.len());
        for (entry, (_, value)) in entries.iter().zip(pairs) {
            let value = self.parse(*entry, value, &new)?;
            new.push((entry.key, value));
        }
        let old: Vec<(Key, Arc<Value>)> = entries
            .iter()
            .map(|entry| (entry.key, self.value(entry.key)))
            .collect();
        for (entry, (_, value)) in entries.iter().zip(&mut new) {
            self.enter_directory(*entry, value)?;
        }
        let mut changed = Vec::new();
        for (key, value) in new {
            let differs = *self.value(key) != value || key.directive().is(VOLATILE);
            if differs && !changed.contains(&key) {
                changed.push(key);
            }
            self.store(
                key,
                Arc::new(if differs { raised(key, value) } else { value }),
            );
        }
        self.apply(&changed, &entries).inspect_err(|_| {
            for (key, value) in old.into_iter().rev() {
                self.store(key, value);
            }
            self.put_back(&changed);
        })
    }

    /// Checks that all names are known and may be set.
    fn admit(&self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<Vec<Entry>, SetError> {
        let allow_protected = match self.enable_protected_configs() {
            Permission::Yes => true,
            Permission::Local => caller.is_local,
            Permission::No => false,
        };
        let mut admitted: Vec<Entry> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let said = || String::from_utf8_lossy(name).into_owned();
            let Some(entry) = find(name) else {
                return Err(SetError::Unknown(said()));
            };
            let row = entry.directive();
            let is_written_back =
                WRITTEN_BACK.contains(&entry.key) && self.print(entry.key) == *value;
            if row.is(IMMUTABLE) && !is_written_back {
                return Err(SetError::Immutable(said()));
            }
            if row.is(PROTECTED) && !allow_protected && !is_written_back {
                return Err(SetError::Protected(said()));
            }
            if row.is(DENY_LOADING) && caller.is_loading {
                return Err(SetError::Loading);
            }
            // This bounds the list: an entry is admitted once.
            if admitted.contains(&entry) {
                return Err(SetError::Duplicate(said()));
            }
            admitted.push(entry);
        }
        Ok(admitted)
    }

    /// Reads one new value. `before` are the new values of the pairs before it, which count as current.
    fn parse(
        &self,
        entry: Entry,
        value: &[u8],
        before: &[(Key, Value)],
    ) -> Result<Value, SetError> {
        let row = entry.directive();
        let words: Vec<Vec<u8>> = if !row.is(SEVERAL) {
            vec![value.to_vec()]
        } else if value.is_empty() {
            Vec::new()
        } else {
            value.split(|b| *b == b' ').map(<[u8]>::to_vec).collect()
        };
        let stored = self.value(entry.key);
        let current = before
            .iter()
            .rfind(|(key, _)| *key == entry.key)
            .map_or(&*stored, |(_, value)| value);
        row.kind
            .parse(&words, current)
            .map_err(|reason| SetError::Invalid {
                name: entry.name,
                reason,
            })
    }

    /// Directories are checked by going there; the value becomes the absolute path.
    fn enter_directory(&self, entry: Entry, value: &mut Value) -> Result<(), SetError> {
        let (Key::Dir, Value::Text(path), Some(disk)) = (entry.key, value, self.disk.get()) else {
            return Ok(());
        };
        *path = disk
            .enter_directory(path)
            .map_err(|error| SetError::Refused {
                name: entry.name,
                text: os_text(&error),
            })?;
        Ok(())
    }

    fn apply(&self, changed: &[Key], entries: &[Entry]) -> Result<(), SetError> {
        let (Some(host), false) = (self.host.get(), changed.is_empty()) else {
            return Ok(());
        };
        host.apply(self, changed).map_err(|refusal| {
            let entry = entries.iter().find(|entry| entry.key == refusal.key);
            SetError::Refused {
                name: entry.map_or(refusal.key.directive().name, |entry| entry.name),
                text: refusal.text,
            }
        })
    }

    /// Makes the old values act again after a refusal; they acted before, so a second refusal is only logged.
    fn put_back(&self, changed: &[Key]) {
        if changed.contains(&Key::Dir)
            && let Some(disk) = self.disk.get()
            && let Err(error) = disk.enter_directory(&self.text(Key::Dir))
        {
            tracing::warn!(%error, "the working directory of before could not be entered again");
        }
        if let Some(host) = self.host.get()
            && let Err(refusal) = host.apply(self, changed)
        {
            let (name, text) = (refusal.key.directive().name, refusal.text);
            tracing::warn!(
                "the value of {name} from before a refused CONFIG SET does not act: {text}"
            );
        }
    }

    fn store(&self, key: Key, value: Arc<Value>) {
        match &*value {
            Value::Number(number) => {
                self.numbers[key as usize].store(*number, Ordering::Relaxed);
            }
            _ => self.others.write()[key as usize] = value,
        }
    }

    /// CONFIG REWRITE. `force_all` writes every directive, also those at their default.
    pub fn rewrite(&self, force_all: bool) -> Result<(), RewriteError> {
        let (Some(path), Some(disk)) = (&self.startup.file, self.disk.get()) else {
            return Err(RewriteError::NoFile);
        };
        let old = disk.read_file(path).map_err(RewriteError::File)?;
        let users = self
            .host
            .get()
            .map_or_else(Vec::new, |host| host.user_lines());
        let new = rewrite::rewrite(&old.unwrap_or_default(), self, force_all, &users);
        disk.replace_file(path, &new).map_err(RewriteError::File)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_statistics(&self) {
        if let Some(host) = self.host.get() {
            host.reset_statistics();
        }
    }
}
