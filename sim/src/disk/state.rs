//! What is on the disk and in the kernel's cache: the state that outlives a process.
//!
//! Per inode: `durable` is on the medium for certain, `cache` is what a read returns now. Per directory the same
//! for its names. Operations since the last sync that covered them wait in one list in the order of issue, over
//! all files, because cross-file order is where recovery protocols break.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redkeep::vfs::VfsErrorKind;

use super::content::{CHUNK, Content};
use super::extents::Extents;
use super::profile::{DiskProfile, Lie};
use crate::trace::Digest;

/// The number of a file, whatever its names.
pub type InodeId = u64;

/// How many older durable versions of a file are kept for stale reads, if the profile asks for them: a page comes to be
/// used again some checkpoints later, each of several syncs.
const VERSIONS_MAX: usize = 64;

/// A part of a rename, which the file system may make durable on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameStep {
    /// The old entry of the destination goes.
    DropDestination,
    /// The destination names the renamed file.
    AddDestination,
    /// The old name goes.
    DropSource,
}

/// An operation that is not yet durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Write {
        inode: InodeId,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    /// The length goes from `old` to `new`; an append is one of these and a write.
    SetLen { inode: InodeId, old: u64, new: u64 },
    AddName {
        dir: PathBuf,
        name: OsString,
        inode: InodeId,
        /// The rename that it is a part of: its number and step.
        rename: Option<(u64, RenameStep)>,
    },
    DropName {
        dir: PathBuf,
        name: OsString,
        rename: Option<(u64, RenameStep)>,
    },
}

impl Op {
    /// The inode, if the operation is on one's bytes or length.
    pub fn inode(&self) -> Option<InodeId> {
        match self {
            Op::Write { inode, .. } | Op::SetLen { inode, .. } => Some(*inode),
            Op::AddName { .. } | Op::DropName { .. } => None,
        }
    }

    /// The directory, if the operation is on a name.
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Op::Write { .. } | Op::SetLen { .. } => None,
            Op::AddName { dir, .. } | Op::DropName { dir, .. } => Some(dir),
        }
    }

    /// The rename that the operation is a part of.
    pub fn rename(&self) -> Option<(u64, RenameStep)> {
        match self {
            Op::Write { .. } | Op::SetLen { .. } => None,
            Op::AddName { rename, .. } | Op::DropName { rename, .. } => *rename,
        }
    }
}

/// An operation that waits for a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place in the order of issue over all files and lives.
    pub seq: u64,
    /// The order number of a barrier that covered it and lied: what was issued later must not survive without it.
    pub fenced: Option<u64>,
    pub op: Op,
}

/// What the kernel remembers of failed writeback of a file, and who was told.
#[derive(Clone, Debug, Default)]
pub struct Writeback {
    /// Failures so far; an open description was told of those up to the number it keeps.
    pub failures: u64,
    /// Whether any description was told of the last one.
    pub reported: bool,
    /// The last failure's kind.
    pub kind: Option<VfsErrorKind>,
}

impl Writeback {
    /// Whether the next opener is told of a failure.
    pub fn is_untold(&self) -> bool {
        self.failures > 0 && !self.reported
    }
}

/// A file.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    pub durable: Content,
    pub cache: Content,
    /// Ranges that have disk space, in whole chunks.
    pub space: Extents,
    /// Ranges that cannot be read until they are overwritten (F30).
    pub bad: Extents,
    /// Ranges that the cache gives up after their next read (F19).
    pub fading: Vec<(u64, u64)>,
    pub writeback: Writeback,
    /// Older durable versions, oldest first.
    pub versions: Vec<Content>,
}

/// The names in a directory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub durable: BTreeMap<OsString, InodeId>,
    pub cache: BTreeMap<OsString, InodeId>,
}

/// A call that alters the disk, with all it needs, so that it can also be done later, or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Create {
        path: PathBuf,
    },
    Write {
        inode: InodeId,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SetLen {
        inode: InodeId,
        len: u64,
    },
    Allocate {
        inode: InodeId,
        offset: u64,
        len: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
}

/// The disk and the kernel's cache of it. Clones are cheap: contents are shared until written.
#[derive(Clone, Debug)]
pub struct Disk {
    pub profile: DiskProfile,
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    pub(super) dirs: BTreeMap<PathBuf, Directory>,
    pub(super) pending: Vec<Pending>,
    pub(super) seq: u64,
    next_inode: InodeId,
}

fn split(path: &Path) -> Option<(PathBuf, OsString)> {
    let name = path.file_name()?.to_owned();
    let dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
    Some((dir, name))
}

/// Applies an operation on bytes or length, whole.
pub(super) fn apply(content: &mut Content, op: &Op) {
    match op {
        Op::Write { offset, bytes, .. } => content.write(*offset, bytes),
        // The larger length wins: where a shrink was lost, the old tail is still there behind a later append.
        Op::SetLen { old, new, .. } if new >= old => content.grow(*new),
        Op::SetLen { new, .. } => content.shrink(*new),
        Op::AddName { .. } | Op::DropName { .. } => {}
    }
}

/// Applies an operation on a name.
pub(super) fn apply_name(names: &mut BTreeMap<OsString, InodeId>, op: &Op) {
    match op {
        Op::AddName { name, inode, .. } => {
            names.insert(name.clone(), *inode);
        }
        Op::DropName { name, .. } => {
            names.remove(name);
        }
        Op::Write { .. } | Op::SetLen { .. } => {}
    }
}

impl Disk {
    /// An empty disk with these directories.
    pub fn new(profile: DiskProfile, dirs: &[&str]) -> Self {
        let dirs = dirs
            .iter()
            .map(|d| (PathBuf::from(d), Directory::default()))
            .collect();
        Self {
            profile,
            inodes: BTreeMap::new(),
            dirs,
            pending: Vec::new(),
            seq: 0,
            next_inode: 1,
        }
    }

    /// The file that a path names now.
    pub fn lookup(&self, path: &Path) -> Option<InodeId> {
        let (dir, name) = split(path)?;
        self.dirs.get(&dir)?.cache.get(&name).copied()
    }

    /// Whether the path's directory exists.
    pub fn has_dir_of(&self, path: &Path) -> bool {
        split(path).is_some_and(|(dir, _)| self.dirs.contains_key(&dir))
    }

    /// A file by number.
    pub fn inode(&self, id: InodeId) -> Option<&Inode> {
        self.inodes.get(&id)
    }

    /// A file by number, for damage.
    pub fn inode_mut(&mut self, id: InodeId) -> Option<&mut Inode> {
        self.inodes.get_mut(&id)
    }

    /// The names in a directory as a running process sees them.
    pub fn names(&self, dir: &Path) -> Option<impl Iterator<Item = &OsStr>> {
        Some(self.dirs.get(dir)?.cache.keys().map(OsString::as_os_str))
    }

    /// What a running process would read from a path: the whole file.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let inode = self.inode(self.lookup(path)?)?;
        Some(inode.cache.bytes(0, inode.cache.len()))
    }

    /// The operations that wait for a sync, in the order of issue.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// Every name of a file, for messages.
    pub fn names_of(&self, id: InodeId) -> Vec<PathBuf> {
        let mut names = BTreeSet::new();
        for (path, dir) in &self.dirs {
            for (name, inode) in dir.cache.iter().chain(&dir.durable) {
                if *inode == id {
                    names.insert(path.join(name));
                }
            }
        }
        names.into_iter().collect()
    }

    fn push(&mut self, op: Op) {
        self.seq += 1;
        self.pending.push(Pending {
            seq: self.seq,
            fenced: None,
            op,
        });
    }

    fn file(&mut self, id: InodeId) -> &mut Inode {
        self.inodes
            .get_mut(&id)
            .expect("a handle or a name holds the inode")
    }

    /// Does a call whole, in the cache, and queues its operations.
    pub fn perform(&mut self, call: &Call) {
        match call {
            Call::Create { path } => {
                self.create(path);
            }
            Call::Write {
                inode,
                offset,
                bytes,
            } => self.write(*inode, *offset, bytes.clone()),
            Call::SetLen { inode, len } => self.set_len(*inode, *len),
            Call::Allocate { inode, offset, len } => self.allocate(*inode, *offset, *len),
            Call::Rename { from, to } => self.rename(from, to),
            Call::Unlink { path } => self.unlink(path),
        }
    }

    /// Makes an empty file. Its directory must exist.
    pub fn create(&mut self, path: &Path) -> InodeId {
        let (dir, name) = split(path).expect("a path to create has a name");
        let id = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(id, Inode::default());
        let entry = self.dirs.get_mut(&dir).expect("the directory exists");
        entry.cache.insert(name.clone(), id);
        self.push(Op::AddName {
            dir,
            name,
            inode: id,
            rename: None,
        });
        id
    }

    /// Writes, extending the file if the bytes end behind it.
    pub fn write(&mut self, id: InodeId, offset: u64, bytes: Arc<[u8]>) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        let inode = self.file(id);
        let old = inode.cache.len();
        inode.cache.grow(end);
        inode.cache.write(offset, &bytes);
        inode.bad.remove(offset, end);
        inode.fading.retain(|(s, e)| *e <= offset || *s >= end);
        inode.space.insert(chunk_floor(offset), chunk_ceil(end));
        if end > old {
            self.push(Op::SetLen {
                inode: id,
                old,
                new: end,
            });
        }
        self.push(Op::Write {
            inode: id,
            offset,
            bytes,
        });
    }

    /// Cuts or extends.
    pub fn set_len(&mut self, id: InodeId, len: u64) {
        let inode = self.file(id);
        let old = inode.cache.len();
        if len >= old {
            inode.cache.grow(len);
        } else {
            inode.cache.shrink(len);
            inode.space.remove(chunk_ceil(len), u64::MAX);
            inode.bad.remove(len, u64::MAX);
        }
        if len != old {
            self.push(Op::SetLen {
                inode: id,
                old,
                new: len,
            });
        }
    }

    /// Reserves space, extending the file if it ends before.
    pub fn allocate(&mut self, id: InodeId, offset: u64, len: u64) {
        let end = offset + len;
        let inode = self.file(id);
        inode.space.insert(chunk_floor(offset), chunk_ceil(end));
        if end > inode.cache.len() {
            self.set_len(id, end);
        }
    }

    /// How many bytes of space a range needs that the file does not have.
    pub fn space_needed(&self, id: InodeId, offset: u64, len: u64) -> u64 {
        let space = &self.inodes[&id].space;
        if len == 0 {
            return 0;
        }
        space.missing(chunk_floor(offset), chunk_ceil(offset + len))
    }

    /// Bytes of disk space in use, in whole chunks.
    pub fn used(&self) -> u64 {
        self.inodes.values().map(|i| i.space.total()).sum()
    }

    /// Bytes that the disk can still give; all there are if it has no limit.
    pub fn free(&self) -> u64 {
        match self.profile.capacity {
            Some(capacity) => capacity.saturating_sub(self.used()),
            None => u64::MAX,
        }
    }

    /// Makes an empty directory. It is durable at once, or not there: directories have no names of their own here.
    pub fn create_dir(&mut self, path: &Path) {
        self.dirs.entry(path.to_path_buf()).or_default();
    }

    /// Renames a directory, which must exist. That is durable at once, or not done.
    pub fn rename_dir(&mut self, from: &Path, to: &Path) {
        let names = self.dirs.remove(from).expect("the directory exists");
        self.dirs.insert(to.to_path_buf(), names);
        for pending in &mut self.pending {
            if let Op::AddName { dir, .. } | Op::DropName { dir, .. } = &mut pending.op
                && dir == from
            {
                *dir = to.to_path_buf();
            }
        }
    }

    /// Renames over whatever has the name. Both directories and the source must exist.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        let (from_dir, from_name) = split(from).expect("a path to rename has a name");
        let (to_dir, to_name) = split(to).expect("a path to rename to has a name");
        let id = self.lookup(from).expect("the source of a rename exists");
        if from == to {
            return;
        }
        let number = self.seq;
        if self.lookup(to).is_some() {
            self.push(Op::DropName {
                dir: to_dir.clone(),
                name: to_name.clone(),
                rename: Some((number, RenameStep::DropDestination)),
            });
        }
        let source = self.dirs.get_mut(&from_dir).expect("the directory exists");
        source.cache.remove(&from_name);
        let target = self.dirs.get_mut(&to_dir).expect("the directory exists");
        target.cache.insert(to_name.clone(), id);
        self.push(Op::AddName {
            dir: to_dir,
            name: to_name,
            inode: id,
            rename: Some((number, RenameStep::AddDestination)),
        });
        self.push(Op::DropName {
            dir: from_dir,
            name: from_name,
            rename: Some((number, RenameStep::DropSource)),
        });
    }

    /// Removes a name, which must exist.
    pub fn unlink(&mut self, path: &Path) {
        let (dir, name) = split(path).expect("a path to unlink has a name");
        let entry = self.dirs.get_mut(&dir).expect("the directory exists");
        entry.cache.remove(&name).expect("the name exists");
        self.push(Op::DropName {
            dir,
            name,
            rename: None,
        });
    }

    /// Makes a file's operations up to `cutoff` durable, as a sync does that tells the truth.
    pub fn settle(&mut self, id: InodeId, cutoff: u64) {
        if self.profile.keep_versions {
            let inode = self.file(id);
            inode.versions.push(inode.durable.clone());
            if inode.versions.len() > VERSIONS_MAX {
                inode.versions.remove(0);
            }
        }
        let name_too = self.profile.fsync_persists_new_name;
        let mut kept = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            let op = &pending.op;
            if pending.seq <= cutoff && op.inode() == Some(id) {
                apply(&mut self.file(id).durable, op);
            } else if let Op::AddName { dir, inode, .. } = op
                && name_too
                && *inode == id
                && pending.seq <= cutoff
            {
                let dir = self.dirs.get_mut(dir).expect("the directory exists");
                apply_name(&mut dir.durable, op);
            } else {
                kept.push(pending);
            }
        }
        self.pending = kept;
        self.file(id).durable.clip();
    }

    /// Makes a directory's names up to `cutoff` durable.
    pub fn settle_dir(&mut self, path: &Path, cutoff: u64) {
        let dir = self.dirs.get_mut(path).expect("the directory exists");
        self.pending.retain(|pending| {
            let done = pending.seq <= cutoff && pending.op.dir() == Some(path);
            if done {
                apply_name(&mut dir.durable, &pending.op);
            }
            !done
        });
    }

    /// Forgets operations: the cache goes on showing them, and they will never be written (F15).
    /// Returns what was forgotten.
    pub fn lose(&mut self, mut lost: impl FnMut(&Pending) -> bool) -> Vec<Pending> {
        let (gone, kept) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|pending| lost(pending));
        self.pending = kept;
        gone
    }

    /// Queues a write of which the cache knows nothing: it lands where nobody meant it to (F39).
    pub fn write_behind_cache(&mut self, id: InodeId, offset: u64, bytes: Arc<[u8]>) {
        self.push(Op::Write {
            inode: id,
            offset,
            bytes,
        });
    }

    /// Takes a file's content and length back to what is durable (F17).
    pub fn revert(&mut self, id: InodeId) {
        self.lose(|pending| pending.op.inode() == Some(id));
        let inode = self.file(id);
        inode.cache = inode.durable.clone();
    }

    /// A sync of a file that keeps order and persists nothing (F14).
    pub fn fence(&mut self, id: InodeId, cutoff: u64) {
        for pending in &mut self.pending {
            if pending.op.inode() == Some(id) && pending.seq <= cutoff {
                pending.fenced.get_or_insert(cutoff);
            }
        }
    }

    /// How the disk lies about syncs of a file, if it does.
    pub fn lie_about(&self, path: &Path) -> Option<&Lie> {
        let lie = self.profile.lie.as_ref()?;
        lie.files.matches(path).then_some(lie)
    }

    /// Whether calls of the next life may fail for what has happened in this one: a failure of writeback that nobody was told of,
    /// or content that the cache will not show for long (F18, F19).
    pub fn has_failures_to_come(&self) -> bool {
        let mut inodes = self.inodes.values();
        inodes.any(|inode| inode.writeback.is_untold() || !inode.fading.is_empty())
    }

    /// A hash of everything that a next life can tell apart: names, contents, and what is still pending.
    pub fn digest(&self) -> u128 {
        let mut digest = Digest::default();
        for (path, dir) in &self.dirs {
            for names in [&dir.durable, &dir.cache] {
                digest.bytes(path.as_os_str().as_encoded_bytes());
                for (name, inode) in names {
                    digest.bytes(name.as_encoded_bytes());
                    digest.number(*inode);
                }
            }
        }
        for (id, inode) in &self.inodes {
            digest.number(*id);
            digest.number(inode.durable.digest());
            if !self.pending.is_empty() {
                digest.number(inode.cache.digest());
            }
        }
        for pending in &self.pending {
            digest.number(pending.seq);
        }
        digest.value()
    }

    /// Drops what no name reaches: a process that held such a file open is gone.
    pub(super) fn forget_unnamed(&mut self) {
        let mut named: BTreeSet<InodeId> = BTreeSet::new();
        for dir in self.dirs.values() {
            named.extend(dir.cache.values().chain(dir.durable.values()));
        }
        for pending in &self.pending {
            if let Op::AddName { inode, .. } = &pending.op {
                named.insert(*inode);
            }
        }
        self.inodes.retain(|id, _| named.contains(id));
        let inodes = &self.inodes;
        self.pending
            .retain(|p| p.op.inode().is_none_or(|id| inodes.contains_key(&id)));
    }

    /// Gives back the space of a file that no name and no handle holds.
    pub(super) fn release(&mut self, id: InodeId) {
        let named = self
            .dirs
            .values()
            .any(|d| d.cache.values().any(|i| *i == id));
        if !named && let Some(inode) = self.inodes.get_mut(&id) {
            inode.space = Extents::default();
        }
    }
}

/// The start of the chunk that holds an offset.
pub(super) fn chunk_floor(offset: u64) -> u64 {
    offset - offset % CHUNK
}

/// The end of the chunk that holds the byte before an offset.
pub(super) fn chunk_ceil(offset: u64) -> u64 {
    offset.div_ceil(CHUNK) * CHUNK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, Seed};

    const FILE: &str = "/db/file";

    fn disk() -> (Disk, InodeId) {
        let mut disk = Disk::new(DiskProfile::default(), &["/db"]);
        let id = disk.create(Path::new(FILE));
        (disk, id)
    }

    #[test]
    fn a_directory_takes_its_files_along() {
        let (mut disk, id) = disk();
        disk.rename_dir(Path::new("/db"), Path::new("/aside"));
        assert_eq!(disk.lookup(Path::new(FILE)), None);
        assert_eq!(disk.lookup(Path::new("/aside/file")), Some(id));
        disk.create_dir(Path::new("/db"));
        let seq = disk.seq;
        disk.settle_dir(Path::new("/aside"), seq);
        assert_eq!(disk.dirs[Path::new("/aside")].durable.len(), 1);
        assert!(disk.dirs[Path::new("/db")].durable.is_empty());
    }

    #[test]
    fn a_sync_makes_the_cache_durable_whatever_came_before() {
        let mut stream = Seed(5).stream(Purpose::Workload);
        for _ in 0..100 {
            let (mut disk, id) = disk();
            for _ in 0..stream.below(20) {
                match stream.below(4) {
                    0 => disk.set_len(id, stream.below(10_000)),
                    1 => disk.allocate(id, stream.below(9000), stream.below(5000)),
                    2 if stream.below(3) == 0 => disk.settle(id, u64::MAX),
                    _ => {
                        let len = stream.below(3000) as usize;
                        let fill = stream.next_u64() as u8;
                        disk.write(id, stream.below(9000), vec![fill; len].into());
                    }
                }
            }
            disk.settle(id, u64::MAX);
            let inode = disk.inode(id).expect("it was created");
            assert_eq!(inode.durable, inode.cache);
            assert!(disk.pending().iter().all(|p| p.op.inode().is_none()));
        }
    }

    #[test]
    fn a_sync_leaves_the_name_and_other_files_pending() {
        let (mut disk, id) = disk();
        let other = disk.create(Path::new("/db/other"));
        disk.write(id, 0, (*b"a").into());
        disk.write(other, 0, (*b"b").into());
        disk.settle(id, u64::MAX);
        assert_eq!(disk.inode(other).map(|i| i.durable.len()), Some(0));
        assert!(disk.dirs[Path::new("/db")].durable.is_empty());
        disk.settle_dir(Path::new("/db"), u64::MAX);
        assert_eq!(disk.dirs[Path::new("/db")].durable.len(), 2);
        assert_eq!(disk.pending().len(), 2);
    }

    #[test]
    fn a_sync_covers_only_what_returned_before_it() {
        let (mut disk, id) = disk();
        disk.write(id, 0, (*b"before").into());
        let cutoff = disk.seq;
        disk.write(id, 0, (*b"after!").into());
        disk.settle(id, cutoff);
        let inode = disk.inode(id).expect("it was created");
        assert_eq!(inode.durable.bytes(0, 9), b"before");
        assert_eq!(inode.cache.bytes(0, 9), b"after!");
    }

    #[test]
    fn the_knob_for_names_makes_a_new_name_durable_with_its_file() {
        let (mut disk, id) = disk();
        disk.profile.fsync_persists_new_name = true;
        disk.settle(id, u64::MAX);
        assert!(disk.pending().is_empty());
        assert_eq!(disk.dirs[Path::new("/db")].durable.len(), 1);
    }

    #[test]
    fn space_is_counted_in_chunks_and_given_back() {
        let (mut disk, id) = disk();
        assert_eq!(disk.space_needed(id, 4095, 2), 2 * CHUNK);
        disk.write(id, 4095, (*b"ab").into());
        assert_eq!(disk.used(), 2 * CHUNK);
        disk.allocate(id, 0, 10 * CHUNK);
        assert_eq!(
            (disk.used(), disk.space_needed(id, 5, 100)),
            (10 * CHUNK, 0)
        );
        disk.set_len(id, CHUNK + 1);
        assert_eq!(disk.used(), 2 * CHUNK);
        disk.unlink(Path::new(FILE));
        disk.release(id);
        assert_eq!(disk.used(), 0);
    }
}
