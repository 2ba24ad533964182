//! Rows of the commands about the connection itself.

use super::argument::Arg;
use super::row::{
    Flag::{Admin, AllowBusy, Fast, Loading, NoAuth, NoScript, Stale},
    Group, Row, Rows,
};

/// Commands that are answered.
pub(super) const ROWS: Rows = Rows {
    group: Group::Connection,
    rows: &[
        Row::new(
            "auth",
            "1.0.0",
            -2,
            &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy],
        )
        .summary("Logs the connection in.")
        .complexity("O(N), N passwords of the user")
        .history(&[("6.0.0", "A user name may stand before the password.")])
        .args(&[
            Arg::string("username").since("6.0.0").optional(),
            Arg::string("password"),
        ]),
        Row::new("client", "2.4.0", -2, &[])
            .summary("Looks at connections and changes them.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("client|caching", "6.0.0", 3, &[NoScript, Loading, Stale])
                    .summary("Says whether the keys of the next command are tracked.")
                    .complexity("O(1)")
                    .args(&[Arg::one_of(
                        "mode",
                        &[Arg::word("yes", "YES"), Arg::word("no", "NO")],
                    )]),
                Row::new("client|getname", "2.6.9", 2, &[NoScript, Loading, Stale])
                    .summary("Returns the name of the connection.")
                    .complexity("O(1)"),
                Row::new("client|getredir", "6.0.0", 2, &[NoScript, Loading, Stale])
                    .summary("Returns which client receives invalidations for this one.")
                    .complexity("O(1)"),
                Row::new("client|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("client|id", "5.0.0", 2, &[NoScript, Loading, Stale])
                    .summary("Returns the number of the connection.")
                    .complexity("O(1)"),
                Row::new("client|info", "6.2.0", 2, &[NoScript, Loading, Stale])
                    .summary("Returns the facts of the connection.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"]),
                Row::new(
                    "client|kill",
                    "2.4.0",
                    -3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Closes connections.")
                .complexity("O(N), N connections")
                .history(&[
                    ("2.8.12", "Filters by name and value."),
                    ("2.8.12", "`ID`."),
                    ("3.2.0", "`TYPE master`."),
                    ("5.0.0", "`TYPE replica`; `slave` means the same."),
                    ("6.2.0", "`LADDR`."),
                    ("7.4.0", "`MAXAGE`."),
                ])
                .args(&[Arg::one_of(
                    "filter",
                    &[
                        Arg::string("old-format")
                            .display("ip:port")
                            .deprecated_since("2.8.12"),
                        Arg::one_of(
                            "new-format",
                            &[
                                Arg::integer("client-id")
                                    .token("ID")
                                    .since("2.8.12")
                                    .optional(),
                                Arg::one_of(
                                    "client-type",
                                    &[
                                        Arg::word("normal", "NORMAL"),
                                        Arg::word("master", "MASTER").since("3.2.0"),
                                        Arg::word("slave", "SLAVE"),
                                        Arg::word("replica", "REPLICA").since("5.0.0"),
                                        Arg::word("pubsub", "PUBSUB"),
                                    ],
                                )
                                .token("TYPE")
                                .since("2.8.12")
                                .optional(),
                                Arg::string("username").token("USER").optional(),
                                Arg::string("addr")
                                    .token("ADDR")
                                    .display("ip:port")
                                    .optional(),
                                Arg::string("laddr")
                                    .token("LADDR")
                                    .display("ip:port")
                                    .since("6.2.0")
                                    .optional(),
                                Arg::one_of(
                                    "skipme",
                                    &[Arg::word("yes", "YES"), Arg::word("no", "NO")],
                                )
                                .token("SKIPME")
                                .optional(),
                                Arg::integer("maxage")
                                    .token("MAXAGE")
                                    .since("7.4.0")
                                    .optional(),
                            ],
                        )
                        .multiple(),
                    ],
                )]),
                Row::new(
                    "client|list",
                    "2.4.0",
                    -2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Lists connections and their facts.")
                .complexity("O(N), N connections")
                .history(&[
                    ("2.8.12", "The field `id`."),
                    ("5.0.0", "`TYPE`."),
                    ("6.0.0", "The field `user`."),
                    (
                        "6.2.0",
                        "`ID`; the fields `argv-mem`, `tot-mem`, `laddr`, `redir`.",
                    ),
                    ("7.0.0", "The fields `resp`, `multi-mem`, `rbs` and `rbp`."),
                    ("7.0.3", "The field `ssub`."),
                ])
                .tips(&["nondeterministic_output"])
                .args(&[
                    Arg::one_of(
                        "client-type",
                        &[
                            Arg::word("normal", "NORMAL"),
                            Arg::word("master", "MASTER"),
                            Arg::word("replica", "REPLICA"),
                            Arg::word("pubsub", "PUBSUB"),
                        ],
                    )
                    .token("TYPE")
                    .since("5.0.0")
                    .optional(),
                    Arg::integer("client-id")
                        .token("ID")
                        .since("6.2.0")
                        .optional()
                        .multiple(),
                ]),
                Row::new(
                    "client|no-evict",
                    "7.0.0",
                    3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Exempts the connection from being closed to save memory.")
                .complexity("O(1)")
                .args(&[Arg::one_of(
                    "enabled",
                    &[Arg::word("on", "ON"), Arg::word("off", "OFF")],
                )]),
                Row::new("client|no-touch", "7.2.0", 3, &[NoScript, Loading, Stale])
                    .summary("Lets the connection's commands not count as use of the keys.")
                    .complexity("O(1)")
                    .args(&[Arg::one_of(
                        "enabled",
                        &[Arg::word("on", "ON"), Arg::word("off", "OFF")],
                    )]),
                Row::new(
                    "client|pause",
                    "3.0.0",
                    -3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Holds the commands of all clients for a while.")
                .complexity("O(1)")
                .history(&[("6.2.0", "The mode, and with it `WRITE`.")])
                .args(&[
                    Arg::integer("timeout"),
                    Arg::one_of(
                        "mode",
                        &[Arg::word("write", "WRITE"), Arg::word("all", "ALL")],
                    )
                    .since("6.2.0")
                    .optional(),
                ]),
                Row::new("client|reply", "3.2.0", 3, &[NoScript, Loading, Stale])
                    .summary("Switches replies to the connection off and on.")
                    .complexity("O(1)")
                    .args(&[Arg::one_of(
                        "action",
                        &[
                            Arg::word("on", "ON"),
                            Arg::word("off", "OFF"),
                            Arg::word("skip", "SKIP"),
                        ],
                    )]),
                Row::new("client|setinfo", "7.2.0", 4, &[NoScript, Loading, Stale])
                    .summary("Tells the server which library the client uses.")
                    .complexity("O(1)")
                    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                    .args(&[Arg::one_of(
                        "attr",
                        &[
                            Arg::string("libname").token("LIB-NAME"),
                            Arg::string("libver").token("LIB-VER"),
                        ],
                    )]),
                Row::new("client|setname", "2.6.9", 3, &[NoScript, Loading, Stale])
                    .summary("Gives the connection a name.")
                    .complexity("O(1)")
                    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                    .args(&[Arg::string("connection-name")]),
                Row::new("client|tracking", "6.0.0", -3, &[NoScript, Loading, Stale])
                    .summary("Sets up client-side caching for the connection.")
                    .complexity("O(1); prefixes cost more")
                    .args(&[
                        Arg::one_of("status", &[Arg::word("on", "ON"), Arg::word("off", "OFF")]),
                        Arg::integer("client-id").token("REDIRECT").optional(),
                        Arg::string("prefix")
                            .token("PREFIX")
                            .optional()
                            .multiple_token(),
                        Arg::word("bcast", "BCAST").optional(),
                        Arg::word("optin", "OPTIN").optional(),
                        Arg::word("optout", "OPTOUT").optional(),
                        Arg::word("noloop", "NOLOOP").optional(),
                    ]),
                Row::new(
                    "client|trackinginfo",
                    "6.2.0",
                    2,
                    &[NoScript, Loading, Stale],
                )
                .summary("Returns how the connection's client-side caching is set up.")
                .complexity("O(1)"),
                Row::new(
                    "client|unblock",
                    "5.0.0",
                    -3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Wakes a client that waits in a blocking command.")
                .complexity("O(log N), N connections")
                .args(&[
                    Arg::integer("client-id"),
                    Arg::one_of(
                        "unblock-type",
                        &[Arg::word("timeout", "TIMEOUT"), Arg::word("error", "ERROR")],
                    )
                    .optional(),
                ]),
                Row::new(
                    "client|unpause",
                    "6.2.0",
                    2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Ends CLIENT PAUSE.")
                .complexity("O(N), N held clients"),
            ]),
        Row::new("echo", "1.0.0", 2, &[Loading, Stale, Fast])
            .summary("Returns its argument.")
            .complexity("O(1)")
            .args(&[Arg::string("message")]),
        Row::new(
            "hello",
            "6.0.0",
            -1,
            &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy],
        )
        .summary("Chooses the protocol, and may log in and name the connection.")
        .complexity("O(1)")
        .history(&[(
            "6.2.0",
            "Without a version it only describes the connection.",
        )])
        .args(&[Arg::block(
            "arguments",
            &[
                Arg::integer("protover"),
                Arg::block("auth", &[Arg::string("username"), Arg::string("password")])
                    .token("AUTH")
                    .optional(),
                Arg::string("clientname").token("SETNAME").optional(),
            ],
        )
        .optional()]),
        Row::new("ping", "1.0.0", -1, &[Fast])
            .summary("Returns PONG, or its argument.")
            .complexity("O(1)")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .args(&[Arg::string("message").optional()]),
        Row::new(
            "quit",
            "1.0.0",
            -1,
            &[AllowBusy, NoScript, Loading, Stale, Fast, NoAuth],
        )
        .summary("Closes the connection.")
        .complexity("O(1)")
        .deprecated("7.2.0", "closing the connection"),
        Row::new(
            "reset",
            "6.2.0",
            1,
            &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy],
        )
        .summary("Sets the connection back to how it was when it was opened.")
        .complexity("O(1)"),
        Row::new("select", "1.0.0", 2, &[Loading, Stale, Fast])
            .summary("Chooses the database of the connection.")
            .complexity("O(1)")
            .args(&[Arg::integer("index")]),
    ],
};
