//! Values into bytes, in the plain packings that every version since 5.0 reads.

use std::io::{self, Write};

use super::value::{Field, List, Value};
use super::{encode_stream, kind, listpack, lzf};
use crate::interchange::crc64::Crc64;
use crate::resp::integer::parse_i64;

/// Texts of up to this many bytes may be integers that are written as such.
const INTEGER_LEN_MAX: usize = 11;
/// Strings of up to this many bytes are not compressed.
const COMPRESSED_LEN_MIN: usize = 20;
/// Bytes that compression must save.
const SAVED_BYTES_MIN: usize = 4;

/// Bytes on their way to a file or a payload, with their checksum.
pub struct Output<'a> {
    sink: &'a mut dyn Write,
    crc: Crc64,
    /// Bytes written so far.
    at: u64,
    /// Long strings are compressed.
    compresses: bool,
}

impl<'a> Output<'a> {
    pub fn new(sink: &'a mut dyn Write, compresses: bool) -> Self {
        Self {
            sink,
            crc: Crc64::default(),
            at: 0,
            compresses,
        }
    }

    /// The checksum of all bytes so far.
    pub fn crc(&self) -> u64 {
        self.crc.value()
    }

    /// Bytes written so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.add(bytes);
        self.at += bytes.len() as u64;
        self.sink.write_all(bytes)
    }

    pub fn byte(&mut self, byte: u8) -> io::Result<()> {
        self.bytes(&[byte])
    }

    /// A length or a number.
    pub fn length(&mut self, len: u64) -> io::Result<()> {
        match len {
            0..0x40 => self.byte(len as u8),
            0x40..0x4000 => self.bytes(&[0x40 | (len >> 8) as u8, len as u8]),
            0x4000..0x1_0000_0000 => {
                self.byte(0x80)?;
                self.bytes(&(len as u32).to_be_bytes())
            }
            _ => {
                self.byte(0x81)?;
                self.bytes(&len.to_be_bytes())
            }
        }
    }

    /// A string, as an integer or compressed where that is shorter.
    pub fn string(&mut self, text: &[u8]) -> io::Result<()> {
        if text.len() <= INTEGER_LEN_MAX
            && let Some(number) = parse_i64(text)
            && let Ok(number) = i32::try_from(number)
        {
            return self.integer(number);
        }
        if self.compresses
            && text.len() > COMPRESSED_LEN_MIN
            && let Some(packed) = lzf::compress(text)
            && packed.len() + SAVED_BYTES_MIN <= text.len()
        {
            self.byte(0xc3)?;
            self.length(packed.len() as u64)?;
            self.length(text.len() as u64)?;
            return self.bytes(&packed);
        }
        self.raw_string(text)
    }

    /// A string as it is.
    pub fn raw_string(&mut self, text: &[u8]) -> io::Result<()> {
        self.length(text.len() as u64)?;
        self.bytes(text)
    }

    fn integer(&mut self, number: i32) -> io::Result<()> {
        let bytes = number.to_le_bytes();
        let (code, len) = if i8::try_from(number).is_ok() {
            (0xc0, 1)
        } else if i16::try_from(number).is_ok() {
            (0xc1, 2)
        } else {
            (0xc2, 4)
        };
        self.byte(code)?;
        self.bytes(&bytes[..len])
    }
}

/// The byte that says how [`value`] writes this value.
pub fn kind_of(value: &Value, version: u16) -> u8 {
    match value {
        Value::String(_) => kind::STRING,
        Value::List(list) if list.nodes.is_empty() => kind::LIST,
        Value::List(_) => kind::LIST_QUICKLIST_2,
        Value::Set(_) => kind::SET,
        Value::SortedSet(_) => kind::SORTED_SET_2,
        Value::Hash(fields) if first_expiry(fields).is_some() => kind::HASH_EXPIRING,
        Value::Hash(_) => kind::HASH,
        Value::Stream(_) if version < 11 => kind::STREAM_2,
        Value::Stream(_) => kind::STREAM_3,
    }
}

fn first_expiry(fields: &[Field]) -> Option<u64> {
    fields.iter().filter_map(|field| field.expires_ms).min()
}

/// Writes a value without the byte of its kind.
pub fn value(out: &mut Output<'_>, value: &Value, version: u16) -> io::Result<()> {
    match value {
        Value::String(text) => out.string(text),
        Value::List(list) if !list.nodes.is_empty() => nodes(out, list),
        Value::List(List { elements, .. }) | Value::Set(elements) => {
            out.length(elements.len() as u64)?;
            elements.iter().try_for_each(|element| out.string(element))
        }
        Value::SortedSet(members) => {
            out.length(members.len() as u64)?;
            members.iter().try_for_each(|(member, score)| {
                out.string(member)?;
                out.bytes(&score.to_le_bytes())
            })
        }
        Value::Hash(fields) => hash(out, fields),
        Value::Stream(stream) => encode_stream::stream(out, stream, kind_of(value, version)),
    }
}

fn nodes(out: &mut Output<'_>, list: &List) -> io::Result<()> {
    out.length(list.nodes.len() as u64)?;
    let mut elements = list.elements.iter();
    for node in &list.nodes {
        let mut writer = NodeWriter::default();
        for element in elements.by_ref().take(node.len) {
            writer.push(out, element, node.plain)?;
        }
        writer.end(out)?;
    }
    Ok(())
}

/// A node of a list while it is written.
#[derive(Debug, Default)]
pub struct NodeWriter {
    packed: Option<listpack::Writer>,
}

impl NodeWriter {
    /// Adds an element, which is all there is of a plain node.
    pub fn push(&mut self, out: &mut Output<'_>, element: &[u8], plain: bool) -> io::Result<()> {
        if plain {
            self.end(out)?;
            out.length(kind::NODE_PLAIN)?;
            return out.string(element);
        }
        self.packed.get_or_insert_default().push(element);
        Ok(())
    }

    /// Ends the node, if there is one; the next may follow.
    pub fn end(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        let Some(packed) = self.packed.take() else {
            return Ok(());
        };
        out.length(kind::NODE_PACKED)?;
        out.string(&packed.finish())
    }
}

fn hash(out: &mut Output<'_>, fields: &[Field]) -> io::Result<()> {
    let first_ms = first_expiry(fields);
    if let Some(first_ms) = first_ms {
        out.bytes(&first_ms.to_le_bytes())?;
    }
    out.length(fields.len() as u64)?;
    for field in fields {
        if let Some(first_ms) = first_ms {
            out.length(field.expires_ms.map_or(0, |time_ms| time_ms - first_ms + 1))?;
        }
        out.string(&field.name)?;
        out.string(&field.value)?;
    }
    Ok(())
}
