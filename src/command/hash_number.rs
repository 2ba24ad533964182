//! Fields of hashes as numbers: HINCRBY, HINCRBYFLOAT.

use super::argument::integer;
use super::string_number::{FLOAT_LEN_MAX, INTEGER_LEN_MAX};
use super::string_value::Small;
use super::{Call, Failure, Outcome, errors, hash_value, settings};
use crate::keyspace::change::Class;
use crate::keyspace::hash::HashEditor;
use crate::keyspace::hash::editor::Expiry;
use crate::keyspace::long_double::LongDouble;
use crate::resp::integer::parse_i64;
use crate::storage::{self, Body, Plan};

/// The value of a field; Some(None) if it is longer than `len_max`.
fn value(
    hash: &mut HashEditor<'_, '_, '_>,
    field: &[u8],
    len_max: u64,
) -> Result<Option<Option<Small>>, storage::Error> {
    let Some(found) = hash.find(field)? else {
        return Ok(None);
    };
    if found.len() > len_max {
        return Ok(Some(None));
    }
    if let Body::Inline(bytes) = found.value {
        return Ok(Some(Some(Small::from_slice(bytes))));
    }
    let mut bytes = Vec::new();
    hash.read(field, &mut bytes)?;
    Ok(Some(Some(Small::from_vec(bytes))))
}

/// HINCRBY key field increment
pub fn hincrby(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (field, increment) = (call.args[2], integer(call.args[3])?);
    let limits = settings::hash_limits(call.server);
    let sum = call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = hash_value::open(txn, db, key, now_ms, limits, field)?;
        let old = match value(&mut hash, field, INTEGER_LEN_MAX)? {
            None => 0,
            Some(text) => text
                .and_then(|text| parse_i64(&text))
                .ok_or(errors::HASH_NOT_AN_INTEGER)?,
        };
        let sum = old
            .checked_add(increment)
            .ok_or(errors::INCREMENT_OVERFLOW)?;
        let mut digits = itoa::Buffer::new();
        hash.set(field, digits.format(sum).as_bytes(), Expiry::Keep)?;
        hash.finish()?;
        txn.touched(db, key, 1, Some((Class::Hash, "hincrby")));
        Ok::<_, Failure>(sum)
    })?;
    call.out.int(sum);
    Ok(())
}

/// HINCRBYFLOAT key field increment
pub fn hincrbyfloat(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let field = call.args[2];
    let increment = LongDouble::parse(call.args[3]).ok_or(errors::NOT_A_FLOAT)?;
    if !increment.is_finite() {
        return Err(errors::NOT_FINITE.into());
    }
    let limits = settings::hash_limits(call.server);
    let text = call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = hash_value::open(txn, db, key, now_ms, limits, field)?;
        let old = match value(&mut hash, field, FLOAT_LEN_MAX)? {
            None => LongDouble::from(0),
            Some(text) => text
                .and_then(|text| LongDouble::parse(&text))
                .ok_or(errors::HASH_NOT_A_FLOAT)?,
        };
        let sum = old
            .plus(increment)
            .filter(|sum| sum.is_finite())
            .ok_or(errors::INCREMENT_NOT_FINITE)?;
        let text = sum.to_human();
        hash.set(field, text.as_bytes(), Expiry::Keep)?;
        hash.finish()?;
        txn.touched(db, key, 1, Some((Class::Hash, "hincrbyfloat")));
        Ok::<_, Failure>(text)
    })?;
    call.does(&[b"HSET", key, field, text.as_bytes()]);
    call.out.bulk(text.as_bytes());
    Ok(())
}
