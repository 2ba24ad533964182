//! The archive read as one log: from a backup's transaction on, through its files, and into the log of the machine they
//! came from if that is there.
//!
//! What follows what is proved as in the log itself (L4): a header names the exact end of its predecessor, its offset,
//! transaction and chain value. Where a log was made anew behind a file that was whole, no predecessor is named, and the
//! number of the first transaction must be the next one. Anything else is a gap, and named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{self, ArchiveName};
use super::layout::{
    ATOM_BYTES, Identity, SEGMENT_HEADER_BYTES, SegmentHeader, identity_of, slot_offset,
};
use super::replay::{FramesStop, older_part, replay_frames};
use super::scan::{Span, Verdict, begins_by, read_segment, scan};
use super::walk::Walk;
use super::{CheckpointRef, LogError, Lsn};
use crate::vfs::{OpenMode, Vfs, VfsError, VfsFile, read_up_to};

/// Why an archive does not lead where it should.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{} holds no segments of a log", .0.display())]
    Empty(PathBuf),
    #[error("{} belongs to another database", .0.display())]
    Foreign(PathBuf),
    #[error(
        "{} is damaged at offset {offset}, transaction {lsn}: {found}",
        path.display()
    )]
    Damage {
        path: PathBuf,
        offset: u64,
        lsn: Lsn,
        found: &'static str,
    },
    #[error(
        "transaction {needed} is missing: {} goes on with {found}",
        path.display()
    )]
    Gap {
        /// The first transaction that is not there.
        needed: Lsn,
        /// What comes next instead.
        found: Lsn,
        path: PathBuf,
    },
    #[error("{} does not go on where the files before it end, with transaction {lsn}", path.display())]
    Unconnected { path: PathBuf, lsn: Lsn },
    #[error("transaction {needed} is missing: the oldest that is there is {found}")]
    TooYoung { needed: Lsn, found: Lsn },
    #[error("{}: {why}", path.display())]
    Log { path: PathBuf, why: String },
    #[error(transparent)]
    Vfs(#[from] VfsError),
    #[error(transparent)]
    LogFile(#[from] LogError),
}

/// Why following a history stopped before its end.
#[derive(Debug)]
pub enum HistoryStop<E> {
    History(HistoryError),
    /// What the caller's function answered.
    Apply(E),
}

impl<E> From<HistoryError> for HistoryStop<E> {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

/// Where a segment is.
#[derive(Clone, Debug)]
enum Place {
    File {
        path: PathBuf,
        name: ArchiveName,
    },
    /// In the log file that comes last, up to `end`.
    Slot {
        slot: u64,
        end: u64,
    },
}

#[derive(Clone, Debug)]
struct Member {
    header: SegmentHeader,
    place: Place,
}

/// The log file behind an archive.
#[derive(Clone, Debug)]
struct Last {
    file: Arc<dyn VfsFile>,
    path: PathBuf,
    segment_bytes: u64,
    end: Lsn,
}

/// What transactions a folder holds without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub first: Lsn,
    pub last: Lsn,
    pub files: u64,
    pub bytes: u64,
    /// Wall times of the first and the last transaction in it, milliseconds since 1970; none if there is none.
    pub wall_ms: Option<(u64, u64)>,
}

/// An archive, and perhaps the log behind it.
#[derive(Clone, Debug)]
pub struct History {
    uuid: [u8; 16],
    members: Vec<Member>,
    last: Option<Last>,
}

/// The database whose archive `dir` is, by its newest file that tells.
fn owner(vfs: &dyn Vfs, files: &[(ArchiveName, PathBuf)]) -> Result<Option<[u8; 16]>, VfsError> {
    for (_, path) in files.iter().rev() {
        if let Identity::Database(uuid) = identity(vfs, path)? {
            return Ok(Some(uuid));
        }
    }
    Ok(None)
}

fn identity(vfs: &dyn Vfs, path: &Path) -> Result<Identity, VfsError> {
    let file = vfs.open(path, OpenMode::Read)?;
    let mut copies = vec![0; SEGMENT_HEADER_BYTES as usize];
    read_up_to(&*file, &mut copies, 0)?;
    let (first, second) = copies.split_at(ATOM_BYTES as usize);
    Ok(match identity_of(first) {
        Identity::Unreadable => identity_of(second),
        known => known,
    })
}

impl History {
    /// Reads the headers of the archive in `dir`. `uuid`: the database it must be of; None: whichever it is of.
    pub fn open(vfs: &dyn Vfs, dir: &Path, uuid: Option<[u8; 16]>) -> Result<Self, HistoryError> {
        let files = archive::list(vfs, dir)?;
        let known = match uuid {
            Some(uuid) => Some(uuid),
            None => owner(vfs, &files)?,
        };
        let uuid = known.ok_or_else(|| HistoryError::Empty(dir.to_path_buf()))?;
        let mut members: Vec<Member> = Vec::new();
        let mut copies = vec![0; SEGMENT_HEADER_BYTES as usize];
        for (name, path) in files {
            let file = vfs.open(&path, OpenMode::Read)?;
            copies.fill(0);
            read_up_to(&*file, &mut copies, 0)?;
            let header = archive::decode_anywhere(&copies, &uuid)
                .filter(|h| h.seq == name.segment && h.first_lsn == name.first.0);
            let Some(header) = header else {
                return Err(match identity(vfs, &path)? {
                    Identity::Database(other) if other != uuid => HistoryError::Foreign(path),
                    _ => HistoryError::Damage {
                        path,
                        offset: 0,
                        lsn: name.first,
                        found: "no header of the segment that its name tells",
                    },
                });
            };
            let place = Place::File { path, name };
            members.push(Member { header, place });
        }
        // Names sort by first transaction and then by last: of two copies of one segment the longer comes last.
        members.reverse();
        members.sort_by_key(|member| member.header.seq);
        members.dedup_by_key(|member| member.header.seq);
        let mut history = Self {
            uuid,
            members,
            last: None,
        };
        history.leave_out_cut_ones();
        Ok(history)
    }

    /// Leaves out what a later opening cut off (L4). A log that was made anew names no predecessor and cuts nothing.
    fn leave_out_cut_ones(&mut self) {
        let mut cut_behind = u64::MAX;
        self.members.reverse();
        self.members.retain(|member| {
            let header = &member.header;
            let stays = header.seq <= cut_behind;
            if header.pred.seq != 0 {
                cut_behind = cut_behind.min(header.pred.seq);
            }
            stays
        });
        self.members.reverse();
    }

    /// The last transaction that the names speak of, and the log behind them.
    pub fn last_lsn(&self) -> Option<Lsn> {
        let names = self
            .members
            .iter()
            .filter_map(|member| match &member.place {
                Place::File { name, .. } => Some(name.last),
                Place::Slot { .. } => None,
            });
        names.chain(self.last.as_ref().map(|last| last.end)).max()
    }

    /// Goes on with the log at `path`, of the machine that the archive comes from, as far as a start of that machine would
    /// have read it. `after`: what is wanted begins behind it.
    pub fn go_on_with_log(
        &mut self,
        vfs: &dyn Vfs,
        path: &Path,
        after: Lsn,
    ) -> Result<(), HistoryError> {
        let file = vfs.open(path, OpenMode::Read)?;
        let from = CheckpointRef {
            seq: 0,
            lsn: self.last_lsn().unwrap_or(after).max(after),
        };
        let scan = scan(&*file, &self.uuid, from, from.lsn)?;
        let refused = |why: String| HistoryError::Log {
            path: path.to_path_buf(),
            why,
        };
        match &scan.verdict {
            Verdict::Clean | Verdict::TornTail { .. } => {}
            // Nothing of the log is wanted.
            Verdict::Unstarted => return Ok(()),
            Verdict::Damaged { damage, lost_up_to } => {
                return Err(refused(format!(
                    "{damage}; transactions {} to {lost_up_to} are lost",
                    damage.lsn
                )));
            }
            Verdict::Missing { needed, .. } => {
                return Err(refused(format!("transaction {needed} is in no segment")));
            }
            Verdict::Foreign { .. } => return Err(HistoryError::Foreign(path.to_path_buf())),
        }
        let mut spans = older_part(&*file, &scan)?;
        spans.extend(&scan.spans);
        self.append_spans(&spans);
        self.last = Some(Last {
            file,
            path: path.to_path_buf(),
            segment_bytes: scan.segment_bytes,
            end: scan.end.lsn,
        });
        Ok(())
    }

    /// The log's own copy of a segment goes further than the archive's.
    fn append_spans(&mut self, spans: &[Span]) {
        for span in spans {
            self.members.retain(|m| m.header.seq != span.header.seq);
            self.members.push(Member {
                header: span.header,
                place: Place::Slot {
                    slot: span.header.slot,
                    end: span.end,
                },
            });
        }
        self.members.sort_by_key(|member| member.header.seq);
        self.leave_out_cut_ones();
    }

    /// Calls `apply` with the number, the wall time in milliseconds and the bytes of every transaction after `after`, in
    /// order, to the end. Returns the last one there is; that may be one before `after`.
    pub fn replay<E>(
        &self,
        vfs: &dyn Vfs,
        after: Lsn,
        mut apply: impl FnMut(Lsn, u64, &[u8]) -> Result<(), E>,
    ) -> Result<Lsn, HistoryStop<E>> {
        let begins = |member: &Member| begins_by(&member.header, after);
        let Some(start) = self.members.iter().rposition(begins) else {
            let first = self.members.first();
            return first.map_or(Ok(after), |first| {
                Err(HistoryStop::from(HistoryError::TooYoung {
                    needed: after.next(),
                    found: Lsn(first.header.first_lsn),
                }))
            });
        };
        let mut image = Vec::new();
        let mut open = Vec::new();
        let mut end = after;
        for (i, member) in self.members.iter().enumerate().skip(start) {
            if member.header.is_opening() {
                open.clear();
            }
            let next = self.members.get(i + 1);
            self.read(vfs, member, &mut image)?;
            let walk = self.follow(member, next, &image, after, &mut open, &mut apply)?;
            end = Lsn(walk.lsn);
            if let Some(next) = next {
                self.refuse_gap(&walk, &member.header, next)?;
            }
        }
        Ok(end)
    }

    /// When a transaction was written, in milliseconds since 1970. None: it is not there.
    pub fn wall_ms_of(&self, vfs: &dyn Vfs, lsn: Lsn) -> Result<Option<u64>, HistoryError> {
        let before = Lsn(lsn.0.saturating_sub(1));
        let replayed = self.replay(vfs, before, |found, wall_ms, _| {
            Err((found == lsn).then_some(wall_ms))
        });
        match replayed {
            Err(HistoryStop::Apply(found)) => Ok(found),
            Ok(_) | Err(HistoryStop::History(HistoryError::TooYoung { .. })) => Ok(None),
            Err(HistoryStop::History(error)) => Err(error),
        }
    }

    /// Reads the bytes of a member, up to where its frames end.
    fn read(
        &self,
        vfs: &dyn Vfs,
        member: &Member,
        image: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        match (&member.place, &self.last) {
            (Place::File { path, name }, _) => {
                let header = archive::read_file(vfs, path, &self.uuid, image)?;
                if header != Some(member.header) {
                    return Err(HistoryError::Damage {
                        path: path.clone(),
                        offset: 0,
                        lsn: name.first,
                        found: "no segment",
                    });
                }
            }
            (Place::Slot { slot, end }, Some(last)) => {
                read_segment(&*last.file, *slot, last.segment_bytes, image)?;
                image.truncate(*end as usize);
            }
            (Place::Slot { .. }, None) => unreachable!("a slot is in the log that comes last"),
        }
        Ok(())
    }

    /// Follows the frames of a member to the end that its successor names, or else to its own.
    fn follow<'i, E>(
        &self,
        member: &Member,
        next: Option<&Member>,
        image: &'i [u8],
        after: Lsn,
        open: &mut Vec<u8>,
        apply: &mut impl FnMut(Lsn, u64, &[u8]) -> Result<(), E>,
    ) -> Result<Walk<'i>, HistoryStop<E>> {
        let named = next.filter(|next| next.header.pred.seq == member.header.seq);
        let len = image.len() as u64;
        let end = named.map_or(len, |next| next.header.pred.offset);
        let mut walk = Walk::new(image, &member.header);
        let damage = |walk: &Walk<'_>, found| {
            let (path, base) = self.whereabouts(member);
            HistoryError::Damage {
                path,
                offset: base + walk.at as u64,
                lsn: Lsn(walk.lsn + 1),
                found,
            }
        };
        match replay_frames(&mut walk, end.min(len), after, open, apply) {
            Ok(()) => {}
            Err(FramesStop::Apply(error)) => return Err(HistoryStop::Apply(error)),
            Err(FramesStop::Fault(fault)) => return Err(damage(&walk, fault.found()).into()),
        }
        let told = match &member.place {
            Place::File { name, .. } if named.is_none() => name.last.0,
            Place::File { .. } | Place::Slot { .. } => walk.lsn,
        };
        if end > len || walk.lsn < told {
            return Err(damage(&walk, "the end of the file").into());
        }
        Ok(walk)
    }

    /// The file of a member, and where the member begins in it.
    fn whereabouts(&self, member: &Member) -> (PathBuf, u64) {
        match (&member.place, &self.last) {
            (Place::File { path, .. }, _) => (path.clone(), 0),
            (Place::Slot { slot, .. }, Some(last)) => {
                (last.path.clone(), slot_offset(*slot, last.segment_bytes))
            }
            (Place::Slot { .. }, None) => unreachable!("a slot is in the log that comes last"),
        }
    }

    /// `walk` is at the end of the segment of `header`, as far as its successor says.
    fn refuse_gap(
        &self,
        walk: &Walk<'_>,
        header: &SegmentHeader,
        next: &Member,
    ) -> Result<(), HistoryError> {
        let follows = if next.header.pred.seq == header.seq {
            let pred = &next.header.pred;
            let ends =
                walk.at as u64 == pred.offset && walk.lsn == pred.lsn && walk.chain == pred.chain;
            // What damage has taken from the log alone is in the checkpoint from which the next life went on.
            let has_all = next.header.checkpoint_lsn <= walk.lsn;
            ends && has_all
                && (next.header.is_opening() || walk.rest.unwrap_or(0) == next.header.rest)
        } else {
            next.header.pred.seq == 0
                && next.header.first_lsn == walk.lsn + 1
                && walk.rest.is_none()
        };
        if follows {
            return Ok(());
        }
        let (path, _) = self.whereabouts(next);
        let (lsn, found) = (Lsn(walk.lsn), Lsn(next.header.first_lsn));
        Err(if found > lsn.next() {
            HistoryError::Gap {
                needed: lsn.next(),
                found,
                path,
            }
        } else {
            HistoryError::Unconnected { path, lsn }
        })
    }

    /// What the folder holds: stretches without a gap, in order, every byte of them verified.
    pub fn stretches(&self, vfs: &dyn Vfs) -> Result<Vec<Stretch>, HistoryError> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut image = Vec::new();
        let mut open = Vec::new();
        let mut connected = false;
        for (i, member) in self.members.iter().enumerate() {
            let next = self.members.get(i + 1);
            self.read(vfs, member, &mut image)?;
            if !connected {
                let first = Lsn(member.header.first_lsn);
                stretches.push(Stretch {
                    first,
                    last: first,
                    files: 0,
                    bytes: 0,
                    wall_ms: None,
                });
            }
            let stretch = stretches.last_mut().expect("one was begun");
            // A record whose beginning is not there has a number and a time all the same.
            let mut note = |_, wall_ms, _: &[u8]| {
                let first = stretch.wall_ms.map_or(wall_ms, |(first, _)| first);
                stretch.wall_ms = Some((first, wall_ms));
                Ok::<(), std::convert::Infallible>(())
            };
            let followed = self.follow(member, next, &image, Lsn(0), &mut open, &mut note);
            let walk = match followed {
                Ok(walk) => walk,
                Err(HistoryStop::History(error)) => return Err(error),
                Err(HistoryStop::Apply(never)) => match never {},
            };
            stretch.last = Lsn(walk.lsn);
            stretch.files += 1;
            stretch.bytes += image.len() as u64;
            connected = match next {
                Some(next) => self.refuse_gap(&walk, &member.header, next).is_ok(),
                None => false,
            };
        }
        Ok(stretches)
    }
}
