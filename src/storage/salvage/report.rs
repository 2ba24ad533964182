//! What was taken, and what is missing.

use std::collections::BTreeMap;

use crate::storage::cell::SLOTS_MAX;
use crate::storage::log::Lsn;
use crate::storage::read::RootId;

/// Page numbers of damaged pages that are kept; the others are counted.
pub(super) const PAGES_NAMED: usize = 10_000;

/// Ranges of keys found by reading all pages that are kept.
pub(super) const RANGES_NAMED: usize = 1000;

/// A part of a root tree that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// None: which tree it was is not known.
    pub root: Option<RootId>,
    /// Every key in it is at least this; None: it begins where the tree does. Of a long key only the first bytes.
    pub low: Option<Vec<u8>>,
    /// Every key in it is below this; None: it ends where the tree does. Before a long key, this is what is above all keys
    /// that begin with those bytes.
    pub high: Option<Vec<u8>>,
    /// Entries missing, as of the checkpoint.
    pub entries: u64,
    /// The damaged page.
    pub page: u64,
}

impl Gap {
    /// Whether the key would stand there.
    pub(super) fn has(&self, root: u32, key: &[u8]) -> bool {
        self.root == Some(RootId(root))
            && self.low.as_deref().is_none_or(|low| key >= low)
            && self.high.as_deref().is_none_or(|high| key < high)
    }
}

/// What is missing at a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLoss {
    /// The key is not in the new file, and this is why.
    pub gone: Option<&'static str>,
    /// Only the beginning of a key that is gone can be read.
    pub is_cut: bool,
    /// Entries missing in each of its trees, what hangs deeper counted in the tree on the way there.
    pub entries: [u64; SLOTS_MAX],
    /// It may be older: some of its entries were found by reading all pages, or later changes did not fit what was found.
    pub is_scanned: bool,
}

/// Which sort of tree entries were found for by reading all pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeKind {
    /// The file says which one it is.
    Known(RootId),
    /// It was taken for this one.
    Guessed(RootId),
}

/// What became of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogFate {
    /// Nothing in it was needed.
    #[default]
    Idle,
    /// All of it was replayed; the text tells what a crash has cut off its end.
    Whole { cut: Option<String> },
    /// Transactions are missing, and this is why: from the first one to the last one known.
    Lost {
        from: Lsn,
        up_to: Option<Lsn>,
        why: String,
    },
}

/// The result.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Pages of the file.
    pub pages: u64,
    pub pages_read: u64,
    /// Pages in use that cannot be read, the first of them.
    pub damaged: Vec<u64>,
    pub damaged_count: u64,
    /// What is wrong with the metas, and what was done about it.
    pub notes: Vec<String>,
    /// No meta, or no catalog: everything was found by reading all pages.
    pub is_scanned: bool,
    pub gaps: Vec<Gap>,
    /// Keys of root trees of which something is missing, or everything.
    pub keys: BTreeMap<(u32, Vec<u8>), KeyLoss>,
    /// Entries of root trees that were found by reading all pages.
    pub scanned: BTreeMap<TreeKind, u64>,
    /// Ranges of keys of which entries were found so: the first and the last key of each.
    pub scanned_ranges: Vec<(TreeKind, Vec<u8>, Vec<u8>)>,
    /// Entries on readable pages of which nothing says where they belong.
    pub unplaced: u64,
    pub checkpoint_lsn: Lsn,
    /// The last transaction that is in the new file.
    pub last_lsn: Lsn,
    pub replayed: u64,
    /// Changes of the log whose place is missing.
    pub skipped: u64,
    pub log: LogFate,
}

impl Report {
    pub(super) fn damaged_page(&mut self, page: u64) {
        self.damaged_count += 1;
        if self.damaged.len() < PAGES_NAMED {
            self.damaged.push(page);
        }
    }

    pub(super) fn gone(&mut self, root: u32, key: &[u8], why: &'static str) {
        let loss = self.keys.entry((root, key.to_vec())).or_default();
        loss.gone.get_or_insert(why);
    }

    /// The same of a key that the log names: it is not one of those of which only the number is known any more.
    pub(super) fn gone_in_log(&mut self, root: u32, key: &[u8], why: &'static str) {
        if !self.keys.contains_key(&(root, key.to_vec())) {
            self.leave_gap(root, key);
        }
        self.gone(root, key, why);
    }

    pub(super) fn leave_gap(&mut self, root: u32, key: &[u8]) {
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.has(root, key)) {
            gap.entries = gap.entries.saturating_sub(1);
        }
    }

    /// The key has a new value, or none: what was missing at it does not matter any more.
    pub(super) fn forget(&mut self, root: u32, key: &[u8]) {
        self.keys.remove(&(root, key.to_vec()));
    }

    pub(super) fn forget_range(&mut self, root: u32, from: &[u8], to: Option<&[u8]>) {
        let inside = |key: &[u8]| key >= from && to.is_none_or(|to| key < to);
        self.keys
            .retain(|(its, key), _| *its != root || !inside(key));
    }

    pub(super) fn forget_root(&mut self, root: u32) {
        self.keys.retain(|(its, _), _| *its != root);
        self.gaps.retain(|gap| gap.root != Some(RootId(root)));
    }

    pub(super) fn swap_roots(&mut self, a: u32, b: u32) {
        let swapped = |root: u32| match root {
            root if root == a => b,
            root if root == b => a,
            root => root,
        };
        let keys = std::mem::take(&mut self.keys);
        self.keys = keys
            .into_iter()
            .map(|((root, key), loss)| ((swapped(root), key), loss))
            .collect();
        for gap in &mut self.gaps {
            gap.root = gap.root.map(|root| RootId(swapped(root.0)));
        }
        let kind = |kind: TreeKind| match kind {
            TreeKind::Known(root) => TreeKind::Known(RootId(swapped(root.0))),
            TreeKind::Guessed(root) => TreeKind::Guessed(RootId(swapped(root.0))),
        };
        let scanned = std::mem::take(&mut self.scanned);
        self.scanned = scanned
            .into_iter()
            .map(|(of, count)| (kind(of), count))
            .collect();
        for (of, _, _) in &mut self.scanned_ranges {
            *of = kind(*of);
        }
    }
}
