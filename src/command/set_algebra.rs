//! Sets taken together: SINTER, SUNION, SDIFF and their STORE forms, SINTERCARD.

use super::argument::{is_word, not_negative, positive};
use super::set_walk::{LISTED_BYTES_MAX, LISTED_MAX};
use super::{Call, Failure, Outcome, errors, settings};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::header::{Encoding, Kind};
use crate::keyspace::packed::ByteStrings;
use crate::keyspace::set::algebra::{
    Algebra, AlgebraCount, AlgebraStream, Listed, Operation, listed,
};
use crate::keyspace::set::sources::Source;
use crate::resp::encode;
use crate::storage::{Error, Plan};

/// What looks at more members is read from a snapshot, off the engine lock.
const MEMBERS_AT_ONCE: u64 = 1024;

/// SINTER key [key ...]
pub fn sinter(call: &mut Call) -> Outcome {
    reply(call, Operation::Intersection)
}

/// SUNION key [key ...]
pub fn sunion(call: &mut Call) -> Outcome {
    reply(call, Operation::Union)
}

/// SDIFF key [key ...]
pub fn sdiff(call: &mut Call) -> Outcome {
    reply(call, Operation::Difference)
}

/// SINTERSTORE destination key [key ...]
pub fn sinterstore(call: &mut Call) -> Outcome {
    store(call, Operation::Intersection, "sinterstore")
}

/// SUNIONSTORE destination key [key ...]
pub fn sunionstore(call: &mut Call) -> Outcome {
    store(call, Operation::Union, "sunionstore")
}

/// SDIFFSTORE destination key [key ...]
pub fn sdiffstore(call: &mut Call) -> Outcome {
    store(call, Operation::Difference, "sdiffstore")
}

/// What an operation works on.
enum Operands {
    /// All members, in an order that is known, and for each key whether it is there.
    Listed(Vec<ByteStrings>, Vec<bool>),
    Sources(Vec<Source>),
}

/// Looks all keys up, for each whether it is there, and whether all are sets whose order is known: an error if one holds
/// something else than a set.
fn look_up(call: &mut Call, keys: &[&[u8]]) -> Result<(Vec<bool>, bool), Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let mut is_listed = true;
    let mut there = Vec::with_capacity(keys.len());
    for key in keys {
        let entry = call.keyspace.lookup(db, key, now_ms, Look::READ)?;
        there.push(entry.is_some());
        if let Some(entry) = entry {
            if entry.header.kind != Kind::Set {
                return Err(errors::WRONG_TYPE.into());
            }
            is_listed &= entry.header.encoding != Encoding::Table;
        }
    }
    Ok((there, is_listed))
}

fn operands(call: &mut Call, keys: &[&[u8]]) -> Result<Operands, Failure> {
    let db = call.client.db;
    let (there, is_listed) = look_up(call, keys)?;
    if is_listed {
        let mut lists = Vec::with_capacity(keys.len());
        for (key, there) in keys.iter().zip(&there) {
            let list = match there {
                true => call
                    .keyspace
                    .members(db, key, LISTED_MAX, LISTED_BYTES_MAX)?,
                false => Some(ByteStrings::default()),
            };
            lists.extend(list);
        }
        if lists.len() == keys.len() {
            return Ok(Operands::Listed(lists, there));
        }
    }
    Ok(Operands::Sources(sources_of(call, keys, &there)?))
}

/// The sets at keys that were looked up.
fn sources_of(call: &mut Call, keys: &[&[u8]], there: &[bool]) -> Result<Vec<Source>, Error> {
    let db = call.client.db;
    let of = |(key, there): (&&[u8], &bool)| match there {
        true => Source::open(call.keyspace, db, key),
        false => Ok(Source::missing()),
    };
    keys.iter().zip(there).map(of).collect()
}

fn reply(call: &mut Call, operation: Operation) -> Outcome {
    let keys = &call.args[1..];
    let limits = settings::set_limits(call.server);
    let sources = match operands(call, keys)? {
        Operands::Sources(sources) => sources,
        Operands::Listed(lists, there) => match listed(operation, &lists, limits) {
            Some(Listed { members, .. }) => {
                call.out.set(members.len());
                for member in &members {
                    call.out.bulk(member);
                }
                return Ok(());
            }
            None => sources_of(call, keys, &there)?,
        },
    };
    let mut algebra = Algebra::new(operation, sources);
    let engine = &mut call.keyspace.engine;
    if algebra.members_looked_at() > MEMBERS_AT_ONCE && !engine.in_transaction() {
        let snapshot = engine.snapshot();
        let stream = AlgebraStream::new(snapshot, algebra, call.out.is_resp3());
        call.out.stream(Box::new(stream));
        return Ok(());
    }
    let opened = algebra.open(engine)?;
    let (mut count, mut members) = (0, Vec::new());
    while let Some(member) = algebra.next(engine, &opened)? {
        encode::bulk(&mut members, member);
        count += 1;
    }
    call.out.set(count);
    call.out.raw(&members);
    Ok(())
}

fn store(call: &mut Call, operation: Operation, event: &'static str) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let (key, keys) = (call.args[1], &call.args[2..]);
    let limits = settings::set_limits(call.server);
    let (lists, mut sources) = match operands(call, keys)? {
        Operands::Sources(sources) => (None, sources),
        Operands::Listed(lists, there) => (Some((lists, there)), Vec::new()),
    };
    let result = lists
        .as_ref()
        .and_then(|(lists, _)| listed(operation, lists, limits));
    if let Some((_, there)) = &lists
        && result.is_none()
    {
        sources = sources_of(call, keys, there)?;
    }
    let stored = call.keyspace.write(Plan::Savepoint, |txn| {
        let stored = match result {
            None => {
                let algebra = Algebra::new(operation, sources);
                txn.put_result(db, key, now_ms, algebra, limits)?
            }
            Some(listed) => {
                let len = listed.members.len() as u64;
                if len > 0 {
                    txn.put_set(db, key, now_ms, listed)?;
                }
                len
            }
        };
        if stored > 0 {
            txn.touched(db, key, 1, Some((Class::Set, event)));
            return Ok(stored);
        }
        txn.put_nothing(db, key, now_ms)?;
        Ok::<_, Failure>(0)
    })?;
    call.out.int(stored.cast_signed());
    Ok(())
}

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
pub fn sintercard(call: &mut Call) -> Outcome {
    let count = positive(call.args[1], errors::NUMKEYS_NOT_POSITIVE)?;
    let words = &call.args[2..];
    if count > words.len() as u64 {
        return Err(errors::NUMKEYS_TOO_LARGE.into());
    }
    let (keys, mut options) = words.split_at(count as usize);
    let mut limit = 0;
    while let Some((word, rest)) = options.split_first() {
        let Some((number, rest)) = rest.split_first().filter(|_| is_word(word, "LIMIT")) else {
            return Err(errors::SYNTAX.into());
        };
        limit = not_negative(number, errors::LIMIT_NEGATIVE)?;
        options = rest;
    }
    let (there, _) = look_up(call, keys)?;
    let sources = sources_of(call, keys, &there)?;
    let mut algebra = Algebra::new(Operation::Intersection, sources);
    let engine = &mut call.keyspace.engine;
    if algebra.members_looked_at() > MEMBERS_AT_ONCE && !engine.in_transaction() {
        let snapshot = engine.snapshot();
        let stream = AlgebraCount::new(snapshot, algebra, limit);
        call.out.stream(Box::new(stream));
        return Ok(());
    }
    let found = algebra.count(engine, limit)?;
    call.out.int(found.cast_signed());
    Ok(())
}
