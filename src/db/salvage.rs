//! Taking every readable key out of a damaged file, into a new one.
//!
//! [`crate::storage::salvage`] copies the entries of trees; here they become keys again: the indexes of times are made
//! anew, a collection of which something is missing is put together from what is left of it, and what is missing is told
//! by the names of keys. A collection of which nothing is missing is not looked into; one of which something is
//! missing is in memory as a whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{DbError, random};
use crate::command::server::Server;
use crate::command::settings;
use crate::config::Config;
use crate::interchange::import::{self, Limits};
use crate::interchange::rdb::Value;
use crate::interchange::remains;
use crate::keyspace::Keyspace;
use crate::keyspace::header::{Header, Kind};
use crate::keyspace::salvage::{DATABASES_MAX, Root, TreeRules, forget_origin, library_of};
use crate::storage::salvage::{
    Gap, KeyLoss, LogFate, Report, Salvage, SalvageError, SalvageProgress, TreeKind,
};
use crate::storage::{self, Engine, OnMiss, OpenOptions, Plan, RootId};
use crate::vfs::{Clock, OsClock, OsVfs};

/// Keys that are looked at together.
const KEYS_TOGETHER: usize = 256;

/// Pages of replaced collections that are freed at a time.
const FREE_PAGES: usize = 256;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Storage(SalvageProgress),
    /// Keys whose times were put into the indexes, of those taken.
    Indexed {
        keys: u64,
        keys_total: u64,
    },
}

/// A collection of which something is missing, or was found by reading all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    pub db: u32,
    pub key: Vec<u8>,
    pub kind: Kind,
    /// Elements that are there.
    pub elements: u64,
    /// Elements that are missing, at most.
    pub missing: u64,
    /// Something of the groups of a stream is missing.
    pub lacks_groups: bool,
    /// Elements were found by reading all pages.
    pub is_scanned: bool,
}

/// A key that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub db: u32,
    /// Its name; the beginning of one whose end is what is damaged.
    pub key: Vec<u8>,
    pub why: &'static str,
}

/// Keys of a database that are not there, and of which only the number is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingKeys {
    pub db: u32,
    /// All of them are this one or behind it; None: from the first key of the database on.
    pub low: Option<Vec<u8>>,
    /// All of them are before this one; None: to the last.
    pub high: Option<Vec<u8>>,
    pub keys: u64,
    /// The damaged page.
    pub page: u64,
}

/// Keys that may be older, from one to another: they were found by reading all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    pub db: u32,
    pub first: Vec<u8>,
    pub last: Vec<u8>,
    /// The file does not say which database they are of.
    pub is_guessed: bool,
}

/// What was taken, and what is missing.
#[derive(Clone, Debug, Default)]
pub struct Salvaged {
    /// Keys in the new file, those in part included.
    pub keys: u64,
    pub types: BTreeMap<&'static str, u64>,
    pub libraries: u64,
    pub partial: Vec<Partial>,
    pub gone: Vec<Gone>,
    pub missing: Vec<MissingKeys>,
    pub scanned: Vec<Scanned>,
    pub scanned_keys: u64,
    /// Libraries of functions that are not there.
    pub libraries_gone: Vec<Vec<u8>>,
    /// Records of the keyspace's own that are not there: libraries among them, perhaps.
    pub records_missing: u64,
    /// The file was being filled from another one when it ended.
    pub was_seeding: bool,
    pub storage: Report,
}

impl Salvaged {
    /// Whether everything that the damaged file had is in the new one, and nothing older.
    pub fn is_whole(&self) -> bool {
        self.partial.is_empty()
            && self.gone.is_empty()
            && self.missing.is_empty()
            && self.scanned_keys == 0
            && self.scanned.is_empty()
            && self.libraries_gone.is_empty()
            && self.records_missing == 0
            && !self.was_seeding
            && !self.storage.is_scanned
            && self.storage.unplaced == 0
            && !matches!(self.storage.log, LogFate::Lost { .. })
    }

    /// Keys of which it is known that they are not there.
    pub fn keys_missing(&self) -> u64 {
        let counted = self.missing.iter().map(|missing| missing.keys);
        counted.fold(self.gone.len() as u64, u64::saturating_add)
    }
}

/// Takes every readable key out of the file at `broken`, which nobody may have open and which is not changed, and makes a
/// new one of them at `out`, where nothing may be. It is there whole, or not at all. `cache_bytes` bounds the memory
/// for pages.
pub fn salvage(
    broken: impl AsRef<Path>,
    out: impl AsRef<Path>,
    cache_bytes: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<Salvaged, DbError> {
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let options = OpenOptions {
        cache_bytes,
        ..OpenOptions::new(random()?)
    };
    let broken = broken.as_ref();
    let server = Server::new(Arc::new(Config::default()), Arc::clone(&clock));
    let mut salvaged = Salvaged::default();
    let request = Salvage {
        vfs: &OsVfs,
        clock: &clock,
        broken,
        out: out.as_ref(),
        options: &options,
        rules: &TreeRules,
    };
    let bytes_max = broken.metadata().map_or(0, |file| file.len());
    let tell = std::cell::RefCell::new(tell);
    let report = request.run::<SalvageError>(
        &mut |progress| (tell.borrow_mut())(Progress::Storage(progress)),
        |engine, report| {
            let mut mender = Mender {
                report,
                salvaged: &mut salvaged,
                limits: settings::import_limits(&server),
                bytes_max,
            };
            Ok(mender.mend(engine, &mut **tell.borrow_mut())?)
        },
    )?;
    salvaged.storage = report;
    Ok(salvaged)
}

/// Makes keys of what was taken.
struct Mender<'a> {
    report: &'a mut Report,
    salvaged: &'a mut Salvaged,
    limits: Limits,
    /// Bytes of the damaged file.
    bytes_max: u64,
}

impl Mender<'_> {
    fn mend(
        &mut self,
        mut engine: Engine,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Engine, storage::Error> {
        self.salvaged.was_seeding = forget_origin(&mut engine)?;
        let mut keyspace = Keyspace::new(engine, DATABASES_MAX, 0, 0)?;
        self.index(&mut keyspace, tell)?;
        for ((root, key), loss) in std::mem::take(&mut self.report.keys) {
            self.lost(&mut keyspace, RootId(root), key, &loss)?;
        }
        for gap in std::mem::take(&mut self.report.gaps) {
            self.gap(gap);
        }
        self.scanned();
        self.salvaged.libraries = keyspace.libraries()?.len() as u64;
        while keyspace.engine.has_dropped() {
            keyspace.engine.free_dropped(FREE_PAGES)?;
        }
        Ok(keyspace.engine)
    }

    /// Counts the keys, and puts the times at which they expire into the indexes.
    fn index(
        &mut self,
        keyspace: &mut Keyspace,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<(), storage::Error> {
        let keys_total = keyspace.len_of_all();
        let mut done = 0;
        for db in keyspace.databases_with_keys() {
            let mut after: Option<Vec<u8>> = None;
            loop {
                let some = keyspace.take_in(db, after.as_deref(), KEYS_TOGETHER)?;
                let Some((last, _)) = some.last() else { break };
                after = Some(last.clone());
                done += some.len() as u64;
                for (key, header) in some {
                    match header {
                        Some(header) => self.count(&header),
                        None => self.gone(db, key, "its kind of value is not known"),
                    }
                }
                tell(Progress::Indexed {
                    keys: done,
                    keys_total,
                });
            }
        }
        Ok(())
    }

    fn count(&mut self, header: &Header) {
        self.salvaged.keys += 1;
        *self.salvaged.types.entry(header.kind.name()).or_default() += 1;
    }

    fn gone(&mut self, db: u32, key: Vec<u8>, why: &'static str) {
        self.salvaged.gone.push(Gone { db, key, why });
    }

    /// Puts a key right of which something is missing.
    fn lost(
        &mut self,
        keyspace: &mut Keyspace,
        root: RootId,
        key: Vec<u8>,
        loss: &KeyLoss,
    ) -> Result<(), storage::Error> {
        let db = match Root::of(root) {
            Root::Keys(db) => db,
            Root::Own => {
                // The others tell of what was, and are made anew.
                if let Some(name) = library_of(&key).filter(|_| loss.gone.is_some()) {
                    self.salvaged.libraries_gone.push(name.to_vec());
                }
                return Ok(());
            }
            Root::Times(_) | Root::Unknown => return Ok(()),
        };
        if let Some(why) = loss.gone {
            self.gone(db, key, why);
            return Ok(());
        }
        keyspace.engine.begin_command(OnMiss::Read);
        let found = keyspace.read_key(db, |engine, keys| {
            use storage::Read;
            let cell = engine.get(keys, &key)?;
            Ok(cell.and_then(|cell| Some((Header::read(cell.head())?, cell.slots()))))
        })?;
        let Some((header, slots)) = found else {
            return Ok(());
        };
        if slots == 0 {
            // It is whole, and later changes do not fit it.
            self.salvaged.scanned.push(Scanned {
                db,
                first: key.clone(),
                last: key,
                is_guessed: false,
            });
            return Ok(());
        }
        let bytes_max = self.bytes_max;
        let value = keyspace.read_key(db, |engine, keys| {
            remains::read(engine, keys, &key, bytes_max)
        })?;
        self.put(keyspace, db, &key, &header, value.as_ref())?;
        let Some(value) = value else {
            self.salvaged.keys -= 1;
            if let Some(count) = self.salvaged.types.get_mut(header.kind.name()) {
                *count -= 1;
            }
            self.gone(db, key, "none of its elements can be read");
            return Ok(());
        };
        let [first, second, _] = loss.entries;
        let (missing, lacks_groups) = match header.kind {
            // Either of its trees is enough.
            Kind::SortedSet => (first.min(second), false),
            Kind::Stream => (first, second > 0),
            _ => (first, false),
        };
        if missing > 0 || lacks_groups || loss.is_scanned {
            self.salvaged.partial.push(Partial {
                db,
                key,
                kind: header.kind,
                elements: remains::len(&value),
                missing,
                lacks_groups,
                is_scanned: loss.is_scanned,
            });
        }
        Ok(())
    }

    /// Puts what is left in the place of a damaged collection, or removes it if nothing is left.
    fn put(
        &self,
        keyspace: &mut Keyspace,
        db: u32,
        key: &[u8],
        header: &Header,
        value: Option<&Value>,
    ) -> Result<(), storage::Error> {
        keyspace.engine.begin_command(OnMiss::Read);
        // Nothing is due at 0: what is due stays what it is.
        let now_ms = 0;
        keyspace.write(Plan::Savepoint, |txn| match value {
            Some(value) => {
                let limits = &self.limits;
                import::put(txn, db, key, value, header.expires_ms, now_ms, limits)
            }
            None => {
                let slot = txn.slot(db, key, now_ms)?;
                txn.delete(&slot, key).map(|_| ())
            }
        })?;
        keyspace.changes = Default::default();
        Ok(())
    }

    fn gap(&mut self, gap: Gap) {
        let salvaged = &mut *self.salvaged;
        if gap.entries == 0 {
            return;
        }
        match gap.root.map(Root::of) {
            Some(Root::Keys(db)) => salvaged.missing.push(MissingKeys {
                db,
                low: gap.low,
                high: gap.high,
                keys: gap.entries,
                page: gap.page,
            }),
            Some(Root::Own) => salvaged.records_missing += gap.entries,
            Some(Root::Times(_) | Root::Unknown) | None => {}
        }
    }

    fn scanned(&mut self) {
        let of = |kind: TreeKind| match kind {
            TreeKind::Known(root) => (Root::of(root), false),
            TreeKind::Guessed(root) => (Root::of(root), true),
        };
        for (kind, count) in &self.report.scanned {
            if let (Root::Keys(_), _) = of(*kind) {
                self.salvaged.scanned_keys += count;
            }
        }
        for (kind, first, last) in std::mem::take(&mut self.report.scanned_ranges) {
            if let (Root::Keys(db), is_guessed) = of(kind) {
                self.salvaged.scanned.push(Scanned {
                    db,
                    first,
                    last,
                    is_guessed,
                });
            }
        }
    }
}
