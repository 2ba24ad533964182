//! When keys expire: setting, reading and removing it.

use crate::commands;
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

#[derive(Default)]
struct Conditions {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_earlier: bool,
}

fn parse_conditions(call: &Call) -> Result<Conditions, Failure> {
    let mut conditions = Conditions::default();
    for index in 3..call.args.len() {
        let flag = match call.arg(index).to_ascii_uppercase().as_slice() {
            b"NX" => &mut conditions.only_without,
            b"XX" => &mut conditions.only_with,
            b"GT" => &mut conditions.only_later,
            b"LT" => &mut conditions.only_earlier,
            _ => {
                let shown = commands::up_to_nul(call.arg(index), usize::MAX);
                return Err(errors::err_bytes(&[b"Unsupported option ", shown]));
            }
        };
        *flag = true;
    }
    let others = conditions.only_with || conditions.only_later || conditions.only_earlier;
    if conditions.only_without && others {
        return Err(errors::err(
            "NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if conditions.only_later && conditions.only_earlier {
        return Err(errors::err(
            "GT and LT options at the same time are not compatible",
        ));
    }
    Ok(conditions)
}

impl Conditions {
    /// Whether a new expiry may take the place of the old one. No expiry counts as later than any.
    fn allow(&self, old: Option<i64>, new: i64) -> bool {
        let refused = (self.only_without && old.is_some())
            || (self.only_with && old.is_none())
            || (self.only_later && old.is_none_or(|old| new <= old))
            || (self.only_earlier && old.is_some_and(|old| new >= old));
        !refused
    }
}

pub fn expire(call: &mut Call) -> Outcome {
    set(call, true, true)
}

pub fn pexpire(call: &mut Call) -> Outcome {
    set(call, false, true)
}

pub fn expireat(call: &mut Call) -> Outcome {
    set(call, true, false)
}

pub fn pexpireat(call: &mut Call) -> Outcome {
    set(call, false, false)
}

fn set(call: &mut Call, seconds: bool, relative: bool) -> Outcome {
    let conditions = parse_conditions(call)?;
    let amount = numbers::integer(call.arg(2))?;
    let base = if relative { call.now_ms } else { 0 };
    let unit = if seconds { 1000 } else { 1 };
    let at = amount
        .checked_mul(unit)
        .and_then(|amount| amount.checked_add(base))
        .ok_or_else(|| errors::invalid_expire(call.name))?;
    let (key, now_ms) = (call.key(), call.now_ms);
    let Some(entry) = call.entry(key) else {
        return Ok(Reply::flag(false));
    };
    if !conditions.allow(entry.expires_at_ms, at) {
        return Ok(Reply::flag(false));
    }
    entry.expires_at_ms = Some(at);
    entry.relative = relative;
    call.touch(key);
    if at <= now_ms {
        call.delete(key);
    } else {
        call.note('g', "expire", key);
    }
    Ok(Reply::flag(true))
}

pub fn ttl(call: &mut Call) -> Outcome {
    let now_ms = call.now_ms;
    read(call, |at| (at - now_ms + 500) / 1000)
}

pub fn pttl(call: &mut Call) -> Outcome {
    let now_ms = call.now_ms;
    read(call, |at| at - now_ms)
}

pub fn expiretime(call: &mut Call) -> Outcome {
    read(call, |at| at / 1000 + i64::from(at % 1000 >= 500))
}

pub fn pexpiretime(call: &mut Call) -> Outcome {
    read(call, |at| at)
}

fn read(call: &mut Call, show: impl Fn(i64) -> i64) -> Outcome {
    let key = call.key();
    call.look_for(key);
    Ok(Reply::Integer(match call.entry(key) {
        None => -2,
        Some(entry) => entry.expires_at_ms.map_or(-1, show),
    }))
}

pub fn persist(call: &mut Call) -> Outcome {
    let key = call.key();
    let had = call.entry(key).and_then(|entry| entry.expires_at_ms.take());
    if had.is_some() {
        call.touch(key);
        call.note('g', "persist", key);
    }
    Ok(Reply::flag(had.is_some()))
}
