use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::storage::checkpoint::{Checkpoint, EngineLock};
use crate::storage::open::{OpenOptions, open};
use crate::storage::tree::Seek;
use crate::storage::{Body, Cell, Plan};
use crate::sync::Mutex;
use crate::vfs::{OsClock, OsVfs};

type Cells = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

/// Keys of any length, some of which have long beginnings in common.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        (0u32..500).prop_map(|n| format!("a common beginning:{n}").into_bytes()),
        prop::collection::vec(0u8..2, 500..540),
    ]
}

proptest! {
    #![proptest_config(crate::storage::generated(60))]

    /// What comes out of some sorters is what went in, in order, whether it waited in memory or in runs.
    #[test]
    fn cells_come_in_order(
        sorters in 1usize..4,
        cells in prop::collection::vec((0u32..3, key(), prop::collection::vec(any::<u8>(), 0..50)), 0..300),
        memory_bytes in prop_oneof![Just(1), Just(SMALL_BYTES), Just(1 << 30)],
    ) {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let mut sorters: Vec<_> = (0..sorters)
            .map(|n| Sorter::new(&OsVfs, &dir.path().join(n.to_string()), memory_bytes))
            .collect();
        let count = sorters.len();
        for (n, (root, key, value)) in cells.iter().enumerate() {
            sorters[n % count].add(RootId(*root), key, value).expect("there is room");
        }
        let mut wanted = cells;
        wanted.sort();
        let mut found = Vec::new();
        merge(sorters, &mut |root, key, value| {
            found.push((root.0, key.to_vec(), value.to_vec()));
            Ok(())
        }).expect("it can be read");
        let is_in_order = found.is_sorted_by(|a, b| (a.0, &a.1) <= (b.0, &b.1));
        prop_assert!(is_in_order);
        found.sort();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0, "no file is left");
    }
}

/// A bound that a run of some dozen cells reaches.
const SMALL_BYTES: usize = 3000;

fn opened(path: &Path) -> Engine {
    let options = OpenOptions {
        page_bytes: 1024,
        cache_bytes: 64 << 10,
        segment_bytes: 64 << 10,
        ..OpenOptions::new([7; 16])
    };
    let clock = Arc::new(OsClock::default());
    open(&OsVfs, clock, path, &options, &mut |_, _| {})
        .expect("a database")
        .0
}

fn contents(engine: &mut Engine, roots: &[u32]) -> Cells {
    let mut found = Cells::new();
    for root in roots {
        engine.begin_command(OnMiss::Read);
        let tree = engine.root(RootId(*root)).expect("a root");
        let mut keys = Vec::new();
        let mut see = |key: &[u8], cell: Cell<'_>| {
            let body = match cell.body() {
                Body::Inline(body) => body.to_vec(),
                Body::Blob { len } => format!("{len} bytes").into_bytes(),
            };
            keys.push((key.to_vec(), body));
            ControlFlow::Continue(())
        };
        engine.scan(tree, Seek::First, &mut see).expect("readable");
        found.extend(keys.into_iter().map(|(key, body)| ((*root, key), body)));
    }
    found
}

/// Puts cells one by one, and lifts what is too large to be taken as it is.
fn load(engine: &mut Engine, bulk: &mut BulkLoad<'_>, cells: &[(u32, Vec<u8>, Vec<u8>)]) {
    for (root, key, body) in cells {
        let taken = bulk.put(RootId(*root), key, b"h", body);
        if taken.expect("there is room") {
            continue;
        }
        engine.begin_command(OnMiss::Read);
        let tree = engine.root(RootId(*root)).expect("a root");
        engine.begin(Plan::Simple).expect("writes are allowed");
        engine.put(tree, key, b"h", body).expect("there is room");
        engine.commit();
        bulk.lift(engine, RootId(*root)).expect("there is room");
    }
}

#[test]
fn what_was_loaded_is_there_after_a_checkpoint_and_what_follows_is_logged() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let path = dir.path().join("data.keep");
    let cell = |n: u32| {
        let len = if n.is_multiple_of(50) { 3000 } else { n % 90 };
        let key = format!("key:{:05}", n * 7919 % 10_007).into_bytes();
        (n % 2 * 5, key, vec![n as u8; len as usize])
    };
    let cells: Vec<_> = (0..6000).map(cell).collect();
    let mut wanted = Cells::new();
    for (root, key, body) in &cells {
        let seen = if body.len() == 3000 {
            b"3000 bytes".to_vec()
        } else {
            body.clone()
        };
        wanted.insert((*root, key.clone()), seen);
    }
    let locked = Mutex::new(opened(&path));
    let before = locked.with(|engine| engine.last_lsn());
    let bulks = locked.with(|engine| {
        engine.stop_logging();
        let halves = cells.chunks(cells.len() / 2).enumerate();
        let bulks = halves.map(|(n, cells)| {
            let waiting = dir.path().join(n.to_string());
            let mut bulk = BulkLoad::new(engine, &OsVfs, &waiting, 100_000);
            load(engine, &mut bulk, cells);
            bulk
        });
        bulks.collect()
    });
    fill(bulks, &locked).expect("there is room");
    locked.with(|engine| {
        assert_eq!(contents(engine, &[0, 5]), wanted);
        assert_eq!(engine.last_lsn(), before, "nothing of it is in the log");
        assert!(engine.has_unsaved());
    });
    let clock = Arc::new(OsClock::default());
    let begun = locked.with(|engine| Checkpoint::begin(engine, clock));
    let checkpoint = begun
        .expect("writes are allowed")
        .expect("there is something to save");
    checkpoint.run(&locked, || {}).expect("it ends");
    locked.with(|engine| {
        assert!(!engine.has_unsaved());
        engine.resume_logging();
        engine.begin_command(OnMiss::Read);
        engine.begin(Plan::Simple).expect("writes are allowed");
        let tree = engine.root(RootId(0)).expect("a root");
        engine
            .put(tree, b"later", b"h", b"logged")
            .expect("there is room");
        let lsn = engine.commit();
        assert!(lsn > before);
        let log = engine.log().expect("an open file has a log");
        log.write_to(lsn).expect("the log takes writes");
    });
    drop(locked);
    wanted.insert((0, b"later".to_vec()), b"logged".to_vec());
    let mut engine = opened(&path);
    assert_eq!(contents(&mut engine, &[0, 5]), wanted);
    while engine.has_dropped() {
        engine.free_dropped(64).expect("readable");
    }
}

/// An engine with one key that is in no log.
fn unlogged(dir: &Path, keys: &[&str]) -> (Mutex<Engine>, Result<(), BulkError>) {
    let mut engine = opened(&dir.join("data.keep"));
    engine.stop_logging();
    let mut bulk = BulkLoad::new(&engine, &OsVfs, &dir.join("waiting"), 1 << 20);
    let cells: Vec<_> = keys
        .iter()
        .map(|key| (0, key.as_bytes().to_vec(), Vec::new()))
        .collect();
    load(&mut engine, &mut bulk, &cells);
    let locked = Mutex::new(engine);
    let filled = fill(vec![bulk], &locked);
    (locked, filled)
}

#[test]
fn a_key_that_stands_twice_is_told() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let (_, filled) = unlogged(dir.path(), &["a", "b", "a"]);
    let Err(BulkError::Twice { root, key }) = filled else {
        panic!("it stands twice");
    };
    assert_eq!((root, key.as_slice()), (RootId(0), &b"a"[..]));
}

#[test]
#[should_panic(expected = "a checkpoint has written what the log has not")]
fn the_log_does_not_go_on_behind_what_it_has_not() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let (locked, filled) = unlogged(dir.path(), &["a"]);
    filled.expect("there is room");
    locked.with(|engine| engine.resume_logging());
}
