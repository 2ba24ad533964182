//! Rows of the commands on keys and databases.

use proptest::prelude::*;

use super::arguments::*;
use super::{Argument, Arguments, Request, Row, row};

pub const ROWS: &[Row] = &[
    row("del", 4, keys),
    row("unlink", 2, keys),
    row("exists", 3, keys),
    row("type", 2, || one(key())),
    row("touch", 2, keys),
    row("keys", 3, || one(pattern())),
    row("scan", 4, scan),
    row("randomkey", 2, none),
    row("rename", 4, || all(vec![key(), key()])),
    row("renamenx", 3, || all(vec![key(), key()])),
    row("copy", 4, copy),
    row("move", 3, || all(vec![key(), database()])),
    row("swapdb", 2, || all(vec![database(), database()])),
    row("dbsize", 3, none),
    row("flushdb", 1, flush),
    row("flushall", 1, flush),
    row("expire", 5, || expire(seconds())),
    row("pexpire", 5, || expire(milliseconds())),
    row("expireat", 4, || expire(seconds_at())),
    row("pexpireat", 4, || expire(milliseconds_at())),
    row("ttl", 3, || one(key())),
    row("pttl", 3, || one(key())),
    row("expiretime", 3, || one(key())),
    row("pexpiretime", 3, || one(key())),
    row("persist", 3, || one(key())),
    row("dump", 3, || one(key())),
    row("restore", 4, restore),
    row("restore-asking", 1, restore),
    row("object|encoding", 5, || one(key())),
    row("object|refcount", 2, || one(key())),
    row("object|idletime", 1, || one(key())),
    row("object|freq", 1, || one(key())),
    row("object|help", 1, none),
    row("object|nothing", 1, || one(key())),
];

fn pattern() -> One {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "*", "user:*", "user:?", "user:1?", "[a-c]", "[^a-c]", "[c-a]", "\\*", "[]x]", "[\\]x]", "?", "??", "a",
            "", "**", "*r:*1*", "[x", "[", "[^", "\\", "l*x", "*l*l*x", "[a-", "[^]", "?*?",
        ])
        .prop_map(Argument::text),
        1 => key(),
    ]
    .boxed()
}

fn scan_choices() -> Vec<Arguments> {
    let fixed = |words: &[&str]| {
        Just(
            words
                .iter()
                .map(|word| Argument::text(word))
                .collect::<Vec<_>>(),
        )
        .boxed()
    };
    vec![
        fixed(&["COUNT", "1"]),
        fixed(&["count", "100"]),
        all(vec![word(&["MATCH"]), pattern()]),
        fixed(&["TYPE", "string"]),
        fixed(&["type", "LIST"]),
        fixed(&["TYPE", "hash"]),
        fixed(&["TYPE", "nonsense"]),
    ]
}

/// Options of a SCAN that goes through.
pub fn scan_options() -> BoxedStrategy<Request> {
    some(scan_choices(), 2)
}

fn scan() -> Arguments {
    let mut choices = scan_choices();
    choices.extend([
        option(&["COUNT"], small(-2..3)),
        option(&["MATCH"], pattern()),
        option(&["TYPE"], key()),
        one(word(&["NOVALUES"])),
        one(word(&["FOO"])),
    ]);
    let cursor = prop_oneof![
        5 => Just("0"),
        1 => proptest::sample::select(vec!["abc", "", "-1", "1.5", "18446744073709551616", "0x1"]),
    ];
    sequence(vec![
        one(cursor.prop_map(Argument::text).boxed()),
        some(choices, 3),
    ])
}

fn copy() -> Arguments {
    let options = vec![
        one(word(&["REPLACE"])),
        option(&["DB"], database()),
        one(word(&["FOO"])),
    ];
    sequence(vec![all(vec![key(), key()]), some(options, 2)])
}

fn flush() -> Arguments {
    prop_oneof![
        none(),
        one(word(&["SYNC", "ASYNC", "FOO"])),
        all(vec![word(&["SYNC"]), word(&["ASYNC"])])
    ]
    .boxed()
}

fn expire(amount: One) -> Arguments {
    let conditions = some(
        vec![one(word(&[
            "NX", "XX", "GT", "LT", "XX", "GT", "LT", "FOO", "FOO\r\n",
        ]))],
        2,
    );
    let amount = all(vec![key(), amount]);
    prop_oneof![1 => amount.clone(), 1 => sequence(vec![amount, conditions])].boxed()
}

fn restore() -> Arguments {
    let dump = prop_oneof![
        12 => (0..1000_usize).prop_map(Argument::Dump),
        1 => value(),
    ];
    let ttl = prop_oneof![
        4 => Just(Argument::text("0")),
        2 => milliseconds(),
        1 => milliseconds_at(),
    ];
    let options = vec![
        one(word(&["REPLACE"])),
        one(word(&["REPLACE"])),
        one(word(&["ABSTTL", "FOO"])),
        option(&["IDLETIME", "FREQ"], small(-1..300)),
    ];
    sequence(vec![
        all(vec![key(), ttl.boxed(), dump.boxed()]),
        some(options, 3),
    ])
}

/// Simple changes, to run between the pages of a SCAN or without a reply.
pub fn changes() -> BoxedStrategy<Request> {
    let name = |text: &'static str| Just(Argument::text(text)).boxed();
    prop_oneof![
        all(vec![name("SET"), key(), value()]),
        all(vec![name("DEL"), key()]),
        all(vec![name("RENAME"), key(), key()]),
        all(vec![name("APPEND"), key(), value()]),
    ]
    .boxed()
}
