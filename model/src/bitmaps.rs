//! Strings as arrays of bits. Bit 0 is the most significant bit of the first byte.

use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome, STRING_BYTES_MAX, Text};

/// The offset of a bit that a string can hold. `width` allows the form `#n`, which counts fields.
pub fn offset(text: &[u8], width: Option<i64>) -> Result<usize, Failure> {
    let complaint = "bit offset is not an integer or out of range";
    let number = match (text.strip_prefix(b"#"), width) {
        (Some(digits), Some(width)) => numbers::integer_or(digits, complaint)?.wrapping_mul(width),
        _ => numbers::integer_or(text, complaint)?,
    };
    match usize::try_from(number) {
        Ok(offset) if offset / 8 < STRING_BYTES_MAX => Ok(offset),
        _ => Err(errors::err(complaint)),
    }
}

/// A bit; beyond the end all bits are clear.
pub fn bit(bytes: &[u8], offset: usize) -> bool {
    bytes
        .get(offset / 8)
        .is_some_and(|byte| byte & (0x80 >> (offset % 8)) != 0)
}

/// Sets a bit of a string that is long enough.
pub fn put_bit(bytes: &mut [u8], offset: usize, value: bool) {
    let mask = 0x80 >> (offset % 8);
    if value {
        bytes[offset / 8] |= mask;
    } else {
        bytes[offset / 8] &= !mask;
    }
}

/// The bytes under the key, long enough to hold the bit at `offset`.
pub fn grown(call: &mut Call, key: &[u8], offset: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = call.bytes(key)?;
    let needed = offset / 8 + 1;
    if bytes.len() < needed {
        bytes.resize(needed, 0);
    }
    Ok(bytes)
}

pub fn setbit(call: &mut Call) -> Outcome {
    let at = offset(call.arg(2), None)?;
    let complaint = "bit is not an integer or out of range";
    let value = match numbers::integer_or(call.arg(3), complaint)? {
        0 => false,
        1 => true,
        _ => return Err(errors::err(complaint)),
    };
    let key = call.key();
    let before = call.text(key)?.map(|text| text.bytes.clone());
    let mut bytes = grown(call, key, at)?;
    let old = bit(&bytes, at);
    put_bit(&mut bytes, at, value);
    call.replace(key, Text::raw(bytes.clone()));
    if before != Some(bytes) {
        call.note('$', "setbit", key);
    }
    Ok(Reply::flag(old))
}

pub fn getbit(call: &mut Call) -> Outcome {
    let at = offset(call.arg(2), None)?;
    let key = call.key();
    call.look_for(key);
    Ok(Reply::flag(bit(&call.bytes(key)?, at)))
}

/// Whether a range counts bits; bytes otherwise.
fn counts_bits(call: &Call, index: usize) -> Result<bool, Failure> {
    match index {
        _ if index >= call.args.len() => Ok(false),
        _ if call.says(index, "BIT") => Ok(true),
        _ if call.says(index, "BYTE") => Ok(false),
        _ => Err(errors::syntax()),
    }
}

/// Turns a range with negative indexes into one within the length, which may be empty.
fn clamp(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let length = i64::try_from(length).expect("a length fits in 63 bits");
    let from_end = |index: i64| {
        if index < 0 {
            (length + index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    if start > end {
        0..0
    } else {
        start as usize..end as usize + 1
    }
}

pub fn bitcount(call: &mut Call) -> Outcome {
    let key = call.key();
    let range = match call.args.len() {
        2 => None,
        4 | 5 => {
            let start = numbers::integer(call.arg(2))?;
            let end = numbers::integer(call.arg(3))?;
            Some((start, end, counts_bits(call, 4)?))
        }
        _ => return Err(errors::syntax()),
    };
    call.look_for(key);
    let bytes = call.bytes(key)?;
    let bits = match range {
        None => 0..bytes.len() * 8,
        Some((start, end, _)) if start < 0 && end < 0 && start > end => 0..0,
        Some((start, end, true)) => clamp(start, end, bytes.len() * 8),
        Some((start, end, false)) => {
            let range = clamp(start, end, bytes.len());
            range.start * 8..range.end * 8
        }
    };
    Ok(Reply::count(bits.filter(|&at| bit(&bytes, at)).count()))
}

pub fn bitpos(call: &mut Call) -> Outcome {
    let wanted = match numbers::integer(call.arg(2))? {
        0 => false,
        1 => true,
        _ => return Err(errors::err("The bit argument must be 1 or 0.")),
    };
    if call.args.len() > 6 {
        return Err(errors::syntax());
    }
    let start = if call.args.len() > 3 {
        numbers::integer(call.arg(3))?
    } else {
        0
    };
    let by_bits = counts_bits(call, 5)?;
    let end = if call.args.len() > 4 {
        Some(numbers::integer(call.arg(4))?)
    } else {
        None
    };
    let key = call.key();
    call.look_for(key);
    if !call.exists(key) {
        return Ok(Reply::Integer(if wanted { -1 } else { 0 }));
    }
    let bytes = call.bytes(key)?;
    let bits = if by_bits {
        clamp(start, end.unwrap_or(-1), bytes.len() * 8)
    } else {
        let range = clamp(start, end.unwrap_or(i64::MAX), bytes.len());
        range.start * 8..range.end * 8
    };
    let nothing_to_search = bits.is_empty();
    let found = bits.clone().find(|&at| bit(&bytes, at) == wanted);
    Ok(match found {
        Some(at) => Reply::count(at),
        // Without an end, the string goes on with clear bits for ever.
        None if !wanted && end.is_none() && !nothing_to_search => Reply::count(bits.end),
        None => Reply::Integer(-1),
    })
}

pub fn bitop(call: &mut Call) -> Outcome {
    let operation = call.arg(1).to_ascii_uppercase();
    let combine: fn(u8, u8) -> u8 = match operation.as_slice() {
        b"AND" => |a, b| a & b,
        b"OR" => |a, b| a | b,
        b"XOR" => |a, b| a ^ b,
        b"NOT" => |a, _| !a,
        _ => return Err(errors::syntax()),
    };
    if operation == b"NOT" && call.args.len() != 4 {
        return Err(errors::err(
            "BITOP NOT must be called with a single source key.",
        ));
    }
    let mut sources = Vec::new();
    for key in &call.args[3..] {
        call.look_for(key);
        sources.push(call.bytes(key)?);
    }
    let length = sources.iter().map(Vec::len).max().unwrap_or(0);
    let target = call.arg(2);
    if length == 0 {
        call.delete(target);
        return Ok(Reply::Integer(0));
    }
    for source in &mut sources {
        source.resize(length, 0);
    }
    let result = (0..length).map(|index| {
        let column = sources.iter().map(|source| source[index]);
        if operation == b"NOT" {
            combine(sources[0][index], 0)
        } else {
            column
                .reduce(combine)
                .expect("there is at least one source")
        }
    });
    let result = Text::raw(result.collect());
    call.put(target, result);
    call.note('$', "set", target);
    Ok(Reply::count(length))
}
