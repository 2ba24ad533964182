//! Scores as bytes.

use smallvec::SmallVec;

/// Bytes of a score.
pub const SCORE_BYTES: usize = 8;
const SIGN: u64 = 1 << 63;
/// The body of an entry of tree 1 whose score is minus zero.
pub(super) const MINUS_ZERO: &[u8] = &[1];

/// A key of tree 1.
pub(super) type OrderKey = SmallVec<[u8; 64]>;

/// The bits of a score in an order that unsigned integers have.
pub(super) fn sortable(score: f64) -> u64 {
    assert!(!score.is_nan(), "a score is a number");
    // Minus zero becomes zero.
    let bits = (score + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The score and the member of a key of tree 1; `mark` is the body of the entry.
pub fn from_order_key<'a>(key: &'a [u8], mark: &[u8]) -> (f64, &'a [u8]) {
    let (bytes, member) = key
        .split_first_chunk::<SCORE_BYTES>()
        .expect("a score in front of a member");
    let bits = u64::from_be_bytes(*bytes);
    let bits = if bits & SIGN == 0 {
        !bits
    } else {
        bits & !SIGN
    };
    let score = f64::from_bits(bits);
    let score = if mark == MINUS_ZERO { -0.0 } else { score };
    (score, member)
}

/// Where a member with this score stands in tree 1.
pub(super) fn order_key(score: f64, member: &[u8]) -> OrderKey {
    let mut key = OrderKey::new();
    key.extend_from_slice(&sortable(score).to_be_bytes());
    key.extend_from_slice(member);
    key
}

/// The body of an entry of tree 1.
pub(super) fn order_mark(score: f64) -> &'static [u8] {
    if score == 0.0 && score.is_sign_negative() {
        MINUS_ZERO
    } else {
        &[]
    }
}

/// A score as it is stored beside its member.
pub(in crate::keyspace) fn to_bytes(score: f64) -> [u8; SCORE_BYTES] {
    score.to_le_bytes()
}

/// A score that was stored beside its member.
pub fn from_bytes(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().expect("a score has eight bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sortable_scores_compare_as_scores(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(sortable(a).cmp(&sortable(b))));
            let key = order_key(a, b"member");
            let (score, member) = from_order_key(&key, order_mark(a));
            prop_assert_eq!(score.to_bits(), a.to_bits());
            prop_assert_eq!(member, b"member");
        }
    }

    #[test]
    fn both_zeroes_stand_at_the_same_place_and_are_told_apart() {
        assert_eq!(sortable(-0.0), sortable(0.0));
        let (score, _) = from_order_key(&order_key(-0.0, b""), order_mark(-0.0));
        assert!(score.is_sign_negative());
        assert!(sortable(f64::NEG_INFINITY) < sortable(f64::MIN));
        assert!(sortable(f64::INFINITY) > sortable(f64::MAX));
    }
}
