use std::collections::BTreeMap;

use proptest::prelude::*;

use super::editor::Expiry;
use super::small::Small;
use super::*;
use crate::keyspace::Look;
use crate::keyspace::header::{Encoding, Header};
use crate::keyspace::rig::{NOW_MS, Rig};
use crate::storage::{Plan, Seek};

const KEY: &[u8] = b"hash";
const LIMITS: Limits = Limits {
    entries_max: 20,
    value_bytes_max: 64,
};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

trait Hashes {
    fn change<R>(&mut self, steps: usize, work: impl FnOnce(&mut HashEditor<'_, '_, '_>) -> R)
    -> R;
    fn read(&mut self) -> Option<(Header, bool, Model)>;
    fn read_large(&mut self, model: &mut Model);
    fn check(&mut self, model: &Model) -> bool;
}

impl Hashes for Rig {
    fn change<R>(
        &mut self,
        steps: usize,
        work: impl FnOnce(&mut HashEditor<'_, '_, '_>) -> R,
    ) -> R {
        let done = self.write(Plan::Simple, |txn| {
            let mut hash = txn.hash(0, KEY, NOW_MS, LIMITS, steps)?.expect("a hash");
            let done = work(&mut hash);
            hash.finish()?;
            Ok(done)
        });
        done.expect("storage that works")
    }

    // Header, whether it is large, and the fields; None if the key is not there.
    fn read(&mut self) -> Option<(Header, bool, Model)> {
        self.begin();
        let entry = self.keyspace.lookup(0, KEY, NOW_MS, Look::UNSEEN);
        let entry = entry.expect("storage that works")?;
        let (header, is_large, count) = (entry.header, entry.is_large(), len(&entry));
        let mut model = Model::new();
        if let Some(body) = entry.inline().filter(|_| !is_large) {
            let mut last = Some(0);
            for three in Small::new(body).iter() {
                let order = |ms: Option<u64>| ms.unwrap_or(u64::MAX);
                assert!(
                    order(last) <= order(three.expires_ms),
                    "in the order of times"
                );
                last = three.expires_ms;
                let value = (three.value.bytes.to_vec(), three.expires_ms);
                model.insert(three.field.bytes.to_vec(), value);
            }
            assert!(body.len() <= self.keyspace.packed_bytes_max());
        } else {
            self.read_large(&mut model);
        }
        assert_eq!(count, model.len() as u64);
        Some((header, is_large, model))
    }

    fn read_large(&mut self, model: &mut Model) {
        let keyspace = &mut self.keyspace;
        let tree = keyspace.tree(0, KEY, FIELDS).expect("fields");
        let times = keyspace.tree(0, KEY, TIMES).expect("times");
        let mut fields: Vec<(Vec<u8>, Option<u64>)> = Vec::new();
        let engine = &mut keyspace.engine;
        let scanned = engine.scan(tree, Seek::First, &mut |field, cell| {
            fields.push((field.to_vec(), Found::of_cell(&cell).expires_ms));
            std::ops::ControlFlow::Continue(())
        });
        scanned.expect("storage that works");
        for (field, expires_ms) in fields {
            let mut value = Vec::new();
            let engine = &mut keyspace.engine;
            let read = engine.read_body(tree, &field, 0, u64::MAX, &mut value);
            read.expect("storage that works");
            model.insert(field, (value, expires_ms));
        }
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let engine = &mut keyspace.engine;
        let scanned = engine.scan(times, Seek::First, &mut |entry, _| {
            entries.push(entry.to_vec());
            std::ops::ControlFlow::Continue(())
        });
        scanned.expect("storage that works");
        let mut wanted: Vec<Vec<u8>> = model
            .iter()
            .filter_map(|(field, (_, expires_ms))| {
                Some([&expires_ms.as_ref()?.to_be_bytes()[..], field].concat())
            })
            .collect();
        wanted.sort_unstable();
        assert_eq!(entries, wanted, "every expiry is in the tree of times");
    }

    // Compares with the model, the database's index of hashes included.
    fn check(&mut self, model: &Model) -> bool {
        let found = self.read();
        let first_ms = model.values().filter_map(|(_, ms)| *ms).min();
        let indexed = self.keyspace.hashes_expiring(0).expect("an index");
        assert_eq!(indexed, u64::from(first_ms.is_some()));
        let Some((header, is_large, fields)) = found else {
            assert!(model.is_empty(), "a hash without fields is gone");
            return false;
        };
        assert_eq!(&fields, model);
        assert_eq!(header.fields_expire_ms, first_ms);
        is_large
    }
}

#[derive(Clone, Debug)]
enum Op {
    Set(Vec<(Vec<u8>, Vec<u8>)>),
    Keep(Vec<u8>, Vec<u8>),
    Remove(Vec<Vec<u8>>),
    Expire(Vec<Vec<u8>>, Option<u64>),
    Reap(usize),
    Fail(Vec<u8>),
    Restart,
}

fn field() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        20 => (0..40_u32).prop_map(|n| format!("f{n}").into_bytes()),
        1 => (0..3_usize).prop_map(|n| vec![b'l'; 300 + n]),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (0..3000_usize).prop_map(|len| vec![b'v'; len]),
    ]
    .boxed()
}

fn op() -> BoxedStrategy<Op> {
    let time = prop_oneof![
        3 => (NOW_MS + 1..NOW_MS + 20).prop_map(Some),
        1 => (NOW_MS - 20..NOW_MS).prop_map(Some),
        2 => Just(None),
    ];
    prop_oneof![
        8 => prop::collection::vec((field(), value()), 1..6).prop_map(Op::Set),
        4 => (field(), value()).prop_map(|pair| Op::Set(vec![pair])),
        2 => (field(), value()).prop_map(|(field, value)| Op::Keep(field, value)),
        6 => prop::collection::vec(field(), 1..8).prop_map(Op::Remove),
        5 => (prop::collection::vec(field(), 1..6), time).prop_map(|(fields, at)| Op::Expire(fields, at)),
        1 => (1..30_usize).prop_map(Op::Reap),
        2 => field().prop_map(Op::Fail),
        1 => Just(Op::Restart),
    ]
    .boxed()
}

fn apply(mut rig: Rig, op: &Op, model: &mut Model) -> Rig {
    match op {
        Op::Set(pairs) => {
            let new = rig.change(pairs.len(), |hash| {
                let set = pairs.iter().filter(|(field, value)| {
                    hash.set(field, value, Expiry::Drop).expect("storage")
                });
                set.count()
            });
            let before = model.len();
            model.extend(
                pairs
                    .iter()
                    .map(|(field, value)| (field.clone(), (value.clone(), None))),
            );
            assert_eq!(new, model.len() - before);
        }
        Op::Keep(field, value) => {
            rig.change(1, |hash| {
                hash.set(field, value, Expiry::Keep).expect("storage")
            });
            let old = model.get(field).and_then(|(_, expires_ms)| *expires_ms);
            model.insert(field.clone(), (value.clone(), old));
        }
        Op::Remove(fields) => {
            let removed = rig.change(fields.len(), |hash| {
                let removed = fields.iter().filter(|f| hash.remove(f).expect("storage"));
                removed.count()
            });
            let gone = fields.iter().filter(|f| model.remove(*f).is_some());
            assert_eq!(removed, gone.count());
        }
        Op::Expire(fields, at) => {
            let known = |field: &&Vec<u8>| model.contains_key(*field);
            let known: Vec<Vec<u8>> = fields.iter().filter(known).cloned().collect();
            let done = rig.write(Plan::Savepoint, |txn| {
                let mut hash = txn
                    .hash(0, KEY, NOW_MS, LIMITS, fields.len())?
                    .expect("a hash");
                for field in &known {
                    hash.expire_at(field, *at)?;
                }
                hash.finish()
            });
            done.expect("storage that works");
            for field in known {
                model.get_mut(&field).expect("it is there").1 = *at;
            }
        }
        Op::Reap(max) => {
            let reaped = rig.write(Plan::Savepoint, |txn| txn.reap(0, KEY, NOW_MS, *max));
            let reaped = reaped.expect("storage that works").fields;
            let mut due: Vec<(u64, Vec<u8>)> = model
                .iter()
                .filter(|(_, (_, ms))| is_due(*ms, NOW_MS))
                .map(|(field, (_, ms))| (ms.unwrap_or(0), field.clone()))
                .collect();
            due.sort_unstable();
            let all_due = due.len() == model.len();
            assert_eq!(
                reaped,
                if all_due {
                    due.len()
                } else {
                    due.len().min(*max)
                }
            );
            // Which of those with the same time go first is the form's own choice.
            let kept = rig.read().map_or(Model::new(), |(_, _, fields)| fields);
            let last_ms = due.iter().take(reaped).map(|(ms, _)| *ms).max();
            assert!(
                due.iter()
                    .all(|(ms, field)| Some(*ms) >= last_ms || !kept.contains_key(field))
            );
            assert_eq!(kept.len(), model.len() - reaped);
            model.retain(|field, _| kept.contains_key(field));
        }
        Op::Fail(field) => {
            let failed = rig.write(Plan::Savepoint, |txn| {
                let mut hash = txn.hash(0, KEY, NOW_MS, LIMITS, 2)?.expect("a hash");
                hash.set(field, &[b'x'; 500], Expiry::Drop)?;
                hash.remove(b"f1")?;
                hash.finish()?;
                Err::<(), _>(Error::DiskFull)
            });
            assert!(matches!(failed, Err(Error::DiskFull)));
        }
        Op::Restart => rig = rig.restart(),
    }
    rig
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_hash_is_a_map_in_every_form(
        small_pages in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut rig = Rig::new(if small_pages { 512 } else { 4096 });
        let mut model = Model::new();
        for op in &ops {
            rig = apply(rig, op, &mut model);
            rig.check(&model);
        }
        let mut rig = rig.restart();
        rig.check(&model);
    }
}

#[test]
fn a_hash_grows_and_shrinks_with_room_between() {
    let mut rig = Rig::new(4096);
    let mut model = Model::new();
    let bytes_max = rig.keyspace.packed_bytes_max();
    let mut fields = 0;
    while !rig.check(&model) {
        let op = Op::Set(vec![(
            format!("field{fields:04}").into_bytes(),
            b"value".to_vec(),
        )]);
        rig = apply(rig, &op, &mut model);
        fields += 1;
    }
    let three = small::three_bytes(9, 5, None);
    assert_eq!(
        fields,
        bytes_max / three + 1,
        "it grows with the first byte too many"
    );
    let mut removed = 0;
    while rig.check(&model) {
        let op = Op::Remove(vec![format!("field{removed:04}").into_bytes()]);
        rig = apply(rig, &op, &mut model);
        removed += 1;
    }
    assert_eq!(fields - removed, 16);
    assert!(16 * three <= bytes_max / 2);
    let mut rig = rig.restart();
    assert!(!rig.check(&model));
}

#[test]
fn names_of_encodings_change_once_and_for_good() {
    let mut rig = Rig::new(4096);
    let encoding = |rig: &mut Rig| rig.read().map(|(header, ..)| header.encoding);
    let set = |rig: &mut Rig, field: &str, value: &[u8]| {
        rig.change(1, |hash| {
            hash.set(field.as_bytes(), value, Expiry::Drop)
                .expect("storage");
        });
    };
    set(&mut rig, "a", &[b'x'; 64]);
    assert_eq!(encoding(&mut rig), Some(Encoding::Packed));
    rig.change(1, |hash| hash.become_expiring());
    assert_eq!(encoding(&mut rig), Some(Encoding::PackedExpiring));
    for n in 1..20 {
        set(&mut rig, &n.to_string(), b"");
    }
    assert_eq!(encoding(&mut rig), Some(Encoding::PackedExpiring));
    set(&mut rig, "20", b"");
    assert_eq!(encoding(&mut rig), Some(Encoding::Table));
    for n in 1..20 {
        rig.change(1, |hash| {
            hash.remove(n.to_string().as_bytes()).expect("storage")
        });
    }
    assert_eq!(encoding(&mut rig), Some(Encoding::Table));
    rig.change(2, |hash| {
        hash.remove(b"a").expect("storage");
        hash.remove(b"20").expect("storage");
    });
    set(&mut rig, "b", &[b'x'; 65]);
    assert_eq!(encoding(&mut rig), Some(Encoding::Table));
}

#[test]
fn due_fields_go_in_the_background_within_the_budget() {
    let mut rig = Rig::new(512);
    let names: Vec<Vec<u8>> = (0..500_u32).map(|n| format!("f{n}").into_bytes()).collect();
    let done = rig.write(Plan::Savepoint, |txn| {
        let mut hash = txn.hash(0, KEY, NOW_MS, LIMITS, 500)?.expect("a hash");
        for (n, name) in names.iter().enumerate() {
            hash.set(name, b"v", Expiry::Drop)?;
            hash.expire_at(name, (n < 400).then_some(NOW_MS - 1 - n as u64))?;
        }
        hash.finish()
    });
    assert!(done.expect("storage that works"));
    let mut left = 400;
    while left > 0 {
        rig.begin();
        let expired = rig.keyspace.expire_due(NOW_MS, 150).expect("storage");
        let removed = left.min(150);
        left -= removed;
        assert_eq!((expired.removed, expired.more), (removed, left > 0));
        assert_eq!(
            rig.keyspace.due_fields(0, KEY, NOW_MS).expect("storage"),
            left as u64
        );
    }
    let (header, _, fields) = rig.read().expect("fields that do not expire are left");
    assert_eq!((header.fields_expire_ms, fields.len()), (None, 100));
    assert_eq!(rig.keyspace.stats.expired_fields, 400);
}

#[test]
fn a_hash_whose_fields_are_all_due_goes_whole() {
    let mut rig = Rig::new(512);
    let done = rig.write(Plan::Savepoint, |txn| {
        let mut hash = txn.hash(0, KEY, NOW_MS, LIMITS, 300)?.expect("a hash");
        for n in 0..300_u32 {
            let name = n.to_string();
            hash.set(name.as_bytes(), b"v", Expiry::Drop)?;
            hash.expire_at(name.as_bytes(), Some(NOW_MS - 1))?;
        }
        hash.finish()
    });
    assert!(done.expect("storage that works"));
    rig.begin();
    let expired = rig.keyspace.expire_due(NOW_MS, 10).expect("storage");
    assert_eq!((expired.removed, expired.more), (1, false));
    assert!(rig.read().is_none());
    assert_eq!(rig.keyspace.stats.expired_fields, 300);
}
