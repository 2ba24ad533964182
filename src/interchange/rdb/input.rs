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
    /// None: nobody asks for it.
    crc: Option<Crc64>,
    /// What is read is kept here, too.
    copy: Option<Vec<u8>>,
}

impl<'a> Input<'a> {
    /// Reads `source`, which has `len` bytes.
    pub fn new(source: &'a mut dyn Read, len: u64) -> Self {
        Self {
            crc: Some(Crc64::default()),
            ..Self::part(source, 0, len)
        }
    }

    /// Reads `source`, which has `len` bytes that stand at offset `at` of what they were taken from. There is no checksum of
    /// them.
    pub fn part(source: &'a mut dyn Read, at: u64, len: u64) -> Self {
        Self {
            source,
            at,
            end: at + len,
            crc: None,
            copy: None,
        }
    }

    /// What is read from now on is appended to `copy`, too.
    pub fn begin_copy(&mut self, copy: Vec<u8>) {
        self.copy = Some(copy);
    }

    /// Gives the copy back.
    pub fn end_copy(&mut self) -> Vec<u8> {
        self.copy.take().unwrap_or_default()
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
        self.crc.as_ref().map_or(0, |crc| crc.value())
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
        if let Some(crc) = &mut self.crc {
            crc.add(out);
        }
        self.at += out.len() as u64;
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(out);
        }
        Ok(())
    }

    /// Reads over `len` bytes, which only the copy gets. Memory grows as they arrive.
    pub fn pass(&mut self, len: u64) -> Result<(), RdbError> {
        let mut copy = self.copy.take().unwrap_or_default();
        let passed = self.append(&mut copy, len);
        self.copy = Some(copy);
        passed
    }

    /// Appends `len` bytes to `out`, which is not the copy.
    fn append(&mut self, out: &mut Vec<u8>, len: u64) -> Result<(), RdbError> {
        if len > STRING_BYTES_MAX {
            return self.damage("a string is longer than any may be");
        }
        if len > self.left() {
            return Err(RdbError::Truncated { at: self.end });
        }
        let end = out.len() + len as usize;
        while out.len() < end {
            let from = out.len();
            let step = (end - from).min(STRING_BYTES_AHEAD);
            out.resize(from + step, 0);
            self.fill(&mut out[from..])?;
        }
        Ok(())
    }

    /// Reads over a string, which is not decoded.
    pub fn pass_string(&mut self) -> Result<(), RdbError> {
        match self.length_or_encoding()? {
            Length::Plain(len) => self.pass(len),
            Length::Encoded(INT_8) => self.pass(1),
            Length::Encoded(INT_16) => self.pass(2),
            Length::Encoded(INT_32) => self.pass(4),
            Length::Encoded(LZF) => {
                let packed = self.length()?;
                self.length()?;
                self.pass(packed)
            }
            Length::Encoded(_) => self.damage("no string is encoded in this way"),
        }
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
        let mut bytes = Vec::new();
        self.append(&mut bytes, len)?;
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
