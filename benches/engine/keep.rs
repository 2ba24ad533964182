//! Redkeep's engine, with checkpoints on a thread of their own as the server makes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use redkeep::storage::checkpoint::{Checkpoint, EngineLock};
use redkeep::storage::log::Log;
use redkeep::storage::{self, Engine, Error, OnMiss, OpenOptions, Plan, Read, RootId, TreeId};
use redkeep::vfs::{Clock, OsClock, OsVfs};

use super::store::{KEY_BYTES, LOAD_KEYS, Store, VALUE_BYTES, key};

/// Bytes of log after which a checkpoint is made: the server's default.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// So often a put reads what it misses while others have the engine; then it keeps them out, as the server does, so that it
/// ends.
const READS_OFF_THE_LOCK: u32 = 8;

/// The engine behind its lock.
struct Locked(Mutex<Engine>);

impl EngineLock for Locked {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.0.lock())
    }
}

pub struct Keep {
    engine: Arc<Locked>,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    tree: TreeId,
    path: PathBuf,
    ends: Arc<AtomicBool>,
    checkpointer: Option<JoinHandle<()>>,
}

impl Keep {
    pub fn open(path: &Path, cache_bytes: u64) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
        let options = OpenOptions {
            cache_bytes,
            ..OpenOptions::new([7; 16])
        };
        let opened = storage::open(&OsVfs, Arc::clone(&clock), path, &options, &mut |_, _| {});
        let (mut engine, _) = opened.expect("a new file");
        let log = Arc::clone(engine.log().expect("an open file has a log"));
        let tree = engine.root(RootId(1)).expect("a root tree");
        let engine = Arc::new(Locked(Mutex::new(engine)));
        let ends = Arc::new(AtomicBool::new(false));
        let checkpointer = {
            let (engine, log) = (Arc::clone(&engine), Arc::clone(&log));
            let (clock, ends) = (Arc::clone(&clock), Arc::clone(&ends));
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(10));
                    if log.bytes_since_checkpoint() >= CHECKPOINT_BYTES {
                        checkpoint(&engine, &clock);
                    }
                }
            })
        };
        Self {
            engine,
            log,
            clock,
            tree,
            path: path.to_path_buf(),
            ends,
            checkpointer: Some(checkpointer),
        }
    }

    /// Reads what was not in the cache, while others have the engine.
    fn read_missed(&self, mut engine: MutexGuard<'_, Engine>) {
        let pages = engine.missed().to_vec();
        engine.pager_mut().begin_load(&pages);
        let source = engine.source().clone();
        drop(engine);
        // The first is asked for at once.
        for page in pages.iter().skip(1) {
            source.will_need(page.page);
        }
        for page in pages {
            let mut bytes = vec![0; source.page_bytes()];
            source.read(page, &mut bytes).expect("a page");
            let mut engine = self.engine.0.lock();
            // Without room in the cache it is missed again.
            let _ = engine.pager_mut().end_load(page, Some(&bytes));
        }
    }

    pub fn checkpoint(&self) {
        checkpoint(&self.engine, &self.clock);
    }

    /// Bytes written to the log so far.
    pub fn log_bytes(&self) -> u64 {
        self.log.total_bytes_written()
    }
}

fn checkpoint(engine: &Locked, clock: &Arc<dyn Clock>) {
    let begun = engine.with(|engine| {
        engine.begin_command(OnMiss::Read);
        Checkpoint::begin(engine, Arc::clone(clock))
    });
    if let Some(checkpoint) = begun.expect("a checkpoint") {
        checkpoint.run(engine, || {}).expect("a checkpoint");
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.checkpointer.take() {
            thread.join().expect("the thread of the checkpoints");
        }
        std::fs::remove_file(&self.path).expect("the file is there");
    }
}

impl Store for Keep {
    fn name(&self) -> &'static str {
        "redkeep"
    }

    fn load(&mut self, keys: u64) {
        let mut number = 0;
        while number < keys {
            let mut engine = self.engine.0.lock();
            engine.begin_command(OnMiss::Read);
            engine.begin(Plan::Savepoint).expect("a transaction");
            for n in number..keys.min(number + LOAD_KEYS) {
                let value = [b'v'; VALUE_BYTES];
                engine.put(self.tree, &key(n), &[], &value).expect("a put");
            }
            let lsn = engine.commit();
            drop(engine);
            self.log.write_to(lsn).expect("a write");
            number += LOAD_KEYS;
        }
        self.sync();
        self.checkpoint();
    }

    fn get_all(&mut self, keys: &mut dyn Iterator<Item = [u8; KEY_BYTES]>) -> u64 {
        let mut found = 0;
        for key in keys {
            let mut engine = self.engine.0.lock();
            engine.begin_command(OnMiss::Read);
            let cell = engine.get(self.tree, &key).expect("a look-up");
            found += u64::from(cell.is_some());
        }
        found
    }

    fn will_put(&self, keys: &[[u8; KEY_BYTES]]) {
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        for _ in 0..READS_OFF_THE_LOCK {
            let mut engine = self.engine.0.lock();
            engine.begin_command(OnMiss::Note);
            engine.look_ahead(self.tree, &keys);
            engine.miss_ahead();
            if engine.missed().is_empty() {
                return;
            }
            self.read_missed(engine);
        }
    }

    fn put(&self, key: &[u8; KEY_BYTES], value: &[u8; VALUE_BYTES]) {
        let mut tries = 0;
        let lsn = loop {
            let mut engine = self.engine.0.lock();
            let on_miss = if tries < READS_OFF_THE_LOCK {
                OnMiss::Note
            } else {
                OnMiss::Read
            };
            engine.begin_command(on_miss);
            match engine.locate(self.tree, key) {
                Ok(()) => {
                    engine.begin(Plan::Simple).expect("a transaction");
                    engine.put(self.tree, key, &[], value).expect("a put");
                    break engine.commit();
                }
                Err(Error::Miss) => self.read_missed(engine),
                Err(error) => panic!("a look-up: {error}"),
            }
            tries += 1;
        };
        self.log.write_to(lsn).expect("a write");
    }

    fn sync(&self) {
        self.log.sync_to(self.log.last_lsn()).expect("a sync");
    }
}
