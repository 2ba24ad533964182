//! Lines of words: how a line of a configuration file is split, and how a value is quoted so that splitting
//! gives it back.

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

    proptest! {
        #[test]
        fn what_is_quoted_splits_back(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split(&line), Some(words));
        }

        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..40)) {
            split(&line);
        }
    }
}
