use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use proptest::prelude::*;

use super::*;
use crate::storage::cell::{self, Cell};
use crate::storage::pager::OnMiss;
use crate::storage::pager::tests::pager;

/// Walks a tree and asserts its structure: levels, order, bounds, counts. Returns the entries.
fn entries(pager: &mut Pager, desc: &Desc) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut out = BTreeMap::new();
    if desc.root.is_null() {
        assert_eq!((desc.count, desc.bytes), (0, 0));
        return out;
    }
    let count = walk(pager, desc.root, desc.height, None, None, &mut out);
    assert_eq!(count, desc.count, "the descriptor counts its entries");
    let bytes: u64 = out
        .iter()
        .map(|(key, value)| cell::entry_bytes(key.len() as u64, value))
        .sum();
    assert_eq!(bytes, desc.bytes, "the descriptor counts their bytes");
    out
}

fn walk(
    pager: &mut Pager,
    ptr: PagePtr,
    level: u8,
    low: Option<&[u8]>,
    high: Option<&[u8]>,
    out: &mut BTreeMap<Vec<u8>, Vec<u8>>,
) -> u64 {
    pager.begin_operation(OnMiss::Read);
    let slot = fetch_node(pager, ptr, level).expect("a page of the right level");
    crate::storage::pager::check_inside(pager.bytes(slot)).expect("the page holds together");
    let len = Node::new(pager.bytes(slot)).len();
    assert!(len > 0, "no page of a tree is empty");
    let mut keys = Vec::new();
    let mut values = Vec::new();
    for i in 0..len {
        let slot = fetch_node(pager, ptr, level).expect("still there");
        let mut key = Vec::new();
        key_over(pager, slot, i, &mut key).expect("readable");
        values.push(Node::new(pager.bytes(slot)).value(i).to_vec());
        keys.push(key);
    }
    let first = usize::from(level > 0);
    for key in &keys[first..] {
        assert!(
            low.is_none_or(|l| key.as_slice() >= l),
            "not below the lower bound"
        );
        assert!(
            high.is_none_or(|h| key.as_slice() < h),
            "below the upper bound"
        );
    }
    assert!(keys[first..].windows(2).all(|w| w[0] < w[1]), "keys ascend");
    if level == 0 {
        for (key, value) in keys.into_iter().zip(values) {
            assert!(out.insert(key, value).is_none(), "a key is there once");
        }
        return len as u64;
    }
    let mut total = 0;
    for i in 0..len {
        let child = Child::decode(&values[i]);
        let from = if i == 0 {
            low
        } else {
            Some(keys[i].as_slice())
        };
        let to = keys.get(i + 1).map(Vec::as_slice).or(high);
        let below = walk(pager, child.ptr, level - 1, from, to, out);
        assert_eq!(below, child.count, "a branch counts its children's entries");
        total += below;
    }
    total
}

fn value(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    cell::encode(&mut out, b"h", None, &[], body);
    out
}

fn put(pager: &mut Pager, desc: &mut Desc, key: &[u8], body: &[u8]) {
    pager.begin_operation(OnMiss::Read);
    let found = lookup(pager, desc, key).expect("readable").is_some();
    let overflow = if found {
        None
    } else {
        make_key_overflow(pager, key).expect("there is room")
    };
    let entry = Entry {
        key,
        overflow,
        value: &value(body),
    };
    let new = insert(pager, desc, &entry).expect("there is room");
    assert_eq!(new, !found);
}

fn remove(pager: &mut Pager, desc: &mut Desc, key: &[u8]) -> bool {
    pager.begin_operation(OnMiss::Read);
    let Some((mut path, true)) = descend(pager, desc, key).expect("readable") else {
        return false;
    };
    delete_along(pager, desc, &mut path, &mut |_| {}).expect("room");
    true
}

/// A tree of `wanted`, built in order.
fn built(pager: &mut Pager, wanted: &BTreeMap<Vec<u8>, usize>) -> Desc {
    let mut builder = Builder::default();
    for (key, len) in wanted {
        pager.begin_operation(OnMiss::Read);
        let entry = Entry {
            key,
            overflow: make_key_overflow(pager, key).expect("there is room"),
            value: &value(&vec![b'v'; *len]),
        };
        builder.append(pager, &entry).expect("there is room");
    }
    builder.finish(pager).expect("there is room")
}

fn run_key(prefix: &str, n: u32) -> Vec<u8> {
    format!("{prefix}{n:05}").into_bytes()
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, usize),
    /// So many keys in order, or in the opposite order, with values of a length.
    PutRun(&'static str, Range<u32>, bool, usize),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Option<Vec<u8>>),
    Freeze,
    Release,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u16..400).prop_map(|n| format!("key:{n:05}").into_bytes()),
        2 => prop::collection::vec(0u8..3, 0..6),
        // Longer than a page holds, with long common beginnings.
        1 => (0usize..3, prop::collection::vec(0u8..2, 0..90)).prop_map(|(n, mut tail)| {
            let mut key = vec![b'l'; 20 + n];
            key.append(&mut tail);
            key
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (key(), 0usize..110).prop_map(|(k, n)| Step::Put(k, n)),
        1 => (
            prop::sample::select(&["", "key:", "what many keys begin with:"][..]),
            0u32..2000,
            1u32..150,
            any::<bool>(),
            0usize..40,
        )
            .prop_map(|(prefix, from, count, is_down, len)| {
                Step::PutRun(prefix, from..from + count, is_down, len)
            }),
        5 => key().prop_map(Step::Delete),
        1 => (key(), prop::option::of(key())).prop_map(|(a, b)| Step::DeleteRange(a, b)),
        1 => Just(Step::Freeze),
        1 => Just(Step::Release),
    ]
}

/// What hangs at a cell: where a blob's last byte is, and the keys of each tree.
type Hanging = (Option<usize>, Vec<Vec<Vec<u8>>>);

fn hanging() -> impl Strategy<Value = Hanging> {
    let trees = prop::collection::vec(prop::collection::vec(key(), 0..40), 0..2);
    let blob = prop::option::of(prop_oneof![4 => 0usize..3_000, 1 => 0usize..200_000]);
    prop_oneof![2 => Just((None, Vec::new())), 1 => (blob, trees)]
}

/// Puts a key with an inline body of `len` bytes, or with a blob that is a hole and one byte.
fn put_hanging(pager: &mut Pager, desc: &mut Desc, key: &[u8], len: usize, hanging: &Hanging) {
    pager.begin_operation(OnMiss::Read);
    let blob = hanging.0.map(|at| {
        let mut blob = Desc::EMPTY_BLOB;
        blob::write(pager, &mut blob, at as u64, b"b").expect("there is room");
        blob
    });
    let mut slots = Vec::new();
    for keys in &hanging.1 {
        let mut tree = Desc::EMPTY_TREE;
        for key in keys {
            put(pager, &mut tree, key, b"nested");
        }
        slots.push(tree);
    }
    let inline = match blob {
        Some(_) => Vec::new(),
        None if slots.is_empty() => vec![b'v'; len],
        None => vec![b'v'; len / 4],
    };
    let mut value = Vec::new();
    cell::encode(&mut value, b"h", blob, &slots, &inline);
    pager.begin_operation(OnMiss::Read);
    let overflow = make_key_overflow(pager, key).expect("there is room");
    let entry = Entry {
        key,
        overflow,
        value: &value,
    };
    assert!(insert(pager, desc, &entry).expect("there is room"));
}

/// A key, the inline body, the blob, and what is in the trees.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    key: Vec<u8>,
    inline: Option<Vec<u8>>,
    blob: Vec<u8>,
    trees: Vec<Vec<Content>>,
}

fn contents(pager: &mut Pager, desc: &Desc) -> Vec<Content> {
    let entries = entries(pager, desc);
    let content = |(key, value): (Vec<u8>, Vec<u8>)| {
        pager.begin_operation(OnMiss::Read);
        let cell = Cell::new(&value);
        let inline = match cell.body() {
            cell::Body::Inline(bytes) => Some(bytes.to_vec()),
            cell::Body::Blob { .. } => None,
        };
        let mut blob = Vec::new();
        if let Some(desc) = cell.blob() {
            blob::read(pager, &desc, 0, u64::MAX, &mut blob).expect("readable");
        }
        let slots = 0..cell.slots();
        let trees = slots.map(|slot| contents(pager, &cell.slot(slot)));
        Content {
            key,
            inline,
            blob,
            trees: trees.collect(),
        }
    };
    entries.into_iter().map(content).collect()
}

/// Frees a tree and everything that hangs in it.
fn drop_tree(pager: &mut Pager, desc: &mut Desc) {
    pager.begin_operation(OnMiss::Read);
    let mut gone = Vec::new();
    delete_range(pager, desc, b"", None, &mut |value| {
        Cell::new(value).attachments_to(&mut gone);
    })
    .expect("readable");
    for mut desc in gone {
        match desc.is_blob {
            true => blob::drop_all(pager, &desc).expect("readable"),
            false => drop_tree(pager, &mut desc),
        }
    }
}

/// How much a step writes; nothing is written often enough to be seen.
fn written_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0_usize), 8 => 0usize..3_000]
}

proptest! {
    #![proptest_config(crate::storage::generated(150))]

    /// A tree, built of entries in order or empty, is a sorted map, with the smallest pages and pool, whatever is frozen
    /// meanwhile; a frozen tree stays as it was, and in the end no page is lost.
    #[test]
    fn a_tree_is_a_sorted_map(
        first in prop::collection::btree_map(key(), 0usize..110, 0..200),
        steps in prop::collection::vec(step(), 1..300),
        frames in 2u64..40,
    ) {
        let mut pager = pager(512, frames);
        let mut desc = built(&mut pager, &first);
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> =
            first.into_iter().map(|(key, len)| (key, value(&vec![b'v'; len]))).collect();
        prop_assert_eq!(&entries(&mut pager, &desc), &model);
        let mut frozen = Vec::new();
        for step in steps {
            match step {
                Step::Put(key, n) => {
                    let body = vec![n as u8; n];
                    put(&mut pager, &mut desc, &key, &body);
                    model.insert(key, value(&body));
                }
                Step::PutRun(prefix, numbers, is_down, len) => {
                    for i in numbers.clone() {
                        let n = if is_down { numbers.end - 1 - (i - numbers.start) } else { i };
                        let (key, body) = (run_key(prefix, n), vec![b'r'; len]);
                        put(&mut pager, &mut desc, &key, &body);
                        model.insert(key, value(&body));
                    }
                }
                Step::Delete(key) => {
                    prop_assert_eq!(remove(&mut pager, &mut desc, &key), model.remove(&key).is_some());
                }
                Step::DeleteRange(from, to) => {
                    pager.begin_operation(OnMiss::Read);
                    let gone = delete_range(&mut pager, &mut desc, &from, to.as_deref(), &mut |_| {}).expect("readable");
                    let before = model.len();
                    model.retain(|k, _| *k < from || to.as_ref().is_some_and(|t| k >= t));
                    prop_assert_eq!(gone, (before - model.len()) as u64);
                }
                Step::Freeze => frozen.push((pager.freeze(), desc, model.clone())),
                Step::Release => {
                    if let Some((stamp, desc, model)) = frozen.pop() {
                        prop_assert_eq!(entries(&mut pager, &desc), model);
                        pager.release(stamp);
                    }
                }
            }
        }
        prop_assert_eq!(&entries(&mut pager, &desc), &model);
        for (stamp, desc, model) in frozen {
            prop_assert_eq!(entries(&mut pager, &desc), model);
            pager.release(stamp);
        }
        let mut copied = copy(&mut pager, &desc).expect("there is room");
        prop_assert_eq!(&entries(&mut pager, &copied), &model);
        for (n, (key, _)) in model.iter().enumerate() {
            pager.begin_operation(OnMiss::Read);
            prop_assert_eq!(rank(&mut pager, &desc, key).expect("readable"), n as u64);
            let mut found = Vec::new();
            seek(&mut pager, &desc, Seek::Nth(n as u64), &mut found).expect("readable").expect("there");
            prop_assert_eq!(&found, key);
        }
        pager.begin_operation(OnMiss::Read);
        delete_range(&mut pager, &mut desc, b"", None, &mut |_| {}).expect("readable");
        prop_assert_eq!(desc, Desc::EMPTY_TREE);
        prop_assert_eq!(&entries(&mut pager, &copied), &model);
        drop_tree(&mut pager, &mut copied);
        prop_assert_eq!(pager.space().free_pages(), pager.space().pages() - 32, "every page is free again");
    }

    /// Scans from any place in both directions give what a sorted map gives.
    #[test]
    fn scans_follow_the_order(keys in prop::collection::btree_set(key(), 0..200), probe in key()) {
        let mut pager = pager(512, 8);
        let mut desc = Desc::EMPTY_TREE;
        for key in &keys {
            put(&mut pager, &mut desc, key, b"v");
        }
        let mut run = |seek: Seek<'_>| {
            pager.begin_operation(OnMiss::Read);
            let mut out = Vec::new();
            scan(&mut pager, &desc, seek, &mut |k, _| { out.push(k.to_vec()); ControlFlow::Continue(()) }).expect("readable");
            out
        };
        let all: Vec<Vec<u8>> = keys.iter().cloned().collect();
        let filtered = |f: &dyn Fn(&Vec<u8>) -> bool| all.iter().filter(|k| f(k)).cloned().collect::<Vec<_>>();
        let reversed = |mut v: Vec<Vec<u8>>| { v.reverse(); v };
        prop_assert_eq!(run(Seek::First), all.clone());
        prop_assert_eq!(run(Seek::Last), reversed(all.clone()));
        prop_assert_eq!(run(Seek::AtLeast(&probe)), filtered(&|k| *k >= probe));
        prop_assert_eq!(run(Seek::After(&probe)), filtered(&|k| *k > probe));
        prop_assert_eq!(run(Seek::AtMost(&probe)), reversed(filtered(&|k| *k <= probe)));
        prop_assert_eq!(run(Seek::Before(&probe)), reversed(filtered(&|k| *k < probe)));
        for n in 0..=all.len() {
            prop_assert_eq!(run(Seek::Nth(n as u64)), all[n..].to_vec());
            prop_assert_eq!(run(Seek::NthBack(n as u64)), match n < all.len() {
                true => reversed(all[..=n].to_vec()),
                false => Vec::new(),
            });
        }
    }

    /// A copy has what the original has, blobs and trees in its cells and rests of long keys included, and nothing in
    /// common with it: each can go without the other, and in the end no page is lost.
    #[test]
    fn a_copy_shares_nothing_with_its_original(
        cells in prop::collection::btree_map(key(), (0usize..110, hanging()), 0..60),
        frames in 2u64..40,
        original_goes_first in any::<bool>(),
    ) {
        let mut pager = pager(512, frames);
        let mut desc = Desc::EMPTY_TREE;
        for (key, (len, hanging)) in &cells {
            put_hanging(&mut pager, &mut desc, key, *len, hanging);
        }
        let all = contents(&mut pager, &desc);
        prop_assert_eq!(all.len(), cells.len());
        pager.begin_operation(OnMiss::Read);
        let mut copied = copy(&mut pager, &desc).expect("there is room");
        prop_assert_eq!((copied.count, copied.bytes), (desc.count, desc.bytes));
        prop_assert_eq!(&contents(&mut pager, &copied), &all);
        prop_assert_eq!(&contents(&mut pager, &desc), &all);
        let (first, second) = match original_goes_first {
            true => (&mut desc, &mut copied),
            false => (&mut copied, &mut desc),
        };
        drop_tree(&mut pager, first);
        prop_assert_eq!(&contents(&mut pager, second), &all);
        drop_tree(&mut pager, second);
        prop_assert_eq!(pager.space().free_pages(), pager.space().pages() - 32, "every page is free again");
    }

    /// A blob is a vector of bytes.
    #[test]
    fn a_blob_is_a_vector(steps in prop::collection::vec((0u8..4, 0usize..40_000, written_bytes()), 1..40), frames in 2u64..40) {
        let mut pager = pager(512, frames);
        let mut desc = Desc::EMPTY_BLOB;
        let mut model: Vec<u8> = Vec::new();
        let mut frozen = None;
        for (i, (what, a, b)) in steps.into_iter().enumerate() {
            pager.begin_operation(OnMiss::Read);
            match what {
                0 | 1 => {
                    let bytes = vec![i as u8 + 1; b];
                    blob::write(&mut pager, &mut desc, a as u64, &bytes).expect("there is room");
                    model.resize(model.len().max(a + b), 0);
                    model[a..a + b].copy_from_slice(&bytes);
                }
                2 => {
                    let len = a.min(model.len());
                    blob::truncate(&mut pager, &mut desc, len as u64).expect("readable");
                    model.truncate(len);
                }
                _ => {
                    if let Some((stamp, desc, model)) = frozen.take() {
                        let desc: Desc = desc;
                        let model: Vec<u8> = model;
                        let mut out = Vec::new();
                        blob::read(&mut pager, &desc, 0, u64::MAX, &mut out).expect("readable");
                        prop_assert_eq!(out, model);
                        pager.release(stamp);
                    } else {
                        frozen = Some((pager.freeze(), desc, model.clone()));
                    }
                }
            }
            prop_assert_eq!(desc.count, model.len() as u64);
            let mut out = Vec::new();
            blob::read(&mut pager, &desc, (a / 2) as u64, b as u64, &mut out).expect("readable");
            let end = (a / 2 + b).min(model.len());
            prop_assert_eq!(&out[..], model.get(a / 2..end).unwrap_or(&[]));
        }
        let mut out = Vec::new();
        pager.begin_operation(OnMiss::Read);
        blob::read(&mut pager, &desc, 0, u64::MAX, &mut out).expect("readable");
        prop_assert_eq!(&out, &model);
        if let Some((stamp, _, _)) = frozen {
            pager.release(stamp);
        }
        blob::drop_all(&mut pager, &desc).expect("readable");
        prop_assert_eq!(pager.space().free_pages(), pager.space().pages() - 32, "every page is free again");
    }
}

#[test]
fn a_built_tree_has_nearly_full_pages() {
    let mut pager = pager(4096, 1 << 16);
    let key = |n: usize| format!("key:{n:08}").into_bytes();
    let wanted: BTreeMap<_, _> = (0..100_000).map(|n| (key(n), 40)).collect();
    let desc = built(&mut pager, &wanted);
    assert_eq!(entries(&mut pager, &desc).len(), wanted.len());
    let bytes = pager.stats().births * 4096;
    // Each key takes less than its own bytes, for a page has what its keys have in common once.
    assert!(bytes < desc.bytes, "{bytes} for {}", desc.bytes);
}

#[test]
fn keys_in_order_fill_page_after_page() {
    let prefix = "what many keys begin with:";
    for is_down in [false, true] {
        let mut pager = pager(4096, 1 << 16);
        let mut desc = Desc::EMPTY_TREE;
        let key = |n: u32| format!("{prefix}{n:08}").into_bytes();
        for n in 0..100_000 {
            let n = if is_down { 100_000 - n } else { n };
            put(&mut pager, &mut desc, &key(n), &[b'v'; 40]);
        }
        assert_eq!(entries(&mut pager, &desc).len(), 100_000);
        let stats = pager.stats();
        let bytes = stats.births * 4096;
        // A page has what its keys have in common once, so that a key costs less than its own bytes.
        assert!(bytes < desc.bytes * 8 / 10, "{bytes} for {}", desc.bytes);
    }
}

#[test]
fn a_key_that_begins_otherwise_leaves_a_full_page_as_it_is() {
    for (outside, is_first) in [("a", true), ("z", false)] {
        let mut pager = pager(4096, 1 << 10);
        let mut desc = Desc::EMPTY_TREE;
        let beginning = "k".repeat(60);
        for n in 0..150 {
            put(&mut pager, &mut desc, &run_key(&beginning, n), b"");
        }
        let births = pager.stats().births;
        put(&mut pager, &mut desc, outside.as_bytes(), b"");
        assert!(pager.stats().births <= births + 1, "one page is new");
        let all = entries(&mut pager, &desc);
        let end = if is_first {
            all.first_key_value()
        } else {
            all.last_key_value()
        };
        assert_eq!(end.map(|(key, _)| key.as_slice()), Some(outside.as_bytes()));
    }
}
