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
    // As in Redis, what follows the last line end becomes a line, once.
    let mut written = rewrite(text, &config, false, &[]);
    for _ in 0..2 {
        let again = load(&written, None, &mut NoFiles).expect("what is written is understood");
        let twice = rewrite(&written, &again, false, &[]);
        let (lines, lines_twice) = (written.trim_ascii_end(), twice.trim_ascii_end());
        assert_eq!(lines_twice, lines);
        written = twice;
    }
    let again = load(&written, None, &mut NoFiles).expect("what is written is understood");
    assert_eq!(rewrite(&written, &again, false, &[]), written);
});
