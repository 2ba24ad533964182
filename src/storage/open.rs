//! Opening a file: creating it, recovering it, refusing it.
//!
//! What is found, and what happens (numbers are the rows of the decision table in `docs/FORMAT.md`):
//!
//! ```text
//!  R1 no data file, no log                          create
//!  R2 an empty or blank data file no longer than
//!     the meta region, and no log                   create: it holds nothing
//!  R3 no valid meta otherwise                       refuse: damaged, or not a database
//!  R4 another version of the format                 refuse
//!  R5 no data file, and a log                       refuse: the log alone is no database
//!  R6 log required and missing, or never started    refuse
//!  R7 log not required and missing                  make a new log
//!  R8 log of another database                       refuse
//!  R9 a log that names a newer checkpoint           refuse: the newer meta slot is damaged
//! R10 log not required, and it goes on behind the
//!     checkpoint                                    refuse: a meta is lost, or it is of another copy
//! R11 clean end, or a torn tail                     replay up to it
//! R12 damage inside what was synced                 refuse; with `Truncate`, replay what precedes it
//! R13 transactions missing behind the checkpoint    refuse
//! ```

mod decision;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::decision::{Row, decide};
use super::Error;
use super::checkpoint::CheckpointState;
use super::engine::{Engine, Plan};
use super::freemap;
use super::live::{Announcer, Held};
use super::log::{self, Log, LogError, LogParams, Lsn, ReplayError, Scan};
use super::meta::{Meta, MetaCopies, Slot};
use super::page::{PagePtr, Stamp};
use super::pager::{META_REGION_BYTES, PageSource, Pager, Pool, PoolShape, Space};
use super::planted::{Bug, Planted};
use super::read::RootId;
use super::record::{Change, Changes, RecordFault};
use super::replace::{NewFile, settle_copies};
use crate::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult, folder_of};

/// Stamps of one life: its generation and a counter of this many bits.
pub(super) const STAMP_COUNTER_BITS: u32 = 40;

/// What to do about damage inside what was known to be synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCorruption {
    /// Refuse, and name the place.
    #[default]
    Abort,
    /// Open with what precedes it.
    Truncate,
}

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Page size of a new file, in bytes: a power of two from 512 to 65536. An existing file keeps its own.
    pub page_bytes: usize,
    /// Bound of the buffer pool, in bytes.
    pub cache_bytes: u64,
    /// Size of a log segment of a new file, in bytes.
    pub segment_bytes: u64,
    pub on_corruption: OnCorruption,
    /// Segments of the log are used again only when they are in the archive.
    pub keeps_log: bool,
    /// Sizes of the buffer pool's tables; None: those of a real pool. Small ones make opening many small files fast.
    pub pool_shape: Option<PoolShape>,
    /// Identity of a new file: 16 random bytes.
    pub new_uuid: [u8; 16],
    pub planted: Planted,
    /// The engine is opened without a log to write, and no file is made: what is changed is not kept.
    pub reads_only: bool,
}

impl OpenOptions {
    pub fn new(new_uuid: [u8; 16]) -> Self {
        Self {
            page_bytes: 4096,
            cache_bytes: 256 << 20,
            segment_bytes: 4 << 20,
            on_corruption: OnCorruption::Abort,
            keeps_log: false,
            pool_shape: None,
            new_uuid,
            planted: Planted::none(),
            reads_only: false,
        }
    }
}

/// Why a file was not opened. Nothing in it has been changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use already, by this process or another", .0.display())]
    InUse(PathBuf),
    #[error(
        "{} has format version {found}, and this program reads version {expected}: \
         open it with the program that wrote it, dump it, and import the dump",
        path.display()
    )]
    Version {
        path: PathBuf,
        found: u32,
        expected: u32,
    },
    #[error("{} is not a database, or all four copies of its meta are damaged: {why}", path.display())]
    NoMeta { path: PathBuf, why: &'static str },
    #[error("{} is shorter than its meta says: {found} of {expected} bytes", path.display())]
    Cut {
        path: PathBuf,
        found: u64,
        expected: u64,
    },
    #[error("{}: {why}. {what_to_do}", path.display())]
    Log {
        path: PathBuf,
        why: String,
        what_to_do: &'static str,
    },
    #[error("the log record of transaction {lsn} is not understood: {fault}")]
    Record { lsn: Lsn, fault: RecordFault },
    #[error("transaction {lsn} of the log does not fit the data: {why}")]
    Replay { lsn: Lsn, why: &'static str },
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(transparent)]
    Vfs(#[from] VfsError),
    #[error(transparent)]
    LogFile(LogError),
}

/// What opening a file met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    pub is_new: bool,
    /// Transactions replayed from the log.
    pub replayed: u64,
    /// The last transaction of the file.
    pub last_lsn: Lsn,
    /// What was cut off the end of the log, for people.
    pub cut: Option<String>,
}

/// Transactions between two calls of [`OnReplay`].
const REPLAY_STEP: u64 = 1024;

/// Called before the log is replayed and while it is: with the last transaction done and the last one there is.
pub type OnReplay<'a> = &'a mut dyn FnMut(Lsn, Lsn);

/// The path of the log beside a data file.
pub fn log_path(data: &Path) -> PathBuf {
    with_suffix(data, "-wal")
}

/// The path of the shared-memory file beside a data file.
pub fn shm_path(data: &Path) -> PathBuf {
    with_suffix(data, "-shm")
}

/// The path of a file beside a data file, or beside any other.
pub fn with_suffix(data: &Path, suffix: &str) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens or creates the database at `path`.
pub fn open(
    vfs: &dyn Vfs,
    clock: Arc<dyn Clock>,
    path: &Path,
    options: &OpenOptions,
    on_replay: OnReplay<'_>,
) -> Result<(Engine, OpenReport), OpenError> {
    let mut opener = Opener::new(vfs, clock, path, options);
    match vfs.open(path, OpenMode::ReadWrite) {
        Ok(file) => opener.open_existing(file, on_replay),
        Err(e) if e.kind == VfsErrorKind::NotFound => {
            if opener.open_log_file()?.is_some() {
                return Err(opener.log_error(
                    "there is a log and no data file".to_owned(),
                    "Put the data file back, or move the log away.",
                ));
            }
            opener.create(on_replay)
        }
        Err(e) => Err(e.into()),
    }
}

/// Opens one file.
pub(super) struct Opener<'a> {
    pub(super) vfs: &'a dyn Vfs,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) path: &'a Path,
    pub(super) options: &'a OpenOptions,
    /// Says to other processes how far the log is.
    announcer: Option<Arc<Announcer>>,
    /// What they held when this began.
    held: Held,
    /// This opening has made the file, and seen the syncs of its meta succeed.
    meta_is_synced: bool,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        vfs: &'a dyn Vfs,
        clock: Arc<dyn Clock>,
        path: &'a Path,
        options: &'a OpenOptions,
    ) -> Self {
        Self {
            vfs,
            clock,
            path,
            options,
            announcer: None,
            held: Held::default(),
            meta_is_synced: false,
        }
    }

    pub(super) fn lock(&self, file: &dyn VfsFile) -> Result<(), OpenError> {
        file.lock_exclusive().map_err(|e| self.lock_failed(e))
    }

    fn lock_failed(&self, error: VfsError) -> OpenError {
        match error.kind {
            VfsErrorKind::Locked => OpenError::InUse(self.path.to_path_buf()),
            _ => OpenError::Vfs(error),
        }
    }

    fn log_error(&self, why: String, what_to_do: &'static str) -> OpenError {
        OpenError::Log {
            path: log_path(self.path),
            why,
            what_to_do,
        }
    }

    fn refuse(&self, row: &Row) -> Result<(), OpenError> {
        match row.refusal() {
            None => Ok(()),
            Some((why, what_to_do)) => Err(self.log_error(why, what_to_do)),
        }
    }

    fn open_log_file(&self) -> Result<Option<Arc<dyn VfsFile>>, OpenError> {
        match self.vfs.open(&log_path(self.path), OpenMode::ReadWrite) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind == VfsErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn sync_dir(&self) -> Result<(), OpenError> {
        if self.options.planted.has(Bug::M06NoDirSyncAtCreate) {
            return Ok(());
        }
        Ok(self.vfs.sync_dir(folder_of(self.path))?)
    }

    /// R1, R2. The file is made under another name and renamed when it is whole, so that a crash leaves no half of
    /// one: a file that grew and lost its bytes could not be told from somebody else's. Its meta says that no log is
    /// needed; then the log is made; the first commit writes a meta that needs it.
    fn create(&mut self, on_replay: OnReplay<'_>) -> Result<(Engine, OpenReport), OpenError> {
        let unfinished = with_suffix(self.path, "-new");
        let new = NewFile::create(self.vfs, &unfinished).map_err(|e| self.lock_failed(e))?;
        let file = &*new.file;
        let page_bytes = self.options.page_bytes;
        let meta = Meta::of_new(page_bytes, self.options.new_uuid, self.clock.wall_ms());
        file.set_len(meta.pages * page_bytes as u64)?;
        for copy in 0..2 {
            meta.write_copy(file, Slot::A, copy)?;
            file.sync_data()?;
        }
        self.vfs.rename(&unfinished, self.path)?;
        self.sync_dir()?;
        self.meta_is_synced = true;
        drop(new);
        let file = self.vfs.open(self.path, OpenMode::ReadWrite)?;
        let (engine, report) = self.open_existing(file, on_replay)?;
        let report = OpenReport {
            is_new: true,
            ..report
        };
        Ok((engine, report))
    }

    fn open_existing(
        &mut self,
        file: Arc<dyn VfsFile>,
        on_replay: OnReplay<'_>,
    ) -> Result<(Engine, OpenReport), OpenError> {
        self.lock(&*file)?;
        let mut copies = MetaCopies::read(&*file)?;
        if self.options.planted.has(Bug::M18TornSlotLaundered) {
            copies = launder(&*file, copies)?;
        }
        if let Some(found) = copies.foreign_version() {
            // Also beside a slot of this version: another program has gone on from it.
            return Err(OpenError::Version {
                path: self.path.to_path_buf(),
                found,
                expected: super::meta::FORMAT_VERSION,
            });
        }
        let log_file = self.open_log_file()?;
        let Some((meta, slot)) = copies.newest() else {
            return self.without_meta(file, &copies, log_file.is_some(), on_replay);
        };
        self.announce(&meta)?;
        let expected = meta.pages * u64::from(meta.page_bytes);
        let found = file.len()?;
        if found < expected {
            return Err(OpenError::Cut {
                path: self.path.to_path_buf(),
                found,
                expected,
            });
        }
        if !meta.log_required {
            // The life that made the files may have been killed before their names were durable.
            self.sync_dir()?;
        }
        let Some(log_file) = log_file else {
            self.refuse(&decide(&meta, None, self.options.on_corruption))?;
            self.settle_meta(&*file, &meta, slot)?;
            let report = OpenReport::default();
            return self.start_with_new_log(file, meta, slot, report, meta.generation + 1);
        };
        self.recover(file, meta, slot, log_file, on_replay)
    }

    /// Says that this process writes the file, and sees what others read. Nothing is written to the files before.
    fn announce(&mut self, meta: &Meta) -> Result<(), OpenError> {
        if let Some(announcer) = Announcer::begin(self.vfs, self.path, meta.uuid)? {
            self.held = announcer.look()?;
            self.announcer = Some(Arc::new(announcer));
        }
        Ok(())
    }

    /// The file is open: readers may come.
    fn finish(&self, engine: &mut Engine, log: Log) {
        if let Some(announcer) = &self.announcer {
            announcer.open(log.written_lsn());
            log.announce_by(Arc::clone(announcer));
            engine
                .checkpoint_state_mut()
                .announce_by(Arc::clone(announcer));
        }
        engine.attach_log(Arc::new(log));
    }

    /// Makes the newest meta durable before anything relies on it. While it is not, nothing does, and the older slot
    /// opens with the log as it was.
    fn settle_meta(&self, file: &dyn VfsFile, meta: &Meta, slot: Slot) -> Result<(), OpenError> {
        let planted = self.options.planted.has(Bug::M17RecoveryDoesNotSync);
        if self.meta_is_synced || self.options.reads_only || planted {
            return Ok(());
        }
        file.sync_data()?;
        Ok(settle_copies(file, &meta.encode(), slot.offset(0))?)
    }

    fn without_meta(
        &mut self,
        file: Arc<dyn VfsFile>,
        copies: &MetaCopies,
        has_log: bool,
        on_replay: OnReplay<'_>,
    ) -> Result<(Engine, OpenReport), OpenError> {
        let path = self.path.to_path_buf();
        if self.options.reads_only {
            let why = "or nothing was written into it yet";
            return Err(OpenError::NoMeta { path, why });
        }
        let region = META_REGION_BYTES.max(self.options.page_bytes as u64);
        let is_small = file.len()? <= region.next_multiple_of(super::page::PAGE_BYTES_MAX as u64);
        if has_log || !is_small {
            return Err(OpenError::NoMeta {
                path,
                why: "and there is more than an unfinished start",
            });
        }
        if !copies.are_blank() {
            return Err(OpenError::NoMeta {
                path,
                why: "it begins with something else",
            });
        }
        self.create(on_replay)
    }

    pub(super) fn log_params(&self, meta: &Meta, generation: u32) -> LogParams {
        LogParams {
            segment_bytes: self.options.segment_bytes,
            keeps: self.options.keeps_log,
            planted: self.options.planted,
            keeps_slots: self.held.log_from().is_some(),
            ..LogParams::new(meta.uuid, generation)
        }
    }

    fn start_with_new_log(
        &mut self,
        file: Arc<dyn VfsFile>,
        meta: Meta,
        slot: Slot,
        report: OpenReport,
        generation: u32,
    ) -> Result<(Engine, OpenReport), OpenError> {
        if self.options.reads_only {
            let engine = self.load(file, meta, slot, generation)?;
            let last_lsn = meta.checkpoint.lsn;
            return Ok((engine, OpenReport { last_lsn, ..report }));
        }
        let params = self.log_params(&meta, generation);
        let path = log_path(self.path);
        if params.keeps_slots {
            // Who reads the old log keeps it by its handle; without it the file is whole.
            match self.vfs.unlink(&path) {
                Err(e) if e.kind != VfsErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        let clock = Arc::clone(&self.clock);
        let log = Log::create(self.vfs, &path, clock, params, meta.checkpoint)
            .map_err(OpenError::LogFile)?;
        let mut engine = self.load(file, meta, slot, generation)?;
        self.finish(&mut engine, log);
        let last_lsn = meta.checkpoint.lsn;
        Ok((engine, OpenReport { last_lsn, ..report }))
    }

    /// Does what the table says of a file with a log.
    fn recover(
        &mut self,
        file: Arc<dyn VfsFile>,
        meta: Meta,
        slot: Slot,
        log_file: Arc<dyn VfsFile>,
        on_replay: OnReplay<'_>,
    ) -> Result<(Engine, OpenReport), OpenError> {
        let scan = self.scan(&*log_file, &meta)?;
        let row = decide(&meta, Some(&scan), self.options.on_corruption);
        self.refuse(&row)?;
        self.settle_meta(&*file, &meta, slot)?;
        let same = self.options.planted.has(Bug::M08SaltUnchanged);
        let generation = scan.generation_max.max(meta.generation) + u32::from(!same);
        match row {
            Row::NewLog { cut } => {
                let report = OpenReport {
                    cut,
                    ..OpenReport::default()
                };
                self.start_with_new_log(file, meta, slot, report, generation)
            }
            Row::Replay { cut } => {
                let (engine, replayed) =
                    self.replay_log(file, meta, slot, (log_file, scan), generation, on_replay)?;
                let report = OpenReport {
                    is_new: false,
                    replayed,
                    last_lsn: engine.last_lsn(),
                    cut,
                };
                Ok((engine, report))
            }
            refused => unreachable!("{refused:?} was refused"),
        }
    }

    /// Goes on with the log behind what the checkpoint has. Returns how many transactions that were, too.
    fn replay_log(
        &mut self,
        file: Arc<dyn VfsFile>,
        meta: Meta,
        slot: Slot,
        (log_file, scan): (Arc<dyn VfsFile>, Scan),
        generation: u32,
        on_replay: OnReplay<'_>,
    ) -> Result<(Engine, u64), OpenError> {
        let (log, scan) = if self.options.reads_only {
            (None, scan)
        } else {
            let params = self.log_params(&meta, generation);
            let clock = Arc::clone(&self.clock);
            let log = Log::open_after(Arc::clone(&log_file), clock, params, &scan)
                .map_err(OpenError::LogFile)?;
            // What is served is read through the log as it is now: the one that a crash from here on would find.
            (Some(log), self.scan(&*log_file, &meta)?)
        };
        let mut engine = self.load(file, meta, slot, generation)?;
        let after = meta.checkpoint.lsn;
        let replayed = replay_into(&mut engine, &*log_file, &scan, after, on_replay)?;
        if let Some(log) = log {
            self.finish(&mut engine, log);
        }
        Ok((engine, replayed))
    }

    fn scan(&self, log_file: &dyn VfsFile, meta: &Meta) -> Result<Scan, OpenError> {
        let planted = self.options.planted;
        log::scan_planted(
            log_file,
            &meta.uuid,
            meta.checkpoint,
            meta.durable_lsn,
            planted,
        )
        .map_err(OpenError::LogFile)
    }

    /// The trees of a checkpoint.
    pub(super) fn load(
        &self,
        file: Arc<dyn VfsFile>,
        meta: Meta,
        slot: Slot,
        generation: u32,
    ) -> Result<Engine, OpenError> {
        let page_bytes = meta.page_bytes as usize;
        let planted = self.options.planted;
        let standard = PoolShape::standard(page_bytes);
        let shape = self.options.pool_shape.unwrap_or(standard);
        let pool = Arc::new(Pool::new(PoolShape {
            page_bytes,
            ..shape
        }));
        let source = PageSource::new(pool, file, planted);
        let (space, map_pages): (Space, Vec<PagePtr>) =
            freemap::read(&source, meta.free_map, meta.pages)?;
        let next_stamp = Stamp((u64::from(generation) << STAMP_COUNTER_BITS) + 1);
        let cache = self.options.cache_bytes;
        let reached = self.held.reached(&source, &meta, &space);
        let mut pager = Pager::new(source, space, next_stamp, cache, planted);
        let older = self.held.checkpoints(meta.checkpoint.seq);
        let inherited = (!older.is_empty()).then(|| pager.withhold(&reached));
        let pin = pager.freeze();
        let clock = Arc::clone(&self.clock);
        let now_us = clock.mono_us();
        let mut engine = Engine::new(pager, meta.catalog, clock, planted)?;
        let meta = Meta { generation, ..meta };
        let mut state = CheckpointState::new(meta, slot, pin, map_pages, now_us);
        if let Some(stamp) = inherited {
            state.inherit(older, stamp);
        }
        engine.attach_checkpoint(state);
        Ok(engine)
    }
}

/// A planted bug: copies with a wrong checksum get a right one.
fn launder(file: &dyn VfsFile, copies: MetaCopies) -> VfsResult<MetaCopies> {
    use super::meta::{META_BYTES, MetaFault};
    for (i, copy) in copies.0.iter().enumerate() {
        if *copy == Err(MetaFault::Checksum) {
            let mut bytes = [0; META_BYTES];
            let offset = (i * META_BYTES) as u64;
            crate::vfs::read_up_to(file, &mut bytes, offset)?;
            let crc = crc32fast::hash(&bytes[..META_BYTES - 4]);
            bytes[META_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
            crate::vfs::write_all_at(file, &bytes, offset)?;
        }
    }
    MetaCopies::read(file)
}

fn replay_into(
    engine: &mut Engine,
    file: &dyn VfsFile,
    scan: &Scan,
    after: Lsn,
    on_replay: OnReplay<'_>,
) -> Result<u64, OpenError> {
    let mut replayed = 0;
    let last = scan.end.lsn;
    engine.set_replayed(after);
    on_replay(after, last);
    let done = log::replay(file, scan, after, |lsn, _, record| {
        apply(engine, lsn, record)?;
        engine.set_replayed(lsn);
        replayed += 1;
        if replayed % REPLAY_STEP == 0 {
            on_replay(lsn, last);
        }
        Ok(())
    });
    match done {
        Ok(()) => {
            engine.set_replayed(scan.resume_lsn.max(after));
            Ok(replayed)
        }
        Err(ReplayError::Apply(e)) => Err(e),
        Err(ReplayError::Log(e)) => Err(OpenError::LogFile(e)),
    }
}

/// Applies one transaction of the log.
pub(super) fn apply(engine: &mut Engine, lsn: Lsn, record: &[u8]) -> Result<(), OpenError> {
    engine.begin_command(super::pager::OnMiss::Read);
    engine.set_urgent(true);
    engine.begin(Plan::Simple)?;
    let mut changes = Changes::new(record);
    let mut tree = super::read::Read::root(engine, RootId(0))?;
    loop {
        let change = changes
            .next_change()
            .map_err(|fault| OpenError::Record { lsn, fault })?;
        let Some(change) = change else { break };
        match apply_change(engine, &mut tree, &change) {
            Ok(None) => {}
            Ok(Some(why)) => return Err(OpenError::Replay { lsn, why }),
            Err(e) => return Err(e.into()),
        }
    }
    engine.write_nested_back()?;
    engine.commit();
    Ok(())
}

/// Applies one change. Some: why it does not fit; then nothing was changed.
pub(super) fn apply_change(
    engine: &mut Engine,
    tree: &mut super::read::TreeId,
    change: &Change<'_>,
) -> Result<Option<&'static str>, Error> {
    use super::read::Read;
    let exists =
        |engine: &mut Engine, tree, key| Ok::<bool, Error>(engine.get(tree, key)?.is_some());
    match *change {
        Change::In(ref place) => match engine.tree_at(place)? {
            Some(found) => *tree = found,
            None => return Ok(Some("its tree is not there")),
        },
        Change::Put { key, head, body } => engine.put(*tree, key, head, body)?,
        Change::PutNested { key, head, slots } => engine.put_nested(*tree, key, head, slots)?,
        Change::SetHead { key, head } => {
            if !exists(engine, *tree, key)? {
                return Ok(Some("the key to change is not there"));
            }
            engine.set_head(*tree, key, head)?;
        }
        Change::WriteBody { key, offset, bytes } => {
            if !exists(engine, *tree, key)? {
                return Ok(Some("the key to change is not there"));
            }
            engine.write_body(*tree, key, offset, bytes)?;
        }
        Change::TruncateBody { key, len } => {
            if !exists(engine, *tree, key)? {
                return Ok(Some("the key to change is not there"));
            }
            engine.truncate_body(*tree, key, len)?;
        }
        Change::SpliceBody {
            key,
            offset,
            removed,
            bytes,
        } => {
            let len = engine.get(*tree, key)?.map(|cell| cell.body_len());
            if len.is_none_or(|len| len < offset.saturating_add(removed)) {
                return Ok(Some("the bytes to replace are not there"));
            }
            engine.splice_body(*tree, key, offset, removed, bytes)?;
        }
        Change::Delete { key } => {
            if !engine.delete(*tree, key)? {
                return Ok(Some("the key to delete is not there"));
            }
        }
        Change::DeleteRange { from, to } => {
            engine.delete_range(*tree, from, to)?;
        }
        Change::Move {
            key,
            ref to,
            to_key,
        }
        | Change::Copy {
            key,
            ref to,
            to_key,
        } => {
            let Some(target) = engine.tree_at(to)? else {
                return Ok(Some("its target tree is not there"));
            };
            if target.is_nested() {
                return Ok(Some("cells move between root trees"));
            }
            let found = if matches!(change, Change::Move { .. }) {
                engine.move_cell(*tree, key, target, to_key)?
            } else {
                engine.copy_cell(*tree, key, target, to_key)?
            };
            if !found {
                return Ok(Some("the key to move or copy is not there"));
            }
        }
        Change::DropRoot(id) => engine.drop_root(RootId(id))?,
        Change::SwapRoots(a, b) => engine.swap_roots(RootId(a), RootId(b))?,
    }
    Ok(None)
}
