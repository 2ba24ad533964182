//! How Redis would divide a list into nodes: what OBJECT ENCODING says depends on it.
//!
//! A list that is named `listpack` is one node. A `quicklist` is a row of them, and becomes a `listpack` again when
//! one small node is left. Where a node ends is noted at the elements of the large form ([`STARTS`], [`ENDS`]): there
//! is an end between two neighbours if one of them says so. The sizes are those of Redis's encodings, in its bytes.

use std::ops::ControlFlow;

use super::End;
use crate::resp::integer::parse_i64;
use crate::storage::{Body, Cell, Error, Read, Seek, TreeId};

/// In the head of an element: a node begins with it.
pub const STARTS: u8 = 1;
/// In the head of an element: a node ends with it.
pub const ENDS: u8 = 2;
/// In the head of an element: it is large and alone in its node, without a node's framing.
pub const PLAIN: u8 = 4;

/// Bytes of a node around its entries.
const FRAME_BYTES: u64 = 7;
/// What one more entry is expected to add to a node beside its own bytes.
const ENTRY_BYTES_EXPECTED: u64 = 8;
/// The largest node where a number of entries is the limit, in bytes.
const COUNTED_BYTES_MAX: u64 = 8192;
/// Entries of one node at most: the largest one in bytes, of the smallest entries.
pub const ENTRIES_MAX: u64 = 1 << 15;
/// The largest nodes by `list-max-listpack-size` -1, -2 ..., in bytes.
const LEVELS: [u64; 5] = [4096, 8192, 16_384, 32_768, 65_536];

/// The flags of an element.
pub fn flags(cell: &Cell<'_>) -> u8 {
    flags_of(cell.head())
}

/// The flags that a head tells.
pub fn flags_of(head: &[u8]) -> u8 {
    head.first().copied().unwrap_or(0)
}

/// Where nodes begin in a walk over a list from its head.
#[derive(Debug, Default)]
pub struct Borders {
    /// The next element belongs to the same node as the one before, unless it says otherwise.
    is_inside: bool,
}

impl Borders {
    /// Whether a node begins with the next element, which has these flags.
    pub fn begins_at(&mut self, flags: u8) -> bool {
        let begins = !self.is_inside || flags & STARTS != 0;
        self.is_inside = flags & ENDS == 0;
        begins
    }
}

/// The head that tells the flags.
pub fn head(flags: &u8) -> &[u8] {
    match flags {
        0 => &[],
        _ => std::slice::from_ref(flags),
    }
}

/// How large a node may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: so many entries, or a level of bytes if negative.
    pub fill: i32,
    /// Elements of so many bytes are plain, if tests have set it.
    pub plain_bytes_min: Option<u64>,
}

impl Limits {
    /// The same for a list that keeps the limit it was made with.
    pub fn with_fill(self, fill: i16) -> Self {
        let fill = i32::from(fill);
        Self { fill, ..self }
    }

    /// The limit as a list keeps it.
    pub fn kept_fill(self) -> i16 {
        self.fill.clamp(-(LEVELS.len() as i32), i32::from(i16::MAX)) as i16
    }

    fn bytes_max(self) -> Option<u64> {
        let level = usize::try_from(-i64::from(self.fill))
            .ok()?
            .checked_sub(1)?;
        Some(LEVELS[level.min(LEVELS.len() - 1)])
    }

    fn count_max(self) -> u64 {
        u64::try_from(self.fill).unwrap_or(u64::MAX).max(1)
    }

    /// Whether so many bytes or entries are too much for one node.
    pub fn exceeds(self, bytes: u64, count: u64) -> bool {
        match self.bytes_max() {
            Some(bytes_max) => bytes > bytes_max,
            None => bytes > COUNTED_BYTES_MAX || count > self.count_max(),
        }
    }

    /// Whether a node is small enough for the list to become a `listpack` again after it has shrunk.
    fn is_half(self, node: &Node) -> bool {
        !node.plain
            && match self.bytes_max() {
                Some(bytes_max) => node.bytes <= bytes_max / 2,
                None => node.count <= self.count_max() / 2,
            }
    }

    /// Whether an element of `len` bytes stands alone.
    pub fn is_plain(self, len: u64) -> bool {
        match self.plain_bytes_min {
            Some(bytes_min) => len >= bytes_min,
            None => len > self.bytes_max().unwrap_or(COUNTED_BYTES_MAX),
        }
    }
}

/// Bytes of an entry with this content.
pub fn entry_bytes(bytes: &[u8]) -> u64 {
    let integer = match parse_i64(bytes) {
        None => return entry_bytes_of_len(bytes.len() as u64),
        Some(0..=127) => 1,
        Some(-4096..=4095) => 2,
        Some(n) if i16::try_from(n).is_ok() => 3,
        Some(-0x80_0000..=0x7f_ffff) => 4,
        Some(n) if i32::try_from(n).is_ok() => 5,
        Some(_) => 9,
    };
    integer + 1
}

/// Bytes of an entry that is no integer.
fn entry_bytes_of_len(len: u64) -> u64 {
    let encoded = match len {
        0..64 => 1 + len,
        64..4096 => 2 + len,
        _ => 5 + len,
    };
    let back = match encoded {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    encoded + back
}

/// Bytes of the entry that an element's cell stands for.
pub fn cell_entry_bytes(cell: &Cell<'_>) -> u64 {
    match cell.body() {
        Body::Inline(bytes) => entry_bytes(bytes),
        // No integer is so long.
        Body::Blob { len } => entry_bytes_of_len(len),
    }
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub count: u64,
    pub bytes: u64,
    pub plain: bool,
}

impl Node {
    pub const EMPTY: Self = Self {
        count: 0,
        bytes: FRAME_BYTES,
        plain: false,
    };

    /// A node with one element alone.
    pub fn of(entry_bytes: u64, len: u64, plain: bool) -> Self {
        Self {
            count: 1,
            bytes: if plain {
                len
            } else {
                FRAME_BYTES + entry_bytes
            },
            plain,
        }
    }

    /// Adds an element that is in a tree.
    pub fn add_cell(&mut self, cell: &Cell<'_>) {
        if flags(cell) & PLAIN != 0 {
            *self = Self::of(0, cell.body_len(), true);
        } else {
            self.add(cell_entry_bytes(cell));
        }
    }

    pub fn add(&mut self, entry_bytes: u64) {
        self.count += 1;
        self.bytes += entry_bytes;
    }

    pub fn remove(&mut self, entry_bytes: u64) {
        self.count -= 1;
        self.bytes = self.bytes.saturating_sub(entry_bytes);
    }

    /// Whether an element of `len` bytes may join it.
    pub fn takes(&self, len: u64, limits: Limits) -> bool {
        self.count > 0
            && !self.plain
            && !limits.is_plain(len)
            && !limits.exceeds(self.bytes + len + ENTRY_BYTES_EXPECTED, self.count + 1)
    }

    /// Whether it and the next one may become one.
    pub fn takes_all(&self, next: &Self, limits: Limits) -> bool {
        let bytes = (self.bytes + next.bytes).saturating_sub(FRAME_BYTES);
        !self.plain && !next.plain && !limits.exceeds(bytes, self.count + next.count)
    }
}

/// A node of a list that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// How many elements it has; one if it is plain.
    pub len: usize,
    pub plain: bool,
}

/// Whether a list is a `listpack` when it is loaded: one node that is not too large. `nodes` are those that it comes in;
/// none: its elements come one after the other, and a node takes what fits.
pub fn loads_as_listpack<E: AsRef<[u8]>>(
    elements: &[E],
    nodes: &[Division],
    limits: Limits,
) -> bool {
    if !matches!(nodes, [] | [Division { plain: false, .. }]) {
        return false;
    }
    let mut node = Node::EMPTY;
    for element in elements {
        let element = element.as_ref();
        let len = element.len() as u64;
        let joins = node.count == 0 && !limits.is_plain(len) || node.takes(len, limits);
        if nodes.is_empty() && !joins {
            return false;
        }
        node.add(entry_bytes(element));
    }
    !limits.exceeds(node.bytes, node.count)
}

/// How many nodes a `quicklist` has.
pub fn count<R: Read>(reader: &mut R, tree: TreeId) -> Result<u64, Error> {
    let (mut nodes, mut borders) = (0, Borders::default());
    reader.scan(tree, Seek::First, &mut |_, cell| {
        nodes += u64::from(borders.begins_at(flags(&cell)));
        ControlFlow::Continue(())
    })?;
    Ok(nodes)
}

/// The nodes at the ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The only one.
    One(Node),
    /// The first and the last.
    Many(Node, Node),
}

impl Shape {
    pub const EMPTY: Self = Self::One(Node::EMPTY);

    fn at(&self, end: End) -> &Node {
        match (self, end) {
            (Self::One(node), _)
            | (Self::Many(node, _), End::Head)
            | (Self::Many(_, node), End::Tail) => node,
        }
    }

    fn at_mut(&mut self, end: End) -> &mut Node {
        match (self, end) {
            (Self::One(node), _)
            | (Self::Many(node, _), End::Head)
            | (Self::Many(_, node), End::Tail) => node,
        }
    }

    /// The only node of a list that is one.
    pub fn one(&self) -> Option<&Node> {
        match self {
            Self::One(node) => Some(node),
            Self::Many(..) => None,
        }
    }

    /// Adds an element to the node at an end.
    pub fn grow(&mut self, end: End, entry_bytes: u64) {
        self.at_mut(end).add(entry_bytes);
    }

    /// Adds an element at an end of a `quicklist`; false if it begins a node there.
    pub fn push(&mut self, end: End, entry_bytes: u64, len: u64, limits: Limits) -> bool {
        if self.at(end).takes(len, limits) {
            self.at_mut(end).add(entry_bytes);
            return true;
        }
        self.begin(end, Node::of(entry_bytes, len, limits.is_plain(len)));
        false
    }

    /// Adds a node at an end.
    pub fn begin(&mut self, end: End, new: Node) {
        *self = match (*self, end) {
            (Self::One(node), _) if node.count == 0 => Self::One(new),
            (Self::One(node), End::Head) | (Self::Many(_, node), End::Head) => {
                Self::Many(new, node)
            }
            (Self::One(node), End::Tail) | (Self::Many(node, _), End::Tail) => {
                Self::Many(node, new)
            }
        };
    }

    /// The element at `index` of `len` changes the bytes of its entry.
    pub fn resize(&mut self, index: u64, len: u64, old_bytes: u64, new_bytes: u64) {
        let node = match self {
            Self::One(node) => node,
            Self::Many(head, _) if index < head.count => head,
            Self::Many(_, tail) if index >= len - tail.count => tail,
            Self::Many(..) => return,
        };
        node.bytes = node.bytes.saturating_sub(old_bytes) + new_bytes;
    }

    /// The shape without an element at an end; None if its node was not the only one and is gone, so that the shape has
    /// to be found anew.
    pub fn without(mut self, end: End, entry_bytes: u64) -> Option<Self> {
        let is_one = self.one().is_some();
        let node = self.at_mut(end);
        if node.plain {
            *node = Node::EMPTY;
        } else {
            node.remove(entry_bytes);
        }
        (is_one || node.count > 0).then_some(self)
    }

    /// Whether a `quicklist` of this shape that has shrunk becomes a `listpack`.
    pub fn is_half(&self, limits: Limits) -> bool {
        self.one().is_some_and(|node| limits.is_half(node))
    }
}

/// The nodes at the ends of the elements from `from` on up to `to` (exclusive; None: the tail).
pub fn shape_between<R: Read>(
    reader: &mut R,
    tree: TreeId,
    from: Seek<'_>,
    to: Option<&[u8]>,
) -> Result<Shape, Error> {
    let mut head = Node::EMPTY;
    let mut has_more = false;
    let mut ended = false;
    reader.scan(tree, from, &mut |label, cell| {
        if to.is_some_and(|to| label >= to) {
            return ControlFlow::Break(());
        }
        if head.count > 0 && (ended || flags(&cell) & STARTS != 0) {
            has_more = true;
            return ControlFlow::Break(());
        }
        ended = flags(&cell) & ENDS != 0;
        head.add_cell(&cell);
        ControlFlow::Continue(())
    })?;
    if !has_more {
        return Ok(Shape::One(head));
    }
    let mut tail = Node::EMPTY;
    let mut starts = false;
    let start = to.map_or(Seek::Last, Seek::Before);
    reader.scan(tree, start, &mut |_, cell| {
        if tail.count > 0 && (starts || flags(&cell) & ENDS != 0) {
            return ControlFlow::Break(());
        }
        starts = flags(&cell) & STARTS != 0;
        tail.add_cell(&cell);
        ControlFlow::Continue(())
    })?;
    Ok(Shape::Many(head, tail))
}
