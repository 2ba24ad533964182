//! Looking several keys up together, level by level, so that the processor waits for the memory of all their pages
//! at once and not for one after the other.

use super::{Child, Path, Step};
use crate::storage::node::{self, Node, Search};
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

/// Looks up each key as far as its pages are in the pool and sound; what is not is left to the look-up proper, which
/// says what is wrong. Reads nothing from the disk and notes nothing.
pub fn descend_together<'k>(
    pager: &Pager,
    desc: &Desc,
    keys: impl Iterator<Item = &'k [u8]> + Clone,
    ways: &mut [Ahead],
) {
    for way in ways.iter_mut() {
        way.path.clear();
        way.is_whole = false;
        way.next = desc.root;
    }
    for level in (0..=desc.height).rev() {
        for way in ways.iter_mut() {
            way.frame = pager.peek(way.next);
        }
        for (way, key) in ways.iter_mut().zip(keys.clone()) {
            step_down(pager, level, key, way);
        }
    }
}

fn step_down(pager: &Pager, level: u8, key: &[u8], way: &mut Ahead) {
    let (Some(slot), ptr) = (way.frame, std::mem::take(&mut way.next)) else {
        return;
    };
    let bytes = pager.bytes(slot);
    let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
    let is_sound =
        page::ptr_of(bytes) == ptr && bytes[4] == kind as u8 && page::level_of(bytes) == level;
    if !is_sound {
        return;
    }
    let node = Node::new(bytes);
    let inline_max = node::key_inline_max(pager.page_bytes());
    let first = usize::from(level > 0);
    let (index, found) = match node.search(key, inline_max, first) {
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
        way.path.push(Step { ptr, slot, index });
        way.next = Child::decode(node.value(index)).ptr;
        return;
    }
    way.path.push(Step { ptr, slot, index });
    way.found = found;
    way.is_whole = true;
    if found {
        pager.prefetch_cell(slot, &node.cell_place(index));
    }
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
