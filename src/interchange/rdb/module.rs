//! Values and auxiliary fields of modules: their names are read, their contents skipped.

use super::{Input, RdbError};

const END: u64 = 0;
const SIGNED: u64 = 1;
const UNSIGNED: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const STRING: u64 = 5;

/// The letters of which a type's name has nine, six bits each.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NAME_LETTERS: u32 = 9;
/// Behind the name: the version of its encoding, in bits.
const VERSION_BITS: u32 = 10;

/// Reads over a value; returns the name of its type.
pub fn skip(input: &mut Input<'_>) -> Result<String, RdbError> {
    let name = name(input.length()?);
    skip_parts(input)?;
    Ok(name)
}

/// Reads over an auxiliary field; returns the name of the type it belongs to.
pub fn skip_auxiliary(input: &mut Input<'_>) -> Result<String, RdbError> {
    let name = name(input.length()?);
    // When it was saved: before or after the keys.
    let (code, _) = (input.length()?, input.length()?);
    if code != UNSIGNED {
        return input.damage("an auxiliary field does not say when it was saved");
    }
    skip_parts(input)?;
    Ok(name)
}

/// Reads over what modules say of a key.
pub fn skip_metadata(input: &mut Input<'_>) -> Result<(), RdbError> {
    const CLASS_BYTES: usize = 4;
    for _ in 0..input.count(CLASS_BYTES as u64 + 1)? {
        input.array::<CLASS_BYTES>()?;
        skip_parts(input)?;
    }
    Ok(())
}

fn skip_parts(input: &mut Input<'_>) -> Result<(), RdbError> {
    loop {
        match input.length()? {
            END => return Ok(()),
            SIGNED | UNSIGNED => drop(input.length()?),
            FLOAT => drop(input.array::<4>()?),
            DOUBLE => drop(input.array::<8>()?),
            STRING => drop(input.string()?),
            _ => return input.damage("a module's value has a part of no known kind"),
        }
    }
}

fn name(id: u64) -> String {
    (0..NAME_LETTERS)
        .rev()
        .map(|i| {
            let six_bits = id >> (VERSION_BITS + 6 * i) & 0x3f;
            char::from(LETTERS[six_bits as usize])
        })
        .collect()
}
