//! Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS. Ranges are read piece by piece.

use std::ops::ControlFlow;

use super::argument::{integer, is_word};
use super::{Call, Failure, Outcome, errors, settings, string_value};
use crate::keyspace::bits::{self, BitSpan, Unit};
use crate::keyspace::change::Class;
use crate::keyspace::header::Encoding;
use crate::keyspace::value::CHUNK_BYTES;
use crate::keyspace::{Slot, Txn};
use crate::resp::ErrorReply;
use crate::resp::integer::parse_i64;
use crate::storage::Plan;

/// A bit's place in a string that may be at most `len_max` bytes long.
pub(super) fn bit_offset(number: Option<i64>, len_max: u64) -> Result<u64, ErrorReply> {
    number
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset / 8 < len_max)
        .ok_or(errors::BIT_OFFSET)
}

/// Makes the string at the key, or a new one, long enough to hold byte `last`, and its encoding raw. True if it was
/// made or grew.
pub(super) fn make_room(
    txn: &mut Txn<'_>,
    slot: &Slot,
    key: &[u8],
    last: u64,
) -> Result<bool, Failure> {
    if !slot.exists() {
        txn.put_string(slot, key, &[], Encoding::Raw, None)?;
        txn.write_into(slot, key, last, &[0])?;
        return Ok(true);
    }
    let grows = slot.len <= last;
    if grows {
        txn.write_into(slot, key, last, &[0])?;
    }
    txn.set_encoding(slot, key, Encoding::Raw)?;
    Ok(grows)
}

/// SETBIT key offset value
pub fn setbit(call: &mut Call) -> Outcome {
    let len_max = settings::string_bytes_max(call);
    let offset = bit_offset(parse_i64(call.args[2]), len_max)?;
    let on = match parse_i64(call.args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(errors::BIT_VALUE.into()),
    };
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (at, mask) = (offset / 8, 0x80u8 >> (offset % 8));
    let was_on = call.keyspace.write(Plan::Simple, |txn| {
        let slot = string_value::slot(txn, db, key, now_ms)?;
        let mut byte = Vec::with_capacity(1);
        if slot.exists() {
            txn.keyspace().read_value(db, key, at, 1, &mut byte)?;
        }
        let before = byte.first().copied().unwrap_or(0);
        let after = if on { before | mask } else { before & !mask };
        if after != before || slot.len <= at {
            txn.before_part(&slot, at + 1);
        }
        let grew = make_room(txn, &slot, key, at)?;
        if after != before {
            txn.write_into(&slot, key, at, &[after])?;
        }
        if grew || after != before {
            txn.touched(db, key, 1, Some((Class::String, "setbit")));
        }
        Ok::<_, Failure>(before & mask != 0)
    })?;
    call.out.int(i64::from(was_on));
    Ok(())
}

/// GETBIT key offset
pub fn getbit(call: &mut Call) -> Outcome {
    let len_max = settings::string_bytes_max(call);
    let offset = bit_offset(parse_i64(call.args[2]), len_max)?;
    let key = call.args[1];
    let mut byte = Vec::with_capacity(1);
    if string_value::lookup_len(call, key)?.is_some() {
        let db = call.client.db;
        call.keyspace
            .read_value(db, key, offset / 8, 1, &mut byte)?;
    }
    let on = byte
        .first()
        .is_some_and(|byte| byte & 0x80 >> (offset % 8) != 0);
    call.out.int(i64::from(on));
    Ok(())
}

fn unit(word: &[u8]) -> Result<Unit, ErrorReply> {
    if is_word(word, "BIT") {
        Ok(Unit::Bit)
    } else if is_word(word, "BYTE") {
        Ok(Unit::Byte)
    } else {
        Err(errors::SYNTAX)
    }
}

/// Bytes of the first piece that is read of a range: often what is looked for is there.
const FIRST_PIECE_BYTES: u64 = 256;

/// Reads the bytes of `span` in pieces that grow, with what lies outside the span set to `fill`. `see` gets the offset of
/// each piece.
fn for_each_piece(
    call: &mut Call,
    key: &[u8],
    span: BitSpan,
    fill: bool,
    see: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Outcome {
    let db = call.client.db;
    let (mut offset, count) = span.bytes();
    let end = offset + count;
    let mut piece = Vec::new();
    let mut piece_bytes = FIRST_PIECE_BYTES;
    while offset < end {
        piece.clear();
        let len = piece_bytes.min(end - offset);
        piece_bytes = CHUNK_BYTES.min(piece_bytes * 8);
        call.keyspace.read_value(db, key, offset, len, &mut piece)?;
        assert_eq!(piece.len() as u64, len, "the span lies in the value");
        span.mask(&mut piece, offset, fill);
        if see(offset, &piece).is_break() {
            break;
        }
        offset += len;
    }
    Ok(())
}

/// BITCOUNT key [start end [BYTE | BIT]]
pub fn bitcount(call: &mut Call) -> Outcome {
    let key = call.args[1];
    let (start, end, unit) = match call.args[2..] {
        [] => (0, -1, Unit::Byte),
        [start, end] => (integer(start)?, integer(end)?, Unit::Byte),
        [start, end, word] => (integer(start)?, integer(end)?, unit(word)?),
        _ => return Err(errors::SYNTAX.into()),
    };
    let len = string_value::lookup_len(call, key)?.unwrap_or(0);
    let backwards = start < 0 && end < 0 && start > end;
    let span = BitSpan::resolve(start, end, unit, len).filter(|_| !backwards);
    let mut count = 0;
    if let Some(span) = span {
        for_each_piece(call, key, span, false, &mut |_, piece| {
            count += bits::count_ones(piece);
            ControlFlow::Continue(())
        })?;
    }
    call.out.int(count as i64);
    Ok(())
}

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub fn bitpos(call: &mut Call) -> Outcome {
    let key = call.args[1];
    let wanted = match integer(call.args[2])? {
        0 => false,
        1 => true,
        _ => return Err(errors::BIT_ARGUMENT.into()),
    };
    let (start, end, unit) = match call.args[3..] {
        [] => (0, None, Unit::Byte),
        [start] => (integer(start)?, None, Unit::Byte),
        [start, end] => (integer(start)?, Some(integer(end)?), Unit::Byte),
        [start, end, word] => {
            let start = integer(start)?;
            let unit = unit(word)?;
            (start, Some(integer(end)?), unit)
        }
        _ => return Err(errors::SYNTAX.into()),
    };
    let Some(len) = string_value::lookup_len(call, key)? else {
        call.out.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let Some(span) = BitSpan::resolve(start, end.unwrap_or(-1), unit, len) else {
        call.out.int(-1);
        return Ok(());
    };
    let mut found = None;
    for_each_piece(
        call,
        key,
        span,
        !wanted,
        &mut |offset, piece| match bits::find(piece, wanted) {
            Some(at) => {
                found = Some(offset * 8 + at);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        },
    )?;
    // Behind a string without a given end lie zeroes.
    let found = found.or_else(|| (!wanted && end.is_none()).then_some(len * 8));
    call.out.int(found.map_or(-1, |at| at as i64));
    Ok(())
}
