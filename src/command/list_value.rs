//! Lists as values: looking them up, replying with their elements, words that name their ends.

use std::ops::ControlFlow;

use super::argument::is_word;
use super::{Call, Failure, Outcome, errors, settings};
use crate::keyspace::change::Class;
use crate::keyspace::list::{Elements, End, Limits, List};
use crate::keyspace::{Look, Txn};
use crate::resp::{ErrorReply, Reply};

/// Bytes of elements in a reply from which on the rest is sent piece by piece, off the engine lock.
const STREAMED_BYTES: usize = 1 << 20;

/// LEFT or RIGHT.
pub fn end(word: &[u8]) -> Result<End, ErrorReply> {
    if is_word(word, "LEFT") {
        Ok(End::Head)
    } else if is_word(word, "RIGHT") {
        Ok(End::Tail)
    } else {
        Err(errors::SYNTAX)
    }
}

/// The list at `key`, to be read; WRONGTYPE if another kind of value is there.
pub fn elements(call: &mut Call<'_>, key: &[u8], look: Look) -> Result<Elements, Failure> {
    let elements = Elements::open(call.keyspace, call.client.db, key, call.now_ms, look)?;
    elements.ok_or_else(|| errors::WRONG_TYPE.into())
}

/// The list at `key`, to be changed; WRONGTYPE if another kind of value is there.
pub fn list<'k>(
    txn: &mut Txn<'_>,
    db: u32,
    key: &'k [u8],
    now_ms: u64,
    limits: Limits,
) -> Result<List<'k>, Failure> {
    List::open(txn, db, key, now_ms, limits)?.ok_or_else(|| errors::WRONG_TYPE.into())
}

/// What decides how lists are named.
pub fn limits(call: &Call<'_>) -> Limits {
    settings::list_limits(call.server)
}

/// Tells of a list from which `count` elements were taken, and is over if none is left.
pub fn tell_removed(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    list: &List<'_>,
    count: u64,
    event: &'static str,
) {
    txn.touched(db, key, count, Some((Class::List, event)));
    if list.is_empty() {
        txn.event(db, key, Class::Generic, "del");
    }
}

/// The event of a pop.
pub fn pop_event(end: End) -> &'static str {
    match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    }
}

/// The event of a push.
pub fn push_event(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}

/// Whether a reply names the key that its elements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Yes,
    No,
}

impl Named {
    /// Begins a reply with elements of the list at `key`.
    pub fn write(self, out: &mut Reply, key: &[u8]) {
        if self == Self::Yes {
            out.array(2);
            out.bulk(key);
        }
    }
}

/// Elements of a list to reply with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the first.
    pub first: u64,
    pub backward: bool,
    /// How many, all of which are there.
    pub count: u64,
}

/// Replies with an array of a part of the list at `key`.
pub fn reply_part(call: &mut Call<'_>, key: &[u8], elements: &Elements, part: Part) -> Outcome {
    let (keyspace, out) = (&mut *call.keyspace, &mut *call.out);
    out.array(part.count as usize);
    if part.count == 0 {
        return Ok(());
    }
    // A snapshot does not show what an open transaction has changed.
    let streams = !keyspace.in_transaction();
    let begin = out.bytes().len();
    let mut left = part.count;
    let last = elements.visit(keyspace, part.first, part.backward, &mut |bytes| {
        out.bulk(bytes);
        left -= 1;
        if left == 0 || (streams && out.bytes().len() - begin > STREAMED_BYTES) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    if left > 0 {
        let db = call.client.db;
        let stream = keyspace.stream_list(db, key, last, part.backward, left);
        out.stream(Box::new(stream));
    }
    Ok(())
}

/// The first and the last of the elements that two indexes name, which count from the end if they are negative. None:
/// there are none.
pub fn range(start: i64, stop: i64, len: u64) -> Option<(u64, u64)> {
    let len = len as i64;
    let absolute = |index: i64| if index < 0 { len + index } else { index };
    let (start, stop) = (absolute(start).max(0), absolute(stop).min(len - 1));
    (start <= stop).then_some((start as u64, stop as u64))
}
