//! Strings as numbers: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use super::argument::integer;
use super::{Call, Failure, Outcome, errors, string_value};
use crate::keyspace::change::Class;
use crate::keyspace::header::Encoding;
use crate::keyspace::long_double::LongDouble;
use crate::resp::integer::parse_i64;
use crate::storage::Plan;

/// No integer has more digits, sign included.
pub(super) const INTEGER_LEN_MAX: u64 = 20;
/// No number with a fraction is read from more bytes.
pub(super) const FLOAT_LEN_MAX: u64 = 5 * 1024;

/// INCR key
pub fn incr(call: &mut Call) -> Outcome {
    add(call, 1)
}

/// DECR key
pub fn decr(call: &mut Call) -> Outcome {
    add(call, -1)
}

/// INCRBY key increment
pub fn incrby(call: &mut Call) -> Outcome {
    add(call, integer(call.args[2])?)
}

/// DECRBY key decrement
pub fn decrby(call: &mut Call) -> Outcome {
    let decrement = integer(call.args[2])?;
    let increment = decrement.checked_neg().ok_or(errors::DECREMENT_OVERFLOW)?;
    add(call, increment)
}

fn add(call: &mut Call, increment: i64) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let sum = call.keyspace.write(Plan::Simple, |txn| {
        let (slot, value) = string_value::small_slot(txn, db, key, now_ms, INTEGER_LEN_MAX)?;
        let value = match value {
            None => 0,
            Some(text) => text
                .and_then(|text| parse_i64(&text))
                .ok_or(errors::NOT_AN_INTEGER)?,
        };
        let sum = value
            .checked_add(increment)
            .ok_or(errors::INCREMENT_OVERFLOW)?;
        let mut digits = itoa::Buffer::new();
        let text = digits.format(sum).as_bytes();
        txn.put_string(&slot, key, text, Encoding::Natural, slot.expires_ms())?;
        txn.touched(db, key, 1, Some((Class::String, "incrby")));
        Ok::<_, Failure>(sum)
    })?;
    call.out.int(sum);
    Ok(())
}

/// INCRBYFLOAT key increment
pub fn incrbyfloat(call: &mut Call) -> Outcome {
    let (db, key, now_ms, increment) = (call.client.db, call.args[1], call.now_ms, call.args[2]);
    let text = call.keyspace.write(Plan::Simple, |txn| {
        let (slot, value) = string_value::small_slot(txn, db, key, now_ms, FLOAT_LEN_MAX)?;
        let value = match value {
            None => LongDouble::from(0),
            Some(text) => text
                .and_then(|text| LongDouble::parse(&text))
                .ok_or(errors::NOT_A_FLOAT)?,
        };
        let increment = LongDouble::parse(increment).ok_or(errors::NOT_A_FLOAT)?;
        let sum = value
            .plus(increment)
            .filter(|sum| sum.is_finite())
            .ok_or(errors::INCREMENT_NOT_FINITE)?;
        let text = sum.to_human();
        txn.put_string(
            &slot,
            key,
            text.as_bytes(),
            Encoding::Text,
            slot.expires_ms(),
        )?;
        txn.touched(db, key, 1, Some((Class::String, "incrbyfloat")));
        Ok::<_, Failure>(text)
    })?;
    call.does(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]);
    call.out.bulk(text.as_bytes());
    Ok(())
}
