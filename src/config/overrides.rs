//! The command line, turned into lines of a configuration file.

use super::words;

/// What the arguments of `redkeep server` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The first argument, when it is no option: the configuration file.
    pub file: Option<Vec<u8>>,
    /// More lines come from standard input.
    pub reads_stdin: bool,
    /// Lines that follow those of the file.
    pub text: Vec<u8>,
}

/// Reads arguments as Redis does: `--name` starts a directive, what follows are its words, also when they start with
/// two dashes, as long as it has none yet. `"--name value"` may be one argument. `--save` alone means `--save ""`.
pub fn read(arguments: &[Vec<u8>]) -> Overrides {
    let mut overrides = Overrides::default();
    let mut rest = arguments;
    if let [first, after @ ..] = rest
        && !first.starts_with(b"-")
    {
        overrides.file = Some(first.clone());
        rest = after;
    }
    let last = rest.len().saturating_sub(1);
    // Whether the directive that was started has a word.
    let mut has_word = true;
    for (at, argument) in rest.iter().enumerate() {
        let is_end = at == last || (at == 0 && overrides.file.is_none());
        let text = &mut overrides.text;
        if argument == b"-" && is_end {
            overrides.reads_stdin = true;
        } else if has_word && argument.starts_with(b"--") {
            if !text.is_empty() {
                text.push(b'\n');
            }
            text.extend(&argument[2..]);
            text.push(b' ');
            has_word = words::split(argument).is_none_or(|words| words.len() != 1);
            let next = rest.get(at + 1);
            let next_is_option = next.is_none_or(|next| next.starts_with(b"--"));
            if !has_word && next_is_option && argument.eq_ignore_ascii_case(b"--save") {
                text.extend(b"\"\"");
                has_word = next.is_some();
            }
        } else {
            text.extend(words::quote(argument));
            text.push(b' ');
            has_word = true;
        }
    }
    overrides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], file: Option<&str>, lines: &[&str]) {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|a| a.as_bytes().to_vec()).collect();
        let overrides = read(&arguments);
        let text = String::from_utf8(overrides.text).expect("text");
        let got: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(got, lines, "{arguments:?}");
        assert_eq!(
            overrides.file.as_deref(),
            file.map(str::as_bytes),
            "{arguments:?}"
        );
    }

    #[test]
    fn arguments_become_lines_as_in_redis() {
        check(&[], None, &[]);
        check(&["--port", "7000"], None, &[r#"port "7000""#]);
        check(
            &["a.conf", "--port", "7000", "--bind", "::1", "127.0.0.1"],
            Some("a.conf"),
            &[r#"port "7000""#, r#"bind "::1" "127.0.0.1""#],
        );
        check(&["--port", "--bla"], None, &[r#"port "--bla""#]);
        check(&["--port 7000", "--hz 5"], None, &["port 7000", "hz 5"]);
        check(
            &["--save", "--port", "1"],
            None,
            &[r#"save """#, r#"port "1""#],
        );
        check(
            &["--port", "1", "--save"],
            None,
            &[r#"port "1""#, r#"save """#],
        );
        check(&["--save", ""], None, &[r#"save """#]);
        check(&["--save", "60 1"], None, &[r#"save "60 1""#]);
    }

    #[test]
    fn a_dash_means_standard_input() {
        let read = |arguments: &[&str]| {
            let arguments: Vec<Vec<u8>> = arguments.iter().map(|a| a.as_bytes().to_vec()).collect();
            read(&arguments).reads_stdin
        };
        assert!(read(&["-"]));
        assert!(read(&["a.conf", "-"]));
        assert!(read(&["--port", "1", "-"]));
        assert!(!read(&["--port", "-", "1"]));
    }
}
