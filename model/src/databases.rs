//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB, and MOVE between two of them.

use crate::errors;
use crate::keys;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Database, Outcome};

pub fn dbsize(call: &mut Call) -> Outcome {
    Ok(Reply::count(call.database().entries.len()))
}

fn check_flush_mode(call: &Call) -> Result<(), errors::Failure> {
    let known = match call.args.len() {
        1 => true,
        2 => call.says(1, "SYNC") || call.says(1, "ASYNC"),
        _ => false,
    };
    if known { Ok(()) } else { Err(errors::syntax()) }
}

/// Whether the answer comes after the memory was given back, which is not waited for inside MULTI and scripts.
pub fn waits(call: &Call) -> bool {
    matches!(call.name, "flushdb" | "flushall")
        && !call
            .args
            .get(1)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"ASYNC"))
}

pub fn flushdb(call: &mut Call) -> Outcome {
    check_flush_mode(call)?;
    *call.database() = Database::default();
    Ok(Reply::ok())
}

pub fn flushall(call: &mut Call) -> Outcome {
    check_flush_mode(call)?;
    call.model.databases.fill(Database::default());
    Ok(Reply::ok())
}

pub fn swapdb(call: &mut Call) -> Outcome {
    let first = numbers::small_integer(call.arg(1), Some("invalid first DB index"))?;
    let second = numbers::small_integer(call.arg(2), Some("invalid second DB index"))?;
    let first = keys::database_number(first)?;
    let second = keys::database_number(second)?;
    call.model.databases.swap(first, second);
    if first != second {
        for index in [first, second] {
            for other in [first, second] {
                let keys = call.model.databases[other].entries.keys();
                let keys = keys.map(|key| (index, key.clone()));
                call.model.touched.extend(keys);
            }
        }
    }
    Ok(Reply::ok())
}

pub fn move_key(call: &mut Call) -> Outcome {
    let target = numbers::small_integer(call.arg(2), None)?;
    let target = keys::database_number(target)?;
    if target == call.connection().database {
        return Err(errors::same_object());
    }
    let key = call.key();
    if !call.exists(key) || call.model.databases[target].entries.contains_key(key) {
        return Ok(Reply::flag(false));
    }
    let entry = call.remove(key).expect("it was found");
    call.insert_into(target, key, entry);
    call.note('g', "move_from", key);
    call.model.note(target, 'g', "move_to", key);
    Ok(Reply::flag(true))
}
