//! Cells that tell of the trees that hang at them.

use std::path::Path;

use super::*;
use crate::vfs::MemVfs;

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
