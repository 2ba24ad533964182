//! The ends of ranges, as words.

use crate::command::errors;
use crate::keyspace::double;
use crate::keyspace::sorted_set::{LexBound, LexRange, ScoreRange};
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;

/// A score, and whether a parenthesis in front of it leaves the score itself out.
fn score(word: &[u8]) -> Result<(f64, bool), ErrorReply> {
    let (number, without) = match word.split_first() {
        Some((b'(', number)) => (number, true),
        _ => (word, false),
    };
    let score = double::parse_bound(number).ok_or(errors::NOT_A_SCORE_RANGE)?;
    Ok((score, without))
}

/// A range of scores.
pub fn scores(min: &[u8], max: &[u8]) -> Result<ScoreRange, ErrorReply> {
    let (min, without_min) = score(min)?;
    let (max, without_max) = score(max)?;
    Ok(ScoreRange {
        min,
        max,
        without_min,
        without_max,
    })
}

fn member(word: &[u8]) -> Result<LexBound<'_>, ErrorReply> {
    match word.split_first() {
        Some((b'-', rest)) if until_nul(rest).is_empty() => Ok(LexBound::Lowest),
        Some((b'+', rest)) if until_nul(rest).is_empty() => Ok(LexBound::Highest),
        Some((b'[', member)) => Ok(LexBound::With(member)),
        Some((b'(', member)) => Ok(LexBound::Without(member)),
        _ => Err(errors::NOT_A_MEMBER_RANGE),
    }
}

/// A range of members.
pub fn members<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, ErrorReply> {
    Ok(LexRange {
        min: member(min)?,
        max: member(max)?,
    })
}
