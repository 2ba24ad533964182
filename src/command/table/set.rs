//! Rows of the commands on sets.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Delete, Insert, Ow, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{DenyOom, Fast, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::Set,
    rows: &[
        Row::new("sadd", "1.0.0", -3, &[Write, DenyOom, Fast])
            .summary("Adds members to a set; a missing key counts as empty.")
            .complexity("O(1) a member")
            .history(&[("2.4.0", "Takes several members.")])
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
        Row::new("scard", "1.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns how many members a set has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("sdiff", "1.0.0", -2, &[ReadOnly])
            .summary("Returns the members of the first set that no other has.")
            .complexity("O(N), N members in all sets")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("sdiffstore", "1.0.0", -3, &[Write, DenyOom])
            .summary("Stores the members of the first set that no other has.")
            .complexity("O(N), N members in all sets")
            .keys(&[
                KeySpec::at(1, &[Ow, Update]),
                KeySpec::at(2, &[Ro, Access]).to(-1),
            ])
            .args(&[Arg::key("destination", 0), Arg::key("key", 1).multiple()]),
        Row::new("sinter", "1.0.0", -2, &[ReadOnly])
            .summary("Returns the members that all sets have.")
            .complexity("O(N*M), N members in the smallest of M sets")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("sintercard", "7.0.0", -3, &[ReadOnly])
            .summary("Counts the members that all sets have.")
            .complexity("O(N*M), N members in the smallest of M sets")
            .keys(&[KeySpec::counted(1, &[Ro, Access])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::integer("limit").token("LIMIT").optional(),
            ]),
        Row::new("sinterstore", "1.0.0", -3, &[Write, DenyOom])
            .summary("Stores the members that all sets have.")
            .complexity("O(N*M), N members in the smallest of M sets")
            .keys(&[
                KeySpec::at(1, &[Ow, Update]),
                KeySpec::at(2, &[Ro, Access]).to(-1),
            ])
            .args(&[Arg::key("destination", 0), Arg::key("key", 1).multiple()]),
        Row::new("sismember", "1.0.0", 3, &[ReadOnly, Fast])
            .summary("Tells whether a set has a member.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0), Arg::string("member")]),
        Row::new("smembers", "1.0.0", 2, &[ReadOnly])
            .summary("Returns all members of a set.")
            .complexity("O(N), N members")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0)]),
        Row::new("smismember", "6.2.0", -3, &[ReadOnly, Fast])
            .summary("Tells which of several members a set has.")
            .complexity("O(N), N members asked for")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
        Row::new("smove", "1.0.0", 4, &[Write, Fast])
            .summary("Moves a member from one set to another.")
            .complexity("O(1)")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Rw, Insert]),
            ])
            .args(&[
                Arg::key("source", 0),
                Arg::key("destination", 1),
                Arg::string("member"),
            ]),
        Row::new("spop", "1.0.0", -2, &[Write, Fast])
            .summary("Takes members picked at random from a set.")
            .complexity("O(1), or O(N) for a count of N")
            .history(&[("3.2.0", "Takes a count.")])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("count").since("3.2.0").optional(),
            ]),
        Row::new("srandmember", "1.0.0", -2, &[ReadOnly])
            .summary("Returns members picked at random from a set.")
            .complexity("O(1), or O(N) for a count of N")
            .history(&[("2.6.0", "Takes a count.")])
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("count").since("2.6.0").optional(),
            ]),
        Row::new("srem", "1.0.0", -3, &[Write, Fast])
            .summary("Removes members from a set.")
            .complexity("O(N), N members removed")
            .history(&[("2.4.0", "Takes several members.")])
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[Arg::key("key", 0), Arg::string("member").multiple()]),
        Row::new("sscan", "2.8.0", -3, &[ReadOnly])
            .summary("Walks over the members of a set, some at each call.")
            .complexity("O(1) a call, O(N) for all N members")
            .tips(&["nondeterministic_output"])
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("cursor"),
                Arg::pattern("pattern").token("MATCH").optional(),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("sunion", "1.0.0", -2, &[ReadOnly])
            .summary("Returns the members that any of the sets has.")
            .complexity("O(N), N members in all sets")
            .tips(&["nondeterministic_output_order"])
            .keys(&[KeySpec::at(1, &[Ro, Access]).to(-1)])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("sunionstore", "1.0.0", -3, &[Write, DenyOom])
            .summary("Stores the members that any of the sets has.")
            .complexity("O(N), N members in all sets")
            .keys(&[
                KeySpec::at(1, &[Ow, Update]),
                KeySpec::at(2, &[Ro, Access]).to(-1),
            ])
            .args(&[Arg::key("destination", 0), Arg::key("key", 1).multiple()]),
    ],
};
