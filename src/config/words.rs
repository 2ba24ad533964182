//! Lines of words: how a line of a configuration file is split, and how a value is quoted so that splitting
//! gives it back; and the patterns of CONFIG GET.

use crate::resp::line;

/// The words of a line, which [`line::split`] splits. None when a quote is not closed, or is followed by something other
/// than white space.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut text, mut words) = (Vec::new(), Vec::new());
    line::split(line, &mut text, &mut words)?;
    Some(words.into_iter().map(|word| text[word].to_vec()).collect())
}

/// `bytes` in double quotes: [`split`] gives them back.
pub fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::new();
    line::quote(&mut quoted, bytes);
    quoted
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
