//! Strings: SET and its relatives, ranges.

use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Encoding, Outcome, STRING_BYTES_MAX, Text};

/// An expiry as an argument gives it, before it is read.
#[derive(Clone, Copy)]
struct ExpiryOption<'a> {
    amount: &'a [u8],
    /// EX and EXAT count seconds, PX and PXAT milliseconds.
    seconds: bool,
    /// EX and PX count from now.
    relative: bool,
}

#[derive(Default)]
struct Options<'a> {
    only_if_missing: bool,
    only_if_present: bool,
    answer_old: bool,
    keep_expiry: bool,
    persist: bool,
    expiry: Option<(&'static str, ExpiryOption<'a>)>,
}

/// Which options a command takes.
#[derive(Clone, Copy, PartialEq)]
enum Grammar {
    Set,
    GetEx,
}

fn parse_options<'a>(
    call: &Call<'a>,
    from: usize,
    grammar: Grammar,
) -> Result<Options<'a>, Failure> {
    let mut options = Options::default();
    let mut index = from;
    while index < call.args.len() {
        let word = String::from_utf8_lossy(call.arg(index)).to_ascii_uppercase();
        let is_set = grammar == Grammar::Set;
        match word.as_str() {
            "NX" if is_set && !options.only_if_present => options.only_if_missing = true,
            "XX" if is_set && !options.only_if_missing => options.only_if_present = true,
            "GET" if is_set => options.answer_old = true,
            "KEEPTTL" if is_set && options.expiry.is_none() => options.keep_expiry = true,
            "PERSIST" if !is_set && options.expiry.is_none() => options.persist = true,
            "EX" | "PX" | "EXAT" | "PXAT" => {
                index += 1;
                if index == call.args.len() {
                    return Err(errors::syntax());
                }
                expiry_option(&mut options, &word, call.arg(index))?;
            }
            _ => return Err(errors::syntax()),
        }
        index += 1;
    }
    Ok(options)
}

/// The same expiry option may come twice, the last one counts; two different ones are an error.
fn expiry_option<'a>(
    options: &mut Options<'a>,
    word: &str,
    amount: &'a [u8],
) -> Result<(), Failure> {
    let (name, seconds, relative) = match word {
        "EX" => ("EX", true, true),
        "PX" => ("PX", false, true),
        "EXAT" => ("EXAT", true, false),
        _ => ("PXAT", false, false),
    };
    let other = options.expiry.is_some_and(|(earlier, _)| earlier != name);
    if other || options.keep_expiry || options.persist {
        return Err(errors::syntax());
    }
    options.expiry = Some((
        name,
        ExpiryOption {
            amount,
            seconds,
            relative,
        },
    ));
    Ok(())
}

/// The moment an expiry option names, in milliseconds since 1970.
fn read_expiry(call: &Call, option: ExpiryOption) -> Result<i64, Failure> {
    let invalid = || errors::invalid_expire(call.name);
    let amount = numbers::integer(option.amount)?;
    if amount <= 0 || (option.seconds && amount > i64::MAX / 1000) {
        return Err(invalid());
    }
    let milliseconds = if option.seconds {
        amount * 1000
    } else {
        amount
    };
    let at = if option.relative {
        call.after_now(milliseconds)
    } else {
        milliseconds
    };
    if at <= 0 { Err(invalid()) } else { Ok(at) }
}

fn set_expiry(call: &mut Call, key: &[u8], at_ms: i64, relative: bool) {
    let entry = call
        .entry(key)
        .expect("the key was found or written just before");
    entry.expires_at_ms = Some(at_ms);
    entry.relative = relative;
    call.touch(key);
    call.note('g', "expire", key);
}

/// Stores a string under a key, which loses its expiry.
fn put(call: &mut Call, key: &[u8], bytes: &[u8]) {
    call.put(key, Text::encoded(bytes.to_vec()));
    call.note('$', "set", key);
}

pub fn set(call: &mut Call) -> Outcome {
    let options = parse_options(call, 3, Grammar::Set)?;
    let expiry = match options.expiry {
        Some((_, option)) => Some((read_expiry(call, option)?, option.relative)),
        None => None,
    };
    let key = call.key();
    let old = if options.answer_old {
        Some(read(call, key)?)
    } else {
        None
    };
    let exists = call.exists(key);
    if (options.only_if_missing && exists) || (options.only_if_present && !exists) {
        return Ok(old.unwrap_or(Reply::Null));
    }
    if options.keep_expiry {
        call.replace(key, Text::encoded(call.arg(2).to_vec()));
        call.touch(key);
        call.note('$', "set", key);
    } else {
        put(call, key, call.arg(2));
    }
    if let Some((at, relative)) = expiry {
        set_expiry(call, key, at, relative);
    }
    Ok(old.unwrap_or_else(Reply::ok))
}

pub fn setnx(call: &mut Call) -> Outcome {
    let key = call.key();
    if call.exists(key) {
        return Ok(Reply::flag(false));
    }
    put(call, key, call.arg(2));
    Ok(Reply::flag(true))
}

pub fn setex(call: &mut Call) -> Outcome {
    set_for(call, true)
}

pub fn psetex(call: &mut Call) -> Outcome {
    set_for(call, false)
}

fn set_for(call: &mut Call, seconds: bool) -> Outcome {
    let amount = call.arg(2);
    let at = read_expiry(
        call,
        ExpiryOption {
            amount,
            seconds,
            relative: true,
        },
    )?;
    let key = call.key();
    put(call, key, call.arg(3));
    set_expiry(call, key, at, true);
    Ok(Reply::ok())
}

/// The string under a key as a reply; null if there is none.
fn read(call: &mut Call, key: &[u8]) -> Outcome {
    call.look_for(key);
    Ok(call
        .text(key)?
        .map_or(Reply::Null, |text| Reply::bulk(&text.bytes)))
}

pub fn get(call: &mut Call) -> Outcome {
    let key = call.key();
    read(call, key)
}

pub fn getdel(call: &mut Call) -> Outcome {
    let key = call.key();
    let old = read(call, key)?;
    call.delete(key);
    Ok(old)
}

pub fn getset(call: &mut Call) -> Outcome {
    let key = call.key();
    let old = read(call, key)?;
    put(call, key, call.arg(2));
    Ok(old)
}

pub fn getex(call: &mut Call) -> Outcome {
    let options = parse_options(call, 2, Grammar::GetEx)?;
    let key = call.key();
    let value = read(call, key)?;
    if value == Reply::Null {
        return Ok(value);
    }
    if let Some((_, option)) = options.expiry {
        let at = read_expiry(call, option)?;
        if !option.relative && at <= call.now_ms {
            call.delete(key);
        } else {
            set_expiry(call, key, at, option.relative);
        }
    } else if options.persist {
        let entry = call.entry(key).expect("it was just read");
        if entry.expires_at_ms.take().is_some() {
            call.note('g', "persist", key);
        }
    }
    Ok(value)
}

pub fn mget(call: &mut Call) -> Outcome {
    let keys = &call.args[1..];
    let values = keys
        .iter()
        .map(|key| read(call, key).unwrap_or(Reply::Null));
    Ok(Reply::Array(values.collect()))
}

pub fn mset(call: &mut Call) -> Outcome {
    set_pairs(call, false)?;
    Ok(Reply::ok())
}

pub fn msetnx(call: &mut Call) -> Outcome {
    Ok(Reply::flag(set_pairs(call, true)?))
}

fn set_pairs(call: &mut Call, only_if_missing: bool) -> Result<bool, Failure> {
    if call.args.len().is_multiple_of(2) {
        return Err(errors::wrong_arity(call.name));
    }
    let pairs = call.args[1..].chunks(2);
    if only_if_missing && pairs.clone().any(|pair| call.exists(&pair[0])) {
        return Ok(false);
    }
    for pair in pairs {
        put(call, &pair[0], &pair[1]);
    }
    Ok(true)
}

pub fn append(call: &mut Call) -> Outcome {
    let key = call.key();
    let more = call.arg(2);
    let text = match call.text(key)? {
        None => Text::encoded(more.to_vec()),
        Some(old) if old.bytes.len() + more.len() > STRING_BYTES_MAX => {
            return Err(errors::too_long());
        }
        Some(old) => Text::raw([&old.bytes, more].concat()),
    };
    let length = text.bytes.len();
    call.replace(key, text);
    call.touch(key);
    call.note('$', "append", key);
    Ok(Reply::count(length))
}

pub fn strlen(call: &mut Call) -> Outcome {
    let key = call.key();
    call.look_for(key);
    Ok(Reply::count(call.bytes(key)?.len()))
}

/// GETRANGE and its old name SUBSTR.
pub fn getrange(call: &mut Call) -> Outcome {
    let start = numbers::integer(call.arg(2))?;
    let end = numbers::integer(call.arg(3))?;
    let key = call.key();
    call.look_for(key);
    let bytes = call.bytes(key)?;
    let length = i64::try_from(bytes.len()).expect("a string is shorter than 2^63");
    let from_end = |index: i64| {
        if index < 0 {
            (length + index).max(0)
        } else {
            index
        }
    };
    if start < 0 && end < 0 && start > end {
        return Ok(Reply::bulk(b""));
    }
    let range = from_end(start)..=from_end(end).min(length - 1);
    let chosen = bytes
        .iter()
        .zip(0_i64..)
        .filter(|(_, index)| range.contains(index))
        .map(|(&byte, _)| byte);
    Ok(Reply::Bulk(chosen.collect()))
}

pub fn setrange(call: &mut Call) -> Outcome {
    let offset = numbers::integer(call.arg(2))?;
    let offset = usize::try_from(offset).map_err(|_| errors::err("offset is out of range"))?;
    let key = call.key();
    let patch = call.arg(3);
    let mut bytes = call.bytes(key)?;
    if patch.is_empty() {
        return Ok(Reply::count(bytes.len()));
    }
    let end = offset.saturating_add(patch.len());
    if end > STRING_BYTES_MAX {
        return Err(errors::too_long());
    }
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(patch);
    let length = bytes.len();
    call.replace(key, Text::raw(bytes));
    call.touch(key);
    call.note('$', "setrange", key);
    Ok(Reply::count(length))
}

/// What OBJECT ENCODING calls it.
pub fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Integer => "int",
        Encoding::Embedded => "embstr",
        Encoding::Raw => "raw",
    }
}
