//! OBJECT: what is behind a key. And the HELP of every container.

use crate::errors;
use crate::reply::Reply;
use crate::state::{Call, Outcome, Value};
use crate::strings;

/// The reference count Redis shows for its preallocated objects.
const SHARED: i64 = i32::MAX as i64;

pub fn encoding(call: &mut Call) -> Outcome {
    let key = call.arg(2);
    Ok(call.entry(key).map_or(Reply::Null, |entry| {
        let name = match &entry.value {
            Value::Text(text) => strings::encoding_name(text.encoding),
            Value::Hash(hash) => hash.encoding_name(),
            Value::Stream(_) => "stream",
            Value::List(list) => list.encoding(),
            Value::SortedSet(set) if set.small => "listpack",
            Value::SortedSet(_) => "skiplist",
            Value::Set(set) => set.encoding_name(),
        };
        Reply::bulk(name.as_bytes())
    }))
}

pub fn refcount(call: &mut Call) -> Outcome {
    let key = call.arg(2);
    Ok(call
        .entry(key)
        .map_or(Reply::Null, |entry| match &entry.value {
            Value::Text(text) if text.shared => Reply::Integer(SHARED),
            _ => Reply::Integer(1),
        }))
}

pub fn idletime(call: &mut Call) -> Outcome {
    let key = call.arg(2);
    Ok(if call.exists(key) {
        Reply::Integer(0)
    } else {
        Reply::Null
    })
}

pub fn freq(call: &mut Call) -> Outcome {
    let key = call.arg(2);
    if !call.exists(key) {
        return Ok(Reply::Null);
    }
    Err(errors::err(
        "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
         switching between policies at runtime LRU and LFU data will take some time to adjust.",
    ))
}

/// The first and last lines of a HELP; those between them are prose and not compared.
pub fn help(call: &mut Call) -> Outcome {
    let title = String::from_utf8_lossy(call.arg(0)).to_ascii_uppercase();
    let lines = [
        format!("{title} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"),
        "HELP".to_owned(),
        "    Print this help.".to_owned(),
    ];
    let lines = lines
        .into_iter()
        .map(|line| Reply::Status(line.into_bytes()));
    Ok(Reply::Array(lines.collect()))
}
