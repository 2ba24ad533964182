//! Rows of the string commands.

use proptest::collection;
use proptest::prelude::*;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("set", 14, set),
    row("get", 10, || one(key())),
    row("getex", 4, getex),
    row("getdel", 2, || one(key())),
    row("getset", 2, key_and_value),
    row("setnx", 2, key_and_value),
    row("setex", 2, || all(vec![key(), seconds(), value()])),
    row("psetex", 2, || all(vec![key(), milliseconds(), value()])),
    row("mset", 3, pairs),
    row("mget", 2, keys),
    row("msetnx", 2, pairs),
    row("append", 4, key_and_value),
    row("strlen", 2, || one(key())),
    row("getrange", 4, || {
        all(vec![key(), small(-30..30), small(-30..30)])
    }),
    row("substr", 1, || {
        all(vec![key(), small(-30..30), small(-30..30)])
    }),
    row("setrange", 4, setrange),
    row("incr", 4, || one(key())),
    row("decr", 3, || one(key())),
    row("incrby", 3, || all(vec![key(), integer()])),
    row("decrby", 3, || all(vec![key(), integer()])),
    row("incrbyfloat", 8, || all(vec![key(), float()])),
    row("lcs", 3, lcs),
];

fn key_and_value() -> Arguments {
    all(vec![key(), value()])
}

fn pairs() -> Arguments {
    collection::vec((key(), value()), 1..4)
        .prop_map(|pairs| {
            pairs
                .into_iter()
                .flat_map(|(key, value)| [key, value])
                .collect()
        })
        .boxed()
}

fn expiry_options() -> Vec<Arguments> {
    vec![
        option(&["EX"], seconds()),
        option(&["PX"], milliseconds()),
        option(&["EXAT"], seconds_at()),
        option(&["PXAT"], milliseconds_at()),
    ]
}

fn set() -> Arguments {
    let mut options = expiry_options();
    options.extend([
        one(word(&["NX"])),
        one(word(&["XX"])),
        one(word(&["GET"])),
        one(word(&["KEEPTTL"])),
        one(word(&["PERSIST", "FOO", ""])),
    ]);
    let plain = key_and_value();
    let with_options = sequence(vec![key_and_value(), some(options, 3)]);
    prop_oneof![plain, with_options].boxed()
}

fn getex() -> Arguments {
    let mut options = expiry_options();
    options.extend([
        one(word(&["PERSIST"])),
        one(word(&["KEEPTTL", "NX", "FOO"])),
    ]);
    sequence(vec![one(key()), some(options, 2)])
}

fn setrange() -> Arguments {
    let offset = prop_oneof![
        6 => small(-2..40),
        1 => small(4000..9000),
        1 => proptest::sample::select(vec!["536870912", "536870913", "9223372036854775807"]).prop_map(Argument::text),
    ];
    all(vec![key(), offset.boxed(), value()])
}

fn lcs() -> Arguments {
    let options = vec![
        one(word(&["LEN"])),
        one(word(&["IDX"])),
        one(word(&["WITHMATCHLEN"])),
        option(&["MINMATCHLEN"], small(-1..5)),
        one(word(&["FOO"])),
    ];
    sequence(vec![all(vec![key(), key()]), some(options, 3)])
}
