//! ZRANDMEMBER.

use super::lookup;
use super::range::reply_span;
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors};
use crate::keyspace::sorted_set::picks::{Count, Picks};
use crate::keyspace::sorted_set::stream::Shown;
use crate::keyspace::sorted_set::{Members, Span};

/// What is asked for beside the key.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Negative: members may repeat.
    count: i64,
    with_scores: bool,
}

impl Asked {
    fn parse(words: &[&[u8]]) -> Result<Option<Self>, Failure> {
        let Some((count, rest)) = words.split_first() else {
            return Ok(None);
        };
        let count = integer(count)?;
        if count == i64::MIN {
            return Err(errors::out_of_range_between(-i64::MAX, i64::MAX).into());
        }
        let with_scores = match rest {
            [] => false,
            [word] if is_word(word, "WITHSCORES") => true,
            _ => return Err(errors::SYNTAX.into()),
        };
        if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(errors::OUT_OF_RANGE.into());
        }
        Ok(Some(Self { count, with_scores }))
    }
}

/// ZRANDMEMBER key [count [WITHSCORES]]
pub fn zrandmember(call: &mut Call) -> Outcome {
    let args = call.args;
    let (db, key) = (call.client.db, args[1]);
    let asked = Asked::parse(&args[2..])?;
    let members = lookup(call, key)?.map(|(_, members)| members);
    let Some(asked) = asked else {
        return match members {
            None => {
                call.out.null();
                Ok(())
            }
            Some(members) => reply_one(call, &members),
        };
    };
    let Some(members) = members.filter(|_| asked.count != 0) else {
        call.out.array(0);
        return Ok(());
    };
    let shown = Shown {
        scores: asked.with_scores,
        resp3: call.out.is_resp3(),
    };
    let len = members.len(&call.keyspace.engine);
    if asked.count > 0 && asked.count.unsigned_abs() >= len {
        return reply_span(call, (db, key), &members, Span::new(0, len), true, shown);
    }
    let count = asked.count.unsigned_abs();
    let picked = if asked.count > 0 {
        Count::Different(count)
    } else {
        Count::Draws(count)
    };
    call.out.array(shown.items(count));
    let picks = Picks::new(len, picked, shown, call.keyspace.rng().fork());
    let out = call.out.buffer_mut();
    let stream = call.keyspace.pick_members((db, key), members, picks, out)?;
    if let Some(stream) = stream {
        call.out.stream(Box::new(stream));
    }
    Ok(())
}

fn reply_one(call: &mut Call<'_>, members: &Members) -> Outcome {
    let len = members.len(&call.keyspace.engine);
    let rank = call.keyspace.rng().u64(..len);
    let engine = &mut call.keyspace.engine;
    if let Some((member, _)) = members.at(engine, rank)? {
        call.out.bulk(&member);
    }
    Ok(())
}
