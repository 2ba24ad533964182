//! A disk in memory that forgets and tears what was not synced.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::vfs::{OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult};

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Debug, Default)]
struct State {
    durable: Vec<u8>,
    cache: Vec<u8>,
    pending: Vec<Op>,
    /// Operations that may change something: writes, allocations, cuts, syncs.
    ops: u64,
    /// From this operation on nothing happens any more and everything fails.
    stop_at: Option<u64>,
    /// After so many more syncs one fails; what it would have covered stays in the cache and is never written.
    fail_sync: Option<u64>,
    /// The next write fails once, having taken this many bytes.
    fail_write: Option<usize>,
    /// No file is longer than this.
    capacity: Option<u64>,
    /// Reads and writes take at most this many bytes a call.
    piece: Option<usize>,
    writes: u64,
    syncs: u64,
    dir_syncs: u64,
    lengths_changed: u64,
    /// The most bytes that went with one cut.
    longest_cut: usize,
}

/// One file on the disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// What becomes of operations that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    KeepAll,
    DropAll,
    /// Each operation by a coin, each atom of a kept write new, old, zero or garbage.
    Torn {
        seed: u64,
        atom: usize,
    },
    /// Everything but one operation, counted from the end.
    AllBut(usize),
    /// Nothing but one operation, counted from the end.
    Only(usize),
}

fn failed(kind: VfsErrorKind, op: &'static str) -> VfsError {
    VfsError {
        kind,
        op,
        path: PathBuf::from("log"),
        offset: None,
        effect_unknown: true,
        message: "injected".to_owned(),
    }
}

fn apply(bytes: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write(offset, data) => {
            let offset = *offset as usize;
            if bytes.len() < offset + data.len() {
                bytes.resize(offset + data.len(), 0);
            }
            bytes[offset..offset + data.len()].copy_from_slice(data);
        }
        Op::SetLen(len) => bytes.resize(*len as usize, 0),
    }
}

/// Applies a write atom by atom; an atom that the write covers only partly may lose its neighbours too.
fn apply_torn(bytes: &mut Vec<u8>, offset: u64, data: &[u8], atom: usize, rng: &mut fastrand::Rng) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    let mut at = start / atom * atom;
    while at < end {
        let whole = at..(at + atom).min(bytes.len());
        let (from, to) = (at.max(start), (at + atom).min(end));
        match rng.u8(0..8) {
            0 | 1 => {}
            2 => bytes[whole].fill(0),
            3 => bytes[whole].fill_with(|| rng.u8(..)),
            _ => bytes[from..to].copy_from_slice(&data[from - start..to - start]),
        }
        at += atom;
    }
}

impl Disk {
    pub fn with_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            durable: bytes.clone(),
            cache: bytes,
            ..State::default()
        })))
    }

    /// What the file reads now.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().cache.clone()
    }

    /// The file as another process finds it after this one was killed. What a failed sync lost stays lost.
    pub fn after_kill(&self) -> Self {
        let state = self.0.lock();
        Self(Arc::new(Mutex::new(State {
            durable: state.durable.clone(),
            cache: state.cache.clone(),
            pending: state.pending.clone(),
            ..State::default()
        })))
    }

    /// The file after the power was cut.
    pub fn after_power_cut(&self, loss: Loss) -> Self {
        let state = self.0.lock();
        let mut bytes = state.durable.clone();
        let count = state.pending.len();
        let mut rng = fastrand::Rng::with_seed(match loss {
            Loss::Torn { seed, .. } => seed,
            _ => 0,
        });
        for (i, op) in state.pending.iter().enumerate() {
            match loss {
                Loss::KeepAll => apply(&mut bytes, op),
                Loss::DropAll => {}
                Loss::AllBut(back) if i + 1 + back == count => {}
                Loss::AllBut(_) => apply(&mut bytes, op),
                Loss::Only(back) if i + 1 + back == count => apply(&mut bytes, op),
                Loss::Only(_) => {}
                Loss::Torn { .. } if rng.u8(0..4) == 0 => {}
                Loss::Torn { atom, .. } => match op {
                    Op::Write(offset, data) if rng.bool() => {
                        apply_torn(&mut bytes, *offset, data, atom, &mut rng);
                    }
                    op => apply(&mut bytes, op),
                },
            }
        }
        Self::with_bytes(bytes)
    }

    pub fn stop_at(&self, op: u64) {
        let mut state = self.0.lock();
        state.stop_at = Some(state.ops + op);
    }

    pub fn has_stopped(&self) -> bool {
        let state = self.0.lock();
        state.stop_at.is_some_and(|at| state.ops > at)
    }

    pub fn fail_next_sync(&self) {
        self.fail_sync_after(0);
    }

    pub fn fail_sync_after(&self, syncs: u64) {
        self.0.lock().fail_sync = Some(syncs);
    }

    pub fn fail_next_write(&self, taken: usize) {
        self.0.lock().fail_write = Some(taken);
    }

    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    pub fn set_piece(&self, bytes: usize) {
        self.0.lock().piece = Some(bytes);
    }

    pub fn writes(&self) -> u64 {
        self.0.lock().writes
    }

    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    pub fn dir_syncs(&self) -> u64 {
        self.0.lock().dir_syncs
    }

    pub fn lengths_changed(&self) -> u64 {
        self.0.lock().lengths_changed
    }

    pub fn longest_cut(&self) -> usize {
        self.0.lock().longest_cut
    }
}

impl State {
    /// Counts an operation. The one at which the disk stops may still happen, unsynced.
    fn step(&mut self, op: Option<Op>, name: &'static str) -> VfsResult<()> {
        self.ops += 1;
        let stopped = self.stop_at.map(|at| self.ops.cmp(&(at + 1)));
        if stopped != Some(std::cmp::Ordering::Greater)
            && let Some(op) = op
        {
            let before = self.cache.len();
            apply(&mut self.cache, &op);
            self.lengths_changed += u64::from(self.cache.len() != before);
            self.longest_cut = self
                .longest_cut
                .max(before.saturating_sub(self.cache.len()));
            self.pending.push(op);
        }
        match stopped {
            Some(std::cmp::Ordering::Less) | None => Ok(()),
            _ => Err(failed(VfsErrorKind::Io, name)),
        }
    }
}

impl Vfs for Disk {
    fn open(&self, _: &Path, _: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        Ok(Arc::new(self.clone()))
    }

    fn rename(&self, _: &Path, _: &Path) -> VfsResult<()> {
        Err(failed(VfsErrorKind::Unsupported, "rename"))
    }

    fn unlink(&self, _: &Path) -> VfsResult<()> {
        Err(failed(VfsErrorKind::Unsupported, "unlink"))
    }

    fn list(&self, _: &Path) -> VfsResult<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn sync_dir(&self, _: &Path) -> VfsResult<()> {
        let mut state = self.0.lock();
        state.dir_syncs += 1;
        state.step(None, "sync directory")
    }
}

impl VfsFile for Disk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let state = self.0.lock();
        let start = (offset as usize).min(state.cache.len());
        let mut n = buf.len().min(state.cache.len() - start);
        n = n.min(state.piece.unwrap_or(n));
        buf[..n].copy_from_slice(&state.cache[start..start + n]);
        Ok(n)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        let mut state = self.0.lock();
        state.writes += 1;
        if let Some(taken) = state.fail_write.take() {
            let op = Op::Write(offset, buf[..taken.min(buf.len())].to_vec());
            state.step(Some(op), "write")?;
            return Err(failed(VfsErrorKind::Io, "write"));
        }
        let n = buf.len().min(state.piece.unwrap_or(buf.len()));
        state.step(Some(Op::Write(offset, buf[..n].to_vec())), "write")?;
        Ok(n)
    }

    fn len(&self) -> VfsResult<u64> {
        Ok(self.0.lock().cache.len() as u64)
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        self.0.lock().step(Some(Op::SetLen(len)), "set length")
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        let mut state = self.0.lock();
        if state.capacity.is_some_and(|c| offset + len > c) {
            return Err(failed(VfsErrorKind::NoSpace, "allocate"));
        }
        let end = (offset + len).max(state.cache.len() as u64);
        state.step(Some(Op::SetLen(end)), "allocate")
    }

    fn sync_data(&self) -> VfsResult<()> {
        let mut state = self.0.lock();
        state.syncs += 1;
        let left = state.fail_sync.take();
        state.fail_sync = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) {
            state.pending.clear();
            state.step(None, "sync")?;
            return Err(failed(VfsErrorKind::Io, "sync"));
        }
        state.step(None, "sync")?;
        let pending = std::mem::take(&mut state.pending);
        for op in &pending {
            apply(&mut state.durable, op);
        }
        Ok(())
    }

    fn sync_all(&self) -> VfsResult<()> {
        self.sync_data()
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        Ok(())
    }

    fn path(&self) -> &Path {
        Path::new("log")
    }
}
