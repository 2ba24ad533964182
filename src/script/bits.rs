//! The library `bit`: operations on 32-bit integers.

use super::raise::Raise;
use super::stack::Stack;
use super::state::{Native, Next};

pub const NAME: &str = "bit";

pub const FUNCTIONS: &[(&str, Native)] = &[
    ("tobit", tobit),
    ("bnot", bnot),
    ("band", band),
    ("bor", bor),
    ("bxor", bxor),
    ("lshift", lshift),
    ("rshift", rshift),
    ("arshift", arshift),
    ("rol", rol),
    ("ror", ror),
    ("bswap", bswap),
    ("tohex", tohex),
];

/// The low 32 bits of a number, rounded to the nearest integer, ties to even.
///
/// Adding 2^52 + 2^51 moves the integer into the low bits of the sum.
fn bits_of(number: f64) -> u32 {
    (number + 6_755_399_441_055_744.0).to_bits() as u32
}

fn bits(stack: &Stack<'_>, number: i32) -> Result<u32, Raise> {
    stack.check_number(number).map(bits_of)
}

fn answer(stack: &mut Stack<'_>, bits: u32) -> Result<Next, Raise> {
    stack.push_number(f64::from(bits as i32));
    Ok(Next::Return(1))
}

fn tobit(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let value = bits(stack, 1)?;
    answer(stack, value)
}

fn bnot(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let value = bits(stack, 1)?;
    answer(stack, !value)
}

fn fold(stack: &mut Stack<'_>, combine: fn(u32, u32) -> u32) -> Result<Next, Raise> {
    let mut value = bits(stack, 1)?;
    for number in (2..=stack.top()).rev() {
        value = combine(value, bits(stack, number)?);
    }
    answer(stack, value)
}

fn band(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    fold(stack, |a, b| a & b)
}

fn bor(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    fold(stack, |a, b| a | b)
}

fn bxor(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    fold(stack, |a, b| a ^ b)
}

fn shift(stack: &mut Stack<'_>, shifted: fn(u32, u32) -> u32) -> Result<Next, Raise> {
    let value = bits(stack, 1)?;
    let by = bits(stack, 2)? & 31;
    answer(stack, shifted(value, by))
}

fn lshift(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    shift(stack, |value, by| value << by)
}

fn rshift(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    shift(stack, |value, by| value >> by)
}

fn arshift(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    shift(stack, |value, by| (value as i32 >> by) as u32)
}

fn rol(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    shift(stack, u32::rotate_left)
}

fn ror(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    shift(stack, u32::rotate_right)
}

fn bswap(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let value = bits(stack, 1)?;
    answer(stack, value.swap_bytes())
}

/// bit.tohex(value [, digits]): negative for upper case.
fn tohex(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let value = bits(stack, 1)?;
    let digits = match stack.kind(2) {
        super::stack::Kind::None => 8,
        _ => bits(stack, 2)? as i32,
    };
    let count = digits.unsigned_abs().min(8) as usize;
    let printed = if digits < 0 {
        format!("{value:08X}")
    } else {
        format!("{value:08x}")
    };
    stack.push_bytes(&printed.as_bytes()[8 - count..]);
    Ok(Next::Return(1))
}
