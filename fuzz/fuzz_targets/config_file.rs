//! Configuration files: no panic, and a configuration that was understood is written so that it is understood again, as
//! the same.
#![no_main]

use std::io;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use redkeep::config::file::{Files, load};
use redkeep::config::rewrite::rewrite;

/// There are no files but the one.
struct NoFiles;

impl Files for NoFiles {
    fn read(&mut self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn expand(&mut self, _: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    fn enter_directory(&mut self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(b"/".to_vec())
    }

    fn directory(&mut self) -> Vec<u8> {
        b"/".to_vec()
    }

    fn check_log(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|text: &[u8]| {
    let Ok(config) = load(text, None, &mut NoFiles) else {
        return;
    };
    let written = rewrite(text, &config, false, &[]);
    let again = load(&written, None, &mut NoFiles).expect("what is written is understood");
    assert_eq!(rewrite(&written, &again, false, &[]), written);
});
