//! Rows of SORT.

use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("sort", 6, || sort(true)),
    row("sort_ro", 2, || sort(false)),
];

fn pattern() -> One {
    let patterns = vec![
        "*",
        "user:*",
        "#",
        "constant",
        "*->f1",
        "user:*->f1",
        "*->",
        "x*y",
        "a",
        "",
    ];
    select(patterns).prop_map(Argument::text).boxed()
}

fn sort(stores: bool) -> Arguments {
    let limit = all(vec![word(&["LIMIT"]), small(-1..3), small(-1..5)]);
    let mut choices = vec![
        one(word(&["ALPHA"])),
        one(word(&["ALPHA"])),
        one(word(&["ASC", "DESC"])),
        limit,
        option(&["BY"], pattern()),
        option(&["GET"], pattern()),
        one(word(&["FOO", "LIMIT"])),
    ];
    if stores {
        choices.push(option(&["STORE"], key()));
    }
    sequence(vec![one(key()), some(choices, 3)])
}
