//! Random bytes of the system, for what must not be guessed or be the same twice: identities, seeds.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `out` with bytes that nobody knows.
pub fn fill_random(out: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < out.len() {
        filled += getrandom(&mut out[filled..], GetRandomFlags::empty())?;
    }
    Ok(())
}

/// So many bytes that nobody knows.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}
