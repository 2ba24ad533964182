//! Where the walk begins: the newest meta and its catalog, or catalogs found by reading all pages.

use std::collections::BTreeMap;
use std::ops::Range;

use super::report::Report;
use super::source::{Entered, Source, is_laid_out};
use super::{Salvage, SalvageError, SalvageProgress, Tell};
use crate::storage::blob;
use crate::storage::cell::{self, Body, Cell};
use crate::storage::check::pages::HeldPages;
use crate::storage::engine::{DROPPED_KEY, ROOT_KEY};
use crate::storage::freemap::{RUN_BYTES, RUNS_START};
use crate::storage::log::{self, CheckpointRef, LogError, Lsn, Scan, Verdict};
use crate::storage::meta::{Meta, MetaCopies, MetaFault};
use crate::storage::node::Node;
use crate::storage::page::{
    self, DESC_BYTES, Desc, HEADER_BYTES, Kind, PAGE_BYTES_MAX, PAGE_BYTES_MIN, PageNo, PagePtr,
    Stamp, u32_at, u48_at,
};
use crate::storage::pager::META_REGION_BYTES;
use crate::storage::read::RootId;
use crate::storage::tree::{CHILD_BYTES, Child, HEIGHT_MAX};
use crate::vfs::{VfsFile, read_up_to};

/// Bytes of the file that are read together.
const CHUNK_BYTES: usize = 1 << 20;

const _: () = assert!(CHUNK_BYTES.is_multiple_of(PAGE_BYTES_MAX));

/// So many pages of one size decide which size the pages have.
const PAGES_DECISIVE: u64 = 256;

/// Descriptors of a root that are kept, the newest of those found.
const VERSIONS_KEPT: usize = 4;

/// Numbers of transactions above are not believed: what counts on from them would not end.
const LSN_MAX: u64 = 1 << 62;

/// Rounds of looking for the newest checkpoint that a log names.
const CHECKPOINT_ROUNDS: usize = 4;

/// What is known before any tree is read.
#[derive(Debug)]
pub(super) struct Base {
    pub page_bytes: usize,
    /// Pages of the file, as its meta says or, without one, as its length does.
    pub pages: u64,
    pub catalog: Option<Desc>,
    free_map: PagePtr,
    /// Nothing that the checkpoint has was born later.
    pub stamp_max: Stamp,
    /// There is no meta to be relied on: catalogs are looked for.
    pub is_scanned: bool,
    pub checkpoint: CheckpointRef,
    /// A meta says so; None: none that can be read does.
    pub log_required: Option<bool>,
    /// The log, as it was read from the checkpoint on.
    pub log: Option<Scan>,
    /// Why it cannot be read.
    pub log_fault: Option<String>,
}

impl Base {
    pub fn find(
        salvage: &Salvage<'_>,
        file: &dyn VfsFile,
        log: Option<&dyn VfsFile>,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Self, SalvageError> {
        let copies = MetaCopies::read(file)?;
        for (i, copy) in copies.0.iter().enumerate() {
            if let Err(fault) = copy
                && *fault != MetaFault::Blank
            {
                report
                    .notes
                    .push(format!("meta copy {i} is not valid: {fault}"));
            }
        }
        let Some((meta, slot)) = copies.newest() else {
            salvage.refuse_version(copies.foreign_version())?;
            return Self::without_meta(salvage, file, log, report, tell);
        };
        let mut base = Self::of_meta(&meta);
        let expected = meta.pages.saturating_mul(u64::from(meta.page_bytes));
        let found = file.len()?;
        if found < expected {
            report.notes.push(format!(
                "the file was cut: it has {found} bytes of {expected}"
            ));
        }
        base.read_log(log, &meta.uuid, meta.durable_lsn)?;
        if copies.slot(slot.other()).is_none() && base.log_goes_on() && !meta.log_required {
            // A meta is written behind one that says that the file is whole before the log gets anything.
            base.log_required = None;
            report.notes.push(
                "the newest valid meta says that the file is whole without its log, and the log goes on: the meta \
                 behind it is lost, and the log was replayed"
                    .to_owned(),
            );
        }
        let newest = base.log.as_ref().map(|scan| scan.newest_checkpoint);
        if let Some(newest) = newest
            && newest.seq > meta.checkpoint.seq
        {
            report.notes.push(format!(
                "the log names checkpoint {}, and the newest meta is of checkpoint {}: a newer meta is lost, and \
                 catalogs were looked for on all pages",
                newest.seq, meta.checkpoint.seq
            ));
            let pages = file.len()? / base.page_bytes as u64;
            base = Self {
                pages,
                catalog: None,
                stamp_max: Stamp(u64::MAX),
                is_scanned: true,
                checkpoint: newest,
                log_required: None,
                ..base
            };
            base.read_log(log, &meta.uuid, newest.lsn)?;
        }
        Ok(base)
    }

    fn of_meta(meta: &Meta) -> Self {
        let stamp = meta.catalog.root.stamp.max(meta.free_map.stamp);
        Self {
            page_bytes: meta.page_bytes as usize,
            pages: meta.pages,
            catalog: Some(meta.catalog),
            free_map: meta.free_map,
            stamp_max: if stamp == Stamp(0) {
                Stamp(u64::MAX)
            } else {
                stamp
            },
            is_scanned: false,
            checkpoint: meta.checkpoint,
            log_required: Some(meta.log_required),
            log: None,
            log_fault: None,
        }
    }

    fn without_meta(
        salvage: &Salvage<'_>,
        file: &dyn VfsFile,
        log: Option<&dyn VfsFile>,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Self, SalvageError> {
        let Some(page_bytes) = page_size(file, tell)? else {
            return Err(SalvageError::Nothing(salvage.broken.to_path_buf()));
        };
        report.notes.push(format!(
            "no meta is valid: the page size was taken to be {page_bytes}, and catalogs were looked for on all pages. What \
             was in trees that none of them names is not counted"
        ));
        let mut base = Self {
            page_bytes,
            pages: file.len()? / page_bytes as u64,
            catalog: None,
            free_map: PagePtr::default(),
            stamp_max: Stamp(u64::MAX),
            is_scanned: true,
            checkpoint: CheckpointRef::default(),
            log_required: None,
            log: None,
            log_fault: None,
        };
        let uuid = match log.map(log::identity) {
            Some(Ok(uuid)) => uuid,
            Some(Err(LogError::Io(e))) => {
                base.log_fault = Some(e.to_string());
                None
            }
            Some(Err(e)) => return Err(e.into()),
            None => None,
        };
        let Some(uuid) = uuid else { return Ok(base) };
        for _ in 0..CHECKPOINT_ROUNDS {
            base.read_log(log, &uuid, base.checkpoint.lsn)?;
            let newest = base.log.as_ref().map(|scan| scan.newest_checkpoint);
            match newest {
                Some(newest) if newest > base.checkpoint && newest.lsn.0 < LSN_MAX => {
                    base.checkpoint = newest;
                }
                _ => break,
            }
        }
        Ok(base)
    }

    fn read_log(
        &mut self,
        log: Option<&dyn VfsFile>,
        uuid: &[u8; 16],
        durable_lsn: Lsn,
    ) -> Result<(), SalvageError> {
        self.log = None;
        let Some(log) = log else { return Ok(()) };
        if self.checkpoint.lsn.0 >= LSN_MAX {
            self.checkpoint.lsn = Lsn(LSN_MAX);
            self.log_fault =
                Some("the number of the checkpoint's transaction cannot be".to_owned());
            return Ok(());
        }
        match log::scan(log, uuid, self.checkpoint, durable_lsn) {
            Ok(scan) => self.log = Some(scan),
            Err(LogError::Io(e)) => self.log_fault = Some(e.to_string()),
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// Whether the log that can be read has transactions behind the checkpoint.
    pub fn log_goes_on(&self) -> bool {
        self.log.as_ref().is_some_and(|scan| {
            scan.verdict != Verdict::Unstarted && scan.end.lsn > self.checkpoint.lsn
        })
    }

    pub fn first_page(&self) -> u64 {
        META_REGION_BYTES.div_ceil(self.page_bytes as u64)
    }

    /// What the checkpoint says is free; None: that is not known.
    pub fn free_runs(
        &self,
        source: &mut Source<'_>,
        report: &mut Report,
    ) -> Result<Option<Vec<Range<u64>>>, SalvageError> {
        if self.is_scanned {
            return Ok(None);
        }
        let mut runs: Vec<Range<u64>> = Vec::new();
        let mut page = vec![0; self.page_bytes];
        let mut next = self.free_map;
        while !next.is_null() {
            match source.enter(next, Kind::FreeMap, 0, &mut page)? {
                Entered::Read => {}
                entered => {
                    if entered == Entered::Damaged {
                        report.damaged_page(next.page.0);
                    }
                    return Ok(None);
                }
            }
            let used = (u32_at(&page, 24) as usize).min(page.len() - RUNS_START);
            let whole = used / RUN_BYTES * RUN_BYTES;
            for at in (RUNS_START..RUNS_START + whole).step_by(RUN_BYTES) {
                let (start, len) = (u48_at(&page, at), u48_at(&page, at + 6));
                if runs.last().is_some_and(|last| start < last.end) {
                    return Ok(None);
                }
                runs.push(start..start + len);
            }
            next = PagePtr::decode(&page[HEADER_BYTES..]);
        }
        Ok(Some(runs))
    }
}

/// Whether a page is in one of the runs, which ascend.
pub(super) fn is_in(runs: &[Range<u64>], page: u64) -> bool {
    let behind = runs.partition_point(|run| run.start <= page);
    behind > 0 && page < runs[behind - 1].end
}

/// The size of which most pages are found at their places.
fn page_size(file: &dyn VfsFile, tell: Tell<'_>) -> Result<Option<usize>, SalvageError> {
    let mut found: BTreeMap<usize, u64> = BTreeMap::new();
    let total = file.len()?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < total {
        let read = read_chunk(file, &mut chunk, at)?;
        let mut size = PAGE_BYTES_MIN;
        while size <= PAGE_BYTES_MAX {
            for (i, bytes) in chunk[..read].chunks_exact(size).enumerate() {
                let no = at / size as u64 + i as u64;
                if is_page(bytes, no) {
                    *found.entry(size).or_default() += 1;
                }
            }
            size *= 2;
        }
        at += CHUNK_BYTES as u64;
        if found.values().any(|count| *count >= PAGES_DECISIVE) {
            break;
        }
        let pages = |bytes: u64| bytes / PAGE_BYTES_MIN as u64;
        tell(SalvageProgress::Scanned {
            pages: pages(at.min(total)),
            pages_total: pages(total),
        });
    }
    Ok(found
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(size, _)| size))
}

/// Reads a part of the file; what cannot be read is zero.
fn read_chunk(file: &dyn VfsFile, chunk: &mut [u8], at: u64) -> Result<usize, SalvageError> {
    use crate::vfs::VfsErrorKind::Io;
    match read_up_to(file, chunk, at) {
        Ok(read) => Ok(read),
        Err(e) if e.kind == Io => {
            chunk.fill(0);
            // A bad sector hides no more than the smallest page.
            let mut read = 0;
            for (i, piece) in chunk.chunks_mut(PAGE_BYTES_MIN).enumerate() {
                let offset = at + (i * PAGE_BYTES_MIN) as u64;
                match read_up_to(file, piece, offset) {
                    Ok(0) => break,
                    Ok(bytes) => read = i * PAGE_BYTES_MIN + bytes,
                    Err(e) if e.kind == Io => {
                        piece.fill(0);
                        read = (i + 1) * PAGE_BYTES_MIN;
                    }
                    Err(e) => return Err(e.into()),
                }
            }
            Ok(read)
        }
        Err(e) => Err(e.into()),
    }
}

/// Whether the bytes are the page with this number.
fn is_page(bytes: &[u8], no: u64) -> bool {
    let ptr = page::ptr_of(bytes);
    ptr.page == PageNo(no)
        && no > 0
        && Kind::of(bytes).is_some()
        && page::verify(bytes, ptr).is_ok()
}

/// Who gets a page, and what it says of itself.
type SeePage<'a> = &'a mut dyn FnMut(PagePtr, &[u8]) -> Result<(), SalvageError>;

/// Hands every page that is one, by itself, to `see`, in the order of the file.
pub(super) fn each_page(
    file: &dyn VfsFile,
    page_bytes: usize,
    pages: Range<u64>,
    tell: Tell<'_>,
    see: SeePage<'_>,
) -> Result<(), SalvageError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let per_chunk = (CHUNK_BYTES / page_bytes) as u64;
    let end = pages.end.min(file.len()? / page_bytes as u64);
    let mut first = pages.start;
    while first < end {
        let read = read_chunk(file, &mut chunk, first * page_bytes as u64)?;
        for (i, bytes) in chunk[..read].chunks_exact(page_bytes).enumerate() {
            let no = first + i as u64;
            if no < end && is_page(bytes, no) {
                see(page::ptr_of(bytes), bytes)?;
            }
        }
        first += per_chunk;
        tell(SalvageProgress::Scanned {
            pages: first.min(end),
            pages_total: end,
        });
    }
    Ok(())
}

/// The root trees to be walked.
#[derive(Debug, Default)]
pub(super) struct Roots {
    pub found: Vec<(RootId, Desc)>,
    /// Trees that were dropped, and whose pages wait to be freed.
    pub dropped: Vec<Desc>,
    /// Roots of which older descriptors are known, and whose trees are not there any more; with their last known numbers
    /// of entries.
    pub missing: Vec<(RootId, u64)>,
    /// Those of the found ones that may be of an earlier state: a newer catalog tells of others, or is damaged.
    pub earlier: Vec<RootId>,
    /// The catalog has them all.
    pub is_whole: bool,
}

impl Roots {
    pub fn read(
        base: &Base,
        source: &mut Source<'_>,
        free: Option<&[Range<u64>]>,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Self, SalvageError> {
        let mut roots = Self {
            is_whole: !base.is_scanned,
            ..Self::default()
        };
        if let Some(catalog) = &base.catalog {
            roots.read_catalog(catalog, source, report)?;
        }
        if !roots.is_whole {
            roots.look_for(base, source, free, tell)?;
        }
        report.is_scanned |= !roots.is_whole;
        Ok(roots)
    }

    fn read_catalog(
        &mut self,
        catalog: &Desc,
        source: &mut Source<'_>,
        report: &mut Report,
    ) -> Result<(), SalvageError> {
        let mut page = vec![0; source.page_bytes];
        let mut stack = vec![(catalog.root, catalog.height)];
        while let Some((ptr, level)) = stack.pop() {
            if ptr.is_null() {
                continue;
            }
            let kind = if level == 0 { Kind::Leaf } else { Kind::Branch };
            let entered = match level {
                0..=HEIGHT_MAX => source.enter(ptr, kind, level, &mut page)?,
                _ => Entered::Astray,
            };
            if entered != Entered::Read {
                if entered == Entered::Damaged {
                    report.damaged_page(ptr.page.0);
                }
                report.notes.push(format!(
                    "page {} of the catalog, which names the trees, is damaged: older ones were looked for on all pages. What \
                     was in trees that none of them names is not counted",
                    ptr.page
                ));
                self.is_whole = false;
                continue;
            }
            let node = Node::new(&page);
            for i in 0..node.len() {
                if level > 0 && node.value(i).len() == CHILD_BYTES {
                    stack.push((Child::decode(node.value(i)).ptr, level - 1));
                }
            }
            if level == 0 {
                let found = &mut self.found;
                entries(&node, &mut |id, desc| found.push((id, desc)));
                self.read_dropped(&node, source);
            }
        }
        Ok(())
    }

    fn read_dropped(&mut self, node: &Node<'_>, source: &Source<'_>) {
        let mut key = Vec::new();
        for i in 0..node.len() {
            node.key_over(i, &mut key);
            if key != DROPPED_KEY || !cell::is_sound(node.value(i)) {
                continue;
            }
            let cell = Cell::new(node.value(i));
            let mut list = Vec::new();
            match (cell.body(), cell.blob()) {
                (Body::Inline(body), _) => list.extend_from_slice(body),
                // Each of them has a page of its own.
                (_, Some(desc))
                    if desc.count / DESC_BYTES as u64 <= source.pages
                        && desc.count <= source.bytes
                        && blob::shape_fault(&desc, source.page_bytes, false).is_none() =>
                {
                    let mut pages = HeldPages::new(source.file, source.page_bytes);
                    // What cannot be read of it is not known to be dropped.
                    if blob::read(&mut pages, &desc, 0, desc.count, &mut list).is_err() {
                        list.clear();
                    }
                }
                _ => {}
            }
            let descs = list.chunks_exact(DESC_BYTES).map(Desc::decode);
            self.dropped.extend(descs.filter(|desc| !desc.is_blob));
        }
    }

    /// Takes the newest descriptors of roots that any catalog has whose tree is there.
    fn look_for(
        &mut self,
        base: &Base,
        source: &Source<'_>,
        free: Option<&[Range<u64>]>,
        tell: Tell<'_>,
    ) -> Result<(), SalvageError> {
        let mut versions: BTreeMap<RootId, Vec<(Stamp, Desc)>> = BTreeMap::new();
        let pages = base.first_page()..base.pages;
        each_page(
            source.file,
            source.page_bytes,
            pages,
            tell,
            &mut |ptr, page| {
                if Kind::of(page) != Some(Kind::Leaf)
                    || ptr.stamp > base.stamp_max
                    || !is_laid_out(page)
                    || !is_catalog(&Node::new(page))
                {
                    return Ok(());
                }
                entries(&Node::new(page), &mut |id, desc| {
                    let of_root = versions.entry(id).or_default();
                    let at = of_root.partition_point(|(stamp, _)| *stamp > ptr.stamp);
                    of_root.insert(at, (ptr.stamp, desc));
                    of_root.truncate(VERSIONS_KEPT);
                });
                Ok(())
            },
        )?;
        let mut page = vec![0; source.page_bytes];
        for (id, versions) in versions {
            if self.found.iter().any(|(found, _)| *found == id) {
                continue;
            }
            let (mut taken, count) = (None, versions.first().map_or(0, |(_, desc)| desc.count));
            for (version, (_, desc)) in versions.into_iter().enumerate() {
                let is_free = || free.is_some_and(|free| is_in(free, desc.root.page.0));
                let kind = if desc.height == 0 {
                    Kind::Leaf
                } else {
                    Kind::Branch
                };
                let is_there = desc.root.is_null()
                    || (desc.height <= HEIGHT_MAX
                        && !is_free()
                        && source.is(desc.root, kind, desc.height, &mut page)?);
                if is_there {
                    if version > 0 || (base.catalog.is_some() && free.is_none()) {
                        self.earlier.push(id);
                    }
                    taken = Some(desc);
                    break;
                }
            }
            match taken {
                Some(desc) => self.found.push((id, desc)),
                None => self.missing.push((id, count)),
            }
        }
        Ok(())
    }
}

/// Whether all entries are those of a catalog.
pub(super) fn is_catalog(node: &Node<'_>) -> bool {
    let mut key = Vec::new();
    (0..node.len()).all(|i| {
        node.key_over(i, &mut key);
        if !cell::is_sound(node.value(i)) || node.has_overflow(i) {
            return false;
        }
        let cell = Cell::new(node.value(i));
        let is_plain = cell.head().is_empty() && cell.slots() == 0;
        let is_root = matches!(
            (key.as_slice(), cell.body()),
            (&[ROOT_KEY, _, _, _, _], Body::Inline(body)) if is_tree(body)
        );
        is_plain && (is_root || (key == DROPPED_KEY && node.len() > 1))
    })
}

fn is_tree(body: &[u8]) -> bool {
    body.len() == DESC_BYTES && {
        let desc = Desc::decode(body);
        !desc.is_blob && desc.encode() == body
    }
}

fn entries(node: &Node<'_>, see: &mut dyn FnMut(RootId, Desc)) {
    let mut key = Vec::new();
    for i in 0..node.len() {
        node.key_over(i, &mut key);
        if !cell::is_sound(node.value(i)) {
            continue;
        }
        if let (&[ROOT_KEY, a, b, c, d], Body::Inline(body)) =
            (key.as_slice(), Cell::new(node.value(i)).body())
            && is_tree(body)
        {
            see(RootId(u32::from_be_bytes([a, b, c, d])), Desc::decode(body));
        }
    }
}
