//! Looking up fields of hashes, and what commands do with those that are due.

use super::{Call, Failure, Outcome, errors, kind};
use crate::keyspace::elements::{ElementValueStream, Place};
use crate::keyspace::hash::due::Telling;
use crate::keyspace::hash::{self, FIELDS, Found, HashEditor, Limits};
use crate::keyspace::header::Kind;
use crate::keyspace::{Look, Txn};
use crate::resp::Reply;
use crate::storage::{self, Plan, Read};

/// Longer values are read and sent piece by piece, off the engine lock.
const STREAMED_LEN: u64 = 1 << 20;

/// Looks at a field for reading; `see` gets it, due or not, and where the reply goes.
pub fn look<R>(
    call: &mut Call<'_>,
    key: &[u8],
    field: &[u8],
    see: impl FnOnce(&mut Reply, Option<Found<'_>>) -> R,
) -> Result<R, Failure> {
    let (db, out) = (call.client.db, &mut *call.out);
    let entry = kind::lookup(call.keyspace, db, key, call.now_ms, Look::READ, Kind::Hash)?;
    let Some(entry) = entry else {
        return Ok(see(out, None));
    };
    let Some(seen) = entry.trees() else {
        return Ok(see(out, hash::find_small(&entry, field).flatten()));
    };
    let [fields] = call.keyspace.trees_seen(db, key, seen)?;
    let cell = call.keyspace.engine.get(fields, field)?;
    Ok(see(out, cell.map(|cell| Found::of_cell(&cell))))
}

/// Replies with the value of a field, which is in pages of its own and has `len` bytes.
pub fn reply_long(call: &mut Call<'_>, key: &[u8], field: &[u8], len: u64) -> Outcome {
    let db = call.client.db;
    if len > STREAMED_LEN && !call.keyspace.in_transaction() {
        call.out.bulk_header(len);
        let stream = ElementValueStream {
            snapshot: call.keyspace.engine.snapshot(),
            place: Place {
                db,
                key: key.into(),
                slot: FIELDS,
            },
            element: field.into(),
            offset: 0,
            end: len,
        };
        call.out.stream(Box::new(stream));
        call.out.raw(b"\r\n");
        return Ok(());
    }
    let keyspace = &mut *call.keyspace;
    call.out.bulk_from(len, |bytes| {
        keyspace.read_field(db, key, field, 0, len, bytes)
    })?;
    Ok(())
}

/// Removes those of `fields` that are due, because a command has met them. Where nothing can be written the fields
/// stay, and are due nevertheless.
pub fn reap(call: &mut Call<'_>, key: &[u8], fields: &[&[u8]], telling: Telling) -> Outcome {
    if !may_reap(call) {
        return Ok(());
    }
    let (db, now_ms) = (call.client.db, call.now_ms);
    let reaped = call.keyspace.write(Plan::Savepoint, |txn| {
        txn.reap_fields(db, key, now_ms, fields, telling)
    });
    unless_unwritable(reaped)
}

/// Removes up to `max` fields that are due.
pub fn reap_all(call: &mut Call<'_>, key: &[u8], max: usize) -> Outcome {
    if !may_reap(call) {
        return Ok(());
    }
    let (db, now_ms) = (call.client.db, call.now_ms);
    let reaped = call
        .keyspace
        .write(Plan::Savepoint, |txn| txn.reap(db, key, now_ms, max));
    unless_unwritable(reaped)
}

fn may_reap(call: &Call<'_>) -> bool {
    call.server.pause.holds(true, call.now_ms).is_none()
}

fn unless_unwritable<T>(result: Result<T, storage::Error>) -> Outcome {
    match result {
        Ok(_) | Err(storage::Error::DiskFull | storage::Error::Poisoned) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens a hash to change one field of it, without that field if it is due: then it goes first, and all who listen
/// are told.
pub fn open<'t, 'k, 'w>(
    txn: &'t mut Txn<'k>,
    db: u32,
    key: &'w [u8],
    now_ms: u64,
    limits: Limits,
    field: &[u8],
) -> Result<HashEditor<'t, 'k, 'w>, Failure> {
    let mut hash = txn
        .hash(db, key, now_ms, limits, 1)?
        .ok_or(errors::WRONG_TYPE)?;
    if hash.find(field)?.is_none_or(|found| !found.is_due(now_ms)) {
        return Ok(hash);
    }
    hash.need_savepoint();
    let txn = hash.close();
    txn.reap_fields(db, key, now_ms, &[field], Telling::Events)?;
    let hash = txn.hash(db, key, now_ms, limits, 1)?;
    Ok(hash.ok_or(errors::WRONG_TYPE)?)
}
