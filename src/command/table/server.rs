//! Rows of the commands about the server.

use super::argument::Arg;
use super::key_spec::{
    KeyFlag::{Ow, Ro, Update},
    KeySpec,
};
use super::row::{
    Category,
    Flag::{
        Admin, AllowBusy, Asking, DenyOom, Fast, Loading, NoAsyncLoading, NoMulti, NoScript,
        Protected, ReadOnly, Stale, Write,
    },
    Group, Row, Rows,
};

/// Commands that are answered.
pub(super) const ROWS: Rows = Rows {
    group: Group::Server,
    rows: &[
        Row::new("acl", "6.0.0", -2, &[])
            .summary("Looks at users and at what they may do.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("acl|cat", "6.0.0", -2, &[NoScript, Loading, Stale])
                    .summary("Lists the categories, or the commands of one.")
                    .complexity("O(1)")
                    .args(&[Arg::string("category").optional()]),
                Row::new(
                    "acl|deluser",
                    "6.0.0",
                    -3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Deletes users and closes their connections.")
                .complexity("O(1) amortized")
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                .args(&[Arg::string("username").multiple()]),
                Row::new(
                    "acl|dryrun",
                    "7.0.0",
                    -4,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Tells whether a user may send a command, without carrying it out.")
                .complexity("O(1)")
                .args(&[
                    Arg::string("username"),
                    Arg::string("command"),
                    Arg::string("arg").optional().multiple(),
                ]),
                Row::new("acl|genpass", "6.0.0", -2, &[NoScript, Loading, Stale])
                    .summary("Makes up a password that cannot be guessed.")
                    .complexity("O(1)")
                    .args(&[Arg::integer("bits").optional()]),
                Row::new(
                    "acl|getuser",
                    "6.0.0",
                    3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Returns the rules of a user.")
                .complexity("O(N), N rules of the user")
                .history(&[
                    ("6.2.0", "Channel patterns."),
                    (
                        "7.0.0",
                        "Selectors; key and channel patterns are shown as rules.",
                    ),
                ])
                .args(&[Arg::string("username")]),
                Row::new("acl|help", "6.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("acl|list", "6.0.0", 2, &[Admin, NoScript, Loading, Stale])
                    .summary("Returns all users as lines of the ACL file.")
                    .complexity("O(N), N users"),
                Row::new("acl|load", "6.0.0", 2, &[Admin, NoScript, Loading, Stale])
                    .summary("Reads the users from the ACL file.")
                    .complexity("O(N), N users"),
                Row::new("acl|log", "6.0.0", -2, &[Admin, NoScript, Loading, Stale])
                    .summary("Lists what was refused lately.")
                    .complexity("O(N), N entries")
                    .history(&[("7.2.0", "Entries have an ID and two times.")])
                    .args(&[Arg::one_of(
                        "operation",
                        &[Arg::integer("count"), Arg::word("reset", "RESET")],
                    )
                    .optional()]),
                Row::new("acl|save", "6.0.0", 2, &[Admin, NoScript, Loading, Stale])
                    .summary("Writes the users to the ACL file.")
                    .complexity("O(N), N users")
                    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
                Row::new(
                    "acl|setuser",
                    "6.0.0",
                    -3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Creates or changes a user.")
                .complexity("O(N), N rules given")
                .history(&[
                    ("6.2.0", "Channel patterns."),
                    ("7.0.0", "Selectors and permissions by key."),
                ])
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                .args(&[
                    Arg::string("username"),
                    Arg::string("rule").optional().multiple(),
                ]),
                Row::new("acl|users", "6.0.0", 2, &[Admin, NoScript, Loading, Stale])
                    .summary("Lists the names of all users.")
                    .complexity("O(N), N users"),
                Row::new("acl|whoami", "6.0.0", 2, &[NoScript, Loading, Stale])
                    .summary("Returns the user as whom the connection is logged in.")
                    .complexity("O(1)"),
            ]),
        Row::new(
            "backup",
            "0.1.0",
            -2,
            &[Admin, NoScript, NoAsyncLoading, NoMulti],
        )
        .summary("Copies the file to another that is whole on its own, or holds checkpoints while files are copied.")
        .complexity("O(N), N pages in use")
        .args(&[Arg::one_of(
            "what",
            &[
                Arg::string("name"),
                Arg::block(
                    "hold",
                    &[Arg::word("hold", "HOLD"), Arg::integer("seconds").optional()],
                ),
                Arg::word("release", "RELEASE"),
            ],
        )]),
        Row::new(
            "bgrewriteaof",
            "1.0.0",
            1,
            &[NoAsyncLoading, Admin, NoScript],
        )
        .summary("Rewrites the append-only file in the background.")
        .complexity("O(1)"),
        Row::new("bgsave", "1.0.0", -1, &[NoAsyncLoading, Admin, NoScript])
            .summary("Saves a snapshot in the background.")
            .complexity("O(1)")
            .history(&[("3.2.2", "`SCHEDULE`.")])
            .args(&[Arg::word("schedule", "SCHEDULE").since("3.2.2").optional()]),
        Row::new(
            "checkpoint",
            "0.1.0",
            1,
            &[Admin, NoScript, NoAsyncLoading, NoMulti],
        )
        .summary("Returns when the file holds everything and the log is empty of it.")
        .complexity("O(N), N pages not yet in the file"),
        Row::new("command", "2.8.13", -1, &[Loading, Stale])
            .summary("Describes all commands.")
            .complexity("O(N), N commands")
            .tips(&["nondeterministic_output_order"])
            .acl(&[Category::Connection])
            .subcommands(&[
                Row::new("command|count", "2.8.13", 2, &[Loading, Stale])
                    .summary("Returns how many commands there are.")
                    .complexity("O(1)")
                    .acl(&[Category::Connection]),
                Row::new("command|docs", "7.0.0", -2, &[Loading, Stale])
                    .summary("Returns the documentation of commands.")
                    .complexity("O(N), N commands asked for")
                    .tips(&["nondeterministic_output_order"])
                    .acl(&[Category::Connection])
                    .args(&[Arg::string("command-name").optional().multiple()]),
                Row::new("command|getkeys", "2.8.13", -3, &[Loading, Stale])
                    .summary("Returns the keys that a request names.")
                    .complexity("O(N), N words of the request")
                    .acl(&[Category::Connection])
                    .args(&[
                        Arg::string("command"),
                        Arg::string("arg").optional().multiple(),
                    ]),
                Row::new("command|getkeysandflags", "7.0.0", -3, &[Loading, Stale])
                    .summary("Returns the keys that a request names and how it accesses them.")
                    .complexity("O(N), N words of the request")
                    .acl(&[Category::Connection])
                    .args(&[
                        Arg::string("command"),
                        Arg::string("arg").optional().multiple(),
                    ]),
                Row::new("command|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)")
                    .acl(&[Category::Connection]),
                Row::new("command|info", "2.8.13", -2, &[Loading, Stale])
                    .summary("Describes commands.")
                    .complexity("O(N), N commands asked for")
                    .history(&[("7.0.0", "Without names it describes all commands.")])
                    .tips(&["nondeterministic_output_order"])
                    .acl(&[Category::Connection])
                    .args(&[Arg::string("command-name").optional().multiple()]),
                Row::new("command|list", "7.0.0", -2, &[Loading, Stale])
                    .summary("Returns the names of the commands.")
                    .complexity("O(N), N commands")
                    .tips(&["nondeterministic_output_order"])
                    .acl(&[Category::Connection])
                    .args(&[Arg::one_of(
                        "filterby",
                        &[
                            Arg::string("module-name").token("MODULE"),
                            Arg::string("category").token("ACLCAT"),
                            Arg::pattern("pattern").token("PATTERN"),
                        ],
                    )
                    .token("FILTERBY")
                    .optional()]),
            ]),
        Row::new("config", "2.0.0", -2, &[])
            .summary("Reads and changes the configuration.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new(
                    "config|get",
                    "2.0.0",
                    -3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Returns directives and their values.")
                .complexity("O(N), N directives asked for")
                .history(&[("7.0.0", "Takes several patterns.")])
                .args(&[Arg::string("parameter").multiple()]),
                Row::new("config|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new(
                    "config|resetstat",
                    "2.0.0",
                    2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Sets the statistics back to zero.")
                .complexity("O(1)")
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
                Row::new(
                    "config|rewrite",
                    "2.8.0",
                    2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Writes the configuration in force to its file.")
                .complexity("O(1)")
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
                Row::new(
                    "config|set",
                    "2.0.0",
                    -4,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Changes directives while the server runs.")
                .complexity("O(N), N directives")
                .history(&[("7.0.0", "Takes several directives.")])
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                .args(&[Arg::block(
                    "data",
                    &[Arg::string("parameter"), Arg::string("value")],
                )
                .multiple()]),
            ]),
        Row::new("dbsize", "1.0.0", 1, &[ReadOnly, Fast])
            .summary("Returns how many keys the database has.")
            .complexity("O(1)")
            .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
            .acl(&[Category::Keyspace]),
        Row::new(
            "debug",
            "1.0.0",
            -2,
            &[Admin, NoScript, Loading, Stale, Protected],
        )
        .summary("Does what tests and debugging need.")
        .complexity("That of the subcommand")
        .syscmd(),
        Row::new("flushall", "1.0.0", -1, &[Write])
            .summary("Deletes all keys of all databases.")
            .complexity("O(1); space is freed in the background")
            .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")])
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .acl(&[Category::Keyspace, Category::Dangerous])
            .args(&[Arg::one_of(
                "flush-type",
                &[
                    Arg::word("async", "ASYNC").since("4.0.0"),
                    Arg::word("sync", "SYNC").since("6.2.0"),
                ],
            )
            .optional()]),
        Row::new("flushdb", "1.0.0", -1, &[Write])
            .summary("Deletes all keys of the database.")
            .complexity("O(1); space is freed in the background")
            .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")])
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
            .acl(&[Category::Keyspace, Category::Dangerous])
            .args(&[Arg::one_of(
                "flush-type",
                &[
                    Arg::word("async", "ASYNC").since("4.0.0"),
                    Arg::word("sync", "SYNC").since("6.2.0"),
                ],
            )
            .optional()]),
        Row::new("info", "1.0.0", -1, &[Loading, Stale])
            .summary("Returns facts and statistics of the server.")
            .complexity("O(1)")
            .history(&[("7.0.0", "Takes several sections.")])
            .tips(&[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ])
            .acl(&[Category::Dangerous])
            .args(&[Arg::string("section").optional().multiple()]),
        Row::new("lastsave", "1.0.0", 1, &[Loading, Stale, Fast])
            .summary("Returns when the last save succeeded.")
            .complexity("O(1)")
            .tips(&["nondeterministic_output"])
            .acl(&[Category::Admin, Category::Dangerous]),
        Row::new("latency", "2.8.13", -2, &[])
            .summary("Looks at latency samples.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new(
                    "latency|doctor",
                    "2.8.13",
                    2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Returns a report on latency, in words.")
                .complexity("O(1)")
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_nodes",
                    "response_policy:special",
                ]),
                Row::new(
                    "latency|graph",
                    "2.8.13",
                    3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Draws the latency of an event.")
                .complexity("O(1)")
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_nodes",
                    "response_policy:special",
                ])
                .args(&[Arg::string("event")]),
                Row::new("latency|help", "2.8.13", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new(
                    "latency|histogram",
                    "7.0.0",
                    -2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Returns how the latencies of commands are distributed.")
                .complexity("O(N), N commands that have samples")
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_nodes",
                    "response_policy:special",
                ])
                .args(&[Arg::string("command").optional().multiple()]),
                Row::new(
                    "latency|history",
                    "2.8.13",
                    3,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Returns the latency samples of an event.")
                .complexity("O(1)")
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_nodes",
                    "response_policy:special",
                ])
                .args(&[Arg::string("event")]),
                Row::new(
                    "latency|latest",
                    "2.8.13",
                    2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Returns the latest latency sample of each event.")
                .complexity("O(1)")
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_nodes",
                    "response_policy:special",
                ]),
                Row::new(
                    "latency|reset",
                    "2.8.13",
                    -2,
                    &[Admin, NoScript, Loading, Stale],
                )
                .summary("Forgets the samples of some or all events.")
                .complexity("O(1)")
                .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
                .args(&[Arg::string("event").optional().multiple()]),
            ]),
        Row::new("lolwut", "5.0.0", -1, &[ReadOnly, Fast])
            .summary("Draws a picture and names the version.")
            .args(&[Arg::integer("version").token("VERSION").optional()]),
        Row::new("memory", "4.0.0", -2, &[])
            .summary("Looks at memory.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("memory|doctor", "4.0.0", 2, &[])
                    .summary("Returns a report on memory, in words.")
                    .complexity("O(1)")
                    .tips(&[
                        "nondeterministic_output",
                        "request_policy:all_shards",
                        "response_policy:special",
                    ]),
                Row::new("memory|help", "4.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("memory|malloc-stats", "4.0.0", 2, &[])
                    .summary("Returns the statistics of the allocator.")
                    .complexity("Grows with the memory allocated")
                    .tips(&[
                        "nondeterministic_output",
                        "request_policy:all_shards",
                        "response_policy:special",
                    ]),
                Row::new("memory|purge", "4.0.0", 2, &[])
                    .summary("Asks the allocator to give memory back.")
                    .complexity("Grows with the memory allocated")
                    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
                Row::new("memory|stats", "4.0.0", 2, &[])
                    .summary("Returns what memory is used for.")
                    .complexity("O(1)")
                    .tips(&[
                        "nondeterministic_output",
                        "request_policy:all_shards",
                        "response_policy:special",
                    ]),
                Row::new("memory|usage", "4.0.0", -3, &[ReadOnly])
                    .summary("Estimates how many bytes a key and its value take.")
                    .complexity("O(N), N samples")
                    .keys(&[KeySpec::at(2, &[Ro])])
                    .args(&[
                        Arg::key("key", 0),
                        Arg::integer("count").token("SAMPLES").optional(),
                    ]),
            ]),
        Row::new("module", "4.0.0", -2, &[])
            .summary("Looks at modules.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("module|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("module|list", "4.0.0", 2, &[Admin, NoScript])
                    .summary("Lists the modules that are loaded.")
                    .complexity("O(N), N modules")
                    .tips(&["nondeterministic_output_order"]),
        Row::new(
            "module|load",
            "4.0.0",
            -3,
            &[NoAsyncLoading, Admin, NoScript, Protected],
        )
        .summary("Loads a module.")
        .complexity("O(1)")
        .args(&[
            Arg::string("path"),
            Arg::string("arg").optional().multiple(),
        ]),
        Row::new(
            "module|loadex",
            "7.0.0",
            -3,
            &[NoAsyncLoading, Admin, NoScript, Protected],
        )
        .summary("Loads a module with its configuration.")
        .complexity("O(1)")
        .args(&[
            Arg::string("path"),
            Arg::block("configs", &[Arg::string("name"), Arg::string("value")])
                .token("CONFIG")
                .optional()
                .multiple_token(),
            Arg::string("args").token("ARGS").optional().multiple(),
        ]),
        Row::new(
            "module|unload",
            "4.0.0",
            3,
            &[NoAsyncLoading, Admin, NoScript, Protected],
        )
        .summary("Unloads a module.")
        .complexity("O(1)")
        .args(&[Arg::string("name")]),
            ]),
        Row::new("monitor", "1.0.0", 1, &[Admin, NoScript, Loading, Stale])
            .summary("Shows every command that the server carries out, as it comes."),
        Row::new(
            "psync",
            "2.8.0",
            -3,
            &[NoAsyncLoading, Admin, NoMulti, NoScript],
        )
        .summary("Starts or continues replication; sent by replicas.")
        .args(&[Arg::string("replicationid"), Arg::integer("offset")]),
        Row::new(
            "replconf",
            "3.0.0",
            -1,
            &[Admin, NoScript, Loading, Stale, AllowBusy],
        )
        .summary("Tells the master about a replica; sent by replicas.")
        .complexity("O(1)")
        .syscmd(),
        Row::new(
            "replicaof",
            "5.0.0",
            3,
            &[NoAsyncLoading, Admin, NoScript, Stale],
        )
        .summary("Makes the server a replica of another, or a master.")
        .complexity("O(1)")
        .args(&[Arg::one_of(
            "args",
            &[
                Arg::block("host-port", &[Arg::string("host"), Arg::integer("port")]),
                Arg::block("no-one", &[Arg::word("no", "NO"), Arg::word("one", "ONE")]),
            ],
        )]),
        Row::new("restore-asking", "3.0.0", -4, &[Write, DenyOom, Asking])
            .summary("Restores a key into a slot that is being imported; sent by MIGRATE.")
            .complexity("O(N*M), N elements of M bytes; O(N*M*log(N)) for sorted sets")
            .syscmd()
            .history(&[
                ("3.0.0", "`REPLACE`."),
                ("5.0.0", "`ABSTTL`."),
                ("5.0.0", "`IDLETIME` and `FREQ`."),
            ])
            .acl(&[Category::Keyspace, Category::Dangerous])
            .keys(&[KeySpec::at(1, &[Ow, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("ttl"),
                Arg::string("serialized-value"),
                Arg::word("replace", "REPLACE").since("3.0.0").optional(),
                Arg::word("absttl", "ABSTTL").since("5.0.0").optional(),
                Arg::integer("seconds")
                    .token("IDLETIME")
                    .since("5.0.0")
                    .optional(),
                Arg::integer("frequency")
                    .token("FREQ")
                    .since("5.0.0")
                    .optional(),
            ]),
        Row::new("role", "2.8.12", 1, &[NoScript, Loading, Stale, Fast])
            .summary("Returns whether the server is a master or a replica.")
            .complexity("O(1)")
            .acl(&[Category::Admin, Category::Dangerous]),
        Row::new(
            "save",
            "1.0.0",
            1,
            &[NoAsyncLoading, Admin, NoScript, NoMulti],
        )
        .summary("Saves a snapshot and waits until it is there.")
        .complexity("O(N), N keys in all databases"),
        Row::new(
            "shutdown",
            "1.0.0",
            -1,
            &[Admin, NoScript, Loading, Stale, NoMulti, AllowBusy],
        )
        .summary("Makes everything durable and ends the server.")
        .complexity("O(N), N pages not yet in the file")
        .history(&[("7.0.0", "`NOW`, `FORCE` and `ABORT`.")])
        .args(&[
            Arg::one_of(
                "save-selector",
                &[Arg::word("nosave", "NOSAVE"), Arg::word("save", "SAVE")],
            )
            .optional(),
            Arg::word("now", "NOW").since("7.0.0").optional(),
            Arg::word("force", "FORCE").since("7.0.0").optional(),
            Arg::word("abort", "ABORT").since("7.0.0").optional(),
        ]),
        Row::new(
            "slaveof",
            "1.0.0",
            3,
            &[NoAsyncLoading, Admin, NoScript, Stale],
        )
        .summary("Makes the server a replica of another, or a master.")
        .complexity("O(1)")
        .deprecated("5.0.0", "`REPLICAOF`")
        .args(&[Arg::one_of(
            "args",
            &[
                Arg::block("host-port", &[Arg::string("host"), Arg::integer("port")]),
                Arg::block("no-one", &[Arg::word("no", "NO"), Arg::word("one", "ONE")]),
            ],
        )]),
        Row::new("slowlog", "2.2.12", -2, &[])
            .summary("Looks at the log of slow commands.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("slowlog|get", "2.2.12", -2, &[Admin, Loading, Stale])
                    .summary("Returns entries of the log, newest first.")
                    .complexity("O(N), N entries")
                    .history(&[("4.0.0", "Shows the address and name of the client.")])
                    .tips(&["request_policy:all_nodes", "nondeterministic_output"])
                    .args(&[Arg::integer("count").optional()]),
                Row::new("slowlog|help", "6.2.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("slowlog|len", "2.2.12", 2, &[Admin, Loading, Stale])
                    .summary("Returns how many entries the log has.")
                    .complexity("O(1)")
                    .tips(&[
                        "request_policy:all_nodes",
                        "response_policy:agg_sum",
                        "nondeterministic_output",
                    ]),
                Row::new("slowlog|reset", "2.2.12", 2, &[Admin, Loading, Stale])
                    .summary("Empties the log.")
                    .complexity("O(N), N entries")
                    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
            ]),
        Row::new("swapdb", "4.0.0", 3, &[Write, Fast])
            .summary("Swaps two databases.")
            .complexity("O(N), N clients that watch or wait for their keys")
            .acl(&[Category::Keyspace, Category::Dangerous])
            .args(&[Arg::integer("index1"), Arg::integer("index2")]),
        Row::new(
            "sync",
            "1.0.0",
            1,
            &[NoAsyncLoading, Admin, NoMulti, NoScript],
        )
        .summary("Starts replication; sent by replicas."),
        Row::new("time", "2.6.0", 1, &[Loading, Stale, Fast])
            .summary("Returns the time of the server.")
            .complexity("O(1)")
            .tips(&["nondeterministic_output"]),
    ],
};
