//! The packings of older versions: ziplists, zipmaps, integer sets. Only read.

use super::RdbError;
use super::listpack::{integer, number};

const ZIPLIST_HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// In a ziplist: the length of the entry before stands in four more bytes.
const LONG_PREVIOUS: u8 = 0xfe;
/// In a zipmap: the length stands in four more bytes.
const LONG_ITEM: u8 = 0xfe;

/// The entries of a ziplist, as texts. `at` is its offset, for errors.
pub fn ziplist(bytes: &[u8], at: u64) -> Result<Vec<Vec<u8>>, RdbError> {
    let damage = |what| RdbError::Damaged { at, what };
    if bytes.len() <= ZIPLIST_HEADER_BYTES
        || bytes[..4] != (bytes.len() as u32).to_le_bytes()
        || bytes[bytes.len() - 1] != END
    {
        return Err(damage("a ziplist's length is not its own"));
    }
    let mut rest = &bytes[ZIPLIST_HEADER_BYTES..bytes.len() - 1];
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let previous = if rest[0] == LONG_PREVIOUS { 5 } else { 1 };
        let (entry, len) = rest
            .get(previous..)
            .and_then(ziplist_entry)
            .ok_or(damage("an entry of a ziplist is cut"))?;
        entries.push(entry);
        rest = &rest[previous + len..];
    }
    let count = u16::from_le_bytes([bytes[8], bytes[9]]);
    if count != u16::MAX && usize::from(count) != entries.len() {
        return Err(damage(
            "a ziplist has another number of entries than it says",
        ));
    }
    Ok(entries)
}

/// One entry behind its previous length, and how many bytes it takes.
fn ziplist_entry(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let first = *rest.first()?;
    let text = |header: usize, len: usize| {
        let bytes = rest.get(header..header.checked_add(len)?)?;
        Some((bytes.to_vec(), header + len))
    };
    let fixed = |bytes: usize| Some((number(integer(rest.get(1..1 + bytes)?)), 1 + bytes));
    match first {
        0..0x40 => text(1, usize::from(first)),
        0x40..0x80 => text(
            2,
            usize::from(first & 0x3f) << 8 | usize::from(*rest.get(1)?),
        ),
        0x80 => {
            let len = u32::from_be_bytes(*rest.get(1..)?.first_chunk()?);
            text(5, len as usize)
        }
        0xc0 => fixed(2),
        0xd0 => fixed(4),
        0xe0 => fixed(8),
        0xf0 => fixed(3),
        0xfe => fixed(1),
        0xf1..=0xfd => Some((number(i64::from(first & 0x0f) - 1), 1)),
        _ => None,
    }
}

/// The members of an integer set, as texts.
pub fn integers(bytes: &[u8], at: u64) -> Result<Vec<Vec<u8>>, RdbError> {
    let damage = |what| RdbError::Damaged { at, what };
    let header = bytes.first_chunk::<8>();
    let header = header.ok_or(damage("an integer set is cut"))?;
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (width, count) = (word(0) as usize, u64::from(word(4)));
    if !matches!(width, 2 | 4 | 8) || (bytes.len() - 8) as u64 != count * width as u64 {
        return Err(damage("an integer set's length is not its own"));
    }
    Ok(bytes[8..]
        .chunks(width)
        .map(|member| number(integer(member)))
        .collect())
}

/// The fields and values of a zipmap in turn.
pub fn zipmap(bytes: &[u8], at: u64) -> Result<Vec<Vec<u8>>, RdbError> {
    let cut = RdbError::Damaged {
        at,
        what: "a zipmap is cut",
    };
    let mut items = Vec::new();
    // The first byte is the number of pairs, if there are few.
    let mut rest = bytes.get(1..).unwrap_or_default();
    loop {
        if rest == [END] && items.len() % 2 == 0 {
            return Ok(items);
        }
        let is_value = items.len() % 2 == 1;
        let Some((item, len)) = zipmap_item(rest, is_value) else {
            return Err(cut);
        };
        items.push(item);
        rest = &rest[len..];
    }
}

fn zipmap_item(rest: &[u8], is_value: bool) -> Option<(Vec<u8>, usize)> {
    let first = *rest.first()?;
    let (len, mut header) = match first {
        END => return None,
        LONG_ITEM => (
            u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize,
            5,
        ),
        len => (usize::from(len), 1),
    };
    let mut unused = 0;
    if is_value {
        unused = usize::from(*rest.get(header)?);
        header += 1;
    }
    let item = rest.get(header..header.checked_add(len)?)?;
    let end = header + len + unused;
    (end <= rest.len()).then(|| (item.to_vec(), end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ziplist_as_redis_writes_it() {
        // Entries "hello", 7, -300, 100000.
        let mut bytes = vec![0; ZIPLIST_HEADER_BYTES];
        bytes.extend(b"\x00\x05hello\x07\xf8\x02\xc0\xd4\xfe\x04\xf0\xa0\x86\x01\xff");
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes[8] = 4;
        let texts: [&[u8]; 4] = [b"hello", b"7", b"-300", b"100000"];
        assert_eq!(ziplist(&bytes, 0).unwrap(), texts);
    }

    #[test]
    fn a_zipmap_as_redis_writes_it() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world..\xff";
        let texts: [&[u8]; 4] = [b"foo", b"bar", b"hello", b"world"];
        assert_eq!(zipmap(bytes, 0).unwrap(), texts);
        for len in 0..bytes.len() {
            assert!(zipmap(&bytes[..len], 0).is_err());
        }
    }

    #[test]
    fn an_integer_set_as_redis_writes_it() {
        let bytes = b"\x02\0\0\0\x03\0\0\0\xff\xff\x01\x00\x2c\x01";
        let texts: [&[u8]; 3] = [b"-1", b"1", b"300"];
        assert_eq!(integers(bytes, 0).unwrap(), texts);
        assert!(integers(&bytes[..13], 0).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (zipmap(&bytes, 0), integers(&bytes, 0));
            let len = bytes.len();
            if len > ZIPLIST_HEADER_BYTES {
                bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
                bytes[len - 1] = END;
                let _ = ziplist(&bytes, 0);
            }
        }
    }
}
