//! Looking up keys that must hold a certain kind of value, if they are there at all.

use super::{Call, Failure, errors};
use crate::keyspace::header::Kind;
use crate::keyspace::{Entry, Keyspace, Look, Slot, Txn};

/// The entry at `key` to be read; WRONGTYPE if it holds another kind of value.
pub fn entry<'a>(
    call: &'a mut Call<'_>,
    key: &[u8],
    kind: Kind,
) -> Result<Option<Entry<'a>>, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    lookup(call.keyspace, db, key, now_ms, Look::READ, kind)
}

/// The same for whoever needs the rest of the call beside it, or looks at it otherwise.
pub fn lookup<'a>(
    keyspace: &'a mut Keyspace,
    db: u32,
    key: &[u8],
    now_ms: u64,
    look: Look,
    kind: Kind,
) -> Result<Option<Entry<'a>>, Failure> {
    match keyspace.lookup(db, key, now_ms, look)? {
        Some(entry) if entry.header.kind != kind => Err(errors::WRONG_TYPE.into()),
        entry => Ok(entry),
    }
}

/// What stands at `key` before what hangs at its value is changed, which counts as a read; WRONGTYPE if it holds
/// another kind of value.
pub fn read_slot(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    now_ms: u64,
    kind: Kind,
) -> Result<Slot, Failure> {
    let (slot, ()) = txn.inspect(db, key, now_ms, Look::READ, |_| ())?;
    check(&slot, kind)?;
    Ok(slot)
}

/// What stands at `key` before it is changed; WRONGTYPE if it holds another kind of value.
pub fn slot(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    now_ms: u64,
    kind: Kind,
) -> Result<Slot, Failure> {
    let slot = txn.slot(db, key, now_ms)?;
    check(&slot, kind)?;
    Ok(slot)
}

/// WRONGTYPE if the slot holds another kind of value.
pub fn check(slot: &Slot, kind: Kind) -> Result<(), Failure> {
    match slot.header() {
        Some(header) if header.kind != kind => Err(errors::WRONG_TYPE.into()),
        _ => Ok(()),
    }
}
