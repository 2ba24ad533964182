//! The longest common subsequence of two strings.
//!
//! The lengths are calculated row by row; what has to be kept of the whole table is one bit a cell (which way to go
//! back from it), so memory is a 32nd of what the table of lengths takes.

/// Bytes that match: the same number of bytes of both strings, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub a: (u64, u64),
    pub b: (u64, u64),
}

impl Range {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        self.a.1 - self.a.0 + 1
    }

    /// Never: a range has at least one byte.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// The table of the two strings, ready to be walked.
pub struct Lcs<'a> {
    a: &'a [u8],
    b: &'a [u8],
    len: u64,
    /// For cell (i, j), i and j from 1: whether to drop the last byte of `a` rather than of `b`.
    drop_a: Vec<u64>,
}

/// Length of the longest common subsequence.
pub fn length(a: &[u8], b: &[u8]) -> u64 {
    rows(a, b, |_, _| ())
}

/// Calculates the lengths, telling `drop_a` each cell from which a step back drops the last byte of `a`.
fn rows(a: &[u8], b: &[u8], mut drop_a: impl FnMut(usize, usize)) -> u64 {
    let mut above = vec![0u32; b.len() + 1];
    let mut row = above.clone();
    for (i, byte_a) in a.iter().enumerate() {
        for (j, byte_b) in b.iter().enumerate() {
            row[j + 1] = if byte_a == byte_b {
                above[j] + 1
            } else {
                if above[j + 1] > row[j] {
                    drop_a(i, j);
                }
                above[j + 1].max(row[j])
            };
        }
        std::mem::swap(&mut above, &mut row);
    }
    u64::from(above[b.len()])
}

impl<'a> Lcs<'a> {
    /// Builds the table. The product of the lengths must fit memory at one bit a cell.
    pub fn new(a: &'a [u8], b: &'a [u8]) -> Self {
        let mut bits = vec![0u64; (a.len() * b.len()).div_ceil(64)];
        let len = rows(a, b, |i, j| {
            let at = i * b.len() + j;
            bits[at / 64] |= 1 << (at % 64);
        });
        Self {
            a,
            b,
            len,
            drop_a: bits,
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The subsequence itself.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len as usize);
        self.walk(|i, _| bytes.push(self.a[i]));
        bytes.reverse();
        bytes
    }

    /// The ranges of which it is made, the last first, as LCS IDX lists them.
    pub fn ranges(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        self.walk(|i, j| {
            let (i, j) = (i as u64, j as u64);
            match ranges.last_mut() {
                Some(range) if range.a.0 == i + 1 && range.b.0 == j + 1 => {
                    range.a.0 = i;
                    range.b.0 = j;
                }
                _ => ranges.push(Range {
                    a: (i, i),
                    b: (j, j),
                }),
            }
        });
        ranges
    }

    /// Visits the pairs of matching bytes from the end.
    fn walk(&self, mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while i > 0 && j > 0 {
            let at = (i - 1) * self.b.len() + j - 1;
            if self.a[i - 1] == self.b[j - 1] {
                visit(i - 1, j - 1);
                i -= 1;
                j -= 1;
            } else if self.drop_a[at / 64] >> (at % 64) & 1 == 1 {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_example() {
        let lcs = Lcs::new(b"ohmytext", b"mynewtext");
        assert_eq!(lcs.bytes(), b"mytext");
        assert_eq!(
            lcs.ranges(),
            [
                Range {
                    a: (4, 7),
                    b: (5, 8)
                },
                Range {
                    a: (2, 3),
                    b: (0, 1)
                },
            ]
        );
    }

    fn slow(a: &[u8], b: &[u8]) -> u64 {
        match (a.split_last(), b.split_last()) {
            (Some((x, a_rest)), Some((y, b_rest))) => {
                if x == y {
                    slow(a_rest, b_rest) + 1
                } else {
                    slow(a_rest, b).max(slow(a, b_rest))
                }
            }
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn is_a_longest_common_subsequence(a in "[abc]{0,8}", b in "[abc]{0,8}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let lcs = Lcs::new(a, b);
            prop_assert_eq!(lcs.len(), slow(a, b));
            prop_assert_eq!(length(a, b), lcs.len());
            let bytes = lcs.bytes();
            prop_assert_eq!(bytes.len() as u64, lcs.len());
            let mut joined = Vec::new();
            for range in lcs.ranges().iter().rev() {
                let part = &a[range.a.0 as usize..=range.a.1 as usize];
                prop_assert_eq!(part, &b[range.b.0 as usize..=range.b.1 as usize]);
                joined.extend_from_slice(part);
            }
            prop_assert_eq!(joined, bytes);
        }
    }
}
