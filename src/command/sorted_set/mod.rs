//! Sorted sets: looking one up to read or to change it, and what is asked of members: ZCARD, ZSCORE, ZMSCORE, ZRANK,
//! ZREVRANK, ZCOUNT, ZLEXCOUNT.

pub mod add;
pub mod algebra;
pub mod bounds;
pub mod operands;
pub mod pop;
pub mod random;
pub mod range;
pub mod remove;
pub mod scan;

use super::argument::is_word;
use super::{Call, Failure, Outcome, errors, settings};
use crate::keyspace::double;
use crate::keyspace::header::Header;
use crate::keyspace::sorted_set::{Limits, Members};
use crate::keyspace::{Look, Slot, Txn};
use crate::storage::TOGETHER_MAX;

/// `zset-max-listpack-entries` and `zset-max-listpack-value`.
pub fn limits(call: &Call<'_>) -> Limits {
    settings::sorted_set_limits(call.server)
}

/// The sorted set at `key`, to be read; None: the key is not there.
pub fn lookup(call: &mut Call<'_>, key: &[u8]) -> Result<Option<(Header, Members)>, Failure> {
    let found = call
        .keyspace
        .sorted_set(call.client.db, key, call.now_ms, Look::READ)?;
    match found {
        None => Ok(None),
        Some((header, Some(members))) => Ok(Some((header, members))),
        Some((_, None)) => Err(errors::WRONG_TYPE.into()),
    }
}

/// What stands at `key` before it is changed, and the members if it is there.
pub fn slot(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    now_ms: u64,
) -> Result<(Slot, Option<Members>), Failure> {
    let (slot, members) = txn.sorted_set(db, key, now_ms)?;
    if slot.exists() && members.is_none() {
        return Err(errors::WRONG_TYPE.into());
    }
    Ok((slot, members))
}

fn reply_score(call: &mut Call<'_>, score: Option<f64>) {
    match score {
        Some(score) => call.out.double(double::print(score).as_str()),
        None => call.out.null(),
    }
}

/// ZCARD key
pub fn zcard(call: &mut Call) -> Outcome {
    let found = lookup(call, call.args[1])?;
    let len = found.map_or(0, |(_, members)| members.len(&call.keyspace.engine));
    call.out.int(len as i64);
    Ok(())
}

/// ZSCORE key member
pub fn zscore(call: &mut Call) -> Outcome {
    let score = match lookup(call, call.args[1])? {
        Some((_, members)) => members.score(&mut call.keyspace.engine, call.args[2])?,
        None => None,
    };
    reply_score(call, score);
    Ok(())
}

/// ZMSCORE key member [member ...]
pub fn zmscore(call: &mut Call) -> Outcome {
    let found = lookup(call, call.args[1])?;
    let wanted = &call.args[2..];
    call.out.array(wanted.len());
    for together in wanted.chunks(TOGETHER_MAX) {
        if let Some((_, Members::Large { by_member, .. })) = &found {
            call.keyspace.engine.look_ahead(*by_member, together);
        }
        for member in together {
            let score = match &found {
                Some((_, members)) => members.score(&mut call.keyspace.engine, member)?,
                None => None,
            };
            reply_score(call, score);
        }
    }
    Ok(())
}

/// ZRANK key member [WITHSCORE]
pub fn zrank(call: &mut Call) -> Outcome {
    rank(call, "zrank", false)
}

/// ZREVRANK key member [WITHSCORE]
pub fn zrevrank(call: &mut Call) -> Outcome {
    rank(call, "zrevrank", true)
}

fn rank(call: &mut Call, name: &str, from_end: bool) -> Outcome {
    let with_score = match &call.args[3..] {
        [] => false,
        [word] if is_word(word, "WITHSCORE") => true,
        [_] => return Err(errors::SYNTAX.into()),
        _ => return Err(errors::wrong_number(name).into()),
    };
    let member = call.args[2];
    let found = lookup(call, call.args[1])?;
    let engine = &mut call.keyspace.engine;
    let mut place = None;
    if let Some((_, members)) = found
        && let Some(score) = members.score(engine, member)?
    {
        let rank = members.rank(engine, score, member)?;
        let rank = if from_end {
            members.len(engine) - 1 - rank
        } else {
            rank
        };
        place = Some((rank, score));
    }
    match place {
        Some((rank, score)) => {
            if with_score {
                call.out.array(2);
            }
            call.out.int(rank as i64);
            if with_score {
                reply_score(call, Some(score));
            }
        }
        None if with_score => call.out.null_array(),
        None => call.out.null(),
    }
    Ok(())
}

/// ZCOUNT key min max
pub fn zcount(call: &mut Call) -> Outcome {
    let range = bounds::scores(call.args[2], call.args[3])?;
    let span = match lookup(call, call.args[1])? {
        Some((_, members)) => members.span_of_scores(&mut call.keyspace.engine, &range)?,
        None => Default::default(),
    };
    call.out.int(span.len() as i64);
    Ok(())
}

/// ZLEXCOUNT key min max
pub fn zlexcount(call: &mut Call) -> Outcome {
    let range = bounds::members(call.args[2], call.args[3])?;
    let span = match lookup(call, call.args[1])? {
        Some((header, members)) => {
            members.span_of_lex(&mut call.keyspace.engine, &range, header.encoding)?
        }
        None => Default::default(),
    };
    call.out.int(span.len() as i64);
    Ok(())
}
