//! Reading lists: from the engine, and from snapshots for long replies.

use std::ops::ControlFlow;

use super::label::Label;
use super::nodes;
use super::packed::{Item, Packed};
use crate::keyspace::header::Kind;
use crate::keyspace::{Keyspace, Look, root_ids};
use crate::resp::{Stream, StreamError, encode};
use crate::storage::{Body, Error, Read, Seek, Snapshot, TreeId};

/// Gets the label, the flags and the bytes of an element.
pub type Visit<'a> = dyn FnMut(&[u8], u8, &[u8]) -> ControlFlow<()> + 'a;

/// Visits the elements of a large list from `from` on until `visit` says stop.
pub fn walk<R: Read>(
    reader: &mut R,
    tree: TreeId,
    from: Seek<'_>,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let backward = !from.is_forward();
    let mut resume: Option<Vec<u8>> = None;
    loop {
        let from = match &resume {
            None => from,
            Some(label) if backward => Seek::Before(label),
            Some(label) => Seek::After(label),
        };
        // An element in pages of its own is read between two scans.
        let mut long = None;
        reader.scan(tree, from, &mut |label, cell| match cell.body() {
            Body::Inline(bytes) => visit(label, nodes::flags(&cell), bytes),
            Body::Blob { len } => {
                long = Some((label.to_vec(), nodes::flags(&cell), len));
                ControlFlow::Break(())
            }
        })?;
        let Some((label, flags, len)) = long else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        reader.read_body(tree, &label, 0, len, &mut bytes)?;
        if visit(&label, flags, &bytes).is_break() {
            return Ok(());
        }
        resume = Some(label);
    }
}

/// The elements of a list that is only read.
#[derive(Debug)]
pub struct Elements {
    /// The small form.
    body: Vec<u8>,
    /// The large form.
    tree: Option<TreeId>,
    len: u64,
}

impl Elements {
    /// Looks up the list at `key`. None if another kind of value is there; a key that is not there has no elements.
    pub fn open(
        keyspace: &mut Keyspace,
        db: u32,
        key: &[u8],
        now_ms: u64,
        look: Look,
    ) -> Result<Option<Self>, Error> {
        let mut body = std::mem::take(&mut keyspace.lists.body);
        body.clear();
        let mut elements = Self {
            body: Vec::new(),
            tree: None,
            len: 0,
        };
        let is_large = match keyspace.lookup(db, key, now_ms, look)? {
            None => return Ok(Some(elements)),
            Some(entry) if entry.header.kind != Kind::List => return Ok(None),
            Some(entry) => {
                body.extend_from_slice(entry.inline().unwrap_or_default());
                entry.is_large()
            }
        };
        if is_large {
            let tree = keyspace.tree(db, key, 0)?;
            elements.tree = Some(tree);
            elements.len = keyspace.engine.count(tree);
        } else {
            elements.len = Packed::new(&body).len() as u64;
        }
        elements.body = body;
        Ok(Some(elements))
    }

    /// Gives back memory for the next list.
    pub fn close(self, keyspace: &mut Keyspace) {
        keyspace.lists.body = self.body;
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Visits elements from number `index` on, forward or backward, until `visit` says stop; gives the label of the
    /// last one visited, if the list is large.
    pub fn visit(
        &self,
        keyspace: &mut Keyspace,
        index: u64,
        backward: bool,
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Label>, Error> {
        if index >= self.len {
            return Ok(None);
        }
        let Some(tree) = self.tree else {
            self.visit_small(index, backward, visit);
            return Ok(None);
        };
        let engine = &mut keyspace.engine;
        let from = match backward {
            false => Seek::Nth(index),
            true => Seek::NthBack(index),
        };
        let mut last = Label::new();
        walk(engine, tree, from, &mut |label, _, bytes| {
            let flow = visit(bytes);
            if flow.is_break() {
                last = Label::from_slice(label);
            }
            flow
        })?;
        Ok(Some(last))
    }

    fn visit_small(
        &self,
        index: u64,
        backward: bool,
        visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) {
        let items = Packed::new(&self.body).iter();
        if !backward {
            for item in items.skip(index as usize) {
                if visit(item.bytes).is_break() {
                    return;
                }
            }
            return;
        }
        let items: Vec<Item<'_>> = items.take(index as usize + 1).collect();
        for item in items.iter().rev() {
            if visit(item.bytes).is_break() {
                return;
            }
        }
    }
}

/// A part of a large list on its way to a client, as bulk strings, read from a snapshot.
pub struct ListStream {
    snapshot: Snapshot,
    db: u32,
    key: Box<[u8]>,
    /// The element before the next one; None: begin at the end.
    after: Option<Label>,
    backward: bool,
    left: u64,
}

impl Keyspace {
    /// A stream of `left` elements, which are there, of the large list at `key` as it is now: those behind the one with
    /// the label `after`, or from the end on.
    pub fn stream_list(
        &mut self,
        db: u32,
        key: &[u8],
        after: Option<Label>,
        backward: bool,
        left: u64,
    ) -> ListStream {
        ListStream {
            snapshot: self.engine.snapshot(),
            db,
            key: key.into(),
            after,
            backward,
            left,
        }
    }
}

impl ListStream {
    fn next(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<(), Error> {
        let mut reader = self.snapshot.reader();
        let keys = reader.root(root_ids(self.db)[0])?;
        let Some(tree) = reader.nested(keys, &self.key, 0)? else {
            return Ok(());
        };
        let from = match (&self.after, self.backward) {
            (None, false) => Seek::First,
            (None, true) => Seek::Last,
            (Some(label), false) => Seek::After(label),
            (Some(label), true) => Seek::Before(label),
        };
        let end = out.len().saturating_add(bytes_wanted.max(1));
        let (mut left, mut after) = (self.left, None);
        walk(&mut reader, tree, from, &mut |label, _, bytes| {
            encode::bulk(out, bytes);
            left -= 1;
            if left > 0 && out.len() < end {
                return ControlFlow::Continue(());
            }
            after = Some(Label::from_slice(label));
            ControlFlow::Break(())
        })?;
        self.after = after;
        self.left = left;
        Ok(())
    }
}

impl Stream for ListStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        if self.left == 0 {
            return Ok(false);
        }
        self.next(out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))?;
        if self.left > 0 && self.after.is_none() {
            return Err(StreamError(format!("{} elements are not there", self.left)));
        }
        Ok(self.left > 0)
    }
}
