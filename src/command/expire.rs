//! When keys expire: EXPIRE and its kin, TTL and its kin, PERSIST.

use super::argument::{integer, is_word};
use super::{Call, Failure, Outcome, errors};
use crate::keyspace::change::Class;
use crate::keyspace::{Look, Txn};
use crate::resp::ErrorReply;
use crate::storage::{self, Plan};

/// When EXPIRE is to do anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Condition {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_earlier: bool,
}

impl Condition {
    fn parse(words: &[&[u8]]) -> Result<Self, ErrorReply> {
        let mut condition = Self::default();
        for word in words {
            if is_word(word, "NX") {
                condition.only_without = true;
            } else if is_word(word, "XX") {
                condition.only_with = true;
            } else if is_word(word, "GT") {
                condition.only_later = true;
            } else if is_word(word, "LT") {
                condition.only_earlier = true;
            } else {
                return Err(errors::unsupported_option(word));
            }
        }
        let others = condition.only_with || condition.only_later || condition.only_earlier;
        if condition.only_without && others {
            return Err(errors::EXPIRE_NX);
        }
        if condition.only_later && condition.only_earlier {
            return Err(errors::EXPIRE_GT_LT);
        }
        Ok(condition)
    }

    /// Whether an expiry `current` may become `new`. No expiry counts as one infinitely late.
    fn allows(self, current: Option<u64>, new: i64) -> bool {
        let Some(current) = current else {
            return !self.only_with && !self.only_later;
        };
        let current = i128::from(current);
        let refused = self.only_without
            || (self.only_later && i128::from(new) <= current)
            || (self.only_earlier && i128::from(new) >= current);
        !refused
    }
}

/// EXPIRE key seconds [NX | XX | GT | LT]
pub fn expire(call: &mut Call) -> Outcome {
    set(call, 1000, true, "expire")
}

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub fn pexpire(call: &mut Call) -> Outcome {
    set(call, 1, true, "pexpire")
}

/// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
pub fn expireat(call: &mut Call) -> Outcome {
    set(call, 1000, false, "expireat")
}

/// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
pub fn pexpireat(call: &mut Call) -> Outcome {
    set(call, 1, false, "pexpireat")
}

fn set(call: &mut Call, scale: i64, relative: bool, command: &str) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let condition = Condition::parse(&call.args[3..])?;
    let base = if relative { now_ms as i64 } else { 0 };
    let expires_ms = integer(call.args[2])?
        .checked_mul(scale)
        .and_then(|ms| ms.checked_add(base))
        .ok_or_else(|| errors::expire_time(command))?;
    let done = call.keyspace.write(Plan::Simple, |txn| {
        let slot = txn.slot(db, key, now_ms)?;
        if !slot.exists() || !condition.allows(slot.expires_ms(), expires_ms) {
            return Ok(false);
        }
        match u64::try_from(expires_ms) {
            Ok(later) if later > now_ms => {
                txn.set_expiry(&slot, key, Some(later))?;
                txn.touched(db, key, 1, Some((Class::Generic, "expire")));
            }
            _ => {
                txn.delete(&slot, key)?;
                txn.touched(db, key, 1, Some((Class::Generic, "del")));
            }
        }
        Ok::<_, Failure>(true)
    })?;
    if done && call.is_repeated() {
        match u64::try_from(expires_ms) {
            Ok(later) if later > now_ms => {
                let moment = later.to_string();
                let mut words = call.args.to_vec();
                (words[0], words[2]) = (b"PEXPIREAT", moment.as_bytes());
                call.does(&words);
            }
            _ => call.deletes(key),
        }
    }
    call.out.int(i64::from(done));
    Ok(())
}

/// PERSIST key
pub fn persist(call: &mut Call) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let done = call
        .keyspace
        .write(Plan::Simple, |txn| remove_expiry(txn, db, key, now_ms))?;
    call.out.int(i64::from(done));
    Ok(())
}

/// Takes the expiry of the key away, and says so; false: it had none.
pub(super) fn remove_expiry(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    now_ms: u64,
) -> Result<bool, storage::Error> {
    let slot = txn.slot(db, key, now_ms)?;
    if slot.expires_ms().is_none() {
        return Ok(false);
    }
    txn.set_expiry(&slot, key, None)?;
    txn.touched(db, key, 1, Some((Class::Generic, "persist")));
    Ok(true)
}

/// TTL key
pub fn ttl(call: &mut Call) -> Outcome {
    tell(call, true, true)
}

/// PTTL key
pub fn pttl(call: &mut Call) -> Outcome {
    tell(call, true, false)
}

/// EXPIRETIME key
pub fn expiretime(call: &mut Call) -> Outcome {
    tell(call, false, true)
}

/// PEXPIRETIME key
pub fn pexpiretime(call: &mut Call) -> Outcome {
    tell(call, false, false)
}

fn tell(call: &mut Call, relative: bool, in_seconds: bool) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let entry = call.keyspace.lookup(db, key, now_ms, Look::ASK)?;
    let answer = match entry.map(|entry| entry.header.expires_ms) {
        None => -2,
        Some(None) => -1,
        Some(Some(expires_ms)) => {
            let ms = if relative {
                expires_ms.saturating_sub(now_ms)
            } else {
                expires_ms
            };
            if in_seconds {
                (ms.saturating_add(500) / 1000) as i64
            } else {
                ms as i64
            }
        }
    };
    call.out.int(answer);
    Ok(())
}
