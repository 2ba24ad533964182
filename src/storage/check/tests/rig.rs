//! A database in memory that can be built through the engine, damaged and checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::storage::check::{CheckOptions, Report, check};
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::engine::{Engine, Plan};
use crate::storage::meta::{META_BYTES, Meta, MetaCopies, Slot};
use crate::storage::open::{OpenOptions, log_path, open};
use crate::storage::page;
use crate::storage::pager::OnMiss;
use crate::storage::read::{Read, RootId};
use crate::storage::tree::Seek;
use crate::storage::{Error, OpenError};
use crate::sync::Mutex;
pub(in crate::storage) use crate::vfs::MemVfs;
use crate::vfs::OsClock;

pub(in crate::storage) const PAGE: usize = 512;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Held {
    pub(in crate::storage) head: Vec<u8>,
    pub(in crate::storage) body: Vec<u8>,
    /// The entries of its nested trees.
    pub(in crate::storage) inner: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Everything under some roots, by root and key.
pub(in crate::storage) type Contents = BTreeMap<(u32, Vec<u8>), Held>;

pub(in crate::storage) const ROOTS: [u32; 2] = [0, 5];

/// A database, and the engine that has it open.
pub(in crate::storage) struct Rig {
    pub(in crate::storage) vfs: MemVfs,
    clock: Arc<OsClock>,
    options: OpenOptions,
    engine: Option<Mutex<Engine>>,
}

pub(in crate::storage) fn path() -> PathBuf {
    PathBuf::from("data.keep")
}

pub(in crate::storage) fn wal() -> PathBuf {
    log_path(&path())
}

impl Rig {
    pub(in crate::storage) fn over(vfs: MemVfs) -> Result<Self, OpenError> {
        let options = OpenOptions {
            page_bytes: PAGE,
            cache_bytes: 1 << 20,
            segment_bytes: 16 << 10,
            ..OpenOptions::new([7; 16])
        };
        let clock = Arc::new(OsClock::default());
        let (engine, _) = open(&vfs, clock.clone(), &path(), &options, &mut |_, _| {})?;
        Ok(Self {
            vfs,
            clock,
            options,
            engine: Some(Mutex::new(engine)),
        })
    }

    pub(in crate::storage) fn new() -> Self {
        Self::over(MemVfs::default()).expect("a new file")
    }

    /// As a kill does it: what the log has written is there, memory is gone.
    pub(in crate::storage) fn kill(&mut self) {
        self.with(|engine| {
            let log = engine.log().expect("an open file has a log").clone();
            log.write_to(log.last_lsn()).expect("the log takes writes");
        });
        self.engine = None;
    }

    pub(in crate::storage) fn reopen(&mut self) {
        self.engine = None;
        let (engine, _) = open(
            &self.vfs,
            self.clock.clone(),
            &path(),
            &self.options,
            &mut |_, _| {},
        )
        .expect("the file opens");
        self.engine = Some(Mutex::new(engine));
    }

    pub(in crate::storage) fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        self.engine.as_ref().expect("it is open").with(work)
    }

    pub(in crate::storage) fn change<R>(
        &self,
        work: impl FnOnce(&mut Engine) -> Result<R, Error>,
    ) -> R {
        self.with(|engine| {
            engine.begin_command(OnMiss::Read);
            engine.begin(Plan::Savepoint).expect("writes are allowed");
            let done = work(engine).expect("the change goes through");
            engine.commit();
            done
        })
    }

    pub(in crate::storage) fn put(&self, root: u32, key: &[u8], body: &[u8]) {
        self.change(|engine| {
            let tree = engine.root(RootId(root))?;
            engine.put(tree, key, b"h", body)
        });
    }

    pub(in crate::storage) fn checkpoint(&self) {
        let begun = self.with(|engine| Checkpoint::begin(engine, self.clock.clone()));
        if let Some(checkpoint) = begun.expect("a checkpoint begins") {
            checkpoint
                .run(self.engine.as_ref().expect("open"), || {})
                .expect("it ends");
        }
    }

    pub(in crate::storage) fn close(&mut self) {
        self.checkpoint();
        let clock = self.clock.clone();
        self.with(|engine| engine.clear_log_required(&*clock))
            .expect("the meta is written");
        self.kill();
    }

    pub(in crate::storage) fn contents(&self) -> Result<Contents, Error> {
        self.with(|engine| {
            engine.begin_command(OnMiss::Read);
            let mut out = Contents::new();
            for root in ROOTS {
                let tree = engine.root(RootId(root))?;
                for key in keys(engine, tree)? {
                    let Some(cell) = engine.get(tree, &key)? else {
                        continue;
                    };
                    let (head, slots) = (cell.head().to_vec(), cell.slots());
                    let mut body = Vec::new();
                    engine.read_body(tree, &key, 0, u64::MAX, &mut body)?;
                    let mut inner = Vec::new();
                    for slot in 0..slots {
                        let Some(nested) = engine.nested(tree, &key, slot)? else {
                            continue;
                        };
                        for name in keys(engine, nested)? {
                            let mut value = Vec::new();
                            engine.read_body(nested, &name, 0, u64::MAX, &mut value)?;
                            inner.push((name, value));
                        }
                    }
                    out.insert((root, key), Held { head, body, inner });
                }
            }
            Ok(out)
        })
    }

    pub(in crate::storage) fn check(&self) -> Report {
        checked(&self.vfs)
    }
}

fn keys(engine: &mut Engine, tree: crate::storage::TreeId) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = Vec::new();
    engine.scan(tree, Seek::First, &mut |key, _| {
        keys.push(key.to_vec());
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(keys)
}

pub(in crate::storage) fn checked(vfs: &MemVfs) -> Report {
    check(vfs, &path(), &CheckOptions::default(), &mut |_| {}).expect("it can be checked")
}

/// A database with a page of every kind: long keys whose separators are long, a large value with holes, nested
/// trees, dropped trees, free space, and a log behind the checkpoint.
pub(in crate::storage) fn busy() -> Rig {
    let rig = Rig::new();
    for n in 0..60_u32 {
        rig.put(0, format!("key{n:03}").as_bytes(), &[n as u8; 40]);
    }
    for n in 0..20_u8 {
        let mut key = vec![b'x'; 700];
        key.push(n);
        rig.put(0, &key, b"long");
    }
    rig.put(0, b"large", &[3; 20_000]);
    rig.change(|engine| {
        let tree = engine.root(RootId(0))?;
        engine.put(tree, b"holes", b"", &[])?;
        engine.write_body(tree, b"holes", 30_000, b"end")
    });
    for (root, key) in [(5, b"outer"), (5, b"gone!")] {
        rig.change(|engine| {
            let tree = engine.root(RootId(root))?;
            engine.put_nested(tree, key, b"n", 2)?;
            let nested = engine.nested(tree, key, 1)?.expect("it was put");
            for n in 0..80_u32 {
                engine.put(nested, format!("member{n:04}").as_bytes(), b"", &[1; 20])?;
            }
            Ok(())
        });
    }
    rig.checkpoint();
    rig.change(|engine| {
        let tree = engine.root(RootId(5))?;
        engine.delete(tree, b"gone!")?;
        let tree = engine.root(RootId(0))?;
        engine
            .delete_range(tree, b"key010", Some(b"key030"))
            .map(|_| ())
    });
    rig.checkpoint();
    for n in 0..20_u8 {
        rig.put(5, &[b'l', n], b"in the log");
    }
    rig
}

/// The bytes of the data file, for damage.
pub(in crate::storage) struct Image {
    pub(in crate::storage) bytes: Vec<u8>,
}

impl Image {
    pub(in crate::storage) fn of(vfs: &MemVfs) -> Self {
        Self {
            bytes: vfs.bytes(&path()),
        }
    }

    pub(in crate::storage) fn page(&self, no: u64) -> &[u8] {
        &self.bytes[no as usize * PAGE..][..PAGE]
    }

    /// Changes a page and gives it the right checksum.
    pub(in crate::storage) fn edit(&mut self, no: u64, change: impl FnOnce(&mut [u8])) {
        let page = &mut self.bytes[no as usize * PAGE..][..PAGE];
        change(page);
        page::seal(page);
    }

    pub(in crate::storage) fn metas(&self) -> MetaCopies {
        let copy = |i: usize| {
            Meta::decode(
                self.bytes[i * META_BYTES..][..META_BYTES]
                    .try_into()
                    .expect("4096"),
            )
        };
        MetaCopies([copy(0), copy(1), copy(2), copy(3)])
    }

    pub(in crate::storage) fn newest(&self) -> (Meta, Slot) {
        self.metas().newest().expect("a valid meta")
    }

    /// Puts a meta into both copies of a slot.
    pub(in crate::storage) fn set_meta(&mut self, slot: Slot, meta: &Meta) {
        for copy in 0..2 {
            let at = slot.offset(copy) as usize;
            self.bytes[at..at + META_BYTES].copy_from_slice(&meta.encode());
        }
    }

    pub(in crate::storage) fn put_back(self, vfs: &MemVfs) {
        vfs.set(&path(), self.bytes);
    }
}

/// The pages in use, with the words that findings call their owners by: a page is in use if damage to it is found.
pub(in crate::storage) fn in_use(vfs: &MemVfs) -> Vec<(u64, String)> {
    let pages = Image::of(vfs).bytes.len() / PAGE;
    let trial = vfs.copy();
    let mut found = Vec::new();
    let first = META_BYTES * 4 / PAGE;
    for no in first..pages {
        let mut image = Image::of(vfs);
        image.bytes[no * PAGE + 1] ^= 0x55;
        image.put_back(&trial);
        let report = checked(&trial);
        let hit = report.findings.iter().find(|f| f.page == Some(no as u64));
        if let Some(hit) = hit {
            assert_eq!(hit.invariant, super::super::Invariant::PageChecksum);
            found.push((no as u64, hit.text.clone()));
        }
    }
    found
}
