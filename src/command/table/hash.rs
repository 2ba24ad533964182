//! Rows of the commands on hashes.

use super::argument::Arg;
use super::key_spec::{
    KeyFlag::{Access, Delete, Insert, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{DenyOom, Fast, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::Hash,
    rows: &[
        Row::new("hdel", "2.0.0", -3, &[Write, Fast])
            .summary("Deletes fields of a hash.")
            .complexity("O(N), N fields deleted")
            .history(&[("2.4.0", "Takes several fields.")])
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[Arg::key("key", 0), Arg::string("field").multiple()]),
        Row::new("hexists", "2.0.0", 3, &[ReadOnly, Fast])
            .summary("Tells whether a hash has a field.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0), Arg::string("field")]),
        Row::new("hexpire", "7.4.0", -6, &[Write, DenyOom, Fast])
            .summary("Lets fields expire after some seconds.")
            .complexity("O(N), N fields")
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
                .optional(),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hexpireat", "7.4.0", -6, &[Write, DenyOom, Fast])
            .summary("Lets fields expire at a Unix time in seconds.")
            .complexity("O(N), N fields")
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
                .optional(),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hexpiretime", "7.4.0", -5, &[ReadOnly, Fast])
            .summary("Returns when fields expire, as Unix times in seconds.")
            .complexity("O(N), N fields")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hget", "2.0.0", 3, &[ReadOnly, Fast])
            .summary("Returns the value of a field.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::string("field")]),
        Row::new("hgetall", "2.0.0", 2, &[ReadOnly])
            .summary("Returns all fields and values of a hash.")
            .complexity("O(N), N fields")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("hincrby", "2.0.0", 4, &[Write, DenyOom, Fast])
            .summary("Adds to the number in a field; a missing field counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("field"),
                Arg::integer("increment"),
            ]),
        Row::new("hincrbyfloat", "2.6.0", 4, &[Write, DenyOom, Fast])
            .summary("Adds a floating point amount to a field; a missing field counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("field"),
                Arg::double("increment"),
            ]),
        Row::new("hkeys", "2.0.0", 2, &[ReadOnly])
            .summary("Returns all fields of a hash.")
            .complexity("O(N), N fields")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("hlen", "2.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns how many fields a hash has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("hmget", "2.0.0", -3, &[ReadOnly, Fast])
            .summary("Returns the values of several fields.")
            .complexity("O(N), N fields asked for")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::string("field").multiple()]),
        Row::new("hmset", "2.0.0", -4, &[Write, DenyOom, Fast])
            .summary("Sets the values of several fields.")
            .complexity("O(N), N fields set")
            .deprecated("4.0.0", "`HSET` with several fields")
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
            ]),
        Row::new("hpersist", "7.4.0", -5, &[Write, Fast])
            .summary("Removes the expiry of fields.")
            .complexity("O(N), N fields")
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hpexpire", "7.4.0", -6, &[Write, DenyOom, Fast])
            .summary("Lets fields expire after some milliseconds.")
            .complexity("O(N), N fields")
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
                .optional(),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hpexpireat", "7.4.0", -6, &[Write, DenyOom, Fast])
            .summary("Lets fields expire at a Unix time in milliseconds.")
            .complexity("O(N), N fields")
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
                .optional(),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hpexpiretime", "7.4.0", -5, &[ReadOnly, Fast])
            .summary("Returns when fields expire, as Unix times in milliseconds.")
            .complexity("O(N), N fields")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hpttl", "7.4.0", -5, &[ReadOnly, Fast])
            .summary("Returns in how many milliseconds fields expire.")
            .complexity("O(N), N fields")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hrandfield", "6.2.0", -2, &[ReadOnly])
            .summary("Returns fields picked at random.")
            .complexity("O(N), N fields returned")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "options",
                    &[
                        Arg::integer("count"),
                        Arg::word("withvalues", "WITHVALUES").optional(),
                    ],
                )
                .optional(),
            ]),
        Row::new("hscan", "2.8.0", -3, &[ReadOnly])
            .summary("Walks over the fields and values of a hash, some at each call.")
            .complexity("O(1) a call, O(N) for all N fields")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("cursor"),
                Arg::pattern("pattern").token("MATCH").optional(),
                Arg::integer("count").token("COUNT").optional(),
                Arg::word("novalues", "NOVALUES").optional(),
            ]),
        Row::new("hset", "2.0.0", -4, &[Write, DenyOom, Fast])
            .summary("Sets fields of a hash; a missing key counts as empty.")
            .complexity("O(1) a field")
            .history(&[("4.0.0", "Takes several fields and values.")])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
            ]),
        Row::new("hsetnx", "2.0.0", 4, &[Write, DenyOom, Fast])
            .summary("Sets a field that does not exist.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("field"),
                Arg::string("value"),
            ]),
        Row::new("hstrlen", "3.2.0", 3, &[ReadOnly, Fast])
            .summary("Returns how many bytes the value of a field has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0), Arg::string("field")]),
        Row::new("httl", "7.4.0", -5, &[ReadOnly, Fast])
            .summary("Returns in how many seconds fields expire.")
            .complexity("O(N), N fields")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "fields",
                    &[Arg::integer("numfields"), Arg::string("field").multiple()],
                )
                .token("FIELDS"),
            ]),
        Row::new("hvals", "2.0.0", 2, &[ReadOnly])
            .summary("Returns all values of a hash.")
            .complexity("O(N), N fields")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
    ],
};
