//! Rows of the commands on sorted sets.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Delete, Ow, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{Blocking, DenyOom, Fast, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::SortedSet,
    rows: &[
        Row::new("bzmpop", "7.0.0", -5, &[Write, Blocking])
            .summary("Takes the lowest or highest members of a sorted set; waits for some.")
            .complexity("O(K)+O(M*log(N)), K keys, N members, M taken")
            .keys(&[KeySpec::counted(2, &[Rw, Access, Delete])])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::double("timeout"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("bzpopmax", "5.0.0", -3, &[Write, Fast, Blocking])
            .summary("Takes the member with the highest score; waits for one.")
            .complexity("O(log(N)), N members")
            .history(&[("6.0.0", "The time may be a fraction of a second.")])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete]).to(-2)])
            .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
        Row::new("bzpopmin", "5.0.0", -3, &[Write, Fast, Blocking])
            .summary("Takes the member with the lowest score; waits for one.")
            .complexity("O(log(N)), N members")
            .history(&[("6.0.0", "The time may be a fraction of a second.")])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete]).to(-2)])
            .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
        Row::new("zadd", "1.2.0", -4, &[Write, DenyOom, Fast])
            .summary("Adds members with their scores, or changes the scores.")
            .complexity("O(log(N)) a member, N members in the set")
            .history(&[
                ("2.4.0", "Takes several members."),
                ("3.0.2", "`XX`, `NX`, `CH` and `INCR`."),
                ("6.2.0", "`GT` and `LT`."),
            ])
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
                    .since("3.0.2")
                    .optional(),
                Arg::one_of(
                    "comparison",
                    &[Arg::word("gt", "GT"), Arg::word("lt", "LT")],
                )
                .since("6.2.0")
                .optional(),
                Arg::word("change", "CH").since("3.0.2").optional(),
                Arg::word("increment", "INCR").since("3.0.2").optional(),
                Arg::block("data", &[Arg::double("score"), Arg::string("member")]).multiple(),
            ]),
        Row::new("zcard", "1.2.0", 2, &[ReadOnly, Fast])
            .summary("Returns how many members a sorted set has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("zcount", "2.0.0", 4, &[ReadOnly, Fast])
            .summary("Counts the members between two scores.")
            .complexity("O(log(N)), N members")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::double("min"), Arg::double("max")]),
        Row::new("zdiff", "6.2.0", -3, &[ReadOnly])
            .summary("Returns the members of the first sorted set that no other has.")
            .complexity("O(L+(N-K)*log(N)), L members in all, N in the first, K returned")
            .keys(&[KeySpec::counted(1, &[Ro, Access])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::word("withscores", "WITHSCORES").optional(),
            ]),
        Row::new("zdiffstore", "6.2.0", -4, &[Write, DenyOom])
            .summary("Stores the members of the first sorted set that no other has.")
            .complexity("O(L+(N-K)*log(N)), L members in all, N in the first, K stored")
            .keys(&[
                KeySpec::at(1, &[Ow, Update]),
                KeySpec::counted(2, &[Ro, Access]),
            ])
            .key_finder(key_finders::stored_and_counted)
            .args(&[
                Arg::key("destination", 0),
                Arg::integer("numkeys"),
                Arg::key("key", 1).multiple(),
            ]),
        Row::new("zincrby", "1.2.0", 4, &[Write, DenyOom, Fast])
            .summary("Adds to the score of a member.")
            .complexity("O(log(N)), N members")
            .keys(&[KeySpec::at(1, &[Rw, Access, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("increment"),
                Arg::string("member"),
            ]),
        Row::new("zinter", "6.2.0", -3, &[ReadOnly])
            .summary("Returns the members that all sorted sets have.")
            .complexity("O(N*K)+O(M*log(M)), N members in the smallest of K sets, M in the result")
            .keys(&[KeySpec::counted(1, &[Ro, Access])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::integer("weight")
                    .token("WEIGHTS")
                    .optional()
                    .multiple(),
                Arg::one_of(
                    "aggregate",
                    &[
                        Arg::word("sum", "SUM"),
                        Arg::word("min", "MIN"),
                        Arg::word("max", "MAX"),
                    ],
                )
                .token("AGGREGATE")
                .optional(),
                Arg::word("withscores", "WITHSCORES").optional(),
            ]),
        Row::new("zintercard", "7.0.0", -3, &[ReadOnly])
            .summary("Counts the members that all sorted sets have.")
            .complexity("O(N*K), N members in the smallest of K sets")
            .keys(&[KeySpec::counted(1, &[Ro, Access])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::integer("limit").token("LIMIT").optional(),
            ]),
        Row::new("zinterstore", "2.0.0", -4, &[Write, DenyOom])
            .summary("Stores the members that all sorted sets have.")
            .complexity("O(N*K)+O(M*log(M)), N members in the smallest of K sets, M in the result")
            .keys(&[
                KeySpec::at(1, &[Ow, Update]),
                KeySpec::counted(2, &[Ro, Access]),
            ])
            .key_finder(key_finders::stored_and_counted)
            .args(&[
                Arg::key("destination", 0),
                Arg::integer("numkeys"),
                Arg::key("key", 1).multiple(),
                Arg::integer("weight")
                    .token("WEIGHTS")
                    .optional()
                    .multiple(),
                Arg::one_of(
                    "aggregate",
                    &[
                        Arg::word("sum", "SUM"),
                        Arg::word("min", "MIN"),
                        Arg::word("max", "MAX"),
                    ],
                )
                .token("AGGREGATE")
                .optional(),
            ]),
        Row::new("zlexcount", "2.8.9", 4, &[ReadOnly, Fast])
            .summary("Counts the members between two names.")
            .complexity("O(log(N)), N members")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::string("min"), Arg::string("max")]),
        Row::new("zmpop", "7.0.0", -4, &[Write])
            .summary("Takes the lowest or highest members of the first set that has any.")
            .complexity("O(K)+O(M*log(N)), K keys, N members, M taken")
            .keys(&[KeySpec::counted(1, &[Rw, Access, Delete])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("zmscore", "6.2.0", -3, &[ReadOnly, Fast])
            .summary("Returns the scores of several members.")
            .complexity("O(N), N members asked for")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
        Row::new("zpopmax", "5.0.0", -2, &[Write, Fast])
            .summary("Takes the members with the highest scores.")
            .complexity("O(log(N)*M), N members, M taken")
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete])])
            .args(&[Arg::key("key", 0), Arg::integer("count").optional()]),
        Row::new("zpopmin", "5.0.0", -2, &[Write, Fast])
            .summary("Takes the members with the lowest scores.")
            .complexity("O(log(N)*M), N members, M taken")
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete])])
            .args(&[Arg::key("key", 0), Arg::integer("count").optional()]),
        Row::new("zrandmember", "6.2.0", -2, &[ReadOnly])
            .summary("Returns members picked at random.")
            .complexity("O(N), N members returned")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::block(
                    "options",
                    &[
                        Arg::integer("count"),
                        Arg::word("withscores", "WITHSCORES").optional(),
                    ],
                )
                .optional(),
            ]),
        Row::new("zrange", "1.2.0", -4, &[ReadOnly])
            .summary("Returns the members of a range of ranks, scores or names.")
            .complexity("O(log(N)+M), N members, M returned")
            .history(&[("6.2.0", "`REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("start"),
                Arg::string("stop"),
                Arg::one_of(
                    "sortby",
                    &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")],
                )
                .since("6.2.0")
                .optional(),
                Arg::word("rev", "REV").since("6.2.0").optional(),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .since("6.2.0")
                    .optional(),
                Arg::word("withscores", "WITHSCORES").optional(),
            ]),
        Row::new("zrangebylex", "2.8.9", -4, &[ReadOnly])
            .summary("Returns the members between two names.")
            .complexity("O(log(N)+M), N members, M returned")
            .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("min"),
                Arg::string("max"),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
            ]),
        Row::new("zrangebyscore", "1.0.5", -4, &[ReadOnly])
            .summary("Returns the members between two scores.")
            .complexity("O(log(N)+M), N members, M returned")
            .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
            .history(&[("2.0.0", "`WITHSCORES`.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::double("min"),
                Arg::double("max"),
                Arg::word("withscores", "WITHSCORES")
                    .since("2.0.0")
                    .optional(),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
            ]),
        Row::new("zrangestore", "6.2.0", -5, &[Write, DenyOom])
            .summary("Stores the members of a range of ranks, scores or names.")
            .complexity("O(log(N)+M), N members, M stored")
            .keys(&[KeySpec::at(1, &[Ow, Update]), KeySpec::at(2, &[Ro, Access])])
            .args(&[
                Arg::key("dst", 0),
                Arg::key("src", 1),
                Arg::string("min"),
                Arg::string("max"),
                Arg::one_of(
                    "sortby",
                    &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")],
                )
                .optional(),
                Arg::word("rev", "REV").optional(),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
            ]),
        Row::new("zrank", "2.0.0", -3, &[ReadOnly, Fast])
            .summary("Returns the rank of a member, counted from the lowest score.")
            .complexity("O(log(N))")
            .history(&[("7.2.0", "`WITHSCORE`.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("member"),
                Arg::word("withscore", "WITHSCORE").optional(),
            ]),
        Row::new("zrem", "1.2.0", -3, &[Write, Fast])
            .summary("Removes members from a sorted set.")
            .complexity("O(M*log(N)), N members, M removed")
            .history(&[("2.4.0", "Takes several members.")])
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
        Row::new("zremrangebylex", "2.8.9", 4, &[Write])
            .summary("Removes the members between two names.")
            .complexity("O(log(N)+M), N members, M removed")
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[Arg::key("key", 0), Arg::string("min"), Arg::string("max")]),
        Row::new("zremrangebyrank", "2.0.0", 4, &[Write])
            .summary("Removes the members between two ranks.")
            .complexity("O(log(N)+M), N members, M removed")
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("start"),
                Arg::integer("stop"),
            ]),
        Row::new("zremrangebyscore", "1.2.0", 4, &[Write])
            .summary("Removes the members between two scores.")
            .complexity("O(log(N)+M), N members, M removed")
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[Arg::key("key", 0), Arg::double("min"), Arg::double("max")]),
        Row::new("zrevrange", "1.2.0", -4, &[ReadOnly])
            .summary("Returns the members between two ranks, counted from the highest score.")
            .complexity("O(log(N)+M), N members, M returned")
            .deprecated("6.2.0", "`ZRANGE` with `REV`")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("start"),
                Arg::integer("stop"),
                Arg::word("withscores", "WITHSCORES").optional(),
            ]),
        Row::new("zrevrangebylex", "2.8.9", -4, &[ReadOnly])
            .summary("Returns the members between two names, last name first.")
            .complexity("O(log(N)+M), N members, M returned")
            .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("max"),
                Arg::string("min"),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
            ]),
        Row::new("zrevrangebyscore", "2.2.0", -4, &[ReadOnly])
            .summary("Returns the members between two scores, highest score first.")
            .complexity("O(log(N)+M), N members, M returned")
            .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
            .history(&[("2.1.6", "Exclusive ranges.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::double("max"),
                Arg::double("min"),
                Arg::word("withscores", "WITHSCORES").optional(),
                Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                    .token("LIMIT")
                    .optional(),
            ]),
        Row::new("zrevrank", "2.0.0", -3, &[ReadOnly, Fast])
            .summary("Returns the rank of a member, counted from the highest score.")
            .complexity("O(log(N))")
            .history(&[("7.2.0", "`WITHSCORE`.")])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("member"),
                Arg::word("withscore", "WITHSCORE").optional(),
            ]),
        Row::new("zscan", "2.8.0", -3, &[ReadOnly])
            .summary("Walks over the members and scores of a sorted set, some at each call.")
            .complexity("O(1) a call, O(N) for all N members")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("cursor"),
                Arg::pattern("pattern").token("MATCH").optional(),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("zscore", "1.2.0", 3, &[ReadOnly, Fast])
            .summary("Returns the score of a member.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::string("member")]),
        Row::new("zunion", "6.2.0", -3, &[ReadOnly])
            .summary("Returns the members that any of the sorted sets has.")
            .complexity("O(N)+O(M*log(M)), N members in all sets, M in the result")
            .keys(&[KeySpec::counted(1, &[Ro, Access])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::integer("weight")
                    .token("WEIGHTS")
                    .optional()
                    .multiple(),
                Arg::one_of(
                    "aggregate",
                    &[
                        Arg::word("sum", "SUM"),
                        Arg::word("min", "MIN"),
                        Arg::word("max", "MAX"),
                    ],
                )
                .token("AGGREGATE")
                .optional(),
                Arg::word("withscores", "WITHSCORES").optional(),
            ]),
        Row::new("zunionstore", "2.0.0", -4, &[Write, DenyOom])
            .summary("Stores the members that any of the sorted sets has.")
            .complexity("O(N)+O(M*log(M)), N members in all sets, M in the result")
            .keys(&[
                KeySpec::at(1, &[Ow, Update]),
                KeySpec::counted(2, &[Ro, Access]),
            ])
            .key_finder(key_finders::stored_and_counted)
            .args(&[
                Arg::key("destination", 0),
                Arg::integer("numkeys"),
                Arg::key("key", 1).multiple(),
                Arg::integer("weight")
                    .token("WEIGHTS")
                    .optional()
                    .multiple(),
                Arg::one_of(
                    "aggregate",
                    &[
                        Arg::word("sum", "SUM"),
                        Arg::word("min", "MIN"),
                        Arg::word("max", "MAX"),
                    ],
                )
                .token("AGGREGATE")
                .optional(),
            ]),
    ],
};
