//! Positions of members: GEOADD, GEOPOS, GEODIST, GEOHASH. What looks for positions is in [`search`].

mod found;
pub mod search;
mod wish;

use super::argument::is_word;
use super::sorted_set::add::{self, Options};
use super::sorted_set::lookup;
use super::{Call, Outcome, errors};
use crate::keyspace::double;
use crate::keyspace::geo::{Position, whole};
use crate::resp::{ErrorReply, Reply};

/// GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]
pub fn geoadd(call: &mut Call) -> Outcome {
    let mut words = &call.args[2..];
    let mut options = Options::default();
    while let Some((word, rest)) = words.split_first() {
        let option = match () {
            () if is_word(word, "NX") => &mut options.only_new,
            () if is_word(word, "XX") => &mut options.only_existing,
            () if is_word(word, "CH") => &mut options.counts_changed,
            () => break,
        };
        *option = true;
        words = rest;
    }
    let (places, odd) = words.as_chunks::<3>();
    if !odd.is_empty() || places.is_empty() || (options.only_new && options.only_existing) {
        return Err(errors::SYNTAX.into());
    }
    let mut scored = Vec::with_capacity(places.len());
    for [longitude, latitude, member] in places {
        scored.push((position(longitude, latitude)?.score(), *member));
    }
    add::add(call, options, &scored)
}

/// A longitude and a latitude.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, ErrorReply> {
    let number = |word| double::parse(word).ok_or(errors::NOT_A_FLOAT);
    let position = Position {
        longitude: number(longitude)?,
        latitude: number(latitude)?,
    };
    if position.is_valid() {
        Ok(position)
    } else {
        Err(errors::invalid_position(
            position.longitude,
            position.latitude,
        ))
    }
}

/// Metres of a unit.
fn unit(word: &[u8]) -> Result<f64, ErrorReply> {
    [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)]
        .into_iter()
        .find(|(name, _)| is_word(word, name))
        .map(|(_, metres)| metres)
        .ok_or(errors::UNKNOWN_UNIT)
}

/// Replies with a distance: four digits behind the point.
fn reply_distance(out: &mut Reply, distance: f64) {
    const DIGITS: u32 = 4;
    let scale = 10u64.pow(DIGITS);
    let scaled = whole((distance * scale as f64).round_ties_even());
    let sign = if scaled < 0 { "-" } else { "" };
    let (number, fraction) = (scaled.unsigned_abs() / scale, scaled.unsigned_abs() % scale);
    out.bulk(format!("{sign}{number}.{fraction:04}").as_bytes());
}

/// Replies with a position.
fn reply_position(out: &mut Reply, position: Position) {
    out.array(2);
    for degrees in [position.longitude, position.latitude] {
        let printed = format!("{degrees:.17}");
        let printed = match printed.trim_end_matches('0').trim_end_matches('.') {
            "-0" => "0",
            printed => printed,
        };
        out.double(printed);
    }
}

/// GEOPOS key [member [member ...]]
pub fn geopos(call: &mut Call) -> Outcome {
    of_each(call, |out, position| match position {
        Some(position) => reply_position(out, position),
        None => out.null_array(),
    })
}

/// GEOHASH key [member [member ...]]
pub fn geohash(call: &mut Call) -> Outcome {
    of_each(call, |out, position| match position {
        Some(position) => out.bulk(&position.geohash()),
        None => out.null(),
    })
}

/// Replies with an array of what `show` shows of each member that the request names.
fn of_each(call: &mut Call, show: fn(&mut Reply, Option<Position>)) -> Outcome {
    let found = lookup(call, call.args[1])?;
    let members = &call.args[2..];
    call.out.array(members.len());
    for member in members {
        let score = match &found {
            Some((_, all)) => all.score(&mut call.keyspace.engine, member)?,
            None => None,
        };
        show(call.out, score.map(Position::of_score));
    }
    Ok(())
}

/// GEODIST key member1 member2 [M | KM | FT | MI]
pub fn geodist(call: &mut Call) -> Outcome {
    let metres = match &call.args[4..] {
        [] => 1.0,
        [word] => unit(word)?,
        _ => return Err(errors::SYNTAX.into()),
    };
    let Some((_, members)) = lookup(call, call.args[1])? else {
        call.out.null();
        return Ok(());
    };
    let engine = &mut call.keyspace.engine;
    let from = members.score(engine, call.args[2])?;
    let to = members.score(engine, call.args[3])?;
    match from.zip(to) {
        Some((from, to)) => {
            let distance = Position::of_score(from).distance(Position::of_score(to));
            reply_distance(call.out, distance / metres);
        }
        None => call.out.null(),
    }
    Ok(())
}
