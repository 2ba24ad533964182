//! Rows of the commands on strings.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Delete, Insert, Ow, Ro, Rw, Update, VariableFlags},
    KeySpec,
};
use super::row::{
    Flag::{DenyOom, Fast, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::String,
    rows: &[
        Row::new("append", "2.0.0", 3, &[Write, DenyOom, Fast])
            .summary("Adds bytes to the end of a string; a missing key becomes that string.")
            .complexity("O(1) amortized")
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("value")]),
        Row::new("decr", "1.0.0", 2, &[Write, DenyOom, Fast])
            .summary("Takes one from a number; a missing key counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0)]),
        Row::new("decrby", "1.0.0", 3, &[Write, DenyOom, Fast])
            .summary("Takes a given amount from a number; a missing key counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0), Arg::integer("decrement")]),
        Row::new("get", "1.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns the string at a key.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("getdel", "6.2.0", 2, &[Write, Fast])
            .summary("Returns the string at a key and deletes the key.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete])])
            .args(&[Arg::key("key", 0)]),
        Row::new("getex", "6.2.0", -2, &[Write, Fast])
            .summary("Returns the string at a key and sets or removes its expiry.")
            .complexity("O(1)")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Update]).notes("Changing the expiry is RW and update")
            ])
            .args(&[
                Arg::key("key", 0),
                Arg::one_of(
                    "expiration",
                    &[
                        Arg::integer("seconds").token("EX"),
                        Arg::integer("milliseconds").token("PX"),
                        Arg::unix_time("unix-time-seconds").token("EXAT"),
                        Arg::unix_time("unix-time-milliseconds").token("PXAT"),
                        Arg::word("persist", "PERSIST"),
                    ],
                )
                .optional(),
            ]),
        Row::new("getrange", "2.4.0", 4, &[ReadOnly])
            .summary("Returns the bytes of a string between two offsets.")
            .complexity("O(N), N bytes returned")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("start"),
                Arg::integer("end"),
            ]),
        Row::new("getset", "1.0.0", 3, &[Write, DenyOom, Fast])
            .summary("Sets a string and returns the one it replaces.")
            .complexity("O(1)")
            .deprecated("6.2.0", "`SET` with `!GET`")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0), Arg::string("value")]),
        Row::new("incr", "1.0.0", 2, &[Write, DenyOom, Fast])
            .summary("Adds one to a number; a missing key counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0)]),
        Row::new("incrby", "1.0.0", 3, &[Write, DenyOom, Fast])
            .summary("Adds a given amount to a number; a missing key counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0), Arg::integer("increment")]),
        Row::new("incrbyfloat", "2.6.0", 3, &[Write, DenyOom, Fast])
            .summary("Adds a floating point amount to a number; a missing key counts as 0.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[Arg::key("key", 0), Arg::double("increment")]),
        Row::new("lcs", "7.0.0", -3, &[ReadOnly])
            .summary("Finds what two strings have in common: their longest common subsequence.")
            .complexity("O(N*M), N and M the lengths of the two strings")
            .keys(&[KeySpec::at(1, &[Ro, Access]).to(1)])
            .args(&[
                Arg::key("key1", 0),
                Arg::key("key2", 0),
                Arg::word("len", "LEN").optional(),
                Arg::word("idx", "IDX").optional(),
                Arg::integer("min-match-len")
                    .token("MINMATCHLEN")
                    .optional(),
                Arg::word("withmatchlen", "WITHMATCHLEN").optional(),
            ]),
        Row::new("mget", "1.0.0", -2, &[ReadOnly, Fast])
            .summary("Returns the strings at several keys in one step.")
            .complexity("O(N), N keys")
            .tips(&["request_policy:multi_shard"])
            .keys(&[KeySpec::at(1, &[Ro, Access]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("mset", "1.0.1", -3, &[Write, DenyOom])
            .summary("Sets the strings at several keys in one step.")
            .complexity("O(N), N keys")
            .tips(&[
                "request_policy:multi_shard",
                "response_policy:all_succeeded",
            ])
            .keys(&[KeySpec::at(1, &[Ow, Update]).every(2, -1)])
            .args(&[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()]),
        Row::new("msetnx", "1.0.1", -3, &[Write, DenyOom])
            .summary("Sets the strings at several keys in one step, if none of the keys exists.")
            .complexity("O(N), N keys")
            .keys(&[KeySpec::at(1, &[Ow, Insert]).every(2, -1)])
            .args(&[Arg::block("data", &[Arg::key("key", 0), Arg::string("value")]).multiple()]),
        Row::new("psetex", "2.6.0", 4, &[Write, DenyOom])
            .summary("Sets a string that expires after some milliseconds.")
            .complexity("O(1)")
            .deprecated("2.6.12", "`SET` with `PX`")
            .keys(&[KeySpec::at(1, &[Ow, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("milliseconds"),
                Arg::string("value"),
            ]),
        Row::new("set", "1.0.0", -3, &[Write, DenyOom])
            .summary("Sets the string at a key, whatever the key held.")
            .complexity("O(1)")
            .history(&[
                ("2.6.12", "`EX`, `PX`, `NX` and `XX`."),
                ("6.0.0", "`KEEPTTL`."),
                ("6.2.0", "`GET`, `EXAT` and `PXAT`."),
                ("7.0.0", "`NX` may stand beside `GET`."),
            ])
            .keys(&[KeySpec::at(1, &[Rw, Access, Update, VariableFlags])
                .notes("RW and access are those of `GET`")])
            .key_finder(key_finders::set)
            .args(&[
                Arg::key("key", 0),
                Arg::string("value"),
                Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
                    .since("2.6.12")
                    .optional(),
                Arg::word("get", "GET").since("6.2.0").optional(),
                Arg::one_of(
                    "expiration",
                    &[
                        Arg::integer("seconds").token("EX").since("2.6.12"),
                        Arg::integer("milliseconds").token("PX").since("2.6.12"),
                        Arg::unix_time("unix-time-seconds")
                            .token("EXAT")
                            .since("6.2.0"),
                        Arg::unix_time("unix-time-milliseconds")
                            .token("PXAT")
                            .since("6.2.0"),
                        Arg::word("keepttl", "KEEPTTL").since("6.0.0"),
                    ],
                )
                .optional(),
            ]),
        Row::new("setex", "2.0.0", 4, &[Write, DenyOom])
            .summary("Sets a string that expires after some seconds.")
            .complexity("O(1)")
            .deprecated("2.6.12", "`SET` with `EX`")
            .keys(&[KeySpec::at(1, &[Ow, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("seconds"),
                Arg::string("value"),
            ]),
        Row::new("setnx", "1.0.0", 3, &[Write, DenyOom, Fast])
            .summary("Sets the string at a key that does not exist.")
            .complexity("O(1)")
            .deprecated("2.6.12", "`SET` with `NX`")
            .keys(&[KeySpec::at(1, &[Ow, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("value")]),
        Row::new("setrange", "2.2.0", 4, &[Write, DenyOom])
            .summary("Writes bytes into a string at an offset; a missing key counts as empty.")
            .complexity("O(M), M bytes written; the rest of the string is not touched")
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("offset"),
                Arg::string("value"),
            ]),
        Row::new("strlen", "2.2.0", 2, &[ReadOnly, Fast])
            .summary("Returns how many bytes a string has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("substr", "1.0.0", 4, &[ReadOnly])
            .summary("Returns the bytes of a string between two offsets.")
            .complexity("O(N), N bytes returned")
            .deprecated("2.0.0", "`GETRANGE`")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("start"),
                Arg::integer("end"),
            ]),
    ],
};
