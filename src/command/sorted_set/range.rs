//! ZRANGE and its older kin: ZREVRANGE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZRANGEBYLEX, ZREVRANGEBYLEX; ZRANGESTORE.

use super::{bounds, limits, lookup};
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors};
use crate::keyspace::change::Class;
use crate::keyspace::header::Encoding;
use crate::keyspace::sorted_set::stream::Shown;
use crate::keyspace::sorted_set::{Draft, LexRange, Members, ScoreRange, Span};
use crate::resp::ErrorReply;
use crate::storage::{Engine, Error, Plan};

/// By what members are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What a command of this family fixes; None: options say it.
#[derive(Clone, Copy, Debug)]
struct Family {
    by: Option<By>,
    downwards: Option<bool>,
    stores: bool,
}

/// The members chosen by two ends.
#[derive(Clone, Copy, Debug)]
enum Ends<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    ends: Ends<'a>,
    downwards: bool,
    with_scores: bool,
    offset: i64,
    /// Negative: all.
    limit: i64,
}

impl<'a> Asked<'a> {
    /// Reads the ends and the options behind them.
    fn parse(words: &[&'a [u8]], family: Family) -> Result<Self, ErrorReply> {
        let (mut by, mut downwards) = (family.by, family.downwards);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut options = &words[2..];
        while let Some((word, rest)) = options.split_first() {
            options = rest;
            if !family.stores && is_word(word, "WITHSCORES") {
                with_scores = true;
            } else if is_word(word, "LIMIT") && rest.len() >= 2 {
                (offset, limit) = (integer(rest[0])?, integer(rest[1])?);
                options = &rest[2..];
            } else if downwards.is_none() && is_word(word, "REV") {
                downwards = Some(true);
            } else if by.is_none() && is_word(word, "BYLEX") {
                by = Some(By::Member);
            } else if by.is_none() && is_word(word, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(errors::SYNTAX);
            }
        }
        let (by, downwards) = (by.unwrap_or(By::Rank), downwards.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(errors::LIMIT_WITHOUT_BY);
        }
        if with_scores && by == By::Member {
            return Err(errors::WITHSCORES_BYLEX);
        }
        let (first, second) = (words[0], words[1]);
        let (min, max) = if downwards {
            (second, first)
        } else {
            (first, second)
        };
        let ends = match by {
            By::Rank => Ends::Ranks(integer(first)?, integer(second)?),
            By::Score => Ends::Scores(bounds::scores(min, max)?),
            By::Member => Ends::Members(bounds::members(min, max)?),
        };
        Ok(Self {
            ends,
            downwards,
            with_scores,
            offset,
            limit,
        })
    }

    /// Which members are meant.
    fn choose(
        &self,
        engine: &mut Engine,
        members: &Members,
        encoding: Encoding,
    ) -> Result<Chosen, Error> {
        let span = match &self.ends {
            Ends::Ranks(start, stop) => {
                let len = members.len(engine);
                let span = Span::of_indexes(*start, *stop, len);
                return Ok(Chosen::Span(if self.downwards {
                    Span::new(len - span.end, len - span.start)
                } else {
                    span
                }));
            }
            Ends::Members(range) if encoding == Encoding::Packed => {
                let all = members.all(engine)?;
                return Ok(Chosen::List(self.walk(&all, range)));
            }
            Ends::Members(range) => members.span_of_lex(engine, range, encoding)?,
            Ends::Scores(range) => members.span_of_scores(engine, range)?,
        };
        Ok(Chosen::Span(self.cut(span, encoding)))
    }

    /// What LIMIT leaves of the ranks in the range.
    fn cut(&self, span: Span, encoding: Encoding) -> Span {
        let skipped = match u64::try_from(self.offset) {
            Ok(skipped) => skipped,
            Err(_) if encoding == Encoding::Packed => return Span::default(),
            // What is called a skiplist counts from the other end of the range, and goes on from there.
            Err(_) => match span.len().checked_sub(self.offset.unsigned_abs()) {
                Some(skipped) if !span.is_empty() => skipped,
                _ => return Span::default(),
            },
        };
        let len = span.len().saturating_sub(skipped);
        let len = u64::try_from(self.limit).map_or(len, |limit| limit.min(len));
        if self.downwards {
            let end = span.end.saturating_sub(skipped);
            Span::new(end.saturating_sub(len), end)
        } else {
            let start = span.start.saturating_add(skipped);
            Span::new(start, start.saturating_add(len))
        }
    }

    /// Goes through members that may have different scores as Redis does: from the first that fits, so many further,
    /// then up to the first that does not.
    fn walk(&self, all: &[(Vec<u8>, f64)], range: &LexRange<'_>) -> Vec<(Vec<u8>, f64)> {
        let Ok(skipped) = usize::try_from(self.offset) else {
            return Vec::new();
        };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let chosen: Vec<&(Vec<u8>, f64)> = if self.downwards {
            let from = range.last_of(all).and_then(|at| at.checked_sub(skipped));
            from.map_or(&[][..], |from| &all[..=from])
                .iter()
                .rev()
                .take_while(|(member, _)| range.reaches_down_to(member))
                .take(limit)
                .collect()
        } else {
            let from = range.first_of(all).and_then(|at| at.checked_add(skipped));
            from.and_then(|from| all.get(from..))
                .unwrap_or_default()
                .iter()
                .take_while(|(member, _)| range.reaches_up_to(member))
                .take(limit)
                .collect()
        };
        chosen.into_iter().cloned().collect()
    }
}

/// Members that were chosen.
enum Chosen {
    Span(Span),
    /// In the order in which they are told.
    List(Vec<(Vec<u8>, f64)>),
}

/// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
pub fn zrange(call: &mut Call) -> Outcome {
    reply_range(call, None, None)
}

/// ZREVRANGE key start stop [WITHSCORES]
pub fn zrevrange(call: &mut Call) -> Outcome {
    reply_range(call, Some(By::Rank), Some(true))
}

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub fn zrangebyscore(call: &mut Call) -> Outcome {
    reply_range(call, Some(By::Score), Some(false))
}

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub fn zrevrangebyscore(call: &mut Call) -> Outcome {
    reply_range(call, Some(By::Score), Some(true))
}

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub fn zrangebylex(call: &mut Call) -> Outcome {
    reply_range(call, Some(By::Member), Some(false))
}

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub fn zrevrangebylex(call: &mut Call) -> Outcome {
    reply_range(call, Some(By::Member), Some(true))
}

fn reply_range(call: &mut Call, by: Option<By>, downwards: Option<bool>) -> Outcome {
    let family = Family {
        by,
        downwards,
        stores: false,
    };
    let args = call.args;
    let asked = Asked::parse(&args[2..], family)?;
    let (db, key) = (call.client.db, args[1]);
    let Some((header, members)) = lookup(call, key)? else {
        call.out.array(0);
        return Ok(());
    };
    let shown = Shown {
        scores: asked.with_scores,
        resp3: call.out.is_resp3(),
    };
    let engine = &mut call.keyspace.engine;
    match asked.choose(engine, &members, header.encoding)? {
        Chosen::List(list) => {
            call.out.array(shown.items(list.len() as u64));
            for (member, score) in &list {
                shown.push(call.out.buffer_mut(), member, *score);
            }
        }
        Chosen::Span(span) => reply_span(call, (db, key), &members, span, asked.downwards, shown)?,
    }
    Ok(())
}

/// Replies with the members that have these ranks.
pub fn reply_span(
    call: &mut Call<'_>,
    place: (u32, &[u8]),
    members: &Members,
    span: Span,
    downwards: bool,
    shown: Shown,
) -> Outcome {
    call.out.array(shown.items(span.len()));
    let stream = call
        .keyspace
        .stream_members(place, members, span, downwards, shown);
    if let Some(stream) = stream {
        call.out.stream(Box::new(stream));
        return Ok(());
    }
    let out = call.out.buffer_mut();
    let engine = &mut call.keyspace.engine;
    members.visit_span(engine, span, downwards, &mut |member, score| {
        shown.push(out, member, score);
    })?;
    Ok(())
}

/// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]
pub fn zrangestore(call: &mut Call) -> Outcome {
    let family = Family {
        by: None,
        downwards: None,
        stores: true,
    };
    let args = call.args;
    let asked = Asked::parse(&args[3..], family)?;
    let mut chosen = Vec::new();
    if let Some((header, members)) = lookup(call, args[2])? {
        let engine = &mut call.keyspace.engine;
        match asked.choose(engine, &members, header.encoding)? {
            Chosen::List(list) => chosen = list,
            Chosen::Span(span) => {
                let downwards = asked.downwards;
                members.visit_span(engine, span, downwards, &mut |member, score| {
                    chosen.push((member.to_vec(), score));
                })?;
            }
        }
    }
    let limits = limits(call);
    let expected = match asked.ends {
        Ends::Ranks(..) => chosen.len() as u64,
        Ends::Scores(_) | Ends::Members(_) => 0,
    };
    store(
        call,
        args[1],
        &chosen,
        limits.encoding(expected, 0),
        Told::once("zrangestore"),
    )
}

/// What is told of a set that was stored.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub event: &'static str,
    /// How many changes it counts for.
    pub dirty: u64,
}

impl Told {
    /// It counts for one change.
    pub fn once(event: &'static str) -> Self {
        Self { event, dirty: 1 }
    }
}

/// Puts members at `key` instead of what is there and replies with how many there are; none leave no key.
pub fn store(
    call: &mut Call<'_>,
    key: &[u8],
    members: &[(Vec<u8>, f64)],
    encoding: Encoding,
    told: Told,
) -> Outcome {
    let (db, now_ms, limits) = (call.client.db, call.now_ms, limits(call));
    call.keyspace.write(Plan::Savepoint, |txn| {
        if members.is_empty() {
            txn.put_nothing(db, key, now_ms)?;
            return Ok(());
        }
        let slot = txn.slot(db, key, now_ms)?;
        let mut draft = Draft::new(slot, key, encoding, limits);
        for (member, score) in members {
            draft.set(txn, member, None, *score)?;
        }
        draft.finish(txn)?;
        txn.touched(db, key, told.dirty, Some((Class::SortedSet, told.event)));
        Ok::<_, Failure>(())
    })?;
    call.out.int(members.len() as i64);
    Ok(())
}
