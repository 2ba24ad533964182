//! The meta copies: which are valid, whether they can have come to be, what the newest one says.
//!
//! Metas are written to the two slots in turns, each under the next number, the first copy before the second. So
//! a crash leaves one of few pictures ([`torn_by_a_crash`]); any other one is damage.

use super::{CheckError, Checker, Invariant, Severity, Spot};
use crate::storage::meta::{FORMAT_VERSION, META_BYTES, Meta, MetaCopies, MetaFault, Slot};
use crate::storage::open::STAMP_COUNTER_BITS;
use crate::storage::page::{PAGE_BYTES_MAX, PageNo, PagePtr};
use crate::storage::pager::META_REGION_BYTES;
use crate::storage::tree::HEIGHT_MAX;
use crate::vfs::{VfsResult, read_up_to};

/// Bytes of a meta that mean nothing and are zero.
const UNUSED: [std::ops::Range<usize>; 2] = [126..128, 136..META_BYTES - 4];

/// Bits of a page number in a pointer.
const PAGE_NO_BITS: u32 = 48;

/// Flags that this version knows.
const FLAGS: u32 = 1;

impl Checker<'_> {
    /// I1 to I4. The newest meta; None if the file was never finished.
    pub(super) fn metas(&mut self, has_log: bool) -> Result<Option<Meta>, CheckError> {
        let copies = MetaCopies::read(self.file)?;
        let len = self.file.len()?;
        let Some((meta, slot)) = copies.newest() else {
            return self.without_meta(&copies, len, has_log);
        };
        self.copies_whole(&copies);
        self.copies_in_order(&copies);
        self.content(&meta, slot, &copies)?;
        // Products of 64-bit numbers from the file are taken in 128 bits.
        let expected = u128::from(meta.pages) * u128::from(meta.page_bytes);
        if u128::from(len) < expected {
            self.found(
                Invariant::FileLength,
                Severity::Error,
                Spot::default(),
                format!("it has {len} bytes, and its meta counts {expected}"),
            );
        }
        Ok(Some(meta))
    }

    fn without_meta(
        &mut self,
        copies: &MetaCopies,
        len: u64,
        has_log: bool,
    ) -> Result<Option<Meta>, CheckError> {
        let path = self.path.to_path_buf();
        if let Some(found) = copies.foreign_version() {
            return Err(CheckError::Version {
                path,
                found,
                expected: FORMAT_VERSION,
            });
        }
        if !has_log && len <= PAGE_BYTES_MAX as u64 && copies.are_blank() {
            self.found(
                Invariant::MetaCopies,
                Severity::Note,
                Spot::default(),
                "its creation did not end: opening it begins anew".to_owned(),
            );
            return Ok(None);
        }
        let begins_as_one = copies
            .0
            .iter()
            .any(|c| matches!(c, Err(MetaFault::Checksum | MetaFault::PageSize(_))));
        Err(CheckError::NotADatabase {
            path,
            why: if begins_as_one {
                "all four copies of its meta are damaged"
            } else {
                "it begins with something else"
            },
        })
    }

    fn copies_whole(&mut self, copies: &MetaCopies) {
        let torn = torn_by_a_crash(copies);
        for (i, copy) in copies.0.iter().enumerate() {
            let Err(fault) = copy else { continue };
            let severity = match fault {
                MetaFault::Blank if is_unused(copies, i) => continue,
                _ if torn == Some(i) => Severity::Note,
                MetaFault::Version(_) | MetaFault::PageSize(_) => Severity::Error,
                _ => Severity::Warning,
            };
            let what = if severity == Severity::Note {
                ": an unfinished write, which the next one replaces"
            } else {
                ""
            };
            let text = format!("meta copy {i} is not valid: {fault}{what}");
            self.found(Invariant::MetaCopies, severity, copy_spot(i), text);
        }
    }

    fn copies_in_order(&mut self, copies: &MetaCopies) {
        for slot in [Slot::A, Slot::B] {
            let at = index_of(slot);
            if let (Ok(first), Ok(second)) = (&copies.0[at], &copies.0[at + 1])
                && let Some(why) = not_of_one_slot(first, second)
            {
                self.found(
                    Invariant::MetaOrder,
                    Severity::Error,
                    copy_spot(at),
                    format!("the copies of a slot do not belong together: {why}"),
                );
            }
        }
        let (Some(a), Some(b)) = (copies.slot(Slot::A), copies.slot(Slot::B)) else {
            return;
        };
        let (old, new, slot) = if a.seq < b.seq {
            (a, b, Slot::B)
        } else {
            (b, a, Slot::A)
        };
        if let Some(why) = not_successive(&old, &new) {
            self.found(
                Invariant::MetaOrder,
                Severity::Error,
                copy_spot(index_of(slot)),
                format!("the newer slot does not follow from the older one: {why}"),
            );
        }
    }

    fn content(&mut self, meta: &Meta, slot: Slot, copies: &MetaCopies) -> VfsResult<()> {
        let at = index_of(slot);
        let copy = if copies.0[at + 1].is_ok_and(|m| m.seq == meta.seq) {
            at + 1
        } else {
            at
        };
        let mut bytes = [0; META_BYTES];
        read_up_to(self.file, &mut bytes, (copy * META_BYTES) as u64)?;
        let mut faults = Vec::new();
        if UNUSED
            .iter()
            .any(|r| bytes[r.clone()].iter().any(|b| *b != 0))
        {
            faults.push("bytes that mean nothing are not zero".to_owned());
        }
        let flags = u32::from_le_bytes([bytes[68], bytes[69], bytes[70], bytes[71]]);
        if flags & !FLAGS != 0 {
            faults.push(format!("it has flags {flags:#x} that nobody knows"));
        }
        if meta.pages < first_page(meta.page_bytes) {
            faults.push(format!("{} pages do not hold the meta itself", meta.pages));
        }
        if meta.pages >> PAGE_NO_BITS != 0 {
            faults.push(format!(
                "{} pages are more than can be numbered",
                meta.pages
            ));
        }
        if u64::from(meta.generation) + 1 >= 1 << (64 - STAMP_COUNTER_BITS) {
            faults.push(format!("{} opens leave no stamps", meta.generation));
        }
        let catalog = meta.catalog;
        if catalog.encode()[..] != bytes[80..112] || catalog.is_blob || catalog.height > HEIGHT_MAX
        {
            faults.push("its catalog is no tree".to_owned());
        }
        if catalog.root.is_null() && catalog.count > 0 {
            faults.push("its catalog counts entries and has no page".to_owned());
        }
        let pointers = [("catalog", catalog.root), ("free map", meta.free_map)];
        for (name, ptr) in pointers {
            if ptr.is_null() && ptr != PagePtr::default() {
                faults.push(format!("its pointer to no {name} has a stamp"));
            }
        }
        for text in faults {
            self.found(
                Invariant::MetaContent,
                Severity::Error,
                copy_spot(copy),
                text,
            );
        }
        Ok(())
    }
}

/// The first page behind the meta region.
pub(super) fn first_page(page_bytes: u32) -> u64 {
    META_REGION_BYTES.div_ceil(u64::from(page_bytes))
}

fn index_of(slot: Slot) -> usize {
    slot.offset(0) as usize / META_BYTES
}

fn copy_spot(copy: usize) -> Spot<'static> {
    let offset = copy * META_BYTES;
    Spot {
        offset: Some(offset as u64),
        page: Some(PageNo(0).0),
        key: None,
    }
}

/// Whether copy `i` is one that a young file has not written yet. It counts as meta number 0.
fn is_unused(copies: &MetaCopies, i: usize) -> bool {
    let first = i / 2 * 2;
    let slot = &copies.0[first..first + 2];
    let other = &copies.0[2 - first..4 - first];
    let is_young = other.iter().flatten().any(|m| m.seq <= 1);
    is_young && copies.0[i] == Err(MetaFault::Blank) && slot.iter().all(Result::is_err)
}

/// The copy that is not valid and that a crash during one write of a meta explains.
fn torn_by_a_crash(copies: &MetaCopies) -> Option<usize> {
    let broken: Vec<usize> = (0..4)
        .filter(|i| copies.0[*i].is_err() && !is_unused(copies, *i))
        .collect();
    let seq = |i: usize| copies.0[i].as_ref().ok().map(|m| m.seq);
    match broken[..] {
        // The first copy of the older slot, whose second copy still holds the meta before last.
        [i] if i % 2 == 0 => {
            let other = seq(2 - i)?;
            let before = if is_unused(copies, i + 1) {
                0
            } else {
                seq(i + 1)?
            };
            (before + 1 == other).then_some(i)
        }
        // The second copy of a slot whose first one has just been written.
        [i] => {
            let other = 4 - i;
            let before = if is_unused(copies, other) {
                0
            } else {
                seq(other)?
            };
            (seq(i - 1)? == before + 1).then_some(i)
        }
        _ => None,
    }
}

fn not_of_one_slot(first: &Meta, second: &Meta) -> Option<String> {
    let durable_lsn = first.durable_lsn;
    // What is synced goes on while the copies are written.
    let same = Meta {
        durable_lsn,
        ..*second
    };
    if same == *first && second.durable_lsn >= durable_lsn {
        return None;
    }
    if first.seq == second.seq + 2 {
        // A crash between the two: the second copy holds what the slot held before.
        return not_later(second, first);
    }
    Some(format!("numbers {} and {}", first.seq, second.seq))
}

fn not_successive(old: &Meta, new: &Meta) -> Option<String> {
    if new.seq != old.seq + 1 {
        return Some(format!("numbers {} and {}", old.seq, new.seq));
    }
    not_later(old, new)
}

fn not_later(old: &Meta, new: &Meta) -> Option<String> {
    if old.uuid != new.uuid || old.page_bytes != new.page_bytes {
        return Some("they are of two databases".to_owned());
    }
    let goes_on = old.checkpoint.seq <= new.checkpoint.seq
        && old.checkpoint.lsn <= new.checkpoint.lsn
        && old.generation <= new.generation;
    (!goes_on).then(|| "it goes back in time".to_owned())
}
