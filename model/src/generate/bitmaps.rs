//! Rows of bitmaps, bit fields and HyperLogLog.

use proptest::collection;
use proptest::prelude::*;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("setbit", 5, || all(vec![key(), bit_offset(), small(0..2)])),
    row("getbit", 3, || all(vec![key(), bit_offset()])),
    row("bitcount", 4, bitcount),
    row("bitpos", 4, bitpos),
    row("bitop", 4, bitop),
    row("bitfield", 5, || sequence(vec![one(key()), fields()])),
    row("bitfield_ro", 3, bitfield_ro),
    row("pfadd", 6, pfadd),
    row("pfcount", 4, keys),
    row("pfmerge", 3, keys),
    row("pfdebug", 2, || {
        all(vec![
            word(&["GETREG", "DECODE", "ENCODING", "TODENSE", "FOO"]),
            key(),
        ])
    }),
    row("pfselftest", 1, none),
];

fn unit() -> One {
    word(&["BIT", "BYTE", "BIT", "BYTE", "FOO"])
}

fn position() -> One {
    small(-100..200)
}

fn bitcount() -> Arguments {
    prop_oneof![
        one(key()),
        all(vec![key(), position(), position()]),
        all(vec![key(), position(), position(), unit()]),
        all(vec![key(), position()]),
    ]
    .boxed()
}

fn bitpos() -> Arguments {
    let bit = || small(0..2);
    prop_oneof![
        all(vec![key(), bit()]),
        all(vec![key(), bit(), position()]),
        all(vec![key(), bit(), position(), position()]),
        all(vec![key(), bit(), position(), position(), unit()]),
    ]
    .boxed()
}

fn bitop() -> Arguments {
    let operation = word(&["AND", "OR", "XOR", "NOT", "AND", "OR", "XOR", "NOT", "NAND"]);
    prop_oneof![
        1 => sequence(vec![one(operation.clone()), one(key()), keys()]),
        1 => all(vec![word(&["NOT"]), key(), key()]),
    ]
    .boxed()
}

fn field_type() -> One {
    prop_oneof![
        8 => (any::<bool>(), 1..=63_usize).prop_map(|(signed, width)| format!("{}{width}", if signed { 'i' } else { 'u' })),
        2 => proptest::sample::select(vec!["i64", "u63", "u8", "i8", "u1", "i1"]).prop_map(str::to_owned),
        1 => proptest::sample::select(vec!["u64", "i65", "i0", "u0", "x8", "", "i", "u-1", "I8", "u08"]).prop_map(str::to_owned),
    ]
    .prop_map(|text| Argument::text(&text))
    .boxed()
}

fn field_offset() -> One {
    prop_oneof![
        6 => bit_offset(),
        2 => (0..60_usize).prop_map(|index| Argument::text(&format!("#{index}"))),
        1 => proptest::sample::select(vec!["#", "#-1", "##1", "#abc", "#99999999999"]).prop_map(Argument::text),
    ]
    .boxed()
}

fn get_field() -> Arguments {
    all(vec![word(&["GET"]), field_type(), field_offset()])
}

fn fields() -> Arguments {
    let number = || prop_oneof![small(-300..300), integer()].boxed();
    some(
        vec![
            get_field(),
            all(vec![word(&["SET"]), field_type(), field_offset(), number()]),
            all(vec![
                word(&["INCRBY"]),
                field_type(),
                field_offset(),
                number(),
            ]),
            all(vec![
                word(&["INCRBY"]),
                field_type(),
                field_offset(),
                number(),
            ]),
            all(vec![
                word(&["OVERFLOW"]),
                word(&["WRAP", "SAT", "FAIL", "SAT", "FAIL", "FOO"]),
            ]),
        ],
        5,
    )
}

fn bitfield_ro() -> Arguments {
    let mixed = fields();
    sequence(vec![
        one(key()),
        prop_oneof![3 => some(vec![get_field()], 4), 1 => mixed].boxed(),
    ])
}

/// No element, a few, and enough to leave the sparse encoding.
fn pfadd() -> Arguments {
    let numbers = |range: std::ops::Range<usize>| -> Vec<Argument> {
        range
            .map(|number| Argument::text(&number.to_string()))
            .collect()
    };
    let elements = prop_oneof![
        1 => Just(Vec::new()),
        6 => collection::vec(value(), 1..6),
        3 => (0..5_000_usize, 0..150_usize).prop_map(move |(from, count)| numbers(from..from + count)),
        1 => (0..5_000_usize, 500..2_000_usize).prop_map(move |(from, count)| numbers(from..from + count)),
    ];
    sequence(vec![one(key()), elements.boxed()])
}
