//! Rows of streams.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

/// An idle time that no entry has reached unless it was made old by XCLAIM, in milliseconds.
const LONG_IDLE_MS: &str = "1000000";
/// How old XCLAIM makes entries, in milliseconds.
const OLD_MS: i64 = 5_000_000;

pub const ROWS: &[Row] = &[
    row("xadd", 16, xadd),
    row("xlen", 2, || one(stream())),
    row("xrange", 4, || range(id_bound(), id_bound())),
    row("xrevrange", 3, || range(id_bound(), id_bound())),
    row("xread", 5, || read(false)),
    row("xdel", 4, || sequence(vec![one(stream()), ids()])),
    row("xtrim", 3, || sequence(vec![one(stream()), trimming()])),
    row("xsetid", 2, xsetid),
    row("xgroup|create", 6, create),
    row("xgroup|setid", 2, set_group),
    row("xgroup|destroy", 1, || all(vec![stream(), group()])),
    row("xgroup|createconsumer", 2, || {
        all(vec![stream(), group(), consumer()])
    }),
    row("xgroup|delconsumer", 1, || {
        all(vec![stream(), group(), consumer()])
    }),
    row("xgroup|help", 1, none),
    row("xreadgroup", 10, || read(true)),
    row("xack", 4, || {
        sequence(vec![all(vec![stream(), group()]), ids()])
    }),
    row("xpending", 5, pending),
    row("xclaim", 5, claim),
    row("xautoclaim", 4, autoclaim),
    row("xinfo|stream", 5, info),
    row("xinfo|groups", 2, || one(stream())),
    row("xinfo|consumers", 2, || all(vec![stream(), group()])),
    row("xinfo|help", 1, none),
    row("xinfo|nothing", 1, || one(stream())),
];

fn text(words: &'static [&'static str]) -> One {
    select(words).prop_map(Argument::text).boxed()
}

/// Few keys, so that requests meet.
fn stream() -> One {
    prop_oneof![6 => text(&["s"]), 3 => text(&["t"]), 1 => key()].boxed()
}

fn group() -> One {
    prop_oneof![8 => text(&["g"]), 3 => text(&["h"]), 1 => text(&[""]), 1 => text(&["no\r\nsuch\0group"])].boxed()
}

fn consumer() -> One {
    text(&[
        "c",
        "c",
        "d",
        "d",
        "",
        "a consumer with a name that is longer than most",
    ])
}

/// An ID that is given in full.
fn id() -> One {
    prop_oneof![
        8 => (1_u64..4, 0_u64..8).prop_map(|(ms, seq)| Argument::text(&format!("{ms}-{seq}"))),
        2 => text(&["1", "2", "3", "0", "0-0", "0-1"]),
        1 => text(&["99999999999999-0", "18446744073709551615-18446744073709551615", "18446744073709551615-0"]),
        1 => text(&["-", "+", "$", ">", "*", "", "1-", "-1", "1-1-1", "1-x", "x-1", "1-*", "18446744073709551616", "1.5"]),
    ]
    .boxed()
}

fn ids() -> Arguments {
    collection::vec(id(), 1..4).boxed()
}

fn id_bound() -> One {
    let open = id().prop_map(|id| match id {
        Argument::Bytes(bytes) => Argument::Bytes([b"(".to_vec(), bytes].concat()),
        other => other,
    });
    prop_oneof![3 => text(&["-"]), 3 => text(&["+"]), 3 => id(), 2 => open].boxed()
}

fn count() -> One {
    prop_oneof![6 => text(&["1", "2", "3", "10"]), 1 => text(&["0", "-1"]), 1 => small(0..3)]
        .boxed()
}

/// Where the next entry goes. The clock's IDs are on a key of their own: what they leave no room for is small.
fn place() -> Arguments {
    let made = text(&["1-*", "1-*", "1-*", "1-*", "2-*", "2-*", "3-*"]);
    let far = text(&["*", "*", "*", "99999999999999-*", "99999999999999-1"]);
    prop_oneof![
        8 => all(vec![text(&["s"]), made.clone()]),
        3 => all(vec![stream(), id()]),
        2 => all(vec![text(&["t"]), far]),
        1 => all(vec![key(), made]),
    ]
    .boxed()
}

fn pairs() -> Arguments {
    let field = text(&["f", "f", "f", "field", "12"]);
    let long = (0_u8..5, select(vec![1000_usize, 1500, 5000]))
        .prop_map(|(byte, length)| Argument::Bytes(vec![byte; length]));
    let value = prop_oneof![8 => value(), 2 => long];
    let pair = (field, value).prop_map(|(field, value)| vec![field, value]);
    collection::vec(pair, 1..4)
        .prop_map(|pairs| pairs.concat())
        .boxed()
}

fn trimming() -> Arguments {
    let operator = || some(vec![one(text(&["~", "~", "="]))], 1);
    let limit = some(vec![option(&["LIMIT"], small(0..4))], 1);
    let length = sequence(vec![
        one(word(&["MAXLEN"])),
        operator(),
        one(small(0..8)),
        limit.clone(),
    ]);
    let from = sequence(vec![one(word(&["MINID"])), operator(), one(id()), limit]);
    prop_oneof![
        4 => length.clone(),
        3 => from.clone(),
        1 => sequence(vec![length, from]),
        1 => one(word(&["MAXLEN", "LIMIT", "FOO"])),
    ]
    .boxed()
}

fn xadd() -> Arguments {
    let options = prop_oneof![
        8 => none(),
        2 => trimming(),
        1 => one(word(&["NOMKSTREAM"])),
    ];
    (place(), options, pairs())
        .prop_map(|(place, options, pairs)| {
            let [key, id] = place.try_into().expect("a key and an ID");
            [vec![key], options, vec![id], pairs].concat()
        })
        .boxed()
}

fn xsetid() -> Arguments {
    let choices = vec![
        option(&["ENTRIESADDED"], small(0..20)),
        option(&["MAXDELETEDID"], id()),
        one(word(&["FOO"])),
    ];
    sequence(vec![all(vec![stream(), id()]), some(choices, 2)])
}

fn range(from: One, to: One) -> Arguments {
    let choices = vec![option(&["COUNT"], count())];
    sequence(vec![all(vec![stream(), from, to]), some(choices, 1)])
}

fn read(grouped: bool) -> Arguments {
    let block = prop_oneof![4 => text(&["1", "2", "0", "100", "100000"]), 1 => text(&["-1", "x", "9223372036854775807"])];
    let mut choices = vec![
        option(&["COUNT"], count()),
        option(&["COUNT"], count()),
        option(&["BLOCK"], block.boxed()),
        one(word(&["NOACK"])),
    ];
    let asked = if grouped {
        sequence(vec![one(word(&["GROUP"])), all(vec![group(), consumer()])])
    } else {
        choices.push(one(word(&["FOO"])));
        some(
            vec![sequence(vec![
                one(word(&["GROUP"])),
                all(vec![group(), consumer()]),
            ])],
            0,
        )
    };
    let id = if grouped {
        prop_oneof![5 => text(&[">"]), 3 => text(&["0"]), 1 => id()].boxed()
    } else {
        prop_oneof![3 => text(&["0", "$", "+"]), 3 => id(), 1 => text(&[">"])].boxed()
    };
    let streams = prop_oneof![
        6 => all(vec![stream(), id.clone()]),
        2 => all(vec![stream(), stream(), id.clone(), id.clone()]),
        1 => all(vec![stream(), stream(), id]),
    ];
    sequence(vec![
        asked,
        some(choices, 1),
        one(word(&["STREAMS"])),
        streams.boxed(),
    ])
}

fn last_id() -> One {
    prop_oneof![3 => text(&["0", "$"]), 2 => id()].boxed()
}

fn entries_read() -> Arguments {
    option(
        &["ENTRIESREAD"],
        prop_oneof![3 => small(-2..5), 1 => text(&["-1"])].boxed(),
    )
}

fn create() -> Arguments {
    let choices = vec![
        one(word(&["MKSTREAM"])),
        one(word(&["MKSTREAM"])),
        entries_read(),
        one(word(&["FOO"])),
    ];
    sequence(vec![
        all(vec![stream(), group(), last_id()]),
        some(choices, 2),
    ])
}

fn set_group() -> Arguments {
    sequence(vec![
        all(vec![stream(), group(), last_id()]),
        some(vec![entries_read()], 1),
    ])
}

fn idle() -> One {
    prop_oneof![
        6 => text(&["0"]),
        2 => text(&[LONG_IDLE_MS]),
        1 => text(&["-1", "x"]),
    ]
    .boxed()
}

fn pending() -> Arguments {
    let idle = some(vec![sequence(vec![one(word(&["IDLE"])), one(idle())])], 1);
    let listed = sequence(vec![
        idle,
        all(vec![id_bound(), id_bound(), count()]),
        some(vec![one(consumer())], 1),
    ]);
    let rest = prop_oneof![2 => none(), 5 => listed];
    sequence(vec![all(vec![stream(), group()]), rest.boxed()])
}

fn claim() -> Arguments {
    let moment = prop_oneof![
        Just(Argument::MillisecondsFromNow(-OLD_MS)),
        Just(Argument::MillisecondsFromNow(OLD_MS)),
        text(&["0", "-1", "x"]),
    ];
    let choices = vec![
        one(word(&["FORCE"])),
        one(word(&["JUSTID"])),
        option(&["IDLE"], text(&["0", "5000000", "-1", "x"])),
        option(&["TIME"], moment.boxed()),
        option(&["RETRYCOUNT"], small(-1..9)),
        option(&["LASTID"], id()),
        one(word(&["FOO"])),
    ];
    sequence(vec![
        all(vec![stream(), group(), consumer(), idle()]),
        ids(),
        some(choices, 2),
    ])
}

fn autoclaim() -> Arguments {
    let choices = vec![option(&["COUNT"], count()), one(word(&["JUSTID"]))];
    sequence(vec![
        all(vec![stream(), group(), consumer(), idle(), id_bound()]),
        some(choices, 2),
    ])
}

fn info() -> Arguments {
    let full = sequence(vec![
        one(word(&["FULL", "FULL", "FULL", "FOO"])),
        some(vec![option(&["COUNT"], count())], 1),
    ]);
    let rest = prop_oneof![1 => none(), 2 => full];
    sequence(vec![one(stream()), rest.boxed()])
}
