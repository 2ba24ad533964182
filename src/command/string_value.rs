//! Looking up strings and replying with them, whole or in part.

use super::{Call, Failure, kind};
use crate::keyspace::header::Kind;
use crate::keyspace::{Keyspace, Look, Slot, Txn};
use crate::resp::Reply;
use crate::storage;
use smallvec::SmallVec;

/// Longer values are read and sent piece by piece, off the engine lock.
const STREAMED_LEN: u64 = 1 << 20;

/// Length of the string at a key; None if the key is not there.
pub fn lookup_len(call: &mut Call<'_>, key: &[u8]) -> Result<Option<u64>, Failure> {
    let entry = kind::entry(call, key, Kind::String)?;
    Ok(entry.map(|entry| entry.len()))
}

/// Replies with the string at `key`, or with null. False if the key is not there.
pub fn reply(call: &mut Call<'_>, key: &[u8]) -> Result<bool, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::READ, Kind::String)?;
    let len = match entry {
        None => {
            call.out.null();
            return Ok(false);
        }
        Some(entry) => match entry.inline() {
            Some(bytes) => {
                call.out.bulk(bytes);
                return Ok(true);
            }
            None => entry.len(),
        },
    };
    reply_part(call.keyspace, call.out, db, key, 0, len)?;
    Ok(true)
}

/// Replies with `len` bytes, which are there, of the string at `key` from `offset` on.
pub fn reply_part(
    keyspace: &mut Keyspace,
    out: &mut Reply,
    db: u32,
    key: &[u8],
    offset: u64,
    len: u64,
) -> Result<(), storage::Error> {
    // A snapshot does not show what an open transaction has changed.
    if len > STREAMED_LEN && !keyspace.in_transaction() {
        out.bulk_header(len);
        out.stream(Box::new(keyspace.stream_value(db, key, offset, len)));
        out.raw(b"\r\n");
        return Ok(());
    }
    out.bulk_from(len, |bytes| {
        keyspace.read_value(db, key, offset, len, bytes)
    })
}

/// Looks at a string that is going to be changed; an error if it is another kind of value.
pub fn slot(txn: &mut Txn<'_>, db: u32, key: &[u8], now_ms: u64) -> Result<Slot, Failure> {
    kind::slot(txn, db, key, now_ms, Kind::String)
}

/// A value of few bytes.
pub type Small = SmallVec<[u8; 24]>;

/// Looks at a string that is going to be changed and reads it. The value is None if the key is not there, and
/// Some(None) if the string is longer than `len_max` bytes.
pub fn small_slot(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    now_ms: u64,
    len_max: u64,
) -> Result<(Slot, Option<Option<Small>>), Failure> {
    let (slot, value) = txn.inspect(db, key, now_ms, Look::WRITE, |entry| {
        let entry = entry.filter(|entry| entry.len() <= len_max)?;
        entry.inline().map(Small::from_slice)
    })?;
    kind::check(&slot, Kind::String)?;
    if !slot.exists() {
        return Ok((slot, None));
    }
    if value.is_none() && slot.len <= len_max {
        let mut bytes = Vec::new();
        txn.keyspace()
            .read_value(db, key, 0, slot.len, &mut bytes)?;
        return Ok((slot, Some(Some(Small::from_vec(bytes)))));
    }
    Ok((slot, Some(value)))
}
