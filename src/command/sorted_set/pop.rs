//! ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait: BZPOPMIN, BZPOPMAX, BZMPOP.

use super::{limits, slot};
use crate::command::argument::{PopOfKeys, deadline_of_seconds, is_word, not_negative};
use crate::command::blocking::Awaits;
use crate::command::{Call, Failure, Outcome, errors};
use crate::keyspace::change::Class;
use crate::keyspace::sorted_set::draft::plan;
use crate::keyspace::sorted_set::stream::Shown;
use crate::keyspace::sorted_set::{Draft, Span};
use crate::resp::{ErrorReply, Reply};

/// Which end is popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

/// How popped members are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Members and scores in turn.
    Flat,
    /// Each member and its score in an array.
    Nested,
    /// The key, then members and scores in turn.
    KeyAndFlat,
    /// The key, then an array of nested ones.
    KeyAndNested,
}

impl Form {
    fn header(self, out: &mut Reply, key: &[u8], count: u64) {
        let count = count as usize;
        match self {
            Self::Flat => out.array(count * 2),
            Self::Nested => out.array(count),
            Self::KeyAndFlat => {
                out.array(count * 2 + 1);
                out.bulk(key);
            }
            Self::KeyAndNested => {
                out.array(2);
                out.bulk(key);
                out.array(count);
            }
        }
    }

    fn is_nested(self) -> bool {
        matches!(self, Self::Nested | Self::KeyAndNested)
    }
}

/// ZPOPMIN key [count]
pub fn zpopmin(call: &mut Call) -> Outcome {
    pop_one_key(call, End::Min)
}

/// ZPOPMAX key [count]
pub fn zpopmax(call: &mut Call) -> Outcome {
    pop_one_key(call, End::Max)
}

fn pop_one_key(call: &mut Call, end: End) -> Outcome {
    let count = match &call.args[2..] {
        [] => None,
        [count] => Some(not_negative(count, errors::NOT_POSITIVE)?),
        _ => return Err(errors::SYNTAX.into()),
    };
    let form = if count.is_some() && call.out.is_resp3() {
        Form::Nested
    } else {
        Form::Flat
    };
    let popped = pop(call, call.args[1], end, count.unwrap_or(1), form)?;
    if popped.is_none() {
        call.out.array(0);
    }
    Ok(())
}

/// Pops up to `count` members and replies with them. Returns how many; None, without a reply: there are none, or none
/// are wanted.
fn pop(
    call: &mut Call<'_>,
    key: &[u8],
    end: End,
    count: u64,
    form: Form,
) -> Result<Option<u64>, Failure> {
    let (db, now_ms, limits) = (call.client.db, call.now_ms, limits(call));
    let out = &mut *call.out;
    let plan = plan(usize::try_from(count).unwrap_or(usize::MAX));
    call.keyspace.write(plan, |txn| {
        let (slot, members) = slot(txn, db, key, now_ms)?;
        let Some(members) = members.filter(|_| count > 0) else {
            return Ok(None);
        };
        let engine = &mut txn.keyspace().engine;
        let len = members.len(engine);
        let count = count.min(len);
        let span = match end {
            End::Min => Span::new(0, count),
            End::Max => Span::new(len - count, len),
        };
        form.header(out, key, count);
        let shown = Shown {
            scores: true,
            resp3: out.is_resp3(),
        };
        let mut show = |member: &[u8], score| {
            if form.is_nested() {
                out.array(2);
            }
            shown.push_flat(out.buffer_mut(), member, score);
        };
        let popped = match count {
            1 => members.edge(engine, end == End::Max)?,
            _ => None,
        };
        match &popped {
            Some((member, score)) => show(member, *score),
            None => members.visit_span(engine, span, end == End::Max, &mut show)?,
        }
        let mut draft = Draft::of(slot, key, members, limits);
        match popped {
            Some((member, score)) => draft.remove(txn, &member, score)?,
            None => draft.remove_span(txn, span)?,
        }
        let stays = draft.finish(txn)?;
        let name = match end {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        };
        txn.touched(db, key, count, Some((Class::SortedSet, name)));
        if !stays {
            txn.event(db, key, Class::Generic, "del");
        }
        Ok(Some(count))
    })
}

/// Pops from the first key that has members. False, without a reply: none has.
fn pop_first(
    call: &mut Call<'_>,
    keys: &[&[u8]],
    end: End,
    count: u64,
    form: Form,
) -> Result<bool, Failure> {
    for key in keys {
        let popped = pop(call, key, end, count, form)?;
        if let Some(popped) = popped {
            let name: &[u8] = match end {
                End::Min => b"ZPOPMIN",
                End::Max => b"ZPOPMAX",
            };
            if form == Form::KeyAndFlat {
                call.does(&[name, key]);
            } else {
                call.does(&[name, key, popped.to_string().as_bytes()]);
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// BZPOPMIN key [key ...] timeout
pub fn bzpopmin(call: &mut Call) -> Outcome {
    pop_or_wait(call, End::Min)
}

/// BZPOPMAX key [key ...] timeout
pub fn bzpopmax(call: &mut Call) -> Outcome {
    pop_or_wait(call, End::Max)
}

fn pop_or_wait(call: &mut Call, end: End) -> Outcome {
    let args = call.args;
    let (timeout, keys) = args[1..].split_last().expect("the arity asks for both");
    let until_ms = deadline_of_seconds(timeout, call.now_ms)?;
    if !pop_first(call, keys, end, 1, Form::KeyAndFlat)?
        && !call.block_on_keys(keys, Awaits::SortedSet, until_ms)
    {
        call.out.null_array();
    }
    Ok(())
}

/// MIN or MAX.
fn end(word: &[u8]) -> Result<End, ErrorReply> {
    if is_word(word, "MIN") {
        Ok(End::Min)
    } else if is_word(word, "MAX") {
        Ok(End::Max)
    } else {
        Err(errors::SYNTAX)
    }
}

/// ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]
pub fn zmpop(call: &mut Call) -> Outcome {
    let args = call.args;
    let asked = PopOfKeys::parse(&args[1..], end)?;
    if !pop_first(call, asked.keys, asked.end, asked.count, Form::KeyAndNested)? {
        call.out.null_array();
    }
    Ok(())
}

/// BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]
pub fn bzmpop(call: &mut Call) -> Outcome {
    let args = call.args;
    let asked = PopOfKeys::parse(&args[2..], end)?;
    let until_ms = deadline_of_seconds(args[1], call.now_ms)?;
    if !pop_first(call, asked.keys, asked.end, asked.count, Form::KeyAndNested)?
        && !call.block_on_keys(asked.keys, Awaits::SortedSet, until_ms)
    {
        call.out.null_array();
    }
    Ok(())
}
