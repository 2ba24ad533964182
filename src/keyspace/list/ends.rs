//! Pushing and popping.

use super::label;
use super::nodes::{self, Division, ENDS, PLAIN, STARTS, Shape};
use super::packed::{self, Packed};
use super::{End, Form, List, SMALL_LEN_MAX, Txn};
use crate::storage::{Body, Error, Read, Seek, TreeId};

/// Which node an element goes to that comes in at an end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// That at the end, if it has room; a `listpack` has always.
    AsFits,
    /// That at the end.
    Joins,
    /// A new one.
    Begins { plain: bool },
}

impl List<'_> {
    /// Makes a list that is not there of elements, at least one: a `listpack` if they are one node that is not too large.
    /// `nodes` are those that they come in; none: they come one after the other, as SORT stores them. Needs a savepoint.
    pub fn load<E: AsRef<[u8]>>(
        &mut self,
        txn: &mut Txn<'_>,
        elements: &[E],
        nodes: &[Division],
    ) -> Result<(), Error> {
        let words: Vec<&[u8]> = elements.iter().map(AsRef::as_ref).collect();
        if nodes::loads_as_listpack(elements, nodes, self.limits) {
            return self.push(txn, End::Tail, &words, 0);
        }
        if nodes.is_empty() {
            return self.push(txn, End::Tail, &words, u64::MAX / 2);
        }
        self.fill = Some(self.limits.kept_fill());
        let tree = self.enlarge(txn)?;
        let mut words = words.into_iter();
        for node in nodes {
            let place = Place::Begins { plain: node.plain };
            let places = std::iter::once(place).chain(std::iter::repeat(Place::Joins));
            for (word, place) in words.by_ref().take(node.len).zip(places) {
                self.push_large(txn, tree, End::Tail, word, place)?;
            }
        }
        Ok(())
    }

    /// Pushes elements one after the other. `counted_bytes` is what Redis takes their length for when it decides
    /// whether a `listpack` becomes a `quicklist`.
    pub fn push(
        &mut self,
        txn: &mut Txn<'_>,
        end: End,
        elements: &[&[u8]],
        counted_bytes: u64,
    ) -> Result<(), Error> {
        self.outgrow(txn, counted_bytes, elements.len() as u64)?;
        let tree = match self.form {
            Form::Large(tree) => tree,
            _ if self.fits_small(txn, elements) => return self.push_small(txn, end, elements),
            _ => {
                txn.engine().need_savepoint();
                self.enlarge(txn)?
            }
        };
        if elements.len() > 1 {
            txn.engine().need_savepoint();
        }
        for element in elements {
            self.push_large(txn, tree, end, element, Place::AsFits)?;
        }
        Ok(())
    }

    /// Before `count` elements come in: a `listpack` for which that is too much becomes a `quicklist`. The form may
    /// still have to follow ([`List::enlarge`]).
    pub(super) fn outgrow(
        &mut self,
        txn: &mut Txn<'_>,
        counted_bytes: u64,
        count: u64,
    ) -> Result<(), Error> {
        if self.fill.is_some() {
            return Ok(());
        }
        // No entry takes more than twice the bytes that its item does.
        let (mut bytes, len) = (nodes::Node::EMPTY.bytes, self.len + count);
        match self.form {
            Form::Large(tree) => {
                let shape = self.shape(txn, tree)?;
                bytes = shape.one().expect("a listpack is one node").bytes;
            }
            _ if !self
                .limits
                .exceeds(bytes + 2 * self.body.len() as u64 + counted_bytes, len) =>
            {
                return Ok(());
            }
            _ => {
                let items = Packed::new(&self.body).iter();
                bytes += items
                    .map(|item| nodes::entry_bytes(item.bytes))
                    .sum::<u64>();
            }
        }
        if self.limits.exceeds(bytes + counted_bytes, len) {
            self.fill = Some(self.limits.kept_fill());
            if let Form::Large(_) = self.form {
                txn.engine().need_savepoint();
                self.write_header(txn)?;
            }
        }
        Ok(())
    }

    /// Whether the list has the small form with these elements too.
    pub(super) fn fits_small(&self, txn: &mut Txn<'_>, elements: &[&[u8]]) -> bool {
        let added: usize = elements.iter().map(|e| packed::item_bytes(e.len())).sum();
        self.fill.is_none() && self.body.len() + added <= txn.keyspace().packed_bytes_max()
    }

    fn push_small(&mut self, txn: &mut Txn<'_>, end: End, elements: &[&[u8]]) -> Result<(), Error> {
        let mut items = Vec::new();
        match end {
            End::Head => elements
                .iter()
                .rev()
                .for_each(|e| packed::push(&mut items, e)),
            End::Tail => elements.iter().for_each(|e| packed::push(&mut items, e)),
        }
        if let Form::Missing = self.form {
            return self.put_small(txn, items);
        }
        let at = match end {
            End::Head => 0,
            End::Tail => self.body.len(),
        };
        self.splice(txn, at, 0, &items)?;
        self.len += elements.len() as u64;
        Ok(())
    }

    /// Changes the body of the small form.
    pub(super) fn splice(
        &mut self,
        txn: &mut Txn<'_>,
        at: usize,
        removed: usize,
        bytes: &[u8],
    ) -> Result<(), Error> {
        txn.splice(&mut self.slot, self.key, at, removed, bytes)?;
        self.body.splice(at..at + removed, bytes.iter().copied());
        Ok(())
    }

    fn push_large(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        end: End,
        element: &[u8],
        place: Place,
    ) -> Result<(), Error> {
        let mut shape = self.shape(txn, tree)?;
        let limits = self.node_limits();
        let (bytes, len) = (nodes::entry_bytes(element), element.len() as u64);
        let (joins, plain) = match place {
            Place::AsFits if self.fill.is_some() => {
                (shape.push(end, bytes, len, limits), limits.is_plain(len))
            }
            Place::AsFits | Place::Joins => {
                shape.grow(end, bytes);
                (true, false)
            }
            Place::Begins { plain } => {
                shape.begin(end, nodes::Node::of(bytes, len, plain));
                (false, plain)
            }
        };
        let mut flags = if plain { PLAIN } else { 0 };
        let mut edge = std::mem::take(&mut txn.keyspace().lists.label);
        let cell = txn.keyspace().engine.seek(tree, end.seek(), &mut edge)?;
        let label = match cell.map(|cell| nodes::flags(&cell)) {
            None => label::first(),
            Some(old) => {
                let (facing, own, label) = match end {
                    End::Head => (STARTS, ENDS, label::before(&edge)),
                    End::Tail => (ENDS, STARTS, label::behind(&edge)),
                };
                if joins && old & facing != 0 {
                    txn.engine().need_savepoint();
                    txn.engine()
                        .set_head(tree, &edge, nodes::head(&(old & !facing)))?;
                } else if !joins && old & facing == 0 {
                    flags |= own;
                }
                label
            }
        };
        txn.keyspace().lists.label = edge;
        txn.engine()
            .put(tree, &label, nodes::head(&flags), element)?;
        self.len += 1;
        self.note_shape(txn, tree, shape);
        Ok(())
    }

    /// Takes an element off an end of the list, which is not empty, and gives it. With `settles` an empty list is
    /// deleted and one that has shrunk changes its form, as [`List::settle`] does.
    pub fn pop(
        &mut self,
        txn: &mut Txn<'_>,
        end: End,
        settles: bool,
        give: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        match self.form {
            Form::Missing => panic!("an empty list has nothing to give"),
            Form::Small => self.pop_small(txn, end, settles, give),
            Form::Large(tree) => self.pop_large(txn, tree, end, settles, give),
        }
    }

    fn pop_small(
        &mut self,
        txn: &mut Txn<'_>,
        end: End,
        settles: bool,
        give: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        let items = Packed::new(&self.body);
        let item = match end {
            End::Head => items.nth(0),
            End::Tail => items.iter().last(),
        };
        let item = item.expect("a list has elements");
        give(item.bytes);
        let (at, removed) = (item.at, item.end - item.at);
        self.len -= 1;
        if self.len == 0 && settles {
            return self.settle(txn);
        }
        self.splice(txn, at, removed, &[])
    }

    fn pop_large(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        end: End,
        settles: bool,
        give: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        // Of a long list the nodes at the ends matter only to the next push: those that are not known are not looked for.
        let is_long = self.fill.is_some() && self.len - 1 > nodes::ENTRIES_MAX;
        let known = if is_long {
            self.known_shape(txn, tree)
        } else {
            Some(self.shape(txn, tree)?)
        };
        let mut edge = std::mem::take(&mut txn.keyspace().lists.label);
        let engine = &mut txn.keyspace().engine;
        let cell = engine.seek(tree, end.seek(), &mut edge)?;
        let cell = cell.expect("a list has elements");
        let bytes = nodes::cell_entry_bytes(&cell);
        match cell.body() {
            Body::Inline(element) => give(element),
            Body::Blob { len } => {
                let mut element = Vec::new();
                engine.read_body(tree, &edge, 0, len, &mut element)?;
                give(&element);
            }
        }
        if self.len == 1 && settles {
            self.len = 0;
            return self.settle(txn);
        }
        let mut shape = known.and_then(|shape| shape.without(end, bytes));
        if shape.is_none() && !is_long {
            shape = Some(match end {
                End::Head => nodes::shape_between(engine, tree, Seek::After(&edge), None)?,
                End::Tail => nodes::shape_between(engine, tree, Seek::First, Some(&edge))?,
            });
        }
        let is_unsettled = |shape| self.is_unsettled(&shape, self.len - 1);
        let settles = settles && shape.is_some_and(is_unsettled);
        if settles {
            txn.engine().need_savepoint();
        }
        if shape.is_none() {
            self.forget_shape(txn, tree);
        }
        txn.engine().delete(tree, &edge)?;
        txn.keyspace().lists.label = edge;
        self.len -= 1;
        if let Some(shape) = shape {
            self.note_shape(txn, tree, shape);
        }
        if settles {
            return self.settle(txn);
        }
        Ok(())
    }

    /// Whether a large list of this shape and length may change its name or form after it has shrunk.
    pub(super) fn is_unsettled(&self, shape: &Shape, len: u64) -> bool {
        match self.fill {
            Some(_) => shape.is_half(self.limits),
            None => len <= SMALL_LEN_MAX,
        }
    }

    /// Whether it is named `quicklist`.
    pub fn is_quicklist(&self) -> bool {
        self.fill.is_some()
    }

    /// Keeps the elements numbered `kept` and removes the others.
    pub fn keep(&mut self, txn: &mut Txn<'_>, kept: std::ops::Range<u64>) -> Result<(), Error> {
        assert!(kept.end <= self.len, "elements of the list");
        txn.engine().need_savepoint();
        if kept.is_empty() {
            self.len = 0;
            return self.settle(txn);
        }
        match self.form {
            Form::Missing => panic!("a list that is not there keeps nothing"),
            Form::Small => self.keep_small(txn, &kept)?,
            Form::Large(tree) => self.keep_large(txn, tree, &kept)?,
        }
        self.len = kept.end - kept.start;
        self.settle(txn)
    }

    fn keep_small(&mut self, txn: &mut Txn<'_>, kept: &std::ops::Range<u64>) -> Result<(), Error> {
        let mut items = Packed::new(&self.body).iter();
        let first = items.nth(kept.start as usize).expect("an element").at;
        let items = Packed::new(&self.body);
        let end = items
            .nth(kept.end as usize)
            .map_or(self.body.len(), |item| item.at);
        if end < self.body.len() {
            self.splice(txn, end, self.body.len() - end, &[])?;
        }
        if first > 0 {
            self.splice(txn, 0, first, &[])?;
        }
        Ok(())
    }

    fn keep_large(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        kept: &std::ops::Range<u64>,
    ) -> Result<(), Error> {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let engine = &mut txn.keyspace().engine;
        if kept.start > 0 {
            engine.select(tree, kept.start, &mut from)?;
        }
        let has_rest = kept.end < self.len;
        if has_rest {
            engine.select(tree, kept.end, &mut to)?;
        }
        self.forget_shape(txn, tree);
        if has_rest {
            txn.engine().delete_range(tree, &to, None)?;
        }
        if kept.start > 0 {
            txn.engine().delete_range(tree, &[], Some(&from))?;
        }
        Ok(())
    }
}
