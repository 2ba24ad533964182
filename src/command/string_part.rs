//! Parts of strings: APPEND, STRLEN, GETRANGE, SUBSTR, SETRANGE. Only the bytes named are read or written.

use super::argument::integer;
use super::{Call, Failure, Outcome, errors, kind, settings, string_value};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::header::{Encoding, Kind};
use crate::storage::Plan;

/// STRLEN key
pub fn strlen(call: &mut Call) -> Outcome {
    let len = string_value::lookup_len(call, call.args[1])?.unwrap_or(0);
    call.out.int(len as i64);
    Ok(())
}

/// APPEND key value
pub fn append(call: &mut Call) -> Outcome {
    let (db, key, now_ms, tail) = (call.client.db, call.args[1], call.now_ms, call.args[2]);
    let len_max = settings::string_bytes_max(call);
    let len = call.keyspace.write(Plan::Simple, |txn| {
        let slot = string_value::slot(txn, db, key, now_ms)?;
        let len = slot.len + tail.len() as u64;
        txn.before_part(&slot, len);
        if !slot.exists() {
            txn.put_string(&slot, key, tail, Encoding::Natural, None)?;
        } else if len > len_max {
            return Err(Failure::from(errors::STRING_TOO_LONG));
        } else {
            if !tail.is_empty() {
                txn.write_into(&slot, key, slot.len, tail)?;
            }
            txn.set_encoding(&slot, key, Encoding::Raw)?;
        }
        txn.touched(db, key, 1, Some((Class::String, "append")));
        Ok(len)
    })?;
    call.out.int(len as i64);
    Ok(())
}

/// SETRANGE key offset value
pub fn setrange(call: &mut Call) -> Outcome {
    let (db, key, now_ms, value) = (call.client.db, call.args[1], call.now_ms, call.args[3]);
    let offset = u64::try_from(integer(call.args[2])?).map_err(|_| errors::OFFSET_RANGE)?;
    let len_max = settings::string_bytes_max(call);
    let end = offset + value.len() as u64;
    let len = call.keyspace.write(Plan::Simple, |txn| {
        let slot = string_value::slot(txn, db, key, now_ms)?;
        if value.is_empty() {
            return Ok(slot.len);
        }
        if end > len_max {
            return Err(Failure::from(errors::STRING_TOO_LONG));
        }
        txn.before_part(&slot, end);
        if slot.exists() {
            txn.write_into(&slot, key, offset, value)?;
            txn.set_encoding(&slot, key, Encoding::Raw)?;
        } else if offset == 0 {
            txn.put_string(&slot, key, value, Encoding::Raw, None)?;
        } else {
            txn.put_string(&slot, key, &[], Encoding::Raw, None)?;
            txn.write_into(&slot, key, offset, value)?;
        }
        txn.touched(db, key, 1, Some((Class::String, "setrange")));
        Ok(slot.len.max(end))
    })?;
    call.out.int(len as i64);
    Ok(())
}

/// GETRANGE key start end
pub fn getrange(call: &mut Call) -> Outcome {
    let (start, end) = (integer(call.args[2])?, integer(call.args[3])?);
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::READ, Kind::String)?;
    let Some(entry) = entry else {
        call.out.bulk(b"");
        return Ok(());
    };
    let Some((offset, len)) = byte_range(start, end, entry.len()) else {
        call.out.bulk(b"");
        return Ok(());
    };
    if let Some(bytes) = entry.inline() {
        call.out
            .bulk(&bytes[offset as usize..(offset + len) as usize]);
        return Ok(());
    }
    string_value::reply_part(call.keyspace, call.out, db, key, offset, len)?;
    Ok(())
}

/// SUBSTR key start end
pub fn substr(call: &mut Call) -> Outcome {
    getrange(call)
}

/// Offset and length of the bytes from `start` to `end`, ends included, negative ones counted from the end of a
/// string of `len` bytes. None if there are none.
fn byte_range(start: i64, end: i64, len: u64) -> Option<(u64, u64)> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let total = i64::try_from(len).ok()?;
    let place = |at: i64| if at < 0 { (total + at).max(0) } else { at };
    let (first, last) = (place(start), place(end).min(total - 1));
    (first <= last && total > 0).then(|| (first as u64, (last - first + 1) as u64))
}

#[cfg(test)]
mod tests {
    use super::byte_range;

    #[test]
    fn ranges_count_from_both_ends() {
        for (start, end, len, expect) in [
            (0, 3, 10, Some((0, 4))),
            (-3, -1, 10, Some((7, 3))),
            (0, -1, 10, Some((0, 10))),
            (10, 20, 10, None),
            (-1, -5, 10, None),
            (-100, -50, 10, Some((0, 1))),
            (5, 1000, 10, Some((5, 5))),
            (3, 2, 10, None),
            (0, -1, 0, None),
            (i64::MIN, i64::MAX, 10, Some((0, 10))),
        ] {
            assert_eq!(byte_range(start, end, len), expect, "{start} {end} {len}");
        }
    }
}
