//! Which words of a request are keys.

use smallvec::SmallVec;

use super::Command;
use super::key_spec::{BeginSearch, FindKeys, KeyFlag, KeyFlags, KeySpec};
use super::row::Flag;

/// A word of a request that is a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// Which word; the command's name is word 0.
    pub position: usize,
    pub flags: KeyFlags,
}

/// The keys of one request, in the order in which COMMAND GETKEYS shows them.
pub type Keys = SmallVec<[KeyRef; 4]>;

/// The request names no keys although its command demands some: it will fail with an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request names no keys where its command needs some")]
pub struct NoKeys;

/// The keys of the request `args`, whose first word (the first two, of a subcommand) is the name of `command`.
///
/// Empty where the command takes no keys or may be sent without. The number of words is checked against the arity
/// before: a request that is too short has [`NoKeys`].
pub fn keys(command: &Command, args: &[&[u8]]) -> Result<Keys, NoKeys> {
    let mut found = Keys::new();
    if !command.takes_keys() {
        return Ok(found);
    }
    if !command.accepts(args.len()) {
        return Err(NoKeys);
    }
    let specs = command.row.key_specs;
    let has_key = specs.iter().any(|s| !s.flags.has(KeyFlag::NotKey));
    let varies = specs.iter().any(|s| s.flags.has(KeyFlag::VariableFlags));
    let by_specs = has_key && !varies && search(specs, args, &mut found);
    if !by_specs {
        found.clear();
        if let Some(find) = command.row.key_finder {
            find(args, &mut found);
        }
    }
    if found.is_empty() && !command.flags.has(Flag::NoMandatoryKeys) {
        return Err(NoKeys);
    }
    assert!(
        found.iter().all(|key| key.position < args.len()),
        "a key is a word of the request"
    );
    Ok(found)
}

/// The keys that the command itself comes upon as it reads its words: none behind an option that it refuses. Where it has
/// no such reading, its [`keys`].
pub fn keys_as_read(command: &Command, args: &[&[u8]]) -> Keys {
    let Some(find) = command.row.key_finder else {
        return keys(command, args).unwrap_or_default();
    };
    let mut found = Keys::new();
    find(args, &mut found);
    found
}

/// Adds what the specs find; false when one of them does not fit the request or does not find all it is about.
fn search(specs: &[KeySpec], args: &[&[u8]], found: &mut Keys) -> bool {
    let real = specs.iter().filter(|s| !s.flags.has(KeyFlag::NotKey));
    for spec in real {
        let first = match begin(spec.begin, args) {
            Begin::At(first) => first,
            Begin::Absent => continue,
            Begin::Unknown => return false,
        };
        let Some((first, last, step)) = range(spec.find, first, args) else {
            return false;
        };
        let words = args.len() as i64;
        if first >= words || last >= words || last < first {
            return false;
        }
        found.extend(
            (first as usize..=last as usize)
                .step_by(step as usize)
                .map(|position| KeyRef {
                    position,
                    flags: spec.flags,
                }),
        );
        if spec.flags.has(KeyFlag::Incomplete) {
            return false;
        }
    }
    true
}

/// Where a spec begins in one request.
enum Begin {
    At(i64),
    /// Its keyword is not there, and so neither are its keys.
    Absent,
    Unknown,
}

fn begin(search: BeginSearch, args: &[&[u8]]) -> Begin {
    let (word, from) = match search {
        BeginSearch::Index(position) => return Begin::At(i64::from(position)),
        BeginSearch::Keyword { word, from } => (word.as_bytes(), from),
        BeginSearch::Unknown => return Begin::Unknown,
    };
    let is_word = |position: &usize| args[*position].eq_ignore_ascii_case(word);
    // The last word cannot introduce a key when looking forwards, and the word after the name cannot be the keyword
    // when looking backwards.
    let position = if from > 0 {
        (from as usize..args.len().saturating_sub(1)).find(is_word)
    } else {
        let start = args.len().saturating_sub(from.unsigned_abs() as usize);
        (2..args.len().min(start + 1)).rev().find(is_word)
    };
    position.map_or(Begin::Absent, |position| Begin::At(position as i64 + 1))
}

/// First, last and step of what a spec finds, when its first word is `first`.
fn range(find: FindKeys, first: i64, args: &[&[u8]]) -> Option<(i64, i64, i64)> {
    let words = args.len() as i64;
    match find {
        FindKeys::Range { last, step, limit } => {
            let last = if last >= 0 {
                first + i64::from(last)
            } else if limit == 0 {
                words + i64::from(last)
            } else {
                first + (words - first) / i64::from(limit) + i64::from(last)
            };
            Some((first, last, i64::from(step)))
        }
        FindKeys::KeyNum {
            count,
            first: offset,
            step,
        } => {
            let word = args.get(usize::try_from(first + i64::from(count)).ok()?)?;
            let keys = integer(word).filter(|&keys| keys >= 0)?;
            let first = first + i64::from(offset);
            Some((
                first,
                first.checked_add(keys)?.checked_sub(1)?,
                i64::from(step),
            ))
        }
        FindKeys::Unknown => None,
    }
}

/// A number of 64 bits written as Redis prints it: no plus sign, no leading zero, no space.
fn integer(word: &[u8]) -> Option<i64> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let canonical = match digits {
        [b'0'] => word.len() == 1,
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    if !canonical || word.len() > 20 {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}
