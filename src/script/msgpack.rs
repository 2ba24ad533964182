//! The library `cmsgpack`: values to MessagePack and back.

use super::number::to_i64;
use super::raise::Raise;
use super::stack::{Kind, Stack};
use super::state::{Native, Next};

pub const NAME: &str = "cmsgpack";

pub const FUNCTIONS: &[(&str, Native)] = &[
    ("pack", pack),
    ("unpack", unpack),
    ("unpack_one", unpack_one),
    ("unpack_limit", unpack_limit),
];

/// What the library says of itself.
pub const TEXTS: &[(&str, &str)] = &[
    ("_NAME", "cmsgpack"),
    ("_VERSION", "lua-cmsgpack 0.4.0"),
    ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
    ("_DESCRIPTION", "MessagePack C implementation for Lua"),
];

/// Tables nested as deeply as this are packed as nil, so that a table that contains itself comes to an end.
const NESTING_MAX: usize = 16;
/// Entries of a table beyond which Lua itself would raise an error.
const ENTRIES_MAX: usize = 1 << 26;

/// A table being packed: it is on the stack, and behind it the latest key if it is a map.
enum Packed {
    /// The next element, of so many.
    Array { next: usize, len: usize },
    /// The value of the latest key is next.
    Map { value: bool },
}

/// cmsgpack.pack(value, ...)
fn pack(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let count = stack.top();
    if count == 0 {
        return Err(Raise::argument(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for index in 1..=count {
        stack.push_value(index);
        pack_value(stack, &mut out)?;
    }
    stack.push_bytes(&out);
    Ok(Next::Return(1))
}

/// Packs the value on top, which is popped.
fn pack_value(stack: &mut Stack<'_>, out: &mut Vec<u8>) -> Result<(), Raise> {
    let mut open: Vec<Packed> = Vec::new();
    open.extend(begin(stack, out, 0)?);
    while let Some(table) = open.last_mut() {
        let has_more = match table {
            Packed::Array { next, len } if *next < *len => {
                *next += 1;
                stack.raw_get_at(-1, *next as i32);
                true
            }
            Packed::Array { .. } => false,
            Packed::Map { value } if *value => {
                *value = false;
                true
            }
            Packed::Map { value } => {
                *value = true;
                let has_more = stack.next(-2);
                if has_more {
                    // Key, value, and the key again, which goes first.
                    stack.push_value(-2);
                }
                has_more
            }
        };
        if has_more {
            let level = open.len();
            open.extend(begin(stack, out, level)?);
        } else {
            stack.pop(1);
            open.pop();
        }
    }
    Ok(())
}

/// Packs the value on top, which is popped, or the header of a table, which stays.
fn begin(stack: &mut Stack<'_>, out: &mut Vec<u8>, level: usize) -> Result<Option<Packed>, Raise> {
    match stack.kind(-1) {
        Kind::String => put_text(out, stack.bytes(-1).unwrap_or_default()),
        Kind::Boolean => out.push(if stack.truth(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => put_number(out, stack.number(-1).unwrap_or_default()),
        Kind::Table if level < NESTING_MAX => {
            if !stack.reserve(6) {
                return Err(Raise::text(
                    "stack overflow (in function mp_encode_lua_table_as_map)",
                ));
            }
            stack.unshield(-1);
            return Ok(Some(begin_table(stack, out)));
        }
        _ => out.push(0xc0),
    }
    stack.pop(1);
    Ok(None)
}

fn begin_table(stack: &mut Stack<'_>, out: &mut Vec<u8>) -> Packed {
    let (mut is_array, mut max, mut count) = (true, 0_i64, 0_i64);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        count += 1;
        let key = match stack.kind(-1) {
            Kind::Number => stack.number(-1).unwrap_or_default(),
            _ => 0.0,
        };
        // Only positions that fit an `int` count as such.
        if key > 0.0 && f64::from(key as i32) == key {
            max = max.max(key as i64);
        } else {
            is_array = false;
        }
    }
    if is_array && max == count {
        put_header(out, count as usize, 0x90, 0xdc);
        return Packed::Array {
            next: 0,
            len: count as usize,
        };
    }
    put_header(out, count as usize, 0x80, 0xde);
    stack.push_nil();
    Packed::Map { value: false }
}

/// The header of an array or map.
fn put_header(out: &mut Vec<u8>, count: usize, short: u8, long: u8) {
    match count {
        0..=15 => out.push(short | count as u8),
        16..=0xffff => {
            out.push(long);
            out.extend_from_slice(&(count as u16).to_be_bytes());
        }
        _ => {
            out.push(long + 1);
            out.extend_from_slice(&(count as u32).to_be_bytes());
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len @ 32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
        len @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

fn put_number(out: &mut Vec<u8>, number: f64) {
    let integer = to_i64(number);
    if integer as f64 == number {
        put_integer(out, integer);
    } else if f64::from(number as f32) == number {
        out.push(0xca);
        out.extend_from_slice(&(number as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn put_integer(out: &mut Vec<u8>, integer: i64) {
    let bytes = integer.to_be_bytes();
    let (tag, len) = match integer {
        -32..=127 => {
            out.push(integer as u8);
            return;
        }
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -128..=-33 => (0xd0, 1),
        -32_768..=-129 => (0xd1, 2),
        -2_147_483_648..=-32_769 => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(tag);
    out.extend_from_slice(&bytes[8 - len..]);
}

/// cmsgpack.unpack(data): every value of it.
fn unpack(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    unpack_from(stack, None, 0)
}

/// cmsgpack.unpack_one(data [, offset]): the offset behind the value (-1 at the end), and the value.
fn unpack_one(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let offset = stack.optional_integer(2, 0)?;
    unpack_from(stack, Some(1), offset)
}

/// cmsgpack.unpack_limit(data, limit [, offset])
fn unpack_limit(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let limit = stack.check_integer(2)?;
    let offset = stack.optional_integer(3, 0)?;
    // No limit and no offset: everything.
    let limit = (limit != 0 || offset != 0).then_some(limit);
    unpack_from(stack, limit, offset)
}

fn unpack_from(stack: &mut Stack<'_>, limit: Option<i64>, offset: i64) -> Result<Next, Raise> {
    // What follows may be as long as it is: it is read while values are pushed.
    let data = stack.check_bytes(1)?.to_vec();
    if offset < 0 || limit.is_some_and(|limit| limit < 0) {
        return Err(Raise::text(format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32,
            data.len() as i32
        )));
    }
    let Some(mut rest) = data.get(offset as usize..) else {
        return Err(Raise::text(format!(
            "Start offset {} greater than input length {}.",
            offset as i32,
            data.len() as i32
        )));
    };
    stack.set_top(1);
    let mut results = 0;
    while !rest.is_empty() && limit.is_none_or(|limit| i64::from(results) < limit) {
        unpack_value(stack, &mut rest)?;
        results += 1;
    }
    if limit.is_some() {
        let behind = data.len() - rest.len();
        stack.push_number(if rest.is_empty() { -1.0 } else { behind as f64 });
        stack.insert(2);
        results += 1;
    }
    Ok(Next::Return(results))
}

/// A table being unpacked: it is on the stack, and behind it a position or key that waits for its value.
enum Unpacked {
    Array {
        next: usize,
        len: usize,
    },
    Map {
        left: usize,
        entries: usize,
        has_key: bool,
    },
}

/// Pushes the value that `rest` begins with.
fn unpack_value(stack: &mut Stack<'_>, rest: &mut &[u8]) -> Result<(), Raise> {
    let mut open: Vec<Unpacked> = Vec::new();
    loop {
        match open.last() {
            Some(Unpacked::Array { next, len }) if next == len => {
                open.pop();
            }
            Some(Unpacked::Map { left: 0, .. }) => {
                open.pop();
            }
            _ => {
                if let Some(table) = next_value(stack, rest)? {
                    open.push(table);
                    continue;
                }
            }
        }
        // A value is on top: it goes where it belongs.
        match open.last_mut() {
            None => return Ok(()),
            Some(Unpacked::Array { next, len }) => {
                *next += 1;
                check_entries(*next)?;
                stack.raw_set(-3);
                if *next < *len {
                    stack.push_number((*next + 1) as f64);
                }
            }
            Some(Unpacked::Map { has_key, .. }) if !*has_key => *has_key = true,
            Some(Unpacked::Map {
                left,
                entries,
                has_key,
            }) => {
                *has_key = false;
                *left -= 1;
                *entries += 1;
                check_entries(*entries)?;
                set_pair(stack)?;
            }
        }
    }
}

fn set_pair(stack: &mut Stack<'_>) -> Result<(), Raise> {
    match stack.kind(-2) {
        Kind::Nil => return Err(Raise::Plain("table index is nil")),
        Kind::Number if stack.number(-2).is_some_and(f64::is_nan) => {
            return Err(Raise::Plain("table index is NaN"));
        }
        _ => stack.raw_set(-3),
    }
    Ok(())
}

fn missing() -> Raise {
    Raise::text("Missing bytes in input.")
}

fn take<'d>(rest: &mut &'d [u8], len: usize) -> Result<&'d [u8], Raise> {
    let (taken, behind) = rest.split_at_checked(len).ok_or_else(missing)?;
    *rest = behind;
    Ok(taken)
}

/// A number of so many bytes, without sign.
fn take_number(rest: &mut &[u8], len: usize) -> Result<u64, Raise> {
    let bytes = take(rest, len)?;
    Ok(bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Pushes a value, or the empty table of one whose contents follow.
fn next_value(stack: &mut Stack<'_>, rest: &mut &[u8]) -> Result<Option<Unpacked>, Raise> {
    if rest.is_empty() {
        return Err(missing());
    }
    if !stack.reserve(1) {
        return Err(Raise::text(
            "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
        ));
    }
    // A value that is not there as a whole is not begun.
    let mut ahead = &rest[1..];
    let tag = rest[0];
    let mut table = None;
    match tag {
        0x00..=0x7f => stack.push_number(f64::from(tag)),
        0xe0..=0xff => stack.push_number(f64::from(tag as i8)),
        0xc0 => stack.push_nil(),
        0xc2 | 0xc3 => stack.push_boolean(tag == 0xc3),
        0xcc..=0xce => {
            let number = take_number(&mut ahead, 1 << (tag - 0xcc))?;
            stack.push_number(number as f64);
        }
        0xcf => {
            // Beyond 63 bits it turns negative, as in Redis.
            let number = take_number(&mut ahead, 8)?;
            stack.push_number(number as i64 as f64);
        }
        0xd0 => {
            let number = take_number(&mut ahead, 1)?;
            stack.push_number(f64::from(number as u8 as i8));
        }
        0xd1 => {
            let number = take_number(&mut ahead, 2)?;
            stack.push_number(f64::from(number as u16 as i16));
        }
        0xd2 => {
            let number = take_number(&mut ahead, 4)?;
            stack.push_number(f64::from(number as u32 as i32));
        }
        0xd3 => {
            let number = take_number(&mut ahead, 8)?;
            stack.push_number(number as i64 as f64);
        }
        0xca => {
            let bits = take_number(&mut ahead, 4)?;
            stack.push_number(f64::from(f32::from_bits(bits as u32)));
        }
        0xcb => {
            let bits = take_number(&mut ahead, 8)?;
            stack.push_number(f64::from_bits(bits));
        }
        0xa0..=0xbf => {
            let text = take(&mut ahead, usize::from(tag & 0x1f))?;
            stack.push_bytes(text);
        }
        0xd9..=0xdb => {
            let len = take_number(&mut ahead, 1 << (tag - 0xd9))?;
            let text = take(&mut ahead, len as usize)?;
            stack.push_bytes(text);
        }
        0x90..=0x9f => table = Some(array(usize::from(tag & 0xf))),
        0xdc | 0xdd => table = Some(array(take_number(&mut ahead, 2 << (tag - 0xdc))? as usize)),
        0x80..=0x8f => table = Some(map(usize::from(tag & 0xf))),
        0xde | 0xdf => table = Some(map(take_number(&mut ahead, 2 << (tag - 0xde))? as usize)),
        0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => {
            return Err(Raise::text("Bad data format in input."));
        }
    }
    if let Some(table) = &table {
        stack.push_table();
        if let Unpacked::Array { len, .. } = table {
            if !stack.reserve(1) {
                return Err(Raise::text(
                    "stack overflow (in function mp_decode_to_lua_array)",
                ));
            }
            if *len > 0 {
                stack.push_number(1.0);
            }
        }
    }
    *rest = ahead;
    Ok(table)
}

fn array(len: usize) -> Unpacked {
    Unpacked::Array { next: 0, len }
}

fn map(len: usize) -> Unpacked {
    Unpacked::Map {
        left: len,
        entries: 0,
        has_key: false,
    }
}

fn check_entries(entries: usize) -> Result<(), Raise> {
    if entries > ENTRIES_MAX {
        return Err(Raise::Plain("table overflow"));
    }
    Ok(())
}
