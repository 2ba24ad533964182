//! Style as tests. Each gate looks at the whole repository, prints how much it looked at, and fails when that is
//! nothing; beside each gate a bad sample shows that it can fail.
//!
//! ```text
//! tree        the files of the repository, or of a sample
//! source      Rust source as tokens and paths, without comments and strings
//! layers      which folder of src/ may import which
//! calls       calls and types that have a better place
//! files       sizes, names, files that nothing includes
//! documents   links of Markdown files, paths they name, reasons of dependencies
//! ```

mod calls;
mod documents;
mod files;
mod layers;
mod source;
mod tree;

/// What a gate saw.
struct Findings {
    /// How many subjects were looked at.
    looked_at: usize,
    /// One line a fault: where, what, and what to do.
    faults: Vec<String>,
}

/// Fails on a fault, and on a gate that looked at nothing.
fn judge(gate: &str, subjects: &str, findings: &Findings) {
    println!("{gate}: looked at {} {subjects}", findings.looked_at);
    assert!(findings.looked_at > 0, "{gate}: found no {subjects}");
    assert!(
        findings.faults.is_empty(),
        "{gate}:\n  {}",
        findings.faults.join("\n  ")
    );
}

/// Asserts that a sample has exactly one fault, and that it says `expected`.
#[track_caller]
fn assert_fault(findings: &Findings, expected: &str) {
    assert!(
        findings.looked_at > 0,
        "the gate did not look at the sample"
    );
    assert!(
        matches!(&findings.faults[..], [only] if only.contains(expected)),
        "expected one fault with {expected:?}, found {:?}",
        findings.faults
    );
}

#[test]
#[should_panic(expected = "found no files")]
fn a_gate_that_looks_at_nothing_fails() {
    let nothing = Findings {
        looked_at: 0,
        faults: Vec::new(),
    };
    judge("sample", "files", &nothing);
}

#[test]
#[should_panic(expected = "src/a.rs:1")]
fn a_fault_fails() {
    let one = Findings {
        looked_at: 1,
        faults: vec!["src/a.rs:1: wrong".to_owned()],
    };
    judge("sample", "files", &one);
}
