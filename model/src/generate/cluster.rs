//! Rows of the commands of a cluster, all of which are refused.

use super::arguments::*;
use super::{Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("cluster|addslots", 1, one_number),
    row("cluster|addslotsrange", 1, two_numbers),
    row("cluster|bumpepoch", 1, none),
    row("cluster|count-failure-reports", 1, one_number),
    row("cluster|countkeysinslot", 1, one_number),
    row("cluster|delslots", 1, one_number),
    row("cluster|delslotsrange", 1, two_numbers),
    row("cluster|failover", 1, none),
    row("cluster|flushslots", 1, none),
    row("cluster|forget", 1, one_number),
    row("cluster|getkeysinslot", 1, two_numbers),
    row("cluster|help", 1, none),
    row("cluster|info", 1, none),
    row("cluster|keyslot", 1, one_number),
    row("cluster|links", 1, none),
    row("cluster|meet", 1, two_numbers),
    row("cluster|myid", 1, none),
    row("cluster|myshardid", 1, none),
    row("cluster|nodes", 1, none),
    row("cluster|replicas", 1, one_number),
    row("cluster|replicate", 1, one_number),
    row("cluster|reset", 1, none),
    row("cluster|saveconfig", 1, none),
    row("cluster|set-config-epoch", 1, one_number),
    row("cluster|setslot", 1, two_numbers),
    row("cluster|shards", 1, none),
    row("cluster|slaves", 1, one_number),
    row("cluster|slots", 1, none),
    row("asking", 1, none),
    row("readonly", 1, none),
    row("readwrite", 1, none),
];

fn one_number() -> Arguments {
    all(vec![small(0..9)])
}

fn two_numbers() -> Arguments {
    all(vec![small(0..9), small(0..9)])
}
