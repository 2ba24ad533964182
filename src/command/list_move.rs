//! Elements from one list to another or out of several: LMOVE, RPOPLPUSH, LMPOP, and the commands that wait for
//! them: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.

use super::argument::{PopOfKeys, deadline_of_seconds};
use super::blocking::Awaits;
use super::list::{pop_many, pop_one};
use super::list_value::{Named, end, limits, list, pop_event, push_event, tell_removed};
use super::{Call, Failure, Outcome};
use crate::keyspace::change::Class;
use crate::keyspace::list::{End, Limits};
use crate::resp::integer::parse_i64;
use crate::storage::Plan;

/// LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>
pub fn lmove(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (end(call.args[3])?, end(call.args[4])?);
    move_or_null(call, from, to)
}

/// RPOPLPUSH source destination
pub fn rpoplpush(call: &mut Call<'_>) -> Outcome {
    move_or_null(call, End::Tail, End::Head)
}

fn move_or_null(call: &mut Call<'_>, from: End, to: End) -> Outcome {
    if !move_one(call, from, to)? {
        call.out.null();
    }
    Ok(())
}

/// BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout
pub fn blmove(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (end(call.args[3])?, end(call.args[4])?);
    move_or_wait(call, from, to, call.args[5])
}

/// BRPOPLPUSH source destination timeout
pub fn brpoplpush(call: &mut Call<'_>) -> Outcome {
    move_or_wait(call, End::Tail, End::Head, call.args[3])
}

fn move_or_wait(call: &mut Call<'_>, from: End, to: End, timeout: &[u8]) -> Outcome {
    let until_ms = deadline_of_seconds(timeout, call.now_ms)?;
    let source = call.args[1];
    if move_one(call, from, to)? {
        let args = call.args;
        if args.len() == 6 {
            call.does(&[b"LMOVE", source, args[2], args[3], args[4]]);
        } else {
            call.does(&[b"RPOPLPUSH", source, args[2]]);
        }
    } else if !call.block_on_keys(&[source], Awaits::List, until_ms) {
        call.out.null();
    }
    Ok(())
}

/// Moves an element from the list at the first key to the one at the second and replies with it. False if there is
/// none.
fn move_one(call: &mut Call<'_>, from: End, to: End) -> Result<bool, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let (source_key, key) = (call.args[1], call.args[2]);
    let limits = limits(call);
    let out = &mut *call.out;
    call.keyspace.write(Plan::Savepoint, |txn| {
        let mut source = list(txn, db, source_key, now_ms, limits)?;
        if source.is_empty() {
            return Ok(false);
        }
        let was_quick = source.is_quicklist();
        let mut element = Vec::new();
        if source_key == key {
            source.pop(txn, from, false, &mut |bytes| {
                element.extend_from_slice(bytes)
            })?;
            let counted = counted_bytes(was_quick, &element, limits);
            source.push(txn, to, &[&element], counted)?;
            source.settle(txn)?;
        } else {
            let mut target = list(txn, db, key, now_ms, limits)?;
            source.pop(txn, from, true, &mut |bytes| {
                element.extend_from_slice(bytes)
            })?;
            let counted = counted_bytes(was_quick, &element, limits);
            target.push(txn, to, &[&element], counted)?;
        }
        out.bulk(&element);
        txn.touched(db, key, 0, Some((Class::List, push_event(to))));
        tell_removed(txn, db, source_key, &source, 1, pop_event(from));
        source.close(txn);
        Ok(true)
    })
}

/// What an element counts for when Redis decides whether the list it moves to becomes a `quicklist`: one that comes
/// out of a `quicklist` as an integer counts for nothing.
fn counted_bytes(from_quicklist: bool, element: &[u8], limits: Limits) -> u64 {
    let len = element.len() as u64;
    let is_integer = from_quicklist && !limits.is_plain(len) && parse_i64(element).is_some();
    if is_integer { 0 } else { len }
}

/// LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub fn lmpop(call: &mut Call<'_>) -> Outcome {
    let wish = PopOfKeys::parse(&call.args[1..], end)?;
    if !pop_first(call, &wish)? {
        call.out.null_array();
    }
    Ok(())
}

/// BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub fn blmpop(call: &mut Call<'_>) -> Outcome {
    let wish = PopOfKeys::parse(&call.args[2..], end)?;
    let until_ms = deadline_of_seconds(call.args[1], call.now_ms)?;
    if !pop_first(call, &wish)? && !call.block_on_keys(wish.keys, Awaits::List, until_ms) {
        call.out.null_array();
    }
    Ok(())
}

/// The command that takes elements off this end.
fn name(end: End) -> &'static [u8] {
    match end {
        End::Head => b"LPOP",
        End::Tail => b"RPOP",
    }
}

fn pop_first(call: &mut Call<'_>, wish: &PopOfKeys<'_, End>) -> Result<bool, Failure> {
    for key in wish.keys {
        let count = pop_many(call, key, wish.end, wish.count, Named::Yes)?;
        if let Some(count) = count {
            call.does(&[name(wish.end), key, count.to_string().as_bytes()]);
            return Ok(true);
        }
    }
    Ok(false)
}

/// BLPOP key [key ...] timeout
pub fn blpop(call: &mut Call<'_>) -> Outcome {
    pop_or_wait(call, End::Head)
}

/// BRPOP key [key ...] timeout
pub fn brpop(call: &mut Call<'_>) -> Outcome {
    pop_or_wait(call, End::Tail)
}

fn pop_or_wait(call: &mut Call<'_>, end: End) -> Outcome {
    let args = call.args;
    let (keys, timeout) = (&args[1..args.len() - 1], args[args.len() - 1]);
    let until_ms = deadline_of_seconds(timeout, call.now_ms)?;
    for key in keys {
        if pop_one(call, key, end, Named::Yes)? {
            call.does(&[name(end), key]);
            return Ok(());
        }
    }
    if !call.block_on_keys(keys, Awaits::List, until_ms) {
        call.out.null_array();
    }
    Ok(())
}
