//! The database inside another program: the file is opened in the process, and commands are calls.
//!
//! ```no_run
//! use redkeep::db::{Db, Options};
//!
//! let db = Db::open("data.keep", Options::default())?;
//! db.set("greeting", "hello")?;
//! assert_eq!(db.get("greeting")?.as_deref(), Some(&b"hello"[..]));
//! db.close()?;
//! # Ok::<(), redkeep::db::DbError>(())
//! ```
//!
//! **Commands.** [`Db::call`] takes any command as its words and answers what a server would; the typed methods
//! (`commands.rs`) are calls with their replies unpacked. A command that needs a server (SUBSCRIBE, SHUTDOWN, BGSAVE ...)
//! is refused with [`DbError::NeedsServer`], and one that would wait for another client (BLPOP ...) answers at once that
//! there is nothing.
//!
//! **Threads.** A [`Db`] is `Send` and `Sync` and cheap to clone: all clones are one open file. Calls from several
//! threads run one after another, each atomic. A [`Connection`] has a database, a transaction and watched keys of its
//! own and belongs to one thread at a time. A [`Snapshot`] is read without holding up anyone. No thread is started here:
//! due keys are removed when they are met and by [`Db::maintain`], checkpoints are made by the call that finds the log long.
//!
//! **Promises.** When a call returns, the kernel has the log of its change: the process may die. [`Sync::Each`]: the disk
//! has it too, so that the power may fail; threads that call at the same time share syncs. [`Sync::Manual`]: the disk
//! has what came before the last [`Db::sync`].
//!
//! **Errors.** [`DbError::Reply`] is what a client would be told; the database is as it was. [`DbError::Storage`] and
//! [`DbError::Log`] are the file's: after a failed sync writes are refused until the file is opened again.
//!
//! **Other processes.** A [`View`] reads a file as it is at a moment, whichever process has it open.
//!
//! **Units.** Times are milliseconds since 1970 where they are points and [`Duration`] where they are spans; sizes are bytes.
//!
//! [`Duration`]: std::time::Duration

mod commands;
mod connection;
pub mod salvage;
mod snapshot;
pub(crate) mod view;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Mutex, MutexGuard};

pub use crate::resp::value::Value;
pub use connection::Connection;
pub use snapshot::Snapshot;
pub use view::{View, ViewOptions};

use crate::command::server::Server;
use crate::command::transaction;
use crate::config::Config;
use crate::keyspace::Keyspace;
pub use crate::storage::backup::Copied;
use crate::storage::backup::{BackupError, PIECE_BYTES, back_up};
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::live::BesideError;
use crate::storage::log::{Log, LogError};
use crate::storage::salvage::SalvageError;
use crate::storage::{self, OnMiss, OpenError, OpenOptions, OpenReport};
use crate::vfs::{Clock, OsClock, OsVfs, random_bytes};

/// Databases that there are unless more are asked for.
const DATABASES: u32 = 16;
/// Bytes of a page of a file that is made.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Pages of dropped trees that are freed in one hold of the engine lock.
const FREE_PAGES: usize = 64;
/// Due keys removed in one hold of the engine lock.
const EXPIRED_A_TURN: usize = 200;

/// When the disk has what was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before a call that changed something returns.
    #[default]
    Each,
    /// When [`Db::sync`], [`Db::checkpoint`] or [`Db::close`] return.
    Manual,
}

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct Options {
    pub sync: Sync,
    /// Memory for pages, in bytes.
    pub cache_bytes: u64,
    /// How many databases there are to choose from.
    pub databases: u32,
    /// A file that is not there is made.
    pub creates: bool,
    /// Bytes of log after which a checkpoint is made.
    pub checkpoint_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: Sync::Each,
            cache_bytes: 64 << 20,
            databases: DATABASES,
            creates: true,
            checkpoint_bytes: 64 << 20,
        }
    }
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("{0} is not there")]
    Absent(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0} was being filled from another file and is not whole: delete it and its log")]
    Unfinished(String),
    /// The command was refused, in the words of a server.
    #[error("{0}")]
    Reply(String),
    #[error("the command needs a server")]
    NeedsServer,
    #[error("the command was given no words")]
    NoWords,
    #[error("{0} cannot be part of a transaction")]
    NotQueued(String),
    /// A typed method met a reply of another type.
    #[error("the reply is of another type than was expected: {0}")]
    Unexpected(&'static str),
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Beside(#[from] BesideError),
    #[error(transparent)]
    Salvage(#[from] SalvageError),
    #[error("the system gives no random bytes: {0}")]
    Random(std::io::Error),
}

/// What all clones of a [`Db`] share.
struct Inner {
    keyspace: Mutex<Keyspace>,
    server: Server,
    log: Arc<Log>,
    /// One checkpoint at a time.
    checkpoints: Mutex<()>,
    options: Options,
    report: OpenReport,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("options", &self.options)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// An open database.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Inner>,
}

impl Db {
    /// Opens the file at `path` and its log; no other process may have it open.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, DbError> {
        Self::open_paged(path.as_ref(), options, PAGE_BYTES)
    }

    /// The same; a file that is made has pages of so many bytes, a power of two from 4096 to 65536.
    pub(crate) fn open_paged(
        path: &Path,
        options: Options,
        page_bytes: usize,
    ) -> Result<Self, DbError> {
        let db = Self::open_unfinished(path, options, page_bytes)?;
        if db.inner.keyspace.lock().is_half_seeded()? {
            return Err(DbError::Unfinished(path.display().to_string()));
        }
        Ok(db)
    }

    /// The same of a file that may be filled half-way.
    fn open_unfinished(path: &Path, options: Options, page_bytes: usize) -> Result<Self, DbError> {
        if !options.creates && !path.exists() {
            return Err(DbError::Absent(path.display().to_string()));
        }
        let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
        let open_options = OpenOptions {
            cache_bytes: options.cache_bytes,
            page_bytes,
            ..OpenOptions::new(random()?)
        };
        let (engine, report) = storage::open(
            &OsVfs,
            Arc::clone(&clock),
            path,
            &open_options,
            &mut |_, _| {},
        )?;
        let log = Arc::clone(engine.log().expect("an open file has a log"));
        let seed = u64::from_le_bytes(random()?);
        let keyspace = Keyspace::new(engine, options.databases, seed, clock.wall_ms())?;
        let server = Server::new(Arc::new(Config::default()), clock);
        let databases = u64::from(options.databases);
        server.tuning.databases.store(databases, Ordering::Relaxed);
        Ok(Self {
            inner: Arc::new(Inner {
                keyspace: Mutex::new(keyspace),
                server,
                log,
                checkpoints: Mutex::new(()),
                options,
                report,
            }),
        })
    }

    /// What opening the file met.
    pub fn report(&self) -> &OpenReport {
        &self.inner.report
    }

    /// Carries out one command in database 0, given as its words.
    pub fn call<W: AsRef<[u8]>>(&self, words: &[W]) -> Result<Value, DbError> {
        self.connect().call(words)
    }

    /// Carries out commands, each given as its words, as one transaction: all of them or, after an error in the words of
    /// one, none. A command that fails while it runs answers [`Value::Error`] in its place, as in Redis. EXEC, DISCARD and others
    /// that a transaction does not queue are [`DbError::NotQueued`].
    pub fn transaction(&self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Value>, DbError> {
        for name in commands.iter().filter_map(|command| command.first()) {
            if !transaction::holds(name) {
                return Err(DbError::NotQueued(
                    String::from_utf8_lossy(name).into_owned(),
                ));
            }
        }
        let mut connection = self.connect();
        connection.call(&["MULTI"])?;
        for command in commands {
            connection.call(command)?;
        }
        match connection.call(&["EXEC"])? {
            Value::Array(replies) => Ok(replies),
            _ => Err(DbError::Unexpected("EXEC answers an array")),
        }
    }

    /// A connection: a database, a transaction and watched keys of its own.
    pub fn connect(&self) -> Connection {
        Connection::new(self.clone())
    }

    /// The data as it is now, to be read while it changes.
    pub fn snapshot(&self) -> Snapshot {
        let databases = self.inner.options.databases;
        let taken = self.inner.keyspace.lock().engine.snapshot();
        Snapshot::new(taken, databases, self.inner.server.clock.wall_ms())
    }

    /// Returns when the disk has everything that was committed.
    pub fn sync(&self) -> Result<(), DbError> {
        Ok(self.inner.log.sync_to(self.inner.log.last_lsn())?)
    }

    /// Puts everything that was committed into the file, which then is whole without its log if nothing was committed
    /// meanwhile.
    pub fn checkpoint(&self) -> Result<(), DbError> {
        let inner = &*self.inner;
        let _one = inner.checkpoints.lock();
        let clock = &inner.server.clock;
        let begun = {
            let mut keyspace = inner.keyspace.lock();
            keyspace.engine.begin_command(OnMiss::Read);
            keyspace.save_cursors()?;
            Checkpoint::begin(&mut keyspace.engine, Arc::clone(clock))?
        };
        if let Some(checkpoint) = begun {
            checkpoint.run(&inner.keyspace, || {})?;
        }
        inner
            .keyspace
            .with(|engine| engine.clear_log_required(&**clock))?;
        Ok(())
    }

    /// Copies the file as it is now to `path`, where nothing may be: a file that is whole on its own, or none. Calls of other
    /// threads go on meanwhile. `tell` hears how far it is.
    pub fn backup(
        &self,
        path: impl AsRef<Path>,
        mut tell: impl FnMut(Copied),
    ) -> Result<(), DbError> {
        self.checkpoint()?;
        let mut tell = |copied| {
            tell(copied);
            ControlFlow::Continue(())
        };
        let path = path.as_ref();
        back_up(&self.inner.keyspace, &OsVfs, path, PIECE_BYTES, &mut tell)?;
        Ok(())
    }

    /// Removes due keys, frees the pages of what was dropped, and makes a checkpoint if the log is long. To be called now
    /// and then by a program that has a quiet moment.
    pub fn maintain(&self) -> Result<(), DbError> {
        let inner = &*self.inner;
        loop {
            let mut keyspace = inner.keyspace.lock();
            keyspace.engine.begin_command(OnMiss::Read);
            let now_ms = inner.server.clock.wall_ms();
            let before = keyspace.last_lsn();
            keyspace.expire_due(now_ms, EXPIRED_A_TURN)?;
            keyspace.changes = Default::default();
            if keyspace.last_lsn() == before {
                break;
            }
        }
        while inner.keyspace.with(|engine| {
            engine.free_dropped(FREE_PAGES)?;
            Ok::<_, storage::Error>(engine.has_dropped())
        })? {}
        self.settle()
    }

    /// Makes a checkpoint and closes the file, if this is the last clone of it.
    pub fn close(self) -> Result<(), DbError> {
        self.checkpoint()
    }

    /// Returns when what was committed up to `lsn` is as safe as the options demand.
    fn promise(&self, lsn: storage::Lsn) -> Result<(), DbError> {
        let log = &self.inner.log;
        if log.written_lsn() < lsn {
            log.write_to(lsn)?;
        }
        if self.inner.options.sync == Sync::Each && log.synced_lsn() < lsn {
            log.sync_to(lsn)?;
        }
        if log.bytes_since_checkpoint() >= self.inner.options.checkpoint_bytes {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// The data itself, under the engine lock; what is changed is promised by [`Db::settle`].
    pub(crate) fn keyspace(&self) -> MutexGuard<'_, Keyspace> {
        self.inner.keyspace.lock()
    }

    /// The lock of the data, for work that holds it a little at a time.
    pub(crate) fn lock(&self) -> &Mutex<Keyspace> {
        &self.inner.keyspace
    }

    pub(crate) fn server(&self) -> &Server {
        &self.inner.server
    }

    /// Returns when everything that was committed is as safe as the options demand.
    pub(crate) fn settle(&self) -> Result<(), DbError> {
        self.promise(self.inner.log.last_lsn())
    }
}

/// Random bytes of the system.
fn random<const N: usize>() -> Result<[u8; N], DbError> {
    random_bytes().map_err(DbError::Random)
}
