use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::sample::Index;

use super::label::LABEL_BYTES_MAX;
use super::*;
use crate::keyspace::rig::{self, NOW_MS};
use crate::storage::Plan;

const KEY: &[u8] = b"list";

struct Rig {
    base: rig::Rig,
    limits: Limits,
}

/// How the list stands in the keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Nowhere,
    Small,
    Large { quick: bool },
}

impl Rig {
    fn new(page_bytes: usize, fill: i32) -> Self {
        Self {
            base: rig::Rig::new(page_bytes),
            limits: Limits {
                fill,
                plain_bytes_min: None,
            },
        }
    }

    fn restart(self) -> Self {
        Self {
            base: self.base.restart(),
            ..self
        }
    }

    fn change<R>(
        &mut self,
        work: impl FnOnce(&mut List<'_>, &mut Txn<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let limits = self.limits;
        self.base.write(Plan::Simple, |txn| {
            let list = List::open(txn, 0, KEY, NOW_MS, limits)?;
            let mut list = list.expect("no other kind of value");
            let done = work(&mut list, txn)?;
            list.close(txn);
            Ok(done)
        })
    }

    fn elements(&mut self) -> Vec<Vec<u8>> {
        self.base.begin();
        let keyspace = &mut self.base.keyspace;
        let elements = Elements::open(keyspace, 0, KEY, NOW_MS, Look::UNSEEN);
        let elements = elements.expect("storage that works").expect("a list");
        let mut found = Vec::new();
        let visited = elements.visit(keyspace, 0, false, &mut |element| {
            found.push(element.to_vec());
            ControlFlow::Continue(())
        });
        visited.expect("storage that works");
        let mut backward = Vec::new();
        let last = elements.len().saturating_sub(1);
        let visited = elements.visit(keyspace, last, true, &mut |element| {
            backward.push(element.to_vec());
            ControlFlow::Continue(())
        });
        visited.expect("storage that works");
        backward.reverse();
        assert_eq!(found, backward);
        found
    }

    /// Checks what holds of every list, and says how it stands.
    fn check(&mut self) -> Stands {
        self.base.begin();
        let bytes_max = self.base.keyspace.packed_bytes_max();
        let entry = self.base.keyspace.lookup(0, KEY, NOW_MS, Look::UNSEEN);
        let Some(entry) = entry.expect("storage that works") else {
            return Stands::Nowhere;
        };
        let fill = fill_of(&entry.header, entry.cell.head());
        if !entry.is_large() {
            let body = entry.inline().expect("a small list is in its cell");
            assert!(!body.is_empty() && body.len() <= bytes_max);
            assert_eq!(fill, None, "a quicklist is large");
            return Stands::Small;
        }
        let keyspace = &mut self.base.keyspace;
        let tree = keyspace.tree(0, KEY, 0).expect("a tree");
        assert!(keyspace.engine.count(tree) > 0, "no empty list is kept");
        let walked = walk(
            &mut keyspace.engine,
            tree,
            Seek::First,
            &mut |label, flags, _| {
                assert!(label.len() <= LABEL_BYTES_MAX);
                assert!(
                    fill.is_some() || flags == 0,
                    "a listpack has no limits inside"
                );
                ControlFlow::Continue(())
            },
        );
        walked.expect("storage that works");
        let shape = nodes::shape_between(&mut keyspace.engine, tree, Seek::First, None);
        let shape = shape.expect("storage that works");
        assert!(fill.is_some() || shape.one().is_some());
        let desc = keyspace.engine.desc(tree);
        if let Some(remembered) = keyspace.lists.shapes.get(&desc) {
            assert_eq!(remembered, shape, "what is remembered is what is there");
        }
        Stands::Large {
            quick: fill.is_some(),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<Vec<u8>>),
    Pop(End),
    Keep(Index, Index),
    Set(Index, Vec<u8>),
    Insert(Index, Side, Vec<u8>),
    Remove(Index, End, u64),
    Rotate(End, End),
    /// The next change is made and undone.
    Undo(Box<Step>),
    Restart,
}

fn ends() -> BoxedStrategy<End> {
    prop_oneof![Just(End::Head), Just(End::Tail)].boxed()
}

fn element() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        6 => (0u32..1000).prop_map(|n| n.to_string().into_bytes()),
        2 => (1usize..200, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (200usize..3000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => Just(vec![b'l'; 9000]),
    ]
    .boxed()
}

fn changes() -> BoxedStrategy<Step> {
    let some = prop_oneof![
        4 => prop::collection::vec(element(), 1..4),
        1 => prop::collection::vec(element(), 20..80),
    ];
    let side = prop_oneof![Just(Side::Before), Just(Side::After)];
    prop_oneof![
        4 => (ends(), some).prop_map(|(end, elements)| Step::Push(end, elements)),
        4 => ends().prop_map(Step::Pop),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Step::Keep(a, b)),
        2 => (any::<Index>(), element()).prop_map(|(at, element)| Step::Set(at, element)),
        3 => (any::<Index>(), side, element()).prop_map(|(at, side, element)| Step::Insert(at, side, element)),
        2 => (any::<Index>(), ends(), 1u64..4).prop_map(|(at, end, count)| Step::Remove(at, end, count)),
        1 => (ends(), ends()).prop_map(|(from, to)| Step::Rotate(from, to)),
    ]
    .boxed()
}

fn steps() -> BoxedStrategy<Vec<Step>> {
    let step = prop_oneof![
        12 => changes(),
        2 => changes().prop_map(|step| Step::Undo(Box::new(step))),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60).boxed()
}

/// Makes a change, to the list and to the model.
fn make(
    list: &mut List<'_>,
    txn: &mut Txn<'_>,
    step: &Step,
    model: &mut Vec<Vec<u8>>,
) -> Result<(), Error> {
    if model.is_empty() && !matches!(step, Step::Push(..)) {
        return Ok(());
    }
    let edge = |end: &End, len: usize| if *end == End::Head { 0 } else { len };
    match step {
        Step::Push(end, elements) => {
            let slices: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
            let bytes = elements.iter().map(|element| element.len() as u64).sum();
            list.push(txn, *end, &slices, bytes)?;
            for element in elements {
                model.insert(edge(end, model.len()), element.clone());
            }
        }
        Step::Pop(end) => {
            let expected = model.remove(edge(end, model.len() - 1));
            list.pop(txn, *end, true, &mut |element| {
                assert_eq!(element, expected)
            })?;
        }
        Step::Keep(a, b) => {
            let (a, b) = (a.index(model.len() + 1), b.index(model.len() + 1));
            let kept = a.min(b)..a.max(b);
            list.keep(txn, kept.start as u64..kept.end as u64)?;
            *model = model[kept].to_vec();
        }
        Step::Set(at, element) => {
            let at = at.index(model.len());
            assert!(list.set(txn, at as u64, element)?);
            model[at].clone_from(element);
            assert!(!list.set(txn, model.len() as u64, b"beyond")?);
        }
        Step::Insert(at, side, element) => {
            let pivot = model[at.index(model.len())].clone();
            let at = model.iter().position(|it| *it == pivot).expect("the pivot");
            assert!(list.insert(txn, &pivot, *side, element)?);
            model.insert(at + usize::from(*side == Side::After), element.clone());
        }
        Step::Remove(at, end, count) => {
            let element = model[at.index(model.len())].clone();
            let mut places: Vec<usize> =
                (0..model.len()).filter(|&i| model[i] == element).collect();
            if *end == End::Tail {
                places.reverse();
            }
            places.truncate(*count as usize);
            let removed = list.remove(txn, &element, *end, *count)?;
            assert_eq!(removed, places.len() as u64);
            places.sort_unstable();
            for place in places.into_iter().rev() {
                model.remove(place);
            }
        }
        Step::Rotate(from, to) => {
            txn.engine().need_savepoint();
            let mut moved = Vec::new();
            list.pop(txn, *from, false, &mut |element| moved = element.to_vec())?;
            list.push(txn, *to, &[&moved], moved.len() as u64)?;
            list.settle(txn)?;
            let element = model.remove(edge(from, model.len() - 1));
            model.insert(edge(to, model.len()), element);
        }
        Step::Undo(_) | Step::Restart => unreachable!("no change of a list"),
    }
    assert_eq!(list.len(), model.len() as u64);
    Ok(())
}

fn run(page_bytes: usize, fill: i32, steps: &[Step]) {
    let mut rig = Rig::new(page_bytes, fill);
    let mut model = Vec::new();
    for step in steps {
        match step {
            Step::Restart => rig = rig.restart(),
            Step::Undo(step) => {
                let mut undone = model.clone();
                let failed = rig.change(|list, txn| {
                    txn.engine().need_savepoint();
                    make(list, txn, step, &mut undone)?;
                    Err::<(), _>(Error::DiskFull)
                });
                assert!(matches!(failed, Err(Error::DiskFull)));
            }
            step => {
                let made = rig.change(|list, txn| make(list, txn, step, &mut model));
                made.expect("storage that works");
            }
        }
        assert_eq!(rig.elements(), model);
        rig.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_a_sequence(steps in steps()) {
        run(4096, -2, &steps);
    }

    #[test]
    fn a_list_is_a_sequence_in_small_pages_and_small_nodes(steps in steps(), fill in prop::sample::select(vec![-1, 1, 3, 16])) {
        run(512, fill, &steps);
    }
}

#[test]
fn a_list_changes_its_form_at_the_threshold_and_back_below_half() {
    for page_bytes in [512, 4096] {
        let mut rig = Rig::new(page_bytes, -2);
        let bytes_max = rig.base.keyspace.packed_bytes_max();
        // An item of ten bytes is its length and nine more.
        let item: &[u8] = b"nine byte";
        for n in 0..bytes_max / 10 {
            let pushed = rig.change(|list, txn| list.push(txn, End::Tail, &[item], 9));
            pushed.expect("storage that works");
            assert_eq!(rig.check(), Stands::Small, "{n}");
        }
        let pushed = rig.change(|list, txn| list.push(txn, End::Head, &[item], 9));
        pushed.expect("storage that works");
        assert_eq!(rig.check(), Stands::Large { quick: false });
        let small_len = SMALL_LEN_MAX.min(bytes_max as u64 / 2 / 10);
        for left in (1..=bytes_max as u64 / 10).rev() {
            let popped = rig.change(|list, txn| list.pop(txn, End::Tail, true, &mut |_| {}));
            popped.expect("storage that works");
            let stands = rig.check();
            assert_eq!(
                stands == Stands::Small,
                left <= small_len,
                "{left}: {stands:?}"
            );
        }
        let popped = rig.change(|list, txn| list.pop(txn, End::Tail, true, &mut |_| {}));
        popped.expect("storage that works");
        assert_eq!(rig.check(), Stands::Nowhere);
    }
}

/// Pops of a list that is certainly more than one node do not look for its nodes; whoever needs them later finds them.
#[test]
fn a_long_list_keeps_its_nodes_however_it_shrinks() {
    let mut rig = Rig::new(4096, 16);
    let items: Vec<Vec<u8>> = (0..1000_u32).map(|n| n.to_string().into_bytes()).collect();
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    let mut len = 0;
    while len < nodes::ENTRIES_MAX + 2000 {
        let pushed = rig.change(|list, txn| list.push(txn, End::Tail, &items, 3000));
        pushed.expect("storage that works");
        len += items.len() as u64;
    }
    let mut rng = fastrand::Rng::with_seed(7);
    let mut turn = 0;
    while len > 0 {
        turn += 1;
        let end = if rng.bool() { End::Head } else { End::Tail };
        let pushes = rng.u32(..8) == 0 && len > 100;
        let changed = rig.change(|list, txn| match pushes {
            true => list.push(txn, end, &[b"more"], 4),
            false => list.pop(txn, end, true, &mut |_| {}),
        });
        changed.expect("storage that works");
        len = if pushes { len + 1 } else { len - 1 };
        if turn % 1009 == 0 || len < 40 {
            let stands = rig.check();
            // One node of at most half of sixteen entries is a listpack again.
            match (len, stands) {
                (0, Stands::Nowhere) | (1..=16, Stands::Small) => {}
                (9.., Stands::Large { quick: true }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn labels_that_have_become_long_are_replaced() {
    let mut rig = Rig::new(4096, -2);
    let filler = vec![b'x'; 2000];
    let pushed = rig.change(|list, txn| list.push(txn, End::Tail, &[b"a", b"b", &filler], 2002));
    pushed.expect("storage that works");
    let mut model: Vec<Vec<u8>> = vec![b"a".to_vec(), b"b".to_vec(), filler];
    // Each element goes between the two that came last, which uses up labels the fastest.
    let mut at = 1;
    let mut longest = 0;
    for n in 0..600 {
        let element = format!("e{n}").into_bytes();
        let (pivot, side) = if n % 2 == 0 {
            (at, Side::Before)
        } else {
            (at, Side::After)
        };
        let pivot = model[pivot].clone();
        let inserted = rig.change(|list, txn| list.insert(txn, &pivot, side, &element));
        assert!(inserted.expect("storage that works"));
        at += usize::from(side == Side::After);
        model.insert(at, element);
        rig.check();
        let tree = rig.base.keyspace.tree(0, KEY, 0).expect("a tree");
        let walked = walk(
            &mut rig.base.keyspace.engine,
            tree,
            Seek::First,
            &mut |label, _, _| {
                longest = longest.max(label.len());
                ControlFlow::Continue(())
            },
        );
        walked.expect("storage that works");
    }
    assert_eq!(rig.elements(), model);
    assert_eq!(
        longest, LABEL_BYTES_MAX,
        "labels have become as long as they may"
    );
}

#[test]
fn a_long_list_streams_from_a_snapshot_in_both_directions() {
    use crate::resp::Stream;
    let mut rig = Rig::new(4096, -2);
    let elements: Vec<Vec<u8>> = (0..3000).map(|n| n.to_string().into_bytes()).collect();
    let slices: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
    let pushed = rig.change(|list, txn| list.push(txn, End::Tail, &slices, 20_000));
    pushed.expect("storage that works");
    let mut left = 0..3000;
    for backward in [false, true] {
        let count = left.len() as u64 - 10;
        let mut stream = rig.base.keyspace.stream_list(0, KEY, None, backward, count);
        let cut = rig.change(|list, txn| {
            let len = list.len();
            list.keep(txn, 100..len - 100)
        });
        cut.expect("storage that works");
        let mut out = Vec::new();
        while stream.fill(&mut out, 700).expect("a readable snapshot") {}
        let mut order: Vec<&[u8]> = slices[left.clone()].to_vec();
        if backward {
            order.reverse();
        }
        let mut expected = Vec::new();
        for element in &order[..count as usize] {
            expected.extend_from_slice(format!("${}\r\n", element.len()).as_bytes());
            expected.extend_from_slice(element);
            expected.extend_from_slice(b"\r\n");
        }
        assert!(out == expected, "backward: {backward}");
        left = left.start + 100..left.end - 100;
    }
}
