//! Listpacks: sequences of strings and integers in one string.
//!
//! ```text
//! total bytes (4, little endian), number of elements (2; 65535: unknown), element*, ff
//! element = encoding and data, its length backwards (1 to 5 bytes)
//! ```

use super::RdbError;

const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
/// The longest text of an integer.
const INTEGER_LEN_MAX: usize = 20;

/// The elements of a listpack, as texts. `at` is its offset, for errors.
pub fn read(bytes: &[u8], at: u64) -> Result<Vec<Vec<u8>>, RdbError> {
    let damage = |what| RdbError::Damaged { at, what };
    if bytes.len() <= HEADER_BYTES
        || bytes[..4] != (bytes.len() as u32).to_le_bytes()
        || bytes[bytes.len() - 1] != END
    {
        return Err(damage("a listpack's length is not its own"));
    }
    let mut rest = &bytes[HEADER_BYTES..bytes.len() - 1];
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let (element, len) = element(rest).ok_or(damage("an element of a listpack is cut"))?;
        let back = back_bytes(len);
        if rest.len() < len + back {
            return Err(damage("an element of a listpack is cut"));
        }
        elements.push(element);
        rest = &rest[len + back..];
    }
    let count = u16::from_le_bytes([bytes[4], bytes[5]]);
    if count != u16::MAX && usize::from(count) != elements.len() {
        return Err(damage(
            "a listpack has another number of elements than it says",
        ));
    }
    Ok(elements)
}

/// One element and how many bytes its encoding and data take.
fn element(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let first = rest[0];
    let text = |header: usize, len: usize| {
        let bytes = rest.get(header..header.checked_add(len)?)?;
        Some((bytes.to_vec(), header + len))
    };
    let byte = |at: usize| rest.get(at).copied();
    match first {
        0..0x80 => Some((number(i64::from(first)), 1)),
        0x80..0xc0 => text(1, usize::from(first & 0x3f)),
        0xc0..0xe0 => {
            let value = i64::from(first & 0x1f) << 8 | i64::from(byte(1)?);
            Some((
                number(if value >= 1 << 12 {
                    value - (1 << 13)
                } else {
                    value
                }),
                2,
            ))
        }
        0xe0..0xf0 => text(2, usize::from(first & 0x0f) << 8 | usize::from(byte(1)?)),
        0xf0 => {
            let len = u32::from_le_bytes(*rest.get(1..)?.first_chunk()?);
            text(5, len as usize)
        }
        0xf1..=0xf4 => {
            let bytes = [2, 3, 4, 8][usize::from(first - 0xf1)];
            Some((number(integer(rest.get(1..1 + bytes)?)), 1 + bytes))
        }
        _ => None,
    }
}

/// A signed little-endian integer of up to eight bytes.
pub(super) fn integer(bytes: &[u8]) -> i64 {
    let unsigned = bytes.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let unused = 64 - 8 * bytes.len() as u32;
    (unsigned << unused).cast_signed() >> unused
}

pub(super) fn number(value: i64) -> Vec<u8> {
    itoa::Buffer::new().format(value).as_bytes().to_vec()
}

fn back_bytes(len: usize) -> usize {
    match len {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        2_097_152..268_435_456 => 4,
        _ => 5,
    }
}

/// A listpack being written.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    count: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            bytes: vec![0; HEADER_BYTES],
            count: 0,
        }
    }
}

impl Writer {
    /// Appends a text, as an integer if it reads as one.
    pub fn push(&mut self, text: &[u8]) {
        if text.len() <= INTEGER_LEN_MAX
            && let Some(value) = crate::resp::integer::parse_i64(text)
        {
            return self.push_integer(value);
        }
        let from = self.bytes.len();
        match text.len() {
            len @ 0..64 => self.bytes.push(0x80 | len as u8),
            len @ 64..4096 => self.bytes.extend([0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                self.bytes.push(0xf0);
                self.bytes.extend((len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end(from);
    }

    /// Appends an integer.
    pub fn push_integer(&mut self, value: i64) {
        let from = self.bytes.len();
        let bytes = value.to_le_bytes();
        match value {
            0..128 => self.bytes.push(value as u8),
            -4096..4096 => {
                let coded = (value & 0x1fff) as u16;
                self.bytes.extend([0xc0 | (coded >> 8) as u8, coded as u8]);
            }
            _ => {
                let (code, len) = match value {
                    -0x8000..0x8000 => (0xf1, 2),
                    -0x80_0000..0x80_0000 => (0xf2, 3),
                    -0x8000_0000..0x8000_0000 => (0xf3, 4),
                    _ => (0xf4, 8),
                };
                self.bytes.push(code);
                self.bytes.extend_from_slice(&bytes[..len]);
            }
        }
        self.end(from);
    }

    /// Writes the length of the element that began at `from` so that it can be read backwards.
    fn end(&mut self, from: usize) {
        let len = self.bytes.len() - from;
        let count = back_bytes(len);
        for i in (0..count).rev() {
            let part = (len >> (7 * i)) as u8 & 0x7f;
            // All but the first byte, which is read last, say that there are more.
            self.bytes
                .push(if i + 1 == count { part } else { part | 0x80 });
        }
        self.count += 1;
    }

    /// Bytes of the listpack as it is.
    pub fn at(&self) -> u64 {
        self.bytes.len() as u64 + 1
    }

    /// The whole listpack.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let total = (self.bytes.len() as u32).to_le_bytes();
        self.bytes[..4].copy_from_slice(&total);
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_of_every_width_come_back() {
        let mut writer = Writer::default();
        let mut values = vec![i64::MIN, i64::MAX, 0];
        for bits in 0..63 {
            values.extend([1 << bits, -(1 << bits), (1 << bits) - 1, -(1 << bits) - 1]);
        }
        for value in &values {
            writer.push(&number(*value));
        }
        let read = read(&writer.finish(), 0).unwrap();
        assert_eq!(read, values.iter().map(|v| number(*v)).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..10)) {
            let mut writer = Writer::default();
            texts.iter().for_each(|text| writer.push(text));
            prop_assert_eq!(read(&writer.finish(), 0).unwrap(), texts);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 7..80)) {
            let len = bytes.len();
            bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
            bytes[len - 1] = END;
            let _ = read(&bytes, 0);
        }
    }
}
