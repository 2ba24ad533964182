//! Enumerating keys: KEYS, SCAN, RANDOMKEY. The model answers in key order and in one page; what
//! Redis may answer instead is for the comparison to judge.

use crate::errors;
use crate::glob;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

fn select(call: &mut Call, wanted: impl Fn(&[u8], &str) -> bool) -> Reply {
    let entries = &call.database().entries;
    let chosen = entries
        .iter()
        .filter(|(key, entry)| wanted(key, entry.value.type_name()))
        .map(|(key, _)| Reply::bulk(key));
    Reply::Array(chosen.collect())
}

pub fn keys(call: &mut Call) -> Outcome {
    let pattern = call.arg(1);
    Ok(select(call, |key, _| glob::matches(pattern, key)))
}

pub fn scan(call: &mut Call) -> Outcome {
    if numbers::cursor(call.arg(1)).is_none() {
        return Err(errors::err("invalid cursor"));
    }
    let (mut pattern, mut kind) = (None, None);
    let mut index = 2;
    while index < call.args.len() {
        let followed = index + 1 < call.args.len();
        if call.says(index, "COUNT") && followed {
            if numbers::integer(call.arg(index + 1))? < 1 {
                return Err(errors::syntax());
            }
        } else if call.says(index, "MATCH") && followed {
            pattern = Some(call.arg(index + 1));
        } else if call.says(index, "TYPE") && followed {
            kind = Some(String::from_utf8_lossy(call.arg(index + 1)).to_ascii_lowercase());
        } else if call.says(index, "NOVALUES") {
            return Err(errors::err("NOVALUES option can only be used in HSCAN"));
        } else {
            return Err(errors::syntax());
        }
        index += 2;
    }
    let page = select(call, |key, of_type| {
        pattern.is_none_or(|pattern| glob::matches(pattern, key))
            && kind.as_deref().is_none_or(|kind| kind == of_type)
    });
    Ok(Reply::Array(vec![Reply::bulk(b"0"), page]))
}

pub fn randomkey(call: &mut Call) -> Outcome {
    let first = call.database().entries.keys().next();
    Ok(first.map_or(Reply::Null, |key| Reply::bulk(key)))
}
