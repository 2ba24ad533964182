//! Cells in the order of their trees and keys, however many. They wait in memory up to a bound; beyond it, sorted runs of
//! them wait in a file that has no name.
//!
//! ```text
//! file   = run*
//! run    = record*, in order
//! record = tree (4 bytes, little endian), length of the key (4), length of the value (4), key, value
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::Error;
use crate::storage::read::RootId;
use crate::vfs::{OpenMode, Vfs, VfsFile, read_exact_at, write_all_at};

/// Memory of cells that is asked for at once, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes of a run that are written or read together.
const BUFFER_BYTES: usize = 256 << 10;
const HEADER_BYTES: usize = 12;

/// Takes what the sorter has, in order: the tree, the key, the value.
type Take<'t> = dyn FnMut(RootId, &[u8], &[u8]) -> Result<(), Error> + 't;

/// A cell in memory.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The first bytes of the key, as a number.
    beginning: u128,
    root: RootId,
    chunk: u32,
    /// Where in the chunk its record begins.
    at: u32,
}

/// Records, one behind the other, that do not move.
#[derive(Debug, Default)]
struct Arena {
    chunks: Vec<Vec<u8>>,
    bytes: usize,
}

impl Arena {
    fn push(&mut self, root: RootId, key: &[u8], value: &[u8]) -> (u32, u32) {
        let len = HEADER_BYTES + key.len() + value.len();
        let has_room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= len;
        if !self.chunks.last().is_some_and(has_room) {
            let capacity = len.max(CHUNK_BYTES);
            self.bytes += capacity;
            self.chunks.push(Vec::with_capacity(capacity));
        }
        let at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[at];
        let start = chunk.len();
        chunk.extend_from_slice(&root.0.to_le_bytes());
        chunk.extend_from_slice(&(key.len() as u32).to_le_bytes());
        chunk.extend_from_slice(&(value.len() as u32).to_le_bytes());
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(value);
        (at as u32, start as u32)
    }

    fn record(&self, place: &Place) -> Record<'_> {
        Record::first_of(&self.chunks[place.chunk as usize][place.at as usize..])
    }
}

/// A record where it stands.
#[derive(Clone, Copy, Debug)]
struct Record<'a> {
    bytes: &'a [u8],
    key_bytes: usize,
}

impl<'a> Record<'a> {
    fn first_of(bytes: &'a [u8]) -> Self {
        let word = |at: usize| {
            let word = bytes[at..].first_chunk().expect("a record has a header");
            u32::from_le_bytes(*word) as usize
        };
        let (key_bytes, value_bytes) = (word(4), word(8));
        Self {
            bytes: &bytes[..HEADER_BYTES + key_bytes + value_bytes],
            key_bytes,
        }
    }

    fn key(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..HEADER_BYTES + self.key_bytes]
    }

    fn value(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES + self.key_bytes..]
    }
}

/// The first bytes of a key, as a number that compares as they do.
fn beginning(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let len = key.len().min(bytes.len());
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}

/// Cells that are being collected.
#[derive(Debug)]
pub(super) struct Sorter<'v> {
    vfs: &'v dyn Vfs,
    /// Where the file of runs is made.
    path: PathBuf,
    memory_bytes: usize,
    arena: Arena,
    places: Vec<Place>,
    runs: Option<Runs>,
}

/// Runs in a file.
#[derive(Debug)]
struct Runs {
    file: Arc<dyn VfsFile>,
    /// Where each of them ends.
    ends: Vec<u64>,
}

impl<'v> Sorter<'v> {
    /// Keeps about `memory_bytes` bytes in memory, and what is more in a file that is made at `path` and loses its name at
    /// once.
    pub(super) fn new(vfs: &'v dyn Vfs, path: &Path, memory_bytes: usize) -> Self {
        Self {
            vfs,
            path: path.to_path_buf(),
            memory_bytes,
            arena: Arena::default(),
            places: Vec::new(),
            runs: None,
        }
    }

    /// Takes a cell. Of those with the same key an earlier one comes first.
    pub(super) fn add(&mut self, root: RootId, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (chunk, at) = self.arena.push(root, key, value);
        self.places.push(Place {
            beginning: beginning(key),
            root,
            chunk,
            at,
        });
        if self.arena.bytes + self.places.len() * size_of::<Place>() > self.memory_bytes {
            self.write_run()?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        self.places.sort_unstable_by(|a, b| {
            let by_beginning = (a.root, a.beginning).cmp(&(b.root, b.beginning));
            by_beginning
                .then_with(|| arena.record(a).key().cmp(arena.record(b).key()))
                .then_with(|| (a.chunk, a.at).cmp(&(b.chunk, b.at)))
        });
    }

    fn write_run(&mut self) -> Result<(), Error> {
        self.sort();
        let runs = match &mut self.runs {
            Some(runs) => runs,
            None => {
                let file = self.vfs.open(&self.path, OpenMode::CreateNew)?;
                self.vfs.unlink(&self.path)?;
                let ends = Vec::new();
                self.runs.insert(Runs { file, ends })
            }
        };
        let mut end = runs.ends.last().copied().unwrap_or(0);
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        for place in &self.places {
            buffer.extend_from_slice(self.arena.record(place).bytes);
            if buffer.len() >= BUFFER_BYTES {
                write_all_at(&*runs.file, &buffer, end)?;
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        write_all_at(&*runs.file, &buffer, end)?;
        runs.ends.push(end + buffer.len() as u64);
        self.arena = Arena::default();
        self.places.clear();
        Ok(())
    }

    /// Hands everything to `take`, in order.
    pub(super) fn drain(mut self, take: &mut Take<'_>) -> Result<(), Error> {
        if self.runs.is_some() {
            self.write_run()?;
        }
        match self.runs.take() {
            Some(runs) => runs.merge(take),
            None => {
                self.sort();
                for place in &self.places {
                    let record = self.arena.record(place);
                    take(place.root, record.key(), record.value())?;
                }
                Ok(())
            }
        }
    }
}

/// A run that is being read.
struct Run {
    file: Arc<dyn VfsFile>,
    /// What was read together, and how far it is used.
    buffer: Vec<u8>,
    used: usize,
    /// Where in the file what follows the buffer stands, and where the run ends.
    at: u64,
    end: u64,
}

/// The next record of a run.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    root: RootId,
    key: Vec<u8>,
    /// Of those with the same key the one from the earlier run comes first.
    run: usize,
    value: Vec<u8>,
}

impl Run {
    /// The next record, in the memory of one that is done with.
    fn next(&mut self, run: usize, spare: Option<Head>) -> Result<Option<Head>, Error> {
        if self.used == self.buffer.len() && self.at == self.end {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        self.fill(&mut header)?;
        let word = |n: usize| u32::from_le_bytes(header.as_chunks().0[n]);
        let mut head = spare.unwrap_or_default();
        (head.root, head.run) = (RootId(word(0)), run);
        head.key.resize(word(1) as usize, 0);
        self.fill(&mut head.key)?;
        head.value.resize(word(2) as usize, 0);
        self.fill(&mut head.value)?;
        Ok(Some(head))
    }

    fn fill(&mut self, mut out: &mut [u8]) -> Result<(), Error> {
        while !out.is_empty() {
            if self.used == self.buffer.len() {
                let len = (self.end - self.at).min(BUFFER_BYTES as u64);
                assert!(len > 0, "a run has whole records");
                self.buffer.resize(len as usize, 0);
                read_exact_at(&*self.file, &mut self.buffer, self.at)?;
                self.at += len;
                self.used = 0;
            }
            let ready = &self.buffer[self.used..];
            let (now, later) = out.split_at_mut(ready.len().min(out.len()));
            now.copy_from_slice(&ready[..now.len()]);
            self.used += now.len();
            out = later;
        }
        Ok(())
    }
}

impl Runs {
    fn merge(self, take: &mut Take<'_>) -> Result<(), Error> {
        let mut start = 0;
        let mut runs = Vec::new();
        let mut heads = BinaryHeap::new();
        for (number, end) in self.ends.iter().enumerate() {
            let mut run = Run {
                file: Arc::clone(&self.file),
                buffer: Vec::new(),
                used: 0,
                at: start,
                end: *end,
            };
            heads.extend(run.next(number, None)?.map(Reverse));
            runs.push(run);
            start = *end;
        }
        while let Some(Reverse(head)) = heads.pop() {
            take(head.root, &head.key, &head.value)?;
            let run = head.run;
            heads.extend(runs[run].next(run, Some(head))?.map(Reverse));
        }
        Ok(())
    }
}
