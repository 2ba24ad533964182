//! A few nodes of a `quicklist` around a place, and how Redis divides them anew when something is put there.

use std::ops::ControlFlow;

use super::label::Label;
use super::nodes::{self, ENDS, Limits, Node, PLAIN, STARTS};
use super::{Side, Txn};
use crate::storage::{Cell, Error, Read, Seek, TreeId};

/// Whole nodes that are looked at on each side: what two of them hold decides whether they are joined.
const NODES_BESIDE: usize = 2;

#[derive(Clone, Debug)]
struct Element {
    label: Label,
    flags: u8,
    entry_bytes: u64,
    len: u64,
    /// It is the one that is put in, or replaced.
    is_new: bool,
}

impl Element {
    fn of(label: &[u8], cell: &Cell<'_>) -> Self {
        Self {
            label: Label::from_slice(label),
            flags: nodes::flags(cell),
            entry_bytes: nodes::cell_entry_bytes(cell),
            len: cell.body_len(),
            is_new: false,
        }
    }

    fn new(bytes: &[u8]) -> Self {
        Self {
            label: Label::new(),
            flags: 0,
            entry_bytes: nodes::entry_bytes(bytes),
            len: bytes.len() as u64,
            is_new: true,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct NodeRow {
    elements: Vec<Element>,
    plain: bool,
}

impl NodeRow {
    fn alone(element: Element, limits: Limits) -> Self {
        let plain = limits.is_plain(element.len);
        Self {
            elements: vec![element],
            plain,
        }
    }

    fn size(&self) -> Node {
        let mut node = Node::EMPTY;
        match &self.elements[..] {
            [element] if self.plain => Node::of(0, element.len, true),
            elements => {
                elements.iter().for_each(|e| node.add(e.entry_bytes));
                node
            }
        }
    }
}

/// The nodes, and a place among them.
#[derive(Debug)]
pub(super) struct Row {
    nodes: Vec<NodeRow>,
    center: usize,
    /// Which element of the node in the center.
    offset: usize,
}

impl Row {
    /// Reads the nodes around the element with this label.
    pub fn load(txn: &mut Txn<'_>, tree: TreeId, pivot: &[u8]) -> Result<Self, Error> {
        let engine = &mut txn.keyspace().engine;
        let mut front: Vec<Element> = Vec::new();
        let mut limits = 0;
        engine.scan(tree, Seek::AtMost(pivot), &mut |label, cell| {
            let element = Element::of(label, &cell);
            if front.last().is_some_and(|next| is_limit(&element, next)) {
                limits += 1;
                if limits > NODES_BESIDE {
                    return ControlFlow::Break(());
                }
            }
            front.push(element);
            ControlFlow::Continue(())
        })?;
        let mut elements: Vec<Element> = front.into_iter().rev().collect();
        let at = elements.len() - 1;
        limits = 0;
        engine.scan(tree, Seek::After(pivot), &mut |label, cell| {
            let element = Element::of(label, &cell);
            if elements
                .last()
                .is_some_and(|before| is_limit(before, &element))
            {
                limits += 1;
                if limits > NODES_BESIDE {
                    return ControlFlow::Break(());
                }
            }
            elements.push(element);
            ControlFlow::Continue(())
        })?;
        let mut row = Self {
            nodes: Vec::new(),
            center: 0,
            offset: 0,
        };
        for (i, element) in elements.into_iter().enumerate() {
            let last = row.nodes.last().and_then(|node| node.elements.last());
            if last.is_none_or(|last| is_limit(last, &element)) {
                row.nodes.push(NodeRow {
                    plain: element.flags & PLAIN != 0,
                    ..NodeRow::default()
                });
            }
            let center = row.nodes.len() - 1;
            row.nodes[center].elements.push(element);
            if i == at {
                row.center = center;
                row.offset = row.nodes[center].elements.len() - 1;
            }
        }
        Ok(row)
    }

    fn takes(&self, node: Option<usize>, len: u64, limits: Limits) -> bool {
        node.and_then(|node| self.nodes.get(node))
            .is_some_and(|node| node.size().takes(len, limits))
    }

    /// Puts an element beside the one at the place. Returns its flags.
    pub fn insert(&mut self, side: Side, bytes: &[u8], limits: Limits) -> u8 {
        self.put(side, Element::new(bytes), limits);
        self.flags_of_new()
    }

    fn put(&mut self, side: Side, element: Element, limits: Limits) {
        let after = side == Side::After;
        let (center, len) = (self.center, element.len);
        let count = self.nodes[center].elements.len();
        let at_edge = self.offset == if after { count - 1 } else { 0 };
        let neighbour = if after {
            Some(center + 1)
        } else {
            center.checked_sub(1)
        };
        let place = center + usize::from(after);
        if limits.is_plain(len) {
            if !self.nodes[center].plain && !at_edge {
                self.split(side);
            }
            let place = self.center + usize::from(after);
            self.nodes.insert(place, NodeRow::alone(element, limits));
        } else if self.takes(Some(center), len, limits) {
            let at = self.offset + usize::from(after);
            self.nodes[center].elements.insert(at, element);
        } else if at_edge && self.takes(neighbour, len, limits) {
            let neighbour = neighbour.expect("one that takes it");
            let at = if after {
                0
            } else {
                self.nodes[neighbour].elements.len()
            };
            self.nodes[neighbour].elements.insert(at, element);
        } else if at_edge {
            self.nodes.insert(place, NodeRow::alone(element, limits));
        } else {
            self.split(side);
            if after {
                self.nodes[self.center + 1].elements.insert(0, element);
            } else {
                self.nodes[self.center - 1].elements.push(element);
            }
            self.join_around(limits);
        }
    }

    /// Cuts the node in the center beside the element at the place, which stays in the center.
    fn split(&mut self, side: Side) {
        let center = self.center;
        let node = &mut self.nodes[center];
        match side {
            Side::After => {
                let elements = node.elements.split_off(self.offset + 1);
                let plain = false;
                self.nodes.insert(center + 1, NodeRow { elements, plain });
            }
            Side::Before => {
                let kept = node.elements.split_off(self.offset);
                let elements = std::mem::replace(&mut node.elements, kept);
                let plain = false;
                self.nodes.insert(center, NodeRow { elements, plain });
                self.center += 1;
                self.offset = 0;
            }
        }
    }

    /// Joins the node and its neighbours where they have become small enough.
    fn join_around(&mut self, limits: Limits) {
        if self.center >= 2 && self.join(self.center - 2, limits) {
            self.center -= 1;
        }
        self.join(self.center + 1, limits);
        if self.center >= 1 && self.join(self.center - 1, limits) {
            self.center -= 1;
        }
        self.join(self.center, limits);
    }

    /// Joins a node and the next one, if that may be.
    fn join(&mut self, node: usize, limits: Limits) -> bool {
        let Some([a, b]) = self.nodes.get(node..node + 2) else {
            return false;
        };
        if !a.size().takes_all(&b.size(), limits) {
            return false;
        }
        let next = self.nodes.remove(node + 1);
        self.nodes[node].elements.extend(next.elements);
        true
    }

    /// Replaces the element at the place, which stands alone and the new one does not, or the other way round. Returns
    /// the flags of the new one.
    pub fn replace(&mut self, bytes: &[u8], limits: Limits) -> u8 {
        let mut element = Element::new(bytes);
        let old = &self.nodes[self.center].elements[self.offset];
        element.flags = old.flags & !PLAIN;
        if self.nodes[self.center].plain {
            self.put(Side::After, element, limits);
            self.nodes.remove(self.center);
            return self.flags_of_new();
        }
        if self.offset + 1 < self.nodes[self.center].elements.len() {
            self.split(Side::After);
        }
        let node = NodeRow::alone(element, limits);
        self.nodes.insert(self.center + 1, node);
        self.nodes[self.center].elements.pop();
        if self.nodes[self.center].elements.is_empty() {
            self.nodes.remove(self.center);
        } else {
            self.center += 1;
            self.join_around(limits);
        }
        self.flags_of_new()
    }

    /// The flags of the element that is put in: where its node begins, if the one before does not say so.
    fn flags_of_new(&mut self) -> u8 {
        let wanted = self.wanted();
        let new = wanted.iter().find(|(element, _)| element.is_new);
        new.expect("an element is put in").1
    }

    /// The elements and the flags that they are to have.
    fn wanted(&self) -> Vec<(&Element, u8)> {
        let mut wanted: Vec<(&Element, u8)> = Vec::new();
        for node in &self.nodes {
            for (i, element) in node.elements.iter().enumerate() {
                let mut flags = element.flags & ENDS;
                match wanted.last_mut() {
                    // What is in front of the row stays as it is.
                    None => flags |= element.flags & STARTS,
                    Some((_, before)) if i > 0 => *before &= !ENDS,
                    Some((_, before)) if *before & ENDS == 0 => flags |= STARTS,
                    Some(_) => {}
                }
                if node.plain {
                    flags |= PLAIN;
                }
                wanted.push((element, flags));
            }
        }
        wanted
    }

    /// Writes the flags that have changed, but those of the new element.
    pub fn store(&mut self, txn: &mut Txn<'_>, tree: TreeId) -> Result<(), Error> {
        for (element, flags) in self.wanted() {
            if flags != element.flags && !element.is_new {
                txn.engine()
                    .set_head(tree, &element.label, nodes::head(&flags))?;
            }
        }
        Ok(())
    }
}

/// Whether a node ends between two neighbours.
fn is_limit(before: &Element, behind: &Element) -> bool {
    before.flags & ENDS != 0 || behind.flags & STARTS != 0
}
