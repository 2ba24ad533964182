//! The replies that are not compared byte for byte: by which rule instead, and why. Everything that
//! is not named here is compared raw, and so is every error.

mod clients;
mod geo;
mod introspection;
mod moments;
mod reasons;
mod sets;
mod sorted_sets;
mod ungenerated;
mod withheld;

use crate::Model;
use crate::compare::{Node, elements, messages, parse};
use crate::hashes::{Hash, HashEncoding};
use crate::scripts;
use crate::sets::SetEncoding;
use crate::stages::Stage;
use crate::state::Value;
pub use ungenerated::{idle, uncovered};
pub use withheld::{
    is_announced_twice, is_never_queued, is_never_scripted, is_notified_in_time, is_withheld,
    knows_novalues,
};

/// The version a server says it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

/// What the model answers as.
const MODELLED: Version = Version(7, 4, 0);

impl Version {
    /// The version in the reply to HELLO.
    pub fn of_greeting(reply: &[u8]) -> Option<Version> {
        let greeting = parse(reply)?;
        let items = greeting.items()?;
        let at = items
            .iter()
            .position(|item| item.text() == Some(b"version"))?;
        let text = std::str::from_utf8(items.get(at + 1)?.text()?).ok()?;
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Version(
            numbers.next()??,
            numbers.next()??,
            numbers.next()??,
        ))
    }
}

/// How a reply is compared when not raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The same items, in any order.
    AnyOrder,
    /// A key that is there.
    AnyKey,
    /// A cursor, and keys out of those the model returns at once.
    ScanPage,
    /// At least the live keys, at most those and the expired ones nobody has removed.
    CountWithExpired,
    /// The same items in any order, where the order of the hash is not known; of a map, the same pairs.
    HashOrder,
    /// A cursor and elements out of those the model returns at once.
    ElementPage,
    /// Fields of the hash at random, as many as the model has.
    RandomFields,
    /// A cursor and members out of those the model returns at once.
    MemberPage,
    /// Members of the sorted set at random, as many as the model has.
    RandomMembers,
    /// The same members in any order, where the order of one of the sets is not known.
    SetOrder,
    /// Members of the set at random, as many as the model has.
    DrawnMembers,
    /// Members that the set had before, as many as the model has.
    PoppedMembers,
    /// The Unix time between the request and the reply.
    Clock,
    /// The same but for the values of `version` and `id`.
    Greeting,
    /// A positive number where the model has one.
    Positive,
    /// A positive number where the model has one; also for an expired key that nobody has removed.
    Size,
    /// Any number that is not negative where the model has one.
    Natural,
    /// One, or the number of the preallocated integers.
    SharedOrNot,
    /// A text, of the same kind of reply.
    AnyText,
    /// A text, whatever the kind of reply.
    AnyBlob,
    /// The same first line and the same last two.
    HelpFrame,
    /// An array.
    AnyArray,
    /// The same but for times, which are those of the requests that set them, and for the size of Redis's index
    /// over several nodes of a stream.
    Moments,
    /// The reply to a request the server may end early or late: anything that is no error.
    NoError,
    /// Confirmations whose names may come in any order.
    AnyNames,
    /// The same pairs in any order.
    AnyPairs,
    /// The same status, or the complaint that one is going on already.
    Background,
    /// A text of as many hexadecimal digits.
    Digits,
    /// The same number of such texts.
    EachDigits,
    /// A text with the same titles of sections, and the same lines where the model has some.
    Titles,
    /// Any status.
    AnyStatus,
    /// At least the commands that the model knows.
    Includes,
    /// What is declared of the same commands, without key specifications and tips.
    Declared,
    /// A map of the same names.
    SameKeys,
    /// Lines about connections, with the fields that the model knows.
    Lines,
    /// Entries of ACL LOG: the same but for times and what is not known of connections.
    Refusals,
    /// The same keys, with something behind each.
    KeysWithFlags,
    /// Members in range, in the order asked for.
    Found,
    /// The same items in any order, those of items too.
    AnyPlace,
    /// The same items in any order, where what they are sorted by is the same.
    Ties,
}

/// A request before it is sent, and the model's answer to it.
pub struct Pending<'a> {
    pub request: &'a [Vec<u8>],
    pub expected: &'a [u8],
    /// The model before the request.
    pub model: &'a Model,
    pub connection: usize,
    /// The database of the connection.
    pub database: usize,
}

impl Pending<'_> {
    fn has_word(&self, word: &str) -> bool {
        self.request
            .iter()
            .any(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
    }
}

pub fn is_exec(request: &[Vec<u8>]) -> bool {
    request[0].eq_ignore_ascii_case(b"EXEC")
}

/// A request, its reply, and what the model makes of it.
pub struct Observation<'a> {
    pub request: &'a [Vec<u8>],
    /// The requests that it ran.
    pub stages: &'a [Stage],
    pub version: Version,
    pub expected: &'a [u8],
    pub actual: &'a [u8],
    /// The model before the request and after it.
    pub before: &'a Model,
    pub model: &'a Model,
    /// The database of the connection.
    pub database: usize,
    pub before_ms: i64,
    pub after_ms: i64,
}

/// Whether the server's reply is as good as the model's.
pub fn accepts(observation: &Observation) -> bool {
    if observation.expected == observation.actual {
        return true;
    }
    if answers_each(observation.request) {
        return accepts_each(observation);
    }
    let replies = [observation.expected, observation.actual].map(messages::with_messages);
    if let [Some((expected, behind)), Some((actual, received))] = &replies
        && rule(observation.request).is_some_and(|rule| rule != Rule::AnyNames)
    {
        return messages::are_same(behind, received)
            && accepts(&Observation {
                expected,
                actual,
                ..*observation
            });
    }
    match rule(observation.request) {
        Some(Rule::AnyNames) => {
            return messages::confirm_the_same(observation.expected, observation.actual);
        }
        Some(Rule::Background) if observation.expected.starts_with(b"+") => {
            return introspection::is_in_background(observation.actual);
        }
        _ => {}
    }
    let (Some(expected), Some(actual)) = (parse(observation.expected), parse(observation.actual))
    else {
        return messages::are_same(observation.expected, observation.actual);
    };
    let is_error = |node: &Node| matches!(node, Node::Line(b'-', _));
    match rule(observation.request) {
        Some(rule) if !is_error(&expected) && !is_error(&actual) => {
            judge(rule, observation, &expected, &actual)
        }
        _ => false,
    }
}

/// Whether the items of the reply are the replies to the requests that this one runs.
pub fn answers_each(request: &[Vec<u8>]) -> bool {
    is_exec(request) || scripts::is_of_several(request)
}

/// Whether each reply in that to EXEC or a script of several is as good as the model's at that very moment.
fn accepts_each(observation: &Observation) -> bool {
    let replies = [observation.expected, observation.actual];
    let [Some((expected, behind)), Some((actual, received))] = replies.map(elements) else {
        return false;
    };
    let stages = observation.stages;
    let is_complete = [expected.len(), actual.len()] == [stages.len(); 2];
    let is_accepted = |(at, stage): (usize, &Stage)| {
        let next = stages.get(at + 1);
        accepts(&Observation {
            request: &stage.request,
            stages: &[],
            expected: &expected[at],
            actual: &actual[at],
            before: &stage.before,
            model: next.map_or(observation.model, |next| &next.before),
            database: stage.database,
            ..*observation
        })
    };
    messages::are_same(behind, received)
        && is_complete
        && stages.iter().enumerate().all(is_accepted)
}

fn rule(request: &[Vec<u8>]) -> Option<Rule> {
    let name = full_name(request);
    reasons::EXEMPTIONS
        .iter()
        .find(|it| it.command == name)
        .map(|it| it.rule)
}

/// The command, with the next word behind a bar if there is a row for both together.
fn full_name(request: &[Vec<u8>]) -> String {
    let lower = |word: &[u8]| String::from_utf8_lossy(word).to_ascii_lowercase();
    let first = lower(&request[0]);
    let container = [
        "acl", "client", "command", "config", "debug", "function", "latency", "memory", "module",
        "object", "pubsub", "script", "slowlog", "xgroup", "xinfo",
    ]
    .contains(&first.as_str());
    match request.get(1) {
        Some(second) if container => format!("{first}|{}", lower(second)),
        _ => first,
    }
}

fn judge(rule: Rule, observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let numbers = expected.integer().zip(actual.integer());
    match rule {
        Rule::AnyOrder => sorted(expected).is_some() && sorted(expected) == sorted(actual),
        Rule::AnyKey => actual
            .text()
            .is_some_and(|key| observation.model.entry(observation.database, key).is_some()),
        Rule::ScanPage => is_part_of_page(observation.expected, observation.actual),
        Rule::CountWithExpired => numbers.is_some_and(|(least, count)| {
            let ghosts = observation.model.ghosts(observation.database) as i64;
            (least..=least + ghosts).contains(&count)
        }),
        Rule::HashOrder => is_same_hash(observation, expected, actual),
        Rule::ElementPage => is_element_page(observation, expected, actual),
        Rule::RandomFields => are_random_fields(observation, expected, actual),
        Rule::MemberPage => sorted_sets::is_page(observation, expected, actual),
        Rule::RandomMembers => sorted_sets::are_random(observation, expected, actual),
        Rule::SetOrder => sets::is_same(observation, expected, actual),
        Rule::DrawnMembers => sets::are_drawn(observation, expected, actual),
        Rule::PoppedMembers => sets::are_popped(observation, expected, actual),
        Rule::Clock => is_clock(observation, actual),
        Rule::Greeting => masked(expected).is_some() && masked(expected) == masked(actual),
        Rule::Positive => numbers.is_some_and(|(_, number)| number > 0),
        Rule::Size => match (numbers, observation.request.get(2)) {
            (Some((_, size)), _) => size > 0,
            (None, Some(key)) => {
                let positive = actual.integer().is_some_and(|size| size > 0);
                positive && observation.model.is_ghost(observation.database, key)
            }
            (None, None) => false,
        },
        Rule::Natural => numbers.is_some_and(|(_, number)| number >= 0),
        Rule::SharedOrNot => {
            let shared = i64::from(i32::MAX);
            numbers.is_some_and(|(own, number)| {
                own == shared || own == 1 && (number == 1 || number == shared)
            })
        }
        Rule::AnyText => match (expected, actual) {
            (Node::Blob(kind, _), Node::Blob(other, _)) => kind == other,
            _ => false,
        },
        Rule::AnyBlob => matches!((expected, actual), (Node::Blob(..), Node::Blob(..))),
        Rule::HelpFrame => has_frame(expected, actual),
        Rule::AnyArray => {
            matches!((expected, actual), (Node::Items(kind, _), Node::Items(other, _)) if kind == other)
        }
        Rule::Moments => moments::are_near(expected, actual),
        Rule::NoError => true,
        Rule::AnyNames | Rule::Background => false,
        Rule::AnyPairs => pairs(expected).is_some() && pairs(expected) == pairs(actual),
        Rule::Digits => is_digits(expected, actual),
        Rule::EachDigits => expected
            .items()
            .zip(actual.items())
            .is_some_and(|(own, theirs)| {
                own.len() == theirs.len()
                    && own.iter().zip(theirs).all(|(own, it)| is_digits(own, it))
            }),
        Rule::Titles => introspection::has_titles(expected, actual),
        Rule::AnyStatus => matches!(actual, Node::Line(b'+', _)),
        Rule::Includes => introspection::includes(expected, actual),
        Rule::Declared => introspection::is_declared_so(expected, actual),
        Rule::SameKeys => {
            let asks_for_all = observation.request[2..].iter().any(|word| word == b"*");
            introspection::has_same_keys(expected, actual, asks_for_all)
        }
        Rule::KeysWithFlags => introspection::are_flagged(expected, actual),
        Rule::Lines => clients::has_lines(expected, actual),
        Rule::Refusals => clients::are_refusals(expected, actual),
        Rule::Found => geo::are_found(observation, expected, actual),
        Rule::AnyPlace => introspection::in_order(expected) == introspection::in_order(actual),
        Rule::Ties => introspection::are_ties(observation, expected, actual),
    }
}

/// The hash that a request is about, if its order is not known.
fn disordered<'a>(observation: &'a Observation) -> Option<&'a Hash> {
    let key = observation.request.get(1)?;
    match &observation.model.entry(observation.database, key)?.value {
        Value::Hash(hash) if hash.disordered => Some(hash),
        _ => None,
    }
}

fn is_same_hash(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let (Node::Items(kind, own), Node::Items(other_kind, other)) = (expected, actual) else {
        return false;
    };
    let width = if observation.request[0].eq_ignore_ascii_case(b"HGETALL") {
        2
    } else {
        1
    };
    disordered(observation).is_some()
        && kind == other_kind
        && tuples(own, width) == tuples(other, width)
}

/// The texts of items in groups of `width`, sorted.
fn tuples(items: &[Node], width: usize) -> Option<Vec<Vec<&[u8]>>> {
    let mut tuples: Vec<Vec<&[u8]>> = items
        .chunks(width)
        .map(|tuple| tuple.iter().map(Node::text).collect())
        .collect::<Option<_>>()?;
    tuples.sort_unstable();
    Some(tuples)
}

fn is_element_page(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let key = observation.request.get(1);
    let entry = key.and_then(|key| observation.model.entry(observation.database, key));
    let (of_set, is_table) = match entry.map(|entry| &entry.value) {
        Some(Value::Hash(hash)) if hash.disordered => (false, hash.encoding == HashEncoding::Table),
        Some(Value::Set(set)) if sets::is_loose(observation, set) => (
            true,
            set.encoding == SetEncoding::Table || observation.version < MODELLED,
        ),
        _ => return false,
    };
    let novalues = observation
        .request
        .iter()
        .skip(3)
        .any(|word| word.eq_ignore_ascii_case(b"NOVALUES"));
    let width = if novalues || of_set { 1 } else { 2 };
    let page = |node: &Node| -> Option<(Vec<u8>, Vec<Node>)> {
        let [cursor, page] = node.items()? else {
            return None;
        };
        Some((cursor.text()?.to_vec(), page.items()?.to_vec()))
    };
    let (Some((_, all)), Some((cursor, some))) = (page(expected), page(actual)) else {
        return false;
    };
    let (Some(all), Some(some)) = (tuples(&all, width), tuples(&some, width)) else {
        return false;
    };
    let whole = is_table || (cursor == b"0" && all == some);
    whole && some.iter().all(|tuple| all.contains(tuple))
}

/// As many fields as the model answers with, each with its value, none twice unless that is asked for.
fn are_random_fields(observation: &Observation, expected: &Node, actual: &Node) -> bool {
    let entry = observation
        .request
        .get(1)
        .and_then(|key| observation.model.entry(observation.database, key));
    let Some(Value::Hash(hash)) = entry.map(|entry| &entry.value) else {
        return false;
    };
    let with_values = observation.request.len() == 4;
    let (own, fields) = match (expected, actual) {
        (Node::Items(kind, own), Node::Items(other, items)) if kind == other => {
            let flat = |items: &[Node]| -> Vec<Node> {
                let nested = items.iter().map(|item| match item {
                    Node::Items(_, pair) => pair.clone(),
                    text => vec![text.clone()],
                });
                nested.flatten().collect()
            };
            (own.len(), (items.len(), flat(items)))
        }
        (Node::Blob(..), Node::Blob(..)) => (1, (1, vec![actual.clone()])),
        _ => return false,
    };
    let (count, fields) = fields;
    let Some(mut pairs) = tuples(&fields, if with_values { 2 } else { 1 }) else {
        return false;
    };
    let known = pairs.iter().all(|pair| {
        let field = hash.find(pair[0]);
        field.is_some_and(|field| pair.get(1).is_none_or(|value| *value == field.value))
    });
    let drawn = pairs.len();
    pairs.dedup();
    let repeats = observation
        .request
        .get(2)
        .is_some_and(|count| count.starts_with(b"-"));
    count == own && known && (repeats || pairs.len() == drawn)
}

/// A text, or a status, of as many hexadecimal digits as the other has bytes.
fn is_digits(expected: &Node, actual: &Node) -> bool {
    match (expected, actual) {
        (Node::Blob(kind, own), Node::Blob(other, theirs))
        | (Node::Line(kind, own), Node::Line(other, theirs)) => {
            let digits = theirs.iter().all(u8::is_ascii_hexdigit);
            kind == other && own.len() == theirs.len() && digits
        }
        _ => false,
    }
}

/// The pairs of a map, or of the flat array it is in RESP2, sorted.
fn pairs(node: &Node) -> Option<(u8, Vec<&[Node]>)> {
    let Node::Items(kind, items) = node else {
        return None;
    };
    let mut pairs: Vec<&[Node]> = items.chunks(2).collect();
    pairs.sort();
    Some((*kind, pairs))
}

fn sorted(node: &Node) -> Option<Vec<&[u8]>> {
    let mut items: Vec<&[u8]> = node
        .items()?
        .iter()
        .map(Node::text)
        .collect::<Option<_>>()?;
    items.sort_unstable();
    Some(items)
}

/// The cursor and the keys of a reply to SCAN.
pub fn scan_page(reply: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let node = parse(reply)?;
    let [cursor, page] = node.items()? else {
        return None;
    };
    let keys = page
        .items()?
        .iter()
        .map(|key| key.text().map(<[u8]>::to_vec));
    let cursor = cursor.text()?.to_vec();
    let is_number = !cursor.is_empty() && cursor.iter().all(u8::is_ascii_digit);
    is_number.then_some((cursor, keys.collect::<Option<_>>()?))
}

fn is_part_of_page(expected: &[u8], actual: &[u8]) -> bool {
    match (scan_page(expected), scan_page(actual)) {
        (Some((_, all)), Some((_, page))) => page.iter().all(|key| all.contains(key)),
        _ => false,
    }
}

fn is_clock(observation: &Observation, actual: &Node) -> bool {
    let numbers: Option<Vec<i64>> = actual.items().and_then(|items| {
        let texts = items
            .iter()
            .map(|item| std::str::from_utf8(item.text()?).ok());
        texts.map(|text| text?.parse().ok()).collect()
    });
    match numbers.as_deref() {
        Some(&[seconds, microseconds]) => {
            let at_ms = seconds * 1000 + microseconds / 1000;
            (observation.before_ms..=observation.after_ms).contains(&at_ms)
                && (0..1_000_000).contains(&microseconds)
        }
        _ => false,
    }
}

/// A greeting without the values that differ between servers.
fn masked(greeting: &Node) -> Option<Vec<&Node>> {
    let mut kept = Vec::new();
    for pair in greeting.items()?.chunks(2) {
        kept.push(&pair[0]);
        if !matches!(pair[0].text(), Some(b"version" | b"id")) {
            kept.push(&pair[1]);
        }
    }
    Some(kept)
}

/// A help must begin and end alike and have something between.
fn has_frame(expected: &Node, actual: &Node) -> bool {
    match (expected.items(), actual.items()) {
        (Some(frame), Some(lines)) => {
            let statuses = lines.iter().all(|line| matches!(line, Node::Line(b'+', _)));
            statuses
                && lines.len() > frame.len()
                && lines[0] == frame[0]
                && lines.ends_with(&frame[1..])
        }
        _ => false,
    }
}
