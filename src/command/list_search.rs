//! Elements of lists by what they are: LPOS, LREM, LINSERT.

use std::ops::ControlFlow;

use super::argument::{integer_within, is_word, not_negative};
use super::list_value::{elements, limits, list, tell_removed};
use super::{Call, Failure, Outcome, errors};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::list::{End, Side};
use crate::resp::ErrorReply;
use crate::storage::Plan;

const RANK_ZERO: ErrorReply = ErrorReply::new(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
     from the end of the list",
);
const COUNT_NEGATIVE: ErrorReply = ErrorReply::new("ERR COUNT can't be negative");
const MAXLEN_NEGATIVE: ErrorReply = ErrorReply::new("ERR MAXLEN can't be negative");

/// What LPOS is asked for.
struct Search {
    /// The first match that counts, from 1.
    rank: u64,
    backward: bool,
    /// How many matches are wanted; None: one, without an array.
    count: Option<u64>,
    /// How many elements are looked at.
    len_max: u64,
}

impl Search {
    fn parse(mut words: &[&[u8]]) -> Result<Self, ErrorReply> {
        let mut search = Self {
            rank: 1,
            backward: false,
            count: None,
            len_max: u64::MAX,
        };
        while let [option, rest @ ..] = words {
            let [number, rest @ ..] = rest else {
                return Err(errors::SYNTAX);
            };
            words = rest;
            if is_word(option, "RANK") {
                let rank = integer_within(number, -i64::MAX..=i64::MAX)?;
                if rank == 0 {
                    return Err(RANK_ZERO);
                }
                search.rank = rank.unsigned_abs();
                search.backward = rank < 0;
            } else if is_word(option, "COUNT") {
                search.count = Some(not_negative(number, COUNT_NEGATIVE)?);
            } else if is_word(option, "MAXLEN") {
                let len = not_negative(number, MAXLEN_NEGATIVE)?;
                search.len_max = if len == 0 { u64::MAX } else { len };
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(search)
    }

    fn matches_wanted(&self) -> u64 {
        match self.count {
            None => 1,
            Some(0) => u64::MAX,
            Some(count) => count,
        }
    }
}

/// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
pub fn lpos(call: &mut Call<'_>) -> Outcome {
    let (key, element) = (call.args[1], call.args[2]);
    let search = Search::parse(&call.args[3..])?;
    let elements = elements(call, key, Look::READ)?;
    let len = elements.len();
    let (mut looked_at, mut matches, mut found) = (0, 0, Vec::new());
    let wanted = search.matches_wanted();
    let first = if search.backward {
        len.saturating_sub(1)
    } else {
        0
    };
    elements.visit(call.keyspace, first, search.backward, &mut |bytes| {
        let index = if search.backward {
            len - 1 - looked_at
        } else {
            looked_at
        };
        looked_at += 1;
        if bytes == element {
            matches += 1;
            if matches >= search.rank {
                found.push(index);
            }
        }
        if found.len() as u64 == wanted || looked_at == search.len_max {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    elements.close(call.keyspace);
    if search.count.is_some() {
        call.out.array(found.len());
        found.iter().for_each(|index| call.out.int(*index as i64));
        return Ok(());
    }
    match found.first() {
        Some(index) => call.out.int(*index as i64),
        None => call.out.null(),
    }
    Ok(())
}

/// LREM key count element
pub fn lrem(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let (count, element) = (
        integer_within(call.args[2], -i64::MAX..=i64::MAX)?,
        call.args[3],
    );
    let (from, most) = match count {
        ..0 => (End::Tail, count.unsigned_abs()),
        0 => (End::Head, u64::MAX),
        _ => (End::Head, count as u64),
    };
    let limits = limits(call);
    let removed = call.keyspace.write(Plan::Savepoint, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        let removed = list.remove(txn, element, from, most)?;
        if removed > 0 {
            tell_removed(txn, db, key, &list, removed, "lrem");
        }
        list.close(txn);
        Ok::<_, Failure>(removed)
    })?;
    call.out.int(removed as i64);
    Ok(())
}

/// LINSERT key <BEFORE | AFTER> pivot element
pub fn linsert(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let side = match call.args[2] {
        word if is_word(word, "AFTER") => Side::After,
        word if is_word(word, "BEFORE") => Side::Before,
        _ => return Err(errors::SYNTAX.into()),
    };
    let (pivot, element) = (call.args[3], call.args[4]);
    let limits = limits(call);
    let len = call.keyspace.write(Plan::Simple, |txn| {
        let mut list = list(txn, db, key, now_ms, limits)?;
        if list.is_empty() {
            return Ok(0);
        }
        if !list.insert(txn, pivot, side, element)? {
            return Ok(-1);
        }
        txn.touched(db, key, 1, Some((Class::List, "linsert")));
        let len = list.len();
        list.close(txn);
        Ok::<_, Failure>(len as i64)
    })?;
    call.out.int(len);
    Ok(())
}
