//! The data of a file as it was at a moment, read beside the process that writes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{DATABASES, DbError, Snapshot, random};
use crate::keyspace::Keyspace;
use crate::storage::OpenReport;
use crate::storage::live::{Beside, BesideError, BesideOptions};
use crate::vfs::{Clock, OsClock, OsVfs, Vfs};

/// How long is waited between two looks at a file that is being opened.
const PAUSE: Duration = Duration::from_millis(20);

/// How a file is read.
#[derive(Clone, Debug)]
pub struct ViewOptions {
    /// Memory for pages, in bytes.
    pub cache_bytes: u64,
    /// How many databases there are to choose from.
    pub databases: u32,
    /// How long a process that is just opening the file may take for it.
    pub patience: Duration,
    /// Where changed pages go that the memory has no room for, in a file without a name.
    pub scratch_dir: PathBuf,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            databases: DATABASES,
            patience: Duration::from_secs(30),
            scratch_dir: std::env::temp_dir(),
        }
    }
}

/// All databases of a file as they were when it was opened. The file may be open in another process, which goes on
/// undisturbed; what this reads stays in the file until it is dropped. No byte of the data or the log is changed.
pub struct View {
    keyspace: Mutex<Keyspace>,
    report: OpenReport,
    databases: u32,
    clock: Arc<dyn Clock>,
    // Behind the keyspace, which reads what it holds.
    beside: Beside,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("beside", &self.beside)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl View {
    /// Opens the file at `path` as it is now.
    pub fn open(path: impl AsRef<Path>, options: &ViewOptions) -> Result<Self, DbError> {
        let path = path.as_ref();
        let beside = hold(path, options)?;
        let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
        let (engine, report) = beside.open(Arc::clone(&clock))?;
        let mut keyspace = Keyspace::new(engine, options.databases, 0, clock.wall_ms())?;
        if keyspace.is_half_seeded()? {
            return Err(DbError::Unfinished(path.display().to_string()));
        }
        Ok(Self {
            keyspace: Mutex::new(keyspace),
            report,
            databases: options.databases,
            clock,
            beside,
        })
    }

    /// What opening the file met; its last transaction is the last one that is seen.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Whether another process had the file open.
    pub fn is_live(&self) -> bool {
        self.beside.live_lsn().is_some()
    }

    /// The data, to be read.
    pub fn snapshot(&self) -> Snapshot {
        let taken = self.keyspace.lock().engine.snapshot();
        Snapshot::new(taken, self.databases, self.clock.wall_ms())
    }

    /// Runs `work` on the data itself. What it changes is not kept.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Keyspace) -> R) -> R {
        work(&mut self.keyspace.lock())
    }
}

/// Holds the files of a database as they are now, waiting for a process that is just opening them.
pub(crate) fn hold(path: &Path, options: &ViewOptions) -> Result<Beside, DbError> {
    if !path.exists() {
        return Err(DbError::Absent(path.display().to_string()));
    }
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let begun = Instant::now();
    loop {
        let name = format!("redkeep-view-{:016x}", u64::from_le_bytes(random()?));
        let beside = BesideOptions {
            cache_bytes: options.cache_bytes,
            scratch: options.scratch_dir.join(name),
        };
        match Beside::take(&vfs, path, beside) {
            Ok(beside) => return Ok(beside),
            Err(BesideError::Opening | BesideError::Restless)
                if begun.elapsed() < options.patience =>
            {
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
