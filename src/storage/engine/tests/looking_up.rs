//! The ways to keys that look-ups leave behind, and those that were looked up ahead.

use super::*;
use crate::vfs::MemVfs;

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
    let rig = Rig::over(Arc::new(MemVfs::default()), 512, 64 << 10);
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

/// What the kernel has in its memory is not missed; what it has not, or cannot say, is.
#[test]
fn a_page_that_need_not_be_waited_for_is_read_at_once() {
    let vfs = MemVfs::default();
    let rig = Rig::over(Arc::new(vfs.clone()), 512, 64 << 10);
    let key = |number: u32| number.to_be_bytes();
    rig.change(Plan::Savepoint, |engine| {
        let tree = engine.root(RootId(0))?;
        (0..500).try_for_each(|number| engine.put(tree, &key(number), b"", b"value"))
    });
    rig.checkpoint();
    let has = || {
        rig.with(|engine| {
            engine.forget_cache();
            engine.begin_command(OnMiss::Note);
            let tree = engine.root(RootId(0)).expect("a root");
            let found = engine.get(tree, &key(7)).map(|cell| cell.is_some());
            (found, engine.missed().len())
        })
    };
    let missed = has();
    assert!(matches!(missed, (Err(Error::Miss), 1)), "{missed:?}");
    vfs.read_now(true);
    let found = has();
    assert!(matches!(found, (Ok(true), 0)), "{found:?}");
    // What is damaged is for the read that says so.
    let root = rig.with(|engine| {
        let tree = engine.root(RootId(0)).expect("a root");
        engine.desc(tree).root
    });
    let reads_now = || rig.with(|engine| engine.source().read_now(root, &mut [0; 512]));
    assert!(reads_now());
    let mut bytes = vfs.bytes(&rig.path());
    bytes[root.page.0 as usize * 512 + 100] ^= 1;
    vfs.overwrite(&rig.path(), &bytes);
    assert!(!reads_now());
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
