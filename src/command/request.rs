//! The words of a request, kept beyond its bytes in the input.

use smallvec::SmallVec;

/// Words one after the other in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    /// Where each word ends.
    ends: Vec<usize>,
}

/// The words of a request, as handlers get them.
pub type Words<'a> = SmallVec<[&'a [u8]; 8]>;

impl Request {
    pub fn new(words: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(words.iter().map(|word| word.len()).sum());
        let mut ends = Vec::with_capacity(words.len());
        for word in words {
            bytes.extend_from_slice(word);
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    pub fn words(&self) -> Words<'_> {
        let mut from = 0;
        self.ends
            .iter()
            .map(|&end| {
                let word = &self.bytes[from..end];
                from = end;
                word
            })
            .collect()
    }

    /// The same with another word number `at`.
    pub fn with_word(&self, at: usize, word: &[u8]) -> Self {
        let mut words = self.words();
        words[at] = word;
        Self::new(&words)
    }

    /// Bytes of the words, and what it takes to tell them apart.
    pub fn memory(&self) -> usize {
        self.bytes.len() + size_of_val(self.ends.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        let words: [&[u8]; 4] = [b"set", b"", b"\0\r\n", b"x"];
        let request = Request::new(&words);
        assert_eq!(request.words().as_slice(), words);
        let other = request.with_word(1, b"key");
        assert_eq!(
            other.words().as_slice(),
            [&b"set"[..], b"key", b"\0\r\n", b"x"]
        );
        assert!(Request::default().words().is_empty());
    }
}
