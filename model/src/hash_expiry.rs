//! When fields of hashes expire: setting, reading and removing it.

use crate::errors::{self, Failure};
use crate::hashes::HashEncoding;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

/// The latest moment at which a field may expire, in milliseconds since 1970.
const EXPIRES_AT_MS_MAX: i64 = (1 << 46) - 1;

pub fn hexpire(call: &mut Call) -> Outcome {
    set(call, true, true)
}

pub fn hpexpire(call: &mut Call) -> Outcome {
    set(call, false, true)
}

pub fn hexpireat(call: &mut Call) -> Outcome {
    set(call, true, false)
}

pub fn hpexpireat(call: &mut Call) -> Outcome {
    set(call, false, false)
}

/// The names of fields behind FIELDS at this place and their number.
fn names<'a>(call: &Call<'a>, at: usize, complaint: &str) -> Result<&'a [Vec<u8>], Failure> {
    if at >= call.args.len() || !call.says(at, "FIELDS") {
        return Err(errors::err(
            "Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = numbers::integer_or(call.arg(at + 1), complaint)?;
    if count < 1 {
        return Err(errors::err(complaint));
    }
    let names = &call.args[at + 2..];
    if usize::try_from(count) != Ok(names.len()) {
        return Err(errors::err(
            "The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(names)
}

fn set(call: &mut Call, seconds: bool, relative: bool) -> Outcome {
    let key = call.key();
    call.hash(key)?;
    let amount = numbers::integer(call.arg(2))?;
    if amount < 0 {
        return Err(errors::err("invalid expire time, must be >= 0"));
    }
    let base = if relative { call.now_ms } else { 0 };
    let at = i128::from(amount) * if seconds { 1000 } else { 1 } + i128::from(base);
    if at > i128::from(EXPIRES_AT_MS_MAX) {
        return Err(errors::invalid_expire(call.name));
    }
    let at = i64::try_from(at).expect("it is within 46 bits");
    let condition = String::from_utf8_lossy(call.arg(3)).to_ascii_uppercase();
    let conditional = ["NX", "XX", "GT", "LT"].contains(&condition.as_str());
    let complaint = "Parameter `numFields` should be greater than 0";
    let names = names(call, 3 + usize::from(conditional), complaint)?;
    let now_ms = call.now_ms;
    let Some(hash) = call.hash(key)? else {
        return Ok(Reply::Array(vec![Reply::Integer(-2); names.len()]));
    };
    if hash.encoding == HashEncoding::Listpack {
        hash.encoding = HashEncoding::ListpackEx;
    }
    let mut answers = Vec::new();
    for name in names {
        let old = hash.find(name).map(|field| field.expires_at_ms);
        let allowed = |old: Option<i64>| match condition.as_str() {
            "NX" => old.is_none(),
            "XX" => old.is_some(),
            "GT" => old.is_some_and(|old| at > old),
            "LT" => old.is_none_or(|old| at < old),
            _ => true,
        };
        answers.push(match old {
            None => -2,
            Some(old) if !allowed(old) => 0,
            Some(_) => {
                let mut field = hash.take(name).expect("it was found");
                if at <= now_ms {
                    2
                } else {
                    field.expires_at_ms = Some(at);
                    field.relative = relative;
                    hash.place(field);
                    1
                }
            }
        });
    }
    hash.note_order();
    if answers.contains(&2) {
        call.note('h', "hdel", key);
    } else if answers.contains(&1) {
        call.note('h', "hexpire", key);
    }
    call.drop_empty_hash(key);
    if answers.iter().any(|&answer| answer > 0) {
        call.touch(key);
    }
    Ok(numbers_of(answers))
}

fn numbers_of(answers: Vec<i64>) -> Reply {
    Reply::Array(answers.into_iter().map(Reply::Integer).collect())
}

pub fn hpersist(call: &mut Call) -> Outcome {
    let key = call.key();
    call.hash(key)?;
    let names = names(call, 2, "Number of fields must be a positive integer")?;
    let Some(hash) = call.hash(key)? else {
        return Ok(Reply::Array(vec![Reply::Integer(-2); names.len()]));
    };
    let mut answers = Vec::new();
    for name in names {
        answers.push(match hash.find(name).map(|field| field.expires_at_ms) {
            None => -2,
            Some(None) => -1,
            Some(Some(_)) => {
                let mut field = hash.take(name).expect("it was found");
                field.expires_at_ms = None;
                hash.place(field);
                1
            }
        });
    }
    if answers.contains(&1) {
        call.note('h', "hpersist", key);
    }
    Ok(numbers_of(answers))
}

pub fn httl(call: &mut Call) -> Outcome {
    let now_ms = call.now_ms;
    read(call, |at| (at - now_ms + 999) / 1000)
}

pub fn hpttl(call: &mut Call) -> Outcome {
    let now_ms = call.now_ms;
    read(call, |at| at - now_ms)
}

pub fn hexpiretime(call: &mut Call) -> Outcome {
    read(call, |at| (at + 999) / 1000)
}

pub fn hpexpiretime(call: &mut Call) -> Outcome {
    read(call, |at| at)
}

fn read(call: &mut Call, show: impl Fn(i64) -> i64) -> Outcome {
    let key = call.key();
    call.look_for(key);
    call.hash(key)?;
    let names = names(call, 2, "Number of fields must be a positive integer")?;
    let now_ms = call.now_ms;
    let hash = call.hash(key)?;
    // Of a `listpackex` a field is gone one millisecond earlier here than for all other commands (t_hash.c).
    let is_packed = hash
        .as_ref()
        .is_some_and(|hash| hash.encoding == HashEncoding::ListpackEx);
    let mut answers = Vec::new();
    for name in names {
        let field = hash.as_ref().and_then(|hash| hash.find(name));
        answers.push(match field.map(|field| field.expires_at_ms) {
            None => -2,
            Some(None) => -1,
            Some(Some(at)) if is_packed && at <= now_ms => -2,
            Some(Some(at)) => show(at),
        });
    }
    Ok(numbers_of(answers))
}
