//! Links of Markdown files, the paths that they name, and the reason of every dependency.

use std::collections::BTreeSet;

use crate::tree::{File, Tree};
use crate::{Findings, assert_fault, judge};

const REASONS: &str = "docs/ARCHITECTURE.md";

/// The text without fenced blocks, line by line.
fn without_blocks(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut line_of = |line| {
        let is_fence = str::trim_start(line).starts_with("```");
        is_code ^= is_fence;
        if is_fence || is_code { "" } else { line }
    };
    text.lines().map(&mut line_of).collect()
}

/// The text without fenced blocks and code spans, line by line.
fn prose(text: &str) -> Vec<String> {
    let outside = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    without_blocks(text).into_iter().map(outside).collect()
}

/// Files of Rust and folders that the code spans of a line name, by the end of their path.
fn named_paths(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(|span| {
        let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        (span.ends_with(".rs") || span.ends_with('/')) && span.chars().all(is_path)
    })
}

/// Targets of `[text](target)` and of `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for (at, _) in line.match_indices("](") {
        let rest = &line[at + 2..];
        out.push(rest.split([')', ' ']).next().unwrap_or(rest));
    }
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        out.push(target.split(' ').next().unwrap_or(target));
    }
    out
}

/// The anchor of a heading, as forges make it.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn has_anchor(file: &File, wanted: &str) -> bool {
    file.text
        .lines()
        .any(|l| l.starts_with('#') && anchor(l) == wanted)
}

/// `path` seen from the folder of `from`; None when it leaves the repository.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn fault_of_link(tree: &Tree, file: &File, target: &str) -> Option<String> {
    let (path, wanted) = match target.split_once('#') {
        Some((path, wanted)) => (path, Some(wanted)),
        None => (target, None),
    };
    let place = match path {
        "" => file.path.clone(),
        path => match resolve(&file.path, path) {
            Some(place) if tree.has(&place) => place,
            _ => return Some(format!("`{target}` is not there")),
        },
    };
    match (wanted, tree.file(&place)) {
        (Some(wanted), Some(page)) if place.ends_with(".md") && !has_anchor(page, wanted) => {
            Some(format!("`{target}`: {place} has no such heading"))
        }
        _ => None,
    }
}

fn check_links(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for file in tree.with_ending(".md") {
        for (at, line) in prose(&file.text).iter().enumerate() {
            for target in targets(line) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                looked_at += 1;
                if let Some(fault) = fault_of_link(tree, file, target) {
                    faults.push(format!("{}:{}: {fault}", file.path, at + 1));
                }
            }
        }
    }
    Findings { looked_at, faults }
}

fn check_named_paths(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for file in tree.with_ending(".md") {
        for (at, line) in without_blocks(&file.text).into_iter().enumerate() {
            for path in named_paths(line) {
                looked_at += 1;
                let end = format!("/{}", path.trim_end_matches('/'));
                if !tree.paths.iter().any(|p| format!("/{p}").ends_with(&end)) {
                    faults.push(format!("{}:{}: `{path}` is not there", file.path, at + 1));
                }
            }
        }
    }
    Findings { looked_at, faults }
}

/// The names in the tables of dependencies of a manifest, without those of the repository itself.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut is_inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            is_inside = section.ends_with("dependencies");
            if let Some((_, name)) = section.rsplit_once("dependencies.") {
                out.push(name);
            }
            continue;
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        if is_inside && !name.is_empty() && !name.starts_with('#') && !line.contains("path =") {
            out.push(name);
        }
    }
    out
}

/// Rows `| name | reason |` of the section on dependencies.
fn reasons(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .skip_while(|l| *l != "## Dependencies")
        .skip(1)
        .take_while(|l| !l.starts_with("## "))
        .filter_map(|l| l.strip_prefix("| `"))
        .filter_map(|l| l.split_once("` |"))
        .map(|(name, reason)| (name, reason.trim_matches(['|', ' '])))
        .collect()
}

fn check_reasons(tree: &Tree) -> Findings {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    let page = tree.file(REASONS).map_or("", |f| f.text.as_str());
    let reasons = reasons(page);
    for file in tree.with_ending("Cargo.toml") {
        for name in dependencies(&file.text) {
            if !reasons.iter().any(|(known, _)| *known == name) && used.insert(name) {
                faults.push(format!("{}: `{name}` has no line in {REASONS}", file.path));
            }
            used.insert(name);
        }
    }
    let mut seen = BTreeSet::new();
    for (name, reason) in &reasons {
        if !used.contains(name) {
            faults.push(format!("{REASONS}: nothing depends on `{name}`"));
        }
        if !seen.insert(name) {
            faults.push(format!("{REASONS}: `{name}` stands twice"));
        }
        if reason.split_whitespace().count() < 3 {
            faults.push(format!("{REASONS}: `{name}` has no reason"));
        }
    }
    Findings {
        looked_at: used.len(),
        faults,
    }
}

#[test]
fn every_link_points_somewhere() {
    judge("links", "links", &check_links(&Tree::repository()));
}

#[test]
fn every_path_that_is_named_is_there() {
    judge("paths", "paths", &check_named_paths(&Tree::repository()));
}

#[test]
fn paths_that_are_not_there_are_found() {
    let check = |text: &str| {
        check_named_paths(&Tree::sample(&[
            ("docs/a.md", text),
            ("src/one/two.rs", ""),
            ("src/one", ""),
        ]))
    };
    for gone in ["`three.rs`", "`two/one.rs`", "`wo.rs`", "`src/two/`"] {
        assert_fault(&check(&format!("It is {gone}.")), "is not there");
    }
    let right = "`two.rs` `one/two.rs` `src/one/` `a.md` `*.rs` three.rs\n```\n`three.rs`\n```";
    let findings = check(right);
    assert_eq!(findings.faults, [""; 0]);
    assert_eq!(findings.looked_at, 3);
}

#[test]
fn every_dependency_has_its_reason() {
    judge(
        "reasons",
        "dependencies",
        &check_reasons(&Tree::repository()),
    );
}

#[test]
fn links_that_point_nowhere_are_found() {
    for (link, fault) in [
        ("[a](b.md)", "`b.md` is not there"),
        ("[a](../../x.md)", "is not there"),
        ("[a](#none)", "no such heading"),
        ("[a](c.md#none)", "docs/c.md has no such heading"),
        ("[a]: d.md", "`d.md` is not there"),
    ] {
        let tree = Tree::sample(&[("docs/a.md", link), ("docs/c.md", "# One: two")]);
        assert_fault(&check_links(&tree), fault);
    }
}

#[test]
fn right_links_are_right() {
    let text =
        "[a](c.md#one-two) [b](../src/) [c](https://example.org/x) `[d](e)`\n```\n[f](g)\n```";
    let tree = Tree::sample(&[
        ("docs/a.md", text),
        ("docs/c.md", "## One: two"),
        ("src/lib.rs", ""),
    ]);
    let findings = check_links(&tree);
    assert_eq!(findings.faults, [""; 0]);
    assert_eq!(findings.looked_at, 2);
}

#[test]
fn dependencies_without_a_reason_and_reasons_without_one_are_found() {
    let page = "## Dependencies\n| `a` | it does this |\n";
    let manifest = "[dependencies]\na = \"1\"\nself = { path = \".\" }\n";
    let check = |manifest: &str, page: &str| {
        check_reasons(&Tree::sample(&[("Cargo.toml", manifest), (REASONS, page)]))
    };
    assert_eq!(check(manifest, page).faults, [""; 0]);
    for more in [
        "b = \"1\"",
        "[dev-dependencies]\nb.workspace = true",
        "[target.'cfg(x)'.dependencies]\nb = { version = \"1\" }",
        "[dependencies.b]\nversion = \"1\"",
    ] {
        assert_fault(
            &check(&format!("{manifest}{more}"), page),
            "`b` has no line",
        );
    }
    assert_fault(
        &check(manifest, &format!("{page}| `c` | for that thing |")),
        "nothing depends",
    );
    assert_fault(&check(manifest, "## Dependencies\n| `a` | |"), "no reason");
    assert_fault(
        &check(manifest, &format!("{page}{}", "| `a` | it does this |")),
        "twice",
    );
}
