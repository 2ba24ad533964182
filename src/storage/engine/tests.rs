use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::storage::cell::ENTRY_BYTES;
use crate::storage::check::{CheckOptions, Severity, check};
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::open::{OpenOptions, open};
use crate::storage::snapshot::Reader;
use crate::storage::tree::Seek;
use crate::vfs::{MemVfs, OsClock, OsVfs};

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

struct Locked(Mutex<Engine>);

impl EngineLock for Locked {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.0.lock())
    }
}

struct Rig {
    dir: tempfile::TempDir,
    clock: Arc<OsClock>,
    options: OpenOptions,
    engine: Option<Locked>,
}

impl Rig {
    fn new(page_bytes: usize, cache_bytes: u64) -> Self {
        let options = OpenOptions {
            page_bytes,
            cache_bytes,
            segment_bytes: 64 << 10,
            ..OpenOptions::new([7; 16])
        };
        let dir = tempfile::tempdir().expect("a directory for the test");
        let mut rig = Self {
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
            &OsVfs,
            self.clock.clone(),
            &self.path(),
            &self.options,
            &mut |_, _| {},
        )
        .expect("the file opens");
        self.engine = Some(Locked(Mutex::new(engine)));
    }

    /// As a kill does it: what the log has written is there, memory is gone.
    fn kill_and_open(&mut self) {
        self.with(|engine| {
            let log = engine.log().expect("an open file has a log").clone();
            log.write_to(log.last_lsn()).expect("the log takes writes");
        });
        self.engine = None;
        let options = CheckOptions::default();
        let report = check(&OsVfs, &self.path(), &options, &mut |_| {}).expect("it can be checked");
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

const ROOTS: [u32; 2] = [0, 5];

#[derive(Clone, Debug)]
enum Step {
    Put(u32, Bytes, usize),
    PutNested(u32, Bytes),
    PutInner(u32, Bytes, Bytes, usize),
    DeleteInner(u32, Bytes, Bytes),
    SetHead(u32, Bytes, Bytes),
    Write(u32, Bytes, usize, usize),
    Truncate(u32, Bytes, usize),
    Splice(u32, Bytes, usize, usize, usize),
    Delete(u32, Bytes),
    DeleteRange(u32, Bytes, Bytes),
    Move(u32, Bytes, u32, Bytes),
    Copy(u32, Bytes, u32, Bytes),
    DropRoot(u32),
    Swap,
    FreeDropped,
    Checkpoint,
    Kill,
    Rollback(Vec<Step>),
    /// Several changes in one transaction.
    Many(Vec<Step>),
    /// A command that finds nothing in memory, and runs again once the pages it missed are there.
    Parked(Vec<Step>),
}

fn root() -> impl Strategy<Value = u32> {
    prop::sample::select(&ROOTS[..])
}

fn key() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        6 => (0u8..12).prop_map(|n| format!("key{n}").into_bytes()),
        1 => (0usize..3).prop_map(|n| { let mut k = vec![b'x'; 100]; k.push(n as u8); k }),
        1 => Just(Vec::new()),
    ]
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..60, 2 => 100usize..3000, 1 => 3000usize..30_000]
}

fn leaf_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (root(), key(), size()).prop_map(|(r, k, n)| Step::Put(r, k, n)),
        3 => (root(), key()).prop_map(|(r, k)| Step::PutNested(r, k)),
        6 => (root(), key(), key(), size()).prop_map(|(r, k, i, n)| Step::PutInner(r, k, i, n)),
        2 => (root(), key(), key()).prop_map(|(r, k, i)| Step::DeleteInner(r, k, i)),
        2 => (root(), key(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(r, k, h)| Step::SetHead(r, k, h)),
        3 => (root(), key(), 0usize..5000, size()).prop_map(|(r, k, o, n)| Step::Write(r, k, o, n)),
        2 => (root(), key(), size()).prop_map(|(r, k, n)| Step::Truncate(r, k, n)),
        3 => (root(), key(), 0usize..200, 0usize..60, size()).prop_map(|(r, k, o, c, n)| Step::Splice(r, k, o, c, n)),
        3 => (root(), key()).prop_map(|(r, k)| Step::Delete(r, k)),
        1 => (root(), key(), key()).prop_map(|(r, a, b)| Step::DeleteRange(r, a, b)),
        1 => (root(), key(), root(), key()).prop_map(|(r, k, s, l)| Step::Move(r, k, s, l)),
        1 => (root(), key(), root(), key()).prop_map(|(r, k, s, l)| Step::Copy(r, k, s, l)),
        1 => root().prop_map(Step::DropRoot),
        1 => Just(Step::Swap),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => leaf_step(),
        1 => Just(Step::FreeDropped),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Kill),
        1 => prop::collection::vec(leaf_step(), 1..6).prop_map(Step::Rollback),
        1 => prop::collection::vec(leaf_step(), 1..6).prop_map(Step::Many),
        1 => prop::collection::vec(leaf_step(), 1..4).prop_map(Step::Parked),
    ]
}

fn apply_model(model: &mut Model, step: &Step) {
    let fill = |n: usize| vec![n as u8; n];
    match step.clone() {
        Step::Put(r, k, n) => {
            let held = Held {
                head: b"h".to_vec(),
                body: fill(n),
                trees: Vec::new(),
            };
            model.insert((r, k), held);
        }
        Step::PutNested(r, k) => {
            let trees = vec![BTreeMap::new(); 2];
            model.insert(
                (r, k),
                Held {
                    head: b"n".to_vec(),
                    body: Vec::new(),
                    trees,
                },
            );
        }
        Step::PutInner(r, k, i, n) => {
            if let Some(held) = model.get_mut(&(r, k)).filter(|h| !h.trees.is_empty()) {
                held.trees[1].insert(i, fill(n));
            }
        }
        Step::DeleteInner(r, k, i) => {
            if let Some(held) = model.get_mut(&(r, k)).filter(|h| !h.trees.is_empty()) {
                held.trees[1].remove(&i);
            }
        }
        Step::SetHead(r, k, h) => {
            if let Some(held) = model.get_mut(&(r, k)) {
                held.head = h;
            }
        }
        Step::Write(r, k, o, n) => {
            if let Some(held) = model.get_mut(&(r, k)) {
                let len = held.body.len().max(o + n);
                held.body.resize(len, 0);
                held.body[o..o + n].fill(n as u8);
            }
        }
        Step::Truncate(r, k, n) => {
            if let Some(held) = model.get_mut(&(r, k)) {
                held.body.truncate(n);
            }
        }
        Step::Splice(r, k, o, c, n) => {
            if let Some(held) = model.get_mut(&(r, k)) {
                let at = o.min(held.body.len());
                let end = (at + c).min(held.body.len());
                held.body.splice(at..end, fill(n));
            }
        }
        Step::Delete(r, k) => {
            model.remove(&(r, k));
        }
        Step::DeleteRange(r, a, b) => {
            model.retain(|(root, k), _| *root != r || *k < a || *k >= b);
        }
        Step::Move(r, k, s, l) => {
            if let Some(held) = model.remove(&(r, k)) {
                model.insert((s, l), held);
            }
        }
        Step::Copy(r, k, s, l) => {
            if let Some(held) = model.get(&(r, k)).cloned() {
                model.insert((s, l), held);
            }
        }
        Step::DropRoot(r) => model.retain(|(root, _), _| *root != r),
        Step::Swap => {
            let swapped = std::mem::take(model).into_iter().map(|((r, k), h)| {
                let other = if r == ROOTS[0] { ROOTS[1] } else { ROOTS[0] };
                ((other, k), h)
            });
            *model = swapped.collect();
        }
        Step::Many(steps) | Step::Parked(steps) => {
            steps.iter().for_each(|step| apply_model(model, step));
        }
        Step::FreeDropped | Step::Checkpoint | Step::Kill | Step::Rollback(_) => {}
    }
}

fn apply_engine(engine: &mut Engine, step: &Step) -> Result<(), Error> {
    let fill = |n: usize| vec![n as u8; n];
    match step.clone() {
        Step::Put(r, k, n) => {
            let tree = engine.root(RootId(r))?;
            engine.put(tree, &k, b"h", &fill(n))?;
        }
        Step::PutNested(r, k) => {
            let tree = engine.root(RootId(r))?;
            engine.put_nested(tree, &k, b"n", 2)?;
        }
        Step::PutInner(r, k, i, n) => {
            let tree = engine.root(RootId(r))?;
            let has = engine.get(tree, &k)?.is_some_and(|c| c.slots() > 0);
            if has && let Some(nested) = engine.nested(tree, &k, 1)? {
                engine.put(nested, &i, b"", &fill(n))?;
            }
        }
        Step::DeleteInner(r, k, i) => {
            let tree = engine.root(RootId(r))?;
            let has = engine.get(tree, &k)?.is_some_and(|c| c.slots() > 0);
            if has && let Some(nested) = engine.nested(tree, &k, 1)? {
                engine.delete(nested, &i)?;
            }
        }
        Step::SetHead(r, k, h) => {
            let tree = engine.root(RootId(r))?;
            if engine.get(tree, &k)?.is_some() {
                engine.set_head(tree, &k, &h)?;
            }
        }
        Step::Write(r, k, o, n) => {
            let tree = engine.root(RootId(r))?;
            if engine.get(tree, &k)?.is_some() {
                engine.write_body(tree, &k, o as u64, &fill(n))?;
            }
        }
        Step::Truncate(r, k, n) => {
            let tree = engine.root(RootId(r))?;
            if engine.get(tree, &k)?.is_some() {
                engine.truncate_body(tree, &k, n as u64)?;
            }
        }
        Step::Splice(r, k, o, c, n) => {
            let tree = engine.root(RootId(r))?;
            if let Some(cell) = engine.get(tree, &k)? {
                let at = (o as u64).min(cell.body_len());
                let end = (at + c as u64).min(cell.body_len());
                engine.splice_body(tree, &k, at, end - at, &fill(n))?;
            }
        }
        Step::Delete(r, k) => {
            let tree = engine.root(RootId(r))?;
            engine.delete(tree, &k)?;
        }
        Step::DeleteRange(r, a, b) => {
            let tree = engine.root(RootId(r))?;
            engine.delete_range(tree, &a, Some(&b))?;
        }
        Step::Move(r, k, s, l) => {
            let (from, to) = (engine.root(RootId(r))?, engine.root(RootId(s))?);
            engine.move_cell(from, &k, to, &l)?;
        }
        Step::Copy(r, k, s, l) => {
            let (from, to) = (engine.root(RootId(r))?, engine.root(RootId(s))?);
            engine.copy_cell(from, &k, to, &l)?;
        }
        Step::DropRoot(r) => engine.drop_root(RootId(r))?,
        Step::Swap => engine.swap_roots(RootId(ROOTS[0]), RootId(ROOTS[1]))?,
        Step::Many(steps) | Step::Parked(steps) => {
            for step in &steps {
                apply_engine(engine, step)?;
            }
        }
        Step::FreeDropped | Step::Checkpoint | Step::Kill | Step::Rollback(_) => {}
    }
    Ok(())
}

/// Does what the session does with a command that misses pages: undoes it, reads them, runs it again.
fn change_parked(engine: &mut Engine, step: &Step) {
    engine.forget_cache();
    let plan = match step {
        Step::Parked(steps) if steps.len() == 1 => Plan::Simple,
        _ => Plan::Savepoint,
    };
    for parks in 0.. {
        // A pool of two pages may never hold what the command needs at once.
        engine.begin_command(if parks < 20 {
            OnMiss::Note
        } else {
            OnMiss::Read
        });
        engine.begin(plan).expect("writes are allowed");
        match apply_engine(engine, step) {
            Ok(()) => break,
            Err(Error::Miss) => engine.rollback(),
            Err(e) => panic!("the change goes through: {e}"),
        }
        let missed = engine.missed().to_vec();
        assert!(!missed.is_empty(), "a miss names its pages");
        let read = engine.pager().stats().misses + missed.len() as u64;
        engine.pager_mut().begin_load(&missed);
        for ptr in missed {
            let mut page = vec![0; engine.pager().page_bytes()];
            engine.source().read(ptr, &mut page).expect("readable");
            let pager = engine.pager_mut();
            pager.end_load(ptr, Some(&page)).expect("a frame is free");
        }
        assert_eq!(engine.pager().stats().misses, read);
    }
    engine.commit();
}

proptest! {
    #![proptest_config(crate::storage::generated(60))]

    /// Whatever is done, and whatever is rolled back, frozen, checkpointed or killed in between, the trees are what
    /// plain maps are, a snapshot stays what it was, and in the end every page is free again.
    #[test]
    fn an_engine_is_a_set_of_maps(steps in prop::collection::vec(step(), 1..60), small in any::<bool>()) {
        let mut rig = if small { Rig::new(512, 2048) } else { Rig::new(4096, 1 << 20) };
        let mut model = Model::new();
        let mut snapshots: Vec<(Reader, Model)> = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            match step {
                Step::FreeDropped => rig.with(|e| e.free_dropped(3)).expect("readable"),
                Step::Checkpoint => rig.checkpoint(),
                Step::Kill => {
                    snapshots.clear();
                    rig.kill_and_open();
                }
                Step::Rollback(inner) => rig.with(|engine| {
                    engine.begin_command(OnMiss::Read);
                    engine.begin(Plan::Savepoint).expect("writes are allowed");
                    for step in inner {
                        apply_engine(engine, step).expect("the change goes through");
                    }
                    engine.rollback();
                }),
                Step::Many(_) => {
                    rig.change(Plan::Savepoint, |engine| apply_engine(engine, step));
                    apply_model(&mut model, step);
                }
                Step::Parked(_) => {
                    rig.with(|engine| change_parked(engine, step));
                    apply_model(&mut model, step);
                }
                step => {
                    rig.change(Plan::Simple, |engine| apply_engine(engine, step));
                    apply_model(&mut model, step);
                }
            }
            if i % 7 == 0 {
                snapshots.push((rig.with(Engine::snapshot).reader(), model.clone()));
            }
            let seen = rig.with(|engine| { engine.begin_command(OnMiss::Read); contents(engine, &ROOTS) });
            prop_assert_eq!(&seen, &model);
        }
        for (mut reader, then) in snapshots {
            prop_assert_eq!(contents(&mut reader, &ROOTS), then);
        }
        rig.kill_and_open();
        for root in ROOTS {
            rig.change(Plan::Simple, |engine| engine.drop_root(RootId(root)));
        }
        while rig.with(|engine| engine.has_dropped()) {
            rig.with(|engine| engine.free_dropped(100)).expect("readable");
        }
        rig.checkpoint();
        rig.checkpoint();
        rig.with(|engine| {
            engine.begin_command(OnMiss::Read);
            let space = engine.pager().space();
            let meta_pages = crate::storage::pager::META_REGION_BYTES.div_ceil(engine.pager().page_bytes() as u64);
            let in_use = space.pages() - space.free_pages() - meta_pages;
            // The catalog's leaf (twice while the older one waits) and the free map.
            prop_assert!(in_use <= 8, "{in_use} pages are still in use");
            Ok(())
        })?;
    }
}

/// Writing no bytes behind the end of a body once extended it only where the longer body still stood in its page, so
/// that a body was longer or shorter by how it was kept. The offsets reach each way of keeping it: in the page, in a
/// blob that springs into being, in one that is there, and in one that becomes higher.
#[test]
fn writing_nothing_extends_a_body_however_it_is_kept() {
    for held in [0_usize, 10, 3000] {
        let mut rig = Rig::new(512, 64 << 10);
        rig.change(Plan::Simple, |engine| {
            let tree = engine.root(RootId(0))?;
            engine.put(tree, b"k", b"h", &vec![1; held])
        });
        for len in [40_usize, 172, 5000, 200_000, 300] {
            rig.change(Plan::Simple, |engine| {
                let tree = engine.root(RootId(0))?;
                engine.write_body(tree, b"k", len as u64, b"")
            });
            let seen = rig.with(|engine| contents(engine, &[0]));
            let body = &seen[&(0, b"k".to_vec())].body;
            assert!(body.len() >= len && body[..held].iter().all(|b| *b == 1));
            assert!(body[held..].iter().all(|b| *b == 0));
            rig.kill_and_open();
            assert_eq!(rig.with(|engine| contents(engine, &[0])), seen);
        }
        let seen = rig.with(|engine| contents(engine, &[0]));
        assert_eq!(seen[&(0, b"k".to_vec())].body.len(), 200_000);
    }
}

#[test]
fn a_clean_close_needs_no_log() {
    let mut rig = Rig::new(4096, 1 << 20);
    rig.change(Plan::Simple, |engine| {
        let tree = engine.root(RootId(0))?;
        engine.put(tree, b"k", b"", b"v")
    });
    rig.checkpoint();
    let clock = rig.clock.clone();
    assert!(
        rig.with(|engine| engine.clear_log_required(&*clock))
            .expect("the meta is written")
    );
    rig.engine = None;
    std::fs::remove_file(crate::storage::open::log_path(&rig.path())).expect("the log is there");
    rig.open();
    let held = rig.with(|engine| contents(engine, &[0]));
    assert_eq!(held.len(), 1);
    rig.change(Plan::Simple, |engine| {
        let tree = engine.root(RootId(0))?;
        engine.put(tree, b"k2", b"", b"v")
    });
    rig.engine = None;
    std::fs::remove_file(crate::storage::open::log_path(&rig.path())).expect("the log is there");
    let again = open(
        &OsVfs,
        rig.clock.clone(),
        &rig.path(),
        &rig.options,
        &mut |_, _| {},
    );
    assert!(
        again.is_err(),
        "after a commit the file is not whole without its log"
    );
}

#[test]
fn a_second_opener_is_refused() {
    let rig = Rig::new(4096, 1 << 20);
    let second = open(
        &OsVfs,
        rig.clock.clone(),
        &rig.path(),
        &rig.options,
        &mut |_, _| {},
    );
    assert!(matches!(second, Err(crate::storage::OpenError::InUse(_))));
}

/// Looking ahead changes no answer, whatever is changed between looking ahead and asking.
#[test]
fn what_was_looked_up_ahead_is_not_used_once_it_is_stale() {
    for nested in [false, true] {
        check_looking_ahead(nested);
    }
}

fn check_looking_ahead(nested: bool) {
    let rig = Rig::new(512, 64 << 10);
    rig.change(Plan::Savepoint, |engine| {
        let root = engine.root(RootId(1))?;
        engine.put_nested(root, b"owner", b"", 2)
    });
    let locked = rig.engine.as_ref().expect("it is open");
    locked.with(|engine| {
        let root = engine
            .root(RootId(if nested { 1 } else { 2 }))
            .expect("a root");
        let tree_of = |engine: &mut Engine| match nested {
            true => engine
                .nested(root, b"owner", 0)
                .expect("readable")
                .expect("it is there"),
            false => root,
        };
        let mut rng = fastrand::Rng::with_seed(11);
        let mut model: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        for round in 0..400_u32 {
            let keys: Vec<Bytes> = (0..20)
                .map(|_| format!("key:{:04}", rng.u32(..600)).into_bytes())
                .collect();
            let is_last = rng.bool();
            let at_end: Vec<Bytes> = match is_last {
                true => model.keys().rev().take(20).cloned().collect(),
                false => model.keys().take(20).cloned().collect(),
            };
            let from_end = nested && round % 2 == 0;
            let keys = if from_end { at_end } else { keys };
            let words: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            match nested {
                true if from_end => {
                    engine.look_ahead_at_end(root, b"owner", (0, 0), is_last, 20);
                }
                true => engine.look_ahead_in(root, b"owner", &words),
                false => engine.look_ahead(root, &words),
            }
            for (i, key) in keys.iter().enumerate() {
                engine.begin_command(OnMiss::Read);
                let tree = tree_of(engine);
                let found = engine.get(tree, key).expect("readable");
                let body = found.map(|cell| match cell.body() {
                    crate::storage::Body::Inline(bytes) => bytes.to_vec(),
                    crate::storage::Body::Blob { .. } => panic!("short bodies are inline"),
                });
                assert_eq!(body.as_ref(), model.get(key), "round {round}, key {i}");
                let what = rng.u32(..4);
                if what == 0 {
                    continue;
                }
                engine.begin(Plan::Simple).expect("begun");
                if what == 1 {
                    engine.locate(tree, key).expect("located");
                    let deleted = engine.delete(tree, key).expect("deleted");
                    assert_eq!(deleted, model.remove(key).is_some());
                } else {
                    let body = vec![b'v'; rng.usize(..60)];
                    engine.put(tree, key, b"h", &body).expect("put");
                    model.insert(key.clone(), body);
                }
                engine.commit();
                if rng.u32(..50) == 0 {
                    drop(engine.snapshot());
                }
            }
        }
        assert!(model.len() > 100, "the test has had something to look up");
    });
}

/// The way to the first entry is not taken for the way to the key that was looked up before, if the first entry's own key
/// is missed.
#[test]
fn a_key_that_is_missed_at_the_edge_leaves_no_wrong_way() {
    let rig = Rig::new(512, 64 << 10);
    let long = vec![b'a'; 600];
    rig.change(Plan::Savepoint, |engine| {
        let tree = engine.root(RootId(1))?;
        engine.put(tree, &long, b"", b"of the long one")?;
        engine.put(tree, b"b", b"", b"of the short one")
    });
    rig.checkpoint();
    rig.with(|engine| {
        engine.forget_cache();
        engine.begin_command(OnMiss::Read);
        let tree = engine.root(RootId(1)).expect("a root");
        engine.locate(tree, b"b").expect("its leaf is read");
        engine.begin_command(OnMiss::Note);
        let mut key = Vec::new();
        let first = engine.seek(tree, Seek::First, &mut key);
        assert!(matches!(first, Err(Error::Miss)), "the rest of the key");
        let cell = engine.get(tree, b"b").expect("it is in memory");
        let body = cell.expect("it is there").body();
        assert!(matches!(
            body,
            crate::storage::Body::Inline(b"of the short one")
        ));
    });
}

/// A cell was once put into a nested tree as that had been before the changes below its other cells were written into it,
/// and so took them back: the pages that they had freed were then in use.
#[test]
fn a_cell_is_put_beside_cells_whose_trees_have_changed() {
    let mut rig = Rig::new(512, 1 << 20);
    let below = |engine: &mut Engine, name: &[u8]| {
        let keys = engine.root(RootId(0))?;
        let groups = engine.nested(keys, b"key", 0)?.expect("it is there");
        let tree = engine.nested(groups, name, 0)?.expect("it is there");
        Ok::<_, Error>((groups, tree))
    };
    rig.change(Plan::Savepoint, |engine| {
        let keys = engine.root(RootId(0))?;
        engine.put_nested(keys, b"key", b"", 1)?;
        let groups = engine.nested(keys, b"key", 0)?.expect("it is there");
        engine.put_nested(groups, b"first", b"", 1)?;
        let (_, tree) = below(engine, b"first")?;
        (0..40_u8).try_for_each(|n| engine.put(tree, &[n], b"", b"value"))
    });
    rig.checkpoint();
    rig.change(Plan::Savepoint, |engine| {
        let (groups, tree) = below(engine, b"first")?;
        for n in 0..30_u8 {
            assert!(engine.delete(tree, &[n])?);
        }
        engine.put_nested(groups, b"second", b"", 1)?;
        engine.put(groups, b"third", b"", b"")
    });
    let left = |rig: &Rig| {
        rig.with(|engine| {
            engine.begin_command(OnMiss::Read);
            let (groups, tree) = below(engine, b"first").expect("storage that works");
            assert_eq!(engine.count(groups), 3);
            engine.count(tree)
        })
    };
    assert_eq!(left(&rig), 10);
    rig.kill_and_open();
    assert_eq!(left(&rig), 10, "as the log has it");
    rig.checkpoint();
    rig.kill_and_open();
    assert_eq!(left(&rig), 10, "as the checkpoint has it");
}

/// Pushes and pops at the ends of two nested trees of each of two cells, beside look-ups, deletes in the middle,
/// checkpoints and snapshots, are what they are in maps.
#[test]
fn nested_trees_are_queues_from_both_ends() {
    let rig = Rig::new(512, 32 << 10);
    let owners: [&[u8]; 2] = [b"one", b"other"];
    rig.change(Plan::Savepoint, |engine| {
        let keys = engine.root(RootId(1))?;
        owners
            .iter()
            .try_for_each(|owner| engine.put_nested(keys, owner, b"", 2))
    });
    let mut rng = fastrand::Rng::with_seed(5);
    let mut models: [[BTreeMap<Bytes, Bytes>; 2]; 2] = Default::default();
    let mut snapshot = None;
    let mut emptied = 0;
    for turn in 0..20_000_u32 {
        let (o, n) = (rng.usize(..2), rng.usize(..2));
        let model = &mut models[o][n];
        // It swells and shrinks.
        let grows = (turn / 2500).is_multiple_of(2);
        let what = rng.u32(..if grows { 12 } else { 9 });
        rig.change(Plan::Savepoint, |engine| {
            let keys = engine.root(RootId(1))?;
            let tree = engine.nested(keys, owners[o], n)?.expect("it is there");
            let mut key = Vec::new();
            match what {
                0..=3 => {
                    let (seek, expected) = match what % 2 {
                        0 => (Seek::First, model.first_key_value()),
                        _ => (Seek::Last, model.last_key_value()),
                    };
                    let cell = engine.seek(tree, seek, &mut key)?;
                    let found = cell.map(|cell| match cell.body() {
                        crate::storage::Body::Inline(body) => body.to_vec(),
                        crate::storage::Body::Blob { .. } => panic!("it is short"),
                    });
                    let found = found.map(|body| (key.clone(), body));
                    let expected = expected.map(|(k, v)| (k.clone(), v.clone()));
                    assert_eq!(found, expected, "turn {turn}");
                    if expected.is_some() {
                        assert!(engine.delete(tree, &key)?);
                        model.remove(&key);
                        emptied += u32::from(model.is_empty());
                    }
                }
                4 | 5 if !model.is_empty() => {
                    let nth = rng.usize(..model.len());
                    let (key, body) = model.iter().nth(nth).expect("one of them");
                    let cell = engine.get(tree, key)?.expect("it is there");
                    assert_eq!(cell.body_len(), body.len() as u64, "turn {turn}");
                    if what == 5 {
                        let key = key.clone();
                        assert!(engine.delete(tree, &key)?);
                        model.remove(&key);
                    }
                }
                _ => {
                    let edge = match what % 2 {
                        0 => model.first_key_value().map(|(k, _)| {
                            i64::from_be_bytes(k[..8].try_into().expect("eight")) - 1
                        }),
                        _ => model.last_key_value().map(|(k, _)| {
                            i64::from_be_bytes(k[..8].try_into().expect("eight")) + 1
                        }),
                    };
                    let number = edge.unwrap_or(1 << 40);
                    let mut key = number.to_be_bytes().to_vec();
                    if rng.u32(..20) == 0 {
                        key.resize(8 + rng.usize(..100), b'x');
                    }
                    let body = vec![b'v'; rng.usize(..40)];
                    engine.put(tree, &key, b"", &body)?;
                    model.insert(key, body);
                }
            }
            Ok::<_, Error>(())
        });
        match rng.u32(..200) {
            0 => rig.checkpoint(),
            1 => snapshot = Some(rig.with(Engine::snapshot)),
            2 => snapshot = None,
            _ => {}
        }
    }
    drop(snapshot);
    assert!(emptied > 2, "emptied {emptied} times");
    rig.with(|engine| {
        engine.begin_command(OnMiss::Read);
        let keys = engine.root(RootId(1)).expect("a root");
        for (owner, models) in owners.iter().zip(&models) {
            for (n, model) in models.iter().enumerate() {
                let tree = engine.nested(keys, owner, n).expect("readable");
                let tree = tree.expect("it is there");
                assert_eq!(engine.count(tree), model.len() as u64);
                let mut expected = model.keys();
                engine
                    .scan(tree, Seek::First, &mut |key, _| {
                        assert_eq!(Some(key), expected.next().map(Vec::as_slice));
                        std::ops::ControlFlow::Continue(())
                    })
                    .expect("readable");
                assert_eq!(expected.next(), None);
            }
        }
    });
}

/// A file in memory with a tree below a cell, all of it frozen, and a pool full of pages that are not written.
fn crowded(vfs: &MemVfs) -> (Engine, Snapshot) {
    let options = OpenOptions {
        page_bytes: 512,
        cache_bytes: 64 * 512,
        segment_bytes: 64 << 10,
        ..OpenOptions::new([7; 16])
    };
    let clock = Arc::new(OsClock::default());
    let opened = open(vfs, clock, Path::new("data.keep"), &options, &mut |_, _| {});
    let mut engine = opened.expect("a new file").0;
    change_in(&mut engine, |engine| {
        let keys = engine.root(RootId(0))?;
        engine.put_nested(keys, b"owner", b"", 1)?;
        put_below(engine, b"old")
    });
    for n in 0..500_u32 {
        change_in(&mut engine, |engine| {
            let keys = engine.root(RootId(0))?;
            engine.put(keys, &n.to_be_bytes(), b"", &[b'v'; 100])
        });
    }
    engine.begin_command(OnMiss::Read);
    count_below(&mut engine).expect("it is read into the pool");
    let frozen = engine.snapshot();
    (engine, frozen)
}

fn change_in(engine: &mut Engine, work: impl FnOnce(&mut Engine) -> Result<(), Error>) {
    engine.begin_command(OnMiss::Read);
    engine.begin(Plan::Simple).expect("writes are allowed");
    work(engine).expect("the change goes through");
    engine.commit();
}

fn put_below(engine: &mut Engine, key: &[u8]) -> Result<(), Error> {
    let keys = engine.root(RootId(0))?;
    let tree = engine.nested(keys, b"owner", 0)?.expect("it is there");
    engine.put(tree, key, b"", b"value")
}

/// How many entries the cell says that its tree has.
fn count_below(engine: &mut Engine) -> Result<u64, Error> {
    let keys = engine.root(RootId(0))?;
    let cell = engine.current(keys, b"owner")?.expect("it is there");
    Ok(cell.slot_count(0))
}

fn commit(engine: &mut Engine) {
    engine.commit();
}

/// Descriptors were once taken for written where they could not be, and cells were read that did not tell of the change.
#[test]
fn cells_that_could_not_be_told_of_a_change_are_not_read() {
    type End = fn(&mut Engine);
    let ends: [(Plan, End, Result<u64, ()>); 3] = [
        (Plan::Savepoint, Engine::rollback, Ok(1)),
        (Plan::Simple, Engine::rollback, Err(())),
        (Plan::Simple, commit, Err(())),
    ];
    for (plan, end, readable) in ends {
        let vfs = MemVfs::default();
        let (mut engine, _frozen) = crowded(&vfs);
        engine.begin_command(OnMiss::Read);
        engine.begin(plan).expect("writes are allowed");
        put_below(&mut engine, b"new").expect("there is room for its page");
        vfs.fail_writes(Path::new("data.keep"), true);
        for attempt in 0..2 {
            let written = engine.write_nested_back();
            assert!(written.is_err(), "{plan:?}, attempt {attempt}");
        }
        end(&mut engine);
        vfs.fail_writes(Path::new("data.keep"), false);
        for command in 0..2 {
            engine.begin_command(OnMiss::Read);
            let read = count_below(&mut engine).map_err(|error| {
                assert!(matches!(error, Error::Poisoned), "{error}");
            });
            assert_eq!(read, readable, "{plan:?}, command {command}");
        }
        engine.begin_command(OnMiss::Read);
        assert!(matches!(engine.begin(plan), Err(Error::Poisoned)));
    }
}
