//! The live trees: roots, nested trees, transactions.
//!
//! An [`Engine`] is what the engine lock protects. A command runs between [`Engine::begin_command`] and the next
//! one; its changes stand between [`Engine::begin`] and [`Engine::commit`], which appends one record to the log.
//!
//! ```text
//!            begin                    put, delete ..                 commit
//!   idle ------------> open, clean ------------------> open, changed --------> idle, one LSN later
//!    ^                    |  rollback                     |  rollback (savepoint only)
//!    +--------------------+-------------------------------+
//! ```

mod bodies;
mod bulk;
mod cells;
mod dropped;
mod finger;
mod freeze;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(in crate::storage) use self::bulk::Filling;
pub(in crate::storage) use self::cells::fits_inline;
use smallvec::SmallVec;

use self::finger::{Fingers, LookAhead, finger_of};
pub(super) use self::freeze::{DROPPED_KEY, ROOT_KEY};
pub use self::freeze::{Frozen, FrozenRoots};
use super::Error;
use super::cell::Cell;
use super::checkpoint::CheckpointState;
use super::log::{Log, Lsn};
use super::node::Node;
use super::page::{Desc, PAGE_BYTES_MIN, PagePtr, Stamp};
use super::pager::{OnMiss, PageSource, Pager, PagerStats, Pool, PoolShape, Space};
use super::planted::{Bug, Planted};
use super::read::{self, NESTED_BIT, Nested, Read, RootId, TreeId, open_nested};
use super::record::{Change, Place};
use super::snapshot::{Registry, Snapshot};
use super::tree::{self, Seek};
use crate::vfs::{AbsentFile, Clock};

/// Pages kept free beyond what a single change needs, so that writing descriptors back at commit cannot fail.
const COMMIT_PAGES: u64 = 32;

/// Room in the log that a transaction has without asking again, in bytes.
const RECORD_BYTES_USUAL: u64 = 64 << 10;

/// Memory of a transaction's record that is kept for the next one, in bytes.
const RECORD_BYTES_KEPT_MAX: usize = 64 << 10;

/// How a transaction is undone if it cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It has read everything it will change before its first change, and cannot fail after it.
    Simple,
    /// Several steps, any of which may fail: an error restores the start exactly.
    Savepoint,
}

/// A root tree that is open.
#[derive(Clone, Copy, Debug)]
struct Root {
    id: RootId,
    desc: Desc,
    /// The catalog does not say so yet.
    is_dirty: bool,
}

/// What a rollback puts back.
#[derive(Debug)]
struct Savepoint {
    roots: Vec<Root>,
    dropped: usize,
    burdens: usize,
}

/// The running transaction.
#[derive(Debug)]
struct Txn {
    savepoint: Option<Savepoint>,
    record: Vec<u8>,
    /// The tree that the record's changes apply to so far.
    context: Option<TreeId>,
    has_changed: bool,
    reserved_bytes: u64,
    /// The pager's mark before the transaction.
    was_urgent: bool,
}

/// The way to a tree from its root.
fn place_of<'a>(roots: &[Root], nested: &'a [Nested], tree: TreeId) -> Place<'a> {
    let mut place = Place::default();
    let mut at = tree;
    while at.is_nested() {
        let nested = &nested[at.index()];
        place.steps.push((&nested.key, nested.slot));
        at = nested.parent;
    }
    place.steps.reverse();
    place.root = roots[at.index()].id.0;
    place
}

/// The trees of an open file, for the holder of the engine lock.
#[derive(Debug)]
pub struct Engine {
    pager: Pager,
    /// None while the log is being replayed, and in tests of the trees alone.
    log: Option<Arc<Log>>,
    /// The tree of root descriptors.
    catalog: Desc,
    roots: Vec<Root>,
    nested: Vec<Nested>,
    has_dirty_nested: bool,
    /// Trees and blobs that hang nowhere any more and still have pages.
    dropped: Vec<Desc>,
    /// What they belonged to, where the caller has counted it.
    burdens: Vec<dropped::Burden>,
    /// Objects of the caller that were dropped and whose pages are free.
    freed_objects: u64,
    /// Pages of dropped trees were freed since the catalog was saved.
    has_freed_dropped: bool,
    /// Changes go into the log.
    is_logging: bool,
    /// Something was changed that is neither in the log nor frozen for a checkpoint.
    has_unlogged: bool,
    txn: Option<Txn>,
    /// Memory for the record of the next transaction, and for the roots of its savepoint.
    record: Vec<u8>,
    saved_roots: Vec<Root>,
    registry: crate::sync::Arc<Registry>,
    /// When each snapshot that is held was taken, in monotonic microseconds.
    snapshots_since_us: BTreeMap<Stamp, u64>,
    value: Vec<u8>,
    fingers: Fingers,
    ahead: LookAhead,
    planted: Planted,
    /// The last transaction replayed, while there is no log.
    replayed: Lsn,
    /// None in tests of the trees alone.
    checkpoint: Option<CheckpointState>,
    clock: Arc<dyn Clock>,
}

impl Engine {
    /// An engine over `pager` whose roots are in the tree `catalog`.
    pub fn new(
        pager: Pager,
        catalog: Desc,
        clock: Arc<dyn Clock>,
        planted: Planted,
    ) -> Result<Self, Error> {
        let mut engine = Self {
            pager,
            log: None,
            catalog,
            roots: Vec::new(),
            nested: Vec::new(),
            has_dirty_nested: false,
            dropped: Vec::new(),
            burdens: Vec::new(),
            freed_objects: 0,
            has_freed_dropped: false,
            is_logging: true,
            has_unlogged: false,
            txn: None,
            record: Vec::new(),
            saved_roots: Vec::new(),
            registry: crate::sync::Arc::new(Registry::new()),
            snapshots_since_us: BTreeMap::new(),
            value: Vec::new(),
            fingers: Fingers::default(),
            ahead: LookAhead::default(),
            planted,
            replayed: Lsn(0),
            checkpoint: None,
            clock,
        };
        engine.load_catalog()?;
        Ok(engine)
    }

    /// An engine without a file, to stand where one is being opened: it has no keys and takes none.
    pub fn absent(clock: Arc<dyn Clock>) -> Self {
        let shape = PoolShape {
            page_bytes: PAGE_BYTES_MIN,
            directory_chunk_bits: 1,
            directory_chunks_max: 1,
            slab_bits: 1,
            slabs_max: 1,
        };
        let planted = Planted::none();
        let pool = Arc::new(Pool::new(shape));
        let source = PageSource::new(pool, Arc::new(AbsentFile), planted);
        let pager = Pager::new(source, Space::full(0), Stamp(1), 0, planted);
        Self::new(pager, Desc::EMPTY_TREE, clock, planted).expect("an empty catalog has no page")
    }

    /// From now on commits go to `log`.
    pub fn attach_log(&mut self, log: Arc<Log>) {
        self.log = Some(log);
    }

    pub fn log(&self) -> Option<&Arc<Log>> {
        self.log.as_ref()
    }

    /// Knows the durable checkpoint from now on.
    pub(super) fn attach_checkpoint(&mut self, state: CheckpointState) {
        self.checkpoint = Some(state);
    }

    /// The durable checkpoint.
    pub fn checkpoint_state(&self) -> &CheckpointState {
        self.checkpoint
            .as_ref()
            .expect("an open file has a checkpoint")
    }

    pub fn checkpoint_state_mut(&mut self) -> &mut CheckpointState {
        self.checkpoint
            .as_mut()
            .expect("an open file has a checkpoint")
    }

    /// Whether a checkpoint would save something although no transaction has been logged since the last: pages of
    /// dropped trees were freed, or something was changed that is not logged.
    pub fn has_unsaved(&self) -> bool {
        self.has_freed_dropped || self.has_unlogged
    }

    pub fn pager(&self) -> &Pager {
        &self.pager
    }

    pub fn pager_mut(&mut self) -> &mut Pager {
        &mut self.pager
    }

    pub fn planted(&self) -> Planted {
        self.planted
    }

    pub fn pager_stats(&self) -> PagerStats {
        self.pager.stats()
    }

    /// Begins a command: `on_miss` says what a page that is not in memory does. Handles of nested trees end here.
    pub fn begin_command(&mut self, on_miss: OnMiss) {
        assert!(self.txn.is_none(), "a transaction ends with its command");
        self.nested.clear();
        let pager = &mut self.pager;
        let since = &mut self.snapshots_since_us;
        let early = self.planted.has(Bug::M11ReuseUnderSnapshot);
        self.registry.collect(|stamp| {
            since.remove(&stamp);
            if !early {
                pager.release(stamp);
            }
        });
        self.pager.begin_operation(on_miss);
    }

    /// What was looked up ahead is not asked for.
    pub fn forget_ahead(&mut self) {
        self.ahead.forget();
    }

    /// The pages at which look-ups ahead ended, because they are not in memory, are missed as well. Nothing may have changed
    /// since.
    pub fn miss_ahead(&mut self) {
        for ptr in self.ahead.missing() {
            self.pager.note_missed(ptr);
        }
    }

    /// The pages that the command missed, and those that the next ones will miss.
    pub fn missed(&self) -> &[PagePtr] {
        self.pager.missed()
    }

    /// Empties the cache as far as it goes: what is used next is read from the file.
    pub fn forget_cache(&mut self) {
        let (_, frames_max) = self.pager.frames();
        self.pager.set_cache_bytes(0);
        let mut frames = usize::MAX;
        while self.pager.frames().0 < frames {
            frames = self.pager.frames().0;
            self.begin_command(OnMiss::Read);
        }
        let bytes = frames_max as u64 * self.pager.page_bytes() as u64;
        self.pager.set_cache_bytes(bytes);
    }

    /// Whether the command may use the reserves of disk space: it deletes, or is part of a checkpoint or shutdown.
    pub fn set_urgent(&mut self, urgent: bool) {
        self.pager.set_urgent(urgent);
    }

    /// Begins a transaction. A full disk and a poisoned log are told here, before anything changes.
    pub fn begin(&mut self, plan: Plan) -> Result<(), Error> {
        assert!(self.txn.is_none(), "transactions do not nest");
        self.expect_change()?;
        if self.log.is_some() && !self.checkpoint_state().meta.log_required {
            let clock = Arc::clone(&self.clock);
            self.require_log(&*clock)?;
        }
        self.txn = Some(Txn {
            savepoint: None,
            record: std::mem::take(&mut self.record),
            context: None,
            has_changed: false,
            reserved_bytes: RECORD_BYTES_USUAL,
            was_urgent: self.pager.is_urgent(),
        });
        if plan == Plan::Savepoint {
            self.take_savepoint();
        }
        Ok(())
    }

    /// Makes sure that a transaction could begin. Nothing is changed.
    pub fn expect_change(&mut self) -> Result<(), Error> {
        if self.pager.is_poisoned() {
            return Err(Error::Poisoned);
        }
        self.reserve_log(RECORD_BYTES_USUAL)?;
        self.pager.reserve(COMMIT_PAGES)
    }

    fn reserve_log(&mut self, bytes: u64) -> Result<(), Error> {
        let urgent = self.pager.is_urgent();
        match &self.log {
            None => Ok(()),
            Some(log) => Ok(log.reserve(bytes, urgent)?),
        }
    }

    /// Whether a transaction is running.
    pub fn in_transaction(&self) -> bool {
        self.txn.is_some()
    }

    fn take_savepoint(&mut self) {
        self.pager.begin_savepoint();
        let mut roots = std::mem::take(&mut self.saved_roots);
        roots.clone_from(&self.roots);
        let saved = Savepoint {
            roots,
            dropped: self.dropped.len(),
            burdens: self.burdens.len(),
        };
        let txn = self.txn();
        assert!(
            !txn.has_changed && txn.savepoint.is_none(),
            "a savepoint is taken first"
        );
        txn.savepoint = Some(saved);
    }

    /// A change that may fail halfway is about to happen: it can be undone from here on, if nothing has changed
    /// before.
    pub fn need_savepoint(&mut self) {
        let txn = self.txn();
        if txn.savepoint.is_none() && !txn.has_changed {
            self.take_savepoint();
        }
    }

    fn txn(&mut self) -> &mut Txn {
        self.txn.as_mut().expect("changes happen in a transaction")
    }

    /// Ends the transaction: one record in the log, if anything has changed. Returns the last LSN.
    /// It is not written yet: see [`Log::write_to`].
    pub fn commit(&mut self) -> Lsn {
        if self.write_nested_back().is_err() {
            // What was changed cannot be read again: see there.
            self.pager.poison();
        }
        let txn = self.txn.take().expect("a transaction is running");
        self.pager.set_urgent(txn.was_urgent);
        if let Some(saved) = txn.savepoint {
            self.pager.keep_savepoint();
            self.saved_roots = saved.roots;
        }
        self.has_unlogged |= txn.has_changed && !self.is_logging;
        let lsn = match &self.log {
            Some(log) if !txn.record.is_empty() => log.append(&[&txn.record]),
            _ => self.last_lsn(),
        };
        self.keep_record(txn.record);
        lsn
    }

    /// Keeps the memory of a record that is done with, unless it is large.
    fn keep_record(&mut self, mut record: Vec<u8>) {
        if record.capacity() <= RECORD_BYTES_KEPT_MAX {
            record.clear();
            self.record = record;
        }
    }

    /// Undoes the transaction. One without a savepoint must not have changed anything: if it has, storage is
    /// poisoned, because the log does not have what the trees have.
    pub fn rollback(&mut self) {
        let txn = self.txn.take().expect("a transaction is running");
        self.pager.set_urgent(txn.was_urgent);
        self.nested.clear();
        let was_dirty = std::mem::take(&mut self.has_dirty_nested);
        if txn.has_changed {
            self.fingers.forget();
        }
        match txn.savepoint {
            Some(saved) => {
                // Roots that were first used meanwhile keep their handles and are empty.
                for (i, root) in self.roots.iter_mut().enumerate() {
                    match saved.roots.get(i) {
                        Some(old) => *root = *old,
                        None => {
                            *root = Root {
                                desc: Desc::EMPTY_TREE,
                                ..*root
                            }
                        }
                    }
                }
                self.dropped.truncate(saved.dropped);
                self.burdens.truncate(saved.burdens);
                self.pager.roll_back();
                self.saved_roots = saved.roots;
            }
            None if txn.has_changed => {
                self.pager.poison();
                // Pages were changed in place, and cells do not say so: see `write_nested_back`.
                self.has_dirty_nested = was_dirty;
            }
            None => {}
        }
        self.keep_record(txn.record);
    }

    /// The last transaction that was committed.
    pub fn last_lsn(&self) -> Lsn {
        self.log
            .as_ref()
            .map_or(self.replayed, |log| log.last_lsn())
    }

    /// Notes the number of a transaction that was replayed.
    pub(super) fn set_replayed(&mut self, lsn: Lsn) {
        self.replayed = lsn;
    }

    /// Takes a snapshot of every root: O(roots), readable from any thread; or one that refuses every read, for the same
    /// reason as [`Engine::write_nested_back`].
    pub fn snapshot(&mut self) -> Snapshot {
        assert!(self.txn.is_none(), "a snapshot has whole transactions");
        let stamp = if self.planted.has(Bug::M38SnapshotDoesNotFreeze) {
            self.pager.pin_unfrozen()
        } else {
            self.pager.freeze()
        };
        if self.planted.has(Bug::M11ReuseUnderSnapshot) {
            self.pager.release(stamp);
        }
        self.snapshots_since_us.insert(stamp, self.clock.mono_us());
        let roots = self.roots.iter().map(|r| (r.id, r.desc)).collect();
        let snapshot = Snapshot::new(
            roots,
            stamp,
            self.pager.source().clone(),
            self.registry.clone(),
        );
        match self.has_dirty_nested {
            true => snapshot.refused(),
            false => snapshot,
        }
    }

    /// How many snapshots are held, as far as the engine has heard of their ends.
    pub fn snapshots(&self) -> usize {
        self.snapshots_since_us.len()
    }

    /// When the oldest snapshot that is held was taken, in monotonic microseconds.
    pub fn oldest_snapshot_us(&self) -> Option<u64> {
        self.snapshots_since_us.values().next().copied()
    }

    /// The root trees that have ever been used, in no order, with how many entries each has.
    pub fn roots(&self) -> impl Iterator<Item = (RootId, u64)> + '_ {
        self.roots.iter().map(|root| (root.id, root.desc.count))
    }

    /// Bytes of data in all root trees, as of the last transaction: keys, values and all that hangs there.
    pub fn data_bytes(&self) -> u64 {
        self.roots.iter().map(|root| root.desc.bytes).sum()
    }

    /// Where other threads get pages that they read ahead for this engine.
    pub fn source(&self) -> &PageSource {
        self.pager.source()
    }

    /// Reads the way to `key`, so that a change there finds its pages.
    pub fn locate(&mut self, tree: TreeId, key: &[u8]) -> Result<(), Error> {
        self.find(tree, key).map(|_| ())
    }

    /// Looks up keys that the next commands will probably ask for, all at once: most of what a look-up costs is
    /// waiting for memory. One alone is looked up when it is asked for. Reads nothing from the disk, and changes nothing but
    /// the speed of what follows.
    pub fn look_ahead(&mut self, tree: TreeId, keys: &[&[u8]]) {
        if keys.len() > 1 {
            let desc = self.desc(tree);
            self.ahead.look(&self.pager, &desc, keys);
        }
    }

    /// The same with keys of the first nested tree of the cell at `key`, if it has one and is in memory.
    pub fn look_ahead_in(&mut self, tree: TreeId, key: &[u8], keys: &[&[u8]]) {
        if let Some(desc) = self.nested_ahead(tree, key, 0) {
            self.ahead.look(&self.pager, &desc, keys);
        }
    }

    /// The same with what the first or last keys of nested tree `order` have behind their first `skip` bytes, all of which
    /// are going to be removed.
    pub fn look_ahead_at_end(
        &mut self,
        tree: TreeId,
        key: &[u8],
        (order, skip): (usize, usize),
        is_last: bool,
        count: usize,
    ) {
        let (Some(order), Some(desc)) = (
            self.nested_ahead(tree, key, order),
            self.nested_ahead(tree, key, 0),
        ) else {
            return;
        };
        let (mut bytes, mut ends) = (Vec::new(), SmallVec::<[usize; tree::TOGETHER_MAX]>::new());
        tree::visit_end(&self.pager, &order, is_last, count, &mut |cell| {
            cell.key_to(&mut bytes);
            ends.push(bytes.len());
        });
        let mut start = 0;
        let keys: SmallVec<[&[u8]; tree::TOGETHER_MAX]> = ends
            .iter()
            .filter_map(|&end| bytes[std::mem::replace(&mut start, end)..end].get(skip..))
            .collect();
        self.ahead.look(&self.pager, &desc, &keys);
        self.ahead.prepare_removal(&self.pager);
    }

    /// A nested tree of the cell at `key`, if it has it and is in memory.
    fn nested_ahead(&self, tree: TreeId, key: &[u8], slot: usize) -> Option<Desc> {
        let desc = self.desc(tree);
        if desc.root.is_null() {
            return None;
        }
        let mut ways = [tree::Ahead::default()];
        tree::descend_together(&self.pager, &desc, std::iter::once(key), &mut ways);
        let [way] = ways;
        let leaf = way.path.last().filter(|_| way.is_whole && way.found)?;
        let cell = Cell::new(Node::new(self.pager.bytes(leaf.slot)).value(leaf.index));
        (cell.slots() > slot).then(|| cell.slot(slot))
    }

    /// About to change `tree`: nothing is missed from here on, the record names the tree, and descriptors of other
    /// nested trees stand in their owners' cells.
    fn before_change(&mut self, tree: TreeId, bytes: u64) -> Result<(), Error> {
        let txn = self.txn();
        let wanted = txn.record.len() as u64 + bytes + 1024;
        if wanted > txn.reserved_bytes {
            self.reserve_log(wanted)?;
            self.txn().reserved_bytes = wanted;
        }
        self.pager.reserve(COMMIT_PAGES)?;
        if self.has_dirty_nested && !tree.is_nested() {
            self.write_nested_back()?;
        }
        Ok(())
    }

    /// Puts the finger of its kind of tree where `key` is or would be; whether it is there.
    #[inline]
    fn find(&mut self, tree: TreeId, key: &[u8]) -> Result<bool, Error> {
        let desc = self.desc(tree);
        let kind = finger_of(&self.roots, &self.nested, tree);
        let fingers = &mut self.fingers;
        if fingers.are_at(kind, &mut self.pager, desc.root, key) {
            return Ok(fingers.at(kind).found);
        }
        fingers.turn(kind, &self.pager);
        let finger = fingers.at_mut(kind);
        finger.path.clear();
        let is_as_found = self.ahead.leaf_changes == self.pager.leaf_changes();
        let found = match self.ahead.take(desc.root, &self.pager, key) {
            Some(way) => {
                finger.path.extend_from_slice(&way.path);
                for step in &way.path {
                    self.pager.touch(step.slot);
                }
                match is_as_found {
                    true => way.found,
                    false => finger.look_again(&mut self.pager, key)?,
                }
            }
            None => {
                let descent = tree::descend_into(&mut self.pager, &desc, key, &mut finger.path);
                let Ok(Some(found)) = descent else {
                    finger.path.clear();
                    return descent.map(|_| false);
                };
                found
            }
        };
        finger.stand_at(&self.pager, key, found);
        Ok(found)
    }

    /// The value under the finger, which has found it.
    #[inline]
    fn value_at_finger(&self, tree: TreeId) -> &[u8] {
        let finger = self.fingers.at(finger_of(&self.roots, &self.nested, tree));
        let leaf = finger.path.last().expect("a path ends in a leaf");
        Node::new(self.pager.bytes(leaf.slot)).value(leaf.index)
    }

    /// The first change is about to touch a page. One that cannot be undone has the reserves from here on: a disk
    /// that is full refuses its beginning and not its end.
    fn mark_changed(&mut self) {
        let txn = self.txn();
        if txn.has_changed {
            return;
        }
        txn.has_changed = true;
        let is_final = txn.savepoint.is_none();
        self.pager.set_on_miss(OnMiss::Read);
        if is_final {
            self.pager.set_urgent(true);
        }
    }

    /// Before the first of so many small changes to a root tree, together of so many bytes: they will not fail for want
    /// of room.
    pub fn reserve_changes(&mut self, tree: TreeId, changes: u64, bytes: u64) -> Result<(), Error> {
        let wanted = RECORD_BYTES_USUAL + bytes;
        self.reserve_log(wanted)?;
        self.txn().reserved_bytes = wanted;
        let height = self.desc(tree).height;
        self.pager
            .reserve(COMMIT_PAGES + changes * tree::pages_needed(height))
    }

    /// Puts a change to `tree` into the record.
    fn note(&mut self, tree: TreeId, change: &Change<'_>) {
        if self.log.is_none() || !self.is_logging {
            return;
        }
        if self.txn().context != Some(tree) {
            let place = place_of(&self.roots, &self.nested, tree);
            let txn = self.txn.as_mut().expect("changes happen in a transaction");
            Change::In(place).encode(&mut txn.record);
            txn.context = Some(tree);
        }
        change.encode(&mut self.txn().record);
    }

    fn set_desc(&mut self, tree: TreeId, desc: Desc) {
        if tree.is_nested() {
            let nested = &mut self.nested[tree.index()];
            if nested.desc != desc {
                nested.desc = desc;
                nested.is_dirty = true;
                self.has_dirty_nested = true;
            }
        } else {
            let root = &mut self.roots[tree.index()];
            root.is_dirty |= root.desc != desc;
            root.desc = desc;
        }
    }

    /// As [`Read::nested`], of a cell at which the caller has just looked, and seen this descriptor there.
    pub fn nested_seen(&mut self, parent: TreeId, key: &[u8], slot: usize, desc: Desc) -> TreeId {
        read::opened(&self.nested, parent, key, slot)
            .unwrap_or_else(|| read::open(&mut self.nested, parent, key, slot, desc))
    }

    /// The cell at `key`, as [`Read::get`] finds it, which tells of its trees as they are now: inside a transaction it may
    /// not do so yet.
    pub fn current(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Cell<'_>>, Error> {
        self.write_nested_back()?;
        self.get(tree, key)
    }

    /// Puts the descriptors of nested trees into their owners' cells, the deepest first. Who commits does this before,
    /// for it may fail. Where it was not done and what was changed stays, nothing is read through here any more: the
    /// cells tell of the trees as they were before.
    pub(crate) fn write_nested_back(&mut self) -> Result<(), Error> {
        if !self.has_dirty_nested {
            return Ok(());
        }
        if self.txn.is_none() {
            return Err(Error::Poisoned);
        }
        self.has_dirty_nested = false;
        let urgent = self.pager.is_urgent();
        self.pager.set_urgent(true);
        // A cell that an earlier command of a script changed may have left a small pool.
        let on_miss = self.pager.set_on_miss(OnMiss::Read);
        let written = self.write_nested();
        self.pager.set_on_miss(on_miss);
        self.pager.set_urgent(urgent);
        written
    }

    fn write_nested(&mut self) -> Result<(), Error> {
        // A nested tree is opened after the one it hangs in.
        for i in (0..self.nested.len()).rev() {
            if !self.nested[i].is_dirty || self.nested[i].is_closed {
                continue;
            }
            self.nested[i].is_dirty = false;
            let Nested {
                desc, parent, slot, ..
            } = self.nested[i];
            let key = std::mem::take(&mut self.nested[i].key);
            let written = self.patch_slot(parent, &key, slot, desc);
            self.nested[i].key = key;
            if written.is_err() {
                // The next one writes it, or the commit, which may not go without it.
                self.nested[i].is_dirty = true;
                self.has_dirty_nested = true;
                return written;
            }
        }
        self.has_dirty_nested = false;
        Ok(())
    }

    /// The cell at `key` is going, or getting other trees: handles of what hangs there end.
    fn close_nested(&mut self, parent: TreeId, key: Option<&[u8]>) {
        if self.nested.is_empty() {
            return;
        }
        let mut closed: Vec<TreeId> = Vec::new();
        for i in 0..self.nested.len() {
            let nested = &mut self.nested[i];
            let goes = (nested.parent == parent && key.is_none_or(|k| nested.key.as_slice() == k))
                || closed.contains(&nested.parent);
            if goes {
                nested.is_closed = true;
                nested.is_dirty = false;
                closed.push(TreeId(i as u32 | NESTED_BIT));
            }
        }
        if let Some(txn) = &mut self.txn
            && txn.context.is_some_and(|c| closed.contains(&c))
        {
            txn.context = None;
        }
    }

    /// Opens the tree at a place in the log.
    pub(super) fn tree_at(&mut self, place: &Place<'_>) -> Result<Option<TreeId>, Error> {
        let mut tree = self.root(RootId(place.root))?;
        for (key, slot) in &place.steps {
            match self.get(tree, key)? {
                Some(cell) if *slot < cell.slots() => {}
                _ => return Ok(None),
            }
            let Some(below) = self.nested(tree, key, *slot)? else {
                return Ok(None);
            };
            tree = below;
        }
        Ok(Some(tree))
    }
}

impl Read for Engine {
    type Pages = Pager;

    #[inline]
    fn pages(&mut self) -> &mut Pager {
        &mut self.pager
    }

    #[inline]
    fn desc(&self, tree: TreeId) -> Desc {
        if tree.is_nested() {
            let nested = &self.nested[tree.index()];
            assert!(
                !nested.is_closed,
                "a handle ends with the cell its tree hangs at"
            );
            nested.desc
        } else {
            self.roots[tree.index()].desc
        }
    }

    #[inline]
    fn get(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Cell<'_>>, Error> {
        if !self.find(tree, key)? {
            return Ok(None);
        }
        Ok(Some(Cell::new(self.value_at_finger(tree))))
    }

    fn seek(
        &mut self,
        tree: TreeId,
        from: Seek<'_>,
        key_out: &mut Vec<u8>,
    ) -> Result<Option<Cell<'_>>, Error> {
        let desc = self.desc(tree);
        let kind = finger_of(&self.roots, &self.nested, tree);
        let (fingers, pager) = (&mut self.fingers, &mut self.pager);
        let mut is_there = false;
        if let Seek::First | Seek::Last = from {
            let is_first = from == Seek::First;
            is_there = fingers.reach_edge(kind, pager, desc.root, is_first, key_out)?;
            if !is_there {
                // What goes back and forth between two ends has a finger at each.
                fingers.turn(kind, pager);
            }
        }
        if !is_there {
            let finger = self.fingers.at_mut(kind);
            finger.path.clear();
            let operation = self.pager.operation();
            if !tree::seek_into(&mut self.pager, &desc, from, key_out, &mut finger.path)? {
                return Ok(None);
            }
            // A walk to the next leaf may have let pages of the way go.
            let is_whole = self.pager.operation() == operation;
            let leaf = *finger.path.last().expect("a path ends in a leaf");
            if !is_whole {
                finger.path.clear();
                let value = Node::new(self.pager.bytes(leaf.slot)).value(leaf.index);
                return Ok(Some(Cell::new(value)));
            }
            finger.stand_at(&self.pager, key_out, true);
        }
        Ok(Some(Cell::new(self.value_at_finger(tree))))
    }

    fn root(&mut self, id: RootId) -> Result<TreeId, Error> {
        let at = self
            .roots
            .iter()
            .position(|root| root.id == id)
            .unwrap_or_else(|| {
                self.roots.push(Root {
                    id,
                    desc: Desc::EMPTY_TREE,
                    is_dirty: false,
                });
                self.roots.len() - 1
            });
        Ok(TreeId(at as u32))
    }

    fn nested(&mut self, parent: TreeId, key: &[u8], slot: usize) -> Result<Option<TreeId>, Error> {
        open_nested(self, |engine| &mut engine.nested, parent, key, slot)
    }
}

#[cfg(test)]
mod tests;
