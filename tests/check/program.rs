//! The program, as it is called, and files for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit code, and what was said on either stream.
pub fn check(arguments: &[&str], file: &Path) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .arg("check")
        .args(arguments)
        .arg(file)
        .output()
        .expect("redkeep runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = out.status.code().expect("an exit code");
    (code, text(out.stdout), text(out.stderr))
}

/// The report of a check that ends with `code`.
#[track_caller]
pub fn report(arguments: &[&str], file: &Path, code: i32) -> serde_json::Value {
    let (found, out, error) = check(&[&["--json"], arguments].concat(), file);
    assert_eq!(found, code, "{out}{error}");
    serde_json::from_str(&out).expect("JSON")
}

/// A command as a file has it.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out += &format!("${}\r\n{word}\r\n", word.len());
    }
    out.into_bytes()
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, bytes).expect("writable");
        path
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}
