//! Keys whatever they hold: DEL, UNLINK, EXISTS, TYPE, TOUCH, RANDOMKEY, RENAME, RENAMENX.

use super::{Call, Failure, Outcome, errors};
use crate::config::Key;
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::storage::{Plan, TOGETHER_MAX};

/// DEL key [key ...]
pub fn del(call: &mut Call) -> Outcome {
    let deleted = delete(call, &call.args[1..], false)?;
    call.out.int(deleted);
    Ok(())
}

/// Deletes keys of the client's database: how many were there. Large values are freed later in any case, and counted if
/// that is asked for: by the command, if it `unlinks`, or by the directive.
pub(super) fn delete(call: &mut Call<'_>, keys: &[&[u8]], unlinks: bool) -> Result<i64, Failure> {
    let config = &call.server.config;
    let (db, now_ms) = (call.client.db, call.now_ms);
    call.keyspace.write(Plan::Simple, |txn| {
        let mut deleted = 0;
        for together in keys.chunks(TOGETHER_MAX) {
            txn.keyspace().look_ahead(db, together);
            for key in together {
                let slot = txn.slot(db, key, now_ms)?;
                if slot.is_stored() && keys.len() > 1 {
                    txn.engine().need_savepoint();
                }
                let is_counted =
                    slot.is_large() && (unlinks || config.is_on(Key::LazyfreeLazyUserDel));
                let was_there = if is_counted {
                    txn.unlink(&slot, key)?
                } else {
                    txn.delete(&slot, key)?
                };
                if was_there {
                    txn.touched(db, key, 1, Some((Class::Generic, "del")));
                    deleted += 1;
                }
            }
        }
        Ok(deleted)
    })
}

/// UNLINK key [key ...]
pub fn unlink(call: &mut Call) -> Outcome {
    let deleted = delete(call, &call.args[1..], true)?;
    call.out.int(deleted);
    Ok(())
}

fn count(call: &mut Call, look: Look) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let mut found = 0;
    for keys in call.args[1..].chunks(TOGETHER_MAX) {
        call.keyspace.look_ahead(db, keys);
        for key in keys {
            let entry = call.keyspace.lookup(db, key, now_ms, look)?;
            found += i64::from(entry.is_some());
        }
    }
    call.out.int(found);
    Ok(())
}

/// EXISTS key [key ...]
pub fn exists(call: &mut Call) -> Outcome {
    count(call, Look::ASK)
}

/// TOUCH key [key ...]
pub fn touch(call: &mut Call) -> Outcome {
    let no_touch = std::mem::replace(&mut call.keyspace.no_touch, false);
    let outcome = count(call, Look::READ);
    call.keyspace.no_touch = no_touch;
    outcome
}

/// TYPE key
pub fn r#type(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let entry = call.keyspace.lookup(db, key, now_ms, Look::ASK)?;
    let name = entry.map_or("none", |entry| entry.header.kind.name());
    call.out.simple(name);
    Ok(())
}

/// RANDOMKEY
pub fn randomkey(call: &mut Call) -> Outcome {
    match call.keyspace.random_key(call.client.db, call.now_ms)? {
        Some(key) => call.out.bulk(&key),
        None => call.out.null(),
    }
    Ok(())
}

/// RENAME key newkey
pub fn rename(call: &mut Call) -> Outcome {
    move_to_name(call, false)?;
    call.out.ok();
    Ok(())
}

/// RENAMENX key newkey
pub fn renamenx(call: &mut Call) -> Outcome {
    let moved = move_to_name(call, true)?;
    call.out.int(i64::from(moved));
    Ok(())
}

fn move_to_name(call: &mut Call, only_new: bool) -> Result<bool, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let (from, to) = (call.args[1], call.args[2]);
    call.keyspace.write(Plan::Savepoint, |txn| {
        let from_slot = txn.slot(db, from, now_ms)?;
        if !from_slot.exists() {
            return Err(errors::NO_SUCH_KEY.into());
        }
        if from == to {
            return Ok(false);
        }
        let to_slot = txn.slot(db, to, now_ms)?;
        if only_new && to_slot.exists() {
            return Ok(false);
        }
        txn.rename(&from_slot, from, &to_slot, to)?;
        txn.touched(db, from, 1, None);
        txn.touched(db, to, 0, None);
        txn.event(db, from, Class::Generic, "rename_from");
        txn.event(db, to, Class::Generic, "rename_to");
        Ok(true)
    })
}
