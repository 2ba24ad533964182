//! What a leaf keeps for a key: a small head, a body of any length, nested trees.
//!
//! ```text
//! offset size  meaning
//!      0    1  bits 0-1: body (0 inline, 1 blob); bits 2-3: number of nested trees; other bits zero
//!      1    1  length of the head, at most HEAD_BYTES_MAX
//!      2    h  head
//!           32 descriptor of the body's blob, if the body is one
//!        n * 32 descriptors of the nested trees
//!           .. the body, if it is inline, to the end of the value
//! ```

use super::page::{DESC_BYTES, Desc};

/// The longest head, in bytes.
pub const HEAD_BYTES_MAX: usize = 64;

/// Where in a value its head stands.
pub(crate) const HEAD_OFFSET: usize = 2;

/// The most nested trees that one cell has.
pub const SLOTS_MAX: usize = 3;

/// What each entry counts for besides its key and value, in bytes.
pub const ENTRY_BYTES: u64 = 10;

const _: () = assert!(ENTRY_BYTES as usize == super::node::cell_bytes(0, false, 0));

const BODY_MASK: u8 = 0b11;
const BODY_BLOB: u8 = 1;
const SLOTS_SHIFT: u8 = 2;

/// The body of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The bytes, in the page.
    Inline(&'a [u8]),
    /// So many bytes, in pages of their own.
    Blob { len: u64 },
}

/// The value of a key, viewed in its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    bytes: &'a [u8],
}

impl<'a> Cell<'a> {
    /// Views a value that has passed [`is_sound`] or was written here.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    #[inline]
    fn head_end(&self) -> usize {
        HEAD_OFFSET + usize::from(self.bytes[1])
    }

    /// The small part that always stands in the page.
    #[inline]
    pub fn head(&self) -> &'a [u8] {
        &self.bytes[HEAD_OFFSET..self.head_end()]
    }

    #[inline]
    fn is_blob(&self) -> bool {
        self.bytes[0] & BODY_MASK == BODY_BLOB
    }

    /// How many nested trees hang here.
    #[inline]
    pub fn slots(&self) -> usize {
        usize::from(self.bytes[0] >> SLOTS_SHIFT)
    }

    #[inline]
    fn slots_start(&self) -> usize {
        self.head_end() + if self.is_blob() { DESC_BYTES } else { 0 }
    }

    /// The body.
    #[inline]
    pub fn body(&self) -> Body<'a> {
        match self.blob() {
            Some(desc) => Body::Blob { len: desc.count },
            None => Body::Inline(&self.bytes[self.slots_start() + self.slots() * DESC_BYTES..]),
        }
    }

    /// Length of the body in bytes.
    pub fn body_len(&self) -> u64 {
        match self.body() {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Blob { len } => len,
        }
    }

    /// The blob of the body, if it has one.
    #[inline]
    pub fn blob(&self) -> Option<Desc> {
        self.is_blob()
            .then(|| Desc::decode(&self.bytes[self.head_end()..]))
    }

    /// The descriptor of nested tree `slot`.
    pub fn slot(&self, slot: usize) -> Desc {
        assert!(slot < self.slots(), "a nested tree of this cell");
        Desc::decode(&self.bytes[self.slot_offset(slot)..])
    }

    /// Entries in nested tree `slot`.
    pub fn slot_count(&self, slot: usize) -> u64 {
        self.slot(slot).count
    }

    /// Where in the value the descriptor of nested tree `slot` stands.
    pub(crate) fn slot_offset(&self, slot: usize) -> usize {
        self.slots_start() + slot * DESC_BYTES
    }

    /// Where in the value the inline body starts.
    pub(crate) fn body_offset(&self) -> usize {
        self.slots_start() + self.slots() * DESC_BYTES
    }

    /// Bytes of the value and of everything that hangs at it.
    #[inline]
    pub fn data_bytes(&self) -> u64 {
        let own = self.bytes.len() as u64;
        if self.stands_alone() {
            return own;
        }
        self.attachments()
            .fold(own, |sum, desc| sum.saturating_add(desc.data_bytes()))
    }

    /// What the entry counts for whose value this is, with a key of so many bytes.
    #[inline]
    pub fn entry_bytes(&self, key_bytes: u64) -> u64 {
        ENTRY_BYTES
            .saturating_add(key_bytes)
            .saturating_add(self.data_bytes())
    }

    /// Whether nothing hangs at this cell, which holds for nearly all.
    #[inline]
    pub fn stands_alone(&self) -> bool {
        self.bytes[0] == 0
    }

    /// Puts what hangs at this cell into `out`.
    #[inline]
    pub fn attachments_to(&self, out: &mut impl Extend<Desc>) {
        if !self.stands_alone() {
            out.extend(self.attachments());
        }
    }

    /// Everything that hangs at this cell in pages of its own.
    pub fn attachments(&self) -> impl Iterator<Item = Desc> + use<'a> {
        let cell = *self;
        cell.blob()
            .into_iter()
            .chain((0..cell.slots()).map(move |slot| cell.slot(slot)))
    }
}

/// What an entry counts for among the bytes of its tree: slot and lengths, key, value, and what hangs there.
#[inline]
pub fn entry_bytes(key_bytes: u64, value: &[u8]) -> u64 {
    Cell::new(value).entry_bytes(key_bytes)
}

/// Whether bytes read from a page are a value.
pub fn is_sound(bytes: &[u8]) -> bool {
    if bytes.len() < 2 || bytes[0] & BODY_MASK > BODY_BLOB {
        return false;
    }
    let cell = Cell::new(bytes);
    cell.slots() <= SLOTS_MAX
        && usize::from(bytes[1]) <= HEAD_BYTES_MAX
        && cell.body_offset() <= bytes.len()
        && (!cell.is_blob() || cell.body_offset() == bytes.len())
}

/// Writes a value over `out`: head, blob or inline body, nested trees.
pub fn encode(out: &mut Vec<u8>, head: &[u8], blob: Option<Desc>, slots: &[Desc], inline: &[u8]) {
    assert!(head.len() <= HEAD_BYTES_MAX, "a head is small");
    assert!(slots.len() <= SLOTS_MAX, "a cell has few nested trees");
    assert!(
        blob.is_none() || inline.is_empty(),
        "a body is inline or a blob"
    );
    out.clear();
    out.push(if blob.is_some() { BODY_BLOB } else { 0 } | (slots.len() as u8) << SLOTS_SHIFT);
    out.push(head.len() as u8);
    out.extend_from_slice(head);
    if let Some(desc) = blob {
        out.extend_from_slice(&desc.encode());
    }
    for desc in slots {
        out.extend_from_slice(&desc.encode());
    }
    out.extend_from_slice(inline);
}

/// Bytes of a value with these parts.
pub fn encoded_bytes(head: usize, has_blob: bool, slots: usize, inline: usize) -> usize {
    HEAD_OFFSET + head + DESC_BYTES * (usize::from(has_blob) + slots) + inline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::page::{PageNo, PagePtr, Stamp};

    fn desc(page: u64, count: u64) -> Desc {
        let root = PagePtr {
            page: PageNo(page),
            stamp: Stamp(page * 3),
        };
        Desc {
            root,
            height: 2,
            is_blob: false,
            count,
            bytes: count * 3,
        }
    }

    #[test]
    fn a_cell_reads_back_what_was_written() {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            b"head",
            None,
            &[desc(1, 10), desc(2, 20)],
            b"body",
        );
        assert!(is_sound(&bytes));
        let cell = Cell::new(&bytes);
        assert_eq!(cell.head(), b"head");
        assert_eq!(cell.body(), Body::Inline(b"body"));
        assert_eq!((cell.slots(), cell.slot_count(1)), (2, 20));
        assert_eq!(
            cell.attachments().map(|d| d.count).collect::<Vec<_>>(),
            [10, 20]
        );
        assert_eq!(cell.data_bytes(), bytes.len() as u64 + 30 + 60);

        let blob = Desc {
            is_blob: true,
            bytes: 0,
            ..desc(5, 1 << 30)
        };
        encode(&mut bytes, b"", Some(blob), &[], b"");
        assert!(is_sound(&bytes));
        assert_eq!(Cell::new(&bytes).body(), Body::Blob { len: 1 << 30 });
        assert_eq!(
            Cell::new(&bytes).data_bytes(),
            bytes.len() as u64 + (1 << 30)
        );
    }

    #[test]
    fn cut_values_are_not_sound() {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            b"abc",
            Some(Desc::EMPTY_BLOB),
            &[Desc::EMPTY_TREE],
            b"",
        );
        for len in 0..bytes.len() {
            assert!(!is_sound(&bytes[..len]), "{len} bytes of {}", bytes.len());
        }
        assert!(is_sound(&bytes));
    }
}
