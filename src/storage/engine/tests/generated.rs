//! Whatever is done to an engine, it is what plain maps are.

use proptest::prelude::*;

use super::*;
use crate::storage::snapshot::Reader;

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
