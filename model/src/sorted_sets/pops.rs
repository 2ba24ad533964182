//! Taking members from either end.

use super::{Scored, score_reply};
use crate::blocking::{Awaits, seconds};
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, Outcome};

/// Removes up to `count` members from an end; nothing if there is no key.
fn pop(
    call: &mut Call,
    key: &[u8],
    max: bool,
    count: usize,
) -> Result<Option<Vec<Scored>>, Failure> {
    let Some(set) = call.sorted_set(key)? else {
        return Ok(None);
    };
    let mut taken = Vec::new();
    while taken.len() < count && !set.members.is_empty() {
        let at = if max { set.members.len() - 1 } else { 0 };
        taken.push(set.members.remove(at));
    }
    if !taken.is_empty() {
        call.note('z', if max { "zpopmax" } else { "zpopmin" }, key);
    }
    call.drop_if_empty(key);
    Ok(Some(taken))
}

/// A key and the members taken from it.
type Taken = (Vec<u8>, Vec<Scored>);

/// The keys in turn, up to one that has members.
fn pop_first(
    call: &mut Call,
    keys: &[Vec<u8>],
    max: bool,
    count: usize,
) -> Result<Option<Taken>, Failure> {
    for key in keys {
        if let Some(taken) = pop(call, key, max, count)? {
            return Ok(Some((key.clone(), taken)));
        }
    }
    Ok(None)
}

fn flat(taken: &[Scored]) -> Vec<Reply> {
    let items = taken
        .iter()
        .flat_map(|(member, score)| [Reply::bulk(member), score_reply(Some(*score))]);
    items.collect()
}

fn nested(taken: &[Scored]) -> Reply {
    let pairs = taken
        .iter()
        .map(|pair| Reply::Array(flat(std::slice::from_ref(pair))));
    Reply::Array(pairs.collect())
}

pub fn zpopmin(call: &mut Call) -> Outcome {
    pop_one_key(call, false)
}

pub fn zpopmax(call: &mut Call) -> Outcome {
    pop_one_key(call, true)
}

fn pop_one_key(call: &mut Call, max: bool) -> Outcome {
    if call.args.len() > 3 {
        return Err(errors::syntax());
    }
    let counted = call.args.len() == 3;
    let count = match counted {
        true => numbers::integer_or(call.arg(2), "value is out of range, must be positive")?,
        false => 1,
    };
    let Ok(count) = usize::try_from(count) else {
        return Err(errors::err("value is out of range, must be positive"));
    };
    let key = call.key();
    let taken = pop(call, key, max, count)?.unwrap_or_default();
    let resp3 = call.protocol() == Protocol::Resp3;
    Ok(if counted && resp3 {
        nested(&taken)
    } else {
        Reply::Array(flat(&taken))
    })
}

/// The keys, the end and the count behind the number of keys.
type Asked<'a> = (&'a [Vec<u8>], bool, usize);

fn asked<'a>(call: &Call<'a>, first: usize) -> Result<Asked<'a>, Failure> {
    let positive = |index: usize, complaint: &str| match numbers::canonical(call.arg(index)) {
        Some(number) if number > 0 => Ok(number as usize),
        _ => Err(errors::err(complaint)),
    };
    let count = positive(first, "numkeys should be greater than 0")?;
    let end = first + 1 + count.min(call.args.len());
    if end >= call.args.len() {
        return Err(errors::syntax());
    }
    let max = call.says(end, "MAX");
    if !max && !call.says(end, "MIN") {
        return Err(errors::syntax());
    }
    let keys = &call.args[first + 1..end];
    match call.args.len() - end {
        1 => Ok((keys, max, 1)),
        2 => Err(errors::syntax()),
        _ if !call.says(end + 1, "COUNT") => Err(errors::syntax()),
        more => {
            let count = positive(end + 2, "count should be greater than 0")?;
            if more > 3 {
                return Err(errors::syntax());
            }
            Ok((keys, max, count))
        }
    }
}

fn pop_many(call: &mut Call, (keys, max, count): Asked) -> Result<Option<Reply>, Failure> {
    let popped = pop_first(call, keys, max, count)?;
    Ok(popped.map(|(key, taken)| Reply::Array(vec![Reply::bulk(&key), nested(&taken)])))
}

pub fn zmpop(call: &mut Call) -> Outcome {
    let asked = asked(call, 1)?;
    Ok(pop_many(call, asked)?.unwrap_or(Reply::NullArray))
}

pub fn bzmpop(call: &mut Call) -> Outcome {
    let asked = asked(call, 2)?;
    let timeout = seconds(call.arg(1))?;
    Ok(match pop_many(call, asked)? {
        Some(popped) => popped,
        None => call.wait_for(asked.0, Awaits::SortedSet, timeout, Reply::NullArray),
    })
}

pub fn bzpopmin(call: &mut Call) -> Outcome {
    pop_or_wait(call, false)
}

pub fn bzpopmax(call: &mut Call) -> Outcome {
    pop_or_wait(call, true)
}

fn pop_or_wait(call: &mut Call, max: bool) -> Outcome {
    let (timeout, keys) = call.args[1..].split_last().expect("the arity says so");
    let timeout = seconds(timeout)?;
    Ok(match pop_first(call, keys, max, 1)? {
        Some((key, taken)) => Reply::Array([vec![Reply::bulk(&key)], flat(&taken)].concat()),
        None => call.wait_for(keys, Awaits::SortedSet, timeout, Reply::NullArray),
    })
}
