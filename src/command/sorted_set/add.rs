//! ZADD, ZINCRBY.

use smallvec::SmallVec;

use super::{limits, reply_score, slot};
use crate::command::argument::is_word;
use crate::command::{Call, Failure, Outcome, errors};
use crate::keyspace::Txn;
use crate::keyspace::change::Class;
use crate::keyspace::double;
use crate::keyspace::sorted_set::Draft;
use crate::keyspace::sorted_set::draft::plan;
use crate::resp::ErrorReply;

/// The options of ZADD.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub only_new: bool,
    pub only_existing: bool,
    only_greater: bool,
    only_less: bool,
    pub counts_changed: bool,
    increments: bool,
}

impl Options {
    /// Takes the options off the front of `words`.
    fn take(words: &mut &[&[u8]]) -> Self {
        let mut options = Self::default();
        while let Some((word, rest)) = words.split_first() {
            let option = match () {
                () if is_word(word, "NX") => &mut options.only_new,
                () if is_word(word, "XX") => &mut options.only_existing,
                () if is_word(word, "GT") => &mut options.only_greater,
                () if is_word(word, "LT") => &mut options.only_less,
                () if is_word(word, "CH") => &mut options.counts_changed,
                () if is_word(word, "INCR") => &mut options.increments,
                () => break,
            };
            *option = true;
            *words = rest;
        }
        options
    }

    fn check(self, pairs: usize) -> Result<(), ErrorReply> {
        let Self {
            only_new,
            only_greater,
            only_less,
            ..
        } = self;
        if only_new && self.only_existing {
            return Err(errors::ZADD_NX_XX);
        }
        if (only_new && (only_greater || only_less)) || (only_greater && only_less) {
            return Err(errors::ZADD_GT_LT_NX);
        }
        if self.increments && pairs > 1 {
            return Err(errors::ZADD_INCR_PAIRS);
        }
        Ok(())
    }

    /// The score that a member gets which has `old`; None: it stays as it is.
    fn score(self, old: Option<f64>, given: f64) -> Result<Option<f64>, ErrorReply> {
        let Some(old) = old else {
            return Ok((!self.only_existing).then_some(given));
        };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increments { old + given } else { given };
        if score.is_nan() {
            return Err(errors::SCORE_NAN);
        }
        let refused = (self.only_less && score >= old) || (self.only_greater && score <= old);
        Ok((!refused).then_some(score))
    }
}

/// What became of the pairs.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    added: u64,
    updated: u64,
    /// The score of the last member that was not refused.
    score: Option<f64>,
}

/// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]
pub fn zadd(call: &mut Call) -> Outcome {
    let mut words = &call.args[2..];
    let options = Options::take(&mut words);
    add_words(call, options, words)
}

/// ZINCRBY key increment member
pub fn zincrby(call: &mut Call) -> Outcome {
    let mut words = &call.args[2..];
    // An increment that is a word of ZADD is taken for that, and then a score is missing.
    let options = Options {
        increments: true,
        ..Options::take(&mut words)
    };
    add_words(call, options, words)
}

fn add_words(call: &mut Call, options: Options, words: &[&[u8]]) -> Outcome {
    let (pairs, odd) = words.as_chunks::<2>();
    if pairs.is_empty() || !odd.is_empty() {
        return Err(errors::SYNTAX.into());
    }
    options.check(pairs.len())?;
    let mut scored = SmallVec::<[(f64, &[u8]); 4]>::new();
    for [score, member] in pairs {
        scored.push((double::parse(score).ok_or(errors::NOT_A_FLOAT)?, *member));
    }
    add(call, options, &scored)
}

/// Adds members with their scores, at least one, and replies.
pub fn add(call: &mut Call, options: Options, scored: &[(f64, &[u8])]) -> Outcome {
    let (db, key, now_ms, limits) = (call.client.db, call.args[1], call.now_ms, limits(call));
    let done = call.keyspace.write(plan(scored.len()), |txn| {
        let (slot, members) = slot(txn, db, key, now_ms)?;
        let mut draft = match members {
            Some(members) => {
                let mut draft = Draft::of(slot, key, members, limits);
                draft.expect(txn, scored.len() as u64)?;
                draft
            }
            None if options.only_existing => return Ok(Done::default()),
            None => {
                let encoding = limits.encoding(scored.len() as u64, scored[0].1.len() as u64);
                Draft::new(slot, key, encoding, limits)
            }
        };
        let done = add_pairs(txn, &mut draft, options, scored)?;
        draft.finish(txn)?;
        if done.added + done.updated > 0 {
            let name = if options.increments { "zincr" } else { "zadd" };
            txn.touched(
                db,
                key,
                done.added + done.updated,
                Some((Class::SortedSet, name)),
            );
        }
        Ok::<_, Failure>(done)
    })?;
    if options.increments {
        reply_score(call, done.score);
    } else if options.counts_changed {
        call.out.int((done.added + done.updated) as i64);
    } else {
        call.out.int(done.added as i64);
    }
    Ok(())
}

fn add_pairs(
    txn: &mut Txn<'_>,
    draft: &mut Draft<'_>,
    options: Options,
    scored: &[(f64, &[u8])],
) -> Result<Done, Failure> {
    let mut done = Done::default();
    for (given, member) in scored {
        let old = draft.score(txn, member)?;
        let Some(score) = options.score(old, *given)? else {
            continue;
        };
        done.score = Some(score);
        if old == Some(score) {
            continue;
        }
        draft.set(txn, member, old, score)?;
        done.added += u64::from(old.is_none());
        done.updated += u64::from(old.is_some());
    }
    Ok(done)
}
