//! Sequences of byte strings: what the body of a small collection is.
//!
//! ```text
//! sequence = item*
//! item     = length (varint: seven bits a byte, low first), bytes
//! ```
//!
//! A hash is fields and values in turn, a sorted set scores and members, a list and a set their elements. Sequences
//! are short ([`Keyspace::packed_bytes_max`](super::Keyspace::packed_bytes_max)), so that they are searched from the front.

use std::ops::Range;

/// A sequence, as it stands in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed<'a>(&'a [u8]);

/// One item and where in the sequence it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Offset of its first byte, the length included.
    pub at: usize,
    /// Offset behind its last byte.
    pub end: usize,
    pub bytes: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Views a body that was built by [`push`]; pages are checked below.
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// Views a body of which nothing is known; None: it is no sequence.
    pub fn checked(body: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        while at < body.len() {
            let (start, len) = length_at(body, at)?;
            at = start.checked_add(len).filter(|end| *end <= body.len())?;
        }
        Some(Self(body))
    }

    /// The items from the front.
    pub fn iter(self) -> Items<'a> {
        Items {
            body: self.0,
            at: 0,
        }
    }

    /// How many items there are.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The item with this number, from 0.
    pub fn nth(self, n: usize) -> Option<Item<'a>> {
        self.iter().nth(n)
    }

    /// The first of the items numbered 0, `step`, 2 * `step` ... that is `bytes`, and its number.
    pub fn find(self, bytes: &[u8], step: usize) -> Option<(usize, Item<'a>)> {
        self.iter()
            .enumerate()
            .step_by(step)
            .find(|(_, item)| item.bytes == bytes)
    }
}

/// The items of a sequence, from the front.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let at = self.at;
        let (start, len) = length_at(self.body, at)?;
        let end = start + len;
        self.at = end;
        Some(Item {
            at,
            end,
            bytes: &self.body[start..end],
        })
    }
}

/// Where the bytes of the item begin whose length stands at `at`, and how many they are. None: nothing stands there, or
/// no length.
#[inline]
fn length_at(body: &[u8], at: usize) -> Option<(usize, usize)> {
    let (mut len, mut shift, mut start) = (0usize, 0, at);
    loop {
        let byte = *body.get(start)?;
        start += 1;
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((start, len));
        }
        shift += 7;
        if shift >= usize::BITS {
            return None;
        }
    }
}

/// Appends an item.
pub fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes.len();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(bytes);
}

/// Byte strings in memory, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct ByteStrings {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl ByteStrings {
    /// The items of a sequence.
    pub fn of(packed: Packed<'_>) -> Self {
        let mut strings = Self {
            bytes: Vec::with_capacity(packed.0.len()),
            places: Vec::with_capacity(packed.len()),
        };
        strings.extend(packed.iter().map(|item| item.bytes));
        strings
    }

    pub fn push(&mut self, string: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(string);
        self.places.push(at..self.bytes.len());
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of all strings together.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// The string with this number, from 0.
    pub fn get(&self, n: usize) -> &[u8] {
        &self.bytes[self.places[n].clone()]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.clone()])
    }

    /// Puts them in byte order.
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        self.places
            .sort_unstable_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
    }

    /// A copy of them in byte order.
    pub fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.sort();
        sorted
    }

    /// Puts them in the order of what `key` makes of each.
    pub fn sort_by_cached_key<K: Ord>(&mut self, key: impl Fn(&[u8]) -> K) {
        let bytes = &self.bytes;
        self.places
            .sort_by_cached_key(|place| key(&bytes[place.clone()]));
    }

    /// Whether strings in byte order have this one among them.
    pub fn has(&self, string: &[u8]) -> bool {
        let compare = |place: &Range<usize>| self.bytes[place.clone()].cmp(string);
        self.places.binary_search_by(compare).is_ok()
    }
}

impl<'s> Extend<&'s [u8]> for ByteStrings {
    fn extend<I: IntoIterator<Item = &'s [u8]>>(&mut self, strings: I) {
        for string in strings {
            self.push(string);
        }
    }
}

impl<'s> FromIterator<&'s [u8]> for ByteStrings {
    fn from_iter<I: IntoIterator<Item = &'s [u8]>>(strings: I) -> Self {
        let mut all = Self::default();
        all.extend(strings);
        all
    }
}

/// Bytes that an item of `len` bytes takes.
pub fn item_bytes(len: usize) -> usize {
    let bits = usize::BITS - len.leading_zeros();
    len + (bits.max(1) as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sequence_is_a_list(items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut body = Vec::new();
            let mut ends = Vec::new();
            for item in &items {
                push(&mut body, item);
                ends.push(body.len());
            }
            let packed = Packed::new(&body);
            prop_assert_eq!(packed.len(), items.len());
            let mut at = 0;
            for ((found, item), end) in packed.iter().zip(&items).zip(ends) {
                prop_assert_eq!(found.bytes, item.as_slice());
                prop_assert_eq!((found.at, found.end), (at, end));
                prop_assert_eq!(end - at, item_bytes(item.len()));
                at = end;
            }
            for (n, item) in items.iter().enumerate() {
                prop_assert_eq!(packed.nth(n).map(|found| found.bytes), Some(item.as_slice()));
                let first = items.iter().position(|other| other == item);
                prop_assert_eq!(packed.find(item, 1).map(|(n, _)| n), first);
            }
            prop_assert_eq!(packed.nth(items.len()), None);
            let mut strings = ByteStrings::of(packed);
            prop_assert_eq!(strings.iter().collect::<Vec<_>>(), items.iter().collect::<Vec<_>>());
            prop_assert_eq!(strings.bytes_len(), items.concat().len());
            strings.sort();
            prop_assert!(strings.iter().is_sorted());
            prop_assert!(items.iter().all(|item| strings.has(item)));
            prop_assert!(!strings.has(&[7; 200]));
        }
    }
}
