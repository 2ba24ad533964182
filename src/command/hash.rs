//! Fields of hashes: HSET and its kin, HGET and its kin, HDEL, HLEN, HEXISTS, HSTRLEN.

use super::{Call, Failure, Outcome, errors, hash_value, kind, settings};
use crate::keyspace::change::Class;
use crate::keyspace::hash::due::Telling;
use crate::keyspace::hash::editor::Expiry;
use crate::keyspace::hash::{self, Found};
use crate::keyspace::header::Kind;
use crate::keyspace::{Entry, Look};
use crate::storage::{Body, Plan, Read, TOGETHER_MAX, TreeId};

/// HSET key field value [field value ...]
pub fn hset(call: &mut Call) -> Outcome {
    let new = set(call, "hset")?;
    call.out.int(new);
    Ok(())
}

/// HMSET key field value [field value ...]
pub fn hmset(call: &mut Call) -> Outcome {
    set(call, "hmset")?;
    call.out.ok();
    Ok(())
}

/// Sets all the pairs; returns how many fields are new.
fn set(call: &mut Call, command: &str) -> Result<i64, Failure> {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (pairs, odd) = call.args[2..].as_chunks::<2>();
    if !odd.is_empty() {
        return Err(errors::wrong_number(command).into());
    }
    let limits = settings::hash_limits(call.server);
    call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = txn
            .hash(db, key, now_ms, limits, pairs.len())?
            .ok_or(errors::WRONG_TYPE)?;
        if pairs.len() as u64 > limits.entries_max {
            hash.become_table();
        }
        let mut new = 0;
        for [field, value] in pairs {
            new += i64::from(hash.set(field, value, Expiry::Drop)?);
        }
        hash.finish()?;
        txn.touched(db, key, pairs.len() as u64, Some((Class::Hash, "hset")));
        Ok(new)
    })
}

/// HSETNX key field value
pub fn hsetnx(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (field, value) = (call.args[2], call.args[3]);
    let limits = settings::hash_limits(call.server);
    let set = call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = hash_value::open(txn, db, key, now_ms, limits, field)?;
        if hash.find(field)?.is_some() {
            return Ok(false);
        }
        hash.set(field, value, Expiry::Drop)?;
        hash.finish()?;
        txn.touched(db, key, 1, Some((Class::Hash, "hset")));
        Ok::<_, Failure>(true)
    })?;
    call.out.int(i64::from(set));
    Ok(())
}

/// What a look at a field leaves to be done.
enum Seen {
    Answered,
    /// The field is due and goes.
    Due,
    /// The value is in pages of its own.
    Long(u64),
}

/// HGET key field
pub fn hget(call: &mut Call) -> Outcome {
    let (key, field, now_ms) = (call.args[1], call.args[2], call.now_ms);
    let seen = hash_value::look(call, key, field, |out, found| match found {
        None => {
            out.null();
            Seen::Answered
        }
        Some(found) if found.is_due(now_ms) => Seen::Due,
        Some(found) => match found.value {
            Body::Inline(value) => {
                out.bulk(value);
                Seen::Answered
            }
            Body::Blob { len } => Seen::Long(len),
        },
    })?;
    match seen {
        Seen::Answered => {}
        Seen::Due => {
            hash_value::reap(call, key, &[field], Telling::Events)?;
            call.out.null();
        }
        Seen::Long(len) => hash_value::reply_long(call, key, field, len)?,
    }
    Ok(())
}

/// HMGET key field [field ...]
pub fn hmget(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let fields = &call.args[2..];
    let mut due: Vec<&[u8]> = Vec::new();
    let seen = {
        let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::READ, Kind::Hash)?;
        call.out.array(fields.len());
        let seen = entry.as_ref().and_then(Entry::trees);
        if seen.is_none() {
            for field in fields {
                let found = entry
                    .as_ref()
                    .and_then(|entry| hash::find_small(entry, field).flatten());
                match found {
                    Some(found) if found.is_due(now_ms) => due.push(field),
                    Some(Found {
                        value: Body::Inline(value),
                        ..
                    }) => {
                        call.out.bulk(value);
                        continue;
                    }
                    _ => {}
                }
                call.out.null();
            }
        }
        seen
    };
    if let Some(seen) = seen {
        let [tree] = call.keyspace.trees_seen(db, key, seen)?;
        get_large(call, tree, fields, &mut due)?;
    }
    if !due.is_empty() {
        hash_value::reap(call, key, &due, Telling::EventsOfMany)?;
    }
    Ok(())
}

/// Replies with fields of a large hash and notes those that are due.
fn get_large<'a>(
    call: &mut Call<'a>,
    tree: TreeId,
    fields: &[&'a [u8]],
    due: &mut Vec<&'a [u8]>,
) -> Outcome {
    let (key, now_ms) = (call.args[1], call.now_ms);
    for together in fields.chunks(TOGETHER_MAX) {
        call.keyspace.engine.look_ahead(tree, together);
        for field in together {
            let cell = call.keyspace.engine.get(tree, field)?;
            let long = match cell.map(|cell| Found::of_cell(&cell)) {
                Some(found) if found.is_due(now_ms) => {
                    due.push(field);
                    call.out.null();
                    None
                }
                Some(found) => match found.value {
                    Body::Inline(value) => {
                        call.out.bulk(value);
                        None
                    }
                    Body::Blob { len } => Some(len),
                },
                None => {
                    call.out.null();
                    None
                }
            };
            if let Some(len) = long {
                hash_value::reply_long(call, key, field, len)?;
            }
        }
    }
    Ok(())
}

/// HDEL key field [field ...]
pub fn hdel(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let fields = &call.args[2..];
    let limits = settings::hash_limits(call.server);
    let deleted = call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = txn
            .hash(db, key, now_ms, limits, fields.len())?
            .ok_or(errors::WRONG_TYPE)?;
        let mut deleted = 0;
        for field in fields {
            deleted += u64::from(hash.remove(field)?);
        }
        if deleted == 0 {
            return Ok(0);
        }
        let is_left = hash.finish()?;
        txn.touched(db, key, deleted, Some((Class::Hash, "hdel")));
        if !is_left {
            txn.event(db, key, Class::Generic, "del");
        }
        Ok::<_, Failure>(deleted)
    })?;
    call.out.int(deleted.cast_signed());
    Ok(())
}

/// HLEN key
pub fn hlen(call: &mut Call) -> Outcome {
    let entry = kind::entry(call, call.args[1], Kind::Hash)?;
    let len = entry.map_or(0, |entry| hash::len(&entry));
    call.out.int(len.cast_signed());
    Ok(())
}

/// HEXISTS key field
pub fn hexists(call: &mut Call) -> Outcome {
    tell_number(call, |_| 1)
}

/// HSTRLEN key field
pub fn hstrlen(call: &mut Call) -> Outcome {
    tell_number(call, |found| found.len().cast_signed())
}

/// Replies with a number that is told of a field; 0 if there is no such field.
fn tell_number(call: &mut Call, number: fn(&Found<'_>) -> i64) -> Outcome {
    let (key, field, now_ms) = (call.args[1], call.args[2], call.now_ms);
    let is_due = hash_value::look(call, key, field, |out, found| {
        let is_due = found.is_some_and(|found| found.is_due(now_ms));
        out.int(found.filter(|_| !is_due).map_or(0, |found| number(&found)));
        is_due
    })?;
    if is_due {
        hash_value::reap(call, key, &[field], Telling::Events)?;
    }
    Ok(())
}
