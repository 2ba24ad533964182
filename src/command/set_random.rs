//! Members of sets at random: SPOP, SRANDMEMBER.

use super::argument::{integer_within, not_negative};
use super::set_walk::{self, place};
use super::{Call, Failure, Outcome, draws, errors, kind, settings};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::draw::{Drawing, Picks, Telling, different};
use crate::keyspace::header::{Encoding, Kind};
use crate::keyspace::set::{self, Limits, SetEditor};
use crate::resp::{Proto, Reply};
use crate::storage::{self, Plan};

/// Redis makes a set anew, and so may call it otherwise, when SPOP takes this many times what it leaves.
const REMADE_FACTOR: u64 = 5;

/// SRANDMEMBER key [count]
pub fn srandmember(call: &mut Call) -> Outcome {
    if call.args.len() > 3 {
        return Err(errors::SYNTAX.into());
    }
    let count = match call.args.get(2) {
        Some(word) => Some(integer_within(word, -i64::MAX..=i64::MAX)?),
        None => None,
    };
    let key = call.args[1];
    let mut rng = call.keyspace.rng().clone();
    let out = &mut *call.out;
    let (db, now_ms) = (call.client.db, call.now_ms);
    let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::READ, Kind::Set)?;
    let Some(entry) = entry else {
        match count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        }
        return Ok(());
    };
    let len = set::len(&entry);
    if count.is_none()
        && let Some(members) = set::small(&entry)
        && let Some(item) = members.nth(rng.usize(..len as usize))
    {
        out.bulk(item.bytes);
        *call.keyspace.rng() = rng;
        return Ok(());
    }
    let small = set::small(&entry).map(|members| {
        let told = members.iter().map(|item| {
            let mut out = Reply::new(Proto::Resp2);
            out.bulk(item.bytes);
            out.take().0
        });
        told.collect::<Vec<_>>()
    });
    match (count, small) {
        (Some(count), _) if count >= 0 && count.cast_unsigned() >= len => {
            set_walk::all(call, key, false)
        }
        (Some(count), Some(told)) => {
            draws::reply_small(call, told, count, |out, members| {
                out.array(members as usize)
            });
            Ok(())
        }
        (count, _) => draw_large(call, key, count, len),
    }
}

fn draw_large(call: &mut Call, key: &[u8], count: Option<i64>, len: u64) -> Outcome {
    let picks = match count {
        None => Picks::Draws(1),
        Some(count) if count >= 0 => Picks::Different(count.cast_unsigned()),
        Some(count) => Picks::Draws(count.unsigned_abs()),
    };
    let told = match picks {
        Picks::Different(count) | Picks::Draws(count) => count,
    };
    if count.is_some() {
        call.out.array(told as usize);
    }
    let rng = call.keyspace.rng().fork();
    let place = place(call.client.db, key);
    let drawing = Drawing::new(place, picks, Telling::Key, (len, 0, call.now_ms), rng);
    draws::reply_large(call, drawing, told)
}

/// SPOP key [count]
pub fn spop(call: &mut Call) -> Outcome {
    match call.args.len() {
        2 => pop_one(call),
        3 => pop_many(call),
        _ => Err(errors::SYNTAX.into()),
    }
}

fn pop_one(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let limits = settings::set_limits(call.server);
    let out = &mut *call.out;
    let mut rng = call.keyspace.rng().clone();
    let mut name = Vec::new();
    let popped = call.keyspace.write(Plan::Simple, |txn| {
        let mut set = txn
            .set(db, key, now_ms, limits, 1)?
            .ok_or(errors::WRONG_TYPE)?;
        if !set.exists() {
            return Ok(false);
        }
        let number = rng.u64(..set.len());
        set.pop(number, &mut |member| {
            out.bulk(member);
            name.extend_from_slice(member);
        })?;
        let is_left = set.finish()?;
        txn.touched(db, key, 1, Some((Class::Set, "spop")));
        if !is_left {
            txn.event(db, key, Class::Generic, "del");
        }
        Ok::<_, Failure>(true)
    })?;
    *call.keyspace.rng() = rng;
    if popped {
        call.does(&[b"SREM", key, &name]);
    } else {
        call.out.null();
    }
    Ok(())
}

fn pop_many(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let count = not_negative(call.args[2], errors::NOT_POSITIVE)?;
    let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::WRITE, Kind::Set)?;
    let len = entry.map_or(0, |entry| set::len(&entry));
    if len == 0 || count == 0 {
        call.out.set(0);
        return Ok(());
    }
    if count >= len {
        set_walk::popped_whole(call, key)?;
        call.keyspace.write(Plan::Simple, |txn| {
            let slot = txn.slot(db, key, now_ms)?;
            txn.delete(&slot, key)?;
            txn.touched(db, key, len, Some((Class::Set, "spop")));
            txn.event(db, key, Class::Generic, "del");
            Ok::<_, Failure>(())
        })?;
        call.deletes(key);
        return Ok(());
    }
    let numbers = different(call.keyspace.rng(), len, count);
    let limits = settings::set_limits(call.server);
    call.out.set(count as usize);
    let out = &mut *call.out;
    let popped = call.keyspace.write(Plan::Savepoint, |txn| {
        let mut set = txn
            .set(db, key, now_ms, limits, numbers.len())?
            .ok_or(errors::WRONG_TYPE)?;
        let mut popped = Vec::new();
        for number in numbers.iter().rev() {
            set.pop(*number, &mut |member| popped.push(member.to_vec()))?;
        }
        for member in popped.iter().rev() {
            out.bulk(member);
        }
        if (len - count).saturating_mul(REMADE_FACTOR) <= count {
            remade(&mut set, limits)?;
        }
        set.finish()?;
        txn.touched(db, key, count, Some((Class::Set, "spop")));
        Ok::<_, Failure>(popped)
    })?;
    for part in popped.chunks(MEMBERS_REPEATED) {
        let mut words: Vec<&[u8]> = vec![b"SREM", key];
        words.extend(part.iter().map(Vec::as_slice));
        call.does(&words);
    }
    Ok(())
}

/// Members that one SREM takes out for those who repeat an SPOP.
const MEMBERS_REPEATED: usize = 1024;

/// A set that Redis makes anew begins as a `listpack`, if it is not one of integers.
fn remade(set: &mut SetEditor<'_, '_, '_>, limits: Limits) -> Result<(), storage::Error> {
    if set.encoding() == Encoding::Integers {
        return Ok(());
    }
    let mut encoding = Encoding::Table;
    if set.len() <= limits.entries_max {
        let mut longest = 0;
        set.visit(&mut |member| longest = longest.max(member.len() as u64))?;
        if longest <= limits.value_bytes_max {
            encoding = Encoding::Packed;
        }
    }
    set.set_encoding(encoding);
    Ok(())
}
