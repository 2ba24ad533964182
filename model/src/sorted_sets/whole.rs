//! Going through a set: ZSCAN, ZRANDMEMBER. The model answers in order and in one page; what Redis may answer instead is
//! for the comparison to judge.

use super::ranges::show;
use crate::doubles;
use crate::errors;
use crate::glob;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

pub fn zscan(call: &mut Call) -> Outcome {
    if numbers::cursor(call.arg(2)).is_none() {
        return Err(errors::err("invalid cursor"));
    }
    let key = call.key();
    call.look_for(key);
    let Some(set) = call.sorted_set(key)?.cloned() else {
        return Ok(Reply::Array(vec![
            Reply::bulk(b"0"),
            Reply::Array(Vec::new()),
        ]));
    };
    let mut pattern = None;
    let mut index = 3;
    while index < call.args.len() {
        let followed = index + 1 < call.args.len();
        if call.says(index, "COUNT") && followed {
            if numbers::integer(call.arg(index + 1))? < 1 {
                return Err(errors::syntax());
            }
        } else if call.says(index, "MATCH") && followed {
            pattern = Some(call.arg(index + 1));
        } else if call.says(index, "NOVALUES") {
            return Err(errors::err("NOVALUES option can only be used in HSCAN"));
        } else {
            return Err(errors::syntax());
        }
        index += 2;
    }
    let wanted = set
        .members
        .iter()
        .filter(|(member, _)| pattern.is_none_or(|pattern| glob::matches(pattern, member)));
    let page = wanted.flat_map(|(member, score)| {
        let score = match set.small {
            true => doubles::show(*score),
            false => doubles::show_17_digits(*score),
        };
        [Reply::bulk(member), Reply::Bulk(score.into_bytes())]
    });
    let page = Reply::Array(page.collect());
    Ok(Reply::Array(vec![Reply::bulk(b"0"), page]))
}

/// The first members, as many as are asked for; all of them from the highest score down.
pub fn zrandmember(call: &mut Call) -> Outcome {
    let key = call.key();
    if call.args.len() == 2 {
        let first = call.scored(key)?.into_iter().next();
        return Ok(first.map_or(Reply::Null, |(member, _)| Reply::Bulk(member)));
    }
    let count = numbers::random_count(call.arg(2))?;
    let with_scores = match call.args.len() {
        3 => false,
        4 if call.says(3, "WITHSCORES") => true,
        _ => return Err(errors::syntax()),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(errors::err("value is out of range"));
    }
    let mut members = call.scored(key)?;
    let chosen = match usize::try_from(count) {
        Ok(count) if count >= members.len() => {
            members.reverse();
            members
        }
        Ok(count) => members[..count].to_vec(),
        Err(_) if members.is_empty() => members,
        Err(_) => {
            let draws = usize::try_from(count.unsigned_abs()).expect("few draws are asked for");
            members.into_iter().cycle().take(draws).collect()
        }
    };
    Ok(show(call, &chosen, with_scores))
}
