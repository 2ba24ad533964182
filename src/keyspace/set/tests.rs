use std::collections::BTreeSet;

use proptest::prelude::*;

use super::algebra::{Algebra, Operation};
use super::editor::SetEditor;
use super::sources::Source;
use super::*;
use crate::keyspace::Look;
use crate::keyspace::rig::{NOW_MS, Rig};
use crate::storage::{Error, Plan};

const KEY: &[u8] = b"set";
const LIMITS: Limits = Limits {
    integers_max: 30,
    entries_max: 20,
    value_bytes_max: 64,
};

type Model = BTreeSet<Vec<u8>>;

fn change<R>(
    rig: &mut Rig,
    key: &[u8],
    steps: usize,
    work: impl FnOnce(&mut SetEditor<'_, '_, '_>) -> R,
) -> R {
    let done = rig.write(Plan::Simple, |txn| {
        let mut set = txn.set(0, key, NOW_MS, LIMITS, steps)?.expect("a set");
        let done = work(&mut set);
        set.finish()?;
        Ok(done)
    });
    done.expect("storage that works")
}

/// What Redis would call the set, and whether it is large; compares the members.
fn check(rig: &mut Rig, key: &[u8], model: &Model) -> Option<(Encoding, bool)> {
    rig.begin();
    let entry = rig.keyspace.lookup(0, key, NOW_MS, Look::UNSEEN);
    let Some(entry) = entry.expect("storage that works") else {
        assert!(model.is_empty(), "a set without members is gone");
        return None;
    };
    let seen = (entry.header.encoding, entry.is_large());
    assert_eq!(len(&entry), model.len() as u64);
    let members = rig.keyspace.members(0, key, u64::MAX, usize::MAX);
    let members = members.expect("storage that works").expect("no bounds");
    if seen.0 == Encoding::Integers {
        let numbers: Vec<i64> = members.iter().filter_map(parse_i64).collect();
        assert_eq!(numbers.len(), members.len(), "only integers");
        assert!(numbers.is_sorted(), "in the order of integers");
    }
    assert_eq!(members.len(), model.len());
    assert_eq!(
        &members.iter().map(<[u8]>::to_vec).collect::<Model>(),
        model
    );
    Some(seen)
}

#[derive(Clone, Debug)]
enum Op {
    Add(Vec<Vec<u8>>),
    Remove(Vec<Vec<u8>>),
    Pop(u64),
    Fail(Vec<u8>),
    Restart,
}

fn member() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        12 => (0..60_u32).prop_map(|n| n.to_string().into_bytes()),
        8 => (0..40_u32).prop_map(|n| format!("member {n}").into_bytes()),
        1 => (0..3_usize).prop_map(|n| vec![b'l'; 300 + n]),
    ]
    .boxed()
}

fn op() -> BoxedStrategy<Op> {
    prop_oneof![
        6 => prop::collection::vec(member(), 1..12).prop_map(Op::Add),
        4 => member().prop_map(|member| Op::Add(vec![member])),
        6 => prop::collection::vec(member(), 1..12).prop_map(Op::Remove),
        3 => any::<u64>().prop_map(Op::Pop),
        2 => member().prop_map(Op::Fail),
        1 => Just(Op::Restart),
    ]
    .boxed()
}

fn apply(mut rig: Rig, op: &Op, model: &mut Model) -> Rig {
    match op {
        Op::Add(members) => {
            let added = change(&mut rig, KEY, members.len(), |set| {
                set.expect(&members[0], members.len() as u64);
                let added = members.iter().filter(|m| set.add(m).expect("storage"));
                added.count()
            });
            let new = members.iter().filter(|m| model.insert((*m).clone()));
            assert_eq!(added, new.count());
        }
        Op::Remove(members) => {
            let removed = change(&mut rig, KEY, members.len(), |set| {
                let removed = members.iter().filter(|m| set.remove(m).expect("storage"));
                removed.count()
            });
            let gone = members.iter().filter(|m| model.remove(*m));
            assert_eq!(removed, gone.count());
        }
        Op::Pop(number) if !model.is_empty() => {
            let number = number % model.len() as u64;
            let mut popped = Vec::new();
            change(&mut rig, KEY, 1, |set| {
                set.pop(number, &mut |member| popped = member.to_vec())
                    .expect("storage");
            });
            assert!(model.remove(&popped), "a member was popped");
        }
        Op::Pop(_) => {}
        Op::Fail(member) => {
            let failed = rig.write(Plan::Savepoint, |txn| {
                let mut set = txn.set(0, KEY, NOW_MS, LIMITS, 2)?.expect("a set");
                set.add(member)?;
                set.add(&[b'x'; 500])?;
                set.remove(b"1")?;
                set.finish()?;
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
    fn a_set_is_a_set_in_every_form(
        small_pages in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut rig = Rig::new(if small_pages { 512 } else { 4096 });
        let mut model = Model::new();
        for op in &ops {
            rig = apply(rig, op, &mut model);
            check(&mut rig, KEY, &model);
        }
        let mut rig = rig.restart();
        check(&mut rig, KEY, &model);
    }

    #[test]
    fn results_are_those_of_plain_sets(
        small_pages in any::<bool>(),
        sets in prop::collection::vec(prop::collection::btree_set(member(), 0..60), 1..5),
        target in 0..6_usize,
        operation in prop_oneof![
            Just(Operation::Intersection), Just(Operation::Union), Just(Operation::Difference)
        ],
    ) {
        let mut rig = Rig::new(if small_pages { 512 } else { 4096 });
        let names: Vec<Vec<u8>> = (0..6).map(|n| format!("set {n}").into_bytes()).collect();
        for (name, set) in names.iter().zip(&sets) {
            change(&mut rig, name, set.len(), |editor| {
                set.iter().for_each(|member| {
                    editor.add(member).expect("storage");
                });
            });
        }
        let wanted: Model = match operation {
            Operation::Union => sets.iter().flatten().cloned().collect(),
            Operation::Intersection => {
                let common = sets[0].iter().filter(|m| sets.iter().all(|set| set.contains(*m)));
                common.cloned().collect()
            }
            Operation::Difference => {
                let left = sets[0].iter().filter(|m| !sets[1..].iter().any(|set| set.contains(*m)));
                left.cloned().collect()
            }
        };
        rig.begin();
        let sources = names[..sets.len()].iter().map(|name| {
            Source::open(&mut rig.keyspace, 0, name).expect("storage")
        });
        let sources: Vec<Source> = sources.collect();
        let mut algebra = Algebra::new(operation, sources.clone());
        let mut found = Vec::new();
        let engine = &mut rig.keyspace.engine;
        let opened = algebra.open(engine).expect("storage");
        while let Some(member) = algebra.next(engine, &opened).expect("storage") {
            found.push(member.to_vec());
        }
        prop_assert!(found.is_sorted());
        prop_assert_eq!(&found.iter().cloned().collect::<Model>(), &wanted);
        let stored = rig.write(Plan::Savepoint, |txn| {
            let algebra = Algebra::new(operation, sources);
            txn.put_result(0, &names[target], NOW_MS, algebra, LIMITS)
        });
        prop_assert_eq!(stored.expect("storage"), wanted.len() as u64);
        if !wanted.is_empty() {
            check(&mut rig, &names[target], &wanted);
            let mut rig = rig.restart();
            check(&mut rig, &names[target], &wanted);
        }
    }
}

#[test]
fn a_result_larger_than_memory_allows_is_put_together_beside_the_databases() {
    let mut rig = Rig::new(512);
    let members: Model = (0..6000_u32)
        .map(|n| format!("member {n}").into_bytes())
        .collect();
    change(&mut rig, KEY, members.len(), |set| {
        members.iter().for_each(|member| {
            set.add(member).expect("storage");
        });
    });
    let source = Source::open(&mut rig.keyspace, 0, KEY).expect("storage");
    let stored = rig.write(Plan::Savepoint, |txn| {
        let algebra = Algebra::new(Operation::Union, vec![source.clone(), source]);
        txn.put_result(0, KEY, NOW_MS, algebra, LIMITS)
    });
    assert_eq!(stored.expect("storage"), 6000);
    assert_eq!(
        check(&mut rig, KEY, &members),
        Some((Encoding::Table, true))
    );
    let mut rig = rig.restart();
    assert_eq!(
        check(&mut rig, KEY, &members),
        Some((Encoding::Table, true))
    );
}

#[test]
fn a_set_grows_and_shrinks_with_room_between() {
    let mut rig = Rig::new(4096);
    let mut model = Model::new();
    let mut added = 0_u32;
    let is_large = |rig: &mut Rig, model: &Model| check(rig, KEY, model).is_some_and(|seen| seen.1);
    while !is_large(&mut rig, &model) {
        let op = Op::Add(vec![format!("member {added:04}").into_bytes()]);
        rig = apply(rig, &op, &mut model);
        added += 1;
    }
    assert_eq!(added as usize, rig.keyspace.packed_bytes_max() / 12 + 1);
    let mut removed = 0_u32;
    while is_large(&mut rig, &model) {
        let op = Op::Remove(vec![format!("member {removed:04}").into_bytes()]);
        rig = apply(rig, &op, &mut model);
        removed += 1;
    }
    assert_eq!(added - removed, 16);
}
