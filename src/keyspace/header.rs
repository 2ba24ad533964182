//! The head of a key's cell: what kind of value, how OBJECT ENCODING names it, when it expires.
//!
//! ```text
//! offset size meaning
//!      0    1 kind in the low four bits, encoding in the high four
//!      1    1 flags: 1 an expiry follows, 2 an earliest expiry of fields follows
//!      .    8 expiry: wall time in milliseconds since 1970, little endian; only with flag 1
//!      .    8 when the first field of a hash expires, in the same form; only with flag 2
//!      .    . what the kind of value adds
//! ```

use smallvec::SmallVec;

const FLAG_EXPIRES: u8 = 1;
const FLAG_FIELDS_EXPIRE: u8 = 2;
const FIXED_LEN: usize = 2;
const EXPIRY_LEN: usize = 8;

/// What kind of value a key holds; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    SortedSet = 3,
    Hash = 4,
    Stream = 6,
}

impl Kind {
    /// What TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }

    /// The kind that TYPE would call `name`, in letters of any case.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        [
            Self::String,
            Self::List,
            Self::Set,
            Self::SortedSet,
            Self::Hash,
            Self::Stream,
        ]
        .into_iter()
        .find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()))
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::String,
            1 => Self::List,
            2 => Self::Set,
            3 => Self::SortedSet,
            4 => Self::Hash,
            6 => Self::Stream,
            _ => return None,
        })
    }
}

/// How a value came to be, as far as OBJECT ENCODING tells; the numbers are stored. It names the form that Redis
/// would keep the value in, which the directives decide, and says nothing of the form it has here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Set as a whole: `int` if it reads as one, `embstr` if it is short, else `raw`.
    #[default]
    Natural = 0,
    /// Changed in place: `raw`.
    Raw = 1,
    /// The result of a calculation with fractions: never `int`.
    Text = 2,
    /// A copy of a natural one: an integer in it is not shared with other keys.
    Copied = 3,
    /// A set of integers only: `intset`.
    Integers = 4,
    /// A small collection: `listpack`.
    Packed = 5,
    /// A small hash that has had fields with an expiry: `listpackex`.
    PackedExpiring = 6,
    /// A large collection: `hashtable`, `skiplist` or `quicklist`.
    Table = 7,
}

impl Encoding {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Natural,
            1 => Self::Raw,
            2 => Self::Text,
            3 => Self::Copied,
            4 => Self::Integers,
            5 => Self::Packed,
            6 => Self::PackedExpiring,
            7 => Self::Table,
            _ => return None,
        })
    }
}

/// The parsed head of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub encoding: Encoding,
    /// Wall time in milliseconds since 1970 after which the key is gone.
    pub expires_ms: Option<u64>,
    /// When the first field that expires does: a hash's only.
    pub fields_expire_ms: Option<u64>,
}

/// Bytes of a head.
pub type Head = SmallVec<[u8; 32]>;

impl Header {
    /// A string without expiry, set as a whole.
    pub const STRING: Self = Self {
        kind: Kind::String,
        encoding: Encoding::Natural,
        expires_ms: None,
        fields_expire_ms: None,
    };

    /// A key of this kind and encoding that does not expire.
    pub fn new(kind: Kind, encoding: Encoding) -> Self {
        Self {
            kind,
            encoding,
            ..Self::STRING
        }
    }

    /// Reads what [`Header::to_bytes`] wrote; anything else is a programmer's error, for pages are checked below.
    pub fn parse(head: &[u8]) -> Self {
        Self::read(head).expect("the head of a key")
    }

    /// The same of bytes that may be anything. None: they are no head.
    pub fn read(head: &[u8]) -> Option<Self> {
        let (fixed, rest) = head.split_first_chunk::<FIXED_LEN>()?;
        let mut times = rest.as_chunks::<EXPIRY_LEN>().0.iter();
        let mut time = |flag| {
            if fixed[1] & flag == 0 {
                return Some(None);
            }
            times.next().map(|time| Some(u64::from_le_bytes(*time)))
        };
        Some(Self {
            kind: Kind::from_bits(fixed[0] & 0x0f)?,
            encoding: Encoding::from_bits(fixed[0] >> 4)?,
            expires_ms: time(FLAG_EXPIRES)?,
            fields_expire_ms: time(FLAG_FIELDS_EXPIRE)?,
        })
    }

    /// The bytes of a head, followed by what the kind of value adds.
    pub fn to_bytes(self, added: &[u8]) -> Head {
        let mut head = Head::new();
        head.push(self.kind as u8 | (self.encoding as u8) << 4);
        let flag = |time: Option<u64>, flag: u8| if time.is_some() { flag } else { 0 };
        head.push(
            flag(self.expires_ms, FLAG_EXPIRES) | flag(self.fields_expire_ms, FLAG_FIELDS_EXPIRE),
        );
        for time_ms in [self.expires_ms, self.fields_expire_ms]
            .into_iter()
            .flatten()
        {
            head.extend_from_slice(&time_ms.to_le_bytes());
        }
        head.extend_from_slice(added);
        head
    }

    /// What the kind of value added to `head`.
    pub fn added(head: &[u8]) -> &[u8] {
        let times = (head[1] & (FLAG_EXPIRES | FLAG_FIELDS_EXPIRE)).count_ones() as usize;
        &head[FIXED_LEN + times * EXPIRY_LEN..]
    }

    /// Whether the key is gone at `now_ms`: it lives through the millisecond of its expiry.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.expires_ms
            .is_some_and(|expires_ms| now_ms > expires_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back_as_they_went() {
        for kind in [Kind::String, Kind::Hash, Kind::Stream] {
            for encoding in [
                Encoding::Natural,
                Encoding::Raw,
                Encoding::Text,
                Encoding::Copied,
                Encoding::Table,
            ] {
                let times = [None, Some(0), Some(u64::MAX)];
                for (expires_ms, fields_expire_ms) in
                    times.iter().flat_map(|a| times.map(|b| (*a, b)))
                {
                    let header = Header {
                        kind,
                        encoding,
                        expires_ms,
                        fields_expire_ms,
                    };
                    let bytes = header.to_bytes(b"more");
                    assert_eq!(Header::parse(&bytes), header);
                    assert_eq!(Header::added(&bytes), b"more");
                }
            }
        }
    }

    #[test]
    fn a_key_lives_through_its_last_millisecond() {
        let header = Header {
            expires_ms: Some(100),
            ..Header::STRING
        };
        assert!(!header.is_due(100));
        assert!(header.is_due(101));
        assert!(!Header::STRING.is_due(u64::MAX));
    }
}
