//! What the trees mean to [`crate::storage::salvage`], and the trees of times made anew from the keys.

use super::expiry::index_key;
use super::header::{Header, Kind};
use super::library::PREFIX as LIBRARY_PREFIX;
use super::list::label::LABEL_BYTES_MAX;
use super::stream::group;
use super::stream::head::STREAM_HEAD_BYTES;
use super::stream::id::ID_BYTES;
use super::{
    CURSORS_KEY, IDENTITY_KEY, Keyspace, LIVES_KEY, OWN_ROOT, ROOTS_PER_DATABASE, SEEDING_KEY,
    root_ids,
};
use crate::storage::salvage::{Rules, Spot};
use crate::storage::{Cell, Engine, Error, OnMiss, Plan, Read, RootId};

/// Databases that a file may have.
pub const DATABASES_MAX: u32 = 1 << 20;

/// Bytes of a time in front of a key.
const TIME_BYTES: usize = 8;

/// Times of expiry that are believed where nothing else tells what a tree is, in milliseconds: of the years 2001 to 2286.
const TIMES: std::ops::Range<u64> = 1_000_000_000_000..10_000_000_000_000;

/// Which tree a root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The keys of a database.
    Keys(u32),
    /// An index of a database: it follows from the keys.
    Times(u32),
    /// The keyspace's own records.
    Own,
    Unknown,
}

impl Root {
    /// Says which tree it is.
    pub fn of(id: RootId) -> Self {
        let db = id.0 / ROOTS_PER_DATABASE;
        match id {
            OWN_ROOT => Self::Own,
            _ if db >= DATABASES_MAX => Self::Unknown,
            _ if id.0.is_multiple_of(ROOTS_PER_DATABASE) => Self::Keys(db),
            _ => Self::Times(db),
        }
    }
}

/// The library of functions whose record a key of the keyspace's own tree is.
pub fn library_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(LIBRARY_PREFIX)
}

/// What stands in which tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeRules;

impl Rules for TreeRules {
    fn is_derived(&self, root: RootId) -> bool {
        matches!(Root::of(root), Root::Times(_))
    }

    fn fits(&self, spot: Spot<'_>, key: &[u8], cell: &Cell<'_>) -> bool {
        let root = spot.root.map_or(Root::Unknown, Root::of);
        match (root, spot.slots) {
            (Root::Keys(_), []) => is_key(cell),
            (Root::Keys(_), slots) => is_element(spot.head, slots, key, cell),
            (Root::Times(_), []) => is_time(key, cell),
            (Root::Own, []) => is_own(key, cell),
            (Root::Times(_) | Root::Own, _) => false,
            (Root::Unknown, _) => true,
        }
    }

    fn stray_root(&self, key: &[u8], cell: &Cell<'_>, nth: u32) -> Option<RootId> {
        if is_own(key, cell) {
            return Some(OWN_ROOT);
        }
        if nth >= DATABASES_MAX {
            return None;
        }
        let [keys, expiries, _] = root_ids(nth);
        if is_key(cell) {
            return Some(keys);
        }
        let time = key.first_chunk().map(|time| u64::from_be_bytes(*time));
        let is_believed = time.is_some_and(|time| TIMES.contains(&time));
        (is_time(key, cell) && is_believed).then_some(expiries)
    }
}

fn is_key(cell: &Cell<'_>) -> bool {
    let head = cell.head();
    let Some(header) = Header::read(head) else {
        return false;
    };
    let added = Header::added(head).len();
    let trees = |large: usize| cell.slots() == 0 || cell.slots() == large;
    match header.kind {
        Kind::String => added == 0 && cell.slots() == 0,
        Kind::List => (added == 0 || added == 2) && trees(1),
        Kind::Set => added == 0 && trees(1),
        Kind::SortedSet | Kind::Hash => added == 0 && trees(2),
        Kind::Stream => added == STREAM_HEAD_BYTES && trees(2),
    }
}

fn is_time(key: &[u8], cell: &Cell<'_>) -> bool {
    key.len() >= TIME_BYTES && cell.head().is_empty() && is_bare(cell)
}

/// Whether nothing but the key says anything.
fn is_bare(cell: &Cell<'_>) -> bool {
    cell.body_len() == 0 && cell.slots() == 0
}

fn is_own(key: &[u8], cell: &Cell<'_>) -> bool {
    let is_known = [CURSORS_KEY, IDENTITY_KEY, LIVES_KEY, SEEDING_KEY].contains(&key);
    (is_known || key.starts_with(LIBRARY_PREFIX)) && cell.head().is_empty() && cell.slots() == 0
}

/// Whether it may stand in a tree of a collection; `head` is that of its key.
fn is_element(head: &[u8], slots: &[usize], key: &[u8], cell: &Cell<'_>) -> bool {
    let Some(kind) = Header::read(head).map(|header| header.kind) else {
        return false;
    };
    let (head, len, trees) = (cell.head().len(), cell.body_len(), cell.slots());
    let is_label = key.len().is_multiple_of(8) && (8..=LABEL_BYTES_MAX).contains(&key.len());
    match (kind, slots) {
        (Kind::List, [0]) => is_label && head <= 1 && trees == 0,
        (Kind::Set, [0]) => head == 0 && is_bare(cell),
        (Kind::Hash, [0]) => (head == 0 || head == TIME_BYTES) && trees == 0,
        (Kind::Hash, [1]) => is_time(key, cell),
        (Kind::SortedSet, [0]) => head == 0 && len == 8 && trees == 0,
        (Kind::SortedSet, [1]) => key.len() >= 8 && head == 0 && len <= 1 && trees == 0,
        (Kind::Stream, [0]) => key.len() == ID_BYTES && head == 0 && len >= 2 && trees == 0,
        (Kind::Stream, [1]) => head == group::HEAD_BYTES && trees == group::TREES,
        (Kind::Stream, [1, slot]) => group::may_have(*slot, key, cell),
        _ => false,
    }
}

/// A key and what its head says; None: that is not understood.
pub type NameAndHeader = (Vec<u8>, Option<Header>);

impl Keyspace {
    /// Some keys of a database behind `after`, with their headers, and puts the times at which they expire into the
    /// database's indexes, which were empty before. What is not understood is removed.
    pub fn take_in(
        &mut self,
        db: u32,
        after: Option<&[u8]>,
        count: usize,
    ) -> Result<Vec<NameAndHeader>, Error> {
        use crate::storage::Seek;
        use std::ops::ControlFlow;
        self.engine.begin_command(OnMiss::Read);
        let trees = self.trees(db)?;
        let mut found = Vec::new();
        let from = after.map_or(Seek::First, Seek::After);
        self.engine.scan(trees.keys, from, &mut |key, cell| {
            found.push((key.to_vec(), Header::read(cell.head())));
            if found.len() < count {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        self.engine.begin(Plan::Simple)?;
        for (key, header) in &found {
            let Some(header) = header else {
                self.engine.delete(trees.keys, key)?;
                continue;
            };
            for (index, time_ms) in [
                (trees.expiries, header.expires_ms),
                (trees.fields, header.fields_expire_ms),
            ] {
                if let Some(time_ms) = time_ms {
                    self.engine.put(index, &index_key(time_ms, key), &[], &[])?;
                }
            }
        }
        self.engine.commit();
        Ok(found)
    }
}

/// Forgets what ties the data to the file that it comes from: names, cursors. True: that file was being filled from
/// another one.
pub fn forget_origin(engine: &mut Engine) -> Result<bool, Error> {
    engine.begin_command(OnMiss::Read);
    engine.begin(Plan::Simple)?;
    let own = engine.root(OWN_ROOT)?;
    let was_seeding = engine.get(own, SEEDING_KEY)?.is_some();
    for key in [CURSORS_KEY, IDENTITY_KEY, LIVES_KEY, SEEDING_KEY] {
        engine.delete(own, key)?;
    }
    engine.commit();
    Ok(was_seeding)
}
