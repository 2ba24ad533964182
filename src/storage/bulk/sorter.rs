//! Cells in the order of their trees and keys, however many. They wait in memory up to a bound; beyond it, sorted runs of
//! them wait in a file that has no name.
//!
//! ```text
//! file   = run*
//! run    = record*, in order
//! record = tree (4 bytes, little endian), length of the key (4), length of the value (4), key, value
//! ```

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::BulkError;
use crate::storage::read::RootId;
use crate::storage::{Error, prefetch, scattered_memory};
use crate::vfs::{OpenMode, Vfs, VfsFile, read_exact_at, write_all_at};

/// Memory of cells that is asked for at once, in bytes.
const CHUNK_BYTES: usize = 32 << 20;
/// Bytes of a run that are written or read together.
const BUFFER_BYTES: usize = 256 << 10;
const HEADER_BYTES: usize = 12;

/// Cells that are sought in memory before they are taken.
const AHEAD: usize = 8;
const LINE_BYTES: usize = 64;

/// Takes what sorters have, in order: the tree, the key, the value.
type Take<'t> = dyn FnMut(RootId, &[u8], &[u8]) -> Result<(), BulkError> + 't;

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
            self.chunks.push(scattered_memory(len.max(CHUNK_BYTES)));
        }
        self.bytes += len;
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
        Self {
            bytes: &bytes[..record_bytes(bytes)],
            key_bytes: word(bytes, 4),
        }
    }

    fn key(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..HEADER_BYTES + self.key_bytes]
    }

    fn value(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES + self.key_bytes..]
    }
}

/// A number of a record's header.
fn word(record: &[u8], at: usize) -> usize {
    let word = record[at..].first_chunk().expect("a record has a header");
    u32::from_le_bytes(*word) as usize
}

/// Bytes of the record that begins here.
fn record_bytes(bytes: &[u8]) -> usize {
    HEADER_BYTES + word(bytes, 4) + word(bytes, 8)
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

    /// Takes a cell.
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

    /// Puts what waits in memory in order. To see that it is takes one look at each.
    pub(super) fn sort(&mut self) {
        let arena = &self.arena;
        self.places.sort_unstable_by(|a, b| {
            let by_beginning = (a.root, a.beginning).cmp(&(b.root, b.beginning));
            by_beginning.then_with(|| arena.record(a).key().cmp(arena.record(b).key()))
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

    /// Everything that it has, as sources that each are in order.
    fn into_sources(mut self) -> Result<Vec<Source>, Error> {
        self.sort();
        let mut sources = Vec::new();
        if let Some(runs) = self.runs {
            let mut at = 0;
            for end in runs.ends {
                let mut run = Run {
                    file: Arc::clone(&runs.file),
                    buffer: Vec::new(),
                    used: 0,
                    at,
                    end,
                    head: None,
                };
                run.next()?;
                sources.push(Source::Run(run));
                at = end;
            }
        }
        sources.push(Source::Memory(Memory {
            arena: self.arena,
            places: self.places,
            next: 0,
        }));
        Ok(sources)
    }
}

/// Hands everything that the sorters have to `take`, in order.
pub(super) fn merge(sorters: Vec<Sorter<'_>>, take: &mut Take<'_>) -> Result<(), BulkError> {
    let mut sources = Vec::new();
    for sorter in sorters {
        sources.extend(sorter.into_sources()?);
    }
    loop {
        let heads = sources.iter().enumerate();
        let heads = heads.filter_map(|(at, source)| Some((source.head()?, at)));
        let Some((head, at)) = heads.min_by(|(a, _), (b, _)| a.cmp(b)) else {
            return Ok(());
        };
        take(head.root, head.record.key(), head.record.value())?;
        sources[at].advance()?;
    }
}

/// Cells in order.
enum Source {
    Memory(Memory),
    Run(Run),
}

/// The next cell of a source.
#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    root: RootId,
    beginning: u128,
    record: Record<'a>,
}

impl Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_beginning = (self.root, self.beginning).cmp(&(other.root, other.beginning));
        by_beginning.then_with(|| self.record.key().cmp(other.record.key()))
    }
}

impl Source {
    fn head(&self) -> Option<Head<'_>> {
        match self {
            Self::Memory(memory) => {
                let place = memory.places.get(memory.next)?;
                Some(Head {
                    root: place.root,
                    beginning: place.beginning,
                    record: memory.arena.record(place),
                })
            }
            Self::Run(run) => {
                let (root, beginning, bytes) = run.head.as_ref()?;
                Some(Head {
                    root: *root,
                    beginning: *beginning,
                    record: Record::first_of(bytes),
                })
            }
        }
    }

    fn advance(&mut self) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => {
                memory.next += 1;
                if let Some(place) = memory.places.get(memory.next + AHEAD) {
                    let record = &memory.arena.chunks[place.chunk as usize][place.at as usize..];
                    prefetch(&record[0]);
                    prefetch(&record[LINE_BYTES.min(record.len() - 1)]);
                }
                Ok(())
            }
            Self::Run(run) => run.next(),
        }
    }
}

/// Sorted cells in memory.
struct Memory {
    arena: Arena,
    places: Vec<Place>,
    next: usize,
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
    /// The next record: its tree, the beginning of its key, its bytes.
    head: Option<(RootId, u128, Vec<u8>)>,
}

impl Run {
    /// Goes to the next record.
    fn next(&mut self) -> Result<(), Error> {
        let spare = self.head.take();
        if self.used == self.buffer.len() && self.at == self.end {
            return Ok(());
        }
        let mut bytes = spare.map_or_else(Vec::new, |(.., bytes)| bytes);
        bytes.resize(HEADER_BYTES, 0);
        self.fill(&mut bytes)?;
        bytes.resize(record_bytes(&bytes), 0);
        self.fill(&mut bytes[HEADER_BYTES..])?;
        let root = RootId(word(&bytes, 0) as u32);
        let beginning = beginning(Record::first_of(&bytes).key());
        self.head = Some((root, beginning, bytes));
        Ok(())
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
