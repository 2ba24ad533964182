//! Members of sets: SADD, SREM, SISMEMBER, SMISMEMBER, SCARD, SMOVE.

use super::{Call, Failure, Outcome, errors, kind, settings};
use crate::keyspace::change::Class;
use crate::keyspace::header::Kind;
use crate::keyspace::set;
use crate::keyspace::{Entry, Look, Txn};
use crate::storage::{Plan, Read, TOGETHER_MAX};

/// SADD key member [member ...]
pub fn sadd(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let members = &call.args[2..];
    let limits = settings::set_limits(call.server);
    let added = call.keyspace.write(Plan::Simple, |txn| {
        let mut set = txn
            .set(db, key, now_ms, limits, members.len())?
            .ok_or(errors::WRONG_TYPE)?;
        set.expect(members[0], members.len() as u64);
        let mut added = 0;
        for member in members {
            added += u64::from(set.add(member)?);
        }
        set.finish()?;
        if added > 0 {
            txn.touched(db, key, added, Some((Class::Set, "sadd")));
        }
        Ok::<_, Failure>(added)
    })?;
    call.out.int(added.cast_signed());
    Ok(())
}

/// SREM key member [member ...]
pub fn srem(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let members = &call.args[2..];
    let limits = settings::set_limits(call.server);
    let removed = call.keyspace.write(Plan::Simple, |txn| {
        let mut set = txn
            .set(db, key, now_ms, limits, members.len())?
            .ok_or(errors::WRONG_TYPE)?;
        let mut removed = 0;
        for member in members {
            removed += u64::from(set.remove(member)?);
        }
        if removed == 0 {
            return Ok(0);
        }
        let is_left = set.finish()?;
        txn.touched(db, key, removed, Some((Class::Set, "srem")));
        if !is_left {
            txn.event(db, key, Class::Generic, "del");
        }
        Ok::<_, Failure>(removed)
    })?;
    call.out.int(removed.cast_signed());
    Ok(())
}

/// SISMEMBER key member
pub fn sismember(call: &mut Call) -> Outcome {
    let (db, key, member) = (call.client.db, call.args[1], call.args[2]);
    let found = match kind::entry(call, key, Kind::Set)? {
        None => false,
        Some(entry) => match entry.trees() {
            None => set::small(&entry).is_some_and(|members| members.find(member, 1).is_some()),
            Some(seen) => {
                let [members] = call.keyspace.trees_seen(db, key, seen)?;
                call.keyspace.engine.get(members, member)?.is_some()
            }
        },
    };
    call.out.int(i64::from(found));
    Ok(())
}

/// SMISMEMBER key member [member ...]
pub fn smismember(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let wanted = &call.args[2..];
    let out = &mut *call.out;
    let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::READ, Kind::Set)?;
    out.array(wanted.len());
    let Some(seen) = entry.as_ref().and_then(Entry::trees) else {
        let members = entry.as_ref().and_then(set::small);
        for member in wanted {
            let found = members.is_some_and(|members| members.find(member, 1).is_some());
            out.int(i64::from(found));
        }
        return Ok(());
    };
    let [members] = call.keyspace.trees_seen(db, key, seen)?;
    let engine = &mut call.keyspace.engine;
    for together in wanted.chunks(TOGETHER_MAX) {
        engine.look_ahead(members, together);
        for member in together {
            let found = engine.get(members, member)?.is_some();
            out.int(i64::from(found));
        }
    }
    Ok(())
}

/// SCARD key
pub fn scard(call: &mut Call) -> Outcome {
    let entry = kind::entry(call, call.args[1], Kind::Set)?;
    let len = entry.map_or(0, |entry| set::len(&entry));
    call.out.int(len.cast_signed());
    Ok(())
}

/// SMOVE source destination member
pub fn smove(call: &mut Call) -> Outcome {
    let limits = settings::set_limits(call.server);
    let moved = call.keyspace.write(Plan::Savepoint, |txn| {
        r#move(txn, (call.client.db, call.now_ms), limits, call.args)
    })?;
    call.out.int(i64::from(moved));
    Ok(())
}

fn r#move(
    txn: &mut Txn<'_>,
    (db, now_ms): (u32, u64),
    limits: set::Limits,
    args: &[&[u8]],
) -> Result<bool, Failure> {
    let (from, to, member) = (args[1], args[2], args[3]);
    let from_header = txn.slot(db, from, now_ms)?.header();
    let to_header = txn.slot(db, to, now_ms)?.header();
    let Some(from_header) = from_header else {
        return Ok(false);
    };
    let is_other = |kind: Kind| kind != Kind::Set;
    if is_other(from_header.kind) || to_header.is_some_and(|header| is_other(header.kind)) {
        return Err(errors::WRONG_TYPE.into());
    }
    let mut source = txn
        .set(db, from, now_ms, limits, 1)?
        .ok_or(errors::WRONG_TYPE)?;
    if from == to {
        return Ok(source.has(member)?);
    }
    if !source.remove(member)? {
        return Ok(false);
    }
    let is_left = source.finish()?;
    txn.touched(db, from, 1, Some((Class::Set, "srem")));
    if !is_left {
        txn.event(db, from, Class::Generic, "del");
    }
    let mut target = txn
        .set(db, to, now_ms, limits, 1)?
        .ok_or(errors::WRONG_TYPE)?;
    if !target.exists() {
        target.expect(member, 1);
    }
    let added = target.add(member)?;
    target.finish()?;
    if added {
        txn.touched(db, to, 1, Some((Class::Set, "sadd")));
    }
    Ok(true)
}
