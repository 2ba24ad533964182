//! Rows of the cluster commands, which all answer that there is no cluster.

use super::argument::Arg;
use super::row::{
    Category,
    Flag::{Admin, Fast, Loading, NoAsyncLoading, NoScript, Stale},
    Group, Row, Rows,
};

/// Commands that are answered.
pub(super) const ROWS: Rows = Rows {
    group: Group::Cluster,
    rows: &[
        Row::new("asking", "3.0.0", 1, &[Fast])
            .summary("Lets the next command use a slot that is being imported.")
            .complexity("O(1)")
            .acl(&[Category::Connection]),
        Row::new("cluster", "3.0.0", -2, &[])
            .summary("Looks at the cluster and changes it.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new(
                    "cluster|addslots",
                    "3.0.0",
                    -3,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Gives hash slots to this node.")
                .complexity("O(N), N slots")
                .args(&[Arg::integer("slot").multiple()]),
                Row::new(
                    "cluster|addslotsrange",
                    "7.0.0",
                    -4,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Gives ranges of hash slots to this node.")
                .complexity("O(N), N slots")
                .args(&[Arg::block(
                    "range",
                    &[Arg::integer("start-slot"), Arg::integer("end-slot")],
                )
                .multiple()]),
                Row::new(
                    "cluster|bumpepoch",
                    "3.0.0",
                    2,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Raises the configuration epoch.")
                .complexity("O(1)")
                .tips(&["nondeterministic_output"]),
                Row::new("cluster|count-failure-reports", "3.0.0", 3, &[Admin, Stale])
                    .summary("Returns how many nodes report a node as failing.")
                    .complexity("O(N), N reports")
                    .tips(&["nondeterministic_output"])
                    .args(&[Arg::string("node-id")]),
                Row::new("cluster|countkeysinslot", "3.0.0", 3, &[Stale])
                    .summary("Returns how many keys a hash slot holds.")
                    .complexity("O(1)")
                    .args(&[Arg::integer("slot")]),
                Row::new(
                    "cluster|delslots",
                    "3.0.0",
                    -3,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Takes hash slots from this node.")
                .complexity("O(N), N slots")
                .args(&[Arg::integer("slot").multiple()]),
                Row::new(
                    "cluster|delslotsrange",
                    "7.0.0",
                    -4,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Takes ranges of hash slots from this node.")
                .complexity("O(N), N slots")
                .args(&[Arg::block(
                    "range",
                    &[Arg::integer("start-slot"), Arg::integer("end-slot")],
                )
                .multiple()]),
                Row::new(
                    "cluster|failover",
                    "3.0.0",
                    -2,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Makes this replica the master.")
                .complexity("O(1)")
                .args(&[Arg::one_of(
                    "options",
                    &[
                        Arg::word("force", "FORCE"),
                        Arg::word("takeover", "TAKEOVER"),
                    ],
                )
                .optional()]),
                Row::new(
                    "cluster|flushslots",
                    "3.0.0",
                    2,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Takes all hash slots from this node.")
                .complexity("O(1)"),
                Row::new(
                    "cluster|forget",
                    "3.0.0",
                    3,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Removes a node from the list of nodes.")
                .complexity("O(1)")
                .args(&[Arg::string("node-id")]),
                Row::new("cluster|getkeysinslot", "3.0.0", 4, &[Stale])
                    .summary("Returns keys of a hash slot.")
                    .complexity("O(N), N keys asked for")
                    .tips(&["nondeterministic_output"])
                    .args(&[Arg::integer("slot"), Arg::integer("count")]),
                Row::new("cluster|help", "5.0.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("cluster|info", "3.0.0", 2, &[Stale])
                    .summary("Returns the state of the cluster.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"]),
                Row::new("cluster|keyslot", "3.0.0", 3, &[Stale])
                    .summary("Returns the hash slot of a key.")
                    .complexity("O(N), N bytes of the key")
                    .args(&[Arg::string("key")]),
                Row::new("cluster|links", "7.0.0", 2, &[Stale])
                    .summary("Lists the connections between this node and the others.")
                    .complexity("O(N), N nodes")
                    .tips(&["nondeterministic_output"]),
                Row::new("cluster|meet", "3.0.0", -4, &[NoAsyncLoading, Admin, Stale])
                    .summary("Introduces another node.")
                    .complexity("O(1)")
                    .history(&[("4.0.0", "The port of the bus may be given.")])
                    .args(&[
                        Arg::string("ip"),
                        Arg::integer("port"),
                        Arg::integer("cluster-bus-port").since("4.0.0").optional(),
                    ]),
                Row::new("cluster|myid", "3.0.0", 2, &[Stale])
                    .summary("Returns the ID of this node.")
                    .complexity("O(1)"),
                Row::new("cluster|myshardid", "7.2.0", 2, &[Stale])
                    .summary("Returns the ID of the shard of this node.")
                    .complexity("O(1)")
                    .tips(&["nondeterministic_output"]),
                Row::new("cluster|nodes", "3.0.0", 2, &[Stale])
                    .summary("Describes the nodes.")
                    .complexity("O(N), N nodes")
                    .tips(&["nondeterministic_output"]),
                Row::new("cluster|replicas", "5.0.0", 3, &[Admin, Stale])
                    .summary("Lists the replicas of a node.")
                    .complexity("O(N), N replicas")
                    .tips(&["nondeterministic_output"])
                    .args(&[Arg::string("node-id")]),
                Row::new(
                    "cluster|replicate",
                    "3.0.0",
                    3,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Makes this node a replica of another.")
                .complexity("O(1)")
                .args(&[Arg::string("node-id")]),
                Row::new("cluster|reset", "3.0.0", -2, &[Admin, Stale, NoScript])
                    .summary("Makes this node forget the cluster.")
                    .complexity("O(N), N nodes; a hard reset also deletes the keys")
                    .args(&[Arg::one_of(
                        "reset-type",
                        &[Arg::word("hard", "HARD"), Arg::word("soft", "SOFT")],
                    )
                    .optional()]),
                Row::new(
                    "cluster|saveconfig",
                    "3.0.0",
                    2,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Writes the configuration of the cluster to disk.")
                .complexity("O(1)"),
                Row::new(
                    "cluster|set-config-epoch",
                    "3.0.0",
                    3,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Sets the configuration epoch of a new node.")
                .complexity("O(1)")
                .args(&[Arg::integer("config-epoch")]),
                Row::new(
                    "cluster|setslot",
                    "3.0.0",
                    -4,
                    &[NoAsyncLoading, Admin, Stale],
                )
                .summary("Says which node a hash slot belongs to, or is on its way to.")
                .complexity("O(1)")
                .args(&[
                    Arg::integer("slot"),
                    Arg::one_of(
                        "subcommand",
                        &[
                            Arg::string("importing")
                                .token("IMPORTING")
                                .display("node-id"),
                            Arg::string("migrating")
                                .token("MIGRATING")
                                .display("node-id"),
                            Arg::string("node").token("NODE").display("node-id"),
                            Arg::word("stable", "STABLE"),
                        ],
                    ),
                ]),
                Row::new("cluster|shards", "7.0.0", 2, &[Loading, Stale])
                    .summary("Lists the shards, their nodes and their hash slots.")
                    .complexity("O(N), N nodes")
                    .tips(&["nondeterministic_output"]),
                Row::new("cluster|slaves", "3.0.0", 3, &[Admin, Stale])
                    .summary("Lists the replicas of a node.")
                    .complexity("O(N), N replicas")
                    .deprecated("5.0.0", "`CLUSTER REPLICAS`")
                    .tips(&["nondeterministic_output"])
                    .args(&[Arg::string("node-id")]),
                Row::new("cluster|slots", "3.0.0", 2, &[Loading, Stale])
                    .summary("Lists the ranges of hash slots and their nodes.")
                    .complexity("O(N), N nodes")
                    .deprecated("7.0.0", "`CLUSTER SHARDS`")
                    .history(&[
                        ("4.0.0", "Shows the IDs of nodes."),
                        ("7.0.0", "Shows more about how nodes are reached."),
                    ])
                    .tips(&["nondeterministic_output"]),
            ]),
        Row::new("readonly", "3.0.0", 1, &[Fast, Loading, Stale])
            .summary("Lets the connection read from a replica of the cluster.")
            .complexity("O(1)")
            .acl(&[Category::Connection]),
        Row::new("readwrite", "3.0.0", 1, &[Fast, Loading, Stale])
            .summary("Ends READONLY.")
            .complexity("O(1)")
            .acl(&[Category::Connection]),
    ],
};
