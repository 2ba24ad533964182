//! PFADD, PFCOUNT, PFMERGE.

use super::{Call, Failure, Outcome, errors, settings, string_value};
use crate::keyspace::change::Class;
use crate::keyspace::header::Encoding as StringEncoding;
use crate::keyspace::hll::{self, Encoding, HEADER_LEN, Malformed, REGISTERS};
use crate::keyspace::{Keyspace, Look, Slot, Txn, hll_sparse};
use crate::storage::{self, Plan};

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        errors::CORRUPT_HLL.into()
    }
}

/// Encoding of the HyperLogLog of `len` bytes at `key`; an error if the string there is none.
pub(super) fn encoding(
    keyspace: &mut Keyspace,
    db: u32,
    key: &[u8],
    len: u64,
) -> Result<Encoding, Failure> {
    let mut header = Vec::with_capacity(HEADER_LEN);
    keyspace.read_value(db, key, 0, HEADER_LEN as u64, &mut header)?;
    Ok(hll::encoding(&header, len).ok_or(errors::NOT_A_HLL)?)
}

/// The whole value. A HyperLogLog is as long as its dense form at most, unless it is not well formed: no form needs
/// more bytes than twice the registers.
pub(super) fn read(
    keyspace: &mut Keyspace,
    db: u32,
    key: &[u8],
    len: u64,
) -> Result<Vec<u8>, Failure> {
    if len > 2 * REGISTERS as u64 + HEADER_LEN as u64 {
        return Err(Malformed.into());
    }
    let mut value = Vec::with_capacity(len as usize);
    keyspace.read_value(db, key, 0, len, &mut value)?;
    Ok(value)
}

/// The value of a key that is read; None if it is not there.
fn lookup(call: &mut Call, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let db = call.client.db;
    let Some(len) = string_value::lookup_len(call, key)? else {
        return Ok(None);
    };
    encoding(call.keyspace, db, key, len)?;
    read(call.keyspace, db, key, len).map(Some)
}

/// PFADD key [element ...]
pub fn pfadd(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let elements = &call.args[2..];
    let sparse_max = settings::hll_sparse_max_bytes(call);
    let updated = call.keyspace.write(Plan::Simple, |txn| {
        let slot = string_value::slot(txn, db, key, now_ms)?;
        let updated = if !slot.exists() {
            let mut value = hll::empty();
            let raised = add_all(&mut value, elements, sparse_max)?;
            hll::invalidate_cache(&mut value);
            txn.put_string(&slot, key, &value, StringEncoding::Raw, None)?;
            raised + 1
        } else if encoding(txn.keyspace(), db, key, slot.len)? == Encoding::Dense {
            add_dense(txn, &slot, db, key, elements)?
        } else {
            let mut value = read(txn.keyspace(), db, key, slot.len)?;
            let raised = add_all(&mut value, elements, sparse_max)?;
            if raised > 0 {
                replace(txn, &slot, key, &value)?;
            }
            raised
        };
        if slot.exists() {
            txn.set_encoding(&slot, key, StringEncoding::Raw)?;
        }
        if updated > 0 {
            txn.touched(db, key, updated, Some((Class::String, "pfadd")));
        }
        Ok::<_, Failure>(updated)
    })?;
    call.out.int(i64::from(updated > 0));
    Ok(())
}

/// Adds the elements and returns how many raised a register.
fn add_all(value: &mut Vec<u8>, elements: &[&[u8]], sparse_max: usize) -> Result<u64, Malformed> {
    let mut raised = 0;
    for element in elements {
        raised += u64::from(hll::add(value, hll::observe(element), sparse_max)?);
    }
    Ok(raised)
}

/// Adds the elements to a dense value, of which only the registers concerned are read and written.
fn add_dense(
    txn: &mut Txn<'_>,
    slot: &Slot,
    db: u32,
    key: &[u8],
    elements: &[&[u8]],
) -> Result<u64, storage::Error> {
    let mut raised = 0;
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    for element in elements {
        let seen = hll::observe(element);
        let offset = hll::dense_offset(seen.register) as u64;
        bytes.clear();
        txn.keyspace().read_value(db, key, offset, 2, &mut bytes)?;
        if hll::dense_get(&bytes, seen.register) < seen.rank {
            hll::dense_put(&mut bytes, seen.register, seen.rank);
            txn.engine().need_savepoint();
            txn.write_into(slot, key, offset, &bytes)?;
            raised += 1;
        }
    }
    if raised > 0 {
        bytes.clear();
        txn.keyspace()
            .read_value(db, key, 0, HEADER_LEN as u64, &mut bytes)?;
        if hll::cached_count(&bytes).is_some() {
            hll::invalidate_cache(&mut bytes);
            let at = hll::cache_offset();
            txn.write_into(slot, key, at as u64, &bytes[at..])?;
        }
    }
    Ok(raised)
}

/// Replaces the value and keeps the expiry.
pub(super) fn replace(
    txn: &mut Txn<'_>,
    slot: &Slot,
    key: &[u8],
    value: &[u8],
) -> Result<(), storage::Error> {
    txn.put_string(slot, key, value, StringEncoding::Raw, slot.expires_ms())
}

/// PFCOUNT key [key ...]
pub fn pfcount(call: &mut Call) -> Outcome {
    let count = match call.args[1..] {
        [key] => count_one(call, key)?,
        _ => {
            let keys = &call.args[1..];
            let mut registers = Box::new([0; REGISTERS]);
            for key in keys {
                if let Some(value) = lookup(call, key)? {
                    hll::merge(&mut registers, &value)?;
                }
            }
            hll::count_registers(&registers)
        }
    };
    call.out.int(count as i64);
    Ok(())
}

/// The count of one key, from its cache or calculated and then cached.
fn count_one(call: &mut Call, key: &[u8]) -> Result<u64, Failure> {
    let db = call.client.db;
    let Some(len) = string_value::lookup_len(call, key)? else {
        return Ok(0);
    };
    encoding(call.keyspace, db, key, len)?;
    let mut header = Vec::with_capacity(HEADER_LEN);
    call.keyspace
        .read_value(db, key, 0, HEADER_LEN as u64, &mut header)?;
    if let Some(count) = hll::cached_count(&header) {
        return Ok(count);
    }
    let value = read(call.keyspace, db, key, len)?;
    let count = hll::count(&value)?;
    cache_count(call, key, count)?;
    Ok(count)
}

/// Stores a count in the value's header. Where writes are refused the count is simply not kept.
fn cache_count(call: &mut Call, key: &[u8], count: u64) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let stored = call.keyspace.write(Plan::Simple, |txn| {
        let (slot, ()) = txn.inspect(db, key, now_ms, Look::UNSEEN, |_| ())?;
        txn.before_part(&slot, HEADER_LEN as u64);
        let bytes = hll::cache_bytes(count);
        txn.write_into(&slot, key, hll::cache_offset() as u64, &bytes)?;
        txn.set_encoding(&slot, key, StringEncoding::Raw)?;
        txn.touched(db, key, 1, None);
        Ok::<_, storage::Error>(())
    });
    match stored {
        Err(storage::Error::DiskFull | storage::Error::Poisoned) => Ok(()),
        other => Ok(other?),
    }
}

/// PFMERGE destkey [sourcekey ...]
pub fn pfmerge(call: &mut Call) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let keys = &call.args[1..];
    let target = call.args[1];
    let sparse_max = settings::hll_sparse_max_bytes(call);
    let mut registers = Box::new([0; REGISTERS]);
    let mut dense = false;
    let mut merged = None;
    for (at, key) in keys.iter().enumerate() {
        if let Some(value) = lookup(call, key)? {
            hll::merge(&mut registers, &value)?;
            dense |= value[4] == 0;
            if at == 0 {
                merged = Some(value);
            }
        }
    }
    let mut value = merged.unwrap_or_else(hll::empty);
    if dense {
        hll_sparse::to_dense(&mut value)?;
    }
    for (register, &rank) in registers.iter().enumerate() {
        if rank > 0 {
            hll::add(&mut value, hll::Observation { register, rank }, sparse_max)?;
        }
    }
    hll::invalidate_cache(&mut value);
    call.keyspace.write(Plan::Simple, |txn| {
        let slot = txn.slot(db, target, now_ms)?;
        replace(txn, &slot, target, &value)?;
        txn.touched(db, target, 1, Some((Class::String, "pfadd")));
        Ok::<_, Failure>(())
    })?;
    call.out.ok();
    Ok(())
}
