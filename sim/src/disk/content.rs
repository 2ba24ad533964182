//! The bytes of a file: sparse, copied on write, cheap to clone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::trace::Digest;

/// Bytes in a chunk, the unit of copying on write and of disk space.
pub const CHUNK: u64 = 4096;

/// The unit in which it is known whether bytes were ever written: an eighth of a chunk, the smallest sector.
const WRITTEN_UNIT: u64 = CHUNK / 8;

#[derive(Clone)]
struct Chunk {
    bytes: [u8; CHUNK as usize],
    /// One bit for each unit: whether a write ever touched it.
    written: u8,
}

/// Bytes and a length. Bytes that nobody wrote read as zeroes.
///
/// Writes may land behind the length (the blocks of a file whose new size was lost); [`Content::clip`] forgets them.
#[derive(Clone, Default)]
pub struct Content {
    len: u64,
    chunks: Arc<BTreeMap<u64, Arc<Chunk>>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes, {:016x})", self.len, self.digest())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && {
            let a = self.chunks.keys();
            let mut at = a.chain(other.chunks.keys());
            at.all(|index| self.chunk_bytes(*index) == other.chunk_bytes(*index))
        }
    }
}

impl Eq for Content {}

static ZEROES: [u8; CHUNK as usize] = [0; CHUNK as usize];

/// The parts of `offset..offset + len` by chunk: chunk number, start in the chunk, length.
fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset.checked_add(len).expect("a range ends below 2^64");
    let mut at = offset;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let start = at % CHUNK;
        let size = (CHUNK - start).min(end - at);
        let piece = (at / CHUNK, start as usize, size as usize);
        at += size;
        Some(piece)
    })
}

/// The bits of the units that `start..start + size` of a chunk touches.
fn units(start: usize, size: usize) -> u8 {
    let first = start as u64 / WRITTEN_UNIT;
    let last = (start + size - 1) as u64 / WRITTEN_UNIT;
    (first..=last).fold(0, |bits, unit| bits | (1 << unit))
}

impl Content {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn chunk_bytes(&self, index: u64) -> &[u8; CHUNK as usize] {
        self.chunks.get(&index).map_or(&ZEROES, |c| &c.bytes)
    }

    fn chunk_mut(&mut self, index: u64) -> &mut Chunk {
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = chunks.entry(index).or_insert_with(|| {
            Arc::new(Chunk {
                bytes: ZEROES,
                written: 0,
            })
        });
        Arc::make_mut(chunk)
    }

    /// Copies bytes from `offset` into `buf`, up to the length; returns how many.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let size = self.len.saturating_sub(offset).min(buf.len() as u64);
        let mut done = 0;
        for (index, start, size) in pieces(offset, size) {
            let bytes = &self.chunk_bytes(index)[start..start + size];
            buf[done..done + size].copy_from_slice(bytes);
            done += size;
        }
        done
    }

    /// The bytes of a range, up to the length.
    pub fn bytes(&self, offset: u64, len: u64) -> Vec<u8> {
        let size = self.len.saturating_sub(offset).min(len);
        let mut out = vec![0; size as usize];
        let done = self.read(offset, &mut out);
        assert_eq!(done as u64, size, "a range below the length reads whole");
        out
    }

    /// Puts bytes at `offset`. The length stays as it is.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        for (index, start, size) in pieces(offset, bytes.len() as u64) {
            let chunk = self.chunk_mut(index);
            chunk.bytes[start..start + size].copy_from_slice(&bytes[done..done + size]);
            chunk.written |= units(start, size);
            done += size;
        }
    }

    /// Puts bytes at `offset` that no program wrote: what a grown file may show. They count as never written.
    pub fn seep(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        for (index, start, size) in pieces(offset, bytes.len() as u64) {
            let chunk = self.chunk_mut(index);
            chunk.bytes[start..start + size].copy_from_slice(&bytes[done..done + size]);
            done += size;
        }
    }

    /// Raises the length, if `len` is above it.
    pub fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Lowers the length, if `len` is below it, and forgets the bytes behind.
    pub fn shrink(&mut self, len: u64) {
        if len < self.len {
            self.len = len;
            self.clip();
        }
    }

    /// Forgets the bytes behind the length.
    pub fn clip(&mut self) {
        let (last, kept) = (self.len / CHUNK, (self.len % CHUNK) as usize);
        let first_gone = last + u64::from(kept > 0);
        if self.chunks.range(first_gone..).next().is_some() {
            Arc::make_mut(&mut self.chunks).split_off(&first_gone);
        }
        let dirty = |c: &Arc<Chunk>| c.bytes[kept..].iter().any(|b| *b != 0);
        if kept > 0 && self.chunks.get(&last).is_some_and(dirty) {
            self.chunk_mut(last).bytes[kept..].fill(0);
        }
    }

    /// The first part of a range that was never written: start and end in bytes, in whole units.
    pub fn unwritten(&self, offset: u64, len: u64) -> Option<(u64, u64)> {
        for (index, start, size) in pieces(offset, len) {
            let missing = units(start, size) & !self.chunks.get(&index).map_or(0, |c| c.written);
            if missing != 0 {
                let from = index * CHUNK + u64::from(missing.trailing_zeros()) * WRITTEN_UNIT;
                let unit_run = u64::from((missing >> missing.trailing_zeros()).trailing_ones());
                let to = from + unit_run * WRITTEN_UNIT;
                return Some((from.max(offset), to.min(offset + len)));
            }
        }
        None
    }

    /// A hash of the length and the bytes below it.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        digest.number(self.len);
        for (index, chunk) in self.chunks.iter() {
            let start = index * CHUNK;
            if start < self.len && chunk.bytes != ZEROES {
                let size = (self.len - start).min(CHUNK) as usize;
                digest.number(*index);
                digest.bytes(&chunk.bytes[..size]);
            }
        }
        digest.value() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_read_as_zeroes_and_count_as_never_written() {
        let mut content = Content::default();
        content.grow(20_000);
        content.write(5000, b"abc");
        assert_eq!(content.bytes(4998, 7), b"\0\0abc\0\0");
        assert_eq!(content.unwritten(5000, 3), None);
        assert_eq!(content.unwritten(4096, 1000), Some((4096, 4608)));
        assert_eq!(content.unwritten(0, 10), Some((0, 10)));
    }

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut content = Content::default();
        content.grow(10);
        content.write(0, b"0123456789");
        let before = content.clone();
        content.write(3, b"xx");
        assert_eq!(before.bytes(0, 10), b"0123456789");
        assert_eq!(content.bytes(0, 10), b"012xx56789");
        assert_ne!(before, content);
        content.write(3, b"34");
        assert_eq!(before, content);
        assert_eq!(before.digest(), content.digest());
    }

    #[test]
    fn shrinking_and_growing_again_shows_zeroes() {
        let mut content = Content::default();
        content.grow(9000);
        content.write(0, &[7; 9000]);
        content.shrink(4100);
        content.grow(9000);
        assert_eq!(content.bytes(4099, 3), [7, 0, 0]);
        assert_eq!(content.bytes(8999, 10), [0]);
    }

    #[test]
    fn bytes_behind_the_length_are_reachable_only_until_clipped() {
        let mut content = Content::default();
        content.write(0, b"data");
        assert_eq!(content.bytes(0, 4), b"");
        let mut grown = content.clone();
        grown.grow(4);
        assert_eq!(grown.bytes(0, 4), b"data");
        content.clip();
        content.grow(4);
        assert_eq!(content.bytes(0, 4), [0; 4]);
    }
}
