//! Rows of scripts and functions.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Request, Row, plain, row};
use crate::scripts::{family, functions};
use crate::sha1;

pub const ROWS: &[Row] = &[
    row("eval", 12, || sequence(vec![one(script()), words()])),
    row("eval_ro", 2, || sequence(vec![one(script()), words()])),
    row("evalsha", 4, || sequence(vec![one(digest()), words()])),
    row("evalsha_ro", 1, || sequence(vec![one(digest()), words()])),
    row("script|load", 2, || one(script())),
    row("script|exists", 1, || {
        collection::vec(digest(), 0..3).boxed()
    }),
    row("script|flush", 1, flush),
    row("script|kill", 1, none),
    row("script|help", 1, none),
    row("script|debug", 1, || one(word(&["NO", "FOO"]))),
    row("script|nothing", 1, none),
    row("function|load", 4, || {
        let code = prop_oneof![12 => select(functions::codes()), 1 => Just("nothing")];
        let code = code.prop_map(Argument::text);
        let replace = some(vec![one(word(&["REPLACE", "REPLACE", "FOO"]))], 2);
        sequence(vec![replace, one(code.boxed())])
    }),
    row("function|delete", 1, || one(library())),
    row("function|flush", 1, flush),
    row("function|list", 2, || {
        let pattern = select(vec!["*", "lib1", "LIB?", "nothing"]).prop_map(Argument::text);
        let choices = vec![
            one(word(&["WITHCODE"])),
            option(&["LIBRARYNAME"], pattern.boxed()),
            one(word(&["FOO"])),
        ];
        some(choices, 2)
    }),
    row("function|stats", 1, none),
    row("function|dump", 1, none),
    row("function|restore", 1, || {
        let policy = some(vec![one(word(&["FLUSH", "APPEND", "REPLACE", "FOO"]))], 2);
        sequence(vec![one(value()), policy])
    }),
    row("function|kill", 1, none),
    row("function|help", 1, none),
    row("fcall", 4, || sequence(vec![one(function()), words()])),
    row("fcall_ro", 2, || sequence(vec![one(function()), words()])),
];

fn script() -> One {
    let calls = select(vec![family::CALLS, family::CALLS_PROTECTED]);
    prop_oneof![3 => calls, 4 => select(family::texts())]
        .prop_map(Argument::text)
        .boxed()
}

fn digest() -> One {
    let digest = |text: &str| Argument::text(&sha1::hexadecimal(text.as_bytes()));
    prop_oneof![
        6 => select(vec![family::CALLS, family::CALLS_PROTECTED, "return"]).prop_map(digest),
        2 => select(family::texts()).prop_map(digest),
        1 => select(family::texts()).prop_map(|text| {
            Argument::text(&sha1::hexadecimal(text.as_bytes()).to_ascii_uppercase())
        }),
        1 => Just(Argument::text("nothing")),
    ]
    .boxed()
}

fn library() -> One {
    word(&["lib1", "lib1", "lib2", "lib3", "nothing"])
}

fn function() -> One {
    select(vec!["f1", "f1", "f2", "nothing"])
        .prop_map(Argument::text)
        .boxed()
}

fn flush() -> Arguments {
    some(vec![one(word(&["SYNC", "ASYNC", "FOO"]))], 2)
}

/// A number of keys, keys, and a request.
fn words() -> Arguments {
    let counted = |keys: Vec<Argument>, inner: Request| {
        let count = Argument::text(&keys.len().to_string());
        [vec![count], keys, inner].concat()
    };
    let whole =
        (collection::vec(key(), 0..3), plain()).prop_map(move |(keys, inner)| counted(keys, inner));
    let odd = sequence(vec![one(small(-1..4)), keys()]);
    prop_oneof![12 => whole, 1 => odd].boxed()
}
