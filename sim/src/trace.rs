//! The record of every I/O, with a running hash: the same seed twice must give the same hash.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use redkeep::vfs::VfsErrorKind;

use crate::seed::mix;

/// A running 128-bit hash of numbers and bytes. Not for untrusted input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    low: u64,
    high: u64,
}

impl Digest {
    /// Adds a number.
    pub fn number(&mut self, value: u64) {
        self.low = mix(self.low ^ value).wrapping_add(0x2545_f491_4f6c_dd1d);
        self.high = mix(self.high.rotate_left(23) ^ self.low ^ value.rotate_left(32));
    }

    /// Adds bytes and how many they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        let mut lane = self.low;
        for word in words {
            lane = (lane ^ u64::from_le_bytes(*word)).wrapping_mul(0x9fb2_1c65_1e98_df25);
            lane ^= lane >> 32;
        }
        for byte in rest {
            lane = (lane ^ u64::from(*byte)).wrapping_mul(0x9fb2_1c65_1e98_df25);
            lane ^= lane >> 32;
        }
        self.number(lane);
    }

    /// The hash so far.
    pub fn value(self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }
}

/// The hash of a piece of content.
pub fn hash_of(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.bytes(bytes);
    digest.value() as u64
}

/// What kind of call an I/O is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IoKind {
    /// An open of a file that exists, or one that fails.
    Open,
    /// An open that makes the file.
    Create,
    Read,
    /// A read that did not have to wait for the disk.
    ReadNow,
    Write,
    Len,
    SetLen,
    Allocate,
    Sync,
    Lock,
    Rename,
    Unlink,
    List,
    SyncDir,
}

impl IoKind {
    /// Every kind.
    pub const ALL: [IoKind; 14] = [
        IoKind::Open,
        IoKind::Create,
        IoKind::Read,
        IoKind::ReadNow,
        IoKind::Write,
        IoKind::Len,
        IoKind::SetLen,
        IoKind::Allocate,
        IoKind::Sync,
        IoKind::Lock,
        IoKind::Rename,
        IoKind::Unlink,
        IoKind::List,
        IoKind::SyncDir,
    ];

    /// Whether a call of this kind can change what a later life finds: bytes, lengths, names, or what of it is durable.
    pub fn changes(self) -> bool {
        self.alters() || matches!(self, IoKind::Sync | IoKind::SyncDir)
    }

    /// Whether a call of this kind alters bytes, lengths or names.
    pub fn alters(self) -> bool {
        matches!(
            self,
            IoKind::Create
                | IoKind::Write
                | IoKind::SetLen
                | IoKind::Allocate
                | IoKind::Rename
                | IoKind::Unlink
        )
    }
}

/// One finished I/O.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which I/O of its life, from 0.
    pub index: u64,
    /// Which life, from 0.
    pub life: u32,
    pub kind: IoKind,
    pub path: Arc<Path>,
    /// Where in the file, in bytes; 0 for calls that name no place.
    pub offset: u64,
    /// How many bytes were asked for.
    pub len: u64,
    /// The hash of the bytes written or read.
    pub content: u64,
    /// The count that came back, or the error.
    pub result: Result<u64, VfsErrorKind>,
}

impl Entry {
    /// Adds what was done, and not when.
    fn add_to(&self, digest: &mut Digest) {
        digest.number(self.kind as u64);
        digest.bytes(self.path.as_os_str().as_encoded_bytes());
        digest.number(self.offset);
        digest.number(self.len);
        digest.number(self.content);
        match self.result {
            Ok(count) => digest.number(count),
            Err(kind) => digest.number(u64::MAX - kind as u64),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{} {:?} {} @{}+{} #{:016x} -> ",
            self.life,
            self.index,
            self.kind,
            self.path.display(),
            self.offset,
            self.len,
            self.content
        )?;
        match self.result {
            Ok(count) => write!(f, "{count}"),
            Err(kind) => write!(f, "{kind:?}"),
        }
    }
}

/// The record of a run. The hash covers all of it; the last entries are kept for people.
#[derive(Clone, Debug)]
pub struct Trace {
    digest: Digest,
    /// Of the I/Os that change something alone.
    changes: Digest,
    count: u64,
    kept: std::collections::VecDeque<Entry>,
    keep: usize,
}

impl Trace {
    /// A trace that keeps the last `keep` entries.
    pub fn keeping(keep: usize) -> Self {
        Self {
            digest: Digest::default(),
            changes: Digest::default(),
            count: 0,
            kept: std::collections::VecDeque::new(),
            keep,
        }
    }

    /// Adds an I/O.
    pub fn push(&mut self, entry: Entry) {
        self.digest.number(u64::from(entry.life));
        self.digest.number(entry.index);
        entry.add_to(&mut self.digest);
        if entry.kind.changes() {
            entry.add_to(&mut self.changes);
        }
        self.count += 1;
        if self.keep > 0 {
            if self.kept.len() == self.keep {
                self.kept.pop_front();
            }
            self.kept.push_back(entry);
        }
    }

    /// Adds something that is no I/O and yet must be equal in two runs of one seed: a crash, a resolution.
    pub fn mark(&mut self, value: u64) {
        self.digest.number(value);
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u128 {
        self.digest.value()
    }

    /// The hash of everything so far that changes bytes, lengths, names, or what of them is durable.
    pub fn changes_hash(&self) -> u128 {
        self.changes.value()
    }

    /// How many I/Os there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The entries that were kept, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.kept.iter()
    }
}

impl fmt::Display for Trace {
    /// One line an I/O, after one that says how many were not kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.count - self.kept.len() as u64;
        writeln!(
            f,
            "# {} I/Os, the first {lost} not kept, hash {:032x}",
            self.count,
            self.hash()
        )?;
        for entry in &self.kept {
            writeln!(f, "{entry}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> Entry {
        Entry {
            index,
            life: 0,
            kind: IoKind::Write,
            path: Arc::from(Path::new("/db/x")),
            offset: 8,
            len: 3,
            content: hash_of(b"abc"),
            result: Ok(3),
        }
    }

    #[test]
    fn every_field_of_an_entry_moves_the_hash() {
        let changes: [fn(&mut Entry); 8] = [
            |e| e.index += 1,
            |e| e.life += 1,
            |e| e.kind = IoKind::Read,
            |e| e.path = Arc::from(Path::new("/db/y")),
            |e| e.offset += 1,
            |e| e.len += 1,
            |e| e.content ^= 1,
            |e| e.result = Err(VfsErrorKind::Io),
        ];
        let hash = |e: Entry| {
            let mut trace = Trace::keeping(0);
            trace.push(e);
            trace.hash()
        };
        let mut seen = std::collections::BTreeSet::from([hash(entry(0))]);
        for change in changes {
            let mut changed = entry(0);
            change(&mut changed);
            assert!(seen.insert(hash(changed)));
        }
    }

    #[test]
    fn only_changes_move_the_hash_of_changes() {
        let hash = |kinds: &[IoKind]| {
            let mut trace = Trace::keeping(0);
            for (i, kind) in (0..).zip(kinds) {
                trace.push(Entry {
                    kind: *kind,
                    ..entry(i)
                });
            }
            trace.changes_hash()
        };
        let (read, write, sync) = (IoKind::Read, IoKind::Write, IoKind::Sync);
        assert_eq!(hash(&[read, write, read, sync]), hash(&[write, sync]));
        assert_ne!(hash(&[write, sync]), hash(&[sync, write]));
        assert_ne!(hash(&[write, sync]), hash(&[write]));
    }

    #[test]
    fn order_moves_the_hash_and_the_kept_entries_do_not() {
        let run = |order: [u64; 2], keep| {
            let mut trace = Trace::keeping(keep);
            order.iter().for_each(|i| trace.push(entry(*i)));
            trace
        };
        assert_ne!(run([1, 2], 9).hash(), run([2, 1], 9).hash());
        assert_eq!(run([1, 2], 9).hash(), run([1, 2], 1).hash());
        assert_eq!(run([1, 2], 1).entries().count(), 1);
        assert!(run([1, 2], 1).to_string().contains("0.2 Write /db/x @8+3"));
    }

    #[test]
    fn bytes_differ_from_bytes_with_a_zero_appended() {
        assert_ne!(hash_of(b"ab"), hash_of(b"ab\0"));
        assert_ne!(hash_of(b""), hash_of(b"\0"));
    }
}
