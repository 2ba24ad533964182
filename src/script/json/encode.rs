//! Values to JSON.

use super::{Setting, check_single, get};
use crate::script::number::general;
use crate::script::raise::Raise;
use crate::script::stack::{Kind, Stack};
use crate::script::state::Next;

/// What is set, as it is at the beginning of a call.
struct Settings {
    sparse_converts: bool,
    sparse_ratio: i32,
    sparse_safe: i32,
    depth_max: i32,
    invalid_numbers: i32,
    precision: usize,
}

/// A table being written: it is on the stack, and behind it the latest key if it is an object.
enum Open {
    Array { next: i32, len: i32 },
    Object { is_first: bool },
}

/// cjson.encode(value)
pub fn encode(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    check_single(stack)?;
    let settings = Settings {
        sparse_converts: get(stack, Setting::SparseConvert) != 0,
        sparse_ratio: get(stack, Setting::SparseRatio),
        sparse_safe: get(stack, Setting::SparseSafe),
        depth_max: get(stack, Setting::EncodeMaxDepth),
        invalid_numbers: get(stack, Setting::EncodeInvalidNumbers),
        precision: get(stack, Setting::NumberPrecision) as usize,
    };
    let mut out = Vec::new();
    settings.write(stack, &mut out)?;
    stack.push_bytes(&out);
    Ok(Next::Return(1))
}

fn refuse(stack: &Stack<'_>, index: i32, why: &str) -> Raise {
    let kind = stack.kind(index).name();
    Raise::text(format!("Cannot serialise {kind}: {why}"))
}

impl Settings {
    /// Writes the value on top, which stays.
    fn write(&self, stack: &mut Stack<'_>, out: &mut Vec<u8>) -> Result<(), Raise> {
        let mut open: Vec<Open> = Vec::new();
        open.extend(self.begin(stack, out, 1)?);
        while let Some(table) = open.last_mut() {
            let has_more = match table {
                Open::Array { next, len } if next == len => {
                    out.push(b']');
                    false
                }
                Open::Array { next, .. } => {
                    if *next > 0 {
                        out.push(b',');
                    }
                    *next += 1;
                    stack.raw_get_at(-1, *next);
                    true
                }
                Open::Object { is_first } => {
                    let has_more = stack.next(-2);
                    if !has_more {
                        out.push(b'}');
                    } else if !std::mem::take(is_first) {
                        out.push(b',');
                    }
                    if has_more {
                        self.write_key(stack, out)?;
                    }
                    has_more
                }
            };
            if !has_more {
                open.pop();
                // The table; the value that is the whole stays.
                if !open.is_empty() {
                    stack.pop(1);
                }
                continue;
            }
            let depth = open.len() as i32 + 1;
            match self.begin(stack, out, depth)? {
                Some(table) => open.push(table),
                None => stack.pop(1),
            }
        }
        Ok(())
    }

    /// Writes the value on top, which stays, or what an array or object begins with.
    fn begin(
        &self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        depth: i32,
    ) -> Result<Option<Open>, Raise> {
        match stack.kind(-1) {
            Kind::String => write_text(out, stack.bytes(-1).unwrap_or_default()),
            Kind::Number => self.write_number(stack, -1, out)?,
            Kind::Boolean if stack.truth(-1) => out.extend_from_slice(b"true"),
            Kind::Boolean => out.extend_from_slice(b"false"),
            Kind::Nil => out.extend_from_slice(b"null"),
            Kind::LightUserdata if stack.is_null_pointer(-1) => out.extend_from_slice(b"null"),
            Kind::Table => return self.begin_table(stack, out, depth).map(Some),
            _ => return Err(refuse(stack, -1, "type not supported")),
        }
        Ok(None)
    }

    fn begin_table(
        &self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        depth: i32,
    ) -> Result<Open, Raise> {
        if depth > self.depth_max || !stack.reserve(4) {
            return Err(Raise::text(format!(
                "Cannot serialise, excessive nesting ({depth})"
            )));
        }
        stack.unshield(-1);
        let len = self.array_len(stack)?;
        if len > 0 {
            out.push(b'[');
            return Ok(Open::Array { next: 0, len });
        }
        out.push(b'{');
        stack.push_nil();
        Ok(Open::Object { is_first: true })
    }

    /// The last position of the array on top; 0 if it is none.
    fn array_len(&self, stack: &mut Stack<'_>) -> Result<i32, Raise> {
        let (mut max, mut items) = (0_i32, 0_i32);
        stack.push_nil();
        while stack.next(-2) {
            let key = match stack.kind(-2) {
                Kind::Number => stack.number(-2).unwrap_or_default(),
                _ => 0.0,
            };
            stack.pop(1);
            if key < 1.0 || key.floor() != key {
                stack.pop(1);
                return Ok(0);
            }
            if key > f64::from(max) {
                max = crate::script::number::to_i32(key);
            }
            items += 1;
        }
        let is_sparse = self.sparse_ratio > 0
            && max > items.wrapping_mul(self.sparse_ratio)
            && max > self.sparse_safe;
        if is_sparse && !self.sparse_converts {
            return Err(refuse(stack, -1, "excessively sparse array"));
        }
        Ok(if is_sparse { 0 } else { max })
    }

    fn write_key(&self, stack: &mut Stack<'_>, out: &mut Vec<u8>) -> Result<(), Raise> {
        match stack.kind(-2) {
            Kind::Number => {
                out.push(b'"');
                self.write_number(stack, -2, out)?;
                out.extend_from_slice(b"\":");
            }
            Kind::String => {
                write_text(out, stack.bytes(-2).unwrap_or_default());
                out.push(b':');
            }
            _ => return Err(refuse(stack, -2, "table key must be a number or string")),
        }
        Ok(())
    }

    fn write_number(&self, stack: &Stack<'_>, index: i32, out: &mut Vec<u8>) -> Result<(), Raise> {
        let number = stack.number(index).unwrap_or_default();
        if !number.is_finite() {
            match self.invalid_numbers {
                0 => return Err(refuse(stack, index, "must not be NaN or Inf")),
                1 if number.is_nan() => {
                    out.extend_from_slice(b"nan");
                    return Ok(());
                }
                1 => {}
                _ => {
                    out.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        general(out, number, self.precision);
        Ok(())
    }
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=31 | 127 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
