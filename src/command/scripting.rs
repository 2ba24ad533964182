//! What all connections share of Lua: the scripts, what is running, and the figures that INFO tells of.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::libraries::Libraries;
use super::running::Running;
use super::script_cache::ScriptCache;
use super::script_debug::DebuggedFile;
use super::server::{REDIS_VERSION, Server};
use crate::keyspace::Keyspace;
use crate::script::api::Version;
use crate::script::random::Random;
use crate::storage;

/// The version that scripts are told.
pub const VERSION: Version = Version(REDIS_VERSION);

/// The state of Lua. The machines are used under the engine lock; who finds one in use is called by its script.
#[derive(Debug)]
pub struct Scripting {
    pub running: Running,
    pub scripts: Mutex<ScriptCache>,
    pub libraries: Mutex<Libraries>,
    pub figures: Figures,
    pub debugged_file: DebuggedFile,
    /// Where math.random of all scripts and functions goes on: 48 bits.
    random: AtomicU64,
    /// Bytes that the machine of the scripts, and that of the functions, may hold; 0: as many as there are.
    memory_bytes_max: AtomicUsize,
}

impl Default for Scripting {
    fn default() -> Self {
        Self {
            running: Running::default(),
            scripts: Mutex::default(),
            libraries: Mutex::default(),
            figures: Figures::default(),
            debugged_file: DebuggedFile::default(),
            random: AtomicU64::new(Random::default().bits()),
            memory_bytes_max: AtomicUsize::new(0),
        }
    }
}

impl Scripting {
    /// Compiles the libraries of a file that has just been opened.
    pub fn open(&self, keyspace: &mut Keyspace, server: &Server) -> Result<(), storage::Error> {
        let mut libraries = self.libraries.lock();
        libraries.clear();
        libraries.follow(keyspace, server)
    }

    /// Bytes that each of the two machines may hold; 0: as many as there are.
    pub fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max.load(Ordering::Relaxed)
    }

    pub fn limit_memory(&self, bytes: usize) {
        self.memory_bytes_max.store(bytes, Ordering::Relaxed);
    }

    pub fn random(&self) -> Random {
        Random::from_bits(self.random.load(Ordering::Relaxed))
    }

    /// CONFIG RESETSTAT.
    pub fn reset_statistics(&self) {
        self.figures.scripts_evicted.store(0, Ordering::Relaxed);
    }

    pub fn set_random(&self, random: Random) {
        self.random.store(random.bits(), Ordering::Relaxed);
    }
}

/// Figures as of the latest change. They are independent of each other, so every access is relaxed.
#[derive(Debug, Default)]
pub struct Figures {
    pub scripts: AtomicU64,
    pub script_bytes: AtomicU64,
    pub script_machine_bytes: AtomicU64,
    pub scripts_evicted: AtomicU64,
    pub functions: AtomicU64,
    pub libraries: AtomicU64,
    pub library_bytes: AtomicU64,
    pub function_machine_bytes: AtomicU64,
}

impl Figures {
    /// How many libraries and functions there are.
    pub fn counts(&self) -> (u64, u64) {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        (read(&self.libraries), read(&self.functions))
    }
}
