//! Changes anywhere in a list: LSET, LINSERT, LREM.

use std::ops::ControlFlow;

use super::label::{self, LABEL_BYTES_MAX, Label};
use super::nodes::{self, ENDS, PLAIN, STARTS};
use super::packed::{self, Packed};
use super::row::Row;
use super::{End, Form, List, Side, Txn, walk};
use crate::storage::{Error, Read, Seek, TreeId};

/// Elements found before they are removed, at a time.
const REMOVED_AT_ONCE: usize = 1024;
/// Elements on each side that get new labels at first where labels have become too long.
const RELABELLED_MIN: usize = 32;

impl List<'_> {
    /// Replaces the element numbered `index`; false if there is none.
    pub fn set(&mut self, txn: &mut Txn<'_>, index: u64, element: &[u8]) -> Result<bool, Error> {
        // Redis has made a `listpack` that seems too small for it a `quicklist` even if the element is not there.
        self.outgrow(txn, element.len() as u64, 1)?;
        if self.fill.is_some() && !self.is_large() {
            txn.engine().need_savepoint();
            self.enlarge(txn)?;
        }
        if index >= self.len {
            return Ok(false);
        }
        let tree = match self.form {
            Form::Large(tree) => tree,
            _ => {
                let item = Packed::new(&self.body).nth(index as usize);
                let item = item.expect("an element of the list");
                let (at, removed) = (item.at, item.end - item.at);
                let bytes = self.body.len() - removed + packed::item_bytes(element.len());
                if bytes <= txn.keyspace().packed_bytes_max() {
                    let mut item = Vec::new();
                    packed::push(&mut item, element);
                    self.splice(txn, at, removed, &item)?;
                    return Ok(true);
                }
                txn.engine().need_savepoint();
                self.enlarge(txn)?
            }
        };
        self.set_large(txn, tree, index, element)?;
        Ok(true)
    }

    fn set_large(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        index: u64,
        element: &[u8],
    ) -> Result<(), Error> {
        let limits = self.node_limits();
        let is_plain = self.fill.is_some() && limits.is_plain(element.len() as u64);
        let mut shape = self.shape(txn, tree)?;
        let mut label = Vec::new();
        let cell = txn.keyspace().engine.select(tree, index, &mut label)?;
        let cell = cell.expect("an element of the list");
        let (flags, old_bytes) = (nodes::flags(&cell), nodes::cell_entry_bytes(&cell));
        if (flags & PLAIN != 0) != is_plain {
            return self.replace_node(txn, tree, &label, element);
        }
        if is_plain {
            self.forget_shape(txn, tree);
            return txn.engine().put(tree, &label, nodes::head(&flags), element);
        }
        shape.resize(index, self.len, old_bytes, nodes::entry_bytes(element));
        let settles = self.fill.is_some() && self.is_unsettled(&shape, self.len);
        if settles {
            txn.engine().need_savepoint();
        }
        txn.engine()
            .put(tree, &label, nodes::head(&flags), element)?;
        self.note_shape(txn, tree, shape);
        if settles {
            return self.settle(txn);
        }
        Ok(())
    }

    /// Replaces an element that stood alone and does so no longer, or the other way round.
    fn replace_node(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        label: &[u8],
        element: &[u8],
    ) -> Result<(), Error> {
        txn.engine().need_savepoint();
        self.forget_shape(txn, tree);
        let limits = self.node_limits();
        let mut row = Row::load(txn, tree, label)?;
        let flags = row.replace(element, limits);
        txn.engine()
            .put(tree, label, nodes::head(&flags), element)?;
        row.store(txn, tree)?;
        self.settle(txn)
    }

    /// Puts an element beside the first one that is `pivot`; false if there is none.
    pub fn insert(
        &mut self,
        txn: &mut Txn<'_>,
        pivot: &[u8],
        side: Side,
        element: &[u8],
    ) -> Result<bool, Error> {
        self.outgrow(txn, element.len() as u64, 1)?;
        if self.fill.is_some() && !self.is_large() {
            txn.engine().need_savepoint();
            self.enlarge(txn)?;
        }
        let tree = match self.form {
            Form::Large(tree) => tree,
            _ => {
                let Some((_, item)) = Packed::new(&self.body).find(pivot, 1) else {
                    return Ok(false);
                };
                let at = if side == Side::Before {
                    item.at
                } else {
                    item.end
                };
                if self.fits_small(txn, &[element]) {
                    let mut item = Vec::new();
                    packed::push(&mut item, element);
                    self.splice(txn, at, 0, &item)?;
                    self.len += 1;
                    return Ok(true);
                }
                txn.engine().need_savepoint();
                self.enlarge(txn)?
            }
        };
        self.insert_large(txn, tree, pivot, side, element)
    }

    fn insert_large(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        pivot: &[u8],
        side: Side,
        element: &[u8],
    ) -> Result<bool, Error> {
        let mut found = None;
        walk(
            &mut txn.keyspace().engine,
            tree,
            Seek::First,
            &mut |label, _, bytes| {
                if bytes != pivot {
                    return ControlFlow::Continue(());
                }
                found = Some(Label::from_slice(label));
                ControlFlow::Break(())
            },
        )?;
        let Some(mut pivot) = found else {
            return Ok(false);
        };
        let mut label = self.label_beside(txn, tree, &pivot, side)?;
        txn.engine().need_savepoint();
        if label.len() > LABEL_BYTES_MAX {
            pivot = relabel(txn, tree, &pivot)?;
            label = self.label_beside(txn, tree, &pivot, side)?;
        }
        if self.fill.is_none() {
            let mut shape = self.shape(txn, tree)?;
            shape.grow(End::Head, nodes::entry_bytes(element));
            txn.engine().put(tree, &label, &[], element)?;
            self.note_shape(txn, tree, shape);
        } else {
            self.forget_shape(txn, tree);
            let limits = self.node_limits();
            let mut row = Row::load(txn, tree, &pivot)?;
            let flags = row.insert(side, element, limits);
            txn.engine()
                .put(tree, &label, nodes::head(&flags), element)?;
            row.store(txn, tree)?;
        }
        self.len += 1;
        Ok(true)
    }

    /// A label between that of an element and that of its neighbour on one side.
    fn label_beside(
        &self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        pivot: &[u8],
        side: Side,
    ) -> Result<Label, Error> {
        let engine = &mut txn.keyspace().engine;
        let mut neighbour = Vec::new();
        let from = match side {
            Side::Before => Seek::Before(pivot),
            Side::After => Seek::After(pivot),
        };
        let is_there = engine.seek(tree, from, &mut neighbour)?.is_some();
        Ok(match (side, is_there) {
            (Side::Before, false) => label::before(pivot),
            (Side::Before, true) => label::between(&neighbour, pivot),
            (Side::After, false) => label::behind(pivot),
            (Side::After, true) => label::between(pivot, &neighbour),
        })
    }

    /// Removes the first `count` elements that are `element` in the direction from `from`. Returns how many there were.
    pub fn remove(
        &mut self,
        txn: &mut Txn<'_>,
        element: &[u8],
        from: End,
        count: u64,
    ) -> Result<u64, Error> {
        let removed = match self.form {
            Form::Missing => 0,
            Form::Small => self.remove_small(txn, element, from, count)?,
            Form::Large(tree) => self.remove_large(txn, tree, element, from, count)?,
        };
        if removed > 0 {
            txn.engine().need_savepoint();
            self.settle(txn)?;
        }
        Ok(removed)
    }

    fn remove_small(
        &mut self,
        txn: &mut Txn<'_>,
        element: &[u8],
        from: End,
        count: u64,
    ) -> Result<u64, Error> {
        let items = Packed::new(&self.body);
        let is_it = |item: &packed::Item<'_>| item.bytes == element;
        let all = items.iter().filter(is_it).count() as u64;
        let removed = all.min(count);
        if removed == 0 || removed == self.len {
            self.len -= removed;
            return Ok(removed);
        }
        let skipped = match from {
            End::Head => 0,
            End::Tail => all - removed,
        };
        let mut gone = items
            .iter()
            .filter(is_it)
            .skip(skipped as usize)
            .take(removed as usize);
        let first = gone.next().expect("something is removed");
        let last_end = gone.last().map_or(first.end, |item| item.end);
        let mut rest = Vec::new();
        let within = items.iter().skip_while(|item| item.at < first.at);
        for item in within.take_while(|item| item.at < last_end) {
            if item.bytes != element {
                packed::push(&mut rest, item.bytes);
            }
        }
        let at = first.at;
        self.splice(txn, at, last_end - at, &rest)?;
        self.len -= removed;
        Ok(removed)
    }

    fn remove_large(
        &mut self,
        txn: &mut Txn<'_>,
        tree: TreeId,
        element: &[u8],
        from: End,
        count: u64,
    ) -> Result<u64, Error> {
        let mut removed = 0;
        let mut resume: Option<Label> = None;
        loop {
            let at_once = (count - removed).min(REMOVED_AT_ONCE as u64);
            let seek = match (&resume, from) {
                (None, end) => end.seek(),
                (Some(label), End::Head) => Seek::After(label),
                (Some(label), End::Tail) => Seek::Before(label),
            };
            let mut found: Vec<Label> = Vec::new();
            walk(
                &mut txn.keyspace().engine,
                tree,
                seek,
                &mut |label, _, bytes| {
                    if bytes == element {
                        found.push(Label::from_slice(label));
                    }
                    if (found.len() as u64) < at_once {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                },
            )?;
            if found.is_empty() {
                return Ok(removed);
            }
            txn.engine().need_savepoint();
            self.forget_shape(txn, tree);
            for label in &found {
                remove_one(txn, tree, label)?;
            }
            let got = found.len() as u64;
            self.len -= got;
            removed += got;
            if got < at_once || removed == count {
                return Ok(removed);
            }
            resume = found.pop();
        }
    }
}

/// Removes an element of a large list. What it says of the nodes beside it the next one says now.
fn remove_one(txn: &mut Txn<'_>, tree: TreeId, label: &[u8]) -> Result<(), Error> {
    let engine = txn.engine();
    let cell = engine.get(tree, label)?.expect("an element of the list");
    let is_limit = nodes::flags(&cell) & (STARTS | ENDS) != 0;
    engine.delete(tree, label)?;
    if is_limit {
        let mut next = Vec::new();
        let cell = engine.seek(tree, Seek::After(label), &mut next)?;
        if let Some(flags) = cell.map(|cell| nodes::flags(&cell))
            && flags & STARTS == 0
        {
            engine.set_head(tree, &next, nodes::head(&(flags | STARTS)))?;
        }
    }
    Ok(())
}

/// Gives the elements around one shorter labels, as many as it takes. Returns the one's new label.
fn relabel(txn: &mut Txn<'_>, tree: TreeId, around: &[u8]) -> Result<Label, Error> {
    let mut side_len = RELABELLED_MIN;
    loop {
        let engine = &mut txn.keyspace().engine;
        let mut elements: Vec<(Label, u8, Vec<u8>)> = Vec::new();
        let mut collect = |from: Seek<'_>, len: usize| {
            let mut taken = Vec::new();
            let mut beyond = None;
            walk(engine, tree, from, &mut |label, flags, bytes| {
                let label = Label::from_slice(label);
                if taken.len() == len {
                    beyond = Some(label);
                    return ControlFlow::Break(());
                }
                taken.push((label, flags, bytes.to_vec()));
                ControlFlow::Continue(())
            })?;
            Ok::<_, Error>((taken, beyond))
        };
        let (before, left) = collect(Seek::Before(around), side_len)?;
        let (behind, right) = collect(Seek::AtLeast(around), side_len + 1)?;
        let at = before.len();
        elements.extend(before.into_iter().rev());
        elements.extend(behind);
        let labels = label::spread(left.as_deref(), right.as_deref(), elements.len() as u64);
        let Some(labels) = labels else {
            side_len *= 2;
            continue;
        };
        for (old, _, _) in &elements {
            txn.engine().delete(tree, old)?;
        }
        for (label, (_, flags, bytes)) in labels.iter().zip(&elements) {
            txn.engine().put(tree, label, nodes::head(flags), bytes)?;
        }
        return Ok(labels[at].clone());
    }
}
