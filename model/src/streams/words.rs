//! Words that are IDs.

use super::{FIRST_ID, Id, LAST_ID};
use crate::errors::{self, Failure};

fn invalid() -> Failure {
    errors::err("Invalid stream ID specified as stream command argument")
}

/// The milliseconds and the number, which is nothing for `ms-*`.
pub fn partial(word: &[u8], missing: u64) -> Result<(u64, Option<u64>), Failure> {
    let word = std::str::from_utf8(word).map_err(|_| invalid())?;
    let number = |text: &str| -> Result<u64, Failure> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.filter(|_| word.len() < 128).ok_or_else(invalid)
    };
    match word.split_once('-') {
        None => Ok((number(word)?, Some(missing))),
        Some((ms, "*")) => Ok((number(ms)?, None)),
        Some((ms, seq)) => Ok((number(ms)?, Some(number(seq)?))),
    }
}

pub fn id(word: &[u8], missing: u64) -> Result<Id, Failure> {
    match partial(word, missing)? {
        (ms, Some(seq)) => Ok((ms, seq)),
        (_, None) => Err(invalid()),
    }
}

pub fn ids(words: &[Vec<u8>]) -> Result<Vec<Id>, Failure> {
    words.iter().map(|word| id(word, 0)).collect()
}

/// An ID, `-` or `+`.
pub fn bound(word: &[u8], missing: u64) -> Result<Id, Failure> {
    match word {
        b"-" => Ok(FIRST_ID),
        b"+" => Ok(LAST_ID),
        _ => id(word, missing),
    }
}

pub fn next(id: Id) -> Option<Id> {
    match id {
        LAST_ID => None,
        (ms, u64::MAX) => Some((ms + 1, 0)),
        (ms, seq) => Some((ms, seq + 1)),
    }
}

pub fn previous(id: Id) -> Option<Id> {
    match id {
        FIRST_ID => None,
        (ms, 0) => Some((ms - 1, u64::MAX)),
        (ms, seq) => Some((ms, seq - 1)),
    }
}

/// Where an interval starts.
pub fn start(word: &[u8]) -> Result<Id, Failure> {
    match word {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let complaint = || errors::err("invalid start ID for the interval");
            next(id(rest, 0)?).ok_or_else(complaint)
        }
        _ => bound(word, 0),
    }
}

/// Where an interval ends.
pub fn end(word: &[u8]) -> Result<Id, Failure> {
    match word {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let complaint = || errors::err("invalid end ID for the interval");
            previous(id(rest, u64::MAX)?).ok_or_else(complaint)
        }
        _ => bound(word, u64::MAX),
    }
}

/// `-NOGROUP` and parts of which the odd ones are from the client.
pub fn no_group(parts: &[&[u8]]) -> Failure {
    let parts: Vec<&[u8]> = parts
        .iter()
        .map(|part| crate::commands::up_to_nul(part, usize::MAX))
        .collect();
    let err = errors::err_bytes(&parts);
    Failure([b"NOGROUP", &err.0[3..]].concat())
}
