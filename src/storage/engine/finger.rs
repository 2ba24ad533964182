//! Where look-ups ended, and look-ups made beforehand: ways that need not be gone again.

use super::{Error, Root};
use crate::storage::node::Node;
use crate::storage::page::{Desc, PagePtr};
use crate::storage::pager::{FrameNo, Pager};
use crate::storage::read::{Nested, TreeId};
use crate::storage::tree::{self, Path};

/// The way that the last look-up took, in whatever command that was: who looks up the same key, the first or last entry of
/// the tree, or a key beyond those, need not look for it again. It is good as long as no page has moved and nobody else
/// has changed its tree.
#[derive(Debug, Default)]
pub(super) struct Finger {
    /// Empty: nothing was looked up, or its tree has changed since. Otherwise the first page is the tree's root, whose
    /// stamp no other tree has.
    pub(super) path: Path<FrameNo>,
    /// [`Pager::moves`] when it was last used.
    moves: u64,
    /// The operation that has its pages.
    operation: u64,
    pub(super) key: Vec<u8>,
    pub(super) found: bool,
    /// [`Pager::ways`] and [`Pager::leaf_changes`] when it was left for another.
    ways: u64,
    leaf_changes: u64,
}

/// Fingers for root trees: those with numbers next to each other, which are changed together, have one each.
const ROOT_FINGERS: usize = 3;
/// For how many kinds of trees there are fingers. Nested trees have two, so that what keeps its elements in two orders has
/// one in each.
const FINGERS: usize = ROOT_FINGERS + 2;

/// The fingers of each kind of tree: the one in use, and the one before, so that what goes back and forth between two keys
/// looks each of them up once.
#[derive(Debug, Default)]
pub(super) struct Fingers {
    pairs: [[Finger; 2]; FINGERS],
    in_use: [usize; FINGERS],
}

impl Fingers {
    /// The finger in use of this kind.
    #[inline]
    pub(super) fn at(&self, kind: usize) -> &Finger {
        &self.pairs[kind][self.in_use[kind]]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, kind: usize) -> &mut Finger {
        &mut self.pairs[kind][self.in_use[kind]]
    }

    /// Leaves the finger in use where it is, and takes the other.
    #[inline]
    pub(super) fn turn(&mut self, kind: usize, pager: &Pager) {
        self.at_mut(kind).leave(pager);
        self.in_use[kind] ^= 1;
    }

    /// Whether a finger is where `key` is or would be in the tree with this root; that one is in use then.
    #[inline]
    pub(super) fn are_at(
        &mut self,
        kind: usize,
        pager: &mut Pager,
        root: PagePtr,
        key: &[u8],
    ) -> bool {
        if self.at_mut(kind).is_at(pager, root, key) {
            return true;
        }
        let other = &mut self.pairs[kind][self.in_use[kind] ^ 1];
        let is_there = other.key == key && other.is_back(pager, root);
        if is_there {
            self.turn(kind, pager);
        }
        is_there
    }

    /// Moves a finger to the first or last entry of the tree with this root, if it is in the same leaf; its key goes over
    /// `key_out`, and that finger is in use then. False: there is none.
    pub(super) fn reach_edge(
        &mut self,
        kind: usize,
        pager: &mut Pager,
        root: PagePtr,
        is_first: bool,
        key_out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let finger = self.at_mut(kind);
        if finger.is_in(pager, root) && finger.reach_edge(pager, is_first, key_out)? {
            return Ok(true);
        }
        let other = &mut self.pairs[kind][self.in_use[kind] ^ 1];
        let is_there = other.is_back(pager, root) && other.reach_edge(pager, is_first, key_out)?;
        if is_there {
            self.turn(kind, pager);
        }
        Ok(is_there)
    }

    pub(super) fn forget(&mut self) {
        for finger in self.pairs.as_flattened_mut() {
            finger.path.clear();
        }
    }
}

/// Which of the fingers is for this tree.
#[inline]
pub(super) fn finger_of(roots: &[Root], nested: &[Nested], tree: TreeId) -> usize {
    if tree.is_nested() {
        ROOT_FINGERS + (nested[tree.index()].slot & 1)
    } else {
        roots[tree.index()].id.0 as usize % ROOT_FINGERS
    }
}

impl Finger {
    /// Whether it is somewhere in the tree with this root; if so, its pages are the running operation's.
    #[inline]
    pub(super) fn is_in(&mut self, pager: &mut Pager, root: PagePtr) -> bool {
        if self.moves != pager.moves() || self.path.first().is_none_or(|step| step.ptr != root) {
            return false;
        }
        if self.operation != pager.operation() {
            self.operation = pager.operation();
            for step in &self.path {
                pager.touch(step.slot);
            }
        }
        true
    }

    /// Whether it is where `key` is or would be in the tree with this root.
    #[inline]
    pub(super) fn is_at(&mut self, pager: &mut Pager, root: PagePtr, key: &[u8]) -> bool {
        self.key == key && self.is_in(pager, root)
    }

    /// Another finger is going to be used, and may change the tree.
    fn leave(&mut self, pager: &Pager) {
        if self.moves != pager.moves() {
            self.path.clear();
        }
        self.ways = pager.ways();
        self.leaf_changes = pager.leaf_changes();
    }

    /// Whether it is still in the tree with this root after it was left. Its place in the leaf is looked up again if need be.
    fn is_back(&mut self, pager: &mut Pager, root: PagePtr) -> bool {
        if self.ways != pager.ways() || !self.is_in(pager, root) {
            return false;
        }
        if self.leaf_changes != pager.leaf_changes() {
            let key = std::mem::take(&mut self.key);
            let found = self.look_again(pager, &key);
            self.key = key;
            match found {
                Ok(found) => self.found = found,
                Err(_) => return false,
            }
        }
        true
    }

    /// It is at the end of its path, which the running operation has found or has changed along.
    pub(super) fn rest(&mut self, pager: &Pager) {
        self.moves = pager.moves();
        self.operation = pager.operation();
    }

    /// The same, and that is where `key` is, or would be.
    #[inline]
    pub(super) fn stand_at(&mut self, pager: &Pager, key: &[u8], found: bool) {
        self.rest(pager);
        self.key.clear();
        self.key.extend_from_slice(key);
        self.found = found;
    }

    /// Finds the place of `key` in the leaf of the path, whose cells may have changed.
    pub(super) fn look_again(&mut self, pager: &mut Pager, key: &[u8]) -> Result<bool, Error> {
        let leaf = self.path.last_mut().expect("a path ends in a leaf");
        let place = tree::place_in(pager, leaf.slot, key);
        match place {
            Ok((index, found)) => {
                leaf.index = index;
                Ok(found)
            }
            Err(e) => {
                self.path.clear();
                Err(e)
            }
        }
    }

    /// The tree with this root is about to change.
    #[inline]
    pub(super) fn forget(&mut self, root: PagePtr) {
        if self.path.first().is_some_and(|step| step.ptr == root) {
            self.path.clear();
        }
    }

    /// Moves to the first or last entry of its tree, if that is in the same leaf; its key goes over `key_out`. False: it
    /// stays where it is.
    pub(super) fn reach_edge(
        &mut self,
        pager: &mut Pager,
        is_first: bool,
        key_out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let Some((leaf, branches)) = self.path.split_last_mut() else {
            return Ok(false);
        };
        let len = Node::new(pager.bytes(leaf.slot)).len();
        if len == 0 || !tree::are_at_edge(pager, branches, is_first) {
            return Ok(false);
        }
        let edge = if is_first { 0 } else { len - 1 };
        if leaf.index == edge && self.found {
            key_out.clone_from(&self.key);
            return Ok(true);
        }
        leaf.index = edge;
        let slot = leaf.slot;
        if let Err(e) = tree::key_over(pager, slot, edge, key_out) {
            // It is there, and its key is still the one from where it came.
            self.path.clear();
            return Err(e);
        }
        self.stand_at(pager, key_out, true);
        Ok(true)
    }

    /// Moves from the first or last entry of its tree to where `key` would be, if that is beyond it; false: it is not
    /// there.
    pub(super) fn reach_beyond(&mut self, pager: &Pager, key: &[u8]) -> bool {
        let Some((leaf, branches)) = self.path.split_last_mut() else {
            return false;
        };
        let is_first = key <= self.key.as_slice();
        let len = Node::new(pager.bytes(leaf.slot)).len();
        let edge = if is_first { 0 } else { len.saturating_sub(1) };
        if !self.found || leaf.index != edge || !tree::are_at_edge(pager, branches, is_first) {
            return false;
        }
        leaf.index = if is_first { 0 } else { len };
        self.found = false;
        true
    }
}

/// Look-ups made before the commands that need them, several together.
#[derive(Debug, Default)]
pub(super) struct LookAhead {
    /// What the ways are good for: the tree with this root, and [`Pager::ways`].
    root: PagePtr,
    pager_ways: u64,
    /// [`Pager::leaf_changes`] when they were found.
    pub(super) leaf_changes: u64,
    keys: Vec<Vec<u8>>,
    ways: Vec<tree::Ahead>,
    /// How many of them there are, and the first that is not used.
    len: usize,
    next: usize,
}

impl LookAhead {
    /// Looks up keys of a tree, the first [`tree::TOGETHER_MAX`] of them.
    pub(super) fn look(&mut self, pager: &Pager, desc: &Desc, keys: &[&[u8]]) {
        let keys = &keys[..keys.len().min(tree::TOGETHER_MAX)];
        self.forget();
        if desc.root.is_null() {
            return;
        }
        self.root = desc.root;
        self.pager_ways = pager.ways();
        self.leaf_changes = pager.leaf_changes();
        self.len = keys.len();
        if self.ways.len() < keys.len() {
            self.ways.resize_with(keys.len(), tree::Ahead::default);
            self.keys.resize_with(keys.len(), Vec::new);
        }
        for (kept, key) in self.keys.iter_mut().zip(keys) {
            kept.clear();
            kept.extend_from_slice(key);
        }
        let ways = &mut self.ways[..keys.len()];
        tree::descend_together(pager, desc, keys.iter().copied(), ways);
    }

    /// There is nothing that was looked up.
    pub(super) fn forget(&mut self) {
        (self.len, self.next) = (0, 0);
    }

    /// The pages at which ways ended, because they were not in the pool.
    pub(super) fn missing(&self) -> impl Iterator<Item = PagePtr> {
        self.ways[..self.len]
            .iter()
            .filter_map(tree::Ahead::missing)
    }

    /// What was looked up is going to be removed.
    pub(super) fn prepare_removal(&self, pager: &Pager) {
        for way in &self.ways[..self.len] {
            way.prepare_removal(pager);
        }
    }

    /// The way to the leaf of `key`, if it was looked up and no page has moved since or become another's.
    #[inline]
    pub(super) fn take(
        &mut self,
        root: PagePtr,
        pager: &Pager,
        key: &[u8],
    ) -> Option<&tree::Ahead> {
        if self.next == self.len || self.root != root || self.pager_ways != pager.ways() {
            return None;
        }
        let keys = &self.keys[self.next..self.len];
        let at = self.next + keys.iter().position(|k| k == key)?;
        self.next = at + 1;
        Some(&self.ways[at]).filter(|way| way.is_whole)
    }
}
