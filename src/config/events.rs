//! Classes of keyspace events, as `notify-keyspace-events` names them.

use super::value::Invalid;

/// Class letters in the order they are shown, and their bits. `A` stands for all of them but the last three.
const CLASSES: &[(u8, i64)] = &[
    (b'g', GENERIC),
    (b'$', STRING),
    (b'l', LIST),
    (b's', SET),
    (b'h', HASH),
    (b'z', ZSET),
    (b'x', EXPIRED),
    (b'e', EVICTED),
    (b't', STREAM),
    (b'd', MODULE),
    (b'n', NEW),
    (b'K', KEYSPACE),
    (b'E', KEYEVENT),
    (b'm', MISS),
];

pub const KEYSPACE: i64 = 1;
pub const KEYEVENT: i64 = 1 << 1;
pub const GENERIC: i64 = 1 << 2;
pub const STRING: i64 = 1 << 3;
pub const LIST: i64 = 1 << 4;
pub const SET: i64 = 1 << 5;
pub const HASH: i64 = 1 << 6;
pub const ZSET: i64 = 1 << 7;
pub const EXPIRED: i64 = 1 << 8;
pub const EVICTED: i64 = 1 << 9;
pub const STREAM: i64 = 1 << 10;
pub const MISS: i64 = 1 << 11;
pub const MODULE: i64 = 1 << 13;
pub const NEW: i64 = 1 << 14;
/// What `A` stands for.
pub const ALL: i64 =
    GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// Reads class letters.
pub fn parse(letters: &[u8]) -> Result<i64, Invalid> {
    letters.iter().try_fold(0, |bits, letter| {
        if *letter == b'A' {
            return Ok(bits | ALL);
        }
        CLASSES
            .iter()
            .find(|(of, _)| of == letter)
            .map(|(_, bit)| bits | bit)
            .ok_or(Invalid::EventClass)
    })
}

/// Prints class letters. Redis does not show `n` beside `A`, and so it cannot be told back: the same here.
pub fn print(bits: i64) -> String {
    let all = bits & ALL == ALL;
    let letters = CLASSES
        .iter()
        .filter(|(_, bit)| bits & bit != 0 && !(all && (ALL | NEW) & bit != 0))
        .map(|(letter, _)| char::from(*letter));
    all.then_some('A').into_iter().chain(letters).collect()
}
