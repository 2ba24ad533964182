//! Unions, intersections and differences.

use super::ranges::show;
use super::{Scored, SortedSet, order};
use crate::doubles;
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome, Value};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Union,
    Inter,
    Diff,
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    Reply,
    Store,
    Count,
}

/// One input: its key, its members in the order in which Redis goes through them, its weight.
struct Input {
    key: Vec<u8>,
    members: Vec<Scored>,
    weight: f64,
}

impl Input {
    fn score(&self, member: &[u8]) -> Option<f64> {
        let found = self.members.iter().find(|(own, _)| own == member);
        found.map(|(_, score)| *score)
    }
}

fn input(call: &mut Call, key: &[u8]) -> Result<Input, Failure> {
    call.look_for(key);
    let mut members = match call.entry(key).map(|entry| &entry.value) {
        None => Vec::new(),
        Some(Value::SortedSet(set)) => set.members.clone(),
        Some(Value::Set(set)) => {
            let members = set.members.iter();
            members.map(|member| (member.clone(), 1.0)).collect()
        }
        Some(_) => return Err(errors::wrong_type()),
    };
    members.reverse();
    Ok(Input {
        key: key.to_vec(),
        members,
        weight: 1.0,
    })
}

/// What is not a number counts as zero.
fn number(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

fn aggregate(how: &[u8], score: f64, other: f64) -> f64 {
    match how {
        b"sum" => number(score + other),
        b"min" if other < score => other,
        b"max" if other > score => other,
        _ => score,
    }
}

fn combine(call: &mut Call, kind: Kind, purpose: Use) -> Outcome {
    let first = if purpose == Use::Store { 2 } else { 1 };
    let count = numbers::integer(call.arg(first))?;
    if count < 1 {
        return Err(errors::err(&format!(
            "at least 1 input key is needed for '{}' command",
            call.name
        )));
    }
    let left = call.args.len() - first - 1;
    let count = match usize::try_from(count) {
        Ok(count) if count <= left => count,
        _ => return Err(errors::syntax()),
    };
    let mut inputs = Vec::new();
    for key in &call.args[first + 1..first + 1 + count] {
        inputs.push(input(call, key)?);
    }
    let weighs = kind != Kind::Diff && purpose != Use::Count;
    let (mut how, mut with_scores, mut limit) = (b"sum".to_vec(), false, 0);
    let mut index = first + 1 + count;
    while index < call.args.len() {
        let behind = call.args.len() - index - 1;
        if weighs && behind >= count && call.says(index, "WEIGHTS") {
            for (input, weight) in inputs.iter_mut().zip(&call.args[index + 1..]) {
                let weight = doubles::strict(weight);
                input.weight = weight.ok_or_else(|| errors::err("weight value is not a float"))?;
            }
            index += count;
        } else if weighs && behind >= 1 && call.says(index, "AGGREGATE") {
            how = call.arg(index + 1).to_ascii_lowercase();
            if !matches!(how.as_slice(), b"sum" | b"min" | b"max") {
                return Err(errors::syntax());
            }
            index += 1;
        } else if purpose == Use::Reply && call.says(index, "WITHSCORES") {
            with_scores = true;
        } else if purpose == Use::Count && behind >= 1 && call.says(index, "LIMIT") {
            limit = numbers::integer_or(call.arg(index + 1), "LIMIT can't be negative")?;
            if limit < 0 {
                return Err(errors::err("LIMIT can't be negative"));
            }
            index += 1;
        } else {
            return Err(errors::syntax());
        }
        index += 1;
    }
    let mut result = match kind {
        Kind::Union => union(inputs, &how),
        Kind::Inter => intersection(inputs, &how),
        Kind::Diff => difference(&inputs),
    };
    result.sort_by(order);
    match purpose {
        Use::Reply => Ok(show(call, &result, with_scores)),
        Use::Count if limit > 0 => Ok(Reply::Integer(limit.min(result.len() as i64))),
        Use::Count => Ok(Reply::count(result.len())),
        Use::Store => {
            let longest = result.iter().map(|(member, _)| member.len()).max();
            let mut set = SortedSet::expecting(result.len(), longest.unwrap_or(0));
            for (member, score) in &result {
                set.set(member, *score);
            }
            let key = call.key();
            call.store_sorted_set(key, set, call.name);
            Ok(Reply::count(result.len()))
        }
    }
}

fn union(mut inputs: Vec<Input>, how: &[u8]) -> Vec<Scored> {
    inputs.sort_by_key(|input| input.members.len());
    let mut result: Vec<Scored> = Vec::new();
    for input in &inputs {
        for (member, score) in &input.members {
            let score = number(score * input.weight);
            match result.iter_mut().find(|(own, _)| own == member) {
                Some((_, sum)) => *sum = aggregate(how, *sum, score),
                None => result.push((member.clone(), score)),
            }
        }
    }
    result
}

fn intersection(mut inputs: Vec<Input>, how: &[u8]) -> Vec<Scored> {
    inputs.sort_by_key(|input| input.members.len());
    let (first, others) = inputs.split_first().expect("at least one");
    let common = first.members.iter().filter_map(|(member, score)| {
        let mut sum = number(score * first.weight);
        for other in others {
            sum = aggregate(how, sum, other.score(member)? * other.weight);
        }
        Some((member.clone(), sum))
    });
    common.collect()
}

fn difference(inputs: &[Input]) -> Vec<Scored> {
    let (first, others) = inputs.split_first().expect("at least one");
    if others.iter().any(|other| other.key == first.key) {
        return Vec::new();
    }
    let alone = |(member, _): &&Scored| others.iter().all(|other| other.score(member).is_none());
    first.members.iter().filter(alone).cloned().collect()
}

pub fn zunion(call: &mut Call) -> Outcome {
    combine(call, Kind::Union, Use::Reply)
}

pub fn zinter(call: &mut Call) -> Outcome {
    combine(call, Kind::Inter, Use::Reply)
}

pub fn zdiff(call: &mut Call) -> Outcome {
    combine(call, Kind::Diff, Use::Reply)
}

pub fn zunionstore(call: &mut Call) -> Outcome {
    combine(call, Kind::Union, Use::Store)
}

pub fn zinterstore(call: &mut Call) -> Outcome {
    combine(call, Kind::Inter, Use::Store)
}

pub fn zdiffstore(call: &mut Call) -> Outcome {
    combine(call, Kind::Diff, Use::Store)
}

pub fn zintercard(call: &mut Call) -> Outcome {
    combine(call, Kind::Inter, Use::Count)
}
