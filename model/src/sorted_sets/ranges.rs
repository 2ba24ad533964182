//! Ranges of ranks, scores and members, counted, returned, stored and removed.

use super::{Scored, SortedSet, score_reply};
use crate::doubles;
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, Outcome};

#[derive(Clone, Copy, PartialEq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// A test of the lower and of the upper end of a range.
struct Ends {
    above_min: Box<dyn Fn(&Scored) -> bool>,
    below_max: Box<dyn Fn(&Scored) -> bool>,
    /// Nothing can pass both.
    crossed: bool,
}

fn score_end(text: &[u8]) -> Result<(f64, bool), Failure> {
    let (number, exclusive) = match text.strip_prefix(b"(") {
        Some(number) => (number, true),
        None => (text, false),
    };
    let number = doubles::lenient(number);
    let number = number.ok_or_else(|| errors::err("min or max is not a float"))?;
    Ok((number, exclusive))
}

fn score_ends(min: &[u8], max: &[u8]) -> Result<Ends, Failure> {
    let (min, min_out) = score_end(min)?;
    let (max, max_out) = score_end(max)?;
    Ok(Ends {
        above_min: Box::new(move |it| if min_out { it.1 > min } else { it.1 >= min }),
        below_max: Box::new(move |it| if max_out { it.1 < max } else { it.1 <= max }),
        crossed: min > max || min == max && (min_out || max_out),
    })
}

/// The end of a range of members; the order of the variants is theirs.
#[derive(Clone, PartialEq, PartialOrd)]
enum LexEnd {
    Lowest,
    Member(Vec<u8>),
    Highest,
}

fn lex_end(text: &[u8]) -> Result<(LexEnd, bool), Failure> {
    let is_alone = text.len() < 2 || text[1] == 0;
    match text.first() {
        Some(b'-') if is_alone => Ok((LexEnd::Lowest, true)),
        Some(b'+') if is_alone => Ok((LexEnd::Highest, true)),
        Some(b'(') => Ok((LexEnd::Member(text[1..].to_vec()), true)),
        Some(b'[') => Ok((LexEnd::Member(text[1..].to_vec()), false)),
        _ => Err(errors::err("min or max not valid string range item")),
    }
}

fn lex_ends(min: &[u8], max: &[u8]) -> Result<Ends, Failure> {
    let (min, min_out) = lex_end(min)?;
    let (max, max_out) = lex_end(max)?;
    let crossed = min > max || min == max && (min_out || max_out);
    let member = |it: &Scored| LexEnd::Member(it.0.clone());
    Ok(Ends {
        above_min: Box::new(move |it| {
            let own = member(it);
            if min_out { own > min } else { own >= min }
        }),
        below_max: Box::new(move |it| {
            let own = member(it);
            if max_out { own < max } else { own <= max }
        }),
        crossed,
    })
}

impl Ends {
    /// Where a walk from the front begins, if the range is not missed altogether.
    fn first(&self, members: &[Scored]) -> Option<usize> {
        if self.crossed || !(self.above_min)(members.last()?) || !(self.below_max)(members.first()?)
        {
            return None;
        }
        let first = members.iter().position(|it| (self.above_min)(it))?;
        (self.below_max)(&members[first]).then_some(first)
    }

    /// Where a walk from the back begins.
    fn last(&self, members: &[Scored]) -> Option<usize> {
        if self.crossed || !(self.above_min)(members.last()?) || !(self.below_max)(members.first()?)
        {
            return None;
        }
        let last = members.iter().rposition(|it| (self.below_max)(it))?;
        (self.above_min)(&members[last]).then_some(last)
    }

    /// Members from the first in the range to the last in a row.
    fn whole(&self, members: &[Scored]) -> Vec<Scored> {
        let Some(first) = self.first(members) else {
            return Vec::new();
        };
        let row = members[first..]
            .iter()
            .take_while(|it| (self.below_max)(it));
        row.cloned().collect()
    }

    /// Members from one end, after `offset` of them, at most `limit`.
    fn walk(&self, set: &SortedSet, reverse: bool, offset: i64, limit: i64) -> Vec<Scored> {
        let members = &set.members;
        let Some(start) = self.start(set, reverse, offset) else {
            return Vec::new();
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if reverse {
            let row = members[..=start]
                .iter()
                .rev()
                .take_while(|it| (self.above_min)(it));
            row.take(limit).cloned().collect()
        } else {
            let row = members[start..]
                .iter()
                .take_while(|it| (self.below_max)(it));
            row.take(limit).cloned().collect()
        }
    }

    fn start(&self, set: &SortedSet, reverse: bool, offset: i64) -> Option<usize> {
        let members = &set.members;
        if offset >= 0 {
            let offset = usize::try_from(offset).ok()?;
            return if reverse {
                self.last(members)?.checked_sub(offset)
            } else {
                let start = self.first(members)?.checked_add(offset)?;
                (start < members.len()).then_some(start)
            };
        }
        if set.small {
            return None;
        }
        // A skiplist counts a negative offset from the other end.
        let steps = usize::try_from(-(offset + 1)).ok()?;
        let (first, last) = (self.first(members)?, self.last(members)?);
        let start = if reverse {
            first.checked_add(steps)?
        } else {
            last.checked_sub(steps)?
        };
        (first..=last).contains(&start).then_some(start)
    }
}

/// The ranks between two, which count from the end if negative.
fn ranked(members: &[Scored], start: i64, stop: i64) -> Vec<Scored> {
    let length = members.len() as i128;
    let absolute = |index: i64| match i128::from(index) {
        index if index < 0 => index + length,
        index => index,
    };
    let (start, stop) = (absolute(start).max(0), absolute(stop));
    let chosen = members
        .iter()
        .zip(0_i128..)
        .filter(|(_, rank)| (start..=stop).contains(rank));
    chosen.map(|(member, _)| member.clone()).collect()
}

pub fn zcount(call: &mut Call) -> Outcome {
    let ends = score_ends(call.arg(2), call.arg(3))?;
    let key = call.key();
    Ok(Reply::count(ends.whole(&call.scored(key)?).len()))
}

pub fn zlexcount(call: &mut Call) -> Outcome {
    let ends = lex_ends(call.arg(2), call.arg(3))?;
    let key = call.key();
    Ok(Reply::count(ends.whole(&call.scored(key)?).len()))
}

/// What a request for a range says.
struct Request {
    with_scores: bool,
    chosen: Vec<Scored>,
    by: By,
}

/// Reads the words from the source on, and finds what they choose.
fn choose(
    call: &mut Call,
    source: usize,
    fixed: Option<(By, bool)>,
    stores: bool,
) -> Result<Request, Failure> {
    let (mut by, mut reverse) = (fixed.map(|it| it.0), fixed.map(|it| it.1));
    let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
    let mut index = source + 3;
    while index < call.args.len() {
        if !stores && call.says(index, "WITHSCORES") {
            with_scores = true;
        } else if call.says(index, "LIMIT") && index + 2 < call.args.len() {
            offset = numbers::integer(call.arg(index + 1))?;
            limit = numbers::integer(call.arg(index + 2))?;
            index += 2;
        } else if reverse.is_none() && call.says(index, "REV") {
            reverse = Some(true);
        } else if by.is_none() && call.says(index, "BYLEX") {
            by = Some(By::Lex);
        } else if by.is_none() && call.says(index, "BYSCORE") {
            by = Some(By::Score);
        } else {
            return Err(errors::syntax());
        }
        index += 1;
    }
    let by = by.unwrap_or(By::Rank);
    let reverse = reverse.unwrap_or(false);
    if by == By::Rank && limit != -1 {
        return Err(errors::err(
            "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if by == By::Lex && with_scores {
        return Err(errors::err(
            "syntax error, WITHSCORES not supported in combination with BYLEX",
        ));
    }
    let (first, second) = (call.arg(source + 1), call.arg(source + 2));
    let (min, max) = if reverse {
        (second, first)
    } else {
        (first, second)
    };
    let ends = match by {
        By::Rank => None,
        By::Score => Some(score_ends(min, max)?),
        By::Lex => Some(lex_ends(min, max)?),
    };
    let ranks = match by {
        By::Rank => (numbers::integer(first)?, numbers::integer(second)?),
        By::Score | By::Lex => (0, 0),
    };
    let key = call.arg(source);
    call.look_for(key);
    let set = call.sorted_set(key)?.cloned();
    let set = set.unwrap_or_else(|| SortedSet::expecting(0, 0));
    let chosen = match ends {
        Some(ends) => ends.walk(&set, reverse, offset, limit),
        None => {
            let mut members = set.members;
            if reverse {
                members.reverse();
            }
            ranked(&members, ranks.0, ranks.1)
        }
    };
    Ok(Request {
        with_scores,
        chosen,
        by,
    })
}

/// Members, and their scores if wanted.
pub fn show(call: &mut Call, members: &[Scored], with_scores: bool) -> Reply {
    let nested = call.protocol() == Protocol::Resp3;
    let mut items = Vec::new();
    for (member, score) in members {
        let pair = [Reply::bulk(member), score_reply(Some(*score))];
        match (with_scores, nested) {
            (false, _) => items.push(Reply::bulk(member)),
            (true, false) => items.extend(pair),
            (true, true) => items.push(Reply::Array(pair.to_vec())),
        }
    }
    Reply::Array(items)
}

fn range(call: &mut Call, fixed: Option<(By, bool)>) -> Outcome {
    let request = choose(call, 1, fixed, false)?;
    Ok(show(call, &request.chosen, request.with_scores))
}

pub fn zrange(call: &mut Call) -> Outcome {
    range(call, None)
}

pub fn zrevrange(call: &mut Call) -> Outcome {
    range(call, Some((By::Rank, true)))
}

pub fn zrangebyscore(call: &mut Call) -> Outcome {
    range(call, Some((By::Score, false)))
}

pub fn zrevrangebyscore(call: &mut Call) -> Outcome {
    range(call, Some((By::Score, true)))
}

pub fn zrangebylex(call: &mut Call) -> Outcome {
    range(call, Some((By::Lex, false)))
}

pub fn zrevrangebylex(call: &mut Call) -> Outcome {
    range(call, Some((By::Lex, true)))
}

pub fn zrangestore(call: &mut Call) -> Outcome {
    let request = choose(call, 2, None, true)?;
    let expected = match request.by {
        By::Rank => request.chosen.len(),
        By::Score | By::Lex => 0,
    };
    let mut set = SortedSet::expecting(expected, 0);
    for (member, score) in &request.chosen {
        set.set(member, *score);
    }
    assert!(!request.with_scores, "a stored range has no such option");
    let length = set.members.len();
    let key = call.key();
    call.store_sorted_set(key, set, call.name);
    Ok(Reply::count(length))
}

fn remove(call: &mut Call, doomed: impl Fn(&[Scored]) -> Vec<Scored>) -> Outcome {
    let key = call.key();
    let Some(set) = call.sorted_set(key)? else {
        return Ok(Reply::Integer(0));
    };
    let doomed = doomed(&set.members);
    for (member, _) in &doomed {
        set.remove(member);
    }
    if !doomed.is_empty() {
        call.note('z', call.name, key);
    }
    call.drop_if_empty(key);
    Ok(Reply::count(doomed.len()))
}

pub fn zremrangebyrank(call: &mut Call) -> Outcome {
    let start = numbers::integer(call.arg(2))?;
    let stop = numbers::integer(call.arg(3))?;
    remove(call, |members| ranked(members, start, stop))
}

pub fn zremrangebyscore(call: &mut Call) -> Outcome {
    let ends = score_ends(call.arg(2), call.arg(3))?;
    remove(call, |members| ends.whole(members))
}

pub fn zremrangebylex(call: &mut Call) -> Outcome {
    let ends = lex_ends(call.arg(2), call.arg(3))?;
    remove(call, |members| ends.whole(members))
}
