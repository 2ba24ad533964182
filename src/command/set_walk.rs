//! Sets as wholes: SMEMBERS, SSCAN.

use super::scan::{self, ElementOptions};
use super::{Call, Outcome, errors, kind, settings};
use crate::keyspace::elements::{Elements, ElementsStream, Parts, Place};
use crate::keyspace::header::{Encoding, Kind};
use crate::keyspace::set::algebra::{Operation, listed};
use crate::keyspace::set::{self, MEMBERS};
use crate::keyspace::{Entry, Look};
use crate::resp::{Reply, encode};

/// A set of more members is sent from a snapshot, off the engine lock.
const MEMBERS_AT_ONCE: u64 = 1024;
/// So is what comes behind this many bytes of a reply.
const BYTES_AT_ONCE: usize = 64 << 10;
/// A set that Redis does not call a hash table is listed in its order up to so many members and bytes.
pub(super) const LISTED_MAX: u64 = 4096;
pub(super) const LISTED_BYTES_MAX: usize = 1 << 20;
/// SSCAN returns a set of up to this many members at once if Redis would because it does not call it a hash table.
const SCANNED_AT_ONCE: u64 = 10_000;

/// SMEMBERS key
pub fn smembers(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let entry = call.keyspace.lookup(db, key, now_ms, Look::READ)?;
    let large = match &entry {
        None => {
            call.out.set(0);
            return Ok(());
        }
        Some(entry) if entry.header.kind != Kind::Set => return Err(errors::WRONG_TYPE.into()),
        Some(entry) => seen_large(call.out, entry, true),
    };
    match large {
        Some((len, encoding)) => large_members(call, key, len, encoding, true),
        None => Ok(()),
    }
}

/// Replies with all members of a small set; of a large one, tells how many it has and what Redis calls it.
fn seen_large(out: &mut Reply, entry: &Entry<'_>, as_set: bool) -> Option<(u64, Encoding)> {
    let Some(members) = set::small(entry) else {
        return Some((set::len(entry), entry.header.encoding));
    };
    header(out, members.len() as u64, as_set);
    for item in members.iter() {
        out.bulk(item.bytes);
    }
    None
}

/// The header of a reply with so many members.
fn header(out: &mut Reply, len: u64, as_set: bool) {
    if as_set {
        out.set(len as usize);
    } else {
        out.array(len as usize);
    }
}

/// The tree of the members of the large set at `key`.
pub(super) fn place(db: u32, key: &[u8]) -> Place {
    Place {
        db,
        key: key.into(),
        slot: MEMBERS,
    }
}

/// Replies with all members of the set at `key`, which is there.
pub(super) fn all(call: &mut Call, key: &[u8], as_set: bool) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let entry = call.keyspace.lookup(db, key, now_ms, Look::UNSEEN)?;
    let Some(entry) = entry else {
        header(call.out, 0, as_set);
        return Ok(());
    };
    match seen_large(call.out, &entry, as_set) {
        Some((len, encoding)) => large_members(call, key, len, encoding, as_set),
        None => Ok(()),
    }
}

fn large_members(
    call: &mut Call,
    key: &[u8],
    len: u64,
    encoding: Encoding,
    as_set: bool,
) -> Outcome {
    let db = call.client.db;
    header(call.out, len, as_set);
    if encoding == Encoding::Integers {
        // Redis lists integers in their order, which is not that of their digits.
        let members = call.keyspace.members(db, key, u64::MAX, usize::MAX)?;
        for member in members.unwrap_or_default().iter() {
            call.out.bulk(member);
        }
        return Ok(());
    }
    let mut elements = Elements::new(place(db, key), Parts::Keys, call.now_ms);
    let engine = &mut call.keyspace.engine;
    let more = if engine.in_transaction() {
        elements.fill(engine, call.out.buffer_mut(), usize::MAX)?
    } else if len <= MEMBERS_AT_ONCE {
        elements.fill(engine, call.out.buffer_mut(), BYTES_AT_ONCE)?
    } else {
        true
    };
    if more {
        let snapshot = engine.snapshot();
        call.out
            .stream(Box::new(ElementsStream { snapshot, elements }));
    }
    Ok(())
}

/// Replies with all members of the set at `key`, which is there, as SPOP of all of them does.
pub(super) fn popped_whole(call: &mut Call, key: &[u8]) -> Outcome {
    let db = call.client.db;
    let entry = call.keyspace.lookup(db, key, call.now_ms, Look::READ)?;
    if entry.is_none_or(|entry| entry.header.encoding == Encoding::Table) {
        return all(call, key, true);
    }
    let keyspace = &mut *call.keyspace;
    let Some(members) = keyspace.members(db, key, LISTED_MAX, LISTED_BYTES_MAX)? else {
        return all(call, key, true);
    };
    let (sets, limits) = ([members], settings::set_limits(call.server));
    let Some(listed) = listed(Operation::Union, &sets, limits) else {
        return all(call, key, true);
    };
    call.out.set(listed.members.len());
    for member in &listed.members {
        call.out.bulk(member);
    }
    Ok(())
}

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub fn sscan(call: &mut Call) -> Outcome {
    let (db, key) = (call.client.db, call.args[1]);
    let cursor = scan::cursor(call.args[2])?;
    let Some(entry) = kind::entry(call, key, Kind::Set)? else {
        call.out.raw(b"*2\r\n$1\r\n0\r\n*0\r\n");
        return Ok(());
    };
    let (is_large, len, encoding) = (entry.is_large(), set::len(&entry), entry.header.encoding);
    let options = ElementOptions::parse(&call.args[3..], false)?;
    let at_once = encoding != Encoding::Table && len <= SCANNED_AT_ONCE;
    let (mut found, mut bulks, mut next) = (0, Vec::new(), 0);
    if is_large && !at_once {
        let tree = call.keyspace.tree(db, key, MEMBERS)?;
        let (count, pattern) = (options.count, options.pattern);
        next = call
            .keyspace
            .scan_elements(tree, cursor, count, pattern, &mut |member, _| {
                encode::bulk(&mut bulks, member);
                found += 1;
                member.len()
            })?;
    } else {
        let members = call.keyspace.members(db, key, u64::MAX, usize::MAX)?;
        for member in members.unwrap_or_default().iter() {
            if options.wants(member) {
                encode::bulk(&mut bulks, member);
                found += 1;
            }
        }
    }
    call.out.array(2);
    call.out.bulk_int(next.cast_signed());
    call.out.array(found);
    call.out.raw(&bulks);
    Ok(())
}
