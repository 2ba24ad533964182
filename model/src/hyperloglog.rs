//! HyperLogLog, in the very bytes Redis keeps: GET and STRLEN of such a key show them.

mod estimate;
mod registers;

use crate::commands::up_to_nul;
use crate::errors::{self, Failure};
use crate::hyperloglog::registers::{Registers, Sketch};
use crate::reply::Reply;
use crate::state::{Call, Encoding, Model, Outcome, Text, Value};

fn corrupted() -> Failure {
    Failure(b"INVALIDOBJ Corrupted HLL object detected".to_vec())
}

/// The sketch under a key, checked as far as Redis checks before it works on one.
fn sketch(call: &mut Call, key: &[u8]) -> Result<Option<Sketch>, Failure> {
    let Some(text) = call.text(key)? else {
        return Ok(None);
    };
    let read = match text.encoding {
        Encoding::Integer => None,
        Encoding::Embedded | Encoding::Raw => Sketch::read(&text.bytes),
    };
    let invalid = b"WRONGTYPE Key is not a valid HyperLogLog string value.";
    read.map(Some).ok_or_else(|| Failure(invalid.to_vec()))
}

fn store(call: &mut Call, key: &[u8], sketch: &Sketch) {
    call.replace(key, Text::raw(sketch.bytes()));
}

pub fn pfadd(call: &mut Call) -> Outcome {
    let key = call.key();
    let found = sketch(call, key)?;
    let mut changed = found.is_none();
    let mut sketch = found.unwrap_or_else(Sketch::empty);
    let mut outcome = Ok(());
    for element in &call.args[2..] {
        let (index, rank) = registers::place(element);
        match sketch.raise(index, rank) {
            Some(raised) => changed |= raised,
            None => {
                outcome = Err(corrupted());
                break;
            }
        }
    }
    if changed && outcome.is_ok() {
        sketch.forget_count();
    }
    store(call, key, &sketch);
    outcome?;
    if changed {
        call.note('$', "pfadd", key);
    }
    Ok(Reply::flag(changed))
}

pub fn pfcount(call: &mut Call) -> Outcome {
    if call.args.len() > 2 {
        let (union, _) = union(call, &call.args[1..])?;
        return Ok(count_reply(estimate::cardinality(&union.histogram())));
    }
    let key = call.key();
    call.look_for(key);
    let Some(mut sketch) = sketch(call, key)? else {
        return Ok(Reply::Integer(0));
    };
    let count = match sketch.remembered_count() {
        Some(count) => Ok(count),
        None => sketch.histogram().ok_or_else(corrupted).map(|histogram| {
            let count = estimate::cardinality(&histogram);
            sketch.remember_count(count);
            count
        }),
    };
    store(call, key, &sketch);
    count.map(count_reply)
}

fn count_reply(count: u64) -> Reply {
    Reply::Integer(count as i64)
}

/// The maximum of every register over the sketches under the keys, and whether one of them is dense.
fn union(call: &mut Call, keys: &[Vec<u8>]) -> Result<(Registers, bool), Failure> {
    let mut union = Registers::default();
    let mut dense = false;
    for key in keys {
        call.look_for(key);
        if let Some(sketch) = sketch(call, key)? {
            dense |= sketch.is_dense();
            union.merge(&sketch.registers().ok_or_else(corrupted)?);
        }
    }
    Ok((union, dense))
}

pub fn pfmerge(call: &mut Call) -> Outcome {
    let key = call.key();
    let (union, dense) = union(call, &call.args[1..])?;
    let mut target = sketch(call, key)?.unwrap_or_else(Sketch::empty);
    if dense {
        target.make_dense().ok_or_else(corrupted)?;
    }
    for (index, rank) in union.iter().enumerate() {
        if rank > 0 {
            target.raise(index, rank);
        }
    }
    target.forget_count();
    store(call, key, &target);
    call.touch(key);
    call.note('$', "pfadd", key);
    Ok(Reply::ok())
}

/// PFDEBUG of a string.
pub fn debug(call: &mut Call) -> Outcome {
    let key = call.arg(2);
    let mut sketch = sketch(call, key)?.expect("it was found");
    let known = ["GETREG", "DECODE", "ENCODING", "TODENSE"];
    let shown = up_to_nul(call.arg(1), usize::MAX);
    if !known.iter().any(|word| call.says(1, word)) {
        return Err(errors::err_bytes(&[
            b"Unknown PFDEBUG subcommand '",
            shown,
            b"'",
        ]));
    }
    let was_dense = sketch.is_dense();
    let name = if was_dense { "dense" } else { "sparse" };
    if call.says(1, "ENCODING") {
        return Ok(Reply::Status(name.as_bytes().to_vec()));
    }
    if call.says(1, "DECODE") {
        let runs = sketch.shown_runs();
        let runs = runs.ok_or_else(|| errors::err("HLL encoding is not sparse"))?;
        return Ok(Reply::Bulk(runs.into_bytes()));
    }
    sketch.make_dense().ok_or_else(corrupted)?;
    store(call, key, &sketch);
    if call.says(1, "TODENSE") {
        return Ok(Reply::flag(!was_dense));
    }
    let registers = sketch.registers().ok_or_else(corrupted)?;
    let registers = registers.iter().map(|rank| Reply::Integer(i64::from(rank)));
    Ok(Reply::Array(registers.collect()))
}

impl Model {
    /// Whether a key holds a HyperLogLog whose runs go beyond the last register.
    pub fn holds_overlong_sketch(&self, database: usize, key: &[u8]) -> bool {
        match self.entry(database, key).map(|entry| &entry.value) {
            Some(Value::Text(text)) => Sketch::read(&text.bytes).is_some_and(|it| it.is_overlong()),
            _ => false,
        }
    }
}
