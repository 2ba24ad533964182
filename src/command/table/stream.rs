//! Rows of the commands on streams.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Delete, Insert, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{Blocking, DenyOom, Fast, Loading, ReadOnly, Stale, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::Stream,
    rows: &[
        Row::new("xack", "5.0.0", -4, &[Write, Fast])
            .summary("Marks entries as dealt with by a consumer group.")
            .complexity("O(1) an entry")
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("group"),
                Arg::string("id").multiple(),
            ]),
        Row::new("xadd", "5.0.0", -5, &[Write, DenyOom, Fast])
            .summary("Appends an entry to a stream; a missing key counts as empty.")
            .complexity("O(1), and O(N) for N entries trimmed")
            .history(&[
                ("6.2.0", "`NOMKSTREAM`, `MINID` and `LIMIT`."),
                ("7.0.0", "IDs of the form `<ms>-*`."),
            ])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Rw, Update])
                .notes("Update and not insert: entries may be trimmed")])
            .args(&[
                Arg::key("key", 0),
                Arg::word("nomkstream", "NOMKSTREAM")
                    .since("6.2.0")
                    .optional(),
                Arg::block(
                    "trim",
                    &[
                        Arg::one_of(
                            "strategy",
                            &[
                                Arg::word("maxlen", "MAXLEN"),
                                Arg::word("minid", "MINID").since("6.2.0"),
                            ],
                        ),
                        Arg::one_of(
                            "operator",
                            &[Arg::word("equal", "="), Arg::word("approximately", "~")],
                        )
                        .optional(),
                        Arg::string("threshold"),
                        Arg::integer("count")
                            .token("LIMIT")
                            .since("6.2.0")
                            .optional(),
                    ],
                )
                .optional(),
                Arg::one_of(
                    "id-selector",
                    &[Arg::word("auto-id", "*"), Arg::string("id")],
                ),
                Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
            ]),
        Row::new("xautoclaim", "6.2.0", -6, &[Write, Fast])
            .summary("Gives pending entries that have waited long to another consumer.")
            .complexity("O(1) for a small count")
            .history(&[(
                "7.0.0",
                "Also returns the IDs of entries that no longer exist.",
            )])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("group"),
                Arg::string("consumer"),
                Arg::string("min-idle-time"),
                Arg::string("start"),
                Arg::integer("count").token("COUNT").optional(),
                Arg::word("justid", "JUSTID").optional(),
            ]),
        Row::new("xclaim", "5.0.0", -6, &[Write, Fast])
            .summary("Gives pending entries to another consumer.")
            .complexity("O(log N), N pending entries of the group")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("group"),
                Arg::string("consumer"),
                Arg::string("min-idle-time"),
                Arg::string("id").multiple(),
                Arg::integer("ms").token("IDLE").optional(),
                Arg::unix_time("unix-time-milliseconds")
                    .token("TIME")
                    .optional(),
                Arg::integer("count").token("RETRYCOUNT").optional(),
                Arg::word("force", "FORCE").optional(),
                Arg::word("justid", "JUSTID").optional(),
                Arg::string("lastid").token("LASTID").optional(),
            ]),
        Row::new("xdel", "5.0.0", -3, &[Write, Fast])
            .summary("Deletes entries of a stream.")
            .complexity("O(1) an entry")
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[Arg::key("key", 0), Arg::string("id").multiple()]),
        Row::new("xgroup", "5.0.0", -2, &[])
            .summary("Looks after consumer groups.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("xgroup|create", "5.0.0", -5, &[Write, DenyOom])
                    .summary("Creates a consumer group.")
                    .complexity("O(1)")
                    .history(&[("7.0.0", "`ENTRIESREAD`.")])
                    .keys(&[KeySpec::at(2, &[Rw, Insert])])
                    .args(&[
                        Arg::key("key", 0),
                        Arg::string("group"),
                        Arg::one_of(
                            "id-selector",
                            &[Arg::string("id"), Arg::word("new-id", "$")],
                        ),
                        Arg::word("mkstream", "MKSTREAM").optional(),
                        Arg::integer("entriesread")
                            .token("ENTRIESREAD")
                            .display("entries-read")
                            .optional(),
                    ]),
                Row::new("xgroup|createconsumer", "6.2.0", 5, &[Write, DenyOom])
                    .summary("Creates a consumer of a group.")
                    .complexity("O(1)")
                    .keys(&[KeySpec::at(2, &[Rw, Insert])])
                    .args(&[
                        Arg::key("key", 0),
                        Arg::string("group"),
                        Arg::string("consumer"),
                    ]),
                Row::new("xgroup|delconsumer", "5.0.0", 5, &[Write])
                    .summary("Deletes a consumer of a group.")
                    .complexity("O(1)")
                    .keys(&[KeySpec::at(2, &[Rw, Delete])])
                    .args(&[
                        Arg::key("key", 0),
                        Arg::string("group"),
                        Arg::string("consumer"),
                    ]),
                Row::new("xgroup|destroy", "5.0.0", 4, &[Write])
                    .summary("Deletes a consumer group.")
                    .complexity("O(N), N pending entries of the group")
                    .keys(&[KeySpec::at(2, &[Rw, Delete])])
                    .args(&[Arg::key("key", 0), Arg::string("group")]),
                Row::new("xgroup|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("xgroup|setid", "5.0.0", -5, &[Write])
                    .summary("Sets the ID after which a group goes on reading.")
                    .complexity("O(1)")
                    .history(&[("7.0.0", "`ENTRIESREAD`.")])
                    .keys(&[KeySpec::at(2, &[Rw, Update])])
                    .args(&[
                        Arg::key("key", 0),
                        Arg::string("group"),
                        Arg::one_of(
                            "id-selector",
                            &[Arg::string("id"), Arg::word("new-id", "$")],
                        ),
                        Arg::integer("entriesread")
                            .token("ENTRIESREAD")
                            .display("entries-read")
                            .optional(),
                    ]),
            ]),
        Row::new("xinfo", "5.0.0", -2, &[])
            .summary("Looks at streams.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("xinfo|consumers", "5.0.0", 4, &[ReadOnly])
                    .summary("Lists the consumers of a group.")
                    .complexity("O(1)")
                    .history(&[("7.2.0", "The field `inactive`; another sense of `idle`.")])
                    .tips(&["nondeterministic_output"])
                    .keys(&[KeySpec::at(2, &[Ro, Access])])
                    .args(&[Arg::key("key", 0), Arg::string("group")]),
                Row::new("xinfo|groups", "5.0.0", 3, &[ReadOnly])
                    .summary("Lists the consumer groups of a stream.")
                    .complexity("O(1)")
                    .history(&[("7.0.0", "The fields `entries-read` and `lag`.")])
                    .keys(&[KeySpec::at(2, &[Ro, Access])])
                    .args(&[Arg::key("key", 0)]),
                Row::new("xinfo|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("xinfo|stream", "5.0.0", -3, &[ReadOnly])
                    .summary("Describes a stream.")
                    .complexity("O(1)")
                    .history(&[
                        ("6.0.0", "`FULL`."),
                        ("7.0.0", "Fields about added, read and deleted entries."),
                        (
                            "7.2.0",
                            "The field `active-time`; another sense of `seen-time`.",
                        ),
                    ])
                    .keys(&[KeySpec::at(2, &[Ro, Access])])
                    .args(&[
                        Arg::key("key", 0),
                        Arg::block(
                            "full-block",
                            &[
                                Arg::word("full", "FULL"),
                                Arg::integer("count").token("COUNT").optional(),
                            ],
                        )
                        .optional(),
                    ]),
            ]),
        Row::new("xlen", "5.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns how many entries a stream has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("xpending", "5.0.0", -3, &[ReadOnly])
            .summary("Tells about the entries of a group that are read and not yet acknowledged.")
            .complexity("O(N), N entries returned; O(M), M entries looked at, with IDLE")
            .history(&[("6.2.0", "`IDLE` and exclusive ranges.")])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("group"),
                Arg::block(
                    "filters",
                    &[
                        Arg::integer("min-idle-time")
                            .token("IDLE")
                            .since("6.2.0")
                            .optional(),
                        Arg::string("start"),
                        Arg::string("end"),
                        Arg::integer("count"),
                        Arg::string("consumer").optional(),
                    ],
                )
                .optional(),
            ]),
        Row::new("xrange", "5.0.0", -4, &[ReadOnly])
            .summary("Returns the entries of a stream between two IDs.")
            .complexity("O(N), N entries returned")
            .history(&[("6.2.0", "Exclusive ranges.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("start"),
                Arg::string("end"),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("xread", "5.0.0", -4, &[Blocking, ReadOnly])
            .summary("Returns the entries of streams after given IDs; may wait for some.")
            .keys(&[KeySpec::after("STREAMS", 1, &[Ro, Access]).first_half()])
            .key_finder(key_finders::xread)
            .args(&[
                Arg::integer("count").token("COUNT").optional(),
                Arg::integer("milliseconds").token("BLOCK").optional(),
                Arg::block(
                    "streams",
                    &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()],
                )
                .token("STREAMS"),
            ]),
        Row::new("xreadgroup", "5.0.0", -7, &[Blocking, Write])
            .summary("Returns entries of streams for a consumer of a group; may wait for some.")
            .complexity("O(M) a stream, M entries returned")
            .keys(&[KeySpec::after("STREAMS", 4, &[Ro, Access]).first_half()])
            .key_finder(key_finders::xread)
            .args(&[
                Arg::block(
                    "group-block",
                    &[Arg::string("group"), Arg::string("consumer")],
                )
                .token("GROUP"),
                Arg::integer("count").token("COUNT").optional(),
                Arg::integer("milliseconds").token("BLOCK").optional(),
                Arg::word("noack", "NOACK").optional(),
                Arg::block(
                    "streams",
                    &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()],
                )
                .token("STREAMS"),
            ]),
        Row::new("xrevrange", "5.0.0", -4, &[ReadOnly])
            .summary("Returns the entries of a stream between two IDs, latest first.")
            .complexity("O(N), N entries returned")
            .history(&[("6.2.0", "Exclusive ranges.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("end"),
                Arg::string("start"),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("xsetid", "5.0.0", -3, &[Write, DenyOom, Fast])
            .summary("Sets the last ID of a stream; sent to replicas.")
            .complexity("O(1)")
            .history(&[("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID`.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("last-id"),
                Arg::integer("entries-added")
                    .token("ENTRIESADDED")
                    .since("7.0.0")
                    .optional(),
                Arg::string("max-deleted-id")
                    .token("MAXDELETEDID")
                    .since("7.0.0")
                    .optional(),
            ]),
        Row::new("xtrim", "5.0.0", -4, &[Write])
            .summary("Removes the oldest entries of a stream.")
            .complexity("O(N), N entries removed")
            .history(&[("6.2.0", "`MINID` and `LIMIT`.")])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "trim",
                    &[
                        Arg::one_of(
                            "strategy",
                            &[
                                Arg::word("maxlen", "MAXLEN"),
                                Arg::word("minid", "MINID").since("6.2.0"),
                            ],
                        ),
                        Arg::one_of(
                            "operator",
                            &[Arg::word("equal", "="), Arg::word("approximately", "~")],
                        )
                        .optional(),
                        Arg::string("threshold"),
                        Arg::integer("count")
                            .token("LIMIT")
                            .since("6.2.0")
                            .optional(),
                    ],
                ),
            ]),
    ],
};
