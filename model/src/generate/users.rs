//! Rows of users.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, plain, row};

pub const ROWS: &[Row] = &[
    row("acl|setuser", 6, setuser),
    row("acl|getuser", 2, || one(user())),
    row("acl|deluser", 1, || collection::vec(user(), 1..3).boxed()),
    row("acl|list", 2, none),
    row("acl|users", 1, none),
    row("acl|whoami", 1, none),
    row("acl|cat", 2, || {
        some(
            vec![one(word(&["READ", "GEO", "dangerous", "nothing", "all"]))],
            2,
        )
    }),
    row("acl|dryrun", 4, || sequence(vec![one(user()), plain()])),
    row("acl|nothing", 1, none),
    row("auth", 4, || {
        let password = select(vec!["pw", "pw", "other"]).prop_map(Argument::text);
        all(vec![user(), password.boxed()])
    }),
];

fn user() -> One {
    prop_oneof![
        12 => select(vec!["alice", "alice", "bob"]),
        1 => select(vec!["default", "nobody"]),
    ]
    .prop_map(Argument::text)
    .boxed()
}

/// Rules that leave a user with much, so that what it sends is not refused at once.
fn rule() -> One {
    let common = vec![
        "on",
        ">pw",
        "+@all",
        "~*",
        "allkeys",
        "&*",
        "allcommands",
        "-@write",
        "-get",
        "+@read",
        "+set",
        "resetkeys",
        "~a*",
        "~[b-d]",
        "~user:*",
        "+client",
        "-client|id",
        "+client|id",
        "-@dangerous",
        "+@connection",
        "-@string",
        "resetchannels",
        "&news.*",
        "&a",
        "+acl|whoami",
        "+@transaction",
        "+exec",
        "+@scripting",
    ];
    let seldom = vec![
        "off",
        "nopass",
        "resetpass",
        ">other",
        "<other",
        "<nothing",
        "nocommands",
        "-@all",
        "reset",
        "allchannels",
        "foo",
        "+nothing",
        "-@nothing",
        "+client|nothing",
        "-ACL",
        "+GET",
        "sanitize",
        "",
    ];
    prop_oneof![6 => select(common), 1 => select(seldom)]
        .prop_map(Argument::text)
        .boxed()
}

/// Never the default user, who is there for the tests.
fn setuser() -> Arguments {
    let name = prop_oneof![
        20 => select(vec!["alice", "alice", "bob"]),
        1 => Just("with space"),
    ];
    let begin = prop_oneof![
        1 => none(),
        2 => Just(["on", ">pw", "~*", "&*", "+@all"].map(Argument::text).to_vec()),
    ];
    sequence(vec![
        one(name.prop_map(Argument::text).boxed()),
        begin.boxed(),
        collection::vec(rule(), 0..4).boxed(),
    ])
}
