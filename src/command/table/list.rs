//! Rows of the commands on lists.

use super::argument::Arg;
use super::key_finders;
use super::key_spec::{
    KeyFlag::{Access, Delete, Insert, Ro, Rw, Update},
    KeySpec,
};
use super::row::{
    Flag::{Blocking, DenyOom, Fast, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::List,
    rows: &[
        Row::new("blmove", "6.2.0", 6, &[Write, DenyOom, Blocking])
            .summary("Moves an element between ends of two lists; waits for one.")
            .complexity("O(1)")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Rw, Insert]),
            ])
            .args(&[
                Arg::key("source", 0),
                Arg::key("destination", 1),
                Arg::one_of(
                    "wherefrom",
                    &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
                ),
                Arg::one_of(
                    "whereto",
                    &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
                ),
                Arg::double("timeout"),
            ]),
        Row::new("blmpop", "7.0.0", -5, &[Write, Blocking])
            .summary("Takes elements from an end of the first list that has any; waits for one.")
            .complexity("O(N+M), N keys, M elements taken")
            .keys(&[KeySpec::counted(2, &[Rw, Access, Delete])])
            .key_finder(key_finders::counted_from_2)
            .args(&[
                Arg::double("timeout"),
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::one_of(
                    "where",
                    &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
                ),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("blpop", "2.0.0", -3, &[Write, Blocking])
            .summary("Takes the first element of the first list that has any; waits for one.")
            .complexity("O(N), N keys")
            .history(&[("6.0.0", "The time may be a fraction of a second.")])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete]).to(-2)])
            .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
        Row::new("brpop", "2.0.0", -3, &[Write, Blocking])
            .summary("Takes the last element of the first list that has any; waits for one.")
            .complexity("O(N), N keys")
            .history(&[("6.0.0", "The time may be a fraction of a second.")])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete]).to(-2)])
            .args(&[Arg::key("key", 0).multiple(), Arg::double("timeout")]),
        Row::new("brpoplpush", "2.2.0", 4, &[Write, DenyOom, Blocking])
            .summary("Moves the last element of a list to the head of another; waits for one.")
            .complexity("O(1)")
            .deprecated("6.2.0", "`BLMOVE` with `RIGHT` and `LEFT`")
            .history(&[("6.0.0", "The time may be a fraction of a second.")])
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Rw, Insert]),
            ])
            .args(&[
                Arg::key("source", 0),
                Arg::key("destination", 1),
                Arg::double("timeout"),
            ]),
        Row::new("lindex", "1.0.0", 3, &[ReadOnly])
            .summary("Returns the element at an index of a list.")
            .complexity("O(log N), N elements")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[Arg::key("key", 0), Arg::integer("index")]),
        Row::new("linsert", "2.2.0", 5, &[Write, DenyOom])
            .summary("Puts an element before or after another of a list.")
            .complexity("O(N), N elements up to the other one")
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[
                Arg::key("key", 0),
                Arg::one_of(
                    "where",
                    &[Arg::word("before", "BEFORE"), Arg::word("after", "AFTER")],
                ),
                Arg::string("pivot"),
                Arg::string("element"),
            ]),
        Row::new("llen", "1.0.0", 2, &[ReadOnly, Fast])
            .summary("Returns how many elements a list has.")
            .complexity("O(1)")
            .keys(&[KeySpec::at(1, &[Ro])])
            .args(&[Arg::key("key", 0)]),
        Row::new("lmove", "6.2.0", 5, &[Write, DenyOom])
            .summary("Moves an element between ends of two lists.")
            .complexity("O(1)")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Rw, Insert]),
            ])
            .args(&[
                Arg::key("source", 0),
                Arg::key("destination", 1),
                Arg::one_of(
                    "wherefrom",
                    &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
                ),
                Arg::one_of(
                    "whereto",
                    &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
                ),
            ]),
        Row::new("lmpop", "7.0.0", -4, &[Write])
            .summary("Takes elements from an end of the first list that has any.")
            .complexity("O(N+M), N keys, M elements taken")
            .keys(&[KeySpec::counted(1, &[Rw, Access, Delete])])
            .key_finder(key_finders::counted_from_1)
            .args(&[
                Arg::integer("numkeys"),
                Arg::key("key", 0).multiple(),
                Arg::one_of(
                    "where",
                    &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")],
                ),
                Arg::integer("count").token("COUNT").optional(),
            ]),
        Row::new("lpop", "1.0.0", -2, &[Write, Fast])
            .summary("Takes elements from the head of a list.")
            .complexity("O(N), N elements taken")
            .history(&[("6.2.0", "Takes a count.")])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("count").since("6.2.0").optional(),
            ]),
        Row::new("lpos", "6.0.6", -3, &[ReadOnly])
            .summary("Finds at which indexes an element stands in a list.")
            .complexity("O(N), N elements looked at")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("element"),
                Arg::integer("rank").token("RANK").optional(),
                Arg::integer("num-matches").token("COUNT").optional(),
                Arg::integer("len").token("MAXLEN").optional(),
            ]),
        Row::new("lpush", "1.0.0", -3, &[Write, DenyOom, Fast])
            .summary("Puts elements at the head of a list; a missing key counts as empty.")
            .complexity("O(1) an element")
            .history(&[("2.4.0", "Takes several elements.")])
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
        Row::new("lpushx", "2.2.0", -3, &[Write, DenyOom, Fast])
            .summary("Puts elements at the head of a list that exists.")
            .complexity("O(1) an element")
            .history(&[("4.0.0", "Takes several elements.")])
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
        Row::new("lrange", "1.0.0", 4, &[ReadOnly])
            .summary("Returns the elements of a list between two indexes.")
            .complexity("O(log S + N), S elements in the list, N returned")
            .keys(&[KeySpec::at(1, &[Ro, Access])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("start"),
                Arg::integer("stop"),
            ]),
        Row::new("lrem", "1.0.0", 4, &[Write])
            .summary("Removes elements that are equal to a given one.")
            .complexity("O(N+M), N elements in the list, M removed")
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("count"),
                Arg::string("element"),
            ]),
        Row::new("lset", "1.0.0", 4, &[Write, DenyOom])
            .summary("Replaces the element at an index of a list.")
            .complexity("O(log N), N elements")
            .keys(&[KeySpec::at(1, &[Rw, Update])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("index"),
                Arg::string("element"),
            ]),
        Row::new("ltrim", "1.0.0", 4, &[Write])
            .summary("Removes all elements of a list but those between two indexes.")
            .complexity("O(N), N elements removed")
            .keys(&[KeySpec::at(1, &[Rw, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("start"),
                Arg::integer("stop"),
            ]),
        Row::new("rpop", "1.0.0", -2, &[Write, Fast])
            .summary("Takes elements from the tail of a list.")
            .complexity("O(N), N elements taken")
            .history(&[("6.2.0", "Takes a count.")])
            .keys(&[KeySpec::at(1, &[Rw, Access, Delete])])
            .args(&[
                Arg::key("key", 0),
                Arg::integer("count").since("6.2.0").optional(),
            ]),
        Row::new("rpoplpush", "1.2.0", 3, &[Write, DenyOom])
            .summary("Moves the last element of a list to the head of another.")
            .complexity("O(1)")
            .deprecated("6.2.0", "`LMOVE` with `RIGHT` and `LEFT`")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Delete]),
                KeySpec::at(2, &[Rw, Insert]),
            ])
            .args(&[Arg::key("source", 0), Arg::key("destination", 1)]),
        Row::new("rpush", "1.0.0", -3, &[Write, DenyOom, Fast])
            .summary("Puts elements at the tail of a list; a missing key counts as empty.")
            .complexity("O(1) an element")
            .history(&[("2.4.0", "Takes several elements.")])
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
        Row::new("rpushx", "2.2.0", -3, &[Write, DenyOom, Fast])
            .summary("Puts elements at the tail of a list that exists.")
            .complexity("O(1) an element")
            .history(&[("4.0.0", "Takes several elements.")])
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[Arg::key("key", 0), Arg::string("element").multiple()]),
    ],
};
