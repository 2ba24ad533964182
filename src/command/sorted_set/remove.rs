//! ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::{bounds, limits, slot};
use crate::command::argument::integer;
use crate::command::{Call, Failure, Outcome};
use crate::keyspace::change::Class;
use crate::keyspace::sorted_set::draft::plan;
use crate::keyspace::sorted_set::{Draft, LexRange, ScoreRange, Span};
use crate::storage::Plan;

/// ZREM key member [member ...]
pub fn zrem(call: &mut Call) -> Outcome {
    let (db, key, now_ms, limits) = (call.client.db, call.args[1], call.now_ms, limits(call));
    let wanted = &call.args[2..];
    let removed = call.keyspace.write(plan(wanted.len()), |txn| {
        let (slot, members) = slot(txn, db, key, now_ms)?;
        let Some(members) = members else {
            return Ok(0);
        };
        let mut draft = Draft::of(slot, key, members, limits);
        let mut removed = 0;
        for member in wanted {
            if let Some(score) = draft.score(txn, member)? {
                draft.remove(txn, member, score)?;
                removed += 1;
                if draft.len(txn.keyspace()) == 0 {
                    break;
                }
            }
        }
        if removed > 0 {
            let stays = draft.finish(txn)?;
            txn.touched(db, key, removed, Some((Class::SortedSet, "zrem")));
            if !stays {
                txn.event(db, key, Class::Generic, "del");
            }
        }
        Ok::<_, Failure>(removed)
    })?;
    call.out.int(removed as i64);
    Ok(())
}

/// What ZREMRANGEBY.. removes.
#[derive(Clone, Copy, Debug)]
enum Doomed<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

/// ZREMRANGEBYRANK key start stop
pub fn zremrangebyrank(call: &mut Call) -> Outcome {
    let doomed = Doomed::Ranks(integer(call.args[2])?, integer(call.args[3])?);
    remove_range(call, doomed, "zremrangebyrank")
}

/// ZREMRANGEBYSCORE key min max
pub fn zremrangebyscore(call: &mut Call) -> Outcome {
    let doomed = Doomed::Scores(bounds::scores(call.args[2], call.args[3])?);
    remove_range(call, doomed, "zremrangebyscore")
}

/// ZREMRANGEBYLEX key min max
pub fn zremrangebylex(call: &mut Call) -> Outcome {
    let doomed = Doomed::Members(bounds::members(call.args[2], call.args[3])?);
    remove_range(call, doomed, "zremrangebylex")
}

fn remove_range(call: &mut Call, doomed: Doomed<'_>, event: &'static str) -> Outcome {
    let (db, key, now_ms, limits) = (call.client.db, call.args[1], call.now_ms, limits(call));
    let removed = call.keyspace.write(Plan::Savepoint, |txn| {
        let (slot, members) = slot(txn, db, key, now_ms)?;
        let (Some(members), Some(header)) = (members, slot.header()) else {
            return Ok(0);
        };
        let engine = &mut txn.keyspace().engine;
        let span = match &doomed {
            Doomed::Ranks(start, stop) => Span::of_indexes(*start, *stop, members.len(engine)),
            Doomed::Scores(range) => members.span_of_scores(engine, range)?,
            Doomed::Members(range) => members.span_of_lex(engine, range, header.encoding)?,
        };
        if span.is_empty() {
            return Ok(0);
        }
        let mut draft = Draft::of(slot, key, members, limits);
        draft.remove_span(txn, span)?;
        let stays = draft.finish(txn)?;
        txn.touched(db, key, span.len(), Some((Class::SortedSet, event)));
        if !stays {
            txn.event(db, key, Class::Generic, "del");
        }
        Ok::<_, Failure>(span.len())
    })?;
    call.out.int(removed as i64);
    Ok(())
}
