//! Files that are given up when the server ends.

use std::io::{self, Write};
use std::time::Duration;

use crate::command::server::Server;
use crate::config::Key;

/// How long a delay goes on before it is looked whether the server ends.
const DELAY_PIECE: Duration = Duration::from_millis(10);

/// Lets bytes through until the server ends; what is written from then on fails.
pub struct UntilStop<'a> {
    pub out: &'a mut dyn Write,
    pub is_stopping: &'a dyn Fn() -> bool,
}

impl Write for UntilStop<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.is_stopping)() {
            return Err(io::Error::other("the server ends"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `rdb-key-save-delay`: the time that each key takes besides, so that it can be tried out what goes on meanwhile.
pub struct KeyDelay {
    /// Microseconds of a key; negative: keys that share one microsecond.
    setting: i64,
    keys_done: u64,
}

impl KeyDelay {
    /// As it is set now.
    pub fn of(server: &Server) -> Self {
        Self {
            setting: server.config.number(Key::RdbKeySaveDelay),
            keys_done: 0,
        }
    }

    /// So many keys are written: takes the time of those that were not at the last call, unless the server ends.
    pub fn wait(&mut self, keys_done: u64, is_stopping: &dyn Fn() -> bool) {
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
