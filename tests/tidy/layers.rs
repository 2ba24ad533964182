//! The folders of `src/` are layers: one table says which may import which.

use crate::source::{Path, paths, tokens};
use crate::tree::{File, Tree};
use crate::{Findings, assert_fault, judge};

/// A layer, and the layers that it may import beside itself, from the top down.
const LAYERS: [(&str, &[&str]); 13] = [
    (
        "cli",
        &[
            "db",
            "server",
            "session",
            "command",
            "interchange",
            "keyspace",
            "storage",
            "config",
            "resp",
            "vfs",
            "sync",
        ],
    ),
    (
        "db",
        &[
            "session",
            "command",
            "interchange",
            "keyspace",
            "storage",
            "config",
            "resp",
            "vfs",
        ],
    ),
    (
        "server",
        &[
            "session",
            "command",
            "interchange",
            "keyspace",
            "storage",
            "config",
            "resp",
            "vfs",
            "sync",
        ],
    ),
    (
        "session",
        &[
            "command", "keyspace", "storage", "config", "resp", "vfs", "sync",
        ],
    ),
    (
        "command",
        &[
            "script",
            "interchange",
            "keyspace",
            "storage",
            "config",
            "resp",
            "vfs",
            "sync",
        ],
    ),
    ("script", &["config", "resp"]),
    ("interchange", &["keyspace", "storage", "resp"]),
    ("keyspace", &["storage", "resp", "vfs", "sync"]),
    ("storage", &["vfs", "sync"]),
    ("config", &["resp"]),
    ("resp", &[]),
    ("vfs", &[]),
    ("sync", &[]),
];

/// The module path of a file below `src/`.
fn modules_of(path: &str) -> Vec<String> {
    let path = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The layer that a path leads to: None for one that does not start at this crate.
fn layer_of(path: &Path, file_modules: &[String]) -> Option<String> {
    let mut place: Vec<&String> = file_modules.iter().chain(&path.modules).collect();
    let mut segments = path.segments.iter().peekable();
    match segments.peek()?.as_str() {
        "crate" | "$crate" | "redkeep" => {
            place.clear();
            segments.next();
        }
        "super" => {}
        _ => return None,
    }
    while let Some(segment) = segments.peek()
        && matches!(segment.as_str(), "super" | "self")
    {
        if segment.as_str() == "super" {
            place.pop();
        }
        segments.next();
    }
    match place.first() {
        Some(layer) => Some((*layer).clone()),
        None => Some(segments.next().map_or("*", String::as_str).to_owned()),
    }
}

fn faults_of(file: &File, faults: &mut Vec<String>) -> usize {
    let modules = modules_of(&file.path);
    let Some((layer, below)) = LAYERS.iter().find(|(name, _)| *name == modules[0]) else {
        faults.push(format!(
            "{}: `{}` is no layer: give it a row in tests/tidy/layers.rs and in src/lib.rs",
            file.path, modules[0]
        ));
        return 0;
    };
    let mut imports = 0;
    for path in paths(&tokens(&file.text)) {
        let is_visibility = path.segments == ["crate"] || path.segments == ["super"];
        if is_visibility && !path_is_renamed(file, &path) {
            continue;
        }
        let Some(target) = layer_of(&path, &modules) else {
            continue;
        };
        imports += 1;
        if target != *layer && !below.contains(&target.as_str()) {
            faults.push(format!(
                "{}:{}: `{layer}` imports `{target}` by `{}`: what both need belongs to a layer below both",
                file.path,
                path.line,
                path.segments.join("::")
            ));
        }
    }
    imports
}

/// `use crate as x` would hide where a path leads.
fn path_is_renamed(file: &File, path: &Path) -> bool {
    let line = file.text.lines().nth(path.line - 1).unwrap_or_default();
    line.contains("crate as ") || line.contains("extern crate self")
}

fn check(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut imports = 0;
    for file in tree.rust_in("src/") {
        if file.path != "src/lib.rs" && file.path != "src/main.rs" {
            imports += faults_of(file, &mut faults);
        }
    }
    Findings {
        looked_at: imports,
        faults,
    }
}

/// The layers as the documentation of the crate lists them: the first words of its drawing.
fn documented(lib: &str) -> Vec<String> {
    lib.lines()
        .skip_while(|l| *l != "//! ```text")
        .skip(1)
        .take_while(|l| *l != "//! ```")
        .filter_map(|l| l.trim_start_matches("//!").split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_layer_imports_a_higher_one() {
    judge("layers", "imports", &check(&Tree::repository()));
}

#[test]
fn every_import_points_down_the_table() {
    for (at, (layer, below)) in LAYERS.iter().enumerate() {
        for name in *below {
            assert!(
                LAYERS[at + 1..].iter().any(|(lower, _)| lower == name),
                "`{layer}` stands above `{name}`"
            );
        }
    }
}

#[test]
fn the_documentation_lists_the_layers() {
    let tree = Tree::repository();
    let lib = tree.file("src/lib.rs").expect("the library has a root");
    let names: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(documented(&lib.text), names);
}

/// One file with the given text has one fault that names `target`.
fn bad(path: &str, text: &str, target: &str) {
    let tree = Tree::sample(&[(path, text)]);
    assert_fault(&check(&tree), &format!("imports `{target}`"));
}

#[test]
fn imports_of_higher_layers_are_found() {
    bad("src/storage/a.rs", "use crate::keyspace::Key;", "keyspace");
    bad(
        "src/storage/a.rs",
        "use crate::{vfs, keyspace};",
        "keyspace",
    );
    bad(
        "src/storage/a.rs",
        "use crate::{vfs, keyspace as k};",
        "keyspace",
    );
    bad(
        "src/storage/a.rs",
        "fn f() { crate::session::f() }",
        "session",
    );
    bad(
        "src/storage/a/b.rs",
        "use super::super::super::cli::X;",
        "cli",
    );
    bad(
        "src/storage/a.rs",
        "use super::super::{vfs::V, resp::R};",
        "resp",
    );
    bad(
        "src/storage/a.rs",
        "mod m { use super::super::super::resp::R; }",
        "resp",
    );
    bad("src/vfs/mod.rs", "use super::storage::X;", "storage");
    bad("src/vfs.rs", "pub(in crate::storage) fn f() {}", "storage");
    bad("src/config/mod.rs", "use crate::storage::X;", "storage");
    bad("src/keyspace/a.rs", "use redkeep::command::X;", "command");
    bad("src/storage/a.rs", "use crate as everything;", "*");
    bad("src/storage/a.rs", "use crate::*;", "*");
    bad(
        "src/storage/a.rs",
        "#[cfg(test)] mod t { use crate::command::X; }",
        "command",
    );
}

#[test]
fn a_folder_without_a_row_is_found() {
    let tree = Tree::sample(&[
        ("src/other/mod.rs", ""),
        ("src/vfs/a.rs", "use crate::vfs::X;"),
    ]);
    assert_fault(&check(&tree), "`other` is no layer");
}

#[test]
fn imports_of_lower_layers_are_right() {
    let tree = Tree::sample(&[
        (
            "src/storage/a/b.rs",
            "use crate::{vfs, sync}; use super::super::super::storage::X; pub(crate) use super::super::y;",
        ),
        (
            "src/storage/c.rs",
            "mod m { use super::super::d; } pub(super) fn f() {}",
        ),
    ]);
    let findings = check(&tree);
    assert_eq!(findings.faults, [""; 0]);
    assert_eq!(findings.looked_at, 5);
}
