//! Rows of the commands on hashes.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Request, Row, Step, row};

pub const ROWS: &[Row] = &[
    row("hset", 10, set),
    row("hsetnx", 3, || all(vec![key(), field(), value()])),
    row("hmset", 2, set),
    row("hget", 4, || all(vec![key(), field()])),
    row("hmget", 3, || sequence(vec![one(key()), fields()])),
    row("hgetall", 3, || one(key())),
    row("hkeys", 2, || one(key())),
    row("hvals", 2, || one(key())),
    row("hlen", 3, || one(key())),
    row("hexists", 2, || all(vec![key(), field()])),
    row("hstrlen", 2, || all(vec![key(), field()])),
    row("hdel", 5, || sequence(vec![one(key()), fields()])),
    row("hincrby", 3, || all(vec![key(), field(), integer()])),
    row("hincrbyfloat", 3, || all(vec![key(), field(), float()])),
    row("hrandfield", 3, random),
    row("hscan", 4, scan),
    row("hexpire", 3, || expire(seconds())),
    row("hpexpire", 4, || expire(milliseconds())),
    row("hexpireat", 3, || expire(seconds_at())),
    row("hpexpireat", 4, || expire(milliseconds_at())),
    row("httl", 2, of_fields),
    row("hpttl", 2, of_fields),
    row("hexpiretime", 2, of_fields),
    row("hpexpiretime", 2, of_fields),
    row("hpersist", 4, of_fields),
];

/// The name of one of a few fields.
pub fn field() -> One {
    let mut names: Vec<Vec<u8>> = ["f1", "f2", "f3", "f10", "field", "7", "", "*"]
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    names.push(b"\x00\xff\r\n".to_vec());
    names.push(vec![b'n'; 65]);
    names.push(vec![b'n'; 700]);
    prop_oneof![
        6 => select(names[..5].to_vec()),
        1 => select(names),
    ]
    .prop_map(Argument::Bytes)
    .boxed()
}

fn fields() -> Arguments {
    collection::vec(field(), 1..4).boxed()
}

/// Short values, which leave a hash small, and all the others.
fn text() -> One {
    prop_oneof![
        5 => select(vec!["a", "bc", "12", "-3", "1.5", ""]).prop_map(Argument::text),
        1 => value(),
    ]
    .boxed()
}

fn set() -> Arguments {
    let pair = (field(), text()).prop_map(|(field, value)| vec![field, value]);
    let pairs = prop_oneof![
        30 => collection::vec(pair, 1..4).prop_map(|pairs| pairs.concat()),
        1 => many(20..60),
        1 => many(500..520),
    ];
    sequence(vec![one(key()), pairs.boxed()])
}

/// So many fields, each with a value.
fn many(count: std::ops::Range<usize>) -> Arguments {
    count
        .prop_map(|count| {
            let names = (0..count).flat_map(|number| {
                [
                    Argument::text(&format!("f{number}")),
                    Argument::text(&format!("value {number}")),
                ]
            });
            names.collect()
        })
        .boxed()
}

fn random() -> Arguments {
    let count = prop_oneof![
        6 => select(vec!["0", "1", "2", "5", "100", "-1", "-5", "-30"]),
        1 => select(vec!["9223372036854775807", "-9223372036854775808", "4611686018427387904", "x", "1.5", ""]),
    ]
    .prop_map(Argument::text)
    .boxed();
    let counted = all(vec![key(), count.clone()]);
    prop_oneof![
        2 => one(key()),
        2 => counted.clone(),
        2 => sequence(vec![counted.clone(), one(word(&["WITHVALUES"]))]),
        1 => sequence(vec![counted, one(word(&["FOO"]))]),
    ]
    .boxed()
}

fn scan() -> Arguments {
    element_scan(field())
}

/// FIELDS, a number that mostly fits, and fields.
fn named_fields() -> Arguments {
    let number = prop_oneof![
        20 => Just(None),
        1 => select(vec!["0", "-1", "1", "2", "x", "", "9223372036854775807"]).prop_map(Some),
    ];
    let keyword = prop_oneof![20 => word(&["FIELDS"]), 1 => word(&["FIELD", "NX"])];
    (keyword, number, fields())
        .prop_map(|(keyword, number, fields)| {
            let count = fields.len().to_string();
            let number = Argument::text(number.unwrap_or(&count));
            [vec![keyword, number], fields].concat()
        })
        .boxed()
}

fn of_fields() -> Arguments {
    sequence(vec![one(key()), named_fields()])
}

fn expire(amount: One) -> Arguments {
    let condition = some(vec![one(word(&["NX", "XX", "GT", "LT", "XX", "FOO"]))], 1);
    sequence(vec![all(vec![key(), amount]), condition, named_fields()])
}

/// A walk over a hash that Redis calls a hash table.
pub fn whole_scan() -> BoxedStrategy<Step> {
    const KEY: &str = "b";
    let mut options = element_scan_choices();
    options.push(one(word(&["NOVALUES"])));
    element_walk(
        "HSCAN",
        KEY,
        "HSET b long",
        many(10..60),
        options,
        changes(KEY),
    )
}

/// Simple changes of one hash, to run between the pages of its HSCAN.
fn changes(key: &'static str) -> BoxedStrategy<Request> {
    let word = |text: &'static str| Just(Argument::text(text)).boxed();
    prop_oneof![
        all(vec![word("HSET"), word(key), field(), text()]),
        all(vec![word("HDEL"), word(key), field()]),
        all(vec![word("HINCRBY"), word(key), field(), word("1")]),
        (0..60_u32).prop_map(move |number| {
            ["HDEL", key, &format!("f{number}")]
                .map(Argument::text)
                .to_vec()
        }),
    ]
    .boxed()
}
