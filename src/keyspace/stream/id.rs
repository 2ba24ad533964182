//! IDs of entries: a time in milliseconds and a number within it.

use std::fmt;

use crate::resp::integer::parse_cursor;
use crate::resp::text::until_nul;

/// Bytes of an ID as a key of a tree.
pub const ID_BYTES: usize = 16;
/// Words of this many bytes and more are no IDs.
const WORD_BYTES_END: usize = 128;

/// An ID. The derived order is that of the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    /// No entry has this one.
    pub const MIN: Self = Self::new(0, 0);
    pub const MAX: Self = Self::new(u64::MAX, u64::MAX);

    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// As a key whose byte order is the order of IDs: both parts big endian.
    pub fn to_bytes(self) -> [u8; ID_BYTES] {
        self.number().to_be_bytes()
    }

    /// Reads what [`StreamId::to_bytes`] wrote, at the front of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (bytes, _) = bytes.split_first_chunk().expect("a whole ID");
        Self::from_number(u128::from_be_bytes(*bytes))
    }

    fn number(self) -> u128 {
        u128::from(self.ms) << 64 | u128::from(self.seq)
    }

    fn from_number(number: u128) -> Self {
        Self::new((number >> 64) as u64, number as u64)
    }

    /// The ID behind this one.
    pub fn next(self) -> Option<Self> {
        self.number().checked_add(1).map(Self::from_number)
    }

    /// The ID before this one.
    pub fn previous(self) -> Option<Self> {
        self.number().checked_sub(1).map(Self::from_number)
    }

    /// The ID of an entry that is added at `now_ms` after this one: the time, or the next ID if that is not above.
    /// The one behind the last is the first.
    pub fn successor(self, now_ms: u64) -> Self {
        if now_ms > self.ms {
            Self::new(now_ms, 0)
        } else {
            self.next().unwrap_or(Self::MIN)
        }
    }

    /// Reads `ms-seq` or `ms`, which stands for the number `missing_seq`.
    pub fn parse(word: &[u8], missing_seq: u64) -> Option<Self> {
        match Pattern::parse(word, missing_seq)? {
            Pattern::Id(id) => Some(id),
            Pattern::Time(_) => None,
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// An ID, or a part of one that XADD completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    Id(StreamId),
    /// `ms-*`: the next number within this time.
    Time(u64),
}

impl Pattern {
    /// Reads `ms-seq`, `ms-*` or `ms`, which stands for the number `missing_seq`.
    pub fn parse(word: &[u8], missing_seq: u64) -> Option<Self> {
        if word.len() >= WORD_BYTES_END {
            return None;
        }
        let word = until_nul(word);
        let Some(dash) = word.iter().position(|&byte| byte == b'-') else {
            return Some(Self::Id(StreamId::new(parse_cursor(word)?, missing_seq)));
        };
        let (ms, seq) = (parse_cursor(&word[..dash])?, &word[dash + 1..]);
        Some(match seq {
            b"*" => Self::Time(ms),
            seq => Self::Id(StreamId::new(ms, parse_cursor(seq)?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_ordered_as_ids() {
        let ids = [
            StreamId::MIN,
            StreamId::new(0, 1),
            StreamId::new(0, u64::MAX),
            StreamId::new(1, 0),
            StreamId::new(256, 3),
            StreamId::MAX,
        ];
        for pair in ids.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_bytes() < pair[1].to_bytes());
        }
        for id in ids {
            assert_eq!(StreamId::from_bytes(&id.to_bytes()), id);
            assert_eq!(StreamId::parse(id.to_string().as_bytes(), 7), Some(id));
            assert_eq!(
                id.next().and_then(StreamId::previous),
                id.next().map(|_| id)
            );
        }
        assert_eq!(StreamId::new(0, u64::MAX).next(), Some(StreamId::new(1, 0)));
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn words_are_read_as_numbers_of_c() {
        let id = |word: &str| Pattern::parse(word.as_bytes(), 9);
        assert_eq!(id("5"), Some(Pattern::Id(StreamId::new(5, 9))));
        assert_eq!(id("5-1"), Some(Pattern::Id(StreamId::new(5, 1))));
        assert_eq!(id(" 05-+1"), Some(Pattern::Id(StreamId::new(5, 1))));
        assert_eq!(id("5-*"), Some(Pattern::Time(5)));
        assert_eq!(id("5-1\0x"), Some(Pattern::Id(StreamId::new(5, 1))));
        for word in [
            "",
            "-",
            "+",
            "*",
            "x",
            "1-",
            "-1",
            "1-1-1",
            "1--1",
            "1-**",
            "1-18446744073709551616",
        ] {
            assert_eq!(id(word), None, "{word:?}");
        }
        assert_eq!(StreamId::parse(b"5-*", 0), None);
        assert_eq!(Pattern::parse(&[b'0'; WORD_BYTES_END], 0), None);
        assert!(Pattern::parse(&[b'0'; WORD_BYTES_END - 1], 0).is_some());
    }

    #[test]
    fn an_added_entry_follows_the_clock_and_the_last_one() {
        let last = StreamId::new(100, 5);
        assert_eq!(last.successor(101), StreamId::new(101, 0));
        assert_eq!(last.successor(100), StreamId::new(100, 6));
        assert_eq!(last.successor(1), StreamId::new(100, 6));
        assert_eq!(StreamId::MAX.successor(1), StreamId::MIN);
    }
}
