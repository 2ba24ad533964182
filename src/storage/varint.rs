//! Numbers in the log: groups of seven bits, least significant first; the high bit says that another group follows.

/// Longest number: 64 bits in sevens.
pub(super) const BYTES_MAX: usize = 10;

/// Why bytes are no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// They end before it does.
    Ends,
    /// It has more than 64 bits; [`BYTES_MAX`] bytes tell.
    TooLarge,
}

/// Appends `n`.
pub(super) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads a number at the start of `bytes`: the number and its length.
pub(super) fn get(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    let mut n = 0u64;
    for (i, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7F);
        if i == BYTES_MAX - 1 && bits > 1 {
            return Err(Fault::TooLarge);
        }
        n |= bits << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((n, i + 1));
        }
    }
    Err(if bytes.len() < BYTES_MAX {
        Fault::Ends
    } else {
        Fault::TooLarge
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: u64, expect: &[u8]) {
        let mut bytes = Vec::new();
        put(&mut bytes, n);
        assert_eq!(bytes, expect, "{n}");
        assert_eq!(get(&bytes), Ok((n, bytes.len())));
        bytes.pop();
        assert_eq!(get(&bytes), Err(Fault::Ends), "{n}");
    }

    #[test]
    fn numbers_come_back_and_halves_do_not() {
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0x80, 1]);
        check(u64::from(u32::MAX), &[0xff, 0xff, 0xff, 0xff, 15]);
        let mut largest = [0xff; BYTES_MAX];
        largest[9] = 1;
        check(u64::MAX, &largest);
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        let mut bytes = [0xff; BYTES_MAX + 1];
        assert_eq!(get(&bytes), Err(Fault::TooLarge));
        bytes[9] = 2;
        assert_eq!(get(&bytes), Err(Fault::TooLarge));
    }
}
