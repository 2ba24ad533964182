//! The small form of a hash: a sequence of threes in the body.

use crate::keyspace::draft::Draft;
use crate::keyspace::packed::{self, Item, Items, Packed};

/// Items of a field: the field, its value, its expiry.
const ITEMS: usize = 3;

/// The threes of a body.
#[derive(Clone, Copy, Debug)]
pub struct Small<'a>(&'a [u8]);

/// A field of a small hash and where its parts stand.
#[derive(Clone, Copy, Debug)]
pub struct Three<'a> {
    pub field: Item<'a>,
    pub value: Item<'a>,
    pub expires_ms: Option<u64>,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Three<'_> {
    /// Offset of the first byte.
    pub fn at(&self) -> usize {
        self.field.at
    }
}

/// The fields from the front.
pub struct Threes<'a>(Items<'a>);

impl<'a> Iterator for Threes<'a> {
    type Item = Three<'a>;

    fn next(&mut self) -> Option<Three<'a>> {
        let field = self.0.next()?;
        let value = self.0.next().expect("a value follows its field");
        let expiry = self.0.next().expect("an expiry follows its value");
        Some(Three {
            field,
            value,
            expires_ms: read_expiry(expiry.bytes),
            end: expiry.end,
        })
    }
}

/// An expiry as it is kept: eight bytes, big endian, or none.
pub(crate) fn read_expiry(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|time| u64::from_be_bytes(*time))
}

/// The bytes of an expiry.
pub(super) fn expiry_bytes(expires_ms: Option<u64>) -> smallvec::SmallVec<[u8; 8]> {
    expires_ms.map_or_else(smallvec::SmallVec::new, |ms| ms.to_be_bytes().into())
}

/// Bytes that a field takes.
pub(in crate::keyspace) fn three_bytes(
    field: usize,
    value: usize,
    expires_ms: Option<u64>,
) -> usize {
    packed::item_bytes(field)
        .saturating_add(packed::item_bytes(value))
        .saturating_add(packed::item_bytes(if expires_ms.is_some() { 8 } else { 0 }))
}

impl<'a> Small<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub fn iter(self) -> Threes<'a> {
        Threes(Packed::new(self.0).iter())
    }

    /// How many fields there are.
    pub fn len(self) -> usize {
        Packed::new(self.0).len() / ITEMS
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub fn find(self, field: &[u8]) -> Option<Three<'a>> {
        self.iter().find(|three| three.field.bytes == field)
    }

    /// The smallest expiry.
    pub fn first_expiry_ms(self) -> Option<u64> {
        self.iter().filter_map(|three| three.expires_ms).min()
    }

    /// How many fields are due.
    pub fn due(self, now_ms: u64) -> usize {
        self.iter()
            .filter(|three| super::is_due(three.expires_ms, now_ms))
            .count()
    }
}

/// What is done to the body of a small hash.
impl Draft {
    pub(super) fn fields(&self) -> Small<'_> {
        Small::new(&self.body)
    }

    /// Puts a field that is not there where Redis lists it: fields that expire in the order of their times, then
    /// the others in the order in which they came.
    pub(super) fn insert_field(&mut self, field: &[u8], value: &[u8], expires_ms: Option<u64>) {
        let end = self.body.len();
        let at = expires_ms.map_or(end, |ms| {
            let mut later = self.fields().iter();
            let found = later.find(|three| three.expires_ms.is_none_or(|other| other >= ms));
            found.map_or(end, |three| three.at())
        });
        if at == end {
            self.append(|body| push_three(body, field, value, expires_ms));
        } else {
            let mut bytes = Vec::new();
            push_three(&mut bytes, field, value, expires_ms);
            self.replace(at, at, &bytes);
        }
    }

    /// Replaces the value that stands in these bytes.
    pub(super) fn set_value(&mut self, at: usize, end: usize, value: &[u8]) {
        let mut bytes = Vec::with_capacity(value.len() + 4);
        packed::push(&mut bytes, value);
        self.replace(at, end, &bytes);
    }

    /// Takes these bytes out, which are whole threes.
    pub(super) fn remove_fields(&mut self, at: usize, end: usize) {
        self.replace(at, end, &[]);
    }
}

/// Appends a field.
pub(in crate::keyspace) fn push_three(
    out: &mut Vec<u8>,
    field: &[u8],
    value: &[u8],
    expires_ms: Option<u64>,
) {
    packed::push(out, field);
    packed::push(out, value);
    packed::push(out, &expiry_bytes(expires_ms));
}
