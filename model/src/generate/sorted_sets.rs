//! Rows of sorted sets.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::lists::timeout;
use super::{Argument, Arguments, Request, Row, Step, row};

pub const ROWS: &[Row] = &[
    row("zadd", 14, zadd),
    row("zincrby", 4, || {
        let option = word(&["NX", "XX", "GT", "LT", "CH", "INCR"]);
        let increment = prop_oneof![15 => score(), 1 => option].boxed();
        all(vec![sorted(), increment, member()])
    }),
    row("zrem", 4, || sequence(vec![one(sorted()), members(1)])),
    row("zcard", 1, || one(sorted())),
    row("zscore", 2, || all(vec![sorted(), member()])),
    row("zmscore", 1, || sequence(vec![one(sorted()), members(1)])),
    row("zrank", 2, rank),
    row("zrevrank", 2, rank),
    row("zcount", 2, || {
        all(vec![sorted(), score_end(), score_end()])
    }),
    row("zlexcount", 2, || all(vec![sorted(), lex_end(), lex_end()])),
    row("zrange", 6, zrange),
    row("zrevrange", 2, || {
        sequence(vec![one(sorted()), ranks(), with_scores()])
    }),
    row("zrangebyscore", 2, by_score),
    row("zrevrangebyscore", 2, by_score),
    row("zrangebylex", 2, by_lex),
    row("zrevrangebylex", 2, by_lex),
    row("zrangestore", 4, || sequence(vec![one(sorted()), zrange()])),
    row("zremrangebyrank", 1, || {
        sequence(vec![one(sorted()), ranks()])
    }),
    row("zremrangebyscore", 1, || {
        all(vec![sorted(), score_end(), score_end()])
    }),
    row("zremrangebylex", 1, || {
        all(vec![sorted(), lex_end(), lex_end()])
    }),
    row("zpopmin", 2, pop),
    row("zpopmax", 2, pop),
    row("zmpop", 2, || sequence(vec![counted(), pop_end()])),
    row("bzpopmin", 1, || {
        sequence(vec![sorted_keys(), one(timeout())])
    }),
    row("bzpopmax", 1, || {
        sequence(vec![sorted_keys(), one(timeout())])
    }),
    row("bzmpop", 1, || {
        sequence(vec![one(timeout()), counted(), pop_end()])
    }),
    row("zunion", 2, || {
        sequence(vec![counted(), weights(), with_scores()])
    }),
    row("zinter", 2, || {
        sequence(vec![counted(), weights(), with_scores()])
    }),
    row("zdiff", 2, || sequence(vec![counted(), with_scores()])),
    row("zunionstore", 2, || {
        sequence(vec![one(sorted()), counted(), weights()])
    }),
    row("zinterstore", 2, || {
        sequence(vec![one(sorted()), counted(), weights()])
    }),
    row("zdiffstore", 2, || sequence(vec![one(sorted()), counted()])),
    row("zscan", 3, scan),
    row("zrandmember", 3, random),
    row("zintercard", 2, || {
        sequence(vec![
            counted(),
            some(vec![option(&["LIMIT"], small(-1..4))], 1),
        ])
    }),
];

/// A key, mostly one of those that hold sorted sets.
fn sorted() -> One {
    let keys = select(vec!["z1", "z2", "z3"]).prop_map(Argument::text);
    prop_oneof![6 => keys, 1 => key()].boxed()
}

fn sorted_keys() -> Arguments {
    collection::vec(sorted(), 1..4).boxed()
}

/// The number of the keys that follow, mostly right.
fn counted() -> Arguments {
    let numbers = prop_oneof![
        12 => Just(0_i64),
        1 => select(vec![-4_i64, -1, 1, 7]),
    ];
    (sorted_keys(), numbers)
        .prop_map(|(keys, off)| {
            let count = keys.len() as i64 + off;
            [vec![Argument::text(&count.to_string())], keys].concat()
        })
        .boxed()
}

fn member_bytes() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        12 => select(vec!["a", "b", "c", "d", "e", "aa", "b1"]).prop_map(|text| text.as_bytes().to_vec()),
        4 => (0_u32..40).prop_map(|number| format!("member:{number}").into_bytes()),
        2 => (-3_i64..200).prop_map(|number| number.to_string().into_bytes()),
        1 => select(vec![0_usize, 63, 64, 65, 300]).prop_map(|length| vec![b'm'; length]),
        1 => Just(b"\x00\xff\r\n".to_vec()),
    ]
    .boxed()
}

pub fn member() -> One {
    member_bytes().prop_map(Argument::Bytes).boxed()
}

fn members(least: usize) -> Arguments {
    collection::vec(member(), least..5).boxed()
}

fn score_text() -> BoxedStrategy<String> {
    let special = vec![
        "inf",
        "-inf",
        "+Inf",
        "infinity",
        "-0",
        "-0.0",
        "0.1",
        "0.30000000000000004",
        "1e300",
        "-1e300",
        "1e17",
        "123456789.01234567",
        "3e-5",
        "1.5e-7",
        "5e-324",
        "9007199254740993",
        "4611686018427387905",
        "1e19",
        "0x10",
        "0x1.8p1",
        ".5",
        "5.",
        "+7",
    ];
    let bad = vec![
        "", "abc", " 1", "1 ", "nan", "-nan", "1e400", "1e-400", "0x", "1..2", "1\0",
    ];
    prop_oneof![
        12 => (-4_i32..5).prop_map(|number| number.to_string()),
        3 => (-1_000_000_i64..1_000_000, 0_i32..6).prop_map(|(digits, point)| format!("{}", digits as f64 / 10_f64.powi(point))),
        2 => any::<f64>().prop_filter("a number", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        3 => select(special).prop_map(str::to_owned),
        1 => select(bad).prop_map(str::to_owned),
    ]
    .boxed()
}

fn score() -> One {
    score_text().prop_map(|text| Argument::text(&text)).boxed()
}

fn score_end() -> One {
    let ends = prop_oneof![
        4 => score_text(),
        2 => select(vec!["-inf", "+inf"]).prop_map(str::to_owned),
        1 => select(vec!["", " 2", "1\0x", "1e400", "((1", "1("]).prop_map(str::to_owned),
    ];
    (ends, 0..3)
        .prop_map(|(text, dice)| Argument::text(&if dice == 0 { format!("({text}") } else { text }))
        .boxed()
}

fn lex_end() -> One {
    let named = (select(vec![b'[', b'(']), member_bytes())
        .prop_map(|(sign, member)| [vec![sign], member].concat());
    let ends = prop_oneof![
        2 => Just(b"-".to_vec()),
        2 => Just(b"+".to_vec()),
        6 => named,
        1 => member_bytes(),
        1 => select(vec!["--", "+a", "[", "(", "-\0a"]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    ends.prop_map(Argument::Bytes).boxed()
}

fn pairs(range: std::ops::Range<usize>) -> Arguments {
    collection::vec((score(), member()), range)
        .prop_map(|pairs| {
            pairs
                .into_iter()
                .flat_map(|(score, member)| [score, member])
                .collect()
        })
        .boxed()
}

/// So many members that the set is no small one any more, with one score or several.
fn many() -> Arguments {
    (
        0_usize..60,
        select(vec![1_usize, 7]),
        select(vec![20_usize, 127, 128, 129, 400]),
    )
        .prop_map(|(from, scores, count)| {
            let pair = |number: usize| {
                let score = (number % scores).to_string();
                [
                    Argument::text(&score),
                    Argument::text(&format!("member:{number}")),
                ]
            };
            (from..from + count).flat_map(pair).collect()
        })
        .boxed()
}

fn zadd() -> Arguments {
    let options = vec![
        one(word(&["NX"])),
        one(word(&["XX"])),
        one(word(&["GT"])),
        one(word(&["LT"])),
        one(word(&["CH"])),
        one(word(&["INCR"])),
    ];
    prop_oneof![
        8 => sequence(vec![one(sorted()), pairs(1..5)]),
        6 => sequence(vec![one(sorted()), some(options, 2), pairs(1..3)]),
        1 => sequence(vec![one(sorted()), many()]),
    ]
    .boxed()
}

fn rank() -> Arguments {
    sequence(vec![
        all(vec![sorted(), member()]),
        some(vec![one(word(&["WITHSCORE", "WITHSCORE", "FOO"]))], 1),
    ])
}

fn ranks() -> Arguments {
    all(vec![small(-8..8), small(-8..8)])
}

fn with_scores() -> Arguments {
    some(vec![one(word(&["WITHSCORES"]))], 1)
}

fn limit() -> Arguments {
    sequence(vec![
        one(word(&["LIMIT"])),
        all(vec![small(-3..6), small(-2..8)]),
    ])
}

fn by_score() -> Arguments {
    let options = vec![one(word(&["WITHSCORES"])), limit(), one(word(&["REV"]))];
    sequence(vec![
        all(vec![sorted(), score_end(), score_end()]),
        some(options, 2),
    ])
}

fn by_lex() -> Arguments {
    let options = vec![limit(), limit(), one(word(&["WITHSCORES"]))];
    sequence(vec![
        all(vec![sorted(), lex_end(), lex_end()]),
        some(options, 2),
    ])
}

fn zrange() -> Arguments {
    let options = || vec![one(word(&["REV"])), limit(), one(word(&["WITHSCORES"]))];
    prop_oneof![
        3 => sequence(vec![one(sorted()), ranks(), some(vec![one(word(&["REV"])), one(word(&["WITHSCORES"]))], 2)]),
        3 => sequence(vec![all(vec![sorted(), score_end(), score_end(), word(&["BYSCORE"])]), some(options(), 3)]),
        3 => sequence(vec![
            all(vec![sorted(), lex_end(), lex_end(), word(&["BYLEX"])]),
            some(vec![one(word(&["REV"])), limit()], 2),
        ]),
        1 => sequence(vec![one(sorted()), ranks(), some(options(), 3), some(vec![one(word(&["BYLEX", "FOO"]))], 1)]),
    ]
    .boxed()
}

fn pop() -> Arguments {
    sequence(vec![
        one(sorted()),
        some(vec![one(small(-1..5)), one(small(0..300))], 1),
    ])
}

fn pop_end() -> Arguments {
    sequence(vec![
        one(word(&["MIN", "MAX", "MIN", "MAX", "MIN", "MAX", "FOO"])),
        some(vec![option(&["COUNT"], small(0..4))], 1),
    ])
}

fn weights() -> Arguments {
    let weights = (word(&["WEIGHTS"]), collection::vec(score(), 1..4))
        .prop_map(|(word, weights)| [vec![word], weights].concat())
        .boxed();
    let aggregate = option(
        &["AGGREGATE"],
        word(&["SUM", "MIN", "MAX", "SUM", "MIN", "MAX", "FOO"]),
    );
    some(vec![weights, aggregate], 2)
}

fn scan() -> Arguments {
    let cursor = prop_oneof![
        12 => Just("0"),
        1 => select(vec!["", "abc", "-1", "18446744073709551616"]),
    ];
    let mut choices = element_scan_choices();
    choices.push(one(word(&["NOVALUES"])));
    choices.push(option(&["COUNT"], small(-1..20)));
    choices.push(option(&["MATCH"], word(&["m*", "*1", "?", "[ab]*"])));
    choices.push(option(&["TYPE"], word(&["zset"])));
    sequence(vec![
        one(sorted()),
        one(cursor.prop_map(Argument::text).boxed()),
        some(choices, 2),
    ])
}

fn random() -> Arguments {
    let count = || {
        prop_oneof![
            8 => select(vec!["0", "1", "2", "5", "100", "-1", "-5", "-30"]),
            1 => select(vec!["9223372036854775807", "-9223372036854775808", "4611686018427387904", "x", ""]),
        ]
        .prop_map(Argument::text)
        .boxed()
    };
    prop_oneof![
        1 => one(sorted()),
        3 => all(vec![sorted(), count()]),
        3 => all(vec![sorted(), count(), word(&["WITHSCORES", "WITHSCORES", "FOO"])]),
    ]
    .boxed()
}

/// A walk over a sorted set that Redis calls a skiplist.
pub fn whole_scan() -> BoxedStrategy<Step> {
    const KEY: &str = "z1";
    let options = element_scan_choices();
    element_walk("ZSCAN", KEY, "ZADD z1 1", many(), options, changes(KEY))
}

/// Simple changes of one set, to run between the pages of its ZSCAN.
fn changes(key: &'static str) -> BoxedStrategy<Request> {
    let word = |text: &'static str| Just(Argument::text(text)).boxed();
    prop_oneof![
        all(vec![word("ZADD"), word(key), small(0..9), member()]),
        all(vec![word("ZREM"), word(key), member()]),
        all(vec![word("ZINCRBY"), word(key), word("1"), member()]),
    ]
    .boxed()
}
