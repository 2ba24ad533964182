//! Lists at their ends and by index: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LLEN, LRANGE, LINDEX, LSET, LTRIM.

use std::ops::ControlFlow;

use super::argument::{integer, not_negative};
use super::list_value::{
    Named, Part, elements, limits, list, pop_event, push_event, range, reply_part, tell_removed,
};
use super::{Call, Failure, Outcome, errors};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::list::End;
use crate::resp::ErrorReply;
use crate::storage::Plan;

/// LPUSH key element [element ...]
pub fn lpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Head, false)
}

/// RPUSH key element [element ...]
pub fn rpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Tail, false)
}

/// LPUSHX key element [element ...]
pub fn lpushx(call: &mut Call<'_>) -> Outcome {
    push(call, End::Head, true)
}

/// RPUSHX key element [element ...]
pub fn rpushx(call: &mut Call<'_>) -> Outcome {
    push(call, End::Tail, true)
}

fn push(call: &mut Call<'_>, end: End, only_existing: bool) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let limits = limits(call);
    let pushed = &call.args[2..];
    let bytes = pushed.iter().map(|element| element.len() as u64).sum();
    let len = call.keyspace.write(Plan::Simple, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        if list.is_empty() && only_existing {
            return Ok(0);
        }
        list.push(txn, end, pushed, bytes)?;
        let event = Some((Class::List, push_event(end)));
        txn.touched(db, key, pushed.len() as u64, event);
        let len = list.len();
        list.close(txn);
        Ok::<_, Failure>(len)
    })?;
    call.out.int(len as i64);
    Ok(())
}

/// LPOP key [count]
pub fn lpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Head, "lpop")
}

/// RPOP key [count]
pub fn rpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Tail, "rpop")
}

fn pop(call: &mut Call<'_>, end: End, name: &str) -> Outcome {
    match call.args {
        [_, key] => {
            if !pop_one(call, key, end, Named::No)? {
                call.out.null();
            }
            Ok(())
        }
        [_, key, count] => {
            let count = not_negative(count, errors::NOT_POSITIVE)?;
            if pop_many(call, key, end, count, Named::No)?.is_none() {
                call.out.null_array();
            }
            Ok(())
        }
        _ => Err(errors::wrong_number(name).into()),
    }
}

/// Takes an element off an end of the list at `key` and replies with it. False if there is none.
pub fn pop_one(call: &mut Call<'_>, key: &[u8], end: End, named: Named) -> Result<bool, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let limits = limits(call);
    let out = &mut *call.out;
    call.keyspace.write(Plan::Simple, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        if list.is_empty() {
            return Ok(false);
        }
        named.write(out, key);
        list.pop(txn, end, true, &mut |element| out.bulk(element))?;
        tell_removed(txn, db, key, &list, 1, pop_event(end));
        list.close(txn);
        Ok(true)
    })
}

/// Takes up to `count` elements off an end of the list at `key` and replies with an array of them. Returns how many they
/// were; None if there is no list.
pub fn pop_many(
    call: &mut Call<'_>,
    key: &[u8],
    end: End,
    count: u64,
    named: Named,
) -> Result<Option<u64>, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let limits = limits(call);
    // A long reply comes from a snapshot, which is taken before the elements are gone.
    let elements = elements(call, key, Look::UNSEEN)?;
    let len = elements.len();
    if len == 0 {
        elements.close(call.keyspace);
        return Ok(None);
    }
    named.write(call.out, key);
    let count = count.min(len);
    let (first, kept) = match end {
        End::Head => (0, count..len),
        End::Tail => (len - 1, 0..len - count),
    };
    let backward = end == End::Tail;
    let part = Part {
        first,
        backward,
        count,
    };
    reply_part(call, key, &elements, part)?;
    elements.close(call.keyspace);
    if count == 0 {
        return Ok(Some(0));
    }
    call.keyspace.write(Plan::Savepoint, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        list.keep(txn, kept)?;
        tell_removed(txn, db, key, &list, count, pop_event(end));
        list.close(txn);
        Ok::<_, Failure>(Some(count))
    })
}

/// LLEN key
pub fn llen(call: &mut Call<'_>) -> Outcome {
    let elements = elements(call, call.args[1], Look::READ)?;
    call.out.int(elements.len() as i64);
    elements.close(call.keyspace);
    Ok(())
}

/// LRANGE key start stop
pub fn lrange(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let (start, stop) = (integer(call.args[2])?, integer(call.args[3])?);
    let elements = elements(call, key, Look::READ)?;
    let (first, count) = match range(start, stop, elements.len()) {
        Some((first, last)) => (first, last - first + 1),
        None => (0, 0),
    };
    let part = Part {
        first,
        backward: false,
        count,
    };
    reply_part(call, key, &elements, part)?;
    elements.close(call.keyspace);
    Ok(())
}

/// LINDEX key index
pub fn lindex(call: &mut Call<'_>) -> Outcome {
    let elements = elements(call, call.args[1], Look::READ)?;
    if elements.is_empty() {
        call.out.null();
        return Ok(());
    }
    match absolute(integer(call.args[2])?, elements.len()) {
        None => call.out.null(),
        Some(index) => {
            let out = &mut *call.out;
            elements.visit(call.keyspace, index, false, &mut |element| {
                out.bulk(element);
                ControlFlow::Break(())
            })?;
        }
    }
    elements.close(call.keyspace);
    Ok(())
}

/// The number of the element that an index names, which counts from the end if it is negative.
fn absolute(index: i64, len: u64) -> Option<u64> {
    let index = if index < 0 { len as i64 + index } else { index };
    u64::try_from(index).ok().filter(|index| *index < len)
}

/// LSET key index element
pub fn lset(call: &mut Call<'_>) -> Outcome {
    const INDEX_RANGE: ErrorReply = ErrorReply::new("ERR index out of range");
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (index, element) = (call.args[2], call.args[3]);
    let limits = limits(call);
    let replaced = call.keyspace.write(Plan::Simple, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        if list.is_empty() {
            return Err(errors::NO_SUCH_KEY.into());
        }
        let index = absolute(integer(index)?, list.len()).unwrap_or(u64::MAX);
        let replaced = list.set(txn, index, element)?;
        if replaced {
            txn.touched(db, key, 1, Some((Class::List, "lset")));
        }
        list.close(txn);
        Ok::<_, Failure>(replaced)
    })?;
    if !replaced {
        return Err(INDEX_RANGE.into());
    }
    call.out.ok();
    Ok(())
}

/// LTRIM key start stop
pub fn ltrim(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (start, stop) = (integer(call.args[2])?, integer(call.args[3])?);
    let limits = limits(call);
    call.keyspace.write(Plan::Savepoint, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        let len = list.len();
        if len == 0 {
            return Ok(());
        }
        let kept = range(start, stop, len).map_or(0..0, |(first, last)| first..last + 1);
        list.keep(txn, kept)?;
        tell_removed(txn, db, key, &list, len - list.len(), "ltrim");
        list.close(txn);
        Ok::<_, Failure>(())
    })?;
    call.out.ok();
    Ok(())
}
