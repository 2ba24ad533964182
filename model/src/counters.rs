//! INCR, DECR and their relatives.

use crate::errors;
use crate::extended::Extended;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome, Text};

pub fn incr(call: &mut Call) -> Outcome {
    add(call, 1)
}

pub fn decr(call: &mut Call) -> Outcome {
    add(call, -1)
}

pub fn incrby(call: &mut Call) -> Outcome {
    let delta = numbers::integer(call.arg(2))?;
    add(call, delta)
}

pub fn decrby(call: &mut Call) -> Outcome {
    let delta = numbers::integer(call.arg(2))?;
    let delta = delta
        .checked_neg()
        .ok_or_else(|| errors::err("decrement would overflow"))?;
    add(call, delta)
}

fn add(call: &mut Call, delta: i64) -> Outcome {
    let key = call.key();
    let old = match call.text(key)? {
        None => 0,
        Some(text) => numbers::integer(&text.bytes)?,
    };
    let new = old
        .checked_add(delta)
        .ok_or_else(|| errors::err("increment or decrement would overflow"))?;
    call.replace(key, Text::encoded(new.to_string().into_bytes()));
    call.touch(key);
    call.note('$', "incrby", key);
    Ok(Reply::Integer(new))
}

pub fn incrbyfloat(call: &mut Call) -> Outcome {
    let key = call.key();
    let old = match call.text(key)? {
        None => Extended::ZERO,
        Some(text) => Extended::parse(&text.bytes).ok_or_else(errors::not_a_float)?,
    };
    let delta = Extended::parse(call.arg(2)).ok_or_else(errors::not_a_float)?;
    let new = old
        .add(delta)
        .ok_or_else(|| errors::err("increment would produce NaN or Infinity"))?;
    let shown = new.to_plain().into_bytes();
    call.replace(key, Text::unencoded(shown.clone()));
    call.touch(key);
    call.note('$', "incrbyfloat", key);
    Ok(Reply::Bulk(shown))
}
