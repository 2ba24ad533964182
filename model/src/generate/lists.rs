//! Rows of the list commands.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("lpush", 5, push),
    row("rpush", 7, push),
    row("lpushx", 2, push),
    row("rpushx", 2, push),
    row("lpop", 4, pop),
    row("rpop", 4, pop),
    row("llen", 2, || one(key())),
    row("lrange", 5, || all(vec![key(), index(), index()])),
    row("lindex", 3, || all(vec![key(), index()])),
    row("lset", 5, || all(vec![key(), index(), element()])),
    row("linsert", 6, linsert),
    row("lrem", 3, || all(vec![key(), small(-3..4), element()])),
    row("ltrim", 3, || all(vec![key(), index(), index()])),
    row("lpos", 4, lpos),
    row("lmove", 5, || all(vec![key(), key(), side(), side()])),
    row("rpoplpush", 3, || all(vec![key(), key()])),
    row("lmpop", 3, || sequence(vec![wish(), count()])),
    row("blpop", 1, blpop),
    row("brpop", 1, blpop),
    row("blmove", 1, || {
        all(vec![key(), key(), side(), side(), timeout()])
    }),
    row("brpoplpush", 1, || all(vec![key(), key(), timeout()])),
    row("blmpop", 1, || {
        sequence(vec![one(timeout()), wish(), count()])
    }),
];

/// An element: often one that is there already, so that it is found.
fn element() -> One {
    prop_oneof![
        6 => word(&["X", "Y", "Z"]),
        2 => small(-2..4),
        2 => value(),
    ]
    .boxed()
}

fn push() -> Arguments {
    // Many elements make a large list of a short sequence.
    let many = collection::vec(prop_oneof![8 => element(), 1 => padded()], 20..120);
    let few = collection::vec(prop_oneof![4 => element(), 1 => padded()], 1..4);
    let elements = prop_oneof![6 => few, 1 => many].boxed();
    sequence(vec![one(key()), elements])
}

/// Texts around the lengths at which an entry or a node of Redis changes.
fn padded() -> One {
    let lengths = vec![
        1_usize, 62, 63, 64, 124, 125, 127, 128, 500, 1000, 4095, 4096, 8180, 8192, 8193,
    ];
    select(lengths)
        .prop_map(|length| Argument::Bytes(vec![b'p'; length]))
        .boxed()
}

fn pop() -> Arguments {
    prop_oneof![
        2 => one(key()),
        1 => all(vec![key(), small(-1..6)]),
        1 => all(vec![key(), small(0..150)]),
    ]
    .boxed()
}

fn index() -> One {
    prop_oneof![3 => small(-5..6), 1 => small(-120..120)].boxed()
}

fn side() -> One {
    prop_oneof![
        8 => word(&["LEFT", "RIGHT"]),
        1 => word(&["UP", ""]),
    ]
    .boxed()
}

fn linsert() -> Arguments {
    let place = prop_oneof![
        8 => word(&["BEFORE", "AFTER"]),
        1 => word(&["BESIDE"]),
    ];
    let new = prop_oneof![3 => element(), 1 => padded()];
    all(vec![key(), place.boxed(), element(), new.boxed()])
}

fn lpos() -> Arguments {
    let options = vec![
        option(&["RANK"], small(-3..4)),
        option(&["COUNT"], small(-1..4)),
        option(&["MAXLEN"], small(-1..6)),
        one(word(&["FOO"])),
    ];
    sequence(vec![all(vec![key(), element()]), some(options, 2)])
}

/// A number of keys, which is mostly right, the keys, a side.
fn wish() -> Arguments {
    let number = prop_oneof![6 => Just(0_i64), 1 => -3_i64..3];
    (keys(), side(), number)
        .prop_map(|(keys, side, off)| {
            let number = keys.len() as i64 + off;
            let mut words = vec![Argument::text(&number.to_string())];
            words.extend(keys);
            words.push(side);
            words
        })
        .boxed()
}

fn count() -> Arguments {
    some(
        vec![
            option(&["COUNT"], small(-1..5)),
            option(&["COUNT"], small(1..100)),
        ],
        2,
    )
}

/// Waits of a few milliseconds and for ever, and errors.
pub fn timeout() -> One {
    let timeouts = vec![
        "0.001", "1e-3", ".003", "0.1", "100", "0", "0", "0.0", "-0", "-1", "-0.5", "abc", "",
        "1e5000", "1e300", "inf", "-inf", "0x",
    ];
    select(timeouts).prop_map(Argument::text).boxed()
}

fn blpop() -> Arguments {
    sequence(vec![keys(), one(timeout())])
}
