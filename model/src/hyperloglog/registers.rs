//! The two encodings of 16,384 registers.
//!
//! ```text
//! offset  size  meaning
//! 0       4     "HYLL"
//! 4       1     0 dense, 1 sparse
//! 5       3     zero
//! 8       8     the last count, little-endian; its highest bit says that it is out of date
//! 16            the registers
//! ```
//!
//! Dense: six bits a register, from the low bits of each byte up. Sparse: runs, each one or two bytes.

pub const REGISTERS: usize = 16_384;

const HEADER_BYTES: usize = 16;

const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;

/// A sparse sketch that would grow beyond this becomes dense: `hll-sparse-max-bytes`.
const SPARSE_BYTES_MAX: usize = 3000;

/// The highest rank a sparse run can hold.
const SPARSE_RANK_MAX: u8 = 32;

/// How many registers have each rank.
pub type Histogram = [i32; 64];

/// All registers, one byte each.
pub struct Registers(Vec<u8>);

impl Default for Registers {
    fn default() -> Registers {
        Registers(vec![0; REGISTERS])
    }
}

impl Registers {
    pub fn merge(&mut self, other: &Registers) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.iter().copied()
    }

    pub fn histogram(&self) -> Histogram {
        let mut histogram = [0; 64];
        self.iter()
            .for_each(|rank| histogram[usize::from(rank)] += 1);
        histogram
    }
}

/// The register an element belongs to, and its rank: the position of the first set bit of the rest of
/// its hash.
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element, 0xadc8_3b19);
    let rest = hash >> 14 | 1 << 50;
    (
        (hash % REGISTERS as u64) as usize,
        rest.trailing_zeros() as u8 + 1,
    )
}

/// MurmurHash2, the 64-bit variant A.
fn murmur(data: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = seed ^ (data.len() as u64).wrapping_mul(MULTIPLIER);
    let mut chunks = data.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        word = word.wrapping_mul(MULTIPLIER);
        word ^= word >> 47;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 47
}

/// Registers in a row with the same rank, as the sparse encoding writes them.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    /// Up to 64 empty registers, one byte.
    Zeroes(usize),
    /// Up to 16,384 empty registers, two bytes.
    ManyZeroes(usize),
    /// The same without its second byte, where the string ends too early.
    CutOff(usize),
    /// Up to four registers of one rank, one byte.
    Ranks(u8, usize),
}

impl Run {
    fn zeroes(length: usize) -> Run {
        if length > 64 {
            Run::ManyZeroes(length)
        } else {
            Run::Zeroes(length)
        }
    }

    fn length(self) -> usize {
        match self {
            Run::Zeroes(length) | Run::ManyZeroes(length) | Run::CutOff(length) => length,
            Run::Ranks(_, length) => length,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Run::Ranks(rank, _) => rank,
            Run::Zeroes(_) | Run::ManyZeroes(_) | Run::CutOff(_) => 0,
        }
    }

    fn same(self, length: usize) -> Run {
        match self {
            Run::Ranks(rank, _) => Run::Ranks(rank, length),
            Run::Zeroes(_) | Run::ManyZeroes(_) | Run::CutOff(_) => Run::zeroes(length),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        match self {
            Run::Zeroes(length) => out.push((length - 1) as u8),
            Run::ManyZeroes(length) => {
                out.extend([0x40 | ((length - 1) >> 8) as u8, (length - 1) as u8])
            }
            Run::CutOff(length) => out.push(0x40 | ((length - 1) >> 8) as u8),
            Run::Ranks(rank, length) => out.push(0x80 | (rank - 1) << 2 | (length - 1) as u8),
        }
    }

    fn bytes(self) -> usize {
        if matches!(self, Run::ManyZeroes(_)) {
            2
        } else {
            1
        }
    }
}

fn read_runs(bytes: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let low = usize::from(byte & 0x3f);
        let run = match byte >> 6 {
            0 => Run::Zeroes(low + 1),
            1 => match bytes.get(index + 1) {
                Some(&next) => Run::ManyZeroes((low << 8 | usize::from(next)) + 1),
                None => Run::CutOff((low << 8) + 1),
            },
            _ => Run::Ranks((byte >> 2 & 0x1f) + 1, usize::from(byte & 3) + 1),
        };
        index += run.bytes();
        runs.push(run);
    }
    runs
}

fn total(runs: &[Run]) -> usize {
    runs.iter().map(|run| run.length()).sum()
}

enum Body {
    Dense(Vec<u8>),
    Sparse(Vec<Run>),
}

/// A sketch as it is stored.
pub struct Sketch {
    header: Vec<u8>,
    body: Body,
}

impl Sketch {
    /// A sketch without elements; its remembered count of zero is up to date.
    pub fn empty() -> Sketch {
        let mut header = b"HYLL\x01".to_vec();
        header.resize(HEADER_BYTES, 0);
        Sketch {
            header,
            body: Body::Sparse(vec![Run::ManyZeroes(REGISTERS)]),
        }
    }

    /// Reads a sketch; nothing if the bytes are not one. Sparse runs may still be inconsistent.
    pub fn read(bytes: &[u8]) -> Option<Sketch> {
        if bytes.len() < HEADER_BYTES || &bytes[..4] != b"HYLL" {
            return None;
        }
        let (header, rest) = bytes.split_at(HEADER_BYTES);
        let body = match header[4] {
            0 if bytes.len() == DENSE_BYTES => Body::Dense(rest.to_vec()),
            1 => Body::Sparse(read_runs(rest)),
            _ => return None,
        };
        Some(Sketch {
            header: header.to_vec(),
            body,
        })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        match &self.body {
            Body::Dense(registers) => bytes.extend_from_slice(registers),
            Body::Sparse(runs) => runs.iter().for_each(|run| run.write(&mut bytes)),
        }
        bytes
    }

    pub fn is_dense(&self) -> bool {
        matches!(self.body, Body::Dense(_))
    }

    pub fn remembered_count(&self) -> Option<u64> {
        let count = u64::from_le_bytes(self.header[8..16].try_into().expect("eight bytes"));
        (count >> 63 == 0).then_some(count)
    }

    pub fn remember_count(&mut self, count: u64) {
        self.header[8..16].copy_from_slice(&count.to_le_bytes());
    }

    pub fn forget_count(&mut self) {
        self.header[15] |= 0x80;
    }

    /// All registers; nothing if the runs do not cover exactly all of them.
    pub fn registers(&self) -> Option<Registers> {
        let ranks: Vec<u8> = match &self.body {
            Body::Dense(bytes) => (0..REGISTERS)
                .map(|index| dense_rank(bytes, index))
                .collect(),
            Body::Sparse(runs) if total(runs) == REGISTERS => runs
                .iter()
                .flat_map(|run| std::iter::repeat_n(run.rank(), run.length()))
                .collect(),
            Body::Sparse(_) => return None,
        };
        Some(Registers(ranks))
    }

    /// How many registers have each rank; nothing if the runs do not add up to all registers.
    pub fn histogram(&self) -> Option<Histogram> {
        self.registers().map(|registers| registers.histogram())
    }

    /// Whether the runs go beyond the last register.
    pub fn is_overlong(&self) -> bool {
        match &self.body {
            Body::Dense(_) => false,
            Body::Sparse(runs) => total(runs) > REGISTERS,
        }
    }

    /// The runs as PFDEBUG shows them; nothing if the sketch is dense.
    pub fn shown_runs(&self) -> Option<String> {
        let Body::Sparse(runs) = &self.body else {
            return None;
        };
        let shown = runs.iter().map(|run| match run {
            Run::Zeroes(length) => format!("z:{length}"),
            Run::ManyZeroes(length) | Run::CutOff(length) => format!("Z:{length}"),
            Run::Ranks(rank, length) => format!("v:{rank},{length}"),
        });
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    pub fn make_dense(&mut self) -> Option<()> {
        if self.is_dense() {
            return Some(());
        }
        let registers = self.registers()?;
        let mut bytes = vec![0; REGISTERS * 6 / 8];
        for (index, rank) in registers.iter().enumerate() {
            put_dense_rank(&mut bytes, index, rank);
        }
        self.header[4] = 0;
        self.body = Body::Dense(bytes);
        Some(())
    }

    /// Raises a register to at least this rank. Tells whether it changed; nothing if the sketch is
    /// inconsistent.
    pub fn raise(&mut self, index: usize, rank: u8) -> Option<bool> {
        match &mut self.body {
            Body::Dense(bytes) => {
                let lower = dense_rank(bytes, index) < rank;
                if lower {
                    put_dense_rank(bytes, index, rank);
                }
                Some(lower)
            }
            Body::Sparse(runs) => {
                let raised = if rank > SPARSE_RANK_MAX {
                    Raised::TooBig
                } else {
                    raise_sparse(runs, index, rank)?
                };
                match raised {
                    Raised::No => Some(false),
                    Raised::Yes => {
                        self.forget_count();
                        Some(true)
                    }
                    Raised::TooBig => {
                        self.make_dense()?;
                        self.raise(index, rank)
                    }
                }
            }
        }
    }
}

enum Raised {
    No,
    Yes,
    /// The sparse encoding cannot hold it.
    TooBig,
}

/// Splits the run that covers the register and merges what became equal. Nothing if no run covers it.
fn raise_sparse(runs: &mut Vec<Run>, index: usize, rank: u8) -> Option<Raised> {
    let mut first = 0;
    let mut at = 0;
    while index >= first + runs.get(at)?.length() {
        first += runs[at].length();
        at += 1;
    }
    let old = runs[at];
    if old.rank() >= rank {
        return Some(Raised::No);
    }
    let before = index - first;
    let after = old.length() - before - 1;
    let mut split = Vec::new();
    if before > 0 {
        split.push(old.same(before));
    }
    split.push(Run::Ranks(rank, 1));
    if after > 0 {
        split.push(old.same(after));
    }
    let size = |runs: &[Run]| runs.iter().map(|run| run.bytes()).sum::<usize>();
    let (old_size, new_size) = (size(&[old]), size(&split));
    if new_size > old_size && HEADER_BYTES + size(runs) - old_size + new_size > SPARSE_BYTES_MAX {
        return Some(Raised::TooBig);
    }
    runs.splice(at..=at, split);
    merge_equal(runs, at.saturating_sub(1));
    Some(Raised::Yes)
}

/// Joins neighbours of the same rank, looking at five runs from the one before the change.
fn merge_equal(runs: &mut Vec<Run>, mut at: usize) {
    for _ in 0..5 {
        if at + 1 >= runs.len() {
            return;
        }
        match (runs[at], runs[at + 1]) {
            (Run::Ranks(rank, length), Run::Ranks(next, more))
                if rank == next && length + more <= 4 =>
            {
                runs[at] = Run::Ranks(rank, length + more);
                runs.remove(at + 1);
            }
            _ => at += 1,
        }
    }
}

fn dense_rank(bytes: &[u8], index: usize) -> u8 {
    let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1;
    (0..6).map(|offset| bit(index * 6 + offset) << offset).sum()
}

fn put_dense_rank(bytes: &mut [u8], index: usize, rank: u8) {
    for offset in 0..6 {
        let at = index * 6 + offset;
        let mask = 1 << (at % 8);
        if rank >> offset & 1 == 1 {
            bytes[at / 8] |= mask;
        } else {
            bytes[at / 8] &= !mask;
        }
    }
}
