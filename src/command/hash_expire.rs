//! When fields of hashes expire: HEXPIRE and its kin, HTTL and its kin, HPERSIST.

use super::argument::{integer, is_word, positive};
use super::{Call, Failure, Outcome, errors, kind, settings};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::hash::HashEditor;
use crate::keyspace::header::{Encoding, Kind};
use crate::resp::ErrorReply;
use crate::storage::Plan;

/// The latest moment at which a field may expire, in milliseconds since 1970.
const EXPIRES_MS_MAX: i64 = (1 << 46) - 1;

const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const REFUSED: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// When HEXPIRE is to do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    OnlyWithout,
    OnlyWith,
    OnlyLater,
    OnlyEarlier,
}

impl Condition {
    fn parse(word: &[u8]) -> Option<Self> {
        let named = [
            ("NX", Self::OnlyWithout),
            ("XX", Self::OnlyWith),
            ("GT", Self::OnlyLater),
            ("LT", Self::OnlyEarlier),
        ];
        let found = named.iter().find(|(name, _)| is_word(word, name));
        found.map(|(_, condition)| *condition)
    }

    /// Whether an expiry `current` may become `new`. No expiry counts as one infinitely late.
    fn allows(self, current: Option<u64>, new: u64) -> bool {
        match self {
            Self::Always => true,
            Self::OnlyWithout => current.is_none(),
            Self::OnlyWith => current.is_some(),
            Self::OnlyLater => current.is_some_and(|current| new > current),
            Self::OnlyEarlier => current.is_none_or(|current| new < current),
        }
    }
}

/// The fields behind `FIELDS numfields`, which `words` begin with.
fn fields<'a, 'w>(
    words: &'w [&'a [u8]],
    not_positive: ErrorReply,
) -> Result<&'w [&'a [u8]], ErrorReply> {
    let word = words.first().copied().unwrap_or_default();
    if !is_word(word, "FIELDS") {
        return Err(errors::FIELDS_MISSING);
    }
    let count = words.get(1).copied().unwrap_or_default();
    let count = positive(count, not_positive)?;
    let fields = &words[2..];
    if count != fields.len() as u64 {
        return Err(errors::FIELDS_DO_NOT_MATCH);
    }
    Ok(fields)
}

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub fn hexpire(call: &mut Call) -> Outcome {
    set(call, 1000, true, "hexpire")
}

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub fn hpexpire(call: &mut Call) -> Outcome {
    set(call, 1, true, "hpexpire")
}

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub fn hexpireat(call: &mut Call) -> Outcome {
    set(call, 1000, false, "hexpireat")
}

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub fn hpexpireat(call: &mut Call) -> Outcome {
    set(call, 1, false, "hpexpireat")
}

/// The moment that is asked for, in milliseconds since 1970.
fn moment(word: &[u8], scale: i64, base_ms: i64, command: &str) -> Result<u64, ErrorReply> {
    let number = integer(word)?;
    if number < 0 {
        return Err(errors::EXPIRE_NEGATIVE);
    }
    number
        .checked_mul(scale)
        .and_then(|ms| ms.checked_add(base_ms))
        .filter(|ms| *ms <= EXPIRES_MS_MAX)
        .map(i64::cast_unsigned)
        .ok_or_else(|| errors::expire_time(command))
}

/// What HEXPIRE does to each field.
struct Change {
    expires_ms: u64,
    condition: Condition,
    now_ms: u64,
}

impl Change {
    fn make(&self, hash: &mut HashEditor<'_, '_, '_>, field: &[u8]) -> Result<i64, Failure> {
        let found = hash.find(field)?;
        let Some(found) = found.filter(|found| !found.is_due(self.now_ms)) else {
            return Ok(NO_FIELD);
        };
        if !self.condition.allows(found.expires_ms, self.expires_ms) {
            return Ok(REFUSED);
        }
        if self.expires_ms <= self.now_ms {
            // The name of the hash may change, too.
            hash.need_savepoint();
            hash.remove(field)?;
            return Ok(DELETED);
        }
        hash.expire_at(field, Some(self.expires_ms))?;
        Ok(DONE)
    }
}

/// What can be said against the words of a command that changes a hash is said after what can be said of its key.
fn refuse(call: &mut Call, error: ErrorReply) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    kind::lookup(call.keyspace, db, key, now_ms, Look::WRITE, Kind::Hash)?;
    Err(error.into())
}

fn set(call: &mut Call, scale: i64, relative: bool, command: &str) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let base_ms = if relative { now_ms.cast_signed() } else { 0 };
    let condition = Condition::parse(call.args[3]);
    let from = if condition.is_some() { 4 } else { 3 };
    let asked = moment(call.args[2], scale, base_ms, command).and_then(|expires_ms| {
        let fields = fields(&call.args[from..], errors::NUM_FIELDS_NOT_POSITIVE)?;
        Ok((expires_ms, fields))
    });
    let (expires_ms, fields) = match asked {
        Ok(asked) => asked,
        Err(error) => return refuse(call, error),
    };
    let change = Change {
        expires_ms,
        condition: condition.unwrap_or(Condition::Always),
        now_ms,
    };
    let limits = settings::hash_limits(call.server);
    let answers = call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = txn
            .hash(db, key, now_ms, limits, fields.len())?
            .ok_or(errors::WRONG_TYPE)?;
        if !hash.exists() {
            return Ok(vec![NO_FIELD; fields.len()]);
        }
        hash.become_expiring();
        let mut answers = Vec::with_capacity(fields.len());
        for field in fields {
            answers.push(change.make(&mut hash, field)?);
        }
        let is_left = hash.finish()?;
        let deleted = answers.iter().filter(|answer| **answer == DELETED).count() as u64;
        let updated = answers.iter().filter(|answer| **answer == DONE).count() as u64;
        txn.keyspace().stats.expired_fields += deleted;
        if deleted + updated > 0 {
            let event = if deleted > 0 { "hdel" } else { "hexpire" };
            txn.touched(db, key, deleted + updated, Some((Class::Hash, event)));
            if !is_left {
                txn.event(db, key, Class::Generic, "del");
            }
        }
        Ok::<_, Failure>(answers)
    })?;
    if call.is_repeated() {
        repeat_set(call, from, fields, &answers, expires_ms);
    }
    reply(call, &answers);
    Ok(())
}

/// What those who repeat an HEXPIRE are told: HPEXPIREAT of the fields that changed, HDEL of each that is gone.
fn repeat_set(call: &mut Call, from: usize, fields: &[&[u8]], answers: &[i64], expires_ms: u64) {
    let of = |wanted: i64| {
        let pairs = fields.iter().zip(answers);
        pairs.filter(move |(_, answer)| **answer == wanted)
    };
    let key = call.args[1];
    for (field, _) in of(DELETED) {
        call.does(&[b"HDEL", key, field]);
    }
    let changed: Vec<&[u8]> = of(DONE).map(|(field, _)| *field).collect();
    if changed.is_empty() {
        return;
    }
    let (moment, count) = (expires_ms.to_string(), changed.len().to_string());
    let mut words: Vec<&[u8]> = vec![b"HPEXPIREAT", key, moment.as_bytes()];
    words.extend_from_slice(&call.args[3..from]);
    words.extend_from_slice(&[b"FIELDS", count.as_bytes()]);
    words.extend(changed);
    call.does(&words);
}

fn reply(call: &mut Call, answers: &[i64]) {
    call.out.array(answers.len());
    for answer in answers {
        call.out.int(*answer);
    }
}

/// HPERSIST key FIELDS numfields field [field ...]
pub fn hpersist(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let fields = match fields(&call.args[2..], errors::FIELDS_NOT_POSITIVE) {
        Ok(fields) => fields,
        Err(error) => return refuse(call, error),
    };
    let limits = settings::hash_limits(call.server);
    let answers = call.keyspace.write(Plan::Simple, |txn| {
        let mut hash = txn
            .hash(db, key, now_ms, limits, fields.len())?
            .ok_or(errors::WRONG_TYPE)?;
        let mut answers = Vec::with_capacity(fields.len());
        for field in fields {
            answers.push(persist(&mut hash, field, now_ms)?);
        }
        if answers.contains(&DONE) {
            hash.finish()?;
            txn.touched(db, key, 1, Some((Class::Hash, "hpersist")));
        }
        Ok::<_, Failure>(answers)
    })?;
    reply(call, &answers);
    Ok(())
}

fn persist(hash: &mut HashEditor<'_, '_, '_>, field: &[u8], now_ms: u64) -> Result<i64, Failure> {
    let found = hash.find(field)?;
    let Some(found) = found.filter(|found| !found.is_due(now_ms)) else {
        return Ok(NO_FIELD);
    };
    if found.expires_ms.is_none() {
        return Ok(NO_EXPIRY);
    }
    hash.expire_at(field, None)?;
    Ok(DONE)
}

/// HTTL key FIELDS numfields field [field ...]
pub fn httl(call: &mut Call) -> Outcome {
    tell(call, true, true)
}

/// HPTTL key FIELDS numfields field [field ...]
pub fn hpttl(call: &mut Call) -> Outcome {
    tell(call, true, false)
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub fn hexpiretime(call: &mut Call) -> Outcome {
    tell(call, false, true)
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub fn hpexpiretime(call: &mut Call) -> Outcome {
    tell(call, false, false)
}

fn tell(call: &mut Call, relative: bool, in_seconds: bool) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let entry = kind::entry(call, key, Kind::Hash)?;
    let seen = entry.map(|entry| (entry.is_large(), entry.header.encoding));
    let fields = fields(&call.args[2..], errors::FIELDS_NOT_POSITIVE)?;
    call.out.array(fields.len());
    for field in fields {
        let found = match seen {
            Some((is_large, _)) => call.keyspace.hash_field(db, key, field, is_large)?,
            None => None,
        };
        // Of what Redis calls a `listpackex` a field is gone one millisecond earlier here than for all other commands.
        let early = u64::from(seen.is_some_and(|(_, name)| name == Encoding::PackedExpiring));
        let answer = match found.map(|found| found.expires_ms) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(expires_ms)) if expires_ms < now_ms + early => NO_FIELD,
            Some(Some(expires_ms)) => {
                let ms = if relative {
                    expires_ms - now_ms
                } else {
                    expires_ms
                };
                let told = if in_seconds { ms.div_ceil(1000) } else { ms };
                told.cast_signed()
            }
        };
        call.out.int(answer);
    }
    Ok(())
}
