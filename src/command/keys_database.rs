//! Keys and whole databases: MOVE, COPY, SWAPDB, DBSIZE, FLUSHDB, FLUSHALL.

use super::argument::{database, integer_32, is_word};
use super::{Call, Failure, Outcome, errors};
use crate::config::Key;
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::resp::ErrorReply;
use crate::storage::Plan;

/// Pages that a flush frees before it answers: as many as the background does in one hold of the engine lock.
const FREED_AT_ONCE: usize = 64;

/// MOVE key db
pub fn r#move(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let to_db = database(call.args[2], call.keyspace.databases(), None)?;
    if db == to_db {
        return Err(errors::SAME_OBJECT.into());
    }
    let moved = call.keyspace.write(Plan::Savepoint, |txn| {
        let from = txn.slot(db, key, now_ms)?;
        if !from.exists() {
            return Ok(false);
        }
        let to = txn.slot(to_db, key, now_ms)?;
        if to.exists() {
            return Ok(false);
        }
        txn.rename(&from, key, &to, key)?;
        txn.touched(db, key, 1, None);
        txn.touched(to_db, key, 0, None);
        txn.event(db, key, Class::Generic, "move_from");
        txn.event(to_db, key, Class::Generic, "move_to");
        Ok::<_, Failure>(true)
    })?;
    call.out.int(i64::from(moved));
    Ok(())
}

/// Database to copy to and whether to replace.
fn copy_options(call: &Call<'_>) -> Result<(u32, bool), ErrorReply> {
    let (mut to_db, mut replace) = (call.client.db, false);
    let mut words = &call.args[3..];
    while let Some((word, rest)) = words.split_first() {
        words = rest;
        if is_word(word, "REPLACE") {
            replace = true;
        } else if is_word(word, "DB")
            && let Some((number, rest)) = words.split_first()
        {
            words = rest;
            to_db = database(number, call.keyspace.databases(), None)?;
        } else {
            return Err(errors::SYNTAX);
        }
    }
    Ok((to_db, replace))
}

/// COPY source destination [DB destination-db] [REPLACE]
pub fn copy(call: &mut Call) -> Outcome {
    let (db, from_key, to_key) = (call.client.db, call.args[1], call.args[2]);
    let now_ms = call.now_ms;
    let (to_db, replace) = copy_options(call)?;
    if db == to_db && from_key == to_key {
        return Err(errors::SAME_OBJECT.into());
    }
    let copied = call.keyspace.write(Plan::Savepoint, |txn| {
        let (from, ()) = txn.inspect(db, from_key, now_ms, Look::READ, |_| ())?;
        if !from.exists() {
            return Ok(false);
        }
        let to = txn.slot(to_db, to_key, now_ms)?;
        if to.exists() && !replace {
            return Ok(false);
        }
        txn.copy(&from, from_key, &to, to_key)?;
        txn.touched(to_db, to_key, 1, Some((Class::Generic, "copy_to")));
        Ok::<_, Failure>(true)
    })?;
    call.out.int(i64::from(copied));
    Ok(())
}

/// SWAPDB index1 index2
pub fn swapdb(call: &mut Call) -> Outcome {
    let databases = call.keyspace.databases();
    // Both words are read before either is looked at.
    integer_32(call.args[1]).map_err(|_| errors::FIRST_DATABASE)?;
    let b = database(call.args[2], databases, Some(&errors::SECOND_DATABASE))?;
    let a = database(call.args[1], databases, Some(&errors::FIRST_DATABASE))?;
    call.keyspace.write(Plan::Savepoint, |txn| {
        txn.swap(a, b)?;
        Ok::<_, Failure>(())
    })?;
    call.keyspace.stats.dirty += 1;
    call.out.ok();
    Ok(())
}

/// DBSIZE
pub fn dbsize(call: &mut Call) -> Outcome {
    let db = call.client.db;
    let met = call.keyspace.count_met_due(db, call.now_ms)?;
    let len = call.keyspace.len(db)? - met;
    call.out.int(len as i64);
    Ok(())
}

/// Storage frees what is flushed in the background in any case.
fn check_flush_word(call: &Call<'_>) -> Result<(), ErrorReply> {
    match call.args[1..] {
        [] => Ok(()),
        [word] if is_word(word, "SYNC") || is_word(word, "ASYNC") => Ok(()),
        _ => Err(errors::SYNTAX),
    }
}

/// FLUSHDB [ASYNC | SYNC]
pub fn flushdb(call: &mut Call) -> Outcome {
    check_flush_word(call)?;
    let db = call.client.db;
    flush(call, db..db + 1)
}

/// FLUSHALL [ASYNC | SYNC]
pub fn flushall(call: &mut Call) -> Outcome {
    check_flush_word(call)?;
    let databases = call.keyspace.databases();
    flush(call, 0..databases)
}

fn flush(call: &mut Call, databases: std::ops::Range<u32>) -> Outcome {
    let is_async = match call.args {
        [_, word] => is_word(word, "ASYNC"),
        _ => call.server.config.is_on(Key::LazyfreeLazyUserFlush),
    };
    let is_waited_for = !is_async && !call.client.deny_blocking;
    let now_ms = call.now_ms;
    call.keyspace.write(Plan::Savepoint, |txn| {
        for db in databases {
            let met = txn.keyspace().count_met_due(db, now_ms)?;
            txn.keyspace().stats.expired_keys += met;
            // What nobody can wait for, and is not to be left for later, Redis frees at once.
            txn.flush(db, is_async || is_waited_for)?;
        }
        Ok::<_, Failure>(())
    })?;
    // It is repeated whether there was anything or not.
    call.does(call.args);
    if is_waited_for && !call.keyspace.in_transaction() {
        // The rest of a large database is freed in the background.
        let freed = call.keyspace.engine.free_dropped(FREED_AT_ONCE);
        freed.unwrap_or_else(|e| tracing::warn!("the space of something flushed is lost: {e}"));
    }
    // Whoever waits for the end of a flush hears of it before the reply says that it is over.
    call.client.outgoing.before_reply = call.server.tracking.any() && is_waited_for;
    call.out.ok();
    Ok(())
}
