//! The bytes a connection has sent that are not carried out yet.

/// Room made for a read when nothing is known of what comes, in bytes.
pub const READ_BYTES: usize = 16 * 1024;
/// A word at least this long is given room of its own, and the buffer is not kept afterwards.
const BIG_WORD_BYTES: usize = 32 * 1024;
/// Most room made ahead for what a client only announced, unless that much has arrived already.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// Arrived bytes, of which those before `start` are done with.
#[derive(Debug, Default)]
pub struct Input {
    buffer: Vec<u8>,
    start: usize,
    /// Bytes that the unfinished request is known to lack.
    missing: usize,
}

impl Input {
    /// What is not done with.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// All bytes in memory, done with or not, and where those begin that are not.
    pub fn whole(&self) -> (&[u8], usize) {
        (&self.buffer, self.start)
    }

    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room in the buffer that is not used.
    pub fn free(&self) -> usize {
        self.buffer.capacity() - self.buffer.len()
    }

    /// The first `n` bytes are done with.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "only what arrived is consumed");
        self.start += n;
        self.missing = 0;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// The unfinished request lacks at least `n` bytes.
    pub fn expect(&mut self, n: usize) {
        self.missing = n;
    }

    /// The buffer to append to, with room for a read. A large word that was announced gets room step by step, at
    /// most as much ahead as has arrived, so that announcing costs nothing and arriving costs no copies in all.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.missing >= BIG_WORD_BYTES {
            if self.free() == 0 || self.buffer.capacity() <= READ_BYTES {
                let ahead = self.missing.min(self.buffer.len().max(AHEAD_BYTES_MAX));
                self.buffer.reserve_exact(ahead);
            }
        } else if self.free() < READ_BYTES / 4 {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    /// Whether the buffer can be taken away.
    pub fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.buffer.capacity() > 0
    }

    /// Gives the empty buffer away.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        assert!(self.buffer.is_empty(), "bytes are never thrown away");
        std::mem::take(&mut self.buffer)
    }

    /// Uses this buffer, if there is none.
    pub fn give_buffer(&mut self, buffer: Vec<u8>) {
        assert!(buffer.is_empty(), "a buffer to use is empty");
        if self.buffer.capacity() == 0 {
            self.buffer = buffer;
        }
    }

    /// Whether there is a buffer.
    pub fn has_buffer(&self) -> bool {
        self.buffer.capacity() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_word_is_given_room_as_it_arrives() {
        let mut input = Input::default();
        input.room().extend_from_slice(b"$536870912\r\n");
        input.expect(512 << 20);
        assert!(input.room().capacity() <= 2 * AHEAD_BYTES_MAX);
        let arrived = vec![0; input.free()];
        input.room().extend_from_slice(&arrived);
        input.expect((512 << 20) - arrived.len());
        let before = input.len();
        assert!(input.room().capacity() <= 2 * before + READ_BYTES);
        assert!(input.free() >= before);
    }

    #[test]
    fn consumed_bytes_make_place() {
        let mut input = Input::default();
        input.room().extend_from_slice(b"abcdef");
        input.consume(4);
        assert_eq!(input.bytes(), b"ef");
        input.room().extend_from_slice(b"g");
        assert_eq!(input.bytes(), b"efg");
        input.consume(3);
        assert!(input.is_idle());
    }
}
