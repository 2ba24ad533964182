//! Values out of their bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use smallvec::SmallVec;

use super::decode_stream;
use super::{Field, Input, List, RdbError, Value, kind, listpack, module, old_packings};
use crate::keyspace::hll::murmur;
use crate::resp::integer::parse_i64;

/// In a score written as text: a length that stands for a value that is no number, or no end.
const SCORE_NAN: u8 = 253;
const SCORE_INFINITE: u8 = 254;
const SCORE_MINUS_INFINITE: u8 = 255;

/// The fields that hashes of a file share, by the number of the template.
pub type Templates = BTreeMap<u64, Vec<Vec<u8>>>;

/// What was read of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    Value(Value),
    /// Bytes that were understood as far as to find their end.
    Skipped(Skipped),
}

/// A value of a kind that is not kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// The module type's name.
    Module(String),
    Array,
}

/// A key's name and value that were read over.
#[derive(Clone, Debug, PartialEq)]
pub struct Undecoded {
    /// Where in the file they stand.
    at: u64,
    /// Where they stand in the copy.
    copied: Range<usize>,
    value: UndecodedValue,
}

#[derive(Clone, Debug, PartialEq)]
enum UndecodedValue {
    /// It is of this kind and follows the name.
    Bytes(u8),
    /// Its end is only found by decoding it.
    Decoded(Decoded),
}

/// Reads over a name and a value of this kind, whose bytes are appended to `copy`.
pub fn pass(
    input: &mut Input<'_>,
    kind: u8,
    templates: &Templates,
    copy: &mut Vec<u8>,
) -> Result<Undecoded, RdbError> {
    let (at, start) = (input.at(), copy.len());
    input.begin_copy(std::mem::take(copy));
    let passed = input.pass_string();
    let passed = passed.and_then(|()| pass_bytes(input, kind));
    *copy = input.end_copy();
    let value = if passed? {
        UndecodedValue::Bytes(kind)
    } else {
        UndecodedValue::Decoded(value(input, kind, templates)?)
    };
    let copied = start..copy.len();
    Ok(Undecoded { at, copied, value })
}

impl Undecoded {
    /// Bytes that a hash takes which was decoded on the way: those of its fields stand once in the file, for many hashes.
    pub fn decoded_bytes(&self) -> usize {
        match &self.value {
            UndecodedValue::Decoded(Decoded::Value(Value::Hash(fields))) => fields
                .iter()
                .map(|field| field.name.len() + field.value.len())
                .sum(),
            _ => 0,
        }
    }

    /// Decodes the name and the value; `copy` has their bytes.
    pub fn decode(self, copy: &[u8]) -> Result<(Vec<u8>, Decoded), RdbError> {
        let mut bytes = &copy[self.copied];
        let len = bytes.len() as u64;
        let mut input = Input::part(&mut bytes, self.at, len);
        let name = input.string()?;
        let value = match self.value {
            UndecodedValue::Bytes(kind) => value(&mut input, kind, &Templates::new())?,
            UndecodedValue::Decoded(value) => value,
        };
        Ok((name, value))
    }
}

/// Reads over the bytes of a value; false, and nothing is read: of this kind that is not done.
fn pass_bytes(input: &mut Input<'_>, kind: u8) -> Result<bool, RdbError> {
    match kind {
        kind::STRING
        | kind::LIST_ZIPLIST
        | kind::SET_INTEGERS
        | kind::SET_LISTPACK
        | kind::SORTED_SET_ZIPLIST
        | kind::SORTED_SET_LISTPACK
        | kind::HASH_ZIPMAP
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::HASH_LISTPACK_EXPIRING_PRE_GA => input.pass_string()?,
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => {
            pass_each(input, 1, |input| input.pass_string())?;
        }
        kind::HASH => pass_each(input, 2, |input| {
            input.pass_string()?;
            input.pass_string()
        })?,
        kind::LIST_QUICKLIST_2 => pass_each(input, 2, |input| {
            input.length()?;
            input.pass_string()
        })?,
        kind::SORTED_SET => pass_each(input, 2, |input| {
            input.pass_string()?;
            match input.byte()? {
                SCORE_NAN | SCORE_INFINITE | SCORE_MINUS_INFINITE => Ok(()),
                len => input.pass(u64::from(len)),
            }
        })?,
        kind::SORTED_SET_2 => pass_each(input, 2, |input| {
            input.pass_string()?;
            input.pass(8)
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn pass_each(
    input: &mut Input<'_>,
    bytes_min: u64,
    pass: fn(&mut Input<'_>) -> Result<(), RdbError>,
) -> Result<(), RdbError> {
    let count = count_of_some(input, bytes_min)?;
    (0..count).try_for_each(|_| pass(input))
}

/// Reads a value of this kind. `templates` are those that stand in front of it in its file.
pub fn value(input: &mut Input<'_>, kind: u8, templates: &Templates) -> Result<Decoded, RdbError> {
    let at = input.at();
    let value = match kind {
        kind::STRING => Value::String(input.string()?),
        kind::LIST => Value::List(List::of(strings(input)?)),
        kind::SET => Value::Set(strings(input)?),
        kind::SORTED_SET => scores(input, text_score)?,
        kind::SORTED_SET_2 => scores(input, |input| Ok(f64::from_le_bytes(input.array()?)))?,
        kind::HASH => {
            let mut fields = Vec::new();
            for _ in 0..count_of_some(input, 2)? {
                fields.push(Field {
                    name: input.string()?,
                    value: input.string()?,
                    expires_ms: None,
                });
            }
            Value::Hash(fields)
        }
        kind::LIST_ZIPLIST => Value::List(List::of(packed(input, old_packings::ziplist)?)),
        kind::LIST_QUICKLIST => Value::List(ziplist_nodes(input)?),
        kind::LIST_QUICKLIST_2 => Value::List(listpack_nodes(input)?),
        kind::SET_INTEGERS => Value::Set(packed(input, old_packings::integers)?),
        kind::SET_LISTPACK => Value::Set(packed(input, listpack::read)?),
        kind::SORTED_SET_ZIPLIST => packed_scores(input, old_packings::ziplist)?,
        kind::SORTED_SET_LISTPACK => packed_scores(input, listpack::read)?,
        kind::HASH_ZIPMAP => pairs(packed(input, old_packings::zipmap)?, at)?,
        kind::HASH_ZIPLIST => pairs(packed(input, old_packings::ziplist)?, at)?,
        kind::HASH_LISTPACK => pairs(packed(input, listpack::read)?, at)?,
        kind::HASH_EXPIRING => {
            let first_ms = input.u64_le()?;
            expiring(input, Some(first_ms))?
        }
        kind::HASH_EXPIRING_PRE_GA => expiring(input, None)?,
        kind::HASH_LISTPACK_EXPIRING => {
            input.u64_le()?;
            triples(input)?
        }
        kind::HASH_LISTPACK_EXPIRING_PRE_GA => triples(input)?,
        kind::HASH_TEMPLATE_LISTPACK => {
            let names = packed(input, listpack::read)?;
            template(names, packed(input, listpack::read)?, at)?
        }
        kind::HASH_TEMPLATE_ARRAY => {
            let (mut names, mut values) = (Vec::new(), Vec::new());
            for _ in 0..count_of_some(input, 2)? {
                names.push(input.string()?);
                values.push(input.string()?);
            }
            template(names, values, at)?
        }
        kind::HASH_TEMPLATE_LISTPACK_REFERENCE => {
            let mut values = packed(input, listpack::read)?;
            let number = values.first().and_then(|text| parse_i64(text));
            let names = named(templates, number.and_then(|n| u64::try_from(n).ok()), at)?;
            values.remove(0);
            template(names.to_vec(), values, at)?
        }
        kind::HASH_TEMPLATE_ARRAY_REFERENCE => {
            let number = input.length()?;
            let names = named(templates, Some(number), at)?;
            let values = names.iter().map(|_| input.string());
            let values = values.collect::<Result<_, _>>()?;
            template(names.to_vec(), values, at)?
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
            Value::Stream(Box::new(decode_stream::stream(input, kind)?))
        }
        kind::MODULE_2 => return Ok(Decoded::Skipped(Skipped::Module(module::skip(input)?))),
        kind::ARRAY => {
            skip_array(input)?;
            return Ok(Decoded::Skipped(Skipped::Array));
        }
        _ => return Err(RdbError::UnknownKind { at, kind }),
    };
    check(&value, at)?;
    Ok(Decoded::Value(value))
}

/// A count that is not 0: what is empty is not stored.
fn count_of_some(input: &mut Input<'_>, bytes_min: u64) -> Result<u64, RdbError> {
    match input.count(bytes_min)? {
        0 => input.damage("a collection has no elements"),
        count => Ok(count),
    }
}

fn strings(input: &mut Input<'_>) -> Result<Vec<Vec<u8>>, RdbError> {
    let mut strings = Vec::new();
    for _ in 0..count_of_some(input, 1)? {
        strings.push(input.string()?);
    }
    Ok(strings)
}

type Unpack = fn(&[u8], u64) -> Result<Vec<Vec<u8>>, RdbError>;

fn packed(input: &mut Input<'_>, unpack: Unpack) -> Result<Vec<Vec<u8>>, RdbError> {
    let at = input.at();
    let elements = unpack(&input.string()?, at)?;
    if elements.is_empty() {
        return Err(RdbError::Damaged {
            at,
            what: "a collection has no elements",
        });
    }
    Ok(elements)
}

fn ziplist_nodes(input: &mut Input<'_>) -> Result<List, RdbError> {
    let mut list = List::default();
    for _ in 0..count_of_some(input, 1)? {
        list.push_node(packed(input, old_packings::ziplist)?, false);
    }
    Ok(list)
}

fn listpack_nodes(input: &mut Input<'_>) -> Result<List, RdbError> {
    let mut list = List::default();
    for _ in 0..count_of_some(input, 2)? {
        match input.length()? {
            kind::NODE_PLAIN => list.push_node(vec![input.string()?], true),
            kind::NODE_PACKED => list.push_node(packed(input, listpack::read)?, false),
            _ => return input.damage("a list's node is neither plain nor packed"),
        }
    }
    Ok(list)
}

fn scores(
    input: &mut Input<'_>,
    score: fn(&mut Input<'_>) -> Result<f64, RdbError>,
) -> Result<Value, RdbError> {
    let mut members = Vec::new();
    for _ in 0..count_of_some(input, 2)? {
        let member = input.string()?;
        members.push((member, score(input)?));
    }
    Ok(Value::SortedSet(members))
}

fn text_score(input: &mut Input<'_>) -> Result<f64, RdbError> {
    match input.byte()? {
        SCORE_NAN => Ok(f64::NAN),
        SCORE_INFINITE => Ok(f64::INFINITY),
        SCORE_MINUS_INFINITE => Ok(f64::NEG_INFINITY),
        len => {
            let text = input.bytes(u64::from(len))?;
            number(&text).map_or_else(|| input.damage("a score is no number"), Ok)
        }
    }
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn packed_scores(input: &mut Input<'_>, unpack: Unpack) -> Result<Value, RdbError> {
    let at = input.at();
    let items = packed(input, unpack)?;
    let damage = |what| RdbError::Damaged { at, what };
    let mut members = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let Some(member) = items.next() {
        let score = items.next().ok_or(damage("a member has no score"))?;
        let score = number(&score).ok_or(damage("a score is no number"))?;
        members.push((member, score));
    }
    Ok(Value::SortedSet(members))
}

fn pairs(items: Vec<Vec<u8>>, at: u64) -> Result<Value, RdbError> {
    let mut fields = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let Some(name) = items.next() {
        let value = items.next().ok_or(RdbError::Damaged {
            at,
            what: "a field has no value",
        })?;
        fields.push(Field {
            name,
            value,
            expires_ms: None,
        });
    }
    Ok(Value::Hash(fields))
}

/// Reads a template: its number and its fields.
pub fn read_template(input: &mut Input<'_>, templates: &mut Templates) -> Result<(), RdbError> {
    let number = input.length()?;
    match templates.insert(number, strings(input)?) {
        None => Ok(()),
        Some(_) => input.damage("two templates have one number"),
    }
}

/// The fields of the template with this number. `at`: where the value stands that names it.
fn named(templates: &Templates, number: Option<u64>, at: u64) -> Result<&[Vec<u8>], RdbError> {
    let names = number.and_then(|number| templates.get(&number));
    names.map(Vec::as_slice).ok_or(RdbError::Damaged {
        at,
        what: "a hash names a template that is not there",
    })
}

fn template(names: Vec<Vec<u8>>, values: Vec<Vec<u8>>, at: u64) -> Result<Value, RdbError> {
    if names.len() != values.len() {
        return Err(RdbError::Damaged {
            at,
            what: "a hash has another number of values than of fields",
        });
    }
    let field = |(name, value)| Field {
        name,
        value,
        expires_ms: None,
    };
    Ok(Value::Hash(
        names.into_iter().zip(values).map(field).collect(),
    ))
}

/// Fields with their expiries, which count from the first of them, or are absolute.
fn expiring(input: &mut Input<'_>, first_ms: Option<u64>) -> Result<Value, RdbError> {
    let mut fields = Vec::new();
    for _ in 0..count_of_some(input, 3)? {
        let time = input.length()?;
        let expires_ms = match (time, first_ms) {
            (0, _) => None,
            (time, None) => Some(time),
            (time, Some(first_ms)) => Some(first_ms.saturating_add(time - 1)),
        };
        if expires_ms.is_some_and(|expires_ms| expires_ms > Field::EXPIRES_MS_MAX) {
            return input.damage("a field expires later than any can");
        }
        fields.push(Field {
            name: input.string()?,
            value: input.string()?,
            expires_ms,
        });
    }
    Ok(Value::Hash(fields))
}

/// Fields, values and absolute expiries in one listpack.
fn triples(input: &mut Input<'_>) -> Result<Value, RdbError> {
    let at = input.at();
    let items = packed(input, listpack::read)?;
    let mut fields = Vec::with_capacity(items.len() / 3);
    let mut items = items.into_iter();
    while let Some(name) = items.next() {
        let (Some(value), Some(time)) = (items.next(), items.next()) else {
            return Err(RdbError::Damaged {
                at,
                what: "a field has no value or no expiry",
            });
        };
        let time = std::str::from_utf8(&time)
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        let Some(time) = time.filter(|time| *time <= Field::EXPIRES_MS_MAX) else {
            return Err(RdbError::Damaged {
                at,
                what: "a field's expiry is no time",
            });
        };
        fields.push(Field {
            name,
            value,
            expires_ms: (time != 0).then_some(time),
        });
    }
    Ok(Value::Hash(fields))
}

fn skip_array(input: &mut Input<'_>) -> Result<(), RdbError> {
    let count = input.count(3)?;
    if input.length()? == 1 {
        input.length()?;
    }
    for _ in 0..count {
        input.length()?;
        match input.length()? {
            0 | 3 => drop(input.string()?),
            1 | 2 => drop(input.array::<8>()?),
            _ => return input.damage("an array's element is of no known form"),
        }
    }
    Ok(())
}

/// What no value may have: an element twice, a score that is no number.
fn check(value: &Value, at: u64) -> Result<(), RdbError> {
    let names: Vec<&[u8]> = match value {
        Value::Set(members) => members.iter().map(Vec::as_slice).collect(),
        Value::Hash(fields) => fields.iter().map(|field| field.name.as_slice()).collect(),
        Value::SortedSet(members) => {
            if members.iter().any(|(_, score)| score.is_nan()) {
                return Err(RdbError::Damaged {
                    at,
                    what: "a score is not a number",
                });
            }
            members
                .iter()
                .map(|(member, _)| member.as_slice())
                .collect()
        }
        Value::String(_) | Value::List(_) | Value::Stream(_) => return Ok(()),
    };
    if has_twice(names) {
        return Err(RdbError::Damaged {
            at,
            what: "an element stands twice",
        });
    }
    Ok(())
}

fn has_twice(mut names: Vec<&[u8]>) -> bool {
    // Names of different hashes are different, and numbers are sorted sooner than texts.
    let mut hashes: SmallVec<[u64; 64]> = names.iter().map(|name| murmur(name)).collect();
    hashes.sort_unstable();
    if hashes.windows(2).all(|two| two[0] != two[1]) {
        return false;
    }
    names.sort_unstable();
    names.windows(2).any(|two| two[0] == two[1])
}
