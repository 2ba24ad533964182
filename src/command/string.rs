//! Strings as wholes: SET and its kin, GET and its kin, MSET, MGET.

use smallvec::SmallVec;

use super::argument::{integer, is_word};
use super::expire::remove_expiry;
use super::{Call, Failure, Outcome, errors, string_value};
use crate::keyspace::change::Class;
use crate::keyspace::header::Encoding;
use crate::keyspace::{Slot, Txn};
use crate::resp::ErrorReply;
use crate::storage::{Plan, TOGETHER_MAX};

/// An expiry as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AskedExpiry<'a> {
    number: &'a [u8],
    in_seconds: bool,
    /// From now rather than since 1970.
    relative: bool,
}

impl<'a> AskedExpiry<'a> {
    const fn seconds(number: &'a [u8]) -> Self {
        Self {
            number,
            in_seconds: true,
            relative: true,
        }
    }

    const fn milliseconds(number: &'a [u8]) -> Self {
        Self {
            number,
            in_seconds: false,
            relative: true,
        }
    }

    /// Wall time in milliseconds since 1970.
    fn resolve(self, now_ms: u64, command: &str) -> Result<u64, ErrorReply> {
        let number = integer(self.number)?;
        let scale = if self.in_seconds { 1000 } else { 1 };
        let base = if self.relative { now_ms as i64 } else { 0 };
        number
            .checked_mul(scale)
            .and_then(|ms| ms.checked_add(base))
            .filter(|_| number > 0)
            .and_then(|ms| u64::try_from(ms).ok())
            .ok_or_else(|| errors::expire_time(command))
    }
}

/// What an option word of SET or GETEX may stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    only_new: bool,
    only_existing: bool,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expiry: Option<AskedExpiry<'a>>,
}

/// The command whose options are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Set,
    GetEx,
}

impl<'a> Options<'a> {
    fn parse(mut words: &[&'a [u8]], family: Family) -> Result<Self, ErrorReply> {
        let set = family == Family::Set;
        let mut options = Self::default();
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if set && is_word(word, "NX") && !options.only_existing {
                options.only_new = true;
            } else if set && is_word(word, "XX") && !options.only_new {
                options.only_existing = true;
            } else if set && is_word(word, "GET") {
                options.get = true;
            } else if set && is_word(word, "KEEPTTL") && options.expiry.is_none() {
                options.keep_ttl = true;
            } else if !set && is_word(word, "PERSIST") && options.expiry.is_none() {
                options.persist = true;
            } else {
                let (number, rest) = words.split_first().ok_or(errors::SYNTAX)?;
                words = rest;
                options.add_expiry(word, number)?;
            }
        }
        Ok(options)
    }

    /// An expiry may be given again in the same way, and the last one counts.
    fn add_expiry(&mut self, word: &[u8], number: &'a [u8]) -> Result<(), ErrorReply> {
        let (in_seconds, relative) = match () {
            () if is_word(word, "EX") => (true, true),
            () if is_word(word, "PX") => (false, true),
            () if is_word(word, "EXAT") => (true, false),
            () if is_word(word, "PXAT") => (false, false),
            () => return Err(errors::SYNTAX),
        };
        let asked = AskedExpiry {
            number,
            in_seconds,
            relative,
        };
        let same_way = self
            .expiry
            .is_none_or(|e| (e.in_seconds, e.relative) == (in_seconds, relative));
        if self.keep_ttl || self.persist || !same_way {
            return Err(errors::SYNTAX);
        }
        self.expiry = Some(asked);
        Ok(())
    }
}

/// How SET and its kin answer.
struct Answers {
    stored: &'static [u8],
    /// None: null.
    refused: Option<&'static [u8]>,
}

const STATUS: Answers = Answers {
    stored: b"+OK\r\n",
    refused: None,
};
const FLAG: Answers = Answers {
    stored: b":1\r\n",
    refused: Some(b":0\r\n"),
};

/// SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
pub fn set(call: &mut Call) -> Outcome {
    let options = Options::parse(&call.args[3..], Family::Set)?;
    store(call, call.args[2], options, "set", &STATUS)
}

/// SETNX key value
pub fn setnx(call: &mut Call) -> Outcome {
    let options = Options {
        only_new: true,
        ..Options::default()
    };
    store(call, call.args[2], options, "setnx", &FLAG)
}

/// SETEX key seconds value
pub fn setex(call: &mut Call) -> Outcome {
    let options = Options {
        expiry: Some(AskedExpiry::seconds(call.args[2])),
        ..Options::default()
    };
    store(call, call.args[3], options, "setex", &STATUS)
}

/// PSETEX key milliseconds value
pub fn psetex(call: &mut Call) -> Outcome {
    let options = Options {
        expiry: Some(AskedExpiry::milliseconds(call.args[2])),
        ..Options::default()
    };
    store(call, call.args[3], options, "psetex", &STATUS)
}

fn store(
    call: &mut Call,
    value: &[u8],
    options: Options<'_>,
    command: &str,
    answers: &Answers,
) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let expires_ms = match options.expiry {
        Some(asked) => Some(asked.resolve(now_ms, command)?),
        None => None,
    };
    if options.get {
        string_value::reply(call, key)?;
    }
    let stored = call.keyspace.write(Plan::Simple, |txn| {
        let slot = txn.slot(db, key, now_ms)?;
        if (options.only_new && slot.exists()) || (options.only_existing && !slot.exists()) {
            return Ok(false);
        }
        let expiry = if options.keep_ttl {
            slot.expires_ms()
        } else {
            expires_ms
        };
        put(txn, db, &slot, key, value, expiry)?;
        if expires_ms.is_some() {
            txn.event(db, key, Class::Generic, "expire");
        }
        Ok::<_, Failure>(true)
    })?;
    if stored && call.is_repeated() {
        repeat_set(call, value, &options, expires_ms);
    }
    match answers.refused {
        _ if options.get => {}
        _ if stored => call.out.raw(answers.stored),
        Some(refused) => call.out.raw(refused),
        None => call.out.null(),
    }
    Ok(())
}

/// What those who repeat a SET or its kin are told: a moment in the place of a time to live, and no GET.
fn repeat_set(call: &mut Call, value: &[u8], options: &Options<'_>, expires_ms: Option<u64>) {
    let is_verbatim = options
        .expiry
        .is_some_and(|asked| !asked.relative && !asked.in_seconds);
    match expires_ms {
        Some(_) if is_verbatim => {}
        Some(expires_ms) => {
            let moment = expires_ms.to_string();
            call.does(&[b"SET", call.args[1], value, b"PXAT", moment.as_bytes()]);
        }
        None if options.get => {
            let (head, rest) = call.args.split_at(3);
            let mut words = head.to_vec();
            words.extend(rest.iter().filter(|word| !is_word(word, "GET")));
            call.does(&words);
        }
        None => {}
    }
}

fn put(
    txn: &mut Txn<'_>,
    db: u32,
    slot: &Slot,
    key: &[u8],
    value: &[u8],
    expires_ms: Option<u64>,
) -> Outcome {
    txn.put_string(slot, key, value, Encoding::Natural, expires_ms)?;
    txn.touched(db, key, 1, Some((Class::String, "set")));
    Ok(())
}

/// GETSET key value
pub fn getset(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    string_value::reply(call, key)?;
    let value = call.args[2];
    call.keyspace.write(Plan::Simple, |txn| {
        let slot = txn.slot(db, key, now_ms)?;
        put(txn, db, &slot, key, value, None)
    })?;
    call.does(&[b"SET", key, value]);
    Ok(())
}

/// GET key
pub fn get(call: &mut Call) -> Outcome {
    string_value::reply(call, call.args[1])?;
    Ok(())
}

/// GETDEL key
pub fn getdel(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    if !string_value::reply(call, key)? {
        return Ok(());
    }
    call.keyspace
        .write(Plan::Simple, |txn| delete(txn, db, key, now_ms))?;
    call.does(&[b"DEL", key]);
    Ok(())
}

fn delete(txn: &mut Txn<'_>, db: u32, key: &[u8], now_ms: u64) -> Outcome {
    let slot = txn.slot(db, key, now_ms)?;
    if txn.delete(&slot, key)? {
        txn.touched(db, key, 1, Some((Class::Generic, "del")));
    }
    Ok(())
}

/// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]
pub fn getex(call: &mut Call) -> Outcome {
    let options = Options::parse(&call.args[2..], Family::GetEx)?;
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    if !string_value::reply(call, key)? {
        return Ok(());
    }
    let Some(asked) = options.expiry else {
        if options.persist
            && call
                .keyspace
                .write(Plan::Simple, |txn| remove_expiry(txn, db, key, now_ms))?
        {
            call.does(&[b"PERSIST", key]);
        }
        return Ok(());
    };
    let expires_ms = asked.resolve(now_ms, "getex")?;
    call.keyspace.write(Plan::Simple, |txn| {
        if !asked.relative && expires_ms <= now_ms {
            return delete(txn, db, key, now_ms);
        }
        let slot = txn.slot(db, key, now_ms)?;
        txn.set_expiry(&slot, key, Some(expires_ms))?;
        txn.touched(db, key, 1, Some((Class::Generic, "expire")));
        Ok(())
    })?;
    if !asked.relative && expires_ms <= now_ms {
        call.deletes(key);
    } else {
        call.expires_at(key, expires_ms);
    }
    Ok(())
}

/// MGET key [key ...]
pub fn mget(call: &mut Call) -> Outcome {
    let keys = &call.args[1..];
    call.out.array(keys.len());
    for keys in keys.chunks(TOGETHER_MAX) {
        call.keyspace.look_ahead(call.client.db, keys);
        for key in keys {
            match string_value::reply(call, key) {
                Err(Failure::Reply(_)) => call.out.null(),
                other => {
                    other?;
                }
            }
        }
    }
    Ok(())
}

/// MSET key value [key value ...]
pub fn mset(call: &mut Call) -> Outcome {
    set_many(call, false)
}

/// MSETNX key value [key value ...]
pub fn msetnx(call: &mut Call) -> Outcome {
    set_many(call, true)
}

fn set_many(call: &mut Call, only_new: bool) -> Outcome {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let (pairs, odd) = call.args[1..].as_chunks::<2>();
    if !odd.is_empty() {
        return Err(errors::wrong_number(if only_new { "msetnx" } else { "mset" }).into());
    }
    let few = pairs.len() <= TOGETHER_MAX;
    let plan = if few { Plan::Simple } else { Plan::Savepoint };
    let stored = call.keyspace.write(plan, |txn| {
        if only_new {
            for [key, _] in pairs {
                if txn.slot(db, key, now_ms)?.exists() {
                    return Ok(false);
                }
            }
        }
        for pairs in pairs.chunks(TOGETHER_MAX) {
            let keys: SmallVec<[&[u8]; TOGETHER_MAX]> = pairs.iter().map(|[key, _]| *key).collect();
            txn.keyspace().look_ahead(db, &keys);
            if few && pairs.len() > 1 && !txn.can_put_all(db, pairs, now_ms)? {
                txn.engine().need_savepoint();
            }
            for [key, value] in pairs {
                let slot = txn.slot(db, key, now_ms)?;
                put(txn, db, &slot, key, value, None)?;
            }
        }
        Ok::<_, Failure>(true)
    })?;
    if only_new {
        call.out.int(i64::from(stored));
    } else {
        call.out.ok();
    }
    Ok(())
}
