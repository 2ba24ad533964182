//! Tree pages: their inside, the order of keys over the whole tree, counts, cells.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Invariant;
use super::walk::{Bound, Owner, Task, TreeTask, Walk};
use crate::storage::blob;
use crate::storage::cell::{self, Cell};
use crate::storage::node::{self, CellRef, Node};
use crate::storage::page::{DESC_BYTES, Desc};
use crate::storage::record::DEPTH_MAX;
use crate::storage::tree::{CHILD_BYTES, Child};

/// Bytes of the name of a tree, behind which nesting is not told any more.
const NAME_BYTES_MAX: usize = 200;

impl Walk<'_, '_> {
    /// I13 to I16. `page` is what its pointer says.
    pub(super) fn tree_page(&mut self, task: &TreeTask, page: &[u8]) {
        let mut first_key = Vec::new();
        if let Err(fault) = node::check_layout(page) {
            let low = task.low.as_deref().map_or(&[][..], |b| &b.inline);
            let spot = self.spot(task.ptr, low);
            self.fault(Invariant::NodeLayout, spot, &task.owner, &fault.to_string());
            task.tally.is_blind.set(true);
            self.is_blind = true;
            return;
        }
        let node = Node::new(page);
        if !node.is_empty() {
            node.key_over(
                usize::from(!node.is_leaf()).min(node.len() - 1),
                &mut first_key,
            );
        }
        if let Some(what) = shape_fault(&node, task.is_root && !task.owner.is_dropped) {
            let spot = self.spot(task.ptr, &first_key);
            self.fault(Invariant::NodeLayout, spot, &task.owner, what);
        }
        self.order(task, &node);
        for i in real(&node) {
            if let Some(rest) = node.overflow(i) {
                let mut key = Vec::new();
                node.key_over(i, &mut key);
                self.push_blob(&rest, &key, &task.owner);
            }
        }
        let entries = if node.is_leaf() {
            self.cells(task, &node);
            node.len() as u64
        } else {
            self.children(task, &node)
        };
        if entries != task.count && !task.owner.is_dropped {
            let spot = self.spot(task.ptr, &first_key);
            let what = format!(
                "{} entries are counted here, and there are {entries}",
                task.count
            );
            self.fault(Invariant::Counts, spot, &task.owner, &what);
        }
    }

    /// I14: the page against its bounds, and neighbours that only their blobs tell apart.
    fn order(&mut self, task: &TreeTask, node: &Node<'_>) {
        let keys = real(node);
        let (Some(first), Some(last)) = (keys.clone().next(), keys.clone().next_back()) else {
            return;
        };
        let first = bound_of(&node.cell(first));
        let last = bound_of(&node.cell(last));
        let mut faults = Vec::new();
        if let Some(low) = &task.low
            && self.compare(&first, low) == Some(Ordering::Less)
        {
            faults.push((
                first.inline.clone(),
                "its first key precedes the separator above it",
            ));
        }
        if let Some(high) = &task.high
            && !matches!(self.compare(&last, high), None | Some(Ordering::Less))
        {
            faults.push((
                last.inline.clone(),
                "its last key is not below the next separator",
            ));
        }
        for i in keys.skip(1) {
            if node.has_overflow(i)
                && node.has_overflow(i - 1)
                && node.suffix(i) == node.suffix(i - 1)
            {
                let (a, b) = (bound_of(&node.cell(i - 1)), bound_of(&node.cell(i)));
                if !matches!(self.compare(&a, &b), None | Some(Ordering::Less)) {
                    faults.push((b.inline, "two long keys are out of order"));
                }
            }
        }
        for (key, what) in faults {
            let spot = self.spot(task.ptr, &key);
            self.fault(Invariant::KeyOrder, spot, &task.owner, what);
        }
    }

    /// None: a blob cannot be read, which is found where its pages are visited.
    fn compare(&mut self, a: &Bound, b: &Bound) -> Option<Ordering> {
        let inline = a.inline.cmp(&b.inline);
        if inline != Ordering::Equal {
            return Some(inline);
        }
        let (a, b) = match (&a.overflow, &b.overflow) {
            (None, None) => return Some(Ordering::Equal),
            (None, Some(_)) => return Some(Ordering::Less),
            (Some(_), None) => return Some(Ordering::Greater),
            (Some(a), Some(b)) => (a, b),
        };
        // Comparing takes no longer than reading the file does: holes do not make a key longer.
        let bytes = self.pages.saturating_mul(self.page_bytes as u64);
        for desc in [a, b] {
            if desc.count > bytes || blob::shape_fault(desc, self.page_bytes, false).is_some() {
                return None;
            }
        }
        let same = blob::common_bytes(&mut self.held, a, b).ok()?;
        let (mut x, mut y) = (Vec::new(), Vec::new());
        blob::read(&mut self.held, a, same, 1, &mut x).ok()?;
        blob::read(&mut self.held, b, same, 1, &mut y).ok()?;
        Some(x.cmp(&y))
    }

    /// Puts the children of a branch on the stack. How many entries they count.
    fn children(&mut self, task: &TreeTask, node: &Node<'_>) -> u64 {
        let mut high = task.high.clone();
        let mut entries = 0_u64;
        for i in (0..node.len()).rev() {
            let low = match i {
                0 => task.low.clone(),
                _ => Some(Rc::new(bound_of(&node.cell(i)))),
            };
            if node.value(i).len() != CHILD_BYTES {
                let spot = self.spot(task.ptr, b"");
                let what = "a child is no pointer and count";
                self.fault(Invariant::NodeLayout, spot, &task.owner, what);
                task.tally.is_blind.set(true);
                self.is_blind = true;
                high = low;
                continue;
            }
            let child = Child::decode(node.value(i));
            // Counts have 48 bits, and a page has fewer than 2^16 children.
            entries += child.count;
            let key = low.as_deref().map_or(&[][..], |b| &b.inline).to_vec();
            let spot = self.spot(task.ptr, &key);
            if self.reach(child.ptr, spot, &task.owner) {
                self.push(Task::Tree(TreeTask {
                    ptr: child.ptr,
                    level: task.level - 1,
                    count: child.count,
                    low: low.clone(),
                    high,
                    is_root: false,
                    owner: Rc::clone(&task.owner),
                    tally: Rc::clone(&task.tally),
                }));
            } else {
                task.tally.is_blind.set(true);
            }
            high = low;
        }
        entries
    }

    /// I16, and what hangs at the cells of a leaf.
    fn cells(&mut self, task: &TreeTask, node: &Node<'_>) {
        if !task.owner.is_dropped && !task.owner.is_catalog {
            self.checker.report.stats.entries += node.len() as u64;
        }
        let mut key = Vec::new();
        for i in 0..node.len() {
            node.key_over(i, &mut key);
            let spot = self.spot(task.ptr, &key);
            let value = node.value(i);
            if !cell::is_sound(value) {
                self.fault(
                    Invariant::Cells,
                    spot,
                    &task.owner,
                    "its value does not hold together",
                );
                task.tally.is_blind.set(true);
                self.is_blind = true;
                continue;
            }
            let cell = Cell::new(value);
            let bytes = cell::entry_bytes(node.key_bytes(i), value);
            let found = &task.tally.found;
            found.set(found.get().saturating_add(bytes));
            if let Some(what) = desc_fault(value, &cell) {
                self.fault(Invariant::Cells, spot, &task.owner, what);
            }
            if task.owner.is_catalog {
                self.catalog_cell(task, &key, &cell);
                continue;
            }
            if let Some(desc) = cell.blob() {
                self.push_blob(&desc, &key, &task.owner);
            }
            for slot in 0..cell.slots() {
                let owner = nested(&task.owner, &key, slot);
                if owner.depth > DEPTH_MAX && !owner.is_dropped {
                    let what = format!("trees are nested {} deep", owner.depth);
                    self.fault(Invariant::Cells, spot, &owner, &what);
                }
                self.push_tree(&cell.slot(slot), &key, owner);
            }
        }
    }
}

/// The cells of a page whose keys count: all of a leaf, all but the first of a branch.
fn real(node: &Node<'_>) -> std::ops::Range<usize> {
    usize::from(!node.is_leaf()).min(node.len())..node.len()
}

fn bound_of(cell: &CellRef<'_>) -> Bound {
    let mut inline = Vec::with_capacity(cell.key_bytes());
    cell.key_to(&mut inline);
    Bound {
        inline,
        overflow: cell.overflow,
    }
}

fn nested(owner: &Rc<Owner>, key: &[u8], slot: usize) -> Rc<Owner> {
    let name = if owner.name.len() < NAME_BYTES_MAX {
        format!("{} > {:?} tree {slot}", owner.name, super::lossy(key))
    } else {
        owner.name.clone()
    };
    Rc::new(Owner {
        name,
        is_catalog: false,
        is_dropped: owner.is_dropped,
        depth: owner.depth + 1,
    })
}

/// What is wrong with a page whose layout is sound.
fn shape_fault(node: &Node<'_>, is_root: bool) -> Option<&'static str> {
    if node.is_empty() {
        return Some("a tree page has no cells");
    }
    if is_root && !node.is_leaf() && node.len() < 2 {
        return Some("a root has one child");
    }
    if !node.is_leaf() && (!node.suffix(0).is_empty() || node.has_overflow(0)) {
        return Some("the first child of a branch has a key");
    }
    if node.cells_overlap() {
        return Some("two cells overlap");
    }
    let inline_max = node::key_inline_max(node.page_bytes());
    let too_short = |i| node.has_overflow(i) && node.cell(i).key_bytes() != inline_max;
    real(node)
        .any(too_short)
        .then_some("a long key does not use the room it has in the page")
}

/// What is wrong with the descriptors in a sound value.
fn desc_fault(value: &[u8], cell: &Cell<'_>) -> Option<&'static str> {
    let is_whole = |at: usize, desc: Desc| value[at..at + DESC_BYTES] == desc.encode();
    for slot in 0..cell.slots() {
        let desc = cell.slot(slot);
        if desc.is_blob || !is_whole(cell.slot_offset(slot), desc) {
            return Some("a nested tree is described as something else");
        }
    }
    match cell.blob() {
        Some(desc) if !is_whole(2 + cell.head().len(), desc) => {
            Some("its body is described as something else")
        }
        _ => None,
    }
}
