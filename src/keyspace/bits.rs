//! Strings as arrays of bits: bit 0 is the highest bit of the first byte.

/// Positions in bits or in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Byte,
    Bit,
}

/// The bits `first ..= last` of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitSpan {
    pub first: u64,
    pub last: u64,
}

impl BitSpan {
    /// The span that `start` and `end` name in a string of `len` bytes: negative ones count from its end, and it is
    /// cut to the string. None if it is empty.
    pub fn resolve(start: i64, end: i64, unit: Unit, len: u64) -> Option<Self> {
        let scale = match unit {
            Unit::Byte => 1,
            Unit::Bit => 8,
        };
        let total = i64::try_from(len).ok()?.checked_mul(scale)?;
        let from_start = |at: i64| if at < 0 { (total + at).max(0) } else { at };
        let first = from_start(start);
        let last = from_start(end).min(total - 1);
        if first > last {
            return None;
        }
        let (first, last) = (first as u64, last as u64);
        Some(match unit {
            Unit::Bit => Self { first, last },
            Unit::Byte => Self {
                first: first * 8,
                last: last * 8 + 7,
            },
        })
    }

    /// Byte offset and number of bytes that hold the span.
    pub fn bytes(self) -> (u64, u64) {
        (self.first / 8, self.last / 8 - self.first / 8 + 1)
    }

    /// Fills the bits of `chunk` that lie outside the span with `fill`; `chunk` begins at byte `offset` of the string.
    pub fn mask(self, chunk: &mut [u8], offset: u64, fill: bool) {
        let (start, count) = self.bytes();
        let before = !(0xffu8 >> (self.first % 8));
        let behind = !(0xffu8 << (7 - self.last % 8));
        for (at, outside) in [(start, before), (start + count - 1, behind)] {
            let Some(byte) = at
                .checked_sub(offset)
                .and_then(|at| chunk.get_mut(at as usize))
            else {
                continue;
            };
            *byte = if fill {
                *byte | outside
            } else {
                *byte & !outside
            };
        }
    }
}

/// How many bits are one.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    in_words
        + rest
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
}

/// Position of the first bit that equals `bit`.
pub fn find(bytes: &[u8], bit: bool) -> Option<u64> {
    let skipped = if bit { 0 } else { 0xff };
    let (words, _) = bytes.as_chunks::<8>();
    let whole = words
        .iter()
        .take_while(|word| **word == [skipped; 8])
        .count()
        * 8;
    let at = whole + bytes[whole..].iter().position(|&byte| byte != skipped)?;
    let in_byte = (bytes[at] ^ skipped).leading_zeros();
    Some(at as u64 * 8 + u64::from(in_byte))
}

/// What a bit field does when a number does not fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// The type of a bit field: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    pub signed: bool,
    pub bits: u32,
}

impl FieldType {
    /// Reads the field from the low bits of `raw`.
    pub fn decode(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed {
            (raw << unused).cast_signed() >> unused
        } else {
            (raw << unused >> unused).cast_signed()
        }
    }

    /// Brings `value` into the field: as it is if it fits, otherwise as `overflow` says; None means that nothing is
    /// to be stored. As in Redis an unsigned field takes a negative value for one above 2^63, and a signed field takes
    /// one so low that its distance from the field's highest has no sign bit left for one that is too high.
    pub fn fit(self, value: i64, overflow: Overflow) -> Option<i64> {
        let fits = self.decode(value.cast_unsigned()) == value;
        let (_, high) = self.limits();
        let above = !self.signed || value > high || high.wrapping_sub(value) < 0;
        self.resolve(fits, above, value, overflow)
    }

    /// Adds `increment` to `value`, which the field holds.
    pub fn add(self, value: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let exact = i128::from(value) + i128::from(increment);
        let (low, high) = self.limits();
        let fits = (i128::from(low)..=i128::from(high)).contains(&exact);
        self.resolve(
            fits,
            exact > i128::from(high),
            value.wrapping_add(increment),
            overflow,
        )
    }

    fn resolve(self, fits: bool, above: bool, value: i64, overflow: Overflow) -> Option<i64> {
        if fits {
            return Some(value);
        }
        let (low, high) = self.limits();
        match overflow {
            Overflow::Wrap => Some(self.decode(value.cast_unsigned())),
            Overflow::Saturate => Some(if above { high } else { low }),
            Overflow::Fail => None,
        }
    }

    fn limits(self) -> (i64, i64) {
        let high = (u64::MAX >> (64 - self.bits) >> u32::from(self.signed)).cast_signed();
        (if self.signed { -high - 1 } else { 0 }, high)
    }
}

/// Bytes that a field of up to 64 bits may touch.
pub const WINDOW: usize = 9;

/// Reads `bits` bits that begin at bit `shift` (0 to 7) of `window`.
pub fn window_get(window: [u8; WINDOW], shift: u32, bits: u32) -> u64 {
    let all = window_to_number(window);
    (all >> (WINDOW as u32 * 8 - shift - bits)) as u64 & u64::MAX >> (64 - bits)
}

/// Replaces `bits` bits that begin at bit `shift` (0 to 7) of `window` by the low bits of `raw`.
pub fn window_put(window: [u8; WINDOW], shift: u32, bits: u32, raw: u64) -> [u8; WINDOW] {
    let mask = u64::MAX >> (64 - bits);
    let up = WINDOW as u32 * 8 - shift - bits;
    let all = window_to_number(window) & !(u128::from(mask) << up) | u128::from(raw & mask) << up;
    let bytes = all.to_be_bytes();
    std::array::from_fn(|at| bytes[bytes.len() - WINDOW + at])
}

fn window_to_number(window: [u8; WINDOW]) -> u128 {
    window
        .iter()
        .fold(0, |all, &byte| all << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] >> (7 - at % 8) & 1 == 1
    }

    proptest! {
        #[test]
        fn spans_count_and_find_like_a_loop(
            bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 0..40),
            start in -350i64..350,
            end in -350i64..350,
            in_bits: bool,
            wanted: bool,
        ) {
            let unit = if in_bits { Unit::Bit } else { Unit::Byte };
            let span = BitSpan::resolve(start, end, unit, bytes.len() as u64);
            let scale = if in_bits { 1 } else { 8 };
            let total = bytes.len() as i64 * 8 / scale;
            let place = |at: i64| if at < 0 { (at + total).max(0) } else { at };
            let inside = |at: u64| {
                let at = at as i64 / scale;
                place(start) <= at && at <= place(end)
            };
            let all: Vec<u64> = (0..bytes.len() as u64 * 8).filter(|&at| inside(at)).collect();
            let Some(span) = span else {
                prop_assert!(all.is_empty());
                return Ok(());
            };
            let (offset, count) = span.bytes();
            let mut chunk = bytes[offset as usize..(offset + count) as usize].to_vec();
            span.mask(&mut chunk, offset, false);
            let ones = all.iter().filter(|&&at| bit(&bytes, at)).count() as u64;
            prop_assert_eq!(count_ones(&chunk), ones);
            let mut chunk = bytes[offset as usize..(offset + count) as usize].to_vec();
            span.mask(&mut chunk, offset, !wanted);
            let found = find(&chunk, wanted).map(|at| at + offset * 8);
            prop_assert_eq!(found, all.iter().copied().find(|&at| bit(&bytes, at) == wanted));
        }

        #[test]
        fn a_field_comes_back(window: [u8; WINDOW], shift in 0u32..8, bits in 1u32..=64, raw: u64) {
            let stored = window_put(window, shift, bits, raw);
            prop_assert_eq!(window_get(stored, shift, bits), raw & u64::MAX >> (64 - bits));
            for at in 0..WINDOW as u64 * 8 {
                if !(u64::from(shift)..u64::from(shift + bits)).contains(&at) {
                    prop_assert_eq!(bit(&stored, at), bit(&window, at));
                }
            }
        }
    }

    #[test]
    fn fields_overflow_as_asked() {
        let i8 = FieldType {
            signed: true,
            bits: 8,
        };
        let u8 = FieldType {
            signed: false,
            bits: 8,
        };
        let long = FieldType {
            signed: true,
            bits: 64,
        };
        assert_eq!(i8.add(127, 1, Overflow::Wrap), Some(-128));
        assert_eq!(i8.add(127, 1, Overflow::Saturate), Some(127));
        assert_eq!(i8.add(-128, -1, Overflow::Saturate), Some(-128));
        assert_eq!(i8.add(127, 1, Overflow::Fail), None);
        assert_eq!(i8.fit(128, Overflow::Wrap), Some(-128));
        assert_eq!(i8.fit(-129, Overflow::Saturate), Some(-128));
        assert_eq!(i8.fit(i64::MIN, Overflow::Saturate), Some(127));
        assert_eq!(u8.add(255, 1, Overflow::Wrap), Some(0));
        assert_eq!(u8.add(0, -1, Overflow::Saturate), Some(0));
        assert_eq!(u8.fit(-1, Overflow::Saturate), Some(255));
        assert_eq!(u8.fit(-1, Overflow::Wrap), Some(255));
        let tiny = FieldType {
            signed: true,
            bits: 1,
        };
        assert_eq!(tiny.add(0, 1, Overflow::Saturate), Some(0));
        assert_eq!(tiny.add(0, 1, Overflow::Wrap), Some(-1));
        assert_eq!(long.add(i64::MAX, 1, Overflow::Wrap), Some(i64::MIN));
        assert_eq!(long.add(i64::MAX, 1, Overflow::Saturate), Some(i64::MAX));
        assert_eq!(long.fit(i64::MIN, Overflow::Fail), Some(i64::MIN));
    }
}
