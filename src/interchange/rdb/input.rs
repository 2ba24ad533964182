//! Reading bytes of an RDB file or a DUMP payload with a position, a bound and a checksum.

use std::io::Read;

use super::{RdbError, lzf};
use crate::interchange::crc64::Crc64;

/// The longest string, in bytes: Redis's own limit.
const STRING_BYTES_MAX: u64 = 512 << 20;
/// Room made for a string before its bytes have arrived.
const STRING_BYTES_AHEAD: usize = 1 << 20;
/// Most bytes that one compressed byte stands for.
const LZF_EXPANSION_MAX: u64 = 132;

const LEN_32_BITS: u8 = 0x80;
const LEN_64_BITS: u8 = 0x81;
const INT_8: u8 = 0;
const INT_16: u8 = 1;
const INT_32: u8 = 2;
const LZF: u8 = 3;

/// A length, or how a string is encoded instead of having one.
enum Length {
    Plain(u64),
    Encoded(u8),
}

/// Bytes that come one after the other; how many there are is known.
pub struct Input<'a> {
    source: &'a mut dyn Read,
    /// Bytes read so far.
    at: u64,
    /// Bytes that there are in all.
    end: u64,
    crc: Crc64,
}

impl<'a> Input<'a> {
    /// Reads `source`, which has `len` bytes.
    pub fn new(source: &'a mut dyn Read, len: u64) -> Self {
        Self {
            source,
            at: 0,
            end: len,
            crc: Crc64::default(),
        }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    /// The checksum of all bytes so far.
    pub fn crc(&self) -> u64 {
        self.crc.value()
    }

    /// Damage at the next byte.
    pub fn damage<T>(&self, what: &'static str) -> Result<T, RdbError> {
        Err(RdbError::Damaged { at: self.at, what })
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<(), RdbError> {
        if self.left() < out.len() as u64 {
            return Err(RdbError::Truncated { at: self.end });
        }
        self.source.read_exact(out).map_err(|source| RdbError::Io {
            at: self.at,
            source,
        })?;
        self.crc.add(out);
        self.at += out.len() as u64;
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8, RdbError> {
        Ok(self.array::<1>()?[0])
    }

    /// Eight bytes, little endian.
    pub fn u64_le(&mut self) -> Result<u64, RdbError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// `len` bytes. Memory grows as they arrive.
    pub fn bytes(&mut self, len: u64) -> Result<Vec<u8>, RdbError> {
        if len > STRING_BYTES_MAX {
            return self.damage("a string is longer than any may be");
        }
        if len > self.left() {
            return Err(RdbError::Truncated { at: self.end });
        }
        let (mut bytes, len) = (Vec::new(), len as usize);
        while bytes.len() < len {
            let from = bytes.len();
            let step = (len - from).min(STRING_BYTES_AHEAD);
            bytes.resize(from + step, 0);
            self.fill(&mut bytes[from..])?;
        }
        Ok(bytes)
    }

    fn length_or_encoding(&mut self) -> Result<Length, RdbError> {
        let first = self.byte()?;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(first & 0x3f)),
            1 => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            3 => Length::Encoded(first & 0x3f),
            _ => match first {
                LEN_32_BITS => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
                LEN_64_BITS => Length::Plain(u64::from_be_bytes(self.array()?)),
                _ => return self.damage("no length begins with this byte"),
            },
        })
    }

    /// A length or a number.
    pub fn length(&mut self) -> Result<u64, RdbError> {
        match self.length_or_encoding()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(_) => self.damage("a length is wanted, not an encoded string"),
        }
    }

    /// How many elements follow, each of which has `bytes_min` bytes at least.
    pub fn count(&mut self, bytes_min: u64) -> Result<u64, RdbError> {
        let count = self.length()?;
        if count.saturating_mul(bytes_min) > self.left() {
            return self.damage("more elements are promised than there are bytes");
        }
        Ok(count)
    }

    /// A string, decoded.
    pub fn string(&mut self) -> Result<Vec<u8>, RdbError> {
        match self.length_or_encoding()? {
            Length::Plain(len) => self.bytes(len),
            Length::Encoded(INT_8) => Ok(text(i64::from(i8::from_le_bytes(self.array()?)))),
            Length::Encoded(INT_16) => Ok(text(i64::from(i16::from_le_bytes(self.array()?)))),
            Length::Encoded(INT_32) => Ok(text(i64::from(i32::from_le_bytes(self.array()?)))),
            Length::Encoded(LZF) => {
                let (packed, len) = (self.length()?, self.length()?);
                if len > packed.saturating_mul(LZF_EXPANSION_MAX) || len > STRING_BYTES_MAX {
                    return self.damage("so few compressed bytes do not make such a long string");
                }
                let packed = self.bytes(packed)?;
                match lzf::decompress(&packed, len as usize) {
                    Some(bytes) => Ok(bytes),
                    None => self.damage("a compressed string is damaged"),
                }
            }
            Length::Encoded(_) => self.damage("no string is encoded in this way"),
        }
    }
}

fn text(number: i64) -> Vec<u8> {
    itoa::Buffer::new().format(number).as_bytes().to_vec()
}
