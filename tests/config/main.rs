//! The configuration: which directives are known, what they accept, CONFIG GET, SET and REWRITE.

mod disk;
mod lines;
mod names;
mod rewriting;
mod settings;
mod values;

use std::io;
use std::path::{Path, PathBuf};

use redkeep::config::file::{self, Files, LoadError};
use redkeep::config::{Caller, Config};

/// Files in memory.
#[derive(Default)]
pub struct FakeFiles {
    pub files: Vec<(&'static str, &'static str)>,
    pub directory: Vec<u8>,
}

impl Files for FakeFiles {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.files.iter().find(|(name, _)| Path::new(name) == path);
        found
            .map(|(_, text)| text.as_bytes().to_vec())
            .ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn expand(&mut self, pattern: &Path) -> Vec<PathBuf> {
        let pattern = pattern.to_str().expect("text").trim_end_matches("*.conf");
        let names = self.files.iter().map(|(name, _)| *name);
        names
            .filter(|name| name.starts_with(pattern))
            .map(PathBuf::from)
            .collect()
    }

    fn enter_directory(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if path.starts_with("/none") {
            return Err(io::Error::from_raw_os_error(2));
        }
        self.directory = path.to_str().expect("text").as_bytes().to_vec();
        Ok(self.directory.clone())
    }

    fn directory(&mut self) -> Vec<u8> {
        self.directory.clone()
    }

    fn check_log(&mut self, path: &Path) -> io::Result<()> {
        if path.starts_with("/none") {
            return Err(io::Error::from_raw_os_error(2));
        }
        Ok(())
    }
}

pub fn load(text: &str) -> Result<Config, LoadError> {
    file::load(text.as_bytes(), None, &mut FakeFiles::default())
}

pub fn loaded(text: &str) -> Config {
    load(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn shown(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8(found[0].1.clone()).expect("text")
}

pub fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    config
        .set(&pairs, Caller::default())
        .map_err(|error| error.to_string())
}
