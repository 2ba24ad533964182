//! Redis values on trees.
//!
//! Every database has three root trees: its keys, its expiries by time, and its hashes by the time at which their
//! first field expires. A key's cell has a small head
//! ([`header`]) and a body that holds the value of a string; storage keeps long bodies in pages of their own. The body
//! of a small collection is a sequence of its elements ([`packed`]); a large one has trees of its own at its cell.
//! The trees of times have an entry for each key that expires, eight bytes of time (big endian) and then the key, so
//! that what is due stands in front. One more root tree is the keyspace's own.
//!
//! Readers never see a key that is due. Changes go through [`Keyspace::write`], which commits or undoes them, and
//! tell [`change::Changes`] what they did.

pub mod access;
pub mod big_natural;
pub mod bits;
pub mod bulk;
pub mod change;
pub mod cursor;
pub mod digest;
pub mod double;
pub mod draft;
pub mod draw;
pub mod elements;
pub mod eviction;
pub mod expiry;
pub mod forms;
pub mod geo;
pub mod hash;
pub mod header;
pub mod hll;
pub mod hll_sparse;
pub mod lcs;
pub mod library;
pub mod list;
pub mod lives;
pub mod long_double;
pub mod packed;
pub mod partial_sort;
#[cfg(test)]
mod rig;
pub mod salvage;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod txn;
pub mod value;
pub mod walk;
pub mod whole;

use access::AccessTable;
use change::{Changes, Class};
use cursor::CursorTable;
use header::Header;
pub use txn::{Slot, Txn};

use crate::storage::checkpoint::EngineLock;
use crate::storage::page::Desc;
use crate::storage::{Body, Cell, Engine, Error, OnMiss, Plan, Read, RootId, TreeId};

/// The root tree of the keyspace's own records.
const OWN_ROOT: RootId = RootId(u32::MAX - 1);
/// The key of the saved cursors in it.
const CURSORS_KEY: &[u8] = b"scan-cursors";
/// The key of the name of the data in it.
const IDENTITY_KEY: &[u8] = b"identity";
/// The key of the lives that the data has had in it.
const LIVES_KEY: &[u8] = b"lives";
/// It is there while the file is being filled from another one.
const SEEDING_KEY: &[u8] = b"seeding";

/// What INFO tells of the keyspace. All count up from the start of the server or CONFIG RESETSTAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys removed because they were due.
    pub expired_keys: u64,
    /// Fields of hashes removed because they were due.
    pub expired_fields: u64,
    /// Keys removed to make room.
    pub evicted_keys: u64,
    /// Changes, as Redis counts them for `rdb_changes_since_last_save`. CONFIG RESETSTAT leaves them.
    pub dirty: u64,
    /// Changes of form of collections. CONFIG RESETSTAT leaves them.
    pub forms: forms::Forms,
}

/// How a look-up counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Counts as a hit or a miss.
    counts: bool,
    /// Makes the key recently used.
    uses: bool,
    /// Tells who listens of a key that is not there.
    notifies: bool,
    /// A key that is due expires by being met, for those who listen.
    expires: bool,
}

impl Look {
    /// A command reads the value.
    pub const READ: Self = Self {
        counts: true,
        uses: true,
        notifies: true,
        expires: true,
    };
    /// A command reads about the key (TTL, TYPE, EXISTS).
    pub const ASK: Self = Self {
        counts: true,
        uses: false,
        notifies: true,
        expires: true,
    };
    /// OBJECT, SCAN TYPE.
    pub const INSPECT: Self = Self {
        counts: true,
        uses: false,
        notifies: false,
        expires: true,
    };
    /// MEMORY USAGE.
    pub const UNSEEN: Self = Self {
        counts: false,
        uses: false,
        notifies: false,
        expires: true,
    };
    /// A command is about to change the key.
    pub const WRITE: Self = Self {
        counts: false,
        uses: true,
        notifies: false,
        expires: true,
    };
    /// Nobody asks for the key: it is about to be removed, or whoever waits for it may have to look.
    pub const ASIDE: Self = Self {
        counts: false,
        uses: false,
        notifies: false,
        expires: false,
    };
}

/// A key that is there.
pub struct Entry<'a> {
    pub header: Header,
    pub cell: Cell<'a>,
}

impl<'a> Entry<'a> {
    /// The bytes of a value that storage keeps beside its head; None if they are elsewhere.
    pub fn inline(&self) -> Option<&'a [u8]> {
        match self.cell.body() {
            Body::Inline(bytes) => Some(bytes),
            Body::Blob { .. } => None,
        }
    }

    /// Whether the value is a collection in trees of its own.
    pub fn is_large(&self) -> bool {
        self.cell.slots() > 0
    }

    /// The descriptors of the trees of a large collection, which has `N` of them or more.
    pub(crate) fn trees<const N: usize>(&self) -> Option<[Desc; N]> {
        self.is_large()
            .then(|| std::array::from_fn(|n| self.cell.slot(n)))
    }

    /// Length of the value in bytes.
    pub fn len(&self) -> u64 {
        self.cell.body_len()
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The trees of one database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trees {
    pub keys: TreeId,
    pub expiries: TreeId,
    pub fields: TreeId,
}

/// Root trees that each database has.
pub(crate) const ROOTS_PER_DATABASE: u32 = 3;

/// The root trees of database `db`: keys, expiries of keys, first expiries of fields.
pub(crate) fn root_ids(db: u32) -> [RootId; ROOTS_PER_DATABASE as usize] {
    let first = ROOTS_PER_DATABASE * db;
    [RootId(first), RootId(first + 1), RootId(first + 2)]
}

fn packed_bytes_max(page_bytes: usize) -> usize {
    const PACKED_BYTES_MAX: usize = 1024;
    (page_bytes / 4).min(PACKED_BYTES_MAX)
}

/// Where a command or an EXEC began, to go back to.
#[derive(Clone, Debug)]
pub struct Mark {
    stats: Stats,
    changes: usize,
    rng: fastrand::Rng,
}

/// Every database of the server.
#[derive(Debug)]
pub struct Keyspace {
    pub engine: Engine,
    pub stats: Stats,
    pub changes: Changes,
    pub access: AccessTable,
    /// Look-ups leave no trace in `access` (CLIENT NO-TOUCH).
    pub no_touch: bool,
    databases: u32,
    open: Vec<Option<Trees>>,
    cursors: CursorTable,
    lists: list::Memory,
    rng: fastrand::Rng,
    in_transaction: bool,
    changed: bool,
    life: lives::Now,
    library_epoch: library::LibraryEpoch,
    /// Memory for the body of a collection that is being changed.
    scratch: Vec<u8>,
}

impl EngineLock for parking_lot::Mutex<Keyspace> {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.lock().engine)
    }
}

impl Keyspace {
    /// Takes over an open engine. `databases` is how many there are to choose from, `seed` what random draws depend
    /// on, `now_ms` the wall time in milliseconds since 1970.
    pub fn new(mut engine: Engine, databases: u32, seed: u64, now_ms: u64) -> Result<Self, Error> {
        let own = engine.root(OWN_ROOT)?;
        let mut saved = Vec::new();
        engine.read_body(own, CURSORS_KEY, 0, u64::MAX, &mut saved)?;
        let life = lives::Now::of(&mut engine)?;
        Ok(Self {
            life,
            engine,
            stats: Stats::default(),
            changes: Changes::default(),
            access: AccessTable::new(now_ms),
            no_touch: false,
            databases,
            open: Vec::new(),
            cursors: CursorTable::from_bytes(&saved),
            lists: list::Memory::default(),
            rng: fastrand::Rng::with_seed(seed),
            in_transaction: false,
            changed: false,
            library_epoch: library::LibraryEpoch::default(),
            scratch: Vec::new(),
        })
    }

    /// How many databases there are.
    pub fn databases(&self) -> u32 {
        self.databases
    }

    /// Makes sure that there are so many databases.
    pub fn add_databases_up_to(&mut self, databases: u32) {
        self.databases = self.databases.max(databases);
    }

    /// The databases that have keys, due ones included, in order.
    pub fn databases_with_keys(&self) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .engine
            .roots()
            .filter(|(id, count)| {
                id.0.is_multiple_of(ROOTS_PER_DATABASE)
                    && id.0 / ROOTS_PER_DATABASE < self.databases
                    && *count > 0
            })
            .map(|(id, _)| id.0 / ROOTS_PER_DATABASE)
            .collect();
        found.sort_unstable();
        found
    }

    /// Whether an EXEC or script is open around the command.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    pub(crate) fn trees(&mut self, db: u32) -> Result<Trees, Error> {
        let at = db as usize;
        if let Some(Some(trees)) = self.open.get(at) {
            return Ok(*trees);
        }
        let [keys, expiries, fields] = root_ids(db);
        let trees = Trees {
            keys: self.engine.root(keys)?,
            expiries: self.engine.root(expiries)?,
            fields: self.engine.root(fields)?,
        };
        if self.open.len() <= at {
            self.open.resize(at + 1, None);
        }
        self.open[at] = Some(trees);
        Ok(trees)
    }

    /// The longest body that a small collection may have, in bytes; a longer one moves to trees of its own. So
    /// several cells fit into a page, and a change moves few bytes.
    pub fn packed_bytes_max(&self) -> usize {
        packed_bytes_max(self.engine.pager().page_bytes())
    }

    /// Nested tree `n` of the collection at `key`, which is large.
    pub fn tree(&mut self, db: u32, key: &[u8], n: usize) -> Result<TreeId, Error> {
        let trees = self.trees(db)?;
        let tree = self.engine.nested(trees.keys, key, n)?;
        Ok(tree.expect("a large collection is there"))
    }

    /// The first trees of the large collection at `key`, whose [`Entry`] has just shown these descriptors.
    pub(crate) fn trees_seen<const N: usize>(
        &mut self,
        db: u32,
        key: &[u8],
        seen: [Desc; N],
    ) -> Result<[TreeId; N], Error> {
        let keys = self.trees(db)?.keys;
        let engine = &mut self.engine;
        Ok(std::array::from_fn(|n| {
            engine.nested_seen(keys, key, n, seen[n])
        }))
    }

    /// The most levels that a tree of the collection at `key` has; None if it is small, or no collection.
    pub fn levels(&mut self, db: u32, key: &[u8]) -> Result<Option<u8>, Error> {
        let trees = self.trees(db)?;
        let cell = self.engine.get(trees.keys, key)?;
        let mut levels = None;
        for n in 0..cell.map_or(0, |cell| cell.slots()) {
            if let Some(tree) = self.engine.nested(trees.keys, key, n)? {
                levels = levels.max(Some(self.engine.levels(tree)));
            }
        }
        Ok(levels)
    }

    /// Memory to change a body in, empty.
    fn take_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch
    }

    /// Gives such memory back.
    fn give_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    /// Reads a key in the tree of its database.
    pub fn read_key<T>(
        &mut self,
        db: u32,
        read: impl FnOnce(&mut Engine, TreeId) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let trees = self.trees(db)?;
        read(&mut self.engine, trees.keys)
    }

    /// Whether any hash has a field that expires.
    pub fn has_expiring_fields(&self) -> bool {
        self.engine
            .roots()
            .any(|(id, count)| id.0 % ROOTS_PER_DATABASE == 2 && id != OWN_ROOT && count > 0)
    }

    /// How many keys all databases have, due ones included.
    pub fn len_of_all(&self) -> u64 {
        self.engine
            .roots()
            .filter(|(id, _)| id.0.is_multiple_of(ROOTS_PER_DATABASE))
            .filter(|(id, _)| id.0 / ROOTS_PER_DATABASE < self.databases)
            .map(|(_, count)| count)
            .sum()
    }

    /// Where random draws come from: what storage undoes of a command includes its draws.
    pub fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.rng
    }

    /// Opens the root trees anew when they are next asked for.
    pub(crate) fn forget_trees(&mut self) {
        self.open.clear();
    }

    /// Looks up keys that will probably be asked for next, several at once: see [`Engine::look_ahead`].
    pub fn look_ahead(&mut self, db: u32, keys: &[&[u8]]) {
        if let Ok(trees) = self.trees(db) {
            self.engine.look_ahead(trees.keys, keys);
        }
    }

    /// Looks up elements of the set, hash or sorted set at a key, if it is large: see [`Engine::look_ahead_in`].
    pub fn look_ahead_in(&mut self, db: u32, key: &[u8], elements: &[&[u8]]) {
        if let Ok(trees) = self.trees(db) {
            self.engine.look_ahead_in(trees.keys, key, elements);
        }
    }

    /// Looks up the first members of the sorted set at a key, or the last, if it is large and they will be popped.
    pub fn look_ahead_at_end(&mut self, db: u32, key: &[u8], is_last: bool, count: usize) {
        if let Ok(trees) = self.trees(db) {
            let order = sorted_set::ORDER;
            self.engine
                .look_ahead_at_end(trees.keys, key, order, is_last, count);
        }
    }

    /// Looks up a key; one that is due is not there.
    pub fn lookup(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        look: Look,
    ) -> Result<Option<Entry<'_>>, Error> {
        let trees = self.trees(db)?;
        let place = (look.uses && !self.no_touch).then(|| self.access.find(db, key));
        let cell = self.engine.current(trees.keys, key)?;
        let mut is_due = false;
        let entry = cell
            .map(|cell| Entry {
                header: Header::parse(cell.head()),
                cell,
            })
            .filter(|entry| {
                is_due = entry.header.is_due(now_ms);
                !is_due
            });
        if entry.is_some() {
            self.stats.hits += u64::from(look.counts);
            if let Some(place) = place {
                let rng = &mut self.rng;
                self.access.used(place, now_ms, || rng.f64());
            }
        } else {
            self.stats.misses += u64::from(look.counts);
            if is_due && look.expires {
                self.changes.met_due(db, key);
            }
            if look.notifies {
                self.changes.event(db, key, Class::Miss, "keymiss");
            }
        }
        Ok(entry)
    }

    /// How many keys a database has, with those that are due and not removed yet.
    pub fn len(&mut self, db: u32) -> Result<u64, Error> {
        let trees = self.trees(db)?;
        Ok(self.engine.count(trees.keys))
    }

    /// How many keys of a database have an expiry, due or not.
    pub fn expiring(&mut self, db: u32) -> Result<u64, Error> {
        let trees = self.trees(db)?;
        Ok(self.engine.count(trees.expiries))
    }

    /// Remembers statistics, changes and random draws as they are now.
    pub fn mark(&self) -> Mark {
        Mark {
            stats: self.stats,
            changes: self.changes.len(),
            rng: self.rng.clone(),
        }
    }

    /// Puts back what `mark` remembers. The data is the transaction's to undo.
    pub fn undo(&mut self, mark: Mark) {
        self.stats = mark.stats;
        self.changes.cut(mark.changes);
        self.rng = mark.rng;
    }

    /// Runs `change` in a transaction: commits if it succeeds, and undoes everything if it fails. Inside an open
    /// EXEC it becomes part of that.
    pub fn write<T, E: From<Error>>(
        &mut self,
        plan: Plan,
        change: impl FnOnce(&mut Txn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.in_transaction {
            return change(&mut Txn::new(self));
        }
        self.begin(plan)?;
        let (dirty, changes) = (self.stats.dirty, self.changes.len());
        let expired = (self.stats.expired_keys, self.stats.expired_fields);
        let forms = self.stats.forms;
        let result = change(&mut Txn::new(self)).and_then(|done| {
            self.complete()?;
            Ok(done)
        });
        if result.is_ok() {
            self.commit();
        } else {
            self.stats.dirty = dirty;
            (self.stats.expired_keys, self.stats.expired_fields) = expired;
            self.stats.forms = forms;
            self.changes.undo(changes);
            self.rollback();
        }
        result
    }

    /// Begins a transaction over several commands (EXEC, a script).
    pub fn begin(&mut self, plan: Plan) -> Result<(), Error> {
        assert!(!self.in_transaction, "transactions do not nest");
        if self.life == lives::Now::Nameless {
            self.name_life()?;
        }
        self.engine.begin(plan)?;
        self.in_transaction = true;
        self.changed = false;
        Ok(())
    }

    /// Does what a commit still has to read and write, so that the commit itself cannot fail.
    pub fn complete(&mut self) -> Result<(), Error> {
        self.engine.write_nested_back()
    }

    /// Ends the transaction, which is complete, and keeps what it did.
    pub fn commit(&mut self) {
        assert!(self.in_transaction, "a transaction is open");
        self.in_transaction = false;
        self.library_epoch.keep();
        if self.changed {
            self.engine.commit();
        } else {
            self.engine.rollback();
        }
    }

    /// Ends the transaction and undoes what it did to the data.
    pub fn rollback(&mut self) {
        assert!(self.in_transaction, "a transaction is open");
        self.in_transaction = false;
        self.library_epoch.take_back();
        self.engine.rollback();
        self.lists.forget();
        self.forget_trees();
    }

    /// The LSN that bytes which tell of the data have to wait for.
    pub fn last_lsn(&self) -> u64 {
        if let Some(log) = self.engine.log()
            && log.is_poisoned()
        {
            // What was committed since will never be written. Reads go on, and wait for what was.
            return log.written_lsn().0;
        }
        self.engine.last_lsn().0
    }

    /// The file is being filled from another one until [`Keyspace::end_seeding`].
    pub fn begin_seeding(&mut self) -> Result<(), Error> {
        self.write(Plan::Simple, |txn| txn.put_own(SEEDING_KEY, &[]))
    }

    /// The file is filled.
    pub fn end_seeding(&mut self) -> Result<(), Error> {
        self.engine.begin_command(OnMiss::Read);
        self.write(Plan::Simple, |txn| txn.delete_own(SEEDING_KEY))
    }

    /// Whether the file was being filled when its last life ended.
    pub fn is_half_seeded(&mut self) -> Result<bool, Error> {
        let own = self.engine.root(OWN_ROOT)?;
        Ok(self.engine.get(own, SEEDING_KEY)?.is_some())
    }

    /// What names the data of this file in files beside it; drawn when it is first asked for.
    pub fn identity(&mut self) -> Result<String, Error> {
        self.engine.begin_command(OnMiss::Read);
        let own = self.engine.root(OWN_ROOT)?;
        let mut bytes = Vec::new();
        self.engine
            .read_body(own, IDENTITY_KEY, 0, u64::MAX, &mut bytes)?;
        if bytes.is_empty() {
            self.named_life()?;
            let name = format!("{:032x}", self.rng.u128(..));
            self.write(Plan::Simple, |txn| {
                txn.put_own(IDENTITY_KEY, name.as_bytes())
            })?;
            return Ok(name);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Saves the SCAN cursors issued since the last call, so that they are good after a restart. To be called
    /// before a checkpoint.
    pub fn save_cursors(&mut self) -> Result<(), Error> {
        if !self.cursors.is_unsaved() {
            return Ok(());
        }
        let bytes = self.cursors.to_bytes();
        self.write(Plan::Simple, |txn| txn.put_own(CURSORS_KEY, &bytes))?;
        self.cursors.saved();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
