//! ZUNION, ZINTER, ZDIFF, ZINTERCARD, and those that store: ZUNIONSTORE, ZINTERSTORE, ZDIFFSTORE.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::limits;
use super::operands::Operand;
use super::range::{Told, store};
use crate::command::argument::{integer, is_word, not_negative};
use crate::command::{Call, Outcome, errors};
use crate::keyspace::double;
use crate::keyspace::sorted_set::stream::Shown;
use crate::resp::ErrorReply;
use crate::storage::{Engine, Error};

/// How sets are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What is done with the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Reply,
    Store,
    Count,
}

/// How the scores of one member in several sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs make zero.
            Self::Sum => Some(score + other)
                .filter(|sum| !sum.is_nan())
                .unwrap_or(0.0),
            // What is not a number does not count.
            Self::Min if other < score => other,
            Self::Max if other > score => other,
            Self::Min | Self::Max => score,
        }
    }
}

/// The options behind the keys.
#[derive(Clone, Copy, Debug)]
struct Options {
    aggregate: Aggregate,
    with_scores: bool,
    /// Counting ends here; 0: never.
    limit: u64,
}

impl Options {
    fn parse(
        mut words: &[&[u8]],
        operands: &mut [Operand<'_>],
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Self, ErrorReply> {
        let weighs = operation != Operation::Diff && purpose != Purpose::Count;
        let mut options = Self {
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if weighs && rest.len() >= operands.len() && is_word(word, "WEIGHTS") {
                let (weights, rest) = rest.split_at(operands.len());
                for (operand, weight) in operands.iter_mut().zip(weights) {
                    operand.weight = double::parse(weight).ok_or(errors::NOT_A_WEIGHT)?;
                }
                words = rest;
            } else if weighs && !rest.is_empty() && is_word(word, "AGGREGATE") {
                options.aggregate = match () {
                    () if is_word(rest[0], "SUM") => Aggregate::Sum,
                    () if is_word(rest[0], "MIN") => Aggregate::Min,
                    () if is_word(rest[0], "MAX") => Aggregate::Max,
                    () => return Err(errors::SYNTAX),
                };
                words = &rest[1..];
            } else if purpose == Purpose::Reply && is_word(word, "WITHSCORES") {
                options.with_scores = true;
            } else if purpose == Purpose::Count && !rest.is_empty() && is_word(word, "LIMIT") {
                options.limit = not_negative(rest[0], errors::LIMIT_NEGATIVE)?;
                words = &rest[1..];
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
pub fn zunion(call: &mut Call) -> Outcome {
    combine(call, Operation::Union, Purpose::Reply, "zunion")
}

/// ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
pub fn zinter(call: &mut Call) -> Outcome {
    combine(call, Operation::Inter, Purpose::Reply, "zinter")
}

/// ZDIFF numkeys key [key ...] [WITHSCORES]
pub fn zdiff(call: &mut Call) -> Outcome {
    combine(call, Operation::Diff, Purpose::Reply, "zdiff")
}

/// ZINTERCARD numkeys key [key ...] [LIMIT limit]
pub fn zintercard(call: &mut Call) -> Outcome {
    combine(call, Operation::Inter, Purpose::Count, "zintercard")
}

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]
pub fn zunionstore(call: &mut Call) -> Outcome {
    combine(call, Operation::Union, Purpose::Store, "zunionstore")
}

/// ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]
pub fn zinterstore(call: &mut Call) -> Outcome {
    combine(call, Operation::Inter, Purpose::Store, "zinterstore")
}

/// ZDIFFSTORE destination numkeys key [key ...]
pub fn zdiffstore(call: &mut Call) -> Outcome {
    combine(call, Operation::Diff, Purpose::Store, "zdiffstore")
}

fn combine(call: &mut Call, operation: Operation, purpose: Purpose, name: &'static str) -> Outcome {
    let args = call.args;
    let words = &args[if purpose == Purpose::Store { 2 } else { 1 }..];
    let numkeys = integer(words[0])?;
    if numkeys < 1 {
        return Err(errors::no_input_keys(name).into());
    }
    let numkeys = usize::try_from(numkeys)
        .ok()
        .filter(|numkeys| *numkeys < words.len())
        .ok_or(errors::SYNTAX)?;
    let (keys, rest) = words[1..].split_at(numkeys);
    let mut operands = Vec::with_capacity(numkeys);
    for key in keys {
        operands.push(Operand::lookup(call, key)?);
    }
    let options = Options::parse(rest, &mut operands, operation, purpose)?;
    let engine = &mut call.keyspace.engine;
    if purpose == Purpose::Count {
        operands.sort_by_key(|operand| operand.len(engine));
        let mut count = 0u64;
        intersect(engine, &operands, options.aggregate, &mut |_, _| {
            count += 1;
            count == options.limit
        })?;
        call.out.int(count as i64);
        return Ok(());
    }
    let result = evaluate(engine, operands, operation, options.aggregate)?;
    if purpose == Purpose::Store {
        let longest = result.iter().map(|(member, _)| member.len()).max();
        let (count, longest) = (result.len() as u64, longest.unwrap_or(0) as u64);
        let encoding = limits(call).encoding(count, longest);
        return store(call, args[1], &result, encoding, Told::once(name));
    }
    let shown = Shown {
        scores: options.with_scores,
        resp3: call.out.is_resp3(),
    };
    call.out.array(shown.items(result.len() as u64));
    for (member, score) in &result {
        shown.push(call.out.buffer_mut(), member, *score);
    }
    Ok(())
}

/// Members of the result, in order.
fn evaluate(
    engine: &mut Engine,
    mut operands: Vec<Operand<'_>>,
    operation: Operation,
    aggregate: Aggregate,
) -> Result<Vec<(Vec<u8>, f64)>, Error> {
    if operation != Operation::Diff {
        // Sums depend on the order of what is added.
        operands.sort_by_key(|operand| operand.len(engine));
    }
    let mut result = Vec::new();
    match operation {
        Operation::Union => result.extend(unite(engine, &operands, aggregate)?),
        Operation::Inter => intersect(engine, &operands, aggregate, &mut |member, score| {
            result.push((member, score));
            false
        })?,
        Operation::Diff => subtract(engine, &operands, &mut result)?,
    }
    result.sort_by(|(one, score), (other, other_score)| {
        let order = compare_scores(*score, *other_score);
        order.then_with(|| one.cmp(other))
    });
    Ok(result)
}

/// Both zeroes are the same.
fn compare_scores(score: f64, other: f64) -> Ordering {
    (score + 0.0).total_cmp(&(other + 0.0))
}

/// The first score of a member, times the weight of its set.
fn weighted(score: f64, weight: f64) -> f64 {
    let product = score * weight;
    if product.is_nan() { 0.0 } else { product }
}

fn unite(
    engine: &mut Engine,
    operands: &[Operand<'_>],
    aggregate: Aggregate,
) -> Result<BTreeMap<Vec<u8>, f64>, Error> {
    let mut united = BTreeMap::new();
    for operand in operands {
        let mut done = 0;
        loop {
            let batch = operand.batch(engine, done)?;
            if batch.is_empty() {
                break;
            }
            done += batch.len() as u64;
            for (member, score) in batch {
                let score = weighted(score, operand.weight);
                united
                    .entry(member)
                    .and_modify(|sum| *sum = aggregate.of(*sum, score))
                    .or_insert(score);
            }
        }
    }
    Ok(united)
}

/// Hands the members that all operands have to `take` until it says true.
fn intersect(
    engine: &mut Engine,
    operands: &[Operand<'_>],
    aggregate: Aggregate,
    take: &mut dyn FnMut(Vec<u8>, f64) -> bool,
) -> Result<(), Error> {
    let Some((first, others)) = operands.split_first() else {
        return Ok(());
    };
    let mut done = 0;
    loop {
        let batch = first.batch(engine, done)?;
        if batch.is_empty() {
            return Ok(());
        }
        done += batch.len() as u64;
        for (member, own) in batch {
            let mut score = Some(weighted(own, first.weight));
            for other in others {
                let found = if other.key == first.key {
                    Some(own)
                } else {
                    other.score(engine, &member)?
                };
                score = score
                    .zip(found)
                    .map(|(score, found)| aggregate.of(score, found * other.weight));
                if score.is_none() {
                    break;
                }
            }
            if let Some(score) = score
                && take(member, score)
            {
                return Ok(());
            }
        }
    }
}

/// The members of the first operand that no other has.
fn subtract(
    engine: &mut Engine,
    operands: &[Operand<'_>],
    result: &mut Vec<(Vec<u8>, f64)>,
) -> Result<(), Error> {
    let Some((first, others)) = operands.split_first() else {
        return Ok(());
    };
    if others.iter().any(|other| other.key == first.key) {
        return Ok(());
    }
    let mut done = 0;
    loop {
        let batch = first.batch(engine, done)?;
        if batch.is_empty() {
            return Ok(());
        }
        done += batch.len() as u64;
        'members: for (member, score) in batch {
            for other in others {
                if other.score(engine, &member)?.is_some() {
                    continue 'members;
                }
            }
            result.push((member, score));
        }
    }
}
