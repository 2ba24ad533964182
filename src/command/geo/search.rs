//! Looking for positions: GEOSEARCH, GEOSEARCHSTORE, GEORADIUS, GEORADIUSBYMEMBER and their read-only names.

use super::found::{Found, find};
use super::wish::{Family, Wish};
use super::{reply_distance, reply_position};
use crate::command::sorted_set::range::{Told, store};
use crate::command::sorted_set::{limits, lookup};
use crate::command::{Call, Outcome};
use crate::keyspace::geo::{Shape, whole};

/// GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]
pub fn georadius(call: &mut Call) -> Outcome {
    search(call, Family::Radius { stores: true })
}

/// GEORADIUS_RO key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
pub fn georadius_ro(call: &mut Call) -> Outcome {
    search(call, Family::Radius { stores: false })
}

/// GEORADIUSBYMEMBER key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]
pub fn georadiusbymember(call: &mut Call) -> Outcome {
    search(call, Family::RadiusByMember { stores: true })
}

/// GEORADIUSBYMEMBER_RO key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
pub fn georadiusbymember_ro(call: &mut Call) -> Outcome {
    search(call, Family::RadiusByMember { stores: false })
}

/// GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius unit | BYBOX width height unit>
/// [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]
pub fn geosearch(call: &mut Call) -> Outcome {
    search(call, Family::Search)
}

/// GEOSEARCHSTORE destination source <FROMMEMBER member | FROMLONLAT longitude latitude>
/// <BYRADIUS radius unit | BYBOX width height unit> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]
pub fn geosearchstore(call: &mut Call) -> Outcome {
    search(call, Family::SearchStore)
}

fn search(call: &mut Call, family: Family) -> Outcome {
    let source = call.args[if family == Family::SearchStore { 2 } else { 1 }];
    let members = lookup(call, source)?.map(|(_, members)| members);
    let wish = Wish::parse(call, family, members.as_ref())?;
    let searched = members.as_ref().zip(wish.shape);
    let found = match &searched {
        Some((members, shape)) => find(&mut call.keyspace.engine, members, shape, &wish)?,
        None => Vec::new(),
    };
    let unit = searched.map_or(1.0, |(_, Shape { unit, .. })| unit);
    match wish.destination {
        Some(key) => {
            let event = match family {
                Family::Search | Family::SearchStore => "geosearchstore",
                Family::Radius { .. } | Family::RadiusByMember { .. } => "georadiusstore",
            };
            keep(
                call,
                key,
                found,
                wish.stores_distances.then_some(unit),
                event,
            )
        }
        None => {
            reply(call, &found, &wish, unit);
            Ok(())
        }
    }
}

fn reply(call: &mut Call, found: &[Found], wish: &Wish<'_>, unit: f64) {
    let shown = [wish.with_distance, wish.with_hash, wish.with_position];
    let shown = shown.into_iter().filter(|shown| *shown).count();
    let out = &mut *call.out;
    out.array(found.len());
    for found in found {
        if shown > 0 {
            out.array(shown + 1);
        }
        out.bulk(&found.member);
        if wish.with_distance {
            reply_distance(out, found.distance / unit);
        }
        if wish.with_hash {
            out.int(whole(found.score));
        }
        if wish.with_position {
            reply_position(out, found.position);
        }
    }
}

/// Stores what was found. `unit`: the scores are distances in it.
fn keep(
    call: &mut Call,
    key: &[u8],
    found: Vec<Found>,
    unit: Option<f64>,
    event: &'static str,
) -> Outcome {
    let score = |found: &Found| match unit {
        // Opposite positions may have a distance that is not a number, which no score can be.
        Some(unit) => Some(found.distance / unit).filter(|score| !score.is_nan()),
        None => Some(found.score),
    };
    let mut members: Vec<(Vec<u8>, f64)> = found
        .into_iter()
        .filter_map(|found| Some((score(&found)?, found.member)))
        .map(|(score, member)| (member, score))
        .collect();
    members.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    members.dedup_by(|one, other| one.0 == other.0);
    let count = members.len() as u64;
    let longest = members.iter().map(|(member, _)| member.len()).max();
    let encoding = limits(call).encoding(count, longest.unwrap_or(0) as u64);
    let told = Told {
        event,
        dirty: count,
    };
    store(call, key, &members, encoding, told)
}
