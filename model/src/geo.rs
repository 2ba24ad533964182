//! Positions on earth, kept as the scores of a sorted set: 26 bits of latitude and of longitude, interleaved.

pub mod searches;

use crate::commands;
use crate::errors::{self, Failure};
use crate::reply::Reply;
use crate::sorted_sets::{self, Scored, double};
use crate::state::{Call, Model, Outcome, Value};

/// Bits of either coordinate.
const BITS: u32 = 26;
const LATITUDE_MAX: f64 = 85.05112878;
const LONGITUDE_MAX: f64 = 180.0;
const EARTH_RADIUS_METERS: f64 = 6372797.560856;

/// Longitude and latitude, in degrees.
pub type Position = (f64, f64);

/// Which of the equal parts of a range, from -bound to bound, a number is in.
fn part(number: f64, bound: f64) -> u64 {
    ((number + bound) / (bound + bound) * 2_f64.powi(BITS as i32)) as u64
}

/// The middle of a part.
fn middle(part: u64, bound: f64) -> f64 {
    let edge = |part: u64| -bound + (part as f64 / 2_f64.powi(BITS as i32)) * (bound + bound);
    ((edge(part) + edge(part + 1)) / 2.0).clamp(-bound, bound)
}

/// The bits of both, those of the latitude below; one place beyond the last bit is cut off as by 32-bit numbers.
fn interleave(latitude: u64, longitude: u64) -> u64 {
    let bit = |number: u64, at: u32| number >> at & 1;
    (0..32).fold(0, |bits, at| {
        bits | bit(latitude, at) << (2 * at) | bit(longitude, at) << (2 * at + 1)
    })
}

fn every_second(bits: u64) -> u64 {
    (0..32).fold(0, |number, at| number | (bits >> (2 * at) & 1) << at)
}

pub fn score((longitude, latitude): Position) -> u64 {
    interleave(part(latitude, LATITUDE_MAX), part(longitude, LONGITUDE_MAX))
}

/// Whether a score is that of a position.
pub fn is_position(score: f64) -> bool {
    score >= 0.0 && score < 2_f64.powi(2 * BITS as i32) && score.fract() == 0.0
}

pub fn position(score: f64) -> Position {
    let bits = score as u64;
    let (latitude, longitude) = (every_second(bits), every_second(bits >> 1));
    (
        middle(longitude, LONGITUDE_MAX),
        middle(latitude, LATITUDE_MAX),
    )
}

/// The distance of two latitudes, in meters.
pub fn latitude_distance(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_METERS * (radians(other) - radians(one)).abs()
}

fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

/// The great-circle distance by the haversine formula, in meters.
pub fn distance(one: Position, other: Position) -> f64 {
    let half_sine = |from: f64, to: f64| ((to - from) / 2.0).sin();
    let v = half_sine(radians(one.0), radians(other.0));
    if v == 0.0 {
        return latitude_distance(one.1, other.1);
    }
    let (from, to) = (radians(one.1), radians(other.1));
    let u = half_sine(from, to);
    let a = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS_METERS * a.sqrt().asin()
}

/// A distance as replies show it: four digits behind the point.
pub fn show_distance(distance: f64) -> Reply {
    let tenths = (distance * 10_000.0).round_ties_even() as i64;
    let text = format!("{}.{:04}", tenths / 10_000, tenths % 10_000);
    Reply::Bulk(text.into_bytes())
}

/// A coordinate as replies show it.
fn show_coordinate(coordinate: f64) -> Reply {
    let text = format!("{coordinate:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Reply::Double(if text == "-0" { "0" } else { text }.to_owned())
}

pub fn show_position((longitude, latitude): Position) -> Reply {
    Reply::Array([longitude, latitude].map(show_coordinate).to_vec())
}

/// Two words that are longitude and latitude.
pub fn position_of(words: &[Vec<u8>]) -> Result<Position, Failure> {
    let (longitude, latitude) = (double(&words[0])?, double(&words[1])?);
    if longitude.abs() > LONGITUDE_MAX || latitude.abs() > LATITUDE_MAX {
        return Err(errors::err(&format!(
            "invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )));
    }
    Ok((longitude, latitude))
}

/// How many meters a unit has.
pub fn unit(word: &[u8]) -> Result<f64, Failure> {
    match word.to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(errors::err(
            "unsupported unit provided. please use M, KM, FT, MI",
        )),
    }
}

/// GEOADD is a ZADD of scores.
pub fn geoadd(call: &mut Call) -> Outcome {
    let options = ["nx", "xx", "ch"];
    let is_option = |word: &&Vec<u8>| {
        options
            .iter()
            .any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
    };
    let first = 2 + call.args[2..].iter().take_while(is_option).count();
    let says = |option: &str| {
        call.args[2..first]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(option.as_bytes()))
    };
    if !(call.args.len() - first).is_multiple_of(3) || says("nx") && says("xx") {
        return Err(errors::syntax());
    }
    let mut request = call.args[..first].to_vec();
    for triple in call.args[first..].chunks(3) {
        let score = score(position_of(triple)?);
        request.push(score.to_string().into_bytes());
        request.push(triple[2].clone());
    }
    let mut inner = Call {
        model: &mut *call.model,
        connection: call.connection,
        args: &request,
        name: "zadd",
        now_ms: call.now_ms,
    };
    sorted_sets::zadd(&mut inner)
}

fn score_of(members: &[Scored], wanted: &[u8]) -> Option<f64> {
    let found = members.iter().find(|(member, _)| member == wanted);
    found.map(|(_, score)| *score)
}

fn of_each(call: &mut Call, missing: &Reply, show: fn(Position) -> Reply) -> Outcome {
    let key = call.key();
    let members = call.scored(key)?;
    let shown = call.args[2..].iter().map(|member| {
        score_of(&members, member).map_or(missing.clone(), |score| show(position(score)))
    });
    Ok(Reply::Array(shown.collect()))
}

pub fn geopos(call: &mut Call) -> Outcome {
    of_each(call, &Reply::NullArray, show_position)
}

pub fn geohash(call: &mut Call) -> Outcome {
    of_each(call, &Reply::Null, |position| {
        Reply::Bulk(standard_hash(position).into_bytes())
    })
}

/// The geohash that others use: latitudes up to 90 degrees, ten letters and a last one without bits.
fn standard_hash((longitude, latitude): Position) -> String {
    const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = interleave(part(latitude, 90.0), part(longitude, 180.0));
    let letters = (1..=10).map(|at| LETTERS[(bits >> (52 - at * 5) & 0x1f) as usize]);
    letters.map(char::from).chain(['0']).collect()
}

pub fn geodist(call: &mut Call) -> Outcome {
    let meters = match call.args.len() {
        4 => 1.0,
        5 => unit(call.arg(4))?,
        _ => return Err(errors::syntax()),
    };
    let key = call.key();
    let members = call.scored(key)?;
    let scores = [2, 3].map(|at| score_of(&members, call.arg(at)));
    let [Some(one), Some(other)] = scores else {
        return Ok(Reply::Null);
    };
    Ok(show_distance(
        distance(position(one), position(other)) / meters,
    ))
}

impl Model {
    /// Whether a key holds a sorted set with scores that are no positions.
    pub fn holds_other_scores(&self, database: usize, key: &[u8]) -> bool {
        match self.entry(database, key).map(|entry| &entry.value) {
            Some(Value::SortedSet(set)) => !set.members.iter().all(|it| is_position(it.1)),
            _ => false,
        }
    }
}

/// The command as the client wrote it, up to its first zero byte.
fn written<'a>(call: &Call<'a>) -> &'a [u8] {
    commands::up_to_nul(call.arg(0), usize::MAX)
}
