//! Rows of what an administrator sends.

use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, notifications, row};

pub const ROWS: &[Row] = &[
    row("acl|genpass", 1, || some(vec![one(small(0..5000))], 2)),
    row("acl|help", 1, none),
    row("acl|load", 1, none),
    row("acl|save", 1, none),
    row("bgrewriteaof", 1, none),
    row("bgsave", 1, || {
        some(vec![one(word(&["SCHEDULE", "FOO"]))], 1)
    }),
    row("save", 1, none),
    row("lastsave", 1, none),
    row("command", 1, none),
    row("command|count", 1, none),
    row("command|docs", 1, names),
    row("command|getkeys", 4, getkeys),
    row("command|getkeysandflags", 2, getkeys),
    row("command|help", 1, none),
    row("command|info", 2, names),
    row("command|list", 2, list),
    row("config|get", 2, config_get),
    row("config|set", 3, config_set),
    row("config|help", 1, none),
    row("config|resetstat", 1, none),
    row("config|rewrite", 1, none),
    row("debug", 2, debug),
    row("info", 2, info),
    row("latency|doctor", 1, none),
    row("latency|graph", 1, || one(word(&["command", "nothing"]))),
    row("latency|help", 1, none),
    row("latency|histogram", 1, || {
        some(vec![one(word(&["get", "nothing", "client|id"]))], 2)
    }),
    row("memory|doctor", 1, none),
    row("memory|help", 1, none),
    row("memory|malloc-stats", 1, none),
    row("memory|purge", 1, none),
    row("memory|stats", 1, none),
    row("module|help", 1, none),
    row("module|load", 1, || all(vec![key()])),
    row("module|loadex", 1, || all(vec![key()])),
    row("module|unload", 1, || all(vec![key()])),
    row("replconf", 1, replconf),
    row("replicaof", 1, no_one),
    row("slaveof", 1, no_one),
    row("shutdown", 1, shutdown),
    row("slowlog|help", 1, none),
];

fn texts(texts: &'static [&'static str]) -> One {
    select(texts).prop_map(Argument::text).boxed()
}

/// Names of commands.
fn names() -> Arguments {
    let name = texts(&[
        "get",
        "SET",
        "client|id",
        "client",
        "xadd",
        "eval",
        "sort",
        "nothing",
        "",
        "get|set",
        "object|encoding",
        "geoadd",
        "config|set",
        "fcall",
        "migrate-not",
    ]);
    proptest::collection::vec(name, 1..4).boxed()
}

fn list() -> Arguments {
    let filters = [
        &["FILTERBY", "ACLCAT", "read"][..],
        &["filterby", "aclcat", "GEO"],
        &["FILTERBY", "ACLCAT", "nothing"],
        &["FILTERBY", "PATTERN", "x*"],
        &["FILTERBY", "pattern", "client|?et*"],
        &["FILTERBY", "MODULE", "nothing"],
        &["FILTERBY", "FOO", "x"],
        &["FILTERBY", "PATTERN"],
        &["FOO"],
    ];
    let filters = select(filters.to_vec());
    let filter = filters.prop_map(|words| words.iter().map(|word| Argument::text(word)).collect());
    prop_oneof![none(), filter].boxed()
}

/// A request of any other kind, whole or not.
fn getkeys() -> Arguments {
    let requests = [
        "GET a",
        "get",
        "SET a b",
        "MSET a 1 b 2",
        "MGET a b c",
        "PING",
        "nothing a",
        "EVAL x 2 a b c",
        "EVAL x 0",
        "EVAL x 1",
        "EVAL x -1 a",
        "ZUNION 2 a b",
        "ZUNION 0 a",
        "ZUNIONSTORE c 2 a b",
        "SORT a BY x STORE b",
        "SORT a",
        "SORT_RO a",
        "XREAD COUNT 1 STREAMS a b 0 0",
        "XREADGROUP GROUP g c STREAMS a 0",
        "OBJECT ENCODING a",
        "OBJECT FOO a",
        "CLIENT ID",
        "CLIENT",
        "RENAME a b",
        "BLPOP a b 0",
        "LMPOP 2 a b LEFT",
        "BLMPOP 0 1 a LEFT",
        "BITOP AND d a b",
        "PFCOUNT a b",
        "GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 m",
        "GEORADIUS a 1 1 1 m STORE d",
        "XGROUP CREATE a g 0",
        "XINFO STREAM a",
        "COPY a b",
        "FCALL f 1 a b",
        "MEMORY USAGE a",
        "SUBSCRIBE a",
        "WATCH a b",
        "SINTERCARD 2 a b",
        "RESTORE a 0 x",
        "DEBUG OBJECT a",
    ];
    let requests = select(requests.to_vec());
    let words = |text: &str| text.split(' ').map(Argument::text).collect();
    requests.prop_map(words).boxed()
}

fn config_get() -> Arguments {
    let name = texts(&[
        "maxmemory-samples",
        "MAXMEMORY-SAMPLES",
        "maxmemory-sampl?s",
        "lfu-log*",
        "nothing",
        "lazyfree-lazy-user-d*",
        "databases",
        "slowlog-max-*",
        "acllog-m*",
        "notify-keyspace-events",
        "Notify-*",
    ]);
    proptest::collection::vec(name, 1..4).boxed()
}

fn config_set() -> Arguments {
    let pair =
        |name: &'static str, value: One| all(vec![Just(Argument::text(name)).boxed(), value]);
    let pairs = vec![
        pair("maxmemory-samples", small(1..64)),
        pair("Lfu-Log-Factor", small(0..100)),
        pair("slowlog-max-len", small(1..200)),
        pair("acllog-max-len", small(0..4)),
        all(vec![
            texts(&["appendfsync"]),
            word(&["EVERYSEC", "NO", "ALWAYS", "FOO"]),
        ]),
        all(vec![
            texts(&["lazyfree-lazy-user-del"]),
            word(&["YES", "NO", "FOO"]),
        ]),
        notifications::switch(),
        all(vec![
            texts(&["databases", "nothing", "maxmemory-samples"]),
            texts(&["5"]),
        ]),
    ];
    let pair = proptest::strategy::Union::new(pairs);
    let pairs = proptest::collection::vec(pair, 1..3).prop_map(|pairs| pairs.concat());
    let odd = all(vec![
        texts(&["maxmemory-samples"]),
        texts(&["5"]),
        texts(&["databases"]),
    ]);
    prop_oneof![9 => pairs, 1 => odd].boxed()
}

fn debug() -> Arguments {
    prop_oneof![
        all(vec![word(&["SLEEP"]), texts(&["0"])]),
        one(word(&["HELP"])),
        all(vec![word(&["OBJECT"]), key()]),
        sequence(vec![one(word(&["DIGEST-VALUE"])), keys()]),
        one(word(&["NOTHING", "SLEEP", "OBJECT"])),
    ]
    .boxed()
}

fn info() -> Arguments {
    let section = word(&[
        "SERVER",
        "CLIENTS",
        "MEMORY",
        "STATS",
        "REPLICATION",
        "CPU",
        "KEYSPACE",
        "EVERYTHING",
        "ALL",
        "DEFAULT",
        "NOTHING",
        "COMMANDSTATS",
        "ERRORSTATS",
        "PERSISTENCE",
        "CLUSTER",
    ]);
    proptest::collection::vec(section, 0..3).boxed()
}

fn replconf() -> Arguments {
    prop_oneof![
        all(vec![word(&["CAPA"]), texts(&["eof", "psync2"])]),
        all(vec![word(&["LISTENING-PORT"]), small(1..9)]),
        all(vec![word(&["FOO", "CAPA"]), texts(&["x"])]),
        one(word(&["CAPA"])),
    ]
    .boxed()
}

fn no_one() -> Arguments {
    all(vec![word(&["NO"]), word(&["ONE"])])
}

/// Nothing that ends the server.
fn shutdown() -> Arguments {
    prop_oneof![
        one(word(&["ABORT", "FOO"])),
        all(vec![word(&["NOSAVE", "SAVE"]), word(&["FOO", "ABORT"])]),
        all(vec![word(&["NOSAVE"]), word(&["SAVE"])]),
    ]
    .boxed()
}
