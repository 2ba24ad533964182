//! The compression of strings in RDB: LZF, literal runs and references to earlier bytes.
//!
//! ```text
//! 000LLLLL                      L + 1 literal bytes follow
//! LLLooooo oooooooo             L + 2 bytes (L is 1 to 6) from 13-bit offset o + 1 back
//! 111ooooo LLLLLLLL oooooooo    L + 9 bytes from offset o + 1 back
//! ```

const LITERALS_MAX: usize = 32;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
const TABLE_BITS: u32 = 14;
/// In the table of places: nothing was seen.
const NOWHERE: u32 = u32::MAX;

/// The bytes that `packed` stands for; None if it is damaged or does not give exactly `len` bytes.
pub fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&control) = packed.get(at) {
        at += 1;
        let control = usize::from(control);
        if control < LITERALS_MAX {
            out.extend_from_slice(packed.get(at..at + control + 1)?);
            at += control + 1;
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += usize::from(*packed.get(at)?);
                at += 1;
            }
            let back = ((control & 0x1f) << 8 | usize::from(*packed.get(at)?)) + 1;
            at += 1;
            let from = out.len().checked_sub(back)?;
            // The bytes may overlap those that they make.
            for i in from..from + length + 2 {
                out.push(out[i]);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// The bytes compressed; None if that makes them no shorter.
pub fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut places = vec![NOWHERE; 1 << TABLE_BITS];
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut literals) = (0, 0);
    while at + MATCH_MIN <= bytes.len() {
        let place = &mut places[hash(&bytes[at..])];
        let before = std::mem::replace(place, u32::try_from(at).ok()?);
        let found = (before != NOWHERE)
            .then_some(before as usize)
            .filter(|from| {
                at - from <= OFFSET_MAX && bytes[*from..].starts_with(&bytes[at..at + 3])
            });
        let Some(from) = found else {
            at += 1;
            continue;
        };
        let most = (bytes.len() - at).min(MATCH_MAX);
        let length = (0..most)
            .take_while(|i| bytes[from + i] == bytes[at + i])
            .count();
        put_literals(&mut out, &bytes[literals..at]);
        put_match(&mut out, at - from - 1, length - 2);
        at += length;
        literals = at;
        if out.len() >= bytes.len() {
            return None;
        }
    }
    put_literals(&mut out, &bytes[literals..]);
    (out.len() < bytes.len()).then_some(out)
}

fn hash(bytes: &[u8]) -> usize {
    let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    (word.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize
}

fn put_literals(out: &mut Vec<u8>, bytes: &[u8]) {
    for run in bytes.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_match(out: &mut Vec<u8>, offset: usize, length: usize) {
    let high = (offset >> 8) as u8;
    if length < 7 {
        out.push((length as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((length - 7) as u8);
    }
    out.push(offset as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let bytes: Vec<u8> = order.iter().flat_map(|at| words[at.index(words.len())].clone()).collect();
            if let Some(packed) = compress(&bytes) {
                prop_assert!(packed.len() < bytes.len());
                prop_assert_eq!(decompress(&packed, bytes.len()), Some(bytes));
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(packed in prop::collection::vec(any::<u8>(), 0..100), len in 0..10_000_usize) {
            if let Some(bytes) = decompress(&packed, len) {
                prop_assert_eq!(bytes.len(), len);
            }
        }
    }

    #[test]
    fn runs_are_short() {
        let packed = compress(&[b'x'; 10_000]).expect("a run is compressed");
        assert!(packed.len() < 150, "{} bytes", packed.len());
        assert_eq!(decompress(&packed, 10_000), Some(vec![b'x'; 10_000]));
    }
}
