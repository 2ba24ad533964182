//! The inside of a tree page: a sorted array of slots over a heap of cells.
//!
//! ```text
//! | header | slot 0 | slot 1 | ... free ... | heap of cells | common prefix |
//! slot: u16 offset of the cell, u32 hint (the first four bytes of the key's suffix, as a number)
//! cell: u16 key length (bit 15: an overflow descriptor follows the key), u16 value length, key suffix,
//!       [32-byte descriptor of the blob with the rest of the key], value
//! ```
//!
//! A key is stored as the page's common prefix and a suffix; of a key longer than the page's [`key_inline_max`]
//! only that many bytes stand in the page and the rest is a blob. Binary search compares hints and looks into a
//! cell only when they are equal. In a branch the first cell stands for everything below the second: its key is
//! never looked at.

use super::page::{self, DESC_BYTES, Desc, HEADER_BYTES, Kind, PageFault, PagePtr, u16_at, u32_at};
use super::prefetch;

const SLOT_BYTES: usize = 6;
const CELL_HEADER_BYTES: usize = 4;
const OVERFLOW_BIT: u16 = 1 << 15;

/// The most bytes of a key that stand in a page of this size; the rest goes to a blob.
pub fn key_inline_max(page_bytes: usize) -> usize {
    page_bytes / 16
}

/// The most bytes that one cell may take, its slot included, so that any two fit into a page.
pub fn cell_bytes_max(page_bytes: usize) -> usize {
    (page_bytes - HEADER_BYTES) / 2
}

/// The bytes that a cell with these parts takes, its slot included.
pub const fn cell_bytes(key_inline_bytes: usize, overflow: bool, value_bytes: usize) -> usize {
    SLOT_BYTES
        + CELL_HEADER_BYTES
        + key_inline_bytes
        + if overflow { DESC_BYTES } else { 0 }
        + value_bytes
}

/// Where a key is, or would be, among the cells of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    Found(usize),
    /// Not there; it belongs before this cell.
    Missing(usize),
    /// Cells `from .. to` have the same inline part and more in a blob: only the blobs tell.
    Ambiguous {
        from: usize,
        to: usize,
    },
}

/// A search for a hint: cells before `low` have a lesser one, the `rest` behind it are to be looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Halving {
    hint: u32,
    low: u32,
    rest: u32,
}

impl Halving {
    /// Whether every hint that matters has been looked at.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.rest == 0
    }

    /// The first cell whose hint is not less.
    #[inline]
    pub fn low(&self) -> usize {
        self.low as usize
    }
}

/// A cell as it is put into a page. The key is `prefix` followed by `suffix`.
#[derive(Clone, Copy, Debug)]
pub struct CellRef<'a> {
    pub prefix: &'a [u8],
    pub suffix: &'a [u8],
    pub overflow: Option<Desc>,
    pub value: &'a [u8],
}

impl CellRef<'_> {
    pub fn key_bytes(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Appends the inline part of the key to `out`.
    pub fn key_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix);
        out.extend_from_slice(self.suffix);
    }

    /// Bytes in a page whose common prefix is `prefix_bytes` long, the slot included.
    pub fn bytes(&self, prefix_bytes: usize) -> usize {
        cell_bytes(
            self.key_bytes() - prefix_bytes,
            self.overflow.is_some(),
            self.value.len(),
        )
    }

    /// The parts of the key behind its first `skip` bytes.
    fn key_from(&self, skip: usize) -> (&[u8], &[u8]) {
        if skip <= self.prefix.len() {
            (&self.prefix[skip..], self.suffix)
        } else {
            (&[], &self.suffix[skip - self.prefix.len()..])
        }
    }
}

fn hint_of(suffix: &[u8]) -> u32 {
    match suffix.first_chunk::<4>() {
        Some(first) => u32::from_be_bytes(*first),
        None => {
            let mut padded = [0; 4];
            padded[..suffix.len()].copy_from_slice(suffix);
            u32::from_be_bytes(padded)
        }
    }
}

/// Whether two byte strings are equal; without a call for the short ones that keys are.
#[inline]
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    let words = a_words.iter().zip(b_words);
    words.fold(true, |same, (x, y)| same & (x == y))
        && a_rest
            .iter()
            .zip(b_rest)
            .fold(true, |same, (x, y)| same & (x == y))
}

/// Reading a tree page.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    page: &'a [u8],
}

impl<'a> Node<'a> {
    /// Views a page that has passed [`check_layout`] or was built here.
    #[inline]
    pub fn new(page: &'a [u8]) -> Self {
        debug_assert!(matches!(Kind::of(page), Some(Kind::Leaf | Kind::Branch)));
        Self { page }
    }

    /// The page itself.
    pub fn page(&self) -> &'a [u8] {
        self.page
    }

    #[inline]
    pub fn is_leaf(&self) -> bool {
        self.page[4] == Kind::Leaf as u8
    }

    #[inline]
    pub fn len(&self) -> usize {
        usize::from(u16_at(self.page, 6))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn heap_start(&self) -> usize {
        u32_at(self.page, 24) as usize
    }

    fn garbage(&self) -> usize {
        u32_at(self.page, 28) as usize
    }

    #[inline]
    fn prefix_bytes(&self) -> usize {
        usize::from(u16_at(self.page, 32))
    }

    #[inline]
    pub fn prefix(&self) -> &'a [u8] {
        &self.page[self.page.len() - self.prefix_bytes()..]
    }

    #[inline]
    fn hint(&self, i: usize) -> u32 {
        u32_at(self.page, HEADER_BYTES + i * SLOT_BYTES + 2)
    }

    #[inline]
    fn offset(&self, i: usize) -> usize {
        usize::from(u16_at(self.page, HEADER_BYTES + i * SLOT_BYTES))
    }

    #[inline]
    fn key_field(&self, i: usize) -> u16 {
        u16_at(self.page, self.offset(i))
    }

    pub fn has_overflow(&self, i: usize) -> bool {
        self.key_field(i) & OVERFLOW_BIT != 0
    }

    #[inline]
    pub fn suffix(&self, i: usize) -> &'a [u8] {
        let at = self.offset(i);
        let len = usize::from(u16_at(self.page, at) & !OVERFLOW_BIT);
        &self.page[at + CELL_HEADER_BYTES..at + CELL_HEADER_BYTES + len]
    }

    /// The blob with the rest of the key, for a key longer than the page holds.
    pub fn overflow(&self, i: usize) -> Option<Desc> {
        if !self.has_overflow(i) {
            return None;
        }
        let at = self.offset(i) + CELL_HEADER_BYTES + self.suffix(i).len();
        Some(Desc::decode(&self.page[at..at + DESC_BYTES]))
    }

    /// Bytes of the whole key, those in a blob included.
    pub fn key_bytes(&self, i: usize) -> u64 {
        let inline = self.prefix().len() + self.suffix(i).len();
        let rest = self.overflow(i).map_or(0, |rest| rest.count);
        rest.saturating_add(inline as u64)
    }

    #[inline]
    fn value_range(&self, i: usize) -> (usize, usize) {
        let at = self.offset(i);
        let head = self.page[at..]
            .first_chunk()
            .expect("a cell has its lengths");
        // Both lengths at once.
        let lengths = u32::from_le_bytes(*head);
        let (field, value_bytes) = (lengths as u16, (lengths >> 16) as usize);
        let overflow = usize::from(field >> 15) * DESC_BYTES;
        let start = at + CELL_HEADER_BYTES + usize::from(field & !OVERFLOW_BIT) + overflow;
        (start, start + value_bytes)
    }

    #[inline]
    pub fn value(&self, i: usize) -> &'a [u8] {
        let (start, end) = self.value_range(i);
        &self.page[start..end]
    }

    /// The suffix of key `i`, whether the key goes on in a blob, and the value.
    #[inline]
    pub fn entry(&self, i: usize) -> (&'a [u8], bool, &'a [u8]) {
        let at = self.offset(i);
        let (head, rest) = self.page[at..]
            .split_first_chunk::<CELL_HEADER_BYTES>()
            .expect("a cell has its lengths");
        let field = u16::from_le_bytes([head[0], head[1]]);
        let value_bytes = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let (suffix, rest) = rest.split_at(usize::from(field & !OVERFLOW_BIT));
        let has_more = field & OVERFLOW_BIT != 0;
        let start = if has_more { DESC_BYTES } else { 0 };
        (suffix, has_more, &rest[start..start + value_bytes])
    }

    /// Where in the page cell `i` begins and its value ends.
    #[inline]
    pub fn cell_place(&self, i: usize) -> std::ops::Range<usize> {
        self.offset(i)..self.value_range(i).1
    }

    pub fn cell(&self, i: usize) -> CellRef<'a> {
        CellRef {
            prefix: self.prefix(),
            suffix: self.suffix(i),
            overflow: self.overflow(i),
            value: self.value(i),
        }
    }

    /// Writes the inline part of key `i` over `out`.
    pub fn key_over(&self, i: usize, out: &mut Vec<u8>) {
        let (prefix, suffix) = (self.prefix(), self.suffix(i));
        out.clear();
        out.reserve(prefix.len() + suffix.len());
        out.extend_from_slice(prefix);
        out.extend_from_slice(suffix);
    }

    fn cell_heap_bytes(&self, i: usize) -> usize {
        self.value_range(i).1 - self.offset(i)
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.page.len()
    }

    /// Whether two cells share bytes.
    pub(super) fn cells_overlap(&self) -> bool {
        let mut cells: Vec<_> = (0..self.len())
            .map(|i| (self.offset(i), self.value_range(i).1))
            .collect();
        cells.sort_unstable();
        cells.windows(2).any(|pair| pair[0].1 > pair[1].0)
    }

    /// Bytes of slots and cells in use.
    pub fn used_bytes(&self) -> usize {
        let heap = self.page.len() - self.prefix_bytes() - self.heap_start();
        self.len() * SLOT_BYTES + heap - self.garbage()
    }

    /// Bytes that a new cell (with its slot) can take, after compaction if need be.
    pub fn free_bytes(&self) -> usize {
        self.contiguous_bytes() + self.garbage()
    }

    fn contiguous_bytes(&self) -> usize {
        self.heap_start() - HEADER_BYTES - self.len() * SLOT_BYTES
    }

    /// Finds `key`, of which `inline_max` bytes count here, among the cells from `first` on.
    #[inline]
    pub fn search(&self, key: &[u8], inline_max: usize, first: usize) -> Search {
        let mut halving = match self.begin_search(key, inline_max, first) {
            Ok(halving) => halving,
            Err(outside) => return outside,
        };
        while halving.rest > 0 {
            self.halve(&mut halving);
        }
        self.end_search(key, inline_max, &halving)
    }

    /// Where hints are to be looked for; an error says where a key belongs that does not begin as those of the page.
    #[inline]
    pub fn begin_search(
        &self,
        key: &[u8],
        inline_max: usize,
        first: usize,
    ) -> Result<Halving, Search> {
        let inline = &key[..key.len().min(inline_max)];
        let (prefix, len) = (self.prefix(), self.len());
        let outside = |is_below| Search::Missing(if is_below { first.min(len) } else { len });
        let Some((beginning, suffix)) = inline.split_at_checked(prefix.len()) else {
            // The key is shorter than the prefix: below every key that begins with it, if it does so itself.
            return Err(outside(inline <= prefix));
        };
        if !is_equal(beginning, prefix) {
            return Err(outside(beginning < prefix));
        }
        Ok(Halving {
            hint: hint_of(suffix),
            low: first as u32,
            rest: len.saturating_sub(first) as u32,
        })
    }

    /// Looks at one hint, in the middle of those that are left. It does not branch on what it compares, which the
    /// processor could only guess.
    #[inline]
    pub fn halve(&self, halving: &mut Halving) {
        let half = halving.rest.div_ceil(2);
        let middle = halving.low + half;
        let is_less = self.hint(middle as usize - 1) < halving.hint;
        halving.low = std::hint::select_unpredictable(is_less, middle, halving.low);
        halving.rest -= half;
    }

    /// What a search has found when no hint is left to look at.
    #[inline]
    pub fn end_search(&self, key: &[u8], inline_max: usize, halving: &Halving) -> Search {
        let suffix = &key[self.prefix_bytes()..key.len().min(inline_max)];
        let (at, is_equal) = self.lower_bound(suffix, halving);
        let is_long = key.len() > inline_max;
        if !is_equal {
            return Search::Missing(at);
        }
        if !is_long {
            return if self.has_overflow(at) {
                Search::Missing(at)
            } else {
                Search::Found(at)
            };
        }
        let from = if self.has_overflow(at) { at } else { at + 1 };
        let mut to = from;
        while to < self.len() && self.has_overflow(to) && self.suffix(to) == suffix {
            to += 1;
        }
        if from == to {
            Search::Missing(from)
        } else {
            Search::Ambiguous { from, to }
        }
    }

    /// Asks the processor for the beginning of a cell, if there is one.
    #[inline]
    pub fn prefetch(&self, i: usize) {
        if i < self.len() {
            prefetch(&self.page[self.offset(i)]);
        }
    }

    /// Asks the processor for the slots from cell `i` on, which move when it goes.
    #[inline]
    pub fn prefetch_slots(&self, i: usize) {
        let slots = HEADER_BYTES + i * SLOT_BYTES..HEADER_BYTES + self.len() * SLOT_BYTES;
        for at in slots.step_by(64) {
            prefetch(&self.page[at]);
        }
    }

    /// The first cell whose suffix is not less than `suffix`, whose hint has been looked for, and whether it is equal.
    #[inline]
    fn lower_bound(&self, suffix: &[u8], halving: &Halving) -> (usize, bool) {
        let (len, low) = (self.len(), halving.low as usize);
        if low >= len || self.hint(low) != halving.hint {
            return (low, false);
        }
        if is_equal(self.suffix(low), suffix) {
            return (low, true);
        }
        let low = self.lower_bound_of_equal_hints(suffix, halving.hint, low);
        (low, low < len && is_equal(self.suffix(low), suffix))
    }

    /// Cells from `low` on with the same hint are told apart by the whole suffix.
    fn lower_bound_of_equal_hints(&self, suffix: &[u8], hint: u32, mut low: usize) -> usize {
        let len = self.len();
        let is_less = |i: usize| self.hint(i) == hint && self.suffix(i) < suffix;
        let mut high = low;
        let mut step = 1;
        while high < len && is_less(high) {
            low = high + 1;
            high += step;
            step *= 2;
        }
        high = high.min(len);
        while low < high {
            let mid = low + (high - low) / 2;
            if is_less(mid) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        low
    }
}

/// Makes an empty tree page with the given common prefix.
pub fn init(page: &mut [u8], kind: Kind, level: u8, ptr: PagePtr, prefix: &[u8]) {
    page::init(page, kind, level, ptr);
    let heap_start = put_prefix(page, prefix);
    set_heap_start(page, heap_start);
}

/// Writes the common prefix into a page that has none; returns where it begins.
fn put_prefix(page: &mut [u8], prefix: &[u8]) -> usize {
    let at = page.len() - prefix.len();
    page[at..].copy_from_slice(prefix);
    page[32..34].copy_from_slice(&(prefix.len() as u16).to_le_bytes());
    at
}

/// Makes a page of cells whose keys all begin with `prefix`. The cells must fit.
pub fn build(
    page: &mut [u8],
    kind: Kind,
    level: u8,
    ptr: PagePtr,
    prefix: &[u8],
    cells: &[CellRef<'_>],
) {
    page::begin(page, kind, level, ptr);
    let is_branch = kind == Kind::Branch;
    let mut at = put_prefix(page, prefix);
    for (i, cell) in cells.iter().enumerate() {
        // The first key of a branch is never looked at and not stored.
        let ((a, b), overflow) = if is_branch && i == 0 {
            ((&[][..], &[][..]), None)
        } else {
            (cell.key_from(prefix.len()), cell.overflow)
        };
        let bytes =
            cell_bytes(a.len() + b.len(), overflow.is_some(), cell.value.len()) - SLOT_BYTES;
        at -= bytes;
        let hint = write_cell(&mut page[at..at + bytes], a, b, overflow, cell.value);
        set_slot(page, i, at, hint);
    }
    let slots_end = HEADER_BYTES + cells.len() * SLOT_BYTES;
    assert!(slots_end <= at, "the cells of a new page were measured");
    page[slots_end..at].fill(0);
    set_heap_start(page, at);
    set_len(page, cells.len());
}

/// Writes a cell over bytes that are as many as it takes; returns its hint.
fn write_cell(cell: &mut [u8], a: &[u8], b: &[u8], overflow: Option<Desc>, value: &[u8]) -> u32 {
    let key_bytes = a.len() + b.len();
    let field = key_bytes as u16 | if overflow.is_some() { OVERFLOW_BIT } else { 0 };
    cell[..2].copy_from_slice(&field.to_le_bytes());
    cell[2..4].copy_from_slice(&(value.len() as u16).to_le_bytes());
    let mut end = CELL_HEADER_BYTES;
    for part in [a, b] {
        cell[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    let hint = hint_of(&cell[CELL_HEADER_BYTES..end]);
    if let Some(desc) = overflow {
        cell[end..end + DESC_BYTES].copy_from_slice(&desc.encode());
        end += DESC_BYTES;
    }
    cell[end..].copy_from_slice(value);
    hint
}

/// Puts a cell before cell `i`; false, and nothing changed, if there is no room.
/// `suffix` is the inline key without the page's prefix.
pub fn insert(
    page: &mut [u8],
    i: usize,
    suffix: &[u8],
    overflow: Option<Desc>,
    value: &[u8],
) -> bool {
    let node = Node::new(page);
    let len = node.len();
    assert!(i <= len, "a place among the cells");
    let total = cell_bytes(suffix.len(), overflow.is_some(), value.len());
    if node.contiguous_bytes() < total {
        if node.free_bytes() < total {
            return false;
        }
        compact(page);
    }
    let at = Node::new(page).heap_start() - (total - SLOT_BYTES);
    set_heap_start(page, at);
    let cell = &mut page[at..at + total - SLOT_BYTES];
    let hint = write_cell(cell, suffix, &[], overflow, value);
    let slot = HEADER_BYTES + i * SLOT_BYTES;
    page.copy_within(slot..HEADER_BYTES + len * SLOT_BYTES, slot + SLOT_BYTES);
    set_slot(page, i, at, hint);
    set_len(page, len + 1);
    true
}

/// Takes cell `i` out.
pub fn remove(page: &mut [u8], i: usize) {
    let node = Node::new(page);
    let len = node.len();
    assert!(i < len, "a cell of the page");
    let freed = node.cell_heap_bytes(i);
    let at = node.offset(i);
    if at == node.heap_start() {
        set_heap_start(page, at + freed);
        absorb_garbage_of_empty(page, len == 1);
    } else {
        let garbage = node.garbage() + freed;
        set_garbage(page, garbage);
        absorb_garbage_of_empty(page, len == 1);
    }
    let slot = HEADER_BYTES + i * SLOT_BYTES;
    page.copy_within(slot + SLOT_BYTES..HEADER_BYTES + len * SLOT_BYTES, slot);
    set_len(page, len - 1);
}

/// A page without cells has no heap, whatever gaps there were.
fn absorb_garbage_of_empty(page: &mut [u8], is_empty: bool) {
    if is_empty {
        let end = page.len() - Node::new(page).prefix_bytes();
        set_heap_start(page, end);
        set_garbage(page, 0);
    }
}

/// Replaces the value of cell `i`; false, and nothing changed, if there is no room.
pub fn set_value(page: &mut [u8], i: usize, value: &[u8]) -> bool {
    let node = Node::new(page);
    let (start, end) = node.value_range(i);
    if value.len() <= end - start {
        let at = node.offset(i);
        let garbage = node.garbage() + (end - start - value.len());
        page[start..start + value.len()].copy_from_slice(value);
        page[at + 2..at + 4].copy_from_slice(&(value.len() as u16).to_le_bytes());
        set_garbage(page, garbage);
        return true;
    }
    let cell = node.cell(i);
    let total = cell_bytes(cell.suffix.len(), cell.overflow.is_some(), value.len());
    if node.free_bytes() + SLOT_BYTES + node.cell_heap_bytes(i) < total {
        return false;
    }
    let suffix = cell.suffix.to_vec();
    let overflow = cell.overflow;
    remove(page, i);
    let fits = insert(page, i, &suffix, overflow, value);
    assert!(fits, "the room was measured");
    true
}

/// The bytes of value `i`, to be changed where they stand.
pub fn value_mut(page: &mut [u8], i: usize) -> &mut [u8] {
    let (start, end) = Node::new(page).value_range(i);
    &mut page[start..end]
}

/// Replaces the descriptor of the blob with the rest of key `i`, which has one.
pub fn set_overflow(page: &mut [u8], i: usize, rest: &Desc) {
    let node = Node::new(page);
    assert!(node.has_overflow(i), "a key that goes on in a blob");
    let at = node.offset(i) + CELL_HEADER_BYTES + node.suffix(i).len();
    page[at..at + DESC_BYTES].copy_from_slice(&rest.encode());
}

/// Moves the cells together at the end of the heap.
fn compact(page: &mut [u8]) {
    let old = page.to_vec();
    let node = Node::new(&old);
    let mut at = page.len() - node.prefix_bytes();
    for i in 0..node.len() {
        let bytes = node.cell_heap_bytes(i);
        let from = node.offset(i);
        at -= bytes;
        page[at..at + bytes].copy_from_slice(&old[from..from + bytes]);
        set_slot(page, i, at, node.hint(i));
    }
    set_heap_start(page, at);
    set_garbage(page, 0);
}

fn set_heap_start(page: &mut [u8], value: usize) {
    page[24..28].copy_from_slice(&(value as u32).to_le_bytes());
}

fn set_garbage(page: &mut [u8], value: usize) {
    page[28..32].copy_from_slice(&(value as u32).to_le_bytes());
}

fn set_len(page: &mut [u8], value: usize) {
    page[6..8].copy_from_slice(&(value as u16).to_le_bytes());
}

fn set_slot(page: &mut [u8], i: usize, offset: usize, hint: u32) {
    let at = HEADER_BYTES + i * SLOT_BYTES;
    page[at..at + 2].copy_from_slice(&(offset as u16).to_le_bytes());
    page[at + 2..at + 6].copy_from_slice(&hint.to_le_bytes());
}

/// Whether the slots, cells and prefix of a page read from disk lie where they must and are in order.
pub fn check_layout(page: &[u8]) -> Result<(), PageFault> {
    let fail = |what| Err(PageFault::Layout(what));
    let node = Node { page };
    let is_branch = page[4] == Kind::Branch as u8;
    let slots_end = HEADER_BYTES + node.len() * SLOT_BYTES;
    let Some(heap_end) = page.len().checked_sub(node.prefix_bytes()) else {
        return fail("the prefix is longer than the page");
    };
    if slots_end > node.heap_start() || node.heap_start() > heap_end {
        return fail("slots and heap overlap");
    }
    if node.prefix_bytes() > key_inline_max(page.len()) {
        return fail("the prefix is longer than a key");
    }
    let mut used = 0;
    for i in 0..node.len() {
        let at = node.offset(i);
        if at < node.heap_start() || at + CELL_HEADER_BYTES > heap_end {
            return fail("a cell lies outside the heap");
        }
        if node.value_range(i).1 > heap_end {
            return fail("a cell runs over the end of the heap");
        }
        used += node.cell_heap_bytes(i);
        if is_branch && i == 0 {
            continue;
        }
        let suffix = node.suffix(i);
        if node.prefix_bytes() + suffix.len() > key_inline_max(page.len()) {
            return fail("a key is longer than a page may hold");
        }
        if node.hint(i) != hint_of(suffix) {
            return fail("a hint is not its key's");
        }
        if i > usize::from(is_branch) {
            let before = (node.suffix(i - 1), node.has_overflow(i - 1));
            let here = (suffix, node.has_overflow(i));
            if before > here || (before == here && !here.1) {
                return fail("keys are out of order");
            }
        }
    }
    if used + node.garbage() != heap_end - node.heap_start() {
        return fail("cells and gaps do not add up to the heap");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::page::{PageNo, Stamp};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const PTR: PagePtr = PagePtr {
        page: PageNo(7),
        stamp: Stamp(9),
    };

    proptest! {
        /// A page behaves like a sorted map until it is full, and its layout holds after every step.
        #[test]
        fn a_page_is_a_sorted_map(
            prefix in "[a-c]{0,3}",
            steps in prop::collection::vec((0u8..3, "[a-b]{0,6}", prop::collection::vec(any::<u8>(), 0..60)), 1..200),
        ) {
            let mut page = vec![0; 1024];
            init(&mut page, Kind::Leaf, 0, PTR, prefix.as_bytes());
            let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (what, suffix, value) in steps {
                let key = format!("{prefix}{suffix}").into_bytes();
                let found = Node::new(&page).search(&key, key_inline_max(1024), 0);
                match (what, found) {
                    (0, Search::Found(i)) => {
                        remove(&mut page, i);
                        prop_assert!(model.remove(&key).is_some());
                    }
                    (_, Search::Found(i)) => {
                        if set_value(&mut page, i, &value) {
                            model.insert(key, value);
                        }
                    }
                    (1 | 2, Search::Missing(i)) => {
                        let before = Node::new(&page).free_bytes();
                        if insert(&mut page, i, suffix.as_bytes(), None, &value) {
                            model.insert(key, value);
                        } else {
                            prop_assert!(before < cell_bytes(suffix.len(), false, value.len()));
                        }
                    }
                    (_, Search::Missing(_)) => prop_assert!(!model.contains_key(&key)),
                    (_, Search::Ambiguous { .. }) => prop_assert!(false, "no long keys here"),
                }
                prop_assert_eq!(check_layout(&page), Ok(()));
                let node = Node::new(&page);
                let mut got = BTreeMap::new();
                for i in 0..node.len() {
                    let mut k = Vec::new();
                    node.key_over(i, &mut k);
                    got.insert(k, node.value(i).to_vec());
                }
                prop_assert_eq!(&got, &model);
            }
        }

        /// Arbitrary bytes never make a check or, once they pass it, a look-up panic.
        #[test]
        fn arbitrary_bytes_do_not_panic(
            bytes in prop::collection::vec(any::<u8>(), 512),
            len in 0u16..8,
            key in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut page = bytes;
            page[4] = Kind::Leaf as u8;
            set_len(&mut page, usize::from(len));
            if check_layout(&page).is_ok() {
                let _ = Node::new(&page).search(&key, key_inline_max(512), 0);
            }
        }
    }

    #[test]
    fn keys_that_are_prefixes_of_each_other_keep_their_order() {
        let mut page = vec![0; 512];
        init(&mut page, Kind::Leaf, 0, PTR, b"");
        for key in [&b""[..], b"\0", b"\0\0", b"a", b"a\0", b"aaaa", b"aaaaa"] {
            let Search::Missing(i) = Node::new(&page).search(key, 32, 0) else {
                panic!("{key:?} is not there yet")
            };
            assert!(insert(&mut page, i, key, None, b"v"));
            assert_eq!(check_layout(&page), Ok(()));
        }
        assert_eq!(Node::new(&page).len(), 7);
    }
}
