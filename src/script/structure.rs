//! The library `struct`: values to bytes in a given layout, and back.
//!
//! A format is a text of options: `>` `<` endianness, `!n` alignment, `x` a padding byte, `b` `h` `l` `T` `i[n]` integers
//! (upper case unsigned), `f` `d` floating point, `s` a text with a zero byte at its end, `cn` a text of n bytes (`c0`: as many
//! as the text has, or as the number before says).

use super::number::{to_i64, to_u64};
use super::raise::Raise;
use super::stack::Stack;
use super::state::{Native, Next};
use crate::resp::text::until_nul;

pub const NAME: &str = "struct";

pub const FUNCTIONS: &[(&str, Native)] = &[("pack", pack), ("unpack", unpack), ("size", size)];

/// The largest integer, in bytes.
const INTEGER_BYTES_MAX: usize = 32;
/// Bytes of an `int`, and of an integer whose size is not given.
const INT_BYTES: i32 = 4;
/// The alignment that `!` alone asks for.
const ALIGNMENT_MAX: i32 = 8;

/// Where an element begins, and of what kind it is.
struct Layout<'a> {
    format: &'a [u8],
    is_little: bool,
    alignment: usize,
}

/// One option of a format.
#[derive(Clone, Copy)]
struct Element {
    option: u8,
    /// Its bytes; 0 where they depend on the data, or there are none.
    bytes: usize,
}

impl<'a> Layout<'a> {
    fn new(format: &'a [u8]) -> Self {
        Self {
            format: until_nul(format),
            is_little: cfg!(target_endian = "little"),
            alignment: 1,
        }
    }

    /// The next option; those that only change the layout have changed it once `control` is called.
    fn next(&mut self) -> Result<Option<Element>, Raise> {
        let Some((&option, rest)) = self.format.split_first() else {
            return Ok(None);
        };
        self.format = rest;
        let bytes = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.count(1)? as usize,
            b'i' | b'I' => {
                let bytes = self.count(INT_BYTES)?;
                if bytes as usize > INTEGER_BYTES_MAX {
                    return Err(Raise::text(format!(
                        "integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}"
                    )));
                }
                bytes as usize
            }
            _ => 0,
        };
        Ok(Some(Element { option, bytes }))
    }

    /// The number that follows, or `default`.
    fn count(&mut self, default: i32) -> Result<i32, Raise> {
        let len = self
            .format
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let (digits, rest) = self.format.split_at(len);
        self.format = rest;
        if len == 0 {
            return Ok(default);
        }
        digits
            .iter()
            .try_fold(0_i32, |count, digit| {
                count.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
            })
            .ok_or_else(|| Raise::text("integral size overflow"))
    }

    /// Bytes of padding in front of an element at `at`.
    fn padding(&self, at: usize, element: Element) -> usize {
        if element.bytes == 0 || element.option == b'c' {
            return 0;
        }
        let unit = element.bytes.min(self.alignment);
        unit.wrapping_sub(at & (unit - 1)) & (unit - 1)
    }

    /// Carries out an option that is no element.
    fn control(&mut self, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'>' => self.is_little = false,
            b'<' => self.is_little = true,
            b'!' => {
                let alignment = self.count(ALIGNMENT_MAX)?;
                if !(alignment as u32).is_power_of_two() {
                    return Err(Raise::text(format!(
                        "alignment {alignment} is not a power of 2"
                    )));
                }
                self.alignment = alignment as usize;
            }
            other => {
                let text = [b"invalid format option '".as_slice(), &[other], b"'"].concat();
                return Err(Raise::argument(1, text));
            }
        }
        Ok(())
    }

    /// Bytes in memory order to bytes in the order of the layout, or back.
    fn order(&self, bytes: &mut [u8]) {
        if self.is_little != cfg!(target_endian = "little") {
            bytes.reverse();
        }
    }
}

/// struct.pack(format, value, ...)
fn pack(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let format = stack.check_bytes(1)?.to_vec();
    let mut layout = Layout::new(&format);
    let mut out: Vec<u8> = Vec::new();
    // A missing argument is nil, and no longer missing.
    stack.push_nil();
    // Positions count the bytes of texts with a given length, whatever was written.
    let mut at = 0_usize;
    let mut argument = 2;
    while let Some(element) = layout.next()? {
        let padding = layout.padding(at, element);
        out.resize(out.len() + padding, 0);
        at += padding;
        let mut bytes = element.bytes;
        match element.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = stack.check_number(argument)?;
                argument += 1;
                put_integer(&mut out, &layout, number, bytes);
            }
            b'x' => out.push(0),
            b'f' => {
                let mut float = (stack.check_number(argument)? as f32).to_ne_bytes();
                argument += 1;
                layout.order(&mut float);
                out.extend_from_slice(&float);
            }
            b'd' => {
                let mut double = stack.check_number(argument)?.to_ne_bytes();
                argument += 1;
                layout.order(&mut double);
                out.extend_from_slice(&double);
            }
            b'c' | b's' => {
                let text = stack.check_bytes(argument)?;
                argument += 1;
                if bytes == 0 {
                    bytes = text.len();
                }
                let Some(text) = text.get(..bytes) else {
                    return Err(Raise::argument(argument, "string too short"));
                };
                out.extend_from_slice(text);
                if element.option == b's' {
                    out.push(0);
                    bytes += 1;
                }
            }
            control => layout.control(control)?,
        }
        at += bytes;
    }
    stack.push_bytes(&out);
    Ok(Next::Return(1))
}

fn put_integer(out: &mut Vec<u8>, layout: &Layout<'_>, number: f64, bytes: usize) {
    let value = if number < 0.0 {
        to_i64(number) as u64
    } else {
        to_u64(number)
    };
    let digits = value.to_le_bytes();
    let mut integer = [0; INTEGER_BYTES_MAX];
    let kept = bytes.min(digits.len());
    integer[..kept].copy_from_slice(&digits[..kept]);
    let integer = &mut integer[..bytes];
    if !layout.is_little {
        integer.reverse();
    }
    out.extend_from_slice(integer);
}

/// struct.unpack(format, data [, offset]): the values, and the offset behind them.
fn unpack(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let format = stack.check_bytes(1)?.to_vec();
    stack.check_bytes(2)?;
    let offset = stack.optional_integer(3, 1)?;
    if offset == 0 {
        return Err(Raise::argument(3, "offset must be 1 or greater"));
    }
    let mut at = (offset as usize).wrapping_sub(1);
    let mut layout = Layout::new(&format);
    let mut results = 0;
    while let Some(element) = layout.next()? {
        at = at.wrapping_add(layout.padding(at, element));
        let len = stack.bytes(2).map_or(0, <[u8]>::len);
        check_data(at, element.bytes, len)?;
        if !stack.reserve(2) {
            return Err(Raise::text("stack overflow (too many results)"));
        }
        let mut bytes = element.bytes;
        match element.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = element.option.is_ascii_lowercase();
                let number = integer(data(stack, at, bytes), &layout, is_signed);
                stack.push_number(number);
                results += 1;
            }
            b'x' => {}
            b'f' => {
                let mut float = [0; 4];
                float.copy_from_slice(data(stack, at, bytes));
                layout.order(&mut float);
                stack.push_number(f64::from(f32::from_ne_bytes(float)));
                results += 1;
            }
            b'd' => {
                let mut double = [0; 8];
                double.copy_from_slice(data(stack, at, bytes));
                layout.order(&mut double);
                stack.push_number(f64::from_ne_bytes(double));
                results += 1;
            }
            b'c' => {
                if bytes == 0 {
                    if results == 0 || stack.number(-1).is_none() {
                        return Err(Raise::text("format 'c0' needs a previous size"));
                    }
                    bytes = to_u64(stack.number(-1).unwrap_or_default()) as usize;
                    stack.pop(1);
                    results -= 1;
                    check_data(at, bytes, len)?;
                }
                let text = data(stack, at, bytes).to_vec();
                stack.push_bytes(&text);
                results += 1;
            }
            b's' => {
                let rest = data(stack, at, len - at);
                let Some(end) = memchr::memchr(0, rest) else {
                    return Err(Raise::text("unfinished string in data"));
                };
                let text = rest[..end].to_vec();
                stack.push_bytes(&text);
                results += 1;
                bytes = end + 1;
            }
            control => layout.control(control)?,
        }
        at = at.wrapping_add(bytes);
    }
    stack.push_number(at.wrapping_add(1) as i64 as f64);
    Ok(Next::Return(results + 1))
}

fn check_data(at: usize, bytes: usize, len: usize) -> Result<(), Raise> {
    if bytes <= len && at <= len - bytes {
        Ok(())
    } else {
        Err(Raise::argument(2, "data string too short"))
    }
}

/// Bytes of the second argument, which are there.
fn data<'s>(stack: &'s Stack<'_>, at: usize, bytes: usize) -> &'s [u8] {
    let all = stack.bytes(2).unwrap_or_default();
    &all[at..at + bytes]
}

/// An integer of up to 32 bytes, of which the lowest 8 count.
fn integer(data: &[u8], layout: &Layout<'_>, is_signed: bool) -> f64 {
    let mut value = 0_u64;
    let mut take = |byte: &u8| value = value << 8 | u64::from(*byte);
    if layout.is_little {
        data.iter().rev().for_each(&mut take);
    } else {
        data.iter().for_each(&mut take);
    }
    if !is_signed {
        return value as f64;
    }
    // What is longer than 64 bits has its sign where a processor's shift, which goes round, puts it.
    let sign = (data.len() as u32 * 8).wrapping_sub(1);
    let above = u64::MAX.wrapping_shl(sign);
    if value & above != 0 {
        value |= above;
    }
    value as i64 as f64
}

/// struct.size(format)
fn size(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let format = stack.check_bytes(1)?.to_vec();
    let mut layout = Layout::new(&format);
    let mut at = 0_usize;
    while let Some(element) = layout.next()? {
        at = at.wrapping_add(layout.padding(at, element));
        match element.option {
            b's' => return Err(Raise::argument(1, "option 's' has no fixed size")),
            b'c' if element.bytes == 0 => {
                return Err(Raise::argument(1, "option 'c0' has no fixed size"));
            }
            option if !option.is_ascii_alphanumeric() => layout.control(option)?,
            _ => {}
        }
        at = at.wrapping_add(element.bytes);
    }
    stack.push_number(at as i64 as f64);
    Ok(Next::Return(1))
}
