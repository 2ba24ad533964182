//! Which words of a request are keys.

use crate::numbers;
use crate::table::{Access, Declared};

/// Why COMMAND GETKEYS finds none.
pub enum NoKeys {
    Invalid,
    Optional,
}

/// Commands with a number of keys, and where it stands.
const COUNTED: &[(&str, usize)] = &[
    ("eval", 2),
    ("eval_ro", 2),
    ("evalsha", 2),
    ("evalsha_ro", 2),
    ("fcall", 2),
    ("fcall_ro", 2),
    ("blmpop", 2),
    ("bzmpop", 2),
    ("lmpop", 1),
    ("zmpop", 1),
    ("sintercard", 1),
    ("zdiff", 1),
    ("zinter", 1),
    ("zintercard", 1),
    ("zunion", 1),
    ("zdiffstore", 2),
    ("zinterstore", 2),
    ("zunionstore", 2),
];

/// Commands whose words stand where keys do, and are none.
const NO_KEYS: &[&str] = &["spublish", "ssubscribe", "sunsubscribe"];

/// A word that is a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedKey {
    pub place: usize,
    pub access: Access,
}

/// The keys of a request, and what is done with each.
pub fn named(declared: &Declared, request: &[Vec<u8>]) -> Vec<NamedKey> {
    if NO_KEYS.contains(&declared.name) {
        return Vec::new();
    }
    let places = places(declared, request).unwrap_or_default();
    let named = places.into_iter().enumerate();
    named
        .map(|(number, place)| NamedKey {
            place,
            access: match declared.name {
                "set" => of_set(request),
                "bitfield" => of_bitfield(request),
                _ => declared.accesses[number.min(1)],
            },
        })
        .collect()
}

/// SET reads only if it answers what was there.
fn of_set(request: &[Vec<u8>]) -> Access {
    let options = request.get(3..).unwrap_or_default();
    Access {
        reads: options.iter().any(|it| it.eq_ignore_ascii_case(b"GET")),
        writes: true,
    }
}

/// BITFIELD writes unless every operation is a GET.
fn of_bitfield(request: &[Vec<u8>]) -> Access {
    let mut at = 2;
    let mut writes = false;
    while at < request.len() && !writes {
        let behind = request.len() - at - 1;
        match request[at].to_ascii_uppercase().as_slice() {
            b"GET" if behind >= 2 => at += 3,
            b"OVERFLOW" if behind >= 1 => at += 2,
            _ => writes = true,
        }
    }
    Access {
        reads: true,
        writes,
    }
}

/// Whether a command takes keys at all.
pub fn has_keys(declared: &Declared) -> bool {
    declared.positions[0] > 0 || declared.has_flag("movablekeys")
}

/// The places of the keys in a request of this command.
pub fn places(declared: &Declared, request: &[Vec<u8>]) -> Result<Vec<usize>, NoKeys> {
    let mut places = fixed(declared, request.len());
    let name = declared.name;
    if let Some((_, at)) = COUNTED.iter().find(|(counted, _)| *counted == name) {
        let is_script = name.starts_with("eval") || name.starts_with("fcall");
        return match counted(request, *at) {
            Some(found) if !found.is_empty() => {
                places.extend(found);
                Ok(places)
            }
            _ if is_script => Err(NoKeys::Optional),
            _ => Err(NoKeys::Invalid),
        };
    }
    match name {
        // One of its two kinds of keys is missing, and then Redis finds none.
        "pfmerge" if request.len() == 2 => return Err(NoKeys::Invalid),
        "xread" | "xreadgroup" => places = of_streams(request).ok_or(NoKeys::Invalid)?,
        "sort" => places.extend(behind(request, "STORE", 2)),
        "georadius" | "georadiusbymember" => {
            let from = if name == "georadius" { 6 } else { 5 };
            let first = |word: &str| {
                let words = request.iter().skip(from);
                let mut words = words.take(request.len().saturating_sub(from + 1));
                words.position(|it| it.eq_ignore_ascii_case(word.as_bytes()))
            };
            let stores = ["STORE", "STOREDIST"].map(first).into_iter().flatten();
            places.extend(stores.map(|at| from + at + 1));
        }
        _ => {}
    }
    Ok(places)
}

fn fixed(declared: &Declared, words: usize) -> Vec<usize> {
    let [first, last, step] = declared.positions;
    if first == 0 {
        return Vec::new();
    }
    let last = if last < 0 { words as i64 + last } else { last };
    (first..=last)
        .step_by(step.max(1) as usize)
        .map(|place| place as usize)
        .collect()
}

/// As many keys as the word at `at` says.
fn counted(request: &[Vec<u8>], at: usize) -> Option<std::ops::Range<usize>> {
    let count = numbers::leading(request.get(at)?);
    let count = usize::try_from(count).ok()?;
    let end = (at + 1).checked_add(count)?;
    (end <= request.len()).then_some(at + 1..end)
}

/// The first half of what stands behind STREAMS, without the middle one.
fn of_streams(request: &[Vec<u8>]) -> Option<Vec<usize>> {
    let at = request
        .iter()
        .position(|word| word.eq_ignore_ascii_case(b"STREAMS"))?;
    let behind = request.len() - at - 1;
    (behind > 1).then(|| (at + 1..=at + behind / 2).collect())
}

/// The keys of an XREAD as its options are read: none behind a word that is no option, or without an ID for each.
pub fn streams_read(request: &[Vec<u8>]) -> Vec<usize> {
    let mut at = 1;
    while let Some(word) = request.get(at) {
        at += match word.to_ascii_uppercase().as_slice() {
            b"BLOCK" | b"COUNT" => 2,
            b"GROUP" => 3,
            b"NOACK" => 1,
            b"STREAMS" => {
                let behind = request.len() - at - 1;
                let keys = if behind.is_multiple_of(2) {
                    behind / 2
                } else {
                    0
                };
                return (at + 1..=at + keys).collect();
            }
            _ => break,
        };
    }
    Vec::new()
}

/// The place behind the last such word.
fn behind(request: &[Vec<u8>], word: &str, from: usize) -> Option<usize> {
    let mut places = from..request.len().saturating_sub(1);
    let is_word = |at: &usize| request[*at].eq_ignore_ascii_case(word.as_bytes());
    places.rfind(is_word).map(|at| at + 1)
}
