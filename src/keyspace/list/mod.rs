//! Lists.
//!
//! A small list is a sequence in the body of its cell ([`packed`](super::packed)), its elements in their order. A large
//! one has one nested tree: an entry for each element, whose key is a label that puts it in order ([`label`]), whose
//! body is the element, and whose head notes where Redis would begin and end nodes ([`nodes`]), if it does.
//!
//! How OBJECT ENCODING names a list follows from Redis's rules alone. One that is named `quicklist` is always large, and
//! its head has two bytes more: the limit of its nodes, `list-max-listpack-size` when it became one, little endian. One
//! that is named `listpack` is small unless its body would be longer than [`Keyspace::packed_bytes_max`](super::Keyspace::packed_bytes_max); it becomes
//! small again when few elements are left.

mod ends;
pub mod label;
mod middle;
pub mod nodes;
mod read;
mod row;
mod shapes;
mod survey;

#[cfg(test)]
mod tests;

pub use nodes::{Division, Limits};
pub use read::{Elements, ListStream, walk};
pub use survey::Survey;

use nodes::Shape;
use shapes::Shapes;

use super::header::{Encoding, Header, Kind};
use super::packed::{self, Packed};
use super::{Look, Slot, Txn};
use crate::storage::{Body, Error, Read, Seek, TreeId};

/// A list of at most so many elements becomes small when it shrinks.
const SMALL_LEN_MAX: u64 = 16;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Head,
    Tail,
}

impl End {
    /// Where a walk from this end begins.
    fn seek(self) -> Seek<'static> {
        match self {
            Self::Head => Seek::First,
            Self::Tail => Seek::Last,
        }
    }
}

/// Which side of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// What is kept in memory for all lists.
#[derive(Debug, Default)]
pub(super) struct Memory {
    shapes: Shapes,
    /// For the body of the list that is being changed, from one command to the next.
    body: Vec<u8>,
    /// For a label, likewise.
    label: Vec<u8>,
}

impl Memory {
    /// Something was undone.
    pub(super) fn forget(&mut self) {
        self.shapes.clear();
    }
}

#[derive(Debug)]
enum Form {
    /// There is no key.
    Missing,
    /// The body is in [`List::body`].
    Small,
    Large(TreeId),
}

/// A list that is about to be changed, or made.
#[derive(Debug)]
pub struct List<'k> {
    key: &'k [u8],
    slot: Slot,
    form: Form,
    body: Vec<u8>,
    len: u64,
    /// The directives.
    limits: Limits,
    /// The limit of its nodes, if it is named `quicklist`.
    fill: Option<i16>,
    /// It takes the place of whatever is there.
    takes_place: bool,
}

impl<'k> List<'k> {
    /// A list that is to take the place of what is at the slot, expiry and all, as soon as it has elements. Needs a
    /// savepoint.
    pub fn instead(slot: Slot, key: &'k [u8], limits: Limits) -> Self {
        Self {
            key,
            slot,
            form: Form::Missing,
            body: Vec::new(),
            len: 0,
            limits,
            fill: None,
            takes_place: true,
        }
    }

    /// Looks at the list at `key`. None if another kind of value is there.
    pub fn open(
        txn: &mut Txn<'_>,
        db: u32,
        key: &'k [u8],
        now_ms: u64,
        limits: Limits,
    ) -> Result<Option<Self>, Error> {
        let mut body = std::mem::take(&mut txn.keyspace().lists.body);
        body.clear();
        let (slot, seen) = txn.inspect(db, key, now_ms, Look::WRITE, |entry| {
            let entry = entry.filter(|entry| entry.header.kind == Kind::List)?;
            let trees = entry.trees();
            if trees.is_none() {
                body.extend_from_slice(entry.inline().unwrap_or_default());
            }
            Some((fill_of(&entry.header, entry.cell.head()), trees))
        })?;
        if slot
            .header()
            .is_some_and(|header| header.kind != Kind::List)
        {
            return Ok(None);
        }
        let (fill, form, len) = match seen {
            None => (None, Form::Missing, 0),
            Some((fill, None)) => (fill, Form::Small, Packed::new(&body).len() as u64),
            Some((fill, Some(seen))) => {
                let [tree] = txn.keyspace().trees_seen(db, key, seen)?;
                let len = txn.keyspace().engine.count(tree);
                (fill, Form::Large(tree), len)
            }
        };
        Ok(Some(Self {
            key,
            slot,
            form,
            body,
            len,
            limits,
            fill,
            takes_place: false,
        }))
    }

    /// Gives back memory for the next list.
    pub fn close(self, txn: &mut Txn<'_>) {
        txn.keyspace().lists.body = self.body;
    }

    /// How many elements it has; none if it is not there.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no element, which is whether it is not there.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn is_large(&self) -> bool {
        matches!(self.form, Form::Large(_))
    }

    /// The limits of its nodes.
    fn node_limits(&self) -> Limits {
        match self.fill {
            Some(fill) => self.limits.with_fill(fill),
            None => self.limits,
        }
    }

    /// The header, with the encoding that it is to have.
    fn header(&self) -> Header {
        let encoding = if self.fill.is_some() {
            Encoding::Table
        } else {
            Encoding::Packed
        };
        match self.slot.header() {
            Some(header) if !self.takes_place => Header { encoding, ..header },
            _ => Header::new(Kind::List, encoding),
        }
    }

    /// What it adds to its head.
    fn added(&self) -> ([u8; 2], usize) {
        match self.fill {
            Some(fill) => (fill.to_le_bytes(), 2),
            None => ([0; 2], 0),
        }
    }

    /// Says in the cell, which is there, how the list is named now.
    fn write_header(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        let (added, len) = self.added();
        let header = self.header();
        txn.set_header(&mut self.slot, self.key, header, &added[..len])
    }

    /// Makes it `body`, in the small form.
    fn put_small(&mut self, txn: &mut Txn<'_>, body: Vec<u8>) -> Result<(), Error> {
        self.fill = None;
        let header = self.header();
        txn.put_value(&mut self.slot, self.key, header, &[], &body)?;
        self.len = Packed::new(&body).len() as u64;
        self.body = body;
        self.form = Form::Small;
        Ok(())
    }

    /// Moves it to a tree of its own, if it has none. Needs a savepoint.
    fn enlarge(&mut self, txn: &mut Txn<'_>) -> Result<TreeId, Error> {
        if let Form::Large(tree) = self.form {
            return Ok(tree);
        }
        let (added, len) = self.added();
        let header = self.header();
        txn.put_trees(&mut self.slot, self.key, header, &added[..len], 1)?;
        let tree = txn.tree(&self.slot, self.key, 0)?;
        let mut label = label::first();
        let mut shape = Shape::EMPTY;
        for item in Packed::new(&self.body).iter() {
            txn.engine().put(tree, &label, &[], item.bytes)?;
            shape.grow(End::Tail, nodes::entry_bytes(item.bytes));
            label = label::behind(&label);
        }
        self.form = Form::Large(tree);
        self.note_shape(txn, tree, shape);
        Ok(tree)
    }

    /// The nodes at the ends of the large form.
    fn shape(&self, txn: &mut Txn<'_>, tree: TreeId) -> Result<Shape, Error> {
        match self.known_shape(txn, tree) {
            Some(shape) => Ok(shape),
            None => nodes::shape_between(&mut txn.keyspace().engine, tree, Seek::First, None),
        }
    }

    /// The same, if they are remembered.
    fn known_shape(&self, txn: &mut Txn<'_>, tree: TreeId) -> Option<Shape> {
        let keyspace = txn.keyspace();
        let desc = keyspace.engine.desc(tree);
        keyspace.lists.shapes.get(&desc)
    }

    /// Remembers the nodes at the ends as they are now.
    fn note_shape(&self, txn: &mut Txn<'_>, tree: TreeId, shape: Shape) {
        let keyspace = txn.keyspace();
        let desc = keyspace.engine.desc(tree);
        keyspace.lists.shapes.put(desc, shape);
    }

    /// The nodes are going to change in a way that is not followed.
    fn forget_shape(&self, txn: &mut Txn<'_>, tree: TreeId) {
        let keyspace = txn.keyspace();
        let desc = keyspace.engine.desc(tree);
        keyspace.lists.shapes.remove(&desc);
    }

    /// After a removal: an empty list is deleted, one that is small enough changes its name, and its form. Needs a
    /// savepoint.
    pub fn settle(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        if self.len == 0 {
            txn.delete(&self.slot, self.key)?;
            self.form = Form::Missing;
            return Ok(());
        }
        let Form::Large(tree) = self.form else {
            return Ok(());
        };
        if self.fill.is_some() {
            let shape = self.shape(txn, tree)?;
            self.note_shape(txn, tree, shape);
            if !shape.is_half(self.limits) {
                return Ok(());
            }
            self.become_listpack(txn, tree, shape)?;
        }
        if let Some(body) = self.small_body(txn, tree)? {
            self.put_small(txn, body)?;
        }
        Ok(())
    }

    /// As after loading: a `quicklist` of one node that is not too large becomes a `listpack`. Needs a savepoint.
    fn name_as_loaded(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        let (Form::Large(tree), Some(_)) = (&self.form, self.fill) else {
            return Ok(());
        };
        let tree = *tree;
        let shape = self.shape(txn, tree)?;
        let fits = |node: &nodes::Node| !node.plain && !self.limits.exceeds(node.bytes, node.count);
        if !shape.one().is_some_and(fits) {
            return Ok(());
        }
        self.become_listpack(txn, tree, shape)?;
        if let Some(body) = self.small_body(txn, tree)? {
            self.put_small(txn, body)?;
        }
        Ok(())
    }

    /// A `quicklist` whose one node this is is a `listpack` from now on.
    fn become_listpack(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        shape: Shape,
    ) -> Result<(), Error> {
        for end in [End::Head, End::Tail] {
            self.clear_flags(txn, tree, end)?;
        }
        self.note_shape(txn, tree, shape);
        self.fill = None;
        self.write_header(txn)
    }

    /// An element that has no neighbour on one side may still say that a node begins or ends there: no longer, if there
    /// are to be no nodes.
    fn clear_flags(&self, txn: &mut Txn<'_>, tree: TreeId, end: End) -> Result<(), Error> {
        let mut label = Vec::new();
        let cell = txn.keyspace().engine.seek(tree, end.seek(), &mut label)?;
        if cell.is_some_and(|cell| nodes::flags(&cell) != 0) {
            txn.engine().set_head(tree, &label, &[])?;
        }
        Ok(())
    }

    /// The body that the large form has as a small one, if it is time for that.
    fn small_body(&self, txn: &mut Txn<'_>, tree: TreeId) -> Result<Option<Vec<u8>>, Error> {
        if self.len > SMALL_LEN_MAX {
            return Ok(None);
        }
        let keyspace = txn.keyspace();
        let bytes_max = keyspace.packed_bytes_max() / 2;
        let mut body = Vec::new();
        let mut fits = true;
        keyspace.engine.scan(tree, Seek::First, &mut |_, cell| {
            match cell.body() {
                Body::Inline(bytes) if body.len() + bytes.len() <= bytes_max => {
                    packed::push(&mut body, bytes)
                }
                _ => fits = false,
            }
            if fits {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        })?;
        Ok(Some(body).filter(|body| fits && body.len() <= bytes_max))
    }
}

/// The limit of the nodes of a list with this head, if it is named `quicklist`.
fn fill_of(header: &Header, head: &[u8]) -> Option<i16> {
    let added = Header::added(head);
    (header.encoding == Encoding::Table)
        .then(|| i16::from_le_bytes(added.try_into().expect("a quicklist says its limit")))
}
