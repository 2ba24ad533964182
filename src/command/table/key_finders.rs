//! The finders of commands whose key specs cannot find all keys, or cannot tell how they are accessed.

use super::key_spec::{KeyFlag, KeyFlags};
use super::keys::{KeyRef, Keys};

const READ: KeyFlags = KeyFlags::of(&[KeyFlag::Ro, KeyFlag::Access]);
const CHANGE: KeyFlags = KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update]);
const OVERWRITE: KeyFlags = KeyFlags::of(&[KeyFlag::Ow, KeyFlag::Update]);
const GIVE_AWAY: KeyFlags = KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]);

/// SET: the old value counts only with GET.
pub fn set(args: &[&[u8]], keys: &mut Keys) {
    let gets = args.iter().skip(3).any(|word| is(word, "get"));
    let flags = if gets { CHANGE } else { OVERWRITE };
    keys.push(KeyRef { position: 1, flags });
}

/// BITFIELD: read-only when it consists of GETs alone.
pub fn bitfield(args: &[&[u8]], keys: &mut Keys) {
    let mut rest = args.get(2..).unwrap_or_default();
    let reads = loop {
        rest = match rest {
            [] => break true,
            [word, _, _, tail @ ..] if is(word, "get") => tail,
            [word, _, tail @ ..] if is(word, "overflow") => tail,
            _ => break false,
        };
    };
    let flags = if reads { READ } else { CHANGE };
    keys.push(KeyRef { position: 1, flags });
}

/// SORT_RO: the keys that BY and GET make up cannot be known.
pub fn sort_ro(_args: &[&[u8]], keys: &mut Keys) {
    keys.push(KeyRef {
        position: 1,
        flags: READ,
    });
}

/// SORT: its key, and that of the last STORE.
pub fn sort(args: &[&[u8]], keys: &mut Keys) {
    keys.push(KeyRef {
        position: 1,
        flags: READ,
    });
    let mut destination = None;
    let mut i = 2;
    while i < args.len() {
        if is(args[i], "limit") {
            i += 2;
        } else if is(args[i], "get") || is(args[i], "by") {
            i += 1;
        } else if is(args[i], "store") && i + 1 < args.len() {
            destination = Some(i + 1);
        }
        i += 1;
    }
    keys.extend(destination.map(|position| KeyRef {
        position,
        flags: OVERWRITE,
    }));
}

/// MIGRATE: one key, or those after KEYS when the one is empty.
pub fn migrate(args: &[&[u8]], keys: &mut Keys) {
    let mut range = 3..4;
    let mut i = 6;
    while i < args.len() {
        if is(args[i], "keys") {
            range = if args[3].is_empty() {
                i + 1..args.len()
            } else {
                0..0
            };
            break;
        }
        i += match args[i] {
            word if is(word, "auth") => 2,
            word if is(word, "auth2") => 3,
            _ => 1,
        };
    }
    keys.extend(range.map(|position| KeyRef {
        position,
        flags: GIVE_AWAY,
    }));
}

/// GEORADIUS and GEORADIUSBYMEMBER: the key, and that of the last STORE or STOREDIST.
pub fn georadius(args: &[&[u8]], keys: &mut Keys) {
    keys.push(unflagged(1));
    let mut destination = None;
    let mut i = 5;
    while i + 1 < args.len() {
        if is(args[i], "store") || is(args[i], "storedist") {
            i += 1;
            destination = Some(i);
        }
        i += 1;
    }
    keys.extend(destination.map(unflagged));
}

/// XREAD and XREADGROUP: the first half of what follows STREAMS.
pub fn xread(args: &[&[u8]], keys: &mut Keys) {
    let mut i = 1;
    while i < args.len() {
        i += match args[i] {
            word if is(word, "block") || is(word, "count") => 2,
            word if is(word, "group") => 3,
            word if is(word, "noack") => 1,
            word if is(word, "streams") => {
                let first = i + 1;
                let words = args.len() - first;
                if words.is_multiple_of(2) {
                    keys.extend((first..first + words / 2).map(unflagged));
                }
                return;
            }
            _ => return,
        };
    }
}

/// Commands of the form `COMMAND numkeys key ...`.
pub fn counted_from_1(args: &[&[u8]], keys: &mut Keys) {
    counted(1, args, keys);
}

/// Commands of the form `COMMAND word numkeys key ...`.
pub fn counted_from_2(args: &[&[u8]], keys: &mut Keys) {
    counted(2, args, keys);
}

/// Commands of the form `COMMAND destination numkeys key ...`.
pub fn stored_and_counted(args: &[&[u8]], keys: &mut Keys) {
    counted(2, args, keys);
    if !keys.is_empty() {
        keys.push(unflagged(1));
    }
}

fn counted(count_at: usize, args: &[&[u8]], keys: &mut Keys) {
    let count = args.get(count_at).map_or(0, |word| leading_integer(word));
    let first = count_at + 1;
    let available = args.len().saturating_sub(first);
    if let Ok(count) = usize::try_from(count)
        && (1..=available).contains(&count)
    {
        keys.extend((first..first + count).map(unflagged));
    }
}

/// The number that a word begins with, 0 when it begins with none: spaces, a sign and what follows are taken as C's
/// `atoi` takes them, which reads 64 bits and keeps the lower 32.
fn leading_integer(word: &[u8]) -> i32 {
    let word = word.trim_ascii_start();
    let (sign, digits) = match word {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |value, byte| {
            value
                .saturating_mul(10)
                .saturating_add(sign * i64::from(byte - b'0'))
        });
    value as i32
}

fn unflagged(position: usize) -> KeyRef {
    KeyRef {
        position,
        flags: KeyFlags::NONE,
    }
}

fn is(word: &[u8], token: &str) -> bool {
    word.eq_ignore_ascii_case(token.as_bytes())
}
