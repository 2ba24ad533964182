//! Rows of what a server answers about itself.

use proptest::prelude::*;

use super::arguments::*;
use super::{Argument, Arguments, Needs, Row, row};

pub const ROWS: &[Row] = &[
    row("latency|history", 1, || one(word(&["command", "nothing"]))),
    row("latency|latest", 1, none),
    row("latency|reset", 1, || {
        some(vec![one(word(&["command"]))], 1)
    }),
    row("lolwut", 1, none),
    row("memory|usage", 1, memory_usage),
    row("module|list", 1, none),
    row("role", 1, none),
    row("slowlog|get", 1, || some(vec![one(small(-2..5))], 2)),
    row("slowlog|len", 1, none),
    row("slowlog|reset", 1, none),
    row("time", 1, none),
    row("wait", 1, wait),
    row("waitaof", 1, waitaof),
    Row {
        command: "checkpoint",
        weight: 1,
        arguments: none,
        needs: Needs::Checkpoint,
    },
];

fn memory_usage() -> Arguments {
    let samples = option(&["SAMPLES"], small(-1..5));
    sequence(vec![
        one(key()),
        some(vec![samples, one(word(&["FOO"]))], 1),
    ])
}

/// Timeouts of a millisecond, and errors.
fn timeout() -> One {
    proptest::sample::select(vec!["1", "-1", "abc", "9223372036854775807"])
        .prop_map(Argument::text)
        .boxed()
}

/// Waits that end at once or are errors. A timeout of zero would wait for ever.
fn wait() -> Arguments {
    let replicas = prop_oneof![4 => small(0..1), 1 => small(-1..1)];
    prop_oneof![
        all(vec![replicas.boxed(), Just(Argument::text("1")).boxed()]),
        all(vec![Just(Argument::text("0")).boxed(), timeout()]),
    ]
    .boxed()
}

fn waitaof() -> Arguments {
    all(vec![
        small(-1..3),
        small(-1..1),
        Just(Argument::text("1")).boxed(),
    ])
}
