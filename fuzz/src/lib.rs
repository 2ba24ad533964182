//! What the fuzz targets share: a clock that stands still, and edits read from fuzz input.

pub mod database;

use redkeep::vfs::Clock;

/// A clock that stands still.
#[derive(Debug)]
pub struct Standstill;

impl Clock for Standstill {
    fn wall_ms(&self) -> u64 {
        1
    }

    fn wall_us(&self) -> u64 {
        1000
    }

    fn mono_us(&self) -> u64 {
        0
    }
}

/// Bytes to be put at places of a file.
#[derive(Debug)]
pub struct Edits<'a> {
    input: &'a [u8],
}

impl<'a> Edits<'a> {
    /// Reads edits from `input`: a place (3 bytes), a length (1 byte, up to 16), the bytes.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input }
    }
}

impl<'a> Iterator for Edits<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, len], rest) = self.input.split_first_chunk::<4>()?;
        let place = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let (bytes, rest) = rest.split_at_checked(usize::from(len % 16) + 1)?;
        self.input = rest;
        Some((place, bytes))
    }
}
