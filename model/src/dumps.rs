//! DUMP and RESTORE. The bytes of a dump are the server's own: the model learns of each what it is a dump of.

use std::collections::BTreeMap;

use crate::errors::{self, Failure};
use crate::hashes::{Hash, HashEncoding};
use crate::numbers;
use crate::reply::Reply;
use crate::sets::Set;
use crate::sorted_sets::SortedSet;
use crate::state::{Call, Entry, Model, Outcome, Text, Value};

/// Values by their dumps.
pub type Dumps = BTreeMap<Vec<u8>, Value>;

pub fn dump(call: &mut Call) -> Outcome {
    let key = call.key();
    call.look_for(key);
    Ok(if call.exists(key) {
        Reply::Bulk(Vec::new())
    } else {
        Reply::Null
    })
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
}

fn options(call: &Call) -> Result<Options, Failure> {
    let mut options = Options::default();
    let (mut idle, mut frequency) = (false, false);
    let mut at = 4;
    while at < call.args.len() {
        let more = at + 1 < call.args.len();
        if call.says(at, "REPLACE") {
            options.replace = true;
        } else if call.says(at, "ABSTTL") {
            options.absolute = true;
        } else if call.says(at, "IDLETIME") && more && !frequency {
            if numbers::integer(call.arg(at + 1))? < 0 {
                return Err(errors::err("Invalid IDLETIME value, must be >= 0"));
            }
            idle = true;
            at += 1;
        } else if call.says(at, "FREQ") && more && !idle {
            if !(0..=255).contains(&numbers::integer(call.arg(at + 1))?) {
                return Err(errors::err("Invalid FREQ value, must be >= 0 and <= 255"));
            }
            frequency = true;
            at += 1;
        } else {
            return Err(errors::syntax());
        }
        at += 1;
    }
    Ok(options)
}

pub fn restore(call: &mut Call) -> Outcome {
    let options = options(call)?;
    let key = call.key();
    if !options.replace && call.exists(key) {
        return Err(Failure(b"BUSYKEY Target key name already exists.".to_vec()));
    }
    let ttl = numbers::integer(call.arg(2))?;
    if ttl < 0 {
        return Err(errors::err("Invalid TTL value, must be >= 0"));
    }
    let value = call.model.dumps.get(call.arg(3)).cloned();
    let Some(value) = value else {
        return Err(errors::err("DUMP payload version or checksum are wrong"));
    };
    let is_replaced = call.remove(key).is_some();
    let expires_at_ms = match ttl {
        0 => None,
        ttl if options.absolute => Some(ttl),
        ttl => Some(call.after_now(ttl)),
    };
    if expires_at_ms.is_some_and(|at| at <= call.now_ms) {
        if is_replaced {
            call.note('g', "del", key);
        }
        return Ok(Reply::ok());
    }
    let entry = Entry {
        value: reloaded(value),
        expires_at_ms,
        relative: ttl > 0 && !options.absolute,
    };
    call.touch(key);
    call.insert(key, entry);
    call.note('g', "restore", key);
    Ok(Reply::ok())
}

/// A value as Redis has it after it was read from a dump: what has become small is held as a small one.
fn reloaded(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(Text::encoded(text.bytes)),
        Value::Hash(hash) => Value::Hash(Hash::reloaded(hash)),
        Value::Set(set) => Value::Set(Set::reloaded(set)),
        Value::SortedSet(set) => Value::SortedSet(SortedSet::reloaded(set)),
        Value::List(list) => Value::List(list.reloaded()),
        Value::Stream(stream) => Value::Stream(stream),
    }
}

impl Model {
    /// The server's dump of a key of this model or an earlier one.
    pub fn learn_dump(&mut self, of: &Model, database: usize, key: &[u8], dump: &[u8]) {
        if let Some(entry) = of.entry(database, key) {
            let value = entry.value.clone();
            self.dumps.insert(dump.to_vec(), value);
        }
    }

    /// The dumps that the server made, by their bytes.
    pub fn dumps(&self) -> impl Iterator<Item = &[u8]> {
        self.dumps.keys().map(Vec::as_slice)
    }

    /// Whether a dump is that of a stream of whose last node an entry was deleted.
    pub fn is_dump_of_gaps(&self, dump: &[u8]) -> bool {
        match self.dumps.get(dump) {
            Some(Value::Stream(stream)) => stream.last_node_has_gaps(),
            _ => false,
        }
    }

    /// Whether a dump is that of a hash with fields that expire, or that is held as if it had some.
    pub fn is_dump_of_expiring(&self, dump: &[u8]) -> bool {
        match self.dumps.get(dump) {
            Some(Value::Hash(hash)) => {
                hash.encoding == HashEncoding::ListpackEx
                    || hash.fields.iter().any(|it| it.expires_at_ms.is_some())
            }
            _ => false,
        }
    }
}
