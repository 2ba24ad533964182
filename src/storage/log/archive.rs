//! The archive: a folder to which segments are copied before their slots are used again.
//!
//! A file of it is a segment from its first byte to the end of a frame, byte for byte. Its name tells the transactions
//! that end in it and its number, so that names sort as the log goes:
//!
//! ```text
//! 00000000000000000001-00000000000000004711-0000000100000001.keep-wal
//! first transaction    last transaction     number of the segment, hexadecimal
//! ```
//!
//! Only frames that begin in a checkpoint are copied (L14). The segment in which it ends is copied again when there is more
//! of it, and the shorter file removed. A file is written beside its place, synced, renamed, and the folder synced
//! (`replace_file`). Nothing else is ever removed from the folder.

use std::path::{Path, PathBuf};

use super::disk::{Disk, Portion};
use super::layout::{
    ATOM_BYTES, Identity, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SegmentHeader,
    decode_segment_copies, encode_segment_header, identity_of, slot_of, slot_offset,
};
use super::walk::Walk;
use super::{LogDamage, LogError, Lsn};
use crate::storage::planted::Planted;
use crate::storage::replace::replace_file;
use crate::vfs::{OpenMode, Vfs, VfsError, read_exact_at, read_up_to, write_all_at};

/// How names end.
const EXTENSION: &str = "keep-wal";

/// Bytes that two files are compared by.
const PIECE_BYTES: usize = 1 << 20;

/// What a name in the archive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveName {
    /// The transaction that ends first in the segment or behind it.
    pub first: Lsn,
    /// The last transaction that ends in the file; the one before `first` if none does.
    pub last: Lsn,
    /// Sequence number of the segment.
    pub segment: u64,
}

impl ArchiveName {
    /// The name as a file name.
    pub fn file_name(&self) -> String {
        format!(
            "{:020}-{:020}-{:016x}.{EXTENSION}",
            self.first.0, self.last.0, self.segment
        )
    }

    /// Reads a file name; None: it is none of the archive.
    pub fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let mut parts = name.strip_suffix(EXTENSION)?.strip_suffix('.')?.split('-');
        let name = Self {
            first: Lsn(parts.next()?.parse().ok()?),
            last: Lsn(parts.next()?.parse().ok()?),
            segment: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        (parts.next().is_none() && Path::new(&name.file_name()) == path.file_name()?)
            .then_some(name)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Files that were written.
    pub files: u64,
    pub bytes: u64,
}

/// Why the archive does not get what it is to have.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Vfs(#[from] VfsError),
    /// The log cannot be read, or is not as it was written.
    #[error("the log cannot be copied: {0}")]
    Log(#[from] LogError),
    #[error("{} belongs to another database", .0.display())]
    Foreign(PathBuf),
    #[error(
        "{} holds another history of the transactions {first} to {last}: give this database a folder of its own",
        path.display()
    )]
    OtherHistory {
        path: PathBuf,
        first: Lsn,
        last: Lsn,
    },
}

/// The files of an archive, by name.
pub(super) fn list(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<(ArchiveName, PathBuf)>, VfsError> {
    let named = |path: PathBuf| Some((ArchiveName::parse(&path)?, path));
    let mut found: Vec<_> = vfs.list(dir)?.into_iter().filter_map(named).collect();
    found.sort();
    Ok(found)
}

/// Reads a file of the archive as far as it goes: its header, and all its bytes in `image`. None: there is no valid header
/// of database `uuid`, or it is longer than a segment.
pub(super) fn read_file(
    vfs: &dyn Vfs,
    path: &Path,
    uuid: &[u8; 16],
    image: &mut Vec<u8>,
) -> Result<Option<SegmentHeader>, VfsError> {
    let file = vfs.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if !(SEGMENT_HEADER_BYTES..=SEGMENT_BYTES_MAX).contains(&len) {
        return Ok(None);
    }
    image.resize(len as usize, 0);
    read_exact_at(&*file, image, 0)?;
    Ok(decode_anywhere(image, uuid))
}

/// The header at the start of `bytes`, whatever slot it stood in.
pub(super) fn decode_anywhere(bytes: &[u8], uuid: &[u8; 16]) -> Option<SegmentHeader> {
    let copies = bytes.get(..SEGMENT_HEADER_BYTES as usize)?;
    let (first, second) = copies.split_at(ATOM_BYTES as usize);
    [first, second]
        .into_iter()
        .find_map(|copy| decode_segment_copies(copies, uuid, slot_of(copy)))
}

/// Copies what the archive in `dir` lacks.
pub(super) fn copy(disk: &Disk, vfs: &dyn Vfs, dir: &Path) -> Result<Archived, ArchiveError> {
    let mut done = Archived::default();
    let portions = disk.not_kept();
    if portions.is_empty() {
        return Ok(done);
    }
    let mut folder = Folder {
        vfs,
        dir,
        uuid: disk.uuid(),
        planted: disk.planted_bug(),
        names: list(vfs, dir)?,
    };
    folder.refuse_foreign()?;
    let mut image = Vec::new();
    for portion in portions {
        let name = load(disk, &portion, &mut image)?;
        if folder.put(name, &image)? {
            done.files += 1;
            done.bytes += image.len() as u64;
        }
        disk.note_kept(&portion, image.len() as u64, name.last);
    }
    Ok(done)
}

/// Reads a portion of the log, up to its last frame that begins in the checkpoint.
fn load(disk: &Disk, portion: &Portion, image: &mut Vec<u8>) -> Result<ArchiveName, LogError> {
    disk.read(portion.slot, image)?;
    image.truncate(portion.end as usize);
    let damage = |at: u64, lsn: u64, found| {
        LogError::Damage(LogDamage {
            offset: slot_offset(portion.slot, disk.segment_bytes()) + at,
            lsn: Lsn(lsn),
            expected: "the segment as it was written",
            found,
        })
    };
    let header = decode_segment_copies(
        &image[..SEGMENT_HEADER_BYTES as usize],
        disk.uuid(),
        portion.slot,
    )
    .filter(|header| header.seq == portion.seq)
    .ok_or_else(|| damage(0, 0, "no header of that segment"))?;
    // One copy may have been lost on the way.
    let (encoded, _) = encode_segment_header(header, disk.uuid());
    image[..encoded.len()].copy_from_slice(&encoded);
    let mut walk = Walk::new(image, &header);
    let (mut end, mut last) = (walk.at, walk.lsn);
    while (walk.at as u64) < portion.end {
        match walk.next() {
            Ok(frame) if frame.head.first_lsn > portion.checkpoint.0 => break,
            Ok(_) => (end, last) = (walk.at, walk.lsn),
            Err(fault) => return Err(damage(walk.at as u64, walk.lsn + 1, fault.found())),
        }
    }
    image.truncate(end);
    Ok(ArchiveName {
        first: Lsn(header.first_lsn),
        last: Lsn(last),
        segment: header.seq,
    })
}

/// The archive while it is added to.
struct Folder<'a> {
    vfs: &'a dyn Vfs,
    dir: &'a Path,
    uuid: &'a [u8; 16],
    planted: Planted,
    names: Vec<(ArchiveName, PathBuf)>,
}

impl Folder<'_> {
    /// One database has one folder: its newest file tells whose it is.
    fn refuse_foreign(&self) -> Result<(), ArchiveError> {
        let Some((_, path)) = self.names.last() else {
            return Ok(());
        };
        let file = self.vfs.open(path, OpenMode::Read)?;
        let mut atom = vec![0; ATOM_BYTES as usize];
        read_up_to(&*file, &mut atom, 0)?;
        match identity_of(&atom) {
            Identity::Database(uuid) if uuid != *self.uuid => {
                Err(ArchiveError::Foreign(path.clone()))
            }
            Identity::Database(_) | Identity::Unreadable => Ok(()),
        }
    }

    /// Puts a segment there. False: the folder has just these bytes.
    fn put(&mut self, name: ArchiveName, bytes: &[u8]) -> Result<bool, ArchiveError> {
        let mut superseded = Vec::new();
        for (other, path) in &self.names {
            if other.segment != name.segment {
                if other.overlaps(&name) {
                    return Err(other_history(&name, path));
                }
                continue;
            }
            match self.compare(path, bytes)? {
                Likeness::Same if *other == name => {
                    // A process that was killed may have left the name unsynced.
                    self.vfs.sync_dir(self.dir)?;
                    return Ok(false);
                }
                Likeness::Same | Likeness::Begins => superseded.push(path.clone()),
                Likeness::Differs => return Err(other_history(&name, path)),
                // The log still has what was in it.
                Likeness::Rotten => superseded.push(path.clone()),
            }
        }
        let path = self.dir.join(name.file_name());
        replace_file(
            self.vfs,
            &path,
            self.planted,
            ArchiveError::from,
            &mut |file| Ok(write_all_at(file, bytes, 0)?),
        )?;
        superseded.retain(|old| *old != path);
        for old in &superseded {
            // The new file has what it had. Where it stays, a reader takes the longer one.
            if let Err(error) = self.vfs.unlink(old) {
                tracing::debug!("a superseded file stays in the archive: {error}");
            }
        }
        self.names
            .retain(|(_, old)| *old != path && !superseded.contains(old));
        self.names.push((name, path));
        Ok(true)
    }

    /// How the frames of a file that is there are like those of `bytes`: what lies between frames says nothing, and in the
    /// log it may have changed.
    fn compare_frames(&self, path: &Path, bytes: &[u8]) -> Result<Likeness, VfsError> {
        let mut image = Vec::new();
        let Some(header) = read_file(self.vfs, path, self.uuid, &mut image)? else {
            return Ok(Likeness::Rotten);
        };
        let mut differs = decode_anywhere(bytes, self.uuid) != Some(header);
        let mut there = Walk::new(&image, &header);
        let mut here = Walk::new(bytes, &header);
        while there.at < image.len() {
            if there.next().is_err() {
                return Ok(Likeness::Rotten);
            }
            if !differs && here.at < bytes.len() {
                differs = here.next().is_err() || (here.at, here.chain) != (there.at, there.chain);
            }
        }
        Ok(match image.len() == bytes.len() {
            _ if differs => Likeness::Differs,
            true => Likeness::Same,
            false => Likeness::Begins,
        })
    }

    /// How a file that is there is like `bytes`.
    fn compare(&self, path: &Path, bytes: &[u8]) -> Result<Likeness, VfsError> {
        let file = self.vfs.open(path, OpenMode::Read)?;
        let len = file.len()?;
        let mut piece = vec![0; PIECE_BYTES];
        let common = bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        for (i, expected) in bytes[..common].chunks(PIECE_BYTES).enumerate() {
            let found = &mut piece[..expected.len()];
            read_exact_at(&*file, found, (i * PIECE_BYTES) as u64)?;
            if found != expected {
                return self.compare_frames(path, bytes);
            }
        }
        Ok(if len == bytes.len() as u64 {
            Likeness::Same
        } else {
            Likeness::Begins
        })
    }
}

enum Likeness {
    Same,
    /// The shorter one is how the longer one begins.
    Begins,
    /// It has other frames.
    Differs,
    /// It is not what was once written.
    Rotten,
}

fn other_history(name: &ArchiveName, path: &Path) -> ArchiveError {
    ArchiveError::OtherHistory {
        path: path.to_path_buf(),
        first: name.first,
        last: name.last,
    }
}
