//! Streams against plain maps: in both forms, on the way between them, with small pages, after rollbacks and restarts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::edit::Edit;
use super::group::{Group, GroupHead, Pending};
use super::node::NodeLimits;
use super::trim::{Threshold, Trim};
use super::*;
use crate::keyspace::rig::{self, NOW_MS};
use crate::keyspace::{Look, Txn};
use crate::storage::{Engine, Plan};

const KEY: &[u8] = b"stream";
const LIMITS: NodeLimits = NodeLimits {
    entries: 7,
    bytes: 4096,
};

/// What a group is in the model: the last ID, and who has which entry, and how often it was delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PlainGroup {
    last_id: StreamId,
    pending: BTreeMap<StreamId, (Vec<u8>, u64)>,
    consumers: BTreeMap<Vec<u8>, i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plain {
    entries: BTreeMap<StreamId, Vec<Vec<u8>>>,
    last_id: StreamId,
    added: u64,
    max_deleted: StreamId,
    groups: BTreeMap<Vec<u8>, PlainGroup>,
}

struct Rig {
    base: rig::Rig,
}

impl Rig {
    fn new(page_bytes: usize) -> Self {
        Self {
            base: rig::Rig::new(page_bytes),
        }
    }

    fn restart(self) -> Self {
        Self {
            base: self.base.restart(),
        }
    }

    fn write<R>(
        &mut self,
        plan: Plan,
        work: impl FnOnce(&mut Txn<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.base.write(plan, work)
    }

    /// Changes entries.
    fn edit<R>(&mut self, work: impl FnOnce(&mut Edit<'_>, &mut Txn<'_>) -> Result<R, Error>) -> R {
        let done = self.write(Plan::Simple, |txn| {
            let slot = txn.slot(0, KEY, NOW_MS)?;
            let mut edit = Edit::open(txn, 0, KEY, slot)?;
            let done = work(&mut edit, txn)?;
            edit.finish(txn)?;
            Ok(done)
        });
        done.expect("storage that works")
    }

    /// Changes a group, if it is there.
    fn group(
        &mut self,
        name: &[u8],
        work: impl FnOnce(&mut Group, &Stream, &mut Txn<'_>) -> Result<(), Error>,
    ) {
        let is_there = self.is_there();
        let done = self.write(Plan::Savepoint, |txn| {
            if !is_there {
                return Ok(());
            }
            let stream = txn.keyspace().stream(0, KEY)?;
            let Some(groups) = stream.groups else {
                return Ok(());
            };
            if let Some(mut group) = Group::open(txn.engine(), groups, name)? {
                work(&mut group, &stream, txn)?;
                group.save(txn.engine())?;
            }
            Ok(())
        });
        done.expect("storage that works");
    }

    fn is_there(&mut self) -> bool {
        self.base.begin();
        let entry = self.base.keyspace.lookup(0, KEY, NOW_MS, Look::UNSEEN);
        entry.expect("storage that works").is_some()
    }

    /// Everything that is stored; says whether the stream is large.
    fn read(&mut self) -> (Plain, bool) {
        let mut plain = Plain::default();
        if !self.is_there() {
            return (plain, false);
        }
        let bytes_max = self.base.keyspace.packed_bytes_max();
        let stream = self.base.keyspace.stream(0, KEY).expect("a stream");
        let engine = &mut self.base.keyspace.engine;
        if let Entries::Small(body) = &stream.entries {
            assert!(body.len() <= bytes_max, "a small stream fits its cell");
        }
        plain.last_id = stream.head.last_id;
        plain.added = stream.head.entries_added;
        plain.max_deleted = stream.head.max_deleted_id;
        let (mut order, mut nodes) = (Vec::new(), Vec::new());
        let all = || StreamId::MIN..=StreamId::MAX;
        for direction in [Direction::Forward, Direction::Backward] {
            let mut seen = Vec::new();
            let scanned = stream
                .entries
                .scan(engine, all(), direction, &mut |record| {
                    let texts = record.pairs.iter().map(|text| text.bytes.to_vec());
                    seen.push((record.id, texts.collect::<Vec<_>>()));
                    nodes.push((record.node, record.id.to_bytes()));
                    ControlFlow::Continue(())
                });
            scanned.expect("storage that works");
            if direction == Direction::Backward {
                seen.reverse();
            }
            order.push(seen);
        }
        assert_eq!(order[0], order[1], "both ways show the same");
        assert_eq!(stream.entries.len(engine), order[0].len() as u64);
        for (n, (id, _)) in order[0].iter().enumerate() {
            assert_eq!(stream.entries.rank(engine, *id).ok(), Some(n as u64));
            let place = stream.entries.nth(engine, n as u64).expect("storage");
            assert_eq!(place.map(|place| place.id), Some(*id));
            assert!(stream.entries.contains(engine, *id).expect("storage"));
        }
        if order[0].len() as u64 <= entries::COUNTED_ENTRIES_MAX {
            nodes.truncate(order[0].len());
            nodes.dedup_by_key(|(node, _)| *node);
            let firsts: Vec<_> = nodes.into_iter().map(|(_, id)| id).collect();
            let counted = stream.entries.nodes(engine).expect("storage");
            assert_eq!(counted.count, firsts.len() as u64);
            assert_eq!(counted.radix_nodes, node::radix_nodes(&firsts));
        }
        plain.entries = order.remove(0).into_iter().collect();
        if let Some(groups) = stream.groups {
            for name in Group::names(engine, groups).expect("storage") {
                let group = read_group(engine, groups, &name);
                plain.groups.insert(name, group);
            }
        }
        (plain, stream.groups.is_some())
    }

    /// Compares with the model; says whether the stream is large.
    fn check(&mut self, model: &Plain) -> bool {
        let (plain, is_large) = self.read();
        assert_eq!(&plain, model);
        is_large
    }
}

fn read_group(engine: &mut Engine, groups: TreeId, name: &[u8]) -> PlainGroup {
    let group = Group::open(engine, groups, name);
    let group = group.expect("storage").expect("a group of the list");
    let mut plain = PlainGroup {
        last_id: group.head.last_id,
        ..PlainGroup::default()
    };
    let all = || StreamId::MIN..=StreamId::MAX;
    let mut pending = Vec::new();
    let scanned = group.scan_pending(engine, all(), &mut |id, it| {
        pending.push((id, it));
        ControlFlow::Continue(())
    });
    scanned.expect("storage that works");
    assert_eq!(group.pending_len(engine), pending.len() as u64);
    for (id, it) in &pending {
        let name = group.consumer_name(engine, it.consumer).expect("storage");
        plain.pending.insert(*id, (name, it.deliveries));
    }
    let consumers = group.consumers(engine, None, usize::MAX).expect("storage");
    for (name, consumer) in consumers {
        let mut owned = Vec::new();
        let scanned = group.scan_owned(engine, consumer.number, all(), &mut |id| {
            owned.push(id);
            ControlFlow::Continue(())
        });
        scanned.expect("storage that works");
        let of_it = pending
            .iter()
            .filter(|(_, it)| it.consumer == consumer.number);
        let of_it: Vec<StreamId> = of_it.map(|(id, _)| *id).collect();
        assert_eq!(owned, of_it, "a consumer finds what is its own");
        let count = group.owned_len(engine, consumer.number).expect("storage");
        assert_eq!(count, owned.len() as u64);
        plain.consumers.insert(name, consumer.seen_ms);
    }
    plain
}

#[derive(Clone, Debug)]
enum Op {
    /// So many entries with values of this length.
    Append(u64, usize),
    Remove(Vec<u64>),
    TrimTo(u64),
    /// Removes the entries before this one.
    TrimFrom(u64),
    CreateGroup(u8),
    DestroyGroup(u8),
    /// Up to so many new entries for a consumer.
    Deliver(u8, u8, usize),
    /// Gives an entry to a consumer, pending or not.
    Claim(u8, u8, u64),
    Acknowledge(u8, u64),
    RemoveConsumer(u8, u8),
    /// Adds and removes entries and a group, and fails.
    Fail,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let number = 0..60_u64;
    let lengths =
        prop_oneof![6 => Just(3_usize), 3 => 20..120_usize, 1 => Just(600), 1 => Just(9000)];
    prop_oneof![
        8 => (1..6_u64, lengths).prop_map(|(n, len)| Op::Append(n, len)),
        4 => prop::collection::vec(number.clone(), 1..8).prop_map(Op::Remove),
        1 => (0..20_u64).prop_map(Op::TrimTo),
        1 => number.clone().prop_map(Op::TrimFrom),
        1 => (0..2_u8).prop_map(Op::CreateGroup),
        1 => (0..2_u8).prop_map(Op::DestroyGroup),
        3 => (0..2_u8, 0..3_u8, 1..9_usize).prop_map(|(g, c, n)| Op::Deliver(g, c, n)),
        2 => (0..2_u8, 0..3_u8, number.clone()).prop_map(|(g, c, n)| Op::Claim(g, c, n)),
        2 => (0..2_u8, number).prop_map(|(g, n)| Op::Acknowledge(g, n)),
        1 => (0..2_u8, 0..3_u8).prop_map(|(g, c)| Op::RemoveConsumer(g, c)),
        1 => Just(Op::Fail),
        1 => Just(Op::Restart),
    ]
}

/// The ID of the n-th entry that is ever added.
fn id(n: u64) -> StreamId {
    StreamId::new(n / 3 + 1, n % 3)
}

fn texts(n: u64, len: usize) -> Vec<Vec<u8>> {
    vec![b"field".to_vec(), vec![b'a' + (n % 26) as u8; len]]
}

fn append(edit: &mut Edit<'_>, txn: &mut Txn<'_>, n: u64, len: usize) -> Result<(), Error> {
    let texts = texts(n, len);
    let pairs: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    edit.append(txn, id(n), &pairs, LIMITS)
}

fn apply(mut rig: Rig, op: &Op, model: &mut Plain) -> Rig {
    match op {
        Op::Append(count, len) => {
            for _ in 0..*count {
                let n = model.added;
                rig.edit(|edit, txn| append(edit, txn, n, *len));
                model.entries.insert(id(n), texts(n, *len));
                (model.last_id, model.added) = (id(n), n + 1);
            }
        }
        Op::Remove(numbers) if rig.is_there() => {
            for n in numbers {
                let is_there = model.entries.remove(&id(*n)).is_some();
                let removed = rig.edit(|edit, txn| {
                    let removed = edit.remove(txn, id(*n))?;
                    if removed {
                        let head = &mut edit.stream.head;
                        head.max_deleted_id = head.max_deleted_id.max(id(*n));
                    }
                    Ok(removed)
                });
                assert_eq!(removed, is_there);
                if removed {
                    model.max_deleted = model.max_deleted.max(id(*n));
                }
            }
        }
        Op::TrimTo(len) if rig.is_there() => trim(&mut rig, Threshold::Length(*len), model),
        Op::TrimFrom(n) if rig.is_there() => trim(&mut rig, Threshold::Id(id(*n)), model),
        Op::Fail => fail(&mut rig),
        Op::Restart => return rig.restart(),
        Op::Remove(_) | Op::TrimTo(_) | Op::TrimFrom(_) => {}
        _ => apply_to_group(&mut rig, op, model),
    }
    rig
}

fn trim(rig: &mut Rig, threshold: Threshold, model: &mut Plain) {
    let trim = Trim {
        threshold,
        is_approximate: false,
        limit: 0,
    };
    let trimmed = rig.edit(|edit, txn| edit.trim(txn, &trim));
    let mut expected = 0;
    while let Some(first) = model.entries.keys().next().copied()
        && match threshold {
            Threshold::Length(len) => model.entries.len() as u64 > len,
            Threshold::Id(id) => first < id,
        }
    {
        model.entries.remove(&first);
        expected += 1;
    }
    assert_eq!(trimmed, expected);
}

/// Changes all there is to change, and takes it back.
fn fail(rig: &mut Rig) {
    let failed = rig.write(Plan::Savepoint, |txn| {
        let slot = txn.slot(0, KEY, NOW_MS)?;
        let mut edit = Edit::open(txn, 0, KEY, slot)?;
        for n in 1000..1010 {
            append(&mut edit, txn, n, 300)?;
        }
        edit.remove_first(txn, 3)?;
        let groups = edit.groups(txn)?;
        let head = GroupHead::new(StreamId::MIN, None);
        Group::create(txn.engine(), groups, b"short-lived", head)?;
        edit.finish(txn)?;
        Err::<(), _>(Error::DiskFull)
    });
    assert!(matches!(failed, Err(Error::DiskFull)));
}

fn apply_to_group(rig: &mut Rig, op: &Op, model: &mut Plain) {
    let name = |n: &u8| vec![b'g', *n];
    match op {
        Op::CreateGroup(g) => {
            if model.groups.contains_key(&name(g)) {
                return;
            }
            rig.edit(|edit, txn| {
                let groups = edit.groups(txn)?;
                let head = GroupHead::new(StreamId::MIN, None);
                Group::create(txn.engine(), groups, &name(g), head)
            });
            model.groups.insert(name(g), PlainGroup::default());
        }
        Op::DestroyGroup(g) if rig.is_there() => {
            rig.edit(|edit, txn| {
                let Some(groups) = edit.groups_if_any(txn)? else {
                    return Ok(false);
                };
                txn.engine().need_savepoint();
                edit.lost_group();
                Group::destroy(txn.engine(), groups, &name(g))
            });
            model.groups.remove(&name(g));
        }
        Op::Deliver(g, c, count) => deliver(rig, &name(g), &consumer_name(*c), *count, model),
        Op::Claim(g, c, n) => claim(rig, &name(g), &consumer_name(*c), id(*n), model),
        Op::Acknowledge(g, n) => {
            rig.group(&name(g), |group, _, txn| {
                let engine = txn.engine();
                if let Some(old) = group.pending(engine, id(*n))? {
                    group.remove_pending(engine, id(*n), old)?;
                }
                Ok(())
            });
            if let Some(group) = model.groups.get_mut(&name(g)) {
                group.pending.remove(&id(*n));
            }
        }
        Op::RemoveConsumer(g, c) => {
            rig.group(&name(g), |group, _, txn| {
                let engine = txn.engine();
                match group.consumer(engine, &consumer_name(*c))? {
                    Some(found) => group.remove_consumer(engine, &consumer_name(*c), found),
                    None => Ok(()),
                }
            });
            if let Some(group) = model.groups.get_mut(&name(g)) {
                group.consumers.remove(&consumer_name(*c));
                group
                    .pending
                    .retain(|_, (name, _)| *name != consumer_name(*c));
            }
        }
        _ => {}
    }
}

fn consumer_name(c: u8) -> Vec<u8> {
    match c {
        0 => Vec::new(),
        1 => b"consumer".to_vec(),
        _ => vec![b'x'; 3000],
    }
}

fn deliver(rig: &mut Rig, name: &[u8], consumer: &[u8], count: usize, model: &mut Plain) {
    rig.group(name, |group, stream, txn| {
        let engine = txn.engine();
        let found = match group.consumer(engine, consumer)? {
            Some(found) => found,
            None => group.add_consumer(engine, consumer, 5)?,
        };
        let Some(first) = group.head.last_id.next() else {
            return Ok(());
        };
        let mut ids = Vec::new();
        let entries = &stream.entries;
        entries.scan(
            engine,
            first..=StreamId::MAX,
            Direction::Forward,
            &mut |record| {
                ids.push(record.id);
                if ids.len() < count {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )?;
        for id in ids {
            let new = Pending {
                consumer: found.number,
                delivered_ms: 7,
                deliveries: 1,
            };
            let old = group.pending(engine, id)?;
            group.put_pending(engine, id, old, new)?;
            group.head.last_id = id;
        }
        Ok(())
    });
    let Some(group) = model.groups.get_mut(name) else {
        return;
    };
    group.consumers.insert(consumer.to_vec(), 5);
    let behind: Vec<StreamId> = model
        .entries
        .keys()
        .filter(|id| **id > group.last_id)
        .take(count)
        .copied()
        .collect();
    for id in behind {
        group.pending.insert(id, (consumer.to_vec(), 1));
        group.last_id = id;
    }
}

fn claim(rig: &mut Rig, name: &[u8], consumer: &[u8], id: StreamId, model: &mut Plain) {
    rig.group(name, |group, _, txn| {
        let engine = txn.engine();
        let Some(found) = group.consumer(engine, consumer)? else {
            return Ok(());
        };
        let old = group.pending(engine, id)?;
        let new = Pending {
            consumer: found.number,
            delivered_ms: 9,
            deliveries: old.map_or(0, |old| old.deliveries) + 1,
        };
        group.put_pending(engine, id, old, new)
    });
    if let Some(group) = model.groups.get_mut(name)
        && group.consumers.contains_key(consumer)
    {
        let before = group.pending.get(&id).map_or(0, |(_, count)| *count);
        group.pending.insert(id, (consumer.to_vec(), before + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_a_map_with_groups_in_every_form(
        small_pages in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut rig = Rig::new(if small_pages { 512 } else { 4096 });
        let mut model = Plain::default();
        for op in &ops {
            rig = apply(rig, op, &mut model);
            rig.check(&model);
        }
        let mut rig = rig.restart();
        rig.check(&model);
    }
}

#[test]
fn a_stream_grows_and_shrinks_with_room_between() {
    let mut rig = Rig::new(4096);
    let mut model = Plain::default();
    let bytes_max = rig.base.keyspace.packed_bytes_max();
    while !rig.check(&model) {
        rig = apply(rig, &Op::Append(1, 3), &mut model);
    }
    let item = 1 + 16 + 2 + (1 + 5) + (1 + 3);
    let entries = model.added;
    assert_eq!(
        entries,
        (bytes_max / item + 1) as u64,
        "the first byte too many"
    );
    let mut rig = rig.restart();
    assert!(rig.check(&model));
    let mut removed = 0;
    while rig.check(&model) {
        rig = apply(rig, &Op::Remove(vec![removed]), &mut model);
        removed += 1;
    }
    assert_eq!(entries - removed, 16);
    let mut rig = rig.restart();
    assert!(!rig.check(&model));
}

#[test]
fn a_group_makes_a_stream_large_and_its_end_makes_it_small() {
    let mut rig = Rig::new(4096);
    let mut model = Plain::default();
    rig = apply(rig, &Op::Append(2, 3), &mut model);
    assert!(!rig.check(&model));
    for g in 0..2 {
        rig = apply(rig, &Op::CreateGroup(g), &mut model);
        assert!(rig.check(&model));
    }
    rig = apply(rig, &Op::Remove(vec![0, 1]), &mut model);
    assert!(rig.check(&model), "an empty stream keeps its groups");
    rig = apply(rig, &Op::DestroyGroup(0), &mut model);
    assert!(rig.check(&model));
    rig = apply(rig, &Op::DestroyGroup(1), &mut model);
    assert!(!rig.check(&model));
}

#[test]
fn a_tree_of_entries_has_several_levels() {
    let mut rig = Rig::new(512);
    let mut model = Plain::default();
    for _ in 0..60 {
        rig = apply(rig, &Op::Append(20, 20), &mut model);
    }
    rig = apply(rig, &Op::CreateGroup(0), &mut model);
    rig = apply(rig, &Op::Deliver(0, 1, 1000), &mut model);
    rig.check(&model);
    let stream = rig.base.keyspace.stream(0, KEY).expect("a stream");
    let Entries::Large(tree) = stream.entries else {
        panic!("a large stream");
    };
    let height = crate::storage::Read::desc(&rig.base.keyspace.engine, tree).height;
    assert!(height >= 2, "{height}");
    let mut rig = rig.restart();
    rig.check(&model);
}

#[test]
fn approximate_trimming_removes_whole_nodes() {
    let mut rig = Rig::new(4096);
    let mut model = Plain::default();
    rig = apply(rig, &Op::Append(30, 3), &mut model);
    let mut trim = |threshold, limit| {
        let trim = Trim {
            threshold,
            is_approximate: true,
            limit,
        };
        rig.edit(|edit, txn| edit.trim(txn, &trim))
    };
    // Nodes have seven entries.
    assert_eq!(trim(Threshold::Length(24), 0), 0);
    assert_eq!(trim(Threshold::Length(10), 8), 7);
    assert_eq!(trim(Threshold::Length(10), 0), 7);
    assert_eq!(trim(Threshold::Id(id(20)), 0), 0);
    assert_eq!(trim(Threshold::Id(id(22)), 0), 7);
    assert_eq!(trim(Threshold::Length(0), 0), 9);
}
