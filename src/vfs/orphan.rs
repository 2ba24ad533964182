//! Files that have lost their names, and whose space goes back by pieces.
//!
//! A file system that tells the disk of freed space makes others wait for all that a large file had; by pieces, with time
//! between them, they are not held up.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{CUT_BYTES_MAX, Clock, VfsFile};

/// Time between two cuts, in microseconds.
const PAUSE_US: u64 = 100_000;

/// Files that go piece by piece. Whatever is left of them when this is dropped goes at once.
#[derive(Debug, Default)]
pub struct Orphans {
    files: VecDeque<(Arc<dyn VfsFile>, u64)>,
    cut_us: u64,
}

impl Orphans {
    /// Takes over a file whose name was just removed or given to another one. One that is short, that has another name or that
    /// somebody else has open is closed here, and goes when the last of them is done with it.
    pub fn take(&mut self, file: Arc<dyn VfsFile>) {
        let len = file.len().unwrap_or(0);
        if len > CUT_BYTES_MAX && file.is_orphan() {
            self.files.push_back((file, len));
        }
    }

    /// Cuts [`CUT_BYTES_MAX`] at most off a file, if it is time for that. To be called often.
    pub fn cut(&mut self, clock: &dyn Clock) {
        let Some((file, len)) = self.files.front_mut() else {
            return;
        };
        let now_us = clock.mono_us();
        if now_us.saturating_sub(self.cut_us) < PAUSE_US {
            return;
        }
        self.cut_us = now_us;
        *len = len.saturating_sub(CUT_BYTES_MAX);
        // A file that cannot be cut goes whole.
        if *len == 0 || file.set_len(*len).is_err() {
            self.files.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;
    use crate::vfs::{OpenMode, OsClock, OsVfs, Vfs};

    /// The file at `path`, just made and removed, and what others may do with it in between.
    fn removed(path: &Path, len: u64, others: impl FnOnce()) -> Arc<dyn VfsFile> {
        let file = OsVfs.open(path, OpenMode::CreateNew).expect("a new file");
        file.set_len(len).expect("a length");
        others();
        OsVfs.unlink(path).expect("it is there");
        file
    }

    #[test]
    fn a_large_file_goes_by_pieces() {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = OsClock::default();
        let mut orphans = Orphans::default();
        let file = removed(&dir.path().join("a"), 2 * CUT_BYTES_MAX + 1, || {});
        orphans.take(Arc::clone(&file));
        let mut lens = vec![file.len().expect("a length")];
        while !orphans.files.is_empty() {
            orphans.cut(&clock);
            orphans.cut(&clock);
            let len = file.len().expect("a length");
            if lens.last() != Some(&len) {
                lens.push(len);
            }
            std::thread::yield_now();
        }
        let piece = CUT_BYTES_MAX;
        assert_eq!(lens, [2 * piece + 1, piece + 1, 1]);
    }

    #[test]
    fn what_others_see_is_not_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        let (a, b, c) = (path("a"), path("b"), path("c"));
        let len = 2 * CUT_BYTES_MAX;
        let mut orphans = Orphans::default();
        orphans.take(removed(&a, len, || {
            std::fs::hard_link(&a, &b).expect("a link");
        }));
        let mut reader = None;
        orphans.take(removed(&c, len, || reader = File::open(&c).ok()));
        orphans.take(removed(&path("short"), CUT_BYTES_MAX, || {}));
        assert!(orphans.files.is_empty(), "{orphans:?}");
        let meta = |file: &File| file.metadata().expect("a file");
        assert_eq!(meta(&reader.expect("a reader")).size(), len);
        assert_eq!(std::fs::metadata(&b).expect("a link").size(), len);
    }
}
