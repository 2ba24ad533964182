//! Calls and types that have a better place, each with what to use instead.

use crate::source::{Path, Token, attributes, paths, tokens};
use crate::tree::{File, Tree};
use crate::{Findings, assert_fault, judge};

/// Where time, randomness, files and threads come from outside.
const INSIDE: [&str; 7] = [
    "src/sync",
    "src/resp/",
    "src/config/",
    "src/storage/",
    "src/keyspace/",
    "src/command/",
    "src/session/",
];

/// Where the order of a map can be seen.
const ORDERED: [&str; 4] = [
    "src/storage/",
    "src/keyspace/",
    "src/command/",
    "src/session/",
];

/// A path that may not stand in some places.
struct Ban {
    /// Neighbouring segments of the path. The last may be `*`: any function, which is a name in lower case.
    segments: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
}

const BANS: [Ban; 16] = [
    ban(
        &["Instant", "now"],
        &INSIDE,
        "the `Clock` that is handed in",
    ),
    ban(
        &["SystemTime", "now"],
        &INSIDE,
        "the `Clock` that is handed in",
    ),
    ban(&["std", "fs"], &INSIDE, "the `Vfs` that is handed in"),
    ban(&["File", "open"], &INSIDE, "the `Vfs` that is handed in"),
    ban(
        &["thread", "spawn"],
        &INSIDE,
        "a thread of `server`, which calls this layer",
    ),
    ban(
        &["thread", "Builder"],
        &INSIDE,
        "a thread of `server`, which calls this layer",
    ),
    ban(
        &["thread", "sleep"],
        &INSIDE,
        "a deadline on the `Clock`, which `server` waits for",
    ),
    ban(
        &["tokio"],
        &INSIDE,
        "`server`: the layers below do no I/O and have no timers",
    ),
    ban(
        &["std", "net"],
        &INSIDE,
        "`server`: the layers below do no I/O",
    ),
    ban(
        &["fastrand", "Rng", "new"],
        &INSIDE,
        "the seeded generator that is handed in",
    ),
    ban(
        &["Rng", "new"],
        &INSIDE,
        "the seeded generator that is handed in",
    ),
    ban(
        &["fastrand", "*"],
        &INSIDE,
        "the seeded generator that is handed in",
    ),
    ban(&["rand"], &INSIDE, "the seeded generator that is handed in"),
    ban(
        &["HashMap"],
        &ORDERED,
        "`BTreeMap`: its order is the same in every run",
    ),
    ban(
        &["HashSet"],
        &ORDERED,
        "`BTreeSet`: its order is the same in every run",
    ),
    ban(
        &["RandomState"],
        &ORDERED,
        "an ordered container, or a hasher with a fixed key",
    ),
];

const fn ban(
    segments: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
) -> Ban {
    Ban {
        segments,
        places,
        instead,
    }
}

impl Ban {
    fn is_in(&self, path: &Path) -> bool {
        let is_same = |segment: &String, pattern: &&str| match *pattern {
            "*" => segment.starts_with(|c: char| c.is_ascii_lowercase()),
            name => segment == name,
        };
        // The name of a crate stands at the beginning.
        let is_crate = matches!(self.segments[0], "rand" | "tokio" | "fastrand" | "std");
        let last = if is_crate { 1 } else { path.segments.len() };
        let is_crate_itself = self.segments.len() == 1 && is_crate;
        path.segments
            .windows(self.segments.len())
            .take(last)
            .any(|window| window.iter().zip(self.segments).all(|(s, p)| is_same(s, p)))
            && !(is_crate_itself && path.segments.len() == 1)
    }
}

/// Files that are tests as a whole: their own `mod` line stands under `cfg(test)`.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/models.rs")
}

fn banned_paths(file: &File, tokens: &[Token], faults: &mut Vec<String>) {
    if is_test_file(&file.path) {
        return;
    }
    for path in paths(tokens) {
        if path.in_test {
            continue;
        }
        let found = BANS
            .iter()
            .filter(|b| b.places.iter().any(|p| file.path.starts_with(p)))
            .find(|b| b.is_in(&path));
        if let Some(ban) = found {
            faults.push(format!(
                "{}:{}: `{}`: use {}",
                file.path,
                path.line,
                path.segments.join("::"),
                ban.instead
            ));
        }
    }
}

fn unfinished_and_silenced(file: &File, tokens: &[Token], faults: &mut Vec<String>) {
    for pair in tokens.windows(2) {
        if matches!(pair[0].text.as_str(), "todo" | "unimplemented") && pair[1].text == "!" {
            faults.push(format!(
                "{}:{}: `{}!`: finish it, or answer an error",
                file.path, pair[0].line, pair[0].text
            ));
        }
    }
    for (start, end) in attributes(tokens) {
        let allows = tokens[start..end]
            .windows(2)
            .any(|pair| pair[0].text == "allow" && pair[1].text == "(");
        if allows {
            faults.push(format!(
                "{}:{}: `allow`: use `#[expect(lint, reason = \"...\")]`",
                file.path, tokens[start].line
            ));
        }
    }
}

/// `Box<dyn Error>` and `Result<_, String>`.
fn untyped_errors(file: &File, tokens: &[Token], faults: &mut Vec<String>) {
    if !file.path.starts_with("src/")
        || file.path.starts_with("src/cli/")
        || file.path == "src/main.rs"
        || is_test_file(&file.path)
    {
        return;
    }
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    for (at, token) in tokens.iter().enumerate() {
        if token.in_test || text(at + 1) != "<" {
            continue;
        }
        let what = match token.text.as_str() {
            "Box" if text(at + 2) == "dyn" => {
                let mut end = at + 3;
                while text(end + 1) == "::" {
                    end += 2;
                }
                (text(end) == "Error").then_some("Box<dyn Error>")
            }
            "Result" => {
                (second_argument(tokens, at + 1) == ["String"]).then_some("Result<_, String>")
            }
            _ => None,
        };
        if let Some(what) = what {
            faults.push(format!(
                "{}:{}: `{what}`: use a typed error (`thiserror`)",
                file.path, token.line
            ));
        }
    }
}

/// The tokens of the second generic argument of the list that opens at `open`.
fn second_argument(tokens: &[Token], open: usize) -> Vec<&str> {
    let (mut depth, mut index, mut out) = (0, 0, Vec::new());
    for at in open..tokens.len() {
        let word = tokens[at].text.as_str();
        match word {
            "<" | "(" | "[" => depth += 1,
            ">" if tokens[at - 1].text == "-" => {}
            ">" | ")" | "]" => depth -= 1,
            ";" | "{" | "}" => break,
            "," if depth == 1 => {
                index += 1;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if index == 1 {
            out.push(word);
        }
    }
    out
}

fn check(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for file in tree.with_ending(".rs") {
        let tokens = tokens(&file.text);
        banned_paths(file, &tokens, &mut faults);
        unfinished_and_silenced(file, &tokens, &mut faults);
        untyped_errors(file, &tokens, &mut faults);
        looked_at += tokens.len();
    }
    Findings { looked_at, faults }
}

#[test]
fn nothing_banned_is_called() {
    let tree = Tree::repository();
    for place in INSIDE {
        assert!(
            tree.paths.iter().any(|p| p.starts_with(place)),
            "{place} is not there"
        );
    }
    judge("calls", "tokens", &check(&tree));
}

fn bad(path: &str, text: &str, fault: &str) {
    assert_fault(&check(&Tree::sample(&[(path, text)])), fault);
}

fn good(path: &str, text: &str) {
    assert_eq!(check(&Tree::sample(&[(path, text)])).faults, [""; 0]);
}

#[test]
fn time_files_threads_and_chance_are_found() {
    let path = "src/storage/a.rs";
    bad(
        path,
        "let t = std::time::Instant::now();",
        "use the `Clock`",
    );
    bad(path, "let t = SystemTime::now();", "use the `Clock`");
    bad(path, "use std::{io, fs};", "use the `Vfs`");
    bad(path, "use std::fs::File;", "use the `Vfs`");
    bad(path, "std::thread::spawn(f);", "a thread of `server`");
    bad(path, "use std::thread::{self, sleep};", "a deadline");
    bad("src/session/a.rs", "use tokio::sync::Notify;", "`server`");
    bad(path, "let r = fastrand::Rng::new();", "seeded");
    bad(path, "let r = Rng::new();", "seeded");
    bad(path, "let r = fastrand::u64(..);", "seeded");
    bad(path, "let r = rand::random();", "seeded");
    bad("src/keyspace/a.rs", "let m: HashMap<u8, u8>;", "`BTreeMap`");
    bad(
        "src/session/a.rs",
        "use std::collections::HashSet;",
        "`BTreeSet`",
    );
    bad(
        "src/command/a.rs",
        "use std::hash::RandomState;",
        "fixed key",
    );
}

#[test]
fn what_is_handed_in_and_what_only_tests_do_is_right() {
    good(
        "src/storage/a.rs",
        "let r = fastrand::Rng::with_seed(7); let t = clock.now();",
    );
    good(
        "src/storage/a.rs",
        "// Instant::now()\nlet s = \"std::fs\"; let rand = 1; rand + 1",
    );
    good(
        "src/storage/a.rs",
        "#[cfg(test)] mod tests { use std::fs; }",
    );
    good("src/storage/a/tests.rs", "use std::fs;");
    good(
        "src/server/a.rs",
        "let t = Instant::now(); let m = HashMap::new();",
    );
}

#[test]
fn unfinished_code_and_silenced_lints_are_found() {
    bad("src/cli/a.rs", "fn f() { todo!() }", "finish it");
    bad("tests/a.rs", "fn f() { unimplemented!() }", "finish it");
    bad("src/cli/a.rs", "#[allow(dead_code)] fn f() {}", "#[expect");
    bad("sim/src/a.rs", "#![allow(dead_code)]", "#[expect");
    bad(
        "src/cli/a.rs",
        "#[cfg_attr(test, allow(dead_code))] fn f() {}",
        "#[expect",
    );
    good(
        "src/cli/a.rs",
        "#[expect(dead_code, reason = \"allow(me)\")] fn allow(x: u8) {}",
    );
}

#[test]
fn untyped_errors_are_found() {
    let path = "src/server/a.rs";
    bad(path, "fn f() -> Result<u8, String> {}", "typed error");
    bad(
        path,
        "fn f() -> Result<Vec<(u8, u8)>, String> {}",
        "typed error",
    );
    bad(
        path,
        "type E = Box<dyn std::error::Error + Send>;",
        "typed error",
    );
    bad(
        path,
        "fn f() -> io::Result<(), Box<dyn Error>> {}",
        "typed error",
    );
    good(
        path,
        "fn f() -> Result<String, E> {} fn g() -> Option<String> {}",
    );
    good(
        path,
        "fn f(x: Result<fn(u8, String) -> u8, E>) {} type B = Box<dyn Fn(Error)>;",
    );
    good("src/cli/a.rs", "fn f() -> Result<u8, String> {}");
}
