//! Hashes as wholes: HGETALL, HKEYS, HVALS, HSCAN, HRANDFIELD.

use super::argument::{integer_within, is_word};
use super::scan::{self, ElementOptions};
use super::{Call, Failure, Outcome, draws, errors, hash_value, kind};
use crate::keyspace::Look;
use crate::keyspace::draw::{Drawing, Picks, Telling};
use crate::keyspace::elements::{Elements, ElementsStream, Parts, Place};
use crate::keyspace::hash::small::{Small, Three};
use crate::keyspace::hash::{self, FIELDS, Found};
use crate::keyspace::header::{Encoding, Kind};
use crate::resp::Reply;
use crate::storage::Body;

/// A hash of more fields is sent from a snapshot, off the engine lock.
const FIELDS_AT_ONCE: u64 = 1024;
/// So is what comes behind this many bytes of a reply.
const BYTES_AT_ONCE: usize = 64 << 10;
/// HRANDFIELD removes up to this many fields that are due before it draws.
const REAPED_AT_ONCE: usize = 1024;
/// HSCAN returns a hash of up to this many fields at once if Redis would because it calls it a `listpack`.
const SCANNED_AT_ONCE: u64 = 10_000;

/// HGETALL key
pub fn hgetall(call: &mut Call) -> Outcome {
    whole(call, Parts::Both)
}

/// HKEYS key
pub fn hkeys(call: &mut Call) -> Outcome {
    whole(call, Parts::Keys)
}

/// HVALS key
pub fn hvals(call: &mut Call) -> Outcome {
    whole(call, Parts::Values)
}

fn header(out: &mut Reply, parts: Parts, len: usize) {
    if parts == Parts::Both {
        out.map(len);
    } else {
        out.array(len);
    }
}

fn whole(call: &mut Call, parts: Parts) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let out = &mut *call.out;
    let entry = kind::lookup(call.keyspace, db, key, now_ms, Look::READ, Kind::Hash)?;
    let len = match entry {
        None => {
            header(out, parts, 0);
            return Ok(());
        }
        Some(entry) => {
            if let Some(body) = entry.inline().filter(|_| !entry.is_large()) {
                small(out, parts, Small::new(body), now_ms);
                return Ok(());
            }
            hash::len(&entry)
        }
    };
    let live = len - call.keyspace.due_fields(db, key, now_ms)?;
    header(call.out, parts, live as usize);
    let place = place(db, key);
    let mut elements = Elements::new(place, parts, now_ms);
    let alone = call.keyspace.in_transaction();
    let more = if alone {
        let engine = &mut call.keyspace.engine;
        elements.fill(engine, call.out.buffer_mut(), usize::MAX)?
    } else if live <= FIELDS_AT_ONCE {
        let engine = &mut call.keyspace.engine;
        elements.fill(engine, call.out.buffer_mut(), BYTES_AT_ONCE)?
    } else {
        true
    };
    if more {
        let snapshot = call.keyspace.engine.snapshot();
        call.out
            .stream(Box::new(ElementsStream { snapshot, elements }));
    }
    Ok(())
}

fn place(db: u32, key: &[u8]) -> Place {
    Place {
        db,
        key: key.into(),
        slot: FIELDS,
    }
}

/// The fields of a small hash that are not due.
fn live(small: Small<'_>, now_ms: u64) -> impl Iterator<Item = Three<'_>> {
    small
        .iter()
        .filter(move |three| three.expires_ms.is_none_or(|ms| now_ms <= ms))
}

fn small(out: &mut Reply, parts: Parts, small: Small<'_>, now_ms: u64) {
    header(out, parts, live(small, now_ms).count());
    for three in live(small, now_ms) {
        if parts != Parts::Values {
            out.bulk(three.field.bytes);
        }
        if parts != Parts::Keys {
            out.bulk(three.value.bytes);
        }
    }
}

/// A field that HSCAN found, and its value; None: it is in pages of its own.
type Scanned = (Vec<u8>, Option<Vec<u8>>);

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub fn hscan(call: &mut Call) -> Outcome {
    let (db, args, now_ms) = (call.client.db, call.args, call.now_ms);
    let key = args[1];
    let cursor = scan::cursor(args[2])?;
    let Some(entry) = kind::entry(call, key, Kind::Hash)? else {
        call.out.raw(b"*2\r\n$1\r\n0\r\n*0\r\n");
        return Ok(());
    };
    let (is_large, len, encoding) = (entry.is_large(), hash::len(&entry), entry.header.encoding);
    let options = ElementOptions::parse(&args[3..], true)?;
    let mut found: Vec<Scanned> = Vec::new();
    let mut next = 0;
    if is_large {
        let (cursor, count) = if encoding != Encoding::Table && len <= SCANNED_AT_ONCE {
            (0, u64::MAX)
        } else {
            (cursor, options.count)
        };
        let tree = call.keyspace.tree(db, key, FIELDS)?;
        let pattern = options.pattern;
        next = call
            .keyspace
            .scan_elements(tree, cursor, count, pattern, &mut |field, cell| {
                let seen = Found::of_cell(cell);
                if seen.is_due(now_ms) {
                    return 0;
                }
                let value = match seen.value {
                    Body::Inline(value) if !options.only_keys => Some(value.to_vec()),
                    _ => None,
                };
                found.push((field.to_vec(), value));
                let shown = if options.only_keys { 0 } else { seen.len() };
                field
                    .len()
                    .saturating_add(usize::try_from(shown).unwrap_or(usize::MAX))
            })?;
    } else if let Some(body) = entry.inline() {
        let wanted =
            live(Small::new(body), now_ms).filter(|three| options.wants(three.field.bytes));
        found.extend(wanted.map(|three| {
            let value = three.value.bytes.to_vec();
            (three.field.bytes.to_vec(), Some(value))
        }));
    }
    reply_scan(call, key, next, &found, options.only_keys)
}

fn reply_scan(
    call: &mut Call,
    key: &[u8],
    cursor: u64,
    found: &[Scanned],
    only_keys: bool,
) -> Outcome {
    call.out.array(2);
    call.out.bulk_int(cursor.cast_signed());
    call.out.array(found.len() * if only_keys { 1 } else { 2 });
    for (field, value) in found {
        call.out.bulk(field);
        match value {
            _ if only_keys => {}
            Some(value) => call.out.bulk(value),
            None => {
                let seen = call.keyspace.hash_field(call.client.db, key, field, true)?;
                let len = seen.map_or(0, |seen| seen.len());
                hash_value::reply_long(call, key, field, len)?;
            }
        }
    }
    Ok(())
}

/// What HRANDFIELD is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Negative: fields may repeat. None: a single field, not in an array.
    count: Option<i64>,
    with_values: bool,
}

impl Asked {
    fn parse(words: &[&[u8]]) -> Result<Self, Failure> {
        let Some((count, rest)) = words.split_first() else {
            return Ok(Self {
                count: None,
                with_values: false,
            });
        };
        let count = integer_within(count, -i64::MAX..=i64::MAX)?;
        let with_values = match rest {
            [] => false,
            [word] if is_word(word, "WITHVALUES") => true,
            _ => return Err(errors::SYNTAX.into()),
        };
        if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(errors::OUT_OF_RANGE.into());
        }
        Ok(Self {
            count: Some(count),
            with_values,
        })
    }

    fn telling(self, resp3: bool) -> Telling {
        match (self.with_values, resp3) {
            (false, _) => Telling::Key,
            (true, false) => Telling::KeyAndValue,
            (true, true) => Telling::Pair,
        }
    }

    /// The header of a reply with so many fields.
    fn header(self, out: &mut Reply, fields: u64) {
        let items = if self.with_values && !out.is_resp3() {
            2
        } else {
            1
        };
        if self.count.is_some() {
            out.array((fields * items) as usize);
        }
    }
}

/// HRANDFIELD key [count [WITHVALUES]]
pub fn hrandfield(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let asked = Asked::parse(&call.args[2..])?;
    if kind::entry(call, key, Kind::Hash)?.is_some()
        && call.keyspace.due_fields(db, key, now_ms)? > 0
    {
        hash_value::reap_all(call, key, REAPED_AT_ONCE)?;
    }
    let entry = call.keyspace.lookup(db, key, now_ms, Look::UNSEEN)?;
    let Some(entry) = entry else {
        match asked.count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        }
        return Ok(());
    };
    let len = hash::len(&entry);
    if let Some(body) = entry.inline().filter(|_| !entry.is_large()) {
        let telling = asked.telling(call.out.is_resp3());
        let told = live(Small::new(body), now_ms)
            .map(|three| told(three, telling))
            .collect();
        draw_small(call, asked, told);
        return Ok(());
    }
    draw_large(call, asked, len)
}

/// A field of a small hash as it is told.
fn told(three: Three<'_>, telling: Telling) -> Vec<u8> {
    let mut out = Reply::new(crate::resp::Proto::Resp2);
    if telling == Telling::Pair {
        out.array(2);
    }
    out.bulk(three.field.bytes);
    if telling != Telling::Key {
        out.bulk(three.value.bytes);
    }
    out.take().0
}

fn draw_small(call: &mut Call, asked: Asked, told: Vec<Vec<u8>>) {
    let len = told.len() as u64;
    let count = asked.count.unwrap_or(-1);
    if len == 0 {
        return match asked.count {
            None => call.out.null(),
            Some(_) => call.out.array(0),
        };
    }
    draws::reply_small(call, told, count, |out, fields| asked.header(out, fields));
}

fn draw_large(call: &mut Call, asked: Asked, len: u64) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let due = call.keyspace.due_fields(db, key, now_ms)?;
    let live = len - due;
    let count = asked.count.unwrap_or(-1);
    let (picks, told) = if count >= 0 {
        let count = live.min(count.cast_unsigned());
        (Picks::Different(count), count)
    } else {
        let draws = if live > 0 { count.unsigned_abs() } else { 0 };
        (Picks::Draws(draws), draws)
    };
    if told == 0 && asked.count.is_none() {
        call.out.null();
        return Ok(());
    }
    asked.header(call.out, told);
    let telling = asked.telling(call.out.is_resp3());
    let rng = call.keyspace.rng().fork();
    let drawing = Drawing::new(place(db, key), picks, telling, (len, due, now_ms), rng);
    draws::reply_large(call, drawing, told)
}
