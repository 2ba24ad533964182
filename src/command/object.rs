//! OBJECT: how Redis would keep a value. MEMORY USAGE: what a string would take there, and what a collection takes here.

use super::argument::{integer, is_word};
use super::{Call, Failure, Outcome, errors, help, settings};
use crate::keyspace::eviction::Merit;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::{Entry, Look};
use crate::resp::integer::parse_i64;

/// Strings of up to this many bytes are `embstr`.
const EMBEDDED_LEN_MAX: u64 = 44;
/// Integers from 0 up to here are shared by all keys that hold them.
const SHARED_INTEGERS: i64 = 10_000;
/// What OBJECT REFCOUNT says of a shared object.
const SHARED_REFERENCES: i64 = 2_147_483_647;
/// The longest decimal form of a 64-bit integer.
const INTEGER_LEN_MAX: u64 = 20;

/// How Redis would keep a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringForm {
    Integer(i64),
    Embedded,
    Raw,
}

impl StringForm {
    fn of(header: Header, len: u64, inline: Option<&[u8]>) -> Self {
        let number = inline
            .filter(|_| matches!(header.encoding, Encoding::Natural | Encoding::Copied))
            .filter(|_| len <= INTEGER_LEN_MAX)
            .and_then(parse_i64);
        match number {
            Some(number) => Self::Integer(number),
            None if header.encoding != Encoding::Raw && len <= EMBEDDED_LEN_MAX => Self::Embedded,
            None => Self::Raw,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::Embedded => "embstr",
            Self::Raw => "raw",
        }
    }
}

/// What is there to be told about a key.
pub(super) struct Seen {
    kind: Kind,
    encoding: Encoding,
    form: StringForm,
    is_copy: bool,
    len: u64,
}

impl Seen {
    pub(super) fn of(entry: &Entry<'_>) -> Self {
        let len = entry.len();
        Self {
            kind: entry.header.kind,
            encoding: entry.header.encoding,
            form: StringForm::of(entry.header, len, entry.inline()),
            is_copy: entry.header.encoding == Encoding::Copied,
            len,
        }
    }

    /// What OBJECT ENCODING answers.
    pub(super) fn encoding(&self) -> &'static str {
        match self.kind {
            Kind::String => self.form.name(),
            Kind::Stream => "stream",
            kind => match (self.encoding, kind) {
                (Encoding::Integers, _) => "intset",
                (Encoding::Packed, _) => "listpack",
                (Encoding::PackedExpiring, _) => "listpackex",
                (_, Kind::List) => "quicklist",
                (_, Kind::SortedSet) => "skiplist",
                _ => "hashtable",
            },
        }
    }

    /// What OBJECT REFCOUNT answers; `shares` if small integers are shared at all.
    pub(super) fn references(&self, shares: bool) -> i64 {
        let shared = shares
            && self.kind == Kind::String
            && !self.is_copy
            && matches!(self.form, StringForm::Integer(n) if (0..SHARED_INTEGERS).contains(&n));
        if shared { SHARED_REFERENCES } else { 1 }
    }

    /// Bytes of a string in Redis's dump format, not compressed.
    pub(super) fn dump_bytes(&self) -> u64 {
        let integer = match self.form {
            StringForm::Integer(n) if i8::try_from(n).is_ok() => Some(2),
            StringForm::Integer(n) if i16::try_from(n).is_ok() => Some(3),
            StringForm::Integer(n) if i32::try_from(n).is_ok() => Some(5),
            _ => None,
        };
        let header = match self.len {
            0..64 => 1,
            64..16_384 => 2,
            16_384..0x1_0000_0000 => 5,
            _ => 9,
        };
        integer.unwrap_or(header + self.len)
    }
}

/// Looks at the key without using it. Replies null and gives None if it is not there.
fn look(call: &mut Call, key: &[u8], look: Look) -> Result<Option<Seen>, Failure> {
    let entry = call
        .keyspace
        .lookup(call.client.db, key, call.now_ms, look)?;
    let seen = entry.map(|entry| Seen::of(&entry));
    if seen.is_none() {
        call.out.null();
    }
    Ok(seen)
}

/// OBJECT ENCODING key
pub fn object_encoding(call: &mut Call) -> Outcome {
    if let Some(seen) = look(call, call.args[2], Look::INSPECT)? {
        call.out.bulk(seen.encoding().as_bytes());
    }
    Ok(())
}

/// OBJECT REFCOUNT key
pub fn object_refcount(call: &mut Call) -> Outcome {
    let shares = settings::shares_integers(call);
    if let Some(seen) = look(call, call.args[2], Look::INSPECT)? {
        call.out.int(seen.references(shares));
    }
    Ok(())
}

/// OBJECT IDLETIME key
pub fn object_idletime(call: &mut Call) -> Outcome {
    let key = call.args[2];
    if look(call, key, Look::INSPECT)?.is_some() {
        if settings::eviction_merit(call.server) == Some(Merit::Frequency) {
            return Err(errors::IDLE_TIME_UNDER_LFU.into());
        }
        let access = &call.keyspace.access;
        let seconds = access.idle_seconds(call.client.db, key, call.now_ms);
        call.out.int(seconds as i64);
    }
    Ok(())
}

/// OBJECT FREQ key
pub fn object_freq(call: &mut Call) -> Outcome {
    let key = call.args[2];
    if look(call, key, Look::INSPECT)?.is_some() {
        if settings::eviction_merit(call.server) != Some(Merit::Frequency) {
            return Err(errors::FREQUENCY_WITHOUT_LFU.into());
        }
        let access = &call.keyspace.access;
        let frequency = access.frequency(call.client.db, key, call.now_ms);
        call.out.int(i64::from(frequency));
    }
    Ok(())
}

const HELP: &[&str] = &[
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
];

/// OBJECT HELP
pub fn object_help(call: &mut Call) -> Outcome {
    help::write(call, HELP)
}

/// MEMORY USAGE key [SAMPLES count]
pub fn memory_usage(call: &mut Call) -> Outcome {
    let mut words = &call.args[3..];
    while let [word, number, rest @ ..] = words {
        if !is_word(word, "SAMPLES") {
            break;
        }
        // Nothing is estimated, whatever the number of samples.
        if integer(number)? < 0 {
            return Err(errors::SYNTAX.into());
        }
        words = rest;
    }
    if !words.is_empty() {
        return Err(errors::SYNTAX.into());
    }
    let key = call.args[2];
    if let Some(seen) = look(call, key, Look::UNSEEN)? {
        let bytes = match seen.kind {
            Kind::String => string_memory(&seen) + key_memory(key.len() as u64),
            _ => call.keyspace.key_bytes(call.client.db, key)?,
        };
        call.out.int(bytes.cast_signed());
    }
    Ok(())
}

/// Bytes of an object that stands for a value.
const OBJECT: u64 = 16;

/// Bytes that Redis with its usual allocator would take for a key.
fn key_memory(key_len: u64) -> u64 {
    const DICTIONARY_ENTRY: u64 = 24;
    allocated(string_bytes(key_len)) + DICTIONARY_ENTRY
}

/// Bytes that Redis with its usual allocator would take for a string value.
fn string_memory(seen: &Seen) -> u64 {
    const EMBEDDED_OVERHEAD: u64 = 20;
    match seen.form {
        StringForm::Integer(_) => OBJECT,
        StringForm::Embedded => allocated(seen.len + EMBEDDED_OVERHEAD),
        StringForm::Raw => OBJECT + allocated(string_bytes(seen.len)),
    }
}

/// Bytes of a string of `len` bytes with its header and end mark.
fn string_bytes(len: u64) -> u64 {
    let header = match len {
        0..32 => 1,
        32..256 => 3,
        256..65_536 => 5,
        65_536..0x1_0000_0000 => 9,
        _ => 17,
    };
    len + header + 1
}

/// The allocator's size class: multiples of 16 up to 128, then four classes to each power of two.
fn allocated(bytes: u64) -> u64 {
    match bytes {
        0..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_follow_length_and_history() {
        let form = |encoding, bytes: &[u8]| {
            let header = Header {
                encoding,
                ..Header::STRING
            };
            StringForm::of(header, bytes.len() as u64, Some(bytes)).name()
        };
        assert_eq!(form(Encoding::Natural, b"12"), "int");
        assert_eq!(form(Encoding::Natural, b"012"), "embstr");
        assert_eq!(form(Encoding::Natural, b"12345678901234567890"), "embstr");
        assert_eq!(form(Encoding::Natural, &[b'x'; 44]), "embstr");
        assert_eq!(form(Encoding::Natural, &[b'x'; 45]), "raw");
        assert_eq!(form(Encoding::Raw, b"12"), "raw");
        assert_eq!(form(Encoding::Text, b"12"), "embstr");
    }

    #[test]
    fn size_classes_are_those_of_the_usual_allocator() {
        for (bytes, class) in [
            (1, 8),
            (9, 16),
            (113, 128),
            (129, 160),
            (161, 192),
            (257, 320),
            (1025, 1280),
            (5001, 5120),
        ] {
            assert_eq!(allocated(bytes), class, "{bytes}");
        }
    }
}
