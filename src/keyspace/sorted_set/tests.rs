//! Sorted sets against a plain list, small, large, and on the way between, with rollback and restart.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::keyspace::header::Encoding;
use crate::keyspace::rig::{self, NOW_MS};
use crate::keyspace::{Keyspace, Look};
use crate::storage::{Engine, Error, OnMiss, Plan, Read};

const KEY: &[u8] = b"set";
const LIMITS: Limits = Limits {
    entries_max: 8,
    value_bytes_max: 20,
};

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<(Vec<u8>, f64)>),
    Remove(Vec<Vec<u8>>),
    RemoveSpan(u64, u64),
    /// Closes and opens the database.
    Restart,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u32..40).prop_map(|n| format!("member {n}").into_bytes()),
        1 => (0u32..4).prop_map(|n| vec![b'a' + n as u8; 70]),
        1 => (0u32..3).prop_map(|n| vec![b'l' + n as u8; 600]),
        1 => Just(Vec::new()),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-2i32..3).prop_map(f64::from),
        1 => Just(-0.0),
        1 => any::<f64>().prop_filter("a score", |score| !score.is_nan()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec((member(), score()), 1..3).prop_map(Step::Set),
        1 => prop::collection::vec((member(), score()), 10..60).prop_map(Step::Set),
        5 => prop::collection::vec(member(), 1..4).prop_map(Step::Remove),
        4 => (0u64..20, 0u64..60).prop_map(|(start, len)| Step::RemoveSpan(start, start + len)),
        1 => Just(Step::Restart),
    ]
}

/// The set as a test sees it: in order.
fn in_order(model: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut list: Vec<(Vec<u8>, f64)> = model.clone().into_iter().collect();
    list.sort_by(|one, other| {
        let scores = one.1.partial_cmp(&other.1).expect("numbers");
        scores.then_with(|| one.0.cmp(&other.0))
    });
    list
}

struct Rig {
    /// None while it is opened again.
    base: Option<rig::Rig>,
    model: BTreeMap<Vec<u8>, f64>,
    is_large: bool,
    grown: usize,
    shrunk: usize,
}

impl Rig {
    fn new(page_bytes: usize) -> Self {
        Self {
            base: Some(rig::Rig::new(page_bytes)),
            model: BTreeMap::new(),
            is_large: false,
            grown: 0,
            shrunk: 0,
        }
    }

    fn keyspace(&mut self) -> &mut Keyspace {
        &mut self.base.as_mut().expect("it is open").keyspace
    }

    fn restart(&mut self) {
        self.base = self.base.take().map(rig::Rig::restart);
    }

    /// Carries a step out, in the set and in the model unless it `fails` at its end.
    fn run(&mut self, step: &Step, fails: bool) {
        if let Step::Restart = step {
            return self.restart();
        }
        let keyspace = self.keyspace();
        keyspace.engine.begin_command(OnMiss::Read);
        let single = match step {
            Step::Set(pairs) => pairs.len() == 1,
            Step::Remove(members) => members.len() == 1,
            Step::RemoveSpan(..) | Step::Restart => false,
        };
        // One element is changed without a savepoint, unless that is needed for going back.
        let plan = if single && !fails {
            Plan::Simple
        } else {
            Plan::Savepoint
        };
        let done = keyspace.write(plan, |txn| {
            change(txn, step)?;
            if fails { Err(Error::Miss) } else { Ok(()) }
        });
        assert_eq!(done.is_err(), fails);
        if !fails {
            self.model_step(step);
        }
    }

    fn model_step(&mut self, step: &Step) {
        match step {
            Step::Set(pairs) => {
                for (member, score) in pairs {
                    if self.model.get(member) != Some(score) {
                        self.model.insert(member.clone(), *score);
                    }
                }
            }
            Step::Remove(members) => {
                for member in members {
                    self.model.remove(member);
                }
            }
            Step::RemoveSpan(start, end) => {
                let list = in_order(&self.model);
                let span = Span::new(
                    (*start).min(list.len() as u64),
                    (*end).min(list.len() as u64),
                );
                for (member, _) in &list[span.start as usize..span.end as usize] {
                    self.model.remove(member);
                }
            }
            Step::Restart => {}
        }
    }

    fn check(&mut self) {
        let list = in_order(&self.model);
        let bytes_max = self.keyspace().packed_bytes_max();
        let keyspace = &mut self.base.as_mut().expect("it is open").keyspace;
        keyspace.engine.begin_command(OnMiss::Read);
        let found = keyspace
            .sorted_set(0, KEY, NOW_MS, Look::UNSEEN)
            .expect("storage that works");
        let Some((header, members)) = found else {
            assert!(list.is_empty(), "an empty set has no key");
            self.is_large = false;
            return;
        };
        let members = members.expect("a sorted set");
        let engine = &mut keyspace.engine;
        assert_eq!(members.len(engine), list.len() as u64);
        let small = members.all(engine).expect("storage that works");
        assert_eq!(small, list);
        check_places(engine, &members, &list);
        if let Members::Large { by_member, .. } = members {
            assert_eq!(engine.count(by_member), list.len() as u64);
        }
        let limits = LIMITS.encoding(
            list.len() as u64,
            list.iter()
                .map(|(member, _)| member.len() as u64)
                .max()
                .unwrap_or(0),
        );
        assert!(header.encoding == Encoding::Table || limits == Encoding::Packed);
        let bytes: usize = list.iter().map(|(member, _)| member.len() + 10).sum();
        assert!(members.is_large() || bytes <= bytes_max + list.len());
        self.grown += usize::from(!self.is_large && members.is_large());
        self.shrunk += usize::from(self.is_large && !members.is_large());
        self.is_large = members.is_large();
    }
}

/// Every member is where it should be, from whichever side one looks.
fn check_places(engine: &mut Engine, members: &Members, list: &[(Vec<u8>, f64)]) {
    for (rank, (member, score)) in list.iter().enumerate() {
        let rank = rank as u64;
        assert_eq!(members.score(engine, member).expect("reads"), Some(*score));
        assert_eq!(members.rank(engine, *score, member).expect("reads"), rank);
        assert_eq!(
            members.at(engine, rank).expect("reads").as_ref(),
            Some(&list[rank as usize])
        );
    }
    assert_eq!(members.score(engine, b"no member").expect("reads"), None);
    let len = list.len() as u64;
    for span in [Span::new(0, len), Span::new(len / 3, len - len / 4)] {
        let mut down = Vec::new();
        members
            .visit_span(engine, span, true, &mut |member, score| {
                down.push((member.to_vec(), score))
            })
            .expect("reads");
        down.reverse();
        assert_eq!(down, list[span.start as usize..span.end as usize]);
    }
    for range in [
        (-1.0, 1.0, false, true),
        (0.0, 2.0, true, false),
        (f64::NEG_INFINITY, 0.0, false, false),
    ] {
        let (min, max, without_min, without_max) = range;
        let range = ScoreRange {
            min,
            max,
            without_min,
            without_max,
        };
        let span = members.span_of_scores(engine, &range).expect("reads");
        let count = list
            .iter()
            .filter(|(_, score)| {
                if without_min {
                    *score > min
                } else {
                    *score >= min
                }
            })
            .filter(|(_, score)| {
                if without_max {
                    *score < max
                } else {
                    *score <= max
                }
            })
            .count();
        assert_eq!(span.len(), count as u64);
        let mut visited = Vec::new();
        members
            .visit_scores(engine, (min, max), &mut |member, score| {
                visited.push((member.to_vec(), score));
                ControlFlow::Continue(())
            })
            .expect("reads");
        let between = list.iter().filter(|(_, it)| (min..max).contains(it));
        assert_eq!(visited, between.cloned().collect::<Vec<_>>());
    }
}

fn change(txn: &mut crate::keyspace::Txn<'_>, step: &Step) -> Result<(), Error> {
    let (slot, members) = txn.sorted_set(0, KEY, NOW_MS)?;
    let mut draft = match members {
        Some(members) => Draft::of(slot, KEY, members, LIMITS),
        None => Draft::new(slot, KEY, Encoding::Packed, LIMITS),
    };
    match step {
        Step::Set(pairs) => {
            for (member, score) in pairs {
                let old = draft.score(txn, member)?;
                if old != Some(*score) {
                    draft.set(txn, member, old, *score)?;
                }
            }
        }
        Step::Remove(members) => {
            for member in members {
                if let Some(score) = draft.score(txn, member)? {
                    draft.remove(txn, member, score)?;
                }
            }
        }
        Step::RemoveSpan(start, end) => {
            let len = draft.len(txn.keyspace());
            draft.remove_span(txn, Span::new((*start).min(len), (*end).min(len)))?;
        }
        Step::Restart => {}
    }
    draft.finish(txn)?;
    Ok(())
}

fn check_steps(page_bytes: usize, steps: &[(Step, bool)]) -> (usize, usize) {
    let mut rig = Rig::new(page_bytes);
    for (step, fails) in steps {
        rig.run(step, *fails && !matches!(step, Step::Restart));
        rig.check();
    }
    (rig.grown, rig.shrunk)
}

#[test]
fn a_sorted_set_is_a_list_in_order() {
    for page_bytes in [512, 4096] {
        let (mut grown, mut shrunk) = (0, 0);
        let steps = prop::collection::vec((step(), prop::bool::weighted(0.2)), 1..40);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for _ in 0..48 {
            let tree = steps.new_tree(&mut runner).expect("steps");
            let (g, s) = check_steps(page_bytes, &tree.current());
            grown += g;
            shrunk += s;
        }
        assert!(
            grown > 10 && shrunk > 5,
            "{grown} times larger, {shrunk} times smaller"
        );
    }
}

#[test]
fn a_set_of_many_levels_keeps_its_order() {
    let mut rig = Rig::new(512);
    let pair = |n: u32| {
        (
            format!("member {n}").into_bytes(),
            f64::from(n * 7919 % 1000),
        )
    };
    rig.run(&Step::Set((0..2000).map(pair).collect()), false);
    rig.check();
    let keyspace = rig.keyspace();
    let keys = keyspace.trees(0).expect("trees").keys;
    let tree = keyspace.engine.nested(keys, KEY, BY_SCORE);
    let tree = tree.expect("reads").expect("a large set");
    assert!(keyspace.engine.desc(tree).height >= 2, "several levels");
    rig.run(&Step::RemoveSpan(100, 1900), true);
    rig.check();
    rig.run(&Step::RemoveSpan(100, 1900), false);
    rig.check();
    rig.restart();
    rig.check();
    rig.run(&Step::RemoveSpan(3, 300), false);
    rig.check();
    assert!(!rig.is_large);
}

#[test]
fn an_unchanged_set_writes_nothing() {
    let mut rig = Rig::new(4096);
    rig.run(&Step::Set(vec![(b"a".to_vec(), 1.0)]), false);
    let lsn = rig.keyspace().engine.last_lsn();
    rig.run(&Step::Set(vec![(b"a".to_vec(), 1.0)]), false);
    rig.run(&Step::Remove(vec![b"b".to_vec()]), false);
    assert_eq!(rig.keyspace().engine.last_lsn(), lsn);
    rig.check();
}
