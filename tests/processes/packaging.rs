//! What the files for packagers call the program with is what it takes.

use crate::program::redkeep;

const UNIT: &str = include_str!("../../docs/packaging/redkeep.service");
const IMAGE: &str = include_str!("../../docs/packaging/Dockerfile");

/// The words after `begin`, up to the end of the line.
fn words<'t>(text: &'t str, begin: &str) -> Vec<&'t str> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(begin));
    let line = lines.next().expect("the line is there");
    let separators = |c: char| matches!(c, ' ' | ',' | '"' | '[' | ']');
    line.split(separators)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The directives that the help of the server names.
fn directives() -> String {
    let output = redkeep(&["server", "--help"]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_flag_is_one_of_the_server() {
    let help = directives();
    let known: Vec<&str> = help
        .split_whitespace()
        .map(|word| word.trim_start_matches("--").trim_end_matches(','))
        .collect();
    let unit = words(UNIT, "ExecStart=");
    let image = words(IMAGE, "CMD ");
    assert_eq!(unit[..2], ["/usr/bin/redkeep", "server"]);
    assert_eq!(words(IMAGE, "ENTRYPOINT "), ["redkeep", "server"]);
    for (name, words) in [("unit", unit), ("image", image)] {
        let flags: Vec<&str> = words
            .iter()
            .filter_map(|word| word.strip_prefix("--"))
            .collect();
        assert!(flags.len() >= 3, "{name}: {flags:?}");
        for flag in flags {
            assert!(known.contains(&flag), "{name}: --{flag}");
        }
    }
}
