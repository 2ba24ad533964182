//! Rows of the commands on the connection.

use proptest::prelude::*;

use super::arguments::*;
use super::{Argument, Arguments, CONNECTIONS, Row, row};

pub const ROWS: &[Row] = &[
    row("ping", 1, || some(vec![one(value())], 1)),
    row("echo", 1, || one(value())),
    row("hello", 2, hello),
    row("auth", 1, auth),
    row("select", 4, || one(database())),
    row("quit", 1, none),
    row("reset", 1, none),
    row("client|getname", 1, none),
    row("client|setname", 1, || one(name())),
    row("client|id", 1, none),
    row("client|info", 1, none),
    row("client|list", 1, list),
    row("client|help", 1, none),
    row("client|kill", 1, kill),
    row("client|no-evict", 1, || one(word(&["ON", "OFF", "FOO"]))),
    row("client|no-touch", 1, || one(word(&["ON", "OFF", "FOO"]))),
    row("client|setinfo", 1, setinfo),
    row("client|reply", 1, || one(word(&["ON", "FOO"]))),
    row("client|pause", 1, pause),
    row("client|unpause", 1, none),
    row("client|unblock", 1, unblock),
    row("client|nothing", 1, || some(vec![one(key())], 2)),
    row("no-such-command", 1, || some(vec![one(value())], 4)),
];

fn name() -> One {
    prop_oneof![
        4 => proptest::sample::select(vec!["", "me", "worker-1", "~!", "with space", "line\nend", "\u{e9}"]).prop_map(Argument::text),
        1 => value(),
    ]
    .boxed()
}

fn hello() -> Arguments {
    let version = prop_oneof![
        8 => proptest::sample::select(vec!["2", "3"]).prop_map(Argument::text),
        1 => small(0..6),
    ];
    let user = word(&["default", "default", "nobody"]);
    let options = vec![
        (word(&["AUTH"]), user, value())
            .prop_map(|(word, user, password)| vec![word, user, password])
            .boxed(),
        option(&["SETNAME"], name()),
        all(vec![word(&["AUTH"]), word(&["default"])]),
        one(word(&["FOO"])),
    ];
    prop_oneof![
        1 => none(),
        2 => one(version.clone().boxed()),
        2 => sequence(vec![one(version.boxed()), some(options, 2)]),
    ]
    .boxed()
}

fn auth() -> Arguments {
    prop_oneof![
        one(value()),
        all(vec![Just(Argument::text("default")).boxed(), value()]),
        all(vec![key(), value()]),
        all(vec![key(), key(), value()]),
    ]
    .boxed()
}

fn client_type() -> One {
    word(&["NORMAL", "REPLICA", "SLAVE", "PUBSUB", "MASTER", "FOO"])
}

fn list() -> Arguments {
    prop_oneof![
        none(),
        option(&["TYPE"], client_type()),
        option(&["ID"], small(1..9)),
        all(vec![word(&["ID"]), small(1..9), small(1..9)]),
        one(word(&["FOO"])),
    ]
    .boxed()
}

/// A connection of the sequence.
fn number() -> One {
    (0..CONNECTIONS).prop_map(Argument::Number).boxed()
}

/// Clients that do not exist are killed, connections by their numbers, and those of users and subscribers.
fn kill() -> Arguments {
    let nobody = || Just(vec![Argument::text("ID"), Argument::text("999999999")]).boxed();
    let options = some(
        vec![
            option(&["ID"], small(-2..1)),
            option(&["ADDR", "LADDR"], word(&["127.0.0.1:1"])),
            option(&["TYPE"], client_type()),
            option(&["USER"], word(&["default", "nobody"])),
            option(&["SKIPME"], word(&["YES", "NO", "FOO"])),
            one(word(&["FOO"])),
        ],
        2,
    );
    prop_oneof![
        one(word(&["127.0.0.1:1", "FOO"])),
        sequence(vec![options.clone(), nobody()]),
        sequence(vec![options, all(vec![word(&["ID"]), number()])]),
        all(vec![word(&["USER"]), word(&["alice", "bob"])]),
        sequence(vec![
            all(vec![word(&["TYPE"]), word(&["PUBSUB"])]),
            some(vec![option(&["SKIPME"], word(&["YES", "NO"]))], 1),
        ]),
    ]
    .boxed()
}

fn setinfo() -> Arguments {
    all(vec![word(&["LIB-NAME", "LIB-VER", "FOO"]), name()])
}

/// Pauses of no time, and errors.
fn pause() -> Arguments {
    let timeout = || {
        proptest::sample::select(vec!["0", "-1", "abc", "9223372036854775807"])
            .prop_map(Argument::text)
            .boxed()
    };
    prop_oneof![
        one(timeout()),
        all(vec![timeout(), word(&["WRITE", "ALL", "FOO"])]),
        all(vec![timeout(), word(&["WRITE"]), word(&["ALL"])]),
    ]
    .boxed()
}

fn unblock() -> Arguments {
    let id = || prop_oneof![Just(Argument::text("999999999")), small(-5..0), number()].boxed();
    prop_oneof![
        one(id()),
        all(vec![id(), word(&["TIMEOUT", "ERROR", "FOO"])]),
        all(vec![id(), word(&["ERROR"]), word(&["ERROR"])]),
    ]
    .boxed()
}
