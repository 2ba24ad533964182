//! Rows of the commands on HyperLogLogs.

use super::argument::Arg;
use super::key_spec::{
    KeyFlag::{Access, Insert, Ro, Rw},
    KeySpec,
};
use super::row::{
    Flag::{Admin, DenyOom, Fast, MayReplicate, ReadOnly, Write},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::HyperLogLog,
    rows: &[
        Row::new("pfadd", "2.8.9", -2, &[Write, DenyOom, Fast])
            .summary("Adds elements to a HyperLogLog; a missing key counts as an empty one.")
            .complexity("O(1) an element")
            .keys(&[KeySpec::at(1, &[Rw, Insert])])
            .args(&[
                Arg::key("key", 0),
                Arg::string("element").optional().multiple(),
            ]),
        Row::new("pfcount", "2.8.9", -2, &[ReadOnly, MayReplicate])
            .summary("Estimates how many distinct elements HyperLogLogs have seen.")
            .complexity("O(1) for one key, O(N) for N keys")
            .keys(&[KeySpec::at(1, &[Rw, Access])
                .to(-1)
                .notes("RW because the cached count inside the value may change")])
            .args(&[Arg::key("key", 0).multiple()]),
        Row::new("pfdebug", "2.8.9", 3, &[Write, DenyOom, Admin])
            .summary("Shows the inside of a HyperLogLog, for tests.")
            .complexity("O(N)")
            .syscmd()
            .keys(&[KeySpec::at(2, &[Rw, Access])])
            .args(&[Arg::string("subcommand"), Arg::key("key", 0)]),
        Row::new("pfmerge", "2.8.9", -2, &[Write, DenyOom])
            .summary("Merges HyperLogLogs into one.")
            .complexity("O(N), N HyperLogLogs")
            .keys(&[
                KeySpec::at(1, &[Rw, Access, Insert]),
                KeySpec::at(2, &[Ro, Access]).to(-1),
            ])
            .args(&[
                Arg::key("destkey", 0),
                Arg::key("sourcekey", 1).optional().multiple(),
            ]),
        Row::new("pfselftest", "2.8.9", 1, &[Admin])
            .summary("Tests the HyperLogLog implementation.")
            .complexity("O(N)")
            .syscmd(),
    ],
};
