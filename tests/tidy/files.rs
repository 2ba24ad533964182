//! Sizes and names of files, and files that nothing includes.

use crate::source::tokens;
use crate::tree::Tree;
use crate::{Findings, assert_fault, judge};

const LINES_MAX: usize = 1000;

/// Parts of a name that say that the file has no noun of its own.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "misc", "more", "stuff", "etc",
];

fn check_sizes(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for file in tree.with_ending(".rs") {
        looked_at += 1;
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!(
                "{}: {lines} lines: find the noun that wants its own file",
                file.path
            ));
        }
    }
    Findings { looked_at, faults }
}

fn is_empty_name(part: &str) -> bool {
    let is_count = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    EMPTY_NAMES.contains(&part)
        || part.strip_prefix('v').is_some_and(is_count)
        || part.strip_prefix('p').is_some_and(is_count)
        || part.strip_prefix("part").is_some_and(is_count)
}

fn check_names(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    for path in &tree.paths {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.split('.').next().unwrap_or(name);
        if let Some(part) = stem.split(['_', '-']).find(|part| is_empty_name(part)) {
            faults.push(format!("{path}: `{part}` is no name: say the noun"));
        }
    }
    Findings {
        looked_at: tree.paths.len(),
        faults,
    }
}

/// The files whose `mod` line would include `path`.
fn parents(path: &str) -> [String; 4] {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = match name {
        "mod.rs" => folder.rsplit_once('/').map_or("", |(above, _)| above),
        _ => folder,
    };
    [
        format!("{folder}/mod.rs"),
        format!("{folder}.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
    ]
}

fn module_name(path: &str) -> &str {
    path.trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .rsplit('/')
        .next()
        .unwrap_or(path)
}

fn check_dead(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for folder in ["src/", "model/src/", "sim/src/"] {
        for file in tree.rust_in(folder) {
            let name = &file.path[folder.len()..];
            if matches!(name, "lib.rs" | "main.rs") || name.starts_with("bin/") {
                continue;
            }
            looked_at += 1;
            let module = module_name(&file.path);
            let is_included = parents(&file.path).iter().any(|parent| {
                tree.file(parent).is_some_and(|parent| {
                    tokens(&parent.text)
                        .windows(3)
                        .any(|t| t[0].text == "mod" && t[1].text == module && t[2].text == ";")
                })
            });
            if !is_included {
                faults.push(format!("{}: no `mod {module};` includes it", file.path));
            }
        }
    }
    Findings { looked_at, faults }
}

#[test]
fn no_file_is_too_long() {
    judge("sizes", "files", &check_sizes(&Tree::repository()));
}

#[test]
fn every_file_is_named_by_a_noun() {
    judge("names", "paths", &check_names(&Tree::repository()));
}

#[test]
fn every_file_is_included() {
    judge("dead files", "files", &check_dead(&Tree::repository()));
}

#[test]
fn a_long_file_is_found() {
    let text = "//\n".repeat(LINES_MAX + 1);
    assert_fault(
        &check_sizes(&Tree::sample(&[("tests/a.rs", &text)])),
        "1001 lines",
    );
}

#[test]
fn empty_names_are_found() {
    for path in [
        "src/utils.rs",
        "docs/format_v2.md",
        "src/list_more.rs",
        "src/a_p2.rs",
    ] {
        let tree = Tree {
            files: Vec::new(),
            paths: vec![path.to_owned(), "src/vector.rs".to_owned()],
        };
        assert_fault(&check_names(&tree), "say the noun");
    }
}

#[test]
fn a_dead_file_is_found() {
    let tree = Tree::sample(&[
        ("src/lib.rs", "mod a; // mod b;"),
        ("src/a/mod.rs", "mod c;"),
        ("src/a/c.rs", ""),
        ("src/a/d.rs", ""),
    ]);
    assert_fault(&check_dead(&tree), "src/a/d.rs");
    let tree = Tree::sample(&[("src/lib.rs", "// mod b;"), ("src/b.rs", "")]);
    assert_fault(&check_dead(&tree), "src/b.rs");
}
