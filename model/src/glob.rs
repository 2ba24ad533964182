//! Glob patterns as KEYS and SCAN match them.

/// Whether a key matches a pattern of `*`, `?`, `[abc]`, `[^a-z]` and `\x`. The empty key is matched
/// by the empty pattern and a single `*`, and not by several, as in Redis.
pub fn matches(pattern: &[u8], key: &[u8]) -> bool {
    if key.is_empty() {
        return pattern.is_empty() || pattern == b"*";
    }
    matches_rest(pattern, key)
}

/// Whether a name matches a pattern where a single `*` is no exception: the empty name is matched by the empty pattern
/// only.
pub fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.is_empty() {
        return pattern.is_empty();
    }
    matches_rest(pattern, name)
}

fn matches_rest(pattern: &[u8], key: &[u8]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else {
        return key.is_empty();
    };
    match first {
        b'*' => (0..=key.len()).any(|skip| matches_rest(rest, &key[skip..])),
        _ if key.is_empty() => false,
        b'?' => matches_rest(rest, &key[1..]),
        b'[' => {
            let (inside, rest) = class(rest, key[0]);
            inside && matches_rest(rest, &key[1..])
        }
        b'\\' if !rest.is_empty() => rest[0] == key[0] && matches_rest(&rest[1..], &key[1..]),
        literal => literal == key[0] && matches_rest(rest, &key[1..]),
    }
}

/// Reads a class up to its bracket, or to the end of the pattern if it has none. Returns whether the
/// byte is in it, and what follows.
fn class(mut pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let negated = pattern.first() == Some(&b'^');
    if negated {
        pattern = &pattern[1..];
    }
    let mut inside = false;
    loop {
        match *pattern {
            [] => break,
            [b'\\', escaped, ref rest @ ..] => {
                inside |= escaped == byte;
                pattern = rest;
            }
            [b']', ref rest @ ..] => {
                pattern = rest;
                break;
            }
            [from, b'-', to, ref rest @ ..] => {
                inside |= (from.min(to)..=from.max(to)).contains(&byte);
                pattern = rest;
            }
            [literal, ref rest @ ..] => {
                inside |= literal == byte;
                pattern = rest;
            }
        }
    }
    (inside != negated, pattern)
}
