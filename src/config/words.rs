//! Lines of words: how a line of a configuration file is split, and how a value is quoted so that splitting
//! gives it back; and the patterns of CONFIG GET.

/// Splits a line at blanks. `"..."` knows `\n \r \t \b \a \xHH` and backslash before anything else; `'...'` knows
/// only `\'`. None when a quote is not closed, or is followed by something other than a blank.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while at < line.len() && is_space(line[at]) {
            at += 1;
        }
        if at == line.len() {
            return Some(words);
        }
        let (word, next) = split_one(line, at)?;
        words.push(word);
        at = next;
    }
}

/// One word starting at `at`, and where to go on.
fn split_one(line: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    while let Some(&byte) = line.get(at) {
        at += 1;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Some((word, at)),
            b'"' => return double_quoted(line, at, word),
            b'\'' => return single_quoted(line, at, word),
            byte => word.push(byte),
        }
    }
    Some((word, at))
}

fn double_quoted(line: &[u8], mut at: usize, mut word: Vec<u8>) -> Option<(Vec<u8>, usize)> {
    loop {
        match &line[at.min(line.len())..] {
            [] => return None,
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) * 16 + hex(*low));
                at += 4;
            }
            [b'\\', escaped, ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                at += 2;
            }
            [b'"', rest @ ..] => return closed(rest).then_some((word, at + 1)),
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
        }
    }
}

fn single_quoted(line: &[u8], mut at: usize, mut word: Vec<u8>) -> Option<(Vec<u8>, usize)> {
    loop {
        match &line[at.min(line.len())..] {
            [] => return None,
            [b'\\', b'\'', ..] => {
                word.push(b'\'');
                at += 2;
            }
            [b'\'', rest @ ..] => return closed(rest).then_some((word, at + 1)),
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
        }
    }
}

/// Whether a closing quote may stand before `rest`.
fn closed(rest: &[u8]) -> bool {
    rest.first().is_none_or(|&byte| is_space(byte))
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// What C calls space.
pub fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// `bytes` in double quotes, everything not printable escaped: [`split`] gives them back.
pub fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            7 => out.extend(b"\\a"),
            8 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            other => out.extend(format!("\\x{other:02x}").into_bytes()),
        }
    }
    out.push(b'"');
    out
}

/// Whether a name is a pattern rather than a name.
pub fn is_pattern(name: &[u8]) -> bool {
    memchr::memchr3(b'[', b'*', b'?', name).is_some()
}

/// Whether letter case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Exact,
    Ignore,
}

impl Case {
    fn fold(self, byte: u8) -> u8 {
        match self {
            Self::Exact => byte,
            Self::Ignore => byte.to_ascii_lowercase(),
        }
    }
}

/// Whether `name` matches a pattern of `*`, `?`, `[a-z]`, `[^a]` and backslash. Takes time in proportion to the
/// product of the lengths, with no recursion.
pub fn matches(pattern: &[u8], name: &[u8], case: Case) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on when a match fails: after the last star, one byte of the name further each time.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, n));
            continue;
        }
        let step = match name.get(n) {
            None if p == pattern.len() => return true,
            None => None,
            Some(&byte) => match_one(&pattern[p..], case.fold(byte), case),
        };
        match (step, retry) {
            (Some(width), _) => {
                p += width;
                n += 1;
            }
            (None, Some((star, from))) if from < name.len() => {
                retry = Some((star, from + 1));
                (p, n) = (star, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How many bytes of the pattern match this one byte, if they do.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => match_class(class, byte, case).map(|width| width + 1),
        [b'\\', escaped, ..] => (case.fold(*escaped) == byte).then_some(2),
        [literal, ..] => (case.fold(*literal) == byte).then_some(1),
    }
}

/// How many bytes after `[` the class takes, if it has `byte`. A class that is not closed ends with the pattern.
fn match_class(class: &[u8], byte: u8, case: Case) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= case.fold(*escaped) == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                let (a, b) = (case.fold(*first), case.fold(*last));
                found |= (a.min(b)..=a.max(b)).contains(&byte);
                at += 3;
            }
            [one, ..] => {
                found |= case.fold(*one) == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_split(line: &str, expect: Option<&[&str]>) {
        let words = split(line.as_bytes());
        let expect = expect.map(|words| {
            words
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .collect::<Vec<_>>()
        });
        assert_eq!(words, expect, "{line}");
    }

    #[test]
    fn lines_split_as_redis_splits_them() {
        check_split("", Some(&[]));
        check_split("  port\t6379 ", Some(&["port", "6379"]));
        check_split(r#"a "b c" 'd e' """#, Some(&["a", "b c", "d e", ""]));
        check_split(
            r#""\x41\n\q\"" '\'\n' f"oo""#,
            Some(&["A\nq\"", "'\\n", "foo"]),
        );
        check_split(r#"a "b"#, None);
        check_split(r#""a"b"#, None);
        check_split(r"'a'b", None);
        check_split(r#""a\"#, None);
    }

    #[test]
    fn patterns_match_without_regard_to_case() {
        for (pattern, name, expect) in [
            ("*", "", true),
            ("MAX*", "maxmemory", true),
            ("*memory*s", "maxmemory-samples", true),
            ("*of", "slaveof", true),
            ("p?rt", "port", true),
            ("p[a-p]rt", "port", true),
            ("p[^o]rt", "port", false),
            ("p[\\o]rt", "port", true),
            ("p[o", "po", true),
            ("port*x", "port", false),
            ("po\\rt", "port", true),
            ("", "port", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes(), Case::Ignore),
                expect,
                "{pattern} {name}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_splits_back(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split(&line), Some(words));
        }

        #[test]
        fn no_line_and_no_pattern_panics(line in proptest::collection::vec(any::<u8>(), 0..40), name in "[a-z]{0,8}") {
            split(&line);
            matches(&line, name.as_bytes(), Case::Ignore);
        }
    }
}
