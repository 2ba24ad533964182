//! The program, as it is called.

use std::path::Path;
use std::process::{Command, Output};

pub fn redkeep(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .args(args)
        .output()
        .expect("redkeep runs")
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// What it prints.
#[track_caller]
pub fn succeeds(args: &[&str]) -> Vec<u8> {
    let output = redkeep(args);
    assert!(
        output.status.success(),
        "{args:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
