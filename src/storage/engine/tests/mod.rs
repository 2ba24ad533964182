//! An engine on a file of its own, as tests use it, and what it has as plain maps.

mod bodies;
mod generated;
mod looking_up;
mod nested;
mod opening;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::storage::cell::ENTRY_BYTES;
use crate::storage::check::{CheckOptions, Severity, check};
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::open::{OpenOptions, open};
use crate::storage::tree::Seek;
use crate::sync::Mutex;
use crate::vfs::{OsClock, OsVfs, Vfs};

type Bytes = Vec<u8>;

/// What a cell holds, as a test sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    head: Bytes,
    body: Bytes,
    trees: Vec<BTreeMap<Bytes, Bytes>>,
}

/// The roots of a database, as maps.
type Model = BTreeMap<(u32, Bytes), Held>;

struct Rig {
    vfs: Arc<dyn Vfs>,
    dir: tempfile::TempDir,
    clock: Arc<OsClock>,
    options: OpenOptions,
    engine: Option<Mutex<Engine>>,
}

impl Rig {
    fn new(page_bytes: usize, cache_bytes: u64) -> Self {
        Self::over(Arc::new(OsVfs), page_bytes, cache_bytes)
    }

    fn over(vfs: Arc<dyn Vfs>, page_bytes: usize, cache_bytes: u64) -> Self {
        let options = OpenOptions {
            page_bytes,
            cache_bytes,
            segment_bytes: 64 << 10,
            ..OpenOptions::new([7; 16])
        };
        let dir = tempfile::tempdir().expect("a directory for the test");
        let mut rig = Self {
            vfs,
            dir,
            clock: Arc::new(OsClock::default()),
            options,
            engine: None,
        };
        rig.open();
        rig
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("data.keep")
    }

    fn open(&mut self) {
        self.engine = None;
        let (engine, _) = open(
            &*self.vfs,
            self.clock.clone(),
            &self.path(),
            &self.options,
            &mut |_, _| {},
        )
        .expect("the file opens");
        self.engine = Some(Mutex::new(engine));
    }

    /// As a kill does it: what the log has written is there, memory is gone.
    fn kill_and_open(&mut self) {
        self.with(|engine| {
            let log = engine.log().expect("an open file has a log").clone();
            log.write_to(log.last_lsn()).expect("the log takes writes");
        });
        self.engine = None;
        let options = CheckOptions::default();
        let report =
            check(&*self.vfs, &self.path(), &options, &mut |_| {}).expect("it can be checked");
        let mut findings = report.findings.iter();
        let broken = findings.find(|f| f.severity > Severity::Note);
        assert_eq!(broken, None, "a kill leaves a file that is whole");
        self.open();
    }

    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        self.engine.as_ref().expect("it is open").with(work)
    }

    fn checkpoint(&self) {
        let begun = self.with(|engine| Checkpoint::begin(engine, self.clock.clone()));
        if let Some(checkpoint) = begun.expect("a checkpoint begins") {
            checkpoint
                .run(self.engine.as_ref().expect("open"), || {})
                .expect("it ends");
        }
    }

    fn change<R>(&self, plan: Plan, work: impl FnOnce(&mut Engine) -> Result<R, Error>) -> R {
        self.with(|engine| {
            engine.begin_command(OnMiss::Read);
            engine.begin(plan).expect("writes are allowed");
            let done = work(engine).expect("the change goes through");
            engine.commit();
            done
        })
    }
}

/// Reads everything under the given roots.
fn contents<R: Read>(reader: &mut R, roots: &[u32]) -> Model {
    let mut out = Model::new();
    for root in roots {
        let tree = reader.root(RootId(*root)).expect("a root");
        let (mut keys, mut bytes) = (Vec::new(), 0);
        reader
            .scan(tree, Seek::First, &mut |key, cell| {
                keys.push(key.to_vec());
                bytes += ENTRY_BYTES + key.len() as u64 + cell.data_bytes();
                std::ops::ControlFlow::Continue(())
            })
            .expect("readable");
        assert_eq!(keys.len() as u64, reader.count(tree));
        assert_eq!(bytes, reader.desc(tree).bytes, "bytes of a root");
        for key in keys {
            let cell = reader
                .get(tree, &key)
                .expect("readable")
                .expect("it was listed");
            let mut held = Held {
                head: cell.head().to_vec(),
                ..Held::default()
            };
            let slots = cell.slots();
            reader
                .read_body(tree, &key, 0, u64::MAX, &mut held.body)
                .expect("readable");
            for slot in 0..slots {
                let nested = reader
                    .nested(tree, &key, slot)
                    .expect("readable")
                    .expect("there");
                let mut inner = BTreeMap::new();
                let (mut names, mut bytes) = (Vec::new(), 0);
                reader
                    .scan(nested, Seek::First, &mut |k, cell| {
                        names.push(k.to_vec());
                        bytes += ENTRY_BYTES + k.len() as u64 + cell.data_bytes();
                        std::ops::ControlFlow::Continue(())
                    })
                    .expect("readable");
                assert_eq!(bytes, reader.desc(nested).bytes, "bytes of a nested tree");
                for name in names {
                    let mut body = Vec::new();
                    reader
                        .read_body(nested, &name, 0, u64::MAX, &mut body)
                        .expect("readable");
                    inner.insert(name, body);
                }
                held.trees.push(inner);
            }
            out.insert((*root, key), held);
        }
    }
    out
}
