//! XLEN, XRANGE, XREVRANGE.

use super::id_word;
use super::record_reply::{self, Wanted};
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors, kind};
use crate::keyspace::header::Kind;
use crate::keyspace::stream::Stream;
use crate::keyspace::stream::entries::Direction;
use crate::resp::ErrorReply;

/// The stream at `key`; WRONGTYPE if another kind of value is there.
pub(super) fn stream(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Stream>, Failure> {
    if kind::entry(call, key, Kind::Stream)?.is_none() {
        return Ok(None);
    }
    Ok(Some(call.keyspace.stream(call.client.db, key)?))
}

/// XLEN key
pub fn xlen(call: &mut Call<'_>) -> Outcome {
    let len = match stream(call, call.args[1])? {
        Some(stream) => stream.entries.len(&call.keyspace.engine),
        None => 0,
    };
    call.out.int(len as i64);
    Ok(())
}

/// XRANGE key start end [COUNT count]
pub fn xrange(call: &mut Call<'_>) -> Outcome {
    range(call, Direction::Forward)
}

/// XREVRANGE key end start [COUNT count]
pub fn xrevrange(call: &mut Call<'_>) -> Outcome {
    range(call, Direction::Backward)
}

fn range(call: &mut Call<'_>, direction: Direction) -> Outcome {
    let (first, last) = match direction {
        Direction::Forward => (call.args[2], call.args[3]),
        Direction::Backward => (call.args[3], call.args[2]),
    };
    let range = id_word::interval(first, last)?;
    let count = count(&call.args[4..])?;
    let key = call.args[1];
    let Some(stream) = stream(call, key)? else {
        call.out.array(0);
        return Ok(());
    };
    if count == Some(0) {
        call.out.null_array();
        return Ok(());
    }
    let wanted = Wanted {
        range,
        direction,
        count,
    };
    record_reply::many(call, key, &stream, wanted)
}

/// Reads COUNT; negative ones are 0.
fn count(mut words: &[&[u8]]) -> Result<Option<u64>, ErrorReply> {
    let mut count = None;
    while let Some((word, rest)) = words.split_first() {
        let (number, rest) = rest.split_first().ok_or(errors::SYNTAX)?;
        words = rest;
        if !is_word(word, "COUNT") {
            return Err(errors::SYNTAX);
        }
        count = Some(u64::try_from(integer(number)?).unwrap_or(0));
    }
    Ok(count)
}
