//! Rows of the commands that run Lua.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{
        AllowBusy, DenyOom, Loading, MayReplicate, NoMandatoryKeys, NoScript, ReadOnly,
        SkipMonitor, Stale, Write,
    },
    Group, Row, Rows,
};

pub(super) const ROWS: Rows =
    Rows {
        group: Group::Scripting,
        rows: &[
            Row::new(
                "eval",
                "2.6.0",
                -3,
                &[NoScript, SkipMonitor, MayReplicate, NoMandatoryKeys, Stale],
            )
            .summary("Runs a Lua script.")
            .complexity("That of the script")
            .keys(&[KeySpec::counted(2, &[Rw, Access, Update])
                .notes("RW and update cover whatever the code does")])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::string("script"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).optional().multiple(),
                Arg::string("arg").optional().multiple(),
            ]),
            Row::new(
                "eval_ro",
                "7.0.0",
                -3,
                &[NoScript, SkipMonitor, NoMandatoryKeys, Stale, ReadOnly],
            )
            .summary("Runs a Lua script that does not write.")
            .complexity("That of the script")
            .keys(&[KeySpec::counted(2, &[Ro, Access])
                .notes("RO and access cover whatever the code reads")])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::string("script"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).optional().multiple(),
                Arg::string("arg").optional().multiple(),
            ]),
            Row::new(
                "evalsha",
                "2.6.0",
                -3,
                &[NoScript, SkipMonitor, MayReplicate, NoMandatoryKeys, Stale],
            )
            .summary("Runs a Lua script known by its SHA1.")
            .complexity("That of the script")
            .keys(&[KeySpec::counted(2, &[Rw, Access, Update])])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::string("sha1"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).optional().multiple(),
                Arg::string("arg").optional().multiple(),
            ]),
            Row::new(
                "evalsha_ro",
                "7.0.0",
                -3,
                &[NoScript, SkipMonitor, NoMandatoryKeys, Stale, ReadOnly],
            )
            .summary("Runs a Lua script that does not write, known by its SHA1.")
            .complexity("That of the script")
            .keys(&[KeySpec::counted(2, &[Ro, Access])])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::string("sha1"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).optional().multiple(),
                Arg::string("arg").optional().multiple(),
            ]),
            Row::new(
                "fcall",
                "7.0.0",
                -3,
                &[NoScript, SkipMonitor, MayReplicate, NoMandatoryKeys, Stale],
            )
            .summary("Calls a function.")
            .complexity("That of the function")
            .keys(&[KeySpec::counted(2, &[Rw, Access, Update])
                .notes("RW and update cover whatever the code does")])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::string("function"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).optional().multiple(),
                Arg::string("arg").optional().multiple(),
            ]),
            Row::new(
                "fcall_ro",
                "7.0.0",
                -3,
                &[NoScript, SkipMonitor, NoMandatoryKeys, Stale, ReadOnly],
            )
            .summary("Calls a function that does not write.")
            .complexity("That of the function")
            .keys(&[KeySpec::counted(2, &[Ro, Access])
                .notes("RO and access cover whatever the code reads")])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::string("function"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).optional().multiple(),
                Arg::string("arg").optional().multiple(),
            ]),
            Row::new("function", "7.0.0", -2, &[])
                .summary("Looks after libraries of functions.")
                .complexity("That of the subcommand")
                .subcommands(&[
                    Row::new("function|delete", "7.0.0", 3, &[NoScript, Write])
                        .summary("Deletes a library and its functions.")
                        .complexity("O(1)")
                        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
                        .args(&[Arg::string("library-name")]),
                    Row::new("function|dump", "7.0.0", 2, &[NoScript])
                        .summary("Returns all libraries in serialized form.")
                        .complexity("O(N), N functions"),
                    Row::new("function|flush", "7.0.0", -2, &[NoScript, Write])
                        .summary("Deletes all libraries.")
                        .complexity("O(N), N functions deleted")
                        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
                        .args(&[Arg::one_of(
                            "flush-type",
                            &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
                        )
                        .optional()]),
                    Row::new("function|help", "7.0.0", 2, &[Loading, Stale])
                        .summary("Explains the subcommands.")
                        .complexity("O(1)"),
                    Row::new("function|kill", "7.0.0", 2, &[NoScript, AllowBusy])
                        .summary("Ends the function that is running.")
                        .complexity("O(1)")
                        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
                    Row::new("function|list", "7.0.0", -2, &[NoScript])
                        .summary("Lists libraries and their functions.")
                        .complexity("O(N), N functions")
                        .tips(&["nondeterministic_output_order"])
                        .args(&[
                            Arg::string("library-name-pattern")
                                .token("LIBRARYNAME")
                                .optional(),
                            Arg::word("withcode", "WITHCODE").optional(),
                        ]),
                    Row::new("function|load", "7.0.0", -3, &[NoScript, Write, DenyOom])
                        .summary("Creates a library from its code.")
                        .complexity("O(1); compiling is not counted")
                        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
                        .args(&[
                            Arg::word("replace", "REPLACE").optional(),
                            Arg::string("function-code"),
                        ]),
                    Row::new("function|restore", "7.0.0", -3, &[NoScript, Write, DenyOom])
                        .summary("Restores libraries from their serialized form.")
                        .complexity("O(N), N functions restored")
                        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
                        .args(&[
                            Arg::string("serialized-value"),
                            Arg::one_of(
                                "policy",
                                &[
                                    Arg::word("flush", "FLUSH"),
                                    Arg::word("append", "APPEND"),
                                    Arg::word("replace", "REPLACE"),
                                ],
                            )
                            .optional(),
                        ]),
                    Row::new("function|stats", "7.0.0", 2, &[NoScript, AllowBusy])
                        .summary("Tells about the function that is running.")
                        .complexity("O(1)")
                        .tips(&[
                            "nondeterministic_output",
                            "request_policy:all_shards",
                            "response_policy:special",
                        ]),
                ]),
            Row::new("script", "2.6.0", -2, &[])
                .summary("Looks after Lua scripts.")
                .complexity("That of the subcommand")
                .subcommands(&[
                    Row::new("script|debug", "3.2.0", 3, &[NoScript])
                        .summary("Switches the debugger for scripts on and off.")
                        .complexity("O(1)")
                        .args(&[Arg::one_of(
                            "mode",
                            &[
                                Arg::word("yes", "YES"),
                                Arg::word("sync", "SYNC"),
                                Arg::word("no", "NO"),
                            ],
                        )]),
                    Row::new("script|exists", "2.6.0", -3, &[NoScript])
                        .summary("Tells which scripts the server knows.")
                        .complexity("O(N), N scripts asked for")
                        .tips(&[
                            "request_policy:all_shards",
                            "response_policy:agg_logical_and",
                        ])
                        .args(&[Arg::string("sha1").multiple()]),
                    Row::new("script|flush", "2.6.0", -2, &[NoScript])
                        .summary("Forgets all scripts.")
                        .complexity("O(N), N scripts")
                        .history(&[("6.2.0", "`ASYNC` and `SYNC`.")])
                        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                        .args(&[Arg::one_of(
                            "flush-type",
                            &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")],
                        )
                        .since("6.2.0")
                        .optional()]),
                    Row::new("script|help", "5.0.0", 2, &[Loading, Stale])
                        .summary("Explains the subcommands.")
                        .complexity("O(1)"),
                    Row::new("script|kill", "2.6.0", 2, &[NoScript, AllowBusy])
                        .summary("Ends the script that is running.")
                        .complexity("O(1)")
                        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
                    Row::new("script|load", "2.6.0", 3, &[NoScript, Stale])
                        .summary("Makes a script known to the server.")
                        .complexity("O(N), N bytes of the script")
                        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
                        .args(&[Arg::string("script")]),
                ]),
        ],
    };
