//! GEORADIUS and GEOSEARCH: every member is looked at.

use super::{
    Position, distance, latitude_distance, position, position_of, show_distance, show_position,
    unit, written,
};
use crate::compare::{Node, parse};
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::{Protocol, Reply};
use crate::sorted_sets::{Scored, SortedSet, double};
use crate::state::{Call, ConnectionId, Model, Outcome};
use crate::table;

#[derive(Clone, Copy, Default, PartialEq)]
pub enum Order {
    #[default]
    Any,
    Ascending,
    Descending,
}

#[derive(Clone, Copy)]
enum Shape {
    Circle(f64),
    Box(f64, f64),
}

/// What is searched, and what is answered.
#[derive(Default)]
struct Search {
    center: Option<Position>,
    /// FROMMEMBER was said, though there may be no key.
    from_member: bool,
    shape: Option<Shape>,
    meters: f64,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    any: bool,
    order: Order,
    count: usize,
    store: Option<Vec<u8>>,
    store_distance: bool,
}

/// A member that fits, its score and its distance in meters.
#[derive(Clone)]
struct Found {
    member: Vec<u8>,
    score: f64,
    meters: f64,
}

impl Search {
    /// The order of the reply.
    fn order(&self) -> Order {
        match self.order {
            Order::Any if self.count > 0 && !self.any => Order::Ascending,
            order => order,
        }
    }
}

type Members = Option<Vec<Scored>>;

/// The members of the source, and what is searched among them.
fn search(call: &mut Call) -> Result<(Members, Search), Failure> {
    let stores = call.name == "geosearchstore";
    let source = call.arg(1 + usize::from(stores));
    call.look_for(source);
    let members = call.sorted_set(source)?.map(|set| set.members.clone());
    let mut search = Search::default();
    let options = if call.name.starts_with("georadiusbymember") {
        if let Some(members) = &members {
            search.center = Some(position_in(members, call.arg(2))?);
            radius(call, &mut search, 3)?;
        }
        5
    } else if call.name.starts_with("georadius") {
        search.center = Some(position_of(&call.args[2..4])?);
        radius(call, &mut search, 4)?;
        6
    } else {
        search.store = stores.then(|| call.key().to_vec());
        2 + usize::from(stores)
    };
    read(call, members.as_deref(), &mut search, options)?;
    Ok((members, search))
}

fn position_in(members: &[Scored], wanted: &[u8]) -> Result<Position, Failure> {
    let found = members.iter().find(|(member, _)| member == wanted);
    let (_, score) = found.ok_or_else(|| errors::err("could not decode requested zset member"))?;
    Ok(position(*score))
}

fn radius(call: &Call, search: &mut Search, at: usize) -> Result<(), Failure> {
    let radius = double(call.arg(at)).map_err(|_| errors::err("need numeric radius"))?;
    if radius < 0.0 {
        return Err(errors::err("radius cannot be negative"));
    }
    search.meters = unit(call.arg(at + 1))?;
    search.shape = Some(Shape::Circle(radius * search.meters));
    Ok(())
}

fn rectangle(call: &Call, search: &mut Search, at: usize) -> Result<(), Failure> {
    let width = double(call.arg(at)).map_err(|_| errors::err("need numeric width"))?;
    let height = double(call.arg(at + 1)).map_err(|_| errors::err("need numeric height"))?;
    if width < 0.0 || height < 0.0 {
        return Err(errors::err("height or width cannot be negative"));
    }
    search.meters = unit(call.arg(at + 2))?;
    search.shape = Some(Shape::Box(width * search.meters, height * search.meters));
    Ok(())
}

/// The options from word `at` on.
fn read(
    call: &Call,
    members: Option<&[Scored]>,
    search: &mut Search,
    mut at: usize,
) -> Result<(), Failure> {
    let searches = call.name.starts_with("geosearch");
    let may_store = !searches && !call.name.ends_with("_ro");
    let (mut from_place, mut by_radius, mut by_box) = (false, false, false);
    while at < call.args.len() {
        let more = call.args.len() - at - 1;
        let says = |word: &str| call.says(at, word);
        if says("WITHDIST") {
            search.with_distance = true;
        } else if says("WITHHASH") {
            search.with_hash = true;
        } else if says("WITHCOORD") {
            search.with_position = true;
        } else if says("ANY") {
            search.any = true;
        } else if says("ASC") {
            search.order = Order::Ascending;
        } else if says("DESC") {
            search.order = Order::Descending;
        } else if says("COUNT") && more >= 1 {
            let count = numbers::integer(call.arg(at + 1))?;
            let count = usize::try_from(count).ok().filter(|&count| count > 0);
            search.count = count.ok_or_else(|| errors::err("COUNT must be > 0"))?;
            at += 1;
        } else if (says("STORE") || says("STOREDIST")) && more >= 1 && may_store {
            search.store = Some(call.arg(at + 1).to_vec());
            search.store_distance = says("STOREDIST");
            at += 1;
        } else if says("STOREDIST") && call.name == "geosearchstore" {
            search.store_distance = true;
        } else if says("FROMMEMBER") && more >= 1 && searches && !from_place {
            search.from_member = true;
            if let Some(members) = members {
                search.center = Some(position_in(members, call.arg(at + 1))?);
            }
            at += 1;
        } else if says("FROMLONLAT") && more >= 2 && searches && !search.from_member {
            search.center = Some(position_of(&call.args[at + 1..])?);
            from_place = true;
            at += 2;
        } else if says("BYRADIUS") && more >= 2 && searches && !by_box {
            radius(call, search, at + 1)?;
            by_radius = true;
            at += 2;
        } else if says("BYBOX") && more >= 3 && searches && !by_radius {
            rectangle(call, search, at + 1)?;
            by_box = true;
            at += 3;
        } else {
            return Err(errors::syntax());
        }
        at += 1;
    }
    check(call, search, searches, from_place)
}

fn check(call: &Call, search: &Search, searches: bool, from_place: bool) -> Result<(), Failure> {
    let shows = search.with_distance || search.with_hash || search.with_position;
    if search.store.is_some() && shows {
        let what = if searches {
            "GEOSEARCHSTORE"
        } else {
            "STORE option in GEORADIUS"
        };
        return Err(errors::err(&format!(
            "{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )));
    }
    let exactly_one = |what: &str| {
        let what = format!("exactly one of {what} can be specified for ");
        Err(errors::err_bytes(&[what.as_bytes(), written(call)]))
    };
    if searches && !search.from_member && !from_place {
        return exactly_one("FROMMEMBER or FROMLONLAT");
    }
    if searches && search.shape.is_none() {
        return exactly_one("BYRADIUS and BYBOX");
    }
    if search.any && search.count == 0 {
        return Err(errors::err("the ANY argument requires COUNT argument"));
    }
    Ok(())
}

fn fits(search: &Search, place: Position) -> Option<f64> {
    let center = search.center?;
    let meters = distance(center, place);
    let inside = match search.shape? {
        Shape::Circle(radius) => meters <= radius,
        Shape::Box(width, height) => {
            latitude_distance(place.1, center.1) <= height / 2.0
                && distance(place, (center.0, place.1)) <= width / 2.0
        }
    };
    inside.then_some(meters)
}

/// Every member that fits, by score.
fn matching(search: &Search, members: &[Scored]) -> Vec<Found> {
    let fitting = members.iter().filter_map(|(member, score)| {
        Some(Found {
            member: member.clone(),
            score: *score,
            meters: fits(search, position(*score))?,
        })
    });
    fitting.collect()
}

/// GEORADIUS, GEOSEARCH and their kin.
pub fn run(call: &mut Call) -> Outcome {
    let (members, search) = search(call)?;
    let mut found = matching(&search, members.as_deref().unwrap_or_default());
    let by_distance = |a: &Found, b: &Found| a.meters.total_cmp(&b.meters);
    match search.order() {
        Order::Any => {}
        Order::Ascending => found.sort_by(by_distance),
        Order::Descending => found.sort_by(|a, b| by_distance(b, a)),
    }
    if search.count > 0 {
        found.truncate(search.count);
    }
    match &search.store {
        Some(key) => store(call, key, &search, found),
        None => Ok(Reply::Array(
            found.iter().map(|it| show(&search, it)).collect(),
        )),
    }
}

fn show(search: &Search, found: &Found) -> Reply {
    let mut parts = vec![Reply::bulk(&found.member)];
    if search.with_distance {
        parts.push(show_distance(found.meters / search.meters));
    }
    if search.with_hash {
        parts.push(Reply::Integer(found.score as i64));
    }
    if search.with_position {
        parts.push(show_position(position(found.score)));
    }
    match parts.len() {
        1 => parts.remove(0),
        _ => Reply::Array(parts),
    }
}

fn store(call: &mut Call, key: &[u8], search: &Search, found: Vec<Found>) -> Outcome {
    let longest = found.iter().map(|it| it.member.len()).max();
    let count = found.len();
    let mut set = SortedSet::expecting(count, longest.unwrap_or(0));
    for it in found {
        let score = if search.store_distance {
            it.meters / search.meters
        } else {
            it.score
        };
        set.set(&it.member, score);
    }
    if count > 0 {
        call.touch(key);
    }
    let event = match call.name {
        "geosearchstore" => "geosearchstore",
        _ => "georadiusstore",
    };
    call.store_sorted_set(key, set, event);
    Ok(Reply::count(count))
}

/// What a search may answer.
pub struct Answer {
    pub order: Order,
    /// Any members may be chosen before they are put in order.
    pub any: bool,
    /// Every member in range as the reply shows it in either protocol, and its distance.
    pub members: Vec<(Node, f64)>,
}

/// What may be answered to a search that the model has answered without an error.
pub fn answer(model: &Model, request: &[Vec<u8>], database: usize) -> Option<Answer> {
    let mut model = model.clone();
    let mut call = Call {
        model: &mut model,
        connection: ConnectionId::MAX,
        args: request,
        name: table::of_request(request)?.name,
        now_ms: 0,
    };
    call.connection().database = database;
    let (members, search) = search(&mut call).ok()?;
    let found = matching(&search, members.as_deref().unwrap_or_default());
    let shown = |protocol: Protocol| {
        let shown = found.iter().filter_map(|it| {
            let raw = show(&search, it).encode(protocol);
            Some((parse(&raw)?, it.meters))
        });
        shown.collect::<Vec<_>>()
    };
    let members = [Protocol::Resp2, Protocol::Resp3].map(&shown).concat();
    Some(Answer {
        order: search.order(),
        any: search.any,
        members,
    })
}
