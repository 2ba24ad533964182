//! Hashes: fields and values, in the order in which Redis lists a small one.

use crate::errors::{self, Failure};
use crate::extended::Extended;
use crate::glob;
use crate::numbers;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, Entry, Outcome, Value};

/// `hash-max-listpack-entries` and `hash-max-listpack-value`, as Redis starts with.
const ENTRIES_MAX: usize = 512;
const VALUE_BYTES_MAX: usize = 64;

/// A server may forget the order of a hash once it takes more than this many bytes.
const ORDERED_BYTES_MAX: usize = 400;

/// Bytes that a server may add to each field.
const FIELD_OVERHEAD_BYTES: usize = 12;

/// How Redis would hold a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashEncoding {
    Listpack,
    /// It has been asked to let fields expire.
    ListpackEx,
    Table,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// Milliseconds since 1970; the field is gone when the clock shows more than this.
    pub expires_at_ms: Option<i64>,
    /// The expiry was computed from the current time.
    pub relative: bool,
}

impl Field {
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|at| at < now_ms)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    pub fields: Vec<Field>,
    pub encoding: HashEncoding,
    /// The order is the server's own.
    pub disordered: bool,
}

impl Default for Hash {
    fn default() -> Hash {
        Hash {
            fields: Vec::new(),
            encoding: HashEncoding::Listpack,
            disordered: false,
        }
    }
}

impl Hash {
    /// What is read from a dump: one in a hash table is filled anew.
    pub fn reloaded(mut hash: Hash) -> Hash {
        let texts = hash.fields.iter().flat_map(|it| [&it.name, &it.value]);
        let are_short = texts.map(Vec::len).all(|bytes| bytes <= VALUE_BYTES_MAX);
        let expire = hash.fields.iter().any(|it| it.expires_at_ms.is_some());
        hash.encoding = match hash.encoding {
            HashEncoding::Table if are_short && hash.fields.len() <= ENTRIES_MAX => {
                HashEncoding::Listpack
            }
            HashEncoding::ListpackEx if !expire => HashEncoding::Listpack,
            encoding => encoding,
        };
        hash
    }

    pub fn find(&self, name: &[u8]) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn encoding_name(&self) -> &'static str {
        match self.encoding {
            HashEncoding::Listpack => "listpack",
            HashEncoding::ListpackEx => "listpackex",
            HashEncoding::Table => "hashtable",
        }
    }

    /// Where a field with this expiry stands: those that expire in the order of their times, then the others.
    pub fn place(&mut self, field: Field) {
        let later = |other: &Field| match (field.expires_at_ms, other.expires_at_ms) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(new), Some(old)) => old >= new,
        };
        let at = self.fields.iter().position(later);
        self.fields.insert(at.unwrap_or(self.fields.len()), field);
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &[u8]) -> Option<Field> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        Some(self.fields.remove(at))
    }

    /// Gives a field a value. True: it is new.
    fn set(&mut self, name: &[u8], value: &[u8], keep_expiry: bool) -> bool {
        if name.len() > VALUE_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            self.encoding = HashEncoding::Table;
        }
        let old = self.fields.iter_mut().find(|field| field.name == name);
        let new = old.is_none();
        match old {
            Some(field) if keep_expiry || field.expires_at_ms.is_none() => {
                field.value = value.to_vec();
            }
            _ => {
                self.take(name);
                self.fields.push(Field {
                    name: name.to_vec(),
                    value: value.to_vec(),
                    expires_at_ms: None,
                    relative: false,
                });
            }
        }
        if self.fields.len() > ENTRIES_MAX {
            self.encoding = HashEncoding::Table;
        }
        self.note_order();
        new
    }

    /// Remembers whether the order is still Redis's.
    pub fn note_order(&mut self) {
        let bytes: usize = self
            .fields
            .iter()
            .map(|field| field.name.len() + field.value.len() + FIELD_OVERHEAD_BYTES)
            .sum();
        self.disordered |= self.encoding == HashEncoding::Table || bytes > ORDERED_BYTES_MAX;
    }
}

impl Call<'_> {
    /// The hash stored under a key, nothing if there is no key, an error for another type.
    pub fn hash(&mut self, key: &[u8]) -> Result<Option<&mut Hash>, Failure> {
        match self.entry(key).map(|entry| &mut entry.value) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash)),
            Some(_) => Err(errors::wrong_type()),
        }
    }

    /// The hash stored under a key, an empty one if there is none.
    fn made_hash(&mut self, key: &[u8]) -> Result<&mut Hash, Failure> {
        self.hash(key)?;
        self.touch(key);
        if !self.exists(key) {
            let entry = Entry {
                value: Value::Hash(Hash::default()),
                expires_at_ms: None,
                relative: false,
            };
            self.insert(key, entry);
        }
        Ok(self.hash(key)?.expect("it is there or was just made"))
    }

    /// Removes the key if its hash has no fields.
    pub fn drop_empty_hash(&mut self, key: &[u8]) {
        if matches!(self.hash(key), Ok(Some(hash)) if hash.fields.is_empty()) {
            self.delete(key);
        }
    }
}

pub fn hset(call: &mut Call) -> Outcome {
    Ok(Reply::count(set_pairs(call)?))
}

pub fn hmset(call: &mut Call) -> Outcome {
    set_pairs(call)?;
    Ok(Reply::ok())
}

fn set_pairs(call: &mut Call) -> Result<usize, Failure> {
    if !call.args.len().is_multiple_of(2) {
        return Err(errors::wrong_arity(call.name));
    }
    let (key, pairs) = (call.key(), call.args[2..].chunks(2));
    let hash = call.made_hash(key)?;
    if pairs.len() > ENTRIES_MAX {
        hash.encoding = HashEncoding::Table;
    }
    let new = pairs.filter(|pair| hash.set(&pair[0], &pair[1], false));
    let new = new.count();
    call.note('h', "hset", key);
    Ok(new)
}

pub fn hsetnx(call: &mut Call) -> Outcome {
    let (key, name, value) = (call.key(), call.arg(2), call.arg(3));
    if call
        .hash(key)?
        .is_some_and(|hash| hash.find(name).is_some())
    {
        return Ok(Reply::flag(false));
    }
    call.made_hash(key)?.set(name, value, false);
    call.note('h', "hset", key);
    Ok(Reply::flag(true))
}

/// A copy of a field's value.
fn value(call: &mut Call, name: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let key = call.key();
    let hash = call.hash(key)?;
    Ok(hash.and_then(|hash| hash.find(name).map(|field| field.value.clone())))
}

pub fn hget(call: &mut Call) -> Outcome {
    call.look_for(call.key());
    Ok(value(call, call.arg(2))?.map_or(Reply::Null, Reply::Bulk))
}

pub fn hmget(call: &mut Call) -> Outcome {
    call.look_for(call.key());
    let names = &call.args[2..];
    let values = names
        .iter()
        .map(|name| Ok(value(call, name)?.map_or(Reply::Null, Reply::Bulk)));
    Ok(Reply::Array(values.collect::<Result<_, Failure>>()?))
}

pub fn hdel(call: &mut Call) -> Outcome {
    let (key, names) = (call.key(), &call.args[2..]);
    let Some(hash) = call.hash(key)? else {
        return Ok(Reply::count(0));
    };
    let deleted = names.iter().filter(|name| hash.take(name).is_some());
    let deleted = deleted.count();
    if deleted > 0 {
        call.note('h', "hdel", key);
    }
    call.drop_empty_hash(key);
    Ok(Reply::count(deleted))
}

pub fn hlen(call: &mut Call) -> Outcome {
    let key = call.key();
    call.look_for(key);
    Ok(Reply::count(
        call.hash(key)?.map_or(0, |hash| hash.fields.len()),
    ))
}

pub fn hexists(call: &mut Call) -> Outcome {
    call.look_for(call.key());
    Ok(Reply::flag(value(call, call.arg(2))?.is_some()))
}

pub fn hstrlen(call: &mut Call) -> Outcome {
    call.look_for(call.key());
    Ok(Reply::count(
        value(call, call.arg(2))?.map_or(0, |value| value.len()),
    ))
}

pub fn hincrby(call: &mut Call) -> Outcome {
    let delta = numbers::integer(call.arg(3))?;
    let old = match value(call, call.arg(2))? {
        None => 0,
        Some(text) => {
            numbers::canonical(&text).ok_or_else(|| errors::err("hash value is not an integer"))?
        }
    };
    let new = old
        .checked_add(delta)
        .ok_or_else(|| errors::err("increment or decrement would overflow"))?;
    let (key, name) = (call.key(), call.arg(2));
    let shown = new.to_string();
    call.made_hash(key)?.set(name, shown.as_bytes(), true);
    call.note('h', "hincrby", key);
    Ok(Reply::Integer(new))
}

pub fn hincrbyfloat(call: &mut Call) -> Outcome {
    let delta = Extended::parse(call.arg(3)).ok_or_else(errors::not_a_float)?;
    if delta.is_infinite() {
        return Err(errors::err("value is NaN or Infinity"));
    }
    let old = match value(call, call.arg(2))? {
        None => Extended::ZERO,
        Some(text) => {
            Extended::parse(&text).ok_or_else(|| errors::err("hash value is not a float"))?
        }
    };
    let new = old
        .add(delta)
        .ok_or_else(|| errors::err("increment would produce NaN or Infinity"))?;
    let (key, name) = (call.key(), call.arg(2));
    let shown = new.to_plain().into_bytes();
    call.made_hash(key)?.set(name, &shown, true);
    call.note('h', "hincrbyfloat", key);
    Ok(Reply::Bulk(shown))
}

/// A copy of all fields, to be read.
fn all(call: &mut Call) -> Result<Vec<Field>, Failure> {
    let key = call.key();
    call.look_for(key);
    Ok(call
        .hash(key)?
        .map(|hash| hash.fields.clone())
        .unwrap_or_default())
}

pub fn hgetall(call: &mut Call) -> Outcome {
    let fields = all(call)?;
    let pairs = fields
        .into_iter()
        .map(|field| (Reply::Bulk(field.name), Reply::Bulk(field.value)));
    Ok(Reply::Map(pairs.collect()))
}

pub fn hkeys(call: &mut Call) -> Outcome {
    let fields = all(call)?.into_iter();
    Ok(Reply::Array(
        fields.map(|field| Reply::Bulk(field.name)).collect(),
    ))
}

pub fn hvals(call: &mut Call) -> Outcome {
    let fields = all(call)?.into_iter();
    Ok(Reply::Array(
        fields.map(|field| Reply::Bulk(field.value)).collect(),
    ))
}

/// Everything in one page.
pub fn hscan(call: &mut Call) -> Outcome {
    if numbers::cursor(call.arg(2)).is_none() {
        return Err(errors::err("invalid cursor"));
    }
    let key = call.key();
    if call.hash(key)?.is_none() {
        call.look_for(key);
        return Ok(Reply::Array(vec![
            Reply::bulk(b"0"),
            Reply::Array(Vec::new()),
        ]));
    }
    let (mut pattern, mut only_names) = (None, false);
    let mut index = 3;
    while index < call.args.len() {
        let followed = index + 1 < call.args.len();
        if call.says(index, "COUNT") && followed {
            if numbers::integer(call.arg(index + 1))? < 1 {
                return Err(errors::syntax());
            }
            index += 1;
        } else if call.says(index, "MATCH") && followed {
            pattern = Some(call.arg(index + 1));
            index += 1;
        } else if call.says(index, "NOVALUES") {
            only_names = true;
        } else {
            return Err(errors::syntax());
        }
        index += 1;
    }
    let wanted = all(call)?
        .into_iter()
        .filter(|field| pattern.is_none_or(|pattern| glob::matches(pattern, &field.name)));
    let page = wanted.flat_map(|field| {
        let value = (!only_names).then_some(Reply::Bulk(field.value));
        [Some(Reply::Bulk(field.name)), value].into_iter().flatten()
    });
    let page = Reply::Array(page.collect());
    Ok(Reply::Array(vec![Reply::bulk(b"0"), page]))
}

/// The first fields, as many as are asked for.
pub fn hrandfield(call: &mut Call) -> Outcome {
    if call.args.len() == 2 {
        let first = all(call)?.into_iter().next();
        return Ok(first.map_or(Reply::Null, |field| Reply::Bulk(field.name)));
    }
    let count = numbers::random_count(call.arg(2))?;
    let with_values = match call.args.len() {
        3 => false,
        4 if call.says(3, "WITHVALUES") => true,
        _ => return Err(errors::syntax()),
    };
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(errors::err("value is out of range"));
    }
    let fields = all(call)?;
    let chosen: Vec<Field> = match usize::try_from(count) {
        Ok(count) => fields.into_iter().take(count).collect(),
        Err(_) if fields.is_empty() => Vec::new(),
        Err(_) => {
            let draws = usize::try_from(count.unsigned_abs()).expect("few draws are asked for");
            fields.into_iter().cycle().take(draws).collect()
        }
    };
    let nested = call.protocol() == Protocol::Resp3;
    let mut items = Vec::new();
    for field in chosen {
        let name = Reply::Bulk(field.name);
        let value = Reply::Bulk(field.value);
        match (with_values, nested) {
            (false, _) => items.push(name),
            (true, false) => items.extend([name, value]),
            (true, true) => items.push(Reply::Array(vec![name, value])),
        }
    }
    Ok(Reply::Array(items))
}
