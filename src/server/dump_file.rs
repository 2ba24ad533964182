//! Files with all keys of a snapshot, which are given up when the server ends.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::command::server::Server;
use crate::config::Key;
use crate::interchange::export::{self, Facts};
use crate::storage::Snapshot;
use crate::storage::planted::Planted;
use crate::storage::replace::replace_planted;
use crate::vfs::Vfs;

/// How long a delay goes on before it is looked whether the server ends.
const DELAY_PIECE: Duration = Duration::from_millis(10);

/// A file that is to be written, whole or not at all.
pub struct DumpFile<'a> {
    pub path: &'a Path,
    /// As an RDB file, or else as commands.
    pub is_rdb: bool,
    pub snapshot: &'a Snapshot,
    pub facts: &'a Facts,
    pub vfs: &'a dyn Vfs,
    pub server: &'a Server,
    /// Whether it is to be given up.
    pub is_stopping: &'a (dyn Fn() -> bool + Sync),
    pub planted: Planted,
}

impl DumpFile<'_> {
    /// Writes it, and calls `on_progress` now and then with how many keys are written; its length in bytes.
    pub fn write(&self, on_progress: &mut dyn FnMut(u64)) -> io::Result<u64> {
        let write = if self.is_rdb {
            export::write_file
        } else {
            export::write_commands
        };
        let mut delay = KeyDelay::of(self.server);
        let mut progress = |done| {
            delay.wait(done, self.is_stopping);
            on_progress(done);
        };
        let mut len = 0;
        replace_planted(self.vfs, self.path, self.planted, &mut |out| {
            let mut out = UntilStop {
                out,
                is_stopping: self.is_stopping,
                len: 0,
            };
            write(self.snapshot, self.facts, &mut out, &mut progress)?;
            len = out.len;
            Ok(())
        })?;
        Ok(len)
    }
}

/// Lets bytes through, and counts them, until the server ends; what is written from then on fails.
struct UntilStop<'a> {
    out: &'a mut dyn Write,
    is_stopping: &'a dyn Fn() -> bool,
    len: u64,
}

impl Write for UntilStop<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.is_stopping)() {
            return Err(io::Error::other("the server ends"));
        }
        let written = self.out.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `rdb-key-save-delay`: the time that each key takes besides, so that it can be tried out what goes on meanwhile.
struct KeyDelay {
    /// Microseconds of a key; negative: keys that share one microsecond.
    setting: i64,
    keys_done: u64,
}

impl KeyDelay {
    /// As it is set now.
    fn of(server: &Server) -> Self {
        Self {
            setting: server.config.number(Key::RdbKeySaveDelay),
            keys_done: 0,
        }
    }

    /// So many keys are written: takes the time of those that were not at the last call, unless the server ends.
    fn wait(&mut self, keys_done: u64, is_stopping: &dyn Fn() -> bool) {
        let keys = keys_done - std::mem::replace(&mut self.keys_done, keys_done);
        let us = match self.setting {
            0 => return,
            us @ 1.. => keys.saturating_mul(us.unsigned_abs()),
            keys_a_us => keys / keys_a_us.unsigned_abs(),
        };
        let mut left = Duration::from_micros(us);
        while !left.is_zero() && !is_stopping() {
            let piece = left.min(DELAY_PIECE);
            std::thread::sleep(piece);
            left -= piece;
        }
    }
}
