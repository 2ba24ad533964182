//! Rows of the commands on sets.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Request, Row, Step, row};

pub const ROWS: &[Row] = &[
    row("sadd", 12, add),
    row("srem", 4, || sequence(vec![one(key()), members()])),
    row("sismember", 2, || all(vec![key(), member()])),
    row("smismember", 2, || sequence(vec![one(key()), members()])),
    row("scard", 2, || one(key())),
    row("smembers", 4, || one(key())),
    row("smove", 4, || all(vec![key(), key(), member()])),
    row("srandmember", 3, random),
    row("spop", 4, random),
    row("sscan", 4, scan),
    row("sinter", 4, keys),
    row("sunion", 4, keys),
    row("sdiff", 4, keys),
    row("sinterstore", 3, || sequence(vec![one(key()), keys()])),
    row("sunionstore", 3, || sequence(vec![one(key()), keys()])),
    row("sdiffstore", 3, || sequence(vec![one(key()), keys()])),
    row("sintercard", 4, card),
];

/// One of a few members: integers, words, and what almost is an integer.
fn member() -> One {
    let words = [
        "a",
        "b",
        "c",
        "d",
        "foo",
        "1",
        "2",
        "3",
        "10",
        "-5",
        "-0",
        "01",
        "",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
    ];
    let mut members: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    members.push(b"\x00\xff\r\n".to_vec());
    members.push(vec![b'm'; 64]);
    members.push(vec![b'm'; 65]);
    members.push(vec![b'm'; 700]);
    prop_oneof![
        4 => select(members[5..10].to_vec()),
        6 => select(members[..10].to_vec()),
        1 => select(members),
    ]
    .prop_map(Argument::Bytes)
    .boxed()
}

fn members() -> Arguments {
    collection::vec(member(), 1..4).boxed()
}

fn add() -> Arguments {
    let integer = (-20_i64..40).prop_map(|number| Argument::text(&number.to_string()));
    let members = prop_oneof![
        16 => members(),
        8 => collection::vec(integer, 1..6).boxed(),
        1 => many("", 100..140),
        1 => many("", 510..520),
        1 => many("f", 20..60),
        1 => many("f", 126..132),
    ];
    sequence(vec![one(key()), members.boxed()])
}

/// So many members.
fn many(prefix: &'static str, count: std::ops::Range<usize>) -> Arguments {
    count
        .prop_map(move |count| {
            let names = (0..count).map(|number| Argument::text(&format!("{prefix}{number}")));
            names.collect()
        })
        .boxed()
}

fn random() -> Arguments {
    let count = prop_oneof![
        6 => select(vec!["0", "1", "2", "3", "5", "30", "100", "-1", "-5", "-30"]),
        1 => select(vec!["9223372036854775807", "-9223372036854775808", "x", "1.5", ""]),
    ]
    .prop_map(Argument::text)
    .boxed();
    let counted = all(vec![key(), count.clone()]);
    prop_oneof![
        3 => one(key()),
        3 => counted.clone(),
        1 => sequence(vec![counted, one(count)]),
    ]
    .boxed()
}

fn scan() -> Arguments {
    element_scan(member())
}

fn card() -> Arguments {
    let number = prop_oneof![
        12 => Just(None),
        1 => select(vec!["0", "-1", "1", "2", "9", "x", "", "9223372036854775807"]).prop_map(Some),
    ];
    let limit = some(
        vec![option(&["LIMIT"], small(-2..4)), one(word(&["FOO"]))],
        1,
    );
    (number, keys(), limit)
        .prop_map(|(number, keys, limit)| {
            let count = keys.len().to_string();
            let number = Argument::text(number.unwrap_or(&count));
            [vec![number], keys, limit].concat()
        })
        .boxed()
}

/// A walk over a set that Redis calls a hash table.
pub fn whole_scan() -> BoxedStrategy<Step> {
    const KEY: &str = "b";
    let options = element_scan_choices();
    element_walk(
        "SSCAN",
        KEY,
        "SADD b",
        many("f", 10..150),
        options,
        changes(KEY),
    )
}

/// Simple changes of one set, to run between the pages of its SSCAN.
fn changes(key: &'static str) -> BoxedStrategy<Request> {
    let word = |text: &'static str| Just(Argument::text(text)).boxed();
    let some_of_many = |command: &'static str| {
        (0..150_u32).prop_map(move |number| {
            [command, key, &format!("f{number}")]
                .map(Argument::text)
                .to_vec()
        })
    };
    prop_oneof![
        all(vec![word("SADD"), word(key), member()]),
        some_of_many("SREM"),
        some_of_many("SADD"),
    ]
    .boxed()
}
