//! Glob patterns as KEYS, SCAN MATCH and their kin read them.
//!
//! `*` any bytes, `?` one byte, `[ab]` `[^a]` `[a-z]` one byte of a class, `\x` the byte `x`. Only the last star can
//! usefully give up a byte, so matching takes at most pattern times text steps and no recursion.

/// A pattern with more stars than this (runs count once) matches nothing, as in Redis.
const STARS_MAX: usize = 1000;

/// Whether letters of different case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Insensitive,
}

/// Whether all of `text` matches `pattern`. An empty text matches only an empty pattern.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let (mut p, mut t, mut stars) = (0, 0, 0);
    // Where to go on when what follows the last star fails: (behind the star, the text it was tried at).
    let mut retry: Option<(usize, usize)> = None;
    while p < pattern.len() && t < text.len() {
        if pattern[p] == b'*' {
            p += run_of_stars(&pattern[p..]);
            if p == pattern.len() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((p, t));
            continue;
        }
        let (hit, taken) = element(&pattern[p..], text[t], case);
        if hit {
            p += taken;
            t += 1;
            if t < text.len() && p < pattern.len() {
                continue;
            }
            if t == text.len() {
                // Every element left but stars takes a byte that a later start would not have either.
                return p + run_of_stars(&pattern[p..]) == pattern.len();
            }
        }
        match retry {
            Some((behind_star, tried)) if tried + 1 < text.len() => {
                p = behind_star;
                t = tried + 1;
                retry = Some((behind_star, t));
            }
            _ => return false,
        }
    }
    p == pattern.len() && t == text.len()
}

/// The bytes that every text matching `pattern` begins with.
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let end = pattern
        .iter()
        .position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
        .unwrap_or(pattern.len());
    &pattern[..end]
}

/// Whether `text` begins with `prefix`. An empty one, which may point nowhere, is not compared: the masked loads of some
/// `memcmp` take a hundred times as long where nothing is mapped.
pub fn begins_with(text: &[u8], prefix: &[u8]) -> bool {
    prefix.is_empty() || text.starts_with(prefix)
}

fn run_of_stars(pattern: &[u8]) -> usize {
    pattern.iter().take_while(|&&byte| byte == b'*').count()
}

/// Whether the first element of `pattern`, not a star, takes `byte`, and how long the element is.
fn element(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    match pattern[0] {
        b'?' => (true, 1),
        b'[' => class(pattern, byte, case),
        b'\\' if pattern.len() >= 2 => (same(pattern[1], byte, case), 2),
        literal => (same(literal, byte, case), 1),
    }
}

/// A class `[...]`; one that is not closed ends with the pattern.
fn class(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut hit = false;
    loop {
        let rest = &pattern[at.min(pattern.len())..];
        match rest {
            [] => break,
            [b'\\', escaped, ..] => {
                hit |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [low, b'-', high, ..] => {
                hit |= in_range(*low, *high, byte, case);
                at += 3;
            }
            [literal, ..] => {
                hit |= same(*literal, byte, case);
                at += 1;
            }
        }
    }
    (hit != negated, at)
}

/// Ranges compare bytes as signed numbers and take their ends in either order.
fn in_range(low: u8, high: u8, byte: u8, case: Case) -> bool {
    let (mut low, mut high) = (low.cast_signed(), high.cast_signed());
    if low > high {
        std::mem::swap(&mut low, &mut high);
    }
    let byte = fold(byte, case).cast_signed();
    fold(low.cast_unsigned(), case).cast_signed() <= byte
        && byte <= fold(high.cast_unsigned(), case).cast_signed()
}

fn same(a: u8, b: u8, case: Case) -> bool {
    fold(a, case) == fold(b, case)
}

fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Sensitive => byte,
        Case::Insensitive => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expect: bool) {
        assert_eq!(
            matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive),
            expect,
            "{pattern:?} on {text:?}"
        );
    }

    #[test]
    fn patterns_match_as_documented() {
        for (pattern, text, expect) in [
            ("", "", true),
            ("*", "", false),
            ("*", "a", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("*a", "bca", true),
            ("*a", "bcab", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("[abc", "a", true),
            ("[abc", "c", true),
            ("[abc", "d", false),
            ("[", "a", false),
            ("[^", "a", true),
            ("[\\]]", "]", true),
            ("[]a]", "a]", false),
            ("ab", "a", false),
            ("a", "ab", false),
            ("*?", "a", true),
            ("*ab", "aab", true),
            ("*[a-c]d", "xxcd", true),
        ] {
            check(pattern, text, expect);
        }
    }

    #[test]
    fn letters_fold_only_when_asked() {
        assert!(matches(b"HeL*", b"hello", Case::Insensitive));
        assert!(!matches(b"HeL*", b"hello", Case::Sensitive));
        assert!(matches(b"[A-C]", b"b", Case::Insensitive));
    }

    #[test]
    fn abusive_patterns_end_quickly() {
        let pattern = b"*a".repeat(900);
        let text = vec![b'a'; 20_000];
        assert!(matches(&pattern, &text, Case::Sensitive));
        let mut never = pattern;
        never.push(b'b');
        assert!(!matches(&never, &text, Case::Sensitive));
        assert!(!matches(&b"*a".repeat(1001), &text, Case::Sensitive));
    }

    #[test]
    fn a_match_begins_with_the_literal_prefix() {
        assert_eq!(literal_prefix(b"user:*"), b"user:");
        assert_eq!(literal_prefix(b"us[e]r"), b"us");
        assert_eq!(literal_prefix(b"a\\*"), b"a");
        assert_eq!(literal_prefix(b"plain"), b"plain");
    }
}
