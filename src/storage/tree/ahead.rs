//! Looking several keys up together, level by level, so that the processor waits for the memory of all their pages
//! at once and not for one after the other.

use super::{Child, Path, Step};
use crate::storage::node::{self, CellRef, Halving, Node, Search};
use crate::storage::page::{self, Desc, Kind, PagePtr};
use crate::storage::pager::{FrameNo, Pager};

/// How many keys are looked up together at most.
pub const TOGETHER_MAX: usize = 16;

/// The way to a key, as [`super::descend_into`] finds it.
#[derive(Debug, Default)]
pub struct Ahead {
    pub path: Path<FrameNo>,
    pub found: bool,
    /// The path ends in a leaf.
    pub is_whole: bool,
    next: PagePtr,
    frame: Option<FrameNo>,
}

/// A look-up inside one page.
#[derive(Clone, Copy, Debug)]
struct Probe<'p> {
    slot: FrameNo,
    node: Node<'p>,
    halving: Halving,
}

/// Looks up each key as far as its pages are in the pool and sound; what is not is left to the look-up proper, which
/// says what is wrong. Reads nothing from the disk and notes nothing. Every step, down to the comparison with one hint, is
/// taken for all keys before the next one.
pub fn descend_together<'k>(
    pager: &Pager,
    desc: &Desc,
    keys: impl Iterator<Item = &'k [u8]> + Clone,
    ways: &mut [Ahead],
) {
    assert!(ways.len() <= TOGETHER_MAX);
    for way in ways.iter_mut() {
        way.path.clear();
        way.is_whole = false;
        way.next = desc.root;
    }
    let inline_max = node::key_inline_max(pager.page_bytes());
    for level in (0..=desc.height).rev() {
        for way in ways.iter_mut() {
            way.frame = pager.peek(way.next);
        }
        let mut probes = [None; TOGETHER_MAX];
        for ((way, key), probe) in ways.iter_mut().zip(keys.clone()).zip(&mut probes) {
            *probe = way.enter(pager, level, key, inline_max);
        }
        let mut is_done = false;
        while !is_done {
            is_done = true;
            for probe in probes.iter_mut().flatten() {
                if !probe.halving.is_done() {
                    probe.node.halve(&mut probe.halving);
                    is_done = false;
                }
            }
        }
        for probe in probes.iter().flatten() {
            probe.node.prefetch(probe.halving.low());
        }
        for ((way, key), probe) in ways.iter_mut().zip(keys.clone()).zip(&probes) {
            if let Some(Probe {
                slot,
                node,
                halving,
            }) = probe
            {
                let search = node.end_search(key, inline_max, halving);
                way.arrive(pager, level, *slot, *node, search);
            }
        }
    }
}

impl Ahead {
    /// The page at which the way ends because it is not in the pool.
    pub fn missing(&self) -> Option<PagePtr> {
        (!self.is_whole && !self.next.is_null()).then_some(self.next)
    }

    /// Asks the processor for what moves in the leaf when the cell that was found goes.
    pub fn prepare_removal(&self, pager: &Pager) {
        if let Some(leaf) = self.path.last().filter(|_| self.is_whole && self.found) {
            Node::new(pager.bytes(leaf.slot)).prefetch_slots(leaf.index);
        }
    }

    /// Begins to look into the page that is next, if it is sound.
    fn enter<'p>(
        &mut self,
        pager: &'p Pager,
        level: u8,
        key: &[u8],
        inline_max: usize,
    ) -> Option<Probe<'p>> {
        let slot = self.frame?;
        let Some(node) = sound_node(pager, self.frame, self.next, level) else {
            self.next = PagePtr::default();
            return None;
        };
        match node.begin_search(key, inline_max, usize::from(level > 0)) {
            Ok(halving) => Some(Probe {
                slot,
                node,
                halving,
            }),
            Err(outside) => {
                self.arrive(pager, level, slot, node, outside);
                None
            }
        }
    }

    /// Takes the step that the page tells.
    fn arrive(&mut self, pager: &Pager, level: u8, slot: FrameNo, node: Node<'_>, search: Search) {
        let ptr = std::mem::take(&mut self.next);
        let (index, found) = match search {
            Search::Found(i) => (i, true),
            Search::Missing(i) => (i, false),
            // Only a blob would tell.
            Search::Ambiguous { .. } => return,
        };
        if level > 0 {
            let Some(index) = (if found {
                Some(index)
            } else {
                index.checked_sub(1)
            }) else {
                return;
            };
            self.path.push(Step { ptr, slot, index });
            self.next = Child::decode(node.value(index)).ptr;
            return;
        }
        self.path.push(Step { ptr, slot, index });
        self.found = found;
        self.is_whole = true;
        if found {
            pager.prefetch_cell(slot, &node.cell_place(index));
        }
    }
}

/// Shows the first keys of a tree, or the last, nearest to the end first: `count` at most, and no more than the leaf at
/// that end has. Nothing, if a page on the way is not in the pool or not sound.
pub fn visit_end(
    pager: &Pager,
    desc: &Desc,
    is_last: bool,
    count: usize,
    visit: &mut dyn FnMut(CellRef<'_>),
) {
    let mut ptr = desc.root;
    for level in (0..=desc.height).rev() {
        let Some(node) = sound_node(pager, pager.peek(ptr), ptr, level) else {
            return;
        };
        let len = node.len();
        let from_end = |n: usize| if is_last { len - 1 - n } else { n };
        if level > 0 {
            ptr = Child::decode(node.value(from_end(0))).ptr;
            continue;
        }
        for n in 0..len.min(count) {
            visit(node.cell(from_end(n)));
        }
    }
}

/// The page in a frame, if it is the one that is meant.
fn sound_node(pager: &Pager, slot: Option<FrameNo>, ptr: PagePtr, level: u8) -> Option<Node<'_>> {
    let bytes = pager.bytes(slot?);
    let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
    let is_sound =
        page::ptr_of(bytes) == ptr && bytes[4] == kind as u8 && page::level_of(bytes) == level;
    is_sound.then(|| Node::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, descend, insert};
    use super::*;
    use crate::storage::pager::tests::pager;

    /// What is found ahead is what a descent finds, for keys that are there and keys that are not.
    #[test]
    fn ways_found_together_are_those_found_alone() {
        let mut pager = pager(512, 4096);
        let mut desc = Desc::EMPTY_TREE;
        for i in 0..2000_u32 {
            let key = format!("key:{:08}", i * 2);
            let entry = Entry {
                key: key.as_bytes(),
                overflow: None,
                value: b"\0\0value",
            };
            insert(&mut pager, &mut desc, &entry).unwrap();
        }
        assert!(desc.height >= 2, "several levels");
        let keys: Vec<String> = (0..TOGETHER_MAX)
            .map(|i| format!("key:{:08}", i * 331))
            .collect();
        let mut ways: Vec<Ahead> = keys.iter().map(|_| Ahead::default()).collect();
        descend_together(&pager, &desc, keys.iter().map(|k| k.as_bytes()), &mut ways);
        for (key, way) in keys.iter().zip(&ways) {
            let (path, found) = descend(&mut pager, &desc, key.as_bytes()).unwrap().unwrap();
            assert!(way.is_whole);
            assert_eq!(way.found, found);
            let steps = |path: &Path<FrameNo>| -> Vec<_> {
                path.iter().map(|s| (s.ptr, s.slot, s.index)).collect()
            };
            assert_eq!(steps(&way.path), steps(&path));
        }
    }
}
