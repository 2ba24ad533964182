//! Keys whatever their type: DEL, EXISTS, TYPE, RENAME, COPY.

use crate::errors;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, DATABASES, Entry, Outcome, Value};

/// DEL and UNLINK.
pub fn del(call: &mut Call) -> Outcome {
    let mut removed = 0;
    for key in &call.args[1..] {
        removed += usize::from(call.delete(key));
    }
    Ok(Reply::count(removed))
}

/// EXISTS and TOUCH: a key named twice counts twice.
pub fn exists(call: &mut Call) -> Outcome {
    let mut found = 0;
    for key in &call.args[1..] {
        call.look_for(key);
        found += usize::from(call.exists(key));
    }
    Ok(Reply::count(found))
}

pub fn type_of(call: &mut Call) -> Outcome {
    let key = call.key();
    call.look_for(key);
    let name = call
        .entry(key)
        .map_or("none", |entry| entry.value.type_name());
    Ok(Reply::Status(name.as_bytes().to_vec()))
}

impl Value {
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::Stream(_) => "stream",
            Value::SortedSet(_) => "zset",
        }
    }
}

pub fn rename(call: &mut Call) -> Outcome {
    if !call.exists(call.args[1].as_slice()) {
        return Err(errors::no_such_key());
    }
    move_within(call);
    Ok(Reply::ok())
}

pub fn renamenx(call: &mut Call) -> Outcome {
    let (from, to) = (call.arg(1), call.arg(2));
    if !call.exists(from) {
        return Err(errors::no_such_key());
    }
    if call.exists(to) {
        return Ok(Reply::flag(false));
    }
    move_within(call);
    Ok(Reply::flag(true))
}

fn move_within(call: &mut Call) {
    let (from, to) = (call.arg(1), call.arg(2));
    if from == to {
        return;
    }
    let entry = call.remove(from).expect("it was found");
    call.remove(to);
    call.insert(to, entry);
    call.touch(to);
    call.note('g', "rename_from", from);
    call.note('g', "rename_to", to);
}

pub fn copy(call: &mut Call) -> Outcome {
    let own = call.connection().database;
    let (from, to) = (call.arg(1), call.arg(2));
    let mut target = own;
    let mut replace = false;
    let mut index = 3;
    while index < call.args.len() {
        if call.says(index, "REPLACE") {
            replace = true;
        } else if call.says(index, "DB") && index + 1 < call.args.len() {
            index += 1;
            let number = numbers::small_integer(call.arg(index), None)?;
            target = database_number(number)?;
        } else {
            return Err(errors::syntax());
        }
        index += 1;
    }
    if target == own && from == to {
        return Err(errors::same_object());
    }
    call.look_for(from);
    let Some(entry) = call.entry(from).cloned() else {
        return Ok(Reply::flag(false));
    };
    let entries = &mut call.model.databases[target].entries;
    if entries.contains_key(to) && !replace {
        return Ok(Reply::flag(false));
    }
    entries.remove(to);
    call.insert_into(target, to, own_copy(entry));
    call.model.touched.insert((target, to.to_vec()));
    call.model.note(target, 'g', "copy_to", to);
    Ok(Reply::flag(true))
}

/// The copy of a shared small integer is an object of its own.
fn own_copy(mut entry: Entry) -> Entry {
    if let Value::Text(text) = &mut entry.value {
        text.shared = false;
    }
    entry
}

/// An index of a database that exists.
pub fn database_number(number: i32) -> Result<usize, errors::Failure> {
    match usize::try_from(number) {
        Ok(index) if index < DATABASES => Ok(index),
        _ => Err(errors::out_of_range_database()),
    }
}
