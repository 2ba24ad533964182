//! Rows of the commands on keys of any type.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Delete, Incomplete, Insert, Ow, Rm, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Category,
    Flag::{Blocking, DenyOom, Fast, Loading, ReadOnly, Stale, TouchesArbitraryKeys, Write},
    Group, Row, Rows,
};

/// Commands that are answered.
pub(super) const ROWS: Rows = Rows {
    group: Group::Generic,
    rows: &[
        Row::new("copy", "6.2.0", -3, &[Write, DenyOom])
            .summary("Copies a value to another key.")
            .complexity("O(1) for strings, O(N) for collections of N elements")
            .keys(&[KeySpec::at(1, &[Ro, Access]), KeySpec::at(2, &[Ow, Update])])
            .args(&[
                Arg::key("source", 0),
                Arg::key("destination", 1),
                Arg::integer("destination-db").token("DB").optional(),
                Arg::word("replace", "REPLACE").optional(),
            ]),
        Row::new("del", "1.0.0", -2, &[Write])
            .summary("Deletes keys.")
            .complexity("O(N), N keys; the size of what they hold does not count")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .keys(&[KeySpec::at(1, &[Rm, Delete]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("dump", "2.6.0", 2, &[ReadOnly])
            .summary("Returns a value in serialized form.")
            .complexity("O(N*M), N elements of M bytes")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("exists", "1.0.0", -2, &[ReadOnly, Fast])
            .summary("Counts how many of the keys exist.")
            .complexity("O(N), N keys")
            .history(&[("3.0.3", "Takes several keys.")])
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .keys(&[KeySpec::at(1, &[Ro]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("expire", "1.0.0", -3, &[Write, Fast])
            .summary("Lets a key expire after some seconds.")
            .complexity("O(1)")
            .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("seconds"),
                Arg::one_of(
                    "condition",
                    &[
                        Arg::word("nx", "NX"),
                        Arg::word("xx", "XX"),
                        Arg::word("gt", "GT"),
                        Arg::word("lt", "LT"),
                    ],
                )
                .since("7.0.0")
                .optional(),
            ]),
        Row::new("expireat", "1.2.0", -3, &[Write, Fast])
            .summary("Lets a key expire at a Unix time in seconds.")
            .complexity("O(1)")
            .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::unix_time("unix-time-seconds"),
                Arg::one_of(
                    "condition",
                    &[
                        Arg::word("nx", "NX"),
                        Arg::word("xx", "XX"),
                        Arg::word("gt", "GT"),
                        Arg::word("lt", "LT"),
                    ],
                )
                .since("7.0.0")
                .optional(),
            ]),
        Row::new("expiretime", "7.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns when a key expires, as a Unix time in seconds.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("keys", "1.0.0", 2, &[ReadOnly])
            .summary("Returns the names of all keys that match a pattern.")
            .complexity("O(N), N keys that begin as the pattern does")
            .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
            .acl(&[Category::Keyspace, Category::Dangerous])
            .args(&[Arg::pattern("pattern")]),
        Row::new("migrate", "2.6.0", -6, &[Write])
            .summary("Moves keys to another server.")
            .complexity("That of DUMP and DEL here and of RESTORE there")
            .history(&[
                ("3.0.0", "`COPY` and `REPLACE`."),
                ("3.0.6", "`KEYS`."),
                ("4.0.7", "`AUTH`."),
                ("6.0.0", "`AUTH2`."),
            ])
            .tips(&["nondeterministic_output"])
            .acl(&[Category::Keyspace, Category::Dangerous])
            .keys(&[
                KeySpec::at(3, &[Rw, Access, Delete]),
                KeySpec::after("KEYS", -2, &[Rw, Access, Delete, Incomplete]).to(-1),
            ])
            .key_finder(key_finders::migrate)
            .args(&[
                Arg::string("host"),
                Arg::integer("port"),
                Arg::one_of(
                    "key-selector",
                    &[Arg::key("key", 0), Arg::word("empty-string", "")],
                ),
                Arg::integer("destination-db"),
                Arg::integer("timeout"),
                Arg::word("copy", "COPY").since("3.0.0").optional(),
                Arg::word("replace", "REPLACE").since("3.0.0").optional(),
                Arg::one_of(
                    "authentication",
                    &[
                        Arg::string("auth")
                            .token("AUTH")
                            .display("password")
                            .since("4.0.7"),
                        Arg::block("auth2", &[Arg::string("username"), Arg::string("password")])
                            .token("AUTH2")
                            .since("6.0.0"),
                    ],
                )
                .optional(),
                Arg::key("keys", 1)
                    .token("KEYS")
                    .display("key")
                    .since("3.0.6")
                    .optional()
                    .multiple(),
            ]),
        Row::new("move", "1.0.0", 3, &[Write, Fast])
            .summary("Moves a key to another database.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0), Arg::integer("db")]),
        Row::new("object", "2.2.3", -2, &[])
            .summary("Looks at how a value is kept.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("object|encoding", "2.2.3", 3, &[ReadOnly])
                    .summary("Returns how a value is encoded.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"])
                    .keys(&[KeySpec::at(2, &[Ro])])
                    .args(&[Arg::key("key", 0)]),
                Row::new("object|freq", "4.0.0", 3, &[ReadOnly])
                    .summary("Returns how often a key has been used, on a logarithmic scale.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"])
                    .keys(&[KeySpec::at(2, &[Ro])])
                    .args(&[Arg::key("key", 0)]),
                Row::new("object|help", "6.2.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("object|idletime", "2.2.3", 3, &[ReadOnly])
                    .summary("Returns for how many seconds a key has not been used.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"])
                    .keys(&[KeySpec::at(2, &[Ro])])
                    .args(&[Arg::key("key", 0)]),
                Row::new("object|refcount", "2.2.3", 3, &[ReadOnly])
                    .summary("Returns how many references a value has.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"])
                    .keys(&[KeySpec::at(2, &[Ro])])
                    .args(&[Arg::key("key", 0)]),
            ]),
        Row::new("persist", "2.2.0", 2, &[Write, Fast])
            .summary("Removes the expiry of a key.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[Arg::key("key", 0)]),
        Row::new("pexpire", "2.6.0", -3, &[Write, Fast])
            .summary("Lets a key expire after some milliseconds.")
            .complexity("O(1)")
            .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("milliseconds"),
                Arg::one_of(
                    "condition",
                    &[
                        Arg::word("nx", "NX"),
                        Arg::word("xx", "XX"),
                        Arg::word("gt", "GT"),
                        Arg::word("lt", "LT"),
                    ],
                )
                .since("7.0.0")
                .optional(),
            ]),
        Row::new("pexpireat", "2.6.0", -3, &[Write, Fast])
            .summary("Lets a key expire at a Unix time in milliseconds.")
            .complexity("O(1)")
            .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::unix_time("unix-time-milliseconds"),
                Arg::one_of(
                    "condition",
                    &[
                        Arg::word("nx", "NX"),
                        Arg::word("xx", "XX"),
                        Arg::word("gt", "GT"),
                        Arg::word("lt", "LT"),
                    ],
                )
                .since("7.0.0")
                .optional(),
            ]),
        Row::new("pexpiretime", "7.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns when a key expires, as a Unix time in milliseconds.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("pttl", "2.6.0", 2, &[ReadOnly, Fast])
            .summary("Returns in how many milliseconds a key expires.")
            .complexity("O(1)")
            .history(&[("2.8.0", "Answers -2 for a missing key.")])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("randomkey", "1.0.0", 1, &[ReadOnly, TouchesArbitraryKeys])
            .summary("Returns a key picked at random.")
            .complexity("O(1)")
            .tips(&[
                "request_policy:all_shards",
                "response_policy:special",
                "nondeterministic_output",
            ]),
        Row::new("rename", "1.0.0", 3, &[Write])
            .summary("Gives a key another name, replacing what has that name.")
            .complexity("O(1)")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Ow, Update]),
            ])
            .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]),
        Row::new("renamenx", "1.0.0", 3, &[Write, Fast])
            .summary("Gives a key another name, if nothing has that name.")
            .complexity("O(1)")
            .history(&[("3.2.0", "Accepts the same name twice.")])
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Ow, Insert]),
            ])
            .args(&[Arg::key("key", 0), Arg::key("newkey", 1)]),
        Row::new("restore", "2.6.0", -4, &[Write, DenyOom])
            .summary("Creates a key from a value in serialized form.")
            .complexity("O(N*M), N elements of M bytes; O(N*M*log(N)) for sorted sets")
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
        Row::new("scan", "2.8.0", -2, &[ReadOnly, TouchesArbitraryKeys])
            .summary("Walks over the keys of the database, some at each call.")
            .complexity("O(1) a call, O(N) for all N keys")
            .history(&[("6.0.0", "`TYPE`.")])
            .tips(&[
                "nondeterministic_output",
                "request_policy:special",
                "response_policy:special",
            ])
            .args(&[
                Arg::integer("cursor"),
                Arg::pattern("pattern").token("MATCH").optional(),
                Arg::integer("count").token("COUNT").optional(),
                Arg::string("type").token("TYPE").since("6.0.0").optional(),
            ]),
        Row::new("sort", "1.0.0", -2, &[Write, DenyOom])
            .summary("Sorts the elements of a list, set or sorted set, and may store them.")
            .complexity("O(N+M*log(M)), N elements, M of them returned")
            .acl(&[
                Category::Set,
                Category::SortedSet,
                Category::List,
                Category::Dangerous,
            ])
            .keys(&[
                KeySpec::at(1, &[Ro, Access]),
                KeySpec::unknown(&[Ro, Access])
                    .notes("The keys of BY and GET, made of the elements"),
                KeySpec::unknown(&[Ow, Update]).notes("The key of STORE, which may stand anywhere"),
            ])
            .key_finder(key_finders::sort)
            .args(&[
                Arg::key("key", 0),
                Arg::pattern("by-pattern")
                    .key_spec(1)
                    .token("BY")
                    .display("pattern")
                    .optional(),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
                Arg::pattern("get-pattern")
                    .key_spec(1)
                    .token("GET")
                    .display("pattern")
                    .optional()
                    .multiple_token(),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
                Arg::word("sorting", "ALPHA").optional(),
                Arg::key("destination", 2).token("STORE").optional(),
            ]),
        Row::new("sort_ro", "7.0.0", -2, &[ReadOnly])
            .summary("Returns the elements of a list, set or sorted set, sorted.")
            .complexity("O(N+M*log(M)), N elements, M of them returned")
            .acl(&[
                Category::Set,
                Category::SortedSet,
                Category::List,
                Category::Dangerous,
            ])
            .keys(&[
                KeySpec::at(1, &[Ro, Access]),
                KeySpec::unknown(&[Ro, Access])
                    .notes("The keys of BY and GET, made of the elements"),
            ])
            .key_finder(key_finders::sort_ro)
            .args(&[
                Arg::key("key", 0),
                Arg::pattern("by-pattern")
                    .key_spec(1)
                    .token("BY")
                    .display("pattern")
                    .optional(),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
                Arg::pattern("get-pattern")
                    .key_spec(1)
                    .token("GET")
                    .display("pattern")
                    .optional()
                    .multiple_token(),
                Arg::one_of(
                    "order",
                    &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")],
                )
                .optional(),
                Arg::word("sorting", "ALPHA").optional(),
            ]),
        Row::new("touch", "3.2.1", -2, &[ReadOnly, Fast])
            .summary("Marks keys as used now and counts those that exist.")
            .complexity("O(N), N keys")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .keys(&[KeySpec::at(1, &[Ro]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("ttl", "1.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns in how many seconds a key expires.")
            .complexity("O(1)")
            .history(&[("2.8.0", "Answers -2 for a missing key.")])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("type", "1.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns the type of the value at a key.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("unlink", "4.0.0", -2, &[Write, Fast])
            .summary("Deletes keys and frees their space in the background.")
            .complexity("O(1) a key")
            .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
            .keys(&[KeySpec::at(1, &[Rm, Delete]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("wait", "3.0.0", 3, &[Blocking])
            .summary("Waits until replicas have received what this connection wrote.")
            .complexity("O(1)")
            .tips(&["request_policy:all_shards", "response_policy:agg_min"])
            .acl(&[Category::Connection])
            .args(&[Arg::integer("numreplicas"), Arg::integer("timeout")]),
        Row::new("waitaof", "7.2.0", 4, &[Blocking])
            .summary("Waits until what this connection wrote is on disk, here and elsewhere.")
            .complexity("O(1)")
            .tips(&["request_policy:all_shards", "response_policy:agg_min"])
            .acl(&[Category::Connection])
            .args(&[
                Arg::integer("numlocal"),
                Arg::integer("numreplicas"),
                Arg::integer("timeout"),
            ]),
    ],
};
