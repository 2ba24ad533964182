//! The sparse form of a HyperLogLog: the registers as runs.
//!
//! ```text
//! 00llllll            l+1 registers (1 to 64) are zero
//! 01llllll llllllll   l+1 registers (1 to 16,384) are zero
//! 1rrrrrll            l+1 registers (1 to 4) have rank r+1 (1 to 32)
//! ```

use super::hll::{self, DENSE_LEN, HEADER_LEN, Malformed, Observation, REGISTERS};

const SHORT_ZERO_LEN_MAX: usize = 64;
const RANK_MAX: u8 = 32;
const RANKED_LEN_MAX: usize = 4;
/// How many runs behind a change are looked at for runs that can be joined.
const JOIN_SCAN: usize = 5;

/// Registers that follow each other and have one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// 0 to 32.
    pub rank: u8,
    /// Registers, at least 1.
    pub len: usize,
    /// Whether it is a zero run in the two-byte form.
    pub wide: bool,
}

impl Run {
    fn ranked(rank: u8, len: usize) -> Self {
        Self {
            rank,
            len,
            wide: false,
        }
    }

    fn bytes(self) -> usize {
        1 + usize::from(self.wide)
    }

    fn read(bytes: &[u8]) -> Self {
        let first = bytes[0];
        match first >> 6 {
            0 => Self {
                rank: 0,
                len: usize::from(first) + 1,
                wide: false,
            },
            1 => Self {
                rank: 0,
                len: (usize::from(first & 0x3f) << 8
                    | usize::from(bytes.get(1).copied().unwrap_or(0)))
                    + 1,
                wide: true,
            },
            _ => Self::ranked((first >> 2 & 0x1f) + 1, usize::from(first & 3) + 1),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        if self.rank > 0 {
            assert!(self.rank <= RANK_MAX && self.len <= RANKED_LEN_MAX);
            out.push(0x80 | (self.rank - 1) << 2 | (self.len - 1) as u8);
        } else {
            push_zeroes(out, self.len);
        }
    }
}

/// Appends a run of `len` zero registers, 1 to 16,384, in the shorter form that holds it.
pub fn push_zeroes(out: &mut Vec<u8>, len: usize) {
    assert!((1..=REGISTERS).contains(&len), "a run of the value");
    let stored = len - 1;
    if len > SHORT_ZERO_LEN_MAX {
        out.push(0x40 | (stored >> 8) as u8);
    }
    out.push(stored as u8);
}

/// The runs of a sparse value.
pub fn runs(value: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = HEADER_LEN;
    std::iter::from_fn(move || {
        let run = Run::read(value.get(at..).filter(|rest| !rest.is_empty())?);
        at += run.bytes();
        Some(run)
    })
}

/// Turns a sparse value into a dense one; a dense one stays.
pub fn to_dense(value: &mut Vec<u8>) -> Result<(), Malformed> {
    if value[4] == 0 {
        return Ok(());
    }
    let mut dense = value[..HEADER_LEN].to_vec();
    dense[4] = 0;
    dense.resize(DENSE_LEN, 0);
    let mut at = 0;
    for run in runs(value) {
        if run.rank > 0 {
            if at + run.len > REGISTERS {
                return Err(Malformed);
            }
            for register in at..at + run.len {
                let offset = hll::dense_offset(register);
                hll::dense_put(&mut dense[offset..], register, run.rank);
            }
        }
        at += run.len;
    }
    if at != REGISTERS {
        return Err(Malformed);
    }
    *value = dense;
    Ok(())
}

/// Raises a register of a sparse value; false if it was as high already. The value becomes dense if the rank does not
/// fit a run or the value would grow past `len_max` bytes.
pub fn raise(
    value: &mut Vec<u8>,
    observation: Observation,
    len_max: usize,
) -> Result<bool, Malformed> {
    if observation.rank > RANK_MAX {
        return promote(value, observation);
    }
    let found = find(value, observation.register).ok_or(Malformed)?;
    if found.run.rank >= observation.rank {
        return Ok(false);
    }
    let mut split = Vec::with_capacity(5);
    let before = observation.register - found.first;
    let behind = found.run.len - before - 1;
    for (rank, len) in [
        (found.run.rank, before),
        (observation.rank, 1),
        (found.run.rank, behind),
    ] {
        if len > 0 {
            Run {
                rank,
                len,
                wide: false,
            }
            .write(&mut split);
        }
    }
    let old = found.run.bytes();
    if split.len() > old && value.len() + split.len() - old > len_max {
        return promote(value, observation);
    }
    value.splice(found.at..found.at + old, split);
    join(value, found.previous.unwrap_or(HEADER_LEN));
    Ok(true)
}

/// A run and its place.
struct Found {
    run: Run,
    /// Where it begins in the value.
    at: usize,
    /// Its first register.
    first: usize,
    /// Where the run before it begins.
    previous: Option<usize>,
}

fn find(value: &[u8], register: usize) -> Option<Found> {
    let (mut at, mut first, mut previous) = (HEADER_LEN, 0, None);
    while at < value.len() {
        let run = Run::read(&value[at..]);
        if register < first + run.len {
            // A two-byte run cut off by the end of the value is not one.
            return (at + run.bytes() <= value.len()).then_some(Found {
                run,
                at,
                first,
                previous,
            });
        }
        previous = Some(at);
        at += run.bytes();
        first += run.len;
    }
    None
}

fn promote(value: &mut Vec<u8>, observation: Observation) -> Result<bool, Malformed> {
    to_dense(value)?;
    let raised = hll::raise(value, observation);
    assert!(raised, "only a change makes a value dense");
    Ok(true)
}

/// Joins neighbouring runs of one rank, from `at` on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_SCAN {
        if at >= value.len() {
            return;
        }
        let run = Run::read(&value[at..]);
        let next = value
            .get(at + 1..)
            .filter(|rest| run.rank > 0 && !rest.is_empty())
            .map(Run::read)
            .filter(|next| next.rank == run.rank && next.len + run.len <= RANKED_LEN_MAX);
        match next {
            Some(next) => {
                let mut joined = Vec::with_capacity(1);
                Run::ranked(run.rank, run.len + next.len).write(&mut joined);
                value.splice(at..at + 2, joined);
            }
            None => at += run.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sparse_registers_equal_an_array(
            changes in prop::collection::vec((0usize..REGISTERS, 1u8..=RANK_MAX), 1..200),
            near in prop::collection::vec((0usize..40, 1u8..4), 1..200),
        ) {
            let mut array = [0u8; REGISTERS];
            let mut value = hll::empty();
            for (register, rank) in changes.into_iter().chain(near) {
                let changed = array[register] < rank;
                array[register] = array[register].max(rank);
                prop_assert_eq!(raise(&mut value, Observation { register, rank }, 3000), Ok(changed));
                let total: usize = runs(&value).map(|run| run.len).sum();
                prop_assert_eq!(total, REGISTERS);
            }
            let mut merged = [0u8; REGISTERS];
            prop_assert_eq!(hll::merge(&mut merged, &value), Ok(()));
            prop_assert_eq!(merged, array);
        }

        #[test]
        fn garbage_is_refused_and_never_panics(tail in prop::collection::vec(any::<u8>(), 0..60), register in 0usize..REGISTERS) {
            let mut value = hll::empty();
            value.truncate(HEADER_LEN);
            value.extend(tail);
            let mut merged = [0u8; REGISTERS];
            let whole = runs(&value).map(|run| run.len).sum::<usize>() == REGISTERS;
            prop_assert_eq!(hll::merge(&mut merged, &value).is_ok(), whole);
            prop_assert_eq!(hll::count(&value).is_ok(), whole);
            let mut dense = value.clone();
            prop_assert_eq!(to_dense(&mut dense).is_ok(), whole);
            let _ = raise(&mut value, Observation { register, rank: 5 }, 3000);
        }
    }

    #[test]
    fn a_value_that_grows_too_long_becomes_dense() {
        let mut value = hll::empty();
        let limit = value.len() + 3;
        let mut was = value.len();
        for register in (0..REGISTERS).step_by(100) {
            raise(&mut value, Observation { register, rank: 1 }, limit).expect("well formed");
            if value[4] == 0 {
                assert!(was <= limit);
                assert_eq!(hll::register(&value, register), 1);
                return;
            }
            was = value.len();
        }
        panic!("the value stayed sparse");
    }
}
