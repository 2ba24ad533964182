//! The files that the gates look at.

use std::fs;
use std::path::Path;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

pub struct File {
    /// From the root of the repository, with slashes.
    pub path: String,
    pub text: String,
}

/// The text files of the repository, or of a sample.
pub struct Tree {
    pub files: Vec<File>,
    /// Every path, folders and binary files included.
    pub paths: Vec<String>,
}

impl Tree {
    pub fn repository() -> Self {
        let mut tree = Self {
            files: Vec::new(),
            paths: Vec::new(),
        };
        tree.walk(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        tree.paths.sort();
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree
    }

    fn walk(&mut self, dir: &Path, prefix: &str) {
        for entry in fs::read_dir(dir).expect("the repository is readable") {
            let entry = entry.expect("the repository is readable");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().expect("the repository is readable");
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.paths.push(path.clone());
                    self.walk(&entry.path(), &format!("{path}/"));
                }
            } else {
                let is_text = [".rs", ".md", ".toml"].iter().any(|e| name.ends_with(e));
                if is_text {
                    let text = fs::read_to_string(entry.path()).expect("source is UTF-8");
                    self.files.push(File {
                        path: path.clone(),
                        text,
                    });
                }
                self.paths.push(path);
            }
        }
    }

    /// A tree of the given paths and texts.
    pub fn sample(files: &[(&str, &str)]) -> Self {
        let mut paths: Vec<String> = Vec::new();
        for (path, _) in files {
            for (at, _) in path.match_indices('/') {
                paths.push(path[..at].to_owned());
            }
            paths.push((*path).to_owned());
        }
        paths.sort();
        paths.dedup();
        let files = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        Self { files, paths }
    }

    pub fn has(&self, path: &str) -> bool {
        path.is_empty() || self.paths.binary_search(&path.to_owned()).is_ok()
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|f| f.path == path)
    }

    pub fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |f| f.path.ends_with(ending))
    }

    /// Rust files below `folder`, which ends with a slash.
    pub fn rust_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.with_ending(".rs")
            .filter(move |f| f.path.starts_with(folder))
    }
}
