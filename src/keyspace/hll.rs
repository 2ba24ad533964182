//! HyperLogLog values, in the bytes that Redis stores: 16 bytes of header, then 16,384 registers, either all of them
//! with 6 bits each ("dense") or as runs ("sparse", see [`super::hll_sparse`]).
//!
//! ```text
//! offset size meaning
//!      0    4 "HYLL"
//!      4    1 encoding: 0 dense, 1 sparse
//!      5    3 zero
//!      8    8 cached count, little endian; the top bit set says that it is out of date
//!     16    . registers
//! ```

use super::hll_sparse;

/// Bytes before the registers.
pub const HEADER_LEN: usize = 16;
/// How many registers there are.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bytes of a dense value.
pub const DENSE_LEN: usize = HEADER_LEN + REGISTERS * REGISTER_BITS / 8;

const INDEX_BITS: u32 = 14;
const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = (1 << REGISTER_BITS) - 1;
/// Hash bits behind the index.
const RANK_BITS: u32 = 64 - INDEX_BITS;
const HASH_SEED: u64 = 0xadc8_3b19;
const CACHE_AT: usize = 8;
const STALE: u8 = 0x80;

/// A register and the rank that an element gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// 0 to 16,383.
    pub register: usize,
    /// 1 to 51.
    pub rank: u8,
}

/// How the registers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Dense,
    Sparse,
}

/// The bytes are not a HyperLogLog although they begin like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The encoding named by the first [`HEADER_LEN`] bytes of a string of `len` bytes; None if it is no HyperLogLog.
pub fn encoding(header: &[u8], len: u64) -> Option<Encoding> {
    if header.len() < HEADER_LEN || !header.starts_with(b"HYLL") {
        return None;
    }
    match header[4] {
        0 if len == DENSE_LEN as u64 => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// An empty value: sparse, count 0.
pub fn empty() -> Vec<u8> {
    let mut value = b"HYLL\x01".to_vec();
    value.resize(HEADER_LEN, 0);
    hll_sparse::push_zeroes(&mut value, REGISTERS);
    value
}

/// The cached count, unless it is out of date.
pub fn cached_count(header: &[u8]) -> Option<u64> {
    let cache: [u8; 8] = header[CACHE_AT..HEADER_LEN].try_into().ok()?;
    (cache[7] & STALE == 0).then(|| u64::from_le_bytes(cache))
}

/// The eight bytes that store `count`, to be written at [`cache_offset`].
pub fn cache_bytes(count: u64) -> [u8; 8] {
    count.to_le_bytes()
}

/// Where the cached count stands in the value.
pub const fn cache_offset() -> usize {
    CACHE_AT
}

/// Says in the header that the cached count is out of date.
pub fn invalidate_cache(value: &mut [u8]) {
    value[CACHE_AT + 7] |= STALE;
}

/// What adding `element` does.
pub fn observe(element: &[u8]) -> Observation {
    let hash = murmur(element);
    let tail = hash >> INDEX_BITS | 1 << RANK_BITS;
    Observation {
        register: hash as usize & (REGISTERS - 1),
        rank: tail.trailing_zeros() as u8 + 1,
    }
}

/// MurmurHash2 for 64-bit machines.
pub fn murmur(data: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    // The length goes in as a 32-bit number.
    let length = (data.len() as i32) as u64;
    let mut hash = HASH_SEED ^ length.wrapping_mul(MULTIPLIER);
    let (words, rest) = data.as_chunks::<8>();
    for word in words {
        let mut mixed = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash ^= mixed.wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}

/// Where in a dense value register `register` begins: byte offset and bit.
fn dense_place(register: usize) -> (usize, u32) {
    let bit = register * REGISTER_BITS;
    (HEADER_LEN + bit / 8, (bit % 8) as u32)
}

/// Byte offset of the two bytes (one at the end of the value) of a dense value that hold a register.
pub fn dense_offset(register: usize) -> usize {
    dense_place(register).0
}

/// Reads a register from the bytes at [`dense_offset`].
pub fn dense_get(bytes: &[u8], register: usize) -> u8 {
    let (_, bit) = dense_place(register);
    let low = u16::from(bytes[0]);
    let high = u16::from(bytes.get(1).copied().unwrap_or(0));
    ((low | high << 8) >> bit) as u8 & REGISTER_MAX
}

/// Changes a register in the bytes at [`dense_offset`].
pub fn dense_put(bytes: &mut [u8], register: usize, rank: u8) {
    let (_, bit) = dense_place(register);
    let mask = u16::from(REGISTER_MAX) << bit;
    let high = bytes.get(1).copied().unwrap_or(0);
    let pair = u16::from_le_bytes([bytes[0], high]) & !mask | u16::from(rank) << bit;
    let [low, high] = pair.to_le_bytes();
    bytes[0] = low;
    if let Some(second) = bytes.get_mut(1) {
        *second = high;
    }
}

/// A register of a whole dense value.
pub fn register(dense: &[u8], register: usize) -> u8 {
    dense_get(&dense[dense_offset(register)..], register)
}

/// Raises a register of a whole dense value; false if it was as high already.
pub fn raise(dense: &mut [u8], observation: Observation) -> bool {
    let place = &mut dense[dense_offset(observation.register)..];
    let higher = dense_get(place, observation.register) < observation.rank;
    if higher {
        dense_put(place, observation.register, observation.rank);
    }
    higher
}

/// Applies an observation to a value of either encoding, invalidating the cache if a register changed. A sparse
/// value becomes dense when it would grow past `sparse_len_max` bytes.
pub fn add(
    value: &mut Vec<u8>,
    observation: Observation,
    sparse_len_max: usize,
) -> Result<bool, Malformed> {
    let changed = match value[4] {
        0 => raise(value, observation),
        _ => hll_sparse::raise(value, observation, sparse_len_max)?,
    };
    if changed {
        invalidate_cache(value);
    }
    Ok(changed)
}

/// Raises every register of `into` (one byte each) to what `value` has.
pub fn merge(into: &mut [u8; REGISTERS], value: &[u8]) -> Result<(), Malformed> {
    if value[4] == 0 {
        for (at, highest) in into.iter_mut().enumerate() {
            *highest = (*highest).max(register(value, at));
        }
        return Ok(());
    }
    let mut at = 0;
    for run in hll_sparse::runs(value) {
        if run.rank > 0 {
            let registers = into.get_mut(at..at + run.len).ok_or(Malformed)?;
            for highest in registers {
                *highest = (*highest).max(run.rank);
            }
        }
        at += run.len;
    }
    if at == REGISTERS {
        Ok(())
    } else {
        Err(Malformed)
    }
}

/// The estimated number of distinct elements of a value of either encoding.
pub fn count(value: &[u8]) -> Result<u64, Malformed> {
    let mut histogram = [0u32; 64];
    if value[4] == 0 {
        for at in 0..REGISTERS {
            histogram[usize::from(register(value, at))] += 1;
        }
    } else {
        let mut covered = 0;
        for run in hll_sparse::runs(value) {
            histogram[usize::from(run.rank)] += run.len as u32;
            covered += run.len;
        }
        if covered != REGISTERS {
            return Err(Malformed);
        }
    }
    Ok(estimate(&histogram))
}

/// The estimate from one-byte registers, as [`merge`] fills them.
pub fn count_registers(registers: &[u8; REGISTERS]) -> u64 {
    let mut histogram = [0u32; 64];
    for &rank in registers {
        histogram[usize::from(rank & REGISTER_MAX)] += 1;
    }
    estimate(&histogram)
}

/// Ertl's improved estimator ("New cardinality estimation algorithms for HyperLogLog sketches", section 4).
fn estimate(histogram: &[u32; 64]) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let top = RANK_BITS as usize + 1;
    let mut z = m * tau((m - f64::from(histogram[top])) / m);
    for &registers in histogram[1..top].iter().rev() {
        z += f64::from(registers);
        z *= 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_registers_do_not_disturb_each_other() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut dense = vec![0; DENSE_LEN];
        let ranks: Vec<u8> = (0..REGISTERS).map(|_| rng.u8(..=REGISTER_MAX)).collect();
        for round in 0..2 {
            for (at, &rank) in ranks.iter().enumerate() {
                let offset = dense_offset(at);
                dense_put(&mut dense[offset..], at, rank ^ round);
            }
            for (at, &rank) in ranks.iter().enumerate() {
                assert_eq!(register(&dense, at), rank ^ round);
            }
        }
    }

    #[test]
    fn dense_and_sparse_agree_and_estimate_well() {
        let mut dense = empty();
        hll_sparse::to_dense(&mut dense).expect("well formed");
        let mut sparse = empty();
        let mut next = 10;
        for n in 1..=100_000u64 {
            let seen = observe(&(n ^ 0x5eed_0000).to_le_bytes());
            let changed = raise(&mut dense, seen);
            assert_eq!(add(&mut sparse, seen, 3000), Ok(changed));
            if n == next {
                let estimate = count(&dense).expect("well formed");
                assert_eq!(count(&sparse), Ok(estimate));
                assert!(
                    estimate.abs_diff(n) as f64 <= (n as f64 * 0.05).max(1.0),
                    "{estimate} for {n}"
                );
                next *= 10;
            }
        }
        assert_eq!(
            encoding(&sparse, sparse.len() as u64),
            Some(Encoding::Dense)
        );
    }

    /// Bytes and counts of a Redis 7.4.1 server.
    #[test]
    fn an_empty_value_has_the_known_bytes() {
        assert_eq!(empty(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        assert_eq!(count(&empty()), Ok(0));
        assert_eq!(cached_count(&empty()), Some(0));
    }
}
